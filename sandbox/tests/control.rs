//! The control API, over HTTP.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use wharf_sandbox::{JournalFilter, Sandbox};

use crate::client::{DEADLINE, Device};
use crate::openapi::contradiction;

pub(crate) struct Control {
    pub(crate) sandbox: Sandbox,
    http: Client,
}

impl Control {
    pub(crate) async fn start() -> Self {
        let sandbox = Sandbox::start(wharf_sandbox::Config::default()).await.unwrap();
        let http = Client::builder().timeout(DEADLINE).build().unwrap();
        Self { sandbox, http }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.sandbox.http_url()))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        answer(self.request(method, path).json(&body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, body).await
    }

    /// Phones `boss`, `shop` and `mia`, and a group of theirs; returns its address.
    pub(crate) async fn crew(&self) -> String {
        for name in ["boss", "shop", "mia"] {
            assert_eq!(self.post("/admin/phones", json!({ "name": name })).await.0, 201);
        }
        let body =
            json!({ "subject": "Crew", "owner": "boss", "admins": ["shop"], "members": ["mia"] });
        let (status, group) = self.post("/admin/groups", body).await;
        assert_eq!(status, 201, "{group}");
        group["gid"].as_str().unwrap().to_owned()
    }
}

/// Sends a request; that and its answer have to be as the document says.
async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let response = client.execute(request.try_clone().unwrap()).await.unwrap();
    let status = response.status();
    let answer = response.json().await.unwrap();
    let wrong = contradiction(&request, status, &answer);
    assert_eq!(wrong, None, "{} {}: {status} {answer}", request.method(), request.url());
    (status, answer)
}

pub(crate) fn error(body: &Value) -> &str {
    body["error"].as_str().unwrap()
}

#[tokio::test]
async fn another_host_or_origin_is_refused() {
    let control = Control::start().await;
    for (header, value, status) in [
        ("host", "sandbox.example.com", 403),
        ("host", "10.0.0.1", 403),
        ("host", "localhost:1", 200),
        ("origin", "https://example.com", 403),
        ("origin", "null", 403),
        ("origin", "http://localhost:3000", 200),
    ] {
        let request = control.request(Method::GET, "/admin/phones").header(header, value);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{header}: {value}");
        assert!(!response.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn phones_are_added_and_listed() {
    let control = Control::start().await;
    let (status, phone) = control.post("/admin/phones", json!({ "name": "shop" })).await;
    assert_eq!(status, 201);
    assert_eq!(phone["name"], "shop");
    assert!(phone["jid"].as_str().unwrap().ends_with("@s.whatsapp.net"));
    assert!(phone["lid"].as_str().unwrap().ends_with("@lid"));
    assert_eq!(control.get("/admin/phones").await.1["phones"], json!([phone]));

    assert_eq!(control.post("/admin/phones", json!({ "name": "shop" })).await.0, 409);
    for body in [json!({}), json!({ "name": "" }), json!({ "name": 1 }), json!({ "nam": "x" })] {
        let (status, refused) = control.post("/admin/phones", body).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains("nam"), "{refused}");
    }
}

#[tokio::test]
async fn groups_are_added_changed_and_listed() {
    let control = Control::start().await;
    let gid = control.crew().await;
    let path = format!("/admin/groups/{gid}");

    let body = json!({ "by": "shop", "subject": "New", "description": "text", "announce": true });
    let (status, group) = control.send(Method::PATCH, &path, body).await;
    assert_eq!(status, 200, "{group}");
    assert_eq!((&group["subject"], &group["description"]), (&json!("New"), &json!("text")));
    assert_eq!((&group["announce"], &group["locked"]), (&json!(true), &json!(false)));
    assert_eq!(control.get(&path).await.1, group);
    assert_eq!(control.get("/admin/groups").await.1["groups"], json!([group]));

    let (status, refused) =
        control.send(Method::PATCH, &path, json!({ "by": "mia", "locked": true })).await;
    assert_eq!((status.as_u16(), error(&refused)), (403, "`locked`: refused with 403 forbidden"));
    assert_eq!(control.get("/admin/groups/1@g.us").await.0, 404);
    let (status, refused) = control.send(Method::PATCH, &path, json!({ "colour": "red" })).await;
    assert_eq!(status, 400);
    assert!(error(&refused).contains("colour"));
}

#[tokio::test]
async fn members_come_go_rise_and_fall() {
    let control = Control::start().await;
    let gid = control.crew().await;
    let role = |group: &Value, name: &str| {
        let members = group["members"].as_array().unwrap();
        members.iter().find(|one| one["name"] == name).map(|one| one["role"].clone())
    };
    let path = |rest: &str| format!("/admin/groups/{gid}/{rest}");

    let (_, group) = control.post(&path("promote"), json!({ "name": "mia" })).await;
    assert_eq!(role(&group, "mia"), Some(json!("admin")));
    let (_, group) = control.post(&path("demote"), json!({ "name": "mia" })).await;
    assert_eq!(role(&group, "mia"), Some(json!("member")));
    let (_, group) = control.send(Method::DELETE, &path("members"), json!({ "name": "mia" })).await;
    assert_eq!(role(&group, "mia"), None);
    let (_, group) = control.post(&path("members"), json!({ "name": "mia" })).await;
    assert_eq!(role(&group, "mia"), Some(json!("member")));

    assert_eq!(control.post(&path("members"), json!({ "name": "mia" })).await.0, 409);
    assert_eq!(control.post(&path("members"), json!({ "name": "nobody" })).await.0, 404);
    assert_eq!(control.post(&path("demote"), json!({ "name": "boss" })).await.0, 403);
}

#[tokio::test]
async fn a_group_needs_a_subject_and_known_people() {
    let control = Control::start().await;
    control.post("/admin/phones", json!({ "name": "boss" })).await;
    for (body, status, field) in [
        (json!({ "owner": "boss" }), 400, "subject"),
        (json!({ "subject": "", "owner": "boss" }), 400, "subject"),
        (json!({ "subject": "x".repeat(101), "owner": "boss" }), 400, "subject"),
        (json!({ "subject": "Crew", "owner": "nobody" }), 404, "owner"),
        (json!({ "subject": "Crew", "owner": "boss", "members": ["nobody"] }), 404, "members"),
    ] {
        let (got, refused) = control.post("/admin/groups", body).await;
        assert_eq!(got, status, "{refused}");
        assert!(error(&refused).contains(field), "{refused}");
    }
    assert_eq!(control.get("/admin/groups").await.1["groups"], json!([]));
}

#[tokio::test]
async fn the_journal_is_read_in_pages() {
    let control = Control::start().await;
    let gid = control.crew().await;
    for number in 0..4 {
        let body = json!({ "subject": format!("Crew {number}") });
        control.send(Method::PATCH, &format!("/admin/groups/{gid}"), body).await;
    }
    let sequences = |page: &Value| -> Vec<u64> {
        let entries = page["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect()
    };
    let (_, first) = control.get("/admin/journal?limit=3").await;
    assert_eq!(sequences(&first), [1, 2, 3]);
    let (_, rest) = control.get(&format!("/admin/journal?after={}", first["next"])).await;
    assert_eq!(sequences(&rest), [4, 5]);
    let (_, end) = control.get(&format!("/admin/journal?after={}", rest["next"])).await;
    assert_eq!((sequences(&end), &end["next"]), (vec![], &rest["next"]));

    for (query, field) in [("limit=0", "limit"), ("limit=x", "limit"), ("after=-1", "after")] {
        let (status, refused) = control.get(&format!("/admin/journal?{query}")).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains(field), "{refused}");
    }
}

#[tokio::test]
async fn the_journal_is_filtered_and_waited_for() {
    let control = Control::start().await;
    let gid = control.crew().await;
    let path = format!("/admin/groups/{gid}");
    control.send(Method::PATCH, &path, json!({ "by": "shop", "subject": "Night" })).await;
    control.sandbox.phone("boss").sends("shop", "hello").await.unwrap();
    let operations = async |query: &str| -> Vec<String> {
        let (status, page) = control.get(&format!("/admin/journal?{query}")).await;
        assert_eq!((status, &page["next"]), (StatusCode::OK, &json!(3)), "{page}");
        let entries = page["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["operation"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(operations("operation=group.").await, ["group.create", "group.subject"]);
    assert_eq!(operations("operation=message").await, ["message"]);
    assert_eq!(operations("account=shop").await, ["group.subject"]);
    assert_eq!(operations(&format!("object={gid}&account=boss")).await, ["group.create"]);
    assert_eq!(operations("operation=group.&after=1").await, ["group.subject"]);
    assert!(operations("account=nobody").await.is_empty());

    let of_shop = JournalFilter::default().account("shop").operation("group.");
    assert_eq!(control.sandbox.journal_of(&of_shop).len(), 1);
    let rises = JournalFilter::default().operation("group.promote").object(gid.clone());
    let waits = control.get("/admin/journal?after=3&operation=group.&wait=30");
    let rise = async {
        // It is none of what is waited for.
        control.sandbox.phone("boss").sends("shop", "hello").await.unwrap();
        control.post(&format!("{path}/promote"), json!({ "name": "mia" })).await
    };
    let ((_, page), recorded, _) = tokio::join!(waits, control.sandbox.records(&rises), rise);
    assert_eq!((&page["entries"][0]["sequence"], &page["next"]), (&json!(5), &json!(5)));
    assert_eq!(recorded.unwrap().sequence, 5);
    for (query, field) in [("wait=61", "wait"), ("wait=x", "wait"), ("colour=red", "colour")] {
        let (status, refused) = control.get(&format!("/admin/journal?{query}")).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains(field), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_qr_links_the_device_of_a_phone_made_on_demand() {
    let control = Control::start().await;
    let device = Device::starts(&control.sandbox.ws_url()).await;
    let qr = device.qr().await;
    let request = control.request(Method::POST, "/admin/mock-phone/scan-qr?phone=shop").body(qr);
    let (status, linked) = answer(request).await;
    assert_eq!(status, 200, "{linked}");
    device.connects().await;
    let (_, phones) = control.get("/admin/phones").await;
    assert_eq!(phones["phones"][0]["name"], "shop");
    assert_eq!(phones["phones"][0]["devices"], json!([linked["device"]]));
    assert_eq!(phones["phones"][0]["connected"], json!([linked["device"]]));
    assert_eq!((&linked["name"], &linked["version"]), (&json!("rust"), &json!("2.3000.0")));
    let (_, devices) = control.get("/admin/phones/shop/devices").await;
    assert_eq!(devices, json!({ "devices": [linked] }));
    assert_eq!(control.get("/admin/phones/nobody/devices").await.0, 404);
}

#[tokio::test]
async fn a_bad_qr_is_refused() {
    let control = Control::start().await;
    for qr in ["", "hello", "2@a,b,c,d,1"] {
        let request = control.request(Method::POST, "/admin/mock-phone/scan-qr").body(qr);
        let (status, refused) = answer(request).await;
        assert!(status.is_client_error(), "{status}");
        assert!(error(&refused).contains("qr"), "{refused}");
    }
    assert_eq!(control.get("/admin/phones").await.1["phones"], json!([]));
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_json_errors() {
    let control = Control::start().await;
    let (status, refused) = control.get("/admin/nothing").await;
    assert_eq!((status.as_u16(), error(&refused)), (404, "there is no such route"));
    assert_eq!(control.send(Method::PUT, "/admin/phones", json!({})).await.0, 405);
}

#[tokio::test]
async fn what_is_no_text_or_no_number_is_a_json_error_that_names_it() {
    let control = Control::start().await;
    for (path, field) in
        [("/admin/mock-phone/scan-qr", "body"), ("/admin/mock-phone/enter-code?phone=shop", "body")]
    {
        let request = control.request(Method::POST, path).body(vec![0xFF]);
        let (status, refused) = answer(request).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains(field), "{refused}");
    }
    let paper = "/admin/newsletters/1@newsletter/messages";
    for number in ["x", "-1", "18446744073709551616"] {
        let body = json!({ "text": "hello" });
        let (status, refused) = control.send(Method::PUT, &format!("{paper}/{number}"), body).await;
        assert_eq!(status, 400);
        assert!(error(&refused).contains("number"), "{refused}");
    }
}

#[tokio::test]
async fn an_unknown_group_is_told_from_an_unknown_member() {
    let control = Control::start().await;
    let gid = control.crew().await;
    for path in ["members", "promote", "admit", "reject", "join", "leave"] {
        let body = json!({ "name": "mia" });
        let (status, refused) = control.post(&format!("/admin/groups/9@g.us/{path}"), body).await;
        assert_eq!(status, 404, "{path}");
        assert!(error(&refused).contains("9@g.us"), "{path}: {refused}");
    }
    let body = json!({ "name": "nobody" });
    let (status, refused) = control.post(&format!("/admin/groups/{gid}/promote"), body).await;
    assert!(status == 404 && error(&refused).contains("`name`"), "{refused}");
}

#[tokio::test]
async fn a_name_that_paths_cannot_hold_is_refused() {
    let control = Control::start().await;
    for name in [".", ".."] {
        let (status, refused) = control.post("/admin/phones", json!({ "name": name })).await;
        assert!(status == 400 && error(&refused).contains("`name`"), "{refused}");
    }
}
