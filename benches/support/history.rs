//! What was recorded before, as rows without files.

use telegraphone::base::{Random, RecordingId, Seeded};
use telegraphone::ledger::{CallRecord, Channels, OutboxKind, RecordingRecord, RecordingState, Sidecar};

/// A recording of an answered call, as long as the call.
pub fn recording(call: &CallRecord, dice: &mut Seeded) -> Option<(RecordingRecord, OutboxKind)> {
    let (answered, id) = (call.answered?, RecordingId::new(call.answered?, dice.ten_bytes()));
    let (state, samples, rate) = (RecordingState::Complete, 85 * 8_000, 8_000);
    let sidecar = Sidecar {
        version: 1,
        recording: id,
        call: call.id,
        company: call.company,
        company_name: "Bench".to_owned(),
        direction: call.direction,
        number: call.number,
        parties: Vec::new(),
        answered,
        started: answered,
        offset_ms: 0,
        samples,
        rate,
        channels: Channels::Stereo,
        state,
        decision: call.decision.clone(),
        changes: Vec::new(),
        markers: Vec::new(),
        markers_left_out: 0,
        ended_paused: false,
        end_reason: None,
        problem: String::new(),
    };
    let record = RecordingRecord {
        id,
        call: call.id,
        company: call.company,
        state,
        path: format!("{id}.wav"),
        started: answered,
        samples,
        rate,
        bytes: 4 * samples,
        audio_sha256: String::new(),
        frame_sha256: String::new(),
        problem: String::new(),
        sidecar,
    };
    Some((record, OutboxKind::RecordingFinished))
}
