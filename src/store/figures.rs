//! Figures of calls: how many, how many answered and missed, how long, and how many recorded.

use super::lists::{CallFilter, MISSED, push_scope, push_seen};
use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{UserId, Wall};
use crate::directory::Play;
use crate::subscription::Scope;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

/// What calls are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureKey {
    /// All of them together.
    Whole,
    /// Days since 1970-01-01 of a clock that is so many µs ahead of UTC.
    Day { ahead: i64 },
    /// Each user who was a party; a call without one is in none. Missed is what somebody else began.
    User,
    /// The company's number; `None` for calls without one.
    Number,
}

/// Sums over some calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub calls: u64,
    pub answered: u64,
    /// Of one user's calls those that somebody else began.
    pub missed: u64,
    /// From answer to end, in µs; calls that are up count nothing.
    pub talk: u64,
    /// Answered, and a recording of them could be played by the viewer if there is one.
    pub playable: u64,
    /// Of these, those that were recorded.
    pub recorded: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        let Figures { calls, answered, missed, talk, playable, recorded } = other;
        self.calls += calls;
        self.answered += answered;
        self.missed += missed;
        self.talk += talk;
        self.playable += playable;
        self.recorded += recorded;
    }
}

impl Store {
    /// Figures of the calls that `scope` sees and `filter` lets through, begun from `from` until before
    /// `until`. Of the filter's own range and of its `before` nothing is read.
    pub async fn figures(
        &self,
        scope: &Scope,
        filter: &CallFilter,
        (from, until): (Wall, Wall),
        key: FigureKey,
    ) -> Result<Vec<(Option<i64>, Figures)>, StoreError> {
        let mut query = QueryBuilder::new("SELECT ");
        match key {
            FigureKey::Whole => drop(query.push("0")),
            FigureKey::Day { ahead } => {
                query.push("(c.started + ").push_bind(ahead).push(") / 86400000000");
            }
            FigureKey::User => drop(query.push("g.user_id")),
            FigureKey::Number => drop(query.push("c.number_id")),
        }
        push_sums(&mut query, scope, key, filter.user);
        query.push(match key {
            FigureKey::User => " FROM calls AS c CROSS JOIN call_users AS g WHERE g.call_id = c.id AND ",
            FigureKey::Whole | FigureKey::Day { .. } | FigureKey::Number => " FROM calls AS c WHERE ",
        });
        query.push("c.company_id = ").push_bind(scope.company.0);
        query.push(" AND c.started >= ").push_bind(from.unix_micros());
        query.push(" AND c.started < ").push_bind(until.unix_micros());
        let ranged = CallFilter { before: None, from: Some(from), until: Some(until), ..filter.clone() };
        push_condition(&mut query, scope, &ranged);
        query.push(" GROUP BY 1 ORDER BY 1");
        query.build().fetch_all(&self.readers).await?.iter().map(figures).collect()
    }
}

/// What is left of filter and scope. A filter that needs no more than the columns of the index of
/// figures is asked of each call there; all others by their own indexes.
fn push_condition(query: &mut QueryBuilder<Sqlite>, scope: &Scope, filter: &CallFilter) {
    let CallFilter { before: _, from: _, until: _, direction, numbers, user, recorded, missed, heard, contact, text } =
        filter;
    let simple = user.is_none()
        && recorded.is_none()
        && missed.is_none()
        && heard.is_none()
        && contact.is_none()
        && text.is_none()
        && scope.all.is_some();
    if !simple {
        query.push(" AND ");
        return push_seen(query, scope, filter);
    }
    if let Some(direction) = direction {
        query.push(" AND c.direction = ").push_bind(direction.as_str());
    }
    if let Some(numbers) = numbers {
        let list = serde_json::json!(numbers).to_string();
        query.push(" AND c.number_id + 0 IN (SELECT value FROM json_each(").push_bind(list).push("))");
    }
}

/// `user`: whose calls they are, where only one user's are wanted.
fn push_sums(query: &mut QueryBuilder<Sqlite>, scope: &Scope, key: FigureKey, user: Option<UserId>) {
    let playing = scope.playing();
    let may_play = |query: &mut QueryBuilder<Sqlite>| match scope.play {
        Play::All => drop(query.push("TRUE")),
        Play::Own => push_scope(query, &playing),
        Play::None => drop(query.push("FALSE")),
    };
    query.push(" AS bucket, COUNT(*) AS calls, SUM(c.answered IS NOT NULL) AS answered, SUM(");
    query.push(MISSED);
    // Whoever called a colleague in vain has missed nothing.
    match (key, user) {
        (FigureKey::User, _) => drop(query.push(" AND c.caller_user_id IS NOT g.user_id")),
        (FigureKey::Whole | FigureKey::Day { .. } | FigureKey::Number, Some(user)) => {
            query.push(" AND c.caller_user_id IS NOT ").push_bind(user.0);
        }
        (FigureKey::Whole | FigureKey::Day { .. } | FigureKey::Number, None) => {}
    }
    query.push(") AS missed, SUM(CASE WHEN c.ended > c.answered THEN c.ended - c.answered ELSE 0 END) AS talk, ");
    // What is being recorded is counted when it is over.
    query.push("SUM(c.answered IS NOT NULL AND c.ended IS NOT NULL AND ");
    may_play(query);
    query.push(") AS playable, SUM(c.recorded AND c.answered IS NOT NULL AND c.ended IS NOT NULL AND ");
    may_play(query);
    query.push(") AS recorded");
}

fn figures(row: &SqliteRow) -> Result<(Option<i64>, Figures), StoreError> {
    let row = Reading::new("calls", row);
    let figures = Figures {
        calls: row.count("calls")?,
        answered: row.count("answered")?,
        missed: row.count("missed")?,
        talk: row.count("talk")?,
        playable: row.count("playable")?,
        recorded: row.count("recorded")?,
    };
    Ok((row.get("bucket")?, figures))
}

#[cfg(test)]
mod tests;
