//! Two recordings of the same packets, sample by sample. Pure.

use crate::base::{Rate, Side};
use crate::ledger::{Marker, MarkerKind};
use serde::Serialize;
use std::collections::HashMap;
use std::ops::Range;

/// The files may begin this far apart, in samples of 8 kHz, as all of these (1 s).
const FAR: i64 = 8_000;
/// Where a clock was followed in the replay or one of its streams began anew, the place moves by no
/// more than this.
const NEAR: i64 = 2_000;
/// Stretches whose place is looked for, and their length in samples.
const PROBES: i64 = 48;
const PROBE: i64 = 200;
/// A stretch that is shorter than that tells by what there is of it, but not by less than this.
const LEAST_PROBE: i64 = 80;
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
    /// The first and the last of the others, in samples of the replay.
    pub differs: Option<[i64; 2]>,
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
        let whole = offset((expected, found), &heard, 0, far);
        let pauses = edges(expected_marks, found_marks, whole, EDGE * wide);
        // In places of the live recording, which says itself where it moved.
        let mut bounds: Vec<i64> = moves(found_marks, side).filter(|at| heard.contains(at)).collect();
        bounds.extend([heard.start, heard.end]);
        bounds.sort_unstable();
        bounds.dedup();
        let mut stretches: Vec<(Range<i64>, i64)> = Vec::new();
        // Most of the file tells where it begins; where it was moved at once, its first second does.
        let mut last = offset((expected, found), &(heard.start..heard.end.min(heard.start + head)), whole, far);
        for part in bounds.windows(2) {
            let [from, to] = part else { continue };
            // How far a new segment lies from the one before is not known.
            last = offset((expected, found), &(*from..*to), last, far);
            let mut parts: Vec<i64> = moves(expected_marks, side).map(|at| at + last).collect();
            parts.retain(|at| (from + 1..*to).contains(at));
            parts.extend([*from, *to]);
            parts.sort_unstable();
            for stretch in parts.windows(2) {
                let [from, to] = stretch else { continue };
                last = offset((expected, found), &(*from..*to), last, near);
                stretches.push((*from..*to, last));
            }
        }
        let mut walk = Walk { sound: &sound, pauses: &pauses, next: i64::MIN, run: 0 };
        for (at, (stretch, offset)) in stretches.iter().enumerate() {
            channel.offsets.push(*offset);
            let following = stretches.get(at + 1..).unwrap_or_default();
            channel.walk(expected, found, (stretch, *offset), following, &mut walk);
        }
        let first = channel.offsets.first().copied().unwrap_or(whole);
        channel.edges = [(heard.start - first).abs_diff(sound.start), (heard.end - last).abs_diff(sound.end)];
        channel
    }

    /// Sets a stretch of the live recording beside what was said there. Where that may stand in a
    /// following one as well, silence was put in: before its place or after it.
    fn walk(
        &mut self,
        expected: &[i16],
        found: &[i16],
        (stretch, offset): (&Range<i64>, i64),
        following: &[(Range<i64>, i64)],
        walk: &mut Walk<'_>,
    ) {
        let (from, to) = ((stretch.start - offset).max(walk.sound.start), (stretch.end - offset).min(walk.sound.end));
        // What the replay has between two stretches the live recording has not.
        let lost = walk.next.max(walk.sound.start)..from.max(walk.next);
        if walk.next > i64::MIN && !lost.is_empty() {
            self.compared += lost.end.abs_diff(lost.start);
            self.differ(lost.start, lost.end - 1);
            walk.run = 0;
        }
        for at in from.max(walk.next)..to {
            walk.next = at + 1;
            if walk.pauses.iter().any(|pause| pause.contains(&at)) {
                self.left_out += 1;
                walk.run = 0;
                continue;
            }
            self.compared += 1;
            let said = sample(expected, at);
            let later = following.iter().take_while(|(stretch, offset)| at >= stretch.start - offset);
            let mut offsets = std::iter::once(offset).chain(later.map(|(_, offset)| *offset));
            let same = offsets.any(|offset| said == sample(found, at + offset));
            if !same {
                self.differ(at, at);
                walk.run = 0;
                continue;
            }
            self.identical += 1;
            walk.run += 1;
            self.longest = self.longest.max(walk.run);
        }
    }

    fn differ(&mut self, from: i64, to: i64) {
        let [first, _] = self.differs.unwrap_or([from, to]);
        self.differs = Some([first, to]);
    }
}

/// How far the comparison has come, in places of the replay.
struct Walk<'a> {
    sound: &'a Range<i64>,
    pauses: &'a [Range<i64>],
    next: i64,
    run: u64,
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
    marks.iter().filter(moves).filter_map(|mark| i64::try_from(mark.at).ok())
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

/// By how much a stretch of the second, in its own places, stands later than in the first: what most
/// of its probes say, the nearest to `near` first.
fn offset((expected, found): (&[i16], &[i16]), stretch: &Range<i64>, near: i64, range: i64) -> i64 {
    // In a stretch of a few packets, or with little in it, shorter probes find what there is.
    let long = votes((expected, found), stretch, near, range, (PROBES, PROBE));
    let votes = match long.is_empty() {
        true => votes((expected, found), stretch, near, range, (4 * PROBES, LEAST_PROBE)),
        false => long,
    };
    let best = votes.into_iter().max_by_key(|(offset, votes)| (*votes, -(offset - near).abs()));
    best.map_or(near, |(offset, _)| offset)
}

/// How many of the probes say which offset; so many probes of such a length.
fn votes(
    (expected, found): (&[i16], &[i16]),
    stretch: &Range<i64>,
    near: i64,
    range: i64,
    (probes, length): (i64, i64),
) -> HashMap<i64, usize> {
    let step = usize::try_from((stretch.end - stretch.start) / probes + 1).unwrap_or(1);
    let mut votes: HashMap<i64, usize> = HashMap::new();
    for from in (stretch.start..stretch.end).step_by(step) {
        let to = (from + length).min(stretch.end);
        let place = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let probe = place.and_then(|(from, to)| found.get(from..to));
        let Some(probe) = probe.filter(|probe| probe.len() as i64 >= LEAST_PROBE && !is_flat(probe)) else { continue };
        let fits = |offset: &i64| {
            let at = usize::try_from(from - near - offset).ok();
            at.and_then(|at| expected.get(at..at + probe.len())) == Some(probe)
        };
        let candidates = (0..=range).flat_map(|distance| [distance, -distance]);
        if let Some(by) = candidates.into_iter().find(fits) {
            *votes.entry(near + by).or_default() += 1;
        }
    }
    votes
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

    fn compared(replay: &[i16], live: &[i16], marks: &[Marker]) -> Channel {
        Channel::compare(Rate::NARROW, (replay, &[]), (live, marks), Side::Caller)
    }

    #[test]
    fn a_later_start_is_one_offset_and_nothing_else() {
        let replay = noise(20_000);
        let live = [vec![0; 37], replay.clone()].concat();
        let found = compared(&replay, &live, &[]);
        assert_eq!((found.offsets.as_slice(), found.compared, found.identical), (&[37][..], 20_000, 20_000));
        assert_eq!((found.longest, found.edges), (20_000, [0, 0]));
    }

    #[test]
    fn a_marked_correction_moves_what_follows_and_a_wrong_sample_counts() {
        let replay = noise(20_000);
        let mut live = [&replay[..8_000], &[0; 40][..], &replay[8_000..]].concat();
        live[100] ^= 0x100;
        let found = compared(&replay, &live, &[mark(8_000, MarkerKind::Drift)]);
        assert_eq!((found.offsets.as_slice(), found.compared - found.identical), (&[0, 40][..], 1));
        assert_eq!(found.differs, Some([100, 100]));
    }

    #[test]
    fn a_stream_that_was_late_for_a_while_is_the_same_behind_its_marks() {
        let replay = noise(40_000);
        // Late by 3,000 samples from 10,000 on, in time again from 20,000 on, but behind what came late.
        let live = [&replay[..10_000], &[0; 3_000][..], &replay[10_000..]].concat();
        let marks = [mark(13_000, MarkerKind::Segment), mark(23_000, MarkerKind::Segment)];
        let found = compared(&replay, &live, &marks);
        assert_eq!((found.offsets.as_slice(), found.edges), (&[0, 3_000, 3_000][..], [0, 0]));
        assert_eq!((found.compared, found.identical), (40_000, 40_000));
    }

    #[test]
    fn what_was_written_over_is_missed() {
        let replay = noise(40_000);
        let live = [&replay[..10_000], &replay[12_000..]].concat();
        let found = compared(&replay, &live, &[mark(10_000, MarkerKind::Segment)]);
        assert_eq!((found.offsets.as_slice(), found.edges), (&[0, -2_000][..], [0, 0]));
        assert_eq!((found.compared, found.identical, found.differs), (40_000, 38_000, Some([10_000, 11_999])));
    }

    #[test]
    fn a_packet_between_two_stalls_is_found() {
        let replay = noise(16_000);
        let silence = [0; 2_950];
        let live = [&replay[..8_000], &silence, &replay[8_000..8_160], &silence, &replay[8_160..]].concat();
        let marks = [mark(10_950, MarkerKind::Segment), mark(14_060, MarkerKind::Segment)];
        let found = compared(&replay, &live, &marks);
        assert_eq!((found.offsets.as_slice(), found.edges), (&[0, 2_950, 5_900][..], [0, 0]));
        assert_eq!((found.compared, found.identical), (16_000, 16_000));
    }

    #[test]
    fn a_last_word_of_one_packet_that_was_moved_is_found() {
        let replay = noise(16_000);
        let live = [&replay[..15_840], &[0; 2_000][..], &replay[15_840..]].concat();
        let found = compared(&replay, &live, &[mark(17_840, MarkerKind::Segment)]);
        assert_eq!((found.offsets.as_slice(), found.edges), (&[0, 2_000][..], [0, 0]));
        assert_eq!((found.compared, found.identical), (16_000, 16_000));
    }

    #[test]
    fn a_packet_that_is_missing_at_the_end_is_an_edge() {
        let replay = noise(20_000);
        let found = compared(&replay, &replay[..19_840], &[]);
        assert_eq!((found.compared, found.identical, found.edges), (19_840, 19_840, [0, 160]));
    }
}
