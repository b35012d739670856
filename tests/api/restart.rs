//! The process ends and begins anew on the same data.

use serde_json::json;
use wharf_sandbox::{Config, Sandbox};
use wharf_storage::{Options, Store};

use crate::app::{Running, TestApp};

#[tokio::test]
async fn a_session_is_back_after_a_restart_without_pairing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.redb");
    let open = || Store::open(&file, &Options::default()).unwrap();
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let whatsapp = sandbox.ws_url();
    let app = TestApp { running: Running::start(open(), &whatsapp).await, sandbox };
    let linked = app.linked().await;
    app.running.patch(&linked.crew(), json!({"subject": "Before"})).await.expect(204);
    let id = app.running.get(&linked.crew()).await.expect(200).body["id"].clone();
    let devices = app.sandbox.phone("shop").devices().len();
    let TestApp { sandbox, running } = app;
    running.stop().await;

    let app = TestApp { running: Running::start(open(), &whatsapp).await, sandbox };
    app.running.until_working(&linked).await;
    assert_eq!(app.sandbox.phone("shop").devices().len(), devices);
    app.running.patch(&linked.crew(), json!({"subject": "After"})).await.expect(204);
    let stored = app.running.get(&linked.crew()).await.expect(200).body;
    assert_eq!((&stored["subject"], &stored["id"]), (&json!("After"), &id));

    // Once more, and WhatsApp is away: what is stored answers all the same.
    let TestApp { sandbox, running } = app;
    running.stop().await;
    sandbox.stop().await;
    let running = Running::start(open(), &whatsapp).await;
    assert_eq!(running.get(&linked.path("")).await.expect(200).body["status"], "starting");
    assert_eq!(running.get(&linked.crew()).await.expect(200).body["subject"], "After");
    running.patch(&linked.crew(), json!({"subject": "x"})).await.error(501, "not_implemented");
    running.stop().await;
}
