//! Every answer that a test sees is held against the served document.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, Mutex},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// The document, with every object closed to properties that it does not name.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document: Value =
        serde_json::from_str(&wharf::document_text(&wharf::document())).unwrap();
    let mut parts = HashSet::new();
    parts_of_others(&document, &mut parts);
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| !parts.contains(*name)) {
        let closable = schema.get("properties").is_some() || schema.get("allOf").is_some();
        if closable && name != "Object" {
            schema["unevaluatedProperties"] = json!(false);
        }
    }
    document
});

/// Made once for each schema: the key is where it is.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Names of schemas that are composed into others, and so must stay open.
fn parts_of_others(value: &Value, parts: &mut HashSet<String>) {
    if let Some(composed) = value.get("allOf").and_then(Value::as_array) {
        let references = composed.iter().filter_map(|part| part["$ref"].as_str());
        parts.extend(references.filter_map(|path| Some(path.rsplit_once('/')?.1.to_owned())));
    }
    match value {
        Value::Object(object) => object.values().for_each(|part| parts_of_others(part, parts)),
        Value::Array(items) => items.iter().for_each(|part| parts_of_others(part, parts)),
        _ => {}
    }
}

/// Asserts that the document promises this answer to this request, and that it has the headers which are promised with it.
#[track_caller]
pub(crate) fn validate(method: &str, path: &str, status: u16, headers: &HeaderMap, body: &[u8]) {
    let path = path.split('?').next().unwrap();
    let label = format!("{method} {path} -> {status}");
    // A head that the HTTP parser refuses comes to nobody who keeps promises.
    if status == 431 {
        return;
    }
    let has = |name: &str| assert!(headers.contains_key(name), "{label} is without `{name}`");
    has("x-request-id");
    let media = headers.get("content-type").map(|media| media.to_str().unwrap());
    let Some(operation) = operation(method, path) else {
        // An unknown path, a method that a path does not have: nothing is documented but the envelope.
        if status >= 400 && method != "HEAD" {
            assert_eq!(media, Some("application/json"), "{label}");
            let schema = json!({"$ref": "#/components/schemas/ApiError"});
            conforms(&label, "ApiError", &schema, body);
        }
        if status == 405 {
            has("allow");
        }
        return;
    };
    let id = operation["operationId"].as_str().unwrap();
    let promised = &operation["responses"][status.to_string()];
    assert!(!promised.is_null(), "{label}: `{id}` promises no such status");
    promised["headers"].as_object().into_iter().flat_map(Map::keys).for_each(|name| has(name));
    let Some(content) = promised["content"].as_object() else {
        assert!(body.is_empty(), "{label}: `{id}` promises no body");
        return;
    };
    let media = media.and_then(|media| media.split(';').next()).unwrap_or_default();
    let Some(form) = content.get(media) else {
        panic!("{label}: `{id}` promises no `{media}`, but {:?}", content.keys());
    };
    if media == "application/json" {
        conforms(&label, &format!("{id} {status}"), &form["schema"], body);
    }
}

#[track_caller]
fn conforms(label: &str, key: &str, schema: &Value, body: &[u8]) {
    let validator =
        Arc::clone(VALIDATORS.lock().unwrap().entry(key.to_owned()).or_insert_with(|| {
            let mut root = schema.as_object().cloned().unwrap_or_else(Map::new);
            root.insert("components".to_owned(), DOCUMENT["components"].clone());
            Arc::new(jsonschema::draft202012::new(&Value::Object(root)).unwrap())
        }));
    let body: Value = serde_json::from_slice(body)
        .unwrap_or_else(|error| panic!("{label}: the body is no JSON: {error}"));
    let faults: Vec<String> = validator
        .iter_errors(&body)
        .map(|fault| format!("{} at `{}`", fault, fault.instance_path))
        .collect();
    assert!(faults.is_empty(), "{label}: {}\n{body}", faults.join("; "));
}

/// The operation that the document has for a request: that of the path with the fewest parameters.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let fitting = paths.iter().filter(|(template, _)| fits(template, path));
    let (_, item) = fitting.min_by_key(|(template, _)| {
        (template.matches('{').count(), std::cmp::Reverse(template.len()))
    })?;
    item.get(method.to_lowercase())
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if fits_segment(wanted, given) => {}
            _ => return false,
        }
    }
}

fn fits_segment(wanted: &str, given: &str) -> bool {
    match wanted.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((_, suffix)) => given.strip_suffix(suffix).is_some_and(|value| !value.is_empty()),
        None => wanted == given,
    }
}

#[test]
fn an_answer_that_the_document_does_not_promise_is_found() {
    let found_in = |request: (&str, &str), status, headers: &[(&'static str, &str)], body: &str| {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        let headers: HeaderMap = headers.collect();
        let outcome = std::panic::catch_unwind(|| {
            validate(request.0, request.1, status, &headers, body.as_bytes());
        });
        outcome.is_err()
    };
    let found = |status, media, body: &str| {
        let headers = [("x-request-id", "1"), ("content-type", media)];
        found_in(("GET", "/healthz"), status, &headers, body)
    };
    assert!(!found(200, "application/json", r#"{"status":"ok"}"#));
    assert!(found(200, "application/json", r#"{"status":"ok","more":1}"#));
    assert!(found(200, "application/json", "{}"));
    assert!(found(200, "application/json", r#"{"status":1}"#));
    assert!(found(200, "text/plain", "ok"));
    assert!(found(418, "application/json", r#"{"status":"ok"}"#));

    let error = r#"{"error":{"code":"internal","message":"what it is"}}"#;
    let json = ("content-type", "application/json");
    for (request, status, header) in [
        (("GET", "/healthz"), 503, ("retry-after", "1")),
        (("GET", "/api/v1/sessions"), 401, ("www-authenticate", "Bearer")),
        (("GET", "/api/v1/sessions"), 429, ("retry-after", "1")),
        (("PUT", "/api/v1/sessions"), 405, ("allow", "GET")),
    ] {
        let id = ("x-request-id", "1");
        assert!(!found_in(request, status, &[id, json, header], error), "{request:?}");
        assert!(found_in(request, status, &[id, json], error), "{request:?}");
        assert!(found_in(request, status, &[json, header], error), "{request:?}");
    }
}
