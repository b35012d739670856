//! The errors that an operation's documentation lists, in groups that follow from what the operation does.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::{
    IntoResponses,
    openapi::{
        ContentBuilder, Header, Object, Ref, RefOr, ResponseBuilder, Type, response::Response,
    },
};

use super::Code;

type Responses = BTreeMap<String, RefOr<Response>>;

fn responses(listed: &[(Code, &str)]) -> Responses {
    listed
        .iter()
        .map(|(code, description)| {
            let content = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("ApiError")))
                .example(Some(json!({"error": {"code": code, "message": description}})))
                .build();
            let response = ResponseBuilder::new()
                .description(*description)
                .content("application/json", content);
            let response = match header(*code) {
                Some((name, header)) => response.header(name, header),
                None => response,
            };
            (code.status().as_str().to_owned(), response.build().into())
        })
        .collect()
}

/// The header that an answer with this code always has.
fn header(code: Code) -> Option<(&'static str, Header)> {
    let (name, form, description) = match code {
        Code::Unauthorized => ("WWW-Authenticate", Type::String, "What is accepted: `Bearer`"),
        Code::RateLimited | Code::GatewayUnavailable => {
            ("Retry-After", Type::Integer, "Seconds to wait")
        }
        _ => return None,
    };
    let mut header = Header::new(Object::with_type(form));
    header.description = Some(description.to_owned());
    Some((name, header))
}

/// What every operation may answer, because it surrounds them all.
pub(crate) struct Anywhere;

impl IntoResponses for Anywhere {
    fn responses() -> Responses {
        responses(&[
            (Code::PayloadTooLarge, "The body is larger than 1 MiB"),
            (Code::Internal, "A fault of the gateway"),
            (
                Code::GatewayUnavailable,
                "Draining, overloaded, or without room to store anything: try again after `Retry-After` seconds",
            ),
        ])
    }
}

/// What every operation behind a credential may answer.
pub(crate) struct Always;

impl IntoResponses for Always {
    fn responses() -> Responses {
        let mut all = Anywhere::responses();
        all.extend(responses(&[
            (Code::Unauthorized, "There is no credential, or it does not verify"),
            (
                Code::Forbidden,
                "The credential lacks the capability, or WhatsApp refused this account",
            ),
            (
                Code::RateLimited,
                "Too many failed authentications from this address: wait `Retry-After` seconds",
            ),
        ]));
        all
    }
}

/// What operations that add load may answer: what all may, of which one has more reasons.
pub(crate) struct Admitted;

impl IntoResponses for Admitted {
    fn responses() -> Responses {
        responses(&[(
            Code::GatewayUnavailable,
            "Draining or overloaded, or the gateway takes on nothing more (`details.reason` is `disk`, `store`, `max_sessions`, `max_memory` or `max_descriptors`): try again after `Retry-After` seconds",
        )])
    }
}

/// What operations with a checked path or query may answer.
pub(crate) struct InvalidInput;

impl IntoResponses for InvalidInput {
    fn responses() -> Responses {
        responses(&[(
            Code::ValidationError,
            "The request breaks a rule; `details.errors` names each field",
        )])
    }
}

/// What operations with a body may answer.
pub(crate) struct InvalidBody;

impl IntoResponses for InvalidBody {
    fn responses() -> Responses {
        responses(&[
            (Code::ValidationError, "The request breaks a rule; `details.errors` names each field"),
            (Code::UnsupportedMediaType, "The body is not JSON"),
        ])
    }
}

/// What operations on one thing may answer.
pub(crate) struct Missing;

impl IntoResponses for Missing {
    fn responses() -> Responses {
        responses(&[(Code::NotFound, "There is no such thing in this organization")])
    }
}

/// What operations with a cursor into something that is not kept for ever may answer.
pub(crate) struct Aged;

impl IntoResponses for Aged {
    fn responses() -> Responses {
        responses(&[(Code::Gone, "What the cursor stands at is no longer kept")])
    }
}

/// What operations that a state forbids may answer.
pub(crate) struct Conflicts;

impl IntoResponses for Conflicts {
    fn responses() -> Responses {
        responses(&[(Code::Conflict, "The state forbids it")])
    }
}

/// What operations that ask WhatsApp may answer.
pub(crate) struct Live;

impl IntoResponses for Live {
    fn responses() -> Responses {
        responses(&[
            (
                Code::RateLimited,
                "Too much at once, for the gateway or for WhatsApp: wait `Retry-After` seconds",
            ),
            (
                Code::NotImplemented,
                "The session is not connected; `details.status` says what it is",
            ),
            (
                Code::UpstreamError,
                "WhatsApp answered with something unexpected (`details.whatsappCode`)",
            ),
            (Code::UpstreamTimeout, "WhatsApp did not answer in time"),
        ])
    }
}
