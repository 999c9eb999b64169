//! The receiving half of a leg: who may send to it, what has come, what was lost.

use super::LegMedia;
use crate::base::{Rate, Time};
use crate::rtp::rtcp::Received;
use crate::rtp::{RtpClock, Unwrap16, Unwrap32, View};
use std::net::SocketAddr;

/// What was counted on a leg. All are packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub received: u64,
    /// Missing sequence numbers, less those that came late after all.
    pub lost: u64,
    /// Came after a packet with a higher sequence number.
    pub late: u64,
    pub duplicates: u64,
    /// From an address that the leg does not listen to.
    pub strangers: u64,
    /// Not RTP, or not RTCP.
    pub malformed: u64,
    /// With a payload type that was not negotiated.
    pub unknown_payload: u64,
    /// SRTP or SRTCP whose tag is wrong: dropped, and never a reason to latch.
    pub unauthentic: u64,
    pub sent: u64,
    /// Did not fit into the recorder's queue.
    pub tap_overflow: u64,
}

/// Whom a leg listens to (the latch): the SDP's address, or the signalling source's IP with a
/// negotiated payload type; then that address alone until signalling changes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latch {
    to: Option<SocketAddr>,
}

impl Latch {
    /// Whether `from` cannot be the leg's party, whatever it sends.
    pub fn excludes(&self, from: SocketAddr, media: &LegMedia) -> bool {
        match self.to {
            Some(latched) => latched != from,
            None => from != media.remote && from.ip() != media.signalling_ip,
        }
    }

    pub fn accepts(&mut self, from: SocketAddr, media: &LegMedia, negotiated: bool) -> bool {
        if let Some(latched) = self.to {
            return latched == from;
        }
        let trusted = from == media.remote || (negotiated && from.ip() == media.signalling_ip);
        if trusted {
            self.to = Some(from);
        }
        trusted
    }

    /// Where packets of the leg come from, once one has come.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.to
    }
}

/// How a packet stands among those that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The first packet of a new stream (SSRC).
    NewStream,
    InOrder,
    Late,
    Duplicate,
}

/// A packet with its counters extended.
#[derive(Clone, Copy, Debug)]
pub struct Extended {
    pub place: Place,
    pub sequence: i64,
    pub timestamp: i64,
}

/// The statistics of the stream that a leg sends to us (RFC 3550 §A.3, §A.8).
#[derive(Clone, Debug)]
pub struct Receiver {
    ssrc: Option<u32>,
    sequence: Unwrap16,
    timestamp: Unwrap32,
    highest: i64,
    /// Bit n: the packet with sequence `highest − n` has come.
    window: u64,
    first: i64,
    received: u64,
    /// Of the packets that came last: codings have their own.
    rate: Rate,
    clock: RtpClock,
    /// RFC 3550 §6.4.1, in 1/16 ticks.
    jitter: i64,
    last_transit: Option<i64>,
    reported: (i64, u64),
    last_sr: Option<(u32, Time)>,
    pub counters: Counters,
}

impl Default for Receiver {
    fn default() -> Self {
        Receiver {
            ssrc: None,
            sequence: Unwrap16::default(),
            timestamp: Unwrap32::default(),
            highest: 0,
            window: 0,
            first: 0,
            received: 0,
            rate: Rate::NARROW,
            clock: RtpClock::new(Rate::NARROW),
            jitter: 0,
            last_transit: None,
            reported: (0, 0),
            last_sr: None,
            counters: Counters::default(),
        }
    }
}

impl Receiver {
    /// Takes note of a packet whose timestamp counts at `rate`; `None`: it is not the audio's.
    pub fn note(&mut self, view: &View, rate: Option<Rate>, now: Time) -> Extended {
        self.counters.received += 1;
        if let Some(rate) = rate.filter(|rate| *rate != self.rate) {
            self.rate = rate;
            self.clock = RtpClock::new(rate);
            self.last_transit = None;
        }
        if self.ssrc != Some(view.ssrc) {
            self.restart(view);
            self.clock.observe(self.timestamp.extend(view.timestamp), now);
            return Extended { place: Place::NewStream, sequence: self.highest, timestamp: i64::from(view.timestamp) };
        }
        let sequence = self.sequence.extend(view.sequence);
        let place = self.place(sequence);
        let timestamp = match place {
            Place::InOrder | Place::NewStream => self.timestamp.extend(view.timestamp),
            Place::Late | Place::Duplicate => self.timestamp.peek(view.timestamp),
        };
        if place == Place::InOrder && rate.is_some() {
            self.clock.observe(timestamp, now);
            self.note_jitter(timestamp, now);
        }
        Extended { place, sequence, timestamp }
    }

    fn restart(&mut self, view: &View) {
        let (counters, last_sr, rate) = (self.counters, self.last_sr, self.rate);
        let clock = RtpClock::new(rate);
        *self = Receiver {
            counters,
            last_sr,
            rate,
            clock,
            ssrc: Some(view.ssrc),
            window: 1,
            received: 1,
            ..Receiver::default()
        };
        self.highest = self.sequence.extend(view.sequence);
        self.first = self.highest;
        self.reported = (self.first - 1, 0);
    }

    fn place(&mut self, sequence: i64) -> Place {
        let ahead = sequence - self.highest;
        if ahead > 0 {
            self.counters.lost += u64::try_from(ahead - 1).unwrap_or(0);
            self.window = u32::try_from(ahead).ok().and_then(|by| self.window.checked_shl(by)).unwrap_or(0) | 1;
            self.highest = sequence;
            self.received += 1;
            return Place::InOrder;
        }
        let bit = u32::try_from(-ahead).ok().and_then(|back| 1u64.checked_shl(back)).unwrap_or(0);
        if bit == 0 || self.window & bit != 0 {
            self.counters.duplicates += 1;
            return Place::Duplicate;
        }
        self.window |= bit;
        self.received += 1;
        self.counters.late += 1;
        self.counters.lost = self.counters.lost.saturating_sub(1);
        Place::Late
    }

    fn note_jitter(&mut self, timestamp: i64, now: Time) {
        let arrival = i64::try_from(self.rate.samples(now.since(Time::ZERO)).0).unwrap_or(i64::MAX);
        let transit = arrival - timestamp;
        if let Some(last) = self.last_transit {
            let change = (transit - last).abs().min(1 << 24);
            self.jitter += change - ((self.jitter + 8) >> 4);
        }
        self.last_transit = Some(transit);
    }

    /// The extended timestamp that a raw one of this stream stands for.
    pub fn extend(&self, timestamp: u32) -> i64 {
        self.timestamp.peek(timestamp)
    }

    /// Where the stream's clock stands now.
    pub fn clock_at(&self, now: Time) -> Option<i64> {
        self.clock.at(now)
    }

    /// Interarrival jitter (RFC 3550 §6.4.1), in ticks of the stream's RTP clock.
    pub fn jitter(&self) -> u32 {
        u32::try_from(self.jitter >> 4).unwrap_or(0)
    }

    /// The clock of its audio.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    pub const fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// A sender report came; `ntp` is the middle of its NTP timestamp.
    pub fn note_sender_report(&mut self, ntp: u32, now: Time) {
        self.last_sr = Some((ntp, now));
    }

    /// The reception report on this stream, and the start of the next interval.
    pub fn report(&mut self, now: Time) -> Option<Received> {
        let ssrc = self.ssrc?;
        let expected = self.highest - self.first + 1;
        let lost = expected - i64::try_from(self.received).unwrap_or(i64::MAX);
        let (before, received_before) = self.reported;
        let expected_now = self.highest - before;
        let received_now = i64::try_from(self.received - received_before).unwrap_or(0);
        let lost_now = (expected_now - received_now).max(0);
        self.reported = (self.highest, self.received);
        let fraction = if expected_now > 0 { (lost_now * 256 / expected_now).min(255) } else { 0 };
        let (last_sr, delay) = match self.last_sr {
            Some((ntp, at)) => (ntp, now.since(at).0 * 65_536 / 1_000_000),
            None => (0, 0),
        };
        Some(Received {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(255),
            lost: u32::try_from(lost.max(0)).unwrap_or(u32::MAX),
            highest_sequence: self.highest as u32,
            jitter: self.jitter(),
            last_sr,
            delay: u32::try_from(delay).unwrap_or(u32::MAX),
        })
    }
}
