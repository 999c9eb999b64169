//! What one party alone says, and what becomes of it: a message, a greeting, an introduction.

use super::{Forwarded, GreetingKind, Party};
use crate::base::{BoxId, CallId, MessageId, NumberId, Span};
use serde::{Deserialize, Serialize};

/// Names a take within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TakeId(pub u32);

/// What a take is to be. Told when it begins, so that a service that was killed can still deliver it, and
/// once more when it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "keep", rename_all = "snake_case")]
pub enum Keep {
    /// Kept as well where nothing is said of it before the call is over: the caller has hung up.
    Message(MessageDraft),
    /// Takes the place of the one before it.
    Greeting { mailbox: BoxId, kind: GreetingKind },
    /// Spoken before a message that is sent on: both become one new message.
    Introduction { forward: MessageId, draft: MessageDraft },
}

/// What is known of a message before it was spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDraft {
    /// Where it goes.
    pub mailbox: BoxId,
    pub call: CallId,
    pub caller: Party,
    /// The number of the company over which the call came.
    pub number: Option<NumberId>,
    pub urgent: bool,
    /// Where it comes from, of a message that is sent on.
    pub forwarded: Option<Forwarded>,
    /// A shorter one is none.
    pub minimum: Span,
}
