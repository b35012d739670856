use super::*;

fn record(at: i64, session: &str, actor: &Actor) -> AuditRecord {
    AuditRecord {
        at,
        actor: actor.clone(),
        operation: "stopSession".into(),
        object: [("session".to_owned(), session.to_owned())].into(),
        address: Some("192.0.2.7".parse().unwrap()),
        status: Some(200),
        code: None,
        request: format!("r{at}"),
    }
}

fn of(organization: &str, record: AuditRecord) -> (String, AuditRecord) {
    (organization.to_owned(), record)
}

fn times(page: &AuditPage) -> Vec<i64> {
    page.entries.iter().map(|entry| entry.record.at).collect()
}

/// The whole log of an organization, newest first.
async fn all(store: &Store, organization: &str) -> Vec<i64> {
    times(&store.audit_page(organization, None, AuditFilter::default(), 99).await.unwrap())
}

#[tokio::test]
async fn entries_come_newest_first_page_by_page_and_organizations_stay_apart() {
    let store = Store::in_memory().unwrap();
    let key = Actor::Key(KeyId::generate(1));
    let records = [1, 2, 3].map(|at| of("acme", record(at, "s", &key)));
    let others = [of("acm", record(8, "s", &key)), of("acme2", record(9, "s", &key))];
    store.record_audit(records.into_iter().chain(others).collect()).await.unwrap();

    let page =
        async |before| store.audit_page("acme", before, AuditFilter::default(), 2).await.unwrap();
    let first = page(None).await;
    assert_eq!(times(&first), [3, 2]);
    assert_eq!(first.entries[0].record, record(3, "s", &key));
    assert_eq!(first.next, Some(first.entries[1].id));
    // What is noted meanwhile disturbs no page.
    store.record_audit(vec![of("acme", record(4, "s", &key))]).await.unwrap();
    let last = page(first.next).await;
    assert_eq!((times(&last), last.next), (vec![1], None));
    assert_eq!(all(&store, "acm").await, [8]);
    assert_eq!(all(&store, "nobody").await, [0; 0]);
}

#[tokio::test]
async fn a_page_that_ends_with_the_log_is_the_last_one() {
    let store = Store::in_memory().unwrap();
    let key = Actor::Key(KeyId::generate(1));
    store.record_audit([1, 2].map(|at| of("acme", record(at, "s", &key))).into()).await.unwrap();
    let page = store.audit_page("acme", None, AuditFilter::default(), 2).await.unwrap();
    assert_eq!((times(&page), page.next), (vec![2, 1], None));
}

#[tokio::test]
async fn a_filter_leaves_out_what_was_done_by_others_or_to_others() {
    let store = Store::in_memory().unwrap();
    let (key, person) = (Actor::Key(KeyId::generate(1)), Actor::Person("ann".into()));
    let without_object = AuditRecord { object: BTreeMap::new(), ..record(4, "", &person) };
    let records =
        [record(1, "a", &key), record(2, "b", &key), record(3, "a", &person), without_object];
    store.record_audit(records.map(|one| of("acme", one)).into()).await.unwrap();

    let by = async |session: Option<&str>, actor: Option<String>| {
        let filter = AuditFilter { session: session.map(str::to_owned), actor };
        times(&store.audit_page("acme", None, filter, 9).await.unwrap())
    };
    assert_eq!(by(Some("a"), None).await, [3, 1]);
    assert_eq!(by(None, Some(key.to_string())).await, [2, 1]);
    assert_eq!(by(None, Some("ann".into())).await, [4, 3]);
    assert_eq!(by(Some("a"), Some("ann".into())).await, [3]);
    assert_eq!(by(Some("c"), None).await, [0; 0]);
}

#[tokio::test]
async fn ids_rise_though_the_clock_goes_back_and_the_file_is_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.redb");
    let key = Actor::Key(KeyId::generate(1));
    let store = Store::open(&path, &crate::Options::default()).unwrap();
    let records = [9_000, 9_000, 10].map(|at| of("acme", record(at, "s", &key)));
    store.record_audit(records.into()).await.unwrap();
    store.close().await.unwrap();
    let store = Store::open(&path, &crate::Options::default()).unwrap();
    store.record_audit(vec![of("acme", record(5, "s", &key))]).await.unwrap();

    let page = store.audit_page("acme", None, AuditFilter::default(), 9).await.unwrap();
    assert_eq!(times(&page), [5, 10, 9_000, 9_000]);
    assert!(page.entries.is_sorted_by(|newer, older| newer.id > older.id));
    let id = page.entries[0].id;
    assert!(id.to_string().starts_with("aud_"));
    assert_eq!(id.to_string().parse(), Ok(id));
    assert!("evt_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<AuditId>().is_err());
}

#[tokio::test]
async fn what_was_kept_long_enough_goes_the_oldest_first() {
    let store = Store::in_memory().unwrap();
    let key = Actor::Key(KeyId::generate(1));
    let noted = [("acme", 10), ("acme", 20), ("other", 5), ("acme", 30), ("other", 50)];
    let records = noted.map(|(organization, at)| of(organization, record(at, "s", &key)));
    store.record_audit(records.into()).await.unwrap();

    assert_eq!(store.sweep_audit(5, 9).await.unwrap(), 0);
    assert_eq!(store.sweep_audit(21, 1).await.unwrap(), 1, "no more than asked for");
    assert_eq!(all(&store, "acme").await, [30, 20]);
    // The clock had gone back for one of them; its place in the log tells its age.
    assert_eq!(store.sweep_audit(21, 9).await.unwrap(), 2);
    assert_eq!((all(&store, "acme").await, all(&store, "other").await), (vec![30], vec![50]));
}
