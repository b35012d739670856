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
use crate::newsletters;
use crate::stanza::{self, Answer, Push};
use crate::state::{DeviceAddr, State};

/// What a query has in it.
type Object = serde_json::Map<String, Value>;

/// Answers a query; one that the server does not know counts among what it does not know.
pub(crate) fn answer(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Answer> {
    let query = stanza::first_child(iq).filter(|child| child.tag == "query")?;
    let document = stanza::attr(query, "query_id")?;
    let body = stanza::bytes(query).and_then(|body| serde_json::from_slice::<Object>(body).ok());
    let variables = body.map(|mut body| body.remove("variables").unwrap_or_default());
    let newsletters = variables
        .as_ref()
        .and_then(|variables| newsletters::graph::answer(state, from, &document, variables));
    let data = match (document.as_str(), variables) {
        _ if let Some(outcome) = newsletters => outcome,
        (_, None) => Err(Refusal::BadRequest),
        (fetch_all_subgroups::DOC_ID, Some(variables)) => {
            communities::subgroups(state, &from, &variables).map(alone)
        }
        (query_subgroup_participant_count::DOC_ID, Some(variables)) => {
            communities::counts(state, &from, &variables).map(alone)
        }
        (unknown, Some(_)) => {
            state.oddities.iq(&format!("w:mex {unknown}"));
            warn!(document = unknown, "unknown GraphQL document `{unknown}`");
            let error = failure(501, "unknown query: document not found");
            return Some(stanza::result_with(iq, content(&error)).into());
        }
    };
    let (body, pushes) = match data {
        Ok((data, pushes)) => (json!({ "data": data }), pushes),
        Err(refusal) => (failure(refusal.code(), &refusal.to_string()), Vec::new()),
    };
    Some(Answer { reply: stanza::result_with(iq, content(&body)), pushes })
}

/// Nobody else hears of it.
fn alone(data: Value) -> (Value, Vec<Push>) {
    (data, Vec::new())
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
