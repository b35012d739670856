//! Files that hold something of every kind.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    Account, Actor, ApiKey, AuditFilter, AuditRecord, Capability, GroupSnapshot, KeyId, MasterKey,
    MemberSnapshot, NewEvent, Options, Role, Session, SessionId, Store, store::tests::filled,
    whatsapp::tests::marked,
};

/// What is in every value that is stored, and nowhere in a key.
pub(super) const MARK: &str = "distinctive-marker-4f1c";
pub(super) const MARK_BYTES: [u8; 32] = *b"marker-of-32-bytes-for-key-texts";

pub(super) fn session() -> SessionId {
    SessionId::from_bytes([7; 16])
}

/// A master key of this byte; 0 stands for none.
pub(super) fn master(byte: u8) -> Option<MasterKey> {
    (byte > 0).then(|| MasterKey::new([byte; 32]))
}

pub(super) fn options(master_key: Option<MasterKey>) -> Options {
    Options { master_key, ..Options::default() }
}

fn event() -> NewEvent {
    NewEvent { payload: json!({ "subject": MARK }), ..filled::event(session(), "acme", 5) }
}

/// Something of every kind.
async fn fill(store: &Store) {
    let stored = Session {
        label: Some(MARK.into()),
        account: Some(Account {
            jid: format!("{MARK}@s.whatsapp.net"),
            lid: None,
            business_name: None,
            platform: None,
        }),
        ..filled::session(session(), "acme")
    };
    store.add_session(stored, vec![event()]).await.unwrap();
    let group = GroupSnapshot {
        jid: "120363000000000001@g.us".parse().unwrap(),
        subject: Some(MARK.into()),
        members: vec![MemberSnapshot {
            lid: "1@lid".into(),
            phone: Some(format!("{MARK}@s.whatsapp.net")),
            role: Role::Admin,
        }],
        ..filled::group(1)
    };
    store.put_group(session(), group, 2, |_| vec![event()]).await.unwrap();
    let key = ApiKey {
        id: "key_01HF7YAT00KEY1000000000000".parse::<KeyId>().unwrap(),
        organization: "acme".into(),
        name: MARK.into(),
        capabilities: [Capability::Read].into(),
        sessions: None,
        created_at: 1,
        expires_at: None,
        revoked_at: None,
    };
    store.add_key(key, [9; 32]).await.unwrap();
    let record = AuditRecord {
        at: 1,
        actor: Actor::Person(MARK.into()),
        operation: "stopSession".into(),
        object: [("session".to_owned(), MARK.to_owned())].into(),
        address: None,
        status: None,
        code: None,
        request: "r".into(),
    };
    store.record_audit(vec![("acme".to_owned(), record)]).await.unwrap();
    marked::fill(store, session(), MARK_BYTES).await;
}

/// What [`fill`] stored, as it is read back.
async fn read(store: &Store) -> Vec<String> {
    let jid = "120363000000000001@g.us".parse().unwrap();
    let mut answers = vec![
        format!("{:?}", store.sessions().await.unwrap()),
        format!("{:?}", store.sessions_of("acme", None, 9).await.unwrap()),
        format!("{:?}", store.group(session(), &jid).unwrap().unwrap()),
        format!("{:?}", store.members(session(), &jid, None, 9).await.unwrap()),
        format!("{:?}", store.key_by_digest(&[9; 32]).unwrap().unwrap()),
        format!("{:?}", store.keys(None, None, 9).await.unwrap()),
        format!("{:?}", store.events_page("acme", None, None, 9, 0).await.unwrap()),
        format!("{:?}", store.audit_page("acme", None, AuditFilter::default(), 9).await.unwrap()),
    ];
    answers.extend(marked::read(store, session()).await);
    answers
}

/// A folder with a file that holds something of every kind, and what is read from it.
pub(super) async fn filled(
    master_key: Option<MasterKey>,
) -> (tempfile::TempDir, PathBuf, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let store = Store::open(&path, &options(master_key)).unwrap();
    fill(&store).await;
    let read = read(&store).await;
    store.close().await.unwrap();
    (folder, path, read)
}

pub(super) async fn reads(path: &Path, master_key: Option<MasterKey>) -> Vec<String> {
    let store = Store::open(path, &options(master_key)).unwrap();
    let read = read(&store).await;
    store.close().await.unwrap();
    read
}
