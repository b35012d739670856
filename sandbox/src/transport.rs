//! How what the server says becomes bytes: the frames in WebSocket messages, compression, and a pause.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

/// How the server cuts its frames into WebSocket messages. To a client the borders of messages mean nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Frames {
    /// Each frame is a message.
    #[default]
    Whole,
    /// The frames that are ready at the same time are one message.
    Joined,
    /// Those are cut into messages of this many bytes, so that a message holds a part of a frame, or the end of one and
    /// the beginning of the next.
    Cut(NonZeroUsize),
}

impl FromStr for Frames {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "whole" => Ok(Self::Whole),
            "joined" => Ok(Self::Joined),
            size => size.parse().map(Self::Cut).map_err(
                |_| "must be `whole`, `joined`, or a number of bytes from 1 to cut messages at",
            ),
        }
    }
}

/// How the server talks on connections that begin now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Transport {
    pub(crate) frames: Frames,
    /// Stanzas of more bytes than this are compressed.
    pub(crate) compress_over: Option<usize>,
    /// Between the handshake and the first stanza.
    pub(crate) pause: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_named_as_on_the_command_line() {
        assert_eq!("whole".parse(), Ok(Frames::Whole));
        assert_eq!("joined".parse(), Ok(Frames::Joined));
        assert_eq!("7".parse(), Ok(Frames::Cut(NonZeroUsize::new(7).expect("not zero"))));
        assert!(["0", "-1", "", "half"].iter().all(|text| text.parse::<Frames>().is_err()));
    }
}
