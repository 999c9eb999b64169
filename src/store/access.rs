//! Calls and recordings with what the rules of access look at, and who is subscribed to what.

use super::calls::call;
use super::lists::{CallFilter, Drive};
use super::row::Reading;
use super::{Store, StoreError};
use crate::base::{CallId, CompanyId, NumberId, Rate, RecordingId, Samples, UserId, Wall};
use crate::ledger::{CallRecord, RecordingRecord};
use crate::subscription::{CallFacts, Scope, Subscribed};
use sqlx::sqlite::SqliteRow;

impl Store {
    /// The newest calls that `scope` sees and `filter` lets through.
    pub async fn visible_calls(
        &self,
        scope: &Scope,
        filter: &CallFilter,
        limit: u32,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let drive = Drive::choose(self, filter).await?;
        match (&drive, &filter.text, scope.all) {
            (Drive::Scope, Some(text), None) => self.calls_with_text(scope, filter, text, limit).await,
            (Drive::Scope | Drive::Text(_), _, _) => self.page_of_calls(scope, filter, &drive, limit).await,
        }
    }

    async fn page_of_calls(
        &self,
        scope: &Scope,
        filter: &CallFilter,
        drive: &Drive,
        limit: u32,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let Some(mut query) = super::lists::page(scope, filter, drive, limit) else { return Ok(Vec::new()) };
        query.build().fetch_all(&self.readers).await?.iter().map(call).collect()
    }

    /// A page of calls with a text that many have. A statement would look for as many as a page holds in
    /// each set of the scope, so first the newest calls of all sets together are looked at.
    async fn calls_with_text(
        &self,
        scope: &Scope,
        filter: &CallFilter,
        text: &str,
        limit: u32,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let mut found: Vec<CallRecord> = Vec::new();
        let mut rest = filter.clone();
        for newest in LOOKED_AT {
            let any = CallFilter { text: None, ..rest.clone() };
            let calls = self.page_of_calls(scope, &any, &Drive::Scope, newest).await?;
            let last = calls.last().filter(|_| calls.len() == newest as usize).map(|call| call.id);
            found.extend(calls.into_iter().filter(|call| has_text(call, text)));
            if last.is_none() || found.len() >= limit as usize {
                found.truncate(limit as usize);
                return Ok(found);
            }
            rest.before = last;
        }
        let left = limit - u32::try_from(found.len()).unwrap_or(limit);
        found.extend(self.page_of_calls(scope, &rest, &Drive::Scope, left).await?);
        Ok(found)
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

/// Calls that are looked at one by one for a text, the newest first: so many, then so many older ones.
const LOOKED_AT: [u32; 3] = [500, 1_000, 2_000];

/// As the lists' `LIKE` has it: letters of ASCII in either case.
fn has_text(call: &CallRecord, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let has = |of: &str| of.to_ascii_lowercase().contains(&text);
    [&call.caller, &call.callee].into_iter().any(|party| has(&party.address) || has(&party.name))
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

#[cfg(test)]
pub(super) mod tests;
