//! What an account tells of itself, as real clients set it, ask for it and hear of it.

use reqwest::Method;
use serde_json::{Value, json};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, SERVER_JID};
use wharf_sandbox::{BusinessCategory, BusinessHours, BusinessProfile, Sandbox, Weekday};
use whatsapp_rust::Jid;
use whatsapp_rust::types::events::{BusinessUpdateType, Event};
use whatsapp_rust::wacore::iq::business::{BusinessHourMode, DayOfWeek};
use whatsapp_rust::wacore::iq::usync::UserInfo;

use crate::client::{Device, refusal};
use crate::control::{Control, error};
use crate::groups::{crew, links};

/// The phone number of an account.
fn number(sandbox: &Sandbox, phone: &str) -> Jid {
    Jid::pn(sandbox.phone(phone).number().unwrap())
}

/// What a client finds out about an account, by its phone number.
async fn info(asker: &Device, whom: &Jid) -> UserInfo {
    let mut found =
        asker.client.contacts().get_user_info(std::slice::from_ref(whom)).await.unwrap();
    found.remove(whom).unwrap()
}

/// Whose about is another, and what it says.
async fn hears_about(device: &Device) -> (Jid, String) {
    device
        .sees(|event| match event {
            Event::UserAboutUpdate(update) => Some((update.jid.clone(), update.status.clone())),
            _ => None,
        })
        .await
}

/// A request that the client itself never makes.
fn odd(xmlns: &'static str, kind: &'static str, child: Node) -> Node {
    NodeBuilder::new("iq")
        .attr("type", kind)
        .attr("xmlns", xmlns)
        .attr("to", SERVER_JID)
        .attr("id", "ODD")
        .children([child])
        .build()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_about_is_set_heard_of_and_asked_for() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let of_shop = number(&sandbox, "shop");
    assert_eq!(info(&mia, &of_shop).await.status, None);

    shop.client.profile().set_status_text("Open till six 🕕").await.unwrap();
    assert_eq!(hears_about(&mia).await, (of_shop.clone(), "Open till six 🕕".to_owned()));
    assert_eq!(info(&mia, &of_shop).await.status.as_deref(), Some("Open till six 🕕"));
    assert_eq!(sandbox.phone("shop").about().as_deref(), Some("Open till six 🕕"));
    let entry = sandbox.journal().pop().unwrap();
    assert_eq!((entry.account.as_str(), entry.operation.as_str()), ("shop", "account.about"));

    sandbox.phone("shop").sets_about("Closed");
    assert_eq!(hears_about(&mia).await, (of_shop.clone(), "Closed".to_owned()));
    shop.client.profile().set_status_text("").await.unwrap();
    assert_eq!(hears_about(&mia).await, (of_shop.clone(), String::new()));
    assert_eq!(info(&mia, &of_shop).await.status, None);
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_about_is_bounded_and_well_formed() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    let long = "ü".repeat(139);
    shop.client.profile().set_status_text(&long).await.unwrap();
    let refused = shop.client.profile().set_status_text(&format!("{long}!")).await;
    assert_eq!(refusal(&refused.unwrap_err()), Some(406));
    let nothing = NodeBuilder::new("about").build();
    let refused = shop.client.send_iq_node(odd("status", "set", nothing), None).await;
    assert_eq!(refusal(&refused.unwrap_err()), Some(400));
    assert_eq!(sandbox.phone("shop").about(), Some(long));
    let unknown = odd("status", "get", NodeBuilder::new("status").build());
    assert_eq!(refusal(&shop.client.send_iq_node(unknown, None).await.unwrap_err()), Some(501));
    assert_eq!(sandbox.unknown_iqs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_about_is_hidden_from_all_or_from_who_is_blocked() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let (phone, of_shop) = (sandbox.phone("shop"), number(&sandbox, "shop"));
    phone.sets_about("for all");
    assert_eq!(hears_about(&mia).await.1, "for all");

    phone.sets_privacy("status", "none");
    // Hidden, and not merely absent: that is what the empty text means.
    assert_eq!(info(&mia, &of_shop).await.status.as_deref(), Some(""));
    assert_eq!(info(&shop, &of_shop).await.status.as_deref(), Some("for all"));
    phone.sets_about("for nobody");
    phone.sets_privacy("status", "all");
    phone.blocks("mia", true);
    assert_eq!(info(&mia, &of_shop).await.status.as_deref(), Some(""));
    phone.sets_about("for others");
    phone.blocks("mia", false);
    phone.sets_about("for all again");
    assert_eq!(hears_about(&mia).await.1, "for all again");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_picture_shows_its_id_to_who_may_see_it() {
    let (sandbox, _) = crew().await;
    let mia = links(&sandbox, "mia").await;
    let (phone, of_shop) = (sandbox.phone("shop"), number(&sandbox, "shop"));
    assert_eq!(info(&mia, &of_shop).await.picture_id, None);
    phone.sets_picture(&[0xFF, 0xD8, 0xFF, 0xE0]);
    let id = mia
        .sees(|event| match event {
            Event::PictureUpdate(update) => Some(update.picture_id.clone()),
            _ => None,
        })
        .await;
    assert!(id.is_some());
    assert_eq!(info(&mia, &of_shop).await.picture_id, id);
    phone.sets_privacy("profile", "none");
    assert_eq!(info(&mia, &of_shop).await.picture_id, None);
}

/// Whose timer is another, and how many seconds it has.
async fn hears_timer(device: &Device) -> (Jid, u32) {
    device
        .sees(|event| match event {
            Event::DisappearingModeChanged(change) => {
                assert!(change.setting_timestamp.timestamp() > 0);
                Some((change.from.clone(), change.duration))
            }
            _ => None,
        })
        .await
}

/// The timer of an account as a usync query tells it: its duration, and whether it ever was set.
async fn timer(device: &Device, whom: &Jid) -> (String, bool) {
    let usync = NodeBuilder::new("usync").attr("sid", "s").attr("mode", "query").children([
        NodeBuilder::new("query").children([NodeBuilder::new("disappearing_mode").build()]).build(),
        NodeBuilder::new("list")
            .children([NodeBuilder::new("user").attr("jid", whom).build()])
            .build(),
    ]);
    let reply = device.client.send_iq_node(odd("usync", "get", usync.build()), None).await.unwrap();
    let path = ["usync", "list", "user", "disappearing_mode"];
    let mode = reply.get().get_optional_child_by_tag(&path).unwrap().to_owned();
    let value = |name: &str| mode.attrs().optional_string(name).unwrap().into_owned();
    (value("duration"), value("t") != "0")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_for_new_chats_is_set_heard_of_and_asked_for() {
    let (sandbox, _) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let (phone, of_shop) = (sandbox.phone("shop"), number(&sandbox, "shop"));
    assert_eq!(timer(&mia, &of_shop).await, ("0".to_owned(), false));
    shop.client.set_default_disappearing_mode(86_400).await.unwrap();
    assert_eq!(hears_timer(&mia).await, (of_shop.clone(), 86_400));
    assert_eq!(timer(&mia, &of_shop).await, ("86400".to_owned(), true));
    assert_eq!(phone.disappearing_mode(), 86_400);

    // Who is blocked does not hear of it.
    phone.blocks("mia", true);
    phone.sets_disappearing_mode(604_800);
    phone.blocks("mia", false);
    phone.sets_disappearing_mode(0);
    assert_eq!(hears_timer(&mia).await, (of_shop, 0));

    let odd_timer = NodeBuilder::new("disappearing_mode").attr("duration", "soon").build();
    let refused = shop.client.send_iq_node(odd("disappearing_mode", "set", odd_timer), None).await;
    assert_eq!(refusal(&refused.unwrap_err()), Some(400));
    assert_eq!((phone.disappearing_mode(), sandbox.unknown_iqs()), (0, 0));
}

fn bakery(name: &str) -> BusinessProfile {
    BusinessProfile {
        name: name.to_owned(),
        description: "Bread & rolls".to_owned(),
        address: Some("Ring 1".to_owned()),
        email: Some("hello@example.com".to_owned()),
        websites: vec!["https://example.com".to_owned(), "https://example.org".to_owned()],
        categories: vec![BusinessCategory { id: "35".to_owned(), name: "Bakery".to_owned() }],
        time_zone: Some("Europe/Berlin".to_owned()),
        hours: vec![
            BusinessHours { day: Weekday::Mon, minutes: Some((360, 1080)) },
            BusinessHours { day: Weekday::Sun, minutes: None },
        ],
    }
}

/// What has become of a business, and its new name.
async fn hears_business(device: &Device) -> (Jid, BusinessUpdateType, Option<String>) {
    device
        .sees(|event| match event {
            Event::BusinessStatusUpdate(update) => {
                Some((update.jid.clone(), update.update_type, update.verified_name.clone()))
            }
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_has_a_profile_and_a_name() {
    let (sandbox, _) = crew().await;
    let mia = links(&sandbox, "mia").await;
    let (phone, of_shop) = (sandbox.phone("shop"), number(&sandbox, "shop"));
    phone.is_business(bakery("Bakery"));
    let profile = mia.client.get_business_profile(&of_shop).await.unwrap().unwrap();
    assert_eq!(profile.wid.as_ref(), Some(&of_shop));
    assert_eq!(profile.description, "Bread & rolls");
    assert_eq!(profile.email.as_deref(), Some("hello@example.com"));
    assert_eq!(profile.address.as_deref(), Some("Ring 1"));
    assert_eq!(profile.website, ["https://example.com", "https://example.org"]);
    assert_eq!((&*profile.categories[0].id, &*profile.categories[0].name), ("35", "Bakery"));
    let hours = profile.business_hours;
    assert_eq!(hours.timezone.as_deref(), Some("Europe/Berlin"));
    let days = hours.business_config.unwrap();
    assert_eq!((&days[0].day_of_week, days[0].open_time), (&DayOfWeek::Monday, Some(360)));
    assert_eq!((&days[0].mode, days[0].close_time), (&BusinessHourMode::SpecificHours, Some(1080)));
    assert_eq!((&days[1].mode, days[1].open_time), (&BusinessHourMode::Open24H, None));

    let lid: Jid = mia.lid();
    for nobody in [number(&sandbox, "boss"), lid, Jid::pn("15559999999")] {
        assert!(mia.client.get_business_profile(&nobody).await.unwrap().is_none());
    }
    let (known, other) = (info(&mia, &of_shop).await, info(&mia, &number(&sandbox, "boss")).await);
    assert!(known.is_business && !other.is_business);
    assert_eq!(known.verified_name.unwrap().name.as_deref(), Some("Bakery"));

    let nobody = NodeBuilder::new("business_profile").build();
    let refused = mia.client.send_iq_node(odd("w:biz", "get", nobody), None).await;
    assert_eq!(refusal(&refused.unwrap_err()), Some(400));
    assert_eq!(sandbox.unknown_iqs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_a_business_hears_what_becomes_of_it() {
    let (sandbox, _) = crew().await;
    let mia = links(&sandbox, "mia").await;
    let (phone, of_shop) = (sandbox.phone("shop"), number(&sandbox, "shop"));
    phone.is_business(bakery("Bakery"));
    let named = (of_shop.clone(), BusinessUpdateType::VerifiedNameChanged, Some("Bakery".into()));
    assert_eq!(hears_business(&mia).await, named);
    phone.is_business(BusinessProfile { description: "Cakes".to_owned(), ..bakery("Bakery") });
    let changed = (of_shop.clone(), BusinessUpdateType::ProfileUpdated, None);
    assert_eq!(hears_business(&mia).await, changed);
    phone.is_no_business();
    let removed = (of_shop.clone(), BusinessUpdateType::RemovedAsBusiness, None);
    assert_eq!(hears_business(&mia).await, removed);
    assert!(mia.client.get_business_profile(&of_shop).await.unwrap().is_none());
    assert!(!info(&mia, &of_shop).await.is_business);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_over_http() {
    let control = Control::start().await;
    control.crew().await;
    let mia = links(&control.sandbox, "mia").await;
    let put = |path: &str, body: Value| {
        let path = format!("/admin/phones/{path}");
        let control = &control;
        async move { control.send(Method::PUT, &path, body).await }
    };
    assert_eq!(control.get("/admin/phones/shop/about").await.1["text"], Value::Null);
    let (status, about) = put("shop/about", json!({ "text": "Open" })).await;
    assert_eq!((status.as_u16(), &about["text"]), (200, &json!("Open")), "{about}");
    assert_eq!(hears_about(&mia).await.1, "Open");
    assert_eq!(control.get("/admin/phones/shop/about").await.1, about);
    let (status, refused) = put("shop/about", json!({ "text": "x".repeat(140) })).await;
    assert_eq!((status.as_u16(), error(&refused).contains("`text`")), (400, true), "{refused}");

    put("shop/disappearing-mode", json!({ "seconds": 86_400 })).await;
    assert_eq!(hears_timer(&mia).await.1, 86_400);
    let (_, timer) = control.get("/admin/phones/shop/disappearing-mode").await;
    assert_eq!(timer, json!({ "seconds": 86_400 }));
    let (status, refused) = put("shop/disappearing-mode", json!({ "seconds": -1 })).await;
    assert_eq!((status.as_u16(), error(&refused).contains("seconds")), (400, true), "{refused}");

    assert_eq!(control.get("/admin/phones/shop/business").await.0, 404);
    let hours = json!([{ "day": "mon", "minutes": [360, 1080] }]);
    let body = json!({ "name": "Bakery", "websites": ["https://example.com"], "hours": hours });
    let (status, business) = put("shop/business", body).await;
    assert_eq!((status.as_u16(), &business["name"]), (200, &json!("Bakery")), "{business}");
    assert_eq!(hears_business(&mia).await.2.as_deref(), Some("Bakery"));
    assert_eq!(control.get("/admin/phones/shop/business").await.1, business);
    for malformed in [json!({}), json!({ "name": "" }), json!({ "name": "x", "namen": 1 })] {
        let (status, refused) = put("shop/business", malformed).await;
        assert_eq!((status.as_u16(), error(&refused).contains("name")), (400, true), "{refused}");
    }
    let removed = control.send(Method::DELETE, "/admin/phones/shop/business", json!({})).await;
    assert_eq!(removed.1, json!({ "removed": true }));
    assert_eq!(hears_business(&mia).await.1, BusinessUpdateType::RemovedAsBusiness);
    for path in ["about", "disappearing-mode", "business"] {
        assert_eq!(control.get(&format!("/admin/phones/nobody/{path}")).await.0, 404);
    }
}
