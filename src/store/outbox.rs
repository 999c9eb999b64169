//! The outbox: what was handed over, in order.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CallId, CompanyId, RecordingId, Wall};
use crate::ledger::{OutboxEntry, OutboxKind, RecordingRecord};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

impl Store {
    /// The entries after position `seq`, in order.
    pub async fn outbox_after(&self, seq: i64, limit: u32) -> Result<Vec<OutboxEntry>, StoreError> {
        let query = sqlx::query("SELECT * FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2").bind(seq).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(entry).collect()
    }
}

/// Appends an entry and says its position; the first one's, where the recording has one of
/// this kind.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    recording: &RecordingRecord,
    kind: OutboxKind,
    now: Wall,
) -> Result<i64, StoreError> {
    let query = sqlx::query(
        "INSERT INTO outbox (at, kind, company_id, call_id, recording_id) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (recording_id, kind) DO UPDATE SET kind = excluded.kind RETURNING seq",
    );
    let query = query
        .bind(now.unix_micros())
        .bind(kind.as_str())
        .bind(recording.company.0)
        .bind(recording.call.to_string())
        .bind(recording.id.to_string());
    let row = query.fetch_one(connection).await?;
    Reading::new("outbox", &row).get("seq")
}

/// The position at which the recording was handed over; `None` when that was purged.
pub(super) async fn first_of(
    connection: &mut SqliteConnection,
    recording: RecordingId,
) -> Result<Option<i64>, StoreError> {
    let query = sqlx::query("SELECT MIN(seq) AS seq FROM outbox WHERE recording_id = $1").bind(recording.to_string());
    let row = query.fetch_one(connection).await?;
    Reading::new("outbox", &row).get("seq")
}

pub(super) fn entry(row: &SqliteRow) -> Result<OutboxEntry, StoreError> {
    let row = Reading::new("outbox", row);
    Ok(OutboxEntry {
        seq: row.get("seq")?,
        at: row.wall("at")?,
        kind: row.word("kind", OutboxKind::parse)?,
        company: CompanyId(row.get("company_id")?),
        call: row.word("call_id", CallId::parse)?,
        recording: row.word("recording_id", RecordingId::parse)?,
    })
}
