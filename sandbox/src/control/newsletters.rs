//! `/admin/newsletters`: newsletters, made and written from outside.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use wacore_binary::Jid;

use super::body::Body;
use super::error::Error;
use super::groups::phone;
use crate::groups::Refusal;
use crate::newsletters::{self, Channel, change};
use crate::state::{Shared, lock};

type Answer = Result<Json<NewsletterBody>, Error>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBody {
    name: String,
    owner: String,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowerBody {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostBody {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReactionBody {
    name: String,
    /// Nothing takes the reaction back.
    reaction: String,
}

#[derive(Serialize)]
pub(crate) struct NewsletterBody {
    jid: String,
    name: String,
    description: String,
    invite: String,
    owner: String,
    followers: Vec<String>,
    messages: Vec<MessageBody>,
}

#[derive(Serialize)]
struct MessageBody {
    #[serde(rename = "serverId")]
    server_id: u64,
    id: String,
    revoked: bool,
    reactions: Vec<ReactionCount>,
    views: usize,
}

#[derive(Serialize)]
struct ReactionCount {
    reaction: String,
    count: usize,
}

#[derive(Serialize)]
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

pub(crate) async fn list(State(shared): State<Shared>) -> Json<ListBody> {
    let newsletters = lock(&shared).newsletters.all().map(NewsletterBody::from).collect();
    Json(ListBody { newsletters })
}

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
    let made = change::create(&mut lock(&shared), &body.owner, new);
    let jid = made.map_err(refused("name"))?;
    Ok((StatusCode::CREATED, read(&shared, &jid)?))
}

pub(crate) async fn find(State(shared): State<Shared>, Path(jid): Path<String>) -> Answer {
    read(&shared, &address(&jid)?)
}

/// Somebody follows it.
pub(crate) async fn follow(
    State(shared): State<Shared>,
    Path(jid): Path<String>,
    Body(FollowerBody { name }): Body<FollowerBody>,
) -> Answer {
    let jid = known(&shared, &jid)?;
    phone(&shared, "name", &name)?;
    newsletters::act(&shared, |state| change::follow(state, &name, None, &jid))
        .map_err(refused("name"))?;
    read(&shared, &jid)
}

/// Somebody follows it no more.
pub(crate) async fn leave(
    State(shared): State<Shared>,
    Path(jid): Path<String>,
    Body(FollowerBody { name }): Body<FollowerBody>,
) -> Answer {
    let jid = known(&shared, &jid)?;
    phone(&shared, "name", &name)?;
    newsletters::act(&shared, |state| change::unfollow(state, &name, None, &jid))
        .map_err(refused("name"))?;
    read(&shared, &jid)
}

/// Its owner writes a text.
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

/// Its owner puts a text in the place of a message.
pub(crate) async fn edit(
    State(shared): State<Shared>,
    Path((jid, number)): Path<(String, u64)>,
    Body(PostBody { text }): Body<PostBody>,
) -> Answer {
    let jid = known(&shared, &jid)?;
    let done = newsletters::post_text(&mut lock(&shared), &jid, Some(number), Some(&text));
    done.map_err(refused("serverId"))?;
    read(&shared, &jid)
}

/// Its owner takes a message back.
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    Path((jid, number)): Path<(String, u64)>,
) -> Answer {
    let jid = known(&shared, &jid)?;
    let done = newsletters::post_text(&mut lock(&shared), &jid, Some(number), None);
    done.map_err(refused("serverId"))?;
    read(&shared, &jid)
}

/// Somebody reacts to a message.
pub(crate) async fn react(
    State(shared): State<Shared>,
    Path((jid, number)): Path<(String, u64)>,
    Body(ReactionBody { name, reaction }): Body<ReactionBody>,
) -> Answer {
    let jid = known(&shared, &jid)?;
    phone(&shared, "name", &name)?;
    let code = (!reaction.is_empty()).then_some(reaction);
    let done = change::react(&mut lock(&shared), &name, &jid, number, code);
    done.map_err(refused("name"))?;
    read(&shared, &jid)
}

fn refused(field: &'static str) -> impl Fn(Refusal) -> Error {
    move |refusal| Error::Refused { field, refusal }
}

fn address(jid: &str) -> Result<Jid, Error> {
    let wrong = |_| Error::field("jid", "must be the JID of a newsletter, `<digits>@newsletter`");
    jid.parse().map_err(wrong)
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
