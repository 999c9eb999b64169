//! The records that every layer names: calls, decisions, markers, recordings, voicemail, the outbox.

mod call;
mod decision;
mod event;
mod message;
mod recording;
mod take;
mod text;

pub use call::{CallRecord, EndReason, Joined, JoinedBy, Outcome, Party};
pub use decision::{Because, By, Change, Decision, How, RecordingStep, Refusal};
pub use event::{
    CallThen, Family, Happened, MessageThen, NoteThen, OutboxEntry, OutboxKind, Subject, Told, happened, is_stale,
};
pub use message::{Folder, Forwarded, GreetingKind, MessageRecord, Waiting};
pub use recording::{
    Channels, Marker, MarkerKind, PauseInFile, RecordingRecord, RecordingState, Sidecar, SidecarParty,
};
pub use take::{Keep, MessageDraft, TakeId};
pub use text::{TextKind, TextRecord, TextRule, TextState, TextThen};
