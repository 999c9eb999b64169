//! The two RTP streams of a call and their reports.

use super::config::Voice;
use super::heard::Heard;
use super::phone::Counters;
use super::receiver::Receiver;
use super::secret::Secret;
use super::sender::Sender;
use crate::base::{Random, Span, Time};
use crate::rtp::rtcp::{self, Sent};
use crate::sdp::Negotiated;
use crate::sip::token;
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Between two reports (RFC 3550 §6.2: the recommended minimum).
const REPORT_INTERVAL: Span = Span::from_secs(5);
/// Ticks that came too late by more than this are not made up for: the machine slept.
const LATE: Span = Span::from_secs(10);

/// Packets on their way out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) rtp: VecDeque<(SocketAddr, Bytes)>,
    pub(super) rtcp: VecDeque<(SocketAddr, Bytes)>,
}

/// Media of a call, from the first answer of any kind on.
#[derive(Debug)]
pub(super) struct Media {
    negotiated: Negotiated,
    receiver: Receiver,
    /// From the final answer on.
    sender: Option<Sender>,
    report_at: Time,
    cname: String,
    /// We hold: silence goes out.
    pub(super) muted: bool,
    /// Where SRTP was agreed.
    secret: Option<Box<Secret>>,
}

impl Media {
    /// Before the final answer a phone only listens.
    pub(super) fn early(negotiated: Negotiated, now: Time, random: &mut dyn Random) -> Self {
        let secret = Secret::follow(None, negotiated.keys.as_ref());
        Media {
            negotiated,
            secret,
            receiver: Receiver::default(),
            sender: None,
            report_at: now + REPORT_INTERVAL,
            cname: token(random, 8),
            muted: false,
        }
    }

    /// The call is answered: it speaks from now on.
    pub(super) fn begin(&mut self, ptime_ms: u16, now: Time, random: &mut dyn Random) {
        if self.sender.is_none() {
            self.sender = Some(Sender::new(ptime_ms, now, random));
        }
    }

    /// A further exchange was agreed; the streams go on.
    pub(super) fn renegotiate(&mut self, negotiated: Negotiated) {
        self.secret = Secret::follow(self.secret.take(), negotiated.keys.as_ref());
        self.negotiated = negotiated;
    }

    /// A packet as the far side wants it; `None` where it cannot be protected.
    pub(super) fn sealed(&mut self, packet: Bytes) -> Option<Bytes> {
        match &mut self.secret {
            Some(secret) => secret.protect(&packet),
            None => Some(packet),
        }
    }

    pub(super) fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    pub(super) fn press(&mut self, keys: &[u8]) {
        if let Some(sender) = &mut self.sender {
            sender.keypad.press(keys);
        }
    }

    pub(super) fn keys_are_sent(&self) -> bool {
        self.sender.as_ref().is_none_or(|sender| sender.keypad.is_idle())
    }

    /// The key that went down with this packet, if one did.
    pub(super) fn rtp(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        heard: &mut Heard,
        counters: &mut Counters,
        now: Time,
    ) -> Option<u8> {
        if from != self.negotiated.remote {
            counters.strangers += 1;
            return None;
        }
        let opened = match &mut self.secret {
            Some(secret) => secret.open(bytes).map(Cow::Owned),
            None => Some(Cow::Borrowed(bytes)),
        };
        let read = opened.map(|bytes| self.receiver.packet(&bytes, &self.negotiated, heard, now));
        match read {
            Some(Ok(key)) => key,
            Some(Err(_)) | None => {
                counters.malformed += 1;
                None
            }
        }
    }

    pub(super) fn rtcp(&mut self, bytes: &[u8], counters: &mut Counters, now: Time) {
        let opened = match &mut self.secret {
            Some(secret) => secret.open_rtcp(bytes).map(Cow::Owned),
            None => Some(Cow::Borrowed(bytes)),
        };
        match opened.and_then(|bytes| rtcp::read(&bytes)) {
            None => counters.malformed += 1,
            Some(heard) => {
                counters.reports_received += 1;
                if let Some(middle) = heard.sender_report {
                    self.receiver.sender_report(middle, now);
                }
            }
        }
    }

    pub(super) fn totals(&self) -> (u64, u64) {
        self.receiver.totals()
    }

    pub(super) fn next_timeout(&self) -> Time {
        self.sender.as_ref().map_or(self.report_at, |sender| sender.due().min(self.report_at))
    }

    /// Sends every packet that is due.
    pub(super) fn handle_timeout(&mut self, now: Time, voice: &Voice, out: &mut Outbox, counters: &mut Counters) {
        if let Some(sender) = &mut self.sender {
            while sender.due() <= now {
                let late = now.since(sender.due()) > LATE;
                let packet = sender.tick(&self.negotiated, voice, self.muted).filter(|_| !late);
                let sealed = match &mut self.secret {
                    Some(secret) => packet.and_then(|packet| secret.protect(&packet)),
                    None => packet,
                };
                if let Some(packet) = sealed {
                    counters.sent += 1;
                    out.rtp.push_back((self.negotiated.remote, packet));
                }
            }
        }
        if self.report_at <= now {
            self.report_at = now + REPORT_INTERVAL;
            self.report(now, false, out, counters);
        }
    }

    /// The call is over: BYE (RFC 3550 §6.6).
    pub(super) fn end(mut self, now: Time, out: &mut Outbox, counters: &mut Counters) {
        self.report(now, true, out, counters);
    }

    fn report(&mut self, now: Time, bye: bool, out: &mut Outbox, counters: &mut Counters) {
        let Some(sender) = &self.sender else { return };
        if self.negotiated.held_by_address {
            return;
        }
        let sent = (sender.packets > 0).then(|| Sent {
            ntp: ntp(now),
            rtp_time: sender.rtp_time(now),
            packets: sender.packets,
            octets: sender.octets,
        });
        let received = self.receiver.report(now);
        let bytes = rtcp::report(sender.ssrc, &self.cname, sent, received, bye);
        let sealed = match &mut self.secret {
            Some(secret) => secret.protect_rtcp(&bytes),
            None => Some(Bytes::from(bytes)),
        };
        if let Some(bytes) = sealed {
            counters.reports_sent += 1;
            out.rtcp.push_back((self.negotiated.remote_rtcp, bytes));
        }
    }
}

/// The monotonic clock in the shape of an NTP timestamp: only differences count
/// (RFC 3550 §4 allows a clock that is not of the calendar).
fn ntp(now: Time) -> u64 {
    let (seconds, micros) = (now.0 / 1_000_000, now.0 % 1_000_000);
    (seconds << 32) | ((micros << 32) / 1_000_000)
}
