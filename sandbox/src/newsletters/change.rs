//! What may be done to a newsletter, by whom, and who hears of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use wacore_binary::Jid;

use super::channel::{Channel, Mute, Picture, Post, Role};
use super::{Draft, graph, stanza};
use crate::groups::{DESCRIPTION_MAX, Refusal, check_subject};
use crate::media::Kind;
use crate::pictures::is_jpeg;
use crate::stanza::Push;
use crate::state::{DeviceAddr, State};

/// How long a device hears of changes as they happen, in seconds (whatsapp-rust `features/newsletter.rs` takes 300 if
/// the server does not say).
pub(super) const LIVE: i64 = 300;

/// What is to be different; what is not named stays.
#[derive(Debug, Default)]
pub(crate) struct Update {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    /// A JPEG, or nothing to take the picture away.
    pub(crate) picture: Option<Vec<u8>>,
}

/// Messages that a phone has of a newsletter which it follows anew.
const SHOWN: usize = 50;

impl Update {
    fn check(&self) -> Result<(), Refusal> {
        if let Some(name) = &self.name {
            check_subject(name)?;
        }
        let long = |text: &String| text.chars().count() > DESCRIPTION_MAX;
        let no_image = |bytes: &Vec<u8>| !bytes.is_empty() && !is_jpeg(bytes);
        let wrong = self.description.as_ref().is_some_and(long)
            || self.picture.as_ref().is_some_and(no_image);
        if wrong { Err(Refusal::NotAcceptable) } else { Ok(()) }
    }
}

/// Makes a newsletter.
pub(crate) fn create(state: &mut State, owner: &str, new: Update) -> Result<Jid, Refusal> {
    let name = new.name.clone().ok_or(Refusal::NotAcceptable)?;
    new.check()?;
    let channel = Channel {
        id: state.newsletters.next_id(),
        name: String::new(),
        description: String::new(),
        picture: None,
        invite: state.groups.codes.invite(),
        owner: owner.to_owned(),
        created: state.clock.now(),
        changed: 0,
        followers: Vec::new(),
        mutes: BTreeSet::new(),
        posts: Vec::new(),
        live: BTreeMap::new(),
    };
    let jid = channel.jid();
    record(state, owner, "newsletter.create", &jid, json!({ "name": name }));
    state.newsletters.add(channel);
    apply(state, &jid, new)?;
    Ok(jid)
}

/// Changes a newsletter.
pub(crate) fn update(
    state: &mut State,
    author: &str,
    acting: Option<DeviceAddr>,
    jid: &Jid,
    update: Update,
) -> Result<Vec<Push>, Refusal> {
    state.newsletters.find(jid)?.for_owner(author)?;
    update.check()?;
    let detail = json!({
        "name": update.name,
        "description": update.description,
        "picture": update.picture.as_ref().map(Vec::len),
    });
    apply(state, jid, update)?;
    record(state, author, "newsletter.update", jid, detail);
    let channel = state.newsletters.find(jid)?;
    let to: Vec<String> = channel.readers().map(str::to_owned).collect();
    let told = json!({ "xwa2_notify_newsletter_on_metadata_update": {
        "id": jid.to_string(),
        "thread_metadata": graph::thread(channel, false),
    } });
    Ok(told_to(state, &to, acting, "NotificationNewsletterUpdate", &told))
}

fn apply(state: &mut State, jid: &Jid, update: Update) -> Result<(), Refusal> {
    let now_ms = state.clock.now_ms();
    let picture = update.picture.map(|bytes| {
        let id = u64::try_from(now_ms).unwrap_or_default();
        (!bytes.is_empty()).then(|| {
            let direct_path = state.media.put(Kind::PICTURE, bytes).direct_path;
            Picture { id, direct_path }
        })
    });
    let channel = state.newsletters.find_mut(jid)?;
    if let Some(name) = update.name {
        channel.name = name;
    }
    if let Some(description) = update.description {
        channel.description = description;
    }
    if let Some(picture) = picture {
        channel.picture = picture;
    }
    channel.changed = now_ms * 1000;
    Ok(())
}

/// Somebody follows a newsletter; who does already, or owns it, goes on.
pub(crate) fn follow(
    state: &mut State,
    author: &str,
    acting: Option<DeviceAddr>,
    jid: &Jid,
) -> Result<Vec<Push>, Refusal> {
    let channel = state.newsletters.find_mut(jid)?;
    if channel.role(author) != Role::Guest {
        return Ok(Vec::new());
    }
    channel.followers.push(author.to_owned());
    record(state, author, "newsletter.follow", jid, json!({}));
    show_phone(state, author, jid)?;
    let channel = state.newsletters.find(jid)?;
    let told = json!({ "xwa2_notify_newsletter_on_join": graph::metadata(channel, author) });
    Ok(told_to(state, &[author.to_owned()], acting, "NotificationNewsletterJoin", &told))
}

/// The phone of who follows now has the newest messages, as an app that opens a newsletter does.
fn show_phone(state: &mut State, name: &str, jid: &Jid) -> Result<(), Refusal> {
    let posts = &state.newsletters.find(jid)?.posts;
    let there = posts.iter().filter(|post| !post.revoked).rev().take(SHOWN);
    let nodes: Vec<_> =
        there.map(|post| Arc::new(stanza::delivered(jid, post, None, false))).collect();
    if let Some(account) = state.accounts.by_name(name).map(|account| account.id) {
        for node in nodes.into_iter().rev() {
            state.deliver(DeviceAddr::phone(account), node);
        }
    }
    Ok(())
}

/// Somebody follows a newsletter no more; its owner cannot go.
pub(crate) fn unfollow(
    state: &mut State,
    author: &str,
    acting: Option<DeviceAddr>,
    jid: &Jid,
) -> Result<Vec<Push>, Refusal> {
    let channel = state.newsletters.find_mut(jid)?;
    match channel.role(author) {
        Role::Owner => return Err(Refusal::Forbidden),
        Role::Guest => return Err(Refusal::NotFound),
        Role::Subscriber => channel.followers.retain(|name| name != author),
    }
    channel.mutes.retain(|(name, _)| name != author);
    record(state, author, "newsletter.leave", jid, json!({}));
    let told = json!({ "xwa2_notify_newsletter_on_leave": {
        "id": jid.to_string(),
        "role": Role::Guest.name(),
    } });
    Ok(told_to(state, &[author.to_owned()], acting, "NotificationNewsletterLeave", &told))
}

/// Somebody does, or does not, want to hear of something.
pub(crate) fn mute(
    state: &mut State,
    author: &str,
    acting: Option<DeviceAddr>,
    jid: &Jid,
    what: Mute,
    on: bool,
) -> Result<Vec<Push>, Refusal> {
    let channel = state.newsletters.find_mut(jid)?;
    channel.for_reader(author)?;
    let entry = (author.to_owned(), what);
    if on {
        channel.mutes.insert(entry);
    } else {
        channel.mutes.remove(&entry);
    }
    record(state, author, "newsletter.mute", jid, json!({ "setting": what.name(), "on": on }));
    let told = json!({ "xwa2_notify_newsletter_on_mute_change": {
        "id": jid.to_string(),
        "mute": graph::switch(on),
    } });
    Ok(told_to(state, &[author.to_owned()], acting, "NotificationNewsletterMuteChange", &told))
}

/// Ends a newsletter.
pub(crate) fn delete(
    state: &mut State,
    author: &str,
    acting: Option<DeviceAddr>,
    jid: &Jid,
) -> Result<Vec<Push>, Refusal> {
    let channel = state.newsletters.find(jid)?;
    channel.for_owner(author)?;
    let to: Vec<String> = channel.readers().map(str::to_owned).collect();
    state.newsletters.remove(jid);
    record(state, author, "newsletter.delete", jid, json!({}));
    let told = json!({ "xwa2_notify_newsletter_on_state_change": {
        "id": jid.to_string(),
        "state": { "type": "DELETED" },
    } });
    Ok(told_to(state, &to, acting, "NotificationNewsletterStateChange", &told))
}

/// The owner writes: a new message, or one in the place of an older one, or takes one back. Returns its number.
pub(crate) fn publish(
    state: &mut State,
    author: &str,
    acting: Option<DeviceAddr>,
    jid: &Jid,
    draft: Draft,
) -> Result<u64, Refusal> {
    let now = state.clock.now();
    let channel = state.newsletters.find_mut(jid)?;
    channel.for_owner(author)?;
    let edit = draft.edit;
    let (server_id, operation) = match edit {
        None => {
            let server_id = channel.posts.last().map_or(100, |post| post.server_id + 1);
            channel.posts.push(Post {
                server_id,
                id: draft.id,
                kind: draft.kind,
                mediatype: draft.mediatype,
                body: draft.body,
                revoked: false,
                at: now,
                changed: now,
                reactions: BTreeMap::new(),
                views: BTreeSet::new(),
            });
            (server_id, "newsletter.post")
        }
        Some(edit) => {
            let post = channel.post_of(&draft.id)?;
            if post.revoked {
                return Err(Refusal::NotFound);
            }
            post.changed = now;
            post.body = draft.body;
            post.revoked = edit.revokes();
            if edit.revokes() {
                post.body.clear();
                post.reactions.clear();
            } else {
                post.mediatype = draft.mediatype;
            }
            (post.server_id, if edit.revokes() { "newsletter.revoke" } else { "newsletter.edit" })
        }
    };
    record(state, author, operation, jid, json!({ "serverId": server_id }));
    let channel = state.newsletters.find_mut(jid)?;
    let post = channel.post(server_id)?.clone();
    let readers: Vec<String> = channel.readers().map(str::to_owned).collect();
    let for_others = Arc::new(stanza::delivered(jid, &post, edit, false));
    let for_owner = Arc::new(stanza::delivered(jid, &post, edit, true));
    for name in readers {
        let Some(account) = state.accounts.by_name(&name) else { continue };
        let node = if name == author { &for_owner } else { &for_others };
        let phone = DeviceAddr::phone(account.id);
        let push = Push { account: account.id, except: acting, node: Arc::clone(node) };
        state.push(push);
        if acting != Some(phone) {
            state.deliver(phone, Arc::clone(node));
        }
    }
    Ok(server_id)
}

/// Somebody reacts to a message, or takes their reaction back; who listens hears of it at once.
pub(crate) fn react(
    state: &mut State,
    author: &str,
    jid: &Jid,
    server_id: u64,
    code: Option<String>,
) -> Result<(), Refusal> {
    let now = state.clock.now();
    let channel = state.newsletters.find_mut(jid)?;
    channel.for_reader(author)?;
    let post =
        channel.post(server_id).ok().filter(|post| !post.revoked).ok_or(Refusal::NotFound)?;
    let detail = json!({ "serverId": server_id, "reaction": code });
    match code {
        Some(code) => post.reactions.insert(author.to_owned(), code),
        None => post.reactions.remove(author),
    };
    post.changed = now;
    record(state, author, "newsletter.react", jid, detail);
    tell_live(state, jid, server_id)
}

/// Somebody has seen messages; numbers that are not known count nothing.
pub(crate) fn view(
    state: &mut State,
    author: &str,
    jid: &Jid,
    seen: &[u64],
) -> Result<(), Refusal> {
    let now = state.clock.now();
    for server_id in seen {
        let channel = state.newsletters.find_mut(jid)?;
        let Ok(post) = channel.post(*server_id) else { continue };
        if post.views.insert(author.to_owned()) {
            post.changed = now;
            tell_live(state, jid, *server_id)?;
        }
    }
    Ok(())
}

/// Devices that asked for it hear how a message is doing.
fn tell_live(state: &mut State, jid: &Jid, server_id: u64) -> Result<(), Refusal> {
    let stamp = state.stamp();
    let channel = state.newsletters.find_mut(jid)?;
    channel.live.retain(|_, until| *until > stamp.at);
    let devices: Vec<DeviceAddr> = channel.live.keys().copied().collect();
    let node = Arc::new(stanza::live(jid, &stamp, channel.post(server_id)?));
    for addr in devices {
        state.tell(addr, Arc::clone(&node));
    }
    Ok(())
}

/// A `mex` notification for every device of these accounts, but for the one that acts.
fn told_to(
    state: &mut State,
    names: &[String],
    acting: Option<DeviceAddr>,
    operation: &str,
    data: &Value,
) -> Vec<Push> {
    let node = Arc::new(stanza::told(&state.stamp(), operation, data));
    let accounts = names.iter().filter_map(|name| state.accounts.by_name(name));
    accounts
        .map(|account| Push { account: account.id, except: acting, node: Arc::clone(&node) })
        .collect()
}

fn record(state: &mut State, author: &str, operation: &str, jid: &Jid, detail: Value) {
    state.journal.record(state.clock.now_ms(), author, operation, &jid.to_string(), detail);
}
