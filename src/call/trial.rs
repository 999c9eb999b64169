//! A path through call flows that no call takes: walked by the same [`Path`] with what somebody supposes,
//! and told step by step. Pure.

use super::path::{Action, Event, Moment, Passed, Path, Start, Unable};
use super::route::{Target, onward};
use crate::base::{BoxId, CompanyId, Direction, FlowId, NumberId, UserId, Wall};
use crate::directory::flow::{Flow, ForwardTo, RingHow, RingTo, Step, StepName};
use crate::directory::{Directory, NumberRecording};
use crate::ledger::{Because, Decision};
use crate::policy::{Facts, decide};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What is supposed of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supposed {
    /// When it comes.
    pub at: Wall,
    /// Inbound, or internal.
    pub direction: Direction,
    /// The company's number that was called.
    pub number: Option<NumberId>,
    /// What the caller presses, by the name of the menu: one key each time that the menu is come to; then
    /// nothing.
    pub keys: BTreeMap<String, String>,
    /// Whoever rings first answers; else nobody does.
    pub answered: bool,
}

/// What would come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    pub path: Vec<TriedStep>,
    pub end: TrialEnd,
    pub decision: Decision,
}

/// A step that is come to.
#[derive(Clone, Debug, PartialEq)]
pub struct TriedStep {
    /// The flow that it is a step of; `None`: the call was sent on to somebody without a flow.
    pub flow: Option<String>,
    pub step: Option<String>,
    /// As `do` of a step, or `goes_on`.
    pub does: &'static str,
    /// What happens in it, for people.
    pub sentences: Vec<String>,
    pub exit: Option<Exit>,
}

/// Where a step is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// As the step calls its branches; or `answered`, `no_answer`, `nobody`, `refused`.
    pub name: String,
    /// For people.
    pub why: String,
    /// The step that comes next in this flow.
    pub to: Option<String>,
}

/// Where the path ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrialEnd {
    /// One of them answers.
    Answered {
        users: Vec<UserId>,
    },
    /// Somebody outside answers.
    Outside {
        e164: String,
        caller_id: String,
    },
    Voicemail {
        mailbox: BoxId,
    },
    /// With this SIP status.
    HungUp {
        cause: u16,
    },
}

/// Walks the flow as a call would that comes as `supposed`.
pub fn try_flow(directory: &Arc<Directory>, company: CompanyId, flow: FlowId, supposed: &Supposed) -> Tried {
    let path = Path::new(Arc::clone(directory), company, Start::Flow(flow)).traced();
    let mut walk = Walk::new(path, directory, company, supposed);
    let end = walk.walk_on();
    let decision = walk.decision(&end);
    Tried { path: walk.told, end, decision }
}

struct Walk<'a> {
    directory: &'a Directory,
    company: CompanyId,
    supposed: &'a Supposed,
    path: Path,
    told: Vec<TriedStep>,
    /// The step that was come to last.
    last: Option<Step>,
    /// How often each menu was come to.
    visits: BTreeMap<String, usize>,
}

impl<'a> Walk<'a> {
    fn new(path: Path, directory: &'a Directory, company: CompanyId, supposed: &'a Supposed) -> Self {
        Walk { directory, company, supposed, path, told: Vec::new(), last: None, visits: BTreeMap::new() }
    }

    /// The path has an end of its own: it passes a bounded number of steps.
    fn walk_on(&mut self) -> TrialEnd {
        let idle = HashMap::new();
        let mut event = Event::Begin;
        loop {
            let action = self.path.handle(event, Moment { wall: self.supposed.at, idle: &idle });
            for passed in self.path.passed() {
                self.come_to(passed);
            }
            event = match action {
                Some(Action::Play { prompt }) => {
                    self.add(format!("The caller hears `{prompt}`."));
                    self.leave("next", "the prompt is over");
                    Event::Played
                }
                Some(Action::Ask { prompt }) => self.ask(&prompt),
                Some(Action::Wait { seconds }) => {
                    self.leave("timeout", &format!("the caller presses nothing for {seconds} s"));
                    Event::TimedOut
                }
                Some(Action::Ring { users, seconds }) => {
                    self.ring(&users, seconds);
                    if self.supposed.answered {
                        return TrialEnd::Answered { users };
                    }
                    Event::NotAnswered(Unable::NoAnswer)
                }
                Some(Action::Dial { e164, user }) => match self.dial(&e164, user) {
                    Ok(end) => return end,
                    Err(event) => event,
                },
                Some(Action::Voicemail { mailbox, busy: _ }) => {
                    self.leave_without_a_person();
                    return TrialEnd::Voicemail { mailbox };
                }
                Some(Action::End { cause }) => {
                    self.leave_without_a_person();
                    return TrialEnd::HungUp { cause };
                }
                // No flow leads to a menu of voicemail, and what is told is what was waited for.
                Some(Action::Menu(_)) | None => return TrialEnd::HungUp { cause: 404 },
            };
        }
    }

    fn decision(&self, end: &TrialEnd) -> Decision {
        let Some(company) = self.directory.company(self.company) else {
            let because = Because::Company { direction: self.supposed.direction };
            return Decision { record: false, because };
        };
        let number = self.supposed.number.and_then(|id| self.directory.number(id));
        let recording = number.map_or(NumberRecording::Inherit, |number| number.recording);
        let settings = &company.settings;
        let passed = self.path.recording();
        let facts = Facts::at_start(self.supposed.direction, settings, recording, passed.map(|(on, _)| *on));
        let decision = decide(&match end {
            TrialEnd::Answered { .. } | TrialEnd::HungUp { .. } => facts,
            TrialEnd::Outside { .. } => facts.gone_outside(settings),
            TrialEnd::Voicemail { .. } => Facts { voicemail: true, ..facts },
        });
        decision.named(passed.map(|(_, step)| step))
    }

    fn come_to(&mut self, passed: Passed) {
        match passed {
            Passed::Begins(start) => {
                // Where it begins was said by whoever tries it.
                if !self.told.is_empty() {
                    let sentences = vec![format!("The call goes on to {}.", self.start_text(start))];
                    self.told.push(TriedStep { flow: None, step: None, does: "goes_on", sentences, exit: None });
                }
                self.last = None;
            }
            Passed::Step { flow, of, name } => self.step(&flow, of, &name),
        }
    }

    fn step(&mut self, flow: &Flow, of: Option<FlowId>, name: &StepName) {
        if matches!(self.last, Some(Step::Ring { .. })) {
            self.leave_unset("nobody", "there is nobody to ring");
        }
        let (before, Some(step)) = (self.last.take(), flow.steps.get(name)) else { return };
        if let (Some(_), Some(exit)) = (before, self.told.last_mut().and_then(|told| told.exit.as_mut())) {
            exit.to = Some(name.to_string());
        }
        let of = of.and_then(|id| self.directory.flow(id)).map(|flow| flow.name.clone());
        let (does, sentences) = said(step);
        let step_name = of.is_some().then(|| name.to_string());
        self.told.push(TriedStep { flow: of, step: step_name, does, sentences, exit: None });
        self.last = Some(step.clone());
        match step {
            Step::Recording { .. } => self.leave("next", "it holds from here on"),
            Step::Schedule { schedule, .. } => {
                let exit = if schedule.is_open(self.supposed.at) { "open" } else { "closed" };
                self.leave(exit, &schedule.said(self.supposed.at));
            }
            Step::Announce { .. }
            | Step::Menu { .. }
            | Step::Ring { .. }
            | Step::Forward { .. }
            | Step::Voicemail { .. }
            | Step::Hangup { .. } => {}
        }
    }

    fn ask(&mut self, prompt: &str) -> Event {
        self.add(format!("The caller hears `{prompt}` and is asked for a key."));
        let menu = self.told.last().and_then(|told| told.step.clone()).unwrap_or_default();
        let visit = self.visits.entry(menu.clone()).or_default();
        let key = self.supposed.keys.get(&menu).and_then(|keys| keys.chars().nth(*visit));
        *visit += 1;
        let Some((key, byte)) = key.and_then(|key| Some((key, u8::try_from(key).ok()?))) else {
            return Event::Played;
        };
        let stands = matches!(&self.last, Some(Step::Menu { digits, .. }) if digits.contains_key(&key));
        match stands {
            true => self.leave(&key.to_string(), &format!("the caller presses {key}")),
            false => self.leave("invalid", &format!("the caller presses {key}, which stands for nothing here")),
        }
        Event::Key(byte)
    }

    fn ring(&mut self, users: &[UserId], seconds: Option<u16>) {
        let who = self.names(users);
        self.add(match seconds {
            Some(seconds) => format!("It rings for {seconds} s: {who}."),
            None => format!("It rings: {who}."),
        });
        match (self.supposed.answered, users.len()) {
            (true, 1) => self.leave("answered", &format!("it is supposed that {who} answers")),
            (true, _) => self.leave("answered", &format!("it is supposed that one of them answers: {who}")),
            (false, _) => self.leave("no_answer", "it is supposed that nobody answers"),
        }
    }

    fn dial(&mut self, e164: &str, user: Option<UserId>) -> Result<TrialEnd, Event> {
        match onward(self.directory, self.company, self.supposed.number, user, e164) {
            Ok(Target::Trunk { called, caller_id }) if self.supposed.answered => {
                self.add(format!("The call leaves through a trunk to {called}, as {caller_id}."));
                self.leave("answered", &format!("it is supposed that {called} answers"));
                Ok(TrialEnd::Outside { e164: called, caller_id })
            }
            Ok(Target::Trunk { .. } | Target::User(_) | Target::Path(_)) => {
                self.add(format!("The call leaves through a trunk to {e164}."));
                self.leave("no_answer", "it is supposed that nobody answers");
                Err(Event::NotAnswered(Unable::NoAnswer))
            }
            Err(error) => {
                self.leave("refused", &error.to_string());
                Err(Event::NotAnswered(Unable::Refused(error.status())))
            }
        }
    }

    /// Adds to what is told of the last step.
    fn add(&mut self, sentence: String) {
        if let Some(told) = self.told.last_mut() {
            told.sentences.push(sentence);
        }
    }

    fn leave(&mut self, name: &str, why: &str) {
        if let Some(told) = self.told.last_mut() {
            told.exit = Some(Exit { name: name.to_owned(), why: why.to_owned(), to: None });
        }
    }

    fn leave_unset(&mut self, name: &str, why: &str) {
        if self.told.last().is_some_and(|told| told.exit.is_none()) {
            self.leave(name, why);
        }
    }

    /// The path is over, and nobody has answered.
    fn leave_without_a_person(&mut self) {
        if matches!(self.last, Some(Step::Ring { .. })) {
            self.leave_unset("nobody", "there is nobody to ring");
        }
    }

    fn names(&self, users: &[UserId]) -> String {
        let name = |id: &UserId| self.directory.user(*id).map(|user| format!("{} ({})", user.name, user.extension));
        let names: Vec<String> = users.iter().filter_map(name).collect();
        match names.as_slice() {
            [] => "nobody".to_owned(),
            all => all.join(", "),
        }
    }

    fn start_text(&self, start: Start) -> String {
        let directory = self.directory;
        let text = match start {
            Start::User(id) => directory.user(id).map(|user| format!("{} ({})", user.name, user.extension)),
            Start::Group(id) => directory.group(id).map(|group| format!("the group {}", group.label)),
            Start::Flow(id) => directory.flow(id).map(|flow| format!("the call flow {}", flow.name)),
            Start::Inbox(id) => directory.inbox(id).map(|inbox| match &inbox.schedule {
                None => format!("the inbox {}", inbox.label),
                Some(schedule) => format!("the inbox {}: {}", inbox.label, schedule.said(self.supposed.at)),
            }),
            Start::Menu(_) => None,
        };
        text.unwrap_or_else(|| "what is not there any more".to_owned())
    }
}

/// What a step does, as it calls itself and for people.
fn said(step: &Step) -> (&'static str, Vec<String>) {
    match step {
        Step::Recording { on: true, .. } => ("recording", vec!["From here on the call is recorded.".to_owned()]),
        Step::Recording { on: false, .. } => ("recording", vec!["From here on the call is not recorded.".to_owned()]),
        Step::Announce { .. } => ("announce", Vec::new()),
        Step::Schedule { .. } => ("schedule", vec!["The opening hours decide.".to_owned()]),
        Step::Menu { .. } => ("menu", Vec::new()),
        Step::Ring { target, how, .. } => {
            let whom = match target {
                RingTo::User(extension) => format!("the user {extension}"),
                RingTo::Group(name) => format!("the group {name}"),
                RingTo::Inbox(name) => format!("the inbox {name}"),
            };
            let order = match how {
                RingHow::All => None,
                RingHow::InTurn => Some("They ring one after the other."),
                RingHow::LongestIdle => Some("Whose last call ended longest ago rings first."),
            };
            let sentences = [Some(format!("The call is for {whom}.")), order.map(str::to_owned)];
            ("ring", sentences.into_iter().flatten().collect())
        }
        Step::Forward { to } => {
            let whom = match to {
                ForwardTo::User(extension) => format!("the user {extension}"),
                ForwardTo::Group(name) => format!("the group {name}"),
                ForwardTo::Number(e164) => e164.clone(),
                ForwardTo::Voicemail(name) => format!("the box {name}"),
            };
            ("forward", vec![format!("The call is sent on to {whom}.")])
        }
        Step::Voicemail { mailbox } => ("voicemail", vec![format!("The caller leaves a message in box {mailbox}.")]),
        Step::Hangup { cause } => ("hangup", vec![format!("The call is ended with status {cause}.")]),
    }
}

impl Tried {
    /// Whether a call like this would be recorded, and why, as one sentence.
    pub fn because_text(&self) -> String {
        let Decision { record, because } = &self.decision;
        let verdict = if *record { "Recorded" } else { "Not recorded" };
        let nobody = match (&self.end, record) {
            (TrialEnd::HungUp { .. }, true) => ", if anybody answered: nobody does",
            (TrialEnd::HungUp { .. } | TrialEnd::Answered { .. } | TrialEnd::Outside { .. }, _)
            | (TrialEnd::Voicemail { .. }, _) => "",
        };
        format!("{verdict}: {because}{nobody}.")
    }
}

#[cfg(test)]
mod tests;
