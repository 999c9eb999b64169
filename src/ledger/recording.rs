//! One recording: its row, its sidecar, its markers, and the outbox that hands it over.

use super::{Change, Decision, EndReason, Party};
use crate::base::{CallId, CompanyId, Direction, NumberId, RecordingId, Wall};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a place in the file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarkerKind {
    Start,
    Pause,
    Resume,
    /// A pause that is not in the file: `length` samples were left out here. 0 while it lasts.
    PauseCut,
    Hold,
    Unhold,
    /// From here on another party is on the channel: a transfer.
    Transfer,
    /// Packets were lost: silence stands in their place.
    Gap,
    /// Samples were inserted or dropped to follow the sender's clock.
    Drift,
    /// A new segment: the sender's RTP clock or SSRC changed.
    Segment,
    /// A key was pressed: the stretch is silence.
    DigitBlanked,
    End,
}

impl MarkerKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            MarkerKind::Start => "start",
            MarkerKind::Pause => "pause",
            MarkerKind::Resume => "resume",
            MarkerKind::PauseCut => "pause cut",
            MarkerKind::Hold => "hold",
            MarkerKind::Unhold => "unhold",
            MarkerKind::Transfer => "transfer",
            MarkerKind::Gap => "gap",
            MarkerKind::Drift => "drift",
            MarkerKind::Segment => "segment",
            MarkerKind::DigitBlanked => "digit blanked",
            MarkerKind::End => "end",
        }
    }
}

/// A marked place in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Marker {
    /// Position in samples of one channel, from the start of the file.
    pub at: u64,
    /// Length in samples; 0 for a moment. Negative for drift that dropped samples.
    #[serde(default)]
    pub length: i64,
    pub kind: MarkerKind,
    /// The party that it concerns; `None` for both.
    pub side: Option<crate::base::Side>,
    /// Who is on the channel from here on, of a transfer; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// The channels of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// Left the caller, right the callee.
    #[default]
    Stereo,
    /// Both parties in one, each at half its level.
    Mono,
}

impl Channels {
    pub const fn as_str(self) -> &'static str {
        match self {
            Channels::Stereo => "stereo",
            Channels::Mono => "mono",
        }
    }

    pub const fn count(self) -> u16 {
        match self {
            Channels::Stereo => 2,
            Channels::Mono => 1,
        }
    }

    /// Bytes of one moment: a 16-bit sample of each channel.
    pub const fn frame_bytes(self) -> u64 {
        2 * self.count() as u64
    }

    /// What the channel of a party is called.
    pub const fn name_of(self, side: crate::base::Side) -> &'static str {
        match (self, side) {
            (Channels::Stereo, crate::base::Side::Caller) => "left",
            (Channels::Stereo, crate::base::Side::Callee) => "right",
            (Channels::Mono, crate::base::Side::Caller | crate::base::Side::Callee) => "both",
        }
    }
}

/// What becomes of a pause in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PauseInFile {
    /// Silence of the same length, with a marker at both ends.
    #[default]
    Silence,
    /// Nothing but a marker that says how long it was.
    Cut,
}

impl PauseInFile {
    pub const fn as_str(self) -> &'static str {
        match self {
            PauseInFile::Silence => "silence",
            PauseInFile::Cut => "cut",
        }
    }
}

/// How good the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Everything that the gate let through is in the file.
    Complete,
    /// Closed before the call ended (full disk, failed file).
    Incomplete,
    /// The process died during the call; the file was repaired at the next start.
    Recovered,
    /// No file could be made; the row says why.
    Failed,
    /// The row is kept, the file was deleted.
    Deleted,
    /// The row is there, the file is not.
    Missing,
}

impl RecordingState {
    pub const fn as_str(self) -> &'static str {
        match self {
            RecordingState::Complete => "complete",
            RecordingState::Incomplete => "incomplete",
            RecordingState::Recovered => "recovered",
            RecordingState::Failed => "failed",
            RecordingState::Deleted => "deleted",
            RecordingState::Missing => "missing",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            RecordingState::Complete,
            RecordingState::Incomplete,
            RecordingState::Recovered,
            RecordingState::Failed,
            RecordingState::Deleted,
            RecordingState::Missing,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// A recording as the database has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingRecord {
    pub id: RecordingId,
    pub call: CallId,
    pub company: CompanyId,
    pub state: RecordingState,
    /// Path of the `.wav` below the recordings folder; empty when there is no file.
    pub path: String,
    /// When the first sample was spoken.
    pub started: Wall,
    /// Length in samples of one channel.
    pub samples: u64,
    /// Samples per second.
    pub rate: u32,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the `data` chunk's content, hex; empty when there is no file.
    pub audio_sha256: String,
    /// SHA-256 of everything before and after that content (RIFF, `fmt `, `cue `, `LIST`), hex.
    /// Both together cover every byte of the file.
    pub frame_sha256: String,
    /// What went wrong, for people; empty when nothing did.
    pub problem: String,
    /// The sidecar's whole text (JSON).
    pub sidecar: Sidecar,
}

/// A party and its channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidecarParty {
    /// `left` or `right`; `both` in a mono file.
    pub channel: String,
    pub party: Party,
    /// Codec name as in SDP, e.g. `PCMU`.
    pub codec: String,
    pub packets: u64,
    pub lost: u64,
    pub late: u64,
    pub duplicates: u64,
    /// Packets from addresses that the leg does not listen to.
    pub strangers: u64,
    /// Its media was SRTP at the end.
    #[serde(default)]
    pub encrypted: bool,
    /// SRTP packets that were not authentic, and dropped.
    #[serde(default)]
    pub unauthentic: u64,
    /// ms from the answer until the party was on the call; 0 for those that it began with.
    #[serde(default)]
    pub joined_ms: u64,
    /// ms from the answer until another took its place; `None` for those who stayed to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

/// Everything that is known of a recording, beside the `.wav` as `.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    /// Version of this shape.
    pub version: u32,
    pub recording: RecordingId,
    pub call: CallId,
    pub company: CompanyId,
    pub company_name: String,
    pub direction: Direction,
    pub number: Option<NumberId>,
    pub parties: Vec<SidecarParty>,
    /// When the call was answered.
    pub answered: Wall,
    /// When the first sample was spoken.
    pub started: Wall,
    /// ms from the answer to the first sample.
    pub offset_ms: u64,
    pub samples: u64,
    pub rate: u32,
    #[serde(default)]
    pub channels: Channels,
    pub state: RecordingState,
    /// The decision at the answer.
    pub decision: Decision,
    pub changes: Vec<Change>,
    pub markers: Vec<Marker>,
    /// Markers that were left out because there were too many.
    pub markers_left_out: u64,
    pub ended_paused: bool,
    pub end_reason: Option<EndReason>,
    pub problem: String,
}
