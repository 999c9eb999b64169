//! Answers to requests that say who they are, so that one that is sent again is answered and not
//! carried out again.

use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{Span, Wall};

/// How long an answer is kept.
const KEPT: Span = Span::from_secs(24 * 3_600);
/// A request that has not been answered after this never will be: the service ended over it.
const LOST: Span = Span::from_secs(300);

/// What is known of a request that comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It is the first; it is under way from now on.
    First,
    /// The first is not answered yet.
    UnderWay,
    /// The key was used for another request.
    Other,
    Answered(Answered),
}

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    pub content_type: String,
    /// `None`: it held a secret, which was shown once and is kept nowhere.
    pub body: Option<Vec<u8>>,
}

impl Store {
    /// Asks for a request, and marks it as under way where it is the first.
    pub async fn begin_request(&self, who: &str, key: &str, digest: &str, now: Wall) -> Result<Repeat, StoreError> {
        let mut transaction = self.write().await?;
        let old = sqlx::query("DELETE FROM repeats WHERE at <= $1 OR (status IS NULL AND at <= $2)");
        let old = old.bind(now.minus(KEPT).unix_micros()).bind(now.minus(LOST).unix_micros());
        old.execute(&mut *transaction).await?;
        let begun = sqlx::query(
            "INSERT INTO repeats (who, key, digest, at) VALUES ($1, $2, $3, $4) ON CONFLICT (who, key) DO NOTHING",
        );
        let begun = begun.bind(who).bind(key).bind(digest).bind(now.unix_micros()).execute(&mut *transaction).await?;
        let repeat = match begun.rows_affected() {
            0 => {
                let query = sqlx::query("SELECT * FROM repeats WHERE who = $1 AND key = $2").bind(who).bind(key);
                let row = query.fetch_one(&mut *transaction).await?;
                let row = Reading::new("repeats", &row);
                match row.get::<Option<i64>>("status")? {
                    _ if row.text("digest")? != digest => Repeat::Other,
                    None => Repeat::UnderWay,
                    Some(_) => Repeat::Answered(Answered {
                        status: row.count("status")?,
                        content_type: row.text("content_type")?,
                        body: row.get("body")?,
                    }),
                }
            }
            _ => Repeat::First,
        };
        transaction.commit().await?;
        Ok(repeat)
    }

    /// Keeps the answer to a request that is under way.
    pub async fn answer_request(&self, who: &str, key: &str, answered: &Answered) -> Result<(), StoreError> {
        let Answered { status, content_type, body } = answered;
        let query =
            sqlx::query("UPDATE repeats SET status = $3, content_type = $4, body = $5 WHERE who = $1 AND key = $2");
        let query = query.bind(who).bind(key).bind(i64::from(*status)).bind(content_type).bind(body);
        query.execute(&self.writer).await?;
        Ok(())
    }

    /// Forgets a request that changed nothing: it can be sent again.
    pub async fn forget_request(&self, who: &str, key: &str) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM repeats WHERE who = $1 AND key = $2").bind(who).bind(key);
        query.execute(&self.writer).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Wall {
        Wall::from_unix_micros(1_700_000_000_000_000).plus(Span::from_secs(seconds))
    }

    #[tokio::test]
    async fn a_request_is_carried_out_once_in_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("t.db")).await.unwrap();
        let begin =
            async |who: &str, digest: &str, seconds| store.begin_request(who, "k", digest, at(seconds)).await.unwrap();
        assert_eq!(begin("a", "d", 0).await, Repeat::First);
        assert_eq!(begin("a", "d", 1).await, Repeat::UnderWay);
        assert_eq!(begin("b", "d", 1).await, Repeat::First, "another one's key is another key");
        let answered =
            Answered { status: 201, content_type: "application/json".to_owned(), body: Some(b"{}".to_vec()) };
        store.answer_request("a", "k", &answered).await.unwrap();
        assert_eq!(begin("a", "d", 2).await, Repeat::Answered(answered));
        assert_eq!(begin("a", "e", 2).await, Repeat::Other);
        assert_eq!(begin("b", "d", 301).await, Repeat::First, "the service ended over it");
        assert_eq!(begin("a", "e", 86_400).await, Repeat::First, "after a day");
        store.forget_request("a", "k").await.unwrap();
        assert_eq!(begin("a", "d", 86_401).await, Repeat::First);
    }
}
