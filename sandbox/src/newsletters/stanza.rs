//! Newsletters as nodes on the wire (whatsapp-rust `features/newsletter.rs`, `handlers/notification/groups.rs`).

use serde_json::{Value, json};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, SERVER_JID};

use super::channel::Post;
use super::relay::Edit;
use crate::stanza::{self, Stamp};

/// A message as a list or a notification shows it.
pub(super) fn listed(post: &Post, own: bool) -> Node {
    let node = NodeBuilder::new("message")
        .attr("id", post.id.as_str())
        .attr("server_id", post.server_id)
        .attr("t", post.at)
        .attr("type", post.kind.as_str());
    let node = if own { node.attr("is_sender", "true") } else { node };
    let mut children = vec![plaintext(post)];
    children.extend(counts(post));
    node.children(children).build()
}

/// The messages of a list.
pub(super) fn messages(jid: &Jid, posts: Vec<Node>, at: i64) -> Node {
    NodeBuilder::new("messages").attr("jid", jid).attr("t", at).children(posts).build()
}

/// A message on its way to somebody.
pub(super) fn delivered(jid: &Jid, post: &Post, edit: Option<Edit>, own: bool) -> Node {
    let node = NodeBuilder::new("message")
        .attr("from", jid)
        .attr("id", post.id.as_str())
        .attr("server_id", post.server_id)
        .attr("t", post.changed)
        .attr("type", post.kind.as_str());
    let node = if own { node.attr("is_sender", "true") } else { node };
    let node = match edit {
        Some(edit) => node.attr("edit", edit.wire()),
        None => node,
    };
    node.children([plaintext(post)]).build()
}

/// How a message is doing, for devices that asked for it.
pub(super) fn live(jid: &Jid, stamp: &Stamp, post: &Post) -> Node {
    let message = NodeBuilder::new("message").attr("server_id", post.server_id);
    let message = message.attr("t", post.at).children(counts(post)).build();
    let updates =
        NodeBuilder::new("live_updates").children([messages(jid, vec![message], stamp.at)]).build();
    stanza::notification(jid, "newsletter", stamp).children([updates]).build()
}

/// What the GraphQL channel tells without being asked (whatsapp-rust, `handle_mex_notification`).
pub(super) fn told(stamp: &Stamp, operation: &str, data: &Value) -> Node {
    let update = NodeBuilder::new("update")
        .attr("op_name", operation)
        .bytes(json!({ "data": data }).to_string())
        .build();
    stanza::notification(SERVER_JID, "mex", stamp).children([update]).build()
}

fn plaintext(post: &Post) -> Node {
    let node = NodeBuilder::new("plaintext");
    let node = match &post.mediatype {
        Some(kind) => node.attr("mediatype", kind.as_str()),
        None => node,
    };
    node.bytes(post.body.clone()).build()
}

fn counts(post: &Post) -> Vec<Node> {
    let reactions = post.tally().into_iter().map(|(code, count)| {
        NodeBuilder::new("reaction").attr("code", code).attr("count", count).build()
    });
    vec![
        NodeBuilder::new("reactions").children(reactions.collect::<Vec<_>>()).build(),
        NodeBuilder::new("views_count").attr("count", post.views.len()).build(),
    ]
}
