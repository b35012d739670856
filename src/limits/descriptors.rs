//! How many descriptors the process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on open descriptors as far as this process may: what a shell sets is meant for programs that open
/// few. Gives how many of `wanted` connections there is room for: a quarter is kept for the sessions' own connections
/// and for the store, so that callers cannot take those away.
pub(super) fn room_for(wanted: usize) -> usize {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => before.current,
    };
    let Some(limit) = limit else { return wanted };
    let room = usize::try_from(limit - limit / 4).unwrap_or(usize::MAX);
    if room < wanted {
        tracing::warn!(
            "the process may have {limit} descriptors: {room} connections are taken at once, not {wanted}"
        );
    }
    wanted.min(room)
}
