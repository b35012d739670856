//! Customer tokens: the salt of an account, what is made from it, and the ways by which it reaches the account's devices.

use buffa::MessageField;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wacore::appstate::Mutation;
use wacore::appstate::schemas;
use wacore_binary::Jid;
use waproto::whatsapp::history_sync::HistorySyncType;
use waproto::whatsapp::sync_action_value::NctSaltSyncAction;
use waproto::whatsapp::syncd_mutation::SyncdOperation;
use waproto::whatsapp::{Conversation, HistorySync, SyncActionValue};

use super::{Flag, Flaw, Tokens, Window};
use crate::phone::{self, Change};
use crate::random::Stream;
use crate::state::{AccountId, State};
use crate::{Result, Setting};

/// Bytes of a salt.
const SIZE: usize = 32;

impl Tokens {
    /// The salt, if there is one yet.
    pub(crate) fn known_salt(&self) -> Option<&[u8]> {
        self.salt.as_deref()
    }

    fn salt(&mut self, random: &mut Stream) -> Vec<u8> {
        self.salt.get_or_insert_with(|| random.bytes::<SIZE>().to_vec()).clone()
    }

    /// Makes another salt when it is needed next: what was made from the old one is not good any more.
    pub(crate) fn forget_salt(&mut self) {
        self.salt = None;
    }

    /// The phone has read a patch of the shared settings: a salt in it is that of the account.
    pub(crate) fn learn(&mut self, mutations: &[Mutation]) {
        let about = |mutation: &&Mutation| {
            mutation.index.first().is_some_and(|name| name == schemas::NCT_SALT_SYNC.name)
        };
        for mutation in mutations.iter().filter(about) {
            if mutation.operation != SyncdOperation::SET {
                self.salt = None;
            } else if let Some(salt) = mutation.action_value.as_ref().and_then(salt_in) {
                self.salt = Some(salt);
            }
        }
    }
}

fn salt_in(value: &SyncActionValue) -> Option<Vec<u8>> {
    value.nct_salt_sync_action.as_option()?.salt.clone().filter(|salt| !salt.is_empty())
}

/// The token that an account makes for a recipient (wacore `iq/tctoken.rs`, `compute_cs_token`).
pub(super) fn customer_token(salt: &[u8], recipient: &Jid) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).expect("HMAC takes keys of any length");
    mac.update(recipient.to_string().as_bytes());
    mac.finalize().into_bytes().into()
}

/// Whether the account makes this token for the owner of this LID.
pub(super) fn verify(
    state: &State,
    from: AccountId,
    recipient: &Jid,
    bytes: &[u8],
) -> std::result::Result<(), Flaw> {
    let salt = state.accounts.get(from).and_then(|account| account.tokens.known_salt());
    let made = salt.map(|salt| customer_token(salt, recipient));
    if made.is_some_and(|made| made == bytes) { Ok(()) } else { Err(Flaw::Forged) }
}

/// The phone puts the salt into the shared settings, if it is one that does and has not done so yet.
pub(super) fn share(state: &mut State, id: AccountId) -> Result<()> {
    let Some(account) = state.accounts.get_mut(id) else { return Ok(()) };
    let is_it = |setting: &Setting| setting.index == [schemas::NCT_SALT_SYNC.name];
    let there = account.settings.all().any(is_it);
    if there || !account.tokens.scenario.is(Flag::NctSyncdDelivery) {
        return Ok(());
    }
    let salt = account.tokens.salt(&mut state.token_bytes);
    write(state, id, salt)
}

/// Makes another salt; the devices learn it where they have learned the old one.
pub(super) fn renew(state: &mut State, id: AccountId) -> Result<()> {
    let Some(account) = state.accounts.get_mut(id) else { return Ok(()) };
    account.tokens.forget_salt();
    let salt = account.tokens.salt(&mut state.token_bytes);
    if account.tokens.scenario.is(Flag::NctSyncdDelivery) {
        write(state, id, salt)?;
    }
    Ok(())
}

fn write(state: &mut State, id: AccountId, salt: Vec<u8>) -> Result<()> {
    let action = NctSaltSyncAction { salt: Some(salt) };
    let value =
        SyncActionValue { nct_salt_sync_action: MessageField::some(action), ..Default::default() };
    phone::write(state, id, &Change::new(&schemas::NCT_SALT_SYNC, Vec::new(), Some(value)))
}

/// What a new device gets of tokens with the history: the salt, if the phone is one that puts it there, and the tokens
/// that the account holds, each with the chat of who gave it (whatsapp-rust `history_sync.rs`,
/// `store_tc_token_candidate`).
pub(crate) fn past(state: &mut State, id: AccountId) -> Option<HistorySync> {
    let window = Window::of(state, id);
    let account = state.accounts.get_mut(id)?;
    let by_history = account.tokens.scenario.is(Flag::NctHistoryDelivery);
    let nct_salt = by_history.then(|| account.tokens.salt(&mut state.token_bytes));
    let account = state.accounts.get(id)?;
    let now = state.clock.now();
    let chats = account.tokens.held.iter().filter_map(|giver| {
        let giver = state.accounts.get(*giver)?;
        let token = giver.tokens.given.get(&id).filter(|token| window.holds(token, now))?;
        let sent = account.tokens.given.get(&giver.id).map(|token| token.named.unsigned_abs());
        Some(Conversation {
            id: giver.lid().to_string(),
            tc_token: Some(token.bytes.to_vec()),
            tc_token_timestamp: Some(token.named.unsigned_abs()),
            tc_token_sender_timestamp: sent,
            ..Default::default()
        })
    });
    let conversations: Vec<Conversation> = chats.collect();
    let some = nct_salt.is_some() || !conversations.is_empty();
    some.then(|| HistorySync {
        sync_type: HistorySyncType::INITIAL_BOOTSTRAP,
        conversations,
        nct_salt,
        ..Default::default()
    })
}
