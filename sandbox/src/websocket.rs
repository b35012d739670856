//! The server's end of a WebSocket (RFC 6455).
//!
//! To clients of `WhatsApp` the borders of WebSocket messages mean nothing: what comes is handed on as it comes, and no message
//! is ever whole here. So a connection that idles has no buffer, where libraries keep one as large as the largest message.

mod reader;
mod upgrade;

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use reader::{Control, Reader};
pub(crate) use upgrade::{Opening, Refused};

/// Bytes that are read at once, on the stack.
const READ: usize = 16 * 1024;

/// The first byte of a whole binary message, of a close and of a pong.
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PONG: u8 = 0x8a;

/// What was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// Bytes, which were handed on, or nothing that matters.
    Bytes,
    /// The client closes the connection, or has gone.
    End,
}

/// An open WebSocket.
pub(crate) struct Socket {
    io: TokioIo<Upgraded>,
    reader: Reader,
    /// What has to be written before anything else: answers to pings.
    owed: Vec<u8>,
    /// The client has closed its side.
    closed: bool,
}

impl Socket {
    fn new(upgraded: Upgraded) -> Self {
        Self {
            io: TokioIo::new(upgraded),
            reader: Reader::default(),
            owed: Vec::new(),
            closed: false,
        }
    }

    /// Waits for bytes and hands them on. Nothing is lost if the wait is given up.
    pub(crate) async fn receive(&mut self, mut taken: impl FnMut(&[u8])) -> io::Result<Received> {
        std::future::poll_fn(|context| self.poll_receive(context, &mut taken)).await
    }

    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        taken: &mut impl FnMut(&[u8]),
    ) -> Poll<io::Result<Received>> {
        // A client that pings and does not read is not read either.
        ready!(self.poll_pay(context))?;
        if self.closed {
            return Poll::Ready(Ok(Received::End));
        }
        let mut bytes = [MaybeUninit::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.io).poll_read(context, &mut buffer))?;
        let bytes = buffer.filled_mut();
        if bytes.is_empty() {
            self.closed = true;
            return Poll::Ready(Ok(Received::End));
        }
        let Self { reader, owed, closed, .. } = self;
        reader.take(bytes, taken, |control| match control {
            Control::Ping(payload) => owed.extend(message(PONG, payload)),
            Control::Close => *closed = true,
        })?;
        Poll::Ready(Ok(if self.closed { Received::End } else { Received::Bytes }))
    }

    /// Writes what is owed.
    fn poll_pay(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.owed.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.owed.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.owed))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.owed.drain(..written);
        }
        self.owed = Vec::new();
        Pin::new(&mut self.io).poll_flush(context)
    }

    /// Sends a binary message.
    pub(crate) async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        self.write(&message(BINARY, payload)).await
    }

    /// Says that the server closes the connection, and waits until the client has closed its side: a socket closed over
    /// unread bytes is reset, and the client would lose what was said last.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.write(&message(CLOSE, &[])).await?;
        while self.receive(|_| ()).await? == Received::Bytes {}
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_pay(context)).await?;
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }
}

/// A message of one frame; a server masks nothing.
fn message(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + payload.len());
    bytes.push(first);
    let length = payload.len();
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short <= 125 => bytes.push(short),
        (_, Ok(medium)) => {
            bytes.push(126);
            bytes.extend(medium.to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_message_takes_as_many_bytes_as_it_needs() {
        let head = |length: usize| {
            let bytes = message(BINARY, &vec![7; length]);
            bytes[..bytes.len() - length].to_vec()
        };
        assert_eq!(head(0), [BINARY, 0]);
        assert_eq!(head(125), [BINARY, 125]);
        assert_eq!(head(126), [BINARY, 126, 0, 126]);
        assert_eq!(head(65_535), [BINARY, 126, 255, 255]);
        assert_eq!(head(65_536), [BINARY, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
