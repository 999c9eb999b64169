//! The reader of the outbox: each entry, with its recording, becomes one event of the feed.

use crate::base::{CallId, CompanyId, Direction, NumberId, Rate, RecordingId, Samples, UserId, Wall};
use crate::ledger::{EndReason, OutboxEntry, OutboxKind, RecordingRecord, RecordingState, Sidecar, SidecarParty};
use serde::{Deserialize, Serialize};

/// One event of the feed, as it is kept. Exactly one per entry of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// The outbox entry's position: a reader asks for what came after it.
    pub seq: i64,
    pub at: Wall,
    pub kind: OutboxKind,
    pub company: CompanyId,
    pub call: CallId,
    pub recording: RecordingId,
    pub event: RecordingEvent,
}

/// What a `recording.*` event tells. No path and no free text: files are fetched by id, and
/// a problem's text may name folders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingEvent {
    pub event: OutboxKind,
    pub seq: i64,
    /// RFC 3339, UTC.
    pub at: String,
    pub company: CompanyId,
    pub call: CallId,
    pub recording: RecordingId,
    /// `None` only where the recording's row has gone.
    pub about: Option<AboutRecording>,
}

/// The recording, as far as an event tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AboutRecording {
    pub state: RecordingState,
    pub direction: Direction,
    /// The company's number: the called one, or the caller id.
    pub number: Option<NumberId>,
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

/// A party and its channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventParty {
    /// `left` or `right`.
    pub channel: String,
    pub user: Option<UserId>,
    pub address: String,
    pub name: String,
}

/// The event that `entry` becomes.
pub fn fold(entry: &OutboxEntry, recording: Option<&RecordingRecord>) -> FeedEntry {
    let OutboxEntry { seq, at, kind, company, call, recording: id } = *entry;
    let event = RecordingEvent {
        event: kind,
        seq,
        at: at.to_string(),
        company,
        call,
        recording: id,
        about: recording.map(|recording| about(recording, kind)),
    };
    FeedEntry { seq, at, kind, company, call, recording: id, event }
}

fn about(record: &RecordingRecord, kind: OutboxKind) -> AboutRecording {
    let RecordingRecord { state, started, samples, rate, bytes, sidecar, .. } = record;
    // Repaired before its failure was read: the event tells what was so when it happened.
    let (state, samples, bytes) = match kind {
        OutboxKind::RecordingFailed => (&RecordingState::Failed, &0, &0),
        OutboxKind::RecordingFinished | OutboxKind::RecordingRecovered | OutboxKind::RecordingDeleted => {
            (state, samples, bytes)
        }
    };
    let Sidecar { direction, number, parties, answered, offset_ms, decision, ended_paused, end_reason, .. } = sidecar;
    AboutRecording {
        state: *state,
        direction: *direction,
        number: *number,
        parties: parties.iter().map(party).collect(),
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

fn party(party: &SidecarParty) -> EventParty {
    EventParty {
        channel: party.channel.clone(),
        user: party.party.user,
        address: party.party.address.clone(),
        name: party.party.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_its_recording_is_still_told() {
        let at = Wall::from_unix_micros(1_700_000_000_123_456);
        let (call, recording) = (CallId::new(at, [1; 10]), RecordingId::new(at, [2; 10]));
        let kind = OutboxKind::RecordingFailed;
        let entry = OutboxEntry { seq: 4, at, kind, company: CompanyId(1), call, recording };
        let fed = fold(&entry, None);
        assert_eq!((fed.seq, fed.kind, fed.recording, fed.event.about), (4, kind, recording, None));
        assert_eq!(fed.event.at, "2023-11-14T22:13:20.123Z");
    }
}
