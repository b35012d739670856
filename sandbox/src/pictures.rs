//! Profile and group pictures: whose there are, who may see and change them, and who hears of a change.
//!
//! The bytes are served by the media host. `request` and `stanza` are the protocol around it.

mod answer;
mod request;
mod stanza;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use wacore_binary::{Jid, Server};

use crate::StoredMedia;
use crate::data::form;
use crate::devices;
use crate::groups::Refusal;
use crate::media::{Kind, Store};
use crate::stanza::Push;
use crate::state::{Account, AccountId, DeviceAddr, State};
use crate::tokens::{self, Shown};

pub(crate) use answer::{answer, of_groups};

/// How every JPEG begins.
const JPEG: [u8; 3] = [0xFF, 0xD8, 0xFF];

/// Whose picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// An account's.
    Account(AccountId),
    /// A group's, by its address.
    Group(Jid),
}

/// Which form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it was given.
    Full,
    /// The small one.
    Preview,
}

/// A picture. The real server makes the preview; this one takes the client's, or has the same bytes for both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Picture {
    /// Goes up with every picture that is set.
    pub(crate) id: u64,
    full: Image,
    preview: Image,
}

/// A JPEG and its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Image {
    #[serde(with = "form::bytes")]
    sha256: [u8; 32],
    #[serde(skip)]
    bytes: Bytes,
}

impl Picture {
    /// The bytes of one form.
    pub(crate) fn bytes(&self, form: Form) -> Bytes {
        self.image(form).bytes.clone()
    }

    /// Hands one form to the media host, which may have dropped it meanwhile.
    fn publish(&self, form: Form, store: &mut Store) -> StoredMedia {
        let image = self.image(form);
        store.keep((Kind::PICTURE, image.sha256), image.bytes.clone())
    }

    fn image(&self, form: Form) -> &Image {
        match form {
            Form::Full => &self.full,
            Form::Preview => &self.preview,
        }
    }
}

impl Image {
    /// The real server refuses what is no image with 406 (whatsmeow `group.go`, `SetGroupPhoto`).
    fn of(bytes: Bytes) -> Result<Self, Refusal> {
        if is_jpeg(&bytes) {
            Ok(Self { sha256: Sha256::digest(&bytes).into(), bytes })
        } else {
            Err(Refusal::NotAcceptable)
        }
    }
}

/// Whether bytes begin as every JPEG does.
pub(crate) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&JPEG)
}

/// What a picture is to be replaced by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewPicture {
    pub(crate) full: Bytes,
    pub(crate) preview: Option<Bytes>,
}

/// All pictures.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pictures {
    by_owner: HashMap<Owner, Picture>,
    last: u64,
}

impl Pictures {
    /// The picture of somebody, whoever may see it.
    pub(crate) fn of(&self, owner: &Owner) -> Option<&Picture> {
        self.by_owner.get(owner)
    }

    /// The bytes of every image, by their SHA-256.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = ([u8; 32], Bytes)> {
        let images = self.by_owner.values().flat_map(|picture| [&picture.full, &picture.preview]);
        images.map(|image| (image.sha256, image.bytes.clone()))
    }

    /// Gives every image its bytes, in a list that was read without them.
    pub(crate) fn fill<E>(
        &mut self,
        mut read: impl FnMut([u8; 32]) -> Result<Bytes, E>,
    ) -> Result<(), E> {
        for picture in self.by_owner.values_mut() {
            for image in [&mut picture.full, &mut picture.preview] {
                image.bytes = read(image.sha256)?;
            }
        }
        Ok(())
    }

    /// Ids are about the time of the change, as they are at the real server.
    fn next_id(&mut self, now: i64) -> u64 {
        let now = u64::try_from(now).unwrap_or_default();
        self.last = now.max(self.last + 1);
        self.last
    }
}

/// Who is meant by an address: an account by its phone number or LID, or a group.
pub(crate) fn owner(state: &State, jid: &Jid) -> Result<Owner, Refusal> {
    if jid.server == Server::Group {
        return state.groups.find(jid).map(|group| Owner::Group(group.jid()));
    }
    state.accounts.by_jid(jid).map(|account| Owner::Account(account.id)).ok_or(Refusal::NotFound)
}

/// The picture, for who may see it: that of a group for its members (whatsmeow `user.go`: 401 for others), that of an
/// account for everybody from whom its privacy settings do not hide it, and who shows the token that it may demand.
pub(crate) fn seen_by(
    state: &State,
    viewer: AccountId,
    owner: &Owner,
    shown: Shown<'_>,
) -> Result<Picture, Refusal> {
    let allowed = match owner {
        Owner::Account(id) => {
            *id == viewer || shows(state, *id, viewer) && tokens::passes(state, viewer, *id, shown)
        }
        Owner::Group(gid) => {
            let viewer = state.accounts.get(viewer).ok_or(Refusal::NotAuthorized)?;
            state.groups.find(gid)?.member(&viewer.name).is_some()
        }
    };
    if !allowed {
        return Err(Refusal::NotAuthorized);
    }
    state.pictures.of(owner).cloned().ok_or(Refusal::NotFound)
}

/// Whether an account shows its picture to another one.
fn shows(state: &State, account: AccountId, viewer: AccountId) -> bool {
    let privacy = state.accounts.get(account).map(|account| &account.privacy);
    privacy.is_some_and(|privacy| privacy.shows("profile", viewer))
}

/// Sets or removes a picture if its author may, and says what the new one's id is and who is to hear of it. Rights come
/// before values. To remove what is not there changes nothing.
pub(crate) fn change(
    state: &mut State,
    author: AccountId,
    acting: Option<DeviceAddr>,
    owner: &Owner,
    new: Option<NewPicture>,
) -> Result<(Option<u64>, Vec<Push>), Refusal> {
    let author = state.accounts.get(author).ok_or(Refusal::Forbidden)?;
    let (name, author_id, lid) = (author.name.clone(), author.id, author.lid());
    let to = match owner {
        Owner::Account(id) if *id == author_id => peers(state, author_id),
        Owner::Account(_) => return Err(Refusal::Forbidden),
        Owner::Group(gid) => {
            let group = state.groups.find(gid)?;
            group.for_editor(&name)?;
            state.members(group).map(|member| member.id).collect()
        }
    };
    let id = match new {
        Some(new) => Some(set(state, owner, new)?),
        None if state.pictures.by_owner.remove(owner).is_none() => return Ok((None, Vec::new())),
        None => None,
    };
    let (from, by, operation) = match owner {
        Owner::Account(_) => {
            (state.accounts.get(author_id).map(Account::pn), None, "account.picture")
        }
        Owner::Group(gid) => (Some(gid.clone()), Some(lid), "group.picture"),
    };
    let from = from.ok_or(Refusal::NotFound)?;
    let detail = json!({ "id": id });
    state.journal.record(state.clock.now_ms(), &name, operation, &from.to_string(), detail);
    let node = Arc::new(stanza::notification(&state.stamp(), &from, by.as_ref(), id));
    let push = |account| Push { account, except: acting, node: Arc::clone(&node) };
    Ok((id, to.into_iter().map(push).collect()))
}

fn set(state: &mut State, owner: &Owner, new: NewPicture) -> Result<u64, Refusal> {
    let full = Image::of(new.full)?;
    let preview = new.preview.map_or_else(|| Ok(full.clone()), Image::of)?;
    let id = state.pictures.next_id(state.clock.now());
    state.pictures.by_owner.insert(owner.clone(), Picture { id, full, preview });
    Ok(id)
}

/// Who hears of an account's own picture: its devices, and everybody who knows it and may see it.
fn peers(state: &State, account: AccountId) -> BTreeSet<AccountId> {
    let mut peers = devices::shown_to(state, account, Some("profile"));
    peers.retain(|peer| tokens::trusts(state, account, *peer));
    peers.insert(account);
    peers
}

#[cfg(test)]
mod tests;
