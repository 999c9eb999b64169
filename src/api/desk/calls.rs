//! Calls that the viewer sees: those that are over, and those that are up.

use super::{Desk, NO_CALL, NO_USER, Person, done, number_of};
use crate::api::{Answer, CallItem, CallPage, CallQuery, LiveCommand, LiveItem, Problem, Reply, Request};
use crate::base::{CallId, NumberId};
use crate::directory::{Directory, Group, Number};
use crate::ledger::{CallRecord, RecordingRecord};
use crate::store::{CallFilter, facts};
use crate::subscription::Scope;
use std::collections::BTreeSet;

impl Desk {
    pub(super) async fn calls(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        query: &CallQuery,
    ) -> Result<Reply, Problem> {
        let scope = self.scope(directory, person).await?;
        let limit = query.limit.clamp(1, CallQuery::MOST);
        let filter = filter(directory, person, query)?;
        // Whether a call was recorded is told to those who may play it.
        let asked = if filter.recorded.is_some() { &scope.playing() } else { &scope };
        let records = self.store.visible_calls(asked, &filter, limit + 1).await?;
        Ok(Reply::Calls(self.page_of(directory, person, &scope, records, limit).await?))
    }

    /// A page out of one call more than it has, with the recordings that the viewer can play.
    pub(super) async fn page_of(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        scope: &Scope,
        mut records: Vec<CallRecord>,
        limit: u32,
    ) -> Result<CallPage, Problem> {
        let more = records.len() > limit as usize;
        records.truncate(limit as usize);
        let next = records.last().filter(|_| more).map(|call| call.id);
        let ids: Vec<CallId> = records.iter().map(|call| call.id).collect();
        let recordings = self.store.recordings_of_calls(&ids).await?;
        let heard = self.store.heard_of(person.listener(), &ids).await?;
        let calls = records.iter().filter_map(|call| {
            let own: Vec<RecordingRecord> = recordings.iter().filter(|one| one.call == call.id).cloned().collect();
            let facts = facts(call, !own.is_empty());
            let mut item = CallItem::of(directory, scope, (call, &facts), &own)?;
            item.recordings.iter_mut().for_each(|recording| recording.played = heard.contains(&recording.id));
            Some(item)
        });
        Ok(CallPage { calls: calls.collect(), next })
    }

    pub(super) async fn call(&self, directory: &Directory, person: &Person<'_>, id: CallId) -> Result<Reply, Problem> {
        let scope = self.scope(directory, person).await?;
        let (call, facts) = self.store.call_with_facts(id).await?.ok_or(NO_CALL)?;
        let recordings = self.store.recordings_of(id).await?;
        let mut item = CallItem::of(directory, &scope, (&call, &facts), &recordings).ok_or(NO_CALL)?;
        let heard = self.store.heard_of(person.listener(), &[id]).await?;
        item.recordings.iter_mut().for_each(|recording| recording.played = heard.contains(&recording.id));
        Ok(Reply::Call(Box::new(item)))
    }

    /// Calls that are up and that the viewer sees.
    pub(super) async fn live(&self, directory: &Directory, person: &Person<'_>) -> Result<Reply, Problem> {
        let scope = self.scope(directory, person).await?;
        let Answer::Calls { calls } = self.operator.ask(Request::CallsOf { company: person.company.id }).await else {
            return Err(Problem::Internal);
        };
        let items = calls.iter().filter_map(|call| LiveItem::of(directory, &scope, person.user(), call));
        Ok(Reply::Live(items.collect()))
    }

    /// What somebody does to a call that is up: they have to see it.
    pub(super) async fn command(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        call: CallId,
        what: LiveCommand,
    ) -> Result<Reply, Problem> {
        let scope = self.scope(directory, person).await?;
        let Answer::Call { up: Some(up), .. } = self.operator.ask(Request::CallUp { call }).await else {
            return Err(NO_CALL);
        };
        let item = LiveItem::of(directory, &scope, person.user(), &up).ok_or(NO_CALL)?;
        if what == LiveCommand::HangUp && !item.can_end {
            return Err(Problem::Forbidden("only who is on the call, an admin or a supervisor ends it"));
        }
        let user = person.user().map(|user| user.id);
        let (action, request) = match (what, user) {
            (LiveCommand::Pause, Some(user)) => ("call.pause", Request::CallCommand { call, user, start: false }),
            (LiveCommand::Pause, None) => ("call.pause", Request::CallPause { call }),
            (LiveCommand::Record, Some(user)) => ("call.record", Request::CallCommand { call, user, start: true }),
            (LiveCommand::Record, None) => ("call.record", Request::CallResume { call }),
            (LiveCommand::HangUp, Some(user)) => ("call.hang_up", Request::CallEnd { call, user }),
            (LiveCommand::HangUp, None) => ("call.hang_up", Request::CallHangUp { call }),
        };
        self.note(person, action, format!("call {call}")).await?;
        tracing::info!(%call, company = %person.company.id, action, "an order over the API");
        done(self.operator.ask(request).await)
    }
}

/// What a query asks for, by ids. An admin is told of a name that nothing has; for others nothing
/// fits it, as nothing fits what they do not see.
pub(super) fn filter(directory: &Directory, person: &Person<'_>, query: &CallQuery) -> Result<CallFilter, Problem> {
    let (company, viewer) = (person.company, person.listener());
    let CallQuery {
        before,
        limit: _,
        from,
        until,
        direction,
        number,
        inbox,
        group,
        user,
        recorded,
        missed,
        played,
        contact,
        text,
    } = query;
    // Who has listened is known of recordings only.
    let recorded = match (played, recorded) {
        (None, recorded) => *recorded,
        (Some(_), None | Some(true)) => Some(true),
        (Some(played), Some(false)) => {
            return Err(Problem::Invalid {
                key: "played",
                value: played.to_string(),
                expected: "only together with recorded=true, or without `recorded`",
            });
        }
    };
    let mut numbers: Option<BTreeSet<NumberId>> = None;
    let mut narrow = |more: BTreeSet<NumberId>| {
        numbers = Some(match numbers.take() {
            Some(numbers) => numbers.intersection(&more).copied().collect(),
            None => more,
        });
    };
    let named = |found: Result<BTreeSet<NumberId>, Problem>| match found {
        Err(_) if !person.is_admin() => Ok(BTreeSet::new()),
        found => found,
    };
    if let Some(e164) = number {
        narrow(named(number_of(directory, company, e164).map(|number| BTreeSet::from([number.id])))?);
    }
    if let Some(name) = inbox {
        let inbox = directory.inbox_by_name(company.id, name).ok_or(Problem::NotFound { what: "inbox" });
        narrow(named(inbox.map(|inbox| inbox.numbers.iter().copied().collect()))?);
    }
    if let Some(name) = group {
        let group = directory.group_by_name(company.id, name).ok_or(Problem::NotFound { what: "group" });
        let routed = |group: &Group| {
            let of_it = |number: &&Number| directory.reach_of(number).groups.contains(&group.id);
            directory.numbers_of(company.id).filter(of_it).map(|number| number.id).collect()
        };
        narrow(named(group.map(routed))?);
    }
    let user = match user {
        Some(extension) => Some(directory.user_ever_by_extension(company.id, extension).ok_or(NO_USER)?.id),
        None => None,
    };
    Ok(CallFilter {
        before: *before,
        from: *from,
        until: *until,
        direction: *direction,
        numbers: numbers.map(|numbers| numbers.into_iter().collect()),
        user,
        recorded,
        missed: *missed,
        heard: played.map(|played| (viewer, played)),
        contact: contact.clone(),
        text: text.clone(),
    })
}
