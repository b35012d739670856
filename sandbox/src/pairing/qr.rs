//! Linking by QR: the phone scans what a client shows.

use tokio::sync::oneshot;

use super::{Scan, answered, offer};
use crate::phone::LinkingCode;
use crate::state::{LinkId, Shared, State, lock};
use crate::{Error, LinkedDevice, Result};

/// The phone of this account scans a code: resolves when the client has accepted, or says why it did not.
pub(crate) async fn scan(shared: &Shared, name: &str, text: &str) -> Result<LinkedDevice> {
    let code = LinkingCode::parse(text)?;
    let answer = propose(&mut lock(shared), name, &code)?;
    answered(answer).await
}

fn propose(
    state: &mut State,
    name: &str,
    code: &LinkingCode,
) -> Result<oneshot::Receiver<Result<LinkedDevice>>> {
    let link = showing(state, code).ok_or(Error::StaleQr)?;
    let account =
        state.accounts.by_name(name).ok_or_else(|| Error::NoSuchPhone(name.to_owned()))?.id;
    let offered = offer(state, link, account, code)?;
    let (done, answer) = oneshot::channel();
    let candidate = state.pairings.candidates.get_mut(&link).expect("found by its code above");
    candidate.scan = Some(Scan { offered, done });
    Ok(answer)
}

fn showing(state: &State, code: &LinkingCode) -> Option<LinkId> {
    let mut candidates = state.pairings.candidates.iter();
    let found = candidates.find(|(_, candidate)| {
        candidate.references.contains(&code.reference)
            && candidate.noise == code.noise
            && candidate.identity == code.identity
            && candidate.scan.is_none()
    });
    found.map(|(link, _)| *link)
}
