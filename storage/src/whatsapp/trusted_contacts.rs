//! Trusted contact tokens: what a contact gave us, and when we gave ours. The two halves of a row have a writer each.

use wacore::store::{error::Result, traits::TcTokenEntry};

use super::{
    Backend,
    rows::{SESSION_LENGTH, decode, encode, last_text},
};
use crate::{store::Durability::Relaxed, tables::WA_TC_TOKENS};

impl Backend {
    pub(super) fn token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        self.get_record(WA_TC_TOKENS, &self.key(jid))
    }

    pub(super) async fn put_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        let _turn = self.turn.lock().await;
        self.put(WA_TC_TOKENS, self.key(jid), encode(entry)?, Relaxed).await
    }

    pub(super) async fn remove_token(&self, jid: &str) -> Result<()> {
        let _turn = self.turn.lock().await;
        self.remove(WA_TC_TOKENS, self.key(jid), Relaxed).await
    }

    pub(super) async fn token_jids(&self) -> Result<Vec<String>> {
        let rows = self.scan(WA_TC_TOKENS, self.key([])).await?;
        rows.iter().map(|(key, _)| last_text(key, SESSION_LENGTH)).collect()
    }

    /// Removes the rows of which neither half is live.
    pub(super) async fn remove_expired_tokens(
        &self,
        token_cutoff: i64,
        sender_cutoff: i64,
    ) -> Result<u32> {
        let _turn = self.turn.lock().await;
        self.sweep(WA_TC_TOKENS, move |value| {
            let entry: TcTokenEntry = decode(value)?;
            let token_lives = !entry.token.is_empty() && entry.token_timestamp >= token_cutoff;
            let sender_lives = entry.sender_timestamp.is_some_and(|at| at >= sender_cutoff);
            Ok(!token_lives && !sender_lives)
        })
        .await
    }

    /// Moves the time we gave our token forward, never back.
    pub(super) async fn advance_sender(&self, jid: &str, at: i64) -> Result<()> {
        let _turn = self.turn.lock().await;
        let entry = match self.token(jid)? {
            Some(entry) if entry.sender_timestamp.is_some_and(|stored| stored >= at) => {
                return Ok(());
            }
            Some(entry) => TcTokenEntry { sender_timestamp: Some(at), ..entry },
            None => {
                TcTokenEntry { token: Vec::new(), token_timestamp: at, sender_timestamp: Some(at) }
            }
        };
        self.put(WA_TC_TOKENS, self.key(jid), encode(&entry)?, Relaxed).await
    }

    /// Keeps a token a contact gave us unless a newer one is stored.
    pub(super) async fn receive_token(&self, jid: &str, token: &[u8], at: i64) -> Result<()> {
        let _turn = self.turn.lock().await;
        let stored = self.token(jid)?;
        if stored
            .as_ref()
            .is_some_and(|stored| !stored.token.is_empty() && at < stored.token_timestamp)
        {
            return Ok(());
        }
        let sender_timestamp = stored.and_then(|stored| stored.sender_timestamp);
        let entry = TcTokenEntry { token: token.to_vec(), token_timestamp: at, sender_timestamp };
        self.put(WA_TC_TOKENS, self.key(jid), encode(&entry)?, Relaxed).await
    }
}
