//! Brings a database to this version's schema, one step after the other, each in a
//! transaction of its own.

use super::StoreError;
use sqlx::{Row, SqlitePool};

/// Every step there ever was, oldest first. A released step is never changed.
const STEPS: [(i64, &str); 18] = [
    (1, include_str!("migrations/0001_first.sql")),
    (2, include_str!("migrations/0002_restart.sql")),
    (3, include_str!("migrations/0003_facilities.sql")),
    (4, include_str!("migrations/0004_history.sql")),
    (5, include_str!("migrations/0005_trunks.sql")),
    (6, include_str!("migrations/0006_identity.sql")),
    (9, include_str!("migrations/0009_access.sql")),
    (10, include_str!("migrations/0010_directory.sql")),
    (11, include_str!("migrations/0011_events.sql")),
    (12, include_str!("migrations/0012_keeping.sql")),
    (13, include_str!("migrations/0013_insight.sql")),
    (14, include_str!("migrations/0014_staff.sql")),
    (16, include_str!("migrations/0016_erasures.sql")),
    (17, include_str!("migrations/0017_voicemail.sql")),
    (18, include_str!("migrations/0018_texts.sql")),
    (19, include_str!("migrations/0019_mail.sql")),
    (20, include_str!("migrations/0020_wazo.sql")),
    (21, include_str!("migrations/0021_notes.sql")),
];

/// The version that this program knows.
pub(super) fn newest() -> i64 {
    STEPS.last().map_or(0, |(version, _)| *version)
}

pub(super) async fn run(writer: &SqlitePool) -> Result<(), StoreError> {
    run_up_to(writer, newest()).await?;
    sqlx::raw_sql(include_str!("migrations/rights.sql")).execute(writer).await?;
    Ok(())
}

/// Steps up to `known`, as a program did that knew no later ones.
pub(super) async fn run_up_to(writer: &SqlitePool, known: i64) -> Result<(), StoreError> {
    loop {
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS schema_steps (version BIGINT PRIMARY KEY)")
            .execute(&mut *transaction)
            .await?;
        let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_steps")
            .fetch_one(&mut *transaction)
            .await?;
        let found: i64 = row.try_get("version")?;
        if found > known {
            return Err(StoreError::TooNew { found, known });
        }
        let Some((version, sql)) = STEPS.iter().find(|(version, _)| *version > found && *version <= known) else {
            return Ok(transaction.commit().await?);
        };
        sqlx::raw_sql(*sql).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO schema_steps (version) VALUES ($1)").bind(version).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CallId, CompanyId};
    use crate::store::{CallFilter, Store};
    use crate::subscription::Scope;
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

    const CALL: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    /// What the first version wrote: a company, a user, a number, a call with its recording, and events
    /// that a reader has taken.
    const OF_THE_FIRST: &str = r#"
        INSERT INTO companies (id, key, name, realm, settings) VALUES (1, 'a', 'A', 'a.example', '{}');
        INSERT INTO domains VALUES ('a.example', 1, 0);
        INSERT INTO users (id, company_id, extension, name, auth_name, ha1_md5, ha1_sha256, password_hash, role, overrides)
            VALUES (1, 1, '201', 'Bob', '201', 'x', 'y', '', 'agent', '{}');
        INSERT INTO numbers (id, company_id, e164, route_user_id, recording) VALUES (1, 1, '+15550100', 1, 'on');
        INSERT INTO trunks (id, company_id, name, addresses, host, port, transport)
            VALUES (1, 1, 't', '["192.0.2.1/32"]', 'sip.example', 5060, 'udp');
        INSERT INTO calls (id, company_id, direction, started, answered, ended, outcome, number_id, caller_user_id,
            caller_address, caller_name, callee_user_id, callee_address, callee_name, record, because, ended_paused, detail)
            VALUES ('01890a5d-ac96-774b-bcce-b302099a8057', 1, 'inbound', 1688000000000000, 1688000001000000,
            1688000002000000, 'completed', 1, NULL, '+16660001', 'Otto', 1, '201', 'Bob', TRUE, 'number', FALSE,
            '{"decision":{"record":true,"because":{"source":"number","number":1}},"changes":[],"end_reason":null}');
        INSERT INTO recordings VALUES ('01890a5d-ac96-774b-bcce-b302099a8058', '01890a5d-ac96-774b-bcce-b302099a8057', 1,
            'complete', 'x.wav', 1688000001000000, 8000, 8000, 32044, '', '', '', '{}');
        INSERT INTO outbox (seq, at, kind, company_id, call_id, recording_id) VALUES (7, 1688000002000000,
            'recording.finished', 1, '01890a5d-ac96-774b-bcce-b302099a8057', '01890a5d-ac96-774b-bcce-b302099a8058');
        UPDATE outbox_readers SET position = 7;
    "#;

    /// A database as it was at `version`, with what the first version wrote in it.
    async fn database_of(version: i64) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true).foreign_keys(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        sqlx::raw_sql("CREATE TABLE schema_steps (version BIGINT PRIMARY KEY)").execute(&pool).await.unwrap();
        for (step, sql) in STEPS.iter().filter(|(step, _)| *step <= version) {
            sqlx::raw_sql(*sql).execute(&pool).await.unwrap();
            sqlx::query("INSERT INTO schema_steps (version) VALUES ($1)").bind(step).execute(&pool).await.unwrap();
            if *step == 1 {
                sqlx::raw_sql(OF_THE_FIRST).execute(&pool).await.unwrap();
            }
        }
        pool.close().await;
        (folder, path)
    }

    #[tokio::test]
    async fn what_older_versions_wrote_is_listed_by_this_one() {
        for version in [1, 6, 9] {
            let (_folder, path) = database_of(version).await;
            let store = Store::open(&path).await.unwrap();
            let directory = store.load_directory().await.unwrap();
            let company = directory.company_by_key("a").unwrap();
            let user = directory.user_by_extension(company.id, "201").unwrap();
            assert_eq!(company.settings.time_zone.as_str(), "UTC");
            let id = CallId::parse(CALL).unwrap();
            for scope in [Scope::of_whole(CompanyId(1)), Scope::of(&directory, company, user, Vec::new())] {
                for filter in [
                    CallFilter::default(),
                    CallFilter { recorded: Some(true), user: Some(user.id), ..CallFilter::default() },
                    CallFilter { text: Some("Otto".to_owned()), ..CallFilter::default() },
                    CallFilter { contact: Some("+16660001".to_owned()), ..CallFilter::default() },
                ] {
                    let listed = store.visible_calls(&scope, &filter, 10).await.unwrap();
                    assert_eq!(
                        listed.iter().map(|call| call.id).collect::<Vec<_>>(),
                        [id],
                        "from {version}: {filter:?}"
                    );
                }
                assert_eq!(store.contact(&scope, None, "+16660001").await.unwrap().unwrap().calls, 1, "from {version}");
            }
            assert!(store.pump_feed(crate::base::Wall::default(), 10).await.unwrap().is_empty(), "taken once");
            let states: Vec<String> =
                sqlx::query_scalar("SELECT path FROM recordings").fetch_all(&store.writer).await.unwrap();
            assert_eq!(states, ["x.wav"], "from {version}");
            store.close().await;
            // Once more: nothing is done twice.
            Store::open(&path).await.unwrap().close().await;
        }
    }
}
