//! Events go after their retention: first those of the outbox that every reader has taken, and
//! those of the feed that were there to be read for so long.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::Wall;
use sqlx::SqliteConnection;

/// What a purge took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub outbox: u64,
    pub feed: u64,
}

impl Purged {
    pub fn is_nothing(&self) -> bool {
        *self == Purged::default()
    }
}

impl Store {
    /// Deletes up to `batch` entries of each that are older than `before`, the oldest first, in
    /// one transaction. An outbox entry that a reader has not taken stays, however old it is. An
    /// event of the feed counts from when it was fed: after a long standstill its readers have
    /// the whole time.
    pub async fn purge_events(&self, before: Wall, batch: u32) -> Result<Purged, StoreError> {
        let mut transaction = self.write().await?;
        let outbox = sqlx::query(
            "DELETE FROM outbox WHERE seq IN (
                 SELECT seq FROM outbox
                 WHERE at < $1 AND seq <= (SELECT MIN(position) FROM outbox_readers) ORDER BY seq LIMIT $2)",
        );
        let outbox = outbox.bind(before.unix_micros()).bind(batch).execute(&mut *transaction).await?.rows_affected();
        let feed = purge_feed(&mut transaction, before, batch).await?;
        transaction.commit().await?;
        Ok(Purged { outbox, feed })
    }

    /// The position up to which events of the feed were purged; 0 for none. A reader that had not
    /// come so far has missed some.
    pub async fn feed_purged(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT position FROM feed_purged").fetch_one(&self.readers).await?;
        Reading::new("feed_purged", &row).get("position")
    }
}

async fn purge_feed(connection: &mut SqliteConnection, before: Wall, batch: u32) -> Result<u64, StoreError> {
    let query = sqlx::query(
        "SELECT MAX(seq) AS last FROM (SELECT seq FROM feed WHERE fed < $1 ORDER BY seq LIMIT $2) AS oldest",
    );
    let row = query.bind(before.unix_micros()).bind(batch).fetch_one(&mut *connection).await?;
    let Some(last) = Reading::new("feed", &row).get::<Option<i64>>("last")? else { return Ok(0) };
    let query = sqlx::query("UPDATE feed_purged SET position = $1 WHERE position < $1").bind(last);
    query.execute(&mut *connection).await?;
    let query = sqlx::query("DELETE FROM feed WHERE fed < $1 AND seq <= $2").bind(before.unix_micros()).bind(last);
    Ok(query.execute(connection).await?.rows_affected())
}
