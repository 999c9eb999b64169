//! Notes that people write on calls.

use super::holds::{Hold, hold_of};
use super::row::Reading;
use super::{Store, StoreError, calls, outbox};
use crate::base::{CallId, UserId, Wall};
use crate::ledger::{CallThen, Happened, NoteThen, OutboxKind, Told};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;

/// A note as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallNote {
    pub id: i64,
    pub call: CallId,
    pub at: Wall,
    pub writer: Writer,
    pub text: String,
}

/// Who wrote a note, as they were called then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// `None`: an operator or a reseller.
    pub user: Option<UserId>,
    pub extension: Option<String>,
    pub name: String,
}

/// What came of a wish to write a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    Done(CallNote),
    NoCall,
    /// The call has as many as it may have.
    Full,
}

/// What came of a wish to delete one.
#[derive(Clone, Debug, PartialEq)]
pub enum Unnoted {
    Done,
    NotThere,
    /// Nothing was changed: a hold is on the call, or on a recording of it.
    Held(Box<Hold>),
}

impl Store {
    /// Writes a note, and tells of it, unless the call has `most` already.
    pub async fn add_call_note(
        &self,
        call: CallId,
        (writer, text): (&Writer, &str),
        now: Wall,
        most: u32,
    ) -> Result<Noted, StoreError> {
        let mut transaction = self.write().await?;
        let query = sqlx::query("SELECT * FROM calls WHERE id = $1").bind(call.to_string());
        let Some(row) = query.fetch_optional(&mut *transaction).await? else { return Ok(Noted::NoCall) };
        let record = calls::call(&row)?;
        let Writer { user, extension, name } = writer;
        let query = sqlx::query(
            "INSERT INTO call_notes (company_id, call_id, at, user_id, extension, name, body)
             SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT COUNT(*) FROM call_notes WHERE call_id = $2) < $8
             RETURNING *",
        );
        let query = query.bind(record.company.0).bind(call.to_string()).bind(now.unix_micros());
        let query = query.bind(user.map(|user| user.0)).bind(extension).bind(name).bind(text).bind(most);
        let Some(row) = query.fetch_optional(&mut *transaction).await? else { return Ok(Noted::Full) };
        let note = note(&row)?;
        let then = NoteThen { id: note.id, user: *user, name: name.clone() };
        let told = Told::Call {
            call: Box::new(CallThen::from(&record)),
            joined: None,
            change: None,
            note: Some(Box::new(then)),
        };
        let happened = Happened { at: now, kind: OutboxKind::CallNoted, told };
        outbox::append_of_call(&mut transaction, &record, &[happened]).await?;
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(Noted::Done(note))
    }

    /// The oldest first, after `after`.
    pub async fn call_notes(&self, call: CallId, after: i64, limit: u32) -> Result<Vec<CallNote>, StoreError> {
        let query = sqlx::query("SELECT * FROM call_notes WHERE call_id = $1 AND id > $2 ORDER BY id LIMIT $3");
        let query = query.bind(call.to_string()).bind(after).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(note).collect()
    }

    pub async fn call_note(&self, call: CallId, id: i64) -> Result<Option<CallNote>, StoreError> {
        let query = sqlx::query("SELECT * FROM call_notes WHERE call_id = $1 AND id = $2");
        let row = query.bind(call.to_string()).bind(id).fetch_optional(&self.readers).await?;
        row.as_ref().map(note).transpose()
    }

    /// All notes of these calls, each call's the oldest first.
    pub async fn notes_of_calls(&self, calls: &[CallId]) -> Result<Vec<CallNote>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM call_notes WHERE call_id IN (SELECT value FROM json_each($1)) ORDER BY call_id, id",
        );
        query.bind(ids(calls)?).fetch_all(&self.readers).await?.iter().map(note).collect()
    }

    /// How many notes each of these calls has; one without any is not in it.
    pub async fn count_call_notes(&self, calls: &[CallId]) -> Result<HashMap<CallId, u64>, StoreError> {
        let query = sqlx::query(
            "SELECT call_id, COUNT(*) AS count FROM call_notes
             WHERE call_id IN (SELECT value FROM json_each($1)) GROUP BY call_id",
        );
        let rows = query.bind(ids(calls)?).fetch_all(&self.readers).await?;
        let counted = rows.iter().map(|row| {
            let row = Reading::new("call_notes", row);
            Ok((row.word("call_id", CallId::parse)?, row.count("count")?))
        });
        counted.collect()
    }

    /// Deletes one. What a hold is on stays as it is.
    pub async fn delete_call_note(&self, call: CallId, id: i64) -> Result<Unnoted, StoreError> {
        let mut transaction = self.write().await?;
        if let Some(hold) = hold_of(&mut transaction, None, call).await? {
            return Ok(Unnoted::Held(Box::new(hold)));
        }
        let query = sqlx::query("DELETE FROM call_notes WHERE call_id = $1 AND id = $2");
        let deleted = query.bind(call.to_string()).bind(id).execute(&mut *transaction).await?.rows_affected();
        transaction.commit().await?;
        Ok(if deleted > 0 { Unnoted::Done } else { Unnoted::NotThere })
    }
}

/// Deletes every note of a call; how many.
pub(super) async fn erase(connection: &mut SqliteConnection, call: CallId) -> Result<u64, StoreError> {
    let query = sqlx::query("DELETE FROM call_notes WHERE call_id = $1").bind(call.to_string());
    Ok(query.execute(connection).await?.rows_affected())
}

fn ids(calls: &[CallId]) -> Result<String, StoreError> {
    let ids: Vec<String> = calls.iter().map(ToString::to_string).collect();
    Ok(serde_json::to_string(&ids)?)
}

fn note(row: &SqliteRow) -> Result<CallNote, StoreError> {
    let row = Reading::new("call_notes", row);
    Ok(CallNote {
        id: row.get("id")?,
        call: row.word("call_id", CallId::parse)?,
        at: row.wall("at")?,
        writer: Writer {
            user: row.get::<Option<i64>>("user_id")?.map(UserId),
            extension: row.get("extension")?,
            name: row.text("name")?,
        },
        text: row.text("body")?,
    })
}
