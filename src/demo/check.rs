//! Whether the files are what they should be, by means of their own: nothing of the recorder's.

use super::calls::Played;
use super::speech::share;
use crate::base::{Direction, Rate, Samples, Side};
use crate::ledger::{Because, CallRecord, Decision, MarkerKind, RecordingRecord, RecordingState};
use sha2::{Digest, Sha256};
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The file is as long as the call, but for this, in ms.
const LENGTH_MS: u64 = 100;
/// The pause is as long as it was to be, but for this, in ms: the two commands were dialled by a
/// clock of its own.
const PAUSE_MS: u64 = 250;
/// At the edges of a pause, the channel of the side that did not dial may be this much off the
/// marks, in samples: a packet that is on its way, and its jitter.
const EDGE: u64 = 480;
/// Of the speech on a channel this much is the right voice, bit for bit; edges of pauses and
/// digits cut some blocks of 20 ms.
const RIGHT: f64 = 0.9;
/// And this much at most the other one.
const WRONG: f64 = 0.05;
/// Of what a party heard live: tones and digits were put in, too.
const HEARD: f64 = 0.8;

/// One call, as the table tells it, and what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub direction: Direction,
    pub parties: String,
    pub recorded: String,
    pub because: String,
    pub file: Option<PathBuf>,
    pub length: String,
    pub pause: String,
    pub problems: Vec<String>,
}

impl Finding {
    /// Nothing is stored of this call.
    pub(super) fn lost(direction: Direction) -> Self {
        let none = || "–".to_owned();
        Finding {
            direction,
            parties: none(),
            recorded: none(),
            because: none(),
            file: None,
            length: none(),
            pause: none(),
            problems: vec!["the call is not in the database".to_owned()],
        }
    }
}

/// Compares what is stored of a call with what was played. `events`: how many events tell of a
/// finished recording of this call.
pub fn check(
    record: &CallRecord,
    recordings: &[RecordingRecord],
    events: usize,
    played: &Played,
    folder: &Path,
) -> Finding {
    let mut finding = Finding {
        direction: record.direction,
        parties: format!("{} → {}", record.caller, record.callee),
        recorded: if record.decision.record { "yes" } else { "no" }.to_owned(),
        because: because(&record.decision),
        file: None,
        length: seconds(call_ms(record)),
        pause: "–".to_owned(),
        problems: heard_live(played),
    };
    let problems = &mut finding.problems;
    match (record.decision.record, recordings) {
        (false, []) => {}
        (false, _) => problems.push("there is a recording of a call that is not to be recorded".to_owned()),
        (true, [recording]) => {
            let path = folder.join(&recording.path);
            if events != 1 {
                problems.push(format!("{events} events instead of one tell of the recording"));
            }
            match std::fs::read(&path) {
                Err(error) => problems.push(format!("{}: {error}", path.display())),
                Ok(bytes) => {
                    finding.length = seconds(Rate(recording.rate).span(Samples(recording.samples)).as_millis());
                    problems.extend(check_file(&bytes, record, recording, played));
                }
            }
            finding.pause = pause_text(record, recording);
            finding.file = Some(path);
        }
        (true, recordings) => problems.push(format!("there are {} recordings instead of one", recordings.len())),
    }
    if record.direction != played.direction {
        finding.problems.push(format!("it was {}", played.direction));
    }
    finding
}

fn heard_live(played: &Played) -> Vec<String> {
    let [caller, callee] = &played.said;
    let ends = [("the caller", callee), ("the callee", caller)];
    let heard = ends.into_iter().zip(&played.heard).map(|((who, said), heard)| (who, share(heard, said)));
    let lacking = heard.filter(|(_, share)| *share < HEARD);
    lacking.map(|(who, share)| format!("{who} heard only {:.0} % of the other", share * 100.0)).collect()
}

fn check_file(bytes: &[u8], record: &CallRecord, recording: &RecordingRecord, played: &Played) -> Vec<String> {
    let mut problems = Vec::new();
    if recording.state != RecordingState::Complete {
        problems.push(format!("the recording is {}: {}", recording.state.as_str(), recording.problem));
    }
    let [left, right] = match stereo(bytes) {
        Ok(channels) => channels,
        Err(problem) => return vec![problem],
    };
    let length = 1_000 * left.len() as u64 / 8_000;
    if length.abs_diff(call_ms(record)) > LENGTH_MS {
        problems.push(format!("the file lasts {length} ms, the call {} ms", call_ms(record)));
    }
    if left.len() as u64 != recording.samples {
        problems.push(format!("{} samples in the file, {} in its row", left.len(), recording.samples));
    }
    if data_digest(bytes) != Some(recording.audio_sha256.clone()) {
        problems.push("the audio's SHA-256 is not that of its row".to_owned());
    }
    let [caller, callee] = &played.said;
    problems.extend(check_voice("left", &left, caller, callee));
    problems.extend(check_voice("right", &right, callee, caller));
    problems.extend(check_pause(&left, &right, recording, played));
    let (cues, markers) = (cue_points(bytes), recording.sidecar.markers.len());
    if markers == 0 || cues != markers {
        problems.push(format!("{cues} cue points in the file, {markers} markers in its row"));
    }
    problems
}

fn check_voice(channel: &str, sound: &[i16], right: &[i16], wrong: &[i16]) -> Vec<String> {
    let (right, wrong) = (share(sound, right), share(sound, wrong));
    let mut problems = Vec::new();
    if right < RIGHT {
        problems.push(format!("only {:.1} % of the {channel} channel is its party's voice", right * 100.0));
    }
    if wrong > WRONG {
        problems.push(format!("{:.1} % of the {channel} channel is the other party's voice", wrong * 100.0));
    }
    problems
}

fn check_pause(left: &[i16], right: &[i16], recording: &RecordingRecord, played: &Played) -> Vec<String> {
    let (pause, wanted) = match (Pause::of(recording), played.paused) {
        (None, None) => return Vec::new(),
        (None, Some(_)) => return vec!["the pause and its end are not marked".to_owned()],
        (Some(_), None) => return vec!["a pause is marked that nobody asked for".to_owned()],
        (Some(pause), Some(wanted)) => (pause, wanted.as_millis()),
    };
    let mut problems = Vec::new();
    let length = pause.to.saturating_sub(pause.from) / 8;
    if length.abs_diff(wanted) > PAUSE_MS {
        problems.push(format!("the pause lasts {length} ms instead of {wanted}"));
    }
    for (name, channel, side) in [("left", left, Side::Caller), ("right", right, Side::Callee)] {
        match channel.get(pause.silent_on(side)) {
            None => problems.push("the pause is marked outside the file".to_owned()),
            Some(pause) => problems.extend(sound_in(pause).map(|(first, last)| {
                format!("the {name} channel is not silent in the pause: samples {first} to {last} of {}", pause.len())
            })),
        }
    }
    problems
}

/// The first pause, in samples, and whose command it was.
struct Pause {
    from: u64,
    to: u64,
    side: Option<Side>,
}

impl Pause {
    fn of(recording: &RecordingRecord) -> Option<Self> {
        let first = |kind| recording.sidecar.markers.iter().find(|marker| marker.kind == kind);
        let (pause, resume) = (first(MarkerKind::Pause)?, first(MarkerKind::Resume)?);
        Some(Pause { from: pause.at, to: resume.at, side: pause.side })
    }

    /// What must be silent: for the side that dialled from the command's last key on, for the
    /// other from the arrival of that packet on.
    fn silent_on(&self, side: Side) -> Range<usize> {
        let edge = if self.side == Some(side) { 0 } else { EDGE };
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        index(self.from.saturating_add(edge))..index(self.to.saturating_sub(edge))
    }
}

/// The first and the last sample that is not zero.
fn sound_in(stretch: &[i16]) -> Option<(usize, usize)> {
    let heard = |sample: &i16| *sample != 0;
    Some((stretch.iter().position(heard)?, stretch.iter().rposition(heard)?))
}

fn pause_text(record: &CallRecord, recording: &RecordingRecord) -> String {
    let Some(pause) = Pause::of(recording) else { return "–".to_owned() };
    let by = record.changes.iter().find(|change| change.refused.is_none()).map(|change| format!(", by {}", change.by));
    format!("{} to {}{}", seconds(pause.from / 8), seconds(pause.to / 8), by.unwrap_or_default())
}

fn because(decision: &Decision) -> String {
    match (&decision.because, decision.record) {
        (Because::Company { direction }, true) => format!("the company records {direction} calls"),
        (Because::Company { direction }, false) => format!("the company does not record {direction} calls"),
        (
            other @ (Because::OutsideRefusal
            | Because::Voicemail
            | Because::FlowStep { .. }
            | Because::AgentCommand
            | Because::Number),
            _,
        ) => other.to_string(),
    }
}

fn call_ms(record: &CallRecord) -> u64 {
    match (record.answered, record.ended) {
        (Some(from), Some(to)) => u64::try_from((to.unix_micros() - from.unix_micros()) / 1_000).unwrap_or(0),
        (Some(_) | None, _) => 0,
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10)
}

/// Both channels of a `.wav` of the shape that recordings have.
fn stereo(bytes: &[u8]) -> Result<[Vec<i16>; 2], String> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(|error| format!("no readable WAV: {error}"))?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (2, 8_000, 16) {
        return Err(format!("the WAV is {spec:?}"));
    }
    let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>().map_err(|error| format!("WAV: {error}"))?;
    let channel = |first: usize| samples.iter().skip(first).step_by(2).copied().collect();
    Ok([channel(0), channel(1)])
}

/// Names and contents of the chunks of a RIFF file.
fn chunks(bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    let mut rest = bytes.get(12..).unwrap_or(&[]);
    while let Some((&[a, b, c, d, l0, l1, l2, l3], after)) = rest.split_first_chunk::<8>() {
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let Some(content) = after.get(..length) else { break };
        found.push(([a, b, c, d], content));
        rest = after.get(length + length % 2..).unwrap_or(&[]);
    }
    found
}

fn data_digest(bytes: &[u8]) -> Option<String> {
    let (_, data) = chunks(bytes).into_iter().find(|(name, _)| name == b"data")?;
    Some(hex::encode(Sha256::digest(data)))
}

/// How many the `cue ` chunk has.
fn cue_points(bytes: &[u8]) -> usize {
    let cue = chunks(bytes).into_iter().find(|(name, _)| name == b"cue ");
    let count = cue.and_then(|(_, content)| content.first_chunk::<4>()).map(|count| u32::from_le_bytes(*count));
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
