//! Group operations.

use wharf_storage::{GroupJid, GroupSnapshot, MemberSnapshot, Role};
use whatsapp_rust::{
    ErrorChainExt, GroupDescription, GroupError, GroupMetadata, GroupSubject, Jid, ParticipantType,
    anyhow,
    wacore::{
        iq::{
            groups::{SetGroupDescriptionIq, SetGroupSubjectIq},
            spec::IqSpec,
        },
        request::InfoQuery,
        types::message::AddressingMode,
    },
    wacore_binary::{NodeContent, NodeRef},
};

use super::{
    Failure,
    client::Link,
    refusal::{failure, refusal},
    signal::is_phone,
};
use crate::figures::Kind;

/// How a change of a description ended.
#[derive(Debug)]
pub(crate) enum DescriptionOutcome {
    /// It took effect under this new id.
    Set { id: String },
    /// Somebody changed it meanwhile: the `prev` id was not the current one.
    Conflict,
}

impl Link {
    /// Sets a group's name.
    pub(crate) async fn set_subject(&self, group: &GroupJid, subject: &str) -> Result<(), Failure> {
        let subject =
            GroupSubject::new(subject).map_err(|error| Failure::Broken(error.to_string()))?;
        let (asked, group) = (self.counts.begin(Kind::SetSubject), jid(group)?);
        let done = self.inner.execute(InBytes(SetGroupSubjectIq::new(&group, subject))).await;
        asked.ended(done.map_err(|error| failure(&GroupError::from(error))))
    }

    /// Sets or, when empty, clears a group's description. `previous` is the id of the one it replaces.
    ///
    /// The library's own call does not tell the new id, which the next change needs: so this sends its stanza directly.
    pub(crate) async fn set_description(
        &self,
        group: &GroupJid,
        text: &str,
        previous: Option<&str>,
    ) -> Result<DescriptionOutcome, Failure> {
        let text = (!text.is_empty())
            .then(|| GroupDescription::new(text))
            .transpose()
            .map_err(|error| Failure::Broken(error.to_string()))?;
        let change = SetGroupDescriptionIq::new(&jid(group)?, text, previous);
        let id = change.id.clone();
        let asked = self.counts.begin(Kind::SetDescription);
        asked.ended(match self.inner.execute(InBytes(change)).await {
            Ok(()) => Ok(DescriptionOutcome::Set { id }),
            Err(error) => match error.server_rejection() {
                Some(rejection) if rejection.code == 409 => Ok(DescriptionOutcome::Conflict),
                Some(rejection) => Err(Failure::Refused(refusal(
                    rejection.code,
                    rejection.text,
                    rejection.backoff,
                ))),
                None => Err(failure(&GroupError::from(error))),
            },
        })
    }

    /// Sets whether only admins may send.
    pub(crate) async fn set_announce(&self, group: &GroupJid, on: bool) -> Result<(), Failure> {
        let (asked, group) = (self.counts.begin(Kind::SetAnnounce), jid(group)?);
        let done = self.inner.groups().set_announce(group, on).await;
        asked.ended(done.map_err(|error| failure(&error)))
    }

    /// Sets whether only admins may edit settings.
    pub(crate) async fn set_locked(&self, group: &GroupJid, on: bool) -> Result<(), Failure> {
        let (asked, group) = (self.counts.begin(Kind::SetLocked), jid(group)?);
        let done = self.inner.groups().set_locked(group, on).await;
        asked.ended(done.map_err(|error| failure(&error)))
    }

    /// The group's invite link, as an address; `renew` makes a new one and ends the old.
    pub(crate) async fn invite(&self, group: &GroupJid, renew: bool) -> Result<String, Failure> {
        let kind = if renew { Kind::RevokeInvite } else { Kind::GetInvite };
        let (asked, group) = (self.counts.begin(kind), jid(group)?);
        let link = self.inner.groups().get_invite_link(group, renew).await;
        let link = asked.ended(link.map_err(|error| failure(&error)))?;
        Ok(if link.starts_with("https://") {
            link
        } else {
            format!("https://chat.whatsapp.com/{link}")
        })
    }

    /// One group, live.
    pub(crate) async fn group(&self, group: &GroupJid) -> Result<GroupSnapshot, Failure> {
        let (asked, group) = (self.counts.begin(Kind::GetGroup), jid(group)?);
        let found = self.inner.groups().get_metadata(&group).await;
        let found = asked.ended(found.map_err(|error| failure(&error)))?;
        snapshot(&found)
            .ok_or_else(|| Failure::Broken("whatsapp answered with a broken group".to_owned()))
    }

    /// Every group of the account, with its members.
    pub(crate) async fn groups(&self) -> Result<Vec<GroupSnapshot>, Failure> {
        let asked = self.counts.begin(Kind::ListGroups);
        let found = self.inner.groups().get_participating().await;
        let found = asked.ended(found.map_err(|error| failure(&error)))?;
        Ok(found.values().filter_map(snapshot).collect())
    }
}

/// A request whose texts go out as bytes. The library writes a short text with an `@` as the address that it looks like
/// (wacore-binary 0.7 `encoder.rs`): part of it may get lost, and nobody reads the rest as a text.
struct InBytes<S>(S);

impl<S: IqSpec> IqSpec for InBytes<S> {
    type Response = S::Response;

    fn build_iq(&self) -> InfoQuery<'static> {
        let mut query = self.0.build_iq();
        query.content.iter_mut().for_each(in_bytes);
        query
    }

    fn parse_response(&self, response: &NodeRef<'_>) -> anyhow::Result<S::Response> {
        self.0.parse_response(response)
    }
}

fn in_bytes(content: &mut NodeContent) {
    match content {
        NodeContent::Bytes(_) => {}
        NodeContent::String(text) => *content = NodeContent::Bytes(text.as_bytes().to_vec()),
        NodeContent::Nodes(nodes) => {
            nodes.iter_mut().filter_map(|node| node.content.as_mut()).for_each(in_bytes);
        }
    }
}

fn jid(group: &GroupJid) -> Result<Jid, Failure> {
    group.as_ref().parse().map_err(|_| Failure::Broken("a group address does not parse".to_owned()))
}

fn snapshot(group: &GroupMetadata) -> Option<GroupSnapshot> {
    Some(GroupSnapshot {
        jid: GroupJid::try_from(group.id.to_string()).ok()?,
        subject: Some(group.subject.clone()),
        description: group.description.clone().filter(|text| !text.is_empty()),
        description_id: group.description_id.clone(),
        announce: group.is_announcement,
        locked: group.is_locked,
        owner: group.creator.as_ref().map(|jid| jid.to_non_ad().to_string()),
        created_at: group
            .creation_time
            .and_then(|seconds| i64::try_from(seconds).ok())
            .map(|seconds| seconds * 1000),
        lid_addressing: group.addressing_mode == AddressingMode::Lid,
        members: group
            .participants
            .iter()
            .map(|member| {
                let lid = member.lid.as_ref().unwrap_or(&member.jid);
                let phone = member
                    .phone_number
                    .as_ref()
                    .or_else(|| is_phone(&member.jid).then_some(&member.jid));
                MemberSnapshot {
                    lid: lid.to_non_ad().to_string(),
                    phone: phone.map(|jid| jid.to_non_ad().to_string()),
                    role: match member.participant_type {
                        ParticipantType::SuperAdmin => Role::Superadmin,
                        ParticipantType::Admin => Role::Admin,
                        ParticipantType::Member => Role::Member,
                    },
                }
            })
            .collect(),
    })
}
