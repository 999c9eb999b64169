//! One leg in the media path: what was negotiated, and its two halves.

use super::Out;
use super::bridge::LegTake;
use super::cipher::Cipher;
use super::inject::Injector;
use super::level::Meter;
use super::player::Player;
use super::receive::{Counters, Latch, Receiver};
use super::send::Sender;
use super::tones::Tones;
use super::transcode::{Ear, Mouth, meeting_rate, passes};
use crate::audio::Coding;
use crate::audio::codec::{Encode, encoder};
use crate::base::{Rate, Side, Span, Time};
use crate::ledger::Refusal;
use crate::policy::{Gate, Matcher, Presses};
use crate::rtp::KeyDetector;
use crate::rtp::srtp::{Keys, SrtpError};
use std::net::{IpAddr, SocketAddr};

/// Payload types of audio that a leg may use at most.
pub const RECEIVED: usize = 6;

/// What signalling has agreed for a leg. A new offer/answer replaces it as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct LegMedia {
    /// Where the far side said that it receives RTP.
    pub remote: SocketAddr,
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// Where its signalling comes from: RTP from the same IP is its own too.
    pub signalling_ip: IpAddr,
    /// Payload type and coding of what we send.
    pub send: (u8, Coding),
    /// Payload types that we accept.
    pub receive: [Option<(u8, Coding)>; RECEIVED],
    /// Length of a packet that it wants, in ms; we keep to it where we make packets ourselves.
    pub ptime: u16,
    /// Payload type and clock of telephone events towards it.
    pub send_events: Option<(u8, u32)>,
    pub receive_events: Option<(u8, u32)>,
    /// It understands digits as SIP INFO.
    pub info: bool,
    /// We may send to it.
    pub sends: bool,
    /// It may send to us.
    pub receives: bool,
    /// The other party has put it on hold.
    pub held: bool,
    /// SRTP with these keys; `None`: plain RTP.
    pub keys: Option<Keys>,
}

/// What a payload type of the leg means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio(Coding),
    Events,
    Unknown,
}

impl LegMedia {
    pub fn kind(&self, payload_type: u8) -> Kind {
        for (pt, coding) in self.receive.iter().flatten() {
            if *pt == payload_type {
                return Kind::Audio(*coding);
            }
        }
        match self.receive_events {
            Some((pt, _)) if pt == payload_type => Kind::Events,
            Some(_) | None => Kind::Unknown,
        }
    }

    /// The first formats of a list, as [`LegMedia::receive`] has them.
    pub fn received(formats: impl IntoIterator<Item = (u8, Coding)>) -> [Option<(u8, Coding)>; RECEIVED] {
        let mut received = [None; RECEIVED];
        received.iter_mut().zip(formats).for_each(|(slot, format)| *slot = Some(format));
        received
    }

    /// The payload type of comfort noise, where it was agreed.
    pub fn noise(&self) -> Option<u8> {
        self.receive.iter().flatten().find(|(_, coding)| *coding == Coding::Noise).map(|(pt, _)| *pt)
    }

    /// Whether it may send keys only as tones: no events were agreed.
    fn has_tones(&self) -> bool {
        self.receive_events.is_none() && self.receive.iter().flatten().any(|(_, coding)| coding.has_samples())
    }
}

/// A user of the company on a leg: the only one whose keys are matched.
#[derive(Clone, Copy, Debug)]
pub struct Commander {
    pub matcher: Matcher,
    pub permitted: Result<(), Refusal>,
    /// Held keys are given up this long after the last one.
    pub max_hold: Span,
}

/// Counters and codec of a leg, for the sidecar and the call list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegStats {
    pub counters: Counters,
    /// Interarrival jitter in ticks (RFC 3550 §6.4.1).
    pub jitter: u32,
    /// Keys that were pressed and are no command: how many, never which.
    pub other_keys: u32,
    /// The leg is SRTP now.
    pub encrypted: bool,
}

/// The state of one leg.
pub struct Leg {
    pub media: Option<LegMedia>,
    pub cipher: Option<Box<Cipher>>,
    pub latch: Latch,
    pub rtcp_latch: Option<SocketAddr>,
    pub receiver: Receiver,
    pub sender: Sender,
    pub injector: Injector,
    /// The prompt that this party hears instead of the other one.
    pub player: Option<Player>,
    /// What begins, or goes on, when the notice that `player` says is over.
    pub next_player: Option<Player>,
    /// Its keys go to call control and not to the other party.
    pub collects: bool,
    /// It is expected to be heard though the call is not connected.
    pub watched: bool,
    pub gate: Gate,
    /// What it says is recorded alone as well, or instead.
    pub take: Option<Box<LegTake>>,
    pub detector: KeyDetector,
    pub presses: Presses,
    pub commander: Option<Commander>,
    pub hold_until: Option<Time>,
    pub last_event_at: Time,
    pub last_heard: Time,
    pub next_report: Time,
    pub silent: bool,
    pub other_keys: u32,
    /// The keys in its audio, where it has no events.
    pub tones: Option<Box<Tones>>,
    /// What it sends, decoded: where the other leg wants something else.
    pub ear: Option<Box<Ear>>,
    /// How loud it is, while somebody watches.
    pub meter: Option<Box<Meter>>,
    /// What it is sent, encoded: where the other leg sends something else.
    pub mouth: Option<Box<Mouth>>,
    /// For tones that we play to it, made when the first one is: not needed for G.711.
    pub tone_encoder: Option<Box<dyn Encode>>,
    /// Samples of the other party that gave way to what we play, in µs.
    pub given_way: u64,
    /// Where the key that went down last stands: timestamp of its events, and of the audio where
    /// that counts by another clock.
    pub pressed_at: Option<(u32, u32)>,
    /// The keys that are held back are tones: nothing is sent anew.
    pub holds_tones: bool,
}

impl std::fmt::Debug for Leg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leg").field("media", &self.media).finish_non_exhaustive()
    }
}

impl Leg {
    pub fn new(ssrc: u32, first_sequence: u16, first_timestamp: u32, now: Time) -> Self {
        Leg {
            media: None,
            cipher: None,
            latch: Latch::default(),
            rtcp_latch: None,
            receiver: Receiver::default(),
            sender: Sender::new(ssrc, first_sequence, first_timestamp),
            injector: Injector::default(),
            player: None,
            next_player: None,
            collects: false,
            watched: false,
            gate: Gate::new(false),
            take: None,
            detector: KeyDetector::default(),
            presses: Presses::default(),
            commander: None,
            hold_until: None,
            last_event_at: Time::ZERO,
            last_heard: now,
            next_report: now,
            silent: false,
            other_keys: 0,
            tones: None,
            ear: None,
            meter: None,
            mouth: None,
            tone_encoder: None,
            given_way: 0,
            pressed_at: None,
            holds_tones: false,
        }
    }

    /// Makes what the leg's new media needs: the clock of what we send, the detector of tones.
    pub fn media_changed(&mut self, old: Option<&LegMedia>) {
        let Some(media) = &self.media else { return };
        self.sender.set_clock(media.send.1.clock());
        if old.is_none_or(|old| old.receive != media.receive || old.receive_events != media.receive_events) {
            self.tones = media.has_tones().then(|| Box::new(Tones::new()));
        }
        if old.is_some_and(|old| old.send.1 != media.send.1) {
            self.tone_encoder = None;
        }
    }

    /// Makes, keeps or drops what turns the packets of `near` into those of `far`.
    pub fn join(near: &mut Leg, far: &mut Leg) {
        let (Some(from), Some(to)) = (&near.media, &far.media) else { return };
        let ((_, from), (_, coding)) = (from.send, to.send);
        // A foreign coding meets itself only.
        match from.has_samples() && coding.has_samples() && !passes(from, coding) {
            true => Leg::interpret(near, far),
            false => (near.ear, far.mouth) = (None, None),
        }
    }

    /// From now on packets of `near` are decoded and said anew to `far`.
    pub fn interpret(near: &mut Leg, far: &mut Leg) {
        let (Some(from), Some(to)) = (&near.media, &far.media) else { return };
        let (_, coding) = to.send;
        let rate = meeting_rate(from.send.1, coding);
        near.ear = Some(Box::new(Ear::new(rate)));
        let same = far.mouth.as_ref().is_some_and(|mouth| mouth.is_for(coding, rate, to.ptime));
        if !same {
            far.mouth = Mouth::new(coding, rate, to.ptime).map(Box::new);
        }
    }

    /// The clock of a packet's timestamp, where the stream's clock can be told by it.
    pub fn clock_of(&self, kind: Kind) -> Option<Rate> {
        let current = self.receiver.rate();
        match kind {
            Kind::Audio(Coding::Noise) | Kind::Unknown => Some(current),
            Kind::Audio(coding) => Some(coding.clock()),
            Kind::Events => {
                let clock = self.media.as_ref().and_then(|media| media.receive_events).map(|(_, clock)| clock);
                (clock == Some(current.0)).then_some(current)
            }
        }
    }

    /// Where in the audio an event begins that comes now; `None` where both share a clock.
    pub fn place_of_event(&self, timestamp: u32, now: Time) -> Option<(u32, u32)> {
        match self.clock_of(Kind::Events) {
            Some(_) => None,
            None => Some((timestamp, self.receiver.clock_at(now)? as u32)),
        }
    }

    /// Timestamp and length of an event in ticks of the audio.
    pub fn key_in_audio(&self, timestamp: u32, length: u32) -> (u32, u32) {
        let clock = self.media.as_ref().and_then(|media| media.receive_events).map_or(1, |(_, clock)| clock.max(1));
        match self.pressed_at {
            Some((event, audio)) if event == timestamp => {
                let scaled = u64::from(length) * u64::from(self.receiver.rate().0) / u64::from(clock);
                (audio, u32::try_from(scaled).unwrap_or(u32::MAX))
            }
            Some(_) | None => (timestamp, length),
        }
    }

    /// Encodes 20 ms of a tone at 8 kHz; returns the bytes.
    pub fn encode_tone(&mut self, coding: Coding, samples: &[i16], payload: &mut [u8]) -> Option<usize> {
        if let Coding::G711(law) = coding {
            for (byte, sample) in payload.iter_mut().zip(samples) {
                *byte = law.encode(*sample);
            }
            return Some(samples.len());
        }
        if let Some(bytes) = self.mouth.as_mut().and_then(|mouth| mouth.encode_narrow(samples, payload)) {
            return Some(bytes);
        }
        if self.tone_encoder.is_none() {
            self.tone_encoder = encoder(coding, Rate::NARROW);
        }
        self.tone_encoder.as_mut()?.encode(samples, payload).ok()
    }

    /// Where our RTP goes: where its packets come from, else what the SDP says.
    pub fn destination(&self) -> Option<SocketAddr> {
        let media = self.media.as_ref()?;
        media.sends.then(|| self.latch.address().unwrap_or(media.remote))
    }

    /// Where our RTCP goes.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        let media = self.media.as_ref()?;
        match media.rtcp_mux {
            true => Some(self.latch.address().unwrap_or(media.remote)),
            false => Some(self.rtcp_latch.unwrap_or(media.remote_rtcp)),
        }
    }

    /// Takes over what signalling has agreed, keys first of all. Returns what held before.
    pub fn follow(&mut self, media: LegMedia) -> Option<LegMedia> {
        let old = self.media.as_ref().and_then(|old| old.keys.as_ref());
        self.cipher = Cipher::follow(self.cipher.take(), old, media.keys.as_ref());
        self.media.replace(media)
    }

    /// The plain packet in a datagram; `None` for one that is not authentic, or was here before.
    pub fn open<'p>(&mut self, packet: &'p mut [u8]) -> Option<&'p mut [u8]> {
        let Some(cipher) = &mut self.cipher else { return Some(packet) };
        let opened = cipher.open(packet);
        self.opened(opened, packet)
    }

    /// The same for RTCP.
    pub fn open_rtcp<'p>(&mut self, packet: &'p mut [u8]) -> Option<&'p mut [u8]> {
        let Some(cipher) = &mut self.cipher else { return Some(packet) };
        let opened = cipher.open_rtcp(packet);
        self.opened(opened, packet)
    }

    fn opened<'p>(&mut self, opened: Result<usize, SrtpError>, packet: &'p mut [u8]) -> Option<&'p mut [u8]> {
        let counters = &mut self.receiver.counters;
        match opened {
            Ok(length) => return packet.get_mut(..length),
            Err(SrtpError::Replayed { .. }) => counters.duplicates += 1,
            Err(SrtpError::Packet(_) | SrtpError::Short { .. }) => counters.malformed += 1,
            Err(SrtpError::Unauthentic | SrtpError::Unencrypted) => counters.unauthentic += 1,
            // Of the sending half only.
            Err(SrtpError::NoRoom { .. } | SrtpError::KeyUsedUp) => {}
        }
        None
    }

    /// Sends an RTP packet to `to`, encrypted where that was agreed. What cannot be encrypted is
    /// lost, never sent plain.
    pub fn send(&mut self, side: Side, to: SocketAddr, packet: &[u8], out: &mut impl Out) {
        match self.cipher.as_mut().map(|cipher| cipher.protect(packet)) {
            None => out.rtp(side, to, packet),
            Some(Ok(protected)) => out.rtp(side, to, protected),
            Some(Err(_)) => return,
        }
        self.receiver.counters.sent += 1;
    }

    /// The same for RTCP.
    pub fn send_rtcp(&mut self, side: Side, to: SocketAddr, packet: &[u8], out: &mut impl Out) {
        match self.cipher.as_mut().map(|cipher| cipher.protect_rtcp(packet)) {
            None => out.rtcp(side, to, packet),
            Some(Ok(protected)) => out.rtcp(side, to, protected),
            Some(Err(_)) => {}
        }
    }

    pub fn stats(&self) -> LegStats {
        LegStats {
            counters: self.receiver.counters,
            jitter: self.receiver.jitter(),
            other_keys: self.other_keys,
            encrypted: self.cipher.is_some(),
        }
    }
}
