//! Stanzas to bytes and back.
//!
//! wacore-binary 0.7 takes every short text with an `@` for an address (`encoder.rs`) and reads no address of a server that
//! it does not know (`decoder.rs`): clients drop a stanza with a subject such as `Crew @ 8` in that form. So such a text is
//! written as the text it is, and what a client wrote as an address of nobody's is read as the text it was made from.

use wacore_binary::encoder::{ByteWriter, Encoder};
use wacore_binary::marshal::unmarshal_ref;
use wacore_binary::token::{
    AD_JID, BINARY_8, BINARY_20, BINARY_32, DICTIONARY_0, DICTIONARY_3, FB_JID, HEX_8, INTEROP_JID,
    JID_PAIR, LIST_8, LIST_16, LIST_EMPTY, NIBBLE_8,
};
use wacore_binary::{BinaryError, Jid, Node, NodeContent, NodeValue, Server};

type Result<T, E = BinaryError> = std::result::Result<T, E>;

/// Values in values: more than any stanza has.
const DEEPEST: usize = 128;

/// The bytes of a stanza, its flags first.
pub(crate) fn write(stanza: &Node) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(1024);
    node(&mut Encoder::new_vec(&mut bytes)?, stanza)?;
    Ok(bytes)
}

/// The stanza in bytes, without flags.
pub(crate) fn read(bytes: &[u8]) -> Result<Node> {
    let is_address = |byte: &&u8| matches!(**byte, JID_PAIR | AD_JID | INTEROP_JID | FB_JID);
    // The library follows addresses in addresses as far as they go (`decoder.rs`), which a stack does not.
    if bytes.iter().filter(is_address).count() > DEEPEST {
        let plain = plain(bytes).ok_or(BinaryError::MaxDepthExceeded)?;
        return Ok(unmarshal_ref(&plain)?.to_owned());
    }
    let error = match unmarshal_ref(bytes) {
        Ok(read) => return Ok(read.to_owned()),
        Err(error) => error,
    };
    Ok(unmarshal_ref(&plain(bytes).ok_or(error)?)?.to_owned())
}

/// The same stanza with texts in the place of addresses of nobody's.
fn plain(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Plain { rest: bytes, out: Vec::with_capacity(bytes.len() + 64) };
    plain.node(0).filter(|()| plain.rest.is_empty())?;
    Some(plain.out)
}

fn node<W: ByteWriter>(to: &mut Encoder<'_, W>, node: &Node) -> Result<()> {
    to.write_list_start(1 + 2 * node.attrs.len() + usize::from(node.content.is_some()))?;
    text(to, &node.tag)?;
    for (name, value) in &node.attrs {
        text(to, name)?;
        match value {
            NodeValue::String(value) => text(to, value)?,
            NodeValue::Jid(jid) if is_one(jid) => to.write_jid_owned(jid)?,
            NodeValue::Jid(jid) => text(to, &jid.to_string())?,
        }
    }
    match &node.content {
        None => Ok(()),
        Some(NodeContent::String(content)) => text(to, content),
        Some(NodeContent::Bytes(content)) => to.write_bytes_with_len(content),
        Some(NodeContent::Nodes(children)) => {
            to.write_list_start(children.len())?;
            children.iter().try_for_each(|child| self::node(to, child))
        }
    }
}

fn text<W: ByteWriter>(to: &mut Encoder<'_, W>, text: &str) -> Result<()> {
    if !text.contains('@') {
        return to.write_string(text);
    }
    match text.parse::<Jid>() {
        Ok(jid) if is_one(&jid) && jid.to_string() == text => to.write_jid_owned(&jid),
        _ => to.write_bytes_with_len(text.as_bytes()),
    }
}

/// Whether an address is read as it was written.
fn is_one(jid: &Jid) -> bool {
    let with_devices =
        matches!(jid.server, Server::Pn | Server::Lid | Server::Hosted | Server::HostedLid);
    let device = jid.device == 0 || with_devices && u8::try_from(jid.device).is_ok();
    device && jid.agent == 0 && jid.integrator == 0 && !jid.user.contains('@')
}

/// A stanza that is copied, with texts in the place of addresses of nobody's.
struct Plain<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
}

impl<'a> Plain<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn copy(&mut self, count: usize) -> Option<&'a [u8]> {
        let copied = self.take(count)?;
        self.out.extend_from_slice(copied);
        Some(copied)
    }

    /// A length in so many bytes, copied.
    fn length(&mut self, bytes: usize) -> Option<usize> {
        let digits = self.copy(bytes)?.iter();
        Some(digits.fold(0, |length, digit| length << 8 | usize::from(*digit)))
    }

    fn list(&mut self) -> Option<usize> {
        match self.copy(1)?[0] {
            LIST_8 => self.length(1),
            LIST_16 => self.length(2),
            _ => None,
        }
    }

    fn node(&mut self, depth: usize) -> Option<()> {
        let size = self.list().filter(|size| *size > 0 && depth < DEEPEST)?;
        let with_content = size % 2 == 0;
        for _ in 0..size - usize::from(with_content) {
            self.value(depth)?;
        }
        match self.rest.first() {
            _ if !with_content => Some(()),
            Some(&(LIST_8 | LIST_16)) => {
                let count = self.list()?;
                (0..count).try_for_each(|_| self.node(depth + 1))
            }
            _ => self.value(depth),
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        if self.rest.first() == Some(&JID_PAIR) {
            return self.pair(depth);
        }
        match self.copy(1)?[0] {
            BINARY_8 => self.length(1).and_then(|length| self.copy(length))?,
            // Its first four bits mean nothing (`decoder.rs`).
            BINARY_20 => self.length(3).and_then(|length| self.copy(length & 0xF_FFFF))?,
            BINARY_32 => self.length(4).and_then(|length| self.copy(length))?,
            NIBBLE_8 | HEX_8 => self.length(1).and_then(|length| self.copy(length & 0x7F))?,
            DICTIONARY_0..=DICTIONARY_3 => self.copy(1)?,
            AD_JID => {
                self.copy(2)?;
                return self.value(depth + 1);
            }
            kind @ (INTEROP_JID | FB_JID) => {
                self.value(depth + 1)?;
                self.copy(if kind == FB_JID { 2 } else { 4 })?;
                return self.value(depth + 1);
            }
            _ => return Some(()),
        };
        Some(())
    }

    /// User and server: they may be such texts themselves, if there was more than one `@`.
    fn pair(&mut self, depth: usize) -> Option<()> {
        self.take(1)?;
        let mut part = || {
            let mut part = Plain { rest: self.rest, out: Vec::new() };
            part.value(depth + 1)?;
            self.rest = part.rest;
            Some((said(&part.out)?, part.out))
        };
        let ((user, user_bytes), (server, server_bytes)) = (part()?, part()?);
        if Server::parse_known(&server).is_some() {
            self.out.push(JID_PAIR);
            self.out.extend([user_bytes, server_bytes].concat());
        } else {
            let text = format!("{user}@{server}");
            self.out.push(BINARY_32);
            self.out.extend(u32::try_from(text.len()).ok()?.to_be_bytes());
            self.out.extend(text.into_bytes());
        }
        Some(())
    }
}

/// The text that a value is.
fn said(value: &[u8]) -> Option<String> {
    if value == [LIST_EMPTY] {
        return Some(String::new());
    }
    let node = [&[LIST_8, 3, BINARY_8, 1, b'n', BINARY_8, 1, b'a'], value].concat();
    crate::stanza::attr(&unmarshal_ref(&node).ok()?.to_owned(), "a")
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;
    use wacore_binary::{marshal_auto, marshal_exact, util};

    use super::*;
    use crate::stanza;

    const TEXTS: [&str; 12] = [
        "Crew @ 8",
        "mia@work",
        "@",
        "@work",
        "mia@",
        "a@b@c",
        "a@b@lid",
        "15550000001 @available@ 7A.-",
        "Café @ Größe 🛒",
        "set@get",
        "7@1234567890123456789012345678901234567890@FF",
        "a text @ more than forty-eight bytes, which the library takes for none",
    ];

    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        util::unpack(bytes).expect("bytes").into_owned()
    }

    fn told(value: &str) -> Node {
        let body = NodeBuilder::new("body").string_content(value).build();
        NodeBuilder::new("subject").attr("id", "1").attr("subject", value).children([body]).build()
    }

    fn heard(node: &Node) -> (Option<String>, Option<&[u8]>) {
        (stanza::attr(node, "subject"), stanza::child_bytes(node, "body"))
    }

    #[test]
    fn the_clients_library_reads_every_text_with_an_at_that_is_written() {
        let addresses = ["15550000001@s.whatsapp.net", "15550000001:7@s.whatsapp.net", "x@g.us"];
        let odd = ["7:0@lid", "7:300@lid", "7:8@g.us", "7.9@g.us", "a_3@lid", "a_3@s.whatsapp.net"];
        for value in TEXTS.into_iter().chain(addresses).chain(odd) {
            let bytes = unpacked(&write(&told(value)).expect("a stanza"));
            let node = unmarshal_ref(&bytes).expect("a stanza").to_owned();
            assert_eq!(heard(&node), (Some(value.to_owned()), Some(value.as_bytes())), "{value}");
        }
    }

    #[test]
    fn an_address_is_written_as_one_and_what_none_can_be_as_a_text() {
        let jid = |value: NodeValue| {
            let node = NodeBuilder::new("ack").attr("to", value).build();
            let bytes = unpacked(&write(&node).expect("a stanza"));
            read(&bytes).expect("a stanza").attrs.get("to").cloned().expect("an address")
        };
        for known in [Jid::pn("1555"), Jid::lid("7").with_device(3), Jid::group("12-3")] {
            assert_eq!(jid(NodeValue::from(&known)), NodeValue::Jid(known.clone()));
            assert_eq!(jid(NodeValue::from(known.to_string())), NodeValue::Jid(known));
        }
        let far = Jid::pn("1555").with_device(300);
        assert_eq!(jid(far.into()), NodeValue::from("1555:300@s.whatsapp.net"));
    }

    #[test]
    fn a_text_that_a_client_wrote_as_an_address_is_read() {
        for value in TEXTS {
            for marshal in [marshal_auto, marshal_exact] {
                let node = NodeBuilder::new("iq")
                    .attr("to", Jid::pn("1555"))
                    .attr("from", Jid::lid("7").with_device(9))
                    .children([told("Crew"), told(value), told(value), told("set")])
                    .build();
                let bytes = unpacked(&marshal(&node).expect("a stanza"));
                let read = read(&bytes).expect("a stanza");
                let children = read.children().expect("children");
                assert_eq!(stanza::jid(&read, "to"), Some(Jid::pn("1555")));
                assert_eq!(stanza::jid(&read, "from"), Some(Jid::lid("7").with_device(9)));
                assert_eq!(heard(&children[0]).0.as_deref(), Some("Crew"));
                for child in &children[1..3] {
                    let expected = (Some(value.to_owned()), Some(value.as_bytes()));
                    assert_eq!(heard(child), expected, "{value}");
                }
                assert_eq!(heard(&children[3]).0.as_deref(), Some("set"));
            }
        }
    }

    #[test]
    fn what_is_no_stanza_is_none_and_ends_nothing_else() {
        let whole = unpacked(&marshal_auto(&told("Crew @ 8")).expect("a stanza"));
        assert!(
            unmarshal_ref(&whole).is_err(),
            "the library reads it: this module has done its work"
        );
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err());
        }
        assert!(read(&[&whole[..], &[0]].concat()).is_err());
        for value in [&[JID_PAIR][..], &[JID_PAIR, LIST_EMPTY], &[AD_JID, 0, 0], &[INTEROP_JID]] {
            let deep = [&[LIST_8, 2, BINARY_8, 1, b'n'], &value.repeat(1_000_000)[..]].concat();
            assert!(matches!(read(&deep), Err(BinaryError::MaxDepthExceeded)), "{value:?}");
        }
        // Bytes that only look like it.
        let bytes = [JID_PAIR, AD_JID].repeat(1_000);
        let node = NodeBuilder::new("enc").attr("to", Jid::pn("1555")).bytes(bytes.clone()).build();
        let heard = read(&unpacked(&write(&node).expect("a stanza"))).expect("a stanza");
        assert_eq!(stanza::bytes(&heard), Some(&bytes[..]));
        assert!(read(&[LIST_8, 2, BINARY_8, 1, b'n', LIST_8, 1].repeat(300)).is_err());
    }
}
