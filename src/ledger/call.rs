//! One conversation, as it is stored.

use super::{Because, By, Change, Decision, How};
use crate::base::{CallId, CompanyId, Direction, NumberId, Side, UserId, Wall};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// One end of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// Nobody took it, and it went to a voicemail box: while it is up, and after.
    Voicemail,
}

impl Outcome {
    const ALL: [Outcome; 8] = [
        Outcome::Ringing,
        Outcome::Answered,
        Outcome::Completed,
        Outcome::NoAnswer,
        Outcome::Busy,
        Outcome::Cancelled,
        Outcome::Failed,
        Outcome::Voicemail,
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
            Outcome::Voicemail => "voicemail",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// Why a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
        side: Side,
    },
    /// The session was not refreshed (RFC 4028 §10).
    SessionExpired,
    /// An in-dialog request got no answer, or 408 or 481.
    PeerGone,
    /// The operator hung up.
    Operator,
    /// A user ended it over the API.
    EndedByUser {
        user: UserId,
    },
    /// `on_recording_failure = "hangup"`.
    RecordingFailed,
    /// An attended transfer joined the party at the other end to that call, which goes on.
    Transferred {
        into: CallId,
    },
    /// The target of a transfer could not be reached, and the transferor had left already.
    TransferFailed {
        status: u16,
    },
    /// The service stopped.
    Shutdown,
    /// The process died; found at the next start.
    Crashed,
}

/// How a party came into a call that was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JoinedBy {
    /// REFER to an address (RFC 3515).
    BlindTransfer,
    /// REFER that joined two calls (RFC 5589 §7).
    AttendedTransfer,
    /// INVITE with Replaces (RFC 3891).
    Replaces,
}

/// A party that took the place, and the channel, of the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Joined {
    pub at: Wall,
    /// ms after the answer.
    pub offset_ms: u64,
    pub side: Side,
    pub party: Party,
    /// Codec name as in SDP.
    pub codec: String,
    pub how: JoinedBy,
    /// Whose place it took: the transferor.
    pub instead_of: Party,
    /// The call that the party came from, where it was in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_call: Option<CallId>,
}

/// A call as the database has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub id: CallId,
    pub company: CompanyId,
    /// As it began; an internal call that went outside counts as outbound from there on.
    pub direction: Direction,
    /// The parties that the call began with: [`CallRecord::party`] has those of now.
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
    /// Parties that came later, in order.
    pub joined: Vec<Joined>,
    /// A pause was still on when the call ended.
    pub ended_paused: bool,
}

impl CallRecord {
    /// The outside party did not want to be recorded.
    pub fn is_refused(&self) -> bool {
        self.changes.iter().any(|change| change.decision.because == Because::OutsideRefusal)
    }

    /// A party that was there from the beginning refused in this call: nothing of it is kept.
    pub fn is_refused_from_the_beginning(&self) -> bool {
        self.changes.iter().any(|change| {
            let By::Outside { side } = change.by else { return false };
            // A transfer brings in what was refused elsewhere.
            let here = change.refused.is_none() && change.how != How::Transfer;
            let joined = self.joined.iter().any(|joined| joined.side == side && joined.at <= change.at);
            here && !joined && change.decision.because == Because::OutsideRefusal
        })
    }

    /// Who is on that side now.
    pub fn party(&self, side: Side) -> &Party {
        let first = match side {
            Side::Caller => &self.caller,
            Side::Callee => &self.callee,
        };
        self.joined.iter().rev().find(|joined| joined.side == side).map_or(first, |joined| &joined.party)
    }

    /// Every user who was ever a party of it, once.
    pub fn users(&self) -> Vec<UserId> {
        let joined = self.joined.iter().map(|joined| &joined.party);
        let mut users: Vec<UserId> =
            [&self.caller, &self.callee].into_iter().chain(joined).filter_map(|party| party.user).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// It came to the company or to a colleague, and has ended without an answer. A call outside that
    /// nobody took is none that the company missed: its number is only who called.
    pub const fn is_missed(&self) -> bool {
        let came = match self.direction {
            Direction::Inbound | Direction::Internal => true,
            Direction::Outbound => false,
        };
        came && self.ended.is_some() && self.answered.is_none()
    }
}
