//! One leg in the media path: what was negotiated, and its two halves.

use super::Out;
use super::cipher::Cipher;
use super::inject::Injector;
use super::player::Player;
use super::receive::{Counters, Latch, Receiver};
use super::send::Sender;
use crate::audio::Law;
use crate::base::Side;
use crate::base::{Span, Time};
use crate::ledger::Refusal;
use crate::policy::{Gate, Matcher, Presses};
use crate::rtp::KeyDetector;
use crate::rtp::srtp::{Keys, SrtpError};
use std::net::{IpAddr, SocketAddr};

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
    /// Payload type and law of what we send.
    pub send: (u8, Law),
    /// Payload types that we accept: both laws at most.
    pub receive: [Option<(u8, Law)>; 2],
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
    Audio(Law),
    Events,
    Unknown,
}

impl LegMedia {
    pub fn kind(&self, payload_type: u8) -> Kind {
        for (pt, law) in self.receive.iter().flatten() {
            if *pt == payload_type {
                return Kind::Audio(*law);
            }
        }
        match self.receive_events {
            Some((pt, _)) if pt == payload_type => Kind::Events,
            Some(_) | None => Kind::Unknown,
        }
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
#[derive(Debug)]
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
    /// Its keys go to call control and not to the other party.
    pub collects: bool,
    pub gate: Gate,
    pub detector: KeyDetector,
    pub presses: Presses,
    pub commander: Option<Commander>,
    pub hold_until: Option<Time>,
    pub last_event_at: Time,
    pub last_heard: Time,
    pub next_report: Time,
    pub silent: bool,
    pub other_keys: u32,
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
            collects: false,
            gate: Gate::new(false),
            detector: KeyDetector::default(),
            presses: Presses::default(),
            commander: None,
            hold_until: None,
            last_event_at: Time::ZERO,
            last_heard: now,
            next_report: now,
            silent: false,
            other_keys: 0,
        }
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

    /// Takes over what signalling has agreed, keys first of all.
    pub fn follow(&mut self, media: LegMedia) {
        let old = self.media.as_ref().and_then(|old| old.keys.as_ref());
        self.cipher = Cipher::follow(self.cipher.take(), old, media.keys.as_ref());
        self.media = Some(media);
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
