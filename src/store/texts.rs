//! Text messages as they come and are written: each once, in one transaction with its event and with
//! what has to go out.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CompanyId, ConversationId, NumberId, TextId, UserId, Wall};
use crate::ledger::{OutboxKind, Party, Subject, TextKind, TextRecord, TextRule, TextState, TextThen, Told};
use crate::subscription::Holder;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// Between whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Between {
    pub company: CompanyId,
    pub holder: Holder,
    /// `None` between two users.
    pub number: Option<NumberId>,
    /// The outside number; between two users empty.
    pub contact: String,
    /// As the outside party calls itself; empty where it does not.
    pub name: String,
}

impl Between {
    /// Two users, whoever writes.
    pub fn users(company: CompanyId, one: UserId, other: UserId) -> Self {
        let holder = Holder::Pair(one.min(other), one.max(other));
        Between { company, holder, number: None, contact: String::new(), name: String::new() }
    }
}

/// A conversation as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationRow {
    pub id: ConversationId,
    pub between: Between,
    /// Of the newest text.
    pub last: i64,
}

/// A text that came or was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewText {
    pub id: TextId,
    pub kind: TextKind,
    pub at: Wall,
    pub user: Option<UserId>,
    pub body: String,
    pub state: TextState,
    /// As it was told by who brought it; what comes twice is there once.
    pub origin: Option<String>,
    /// What has to go out, in order.
    pub parts: Vec<String>,
    /// It is not tried any more after this.
    pub ends: Wall,
}

/// What became of a text that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    New(TextRecord),
    /// It was here already.
    Again(TextRecord),
}

impl Taken {
    pub fn record(self) -> TextRecord {
        match self {
            Taken::New(text) | Taken::Again(text) => text,
        }
    }
}

impl Store {
    /// Something about text messages was written, by this process. For the one who brings them on.
    pub async fn texts_have_changed(&self) {
        self.texts.notified().await;
    }

    /// Puts a text into its conversation, which is made where there is none yet.
    pub async fn add_text(&self, between: &Between, new: &NewText) -> Result<Taken, StoreError> {
        let mut transaction = self.write().await?;
        if let Some(origin) = &new.origin {
            let query = sqlx::query("SELECT * FROM texts WHERE origin = $1").bind(origin);
            if let Some(row) = query.fetch_optional(&mut *transaction).await? {
                return Ok(Taken::Again(text(&row)?));
            }
        }
        let conversation = conversation_of(&mut transaction, between).await?;
        let text = insert(&mut transaction, conversation, new).await?;
        for (part, body) in (1_i64..).zip(&new.parts) {
            let query = sqlx::query(
                "INSERT INTO text_sends (text_id, conversation_id, company_id, reference, part, parts, body, trunk_id,
                                         state, next_at, ends)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 'pending', $8, $9)",
            );
            let parts = i64::try_from(new.parts.len()).unwrap_or(i64::MAX);
            let query = query.bind(text.id.to_string()).bind(conversation.0).bind(between.company.0);
            // Carriers tell the texts of two numbers apart by 8 bits.
            let query = query.bind(text.seq & 0xff).bind(part).bind(parts).bind(body);
            query.bind(new.at.unix_micros()).bind(new.ends.unix_micros()).execute(&mut *transaction).await?;
        }
        if let Some(user) = new.user {
            // Whoever writes has read what came before.
            read_up_to(&mut transaction, conversation, user, text.seq, new.at).await?;
        }
        let kind = match (new.kind, between.holder) {
            (TextKind::In, _) | (TextKind::Out, Holder::Pair(..)) => Some(OutboxKind::TextReceived),
            (TextKind::Note, _) => Some(OutboxKind::TextNoted),
            (TextKind::Out, Holder::Inbox(_) | Holder::User(_)) => None,
        };
        if let Some(kind) = kind {
            tell(&mut transaction, kind, between, &text, new.user, new.at).await?;
        }
        transaction.commit().await?;
        self.grown.notify_one();
        self.texts.notify_one();
        Ok(Taken::New(text))
    }

    /// A text by its id, and its conversation.
    pub async fn text(&self, id: TextId) -> Result<Option<(TextRecord, ConversationRow)>, StoreError> {
        let mut transaction = self.read().await?;
        let query = sqlx::query("SELECT * FROM texts WHERE id = $1").bind(id.to_string());
        let Some(row) = query.fetch_optional(&mut *transaction).await? else { return Ok(None) };
        let text = text(&row)?;
        let conversation = conversation_by_id(&mut transaction, text.conversation).await?;
        Ok(conversation.map(|conversation| (text, conversation)))
    }

    /// A user has read a conversation up to a text; whether that is further than before.
    pub async fn mark_read(
        &self,
        conversation: &ConversationRow,
        text: &TextRecord,
        user: UserId,
        now: Wall,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let new = read_up_to(&mut transaction, conversation.id, user, text.seq, now).await?;
        if new {
            tell(&mut transaction, OutboxKind::TextRead, &conversation.between, text, Some(user), now).await?;
        }
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(new)
    }

    /// The newest text of all.
    pub async fn newest_text(&self) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM texts");
        Ok(query.fetch_one(&self.readers).await?)
    }

    /// Whose texts came after that one, each conversation once, and the newest of them.
    pub async fn holders_after(&self, seq: i64) -> Result<(Vec<Holder>, i64), StoreError> {
        let query = sqlx::query(
            "SELECT c.*, MAX(t.seq) AS newest FROM texts AS t JOIN conversations AS c ON c.id = t.conversation_id
             WHERE t.seq > $1 GROUP BY c.id",
        );
        let rows = query.bind(seq).fetch_all(&self.readers).await?;
        let (mut holders, mut newest) = (Vec::new(), seq);
        for row in &rows {
            holders.push(conversation(row)?.between.holder);
            newest = newest.max(Reading::new("texts", row).get("newest")?);
        }
        Ok((holders, newest))
    }
}

async fn conversation_of(connection: &mut SqliteConnection, between: &Between) -> Result<ConversationId, StoreError> {
    let Between { company, holder, number, contact, name } = between;
    let (owner, peer) = columns(*holder);
    let query = sqlx::query_scalar(
        "INSERT INTO conversations (company_id, number_id, owner_id, peer_id, contact, name)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (company_id, number_id, owner_id, peer_id, contact) DO UPDATE SET
             name = CASE WHEN excluded.name <> '' THEN excluded.name ELSE name END RETURNING id",
    );
    let query = query.bind(company.0).bind(number.map_or(0, |number| number.0)).bind(owner).bind(peer);
    Ok(ConversationId(query.bind(contact).bind(name).fetch_one(connection).await?))
}

/// `owner_id` and `peer_id`.
pub(super) const fn columns(holder: Holder) -> (i64, i64) {
    match holder {
        Holder::Inbox(_) => (0, 0),
        Holder::User(owner) => (owner.0, 0),
        Holder::Pair(one, other) => (one.0, other.0),
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    conversation: ConversationId,
    new: &NewText,
) -> Result<TextRecord, StoreError> {
    let NewText { id, kind, at, user, body, state, origin, parts: _, ends: _ } = new;
    let query = sqlx::query_scalar(
        "INSERT INTO texts (id, conversation_id, kind, at, user_id, body, state, state_at, origin)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $4, $8) RETURNING seq",
    );
    let query = query.bind(id.to_string()).bind(conversation.0).bind(kind.as_str()).bind(at.unix_micros());
    let query = query.bind(user.map(|user| user.0)).bind(body).bind(state.as_str()).bind(origin);
    let seq = query.fetch_one(connection).await?;
    Ok(TextRecord {
        id: *id,
        seq,
        conversation,
        kind: *kind,
        at: *at,
        user: *user,
        body: body.clone(),
        state: *state,
        state_at: *at,
        problem: String::new(),
    })
}

async fn read_up_to(
    connection: &mut SqliteConnection,
    conversation: ConversationId,
    user: UserId,
    seq: i64,
    now: Wall,
) -> Result<bool, StoreError> {
    let query = sqlx::query(
        "INSERT INTO text_reads (conversation_id, user_id, seq, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (conversation_id, user_id) DO UPDATE SET seq = excluded.seq, at = excluded.at
             WHERE excluded.seq > seq",
    );
    let query = query.bind(conversation.0).bind(user.0).bind(seq).bind(now.unix_micros());
    Ok(query.execute(connection).await?.rows_affected() > 0)
}

/// An entry of the outbox about a text.
pub(super) async fn tell(
    connection: &mut SqliteConnection,
    kind: OutboxKind,
    between: &Between,
    text: &TextRecord,
    user: Option<UserId>,
    now: Wall,
) -> Result<(), StoreError> {
    let (owner, peer) = columns(between.holder);
    let id = |id: i64| Some(UserId(id)).filter(|user| user.0 > 0);
    let then = TextThen {
        conversation: text.conversation,
        kind: text.kind,
        state: text.state,
        number: between.number,
        contact: Party { user: None, address: between.contact.clone(), name: between.name.clone() },
        user,
        rule: TextRule { owner: id(owner), peer: id(peer), seq: text.seq },
    };
    let subject = Subject::Text(text.id);
    let query = sqlx::query(
        "INSERT INTO outbox (at, kind, company_id, subject, subject_id, told) VALUES ($1, $2, $3, $4, $5, $6)",
    );
    let query = query.bind(now.unix_micros()).bind(kind.as_str()).bind(between.company.0);
    let query = query.bind(subject.word()).bind(subject.id());
    query.bind(serde_json::to_string(&Told::Text { text: Box::new(then) })?).execute(connection).await?;
    Ok(())
}

pub(super) async fn conversation_by_id(
    connection: &mut SqliteConnection,
    id: ConversationId,
) -> Result<Option<ConversationRow>, StoreError> {
    let query = sqlx::query("SELECT * FROM conversations WHERE id = $1").bind(id.0);
    query.fetch_optional(connection).await?.as_ref().map(conversation).transpose()
}

pub(super) fn conversation(row: &SqliteRow) -> Result<ConversationRow, StoreError> {
    let row = Reading::new("conversations", row);
    let (owner, peer): (i64, i64) = (row.get("owner_id")?, row.get("peer_id")?);
    let number = NumberId(row.get("number_id")?);
    let holder = match (owner, peer) {
        (0, _) => Holder::Inbox(number),
        (owner, 0) => Holder::User(UserId(owner)),
        (one, other) => Holder::Pair(UserId(one), UserId(other)),
    };
    Ok(ConversationRow {
        id: ConversationId(row.get("id")?),
        between: Between {
            company: CompanyId(row.get("company_id")?),
            holder,
            number: Some(number).filter(|number| number.0 > 0),
            contact: row.text("contact")?,
            name: row.text("name")?,
        },
        last: row.get("last_seq")?,
    })
}

pub(super) fn text(row: &SqliteRow) -> Result<TextRecord, StoreError> {
    let row = Reading::new("texts", row);
    Ok(TextRecord {
        id: row.word("id", TextId::parse)?,
        seq: row.get("seq")?,
        conversation: ConversationId(row.get("conversation_id")?),
        kind: row.word("kind", TextKind::parse)?,
        at: row.wall("at")?,
        user: row.get::<Option<i64>>("user_id")?.map(UserId),
        body: row.text("body")?,
        state: row.word("state", TextState::parse)?,
        state_at: row.wall("state_at")?,
        problem: row.text("problem")?,
    })
}

#[cfg(test)]
pub(super) mod tests;
