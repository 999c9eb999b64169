//! The gate on the tap of one leg: no sample of a shut stretch passes.
//!
//! ```text
//! Open ─shut at RTP timestamp S─► Shut ─open at R─► Open
//! ```
//! While it is shut nothing passes, however old. Once it is open again a packet passes only with
//! the samples that do not belong to a stretch [S, R). All timestamps are extended (64 bits).

use std::ops::Range;

/// How many shut stretches back a late packet is still refused.
const REMEMBERED: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Since this timestamp; `None` where the leg has sent nothing yet.
    Shut {
        since: Option<i64>,
    },
}

/// Whether a leg's samples pass to the recording.
#[derive(Clone, Debug)]
pub struct Gate {
    state: State,
    /// The stream (SSRC) that the stretches are counted in.
    ssrc: Option<u32>,
    stretches: [Option<(i64, i64)>; REMEMBERED],
    next: usize,
}

/// The part of a packet that may pass: sample offsets into it.
pub type Passed = Range<usize>;

impl Gate {
    pub const fn new(open: bool) -> Self {
        Gate {
            state: if open { State::Open } else { State::Shut { since: None } },
            ssrc: None,
            stretches: [None; REMEMBERED],
            next: 0,
        }
    }

    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Shuts the gate at the stream's timestamp `at`; `None` where the leg has sent nothing yet.
    pub fn shut(&mut self, at: Option<i64>) {
        if self.is_open() {
            self.state = State::Shut { since: at };
        }
    }

    /// Opens the gate at `at`.
    pub fn open(&mut self, at: Option<i64>) {
        let State::Shut { since } = self.state else {
            return;
        };
        self.state = State::Open;
        if let Some(until) = at {
            if let Some(slot) = self.stretches.get_mut(self.next) {
                *slot = Some((since.unwrap_or(i64::MIN), until));
            }
            self.next = (self.next + 1) % REMEMBERED;
        }
    }

    /// A new stream has its own clock: stretches of the old one say nothing about it.
    pub fn new_stream(&mut self, ssrc: u32) {
        if self.ssrc.replace(ssrc) == Some(ssrc) {
            return;
        }
        self.stretches = [None; REMEMBERED];
        if let State::Shut { since } = &mut self.state {
            *since = None;
        }
    }

    /// Which samples of a packet that begins at `ts` and has `count` samples may pass.
    /// A packet with a hole in its middle passes only with what comes after the hole.
    pub fn pass(&self, ts: i64, count: usize) -> Option<Passed> {
        if !self.is_open() {
            return None;
        }
        let end = ts + i64::try_from(count).unwrap_or(0);
        let (mut from, mut to) = (ts, end);
        for (shut, open) in self.stretches.iter().flatten() {
            if *shut <= from && from < *open {
                from = *open;
            } else if from < *shut && *shut < to {
                match *open < to {
                    true => from = *open,
                    false => to = *shut,
                }
            }
        }
        (from < to).then(|| {
            let offset = |at: i64| usize::try_from(at - ts).unwrap_or(0);
            offset(from)..offset(to)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_while_the_gate_is_shut_however_old() {
        let mut gate = Gate::new(true);
        gate.shut(Some(1_000));
        assert_eq!(gate.pass(2_000, 160), None);
        assert_eq!(gate.pass(0, 160), None);
    }

    #[test]
    fn after_reopening_only_what_lies_outside_the_shut_stretch_passes() {
        let mut gate = Gate::new(true);
        gate.shut(Some(1_000));
        gate.open(Some(2_000));
        let rows = [
            ("well before", 800, Some(0..160)),
            ("ends where it was shut", 840, Some(0..160)),
            ("runs into the stretch", 920, Some(0..80)),
            ("inside", 1_000, None),
            ("inside, at its end", 1_840, None),
            ("runs out of the stretch", 1_920, Some(80..160)),
            ("after", 2_000, Some(0..160)),
        ];
        for (name, ts, expected) in rows {
            assert_eq!(gate.pass(ts, 160), expected, "{name}");
        }
    }

    #[test]
    fn a_gate_shut_from_the_start_refuses_all_that_came_before_it_opened() {
        let mut gate = Gate::new(false);
        gate.open(Some(500));
        assert_eq!(gate.pass(100, 160), None);
        assert_eq!(gate.pass(500, 160), Some(0..160));
    }

    #[test]
    fn a_new_stream_is_not_measured_by_the_old_clock() {
        let mut gate = Gate::new(true);
        gate.new_stream(1);
        gate.shut(Some(1_000));
        gate.open(Some(90_000));
        gate.new_stream(2);
        assert_eq!(gate.pass(2_000, 160), Some(0..160));
    }

    #[test]
    fn shutting_twice_keeps_the_first_edge() {
        let mut gate = Gate::new(true);
        gate.shut(Some(1_000));
        gate.shut(Some(1_500));
        gate.open(Some(2_000));
        assert_eq!(gate.pass(1_100, 160), None);
    }
}
