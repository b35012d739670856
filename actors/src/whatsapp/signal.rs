//! The library's events in our terms.

use std::{sync::Arc, time::Duration};

use wharf_storage::{
    Account, Description, GroupChange, GroupJid, MemberChange, MemberSnapshot, Role,
};
use whatsapp_rust::{
    Jid, Server,
    types::events::{
        ConnectFailureReason, Event, EventHandler, EventInterest, EventKind, GroupUpdate,
    },
    wacore::stanza::groups::{GroupNotificationAction, GroupParticipantInfo},
};

/// What happened to a connection.
#[derive(Debug)]
pub(crate) enum Signal {
    /// A code to scan, and how long it holds.
    QrCode { code: String, valid: Duration },
    /// No code was scanned, and none is left; `closes`: the client ends itself over it.
    QrExhausted { closes: bool },
    /// The code that was to be typed on the phone leads nowhere any more.
    PairingCodeVoid,
    /// A phone has linked this device.
    Paired(Account),
    /// Logged in.
    Connected,
    /// The phone or the server unlinked this device.
    LoggedOut,
    /// Another client took the connection over.
    Replaced,
    /// WhatsApp banned the account, or locked it.
    Banned,
    /// WhatsApp no longer takes this client version.
    Outdated,
    /// WhatsApp refused the login for another reason, for good.
    Refused { why: String },
    /// A task of the library panicked.
    Panicked,
    /// A group changed.
    Group(Box<GroupNews>),
}

/// A change of a group that WhatsApp told of.
#[derive(Debug)]
pub(crate) struct GroupNews {
    pub(crate) group: GroupJid,
    /// Who did it, by LID where known.
    pub(crate) sender: Option<String>,
    pub(crate) change: NewsOf,
}

/// What changed.
#[derive(Debug)]
pub(crate) enum NewsOf {
    Settings(GroupChange),
    Members {
        change: MemberChange,
        leavers: Vec<String>,
    },
    /// Too much to patch: the group has to be read again.
    Unknown,
}

/// Takes signals; called on the receive path, so it only passes them on.
pub(crate) trait SignalSink: Send + Sync + 'static {
    fn signal(&self, signal: Signal);
}

pub(super) struct Handler<S>(pub(super) Arc<S>);

impl<S: SignalSink> EventHandler for Handler<S> {
    fn handle_event(&self, event: Arc<Event>) {
        if let Some(signal) = translate(&event) {
            self.0.signal(signal);
        }
    }

    fn interest(&self) -> EventInterest {
        interest()
    }
}

/// The kinds of events that [`translate`] understands: an event that nobody wants is never built.
pub(super) fn interest() -> EventInterest {
    EventInterest::of(&[
        EventKind::Connected,
        EventKind::PairSuccess,
        EventKind::PairingQrCode,
        EventKind::PairingQrCodesExhausted,
        EventKind::PairingCodeRefresh,
        EventKind::PairingCodeError,
        EventKind::LoggedOut,
        EventKind::StreamReplaced,
        EventKind::TemporaryBan,
        EventKind::ClientOutdated,
        EventKind::ConnectFailure,
        EventKind::GroupUpdate,
    ])
}

fn translate(event: &Event) -> Option<Signal> {
    Some(match event {
        Event::Connected(_) => Signal::Connected,
        Event::PairSuccess(paired) => Signal::Paired(Account {
            jid: paired.id.to_non_ad().to_string(),
            lid: (!paired.lid.user.is_empty()).then(|| paired.lid.to_non_ad().to_string()),
            business_name: Some(paired.business_name.clone()).filter(|name| !name.is_empty()),
            platform: Some(paired.platform.clone()).filter(|name| !name.is_empty()),
        }),
        Event::PairingQrCode(qr) => Signal::QrCode { code: qr.code.clone(), valid: qr.timeout },
        Event::PairingQrCodesExhausted(codes) => Signal::QrExhausted { closes: codes.disconnected },
        Event::PairingCodeRefresh(_) | Event::PairingCodeError(_) => Signal::PairingCodeVoid,
        // The account is locked and not unlinked: its owner may come to terms with WhatsApp.
        Event::LoggedOut(logout) if logout.reason == ConnectFailureReason::AccountLocked => {
            Signal::Banned
        }
        Event::LoggedOut(_) => Signal::LoggedOut,
        Event::StreamReplaced(_) => Signal::Replaced,
        Event::TemporaryBan(_) => Signal::Banned,
        Event::ClientOutdated(_) => Signal::Outdated,
        Event::ConnectFailure(failure) => match failure.reason {
            // The library tries these two again by itself.
            ConnectFailureReason::InternalServerError
            | ConnectFailureReason::ServiceUnavailable => return None,
            // A ban without its end.
            ConnectFailureReason::TempBanned => Signal::Banned,
            other => Signal::Refused { why: format!("{other:?}") },
        },
        Event::GroupUpdate(update) => Signal::Group(Box::new(news(update)?)),
        _ => return None,
    })
}

fn news(update: &GroupUpdate) -> Option<GroupNews> {
    let group = GroupJid::try_from(update.group_jid.to_string()).ok()?;
    let sender = update.participant.as_ref().map(|jid| jid.to_non_ad().to_string());
    let settings = |change| NewsOf::Settings(change);
    let change = match &update.action {
        GroupNotificationAction::Subject { subject, .. } => {
            settings(GroupChange { subject: Some(subject.clone()), ..GroupChange::default() })
        }
        GroupNotificationAction::Description { id, description } => settings(GroupChange {
            description: Some(Description { text: description.clone(), id: Some(id.clone()) }),
            ..GroupChange::default()
        }),
        GroupNotificationAction::Announce => {
            settings(GroupChange { announce: Some(true), ..GroupChange::default() })
        }
        GroupNotificationAction::NotAnnounce => {
            settings(GroupChange { announce: Some(false), ..GroupChange::default() })
        }
        GroupNotificationAction::Locked { .. } => {
            settings(GroupChange { locked: Some(true), ..GroupChange::default() })
        }
        GroupNotificationAction::Unlocked => {
            settings(GroupChange { locked: Some(false), ..GroupChange::default() })
        }
        GroupNotificationAction::Add { participants, .. } => members(MemberChange {
            add: participants.iter().map(member).collect(),
            ..MemberChange::default()
        }),
        GroupNotificationAction::Remove { participants, .. } => {
            let leavers = participants.iter().flat_map(addresses).collect();
            NewsOf::Members {
                change: MemberChange {
                    remove: participants.iter().map(address).collect(),
                    ..MemberChange::default()
                },
                leavers,
            }
        }
        GroupNotificationAction::Promote { participants } => members(MemberChange {
            promote: participants.iter().map(address).collect(),
            ..MemberChange::default()
        }),
        GroupNotificationAction::Demote { participants } => members(MemberChange {
            demote: participants.iter().map(address).collect(),
            ..MemberChange::default()
        }),
        GroupNotificationAction::Create { .. }
        | GroupNotificationAction::Modify { .. }
        | GroupNotificationAction::Delete { .. } => NewsOf::Unknown,
        // Nothing of these is stored.
        _ => return None,
    };
    Some(GroupNews { group, sender, change })
}

fn members(change: MemberChange) -> NewsOf {
    NewsOf::Members { change, leavers: Vec::new() }
}

/// The member's LID where the stanza has it, else the address it was named by.
fn address(participant: &GroupParticipantInfo) -> String {
    participant.lid.as_ref().unwrap_or(&participant.jid).to_non_ad().to_string()
}

fn addresses(participant: &GroupParticipantInfo) -> Vec<String> {
    [Some(&participant.jid), participant.lid.as_ref(), participant.phone_number.as_ref()]
        .into_iter()
        .flatten()
        .map(|jid| jid.to_non_ad().to_string())
        .collect()
}

fn member(participant: &GroupParticipantInfo) -> MemberSnapshot {
    let phone = participant
        .phone_number
        .as_ref()
        .or_else(|| is_phone(&participant.jid).then_some(&participant.jid));
    MemberSnapshot {
        lid: address(participant),
        phone: phone.map(|jid| jid.to_non_ad().to_string()),
        role: Role::Member,
    }
}

/// Whether this is the phone-number form of an address.
pub(super) fn is_phone(jid: &Jid) -> bool {
    jid.server == Server::Pn
}
