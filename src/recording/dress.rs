//! What a finished file says about itself: cue points with words, and INFO texts.

use crate::audio::wav::Cue;
use crate::base::{Rate, Samples, Wall};
use crate::ledger::{Decision, Marker, MarkerKind};

/// What the INFO chunk names.
#[derive(Clone, Debug)]
pub struct Title<'a> {
    pub direction: crate::base::Direction,
    pub caller: String,
    pub callee: String,
    pub started: Wall,
    pub decision: &'a Decision,
    pub call: String,
    pub recording: String,
}

/// The cue points of a recording's markers, in words.
pub fn cues(markers: &[Marker], rate: Rate) -> Vec<Cue> {
    markers
        .iter()
        .map(|marker| Cue {
            at: u32::try_from(marker.at).unwrap_or(u32::MAX),
            length: u32::try_from(marker.length).unwrap_or(0),
            text: words(marker, rate),
        })
        .collect()
}

/// A marker in words: `gap 60 ms (caller)`.
fn words(marker: &Marker, rate: Rate) -> String {
    let ms = rate.span(Samples(marker.length.unsigned_abs())).as_millis();
    let kind = marker.kind.as_str();
    let text = match marker.kind {
        MarkerKind::Gap => format!("{kind} {ms} ms"),
        MarkerKind::Drift if marker.length < 0 => format!("{kind} -{ms} ms"),
        MarkerKind::Drift => format!("{kind} +{ms} ms"),
        MarkerKind::Start
        | MarkerKind::Pause
        | MarkerKind::Resume
        | MarkerKind::Hold
        | MarkerKind::Unhold
        | MarkerKind::Segment
        | MarkerKind::DigitBlanked
        | MarkerKind::End => kind.to_owned(),
    };
    match marker.side {
        Some(side) => format!("{text} ({side})"),
        None => text,
    }
}

/// The INFO texts (names as in the RIFF specification, chapter 2).
pub fn info(title: &Title<'_>) -> Vec<([u8; 4], String)> {
    let Title { direction, caller, callee, started, decision, call, recording } = title;
    let recorded = if decision.record { "recorded" } else { "started by command, not recorded at first" };
    vec![
        (*b"INAM", format!("{direction} call {caller} to {callee}")),
        (*b"IART", format!("left: {caller}; right: {callee}")),
        (*b"ICRD", started.to_string()),
        (*b"ICMT", format!("{recorded}: {}; call {call}; recording {recording}", decision.because)),
        (*b"ISFT", format!("Telegraphone {}", env!("CARGO_PKG_VERSION"))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Side;

    #[test]
    fn markers_are_told_in_words() {
        let rows = [
            (MarkerKind::Gap, 480, Some(Side::Caller), "gap 60 ms (caller)"),
            (MarkerKind::Drift, -40, Some(Side::Callee), "drift -5 ms (callee)"),
            (MarkerKind::Drift, 40, None, "drift +5 ms"),
            (MarkerKind::Pause, 0, None, "pause"),
            (MarkerKind::DigitBlanked, 800, Some(Side::Caller), "digit blanked (caller)"),
        ];
        for (kind, length, side, expected) in rows {
            assert_eq!(words(&Marker { at: 0, length, kind, side }, Rate::NARROW), expected);
        }
    }
}
