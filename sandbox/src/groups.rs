//! Groups: what they are, who may change what in them, and how they look on the wire.
//!
//! `group` is the data, `change` the rules, `registry` the place where a change is made, written into
//! the journal and turned into a notification; `request`, `stanza` and `answer` are the protocol around it.

mod answer;
mod change;
pub(crate) mod community;
mod group;
mod invite;
mod joining;
mod levers;
mod members;
mod people;
mod registry;
mod request;
mod standing;
mod stanza;

pub(crate) use answer::handle;
pub use change::Refusal;
pub(crate) use change::{Change, DESCRIPTION_MAX, check_subject};
pub use group::Role;
pub(crate) use group::{Group, Person};
pub use levers::{GroupLever, NewGroup};
pub(crate) use levers::{Unfounded, add, change_as, describe, set_picture_as};
pub(crate) use people::{of_account as person_of, of_name as person, renumber};
pub(crate) use registry::Groups;
pub use standing::Part;
pub(crate) use standing::Place;
