//! The store under `kill -9`: a process that hands over and feeds is killed between any two
//! of its steps, and the next one finds everything that was acknowledged, once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use telegraphone::base::{CallId, CompanyId, Direction, RecordingId, Wall};
use telegraphone::ledger::{Because, Channels, Decision, OutboxKind, RecordingRecord, RecordingState, Sidecar};
use telegraphone::store::{RecordingFilter, Store};

/// Set for the child, to the database that it works on.
const CHILD: &str = "STORE_KILL_DATABASE";
const ROUNDS: usize = 12;

/// Not a test of its own: what the killed process does.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    runtime().block_on(async {
        let store = Store::open(&path).await.unwrap();
        let before = store.outbox_after(0, u32::MAX).await.unwrap().len() as u64;
        for n in before.. {
            let recording = recording(n);
            store.hand_over(&recording, OutboxKind::RecordingFinished, wall(n)).await.unwrap();
            // Past the test harness, which keeps what is printed to itself.
            writeln!(std::io::stdout().lock(), "handed over {}", recording.id).unwrap();
            store.pump_feed(wall(n), 1).await.unwrap();
        }
    });
}

#[test]
fn what_was_acknowledged_is_there_once_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        acknowledged.extend(run_and_kill(&path, 1 + round * 3));
        runtime().block_on(check(&path, &acknowledged));
    }
}

/// Kills the child once it has acknowledged `count` hand-overs; what it acknowledged.
fn run_and_kill(path: &Path, count: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut ids = lines.filter_map(|line| Some(line.split_once("handed over ")?.1.to_owned()));
    let mut seen: Vec<String> = ids.by_ref().take(count).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(seen.len(), count, "the child died by itself");
    // What it could still write before the kill arrived counts too; a line cut short does not.
    seen.extend(ids.filter(|id| RecordingId::parse(id).is_some()));
    seen
}

async fn check(path: &Path, acknowledged: &BTreeSet<String>) {
    let store = Store::open(path).await.unwrap();
    while !store.pump_feed(wall(0), 7).await.unwrap().is_empty() {}
    let rows = store.recordings(&RecordingFilter::default(), u32::MAX).await.unwrap();
    let rows: BTreeSet<_> = rows.iter().map(|row| row.id.to_string()).collect();
    let outbox = store.outbox_after(0, u32::MAX).await.unwrap();
    let feed = store.feed_after(None, 0, u32::MAX).await.unwrap();
    assert!(rows.is_superset(acknowledged), "an acknowledged recording is lost");
    let entries: Vec<_> = outbox.iter().map(|entry| (entry.seq, entry.subject.id())).collect();
    let events: Vec<_> = feed.iter().map(|entry| (entry.seq, entry.subject.id())).collect();
    assert_eq!(entries, events, "one event per entry, in order");
    assert_eq!(entries.len(), rows.len(), "one entry per row");
    assert_eq!(entries.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>(), rows);
    store.close().await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn wall(n: u64) -> Wall {
    Wall::from_unix_micros(1_700_000_000_000_000 + i64::try_from(n).unwrap() * 1000)
}

fn recording(n: u64) -> RecordingRecord {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    let (id, call) = (RecordingId::new(wall(n), random), CallId::new(wall(n), random));
    let decision = Decision { record: true, because: Because::Company { direction: Direction::Internal } };
    let sidecar = Sidecar {
        version: 1,
        recording: id,
        call,
        company: CompanyId(1),
        company_name: "Acme".to_owned(),
        direction: Direction::Internal,
        number: None,
        parties: Vec::new(),
        answered: wall(n),
        started: wall(n),
        offset_ms: 0,
        samples: 8000,
        rate: 8000,
        channels: Channels::Stereo,
        state: RecordingState::Complete,
        decision,
        changes: Vec::new(),
        markers: Vec::new(),
        markers_left_out: 0,
        ended_paused: false,
        end_reason: None,
        problem: String::new(),
    };
    RecordingRecord {
        id,
        call,
        company: CompanyId(1),
        state: RecordingState::Complete,
        path: format!("acme/{id}.wav"),
        started: wall(n),
        samples: 8000,
        rate: 8000,
        bytes: 32_044,
        audio_sha256: String::new(),
        frame_sha256: String::new(),
        problem: String::new(),
        sidecar,
    }
}
