//! Whether a call is recorded, and why.

use crate::base::{Direction, Side, UserId, Wall};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The answer of the policy: the value, and the source that spoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    pub record: bool,
    pub because: Because,
}

impl Decision {
    /// The same, with the name of the step where one says so: it is none of the facts that decide.
    pub fn named(self, passed: Option<&RecordingStep>) -> Self {
        match self.because {
            Because::FlowStep { passed: _ } => {
                Decision { because: Because::FlowStep { passed: passed.cloned() }, ..self }
            }
            Because::OutsideRefusal
            | Because::Voicemail
            | Because::AgentCommand
            | Because::Number
            | Because::Company { .. } => self,
        }
    }
}

/// The source that decided, first of these that speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum Because {
    /// The outside party does not want to be recorded: nothing and nobody opens this call's gate.
    OutsideRefusal,
    /// The call has ended in a voicemail box, or is one to listen to: what is left there is a message, and
    /// no recording.
    Voicemail,
    /// The path that the call took passed a recording step of the call flow.
    FlowStep {
        /// Absent of calls from before it was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passed: Option<RecordingStep>,
    },
    /// A permitted user commanded it.
    AgentCommand,
    /// The number's own setting is `on` or `off`.
    Number,
    /// The company's toggle for the direction of the call.
    Company { direction: Direction },
}

/// A recording step of a call flow, as both were called when a call passed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordingStep {
    pub flow: String,
    pub step: String,
}

impl fmt::Display for RecordingStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordingStep { flow, step } = self;
        write!(f, "the recording step `{step}` of the call flow `{flow}`")
    }
}

impl Because {
    /// The step that says so, where its name was kept.
    pub const fn step(&self) -> Option<&RecordingStep> {
        match self {
            Because::FlowStep { passed } => passed.as_ref(),
            Because::OutsideRefusal
            | Because::Voicemail
            | Because::AgentCommand
            | Because::Number
            | Because::Company { .. } => None,
        }
    }

    /// The source's name, as in JSON.
    pub const fn source(&self) -> &'static str {
        match self {
            Because::OutsideRefusal => "outside_refusal",
            Because::Voicemail => "voicemail",
            Because::FlowStep { .. } => "flow_step",
            Because::AgentCommand => "agent_command",
            Because::Number => "number",
            Because::Company { .. } => "company",
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Because::OutsideRefusal => f.write_str("the refusal of the outside party"),
            Because::Voicemail => f.write_str("voicemail, of which no recording is made"),
            Because::FlowStep { passed: Some(step) } => step.fmt(f),
            Because::FlowStep { passed: None } => f.write_str("a recording step of the call flow"),
            Because::AgentCommand => f.write_str("a command of the agent"),
            Because::Number => f.write_str("the number's setting"),
            Because::Company { direction } => write!(f, "the company's setting for {direction} calls"),
        }
    }
}

/// How a command reached the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Telephone events in RTP (RFC 4733).
    Rfc4733,
    /// SIP INFO (`application/dtmf-relay`, `application/dtmf`).
    Info,
    /// Tones in the audio.
    InBand,
    /// The admin's command line.
    Cli,
    /// The API.
    Api,
    /// The pause had lasted for the company's `max_pause_s`.
    MaxPause,
    /// A transfer: the call went outside, or was joined with one that a person had paused.
    Transfer,
}

/// Who commanded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "who", rename_all = "snake_case")]
pub enum By {
    /// A user on the call.
    User { id: UserId, name: String, side: Side },
    /// An admin or supervisor of the company who is not on the call.
    Colleague { id: UserId, name: String },
    /// The operator, over the local control socket.
    Operator,
    /// The outside party.
    Outside { side: Side },
    /// Nobody: the service itself.
    Service,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::User { name, .. } | By::Colleague { name, .. } => f.write_str(name),
            By::Operator => f.write_str("the operator"),
            By::Outside { .. } => f.write_str("the outside party"),
            By::Service => f.write_str("the service"),
        }
    }
}

/// Why a command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The user's effective `agent_pause` is off.
    AgentPauseOff,
    /// Analysts may not command, nor agents in calls that they are not on.
    Role,
    /// A call-flow step holds the decision.
    FlowStep,
    /// The recording cannot be made (disk full, failed file).
    RecordingFailed,
    /// The outside party does not want to be recorded.
    OutsideRefused,
    /// A voicemail box is at the other end.
    Voicemail,
}

/// One command during a call: kept with the call and shown wherever the recording is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    pub at: Wall,
    /// ms after the answer.
    pub offset_ms: u64,
    pub by: By,
    pub how: How,
    /// What was asked for: record (`true`) or pause (`false`).
    pub wanted: bool,
    /// Set when the command changed nothing.
    pub refused: Option<Refusal>,
    /// What holds after the command.
    pub decision: Decision,
}
