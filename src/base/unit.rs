//! Units of audio and the two small enums that everything is keyed by.

use super::Span;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// A position or length in samples of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Samples(pub u64);

/// Samples per second of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(pub u32);

impl Rate {
    /// Narrowband: the rate of G.711 and of its recordings.
    pub const NARROW: Rate = Rate(8_000);
    /// Wideband: that of G.722.
    pub const WIDE: Rate = Rate(16_000);
    /// The whole band, and the RTP clock of Opus.
    pub const FULL: Rate = Rate(48_000);

    /// How many samples `span` holds, rounded down.
    pub fn samples(self, span: Span) -> Samples {
        let exact = u128::from(span.0) * u128::from(self.0) / 1_000_000;
        Samples(u64::try_from(exact).unwrap_or(u64::MAX))
    }

    /// How long `samples` last, rounded down to the µs.
    pub fn span(self, samples: Samples) -> Span {
        let exact = u128::from(samples.0) * 1_000_000 / u128::from(self.0.max(1));
        Span(u64::try_from(exact).unwrap_or(u64::MAX))
    }
}

/// Which party of a call. The caller is the left channel of its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Caller,
    Callee,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Caller, Side::Callee];

    pub const fn other(self) -> Side {
        match self {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        }
    }

    /// 0 for the caller, 1 for the callee: the channel of the recording.
    pub const fn channel(self) -> usize {
        match self {
            Side::Caller => 0,
            Side::Callee => 1,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Caller => "caller",
            Side::Callee => "callee",
        })
    }
}

/// Where a call comes from and goes to; it decides which company toggle speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Through a trunk, to one of the company's numbers.
    Inbound,
    /// Placed by a user, leaves through a trunk.
    Outbound,
    /// Between users of one company.
    Internal,
}

impl Direction {
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Internal => "internal",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Direction::Inbound, Direction::Outbound, Direction::Internal]
            .into_iter()
            .find(|direction| direction.as_str() == text)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_spans_convert_both_ways() {
        assert_eq!(Rate::NARROW.samples(Span::from_millis(20)), Samples(160));
        assert_eq!(Rate::NARROW.span(Samples(160)), Span::from_millis(20));
    }
}
