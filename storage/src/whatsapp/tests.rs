//! The backend gives the answers of the library's own in-memory one, also after the file was reopened.

mod app_sync;
mod device;
mod durability;
pub(crate) mod marked;
mod message_secrets;
mod protocol;
mod signal;
mod sweeps;
mod trusted_contacts;

use std::{fmt::Debug, path::Path};

use serde::Serialize;
use wacore::store::{
    InMemoryBackend,
    traits::{Backend as Library, ProtocolStore},
};

use super::Backend;
use crate::{MasterKey, Options, SessionId, Store};

const AT: i64 = 1_700_000_000_000;

/// What a backend answered, call by call.
type Answers = Vec<String>;

/// An answer without types of the library's own.
fn plain(answer: impl Debug) -> String {
    format!("{answer:?}")
}

/// An answer in the library's types, some of which cannot be compared.
fn record(answer: impl Serialize) -> String {
    serde_json::to_value(answer).unwrap().to_string()
}

/// A list whose order is not promised.
fn sorted<T: Ord>(list: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut list: Vec<T> = list.into_iter().collect();
    list.sort();
    list
}

fn session() -> SessionId {
    SessionId::generate(AT)
}

fn in_memory() -> Backend {
    Store::in_memory().unwrap().whatsapp(session())
}

fn open(path: &Path, session: SessionId) -> (Store, Backend) {
    open_under(None, path, session)
}

fn open_under(master_key: Option<MasterKey>, path: &Path, session: SessionId) -> (Store, Backend) {
    let store = Store::open(path, &Options { master_key, ..Options::default() }).unwrap();
    let backend = store.whatsapp(session);
    (store, backend)
}

/// Puts rows into every protocol table of a session.
pub(crate) async fn fill(store: &Store, session: SessionId) {
    let backend = store.whatsapp(session);
    let steps: [&dyn Step; 6] = [
        &signal::Fill,
        &app_sync::Fill,
        &protocol::Fill,
        &trusted_contacts::Fill,
        &message_secrets::Fill,
        &device::Fill,
    ];
    for step in steps {
        step.run(&backend).await;
    }
}

/// Runs the same steps against both backends; ours is closed and opened again after each of them. `ask` must answer
/// alike at every point, and so must the steps themselves.
async fn conforms(steps: &[&dyn Step], ask: &dyn Step) {
    for master_key in [None, Some(MasterKey::new([5; 32]))] {
        conforms_under(master_key, steps, ask).await;
    }
}

async fn conforms_under(master_key: Option<MasterKey>, steps: &[&dyn Step], ask: &dyn Step) {
    let reference = InMemoryBackend::new();
    let folder = tempfile::tempdir().unwrap();
    let (path, session) = (folder.path().join("store"), session());
    let (mut store, mut ours) = open_under(master_key.clone(), &path, session);
    for step in steps {
        assert_eq!(step.run(&ours).await, step.run(&reference).await);
        let expected = ask.run(&reference).await;
        assert!(!expected.is_empty());
        assert_eq!(ask.run(&ours).await, expected, "before the file was reopened");
        store.close().await.unwrap();
        (store, ours) = open_under(master_key.clone(), &path, session);
        assert_eq!(ask.run(&ours).await, expected, "after the file was reopened");
    }
}

/// Operations on a backend.
#[async_trait::async_trait]
trait Step: Sync {
    async fn run(&self, backend: &dyn Library) -> Answers;
}

/// A named step: `step!(Name, |backend| { ..; answers })`.
macro_rules! step {
    ($visibility:vis $name:ident, |$backend:ident| $body:block) => {
        $visibility struct $name;

        #[async_trait::async_trait]
        impl super::Step for $name {
            async fn run(&self, $backend: &dyn wacore::store::traits::Backend) -> super::Answers $body
        }
    };
}
use step;

#[tokio::test]
async fn two_sessions_of_one_store_do_not_see_each_others_rows() {
    let store = Store::in_memory().unwrap();
    let (one, other) = (store.whatsapp(session()), store.whatsapp(session()));
    let asked: [(&dyn Step, &dyn Step); 6] = [
        (&signal::Fill, &signal::Ask),
        (&app_sync::Fill, &app_sync::Ask),
        (&protocol::Fill, &protocol::Ask),
        (&trusted_contacts::Fill, &trusted_contacts::Ask),
        (&message_secrets::Fill, &message_secrets::Ask),
        (&device::Fill, &device::Ask),
    ];
    for (fill, ask) in asked {
        let empty = ask.run(&other).await;
        fill.run(&one).await;
        let filled = ask.run(&one).await;
        assert_ne!(filled, empty);
        assert_eq!(ask.run(&other).await, empty);
    }
    other.clear_all_sender_key_devices().await.unwrap();
    assert_eq!(other.delete_expired_sent_messages(i64::MAX).await.unwrap(), 0);
    assert_eq!(one.get_sender_key_devices("1@g.us").await.unwrap().len(), 2);
    assert_eq!(one.delete_expired_sent_messages(i64::MAX).await.unwrap(), 2);
}
