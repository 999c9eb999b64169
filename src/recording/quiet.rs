//! Stretches in which a party is silent because it has to be, not because packets were lost.

use crate::base::{Rate, Side};
use std::collections::VecDeque;

/// Stretches that are remembered; a gap is judged within seconds.
const MOST: usize = 32;
/// The edge of a pause is known by arrival on one side: it may be off by a long packet (60 ms, in
/// samples at 8 kHz).
const EDGE: i64 = 480;

/// Pauses of both parties and key presses of one, in positions of the file.
#[derive(Debug)]
pub struct Quiet {
    stretches: VecDeque<Stretch>,
    edge: i64,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// `None`: both.
    side: Option<Side>,
    from: i64,
    to: i64,
}

impl Quiet {
    /// For a file of this rate.
    pub fn new(rate: Rate) -> Self {
        Quiet { stretches: VecDeque::new(), edge: EDGE * i64::from(rate.0 / Rate::NARROW.0) }
    }

    fn push(&mut self, stretch: Stretch) {
        if self.stretches.len() >= MOST {
            self.stretches.pop_front();
        }
        self.stretches.push_back(stretch);
    }

    /// The gate was shut at `at`.
    pub fn pause(&mut self, at: i64) {
        self.push(Stretch { side: None, from: at - self.edge, to: i64::MAX });
    }

    /// The gate was opened at `at`.
    pub fn resume(&mut self, at: i64) {
        let until = at + self.edge;
        for stretch in self.stretches.iter_mut().filter(|stretch| stretch.to == i64::MAX) {
            stretch.to = until;
        }
    }

    /// A key that went down at `at` has lasted `length` samples so far.
    pub fn key(&mut self, side: Side, at: i64, length: i64) {
        let known = self.stretches.iter_mut().find(|stretch| stretch.side == Some(side) && stretch.from == at);
        match known {
            Some(stretch) => stretch.to = stretch.to.max(at + length),
            None => self.push(Stretch { side: Some(side), from: at, to: at + length }),
        }
    }

    /// What is left of `[from, to)` of a party.
    pub fn outside(&self, side: Side, from: i64, to: i64) -> Vec<(i64, i64)> {
        let mut left = vec![(from, to)];
        let concerned = self.stretches.iter().filter(|stretch| stretch.side.is_none_or(|of| of == side));
        for stretch in concerned {
            let cut = |(from, to): (i64, i64)| [(from, to.min(stretch.from)), (from.max(stretch.to), to)];
            left = left.into_iter().flat_map(cut).filter(|(from, to)| from < to).collect();
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_what_no_pause_and_no_key_explains() {
        let mut quiet = Quiet::new(Rate::NARROW);
        quiet.pause(10_000);
        assert_eq!(quiet.outside(Side::Caller, 9_000, 12_000), [(9_000, 9_520)]);
        quiet.resume(20_000);
        quiet.key(Side::Callee, 30_000, 160);
        quiet.key(Side::Callee, 30_000, 800);
        assert_eq!(quiet.outside(Side::Caller, 9_000, 21_000), [(9_000, 9_520), (20_480, 21_000)]);
        assert_eq!(quiet.outside(Side::Callee, 30_000, 30_640), []);
        assert_eq!(quiet.outside(Side::Caller, 30_000, 30_640), [(30_000, 30_640)]);
    }
}
