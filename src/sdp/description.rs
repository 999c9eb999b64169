//! What a session description says about the one audio stream of a call.

use super::crypto::{Crypto, CryptoError};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// An audio codec. Names compare without regard to case (RFC 8866 §6.6).
#[derive(Clone, Debug)]
pub enum Codec {
    /// G.711 µ-law, 8000 Hz, mono.
    Pcmu,
    /// G.711 A-law, 8000 Hz, mono.
    Pcma,
    /// Any other: its encoding name, RTP clock in Hz and channels.
    Other { name: String, clock: u32, channels: u8 },
}

impl Codec {
    /// The codec that an `a=rtpmap` names.
    pub fn named(name: &str, clock: u32, channels: u8) -> Self {
        match (clock, channels) {
            (8_000, 1) if name.eq_ignore_ascii_case("PCMU") => Codec::Pcmu,
            (8_000, 1) if name.eq_ignore_ascii_case("PCMA") => Codec::Pcma,
            _ => Codec::Other { name: name.to_owned(), clock, channels },
        }
    }

    /// The codec of a payload type that needs no `a=rtpmap` (RFC 3551 §6, table 4).
    pub fn of_static_pt(pt: u8) -> Option<Self> {
        let (name, clock, channels) = match pt {
            0 => return Some(Codec::Pcmu),
            8 => return Some(Codec::Pcma),
            3 => ("GSM", 8_000, 1),
            4 => ("G723", 8_000, 1),
            5 => ("DVI4", 8_000, 1),
            6 => ("DVI4", 16_000, 1),
            7 => ("LPC", 8_000, 1),
            9 => ("G722", 8_000, 1),
            10 => ("L16", 44_100, 2),
            11 => ("L16", 44_100, 1),
            12 => ("QCELP", 8_000, 1),
            13 => ("CN", 8_000, 1),
            14 => ("MPA", 90_000, 1),
            15 => ("G728", 8_000, 1),
            16 => ("DVI4", 11_025, 1),
            17 => ("DVI4", 22_050, 1),
            18 => ("G729", 8_000, 1),
            _ => return None,
        };
        Some(Codec::Other { name: name.to_owned(), clock, channels })
    }

    /// Encoding name as in `a=rtpmap`.
    pub fn name(&self) -> &str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::Other { name, .. } => name,
        }
    }

    /// RTP clock in Hz; not always the sampling rate (G.722: 8000, RFC 3551 §4.5.2).
    pub fn clock(&self) -> u32 {
        match self {
            Codec::Pcmu | Codec::Pcma => 8_000,
            Codec::Other { clock, .. } => *clock,
        }
    }

    pub fn channels(&self) -> u8 {
        match self {
            Codec::Pcmu | Codec::Pcma => 1,
            Codec::Other { channels, .. } => *channels,
        }
    }
}

impl PartialEq for Codec {
    fn eq(&self, other: &Self) -> bool {
        self.clock() == other.clock()
            && self.channels() == other.channels()
            && self.name().eq_ignore_ascii_case(other.name())
    }
}

impl Eq for Codec {}

impl fmt::Display for Codec {
    /// As in `a=rtpmap`: `PCMU/8000`, `opus/48000/2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name(), self.clock())?;
        match self.channels() {
            0 | 1 => Ok(()),
            channels => write!(f, "/{channels}"),
        }
    }
}

/// A codec under the payload type that one side gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// RTP payload type, 0 to 127.
    pub pt: u8,
    pub codec: Codec,
    /// The parameters of `a=fmtp`, as written.
    pub fmtp: Option<String>,
}

impl Format {
    /// PCMU under its static payload type.
    pub const PCMU: Format = Format { pt: 0, codec: Codec::Pcmu, fmtp: None };
    /// PCMA under its static payload type.
    pub const PCMA: Format = Format { pt: 8, codec: Codec::Pcma, fmtp: None };

    /// G.722: a clock of 8000 for 16,000 samples (RFC 3551 §4.5.2).
    pub fn g722() -> Format {
        Format { pt: 9, codec: Codec::named("G722", 8_000, 1), fmtp: None }
    }

    /// Opus (RFC 7587 §7): always two channels in the name. We like a second copy of lost packets.
    pub fn opus() -> Format {
        Format { pt: 96, codec: Codec::named("opus", 48_000, 2), fmtp: Some("useinbandfec=1".to_owned()) }
    }

    /// G.729; we make no comfort noise of annex B.
    pub fn g729() -> Format {
        Format { pt: 18, codec: Codec::named("G729", 8_000, 1), fmtp: Some("annexb=no".to_owned()) }
    }

    /// Comfort noise (RFC 3389) beside a codec of 8000 Hz.
    pub fn noise() -> Format {
        Format { pt: 13, codec: Codec::named("CN", 8_000, 1), fmtp: None }
    }

    /// Comfort noise is no codec by itself.
    pub fn is_noise(&self) -> bool {
        self.codec.name().eq_ignore_ascii_case("CN")
    }
}

/// Telephone events (RFC 4733): digits as RTP packets of their own payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events {
    /// RTP payload type, 0 to 127.
    pub pt: u8,
    /// RTP clock in Hz, in which durations of events count.
    pub clock: u32,
}

/// Which way audio flows, from the point of view of whoever says it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Flow {
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Flow::SendRecv,
            (true, false) => Flow::SendOnly,
            (false, true) => Flow::RecvOnly,
            (false, false) => Flow::Inactive,
        }
    }

    pub const fn sends(self) -> bool {
        matches!(self, Flow::SendRecv | Flow::SendOnly)
    }

    pub const fn receives(self) -> bool {
        matches!(self, Flow::SendRecv | Flow::RecvOnly)
    }

    /// The same flow seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Flow::of(self.receives(), self.sends())
    }

    /// What is left when both `self` and `other`, seen from the same side, must allow it.
    #[must_use]
    pub const fn and(self, other: Flow) -> Self {
        Flow::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Flow::SendRecv => "sendrecv",
            Flow::SendOnly => "sendonly",
            Flow::RecvOnly => "recvonly",
            Flow::Inactive => "inactive",
        }
    }

    /// The flow that an attribute of this name says, if it is one.
    pub fn named(name: &str) -> Option<Self> {
        [Flow::SendRecv, Flow::SendOnly, Flow::RecvOnly, Flow::Inactive]
            .into_iter()
            .find(|flow| flow.as_str().eq_ignore_ascii_case(name))
    }
}

/// The transport of a media line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `RTP/AVP` (RFC 3551).
    Avp,
    /// `RTP/AVPF` (RFC 4585).
    Avpf,
    /// `RTP/SAVP` (RFC 3711).
    Savp,
    /// `RTP/SAVPF` (RFC 5124).
    Savpf,
    /// DTLS, fax and the rest; the media line has its name.
    Other,
}

impl Profile {
    pub fn named(proto: &str) -> Self {
        let known = [
            ("RTP/AVP", Profile::Avp),
            ("RTP/AVPF", Profile::Avpf),
            ("RTP/SAVP", Profile::Savp),
            ("RTP/SAVPF", Profile::Savpf),
        ];
        known
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(proto))
            .map_or(Profile::Other, |(_, profile)| profile)
    }

    /// Whether its packets are SRTP.
    pub const fn is_encrypted(self) -> bool {
        match self {
            Profile::Savp | Profile::Savpf => true,
            Profile::Avp | Profile::Avpf | Profile::Other => false,
        }
    }

    /// Whether its packets are plain RTP.
    pub const fn is_plain(self) -> bool {
        match self {
            Profile::Avp | Profile::Avpf => true,
            Profile::Savp | Profile::Savpf | Profile::Other => false,
        }
    }
}

/// The audio stream of a description, as its sender said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Where it wants to receive; IPv4-mapped addresses are given as IPv4.
    pub addr: IpAddr,
    pub port: u16,
    /// Where it wants RTCP, if it said so (`a=rtcp`, RFC 3605).
    pub rtcp: Option<SocketAddr>,
    /// RTCP on the RTP port is possible (RFC 5761).
    pub rtcp_mux: bool,
    pub profile: Profile,
    /// Its sender's point of view. An unspecified address takes the receiving half away.
    pub flow: Flow,
    /// In order of preference, telephone events left out.
    pub formats: Vec<Format>,
    /// The events that fit a clock of 8000 Hz best.
    pub events: Option<Events>,
    /// All of them: RFC 4733 §2.1 wants one for each clock of the codecs.
    pub all_events: Vec<Events>,
    /// Packet length that its sender likes to receive, in ms.
    pub ptime: Option<u16>,
    /// Longest packet that its sender can receive, in ms.
    pub maxptime: Option<u16>,
    /// On hold in the manner of RFC 2543: the address is 0.0.0.0 (RFC 3264 §8.4).
    pub held_by_address: bool,
    /// Its `a=crypto` lines that can be used, in order of preference.
    pub crypto: Vec<Crypto>,
    /// Why the first of those that cannot be used is none.
    pub crypto_error: Option<CryptoError>,
}

impl Audio {
    /// The events beside a codec of this clock; any, where none have it.
    pub fn events_beside(&self, clock: u32) -> Option<Events> {
        self.all_events.iter().find(|events| events.clock == clock).copied().or(self.events)
    }

    pub fn rtp(&self) -> SocketAddr {
        SocketAddr::new(self.addr, self.port)
    }
}

/// One `m=` line, as much of it as an answer must repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaLine {
    /// `audio`, `video`, `image`, …
    pub kind: String,
    /// 0: refused or switched off.
    pub port: u16,
    pub proto: String,
    /// Payload types of RTP; anything else's formats as written.
    pub formats: Vec<String>,
}

/// A session description, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `o=`: stays the same as long as the session.
    pub session_id: String,
    /// `o=`: grows with every change; 0 where it was not a number.
    pub version: u64,
    /// Of the audio streams that are on the first encrypted one with a usable key, else the first
    /// plain one, else the first.
    pub audio: Option<Audio>,
    /// Which of `media` is `audio`; 0 where there is none.
    pub audio_index: usize,
    /// Every `m=` line, in order: an answer has one for each.
    pub media: Vec<MediaLine>,
}

impl Description {
    /// The transport of the audio line, as written.
    pub fn audio_proto(&self) -> &str {
        self.media.get(self.audio_index).map_or("", |line| &line.proto)
    }
}
