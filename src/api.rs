//! The HTTP surface: one line per resource, what surrounds them all, and the document that describes them.

mod audit;
mod docs;
mod events;
mod groups;
mod health;
mod keys;
mod picture;
mod sessions;

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware::from_fn_with_state};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, RefOr, Schema,
        schema::{SchemaType, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    AppState,
    error::{ApiError, Code, ErrorBody},
    request, verbs,
};

/// The description of the whole.
#[derive(OpenApi)]
#[openapi(
    info(title = "Wharf", description = "A WhatsApp gateway: many sessions, one REST API."),
    tags(
        (name = "sessions", description = "Linked WhatsApp accounts"),
        (name = "groups", description = "Groups of a session's account"),
        (name = "events", description = "What happened, in order"),
        (name = "keys", description = "Credentials of programs"),
        (name = "audit", description = "Who did what"),
        (name = "gateway", description = "The gateway itself"),
    ),
    components(schemas(ErrorBody)),
    security(("bearer" = []), ("apiKey" = [])),
    modifiers(&Credentials),
)]
struct Description;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A login token (JWT) or an API key. A login token with the role `super_admin` may name the \
                 organization to act in with the header `X-Organization`.",
            ))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key")));
        components.add_security_scheme("apiKey", header);
    }
}

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(sessions::router())
        .merge(groups::router())
        .merge(events::router())
        .merge(keys::router())
        .merge(audit::router())
        .merge(health::router())
        .merge(docs::router())
}

/// The document with the paths as the router knows them.
pub(crate) fn routed_document() -> openapi::OpenApi {
    routes().into_openapi()
}

/// The document with the paths as callers write them.
pub fn document() -> openapi::OpenApi {
    as_callers_write(routes().into_openapi())
}

fn as_callers_write(mut document: openapi::OpenApi) -> openapi::OpenApi {
    for schema in
        document.components.iter_mut().flat_map(|components| components.schemas.values_mut())
    {
        forget_null(schema);
    }
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths =
        paths.into_iter().map(|(path, item)| (verbs::documented(&path).to_owned(), item)).collect();
    document
}

/// An absent field is left out, and `null` is refused: what may be absent is optional, and never "this or null".
fn forget_null(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    for property in object.properties.values_mut() {
        let only = match property {
            RefOr::T(Schema::Object(field)) => {
                only_kind(&mut field.schema_type);
                None
            }
            RefOr::T(Schema::Array(field)) => {
                only_kind(&mut field.schema_type);
                None
            }
            RefOr::T(Schema::OneOf(choice)) => {
                choice.items.iter().find(|item| matches!(item, RefOr::Ref(_))).cloned()
            }
            _ => None,
        };
        if let Some(only) = only {
            *property = only;
        }
    }
}

/// "This or null" is this.
fn only_kind(schema_type: &mut SchemaType) {
    if let SchemaType::Array(kinds) = schema_type {
        let mut kinds = kinds.iter().filter(|kind| **kind != Type::Null);
        if let (Some(kind), None) = (kinds.next(), kinds.next()) {
            *schema_type = SchemaType::Type(kind.clone());
        }
    }
}

/// The whole service over the parts in `state`; no request takes longer than `time_limit`.
pub fn app(state: AppState, time_limit: Duration) -> Router {
    app_with(state, time_limit, Router::new())
}

/// [`app`] with routes of the embedder's own beside it, behind the same middleware. A handler that takes
/// [`crate::Authenticated`] is open to callers with the capability `read` alone.
pub fn app_with(state: AppState, time_limit: Duration, more: Router<AppState>) -> Router {
    let surroundings = Arc::new(request::Surroundings { time: time_limit, state: state.clone() });
    let (router, _) = routes().split_for_parts();
    let router = router
        .merge(more)
        .route_layer(from_fn_with_state(state.clone(), request::name_route))
        .fallback(async || ApiError::not_found("path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(Code::MethodNotAllowed, "the path has no such method")
        })
        .with_state(state);
    // Layers of a router run after its routing, so what must come before it sits on a router of its own.
    Router::new()
        .fallback_service(router)
        .layer(from_fn_with_state(surroundings, request::surround))
}

/// The document as it is served and printed.
///
/// # Panics
/// Never: a document made of strings is JSON.
pub fn text(document: &openapi::OpenApi) -> String {
    let mut text = document.to_pretty_json().expect("a document made of strings is JSON");
    text.push('\n');
    text
}
