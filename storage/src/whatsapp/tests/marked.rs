//! Rows of every protocol table, with a mark in their values: for tests of how values are stored.

use wacore::store::traits::{DeviceStore, MsgSecretStore, ProtocolStore, SignalStore};

use super::{
    Answers, Step, app_sync, device, message_secrets, plain, protocol, signal, trusted_contacts,
};
use crate::{SessionId, Store};

/// Stores rows in every table; `mark` is in many of their values, and in no key.
pub(crate) async fn fill(store: &Store, session: SessionId, mark: [u8; 32]) {
    super::fill(store, session).await;
    let backend = store.whatsapp(session);
    backend.put_identity("marked@s", mark).await.unwrap();
    backend.put_session("marked@s", &mark).await.unwrap();
    backend.store_prekey(70, &mark, true).await.unwrap();
    backend.store_signed_prekey(70, &mark).await.unwrap();
    backend.put_sender_key("marked::1", &mark).await.unwrap();
    backend.store_sent_message("marked", "m", &mark).await.unwrap();
    backend.store_pending_inbound("marked", "s", "m", &mark).await.unwrap();
    backend.put_group_metadata("marked@g.us", &mark).await.unwrap();
    backend.put_msg_secret("marked", "s", "m", &mark).await.unwrap();
    backend.save_base_key("marked@s", "m", &mark).await.unwrap();
}

/// What [`fill`] stored, as it is read back.
pub(crate) async fn read(store: &Store, session: SessionId) -> Answers {
    let backend = store.whatsapp(session);
    let mut answers = vec![
        plain(backend.load().await.unwrap().map(|device| device.registration_id)),
        plain(backend.load_identity("marked@s").await.unwrap().unwrap()),
        plain(backend.get_session("marked@s").await.unwrap().unwrap()),
        plain(backend.load_prekey(70).await.unwrap().unwrap()),
        plain(backend.load_signed_prekey(70).await.unwrap().unwrap()),
        plain(backend.get_sender_key("marked::1").await.unwrap().unwrap()),
        plain(backend.get_pending_inbound("marked", "s", "m").await.unwrap().unwrap()),
        plain(backend.get_group_metadata("marked@g.us").await.unwrap().unwrap()),
        plain(backend.get_msg_secret("marked", "s", "m").await.unwrap().unwrap()),
    ];
    let asked: [&dyn Step; 6] = [
        &signal::Ask,
        &app_sync::Ask,
        &protocol::Ask,
        &trusted_contacts::Ask,
        &message_secrets::Ask,
        &device::Ask,
    ];
    for ask in asked {
        answers.extend(ask.run(&backend).await);
    }
    answers
}
