//! Profiles as nodes on the wire.

use buffa::Message as _;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeValue};
use waproto::whatsapp::VerifiedNameCertificate;
use waproto::whatsapp::verified_name_certificate::Details;

use super::{About, BusinessHours, BusinessProfile, Timer, Weekday};
use crate::stanza::{Stamp, leaf, notification};
use crate::state::Account;

/// The about in a usync answer (wacore `iq/usync/query.rs`, `parse_status`).
pub(super) fn about(about: &About) -> Node {
    NodeBuilder::new("status").attr("t", about.at).bytes(about.text.as_bytes()).build()
}

/// The about of somebody who does not show it (wacore and Baileys: a `code` of 401, without a text).
pub(super) fn about_hidden() -> Node {
    NodeBuilder::new("status").attr("code", 401).build()
}

/// What others hear (whatsapp-rust `handlers/notification/profile.rs`: the text in a `set`).
pub(super) fn about_changed(account: &Account, stamp: &Stamp, text: &str) -> Node {
    notification(account.pn(), "status", stamp).children([leaf("set", text)]).build()
}

/// The timer in a usync answer, and in what is told of it: both attributes have to be there (wacore
/// `iq/usync/query.rs`, `stanza/notification.rs`).
pub(super) fn timer(timer: Timer) -> Node {
    NodeBuilder::new("disappearing_mode")
        .attr("duration", timer.seconds)
        .attr("t", timer.at)
        .build()
}

/// What others hear (whatsapp-rust `handlers/notification/groups.rs`).
pub(super) fn timer_changed(account: &Account, stamp: &Stamp) -> Node {
    let timer = timer(account.profile.timer);
    notification(account.pn(), "disappearing_mode", stamp).children([timer]).build()
}

/// What the account's other devices hear (Baileys `messages-recv.ts`, `account_sync`).
pub(super) fn timer_synced(account: &Account, stamp: &Stamp) -> Node {
    let timer = timer(account.profile.timer);
    notification(account.pn(), "account_sync", stamp).children([timer]).build()
}

/// The profiles that were found, in the version that the client asked for.
pub(super) fn businesses(version: Option<&NodeValue>, found: Vec<Node>) -> Node {
    let node = NodeBuilder::new("business_profile");
    let node = match version {
        Some(version) => node.attr("v", version.clone()),
        None => node,
    };
    node.children(found).build()
}

/// One profile (wacore `iq/business.rs`).
pub(super) fn business(jid: &Jid, business: &BusinessProfile) -> Node {
    let mut children = vec![leaf("description", business.description.as_str())];
    children.extend(business.address.as_deref().map(|address| leaf("address", address)));
    children.extend(business.email.as_deref().map(|email| leaf("email", email)));
    children.extend(business.websites.iter().map(|page| leaf("website", page.as_str())));
    if !business.categories.is_empty() {
        let categories = business.categories.iter().map(|category| {
            let node = NodeBuilder::new("category").attr("id", category.id.as_str());
            node.bytes(category.name.as_bytes()).build()
        });
        children.push(NodeBuilder::new("categories").children(categories).build());
    }
    if !business.hours.is_empty() {
        let mut hours = NodeBuilder::new("business_hours");
        if let Some(zone) = &business.time_zone {
            hours = hours.attr("timezone", zone.as_str());
        }
        children.push(hours.children(business.hours.iter().map(day)).build());
    }
    NodeBuilder::new("profile").attr("jid", jid).children(children).build()
}

fn day(hours: &BusinessHours) -> Node {
    let day = match hours.day {
        Weekday::Sun => "sun",
        Weekday::Mon => "mon",
        Weekday::Tue => "tue",
        Weekday::Wed => "wed",
        Weekday::Thu => "thu",
        Weekday::Fri => "fri",
        Weekday::Sat => "sat",
    };
    let node = NodeBuilder::new("business_hours_config").attr("day_of_week", day);
    let node = match hours.minutes {
        Some((open, close)) => {
            node.attr("mode", "specific_hours").attr("open_time", open).attr("close_time", close)
        }
        None => node.attr("mode", "open_24h"),
    };
    node.build()
}

/// That an account is a business, in a usync answer: an empty `business` would say so, too (wacore `iq/usync.rs`).
pub(super) fn verified(account: &Account) -> Option<Node> {
    let name = NodeBuilder::new("verified_name").bytes(certificate(account)?).build();
    Some(NodeBuilder::new("business").children([name]).build())
}

/// What others hear (wacore `stanza/business.rs`): the new certificate, that the rest of the profile is another, or that
/// it is no business any more.
pub(super) fn business_changed(account: &Account, stamp: &Stamp, renamed: bool) -> Node {
    let change = match certificate(account) {
        Some(name) if renamed => NodeBuilder::new("verified_name").bytes(name),
        Some(_) => NodeBuilder::new("profile"),
        None => NodeBuilder::new("remove"),
    };
    let change = change.attr("jid", account.pn()).build();
    notification(account.pn(), "business", stamp).children([change]).build()
}

/// The certificate of a name, which has it alone (wacore `stanza/business.rs`). It is not signed: no client checks.
fn certificate(account: &Account) -> Option<Vec<u8>> {
    let business = account.profile.business.as_ref()?;
    let details = Details {
        serial: account.lid.parse().ok(),
        issuer: Some("smb:wa".to_owned()),
        verified_name: Some(business.name.clone()),
        ..Default::default()
    };
    let certificate =
        VerifiedNameCertificate { details: Some(details.encode_to_vec()), ..Default::default() };
    Some(certificate.encode_to_vec())
}
