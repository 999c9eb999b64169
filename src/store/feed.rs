//! The feed: what the reader of the outbox has made of its entries.

use super::row::Reading;
use super::{Store, StoreError, outbox, recordings};
use crate::base::{CallId, CompanyId, NumberId, Wall};
use crate::ledger::{OutboxEntry, OutboxKind, Subject};
use crate::subscription::{FeedEntry, fold};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// The reader's name in `outbox_readers`.
const READER: &str = "feed";

impl Store {
    /// Takes up to `batch` entries from the outbox into the feed, and returns them: events
    /// and the reader's new position in one transaction, so that each entry becomes one
    /// event, whenever the process dies. Empty when there is nothing new.
    pub async fn pump_feed(&self, now: Wall, batch: u32) -> Result<Vec<FeedEntry>, StoreError> {
        if !self.feed_is_behind().await? {
            return Ok(Vec::new());
        }
        let mut transaction = self.write().await?;
        let query = sqlx::query(
            "SELECT * FROM outbox WHERE seq > (SELECT position FROM outbox_readers WHERE name = $1)
             ORDER BY seq LIMIT $2",
        );
        let rows = query.bind(READER).bind(batch).fetch_all(&mut *transaction).await?;
        let mut fed = Vec::with_capacity(rows.len());
        for row in &rows {
            fed.push(event_of(&mut transaction, &outbox::entry(row)?).await?);
        }
        append(&mut transaction, &fed, now).await?;
        transaction.commit().await?;
        Ok(fed)
    }

    /// Events after position `seq`, in order; of one company, or of all.
    pub async fn feed_after(
        &self,
        company: Option<CompanyId>,
        seq: i64,
        limit: u32,
    ) -> Result<Vec<FeedEntry>, StoreError> {
        let rows = match company {
            Some(company) => {
                sqlx::query("SELECT * FROM feed WHERE company_id = $3 AND seq > $1 ORDER BY seq LIMIT $2")
                    .bind(seq)
                    .bind(limit)
                    .bind(company.0)
                    .fetch_all(&self.readers)
                    .await?
            }
            None => {
                let query = sqlx::query("SELECT * FROM feed WHERE seq > $1 ORDER BY seq LIMIT $2");
                query.bind(seq).bind(limit).fetch_all(&self.readers).await?
            }
        };
        rows.iter().map(feed_entry).collect()
    }

    /// Events after `seq` of calls over these numbers.
    pub async fn feed_over(&self, numbers: &[NumberId], seq: i64, limit: u32) -> Result<Vec<FeedEntry>, StoreError> {
        let query = sqlx::query(
            "SELECT f.* FROM feed AS f CROSS JOIN calls AS c WHERE f.seq > $1 AND c.id = f.call_id
               AND c.number_id + 0 IN (SELECT value FROM json_each($3)) ORDER BY f.seq LIMIT $2",
        );
        let query = query.bind(seq).bind(limit).bind(serde_json::to_string(numbers)?);
        query.fetch_all(&self.readers).await?.iter().map(feed_entry).collect()
    }

    /// The position of the newest event; 0 where there is none.
    pub async fn feed_newest(&self) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM feed");
        Ok(query.fetch_one(&self.readers).await?)
    }

    /// Asked without the write lock, since mostly the answer is no.
    async fn feed_is_behind(&self) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "SELECT seq FROM outbox WHERE seq > (SELECT position FROM outbox_readers WHERE name = $1) LIMIT 1",
        );
        Ok(query.bind(READER).fetch_optional(&self.readers).await?.is_some())
    }
}

async fn event_of(connection: &mut SqliteConnection, entry: &OutboxEntry) -> Result<FeedEntry, StoreError> {
    let row = match entry.subject {
        Subject::Recording(recording) => {
            let query = sqlx::query("SELECT * FROM recordings WHERE id = $1").bind(recording.to_string());
            query.fetch_optional(connection).await?
        }
        // What happened to a call, a message or a text is in the entry itself.
        Subject::Call(_) | Subject::Message(_) | Subject::Text(_) => None,
    };
    let recording = row.as_ref().map(recordings::recording).transpose()?;
    Ok(fold(entry, recording.as_ref()))
}

/// Writes `entries` and moves the reader's position to the last of them.
async fn append(connection: &mut SqliteConnection, entries: &[FeedEntry], now: Wall) -> Result<(), StoreError> {
    for entry in entries {
        let FeedEntry { seq, at, kind, company, call, subject, event } = entry;
        let query = sqlx::query(
            "INSERT INTO feed (seq, at, fed, kind, company_id, call_id, subject, subject_id, event)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        );
        let query = query
            .bind(seq)
            .bind(at.unix_micros())
            .bind(now.unix_micros())
            .bind(kind.as_str())
            .bind(company.0)
            .bind(call.map(|call| call.to_string()))
            .bind(subject.word())
            .bind(subject.id())
            .bind(serde_json::to_string(event)?);
        query.execute(&mut *connection).await?;
    }
    if let Some(last) = entries.last() {
        let query = sqlx::query("UPDATE outbox_readers SET position = $2 WHERE name = $1").bind(READER).bind(last.seq);
        query.execute(connection).await?;
    }
    Ok(())
}

fn feed_entry(row: &SqliteRow) -> Result<FeedEntry, StoreError> {
    let row = Reading::new("feed", row);
    Ok(FeedEntry {
        seq: row.get("seq")?,
        at: row.wall("at")?,
        kind: row.word("kind", OutboxKind::parse)?,
        company: CompanyId(row.get("company_id")?),
        call: row.word_or_none("call_id", CallId::parse)?,
        subject: outbox::subject(&row)?,
        event: row.json("event")?,
    })
}
