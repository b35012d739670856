//! What an IQ about pictures asks for, read from the wire.

use bytes::Bytes;
use wacore_binary::{Jid, Node, Server};

use super::{Form, NewPicture};
use crate::groups::Refusal;
use crate::stanza;

/// Pictures that one request may ask for (wacore `iq/groups.rs`, `BATCH_PROFILE_PICTURES_LIMIT`).
const MANY: usize = 1000;

/// A request in `w:profile:picture`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Where a picture is.
    Get(Jid, Wanted),
    /// A new picture, or none; without a target it is the asker's own.
    Set(Option<Jid>, Option<NewPicture>),
}

/// Which form of a picture, and the id of the one that the client has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) form: Form,
    pub(super) known: Option<u64>,
}

/// Reads an IQ; `None` for what this server does not know. Clients name whom they mean in `target`, older ones in `to`.
pub(super) fn read(iq: &Node) -> Option<Result<Request, Refusal>> {
    let mut attrs = iq.attrs();
    let to = attrs.optional_jid("to").filter(|to| !to.user.is_empty());
    let target = attrs.optional_jid("target").or(to);
    match attrs.optional_string("type")?.as_ref() {
        "get" => Some(get(iq, target)),
        "set" => Some(new(iq).map(|new| Request::Set(target, new))),
        _ => None,
    }
}

fn get(iq: &Node, target: Option<Jid>) -> Result<Request, Refusal> {
    let picture = iq.get_optional_child("picture").ok_or(Refusal::BadRequest)?;
    // Nobody asks for the bytes themselves any more.
    if stanza::attr(picture, "query").as_deref() != Some("url") {
        return Err(Refusal::BadRequest);
    }
    Ok(Request::Get(target.ok_or(Refusal::BadRequest)?, wanted(picture)?))
}

fn wanted(picture: &Node) -> Result<Wanted, Refusal> {
    let form = match stanza::attr(picture, "type").as_deref() {
        Some("image") => Form::Full,
        Some("preview") => Form::Preview,
        _ => return Err(Refusal::BadRequest),
    };
    let known = stanza::attr(picture, "id").and_then(|id| id.parse().ok());
    Ok(Wanted { form, known })
}

/// To remove a picture is to send none, and nothing else (wacore `iq/contacts.rs`, `SetProfilePictureSpec`).
fn new(iq: &Node) -> Result<Option<NewPicture>, Refusal> {
    let (mut full, mut preview) = (None, None);
    for picture in iq.get_children_by_tag("picture") {
        let place = match stanza::attr(picture, "type").as_deref() {
            Some("image") => &mut full,
            Some("preview") => &mut preview,
            _ => return Err(Refusal::BadRequest),
        };
        *place = Some(Bytes::copy_from_slice(stanza::bytes(picture).unwrap_or_default()));
    }
    match (full, preview) {
        (Some(full), preview) => Ok(Some(NewPicture { full, preview })),
        (None, None) if iq.children().unwrap_or_default().is_empty() => Ok(None),
        (None, _) => Err(Refusal::BadRequest),
    }
}

/// Reads a request in `w:g2` for the pictures of many groups; `None` for every other one.
pub(super) fn many(iq: &Node) -> Option<Result<Vec<(Jid, Wanted)>, Refusal>> {
    if stanza::attr(iq, "type").as_deref() != Some("get") {
        return None;
    }
    let asked = iq.get_optional_child("pictures")?.children().unwrap_or_default();
    if asked.is_empty() || asked.len() > MANY {
        return Some(Err(Refusal::BadRequest));
    }
    let group = |picture: &Node| {
        let jid = picture.attrs().optional_jid("jid").filter(|jid| jid.server == Server::Group);
        Ok((jid.ok_or(Refusal::BadRequest)?, wanted(picture)?))
    };
    Some(asked.iter().map(group).collect())
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    fn iq(kind: &'static str, target: Option<&'static str>, children: Vec<Node>) -> Node {
        let iq = NodeBuilder::new("iq").attr("type", kind).attr("to", "s.whatsapp.net");
        let iq = match target {
            Some(target) => iq.attr("target", target),
            None => iq,
        };
        iq.children(children).build()
    }

    fn asked(kind: &'static str, query: &'static str) -> Node {
        NodeBuilder::new("picture").attr("type", kind).attr("query", query).attr("id", "7").build()
    }

    fn given(kind: &'static str) -> Node {
        NodeBuilder::new("picture").attr("type", kind).bytes(*b"jpeg").build()
    }

    #[test]
    fn a_picture_is_asked_for_by_form_and_id() {
        let target = "15550000001@s.whatsapp.net";
        let wanted = Wanted { form: Form::Preview, known: Some(7) };
        assert_eq!(
            read(&iq("get", Some(target), vec![asked("preview", "url")])),
            Some(Ok(Request::Get(Jid::pn("15550000001"), wanted)))
        );
        for malformed in [
            iq("get", None, vec![asked("image", "url")]),
            iq("get", Some(target), vec![asked("image", "blob")]),
            iq("get", Some(target), vec![asked("poster", "url")]),
            iq("get", Some(target), vec![]),
        ] {
            assert_eq!(read(&malformed), Some(Err(Refusal::BadRequest)), "{malformed:?}");
        }
    }

    #[test]
    fn a_picture_is_set_with_or_without_a_preview_and_removed_by_sending_none() {
        let full = Bytes::from_static(b"jpeg");
        let new = |preview| Some(NewPicture { full: full.clone(), preview });
        assert_eq!(read(&iq("set", None, vec![])), Some(Ok(Request::Set(None, None))));
        assert_eq!(
            read(&iq("set", None, vec![given("image")])),
            Some(Ok(Request::Set(None, new(None))))
        );
        assert_eq!(
            read(&iq("set", Some("1@g.us"), vec![given("image"), given("preview")])),
            Some(Ok(Request::Set(Some(Jid::group("1")), new(Some(full.clone())))))
        );
        let photo = NodeBuilder::new("photo").bytes(*b"jpeg").build();
        for malformed in [given("preview"), photo] {
            assert_eq!(read(&iq("set", None, vec![malformed])), Some(Err(Refusal::BadRequest)));
        }
        assert_eq!(read(&iq("result", None, vec![])), None);
    }

    #[test]
    fn many_are_asked_for_by_group() {
        let picture = |jid: &'static str| {
            NodeBuilder::new("picture").attr("jid", jid).attr("type", "image").build()
        };
        let pictures = |asked: Vec<Node>| {
            iq("get", None, vec![NodeBuilder::new("pictures").children(asked).build()])
        };
        let read = many(&pictures(vec![picture("1@g.us"), picture("2@g.us")]));
        assert_eq!(read.and_then(Result::ok).map(|groups| groups.len()), Some(2));
        let lone = || picture("1@g.us");
        for refused in [vec![], vec![picture("1@lid")], (0..=MANY).map(|_| lone()).collect()] {
            assert_eq!(many(&pictures(refused)), Some(Err(Refusal::BadRequest)));
        }
        assert!(many(&iq("get", None, vec![lone()])).is_none());
        assert!(many(&iq("set", None, vec![NodeBuilder::new("pictures").build()])).is_none());
    }
}
