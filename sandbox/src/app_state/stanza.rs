//! Replies about collections.

use wacore::appstate::schemas::Collection as Name;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, SERVER_JID};

use crate::stanza::{self, Stamp};

/// What a device lacks, or the first of it.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The newest version.
    pub(super) version: u64,
    /// An `ExternalBlobReference` to all of it.
    pub(super) snapshot: Option<Vec<u8>>,
    pub(super) patches: Vec<Vec<u8>>,
    /// There are patches after these.
    pub(super) more: bool,
}

/// What a device lacks.
pub(super) fn result(name: Name, page: Page) -> Node {
    filled(name, "result", page, None)
}

/// A patch was made for an old version: what the device lacks comes with the error (wacore-appstate `patch_decode.rs`).
pub(super) fn conflict(name: Name, page: Page) -> Node {
    filled(name, "error", page, Some(error(409, "conflict")))
}

/// A patch was taken.
pub(super) fn taken(name: Name, version: u64) -> Node {
    result(name, Page { version, ..Page::default() })
}

/// What is asked for makes no sense: 400, which clients take for final.
pub(super) fn refused(name: &str) -> Node {
    NodeBuilder::new("collection")
        .attr("name", name)
        .attr("type", "error")
        .children([error(400, "bad-request")])
        .build()
}

/// The notification that a collection has changed.
pub(super) fn notification(stamp: &Stamp, name: Name, version: u64) -> Node {
    let collection =
        NodeBuilder::new("collection").attr("name", name.as_str()).attr("version", version).build();
    stanza::notification(SERVER_JID, "server_sync", stamp).children([collection]).build()
}

fn error(code: u16, text: &str) -> Node {
    NodeBuilder::new("error").attr("code", code).attr("text", text).build()
}

fn filled(name: Name, kind: &'static str, page: Page, error: Option<Node>) -> Node {
    let snapshot = page.snapshot.map(|reference| stanza::leaf("snapshot", reference));
    let patches = page.patches.into_iter().map(|patch| stanza::leaf("patch", patch));
    let patches: Vec<Node> = patches.collect();
    let patches =
        (!patches.is_empty()).then(|| NodeBuilder::new("patches").children(patches).build());
    NodeBuilder::new("collection")
        .attr("name", name.as_str())
        .attr("type", kind)
        .attr("version", page.version)
        .attr("has_more_patches", if page.more { "true" } else { "false" })
        .children([error, snapshot, patches].into_iter().flatten())
        .build()
}
