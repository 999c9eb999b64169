//! Lists of calls by the rules of access: a [`Scope`] as SQL.
//!
//! A scope is made of a few sets of calls (those of a party, those over a number, …), and each set
//! has an index in the order of time. A page is the newest of each, merged: so its cost is that of
//! the page, however long the history is.

use super::calls::call;
use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CallId, CompanyId, Direction, NumberId, Rate, RecordingId, Samples, Span, UserId, Wall};
use crate::ledger::{CallRecord, RecordingRecord};
use crate::subscription::{CallFacts, Scope, Subscribed};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

/// Which calls of those that are seen; `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Older than this one: for the next page.
    pub before: Option<CallId>,
    /// Begun at this moment or later.
    pub from: Option<Wall>,
    /// Begun before this moment.
    pub until: Option<Wall>,
    pub direction: Option<Direction>,
    /// Over one of these numbers; empty: over none, so there is no such call.
    pub numbers: Option<Vec<NumberId>>,
    /// A party of it.
    pub user: Option<UserId>,
    pub recorded: Option<bool>,
    /// Ended without an answer, or not.
    pub missed: Option<bool>,
    /// Part of a party's name or address.
    pub text: Option<String>,
}

/// A set of calls that is read from an index in the order of time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Set {
    Company,
    Party(UserId),
    Number(NumberId),
    MissedOf(NumberId),
    Subscribed(Subscribed),
}

/// Sets that one statement is made of: each is read for a page.
const MOST_SETS: usize = 100;
/// A call that lasts longer than this is not looked for among those of before a subscription.
const LONGEST: Span = Span::from_secs(86_400);

impl Set {
    /// The column of its index that is in the order of time.
    const fn id(self) -> &'static str {
        match self {
            Set::Party(_) => "u.call_id",
            Set::Company | Set::Number(_) | Set::MissedOf(_) | Set::Subscribed(_) => CALL_ID,
        }
    }
}

const CALL_ID: &str = "c.id";
/// As [`CallRecord::is_missed`], and the condition of the indexes of missed calls.
const MISSED: &str = "c.answered IS NULL AND c.ended IS NOT NULL AND c.direction <> 'outbound'";

/// Where the list ends when more numbers than that are seen: what is over any of them.
enum Source {
    Sets(Vec<Set>),
    /// So many numbers that the company's calls are read one by one.
    Many {
        numbers: Vec<NumberId>,
        missed: Vec<NumberId>,
        sets: Vec<Set>,
    },
}

impl Source {
    fn of(scope: &Scope, filter: &CallFilter) -> Self {
        let asked = |number: &NumberId| filter.numbers.as_ref().is_none_or(|numbers| numbers.contains(number));
        if scope.all.is_some() {
            return Source::Sets(match (filter.user, &filter.numbers) {
                (Some(user), _) => vec![Set::Party(user)],
                (None, Some(numbers)) if numbers.len() <= MOST_SETS => {
                    numbers.iter().copied().map(Set::Number).collect()
                }
                (None, Some(_) | None) => vec![Set::Company],
            });
        }
        let party = scope.user.map(Set::Party);
        let subscribed = scope.subscribed.iter().copied().filter(|one| asked(&one.number)).map(Set::Subscribed);
        // The newest intervals are the last: of very many the oldest are left out.
        let subscribed: Vec<Set> = subscribed.rev().take(MOST_SETS).collect();
        let sets: Vec<Set> = party.into_iter().chain(subscribed).collect();
        let numbers: Vec<NumberId> = scope.numbers.keys().copied().filter(asked).collect();
        let missed: Vec<NumberId> = scope.missed.keys().copied().filter(asked).collect();
        match sets.len() + numbers.len() + missed.len() > MOST_SETS {
            true => Source::Many { numbers, missed, sets },
            false => {
                let numbers = numbers.into_iter().map(Set::Number);
                let missed = missed.into_iter().map(Set::MissedOf);
                Source::Sets(sets.into_iter().chain(numbers).chain(missed).collect())
            }
        }
    }
}

impl Store {
    /// The newest calls that `scope` sees and `filter` lets through.
    pub async fn visible_calls(
        &self,
        scope: &Scope,
        filter: &CallFilter,
        limit: u32,
    ) -> Result<Vec<CallRecord>, StoreError> {
        // A call that was missed has no recording.
        if filter.recorded == Some(true) && filter.missed == Some(true) {
            return Ok(Vec::new());
        }
        let Some(mut query) = page(scope, filter, limit) else { return Ok(Vec::new()) };
        query.build().fetch_all(&self.readers).await?.iter().map(call).collect()
    }

    /// What the rules look at of a call, and the call.
    pub async fn call_with_facts(&self, id: CallId) -> Result<Option<(CallRecord, CallFacts)>, StoreError> {
        let query = sqlx::query("SELECT * FROM calls WHERE id = $1").bind(id.to_string());
        let Some(row) = query.fetch_optional(&self.readers).await? else { return Ok(None) };
        let record = call(&row)?;
        let recorded = Reading::new("calls", &row).get("recorded")?;
        let facts = facts(&record, recorded);
        Ok(Some((record, facts)))
    }

    /// A recording, and what the rules look at of its call.
    pub async fn recording_with_facts(
        &self,
        id: RecordingId,
    ) -> Result<Option<(RecordingRecord, CallFacts)>, StoreError> {
        let Some(recording) = self.recording(id).await? else { return Ok(None) };
        let call = self.call_with_facts(recording.call).await?;
        let facts = facts_of_recording(&recording, call.map(|(_, facts)| facts));
        Ok(Some((recording, facts)))
    }

    /// Every interval of a user that was not withdrawn.
    pub async fn subscriptions_of(&self, user: UserId) -> Result<Vec<Subscribed>, StoreError> {
        let query = sqlx::query("SELECT * FROM number_subscriptions WHERE user_id = $1 ORDER BY id").bind(user.0);
        query.fetch_all(&self.readers).await?.iter().map(subscribed).collect()
    }

    /// From `now` on the user receives the recordings of the number. Twice is once.
    pub async fn subscribe(
        &self,
        company: CompanyId,
        number: NumberId,
        user: UserId,
        now: Wall,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO number_subscriptions (company_id, number_id, user_id, since) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        );
        query.bind(company.0).bind(number.0).bind(user.0).bind(now.unix_micros()).execute(&self.writer).await?;
        Ok(())
    }

    /// From `now` on nothing new comes; what was received stays.
    pub async fn unsubscribe(&self, number: NumberId, user: UserId, now: Wall) -> Result<(), StoreError> {
        let query = sqlx::query(
            "UPDATE number_subscriptions SET until = $3 WHERE number_id = $1 AND user_id = $2 AND until IS NULL",
        );
        query.bind(number.0).bind(user.0).bind(now.unix_micros()).execute(&self.writer).await?;
        Ok(())
    }

    /// What was received is taken back as well.
    pub async fn withdraw(&self, number: NumberId, user: UserId) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM number_subscriptions WHERE number_id = $1 AND user_id = $2");
        query.bind(number.0).bind(user.0).execute(&self.writer).await?;
        Ok(())
    }

    /// Who receives the recordings of a number now.
    pub async fn subscribers_of(&self, number: NumberId) -> Result<Vec<UserId>, StoreError> {
        let query = sqlx::query_scalar(
            "SELECT user_id FROM number_subscriptions WHERE number_id = $1 AND until IS NULL ORDER BY user_id",
        );
        let users: Vec<i64> = query.bind(number.0).fetch_all(&self.readers).await?;
        Ok(users.into_iter().map(UserId).collect())
    }
}

/// What the rules look at of `call`.
pub fn facts(call: &CallRecord, recorded: bool) -> CallFacts {
    CallFacts {
        company: call.company,
        users: call.users(),
        number: call.number,
        missed: call.is_missed(),
        ended: call.ended,
        recorded,
    }
}

/// A recording is handed over by itself: its call may not be written yet, or not to its end. Its
/// sidecar knows who was on it, and when it ended.
fn facts_of_recording(recording: &RecordingRecord, call: Option<CallFacts>) -> CallFacts {
    let RecordingRecord { company, started, samples, rate, sidecar, .. } = recording;
    let ended = started.plus(Rate(*rate).span(Samples(*samples)));
    let mut facts = call.unwrap_or_else(|| CallFacts {
        company: *company,
        users: Vec::new(),
        number: sidecar.number,
        missed: false,
        ended: None,
        recorded: true,
    });
    facts.users.extend(sidecar.parties.iter().filter_map(|party| party.party.user));
    facts.users.sort_unstable();
    facts.users.dedup();
    facts.ended = facts.ended.or(Some(ended));
    facts.recorded = true;
    facts
}

fn subscribed(row: &SqliteRow) -> Result<Subscribed, StoreError> {
    let row = Reading::new("number_subscriptions", row);
    Ok(Subscribed {
        number: NumberId(row.get("number_id")?),
        from: row.wall("since")?,
        until: row.wall_or_none("until")?,
    })
}

/// The statement of a page; `None` where nothing can be in it.
fn page(scope: &Scope, filter: &CallFilter, limit: u32) -> Option<QueryBuilder<Sqlite>> {
    let mut query = QueryBuilder::new("SELECT * FROM calls WHERE id IN (");
    let mut first = true;
    let mut next = |query: &mut QueryBuilder<Sqlite>| {
        query.push(if std::mem::take(&mut first) { "SELECT id FROM (" } else { ") UNION SELECT id FROM (" });
    };
    let (sets, many) = match Source::of(scope, filter) {
        Source::Sets(sets) => (sets, None),
        Source::Many { numbers, missed, sets } => (sets, Some((numbers, missed))),
    };
    if sets.is_empty() && many.is_none() {
        return None;
    }
    for set in sets {
        next(&mut query);
        push_set(&mut query, set, scope.company);
        push_filter(&mut query, filter, limit, set.id());
    }
    if let Some((numbers, missed)) = many {
        next(&mut query);
        push_many(&mut query, scope.company, &numbers, &missed);
        push_filter(&mut query, filter, limit, CALL_ID);
    }
    query.push(") ORDER BY id DESC LIMIT ").push_bind(limit).push(") ORDER BY id DESC");
    Some(query)
}

/// The calls of a set. `company_id + 0` is a condition and no invitation to read the company's index.
fn push_set(query: &mut QueryBuilder<Sqlite>, set: Set, company: CompanyId) {
    const CALLS: &str = "SELECT c.id AS id FROM calls AS c WHERE ";
    match set {
        Set::Company => drop(query.push(CALLS).push("c.company_id = ").push_bind(company.0)),
        Set::Party(user) => {
            query.push("SELECT c.id AS id FROM call_users AS u CROSS JOIN calls AS c WHERE c.id = u.call_id");
            query.push(" AND u.user_id = ").push_bind(user.0);
            query.push(" AND c.company_id + 0 = ").push_bind(company.0);
        }
        Set::Number(number) => push_number(query.push(CALLS), number, company),
        Set::MissedOf(number) => {
            push_number(query.push(CALLS), number, company);
            query.push(" AND ").push(MISSED);
        }
        Set::Subscribed(Subscribed { number, from, until }) => {
            push_number(query.push(CALLS), number, company);
            query.push(" AND c.recorded AND c.ended >= ").push_bind(from.unix_micros());
            // Ids begin with the time at which the call began: what is far from the interval is not read.
            query.push(" AND c.id >= ").push_bind(CallId::first_of(from.minus(LONGEST)).to_string());
            if let Some(until) = until {
                query.push(" AND c.ended < ").push_bind(until.unix_micros());
                query.push(" AND c.id <= ").push_bind(CallId::last_of(until).to_string());
            }
        }
    }
}

fn push_number(query: &mut QueryBuilder<Sqlite>, number: NumberId, company: CompanyId) {
    query.push("c.number_id = ").push_bind(number.0).push(" AND c.company_id + 0 = ").push_bind(company.0);
}

fn push_many(query: &mut QueryBuilder<Sqlite>, company: CompanyId, numbers: &[NumberId], missed: &[NumberId]) {
    let list = |numbers: &[NumberId]| serde_json::json!(numbers).to_string();
    query.push("SELECT c.id AS id FROM calls AS c WHERE c.company_id = ").push_bind(company.0);
    query.push(" AND (c.number_id IN (SELECT value FROM json_each(").push_bind(list(numbers));
    query.push(")) OR (").push(MISSED);
    query.push(" AND c.number_id IN (SELECT value FROM json_each(").push_bind(list(missed)).push("))))");
}

/// `id` is the column that the set is read in the order of.
fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &CallFilter, limit: u32, id: &str) {
    let CallFilter { before, from, until, direction, numbers, user, recorded, missed, text } = filter;
    // Ids begin with the time at which the call began.
    if let Some(before) = before {
        query.push(" AND ").push(id).push(" < ").push_bind(before.to_string());
    }
    if let Some(from) = from {
        query.push(" AND c.started >= ").push_bind(from.unix_micros());
        query.push(" AND ").push(id).push(" >= ").push_bind(CallId::first_of(*from).to_string());
    }
    if let Some(until) = until {
        query.push(" AND c.started < ").push_bind(until.unix_micros());
        query.push(" AND ").push(id).push(" <= ").push_bind(CallId::last_of(*until).to_string());
    }
    if let Some(direction) = direction {
        query.push(" AND c.direction = ").push_bind(direction.as_str());
    }
    if let Some(numbers) = numbers {
        let list = serde_json::json!(numbers).to_string();
        query.push(" AND c.number_id IN (SELECT value FROM json_each(").push_bind(list).push("))");
    }
    if let Some(user) = user {
        query.push(" AND EXISTS (SELECT 1 FROM call_users AS p WHERE p.call_id = c.id AND p.user_id = ");
        query.push_bind(user.0).push(")");
    }
    if let Some(recorded) = recorded {
        query.push(if *recorded { " AND c.recorded" } else { " AND NOT c.recorded" });
    }
    match missed {
        Some(true) => drop(query.push(" AND ").push(MISSED)),
        Some(false) => drop(query.push(" AND NOT (").push(MISSED).push(")")),
        None => {}
    }
    if let Some(text) = text {
        let pattern = format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        query.push(" AND (FALSE");
        for column in ["caller_address", "caller_name", "callee_address", "callee_name"] {
            query.push(" OR c.").push(column).push(" LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\'");
        }
        query.push(")");
    }
    query.push(" ORDER BY ").push(id).push(" DESC LIMIT ").push_bind(limit);
}

#[cfg(test)]
mod tests;
