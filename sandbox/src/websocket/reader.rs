//! What a client sends, piece by piece: frame headers are taken off, payloads unmasked where they lie.

use std::io;

/// The longest header: two bytes, a length of eight, a mask of four.
const HEADER: usize = 14;

/// More than the payload of a control frame may have (RFC 6455, 5.5).
const TOO_LONG: u64 = 126;

/// A control frame that somebody has to act on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control<'a> {
    /// To be answered with the same bytes.
    Ping(&'a [u8]),
    /// The client sends no more.
    Close,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// A frame whose payload is coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    kind: Kind,
    /// The last of its message.
    last: bool,
    /// Bytes of its payload that have not come.
    left: u64,
    /// Turned so that its first byte is that of the next byte to come.
    mask: [u8; 4],
}

/// Where in the stream the reader is.
#[derive(Debug, Default)]
pub(super) struct Reader {
    header: [u8; HEADER],
    /// Bytes of the next header that have come.
    known: usize,
    frame: Option<Frame>,
    /// What the message is whose frames are coming: text or binary.
    message: Option<Kind>,
    /// The payload of a control frame, as far as it has come.
    control: Vec<u8>,
}

impl Reader {
    /// Takes bytes as they came; hands on what binary messages hold, and control frames. What breaks the protocol is an error.
    pub(super) fn take(
        &mut self,
        mut bytes: &mut [u8],
        taken: &mut impl FnMut(&[u8]),
        mut control: impl FnMut(Control<'_>),
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.frame.is_none() {
                self.header[self.known] = bytes[0];
                self.known += 1;
                bytes = &mut bytes[1..];
                let Some(frame) = parse(&self.header[..self.known])? else { continue };
                self.known = 0;
                self.begin(frame)?;
            }
            if let Some(frame) = &mut self.frame {
                let here =
                    usize::try_from(frame.left).map_or(bytes.len(), |left| left.min(bytes.len()));
                let (payload, rest) = bytes.split_at_mut(here);
                bytes = rest;
                frame.unmask(payload);
                match frame.kind {
                    Kind::Close | Kind::Ping | Kind::Pong => {
                        self.control.extend_from_slice(payload);
                    }
                    _ if self.message == Some(Kind::Binary) && here > 0 => taken(payload),
                    _ => {}
                }
                if frame.left == 0 {
                    self.end(&mut control);
                }
            }
        }
        Ok(())
    }

    /// A header has come.
    fn begin(&mut self, frame: Frame) -> io::Result<()> {
        match (frame.kind, self.message) {
            (Kind::Continuation, None) => return Err(broken("a continuation of nothing")),
            (Kind::Text | Kind::Binary, Some(_)) => {
                return Err(broken("a message within a message"));
            }
            (Kind::Text | Kind::Binary, None) => self.message = Some(frame.kind),
            (Kind::Close | Kind::Ping | Kind::Pong, _) if !frame.last || frame.left >= TOO_LONG => {
                return Err(broken("a control frame in pieces, or too long"));
            }
            _ => {}
        }
        self.frame = Some(frame);
        Ok(())
    }

    /// A payload is whole.
    fn end(&mut self, control: &mut impl FnMut(Control<'_>)) {
        let Some(frame) = self.frame.take() else { return };
        match frame.kind {
            Kind::Ping => control(Control::Ping(&self.control)),
            Kind::Close => control(Control::Close),
            Kind::Pong => {}
            Kind::Continuation | Kind::Text | Kind::Binary => {
                if frame.last {
                    self.message = None;
                }
                return;
            }
        }
        self.control = Vec::new();
    }
}

impl Frame {
    /// Takes the mask off the next bytes of the payload.
    fn unmask(&mut self, payload: &mut [u8]) {
        let (words, rest) = payload.as_chunks_mut::<4>();
        for word in words {
            for (byte, mask) in word.iter_mut().zip(self.mask) {
                *byte ^= mask;
            }
        }
        for (byte, mask) in rest.iter_mut().zip(self.mask) {
            *byte ^= mask;
        }
        self.mask.rotate_left(rest.len());
        self.left -= payload.len() as u64;
    }
}

/// A frame's header, if it is whole.
fn parse(bytes: &[u8]) -> io::Result<Option<Frame>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(broken("an extension that nobody agreed on"));
    }
    let kind = match first & 0x0f {
        0 => Kind::Continuation,
        1 => Kind::Text,
        2 => Kind::Binary,
        8 => Kind::Close,
        9 => Kind::Ping,
        10 => Kind::Pong,
        _ => return Err(broken("an unknown kind of frame")),
    };
    if second & 0x80 == 0 {
        return Err(broken("a client that does not mask"));
    }
    let width = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some((length, rest)) = rest.split_at_checked(width) else { return Ok(None) };
    let left = match width {
        0 => u64::from(second & 0x7f),
        _ => length.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
    };
    if left > i64::MAX.unsigned_abs() {
        return Err(broken("a length of more than 63 bits"));
    }
    let Ok(mask) = <[u8; 4]>::try_from(rest) else { return Ok(None) };
    Ok(Some(Frame { kind, last: first & 0x80 != 0, left, mask }))
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    /// A masked frame, its first byte as given.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("a short payload");
        assert!(length < 126);
        let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        [first, 0x80 | length].into_iter().chain(MASK).chain(masked).collect()
    }

    /// What a reader makes of bytes that come in pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> (Vec<u8>, Vec<String>, io::Result<()>) {
        let (mut reader, mut taken, mut control) = (Reader::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            let read = reader.take(
                &mut piece.to_vec(),
                &mut |bytes| taken.extend_from_slice(bytes),
                |what| control.push(format!("{what:?}")),
            );
            if read.is_err() {
                return (taken, control, read);
            }
        }
        (taken, control, Ok(()))
    }

    #[test]
    fn payloads_of_binary_messages_are_handed_on_however_they_are_cut() {
        let bytes = [
            frame(0x82, b"hello, "),
            frame(0x81, b"text means nothing"),
            frame(0x02, b"wor"),
            frame(0x89, b"ping"),
            frame(0x00, b""),
            frame(0x80, b"ld"),
            frame(0x8a, b""),
            frame(0x82, b""),
            frame(0x82, b"!"),
            frame(0x88, &[3, 232]),
        ]
        .concat();
        for piece in [1, 2, 3, 5, 7, 64, 1000] {
            let (taken, control, read) = read(&bytes, piece);
            assert_eq!(taken, b"hello, world!");
            assert_eq!(control, ["Ping([112, 105, 110, 103])", "Close"]);
            read.expect("nothing is wrong with it");
        }
    }

    #[test]
    fn long_payloads_have_their_length_in_two_or_eight_bytes() {
        for (width, length) in [(126, 300_usize), (127, 70_000)] {
            let payload: Vec<u8> =
                (0..length).map(|index| u8::try_from(index % 251).expect("a byte")).collect();
            let mut bytes = frame(0x82, b"");
            bytes[1] = 0x80 | width;
            let count = length.to_be_bytes();
            let count = if width == 126 { &count[6..] } else { &count[..] };
            bytes.splice(2..2, count.iter().copied());
            bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            for piece in [1, 1021, 100_000] {
                let (taken, _, read) = read(&bytes, piece);
                assert!(taken == payload && read.is_ok(), "{length} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_an_error() {
        let wrong = [
            frame(0x80, b"a continuation of nothing"),
            [frame(0x02, b"one"), frame(0x82, b"two")].concat(),
            frame(0x09, b"a ping in pieces"),
            [vec![0x89, 0xfe, 1, 0], MASK.to_vec()].concat(),
            frame(0xc2, b"compressed"),
            frame(0x83, b"unknown"),
            vec![0x82, 1, 7],
            [vec![0x82, 0xff], vec![255; 8], MASK.to_vec()].concat(),
        ];
        for bytes in wrong {
            let (_, _, read) = read(&bytes, 3);
            assert_eq!(
                read.expect_err("it is wrong").kind(),
                io::ErrorKind::InvalidData,
                "{bytes:?}"
            );
        }
    }
}
