use super::*;
use crate::base::{CallId, CompanyId, Direction, NumberId, RecordingId, Seeded, Side, Span, UserId, Wall};
use crate::directory::Directory;
use crate::directory::file::CompanyFile;
use crate::directory::plan::{self, Plan, ha1};
use crate::ledger::{
    Because, By, CallRecord, Change, Channels, Decision, EndReason, How, Joined, JoinedBy, OutboxKind, Outcome, Party,
    RecordingRecord, RecordingState, Sidecar, SidecarParty, Subject,
};
use crate::subscription::{About, FeedEntry};
use argon2::{Argon2, PasswordVerifier};
use tempfile::TempDir;

mod leaving;

const EXAMPLE: &str = include_str!("../../fixtures/company.example.toml");

/// A store in a folder of its own, which goes with it.
struct Lab {
    folder: TempDir,
    store: Store,
}

impl Lab {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("t.db")).await.unwrap();
        Lab { folder, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("t.db")
    }

    /// The same file, opened by the next process.
    async fn restarted(self) -> Self {
        self.store.close().await;
        let store = Store::open(&self.folder.path().join("t.db")).await.unwrap();
        Lab { folder: self.folder, store }
    }

    async fn plan(&self, text: &str, prune: bool) -> Plan {
        let current = self.store.load_directory().await.unwrap();
        plan::plan(&current, &CompanyFile::parse(text).unwrap(), prune).unwrap()
    }

    async fn apply(&self, text: &str, prune: bool) -> Applied {
        let plan = self.plan(text, prune).await;
        let applied = self.store.apply(&plan, &mut Seeded(1)).await.unwrap();
        assert!(self.plan(text, prune).await.is_empty(), "applying twice changes nothing the second time");
        applied
    }

    async fn scalar(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(&self.store.writer).await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.store.writer).await.unwrap();
    }
}

fn at(seconds: u64) -> Wall {
    Wall::from_unix_micros(1_700_000_000_000_000).plus(Span::from_secs(seconds))
}

fn call_id(n: u8) -> CallId {
    CallId::new(at(u64::from(n)), [n; 10])
}

fn recording_id(n: u8) -> RecordingId {
    RecordingId::new(at(u64::from(n)), [n; 10])
}

fn decision(record: bool) -> Decision {
    Decision { record, because: Because::Company { direction: Direction::Inbound } }
}

fn party(user: Option<i64>, address: &str) -> Party {
    Party { user: user.map(UserId), address: address.to_owned(), name: format!("N {address}") }
}

fn change() -> Change {
    Change {
        at: at(3),
        offset_ms: 2000,
        by: By::User { id: UserId(7), name: "Alice".to_owned(), side: Side::Callee },
        how: How::Rfc4733,
        wanted: false,
        refused: None,
        decision: Decision { record: false, because: Because::AgentCommand },
    }
}

fn call(n: u8) -> CallRecord {
    CallRecord {
        id: call_id(n),
        company: CompanyId(1),
        direction: Direction::Inbound,
        caller: party(None, "+15550199"),
        callee: party(Some(7), "201"),
        number: Some(NumberId(3)),
        started: at(1),
        answered: None,
        ended: None,
        outcome: Outcome::Ringing,
        end_reason: None,
        decision: decision(true),
        changes: Vec::new(),
        joined: vec![Joined {
            at: at(3),
            offset_ms: 1_000,
            side: Side::Callee,
            party: party(Some(8), "202"),
            codec: "PCMA".to_owned(),
            how: JoinedBy::BlindTransfer,
            instead_of: party(Some(7), "201"),
            from_call: None,
        }],
        ended_paused: false,
    }
}

fn recording(n: u8, company: i64) -> RecordingRecord {
    let (id, call) = (recording_id(n), call_id(n));
    let side = |channel: &str, party| SidecarParty {
        channel: channel.to_owned(),
        party,
        codec: "PCMU".to_owned(),
        packets: 100,
        lost: 1,
        late: 0,
        duplicates: 2,
        strangers: 0,
        encrypted: false,
        unauthentic: 0,
        joined_ms: 0,
        left_ms: None,
    };
    let sidecar = Sidecar {
        version: 1,
        recording: id,
        call,
        company: CompanyId(company),
        company_name: "Acme".to_owned(),
        direction: Direction::Inbound,
        number: Some(NumberId(3)),
        parties: vec![side("left", party(None, "+15550199")), side("right", party(Some(7), "201"))],
        answered: at(2),
        started: at(2),
        offset_ms: 0,
        samples: 16_000,
        rate: 8000,
        channels: Channels::Stereo,
        state: RecordingState::Complete,
        decision: decision(true),
        changes: vec![change()],
        markers: Vec::new(),
        markers_left_out: 0,
        ended_paused: false,
        end_reason: Some(EndReason::CallerHungUp),
        problem: String::new(),
    };
    RecordingRecord {
        id,
        call,
        company: CompanyId(company),
        state: RecordingState::Complete,
        path: format!("acme/{id}.wav"),
        started: at(2),
        samples: 16_000,
        rate: 8000,
        bytes: 64_044,
        audio_sha256: "aa".repeat(32),
        frame_sha256: "bb".repeat(32),
        problem: String::new(),
        sidecar,
    }
}

#[tokio::test]
async fn a_new_database_is_private_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("t.db");
    let store = Store::open(&path).await.unwrap();
    store.save_call(&call(1)).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
    store.close().await;
    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.call(call_id(1)).await.unwrap(), Some(call(1)));
    assert_eq!(store.load_directory().await.unwrap().companies().count(), 0);
}

#[tokio::test]
async fn commits_are_synced_and_references_held() {
    let lab = Lab::new().await;
    let pragma = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(&lab.store.writer);
    assert_eq!(pragma("PRAGMA synchronous").await.unwrap(), 2, "FULL");
    assert_eq!(pragma("PRAGMA foreign_keys").await.unwrap(), 1);
    assert_eq!(lab.scalar("PRAGMA journal_mode").await, "wal");
    let write = sqlx::query("DELETE FROM calls").execute(&lab.store.readers).await;
    assert!(write.is_err(), "readers cannot write");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let lab = Lab::new().await;
    lab.execute("INSERT INTO schema_steps (version) VALUES (99)").await;
    lab.store.close().await;
    let error = Store::open(&lab.path()).await.unwrap_err();
    let newest = migrate::newest();
    assert!(matches!(error, StoreError::TooNew { found: 99, known } if known == newest), "{error}");
}

#[tokio::test]
async fn a_trunk_of_the_first_schema_keeps_its_one_target() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.db");
    let old = super::pool(1).connect_with(SqliteConnectOptions::new().filename(&path).create_if_missing(true)).await;
    let old = old.unwrap();
    let rows = "CREATE TABLE schema_steps (version BIGINT PRIMARY KEY);
        INSERT INTO schema_steps (version) VALUES (1);
        INSERT INTO companies (id, key, name, realm, settings) VALUES (1, 'a', 'A', 'a.example', '{}');
        INSERT INTO trunks (company_id, name, addresses, host, port, transport)
        VALUES (1, 't', '[\"192.0.2.1\"]', 'carrier.example', 5070, 'tcp');";
    sqlx::raw_sql(include_str!("migrations/0001_first.sql")).execute(&old).await.unwrap();
    sqlx::raw_sql(rows).execute(&old).await.unwrap();
    old.close().await;
    let directory = Store::open(&path).await.unwrap().load_directory().await.unwrap();
    let trunk = directory.trunks().next().unwrap();
    assert_eq!(trunk.targets.iter().map(ToString::to_string).collect::<Vec<_>>(), ["carrier.example:5070/tcp"]);
    assert_eq!((&trunk.settings, trunk.targets[0].weight), (&Default::default(), 1));
    assert_eq!(directory.trunks_from("192.0.2.1".parse().unwrap()).len(), 1);
}

#[tokio::test]
async fn what_is_stored_of_a_trunks_passwords_is_hashes_unless_the_realm_is_unknown() {
    let lab = Lab::new().await;
    let text = "
        [[company]]
        key = 'a'
        domains = ['a.example']
        [[trunk]]
        name = 'known'
        targets = [{ host = 'c.example', order = 1, weight = 2 }, { host = 'd.example' }]
        addresses = ['192.0.2.0/24']
        username = 'acme'
        password = 'known-sesame'
        realm = 'carrier'
        register = true
        inbound_username = 'pbx'
        inbound_password = 'pbx-sesame'
        [[trunk]]
        name = 'unknown'
        host = 'c.example'
        username = 'acme'
        password = 'clear-sesame'
    ";
    lab.apply(text, false).await;
    let stored =
        lab.scalar("SELECT group_concat(login_password || login_ha1_md5 || inbound_ha1_md5) FROM trunks").await;
    assert!(stored.contains("clear-sesame"), "digest needs it: there is nothing to hash it with");
    assert!(!stored.contains("known-sesame") && !stored.contains("pbx-sesame"), "{stored}");
    let directory = lab.store.load_directory().await.unwrap();
    assert_eq!(directory.trunk_by_login(CompanyId(1), "pbx").map(|trunk| trunk.name.as_str()), Some("known"));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    std::fs::write(&path, "this is no database, and long enough to be sure of it").unwrap();
    assert!(matches!(Store::open(&path).await, Err(StoreError::Sql(_))));
}

#[tokio::test]
async fn the_example_file_is_applied_and_read_back() {
    let lab = Lab::new().await;
    let applied = lab.apply(EXAMPLE, false).await;
    assert_eq!((applied.version, applied.generated.len()), (1, 0));
    let directory = lab.store.load_directory().await.unwrap();
    assert_eq!((directory.version(), lab.store.directory_version().await.unwrap()), (1, 1));
    let acme = directory.company_of_domain("ACME.example").unwrap();
    let number = directory.number_by_e164("+15550100").unwrap();
    let alice = directory.user_by_extension(acme.id, "201").unwrap();
    assert_eq!(acme.default_number, Some(number.id));
    assert_eq!(number.route, crate::directory::Route::User(alice.id));
    assert_eq!(alice.number, Some(number.id));
    assert!(acme.settings.record_inbound && acme.settings.agent_pause && !acme.settings.record_internal);
    let (md5, sha256) = ha1("201", "acme.example", "alice-secret");
    assert_eq!((&alice.ha1_md5, &alice.ha1_sha256), (&md5, &sha256));
    assert_eq!(directory.trunks_from("127.0.0.2".parse().unwrap()).len(), 1);
    assert!(lab.plan(EXAMPLE, true).await.is_empty(), "nothing to prune");
}

#[tokio::test]
async fn groups_inboxes_and_flows_are_applied_kept_and_pruned() {
    let lab = Lab::new().await;
    lab.apply(EXAMPLE, false).await;
    lab.apply(include_str!("../../fixtures/callflow.example.toml"), false).await;
    let lab = lab.restarted().await;
    let directory = lab.store.load_directory().await.unwrap();
    let acme = directory.company_by_key("acme").unwrap().id;
    let number = directory.number_by_e164("+15550100").unwrap();
    let inbox = directory.inbox_of_number(number.id).unwrap();
    assert_eq!((inbox.label.as_str(), inbox.members.len(), inbox.primary), ("Support", 2, Some(number.id)));
    assert_eq!(directory.flow(inbox.closed_flow.unwrap()).unwrap().flow.steps.len(), 4);
    assert_eq!(directory.group_by_name(acme, "sales").unwrap().members.len(), 2);
    let bob = directory.user_by_extension(acme, "202").unwrap();
    assert_eq!((bob.calls.ring_s, directory.default_inbox(bob)), (Some(20), Some(inbox)));
    let (id, flow) = (inbox.id, inbox.flow);
    lab.apply("[[inbox]]\ncompany = 'acme'\nname = 'support'\nlabel = 'Help'\nhours = []", false).await;
    let after = lab.store.load_directory().await.unwrap();
    let inbox = after.inbox(id).unwrap();
    assert_eq!((inbox.label.as_str(), inbox.schedule.as_ref(), inbox.flow), ("Help", None, flow));
    let route = "[[number]]\ncompany = 'acme'\nnumber = '+15550100'\nroute = 'flow:closed'";
    lab.apply(route, false).await;
    let after = lab.store.load_directory().await.unwrap();
    let number = after.number_by_e164("+15550100").unwrap();
    let crate::directory::Route::Flow(flow) = number.route else { panic!("{number:?}") };
    assert_eq!(after.flow(flow).unwrap().name, "closed");
    let without = EXAMPLE.replace("agent_pause = \"inherit\"", "default_inbox = ''\non_no_answer = 'next'");
    lab.apply(&without, true).await;
    assert_eq!(lab.store.load_directory().await.unwrap().facilities_of(acme).count(), 0);
}

#[tokio::test]
async fn only_hashes_of_passwords_are_stored() {
    let lab = Lab::new().await;
    lab.apply(EXAMPLE, false).await;
    let hash = lab.scalar("SELECT password_hash FROM users WHERE extension = '201'").await;
    assert!(Argon2::default().verify_password(b"alice-secret", hash.as_str()).is_ok());
    assert!(Argon2::default().verify_password(b"alice-secreT", hash.as_str()).is_err());
    let path = lab.path();
    lab.store.close().await;
    let bytes = std::fs::read(path).unwrap();
    assert!(!bytes.windows(12).any(|window| window == b"alice-secret"));
}

#[tokio::test]
async fn a_password_is_generated_once() {
    let lab = Lab::new().await;
    lab.apply(EXAMPLE, false).await;
    let text = "[[user]]\ncompany = 'acme'\nextension = '203'\ngenerate_password = true";
    let applied = lab.apply(text, false).await;
    let [generated] = applied.generated.as_slice() else { panic!("{applied:?}") };
    assert_eq!((&*generated.company, &*generated.extension, &*generated.auth_name), ("acme", "203", "203"));
    let directory = lab.store.load_directory().await.unwrap();
    let acme = directory.company_by_key("acme").unwrap();
    let user = directory.user_by_extension(acme.id, "203").unwrap();
    assert_eq!(user.ha1_md5, ha1("203", "acme.example", generated.password.reveal()).0);
    assert!(lab.apply(text, false).await.generated.is_empty());
}

#[tokio::test]
async fn changes_keep_ids_and_passwords() {
    let lab = Lab::new().await;
    lab.apply(EXAMPLE, false).await;
    let before = lab.store.load_directory().await.unwrap();
    let text = "
        [[company]]
        key = 'acme'
        domains = ['new.example', 'acme.example']
        default_number = ''
        [[user]]
        extension = '201'
        name = 'Alicia'
        number = ''
        play = 'none'
        auth = ['sha-256']
        [[number]]
        number = '+15550100'
        route = 'user:202'
        recording = 'on'
        [[trunk]]
        name = 'carrier'
        addresses = ['127.0.0.3', '2001:db8::3']
    ";
    lab.apply(text, false).await;
    let after = lab.store.load_directory().await.unwrap();
    let acme = after.company_by_key("acme").unwrap();
    let old = before.company_by_key("acme").unwrap();
    assert_eq!((acme.id, &acme.realm, acme.default_number), (old.id, &old.realm, None));
    assert_eq!(acme.domains, ["new.example", "acme.example"]);
    let alice = after.user_by_extension(acme.id, "201").unwrap();
    let old = before.user_by_extension(acme.id, "201").unwrap();
    assert_eq!((alice.id, &alice.ha1_md5, &*alice.name, alice.number), (old.id, &old.ha1_md5, "Alicia", None));
    assert_eq!(alice.overrides.play, Some(crate::directory::Play::None));
    assert_eq!(alice.auth, Some(vec![crate::directory::AuthAlgorithm::Sha256]));
    assert!(after.trunks_from("127.0.0.2".parse().unwrap()).is_empty());
    assert_eq!(after.trunks_from("2001:db8::3".parse().unwrap()).len(), 1);
}

#[tokio::test]
async fn names_can_be_exchanged_in_one_file() {
    let lab = Lab::new().await;
    let first = "
        [[company]]
        key = 'a'
        domains = ['a.example']
        [[company]]
        key = 'b'
        domains = ['b.example']
        [[user]]
        company = 'a'
        extension = '201'
        auth_name = 'x'
        password = 'password-x'
        [[user]]
        company = 'a'
        extension = '202'
        auth_name = 'y'
        password = 'password-y'
    ";
    lab.apply(first, false).await;
    let exchanged = first
        .replace("'x'", "'z'")
        .replace("'y'", "'x'")
        .replace("'z'", "'y'")
        .replace("['a.", "['z.")
        .replace("['b.", "['a.")
        .replace("['z.", "['b.");
    lab.apply(&exchanged, false).await;
    let directory = lab.store.load_directory().await.unwrap();
    let a = directory.company_by_key("a").unwrap();
    assert_eq!((&*a.domains[0], &*a.realm), ("b.example", "a.example"));
    assert_eq!(directory.user_by_auth(a.id, "x").unwrap().extension, "202");
}

#[tokio::test]
async fn pruned_users_take_their_devices_along_and_leave_their_calls() {
    let lab = Lab::new().await;
    lab.apply(EXAMPLE, false).await;
    let directory = lab.store.load_directory().await.unwrap();
    let acme = directory.company_by_key("acme").unwrap().id;
    let bob = directory.user_by_extension(acme, "202").unwrap().id;
    lab.store.save_bindings(&[(bob, vec![binding(bob, "sip:b@192.0.2.9", 60)])]).await.unwrap();
    lab.store.save_call(&CallRecord { callee: party(Some(bob.0), "202"), ..call(1) }).await.unwrap();
    let without_bob: String = {
        let (head, tail) = EXAMPLE.split_once("[[user]]\nextension = \"202\"").unwrap();
        format!("{head}{}", &tail[tail.find("[[number]]").unwrap()..])
    };
    assert!(lab.plan(&without_bob, false).await.is_empty());
    let plan = lab.plan(&without_bob, true).await;
    assert_eq!(plan.to_string(), "- user 202 of acme (Bob)");
    lab.apply(&without_bob, true).await;
    assert_eq!(lab.store.load_bindings(at(0)).await.unwrap(), []);
    assert_eq!(lab.store.call(call_id(1)).await.unwrap().unwrap().callee.user, Some(bob));
    let again = lab.apply(EXAMPLE, false).await;
    let directory = lab.store.load_directory().await.unwrap();
    assert_eq!(again.version, 3);
    assert_ne!(directory.user_by_extension(acme, "202").unwrap().id, bob, "an id is never used again");
}

#[tokio::test]
async fn a_plan_for_an_older_directory_is_refused_whole() {
    let lab = Lab::new().await;
    lab.apply(EXAMPLE, false).await;
    let stale = lab.plan("[[company]]\nkey = 'acme'\nname = 'Stale'", false).await;
    lab.apply("[[company]]\nkey = 'acme'\nname = 'Newer'", false).await;
    let error = lab.store.apply(&stale, &mut Seeded(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Stale(1)), "{error}");
    let directory: Directory = lab.store.load_directory().await.unwrap();
    assert_eq!(directory.company_by_key("acme").unwrap().name, "Newer");
}

#[tokio::test]
async fn an_apply_that_fails_changes_nothing() {
    let lab = Lab::new().await;
    lab.apply(EXAMPLE, false).await;
    let plan = lab.plan("[[company]]\nkey = 'acme'\nname = 'Changed'\n[[number]]\nnumber = '+15550111'", false).await;
    lab.execute("CREATE TRIGGER full BEFORE INSERT ON numbers BEGIN SELECT RAISE(ABORT, 'disk full'); END").await;
    assert!(lab.store.apply(&plan, &mut Seeded(1)).await.is_err());
    let directory = lab.store.load_directory().await.unwrap();
    assert_eq!((directory.version(), &*directory.company_by_key("acme").unwrap().name), (1, "Acme"));
}

#[tokio::test]
async fn a_call_is_saved_over_and_over_and_read_back_whole() {
    let lab = Lab::new().await;
    lab.store.save_call(&call(1)).await.unwrap();
    assert_eq!(lab.store.open_calls().await.unwrap(), [call(1)]);
    let done = CallRecord {
        answered: Some(at(2)),
        ended: Some(at(9)),
        outcome: Outcome::Completed,
        end_reason: Some(EndReason::MediaSilence { side: Side::Caller }),
        changes: vec![change()],
        ended_paused: true,
        ..call(1)
    };
    lab.store.save_call(&done).await.unwrap();
    assert_eq!(lab.store.call(call_id(1)).await.unwrap(), Some(done));
    assert_eq!(lab.store.open_calls().await.unwrap(), []);
    assert_eq!(lab.store.call(call_id(2)).await.unwrap(), None);
}

#[tokio::test]
async fn calls_are_paged_from_the_newest() {
    let lab = Lab::new().await;
    let calls: Vec<_> = (1..=5).map(call).collect();
    lab.store.save_calls(&calls).await.unwrap();
    let page = |before| {
        let store = lab.store.clone();
        async move { store.calls(2, before).await.unwrap().iter().map(|call| call.id).collect::<Vec<_>>() }
    };
    assert_eq!(page(None).await, [call_id(5), call_id(4)]);
    assert_eq!(page(Some(call_id(4))).await, [call_id(3), call_id(2)]);
    assert_eq!(page(Some(call_id(2))).await, [call_id(1)]);
    assert_eq!(page(Some(call_id(1))).await, []);
}

#[tokio::test]
async fn a_recording_is_handed_over_once() {
    let lab = Lab::new().await;
    let first = lab.store.hand_over(&recording(1, 1), OutboxKind::RecordingFinished, at(10)).await.unwrap();
    let changed = RecordingRecord { state: RecordingState::Recovered, ..recording(1, 1) };
    let again = lab.store.hand_over(&changed, OutboxKind::RecordingFailed, at(20)).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(lab.store.recording(recording_id(1)).await.unwrap(), Some(recording(1, 1)), "the first hand-over holds");
    let outbox = lab.store.outbox_after(0, 10).await.unwrap();
    assert_eq!(outbox.len(), 1);
    assert_eq!(
        (Some(outbox[0].seq), outbox[0].at, outbox[0].subject),
        (first, at(10), Subject::Recording(recording_id(1)))
    );
}

#[tokio::test]
async fn row_and_outbox_entry_come_together_or_not_at_all() {
    let lab = Lab::new().await;
    let kind = OutboxKind::RecordingFinished;
    lab.execute("CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'disk full'); END").await;
    assert!(lab.store.hand_over(&recording(1, 1), kind, at(10)).await.is_err());
    let all = [(recording(2, 1), kind), (recording(3, 1), kind)];
    assert!(lab.store.hand_over_all(&all, at(10)).await.is_err());
    assert_eq!(lab.store.recordings(&RecordingFilter::default(), 10).await.unwrap(), []);
    lab.execute("DROP TRIGGER full").await;
    let positions = lab.store.hand_over_all(&all, at(11)).await.unwrap();
    assert!(positions[0].is_some() && positions[0] < positions[1]);
    assert_eq!(lab.store.hand_over_all(&all, at(12)).await.unwrap(), positions);
    assert_eq!(lab.store.outbox_after(positions[0].unwrap(), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn recordings_are_found_by_what_they_belong_to() {
    let lab = Lab::new().await;
    let all: Vec<_> = (1..=4).map(|n| (recording(n, 1 + i64::from(n % 2)), OutboxKind::RecordingFinished)).collect();
    lab.store.hand_over_all(&all, at(10)).await.unwrap();
    lab.store.mark_missing(recording_id(4)).await.unwrap();
    let none = RecordingFilter::default();
    let table = [
        (none, vec![4, 3, 2, 1]),
        (RecordingFilter { company: Some(CompanyId(2)), ..none }, vec![3, 1]),
        (RecordingFilter { call: Some(call_id(2)), ..none }, vec![2]),
        (RecordingFilter { state: Some(RecordingState::Missing), ..none }, vec![4]),
        (RecordingFilter { before: Some(recording_id(3)), ..none }, vec![2, 1]),
        (RecordingFilter { company: Some(CompanyId(2)), before: Some(recording_id(3)), ..none }, vec![1]),
    ];
    for (filter, expected) in table {
        let found: Vec<_> = lab.store.recordings(&filter, 10).await.unwrap().iter().map(|record| record.id).collect();
        assert_eq!(found, expected.into_iter().map(recording_id).collect::<Vec<_>>(), "{filter:?}");
    }
    assert_eq!(lab.store.recordings(&none, 2).await.unwrap().len(), 2);
    assert_eq!(lab.store.recordings_of(call_id(3)).await.unwrap(), [recording(3, 2)]);
}

fn gone(second: u64) -> Gone {
    Gone { at: at(second), because: "deleted by 204 Ada".to_owned(), by: "204 Ada".to_owned() }
}

#[tokio::test]
async fn deleting_keeps_the_row_and_is_told_once() {
    let lab = Lab::new().await;
    lab.store.hand_over(&recording(1, 1), OutboxKind::RecordingFinished, at(10)).await.unwrap();
    let deleted = RecordingRecord { state: RecordingState::Deleted, ..recording(1, 1) };
    let done = Deletion::Done(Box::new(deleted.clone()));
    assert_eq!(lab.store.delete_recording(recording_id(1), &gone(20)).await.unwrap(), done);
    assert_eq!(lab.store.delete_recording(recording_id(1), &gone(30)).await.unwrap(), done);
    assert_eq!(lab.store.delete_recording(recording_id(2), &gone(30)).await.unwrap(), Deletion::NotFound);
    assert_eq!(lab.store.gone(recording_id(1)).await.unwrap(), Some(gone(20)), "the first time stays");
    let kinds: Vec<_> =
        lab.store.outbox_after(0, 10).await.unwrap().iter().map(|entry| (entry.kind, entry.at)).collect();
    assert_eq!(kinds, [(OutboxKind::RecordingFinished, at(10)), (OutboxKind::RecordingDeleted, at(20))]);
    lab.store.mark_missing(recording_id(1)).await.unwrap();
    assert_eq!(lab.store.recording(recording_id(1)).await.unwrap(), Some(deleted));
}

#[tokio::test]
async fn every_hand_over_becomes_one_event_across_restarts() {
    let mut lab = Lab::new().await;
    let mut told = Vec::new();
    for round in 0..4_u8 {
        let all: Vec<_> = (0..3).map(|n| (recording(round * 3 + n, 1), OutboxKind::RecordingFinished)).collect();
        lab.store.hand_over_all(&all, at(10)).await.unwrap();
        // Less is read than was written, and the next process goes on where this one stopped.
        told.extend(lab.store.pump_feed(at(11), 2).await.unwrap());
        lab = lab.restarted().await;
    }
    loop {
        match lab.store.pump_feed(at(12), 2).await.unwrap() {
            batch if batch.is_empty() => break,
            batch => told.extend(batch),
        }
    }
    let recordings: Vec<_> = told.iter().filter_map(FeedEntry::recording).collect();
    assert_eq!(recordings, (0..12).map(recording_id).collect::<Vec<_>>());
    assert_eq!(lab.store.feed_after(None, 0, 100).await.unwrap(), told);
}

#[tokio::test]
async fn a_reader_that_fails_half_way_reads_again() {
    let lab = Lab::new().await;
    let all = [(recording(1, 1), OutboxKind::RecordingFinished), (recording(2, 1), OutboxKind::RecordingFinished)];
    lab.store.hand_over_all(&all, at(10)).await.unwrap();
    lab.execute("CREATE TRIGGER full BEFORE UPDATE ON outbox_readers BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        .await;
    assert!(lab.store.pump_feed(at(11), 10).await.is_err());
    assert_eq!(lab.store.feed_after(None, 0, 10).await.unwrap(), [], "an event is not there before the position is");
    lab.execute("DROP TRIGGER full").await;
    assert_eq!(lab.store.pump_feed(at(12), 10).await.unwrap().len(), 2);
    assert_eq!(lab.store.pump_feed(at(13), 10).await.unwrap(), []);
}

#[tokio::test]
async fn two_readers_at_a_time_tell_each_event_once() {
    let lab = Lab::new().await;
    let all: Vec<_> = (0..20).map(|n| (recording(n, 1), OutboxKind::RecordingFinished)).collect();
    lab.store.hand_over_all(&all, at(10)).await.unwrap();
    let other = Store::open(&lab.path()).await.unwrap();
    let drain = |store: Store| async move {
        let mut told = Vec::new();
        loop {
            match store.pump_feed(at(11), 1).await.unwrap() {
                batch if batch.is_empty() => return told,
                batch => told.extend(batch),
            }
        }
    };
    let (one, two) = tokio::join!(drain(lab.store.clone()), drain(other));
    assert_eq!(one.len() + two.len(), 20);
    assert_eq!(lab.store.feed_after(None, 0, 100).await.unwrap().len(), 20);
}

#[tokio::test]
async fn whole_operations_can_move_between_threads() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    let lab = Lab::new().await;
    let plan = lab.plan(EXAMPLE, false).await;
    assert_eq!(sendable(lab.store.apply(&plan, &mut Seeded(1))).await.unwrap().version, 1);
    assert_eq!(sendable(lab.store.pump_feed(at(1), 1)).await.unwrap(), []);
    sendable(lab.store.save_calls(&[call(1)])).await.unwrap();
}

#[tokio::test]
async fn an_event_tells_the_call_but_no_path() {
    let lab = Lab::new().await;
    lab.store.hand_over(&recording(1, 1), OutboxKind::RecordingFinished, at(10)).await.unwrap();
    lab.store.hand_over(&recording(2, 2), OutboxKind::RecordingFinished, at(10)).await.unwrap();
    lab.store.pump_feed(at(11), 10).await.unwrap();
    let own = lab.store.feed_after(Some(CompanyId(1)), 0, 10).await.unwrap();
    let [entry] = own.as_slice() else { panic!("{own:?}") };
    let json = serde_json::to_value(&entry.event).unwrap();
    assert_eq!(json["event"], "recording.finished");
    assert_eq!(json["recording"], recording_id(1).to_string());
    assert_eq!(json["about"]["length_ms"], 2000);
    assert_eq!(json["about"]["parties"][1]["address"], "201");
    assert!(!json.to_string().contains(".wav"), "{json}");
    assert_eq!(lab.store.feed_after(Some(CompanyId(1)), entry.seq, 10).await.unwrap(), []);
}

fn binding(user: UserId, contact: &str, lasts: u64) -> StoredBinding {
    StoredBinding {
        user,
        contact: contact.to_owned(),
        instance: Some("urn:uuid:1".to_owned()),
        expires: at(lasts),
        source: "[2001:db8::9]:5060".parse().unwrap(),
        transport: crate::directory::Transport::Tcp,
        detail: r#"{"call_id":"x","cseq":3}"#.to_owned(),
    }
}

#[tokio::test]
async fn bindings_survive_a_restart_until_they_expire() {
    let lab = Lab::new().await;
    lab.apply(EXAMPLE, false).await;
    let directory = lab.store.load_directory().await.unwrap();
    let acme = directory.company_by_key("acme").unwrap().id;
    let alice = directory.user_by_extension(acme, "201").unwrap().id;
    let gone = UserId(999);
    let (desk, mobile) = (binding(alice, "sip:a@192.0.2.1", 60), binding(alice, "sip:a@192.0.2.2", 600));
    let changed = [(gone, vec![binding(gone, "sip:x@192.0.2.3", 600)]), (alice, vec![desk.clone(), mobile.clone()])];
    lab.store.save_bindings(&changed).await.unwrap();
    let lab = lab.restarted().await;
    assert_eq!(lab.store.load_bindings(at(0)).await.unwrap(), [desk.clone(), mobile.clone()]);
    assert_eq!(lab.store.load_bindings(at(60)).await.unwrap(), [mobile]);
    lab.store.save_bindings(&[(alice, vec![desk.clone()])]).await.unwrap();
    assert_eq!(lab.store.load_bindings(at(0)).await.unwrap(), [desk]);
    lab.store.save_bindings(&[(alice, Vec::new())]).await.unwrap();
    assert_eq!(lab.store.load_bindings(at(0)).await.unwrap(), []);
}

#[tokio::test]
async fn devices_that_write_the_same_contact_are_two_and_keep_their_order() {
    let lab = Lab::new().await;
    lab.apply(EXAMPLE, false).await;
    let directory = lab.store.load_directory().await.unwrap();
    let acme = directory.company_by_key("acme").unwrap().id;
    let alice = directory.user_by_extension(acme, "201").unwrap().id;
    let phone =
        |instance: &str, contact| StoredBinding { instance: Some(instance.to_owned()), ..binding(alice, contact, 600) };
    // Behind two routers both have the same address.
    let contact = "sip:201@192.168.1.10:5060";
    let all = [phone("z", contact), phone("a", contact), phone("b", "sip:201@10.0.0.1")];
    lab.store.save_bindings(&[(alice, all.to_vec())]).await.unwrap();
    assert_eq!(lab.restarted().await.store.load_bindings(at(0)).await.unwrap(), all);
}

/// A recording of which a failure was told.
fn failure(n: u8) -> RecordingRecord {
    let state = RecordingState::Failed;
    RecordingRecord {
        state,
        path: String::new(),
        samples: 0,
        bytes: 0,
        problem: "no room".to_owned(),
        ..recording(n, 1)
    }
}

#[tokio::test]
async fn a_failure_that_is_repaired_later_is_told_as_failed_and_then_as_recovered() {
    for fed_between in [true, false] {
        let lab = Lab::new().await;
        lab.store.hand_over(&failure(1), OutboxKind::RecordingFailed, at(10)).await.unwrap();
        lab.store.hand_over(&failure(1), OutboxKind::RecordingFailed, at(11)).await.unwrap();
        if fed_between {
            lab.store.pump_feed(at(12), 10).await.unwrap();
        }
        let repaired = RecordingRecord { state: RecordingState::Recovered, ..recording(1, 1) };
        for _ in 0..2 {
            lab.store.hand_over(&repaired, OutboxKind::RecordingFinished, at(20)).await.unwrap();
        }
        lab.store.pump_feed(at(21), 10).await.unwrap();
        let told = lab.store.feed_after(None, 0, 10).await.unwrap();
        let told: Vec<_> = told
            .iter()
            .map(|entry| {
                let Some(About::Recording(about)) = &entry.event.about else { panic!("{entry:?}") };
                (entry.kind, about.state, about.length_ms, about.bytes == 0)
            })
            .collect();
        let expected = [
            (OutboxKind::RecordingFailed, RecordingState::Failed, 0, true),
            (OutboxKind::RecordingRecovered, RecordingState::Recovered, 2_000, false),
        ];
        assert_eq!(told, expected, "the failure was read before the repair: {fed_between}");
        assert_eq!(lab.store.recording(recording_id(1)).await.unwrap(), Some(repaired));
    }
}

#[tokio::test]
async fn calls_without_their_recording_are_found_by_an_index_and_leave_it_with_the_hand_over() {
    let lab = Lab::new().await;
    let answered = |n: u8| CallRecord { answered: Some(at(2)), ..call(n) };
    let unrecorded =
        async || -> Vec<CallId> { lab.store.unrecorded_calls().await.unwrap().iter().map(|call| call.id).collect() };
    let calls: Vec<_> = [answered(1), answered(2), call(3)].to_vec();
    lab.store.save_calls(&calls).await.unwrap();
    assert!(calls.iter().all(|call| call.decision.record), "policy said to record them");
    assert_eq!(unrecorded().await, [call_id(1), call_id(2)], "the third was not answered");
    lab.store.hand_over(&recording(1, 1), OutboxKind::RecordingFinished, at(10)).await.unwrap();
    assert_eq!(unrecorded().await, [call_id(2)]);
    lab.store.save_call(&answered(1)).await.unwrap();
    assert_eq!(unrecorded().await, [call_id(2)], "a later row of the call does not forget its recording");
    // The recording came first.
    lab.store.hand_over(&recording(4, 1), OutboxKind::RecordingFinished, at(10)).await.unwrap();
    lab.store.save_call(&answered(4)).await.unwrap();
    assert_eq!(unrecorded().await, [call_id(2)]);
    // Of a recording that the outside party refused nothing is missed, from then on.
    lab.store.save_call(&answered(5)).await.unwrap();
    assert_eq!(unrecorded().await, [call_id(2), call_id(5)]);
    let refused = Decision { record: false, because: Because::OutsideRefusal };
    let by = By::Outside { side: Side::Caller };
    let (how, wanted, decision) = (How::Info, false, refused);
    let change = Change { at: at(3), offset_ms: 900, by, how, wanted, refused: None, decision };
    lab.store.save_call(&CallRecord { changes: vec![change], ..answered(5) }).await.unwrap();
    assert_eq!(unrecorded().await, [call_id(2)]);
    let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", calls::UNRECORDED)));
    let plan = plan.fetch_all(&lab.store.readers).await.unwrap();
    let plan: Vec<String> = plan.iter().map(|row| sqlx::Row::get(row, "detail")).collect();
    assert!(plan.iter().all(|step| step.contains("INDEX calls_unrecorded")), "{plan:?}");
}

#[tokio::test]
async fn old_events_go_when_they_were_read_and_not_before() {
    let lab = Lab::new().await;
    let hand_over = async |n: u8, second: u64| {
        lab.store.hand_over(&recording(n, 1), OutboxKind::RecordingFinished, at(second)).await.unwrap().unwrap()
    };
    let (first, second) = (hand_over(1, 10).await, hand_over(2, 20).await);
    assert!(lab.store.purge_events(at(1_000), 10).await.unwrap().is_nothing(), "nobody has read them");
    assert_eq!(lab.store.outbox_after(0, 10).await.unwrap().len(), 2);
    // Read late: its readers have the whole time from then on.
    lab.store.pump_feed(at(500), 1).await.unwrap();
    assert_eq!(lab.store.purge_events(at(400), 10).await.unwrap(), Purged { outbox: 1, feed: 0 });
    lab.store.pump_feed(at(600), 10).await.unwrap();
    hand_over(3, 610).await;
    lab.store.pump_feed(at(611), 10).await.unwrap();
    assert_eq!(lab.store.feed_purged().await.unwrap(), 0);
    assert_eq!(lab.store.purge_events(at(601), 1).await.unwrap(), Purged { outbox: 1, feed: 1 });
    assert_eq!(lab.store.feed_purged().await.unwrap(), first);
    assert_eq!(lab.store.purge_events(at(601), 1).await.unwrap(), Purged { outbox: 0, feed: 1 });
    assert_eq!(lab.store.feed_purged().await.unwrap(), second);
    assert!(lab.store.purge_events(at(601), 1).await.unwrap().is_nothing());
    let left: Vec<_> = lab.store.feed_after(None, 0, 10).await.unwrap().iter().map(FeedEntry::recording).collect();
    assert_eq!(left, [Some(recording_id(3))]);
}

#[tokio::test]
async fn after_a_purge_nothing_is_told_twice() {
    let lab = Lab::new().await;
    let kind = OutboxKind::RecordingFinished;
    lab.store.hand_over(&recording(1, 1), kind, at(10)).await.unwrap();
    lab.store.delete_recording(recording_id(1), &gone(20)).await.unwrap();
    lab.store.hand_over(&recording(2, 1), kind, at(21)).await.unwrap();
    lab.store.pump_feed(at(30), 10).await.unwrap();
    assert_eq!(lab.store.purge_events(at(40), 10).await.unwrap(), Purged { outbox: 3, feed: 3 });
    lab.store.delete_recording(recording_id(1), &gone(50)).await.unwrap();
    assert_eq!(lab.store.hand_over(&recording(2, 1), kind, at(51)).await.unwrap(), None);
    assert_eq!(lab.store.pump_feed(at(52), 10).await.unwrap(), []);
    let next = lab.store.hand_over(&recording(3, 1), kind, at(53)).await.unwrap();
    assert!(next > Some(3), "a position is never used again: {next:?}");
}

#[tokio::test]
async fn whoever_was_deleted_before_there_were_reasons_has_the_time_of_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let lab = Lab::new().await;
    lab.store.hand_over(&recording(1, 1), OutboxKind::RecordingFinished, at(10)).await.unwrap();
    lab.store.delete_recording(recording_id(1), &gone(20)).await.unwrap();
    lab.store.copy_to(&path).await.unwrap();
    let pool = sqlx::SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let back = "DROP INDEX recordings_kept; DROP INDEX recordings_to_remove; DROP TABLE holds;
        DROP TABLE export_items; DROP TABLE exports; ALTER TABLE numbers DROP COLUMN retention_days;
        ALTER TABLE recordings DROP COLUMN gone_at; ALTER TABLE recordings DROP COLUMN gone_because;
        ALTER TABLE recordings DROP COLUMN gone_by; ALTER TABLE recordings DROP COLUMN to_remove;
        DELETE FROM schema_steps WHERE version = 12";
    sqlx::raw_sql(back).execute(&pool).await.unwrap();
    sqlx::raw_sql(include_str!("migrations/0012_keeping.sql")).execute(&pool).await.unwrap();
    sqlx::raw_sql("INSERT INTO schema_steps (version) VALUES (12)").execute(&pool).await.unwrap();
    pool.close().await;
    let store = Store::open(&path).await.unwrap();
    let expected = Gone { at: at(20), because: "deleted".to_owned(), by: String::new() };
    assert_eq!(store.gone(recording_id(1)).await.unwrap(), Some(expected));
    let to_remove = store.files_to_remove(None, 10).await.unwrap();
    assert_eq!(to_remove.len(), 1, "it is made sure that its files are gone");
}

#[tokio::test]
async fn erasing_a_number_leaves_those_that_begin_with_it() {
    let lab = Lab::new().await;
    let numbers = ["+166600", "+1666001", "166600"];
    for (n, number) in (1..).zip(numbers) {
        let party = Party { user: None, address: number.to_owned(), name: "Carol".to_owned() };
        let mut one = recording(n, 1);
        one.sidecar.parties[0].party = party.clone();
        lab.store.hand_over(&one, OutboxKind::RecordingFinished, at(10)).await.unwrap();
        // The third call has no row of its own.
        if n < 3 {
            let record = CallRecord { id: one.call, caller: party, ended: Some(at(9)), ..call(n) };
            lab.store.save_call(&record).await.unwrap();
        }
    }
    let contact = Contact::parse("+166600").unwrap();
    let company = recording(1, 1).company;
    let found = lab.store.calls_of_recordings_with(company, &contact).await.unwrap();
    assert_eq!(found, [call_id(1), call_id(3)]);
    for call in found {
        let erased = lab.store.erase_call(call, &contact, &gone(20)).await.unwrap();
        assert!(matches!(erased, Erased::Done { files, notes: 0 } if files.len() == 1));
    }
    let kept = lab.store.recording(recording_id(2)).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.sidecar.parties[0].party.address.as_str()), (recording(2, 1).state, "+1666001"));
    assert_eq!(lab.store.calls_of_recordings_with(company, &contact).await.unwrap(), []);
    let blanked = lab.store.call(call_id(1)).await.unwrap().unwrap();
    assert_eq!((blanked.caller.address.as_str(), blanked.caller.name.as_str()), ("erased", "erased"));
}

/// The hourly look reads what is old and kept, and not all that ever was.
#[tokio::test]
async fn what_may_have_expired_is_read_from_an_index_of_its_own() {
    let lab = Lab::new().await;
    for (sql, index) in [
        (retention::OLD, "SEARCH r USING INDEX recordings_kept (company_id=? AND id>? AND id<?)"),
        (retention::OLD, "SEARCH h USING INDEX holds_now (kind=? AND thing=?)"),
        (retention::TO_REMOVE, "SEARCH recordings USING INDEX recordings_to_remove (id>?)"),
    ] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
        let plan = plan.fetch_all(&lab.store.readers).await.unwrap();
        let steps: Vec<String> = plan.iter().map(|row| sqlx::Row::get(row, "detail")).collect();
        assert!(steps.iter().any(|step| step == index), "{index}: {steps:?}");
    }
}

/// A part of a call that is up was handed over already: the call has not ended.
#[tokio::test]
async fn a_part_of_a_call_that_is_up_has_no_end_yet() {
    let lab = Lab::new().await;
    lab.store.save_call(&call(1)).await.unwrap();
    let over = CallRecord { ended: Some(at(50)), ..call(2) };
    lab.store.save_call(&over).await.unwrap();
    for n in 1..=3 {
        lab.store.hand_over(&recording(n, 1), OutboxKind::RecordingFinished, at(10)).await.unwrap();
    }
    let hold = NewHold {
        company: CompanyId(1),
        thing: Held::Call(call_id(2)),
        reason: "case".to_owned(),
        placed: at(60),
        by: "204 Ada".to_owned(),
    };
    lab.store.place_hold(&hold).await.unwrap();
    let found = lab.store.old_recordings(CompanyId(1), at(100), None, 10).await.unwrap();
    let told: Vec<_> = found.iter().map(|one| (one.id, one.ended.is_some(), one.held)).collect();
    let (first, second, third) = (recording_id(1), recording_id(2), recording_id(3));
    assert_eq!(told, [(first, false, false), (second, true, true), (third, true, false)], "the third has no call row");
    let all: Vec<_> = [first, second, third].map(|id| (id, gone(100))).into();
    let deletions = lab.store.delete_recordings(&all).await.unwrap();
    assert!(matches!(deletions[1], Deletion::Held(_)), "a hold is looked at again when it is deleted");
    let left = lab.store.old_recordings(CompanyId(1), at(100), None, 10).await.unwrap();
    assert_eq!(left.iter().map(|one| one.id).collect::<Vec<_>>(), [second]);
}
mod events;
