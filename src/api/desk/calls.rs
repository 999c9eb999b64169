//! Calls that the viewer sees: those that are over, and those that are up.

use super::filter::{filter, numbers_of_inbox};
use super::{Desk, NO_CALL, Person, done};
use crate::api::{Answer, CallItem, CallPage, CallQuery, LiveCommand, LiveItem, Problem, Reply, Request};
use crate::base::CallId;
use crate::call::CallView;
use crate::directory::Directory;
use crate::ledger::{CallRecord, RecordingRecord};
use crate::store::facts;
use crate::subscription::Scope;

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
        let holds = self.holds_of(person, &ids).await?;
        let notes = self.store.count_call_notes(&ids).await?;
        let calls = records.iter().filter_map(|call| {
            let own: Vec<RecordingRecord> = recordings.iter().filter(|one| one.call == call.id).cloned().collect();
            let facts = facts(call, !own.is_empty());
            let mut item = CallItem::of(directory, scope, (call, &facts), &own)?;
            item.recordings.iter_mut().for_each(|recording| recording.played = heard.contains(&recording.id));
            item.hold_by(&holds);
            item.notes = notes.get(&call.id).copied().unwrap_or(0);
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
        item.hold_by(&self.holds_of(person, &[id]).await?);
        item.notes = self.store.count_call_notes(&[id]).await?.remove(&id).unwrap_or(0);
        Ok(Reply::Call(Box::new(item)))
    }

    /// Calls that are up and that the viewer sees.
    pub(super) async fn live(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        inbox: Option<&str>,
    ) -> Result<Reply, Problem> {
        let scope = self.scope(directory, person).await?;
        let numbers = inbox.map(|name| numbers_of_inbox(directory, person, name)).transpose()?;
        let wanted = |call: &&CallView| {
            let number = call.record.number;
            numbers.as_ref().is_none_or(|numbers| number.is_some_and(|number| numbers.contains(&number)))
        };
        let Answer::Calls { calls } = self.operator.ask(Request::CallsOf { company: person.company.id }).await else {
            return Err(Problem::Internal);
        };
        let wanted = calls.iter().filter(wanted);
        let items = wanted.filter_map(|call| LiveItem::of(directory, &scope, person.user(), call));
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
