//! Bytes to frames: WebSocket messages may hold half a frame or several.

use bytes::BytesMut;
use wacore_noise::framing::FrameDecoder;

/// What routing information begins with: a marker, before its length in three bytes.
const EDGE: &[u8] = b"ED\0\x01";

/// More routing information than anybody gives.
const EDGE_MAX: usize = 4096;

/// The routing information that the server gives: it is one machine, and the bytes say nothing.
pub(crate) const ROUTING: &[u8] = b"sandbox";

/// A connection that idles keeps no buffer of more than so many bytes: an upload of prekeys takes 34 KiB, once.
const IDLE: usize = 4096;

/// Collects what the client sends.
#[derive(Default)]
pub(crate) struct Framing {
    /// The first bytes, until the header is whole.
    opening: Option<BytesMut>,
    opened: bool,
    routed: bool,
    frames: FrameDecoder,
    /// Bytes that are not part of a frame that was taken.
    held: usize,
    /// A large frame has come: its buffer is not kept once it is empty.
    large: bool,
}

/// What the first bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// The four bytes before the first frame, as the client sent them: the prologue of the handshake.
    Header([u8; 4]),
    /// More bytes are needed.
    Incomplete,
    /// Not the protocol.
    Foreign,
}

impl Framing {
    /// Takes bytes as they came.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.opened {
            self.take(bytes);
        } else {
            self.opening.get_or_insert_default().extend_from_slice(bytes);
        }
    }

    /// Looks for the header, behind the routing information that a client may send first. Once it is found the rest
    /// are frames.
    pub(crate) fn open(&mut self) -> Opened {
        let Some(opening) = &self.opening else { return Opened::Incomplete };
        let start = if opening.starts_with(EDGE) {
            let Some(length) = opening.get(4..7) else { return Opened::Incomplete };
            let length = length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
            if length > EDGE_MAX {
                return Opened::Foreign;
            }
            7 + length
        } else if EDGE.starts_with(opening) {
            return Opened::Incomplete;
        } else {
            0
        };
        let Some(header) = opening.get(start..start + 4) else { return Opened::Incomplete };
        let Ok(header @ [b'W', b'A', 6, _]) = <[u8; 4]>::try_from(header) else {
            return Opened::Foreign;
        };
        self.routed = start > 0 && opening.get(7..start) == Some(ROUTING);
        let rest = opening[start + 4..].to_vec();
        self.opening = None;
        self.opened = true;
        self.take(&rest);
        Opened::Header(header)
    }

    /// Whether the client has sent the server's own routing information before the header.
    pub(crate) fn is_routed(&self) -> bool {
        self.routed
    }

    /// The next whole frame.
    pub(crate) fn next(&mut self) -> Option<BytesMut> {
        let frame = self.frames.decode_frame()?;
        self.held = self.held.saturating_sub(3 + frame.len());
        if self.large && self.held == 0 {
            self.frames = FrameDecoder::new();
            self.large = false;
        }
        Some(frame)
    }

    fn take(&mut self, bytes: &[u8]) {
        self.held += bytes.len();
        self.large |= self.held > IDLE;
        self.frames.feed(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &[u8] = &[0, 0, 2, 8, 9];

    fn fed(bytes: &[u8]) -> Framing {
        let mut framing = Framing::default();
        framing.feed(bytes);
        framing
    }

    #[test]
    fn the_header_comes_first_and_frames_follow_in_any_pieces() {
        let mut framing = Framing::default();
        for byte in b"WA\x06" {
            framing.feed(&[*byte]);
            assert_eq!(framing.open(), Opened::Incomplete);
        }
        framing.feed(&[[3].as_slice(), FRAME, &FRAME[..4]].concat());
        assert_eq!(framing.open(), Opened::Header(*b"WA\x06\x03"));
        assert_eq!(framing.next().as_deref(), Some(&FRAME[3..]));
        assert_eq!(framing.next(), None);
        framing.feed(&FRAME[4..]);
        assert_eq!(framing.next().as_deref(), Some(&FRAME[3..]));
    }

    #[test]
    fn routing_information_before_the_header_is_skipped() {
        let mut framing = fed(&[b"ED\0\x01\0\0\x02xyWA\x06\x02", FRAME].concat());
        assert_eq!(framing.open(), Opened::Header(*b"WA\x06\x02"));
        assert_eq!(framing.next().as_deref(), Some(&FRAME[3..]));
        assert!(!framing.is_routed());
        let mut framing = fed(&[b"ED\0\x01\0\0\x07sandboxWA\x06\x03", FRAME].concat());
        assert_eq!(framing.open(), Opened::Header(*b"WA\x06\x03"));
        assert!(framing.is_routed());
    }

    #[test]
    fn the_buffer_of_a_large_frame_is_given_back_and_what_follows_is_read() {
        let mut framing = fed(b"WA\x06\x03");
        assert_eq!(framing.open(), Opened::Header(*b"WA\x06\x03"));
        let large = vec![7; 2 * IDLE];
        let length = u16::try_from(large.len()).expect("short enough").to_be_bytes();
        framing.feed(&[&[0], length.as_slice(), &large, &FRAME[..2]].concat());
        assert_eq!(framing.next().as_deref(), Some(large.as_slice()));
        assert!(framing.large, "half a frame is left");
        framing.feed(&FRAME[2..]);
        assert_eq!(framing.next().as_deref(), Some(&FRAME[3..]));
        assert!(!framing.large && framing.held == 0);
        framing.feed(FRAME);
        assert_eq!(framing.next().as_deref(), Some(&FRAME[3..]));
    }

    #[test]
    fn other_first_bytes_are_foreign() {
        assert_eq!(fed(b"GET / HTTP/1.1").open(), Opened::Foreign);
        assert_eq!(fed(b"WA\x05\x03").open(), Opened::Foreign);
        assert_eq!(fed(b"ED").open(), Opened::Incomplete);
        assert_eq!(fed(b"ED\0\x01\xff\xff\xff").open(), Opened::Foreign);
    }
}
