//! Connections that the server ends, and what each end does to the client.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use wharf_sandbox::{Sandbox, StreamEnd};
use whatsapp_rust::types::events::Event;

use crate::client::Device;
use crate::control::{Control, error};
use crate::groups::{crew, links};

/// What a client makes of the end of its connection.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Connected,
    Disconnected,
    LoggedOut,
    Replaced,
    Complaint,
}

fn heard(event: &Event) -> Option<Heard> {
    Some(match event {
        Event::Connected(_) => Heard::Connected,
        Event::Disconnected(_) => Heard::Disconnected,
        Event::LoggedOut(event) if !event.on_connect => Heard::LoggedOut,
        Event::StreamReplaced(_) => Heard::Replaced,
        Event::StreamError(_) => Heard::Complaint,
        _ => return None,
    })
}

async fn linked() -> (Sandbox, Device) {
    let (sandbox, _) = crew().await;
    let shop = links(&sandbox, "shop").await;
    (sandbox, shop)
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_that_a_client_comes_back_from_by_itself() {
    let (sandbox, shop) = linked().await;
    for (end, expected) in [
        (StreamEnd::Code(515), &[][..]),
        (StreamEnd::Code(503), &[Heard::Disconnected]),
        (StreamEnd::NotWellFormed, &[Heard::Complaint]),
        (StreamEnd::Code(599), &[Heard::Complaint, Heard::Disconnected]),
    ] {
        assert_eq!(sandbox.phone("shop").ends_streams(end), 1);
        for one in expected {
            assert_eq!(shop.sees(heard).await, *one, "{end:?}");
        }
        assert_eq!(shop.sees(heard).await, Heard::Connected, "{end:?}");
    }
    // The end of the stream and that of the connection reach whatsapp-rust together: it tells of the second alone, if that is
    // what it sees first (`client/node_io.rs`).
    assert_eq!(sandbox.phone("shop").ends_streams(StreamEnd::Plain), 1);
    let first = shop.sees(heard).await;
    if first == Heard::Disconnected {
        assert_eq!(shop.sees(heard).await, Heard::Connected);
    } else {
        assert_eq!(first, Heard::Connected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_that_are_final_for_a_client() {
    for (end, expected) in [
        (StreamEnd::Replaced, Heard::Replaced),
        (StreamEnd::Code(409), Heard::Replaced),
        (StreamEnd::DeviceRemoved, Heard::LoggedOut),
        (StreamEnd::Code(401), Heard::LoggedOut),
        (StreamEnd::Code(516), Heard::LoggedOut),
    ] {
        let (sandbox, shop) = linked().await;
        assert_eq!(sandbox.phone("shop").ends_streams(end), 1);
        assert_eq!(shop.sees(heard).await, expected, "{end:?}");
        // The device is still linked: only the client was told otherwise.
        assert_eq!(sandbox.phone("shop").devices().len(), 1);
        Device::stored_in(shop.saved().await, &sandbox.ws_url()).await.connects().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_too_much_waits_before_it_comes_back() {
    let (sandbox, shop) = linked().await;
    let ended = Instant::now();
    assert_eq!(sandbox.ends_streams(StreamEnd::Code(429)), 1);
    assert_eq!(shop.sees(heard).await, Heard::Disconnected);
    assert_eq!(shop.sees(heard).await, Heard::Connected);
    assert!(ended.elapsed().as_secs() >= 5, "{:?}", ended.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owed_acknowledgement_is_a_complaint_and_no_end() {
    let (sandbox, shop) = linked().await;
    assert_eq!(sandbox.ends_streams(StreamEnd::Ack), 1);
    assert_eq!(shop.sees(heard).await, Heard::Complaint);
    assert_eq!(sandbox.connections(), 1);
    assert_eq!(shop.client.groups().get_participating().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_of_one_phone_end_and_the_others_go_on() {
    let (sandbox, shop) = linked().await;
    let mia = links(&sandbox, "mia").await;
    assert_eq!(sandbox.phone("shop").ends_streams(StreamEnd::Replaced), 1);
    assert_eq!(shop.sees(heard).await, Heard::Replaced);
    assert!(mia.client.groups().get_participating().await.is_ok());
    for name in ["boss", "nobody"] {
        assert_eq!(sandbox.phone(name).ends_streams(StreamEnd::Plain), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_ended_over_http() {
    let control = Control::start().await;
    control.crew().await;
    let shop = links(&control.sandbox, "shop").await;
    let of_shop = "/admin/phones/shop/end-streams";
    for (path, body, expected) in [
        (of_shop, json!({ "kind": "ack" }), Heard::Complaint),
        ("/admin/end-streams", json!({ "code": 515 }), Heard::Connected),
        ("/admin/phones/shop/end-streams", json!({ "kind": "replaced" }), Heard::Replaced),
    ] {
        let (status, ended) = control.post(path, body).await;
        assert_eq!((status.as_u16(), ended), (200, json!({ "ended": 1 })));
        assert_eq!(shop.sees(heard).await, expected);
    }
    for kind in ["device_removed", "not_well_formed", "plain"] {
        assert_eq!(control.post("/admin/end-streams", json!({ "kind": kind })).await.0, 200);
    }
    for (body, field) in [
        (json!({}), "kind"),
        (json!({ "kind": "sad" }), "kind"),
        (json!({ "kind": "plain", "code": 503 }), "kind"),
        (json!({ "code": 200 }), "code"),
        (json!({ "code": 503, "colour": 1 }), "colour"),
    ] {
        for path in ["/admin/end-streams", of_shop] {
            let (status, refused) = control.post(path, body.clone()).await;
            assert_eq!(status, 400, "{refused}");
            assert!(error(&refused).contains(field), "{refused}");
        }
    }
    let nobody = "/admin/phones/nobody/end-streams";
    assert_eq!(control.post(nobody, json!({ "kind": "plain" })).await.0, 404);
    assert_eq!(control.send(Method::GET, of_shop, Value::Null).await.0, 405);
}
