//! Log-ins: passwords of people, sessions and tokens. Of every secret only a hash is here.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{UserId, Wall};
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

/// A session or token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    pub id: i64,
    pub kind: TokenKind,
    pub user: UserId,
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
    pub user: UserId,
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

    pub async fn add_token(&self, token: &NewToken) -> Result<TokenRow, StoreError> {
        let NewToken { kind, user, name, hash, scopes, created, expires } = token;
        let mut transaction = self.write().await?;
        // Those that have expired go when new ones come: the table is as long as what is in use.
        let expired = sqlx::query("DELETE FROM tokens WHERE expires <= $1").bind(created.unix_micros());
        expired.execute(&mut *transaction).await?;
        let query = sqlx::query(
            "INSERT INTO tokens (kind, user_id, name, hash, scopes, created, expires)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *",
        );
        let query = query.bind(kind.as_str()).bind(user.0).bind(name).bind(hash);
        let query = query.bind(serde_json::to_string(scopes)?);
        let row = query.bind(created.unix_micros()).bind(expires.unix_micros()).fetch_one(&mut *transaction).await?;
        let token = self::token(&row)?;
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

    /// A user's tokens of programs, the oldest first.
    pub async fn tokens_of(&self, user: UserId, now: Wall) -> Result<Vec<TokenRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM tokens WHERE user_id = $1 AND kind = $2 AND expires > $3 ORDER BY id");
        let query = query.bind(user.0).bind(TokenKind::Token.as_str()).bind(now.unix_micros());
        query.fetch_all(&self.readers).await?.iter().map(token).collect()
    }

    /// Ends a session or token of that user; whether there was one.
    pub async fn remove_token(&self, user: UserId, id: i64) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM tokens WHERE user_id = $1 AND id = $2").bind(user.0).bind(id);
        Ok(query.execute(&self.writer).await?.rows_affected() > 0)
    }
}

fn token(row: &SqliteRow) -> Result<TokenRow, StoreError> {
    let row = Reading::new("tokens", row);
    Ok(TokenRow {
        id: row.get("id")?,
        kind: row.word("kind", TokenKind::parse)?,
        user: UserId(row.get("user_id")?),
        name: row.text("name")?,
        scopes: row.json("scopes")?,
        created: row.wall("created")?,
        expires: row.wall("expires")?,
    })
}
