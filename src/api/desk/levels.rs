//! Streams of how loud the parties of calls that are up are.
//!
//! A stream holds no queue, and nothing is kept: at the end of each window its calls are looked for anew, by the
//! rules as they are then, and how loud they were in it is told. A reader that is slow misses windows.

use super::Desk;
use super::events::{Rights, Which};
use crate::api::{Answer, Ask, CallLevels, LevelsView, Problem, Request, Viewer};
use crate::base::{CallId, CompanyId, Span, Time};
use crate::store::facts;
use crate::subscription::{CallFacts, Kinds};
use std::collections::HashMap;
use std::sync::Arc;

const WINDOW: Span = LevelsView::WINDOW;
/// After the end of a window all that was measured in it is known.
const SETTLED: Span = Span::from_millis(30);
/// Which calls are up is known for so long.
const UP_HOLDS: Span = Span::from_millis(400);
/// A stream that has nothing to tell says so often that it is there.
const KEEP_ALIVE: Span = Span::from_secs(15);

/// Calls of a company that are up, by id, and when that was asked.
type CompanyUp = (Time, Arc<Vec<(CallId, CallFacts)>>);

/// The same for all who watch.
#[derive(Default)]
pub(super) struct Up(tokio::sync::Mutex<HashMap<CompanyId, CompanyUp>>);

/// One stream, and what its viewer may see.
pub struct LevelStream {
    viewer: Viewer,
    which: Which,
    rights: Rights,
    /// There were no calls when something was told last, and when that was.
    idle: Option<Time>,
    _open: Arc<()>,
}

/// What is new on a stream.
#[derive(Debug)]
pub enum Loudness {
    /// Of no calls: it was told that there are none.
    Levels(LevelsView),
    /// Nothing for a while.
    Nothing,
    /// The viewer may read no more, or the service stops.
    Over,
}

impl Desk {
    /// Opens a stream of how loud the parties of calls are, of those that the viewer sees and that are over
    /// numbers of `inbox` where one is named.
    ///
    /// # Errors
    /// As the list of calls that are up.
    pub async fn open_levels(&self, viewer: Viewer, inbox: Option<String>) -> Result<LevelStream, Problem> {
        let ask = Ask::Live { inbox: inbox.clone() };
        if let Some(permission) = ask.needs().filter(|permission| !viewer.scopes.allow(*permission)) {
            return Err(Problem::NoScope(permission.as_str()));
        }
        let which = Which { kinds: Kinds::all(), inbox, rights: false };
        let rules = self.rules().await?;
        self.narrowed(&rules.directory, &viewer, which.inbox.as_deref()).await?;
        let rights = self.rights(&rules, &viewer, &which).await?.ok_or(Problem::NotLoggedIn)?;
        let stream = LevelStream { viewer, which, rights, idle: None, _open: self.lanes.opened() };
        // They are measured from now on.
        self.operator.levels(&self.calls_of(&stream).await?);
        Ok(stream)
    }

    /// What is told next, when its time has come.
    pub async fn next_levels(&self, stream: &mut LevelStream) -> Loudness {
        loop {
            tokio::time::sleep(self.until_settled().into()).await;
            if self.lanes.are_closed() {
                return Loudness::Over;
            }
            let Ok(calls) = self.look_at_levels(stream).await else { return Loudness::Over };
            if !calls.is_empty() {
                stream.idle = None;
                return Loudness::Levels(self.levels_of(&calls));
            }
            let now = self.world.now();
            match stream.idle {
                None => {
                    stream.idle = Some(now);
                    return Loudness::Levels(LevelsView::default());
                }
                Some(told) if now.since(told) >= KEEP_ALIVE => {
                    stream.idle = Some(now);
                    return Loudness::Nothing;
                }
                Some(_) => {}
            }
        }
    }

    /// Until what was measured in the window that goes on is known.
    fn until_settled(&self) -> Span {
        let now = self.world.now();
        let windows = now.0.saturating_sub(SETTLED.0) / WINDOW.0 + 1;
        (Time(windows * WINDOW.0) + SETTLED).since(now)
    }

    /// The calls that the viewer sees, as rules and calls are now.
    async fn look_at_levels(&self, stream: &mut LevelStream) -> Result<Vec<CallId>, Problem> {
        let rules = self.rules().await?;
        if stream.rights.version != rules.version {
            let anew = self.rights(&rules, &stream.viewer, &stream.which).await?;
            stream.rights = anew.ok_or(Problem::NotLoggedIn)?;
        }
        if self.world.wall() >= stream.rights.until {
            return Err(Problem::NotLoggedIn);
        }
        self.calls_of(stream).await
    }

    async fn calls_of(&self, stream: &LevelStream) -> Result<Vec<CallId>, Problem> {
        let Rights { scope, numbers, .. } = &stream.rights;
        let up = self.up(scope.company).await?;
        let wanted = |facts: &CallFacts| {
            numbers.as_ref().is_none_or(|numbers| facts.number.is_some_and(|number| numbers.contains(&number)))
        };
        let seen = up.iter().filter(|(_, facts)| wanted(facts) && scope.visible(facts).is_some());
        Ok(seen.map(|(call, _)| *call).collect())
    }

    fn levels_of(&self, calls: &[CallId]) -> LevelsView {
        let levels = calls.iter().zip(self.operator.levels(calls));
        LevelsView { calls: levels.map(|(id, [caller, callee])| CallLevels { id: *id, caller, callee }).collect() }
    }

    /// Calls of the company that are up, by id.
    async fn up(&self, company: CompanyId) -> Result<Arc<Vec<(CallId, CallFacts)>>, Problem> {
        let mut known = self.up.0.lock().await;
        let now = self.world.now();
        known.retain(|_, (asked, _)| now.since(*asked) < UP_HOLDS);
        if let Some((_, up)) = known.get(&company) {
            return Ok(Arc::clone(up));
        }
        let Answer::Calls { calls } = self.operator.ask(Request::CallsOf { company }).await else {
            return Err(Problem::Internal);
        };
        let mut up: Vec<_> = calls.iter().map(|call| (call.record.id, facts(&call.record, false))).collect();
        up.sort_by_key(|(call, _)| *call);
        let up = Arc::new(up);
        known.insert(company, (now, Arc::clone(&up)));
        Ok(up)
    }
}
