//! Prekeys as nodes on the wire. Their ids have three bytes there (wacore `iq/prekeys.rs`, `protocol/retry.rs`).

use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::stanza::{child_bytes, leaf};
use crate::state::{OneTimeKey, SignedKey};

/// A one-time prekey.
pub(crate) fn one_time(key: OneTimeKey) -> Node {
    let parts = [id(key.id()), leaf("value", key.public)];
    NodeBuilder::new("key").children(parts).build()
}

/// A signed prekey.
pub(crate) fn signed(key: &SignedKey) -> Node {
    let parts = [id(key.id), leaf("value", key.public), leaf("signature", key.signature)];
    NodeBuilder::new("skey").children(parts).build()
}

/// The id of a key.
pub(crate) fn id(id: u32) -> Node {
    leaf("id", &id.to_be_bytes()[1..])
}

/// Reads a one-time prekey; `None` if a part is missing or has another width.
pub(crate) fn read_one_time(node: &Node) -> Option<OneTimeKey> {
    let public = child_bytes(node, "value")?.try_into().ok()?;
    Some(OneTimeKey::new(read_id(node)?, public))
}

/// Reads a signed prekey, whoever has signed it; `None` if a part is missing or has another width.
pub(crate) fn read_signed(node: &Node) -> Option<SignedKey> {
    Some(SignedKey {
        id: read_id(node)?,
        public: child_bytes(node, "value")?.try_into().ok()?,
        signature: child_bytes(node, "signature")?.try_into().ok()?,
    })
}

fn read_id(node: &Node) -> Option<u32> {
    let [high, middle, low] = child_bytes(node, "id")?.try_into().ok()?;
    Some(u32::from_be_bytes([0, high, middle, low]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::bytes;

    #[test]
    fn ids_of_keys_have_three_bytes() {
        let read =
            |bytes: &[u8]| read_id(&NodeBuilder::new("key").children([leaf("id", bytes)]).build());
        assert_eq!(read(&[0, 1, 2]), Some(258));
        assert_eq!(bytes(&id(258)), Some([0, 1, 2].as_slice()));
        assert!(read(&[1, 2]).is_none() && read(&[0, 0, 1, 2]).is_none());
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_in_its_widths_only() {
        let key = SignedKey { id: 0x01_02_03, public: [4; 32], signature: [5; 64] };
        assert_eq!(read_signed(&signed(&key)), Some(key));
        let key = OneTimeKey::new(7, [8; 32]);
        assert_eq!(read_one_time(&one_time(key)), Some(key));
        assert_eq!(read_signed(&one_time(key)), None);
        let wide = [leaf("id", [0, 0, 0, 7]), leaf("value", [8; 32])];
        assert_eq!(read_one_time(&NodeBuilder::new("key").children(wide).build()), None);
    }
}
