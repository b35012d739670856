//! Messages that do not open: the phone asks for them again, and sends its own again to who asks.

use buffa::Message as _;
use tracing::{debug, warn};
use wacore::protocol::retry::{MAX_RETRY_COUNT, MIN_RETRY_COUNT_FOR_KEYS, RetryReason};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{JidExt as _, Node};
use wacore_libsignal::protocol::SignalProtocolError;
use waproto::whatsapp::Message;

use super::chats::Undecrypted;
use super::envelope::Envelope;
use super::handset::Sent;
use super::inbox::Unreadable;
use super::recipient::{Recipient, readership};
use super::sending::{self, Failure};
use super::signal::Signal;
use crate::key_nodes;
use crate::pairing::number;
use crate::relay;
use crate::stanza::{self, child_bytes, leaf};
use crate::state::{AccountId, Bundle, DeviceAddr, Shared, State, lock};

/// Notes that a message does not open, and asks its sender for it: with fresh keys from the second time on, and not more
/// than five times (whatsapp-rust `message/retry.rs`).
pub(super) fn ask(
    state: &mut State,
    signal: &mut Signal,
    account: AccountId,
    envelope: &Envelope,
    unreadable: &Unreadable,
) {
    let sender = state.accounts.get(envelope.sender.account);
    let sender = sender.map(|sender| sender.name.clone()).unwrap_or_default();
    let Some(handset) = state.handset(account) else { return };
    let count = match unreadable {
        Unreadable::Foreign(_) => 0,
        Unreadable::Sealed(_) => {
            handset.count_retry(envelope.sender, &envelope.id, envelope.resent)
        }
    };
    handset.chats.undecrypted.add(|sequence| Undecrypted {
        sequence,
        id: envelope.id.clone(),
        sender,
        sender_device: envelope.sender.device,
        retries: if count > MAX_RETRY_COUNT { 0 } else { count },
        reason: unreadable.to_string(),
    });
    handset.chats.tell();
    if let Unreadable::Sealed(error) = unreadable
        && count <= MAX_RETRY_COUNT
    {
        let receipt = request(state, signal, account, envelope, count, reason(error));
        relay::receipt(state, DeviceAddr::phone(account), &receipt);
    }
}

fn request(
    state: &State,
    signal: &mut Signal,
    account: AccountId,
    envelope: &Envelope,
    count: u8,
    reason: RetryReason,
) -> Node {
    let mut retry = NodeBuilder::new("retry")
        .attr("v", 1)
        .attr("id", envelope.id.as_str())
        .attr("t", envelope.timestamp)
        .attr("count", count);
    if reason != RetryReason::UnknownError {
        retry = retry.attr("error", reason as u8);
    }
    let mut children = vec![retry.build()];
    if let Some(account) = state.accounts.get(account) {
        let keys = &account.keys;
        children.push(leaf("registration", keys.registration.to_be_bytes()));
        if count >= MIN_RETRY_COUNT_FOR_KEYS {
            // A client takes no keys without a one-time one: whatsapp-rust `retry.rs`.
            let parts = [
                leaf("type", [5]),
                leaf("identity", keys.public()),
                key_nodes::one_time(signal.one_time_key()),
                key_nodes::signed(&keys.signed_key),
            ];
            children.push(NodeBuilder::new("keys").children(parts).build());
        }
    }
    envelope.retry(children)
}

fn reason(error: &SignalProtocolError) -> RetryReason {
    match error {
        SignalProtocolError::SessionNotFound(_) | SignalProtocolError::NoSenderKeyState(_) => {
            RetryReason::NoSession
        }
        SignalProtocolError::InvalidPreKeyId | SignalProtocolError::InvalidSignedPreKeyId => {
            RetryReason::InvalidKeyId
        }
        SignalProtocolError::SignatureValidationFailed => RetryReason::InvalidSignature,
        SignalProtocolError::BadMac(_) => RetryReason::BadMac,
        SignalProtocolError::InvalidMessage(..) => RetryReason::InvalidMessage,
        SignalProtocolError::InvalidSessionStructure(_) => RetryReason::InvalidSession,
        _ => RetryReason::UnknownError,
    }
}

/// Sends a message again to the one device that could not read it, on a fresh session.
pub(super) async fn answer(shared: &Shared, account: AccountId, reader: DeviceAddr, node: &Node) {
    let asked = {
        let mut state = lock(shared);
        asked(&mut state, account, reader, node).and_then(|(sent, count)| {
            let bundle = bundle(&mut state, reader, node)?;
            Some((sent, count, bundle, state.handset(account)?.signal.clone()))
        })
    };
    let Some((sent, count, bundle, signal)) = asked else {
        debug!("a phone does not send again what a device asks for");
        return;
    };
    let mut signal = signal.lock().await;
    let resent = resend(shared, &mut signal, account, reader, node, (&sent, count, &bundle)).await;
    if let Err(failure) = resent {
        warn!(%failure, "a phone could not send `{}` again", sent.id);
    }
}

/// What is asked for, if the reader is one of those it was for, and for which time.
fn asked(
    state: &mut State,
    account: AccountId,
    reader: DeviceAddr,
    node: &Node,
) -> Option<(Sent, u8)> {
    let retry = node.get_optional_child("retry")?;
    let count = stanza::attr(retry, "count").and_then(|text| text.parse().ok()).unwrap_or(1);
    let id = stanza::attr(retry, "id")?;
    let sent = state.handset(account)?.sent(&id)?.clone();
    let meant = match &sent.to {
        Recipient::Person { account: to, .. } => [*to, account].contains(&reader.account),
        Recipient::Group(gid) => {
            readership(state, account, gid).iter().any(|one| one.id == reader.account)
        }
        Recipient::Newsletter(_) => false,
    };
    let wanted = meant && (1..MAX_RETRY_COUNT).contains(&count);
    // However the reader counts.
    let again = wanted && state.handset(account)?.count_resend(reader, &id) < MAX_RETRY_COUNT;
    again.then_some((sent, count))
}

/// The reader's keys: those that it has sent along, if they are its own, or else those that the server has.
fn bundle(state: &mut State, reader: DeviceAddr, node: &Node) -> Option<Bundle> {
    let Some(keys) = node.get_optional_child("keys") else { return state.take_bundle(reader) };
    let signed_key = key_nodes::read_signed(keys.get_optional_child("skey")?)?;
    let identity = child_bytes(keys, "identity")?.try_into().ok()?;
    let known = state.readers(reader.account);
    known.contains(&(reader, identity)).then_some(Bundle {
        registration: number(child_bytes(node, "registration")?)?,
        identity,
        signed_key,
        one_time_key: keys.get_optional_child("key").and_then(key_nodes::read_one_time),
    })
}

async fn resend(
    shared: &Shared,
    signal: &mut Signal,
    account: AccountId,
    reader: DeviceAddr,
    receipt: &Node,
    (sent, count, bundle): (&Sent, u8, &Bundle),
) -> Result<(), Failure> {
    signal.begin(reader, bundle).await?;
    let original = Message::decode_from_slice(&sent.message).unwrap_or_default();
    let mut message = original.clone();
    let jid = |name| stanza::jid(receipt, name);
    let from = jid("from").unwrap_or_default();
    let mut stanza = NodeBuilder::new("message").attr("id", sent.id.as_str()).attr("to", &from);
    // A status names whom it is for.
    let mut listed = Vec::new();
    match &sent.to {
        Recipient::Group(gid) => {
            let way = sent.to.way(&lock(shared));
            let gid = gid.to_string();
            message.sender_key_distribution_message =
                sending::distribution(&gid, signal.distribution(&gid).await?);
            signal.has_keyed(&gid, &[(reader, bundle.identity)]);
            let asker = jid("participant").unwrap_or_default();
            stanza = stanza.attr("participant", &asker);
            if from.is_status_broadcast() {
                listed.push(NodeBuilder::new("to").attr("jid", asker).build());
            } else {
                stanza = stanza.attr("addressing_mode", way.wire());
            }
        }
        Recipient::Person { .. } if reader.account == account => {
            let to = sent.to.jid(&lock(shared));
            message = wacore::messages::wrap_device_sent(message, to.to_string());
            stanza = stanza.attr("recipient", to);
        }
        Recipient::Person { .. } | Recipient::Newsletter(_) => {}
    }
    let sealed = signal.seal(reader, &sending::padded(&message)).await?;
    let enc = sending::enc(sealed, &original).attr("count", count).build();
    let mut children = vec![enc];
    if !listed.is_empty() {
        children.push(NodeBuilder::new("participants").children(listed).build());
    }
    let stanza = sending::labelled(stanza, &original).children(children).build();
    let ack = relay::message(&mut lock(shared), DeviceAddr::phone(account), &stanza);
    sending::accepted(&ack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Addressing;
    use crate::state::SignedKey;

    const READER: DeviceAddr = DeviceAddr::phone(AccountId(0));

    /// A retry receipt with the keys of this identity.
    fn receipt(identity: [u8; 32], key: SignedKey) -> Node {
        let skey = key_nodes::signed(&key);
        let keys = NodeBuilder::new("keys").children([leaf("identity", identity), skey]).build();
        let retry = NodeBuilder::new("retry").attr("id", "M").attr("count", 2).build();
        NodeBuilder::new("receipt")
            .children([retry, leaf("registration", [0, 0, 0, 7]), keys])
            .build()
    }

    #[test]
    fn keys_of_a_retry_are_taken_from_their_owner_only() {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        let keys = state.accounts.get(shop).expect("just made").keys.clone();
        let own = receipt(keys.public(), keys.signed_key);
        let taken = bundle(&mut state, READER, &own).expect("the keys");
        assert_eq!((taken.registration, taken.signed_key), (7, keys.signed_key));
        assert!(bundle(&mut state, READER, &receipt([9; 32], keys.signed_key)).is_none());
    }

    #[test]
    fn what_was_not_sent_or_not_to_the_reader_is_not_sent_again() {
        let mut state = State::default();
        let [shop, boss, mia] =
            ["shop", "boss", "mia"].map(|name| state.accounts.add(name).expect("a free name"));
        let receipt = receipt([0; 32], SignedKey { id: 1, public: [0; 32], signature: [0; 64] });
        let of = DeviceAddr::phone;
        assert!(asked(&mut state, boss, of(shop), &receipt).is_none());
        let to = Recipient::Person { account: shop, way: Addressing::Lid };
        let sent = Sent { id: "M".to_owned(), to, at: 0, message: Vec::new() };
        state.handset(boss).expect("a handset").keep(sent);
        assert_eq!(asked(&mut state, boss, of(shop), &receipt).map(|(_, count)| count), Some(2));
        assert!(asked(&mut state, boss, of(boss), &receipt).is_some());
        assert!(asked(&mut state, boss, of(mia), &receipt).is_none());
        let more = (0..10).filter(|_| asked(&mut state, boss, of(shop), &receipt).is_some());
        assert_eq!(more.count(), 3, "it was sent once already, and is four times at most");
    }
}
