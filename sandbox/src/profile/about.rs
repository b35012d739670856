//! The about: a line that people write under their name.

use serde::{Deserialize, Serialize};
use serde_json::json;
use wacore_binary::Node;

use super::{stanza as node, told};
use crate::groups::Refusal;
use crate::profile;
use crate::stanza::{self, Answer, Push};
use crate::state::{Account, AccountId, DeviceAddr, State};

/// Characters that the phone's own field takes.
const LONGEST: usize = 139;

/// A text, and when it was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// What it says; empty once it was taken away.
    pub(crate) text: String,
    /// Epoch seconds.
    pub(crate) at: i64,
}

/// Answers an IQ in `status`; `None` for what this server does not know (wacore `iq/profile.rs`).
pub(crate) fn about(state: &mut State, from: DeviceAddr, iq: &Node) -> Option<Answer> {
    if stanza::attr(iq, "type")? != "set" {
        return None;
    }
    let text = iq.get_optional_child("status").and_then(text).ok_or(Refusal::BadRequest);
    let set = text.and_then(|text| profile::change::about(state, from.account, &text));
    Some(match set {
        Ok(pushes) => Answer { reply: stanza::result(iq), pushes },
        Err(refusal) => stanza::error(iq, refusal.code(), &refusal.to_string()).into(),
    })
}

/// An about without content is an empty one.
fn text(status: &Node) -> Option<String> {
    match &status.content {
        None => Some(String::new()),
        Some(_) => String::from_utf8(stanza::bytes(status)?.to_vec()).ok(),
    }
}

/// Sets the about of an account, and says who is to hear of it: who knows the account and may see it.
pub(crate) fn set(state: &mut State, account: AccountId, text: &str) -> Result<Vec<Push>, Refusal> {
    if text.chars().count() > LONGEST {
        return Err(Refusal::NotAcceptable);
    }
    let stamp = state.stamp();
    let changed = state.accounts.get_mut(account).ok_or(Refusal::NotFound)?;
    changed.profile.about = Some(About { text: text.to_owned(), at: stamp.at });
    let node = node::about_changed(changed, &stamp, text);
    let (name, pn) = (changed.name.clone(), changed.pn().to_string());
    let detail = json!({ "text": text });
    state.journal.record(state.clock.now_ms(), &name, "account.about", &pn, detail);
    Ok(told(state, account, Some("status"), node).collect())
}

impl About {
    /// What a usync query tells of an account's about: nothing if there is none, and 401 to those who may not see it.
    pub(crate) fn of(account: &Account, viewer: AccountId) -> Option<Node> {
        let about = account.profile.about.as_ref()?;
        let shown = account.id == viewer || account.privacy.shows("status", viewer);
        Some(if shown { node::about(about) } else { node::about_hidden() })
    }
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    fn shop() -> (State, DeviceAddr) {
        let mut state = State::default();
        let account = state.accounts.add("shop").expect("a free name");
        (state, DeviceAddr { account, device: 1 })
    }

    fn iq(kind: &'static str, child: NodeBuilder) -> Node {
        NodeBuilder::new("iq").attr("type", kind).children([child.build()]).build()
    }

    /// The about that is there after this request, or the number with which it was refused.
    fn set_by(child: NodeBuilder) -> Result<String, String> {
        let (mut state, from) = shop();
        let answer = about(&mut state, from, &iq("set", child)).expect("an answer");
        if let Some(error) = answer.reply.get_optional_child("error") {
            return Err(stanza::attr(error, "code").expect("a code"));
        }
        let account = state.accounts.get(from.account).expect("known");
        Ok(account.profile.about.clone().expect("an about").text)
    }

    #[test]
    fn an_about_is_a_text_of_bounded_length() {
        let status = || NodeBuilder::new("status");
        let refused = |code: &str| Err(code.to_owned());
        assert_eq!(set_by(status().string_content("open")), Ok("open".to_owned()));
        assert_eq!(set_by(status()), Ok(String::new()));
        let long = "ü".repeat(LONGEST);
        assert_eq!(set_by(status().bytes(long.clone())), Ok(long.clone()));
        assert_eq!(set_by(status().bytes(long + "!")), refused("406"));
        assert_eq!(set_by(status().bytes([0xFF])), refused("400"));
        let nested = status().children([NodeBuilder::new("text").build()]);
        assert_eq!(set_by(nested), refused("400"));
        assert_eq!(set_by(NodeBuilder::new("about")), refused("400"));
    }

    #[test]
    fn the_about_is_not_read_in_its_own_namespace() {
        let (mut state, from) = shop();
        assert!(about(&mut state, from, &iq("get", NodeBuilder::new("status"))).is_none());
    }
}
