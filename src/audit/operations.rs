//! Which operations the audit log notes.

use std::{collections::HashMap, sync::Arc};

use axum::http::Method;
use utoipa::openapi::OpenApi;

/// Operations that are noted although they are a GET, because they have an effect: this one begins pairing.
const EFFECTFUL: [&str; 1] = ["sessionQR"];

/// Every operation that is noted, by its route.
#[derive(Debug, Default)]
pub(crate) struct Audited(HashMap<String, Vec<(Method, Arc<str>)>>);

impl Audited {
    /// Those of a document whose paths are as the router knows them.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for (route, item) in &document.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in operations {
                let id = operation.as_ref().and_then(|operation| operation.operation_id.as_deref());
                if let Some(id) = id.filter(|id| method != Method::GET || EFFECTFUL.contains(id)) {
                    all.entry(route.clone()).or_default().push((method, id.into()));
                }
            }
        }
        Self(all)
    }

    /// The id of the operation, if it is noted.
    pub(crate) fn operation(&self, route: &str, method: &Method) -> Option<Arc<str>> {
        // The router answers a HEAD by what answers a GET.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let known = self.0.get(route)?.iter().find(|(known, _)| known == method)?;
        Some(Arc::clone(&known.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_changes_something_is_noted_and_the_start_of_pairing_is() {
        let audited = Audited::of(&crate::api::routed_document());
        let noted = |method, route| audited.operation(route, &method).map(|id| id.to_string());
        let session = "/api/v1/sessions/{session}";
        assert_eq!(noted(Method::PATCH, session).as_deref(), Some("updateSession"));
        assert_eq!(noted(Method::DELETE, session).as_deref(), Some("deleteSession"));
        let start = format!("{session}/~start");
        assert_eq!(noted(Method::POST, &start).as_deref(), Some("startSession"));
        let qr = format!("{session}/qr");
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(noted(method.clone(), &qr).as_deref(), Some("sessionQR"));
            assert_eq!(noted(method, session), None);
        }
        assert_eq!(noted(Method::POST, "/nowhere"), None);
    }
}
