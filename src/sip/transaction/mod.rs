//! The four transaction machines (RFC 3261 §17, RFC 6026), pure: they hold printed messages, are
//! told of events and the time, and say what to send and what happened.

mod client;
mod server;

pub use client::{ClientStep, InviteClient, NonInviteClient};
pub use server::{InviteServer, NonInviteServer, ServerStep};

use crate::base::{Span, Time};
use bytes::Bytes;

/// The base intervals (RFC 3261 §17.1.1.1) that Timers A to K are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Round-trip estimate.
    pub t1: Span,
    /// Longest interval between retransmissions of a non-INVITE request or an INVITE response.
    pub t2: Span,
    /// Longest time that a message stays in the network.
    pub t4: Span,
    /// How long the user may be silent before the endpoint sends 100 for it (§17.2.1).
    pub trying: Span,
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            t1: Span::from_millis(500),
            t2: Span::from_secs(4),
            t4: Span::from_secs(5),
            trying: Span::from_millis(200),
        }
    }
}

impl Timers {
    /// Timers B, F, H, J, L, M, and D, which has to last at least 32 s on UDP.
    pub const fn give_up(&self) -> Span {
        self.t1.times(64)
    }

    /// Timers I and K, and D, J: zero where the transport does not duplicate.
    const fn linger(span: Span, reliable: bool) -> Span {
        if reliable { Span::ZERO } else { span }
    }
}

/// A message that goes out again until something stops it.
#[derive(Clone, Debug)]
struct Resend {
    at: Time,
    interval: Span,
}

impl Resend {
    fn first(now: Time, interval: Span) -> Self {
        Resend { at: now + interval, interval }
    }

    /// `None` on reliable transports.
    fn unreliable(now: Time, interval: Span, reliable: bool) -> Option<Self> {
        (!reliable).then(|| Resend::first(now, interval))
    }

    /// The next one, twice as late, at most `cap`.
    fn doubled(&self, now: Time, cap: Option<Span>) -> Self {
        let doubled = self.interval.times(2);
        let interval = cap.map_or(doubled, |cap| doubled.min(cap));
        Resend::first(now, interval)
    }
}

fn earliest(resend: Option<&Resend>, ends_at: Time) -> Option<Time> {
    Some(resend.map_or(ends_at, |resend| resend.at.min(ends_at)))
}

fn due(resend: Option<&Resend>, now: Time) -> bool {
    resend.is_some_and(|resend| resend.at <= now)
}

/// Bytes to send, a handle on shared memory.
type Wire = Bytes;

#[cfg(test)]
mod tests;
