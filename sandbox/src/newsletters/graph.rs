//! Newsletters on the GraphQL channel.
//!
//! Documents by the numbers that whatsapp-rust 0.7 (wacore `iq/mex_operations.rs`) and Baileys (`Types/Mex.js`, in
//! 6.7.24 `Types/Newsletter.js`) know them by; the names of fields are those that both read.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use wacore::iq::mex_operations::{
    create_newsletter, delete_newsletter, fetch_all_newsletters_metadata, fetch_newsletter,
    join_newsletter, leave_newsletter, update_newsletter, update_newsletter_user_setting,
};
use wacore_binary::Jid;

use super::change::{self, Update};
use super::channel::{Channel, Mute};
use crate::groups::Refusal;
use crate::stanza::Push;
use crate::state::{DeviceAddr, State};

/// What Baileys calls the documents that it knows by other numbers. Those to follow and not to are of 6.7.24, which looks
/// for the answer under other names, too.
mod baileys {
    pub(super) const CREATE: &str = "8823471724422422";
    pub(super) const METADATA: &str = "6563316087068696";
    pub(super) const FOLLOW: &str = "7871414976211147";
    pub(super) const UNFOLLOW: &str = "7238632346214362";
    pub(super) const MUTE: &str = "29766401636284406";
    pub(super) const UNMUTE: &str = "9864994326891137";
}

/// Data of the answer, and what others are to hear.
type Outcome = Result<(Value, Vec<Push>), Refusal>;

/// Answers a query of newsletters; `None` for every other document.
pub(crate) fn answer(
    state: &mut State,
    from: DeviceAddr,
    document: &str,
    variables: &Value,
) -> Option<Outcome> {
    let author = state.accounts.get(from.account)?.name.clone();
    let author = author.as_str();
    Some(match document {
        create_newsletter::DOC_ID | baileys::CREATE => create(state, author, variables),
        fetch_newsletter::DOC_ID | baileys::METADATA => find(state, author, &variables["input"]),
        fetch_all_newsletters_metadata::DOC_ID => {
            let all = state.newsletters.of(author).map(|channel| metadata(channel, author));
            Ok((json!({ "xwa2_newsletter_subscribed": all.collect::<Vec<_>>() }), Vec::new()))
        }
        join_newsletter::DOC_ID | baileys::FOLLOW => named(variables).and_then(|jid| {
            let pushes = change::follow(state, author, Some(from), &jid)?;
            let joined = metadata(state.newsletters.find(&jid)?, author);
            let path = match document {
                baileys::FOLLOW => "xwa2_newsletter_follow",
                _ => "xwa2_newsletter_join_v2",
            };
            Ok((json!({ path: joined }), pushes))
        }),
        leave_newsletter::DOC_ID | baileys::UNFOLLOW => named(variables).and_then(|jid| {
            let pushes = change::unfollow(state, author, Some(from), &jid)?;
            let path = match document {
                baileys::UNFOLLOW => "xwa2_newsletter_unfollow",
                _ => "xwa2_newsletter_leave_v2",
            };
            Ok((json!({ path: active(&jid) }), pushes))
        }),
        update_newsletter::DOC_ID => update(state, author, from, variables),
        delete_newsletter::DOC_ID => named(variables).and_then(|jid| {
            let pushes = change::delete(state, author, Some(from), &jid)?;
            let gone = json!({ "id": jid.to_string(), "state": { "type": "DELETED" } });
            Ok((json!({ "xwa2_newsletter_delete_v2": gone }), pushes))
        }),
        update_newsletter_user_setting::DOC_ID => setting(state, author, from, variables),
        baileys::MUTE => muted(state, author, from, variables, true, "xwa2_newsletter_mute_v2"),
        baileys::UNMUTE => {
            muted(state, author, from, variables, false, "xwa2_newsletter_unmute_v2")
        }
        _ => return None,
    })
}

fn create(state: &mut State, author: &str, variables: &Value) -> Outcome {
    let new = changes(&variables["input"])?;
    let jid = change::create(state, author, new)?;
    let channel = state.newsletters.find(&jid)?;
    let mut made = metadata(channel, author);
    made["thread_metadata"] = thread(channel, true);
    Ok((json!({ "xwa2_newsletter_create": made }), Vec::new()))
}

fn find(state: &State, author: &str, input: &Value) -> Outcome {
    let key = input["key"].as_str().ok_or(Refusal::BadRequest)?;
    let channel = match input["type"].as_str() {
        Some("JID") => state.newsletters.find(&key.parse().map_err(|_| Refusal::BadRequest)?)?,
        Some("INVITE") => state.newsletters.by_invite(key)?,
        _ => return Err(Refusal::BadRequest),
    };
    Ok((json!({ "xwa2_newsletter": metadata(channel, author) }), Vec::new()))
}

fn update(state: &mut State, author: &str, from: DeviceAddr, variables: &Value) -> Outcome {
    let jid = named(variables)?;
    let update = changes(&variables["updates"])?;
    let pushes = change::update(state, author, Some(from), &jid, update)?;
    let now = metadata(state.newsletters.find(&jid)?, author);
    Ok((json!({ "xwa2_newsletter_update": now }), pushes))
}

fn setting(state: &mut State, author: &str, from: DeviceAddr, variables: &Value) -> Outcome {
    let input = &variables["input"];
    let jid = named(input)?;
    let what = input["type"].as_str().and_then(Mute::named).ok_or(Refusal::BadRequest)?;
    let on = match input["value"].as_str() {
        Some("ON") => true,
        Some("OFF") => false,
        _ => return Err(Refusal::BadRequest),
    };
    let pushes = change::mute(state, author, Some(from), &jid, what, on)?;
    Ok((json!({ "xwa2_newsletter_update_user_setting": active(&jid) }), pushes))
}

fn muted(
    state: &mut State,
    author: &str,
    from: DeviceAddr,
    variables: &Value,
    on: bool,
    path: &str,
) -> Outcome {
    let jid = named(variables)?;
    let pushes = change::mute(state, author, Some(from), &jid, Mute::Follower, on)?;
    Ok((json!({ path: active(&jid) }), pushes))
}

fn named(variables: &Value) -> Result<Jid, Refusal> {
    let jid = variables["newsletter_id"].as_str().and_then(|jid| jid.parse().ok());
    jid.ok_or(Refusal::BadRequest)
}

/// A picture is a JPEG in Base64.
fn changes(values: &Value) -> Result<Update, Refusal> {
    let text = |name: &str| values[name].as_str().map(str::to_owned);
    let picture = values["picture"].as_str().map(|picture| BASE64_STANDARD.decode(picture));
    let picture = picture.transpose().map_err(|_| Refusal::BadRequest)?;
    Ok(Update { name: text("name"), description: text("description"), picture })
}

fn active(jid: &Jid) -> Value {
    json!({ "id": jid.to_string(), "state": { "type": "active" } })
}

/// A newsletter as somebody sees it.
pub(super) fn metadata(channel: &Channel, viewer: &str) -> Value {
    let muted = |what| channel.mutes.contains(&(viewer.to_owned(), what));
    let setting = |what: Mute| json!({ "type": what.name(), "value": switch(muted(what)) });
    let mut seen = active(&channel.jid());
    seen["thread_metadata"] = thread(channel, false);
    seen["viewer_metadata"] = json!({
        "role": channel.role(viewer).name(),
        "mute": switch(muted(Mute::Follower)),
        "settings": [setting(Mute::Follower), setting(Mute::Admin)],
    });
    seen
}

/// What a newsletter says of itself. Numbers are text. A new one has a picture without an id, which Baileys reads.
pub(super) fn thread(channel: &Channel, new: bool) -> Value {
    let named = |text: &str| {
        let changed = channel.changed.to_string();
        json!({ "id": changed, "text": text, "update_time": changed })
    };
    let image = |kind: &str| match &channel.picture {
        Some(picture) => json!({
            "id": picture.id.to_string(), "type": kind, "direct_path": picture.direct_path,
        }),
        None if new => json!({ "id": "", "type": kind, "direct_path": "" }),
        None => Value::Null,
    };
    json!({
        "creation_time": channel.created.to_string(),
        "name": named(&channel.name),
        "description": named(&channel.description),
        "invite": channel.invite,
        "handle": null,
        "picture": image("IMAGE"),
        "preview": image("PREVIEW"),
        "subscribers_count": channel.followers.len().to_string(),
        "verification": "UNVERIFIED",
    })
}

/// A setting that is on or off.
pub(super) fn switch(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}
