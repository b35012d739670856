//! `/admin/phones/{name}/messages` and beside it: the phone as a person holds it.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use buffa::Message as _;
use serde::{Deserialize, Serialize};
use waproto::whatsapp::Message;

use super::body::{Body, Params};
use super::error::Error;
use super::phones::account;
use crate::phone::{
    self, Chats, Log, PeerRequest, ReceivedMessage, ReceivedReceipt, Recipient, Undecrypted,
};
use crate::state::{AccountId, Shared, lock};

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;
const WAIT_MAX: u64 = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendBody {
    /// A phone, a JID, the digits of a number, or a group.
    to: String,
    text: Option<String>,
    /// A `whatsapp.Message` in base64, in the place of `text`.
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReactBody {
    id: String,
    emoji: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditBody {
    id: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeBody {
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadBody {
    ids: Vec<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WithholdBody {
    /// Whether a device that is linked does not get the key of the shared settings unasked.
    withheld: bool,
}

#[derive(Serialize)]
pub(crate) struct SentBody {
    /// Of the message that was sent.
    id: String,
}

#[derive(Serialize)]
pub(crate) struct ReadAnswer {
    /// How many messages.
    read: usize,
}

#[derive(Serialize)]
pub(crate) struct ForgottenBody {
    forgotten: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
    /// Seconds to wait for an entry, if there is none yet.
    #[serde(default)]
    wait: u64,
}

#[derive(Serialize)]
pub(crate) struct Page<T> {
    entries: Vec<T>,
    /// To be given as `after` for the next page.
    next: u64,
}

type Sent = Result<(StatusCode, Json<SentBody>), Error>;
type Answer<T> = Result<Json<Page<T>>, Error>;

pub(crate) async fn send(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<SendBody>,
) -> Sent {
    let message = body.content()?;
    let (account, to) = {
        let state = lock(&shared);
        let account = account(&state, "name", &name)?;
        (account, Recipient::find(&state, &body.to).map_err(|error| refused("to", &error))?)
    };
    sent("to", phone::send(&shared, account, &to, message).await)
}

impl SendBody {
    fn content(&self) -> Result<Message, Error> {
        match (&self.text, &self.message) {
            (Some(text), None) if !text.is_empty() => Ok(phone::text(text)),
            (Some(_), None) => Err(Error::field("text", "must not be empty")),
            (None, Some(message)) => {
                let bytes = BASE64_STANDARD.decode(message).ok();
                let message = bytes.and_then(|bytes| Message::decode_from_slice(&bytes).ok());
                message.ok_or_else(|| Error::field("message", "must be a message in base64"))
            }
            _ => Err(Error::field("text", "exactly one of `text` and `message` is needed")),
        }
    }
}

pub(crate) async fn react(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<ReactBody>,
) -> Sent {
    let account = find(&shared, &name)?;
    sent("id", phone::react(&shared, account, &body.id, &body.emoji).await)
}

pub(crate) async fn edit(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<EditBody>,
) -> Sent {
    let account = find(&shared, &name)?;
    sent("id", phone::edit(&shared, account, &body.id, &body.text).await)
}

pub(crate) async fn revoke(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<RevokeBody>,
) -> Sent {
    let account = find(&shared, &name)?;
    sent("id", phone::revoke(&shared, account, &body.id).await)
}

pub(crate) async fn read(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<ReadBody>,
) -> Result<Json<ReadAnswer>, Error> {
    let account = find(&shared, &name)?;
    let ids: Vec<&str> = body.ids.iter().map(String::as_str).collect();
    phone::read(&mut lock(&shared), account, &ids).map_err(|error| refused("ids", &error))?;
    Ok(Json(ReadAnswer { read: ids.len() }))
}

pub(crate) async fn forget(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<ForgottenBody>, Error> {
    let account = find(&shared, &name)?;
    phone::forget_sessions(&shared, account).await;
    Ok(Json(ForgottenBody { forgotten: true }))
}

pub(crate) async fn withhold(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(WithholdBody { withheld }): Body<WithholdBody>,
) -> Result<Json<WithholdBody>, Error> {
    let mut state = lock(&shared);
    let account = account(&state, "name", &name)?;
    phone::withhold_keys(&mut state, account, withheld);
    Ok(Json(WithholdBody { withheld }))
}

pub(crate) async fn messages(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Params(wanted): Params<Wanted>,
) -> Answer<ReceivedMessage> {
    page(&shared, &name, &wanted, |chats| &chats.messages).await
}

pub(crate) async fn receipts(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Params(wanted): Params<Wanted>,
) -> Answer<ReceivedReceipt> {
    page(&shared, &name, &wanted, |chats| &chats.receipts).await
}

pub(crate) async fn requests(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Params(wanted): Params<Wanted>,
) -> Answer<PeerRequest> {
    page(&shared, &name, &wanted, |chats| &chats.requests).await
}

pub(crate) async fn undecrypted(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Params(wanted): Params<Wanted>,
) -> Answer<Undecrypted> {
    page(&shared, &name, &wanted, |chats| &chats.undecrypted).await
}

/// A page of what a phone has received; an empty one, if nothing has come in time.
async fn page<T: Clone>(
    shared: &Shared,
    name: &str,
    wanted: &Wanted,
    of: impl Fn(&Chats) -> &Log<T>,
) -> Answer<T> {
    let limit = wanted.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Error::field("limit", "must be 1 to 1000"));
    }
    if wanted.wait > WAIT_MAX {
        return Err(Error::field("wait", "must be at most 60 seconds"));
    }
    let account = find(shared, name)?;
    let read = |chats: &Chats| {
        let page = of(chats).page(wanted.after, limit);
        Some(page).filter(|(entries, _)| !entries.is_empty())
    };
    let page = if wanted.wait == 0 {
        let state = lock(shared);
        let handset = state.accounts.get(account).and_then(|account| account.handset.as_ref());
        handset.and_then(|handset| read(&handset.chats))
    } else {
        let span = Duration::from_secs(wanted.wait);
        tokio::time::timeout(span, phone::wait(shared, account, read)).await.ok()
    };
    let (entries, next) = page.unwrap_or((Vec::new(), wanted.after));
    Ok(Json(Page { entries, next }))
}

fn find(shared: &Shared, name: &str) -> Result<AccountId, Error> {
    account(&lock(shared), "name", name)
}

fn sent(field: &str, id: crate::Result<String>) -> Sent {
    match id {
        Ok(id) => Ok((StatusCode::CREATED, Json(SentBody { id }))),
        Err(error) => Err(refused(field, &error)),
    }
}

fn refused(field: &str, error: &crate::Error) -> Error {
    let text = format!("`{field}`: {error}");
    match error {
        crate::Error::NoSuchChat(_) | crate::Error::NoSuchMessage(_) => Error::NotFound(text),
        _ => Error::Conflict(text),
    }
}
