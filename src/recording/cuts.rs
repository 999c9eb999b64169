//! Stretches of the call that are left out of the file, and where in the file the rest stands.

/// What is left out, in samples from the start of the recording.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    /// From, to; in order.
    done: Vec<(i64, i64)>,
    /// Since here everything is left out.
    open: Option<i64>,
}

impl Cuts {
    /// From here on everything is left out.
    pub fn begin(&mut self, at: i64) {
        self.open.get_or_insert(at);
    }

    /// Until here everything was left out: from where, and how much.
    pub fn end(&mut self, at: i64) -> Option<(i64, i64)> {
        let from = self.open.take()?;
        let to = at.max(from);
        // One of no length could stand behind the next one, which begins where the voices end then.
        if to > from {
            self.done.push((from, to));
        }
        Some((from, to - from))
    }

    fn all(&self) -> impl Iterator<Item = (i64, i64)> {
        self.done.iter().copied().chain(self.open.map(|from| (from, i64::MAX)))
    }

    /// Where in the file a moment stands; one that is left out, where the cut is.
    pub fn in_file(&self, at: i64) -> i64 {
        let before = self.all().take_while(|(from, _)| *from < at);
        at - before.map(|(from, to)| to.min(at) - from).sum::<i64>()
    }

    /// The moment that stands at a place of the file; of a cut, the first one behind it.
    pub fn moment(&self, in_file: i64) -> i64 {
        let mut at = in_file;
        for (from, to) in &self.done {
            if *from <= at {
                at += to - from;
            }
        }
        at
    }

    /// What of `[from, to)` is not left out.
    pub fn kept(&self, from: i64, to: i64) -> Vec<(i64, i64)> {
        let mut kept = Vec::new();
        let mut at = from;
        for (cut, until) in self.all() {
            if at < cut {
                kept.push((at, to.min(cut)));
            }
            at = at.max(until);
            if at >= to {
                break;
            }
        }
        kept.push((at, to));
        kept.retain(|(from, to)| from < to);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_cut_moves_up_to_it() {
        let mut cuts = Cuts::default();
        assert_eq!((cuts.in_file(500), cuts.moment(500), cuts.kept(0, 500)), (500, 500, vec![(0, 500)]));
        cuts.begin(100);
        assert_eq!((cuts.in_file(99), cuts.in_file(100), cuts.in_file(900)), (99, 100, 100));
        assert_eq!(cuts.kept(50, 900), [(50, 100)]);
        assert_eq!(cuts.end(300), Some((100, 200)));
        assert_eq!(cuts.end(400), None, "nothing was cut");
        cuts.begin(950);
        assert_eq!(cuts.end(900), Some((950, 0)), "over before it began");
        cuts.begin(1_000);
        cuts.end(1_500);
        let rows = [(0, 0), (100, 100), (250, 100), (300, 100), (301, 101), (1_000, 800), (1_499, 800), (1_600, 900)];
        for (at, place) in rows {
            assert_eq!(cuts.in_file(at), place, "{at}");
        }
        for (place, at) in [(0, 0), (99, 99), (100, 300), (799, 999), (800, 1_500), (900, 1_600)] {
            assert_eq!(cuts.moment(place), at, "{place}");
        }
        assert_eq!(cuts.kept(0, 2_000), [(0, 100), (300, 1_000), (1_500, 2_000)]);
        assert_eq!(cuts.kept(150, 250), []);
        assert_eq!(cuts.kept(250, 400), [(300, 400)]);
    }
}
