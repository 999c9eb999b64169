//! Legal holds: what nobody deletes until two have lifted it.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{BoxId, CallId, CompanyId, RecordingId, Wall};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Recording(RecordingId),
    /// Every recording of it, and what is known of it.
    Call(CallId),
}

impl Held {
    pub const fn kind(self) -> &'static str {
        match self {
            Held::Recording(_) => "recording",
            Held::Call(_) => "call",
        }
    }

    pub fn id(self) -> String {
        match self {
            Held::Recording(id) => id.to_string(),
            Held::Call(id) => id.to_string(),
        }
    }
}

/// A hold that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub id: i64,
    pub company: CompanyId,
    pub thing: Held,
    pub reason: String,
    pub placed: Wall,
    /// Who placed it, as they were called then.
    pub by: String,
    /// Who asked to lift it.
    pub asked: Option<LiftAsked>,
}

/// Somebody asked to lift a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiftAsked {
    pub at: Wall,
    pub by: String,
    /// The same for the same person.
    pub key: String,
}

/// A hold to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHold {
    pub company: CompanyId,
    pub thing: Held,
    pub reason: String,
    pub placed: Wall,
    pub by: String,
}

impl Store {
    /// Places a hold. One that is on stays as it is, and is returned.
    pub async fn place_hold(&self, new: &NewHold) -> Result<Hold, StoreError> {
        let NewHold { company, thing, reason, placed, by } = new;
        let mut transaction = self.write().await?;
        let query = sqlx::query(
            "INSERT INTO holds (company_id, kind, thing, reason, placed, placed_by) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT DO NOTHING",
        );
        let query = query.bind(company.0).bind(thing.kind()).bind(thing.id()).bind(reason);
        query.bind(placed.unix_micros()).bind(by).execute(&mut *transaction).await?;
        let query = sqlx::query("SELECT * FROM holds WHERE lifted IS NULL AND kind = $1 AND thing = $2");
        let row = query.bind(thing.kind()).bind(thing.id()).fetch_one(&mut *transaction).await?;
        let placed = hold(&row)?;
        transaction.commit().await?;
        Ok(placed)
    }

    /// The holds on these calls of the company, and on their recordings.
    pub async fn holds_of_calls(&self, company: CompanyId, calls: &[CallId]) -> Result<Vec<Hold>, StoreError> {
        let ids: Vec<String> = calls.iter().map(ToString::to_string).collect();
        let query = sqlx::query(
            "SELECT * FROM holds WHERE lifted IS NULL AND company_id + 0 = $1 AND (
                 (kind = 'call' AND thing IN (SELECT value FROM json_each($2)))
                 OR (kind = 'recording' AND thing IN
                     (SELECT id FROM recordings WHERE call_id IN (SELECT value FROM json_each($2)))))",
        );
        let query = query.bind(company.0).bind(serde_json::to_string(&ids)?);
        query.fetch_all(&self.readers).await?.iter().map(hold).collect()
    }

    /// The hold on exactly this thing.
    pub async fn hold_on(&self, thing: Held) -> Result<Option<Hold>, StoreError> {
        let query = sqlx::query("SELECT * FROM holds WHERE lifted IS NULL AND kind = $1 AND thing = $2");
        let query = query.bind(thing.kind()).bind(thing.id());
        query.fetch_optional(&self.readers).await?.as_ref().map(hold).transpose()
    }

    /// A hold on a call that has left a message in the box; the oldest.
    pub async fn hold_in_box(&self, mailbox: BoxId) -> Result<Option<Hold>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        in_box(&mut connection, mailbox).await
    }

    /// Holds that are on, of one company or of all, the oldest first.
    pub async fn holds(&self, company: Option<CompanyId>, after: i64, limit: u32) -> Result<Vec<Hold>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM holds WHERE lifted IS NULL AND ($1 IS NULL OR company_id = $1) AND id > $2
             ORDER BY id LIMIT $3",
        );
        let query = query.bind(company.map(|company| company.0)).bind(after).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(hold).collect()
    }

    /// Notes who asked to lift it, where nobody else did in the meantime; whether it was noted.
    pub async fn ask_to_lift(&self, id: i64, before: Option<&str>, asked: &LiftAsked) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "UPDATE holds SET asked = $2, asked_by = $3, asked_key = $4
             WHERE id = $1 AND lifted IS NULL AND asked_key IS $5",
        );
        let query = query.bind(id).bind(asked.at.unix_micros()).bind(&asked.by).bind(&asked.key).bind(before);
        Ok(query.execute(&self.writer).await?.rows_affected() != 0)
    }

    /// Lifts it, where it is still `asked` for by the same; whether it was lifted.
    pub async fn lift_hold(&self, id: i64, asked: Option<&str>, by: &str, now: Wall) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "UPDATE holds SET lifted = $2, lifted_by = $3 WHERE id = $1 AND lifted IS NULL AND asked_key IS $4",
        );
        let query = query.bind(id).bind(now.unix_micros()).bind(by).bind(asked);
        Ok(query.execute(&self.writer).await?.rows_affected() != 0)
    }
}

/// The hold that keeps a recording of this call; with `None`, anything of the call.
pub(super) async fn hold_of(
    connection: &mut SqliteConnection,
    recording: Option<RecordingId>,
    call: CallId,
) -> Result<Option<Hold>, StoreError> {
    let query = sqlx::query(
        "SELECT * FROM holds WHERE lifted IS NULL AND ((kind = 'call' AND thing = $1) OR (kind = 'recording'
             AND (thing = $2 OR ($2 IS NULL AND thing IN (SELECT id FROM recordings WHERE call_id = $1))))) LIMIT 1",
    );
    let query = query.bind(call.to_string()).bind(recording.map(|recording| recording.to_string()));
    query.fetch_optional(connection).await?.as_ref().map(hold).transpose()
}

/// A hold on a call that has left a message in the box; the oldest.
pub(super) async fn in_box(connection: &mut SqliteConnection, mailbox: BoxId) -> Result<Option<Hold>, StoreError> {
    let query = sqlx::query(
        "SELECT * FROM holds WHERE lifted IS NULL AND kind = 'call'
         AND thing IN (SELECT call_id FROM messages WHERE box_id = $1 AND call_id IS NOT NULL) ORDER BY id LIMIT 1",
    );
    query.bind(mailbox.0).fetch_optional(connection).await?.as_ref().map(hold).transpose()
}

fn hold(row: &SqliteRow) -> Result<Hold, StoreError> {
    let row = Reading::new("holds", row);
    let thing = match row.text("kind")?.as_str() {
        "call" => Held::Call(row.word("thing", CallId::parse)?),
        _ => Held::Recording(row.word("thing", RecordingId::parse)?),
    };
    let asked = match row.wall_or_none("asked")? {
        Some(at) => Some(LiftAsked { at, by: row.text("asked_by")?, key: row.text("asked_key")? }),
        None => None,
    };
    Ok(Hold {
        id: row.get("id")?,
        company: CompanyId(row.get("company_id")?),
        thing,
        reason: row.text("reason")?,
        placed: row.wall("placed")?,
        by: row.text("placed_by")?,
        asked,
    })
}
