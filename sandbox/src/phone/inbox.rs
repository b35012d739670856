//! The phone reads its inbox: messages, and receipts for its own.

use buffa::Message as _;
use tracing::{debug, warn};
use wacore_binary::{Jid, JidExt as _, Node};
use wacore_libsignal::protocol::SignalProtocolError;
use waproto::whatsapp::Message;

use super::chats::{ReceivedMessage, ReceivedReceipt};
use super::content::content;
use super::envelope::Envelope;
use super::signal::Signal;
use super::{media_retry, newsletters, peer, retry};
use crate::relay;
use crate::stanza;
use crate::state::{AccountId, DeviceAddr, Shared, State, lock};

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// It does not open; its sender may send it again.
    #[error(transparent)]
    Sealed(#[from] SignalProtocolError),
    /// It opens and is not a message; nobody can help that.
    #[error("not a message: {0}")]
    Foreign(String),
}

/// Reads the inbox of a phone, in order, until it is empty.
pub(super) async fn read(shared: Shared, account: AccountId) {
    loop {
        // A statement of its own, so that the lock is gone before the await.
        let next = lock(&shared).handset(account).and_then(super::Handset::next);
        let Some(node) = next else { break };
        match node.tag.as_ref() {
            "message" => match stanza::jid(&node, "from").filter(Jid::is_newsletter) {
                Some(jid) => newsletters::take(&mut lock(&shared), account, &jid, &node),
                None => message(&shared, account, &node).await,
            },
            "receipt" => receipt(&shared, account, &node).await,
            other => debug!(tag = other, "a phone has no use for `{other}`"),
        }
    }
}

async fn message(shared: &Shared, account: AccountId, node: &Node) {
    let known = {
        let mut state = lock(shared);
        Envelope::read(&state, account, node)
            .and_then(|envelope| Some((envelope, state.handset(account)?.signal.clone())))
    };
    let Some((envelope, signal)) = known else {
        warn!("a phone cannot tell who sent it a message");
        return;
    };
    let mut signal = signal.lock().await;
    match open(&mut signal, &envelope, node).await {
        Ok(opened) => {
            if let Some(receipt) = envelope.receipt() {
                let from = DeviceAddr::phone(account);
                relay::receipt(&mut lock(shared), from, &receipt);
            }
            for message in opened {
                if envelope.own && envelope.peer {
                    peer::take(shared, &mut signal, &envelope, message).await;
                } else {
                    record(&mut lock(shared), account, &envelope, message);
                }
            }
        }
        Err(unreadable) => {
            retry::ask(&mut lock(shared), &mut signal, account, &envelope, &unreadable);
            if envelope.own && envelope.peer {
                peer::rebuild(shared, &mut signal, envelope.sender).await;
            }
        }
    }
}

/// Opens every ciphertext of a message in turn; what was opened before is left out.
async fn open(
    signal: &mut Signal,
    envelope: &Envelope,
    node: &Node,
) -> Result<Vec<Message>, Unreadable> {
    let mut opened = Vec::new();
    for enc in node.get_children_by_tag("enc") {
        let bytes = stanza::bytes(enc).unwrap_or_default();
        let kind = stanza::attr(enc, "type").unwrap_or_default();
        let text = match (kind.as_str(), &envelope.group) {
            ("pkmsg", _) => signal.open(envelope.sender, true, bytes).await,
            ("msg", _) => signal.open(envelope.sender, false, bytes).await,
            ("skmsg", Some(group)) => signal.open_of_group(group, envelope.sender, bytes).await,
            _ => return Err(Unreadable::Foreign(format!("`{kind}` is no ciphertext"))),
        };
        let text = match text {
            Err(SignalProtocolError::DuplicatedMessage(..)) => continue,
            text => text?,
        };
        let version = stanza::attr(enc, "v").and_then(|text| text.parse().ok()).unwrap_or(2);
        let mut message = wacore::messages::decode_plaintext(&text, version)
            .map_err(|error| Unreadable::Foreign(error.to_string()))?;
        // A key is one for the chat that it comes in, whatever it says: nobody fills the phone with others. Without a good
        // one what is sealed with it does not open, and is asked for again.
        if let Some(key) = message.sender_key_distribution_message.as_option()
            && let Some(bytes) = &key.axolotl_sender_key_distribution_message
            && let Some(group) = &envelope.group
            && let Err(error) = signal.learn(group, envelope.sender, bytes).await
        {
            debug!(%error, "a phone cannot use a sender key");
        }
        if !wacore::messages::is_sender_key_distribution_only(&mut message) {
            opened.push(message);
        }
    }
    Ok(opened)
}

/// Puts a message into the phone's chats, unless it is there already.
fn record(state: &mut State, account: AccountId, envelope: &Envelope, message: Message) {
    let message =
        if envelope.own { wacore::messages::unwrap_device_sent(message) } else { message };
    let place = envelope.place(state);
    let chat = place.name(state);
    let Some(sender) = state.accounts.get(envelope.sender.account) else { return };
    let (name, jid) = (sender.name.clone(), sender.pn().to_string());
    let Some(handset) = state.handset(account) else { return };
    let chats = &mut handset.chats;
    if chats.message(&envelope.id).is_some_and(|known| known.sender == name) {
        return;
    }
    let said = content(&message);
    chats.messages.add(|sequence| ReceivedMessage {
        sequence,
        id: envelope.id.clone(),
        chat,
        sender: name,
        sender_jid: jid,
        sender_device: envelope.sender.device,
        from_me: envelope.own,
        timestamp: envelope.timestamp,
        push_name: envelope.push_name.clone(),
        kind: said.kind,
        text: said.text,
        target: said.target,
        view_once: wacore::proto_helpers::MessageExt::is_view_once(&message),
        bytes: message.encode_to_vec(),
        place,
        from: envelope.from.clone(),
        participant: envelope.participant.clone(),
    });
    chats.tell();
}

/// Records a receipt; one that says that a device cannot read a message gets it once more, and one that says that it cannot
/// fetch a file where that is now. That a device rings is no receipt for a message (wacore `stanza/call.rs`,
/// `build_offer_ack_receipt`: it names the call in it).
async fn receipt(shared: &Shared, account: AccountId, node: &Node) {
    let children = node.children().unwrap_or_default();
    if children.iter().any(|child| child.attrs.contains_key("call-id")) {
        return;
    }
    let jid = |name| stanza::jid(node, name);
    let Some(from) = jid("from") else { return };
    let author = jid("participant").filter(|_| !from.is_pn() && !from.is_lid());
    let device = author.as_ref().unwrap_or(&from).device;
    let kind = stanza::attr(node, "type").unwrap_or_else(|| "delivery".to_owned());
    let asked = {
        let mut state = lock(shared);
        let sender = state.accounts.by_jid(author.as_ref().unwrap_or(&from));
        let Some(sender) = sender else { return };
        let (name, peer) = (sender.name.clone(), DeviceAddr { account: sender.id, device });
        let Some(handset) = state.handset(account) else { return };
        handset.chats.receipts.add(|sequence| ReceivedReceipt {
            sequence,
            ids: stanza::ids(node).map(|id| id.as_str().into_owned()).collect(),
            kind: kind.clone(),
            sender: name,
            sender_device: device,
            group: from.is_group().then(|| from.to_string()),
        });
        handset.chats.tell();
        if kind == "server-error" {
            media_retry::answer(&mut state, account, peer, node);
        }
        (kind == "retry").then_some(peer)
    };
    if let Some(asker) = asked {
        retry::answer(shared, account, asker, node).await;
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::super::sending::{distribution, padded};
    use super::*;
    use crate::random::Stream;
    use crate::stanza::leaf;

    /// What boss seals for shop: a text, and beside it this sender key, said to be one for this group.
    async fn sealed(boss: &mut Signal, shop: DeviceAddr, group: &str, key: Vec<u8>) -> Node {
        let message = Message {
            conversation: Some("hello".to_owned()),
            sender_key_distribution_message: distribution(group, key),
            ..Default::default()
        };
        let sealed = boss.seal(shop, &padded(&message)).await.expect("sealed");
        let mut enc = leaf("enc", sealed.bytes);
        enc.attrs.insert("type", sealed.kind);
        let node = NodeBuilder::new("message").attr("id", "M").attr("from", "100000000000001@lid");
        node.children([enc]).build()
    }

    #[tokio::test]
    async fn a_sender_key_is_taken_for_the_chat_that_it_comes_in_and_a_bad_one_hides_no_text() {
        let mut state = State::default();
        let [boss, shop] = ["boss", "shop"].map(|name| state.accounts.add(name).expect("free"));
        let phone = |id| DeviceAddr::phone(id);
        let keys = |id| state.accounts.get(id).expect("known").keys.clone();
        let mut writer = Signal::new(phone(boss), &keys(boss), Stream::default());
        let mut reader = Signal::new(phone(shop), &keys(shop), Stream::default());
        let bundle = state.take_bundle(phone(shop)).expect("its keys");
        writer.begin(phone(shop), &bundle).await.expect("a session");
        let good = writer.distribution("1203@g.us").await.expect("a key");
        for key in [good, b"no key".to_vec()] {
            let node = sealed(&mut writer, phone(shop), "1203@g.us", key).await;
            let envelope = Envelope::read(&state, shop, &node).expect("an envelope");
            let opened = open(&mut reader, &envelope, &node).await.expect("opened");
            assert_eq!(opened[0].conversation.as_deref(), Some("hello"));
        }
        let said = writer.seal_for_group("1203@g.us", b"all").await.expect("sealed");
        assert!(reader.open_of_group("1203@g.us", phone(boss), &said.bytes).await.is_err());
    }
}
