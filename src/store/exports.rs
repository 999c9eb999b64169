//! Archives that people asked for: what is asked, how far it is, and what is in them.

use super::row::{Reading, int};
use super::{Store, StoreError};
use crate::base::{CallId, CompanyId, RecordingId, Wall};
use sqlx::sqlite::SqliteRow;

// Why an archive is no more, for people.
const BEGUN_TOO_OFTEN: &str = "the service ended while it was made, again and again";
pub(super) const RECORDING_DELETED: &str = "a recording in it was deleted";
pub(super) const MESSAGE_DELETED: &str = "a message in it was deleted";
pub(super) const CONTACT_ERASED: &str = "a contact in it was erased";

/// How far an archive is.
///
/// ```text
/// Waiting ─► Making ─► Ready ─► Expired
///    ▲         │  └──► Failed     (tried too often, too large, no right any more)
///    └─restart─┘  └──► Withdrawn  (something in it was deleted)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportState {
    Waiting,
    Making,
    Ready,
    Failed,
    Withdrawn,
    Expired,
}

impl ExportState {
    const ALL: [ExportState; 6] = [
        ExportState::Waiting,
        ExportState::Making,
        ExportState::Ready,
        ExportState::Failed,
        ExportState::Withdrawn,
        ExportState::Expired,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            ExportState::Waiting => "waiting",
            ExportState::Making => "making",
            ExportState::Ready => "ready",
            ExportState::Failed => "failed",
            ExportState::Withdrawn => "withdrawn",
            ExportState::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// An archive to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExport {
    pub company: CompanyId,
    /// The same for the same person.
    pub owner: String,
    pub who: String,
    /// JSON: what is to be in it.
    pub what: String,
    pub created: Wall,
}

/// An archive as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRow {
    pub id: i64,
    pub company: CompanyId,
    pub owner: String,
    pub who: String,
    pub what: String,
    pub state: ExportState,
    /// Why it failed or was withdrawn, for people.
    pub problem: String,
    pub tries: u32,
    pub created: Wall,
    pub finished: Option<Wall>,
    pub expires: Option<Wall>,
    pub calls: u64,
    pub recordings: u64,
    pub bytes: u64,
    /// Of the whole file, hex.
    pub sha256: String,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MadeExport {
    pub calls: u64,
    pub recordings: u64,
    pub bytes: u64,
    pub sha256: String,
}

impl Store {
    /// Notes an archive to be made; `None` where the owner has `most` that are not over.
    pub async fn add_export(&self, new: &NewExport, most: u32) -> Result<Option<ExportRow>, StoreError> {
        let NewExport { company, owner, who, what, created } = new;
        let query = sqlx::query(
            "INSERT INTO exports (company_id, owner, who, what, state, created)
             SELECT $1, $2, $3, $4, 'waiting', $5
             WHERE (SELECT COUNT(*) FROM exports WHERE company_id = $1 AND owner = $2
                    AND state IN ('waiting', 'making', 'ready')) < $6
             RETURNING *",
        );
        let query = query.bind(company.0).bind(owner).bind(who).bind(what).bind(created.unix_micros()).bind(most);
        query.fetch_optional(&self.writer).await?.as_ref().map(export).transpose()
    }

    pub async fn export(&self, id: i64) -> Result<Option<ExportRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM exports WHERE id = $1").bind(id);
        query.fetch_optional(&self.readers).await?.as_ref().map(export).transpose()
    }

    /// Those of one person, the newest first.
    pub async fn exports_of(
        &self,
        company: CompanyId,
        owner: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ExportRow>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM exports WHERE company_id = $1 AND owner = $2 AND ($3 IS NULL OR id < $3)
             ORDER BY id DESC LIMIT $4",
        );
        let query = query.bind(company.0).bind(owner).bind(before).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(export).collect()
    }

    /// At a start: what was being made is made anew; what was begun `most` times has failed.
    pub async fn begin_exports_again(&self, most: u32, now: Wall) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE exports SET state = CASE WHEN tries >= $1 THEN 'failed' ELSE 'waiting' END,
                 problem = CASE WHEN tries >= $1 THEN $3 ELSE '' END,
                 finished = CASE WHEN tries >= $1 THEN $2 ELSE NULL END
             WHERE state = 'making'",
        );
        query.bind(most).bind(now.unix_micros()).bind(BEGUN_TOO_OFTEN).execute(&self.writer).await?;
        Ok(())
    }

    /// Whether there is one to be made.
    pub async fn export_waits(&self) -> Result<bool, StoreError> {
        let query = sqlx::query("SELECT 1 FROM exports WHERE state = 'waiting' LIMIT 1");
        Ok(query.fetch_optional(&self.readers).await?.is_some())
    }

    /// Takes the oldest that waits; it is being made from then on, and holds nothing yet.
    pub async fn next_export(&self) -> Result<Option<ExportRow>, StoreError> {
        if !self.export_waits().await? {
            return Ok(None);
        }
        let mut transaction = self.write().await?;
        let query = sqlx::query(
            "UPDATE exports SET state = 'making', tries = tries + 1
             WHERE id = (SELECT MIN(id) FROM exports WHERE state = 'waiting') RETURNING *",
        );
        let taken = query.fetch_optional(&mut *transaction).await?.as_ref().map(export).transpose()?;
        if let Some(taken) = &taken {
            let query = sqlx::query("DELETE FROM export_items WHERE export_id = $1").bind(taken.id);
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(taken)
    }

    /// What will be in it, before it is read: whatever goes from now on takes the archive with it.
    pub async fn add_export_items(&self, id: i64, items: &[(CallId, Option<RecordingId>)]) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        for (call, recording) in items {
            let query = sqlx::query(
                "INSERT INTO export_items (export_id, call_id, recording_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            );
            let recording = recording.map(|recording| recording.to_string()).unwrap_or_default();
            query.bind(id).bind(call.to_string()).bind(recording).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// What is in it, in the order of calls; `after`: the last of the page before.
    pub async fn export_items(
        &self,
        id: i64,
        after: Option<(CallId, Option<RecordingId>)>,
        limit: u32,
    ) -> Result<Vec<(CallId, Option<RecordingId>)>, StoreError> {
        let query = sqlx::query(
            "SELECT call_id, recording_id FROM export_items
             WHERE export_id = $1 AND (call_id, recording_id) > ($2, $3) ORDER BY call_id, recording_id LIMIT $4",
        );
        let (call, recording) = after.map_or((String::new(), String::new()), |(call, recording)| {
            (call.to_string(), recording.map(|recording| recording.to_string()).unwrap_or_default())
        });
        let item = |row: &SqliteRow| {
            let row = Reading::new("export_items", row);
            let recording = RecordingId::parse(&row.text("recording_id")?);
            Ok((row.word("call_id", CallId::parse)?, recording))
        };
        query.bind(id).bind(call).bind(recording).bind(limit).fetch_all(&self.readers).await?.iter().map(item).collect()
    }

    /// It is ready; `false` where something in it went in the meantime.
    pub async fn export_is_ready(
        &self,
        id: i64,
        made: &MadeExport,
        now: Wall,
        expires: Wall,
    ) -> Result<bool, StoreError> {
        let MadeExport { calls, recordings, bytes, sha256 } = made;
        let query = sqlx::query(
            "UPDATE exports SET state = 'ready', finished = $2, expires = $3, calls = $4, recordings = $5, bytes = $6,
                 sha256 = $7 WHERE id = $1 AND state = 'making'",
        );
        let query = query.bind(id).bind(now.unix_micros()).bind(expires.unix_micros());
        let query = query.bind(int(*calls)).bind(int(*recordings)).bind(int(*bytes)).bind(sha256);
        Ok(query.execute(&self.writer).await?.rows_affected() != 0)
    }

    /// It is over: failed, withdrawn or expired; what is over stays as it is.
    pub async fn end_export(&self, id: i64, state: ExportState, problem: &str, now: Wall) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE exports SET state = $2, problem = $3, finished = COALESCE(finished, $4)
             WHERE id = $1 AND state IN ('waiting', 'making', 'ready')",
        );
        query.bind(id).bind(state.as_str()).bind(problem).bind(now.unix_micros()).execute(&self.writer).await?;
        Ok(())
    }

    /// Removes it altogether; whether it was there.
    pub async fn remove_export(&self, id: i64) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM export_items WHERE export_id = $1").bind(id).execute(&mut *transaction).await?;
        let done = sqlx::query("DELETE FROM exports WHERE id = $1").bind(id).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected() != 0)
    }

    /// Ends those whose time is over, and forgets those that have been over for as long again.
    pub async fn expire_exports(&self, now: Wall, forget: Wall) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let query = sqlx::query("UPDATE exports SET state = 'expired' WHERE state = 'ready' AND expires <= $1");
        query.bind(now.unix_micros()).execute(&mut *transaction).await?;
        for sql in [
            "DELETE FROM export_items WHERE export_id IN (SELECT id FROM exports
                 WHERE state IN ('failed', 'withdrawn', 'expired') AND COALESCE(expires, finished, created) < $1)",
            "DELETE FROM exports
                 WHERE state IN ('failed', 'withdrawn', 'expired') AND COALESCE(expires, finished, created) < $1",
        ] {
            sqlx::query(sql).bind(forget.unix_micros()).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// All of them are forgotten: of a database whose archives are elsewhere.
    pub async fn forget_exports(&self) -> Result<(), StoreError> {
        sqlx::raw_sql("DELETE FROM export_items; DELETE FROM exports").execute(&self.writer).await?;
        Ok(())
    }

    /// Those that have, or are getting, a file.
    pub async fn exports_with_file(&self) -> Result<Vec<i64>, StoreError> {
        let query = sqlx::query_scalar("SELECT id FROM exports WHERE state IN ('making', 'ready') ORDER BY id");
        Ok(query.fetch_all(&self.readers).await?)
    }
}

fn export(row: &SqliteRow) -> Result<ExportRow, StoreError> {
    let row = Reading::new("exports", row);
    Ok(ExportRow {
        id: row.get("id")?,
        company: CompanyId(row.get("company_id")?),
        owner: row.text("owner")?,
        who: row.text("who")?,
        what: row.text("what")?,
        state: row.word("state", ExportState::parse)?,
        problem: row.text("problem")?,
        tries: row.count("tries")?,
        created: row.wall("created")?,
        finished: row.wall_or_none("finished")?,
        expires: row.wall_or_none("expires")?,
        calls: row.count("calls")?,
        recordings: row.count("recordings")?,
        bytes: row.count("bytes")?,
        sha256: row.text("sha256")?,
    })
}
