//! What happened: the entries of the outbox, which every event of a company begins as.
//!
//! An entry is a kind, a subject, and what was so at that moment. A kind that comes later (a text
//! message) is a variant of [`OutboxKind`], of [`Subject`] where it is about something
//! new, and of [`Told`]; positions, tables and streams stay as they are.

use super::{CallRecord, Change, EndReason, Folder, Joined, MessageRecord, Outcome, Party, TextThen};
use crate::base::{BoxId, CallId, CompanyId, Direction, MessageId, NumberId, RecordingId, Side, TextId, UserId, Wall};
use serde::{Deserialize, Serialize};

/// What happened, for the subscription layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OutboxKind {
    /// A call has begun: somebody's phone rings, or will.
    #[serde(rename = "call.started")]
    CallStarted,
    #[serde(rename = "call.answered")]
    CallAnswered,
    /// Another party is on the call, in the place of one that left.
    #[serde(rename = "call.transferred")]
    CallTransferred,
    /// Somebody has written a note on it.
    #[serde(rename = "call.noted")]
    CallNoted,
    /// Always before the `recording.finished` of the same call.
    #[serde(rename = "call.ended")]
    CallEnded,
    /// The call is recorded from here on.
    #[serde(rename = "recording.started")]
    RecordingStarted,
    #[serde(rename = "recording.paused")]
    RecordingPaused,
    #[serde(rename = "recording.resumed")]
    RecordingResumed,
    /// A file is there; its state says how good it is.
    #[serde(rename = "recording.finished")]
    RecordingFinished,
    /// No file could be made, or not finished.
    #[serde(rename = "recording.failed")]
    RecordingFailed,
    /// One of which a failure was told is there after all.
    #[serde(rename = "recording.recovered")]
    RecordingRecovered,
    #[serde(rename = "recording.deleted")]
    RecordingDeleted,
    /// A message was left, or forwarded, and can be heard.
    #[serde(rename = "voicemail.created")]
    VoicemailCreated,
    /// It stands elsewhere for a reader: heard, kept, brought back.
    #[serde(rename = "voicemail.updated")]
    VoicemailUpdated,
    /// A reader has thrown it away, or it has gone for all.
    #[serde(rename = "voicemail.deleted")]
    VoicemailDeleted,
    /// A text message has come.
    #[serde(rename = "message.received")]
    TextReceived,
    /// A carrier has taken one.
    #[serde(rename = "message.sent")]
    TextSent,
    /// The other side has it.
    #[serde(rename = "message.delivered")]
    TextDelivered,
    /// It will not go out any more.
    #[serde(rename = "message.failed")]
    TextFailed,
    /// Somebody has read a conversation up to it.
    #[serde(rename = "message.read")]
    TextRead,
    /// A note for colleagues.
    #[serde(rename = "message.note")]
    TextNoted,
}

/// Whose rules of access an event follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Whoever sees the call.
    Call,
    /// Whoever can play recordings of the call.
    Recording,
    /// Whoever hears the message.
    Voicemail,
    /// Whoever reads the conversation.
    Text,
}

impl OutboxKind {
    pub const ALL: [OutboxKind; 21] = [
        OutboxKind::CallStarted,
        OutboxKind::CallAnswered,
        OutboxKind::CallTransferred,
        OutboxKind::CallNoted,
        OutboxKind::CallEnded,
        OutboxKind::RecordingStarted,
        OutboxKind::RecordingPaused,
        OutboxKind::RecordingResumed,
        OutboxKind::RecordingFinished,
        OutboxKind::RecordingFailed,
        OutboxKind::RecordingRecovered,
        OutboxKind::RecordingDeleted,
        OutboxKind::VoicemailCreated,
        OutboxKind::VoicemailUpdated,
        OutboxKind::VoicemailDeleted,
        OutboxKind::TextReceived,
        OutboxKind::TextSent,
        OutboxKind::TextDelivered,
        OutboxKind::TextFailed,
        OutboxKind::TextRead,
        OutboxKind::TextNoted,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            OutboxKind::CallStarted => "call.started",
            OutboxKind::CallAnswered => "call.answered",
            OutboxKind::CallTransferred => "call.transferred",
            OutboxKind::CallNoted => "call.noted",
            OutboxKind::CallEnded => "call.ended",
            OutboxKind::RecordingStarted => "recording.started",
            OutboxKind::RecordingPaused => "recording.paused",
            OutboxKind::RecordingResumed => "recording.resumed",
            OutboxKind::RecordingFinished => "recording.finished",
            OutboxKind::RecordingFailed => "recording.failed",
            OutboxKind::RecordingRecovered => "recording.recovered",
            OutboxKind::RecordingDeleted => "recording.deleted",
            OutboxKind::VoicemailCreated => "voicemail.created",
            OutboxKind::VoicemailUpdated => "voicemail.updated",
            OutboxKind::VoicemailDeleted => "voicemail.deleted",
            OutboxKind::TextReceived => "message.received",
            OutboxKind::TextSent => "message.sent",
            OutboxKind::TextDelivered => "message.delivered",
            OutboxKind::TextFailed => "message.failed",
            OutboxKind::TextRead => "message.read",
            OutboxKind::TextNoted => "message.note",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    pub const fn family(self) -> Family {
        match self {
            OutboxKind::CallStarted
            | OutboxKind::CallAnswered
            | OutboxKind::CallTransferred
            | OutboxKind::CallNoted
            | OutboxKind::CallEnded => Family::Call,
            OutboxKind::RecordingStarted
            | OutboxKind::RecordingPaused
            | OutboxKind::RecordingResumed
            | OutboxKind::RecordingFinished
            | OutboxKind::RecordingFailed
            | OutboxKind::RecordingRecovered
            | OutboxKind::RecordingDeleted => Family::Recording,
            OutboxKind::VoicemailCreated | OutboxKind::VoicemailUpdated | OutboxKind::VoicemailDeleted => {
                Family::Voicemail
            }
            OutboxKind::TextReceived
            | OutboxKind::TextSent
            | OutboxKind::TextDelivered
            | OutboxKind::TextFailed
            | OutboxKind::TextRead
            | OutboxKind::TextNoted => Family::Text,
        }
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "subject", content = "id", rename_all = "snake_case")]
pub enum Subject {
    Call(CallId),
    Recording(RecordingId),
    Message(MessageId),
    Text(TextId),
}

impl Subject {
    /// The kind of thing, as a column has it.
    pub const fn word(self) -> &'static str {
        match self {
            Subject::Call(_) => "call",
            Subject::Recording(_) => "recording",
            Subject::Message(_) => "message",
            Subject::Text(_) => "text",
        }
    }

    pub fn id(self) -> String {
        match self {
            Subject::Call(id) => id.to_string(),
            Subject::Recording(id) => id.to_string(),
            Subject::Message(id) => id.to_string(),
            Subject::Text(id) => id.to_string(),
        }
    }

    pub fn parse(word: &str, id: &str) -> Option<Self> {
        match word {
            "call" => CallId::parse(id).map(Subject::Call),
            "recording" => RecordingId::parse(id).map(Subject::Recording),
            "message" => MessageId::parse(id).map(Subject::Message),
            "text" => TextId::parse(id).map(Subject::Text),
            _ => None,
        }
    }

    pub const fn recording(self) -> Option<RecordingId> {
        match self {
            Subject::Recording(id) => Some(id),
            Subject::Call(_) | Subject::Message(_) | Subject::Text(_) => None,
        }
    }

    pub const fn text(self) -> Option<TextId> {
        match self {
            Subject::Text(id) => Some(id),
            Subject::Call(_) | Subject::Recording(_) | Subject::Message(_) => None,
        }
    }

    pub const fn message(self) -> Option<MessageId> {
        match self {
            Subject::Message(id) => Some(id),
            Subject::Text(_) => None,
            Subject::Call(_) | Subject::Recording(_) => None,
        }
    }
}

/// A call as it was when something happened. Nobody's digits, no addresses of devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallThen {
    pub direction: Direction,
    /// Who was on it then.
    pub caller: Party,
    pub callee: Party,
    pub number: Option<NumberId>,
    pub started: Wall,
    pub answered: Option<Wall>,
    pub ended: Option<Wall>,
    pub outcome: Outcome,
    pub missed: bool,
    pub end_reason: Option<EndReason>,
    /// The decision at the answer, and the source that spoke.
    pub record: bool,
    pub because: String,
}

impl From<&CallRecord> for CallThen {
    fn from(call: &CallRecord) -> Self {
        CallThen {
            direction: call.direction,
            caller: call.party(Side::Caller).clone(),
            callee: call.party(Side::Callee).clone(),
            number: call.number,
            started: call.started,
            answered: call.answered,
            ended: call.ended,
            outcome: call.outcome,
            missed: call.is_missed(),
            end_reason: call.end_reason.clone(),
            record: call.decision.record,
            because: call.decision.because.source().to_owned(),
        }
    }
}

impl CallThen {
    /// As it was while it was up: a busy disk can have the answer and the end written at once.
    fn before_its_end(call: &CallRecord) -> Self {
        let outcome = match call.outcome {
            Outcome::Completed => Outcome::Answered,
            Outcome::NoAnswer | Outcome::Busy | Outcome::Cancelled | Outcome::Failed if call.answered.is_some() => {
                Outcome::Answered
            }
            Outcome::NoAnswer | Outcome::Busy | Outcome::Cancelled | Outcome::Failed => Outcome::Ringing,
            outcome @ (Outcome::Ringing | Outcome::Answered | Outcome::Voicemail) => outcome,
        };
        CallThen { ended: None, outcome, missed: false, end_reason: None, ..CallThen::from(call) }
    }
}

/// A note on a call, without what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteThen {
    pub id: i64,
    /// `None`: an operator or a reseller wrote it.
    pub user: Option<UserId>,
    /// The writer's name.
    pub name: String,
}

/// A message as it was when something happened to it, and for whom that was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageThen {
    pub mailbox: BoxId,
    pub caller: Party,
    pub number: Option<NumberId>,
    pub left: Wall,
    pub length_ms: u64,
    pub urgent: bool,
    pub forwarded: bool,
    /// In a box of the whole company: one state for all.
    pub global: bool,
    /// Where it stands then.
    pub folder: Folder,
    /// For whom that is; `None`: for everybody who hears it.
    pub reader: Option<UserId>,
    /// Who did it, where a user did.
    pub by: Option<UserId>,
    /// Of a message that has gone: who heard it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard_by: Vec<UserId>,
    /// Why it has gone for everybody and for good; empty where it has not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
}

impl MessageThen {
    /// For everybody who hears it.
    pub fn of(message: &MessageRecord, global: bool) -> Self {
        MessageThen {
            mailbox: message.mailbox,
            caller: message.caller.clone(),
            number: message.number,
            left: message.left,
            length_ms: message.length().as_millis(),
            urgent: message.urgent,
            forwarded: message.forwarded.is_some(),
            global,
            folder: message.first_folder(),
            reader: None,
            by: None,
            heard_by: Vec::new(),
            because: String::new(),
        }
    }
}

/// What an entry carries with it, since its subject may have changed when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// Nothing: the subject's row tells it.
    Row,
    Call {
        call: Box<CallThen>,
        /// Of a transfer: who came, and who left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        joined: Option<Box<Joined>>,
        /// Of a pause and what follows it: who commanded it, and how.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change: Option<Box<Change>>,
        /// Of a note: which, and who wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Box<NoteThen>>,
    },
    Message {
        message: Box<MessageThen>,
    },
    Text {
        text: Box<TextThen>,
    },
}

/// A row of the outbox: written in the same transaction as the row of its subject,
/// read only by the subscription layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// Position in the outbox; grows by at least one.
    pub seq: i64,
    pub at: Wall,
    pub kind: OutboxKind,
    pub company: CompanyId,
    /// The call that it belongs to, where it is of one: events of a call are in order.
    pub call: Option<CallId>,
    pub subject: Subject,
    pub told: Told,
}

/// Something that happened and has no position yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    pub at: Wall,
    pub kind: OutboxKind,
    pub told: Told,
}

/// What happened to a call between two times that it was written, in order. Nothing where `now` is
/// not newer than `before`.
pub fn happened(before: Option<&CallRecord>, now: &CallRecord) -> Vec<Happened> {
    if before.is_some_and(|before| is_stale(before, now)) {
        return Vec::new();
    }
    let tell = |at, kind, joined: Option<&Joined>, change: Option<&Change>| {
        let (joined, change) = (joined.cloned().map(Box::new), change.cloned().map(Box::new));
        let call = if kind == OutboxKind::CallEnded { CallThen::from(now) } else { CallThen::before_its_end(now) };
        Happened { at, kind, told: Told::Call { call: Box::new(call), joined, change, note: None } }
    };
    let mut events = Vec::new();
    if before.is_none() {
        events.push(tell(now.started, OutboxKind::CallStarted, None, None));
    }
    if let Some(answered) = now.answered.filter(|_| before.is_none_or(|before| before.answered.is_none())) {
        events.push(tell(answered, OutboxKind::CallAnswered, None, None));
        if now.decision.record {
            events.push(tell(answered, OutboxKind::RecordingStarted, None, None));
        }
    }
    let during = events.len();
    let (joined_before, changes_before) = before.map_or((0, 0), |before| (before.joined.len(), before.changes.len()));
    for joined in now.joined.iter().skip(joined_before) {
        events.push(tell(joined.at, OutboxKind::CallTransferred, Some(joined), None));
    }
    for (_, kind, change) in moves(now).into_iter().filter(|(at, ..)| *at >= changes_before) {
        events.push(tell(change.at, kind, None, Some(change)));
    }
    if let Some(during) = events.get_mut(during..) {
        during.sort_by_key(|event| event.at);
    }
    if let Some(ended) = now.ended.filter(|_| before.is_none_or(|before| before.ended.is_none())) {
        events.push(tell(ended, OutboxKind::CallEnded, None, None));
    }
    events
}

/// A record that was queued before another one that was written by another way.
pub fn is_stale(before: &CallRecord, now: &CallRecord) -> bool {
    (before.ended.is_some() && now.ended.is_none())
        || (before.answered.is_some() && now.answered.is_none())
        || now.changes.len() < before.changes.len()
        || now.joined.len() < before.joined.len()
}

/// The changes that moved the gate after the answer, each with its place among all.
fn moves(call: &CallRecord) -> Vec<(usize, OutboxKind, &Change)> {
    let Some(answered) = call.answered else { return Vec::new() };
    let (mut on, mut ever) = (call.decision.record, call.decision.record);
    let mut moves = Vec::new();
    for (at, change) in call.changes.iter().enumerate().filter(|(_, change)| change.at >= answered) {
        let record = change.decision.record;
        if change.refused.is_some() || record == on {
            continue;
        }
        let kind = match (record, ever) {
            (true, false) => OutboxKind::RecordingStarted,
            (true, true) => OutboxKind::RecordingResumed,
            (false, _) => OutboxKind::RecordingPaused,
        };
        (on, ever) = (record, ever || record);
        moves.push((at, kind, change));
    }
    moves
}

#[cfg(test)]
mod tests;
