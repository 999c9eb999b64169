//! Calls.

use super::row::Reading;
use super::{Store, StoreError, outbox};
use crate::base::{CallId, CompanyId, Direction, NumberId, UserId};
use crate::ledger::{CallRecord, Change, Decision, EndReason, Joined, Outcome, Party, happened, is_stale};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// What nobody searches by, as JSON.
#[derive(Serialize, Deserialize)]
struct Detail {
    decision: Decision,
    changes: Vec<Change>,
    end_reason: Option<EndReason>,
    #[serde(default)]
    joined: Vec<Joined>,
}

/// The condition is that of the index `calls_unrecorded`.
pub(super) const UNRECORDED: &str =
    "SELECT * FROM calls WHERE record AND answered IS NOT NULL AND NOT recorded AND NOT refused
     ORDER BY id";

impl Store {
    /// Writes the call as it now is, over what was there.
    pub async fn save_call(&self, call: &CallRecord) -> Result<(), StoreError> {
        self.save_calls(std::slice::from_ref(call)).await
    }

    /// All of them in one transaction.
    pub async fn save_calls(&self, calls: &[CallRecord]) -> Result<(), StoreError> {
        if calls.is_empty() {
            return Ok(());
        }
        let mut transaction = self.write().await?;
        for call in calls {
            save(&mut transaction, call).await?;
        }
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(())
    }

    pub async fn call(&self, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM calls WHERE id = $1").bind(id.to_string());
        query.fetch_optional(&self.readers).await?.as_ref().map(call).transpose()
    }

    /// Those of these ids that are there, in the order of time.
    pub async fn calls_by_ids(&self, ids: &[CallId]) -> Result<Vec<CallRecord>, StoreError> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let query = sqlx::query("SELECT * FROM calls WHERE id IN (SELECT value FROM json_each($1)) ORDER BY id");
        query.bind(serde_json::to_string(&ids)?).fetch_all(&self.readers).await?.iter().map(call).collect()
    }

    /// The newest first; those before `before`, where it is given.
    pub async fn calls(&self, limit: u32, before: Option<CallId>) -> Result<Vec<CallRecord>, StoreError> {
        let rows = match before {
            Some(before) => {
                sqlx::query("SELECT * FROM calls WHERE id < $2 ORDER BY id DESC LIMIT $1")
                    .bind(limit)
                    .bind(before.to_string())
                    .fetch_all(&self.readers)
                    .await?
            }
            None => {
                let query = sqlx::query("SELECT * FROM calls ORDER BY id DESC LIMIT $1");
                query.bind(limit).fetch_all(&self.readers).await?
            }
        };
        rows.iter().map(call).collect()
    }

    /// Calls without an end, the oldest first: at a start, those that a crash cut off.
    pub async fn open_calls(&self) -> Result<Vec<CallRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM calls WHERE ended IS NULL ORDER BY id");
        query.fetch_all(&self.readers).await?.iter().map(call).collect()
    }

    /// Answered calls that policy said to record and that have no recording, not even a failed
    /// one: a crash came before the file was begun, or before its failure was written. Read from
    /// an index that holds these alone, however many calls there ever were.
    pub async fn unrecorded_calls(&self) -> Result<Vec<CallRecord>, StoreError> {
        let query = sqlx::query(UNRECORDED);
        query.fetch_all(&self.readers).await?.iter().map(call).collect()
    }
}

/// Writes the call, and what has happened to it since it was last written into the outbox, in the
/// same transaction. What was queued before a newer state came by another way is late, and changes
/// nothing: a call that has ended has ended.
pub(super) async fn save(connection: &mut SqliteConnection, call: &CallRecord) -> Result<(), StoreError> {
    let query = sqlx::query("SELECT * FROM calls WHERE id = $1").bind(call.id.to_string());
    let before = query.fetch_optional(&mut *connection).await?.as_ref().map(self::call).transpose()?;
    if before.as_ref().is_some_and(|before| is_stale(before, call)) {
        return Ok(());
    }
    upsert(connection, call).await?;
    save_users(connection, call).await?;
    outbox::append_of_call(connection, call, &happened(before.as_ref(), call)).await
}

async fn upsert(connection: &mut SqliteConnection, call: &CallRecord) -> Result<(), StoreError> {
    let CallRecord {
        id,
        company,
        direction,
        caller,
        callee,
        number,
        started,
        answered,
        ended,
        outcome,
        end_reason,
        decision,
        changes,
        joined,
        ended_paused,
    } = call;
    let detail = Detail {
        decision: decision.clone(),
        changes: changes.clone(),
        end_reason: end_reason.clone(),
        joined: joined.clone(),
    };
    let query = sqlx::query(
        "INSERT INTO calls (id, company_id, direction, started, answered, ended, outcome, number_id,
                            caller_user_id, caller_address, caller_name, callee_user_id, callee_address, callee_name,
                            record, because, ended_paused, detail, refused, recorded)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                 $19, EXISTS (SELECT 1 FROM recordings WHERE call_id = $1))
         ON CONFLICT (id) DO UPDATE SET company_id = excluded.company_id, direction = excluded.direction,
             started = excluded.started, answered = excluded.answered, ended = excluded.ended,
             outcome = excluded.outcome, number_id = excluded.number_id,
             caller_user_id = excluded.caller_user_id, caller_address = excluded.caller_address,
             caller_name = excluded.caller_name, callee_user_id = excluded.callee_user_id,
             callee_address = excluded.callee_address, callee_name = excluded.callee_name,
             record = excluded.record, because = excluded.because, ended_paused = excluded.ended_paused,
             detail = excluded.detail, refused = excluded.refused",
    );
    let query = query
        .bind(id.to_string())
        .bind(company.0)
        .bind(direction.as_str())
        .bind(started.unix_micros())
        .bind(answered.map(|at| at.unix_micros()))
        .bind(ended.map(|at| at.unix_micros()))
        .bind(outcome.as_str())
        .bind(number.map(|number| number.0))
        .bind(caller.user.map(|user| user.0))
        .bind(&caller.address)
        .bind(&caller.name)
        .bind(callee.user.map(|user| user.0))
        .bind(&callee.address)
        .bind(&callee.name)
        .bind(decision.record)
        .bind(decision.because.source())
        .bind(*ended_paused)
        .bind(serde_json::to_string(&detail)?)
        // Of a refused recording nothing is to be expected.
        .bind(call.is_refused());
    query.execute(connection).await?;
    Ok(())
}

/// Whoever was a party of a call sees it: a party that left by transfer as well, and not one for whom
/// it only rang.
async fn save_users(connection: &mut SqliteConnection, call: &CallRecord) -> Result<(), StoreError> {
    let users = call.users();
    let query =
        sqlx::query("DELETE FROM call_users WHERE call_id = $1 AND user_id NOT IN (SELECT value FROM json_each($2))");
    query.bind(call.id.to_string()).bind(serde_json::to_string(&users)?).execute(&mut *connection).await?;
    for user in users {
        let query = sqlx::query(
            "INSERT INTO call_users (user_id, call_id, number_id, kind)
             SELECT $1, id, number_id, kind FROM calls WHERE id = $2 ON CONFLICT DO NOTHING",
        );
        query.bind(user.0).bind(call.id.to_string()).execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) fn call(row: &SqliteRow) -> Result<CallRecord, StoreError> {
    let row = Reading::new("calls", row);
    let Detail { decision, changes, end_reason, joined } = row.json("detail")?;
    Ok(CallRecord {
        id: row.word("id", CallId::parse)?,
        company: CompanyId(row.get("company_id")?),
        direction: row.word("direction", Direction::parse)?,
        caller: Party {
            user: row.get::<Option<i64>>("caller_user_id")?.map(UserId),
            address: row.text("caller_address")?,
            name: row.text("caller_name")?,
        },
        callee: Party {
            user: row.get::<Option<i64>>("callee_user_id")?.map(UserId),
            address: row.text("callee_address")?,
            name: row.text("callee_name")?,
        },
        number: row.get::<Option<i64>>("number_id")?.map(NumberId),
        started: row.wall("started")?,
        answered: row.wall_or_none("answered")?,
        ended: row.wall_or_none("ended")?,
        outcome: row.word("outcome", Outcome::parse)?,
        end_reason,
        decision,
        changes,
        joined,
        ended_paused: row.get("ended_paused")?,
    })
}
