//! Every group of the server, and the one way in which any of them changes.

use std::collections::BTreeMap;

use serde_json::json;
use wacore_binary::{Jid, Node, Server};

use super::change::{self, Change, Refusal};
use super::group::{Description, Group, Member, Options, Person, Role};
use super::stanza;
use crate::journal::Journal;

/// What the members' devices are to hear.
#[derive(Debug)]
pub(crate) struct Notice {
    /// Account names: the members before and after, each once.
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
    /// The invite code.
    pub(crate) invite: String,
}

/// All groups, by the digits of their id.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_id: BTreeMap<String, Group>,
    made: u64,
    notified: u64,
}

impl Groups {
    /// The group at this address.
    pub(crate) fn find(&self, gid: &Jid) -> Result<&Group, Refusal> {
        let group =
            if gid.server == Server::Group { self.by_id.get(gid.user.as_str()) } else { None };
        group.ok_or(Refusal::NotFound)
    }

    /// Every group, in the order in which they were made.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Group> {
        self.by_id.values()
    }

    /// The groups that somebody is in.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Group> {
        self.all().filter(move |group| group.member(name).is_some())
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
        let names: Vec<&str> =
            group.members.iter().map(|member| member.person.name.as_str()).collect();
        let detail = json!({ "subject": group.subject.text, "members": names });
        journal.record(at_ms, &creator.name, "group.create", &gid.to_string(), detail);
        let action = stanza::created(&group);
        let notice = self.notice(&group, &group, &creator, at_ms, action);
        self.by_id.insert(group.id.clone(), group);
        Ok((gid, notice))
    }

    /// Changes a group if its author may, writes it into the journal and says who is to hear of it.
    pub(crate) fn change(
        &mut self,
        journal: &mut Journal,
        gid: &Jid,
        author: &Person,
        change: &Change,
        at_ms: i64,
    ) -> Result<Notice, Refusal> {
        let before = self.find(gid)?.clone();
        before.check(&author.name, change)?;
        let mut after = before.clone();
        after.apply(author, change, at_ms);
        let object = gid.to_string();
        journal.record(at_ms, &author.name, change.operation(), &object, change.detail());
        let action = stanza::action(&before, &after, author, change);
        let notice = self.notice(&before, &after, author, at_ms, action);
        self.by_id.insert(after.id.clone(), after);
        Ok(notice)
    }

    fn notice(
        &mut self,
        before: &Group,
        after: &Group,
        author: &Person,
        at_ms: i64,
        action: Node,
    ) -> Notice {
        self.notified += 1;
        let id = format!("gp2-{}", self.notified);
        let mut to: Vec<String> =
            after.members.iter().map(|member| member.person.name.clone()).collect();
        let gone =
            before.members.iter().filter(|member| after.member(&member.person.name).is_none());
        to.extend(gone.map(|member| member.person.name.clone()));
        Notice { to, node: stanza::notification(after, &id, author, at_ms, action) }
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
            invite: "code".into(),
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
    fn who_is_removed_hears_of_it_too() {
        let (mut groups, mut journal, gid) = founded();
        let change = Change::Remove(vec!["mia".into()]);
        let notice =
            groups.change(&mut journal, &gid, &person("boss"), &change, 2).expect("allowed");
        assert_eq!(notice.to, ["boss", "shop", "mia"]);
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
