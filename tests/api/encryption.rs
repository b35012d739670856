//! Data that are encrypted at rest: the keys, the commands, and a gateway that has them or not.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
};

use tokio::process::Command;

use crate::process::Data;

/// Nothing listens there; no session asks for it.
const NOWHERE: &str = "ws://127.0.0.1:9";

fn said(output: &Output) -> String {
    let both = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(both).unwrap()
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

fn refused(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", said(output));
    assert!(said(output).contains(words), "{}", said(output));
}

/// A master key in a file.
pub(crate) fn key_file(data: &Data, name: &str, digit: char) -> PathBuf {
    let path = data.path(name);
    write_key(&path, digit);
    path
}

fn write_key(path: &Path, digit: char) {
    fs::write(path, digit.to_string().repeat(64)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn data_are_encrypted_and_rotated_and_opened_with_the_right_key_alone() {
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let (first, second) = (key_file(&data, "first", '1'), key_file(&data, "second", '2'));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let enable = ["encryption", "enable", "--master-key-file", first];
    let serve = ["serve", "--listen", "127.0.0.1:0", "--whatsapp-url", NOWHERE];
    let under = |arguments: &[&'static str], key| {
        let mut all: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        all.extend(["--master-key-file".to_owned(), String::from(key)]);
        all
    };
    let run = async |arguments: &[String]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        data.command(&arguments).await
    };

    let gateway = data.serve(NOWHERE, &[]).await;
    assert_eq!(data.logged().matches("is not encrypted").count(), 1, "{}", data.logged());
    refused(&data.command(&enable).await, "stop it first");
    assert!(gateway.terminate().await.success());
    refused(&run(&under(&serve, first)).await, "wharf encryption enable");
    refused(&data.command(&["encryption", "enable"]).await, "the master key is missing");
    assert!(done(&data.command(&enable).await).contains("rows are encrypted"));
    assert!(done(&data.command(&enable).await).contains("nothing to do"));

    let unopened = data.command(&serve).await;
    refused(&unopened, "--master-key-file");
    assert!(!said(&unopened).contains("listening"), "{}", said(&unopened));
    refused(&run(&under(&serve, second)).await, "another master key");
    refused(&data.command(&["key", "list"]).await, "is encrypted");
    let gateway = data.serve(NOWHERE, &["--master-key-file", first]).await;
    assert!(!data.logged().contains("is not encrypted"), "{}", data.logged());
    assert_eq!(gateway.call("GET", "/api/v1/sessions", None).await.unwrap().0, 200);
    // Through the gateway, which has the key.
    assert!(done(&data.command(&["key", "list"]).await).contains("test"));
    assert!(gateway.terminate().await.success());

    let rotate = ["encryption", "rotate", "--new-master-key-file", second];
    refused(&data.command(&rotate).await, "the master key is missing");
    let rotate: Vec<&str> = rotate.iter().copied().chain(["--master-key-file", first]).collect();
    assert!(done(&data.command(&rotate).await).contains("rows are encrypted"));
    refused(&run(&under(&["key", "list"], first)).await, "another master key");
    assert!(done(&run(&under(&["key", "list"], second)).await).contains("test"));

    // Again with the key of before, with one that never fitted, and with two that do not.
    let again = done(&data.command(&rotate).await);
    assert!(again.contains("nothing to do") && again.contains("opens nothing"), "{again}");
    let third = key_file(&data, "third", '3');
    let third = third.to_str().unwrap();
    let strange =
        ["encryption", "rotate", "--new-master-key-file", second, "--master-key-file", third];
    let again = done(&data.command(&strange).await);
    assert!(again.contains("opens nothing") && again.contains("wrong one"), "{again}");
    let lost = ["encryption", "rotate", "--new-master-key-file", third, "--master-key-file", first];
    refused(&data.command(&lost).await, "neither the present one");

    let disable = under(&["encryption", "disable"], second);
    assert!(done(&run(&disable).await).contains("not encrypted"));
    assert!(done(&data.command(&["key", "list"]).await).contains("test"));
}

#[tokio::test]
async fn a_master_key_may_be_in_the_environment_and_new_data_are_encrypted_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str], key: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command.env("WHARF_MASTER_KEY", key).args(arguments).arg("--data").arg(folder.path());
        command.output().await.unwrap()
    };
    let (key, other) = ("a".repeat(64), "b".repeat(64));
    let create = ["key", "create", "--name", "distinctive-name"];
    let short = run(&create, "secret").await;
    refused(&short, "WHARF_MASTER_KEY");
    assert!(!said(&short).contains("secret"), "{}", said(&short));
    done(&run(&create, &key).await);
    refused(&run(&["key", "list"], "").await, "is encrypted");
    refused(&run(&["key", "list"], &other).await, "another master key");
    assert!(done(&run(&["key", "list"], &key).await).contains("distinctive-name"));
    let bytes = fs::read(folder.path().join("wharf.redb")).unwrap();
    let name = b"distinctive-name";
    assert!(!bytes.windows(name.len()).any(|part| part == name));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_names_what_a_restore_moved_aside_and_removes_what_a_killed_command_left() {
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let aside = data.path("wharf.redb.before-restore-1700000000000");
    let parts = [data.path("wharf.redb.reencrypted"), data.path(".wharf-copy-AbCdEf")];
    fs::write(&aside, "what was there").unwrap();
    for part in &parts {
        fs::write(part, "half of it").unwrap();
    }
    let gateway = data.serve(NOWHERE, &[]).await;
    assert_eq!(parts.map(|part| part.exists()), [false; 2]);
    assert_eq!(fs::read(&aside).unwrap(), b"what was there");
    let log = data.logged();
    for name in ["before-restore-1700000000000", "wharf.redb.reencrypted", ".wharf-copy-AbCdEf"] {
        assert!(log.contains(name), "{name}: {log}");
    }
    assert!(gateway.terminate().await.success());
}

#[tokio::test]
async fn a_command_on_data_that_are_not_there_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    let key = folder.path().join("key");
    write_key(&key, '1');
    command.args(["encryption", "enable", "--data"]).arg(folder.path().join("data"));
    refused(
        &command.arg("--master-key-file").arg(&key).output().await.unwrap(),
        "there is no gateway's data",
    );
    assert!(!folder.path().join("data").exists());
}
