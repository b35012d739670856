//! A valid request for every operation that wants a credential, on things that there are.

use serde_json::{Value, json};

use crate::{
    app::TestApp,
    operations::{Operation, documented},
};

/// Operations that are open to everybody, and meant to be.
pub(super) const PUBLIC: [&str; 4] = ["health", "openapi", "ready", "version"];

/// What an operation is tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// Nothing in particular.
    All,
    /// A session that works, and a group of it.
    Linked,
    /// A session of its own, because it will be another one afterwards.
    Fresh,
    /// A session of its own whose code is there to be scanned.
    Scannable,
    /// A key of its own.
    Key,
}

/// How an operation is tried.
pub(super) struct Example {
    id: &'static str,
    on: On,
    /// Whether it is about the whole organization, out of bounds for a key that is confined to some sessions.
    pub(super) whole: bool,
    /// The body, which may name the session.
    body: Option<fn(&str) -> Value>,
}

/// What a request names.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    pub(super) session: String,
    pub(super) group: String,
    pub(super) key: String,
}

const fn example(id: &'static str, on: On) -> Example {
    Example { id, on, whole: false, body: None }
}

impl Example {
    const fn of_the_organization(self) -> Self {
        Self { whole: true, ..self }
    }

    const fn with(self, body: fn(&str) -> Value) -> Self {
        Self { body: Some(body), ..self }
    }
}

static EXAMPLES: [Example; 24] = [
    example("createApiKey", On::Linked).of_the_organization().with(
        |session| json!({"name": "example", "permissions": ["manage"], "sessions": [session]}),
    ),
    example("createSession", On::All).of_the_organization().with(|_| json!({"label": "example"})),
    example("deleteApiKey", On::Key).of_the_organization(),
    example("deleteSession", On::Fresh),
    example("getGroup", On::Linked),
    example("getGroupInvite", On::Linked),
    example("getSession", On::Linked),
    example("listApiKeys", On::All).of_the_organization(),
    example("listAudit", On::All).of_the_organization(),
    example("listEvents", On::All),
    example("listGroupMembers", On::Linked),
    example("listGroups", On::Linked),
    example("listSessions", On::All),
    example("logoutSession", On::Fresh),
    example("restartSession", On::Fresh),
    example("revokeGroupInvite", On::Linked),
    example("sessionMe", On::Linked),
    example("sessionPairingCode", On::Fresh).with(|_| json!({"phone": "15550000001"})),
    example("sessionResources", On::Linked),
    example("sessionQR", On::Scannable),
    example("startSession", On::Fresh),
    example("stopSession", On::Fresh),
    example("updateGroup", On::Linked).with(|_| json!({"announce": true})),
    example("updateSession", On::Fresh).with(|_| json!({"label": "example", "ratePerMin": 5})),
];

/// Every operation that wants a credential, with its example.
///
/// # Panics
/// When an operation has none, or an example no operation.
pub(super) fn examples() -> Vec<(Operation, &'static Example)> {
    let operations = documented();
    for example in &EXAMPLES {
        let served = operations.iter().any(|operation| operation.id == example.id);
        assert!(served, "`{}` has an example, but is not served", example.id);
    }
    let mut found = Vec::new();
    for operation in operations {
        let open = PUBLIC.contains(&operation.id);
        assert_eq!(operation.public, open, "`{}`: is it for everybody? See `PUBLIC`", operation.id);
        if open {
            continue;
        }
        let example = EXAMPLES.iter().find(|example| example.id == operation.id);
        let example = example.unwrap_or_else(|| {
            panic!(
                "`{}` is served: give it an example in tests/api/isolation/examples.rs",
                operation.id
            )
        });
        assert_eq!(
            operation.fields.is_some(),
            example.body.is_some(),
            "`{}`: does it take a body?",
            operation.id
        );
        found.push((operation, example));
    }
    found
}

impl Example {
    /// What it is tried on: of the linked session, or made for it.
    pub(super) async fn objects(&self, app: &TestApp, linked: &Objects) -> Objects {
        let mut objects = linked.clone();
        match self.on {
            On::All | On::Linked => {}
            On::Fresh | On::Scannable => {
                let start = self.on == On::Scannable;
                let made = app.running.post("/api/v1/sessions", json!({"start": start})).await;
                made.expect(201).body["id"].as_str().unwrap().clone_into(&mut objects.session);
                if start {
                    app.code(&objects.session).await;
                }
            }
            On::Key => {
                let wanted = json!({"name": "example", "permissions": ["read"]});
                let made = app.running.post("/api/v1/api-keys", wanted).await;
                made.expect(201).body["id"].as_str().unwrap().clone_into(&mut objects.key);
            }
        }
        objects
    }

    pub(super) fn body(&self, objects: &Objects) -> Option<Value> {
        self.body.map(|body| body(&objects.session))
    }

    /// Whether its request names something that an organization has.
    pub(super) fn names_something(&self) -> bool {
        self.on != On::All
    }
}

impl Objects {
    /// The operation's path for these.
    pub(super) fn path(&self, operation: &Operation) -> String {
        let path = operation.template.replace("{session}", &self.session);
        let path = path.replace("{gid}", &self.group).replace("{id}", &self.key);
        assert!(!path.contains('{'), "`{}`: what stands for a parameter of {path}?", operation.id);
        path
    }
}
