//! Stanzas to bytes: marshalled, compressed if they are long, encrypted, framed, and cut into WebSocket messages.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use wacore_binary::Node;
use wacore_noise::NoiseCipher;

use super::Ended;
use super::aside::Written;
use crate::transport::Frames;
use crate::wire;

/// The first byte of a stanza whose rest is compressed (wacore-binary `util.rs`).
const COMPRESSED: u8 = 2;

/// The half of a connection that is written.
pub(super) struct Outgoing {
    cipher: NoiseCipher,
    written: u32,
    compress_over: Option<usize>,
}

impl Outgoing {
    pub(super) fn new(cipher: NoiseCipher, compress_over: Option<usize>) -> Self {
        Self { cipher, written: 0, compress_over }
    }

    /// Adds the frames of these stanzas.
    pub(super) fn seal_all(
        &mut self,
        stanzas: Vec<Written>,
        out: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        stanzas.into_iter().try_for_each(|(node, damaged)| self.seal(&node, damaged, out))
    }

    /// Adds the frame of a stanza; a damaged one does not decrypt.
    fn seal(&mut self, node: &Node, damaged: bool, out: &mut Vec<u8>) -> Result<(), Ended> {
        let mut sealed = packed(wire::write(node)?, self.compress_over);
        self.cipher.encrypt_in_place_with_counter(self.written, &mut sealed)?;
        self.written = self.written.checked_add(1).ok_or(Ended::Exhausted)?;
        if damaged && let Some(last) = sealed.last_mut() {
            *last ^= 1;
        }
        frame(&sealed, out)
    }
}

/// Adds a frame.
pub(super) fn frame(payload: &[u8], out: &mut Vec<u8>) -> Result<(), Ended> {
    wacore_noise::framing::append_frame_into(payload, None, out).map_err(|_| Ended::TooLarge)
}

/// The bytes as WebSocket messages.
pub(super) fn messages(frames: Frames, bytes: Vec<u8>) -> impl Iterator<Item = Bytes> {
    let mut rest = Bytes::from(bytes);
    let size = match frames {
        Frames::Whole | Frames::Joined => usize::MAX,
        Frames::Cut(size) => size.get(),
    };
    std::iter::from_fn(move || {
        let size = size.min(rest.len());
        (size > 0).then(|| rest.split_to(size))
    })
}

/// A marshalled stanza, which begins with its flags, compressed if it is long.
fn packed(plain: Vec<u8>, over: Option<usize>) -> Vec<u8> {
    if over.is_none_or(|over| plain.len() <= over) {
        return plain;
    }
    let mut encoder = ZlibEncoder::new(vec![COMPRESSED], Compression::fast());
    match encoder.write_all(&plain[1..]).and_then(|()| encoder.finish()) {
        Ok(packed) => packed,
        // A vector takes everything; a stanza that is not compressed is as good.
        Err(_) => plain,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use wacore_binary::builder::NodeBuilder;
    use wacore_binary::util::unpack;

    use super::*;

    #[test]
    fn a_long_stanza_is_compressed_and_a_short_one_is_not() {
        let node = NodeBuilder::new("message").bytes(vec![7; 1000]).build();
        let plain = wire::write(&node).expect("a stanza");
        let packed_over = |over| packed(plain.clone(), over);
        assert_eq!(packed_over(None), plain);
        assert_eq!(packed_over(Some(plain.len())), plain);
        let short = packed_over(Some(plain.len() - 1));
        assert!(short[0] == COMPRESSED && short.len() < 100);
        assert_eq!(unpack(&short).expect("zlib"), unpack(&plain).expect("as it is"));
    }

    #[test]
    fn messages_end_where_they_are_told_to() {
        let lengths = |frames| -> Vec<usize> {
            messages(frames, vec![1; 7]).map(|message| message.len()).collect()
        };
        assert_eq!(lengths(Frames::Whole), [7]);
        assert_eq!(lengths(Frames::Joined), [7]);
        assert_eq!(lengths(Frames::Cut(NonZeroUsize::new(3).expect("not zero"))), [3, 3, 1]);
    }
}
