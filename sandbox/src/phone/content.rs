//! What a message says, as a person would put it.

use serde::{Deserialize, Serialize};
use wacore::proto_helpers::MessageExt as _;
use waproto::whatsapp::message::protocol_message::Type;
use waproto::whatsapp::{Message, MessageKey};

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageKind {
    /// Text, with or without a preview of a link.
    Text,
    /// An image.
    Image,
    /// A video, a GIF or a video note.
    Video,
    /// Sound, a voice note among it.
    Audio,
    /// A file.
    Document,
    /// A sticker.
    Sticker,
    /// One contact or several.
    Contact,
    /// A place, fixed or live.
    Location,
    /// A poll.
    Poll,
    /// A vote in a poll, encrypted once more.
    Vote,
    /// A reaction; its text is empty when it is taken back.
    Reaction,
    /// Another text for a message.
    Edit,
    /// A message is taken back.
    Revoke,
    /// Anything else.
    Other,
}

/// The short form of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) kind: MessageKind,
    pub(super) text: Option<String>,
    /// The message that it is about.
    pub(super) target: Option<String>,
}

/// Reads a message, whatever it is wrapped in.
pub(super) fn content(message: &Message) -> Content {
    let message = message.get_base_message();
    let text = text(message);
    let about = |kind, text, key: Option<&MessageKey>| Content {
        kind,
        text,
        target: key.and_then(|key| key.id.clone()),
    };
    if let Some(reaction) = message.reaction_message.as_option() {
        return about(MessageKind::Reaction, reaction.text.clone(), reaction.key.as_option());
    }
    if let Some(vote) = message.poll_update_message.as_option() {
        return about(MessageKind::Vote, None, vote.poll_creation_message_key.as_option());
    }
    if let Some(protocol) = message.protocol_message.as_option() {
        let key = protocol.key.as_option();
        return match protocol.r#type {
            Some(Type::REVOKE) => about(MessageKind::Revoke, None, key),
            Some(Type::MESSAGE_EDIT) => {
                let edited = protocol.edited_message.as_option();
                about(MessageKind::Edit, edited.and_then(self::text), key)
            }
            _ => about(MessageKind::Other, None, key),
        };
    }
    about(kind(message), text, None)
}

/// What carries a text is of the kind that it carries; the others are told by the part that is there.
fn kind(message: &Message) -> MessageKind {
    let kinds = [
        (message.image_message.is_set(), MessageKind::Image),
        (message.video_message.is_set() || message.ptv_message.is_set(), MessageKind::Video),
        (message.audio_message.is_set(), MessageKind::Audio),
        (message.document_message.is_set(), MessageKind::Document),
        (message.sticker_message.is_set(), MessageKind::Sticker),
        (
            message.contact_message.is_set() || message.contacts_array_message.is_set(),
            MessageKind::Contact,
        ),
        (
            message.location_message.is_set() || message.live_location_message.is_set(),
            MessageKind::Location,
        ),
        (question(message).is_some(), MessageKind::Poll),
        (
            message.conversation.is_some() || message.extended_text_message.is_set(),
            MessageKind::Text,
        ),
    ];
    kinds.into_iter().find(|(is, _)| *is).map_or(MessageKind::Other, |(_, kind)| kind)
}

fn text(message: &Message) -> Option<String> {
    let contact = || message.contact_message.as_option()?.display_name.as_deref();
    let place = || message.location_message.as_option()?.name.as_deref();
    message
        .text_content()
        .or_else(|| message.get_caption())
        .or_else(|| question(message))
        .or_else(contact)
        .or_else(place)
        .map(str::to_owned)
}

fn question(message: &Message) -> Option<&str> {
    [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
    ]
    .into_iter()
    .find_map(|poll| poll.as_option())
    .map(|poll| poll.name.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use buffa::MessageField;
    use waproto::whatsapp::message::{FutureProofMessage, ImageMessage, ProtocolMessage};

    use super::*;

    fn said(text: &str) -> Message {
        Message { conversation: Some(text.to_owned()), ..Default::default() }
    }

    fn protocol(kind: Type, edited: Option<Message>) -> Message {
        let key = MessageKey { id: Some("M1".to_owned()), ..Default::default() };
        let protocol = ProtocolMessage {
            r#type: Some(kind),
            key: MessageField::some(key),
            edited_message: edited.map(MessageField::some).unwrap_or_default(),
            ..Default::default()
        };
        Message { protocol_message: MessageField::some(protocol), ..Default::default() }
    }

    fn content_of(message: &Message) -> (MessageKind, Option<String>, Option<String>) {
        let Content { kind, text, target } = content(message);
        (kind, text, target)
    }

    #[test]
    fn texts_edits_and_revokes_are_told_apart() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(content_of(&said("hi")), (MessageKind::Text, some("hi"), None));
        let edit = protocol(Type::MESSAGE_EDIT, Some(said("ho")));
        assert_eq!(content_of(&edit), (MessageKind::Edit, some("ho"), some("M1")));
        let revoke = protocol(Type::REVOKE, None);
        assert_eq!(content_of(&revoke), (MessageKind::Revoke, None, some("M1")));
        assert_eq!(content_of(&Message::default()), (MessageKind::Other, None, None));
    }

    #[test]
    fn a_wrapped_image_is_an_image_with_its_caption() {
        let image = ImageMessage { caption: Some("look".to_owned()), ..Default::default() };
        let image = Message { image_message: MessageField::some(image), ..Default::default() };
        let once = Message {
            view_once_message: MessageField::some(FutureProofMessage {
                message: MessageField::some(image),
            }),
            ..Default::default()
        };
        assert_eq!(content_of(&once), (MessageKind::Image, Some("look".to_owned()), None));
    }
}
