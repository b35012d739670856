//! The GraphQL channel, namespace `w:mex`: a query by the number of its document, with variables in JSON; the answer is
//! JSON, too (wacore `iq/mex.rs`).
//!
//! A refusal is no error of the IQ, but one in the answer, with the number of the refusal as its `error_code`.

use serde_json::{Value, json};
use tracing::warn;
use wacore::iq::mex_operations::{fetch_all_subgroups, query_subgroup_participant_count};
use wacore_binary::Node;

use crate::groups::Refusal;
use crate::groups::community::graph as communities;
use crate::stanza::{self, Answer};
use crate::state::{DeviceAddr, State};

/// Answers a query; one that the server does not know counts among what it does not know.
pub(crate) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Answer> {
    let query = stanza::first_child(iq).filter(|child| child.tag == "query")?;
    let document = stanza::attr(query, "query_id")?;
    let body = stanza::bytes(query).and_then(|body| serde_json::from_slice::<Value>(body).ok());
    let variables = body.map(|mut body| body["variables"].take());
    let data = match (document.as_str(), variables) {
        (_, None) => Err(Refusal::BadRequest),
        (fetch_all_subgroups::DOC_ID, Some(variables)) => {
            communities::subgroups(state, &from, &variables)
        }
        (query_subgroup_participant_count::DOC_ID, Some(variables)) => {
            communities::counts(state, &from, &variables)
        }
        (unknown, Some(_)) => {
            state.unknown_iqs += 1;
            warn!(document = unknown, "unknown GraphQL document `{unknown}`");
            let error = failure(501, "unknown query: document not found");
            return Some(stanza::result_with(iq, content(&error)).into());
        }
    };
    let body = match data {
        Ok(data) => json!({ "data": data }),
        Err(refusal) => failure(refusal.code(), &refusal.to_string()),
    };
    Some(stanza::result_with(iq, content(&body)).into())
}

fn failure(code: u16, message: &str) -> Value {
    json!({ "data": null, "errors": [{
        "message": message,
        "extensions": {
            "error_code": code,
            "is_summary": false,
            "is_retryable": false,
            "severity": "CRITICAL",
        },
    }] })
}

fn content(body: &Value) -> Node {
    stanza::leaf("result", body.to_string())
}
