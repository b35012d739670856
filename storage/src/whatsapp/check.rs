//! Whether a row of the protocol library is one that it would take.

use serde::de::DeserializeOwned;
use wacore::{
    appstate::hash::HashState,
    store::{
        Device,
        traits::{DeviceListRecord, LidPnMappingEntry, TcTokenEntry},
    },
};

use super::{
    app_sync::StoredSyncKey,
    rows::{decode, split},
};
use crate::{
    Result,
    tables::{
        Rows, WA_DEVICE, WA_DEVICE_LISTS, WA_LID_BY_LID, WA_PENDING_INBOUND, WA_SENT_MESSAGES,
        WA_SYNC_KEYS, WA_SYNC_VERSIONS, WA_TC_TOKENS,
    },
};

/// Decodes a value of the table where it is a record; all others are bytes of any kind.
pub(crate) fn check(table: Rows, value: &[u8]) -> Result<()> {
    match table {
        WA_DEVICE => record::<Device>(value),
        WA_DEVICE_LISTS => record::<DeviceListRecord>(value),
        WA_LID_BY_LID => record::<LidPnMappingEntry>(value),
        WA_SYNC_KEYS => record::<StoredSyncKey>(value),
        WA_SYNC_VERSIONS => record::<HashState>(value),
        WA_TC_TOKENS => record::<TcTokenEntry>(value),
        WA_SENT_MESSAGES | WA_PENDING_INBOUND => split(value).map(drop),
        _ => Ok(()),
    }
}

fn record<T: DeserializeOwned>(value: &[u8]) -> Result<()> {
    decode::<T>(value).map(drop)
}
