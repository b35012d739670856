//! Linking by QR: the phone scans what a client shows.

use tokio::sync::oneshot;

use super::{Scan, answered, offer};
use crate::phone::LinkingCode;
use crate::state::{AccountId, LinkId, Shared, State, lock};
use crate::{Error, LinkedDevice, Result, tokens};

/// The phone of this account scans a code: resolves when the client has accepted, or says why it did not.
pub(crate) async fn scan(shared: &Shared, name: &str, text: &str) -> Result<LinkedDevice> {
    let code = LinkingCode::parse(text)?;
    let answer = {
        let mut state = lock(shared);
        let link = showing(&state, &code).ok_or(Error::StaleQr)?;
        let account = state.accounts.by_name(name).map(|account| account.id);
        let account = account.ok_or_else(|| Error::NoSuchPhone(name.to_owned()))?;
        propose(&mut state, link, account, &code)?
    };
    answered(answer).await
}

/// A phone scans a code for the account of the push name that the client registered with, made if there is none: says
/// which account that is. Only a code that a client does show is worth an account, and only a push name that makes sense.
pub(crate) async fn scan_for_its_account(
    shared: &Shared,
    text: &str,
) -> Result<(String, LinkedDevice)> {
    let code = LinkingCode::parse(text)?;
    let (name, answer) = {
        let mut state = lock(shared);
        let link = showing(&state, &code).ok_or(Error::StaleQr)?;
        let push_name = state.pairings.candidates[&link].push_name.clone();
        let account = tokens::join(&mut state, push_name.as_deref())?;
        let answer = propose(&mut state, link, account, &code)?;
        let name = state.accounts.get(account).map(|account| account.name.clone());
        (name.unwrap_or_default(), answer)
    };
    Ok((name, answered(answer).await?))
}

fn propose(
    state: &mut State,
    link: LinkId,
    account: AccountId,
    code: &LinkingCode,
) -> Result<oneshot::Receiver<Result<LinkedDevice>>> {
    let offered = offer(state, link, account, code)?;
    let (done, answer) = oneshot::channel();
    let candidate = state.pairings.candidates.get_mut(&link).expect("found by its code");
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
