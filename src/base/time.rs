//! `Time` for intervals, `Wall` for people and files. Only the shell reads a clock.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use utoipa::ToSchema;

/// A moment on the monotonic clock, in µs since the service (or the capture) started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(pub u64);

/// A length of time, in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Span {
    pub const ZERO: Span = Span(0);

    pub const fn from_millis(millis: u64) -> Self {
        Span(millis * 1_000)
    }

    pub const fn from_secs(secs: u64) -> Self {
        Span(secs * 1_000_000)
    }

    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    pub const fn times(self, factor: u64) -> Self {
        Span(self.0 * factor)
    }
}

impl From<Span> for std::time::Duration {
    fn from(span: Span) -> Self {
        std::time::Duration::from_micros(span.0)
    }
}

impl Time {
    pub const ZERO: Time = Time(0);

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

/// Seconds from 1900 to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// A moment of the calendar, in µs since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Wall(i64);

impl Wall {
    pub const fn from_unix_micros(micros: i64) -> Self {
        Wall(micros)
    }

    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// As an NTP timestamp (RFC 3550 §4): 32.32 bits of seconds; a moment before 1970 as 1970.
    pub fn ntp(self) -> u64 {
        let micros = u64::try_from(self.0).unwrap_or(0);
        let seconds = micros / 1_000_000 + NTP_EPOCH;
        let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
        (seconds << 32) | fraction
    }

    /// This moment, `span` later.
    pub fn plus(self, span: Span) -> Self {
        Wall(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }

    /// This moment, `span` earlier.
    pub fn minus(self, span: Span) -> Self {
        Wall(self.0.saturating_sub(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Wall {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_time_prints_as_rfc_3339_in_utc() {
        let wall = Wall::from_unix_micros(1_700_000_000_123_456);
        assert_eq!(wall.to_string(), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn an_ntp_timestamp_counts_from_1900_in_fractions_of_a_second() {
        assert_eq!(Wall::from_unix_micros(500_000).ntp(), (2_208_988_800 << 32) | (1 << 31));
        assert_eq!(Wall::from_unix_micros(-1).ntp(), 2_208_988_800 << 32);
    }

    #[test]
    fn time_before_zero_does_not_wrap() {
        assert_eq!(Time(5) - Span(9), Time::ZERO);
        assert_eq!(Time(5).since(Time(9)), Span::ZERO);
    }
}
