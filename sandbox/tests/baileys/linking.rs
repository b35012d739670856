//! Baileys is linked by QR, comes back with what it has kept, and logs out.

use serde_json::json;

use wharf_sandbox::Config;

use super::{Baileys, Version, config, for_both, has_acknowledged_all, sandbox, start};
use crate::network::opens;

for_both!(
    a_scanned_code_links_the_client_and_it_comes_back,
    an_entered_code_links_the_client,
    a_client_logs_out,
    an_unlinked_client_hears_of_it,
    a_client_is_linked_over_tls,
    a_client_joins_the_account_of_its_push_name,
);

async fn a_scanned_code_links_the_client_and_it_comes_back(version: Version) {
    let sandbox = sandbox(&["shop"]).await;
    let client = Baileys::starts(version, &sandbox).await;
    let linked = client.is_scanned(&sandbox, "shop").await;
    let new = client.sees("connection.update", |update| update["isNewLogin"].as_bool()).await;
    assert!(new);
    // The server asks it to come again as a device: 515.
    assert_eq!(client.closes().await.code, Some(515));
    client.opens().await;
    let user = client.call("user", json!([])).await;
    assert_eq!(
        (user["id"].as_str(), user["lid"].as_str()),
        (Some(&*linked.jid), Some(&*linked.lid))
    );

    client.opens_the_phones_keys().await;
    // What it has opened and not acknowledged would come again, and could not be opened twice.
    has_acknowledged_all(&sandbox, "shop").await;
    let store = client.stops().await;
    opens(&sandbox, 0).await;
    let again = Baileys::stored_in(store, version, &sandbox).await;
    again.opens().await;
    assert_eq!(again.call("user", json!([])).await["id"], user["id"]);
    assert_eq!(sandbox.phone("shop").devices(), [linked]);
    again.is_at_home(&sandbox);
}

async fn an_entered_code_links_the_client(version: Version) {
    let sandbox = sandbox(&["boss", "shop"]).await;
    let phone = sandbox.phone("shop");
    let client = Baileys::starts(version, &sandbox).await;
    // It may ask for a code once the server has greeted it.
    client.sees("connection.update", |update| update["qr"].as_str().map(|_| ())).await;
    let code = client.call("requestPairingCode", json!([phone.number().unwrap()])).await;
    // It does not wait for the server to know of it; an answer to what it says next does.
    let ping =
        json!({"tag": "iq", "attrs": {"to": "s.whatsapp.net", "type": "get", "xmlns": "w:p"}});
    client.call("query", json!([ping])).await;
    let linked = phone.enters_code(code.as_str().unwrap()).await.unwrap();
    assert_eq!(client.closes().await.code, Some(515));
    client.opens().await;
    assert_eq!(client.call("user", json!([])).await["id"], linked.jid);
    client.is_at_home(&sandbox);
}

async fn a_client_logs_out(version: Version) {
    let sandbox = sandbox(&["shop"]).await;
    let client = Baileys::links(version, &sandbox, "shop").await;
    client.call("logout", json!([])).await;
    assert_eq!(client.closes().await.code, Some(401));
    opens(&sandbox, 0).await;
    assert!(sandbox.phone("shop").devices().is_empty());

    // What it has kept is worth nothing now.
    let again = Baileys::stored_in(client.stops().await, version, &sandbox).await;
    assert_eq!(again.closes().await.code, Some(401));
}

async fn an_unlinked_client_hears_of_it(version: Version) {
    let sandbox = sandbox(&["shop"]).await;
    let client = Baileys::links(version, &sandbox, "shop").await;
    assert_eq!(sandbox.phone("shop").unlinks(), 1);
    assert_eq!(client.closes().await.code, Some(401));
}

async fn a_client_is_linked_over_tls(version: Version) {
    let sandbox = start(Config { tls: true, ..config() }, &["shop"]).await;
    let client = Baileys::links(version, &sandbox, "shop").await;
    client.is_at_home(&sandbox);
}

async fn a_client_joins_the_account_of_its_push_name(version: Version) {
    let sandbox = sandbox(&["boss"]).await;
    let expected = match version {
        // It sends no name.
        Version::Six => ["phone-2", "phone-3"],
        Version::Seven => ["Crew", "Crew"],
    };
    for expected in expected {
        let client = Baileys::named(version, &sandbox, "Crew").await;
        let (phone, linked) = sandbox.scans(&client.qr().await).await.unwrap();
        assert_eq!(phone.name(), expected);
        assert_eq!(client.closes().await.code, Some(515));
        client.opens().await;
        assert_eq!(client.call("user", json!([])).await["id"], linked.jid);
        client.opens_the_phones_keys().await;
        client.is_at_home(&sandbox);
    }
}
