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
pub(crate) struct Socket<Io = TokioIo<Upgraded>> {
    io: Io,
    reader: Reader,
    /// What has to be written before anything else: answers to pings.
    owed: Vec<u8>,
    /// Some of it was written and may still be in a buffer, such as that of TLS.
    unflushed: bool,
    /// The client has closed its side.
    closed: bool,
    /// It said so first: with a close frame.
    goodbye: bool,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Socket<Io> {
    fn new(io: Io) -> Self {
        let (reader, owed) = (Reader::default(), Vec::new());
        Self { io, reader, owed, unflushed: false, closed: false, goodbye: false }
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
        let Self { reader, owed, closed, goodbye, .. } = self;
        reader.take(bytes, taken, |control| match control {
            Control::Ping(payload) => owed.extend(message(PONG, payload)),
            Control::Close => (*closed, *goodbye) = (true, true),
        })?;
        // A close among them is for the next time: what came before it is to be acted on.
        Poll::Ready(Ok(Received::Bytes))
    }

    /// Writes what is owed.
    fn poll_pay(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.owed.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.owed))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.owed.drain(..written);
            self.unflushed = true;
        }
        if self.unflushed {
            self.owed = Vec::new();
            ready!(Pin::new(&mut self.io).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the client has sent a close frame: one that is killed, or whose network breaks, does not.
    pub(crate) fn heard_goodbye(&self) -> bool {
        self.goodbye
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
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, BufStream, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;

    /// Bytes that are on their way at once, in each direction.
    const ROOM: usize = 64;

    /// A client's connection, and the server's end of it, with a buffer as TLS has one.
    fn open() -> (DuplexStream, Socket<BufStream<DuplexStream>>) {
        let (client, server) = duplex(ROOM);
        (client, Socket::new(BufStream::new(server)))
    }

    /// A frame as a client sends it, its mask of zeros.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("a short payload");
        [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
    }

    #[tokio::test]
    async fn what_came_before_a_close_is_handed_on_before_the_end() {
        let (mut client, mut socket) = open();
        let bytes = [frame(BINARY, b"the last"), frame(CLOSE, b"")].concat();
        client.write_all(&bytes).await.expect("there is room");
        let mut taken = Vec::new();
        let received = socket.receive(|bytes| taken.extend_from_slice(bytes)).await;
        assert_eq!(received.expect("nothing is broken"), Received::Bytes);
        assert_eq!(taken, b"the last");
        let received = socket.receive(|_| panic!("there is nothing more")).await;
        assert_eq!(received.expect("nothing is broken"), Received::End);
        assert!(socket.heard_goodbye());
    }

    #[tokio::test]
    async fn a_client_that_is_gone_without_a_close_has_said_no_goodbye() {
        let (mut client, mut socket) = open();
        client.write_all(&frame(BINARY, b"the last")).await.expect("there is room");
        drop(client);
        for expected in [Received::Bytes, Received::End] {
            assert_eq!(socket.receive(|_| ()).await.expect("nothing is broken"), expected);
        }
        assert!(!socket.heard_goodbye());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_to_a_ping_goes_out_when_there_is_room_whoever_gave_up_waiting() {
        const LONG: Duration = Duration::from_secs(1);
        let (mut client, mut socket) = open();
        for _ in 0..2 {
            client.write_all(&frame(0x89, &[7; 50])).await.expect("there is room");
            let received = socket.receive(|_| ()).await.expect("nothing is broken");
            assert_eq!(received, Received::Bytes);
        }
        // Of both answers the buffer has some, and nobody reads.
        assert!(timeout(LONG, socket.receive(|_| ())).await.is_err());
        let mut heard = [0; 104];
        tokio::select! {
            _ = timeout(LONG, socket.receive(|_| ())) => panic!("the answers are stuck"),
            read = client.read_exact(&mut heard) => assert_eq!(read.expect("open"), 104),
        }
        assert_eq!(heard[..2], heard[52..54]);
    }

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
