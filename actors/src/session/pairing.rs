//! From a code to a linked device.

use std::time::Duration;

use wharf_storage::{Account, NewEvent, Reason, Status};

use super::{
    SessionState,
    state::{Linked, Then},
};
use crate::{clock::now_ms, command::Qr, error::Result, whatsapp::DialFailure};

impl SessionState {
    /// A code to scan has come.
    pub(super) async fn qr_shown(&mut self, code: String, valid: Duration) -> Result<()> {
        let at = now_ms();
        let event: NewEvent = self.events.qr(&code, at);
        self.admission = None;
        let expires_at = at.saturating_add(i64::try_from(valid.as_millis()).unwrap_or(i64::MAX));
        self.qr = Some(Qr { code, expires_at });
        self.transition(Status::ScanQrCode, None, vec![event]).await
    }

    /// A phone has linked this device.
    pub(super) async fn linked(&mut self, account: Account) -> Result<()> {
        self.expect_login().await?;
        self.record(account).await?;
        if self.status() == Status::ScanQrCode {
            self.transition(Status::Starting, None, Vec::new()).await?;
        }
        Ok(())
    }

    /// The device is linked: its state is written out before anybody hears of it, for a crash in between would lose
    /// the pairing, and its first login follows at once.
    pub(super) async fn expect_login(&mut self) -> Result<()> {
        if let Some(client) = &self.client {
            client.flush().await?;
        }
        if !self.paired() {
            self.then = Then::Login;
            self.account = Linked::Yes;
        }
        self.ends_in = None;
        self.pairing_since = None;
        self.qr = None;
        Ok(())
    }

    async fn record(&mut self, account: Account) -> Result<()> {
        let at = now_ms();
        let event = self.events.linked(&account, at);
        self.store.set_account(self.id, account, at, vec![event]).await?;
        self.account = Linked::Recorded;
        Ok(())
    }

    /// A process killed between the pairing and its record left a linked device without an account: the device state
    /// has it.
    pub(super) async fn take_account(&mut self) -> Result<()> {
        if self.account == Linked::Recorded {
            return Ok(());
        }
        let mut addresses = self.own_addresses().into_iter();
        let Some(jid) = addresses.next() else { return Ok(()) };
        self.pairing_since = None;
        self.record(Account { jid, lid: addresses.next(), business_name: None, platform: None })
            .await
    }

    /// A session that nobody ever paired does not knock forever.
    pub(super) fn pairing_is_hopeless(&self) -> Option<Reason> {
        let failure = self.vitals.pulse.dial_failure();
        if failure == Some(DialFailure::Fenced) {
            return Some(Reason::Connect);
        }
        let since = self.pairing_since?;
        let patience = i64::try_from(self.config.pairing_timeout.as_millis()).unwrap_or(i64::MAX);
        (now_ms().saturating_sub(since) > patience).then_some(match failure {
            Some(DialFailure::Dns) => Reason::Dns,
            Some(DialFailure::Tls) => Reason::Tls,
            Some(DialFailure::Connect | DialFailure::Fenced) => Reason::Connect,
            None => Reason::PairingTimeout,
        })
    }
}
