use super::*;
use crate::{
    SessionId,
    store::tests::{dumped, fill},
    tables::{
        COUNTERS, EVENTS, EVENTS_BY_ORGANIZATION, GROUPS, KEYS, KEYS_BY_DIGEST,
        KEYS_BY_ORGANIZATION, MEMBERS, SESSIONS, SESSIONS_BY_ORGANIZATION, WA_DEVICE,
        WA_IDENTITIES, WA_LID_BY_LID,
    },
};

/// What a check finds after `spoil` had its way with a full store.
async fn found(
    spoil: impl FnMut(&crate::store::Txn, SessionId) -> Result<()> + Send + 'static,
) -> Vec<String> {
    let store = Store::in_memory().unwrap();
    let ids = fill(&store, 2).await;
    let sound = store.check().await.unwrap();
    assert_eq!(sound.findings, Vec::<String>::new());
    let rows: usize = dumped(&store).values().map(Vec::len).sum();
    assert_eq!(sound.rows, rows as u64, "every row was looked at");
    let (mut spoil, id) = (spoil, ids[0]);
    store.write(move |txn| spoil(txn, id)).await.unwrap();
    store.check().await.unwrap().findings
}

/// All findings have this in them, and there are some.
fn all_say(findings: &[String], words: &str) {
    assert!(!findings.is_empty(), "nothing of {words}");
    assert!(findings.iter().all(|finding| finding.contains(words)), "{words}: {findings:#?}");
}

#[tokio::test]
async fn a_record_that_is_gone_is_missed_by_whatever_hangs_off_it() {
    let findings = found(|txn, id| {
        txn.open_table(SESSIONS)?.remove(id.bytes())?;
        Ok(())
    });
    let findings = findings.await;
    for table in ["sessions_by_organization", "groups", "members", "events", "wa_device"] {
        assert!(findings.iter().any(|one| one.contains(&format!("`{table}`"))), "{findings:#?}");
    }

    let findings = found(|txn, id| {
        txn.open_table(GROUPS)?.retain_in((id.bytes(), "")..(id.bytes(), "z"), |_, _| false)?;
        Ok(())
    });
    all_say(&findings.await, "is of no group");

    let findings = found(|txn, _| {
        txn.open_table(KEYS)?.pop_first()?;
        Ok(())
    });
    all_say(&findings.await, "is not there");

    let findings = found(|txn, _| {
        txn.open_table(EVENTS)?.pop_first()?;
        Ok(())
    });
    all_say(&findings.await, "`events_by_organization`");

    let findings = found(|txn, id| WA_LID_BY_LID.remove_all(txn, &id.bytes()));
    all_say(&findings.await, "has no mapping");
}

#[tokio::test]
async fn a_record_that_no_index_names_is_found() {
    let findings = found(|txn, _| {
        txn.open_table(SESSIONS_BY_ORGANIZATION)?.retain(|_, ()| false)?;
        Ok(())
    });
    all_say(&findings.await, "is not in the index");
    let findings = found(|txn, _| {
        txn.open_table(KEYS_BY_ORGANIZATION)?.retain(|_, ()| false)?;
        Ok(())
    });
    all_say(&findings.await, "is not in the index");
    let findings = found(|txn, _| {
        txn.open_table(KEYS_BY_DIGEST)?.retain(|_, _| false)?;
        Ok(())
    });
    all_say(&findings.await, "nothing opens with it");
    let findings = found(|txn, _| {
        txn.open_table(EVENTS_BY_ORGANIZATION)?.retain(|_, _| false)?;
        Ok(())
    });
    all_say(&findings.await, "is not in the index");
}

#[tokio::test]
async fn a_row_that_does_not_decode_or_belongs_to_nobody_is_found() {
    let findings = found(|txn, id| {
        txn.open_table(MEMBERS)?
            .insert((id.bytes(), "1203630000000000001@g.us", "x"), &[9, 9][..])?;
        txn.open_table(MEMBERS)?.retain(|(_, _, lid), _| lid == "x")?;
        Ok(())
    });
    let findings = findings.await;
    assert!(findings.iter().any(|one| one.contains("corrupt")), "{findings:#?}");

    let findings = found(|txn, id| {
        WA_DEVICE.put(txn, &id.bytes(), Some(b"no device"))?;
        let raw = txn.vault().wrap(WA_IDENTITIES.name(), &[1, 2], b"k");
        txn.open_table(WA_IDENTITIES.definition())?.insert(&[1, 2][..], raw.as_slice())?;
        Ok(())
    });
    let findings = findings.await;
    assert!(findings.iter().any(|one| one.contains("`wa_device`")), "{findings:#?}");
    assert!(findings.iter().any(|one| one.contains("too short")), "{findings:#?}");

    let stray = SessionId::generate(77);
    let findings = found(move |txn, _| WA_IDENTITIES.put(txn, &stray.bytes(), Some(b"k")));
    all_say(&findings.await, "which does not exist");
}

#[tokio::test]
async fn events_and_entries_above_what_was_given_out_are_found() {
    let findings = found(|txn, _| {
        txn.open_table(COUNTERS)?.retain(|_, _| false)?;
        Ok(())
    });
    all_say(&findings.await, "above the last one given out");
}

#[tokio::test]
async fn a_file_is_checked_with_its_pages_and_one_in_use_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let options = Options::default();
    let store = Store::open(&path, &options).unwrap();
    fill(&store, 2).await;
    let running = store.check().await.unwrap();
    let refused = check_file(&path, &options).await.unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    store.close().await.unwrap();
    assert_eq!(check_file(&path, &options).await.unwrap(), running);
}
