//! Pages in a browser: those of listed origins may call, and no others.

use axum::http::HeaderName;
use wharf_sandbox::{Config, Sandbox};
use wharf_storage::Store;

use crate::{
    process::{Data, Gateway},
    wire::{Told, ask, bearer},
};

const SESSIONS: &str = "/api/v1/sessions";
const DESK: &str = "https://desk.example";

async fn gateway(options: &[&str]) -> (Sandbox, Data, Gateway) {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let (data, ()) = Data::new(async |store: Store| store.close().await.unwrap()).await;
    let gateway = data.serve(&sandbox.ws_url(), options).await;
    (sandbox, data, gateway)
}

/// What a browser asks before a page of `origin` may send a request with this method.
async fn preflight(gateway: &Gateway, origin: &str, method: &str, path: &str) -> Told {
    let headers = [
        format!("Origin: {origin}"),
        format!("Access-Control-Request-Method: {method}"),
        "Access-Control-Request-Headers: authorization,content-type".to_owned(),
    ];
    ask(gateway.address(), "OPTIONS", path, &headers).await
}

/// The names of the headers that concern a browser.
fn leave(told: &Told) -> Vec<&str> {
    let names = told.headers.keys().map(HeaderName::as_str);
    names.filter(|name| name.starts_with("access-control-")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_listed_origin_may_call_and_read_what_it_is_told() {
    let (_sandbox, _data, gateway) =
        gateway(&["--cors-origin", "https://desk.example,http://localhost:3000"]).await;
    for origin in [DESK, "http://localhost:3000"] {
        let header = format!("Origin: {origin}");
        let headers = [bearer(gateway.key()), header.clone()];
        let listed = ask(gateway.address(), "GET", SESSIONS, &headers).await;
        assert_eq!(listed.status, 200);
        let refused = ask(gateway.address(), "GET", SESSIONS, &[header]).await;
        refused.error(401, "unauthorized");
        for told in [listed, refused] {
            assert_eq!(told.header("access-control-allow-origin"), Some(origin));
            assert_eq!(told.header("access-control-allow-credentials"), None);
            assert_eq!(told.header("vary"), Some("origin"));
            let exposed = told.header("access-control-expose-headers").unwrap();
            assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_told_the_methods_of_a_path_that_there_is() {
    let (_sandbox, _data, gateway) = gateway(&["--cors-origin", DESK]).await;
    for (path, method, others) in [
        (SESSIONS, "POST", "GET"),
        ("/api/v1/sessions/x/groups/1@g.us", "PATCH", "GET"),
        ("/api/v1/sessions/x:start", "POST", "POST"),
    ] {
        let told = preflight(&gateway, DESK, method, path).await;
        assert_eq!((told.status, told.body.as_str()), (204, ""), "{path}");
        assert_eq!(told.header("access-control-allow-origin"), Some(DESK));
        assert_eq!(told.header("access-control-allow-credentials"), None);
        let methods = told.header("access-control-allow-methods").unwrap();
        assert!(methods.contains(method) && methods.contains(others), "{path}: {methods}");
        let headers = told.header("access-control-allow-headers").unwrap();
        assert!(headers.contains("authorization") && headers.contains("content-type"));
        assert!(told.header("x-request-id").is_some() && told.header("allow").is_none());
    }
    for path in ["/nowhere", "/api/v1/sessions/x:halt/more"] {
        preflight(&gateway, DESK, "POST", path).await.error(404, "not_found");
    }
    // Without the question it is a method that the path does not have.
    let headers = [format!("Origin: {DESK}")];
    let told = ask(gateway.address(), "OPTIONS", SESSIONS, &headers).await;
    told.error(405, "method_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_is_not_let_in() {
    let (_sandbox, _data, gateway) = gateway(&["--cors-origin", DESK]).await;
    for origin in [
        "https://other.example",
        "https://desk.example.other.example",
        "https://desk.example:444",
        "http://desk.example",
        "null",
        "*",
        "",
    ] {
        let told = preflight(&gateway, origin, "POST", SESSIONS).await;
        told.error(405, "method_not_allowed");
        let headers = [bearer(gateway.key()), format!("Origin: {origin}")];
        let listed = ask(gateway.address(), "GET", SESSIONS, &headers).await;
        assert_eq!(listed.status, 200);
        for told in [told, listed] {
            assert_eq!(leave(&told), [""; 0], "{origin}");
            assert_eq!(told.header("vary"), Some("origin"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_no_page_is_let_in() {
    let (_sandbox, _data, gateway) = gateway(&[]).await;
    let told = preflight(&gateway, DESK, "POST", SESSIONS).await;
    told.error(405, "method_not_allowed");
    let headers = [bearer(gateway.key()), format!("Origin: {DESK}")];
    let listed = ask(gateway.address(), "GET", SESSIONS, &headers).await;
    for told in [told, listed] {
        assert_eq!(leave(&told), [""; 0]);
        assert_eq!(told.header("vary"), None);
    }
}
