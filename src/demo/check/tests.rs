use super::super::speech;
use super::*;
use crate::audio::Law;
use crate::audio::wav::{Cue, trailer};
use crate::base::{CallId, CompanyId, RecordingId, Span, Wall};
use crate::ledger::{Channels, EndReason, Marker, Outcome, Party, Sidecar};

const ANSWERED: Wall = Wall::from_unix_micros(1_700_000_000_000_000);
const SAMPLES: usize = 64_000;
const PAUSE: Range<usize> = 24_000..40_000;

/// A right recording of 8 s with a pause of 2 s, and the call around it.
struct Case {
    left: Vec<i16>,
    right: Vec<i16>,
    markers: Vec<Marker>,
    cues: usize,
    events: usize,
    record: CallRecord,
    rows: usize,
    played: Played,
}

fn said(voice: &[i16]) -> Vec<i16> {
    voice.iter().cycle().take(SAMPLES).map(|sample| Law::A.decode(Law::A.encode(*sample))).collect()
}

fn marker(kind: MarkerKind, at: usize) -> Marker {
    Marker {
        at: at as u64,
        length: 0,
        kind,
        side: (kind != MarkerKind::Start).then_some(Side::Callee),
        name: String::new(),
    }
}

impl Case {
    fn right() -> Self {
        let voices = [speech::customer().unwrap(), speech::agent().unwrap()];
        let [mut left, mut right] = [said(&voices[0]), said(&voices[1])];
        left[PAUSE.start + 7..PAUSE.end + 9].fill(0);
        right[PAUSE].fill(0);
        let decision = Decision { record: true, because: Because::Company { direction: Direction::Inbound } };
        let markers = vec![
            marker(MarkerKind::Start, 0),
            marker(MarkerKind::Pause, PAUSE.start),
            marker(MarkerKind::Resume, PAUSE.end),
        ];
        Case {
            record: CallRecord {
                id: CallId::new(ANSWERED, [1; 10]),
                company: CompanyId(1),
                direction: Direction::Inbound,
                caller: Party::default(),
                callee: Party::default(),
                number: None,
                started: ANSWERED,
                answered: Some(ANSWERED),
                ended: Some(ANSWERED.plus(Span::from_millis(8_040))),
                outcome: Outcome::Completed,
                end_reason: Some(EndReason::CallerHungUp),
                decision,
                changes: Vec::new(),
                joined: Vec::new(),
                ended_paused: false,
            },
            played: Played {
                direction: Direction::Inbound,
                heard: [said(&voices[1]), said(&voices[0])],
                said: voices,
                paused: Some(Span::from_secs(2)),
            },
            cues: markers.len(),
            left,
            right,
            markers,
            events: 1,
            rows: 1,
        }
    }

    fn file(&self) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for (left, right) in self.left.iter().zip(&self.right) {
            writer.write_sample(*left).unwrap();
            writer.write_sample(*right).unwrap();
        }
        writer.finalize().unwrap();
        let cues: Vec<Cue> = (0..self.cues).map(|n| Cue { at: n as u32, length: 0, text: "x".into() }).collect();
        let mut bytes = bytes.into_inner();
        bytes.extend(trailer(&cues, &[]));
        bytes
    }

    fn row(&self, audio_sha256: String) -> RecordingRecord {
        let id = RecordingId::new(ANSWERED, [2; 10]);
        RecordingRecord {
            id,
            call: self.record.id,
            company: CompanyId(1),
            state: RecordingState::Complete,
            path: "it.wav".into(),
            started: ANSWERED,
            samples: self.left.len() as u64,
            rate: 8_000,
            bytes: 0,
            audio_sha256,
            frame_sha256: String::new(),
            problem: String::new(),
            sidecar: Sidecar {
                version: 1,
                recording: id,
                call: self.record.id,
                company: CompanyId(1),
                company_name: String::new(),
                direction: Direction::Inbound,
                number: None,
                parties: Vec::new(),
                answered: ANSWERED,
                started: ANSWERED,
                offset_ms: 0,
                samples: self.left.len() as u64,
                rate: 8_000,
                channels: Channels::Stereo,
                state: RecordingState::Complete,
                decision: self.record.decision.clone(),
                changes: Vec::new(),
                markers: self.markers.clone(),
                markers_left_out: 0,
                ended_paused: false,
                end_reason: None,
                problem: String::new(),
            },
        }
    }

    fn check(&self) -> Finding {
        let folder = tempfile::tempdir().unwrap();
        let bytes = self.file();
        std::fs::write(folder.path().join("it.wav"), &bytes).unwrap();
        let row = self.row(data_digest(&bytes).unwrap());
        check(&self.record, &vec![row; self.rows], self.events, &self.played, folder.path())
    }
}

#[test]
fn a_right_file_has_no_problem() {
    let finding = Case::right().check();
    assert_eq!(finding.problems, Vec::<String>::new());
    assert_eq!((finding.length.as_str(), finding.pause.as_str()), ("8.00 s", "3.00 s to 5.00 s"));
    assert_eq!(finding.because, "the company records inbound calls");
}

#[test]
fn whatever_is_wrong_is_named() {
    type Break = fn(&mut Case);
    let rows: [(&str, Break, &str); 11] = [
        ("channels", |case| std::mem::swap(&mut case.left, &mut case.right), "the left channel is the other party's"),
        ("silence", |case| case.left.fill(0), "only 0.0 % of the left channel"),
        ("noise", |case| case.left.iter_mut().for_each(|s| *s = s.wrapping_add(40)), "% of the left channel is its"),
        ("leak", |case| case.right[PAUSE.start] = 1, "the right channel is not silent in the pause: samples 0 to 0"),
        ("late", |case| case.left[PAUSE.start + 900] = 1, "the left channel is not silent in the pause"),
        ("short", |case| case.record.ended = Some(ANSWERED.plus(Span::from_millis(8_200))), "the call 8200 ms"),
        ("pause", |case| case.played.paused = Some(Span::from_secs(3)), "the pause lasts 2000 ms instead of 3000"),
        ("marks", |case| case.markers.truncate(1), "the pause and its end are not marked"),
        ("cues", |case| case.cues = 0, "0 cue points in the file, 3 markers"),
        ("event", |case| case.events = 0, "0 events instead of one"),
        ("live", |case| case.played.heard[0].fill(0), "the caller heard only 0 %"),
    ];
    for (name, break_it, expected) in rows {
        let mut case = Case::right();
        break_it(&mut case);
        let problems = case.check().problems;
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{name}: {problems:?}");
    }
}

#[test]
fn a_recording_too_many_and_one_too_few_are_wrong() {
    let mut case = Case::right();
    case.rows = 0;
    assert_eq!(case.check().problems, ["there are 0 recordings instead of one"]);
    case.rows = 1;
    case.record.decision.record = false;
    assert_eq!(case.check().problems, ["there is a recording of a call that is not to be recorded"]);
}
