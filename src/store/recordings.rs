//! Recordings, and their hand-over to the outbox.

use super::row::{Reading, int};
use super::{Store, StoreError, calls, outbox};
use crate::base::{CallId, CompanyId, NumberId, RecordingId, Wall};
use crate::ledger::{CallRecord, OutboxKind, RecordingRecord, RecordingState};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// Which recordings; `None` does not restrict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordingFilter {
    pub company: Option<CompanyId>,
    pub call: Option<CallId>,
    pub state: Option<RecordingState>,
    /// Older than this one: for the next page.
    pub before: Option<RecordingId>,
}

/// A recording and where its file should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingFile {
    pub id: RecordingId,
    pub call: CallId,
    /// Below the recordings folder; empty when there is no file.
    pub path: String,
}

impl Store {
    /// Writes the recording's row and its outbox entry in one transaction, and says the
    /// entry's position. A recording that was handed over before stays as it is, and the
    /// position is that of the first time (`None` where its events were purged since); but one
    /// that had failed and was repaired since replaces its failure, and is told as
    /// [`OutboxKind::RecordingRecovered`] whatever `kind` says.
    pub async fn hand_over(
        &self,
        recording: &RecordingRecord,
        kind: OutboxKind,
        now: Wall,
    ) -> Result<Option<i64>, StoreError> {
        let mut transaction = self.write().await?;
        let seq = hand_over(&mut transaction, recording, kind, now).await?;
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(seq)
    }

    /// All of them in one transaction; positions in the order of `recordings`.
    pub async fn hand_over_all(
        &self,
        recordings: &[(RecordingRecord, OutboxKind)],
        now: Wall,
    ) -> Result<Vec<Option<i64>>, StoreError> {
        self.hand_over_with_calls(recordings, &[], now).await
    }

    /// The same with the calls that they are of, as these ended: whoever is told of a recording finds
    /// its call in every list.
    pub async fn hand_over_with_calls(
        &self,
        recordings: &[(RecordingRecord, OutboxKind)],
        ended: &[CallRecord],
        now: Wall,
    ) -> Result<Vec<Option<i64>>, StoreError> {
        let mut positions = Vec::with_capacity(recordings.len());
        if recordings.is_empty() {
            return Ok(positions);
        }
        let mut transaction = self.write().await?;
        for call in ended {
            calls::save(&mut transaction, call).await?;
        }
        for (recording, kind) in recordings {
            positions.push(hand_over(&mut transaction, recording, *kind, now).await?);
        }
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(positions)
    }

    pub async fn recording(&self, id: RecordingId) -> Result<Option<RecordingRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM recordings WHERE id = $1").bind(id.to_string());
        query.fetch_optional(&self.readers).await?.as_ref().map(recording).transpose()
    }

    /// In the order in which they were begun.
    pub async fn recordings_of(&self, call: CallId) -> Result<Vec<RecordingRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM recordings WHERE call_id = $1 ORDER BY id").bind(call.to_string());
        query.fetch_all(&self.readers).await?.iter().map(recording).collect()
    }

    /// Those of several calls, each call's in the order in which they were begun.
    pub async fn recordings_of_calls(&self, calls: &[CallId]) -> Result<Vec<RecordingRecord>, StoreError> {
        let ids: Vec<String> = calls.iter().map(ToString::to_string).collect();
        let query =
            sqlx::query("SELECT * FROM recordings WHERE call_id IN (SELECT value FROM json_each($1)) ORDER BY id");
        query.bind(serde_json::to_string(&ids)?).fetch_all(&self.readers).await?.iter().map(recording).collect()
    }

    /// The newest first.
    pub async fn recordings(&self, filter: &RecordingFilter, limit: u32) -> Result<Vec<RecordingRecord>, StoreError> {
        let RecordingFilter { company, call, state, before } = filter;
        let query = sqlx::query(
            "SELECT * FROM recordings
             WHERE ($1 IS NULL OR company_id = $1) AND ($2 IS NULL OR call_id = $2)
               AND ($3 IS NULL OR state = $3) AND ($4 IS NULL OR id < $4)
             ORDER BY id DESC LIMIT $5",
        );
        let query = query
            .bind(company.map(|company| company.0))
            .bind(call.map(|call| call.to_string()))
            .bind(state.map(RecordingState::as_str))
            .bind(before.map(|before| before.to_string()))
            .bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(recording).collect()
    }

    /// The newest of calls over these numbers.
    pub async fn recordings_over(&self, numbers: &[NumberId], limit: u32) -> Result<Vec<RecordingRecord>, StoreError> {
        let query = sqlx::query(
            "SELECT r.* FROM calls AS c JOIN recordings AS r ON r.call_id = c.id
             WHERE c.number_id IN (SELECT value FROM json_each($1)) ORDER BY r.id DESC LIMIT $2",
        );
        let query = query.bind(serde_json::to_string(numbers)?).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(recording).collect()
    }

    /// Where the files of recordings should stand, the newest first; without what a recording
    /// tells beside, so that a long history can be looked through.
    pub async fn recording_files(
        &self,
        state: Option<RecordingState>,
        before: Option<RecordingId>,
        limit: u32,
    ) -> Result<Vec<RecordingFile>, StoreError> {
        let query = sqlx::query(
            "SELECT id, call_id, path FROM recordings
             WHERE ($1 IS NULL OR state = $1) AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        );
        let query =
            query.bind(state.map(RecordingState::as_str)).bind(before.map(|before| before.to_string())).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(file).collect()
    }

    /// Notes that the recording's file is not there. One that was deleted stays deleted.
    pub async fn mark_missing(&self, id: RecordingId) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE recordings SET state = $2, problem = $3 WHERE id = $1 AND state <> $4")
            .bind(id.to_string())
            .bind(RecordingState::Missing.as_str())
            .bind("the file is not there")
            .bind(RecordingState::Deleted.as_str());
        query.execute(&self.writer).await?;
        Ok(())
    }
}

async fn hand_over(
    connection: &mut SqliteConnection,
    recording: &RecordingRecord,
    kind: OutboxKind,
    now: Wall,
) -> Result<Option<i64>, StoreError> {
    let before = state_of(connection, recording.id).await?;
    if !insert(connection, recording).await? {
        return outbox::first_of(connection, recording.id).await;
    }
    let kind = match before {
        // Its failure was told: what follows is no second end of the recording.
        Some(RecordingState::Failed) => OutboxKind::RecordingRecovered,
        Some(
            RecordingState::Complete
            | RecordingState::Incomplete
            | RecordingState::Recovered
            | RecordingState::Deleted
            | RecordingState::Missing,
        )
        | None => kind,
    };
    let called = sqlx::query("UPDATE calls SET recorded = TRUE WHERE id = $1").bind(recording.call.to_string());
    called.execute(&mut *connection).await?;
    outbox::append(connection, recording, kind, now).await.map(Some)
}

async fn state_of(connection: &mut SqliteConnection, id: RecordingId) -> Result<Option<RecordingState>, StoreError> {
    let query = sqlx::query("SELECT state FROM recordings WHERE id = $1").bind(id.to_string());
    let row = query.fetch_optional(connection).await?;
    row.as_ref().map(|row| Reading::new("recordings", row).word("state", RecordingState::parse)).transpose()
}

/// Whether the row is new, or a repaired recording's in the place of its failure.
async fn insert(connection: &mut SqliteConnection, recording: &RecordingRecord) -> Result<bool, StoreError> {
    let RecordingRecord {
        id,
        call,
        company,
        state,
        path,
        started,
        samples,
        rate,
        bytes,
        audio_sha256,
        frame_sha256,
        problem,
        sidecar,
    } = recording;
    let query = sqlx::query(
        "INSERT INTO recordings (id, call_id, company_id, state, path, started, samples, rate, bytes,
                                 audio_sha256, frame_sha256, problem, sidecar)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, path = excluded.path, started = excluded.started,
             samples = excluded.samples, rate = excluded.rate, bytes = excluded.bytes,
             audio_sha256 = excluded.audio_sha256, frame_sha256 = excluded.frame_sha256,
             problem = excluded.problem, sidecar = excluded.sidecar
         WHERE recordings.state = $14 AND excluded.state <> $14",
    );
    let query = query
        .bind(id.to_string())
        .bind(call.to_string())
        .bind(company.0)
        .bind(state.as_str())
        .bind(path)
        .bind(started.unix_micros())
        .bind(int(*samples))
        .bind(i64::from(*rate))
        .bind(int(*bytes))
        .bind(audio_sha256)
        .bind(frame_sha256)
        .bind(problem)
        .bind(serde_json::to_string(sidecar)?)
        .bind(RecordingState::Failed.as_str());
    Ok(query.execute(connection).await?.rows_affected() != 0)
}

pub(super) fn file(row: &SqliteRow) -> Result<RecordingFile, StoreError> {
    let row = Reading::new("recordings", row);
    Ok(RecordingFile {
        id: row.word("id", RecordingId::parse)?,
        call: row.word("call_id", CallId::parse)?,
        path: row.text("path")?,
    })
}

pub(super) fn recording(row: &SqliteRow) -> Result<RecordingRecord, StoreError> {
    let row = Reading::new("recordings", row);
    Ok(RecordingRecord {
        id: row.word("id", RecordingId::parse)?,
        call: row.word("call_id", CallId::parse)?,
        company: CompanyId(row.get("company_id")?),
        state: row.word("state", RecordingState::parse)?,
        path: row.text("path")?,
        started: row.wall("started")?,
        samples: row.count("samples")?,
        rate: row.count("rate")?,
        bytes: row.count("bytes")?,
        audio_sha256: row.text("audio_sha256")?,
        frame_sha256: row.text("frame_sha256")?,
        problem: row.text("problem")?,
        sidecar: row.json("sidecar")?,
    })
}
