//! Communities over HTTP.

use serde_json::{Value, json};

use crate::control::Control;

#[tokio::test(flavor = "multi_thread")]
async fn the_control_api_makes_links_and_ends_communities() {
    let control = Control::start().await;
    for name in ["boss", "mia"] {
        control.sandbox.add_phone(name);
    }
    let post = |path: String, body: Value| {
        let control = &control;
        async move {
            let (status, body) = control.post(&format!("/admin/groups{path}"), body).await;
            (status.as_u16(), body)
        }
    };
    let town =
        json!({ "subject": "City", "owner": "boss", "community": true, "generalChat": true });
    let (status, made) = post(String::new(), town).await;
    assert_eq!((status, &made["community"]), (201, &json!(true)));
    let city = made["gid"].as_str().unwrap().to_owned();
    let crew = json!({ "subject": "Crew", "owner": "boss", "parent": city });
    let (status, made) = post(String::new(), crew.clone()).await;
    assert_eq!((status, &made["parent"], &made["part"]), (201, &json!(city), &json!("group")));
    let crew = json!({ "group": made["gid"] });
    let (status, body) = post(format!("/{city}/unlink"), crew.clone()).await;
    assert_eq!((status, body.get("parent")), (200, None));
    let (status, body) = post(format!("/{city}/link"), crew.clone()).await;
    assert_eq!((status, &body["parent"]), (200, &json!(city)));
    let (status, body) = post(format!("/{city}/link"), crew).await;
    assert_eq!(
        (status, body["error"].as_str().unwrap()),
        (409, "`group`: refused with 409 conflict")
    );
    let denied = json!({ "by": "mia" });
    assert_eq!(post(format!("/{city}/deactivate"), denied).await.0, 403);
    assert_eq!(post(format!("/{city}/deactivate"), json!({})).await.0, 200);
    assert_eq!(post(format!("/{city}/deactivate"), json!({})).await.0, 404);
    for (body, field) in [
        (json!({ "subject": "A", "owner": "boss", "generalChat": true }), "`generalChat`"),
        (json!({ "subject": "A", "owner": "boss", "community": true, "parent": city }), "`parent`"),
        (json!({ "subject": "A", "owner": "boss", "parent": "1@g.us" }), "`parent`"),
    ] {
        let (status, answer) = post(String::new(), body).await;
        assert!((400..=404).contains(&status));
        assert!(answer["error"].as_str().unwrap().contains(field), "{answer}");
    }
}
