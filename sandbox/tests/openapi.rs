//! The document of the control API, against the one that is kept, the routes and the answers of every other test.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;
use std::{env, fs};

use reqwest::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::control::{Control, error};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(&fs::read_to_string(GOLDEN).unwrap_or_default()).unwrap_or_default()
});

#[tokio::test]
async fn the_served_document_is_the_one_that_is_kept() {
    let control = Control::start().await;
    let served = control.request(Method::GET, "/admin/openapi.json").send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "application/json");
    let served = served.text().await.unwrap();
    if env::var_os("UPDATE").is_some() {
        fs::write(GOLDEN, &served).unwrap();
    }
    assert!(
        fs::read_to_string(GOLDEN).unwrap_or_default() == served,
        "openapi.json is not what is served: run the tests with UPDATE=1 and look at the change"
    );
}

#[tokio::test]
async fn every_documented_route_is_served() {
    let control = Control::start().await;
    for (method, path, _) in operations() {
        let path = path.replace("{name}", "nobody").replace("{gid}", "1@g.us");
        let path =
            path.replace("{device}", "1").replace("{number}", "1").replace("{jid}", "1@newsletter");
        let method: Method = method.to_uppercase().parse().unwrap();
        let answer = control.request(method.clone(), &path).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert!(!text.contains("there is no such route"), "{method} {path}");
        assert!(!status.is_server_error(), "{method} {path}: {text}");
    }
}

#[test]
fn every_route_is_documented() {
    for (file, text) in sources().filter(|(file, _)| file.contains("/src/control")) {
        let page = file.ends_with("control/page.rs");
        assert!(page || !text.contains(".route("), "{file}: a route is added with `routes!`");
    }
}

#[test]
fn no_two_schemas_have_one_name() {
    let mut seen = BTreeSet::new();
    for (file, text) in sources() {
        for after in text.split("ToSchema)]").skip(1) {
            let words =
                |one: &str| after.split_once(one).map(|(before, rest)| (before.len(), rest));
            let kinds = ["struct ", "enum "].into_iter().filter_map(words);
            let (at, named) = kinds.min_by_key(|(at, _)| *at).unwrap();
            let name =
                words("schema(as = ").filter(|(own, _)| *own < at).map_or(named, |(_, own)| own);
            let name: String = name.chars().take_while(|one| one.is_alphanumeric()).collect();
            assert!(seen.insert(name.clone()), "{file}: there is another `{name}`");
        }
    }
    assert!(seen.len() > 50, "{}", seen.len());
}

/// The files of the sandbox: their paths and what is in them.
fn sources() -> impl Iterator<Item = (String, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                None => folders.push(path),
                Some(kind) if kind == "rs" => files.push(path),
                Some(_) => {}
            }
        }
    }
    files.into_iter().map(|file| (file.display().to_string(), fs::read_to_string(file).unwrap()))
}

#[test]
fn every_operation_is_told_apart_and_has_words() {
    let names = DOCUMENT["tags"].as_array().unwrap().iter();
    let tags: BTreeSet<&str> = names.map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut seen = BTreeSet::new();
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(seen.insert(id), "{method} {path}: there is another `{id}`");
        assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{id}");
        assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{id}");
        let mut parameters = BTreeSet::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            assert!(parameter["description"].is_string(), "{id}: {name}");
            assert!(parameters.insert(name), "{id}: `{name}` is there twice");
        }
        let inside = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        inside.for_each(|name| assert!(parameters.contains(name), "{id}: {name}"));
    }
    assert!(seen.len() > 70, "{}", seen.len());
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value) {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let found = DOCUMENT.pointer(reference.trim_start_matches('#'));
            assert!(found.is_some(), "{reference}");
        }
        value.as_object().into_iter().flatten().for_each(|(_, inner)| walk(inner));
        value.as_array().into_iter().flatten().for_each(walk);
    }
    walk(&DOCUMENT);
}

#[tokio::test]
async fn an_answer_that_is_not_as_documented_is_noticed() {
    let control = Control::start().await;
    let request =
        |method, body: Value| control.request(method, "/admin/phones").json(&body).build().unwrap();
    let phone = json!({ "name": "shop", "pushName": "shop", "jid": "1", "lid": "2", "devices": [], "connected": [] });
    let post = |body| request(Method::POST, body);
    let good = post(json!({ "name": "shop" }));
    assert_eq!(contradiction(&good, StatusCode::CREATED, &phone), None);
    let refused = json!({ "error": "words" });
    assert_eq!(contradiction(&good, StatusCode::CONFLICT, &refused), None);
    for (request, status, answer) in [
        (&good, StatusCode::CREATED, json!({ "name": "shop" })),
        (&good, StatusCode::OK, phone.clone()),
        (&good, StatusCode::CONFLICT, json!({ "problem": "words" })),
        (&post(json!({ "nam": "shop" })), StatusCode::CREATED, phone.clone()),
        (&request(Method::PUT, json!({})), StatusCode::OK, phone.clone()),
    ] {
        assert!(contradiction(request, status, &answer).is_some(), "{status}: {answer}");
    }
}

#[tokio::test]
async fn a_page_for_people_stands_on_documented_routes_alone() {
    let control = Control::start().await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let request = control.request(Method::GET, "/").header("accept", browser);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let page = answer.text().await.unwrap();
    for foreign in ["http:", "https:", "\"//", "src=", "<link", "@import", "url(", "{{"] {
        assert!(!page.contains(foreign), "the page refers to something else: {foreign}");
    }
    let mut routes = 0;
    for (before, _) in page.match_indices("/admin/") {
        let path = page[before..].split(['"', '?']).next().unwrap();
        let method = page[..before].trim_end().rsplit('"').next().unwrap().to_lowercase();
        assert!(
            DOCUMENT["paths"][path].get(&method).is_some(),
            "the page calls `{method} {path}`, which is not documented"
        );
        routes += 1;
    }
    assert!(routes > 5, "{routes}");

    let plain = control.request(Method::GET, "/").send().await.unwrap();
    assert_eq!(plain.status(), StatusCode::OK);
    assert_eq!(plain.text().await.unwrap(), "wharf-sandbox\n");
    let foreign = control.request(Method::GET, "/").header("accept", browser);
    let refused = foreign.header("host", "sandbox.example.com").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(!error(&refused.json().await.unwrap()).is_empty());
}

/// What of a request that was granted, or of its answer, is not as the document says.
pub(crate) fn contradiction(
    request: &Request,
    status: StatusCode,
    answer: &Value,
) -> Option<String> {
    let Some(operation) = operation(request) else {
        let gone = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::FORBIDDEN];
        return (!gone.contains(&status)).then(|| "the route is not documented".to_owned());
    };
    let responses = &operation["responses"];
    let documented = match responses.get(status.as_str()) {
        None if status.is_success() => return Some(format!("{status} is not documented")),
        None => followed(&responses["default"]),
        Some(documented) => documented,
    };
    let kind = "application/json";
    if let Some(wrong) = invalid(&documented["content"][kind]["schema"], answer) {
        return Some(format!("the answer: {wrong}"));
    }
    if !status.is_success() {
        return None;
    }
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let named: Vec<&Value> = parameters.filter(|one| one["in"] == "query").collect();
    for (name, _) in request.url().query_pairs() {
        if !named.iter().any(|one| one["name"] == *name) {
            return Some(format!("`{name}` is not documented"));
        }
    }
    let schema = &operation["requestBody"]["content"][kind]["schema"];
    let body = request.body().and_then(|body| serde_json::from_slice(body.as_bytes()?).ok());
    body.filter(|_| schema.is_object())
        .and_then(|body: Value| invalid(schema, &body))
        .map(|wrong| format!("the request: {wrong}"))
}

/// What a reference leads to.
fn followed(reference: &Value) -> &Value {
    let place = reference["$ref"].as_str().unwrap().trim_start_matches('#');
    DOCUMENT.pointer(place).unwrap()
}

fn invalid(schema: &Value, value: &Value) -> Option<String> {
    let mut schema = schema.clone();
    let Some(inside) = schema.as_object_mut() else { return Some("no schema".to_owned()) };
    inside.insert("components".to_owned(), DOCUMENT["components"].clone());
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.validate(value).err().map(|error| format!("{error} at {}", error.instance_path))
}

/// The operation that a request is for.
fn operation(request: &Request) -> Option<&'static Value> {
    let asked: Vec<&str> = request.url().path().split('/').collect();
    let fits = |path: &str| {
        let parts: Vec<&str> = path.split('/').collect();
        let same = |(part, asked): (&&str, &&str)| part == asked || part.starts_with('{');
        parts.len() == asked.len() && parts.iter().zip(&asked).all(same)
    };
    let method = request.method().as_str().to_lowercase();
    operations().find(|(known, path, _)| *known == method && fits(path)).map(|(.., found)| found)
}

/// Every operation: its method, its path, what is said of it.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let known = |method| Some((method, path.as_str(), item.get(method)?));
        METHODS.into_iter().filter_map(known)
    })
}
