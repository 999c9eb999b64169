//! Log-ins: passwords of people, sessions and tokens. Of every secret only a hash is here.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{StaffId, UserId, Wall};
use sqlx::sqlite::SqliteRow;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A person in a browser, until they log out.
    Session,
    /// A program, with the scopes that it was given.
    Token,
}

impl TokenKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            TokenKind::Session => "session",
            TokenKind::Token => "token",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [TokenKind::Session, TokenKind::Token].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whose session or token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A user of a company.
    User(UserId),
    /// An operator or a reseller.
    Staff(StaffId),
}

impl Owner {
    /// Values of the columns `user_id` and `staff_id`.
    const fn columns(self) -> (Option<i64>, Option<i64>) {
        match self {
            Owner::User(user) => (Some(user.0), None),
            Owner::Staff(staff) => (None, Some(staff.0)),
        }
    }
}

/// A session or token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    pub id: i64,
    pub kind: TokenKind,
    pub owner: Owner,
    /// For people, to tell tokens apart.
    pub name: String,
    pub scopes: Vec<String>,
    pub created: Wall,
    pub expires: Wall,
}

/// A session or token that is to be kept.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub kind: TokenKind,
    pub owner: Owner,
    pub name: String,
    /// SHA-256 of the secret, hex.
    pub hash: String,
    pub scopes: Vec<String>,
    pub created: Wall,
    pub expires: Wall,
}

impl Store {
    /// The Argon2 hash of a user's password (PHC string); `None` where the user has no password.
    pub async fn password_hash(&self, user: UserId) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1").bind(user.0);
        let hash: Option<String> = query.fetch_optional(&self.readers).await?;
        Ok(hash.filter(|hash| !hash.is_empty()))
    }

    /// Keeps a session or token; `None` where its owner has `most` of that kind already.
    pub async fn add_token(&self, token: &NewToken, most: u32) -> Result<Option<TokenRow>, StoreError> {
        let NewToken { kind, owner, name, hash, scopes, created, expires } = token;
        let mut transaction = self.write().await?;
        // Those that have expired go when new ones come: the table is as long as what is in use.
        let expired = sqlx::query("DELETE FROM tokens WHERE expires <= $1").bind(created.unix_micros());
        expired.execute(&mut *transaction).await?;
        let query = sqlx::query(
            "INSERT INTO tokens (kind, user_id, staff_id, name, hash, scopes, created, expires)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8
             WHERE (SELECT COUNT(*) FROM tokens WHERE kind = $1 AND (user_id = $2 OR staff_id = $3)) < $9
             RETURNING *",
        );
        let (user, staff) = owner.columns();
        let query = query.bind(kind.as_str()).bind(user).bind(staff).bind(name).bind(hash);
        let query = query.bind(serde_json::to_string(scopes)?);
        let query = query.bind(created.unix_micros()).bind(expires.unix_micros()).bind(most);
        let row = query.fetch_optional(&mut *transaction).await?;
        let token = row.as_ref().map(self::token).transpose()?;
        transaction.commit().await?;
        Ok(token)
    }

    /// The session or token whose secret has this hash, unless it has expired.
    pub async fn token_by_hash(&self, hash: &str, now: Wall) -> Result<Option<TokenRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM tokens WHERE hash = $1 AND expires > $2");
        let row = query.bind(hash).bind(now.unix_micros()).fetch_optional(&self.readers).await?;
        row.as_ref().map(token).transpose()
    }

    /// Whether the session or token is still there and has not expired.
    pub async fn token_lives(&self, id: i64, now: Wall) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tokens WHERE id = $1 AND expires > $2)");
        Ok(query.bind(id).bind(now.unix_micros()).fetch_one(&self.readers).await?)
    }

    /// Somebody's tokens of programs, the oldest first.
    pub async fn tokens_of(&self, owner: Owner, now: Wall) -> Result<Vec<TokenRow>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM tokens WHERE (user_id = $1 OR staff_id = $2) AND kind = $3 AND expires > $4 ORDER BY id",
        );
        let (user, staff) = owner.columns();
        let query = query.bind(user).bind(staff).bind(TokenKind::Token.as_str()).bind(now.unix_micros());
        query.fetch_all(&self.readers).await?.iter().map(token).collect()
    }

    /// Ends a session or token of that person; whether there was one.
    pub async fn remove_token(&self, owner: Owner, id: i64) -> Result<bool, StoreError> {
        let (user, staff) = owner.columns();
        let query = sqlx::query("DELETE FROM tokens WHERE (user_id = $1 OR staff_id = $2) AND id = $3");
        let query = query.bind(user).bind(staff).bind(id);
        Ok(query.execute(&self.writer).await?.rows_affected() > 0)
    }
}

fn token(row: &SqliteRow) -> Result<TokenRow, StoreError> {
    let row = Reading::new("tokens", row);
    let owner = match (row.get::<Option<i64>>("user_id")?, row.get::<Option<i64>>("staff_id")?) {
        (_, Some(staff)) => Owner::Staff(StaffId(staff)),
        (user, None) => Owner::User(UserId(user.unwrap_or_default())),
    };
    Ok(TokenRow {
        id: row.get("id")?,
        kind: row.word("kind", TokenKind::parse)?,
        owner,
        name: row.text("name")?,
        scopes: row.json("scopes")?,
        created: row.wall("created")?,
        expires: row.wall("expires")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_who_make_tokens_at_once_no_more_than_the_limit_get_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("t.db")).await.unwrap());
        let now = Wall::from_unix_micros(1_000_000);
        let staff = |name: &'static str| {
            let store = Arc::clone(&store);
            async move { store.add_staff(name, super::super::StaffKind::Operator, "", now).await.unwrap().unwrap() }
        };
        let (one, other) = (Owner::Staff(staff("one").await), Owner::Staff(staff("other").await));
        let new = |owner: Owner, kind: TokenKind, expires: Wall, hash: String| NewToken {
            kind,
            owner,
            name: String::new(),
            hash,
            scopes: Vec::new(),
            created: now,
            expires,
        };
        let later = now.plus(crate::base::Span::from_secs(60));
        let old = new(one, TokenKind::Token, now, "expired".to_owned());
        assert!(store.add_token(&old, 5).await.unwrap().is_some(), "it counts no more when others come");
        let session = new(one, TokenKind::Session, later, "session".to_owned());
        assert!(store.add_token(&session, u32::MAX).await.unwrap().is_some(), "a session is none of them");
        let tasks: Vec<_> = (0..20)
            .map(|at| {
                let (store, new) = (Arc::clone(&store), new(one, TokenKind::Token, later, format!("hash {at}")));
                tokio::spawn(async move { store.add_token(&new, 5).await.unwrap().is_some() })
            })
            .collect();
        let mut made = 0;
        for task in tasks {
            made += usize::from(task.await.unwrap());
        }
        assert_eq!((made, store.tokens_of(one, now).await.unwrap().len()), (5, 5));
        let theirs = new(other, TokenKind::Token, later, "theirs".to_owned());
        assert!(store.add_token(&theirs, 5).await.unwrap().is_some(), "each owner has their own limit");
    }
}
