//! The operations of the served document, and what the contract's data says of them: tests that hold for every operation
//! read them here, so that a new one is covered from its first day.

use std::sync::LazyLock;

use serde_json::{Value, json};
use wharf_storage::Capability;

use crate::app::UNKNOWN_GROUP;

/// The data of the contract.
pub(crate) static SURFACE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../contract/surface.json")).unwrap());

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&wharf::document_text(&wharf::document())).unwrap());

/// Operations that the contract leaves to the text, with what they need.
const BESIDE: [(&str, Capability); 7] = [
    ("listApiKeys", Capability::Manage),
    ("createApiKey", Capability::Manage),
    ("deleteApiKey", Capability::Manage),
    ("listEvents", Capability::Events),
    ("sessionResources", Capability::Read),
    ("updateSession", Capability::Manage),
    ("listAudit", Capability::Manage),
];

/// An operation as it is documented.
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) method: String,
    pub(crate) template: &'static str,
    /// Whether it wants no credential.
    pub(crate) public: bool,
    /// The properties of its JSON body, if it takes one.
    pub(crate) fields: Option<&'static serde_json::Map<String, Value>>,
    description: &'static Value,
}

impl Operation {
    /// Its path for this session and group; any other parameter is `x`.
    pub(crate) fn path(&self, session: &str, group: &str) -> String {
        self.template.replace("{session}", session).replace("{gid}", group).replace("{id}", "x")
    }

    /// Its path for a session and a group that there are not.
    pub(crate) fn anywhere(&self) -> String {
        self.path("x", UNKNOWN_GROUP)
    }

    /// The least that it takes as a body, if it takes one.
    pub(crate) fn body(&self) -> Option<Value> {
        self.fields.map(|_| match self.id {
            "sessionPairingCode" => json!({"phone": "15550000001"}),
            _ => json!({}),
        })
    }

    /// The status with which it succeeds.
    pub(crate) fn success(&self) -> u16 {
        let promised = self.description["responses"].as_object().unwrap().keys();
        let mut successes = promised.filter(|status| status.starts_with('2'));
        successes.next().expect("it can succeed").parse().unwrap()
    }

    pub(crate) fn has(&self, parameter: &str) -> bool {
        self.template.contains(&format!("{{{parameter}}}"))
    }

    /// Whether it takes this in its query.
    pub(crate) fn asks(&self, name: &str) -> bool {
        let parameters = self.description["parameters"].as_array().into_iter().flatten();
        parameters.filter(|one| one["in"] == "query").any(|one| one["name"] == name)
    }

    /// What the contract's data says of it.
    pub(crate) fn contract(&self) -> Option<&'static Value> {
        let all = SURFACE["operations"].as_array().unwrap();
        all.iter().find(|one| one["operationId"] == self.id)
    }

    /// Whether it needs a session that is connected.
    pub(crate) fn is_live(&self) -> bool {
        self.contract().is_some_and(|contract| contract["live"] == true)
    }

    /// What a credential needs for it; `None` for one that is public.
    pub(crate) fn capability(&self) -> Option<Capability> {
        let named = self.contract().map(|contract| contract["capability"].as_str().unwrap());
        match named {
            Some(name) => Some(serde_json::from_value(json!(name)).expect("a capability of ours")),
            None if self.public => None,
            None => {
                let beside = BESIDE.iter().find(|(id, _)| *id == self.id);
                Some(beside.unwrap_or_else(|| panic!("nothing is said of `{}`", self.id)).1)
            }
        }
    }
}

/// Every operation that is served.
pub(crate) fn documented() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(template, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, description)| operation(template, method, description))
    });
    all.collect()
}

/// Those that are about one session, or about a part of it.
pub(crate) fn of_sessions() -> Vec<Operation> {
    documented().into_iter().filter(|operation| operation.has("session")).collect()
}

fn operation(template: &'static str, method: &str, description: &'static Value) -> Operation {
    let schema = &description["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let fields = schema.as_str().map(|reference| {
        let name = reference.rsplit('/').next().unwrap();
        DOCUMENT["components"]["schemas"][name]["properties"].as_object().unwrap()
    });
    Operation {
        id: description["operationId"].as_str().unwrap(),
        method: method.to_uppercase(),
        template,
        public: description["security"] == json!([{}]),
        fields,
        description,
    }
}
