//! Groups, as Baileys makes, changes and sees them.

use serde_json::{Value, json};
use wharf_sandbox::{GroupLever, NewGroup, Role, Sandbox};

use super::driver::Refused;
use super::{Baileys, Version, for_both, sandbox};

for_both!(
    a_client_makes_a_group_and_changes_its_settings,
    an_admin_reads_and_resets_the_invite,
    an_admin_moves_members,
    refusals_arrive_with_number_and_word,
    another_admins_changes_arrive,
);

/// Phones in the order in which a sandbox is given them.
pub(crate) const PHONES: [&str; 4] = ["boss", "shop", "mia", "bob"];

/// Digits of a phone's number or LID end in its place.
fn place(name: &str) -> usize {
    PHONES.iter().position(|one| *one == name).unwrap() + 1
}

pub(crate) fn pn(name: &str) -> String {
    format!("1555{:07}@s.whatsapp.net", place(name))
}

pub(crate) fn lid(name: &str) -> String {
    format!("1{:014}@lid", place(name))
}

/// A group of `boss`, the admin `shop` and `mia`, and the client of `shop`.
async fn crew(version: Version) -> (Sandbox, GroupLever, Baileys) {
    let sandbox = sandbox(&PHONES).await;
    let group = sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop").member("mia"));
    let shop = Baileys::links(version, &sandbox, "shop").await;
    (sandbox, group, shop)
}

async fn a_client_makes_a_group_and_changes_its_settings(version: Version) {
    let sandbox = sandbox(&PHONES).await;
    let shop = Baileys::links(version, &sandbox, "shop").await;
    assert_eq!(shop.call("groupFetchAllParticipating", json!([])).await, json!({}));
    let made = shop.call("groupCreate", json!(["Made", [pn("mia")]])).await;
    assert_eq!(made["subject"], "Made");
    let gid = made["id"].as_str().unwrap();
    let group = sandbox.group(gid);
    let founders = [("shop".to_owned(), Role::Superadmin), ("mia".to_owned(), Role::Member)];
    assert_eq!(group.members(), founders);

    shop.call("groupUpdateSubject", json!([gid, "Nachtschicht 🌙"])).await;
    shop.call("groupUpdateDescription", json!([gid, "what we do"])).await;
    shop.call("groupSettingUpdate", json!([gid, "announcement"])).await;
    shop.call("groupSettingUpdate", json!([gid, "locked"])).await;
    assert_eq!(group.subject(), "Nachtschicht 🌙");
    assert_eq!(group.description().as_deref(), Some("what we do"));
    assert!(group.announce() && group.locked());

    let seen = shop.call("groupMetadata", json!([gid])).await;
    assert_eq!(seen["subject"], "Nachtschicht 🌙");
    assert_eq!(seen["desc"], "what we do");
    assert_eq!(seen["owner"], lid("shop"));
    assert_eq!(seen["addressingMode"], "lid");
    assert_eq!((&seen["announce"], &seen["restrict"]), (&json!(true), &json!(true)));
    let people: Vec<(&str, Option<&str>)> = seen["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["id"].as_str().unwrap(), one["admin"].as_str()))
        .collect();
    assert_eq!(people, [(&*lid("shop"), Some("superadmin")), (&*lid("mia"), None)]);

    // The second description names the first, and so does its deletion.
    shop.call("groupUpdateDescription", json!([gid, "what else we do"])).await;
    assert_eq!(group.description().as_deref(), Some("what else we do"));
    shop.call("groupUpdateDescription", json!([gid])).await;
    assert_eq!(group.description(), None);
    shop.call("groupSettingUpdate", json!([gid, "not_announcement"])).await;
    shop.call("groupSettingUpdate", json!([gid, "unlocked"])).await;
    assert!(!group.announce() && !group.locked());

    let all = shop.call("groupFetchAllParticipating", json!([])).await;
    assert_eq!(all[gid]["subject"], "Nachtschicht 🌙");
    shop.call("groupLeave", json!([gid])).await;
    // The last admin has gone, so somebody else is one.
    assert_eq!(group.members(), [("mia".to_owned(), Role::Admin)]);
    shop.is_at_home(&sandbox);
}

async fn an_admin_reads_and_resets_the_invite(version: Version) {
    let (_sandbox, group, shop) = crew(version).await;
    let gid = group.gid();
    let old = shop.call("groupInviteCode", json!([gid])).await;
    assert_eq!(old, group.invite_code());
    let new = shop.call("groupRevokeInvite", json!([gid])).await;
    assert_ne!(new, old);
    assert_eq!(new, group.invite_code());
}

/// What became of each, by Baileys' word.
fn fates(answer: &Value) -> Vec<&str> {
    answer.as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect()
}

async fn an_admin_moves_members(version: Version) {
    let (sandbox, group, shop) = crew(version).await;
    let gid = group.gid();
    let moves = |action: &str, people: &[String]| {
        shop.call("groupParticipantsUpdate", json!([gid, people, action]))
    };
    let nobody = "15559999999@s.whatsapp.net".to_owned();
    let added = moves("add", &[pn("bob"), lid("mia"), nobody]).await;
    assert_eq!(fates(&added), ["200", "409", "404"]);
    assert_eq!(fates(&moves("promote", &[lid("bob")]).await), ["200"]);
    assert_eq!(group.members()[3], ("bob".to_owned(), Role::Admin));
    assert_eq!(fates(&moves("demote", &[lid("bob"), lid("boss")]).await), ["200", "403"]);
    assert_eq!(group.members()[3], ("bob".to_owned(), Role::Member));
    assert_eq!(fates(&moves("remove", &[pn("mia"), pn("bob")]).await), ["200", "200"]);
    let left = [("boss".to_owned(), Role::Superadmin), ("shop".to_owned(), Role::Admin)];
    assert_eq!(group.members(), left);
    let journal = sandbox.journal();
    let operations: Vec<&str> = journal.iter().map(|entry| entry.operation.as_str()).collect();
    let applied = ["group.create", "group.add", "group.promote", "group.demote", "group.remove"];
    assert_eq!(operations, applied);
}

async fn refusals_arrive_with_number_and_word(version: Version) {
    let (_sandbox, group, shop) = crew(version).await;
    let gid = group.gid();
    let no = |code, text: &str| Refused { code: Some(code), text: text.to_owned() };
    group.demotes("shop");
    let announce = shop.refused("groupSettingUpdate", json!([gid, "announcement"])).await;
    assert_eq!(announce, no(403, "forbidden"));
    let invite = shop.refused("groupInviteCode", json!([gid])).await;
    assert_eq!(invite, no(401, "not-authorized"));
    let add = shop.refused("groupParticipantsUpdate", json!([gid, [pn("bob")], "add"])).await;
    assert_eq!(add, no(403, "forbidden"));
    let subject = shop.refused("groupUpdateSubject", json!([gid, "x".repeat(101)])).await;
    assert_eq!(subject, no(406, "not-acceptable"));
    group.removes("shop");
    assert_eq!(shop.refused("groupMetadata", json!([gid])).await, no(403, "forbidden"));

    let unknown = "120363999999999999@g.us";
    for (method, args) in [
        ("groupMetadata", json!([unknown])),
        ("groupUpdateSubject", json!([unknown, "New"])),
        ("groupSettingUpdate", json!([unknown, "locked"])),
        ("groupInviteCode", json!([unknown])),
        ("groupLeave", json!([unknown])),
    ] {
        assert_eq!(shop.refused(method, args).await, no(404, "item-not-found"), "{method}");
    }
    assert_eq!(group.subject(), "Crew");
}

async fn another_admins_changes_arrive(version: Version) {
    let (sandbox, group, shop) = crew(version).await;
    let gid = group.gid();
    let boss = group.by("boss");
    // This field of the group.
    let update = |field: &'static str| {
        let gid = gid.clone();
        shop.sees("groups.update", move |group| {
            (group["id"] == *gid).then(|| group.get(field).cloned())?
        })
    };
    boss.sets_subject("New");
    assert_eq!(update("subject").await, "New");
    boss.sets_description("what we do");
    assert_eq!(update("desc").await, "what we do");
    boss.sets_announce(true);
    assert_eq!(update("announce").await, true);
    boss.sets_locked(true);
    assert_eq!(update("restrict").await, true);
    boss.resets_invite();
    assert_eq!(update("inviteCode").await, group.invite_code());

    // Whom it concerns: 7.0 tells of people, 6.7 of their LIDs alone.
    let moved = |action: &'static str| {
        shop.sees("group-participants.update", move |update| {
            let concerned = update["participants"].as_array()?.first()?;
            let concerned = concerned["id"].as_str().or(concerned.as_str())?;
            let author = update["author"].as_str()?;
            (update["action"] == action).then(|| (author.to_owned(), concerned.to_owned()))
        })
    };
    boss.adds("bob");
    assert_eq!(moved("add").await, (lid("boss"), lid("bob")));
    boss.promotes("bob");
    assert_eq!(moved("promote").await, (lid("boss"), lid("bob")));
    group.by("bob").demotes("shop");
    assert_eq!(moved("demote").await, (lid("bob"), lid("shop")));
    boss.removes("bob");
    assert_eq!(moved("remove").await, (lid("boss"), lid("bob")));

    // A new group.
    let made = sandbox.add_group(NewGroup::new("Others").owner("mia").member("shop"));
    let seen = shop.sees("groups.upsert", |group| Some(group.clone())).await;
    assert_eq!(
        (seen["id"].as_str(), seen["subject"].as_str()),
        (Some(&*made.gid()), Some("Others"))
    );
    shop.is_at_home(&sandbox);
}
