//! The path of one call through call flows: events in, what to do next out. Pure.
//!
//! ```text
//! begin ─► step ─► step … ─► Play ─Played─► … ─► Ask ─Played─► Wait ─Key, TimedOut─► …
//!                              └─► Ring ─NotAnswered─► …            └─► End, Dial
//! ```
//! An answer ends the path: nobody asks it any more. A user, a group and an inbox without a flow
//! are walked as flows of one step, so that a forward is nothing but another flow.

use super::voicemail::Chosen;
use crate::base::{BoxId, CompanyId, FlowId, GroupId, InboxId, Time, UserId, Wall};
use crate::directory::flow::{Flow, ForwardTo, RingHow, RingTo, Step, StepName};
use crate::directory::{Directory, Route};
use crate::ledger::RecordingStep;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Steps that one call can pass: a ring step of 20 s in a loop lasts more than an hour.
const MOST_STEPS: u16 = 200;
/// Times that one call can be sent on (a forwards to b, b forwards to a).
const MOST_FORWARDS: u8 = 5;
/// What callers are told who reach nobody.
const UNAVAILABLE: u16 = 480;
const LOOP: u16 = 482;

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    User(UserId),
    Group(GroupId),
    Inbox(InboxId),
    Flow(FlowId),
    /// `*98`, `*99`: a voicemail box is listened to.
    Menu(Chosen),
}

impl Start {
    /// What a number's route leads to; `None`: nowhere.
    pub const fn of(route: Route) -> Option<Self> {
        match route {
            Route::Unrouted => None,
            Route::User(id) => Some(Start::User(id)),
            Route::Group(id) => Some(Start::Group(id)),
            Route::Inbox(id) => Some(Start::Inbox(id)),
            Route::Flow(id) => Some(Start::Flow(id)),
        }
    }
}

/// Why nobody took the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unable {
    /// 486, 600 or 603.
    Busy,
    NoAnswer,
    Unregistered,
    /// Any other refusal.
    Refused(u16),
}

impl Unable {
    pub const fn of_status(status: u16) -> Self {
        match status {
            486 | 600 | 603 => Unable::Busy,
            408 | 480 | 487 => Unable::NoAnswer,
            status => Unable::Refused(status),
        }
    }

    const fn status(self) -> u16 {
        match self {
            Unable::Busy => 486,
            Unable::NoAnswer | Unable::Unregistered => UNAVAILABLE,
            Unable::Refused(status) => status,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Begin,
    /// The prompt was said to its end.
    Played,
    /// The caller pressed a key.
    Key(u8),
    /// The caller pressed none in time.
    TimedOut,
    /// Those who rang did not answer.
    NotAnswered(Unable),
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Say a prompt to the caller, then tell [`Event::Played`].
    Play { prompt: String },
    /// The same, and tell [`Event::Key`] already while it is said.
    Ask { prompt: String },
    /// Tell the next key, or [`Event::TimedOut`] after so many seconds.
    Wait { seconds: u16 },
    /// Ring every device of these users; `None`: as long as the service lets.
    Ring { users: Vec<UserId>, seconds: Option<u16> },
    /// Out through a trunk, to an E.164 number; `user`: who has chosen to be reached there.
    Dial { e164: String, user: Option<UserId> },
    /// The caller leaves a message; `busy`: for somebody who is in a call. The path is over.
    Voicemail { mailbox: BoxId, busy: bool },
    /// The caller listens to a box. The path is over.
    Menu(Chosen),
    /// Refuse the call with this status, or end it where it was answered for a prompt.
    End { cause: u16 },
}

/// What a path comes through, for whoever wants to see it.
#[derive(Clone, Debug, PartialEq)]
pub enum Passed {
    /// It goes on there.
    Begins(Start),
    /// It comes to that step of `flow`; `of`: which one of the company's that is.
    Step { flow: Arc<Flow>, of: Option<FlowId>, name: StepName },
}

/// What a path asks of the moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub wall: Wall,
    /// When each user's last call ended; who is not in it has had none.
    pub idle: &'a HashMap<UserId, Time>,
}

#[derive(Clone, Debug)]
enum Waiting {
    Nothing,
    Playing { next: Option<StepName> },
    Asking { digits: BTreeMap<char, StepName>, timeout: Option<StepName>, invalid: Option<StepName>, seconds: u16 },
    Ringing { only: Only, rest: VecDeque<UserId>, seconds: Option<u16>, next: Option<StepName> },
    Over,
}

/// Whose own way holds where nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    Nobody,
    User(UserId),
    /// A group that is called without a flow.
    Group(GroupId),
}

/// One call's way.
#[derive(Clone, Debug)]
pub struct Path {
    /// As it was when the call began.
    directory: Arc<Directory>,
    company: CompanyId,
    start: Start,
    flow: Arc<Flow>,
    /// `None`: what is walked is no flow of the company.
    flow_id: Option<FlowId>,
    /// A user is called, not rung by a step of a flow: their own time holds.
    direct: bool,
    /// It begins with a number outside, which that user calls.
    outside: Option<(String, UserId)>,
    at: Option<StepName>,
    waiting: Waiting,
    /// The last recording step, and whether it said on or off.
    recording: Option<(bool, RecordingStep)>,
    steps: u16,
    forwards: u8,
    /// What the caller is told at the end: the last reason why nobody answered.
    cause: u16,
    /// What it came through since that was looked at; `None`: nobody looks.
    trail: Option<Vec<Passed>>,
}

impl Path {
    pub fn new(directory: Arc<Directory>, company: CompanyId, start: Start) -> Self {
        Path {
            directory,
            company,
            start,
            flow: Arc::new(nothing()),
            flow_id: None,
            direct: false,
            outside: None,
            at: None,
            waiting: Waiting::Nothing,
            recording: None,
            steps: 0,
            forwards: 0,
            cause: UNAVAILABLE,
            trail: None,
        }
    }

    /// The same, and what it comes through is kept to be looked at.
    pub fn traced(self) -> Self {
        Path { trail: Some(Vec::new()), ..self }
    }

    /// What it came through since the last look.
    pub fn passed(&mut self) -> Vec<Passed> {
        self.trail.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn comes_to(&mut self, passed: impl FnOnce() -> Passed) {
        if let Some(trail) = &mut self.trail {
            trail.push(passed());
        }
    }

    /// Out to an E.164 number, for a user who calls it from within the call.
    pub fn outside(directory: Arc<Directory>, company: CompanyId, e164: String, user: UserId) -> Self {
        Path { outside: Some((e164, user)), ..Path::new(directory, company, Start::User(user)) }
    }

    /// The last recording step that was passed, and whether it said on or off.
    pub const fn recording(&self) -> Option<&(bool, RecordingStep)> {
        self.recording.as_ref()
    }

    pub const fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// What to do next; `None` where the event changes nothing.
    pub fn handle(&mut self, event: Event, moment: Moment<'_>) -> Option<Action> {
        match (std::mem::replace(&mut self.waiting, Waiting::Nothing), event) {
            (Waiting::Nothing, Event::Begin) => Some(match self.outside.take() {
                Some((e164, user)) => self.forward(&ForwardTo::Number(e164), Some(user), moment),
                None => self.enter(self.start, moment),
            }),
            (Waiting::Playing { next }, Event::Played) => Some(self.walk(next, moment)),
            (Waiting::Asking { digits, timeout, invalid, seconds }, Event::Played) => {
                self.waiting = Waiting::Asking { digits, timeout, invalid, seconds };
                Some(Action::Wait { seconds })
            }
            (Waiting::Asking { digits, invalid, .. }, Event::Key(key)) => {
                let chosen = digits.get(&char::from(key)).cloned();
                Some(self.walk(chosen.or(invalid), moment))
            }
            (Waiting::Asking { timeout, .. }, Event::TimedOut) => Some(self.walk(timeout, moment)),
            (Waiting::Ringing { only, rest, seconds, next }, Event::NotAnswered(unable)) => {
                self.cause = unable.status();
                Some(self.not_answered(only, rest, seconds, next, unable, moment))
            }
            (waiting, _) => {
                self.waiting = waiting;
                None
            }
        }
    }

    fn enter(&mut self, start: Start, moment: Moment<'_>) -> Action {
        self.comes_to(|| Passed::Begins(start));
        if let Start::Menu(chosen) = start {
            self.waiting = Waiting::Over;
            return Action::Menu(chosen);
        }
        (self.flow, self.flow_id) = self.flow_of(start, moment);
        let first = self.flow.start.clone();
        self.direct = matches!(start, Start::User(_) | Start::Group(_));
        self.walk(Some(first), moment)
    }

    fn flow_of(&self, start: Start, moment: Moment<'_>) -> (Arc<Flow>, Option<FlowId>) {
        let directory = &self.directory;
        let flow = |id| directory.flow(id).map(|flow| (Arc::clone(&flow.flow), Some(id)));
        let alone = |step| (Arc::new(single(step)), None);
        let ring = |target| alone(Step::Ring { target, how: RingHow::All, seconds: GROUP_SECONDS, next: None });
        let found = match start {
            Start::User(id) => directory.user(id).map(|user| ring(RingTo::User(user.extension.clone()))),
            Start::Group(id) => directory.group(id).map(|group| ring(RingTo::Group(group.name.clone()))),
            Start::Flow(id) => flow(id),
            Start::Menu(_) => None,
            Start::Inbox(id) => directory.inbox(id).and_then(|inbox| {
                let open = inbox.schedule.as_ref().is_none_or(|schedule| schedule.is_open(moment.wall));
                match (open, inbox.flow, inbox.closed_flow) {
                    (true, Some(id), _) | (false, _, Some(id)) => flow(id),
                    (true, None, _) => Some(ring(RingTo::Inbox(inbox.name.clone()))),
                    (false, _, None) => Some(alone(Step::Announce { prompt: "closed".to_owned(), next: None })),
                }
            }),
        };
        found.unwrap_or_else(|| (Arc::new(nothing()), None))
    }

    /// Passes steps until one has to be waited for.
    fn walk(&mut self, at: Option<StepName>, moment: Moment<'_>) -> Action {
        self.at = at;
        while let Some(name) = self.at.take() {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return self.end(LOOP);
            }
            let (flow, of) = (Arc::clone(&self.flow), self.flow_id);
            let Some(step) = flow.steps.get(&name) else { break };
            self.comes_to(|| Passed::Step { flow: Arc::clone(&flow), of, name: name.clone() });
            if let Step::Recording { on, .. } = step {
                self.recording = Some((*on, RecordingStep { flow: self.flow_name(), step: name.to_string() }));
            }
            if let Some(action) = self.step(step, moment) {
                return action;
            }
        }
        self.end(self.cause)
    }

    /// Empty of what is walked as a flow and is none.
    fn flow_name(&self) -> String {
        self.flow_id.and_then(|id| self.directory.flow(id)).map(|of| of.name.clone()).unwrap_or_default()
    }

    fn step(&mut self, step: &Step, moment: Moment<'_>) -> Option<Action> {
        match step {
            Step::Recording { on: _, next } => {
                self.at.clone_from(next);
                None
            }
            Step::Schedule { schedule, open, closed } => {
                self.at.clone_from(if schedule.is_open(moment.wall) { open } else { closed });
                None
            }
            Step::Announce { prompt, next } => {
                self.waiting = Waiting::Playing { next: next.clone() };
                Some(Action::Play { prompt: prompt.clone() })
            }
            Step::Menu { prompt, digits, timeout, invalid, seconds } => {
                let (timeout, invalid) = (timeout.clone(), invalid.clone());
                self.waiting = Waiting::Asking { digits: digits.clone(), timeout, invalid, seconds: *seconds };
                Some(Action::Ask { prompt: prompt.clone() })
            }
            Step::Ring { target, how, seconds, next } => self.ring(target, *how, *seconds, next.clone(), moment),
            Step::Forward { to } => Some(self.forward(to, None, moment)),
            Step::Voicemail { mailbox } => Some(self.leave_message(mailbox, false)),
            Step::Hangup { cause } => Some(self.end(*cause)),
        }
    }

    fn ring(
        &mut self,
        target: &RingTo,
        how: RingHow,
        seconds: u16,
        next: Option<StepName>,
        moment: Moment<'_>,
    ) -> Option<Action> {
        let (directory, company) = (Arc::clone(&self.directory), self.company);
        let (mut users, only) = match target {
            RingTo::User(extension) => {
                let user = directory.user_by_extension(company, extension)?;
                let seconds = if self.direct { user.calls.ring_s } else { Some(seconds) };
                return Some(self.ring_these(vec![user.id], VecDeque::new(), Only::User(user.id), seconds, next));
            }
            RingTo::Group(name) => {
                let group = directory.group_by_name(company, name)?;
                (group.members.clone(), if self.direct { Only::Group(group.id) } else { Only::Nobody })
            }
            RingTo::Inbox(name) => (directory.inbox_by_name(company, name)?.members.clone(), Only::Nobody),
        };
        if how == RingHow::LongestIdle {
            users.sort_by_key(|user| moment.idle.get(user).copied());
        }
        let rest = match how {
            RingHow::All => VecDeque::new(),
            RingHow::InTurn | RingHow::LongestIdle => users.split_off(users.len().min(1)).into(),
        };
        match (users.is_empty(), self.box_of(only)) {
            (true, Some(mailbox)) => Some(self.leave_in(mailbox, false)),
            (true, None) => {
                self.at = next;
                None
            }
            (false, _) => Some(self.ring_these(users, rest, only, Some(seconds), next)),
        }
    }

    fn ring_these(
        &mut self,
        users: Vec<UserId>,
        rest: VecDeque<UserId>,
        only: Only,
        seconds: Option<u16>,
        next: Option<StepName>,
    ) -> Action {
        self.waiting = Waiting::Ringing { only, rest, seconds, next };
        Action::Ring { users, seconds }
    }

    /// The next in turn, the way that the user has chosen for this case, on in the flow, or the box of
    /// who was called.
    fn not_answered(
        &mut self,
        only: Only,
        mut rest: VecDeque<UserId>,
        seconds: Option<u16>,
        next: Option<StepName>,
        unable: Unable,
        moment: Moment<'_>,
    ) -> Action {
        if let Some(user) = rest.pop_front() {
            return self.ring_these(vec![user], rest, only, seconds, next);
        }
        let directory = Arc::clone(&self.directory);
        let user = match only {
            Only::User(user) => Some(user),
            Only::Nobody | Only::Group(_) => None,
        };
        let ways = user.and_then(|user| directory.user(user)).map(|user| &user.calls.unanswered);
        let way = ways.and_then(|ways| match unable {
            Unable::Busy => ways.busy.as_ref(),
            Unable::NoAnswer => ways.no_answer.as_ref(),
            Unable::Unregistered => ways.unregistered.as_ref(),
            Unable::Refused(_) => None,
        });
        let busy = unable == Unable::Busy;
        match (way, next, self.box_of(only)) {
            (Some(ForwardTo::Voicemail(name)), _, _) => self.leave_message(name, busy),
            (Some(to), _, _) => self.forward(to, user, moment),
            (None, None, Some(mailbox)) => self.leave_in(mailbox, busy),
            (None, next, _) => self.walk(next, moment),
        }
    }

    /// The box of who was called, where messages can be left in it.
    fn box_of(&self, only: Only) -> Option<BoxId> {
        let mailbox = match only {
            Only::User(user) => self.directory.mailbox_of_user(user),
            Only::Group(group) => self.directory.mailbox_of_group(group),
            Only::Nobody => None,
        };
        mailbox.filter(|mailbox| mailbox.settings.enabled).map(|mailbox| mailbox.id)
    }

    fn leave_message(&mut self, name: &str, busy: bool) -> Action {
        match self.directory.mailbox_by_name(self.company, name).map(|mailbox| mailbox.id) {
            Some(mailbox) => self.leave_in(mailbox, busy),
            None => self.end(self.cause),
        }
    }

    fn leave_in(&mut self, mailbox: BoxId, busy: bool) -> Action {
        self.waiting = Waiting::Over;
        Action::Voicemail { mailbox, busy }
    }

    fn forward(&mut self, to: &ForwardTo, user: Option<UserId>, moment: Moment<'_>) -> Action {
        self.forwards += 1;
        if self.forwards > MOST_FORWARDS {
            return self.end(LOOP);
        }
        let (directory, company) = (Arc::clone(&self.directory), self.company);
        let start = match to {
            ForwardTo::User(extension) => {
                directory.user_by_extension(company, extension).map(|user| Start::User(user.id))
            }
            ForwardTo::Group(name) => directory.group_by_name(company, name).map(|group| Start::Group(group.id)),
            ForwardTo::Voicemail(name) => return self.leave_message(name, false),
            ForwardTo::Number(e164) => {
                match directory.number_by_e164(e164).filter(|number| number.company == company) {
                    Some(number) => Start::of(directory.route_of(number)),
                    None => {
                        // Whoever does not answer out there ends the path.
                        self.waiting =
                            Waiting::Ringing { only: Only::Nobody, rest: VecDeque::new(), seconds: None, next: None };
                        return Action::Dial { e164: e164.clone(), user };
                    }
                }
            }
        };
        match start {
            Some(start) => self.enter(start, moment),
            None => self.end(self.cause),
        }
    }

    fn end(&mut self, cause: u16) -> Action {
        self.waiting = Waiting::Over;
        Action::End { cause }
    }
}

/// A group or an inbox that is called without a flow rings this long.
const GROUP_SECONDS: u16 = 60;

fn single(step: Step) -> Flow {
    let start = StepName("only".to_owned());
    Flow { steps: BTreeMap::from([(start.clone(), step)]), start }
}

/// A flow that ends at once: what was to be called has gone.
fn nothing() -> Flow {
    single(Step::Hangup { cause: 404 })
}

#[cfg(test)]
mod tests;
