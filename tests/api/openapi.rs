//! The served document: against the one in `docs/`, and against the data of the contract.

use std::{env, fs, path::Path};

use serde_json::{Map, Value, json};

use crate::{
    app::TestApp,
    operations::{Operation, SURFACE, documented},
};

/// Operations that this release offers.
const OFFERED: [&str; 17] = [
    "listSessions",
    "createSession",
    "getSession",
    "deleteSession",
    "startSession",
    "stopSession",
    "restartSession",
    "logoutSession",
    "sessionQR",
    "sessionPairingCode",
    "sessionMe",
    "listGroups",
    "getGroup",
    "listGroupMembers",
    "updateGroup",
    "getGroupInvite",
    "revokeGroupInvite",
];

#[tokio::test]
async fn the_served_document_is_the_one_in_docs() {
    let app = TestApp::start().await;
    let served =
        String::from_utf8(app.running.get("/api/v1/openapi.json").await.expect(200).bytes).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if env::var_os("UPDATE").is_some() {
        fs::write(&golden, &served).unwrap();
    }
    let kept = fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        kept == served,
        "docs/openapi.json is not what is served: run the tests with UPDATE=1 and look at the change"
    );
}

#[test]
fn the_document_holds_against_the_contract() {
    let document: Value = serde_json::from_str(&wharf::document_text(&wharf::document())).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut shortfalls = Vec::new();
    let mut held = 0;
    for wanted in SURFACE["operations"].as_array().unwrap() {
        let id = text(wanted, "operationId");
        if OFFERED.contains(&id) {
            held += 1;
            operation(&SURFACE, &document, wanted, &mut shortfalls);
        }
    }
    assert_eq!(held, OFFERED.len());
    assert!(shortfalls.is_empty(), "{}", shortfalls.join("\n"));
}

#[test]
fn every_operation_of_the_contract_that_is_served_is_held_to_it() {
    for operation in documented() {
        let held = OFFERED.contains(&operation.id);
        assert_eq!(operation.contract().is_some(), held, "{}", operation.id);
    }
}

#[test]
fn a_shortfall_of_the_document_is_found() {
    let sound: Value = serde_json::from_str(&wharf::document_text(&wharf::document())).unwrap();
    let found = |pointer: &str, value: Value| {
        let mut document = sound.clone();
        *document.pointer_mut(pointer).expect(pointer) = value;
        let mut shortfalls = Vec::new();
        for wanted in SURFACE["operations"].as_array().unwrap() {
            if OFFERED.contains(&text(wanted, "operationId")) {
                operation(&SURFACE, &document, wanted, &mut shortfalls);
            }
        }
        shortfalls
    };
    assert_eq!(found("/openapi", json!("3.1.0")), Vec::<String>::new());
    let group = "/paths/~1api~1v1~1sessions~1{session}~1groups~1{gid}";
    for (pointer, value) in [
        (format!("{group}/patch/operationId"), json!("changeGroup")),
        (format!("{group}/patch/responses/204"), Value::Null),
        (format!("{group}/patch/responses/501"), Value::Null),
        (format!("{group}/patch/parameters/1/in"), json!("query")),
        (format!("{group}~1members/get/parameters/3/name"), json!("offset")),
        (
            "/components/schemas/UpdateGroupInputBody/properties/subject/type".into(),
            json!("integer"),
        ),
        ("/components/schemas/GroupRole/enum".into(), json!(["member"])),
        ("/components/schemas/ListGroup/required".into(), json!(["nextCursor"])),
        ("/components/schemas/Group/properties/groupJid".into(), Value::Null),
    ] {
        assert!(!found(&pointer, value).is_empty(), "{pointer}");
    }
}

#[test]
fn nothing_in_the_document_may_be_null_and_nothing_is_promised_without_a_shape() {
    let document: Value = serde_json::from_str(&wharf::document_text(&wharf::document())).unwrap();
    assert!(!document["components"]["schemas"].to_string().contains("\"null\""));
    for Operation { id, method, template, .. } in documented() {
        let responses = document["paths"][template][method.to_lowercase()]["responses"].clone();
        for (status, response) in responses.as_object().unwrap() {
            let content = response["content"].as_object();
            assert_eq!(content.is_some(), status != "204", "{id} {status}");
            for (media, form) in content.into_iter().flatten() {
                assert!(form["schema"].is_object(), "{id} {status} {media}");
            }
        }
    }
}

fn operation(surface: &Value, document: &Value, wanted: &Value, out: &mut Vec<String>) {
    let id = text(wanted, "operationId");
    let have = &document["paths"][text(wanted, "path")][text(wanted, "method").to_lowercase()];
    if have["operationId"] != id {
        out.push(format!("{id}: is not at its path"));
        return;
    }
    parameters(surface, wanted, have, out);
    if let Some(request) = wanted.get("request") {
        let body = &have["requestBody"]["content"][text(request, "contentType")]["schema"];
        Comparison { surface, document, answer: false, out }.schema(
            &request["schema"],
            body,
            &format!("{id} request"),
        );
    }
    let success = &have["responses"][wanted["success"].to_string()];
    if success.is_null() {
        out.push(format!("{id}: promises no {}", wanted["success"]));
    }
    if let Some(response) = wanted.get("response") {
        let body = &success["content"]["application/json"]["schema"];
        Comparison { surface, document, answer: true, out }.schema(
            response,
            body,
            &format!("{id} response"),
        );
    }
    let conditional = [
        ("400", wanted.get("request").is_some()),
        ("404", text(wanted, "path").contains('{')),
        ("501", wanted["live"] == true),
    ];
    let conditional = conditional.into_iter().filter(|(_, due)| *due).map(|(code, _)| code);
    for code in ["401", "403"].into_iter().chain(conditional) {
        if have["responses"][code]["content"].as_object().is_none_or(Map::is_empty) {
            out.push(format!("{id}: documents no {code} with a body"));
        }
    }
}

/// Those of the contract, those of the path, and for a list those of its pages.
fn parameters(surface: &Value, wanted: &Value, have: &Value, out: &mut Vec<String>) {
    let id = text(wanted, "operationId");
    let listed = list(wanted, "parameters");
    let mut due: Vec<(&str, &str, Option<&str>)> = listed
        .iter()
        .map(|one| (text(one, "in"), text(one, "name"), one["type"].as_str()))
        .collect();
    let segments = text(wanted, "path").split('{').skip(1);
    due.extend(segments.filter_map(|rest| Some(("path", rest.split_once('}')?.0, Some("string")))));
    let response = wanted.get("response").map(|schema| resolved(&surface["schemas"], schema));
    if response.is_some_and(|schema| !schema["properties"]["nextCursor"].is_null()) {
        due.push(("query", "limit", Some("integer")));
        due.push(("query", "cursor", Some("string")));
    }
    for (place, name, kind_wanted) in due {
        let found =
            list(have, "parameters").iter().find(|one| one["in"] == place && one["name"] == name);
        match found {
            None => out.push(format!("{id}: takes no `{name}` in its {place}")),
            Some(one) if place == "path" && one["required"] != true => {
                out.push(format!("{id}: `{name}` of its path is optional"));
            }
            Some(one) if kind_wanted.is_some() && kind(&one["schema"]) != kind_wanted => {
                out.push(format!("{id}: `{name}` is {:?}", kind(&one["schema"])));
            }
            Some(_) => {}
        }
    }
}

/// One schema of the contract beside one of the document.
struct Comparison<'a> {
    surface: &'a Value,
    document: &'a Value,
    /// Responses promise, requests accept.
    answer: bool,
    out: &'a mut Vec<String>,
}

impl Comparison<'_> {
    fn schema(&mut self, wanted: &Value, have: &Value, place: &str) {
        let wanted = resolved(&self.surface["schemas"], wanted);
        let have = resolved(&self.document["components"]["schemas"], have);
        let (kind, found) = (kind(&wanted), kind(&have));
        if kind != found {
            self.out.push(format!("{place}: is {found:?}, wanted {kind:?}"));
            return;
        }
        for value in list(&wanted, "enum") {
            if !list(&have, "enum").contains(value) {
                self.out.push(format!("{place}: lacks {value}"));
            }
        }
        if let Some(items) = wanted.get("items") {
            self.schema(items, &have["items"], &format!("{place}[]"));
        }
        let (must, given) = (list(&wanted, "required"), list(&have, "required"));
        if !self.answer {
            let surplus = given.iter().filter(|name| !must.contains(name));
            self.out.extend(
                surplus
                    .map(|name| format!("{place}.{name}: required, but optional in the contract")),
            );
        }
        for (name, sub) in wanted["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}.{name}");
            let Some(own) = have["properties"].get(name) else {
                self.out.push(format!("{place}: missing"));
                continue;
            };
            if self.answer && must.contains(&json!(name)) && !given.contains(&json!(name)) {
                self.out.push(format!("{place}: always there in the contract, optional here"));
            }
            self.schema(sub, own, &place);
        }
    }
}

/// Follows references, and sees through "this or null".
fn resolved(schemas: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return resolved(schemas, &schemas[name]);
    }
    let choices: Vec<_> =
        list(schema, "oneOf").iter().filter(|one| one["type"] != "null").collect();
    match choices[..] {
        [only] => resolved(schemas, only),
        _ => schema.clone(),
    }
}

fn kind(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    }
}

fn list<'a>(schema: &'a Value, name: &str) -> &'a [Value] {
    schema[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}
