use wacore_binary::Jid;

use super::*;

fn person(name: &str) -> Person {
    Person { name: name.to_owned(), lid: Jid::lid(name), phone: Jid::pn(name) }
}

/// `boss` created it, `shop` is an admin, `mia` a member.
fn crew() -> Group {
    let mut group = Group::new("1".into(), "Crew".into(), person("boss"), "code".into(), 1);
    group.apply(&person("boss"), &Change::Add(vec![person("shop"), person("mia")]), 1);
    group.apply(&person("boss"), &Change::Promote(vec!["shop".into()]), 1);
    group
}

fn description(id: &str, prev: Option<&str>, text: Option<&str>) -> Change {
    Change::Description {
        id: id.to_owned(),
        prev: prev.map(str::to_owned),
        text: text.map(str::to_owned),
    }
}

#[test]
fn the_creator_is_superadmin_and_the_rest_have_the_role_they_were_given() {
    let group = crew();
    assert_eq!(group.role_of("boss"), Ok(Role::Superadmin));
    assert_eq!(group.role_of("shop"), Ok(Role::Admin));
    assert_eq!(group.role_of("mia"), Ok(Role::Member));
    assert_eq!(group.role_of("bob"), Err(Refusal::Forbidden));
}

#[test]
fn only_admins_change_settings() {
    for change in [Change::Announce(true), Change::Locked(true)] {
        assert_eq!(crew().check("shop", &change), Ok(()));
        assert_eq!(crew().check("mia", &change), Err(Refusal::Forbidden));
        assert_eq!(crew().check("bob", &change), Err(Refusal::Forbidden));
    }
}

#[test]
fn members_change_subject_and_description_until_the_group_is_locked() {
    let mut group = crew();
    let changes = [Change::Subject("New".into()), description("A", None, Some("text"))];
    for change in &changes {
        assert_eq!(group.check("mia", change), Ok(()));
    }
    group.apply(&person("shop"), &Change::Locked(true), 2);
    for change in &changes {
        assert_eq!(group.check("mia", change), Err(Refusal::Forbidden));
        assert_eq!(group.check("shop", change), Ok(()));
    }
}

#[test]
fn a_subject_has_1_to_100_characters() {
    let check = |subject: String| crew().check("shop", &Change::Subject(subject));
    assert_eq!(check(String::new()), Err(Refusal::NotAcceptable));
    assert_eq!(check("  ".into()), Err(Refusal::NotAcceptable));
    assert_eq!(check("ü".repeat(100)), Ok(()));
    assert_eq!(check("ü".repeat(101)), Err(Refusal::NotAcceptable));
}

#[test]
fn a_description_has_to_name_the_one_it_replaces() {
    let mut group = crew();
    assert_eq!(
        group.check("shop", &description("A", Some("?"), Some("a"))),
        Err(Refusal::Conflict)
    );
    group.apply(&person("shop"), &description("A", None, Some("a")), 2);
    assert_eq!(group.check("shop", &description("B", None, Some("b"))), Err(Refusal::Conflict));
    assert_eq!(group.check("shop", &description("B", Some("A"), Some("b"))), Ok(()));
    group.apply(&person("shop"), &description("B", Some("A"), None), 3);
    assert_eq!(group.description, None);
    assert_eq!(group.check("shop", &description("C", None, Some("c"))), Ok(()));
}

#[test]
fn after_a_deletion_nothing_is_named_or_the_deletion_itself() {
    let mut group = crew();
    group.apply(&person("shop"), &description("A", None, Some("a")), 2);
    group.apply(&person("shop"), &description("B", Some("A"), None), 3);
    let next = |prev| description("C", prev, Some("c"));
    assert_eq!(group.check("shop", &next(Some("A"))), Err(Refusal::Conflict));
    assert_eq!(group.check("shop", &next(Some("B"))), Ok(()));
    assert_eq!(group.check("shop", &next(None)), Ok(()));
    group.apply(&person("shop"), &next(None), 4);
    assert_eq!(group.check("shop", &description("D", None, None)), Err(Refusal::Conflict));
    let of_deletion = description("D", Some("B"), None);
    assert_eq!(group.check("shop", &of_deletion), Err(Refusal::Conflict));
    assert_eq!(group.check("shop", &description("D", Some("C"), None)), Ok(()));
}

#[test]
fn a_description_is_not_too_long_and_has_an_id() {
    let long = "x".repeat(DESCRIPTION_MAX + 1);
    assert_eq!(
        crew().check("shop", &description("A", None, Some(&long))),
        Err(Refusal::NotAcceptable)
    );
    assert_eq!(crew().check("shop", &description("", None, Some("a"))), Err(Refusal::BadRequest));
}

#[test]
fn the_invite_is_for_admins() {
    let mut group = crew();
    assert_eq!(group.invite_for("shop"), Ok("code"));
    assert_eq!(group.invite_for("mia"), Err(Refusal::NotAuthorized));
    assert_eq!(group.invite_for("bob"), Err(Refusal::Forbidden));
    let reset = Change::Invite("fresh".into());
    assert_eq!(group.check("mia", &reset), Err(Refusal::NotAuthorized));
    assert_eq!(group.check("bob", &reset), Err(Refusal::Forbidden));
    group.apply(&person("shop"), &reset, 2);
    assert_eq!(group.invite_for("boss"), Ok("fresh"));
}

#[test]
fn the_creator_is_neither_removed_nor_demoted() {
    for change in [Change::Remove(vec!["boss".into()]), Change::Demote(vec!["boss".into()])] {
        assert_eq!(crew().check("shop", &change), Err(Refusal::Forbidden));
    }
}

#[test]
fn members_are_added_promoted_demoted_and_removed_by_admins_only() {
    let changes = [
        Change::Add(vec![person("bob")]),
        Change::Promote(vec!["mia".into()]),
        Change::Demote(vec!["shop".into()]),
        Change::Remove(vec!["shop".into()]),
    ];
    for change in changes {
        assert_eq!(crew().check("mia", &change), Err(Refusal::Forbidden));
        assert_eq!(crew().check("boss", &change), Ok(()));
    }
    assert_eq!(crew().check("shop", &Change::Add(vec![person("mia")])), Err(Refusal::Conflict));
    assert_eq!(crew().check("shop", &Change::Remove(vec!["bob".into()])), Err(Refusal::NotFound));
}

#[test]
fn who_leaves_is_out() {
    let mut group = crew();
    group.apply(&person("mia"), &Change::Leave, 2);
    assert_eq!(group.role_of("mia"), Err(Refusal::Forbidden));
    assert_eq!(group.members.len(), 2);
}

#[test]
fn of_the_codes_that_were_valid_the_latest_are_remembered() {
    let mut group = crew();
    for number in 0..=REVOKED {
        group.apply(&person("boss"), &Change::Invite(number.to_string()), 2);
    }
    assert_eq!((group.revoked.len(), group.revoked[0].as_str()), (REVOKED, "0"));
}
