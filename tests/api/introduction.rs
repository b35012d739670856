//! What a linked device says of itself: the operator's name for it, and the version of its client.

use serde_json::json;
use wharf_sandbox::{Config, Sandbox};

use crate::{
    app::eventually,
    fleet::all_work,
    process::{Data, Gateway},
};

/// A gateway that presents this version.
async fn serves(data: &Data, sandbox: &Sandbox, version: &str) -> Gateway {
    let options = ["--device-name", "Harbour office", "--whatsapp-version", version];
    data.serve(&sandbox.ws_url(), &options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configured_name_and_version_reach_whatsapp_when_a_phone_links_and_at_each_login() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let shop = sandbox.add_phone("shop");
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let gateway = serves(&data, &sandbox, "2.3000.7").await;
    let made = gateway.call("POST", "/api/v1/sessions", Some(&json!({"start": true}))).await;
    let (status, session) = made.unwrap();
    assert_eq!(status, 201, "{session}");
    let path = format!("/api/v1/sessions/{}/qr", session["id"].as_str().unwrap());
    let code = eventually("there is a code", async || {
        match gateway.call("GET", &path, None).await.unwrap() {
            (200, body) => Ok(body["code"].as_str().unwrap().to_owned()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let linked = shop.scans(&code).await.unwrap();
    let said = (linked.name.as_deref(), linked.version.as_deref());
    assert_eq!(said, (Some("Harbour office"), Some("2.3000.7")));
    all_work(&gateway, |_| true).await;
    assert!(gateway.terminate().await.success());

    let gateway = serves(&data, &sandbox, "2.3001.8").await;
    all_work(&gateway, |_| true).await;
    let version = Some("2.3001.8".to_owned());
    assert_eq!(shop.devices(), [wharf_sandbox::LinkedDevice { version, ..linked }]);
    assert!(gateway.terminate().await.success());
}
