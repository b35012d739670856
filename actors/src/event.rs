//! What the world hears of a session: names and payloads of events.

use serde_json::{Map, Value, json};
use wharf_storage::{Account, GroupDiff, GroupJid, NewEvent, Reason, SessionId, Status};

/// Builds the events of one session.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    pub(crate) session: SessionId,
    pub(crate) organization: String,
}

impl Events {
    fn event(&self, name: &str, at: i64, payload: Value) -> NewEvent {
        NewEvent {
            session: self.session,
            organization: self.organization.clone(),
            name: name.to_owned(),
            at,
            payload,
        }
    }

    /// `session.status`: the status that the session has from now on.
    pub(crate) fn status(&self, status: Status, reason: Option<Reason>, at: i64) -> NewEvent {
        let mut payload = Map::new();
        payload.insert("status".to_owned(), json!(status.as_str()));
        if let Some(reason) = reason {
            payload.insert("statusReason".to_owned(), json!(reason.as_str()));
        }
        self.event("session.status", at, Value::Object(payload))
    }

    /// `auth.qr`: a new code to scan.
    pub(crate) fn qr(&self, code: &str, at: i64) -> NewEvent {
        self.event("auth.qr", at, json!({ "code": code }))
    }

    /// `auth.code`: a phone has linked the session.
    pub(crate) fn linked(&self, account: &Account, at: i64) -> NewEvent {
        let mut payload = Map::new();
        payload.insert("jid".to_owned(), json!(account.jid));
        for (name, value) in [
            ("lid", &account.lid),
            ("businessName", &account.business_name),
            ("platform", &account.platform),
        ] {
            if let Some(value) = value {
                payload.insert(name.to_owned(), json!(value));
            }
        }
        self.event("auth.code", at, Value::Object(payload))
    }

    /// `group.update` with the named fields.
    pub(crate) fn group(
        &self,
        group: &GroupJid,
        fields: Map<String, Value>,
        sender: Option<&str>,
        at: i64,
    ) -> NewEvent {
        self.event("group.update", at, group_payload(group, fields, sender, at))
    }

    /// `group.participant` with the named fields.
    pub(crate) fn participants(
        &self,
        group: &GroupJid,
        fields: Map<String, Value>,
        sender: Option<&str>,
        at: i64,
    ) -> NewEvent {
        self.event("group.participant", at, group_payload(group, fields, sender, at))
    }

    /// What a sync found: one event for changed settings, one for changed members. A group seen for the first time
    /// is reported with its settings alone.
    pub(crate) fn group_diff(&self, diff: &GroupDiff, at: i64) -> Vec<NewEvent> {
        let after = &diff.after;
        let before = diff.before.as_ref();
        let mut settings = Map::new();
        if before.is_none_or(|group| group.subject != after.subject) {
            settings.insert("subject".to_owned(), json!(after.subject.clone().unwrap_or_default()));
        }
        if before
            .map_or(after.description.is_some(), |group| group.description != after.description)
        {
            settings.insert(
                "description".to_owned(),
                json!(after.description.clone().unwrap_or_default()),
            );
        }
        if before.is_none_or(|group| group.announce != after.announce) {
            settings.insert("isAnnounce".to_owned(), json!(after.announce));
        }
        if before.is_none_or(|group| group.locked != after.locked) {
            settings.insert("isLocked".to_owned(), json!(after.locked));
        }
        let mut events = Vec::new();
        if after.left {
            let reason = Map::from_iter([("reason".to_owned(), json!("left"))]);
            events.push(self.group(&after.jid, reason, None, at));
            return events;
        }
        if !settings.is_empty() {
            events.push(self.group(&after.jid, settings, None, at));
        }
        if before.is_some() {
            let members: Map<String, Value> = [
                ("join", &diff.joined),
                ("leave", &diff.left),
                ("promote", &diff.promoted),
                ("demote", &diff.demoted),
            ]
            .into_iter()
            .filter(|(_, who)| !who.is_empty())
            .map(|(name, who)| (name.to_owned(), json!(who)))
            .collect();
            if !members.is_empty() {
                events.push(self.participants(&after.jid, members, None, at));
            }
        }
        events
    }
}

fn group_payload(
    group: &GroupJid,
    mut fields: Map<String, Value>,
    sender: Option<&str>,
    at: i64,
) -> Value {
    fields.insert("groupJid".to_owned(), json!(group.as_ref()));
    fields.insert("timestamp".to_owned(), json!(at));
    if let Some(sender) = sender {
        fields.insert("sender".to_owned(), json!(sender));
    }
    Value::Object(fields)
}
