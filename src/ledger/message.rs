//! One message in a voicemail box: one object, whoever hears it. What a reader has done with it is
//! a state of theirs and no part of it.

use super::Party;
use crate::base::{BoxId, CallId, CompanyId, MessageId, NumberId, Rate, Samples, Span, Wall};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A message as it was left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageRecord {
    pub id: MessageId,
    pub company: CompanyId,
    pub mailbox: BoxId,
    /// The call that left it; `None`: it was forwarded from another box.
    pub call: Option<CallId>,
    pub caller: Party,
    /// The number of the company over which the call came.
    pub number: Option<NumberId>,
    /// When it was there: the end of the call, of the recording or of the forwarding.
    pub left: Wall,
    /// Samples, of the one channel.
    pub samples: u64,
    /// Samples per second.
    pub rate: u32,
    /// Of the file, below the folder of recordings.
    pub path: String,
    pub bytes: u64,
    /// SHA-256 of the file, hex.
    pub digest: String,
    pub urgent: bool,
    pub forwarded: Option<Forwarded>,
}

impl MessageRecord {
    pub fn length(&self) -> Span {
        Rate(self.rate).span(Samples(self.samples))
    }

    /// Where it stands for whoever has done nothing with it.
    pub const fn first_folder(&self) -> Folder {
        if self.urgent { Folder::Urgent } else { Folder::Inbox }
    }
}

/// Where a forwarded message came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forwarded {
    pub from: BoxId,
    pub message: MessageId,
    /// Who sent it on.
    pub by: Party,
    /// An introduction was spoken before it.
    pub introduced: bool,
}

/// Where a message stands for one reader. The numbers are those of the compatible API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Folder {
    /// New.
    Inbox,
    /// Heard and kept.
    Old,
    /// New, and left as urgent.
    Urgent,
    Work,
    Family,
    Friends,
}

impl Folder {
    pub const ALL: [Folder; 6] =
        [Folder::Inbox, Folder::Old, Folder::Urgent, Folder::Work, Folder::Family, Folder::Friends];

    pub const fn number(self) -> i64 {
        match self {
            Folder::Inbox => 1,
            Folder::Old => 2,
            Folder::Urgent => 3,
            Folder::Work => 4,
            Folder::Family => 5,
            Folder::Friends => 6,
        }
    }

    pub fn of_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|folder| folder.number() == number)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Folder::Inbox => "inbox",
            Folder::Old => "old",
            Folder::Urgent => "urgent",
            Folder::Work => "work",
            Folder::Family => "family",
            Folder::Friends => "friends",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|folder| folder.as_str() == text)
    }

    /// What stands here lights the lamp (RFC 3842).
    pub const fn is_new(self) -> bool {
        match self {
            Folder::Inbox | Folder::Urgent => true,
            Folder::Old | Folder::Work | Folder::Family | Folder::Friends => false,
        }
    }
}

/// How many messages wait for somebody (RFC 3842 §5.2): the urgent ones are among the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    pub new: u64,
    pub old: u64,
    pub urgent_new: u64,
    pub urgent_old: u64,
}

/// What callers hear before they leave a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GreetingKind {
    Unavailable,
    /// Where the user is in a call; the one above where there is none.
    Busy,
    /// The owner's name, put into the greetings of the service.
    Name,
}

impl GreetingKind {
    pub const ALL: [GreetingKind; 3] = [GreetingKind::Unavailable, GreetingKind::Busy, GreetingKind::Name];

    pub const fn as_str(self) -> &'static str {
        match self {
            GreetingKind::Unavailable => "unavailable",
            GreetingKind::Busy => "busy",
            GreetingKind::Name => "name",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_greetings_are_read_as_they_are_written() {
        for folder in Folder::ALL {
            assert_eq!(Folder::parse(folder.as_str()), Some(folder));
            assert_eq!(Folder::of_number(folder.number()), Some(folder));
            assert_eq!(serde_json::to_value(folder).unwrap(), folder.as_str());
        }
        for kind in GreetingKind::ALL {
            assert_eq!(GreetingKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!((Folder::of_number(0), Folder::parse("INBOX"), GreetingKind::parse("")), (None, None, None));
    }
}
