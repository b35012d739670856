//! From a code to a linked device.

use std::time::Duration;

use wharf_storage::{Account, Status};

use super::{
    SessionState,
    machine::{Input, Word},
};
use crate::{
    clock::{now_ms, steady_ms},
    command::Qr,
    error::{Error, Result},
};

/// What a caller is told to wait for a code that is under way.
const QR_RETRY: Duration = Duration::from_secs(1);

/// A code to scan that WhatsApp has given.
#[derive(Debug)]
pub(super) struct ShownQr {
    qr: Qr,
    /// Until when it holds, by the steady clock: what callers are told is a date, and the date may change.
    until: i64,
}

impl SessionState {
    /// The code to scan; see [`crate::SessionHandle::qr`].
    pub(super) async fn show_qr(&mut self) -> Result<Qr> {
        self.must_be_unpaired()?;
        if let Some(shown) = self.qr.as_ref().filter(|shown| shown.until > steady_ms()) {
            return Ok(shown.qr.clone());
        }
        self.feed(Input::Start).await?;
        Err(Error::QrPending { retry_after: QR_RETRY })
    }

    pub(super) fn must_be_unpaired(&self) -> Result<()> {
        if self.machine.paired() && self.machine.status() != Status::LoggedOut {
            return Err(Error::AlreadyPaired);
        }
        Ok(())
    }

    /// A code to scan has come.
    pub(super) async fn qr_shown(
        &mut self,
        generation: u64,
        code: String,
        valid: Duration,
    ) -> Result<()> {
        let (at, now) = (now_ms(), steady_ms());
        let valid = i64::try_from(valid.as_millis()).unwrap_or(i64::MAX);
        let (expires_at, until) = (at.saturating_add(valid), now.saturating_add(valid));
        let word = Word::Code { until };
        let effects = self.machine.take(Input::Heard { generation, word }, now);
        if effects.is_empty() {
            return Ok(());
        }
        let event = self.events.qr(&code, at);
        self.qr = Some(ShownQr { qr: Qr { code, expires_at }, until });
        self.carry_out(effects, vec![event]).await?;
        self.ask_for_pairing_code();
        Ok(())
    }

    /// A phone has linked this device. Its state is written out before anybody hears of it, for a crash in between
    /// would lose the pairing.
    pub(super) async fn linked(&mut self, generation: u64, account: Account) -> Result<()> {
        if !self.machine.minds_pairing(generation) {
            return Ok(());
        }
        self.save_device().await?;
        self.record(account).await?;
        self.qr = None;
        self.end_pairing_code(|| Error::AlreadyPaired);
        self.heard(generation, Word::Linked).await
    }

    /// Writes the device state out, strictly.
    pub(super) async fn save_device(&mut self) -> Result<()> {
        if let Some(client) = &self.client {
            client.flush().await?;
        }
        Ok(())
    }

    async fn record(&mut self, account: Account) -> Result<()> {
        let at = now_ms();
        let event = self.events.linked(&account, at);
        self.store.set_account(self.id, account, at, vec![event]).await?;
        self.recorded = true;
        Ok(())
    }

    /// A process killed between the pairing and its record left a linked device without an account: the device state
    /// has it.
    pub(super) async fn take_account(&mut self) -> Result<()> {
        if self.recorded {
            return Ok(());
        }
        let mut addresses = self.own_addresses().into_iter();
        let Some(jid) = addresses.next() else { return Ok(()) };
        self.record(Account { jid, lid: addresses.next(), business_name: None, platform: None })
            .await
    }

    /// The account's own addresses, phone number first; none before a phone has linked this device.
    pub(super) fn own_addresses(&self) -> Vec<String> {
        self.client.as_ref().map(|client| client.link().own_addresses()).unwrap_or_default()
    }
}
