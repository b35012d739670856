//! The one timer of a session: it rings when the machine wants to be told the time.

use std::time::Duration;

use tokio::task::AbortHandle;

use super::{SessionMessage, SessionState, machine::Input};
use crate::{
    clock::steady_ms,
    error::Result,
    whatsapp::{Failure, Link},
};

/// A timer that is set, or not.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<(i64, AbortHandle)>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some((_, timer)) = self.0.take() {
            timer.abort();
        }
    }
}

impl SessionState {
    /// When anything last came from WhatsApp, by the steady clock.
    fn heard_at(&self) -> i64 {
        self.vitals.pulse.heard_at().unwrap_or(0)
    }

    /// Sets the timer for what is due next. One that rings earlier is left alone: it sets the next.
    pub(super) fn set_alarm(&mut self) {
        let now = steady_ms();
        let Some(due) = self.machine.due(self.heard_at(), now) else {
            self.alarm = Alarm::default();
            return;
        };
        if self.alarm.0.as_ref().is_some_and(|(at, _)| *at <= due) {
            return;
        }
        let delay = Duration::from_millis(u64::try_from(due.saturating_sub(now)).unwrap_or(0));
        let timer = self.myself.send_after(delay, || SessionMessage::Tick);
        self.alarm = Alarm(Some((due, timer.abort_handle())));
    }

    /// The timer rang.
    pub(super) async fn tick(&mut self) -> Result<()> {
        self.alarm = Alarm::default();
        let failure = self.vitals.pulse.dial_failure();
        self.feed(Input::Tick { heard: self.heard_at(), failure }).await
    }

    /// Asks WhatsApp whether it is there, beside the actor.
    pub(super) fn probe(&self, generation: u64) {
        let Some(link) = self.client.as_ref().map(crate::whatsapp::Client::link) else { return };
        let (actor, patience) = (self.myself.clone(), self.config.probe_timeout);
        tokio::spawn(self.vitals.meter.timed(async move {
            if is_answered(&link, patience).await {
                drop(actor.cast(SessionMessage::Answered { generation }));
            }
        }));
    }
}

/// Whether WhatsApp answered; a refusal is an answer.
async fn is_answered(link: &Link, patience: Duration) -> bool {
    matches!(link.ping(patience).await, Ok(()) | Err(Failure::Refused(_)))
}
