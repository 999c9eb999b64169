//! What belongs to a voicemail box besides its messages: who is subscribed to it, and what callers hear.

use super::row::{Reading, int};
use super::{Store, StoreError, messages};
use crate::base::{BoxId, CompanyId, Samples, UserId, Wall};
use crate::ledger::GreetingKind;
use crate::subscription::BoxSubscribed;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// Somebody who receives, or has received, the messages of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxSubscriber {
    pub user: UserId,
    pub from: Wall,
    /// `None`: they receive what is left now.
    pub until: Option<Wall>,
}

/// What callers of a box hear, where it was recorded or uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    pub mailbox: BoxId,
    pub kind: GreetingKind,
    /// Below the folder of recordings.
    pub path: String,
    /// At 8 kHz.
    pub samples: u64,
    pub changed: Wall,
}

impl Greeting {
    pub const fn length(&self) -> Samples {
        Samples(self.samples)
    }
}

impl Store {
    /// Every interval of a user that was not withdrawn.
    pub async fn box_subscriptions_of(&self, user: UserId) -> Result<Vec<BoxSubscribed>, StoreError> {
        let query = sqlx::query("SELECT * FROM box_subscriptions WHERE user_id = $1 ORDER BY id").bind(user.0);
        query.fetch_all(&self.readers).await?.iter().map(subscribed).collect()
    }

    /// Everyone who receives the messages of a box now, or has received some and kept them.
    pub async fn box_subscribers(&self, mailbox: BoxId) -> Result<Vec<BoxSubscriber>, StoreError> {
        let query = sqlx::query("SELECT * FROM box_subscriptions WHERE box_id = $1 ORDER BY id").bind(mailbox.0);
        query.fetch_all(&self.readers).await?.iter().map(subscriber).collect()
    }

    /// From `now` on the user receives what is left in the box. Twice is once.
    pub async fn subscribe_to_box(
        &self,
        company: CompanyId,
        mailbox: BoxId,
        user: UserId,
        now: Wall,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        subscribe(&mut transaction, company, mailbox, user, now).await?;
        Ok(transaction.commit().await?)
    }

    /// From `now` on nothing new comes; what was received stays.
    pub async fn unsubscribe_from_box(&self, mailbox: BoxId, user: UserId, now: Wall) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        unsubscribe(&mut transaction, mailbox, user, now).await?;
        Ok(transaction.commit().await?)
    }

    /// What was received is taken back as well. `keeps`: the box is the user's own, and what is in it stays.
    pub async fn withdraw_box(&self, mailbox: BoxId, user: UserId, keeps: bool) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let query = sqlx::query("DELETE FROM box_subscriptions WHERE box_id = $1 AND user_id = $2");
        query.bind(mailbox.0).bind(user.0).execute(&mut *transaction).await?;
        if !keeps {
            let query = sqlx::query("DELETE FROM message_states WHERE reader_id = $2 AND box_id = $1");
            query.bind(mailbox.0).bind(user.0).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Files that nothing names any more and that are to be deleted, whoever does it.
    pub async fn doomed_files(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT path FROM doomed_files ORDER BY path LIMIT $1");
        Ok(query.bind(limit).fetch_all(&self.readers).await?)
    }

    /// These are not there any more.
    pub async fn doomed_are_gone(&self, paths: &[String]) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM doomed_files WHERE path IN (SELECT value FROM json_each($1))");
        query.bind(serde_json::to_string(paths)?).execute(&self.writer).await?;
        Ok(())
    }

    pub async fn greeting(&self, mailbox: BoxId, kind: GreetingKind) -> Result<Option<Greeting>, StoreError> {
        let query = sqlx::query("SELECT * FROM greetings WHERE box_id = $1 AND kind = $2");
        let row = query.bind(mailbox.0).bind(kind.as_str()).fetch_optional(&self.readers).await?;
        row.as_ref().map(greeting).transpose()
    }

    pub async fn greetings(&self, mailbox: BoxId) -> Result<Vec<Greeting>, StoreError> {
        let query = sqlx::query("SELECT * FROM greetings WHERE box_id = $1 ORDER BY kind").bind(mailbox.0);
        query.fetch_all(&self.readers).await?.iter().map(greeting).collect()
    }

    /// A new greeting in the place of one that may be there, whose file is doomed where it is another one.
    /// The new one's is there already.
    pub async fn set_greeting(&self, new: &Greeting) -> Result<(), StoreError> {
        let Greeting { mailbox, kind, path, samples, changed } = new;
        let mut transaction = self.write().await?;
        let query = sqlx::query(
            "INSERT INTO doomed_files (path) SELECT path FROM greetings WHERE box_id = $1 AND kind = $2 AND path <> $3
             ON CONFLICT DO NOTHING",
        );
        query.bind(mailbox.0).bind(kind.as_str()).bind(path).execute(&mut *transaction).await?;
        // One that was doomed and comes again is named again.
        sqlx::query("DELETE FROM doomed_files WHERE path = $1").bind(path).execute(&mut *transaction).await?;
        let query = sqlx::query(
            "INSERT INTO greetings (box_id, kind, path, samples, changed) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (box_id, kind) DO UPDATE SET path = excluded.path, samples = excluded.samples,
                 changed = excluded.changed",
        );
        let query =
            query.bind(mailbox.0).bind(kind.as_str()).bind(path).bind(int(*samples)).bind(changed.unix_micros());
        query.execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Takes a greeting away and says which; its file is doomed.
    pub async fn remove_greeting(&self, mailbox: BoxId, kind: GreetingKind) -> Result<Option<Greeting>, StoreError> {
        let mut transaction = self.write().await?;
        let query = sqlx::query("DELETE FROM greetings WHERE box_id = $1 AND kind = $2 RETURNING *");
        let row = query.bind(mailbox.0).bind(kind.as_str()).fetch_optional(&mut *transaction).await?;
        let removed = row.as_ref().map(greeting).transpose()?;
        if let Some(Greeting { path, .. }) = &removed {
            messages::doom(&mut transaction, path).await?;
        }
        transaction.commit().await?;
        Ok(removed)
    }

    /// Every greeting there is: for whoever looks whether their files are.
    pub async fn all_greetings(&self) -> Result<Vec<Greeting>, StoreError> {
        let rows = sqlx::query("SELECT * FROM greetings ORDER BY box_id, kind").fetch_all(&self.readers).await?;
        rows.iter().map(greeting).collect()
    }
}

pub(super) async fn subscribe(
    connection: &mut SqliteConnection,
    company: CompanyId,
    mailbox: BoxId,
    user: UserId,
    now: Wall,
) -> Result<(), StoreError> {
    let query = sqlx::query(
        "INSERT INTO box_subscriptions (company_id, box_id, user_id, since) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    );
    query.bind(company.0).bind(mailbox.0).bind(user.0).bind(now.unix_micros()).execute(connection).await?;
    Ok(())
}

pub(super) async fn unsubscribe(
    connection: &mut SqliteConnection,
    mailbox: BoxId,
    user: UserId,
    now: Wall,
) -> Result<(), StoreError> {
    let query =
        sqlx::query("UPDATE box_subscriptions SET until = $3 WHERE box_id = $1 AND user_id = $2 AND until IS NULL");
    query.bind(mailbox.0).bind(user.0).bind(now.unix_micros()).execute(connection).await?;
    Ok(())
}

/// Everyone who is subscribed to the box, or was.
pub(super) async fn users_of(connection: &mut SqliteConnection, mailbox: BoxId) -> Result<Vec<UserId>, StoreError> {
    let query = sqlx::query_scalar("SELECT DISTINCT user_id FROM box_subscriptions WHERE box_id = $1");
    let users: Vec<i64> = query.bind(mailbox.0).fetch_all(connection).await?;
    Ok(users.into_iter().map(UserId).collect())
}

fn subscribed(row: &SqliteRow) -> Result<BoxSubscribed, StoreError> {
    let row = Reading::new("box_subscriptions", row);
    Ok(BoxSubscribed {
        mailbox: BoxId(row.get("box_id")?),
        from: row.wall("since")?,
        until: row.wall_or_none("until")?,
    })
}

fn subscriber(row: &SqliteRow) -> Result<BoxSubscriber, StoreError> {
    let row = Reading::new("box_subscriptions", row);
    Ok(BoxSubscriber { user: UserId(row.get("user_id")?), from: row.wall("since")?, until: row.wall_or_none("until")? })
}

fn greeting(row: &SqliteRow) -> Result<Greeting, StoreError> {
    let row = Reading::new("greetings", row);
    Ok(Greeting {
        mailbox: BoxId(row.get("box_id")?),
        kind: row.word("kind", GreetingKind::parse)?,
        path: row.text("path")?,
        samples: row.count("samples")?,
        changed: row.wall("changed")?,
    })
}
