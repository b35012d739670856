//! The phone uploads media again for a device of its account that cannot fetch them any more.
//!
//! whatsapp-rust `features/media_reupload.rs` and wacore `media_retry.rs` ask with a receipt of type `server-error` and
//! wait for a notification of type `mediaretry`; Baileys `messages-media.js` (`decodeMediaRetryNode`) wants the `rmr` back.

use buffa::Message as _;
use wacore::download::Downloadable;
use wacore::media_retry::decrypt_media_retry_notification as open;
use wacore::proto_helpers::MessageExt as _;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use wacore_libsignal::crypto::aes_256_gcm_encrypt;
use waproto::whatsapp::media_retry_notification::ResultType;
use waproto::whatsapp::{MediaRetryNotification, Message, ServerErrorReceipt};

use super::recipient::Recipient;
use crate::media::Store;
use crate::random;
use crate::stanza::{self, Stamp, child_bytes, leaf};
use crate::state::{Account, AccountId, DeviceAddr, State};

/// What the key of the request and of the answer is derived for (wacore `media_retry.rs`).
const PURPOSE: &[u8] = b"WhatsApp Media Retry Notification";

/// Why the phone cannot even answer under seal: what stands in `error` (wacore `media_retry.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The phone has no such message, or none with media.
    NotFound = 2,
    /// The request is not sealed with the key of the message.
    Sealed = 3,
}

/// What a message says of its file.
struct File {
    media_key: Vec<u8>,
    direct_path: String,
}

/// Answers a device of the account that asks for a file anew.
pub(super) fn answer(state: &mut State, account: AccountId, asker: DeviceAddr, receipt: &Node) {
    let Some(id) = stanza::attr(receipt, "id") else { return };
    let Some(about) = receipt.get_optional_child("rmr").filter(|_| asker.account == account) else {
        return;
    };
    let word = match asked(state, account, &id, about, receipt) {
        Ok(file) => sealed(&id, &file.media_key, upload(&mut state.media, &file)),
        Err(failure) => error(failure),
    };
    let Some(own) = state.accounts.get(account).map(Account::pn) else { return };
    let stamp = Stamp { id, at: state.clock.now() };
    let told = stanza::notification(own, "mediaretry", &stamp).children([word, about.clone()]);
    state.deliver(asker, told.build().into());
}

/// The file of the message that is meant, for who knows its key.
fn asked(
    state: &mut State,
    account: AccountId,
    id: &str,
    about: &Node,
    receipt: &Node,
) -> Result<File, Failure> {
    let chat = stanza::attr(about, "jid").ok_or(Failure::NotFound)?;
    let chat = Recipient::find(state, &chat).map_err(|_| Failure::NotFound)?;
    let own = stanza::attr(about, "from_me").as_deref() == Some("true");
    let author = stanza::jid(about, "participant");
    let author = author.and_then(|jid| Some(state.accounts.by_jid(&jid)?.name.clone()));
    let place = (&chat, own, author.as_deref());
    let message = message(state, account, id, place).ok_or(Failure::NotFound)?;
    let file = file(&message).ok_or(Failure::NotFound)?;
    let request = receipt.get_optional_child("encrypt").ok_or(Failure::Sealed)?;
    let part = |tag| child_bytes(request, tag).ok_or(Failure::Sealed);
    let opened = open(&file.media_key, id, part("enc_iv")?, part("enc_p")?).ok();
    let named = opened.and_then(|bytes| ServerErrorReceipt::decode_from_slice(&bytes).ok());
    let meant = named.is_some_and(|named| named.stanza_id.as_deref() == Some(id));
    if meant { Ok(file) } else { Err(Failure::Sealed) }
}

/// A message of this chat, and of this author if one is named, that the phone has.
fn message(
    state: &mut State,
    account: AccountId,
    id: &str,
    (chat, own, author): (&Recipient, bool, Option<&str>),
) -> Option<Message> {
    let handset = state.handset(account)?;
    let mut received = handset.chats.messages_called(id);
    let received = received.find(|one| {
        let of_author = author.is_none_or(|author| one.sender == author);
        one.place.is(chat) && one.from_me == own && of_author
    });
    if let Some(message) = received {
        return Some(message.message());
    }
    let sent = handset.sent(id).filter(|sent| own && sent.to.is(chat))?;
    Message::decode_from_slice(&sent.message).ok()
}

/// The file of a message, if it has one that is sealed.
fn file(message: &Message) -> Option<File> {
    let message = message.get_base_message();
    let parts: [Option<&dyn Downloadable>; 6] = [
        message.image_message.as_option().map(|part| part as _),
        message.video_message.as_option().map(|part| part as _),
        message.ptv_message.as_option().map(|part| part as _),
        message.audio_message.as_option().map(|part| part as _),
        message.document_message.as_option().map(|part| part as _),
        message.sticker_message.as_option().map(|part| part as _),
    ];
    let part = parts.into_iter().flatten().next()?;
    let (media_key, direct_path) = part.media_key().zip(part.direct_path())?;
    Some(File { media_key: media_key.to_vec(), direct_path: direct_path.to_owned() })
}

/// Uploads the file again, which the phone has as long as its bytes are in the store; says where it is now.
fn upload(media: &mut Store, file: &File) -> Option<String> {
    media.restore(&file.direct_path).map(|stored| stored.direct_path)
}

/// The answer to who has the key: where the file is, or that it is not there any more.
fn sealed(id: &str, media_key: &[u8], direct_path: Option<String>) -> Node {
    let found = direct_path.is_some();
    let notification = MediaRetryNotification {
        stanza_id: Some(id.to_owned()),
        direct_path,
        result: Some(if found { ResultType::SUCCESS } else { ResultType::NOT_FOUND }),
        ..Default::default()
    };
    let mut key = [0; 32];
    let derived = wacore::crypto::hkdf_sha256_into(media_key, None, PURPOSE, &mut key);
    derived.expect("32 bytes can be derived from any key");
    // It may not repeat with this key for another answer.
    let place = notification.direct_path.as_deref().unwrap_or_default();
    let iv: [u8; 12] = random::derived(&[media_key, id.as_bytes(), place.as_bytes()]).bytes();
    let mut text = Vec::new();
    let written =
        aes_256_gcm_encrypt(&key, &iv, id.as_bytes(), &notification.encode_to_vec(), &mut text);
    written.expect("a text in memory is always sealed");
    NodeBuilder::new("encrypt").children([leaf("enc_p", text), leaf("enc_iv", iv)]).build()
}

fn error(failure: Failure) -> Node {
    NodeBuilder::new("error").attr("code", failure as u8).build()
}

#[cfg(test)]
mod tests {
    use buffa::MessageField;
    use wacore::media_retry::encrypt_media_retry_receipt as seal;
    use waproto::whatsapp::message::{FutureProofMessage, ImageMessage};

    use wacore_binary::Jid;

    use super::super::chats::tests::received;
    use super::super::handset::Sent;
    use super::*;
    use crate::relay::Addressing;

    const KEY: [u8; 32] = [7; 32];

    /// A phone that has sent an image to be seen once, with the number of the account that it went to.
    fn sent() -> (State, AccountId) {
        let mut state = State::default();
        let [boss, shop] = ["boss", "shop"].map(|name| state.accounts.add(name).expect("free"));
        let image = ImageMessage {
            media_key: Some(KEY.to_vec()),
            direct_path: Some("/v/nowhere".to_owned()),
            ..Default::default()
        };
        let image = Message { image_message: MessageField::some(image), ..Default::default() };
        let once = FutureProofMessage { message: MessageField::some(image) };
        let once = Message { view_once_message_v2: MessageField::some(once), ..Default::default() };
        let to = Recipient::Person { account: shop, way: Addressing::Lid };
        let message = once.encode_to_vec();
        let sent = Sent { id: "M".to_owned(), to, at: 0, message };
        state.handset(boss).expect("a handset").keep(sent);
        (state, boss)
    }

    fn asks(key: &[u8], id: &str, jid: &str, from_me: &str) -> Node {
        let (text, iv) = seal(key, id).expect("sealed");
        let parts = [leaf("enc_p", text), leaf("enc_iv", iv)];
        let request = NodeBuilder::new("encrypt").children(parts).build();
        let about = NodeBuilder::new("rmr").attr("jid", jid).attr("from_me", from_me).build();
        NodeBuilder::new("receipt").attr("id", id).children([request, about]).build()
    }

    fn answered(key: &[u8], id: &str, jid: &str, from_me: &str) -> Result<String, Failure> {
        let (mut state, boss) = sent();
        let receipt = asks(key, id, jid, from_me);
        let about = receipt.get_optional_child("rmr").expect("it is there").clone();
        let file = asked(&mut state, boss, id, &about, &receipt)?;
        assert_eq!(upload(&mut state.media, &file), None, "there are no such bytes");
        Ok(file.direct_path)
    }

    #[test]
    fn a_file_is_found_by_its_message_its_chat_and_its_key() {
        let (pn, lid) = ("15550000002@s.whatsapp.net", "100000000000002@lid");
        for jid in [pn, lid] {
            assert_eq!(answered(&KEY, "M", jid, "true").as_deref(), Ok("/v/nowhere"), "{jid}");
        }
        assert_eq!(answered(&KEY, "N", lid, "true"), Err(Failure::NotFound));
        assert_eq!(answered(&KEY, "M", lid, "false"), Err(Failure::NotFound));
        assert_eq!(answered(&KEY, "M", "100000000000001@lid", "true"), Err(Failure::NotFound));
        assert_eq!(answered(&KEY, "M", "100000000000009@lid", "true"), Err(Failure::NotFound));
        assert_eq!(answered(&[8; 32], "M", lid, "true"), Err(Failure::Sealed));
    }

    #[test]
    fn of_messages_with_one_id_that_of_the_chat_and_the_author_is_meant() {
        let mut state = State::default();
        let [boss, shop, mia] =
            ["boss", "shop", "mia"].map(|name| state.accounts.add(name).expect("free"));
        let status = || Recipient::Group(Jid::status_broadcast());
        let person = |account| Recipient::Person { account, way: Addressing::Lid };
        for (sender, place, path) in [
            ("shop", status(), "/v/shop"),
            ("mia", status(), "/v/mia"),
            ("mia", person(mia), "/v/chat"),
        ] {
            let image = ImageMessage {
                media_key: Some(KEY.to_vec()),
                direct_path: Some(path.to_owned()),
                ..Default::default()
            };
            let image = Message { image_message: MessageField::some(image), ..Default::default() };
            let handset = state.handset(boss).expect("a handset");
            handset.chats.messages.add(|sequence| received(sequence, sender, place, &image));
        }
        let mut found = |jid: &'static str, participant: Option<Jid>| {
            let mut receipt = asks(&KEY, "M", jid, "false");
            let mut about = receipt.get_optional_child("rmr").expect("it is there").clone();
            if let Some(participant) = participant {
                about.attrs.insert("participant", participant);
            }
            receipt.attrs.insert("type", "server-error");
            let found = asked(&mut state, boss, "M", &about, &receipt);
            found.map(|file| file.direct_path)
        };
        let lid = |id: AccountId| Jid::lid(format!("1{:014}", id.0 + 1));
        let said = |path: &str| Ok(path.to_owned());
        assert_eq!(found("status@broadcast", Some(lid(shop))), said("/v/shop"));
        assert_eq!(found("status@broadcast", Some(Jid::pn("15550000003"))), said("/v/mia"));
        assert_eq!(found("status@broadcast", None), said("/v/mia"));
        assert_eq!(found("status@broadcast", Some(lid(boss))), Err(Failure::NotFound));
        assert_eq!(found("100000000000003@lid", None), said("/v/chat"));
    }

    #[test]
    fn what_is_sealed_opens_with_the_key_of_the_message() {
        for path in [Some("/v/there".to_owned()), None] {
            let node = sealed("M", &KEY, path.clone());
            let part = |tag| child_bytes(&node, tag).expect("it is there").to_vec();
            let opened = open(&KEY, "M", &part("enc_iv"), &part("enc_p")).expect("opened");
            let said = MediaRetryNotification::decode_from_slice(&opened).expect("a notification");
            assert_eq!(said.direct_path, path);
            let result = if path.is_some() { ResultType::SUCCESS } else { ResultType::NOT_FOUND };
            assert_eq!(said.result, Some(result));
        }
    }
}
