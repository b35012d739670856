//! The gateway's durable state: sessions, groups, API keys, events, the audit log and the protocol library's own records, in one
//! redb file behind one group-committing writer.
//!
//! - [`Store`] opens the file and carries every operation; one method is one transaction.
//! - Each record has a module with its type and its `impl Store`.
//! - [`whatsapp`] is the protocol library's backend over the rows of one session.
//!
//! Nothing outside this crate names redb. The crate has no clock: every time is an argument, in milliseconds since
//! the Unix epoch.

mod audit;
mod backup;
mod check;
mod codec;
mod compaction;
mod encryption;
mod error;
mod events;
mod figures;
mod footprint;
mod groups;
mod ids;
mod keys;
mod leftovers;
mod panics;
mod restoration;
mod retention;
mod room;
mod schema;
mod sessions;
mod store;
mod tables;
pub mod whatsapp;

pub use audit::{Actor, AuditEntry, AuditFilter, AuditId, AuditPage, AuditRecord};
pub use backup::Backup;
pub use check::{Report, check_file};
pub use compaction::{Compaction, compact};
pub use encryption::{MasterKey, Reencryption, reencrypt};
pub use error::{Error, Result};
pub use events::{Event, EventPage, NewEvent};
pub use figures::{Distribution, Figures, Histogram};
pub use footprint::Footprint;
pub use groups::{
    Description, Group, GroupChange, GroupDiff, GroupSnapshot, Member, MemberChange,
    MemberSnapshot, Role,
};
pub use ids::{EventId, GroupJid, InvalidId, KeyId, SessionId};
pub use keys::{ApiKey, Capability};
pub use leftovers::aside;
pub use panics::is_of_damage;
pub use restoration::restore;
pub use sessions::{Account, Reason, Session, SettingsChange, Status, StatusChange, Wanted};
pub use store::{Options, Store};
