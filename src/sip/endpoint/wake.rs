//! When which transaction has to be looked at.

use crate::base::Time;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Server(u64),
    Client(u64),
}

/// At most one wake-up a transaction, in order of time.
#[derive(Debug, Default)]
pub(super) struct Wakes(BTreeSet<(Time, Slot)>);

impl Wakes {
    /// Moves the wake-up of `slot` from `old` to `new`; the caller keeps `new` as the next `old`.
    pub(super) fn move_to(&mut self, slot: Slot, old: Option<Time>, new: Option<Time>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.0.remove(&(old, slot));
        }
        if let Some(new) = new {
            self.0.insert((new, slot));
        }
    }

    pub(super) fn first(&self) -> Option<Time> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes the earliest that is due.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Slot> {
        self.first().filter(|at| *at <= now)?;
        self.0.pop_first().map(|(_, slot)| slot)
    }
}
