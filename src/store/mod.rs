//! What outlives the process: the directory, calls, recordings, the outbox, the feed, and
//! the registered devices, in one SQLite file.
//!
//! One connection writes, a few read. The queries are SQL that PostgreSQL understands too
//! (`$1`, `ON CONFLICT`, `RETURNING`); only the schema and this file know the engine.

mod access;
mod apply;
mod backup;
mod bindings;
mod box_rights;
mod calls;
mod contacts;
mod conversations;
mod directory;
mod erase;
mod erasures;
mod events;
mod exports;
mod facilities;
mod feed;
mod figures;
mod health;
mod holds;
mod journal;
mod lists;
mod mailboxes;
mod message_lists;
mod message_pages;
mod messages;
mod migrate;
mod notes;
mod notices;
mod outbox;
mod purge;
mod push;
mod recordings;
mod repeats;
mod retention;
mod row;
mod sends;
mod shared;
mod staff;
mod texts;
mod tokens;
mod uuids;
mod webhooks;

pub use access::{SubscriptionChange, facts};
pub use apply::{Applied, By, GeneratedPassword};
pub use bindings::StoredBinding;
pub use contacts::{ContactCursor, ContactRow, Contacts, OutsideCursor, OutsideNumber, OutsidePage, WrittenRow};
pub use conversations::{ConversationFilter, ListedConversation};
pub use erase::{Contact, Erased};
pub use erasures::Erasure;
pub use events::AccessVersion;
pub use exports::{ExportRow, ExportState, MadeExport, NewExport};
pub use figures::{FigureKey, Figures};
pub use health::{Examined, Progress};
pub use holds::{Held, Hold, LiftAsked, NewHold};
pub use journal::{Access, AccessLine, BrokenLog, LogFilter};
pub use lists::CallFilter;
pub use mailboxes::{BoxSubscriber, Greeting};
pub use message_lists::{MessageCursor, MessageFilter};
pub use message_pages::{MessageOrder, MessageSlice};
pub use messages::{GoneMessage, MessageFile, MessageRow, MessageState, OldMessage, message_facts};
pub use notes::{CallNote, Noted, Unnoted, Writer};
pub use notices::{Channel, NewNotice, NoticeOutcome, NoticeRow, NoticeState};
pub use purge::Purged;
pub use push::{NewPushSubscription, PushGateway, PushSubscription};
pub use recordings::{RecordingFile, RecordingFilter};
pub use repeats::{Answered, Repeat};
pub use retention::{Candidate, Deletion, Gone};
pub use sends::{ArrivedPart, Joined as JoinedParts, SendOutcome, SendRow, SendState};
pub use shared::{Licence, Release};
pub use staff::{StaffKind, StaffRow, is_staff_name};
pub use texts::{Between, ConversationRow, NewText, Taken};
pub use tokens::{NewToken, Owner, TokenKind, TokenRow};
pub use webhooks::{Attempt, DeliveryRow, DeliveryState, NewDelivery, NewWebhook, WEBHOOKS, WebhookRow};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Readers at a time; further ones wait.
const READERS: u32 = 4;

/// The database. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    /// The outbox has something new, written by this process.
    grown: Arc<Notify>,
    /// Something was queued for a hook, by this process.
    deliveries: Arc<Notify>,
    /// Something about text messages was written, by this process.
    texts: Arc<Notify>,
    /// A notice is to be sent anew, by this process.
    notices: Arc<Notify>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database {}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("database has schema {found}, this version of the service knows {known}: start a newer one")]
    TooNew { found: i64, known: i64 },
    #[error("table {table}, row {row}: {what}")]
    Corrupt { table: &'static str, row: String, what: String },
    #[error("the directory has changed since the plan was made (it is no longer at version {0}): apply the file again")]
    Stale(i64),
    #[error("users are deactivated, or hand over their subscriptions, by somebody and at a time: neither was said")]
    Unsigned,
    #[error("{0} is not there any more: apply the file again")]
    Gone(String),
    #[error("a legal hold keeps {0}: lift it first")]
    Held(String),
    #[error(transparent)]
    Password(#[from] crate::directory::plan::HashError),
    #[error("a value cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a task of the store ended early: {0}")]
    Task(String),
}

impl Store {
    /// Opens the database at `path`, which is made (mode 0600, its folder 0700) and
    /// brought to this version's schema as needed.
    pub async fn open(path: &Path) -> Result<Store, StoreError> {
        make_private(path).map_err(|error| StoreError::File { path: path.to_owned(), error })?;
        let options = SqliteConnectOptions::new().filename(path).foreign_keys(true).busy_timeout(BUSY_TIMEOUT);
        // In WAL mode FULL syncs the log at every commit, NORMAL only now and then. What is
        // handed over must outlive a loss of power, since the `.part` that it could be made
        // from again is gone by then. The price, a sync per commit, is shared by batching.
        let writing = options.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let writer = pool(1).connect_with(writing).await?;
        migrate::run(&writer).await?;
        let readers = pool(READERS).connect_with(options.pragma("query_only", "ON")).await?;
        let (grown, deliveries) = (Arc::default(), Arc::default());
        Ok(Store { writer, readers, grown, deliveries, texts: Arc::default(), notices: Arc::default() })
    }

    /// Woken after each transaction of this process that has written into the outbox; a wake-up
    /// that nobody waited for is kept. For the one reader of the outbox.
    pub async fn outbox_has_grown(&self) {
        self.grown.notified().await;
    }

    /// Waits for what is under way and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that may write. It takes the write lock at once: one that reads first
    /// and locks later can fail half-way.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// A transaction that sees one moment of the database.
    async fn read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.readers.begin().await?)
    }
}

/// Connections are kept: opening one costs more than a query.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None)
}

/// SQLite gives its log files the mode of the database, so this file's mode is theirs too.
fn make_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests;
