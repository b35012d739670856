//! Every table of the file.
//!
//! Keys of a session's rows start with the 16 bytes of its ULID, so one key range is one session. Phone numbers and
//! JIDs inside keys stay readable on disk. What a value starts with is told in `codec`. Values of bytes hold content and
//! are encrypted where the file is; values of other types are ids and numbers, and never are.

mod rows;

pub(crate) use rows::{Rows, end_of};

use redb::{Key, TableDefinition, TableHandle, Value};

use crate::Result;

/// 16 bytes of a ULID.
pub(crate) type Id = [u8; 16];

/// No ULID is below.
pub(crate) const FIRST_ID: Id = [0; 16];

/// No ULID is above.
pub(crate) const LAST_ID: Id = [u8::MAX; 16];

/// Above every address inside a key: those are ASCII.
pub(crate) const ABOVE_ALL: &str = "\u{10ffff}";

/// Table: the schema number. Key: `version`. Value: the number, bare, so that every release can read it.
pub(crate) const SCHEMA: TableDefinition<&str, u32> = TableDefinition::new("schema");

/// Table: the data key that values are encrypted with; empty in a file that is not encrypted. Key: its number. Value: a
/// nonce, then the data key as it is under the master key.
pub(crate) const ENCRYPTION: TableDefinition<u8, [u8; 60]> = TableDefinition::new("encryption");

/// Table: counters the writer gives numbers out from. Key: the counter. Value: the last number given out, bare.
pub(crate) const COUNTERS: TableDefinition<&str, u128> = TableDefinition::new("counters");

/// Table: sessions. Key: session. Value: `Session`.
pub(crate) const SESSIONS: TableDefinition<Id, &[u8]> = TableDefinition::new("sessions");

/// Table: the sessions of an organization. Key: organization, session. Value: nothing.
pub(crate) const SESSIONS_BY_ORGANIZATION: TableDefinition<(&str, Id), ()> =
    TableDefinition::new("sessions_by_organization");

/// Table: groups, those left included. Key: session, group JID. Value: `Group`.
pub(crate) const GROUPS: TableDefinition<(Id, &str), &[u8]> = TableDefinition::new("groups");

/// Table: present members of groups. Key: session, group JID, member's LID (phone JID while unknown). Value: `Member`.
pub(crate) const MEMBERS: TableDefinition<(Id, &str, &str), &[u8]> =
    TableDefinition::new("members");

/// Table: API keys. Key: key id. Value: `ApiKey`.
pub(crate) const KEYS: TableDefinition<Id, &[u8]> = TableDefinition::new("keys");

/// Table: API keys by what the caller presents. Key: SHA-256 of the secret. Value: key id.
pub(crate) const KEYS_BY_DIGEST: TableDefinition<[u8; 32], Id> =
    TableDefinition::new("keys_by_digest");

/// Table: the API keys of an organization. Key: organization, key id. Value: nothing.
pub(crate) const KEYS_BY_ORGANIZATION: TableDefinition<(&str, Id), ()> =
    TableDefinition::new("keys_by_organization");

/// Table: the event log. Key: session, event. Value: the event without its id.
pub(crate) const EVENTS: TableDefinition<(Id, Id), &[u8]> = TableDefinition::new("events");

/// Table: the event log of an organization. Key: organization, event. Value: session.
pub(crate) const EVENTS_BY_ORGANIZATION: TableDefinition<(&str, Id), Id> =
    TableDefinition::new("events_by_organization");

/// Table: up to where the event log of an organization was removed. Key: organization. Value: event.
pub(crate) const EVENTS_REMOVED: TableDefinition<&str, Id> = TableDefinition::new("events_removed");

/// Table: the audit log. Key: organization, entry. Value: `AuditRecord`.
pub(crate) const AUDIT: TableDefinition<(&str, Id), &[u8]> = TableDefinition::new("audit");

// The protocol library's records. Keys are bytes: the session, then what the comment names. Values are the library's
// bytes behind the two bytes of `codec`.

/// Table: identity keys of others. Key: session, protocol address. Value: public key.
pub(crate) const WA_IDENTITIES: Rows = Rows::new("wa_identities");

/// Table: Signal sessions. Key: session, protocol address. Value: session record.
pub(crate) const WA_SESSIONS: Rows = Rows::new("wa_sessions");

/// Table: one-time prekeys of ours. Key: session, prekey id. Value: prekey record and whether it was uploaded.
pub(crate) const WA_PREKEYS: Rows = Rows::new("wa_prekeys");

/// Table: signed prekeys of ours. Key: session, prekey id. Value: signed prekey record.
pub(crate) const WA_SIGNED_PREKEYS: Rows = Rows::new("wa_signed_prekeys");

/// Table: group sender keys. Key: session, sender key name. Value: sender key record.
pub(crate) const WA_SENDER_KEYS: Rows = Rows::new("wa_sender_keys");

/// Table: app state sync keys. Key: session, key id. Value: sync key.
pub(crate) const WA_SYNC_KEYS: Rows = Rows::new("wa_sync_keys");

/// Table: app state versions. Key: session, collection. Value: hash state.
pub(crate) const WA_SYNC_VERSIONS: Rows = Rows::new("wa_sync_versions");

/// Table: app state mutation MACs. Key: session, collection, index MAC. Value: value MAC and version.
pub(crate) const WA_MUTATION_MACS: Rows = Rows::new("wa_mutation_macs");

/// Table: which devices hold our sender key of a group. Key: session, group, device. Value: whether it does.
pub(crate) const WA_SENDER_KEY_DEVICES: Rows = Rows::new("wa_sender_key_devices");

/// Table: phone numbers by LID. Key: session, LID. Value: mapping.
pub(crate) const WA_LID_BY_LID: Rows = Rows::new("wa_lid_by_lid");

/// Table: LIDs by phone number. Key: session, phone number. Value: LID.
pub(crate) const WA_LID_BY_PN: Rows = Rows::new("wa_lid_by_pn");

/// Table: base keys of retried messages. Key: session, address, message id. Value: base key.
pub(crate) const WA_BASE_KEYS: Rows = Rows::new("wa_base_keys");

/// Table: device lists of users. Key: session, user. Value: device list.
pub(crate) const WA_DEVICE_LISTS: Rows = Rows::new("wa_device_lists");

/// Table: what the library knows of groups. Key: session, group. Value: the library's metadata.
pub(crate) const WA_GROUP_METADATA: Rows = Rows::new("wa_group_metadata");

/// Table: trusted contact tokens. Key: session, JID. Value: token and times.
pub(crate) const WA_TC_TOKENS: Rows = Rows::new("wa_tc_tokens");

/// Table: messages kept for retries. Key: session, chat, message id. Value: message and time.
pub(crate) const WA_SENT_MESSAGES: Rows = Rows::new("wa_sent_messages");

/// Table: messages received and not yet handed on. Key: session, chat, sender, message id. Value: message.
pub(crate) const WA_PENDING_INBOUND: Rows = Rows::new("wa_pending_inbound");

/// Table: message secrets. Key: session, chat, sender, message id. Value: secret and expiry.
pub(crate) const WA_MSG_SECRETS: Rows = Rows::new("wa_msg_secrets");

/// Table: the linked device itself. Key: session. Value: device.
pub(crate) const WA_DEVICE: Rows = Rows::new("wa_device");

/// Every protocol table.
pub(crate) const WA_ALL: [Rows; 19] = [
    WA_IDENTITIES,
    WA_SESSIONS,
    WA_PREKEYS,
    WA_SIGNED_PREKEYS,
    WA_SENDER_KEYS,
    WA_SYNC_KEYS,
    WA_SYNC_VERSIONS,
    WA_MUTATION_MACS,
    WA_SENDER_KEY_DEVICES,
    WA_LID_BY_LID,
    WA_LID_BY_PN,
    WA_BASE_KEYS,
    WA_DEVICE_LISTS,
    WA_GROUP_METADATA,
    WA_TC_TOKENS,
    WA_SENT_MESSAGES,
    WA_PENDING_INBOUND,
    WA_MSG_SECRETS,
    WA_DEVICE,
];

/// Does something with every table, whatever its types.
pub(crate) trait Visitor {
    /// Does it with this one.
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        name: &'static str,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<()>;
}

/// Shows a visitor every table of the current schema.
pub(crate) fn visit(visitor: &mut impl Visitor) -> Result<()> {
    visitor.table(TableHandle::name(&SCHEMA), SCHEMA)?;
    visitor.table(TableHandle::name(&ENCRYPTION), ENCRYPTION)?;
    visitor.table(TableHandle::name(&COUNTERS), COUNTERS)?;
    visitor.table(TableHandle::name(&SESSIONS), SESSIONS)?;
    visitor.table(TableHandle::name(&SESSIONS_BY_ORGANIZATION), SESSIONS_BY_ORGANIZATION)?;
    visitor.table(TableHandle::name(&GROUPS), GROUPS)?;
    visitor.table(TableHandle::name(&MEMBERS), MEMBERS)?;
    visitor.table(TableHandle::name(&KEYS), KEYS)?;
    visitor.table(TableHandle::name(&KEYS_BY_DIGEST), KEYS_BY_DIGEST)?;
    visitor.table(TableHandle::name(&KEYS_BY_ORGANIZATION), KEYS_BY_ORGANIZATION)?;
    visitor.table(TableHandle::name(&EVENTS), EVENTS)?;
    visitor.table(TableHandle::name(&EVENTS_BY_ORGANIZATION), EVENTS_BY_ORGANIZATION)?;
    visitor.table(TableHandle::name(&EVENTS_REMOVED), EVENTS_REMOVED)?;
    visitor.table(TableHandle::name(&AUDIT), AUDIT)?;
    WA_ALL.iter().try_for_each(|rows| visitor.table(rows.name(), rows.definition()))
}

/// Collects names.
struct Names(Vec<&'static str>);

impl Visitor for Names {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        name: &'static str,
        _definition: TableDefinition<'static, K, V>,
    ) -> Result<()> {
        self.0.push(name);
        Ok(())
    }
}

/// The name of every table that [`visit`] shows.
pub(crate) fn names() -> Vec<&'static str> {
    let mut names = Names(Vec::new());
    visit(&mut names).expect("collecting names does not fail");
    names.0
}

/// A name of a table as one that stays; for one that is not ours, so much is said.
pub(crate) fn known_name(name: &str) -> &'static str {
    names().into_iter().find(|known| *known == name).unwrap_or("?")
}
