//! Codes to type: the other way to link a phone.
//!
//! WhatsApp has one such code for a session at a time. The session keeps it while it holds, so that asking again for the
//! same phone gives the same code and costs nothing at WhatsApp, which limits how often a code is made for a number.

use std::{sync::atomic::Ordering, time::Duration};

use ractor::{ActorProcessingErr, RpcReplyPort};
use wharf_storage::Status;

use super::{
    SessionMessage, SessionState, answer,
    machine::{Input, Word},
    operations::not_connected,
};
use crate::{
    clock::steady_ms,
    command::RequestPairingCode,
    error::{Error, Refusal, Result},
    whatsapp::{Client, Failure, MintedCode},
};

/// A caller that waits for a code.
pub(crate) type Reply = RpcReplyPort<Result<String>>;

/// A code that was asked for; one at a time.
pub(super) struct PairingCode {
    /// Tells it from an earlier one whose answer comes late.
    request: u64,
    phone: String,
    /// When WhatsApp must have answered, by the steady clock.
    deadline: i64,
    stage: Stage,
}

enum Stage {
    /// WhatsApp is not ready to pair yet.
    Awaited(Vec<Reply>),
    /// WhatsApp was asked.
    Asked(Vec<Reply>),
    /// It holds until then, by the steady clock.
    Shown { code: String, until: i64 },
}

impl PairingCode {
    /// Until when there is no other; absent when it is over.
    fn holds_until(&self, now: i64) -> Option<i64> {
        match self.stage {
            Stage::Awaited(_) | Stage::Asked(_) => Some(self.deadline),
            Stage::Shown { until, .. } => Some(until).filter(|until| now < *until),
        }
    }

    /// Another caller wants a code.
    fn join(&mut self, phone: &str, reply: Reply, now: i64, until: i64) {
        if self.phone != phone {
            let left = u64::try_from(until.saturating_sub(now)).unwrap_or(0);
            let retry_after = Duration::from_millis(left);
            drop(reply.send(Err(Error::CodeOutstanding { retry_after })));
            return;
        }
        match &mut self.stage {
            Stage::Awaited(replies) | Stage::Asked(replies) => replies.push(reply),
            Stage::Shown { code, .. } => drop(reply.send(Ok(code.clone()))),
        }
    }

    fn replies(&mut self) -> Vec<Reply> {
        match &mut self.stage {
            Stage::Awaited(replies) | Stage::Asked(replies) => std::mem::take(replies),
            Stage::Shown { .. } => Vec::new(),
        }
    }
}

impl SessionState {
    /// Asks for a code to type; see [`crate::SessionHandle::pairing_code`].
    pub(super) async fn request_pairing_code(
        &mut self,
        command: RequestPairingCode,
        reply: Reply,
    ) -> Result<(), ActorProcessingErr> {
        let now = steady_ms();
        if let Some(known) = &mut self.pairing_code
            && let Some(until) = known.holds_until(now)
        {
            known.join(&command.phone, reply, now, until);
            return Ok(());
        }
        if let Err(error) = self.begin_pairing().await {
            return answer(reply, Err(error));
        }
        self.code_requests += 1;
        let request = self.code_requests;
        let patience = self.config.operation_timeout;
        self.pairing_code = Some(PairingCode {
            request,
            phone: command.phone,
            deadline: now.saturating_add(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX)),
            stage: Stage::Awaited(vec![reply]),
        });
        self.myself.send_after(patience, move || SessionMessage::PairingCodeOverdue { request });
        if self.qr.is_some() {
            self.ask_for_pairing_code();
        }
        Ok(())
    }

    async fn begin_pairing(&mut self) -> Result<()> {
        self.must_be_unpaired()?;
        self.feed(Input::Start).await
    }

    /// WhatsApp is ready to pair: whoever waits for a code to type gets one, made beside the actor.
    pub(super) fn ask_for_pairing_code(&mut self) {
        let Some(wanted) = &mut self.pairing_code else { return };
        let Some(link) = self.client.as_ref().map(Client::link) else { return };
        let Stage::Awaited(replies) = &mut wanted.stage else { return };
        wanted.stage = Stage::Asked(std::mem::take(replies));
        let (request, phone) = (wanted.request, wanted.phone.clone());
        let left = u64::try_from(wanted.deadline.saturating_sub(steady_ms())).unwrap_or(0);
        let generation = self.current.load(Ordering::Acquire);
        let actor = self.myself.clone();
        tokio::spawn(self.vitals.meter.timed(async move {
            let minted = link.mint_pairing_code(phone);
            let outcome = tokio::time::timeout(Duration::from_millis(left), minted).await;
            let outcome = outcome.unwrap_or(Err(Failure::Timeout));
            drop(actor.cast(SessionMessage::PairingCodeMinted { request, generation, outcome }));
        }));
    }

    /// WhatsApp made a code, or did not.
    pub(super) async fn pairing_code_minted(
        &mut self,
        request: u64,
        generation: u64,
        outcome: Result<MintedCode, Failure>,
    ) -> Result<()> {
        let asked = self.pairing_code.as_mut().filter(|asked| asked.request == request);
        let Some(asked) = asked else { return Ok(()) };
        let minted = match outcome {
            Ok(minted) => minted,
            Err(failure) => {
                self.end_pairing_code(|| match &failure {
                    Failure::Disconnected => interrupted(),
                    Failure::Timeout => Error::Timeout { read_back: None },
                    Failure::Refused(refusal) => Error::Refused(refusal.clone()),
                    Failure::Broken(text) => {
                        Error::Refused(Refusal::Other { code: 0, text: text.clone() })
                    }
                });
                return Ok(());
            }
        };
        let valid = i64::try_from(minted.valid.as_millis()).unwrap_or(i64::MAX);
        let until = steady_ms().saturating_add(valid);
        for reply in asked.replies() {
            drop(reply.send(Ok(minted.code.clone())));
        }
        asked.stage = Stage::Shown { code: minted.code, until };
        self.heard(generation, Word::PairingCode { until }).await
    }

    /// Whoever still waits for this code has waited long enough.
    pub(super) fn pairing_code_overdue(&mut self, request: u64) {
        let waits = |code: &PairingCode| {
            code.request == request && !matches!(code.stage, Stage::Shown { .. })
        };
        if self.pairing_code.as_ref().is_some_and(waits) {
            self.end_pairing_code(|| Error::Timeout { read_back: None });
        }
    }

    /// The code that is shown leads nowhere any more.
    pub(super) fn forget_pairing_code(&mut self) {
        self.pairing_code.take_if(|code| matches!(code.stage, Stage::Shown { .. }));
    }

    /// The connection is over: a code that was made over it is void. One that is still to be asked for waits for the
    /// next connection.
    pub(super) fn interrupt_pairing_code(&mut self) {
        self.forget_pairing_code();
        let asked = |code: &PairingCode| matches!(code.stage, Stage::Asked(_));
        if self.pairing_code.as_ref().is_some_and(asked) {
            self.end_pairing_code(interrupted);
        }
    }

    /// No code comes: the session does not pair any more.
    pub(super) fn refuse_pairing_code(&mut self) {
        let vitals = std::sync::Arc::clone(&self.vitals);
        self.end_pairing_code(|| not_connected(&vitals));
    }

    pub(super) fn end_pairing_code(&mut self, error: impl Fn() -> Error) {
        let Some(mut code) = self.pairing_code.take() else { return };
        for reply in code.replies() {
            drop(reply.send(Err(error())));
        }
    }
}

/// The connection was lost before the code came: that one was about to be shown would contradict the answer.
fn interrupted() -> Error {
    Error::NotConnected { status: Status::Starting }
}
