//! How far the sender's clock has moved against ours, from the packets that came fastest.

use crate::base::{Span, Time};

/// Length of one bucket of the estimate.
const BUCKET: Span = Span::from_secs(1);
/// Buckets that the lower envelope spans.
const BUCKETS: usize = 4;
/// From this error on (5 ms at 8 kHz) a correction waits for silence.
pub const CORRECT: i64 = 40;
/// From this error on (6 ms) it is made at once: the estimate lags by up to 4 s, in which a clock
/// that is wrong by 600 ppm moves by 2.4 ms more, and 10 ms are never to be reached.
pub const FORCE: i64 = 48;

/// The lower envelope of (arrival − position), in samples, over the last few seconds.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    filling: Option<(Time, i64)>,
    full: [Option<i64>; BUCKETS],
    next: usize,
    error: i64,
}

impl Envelope {
    /// A packet arrived `lateness` samples after its place in the file.
    pub fn observe(&mut self, lateness: i64, now: Time) {
        match &mut self.filling {
            Some((since, least)) if now.since(*since) < BUCKET => *least = (*least).min(lateness),
            filling => {
                let full = filling.replace((now, lateness));
                if let Some((_, least)) = full {
                    self.rotate(least);
                }
            }
        }
    }

    fn rotate(&mut self, least: i64) {
        if let Some(slot) = self.full.get_mut(self.next) {
            *slot = Some(least);
        }
        self.next = (self.next + 1) % BUCKETS;
        let known = self.full.iter().flatten();
        self.error = match known.clone().count() == BUCKETS {
            true => known.min().copied().unwrap_or(0),
            false => 0,
        };
    }

    /// Samples by which the lane should move: positive, silence has to be put in.
    pub const fn error(&self) -> i64 {
        self.error
    }

    /// The lane was moved by `samples`.
    pub fn corrected(&mut self, samples: i64) {
        self.error -= samples;
        for least in self.full.iter_mut().flatten() {
            *least -= samples;
        }
        if let Some((_, least)) = &mut self.filling {
            *least -= samples;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_not_drift_and_drift_is_seen_through_jitter() {
        let mut envelope = Envelope::default();
        for n in 0..500u64 {
            let jitter = i64::try_from(n * 37 % 300).unwrap();
            envelope.observe(jitter, Time(n * 20_000));
        }
        assert!(envelope.error() < 10, "{}", envelope.error());
        for n in 500..1_000u64 {
            let jitter = i64::try_from(n * 37 % 300).unwrap();
            envelope.observe(jitter + 50, Time(n * 20_000));
        }
        assert!((50..60).contains(&envelope.error()), "{}", envelope.error());
        envelope.corrected(40);
        assert!((10..20).contains(&envelope.error()));
    }
}
