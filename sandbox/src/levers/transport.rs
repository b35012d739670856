//! The levers of the bytes: frames, compression, and the pause after a handshake. They concern connections to come.

use std::time::Duration;

use crate::state;
use crate::{Frames, Sandbox};

impl Sandbox {
    /// Sets how frames are cut into WebSocket messages.
    pub fn cuts_frames(&self, frames: Frames) {
        state::lock(self.state()).network.transport.frames = frames;
    }

    /// Sets from which size stanzas are compressed: those of more bytes than this; with `None` none are.
    pub fn compresses_over(&self, bytes: Option<usize>) {
        state::lock(self.state()).network.transport.compress_over = bytes;
    }

    /// Sets how long the server waits after a handshake before it says anything.
    pub fn pauses_after_handshake(&self, pause: Duration) {
        state::lock(self.state()).network.transport.pause = pause;
    }

    /// How many connections were begun by a client that came back with the routing information of an earlier login.
    pub fn routed(&self) -> u64 {
        state::lock(self.state()).handshakes.routed
    }
}
