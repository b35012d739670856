//! What of the state outlives the process.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

use super::{Accounts, Handshakes, State};
use crate::clock::Clock;
use crate::groups::Groups;
use crate::journal::Journal;
use crate::media::Store;
use crate::newsletters::Newsletters;
use crate::phone::Signal;
use crate::pictures::Pictures;
use crate::presence::Board;
use crate::server::Certificate;
use crate::state::AccountId;

/// The sessions of the phones, held so that they fit to the state.
pub(crate) type Held = HashMap<AccountId, OwnedMutexGuard<Signal>>;

/// The state as it is written.
#[derive(Serialize)]
pub(crate) struct Keeping<'a> {
    accounts: &'a Accounts,
    board: &'a Board,
    certificate: &'a Option<Certificate>,
    clock: &'a Clock,
    groups: &'a Groups,
    handshakes: &'a Handshakes,
    journal: &'a Journal,
    media: &'a Store,
    newsletters: &'a Newsletters,
    pictures: &'a Pictures,
    stanzas: u64,
    signals: HashMap<AccountId, &'a Signal>,
}

/// The state as it is read.
#[derive(Deserialize)]
pub(crate) struct Kept {
    accounts: Accounts,
    board: Board,
    certificate: Option<Certificate>,
    clock: Clock,
    groups: Groups,
    handshakes: Handshakes,
    journal: Journal,
    media: Store,
    newsletters: Newsletters,
    pictures: Pictures,
    stanzas: u64,
    signals: HashMap<AccountId, Signal>,
}

impl State {
    /// What is to be written, together with the sessions of the phones. Whoever adds something to the state decides here
    /// whether it outlives the process; what is in its parts says so with `#[serde(skip)]`.
    pub(crate) fn keeping<'a>(&'a self, held: &'a Held) -> Keeping<'a> {
        let Self {
            accounts,
            board,
            certificate,
            clock,
            groups,
            handshakes,
            journal,
            media,
            newsletters,
            pictures,
            stanzas,
            // Open connections, and what is on its way on them.
            bell: _,
            links: _,
            pairings: _,
            // What was ordered, and what was counted since the start.
            faults: _,
            limits: _,
            network: _,
            refusals: _,
            oddities: _,
            strictness: _,
            changed: _,
            // Drawn from the operating system once more.
            call_ids: _,
            token_bytes: _,
        } = self;
        let signals = held.iter().map(|(account, signal)| (*account, &**signal)).collect();
        Keeping {
            accounts,
            board,
            certificate,
            clock,
            groups,
            handshakes,
            journal,
            media,
            newsletters,
            pictures,
            stanzas: *stanzas,
            signals,
        }
    }

    /// The bytes of files and pictures, which are written apart.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = ([u8; 32], Bytes)> {
        self.media.blobs().chain(self.pictures.blobs())
    }
}

impl Kept {
    /// The state that was written, with its files and pictures.
    pub(crate) fn into_state<E>(
        self,
        mut blob: impl FnMut([u8; 32]) -> Result<Bytes, E>,
    ) -> Result<State, E> {
        let Self { mut accounts, mut media, mut pictures, mut signals, .. } = self;
        media.fill(&mut blob)?;
        pictures.fill(&mut blob)?;
        for account in accounts.iter_mut() {
            let phone = account.handset.take().zip(signals.remove(&account.id));
            account.handset = phone.map(|(mut handset, signal)| {
                handset.restore(signal);
                handset
            });
        }
        Ok(State {
            accounts,
            board: self.board,
            certificate: self.certificate,
            clock: self.clock,
            groups: self.groups,
            handshakes: self.handshakes,
            journal: self.journal,
            media,
            newsletters: self.newsletters,
            pictures,
            stanzas: self.stanzas,
            ..State::default()
        })
    }
}
