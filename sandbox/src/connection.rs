//! One client connection, from the first byte to the last.

mod aside;
mod dispatch;
mod framing;
mod line;
pub(crate) mod login;
mod outbox;
mod outgoing;
mod requests;

use std::time::Duration;

use tokio::sync::watch;
use tracing::debug;
use wacore_binary::util;

use crate::devices;
use crate::noise::{self, Answered, Half, Session};
use crate::presence;
use crate::state::{DeviceAddr, LinkId, State, lock};
use crate::streams::{self, StreamEnd};
use crate::transport::Frames;
use crate::websocket::{Received, Socket};
use crate::wire;
use aside::{Aside, Written};
use framing::{Framing, Opened};
pub(crate) use line::{Line, admit};
use outgoing::Outgoing;

/// From the upgrade to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// Bytes that are collected for one message before they are written.
const JOINED: usize = 64 * 1024;

/// Bytes of a stanza that is taken: with other addresses and a name it still fits into a frame.
const LARGEST: usize = (1 << 24) - (64 << 10);

/// How long a client may take to close its side.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client closed the connection")]
    ByClient,
    #[error("the connection is broken")]
    Broken(#[from] std::io::Error),
    #[error("the server closed the connection")]
    ByServer,
    #[error("the handshake took too long")]
    Slow,
    #[error("the first bytes are not a client's")]
    NotAClient,
    #[error(transparent)]
    Noise(#[from] noise::Error),
    #[error(transparent)]
    Cipher(#[from] wacore_noise::NoiseError),
    #[error(transparent)]
    Node(#[from] wacore_binary::BinaryError),
    #[error("a stanza is too large")]
    TooLarge,
    #[error("the connection counter is used up")]
    Exhausted,
}

/// Serves a client until either side ends it.
pub(crate) async fn serve(socket: Socket, line: Line) {
    let cut = line.cut.clone();
    let mut connection = Connection { socket, framing: Framing::default(), line };
    let id = connection.line.link.0;
    tokio::select! {
        biased;
        () = cut.cancelled() => debug!(link = id, "connection `{id}` was cut"),
        () = connection.live() => {}
    }
}

/// Takes a device from its account and tells its client, if it is connected.
pub(crate) fn unlink(state: &mut State, addr: DeviceAddr) {
    if let Some(link) = remove(state, addr) {
        end_removed(state, link);
    }
}

/// Takes a device from its account, and tells those who are left; its connection, if it has one, stays and is nobody's.
fn remove(state: &mut State, addr: DeviceAddr) -> Option<LinkId> {
    let account = state.accounts.get_mut(addr.account)?;
    let position = account.devices.iter().position(|device| device.id == addr.device)?;
    let link = account.devices.remove(position).link;
    if let Some(link) = link {
        state.links.orphan(link);
    }
    presence::removed(state, addr);
    devices::unlinked(state, addr);
    link
}

/// Ends the connection of a device that is linked no more.
fn end_removed(state: &mut State, link: LinkId) {
    streams::end(state, link, StreamEnd::DeviceRemoved);
}

/// Field order is drop order: the socket is closed before the link is gone.
struct Connection {
    socket: Socket,
    framing: Framing,
    line: Line,
}

impl Connection {
    async fn live(&mut self) {
        let link = self.line.link.0;
        let ended = self.run().await;
        debug!(link, reason = %ended, "connection `{link}` ended");
        // What it answers to the server's own good-bye does not count.
        if matches!(ended, Ended::ByClient) && self.socket.heard_goodbye() {
            lock(&self.line.shared).links.goodbyes += 1;
        }
        let _ = tokio::time::timeout(FAREWELL, self.socket.close()).await;
    }

    async fn run(&mut self) -> Ended {
        let hanging = self.line.hanging.clone();
        let session = tokio::select! {
            session = Box::pin(self.shake_hands()) => session,
            () = too_slow(hanging) => Err(Ended::Slow),
        };
        let session = match session {
            Ok(session) => session,
            Err(ended) => return ended,
        };
        match self.converse(session).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    /// The Noise handshake.
    async fn shake_hands(&mut self) -> Result<Session, Ended> {
        let prologue = loop {
            match self.framing.open() {
                Opened::Header(header) => break header,
                Opened::Incomplete => self.receive().await?,
                Opened::Foreign => return Err(Ended::NotAClient),
            }
        };
        if self.framing.is_routed() {
            lock(&self.line.shared).handshakes.routed += 1;
        }
        let hello = self.frame().await?;
        match self.line.identity.answer(prologue, &hello)? {
            Answered::Done(reply, session) => {
                self.send_frame(&reply).await?;
                lock(&self.line.shared).handshakes.resumptions += 1;
                Ok(*session)
            }
            Answered::Waiting(reply, half) => {
                self.send_frame(&reply).await?;
                let finish = self.frame().await?;
                let fallback = half.is_fallback();
                let session = Half::finish(*half, &finish)?;
                if fallback {
                    lock(&self.line.shared).handshakes.fallbacks += 1;
                }
                Ok(session)
            }
        }
    }

    /// Stanzas in both directions.
    async fn converse(&mut self, session: Session) -> Result<std::convert::Infallible, Ended> {
        let Session { incoming, outgoing, client, payload } = session;
        let mut outgoing = Outgoing::new(outgoing, self.line.transport.compress_over);
        let mut aside = Aside::default();
        let mut read = 0_u32;
        if !self.line.transport.pause.is_zero() {
            tokio::time::sleep(self.line.transport.pause).await;
        }
        self.goes_on().await;
        login::greet(&mut lock(&self.line.shared), self.line.link, client, &payload);
        loop {
            while let Some(mut frame) = self.framing.next() {
                incoming.decrypt_in_place_with_counter(read, &mut frame)?;
                read = read.checked_add(1).ok_or(Ended::Exhausted)?;
                let plain = util::unpack_bytes(frame)?;
                if plain.len() > LARGEST {
                    return Err(Ended::TooLarge);
                }
                let node = wire::read(&plain)?;
                while !dispatch::stanza(&self.line.shared, self.line.link, &node) {
                    self.goes_on().await;
                }
            }
            self.goes_on().await;
            tokio::select! {
                // Once more from the top, where it waits.
                _ = self.line.hanging.changed() => {}
                parcel = self.line.outbox.next() => {
                    let Some(parcel) = parcel else {
                        // What was to come later comes before the end.
                        self.write(&mut outgoing, aside.rest()).await?;
                        return Err(Ended::ByServer);
                    };
                    let mut out = Vec::new();
                    outgoing.seal_all(aside.take(parcel), &mut out)?;
                    if self.line.transport.frames != Frames::Whole {
                        while out.len() < JOINED && let Some(parcel) = self.line.outbox.ready() {
                            outgoing.seal_all(aside.take(parcel), &mut out)?;
                        }
                    }
                    self.send(out).await?;
                }
                () = aside.due() => self.write(&mut outgoing, aside.ready()).await?,
                received = self.socket.receive(|bytes| self.framing.feed(bytes)) => go_on(received?)?,
            }
        }
    }

    /// Waits while the connection hangs. The sender lives as long as the line.
    async fn goes_on(&mut self) {
        let _ = self.line.hanging.wait_for(|hangs| !hangs).await;
    }

    /// The next whole frame.
    async fn frame(&mut self) -> Result<Vec<u8>, Ended> {
        loop {
            if let Some(frame) = self.framing.next() {
                return Ok(frame.to_vec());
            }
            self.receive().await?;
        }
    }

    /// Waits for bytes, unless the server ends the connection; nothing is queued before the handshake is through.
    async fn receive(&mut self) -> Result<(), Ended> {
        self.goes_on().await;
        tokio::select! {
            _ = self.line.hanging.changed() => Ok(()),
            _ = self.line.outbox.next() => Err(Ended::ByServer),
            received = self.socket.receive(|bytes| self.framing.feed(bytes)) => go_on(received?),
        }
    }

    /// Sends what has waited for its turn.
    async fn write(&mut self, outgoing: &mut Outgoing, late: Vec<Written>) -> Result<(), Ended> {
        let mut out = Vec::new();
        outgoing.seal_all(late, &mut out)?;
        self.send(out).await
    }

    async fn send_frame(&mut self, payload: &[u8]) -> Result<(), Ended> {
        let mut out = Vec::new();
        outgoing::frame(payload, &mut out)?;
        self.send(out).await
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), Ended> {
        self.goes_on().await;
        for message in outgoing::messages(self.line.transport.frames, bytes) {
            self.socket.send(&message).await?;
        }
        Ok(())
    }
}

/// The connection ends with what the client sends.
fn go_on(received: Received) -> Result<(), Ended> {
    match received {
        Received::Bytes => Ok(()),
        Received::End => Err(Ended::ByClient),
    }
}

/// The end of the time for a handshake, which begins anew when the server has been hanging.
async fn too_slow(mut hanging: watch::Receiver<bool>) {
    loop {
        let _ = hanging.wait_for(|hangs| !hangs).await;
        tokio::select! {
            () = tokio::time::sleep(HANDSHAKE) => return,
            _ = hanging.changed() => {}
        }
    }
}
