//! The contract as a page.

use axum::body::Body;
use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp},
    operations::documented,
};

const PARTS: [(&str, &str); 3] = [
    ("/docs", "text/html; charset=utf-8"),
    ("/docs/page.css", "text/css; charset=utf-8"),
    ("/docs/page.js", "text/javascript; charset=utf-8"),
];

async fn fetched(app: &TestApp, path: &str, held: Option<&str>) -> Answer {
    let request = axum::http::Request::builder().uri(path);
    let request =
        held.into_iter().fold(request, |request, tag| request.header("if-none-match", tag));
    app.running.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_page_is_public_and_asks_nothing_of_another_host() {
    let app = TestApp::start().await;
    for (path, media_type) in PARTS {
        let answer = fetched(&app, path, None).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(media_type));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src data:",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(directives.contains(&directive), "{path}: {policy}");
        }
        let text = String::from_utf8(answer.bytes).unwrap();
        for elsewhere in
            ["http://", "https://", "\"//", "'//", " url(", ":url(", "@import", "import("]
        {
            assert!(!text.contains(elsewhere), "{path} has `{elsewhere}`");
        }
        // Nothing that the policy would refuse, and nothing that would keep the key.
        for refused in [
            "style=",
            "onclick=",
            "<style",
            "localStorage",
            "sessionStorage",
            "document.cookie",
            "innerHTML",
        ] {
            assert!(!text.contains(refused), "{path} has `{refused}`");
        }
    }
}

#[tokio::test]
async fn the_page_loads_its_parts_and_the_document() {
    let app = TestApp::start().await;
    let page = String::from_utf8(fetched(&app, "/docs", None).await.expect(200).bytes).unwrap();
    // Relative, so that they are found behind a proxy that serves the gateway under a path.
    for reference in
        ["href=\"docs/page.css\"", "src=\"docs/page.js\"", "href=\"api/v1/openapi.json\""]
    {
        assert!(page.contains(reference), "{reference}");
    }
    let script =
        String::from_utf8(fetched(&app, "/docs/page.js", None).await.expect(200).bytes).unwrap();
    assert!(script.contains("/api/v1/openapi.json"));
    // What the script draws is what the document holds: each of these it reads by name.
    for part in ["operationId", "parameters", "requestBody", "responses", "security", "example"] {
        assert!(script.contains(part), "{part}");
    }
    let served = fetched(&app, "/api/v1/openapi.json", None).await.expect(200).body;
    let tags: Vec<&Value> =
        served["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for operation in documented() {
        let tag = &served["paths"][operation.template][operation.method.to_lowercase()]["tags"][0];
        assert!(tags.contains(&tag), "`{}` would stand under no heading", operation.id);
    }
}

#[tokio::test]
async fn a_browser_that_has_the_page_is_answered_304() {
    let app = TestApp::start().await;
    for (path, _) in PARTS {
        let tag = fetched(&app, path, None).await.header("etag").unwrap().to_owned();
        for held in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let answer = fetched(&app, path, Some(&held)).await.expect(304);
            assert!(
                answer.bytes.is_empty() && answer.header("etag") == Some(&tag),
                "{path} {held}"
            );
        }
        fetched(&app, path, Some("\"other\"")).await.expect(200);
    }
}

#[test]
fn the_document_says_which_capability_an_operation_needs() {
    let document: Value = serde_json::from_str(&wharf::document_text(&wharf::document())).unwrap();
    for operation in documented() {
        let stated =
            &document["paths"][operation.template][operation.method.to_lowercase()]["security"];
        let wanted = match operation.capability() {
            Some(capability) => {
                json!([{"bearer": [capability.as_str()]}, {"apiKey": [capability.as_str()]}])
            }
            None => json!([{}]),
        };
        assert_eq!(stated, &wanted, "{}", operation.id);
    }
}

/// The body that the page offers: the fields that have an example.
fn offered(document: &Value, method: &str, template: &str) -> Option<Value> {
    let body = &document["paths"][template][method.to_lowercase()]["requestBody"];
    let reference = body["content"]["application/json"]["schema"]["$ref"].as_str()?;
    let schema = &document["components"]["schemas"][reference.rsplit('/').next()?];
    let fields = schema["properties"].as_object()?.iter();
    let examples =
        fields.filter_map(|(name, field)| Some((name.clone(), field.get("example")?.clone())));
    Some(Value::Object(examples.collect()))
}

#[tokio::test]
async fn the_examples_of_the_document_are_taken() {
    let app = TestApp::start().await;
    let linked = app.linked().await;
    let document = app.running.get("/api/v1/openapi.json").await.expect(200).body;
    let mut tried = 0;
    for operation in documented() {
        let Some(body) = offered(&document, &operation.method, operation.template) else {
            continue;
        };
        assert_ne!(body, json!({}), "`{}` has no example", operation.id);
        let path = operation.path(&linked.session, &linked.crew);
        let answer = app.running.call_as_manager(&operation.method, &path, Some(body)).await;
        // A state may forbid it, but nothing is wrong with what was sent.
        assert!(answer.status < 300 || answer.status == 409, "`{}`: {}", operation.id, answer.body);
        tried += 1;
    }
    assert!(tried >= 3);
}
