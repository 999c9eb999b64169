//! The access log, which is only ever added to, and who has heard what.

use super::lists::within;
use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CallId, CompanyId, RecordingId, UserId, Wall};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::BTreeSet;

/// What somebody did with a thing of a company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub at: Wall,
    pub company: CompanyId,
    /// `None`: the operator.
    pub user: Option<UserId>,
    /// Their extension and name as they were then.
    pub who: String,
    /// The address that it came from.
    pub source: String,
    /// e.g. `recording.play`.
    pub action: String,
    /// What it was done with: a kind and an id.
    pub thing: String,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLine {
    pub seq: i64,
    pub at: Wall,
    pub company: CompanyId,
    pub user: Option<UserId>,
    pub who: String,
    pub source: String,
    pub action: String,
    pub thing: String,
    /// SHA-256 of this line and of the chain of the line before it, hex.
    pub chain: String,
}

impl AccessLine {
    /// What its chain has to be after a line whose chain is `before`. Each field goes in with its
    /// length: no two lines are the same bytes.
    fn chain_after(&self, before: &str) -> String {
        let AccessLine { seq, at, company, user, who, source, action, thing, chain: _ } = self;
        let mut digest = Sha256::new();
        let numbers = format!("{seq} {} {company} {}", at.unix_micros(), user.map_or(0, |user| user.0));
        for field in [before, &numbers, who, source, action, thing] {
            digest.update((field.len() as u64).to_le_bytes());
            digest.update(field.as_bytes());
        }
        hex::encode(digest.finalize())
    }
}

/// What is wrong with the log.
/// Which lines of the access log are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    pub newest_first: bool,
    /// `seq`: later lines.
    pub after: i64,
    /// `seq`: earlier lines.
    pub before: Option<i64>,
    pub from: Option<Wall>,
    pub until: Option<Wall>,
    /// One action (`recording.play`), or all of a kind (`recording`).
    pub action: Option<String>,
    /// Part of who, whence, action or thing; letters of ASCII in either case.
    pub text: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenLog {
    #[error("line {0} of the access log is missing")]
    Missing(i64),
    #[error("line {0} of the access log, or one before it, was changed")]
    Changed(i64),
}

impl Store {
    /// Adds a line, and says its number.
    pub async fn log_access(&self, access: &Access) -> Result<i64, StoreError> {
        let mut transaction = self.write().await?;
        let seq = append(&mut transaction, access).await?;
        transaction.commit().await?;
        Ok(seq)
    }

    /// Lines of a company after `after`, in order.
    pub async fn access_log(&self, company: CompanyId, after: i64, limit: u32) -> Result<Vec<AccessLine>, StoreError> {
        self.access_lines(company, &LogFilter { after, ..LogFilter::default() }, limit).await
    }

    /// Lines of a company that fit.
    pub async fn access_lines(
        &self,
        company: CompanyId,
        filter: &LogFilter,
        limit: u32,
    ) -> Result<Vec<AccessLine>, StoreError> {
        let LogFilter { newest_first, after, before, from, until, action, text } = filter;
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM access_log WHERE company_id = ");
        query.push_bind(company.0).push(" AND seq > ").push_bind(after);
        if let Some(before) = before {
            query.push(" AND seq < ").push_bind(before);
        }
        if let Some(from) = from {
            query.push(" AND at >= ").push_bind(from.unix_micros());
        }
        if let Some(until) = until {
            query.push(" AND at < ").push_bind(until.unix_micros());
        }
        if let Some(action) = action {
            // `recording` is of `recording.play`, and not of `recordings.play`.
            query.push(" AND (action = ").push_bind(action).push(" OR substr(action, 1, ");
            query.push_bind(i64::try_from(action.chars().count() + 1).unwrap_or(i64::MAX));
            query.push(") = ").push_bind(format!("{action}.")).push(")");
        }
        if let Some(text) = text {
            let pattern = within(text);
            let columns = ["who", "source", "action", "thing"];
            for (at, column) in columns.into_iter().enumerate() {
                query.push(if at == 0 { " AND (" } else { " OR " });
                query.push(column).push(" LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\'");
            }
            query.push(")");
        }
        query.push(if *newest_first { " ORDER BY seq DESC LIMIT " } else { " ORDER BY seq LIMIT " }).push_bind(limit);
        query.build().fetch_all(&self.readers).await?.iter().map(line).collect()
    }

    /// Reads the whole log: how many lines it has and the last one's chain, or what is wrong.
    pub async fn verify_access_log(&self) -> Result<Result<(i64, String), BrokenLog>, StoreError> {
        let (mut seq, mut chain) = (0, String::new());
        loop {
            let query = sqlx::query("SELECT * FROM access_log WHERE seq > $1 ORDER BY seq LIMIT 1000").bind(seq);
            let rows = query.fetch_all(&self.readers).await?;
            for row in &rows {
                let line = line(row)?;
                if line.seq != seq + 1 {
                    return Ok(Err(BrokenLog::Missing(seq + 1)));
                }
                if line.chain_after(&chain) != line.chain {
                    return Ok(Err(BrokenLog::Changed(line.seq)));
                }
                (seq, chain) = (line.seq, line.chain);
            }
            if rows.is_empty() {
                return Ok(Ok((seq, chain)));
            }
        }
    }

    /// The newest line's number and chain; 0 and nothing where there is none.
    pub async fn access_head(&self) -> Result<(i64, String), StoreError> {
        let query = sqlx::query("SELECT seq, chain FROM access_log ORDER BY seq DESC LIMIT 1");
        match query.fetch_optional(&self.readers).await? {
            Some(row) => {
                let row = Reading::new("access_log", &row);
                Ok((row.get("seq")?, row.text("chain")?))
            }
            None => Ok((0, String::new())),
        }
    }

    /// The chain of a line, as it stands there.
    pub async fn access_chain_of(&self, seq: i64) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT chain FROM access_log WHERE seq = $1").bind(seq);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    /// The user has listened to the recording.
    pub async fn mark_heard(&self, recording: RecordingId, user: UserId, now: Wall) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO heard (recording_id, user_id, played) VALUES ($1, $2, $3)
             ON CONFLICT (recording_id, user_id) DO UPDATE SET played = excluded.played",
        );
        query.bind(recording.to_string()).bind(user.0).bind(now.unix_micros()).execute(&self.writer).await?;
        Ok(())
    }

    /// Recordings of these calls that the user has listened to.
    pub async fn heard_of(&self, user: UserId, calls: &[CallId]) -> Result<BTreeSet<RecordingId>, StoreError> {
        let ids: Vec<String> = calls.iter().map(ToString::to_string).collect();
        let query = sqlx::query(
            "SELECT recording_id FROM heard WHERE user_id = $1 AND call_id IN (SELECT value FROM json_each($2))",
        );
        let rows = query.bind(user.0).bind(serde_json::to_string(&ids)?).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Reading::new("heard", row).word("recording_id", RecordingId::parse)).collect()
    }

    /// Who has listened to it and when they last did.
    pub async fn heard_by(&self, recording: RecordingId) -> Result<Vec<(UserId, Wall)>, StoreError> {
        let query = sqlx::query("SELECT * FROM heard WHERE recording_id = $1 ORDER BY played");
        let rows = query.bind(recording.to_string()).fetch_all(&self.readers).await?;
        let heard = |row: &SqliteRow| {
            let row = Reading::new("heard", row);
            Ok((UserId(row.get("user_id")?), row.wall("played")?))
        };
        rows.iter().map(heard).collect()
    }
}

pub(super) async fn append(connection: &mut SqliteConnection, access: &Access) -> Result<i64, StoreError> {
    let Access { at, company, user, who, source, action, thing } = access;
    let last = sqlx::query("SELECT seq, chain FROM access_log ORDER BY seq DESC LIMIT 1");
    let (seq, before) = match last.fetch_optional(&mut *connection).await? {
        Some(row) => {
            let row = Reading::new("access_log", &row);
            (row.get::<i64>("seq")?, row.text("chain")?)
        }
        None => (0, String::new()),
    };
    let mut line = AccessLine {
        seq: seq + 1,
        at: *at,
        company: *company,
        user: *user,
        who: who.clone(),
        source: source.clone(),
        action: action.clone(),
        thing: thing.clone(),
        chain: String::new(),
    };
    line.chain = line.chain_after(&before);
    let query = sqlx::query(
        "INSERT INTO access_log (seq, at, company_id, user_id, who, source, action, thing, chain)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    );
    let query = query.bind(line.seq).bind(at.unix_micros()).bind(company.0).bind(user.map(|user| user.0));
    let query = query.bind(who).bind(source).bind(action).bind(thing).bind(&line.chain);
    query.execute(connection).await?;
    Ok(line.seq)
}

fn line(row: &SqliteRow) -> Result<AccessLine, StoreError> {
    let row = Reading::new("access_log", row);
    Ok(AccessLine {
        seq: row.get("seq")?,
        at: row.wall("at")?,
        company: CompanyId(row.get("company_id")?),
        user: row.get::<Option<i64>>("user_id")?.map(UserId),
        who: row.text("who")?,
        source: row.text("source")?,
        action: row.text("action")?,
        thing: row.text("thing")?,
        chain: row.text("chain")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(action: &str, company: i64) -> Access {
        Access {
            at: Wall::from_unix_micros(1_700_000_000_000_000),
            company: CompanyId(company),
            user: Some(UserId(7)),
            who: "201 Alice".to_owned(),
            source: "192.0.2.9".to_owned(),
            action: action.to_owned(),
            thing: "recording x".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_line_that_was_changed_or_taken_out_shows() {
        for (tamper, found) in [
            ("SELECT 1", None),
            ("UPDATE access_log SET who = '202 Bob' WHERE seq = 2", Some(BrokenLog::Changed(2))),
            ("UPDATE access_log SET at = at + 1 WHERE seq = 4", Some(BrokenLog::Changed(4))),
            ("DELETE FROM access_log WHERE seq = 3", Some(BrokenLog::Missing(3))),
            ("DELETE FROM access_log WHERE seq = 1", Some(BrokenLog::Missing(1))),
            (
                "UPDATE access_log SET action = 'recording.delete', chain = chain WHERE seq = 1",
                Some(BrokenLog::Changed(1)),
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("t.db")).await.unwrap();
            for company in [1, 2, 1, 2] {
                store.log_access(&access("recording.play", company)).await.unwrap();
            }
            let refused = sqlx::raw_sql(tamper).execute(&store.writer).await.is_err();
            assert_eq!(refused, found.is_some(), "{tamper}: the database takes no change");
            // Who has the file can take the triggers away.
            sqlx::raw_sql("DROP TRIGGER access_log_stays; DROP TRIGGER access_log_is_kept")
                .execute(&store.writer)
                .await
                .unwrap();
            sqlx::raw_sql(tamper).execute(&store.writer).await.unwrap();
            let verified = store.verify_access_log().await.unwrap();
            assert_eq!(verified.as_ref().err(), found.as_ref(), "{tamper}");
            if found.is_none() {
                assert_eq!(verified.unwrap().0, 4);
            }
        }
    }

    #[tokio::test]
    async fn a_company_reads_its_own_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("t.db")).await.unwrap();
        for company in [1, 2, 1] {
            store.log_access(&access("recording.play", company)).await.unwrap();
        }
        let seqs = |lines: Vec<AccessLine>| lines.iter().map(|line| line.seq).collect::<Vec<_>>();
        assert_eq!(seqs(store.access_log(CompanyId(1), 0, 10).await.unwrap()), [1, 3]);
        assert_eq!(seqs(store.access_log(CompanyId(1), 1, 10).await.unwrap()), [3]);
        assert_eq!(seqs(store.access_log(CompanyId(3), 0, 10).await.unwrap()), [0; 0]);
    }

    #[tokio::test]
    async fn lines_are_found_by_when_what_and_who() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("t.db")).await.unwrap();
        for (minute, action, who) in
            [(1, "recording.play", "201 Alice"), (2, "recordings.play", "202 Bob"), (3, "user.change", "100 Ada_1")]
        {
            let at = Wall::from_unix_micros(minute * 60_000_000);
            store.log_access(&Access { at, who: who.to_owned(), ..access(action, 1) }).await.unwrap();
        }
        let minute = |minute: i64| Some(Wall::from_unix_micros(minute * 60_000_000));
        let none = LogFilter::default;
        let text = |text: &str| LogFilter { text: Some(text.to_owned()), ..none() };
        let action = |action: &str| LogFilter { action: Some(action.to_owned()), ..none() };
        for (filter, seqs) in [
            (none(), vec![1, 2, 3]),
            (LogFilter { newest_first: true, ..none() }, vec![3, 2, 1]),
            (LogFilter { newest_first: true, before: Some(3), ..none() }, vec![2, 1]),
            (LogFilter { after: 1, before: Some(3), ..none() }, vec![2]),
            (LogFilter { from: minute(2), until: minute(3), ..none() }, vec![2]),
            (action("recording"), vec![1]),
            (action("recording.play"), vec![1]),
            (action("recording.pla"), vec![]),
            (text("ALICE"), vec![1]),
            (text("play"), vec![1, 2]),
            (text("_"), vec![3]),
            (text("%"), vec![]),
        ] {
            let found = store.access_lines(CompanyId(1), &filter, 10).await.unwrap();
            assert_eq!(found.iter().map(|line| line.seq).collect::<Vec<_>>(), seqs, "{filter:?}");
        }
        assert_eq!(store.access_lines(CompanyId(2), &none(), 10).await.unwrap(), []);
    }
}
