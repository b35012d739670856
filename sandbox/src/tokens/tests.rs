//! Which tokens are good, without a client.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use wacore_binary::builder::NodeBuilder;

use super::request::give;
use super::salt::customer_token;
use super::*;
use crate::random::Stream;
use crate::relay;

/// Accounts `shop`, which demands tokens, `mia` and `bob`, each with a device 1 that is away.
fn three() -> (State, [AccountId; 3]) {
    let (mut state, devices) = relay::tests::three();
    let ids = devices.map(|device| device.account);
    flags(&mut state, ids[0], "restricted");
    (state, ids)
}

fn flags(state: &mut State, account: AccountId, flags: &str) {
    play(state, account, Scenario::parse(flags).expect("flags"));
}

fn give_now(state: &mut State, giver: AccountId, holder: AccountId) {
    let now = state.clock.now();
    give(state, giver, holder, now);
}

fn token(state: &State, giver: AccountId, holder: AccountId) -> Vec<u8> {
    state.accounts.get(giver).expect("known").tokens.given[&holder].bytes.to_vec()
}

fn trusted(bytes: &[u8]) -> Shown<'_> {
    Shown { trusted: Some(bytes), customer: None }
}

fn customer(bytes: &[u8]) -> Shown<'_> {
    Shown { trusted: None, customer: Some(bytes) }
}

#[test]
fn a_token_is_good_for_whom_it_was_given_and_as_long_as_it_lasts() {
    let (mut state, [shop, mia, bob]) = three();
    assert_eq!(judge(&state, mia, shop, Shown::default()), Err(Flaw::Missing));
    give_now(&mut state, shop, mia);
    give_now(&mut state, bob, mia);
    let good = token(&state, shop, mia);
    assert_eq!(judge(&state, mia, shop, trusted(&good)), Ok(()));
    assert_eq!(judge(&state, bob, shop, trusted(&good)), Err(Flaw::Foreign));
    let of_bob = token(&state, bob, mia);
    assert_eq!(judge(&state, mia, shop, trusted(&of_bob)), Err(Flaw::Foreign));
    assert_eq!(judge(&state, mia, shop, trusted(&[7; 16])), Err(Flaw::Forged));
    assert_eq!(judge(&state, mia, shop, trusted(&[])), Err(Flaw::Forged));
    assert!(expire(&mut state, shop, mia));
    assert_eq!(judge(&state, mia, shop, trusted(&good)), Err(Flaw::Expired));
    give_now(&mut state, shop, mia);
    assert_ne!(token(&state, shop, mia), good, "another one");
    assert!(revoke(&mut state, shop, mia) && !revoke(&mut state, shop, mia));
    assert_eq!(judge(&state, mia, shop, trusted(&good)), Err(Flaw::Forged));
}

#[test]
fn a_token_lasts_for_whole_spans_of_time_and_longer_when_it_is_given_again() {
    let window = Window { span: 100, spans: 4 };
    let mut tokens = Tokens::default();
    let mia = AccountId(1);
    let mut random = Stream::default();
    let mut give = |named, now| tokens.give(mia, (named, now), window, &mut random);
    let first = give(1_050, 1_050);
    assert!(window.holds(&first, 1_399) && !window.holds(&first, 1_400));
    let again = give(1_200, 1_200);
    assert_eq!((&again.bytes, again.named), (&first.bytes, 1_200));
    assert!(window.holds(&again, 1_599));
    let old = give(1_050, 1_500);
    assert_eq!(old, again, "the same time once more is no more time");
    let fresh = give(1_700, 1_700);
    assert_ne!(fresh.bytes, first.bytes);
}

#[test]
fn a_client_that_was_told_of_another_span_is_held_to_it() {
    let (mut state, [shop, mia, _]) = three();
    give_now(&mut state, shop, mia);
    let good = token(&state, shop, mia);
    state.clock.advance(Duration::from_hours(3));
    assert_eq!(judge(&state, mia, shop, trusted(&good)), Ok(()));
    let account = state.accounts.get_mut(mia).expect("known");
    account.props.set(web::TCTOKEN_DURATION.code, "3600");
    account.props.set(web::TCTOKEN_NUM_BUCKETS.code, "2");
    assert_eq!(judge(&state, mia, shop, trusted(&good)), Err(Flaw::Expired));
}

#[test]
fn a_customer_token_is_made_from_the_salt_and_the_lid_of_the_recipient() {
    let (mut state, [shop, mia, bob]) = three();
    let salt: Vec<u8> = (0..32).collect();
    let lid = |state: &State, id| state.accounts.get(id).expect("known").lid();
    let made = customer_token(&salt, &lid(&state, mia));
    // `hmac.new(bytes(range(32)), b"100000000000002@lid", hashlib.sha256)` of Python.
    assert_eq!(BASE64_STANDARD.encode(made), "XqSdgY3o2OTQz6wuL5rb6BrqVgAGWLatxEr2YxRxBvM=");

    let good = customer_token(&salt, &lid(&state, shop));
    assert_eq!(judge(&state, mia, shop, customer(&good)), Err(Flaw::Forged), "it has no salt");
    state.accounts.get_mut(mia).expect("known").tokens.salt = Some(salt);
    assert_eq!(judge(&state, mia, shop, customer(&good)), Ok(()));
    assert_eq!(judge(&state, bob, shop, customer(&good)), Err(Flaw::Forged));
    assert_eq!(judge(&state, mia, shop, customer(&made)), Err(Flaw::Forged), "for mia herself");
    // One good token is enough.
    let both = Shown { trusted: Some(&[7; 16]), customer: Some(&good) };
    assert_eq!(judge(&state, mia, shop, both), Ok(()));
    renew_salt(&mut state, mia).expect("renewed");
    assert_eq!(judge(&state, mia, shop, customer(&good)), Err(Flaw::Forged));
}

#[test]
fn an_account_takes_the_kinds_of_tokens_that_it_takes() {
    let (mut state, [shop, mia, _]) = three();
    give_now(&mut state, shop, mia);
    renew_salt(&mut state, mia).expect("a salt");
    let good = token(&state, shop, mia);
    let account = state.accounts.get(mia).expect("known");
    let salt = account.tokens.known_salt().expect("a salt").to_vec();
    let made = customer_token(&salt, &state.accounts.get(shop).expect("known").lid());
    for (set, of_trust, of_customers) in [
        ("restricted", Ok(()), Ok(())),
        ("restricted,tc_enabled=0", Err(Flaw::NotTaken), Ok(())),
        ("restricted,cs_enabled=0", Ok(()), Err(Flaw::NotTaken)),
        ("tc_enabled=0,cs_enabled=0", Ok(()), Ok(())),
    ] {
        flags(&mut state, shop, set);
        assert_eq!(judge(&state, mia, shop, trusted(&good)), of_trust, "{set}");
        assert_eq!(judge(&state, mia, shop, customer(&made)), of_customers, "{set}");
    }
}

#[test]
fn nobody_needs_a_token_for_themselves_or_a_phone() {
    let (state, [shop, mia, _]) = three();
    let lid = state.accounts.get(shop).expect("known").lid();
    let first = NodeBuilder::new("message").children([NodeBuilder::new("enc").build()]).build();
    let device = |account| DeviceAddr { account, device: 1 };
    assert!(!admits(&state, device(mia), &lid, &first));
    assert!(admits(&state, device(shop), &lid, &first));
    assert!(admits(&state, DeviceAddr::phone(mia), &lid, &first));
}

#[test]
fn a_message_is_sent_again_only_to_whom_it_was_sent_and_by_whom() {
    let (mut state, [shop, mia, bob]) = three();
    flags(&mut state, bob, "restricted");
    let person = |state: &State, id| state.accounts.get(id).expect("known").lid();
    let (to_shop, to_bob) = (person(&state, shop).with_device(1), person(&state, bob));
    let admitted = |state: &State, from, to: &Jid, id: &'static str, count: bool| {
        let enc = NodeBuilder::new("enc").attr("v", "2").attr("type", "msg").bytes(*b"sealed");
        let enc = if count { enc.attr("count", 1) } else { enc };
        let message = NodeBuilder::new("message").attr("id", id).children([enc.build()]).build();
        admits(state, DeviceAddr { account: from, device: 1 }, to, &message)
    };
    assert!(!admitted(&state, mia, &to_shop, "M", true), "it was never sent");
    // By number at first, and by LID when it is sent again.
    let number = state.accounts.get(shop).expect("known").pn().to_string();
    for (id, operation, to) in [
        ("M", "message", number.as_str()),
        ("N", "group.subject", &number),
        ("S", "message", "status@broadcast"),
        ("G", "message", "120363000000000001@g.us"),
    ] {
        let detail = serde_json::json!({ "id": id });
        state.journal.record(7, "mia", operation, to, detail);
    }
    assert!(admitted(&state, mia, &to_shop, "M", true));
    assert!(!admitted(&state, mia, &to_shop, "M", false), "it is not sent again");
    assert!(!admitted(&state, mia, &to_shop, "N", true), "that was no message");
    assert!(admitted(&state, mia, &to_shop, "S", true), "it was a status");
    assert!(!admitted(&state, mia, &to_shop, "G", true), "a group's goes to the group again");
    assert!(!admitted(&state, mia, &to_bob, "M", true), "it went to somebody else");
    assert!(!admitted(&state, bob, &to_shop, "M", true), "it was somebody else's");
}

fn missed(state: &mut State, account: AccountId) -> Vec<String> {
    let device = state.accounts.device_mut(DeviceAddr { account, device: 1 }).expect("linked");
    device.queue.rest();
    device.queue.start();
    device.queue.release().stanzas.iter().filter_map(|node| attr(node, "type")).collect()
}

#[test]
fn who_is_given_a_token_is_told_unless_they_have_blocked_the_giver() {
    let (mut state, [shop, mia, bob]) = three();
    let push = give(&mut state, shop, mia, 7).expect("told");
    assert_eq!(push.account, mia);
    let leaf = push.node.get_optional_child_by_tag(&["tokens", "token"]).expect("a token");
    assert_eq!(attr(leaf, "t").as_deref(), Some("7"));
    assert_eq!(attr(&push.node, "sender_lid").as_deref(), Some("100000000000001@lid"));
    crate::iq::privacy::block(&mut state, bob, shop, true);
    assert!(give(&mut state, shop, bob, 7).is_none());
}

#[test]
fn a_phone_gives_a_token_to_whom_it_writes_if_it_demands_some_itself() {
    let (mut state, [shop, mia, bob]) = three();
    for _ in 0..2 {
        written_to(&mut state, shop, mia);
    }
    written_to(&mut state, bob, mia);
    written_to(&mut state, shop, shop);
    assert_eq!(missed(&mut state, mia), ["privacy_token"]);
    assert_eq!(given(&state, shop).len(), 1);
    assert!(given(&state, bob).is_empty() && held(&state, mia).len() == 1);
}

fn asks(state: &mut State, from: AccountId, tokens: Vec<Node>) -> (Option<String>, usize) {
    let tokens = NodeBuilder::new("tokens").children(tokens).build();
    let iq = NodeBuilder::new("iq").attr("type", "set").children([tokens]).build();
    let answer = answer(state, DeviceAddr { account: from, device: 1 }, &iq).expect("an answer");
    let error = answer.reply.get_optional_child("error");
    (error.and_then(|error| attr(error, "code")), answer.pushes.len())
}

#[test]
fn a_request_for_tokens_gives_all_or_none() {
    let (mut state, [shop, mia, bob]) = three();
    let lid = |state: &State, id| state.accounts.get(id).expect("known").lid();
    let token = |jid: Jid, at: &'static str| {
        let token = NodeBuilder::new("token").attr("jid", jid).attr("t", at);
        token.attr("type", "trusted_contact").build()
    };
    let [own, one, two] = [shop, mia, bob].map(|id| lid(&state, id));
    for (tokens, code) in [
        (vec![], "400"),
        (vec![token(one.clone(), "5"), token(own, "5")], "400"),
        (vec![token(one.clone(), "soon")], "400"),
        (vec![token(one.clone(), "0")], "400"),
        (vec![NodeBuilder::new("token").attr("jid", &one).attr("t", 5).build()], "400"),
        (vec![token(one.clone(), "5"), token(Jid::lid("100000000000009"), "5")], "404"),
    ] {
        assert_eq!(asks(&mut state, shop, tokens), (Some(code.to_owned()), 0));
    }
    assert!(given(&state, shop).is_empty());
    assert_eq!(asks(&mut state, shop, vec![token(one, "5"), token(two, "6")]), (None, 2));
    let given: Vec<_> = given(&state, shop).into_iter().map(|it| (it.to, it.timestamp)).collect();
    assert_eq!(given, [("mia".to_owned(), 5), ("bob".to_owned(), 6)]);
}

#[test]
fn the_salt_is_in_the_shared_settings_once_and_what_is_there_is_the_salt() {
    let (mut state, [_, mia, _]) = three();
    let version = |state: &State| {
        let account = state.accounts.get(mia).expect("known");
        account.app_state.version(wacore::appstate::schemas::NCT_SALT_SYNC.collection)
    };
    let salt = |state: &State| {
        state.accounts.get(mia).expect("known").tokens.known_salt().map(<[u8]>::to_vec)
    };
    flags(&mut state, mia, "nct_send_ab=1");
    assert_eq!((version(&state), salt(&state)), (0, None));
    for _ in 0..2 {
        flags(&mut state, mia, "nct_syncd_ab=1");
        assert_eq!(version(&state), 1);
    }
    let first = salt(&state).expect("a salt");
    renew_salt(&mut state, mia).expect("renewed");
    assert_eq!(version(&state), 2);
    assert!(salt(&state).is_some_and(|salt| salt != first));
    crate::devices::reinstall(&mut state, mia);
    assert_eq!(version(&state), 1, "a new phone shares a new one");
    let schema = crate::phone::action("nct_salt_sync").expect("an action");
    let removed = crate::phone::Change::new(schema, Vec::new(), None);
    crate::phone::write(&mut state, mia, &removed).expect("removed");
    assert_eq!(salt(&state), None);
}

#[test]
fn a_new_device_gets_the_tokens_that_are_good_and_the_salt_where_it_is_put() {
    let (mut state, [shop, mia, bob]) = three();
    assert!(past(&mut state, mia).is_none());
    give(&mut state, shop, mia, 50);
    give(&mut state, bob, mia, 60);
    give(&mut state, mia, shop, 70);
    expire(&mut state, bob, mia);
    flags(&mut state, mia, "nct_history_delivery=1");
    let past = past(&mut state, mia).expect("something");
    let chat = &past.conversations[0];
    assert_eq!((past.conversations.len(), chat.id.as_str()), (1, "100000000000001@lid"));
    assert_eq!(chat.tc_token, Some(token(&state, shop, mia)));
    assert_eq!((chat.tc_token_timestamp, chat.tc_token_sender_timestamp), (Some(50), Some(70)));
    assert_eq!(past.nct_salt.map(|salt| salt.len()), Some(32));
}
