//! A change of a group's settings: field after field, each one operation at WhatsApp, the outcome of each known.

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use wharf_storage::{Description, Group, GroupChange, GroupJid, GroupSnapshot};

use super::operations::{Operation, PATIENCE};
use crate::{
    clock::now_ms,
    command::ApplySettings,
    error::{Error, Field, Refusal, Result, SettingsFailure},
    whatsapp::{DescriptionOutcome, Failure, Link},
};

/// Applies the present fields in order; stops at the first that fails.
pub(super) async fn apply(operation: &Operation, command: &ApplySettings) -> Result<()> {
    let fields = command.fields();
    for (index, field) in fields.iter().enumerate() {
        // It may take what the later ones do not need at the least, each a question and its read-back.
        let later = u32::try_from(fields.len() - index - 1).unwrap_or(u32::MAX);
        let known_by = operation.deadline - operation.least * 2 * later;
        let (took_effect, cause) = match carry_out(operation, command, *field, known_by).await {
            Ok(change) => match keep(operation, &command.group, change, known_by).await {
                Ok(()) => continue,
                Err(cause) => (true, cause),
            },
            Err(cause) => (false, cause),
        };
        return Err(Error::Settings(Box::new(SettingsFailure {
            applied: fields[..index + usize::from(took_effect)].to_vec(),
            failed: *field,
            not_attempted: fields[index + 1..].to_vec(),
            cause,
        })));
    }
    Ok(())
}

/// Whether WhatsApp may have changed what the store does not know, and a reading of the group can tell.
pub(super) fn leaves_store_behind(outcome: &Result<()>) -> bool {
    let Err(Error::Settings(failure)) = outcome else { return false };
    match failure.cause {
        // WhatsApp may still carry it out.
        Error::Timeout { .. } => true,
        Error::Storage(wharf_storage::Error::Unavailable { .. }) => failure.took_effect(),
        _ => false,
    }
}

/// One field at WhatsApp, and what it changed there.
async fn carry_out(
    operation: &Operation,
    command: &ApplySettings,
    field: Field,
    known_by: Instant,
) -> Result<GroupChange> {
    if !operation.store.takes_writes() {
        let reason = "what is changed could not be stored".to_owned();
        return Err(wharf_storage::Error::Unavailable { reason }.into());
    }
    let stored = match field {
        Field::Description => operation.store.group(operation.id, &command.group)?,
        _ => None,
    };
    let now = Instant::now();
    if now + operation.least > known_by {
        // Never sent, so there is no effect to look for.
        return Err(Error::Timeout { read_back: None });
    }
    let limit = (known_by - operation.least).min(now + PATIENCE);
    match tokio::time::timeout_at(limit, send(operation, command, field, stored)).await {
        Ok(Ok(change)) => Ok(change),
        Ok(Err(Failure::Timeout)) | Err(_) => read_back(operation, command, field, known_by).await,
        Ok(Err(failure)) => Err(operation.error(failure)),
    }
}

/// Stores what WhatsApp has changed, and tells of it.
async fn keep(
    operation: &Operation,
    group: &GroupJid,
    change: GroupChange,
    known_by: Instant,
) -> Result<()> {
    operation.follow_news(known_by).await;
    let at = now_ms();
    let sender = operation.link.own_addresses().pop();
    let event = operation.events.group(group, event_fields(&change), sender.as_deref(), at);
    if !operation.store.change_group(operation.id, group, change, at, vec![event]).await? {
        fill_in(operation, group, known_by).await?;
    }
    Ok(())
}

/// One operation at WhatsApp, and what it changes in the store. `stored`: the group, where the field needs it.
async fn send(
    operation: &Operation,
    command: &ApplySettings,
    field: Field,
    stored: Option<Group>,
) -> Result<GroupChange, Failure> {
    let (group, link) = (&command.group, &operation.link);
    let mut change = GroupChange::default();
    match field {
        Field::Subject => {
            let subject = command.subject.clone().unwrap_or_default();
            link.set_subject(group, &subject).await?;
            change.subject = Some(subject);
        }
        Field::Description => {
            let text = command.description.clone().unwrap_or_default();
            change.description = Some(set_description(link, group, text, stored).await?);
        }
        Field::Announce => {
            link.set_announce(group, command.announce.unwrap_or_default()).await?;
            change.announce = command.announce;
        }
        Field::Locked => {
            link.set_locked(group, command.locked.unwrap_or_default()).await?;
            change.locked = command.locked;
        }
    }
    Ok(change)
}

/// Replaces the description whose id is stored. When somebody else replaced it meanwhile, the current id is fetched
/// once and the change tried once more.
async fn set_description(
    link: &Link,
    group: &GroupJid,
    text: String,
    stored: Option<Group>,
) -> Result<Description, Failure> {
    let previous = match stored {
        Some(stored) if !stored.stale => stored.description_id,
        _ => link.group(group).await?.description_id,
    };
    let mut outcome = link.set_description(group, &text, previous.as_deref()).await?;
    if matches!(outcome, DescriptionOutcome::Conflict) {
        let previous = link.group(group).await?.description_id;
        outcome = link.set_description(group, &text, previous.as_deref()).await?;
    }
    match outcome {
        DescriptionOutcome::Set { id } => {
            Ok(Description { text: Some(text).filter(|text| !text.is_empty()), id: Some(id) })
        }
        DescriptionOutcome::Conflict => Err(Failure::Refused(Refusal::Conflict { code: 409 })),
    }
}

/// After a timeout nobody knows whether a field took effect: the group tells.
async fn read_back(
    operation: &Operation,
    command: &ApplySettings,
    field: Field,
    known_by: Instant,
) -> Result<GroupChange> {
    let found = tokio::time::timeout_at(known_by, operation.link.group(&command.group)).await;
    match found {
        Ok(Ok(group)) => {
            effect(&group, command, field).ok_or(Error::Timeout { read_back: Some(true) })
        }
        _ => Err(Error::Timeout { read_back: Some(false) }),
    }
}

/// What a field changed, when the group shows that it did.
fn effect(group: &GroupSnapshot, command: &ApplySettings, field: Field) -> Option<GroupChange> {
    let mut change = GroupChange::default();
    match field {
        Field::Subject => {
            change.subject =
                command.subject.clone().filter(|wanted| Some(wanted) == group.subject.as_ref());
            change.subject.as_ref()?;
        }
        Field::Description => {
            let wanted = command.description.as_deref().unwrap_or_default();
            if wanted != group.description.as_deref().unwrap_or_default() {
                return None;
            }
            change.description = Some(Description {
                text: group.description.clone(),
                id: group.description_id.clone(),
            });
        }
        Field::Announce => {
            change.announce = command.announce.filter(|wanted| *wanted == group.announce);
            change.announce?;
        }
        Field::Locked => {
            change.locked = command.locked.filter(|wanted| *wanted == group.locked);
            change.locked?;
        }
    }
    Some(change)
}

/// The group was not stored: WhatsApp knows it, so it is read and stored whole. What cannot be read now is read afterwards.
async fn fill_in(operation: &Operation, group: &GroupJid, known_by: Instant) -> Result<()> {
    let limit = known_by.min(Instant::now() + PATIENCE);
    let Ok(Ok(found)) = tokio::time::timeout_at(limit, operation.link.group(group)).await else {
        operation.read_afterwards(group);
        return Ok(());
    };
    operation.follow_news(known_by).await;
    let at = now_ms();
    let events = operation.events.clone();
    operation
        .store
        .put_group(operation.id, found, at, move |diff| events.group_diff(diff, at))
        .await?;
    Ok(())
}

/// The payload of a change.
pub(super) fn event_fields(change: &GroupChange) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Some(subject) = &change.subject {
        fields.insert("subject".to_owned(), json!(subject));
    }
    if let Some(description) = &change.description {
        fields
            .insert("description".to_owned(), json!(description.text.clone().unwrap_or_default()));
    }
    if let Some(announce) = change.announce {
        fields.insert("isAnnounce".to_owned(), json!(announce));
    }
    if let Some(locked) = change.locked {
        fields.insert("isLocked".to_owned(), json!(locked));
    }
    fields
}
