//! The binary as people run it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use wharf_storage::{Options, Store};

fn wharf(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WHARF_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

fn output(arguments: &[&str]) -> Output {
    wharf(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Ends with the test, whatever its outcome.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demonstration_performs_itself_and_every_answer_is_as_promised() {
    let output = output(&["demo", "--once", "--log-format", "json"]);
    let (shown, log) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{shown}\n{log}");
    for status in ["204 No Content", "403 Forbidden", "404 Not Found", "200 OK"] {
        assert!(shown.contains(status), "no {status} in: {shown}");
    }
    assert!(log.contains("sandbox build"), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.iter().any(|line| line["span"]["request.id"].is_string() && line["status"] == 204),
        "{log}"
    );
}

#[test]
fn the_demonstration_says_in_one_line_what_a_program_needs_and_works_again_on_the_same_data() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("made/by/it");
    for _ in 0..2 {
        let mut command = wharf(&["demo", "--json", "--data", data.to_str().unwrap()]);
        let mut running =
            Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        for name in
            ["baseUrl", "key", "session", "adminGroup", "memberGroup", "issuerUrl", "sandboxUrl"]
        {
            assert!(ready[name].as_str().is_some_and(|value| !value.is_empty()), "{name}: {line}");
        }
    }
}

#[test]
fn a_key_is_printed_once_and_only_its_digest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let made =
        output(&["key", "create", "--name", "first", "--permissions", "read,send", "--data", data]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let secret = text(&made.stdout);
    let digits = secret.strip_prefix("wa_").unwrap().strip_suffix('\n').unwrap();
    assert!(digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{secret}");
    let file = std::fs::read(Path::new(data).join("wharf.redb")).unwrap();
    assert!(!file.windows(digits.len()).any(|window| window == digits.as_bytes()));
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("wharf.redb"), &Options::default()).unwrap();
    let refused =
        output(&["key", "create", "--name", "x", "--data", folder.path().to_str().unwrap()]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("in use"), "{}", text(&refused.stderr));
    store.close().await.unwrap();
}

#[test]
fn an_address_open_to_others_needs_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let whatsapp = "ws://127.0.0.1:9/ws/chat";
    let refused =
        output(&["serve", "--listen", "0.0.0.0:0", "--data", data, "--whatsapp-url", whatsapp]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("key create"), "{}", text(&refused.stderr));
}

#[test]
fn a_wrong_value_is_named_at_start() {
    for (flag, value) in [
        ("--listen", "here"),
        ("--request-timeout", "soon"),
        ("--whatsapp-url", "http://127.0.0.1/"),
    ] {
        let refused = output(&["serve", flag, value]);
        let shown = text(&refused.stderr);
        assert!(
            !refused.status.success() && shown.contains(flag) && shown.contains(value),
            "{shown}"
        );
    }
}

#[test]
fn the_document_is_printed() {
    let printed = output(&["openapi"]);
    assert!(printed.status.success());
    let served = wharf::document_text(&wharf::document());
    assert!(text(&printed.stdout) == served, "{}", text(&printed.stdout));
}
