//! Connections of one account that stay open and say nothing.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use whatsapp_rust::types::events::Event;

use crate::client::{DEADLINE, Device};
use crate::control::{Control, error};
use crate::groups::{crew, links, subject};
use crate::network::opens;

const SILENCE: Duration = Duration::from_millis(300);

fn updated(event: &Event) -> Option<()> {
    matches!(event, Event::GroupUpdate(_)).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_hangs_concerns_nobody_else_and_goes_on_with_what_waits() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    let group = sandbox.group(&gid.to_string());
    sandbox.phone("shop").hangs(true);
    let groups = shop.client.groups();
    let renamed = groups.set_subject(&gid, subject("Late"));
    tokio::pin!(renamed);
    assert!(timeout(SILENCE, &mut renamed).await.is_err());
    group.by("boss").sets_announce(true);
    timeout(DEADLINE, mia.sees(updated)).await.unwrap();
    assert!(timeout(SILENCE, shop.sees(updated)).await.is_err());
    assert_eq!((group.subject().as_str(), sandbox.connections()), ("Crew", 2));

    sandbox.phone("shop").hangs(false);
    renamed.await.unwrap();
    shop.sees(updated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_a_phone_that_hangs_does_not_get_through_its_login() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    sandbox.phone("shop").hangs(true);
    sandbox.drops_connections().await;
    opens(&sandbox, 1).await;
    assert!(timeout(SILENCE, shop.connects()).await.is_err());
    sandbox.heals();
    shop.connects().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_connection_stays_frozen_and_a_new_one_works() {
    let (sandbox, gid) = crew().await;
    let (shop, mia) = (links(&sandbox, "shop").await, links(&sandbox, "mia").await);
    assert_eq!(sandbox.phone("shop").freezes_connections(), 1);
    assert_eq!(sandbox.phone("boss").freezes_connections(), 0);
    let groups = shop.client.groups();
    assert!(timeout(SILENCE, groups.get_participating()).await.is_err());
    // Neither end of hanging concerns it.
    sandbox.phone("shop").hangs(true);
    sandbox.phone("shop").hangs(false);
    sandbox.hangs(false);
    assert!(timeout(SILENCE, groups.get_participating()).await.is_err());
    mia.client.groups().get_metadata(&gid).await.unwrap();

    let again = Device::stored_in(shop.saved().await, &sandbox.ws_url()).await;
    again.connects().await;
    assert_eq!(again.client.groups().get_participating().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_connection_thaws_when_all_is_healed_and_breaks_when_it_is_dropped() {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    sandbox.phone("shop").freezes_connections();
    let groups = shop.client.groups();
    let asked = groups.get_participating();
    tokio::pin!(asked);
    assert!(timeout(SILENCE, &mut asked).await.is_err());
    sandbox.heals();
    assert_eq!(asked.await.unwrap().len(), 1);

    sandbox.phone("shop").freezes_connections();
    timeout(DEADLINE, sandbox.drops_connections()).await.unwrap();
    shop.connects().await;
}

#[tokio::test]
#[should_panic(expected = "there is no phone `nobody`")]
async fn nobody_does_not_hang() {
    let (sandbox, _) = crew().await;
    sandbox.phone("nobody").hangs(true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_hangs_and_freezes_over_http() {
    let control = Control::start().await;
    control.crew().await;
    let shop = links(&control.sandbox, "shop").await;
    let groups = shop.client.groups();
    let path = "/admin/phones/shop/connections";
    for (mode, answered) in [("hang", false), ("open", true)] {
        let (status, set) = control.send(Method::PUT, path, json!({ "mode": mode })).await;
        assert_eq!((status.as_u16(), set), (200, json!({ "mode": mode })));
        assert_eq!(timeout(SILENCE, groups.get_participating()).await.is_ok(), answered);
    }
    let freeze = |name: &str| format!("/admin/phones/{name}/freeze-connections");
    assert_eq!(control.post(&freeze("shop"), Value::Null).await.1, json!({ "frozen": 1 }));
    assert!(timeout(SILENCE, groups.get_participating()).await.is_err());

    for body in [json!({}), json!({ "mode": "refuse" }), json!({ "mode": "open", "more": 1 })] {
        let (status, refused) = control.send(Method::PUT, path, body).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains("mo"), "{refused}");
    }
    let path = "/admin/phones/nobody/connections";
    assert_eq!(control.send(Method::PUT, path, json!({ "mode": "hang" })).await.0, 404);
    assert_eq!(control.post(&freeze("nobody"), Value::Null).await.0, 404);
}
