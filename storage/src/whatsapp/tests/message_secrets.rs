use wacore::store::traits::{MsgSecretEntry, MsgSecretStore};

use super::{conforms, in_memory, plain, step};

fn entry(msg_id: &str, secret: u8, expires_at: i64, message_ts: i64) -> MsgSecretEntry {
    MsgSecretEntry {
        chat: "c".into(),
        sender: "s".into(),
        msg_id: msg_id.into(),
        secret: [secret; 32],
        expires_at,
        message_ts,
    }
}

step!(pub(super) Fill, |b| {
    b.put_msg_secret("c", "s", "plain", &[1; 32]).await.unwrap();
    // The same texts cut elsewhere are another message.
    b.put_msg_secret("cs", "", "plain", &[2; 32]).await.unwrap();
    let twice = vec![entry("timed", 3, 50, 40), entry("timed", 4, 20, 0), entry("kept", 5, 0, 9)];
    vec![plain(b.put_msg_secrets(twice).await.unwrap()), plain(b.put_msg_secrets(vec![]).await.unwrap())]
});

step!(Renew, |b| {
    let answer =
        b.put_msg_secrets(vec![entry("timed", 6, 60, 41), entry("kept", 7, 10, 0)]).await.unwrap();
    vec![plain(answer), plain(b.delete_expired_msg_secrets(59).await.unwrap())]
});

step!(Expire, |b| { vec![plain(b.delete_expired_msg_secrets(60).await.unwrap())] });

step!(pub(super) Ask, |b| {
    let mut answers = vec![];
    for (chat, sender, id) in [("c", "s", "plain"), ("cs", "", "plain"), ("c", "s", "timed"), ("c", "s", "kept")] {
        answers.push(plain(b.get_msg_secret(chat, sender, id).await.unwrap()));
        answers.push(plain(b.get_msg_secret_with_ts(chat, sender, id).await.unwrap()));
    }
    answers
});

#[tokio::test]
async fn message_secrets_are_answered_as_the_library_does() {
    conforms(&[&Ask, &Fill, &Renew, &Expire], &Ask).await;
}

#[tokio::test]
async fn a_redelivered_secret_neither_shortens_its_time_nor_forgets_when_its_message_was() {
    let backend = in_memory();
    backend.put_msg_secrets(vec![entry("m", 1, 100, 40)]).await.unwrap();
    backend.put_msg_secrets(vec![entry("m", 2, 50, 0)]).await.unwrap();
    assert_eq!(
        backend.get_msg_secret_with_ts("c", "s", "m").await.unwrap(),
        Some((vec![2; 32], 40))
    );
    assert_eq!(backend.delete_expired_msg_secrets(99).await.unwrap(), 0);
    assert_eq!(backend.delete_expired_msg_secrets(100).await.unwrap(), 1);
}
