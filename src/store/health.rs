//! How the database is, for whoever watches the service.

use super::webhooks::DeliveryState;
use super::{Store, StoreError, migrate};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::path::Path;

/// More entries than this are not counted.
const MOST: i64 = 100_000;

/// How far what happens has come on its way to readers and hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Position of the newest event.
    pub feed: i64,
    /// Entries of the outbox that are no event yet; 100,000 where there are more.
    pub outbox_lag: i64,
    /// Deliveries to hooks that are to be made, and those that were given up.
    pub pending: i64,
    pub dead: i64,
}

/// What a look at a database file finds that nothing was changed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Its schema, and the one that this program knows.
    pub schema: i64,
    pub known: i64,
    /// What `PRAGMA quick_check` finds wrong; empty when nothing is.
    pub problems: Vec<String>,
}

impl Store {
    /// Writes to the file and syncs it; no table is touched.
    pub async fn prove_writable(&self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA user_version = 1").execute(&self.writer).await?;
        Ok(())
    }

    pub async fn progress(&self) -> Result<Progress, StoreError> {
        let lag = sqlx::query_scalar(
            "SELECT COUNT(*) FROM (SELECT 1 FROM outbox
             WHERE seq > (SELECT position FROM outbox_readers WHERE name = 'feed') LIMIT $1)",
        );
        let outbox_lag = lag.bind(MOST).fetch_one(&self.readers).await?;
        let feed = self.feed_newest().await?;
        let (pending, dead) = (self.count(DeliveryState::Pending).await?, self.count(DeliveryState::Dead).await?);
        Ok(Progress { feed, outbox_lag, pending, dead })
    }

    async fn count(&self, state: DeliveryState) -> Result<i64, StoreError> {
        let query =
            sqlx::query_scalar("SELECT COUNT(*) FROM (SELECT 1 FROM webhook_deliveries WHERE state = $1 LIMIT $2)");
        Ok(query.bind(state.as_str()).bind(MOST).fetch_one(&self.readers).await?)
    }

    /// Examines the file at `path` without bringing it to this program's schema.
    ///
    /// # Errors
    /// When it cannot be opened, or is no database of this program.
    pub async fn examine(path: &Path) -> Result<Examined, StoreError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(super::BUSY_TIMEOUT);
        let mut connection = options.connect().await?;
        let problems: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(10)").fetch_all(&mut connection).await?;
        let problems = problems.into_iter().filter(|said| said != "ok").collect();
        let schema = sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM schema_steps");
        let schema = schema.fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(Examined { schema, known: migrate::newest(), problems })
    }
}
