//! What voicemail asks of the storage, and what it is told. Answers come later, one to each ask.

use crate::audio::prompt::Pcm;
use crate::base::{BoxId, MessageId, Span, UserId, Wall};
use crate::ledger::{Folder, GreetingKind, Party};
use std::fmt;

/// Names an ask within its call, so that an answer that comes too late is not taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AskId(pub u32);

/// Something that only the storage knows or can do. `reader`: the user who listens, where it is one; as
/// whom the box is read is settled there: somebody with its password, who is not entitled to it, reads as
/// its owner.
#[derive(Clone, PartialEq, Eq)]
pub enum MailboxAsk {
    /// What a caller hears who is to leave a message.
    Greet {
        mailbox: BoxId,
        busy: bool,
    },
    /// How many messages stand in the box, for that reader.
    Open {
        mailbox: BoxId,
        reader: Option<UserId>,
    },
    /// Messages of one pile, the next [`PAGE`] after `after`.
    List {
        mailbox: BoxId,
        reader: Option<UserId>,
        pile: Pile,
        after: Option<MessageId>,
    },
    /// How a message sounds.
    Load {
        mailbox: BoxId,
        reader: Option<UserId>,
        message: MessageId,
    },
    /// A message stands elsewhere now, for that reader. Nobody waits for the answer.
    Move {
        mailbox: BoxId,
        reader: Option<UserId>,
        message: MessageId,
        folder: Folder,
    },
    /// The same.
    Remove {
        mailbox: BoxId,
        reader: Option<UserId>,
        message: MessageId,
    },
    /// A copy into another box.
    Forward {
        message: MessageId,
        to: BoxId,
        by: Party,
    },
    /// The greeting of the service is heard again.
    RemoveGreeting {
        mailbox: BoxId,
        reader: Option<UserId>,
        kind: GreetingKind,
    },
    SetPassword {
        mailbox: BoxId,
        reader: Option<UserId>,
        password: String,
    },
}

impl fmt::Debug for MailboxAsk {
    /// Without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            MailboxAsk::Greet { .. } => "Greet",
            MailboxAsk::Open { .. } => "Open",
            MailboxAsk::List { .. } => "List",
            MailboxAsk::Load { .. } => "Load",
            MailboxAsk::Move { .. } => "Move",
            MailboxAsk::Remove { .. } => "Remove",
            MailboxAsk::Forward { .. } => "Forward",
            MailboxAsk::RemoveGreeting { .. } => "RemoveGreeting",
            MailboxAsk::SetPassword { .. } => "SetPassword",
        };
        f.write_str(what)
    }
}

/// What is listened to in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pile {
    /// Urgent ones first, then by age, the oldest first.
    New,
    /// All others, the newest first.
    Saved,
}

/// Messages that are told at once.
pub const PAGE: usize = 50;

/// What the storage says.
#[derive(Clone, Debug, PartialEq)]
pub enum MailboxAnswer {
    Greeting {
        /// Recorded or uploaded, for this case.
        own: Option<Pcm>,
        name: Option<Pcm>,
        /// As many messages as it may hold.
        full: bool,
    },
    Opened {
        urgent: u32,
        new: u32,
        saved: u32,
    },
    Listed {
        entries: Vec<Entry>,
    },
    Sound {
        pcm: Pcm,
    },
    Done,
    Failed {
        problem: String,
    },
}

/// A message, as the menu tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub id: MessageId,
    pub left: Wall,
    pub length: Span,
    pub caller: Party,
    pub folder: Folder,
    pub urgent: bool,
    /// Who sent it on.
    pub forwarded_by: Option<Party>,
}
