//! Many sessions in a gateway's data, and what is asked of all of them.

use serde_json::{Value, json};
use wharf_sandbox::{NewGroup, Sandbox};

use crate::{
    app::{Running, eventually},
    process::{Data, Gateway},
};

/// Sessions that are linked, with the groups that each owns.
pub(crate) struct Fleet {
    pub(crate) data: Data,
    /// The sessions, in order of their phones `shop-0`, `shop-1`, …
    pub(crate) sessions: Vec<String>,
    /// Session and group.
    pub(crate) groups: Vec<(String, String)>,
}

impl Fleet {
    /// Links this many sessions, each with this many groups, through the API, and ends the gateway in order.
    pub(crate) async fn new(sandbox: &Sandbox, sessions: usize, groups: usize) -> Self {
        for index in 0..sessions {
            sandbox.add_phone(&phone(index));
            for group in 0..groups {
                sandbox.add_group(NewGroup::new(format!("Crew {group}")).owner(phone(index)));
            }
        }
        let (data, (sessions, groups)) = Data::new(async |store| {
            let running = Running::start(store, &sandbox.ws_url()).await;
            let (mut linked, mut known) = (Vec::new(), Vec::new());
            for index in 0..sessions {
                let session = links(&running, sandbox, &phone(index)).await;
                let path = format!("/api/v1/sessions/{session}/groups?limit=200");
                let stored = running
                    .until(&path, |answer| answer.body["data"].as_array().unwrap().len() == groups)
                    .await;
                for group in stored.body["data"].as_array().unwrap() {
                    known.push((session.clone(), group["groupJid"].as_str().unwrap().to_owned()));
                }
                linked.push(session);
            }
            running.stop().await;
            (linked, known)
        })
        .await;
        Self { data, sessions, groups }
    }

    /// Asserts that no phone has another device than the one that was linked at the beginning.
    pub(crate) fn was_never_paired_again(&self, sandbox: &Sandbox) {
        for index in 0..self.sessions.len() {
            assert_eq!(sandbox.phone(&phone(index)).devices().len(), 1, "{}", phone(index));
        }
    }
}

/// The name of a session's phone.
pub(crate) fn phone(index: usize) -> String {
    format!("shop-{index}")
}

async fn links(running: &Running, sandbox: &Sandbox, phone: &str) -> String {
    let made = running.post("/api/v1/sessions", json!({"start": true})).await.expect(201);
    let session = made.body["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/sessions/{session}");
    let qr = running.until(&format!("{path}/qr"), |answer| answer.status == 200).await;
    sandbox.phone(phone).scans(qr.body["code"].as_str().unwrap()).await.unwrap();
    running.until(&path, |answer| answer.body["status"] == "working").await;
    session
}

/// Waits until every session that `wanted` picks works.
pub(crate) async fn all_work(gateway: &Gateway, wanted: impl Fn(&str) -> bool) {
    eventually("every session works", async || {
        let sessions = gateway.all("/api/v1/sessions", "cursor").await;
        let of_interest = sessions.iter().filter(|session| wanted(session["id"].as_str().unwrap()));
        let away: Vec<&Value> =
            of_interest.filter(|session| session["status"] != "working").collect();
        if away.is_empty() { Ok(()) } else { Err(json!(away).to_string()) }
    })
    .await;
}
