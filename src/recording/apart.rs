//! The two parties of a mono file as they were before they were mixed, of the last seconds: what
//! comes late, or has to be blanked, changes one of them and not the other.

use super::timeline::Stereo;
use crate::audio::mix;
use crate::base::{Rate, Side, Span};
use std::collections::VecDeque;

/// Kept so long after it was written. Packets and keys hardly ever come later.
const KEPT: Span = Span::from_secs(2);

/// What was written last, party by party.
#[derive(Debug)]
pub struct Apart {
    most: usize,
    frames: VecDeque<Stereo>,
    /// Position behind the last of them.
    end: u64,
    /// Where each party was hushed last, and has been silent since.
    hushed: [(u64, u64); 2],
}

impl Apart {
    /// For a file of this rate.
    pub fn new(rate: Rate) -> Self {
        let most = usize::try_from(rate.samples(KEPT).0).unwrap_or(0);
        Apart { most, frames: VecDeque::new(), end: 0, hushed: [(0, 0); 2] }
    }

    /// These samples were written at the end of what there is.
    pub fn wrote(&mut self, frames: &[Stereo]) {
        let new = frames.get(frames.len().saturating_sub(self.most)..).unwrap_or(&[]);
        let over = (self.frames.len() + new.len()).saturating_sub(self.most);
        self.frames.drain(..over.min(self.frames.len()));
        self.frames.extend(new);
        self.end += frames.len() as u64;
    }

    /// Puts samples of a party into what was written from `at` on. What is older than what is kept
    /// is added: its place was that party's silence.
    pub fn patch(&mut self, at: u64, side: Side, samples: &[i16], mixed: &mut [i16]) {
        if let Some(hushed) = self.hushed.get_mut(side.channel())
            && at < hushed.1
            && hushed.0 < at + samples.len() as u64
        {
            *hushed = (0, 0);
        }
        for ((place, mixed), sample) in (at..).zip(mixed).zip(samples) {
            *mixed = match self.replace(place, side, *sample) {
                Some(both) => both,
                None => mixed.saturating_add(sample / 2),
            };
        }
    }

    /// Takes a party out of what was written from `at` on. Where that party is not known any more,
    /// both are taken out: a key is never to be heard.
    pub fn hush(&mut self, at: u64, side: Side, mixed: &mut [i16]) {
        let (from, to) = self.hushed.get(side.channel()).copied().unwrap_or_default();
        let end = at + mixed.len() as u64;
        for (place, mixed) in (at..).zip(mixed) {
            let silent = (from..to).contains(&place);
            *mixed = match self.replace(place, side, 0) {
                Some(both) => both,
                None if silent => *mixed,
                None => 0,
            };
        }
        if let Some(hushed) = self.hushed.get_mut(side.channel()) {
            let touches = at <= to && from <= end && from < to;
            *hushed = if touches { (from.min(at), to.max(end)) } else { (at, end) };
        }
    }

    /// Changes one party at a place; both mixed, where they are known.
    fn replace(&mut self, place: u64, side: Side, sample: i16) -> Option<i16> {
        let back = usize::try_from(self.end.checked_sub(place)?).ok()?;
        let at = self.frames.len().checked_sub(back)?;
        let frame = self.frames.get_mut(at)?;
        *frame.get_mut(side.channel())? = sample;
        let [one, other] = *frame;
        Some(mix(one, other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(frames: &[Stereo]) -> (Apart, Vec<i16>) {
        let mut apart = Apart::new(Rate::NARROW);
        apart.wrote(frames);
        (apart, frames.iter().map(|[one, other]| mix(*one, *other)).collect())
    }

    #[test]
    fn what_changes_of_one_party_leaves_the_other_as_it_is() {
        let (mut apart, mut file) = apart(&[[100, 1_000], [0, 3_001], [300, 5_000]]);
        apart.patch(1, Side::Caller, &[201], &mut file[1..2]);
        assert_eq!(file, [550, 1_601, 2_650]);
        apart.hush(0, Side::Callee, &mut file);
        assert_eq!(file, [50, 100, 150]);
        apart.hush(0, Side::Caller, &mut file);
        assert_eq!(file, [0; 3]);
    }

    #[test]
    fn what_is_older_than_what_is_kept_is_added_and_hushed_as_a_whole() {
        let (mut apart, mut file) = apart(&[[0, 1_000]; 20_000]);
        apart.patch(10, Side::Caller, &[200; 10], &mut file[10..20]);
        assert_eq!(file[9..21], [500, 600, 600, 600, 600, 600, 600, 600, 600, 600, 600, 500]);
        apart.hush(10, Side::Caller, &mut file[10..15]);
        assert_eq!(file[9..16], [500, 0, 0, 0, 0, 0, 600]);
    }

    #[test]
    fn a_key_that_is_held_down_for_long_costs_the_other_party_nothing() {
        let (mut apart, mut file) = apart(&[[700, 1_000]; 8_000]);
        for seconds in 1..10 {
            apart.hush(4_000, Side::Caller, &mut file[4_000..]);
            apart.wrote(&[[0, 1_000]; 8_000]);
            file.extend([500; 8_000]);
            assert_eq!(file[3_999..4_001], [850, 500], "after {seconds} s");
        }
        assert!(file[4_000..].iter().all(|sample| *sample == 500));
    }
}
