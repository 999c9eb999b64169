//! What a company has besides people, numbers and trunks: groups, inboxes, call flows, prompts,
//! voicemail boxes.
//!
//! They name users, numbers and each other as people do (extension, E.164, name), in the company
//! file and in the database alike; the snapshot knows them by id.

use super::BoxText;
use super::flow::{Flow, Schedule};
use crate::base::{CompanyId, FlowId, GroupId, InboxId, NumberId, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Prompts that come with the service, by name. A company's own of that name is played instead.
pub const BUILT_IN_PROMPTS: [&str; 8] =
    ["recorded", "recorded-refuse", "not-recorded", "closed", "invalid", "goodbye", "beep", "ringback"];

/// The kinds of facilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FacilityKind {
    Group,
    Inbox,
    Flow,
    Prompt,
    Voicemail,
}

impl FacilityKind {
    pub const ALL: [FacilityKind; 5] =
        [FacilityKind::Group, FacilityKind::Inbox, FacilityKind::Flow, FacilityKind::Prompt, FacilityKind::Voicemail];

    pub const fn as_str(self) -> &'static str {
        match self {
            FacilityKind::Group => "group",
            FacilityKind::Inbox => "inbox",
            FacilityKind::Flow => "flow",
            FacilityKind::Prompt => "prompt",
            FacilityKind::Voicemail => "voicemail",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for FacilityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One facility, as it is written down.
#[derive(Clone, Debug, PartialEq)]
pub enum Facility {
    Group(GroupText),
    Inbox(InboxText),
    Flow(Flow),
    Prompt(Sound),
    Voicemail(BoxText),
}

impl Facility {
    pub const fn kind(&self) -> FacilityKind {
        match self {
            Facility::Group(_) => FacilityKind::Group,
            Facility::Inbox(_) => FacilityKind::Inbox,
            Facility::Flow(_) => FacilityKind::Flow,
            Facility::Prompt(_) => FacilityKind::Prompt,
            Facility::Voicemail(_) => FacilityKind::Voicemail,
        }
    }
}

/// A group by the names of its members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupText {
    pub label: String,
    /// Extensions, in the order in which they ring in turn.
    pub members: Vec<String>,
    pub subscribe_members: bool,
}

/// An inbox by the names of what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxText {
    pub label: String,
    /// E.164.
    pub numbers: Vec<String>,
    /// One of the numbers.
    pub primary: Option<String>,
    /// Extensions.
    pub members: Vec<String>,
    pub schedule: Option<Schedule>,
    pub flow: Option<String>,
    pub closed_flow: Option<String>,
    /// E.164: numbers whose text messages come to it, whether their calls do or not. Each is a shared
    /// inbox.
    #[serde(default)]
    pub messaging: Vec<String>,
    /// Members see all texts; else those that came after they joined.
    #[serde(default)]
    pub history: bool,
}

/// Samples of a prompt: mono, 8 kHz, 16 bit.
#[derive(Clone, PartialEq, Eq)]
pub struct Sound(pub Arc<[i16]>);

impl fmt::Debug for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sound({self})")
    }
}

impl fmt::Display for Sound {
    /// Its length, and what tells it from another one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use sha2::Digest;
        let tenths = self.0.len() / 800;
        let digest = sha2::Sha256::digest(self.to_bytes());
        let mark = hex::encode(digest.get(..4).unwrap_or(&[]));
        write!(f, "{}.{} s ({mark})", tenths / 10, tenths % 10)
    }
}

impl Sound {
    /// Little-endian, two bytes a sample.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        Sound(bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
    }
}

/// A named set of users that are rung together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    pub company: CompanyId,
    /// Unique in the company.
    pub name: String,
    pub label: String,
    pub members: Vec<UserId>,
    /// Every member is subscribed to the group's messages (seed 000: off unless switched on).
    pub subscribe_members: bool,
}

/// A labelled collection of numbers and users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    pub id: InboxId,
    pub company: CompanyId,
    /// Unique in the company.
    pub name: String,
    pub label: String,
    /// A number is in one inbox at most. Those of [`Inbox::routed`] and of [`Inbox::messaging`].
    pub numbers: Vec<NumberId>,
    /// Calls to these come to it, unless the number has a route of its own.
    pub routed: Vec<NumberId>,
    /// Text messages to these come to it: each is a shared inbox.
    pub messaging: Vec<NumberId>,
    /// Members see all texts; else those that came after they joined.
    pub history: bool,
    /// Caller id of its members' calls, where this is their default inbox.
    pub primary: Option<NumberId>,
    pub members: Vec<UserId>,
    /// When somebody is there; `None`: always.
    pub schedule: Option<Schedule>,
    /// What happens to a call; `None`: every member rings.
    pub flow: Option<FlowId>,
    /// What happens outside the schedule; `None`: the caller hears that it is closed.
    pub closed_flow: Option<FlowId>,
}

/// A call flow and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanyFlow {
    pub id: FlowId,
    pub company: CompanyId,
    /// Unique in the company.
    pub name: String,
    pub flow: Arc<Flow>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_survives_the_database_and_is_told_by_its_length_and_content() {
        let sound = Sound((0..8_000).map(|n| n as i16).collect());
        assert_eq!(Sound::from_bytes(&sound.to_bytes()), sound);
        let other = Sound(vec![1; 8_000].into());
        assert!(sound.to_string().starts_with("1.0 s (") && sound.to_string() != other.to_string());
    }
}
