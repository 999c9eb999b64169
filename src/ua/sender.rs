//! What a phone sends: one packet a tick, voice or a key, on a clock without holes.

use super::config::Voice;
use super::digits::Keypad;
use crate::audio::Law;
use crate::base::{Random, Rate, Span, Time};
use crate::sdp::{Codec, Negotiated};
use bytes::Bytes;
use rtp::header::Header;
use rtp::packet::Packet;
use webrtc_util::marshal::Marshal;

/// One outgoing stream. Its clock runs from the answer to the end of the call, also while nothing
/// may be sent.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) ssrc: u32,
    sequence: u16,
    first_timestamp: u32,
    started: Time,
    ptime: Span,
    /// Samples of a packet.
    samples: u16,
    ticks: u64,
    /// The next voice packet begins a talkspurt (RFC 3551 §4.1).
    spurt: bool,
    pub(super) keypad: Keypad,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl Sender {
    pub(super) fn new(ptime_ms: u16, now: Time, random: &mut dyn Random) -> Self {
        let ptime_ms = ptime_ms.clamp(10, 60);
        Sender {
            ssrc: random.u32(),
            sequence: random.u16(),
            first_timestamp: random.u32(),
            started: now,
            ptime: Span::from_millis(u64::from(ptime_ms)),
            samples: ptime_ms * 8,
            ticks: 0,
            spurt: true,
            keypad: Keypad::default(),
            packets: 0,
            octets: 0,
        }
    }

    /// When the next packet is due.
    pub(super) fn due(&self) -> Time {
        self.started + self.ptime.times(self.ticks)
    }

    /// Our RTP clock at `now`.
    pub(super) fn rtp_time(&self, now: Time) -> u32 {
        self.first_timestamp.wrapping_add(Rate::NARROW.samples(now.since(self.started)).0 as u32)
    }

    /// The packet of the tick that is due; `None` where the far side wants none. `muted`: silence
    /// goes out instead of the voice.
    pub(super) fn tick(&mut self, negotiated: &Negotiated, voice: &Voice, muted: bool) -> Option<Bytes> {
        let at = self.ticks * u64::from(self.samples);
        self.ticks += 1;
        let mute = matches!(voice, Voice::Nothing);
        if mute || !negotiated.flow.sends() || negotiated.held_by_address {
            self.spurt = true;
            return None;
        }
        let timestamp = self.first_timestamp.wrapping_add(at as u32);
        let event = match negotiated.send_events {
            Some(events) => self.keypad.tick(timestamp, self.samples, self.ptime).map(|event| (events.pt, event)),
            None => None,
        };
        if let Some((pt, event)) = event {
            self.spurt = true;
            let payload = Bytes::copy_from_slice(&event.payload.to_bytes());
            return self.packet(pt, event.marker, event.timestamp, payload);
        }
        let law = law_of(&negotiated.send.codec)?;
        let end = at + u64::from(self.samples);
        let payload: Bytes = match muted {
            true => (at..end).map(|_| law.silence()).collect(),
            false => (at..end).map(|at| voice.byte(at, law)).collect(),
        };
        let marker = std::mem::take(&mut self.spurt);
        self.packet(negotiated.send.pt, marker, timestamp, payload)
    }

    fn packet(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: Bytes) -> Option<Bytes> {
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        let header = Header {
            version: 2,
            marker,
            payload_type,
            sequence_number: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            ..Header::default()
        };
        Packet { header, payload }.marshal().ok()
    }
}

/// The law of G.711; a phone codes and decodes nothing else.
pub(super) fn law_of(codec: &Codec) -> Option<Law> {
    match codec {
        Codec::Pcmu => Some(Law::Mu),
        Codec::Pcma => Some(Law::A),
        Codec::Other { .. } => None,
    }
}
