//! Random operations on the protocol library's in-memory backend and on ours: both answer alike, also after the file was
//! reopened. Where that backend is no example to follow, the crate's own tests say what holds.
//!
//! `PROPTEST_CASES` says how many sequences are tried.

mod app_sync;
mod contacts;
mod device;
mod protocol;
mod schema_1;
mod signal;

use std::{fmt::Debug, path::Path};

use proptest::{prelude::*, test_runner::Config};
use serde::Serialize;
use wacore::store::{InMemoryBackend, traits::Backend as Library};
use wharf_storage::{MasterKey, Options, SessionId, Store, whatsapp::Backend};

pub(super) use schema_1::{gives_out_what_was_sent, holds_what_schema_1_wrote};

/// How many sequences are tried unless told otherwise.
const CASES: u32 = 12;
/// Sessions of one file: no operation on one of them may reach the other.
const SESSIONS: usize = 2;

/// What a backend answered, call by call.
type Answers = Vec<String>;

#[derive(Debug, Clone)]
enum Step {
    /// Closes the file and opens it again.
    Reopen,
    Signal(usize, signal::Operation),
    AppSync(usize, app_sync::Operation),
    Protocol(usize, protocol::Operation),
    Contacts(usize, contacts::Operation),
    Device(usize, device::Operation),
}

impl Step {
    fn any() -> impl Strategy<Value = Self> {
        let session = || 0..SESSIONS;
        prop_oneof![
            1 => Just(Self::Reopen),
            6 => (session(), signal::any()).prop_map(|(session, step)| Self::Signal(session, step)),
            4 => (session(), app_sync::any()).prop_map(|(session, step)| Self::AppSync(session, step)),
            6 => (session(), protocol::any()).prop_map(|(session, step)| Self::Protocol(session, step)),
            5 => (session(), contacts::any()).prop_map(|(session, step)| Self::Contacts(session, step)),
            1 => (session(), device::any()).prop_map(|(session, step)| Self::Device(session, step)),
        ]
    }

    /// Runs the step on a backend of each session.
    async fn run<B: Library>(&self, backends: &[B]) -> Answers {
        match self {
            Self::Reopen => Answers::new(),
            Self::Signal(session, step) => step.run(&backends[*session]).await,
            Self::AppSync(session, step) => step.run(&backends[*session]).await,
            Self::Protocol(session, step) => step.run(&backends[*session]).await,
            Self::Contacts(session, step) => step.run(&backends[*session]).await,
            Self::Device(session, step) => step.run(&backends[*session]).await,
        }
    }
}

/// Everything that there is to ask.
async fn all_answers<B: Library>(backends: &[B]) -> Answers {
    let mut answers = Answers::new();
    for backend in backends {
        answers.extend(signal::answers(backend).await);
        answers.extend(app_sync::answers(backend).await);
        answers.extend(protocol::answers(backend).await);
        answers.extend(contacts::answers(backend).await);
        answers.extend(device::answers(backend).await);
    }
    answers
}

fn open(path: &Path, sessions: &[SessionId], encrypted: bool) -> (Store, Vec<Backend>) {
    let master_key = encrypted.then(|| MasterKey::new([5; 32]));
    let store = Store::open(path, &Options { master_key, ..Options::default() }).unwrap();
    let backends = sessions.iter().map(|session| store.whatsapp(*session)).collect();
    (store, backends)
}

/// Shows the first answer that differs: all of them are more than anybody reads.
fn alike(ours: &Answers, expected: &Answers, when: &str) {
    for (place, (ours, expected)) in ours.iter().zip(expected).enumerate() {
        assert_eq!(ours, expected, "answer {place}, {when}");
    }
    assert_eq!(ours.len(), expected.len());
}

async fn conforms(steps: Vec<Step>, encrypted: bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let sessions: Vec<_> = (0..SESSIONS).map(|_| SessionId::generate(1)).collect();
    let (mut store, mut ours) = open(&path, &sessions, encrypted);
    let reference: Vec<_> = sessions.iter().map(|_| InMemoryBackend::new()).collect();
    for step in steps.iter().chain([&Step::Reopen]) {
        assert_eq!(step.run(&ours).await, step.run(&reference).await, "{step:?}");
        if matches!(step, Step::Reopen) {
            let expected = all_answers(&reference).await;
            alike(&all_answers(&ours).await, &expected, "before the file was reopened");
            store.close().await.unwrap();
            (store, ours) = open(&path, &sessions, encrypted);
            alike(&all_answers(&ours).await, &expected, "after the file was reopened");
        }
    }
    store.close().await.unwrap();
}

#[test]
fn any_operations_are_answered_as_the_library_does() {
    let cases = std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    proptest!(config, |(steps in prop::collection::vec(Step::any(), 1..80), encrypted in any::<bool>())| {
        runtime.block_on(conforms(steps, encrypted));
    });
}

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

/// A few bytes, none among them.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..5)
}

/// One of few texts, so that operations meet; some begin with another.
fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(texts)
}
