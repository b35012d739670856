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

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_a_device_is_none_of_a_group_or_a_newsletter() {
    let control = Control::start().await;
    control.sandbox.add_phone("boss");
    let sandbox = &control.sandbox;
    let town = sandbox.add_group(wharf_sandbox::NewGroup::new("Town").owner("boss").community());
    let crew = sandbox.add_group(wharf_sandbox::NewGroup::new("Crew").owner("boss"));
    let paper = sandbox.add_newsletter("boss", "Paper");
    let odd = |jid: String| jid.replace('@', ":5@");
    let (town_odd, paper_odd) = (odd(town.gid()), odd(paper.jid()));
    assert_eq!(control.get(&format!("/admin/groups/{town_odd}")).await.0, 404);
    let body = json!({ "group": crew.gid() });
    assert_eq!(control.post(&format!("/admin/groups/{town_odd}/link"), body).await.0, 404);
    let body = json!({ "group": odd(crew.gid()) });
    assert_eq!(control.post(&format!("/admin/groups/{}/link", town.gid()), body).await.0, 404);
    assert_eq!((crew.parent(), town.subgroups().len()), (None, 1));
    assert_eq!(control.get(&format!("/admin/newsletters/{paper_odd}")).await.0, 404);
    let body = json!({ "to": odd(crew.gid()), "text": "hello" });
    assert_eq!(control.post("/admin/phones/boss/messages", body).await.0, 404);
}
