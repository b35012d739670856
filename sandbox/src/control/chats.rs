//! `/admin/phones/{name}/messages` and beside it: the phone as a person holds it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use buffa::Message as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use waproto::whatsapp::Message;

use super::body::{Body, Params};
use super::documented::Refused;
use super::error::Error;
use super::paging::{self, Page};
use super::phones::account;
use crate::phone::{
    self, Chats, Log, PeerRequest, ReceivedMessage, ReceivedReceipt, Recipient, Undecrypted,
};
use crate::state::{self, AccountId, Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(messages, send))
        .routes(routes!(react))
        .routes(routes!(edit))
        .routes(routes!(revoke))
        .routes(routes!(read))
        .routes(routes!(receipts))
        .routes(routes!(requests))
        .routes(routes!(undecrypted))
        .routes(routes!(forget))
        .routes(routes!(withhold))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendBody {
    /// A phone, a JID, the digits of a number, or a group.
    to: String,
    text: Option<String>,
    /// A `whatsapp.Message` in base64, in the place of `text`.
    message: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReactBody {
    id: String,
    emoji: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditBody {
    id: String,
    text: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeBody {
    id: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadBody {
    ids: Vec<String>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WithholdBody {
    /// Whether a device that is linked does not get the key of the shared settings unasked.
    withheld: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SentBody {
    /// Of the message that was sent.
    id: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ReadAnswer {
    /// How many messages.
    read: usize,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ForgottenBody {
    forgotten: bool,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The `next` of the page before.
    #[serde(default)]
    after: u64,
    /// How many entries at most: 1 to 1000, and 100 if this is left out.
    limit: Option<usize>,
    /// Seconds to wait for an entry, if there is none yet: at most 60.
    #[serde(default)]
    wait: u64,
}

type Sent = Result<(StatusCode, Json<SentBody>), Error>;
type Answer<T> = Result<Json<Page<T>>, Error>;

/// Send a message from the phone.
#[utoipa::path(post, path = "/phones/{name}/messages", operation_id = "sendMessage", tag = "messages",
    request_body = SendBody,
    responses((status = 201, body = SentBody, description = "It is sent"), Refused))]
pub(crate) async fn send(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<SendBody>,
) -> Sent {
    let message = body.content()?;
    let (account, to) = {
        let state = lock(&shared);
        let account = account(&state, "name", &name)?;
        (account, chat(&state, "to", &body.to)?)
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

/// React to a message that the phone has received; an empty emoji takes the reaction back.
#[utoipa::path(post, path = "/phones/{name}/react", operation_id = "react", tag = "messages",
    request_body = ReactBody,
    responses((status = 201, body = SentBody, description = "It is sent"), Refused))]
pub(crate) async fn react(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<ReactBody>,
) -> Sent {
    let account = find(&shared, &name)?;
    sent("id", phone::react(&shared, account, &body.id, &body.emoji).await)
}

/// Give a message of the phone's own another text.
#[utoipa::path(post, path = "/phones/{name}/edit", operation_id = "editMessage", tag = "messages",
    request_body = EditBody,
    responses((status = 201, body = SentBody, description = "It is sent"), Refused))]
pub(crate) async fn edit(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<EditBody>,
) -> Sent {
    let account = find(&shared, &name)?;
    sent("id", phone::edit(&shared, account, &body.id, &body.text).await)
}

/// Take back a message of the phone's own.
#[utoipa::path(post, path = "/phones/{name}/revoke", operation_id = "revokeMessage", tag = "messages",
    request_body = RevokeBody,
    responses((status = 201, body = SentBody, description = "It is sent"), Refused))]
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Body(body): Body<RevokeBody>,
) -> Sent {
    let account = find(&shared, &name)?;
    sent("id", phone::revoke(&shared, account, &body.id).await)
}

/// Read messages on the phone: their senders hear of it.
#[utoipa::path(post, path = "/phones/{name}/read", operation_id = "readMessages", tag = "messages",
    request_body = ReadBody,
    responses((status = 200, body = ReadAnswer, description = "They are read"), Refused))]
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

/// Let the phone forget its Signal sessions: it cannot read what is sealed for them.
#[utoipa::path(post, path = "/phones/{name}/forget-sessions", operation_id = "forgetSessions", tag = "messages",
    responses((status = 200, body = ForgottenBody, description = "They are forgotten"), Refused))]
pub(crate) async fn forget(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<ForgottenBody>, Error> {
    let account = find(&shared, &name)?;
    phone::forget_sessions(&shared, account).await;
    Ok(Json(ForgottenBody { forgotten: true }))
}

/// Set whether the phone gives a new device the keys of the app state unasked.
#[utoipa::path(put, path = "/phones/{name}/keys", operation_id = "withholdKeys", tag = "messages",
    request_body = WithholdBody,
    responses((status = 200, body = WithholdBody, description = "As set"), Refused))]
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

/// List the messages that a phone has received and decrypted.
#[utoipa::path(get, path = "/phones/{name}/messages", operation_id = "listMessages", tag = "messages",
    params(Wanted),
    responses((status = 200, body = Page<ReceivedMessage>, description = "A page, oldest first"), Refused))]
pub(crate) async fn messages(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Params(wanted): Params<Wanted>,
) -> Answer<ReceivedMessage> {
    page(&shared, &name, &wanted, |chats| &chats.messages).await
}

/// List the receipts that have reached the phone for messages that it sent.
#[utoipa::path(get, path = "/phones/{name}/receipts", operation_id = "listReceipts", tag = "messages",
    params(Wanted),
    responses((status = 200, body = Page<ReceivedReceipt>, description = "A page, oldest first"), Refused))]
pub(crate) async fn receipts(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Params(wanted): Params<Wanted>,
) -> Answer<ReceivedReceipt> {
    page(&shared, &name, &wanted, |chats| &chats.receipts).await
}

/// List what an account's devices asked of its phone.
#[utoipa::path(get, path = "/phones/{name}/peer-requests", operation_id = "listPeerRequests", tag = "messages",
    params(Wanted),
    responses((status = 200, body = Page<PeerRequest>, description = "A page, oldest first"), Refused))]
pub(crate) async fn requests(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Params(wanted): Params<Wanted>,
) -> Answer<PeerRequest> {
    page(&shared, &name, &wanted, |chats| &chats.requests).await
}

/// List the messages that a phone could not decrypt.
#[utoipa::path(get, path = "/phones/{name}/undecrypted", operation_id = "listUndecrypted", tag = "messages",
    params(Wanted),
    responses((status = 200, body = Page<Undecrypted>, description = "A page, oldest first"), Refused))]
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
    let limit = paging::limit(wanted.limit)?;
    let span = paging::wait(wanted.wait)?;
    let account = find(shared, name)?;
    let read = |chats: &Chats| {
        let page = of(chats).page(wanted.after, limit);
        Some(page).filter(|(entries, _)| !entries.is_empty())
    };
    let page = if span.is_zero() {
        let state = lock(shared);
        let handset = state.accounts.get(account).and_then(|account| account.handset.as_ref());
        handset.and_then(|handset| read(&handset.chats))
    } else {
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

/// The chat that a request means in this field.
pub(super) fn chat(state: &state::State, field: &str, to: &str) -> Result<Recipient, Error> {
    Recipient::find(state, to).map_err(|error| refused(field, &error))
}

fn refused(field: &str, error: &crate::Error) -> Error {
    let text = format!("`{field}`: {error}");
    match error {
        crate::Error::NoSuchChat(_) | crate::Error::NoSuchMessage(_) => Error::NotFound(text),
        _ => Error::Conflict(text),
    }
}
