//! What a finished file says of itself: cue points, `LIST INFO` texts, and the sidecar.
//!
//! One place for the service, the repair after a crash and the replay, so that their files differ
//! in nothing but what was said in the call.

use super::repair::Draft;
use crate::audio::wav::Cue;
use crate::base::{Rate, Samples, Side};
use crate::ledger::{
    Because, Change, Channels, Decision, EndReason, Joined, Marker, MarkerKind, Party, RecordingState, Sidecar,
    SidecarParty,
};
use crate::media::LegStats;

/// The version of the sidecar's shape.
pub const SIDECAR_VERSION: u32 = 1;

/// A four-letter name of an INFO chunk and its text.
pub type Info = ([u8; 4], String);

/// The chunks that a file of this call gets behind its audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dress {
    pub cues: Vec<Cue>,
    pub info: Vec<Info>,
}

/// How one part of a recording came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// Samples of one channel.
    pub samples: u64,
    pub rate: Rate,
    pub state: RecordingState,
    pub markers: Vec<Marker>,
    pub markers_left_out: u64,
    pub changes: Vec<Change>,
    /// A pause was still on when the call ended.
    pub ended_paused: bool,
    pub end_reason: Option<EndReason>,
    /// What went wrong, for people; empty when nothing did.
    pub problem: String,
    /// Caller, callee: those who were on the call at its end.
    pub legs: [LegStats; 2],
    /// Parties that came later, in order.
    pub joined: Vec<Joined>,
    /// Of those who left before the end, in order.
    pub left: Vec<(Side, LegStats)>,
}

/// Cue points and texts for a part with this sidecar.
pub fn dress(sidecar: &Sidecar) -> Dress {
    let rate = Rate(sidecar.rate);
    Dress { cues: sidecar.markers.iter().map(|marker| cue(marker, rate)).collect(), info: info(sidecar) }
}

/// Everything that is known of a part, for the file beside it.
pub fn sidecar(draft: &Draft, finish: Finish) -> Sidecar {
    let Draft {
        recording,
        call,
        company,
        company_name,
        direction,
        number,
        parties,
        answered,
        started,
        offset_ms,
        part: _,
        decision,
        channels,
    } = draft.clone();
    let Finish {
        samples,
        rate,
        state,
        markers,
        markers_left_out,
        changes,
        ended_paused,
        end_reason,
        problem,
        legs,
        joined,
        left,
    } = finish;
    Sidecar {
        version: SIDECAR_VERSION,
        recording,
        call,
        company,
        company_name,
        direction,
        number,
        parties: presences(channels, parties, joined, legs, &left),
        answered,
        started,
        offset_ms,
        samples,
        rate: rate.0,
        channels,
        state,
        decision,
        changes,
        markers,
        markers_left_out,
        ended_paused,
        end_reason,
        problem,
    }
}

/// Everybody who was on the call: those it began with, then those who took a place, in order.
fn presences(
    channels: Channels,
    first: [(Party, String); 2],
    joined: Vec<Joined>,
    legs: [LegStats; 2],
    left: &[(Side, LegStats)],
) -> Vec<SidecarParty> {
    let first = Side::BOTH.into_iter().zip(first).map(|(side, (party, codec))| (side, party, codec, 0));
    let joined = joined.into_iter().map(|joined| (joined.side, joined.party, joined.codec, joined.offset_ms));
    let all: Vec<(Side, Party, String, u64)> = first.chain(joined).collect();
    let mut left_of = Side::BOTH.map(|side| left.iter().filter(move |(of, _)| *of == side).map(|(_, leg)| *leg));
    let mut out = Vec::with_capacity(all.len());
    for (at, (side, party, codec, joined_ms)) in all.iter().enumerate() {
        let left_ms = all.iter().skip(at + 1).find(|(next, ..)| next == side).map(|(.., ms)| *ms);
        let last = legs.get(side.channel()).copied().unwrap_or_default();
        let gone = left_of.get_mut(side.channel()).filter(|_| left_ms.is_some()).and_then(Iterator::next);
        let stats = match left_ms {
            Some(_) => gone.unwrap_or_default(),
            None => last,
        };
        let channel = channels.name_of(*side);
        out.push(presence(channel, party.clone(), codec.clone(), &stats, (*joined_ms, left_ms)));
    }
    out
}

fn presence(
    channel: &str,
    party: Party,
    codec: String,
    stats: &LegStats,
    (joined_ms, left_ms): (u64, Option<u64>),
) -> SidecarParty {
    let counters = stats.counters;
    SidecarParty {
        channel: channel.to_owned(),
        party,
        codec,
        packets: counters.received,
        lost: counters.lost,
        late: counters.late,
        duplicates: counters.duplicates,
        strangers: counters.strangers,
        encrypted: stats.encrypted,
        unauthentic: counters.unauthentic,
        joined_ms,
        left_ms,
    }
}

fn cue(marker: &Marker, rate: Rate) -> Cue {
    let at = u32::try_from(marker.at).unwrap_or(u32::MAX);
    // What was cut out has no length in the file.
    let length = if marker.kind == MarkerKind::PauseCut { 0 } else { marker.length };
    let length = u32::try_from(length).unwrap_or(0);
    Cue { at, length, text: cue_text(marker, rate) }
}

/// `pause`, `hold (callee)`, `gap 120 ms (caller)`, `drift +5 ms (callee)`.
fn cue_text(marker: &Marker, rate: Rate) -> String {
    let millis = rate.span(Samples(marker.length.unsigned_abs())).as_millis();
    let what = marker.kind.as_str();
    let what = match marker.kind {
        MarkerKind::PauseCut if marker.length > 0 => format!("pause of {millis} ms cut"),
        MarkerKind::Gap => format!("{what} {millis} ms"),
        MarkerKind::Drift => format!("{what} {}{millis} ms", if marker.length < 0 { '-' } else { '+' }),
        MarkerKind::Transfer => format!("{what} to {}", marker.name),
        MarkerKind::Start
        | MarkerKind::Pause
        | MarkerKind::Resume
        | MarkerKind::PauseCut
        | MarkerKind::Hold
        | MarkerKind::Unhold
        | MarkerKind::Segment
        | MarkerKind::DigitBlanked
        | MarkerKind::End => what.to_owned(),
    };
    match marker.side {
        Some(Side::Caller) => format!("{what} (caller)"),
        Some(Side::Callee) => format!("{what} (callee)"),
        None => what,
    }
}

fn info(sidecar: &Sidecar) -> Vec<Info> {
    let parties: Vec<String> = sidecar.parties.iter().map(|side| side.party.to_string()).collect();
    let (first, later) = parties.split_at(parties.len().min(2));
    let later: String = later.iter().map(|party| format!(", then {party}")).collect();
    vec![
        (*b"ISFT", format!("Telegraphone {}", env!("CARGO_PKG_VERSION"))),
        (*b"INAM", format!("{} call {}{later}", sidecar.direction, first.join(" to "))),
        (*b"IART", parties.join(" & ")),
        (*b"ICRD", sidecar.started.to_string()),
        (*b"ICMT", format!("{}; call {}; recording {}", words(&sidecar.decision), sidecar.call, sidecar.recording)),
    ]
}

/// The decision as a sentence for people.
fn words(decision: &Decision) -> String {
    let Decision { record, because } = decision;
    let verdict = if *record { "recorded" } else { "not recorded" };
    match because {
        Because::OutsideRefusal => format!("{verdict}: the outside party refused"),
        Because::Voicemail => format!("{verdict}: the call went to voicemail"),
        Because::FlowStep { passed: Some(step) } => format!("{verdict}: {step} says so"),
        Because::FlowStep { passed: None } => format!("{verdict}: a step of the call flow says so"),
        Because::AgentCommand => format!("{verdict}: an agent commanded it"),
        Because::Number => format!("{verdict}: the number's setting says so"),
        Because::Company { direction } => format!("{verdict}: the company's setting for {direction} calls says so"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CallId, CompanyId, Direction, RecordingId, Wall};
    use crate::ledger::JoinedBy;
    use crate::media::Counters;

    fn draft() -> Draft {
        let party = |address: &str, name: &str| Party { user: None, address: address.into(), name: name.into() };
        Draft {
            recording: RecordingId::new(Wall::default(), [1; 10]),
            call: CallId::new(Wall::default(), [2; 10]),
            company: CompanyId(1),
            company_name: "Acme".into(),
            direction: Direction::Inbound,
            number: None,
            parties: [(party("+15550123", "Alice"), "PCMU".into()), (party("201", ""), "PCMA".into())],
            answered: Wall::from_unix_micros(1_700_000_000_000_000),
            started: Wall::from_unix_micros(1_700_000_001_000_000),
            offset_ms: 1_000,
            part: 0,
            decision: Decision { record: true, because: Because::Number },
            channels: Channels::Stereo,
        }
    }

    fn finish(markers: Vec<Marker>) -> Finish {
        Finish {
            samples: 8,
            rate: Rate::NARROW,
            state: RecordingState::Complete,
            markers,
            markers_left_out: 0,
            changes: Vec::new(),
            ended_paused: false,
            end_reason: Some(EndReason::CallerHungUp),
            problem: String::new(),
            legs: Default::default(),
            joined: Vec::new(),
            left: Vec::new(),
        }
    }

    #[test]
    fn every_marker_says_in_words_what_it_is_and_whose() {
        let rows = [
            (MarkerKind::Start, 0, None, "start"),
            (MarkerKind::Pause, 0, Some(Side::Caller), "pause (caller)"),
            (MarkerKind::Resume, 0, None, "resume"),
            (MarkerKind::Hold, 0, Some(Side::Callee), "hold (callee)"),
            (MarkerKind::PauseCut, 0, Some(Side::Caller), "pause cut (caller)"),
            (MarkerKind::PauseCut, 98_720, None, "pause of 12340 ms cut"),
            (MarkerKind::Gap, 960, Some(Side::Caller), "gap 120 ms (caller)"),
            (MarkerKind::Drift, 40, Some(Side::Callee), "drift +5 ms (callee)"),
            (MarkerKind::Drift, -40, None, "drift -5 ms"),
            (MarkerKind::DigitBlanked, 800, None, "digit blanked"),
            (MarkerKind::Transfer, 0, Some(Side::Callee), "transfer to Carol <203> (callee)"),
            (MarkerKind::End, 0, None, "end"),
        ];
        for (kind, length, side, text) in rows {
            let name = if kind == MarkerKind::Transfer { "Carol <203>".to_owned() } else { String::new() };
            let marker = Marker { at: 8, length, kind, side, name };
            let dressed = dress(&sidecar(&draft(), finish(vec![marker])));
            let cue = dressed.cues.first().unwrap();
            assert_eq!((cue.at, cue.text.as_str()), (8, text));
            let length = if kind == MarkerKind::PauseCut { 0 } else { length };
            assert_eq!(cue.length, u32::try_from(length).unwrap_or(0));
        }
    }

    #[test]
    fn the_texts_name_title_parties_date_and_decision() {
        let info = dress(&sidecar(&draft(), finish(Vec::new()))).info;
        let said = |name: &[u8; 4]| info.iter().find(|(key, _)| key == name).map(|(_, text)| text.as_str());
        assert!(said(b"ISFT").is_some_and(|text| text.starts_with("Telegraphone ")));
        assert_eq!(said(b"INAM"), Some("inbound call Alice <+15550123> to 201"));
        assert_eq!(said(b"IART"), Some("Alice <+15550123> & 201"));
        assert_eq!(said(b"ICRD"), Some("2023-11-14T22:13:21.000Z"));
        assert!(said(b"ICMT").is_some_and(|text| text.starts_with("recorded: the number's setting says so; call ")));
    }

    #[test]
    fn the_sidecar_has_the_caller_on_the_left() {
        let finish = finish(Vec::new());
        let sidecar = sidecar(&draft(), finish);
        let sides: Vec<_> =
            sidecar.parties.iter().map(|p| (p.channel.as_str(), p.party.address.as_str(), p.codec.as_str())).collect();
        assert_eq!(sides, [("left", "+15550123", "PCMU"), ("right", "201", "PCMA")]);
    }

    #[test]
    fn the_sidecar_names_everybody_who_was_on_the_call_and_when() {
        let joined = |side, name: &str, offset_ms| Joined {
            at: Wall::default(),
            offset_ms,
            side,
            party: Party { user: None, address: name.into(), name: String::new() },
            codec: "PCMU".into(),
            how: JoinedBy::BlindTransfer,
            instead_of: Party::default(),
            from_call: None,
        };
        let heard =
            |received| LegStats { counters: Counters { received, ..Counters::default() }, ..LegStats::default() };
        let sidecar = sidecar(
            &draft(),
            Finish {
                joined: vec![
                    joined(Side::Callee, "202", 5_000),
                    joined(Side::Caller, "+15550999", 7_000),
                    joined(Side::Callee, "203", 9_000),
                ],
                left: vec![(Side::Callee, heard(1)), (Side::Caller, heard(2)), (Side::Callee, heard(3))],
                legs: [heard(4), heard(5)],
                ..finish(Vec::new())
            },
        );
        let rows: Vec<_> = sidecar
            .parties
            .iter()
            .map(|p| (p.channel.as_str(), p.party.address.as_str(), p.packets, p.joined_ms, p.left_ms))
            .collect();
        let expected = [
            ("left", "+15550123", 2, 0, Some(7_000)),
            ("right", "201", 1, 0, Some(5_000)),
            ("right", "202", 3, 5_000, Some(9_000)),
            ("left", "+15550999", 4, 7_000, None),
            ("right", "203", 5, 9_000, None),
        ];
        assert_eq!(rows, expected);
    }
}
