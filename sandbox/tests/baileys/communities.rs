//! Communities, as Baileys 7 makes, links and leaves them; 6.7.24 has no such requests.

use serde_json::json;
use wharf_sandbox::{NewGroup, Part};

use super::groups::{PHONES, pn};
use super::{Baileys, Version, sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_makes_a_community_and_links_groups() {
    let sandbox = sandbox(&PHONES).await;
    let shop = Baileys::links(Version::Seven, &sandbox, "shop").await;
    let made = shop.call("communityCreate", json!(["Town", "ours"])).await;
    assert_eq!((&made["subject"], &made["desc"]), (&json!("Town"), &json!("ours")));
    assert_eq!((&made["isCommunity"], &made["isCommunityAnnounce"]), (&json!(true), &json!(false)));
    let town = sandbox.group(made["id"].as_str().unwrap());
    let parts: Vec<Part> = town.subgroups().into_iter().map(|(_, part)| part).collect();
    assert_eq!(parts, [Part::Announcements, Part::General]);

    let made = shop.call("communityCreateGroup", json!(["Crew", [pn("mia")], town.gid()])).await;
    assert_eq!((&made["subject"], &made["linkedParent"]), (&json!("Crew"), &json!(town.gid())));
    let plain = sandbox.add_group(NewGroup::new("Plain").owner("shop").member("bob"));
    shop.call("communityLinkGroup", json!([plain.gid(), town.gid()])).await;
    assert_eq!(plain.parent(), Some(town.gid()));
    let linked = shop.call("communityFetchLinkedGroups", json!([town.gid()])).await;
    let subjects: Vec<&str> = linked["linkedGroups"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["subject"].as_str())
        .collect();
    assert_eq!(subjects, ["Town", "General", "Crew", "Plain"]);
    shop.call("communityUnlinkGroup", json!([plain.gid(), town.gid()])).await;
    assert_eq!(plain.parent(), None);

    let fates =
        shop.call("communityParticipantsUpdate", json!([town.gid(), [pn("mia")], "remove"])).await;
    assert_eq!(fates[0]["status"], "200");
    for (group, _) in town.subgroups() {
        assert!(group.members().iter().all(|(name, _)| name != "mia"));
    }
    shop.is_at_home(&sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_leaves_a_community() {
    let sandbox = sandbox(&PHONES).await;
    let town = sandbox.add_group(NewGroup::new("Town").owner("boss").member("shop").community());
    let crew = sandbox.add_group(NewGroup::new("Crew").owner("boss").member("shop").inside(&town));
    let shop = Baileys::links(Version::Seven, &sandbox, "shop").await;
    let refused = shop.refused("communityUnlinkGroup", json!([crew.gid(), town.gid()])).await;
    assert_eq!((refused.code, refused.text.as_str()), (Some(403), "forbidden"));
    shop.call("communityLeave", json!([town.gid()])).await;
    for group in [&town, &crew] {
        assert_eq!(group.members().len(), 1);
    }
    shop.is_at_home(&sandbox);
}
