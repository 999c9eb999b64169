//! What a phone is set up with.

use crate::audio::Law;
use crate::base::{Samples, Span};
use crate::sdp::{Encryption, Format};
use crate::sip::Peer;
use crate::sip::transaction::Timers;
use std::net::SocketAddr;
use std::sync::Arc;

/// The setup of one phone.
#[derive(Clone)]
pub struct PhoneConfig {
    /// The user part of its address: an extension, or a number behind a trunk.
    pub user: String,
    /// The name that the password belongs to.
    pub auth_name: String,
    /// Empty: challenges are not answered.
    pub password: String,
    /// What stands after the `@`: `host` or `host:port`.
    pub domain: String,
    /// Shown to the far side; may be empty.
    pub display: String,
    /// `local` is the phone's own SIP address, `remote` the server's.
    pub server: Peer,
    /// Where it receives RTP; RTCP is on the next port.
    pub media: SocketAddr,
    /// In order of preference. A voice is spoken in G.711 only, and only G.711 is heard.
    pub formats: Vec<Format>,
    /// Payload type of telephone events; `None`: they are not offered.
    pub events: Option<u8>,
    /// Digits go as SIP INFO: also, where events were agreed; only, where not.
    pub info_digits: bool,
    /// Length of the packets that it sends and asks for, in ms: 10 to 60.
    pub ptime_ms: u16,
    /// SRTP with keys in the descriptions; `None`: plain RTP only.
    pub encryption: Option<Encryption>,
    /// How long it rings before it answers; `None`: until it is told to.
    pub auto_answer: Option<Span>,
    pub voice: Voice,
    /// How much of what it hears is kept, from the start of a call.
    pub hear: Samples,
    /// What it asks the registrar for.
    pub register_for: Span,
    pub timers: Timers,
}

impl PhoneConfig {
    /// A phone without credentials that prefers PCMU, sends events as 101 in packets of 20 ms, is
    /// silent, and is answered by hand.
    pub fn new(user: &str, domain: &str, server: Peer, media: SocketAddr) -> Self {
        PhoneConfig {
            user: user.to_owned(),
            auth_name: user.to_owned(),
            password: String::new(),
            domain: domain.to_owned(),
            display: String::new(),
            server,
            media,
            formats: vec![Format::PCMU, Format::PCMA],
            events: Some(101),
            info_digits: false,
            ptime_ms: 20,
            encryption: None,
            auto_answer: None,
            voice: Voice::Silence,
            hear: Samples(8_000 * 60),
            register_for: Span::from_secs(300),
            timers: Timers::default(),
        }
    }
}

/// What a phone says. The position is that of its RTP clock: what it would have said while it was
/// held, or while a key was down, is not said later.
#[derive(Clone)]
pub enum Voice {
    /// No packets of its own: whoever drives the phone sends them.
    Nothing,
    Silence,
    /// 16-bit samples at 8 kHz, from the start again when they are over.
    Loop(Arc<[i16]>),
    /// The payload byte at each position, whatever the law.
    Payload(Arc<dyn Fn(u64) -> u8 + Send + Sync>),
}

impl Voice {
    /// The payload byte at a position, in `law`.
    pub fn byte(&self, at: u64, law: Law) -> u8 {
        match self {
            Voice::Nothing | Voice::Silence => law.silence(),
            Voice::Loop(samples) => match looped(samples, at) {
                Some(sample) => law.encode(sample),
                None => law.silence(),
            },
            Voice::Payload(byte) => byte(at),
        }
    }
}

fn looped(samples: &[i16], at: u64) -> Option<i16> {
    let length = u64::try_from(samples.len()).ok()?;
    let index = usize::try_from(at.checked_rem(length)?).ok()?;
    samples.get(index).copied()
}
