//! The liberal reader (RFC 8866 §5): what it does not need may be missing, out of order or wrong.

use super::crypto::{self, Crypto, CryptoError};
use super::description::{Audio, Codec, Description, Events, Flow, Format, MediaLine, Profile};
use super::error::SdpError;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// No honest description comes near; SIP over UDP could not carry it either.
const MAX_BYTES: usize = 64 * 1024;
const MAX_MEDIA: usize = 32;
/// The clock of the codecs that we speak: events in it are preferred.
const OUR_CLOCK: u32 = 8_000;

/// Reads a description. Lines may end in CRLF, LF or CR.
///
/// # Errors
/// When it is no SDP at all, when a media line is malformed, or when the audio
/// stream has no address that can be sent to.
pub fn parse(text: &[u8]) -> Result<Description, SdpError> {
    if text.len() > MAX_BYTES {
        return Err(SdpError::TooLarge { bytes: text.len(), limit: MAX_BYTES });
    }
    let document = Document::read(text)?;
    let (session_id, version) = document.origin();
    let chosen = document.audio_block();
    let audio = chosen.map(|(_, block)| document.audio(block)).transpose()?;
    Ok(Description {
        session_id,
        version,
        audio,
        audio_index: chosen.map_or(0, |(index, _)| index),
        media: document.blocks.into_iter().map(|block| block.media).collect(),
    })
}

struct Line<'a> {
    key: u8,
    value: Cow<'a, str>,
}

impl<'a> Line<'a> {
    fn read(raw: &'a [u8]) -> Option<Self> {
        match raw.trim_ascii() {
            [key, b'=', value @ ..] => {
                Some(Line { key: key.to_ascii_lowercase(), value: String::from_utf8_lossy(value.trim_ascii()) })
            }
            _ => None,
        }
    }

    /// Name and value of an `a=` line; the value is empty for a flag.
    fn attribute(&self) -> Option<(&str, &str)> {
        if self.key != b'a' {
            return None;
        }
        let (name, value) = self.value.split_once(':').unwrap_or((&self.value, ""));
        Some((name.trim(), value.trim()))
    }
}

/// An `m=` line with the lines below it.
struct Block<'a> {
    media: MediaLine,
    lines: Vec<Line<'a>>,
}

impl Block<'_> {
    fn is_audio(&self) -> bool {
        self.media.kind.eq_ignore_ascii_case("audio") && self.media.port != 0
    }
}

struct Document<'a> {
    session: Vec<Line<'a>>,
    blocks: Vec<Block<'a>>,
}

impl<'a> Document<'a> {
    fn read(text: &'a [u8]) -> Result<Self, SdpError> {
        let mut document = Document { session: Vec::new(), blocks: Vec::new() };
        let lines = text.split(|byte| matches!(byte, b'\r' | b'\n')).filter_map(Line::read);
        for line in lines {
            match line.key {
                b'm' if document.blocks.len() == MAX_MEDIA => {
                    return Err(SdpError::TooManyMedia { limit: MAX_MEDIA });
                }
                b'm' => {
                    let media = media_line(&line.value)?;
                    document.blocks.push(Block { media, lines: Vec::new() });
                }
                b'v' if line.value != "0" => {
                    return Err(SdpError::Version(line.value.into_owned()));
                }
                _ => document.lines_in_progress().push(line),
            }
        }
        let has_version = document.session.iter().any(|line| line.key == b'v');
        if document.blocks.is_empty() && !has_version {
            return Err(SdpError::NotSdp { bytes: text.len() });
        }
        Ok(document)
    }

    /// Where a line that is not `m=` belongs: the media line above it, or the session.
    fn lines_in_progress(&mut self) -> &mut Vec<Line<'a>> {
        self.blocks.last_mut().map_or(&mut self.session, |block| &mut block.lines)
    }

    /// Session id and version of `o=`.
    fn origin(&self) -> (String, u64) {
        let line = self.session.iter().find(|line| line.key == b'o');
        let mut fields = line.map_or("", |line| &line.value).split_whitespace().skip(1);
        let id = fields.next().unwrap_or_default().to_owned();
        let version = fields.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        (id, version)
    }

    /// The audio stream to talk about: encrypted with a key that we can use, then plain.
    fn audio_block(&self) -> Option<(usize, &Block<'a>)> {
        let audio = || self.blocks.iter().enumerate().filter(|(_, block)| block.is_audio());
        let profile = |block: &Block<'_>| Profile::named(&block.media.proto);
        let encrypted =
            |block: &Block<'_>| profile(block).is_encrypted() && crypto_lines(block).any(|line| line.is_ok());
        audio()
            .find(|(_, block)| encrypted(block))
            .or_else(|| audio().find(|(_, block)| profile(block).is_plain()))
            .or_else(|| audio().next())
    }

    fn audio(&self, block: &Block<'a>) -> Result<Audio, SdpError> {
        let address = self.address(block)?;
        let held_by_address = address.is_unspecified();
        let both = || block.lines.iter().chain(&self.session).filter_map(Line::attribute);
        let said = both().find_map(|(name, _)| Flow::named(name)).unwrap_or_default();
        let flow = Flow::of(said.sends(), said.receives() && !held_by_address);
        let millis = |wanted: &str| {
            both().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).find_map(|(_, v)| packet_length(v))
        };
        let (formats, all_events) = formats(block);
        let ours = all_events.iter().find(|events| events.clock == OUR_CLOCK);
        let events = ours.or(all_events.first()).copied();
        let (crypto, crypto_error) = crypto(block);
        Ok(Audio {
            addr: address,
            port: block.media.port,
            rtcp: attribute(block, "rtcp").and_then(|value| rtcp_address(value, address)),
            rtcp_mux: attribute(block, "rtcp-mux").is_some(),
            profile: Profile::named(&block.media.proto),
            flow,
            formats,
            events,
            all_events,
            ptime: millis("ptime"),
            maxptime: millis("maxptime"),
            held_by_address,
            crypto,
            crypto_error,
        })
    }

    /// The stream's address: its own `c=`, the session's, else that of `o=`,
    /// which is all that some gateways write.
    fn address(&self, block: &Block<'a>) -> Result<IpAddr, SdpError> {
        let connection = block.lines.iter().chain(&self.session).find(|line| line.key == b'c');
        let origin = || self.session.iter().find(|line| line.key == b'o');
        let text = match connection {
            Some(line) => line.value.split_whitespace().nth(2),
            None => origin().and_then(|line| line.value.split_whitespace().nth(5)),
        };
        address(text.ok_or(SdpError::NoAddress)?)
    }
}

/// `audio 49170/2 RTP/AVP 0 8 101`
fn media_line(value: &str) -> Result<MediaLine, SdpError> {
    let malformed = || SdpError::MediaLine(value.to_owned());
    let mut fields = value.split_whitespace();
    let (Some(kind), Some(port), Some(proto)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(malformed());
    };
    let port = port.split('/').next().unwrap_or(port);
    Ok(MediaLine {
        kind: kind.to_owned(),
        port: port.parse().map_err(|_| malformed())?,
        proto: proto.to_owned(),
        formats: fields.map(str::to_owned).collect(),
    })
}

/// A unicast address, or the unspecified one for a hold in the manner of RFC 2543.
/// Its own form decides, not the `IP4` or `IP6` before it.
fn address(text: &str) -> Result<IpAddr, SdpError> {
    let bare = text.split('/').next().unwrap_or(text);
    let bare = bare.trim_start_matches('[').trim_end_matches(']');
    // RFC 3264 §5.1: for IPv6 a name under .invalid takes the place of 0.0.0.0.
    if bare.ends_with(".invalid") {
        return Ok(Ipv4Addr::UNSPECIFIED.into());
    }
    let wrong = || SdpError::Address(text.to_owned());
    let address = bare.parse::<IpAddr>().map_err(|_| wrong())?.to_canonical();
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_multicast() || broadcast {
        return Err(wrong());
    }
    Ok(address)
}

/// `53020` or `53020 IN IP4 126.16.64.4` (RFC 3605 §2.1).
fn rtcp_address(value: &str, audio: IpAddr) -> Option<SocketAddr> {
    let mut fields = value.split_whitespace();
    let port = fields.next()?.parse().ok().filter(|port| *port != 0)?;
    match fields.nth(2) {
        None => Some(SocketAddr::new(audio, port)),
        Some(text) => Some(SocketAddr::new(address(text).ok()?, port)),
    }
}

/// Whole ms of `a=ptime`; a fraction is cut off, nonsense is as if nothing was said.
fn packet_length(value: &str) -> Option<u16> {
    let whole = value.split('.').next()?.trim();
    whole.parse().ok().filter(|millis| (1..=1_000).contains(millis))
}

fn attribute<'b>(block: &'b Block<'_>, wanted: &str) -> Option<&'b str> {
    let mut attributes = block.lines.iter().filter_map(Line::attribute);
    attributes.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

/// The value of the attribute `wanted` for payload type `pt`: `a=rtpmap:0 PCMU/8000`.
fn per_payload<'b>(block: &'b Block<'_>, wanted: &str, pt: u8) -> Option<&'b str> {
    block.lines.iter().filter_map(Line::attribute).find_map(|(name, value)| {
        let (number, rest) = value.split_once(char::is_whitespace)?;
        let ours = name.eq_ignore_ascii_case(wanted) && number.parse() == Ok(pt);
        ours.then(|| rest.trim())
    })
}

fn formats(block: &Block<'_>) -> (Vec<Format>, Vec<Events>) {
    let mut formats: Vec<Format> = Vec::new();
    let mut events: Vec<Events> = Vec::new();
    for pt in block.media.formats.iter().filter_map(|text| text.parse().ok()) {
        let Some(codec) = codec(block, pt) else { continue };
        if codec.name().eq_ignore_ascii_case("telephone-event") {
            events.push(Events { pt, clock: codec.clock() });
        } else if formats.iter().all(|format| format.pt != pt) {
            let fmtp = per_payload(block, "fmtp", pt).map(str::to_owned);
            formats.push(Format { pt, codec, fmtp });
        }
    }
    (formats, events)
}

fn crypto_lines(block: &Block<'_>) -> impl Iterator<Item = Result<Crypto, CryptoError>> {
    let attributes = block.lines.iter().filter_map(Line::attribute);
    attributes.filter(|(name, _)| name.eq_ignore_ascii_case("crypto")).map(|(_, value)| crypto::parse(value))
}

/// The lines that can be used, and what is wrong with the first that cannot.
fn crypto(block: &Block<'_>) -> (Vec<Crypto>, Option<CryptoError>) {
    let (mut usable, mut wrong) = (Vec::new(), None);
    for line in crypto_lines(block) {
        match line {
            Ok(crypto) => usable.push(crypto),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    (usable, wrong)
}

/// The codec of a payload type; `None` where nothing says what it is.
fn codec(block: &Block<'_>, pt: u8) -> Option<Codec> {
    if pt > 127 {
        return None;
    }
    let Some(map) = per_payload(block, "rtpmap", pt) else {
        return Codec::of_static_pt(pt);
    };
    let mut fields = map.split('/').map(str::trim);
    let name = fields.next().filter(|name| !name.is_empty())?;
    let clock = fields.next().map_or(Some(8_000), |text| text.parse().ok()).filter(|clock| *clock != 0)?;
    let channels = fields.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    Some(Codec::named(name, clock, channels))
}
