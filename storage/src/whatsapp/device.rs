//! The linked device: its keys, its account and its counters.

use async_trait::async_trait;
use tracing::debug;
use wacore::{
    stats::StorageResourceReport,
    store::{Device, error::Result, traits::DeviceStore},
};

use super::{
    Backend,
    rows::{encode, failed},
};
use crate::{store::Durability::Patient, tables::WA_DEVICE};

/// The number of a session's device: a session has one.
const DEVICE: i32 = 1;

#[async_trait]
impl DeviceStore for Backend {
    async fn save(&self, device: &Device) -> Result<()> {
        let (key, value) = (self.key([]), encode(device)?);
        // The library saves after each login, whether or not there is anything new. What is stored is on disk already.
        let _turn = self.turn.lock().await;
        if self.get(WA_DEVICE, &key)?.is_some_and(|stored| stored == value) {
            return Ok(());
        }
        self.put(WA_DEVICE, key, value, Patient).await
    }

    async fn load(&self) -> Result<Option<Device>> {
        self.get_record(WA_DEVICE, &self.key([]))
    }

    async fn exists(&self) -> Result<bool> {
        Ok(self.get(WA_DEVICE, &self.key([]))?.is_some())
    }

    async fn create(&self) -> Result<i32> {
        let key = self.key([]);
        let fresh = encode(&Device::new())?;
        self.store
            .write(move |txn| match WA_DEVICE.get(txn, &key)? {
                Some(_) => Ok(DEVICE),
                None => WA_DEVICE.put(txn, &key, Some(&fresh)).map(|()| DEVICE),
            })
            .await
            .map_err(failed)
    }

    /// Takes no snapshot: the file holds the keys of every session, which have no place in a debugging copy.
    async fn snapshot_db(&self, name: &str, extra_content: Option<&[u8]>) -> Result<()> {
        debug!(session = %self.session, name, extra_bytes = extra_content.map_or(0, <[u8]>::len), "snapshot not taken");
        Ok(())
    }

    /// A session holds no memory of its own here: the page cache and the queue belong to the store.
    async fn resource_report(&self) -> StorageResourceReport {
        StorageResourceReport { memory_bytes: Some(0), ..StorageResourceReport::default() }
    }
}
