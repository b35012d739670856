//! The profile of a business, and the certificate of its name.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use wacore_binary::{Jid, Node};

use super::{stanza as node, told};
use crate::stanza::{self, Push};
use crate::state::{Account, AccountId, State};

/// What a business tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BusinessProfile {
    /// The name that its certificate says.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Where it is.
    pub address: Option<String>,
    /// Where it reads mail.
    pub email: Option<String>,
    /// Its pages.
    #[serde(default)]
    pub websites: Vec<String>,
    /// What kind of business it is.
    #[serde(default)]
    pub categories: Vec<BusinessCategory>,
    /// The time zone of its hours, such as `Europe/Berlin`.
    pub time_zone: Option<String>,
    /// When it is open; closed on days that are not named.
    #[serde(default)]
    pub hours: Vec<BusinessHours>,
}

/// A kind of business.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessCategory {
    /// Its number.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// When a business is open on one day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessHours {
    /// Which day.
    pub day: Weekday,
    /// From and until when, in minutes of the day; open all day without.
    pub minutes: Option<(u32, u32)>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "everybody knows them")]
pub enum Weekday {
    Sun,
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
}

/// Answers a query of business profiles in `w:biz`; `None` for what this server does not know. Who is no business, or
/// not here, has no `profile` in the answer (wacore `iq/business.rs`: no profile is no error).
pub(crate) fn profiles(state: &State, iq: &Node) -> Option<Node> {
    let query = iq.get_optional_child("business_profile")?;
    if stanza::attr(iq, "type")? != "get" {
        return None;
    }
    let jids: Option<Vec<Jid>> =
        query.get_children_by_tag("profile").map(|profile| stanza::jid(profile, "jid")).collect();
    let Some(jids) = jids.filter(|jids| !jids.is_empty()) else {
        return Some(stanza::error(iq, 400, "bad-request"));
    };
    let found = jids.iter().filter_map(|jid| {
        let business = state.accounts.by_jid(jid)?.profile.business.as_ref()?;
        Some(node::business(jid, business))
    });
    Some(stanza::result_with(iq, node::businesses(query.attrs.get("v"), found.collect())))
}

/// What a usync query tells of an account that is a business.
pub(crate) fn verified(account: &Account) -> Option<Node> {
    node::verified(account)
}

/// Makes an account a business, or none any more, and says who is to hear of it: who knows the account.
pub(crate) fn set(
    state: &mut State,
    account: AccountId,
    business: Option<BusinessProfile>,
) -> Vec<Push> {
    let stamp = state.stamp();
    let Some(changed) = state.accounts.get_mut(account) else { return Vec::new() };
    let name = |business: &Option<BusinessProfile>| business.as_ref().map(|it| it.name.clone());
    let renamed = name(&changed.profile.business) != name(&business);
    let detail = json!({ "name": name(&business) });
    changed.profile.business = business;
    let node = node::business_changed(changed, &stamp, renamed);
    let (name, pn) = (changed.name.clone(), changed.pn().to_string());
    state.journal.record(state.clock.now_ms(), &name, "account.business", &pn, detail);
    told(state, account, None, node).collect()
}

#[cfg(test)]
mod tests {
    use wacore_binary::builder::NodeBuilder;

    use super::*;

    fn query(kind: &'static str, profiles: Vec<Node>) -> Node {
        let query = NodeBuilder::new("business_profile").attr("v", "244").children(profiles);
        NodeBuilder::new("iq").attr("type", kind).children([query.build()]).build()
    }

    fn of(jid: &'static str) -> Node {
        NodeBuilder::new("profile").attr("jid", jid).build()
    }

    #[test]
    fn only_businesses_have_a_profile() {
        let mut state = State::default();
        let shop = state.accounts.add("shop").expect("a free name");
        state.accounts.add("mia").expect("a free name");
        set(&mut state, shop, Some(BusinessProfile { name: "Shop".into(), ..Default::default() }));
        let asked = ["15550000001", "15550000002", "15550000003"]
            .map(|number| NodeBuilder::new("profile").attr("jid", Jid::pn(number)).build());
        let reply = profiles(&state, &query("get", asked.to_vec())).expect("an answer");
        let answer = reply.get_optional_child("business_profile").expect("profiles");
        assert_eq!(stanza::attr(answer, "v").as_deref(), Some("244"));
        let found: Vec<_> = answer.get_children_by_tag("profile").collect();
        assert_eq!(found.len(), 1);
        assert_eq!(stanza::attr(found[0], "jid").as_deref(), Some("15550000001@s.whatsapp.net"));
    }

    #[test]
    fn a_query_names_somebody_and_a_profile_is_not_set_here() {
        let state = State::default();
        for malformed in [vec![], vec![NodeBuilder::new("profile").build()], vec![of("not a jid")]]
        {
            let reply = profiles(&state, &query("get", malformed)).expect("an answer");
            assert_eq!(stanza::attr(&reply, "type").as_deref(), Some("error"));
        }
        let set = query("set", vec![of("15550000001@s.whatsapp.net")]);
        assert!(profiles(&state, &set).is_none());
        assert!(profiles(&state, &NodeBuilder::new("iq").attr("type", "get").build()).is_none());
    }
}
