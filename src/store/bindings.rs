//! Registered devices: they outlive a restart, so that a call reaches a phone that does not
//! know of it.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{UserId, Wall};
use crate::directory::Transport;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use std::net::SocketAddr;

/// One contact of a user (RFC 3261 §10.3), as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBinding {
    pub user: UserId,
    /// Contact URI.
    pub contact: String,
    /// `+sip.instance` (RFC 5626 §4.1), without quotes.
    pub instance: Option<String>,
    pub expires: Wall,
    /// Where the registration came from.
    pub source: SocketAddr,
    pub transport: Transport,
    /// What else the registrar keeps (Call-ID, CSeq, listener, name of the device), as JSON text.
    pub detail: String,
}

impl Store {
    /// Makes the bindings of each of these users exactly those given, in their order, all in
    /// one transaction. Users who have gone are left out.
    pub async fn save_bindings(&self, changed: &[(UserId, Vec<StoredBinding>)]) -> Result<(), StoreError> {
        if changed.is_empty() {
            return Ok(());
        }
        let mut transaction = self.write().await?;
        for (user, bindings) in changed {
            sqlx::query("DELETE FROM bindings WHERE user_id = $1").bind(user.0).execute(&mut *transaction).await?;
            for (position, binding) in (0..).zip(bindings) {
                save(&mut transaction, *user, position, binding).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    /// The bindings that have not run out at `now`, by user, in the order in which they were
    /// saved. The others are deleted.
    pub async fn load_bindings(&self, now: Wall) -> Result<Vec<StoredBinding>, StoreError> {
        let expired = sqlx::query("DELETE FROM bindings WHERE expires <= $1").bind(now.unix_micros());
        expired.execute(&self.writer).await?;
        let query = sqlx::query("SELECT * FROM bindings WHERE expires > $1 ORDER BY user_id, position");
        query.bind(now.unix_micros()).fetch_all(&self.readers).await?.iter().map(binding).collect()
    }
}

async fn save(
    connection: &mut SqliteConnection,
    user: UserId,
    position: i64,
    binding: &StoredBinding,
) -> Result<(), StoreError> {
    let StoredBinding { user: _, contact, instance, expires, source, transport, detail } = binding;
    let query = sqlx::query(
        "INSERT INTO bindings (user_id, position, contact, instance, expires, source, transport, detail)
         SELECT id, $2, $3, $4, $5, $6, $7, $8 FROM users WHERE id = $1",
    );
    let query = query
        .bind(user.0)
        .bind(position)
        .bind(contact)
        .bind(instance)
        .bind(expires.unix_micros())
        .bind(source.to_string())
        .bind(transport.as_str())
        .bind(detail);
    query.execute(connection).await?;
    Ok(())
}

fn binding(row: &SqliteRow) -> Result<StoredBinding, StoreError> {
    let row = Reading::new("bindings", row);
    Ok(StoredBinding {
        user: UserId(row.get("user_id")?),
        contact: row.text("contact")?,
        instance: row.get("instance")?,
        expires: row.wall("expires")?,
        source: row.word("source", |text| text.parse().ok())?,
        transport: row.word("transport", Transport::parse)?,
        detail: row.text("detail")?,
    })
}
