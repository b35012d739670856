//! What is said of tokens on the wire.

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::Token;
use crate::stanza::{Stamp, notification};
use crate::state::Account;

/// What the holder's devices hear: wacore `iq/tctoken.rs` has the shape, Baileys `tc-token-utils.js` that `jid` is their
/// own.
pub(super) fn given(giver: &Account, holder: &Account, token: &Token, stamp: &Stamp) -> Node {
    let leaf = NodeBuilder::new("token")
        .attr("jid", holder.pn())
        .attr("t", token.named)
        .attr("type", "trusted_contact")
        .bytes(token.bytes);
    notification(giver.pn(), "privacy_token", stamp)
        .attr("sender_lid", giver.lid())
        .children([NodeBuilder::new("tokens").children([leaf.build()]).build()])
        .build()
}

/// What the giver's device hears: whatsapp-rust `send/tctoken_lifecycle.rs` says that the real answer brings no bytes.
pub(super) fn taken() -> Node {
    NodeBuilder::new("tokens").build()
}
