//! How recordings go: the row says so first, then the files are taken away.

use super::holds::{Hold, hold_of};
use super::row::Reading;
use super::{RecordingFile, Store, StoreError, exports, outbox, recordings};
use crate::base::{CompanyId, NumberId, RecordingId, Wall};
use crate::ledger::{OutboxKind, RecordingRecord, RecordingState};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// The conditions are those of the index `recordings_kept`.
pub(super) const OLD: &str = "SELECT r.id AS id, c.number_id AS number_id,
            CASE WHEN c.id IS NULL THEN r.started + r.samples * 1000000 / MAX(r.rate, 1) ELSE c.ended END AS ended,
            EXISTS (SELECT 1 FROM holds AS h
                    WHERE h.lifted IS NULL AND h.kind = 'recording' AND h.thing = r.id)
            OR EXISTS (SELECT 1 FROM holds AS h
                       WHERE h.lifted IS NULL AND h.kind = 'call' AND h.thing = r.call_id) AS held
     FROM recordings AS r LEFT JOIN calls AS c ON c.id = r.call_id
     WHERE r.company_id = $1 AND r.state <> 'deleted' AND r.state <> 'failed'
       AND r.id <= $2 AND r.id > $3
     ORDER BY r.id LIMIT $4";
pub(super) const TO_REMOVE: &str =
    "SELECT id, call_id, path FROM recordings WHERE to_remove AND id > $1 ORDER BY id LIMIT $2";

/// Why a recording is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    pub at: Wall,
    /// `deleted by …`, `expired`, `erased`.
    pub because: String,
    /// Who did it, as they are called.
    pub by: String,
}

/// What came of a deletion.
#[derive(Clone, Debug, PartialEq)]
pub enum Deletion {
    NotFound,
    /// Nothing was changed.
    Held(Box<Hold>),
    /// The recording as it then is; deleted before is deleted.
    Done(Box<RecordingRecord>),
}

/// A recording that may be too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub id: RecordingId,
    /// The number that its call came or went over.
    pub number: Option<NumberId>,
    /// When the call ended; `None` while it is up.
    pub ended: Option<Wall>,
    pub held: bool,
}

impl Store {
    /// Marks the recording as deleted, with an outbox entry in the same transaction. The row keeps
    /// the path: the file goes after the row, and a start that finds both removes the file. Deleting
    /// twice is deleting once. What a hold is on stays.
    pub async fn delete_recording(&self, id: RecordingId, gone: &Gone) -> Result<Deletion, StoreError> {
        let mut transaction = self.write().await?;
        let deletion = delete(&mut transaction, id, gone).await?;
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(deletion)
    }

    /// All of them in one transaction; those that a hold came on in the meantime stay.
    pub async fn delete_recordings(&self, all: &[(RecordingId, Gone)]) -> Result<Vec<Deletion>, StoreError> {
        let mut transaction = self.write().await?;
        let mut deletions = Vec::with_capacity(all.len());
        for (id, gone) in all {
            deletions.push(delete(&mut transaction, *id, gone).await?);
        }
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(deletions)
    }

    /// When, why and by whom it was deleted.
    pub async fn gone(&self, id: RecordingId) -> Result<Option<Gone>, StoreError> {
        let query = sqlx::query("SELECT id, gone_at, gone_because, gone_by FROM recordings WHERE id = $1");
        let Some(row) = query.bind(id.to_string()).fetch_optional(&self.readers).await? else { return Ok(None) };
        let row = Reading::new("recordings", &row);
        let Some(at) = row.wall_or_none("gone_at")? else { return Ok(None) };
        Ok(Some(Gone { at, because: row.text("gone_because")?, by: row.text("gone_by")? }))
    }

    /// Recordings of a company that have or had a file, begun not later than `begun`, the oldest first.
    pub async fn old_recordings(
        &self,
        company: CompanyId,
        begun: Wall,
        after: Option<RecordingId>,
        limit: u32,
    ) -> Result<Vec<Candidate>, StoreError> {
        let query = sqlx::query(OLD);
        let query = query
            .bind(company.0)
            .bind(RecordingId::last_of(begun).to_string())
            .bind(after.map(|after| after.to_string()).unwrap_or_default())
            .bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(candidate).collect()
    }

    /// Deleted recordings whose files were not taken away yet.
    pub async fn files_to_remove(
        &self,
        after: Option<RecordingId>,
        limit: u32,
    ) -> Result<Vec<RecordingFile>, StoreError> {
        let query = sqlx::query(TO_REMOVE);
        let query = query.bind(after.map(|after| after.to_string()).unwrap_or_default()).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(recordings::file).collect()
    }

    /// Their files are not there any more.
    pub async fn files_are_gone(&self, ids: &[RecordingId]) -> Result<(), StoreError> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let query = sqlx::query(
            "UPDATE recordings SET to_remove = FALSE WHERE id IN (SELECT value FROM json_each($1)) AND to_remove",
        );
        query.bind(serde_json::to_string(&ids)?).execute(&self.writer).await?;
        Ok(())
    }
}

/// As [`Store::delete_recording`], within a transaction.
pub(super) async fn delete(
    connection: &mut SqliteConnection,
    id: RecordingId,
    gone: &Gone,
) -> Result<Deletion, StoreError> {
    let query = sqlx::query("SELECT * FROM recordings WHERE id = $1").bind(id.to_string());
    let Some(row) = query.fetch_optional(&mut *connection).await? else { return Ok(Deletion::NotFound) };
    let mut record = recordings::recording(&row)?;
    if record.state == RecordingState::Deleted {
        return Ok(Deletion::Done(Box::new(record)));
    }
    if let Some(hold) = hold_of(connection, Some(id), record.call).await? {
        return Ok(Deletion::Held(Box::new(hold)));
    }
    let Gone { at, because, by } = gone;
    let query = sqlx::query(
        "UPDATE recordings SET state = $2, to_remove = TRUE, gone_at = $3, gone_because = $4, gone_by = $5 WHERE id = $1",
    );
    let query = query.bind(id.to_string()).bind(RecordingState::Deleted.as_str());
    query.bind(at.unix_micros()).bind(because).bind(by).execute(&mut *connection).await?;
    record.state = RecordingState::Deleted;
    outbox::append(connection, &record, OutboxKind::RecordingDeleted, *at).await?;
    // A copy of it is in no archive either.
    let query = sqlx::query(
        "UPDATE exports SET state = 'withdrawn', problem = $2
         WHERE state IN ('ready', 'making') AND id IN (SELECT export_id FROM export_items WHERE recording_id = $1)",
    );
    query.bind(id.to_string()).bind(exports::RECORDING_DELETED).execute(connection).await?;
    Ok(Deletion::Done(Box::new(record)))
}

fn candidate(row: &SqliteRow) -> Result<Candidate, StoreError> {
    let row = Reading::new("recordings", row);
    Ok(Candidate {
        id: row.word("id", RecordingId::parse)?,
        number: row.get::<Option<i64>>("number_id")?.map(NumberId),
        ended: row.wall_or_none("ended")?,
        held: row.get("held")?,
    })
}
