//! What open streams look at for every event: few numbers, whatever there is in the database.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::Wall;

/// Says whether what somebody may know can have changed: another one is another moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessVersion {
    /// Of the directory: settings, people, memberships, numbers.
    pub directory: i64,
    /// Of subscriptions, sessions and tokens.
    pub rights: i64,
}

impl Store {
    pub async fn access_version(&self) -> Result<AccessVersion, StoreError> {
        let query = sqlx::query(
            "SELECT directory_version.version AS directory, access_version.version AS rights
             FROM directory_version, access_version",
        );
        let row = query.fetch_one(&self.readers).await?;
        let row = Reading::new("access_version", &row);
        Ok(AccessVersion { directory: row.get("directory")?, rights: row.get("rights")? })
    }

    /// Until when the session or token holds; `None` where it is over.
    pub async fn token_holds_until(&self, id: i64, now: Wall) -> Result<Option<Wall>, StoreError> {
        let query = sqlx::query_scalar("SELECT expires FROM tokens WHERE id = $1 AND expires > $2");
        let expires: Option<i64> = query.bind(id).bind(now.unix_micros()).fetch_optional(&self.readers).await?;
        Ok(expires.map(Wall::from_unix_micros))
    }
}
