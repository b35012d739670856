//! IQs of namespace `newsletter`: the messages of one, what has changed among them, and to hear of that at once.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, Server};

use super::change::LIVE;
use super::channel::Post;
use super::stanza as node;
use crate::groups::Refusal;
use crate::stanza;
use crate::state::{DeviceAddr, State};
use crate::wire;

/// Messages that one request may ask for.
const MOST: usize = 100;

/// What the messages of one answer may have together, in bytes: a frame has less than 16 MiB, and there is more in it.
const ROOM: usize = (1 << 24) - (256 << 10);

/// Answers a request; `None` for what the server does not know.
pub(crate) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Node> {
    let to = iq.attrs().optional_jid("to").filter(|to| to.server == Server::Newsletter)?;
    let kind = stanza::attr(iq, "type")?;
    let child = stanza::first_child(iq)?;
    let answered = match (kind.as_str(), child.tag.as_ref()) {
        ("get", "messages") => messages(state, from, &to, child),
        ("get", "message_updates") => updates(state, from, &to, child),
        ("set", "live_updates") => subscribe(state, from, &to),
        _ => return None,
    };
    Some(match answered {
        Ok(content) => stanza::result_with(iq, content),
        Err(refusal) => stanza::error(iq, refusal.code(), &refusal.to_string()),
    })
}

/// The newest messages, or those just before or after one; the oldest of them come first.
fn messages(state: &State, from: DeviceAddr, jid: &Jid, asked: &Node) -> Result<Node, Refusal> {
    let count = count(asked)?;
    let (before, after) = (number(asked, "before")?, number(asked, "after")?);
    let channel = state.newsletters.find(jid)?;
    let fits = |post: &&Post| {
        before.is_none_or(|before| post.server_id < before)
            && after.is_none_or(|after| post.server_id > after)
    };
    let fitting = channel.posts.iter().filter(fits);
    let own = is_owner(state, from, &channel.owner);
    let page = if after.is_some() && before.is_none() {
        page(fitting.take(count), own)
    } else {
        let mut newest = page(fitting.rev().take(count), own);
        newest.reverse();
        newest
    };
    Ok(node::messages(jid, page, state.clock.now()))
}

/// What has changed since a time, in epoch seconds, and after a message.
fn updates(state: &State, from: DeviceAddr, jid: &Jid, asked: &Node) -> Result<Node, Refusal> {
    let count = count(asked)?;
    let since = number(asked, "since")?.and_then(|since| i64::try_from(since).ok());
    let after = number(asked, "after")?;
    let channel = state.newsletters.find(jid)?;
    let own = is_owner(state, from, &channel.owner);
    let changed = channel.posts.iter().filter(|post| {
        since.is_none_or(|since| post.changed >= since)
            && after.is_none_or(|after| post.server_id > after)
    });
    let messages = node::messages(jid, page(changed.take(count), own), state.clock.now());
    Ok(NodeBuilder::new("message_updates").children([messages]).build())
}

/// The first of these messages that fit into one stanza together, and one at least; the others are on the next page.
fn page<'a>(posts: impl Iterator<Item = &'a Post>, own: bool) -> Vec<Node> {
    let mut room = ROOM;
    let mut page = Vec::new();
    for post in posts {
        let node = node::listed(post, own);
        let size = wire::write(&node).map_or(0, |bytes| bytes.len());
        if size > room && !page.is_empty() {
            break;
        }
        room = room.saturating_sub(size);
        page.push(node);
    }
    page
}

/// The device hears of changes for a while.
fn subscribe(state: &mut State, from: DeviceAddr, jid: &Jid) -> Result<Node, Refusal> {
    let channel = state.newsletters.find_mut(jid)?;
    channel.live.insert(from, state.clock.now() + LIVE);
    Ok(NodeBuilder::new("live_updates").attr("duration", LIVE).build())
}

fn is_owner(state: &State, from: DeviceAddr, owner: &str) -> bool {
    state.accounts.get(from.account).is_some_and(|account| account.name == owner)
}

fn count(asked: &Node) -> Result<usize, Refusal> {
    let count = stanza::attr(asked, "count").and_then(|count| count.parse().ok());
    count.filter(|count| (1..=MOST).contains(count)).ok_or(Refusal::BadRequest)
}

fn number(asked: &Node, name: &str) -> Result<Option<u64>, Refusal> {
    let number = stanza::attr(asked, name).map(|text| text.parse());
    number.transpose().map_err(|_| Refusal::BadRequest)
}
