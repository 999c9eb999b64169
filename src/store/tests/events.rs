//! What is written into the outbox, and what an older database's becomes.

use super::*;

/// Of a database before events of calls: two recordings handed over, the second not fed, and the
/// newest position was of an entry that was purged since.
const BEFORE: &str = r#"
    INSERT INTO outbox (seq, at, kind, company_id, call_id, recording_id) VALUES
        (4, 1700000010000000, 'recording.finished', 1, '018bcfe5-687b-7101-8101-010101010101', '018bcfe5-687b-7201-8201-020202020201'),
        (7, 1700000020000000, 'recording.failed', 1, '018bcfe5-687b-7101-8101-010101010101', '018bcfe5-687b-7202-8202-020202020202'),
        (9, 1700000030000000, 'recording.deleted', 1, '018bcfe5-687b-7101-8101-010101010101', '018bcfe5-687b-7203-8203-020202020203');
    DELETE FROM outbox WHERE seq = 9;
    UPDATE outbox_readers SET position = 4;
    INSERT INTO feed (seq, at, fed, kind, company_id, call_id, recording_id, event) VALUES
        (4, 1700000010000000, 1700000011000000, 'recording.finished', 1, '018bcfe5-687b-7101-8101-010101010101',
         '018bcfe5-687b-7201-8201-020202020201',
         '{"event":"recording.finished","seq":4,"at":"2023-11-14T22:13:30.000Z","company":1,
           "call":"018bcfe5-687b-7101-8101-010101010101","recording":"018bcfe5-687b-7201-8201-020202020201","about":null}');
    UPDATE feed_purged SET position = 3;
"#;

#[tokio::test]
async fn a_database_of_before_goes_on_with_its_positions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let old = pool(1).connect_with(options).await.unwrap();
    migrate::run_up_to(&old, 9).await.unwrap();
    sqlx::raw_sql(BEFORE).execute(&old).await.unwrap();
    old.close().await;

    let store = Store::open(&path).await.unwrap();
    let recording = |text: &str| Subject::Recording(RecordingId::parse(text).unwrap());
    let fed = store.feed_after(Some(CompanyId(1)), 0, 10).await.unwrap();
    let told: Vec<_> = fed.iter().map(|entry| (entry.seq, entry.kind, entry.subject)).collect();
    assert_eq!(
        told,
        [(4, OutboxKind::RecordingFinished, recording("018bcfe5-687b-7201-8201-020202020201"))],
        "what was fed is there"
    );
    let pumped = store.pump_feed(at(100), 10).await.unwrap();
    let told: Vec<_> = pumped.iter().map(|entry| (entry.seq, entry.kind, entry.subject)).collect();
    assert_eq!(
        told,
        [(7, OutboxKind::RecordingFailed, recording("018bcfe5-687b-7202-8202-020202020202"))],
        "what was not fed is fed once, at its position"
    );
    assert_eq!(store.feed_purged().await.unwrap(), 3);
    let next = store.hand_over(&super::recording(1, 1), OutboxKind::RecordingFinished, at(110)).await.unwrap();
    assert_eq!(next, Some(10), "a position that was given once is not given again");
}

async fn kinds(store: &Store) -> Vec<&'static str> {
    store.outbox_after(0, 100).await.unwrap().iter().map(|entry| entry.kind.as_str()).collect()
}

#[tokio::test]
async fn a_call_is_told_with_its_row_and_before_its_recording() {
    let lab = Lab::new().await;
    let ringing = CallRecord { joined: Vec::new(), ..call(1) };
    let answered = CallRecord { answered: Some(at(2)), outcome: Outcome::Answered, ..ringing.clone() };
    let ended = CallRecord { ended: Some(at(9)), outcome: Outcome::Completed, ..answered.clone() };
    lab.store.save_calls(&[ringing.clone(), answered.clone()]).await.unwrap();
    assert_eq!(kinds(&lab.store).await, ["call.started", "call.answered", "recording.started"]);
    let handed_over = [(recording(1, 1), OutboxKind::RecordingFinished)];
    lab.store.hand_over_with_calls(&handed_over, std::slice::from_ref(&ended), at(10)).await.unwrap();
    // The writer of records comes later with what it had queued before.
    lab.store.save_calls(&[ringing, answered, ended.clone()]).await.unwrap();
    let all = ["call.started", "call.answered", "recording.started", "call.ended", "recording.finished"];
    assert_eq!(kinds(&lab.store).await, all);
    assert_eq!(lab.store.call(ended.id).await.unwrap(), Some(ended), "what is late changes nothing");
    let fed = lab.store.pump_feed(at(11), 10).await.unwrap();
    assert_eq!(fed.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(), all);
    assert!(fed.iter().all(|entry| entry.call == Some(call_id(1)) && entry.company == CompanyId(1)));
    let Some(About::Call(about)) = &fed[1].event.about else { panic!("{fed:?}") };
    assert_eq!((about.outcome, about.ended.is_none()), (Outcome::Answered, true), "as it was then, though fed later");
}

#[tokio::test]
async fn a_call_and_its_events_come_together_or_not_at_all() {
    let lab = Lab::new().await;
    lab.execute("CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'disk full'); END").await;
    assert!(lab.store.save_call(&call(1)).await.is_err());
    assert_eq!(lab.store.call(call_id(1)).await.unwrap(), None);
    lab.execute("DROP TRIGGER full").await;
    lab.store.save_call(&call(1)).await.unwrap();
    assert_eq!(kinds(&lab.store).await, ["call.started", "call.transferred"]);
}

#[tokio::test]
async fn a_change_of_rights_is_another_version() {
    let lab = Lab::new().await;
    lab.apply(EXAMPLE, false).await;
    let version = async || lab.store.access_version().await.unwrap();
    let mut before = version().await;
    let mut changed = async |what: &str| {
        let now = version().await;
        assert_ne!(now, before, "{what}");
        before = now;
    };
    let (number, user) = (NumberId(1), UserId(1));
    lab.store.subscribe(CompanyId(1), number, user, at(1)).await;
    changed("subscribed").await;
    lab.store.unsubscribe(CompanyId(1), number, user, at(2)).await;
    changed("unsubscribed").await;
    lab.store.withdraw(CompanyId(1), number, user).await;
    changed("withdrawn").await;
    lab.apply(&EXAMPLE.replace("agent_pause = true", "agent_pause = false"), false).await;
    changed("a setting").await;
}
