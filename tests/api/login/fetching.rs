//! The issuer's key set: fetched seldom, by one at a time, and kept when the issuer is away.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Semaphore;
use wharf::auth::Settings;
use wharf_storage::Capability;

use super::{
    gateway,
    issuer::{Behaviour, Issuer, claims, keys},
    list,
    signer::Signer,
};
use crate::app::{Running, eventually};

/// A pause that a test outlives.
const SHORT: Duration = Duration::from_millis(20);

/// Every way in which there is no usable key set, though it looks like one of `signer`; `elsewhere` is where a redirect
/// leads.
fn misbehaviours(elsewhere: &Issuer, signer: &Signer) -> [Behaviour; 12] {
    let text = |text: &str| Behaviour::Text(text.to_owned());
    let status = |status| Behaviour::Status(status, vec![signer.jwk()]);
    [
        Behaviour::Silence,
        status(500),
        status(404),
        status(300),
        status(203),
        Behaviour::Flood,
        Behaviour::Redirect(elsewhere.url().to_owned()),
        text("<html>"),
        text("{}"),
        text(r#"{"keys":[]}"#),
        text(r#"{"keys":[{"kty":"oct","kid":"one","k":"c2VjcmV0"}]}"#),
        text(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","use":"enc","x":"AAAA"}]}"#),
    ]
}

/// Fetches often, and does not wait long for one.
fn impatient(issuer: &Issuer) -> Settings {
    let fetch_timeout = Duration::from_millis(500);
    Settings { retry: SHORT, refresh: SHORT, fetch_timeout, ..issuer.settings() }
}

/// Waits until the issuer was asked so often in all.
async fn asked(issuer: &Issuer, times: usize) {
    eventually("the key set is fetched", async || {
        let fetches = issuer.fetches();
        if fetches >= times { Ok(()) } else { Err(fetches.to_string()) }
    })
    .await;
}

/// Waits until the issuer was asked this much more.
async fn asked_again(issuer: &Issuer, times: usize) {
    asked(issuer, issuer.fetches() + times).await;
}

/// Waits until the token opens the door.
async fn taken(gateway: &Running, token: &str) {
    eventually("the token is taken", async || {
        let answer = list(gateway, token).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.body.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn until_a_key_set_was_had_tokens_are_503_and_keys_are_not_held_up() {
    let signer = Signer::ed25519("one");
    let token = signer.mint(&claims(&json!({})));
    let elsewhere = Issuer::of(&[&signer]).await;
    for behaviour in misbehaviours(&elsewhere, &signer) {
        let issuer = Issuer::start(behaviour).await;
        let gateway = gateway(impatient(&issuer)).await;
        let answer = list(&gateway, &token).await;
        let pause: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&pause), "{pause}");
        answer.error(503, "gateway_unavailable");
        let key = gateway.key_with(Capability::Read).await;
        list(&gateway, &key).await.expect(200);
        // What is no token in the first place need not wait either.
        list(&gateway, "a.b.c").await.error(401, "unauthorized");
        // A little more than is read lies in the buffers of the connection.
        let bytes = issuer.taken() / issuer.fetches();
        assert!(bytes < 16 << 20, "{bytes} bytes were taken");

        issuer.behaves(keys(&[&signer]));
        taken(&gateway, &token).await;
    }
    assert_eq!(elsewhere.fetches(), 0, "a redirect was followed");
}

#[tokio::test]
async fn the_last_good_set_survives_whatever_the_issuer_does() {
    let signer = Signer::ed25519("one");
    let token = signer.mint(&claims(&json!({})));
    let other = Signer::ed25519("one");
    let elsewhere = Issuer::of(&[&other]).await;
    let issuer = Issuer::of(&[&signer]).await;
    let gateway = gateway(impatient(&issuer)).await;
    taken(&gateway, &token).await;
    for behaviour in misbehaviours(&elsewhere, &other) {
        issuer.behaves(behaviour);
        asked_again(&issuer, 2).await;
        list(&gateway, &token).await.expect(200);
    }
    assert_eq!(elsewhere.fetches(), 0, "a redirect was followed");
}

#[tokio::test]
async fn a_new_key_is_taken_after_one_fetch_and_one_that_is_gone_is_not() {
    let (old, new) = (Signer::ed25519("old"), Signer::p256("new"));
    let issuer = Issuer::of(&[&old]).await;
    let gateway = gateway(issuer.settings()).await;
    let (before, after) = (old.mint(&claims(&json!({}))), new.mint(&claims(&json!({}))));
    list(&gateway, &before).await.expect(200);
    assert_eq!(issuer.fetches(), 1);
    issuer.behaves(keys(&[&new]));
    list(&gateway, &before).await.expect(200);
    list(&gateway, &after).await.expect(200);
    assert_eq!(issuer.fetches(), 2);
    list(&gateway, &before).await.error(401, "unauthorized");
    list(&gateway, &after).await.expect(200);
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn a_key_that_is_gone_is_refused_once_the_set_was_refreshed() {
    let (old, new) = (Signer::ed25519("same"), Signer::ed25519("same"));
    let issuer = Issuer::of(&[&old]).await;
    let gateway = gateway(Settings { refresh: SHORT, ..issuer.settings() }).await;
    let (before, after) = (old.mint(&claims(&json!({}))), new.mint(&claims(&json!({}))));
    list(&gateway, &before).await.expect(200);
    list(&gateway, &after).await.error(401, "unauthorized");
    issuer.behaves(keys(&[&new]));
    // The second fetch from now began after the change, and the third after the second had its effect.
    asked_again(&issuer, 3).await;
    list(&gateway, &before).await.error(401, "unauthorized");
    list(&gateway, &after).await.expect(200);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_buys_one_fetch() {
    let signer = Signer::ed25519("one");
    let issuer = Issuer::of(&[&signer]).await;
    let gateway = gateway(issuer.settings()).await;
    let good = signer.mint(&claims(&json!({})));
    list(&gateway, &good).await.expect(200);
    let unknown = async |number: usize| {
        let header = json!({"alg": "EdDSA", "kid": format!("made-up-{number}")});
        let token = signer.mint_with(&header, &claims(&json!({})));
        list(&gateway, &token).await.error(401, "unauthorized");
    };
    join_all((0..200).map(&unknown)).await;
    for number in 0..200 {
        unknown(number % 20).await;
    }
    list(&gateway, &good).await.expect(200);
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn a_made_up_name_that_is_repeated_does_not_hold_up_a_real_new_key() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let issuer = Issuer::of(&[&old]).await;
    let pause = Duration::from_millis(300);
    let gateway = gateway(Settings { unknown_key_pause: pause, ..issuer.settings() }).await;
    list(&gateway, &old.mint(&claims(&json!({})))).await.expect(200);
    let made_up = old.mint_with(&json!({"alg": "EdDSA", "kid": "made-up"}), &claims(&json!({})));
    list(&gateway, &made_up).await.error(401, "unauthorized");
    assert_eq!(issuer.fetches(), 2);
    let end = tokio::time::Instant::now() + pause;
    while tokio::time::Instant::now() <= end {
        list(&gateway, &made_up).await.error(401, "unauthorized");
    }
    // The pause is over, and the name that is known to be made up has not used up what it allows.
    assert_eq!(issuer.fetches(), 2);
    issuer.behaves(keys(&[&old, &new]));
    list(&gateway, &new.mint(&claims(&json!({})))).await.expect(200);
    assert_eq!(issuer.fetches(), 3);
}

#[tokio::test]
async fn a_new_key_that_comes_within_the_pause_is_fetched_when_it_is_over() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let issuer = Issuer::of(&[&old]).await;
    let pause = Duration::from_secs(1);
    let gateway = gateway(Settings { unknown_key_pause: pause, ..issuer.settings() }).await;
    list(&gateway, &old.mint(&claims(&json!({})))).await.expect(200);
    let made_up = old.mint_with(&json!({"alg": "EdDSA", "kid": "made-up"}), &claims(&json!({})));
    list(&gateway, &made_up).await.error(401, "unauthorized");
    issuer.behaves(keys(&[&old, &new]));
    let token = new.mint(&claims(&json!({})));
    taken(&gateway, &token).await;
    assert_eq!(issuer.fetches(), 3);
}

#[tokio::test]
async fn one_fetch_serves_all_who_wait_for_it() {
    let signer = Signer::ed25519("one");
    let permits = Arc::new(Semaphore::new(0));
    let issuer = Issuer::start(Behaviour::Held(vec![signer.jwk()], Arc::clone(&permits))).await;
    let gateway = gateway(issuer.settings()).await;
    let token = signer.mint(&claims(&json!({})));
    let waiting = join_all((0..50).map(|_| list(&gateway, &token)));
    let release = async {
        asked(&issuer, 1).await;
        permits.add_permits(1);
    };
    let (answers, ()) = tokio::join!(waiting, release);
    for answer in answers {
        answer.expect(200);
    }
    assert_eq!(issuer.fetches(), 1);
}
