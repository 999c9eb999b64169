//! Two recordings of the same packets, sample by sample. Pure.

use crate::base::{Rate, Side};
use crate::ledger::{Marker, MarkerKind};
use serde::Serialize;
use std::collections::HashMap;
use std::ops::Range;

/// The files may begin this far apart, in samples of 8 kHz, as all of these (1 s).
const FAR: i64 = 8_000;
/// Where a clock was followed or a stream began anew, its place moves by no more than this.
const NEAR: i64 = 2_000;
/// Stretches whose place is looked for, and their length in samples.
const PROBES: usize = 48;
const PROBE: usize = 200;
/// At an edge of a pause or hold the party that did not ask for it is cut when that arrives: two
/// packets of 20 ms and their jitter, in samples.
const EDGE: i64 = 480;

/// The beginning that the first offset is taken from: a second.
const HEAD: i64 = 8_000;

/// The marked places of one recording.
pub type Marks<'a> = &'a [Marker];

/// How one channel of the live recording stands to that of the replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Channel {
    /// Live position − replay position of the same sound, in samples; one for each stretch between
    /// drift corrections and new segments of either recording.
    pub offsets: Vec<i64>,
    /// Samples that stand against each other, edges of pauses and holds apart.
    pub compared: u64,
    pub identical: u64,
    /// The longest stretch without a difference, in samples.
    pub longest: u64,
    /// Sound that only one of both has before the first or after the last common sample.
    pub edges: [u64; 2],
    /// Samples at edges of pauses and holds that were left out.
    pub left_out: u64,
}

impl Channel {
    /// Of the compared samples, 0 to 1; 1 where there is nothing to compare.
    pub fn share(&self) -> f64 {
        match self.compared {
            0 => 1.0,
            compared => self.identical as f64 / compared as f64,
        }
    }

    /// Compares `side`'s channel of a replay with that of the live recording.
    pub fn compare(rate: Rate, replay: (&[i16], Marks<'_>), live: (&[i16], Marks<'_>), side: Side) -> Self {
        let ((expected, expected_marks), (found, found_marks)) = (replay, live);
        let wide = i64::from(rate.0 / Rate::NARROW.0).max(1);
        let (far, near, head) = (FAR * wide, NEAR * wide, HEAD * wide);
        let mut channel = Channel::default();
        let (Some(sound), Some(heard)) = (sound(expected), sound(found)) else {
            channel.edges = [expected, found].map(|samples| samples.iter().filter(|s| **s != 0).count() as u64);
            return channel;
        };
        let whole = offset(expected, found, &sound, 0, far);
        let mut bounds: Vec<i64> = moves(expected_marks, side).collect();
        // A place of the live recording, told in places of the replay: what was moved before it counts.
        let start = offset(expected, found, &(sound.start..sound.end.min(sound.start + head)), whole, far);
        let mut moved = start;
        for mark in moving(found_marks, side) {
            bounds.extend(i64::try_from(mark.at).map(|at| at - moved));
            if mark.kind == MarkerKind::Drift {
                moved += mark.length;
            }
        }
        bounds.extend([sound.start, sound.end]);
        bounds.retain(|at| (sound.start..=sound.end).contains(at));
        bounds.sort_unstable();
        bounds.dedup();
        let pauses = edges(expected_marks, found_marks, whole, EDGE * wide);
        let mut run = 0;
        let mut last = start;
        for stretch in bounds.windows(2) {
            let [from, to] = stretch else { continue };
            last = offset(expected, found, &(*from..*to), last, near);
            channel.offsets.push(last);
            channel.walk(expected, found, (*from..*to, last), &heard, &pauses, &mut run);
        }
        let first = channel.offsets.first().copied().unwrap_or(whole);
        channel.edges = [(heard.start - first).abs_diff(sound.start), (heard.end - last).abs_diff(sound.end)];
        channel
    }

    fn walk(
        &mut self,
        expected: &[i16],
        found: &[i16],
        (stretch, offset): (Range<i64>, i64),
        heard: &Range<i64>,
        pauses: &[Range<i64>],
        run: &mut u64,
    ) {
        for at in stretch {
            if !heard.contains(&(at + offset)) {
                continue;
            }
            if pauses.iter().any(|pause| pause.contains(&at)) {
                self.left_out += 1;
                *run = 0;
                continue;
            }
            self.compared += 1;
            let same = sample(expected, at) == sample(found, at + offset);
            self.identical += u64::from(same);
            *run = if same { *run + 1 } else { 0 };
            self.longest = self.longest.max(*run);
        }
    }
}

fn sample(samples: &[i16], at: i64) -> Option<i16> {
    samples.get(usize::try_from(at).ok()?).copied()
}

/// From the first sample that is not zero to the last.
fn sound(samples: &[i16]) -> Option<Range<i64>> {
    let first = samples.iter().position(|sample| *sample != 0)?;
    let last = samples.iter().rposition(|sample| *sample != 0)?;
    Some(i64::try_from(first).ok()?..i64::try_from(last + 1).ok()?)
}

/// Where the place of what follows moves.
fn moves(marks: Marks<'_>, side: Side) -> impl Iterator<Item = i64> {
    moving(marks, side).filter_map(|mark| i64::try_from(mark.at).ok())
}

fn moving(marks: Marks<'_>, side: Side) -> impl Iterator<Item = &Marker> {
    // What a cut leaves out is never the same to the sample.
    let moves = move |mark: &&Marker| match mark.kind {
        MarkerKind::Drift | MarkerKind::Segment => mark.side == Some(side),
        MarkerKind::PauseCut => true,
        MarkerKind::Start
        | MarkerKind::Pause
        | MarkerKind::Resume
        | MarkerKind::Hold
        | MarkerKind::Unhold
        | MarkerKind::Transfer
        | MarkerKind::Gap
        | MarkerKind::DigitBlanked
        | MarkerKind::End => false,
    };
    marks.iter().filter(moves)
}

/// Edges of pauses and holds, in positions of the replay: from where the one recording has it to
/// where the other has it, and a little around.
fn edges(expected: Marks<'_>, found: Marks<'_>, offset: i64, around: i64) -> Vec<Range<i64>> {
    let is_edge = |mark: &&Marker| {
        matches!(
            mark.kind,
            MarkerKind::Pause | MarkerKind::Resume | MarkerKind::PauseCut | MarkerKind::Hold | MarkerKind::Unhold
        )
    };
    let places = |marks: Marks<'_>| -> Vec<i64> {
        let edges = marks.iter().filter(is_edge);
        edges.filter_map(|mark| i64::try_from(mark.at).ok()).collect()
    };
    let pairs = places(expected).into_iter().zip(places(found).into_iter().map(|at| at - offset));
    pairs.map(|(one, other)| one.min(other) - around..one.max(other) + around).collect()
}

/// By how much `stretch` of one stands later in the other: what most of its probes say, the
/// nearest to `near` first.
fn offset(expected: &[i16], found: &[i16], stretch: &Range<i64>, near: i64, range: i64) -> i64 {
    let step = usize::try_from((stretch.end - stretch.start) / PROBES as i64 + 1).unwrap_or(1);
    let mut votes: HashMap<i64, usize> = HashMap::new();
    for from in (stretch.start..stretch.end).step_by(step) {
        let to = from + PROBE as i64;
        let probe = usize::try_from(from).ok().and_then(|from| expected.get(from..from + PROBE));
        let Some(probe) = probe.filter(|probe| to <= stretch.end && !is_flat(probe)) else { continue };
        let fits = |offset: &i64| {
            let at = usize::try_from(from + near + offset).ok();
            at.and_then(|at| found.get(at..at + PROBE)) == Some(probe)
        };
        let candidates = (0..=range).flat_map(|distance| [distance, -distance]);
        if let Some(by) = candidates.into_iter().find(fits) {
            *votes.entry(near + by).or_default() += 1;
        }
    }
    let best = votes.into_iter().max_by_key(|(offset, votes)| (*votes, -(offset - near).abs()));
    best.map_or(near, |(offset, _)| offset)
}

fn is_flat(samples: &[i16]) -> bool {
    let least = samples.iter().min().copied().unwrap_or(0);
    let most = samples.iter().max().copied().unwrap_or(0);
    i32::from(most) - i32::from(least) < 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<i16> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16 | 1
        };
        (0..length).map(|_| next()).collect()
    }

    fn mark(at: u64, kind: MarkerKind) -> Marker {
        Marker { at, length: 0, kind, side: Some(Side::Caller), name: String::new() }
    }

    #[test]
    fn a_later_start_is_one_offset_and_nothing_else() {
        let replay = noise(20_000);
        let live = [vec![0; 37], replay.clone()].concat();
        let found = Channel::compare(Rate::NARROW, (&replay, &[]), (&live, &[]), Side::Caller);
        assert_eq!((found.offsets.as_slice(), found.compared, found.identical), (&[37][..], 20_000, 20_000));
        assert_eq!((found.longest, found.edges), (20_000, [0, 0]));
    }

    #[test]
    fn a_marked_correction_moves_what_follows_and_a_wrong_sample_counts() {
        let replay = noise(20_000);
        let mut live = [&replay[..8_000], &[0; 40][..], &replay[8_000..]].concat();
        live[100] ^= 0x100;
        let found =
            Channel::compare(Rate::NARROW, (&replay, &[]), (&live, &[mark(8_000, MarkerKind::Drift)]), Side::Caller);
        assert_eq!((found.offsets.as_slice(), found.compared - found.identical), (&[0, 40][..], 1));
    }

    #[test]
    fn a_packet_that_is_missing_at_the_end_is_an_edge() {
        let replay = noise(20_000);
        let found = Channel::compare(Rate::NARROW, (&replay, &[]), (&replay[..19_840], &[]), Side::Caller);
        assert_eq!((found.compared, found.identical, found.edges), (19_840, 19_840, [0, 160]));
    }
}
