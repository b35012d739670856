//! What the client knows of groups, users and messages besides their keys.

use async_trait::async_trait;
use wacore::{
    store::{
        error::Result,
        traits::{
            DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow,
            ProtocolStore, TcTokenEntry,
        },
    },
    time::now_secs,
};

use super::{
    Backend,
    rows::{behind, decode, encode, failed, last_text, put, remove, split},
};
use crate::{
    store::Durability::{Relaxed, Strict},
    tables::{
        Rows, WA_BASE_KEYS, WA_DEVICE_LISTS, WA_GROUP_METADATA, WA_LID_BY_LID, WA_LID_BY_PN,
        WA_PENDING_INBOUND, WA_SENDER_KEY_DEVICES, WA_SENT_MESSAGES,
    },
};

impl Backend {
    /// Removes the rows stored before `cutoff`, in seconds, where a value starts with the time it was stored at.
    async fn remove_older(&self, table: Rows, cutoff: i64) -> Result<u32> {
        self.sweep(table, move |value| Ok(split(value)?.0 < cutoff)).await
    }
}

#[async_trait]
impl ProtocolStore for Backend {
    async fn get_sender_key_devices(&self, group_jid: &str) -> Result<Vec<(String, bool)>> {
        let group = self.key_of(&[group_jid]);
        let rows = self.scan(WA_SENDER_KEY_DEVICES, group.clone()).await?;
        rows.iter().map(|(key, value)| Ok((last_text(key, group.len())?, value == &[1]))).collect()
    }

    async fn set_sender_key_status(&self, group_jid: &str, entries: &[(&str, bool)]) -> Result<()> {
        // A device wrongly taken to have the key could not read what we send; the opposite costs one key message.
        let durability = if entries.iter().all(|(_, has_key)| *has_key) { Relaxed } else { Strict };
        let ops = entries.iter().map(|(device, has_key)| {
            put(WA_SENDER_KEY_DEVICES, self.key_of(&[group_jid, device]), vec![u8::from(*has_key)])
        });
        self.apply(ops.collect(), durability).await
    }

    async fn clear_sender_key_devices(&self, group_jid: &str) -> Result<()> {
        let group = self.key_of(&[group_jid]);
        self.write(move |txn| WA_SENDER_KEY_DEVICES.remove_all(txn, &group)).await
    }

    async fn delete_sender_key_device_rows(&self, device_jids: &[&str]) -> Result<()> {
        if device_jids.is_empty() {
            return Ok(());
        }
        // The device is the last text of the key: its rows in all groups end alike.
        let ends: Vec<_> =
            device_jids.iter().map(|jid| [&[0xff], jid.as_bytes(), &[0xff]].concat()).collect();
        let rows = self.scan(WA_SENDER_KEY_DEVICES, self.key([])).await?;
        let found = rows
            .into_iter()
            .map(|(key, _)| key)
            .filter(|key| ends.iter().any(|end| key.ends_with(end)));
        self.apply(found.map(|key| remove(WA_SENDER_KEY_DEVICES, key)).collect(), Strict).await
    }

    async fn clear_all_sender_key_devices(&self) -> Result<()> {
        let all = self.key([]);
        self.write(move |txn| WA_SENDER_KEY_DEVICES.remove_all(txn, &all)).await
    }

    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        self.get_record(WA_LID_BY_LID, &self.key(lid))
    }

    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        match self.get(WA_LID_BY_PN, &self.key(phone))? {
            Some(lid) => self.get_record(WA_LID_BY_LID, &self.key(lid)),
            None => Ok(None),
        }
    }

    async fn put_lid_mapping(&self, entry: &LidPnMappingEntry) -> Result<()> {
        self.put_lid_mappings(std::slice::from_ref(entry)).await
    }

    async fn put_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        let _turn = self.turn.lock().await;
        let mut staged = self.stage();
        for entry in entries {
            let by_lid = self.key(&entry.lid);
            if let Some(value) = staged.get(WA_LID_BY_LID, &by_lid)? {
                let before: LidPnMappingEntry = decode(&value).map_err(failed)?;
                let by_old_phone = self.key(&before.phone_number);
                // The old number may have got another LID since; that one stays.
                if staged
                    .get(WA_LID_BY_PN, &by_old_phone)?
                    .is_some_and(|lid| lid == entry.lid.as_bytes())
                {
                    staged.set(WA_LID_BY_PN, by_old_phone, None);
                }
            }
            staged.set(
                WA_LID_BY_PN,
                self.key(&entry.phone_number),
                Some(entry.lid.clone().into_bytes()),
            );
            staged.set(WA_LID_BY_LID, by_lid, Some(encode(entry)?));
        }
        staged.apply().await
    }

    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        let rows = self.scan(WA_LID_BY_LID, self.key([])).await?;
        rows.iter().map(|(_, value)| decode(value).map_err(failed)).collect()
    }

    async fn save_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<()> {
        self.put(WA_BASE_KEYS, self.key_of(&[address, message_id]), base_key.to_vec(), Relaxed)
            .await
    }

    async fn has_same_base_key(
        &self,
        address: &str,
        message_id: &str,
        current_base_key: &[u8],
    ) -> Result<bool> {
        let stored = self.get(WA_BASE_KEYS, &self.key_of(&[address, message_id]))?;
        Ok(stored.is_some_and(|stored| stored == current_base_key))
    }

    async fn delete_base_key(&self, address: &str, message_id: &str) -> Result<()> {
        self.remove(WA_BASE_KEYS, self.key_of(&[address, message_id]), Relaxed).await
    }

    async fn update_device_list(&self, record: DeviceListRecord) -> Result<()> {
        self.update_device_lists(vec![record]).await
    }

    async fn update_device_lists(&self, records: Vec<DeviceListRecord>) -> Result<()> {
        let ops = records
            .iter()
            .map(|record| Ok(put(WA_DEVICE_LISTS, self.key(&record.user), encode(record)?)));
        self.apply(ops.collect::<Result<_>>()?, Relaxed).await
    }

    async fn get_devices(&self, user: &str) -> Result<Option<DeviceListRecord>> {
        self.get_record(WA_DEVICE_LISTS, &self.key(user))
    }

    async fn delete_devices(&self, user: &str) -> Result<()> {
        let key = self.key(user);
        // Each login takes away a list that was taken away by the first.
        if self.get(WA_DEVICE_LISTS, &key)?.is_none() {
            return Ok(());
        }
        self.remove(WA_DEVICE_LISTS, key, Relaxed).await
    }

    async fn get_group_metadata(&self, group_jid: &str) -> Result<Option<Vec<u8>>> {
        self.get(WA_GROUP_METADATA, &self.key(group_jid))
    }

    async fn put_group_metadata(&self, group_jid: &str, blob: &[u8]) -> Result<()> {
        self.put(WA_GROUP_METADATA, self.key(group_jid), blob.to_vec(), Relaxed).await
    }

    async fn delete_group_metadata(&self, group_jid: &str) -> Result<()> {
        self.remove(WA_GROUP_METADATA, self.key(group_jid), Relaxed).await
    }

    async fn get_tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        self.token(jid)
    }

    async fn put_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        self.put_token(jid, entry).await
    }

    async fn delete_tc_token(&self, jid: &str) -> Result<()> {
        self.remove_token(jid).await
    }

    async fn get_all_tc_token_jids(&self) -> Result<Vec<String>> {
        self.token_jids().await
    }

    async fn delete_expired_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        self.remove_expired_tokens(token_cutoff, sender_cutoff).await
    }

    async fn touch_tc_token_sender_timestamp(
        &self,
        jid: &str,
        sender_timestamp: i64,
    ) -> Result<()> {
        self.advance_sender(jid, sender_timestamp).await
    }

    async fn store_received_tc_token(
        &self,
        jid: &str,
        token: &[u8],
        token_timestamp: i64,
    ) -> Result<()> {
        self.receive_token(jid, token, token_timestamp).await
    }

    async fn store_sent_message(
        &self,
        chat_jid: &str,
        message_id: &str,
        payload: &[u8],
    ) -> Result<()> {
        let key = self.key_of(&[chat_jid, message_id]);
        self.put(WA_SENT_MESSAGES, key, behind(now_secs(), payload), Relaxed).await
    }

    async fn take_sent_message(&self, chat_jid: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        let key = self.key_of(&[chat_jid, message_id]);
        if self.get(WA_SENT_MESSAGES, &key)?.is_none() {
            return Ok(None);
        }
        self.write(move |txn| {
            let Some(value) = WA_SENT_MESSAGES.get(txn, &key)? else { return Ok(None) };
            WA_SENT_MESSAGES.put(txn, &key, None)?;
            Ok(Some(split(&value)?.1.to_vec()))
        })
        .await
    }

    async fn delete_expired_sent_messages(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.remove_older(WA_SENT_MESSAGES, cutoff_timestamp).await
    }

    async fn store_pending_inbound(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
        message: &[u8],
    ) -> Result<()> {
        self.store_pending_inbound_batch(&[PendingInboundRow { chat, sender, id, message }]).await
    }

    async fn get_pending_inbound(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
    ) -> Result<Option<Vec<u8>>> {
        let Some(value) = self.get(WA_PENDING_INBOUND, &self.key_of(&[chat, sender, id]))? else {
            return Ok(None);
        };
        Ok(Some(split(&value).map_err(failed)?.1.to_vec()))
    }

    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.delete_pending_inbound_batch(&[PendingInboundKey { chat, sender, id }]).await
    }

    async fn delete_expired_pending_inbound(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.remove_older(WA_PENDING_INBOUND, cutoff_timestamp).await
    }

    async fn store_pending_inbound_batch(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        let now = now_secs();
        let mut ops = Vec::with_capacity(rows.len());
        for row in rows {
            let key = self.key_of(&[row.chat, row.sender, row.id]);
            ops.push(put(WA_PENDING_INBOUND, key, behind(now, row.message)));
        }
        self.apply(ops, Strict).await
    }

    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        let mut ops = Vec::with_capacity(keys.len());
        for key in keys {
            ops.push(remove(WA_PENDING_INBOUND, self.key_of(&[key.chat, key.sender, key.id])));
        }
        self.apply(ops, Strict).await
    }
}
