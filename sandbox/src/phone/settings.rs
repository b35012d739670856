//! What the phone knows of the shared settings: it reads every patch that the server takes, and writes patches itself.
//!
//! A patch has a few records, so it is read and written under the lock.

mod ledger;
mod write;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::warn;
use wacore::appstate::Mutation;
use wacore::appstate::schemas::Collection as Name;
use waproto::whatsapp::syncd_mutation::SyncdOperation;
use waproto::whatsapp::{SyncActionValue, SyncdPatch};

use crate::state::{AccountId, State, visible};
pub(crate) use ledger::Settings;
pub(crate) use write::{Change, action, saved_contact, write};

/// The index of the account's own name.
const PUSH_NAME: &str = "setting_pushName";

/// One of the settings that the devices of an account share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[non_exhaustive]
pub struct Setting {
    /// Its collection, such as `regular_high`.
    pub collection: String,
    /// What it is about: the name of the action, such as `mute`, and what that is applied to, such as a JID.
    pub index: Vec<String>,
    /// When it was set, in epoch milliseconds.
    pub timestamp: i64,
    /// What it is set to: the fields of a `SyncActionValue` that are there, such as `{"mute_action": {"muted": true}}`.
    pub action: Value,
}

/// A patch that a device has uploaded and the phone cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[non_exhaustive]
pub struct UnreadPatch {
    /// Its collection.
    pub collection: String,
    /// Its version.
    pub version: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl Setting {
    fn of(collection: Name, mutation: &Mutation) -> Self {
        let value = mutation.action_value.as_ref();
        Self {
            collection: collection.as_str().to_owned(),
            index: mutation.index.clone(),
            timestamp: value.and_then(|value| value.timestamp).unwrap_or_default(),
            action: value.map_or(Value::Null, json),
        }
    }
}

/// Reads a patch that the server has taken, of whatever device.
pub(crate) fn learn_settings(
    state: &mut State,
    account: AccountId,
    name: Name,
    patch: &SyncdPatch,
) {
    let Some(account) = state.accounts.get_mut(account) else { return };
    match account.settings.learn(&account.keys.settings, name, patch) {
        Ok(mutations) => {
            account.tokens.learn(&mutations);
            if let Some(called) = mutations.iter().filter_map(push_name).next_back() {
                visible(&called).clone_into(&mut account.push_name);
            }
        }
        Err(error) => warn!(%error, "the phone of `{}` cannot read a patch", account.name),
    }
}

/// The account's own name, if that is what is set.
fn push_name(mutation: &Mutation) -> Option<String> {
    let is_set = mutation.operation == SyncdOperation::SET;
    if !is_set || mutation.index.first().map(String::as_str) != Some(PUSH_NAME) {
        return None;
    }
    mutation.action_value.as_ref()?.push_name_setting.as_option()?.name.clone()
}

/// The fields that are there.
fn json(value: &SyncActionValue) -> Value {
    let mut action = serde_json::to_value(value).map_or(Value::Null, present);
    if let Some(fields) = action.as_object_mut() {
        fields.remove("timestamp");
    }
    action
}

fn present(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, present(value))).collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(present).collect()),
        other => other,
    }
}
