//! The compatible API: what Wazo's clients ask of `confd` (boxes), `calld` (messages) and `auth` (tokens),
//! and what the answers look like.
//!
//! ```text
//! HTTP ─► WazoAsk ─► Desk: the name that it is asked for by, against the token's patterns ─► the asks of the
//!                    directory and of voicemail, by the rules of access that hold for everybody ─► WazoReply
//! ```
//! Nothing is kept here that is not kept anyway: a box is the company file's, a message is the message that
//! every other door leads to. Unknown fields of a body are passed over, as Wazo does: its clients send back
//! what they were given.

mod boxes;
mod general;
mod query;
mod token;
mod user;

pub use boxes::{BoxColumn, BoxList, box_body, box_keys};
pub use general::{general_body, general_keys, zone_messages, zone_messages_body, zone_messages_keys};
pub use query::{AllMessages, MessageList, Params, VoicemailType};
pub use token::{TokenAsk, TokenBody, grants_of, session_uuid, uuid_named};
pub use user::{infos_body, user_body};

use crate::audio::prompt::Pcm;
use crate::base::{BoxId, MessageId};
use crate::ledger::GreetingKind;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WazoAsk {
    /// A user, by UUID, id or `me`.
    User(String),
    /// What service this is.
    Infos,
    Boxes(BoxList),
    Box(BoxId),
    AddBox(Map<String, Value>),
    ChangeBox(BoxId, Map<String, Value>),
    RemoveBox(BoxId),
    /// The boxes of a user, by UUID, id or `me`.
    UserBoxes(String),
    /// A new box of that user.
    AddUserBox(String, Map<String, Value>),
    /// The user gets the box.
    AttachBox(String, BoxId),
    /// Their box is nobody's.
    DetachBoxes(String),
    General,
    SetGeneral(Map<String, Value>),
    ZoneMessages,
    SetZoneMessages(Map<String, Value>),
    /// A box with all that is in it.
    Mailbox(Place),
    Folder(Place, i64),
    Messages(MessageList),
    AllMessages(AllMessages),
    Message(Place, MessageId),
    MoveMessage(Place, MessageId, i64),
    RemoveMessage(Place, MessageId),
    Recording(Place, MessageId, bool),
    Greeting(Place, GreetingKind),
    /// `there`: one has to be there already, or must not be.
    SetGreeting {
        place: Place,
        kind: GreetingKind,
        sound: Pcm,
        there: bool,
    },
    RemoveGreeting(Place, GreetingKind),
    CopyGreeting {
        place: Place,
        kind: GreetingKind,
        to: GreetingKind,
    },
}

/// Whose messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// What the user hears; of greetings and folders, their own box.
    Mine,
    /// A box: admins.
    Box(BoxId),
}

impl WazoAsk {
    /// The name by which a token's patterns give it.
    pub fn access(&self) -> String {
        match self {
            WazoAsk::User(user) => format!("confd.users.{}.read", word(user)),
            WazoAsk::Infos => "confd.infos.read".to_owned(),
            WazoAsk::Boxes(_) => "confd.voicemails.read".to_owned(),
            WazoAsk::Box(id) => format!("confd.voicemails.{id}.read"),
            WazoAsk::AddBox(_) => "confd.voicemails.create".to_owned(),
            WazoAsk::ChangeBox(id, _) => format!("confd.voicemails.{id}.update"),
            WazoAsk::RemoveBox(id) => format!("confd.voicemails.{id}.delete"),
            WazoAsk::UserBoxes(user) => format!("confd.users.{}.voicemails.read", word(user)),
            WazoAsk::AddUserBox(user, _) => format!("confd.users.{}.voicemails.create", word(user)),
            WazoAsk::AttachBox(user, id) => format!("confd.users.{}.voicemails.{id}.update", word(user)),
            WazoAsk::DetachBoxes(user) => format!("confd.users.{}.voicemails.delete", word(user)),
            WazoAsk::General => "confd.asterisk.voicemail.general.get".to_owned(),
            WazoAsk::SetGeneral(_) => "confd.asterisk.voicemail.general.update".to_owned(),
            WazoAsk::ZoneMessages => "confd.asterisk.voicemail.zonemessages.get".to_owned(),
            WazoAsk::SetZoneMessages(_) => "confd.asterisk.voicemail.zonemessages.update".to_owned(),
            WazoAsk::Mailbox(place) => format!("{place}.read"),
            WazoAsk::Folder(place, folder) => format!("{place}.folders.{folder}.read"),
            WazoAsk::Messages(_) => "calld.users.me.voicemails.messages.read".to_owned(),
            WazoAsk::AllMessages(_) => "calld.voicemails.messages.read".to_owned(),
            WazoAsk::Message(place, id) => format!("{place}.messages.{id}.read"),
            WazoAsk::MoveMessage(place, id, _) => format!("{place}.messages.{id}.update"),
            WazoAsk::RemoveMessage(place, id) => format!("{place}.messages.{id}.delete"),
            WazoAsk::Recording(place, id, _) => format!("{place}.messages.{id}.recording.read"),
            WazoAsk::Greeting(place, kind) => format!("{place}.greetings.{}.read", kind.as_str()),
            WazoAsk::SetGreeting { place, kind, there: false, .. } => {
                format!("{place}.greetings.{}.create", kind.as_str())
            }
            WazoAsk::SetGreeting { place, kind, there: true, .. } => {
                format!("{place}.greetings.{}.update", kind.as_str())
            }
            WazoAsk::RemoveGreeting(place, kind) => format!("{place}.greetings.{}.delete", kind.as_str()),
            WazoAsk::CopyGreeting { place, kind, .. } => format!("{place}.greetings.{}.copy.create", kind.as_str()),
        }
    }
}

impl std::fmt::Display for Place {
    /// As names of what is asked for begin.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Mine => f.write_str("calld.users.me.voicemails"),
            Place::Box(id) => write!(f, "calld.voicemails.{id}"),
        }
    }
}

/// A part of a path as one word of a name.
fn word(text: &str) -> String {
    text.replace(['.', '#', '*'], "_")
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub enum WazoReply {
    Done,
    Json(Value),
    /// Something that was just made, and its path.
    Made(Value, String),
    Audio(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Wall;

    #[test]
    fn what_is_asked_for_has_the_name_that_wazo_gives_it() {
        let id = MessageId::new(Wall::from_unix_micros(1), [1; 10]);
        for (ask, name) in [
            (WazoAsk::Boxes(BoxList::default()), "confd.voicemails.read".to_owned()),
            (WazoAsk::Box(BoxId(7)), "confd.voicemails.7.read".to_owned()),
            (WazoAsk::UserBoxes("a.b".to_owned()), "confd.users.a_b.voicemails.read".to_owned()),
            (WazoAsk::Message(Place::Mine, id), format!("calld.users.me.voicemails.messages.{id}.read")),
            (WazoAsk::MoveMessage(Place::Box(BoxId(7)), id, 2), format!("calld.voicemails.7.messages.{id}.update")),
            (
                WazoAsk::Recording(Place::Mine, id, true),
                format!("calld.users.me.voicemails.messages.{id}.recording.read"),
            ),
            (
                WazoAsk::Greeting(Place::Mine, GreetingKind::Busy),
                "calld.users.me.voicemails.greetings.busy.read".to_owned(),
            ),
        ] {
            assert_eq!(ask.access(), name);
        }
    }
}
