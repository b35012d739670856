//! The gateway is killed at any moment while callers change all that they can, encrypted or not.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use wharf_sandbox::{Config, Sandbox};

use crate::{
    encryption::key_file,
    fleet::{Fleet, all_work},
    process::{Caller, Gateway, random, rounds},
};

/// An address on which nothing listens.
const NOWHERE: &str = "ws://127.0.0.1:9/ws/chat";
const SESSIONS: usize = 4;
const GROUPS: usize = 4;
/// How long callers go on at most before the kill.
const LOAD_MS: u64 = 1_500;

/// Something that one caller changes again and again: a group's subject, or a session's label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    path: String,
    field: &'static str,
}

impl Place {
    fn all(fleet: &Fleet) -> Vec<Self> {
        let groups = fleet.groups.iter().map(|(session, group)| Self {
            path: format!("/api/v1/sessions/{session}/groups/{group}"),
            field: "subject",
        });
        let sessions = fleet
            .sessions
            .iter()
            .map(|session| Self { path: format!("/api/v1/sessions/{session}"), field: "label" });
        groups.chain(sessions).collect()
    }
}

fn text(round: usize, turn: usize) -> String {
    format!("Round {round} turn {turn}")
}

/// Changes the place until the gateway is gone; says how many changes were answered.
async fn changes(caller: Caller, place: &Place, round: usize) -> usize {
    for turn in 1.. {
        let body = json!({ place.field: text(round, turn) });
        match caller.call("PATCH", &place.path, Some(&body)).await {
            Some((200 | 204, _)) => {}
            Some((429, _)) => panic!("one caller at a time is too many for {place:?}"),
            Some(other) => panic!("{place:?}, turn {turn}: {other:?}"),
            None => return turn - 1,
        }
    }
    unreachable!("a gateway that is killed answers no more")
}

/// Lets callers change every place until the process is killed, at any moment; says how many changes of each it answered.
async fn killed_under_load(
    mut gateway: Gateway,
    places: &Arc<[Place]>,
    round: usize,
) -> BTreeMap<Place, usize> {
    let mut callers = JoinSet::new();
    for index in 0..places.len() {
        let (caller, places) = (gateway.caller(), Arc::clone(places));
        callers.spawn(async move {
            let place = &places[index];
            (place.clone(), changes(caller, place, round).await)
        });
    }
    let moment = Duration::from_millis(random(LOAD_MS));
    let ended = tokio::time::timeout(moment, gateway.has_ended()).await;
    assert!(ended.is_err(), "round {round}: it ended by itself: {ended:?}");
    gateway.kill_9().await;
    callers.join_all().await.into_iter().collect()
}

/// Asserts that the store has, of every place, the last change that was answered, or the one that was under way, and that
/// each is told behind the `last` event of the rounds before.
async fn has_all(
    gateway: &Gateway,
    answered: &BTreeMap<Place, usize>,
    round: usize,
    last: &mut String,
) {
    let events = gateway.all_after("/api/v1/events", "after", last).await;
    let ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "events out of order");
    assert!(ids.first().is_none_or(|first| *first > last.as_str()), "events out of order");
    for (place, &turns) in answered {
        let stored = gateway.get(&place.path).await;
        let found = &stored[place.field];
        let under_way = *found == text(round, turns + 1);
        let kept = turns == 0 || *found == text(round, turns) || under_way;
        assert!(kept, "round {round}: {turns} changes were answered, stored is {stored}");
        if place.field == "subject" {
            told_once(&events, place, round, turns + usize::from(under_way));
        }
    }
    if let Some(newest) = ids.last() {
        (*newest).clone_into(last);
    }
}

/// Asserts that each of so many changes of the place is told once.
fn told_once(events: &[Value], place: &Place, round: usize, turns: usize) {
    for turn in 1..=turns {
        let told = events.iter().filter(|event| {
            event["event"] == "group.update"
                && event["payload"]["subject"] == text(round, turn)
                && event["payload"]["groupJid"]
                    .as_str()
                    .is_some_and(|gid| place.path.ends_with(gid))
        });
        let count = told.count();
        assert_eq!(count, 1, "round {round}: turn {turn} of {place:?} was told {count} times");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_under_load_loses_nothing_that_was_answered_encrypted_or_not() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let plain = Fleet::new(&sandbox, SESSIONS, GROUPS).await;
    let other = Sandbox::start(Config::default()).await.unwrap();
    let encrypted = Fleet::new(&other, SESSIONS, GROUPS).await;
    let key = key_file(&encrypted.data, "master", '1');
    let with_key = ["--master-key-file", key.to_str().unwrap()];
    let enable: Vec<&str> = ["encryption", "enable"].into_iter().chain(with_key).collect();
    assert!(encrypted.data.command(&enable).await.status.success());

    let sides = [(&sandbox, &plain, &[][..]), (&other, &encrypted, &with_key[..])];
    let mut last = [String::new(), String::new()];
    for round in 0..rounds(4) {
        let (sandbox, fleet, options) = sides[round % sides.len()];
        let places: Arc<[Place]> = Place::all(fleet).into();
        let gateway = fleet.data.serve(&sandbox.ws_url(), options).await;
        all_work(&gateway, |_| true).await;
        let answered = killed_under_load(gateway, &places, round).await;
        assert_eq!(answered.len(), places.len());

        // WhatsApp is away: what the store says is what it kept.
        let gateway = fleet.data.serve(NOWHERE, options).await;
        has_all(&gateway, &answered, round, &mut last[round % sides.len()]).await;
        gateway.kill_9().await;
    }
    for (sandbox, fleet, options) in sides {
        let check: Vec<&str> = ["check"].into_iter().chain(options.iter().copied()).collect();
        let checked = fleet.data.command(&check).await;
        assert!(checked.status.success(), "{checked:?}");
        fleet.was_never_paired_again(sandbox);
    }
}
