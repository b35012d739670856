//! A server that keeps everything in a directory: stopped or killed, and started again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use wharf_sandbox::{Config, Error, NewGroup, Phone, Sandbox};
use whatsapp_rust::UploadOptions;
use whatsapp_rust::download::MediaType;

use crate::client::{DEADLINE, Device, until};
use crate::control::Control;
use crate::groups::subject;
use crate::media::{Host, some_bytes};
use crate::phones::{BOSS, jid, says};

const JPEG: [u8; 5] = [0xFF, 0xD8, 0xFF, 0xE0, 1];

fn keeping(path: &Path) -> Config {
    Config { data: Some(path.to_owned()), ..Config::default() }
}

async fn start(path: &Path) -> Sandbox {
    Sandbox::start(keeping(path)).await.unwrap()
}

/// A server with the phones `boss` and `shop`, and a client of `shop` that has read something and is known to it.
async fn acquainted(path: &Path) -> (Sandbox, Device) {
    let sandbox = start(path).await;
    let boss = sandbox.add_phone("boss");
    sandbox.add_phone("shop");
    let shop = Device::of(&sandbox, "shop").await;
    boss.sends("shop", "hello").await.unwrap();
    assert_eq!(shop.reads().await.text, "hello");
    shop.client.send_text(jid(BOSS), "hi").await.unwrap();
    boss.receives(says("hi")).await.unwrap();
    (sandbox, shop)
}

/// Takes a client away and returns what it keeps.
async fn leaves(
    sandbox: &Sandbox,
    shop: Device,
) -> std::sync::Arc<whatsapp_rust::wacore::store::InMemoryBackend> {
    until(async || sandbox.phone("shop").unacknowledged(1) == 0).await;
    let store = shop.saved().await;
    drop(shop);
    sandbox.drops_connections().await;
    store
}

/// Messages go both ways, between a phone and a client.
async fn writes_and_reads(boss: &Phone, shop: &Device) {
    boss.sends("shop", "are you there?").await.unwrap();
    assert_eq!(shop.reads().await.text, "are you there?");
    shop.client.send_text(jid(BOSS), "I am").await.unwrap();
    boss.receives(says("I am")).await.unwrap();
    assert!(boss.undecrypted().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_logs_in_again_and_reads_what_waited_over_the_restart() {
    let folder = TempDir::new().unwrap();
    let (sandbox, shop) = acquainted(folder.path()).await;
    let group = sandbox.add_group(NewGroup::new("Crew").owner("boss").member("shop"));
    let gid = group.gid();
    shop.client.send_text(jid(&gid), "first").await.unwrap();
    sandbox.phone("boss").receives(says("first")).await.unwrap();
    let store = leaves(&sandbox, shop).await;
    for (to, text) in [("shop", "one"), (gid.as_str(), "two"), ("shop", "three")] {
        sandbox.phone("boss").sends(to, text).await.unwrap();
    }
    let waiting = sandbox.phone("shop").unacknowledged(1);
    sandbox.stop().await;

    let sandbox = start(folder.path()).await;
    assert_eq!(sandbox.phone("shop").unacknowledged(1), waiting);
    let shop = Device::trusts(store, &sandbox, false).await;
    let mut read = Vec::new();
    while read.len() < 3 {
        read.push(shop.reads().await.text);
    }
    read.sort_unstable();
    assert_eq!(read, ["one", "three", "two"]);
    assert_eq!((sandbox.resumptions(), sandbox.fallbacks()), (1, 0));
    writes_and_reads(&sandbox.phone("boss"), &shop).await;
    shop.client.send_text(jid(&gid), "last").await.unwrap();
    sandbox.phone("boss").receives(says("last")).await.unwrap();
    sandbox.phone("boss").sends(&gid, "at last").await.unwrap();
    assert_eq!(shop.reads().await.text, "at last");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_groups_newsletters_files_and_settings_outlive_a_restart() {
    let folder = TempDir::new().unwrap();
    let (sandbox, shop) = acquainted(folder.path()).await;
    let [boss, of_shop] = ["boss", "shop"].map(|name| sandbox.phone(name));
    let group = sandbox.add_group(NewGroup::new("Crew").owner("boss").admin("shop"));
    let paper = sandbox.add_newsletter("boss", "Paper");
    paper.gets_followed("shop");
    paper.posts("news");
    boss.sets_picture(&JPEG);
    boss.sets_about("open");
    boss.sets_privacy("last", "none");
    shop.client.chat_actions().mute_chat(&jid(BOSS)).await.unwrap();
    let image = some_bytes(10_000);
    let sent = shop.client.upload(image, MediaType::Image, UploadOptions::new()).await.unwrap();
    let (gid, paper, settings) = (group.gid(), paper.jid(), of_shop.settings());
    let (file, certificate) =
        (sandbox.media(&sent.direct_path).unwrap(), sandbox.certificate_pem().to_owned());
    let (number, devices, received) =
        (of_shop.number().unwrap(), of_shop.devices(), boss.messages(0));
    let store = leaves(&sandbox, shop).await;
    let journal = sandbox.journal();
    sandbox.advances_clock(Duration::from_hours(24));
    let time = sandbox.clock_ms();
    sandbox.stop().await;

    let sandbox = start(folder.path()).await;
    let [boss, of_shop] = ["boss", "shop"].map(|name| sandbox.phone(name));
    assert_eq!((of_shop.number().unwrap(), of_shop.devices()), (number, devices));
    assert_eq!((boss.messages(0), of_shop.settings()), (received, settings));
    assert_eq!((boss.picture(), boss.about().as_deref()), (Some(JPEG.to_vec()), Some("open")));
    assert_eq!(sandbox.newsletter(&paper).numbers().len(), 1);
    assert_eq!(sandbox.newsletter(&paper).followers(), ["shop"]);
    assert_eq!(sandbox.journal(), journal);
    assert_eq!(sandbox.certificate_pem(), certificate);
    assert!(sandbox.clock_ms() >= time);
    assert_eq!(Host::of(&sandbox).get(&sent.direct_path, None).await.body, file);

    let shop = Device::trusts(store, &sandbox, false).await;
    shop.connects().await;
    let groups = shop.client.groups();
    assert_eq!(groups.get_participating().await.unwrap()[&jid(&gid)].subject, "Crew");
    groups.set_subject(&jid(&gid), subject("Night shift")).await.unwrap();
    let last = sandbox.journal().pop().unwrap();
    assert_eq!(
        (last.operation.as_str(), last.sequence),
        ("group.subject", journal.len() as u64 + 1)
    );
    // The collection goes on from its version.
    shop.client.chat_actions().unmute_chat(&jid(BOSS)).await.unwrap();
    let mute = |setting: &&wharf_sandbox::Setting| setting.index[0] == "mute";
    assert_eq!(of_shop.settings().iter().find(mute).unwrap().action["mute_action"]["muted"], false);
    assert!(of_shop.unread_settings().is_empty());
    let again = sandbox.add_phone("mia");
    assert_eq!(again.number().unwrap(), "15550000003");
}

/// The program, and where it listens.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn command(path: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf-sandbox"));
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(path);
        command.env("NO_COLOR", "1").stderr(Stdio::piped());
        command
    }

    fn start(path: &Path) -> Self {
        let mut child = Self::command(path).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            Some(line.split_once("control=\"http://")?.1.split_once('"')?.0.to_owned())
        });
        // What is logged later is read, too, lest it fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap() }
    }

    /// What it says if it does not start.
    fn refuses(path: &Path) -> String {
        let output = Self::command(path).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    }

    fn ws_url(&self) -> String {
        format!("ws://{}/ws/chat", self.address)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let http = Client::builder().timeout(DEADLINE).build().unwrap();
        let request = http.post(format!("http://{}/admin{path}", self.address));
        let answer = match body {
            Value::String(text) => request.body(text),
            body => request.json(&body),
        };
        let answer = answer.send().await.unwrap().error_for_status().unwrap();
        answer.json().await.unwrap()
    }

    fn ends(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_what_was_flushed_and_a_terminated_one_everything() {
    let folder = TempDir::new().unwrap();
    let program = Program::start(folder.path());
    program.post("/phones", json!({ "name": "boss" })).await;
    let shop = Device::starts(&program.ws_url()).await;
    let qr = shop.qr().await;
    program.post("/mock-phone/scan-qr?phone=shop", Value::String(qr)).await;
    shop.connects().await;
    let say = |text: &'static str| json!({ "to": "shop", "text": text });
    program.post("/phones/boss/messages", say("hello")).await;
    assert_eq!(shop.reads().await.text, "hello");
    assert!(program.post("/data/flush", json!({})).await["bytes"].as_u64().unwrap() > 0);
    program.post("/phones/boss/messages", say("lost")).await;
    assert_eq!(shop.reads().await.text, "lost");
    assert_eq!(program.ends("-KILL"), None);
    let store = shop.saved().await;
    drop(shop);

    // The phone does not seal anything with a key that it has used and forgotten.
    let program = Program::start(folder.path());
    let shop = Device::stored_in(store, &program.ws_url()).await;
    program.post("/phones/boss/messages", say("and on")).await;
    assert_eq!(shop.reads().await.text, "and on");
    let store = shop.saved().await;
    drop(shop);
    program.post("/phones/boss/messages", say("flushed")).await;
    program.post("/data/flush", json!({})).await;
    assert_eq!(program.ends("-KILL"), None);

    let program = Program::start(folder.path());
    let shop = Device::stored_in(store, &program.ws_url()).await;
    assert_eq!(shop.reads().await.text, "flushed");
    let store = shop.saved().await;
    drop(shop);
    program.post("/phones/boss/messages", say("terminated")).await;
    assert_eq!(program.ends("-TERM"), Some(0));

    let program = Program::start(folder.path());
    let shop = Device::stored_in(store, &program.ws_url()).await;
    assert_eq!(shop.reads().await.text, "terminated");
}

/// What a server says that does not start.
async fn refused(path: &Path) -> (PathBuf, String) {
    match Sandbox::start(keeping(path)).await.err() {
        Some(Error::Data { path, problem }) => (path, problem),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_has_one_server_at_a_time() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("made/for it");
    let sandbox = start(&path).await;
    assert_eq!(refused(&path).await, (path.clone(), "is in use by another sandbox".to_owned()));
    let said = Program::refuses(&path);
    assert!(said.contains(&format!("`{}` is in use by another sandbox", path.display())), "{said}");
    sandbox.stop().await;
    start(&path).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_for_its_owner_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data");
    let sandbox = start(&path).await;
    let stored = sandbox.stores_media("document", b"sealed");
    sandbox.saves().await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let blobs = path.join("blobs");
    let blob = fs::read_dir(&blobs).unwrap().next().unwrap().unwrap().path();
    assert_eq!([&path, &blobs].map(|folder| mode(folder)), [0o700; 2]);
    assert_eq!(
        [path.join("state"), path.join("lock"), blob.clone()].map(|file| mode(&file)),
        [0o600; 3]
    );
    // What nobody names any more goes.
    sandbox.stop().await;
    let small = Config { media_room: 1, ..keeping(&path) };
    let sandbox = Sandbox::start(small).await.unwrap();
    assert!(sandbox.media(&stored.direct_path).is_some());
    sandbox.stores_media("document", b"sealed anew");
    sandbox.stop().await;
    assert!(!blob.exists() && fs::read_dir(&blobs).unwrap().count() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_or_of_another_version_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let sandbox = start(folder.path()).await;
    sandbox.add_phone("shop").sets_picture(&JPEG);
    sandbox.stop().await;
    let state = folder.path().join("state");
    let whole = fs::read(&state).unwrap();
    let line = whole.iter().position(|byte| *byte == b'\n').unwrap();
    let newer = [b"wharf-sandbox 2 what follows is different\n", &whole[..]].concat();
    let mut bent = whole.clone();
    bent[line + 9] ^= 1;
    for (file, problem) in [
        (&newer[..], "has version 2, and this program reads version 1"),
        (&bent, "is broken: its checksum is another"),
        (&whole[..whole.len() - 1], "is broken: its checksum is another"),
        (b"{}\n", "is broken: its first line is not a sandbox's"),
        (b"", "is broken: it has no first line"),
    ] {
        fs::write(&state, file).unwrap();
        assert_eq!(refused(folder.path()).await, (state.clone(), problem.to_owned()));
        assert_eq!(fs::read(&state).unwrap(), file);
    }
    let said = Program::refuses(folder.path());
    assert!(said.contains(&format!("`{}` is broken", state.display())), "{said}");
    fs::write(&state, whole).unwrap();
    let blob = fs::read_dir(folder.path().join("blobs")).unwrap().next().unwrap().unwrap().path();
    fs::write(&blob, "something else").unwrap();
    let (path, problem) = refused(folder.path()).await;
    assert_eq!((path, problem.starts_with("is broken")), (blob.clone(), true));
    fs::remove_file(&blob).unwrap();
    let (path, problem) = refused(folder.path()).await;
    assert_eq!((path, problem.starts_with("cannot be read")), (blob, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_saves_by_itself() {
    let folder = TempDir::new().unwrap();
    let sandbox = start(folder.path()).await;
    sandbox.saves().await.unwrap();
    sandbox.add_phone("shop");
    let state = folder.path().join("state");
    let before = fs::read(&state).unwrap();
    until(async || fs::read(&state).unwrap() != before).await;
    drop(sandbox);
    until(async || {
        Sandbox::start(keeping(folder.path()))
            .await
            .is_ok_and(|again| again.phone("shop").number().is_ok())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_write_and_read_while_it_saves() {
    const EACH: usize = 20;
    let folder = TempDir::new().unwrap();
    let sandbox = start(folder.path()).await;
    let phones = ["boss", "shop", "mia"].map(|name| sandbox.add_phone(name));
    let writing = phones.iter().flat_map(|from| phones.iter().map(move |to| (from, to)));
    let writing = writing.filter(|(from, to)| from.name() != to.name()).map(async |(from, to)| {
        for number in 0..EACH {
            from.sends(to.name(), &number.to_string()).await.unwrap();
        }
    });
    let saving = async {
        for _ in 0..EACH {
            sandbox.saves().await.unwrap();
        }
    };
    tokio::join!(futures_util::future::join_all(writing), saving);
    let has_all = |phone: &Phone| phone.messages(0).len() == 2 * EACH;
    until(async || phones.iter().all(has_all)).await;
    assert!(phones.iter().all(|phone| phone.undecrypted().is_empty()));
    sandbox.stop().await;
    let sandbox = start(folder.path()).await;
    assert!(["boss", "shop", "mia"].map(|name| sandbox.phone(name)).iter().all(has_all));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_directory_nothing_is_saved() {
    let control = Control::start().await;
    control.sandbox.saves().await.unwrap();
    let (status, body) = control.post("/admin/data/flush", Value::Null).await;
    assert_eq!(status, 409);
    assert!(body["error"].as_str().unwrap().contains("--data"), "{body}");
}
