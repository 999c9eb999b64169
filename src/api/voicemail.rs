//! Voicemail: what can be asked of messages and boxes, and what the answers look like.

use super::view::PartyView;
use super::{AudioUse, MessagePeaksView, Permission, Points};
use crate::audio::prompt::Pcm;
use crate::base::{BoxId, CallId, MessageId, UserId, Wall};
use crate::directory::{BoxAccess, Directory, Mailbox};
use crate::ledger::{Folder, Forwarded, GreetingKind, MessageRecord, Waiting};
use crate::store::{BoxSubscriber, Greeting, MessageCursor, MessageRow};
use crate::subscription::MessageReason;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// A request about messages and boxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoicemailAsk {
    /// One's own, or those of a box that is managed.
    Messages(Realm, Box<MessageQuery>),
    Message(Realm, MessageId),
    Audio(Realm, MessageId, AudioUse),
    /// In at most so many points.
    Peaks(Realm, MessageId, Points),
    /// Puts it into a folder; out of the new ones it is read.
    Move(Realm, MessageId, Folder),
    /// Throws it away for oneself; of a box that is managed for everybody, and for good.
    Remove(Realm, MessageId),
    /// Brings back what was thrown away.
    BringBack(Realm, MessageId),
    /// A copy in other boxes, by their names.
    Forward(Realm, MessageId, Vec<String>),
    /// What waits, in each box and in all; of an inbox, by name.
    Counts(Realm, Option<String>),
    /// Who receives the messages of a box.
    Subscribers {
        mailbox: String,
    },
    Subscribe {
        mailbox: String,
        extension: String,
    },
    /// `withdraw`: what was received is taken back as well.
    Unsubscribe {
        mailbox: String,
        extension: String,
        withdraw: bool,
    },
    Greetings {
        mailbox: String,
    },
    GreetingAudio {
        mailbox: String,
        kind: GreetingKind,
    },
    SetGreeting {
        mailbox: String,
        kind: GreetingKind,
        sound: Pcm,
    },
    RemoveGreeting {
        mailbox: String,
        kind: GreetingKind,
    },
    /// The box and all its messages; says how many. `dry_run`: says so only.
    RemoveBox {
        mailbox: String,
        dry_run: bool,
    },
}

/// Where messages are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Realm {
    /// What the viewer hears.
    Mine,
    /// All of one box: admins.
    Managed(String),
}

impl VoicemailAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            VoicemailAsk::Messages(..)
            | VoicemailAsk::Message(..)
            | VoicemailAsk::Counts(..)
            | VoicemailAsk::Subscribers { .. }
            | VoicemailAsk::Greetings { .. } => Permission::ReadMessages,
            VoicemailAsk::Audio(_, _, AudioUse::Play)
            | VoicemailAsk::Peaks(..)
            | VoicemailAsk::GreetingAudio { .. } => Permission::ListenMessages,
            VoicemailAsk::Audio(_, _, AudioUse::Download) => Permission::DownloadMessages,
            VoicemailAsk::Move(..)
            | VoicemailAsk::Remove(..)
            | VoicemailAsk::BringBack(..)
            | VoicemailAsk::Forward(..)
            | VoicemailAsk::Subscribe { .. }
            | VoicemailAsk::Unsubscribe { .. }
            | VoicemailAsk::SetGreeting { .. }
            | VoicemailAsk::RemoveGreeting { .. } => Permission::ManageMessages,
            VoicemailAsk::RemoveBox { .. } => Permission::ManageDirectory,
        }
    }
}

/// Which messages; `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageQuery {
    pub before: Option<MessageCursor>,
    /// At most [`MessageQuery::MOST`].
    pub limit: u32,
    /// By name: `8000`, or `8000@sales`.
    pub mailbox: Option<String>,
    /// By name: left over its numbers.
    pub inbox: Option<String>,
    pub folders: Option<Vec<Folder>>,
    /// Address of the caller: extension or E.164.
    pub caller: Option<String>,
    pub from: Option<Wall>,
    pub until: Option<Wall>,
    /// Part of the caller's name or address.
    pub text: Option<String>,
    /// Those that were thrown away, instead of those that are there.
    pub removed: bool,
}

impl MessageQuery {
    pub const MOST: u32 = 200;
}

/// `LEFT_MICROS.ID`, as pages name where they end.
pub fn write_message_cursor(cursor: MessageCursor) -> String {
    format!("{}.{}", cursor.left.unix_micros(), cursor.id)
}

pub fn read_message_cursor(text: &str) -> Option<MessageCursor> {
    let (left, id) = text.split_once('.')?;
    Some(MessageCursor { left: Wall::from_unix_micros(left.parse().ok()?), id: MessageId::parse(id)? })
}

/// The answer.
#[derive(Clone, Debug)]
pub enum VoicemailReply {
    Messages(MessagePage),
    Message(Box<MessageView>),
    Audio { path: PathBuf, name: Option<String> },
    Peaks(Box<MessagePeaksView>),
    Forwarded(ForwardedView),
    Counts(CountsView),
    Subscribers(BoxSubscriberList),
    Greetings(GreetingList),
    Removed(BoxRemoved),
}

/// A page of messages, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessagePage {
    pub messages: Vec<MessageView>,
    /// Of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A box, as far as whoever hears its messages knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoxView {
    pub id: BoxId,
    /// `NUMBER`, or `NUMBER@CONTEXT` outside the default context.
    pub key: String,
    /// For people.
    pub name: String,
    pub access: BoxAccess,
}

impl BoxView {
    pub fn of(mailbox: &Mailbox) -> Self {
        BoxView { id: mailbox.id, key: mailbox.key(), name: mailbox.name.clone(), access: mailbox.access }
    }
}

/// A message, and where it stands for the viewer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageView {
    pub id: MessageId,
    pub mailbox: BoxView,
    pub caller: PartyView,
    /// The number of the company over which the call came, E.164.
    pub number: Option<String>,
    /// RFC 3339, UTC.
    pub left: String,
    pub length_ms: u64,
    pub bytes: u64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    pub urgent: bool,
    pub forwarded: Option<ForwardView>,
    pub folder: Folder,
    /// It was thrown away, and can be brought back.
    pub removed: bool,
    pub read_at: Option<String>,
    /// Extension of who read it; of a global box that may be a colleague.
    pub read_by: Option<String>,
    pub because: MessageReason,
    /// The call that left it, where the viewer sees that too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    pub can_download: bool,
}

/// Where a message was sent on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForwardView {
    /// The box, where it is still there.
    pub from: Option<String>,
    pub by: PartyView,
    /// An introduction is spoken before it.
    pub introduced: bool,
}

impl MessageView {
    /// `None` where the box has gone.
    pub fn of(directory: &Directory, row: &MessageRow, because: MessageReason, can_download: bool) -> Option<Self> {
        let MessageRow { message, state } = row;
        let MessageRecord {
            id,
            company: _,
            mailbox,
            call: _,
            caller,
            number,
            left,
            samples: _,
            rate: _,
            path: _,
            bytes,
            digest,
            urgent,
            forwarded,
        } = message;
        let extension = |user: UserId| directory.user_ever(user).map(|user| user.extension.clone());
        let forward = |Forwarded { from, message: _, by, introduced }: &Forwarded| ForwardView {
            from: directory.mailbox(*from).map(Mailbox::key),
            by: PartyView::of(directory, by),
            introduced: *introduced,
        };
        Some(MessageView {
            id: *id,
            mailbox: BoxView::of(directory.mailbox(*mailbox)?),
            caller: PartyView::of(directory, caller),
            number: number.and_then(|number| directory.number(number)).map(|number| number.e164.clone()),
            left: left.to_string(),
            length_ms: message.length().as_millis(),
            bytes: *bytes,
            sha256: digest.clone(),
            urgent: *urgent,
            forwarded: forwarded.as_ref().map(forward),
            folder: state.folder,
            removed: state.removed,
            read_at: state.read_at.map(|at| at.to_string()),
            read_by: state.read_by.and_then(extension),
            because,
            call: None,
            can_download,
        })
    }
}

/// The messages that a forwarding made, one in each box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForwardedView {
    pub messages: Vec<MessageId>,
}

/// What waits for the viewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountsView {
    pub all: Waiting,
    pub boxes: Vec<BoxCounts>,
}

/// What waits in one box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoxCounts {
    pub mailbox: BoxView,
    pub waiting: Waiting,
    /// How many are in it, whoever has heard them: for admins, of one box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
}

/// Who receives the messages of a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoxSubscriberList {
    pub subscribers: Vec<BoxSubscriberView>,
}

/// Somebody who receives the messages of a box, or has received some and kept them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoxSubscriberView {
    pub extension: String,
    pub name: String,
    /// RFC 3339, UTC.
    pub from: String,
    /// `null`: they receive what is left now.
    pub until: Option<String>,
}

impl BoxSubscriberView {
    pub fn of(directory: &Directory, subscriber: &BoxSubscriber) -> Option<Self> {
        let BoxSubscriber { user, from, until } = subscriber;
        let user = directory.user_ever(*user)?;
        let until = until.map(|until| until.to_string());
        Some(BoxSubscriberView {
            extension: user.extension.clone(),
            name: user.name.clone(),
            from: from.to_string(),
            until,
        })
    }
}

/// What callers of a box hear, where that is not what the service says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GreetingList {
    pub greetings: Vec<GreetingView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GreetingView {
    pub kind: GreetingKind,
    pub length_ms: u64,
    /// RFC 3339, UTC.
    pub changed: String,
}

impl From<&Greeting> for GreetingView {
    fn from(greeting: &Greeting) -> Self {
        let Greeting { mailbox: _, kind, path: _, samples, changed } = greeting;
        GreetingView { kind: *kind, length_ms: samples / 8, changed: changed.to_string() }
    }
}

/// A box that has gone, or would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoxRemoved {
    /// Messages that went with it; they cannot be brought back.
    pub messages: u64,
    pub dry_run: bool,
}
