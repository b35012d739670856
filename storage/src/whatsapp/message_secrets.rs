//! Secrets of messages, with which reactions, votes and edits that refer to them are read.

use async_trait::async_trait;
use wacore::store::{
    error::Result,
    traits::{
        MessageSecret, MsgSecretEntry, MsgSecretStore, merge_msg_secret_expiry,
        merge_msg_secret_message_ts,
    },
};

use super::{
    Backend,
    rows::{behind, failed, split},
};
use crate::tables::WA_MSG_SECRETS;

#[async_trait]
impl MsgSecretStore for Backend {
    async fn put_msg_secret(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
        secret: &MessageSecret,
    ) -> Result<()> {
        let entry = MsgSecretEntry {
            chat: chat.into(),
            sender: sender.into(),
            msg_id: msg_id.into(),
            secret: *secret,
            expires_at: 0,
            message_ts: 0,
        };
        self.put_msg_secrets(vec![entry]).await.map(drop)
    }

    async fn put_msg_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<usize> {
        let _turn = self.turn.lock().await;
        let mut staged = self.stage();
        for entry in &entries {
            let key = self.key_of(&[&entry.chat, &entry.sender, &entry.msg_id]);
            let (mut expires_at, mut message_ts) = (entry.expires_at, entry.message_ts);
            if let Some(value) = staged.get(WA_MSG_SECRETS, &key)? {
                let (stored_expires_at, rest) = split(&value).map_err(failed)?;
                let (stored_message_ts, _) = split(rest).map_err(failed)?;
                expires_at = merge_msg_secret_expiry(stored_expires_at, expires_at);
                message_ts = merge_msg_secret_message_ts(stored_message_ts, message_ts);
            }
            let value = behind(expires_at, &behind(message_ts, &entry.secret));
            staged.set(WA_MSG_SECRETS, key, Some(value));
        }
        staged.apply().await?;
        Ok(entries.len())
    }

    async fn get_msg_secret(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<Vec<u8>>> {
        Ok(self.get_msg_secret_with_ts(chat, sender, msg_id).await?.map(|(secret, _)| secret))
    }

    async fn get_msg_secret_with_ts(
        &self,
        chat: &str,
        sender: &str,
        msg_id: &str,
    ) -> Result<Option<(Vec<u8>, i64)>> {
        let Some(value) = self.get(WA_MSG_SECRETS, &self.key_of(&[chat, sender, msg_id]))? else {
            return Ok(None);
        };
        let (_, rest) = split(&value).map_err(failed)?;
        let (message_ts, secret) = split(rest).map_err(failed)?;
        Ok(Some((secret.to_vec(), message_ts)))
    }

    async fn delete_expired_msg_secrets(&self, cutoff_timestamp: i64) -> Result<u32> {
        let _turn = self.turn.lock().await;
        self.sweep(WA_MSG_SECRETS, move |value| {
            let (expires_at, _) = split(value)?;
            Ok(expires_at != 0 && expires_at <= cutoff_timestamp)
        })
        .await
    }
}
