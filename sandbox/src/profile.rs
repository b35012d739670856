//! What an account tells of itself: its about, how long new chats with it keep messages, and its business profile.
//!
//! `stanza` has the nodes; a change is heard by those who know the account (see [`crate::devices::peers`]).

mod about;
mod business;
mod disappearing;
mod levers;
mod stanza;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wacore_binary::Node;

pub(crate) use about::{About, about};
pub use business::{BusinessCategory, BusinessHours, BusinessProfile, Weekday};
pub(crate) use business::{profiles, verified};
pub(crate) use disappearing::{Timer, timer};

use crate::devices;
use crate::stanza::Push;
use crate::state::{AccountId, State};

/// What an account has told of itself.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// Nothing until it is set for the first time.
    pub(crate) about: Option<About>,
    /// Off until it is set for the first time.
    pub(crate) timer: Timer,
    /// Only a business has one.
    pub(crate) business: Option<BusinessProfile>,
}

/// Levers and the control API change a profile by these.
pub(crate) mod change {
    pub(crate) use super::about::set as about;
    pub(crate) use super::business::set as business;
    pub(crate) use super::disappearing::set as timer;
}

/// One stanza for every account that knows this one and that it has not blocked, if it shows them what the stanza tells.
fn told(
    state: &State,
    account: AccountId,
    category: Option<&str>,
    node: Node,
) -> impl Iterator<Item = Push> + use<> {
    let peers = devices::shown_to(state, account, category);
    let node = Arc::new(node);
    peers.into_iter().map(move |account| Push { account, except: None, node: Arc::clone(&node) })
}
