//! The outbox: what happened, in order.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CallId, CompanyId, MessageId, RecordingId, Wall};
use crate::ledger::{CallRecord, Happened, MessageThen, OutboxEntry, OutboxKind, RecordingRecord, Subject, Told};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

impl Store {
    /// The entries after position `seq`, in order.
    pub async fn outbox_after(&self, seq: i64, limit: u32) -> Result<Vec<OutboxEntry>, StoreError> {
        let query = sqlx::query("SELECT * FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2").bind(seq).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(entry).collect()
    }
}

/// Appends an entry for a recording and says its position; the first one's, where the recording
/// has one of this kind.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    recording: &RecordingRecord,
    kind: OutboxKind,
    now: Wall,
) -> Result<i64, StoreError> {
    let query = sqlx::query(
        "INSERT INTO outbox (at, kind, company_id, call_id, subject, subject_id, told, once)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (once) DO UPDATE SET kind = excluded.kind RETURNING seq",
    );
    let subject = Subject::Recording(recording.id);
    let query = query
        .bind(now.unix_micros())
        .bind(kind.as_str())
        .bind(recording.company.0)
        .bind(recording.call.to_string())
        .bind(subject.word())
        .bind(subject.id())
        .bind(serde_json::to_string(&Told::Row)?)
        .bind(format!("{} {}", kind.as_str(), recording.id));
    let row = query.fetch_one(connection).await?;
    Reading::new("outbox", &row).get("seq")
}

/// Appends what happened to a message.
pub(super) async fn append_of_message(
    connection: &mut SqliteConnection,
    (company, call): (CompanyId, Option<CallId>),
    message: MessageId,
    (kind, then): (OutboxKind, MessageThen),
    now: Wall,
) -> Result<(), StoreError> {
    let query = sqlx::query(
        "INSERT INTO outbox (at, kind, company_id, call_id, subject, subject_id, told)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    let subject = Subject::Message(message);
    let query = query
        .bind(now.unix_micros())
        .bind(kind.as_str())
        .bind(company.0)
        .bind(call.map(|call| call.to_string()))
        .bind(subject.word())
        .bind(subject.id())
        .bind(serde_json::to_string(&Told::Message { message: Box::new(then) })?);
    query.execute(connection).await?;
    Ok(())
}

/// Appends what happened to a call, in order.
pub(super) async fn append_of_call(
    connection: &mut SqliteConnection,
    call: &CallRecord,
    events: &[Happened],
) -> Result<(), StoreError> {
    let subject = Subject::Call(call.id);
    for Happened { at, kind, told } in events {
        let query = sqlx::query(
            "INSERT INTO outbox (at, kind, company_id, call_id, subject, subject_id, told)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        );
        let query = query
            .bind(at.unix_micros())
            .bind(kind.as_str())
            .bind(call.company.0)
            .bind(call.id.to_string())
            .bind(subject.word())
            .bind(subject.id())
            .bind(serde_json::to_string(told)?);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// The position at which the recording was handed over; `None` when that was purged.
pub(super) async fn first_of(
    connection: &mut SqliteConnection,
    recording: RecordingId,
) -> Result<Option<i64>, StoreError> {
    let query = sqlx::query("SELECT MIN(seq) AS seq FROM outbox WHERE subject_id = $1").bind(recording.to_string());
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
        call: row.word_or_none("call_id", CallId::parse)?,
        subject: subject(&row)?,
        told: row.json("told")?,
    })
}

pub(super) fn subject(row: &Reading<'_>) -> Result<Subject, StoreError> {
    let (word, id) = (row.text("subject")?, row.text("subject_id")?);
    Subject::parse(&word, &id).ok_or_else(|| row.corrupt("subject", &format!("{word} {id}")))
}
