//! Inbound messages: counted before they are acknowledged, until there is a place to store them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use whatsapp_rust::{InboundDurabilityHook, anyhow, types::durability_hook::InboundMessage};

/// How many messages a session has received and acknowledged in this process.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    received: AtomicU64,
}

impl Inbound {
    /// Messages received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// The library's seam between decryption and acknowledgement.
pub(super) struct CountingHook(pub(super) Arc<Inbound>);

#[async_trait]
impl InboundDurabilityHook for CountingHook {
    async fn on_messages(
        &self,
        _client: Arc<whatsapp_rust::Client>,
        batch: &[InboundMessage],
    ) -> Result<(), anyhow::Error> {
        self.0.received.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
