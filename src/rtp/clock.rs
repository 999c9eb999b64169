//! Counters that wrap, and the sender's clock as seen from here.

use crate::base::{Rate, Span, Time};

/// Extends a 16-bit sequence number (RFC 3550 §A.1) to 64 bits by the nearest value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrap16 {
    last: Option<i64>,
}

impl Unwrap16 {
    /// The extended number of `value`; later values may be lower (reordering).
    pub fn extend(&mut self, value: u16) -> i64 {
        let extended = self.peek(value);
        self.last = Some(self.last.map_or(extended, |last| last.max(extended)));
        extended
    }

    /// What `value` would be, without remembering it.
    pub fn peek(&self, value: u16) -> i64 {
        match self.last {
            None => i64::from(value),
            Some(last) => last + i64::from(value.wrapping_sub(last as u16) as i16),
        }
    }
}

/// Extends a 32-bit RTP timestamp to 64 bits by the nearest value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrap32 {
    last: Option<i64>,
}

impl Unwrap32 {
    pub fn extend(&mut self, value: u32) -> i64 {
        let extended = self.peek(value);
        self.last = Some(extended);
        extended
    }

    /// What `value` would be, without remembering it.
    pub fn peek(&self, value: u32) -> i64 {
        match self.last {
            None => i64::from(value),
            Some(last) => last + i64::from(value.wrapping_sub(last as u32) as i32),
        }
    }
}

/// How long a window of [`RtpClock`] lasts: long enough to see past a burst of jitter.
const WINDOW: Span = Span::from_secs(2);

/// Where the sender's RTP clock stands now, from the packets that came fastest.
#[derive(Clone, Copy, Debug)]
pub struct RtpClock {
    rate: Rate,
    /// Highest (timestamp − arrival in ticks) of this window and of the one before.
    best: Option<(i64, i64)>,
    window_ends: Time,
}

impl RtpClock {
    pub const fn new(rate: Rate) -> Self {
        RtpClock { rate, best: None, window_ends: Time::ZERO }
    }

    /// A packet with the extended timestamp `ts` arrived at `now`.
    pub fn observe(&mut self, ts: i64, now: Time) {
        let offset = ts - self.ticks(now);
        let (current, previous) = match self.best {
            None => {
                self.window_ends = now + WINDOW;
                (offset, offset)
            }
            Some((current, _)) if now >= self.window_ends => {
                self.window_ends = now + WINDOW;
                (offset, current)
            }
            Some((current, previous)) => (current.max(offset), previous),
        };
        self.best = Some((current, previous));
    }

    /// The extended timestamp that the sender's clock shows at `now`.
    pub fn at(&self, now: Time) -> Option<i64> {
        self.best.map(|(current, previous)| current.max(previous) + self.ticks(now))
    }

    fn ticks(&self, now: Time) -> i64 {
        i64::try_from(self.rate.samples(now.since(Time::ZERO)).0).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_extend_over_the_wrap_and_back() {
        let mut seq = Unwrap16::default();
        assert_eq!(seq.extend(65_534), 65_534);
        assert_eq!(seq.extend(1), 65_537);
        assert_eq!(seq.extend(65_535), 65_535, "a late packet of before the wrap");
        assert_eq!(seq.extend(2), 65_538);
    }

    #[test]
    fn timestamps_extend_over_the_wrap() {
        let mut ts = Unwrap32::default();
        assert_eq!(ts.extend(u32::MAX - 79), i64::from(u32::MAX) - 79);
        assert_eq!(ts.extend(80), i64::from(u32::MAX) + 81);
    }

    #[test]
    fn the_clock_follows_the_fastest_packets() {
        let mut clock = RtpClock::new(Rate::NARROW);
        assert_eq!(clock.at(Time(0)), None);
        // 20 ms packets; every other one is 15 ms late.
        for n in 0..100u64 {
            let late = if n % 2 == 1 { 15_000 } else { 0 };
            clock.observe(1_000 + 160 * n as i64, Time(20_000 * n + late));
        }
        assert_eq!(clock.at(Time(2_000_000)), Some(1_000 + 16_000));
    }
}
