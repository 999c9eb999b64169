//! One conversation, as it is stored.

use super::{Change, Decision};
use crate::base::{CallId, CompanyId, Direction, NumberId, UserId, Wall};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One end of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The user of the company, where it is one.
    pub user: Option<UserId>,
    /// Extension or E.164 number as dialled or received.
    pub address: String,
    /// Display name, where there is one.
    pub name: String,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.is_empty() {
            true => f.write_str(&self.address),
            false => write!(f, "{} <{}>", self.name, self.address),
        }
    }
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nobody has answered yet.
    Ringing,
    /// Two parties are talking.
    Answered,
    /// It was answered and has ended.
    Completed,
    /// Rang and was not answered in time.
    NoAnswer,
    Busy,
    /// The caller gave up before the answer.
    Cancelled,
    /// Refused or failed: see the end reason's SIP status.
    Failed,
}

impl Outcome {
    const ALL: [Outcome; 7] = [
        Outcome::Ringing,
        Outcome::Answered,
        Outcome::Completed,
        Outcome::NoAnswer,
        Outcome::Busy,
        Outcome::Cancelled,
        Outcome::Failed,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Ringing => "ringing",
            Outcome::Answered => "answered",
            Outcome::Completed => "completed",
            Outcome::NoAnswer => "no_answer",
            Outcome::Busy => "busy",
            Outcome::Cancelled => "cancelled",
            Outcome::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// Why a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum EndReason {
    CallerHungUp,
    CalleeHungUp,
    CallerCancelled,
    /// A final response of 300 or more before the answer.
    Rejected {
        status: u16,
    },
    /// The callee's phone rang for too long.
    RingTimeout,
    /// Neither RTP nor RTCP came from this party for the configured time.
    MediaSilence {
        side: crate::base::Side,
    },
    /// The session was not refreshed (RFC 4028 §10).
    SessionExpired,
    /// An in-dialog request got no answer, or 408 or 481.
    PeerGone,
    /// The operator hung up.
    Operator,
    /// `on_recording_failure = "hangup"`.
    RecordingFailed,
    /// The service stopped.
    Shutdown,
    /// The process died; found at the next start.
    Crashed,
}

/// A call as the database has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub id: CallId,
    pub company: CompanyId,
    pub direction: Direction,
    pub caller: Party,
    pub callee: Party,
    /// The company's number: the called one (inbound), the caller id (outbound).
    pub number: Option<NumberId>,
    pub started: Wall,
    pub answered: Option<Wall>,
    pub ended: Option<Wall>,
    pub outcome: Outcome,
    pub end_reason: Option<EndReason>,
    /// The decision at the answer.
    pub decision: Decision,
    /// Every command, in order.
    pub changes: Vec<Change>,
    /// A pause was still on when the call ended.
    pub ended_paused: bool,
}
