//! `/admin/newsletters`: newsletters, made and written from outside.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use wacore_binary::Jid;

use super::body::{Body, Path};
use super::documented::Refused;
use super::error::Error;
use super::groups::phone;
use crate::groups::{Refusal, check_subject};
use crate::newsletters::{self, Channel, change};
use crate::stanza::Push;
use crate::state::{self, Shared, lock};

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(find))
        .routes(routes!(follow, leave))
        .routes(routes!(post))
        .routes(routes!(edit, revoke))
        .routes(routes!(react))
}

type Answer = Result<Json<NewsletterBody>, Error>;

#[derive(Deserialize, ToSchema)]
#[schema(as = NewNewsletter)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBody {
    name: String,
    owner: String,
    description: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowerBody {
    name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostBody {
    text: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReactionBody {
    name: String,
    /// Nothing takes the reaction back.
    reaction: String,
}

/// A message of a newsletter, as a path names it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MessageAt {
    jid: String,
    number: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NewsletterBody {
    jid: String,
    name: String,
    description: String,
    invite: String,
    owner: String,
    followers: Vec<String>,
    messages: Vec<MessageBody>,
}

#[derive(Serialize, ToSchema)]
struct MessageBody {
    #[serde(rename = "serverId")]
    server_id: u64,
    id: String,
    revoked: bool,
    reactions: Vec<ReactionCount>,
    views: usize,
}

#[derive(Serialize, ToSchema)]
struct ReactionCount {
    reaction: String,
    count: usize,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NewsletterList)]
pub(crate) struct ListBody {
    newsletters: Vec<NewsletterBody>,
}

impl From<&Channel> for NewsletterBody {
    fn from(channel: &Channel) -> Self {
        let messages = channel.posts.iter().map(|post| MessageBody {
            server_id: post.server_id,
            id: post.id.clone(),
            revoked: post.revoked,
            reactions: post
                .tally()
                .into_iter()
                .map(|(reaction, count)| ReactionCount { reaction: reaction.to_owned(), count })
                .collect(),
            views: post.views.len(),
        });
        Self {
            jid: channel.jid().to_string(),
            name: channel.name.clone(),
            description: channel.description.clone(),
            invite: channel.invite.clone(),
            owner: channel.owner.clone(),
            followers: channel.followers.clone(),
            messages: messages.collect(),
        }
    }
}

/// List the newsletters.
#[utoipa::path(get, path = "/newsletters", operation_id = "listNewsletters", tag = "newsletters",
    responses((status = 200, body = ListBody, description = "Every newsletter"), Refused))]
pub(crate) async fn list(State(shared): State<Shared>) -> Json<ListBody> {
    let newsletters = lock(&shared).newsletters.all().map(NewsletterBody::from).collect();
    Json(ListBody { newsletters })
}

/// Make a newsletter.
#[utoipa::path(post, path = "/newsletters", operation_id = "addNewsletter", tag = "newsletters",
    request_body = NewBody,
    responses((status = 201, body = NewsletterBody, description = "The new newsletter"), Refused))]
pub(crate) async fn add(
    State(shared): State<Shared>,
    Body(body): Body<NewBody>,
) -> Result<(StatusCode, Json<NewsletterBody>), Error> {
    phone(&shared, "owner", &body.owner)?;
    let new = change::Update {
        name: Some(body.name),
        description: body.description,
        ..change::Update::default()
    };
    let field = match &new.name {
        Some(name) if check_subject(name).is_ok() => "description",
        _ => "name",
    };
    let made = change::create(&mut lock(&shared), &body.owner, new);
    let jid = made.map_err(refused(field))?;
    Ok((StatusCode::CREATED, read(&shared, &jid)?))
}

/// Read a newsletter.
#[utoipa::path(get, path = "/newsletters/{jid}", operation_id = "getNewsletter", tag = "newsletters",
    responses((status = 200, body = NewsletterBody, description = "The newsletter"), Refused))]
pub(crate) async fn find(State(shared): State<Shared>, Path(jid): Path<String>) -> Answer {
    read(&shared, &address(&jid)?)
}

/// Follow a newsletter.
#[utoipa::path(post, path = "/newsletters/{jid}/followers", operation_id = "followNewsletter", tag = "newsletters",
    request_body = FollowerBody,
    responses((status = 200, body = NewsletterBody, description = "The newsletter as it is now"), Refused))]
pub(crate) async fn follow(
    State(shared): State<Shared>,
    Path(jid): Path<String>,
    Body(FollowerBody { name }): Body<FollowerBody>,
) -> Answer {
    as_follower(&shared, &jid, &name, |state, jid| change::follow(state, &name, None, jid))
}

/// Follow a newsletter no more.
#[utoipa::path(delete, path = "/newsletters/{jid}/followers", operation_id = "leaveNewsletter", tag = "newsletters",
    request_body = FollowerBody,
    responses((status = 200, body = NewsletterBody, description = "The newsletter as it is now"), Refused))]
pub(crate) async fn leave(
    State(shared): State<Shared>,
    Path(jid): Path<String>,
    Body(FollowerBody { name }): Body<FollowerBody>,
) -> Answer {
    as_follower(&shared, &jid, &name, |state, jid| change::unfollow(state, &name, None, jid))
}

/// Write a text as the owner.
#[utoipa::path(post, path = "/newsletters/{jid}/messages", operation_id = "postToNewsletter", tag = "newsletters",
    request_body = PostBody,
    responses((status = 200, body = NewsletterBody, description = "The newsletter as it is now"), Refused))]
pub(crate) async fn post(
    State(shared): State<Shared>,
    Path(jid): Path<String>,
    Body(PostBody { text }): Body<PostBody>,
) -> Answer {
    let jid = known(&shared, &jid)?;
    let done = newsletters::post_text(&mut lock(&shared), &jid, None, Some(&text));
    done.map_err(refused("text"))?;
    read(&shared, &jid)
}

/// Put a text in the place of a message, as the owner.
#[utoipa::path(put, path = "/newsletters/{jid}/messages/{number}", operation_id = "editPost", tag = "newsletters",
    params(MessageAt),
    request_body = PostBody,
    responses((status = 200, body = NewsletterBody, description = "The newsletter as it is now"), Refused))]
pub(crate) async fn edit(
    State(shared): State<Shared>,
    Path(MessageAt { jid, number }): Path<MessageAt>,
    Body(PostBody { text }): Body<PostBody>,
) -> Answer {
    let jid = known(&shared, &jid)?;
    let done = newsletters::post_text(&mut lock(&shared), &jid, Some(number), Some(&text));
    done.map_err(refused("number"))?;
    read(&shared, &jid)
}

/// Take a message back, as the owner.
#[utoipa::path(delete, path = "/newsletters/{jid}/messages/{number}", operation_id = "revokePost", tag = "newsletters",
    params(MessageAt),
    responses((status = 200, body = NewsletterBody, description = "The newsletter as it is now"), Refused))]
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    Path(MessageAt { jid, number }): Path<MessageAt>,
) -> Answer {
    let jid = known(&shared, &jid)?;
    let done = newsletters::post_text(&mut lock(&shared), &jid, Some(number), None);
    done.map_err(refused("number"))?;
    read(&shared, &jid)
}

/// React to a message; an empty reaction takes it back.
#[utoipa::path(post, path = "/newsletters/{jid}/messages/{number}/react", operation_id = "reactToPost", tag = "newsletters",
    params(MessageAt),
    request_body = ReactionBody,
    responses((status = 200, body = NewsletterBody, description = "The newsletter as it is now"), Refused))]
pub(crate) async fn react(
    State(shared): State<Shared>,
    Path(MessageAt { jid, number }): Path<MessageAt>,
    Body(ReactionBody { name, reaction }): Body<ReactionBody>,
) -> Answer {
    let jid = known(&shared, &jid)?;
    phone(&shared, "name", &name)?;
    let code = (!reaction.is_empty()).then_some(reaction);
    let done = change::react(&mut lock(&shared), &name, &jid, number, code);
    let field = |refusal| if refusal == Refusal::NotFound { "number" } else { "name" };
    done.map_err(|refusal| Error::Refused { field: field(refusal), refusal })?;
    read(&shared, &jid)
}

fn refused(field: &'static str) -> impl Fn(Refusal) -> Error {
    move |refusal| Error::Refused { field, refusal }
}

fn address(jid: &str) -> Result<Jid, Error> {
    let wrong = |_| Error::field("jid", "must be the JID of a newsletter, `<digits>@newsletter`");
    jid.parse().map_err(wrong)
}

fn as_follower(
    shared: &Shared,
    jid: &str,
    name: &str,
    change: impl FnOnce(&mut state::State, &Jid) -> Result<Vec<Push>, Refusal>,
) -> Answer {
    let jid = known(shared, jid)?;
    phone(shared, "name", name)?;
    newsletters::act(shared, |state| change(state, &jid)).map_err(refused("name"))?;
    read(shared, &jid)
}

fn known(shared: &Shared, jid: &str) -> Result<Jid, Error> {
    let jid = address(jid)?;
    read(shared, &jid).map(|_| jid)
}

fn read(shared: &Shared, jid: &Jid) -> Answer {
    let state = lock(shared);
    let found = state.newsletters.find(jid).map(|channel| Json(channel.into()));
    found.map_err(|_| Error::NotFound(format!("there is no newsletter `{jid}`")))
}
