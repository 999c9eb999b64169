//! Brings a database to this version's schema, one step after the other, each in a
//! transaction of its own.

use super::StoreError;
use sqlx::{Row, SqlitePool};

/// Every step there ever was, oldest first. A released step is never changed.
const STEPS: [(i64, &str); 9] = [
    (1, include_str!("migrations/0001_first.sql")),
    (2, include_str!("migrations/0002_restart.sql")),
    (3, include_str!("migrations/0003_facilities.sql")),
    (4, include_str!("migrations/0004_history.sql")),
    (5, include_str!("migrations/0005_trunks.sql")),
    (6, include_str!("migrations/0006_identity.sql")),
    (9, include_str!("migrations/0009_access.sql")),
    (13, include_str!("migrations/0013_insight.sql")),
    (14, include_str!("migrations/0014_staff.sql")),
];

/// The version that this program knows.
pub(super) fn newest() -> i64 {
    STEPS.last().map_or(0, |(version, _)| *version)
}

pub(super) async fn run(writer: &SqlitePool) -> Result<(), StoreError> {
    let known = newest();
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
        let Some((version, sql)) = STEPS.iter().find(|(version, _)| *version > found) else {
            return Ok(transaction.commit().await?);
        };
        sqlx::raw_sql(*sql).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO schema_steps (version) VALUES ($1)").bind(version).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
}
