//! Switches that the server sets for an account's clients (AB props), by the numbers that the clients know them under.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wacore::iq::abprops::web;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::stanza;
use crate::state::{DeviceAddr, State};

/// Seconds after which a client is to ask again.
const REFRESH: u32 = 86_400;

/// Switches that every account has unless they are set otherwise: its clients send trusted-contact tokens (the real server
/// says so, and Baileys `chats.js` takes it for granted).
const USUAL: [(u32, &str); 1] = [(web::PRIVACY_TOKEN_SENDING_ON_ALL_1_ON_1_MESSAGES.code, "1")];

/// The switches of an account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Props {
    values: BTreeMap<u32, String>,
    /// How often they were changed.
    changes: u64,
}

impl Props {
    /// Sets one.
    pub(crate) fn set(&mut self, code: u32, value: &str) {
        self.values.insert(code, value.to_owned());
        self.changes += 1;
    }

    /// All that were set.
    pub(crate) fn all(&self) -> &BTreeMap<u32, String> {
        &self.values
    }

    /// One that was set to a number.
    pub(crate) fn number(&self, code: u32) -> Option<i64> {
        self.values.get(&code)?.parse().ok()
    }

    /// All that a client is told.
    fn told(&self) -> impl Iterator<Item = (u32, &str)> {
        let usual = USUAL.iter().filter(|(code, _)| !self.values.contains_key(code)).copied();
        usual.chain(self.values.iter().map(|(code, value)| (*code, value.as_str())))
    }

    /// Names this state of them.
    fn hash(&self) -> String {
        format!("sandbox-{}", self.changes)
    }
}

/// Answers a client that asks for its switches. One that has them already is told that nothing has changed (wacore
/// `iq/props.rs`: an answer that is no delta takes the place of everything before).
pub(super) fn answer(state: &State, from: DeviceAddr, iq: &Node) -> Option<Node> {
    let request = iq.get_optional_child("props")?;
    if stanza::attr(iq, "type")? != "get" {
        return None;
    }
    let props = &state.accounts.get(from.account)?.props;
    let hash = props.hash();
    let known = stanza::attr(request, "hash").as_deref() == Some(&hash);
    let prop = |(code, value): (u32, &str)| {
        NodeBuilder::new("prop").attr("config_code", code).attr("config_value", value).build()
    };
    let changed = props.told().filter(|_| !known).map(prop);
    let answer = NodeBuilder::new("props")
        .attr("protocol", "1")
        .attr("ab_key", "sandbox")
        .attr("hash", hash)
        .attr("refresh", REFRESH)
        .attr("delta_update", if known { "true" } else { "false" })
        .children(changed);
    Some(stanza::result_with(iq, answer.build()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_the_switches_gets_none() {
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        let from = DeviceAddr { account, device: 1 };
        let ask = |state: &State, hash: &str| {
            let props = NodeBuilder::new("props").attr("hash", hash).build();
            let iq = NodeBuilder::new("iq").attr("type", "get").children([props]).build();
            let reply = answer(state, from, &iq).expect("an answer");
            let props = reply.get_optional_child("props").expect("props").clone();
            let count = props.children().unwrap_or_default().len();
            let delta = stanza::attr(&props, "delta_update").expect("said") == "true";
            (count, delta, stanza::attr(&props, "hash").expect("a hash"))
        };
        let (count, delta, before) = ask(&state, "");
        assert_eq!((count, delta), (USUAL.len(), false));
        state.accounts.get_mut(account).expect("known").props.set(7, "on");
        let (count, delta, after) = ask(&state, &before);
        assert_eq!((count, delta), (USUAL.len() + 1, false));
        assert_eq!(ask(&state, &after), (0, true, after.clone()));
        state.accounts.get_mut(account).expect("known").props.set(USUAL[0].0, "0");
        assert_eq!(ask(&state, "").0, USUAL.len() + 1, "each once");
    }
}
