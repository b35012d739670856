//! How a session ends at a caller's word: stopped, restarted, logged out, or taken away.
//!
//! The status changes first and the connection is closed beside the actor; whoever asked is answered once the client's
//! last run is over.

use std::{sync::Arc, time::Duration};

use ractor::{ActorProcessingErr, RpcReplyPort};
use wharf_storage::Status;

use super::{SessionMessage, SessionState, answer, machine::Input};
use crate::{
    error::{Error, Result},
    whatsapp::Failure,
};

/// How long WhatsApp may take to unlink a device.
const UNLINK: Duration = Duration::from_secs(10);
/// The same when the session is taken away whether WhatsApp answers or not.
const HASTY_UNLINK: Duration = Duration::from_secs(5);
/// How long the last run of an older client may take.
const LAST_RUN: Duration = Duration::from_secs(8);

/// A caller that waits for an end.
pub(crate) type Waiting = RpcReplyPort<Result<()>>;

/// The device is being unlinked at WhatsApp.
pub(super) struct Unlinking {
    /// Ends the session whatever WhatsApp says.
    insist: bool,
    waiting: Vec<Waiting>,
}

impl SessionState {
    /// Stops; see [`crate::SessionHandle::stop`]. A session that is logged out stays so.
    pub(super) async fn stop(&mut self, reply: Waiting) -> Result<(), ActorProcessingErr> {
        self.end(Input::Stop, vec![reply]).await
    }

    /// Unlinks the device at WhatsApp and ends; see [`crate::SessionHandle::logout`].
    pub(super) async fn logout(&mut self, reply: Waiting) -> Result<(), ActorProcessingErr> {
        self.unlink(reply, false, UNLINK).await
    }

    /// Unlinks where that can be done at once, and ends in any case: the session is about to be removed.
    pub(super) async fn retire(&mut self, reply: Waiting) -> Result<(), ActorProcessingErr> {
        self.unlink(reply, true, HASTY_UNLINK).await
    }

    async fn unlink(
        &mut self,
        reply: Waiting,
        insist: bool,
        patience: Duration,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(unlinking) = &mut self.unlinking {
            unlinking.insist |= insist;
            unlinking.waiting.push(reply);
            return Ok(());
        }
        let link = self.client.as_ref().filter(|_| self.status() == Status::Working);
        let Some(link) = link.map(crate::whatsapp::Client::link) else {
            return self.end(Input::Leave, vec![reply]).await;
        };
        self.unlinking = Some(Unlinking { insist, waiting: vec![reply] });
        let actor = self.myself.clone();
        let patience = patience.min(self.config.operation_timeout);
        tokio::spawn(self.vitals.meter.timed(async move {
            let outcome = tokio::time::timeout(patience, link.unlink()).await;
            let outcome = outcome.unwrap_or(Err(Failure::Timeout));
            drop(actor.cast(SessionMessage::Unlinked { outcome }));
        }));
        Ok(())
    }

    /// WhatsApp took the device off the account, or did not.
    pub(super) async fn unlinked(
        &mut self,
        outcome: Result<(), Failure>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(Unlinking { insist, waiting }) = self.unlinking.take() else { return Ok(()) };
        // WhatsApp cuts the connection of a device that is no more, sometimes before it answers.
        let gone = self.status() == Status::LoggedOut;
        match outcome {
            Err(failure) if !insist && !gone => {
                for reply in waiting {
                    drop(reply.send(Err(self.refused(&failure))));
                }
                Ok(())
            }
            _ => self.end(Input::Leave, waiting).await,
        }
    }

    fn refused(&self, failure: &Failure) -> Error {
        match failure {
            Failure::Disconnected => super::operations::not_connected(&self.vitals),
            Failure::Timeout => Error::Timeout { read_back: None },
            Failure::Refused(refusal) => Error::Refused(refusal.clone()),
            Failure::Broken(text) => Error::Internal(text.clone()),
        }
    }

    /// Ends in a status that only a caller changes again, and answers once the connection is gone.
    async fn end(&mut self, input: Input, waiting: Vec<Waiting>) -> Result<(), ActorProcessingErr> {
        self.waiting.extend(waiting);
        let Err(error) = self.feed(input).await else { return Ok(()) };
        let fault = error.to_string();
        for reply in self.waiting.drain(..) {
            drop(answer(reply, Err::<(), _>(Error::Internal(fault.clone()))));
        }
        Err(fault.into())
    }

    /// Closes the client in order, beside the actor, and answers whoever waits for its end.
    pub(super) fn say_goodbye(&mut self) {
        let client = self.client.take();
        let waiting = std::mem::take(&mut self.waiting);
        let gate = Arc::clone(&self.vitals.gate);
        tokio::spawn(self.vitals.meter.timed(async move {
            if let Some(client) = client {
                client.close().await;
            }
            // An older client's last run may still be on its way.
            drop(tokio::time::timeout(LAST_RUN, gate.lock()).await);
            for reply in waiting {
                drop(reply.send(Ok(())));
            }
        }));
    }
}
