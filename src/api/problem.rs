//! Why a request is not answered (RFC 9457).

use super::HoldView;
use crate::base::Wall;
use crate::ledger::Refusal;
use crate::store::StoreError;
use serde::Serialize;

/// Each is a status and a text that says the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("log in: send `Authorization: Bearer TOKEN`, or the session cookie")]
    NotLoggedIn,
    #[error("company, user or password is wrong")]
    WrongPassword,
    #[error("too many wrong passwords: try again in {retry_s} s")]
    LockedOut { retry_s: u64 },
    /// Also of what is there and not for this viewer: both answer the same.
    #[error("there is no such thing: {what}")]
    NotFound { what: &'static str },
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("{}", refused(*.0))]
    Refused(Refusal),
    #[error("the token has no scope `{0}`: make one that has")]
    NoScope(&'static str),
    #[error("{key}: `{value}`: {expected}")]
    Invalid { key: &'static str, value: String, expected: &'static str },
    #[error("the {what} is gone: {because}")]
    Gone { what: &'static str, at: Option<Wall>, because: String },
    #[error("a legal hold of {} by {} keeps it: {}", .0.placed, .0.by, .0.reason)]
    Held(Box<HoldView>),
    /// Too much at a time, or too much for the disk.
    #[error("{0}")]
    TooMuch(String),
    /// A stream wants to go on where nothing is any more: it has missed some.
    #[error(
        "events up to {purged} were deleted after their retention: begin again with Last-Event-ID {purged}, and read the calls of before from the list"
    )]
    EventsGone { purged: i64 },
    #[error("say of which company: send its key as `Telegraphone-Company`; GET /api/v1/companies lists yours")]
    NoCompany,
    #[error("{0}")]
    Conflict(String),
    /// Everything that is wrong with a change, each with key and value.
    #[error("{}", .0.join("\n"))]
    Unfit(Vec<String>),
    /// Everything that still refers to what shall go.
    #[error("it is still referred to, so change that first (a user can be replaced):\n{}", Use::texts(.0).join("\n"))]
    InUse(Vec<Use>),
    #[error("it is not what `If-Match` says any more: get it anew, and decide again")]
    Changed,
    #[error("the request has a session cookie and no X-CSRF-Token: send the one of the log-in")]
    NoCsrf,
    #[error("something went wrong here; the log says what")]
    Internal,
}

impl Problem {
    pub const fn status(&self) -> u16 {
        match self {
            Problem::NotLoggedIn | Problem::WrongPassword => 401,
            Problem::LockedOut { .. } => 429,
            Problem::NotFound { .. } => 404,
            Problem::Forbidden(_) | Problem::NoScope(_) | Problem::NoCsrf => 403,
            Problem::Refused(_) | Problem::Conflict(_) | Problem::InUse(_) | Problem::Held(_) => 409,
            Problem::Changed => 412,
            Problem::Unfit(_) => 422,
            Problem::TooMuch(_) => 429,
            Problem::Invalid { .. } | Problem::NoCompany => 400,
            Problem::Gone { .. } | Problem::EventsGone { .. } => 410,
            Problem::Internal => 500,
        }
    }

    /// A short name that does not change.
    pub const fn title(&self) -> &'static str {
        match self {
            Problem::NotLoggedIn => "not-logged-in",
            Problem::WrongPassword => "wrong-password",
            Problem::LockedOut { .. } => "locked-out",
            Problem::NotFound { .. } => "not-found",
            Problem::Forbidden(_) => "forbidden",
            Problem::Refused(_) => "refused",
            Problem::NoScope(_) => "no-scope",
            Problem::NoCompany => "no-company",
            Problem::Conflict(_) => "conflict",
            Problem::Unfit(_) => "unfit",
            Problem::InUse(_) => "in-use",
            Problem::Changed => "changed",
            Problem::NoCsrf => "no-csrf-token",
            Problem::Invalid { .. } => "invalid",
            Problem::Gone { .. } => "gone",
            Problem::Held(_) => "held",
            Problem::TooMuch(_) => "too-much",
            Problem::EventsGone { .. } => "events-gone",
            Problem::Internal => "internal",
        }
    }
}

/// What still refers to a thing that shall go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Use {
    /// `company` (its settings), `user`, `number`, `trunk`, `group`, `inbox`, `flow` or `voicemail`.
    pub kind: &'static str,
    /// Its extension, E.164 number, name or key.
    pub name: String,
    /// The step of a flow that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The key of the thing that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'static str>,
    /// For people.
    #[serde(skip)]
    pub text: String,
}

impl Use {
    /// What is said of them to people.
    pub fn texts(uses: &[Use]) -> Vec<String> {
        uses.iter().map(|one| one.text.clone()).collect()
    }
}

/// Why a command changed nothing, and what would.
const fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::AgentPauseOff => "you may not pause and start recordings: `agent_pause` is off for you",
        Refusal::Role => "your role may not pause and start recordings of this call",
        Refusal::FlowStep => "a step of the call flow decides over this recording",
        Refusal::RecordingFailed => "this recording cannot be made: see the service's log",
        Refusal::OutsideRefused => "the outside party does not want to be recorded",
        Refusal::Voicemail => "a voicemail box is at the other end: what is left there is a message, not a recording",
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request could not be answered");
        Problem::Internal
    }
}
