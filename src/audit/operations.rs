//! Which operations the audit log notes.

use std::{collections::HashMap, sync::LazyLock};

use axum::http::Method;
use utoipa::openapi::OpenApi;

use crate::api;

/// Operations that are noted although they are a GET, because they have an effect: this one begins pairing.
const EFFECTFUL: [&str; 1] = ["sessionQR"];

/// Every operation that is noted, by its route.
static NOTED: LazyLock<HashMap<String, Vec<(Method, String)>>> =
    LazyLock::new(|| noted(&api::routed_document()));

/// The id of the operation, if it is one that is noted.
pub(crate) fn operation(route: &str, method: &Method) -> Option<&'static str> {
    // The router answers a HEAD by what answers a GET.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let (_, id) = NOTED.get(route)?.iter().find(|(noted, _)| noted == method)?;
    Some(id)
}

fn noted(document: &OpenApi) -> HashMap<String, Vec<(Method, String)>> {
    let mut noted: HashMap<_, Vec<_>> = HashMap::new();
    for (route, item) in &document.paths.paths {
        let operations = [
            (Method::GET, &item.get),
            (Method::POST, &item.post),
            (Method::PUT, &item.put),
            (Method::PATCH, &item.patch),
            (Method::DELETE, &item.delete),
        ];
        for (method, operation) in operations {
            let id = operation.as_ref().and_then(|operation| operation.operation_id.clone());
            if let Some(id) = id
                && (method != Method::GET || EFFECTFUL.contains(&id.as_str()))
            {
                noted.entry(route.clone()).or_default().push((method, id));
            }
        }
    }
    noted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_changes_something_is_noted_and_the_start_of_pairing_is() {
        let session = "/api/v1/sessions/{session}";
        assert_eq!(operation(session, &Method::PATCH), Some("updateSession"));
        assert_eq!(operation(session, &Method::DELETE), Some("deleteSession"));
        assert_eq!(operation(&format!("{session}/~start"), &Method::POST), Some("startSession"));
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(operation(&format!("{session}/qr"), &method), Some("sessionQR"));
            assert_eq!(operation(session, &method), None);
        }
        assert_eq!(operation("/nowhere", &Method::POST), None);
    }
}
