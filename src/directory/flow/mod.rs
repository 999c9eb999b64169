//! Call flows: what happens to a call to a number, step by step.
//!
//! ```text
//! start ─► recording ─► schedule ─open──► announce ─► ring ─nobody answers─► (end)
//!                          └─closed─► hangup
//! ```
//! A flow is a set of named steps; each says where it goes on. Where a branch names no step the
//! flow ends. The same types stand in the database and are what the API speaks.

mod check;
mod schedule;

pub use check::{Flaw, Known, check, forward_exists};
pub use schedule::{BadSchedule, Holiday, Hours, Schedule, Zone};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// Name of a step in its flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepName(pub String);

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a branch leads; `None`: the flow ends.
pub type Branch = Option<StepName>;

/// The steps of a flow and where it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    pub start: StepName,
    pub steps: BTreeMap<StepName, Step>,
}

/// One step. Users, groups and inboxes are named as in the company file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// The call is recorded or not, from here to the end of the path below.
    Recording { on: bool, next: Branch },
    /// The caller hears a prompt.
    Announce { prompt: String, next: Branch },
    /// Opening hours.
    Schedule { schedule: Schedule, open: Branch, closed: Branch },
    /// The caller chooses by a digit.
    Menu {
        prompt: String,
        /// By key: `0-9`, `*`, `#`.
        digits: BTreeMap<char, StepName>,
        /// No key came for `seconds` after the prompt.
        timeout: Branch,
        /// A key that stands for nothing.
        invalid: Branch,
        seconds: u16,
    },
    /// Devices ring; an answer ends the flow.
    Ring { target: RingTo, how: RingHow, seconds: u16, next: Branch },
    /// The call goes elsewhere, and the flow ends.
    Forward { to: ForwardTo },
    /// The caller leaves a message, and the flow ends.
    Voicemail {
        /// `NUMBER`, or `NUMBER@CONTEXT`.
        #[serde(rename = "box")]
        mailbox: String,
    },
    /// The call is refused, or ended where it was answered already.
    Hangup {
        /// SIP status, 400 to 699.
        cause: u16,
    },
}

impl Step {
    /// Name of every branch and where it leads.
    pub fn branches(&self) -> Vec<(String, &Branch)> {
        match self {
            Step::Recording { next, .. } | Step::Announce { next, .. } | Step::Ring { next, .. } => {
                vec![("next".to_owned(), next)]
            }
            Step::Schedule { open, closed, .. } => vec![("open".to_owned(), open), ("closed".to_owned(), closed)],
            Step::Menu { timeout, invalid, .. } => {
                vec![("timeout".to_owned(), timeout), ("invalid".to_owned(), invalid)]
            }
            Step::Forward { .. } | Step::Voicemail { .. } | Step::Hangup { .. } => Vec::new(),
        }
    }

    /// The steps that may follow.
    pub fn followers(&self) -> impl Iterator<Item = &StepName> {
        let digits = match self {
            Step::Menu { digits, .. } => Some(digits.values()),
            Step::Recording { .. }
            | Step::Announce { .. }
            | Step::Schedule { .. }
            | Step::Ring { .. }
            | Step::Forward { .. }
            | Step::Voicemail { .. }
            | Step::Hangup { .. } => None,
        };
        let named: Vec<&StepName> = self.branches().into_iter().filter_map(|(_, branch)| branch.as_ref()).collect();
        named.into_iter().chain(digits.into_iter().flatten())
    }
}

/// Who rings, as the company file says it: `user:201`, `group:sales`, `inbox:support`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RingTo {
    /// By extension.
    User(String),
    Group(String),
    Inbox(String),
}

/// In which order the devices of several users ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RingHow {
    /// Every device of every member; the first answer wins.
    #[default]
    All,
    /// One member after the other, each for the step's seconds.
    InTurn,
    /// The same, first the one whose last call ended longest ago.
    LongestIdle,
}

/// Where a call is sent on to: `user:203`, `group:sales`, `number:+4930555`, `voicemail:8000`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ForwardTo {
    User(String),
    Group(String),
    /// E.164: out through a trunk, or to a number of the company.
    Number(String),
    /// A box, by its name.
    Voicemail(String),
}

/// What happens to a call for a user who cannot take it. `None`: the next step of the flow, and
/// without a flow the caller is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Unanswered {
    pub busy: Option<ForwardTo>,
    pub no_answer: Option<ForwardTo>,
    /// No device is registered.
    pub unregistered: Option<ForwardTo>,
}

impl Unanswered {
    pub const fn is_empty(&self) -> bool {
        self.busy.is_none() && self.no_answer.is_none() && self.unregistered.is_none()
    }
}

/// A target that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    #[error("`{0}` cannot ring: write \"user:EXTENSION\", \"group:NAME\" or \"inbox:NAME\"")]
    Ring(String),
    #[error(
        "`{0}` is nowhere to go on: write \"user:EXTENSION\", \"group:NAME\", \"number:+NUMBER\" or \"voicemail:BOX\""
    )]
    Forward(String),
}

impl TryFrom<String> for RingTo {
    type Error = BadTarget;
    fn try_from(text: String) -> Result<Self, BadTarget> {
        match text.split_once(':') {
            Some(("user", extension)) if is_extension(extension) => Ok(RingTo::User(extension.to_owned())),
            Some(("group", name)) if !name.is_empty() => Ok(RingTo::Group(name.to_owned())),
            Some(("inbox", name)) if !name.is_empty() => Ok(RingTo::Inbox(name.to_owned())),
            Some(_) | None => Err(BadTarget::Ring(text)),
        }
    }
}

impl TryFrom<String> for ForwardTo {
    type Error = BadTarget;
    fn try_from(text: String) -> Result<Self, BadTarget> {
        match text.split_once(':') {
            Some(("user", extension)) if is_extension(extension) => Ok(ForwardTo::User(extension.to_owned())),
            Some(("group", name)) if !name.is_empty() => Ok(ForwardTo::Group(name.to_owned())),
            Some(("number", e164)) if is_e164(e164) => Ok(ForwardTo::Number(e164.to_owned())),
            Some(("voicemail", name)) if super::is_box_name(name) => Ok(ForwardTo::Voicemail(name.to_owned())),
            Some(_) | None => Err(BadTarget::Forward(text)),
        }
    }
}

fn is_extension(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| super::dialled::e164(digits).is_some())
}

impl fmt::Display for RingTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RingTo::User(extension) => write!(f, "user:{extension}"),
            RingTo::Group(name) => write!(f, "group:{name}"),
            RingTo::Inbox(name) => write!(f, "inbox:{name}"),
        }
    }
}

impl fmt::Display for ForwardTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForwardTo::User(extension) => write!(f, "user:{extension}"),
            ForwardTo::Group(name) => write!(f, "group:{name}"),
            ForwardTo::Number(e164) => write!(f, "number:{e164}"),
            ForwardTo::Voicemail(name) => write!(f, "voicemail:{name}"),
        }
    }
}

impl From<RingTo> for String {
    fn from(target: RingTo) -> Self {
        target.to_string()
    }
}

impl From<ForwardTo> for String {
    fn from(target: ForwardTo) -> Self {
        target.to_string()
    }
}

#[cfg(test)]
mod tests;
