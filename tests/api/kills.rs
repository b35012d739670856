//! The gateway is killed in the middle of its work.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use wharf_sandbox::{Config, Sandbox};

use crate::{
    app::eventually,
    fleet::{Fleet, all_work},
    process::{Gateway, random, rounds},
};

const SESSIONS: usize = 20;
const GROUPS: usize = 50;
/// An address on which nothing listens.
const NOWHERE: &str = "ws://127.0.0.1:9/ws/chat";

/// Sends one PATCH to every group at once, and gives the answers that come until the process is killed.
async fn patches_until_killed(
    gateway: Gateway,
    groups: &[(String, String)],
    round: usize,
    answers: usize,
) -> BTreeMap<String, u16> {
    let gateway = Arc::new(gateway);
    let (sender, mut answered) = mpsc::unbounded_channel();
    let calls: Vec<_> = groups
        .iter()
        .map(|(session, group)| {
            let (gateway, sender, group) = (Arc::clone(&gateway), sender.clone(), group.clone());
            let path = format!("/api/v1/sessions/{session}/groups/{group}");
            tokio::spawn(async move {
                let body = json!({"subject": subject(round, &group)});
                if let Some((status, _)) = gateway.call("PATCH", &path, Some(&body)).await {
                    drop(sender.send((group, status)));
                }
            })
        })
        .collect();
    drop(sender);
    let mut found = BTreeMap::new();
    while found.len() < answers
        && let Some((group, status)) = answered.recv().await
    {
        found.insert(group, status);
    }
    gateway.signal("KILL");
    while let Some((group, status)) = answered.recv().await {
        found.insert(group, status);
    }
    for call in calls {
        call.await.unwrap();
    }
    // Its connections are gone before it has let the store go.
    Arc::into_inner(gateway).expect("every call has ended").ends().await;
    found
}

fn subject(round: usize, group: &str) -> String {
    format!("Round {round} of {group}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_a_thousand_changes_loses_nothing_that_was_answered() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, SESSIONS, GROUPS).await;
    assert_eq!(fleet.groups.len(), SESSIONS * GROUPS);
    let mut last_event = String::new();
    for round in 0..rounds(2) {
        let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
        all_work(&gateway, |_| true).await;
        let cut = usize::try_from(random(900)).unwrap();
        let answers = patches_until_killed(gateway, &fleet.groups, round, cut).await;
        let done: Vec<&String> =
            answers.iter().filter(|(_, status)| **status == 204).map(|(group, _)| group).collect();
        assert_eq!(done.len(), answers.len(), "round {round}: {answers:?}");

        // WhatsApp is away: what the store says is what it kept.
        let gateway = fleet.data.serve(NOWHERE, &[]).await;
        let mut stored = BTreeMap::new();
        for session in &fleet.sessions {
            for group in gateway.all(&format!("/api/v1/sessions/{session}/groups"), "cursor").await
            {
                stored.insert(
                    group["groupJid"].as_str().unwrap().to_owned(),
                    group["subject"].as_str().unwrap().to_owned(),
                );
            }
        }
        assert_eq!(stored.len(), SESSIONS * GROUPS);
        let lost: Vec<_> =
            done.iter().filter(|group| stored[**group] != subject(round, group)).collect();
        assert!(lost.is_empty(), "round {round}, cut after {cut}: lost {lost:?}");

        // Every change that the store has is told, once; the log only grows.
        let events = gateway.all("/api/v1/events", "after").await;
        let ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next), "events out of order");
        assert!(
            last_event.is_empty() || ids.contains(&last_event.as_str()),
            "the last event of the round before is lost"
        );
        last_event = (*ids.last().unwrap()).to_owned();
        for (group, now) in &stored {
            let told = events.iter().filter(|event| tells(event, group, now)).count();
            if *now == subject(round, group) {
                assert_eq!(told, 1, "round {round}: the change of {group} was told {told} times");
            }
        }
        gateway.kill_9().await;

        // WhatsApp is there again: the sessions go on, and the store follows what was cut off.
        let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
        all_work(&gateway, |_| true).await;
        for (session, group) in &fleet.groups {
            let path = format!("/api/v1/sessions/{session}/groups/{group}");
            let real = sandbox.group(group).subject();
            eventually("the store follows WhatsApp", async || {
                let stored = gateway.get(&path).await["subject"].clone();
                if stored == real { Ok(()) } else { Err(format!("{stored}, not {real}")) }
            })
            .await;
        }
        assert!(gateway.terminate().await.success());
    }
    fleet.was_never_paired_again(&sandbox);
}

fn tells(event: &Value, group: &str, subject: &str) -> bool {
    event["event"] == "group.update"
        && event["payload"]["groupJid"] == group
        && event["payload"]["subject"] == subject
}
