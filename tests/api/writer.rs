//! The store's writer panics under a gateway with sessions. The test is also the process that dies: it starts itself again
//! with what it is to run on in the environment.

use std::{os::unix::process::ExitStatusExt, path::Path, process::Stdio};

use serde_json::json;
use wharf_sandbox::{Config, Sandbox};
use wharf_storage::{GroupSnapshot, Options, Status, Store};

use crate::{
    app::{DEADLINE, Running},
    fleet::{Fleet, all_work},
};

const FILE: &str = "WHARF_FILE_OF_CHILD";
const WHATSAPP: &str = "WHARF_WHATSAPP_OF_CHILD";

/// A gateway whose sessions work when its writer panics.
async fn dies(file: &Path, whatsapp: &str) {
    let store = Store::open(file, &Options::default()).unwrap();
    let running = Running::start(store.clone(), whatsapp).await;
    let stored = store.sessions().await.unwrap();
    for session in &stored {
        let handle = running.sessions.find("default", session.id).unwrap();
        handle.reaches(Status::Working, DEADLINE).await.unwrap();
    }
    let (session, group) =
        (stored[0].id, store.groups(stored[0].id, None, 1).await.unwrap().remove(0));
    let path = format!("/api/v1/sessions/{session}/groups/{}", group.jid);
    running.patch(&path, json!({"subject": "Before"})).await.expect(204);
    let snapshot =
        GroupSnapshot { subject: Some("In the panic".to_owned()), ..GroupSnapshot::of(group.jid) };
    // The closure runs inside of the writer's transaction.
    let outcome = store.put_group(session, snapshot, 1, |_| panic!("on purpose")).await;
    panic!("the writer survived: {outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_panics_ends_the_gateway_and_the_next_one_has_every_session() {
    if let (Some(file), Ok(whatsapp)) = (std::env::var_os(FILE), std::env::var(WHATSAPP)) {
        return dies(Path::new(&file), &whatsapp).await;
    }
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 3, 1).await;
    let name = "writer::a_writer_that_panics_ends_the_gateway_and_the_next_one_has_every_session";
    let file = fleet.data.path("wharf.redb");
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(FILE, &file)
        .env(WHATSAPP, sandbox.ws_url())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ended = child.wait().await.unwrap();
    assert_eq!(ended.signal(), Some(6), "{ended}");

    let changed = sandbox.journal().into_iter().find(|entry| entry.operation == "group.subject");
    let changed = changed.expect("it was answered").object;
    let (session, group) = fleet.groups.iter().find(|(_, group)| *group == changed).unwrap();
    let store = Store::open(&file, &Options::default()).unwrap();
    let stored = store.group(session.parse().unwrap(), &group.parse().unwrap()).unwrap().unwrap();
    assert_eq!(stored.subject.as_deref(), Some("Before"));
    store.close().await.unwrap();

    let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    all_work(&gateway, |_| true).await;
    fleet.was_never_paired_again(&sandbox);
    assert!(gateway.terminate().await.success());
}
