//! The records that every layer names: calls, decisions, markers, recordings, the outbox.

mod call;
mod decision;
mod recording;

pub use call::{CallRecord, EndReason, Joined, JoinedBy, Outcome, Party};
pub use decision::{Because, By, Change, Decision, How, Refusal};
pub use recording::{
    Channels, Marker, MarkerKind, OutboxEntry, OutboxKind, PauseInFile, RecordingRecord, RecordingState, Sidecar,
    SidecarParty,
};
