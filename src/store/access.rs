//! Calls and recordings with what the rules of access look at, and who is subscribed to what.

use super::calls::call;
use super::journal::append;
use super::lists::{CallFilter, Drive, has};
use super::row::Reading;
use super::{By, Store, StoreError};
use crate::base::{CallId, CompanyId, NumberId, Rate, RecordingId, Samples, Span, UserId, Wall};
use crate::directory::{Number, User};
use crate::ledger::{CallRecord, RecordingRecord};
use crate::subscription::{CallFacts, Scope, Subscribed};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

/// What is done to somebody's subscription to the recordings of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionChange {
    /// From now on they receive them.
    Add,
    /// Nothing new comes; what was received stays.
    End,
    /// What was received is taken back as well.
    Withdraw,
}

impl SubscriptionChange {
    /// As the access log names it.
    pub const fn action(self) -> &'static str {
        match self {
            SubscriptionChange::Add => "subscription.add",
            SubscriptionChange::End => "subscription.end",
            SubscriptionChange::Withdraw => "subscription.withdraw",
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

    /// A page of calls with a text that many have. One statement over all of time would look for as many as a
    /// page holds in each set of the scope; so the newest calls of the scope say how close together its calls
    /// are, and stretches of time are searched, the newest first, each longer than the one before it.
    async fn calls_with_text(
        &self,
        scope: &Scope,
        filter: &CallFilter,
        text: &str,
        limit: u32,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let any = CallFilter { text: None, ..filter.clone() };
        let newest = self.page_of_calls(scope, &any, &Drive::Scope, SAMPLE).await?;
        let (Some(first), Some(last)) = (newest.first(), newest.last()) else { return Ok(Vec::new()) };
        let (top, bottom) = (first.started, last.started);
        if newest.len() < SAMPLE as usize {
            let mut found: Vec<CallRecord> = newest.into_iter().filter(|call| has_text(call, text)).collect();
            found.truncate(limit as usize);
            return Ok(found);
        }
        let span = Span(u64::try_from(top.unix_micros() - bottom.unix_micros()).unwrap_or(0)).max(Span::from_secs(1));
        let mut found: Vec<CallRecord> = Vec::new();
        let mut rest = filter.clone();
        for longer in STRETCHES {
            // Whole milliseconds, as in ids: two stretches have no call in common, and none between them.
            let from = Wall::from_unix_micros(top.minus(span.times(longer)).unix_micros() / 1_000 * 1_000);
            if filter.from.is_some_and(|whole| from <= whole) {
                break;
            }
            let left = limit - u32::try_from(found.len()).unwrap_or(limit);
            let stretch = CallFilter { from: Some(from), ..rest.clone() };
            found.extend(self.page_of_calls(scope, &stretch, &Drive::Scope, left).await?);
            if found.len() >= limit as usize {
                return Ok(found);
            }
            rest.until = Some(from);
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

    /// Changes who receives the recordings of a number, and writes that into the access log, both or
    /// neither.
    pub async fn change_subscription(
        &self,
        number: &Number,
        user: &User,
        change: SubscriptionChange,
        by: &By,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        change_in(&mut transaction, (number.company, number.id, user.id), change, by.at).await?;
        let thing = format!("{} {}", number.e164, user.extension);
        append(&mut transaction, &by.access(number.company, change.action(), thing)).await?;
        Ok(transaction.commit().await?)
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

async fn change_in(
    connection: &mut SqliteConnection,
    (company, number, user): (CompanyId, NumberId, UserId),
    change: SubscriptionChange,
    now: Wall,
) -> Result<(), StoreError> {
    let text = match change {
        // Twice is once.
        SubscriptionChange::Add => {
            "INSERT INTO number_subscriptions (company_id, number_id, user_id, since) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING"
        }
        SubscriptionChange::End => {
            "UPDATE number_subscriptions SET until = $4
             WHERE company_id = $1 AND number_id = $2 AND user_id = $3 AND until IS NULL"
        }
        SubscriptionChange::Withdraw => {
            "DELETE FROM number_subscriptions WHERE company_id = $1 AND number_id = $2 AND user_id = $3"
        }
    };
    let query = sqlx::query(text).bind(company.0).bind(number.0).bind(user.0);
    let query = match change {
        SubscriptionChange::Add | SubscriptionChange::End => query.bind(now.unix_micros()),
        SubscriptionChange::Withdraw => query,
    };
    query.execute(connection).await?;
    Ok(())
}

/// Without a line of the log, for tests of what a subscription shows.
#[cfg(test)]
impl Store {
    pub async fn subscribe(&self, company: CompanyId, number: NumberId, user: UserId, now: Wall) {
        let mut transaction = self.write().await.unwrap();
        change_in(&mut transaction, (company, number, user), SubscriptionChange::Add, now).await.unwrap();
        transaction.commit().await.unwrap();
    }

    pub async fn unsubscribe(&self, company: CompanyId, number: NumberId, user: UserId, now: Wall) {
        let mut transaction = self.write().await.unwrap();
        change_in(&mut transaction, (company, number, user), SubscriptionChange::End, now).await.unwrap();
        transaction.commit().await.unwrap();
    }

    pub async fn withdraw(&self, company: CompanyId, number: NumberId, user: UserId) {
        let mut transaction = self.write().await.unwrap();
        let of = (company, number, user);
        change_in(&mut transaction, of, SubscriptionChange::Withdraw, Wall::default()).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

/// Newest calls that say how close together the calls of a scope are.
const SAMPLE: u32 = 50;
/// Stretches that are searched for a text that many have: so many times as long as those newest calls take.
const STRETCHES: [u64; 3] = [25, 100, 400];

fn has_text(call: &CallRecord, text: &str) -> bool {
    [&call.caller, &call.callee].into_iter().any(|party| has(&party.address, text) || has(&party.name, text))
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
