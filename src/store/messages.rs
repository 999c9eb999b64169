//! Messages in voicemail boxes: their hand-over, and what their readers do with them.
//!
//! One row a message, whoever hears it, and one row for the state of each reader, written with the
//! message. Everything that changes a state tells it by the outbox in the same transaction.

use super::row::{Reading, int};
use super::{Store, StoreError, calls, exports, outbox};
use crate::base::{BoxId, CallId, CompanyId, MessageId, NumberId, UserId, Wall};
use crate::ledger::{CallRecord, Folder, MessageRecord, MessageThen, OutboxEntry, OutboxKind, Party, Told};
use crate::subscription::{MessageFacts, Reader, Receivers};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeSet;

/// Where a message stands for one reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageState {
    pub folder: Folder,
    /// Thrown away; it can be brought back until it goes for good.
    pub removed: bool,
    pub read_at: Option<Wall>,
    /// Who read it; of a shared state.
    pub read_by: Option<UserId>,
}

/// A message and where it stands for whoever asks.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRow {
    pub message: MessageRecord,
    pub state: MessageState,
}

/// A message that may be too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldMessage {
    pub id: MessageId,
    /// The number that its call came over.
    pub number: Option<NumberId>,
    pub left: Wall,
    /// A hold is on the call that left it.
    pub held: bool,
}

/// A message that was deleted for everybody and for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneMessage {
    pub facts: MessageFacts,
    pub at: Wall,
    pub because: String,
}

/// A message that has gone, or is to go, and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFile {
    pub id: MessageId,
    pub company: CompanyId,
    pub mailbox: BoxId,
    /// Below the folder of recordings.
    pub path: String,
    pub bytes: u64,
    pub digest: String,
}

impl Store {
    /// Writes the message's row, the state of everyone who receives it, and its outbox entry in one
    /// transaction; whether it was new. One that was handed over before stays as it is. Those who
    /// are subscribed to the box when it was left receive it besides `receivers`.
    pub async fn deliver(&self, message: &MessageRecord, receivers: Receivers, now: Wall) -> Result<bool, StoreError> {
        let delivered = self.deliver_all(&[(message.clone(), receivers)], &[], now).await?;
        Ok(delivered.first().copied().unwrap_or(false))
    }

    /// All of them in one transaction, with the calls that left them as these ended: whoever is told of
    /// a message finds its call in every list. In the order of `messages` whether each was new.
    pub async fn deliver_all(
        &self,
        messages: &[(MessageRecord, Receivers)],
        ended: &[CallRecord],
        now: Wall,
    ) -> Result<Vec<bool>, StoreError> {
        let mut delivered = Vec::with_capacity(messages.len());
        if messages.is_empty() {
            return Ok(delivered);
        }
        let mut transaction = self.write().await?;
        for call in ended {
            calls::save(&mut transaction, call).await?;
        }
        for (message, receivers) in messages {
            delivered.push(deliver(&mut transaction, message, *receivers, now).await?);
        }
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(delivered)
    }

    pub async fn message(&self, id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM messages WHERE id = $1").bind(id.to_string());
        query.fetch_optional(&self.readers).await?.as_ref().map(message).transpose()
    }

    /// A message with the state of `reader`; where that is none, with the state of nobody.
    pub async fn message_of(&self, id: MessageId, reader: Option<Reader>) -> Result<Option<MessageRow>, StoreError> {
        let Some(message) = self.message(id).await? else { return Ok(None) };
        let state = match reader {
            Some(reader) => self.message_state(id, reader).await?,
            None => None,
        };
        let state = state.unwrap_or_else(|| untouched(&message));
        Ok(Some(MessageRow { message, state }))
    }

    /// `None`: the message was not left for that reader.
    pub async fn message_state(&self, id: MessageId, reader: Reader) -> Result<Option<MessageState>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        state_of(&mut connection, id, reader).await
    }

    /// Puts the message into a folder for `reader`, and says what that changed: `None` where there is
    /// no such message for them. `by` is who did it. Leaving the new ones marks it as read.
    pub async fn set_folder(
        &self,
        id: MessageId,
        reader: Reader,
        folder: Folder,
        by: Option<UserId>,
        now: Wall,
    ) -> Result<Option<MessageState>, StoreError> {
        let mut transaction = self.write().await?;
        let Some((message, before)) = found(&mut transaction, id, reader).await? else { return Ok(None) };
        let (read_at, read_by) = match folder.is_new() {
            true => (None, None),
            false => (before.read_at.or(Some(now)), before.read_by.or(by)),
        };
        let state = MessageState { folder, removed: false, read_at, read_by };
        let kind = OutboxKind::VoicemailUpdated;
        self.changed(transaction, (&message, reader), (before, state), (kind, by), now).await
    }

    /// Throws the message away for `reader`; `None` where there is no such message for them.
    pub async fn remove_message(
        &self,
        id: MessageId,
        reader: Reader,
        by: Option<UserId>,
        now: Wall,
    ) -> Result<Option<MessageState>, StoreError> {
        let mut transaction = self.write().await?;
        let Some((message, before)) = found(&mut transaction, id, reader).await? else { return Ok(None) };
        let state = MessageState { removed: true, ..before };
        let kind = OutboxKind::VoicemailDeleted;
        self.changed(transaction, (&message, reader), (before, state), (kind, by), now).await
    }

    /// Brings back what was thrown away; `None` where there is no such message for them.
    pub async fn bring_back_message(
        &self,
        id: MessageId,
        reader: Reader,
        by: Option<UserId>,
        now: Wall,
    ) -> Result<Option<MessageState>, StoreError> {
        let mut transaction = self.write().await?;
        let Some((message, before)) = found(&mut transaction, id, reader).await? else { return Ok(None) };
        let state = MessageState { removed: false, ..before };
        let kind = OutboxKind::VoicemailUpdated;
        self.changed(transaction, (&message, reader), (before, state), (kind, by), now).await
    }

    async fn changed(
        &self,
        mut transaction: sqlx::Transaction<'static, sqlx::Sqlite>,
        (message, reader): (&MessageRecord, Reader),
        (before, state): (MessageState, MessageState),
        (kind, by): (OutboxKind, Option<UserId>),
        now: Wall,
    ) -> Result<Option<MessageState>, StoreError> {
        if before == state {
            return Ok(Some(state));
        }
        let MessageState { folder, removed, read_at, read_by } = state;
        let query = sqlx::query(
            "UPDATE message_states SET folder = $3, removed = $4, removed_at = $5, read_at = $6, read_by = $7
             WHERE message_id = $1 AND reader_id = $2",
        );
        let query = query
            .bind(message.id.to_string())
            .bind(reader.id())
            .bind(folder.number())
            .bind(removed)
            .bind(removed.then(|| now.unix_micros()))
            .bind(read_at.map(Wall::unix_micros))
            .bind(read_by.map(|user| user.0));
        query.execute(&mut *transaction).await?;
        let then = then(message, reader, folder, by);
        tell(&mut transaction, message, (kind, then), now).await?;
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(Some(state))
    }

    /// Takes the message away from everybody, and tells it and `because` of what; its file is doomed.
    /// `None` where it has gone already.
    pub async fn erase_message(
        &self,
        id: MessageId,
        by: Option<UserId>,
        because: &str,
        now: Wall,
    ) -> Result<Option<MessageFile>, StoreError> {
        let mut transaction = self.write().await?;
        let erased = erase(&mut transaction, id, (by, because), now).await?;
        transaction.commit().await?;
        self.grown.notify_one();
        Ok(erased)
    }

    /// What was told when the message went; `None` where it has not, and where its event has gone too.
    pub async fn gone_message(&self, id: MessageId) -> Result<Option<GoneMessage>, StoreError> {
        let query = sqlx::query("SELECT * FROM outbox WHERE subject_id = $1 AND kind = $2 ORDER BY seq DESC LIMIT 1");
        let query = query.bind(id.to_string()).bind(OutboxKind::VoicemailDeleted.as_str());
        let entry = query.fetch_optional(&self.readers).await?.as_ref().map(outbox::entry).transpose()?;
        Ok(entry.and_then(|OutboxEntry { at, company, told, .. }| match told {
            Told::Message { message } if !message.because.is_empty() => {
                let MessageThen { mailbox, left, because, .. } = *message;
                Some(GoneMessage { facts: MessageFacts { company, mailbox, left }, at, because })
            }
            Told::Message { .. } | Told::Row | Told::Call { .. } | Told::Text { .. } => None,
        }))
    }

    /// Messages of the company that were left before `left`, by id, after `after`.
    pub async fn old_messages(
        &self,
        company: CompanyId,
        left: Wall,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<OldMessage>, StoreError> {
        let query = sqlx::query(
            "SELECT m.id AS id, m.number_id AS number_id, m.left_at AS left_at, EXISTS (
                 SELECT 1 FROM holds AS h WHERE h.lifted IS NULL AND h.kind = 'call' AND h.thing = m.call_id) AS held
             FROM messages AS m WHERE m.company_id = $1 AND m.left_at < $2 AND ($3 IS NULL OR m.id > $3)
             ORDER BY m.id LIMIT $4",
        );
        let query = query.bind(company.0).bind(left.unix_micros()).bind(after.map(|after| after.to_string()));
        query.bind(limit).fetch_all(&self.readers).await?.iter().map(old).collect()
    }

    /// Messages in a box, without those that everybody has thrown away.
    pub async fn messages_in(&self, mailbox: BoxId) -> Result<u64, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM messages WHERE box_id = $1) - (
                 SELECT COUNT(DISTINCT d.message_id) FROM message_states AS d WHERE d.removed AND d.box_id = $1
                 AND NOT EXISTS (SELECT 1 FROM message_states AS s WHERE s.message_id = d.message_id AND NOT s.removed))",
        );
        let count: i64 = query.bind(mailbox.0).fetch_one(&self.readers).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Files of the messages of a box, the oldest first.
    pub async fn message_files(&self, mailbox: BoxId) -> Result<Vec<MessageFile>, StoreError> {
        let query = sqlx::query("SELECT * FROM messages WHERE box_id = $1 ORDER BY left_at, id").bind(mailbox.0);
        query.fetch_all(&self.readers).await?.iter().map(file).collect()
    }

    /// Files of all messages, for whoever looks whether they are there; by id, after `after`.
    pub async fn all_message_files(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<MessageFile>, StoreError> {
        let query = sqlx::query("SELECT * FROM messages WHERE $1 IS NULL OR id > $1 ORDER BY id LIMIT $2");
        let query = query.bind(after.map(|after| after.to_string())).bind(limit);
        query.fetch_all(&self.readers).await?.iter().map(file).collect()
    }

    /// Messages that everybody threw away before `before`, and that no hold is on.
    pub async fn thrown_away(&self, before: Wall, limit: u32) -> Result<Vec<MessageFile>, StoreError> {
        let query = sqlx::query(
            "SELECT m.* FROM message_states AS d CROSS JOIN messages AS m
             WHERE d.removed AND d.removed_at < $1 AND m.id = d.message_id
               AND NOT EXISTS (SELECT 1 FROM holds AS h
                               WHERE h.lifted IS NULL AND h.kind = 'call' AND h.thing = m.call_id)
               AND NOT EXISTS (SELECT 1 FROM message_states AS s WHERE s.message_id = m.id
                               AND (NOT s.removed OR s.removed_at >= $1))
             GROUP BY m.id ORDER BY m.id LIMIT $2",
        );
        query.bind(before.unix_micros()).bind(limit).fetch_all(&self.readers).await?.iter().map(file).collect()
    }
}

fn old(row: &SqliteRow) -> Result<OldMessage, StoreError> {
    let row = Reading::new("messages", row);
    Ok(OldMessage {
        id: row.word("id", MessageId::parse)?,
        number: row.get::<Option<i64>>("number_id")?.map(NumberId),
        left: row.wall("left_at")?,
        held: row.get("held")?,
    })
}

/// What the rules look at of a message.
pub fn message_facts(message: &MessageRecord) -> MessageFacts {
    MessageFacts { company: message.company, mailbox: message.mailbox, left: message.left }
}

/// As it stands for whoever has done nothing with it.
pub(super) fn untouched(message: &MessageRecord) -> MessageState {
    MessageState { folder: message.first_folder(), removed: false, read_at: None, read_by: None }
}

fn then(message: &MessageRecord, reader: Reader, folder: Folder, by: Option<UserId>) -> MessageThen {
    let (global, reader) = match reader {
        Reader::Everybody => (true, None),
        Reader::User(user) => (false, Some(user)),
    };
    MessageThen { folder, reader, by, ..MessageThen::of(message, global) }
}

async fn tell(
    connection: &mut SqliteConnection,
    message: &MessageRecord,
    happened: (OutboxKind, MessageThen),
    now: Wall,
) -> Result<(), StoreError> {
    outbox::append_of_message(connection, (message.company, message.call), message.id, happened, now).await
}

pub(super) async fn deliver(
    connection: &mut SqliteConnection,
    message: &MessageRecord,
    receivers: Receivers,
    now: Wall,
) -> Result<bool, StoreError> {
    if !insert(connection, message).await? {
        return Ok(false);
    }
    let global = receivers == Receivers::Everybody;
    for reader in readers(connection, message, receivers).await? {
        insert_state(connection, message, reader).await?;
    }
    let then = MessageThen::of(message, global);
    tell(connection, message, (OutboxKind::VoicemailCreated, then), now).await?;
    Ok(true)
}

/// Everyone whom the message is for.
async fn readers(
    connection: &mut SqliteConnection,
    message: &MessageRecord,
    receivers: Receivers,
) -> Result<BTreeSet<Reader>, StoreError> {
    let mut readers = match receivers {
        Receivers::Everybody => return Ok(BTreeSet::from([Reader::Everybody])),
        Receivers::Owner(owner) => BTreeSet::from([Reader::User(owner)]),
        Receivers::Subscribers => BTreeSet::new(),
    };
    let query = sqlx::query_scalar(
        "SELECT user_id FROM box_subscriptions WHERE box_id = $1 AND since <= $2 AND (until IS NULL OR until > $2)",
    );
    let query = query.bind(message.mailbox.0).bind(message.left.unix_micros());
    let subscribers: Vec<i64> = query.fetch_all(connection).await?;
    readers.extend(subscribers.into_iter().map(|user| Reader::User(UserId(user))));
    Ok(readers)
}

pub(super) async fn insert_state(
    connection: &mut SqliteConnection,
    message: &MessageRecord,
    reader: Reader,
) -> Result<(), StoreError> {
    let query = sqlx::query(
        "INSERT INTO message_states (message_id, reader_id, box_id, left_at, folder) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
    );
    let query = query
        .bind(message.id.to_string())
        .bind(reader.id())
        .bind(message.mailbox.0)
        .bind(message.left.unix_micros())
        .bind(message.first_folder().number());
    query.execute(connection).await?;
    Ok(())
}

async fn found(
    connection: &mut SqliteConnection,
    id: MessageId,
    reader: Reader,
) -> Result<Option<(MessageRecord, MessageState)>, StoreError> {
    let Some(state) = state_of(connection, id, reader).await? else { return Ok(None) };
    let row = sqlx::query("SELECT * FROM messages WHERE id = $1").bind(id.to_string()).fetch_one(connection).await?;
    Ok(Some((message(&row)?, state)))
}

async fn state_of(
    connection: &mut SqliteConnection,
    id: MessageId,
    reader: Reader,
) -> Result<Option<MessageState>, StoreError> {
    let query = sqlx::query("SELECT * FROM message_states WHERE message_id = $1 AND reader_id = $2");
    let row = query.bind(id.to_string()).bind(reader.id()).fetch_optional(connection).await?;
    row.as_ref().map(state).transpose()
}

/// Deletes the row with every state, and tells those who had it.
async fn erase(
    connection: &mut SqliteConnection,
    id: MessageId,
    (by, because): (Option<UserId>, &str),
    now: Wall,
) -> Result<Option<MessageFile>, StoreError> {
    let row = sqlx::query("SELECT * FROM messages WHERE id = $1").bind(id.to_string());
    let Some(row) = row.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let (gone, file) = (message(&row)?, file(&row)?);
    let query = sqlx::query_scalar("SELECT reader_id FROM message_states WHERE message_id = $1 AND NOT removed");
    let readers: Vec<i64> = query.bind(id.to_string()).fetch_all(&mut *connection).await?;
    let readers: Vec<Reader> = readers.into_iter().map(Reader::of_id).collect();
    let heard_by = readers.iter().filter_map(|reader| match reader {
        Reader::Everybody => None,
        Reader::User(user) => Some(*user),
    });
    let global = readers.contains(&Reader::Everybody);
    let (heard_by, because) = (heard_by.collect(), because.to_owned());
    let then = MessageThen { by, heard_by, because, ..MessageThen::of(&gone, global) };
    tell(connection, &gone, (OutboxKind::VoicemailDeleted, then), now).await?;
    sqlx::query("DELETE FROM messages WHERE id = $1").bind(id.to_string()).execute(&mut *connection).await?;
    doom(&mut *connection, &file.path).await?;
    withdraw_archives(connection, &gone).await?;
    Ok(Some(file))
}

/// A copy of what is deleted is in no archive either: those of everything with its caller have it.
async fn withdraw_archives(connection: &mut SqliteConnection, gone: &MessageRecord) -> Result<(), StoreError> {
    let digits = gone.caller.address.trim_start_matches('+');
    if gone.caller.user.is_some() || digits.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "UPDATE exports SET state = 'withdrawn', problem = $3
         WHERE company_id = $1 AND state IN ('ready', 'making') AND instr(what, '\"contact\":\"+' || $2 || '\"') > 0",
    );
    query.bind(gone.company.0).bind(digits).bind(exports::MESSAGE_DELETED).execute(connection).await?;
    Ok(())
}

/// The file is to be deleted: nothing names it any more.
pub(super) async fn doom(connection: &mut SqliteConnection, path: &str) -> Result<(), StoreError> {
    let query = sqlx::query("INSERT INTO doomed_files (path) VALUES ($1) ON CONFLICT DO NOTHING");
    query.bind(path).execute(connection).await?;
    Ok(())
}

/// Whether the row is new.
async fn insert(connection: &mut SqliteConnection, message: &MessageRecord) -> Result<bool, StoreError> {
    let MessageRecord {
        id,
        company,
        mailbox,
        call,
        caller: Party { user, address, name },
        number,
        left,
        samples,
        rate,
        path,
        bytes,
        digest,
        urgent,
        forwarded,
    } = message;
    let query = sqlx::query(
        "INSERT INTO messages (id, company_id, box_id, call_id, caller_user_id, caller_address, caller_name, number_id,
                               left_at, samples, rate, path, bytes, digest, urgent, forwarded)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (id) DO NOTHING",
    );
    let query = query
        .bind(id.to_string())
        .bind(company.0)
        .bind(mailbox.0)
        .bind(call.map(|call| call.to_string()))
        .bind(user.map(|user| user.0))
        .bind(address)
        .bind(name)
        .bind(number.map(|number| number.0))
        .bind(left.unix_micros())
        .bind(int(*samples))
        .bind(i64::from(*rate))
        .bind(path)
        .bind(int(*bytes))
        .bind(digest)
        .bind(urgent)
        .bind(forwarded.as_ref().map(serde_json::to_string).transpose()?);
    Ok(query.execute(connection).await?.rows_affected() != 0)
}

pub(super) fn message(row: &SqliteRow) -> Result<MessageRecord, StoreError> {
    let row = Reading::new("messages", row);
    let forwarded: Option<String> = row.get("forwarded")?;
    Ok(MessageRecord {
        id: row.word("id", MessageId::parse)?,
        company: CompanyId(row.get("company_id")?),
        mailbox: BoxId(row.get("box_id")?),
        call: row.word_or_none("call_id", CallId::parse)?,
        caller: Party {
            user: row.get::<Option<i64>>("caller_user_id")?.map(UserId),
            address: row.text("caller_address")?,
            name: row.text("caller_name")?,
        },
        number: row.get::<Option<i64>>("number_id")?.map(NumberId),
        left: row.wall("left_at")?,
        samples: row.count("samples")?,
        rate: row.count("rate")?,
        path: row.text("path")?,
        bytes: row.count("bytes")?,
        digest: row.text("digest")?,
        urgent: row.get("urgent")?,
        forwarded: if forwarded.is_some() { Some(row.json("forwarded")?) } else { None },
    })
}

/// The columns of `message_states`; the state of whoever has done nothing where there are none.
pub(super) fn state(row: &SqliteRow) -> Result<MessageState, StoreError> {
    let row = Reading::new("message_states", row);
    let number: i64 = row.get("folder")?;
    Ok(MessageState {
        folder: Folder::of_number(number).ok_or_else(|| row.corrupt("folder", &number.to_string()))?,
        removed: row.get("removed")?,
        read_at: row.wall_or_none("read_at")?,
        read_by: row.get::<Option<i64>>("read_by")?.map(UserId),
    })
}

pub(super) fn file(row: &SqliteRow) -> Result<MessageFile, StoreError> {
    let row = Reading::new("messages", row);
    Ok(MessageFile {
        id: row.word("id", MessageId::parse)?,
        company: CompanyId(row.get("company_id")?),
        mailbox: BoxId(row.get("box_id")?),
        path: row.text("path")?,
        bytes: row.count("bytes")?,
        digest: row.text("digest")?,
    })
}

#[cfg(test)]
mod tests;
