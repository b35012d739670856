//! What the phone has read, and what it heard of its own messages: the newest of each, numbered in order.

use std::collections::VecDeque;

use buffa::Message as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;
use wacore_binary::Jid;
use waproto::whatsapp::Message;

use super::content::MessageKind;
use super::recipient::Recipient;

/// Entries of each list that are kept; beyond that the oldest are dropped.
const KEPT: usize = 256;

/// A message that the phone has received and decrypted: from somebody else, or the copy of one that another device of
/// its own account has sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ReceivedMessage {
    /// Position among all that the phone received, from 1.
    pub sequence: u64,
    /// The message's id.
    pub id: String,
    /// The JID of the group or the newsletter, or the phone-number JID of the other person.
    pub chat: String,
    /// Name of the account that sent it; in a newsletter its owner.
    pub sender: String,
    /// Phone-number JID of the account that sent it; in a newsletter that of the newsletter.
    pub sender_jid: String,
    /// The device that sent it; 0 is a phone.
    pub sender_device: u16,
    /// Sent by another device of the phone's own account.
    pub from_me: bool,
    /// Epoch seconds, as the server stamped it.
    pub timestamp: i64,
    /// The name that the sender shows.
    pub push_name: Option<String>,
    /// What it is.
    pub kind: MessageKind,
    /// The text, the caption, the emoji of a reaction, or the question of a poll.
    pub text: Option<String>,
    /// The id of the message that is reacted to, edited, taken back or voted on.
    pub target: Option<String>,
    /// Whether it is to be seen once.
    pub view_once: bool,
    /// The whole message, as a `whatsapp.Message`; over HTTP in base64.
    #[serde(with = "base64")]
    #[schema(value_type = String)]
    pub bytes: Vec<u8>,
    /// Where it was said, for answers.
    #[serde(skip, default = "placed::nowhere")]
    pub(super) place: Recipient,
    /// The `from` of the stanza.
    #[serde(skip)]
    pub(super) from: Jid,
    /// The `participant` of the stanza.
    #[serde(skip)]
    pub(super) participant: Option<Jid>,
}

impl ReceivedMessage {
    /// The whole message.
    ///
    /// # Panics
    /// If `bytes` were replaced by something else.
    pub fn message(&self) -> Message {
        Message::decode_from_slice(&self.bytes).expect("the bytes of a message")
    }
}

/// A receipt that has reached the phone, for messages that it sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ReceivedReceipt {
    /// Position among all that the phone received, from 1.
    pub sequence: u64,
    /// The messages that it is for.
    pub ids: Vec<String>,
    /// `delivery`, or what its `type` says: `read`, `played`, `retry`, `inactive`, `sender`, and so on.
    pub kind: String,
    /// Name of the account that it is from.
    pub sender: String,
    /// The device that it is from; 0 is a phone.
    pub sender_device: u16,
    /// The group, if it is for messages of one.
    pub group: Option<String>,
}

/// What one of the account's devices asked of its phone, and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PeerRequest {
    /// Position among all that the phone received, from 1.
    pub sequence: u64,
    /// The id of the message that asks.
    pub id: String,
    /// The device that asks.
    pub device: u16,
    /// What it asks for, in small letters: `app_state_sync_key_request`, or for what `peer_data_operation_request_message`
    /// wraps `placeholder_message_resend`, `history_sync_on_demand`, and so on.
    pub request: String,
    /// Whether the phone has answered.
    pub answered: bool,
    /// The whole message, as a `whatsapp.Message`; over HTTP in base64.
    #[serde(with = "base64")]
    #[schema(value_type = String)]
    pub bytes: Vec<u8>,
}

/// A message that the phone could not decrypt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Undecrypted {
    /// Position among all that the phone could not decrypt, from 1.
    pub sequence: u64,
    /// The message's id.
    pub id: String,
    /// Name of the account that sent it.
    pub sender: String,
    /// The device that sent it; 0 is a phone.
    pub sender_device: u16,
    /// How often it was asked for again, this time included; 0 if it was not.
    pub retries: u8,
    /// What is wrong with it.
    pub reason: String,
}

/// A numbered list whose oldest entries go.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Log<T> {
    entries: VecDeque<T>,
    written: u64,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), written: 0 }
    }
}

impl<T> Log<T> {
    /// Adds what is made of the next number.
    pub(super) fn add(&mut self, entry: impl FnOnce(u64) -> T) {
        self.written += 1;
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry(self.written));
    }

    /// Entries with a number above this one, oldest first.
    pub(crate) fn after(&self, sequence: u64) -> impl Iterator<Item = &T> {
        let skipped = usize::try_from(sequence.saturating_sub(self.dropped()));
        self.entries.iter().skip(skipped.unwrap_or(usize::MAX))
    }

    /// So many of them at most, and the number after which the others come.
    pub(crate) fn page(&self, after: u64, limit: usize) -> (Vec<T>, u64)
    where
        T: Clone,
    {
        let entries: Vec<T> = self.after(after).take(limit).cloned().collect();
        let next = after.max(self.dropped()) + entries.len() as u64;
        (entries, if next > self.written { after } else { next })
    }

    /// Nothing, numbered on from here.
    fn emptied(self) -> Self {
        Self { written: self.written, ..Self::default() }
    }

    /// How many are gone.
    fn dropped(&self) -> u64 {
        self.written - self.entries.len() as u64
    }
}

/// Everything that one phone has received.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Chats {
    #[serde(with = "placed")]
    pub(crate) messages: Log<ReceivedMessage>,
    pub(crate) receipts: Log<ReceivedReceipt>,
    pub(crate) requests: Log<PeerRequest>,
    pub(crate) undecrypted: Log<Undecrypted>,
    #[serde(skip)]
    changed: watch::Sender<()>,
}

impl Chats {
    /// Tells who waits that something was added.
    pub(super) fn tell(&self) {
        self.changed.send_replace(());
    }

    /// Follows the changes.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Every message with this id, as others may have chosen the same; the newest first.
    pub(super) fn messages_called(&self, id: &str) -> impl Iterator<Item = &ReceivedMessage> {
        self.messages.entries.iter().rev().filter(move |message| message.id == id)
    }

    /// The message with this id.
    pub(super) fn message(&self, id: &str) -> Option<&ReceivedMessage> {
        self.messages_called(id).next()
    }

    /// Those of a new phone of the same account: nothing, and numbers go on, so that a reader misses nothing.
    pub(crate) fn emptied(self) -> Self {
        Self {
            messages: self.messages.emptied(),
            receipts: self.receipts.emptied(),
            requests: self.requests.emptied(),
            undecrypted: self.undecrypted.emptied(),
            changed: self.changed,
        }
    }
}

/// Bytes as they stand in JSON.
mod base64 {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Messages as they outlive the process: with what is not shown of them.
mod placed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use wacore_binary::Jid;

    use super::{Log, ReceivedMessage};
    use crate::phone::Recipient;

    #[derive(Serialize, Deserialize)]
    struct Placed<M> {
        message: M,
        place: Recipient,
        from: Jid,
        participant: Option<Jid>,
    }

    pub(super) fn serialize<'a, S: Serializer>(
        log: &'a Log<ReceivedMessage>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let placed = |message: &'a ReceivedMessage| {
            let ReceivedMessage { place, from, participant, .. } = message;
            let (place, from, participant) = (place.clone(), from.clone(), participant.clone());
            Placed { message, place, from, participant }
        };
        let entries = log.entries.iter().map(placed).collect();
        Log { entries, written: log.written }.serialize(to)
    }

    pub(super) fn deserialize<'de, D>(from: D) -> Result<Log<ReceivedMessage>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let Log { entries, written } = Log::<Placed<ReceivedMessage>>::deserialize(from)?;
        let whole = |Placed { message, place, from, participant }| ReceivedMessage {
            place,
            from,
            participant,
            ..message
        };
        Ok(Log { entries: entries.into_iter().map(whole).collect(), written })
    }

    /// In the place of what is read beside the message.
    pub(super) fn nowhere() -> Recipient {
        Recipient::Group(Jid::default())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The message `M` of another account.
    pub(in crate::phone) fn received(
        sequence: u64,
        sender: &str,
        place: Recipient,
        message: &Message,
    ) -> ReceivedMessage {
        ReceivedMessage {
            sequence,
            id: "M".to_owned(),
            chat: String::new(),
            sender: sender.to_owned(),
            sender_jid: String::new(),
            sender_device: 0,
            from_me: false,
            timestamp: 0,
            push_name: None,
            kind: MessageKind::Other,
            text: None,
            target: None,
            view_once: false,
            bytes: message.encode_to_vec(),
            place,
            from: Jid::default(),
            participant: None,
        }
    }

    #[test]
    fn a_log_is_read_from_any_number_and_keeps_the_newest() {
        let mut log = Log::default();
        assert_eq!(log.after(0).count(), 0);
        for _ in 0..=KEPT {
            log.add(|sequence| sequence);
        }
        let newest = KEPT as u64 + 1;
        assert_eq!(log.after(0).next(), Some(&2));
        assert_eq!(log.after(newest - 1).copied().collect::<Vec<_>>(), [newest]);
        assert_eq!(log.after(newest).count(), 0);
        assert_eq!(log.after(newest + 5).count(), 0);
        assert_eq!(log.page(0, 2), (vec![2, 3], 3));
        assert_eq!(log.page(3, 1), (vec![4], 4));
        assert_eq!(log.page(newest, 2), (vec![], newest));
        assert_eq!(log.page(newest + 5, 2), (vec![], newest + 5));
    }
}
