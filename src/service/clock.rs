//! The two clocks. Only the shell reads them.

use crate::base::{Span, Time, Wall};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock since the start, and the calendar beside it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
    pub fn start() -> Self {
        Clock { origin: Instant::now() }
    }

    /// One that was started so long ago.
    #[cfg(test)]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
    pub fn started(ago: Duration) -> Self {
        Clock { origin: Instant::now().checked_sub(ago).unwrap() }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
    pub fn now(&self) -> Time {
        let elapsed = Instant::now().saturating_duration_since(self.origin);
        Time(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the calendar")]
    pub fn wall(&self) -> Wall {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Wall::from_unix_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// The calendar moment of a moment of the monotonic clock, by the calendar as it stands now.
    pub fn wall_of(&self, at: Time) -> Wall {
        let signed = |time: Time| i64::try_from(time.0).unwrap_or(i64::MAX);
        let ago = signed(self.now()).saturating_sub(signed(at));
        Wall::from_unix_micros(self.wall().unix_micros().saturating_sub(ago))
    }

    /// The calendar as an NTP timestamp (RFC 3550 §4): 32.32 bits of seconds.
    pub fn ntp(&self) -> u64 {
        self.wall().ntp()
    }

    /// How long until `at`, from now.
    pub fn until(&self, at: Time) -> Duration {
        let left: Span = at.since(self.now());
        left.into()
    }
}

/// The operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl crate::base::Random for OsRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // Without randomness nothing here is safe: tags, nonces and SSRCs would be guessable.
            tracing::error!(%error, "no randomness from the operating system");
            std::process::abort();
        }
    }
}
