//! The calls that are up at the same moment of a capture, moved along its clock.

use super::call::{Call, Epoch};
use super::calls::CallKey;
use super::report::CallReport;
use crate::base::{Span, Time, Wall};
use crate::ledger::{EndReason, Outcome};
use std::collections::BTreeMap;
use std::io;

/// Held digits and tones are looked at this often.
const TICK: Span = Span::from_millis(5);
/// Ticks from one writing of old samples to the next, 250 ms.
const ADVANCE: u64 = 50;
/// Ticks of a second.
const SECOND: u64 = 200;
/// The clock begins here, so that nothing happens at zero.
const BEGIN: Time = Time(10_000_000);

/// The capture's clock: it never goes back, as time does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    first: Option<Wall>,
    now: Time,
    /// By how much it was turned back at most.
    pub back: Span,
}

impl Clock {
    /// The moment of a datagram.
    pub fn observe(&mut self, at: Wall) -> Time {
        let first = *self.first.get_or_insert(at);
        let since = at.unix_micros().saturating_sub(first.unix_micros());
        let moment = Time(BEGIN.0.saturating_add_signed(since));
        self.back = self.back.max(self.now.since(moment));
        self.now = self.now.max(moment);
        self.now
    }

    pub const fn now(&self) -> Time {
        self.now
    }

    /// What `Time::ZERO` is for people.
    pub fn epoch(&self) -> Epoch {
        let first = self.first.unwrap_or_default();
        Epoch(Wall::from_unix_micros(first.unix_micros().saturating_sub_unsigned(BEGIN.0)))
    }

    /// The moment of the first datagram.
    pub fn began(&self) -> Wall {
        self.first.unwrap_or_default()
    }

    /// From the first datagram to the last.
    pub fn length(&self) -> Span {
        self.now.since(BEGIN)
    }
}

/// A call and when something of it was last seen.
pub struct Live {
    pub call: Call,
    pub last_seen: Time,
    pub ended: Option<Time>,
    /// Known before, where the streams tell it.
    pub ends_at: Option<Time>,
}

/// All calls that are up or have just ended.
#[derive(Default)]
pub struct Stage {
    live: BTreeMap<CallKey, Live>,
    ticks: u64,
    next_tick: Time,
    done: Vec<CallReport>,
    most: usize,
}

impl Stage {
    pub fn add(&mut self, key: CallKey, call: Call, now: Time, ends_at: Option<Time>) {
        self.live.insert(key, Live { call, last_seen: now, ended: None, ends_at });
        self.most = self.most.max(self.live.len());
    }

    /// The call, which is seen now.
    pub fn get(&mut self, key: CallKey, now: Time) -> Option<&mut Live> {
        let live = self.live.get_mut(&key)?;
        live.last_seen = now;
        Some(live)
    }

    /// The call, without seeing anything of it.
    pub fn peek(&mut self, key: CallKey) -> Option<&mut Live> {
        self.live.get_mut(&key)
    }

    pub fn has(&self, key: CallKey) -> bool {
        self.live.contains_key(&key)
    }

    pub fn up(&self) -> usize {
        self.live.len()
    }

    pub fn done(&self) -> usize {
        self.done.len()
    }

    /// Lets time pass until `now`, but not further than to the end of a second, which is returned:
    /// calls may be outdated by then. `None`: it is `now`.
    pub fn run_until(&mut self, now: Time) -> Option<Time> {
        while self.next_tick <= now {
            if self.live.is_empty() {
                self.next_tick = now + TICK;
                return None;
            }
            let at = self.next_tick;
            self.ticks += 1;
            self.tick(at);
            self.next_tick = at + TICK;
            if self.ticks.is_multiple_of(SECOND) {
                return Some(at);
            }
        }
        None
    }

    fn tick(&mut self, at: Time) {
        let (advance, second) = (self.ticks.is_multiple_of(ADVANCE), self.ticks.is_multiple_of(SECOND));
        for live in self.live.values_mut() {
            live.call.tick(at);
            if advance {
                live.call.advance(at);
            }
            if second {
                live.call.every_second(at);
            }
            if live.ended.is_none()
                && let Some(end) = live.ends_at.filter(|end| *end <= at)
            {
                live.end(end);
            }
        }
    }

    /// The calls for which `outdated` says so, with the moment that each was last seen.
    pub fn outdated(&self, outdated: impl Fn(CallKey, &Live) -> bool) -> Vec<CallKey> {
        self.live.iter().filter(|(key, live)| outdated(**key, live)).map(|(key, _)| *key).collect()
    }

    pub fn keys(&self) -> Vec<CallKey> {
        self.live.keys().copied().collect()
    }

    /// Ends a call where it has not ended yet, finishes its files and keeps its report.
    pub fn close(&mut self, key: CallKey, at: Time, outcome: Outcome, reason: Option<EndReason>) -> io::Result<()> {
        let Some(mut live) = self.live.remove(&key) else { return Ok(()) };
        live.end(at);
        let ended = live.ended.unwrap_or(at);
        self.done.push(live.call.report(outcome, reason, ended)?);
        Ok(())
    }

    /// Reports in the order in which the calls began.
    pub fn finish(mut self) -> Vec<CallReport> {
        self.done.sort_by_key(|report| report.started);
        self.done
    }
}

impl Live {
    pub fn end(&mut self, at: Time) {
        if self.ended.is_none() {
            self.call.end(at);
            self.ended = Some(at);
        }
    }
}
