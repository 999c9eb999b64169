//! What is to be told of new messages, and what became of it.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{BoxId, CompanyId, MessageId, Wall};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use utoipa::ToSchema;

/// How somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Mail,
    /// The short mail.
    Pager,
    /// Web Push.
    Push,
    /// The company's gateway to mobile apps.
    Gateway,
}

impl Channel {
    pub const ALL: [Channel; 4] = [Channel::Mail, Channel::Pager, Channel::Push, Channel::Gateway];

    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::Mail => "mail",
            Channel::Pager => "pager",
            Channel::Push => "push",
            Channel::Gateway => "gateway",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }
}

/// What became of a notice so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    Pending,
    /// Whoever takes it further has it.
    Sent,
    /// Refused for good, or given up.
    Dead,
    /// There was nothing to tell any more.
    Dropped,
}

impl NoticeState {
    pub const ALL: [NoticeState; 4] =
        [NoticeState::Pending, NoticeState::Sent, NoticeState::Dead, NoticeState::Dropped];

    pub const fn as_str(self) -> &'static str {
        match self {
            NoticeState::Pending => "pending",
            NoticeState::Sent => "sent",
            NoticeState::Dead => "dead",
            NoticeState::Dropped => "dropped",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One message, told to one by one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeRow {
    pub id: i64,
    pub company: CompanyId,
    pub channel: Channel,
    pub message: MessageId,
    pub mailbox: BoxId,
    /// An address, a subscription's id, or a user's.
    pub target: String,
    pub state: NoticeState,
    pub attempts: u32,
    pub created: Wall,
    /// It is given up after this.
    pub ends: Wall,
    pub next_at: Wall,
    pub last_at: Option<Wall>,
    pub last_error: String,
}

/// A notice that is to be queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotice {
    pub company: CompanyId,
    pub channel: Channel,
    pub message: MessageId,
    pub mailbox: BoxId,
    pub target: String,
    pub created: Wall,
    pub ends: Wall,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeOutcome {
    pub at: Wall,
    pub state: NoticeState,
    /// When it is tried again, where it is pending.
    pub again: Wall,
    pub error: String,
    /// The message goes when nobody is to be told of it any more: it is in the mail.
    pub erases: bool,
}

impl Store {
    /// Events of the feed up to here are queued.
    pub async fn notices_position(&self) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar("SELECT position FROM notice_reader");
        Ok(query.fetch_one(&self.readers).await?)
    }

    /// Queues notices and moves the position, in one transaction: each is queued once, whenever the
    /// process dies.
    pub async fn queue_notices(&self, notices: &[NewNotice], position: i64) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        for NewNotice { company, channel, message, mailbox, target, created, ends } in notices {
            let query = sqlx::query(
                "INSERT INTO notices (company_id, channel, message_id, box_id, target, state, attempts, created, ends, next_at)
                 SELECT $1, $2, $3, $4, $5, 'pending', 0, $6, $7, $6 WHERE EXISTS (SELECT 1 FROM companies WHERE id = $1)
                 ON CONFLICT DO NOTHING",
            );
            let query = query.bind(company.0).bind(channel.as_str()).bind(message.to_string()).bind(mailbox.0);
            let query = query.bind(target).bind(created.unix_micros()).bind(ends.unix_micros());
            query.execute(&mut *transaction).await?;
        }
        let query = sqlx::query("UPDATE notice_reader SET position = $1 WHERE position < $1");
        query.bind(position).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Those whose turn it is, the oldest first; `under_way` are left out.
    pub async fn due_notices(
        &self,
        channels: [Channel; 2],
        under_way: &[i64],
        now: Wall,
        limit: u32,
    ) -> Result<Vec<NoticeRow>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM notices WHERE state = 'pending' AND next_at <= $1
               AND id NOT IN (SELECT value FROM json_each($2)) AND channel IN ($4, $5)
             ORDER BY next_at, id LIMIT $3",
        );
        let query = query.bind(now.unix_micros()).bind(serde_json::to_string(under_way)?).bind(limit);
        let query = channels.into_iter().fold(query, |query, channel| query.bind(channel.as_str()));
        query.fetch_all(&self.readers).await?.iter().map(notice).collect()
    }

    /// When the next one is due; `None` where nothing waits.
    pub async fn next_notice_at(&self, after: Wall) -> Result<Option<Wall>, StoreError> {
        let query = sqlx::query_scalar("SELECT MIN(next_at) FROM notices WHERE state = 'pending' AND next_at > $1");
        let at: Option<i64> = query.bind(after.unix_micros()).fetch_one(&self.readers).await?;
        Ok(at.map(Wall::from_unix_micros))
    }

    pub async fn note_notice(&self, id: i64, outcome: &NoticeOutcome) -> Result<(), StoreError> {
        let NoticeOutcome { at, state, again, error, erases } = outcome;
        let query = sqlx::query(
            "UPDATE notices SET state = $2, attempts = attempts + 1, next_at = $3, last_at = $4, last_error = $5,
                 erases = $6 WHERE id = $1",
        );
        let query = query.bind(id).bind(state.as_str()).bind(again.unix_micros()).bind(at.unix_micros());
        query.bind(error).bind(erases).execute(&self.writer).await?;
        Ok(())
    }

    /// Messages that are in a mail, are not to stay, and that nobody is to be told of any more.
    pub async fn mailed_messages(&self) -> Result<Vec<MessageId>, StoreError> {
        let query = sqlx::query(
            "SELECT DISTINCT n.message_id FROM notices AS n WHERE n.erases AND NOT EXISTS (
                 SELECT 1 FROM notices AS o WHERE o.message_id = n.message_id AND o.state = 'pending')",
        );
        let rows = query.fetch_all(&self.readers).await?;
        rows.iter().map(|row| Reading::new("notices", row).word("message_id", MessageId::parse)).collect()
    }

    /// The message has gone.
    pub async fn forget_mailed(&self, message: MessageId) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE notices SET erases = FALSE WHERE message_id = $1 AND erases");
        query.bind(message.to_string()).execute(&self.writer).await?;
        Ok(())
    }

    /// Of a company, the newest first; those before `before`, where it is given.
    pub async fn notices(
        &self,
        company: CompanyId,
        state: Option<NoticeState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<NoticeRow>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM notices WHERE company_id = $1 AND ($2 IS NULL OR state = $2) AND ($3 IS NULL OR id < $3)
             ORDER BY id DESC LIMIT $4",
        );
        let query = query.bind(company.0).bind(state.map(NoticeState::as_str)).bind(before).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(notice).collect()
    }

    /// Sends it anew, now, and for as long as a new one: one, or all dead ones of the company. How many.
    pub async fn replay_notices(
        &self,
        company: CompanyId,
        only: Option<i64>,
        (now, ends): (Wall, Wall),
    ) -> Result<u64, StoreError> {
        let query = sqlx::query(
            "UPDATE notices SET state = 'pending', attempts = 0, next_at = $3, ends = $4
             WHERE company_id = $1 AND state <> 'pending' AND (id = $2 OR ($2 IS NULL AND state = 'dead'))",
        );
        let query = query.bind(company.0).bind(only).bind(now.unix_micros()).bind(ends.unix_micros());
        let replayed = query.execute(&self.writer).await?.rows_affected();
        self.notices.notify_one();
        Ok(replayed)
    }

    /// Deletes those whose last attempt was before: what is done with, and what is dead.
    pub async fn purge_notices(&self, done: Wall, dead: Wall) -> Result<u64, StoreError> {
        let query = sqlx::query(
            "DELETE FROM notices WHERE (state IN ('sent', 'dropped') AND last_at < $1) OR (state = 'dead' AND last_at < $2)",
        );
        let query = query.bind(done.unix_micros()).bind(dead.unix_micros());
        Ok(query.execute(&self.writer).await?.rows_affected())
    }

    /// Woken when this process has something sent anew. For the one who tells.
    pub async fn notices_have_changed(&self) {
        self.notices.notified().await;
    }
}

fn notice(row: &SqliteRow) -> Result<NoticeRow, StoreError> {
    let row = Reading::new("notices", row);
    Ok(NoticeRow {
        id: row.get("id")?,
        company: CompanyId(row.get("company_id")?),
        channel: row.word("channel", Channel::parse)?,
        message: row.word("message_id", MessageId::parse)?,
        mailbox: BoxId(row.get("box_id")?),
        target: row.text("target")?,
        state: row.word("state", NoticeState::parse)?,
        attempts: row.count("attempts")?,
        created: row.wall("created")?,
        ends: row.wall("ends")?,
        next_at: row.wall("next_at")?,
        last_at: row.wall_or_none("last_at")?,
        last_error: row.text("last_error")?,
    })
}
