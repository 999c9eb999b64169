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
/// The RTP clock of Opus.
const WIDE_CLOCK: u32 = 48_000;

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

impl Local {
    /// The same with more formats, before the noise and under payload types that are free.
    #[must_use]
    pub fn with_more(&self, more: &[Format]) -> Local {
        let mut formats = self.formats.clone();
        for format in more {
            let taken = |pt: u8| {
                formats.iter().any(|other| other.pt == pt) || self.events.is_some_and(|events| events.pt == pt)
            };
            let pt = [format.pt].into_iter().chain(96..=127).find(|pt| !taken(*pt)).unwrap_or(format.pt);
            formats.push(Format { pt, ..format.clone() });
        }
        formats.sort_by_key(Format::is_noise);
        Local { formats, ..self.clone() }
    }

    /// Events for codecs of another clock than that of `events`, in an offer (RFC 4733 §2.1).
    pub(super) fn wide_events(&self) -> Option<Events> {
        let events = self.events?;
        let clock = self.formats.iter().map(|format| format.codec.clock()).find(|clock| *clock == WIDE_CLOCK)?;
        let taken = |pt: &u8| *pt == events.pt || self.formats.iter().any(|format| format.pt == *pt);
        let pt = [97].into_iter().chain(98..=127).find(|pt| !taken(pt))?;
        (events.clock != clock).then_some(Events { pt, clock })
    }
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
    print(local, &Layout { wide_events: local.wide_events(), ..Layout::SINGLE })
}

/// What to offer to the next leg so that the least has to be transcoded: those of `ours` that the
/// far side named, in its order and under its parameters, and G.711, as far as it is among `ours`,
/// for whoever has none of them. Telephone events always.
pub fn offer_formats_from(far: &Audio, ours: &[Format]) -> (Vec<Format>, Option<Events>) {
    let mut formats: Vec<Format> =
        far.formats.iter().filter(|format| is_among(format, ours)).map(|format| ours_of(format, ours)).collect();
    let fallback = ours.iter().filter(|format| matches!(format.codec, Codec::Pcmu | Codec::Pcma));
    let missing: Vec<Format> = fallback.filter(|our| !is_among(our, &formats)).cloned().collect();
    formats.extend(missing);
    numbered(formats, far)
}

/// As [`offer_formats_from`], with what only the far side knows behind it: it is passed through.
/// Where it knows nothing else, that alone: we could not transcode for it.
pub fn offer_with_foreign(far: &Audio, ours: &[Format]) -> (Vec<Format>, Option<Events>) {
    let (known, events) = offer_formats_from(far, ours);
    let foreign = || far.formats.iter().filter(|format| !is_among(format, ours) && !format.is_noise()).cloned();
    let common = far.formats.iter().any(|format| is_among(format, ours) && !format.is_noise());
    match (foreign().next().is_some(), common) {
        (false, _) => (known, events),
        (true, true) => numbered(known.into_iter().chain(foreign()).collect(), far),
        (true, false) => numbered(foreign().collect(), far),
    }
}

fn is_among(format: &Format, ours: &[Format]) -> bool {
    ours.iter().any(|our| our.codec == format.codec)
}

/// Payload types of their own for all formats, and one for events.
fn numbered(mut formats: Vec<Format>, far: &Audio) -> (Vec<Format>, Option<Events>) {
    unclash(&mut formats);
    // Noise is said last: some take the first for the favourite whatever it is.
    formats.sort_by_key(Format::is_noise);
    // A number outside the dynamic range (RFC 3551 §3), or a codec's, would be taken for that.
    let free = |pt: &u8| (96..=127).contains(pt) && formats.iter().all(|format| format.pt != *pt);
    let far_pt = far.events.map(|events| events.pt).filter(free);
    let pt = far_pt.or_else(|| [EVENTS_PT].into_iter().chain(96..=127).find(free)).unwrap_or(EVENTS_PT);
    (formats, Some(Events { pt, clock: EVENTS_CLOCK }))
}

/// The far side's parameters under our payload type where that is static, else under its own.
fn ours_of(format: &Format, ours: &[Format]) -> Format {
    let fixed = ours.iter().find(|our| our.codec == format.codec).map(|our| our.pt).filter(|pt| *pt < 96);
    Format { pt: fixed.unwrap_or(format.pt), ..format.clone() }
}

/// Gives each format a payload type of its own.
fn unclash(formats: &mut [Format]) {
    for at in 0..formats.len() {
        let (before, rest) = formats.split_at_mut(at);
        let Some((format, after)) = rest.split_first_mut() else { return };
        if before.iter().all(|other| other.pt != format.pt) {
            continue;
        }
        let free = |pt: &u8| before.iter().chain(after.iter()).all(|other| other.pt != *pt);
        format.pt = (96..=127).find(free).unwrap_or(format.pt);
    }
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
    let send = spoken(&receive).ok_or_else(|| no_common_codec(far))?;
    let events = far.events_beside(send.codec.clock()).filter(|_| local.events.is_some());
    let flow = local.flow.and(far.flow.reversed());
    let rtcp_mux = far.rtcp_mux && local.rtcp_mux;

    let said = Local {
        formats: said_formats(&send, &receive, &local.formats),
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
        wide_events: None,
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
    match spoken(&shared(&far.formats, formats, None)) {
        None => Err(no_common_codec(far)),
        Some(_) => Ok(()),
    }
}

/// What follows from the far side's answer to our offer.
///
/// # Errors
/// When the audio was refused, or was answered with a transport or codecs that we did not offer.
pub fn conclude(our_offer: &Local, answer: &Description) -> Result<Negotiated, SdpError> {
    let far = answer.audio.as_ref().ok_or(SdpError::Refused)?;
    let keys = our_offer.security.conclude(far, answer.audio_proto())?;
    let both = shared(&far.formats, &our_offer.formats, None);
    let send = spoken(&both).ok_or_else(|| no_common_codec(far))?;
    let send_events = far.events_beside(send.codec.clock()).filter(|_| our_offer.events.is_some());
    // Each side's events under its own number, in the same clock.
    let wide = our_offer.wide_events().filter(|wide| send_events.is_some_and(|far| far.clock == wide.clock));
    // Each side sends with the numbers of the other's description (RFC 3264 §6.1).
    let mut receive = our_offer.formats.clone();
    receive.sort_by_key(|ours| both.iter().position(|theirs| theirs.codec == ours.codec).unwrap_or(usize::MAX));
    let rtcp_mux = far.rtcp_mux && our_offer.rtcp_mux;
    Ok(Negotiated {
        remote: far.rtp(),
        remote_rtcp: remote_rtcp(far, rtcp_mux),
        rtcp_mux,
        send,
        receive,
        send_events,
        receive_events: wide.or(our_offer.events).filter(|_| send_events.is_some()),
        flow: our_offer.flow.and(far.flow.reversed()),
        ptime: wanted_ptime(far),
        // Where we offered not to send, its silence is our own doing.
        held: our_offer.flow.sends() && !far.flow.receives(),
        held_by_address: far.held_by_address,
        keys,
    })
}

/// The codec that both speak from now on.
fn spoken(both: &[Format]) -> Option<Format> {
    both.iter().find(|format| !format.is_noise()).cloned()
}

/// What an answer says: the one codec under the offer's number, with our parameters where we have
/// some, and comfort noise where it stands beside it in the offer.
fn said_formats(send: &Format, both: &[Format], ours: &[Format]) -> Vec<Format> {
    let own = ours.iter().find(|our| our.codec == send.codec).and_then(|our| our.fmtp.clone());
    let said = Format { fmtp: own.or_else(|| send.fmtp.clone()), ..send.clone() };
    let noise = both.iter().filter(|format| format.is_noise() && format.codec.clock() == send.codec.clock());
    std::iter::once(said).chain(noise.cloned()).collect()
}

/// The far side's formats whose codec is also ours, in its order, `preferred` first.
fn shared(far: &[Format], ours: &[Format], preferred: Option<&Codec>) -> Vec<Format> {
    let known = |format: &&Format| ours.iter().any(|our| our.codec == format.codec);
    let mut both: Vec<Format> = far.iter().filter(known).cloned().collect();
    both.sort_by_key(|format| (format.is_noise(), preferred != Some(&format.codec)));
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
