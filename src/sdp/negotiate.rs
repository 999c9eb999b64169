//! Offer, answer and what follows from the two (RFC 3264 §5 to §7), for one leg.

use super::crypto::Security;
use super::description::{Audio, Codec, Description, Events, Flow, Format};
use super::error::SdpError;
use super::print::{Layout, print};
use crate::rtp::srtp::Keys;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};

/// The payload type that most phones use for telephone events.
const EVENTS_PT: u8 = 101;
const EVENTS_CLOCK: u32 = 8_000;

/// What we say on a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// `o=`: the same for the life of the leg.
    pub session_id: u64,
    /// `o=`: one more with each changed description.
    pub version: u64,
    /// Where we want to receive; also the address of `o=`.
    pub address: IpAddr,
    /// RTP port; RTCP is on the next one unless `rtcp_mux` was agreed.
    pub port: u16,
    /// What we can speak, in order of preference. An answer takes its payload types from the offer.
    pub formats: Vec<Format>,
    /// Telephone events; in an answer only whether we take them, the offer has the numbers.
    pub events: Option<Events>,
    /// Our point of view.
    pub flow: Flow,
    /// Packet length that we like to receive, in ms; an answer repeats the offer's when `None`.
    pub ptime: Option<u16>,
    pub rtcp_mux: bool,
    /// What we do about encryption; filled in by the leg's exchange.
    pub security: Security,
}

/// What two sides agreed for one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Where our RTP goes. Unspecified while `held_by_address`: nothing must be sent then.
    pub remote: SocketAddr,
    /// Where our RTCP goes.
    pub remote_rtcp: SocketAddr,
    pub rtcp_mux: bool,
    /// What we send, with the payload type that the far side wants.
    pub send: Format,
    /// What we accept: the agreed codec first, then what else both named,
    /// which some senders switch to without asking.
    pub receive: Vec<Format>,
    /// Telephone events as the far side wants them.
    pub send_events: Option<Events>,
    /// Telephone events as we said that we want them.
    pub receive_events: Option<Events>,
    /// Our point of view: do we send, do we receive.
    pub flow: Flow,
    /// Packet length that the far side wants, in ms.
    pub ptime: Option<u16>,
    /// The far side holds us: it does not want what we would send.
    pub held: bool,
    /// It does so in the manner of RFC 2543.
    pub held_by_address: bool,
    /// SRTP with these keys; `None` for plain RTP.
    pub keys: Option<Keys>,
}

/// Our offer, with one audio line.
pub fn offer(local: &Local) -> Bytes {
    print(local, &Layout::SINGLE)
}

/// What to offer to the next leg so that the least has to be transcoded: the laws of
/// G.711 in the far side's order, both always, and telephone events.
pub fn offer_formats_from(far: &Audio) -> (Vec<Format>, Option<Events>) {
    let place = |codec: &Codec| far.formats.iter().position(|format| format.codec == *codec);
    let mut formats = vec![Format::PCMU, Format::PCMA];
    formats.sort_by_key(|format| place(&format.codec).unwrap_or(usize::MAX));
    // A number outside the dynamic range (RFC 3551 §3) would be another codec's.
    let far_pt = far.events.map(|events| events.pt).filter(|pt| (96..=127).contains(pt));
    let events = Events { pt: far_pt.unwrap_or(EVENTS_PT), clock: EVENTS_CLOCK };
    (formats, Some(events))
}

/// Answers an offer: one codec of it, `preferred` (what the other leg speaks) if it is
/// there, else the far side's favourite among ours. Payload types stay the offer's.
///
/// # Errors
/// When there is no audio, its transport is none that `local` accepts, or no codec is common.
pub fn answer(offer: &Description, local: &Local, preferred: Option<&Codec>) -> Result<(Bytes, Negotiated), SdpError> {
    let far = offer.audio.as_ref().ok_or(SdpError::NoAudio)?;
    let crypto = local.security.choose(far, offer.audio_proto())?.and_then(|theirs| local.security.accept(theirs));
    let (line, keys) = crypto.unzip();
    let receive = shared(&far.formats, &local.formats, preferred);
    let send = receive.first().cloned().ok_or_else(|| no_common_codec(far))?;
    let events = far.events.filter(|_| local.events.is_some());
    let flow = local.flow.and(far.flow.reversed());
    let rtcp_mux = far.rtcp_mux && local.rtcp_mux;

    let said = Local {
        formats: vec![send.clone()],
        events,
        flow,
        ptime: local.ptime.or(far.ptime),
        rtcp_mux,
        ..local.clone()
    };
    let layout = Layout {
        media: &offer.media,
        audio_index: offer.audio_index,
        proto: offer.audio_proto(),
        crypto: line.as_slice(),
    };
    let negotiated = Negotiated {
        remote: far.rtp(),
        remote_rtcp: remote_rtcp(far, rtcp_mux),
        rtcp_mux,
        send,
        receive,
        send_events: events,
        receive_events: events,
        flow,
        ptime: wanted_ptime(far),
        held: !far.flow.receives(),
        held_by_address: far.held_by_address,
        keys,
    };
    Ok((print(&said, &layout), negotiated))
}

/// Whether `offer` can be answered with one of `formats` at all.
///
/// # Errors
/// As [`answer`].
pub fn answerable(offer: &Description, formats: &[Format], security: &Security) -> Result<(), SdpError> {
    let far = offer.audio.as_ref().ok_or(SdpError::NoAudio)?;
    security.choose(far, offer.audio_proto())?;
    match shared(&far.formats, formats, None).is_empty() {
        true => Err(no_common_codec(far)),
        false => Ok(()),
    }
}

/// What follows from the far side's answer to our offer.
///
/// # Errors
/// When the audio was refused, or was answered with a transport or codecs that we did not offer.
pub fn conclude(our_offer: &Local, answer: &Description) -> Result<Negotiated, SdpError> {
    let far = answer.audio.as_ref().ok_or(SdpError::Refused)?;
    let keys = our_offer.security.conclude(far, answer.audio_proto())?;
    let spoken = shared(&far.formats, &our_offer.formats, None);
    let send = spoken.first().cloned().ok_or_else(|| no_common_codec(far))?;
    // Each side sends with the numbers of the other's description (RFC 3264 §6.1).
    let mut receive = our_offer.formats.clone();
    receive.sort_by_key(|ours| spoken.iter().position(|theirs| theirs.codec == ours.codec).unwrap_or(usize::MAX));
    let rtcp_mux = far.rtcp_mux && our_offer.rtcp_mux;
    Ok(Negotiated {
        remote: far.rtp(),
        remote_rtcp: remote_rtcp(far, rtcp_mux),
        rtcp_mux,
        send,
        receive,
        send_events: far.events.filter(|_| our_offer.events.is_some()),
        receive_events: our_offer.events.filter(|_| far.events.is_some()),
        flow: our_offer.flow.and(far.flow.reversed()),
        ptime: wanted_ptime(far),
        // Where we offered not to send, its silence is our own doing.
        held: our_offer.flow.sends() && !far.flow.receives(),
        held_by_address: far.held_by_address,
        keys,
    })
}

/// The far side's formats whose codec is also ours, in its order, `preferred` first.
fn shared(far: &[Format], ours: &[Format], preferred: Option<&Codec>) -> Vec<Format> {
    let known = |format: &&Format| ours.iter().any(|our| our.codec == format.codec);
    let mut both: Vec<Format> = far.iter().filter(known).cloned().collect();
    both.sort_by_key(|format| preferred != Some(&format.codec));
    both
}

fn no_common_codec(far: &Audio) -> SdpError {
    let names: Vec<String> = far.formats.iter().map(|format| format.codec.to_string()).collect();
    SdpError::NoCommonCodec(if names.is_empty() { "none".to_owned() } else { names.join(", ") })
}

fn remote_rtcp(far: &Audio, rtcp_mux: bool) -> SocketAddr {
    let next = SocketAddr::new(far.addr, far.port.saturating_add(1));
    if rtcp_mux { far.rtp() } else { far.rtcp.unwrap_or(next) }
}

fn wanted_ptime(far: &Audio) -> Option<u16> {
    match (far.ptime, far.maxptime) {
        (Some(wanted), Some(longest)) => Some(wanted.min(longest)),
        (wanted, _) => wanted,
    }
}
