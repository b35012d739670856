//! Logins that are refused: because a test ordered it, or because the account is banned.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use crate::clock::milliseconds;
use crate::state::{AccountId, State};

/// What a client hears in the place of `success`: a `failure`, after which the connection is closed.
///
/// The reasons that clients know: 400 generic, 401 logged out, 402 temporary ban, 403 account locked, 405 client
/// outdated, 406 logged out for an unknown reason, 409 bad user agent, 413 and 414 CAT expired and invalid, 415 not
/// found, 418 client unknown, 500 internal error, 501 experimental, 503 service unavailable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginFailure {
    reason: u16,
    /// Attributes beside the reason.
    details: Vec<(&'static str, String)>,
}

impl LoginFailure {
    /// A failure of this reason and without a word. A 402 without code and span is no ban to a client: see
    /// [`LoginFailure::banned`].
    pub fn reason(reason: u16) -> Self {
        Self { reason, details: Vec::new() }
    }

    /// A temporary ban (402) with its code, such as 101 for having written to too many strangers, and what is left of
    /// it. It concerns one answer; [`Phone::gets_banned`](crate::Phone::gets_banned) bans an account.
    pub fn banned(code: u16, left: Duration) -> Self {
        let left = left.as_millis().div_ceil(1000);
        Self::reason(402).detail("code", code.to_string()).detail("expire", left.to_string())
    }

    /// Words for whoever operates the client.
    #[must_use]
    pub fn message(self, words: &str) -> Self {
        self.detail("message", words.to_owned())
    }

    /// What the client is to show when the failure logs it out.
    #[must_use]
    pub fn logout_message(self, header: &str, subtext: &str) -> Self {
        self.detail("logout_message_header", header.to_owned())
            .detail("logout_message_subtext", subtext.to_owned())
            .detail("logout_message_locale", "en".to_owned())
    }

    fn detail(mut self, name: &'static str, value: String) -> Self {
        self.details.push((name, value));
        self
    }

    /// The stanza.
    pub(crate) fn node(&self) -> Node {
        let node =
            NodeBuilder::new("failure").attr("reason", self.reason).attr("location", "sandbox");
        let detailed = |node: NodeBuilder, (name, value): &(&'static str, String)| {
            node.attr(name, value.as_str())
        };
        self.details.iter().fold(node, detailed).build()
    }
}

/// A ban of an account.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Ban {
    code: u16,
    until_ms: i64,
}

impl Ban {
    /// A ban that begins now.
    pub(crate) fn lasting(code: u16, span: Duration, now_ms: i64) -> Self {
        Self { code, until_ms: now_ms.saturating_add(milliseconds(span)) }
    }

    /// What a client is told, as long as the ban lasts.
    fn failure(self, now_ms: i64) -> Option<LoginFailure> {
        let left = u64::try_from(self.until_ms - now_ms).ok().filter(|left| *left > 0)?;
        Some(LoginFailure::banned(self.code, Duration::from_millis(left)))
    }
}

/// Refusals that no login has met yet, in the order in which they were ordered.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    ordered: VecDeque<Ordered>,
}

#[derive(Debug)]
struct Ordered {
    /// Whose logins; everybody's if nobody is named.
    account: Option<AccountId>,
    left: usize,
    failure: LoginFailure,
}

impl Refusals {
    /// The next `count` logins, of one account or of all, are refused.
    pub(crate) fn order(
        &mut self,
        account: Option<AccountId>,
        count: usize,
        failure: LoginFailure,
    ) {
        if count > 0 {
            self.ordered.push_back(Ordered { account, left: count, failure });
        }
    }

    /// The refusal that a login meets, which is then used up. A client that is to be linked is nobody's.
    fn meet(&mut self, account: Option<AccountId>) -> Option<LoginFailure> {
        let concerns = |ordered: &Ordered| ordered.account.is_none() || ordered.account == account;
        let position = self.ordered.iter().position(concerns)?;
        let ordered = &mut self.ordered[position];
        let failure = ordered.failure.clone();
        ordered.left -= 1;
        if ordered.left == 0 {
            self.ordered.remove(position);
        }
        Some(failure)
    }

    /// Forgets every refusal; says how many logins would still have met one.
    pub(crate) fn clear(&mut self) -> usize {
        self.ordered.drain(..).fold(0, |sum, ordered| sum.saturating_add(ordered.left))
    }
}

/// Why this login is refused, if it is: what was ordered comes before a ban.
pub(crate) fn refusal(state: &mut State, account: Option<AccountId>) -> Option<LoginFailure> {
    state.refusals.meet(account).or_else(|| {
        let ban = state.accounts.get(account?)?.ban?;
        ban.failure(state.clock.now_ms())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::attr;

    #[test]
    fn refusals_are_met_by_those_they_concern_and_used_up() {
        let (shop, mia) = (AccountId(0), AccountId(1));
        let mut refusals = Refusals::default();
        refusals.order(Some(shop), 1, LoginFailure::reason(403));
        refusals.order(None, 2, LoginFailure::reason(503));
        refusals.order(Some(mia), 0, LoginFailure::reason(401));
        let mut met = |account| refusals.meet(account).map(|failure| failure.reason);
        assert_eq!((met(Some(mia)), met(Some(shop)), met(None)), (Some(503), Some(403), Some(503)));
        assert_eq!(met(Some(shop)), None);
        refusals.order(Some(shop), 3, LoginFailure::reason(500));
        assert!(refusals.meet(None).is_none() && refusals.meet(Some(mia)).is_none());
        assert_eq!((refusals.clear(), refusals.clear()), (3, 0));
    }

    #[test]
    fn a_ban_says_how_many_seconds_are_left_and_ends() {
        let ban = Ban { code: 101, until_ms: 10_000 };
        let failure = ban.failure(8_500).expect("it lasts");
        assert_eq!(failure, LoginFailure::banned(101, Duration::from_secs(2)));
        assert!(ban.failure(10_000).is_none() && ban.failure(i64::MAX).is_none());
    }

    #[test]
    fn a_failure_carries_what_it_was_given() {
        let node = LoginFailure::reason(403).message("locked").logout_message("Bye", "now").node();
        let found = ["reason", "message", "logout_message_header", "logout_message_subtext"]
            .map(|name| attr(&node, name).unwrap_or_default());
        assert_eq!(found, ["403", "locked", "Bye", "now"]);
        assert_eq!(attr(&node, "expire"), None);
    }
}
