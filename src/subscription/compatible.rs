//! Messages and their events as the compatible API tells them.
//!
//! An event of a box of the whole company is `global_voicemail_message_created` (`…_updated`,
//! `…_deleted`); every other is told to each user who hears the message, as
//! `user_voicemail_message_created` with their UUID.

use super::feed::{About, AboutMessage, AboutMessageFacts, FeedEntry};
use crate::base::{BoxId, MessageId, UserId, Wall};
use crate::directory::{BoxAccess, BoxOwner, Directory, Mailbox};
use crate::ledger::{Folder, MessageRecord, OutboxKind};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// UUIDs of a company and of its users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uuids {
    pub company: String,
    pub users: BTreeMap<UserId, String>,
}

/// A message as it stands for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageBody<'m> {
    pub id: MessageId,
    pub caller_name: &'m str,
    pub caller_number: &'m str,
    pub length_ms: u64,
    pub left: Wall,
    pub folder: Folder,
    pub voicemail: VoicemailBody<'m>,
}

/// The box of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoicemailBody<'m> {
    pub id: BoxId,
    /// Empty: the box has gone.
    pub name: &'m str,
    pub access: BoxAccess,
}

impl<'m> VoicemailBody<'m> {
    pub fn of(mailbox: &'m Mailbox) -> Self {
        VoicemailBody { id: mailbox.id, name: &mailbox.name, access: mailbox.access }
    }
}

impl<'m> MessageBody<'m> {
    pub fn of(message: &'m MessageRecord, folder: Folder, mailbox: &'m Mailbox) -> Self {
        MessageBody {
            id: message.id,
            caller_name: &message.caller.name,
            caller_number: &message.caller.address,
            length_ms: message.length().as_millis(),
            left: message.left,
            folder,
            voicemail: VoicemailBody::of(mailbox),
        }
    }

    /// As it stands in its folder: without that, and without its box.
    pub fn bare(&self) -> Map<String, Value> {
        let MessageBody { id, caller_name, caller_number, length_ms, left, folder: _, voicemail: _ } = self;
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        // To the next second, and no message that has a sound is empty.
        let seconds = (length_ms + 500) / 1_000;
        let pairs = [
            ("id", json!(id.to_string())),
            ("caller_id_name", json!(known(caller_name))),
            ("caller_id_num", json!(known(caller_number))),
            ("duration", json!(seconds.max(u64::from(*length_ms > 0)))),
            ("empty", json!(*length_ms == 0)),
            ("timestamp", json!(left.unix_micros().div_euclid(1_000_000))),
            ("transcription", Value::Null),
        ];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    pub fn json(&self) -> Value {
        let VoicemailBody { id, name, access } = self.voicemail;
        let mut body = self.bare();
        body.insert("folder".to_owned(), Value::Object(folder_body(self.folder)));
        let voicemail = json!({ "id": id, "name": name, "accesstype": access.as_str() });
        body.insert("voicemail".to_owned(), voicemail);
        Value::Object(body)
    }
}

/// `{id, name, type}`
pub fn folder_body(folder: Folder) -> Map<String, Value> {
    let kind = match folder {
        Folder::Inbox => "new",
        Folder::Old => "old",
        Folder::Urgent => "urgent",
        Folder::Work | Folder::Family | Folder::Friends => "other",
    };
    let pairs = [("id", json!(folder.number())), ("name", json!(folder.as_str())), ("type", json!(kind))];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// An event of a message under the name of the compatible API.
#[derive(Clone, Debug, PartialEq)]
pub struct CompatibleEvent {
    verb: &'static str,
    global: bool,
    mailbox: BoxId,
    message: MessageId,
    body: Value,
    /// For whom it happened, or whose box it is.
    user: Option<UserId>,
    seq: i64,
}

impl CompatibleEvent {
    /// `None`: it is of no message.
    pub fn of(directory: &Directory, entry: &FeedEntry) -> Option<Self> {
        let message = entry.message()?;
        let About::Message(about) = entry.event.about.as_ref()? else { return None };
        let verb = match entry.kind {
            OutboxKind::VoicemailCreated => "created",
            OutboxKind::VoicemailUpdated => "updated",
            OutboxKind::VoicemailDeleted => "deleted",
            OutboxKind::CallStarted
            | OutboxKind::CallAnswered
            | OutboxKind::CallTransferred
            | OutboxKind::CallNoted
            | OutboxKind::CallEnded
            | OutboxKind::RecordingStarted
            | OutboxKind::RecordingPaused
            | OutboxKind::RecordingResumed
            | OutboxKind::RecordingFinished
            | OutboxKind::RecordingFailed
            | OutboxKind::RecordingRecovered
            | OutboxKind::RecordingDeleted
            | OutboxKind::TextReceived
            | OutboxKind::TextSent
            | OutboxKind::TextDelivered
            | OutboxKind::TextFailed
            | OutboxKind::TextRead
            | OutboxKind::TextNoted => return None,
        };
        let AboutMessage { mailbox_id, global, caller, length_ms, folder, facts, .. } = about;
        let AboutMessageFacts { left, number: _, reader, heard_by: _ } = facts.as_ref()?;
        let mailbox = directory.mailbox(*mailbox_id);
        let access = if *global { BoxAccess::Global } else { BoxAccess::Personal };
        let voicemail = match mailbox {
            Some(mailbox) => VoicemailBody { access, ..VoicemailBody::of(mailbox) },
            None => VoicemailBody { id: *mailbox_id, name: "", access },
        };
        let body = MessageBody {
            id: message,
            caller_name: &caller.name,
            caller_number: &caller.address,
            length_ms: *length_ms,
            left: *left,
            folder: *folder,
            voicemail,
        };
        let owner = mailbox.and_then(|mailbox| match mailbox.owner {
            BoxOwner::User(user) => Some(user),
            BoxOwner::Group(_) | BoxOwner::Nobody => None,
        });
        let user = reader.or(owner);
        Some(CompatibleEvent {
            verb,
            global: *global,
            mailbox: *mailbox_id,
            message,
            body: body.json(),
            user,
            seq: entry.seq,
        })
    }

    /// For whom it happened, or whose box it is: nobody's where it is of the whole company, a group or nobody.
    pub fn user(&self) -> Option<UserId> {
        self.user.filter(|_| !self.global)
    }

    pub fn name(&self) -> &'static str {
        match (self.global, self.verb) {
            (true, "created") => "global_voicemail_message_created",
            (true, "updated") => "global_voicemail_message_updated",
            (true, _) => "global_voicemail_message_deleted",
            (false, "created") => "user_voicemail_message_created",
            (false, "updated") => "user_voicemail_message_updated",
            (false, _) => "user_voicemail_message_deleted",
        }
    }

    /// The names by which patterns give it, told to the user with that UUID.
    pub fn asked(&self, user: &str) -> Vec<String> {
        match self.global {
            true => vec![format!("events.voicemails.global.messages.{}", self.verb)],
            false => {
                let all = format!("events.users.{user}.voicemails");
                vec![format!("{all}.messages.{}", self.verb), all]
            }
        }
    }

    /// As it is told in the company with that UUID, to the user with that one; `None`: to nobody in particular.
    pub fn json(&self, company: &str, user: Option<&str>) -> Value {
        let CompatibleEvent { verb: _, global, mailbox, message, body, user: _, seq } = self;
        let mut data = Map::new();
        if !global {
            data.insert("user_uuid".to_owned(), json!(user));
        }
        data.insert("voicemail_id".to_owned(), json!(mailbox));
        data.insert("message_id".to_owned(), json!(message.to_string()));
        data.insert("message".to_owned(), body.clone());
        let asked = self.asked(user.unwrap_or("*")).pop();
        json!({ "name": self.name(), "seq": seq, "tenant_uuid": company, "required_acl": asked, "data": data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Wall = Wall::from_unix_micros(1_700_000_000_900_000);

    fn body(length_ms: u64, folder: Folder) -> MessageBody<'static> {
        MessageBody {
            id: MessageId::new(LEFT, [7; 10]),
            caller_name: "",
            caller_number: "+15550100",
            length_ms,
            left: LEFT,
            folder,
            voicemail: VoicemailBody { id: BoxId(4), name: "Shared", access: BoxAccess::Global },
        }
    }

    #[test]
    fn a_message_has_seconds_a_folder_and_its_box() {
        let json = body(4_700, Folder::Work).json();
        assert_eq!(json["caller_id_name"], Value::Null);
        assert_eq!((&json["caller_id_num"], &json["duration"]), (&json!("+15550100"), &json!(5)));
        assert_eq!((&json["empty"], &json["timestamp"]), (&json!(false), &json!(1_700_000_000)));
        assert_eq!(json["folder"], json!({ "id": 4, "name": "work", "type": "other" }));
        assert_eq!(json["voicemail"], json!({ "id": 4, "name": "Shared", "accesstype": "global" }));
        assert_eq!(json.get("transcription"), Some(&Value::Null));
    }

    #[test]
    fn only_a_message_without_sound_is_empty() {
        for (ms, duration, empty) in
            [(0, 0, true), (1, 1, false), (499, 1, false), (1_499, 1, false), (1_500, 2, false)]
        {
            let json = body(ms, Folder::Inbox).json();
            assert_eq!((&json["duration"], &json["empty"]), (&json!(duration), &json!(empty)), "{ms} ms");
        }
    }

    #[test]
    fn an_event_is_named_and_given_by_whose_it_is() {
        let event = |global, verb| CompatibleEvent {
            verb,
            global,
            mailbox: BoxId(4),
            message: MessageId::new(LEFT, [7; 10]),
            body: json!({}),
            user: Some(UserId(3)),
            seq: 9,
        };
        let shared = event(true, "created");
        assert_eq!((shared.name(), shared.user()), ("global_voicemail_message_created", None));
        assert_eq!(shared.asked("u"), ["events.voicemails.global.messages.created"]);
        assert_eq!(shared.json("t", Some("u"))["data"].get("user_uuid"), None);
        let own = event(false, "deleted");
        assert_eq!((own.name(), own.user()), ("user_voicemail_message_deleted", Some(UserId(3))));
        let json = own.json("t", Some("u"));
        assert_eq!((&json["data"]["user_uuid"], &json["data"]["voicemail_id"]), (&json!("u"), &json!(4)));
        assert_eq!((&json["required_acl"], &json["tenant_uuid"]), (&json!("events.users.u.voicemails"), &json!("t")));
    }
}
