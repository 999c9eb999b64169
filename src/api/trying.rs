//! A call flow tried with a supposed call: what is asked, and what would come of it.

use super::Permission;
use crate::call::{Exit, TrialEnd, Tried, TriedStep};
use crate::directory::Directory;
use crate::directory::file::{FileError, Problem as FileProblem};
use crate::directory::flow::Flaw;
use crate::ledger::RecordingStep;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A request to try a flow: admins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TryAsk {
    pub which: WhichFlow,
    /// The company's number that is called, E.164.
    pub number: Option<String>,
    /// An outside number, or the extension of a user.
    pub caller: Option<String>,
    /// RFC 3339, or a time of the company's time zone without an offset; `None`: now.
    pub at: Option<String>,
    /// By the name of the menu.
    pub keys: BTreeMap<String, String>,
    pub answered: bool,
}

impl TryAsk {
    /// What a token must be made for: nothing is changed.
    pub const NEEDS: Permission = Permission::ReadDirectory;
}

/// The flow that is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichFlow {
    /// As it would be added or changed.
    Draft(Map<String, Value>),
    /// As it is, by name.
    Named(String),
}

/// What would come of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TryView {
    /// The flow holds together; else nothing below `warnings` is said.
    pub valid: bool,
    pub errors: Vec<TryError>,
    /// What is dangerous about it.
    pub warnings: Vec<String>,
    /// The steps that the call passes, in order.
    pub path: Vec<TryStep>,
    pub ends: Option<TryEnd>,
    /// Whether the call would be recorded.
    pub record: Option<bool>,
    /// The source that says so, as in a call's `because`.
    pub because: Option<String>,
    /// The step of a flow that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_step: Option<RecordingStep>,
    /// The same as a sentence.
    pub because_text: Option<String>,
}

/// What is wrong with a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TryError {
    /// The step that it is of; absent of the flow as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The key that is wrong, as far as it is one.
    pub key: String,
    /// What stands there; empty where nothing does.
    pub value: String,
    /// What is wrong and the way out, for people.
    pub expected: String,
}

/// A step that is come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TryStep {
    /// The flow that it is a step of; `null` where the call was sent on to somebody.
    pub flow: Option<String>,
    pub step: Option<String>,
    /// As the step's `do`; `goes_on` where the call was sent on.
    pub does: String,
    /// What happens in it, for people.
    pub sentences: Vec<String>,
    /// Where it is left; `null` where the path ends in it, or is sent on.
    pub branch: Option<TryExit>,
}

/// Where a step is left, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TryExit {
    /// `next`, `open`, `closed`, a key, `timeout`, `invalid`, `answered`, `no_answer`, `nobody` or `refused`.
    pub exit: String,
    /// For people.
    pub why: String,
    /// The step of the same flow that comes next.
    pub to: Option<String>,
}

/// Where the path ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TryEnd {
    /// `answered`, `outside`, `voicemail` or `hang_up`.
    pub kind: String,
    /// For people.
    pub text: String,
    /// Extensions of those of whom one answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// The outside number that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    #[serde(default, rename = "box", skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// SIP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl TryView {
    pub(super) fn invalid(errors: Vec<TryError>) -> Self {
        TryView { errors, ..TryView::default() }
    }

    pub(super) fn of(directory: &Directory, tried: &Tried, warnings: Vec<String>) -> Self {
        let Tried { path, end, decision } = tried;
        TryView {
            valid: true,
            errors: Vec::new(),
            warnings,
            path: path.iter().map(TryStep::of).collect(),
            ends: Some(TryEnd::of(directory, end)),
            record: Some(decision.record),
            because: Some(decision.because.source().to_owned()),
            recording_step: decision.because.step().cloned(),
            because_text: Some(tried.because_text()),
        }
    }
}

impl TryStep {
    fn of(told: &TriedStep) -> Self {
        let TriedStep { flow, step, does, sentences, exit } = told;
        let branch = exit.as_ref().map(|Exit { name, why, to }| TryExit {
            exit: name.clone(),
            why: why.clone(),
            to: to.clone(),
        });
        TryStep {
            flow: flow.clone(),
            step: step.clone(),
            does: (*does).to_owned(),
            sentences: sentences.clone(),
            branch,
        }
    }
}

impl TryEnd {
    fn of(directory: &Directory, end: &TrialEnd) -> Self {
        let none = TryEnd::default();
        match end {
            TrialEnd::Answered { users } => {
                let users: Vec<_> = users.iter().filter_map(|id| directory.user(*id)).collect();
                let names: Vec<String> =
                    users.iter().map(|user| format!("{} ({})", user.name, user.extension)).collect();
                let text = match names.as_slice() {
                    [one] => format!("{one} answers."),
                    _ => format!("One of these answers: {}.", names.join(", ")),
                };
                let users = users.into_iter().map(|user| user.extension.clone()).collect();
                TryEnd { kind: "answered".to_owned(), text, users, ..none }
            }
            TrialEnd::Outside { e164, caller_id } => {
                let text = format!("{e164} answers, and sees {caller_id}.");
                TryEnd { kind: "outside".to_owned(), text, number: Some(e164.clone()), ..none }
            }
            TrialEnd::Voicemail { mailbox } => {
                let mailbox = directory.mailbox(*mailbox);
                let of = mailbox.map(|mailbox| format!("{} ({})", mailbox.key(), mailbox.name)).unwrap_or_default();
                let text = format!("The caller leaves a message in box {of}.");
                TryEnd { kind: "voicemail".to_owned(), text, mailbox: mailbox.map(|one| one.key()), ..none }
            }
            TrialEnd::HungUp { cause } => {
                let text = format!("Nobody takes the call: it ends with status {cause}.");
                TryEnd { kind: "hang_up".to_owned(), text, status: Some(*cause), ..none }
            }
        }
    }
}

impl TryError {
    /// What an error of the company file says of the flow that has `keys`.
    pub(super) fn of(problem: &FileProblem, said: String, keys: &Map<String, Value>) -> Self {
        let of_step = |step: &str, key: &str, value: &str, expected: String| TryError {
            step: Some(step.to_owned()),
            key: key.to_owned(),
            value: value.to_owned(),
            expected,
        };
        match problem {
            FileProblem::Step { step, flaw } => {
                let (key, value) = key_of(flaw, &step.0, keys);
                of_step(&step.0, &key, &value, flaw.to_string())
            }
            FileProblem::Value { key, message } => {
                TryError { step: None, key: key.clone(), value: quoted(message), expected: message.clone() }
            }
            FileProblem::UnknownStart(start) => {
                TryError { step: None, key: "start".to_owned(), value: start.to_string(), expected: said }
            }
            FileProblem::NoSteps => {
                TryError { step: None, key: "step".to_owned(), value: String::new(), expected: said }
            }
            FileProblem::Missing(key) => {
                TryError { step: None, key: (*key).to_owned(), value: String::new(), expected: said }
            }
            _ => TryError { step: None, key: "flow".to_owned(), value: quoted(&said), expected: said },
        }
    }

    /// As [`TryError::of`], of an error that says where it stands.
    pub(super) fn of_file(error: &FileError, keys: &Map<String, Value>) -> Self {
        Self::of(&error.problem, super::directory::said(error), keys)
    }
}

/// The key of a step that a flaw is of, and what stands there.
fn key_of(flaw: &Flaw, step: &str, keys: &Map<String, Value>) -> (String, String) {
    let said = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    match flaw {
        Flaw::Missing(key) => said(key, ""),
        Flaw::Useless(key) => said(key, &value_of(step, key, keys)),
        Flaw::Twice | Flaw::Unreachable | Flaw::NoExit(_) => said("name", step),
        Flaw::UnknownBox(name) | Flaw::BadBox(name) => said("box", name),
        Flaw::NoDigits => said("digits", ""),
        Flaw::UnknownStep { branch, name } => said(branch, &name.0),
        Flaw::UnknownTarget(to) | Flaw::DeactivatedUser(to) => {
            let key = if value_of(step, "to", keys) == *to { "to" } else { "target" };
            said(key, to)
        }
        Flaw::UnknownPrompt(name) => said("prompt", name),
    }
}

/// What stands under that key of the step.
fn value_of(step: &str, key: &str, keys: &Map<String, Value>) -> String {
    let steps = keys.get("step").and_then(Value::as_array);
    let found = steps.into_iter().flatten().find(|one| one.get("name").and_then(Value::as_str) == Some(step));
    let value = found.and_then(|step| step.get(key));
    value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
}

/// What a message has between its first two backticks.
fn quoted(message: &str) -> String {
    message.split('`').nth(1).unwrap_or_default().to_owned()
}
