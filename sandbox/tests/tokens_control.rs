//! Privacy tokens over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Device, until};
use crate::control::{Control, error};
use crate::groups::links;
use crate::tokens::{has, writes};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_given_listed_taken_back_and_expire_over_http() {
    let control = Control::start().await;
    control.crew().await;
    let (shop, mia) = (links(&control.sandbox, "shop").await, links(&control.sandbox, "mia").await);
    mia.client.fetch_props().await.unwrap();
    let at = "/admin/phones/shop/tokens";
    let none = json!({ "scenario": "", "salt": null, "given": [], "held": [] });
    assert_eq!(control.get(at).await, (200.try_into().unwrap(), none));
    let flags = json!({ "flags": "restricted,cs_enabled=0" });
    let set = control.send(Method::PUT, "/admin/phones/shop/scenario", flags.clone()).await;
    assert_eq!((set.0.as_u16(), &set.1["scenario"]), (200, &flags["flags"]));

    let holder = json!({ "holder": "mia" });
    let (status, tokens) = control.post(at, holder.clone()).await;
    assert_eq!((status.as_u16(), tokens["given"].as_array().unwrap().len()), (200, 1));
    let given = &tokens["given"][0];
    assert_eq!((&given["from"], &given["to"]), (&json!("shop"), &json!("mia")));
    assert_eq!(given["expired"], false);
    assert_eq!(control.get("/admin/phones/mia/tokens").await.1["held"][0], *given);
    until(async || has(&mia, &shop.lid()).await.is_some()).await;
    assert_eq!(writes(&mia, &shop.lid(), "hello").await.1, None);

    let (_, tokens) = control.post(&format!("{at}/expire"), holder.clone()).await;
    assert_eq!(tokens["given"][0]["expired"], true);
    assert_eq!(writes(&mia, &shop.lid(), "hello").await.1, Some(463));
    let (_, tokens) = control.post(&format!("{at}/revoke"), holder.clone()).await;
    assert_eq!(tokens["given"], json!([]));

    let (status, tokens) = control.post("/admin/phones/mia/renew-salt", Value::Null).await;
    assert!(status == 200 && tokens["salt"].is_string(), "{tokens}");
    let put = async |body| control.send(Method::PUT, "/admin/phones/shop/scenario", body).await;
    for (answer, status, field) in [
        (control.post(&format!("{at}/revoke"), holder.clone()).await, 404, "holder"),
        (control.post(&format!("{at}/expire"), holder.clone()).await, 404, "holder"),
        (control.post(at, json!({ "holder": "eve" })).await, 404, "holder"),
        (control.post(at, json!({ "holder": "shop" })).await, 404, "holder"),
        (control.post(at, json!({ "whom": "mia" })).await, 400, "whom"),
        (put(json!({ "flags": "famous" })).await, 400, "flags"),
        (put(json!({ "flags": "cs_enabled=yes" })).await, 400, "flags"),
        (control.get("/admin/phones/eve/tokens").await, 404, "name"),
        (control.post("/admin/phones/eve/renew-salt", Value::Null).await, 404, "name"),
    ] {
        assert_eq!(answer.0, status, "{}", answer.1);
        assert!(error(&answer.1).contains(field), "{}", answer.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_a_client_whose_push_name_makes_no_sense_is_refused() {
    let control = Control::start().await;
    for (push_name, status) in [("scenario:famous:mia", 400), ("scenario:cs_enabled=0:mia", 200)] {
        let device = Device::named(push_name, &control.sandbox.ws_url()).await;
        let qr = device.qr().await;
        let request = control.request(Method::POST, "/admin/mock-phone/scan-qr").body(qr);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        let body: Value = answer.json().await.unwrap();
        if status == 400 {
            assert!(error(&body).contains("there is no flag `famous`"), "{body}");
        } else {
            assert_eq!(body["phone"], "mia");
        }
    }
    let (_, tokens) = control.get("/admin/phones/mia/tokens").await;
    assert_eq!(tokens["scenario"], "cs_enabled=0");
}
