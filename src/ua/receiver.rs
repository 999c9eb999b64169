//! What a phone receives: voice into its place, keys into events, loss into reports.

use super::heard::Heard;
use super::sender::law_of;
use crate::base::{Rate, Time};
use crate::rtp::rtcp::Received;
use crate::rtp::{EventPayload, KeyDetector, PacketError, Seen, Unwrap16, View};
use crate::sdp::Negotiated;

/// One incoming stream; a new SSRC begins another.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    stream: Option<Stream>,
    keys: KeyDetector,
    /// Of the far side's last sender report: its middle 32 bits and when it came.
    report: Option<(u32, Time)>,
    /// Packets of streams that are over, expected and received.
    before: (u64, u64),
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    sequence: Unwrap16,
    first: i64,
    highest: i64,
    received: u64,
    /// Expected and received at the last report.
    reported: (u64, u64),
    /// Of the last packet: arrival minus timestamp, in ticks.
    transit: Option<i64>,
    /// 16 times the interarrival jitter (RFC 3550 §A.8).
    jitter: u64,
}

impl Stream {
    fn new(ssrc: u32, number: u16) -> Self {
        let mut sequence = Unwrap16::default();
        let first = sequence.extend(number);
        Stream { ssrc, sequence, first, highest: first, received: 0, reported: (0, 0), transit: None, jitter: 0 }
    }

    fn count(&mut self, view: &View, now: Time) {
        let number = self.sequence.extend(view.sequence);
        self.first = self.first.min(number);
        self.highest = self.highest.max(number);
        self.received += 1;
        let arrival = i64::try_from(Rate::NARROW.samples(now.since(Time::ZERO)).0).unwrap_or(i64::MAX);
        let transit = i64::from((arrival as u32).wrapping_sub(view.timestamp) as i32);
        if let Some(before) = self.transit.replace(transit) {
            self.jitter += transit.abs_diff(before);
            self.jitter -= (self.jitter + 8) >> 4;
        }
    }

    fn expected(&self) -> u64 {
        u64::try_from(self.highest - self.first + 1).unwrap_or(0)
    }
}

impl Receiver {
    /// A datagram from where we expect RTP: a key that went down, if it says so.
    pub(super) fn packet(
        &mut self,
        bytes: &[u8],
        negotiated: &Negotiated,
        heard: &mut Heard,
        now: Time,
    ) -> Result<Option<u8>, PacketError> {
        let view = View::parse(bytes)?;
        let payload = bytes.get(view.payload.clone()).unwrap_or(&[]);
        let format = negotiated.receive.iter().find(|format| format.pt == view.payload_type);
        let is_event = negotiated.receive_events.is_some_and(|events| events.pt == view.payload_type);
        if format.is_none() && !is_event {
            return Ok(None);
        }
        self.stream_of(&view).count(&view, now);
        if let Some(format) = format {
            if let Some(law) = law_of(&format.codec) {
                heard.place(view.ssrc, view.timestamp, now, payload.iter().map(|byte| law.decode(*byte)));
            }
            return Ok(None);
        }
        let Some(event) = EventPayload::parse(payload) else { return Ok(None) };
        Ok(match self.keys.handle(view.marker, view.timestamp, event) {
            Seen::Press(press) => Some(press.key),
            Seen::Going { .. } | Seen::Ended { .. } | Seen::Old => None,
        })
    }

    fn stream_of(&mut self, view: &View) -> &mut Stream {
        let ours = |stream: &Stream| stream.ssrc == view.ssrc;
        if let Some(over) = self.stream.take_if(|stream| !ours(stream)) {
            self.before.0 += over.expected();
            self.before.1 += over.received;
        }
        self.stream.get_or_insert_with(|| Stream::new(view.ssrc, view.sequence))
    }

    pub(super) fn sender_report(&mut self, ntp_middle: u32, now: Time) {
        self.report = Some((ntp_middle, now));
    }

    /// (expected, received) since the start of the call, duplicates counted as received.
    pub(super) fn totals(&self) -> (u64, u64) {
        let (expected, received) = self.stream.as_ref().map_or((0, 0), |stream| (stream.expected(), stream.received));
        (self.before.0 + expected, self.before.1 + received)
    }

    /// A reception report (RFC 3550 §6.4.1) and the start of the next interval.
    pub(super) fn report(&mut self, now: Time) -> Option<Received> {
        let stream = self.stream.as_mut()?;
        let (expected, received) = (stream.expected(), stream.received);
        let (old_expected, old_received) = std::mem::replace(&mut stream.reported, (expected, received));
        let interval = expected.saturating_sub(old_expected);
        let lost = interval.saturating_sub(received.saturating_sub(old_received));
        let (last_sr, delay) = match self.report {
            Some((last_sr, at)) => (last_sr, u32::try_from(now.since(at).0 * 65_536 / 1_000_000).unwrap_or(u32::MAX)),
            None => (0, 0),
        };
        Some(Received {
            ssrc: stream.ssrc,
            fraction_lost: (lost * 256).checked_div(interval).and_then(|share| u8::try_from(share).ok()).unwrap_or(0),
            lost: u32::try_from(expected.saturating_sub(received)).unwrap_or(u32::MAX),
            highest_sequence: stream.highest as u32,
            jitter: u32::try_from(stream.jitter >> 4).unwrap_or(u32::MAX),
            last_sr,
            delay,
        })
    }
}
