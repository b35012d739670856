//! What callers, other admins and the network do all day.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{gateway::Api, sandbox::Control};

/// How often each session is used.
const TURN: Duration = Duration::from_millis(250);
/// Every so many turns its connection drops.
const DROP_EVERY: usize = 40;
/// The admin beside the session's own account, and a plain member.
pub(crate) const ADMIN: &str = "boss";
pub(crate) const MEMBER: &str = "mia";

/// A session that is used.
#[derive(Debug, Clone)]
pub(crate) struct Used {
    pub(crate) phone: String,
    /// Its path.
    pub(crate) session: String,
    /// The JIDs of its groups.
    pub(crate) groups: Vec<String>,
}

/// How many requests had each answer.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Answers(BTreeMap<u16, usize>);

impl Answers {
    fn count(&mut self, status: StatusCode) {
        *self.0.entry(status.as_u16()).or_default() += 1;
    }

    /// How many were neither answered nor refused for a reason that a session which loses its connection may have.
    pub(crate) fn failures(&self) -> usize {
        let expected = [200, 204, 429, 501, 503, 504];
        self.0
            .iter()
            .filter(|(status, _)| !expected.contains(*status))
            .map(|(_, count)| count)
            .sum()
    }
}

/// Uses all of them for so long.
pub(crate) async fn run(
    api: &Api,
    control: &Control,
    sessions: &[Used],
    span: Duration,
) -> Answers {
    let (end, mut users) = (Instant::now() + span, JoinSet::new());
    for used in sessions {
        let user =
            User { api: api.clone(), control: control.clone(), used: used.clone(), after: None };
        users.spawn(user.goes_on_until(end));
    }
    let mut all = Answers::default();
    for one in users.join_all().await {
        for (status, count) in one.0 {
            *all.0.entry(status).or_default() += count;
        }
    }
    all
}

struct User {
    api: Api,
    control: Control,
    used: Used,
    /// The last event that was read.
    after: Option<String>,
}

impl User {
    async fn goes_on_until(mut self, end: Instant) -> Answers {
        let (mut rhythm, mut answers) = (interval(TURN), Answers::default());
        rhythm.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut turn = 0;
        while Instant::now() < end {
            rhythm.tick().await;
            self.takes_turn(turn, &mut answers).await;
            turn += 1;
        }
        // Every other time it was made an admin; nobody is at the end.
        if turn % 2 == 1 {
            self.ranks(turn).await;
        }
        answers
    }

    async fn takes_turn(&mut self, turn: usize, answers: &mut Answers) {
        let gid = self.used.groups[turn % self.used.groups.len()].clone();
        let group = format!("{}/groups/{gid}", self.used.session);
        let change = json!({"subject": format!("Turn {turn}"), "announce": turn.is_multiple_of(2)});
        for (method, path, body) in [
            (Method::PATCH, group.clone(), Some(&change)),
            (Method::GET, group.clone(), None),
            (Method::GET, format!("{group}/invite"), None),
            (Method::GET, self.used.session.clone(), None),
        ] {
            answers.count(self.api.call(method, &path, body).await.0);
        }
        let theirs =
            json!({"description": format!("Their turn {turn}"), "locked": turn.is_multiple_of(2)});
        self.control.changes(&gid, ADMIN, &theirs).await;
        self.ranks(turn).await;
        self.reads_events(answers).await;
        if turn % DROP_EVERY == DROP_EVERY - 1 {
            self.control.drops(&self.used.phone).await;
        }
    }

    /// Another admin makes a member of the first group an admin, and takes that back the next time.
    async fn ranks(&self, turn: usize) {
        let up = turn.is_multiple_of(2);
        self.control.ranks(&self.used.groups[0], ADMIN, MEMBER, up).await;
    }

    /// Reads on where it left off.
    async fn reads_events(&mut self, answers: &mut Answers) {
        let after = self.after.as_ref().map(|after| format!("&after={after}")).unwrap_or_default();
        let (status, page) =
            self.api.call(Method::GET, &format!("/api/v1/events?limit=100{after}"), None).await;
        answers.count(status);
        let next = page["nextCursor"].as_str().filter(|next| !next.is_empty());
        if let Some(next) = next {
            self.after = Some(next.to_owned());
        }
        if page["data"] == Value::Null {
            self.after = None;
        }
    }
}
