//! Pictures as nodes on the wire.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::Form;
use crate::StoredMedia;
use crate::groups::Refusal;
use crate::stanza::{self, Stamp};

/// Where a picture is (wacore `iq/contacts.rs`, `ProfilePicture`).
pub(super) fn found(id: u64, form: Form, stored: &StoredMedia) -> NodeBuilder {
    NodeBuilder::new("picture")
        .attr("id", id)
        .attr(
            "type",
            match form {
                Form::Full => "image",
                Form::Preview => "preview",
            },
        )
        .attr("url", stored.url.as_str())
        .attr("direct_path", stored.direct_path.as_str())
        .attr("hash", BASE64_STANDARD.encode(stored.sha256))
}

/// The client has the current picture (whatsmeow `user.go`: 304).
pub(super) fn unchanged() -> NodeBuilder {
    NodeBuilder::new("picture").attr("status", 304)
}

/// Why a picture of many is not here: there is none (whatsmeow `user.go`: 204), or the asker may not see it.
pub(super) fn lacking(refusal: Refusal, known: bool) -> NodeBuilder {
    if known && refusal == Refusal::NotFound {
        return NodeBuilder::new("picture").attr("status", 204);
    }
    let error = NodeBuilder::new("error")
        .attr("code", refusal.code())
        .attr("text", refusal.to_string())
        .build();
    NodeBuilder::new("picture").children([error])
}

/// The answer to a picture that was set.
pub(super) fn set(id: u64) -> Node {
    NodeBuilder::new("picture").attr("id", id).build()
}

/// What others hear: a `set` with the new picture's id, or a `delete` (whatsapp-rust `handlers/notification/profile.rs`).
/// Only a group's names its author.
pub(super) fn notification(
    stamp: &Stamp,
    from: &Jid,
    author: Option<&Jid>,
    id: Option<u64>,
) -> Node {
    let change = match id {
        Some(id) => NodeBuilder::new("set").attr("id", id),
        None => NodeBuilder::new("delete"),
    };
    let change = change.attr("jid", from);
    let change = match author {
        Some(author) => change.attr("author", author),
        None => change,
    };
    stanza::notification(from, "picture", stamp).children([change.build()]).build()
}
