//! A database of the first version with its recordings, under this one: what was recorded then is heard now.

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

use http::Http;
use http::service::{config, start};
use phones::Phones;
use scene::Scene;
use sha2::{Digest, Sha256};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use std::path::Path;
use telegraphone::api::{Answer, Request};
use telegraphone::service::Service;

const SCENE: Scene = Scene("upgrade");
const FIRST: &str = include_str!("../src/store/migrations/0001_first.sql");
const ADMIN: &str = r#"
[[user]]
company = "upgrade"
extension = "204"
name = "Ada"
password = "ada-secret"
role = "admin"
"#;
/// Columns of the tables that the first version had, and that a call and its recording stand in.
const TABLES: [(&str, &str); 6] = [
    ("companies", "id, key, name, realm, settings"),
    ("domains", "domain, company_id, position"),
    ("users", "id, company_id, extension, name, auth_name, ha1_md5, ha1_sha256, password_hash, role, overrides"),
    ("numbers", "id, company_id, e164, recording"),
    (
        "calls",
        "id, company_id, direction, started, answered, ended, outcome, number_id, caller_user_id, caller_address,
         caller_name, callee_user_id, callee_address, callee_name, record, because, ended_paused, detail",
    ),
    (
        "recordings",
        "id, call_id, company_id, state, path, started, samples, rate, bytes, audio_sha256, frame_sha256, problem,
         sidecar",
    ),
];

/// What a service records that is asked to.
async fn recorded(folder: &Path) {
    let (service, sip, http) = start(config(folder), &[&SCENE.company(), ADMIN]).await;
    let story = tokio::task::spawn_blocking(move || {
        let mut stream =
            http.log_in("upgrade", "204", "ada-secret").stream("/api/v1/events?kinds=recording.finished", None);
        Phones::registered(SCENE, sip).place(0..1, 50);
        stream.next();
    });
    story.await.unwrap();
    service.stop().await;
}

/// A database with the schema of the first version and the rows of `from`, as far as it had them. Company
/// settings are those that it knew.
async fn as_the_first_wrote_it(from: &Path, to: &Path) {
    let options = SqliteConnectOptions::new().filename(to).create_if_missing(true).foreign_keys(false);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    run(&pool, "CREATE TABLE schema_steps (version BIGINT PRIMARY KEY)").await;
    run(&pool, FIRST).await;
    run(&pool, "INSERT INTO schema_steps (version) VALUES (1)").await;
    sqlx::query("ATTACH DATABASE $1 AS newer").bind(from.to_str().unwrap()).execute(&pool).await.unwrap();
    for (table, columns) in TABLES {
        run(&pool, &format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}")).await;
    }
    run(&pool, "UPDATE companies SET settings = '{\"record_inbound\":true}'").await;
    // It was changed when the company came.
    run(&pool, "UPDATE directory_version SET version = 2").await;
    run(&pool, "DETACH DATABASE newer").await;
    pool.close().await;
}

async fn run(pool: &SqlitePool, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_first_version_recorded_is_played_and_proven_by_this_one() {
    let (newer, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    recorded(newer.path()).await;
    as_the_first_wrote_it(&newer.path().join("telegraphone.db"), &older.path().join("telegraphone.db")).await;
    std::fs::rename(newer.path().join("recordings"), older.path().join("recordings")).unwrap();
    let service = Service::start(config(older.path())).await.unwrap();
    let id = service.store().recordings(&Default::default(), 10).await.unwrap()[0].id;
    let wav = {
        let row = service.store().recording(id).await.unwrap().unwrap();
        std::fs::read(older.path().join("recordings").join(&row.path)).unwrap()
    };
    let http = Http(service.http_addresses()[0]);
    tokio::task::spawn_blocking(move || {
        let ada = http.log_in("upgrade", "204", "ada-secret");
        let calls = ada.get("/api/v1/calls?recorded=true").json();
        assert_eq!(calls["calls"][0]["recordings"][0]["id"], id.to_string(), "{calls}");
        assert_eq!(calls["calls"][0]["can_play"], true);
        let path = format!("/api/v1/recordings/{id}");
        let shown = ada.get(&path).json();
        let played = ada.get(&format!("{path}/audio"));
        assert_eq!((played.status, played.header("content-type")), (200, Some("audio/wav")));
        assert_eq!(played.body, wav, "byte for byte");
        let data = u32::from_le_bytes(played.body[40..44].try_into().unwrap()) as usize;
        let heard = hex::encode(Sha256::digest(&played.body[44..44 + data]));
        assert_eq!(shown["audio_sha256"], heard, "what is heard is what was recorded");
        let piece = ada.get_with(&format!("{path}/audio"), &[("Range", "bytes=44-143")]);
        assert_eq!((piece.status, piece.body.as_slice()), (206, &wav[44..144]));
        assert_eq!(ada.get(&format!("{path}/peaks")).status, 200);
        assert_eq!(ada.get(&path).json()["heard"][0]["extension"], "204");
    })
    .await
    .unwrap();
    let proven = service.handle().answer(Request::RecordingVerify { recording: None, before: None }).await;
    let Answer::Verified { results, .. } = proven else { panic!("{proven:?}") };
    assert_eq!(results.iter().map(|result| result.problem.as_str()).collect::<Vec<_>>(), [""]);
    service.stop().await;
}
