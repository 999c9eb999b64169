//! What a replay came to, for people and as JSON.

use super::capture::Skipped;
use crate::base::{Direction, Rate, Samples, Wall};
use crate::ledger::{Change, Decision, EndReason, Joined, Marker, Outcome, Party, RecordingState};
use crate::media::LegStats;
use serde::Serialize;
use std::path::PathBuf;

/// One capture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub capture: PathBuf,
    /// When its first datagram was captured.
    pub began: Wall,
    /// UDP datagrams read.
    pub datagrams: u64,
    /// SIP messages among them.
    pub sip: u64,
    /// Of the capture's clock, in seconds, from the first datagram to the last.
    pub length_s: f64,
    /// In the order of their beginnings.
    pub calls: Vec<CallReport>,
    /// RTP that belongs to no call whose signalling was seen.
    pub unclaimed: Vec<Unclaimed>,
    /// What else a reader should know of the capture.
    pub notes: Vec<String>,
}

/// One call of the capture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallReport {
    /// The SIP Call-ID; empty without signalling.
    pub call_id: String,
    pub direction: Direction,
    pub caller: CallSide,
    pub callee: CallSide,
    /// Who came by transfer, in order. Packets of a side are those of all who were on it.
    pub joined: Vec<Joined>,
    pub started: Wall,
    pub answered: Option<Wall>,
    pub ended: Wall,
    pub outcome: Outcome,
    pub end_reason: Option<EndReason>,
    /// At the answer; without one, as it would have been.
    pub decision: Decision,
    /// Every command, obeyed or refused.
    pub commands: Vec<Change>,
    pub ended_paused: bool,
    /// One for each part of the recording; none where nothing was recorded.
    pub files: Vec<FileReport>,
    pub notes: Vec<String>,
}

impl CallReport {
    /// Samples of one channel in all files.
    pub fn samples(&self) -> u64 {
        self.files.iter().map(|file| file.samples).sum()
    }
}

/// One party and what came from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallSide {
    pub party: Party,
    /// As in SDP, in the order in which they were agreed; empty without an agreement.
    pub codecs: Vec<String>,
    /// RTP packets that were let in.
    pub packets: u64,
    /// Missing sequence numbers that never came.
    pub lost: u64,
    /// Overtaken by a later packet.
    pub late: u64,
    pub duplicates: u64,
    /// From addresses that neither SDP nor signalling named.
    pub strangers: u64,
    /// With a payload type that was not agreed.
    pub unknown_payload: u64,
    /// Neither RTP nor RTCP: STUN and the like.
    pub malformed: u64,
    /// After the end of the call.
    pub after_end: u64,
    /// What the service would have sent to this party.
    pub sent: u64,
    /// Keys that were no command: how many, never which.
    pub other_digits: u32,
}

impl CallSide {
    pub fn new(party: Party, codecs: Vec<String>, stats: LegStats, after_end: u64) -> Self {
        let LegStats { counters, jitter: _, other_keys, encrypted: _ } = stats;
        CallSide {
            party,
            codecs,
            packets: counters.received,
            lost: counters.lost,
            late: counters.late,
            duplicates: counters.duplicates,
            strangers: counters.strangers,
            unknown_payload: counters.unknown_payload,
            malformed: counters.malformed,
            after_end,
            sent: counters.sent,
            other_digits: other_keys,
        }
    }

    /// What came from a party that left this side.
    pub(super) fn add(&mut self, stats: LegStats) {
        let LegStats { counters, jitter: _, other_keys, encrypted: _ } = stats;
        self.packets += counters.received;
        self.lost += counters.lost;
        self.late += counters.late;
        self.duplicates += counters.duplicates;
        self.strangers += counters.strangers;
        self.unknown_payload += counters.unknown_payload;
        self.malformed += counters.malformed;
        self.sent += counters.sent;
        self.other_digits += other_keys;
    }
}

/// One finished `.wav`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileReport {
    pub path: PathBuf,
    pub sidecar: PathBuf,
    pub state: RecordingState,
    /// When its first sample was spoken.
    pub started: Wall,
    /// Of one channel.
    pub samples: u64,
    pub length_s: f64,
    /// SHA-256 of the audio, hex.
    pub audio_sha256: String,
    pub markers: Vec<Marker>,
    pub problem: String,
}

/// A pair of RTP streams, or one alone, without signalling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unclaimed {
    pub one: String,
    pub other: String,
    /// From `one` to `other`, and back.
    pub packets: [u64; 2],
    pub first: Wall,
    pub last: Wall,
}

pub(super) fn seconds(samples: u64, rate: Rate) -> f64 {
    let micros = rate.span(Samples(samples)).0;
    (micros as f64) / 1e6
}

/// What was neither UDP nor SIP, in words.
pub(super) fn skipped_notes(skipped: &Skipped) -> Vec<String> {
    let Skipped { not_ip: _, not_udp, not_sip, fragments, gaps, truncated, malformed, unknown_link } = *skipped;
    let rows = [
        (not_udp, "are IP but neither UDP nor TCP"),
        (not_sip, "are TCP without SIP"),
        (fragments, "are fragments of IP packets whose other parts are not in the capture"),
        (truncated, "were captured only in part and were left out (capture with `-s 0`)"),
        (malformed, "are malformed and were left out"),
        (unknown_link, "come from an interface of a kind that is not known"),
    ];
    let found = rows.into_iter().filter(|(count, _)| *count > 0);
    let notes = found.map(|(count, what)| format!("{count} packets {what}"));
    let gap = (gaps > 0).then(|| format!("SIP over TCP has {gaps} gaps: messages there are not in the capture"));
    notes.chain(gap).collect()
}
