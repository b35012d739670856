//! What Baileys asks and sets of its own account.

use serde_json::json;

use super::driver::Refused;
use super::groups::{lid, pn};
use super::{Baileys, Version, for_both, sandbox};

for_both!(privacy_is_set_and_read_back, who_is_blocked_is_on_the_list);

async fn privacy_is_set_and_read_back(version: Version) {
    let sandbox = sandbox(&["shop"]).await;
    let shop = Baileys::links(version, &sandbox, "shop").await;
    let read = || shop.call("fetchPrivacySettings", json!([true]));
    assert_eq!(read().await["readreceipts"], "all");
    shop.call("updateReadReceiptsPrivacy", json!(["none"])).await;
    shop.call("updateLastSeenPrivacy", json!(["contacts"])).await;
    let now = read().await;
    assert_eq!((&now["readreceipts"], &now["last"]), (&json!("none"), &json!("contacts")));
    let refused = shop.refused("updateOnlinePrivacy", json!(["contacts"])).await;
    assert_eq!(refused, Refused { code: Some(400), text: "bad-request".into() });

    // Statistics are taken and thrown away.
    let statistics = json!({"type": "Buffer", "data": "V0FN"});
    shop.call("sendWAMBuffer", json!([statistics])).await;
    shop.is_at_home(&sandbox);
}

async fn who_is_blocked_is_on_the_list(version: Version) {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let shop = Baileys::links(version, &sandbox, "shop").await;
    assert_eq!(shop.call("fetchBlocklist", json!([])).await, json!([]));
    shop.call("updateBlockStatus", json!([pn("boss"), "block"])).await;
    assert_eq!(shop.call("fetchBlocklist", json!([])).await, json!([lid("boss")]));
    shop.call("updateBlockStatus", json!([pn("boss"), "unblock"])).await;
    assert_eq!(shop.call("fetchBlocklist", json!([])).await, json!([]));
    shop.is_at_home(&sandbox);
}
