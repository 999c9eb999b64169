//! The reader of the outbox: each entry, with the row of its subject where it needs that, becomes
//! one event of the feed.

use super::{Holder, TextFacts};
use crate::base::{
    BoxId, CallId, CompanyId, ConversationId, Direction, MessageId, NumberId, Rate, RecordingId, Samples, Side, TextId,
    UserId, Wall,
};
use crate::directory::Directory;
use crate::ledger::{
    By, CallThen, Change, EndReason, Folder, How, Joined, JoinedBy, MessageThen, NoteThen, OutboxEntry, OutboxKind,
    Outcome, Party, RecordingRecord, RecordingState, Sidecar, SidecarParty, Subject, TextKind, TextRule, TextState,
    TextThen, Told,
};
use serde::{Deserialize, Serialize};

/// One event of the feed, as it is kept. Exactly one per entry of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// The outbox entry's position: a reader asks for what came after it.
    pub seq: i64,
    pub at: Wall,
    pub kind: OutboxKind,
    pub company: CompanyId,
    /// Events of one call are in order.
    pub call: Option<CallId>,
    #[serde(flatten)]
    pub subject: Subject,
    pub event: Event,
}

impl FeedEntry {
    pub const fn recording(&self) -> Option<RecordingId> {
        self.subject.recording()
    }

    /// What the rules look at, of an event about a text.
    pub fn text_facts(&self) -> Option<TextFacts> {
        let Some(About::Text(AboutText { number, rule: Some(rule), .. })) = &self.event.about else { return None };
        let TextRule { owner, peer, seq } = *rule;
        let holder = match (owner, peer, number) {
            (Some(one), Some(other), _) => Holder::Pair(one, other),
            (Some(owner), None, _) => Holder::User(owner),
            (None, _, Some(Named::Id(number))) => Holder::Inbox(*number),
            (None, _, Some(Named::Name(_)) | None) => return None,
        };
        Some(TextFacts { company: self.company, holder, seq })
    }

    pub const fn message(&self) -> Option<MessageId> {
        self.subject.message()
    }
}

/// What an event tells: the same body for every kind, with what its kind has. No path and no free
/// text: files are fetched by id, and a problem's text may name folders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub event: OutboxKind,
    pub seq: i64,
    /// RFC 3339, UTC: when it happened.
    pub at: String,
    pub company: CompanyId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextId>,
    /// `None` only where the recording's row has gone.
    pub about: Option<About>,
    /// Of a transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<EventJoined>,
    /// Of a recording that was started, paused or resumed by a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<EventChange>,
    /// Of a note on a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<EventNote>,
}

/// What the event is about. Each has a field that no other has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum About {
    /// Of `recording.finished`, `failed`, `recovered` and `deleted`.
    Recording(AboutRecording),
    /// Of the others: the call as it was then.
    Call(AboutCall),
    /// Of a message in a voicemail box.
    Message(AboutMessage),
    /// Of `message.*`.
    Text(AboutText),
}

/// A text message, as far as an event tells it: what was written is fetched by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutText {
    pub conversation: ConversationId,
    pub kind: TextKind,
    pub state: TextState,
    /// The company's number; absent between two users.
    pub number: Option<Named<NumberId>>,
    /// The outside party; absent between two users.
    pub contact: Option<EventParty>,
    /// Who wrote it; of one that was read, who read it.
    pub user: Option<Named<UserId>>,
    /// What the rules of access look at: told to nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<TextRule>,
}

/// The call, as far as an event tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AboutCall {
    pub direction: Direction,
    pub number: Option<Named<NumberId>>,
    /// Who was on it then.
    pub caller: EventParty,
    pub callee: EventParty,
    /// RFC 3339, UTC.
    pub started: String,
    pub answered: Option<String>,
    pub ended: Option<String>,
    pub outcome: Outcome,
    pub missed: bool,
    /// A word of ours, e.g. `caller_hung_up`.
    pub end_reason: Option<String>,
    /// The decision at the answer, and the source that spoke.
    pub record: bool,
    pub because: String,
}

/// The recording, as far as an event tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AboutRecording {
    pub state: RecordingState,
    pub direction: Direction,
    /// The company's number: the called one, or the caller id.
    pub number: Option<Named<NumberId>>,
    pub parties: Vec<EventParty>,
    /// RFC 3339, UTC: when the call was answered.
    pub answered: String,
    /// RFC 3339, UTC: when the first sample was spoken.
    pub started: String,
    /// From the answer to the first sample.
    pub offset_ms: u64,
    pub length_ms: u64,
    /// Size of the file.
    pub bytes: u64,
    /// The decision at the answer, and the source that spoke.
    pub record: bool,
    pub because: String,
    /// A pause was still on at the end.
    pub ended_paused: bool,
    pub end_reason: Option<EndReason>,
}

/// The message, as far as an event tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AboutMessage {
    /// Kept by id, told by `NUMBER`, or `NUMBER@CONTEXT`.
    pub mailbox: Named<BoxId>,
    pub mailbox_id: BoxId,
    /// One state for the whole company.
    pub global: bool,
    pub caller: EventParty,
    pub number: Option<Named<NumberId>>,
    /// RFC 3339, UTC.
    pub left: String,
    pub length_ms: u64,
    pub urgent: bool,
    pub forwarded: bool,
    /// Where it stands then.
    pub folder: Folder,
    /// For whom; `None`: for everybody who hears it.
    pub reader: Option<Named<UserId>>,
    /// Who did it, where a user did.
    pub by: Option<Named<UserId>>,
    /// Why it has gone for everybody and for good; absent where it has not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// What the rules look at; it is never told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<AboutMessageFacts>,
}

/// What the rules look at of a message that may have gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AboutMessageFacts {
    pub left: Wall,
    pub number: Option<NumberId>,
    pub reader: Option<UserId>,
    /// Who heard what has gone.
    pub heard_by: Vec<UserId>,
}

/// A row of the directory as it is kept, by id, and as it is told, by the name that people use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Named<T> {
    Id(T),
    Name(String),
}

/// A party, and its channel in a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventParty {
    /// `left`, `right` or `both`; nothing where there is no file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// The user of the company, where it is one: kept by id, told by extension.
    pub user: Option<Named<UserId>>,
    pub address: String,
    pub name: String,
}

/// A party that came by transfer. From which call is not told: it may be none of the reader's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventJoined {
    pub side: Side,
    pub party: EventParty,
    pub instead_of: EventParty,
    pub how: JoinedBy,
}

/// Who moved the gate, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventChange {
    /// `user`, `colleague`, `operator`, `outside` or `service`.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Named<UserId>>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub how: How,
    /// The source that decides from here on.
    pub because: String,
}

/// A note on a call: what it says is fetched by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventNote {
    pub id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Named<UserId>>,
    pub name: String,
}

/// The event that `entry` becomes. `recording` is the row of the recording that it is about.
pub fn fold(entry: &OutboxEntry, recording: Option<&RecordingRecord>) -> FeedEntry {
    let OutboxEntry { seq, at, kind, company, call, subject, told } = entry;
    let about = match told {
        Told::Row => recording.map(|recording| About::Recording(about_recording(recording, *kind))),
        Told::Call { call, joined: _, change: _, note: _ } => Some(About::Call(about_call(call))),
        Told::Text { text } => Some(About::Text(about_text(text))),
        Told::Message { message } => Some(About::Message(about_message(message))),
    };
    let (joined, change, note) = match told {
        Told::Call { call: _, joined, change, note } => {
            let (joined, change) = (joined.as_deref().map(about_joined), change.as_deref().map(about_change));
            (joined, change, note.as_deref().map(about_note))
        }
        Told::Row | Told::Text { .. } | Told::Message { .. } => (None, None, None),
    };
    let event = Event {
        event: *kind,
        seq: *seq,
        at: at.to_string(),
        company: *company,
        call: *call,
        recording: subject.recording(),
        message: subject.message(),
        text: subject.text(),
        about,
        joined,
        change,
        note,
    };
    FeedEntry { seq: *seq, at: *at, kind: *kind, company: *company, call: *call, subject: *subject, event }
}

fn about_call(call: &CallThen) -> AboutCall {
    let CallThen {
        direction,
        caller,
        callee,
        number,
        started,
        answered,
        ended,
        outcome,
        missed,
        end_reason,
        record,
        because,
    } = call;
    AboutCall {
        direction: *direction,
        number: number.map(Named::Id),
        caller: party(caller),
        callee: party(callee),
        started: started.to_string(),
        answered: answered.map(|at| at.to_string()),
        ended: ended.map(|at| at.to_string()),
        outcome: *outcome,
        missed: *missed,
        end_reason: end_reason.as_ref().and_then(reason_word),
        record: *record,
        because: because.clone(),
    }
}

fn about_text(text: &TextThen) -> AboutText {
    let TextThen { conversation, kind, state, number, contact, user, rule } = text;
    AboutText {
        conversation: *conversation,
        kind: *kind,
        state: *state,
        number: number.map(Named::Id),
        contact: number.map(|_| party(contact)),
        user: user.map(Named::Id),
        rule: Some(*rule),
    }
}

fn about_message(message: &MessageThen) -> AboutMessage {
    let MessageThen {
        mailbox,
        caller,
        number,
        left,
        length_ms,
        urgent,
        forwarded,
        global,
        folder,
        reader,
        by,
        heard_by,
        because,
    } = message;
    AboutMessage {
        mailbox: Named::Id(*mailbox),
        mailbox_id: *mailbox,
        global: *global,
        caller: party(caller),
        number: number.map(Named::Id),
        left: left.to_string(),
        length_ms: *length_ms,
        urgent: *urgent,
        forwarded: *forwarded,
        folder: *folder,
        reader: reader.map(Named::Id),
        by: by.map(Named::Id),
        because: because.clone(),
        facts: Some(AboutMessageFacts { left: *left, number: *number, reader: *reader, heard_by: heard_by.clone() }),
    }
}

/// The word for a reason, without the call that a transfer led into.
pub fn reason_word(reason: &EndReason) -> Option<String> {
    let value = serde_json::to_value(reason).ok()?;
    value.get("reason")?.as_str().map(str::to_owned)
}

fn about_joined(joined: &Joined) -> EventJoined {
    let Joined { at: _, offset_ms: _, side, party: newcomer, codec: _, how, instead_of, from_call: _ } = joined;
    EventJoined { side: *side, party: party(newcomer), instead_of: party(instead_of), how: *how }
}

fn about_change(change: &Change) -> EventChange {
    let Change { at: _, offset_ms: _, by, how, wanted: _, refused: _, decision } = change;
    let (who, user, name) = match by {
        By::User { id, name, side: _ } => ("user", Some(*id), name.clone()),
        By::Colleague { id, name } => ("colleague", Some(*id), name.clone()),
        By::Operator => ("operator", None, String::new()),
        By::Outside { side: _ } => ("outside", None, String::new()),
        By::Service => ("service", None, String::new()),
    };
    EventChange {
        by: who.to_owned(),
        user: user.map(Named::Id),
        name,
        how: *how,
        because: decision.because.source().to_owned(),
    }
}

fn about_note(note: &NoteThen) -> EventNote {
    let NoteThen { id, user, name } = note;
    EventNote { id: *id, user: user.map(Named::Id), name: name.clone() }
}

fn about_recording(record: &RecordingRecord, kind: OutboxKind) -> AboutRecording {
    let RecordingRecord { state, started, samples, rate, bytes, sidecar, .. } = record;
    // Repaired before its failure was read: the event tells what was so when it happened.
    let (state, samples, bytes) = match kind {
        OutboxKind::RecordingFailed => (&RecordingState::Failed, &0, &0),
        OutboxKind::CallStarted
        | OutboxKind::CallAnswered
        | OutboxKind::CallTransferred
        | OutboxKind::CallNoted
        | OutboxKind::CallEnded
        | OutboxKind::RecordingStarted
        | OutboxKind::RecordingPaused
        | OutboxKind::RecordingResumed
        | OutboxKind::RecordingFinished
        | OutboxKind::RecordingRecovered
        | OutboxKind::RecordingDeleted
        | OutboxKind::VoicemailCreated
        | OutboxKind::VoicemailUpdated
        | OutboxKind::VoicemailDeleted => (state, samples, bytes),
        OutboxKind::TextReceived
        | OutboxKind::TextSent
        | OutboxKind::TextDelivered
        | OutboxKind::TextFailed
        | OutboxKind::TextRead
        | OutboxKind::TextNoted => (state, samples, bytes),
    };
    let Sidecar { direction, number, parties, answered, offset_ms, decision, ended_paused, end_reason, .. } = sidecar;
    AboutRecording {
        state: *state,
        direction: *direction,
        number: number.map(Named::Id),
        parties: parties.iter().map(channel).collect(),
        answered: answered.to_string(),
        started: started.to_string(),
        offset_ms: *offset_ms,
        length_ms: Rate(*rate).span(Samples(*samples)).as_millis(),
        bytes: *bytes,
        record: decision.record,
        because: decision.because.source().to_owned(),
        ended_paused: *ended_paused,
        end_reason: end_reason.clone(),
    }
}

fn channel(side: &SidecarParty) -> EventParty {
    EventParty { channel: side.channel.clone(), ..party(&side.party) }
}

fn party(party: &Party) -> EventParty {
    let Party { user, address, name } = party;
    EventParty { channel: String::new(), user: user.map(Named::Id), address: address.clone(), name: name.clone() }
}

impl Event {
    /// The event as it is told to people and programs of the company: users by extension, numbers in
    /// E.164, as the directory has them now, and no call that it does not belong to.
    pub fn told(mut self, directory: &Directory) -> Self {
        let user = |user: &mut Option<Named<UserId>>| {
            if let Some(Named::Id(id)) = user {
                *user = directory.user(*id).map(|user| Named::Name(user.extension.clone()));
            }
        };
        let number = |number: &mut Option<Named<NumberId>>| {
            if let Some(Named::Id(id)) = number {
                *number = directory.number(*id).map(|number| Named::Name(number.e164.clone()));
            }
        };
        match &mut self.about {
            Some(About::Call(call)) => {
                user(&mut call.caller.user);
                user(&mut call.callee.user);
                number(&mut call.number);
            }
            Some(About::Recording(recording)) => {
                recording.parties.iter_mut().for_each(|party| user(&mut party.user));
                number(&mut recording.number);
            }
            Some(About::Text(text)) => {
                user(&mut text.user);
                number(&mut text.number);
                text.rule = None;
            }
            Some(About::Message(message)) => {
                user(&mut message.caller.user);
                user(&mut message.reader);
                user(&mut message.by);
                number(&mut message.number);
                if let Some(mailbox) = directory.mailbox(message.mailbox_id) {
                    message.mailbox = Named::Name(mailbox.key());
                }
                message.facts = None;
            }
            None => {}
        }
        if let Some(joined) = &mut self.joined {
            user(&mut joined.party.user);
            user(&mut joined.instead_of.user);
        }
        if let Some(change) = &mut self.change {
            user(&mut change.user);
        }
        if let Some(note) = &mut self.note {
            user(&mut note.user);
        }
        self
    }

    /// As JSON for those whom it is told to.
    pub fn json(self, directory: &Directory) -> serde_json::Value {
        let mut data = serde_json::to_value(self.told(directory)).unwrap_or_default();
        // Into which call a transfer led is not told: it may be none of the reader's.
        let reason = data.get_mut("about").and_then(|about| about.get_mut("end_reason"));
        if let Some(reason) = reason.and_then(serde_json::Value::as_object_mut) {
            reason.remove("into");
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Wall = Wall::from_unix_micros(1_700_000_000_123_456);

    fn call_then() -> CallThen {
        let caller = Party { user: Some(UserId(7)), address: "201".to_owned(), name: "Jane".to_owned() };
        CallThen {
            direction: Direction::Outbound,
            caller,
            callee: Party::default(),
            number: Some(NumberId(3)),
            started: AT,
            answered: Some(AT),
            ended: Some(AT),
            outcome: Outcome::Completed,
            missed: false,
            end_reason: Some(EndReason::Transferred { into: CallId::new(AT, [9; 10]) }),
            record: true,
            because: "number".to_owned(),
        }
    }

    #[test]
    fn an_entry_without_its_recording_is_still_told() {
        let (call, recording) = (CallId::new(AT, [1; 10]), RecordingId::new(AT, [2; 10]));
        let (kind, subject) = (OutboxKind::RecordingFailed, Subject::Recording(recording));
        let entry =
            OutboxEntry { seq: 4, at: AT, kind, company: CompanyId(1), call: Some(call), subject, told: Told::Row };
        let fed = fold(&entry, None);
        assert_eq!((fed.seq, fed.kind, fed.subject, fed.event.about), (4, kind, subject, None));
        assert_eq!(fed.event.at, "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn what_is_told_of_a_call_names_no_other_call_and_reads_back_as_it_was_written() {
        let call = CallId::new(AT, [1; 10]);
        let (kind, subject) = (OutboxKind::CallEnded, Subject::Call(call));
        let told = Told::Call { call: Box::new(call_then()), joined: None, change: None, note: None };
        let entry = OutboxEntry { seq: 4, at: AT, kind, company: CompanyId(1), call: Some(call), subject, told };
        let fed = fold(&entry, None);
        let text = serde_json::to_string(&fed).unwrap();
        assert_eq!(serde_json::from_str::<FeedEntry>(&text).unwrap(), fed);
        let json = fed.event.json(&Directory::default());
        assert_eq!(json["about"]["end_reason"], "transferred");
        assert!(!json.to_string().contains(&CallId::new(AT, [9; 10]).to_string()), "{json}");
        assert_eq!(json["about"]["caller"]["user"], serde_json::Value::Null, "who is gone has no extension");
    }

    #[test]
    fn an_event_of_the_former_shape_is_read() {
        let text = r#"{"event":"recording.finished","seq":1,"at":"2023-11-14T22:13:20.123Z","company":1,
            "call":"018bcfe5-687b-7101-8101-010101010101","recording":"018bcfe5-687b-7202-8202-020202020202",
            "about":{"state":"complete","direction":"inbound","number":3,
                "parties":[{"channel":"left","user":null,"address":"+1666","name":""},
                           {"channel":"right","user":7,"address":"201","name":"Jane"}],
                "answered":"a","started":"b","offset_ms":0,"length_ms":1,"bytes":2,"record":true,"because":"number",
                "ended_paused":false,"end_reason":{"reason":"caller_hung_up"}}}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        let Some(About::Recording(about)) = event.about else { panic!("{event:?}") };
        assert_eq!(
            (about.number, about.parties[1].user.clone()),
            (Some(Named::Id(NumberId(3))), Some(Named::Id(UserId(7))))
        );
    }
}
