//! What a client may keep in memory, and what it does keep.

use std::time::Duration;

use whatsapp_rust::{CacheConfig, CacheEntryConfig, MemoryReport, wacore::stats::CollectionStats};

use crate::resources::{Cache, Caches, Queues};

/// How long an entry stays, by the library's own measure.
const FRESH: Duration = Duration::from_hours(1);

/// About what a group of 100 members takes: the library counts entries and not bytes, and a group's size is its members'.
const GROUP: usize = 16 << 10;
/// About what the same group takes where it is told which devices hold our key.
const KEY_HOLDERS: usize = 16 << 10;
/// About what a user with a few devices takes.
const DEVICES: usize = 512;

/// The bounds of a client that may keep so many bytes: half of them in groups, a quarter in devices, a quarter in who holds
/// our keys.
///
/// What is not here has bounds of the library's own, but for one: phone numbers by LID. An address that is forgotten there
/// is encrypted for the wrong name, so that they grow with those whom the account has to do with.
pub(super) fn bounded(bytes: usize) -> CacheConfig {
    let entries = |share: usize, each: usize| {
        CacheEntryConfig::new(Some(FRESH), (share / each).max(1) as u64)
    };
    CacheConfig {
        group_cache: entries(bytes / 2, GROUP),
        device_registry_cache: entries(bytes / 4, DEVICES),
        sender_key_devices_cache: entries(bytes / 4, KEY_HOLDERS),
        // No history is taken in: see `with_skip_history_sync`.
        seed_msg_secrets_from_history: false,
        ..CacheConfig::default()
    }
}

/// What a client keeps, and what waits in it, in our words.
pub(super) fn reported(report: &MemoryReport) -> (Caches, Queues) {
    let caches = Caches {
        groups: cache(report.group_cache),
        devices: cache(report.device_registry_cache),
        // Both directions share their entries.
        addresses: Cache {
            entries: report.lid_pn_lid_entries.entries,
            bytes: report.lid_pn_lid_entries.bytes + report.lid_pn_pn_entries.bytes,
        },
        sender_key_devices: cache(report.sender_key_device_cache),
        recipients: Cache {
            entries: report.group_devices_memo.entries + report.dm_devices_memo.entries,
            bytes: report.group_devices_memo.bytes + report.dm_devices_memo.bytes,
        },
        sent_messages: cache(report.recent_messages),
        signal_sessions: cache(report.signal_sessions),
        signal_identities: cache(report.signal_identities),
        sender_keys: cache(report.signal_sender_keys),
        notes: report.message_retry_counts
            + report.undecryptable_dispatched
            + report.pdo_pending_requests
            + report.pdo_requested
            + report.session_locks
            + report.chat_lanes
            + report.group_distribution_locks
            + report.resend_rate_limiter_chats,
        total_bytes: report.total_estimated_bytes() - report.history_sync_tasks.bytes,
    };
    let queues = Queues {
        unanswered: report.response_waiters as u64,
        acknowledgements: (report.transport_ack_queue + report.delivery_receipt_queue) as u64,
        retries: report.pending_retries as u64,
        history: cache(report.history_sync_tasks),
    };
    (caches, queues)
}

fn cache(collection: CollectionStats) -> Cache {
    Cache { entries: collection.entries, bytes: collection.bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_may_keep_is_shared_among_its_caches_and_never_nothing() {
        let bounds = |bytes| {
            let config = bounded(bytes);
            [
                config.group_cache.capacity,
                config.device_registry_cache.capacity,
                config.sender_key_devices_cache.capacity,
            ]
        };
        assert_eq!(bounds(8 << 20), [256, 4096, 128]);
        assert_eq!(bounds(0), [1, 1, 1]);
    }
}
