//! What a crash left: a `.part` with audio and no sizes, and a journal beside it.

use super::alone::TakeDraft;
use crate::audio::wav::DATA_OFFSET;
use crate::base::{CallId, CompanyId, Direction, NumberId, RecordingId, Side, Wall};
use crate::ledger::{Change, Channels, Decision, Joined, Keep, Marker, MarkerKind, Party};
use serde::{Deserialize, Serialize};

/// What is known of a recording when it begins: the first line of its journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub recording: RecordingId,
    pub call: CallId,
    pub company: CompanyId,
    pub company_name: String,
    pub direction: Direction,
    pub number: Option<NumberId>,
    /// Caller and callee, with the codec of each leg.
    pub parties: [(Party, String); 2],
    pub answered: Wall,
    /// When the first sample of this part was spoken.
    pub started: Wall,
    pub offset_ms: u64,
    pub part: u32,
    pub decision: Decision,
    #[serde(default)]
    pub channels: Channels,
}

/// A line of the journal (JSON).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum JournalLine {
    Draft {
        draft: Box<Draft>,
    },
    /// A part begins at this position of the call's recording.
    Part {
        part: u32,
        from: u64,
    },
    Marker {
        marker: Marker,
    },
    Change {
        change: Change,
    },
    Joined {
        joined: Box<Joined>,
    },
    /// The outside party refused: what there is has to go.
    Refused,
    /// The codec of a leg that the draft does not know.
    Codec {
        side: Side,
        codec: String,
    },
    /// The first line of a file that has one party alone.
    Take {
        draft: Box<TakeDraft>,
    },
    /// It has ended, and this much of it stays.
    Ended {
        samples: u64,
    },
    /// What it is to be after all.
    Keep {
        keep: Box<Keep>,
    },
}

/// What could be saved of a `.part`.
#[derive(Clone, Debug, PartialEq)]
pub struct Repaired {
    pub draft: Option<Draft>,
    pub samples: u64,
    pub markers: Vec<Marker>,
    pub changes: Vec<Change>,
    pub joined: Vec<Joined>,
    /// Nothing of it may remain.
    pub refused: bool,
}

/// Reads what a crash left: the length of the `.part` in bytes and the text of its journal, whose
/// last line may be torn.
pub fn repair(part_bytes: u64, journal: &str) -> Repaired {
    let mut repaired = Repaired {
        draft: None,
        samples: 0,
        markers: Vec::new(),
        changes: Vec::new(),
        joined: Vec::new(),
        refused: false,
    };
    let mut from = 0;
    for line in journal.lines() {
        match serde_json::from_str::<JournalLine>(line) {
            Ok(JournalLine::Draft { draft }) => repaired.draft = Some(*draft),
            Ok(JournalLine::Part { from: position, .. }) => {
                from = position;
                repaired.markers.clear();
            }
            Ok(JournalLine::Marker { marker }) => add(&mut repaired.markers, marker),
            Ok(JournalLine::Change { change }) => repaired.changes.push(change),
            Ok(JournalLine::Joined { joined }) => repaired.joined.push(*joined),
            Ok(JournalLine::Refused) => repaired.refused = true,
            Ok(JournalLine::Codec { side, codec }) => {
                let party = repaired.draft.as_mut().and_then(|draft| draft.parties.get_mut(side.channel()));
                if let Some((_, known)) = party {
                    *known = codec;
                }
            }
            // Of another kind of file.
            Ok(JournalLine::Take { .. } | JournalLine::Ended { .. } | JournalLine::Keep { .. }) | Err(_) => {}
        }
    }
    let channels = repaired.draft.as_ref().map_or(Channels::Stereo, |draft| draft.channels);
    let samples = part_bytes.saturating_sub(DATA_OFFSET) / channels.frame_bytes();
    repaired.samples = samples;
    repaired.markers.retain(|marker| (from..=from + samples).contains(&marker.at));
    repaired.markers.iter_mut().for_each(|marker| marker.at -= from);
    repaired
}

/// A pause that was cut is told when it begins, and again with its length when it is over.
fn add(markers: &mut Vec<Marker>, marker: Marker) {
    let again = |known: &&mut Marker| {
        let same = (known.kind, known.at) == (MarkerKind::PauseCut, marker.at) && known.kind == marker.kind;
        same && (known.length == 0 || **known == marker)
    };
    match markers.iter_mut().rev().find(again) {
        Some(known) => *known = marker,
        None => markers.push(marker),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_journal_gives_what_was_whole() {
        let marker = |at| Marker { at, length: 0, kind: MarkerKind::Pause, side: None, name: String::new() };
        let mut journal = String::new();
        for line in [
            JournalLine::Part { part: 0, from: 0 },
            JournalLine::Marker { marker: marker(5) },
            JournalLine::Marker { marker: marker(900) },
        ] {
            journal.push_str(&serde_json::to_string(&line).unwrap());
            journal.push('\n');
        }
        journal.push_str("{\"line\":\"mark");
        let repaired = repair(44 + 4 * 100 + 3, &journal);
        assert_eq!(repaired.samples, 100, "half a sample is no sample");
        assert_eq!(repaired.markers, [marker(5)], "a marker behind the saved audio is dropped");
    }

    fn draft(channels: Channels) -> Draft {
        Draft {
            recording: RecordingId::new(Wall::default(), [1; 10]),
            call: CallId::new(Wall::default(), [2; 10]),
            company: CompanyId(1),
            company_name: String::new(),
            direction: Direction::Internal,
            number: None,
            parties: [(Party::default(), String::new()), (Party::default(), "PCMA".to_owned())],
            answered: Wall::default(),
            started: Wall::default(),
            offset_ms: 0,
            part: 0,
            decision: Decision { record: true, because: crate::ledger::Because::Number },
            channels,
        }
    }

    #[test]
    fn the_journal_says_how_many_channels_the_audio_has() {
        for (channels, samples) in [(Channels::Stereo, 100), (Channels::Mono, 200)] {
            let line = JournalLine::Draft { draft: Box::new(draft(channels)) };
            let repaired = repair(44 + 400 + 1, &serde_json::to_string(&line).unwrap());
            assert_eq!(repaired.samples, samples, "{channels:?}");
        }
        // As an older version has written it.
        let mut line = serde_json::to_value(JournalLine::Draft { draft: Box::new(draft(Channels::Mono)) }).unwrap();
        line["draft"].as_object_mut().unwrap().remove("channels");
        assert_eq!(repair(44 + 400, &line.to_string()).samples, 100);
    }

    #[test]
    fn a_codec_that_became_known_later_stands_in_the_draft() {
        let lines = [
            JournalLine::Draft { draft: Box::new(draft(Channels::Stereo)) },
            JournalLine::Codec { side: Side::Caller, codec: "PCMU".to_owned() },
        ];
        let journal = lines.map(|line| serde_json::to_string(&line).unwrap()).join("\n");
        let [(_, caller), (_, callee)] = repair(44, &journal).draft.unwrap().parties;
        assert_eq!((caller.as_str(), callee.as_str()), ("PCMU", "PCMA"));
    }

    #[test]
    fn a_file_without_a_whole_header_has_no_samples() {
        assert_eq!(repair(17, "").samples, 0);
    }
}
