//! What is erased of recordings that are not at rest: of a call that is up, and of one that failed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails, and it waits for conditions"
)]
#![allow(dead_code, reason = "the scene serves other tests too")]

#[path = "http/mod.rs"]
mod http;
#[path = "scene/phones.rs"]
mod phones;
#[path = "scene/mod.rs"]
mod scene;

use http::service::{config, start};
use http::{Http, Response, Session};
use phones::Phones;
use scene::Scene;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use telegraphone::service::Service;

const SCENE: Scene = Scene("erase");
const ADMIN: &str = r#"
[[user]]
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
"#;

async fn service(folder: &Path) -> (Service, SocketAddr, Http) {
    start(config(folder), &[&format!("{}{ADMIN}", SCENE.company())]).await
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it did not come to pass");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}

fn endings(dir: &Path) -> Vec<String> {
    let ending = |path: &PathBuf| Some(path.extension()?.to_str()?.to_owned());
    files(dir).iter().filter_map(ending).collect()
}

fn erase(ada: &Session, digits: &str, dry_run: bool) -> Value {
    let body = json!({ "dry_run": dry_run, "confirm": format!("+{digits}") }).to_string();
    let answer: Response = ada.send("POST", &format!("/api/v1/contacts/%2B{digits}/erase"), &body);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

async fn rows(folder: &Path, query: &'static str) -> Vec<String> {
    let path = folder.join("telegraphone.db");
    let pool = sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(path)).await.unwrap();
    let rows = sqlx::query_scalar(query).fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_is_up_is_not_touched_and_erased_by_itself_when_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("recordings");
    let (service, sip, http) = service(folder.path()).await;
    let story = tokio::task::spawn_blocking(move || {
        let ada = http.log_in("erase", "204", "ada-secret");
        let phones = Phones::registered(SCENE, sip);
        let answered = phones.call(7);
        phones.speak(&answered, 25);
        until(|| endings(&dir).contains(&"part".to_owned()).then_some(()));
        let call = ada.get("/api/v1/calls/live").json()["calls"][0]["id"].as_str().unwrap().to_owned();
        let before = files(&dir);
        let dry = erase(&ada, "1666000007", true);
        assert_eq!((&dry["put_off"], &dry["kept_calls"][0]["call"]), (&json!(1), &json!(call)), "{dry}");
        let report = erase(&ada, "1666000007", false);
        assert_eq!(
            (&report["put_off"], &report["kept"], &report["calls"]),
            (&json!(1), &json!(1), &json!(0)),
            "{report}"
        );
        assert!(report["kept_calls"][0]["because"].as_str().unwrap().contains("is up"), "{report}");
        erase(&ada, "1666000007", false);
        assert_eq!(files(&dir), before, "nothing of it was touched");
        let mut stream = ada.stream("/api/v1/events?kinds=recording.finished,recording.deleted", Some(0));
        assert_eq!(phones.hang_up(7, &answered).status, 200);
        let finished = stream.next();
        let recording = finished.data["recording"].as_str().unwrap().to_owned();
        assert_eq!(stream.next().name, "recording.deleted");
        let path = format!("/api/v1/calls/{call}");
        until(|| (ada.get(&path).json()["caller"]["address"] == "erased").then_some(()));
        let gone = ada.get(&format!("/api/v1/recordings/{recording}"));
        assert_eq!((gone.status, &gone.json()["because"]), (410, &json!("erased")));
        until(|| endings(&dir).is_empty().then_some(()));
        until(|| {
            let log = ada.get("/api/v1/access-log").json();
            let lines = log["lines"].as_array().unwrap();
            lines.iter().any(|line| line["action"] == "contact.erased" && line["source"] == "service").then_some(())
        });
    });
    story.await.unwrap();
    service.stop().await;
    let left = rows(
        folder.path(),
        "SELECT 'call' FROM calls WHERE caller_address LIKE '%1666000007' OR detail LIKE '%1666000007%'
         UNION ALL SELECT 'recording' FROM recordings WHERE sidecar LIKE '%1666000007%'
         UNION ALL SELECT DISTINCT 'event' FROM feed WHERE event LIKE '%1666000007%'
         UNION ALL SELECT DISTINCT 'outbox' FROM outbox WHERE told LIKE '%1666000007%'
         UNION ALL SELECT 'erasure' FROM erasures UNION ALL SELECT 'log' FROM access_log WHERE thing LIKE '%1666000007%'",
    );
    assert_eq!(left.await, [""; 0], "not even that it was to be erased");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_failed_recording_left_is_named_and_taken_away_and_the_next_start_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("recordings");
    let (first, sip, http) = service(folder.path()).await;
    tokio::task::spawn_blocking(move || {
        let ada = http.log_in("erase", "204", "ada-secret");
        let mut stream = ada.stream("/api/v1/events?kinds=recording.finished", None);
        Phones::registered(SCENE, sip).place(0..2, 25);
        (0..2).for_each(|_| drop(stream.next()));
    })
    .await
    .unwrap();
    // As a disk that was full leaves it: the row says that it failed and knows no file.
    let path = rows(folder.path(), "SELECT path FROM recordings WHERE sidecar LIKE '%1666000000%'").await.remove(0);
    let wav = dir.join(path);
    std::fs::rename(&wav, wav.with_extension("part")).unwrap();
    std::fs::write(wav.with_extension("journal"), "{\"line\":\"torn").unwrap();
    rows(
        folder.path(),
        "UPDATE recordings SET state = 'failed', path = '', problem = 'the disk was full'
         WHERE sidecar LIKE '%1666000000%' RETURNING id",
    )
    .await;
    let whole = dir.clone();
    tokio::task::spawn_blocking(move || {
        let ada = http.log_in("erase", "204", "ada-secret");
        let dry = erase(&ada, "1666000000", true);
        let named = dry["leftover_files"].as_array().unwrap();
        assert_eq!((&dry["leftovers"], named.len()), (&json!(1), 3), "{dry}");
        assert!(named.iter().any(|file| file.as_str().unwrap().ends_with(".part")), "{dry}");
        assert_eq!(endings(&whole).len(), 5, "nothing was touched");
        let report = erase(&ada, "1666000000", false);
        assert_eq!(report["leftover_files"], dry["leftover_files"]);
        assert_eq!(
            (&report["recordings"], &report["put_off"], &report["files_left"]),
            (&json!(1), &json!(0), &json!(0))
        );
        assert_eq!(endings(&whole), ["json", "wav"], "those of the other call");
        assert_eq!(erase(&ada, "1666000000", false)["leftovers"], 0, "again finds nothing");
    })
    .await
    .unwrap();
    first.stop().await;
    let (second, _, _) = service(folder.path()).await;
    assert_eq!(endings(&dir), ["json", "wav"]);
    second.stop().await;
}
