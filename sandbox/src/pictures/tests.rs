use wacore_binary::Node;

use super::stanza::notification;
use super::*;
use crate::stanza;

const IMAGE: &[u8] = &[0xFF, 0xD8, 0xFF, 1];

/// An account each.
fn state(names: &[&str]) -> (State, Vec<AccountId>) {
    let mut state = State::default();
    let ids = names.iter().map(|name| state.accounts.add(name).expect("a free name")).collect();
    (state, ids)
}

fn image() -> NewPicture {
    NewPicture { full: Bytes::from_static(IMAGE), preview: None }
}

#[test]
fn only_its_owner_sets_an_accounts_picture() {
    let (mut state, ids) = state(&["shop", "mia"]);
    let owner = Owner::Account(ids[0]);
    let refused = change(&mut state, ids[1], None, &owner, Some(image())).err();
    assert_eq!(refused, Some(Refusal::Forbidden));
    let (id, pushes) = change(&mut state, ids[0], None, &owner, Some(image())).expect("its own");
    assert_eq!(pushes.iter().map(|push| push.account).collect::<Vec<_>>(), [ids[0]]);
    assert_eq!(seen_by(&state, ids[1], &owner, Shown::default()).ok().map(|seen| seen.id), id);
}

#[test]
fn what_is_no_image_is_not_acceptable() {
    let (mut state, ids) = state(&["shop"]);
    let owner = Owner::Account(ids[0]);
    let good = Bytes::from_static(IMAGE);
    let bad = Bytes::from_static(b"\x89PNG");
    for new in [
        NewPicture { full: bad.clone(), preview: None },
        NewPicture { full: Bytes::new(), preview: None },
        NewPicture { full: good, preview: Some(bad) },
    ] {
        let refused = change(&mut state, ids[0], None, &owner, Some(new)).err();
        assert_eq!(refused, Some(Refusal::NotAcceptable));
    }
    assert_eq!(state.pictures.of(&owner), None);
    assert!(state.journal.all().is_empty());
}

#[test]
fn ids_go_up_and_removing_nothing_changes_nothing() {
    let (mut state, ids) = state(&["shop"]);
    let owner = Owner::Account(ids[0]);
    let mut set = |new| change(&mut state, ids[0], None, &owner, new).expect("its own");
    assert!(set(None).1.is_empty());
    let (first, second) = (set(Some(image())).0, set(Some(image())).0);
    assert!(first.is_some() && first < second);
    assert_eq!(set(None).0, None);
    let entries = state.journal.all();
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| entry.operation == "account.picture"));
    assert_eq!(seen_by(&state, ids[0], &owner, Shown::default()), Err(Refusal::NotFound));
}

#[test]
fn a_hidden_picture_is_seen_by_its_owner_alone() {
    let (mut state, ids) = state(&["shop", "mia"]);
    let owner = Owner::Account(ids[0]);
    change(&mut state, ids[0], None, &owner, Some(image())).expect("its own");
    let set = |state: &mut State, value| {
        let account = state.accounts.get_mut(ids[0]).expect("known");
        assert!(account.privacy.set("profile", value));
    };
    set(&mut state, "none");
    assert!(seen_by(&state, ids[0], &owner, Shown::default()).is_ok());
    assert_eq!(seen_by(&state, ids[1], &owner, Shown::default()), Err(Refusal::NotAuthorized));
    set(&mut state, "contacts");
    assert!(seen_by(&state, ids[1], &owner, Shown::default()).is_ok());
}

#[test]
fn nobody_is_found_at_an_unknown_address() {
    let (state, ids) = state(&["shop"]);
    assert_eq!(owner(&state, &Jid::lid("100000000000001")), Ok(Owner::Account(ids[0])));
    assert_eq!(owner(&state, &Jid::pn("15550000009")), Err(Refusal::NotFound));
    assert_eq!(owner(&state, &Jid::group("9")), Err(Refusal::NotFound));
}

#[test]
fn a_notification_says_whose_picture_it_is_and_in_a_group_who_changed_it() {
    let child = |node: &Node| stanza::first_child(node).cloned().expect("a change");
    let stamp = stanza::Stamp { id: "n".to_owned(), at: 7 };
    let set = child(&notification(&stamp, &Jid::pn("1"), None, Some(7)));
    assert_eq!((set.tag.as_ref(), stanza::attr(&set, "id").as_deref()), ("set", Some("7")));
    assert_eq!(stanza::attr(&set, "author"), None);
    let (group, author) = (Jid::group("2"), Jid::lid("3"));
    let gone = child(&notification(&stamp, &group, Some(&author), None));
    assert_eq!(gone.tag, "delete");
    assert_eq!(stanza::attr(&gone, "jid").as_deref(), Some("2@g.us"));
    assert_eq!(stanza::attr(&gone, "author").as_deref(), Some("3@lid"));
}
