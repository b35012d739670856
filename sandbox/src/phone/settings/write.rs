//! The phone changes settings: a patch of its own, which goes the way of everybody's.

use buffa::{Message as _, MessageField};
use wacore::appstate::encode_record;
use wacore::appstate::hash::generate_patch_mac;
use wacore::appstate::schemas::{self, IndexPart, Schema};
use waproto::whatsapp::sync_action_value::{
    ArchiveChatAction, ContactAction, MuteAction, PinAction, PushNameSetting,
};
use waproto::whatsapp::syncd_mutation::SyncdOperation;
use waproto::whatsapp::{KeyId, SyncActionValue, SyncdPatch};

use super::Settings;
use crate::phone::{DEVICE, SettingsKey};
use crate::random;
use crate::state::{AccountId, DeviceAddr, State, visible};
use crate::{Error, Result, app_state};

/// What is to be set, or removed.
pub(crate) struct Change {
    action: &'static Schema,
    /// What it is about, after the name of the action.
    arguments: Vec<String>,
    /// Without it the setting is removed.
    value: Option<SyncActionValue>,
}

impl Change {
    /// Sets or removes what an action is about, such as `mute` and a JID.
    pub(crate) fn new(
        action: &'static Schema,
        arguments: Vec<String>,
        value: Option<SyncActionValue>,
    ) -> Self {
        Self { action, arguments, value }
    }

    /// The name that the account shows, within the limits of the app's field.
    pub(crate) fn push_name(name: &str) -> Result<Self> {
        if name.trim().is_empty() || visible(name) != name {
            return Err(Error::PushName);
        }
        let setting = PushNameSetting { name: Some(name.to_owned()) };
        let value = SyncActionValue {
            push_name_setting: MessageField::some(setting),
            ..Default::default()
        };
        Ok(Self::new(&schemas::SETTING_PUSH_NAME, Vec::new(), Some(value)))
    }

    /// A muted chat, until an instant in epoch milliseconds or for ever; or one that is loud again.
    pub(crate) fn mute(chat: String, muted: bool, until: Option<i64>) -> Self {
        let end = if muted { until.unwrap_or(-1) } else { 0 };
        let action =
            MuteAction { muted: Some(muted), mute_end_timestamp: Some(end), ..Default::default() };
        let value =
            SyncActionValue { mute_action: MessageField::some(action), ..Default::default() };
        Self::new(&schemas::MUTE, vec![chat], Some(value))
    }

    /// A chat that is pinned, or no more.
    pub(crate) fn pin(chat: String, pinned: bool) -> Self {
        let action = PinAction { pinned: Some(pinned) };
        let value =
            SyncActionValue { pin_action: MessageField::some(action), ..Default::default() };
        Self::new(&schemas::PIN, vec![chat], Some(value))
    }

    /// A chat that is archived, or no more.
    pub(crate) fn archive(chat: String, archived: bool) -> Self {
        let action = ArchiveChatAction { archived: Some(archived), ..Default::default() };
        let value = SyncActionValue {
            archive_chat_action: MessageField::some(action),
            ..Default::default()
        };
        Self::new(&schemas::ARCHIVE, vec![chat], Some(value))
    }

    fn index(&self) -> Result<Vec<String>> {
        let mut arguments = self.arguments.iter();
        let parts = self.action.index_parts.iter().map(|part| match part {
            IndexPart::Literal { value } => Some((*value).to_owned()),
            _ => arguments.next().cloned(),
        });
        let parts: Option<Vec<String>> = parts.collect();
        parts.filter(|_| arguments.next().is_none()).ok_or_else(|| Error::SettingArguments {
            action: self.action.name.to_owned(),
            wanted: self.action.index_parts.len() - 1,
        })
    }
}

/// The contact entry of an account, under its phone number (whatsapp-rust `chat_actions.rs`: contacts with a LID go
/// another way).
pub(crate) fn saved_contact(state: &State, other: AccountId, name: &str) -> Option<Change> {
    let other = state.accounts.get(other)?;
    let action = ContactAction {
        full_name: Some(name.to_owned()),
        first_name: name.split_whitespace().next().map(str::to_owned),
        lid_jid: Some(other.lid().to_string()),
        save_on_primary_addressbook: Some(true),
        ..Default::default()
    };
    let value =
        SyncActionValue { contact_action: MessageField::some(action), ..Default::default() };
    Some(Change::new(&schemas::CONTACT, vec![other.pn().to_string()], Some(value)))
}

/// The action that is called so, on the wire.
pub(crate) fn action(name: &str) -> Option<&'static Schema> {
    schemas::ALL.iter().find(|schema| schema.name == name)
}

/// Changes one setting, and tells every device.
pub(crate) fn write(state: &mut State, account: AccountId, change: &Change) -> Result<()> {
    let now_ms = state.clock.now_ms();
    let Some(found) = state.accounts.get_mut(account) else {
        return Err(Error::NoSuchPhone(account.0.to_string()));
    };
    let (at, patch) = patch(&mut found.settings, found.keys.settings.newest(), change, now_ms)?;
    let phone = DeviceAddr::phone(account);
    let name = change.action.collection;
    let taken = app_state::upload(state, phone, name, at, &patch.encode_to_vec());
    taken.map(drop).map_err(|refusal| Error::SettingRefused(refusal.to_string()))
}

/// A patch with one change, and the version that it is made for.
fn patch(
    settings: &mut Settings,
    key: &SettingsKey,
    change: &Change,
    now_ms: i64,
) -> Result<(u64, SyncdPatch)> {
    let index = change.index()?;
    let name = change.action.collection;
    let ledger = settings.ledger(name);
    let operation = match &change.value {
        Some(_) => SyncdOperation::SET,
        None if ledger.find(&index).is_none() => return Err(Error::NoSuchSetting(index)),
        None => SyncdOperation::REMOVE,
    };
    let mut value = change.value.clone().unwrap_or_default();
    value.timestamp.get_or_insert(now_ms);
    let keys = key.expand();
    let place = serde_json::to_vec(&index).unwrap_or_default();
    let (mutation, _) = encode_record(
        operation,
        &place,
        &value,
        &keys,
        &key.id,
        &random::derived(&[
            b"iv",
            &key.data,
            name.as_str().as_bytes(),
            &ledger.hash.version.to_be_bytes(),
            // After a kill another change may get the same version.
            &place,
            &value.encode_to_vec(),
        ])
        .bytes(),
        change.action.version.cast_signed(),
    );
    let mut hash = ledger.hash.clone();
    let at = hash.version;
    let mutations = vec![mutation];
    let codes = &ledger.codes;
    let (_, updated) = hash.update_hash(&mutations, |index, _| Ok(codes.get(index).cloned()));
    updated.map_err(|error| Error::SettingRefused(error.to_string()))?;
    hash.version += 1;
    let mut patch = SyncdPatch {
        mutations,
        snapshot_mac: Some(hash.generate_snapshot_mac(name.as_str(), &keys.snapshot_mac)),
        key_id: MessageField::some(KeyId { id: Some(key.id.to_vec()) }),
        device_index: Some(u32::from(DEVICE)),
        ..Default::default()
    };
    let code = generate_patch_mac(&patch, name.as_str(), &keys.patch_mac, hash.version);
    patch.patch_mac = Some(code);
    Ok((at, patch))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shop() -> (State, AccountId) {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        (state, shop)
    }

    fn settings(state: &State, account: AccountId) -> Vec<(Vec<String>, serde_json::Value)> {
        let settings = state.accounts.get(account).expect("an account").settings.all();
        settings.map(|setting| (setting.index.clone(), setting.action.clone())).collect()
    }

    #[test]
    fn what_the_phone_writes_it_reads_again_also_with_another_key() {
        let (mut state, shop) = shop();
        write(&mut state, shop, &Change::mute("1@lid".into(), true, None)).expect("written");
        state.accounts.get_mut(shop).expect("an account").keys.rotate_settings(7);
        write(&mut state, shop, &Change::mute("2@lid".into(), true, Some(9))).expect("written");
        write(&mut state, shop, &Change::mute("1@lid".into(), false, None)).expect("written");
        let index = |chat: &str| vec!["mute".to_owned(), chat.to_owned()];
        let muted = |muted: bool, end: i64| json!({ "mute_action": { "muted": muted, "mute_end_timestamp": end } });
        let expected = [(index("1@lid"), muted(false, 0)), (index("2@lid"), muted(true, 9))];
        assert_eq!(settings(&state, shop), expected);

        let removed = Change::new(&schemas::MUTE, vec!["1@lid".into()], None);
        write(&mut state, shop, &removed).expect("removed");
        assert_eq!(settings(&state, shop), expected[1..]);
        let again = write(&mut state, shop, &removed);
        assert!(matches!(again, Err(Error::NoSuchSetting(_))), "{again:?}");
        let account = state.accounts.get(shop).expect("an account");
        assert_eq!(account.app_state.version(schemas::Collection::RegularHigh), 4);
        assert_eq!(account.settings.unread().count(), 0);
    }

    #[test]
    fn a_new_name_is_the_accounts_name() {
        let (mut state, shop) = shop();
        let change = Change::push_name("The Shop").expect("a name");
        write(&mut state, shop, &change).expect("written");
        assert_eq!(state.accounts.get(shop).expect("an account").push_name, "The Shop");
        for name in ["", " ", &"x".repeat(26)] {
            assert!(matches!(Change::push_name(name), Err(Error::PushName)), "{name}");
        }
        assert!(Change::push_name(&"ü".repeat(25)).is_ok());
    }

    #[test]
    fn an_index_has_as_many_parts_as_its_action_wants() {
        let (mut state, shop) = shop();
        for arguments in [vec![], vec!["1@lid".to_owned(), "2@lid".to_owned()]] {
            let change = Change::new(&schemas::MUTE, arguments, Some(SyncActionValue::default()));
            let refused = write(&mut state, shop, &change);
            let wanted = matches!(refused, Err(Error::SettingArguments { wanted: 1, .. }));
            assert!(wanted, "{refused:?}");
        }
        assert!(action("mute").is_some() && action("Mute").is_none());
    }

    #[test]
    fn a_patch_that_does_not_verify_is_noted_and_the_next_one_is_read() {
        let (mut state, shop) = shop();
        write(&mut state, shop, &Change::pin("1@lid".into(), true)).expect("written");
        let name = schemas::PIN.collection;
        let account = state.accounts.get_mut(shop).expect("an account");
        let change = Change::pin("2@lid".into(), true);
        let key = account.keys.settings.newest();
        let (at, mut forged) = patch(&mut account.settings, key, &change, 7).expect("a patch");
        forged.patch_mac = Some(vec![0; 32]);
        let phone = DeviceAddr::phone(shop);
        app_state::upload(&mut state, phone, name, at, &forged.encode_to_vec()).expect("taken");
        let account = state.accounts.get(shop).expect("an account");
        let unread: Vec<_> = account.settings.unread().cloned().collect();
        assert_eq!((unread.len(), unread[0].version), (1, 2));
        write(&mut state, shop, &change).expect("written");
        assert_eq!(settings(&state, shop).len(), 2);
    }
}
