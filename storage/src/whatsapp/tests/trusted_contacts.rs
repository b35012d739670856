use wacore::store::traits::{ProtocolStore, TcTokenEntry};

use super::{conforms, in_memory, plain, record, sorted, step};

const JIDS: [&str; 6] = ["placeholder", "both", "stale", "deleted", "kept", "nobody"];

fn entry(token: &[u8], token_timestamp: i64, sender_timestamp: Option<i64>) -> TcTokenEntry {
    TcTokenEntry { token: token.to_vec(), token_timestamp, sender_timestamp }
}

step!(pub(super) Fill, |b| {
    b.touch_tc_token_sender_timestamp("placeholder", 900).await.unwrap();
    b.touch_tc_token_sender_timestamp("placeholder", 800).await.unwrap();
    b.touch_tc_token_sender_timestamp("both", 900).await.unwrap();
    b.store_received_tc_token("both", b"first", 500).await.unwrap();
    b.store_received_tc_token("both", b"older", 400).await.unwrap();
    b.put_tc_token("stale", &entry(b"old", 10, Some(20))).await.unwrap();
    b.put_tc_token("deleted", &entry(b"gone", 999, None)).await.unwrap();
    b.put_tc_token("kept", &entry(b"kept", 100, None)).await.unwrap();
    vec![]
});

step!(Change, |b| {
    b.delete_tc_token("deleted").await.unwrap();
    b.store_received_tc_token("both", b"newer", 500).await.unwrap();
    b.touch_tc_token_sender_timestamp("kept", 1000).await.unwrap();
    b.touch_tc_token_sender_timestamp("kept", 999).await.unwrap();
    let nothing = b.delete_expired_tc_tokens(10, 20).await.unwrap();
    vec![plain(nothing), plain(b.delete_expired_tc_tokens(200, 950).await.unwrap())]
});

step!(pub(super) Ask, |b| {
    let mut answers = vec![plain(sorted(b.get_all_tc_token_jids().await.unwrap()))];
    for jid in JIDS {
        answers.push(record(b.get_tc_token(jid).await.unwrap()));
    }
    answers
});

#[tokio::test]
async fn trusted_contact_tokens_are_answered_as_the_library_does() {
    conforms(&[&Ask, &Fill, &Change], &Ask).await;
}

#[tokio::test]
async fn both_halves_of_a_token_survive_writers_that_run_at_once() {
    let backend = in_memory();
    for round in 0..50 {
        let (issuing, notified) = (backend.clone(), backend.clone());
        let touched =
            tokio::spawn(async move { issuing.touch_tc_token_sender_timestamp("c", round).await });
        let received =
            tokio::spawn(
                async move { notified.store_received_tc_token("c", b"token", round).await },
            );
        touched.await.unwrap().unwrap();
        received.await.unwrap().unwrap();
        let stored = backend.get_tc_token("c").await.unwrap().unwrap();
        assert_eq!(record(stored), record(entry(b"token", round, Some(round))));
    }
}
