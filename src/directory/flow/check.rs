//! Whether a flow holds together, as a whole: everything that does not is said at once.

use super::{Flow, ForwardTo, RingTo, Step, StepName};
use std::collections::BTreeSet;

/// What is wrong with a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` means nothing in this kind of step: take it out")]
    Useless(&'static str),
    #[error("stands twice in this flow: give one another name")]
    Twice,
    #[error("no such box `{0}`: add one of that number, or name another")]
    UnknownBox(String),
    #[error("`{0}` names no box: write its number, or NUMBER@CONTEXT")]
    BadBox(String),
    #[error("a menu without digits: name a step for at least one key")]
    NoDigits,
    #[error("{branch} leads to step `{name}`, which does not exist")]
    UnknownStep { branch: String, name: StepName },
    #[error("{0}: the company has none of that name")]
    UnknownTarget(String),
    #[error("{0}: the user is deactivated: name another, or activate them")]
    DeactivatedUser(String),
    #[error("prompt `{0}` is neither one of the company's nor one that comes with the service ({names})", names = super::super::facility::BUILT_IN_PROMPTS.join(", "))]
    UnknownPrompt(String),
    #[error("is never reached: no branch leads to it from the start")]
    Unreachable,
    #[error("a caller who comes here never comes out again: {0}; lead a branch out of the loop, or let it end")]
    NoExit(String),
}

/// What the company has, to ask whether a target exists.
pub trait Known {
    fn user(&self, extension: &str) -> bool;
    fn group(&self, name: &str) -> bool;
    fn inbox(&self, name: &str) -> bool;
    fn prompt(&self, name: &str) -> bool;
    /// By `NUMBER`, or `NUMBER@CONTEXT`.
    fn mailbox(&self, name: &str) -> bool;
}

/// All that is wrong with `flow`, by step. `Err` names a start that does not exist.
pub fn check(flow: &Flow, known: &impl Known) -> Result<Vec<(StepName, Flaw)>, StepName> {
    if !flow.steps.contains_key(&flow.start) {
        return Err(flow.start.clone());
    }
    let mut flaws = Vec::new();
    for (name, step) in &flow.steps {
        let mut say = |flaw| flaws.push((name.clone(), flaw));
        branches(flow, step, &mut say);
        targets(step, known, &mut say);
    }
    let reached = reached(flow);
    let unreached = flow.steps.keys().filter(|name| !reached.contains(name));
    flaws.extend(unreached.map(|name| (name.clone(), Flaw::Unreachable)));
    flaws.extend(without_exit(flow, &reached));
    Ok(flaws)
}

fn branches(flow: &Flow, step: &Step, say: &mut impl FnMut(Flaw)) {
    let digits = match step {
        Step::Menu { digits, .. } => Some(digits),
        Step::Recording { .. }
        | Step::Announce { .. }
        | Step::Schedule { .. }
        | Step::Ring { .. }
        | Step::Forward { .. }
        | Step::Voicemail { .. }
        | Step::Hangup { .. } => None,
    };
    let digits = digits.into_iter().flatten().map(|(key, name)| (format!("digit {key}"), name));
    let named = step.branches().into_iter().filter_map(|(branch, to)| to.as_ref().map(|name| (branch, name)));
    for (branch, name) in named.chain(digits) {
        if !flow.steps.contains_key(name) {
            say(Flaw::UnknownStep { branch, name: name.clone() });
        }
    }
}

fn targets(step: &Step, known: &impl Known, say: &mut impl FnMut(Flaw)) {
    let exists = match step {
        Step::Ring { target, .. } => match target {
            RingTo::User(extension) => known.user(extension),
            RingTo::Group(name) => known.group(name),
            RingTo::Inbox(name) => known.inbox(name),
        },
        Step::Forward { to } => forward_exists(to, known),
        Step::Announce { prompt, .. } | Step::Menu { prompt, .. } => {
            if !known.prompt(prompt) {
                say(Flaw::UnknownPrompt(prompt.clone()));
            }
            true
        }
        Step::Voicemail { mailbox } => known.mailbox(mailbox),
        Step::Recording { .. } | Step::Schedule { .. } | Step::Hangup { .. } => true,
    };
    if exists {
        return;
    }
    match step {
        Step::Ring { target, .. } => say(Flaw::UnknownTarget(target.to_string())),
        Step::Forward { to } => say(Flaw::UnknownTarget(to.to_string())),
        Step::Voicemail { mailbox } => say(Flaw::UnknownBox(mailbox.clone())),
        Step::Recording { .. }
        | Step::Announce { .. }
        | Step::Schedule { .. }
        | Step::Menu { .. }
        | Step::Hangup { .. } => {}
    }
}

/// Whether the company has what a call is sent on to; a number may be anybody's.
pub fn forward_exists(to: &ForwardTo, known: &impl Known) -> bool {
    match to {
        ForwardTo::User(extension) => known.user(extension),
        ForwardTo::Group(name) => known.group(name),
        ForwardTo::Number(_) => true,
        ForwardTo::Voicemail(name) => known.mailbox(name),
    }
}

fn reached(flow: &Flow) -> BTreeSet<&StepName> {
    let mut reached = BTreeSet::new();
    let mut to_visit = vec![&flow.start];
    while let Some(name) = to_visit.pop() {
        if let Some(step) = flow.steps.get(name)
            && reached.insert(name)
        {
            to_visit.extend(step.followers());
        }
    }
    reached
}

/// The loops among the reached steps from which no way leads out. Hours change by themselves, so
/// both branches of a schedule count; an answer is a way out of a ring step.
fn without_exit(flow: &Flow, reached: &BTreeSet<&StepName>) -> Vec<(StepName, Flaw)> {
    let mut ends: BTreeSet<&StepName> = flow.steps.iter().filter(|(_, step)| can_end(step)).map(|(n, _)| n).collect();
    loop {
        let more: Vec<&StepName> = flow
            .steps
            .iter()
            .filter(|(name, step)| !ends.contains(name) && step.followers().any(|next| ends.contains(next)))
            .map(|(name, _)| name)
            .collect();
        if more.is_empty() {
            break;
        }
        ends.extend(more);
    }
    let mut stuck: BTreeSet<&StepName> = reached.iter().copied().filter(|name| !ends.contains(name)).collect();
    let mut flaws = Vec::new();
    while let Some(first) = stuck.first().copied() {
        let path = walk(flow, first);
        stuck.retain(|name| !path.contains(name));
        let names: Vec<String> = path.iter().map(ToString::to_string).collect();
        flaws.push((first.clone(), Flaw::NoExit(names.join(" → "))));
    }
    flaws
}

/// Every step that can be come to from `first`, in the order in which they are found.
fn walk<'a>(flow: &'a Flow, first: &'a StepName) -> Vec<&'a StepName> {
    let mut path = vec![first];
    let mut at = 0;
    while let Some(name) = path.get(at).copied() {
        at += 1;
        for next in flow.steps.get(name).into_iter().flat_map(Step::followers) {
            if !path.contains(&next) {
                path.push(next);
            }
        }
    }
    path
}

/// Whether the flow can end in this step, or ends because of a branch that leads nowhere that
/// exists (which is said by itself).
fn can_end(step: &Step) -> bool {
    match step {
        Step::Ring { .. } | Step::Forward { .. } | Step::Voicemail { .. } | Step::Hangup { .. } => true,
        Step::Recording { .. } | Step::Announce { .. } | Step::Schedule { .. } | Step::Menu { .. } => {
            step.branches().iter().any(|(_, branch)| branch.is_none())
        }
    }
}
