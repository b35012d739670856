//! Every group of the server, and the one way in which any of them changes.

mod communities;
mod succession;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::json;
use wacore_binary::{Jid, Node};

use super::change::{self, Change, Refusal};
use super::group::{Description, Group, Invitation, Member, Options, Person, Role};
use super::invite::Codes;
use super::standing::{Part, Standing};
use super::stanza;
use crate::journal::Journal;
use crate::random::Source;
use crate::relay::Addressing;

/// What the members' devices are to hear.
#[derive(Debug)]
pub(crate) struct Notice {
    /// Account names: the members, those who go or come with this change among them.
    pub(crate) to: Vec<String>,
    /// The notification.
    pub(crate) node: Node,
}

/// A group to be made.
#[derive(Debug)]
pub(crate) struct Founding {
    pub(crate) subject: String,
    pub(crate) creator: Person,
    pub(crate) others: Vec<(Person, Role)>,
    /// Id and text.
    pub(crate) description: Option<(String, String)>,
    pub(crate) options: Options,
    pub(crate) addressing: Addressing,
    /// The invite code.
    pub(crate) invite: String,
    /// What it is among communities.
    pub(crate) standing: Standing,
}

/// All groups, by the digits of their id.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Groups {
    by_id: BTreeMap<String, Group>,
    /// Ids of the groups that an account is in, by its name.
    by_member: HashMap<String, BTreeSet<String>>,
    made: u64,
    notified: u64,
    /// What its links and invitations are called.
    #[serde(skip)]
    pub(crate) codes: Codes,
}

impl Groups {
    /// No groups yet; their codes are of this source.
    pub(crate) fn new(source: Source) -> Self {
        Self { codes: Codes::new(source), ..Self::default() }
    }

    /// The group at this address.
    pub(crate) fn find(&self, gid: &Jid) -> Result<&Group, Refusal> {
        let group = self.by_id.get(gid.user.as_str());
        group.filter(|group| group.jid() == *gid).ok_or(Refusal::NotFound)
    }

    /// The group that a link leads to.
    pub(crate) fn by_code(&self, code: &str) -> Result<&Group, Refusal> {
        if let Some(group) = self.by_id.values().find(|group| group.invite == code) {
            return Ok(group);
        }
        let was = self.by_id.values().any(|group| group.revoked.iter().any(|old| old == code));
        Err(if was { Refusal::Gone } else { Refusal::NotAuthorized })
    }

    /// Invites somebody by name; the invitation before is worthless.
    pub(crate) fn invite(&mut self, gid: &Jid, name: &str, invitation: Invitation) {
        if let Some(group) = self.by_id.get_mut(gid.user.as_str()) {
            group.invitations.insert(name.to_owned(), invitation);
        }
    }

    /// Every group, in the order in which they were made.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Group> {
        self.by_id.values()
    }

    /// The groups that somebody is in.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Group> {
        let ids = self.by_member.get(name).into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id))
    }

    /// Makes a group, writes it into the journal and says who is to hear of it.
    pub(crate) fn found(
        &mut self,
        journal: &mut Journal,
        founding: Founding,
        at_ms: i64,
    ) -> Result<(Jid, Notice), Refusal> {
        change::check_subject(&founding.subject)?;
        if let Some((_, text)) = &founding.description {
            change::check_description(text)?;
        }
        self.made += 1;
        let id = format!("120363{:012}", self.made);
        let creator = founding.creator;
        let mut group = Group::new(id, founding.subject, creator.clone(), founding.invite, at_ms);
        group.options = founding.options;
        group.addressing = founding.addressing;
        group.standing = founding.standing;
        group.announce = group.part() == Some(Part::Announcements);
        group.description = founding.description.map(|(id, text)| Description {
            id,
            text,
            author: creator.clone(),
            at_ms,
        });
        for (person, role) in founding.others {
            if group.member(&person.name).is_none() {
                group.members.push(Member { person, role });
            }
        }
        let gid = group.jid();
        let to = names(&group);
        let detail = json!({ "subject": group.subject.text, "members": to });
        journal.record(at_ms, &creator.name, "group.create", &gid.to_string(), detail);
        for name in &to {
            self.note(&group.id, name);
        }
        let id = self.next_notice();
        let node = stanza::notification(&group, &id, &creator, at_ms, stanza::created(&group));
        self.by_id.insert(group.id.clone(), group);
        Ok((gid, Notice { to, node }))
    }

    /// Changes a group if its author may, and what depends on it in a community, writes it into the journal and says
    /// who is to hear of it.
    pub(crate) fn change(
        &mut self,
        journal: &mut Journal,
        gid: &Jid,
        author: &Person,
        change: &Change,
        at_ms: i64,
    ) -> Result<Vec<Notice>, Refusal> {
        self.find(gid)?.check(&author.name, change)?;
        self.has_room_above(gid, author, change)?;
        let mut notices = self.carry_out(journal, gid, author, change, at_ms)?;
        notices.extend(self.follow(journal, gid, author, change, at_ms)?);
        Ok(notices)
    }

    /// Makes a change that is allowed, and nothing else.
    fn make(
        &mut self,
        journal: &mut Journal,
        gid: &Jid,
        author: &Person,
        change: &Change,
        at_ms: i64,
    ) -> Result<Notice, Refusal> {
        let id = self.next_notice();
        let group = self.by_id.get_mut(gid.user.as_str()).ok_or(Refusal::NotFound)?;
        // Who goes is told, and shown, as the member that they were.
        let goes = matches!(change, Change::Remove(_) | Change::Leave | Change::Reject(_));
        let before = goes.then(|| (stanza::action(group, author, change), hearers(group, change)));
        group.apply(author, change, at_ms);
        let (action, to) = before
            .unwrap_or_else(|| (stanza::action(group, author, change), hearers(group, change)));
        let node = stanza::notification(group, &id, author, at_ms, action);
        self.index(gid.user.as_str(), author, change);
        journal.record(at_ms, &author.name, change.operation(), &gid.to_string(), change.detail());
        Ok(Notice { to, node })
    }

    /// Somebody has another number. The word of it is from who they were, and shows who they are.
    pub(crate) fn renumber(&mut self, who: &Person, number: &Jid, at_ms: i64) -> Vec<Notice> {
        for group in self.by_id.values_mut() {
            for person in group.people_mut().filter(|person| person.name == who.name) {
                person.phone = number.clone();
            }
        }
        let groups = self.by_member.get(&who.name).cloned().unwrap_or_default();
        let told = groups.into_iter().filter_map(|id| {
            let notice = self.next_notice();
            let group = self.by_id.get(&id)?;
            let action = stanza::modified(group, &who.name);
            let node = stanza::notification(group, &notice, who, at_ms, action);
            Some(Notice { to: names(group), node })
        });
        told.collect()
    }

    fn next_notice(&mut self) -> String {
        self.notified += 1;
        format!("gp2-{}", self.notified)
    }

    /// Keeps track of who is where.
    fn index(&mut self, id: &str, author: &Person, change: &Change) {
        match change {
            Change::Add(people) | Change::Admit(people) => {
                for person in people {
                    self.note(id, &person.name);
                }
            }
            Change::Join | Change::Enter => self.note(id, &author.name),
            Change::Remove(names) => names.iter().for_each(|name| self.forget(id, name)),
            Change::Leave => self.forget(id, &author.name),
            _ => {}
        }
    }

    fn note(&mut self, id: &str, name: &str) {
        self.by_member.entry(name.to_owned()).or_default().insert(id.to_owned());
    }

    fn forget(&mut self, id: &str, name: &str) {
        if let Some(groups) = self.by_member.get_mut(name) {
            groups.remove(id);
        }
    }
}

/// Account names of the members.
fn names(group: &Group) -> Vec<String> {
    group.members.iter().map(|member| member.person.name.clone()).collect()
}

/// Who hears of a change: requests are the admins' affair, and of those who are turned away.
fn hearers(group: &Group, change: &Change) -> Vec<String> {
    let admins = group.members.iter().filter(|member| member.role.is_admin());
    let admins = admins.map(|member| member.person.name.clone());
    match change {
        Change::Ask => admins.collect(),
        Change::Reject(names) => admins.chain(names.iter().cloned()).collect(),
        _ => names(group),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Person {
        Person { name: name.to_owned(), lid: Jid::lid(name), phone: Jid::pn(name) }
    }

    fn founded() -> (Groups, Journal, Jid) {
        let (mut groups, mut journal) = (Groups::default(), Journal::default());
        let founding = Founding {
            subject: "Crew".into(),
            creator: person("boss"),
            others: vec![(person("shop"), Role::Admin), (person("mia"), Role::Member)],
            description: None,
            options: Options::default(),
            addressing: Addressing::Lid,
            invite: "code".into(),
            standing: Standing::Alone,
        };
        let (gid, notice) = groups.found(&mut journal, founding, 1).expect("a good subject");
        assert_eq!(notice.to, ["boss", "shop", "mia"]);
        (groups, journal, gid)
    }

    #[test]
    fn a_group_is_found_by_its_address_and_listed_for_its_members() {
        let (groups, _, gid) = founded();
        assert_eq!(gid.to_string(), "120363000000000001@g.us");
        assert_eq!(groups.find(&gid).map(Group::jid), Ok(gid));
        assert_eq!(groups.find(&Jid::group("1")), Err(Refusal::NotFound));
        assert_eq!(groups.of("mia").count(), 1);
        assert_eq!(groups.of("bob").count(), 0);
    }

    #[test]
    fn every_change_is_one_journal_entry_and_a_refused_one_is_none() {
        let (mut groups, mut journal, gid) = founded();
        let change = Change::Announce(true);
        let by = |name| person(name);
        assert!(groups.change(&mut journal, &gid, &by("mia"), &change, 2).is_err());
        assert_eq!(journal.all().len(), 1);
        groups.change(&mut journal, &gid, &by("shop"), &change, 3).expect("an admin may");
        let entry = journal.all().pop().expect("an entry");
        assert_eq!((entry.account.as_str(), entry.operation.as_str()), ("shop", "group.announce"));
        assert_eq!(entry.object, gid.to_string());
        assert!(groups.find(&gid).expect("known").announce);
    }

    #[test]
    fn who_comes_back_is_listed_again() {
        let (mut groups, mut journal, gid) = founded();
        groups.change(&mut journal, &gid, &person("mia"), &Change::Leave, 2).expect("allowed");
        assert_eq!(groups.of("mia").count(), 0);
        let change = Change::Add(vec![person("mia")]);
        let notice = groups.change(&mut journal, &gid, &person("boss"), &change, 3);
        assert_eq!(notice.expect("allowed")[0].to, ["boss", "shop", "mia"]);
        assert_eq!(groups.of("mia").count(), 1);
    }

    #[test]
    fn who_is_removed_hears_of_it_too() {
        let (mut groups, mut journal, gid) = founded();
        let change = Change::Remove(vec!["mia".into()]);
        let notices =
            groups.change(&mut journal, &gid, &person("boss"), &change, 2).expect("allowed");
        assert_eq!(notices[0].to, ["boss", "shop", "mia"]);
        assert_eq!(groups.of("mia").count(), 0);
    }

    #[test]
    fn an_unknown_group_is_not_found() {
        let (mut groups, mut journal, _) = founded();
        let change = Change::Locked(true);
        let refused =
            groups.change(&mut journal, &Jid::group("9"), &person("boss"), &change, 2).err();
        assert_eq!(refused, Some(Refusal::NotFound));
    }
}
