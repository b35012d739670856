//! The process dies in the middle of its writes. Each test is also the process that dies: it starts itself again with
//! the path of the store in the environment.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::json;
use wharf_storage::{Event, NewEvent, Options, SessionId, Store};

const CHILD: &str = "WHARF_STORE_OF_CHILD";
const PRODUCERS: u64 = 64;

fn open(path: &Path) -> Store {
    Store::open(path, &Options::default()).unwrap()
}

/// Starts the named test as the process that dies.
fn child(test: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--quiet"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The path of the store, in the process that dies.
fn is_child() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

fn event(session: SessionId, producer: u64, number: u64) -> NewEvent {
    NewEvent {
        session,
        organization: "acme".to_owned(),
        name: "test".to_owned(),
        at: 1_700_000_000_000,
        payload: json!({"producer": producer, "number": number}),
    }
}

/// Writes from many tasks and says of each write that it was acknowledged; goes on until it is killed.
async fn writes_for_ever(path: &Path) {
    let store = open(path);
    let session = SessionId::generate(1);
    let mut producers = tokio::task::JoinSet::new();
    for producer in 0..PRODUCERS {
        let store = store.clone();
        producers.spawn(async move {
            for number in 0.. {
                store.record_events(vec![event(session, producer, number)]).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "ack {producer} {number}").unwrap();
            }
        });
    }
    producers.join_all().await;
}

async fn whole_log(store: &Store) -> Vec<Event> {
    let (mut log, mut after) = (Vec::new(), None);
    loop {
        let page = store.events_page("acme", after, None, 1_000, 0).await.unwrap();
        if page.events.is_empty() {
            return log;
        }
        log.extend(page.events);
        after = Some(page.last);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_loses_nothing_that_was_acknowledged() {
    if let Some(path) = is_child() {
        return writes_for_ever(&path).await;
    }
    let rounds = std::env::var("ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wharf.redb");
        let mut child =
            child("crashes::a_kill_at_any_moment_loses_nothing_that_was_acknowledged", &path);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let moment = usize::try_from(getrandom::u64().unwrap() % 3_000).unwrap();
        let mut acknowledged = BTreeMap::new();
        let mut killed = false;
        for (seen, line) in lines.enumerate() {
            if seen == moment {
                child.kill().unwrap();
                killed = true;
            }
            let mut words = line.split(' ');
            if words.next() == Some("ack")
                && let (Some(producer), Some(number)) = (words.next(), words.next())
                && let (Ok(producer), Ok(number)) = (producer.parse::<u64>(), number.parse::<u64>())
            {
                acknowledged.insert(producer, number);
            }
        }
        child.wait().unwrap();
        assert!(killed, "round {round}: it ended by itself");
        // Some lines are the test runner's.
        assert!(moment < 10 || !acknowledged.is_empty(), "round {round}: nothing was written");

        let store = open(&path);
        let log = whole_log(&store).await;
        assert!(log.is_sorted_by(|one, next| one.id < next.id), "round {round}");
        let mut written: BTreeMap<u64, u64> = BTreeMap::new();
        for event in &log {
            let producer = event.payload["producer"].as_u64().unwrap();
            let next = written.entry(producer).or_default();
            assert_eq!(event.payload["number"], *next, "round {round}: a gap or a repetition");
            *next += 1;
        }
        for (producer, last) in acknowledged {
            let kept = written.get(&producer).copied().unwrap_or_default();
            assert!(kept > last, "round {round}: {last} of {producer} is lost after {moment}");
        }
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_panics_ends_the_process_and_the_next_one_starts_whole() {
    let session = SessionId::generate(1);
    if let Some(path) = is_child() {
        let store = open(&path);
        for number in 0..10 {
            store.record_events(vec![event(session, 0, number)]).await.unwrap();
        }
        let group = wharf_storage::GroupSnapshot {
            subject: Some("Crew".to_owned()),
            ..wharf_storage::GroupSnapshot::of("120363000000000001@g.us".parse().unwrap())
        };
        // The closure runs inside of the writer's transaction.
        let outcome = store.put_group(session, group, 1, |_| panic!("in the writer")).await;
        panic!("the writer survived: {outcome:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let test = "crashes::a_writer_that_panics_ends_the_process_and_the_next_one_starts_whole";
    let ended = child(test, &path).wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(6), "{ended}");

    let store = open(&path);
    assert_eq!(whole_log(&store).await.len(), 10);
    store.record_events(vec![event(session, 0, 10)]).await.unwrap();
    assert_eq!(whole_log(&store).await.len(), 11);
    store.close().await.unwrap();
}
