//! Sessions that are stopped and started, again and again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use reqwest::Method;
use tokio::task::JoinSet;

use crate::gateway::Api;

/// Runs so many cycles, the sessions side by side; each session works at the end.
pub(crate) async fn run(api: &Api, sessions: &[String], cycles: usize) {
    let (left, mut runs) = (Arc::new(AtomicUsize::new(cycles)), JoinSet::new());
    for session in sessions {
        let (api, session, left) = (api.clone(), session.clone(), Arc::clone(&left));
        runs.spawn(async move {
            let next = |left: usize| left.checked_sub(1);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok() {
                cycle(&api, &session).await;
            }
        });
    }
    runs.join_all().await;
}

async fn cycle(api: &Api, session: &str) {
    let stopped = api.does(Method::POST, &format!("{session}:stop"), None).await;
    assert_eq!(stopped["status"], "stopped", "{stopped}");
    api.does(Method::POST, &format!("{session}:start"), None).await;
    api.until(session, |body| body["status"] == "working").await;
}
