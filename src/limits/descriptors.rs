//! How many descriptors the process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is kept back from sessions at least, for the store, the log, listeners, and a few callers.
const FEWEST_KEPT_BACK: u64 = 16;

/// Raises the limit on open descriptors as far as this process may, and says so: what a shell sets is meant for programs
/// that open few.
pub(crate) fn raise() {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    let shown = |limit: Option<u64>| limit.map_or("any number".to_owned(), |most| most.to_string());
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::info!(
            "the process may have {} descriptors open, and was started with a limit of {}",
            shown(raised.current),
            shown(before.current)
        ),
        Err(error) => tracing::warn!(
            "the process may have {} descriptors open, which could not be raised to {}: {error}",
            shown(before.current),
            shown(before.maximum)
        ),
    }
}

/// How many may be open; none: any number.
fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many of `wanted` connections of callers there is room for: a quarter is kept for the sessions' own connections
/// and for the store, so that callers cannot take those away.
pub(super) fn room_for(wanted: usize) -> usize {
    let Some(limit) = limit() else { return wanted };
    let room = usize::try_from(limit - limit / 4).unwrap_or(usize::MAX);
    if room < wanted {
        tracing::warn!(
            "the process may have {limit} descriptors: {room} connections are taken at once, not {wanted}"
        );
    }
    wanted.min(room)
}

/// How many may be open before no session is started any more, so that sessions leave some to all else; none: any number.
pub(super) fn for_sessions() -> Option<u64> {
    limit().map(|limit| limit.saturating_sub(kept_back(limit)))
}

fn kept_back(limit: u64) -> u64 {
    (limit / 16).max(FEWEST_KEPT_BACK)
}

/// Warns when so many sessions and so many connections of callers are more than the limit carries.
pub(super) fn check(sessions: usize, callers: usize) {
    let Some(limit) = limit() else { return };
    let wanted = sessions as u64 + callers as u64 + FEWEST_KEPT_BACK;
    if wanted > limit {
        tracing::warn!(
            "{sessions} sessions and {callers} connections of callers need {wanted} descriptors, and the process may have {limit}: \
             raise the hard limit on open files, or lower `--max-connections`"
        );
    }
}
