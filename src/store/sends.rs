//! What goes out to carriers: the queue of texts, part by part, what comes back, and parts that come
//! one by one.

use super::row::Reading;
use super::texts::{self, Between, ConversationRow};
use super::{Store, StoreError};
use crate::base::{CompanyId, ConversationId, NumberId, Span, TextId, TrunkId, UserId, Wall};
use crate::ledger::{OutboxKind, TextRecord, TextState};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// A part of a text that waits for a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendRow {
    pub id: i64,
    pub text: TextId,
    pub conversation: ConversationId,
    pub company: CompanyId,
    /// The company's number.
    pub number: NumberId,
    /// The outside number.
    pub contact: String,
    /// What the carrier tells the parts of one text by: 0 to 255.
    pub reference: u8,
    /// From 1.
    pub part: u32,
    pub parts: u32,
    pub body: String,
    pub attempts: u32,
    pub ends: Wall,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendOutcome {
    pub at: Wall,
    /// The trunk that took it.
    pub trunk: Option<TrunkId>,
    pub state: SendState,
    /// Why it was not taken; for people.
    pub problem: String,
}

/// Where a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendState {
    /// It is tried again then.
    Pending {
        next: Wall,
    },
    Sent,
    /// The carrier says that the other side has it.
    Delivered,
    Failed,
}

impl SendState {
    const fn as_str(self) -> &'static str {
        match self {
            SendState::Pending { .. } => "pending",
            SendState::Sent => "sent",
            SendState::Delivered => "delivered",
            SendState::Failed => "failed",
        }
    }
}

/// A part of a text that a carrier brings over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivedPart {
    pub company: CompanyId,
    pub trunk: TrunkId,
    /// The carrier's id of it: what comes twice is there once.
    pub id: String,
    pub number: NumberId,
    pub contact: String,
    /// As the carrier tells the parts of one text.
    pub reference: String,
    /// From 1.
    pub part: u32,
    pub parts: u32,
    pub body: String,
    pub at: Wall,
}

/// Parts of one text: all of them, or those that came in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub company: CompanyId,
    pub trunk: TrunkId,
    pub number: NumberId,
    pub contact: String,
    pub reference: String,
    /// When the first of them came.
    pub at: Wall,
    /// In order; `None` where one is missing.
    pub bodies: Vec<Option<String>>,
}

/// A part that comes again is known for so long.
const KEPT: Span = Span::from_secs(86_400);
/// Devices of a user that are remembered.
const DEVICES: i64 = 20;

const DUE: &str = "SELECT s.*, c.number_id, c.contact FROM text_sends AS s
    JOIN conversations AS c ON c.id = s.conversation_id
    WHERE s.state = 'pending' AND s.next_at <= $1 AND s.id NOT IN (SELECT value FROM json_each($2))
      AND NOT EXISTS (SELECT 1 FROM text_sends AS e
          WHERE e.conversation_id = s.conversation_id AND e.state = 'pending' AND e.id < s.id)
    ORDER BY s.id LIMIT $3";

impl Store {
    /// Parts whose turn it is: of each conversation the first that waits. `under_way` are left out.
    pub async fn due_sends(&self, under_way: &[i64], now: Wall, limit: u32) -> Result<Vec<SendRow>, StoreError> {
        let query = sqlx::query(DUE).bind(now.unix_micros()).bind(serde_json::to_string(under_way)?).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(send).collect()
    }

    /// When the next part is due; `None` where nothing waits.
    pub async fn next_send_at(&self, after: Wall) -> Result<Option<Wall>, StoreError> {
        let query = sqlx::query_scalar("SELECT MIN(next_at) FROM text_sends WHERE state = 'pending' AND next_at > $1");
        let next: Option<i64> = query.bind(after.unix_micros()).fetch_one(&self.readers).await?;
        Ok(next.map(Wall::from_unix_micros))
    }

    /// Writes what came of an attempt, and what the text is by it, with its event.
    pub async fn note_send(&self, row: &SendRow, outcome: &SendOutcome) -> Result<(), StoreError> {
        let SendOutcome { at, trunk, state, problem } = outcome;
        let next = match state {
            SendState::Pending { next } => *next,
            SendState::Sent | SendState::Delivered | SendState::Failed => *at,
        };
        let mut transaction = self.write().await?;
        let query = sqlx::query(
            "UPDATE text_sends SET state = $2, attempts = attempts + 1, next_at = $3, problem = $4,
                 trunk_id = COALESCE($5, trunk_id) WHERE id = $1 AND state = 'pending'",
        );
        let query = query.bind(row.id).bind(state.as_str()).bind(next.unix_micros()).bind(problem);
        query.bind(trunk.map(|trunk| trunk.0)).execute(&mut *transaction).await?;
        settle(&mut transaction, row.text, problem, *at).await?;
        transaction.commit().await?;
        self.grown.notify_one();
        self.texts.notify_one();
        Ok(())
    }

    /// A carrier says what became of a text that it took, or of one part of it; whether it had it.
    pub async fn receipt(
        &self,
        trunk: TrunkId,
        text: TextId,
        part: Option<u32>,
        delivered: bool,
        problem: &str,
        now: Wall,
    ) -> Result<bool, StoreError> {
        let state = if delivered { SendState::Delivered } else { SendState::Failed };
        let mut transaction = self.write().await?;
        let query = sqlx::query(
            "UPDATE text_sends SET state = $4, problem = $5
             WHERE text_id = $1 AND trunk_id = $2 AND ($3 IS NULL OR part = $3) AND state IN ('sent', 'delivered')",
        );
        let query = query.bind(text.to_string()).bind(trunk.0).bind(part.map(i64::from));
        let done = query.bind(state.as_str()).bind(problem).execute(&mut *transaction).await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        settle(&mut transaction, text, problem, now).await?;
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(true)
    }

    /// Keeps a part that came; all of them where it was the last one that was missing.
    pub async fn add_part(&self, part: &ArrivedPart) -> Result<Option<Joined>, StoreError> {
        let mut transaction = self.write().await?;
        let ArrivedPart { company, trunk, id, number, contact, reference, part: place, parts, body, at } = part;
        let query = sqlx::query(
            "INSERT INTO text_parts (company_id, trunk_id, number_id, contact, reference, part, parts, body, at, id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        );
        let query = query.bind(company.0).bind(trunk.0).bind(number.0).bind(contact).bind(reference);
        let query = query.bind(i64::from(*place)).bind(i64::from(*parts)).bind(body).bind(at.unix_micros());
        query.bind(id).execute(&mut *transaction).await?;
        let joined = gathered(&mut transaction, (*trunk, *number, contact, reference), *parts).await?;
        transaction.commit().await?;
        Ok(joined.filter(|joined| joined.bodies.iter().all(Option::is_some)))
    }

    /// Parts of texts that began to come before that moment and never became whole.
    pub async fn parts_since_before(&self, before: Wall) -> Result<Vec<Joined>, StoreError> {
        let query = sqlx::query(
            "SELECT trunk_id, number_id, contact, reference, parts FROM text_parts WHERE NOT done
             GROUP BY trunk_id, number_id, contact, reference, parts HAVING MIN(at) < $1 LIMIT 100",
        );
        let rows = query.bind(before.unix_micros()).fetch_all(&self.readers).await?;
        let mut transaction = self.read().await?;
        let mut found = Vec::new();
        for row in &rows {
            let row = Reading::new("text_parts", row);
            let (trunk, number) = (TrunkId(row.get("trunk_id")?), NumberId(row.get("number_id")?));
            let (contact, reference) = (row.text("contact")?, row.text("reference")?);
            let key = (trunk, number, contact.as_str(), reference.as_str());
            found.extend(gathered(&mut transaction, key, row.count("parts")?).await?);
        }
        transaction.commit().await?;
        Ok(found)
    }

    /// Forgets the parts of a text that is in its conversation now.
    pub async fn forget_parts(&self, joined: &Joined) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE text_parts SET done = TRUE, body = '' WHERE NOT done AND trunk_id = $1 AND number_id = $2
             AND contact = $3 AND reference = $4 AND parts = $5",
        );
        let parts = i64::try_from(joined.bodies.len()).unwrap_or(i64::MAX);
        let query = query.bind(joined.trunk.0).bind(joined.number.0).bind(&joined.contact).bind(&joined.reference);
        query.bind(parts).execute(&self.writer).await?;
        let query = sqlx::query("DELETE FROM text_parts WHERE done AND at < $1");
        query.bind(joined.at.minus(KEPT).unix_micros()).execute(&self.writer).await?;
        Ok(())
    }

    /// Up to which text a device of a user has them. One that is new goes on where the user's others
    /// are; a user's first one has missed nothing.
    pub async fn device_position(&self, user: UserId, device: &str, now: Wall) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar("SELECT seq FROM text_devices WHERE user_id = $1 AND device = $2");
        if let Some(seq) = query.bind(user.0).bind(device).fetch_optional(&self.readers).await? {
            return Ok(seq);
        }
        let mut transaction = self.write().await?;
        let query = sqlx::query_scalar(
            "INSERT INTO text_devices (user_id, device, seq, at) VALUES ($1, $2, COALESCE(
                 (SELECT MAX(seq) FROM text_devices WHERE user_id = $1), (SELECT MAX(seq) FROM texts), 0), $3)
             ON CONFLICT (user_id, device) DO UPDATE SET at = excluded.at RETURNING seq",
        );
        let query = query.bind(user.0).bind(device).bind(now.unix_micros());
        let seq = query.fetch_one(&mut *transaction).await?;
        // Devices without an instance come with new addresses for ever.
        let query = sqlx::query(
            "DELETE FROM text_devices WHERE user_id = $1 AND device NOT IN (
                 SELECT device FROM text_devices WHERE user_id = $1 ORDER BY at DESC LIMIT $2)",
        );
        query.bind(user.0).bind(DEVICES).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(seq)
    }

    /// The device has everything up to that text.
    pub async fn move_device(&self, user: UserId, device: &str, seq: i64, now: Wall) -> Result<(), StoreError> {
        let query =
            sqlx::query("UPDATE text_devices SET seq = $3, at = $4 WHERE user_id = $1 AND device = $2 AND seq < $3");
        query.bind(user.0).bind(device).bind(seq).bind(now.unix_micros()).execute(&self.writer).await?;
        Ok(())
    }

    /// The queue of a text, as it is: for tests and for the operator.
    pub async fn sends_of(&self, text: TextId) -> Result<Vec<(String, String)>, StoreError> {
        let query = sqlx::query("SELECT body, state FROM text_sends WHERE text_id = $1 ORDER BY part");
        let rows = query.bind(text.to_string()).fetch_all(&self.readers).await?;
        let pair = |row: &SqliteRow| {
            let row = Reading::new("text_sends", row);
            Ok((row.text("body")?, row.text("state")?))
        };
        rows.iter().map(pair).collect()
    }
}

/// What a text is by the states of its parts. Where one part has failed, the others are not sent.
async fn settle(connection: &mut SqliteConnection, id: TextId, problem: &str, now: Wall) -> Result<(), StoreError> {
    let states: Vec<String> = sqlx::query_scalar("SELECT state FROM text_sends WHERE text_id = $1")
        .bind(id.to_string())
        .fetch_all(&mut *connection)
        .await?;
    let all = |wanted: &[&str]| states.iter().all(|state| wanted.contains(&state.as_str()));
    let (state, kind) = if states.iter().any(|state| state == "failed") {
        (TextState::Failed, Some(OutboxKind::TextFailed))
    } else if all(&["delivered"]) {
        (TextState::Delivered, Some(OutboxKind::TextDelivered))
    } else if all(&["sent", "delivered"]) {
        (TextState::Sent, Some(OutboxKind::TextSent))
    } else {
        (TextState::Queued, None)
    };
    if state == TextState::Failed {
        let query = sqlx::query("UPDATE text_sends SET state = 'failed' WHERE text_id = $1 AND state = 'pending'");
        query.bind(id.to_string()).execute(&mut *connection).await?;
    }
    let query = sqlx::query("SELECT * FROM texts WHERE id = $1").bind(id.to_string());
    let Some(row) = query.fetch_optional(&mut *connection).await? else { return Ok(()) };
    let before = texts::text(&row)?;
    let query = sqlx::query("UPDATE texts SET state = $2, state_at = $3, problem = $4 WHERE id = $1");
    let changed = before.state != state;
    let state_at = if changed { now } else { before.state_at };
    let query = query.bind(id.to_string()).bind(state.as_str()).bind(state_at.unix_micros()).bind(problem);
    query.execute(&mut *connection).await?;
    let text = TextRecord { state, state_at, problem: problem.to_owned(), ..before };
    let conversation: Option<ConversationRow> = texts::conversation_by_id(connection, text.conversation).await?;
    if let (Some(kind), Some(row), true) = (kind, conversation, changed) {
        let between: &Between = &row.between;
        texts::tell(connection, kind, between, &text, text.user, now).await?;
    }
    Ok(())
}

async fn gathered(
    connection: &mut SqliteConnection,
    (trunk, number, contact, reference): (TrunkId, NumberId, &str, &str),
    parts: u32,
) -> Result<Option<Joined>, StoreError> {
    let query = sqlx::query(
        "SELECT * FROM text_parts WHERE trunk_id = $1 AND number_id = $2 AND contact = $3 AND reference = $4
         AND parts = $5 AND NOT done ORDER BY part",
    );
    let query = query.bind(trunk.0).bind(number.0).bind(contact).bind(reference).bind(i64::from(parts));
    let rows = query.fetch_all(connection).await?;
    let mut bodies: Vec<Option<String>> = vec![None; parts as usize];
    let mut first: Option<(CompanyId, Wall)> = None;
    for row in &rows {
        let row = Reading::new("text_parts", row);
        let (part, at): (usize, Wall) = (row.count("part")?, row.wall("at")?);
        if let Some(body) = part.checked_sub(1).and_then(|part| bodies.get_mut(part)) {
            *body = Some(row.text("body")?);
        }
        let company = CompanyId(row.get("company_id")?);
        first = Some(first.map_or((company, at), |(company, earlier)| (company, earlier.min(at))));
    }
    let (contact, reference) = (contact.to_owned(), reference.to_owned());
    Ok(first.map(|(company, at)| Joined { company, trunk, number, contact, reference, at, bodies }))
}

fn send(row: &SqliteRow) -> Result<SendRow, StoreError> {
    let row = Reading::new("text_sends", row);
    Ok(SendRow {
        id: row.get("id")?,
        text: row.word("text_id", TextId::parse)?,
        conversation: ConversationId(row.get("conversation_id")?),
        company: CompanyId(row.get("company_id")?),
        number: NumberId(row.get("number_id")?),
        contact: row.text("contact")?,
        reference: row.count("reference")?,
        part: row.count("part")?,
        parts: row.count("parts")?,
        body: row.text("body")?,
        attempts: row.count("attempts")?,
        ends: row.wall("ends")?,
    })
}
