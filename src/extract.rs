//! What handlers take from a request, checked in the order that the contract fixes: the credential and its capability
//! first, then path, query and body. Handlers list their extractors in that order.

mod body;
mod caller;
mod page;
mod path;

pub(crate) use body::{BODY_LIMIT, Fields, FromFields, JsonBody};
pub use caller::Authenticated;
pub(crate) use caller::{Caller, Events, Manage, ManageAll, Read, Send};
pub(crate) use page::{AuditQuery, LogPage, Page};
pub(crate) use path::{GroupPath, KeyPath, Path, SessionPath};
