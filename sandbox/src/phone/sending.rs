//! The phone writes: to a person, each device for itself, or to a group, with a sender key.

use std::sync::Arc;

use buffa::MessageField;
use tokio::sync::Mutex;
use tracing::warn;
use wacore::messages::MessageUtils;
use wacore::types::message::EditAttribute;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};
use wacore_libsignal::protocol::SignalProtocolError;
use waproto::whatsapp::Message;
use waproto::whatsapp::message::SenderKeyDistributionMessage;

use super::newsletters;
use super::recipient::{Recipient, readership};
use super::signal::{Reader, Sealed, Signal};
use crate::devices;
use crate::relay::{self, Addressing};
use crate::stanza;
use crate::state::{Account, AccountId, Bundle, DeviceAddr, Shared, State, lock};
use crate::{Error, Result, tokens};

/// Why something was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The Signal library said no.
    #[error(transparent)]
    Signal(#[from] SignalProtocolError),
    /// The server refused it.
    #[error("the server refused it with {0}")]
    Refused(u16),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Signal(error) => Self::Unsealed(error.to_string()),
            Failure::Refused(code) => Self::MessageRefused(code),
        }
    }
}

/// Sends a message in the name of an account's phone; returns its id.
pub(crate) async fn send(
    shared: &Shared,
    account: AccountId,
    to: &Recipient,
    mut message: Message,
) -> Result<String> {
    let signal = signal(shared, account)?;
    let mut signal = signal.lock().await;
    if !matches!(to, Recipient::Newsletter(_)) {
        add_secret(&mut message, &mut signal);
    }
    let Parts { attrs, children, keyed } = match to {
        Recipient::Person { account: other, way } => {
            direct(shared, &mut signal, account, (*other, *way), &message).await?
        }
        Recipient::Group(gid) => group(shared, &mut signal, account, gid, &message).await?,
        Recipient::Newsletter(jid) => {
            let id = signal.fresh_id();
            return newsletters::post(&mut lock(shared), account, jid, (id, &message));
        }
    };
    let id = signal.fresh_id();
    let mut state = lock(shared);
    let stanza = NodeBuilder::new("message").attr("id", id.as_str()).attr("to", to.jid(&state));
    let stanza = labelled(stanza.attrs(attrs), &message).children(children).build();
    let ack = relay::message(&mut state, DeviceAddr::phone(account), &stanza);
    accepted(&ack)?;
    match to {
        Recipient::Group(gid) => signal.has_keyed(&gid.to_string(), &keyed),
        Recipient::Person { account: other, .. } => {
            tokens::written_to(&mut state, account, *other);
        }
        Recipient::Newsletter(_) => {}
    }
    state.keep_sent(account, &id, to, &message);
    Ok(id)
}

/// The keys and sessions of an account's phone.
pub(super) fn signal(shared: &Shared, account: AccountId) -> Result<Arc<Mutex<Signal>>> {
    let signal = lock(shared).handset(account).map(|handset| handset.signal.clone());
    signal.ok_or_else(|| Error::NoSuchPhone(account.0.to_string()))
}

/// What a stanza has that depends on whom it is for.
struct Parts {
    attrs: Vec<(&'static str, String)>,
    children: Vec<Node>,
    /// Who gets the sender key with it.
    keyed: Vec<Reader>,
}

/// For a person: each device gets the message, and each other device of the sender a copy that names the person.
async fn direct(
    shared: &Shared,
    signal: &mut Signal,
    account: AccountId,
    (other, way): (AccountId, Addressing),
    message: &Message,
) -> std::result::Result<Parts, Failure> {
    let own_phone = DeviceAddr::phone(account);
    let (readers, chat) = {
        let state = lock(shared);
        let mut readers = state.readers(account);
        if other != account {
            readers.extend(state.readers(other));
        }
        readers.retain(|(reader, _)| *reader != own_phone);
        let chat = Recipient::Person { account: other, way }.jid(&state).to_string();
        (readers, chat)
    };
    let readers = acquainted(shared, signal, account, readers).await;
    let jids = reader_jids(&lock(shared), &readers, way);
    let text = padded(message);
    let copy = padded(&wacore::messages::wrap_device_sent(message.clone(), chat));
    let mut envelopes = Vec::with_capacity(readers.len());
    for ((reader, _), jid) in readers.into_iter().zip(jids) {
        let own = reader.account == account;
        let sealed = signal.seal(reader, if own { &copy } else { &text }).await?;
        let enc = enc(sealed, message).build();
        envelopes.push(NodeBuilder::new("to").attr("jid", jid).children([enc]).build());
    }
    let participants = NodeBuilder::new("participants").children(envelopes).build();
    Ok(Parts { attrs: Vec::new(), children: vec![participants], keyed: Vec::new() })
}

/// For a group or a status: one ciphertext for all, and for each device that lacks the phone's sender key that key.
async fn group(
    shared: &Shared,
    signal: &mut Signal,
    account: AccountId,
    gid: &Jid,
    message: &Message,
) -> std::result::Result<Parts, Failure> {
    let own_phone = DeviceAddr::phone(account);
    let (readers, everybody, way) = {
        let state = lock(shared);
        let way = Recipient::Group(gid.clone()).way(&state);
        let members = readership(&state, account, gid);
        let readers: Vec<Reader> =
            members.iter().flat_map(|member| state.readers(member.id)).collect();
        let all: Vec<DeviceAddr> = members.into_iter().flat_map(Account::everywhere).collect();
        (readers, device_jids(&state, &all, way), way)
    };
    let name = gid.to_string();
    let others: Vec<Reader> =
        readers.into_iter().filter(|(reader, _)| *reader != own_phone).collect();
    let lacking = signal.lack_key(&name, &others);
    let status = gid.is_status_broadcast();
    let mut listed = others;
    let lacking = acquainted(shared, signal, account, lacking).await;
    let jids = reader_jids(&lock(shared), &lacking, way);
    let key = distribution(&name, signal.distribution(&name).await?);
    let key = padded(&Message { sender_key_distribution_message: key, ..Default::default() });
    let mut envelopes = Vec::with_capacity(lacking.len());
    for ((reader, _), jid) in lacking.iter().zip(jids) {
        let enc = key_enc(signal.seal(*reader, &key).await?, message).build();
        envelopes.push(NodeBuilder::new("to").attr("jid", jid).children([enc]).build());
    }
    if status {
        // It names everybody whom it is for, also who has the key.
        listed.retain(|reader| !lacking.contains(reader));
        let named = reader_jids(&lock(shared), &listed, way).into_iter();
        envelopes.extend(named.map(|jid| NodeBuilder::new("to").attr("jid", jid).build()));
    }
    let sealed = signal.seal_for_group(&name, &padded(message)).await?;
    let mut children = Vec::with_capacity(2);
    if !envelopes.is_empty() {
        children.push(NodeBuilder::new("participants").children(envelopes).build());
    }
    children.push(enc(sealed, message).build());
    let mut attrs = Vec::with_capacity(2);
    if !status {
        attrs.push(("addressing_mode", way.wire().to_owned()));
        let hash = MessageUtils::participant_list_hash(&everybody).ok();
        attrs.extend(hash.map(|hash| ("phash", hash)));
    }
    Ok(Parts { attrs, children, keyed: lacking })
}

/// Begins a session with everybody whom the phone does not know, and leaves out who shows no keys, or none that a session
/// can begin with.
pub(super) async fn acquainted(
    shared: &Shared,
    signal: &mut Signal,
    account: AccountId,
    readers: Vec<Reader>,
) -> Vec<Reader> {
    let mut known = Vec::with_capacity(readers.len());
    let mut strangers: Vec<(Reader, Bundle)> = Vec::new();
    {
        let mut state = lock(shared);
        for (addr, identity) in readers {
            if signal.knows(addr, &identity) {
                known.push((addr, identity));
            } else if let Some(bundle) = state.take_bundle(addr) {
                devices::knows(&mut state, account, addr.account);
                strangers.push(((addr, identity), bundle));
            }
        }
    }
    for (stranger, bundle) in strangers {
        match signal.begin(stranger.0, &bundle).await {
            Ok(()) => known.push(stranger),
            Err(error) => warn!(%error, "a phone cannot begin a session with {:?}", stranger.0),
        }
    }
    known
}

fn reader_jids(state: &State, readers: &[Reader], way: Addressing) -> Vec<Jid> {
    let devices: Vec<DeviceAddr> = readers.iter().map(|(reader, _)| *reader).collect();
    device_jids(state, &devices, way)
}

/// The addresses of devices.
fn device_jids(state: &State, devices: &[DeviceAddr], way: Addressing) -> Vec<Jid> {
    let jid = |addr: &DeviceAddr| {
        let account = state.accounts.get(addr.account);
        account.map(|account| way.device(account, addr.device)).unwrap_or_default()
    };
    devices.iter().map(jid).collect()
}

/// The field of a message that hands out a sender key.
pub(super) fn distribution(
    group: &str,
    key: Vec<u8>,
) -> MessageField<SenderKeyDistributionMessage> {
    MessageField::some(SenderKeyDistributionMessage {
        group_id: Some(group.to_owned()),
        axolotl_sender_key_distribution_message: Some(key),
    })
}

/// The text that is sealed: the message, and 1 to 16 bytes that say how many they are.
pub(super) fn padded(message: &Message) -> Vec<u8> {
    MessageUtils::encode_and_pad(message)
}

/// The node of a ciphertext with a message in it.
pub(super) fn enc(sealed: Sealed, message: &Message) -> NodeBuilder {
    let node = key_enc(sealed, message);
    match wacore::send::media_type_from_message(message) {
        Some(kind) => node.attr("mediatype", kind),
        None => node,
    }
}

/// The node of a ciphertext with a sender key in it: who cannot read it is not told so if they are not to be told of the
/// message either (wacore `send/group.rs`).
fn key_enc(sealed: Sealed, message: &Message) -> NodeBuilder {
    let mut node = NodeBuilder::new("enc").attr("v", "2").attr("type", sealed.kind);
    let edit = EditAttribute::infer_from_message(message);
    if wacore::send::should_hide_decrypt_fail_for_send(edit.as_ref(), message) {
        node = node.attr("decrypt-fail", "hide");
    }
    node.bytes(sealed.bytes)
}

/// Says on the stanza what kind of message it is.
pub(super) fn labelled(stanza: NodeBuilder, message: &Message) -> NodeBuilder {
    let stanza = stanza.attr("type", wacore::send::stanza_type_from_message(message));
    match EditAttribute::infer_from_message(message) {
        Some(edit) => stanza.attr("edit", edit.to_string_val()),
        None => stanza,
    }
}

/// Whether the server has taken a message.
pub(super) fn accepted(ack: &Node) -> std::result::Result<(), Failure> {
    let error = stanza::attr(ack, "error");
    error.map_or(Ok(()), |code| Err(Failure::Refused(code.parse().unwrap_or(500))))
}

/// Gives a message the secret that votes and encrypted edits of it are sealed with.
fn add_secret(message: &mut Message, signal: &mut Signal) {
    let about_another = message.reaction_message.is_set() || message.protocol_message.is_set();
    if !about_another {
        let context = message.message_context_info.get_or_insert_default();
        context.message_secret.get_or_insert_with(|| signal.fresh_secret());
    }
}
