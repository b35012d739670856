//! A newsletter as the server keeps it: plain data, no protocol.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wacore_binary::{Jid, Server};

use crate::data::form::bytes;
use crate::groups::Refusal;
use crate::state::DeviceAddr;

/// What somebody is to a newsletter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Made it, writes in it and changes it.
    Owner,
    /// Follows it.
    Subscriber,
    /// Neither.
    Guest,
}

impl Role {
    /// The name in JSON (whatsapp-rust `features/newsletter.rs`, `parse_newsletter_metadata`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Subscriber => "subscriber",
            Self::Guest => "guest",
        }
    }
}

/// What somebody does not want to hear of (whatsapp-rust `features/newsletter.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Mute {
    /// What the newsletter brings.
    Follower,
    /// What an owner hears of theirs.
    Admin,
}

impl Mute {
    /// The setting of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Follower, Self::Admin].into_iter().find(|known| known.name() == name)
    }

    /// The name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Follower => "MUTE_FOLLOWER_ACTIVITY",
            Self::Admin => "MUTE_ADMIN_ACTIVITY",
        }
    }
}

/// Its picture, which the media host serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Picture {
    pub(crate) id: u64,
    pub(crate) direct_path: String,
}

/// A message in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Post {
    /// Goes up by one with every message.
    pub(crate) server_id: u64,
    /// Chosen by the client that wrote it.
    pub(crate) id: String,
    /// The `type` of the stanza.
    pub(crate) kind: String,
    pub(crate) mediatype: Option<String>,
    /// The protobuf as it was written; nothing once it was revoked.
    #[serde(with = "bytes")]
    pub(crate) body: Vec<u8>,
    pub(crate) revoked: bool,
    /// Epoch seconds.
    pub(crate) at: i64,
    /// When it, its reactions or its views changed, in epoch seconds.
    pub(crate) changed: i64,
    /// By account name.
    pub(crate) reactions: BTreeMap<String, String>,
    /// Who has seen it, by account name.
    pub(crate) views: BTreeSet<String>,
}

impl Post {
    /// How many gave each reaction.
    pub(crate) fn tally(&self) -> BTreeMap<&str, usize> {
        let mut tally = BTreeMap::new();
        for code in self.reactions.values() {
            *tally.entry(code.as_str()).or_default() += 1;
        }
        tally
    }
}

/// A newsletter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Channel {
    /// Digits; the JID is this with `@newsletter`.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) picture: Option<Picture>,
    pub(crate) invite: String,
    /// Account name.
    pub(crate) owner: String,
    /// Epoch seconds.
    pub(crate) created: i64,
    /// When name or description changed, in epoch microseconds as the ids of them are.
    pub(crate) changed: i64,
    /// Account names, in the order in which they came.
    pub(crate) followers: Vec<String>,
    /// Who has muted what.
    pub(crate) mutes: BTreeSet<(String, Mute)>,
    /// By `server_id`.
    pub(crate) posts: Vec<Post>,
    /// Devices that hear of changes as they happen, and until when in epoch seconds.
    pub(crate) live: BTreeMap<DeviceAddr, i64>,
}

impl Channel {
    /// Its address.
    pub(crate) fn jid(&self) -> Jid {
        Jid::new(self.id.as_str(), Server::Newsletter)
    }

    /// What somebody is to it.
    pub(crate) fn role(&self, name: &str) -> Role {
        if self.owner == name {
            Role::Owner
        } else if self.followers.iter().any(|follower| follower == name) {
            Role::Subscriber
        } else {
            Role::Guest
        }
    }

    /// Lets its owner through.
    pub(crate) fn for_owner(&self, name: &str) -> Result<(), Refusal> {
        (self.role(name) == Role::Owner).then_some(()).ok_or(Refusal::Forbidden)
    }

    /// Lets those through who own or follow it.
    pub(crate) fn for_reader(&self, name: &str) -> Result<(), Refusal> {
        (self.role(name) != Role::Guest).then_some(()).ok_or(Refusal::Forbidden)
    }

    /// The message of this number.
    pub(crate) fn post(&mut self, server_id: u64) -> Result<&mut Post, Refusal> {
        let post = self.posts.iter_mut().find(|post| post.server_id == server_id);
        post.ok_or(Refusal::NotFound)
    }

    /// The message that a client gave this id.
    pub(crate) fn post_of(&mut self, id: &str) -> Result<&mut Post, Refusal> {
        self.posts.iter_mut().find(|post| post.id == id).ok_or(Refusal::NotFound)
    }

    /// Its owner and everybody who follows it, by account name.
    pub(crate) fn readers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.owner.as_str()).chain(self.followers.iter().map(String::as_str))
    }
}
