//! Commands on the data as a whole, and a gateway whose disk or data are not as they should be.

use std::{os::unix::fs::PermissionsExt, process::Output};

use serde_json::json;
use wharf_sandbox::{Config, Sandbox};

use crate::{
    app::eventually,
    encryption::key_file,
    fleet::{Fleet, all_work},
    process::Data,
};

fn said(output: &Output) -> String {
    let both = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(both).unwrap()
}

/// The path of the first group.
fn group(fleet: &Fleet) -> String {
    let (session, group) = &fleet.groups[0];
    format!("/api/v1/sessions/{session}/groups/{group}")
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", said(output));
    assert!(said(output).contains(words), "{}", said(output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_gateway_brings_its_sessions_back_without_pairing() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 2, 3).await;
    let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    all_work(&gateway, |_| true).await;
    let path = group(&fleet);
    let subject = |text: &str| json!({"subject": text});
    assert_eq!(gateway.call("PATCH", &path, Some(&subject("Before"))).await.unwrap().0, 204);
    let copy = fleet.data.path("copy");
    let backup = ["backup", copy.to_str().unwrap()];
    let told = done(&fleet.data.command(&backup).await);
    assert!(told.contains("rows are in"), "{told}");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    refused(&fleet.data.command(&backup).await, "--force");
    done(&fleet.data.command(&[&backup[..], &["--force"]].concat()).await);
    // Of what comes after the copy the session is lost, and WhatsApp remembers the subject.
    assert_eq!(gateway.call("PATCH", &path, Some(&subject("After"))).await.unwrap().0, 204);
    let made = gateway.call("POST", "/api/v1/sessions", Some(&json!({}))).await.unwrap();
    assert_eq!(made.0, 201);
    let checked = done(&fleet.data.command(&["check"]).await);
    assert!(checked.contains(" 0 findings"), "{checked}");
    let restore = ["restore", copy.to_str().unwrap()];
    refused(&fleet.data.command(&restore).await, "stop it first");
    refused(&fleet.data.command(&["compact"]).await, "stop it first");
    let most = u64::MAX.to_string();
    let elsewhere = fleet.data.path("another");
    let full = ["backup", elsewhere.to_str().unwrap(), "--disk-refuse", &most];
    refused(&fleet.data.command(&full).await, "there is no room for a copy");
    let beside = fleet.data.path("");
    let folder = ["backup", beside.to_str().unwrap(), "--force"];
    refused(&fleet.data.command(&folder).await, "is a folder: name a file in it");
    assert!(gateway.terminate().await.success());
    // Whoever only looks whether a gateway is there is no failed order.
    assert!(!fleet.data.logged().contains("control socket"), "{}", fleet.data.logged());

    refused(&fleet.data.command(&restore).await, "--force");
    let told = done(&fleet.data.command(&[&restore[..], &["--force"]].concat()).await);
    assert!(told.contains("what was there is in"), "{told}");
    let told = done(&fleet.data.command(&["compact"]).await);
    assert!(told.contains("bytes before"), "{told}");
    let checked = done(&fleet.data.command(&["check"]).await);
    assert!(checked.contains(" 0 findings"), "{checked}");
    let gateway = fleet.data.serve(&sandbox.ws_url(), &[]).await;
    all_work(&gateway, |_| true).await;
    assert_eq!(gateway.all("/api/v1/sessions", "cursor").await.len(), 2);
    assert_eq!(gateway.get(&path).await["subject"], "After");
    fleet.was_never_paired_again(&sandbox);
    assert!(gateway.terminate().await.success());

    // Of a gateway that is stopped, by the command itself.
    done(&fleet.data.command(&[&backup[..], &["--force"]].concat()).await);
}

#[tokio::test]
async fn commands_on_data_that_are_not_there_say_so_and_make_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("typo");
    for command in [&["backup", "copy"][..], &["check"], &["compact"]] {
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_wharf"));
        let output = program.args(command).arg("--data").arg(&data).output().await.unwrap();
        refused(&output, "no gateway's data");
    }
    assert!(!data.exists());
}

#[tokio::test]
async fn damaged_data_are_refused_at_the_start_and_told_by_a_check() {
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let file = data.path("wharf.redb");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 4_096]).unwrap();
    let output = data.spawn("ws://127.0.0.1:9/ws/chat", &[]).wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let logged = data.logged();
    for words in ["is damaged", "wharf restore", "wharf check"] {
        assert!(logged.contains(words), "{logged}");
    }
    assert!(!logged.contains("panicked"), "{logged}");
    let checked = data.command(&["check"]).await;
    refused(&checked, "cannot be used");
    assert!(!said(&checked).contains("panicked"), "{}", said(&checked));
}

/// redb panics about the one byte that says what a page of a tree is.
#[tokio::test]
async fn a_check_says_what_is_damaged_and_nothing_of_how_that_was_found() {
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let file = data.path("wharf.redb");
    let whole = std::fs::read(&file).unwrap();
    let mut found = 0;
    for page in (0..whole.len() / 4_096).step_by(whole.len() / 4_096 / 24 + 1) {
        let mut bytes = whole.clone();
        bytes[page * 4_096] ^= 0xff;
        std::fs::write(&file, bytes).unwrap();
        let checked = data.command(&["check"]).await;
        assert!(!said(&checked).contains("panicked"), "page {page}: {}", said(&checked));
        found += usize::from(!checked.status.success());
    }
    assert!(found > 0);
}

#[tokio::test]
async fn a_restore_that_fails_leaves_no_folder_that_was_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("made").join("for it");
    let broken = folder.path().join("broken");
    std::fs::write(&broken, "no copy").unwrap();
    for (source, words) in [
        (broken, "findings in"),
        (folder.path().join("absent"), "absent"),
        (folder.path().to_owned(), "is a folder: name the file in it"),
    ] {
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_wharf"));
        let command = program.arg("restore").arg(&source).arg("--data").arg(&data);
        refused(&command.output().await.unwrap(), words);
        assert!(!folder.path().join("made").exists());
    }
    std::fs::create_dir_all(&data).unwrap();
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_wharf"));
    let command = program.arg("restore").arg(folder.path()).arg("--data").arg(&data);
    refused(&command.output().await.unwrap(), "is a folder");
    assert!(data.exists(), "a folder that was there stays");
}

/// The limit on the length of files stands for a disk that is full.
#[tokio::test]
async fn a_command_that_cannot_write_names_the_file_and_what_to_do() {
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let key = key_file(&data, "key", '1');
    let copy = data.path("copy");
    let within = async |arguments: &[&str]| {
        let mut shell = tokio::process::Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""]);
        shell.arg(env!("CARGO_BIN_EXE_wharf")).args(arguments).arg("--data").arg(data.path(""));
        shell.output().await.unwrap()
    };
    let backup = within(&["backup", copy.to_str().unwrap()]).await;
    refused(&backup, &format!("cannot use `{}`", copy.display()));
    refused(&backup, "raise the limit");
    let enable = ["encryption", "enable", "--master-key-file", key.to_str().unwrap()];
    let enable = within(&enable).await;
    refused(&enable, &data.path("wharf.redb.reencrypted").display().to_string());
    refused(&enable, "raise the limit");
    let mut left: Vec<_> =
        std::fs::read_dir(data.path("")).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["key", "wharf.redb"]);
    assert!(done(&data.command(&["check"]).await).contains(" 0 findings"));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_is_nearly_full_nothing_new_is_taken_and_what_runs_goes_on() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 1, 1).await;
    let most = u64::MAX.to_string();
    let full = ["--disk-warn", &most, "--disk-refuse", &most];
    let gateway = fleet.data.serve(&sandbox.ws_url(), &full).await;
    all_work(&gateway, |_| true).await;
    assert!(fleet.data.logged().contains("nearly full"), "{}", fleet.data.logged());
    let ready = gateway.get("/readyz").await;
    assert_eq!((&ready["disk"], &ready["writable"]), (&json!("exhausted"), &json!(true)));
    let session = format!("/api/v1/sessions/{}", fleet.sessions[0]);
    let of = |rest: &str| format!("{session}{rest}");
    let phone = json!({"phone": "15550000001"});
    let subject = json!({"subject": "x"});
    for (method, path, body) in [
        ("POST", "/api/v1/sessions".to_owned(), Some(&json!({}))),
        ("POST", of(":start"), None),
        ("GET", of("/qr"), None),
        ("POST", of("/pairing-code"), Some(&phone)),
        ("PATCH", group(&fleet), Some(&subject)),
    ] {
        let (status, body) = gateway.call(method, &path, body).await.unwrap();
        let error = &body["error"];
        assert_eq!((status, &error["code"]), (503, &json!("gateway_unavailable")), "{path}");
        assert_eq!(error["details"]["reason"], "disk", "{path}");
    }
    gateway.get(&group(&fleet)).await;
    gateway.get(&session).await;
    // What makes room, and what does not need any.
    for (method, path) in [("POST", of(":stop")), ("DELETE", session.clone())] {
        let (status, body) = gateway.call(method, &path, None).await.unwrap();
        assert!(matches!(status, 200 | 204), "{path}: {body}");
    }
    assert!(gateway.terminate().await.success());

    let low = ["--disk-warn", &most, "--disk-refuse", "0"];
    let gateway = fleet.data.serve(&sandbox.ws_url(), &low).await;
    assert_eq!(gateway.get("/readyz").await["disk"], "low");
    let made = gateway.call("POST", "/api/v1/sessions", Some(&json!({}))).await.unwrap();
    assert_eq!(made.0, 201);
    assert!(gateway.terminate().await.success());
    let wrong = fleet.data.spawn(&sandbox.ws_url(), &["--disk-warn", "1", "--disk-refuse", "2"]);
    assert_eq!(wrong.wait_with_output().await.unwrap().status.code(), Some(1));
    assert!(fleet.data.logged().contains("--disk-warn"));
}

/// The limit on the length of files stands for the size of the disk: beyond it writes fail, and it can be raised.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_to_callers_and_no_session_is_given_up_for_it() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 3, 1).await;
    let gateway = fleet.data.serve_after("trap '' XFSZ", &sandbox.ws_url(), &[]).await;
    all_work(&gateway, |_| true).await;
    let size = fleet.data.path("wharf.redb").metadata().unwrap().len();
    gateway.may_write_up_to(Some(size));
    let change = async |text: String| {
        let body = json!({"description": text});
        gateway.call("PATCH", &group(&fleet), Some(&body)).await.unwrap()
    };
    let refused = eventually("the disk is full", async || {
        for number in 0..100 {
            let (status, body) = change(format!("{number} {}", "x".repeat(2_000))).await;
            if status != 204 {
                let reason = &body["error"]["details"]["reason"];
                assert_eq!((status, reason), (503, &json!("store")), "{body}");
                return Ok(body);
            }
        }
        Err("every change was stored".to_owned())
    });
    let refused = refused.await;
    assert_eq!(refused["error"]["code"], "gateway_unavailable", "{refused}");
    let read = async |path: &str| {
        // For the moment in which the file is opened anew there is no answer either.
        eventually("reads are answered", async || {
            let (status, body) = gateway.call("GET", path, None).await.unwrap();
            if status == 200 { Ok(body) } else { Err(body.to_string()) }
        })
        .await
    };
    assert_eq!(read("/readyz").await["writable"], false);
    let key = json!({"name": "Till", "permissions": ["read"]});
    for (path, body) in [("/api/v1/api-keys", key), ("/api/v1/sessions", json!({}))] {
        let (status, body) = gateway.call("POST", path, Some(&body)).await.unwrap();
        assert_eq!(
            (status, &body["error"]["code"]),
            (503, &json!("gateway_unavailable")),
            "{path}"
        );
        assert_eq!(body["error"]["details"]["reason"], "store", "{path}");
    }
    assert_eq!(read(&group(&fleet)).await["subject"], "Crew 0");

    // Every session loses its connection and cannot even store that, again and again.
    sandbox.drops_connections().await;
    let failing = format!("/api/v1/sessions/{}", fleet.sessions[1]);
    eventually("a session has crashed", async || {
        let log = fleet.data.logged();
        if log.contains("crashed: ") { Ok(()) } else { Err(log) }
    })
    .await;
    gateway.may_write_up_to(None);
    all_work(&gateway, |_| true).await;
    assert_eq!(gateway.get("/readyz").await["writable"], true);
    assert_eq!(change("After".to_owned()).await.0, 204);
    assert_eq!(gateway.get(&group(&fleet)).await["description"], "After");
    assert_eq!(gateway.get(&failing).await["status"], "working");
    assert!(gateway.terminate().await.success());
    let checked = done(&fleet.data.command(&["check"]).await);
    assert!(checked.contains(" 0 findings"), "{checked}");
    fleet.was_never_paired_again(&sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_a_full_disk_did_not_take_is_said_to_be_made_and_is_stored_later() {
    let sandbox = Sandbox::start(Config::default()).await.unwrap();
    let fleet = Fleet::new(&sandbox, 1, 1).await;
    let gateway = fleet.data.serve_after("trap '' XFSZ", &sandbox.ws_url(), &[]).await;
    all_work(&gateway, |_| true).await;
    let (path, truth) = (group(&fleet), sandbox.group(&fleet.groups[0].1));
    let refused = eventually("a change is made and not stored", async || {
        eventually("writes are taken", async || {
            let ready = gateway.get("/readyz").await;
            if ready["writable"] == true { Ok(()) } else { Err(ready.to_string()) }
        })
        .await;
        let size = fleet.data.path("wharf.redb").metadata().unwrap().len();
        gateway.may_write_up_to(Some(size));
        for number in 0..1_000 {
            let text = format!("{number} {}", "x".repeat(2_000));
            let body = json!({"description": text});
            let (status, body) = gateway.call("PATCH", &path, Some(&body)).await.unwrap();
            let made = truth.description().as_deref() == Some(&text);
            if status == 204 {
                assert!(made, "{number}");
                continue;
            }
            let details = &body["error"]["details"];
            assert_eq!((status, &details["reason"]), (503, &json!("store")), "{body}");
            let applied = if made { json!(["description"]) } else { json!([]) };
            assert_eq!(details["applied"], applied, "{body}");
            gateway.may_write_up_to(None);
            // Something else met the full disk first: then nothing is asked of WhatsApp.
            return if made { Ok(body) } else { Err(body.to_string()) };
        }
        Err("every change was stored".to_owned())
    });
    let error = refused.await["error"].take();
    let said = error["message"].as_str().unwrap();
    assert!(said.contains("was changed at WhatsApp and is not stored yet"), "{said}");
    assert_eq!(error["details"]["failed"], "description");
    let text = truth.description().unwrap();
    eventually("the store follows", async || {
        let (status, body) = gateway.call("GET", &path, None).await.unwrap();
        if body["description"] == text.as_str() { Ok(()) } else { Err(format!("{status} {body}")) }
    })
    .await;
    let log = fleet.data.logged();
    assert!(!log.contains("crashed: "), "{log}");
    assert!(gateway.terminate().await.success());
}
