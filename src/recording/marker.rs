//! Marked places of a recording, bounded in number.

use crate::base::Side;
use crate::ledger::{Marker, MarkerKind};

/// A recording keeps this many markers; what comes after is counted.
const MOST: usize = 4_000;

/// The markers of a recording, in the order in which they were set.
#[derive(Clone, Debug, Default)]
pub struct Markers {
    list: Vec<Marker>,
    left_out: u64,
    /// Changed since they were told.
    amended: Vec<Marker>,
}

impl Markers {
    /// Marks a moment or, with a `length` in samples, a stretch. `at` before the start counts as the start.
    pub fn add(&mut self, kind: MarkerKind, at: i64, length: i64, side: Option<Side>) {
        if self.list.len() >= MOST && kind != MarkerKind::End {
            self.left_out += 1;
            return;
        }
        self.list.push(Marker { at: u64::try_from(at).unwrap_or(0), length, kind, side, name: String::new() });
    }

    /// Marks the place from which `name` is on the channel of `side`.
    pub fn transfer(&mut self, at: i64, side: Side, name: &str) {
        let at = u64::try_from(at).unwrap_or(0);
        self.list.push(Marker { at, length: 0, kind: MarkerKind::Transfer, side: Some(side), name: name.to_owned() });
    }

    /// The pause that was cut at `at` has left out `length` samples.
    pub fn close_cut(&mut self, at: i64, length: i64) {
        let place = u64::try_from(at).unwrap_or(0);
        let open =
            |marker: &&mut Marker| marker.kind == MarkerKind::PauseCut && marker.at == place && marker.length == 0;
        if let Some(marker) = self.list.iter_mut().rev().find(open) {
            marker.length = length;
            self.amended.push(marker.clone());
        }
    }

    /// What was changed after it was set, told once.
    pub fn take_amended(&mut self) -> Vec<Marker> {
        std::mem::take(&mut self.amended)
    }

    /// Marks a gap, or makes the last gap of that side longer where they touch.
    pub fn gap(&mut self, from: i64, to: i64, side: Side) {
        let touching = self
            .list
            .iter_mut()
            .rev()
            .take(8)
            .find(|marker| marker.kind == MarkerKind::Gap && marker.side == Some(side) && end(marker) == from);
        match touching {
            Some(marker) => marker.length += to - from,
            None => self.add(MarkerKind::Gap, from, to - from, Some(side)),
        }
    }

    /// Samples came late into a place that was marked as a gap.
    pub fn fill(&mut self, from: i64, to: i64, side: Side) {
        let mut split = Vec::new();
        self.list.retain_mut(|marker| {
            if marker.kind != MarkerKind::Gap || marker.side != Some(side) {
                return true;
            }
            let (start, stop) = (start(marker), end(marker));
            if to <= start || stop <= from {
                return true;
            }
            if to < stop {
                split.push((to, stop));
            }
            marker.length = (from - start).max(0);
            marker.length > 0
        });
        for (from, to) in split {
            self.add(MarkerKind::Gap, from, to - from, Some(side));
        }
    }

    /// The key that is still down on `side` has lasted `length` samples by now.
    pub fn lengthen_key(&mut self, side: Side, length: i64) {
        let last = self
            .list
            .iter_mut()
            .rev()
            .find(|marker| marker.kind == MarkerKind::DigitBlanked && marker.side == Some(side));
        if let Some(marker) = last {
            marker.length = marker.length.max(length);
        }
    }

    /// All markers by position, cut to a recording of `samples`.
    pub fn sorted(&self, samples: u64) -> Vec<Marker> {
        let mut list: Vec<Marker> = self.list.iter().filter(|marker| marker.at <= samples).cloned().collect();
        list.sort_by_key(|marker| marker.at);
        list
    }

    /// The markers within one part of the file, with positions from the part's start.
    pub fn within(&self, from: u64, to: u64) -> Vec<Marker> {
        let inside = self.sorted(to).into_iter().filter(|marker| marker.at >= from);
        inside.map(|marker| Marker { at: marker.at - from, ..marker }).collect()
    }

    /// How many were set so far.
    pub const fn count(&self) -> usize {
        self.list.len()
    }

    /// The markers that were set after the first `count`.
    pub fn since(&self, count: usize) -> &[Marker] {
        self.list.get(count..).unwrap_or(&[])
    }

    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

fn start(marker: &Marker) -> i64 {
    i64::try_from(marker.at).unwrap_or(i64::MAX)
}

fn end(marker: &Marker) -> i64 {
    start(marker) + marker.length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(markers: &Markers) -> Vec<(u64, i64)> {
        markers.sorted(u64::MAX).iter().map(|marker| (marker.at, marker.length)).collect()
    }

    #[test]
    fn touching_gaps_are_one_and_filled_ones_shrink() {
        let mut markers = Markers::default();
        markers.gap(100, 260, Side::Caller);
        markers.gap(260, 420, Side::Caller);
        assert_eq!(gaps(&markers), [(100, 320)]);
        markers.fill(180, 260, Side::Caller);
        assert_eq!(gaps(&markers), [(100, 80), (260, 160)]);
        markers.fill(0, 1_000, Side::Callee);
        assert_eq!(gaps(&markers), [(100, 80), (260, 160)]);
        markers.fill(0, 1_000, Side::Caller);
        assert!(gaps(&markers).is_empty());
    }
}
