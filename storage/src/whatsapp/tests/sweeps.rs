use wacore::store::traits::{MsgSecretStore, ProtocolStore};

use crate::{Store, store::tests::fill};

#[tokio::test]
async fn sweeps_commit_nothing_when_nothing_has_expired() {
    let store = Store::in_memory().unwrap();
    let ids = fill(&store, 2).await;
    let before = store.figures().commits;
    assert_eq!(store.sweep_events(500, 100).await.unwrap(), 0);
    assert_eq!(store.sweep_audit(1, 100).await.unwrap(), 0);
    let backend = store.whatsapp(ids[0]);
    assert_eq!(backend.delete_expired_sent_messages(0).await.unwrap(), 0);
    assert_eq!(backend.delete_expired_pending_inbound(0).await.unwrap(), 0);
    assert_eq!(backend.delete_expired_tc_tokens(i64::MIN, i64::MIN).await.unwrap(), 0);
    assert_eq!(backend.delete_expired_msg_secrets(0).await.unwrap(), 0);
    assert_eq!(store.figures().commits, before);
}
