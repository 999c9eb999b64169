//! A copy of the database while it is in use.

use super::{Store, StoreError, make_private};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use std::path::Path;

impl Store {
    /// Writes a copy of one moment to `path`, which must not be there or be empty. Whoever writes is not kept from it.
    pub async fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        // SQLite itself would make it for everybody to read.
        make_private(path).map_err(|error| StoreError::File { path: path.to_owned(), error })?;
        // A connection that may write a file: those of the readers are `query_only`.
        let options = self.readers.connect_options();
        let options = SqliteConnectOptions::clone(&options).pragma("query_only", "OFF");
        let mut connection = options.connect().await?;
        let copied = sqlx::query("VACUUM INTO $1").bind(path.display().to_string()).execute(&mut connection).await;
        sqlx::Connection::close(connection).await?;
        copied?;
        Ok(())
    }

    /// What SQLite itself finds wrong with the file; `None`: nothing.
    pub async fn integrity(&self) -> Result<Option<String>, StoreError> {
        let said: String = sqlx::query_scalar("PRAGMA integrity_check(10)").fetch_one(&self.readers).await?;
        Ok(Some(said).filter(|said| said != "ok"))
    }

    /// Everything is in the one file from here on: for a copy that is to stand alone.
    pub async fn settle(&self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await?;
        Ok(())
    }
}
