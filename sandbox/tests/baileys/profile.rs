//! What Baileys tells of its account, and finds out about others.

use serde_json::{Value, json};
use wharf_sandbox::{BusinessProfile, Phone};
use whatsapp_rust::types::events::Event;

use super::groups::pn;
use super::{Baileys, Version, for_both, sandbox};
use crate::groups::links;

for_both!(
    an_about_is_set_and_found_by_others,
    a_timer_is_set_and_the_phones_own_is_heard_of,
    a_business_is_told_from_others,
);

/// The about that Baileys finds.
async fn about(client: &Baileys, of: &str) -> Value {
    client.call("fetchStatus", json!([pn(of)])).await[0]["status"]["status"].clone()
}

async fn an_about_is_set_and_found_by_others(version: Version) {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let boss = links(&sandbox, "boss").await;
    let shop = Baileys::links(version, &sandbox, "shop").await;
    boss.client.contacts().get_user_info(&[pn("shop").parse().unwrap()]).await.unwrap();
    shop.call("updateProfileStatus", json!(["bis sechs 🕕"])).await;
    let heard = boss.sees(|event| match event {
        Event::UserAboutUpdate(update) => Some((update.jid.to_string(), update.status.clone())),
        _ => None,
    });
    assert_eq!(heard.await, (pn("shop"), "bis sechs 🕕".to_owned()));

    assert_eq!(about(&shop, "shop").await, "bis sechs 🕕");
    assert_eq!(about(&shop, "boss").await, Value::Null);
    let phone = sandbox.phone("boss");
    phone.sets_about("busy");
    assert_eq!(about(&shop, "boss").await, "busy");
    phone.sets_privacy("status", "none");
    assert_eq!(about(&shop, "boss").await, "");
    let refused = shop.refused("updateProfileStatus", json!(["x".repeat(140)])).await;
    assert_eq!((refused.code, refused.text.as_str()), (Some(406), "not-acceptable"));
    shop.is_at_home(&sandbox);
}

/// The timer of the phone of this name as Baileys finds it.
async fn timer(client: &Baileys, of: &Phone) -> Value {
    let found = client.call("fetchDisappearingDuration", json!([pn(of.name())])).await;
    found[0]["disappearing_mode"]["duration"].clone()
}

async fn a_timer_is_set_and_the_phones_own_is_heard_of(version: Version) {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let shop = Baileys::links(version, &sandbox, "shop").await;
    let (own, other) = (sandbox.phone("shop"), sandbox.phone("boss"));
    shop.call("updateDefaultDisappearingMode", json!([86_400])).await;
    assert_eq!(own.disappearing_mode(), 86_400);
    assert_eq!((timer(&shop, &own).await, timer(&shop, &other).await), (json!(86_400), json!(0)));
    own.sets_disappearing_mode(604_800);
    shop.sees("creds.update", |name| (name == "accountSettings").then_some(())).await;
    assert_eq!(timer(&shop, &own).await, 604_800);
    shop.is_at_home(&sandbox);
}

async fn a_business_is_told_from_others(version: Version) {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let shop = Baileys::links(version, &sandbox, "shop").await;
    sandbox.phone("boss").is_business(BusinessProfile {
        name: "Bakery".to_owned(),
        description: "Bread & rolls".to_owned(),
        email: Some("hello@example.com".to_owned()),
        websites: vec!["https://example.com".to_owned()],
        ..BusinessProfile::default()
    });
    let profile = shop.call("getBusinessProfile", json!([pn("boss")])).await;
    assert_eq!(profile["wid"], pn("boss"));
    assert_eq!(profile["description"], "Bread & rolls");
    assert_eq!(profile["email"], "hello@example.com");
    assert_eq!(profile["website"], json!(["https://example.com"]));
    assert_eq!(shop.call("getBusinessProfile", json!([pn("shop")])).await, Value::Null);
    shop.is_at_home(&sandbox);
}
