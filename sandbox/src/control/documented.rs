//! `/admin/openapi.json`: what the control API looks like, from the routes themselves.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use utoipa::openapi::{self, ContentBuilder, PathItem, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::Shared;

/// The description of the whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "wharf-sandbox",
        description = "The levers of a WhatsApp server for tests. It answers programs on the same machine."
    ),
    tags(
        (name = "phones", description = "Accounts, by the name of their phone"),
        (name = "linking", description = "Phones that link devices"),
        (name = "devices", description = "Linked devices and what they are told"),
        (name = "messages", description = "A phone as a person holds it"),
        (name = "profile", description = "What an account tells of itself"),
        (name = "tokens", description = "Privacy tokens, and the accounts that demand them"),
        (name = "settings", description = "What a phone shares with its devices"),
        (name = "groups", description = "Groups and their members"),
        (name = "newsletters", description = "Newsletters, their followers and messages"),
        (name = "pictures", description = "Pictures of accounts and groups"),
        (name = "media", description = "Files that clients upload and fetch"),
        (name = "network", description = "Connections, and how they end"),
        (name = "faults", description = "Requests and logins that are to go wrong"),
        (name = "journal", description = "What the server applied"),
        (name = "server", description = "The server itself"),
    ),
    components(schemas(ErrorBody)),
)]
struct Description;

/// The routes of this file.
pub(super) fn router() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(document))
}

/// Describe the control API: this document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "server",
    responses((status = 200, body = Object, description = "An OpenAPI 3.1 document"), Refused))]
async fn document() -> Response {
    // Made for the first who asks: most servers are never asked.
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| text().into());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.clone()).into_response()
}

fn text() -> String {
    let described: openapi::OpenApi = super::routes().into_openapi();
    let mut document = Description::openapi().nest(super::ADMIN, described);
    document.components.get_or_insert_default().responses.insert(REFUSED.to_owned(), refused());
    document.paths.paths.values_mut().for_each(describe);
    let mut text = document.to_pretty_json().expect("a document made of strings is JSON");
    text.push('\n');
    text
}

/// What stands in a path is the same everywhere.
fn describe(item: &mut PathItem) {
    let operations =
        [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
    for parameter in operations.into_iter().flatten().flat_map(|one| &mut one.parameters).flatten()
    {
        parameter.description = match parameter.name.as_str() {
            "name" => Some("Name of the phone's account.".to_owned()),
            "device" => Some("The device's number.".to_owned()),
            "gid" => Some("The group's JID, `<digits>@g.us`.".to_owned()),
            "jid" => Some("The newsletter's JID, `<digits>@newsletter`.".to_owned()),
            "number" => Some("The message's number in its newsletter.".to_owned()),
            _ => parameter.description.take(),
        };
    }
}

/// Why a request failed.
#[derive(ToSchema)]
#[schema(as = Error)]
#[expect(dead_code, reason = "only the document reads it")]
struct ErrorBody {
    /// In words; it names the field that is wrong.
    error: String,
}

/// Name of the answer in the place of what was asked for.
const REFUSED: &str = "Refused";

fn refused() -> RefOr<openapi::Response> {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Error")))
        .example(Some(json!({ "error": "`name`: there is no phone `shop`" })))
        .build();
    ResponseBuilder::new()
        .description(
            "400: something is malformed; 403: a group's rules forbid it, or the caller is no program on this machine; \
             404: something is unknown; 405: the route has no such method; 408: a device did not do its part in time; \
             409: it is already so, or not possible now",
        )
        .content("application/json", content)
        .build()
        .into()
}

/// What every route may answer in the place of what was asked for.
pub(super) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        BTreeMap::from([("default".to_owned(), Ref::from_response_name(REFUSED).into())])
    }
}
