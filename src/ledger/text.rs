//! One text message, or a note that colleagues write to each other about a conversation.

use super::Party;
use crate::base::{ConversationId, NumberId, TextId, UserId, Wall};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which way a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TextKind {
    /// From outside.
    In,
    /// Written by a user, to the outside or to a colleague.
    Out,
    /// For colleagues only.
    Note,
}

impl TextKind {
    pub const ALL: [TextKind; 3] = [TextKind::In, TextKind::Out, TextKind::Note];

    pub const fn as_str(self) -> &'static str {
        match self {
            TextKind::In => "in",
            TextKind::Out => "out",
            TextKind::Note => "note",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How far a text has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TextState {
    /// It is in its conversation, and goes nowhere else.
    Received,
    /// It waits for a carrier.
    Queued,
    /// A carrier has it.
    Sent,
    /// The other side has it, as the carrier says.
    Delivered,
    /// It will not go out any more.
    Failed,
}

impl TextState {
    pub const ALL: [TextState; 5] =
        [TextState::Received, TextState::Queued, TextState::Sent, TextState::Delivered, TextState::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            TextState::Received => "received",
            TextState::Queued => "queued",
            TextState::Sent => "sent",
            TextState::Delivered => "delivered",
            TextState::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A text as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRecord {
    pub id: TextId,
    /// Its place in the order in which texts came.
    pub seq: i64,
    pub conversation: ConversationId,
    pub kind: TextKind,
    pub at: Wall,
    /// The user who wrote it.
    pub user: Option<UserId>,
    pub body: String,
    pub state: TextState,
    /// Since when it is in that state.
    pub state_at: Wall,
    /// Why it has failed, or is not sent yet.
    pub problem: String,
}

/// A text as far as an event tells it. What was written is not in it: it is read by the rules of then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextThen {
    pub conversation: ConversationId,
    pub kind: TextKind,
    pub state: TextState,
    /// The company's number; `None` between two users.
    pub number: Option<NumberId>,
    /// The outside party.
    pub contact: Party,
    /// Who wrote it; of a text that was read, who read it.
    pub user: Option<UserId>,
    /// What the rules of access look at.
    pub rule: TextRule,
}

/// Whose a text is, and its place in the order in which texts came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRule {
    /// `None`: of the number's shared inbox.
    pub owner: Option<UserId>,
    /// The other one, between two users.
    pub peer: Option<UserId>,
    pub seq: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_states_are_read_as_they_are_written() {
        for kind in TextKind::ALL {
            assert_eq!(TextKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for state in TextState::ALL {
            assert_eq!(TextState::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!((TextKind::parse(""), TextState::parse("lost")), (None, None));
    }
}
