//! Calls made of RTP alone: what the streams tell of the media stands in for the signalling.

use super::call::Call;
use super::calls::CallKey;
use super::capture::Datagram;
use super::rtp_guess::{FlowKey, Guess, GuessedCall, RtpStream};
use crate::audio::Coding;
use crate::base::{Side, Span, Time, Wall};
use crate::media::LegMedia;
use std::collections::HashMap;
use std::net::SocketAddr;

/// The last packet of a stream lasts this long.
const PACKET: Span = Span::from_millis(20);
/// The payload type that most phones give to telephone events.
const EVENTS: u8 = 101;
const EVENTS_CLOCK: u32 = 8_000;

/// All guessed calls, by flow.
#[derive(Debug)]
pub struct Guessed {
    calls: HashMap<CallKey, Plan>,
    flows: HashMap<FlowKey, Vec<(Wall, Wall, CallKey, Side)>>,
}

/// One guessed call. The stream that began first is the caller's.
#[derive(Clone, Debug)]
pub struct Plan(GuessedCall);

impl Guessed {
    pub fn new(guess: &Guess) -> Self {
        let mut guessed = Guessed { calls: HashMap::new(), flows: HashMap::new() };
        for (number, call) in (1..).zip(&guess.calls) {
            let key = CallKey(number);
            let sides = [(Some(&call.one), Side::Caller), (call.other.as_ref(), Side::Callee)];
            for (stream, side) in sides {
                if let Some(stream) = stream {
                    guessed.flows.entry(stream.flow).or_default().push((stream.first, stream.last, key, side));
                }
            }
            guessed.calls.insert(key, Plan(call.clone()));
        }
        guessed
    }

    /// The call that a datagram belongs to, and who sent it.
    pub fn of(&self, datagram: &Datagram<'_>) -> Option<(CallKey, Side)> {
        let Datagram { at, src, dst, payload: _ } = *datagram;
        let streams = self.flows.get(&FlowKey { src, dst })?;
        let (_, _, key, side) = streams.iter().find(|(first, last, _, _)| (*first..=*last).contains(&at))?;
        Some((*key, *side))
    }

    pub fn plan(&self, key: CallKey) -> Option<&Plan> {
        self.calls.get(&key)
    }
}

impl Plan {
    /// Nothing but addresses is known of the parties.
    pub fn parties(&self) -> [String; 2] {
        let flow = self.0.one.flow;
        let other = self.0.other.as_ref().map_or(flow.dst, |other| other.flow.src);
        [flow.src.to_string(), other.to_string()]
    }

    /// When the last packet of both is over.
    pub fn last(&self) -> Wall {
        let Plan(GuessedCall { one, other }) = self;
        other.as_ref().map_or(one.last, |other| other.last.max(one.last)).plus(PACKET)
    }

    /// Both legs, and the answer at once: where nobody signals, talking is the call.
    pub fn set_up(&self, call: &mut Call, now: Time) {
        let Plan(GuessedCall { one, other }) = self;
        let other_ends = other.as_ref().map_or(one.flow.dst, |other| other.flow.src);
        let legs = [(Side::Caller, Some(one), one.flow.src), (Side::Callee, other.as_ref(), other_ends)];
        for (side, stream, address) in legs {
            let (media, codec) = media(stream, address);
            if media.receive.iter().all(Option::is_none) {
                call.note(format!("the {side} speaks no codec that can be guessed: {codec}"));
            }
            call.set_media(side, media, codec, now);
        }
        call.connect(now);
    }
}

/// A stream's media: static payload types of what we can decode, and beside them one dynamic type, which is
/// then telephone events.
fn media(stream: Option<&RtpStream>, address: SocketAddr) -> (LegMedia, String) {
    let types: Vec<u8> = stream.map(|stream| stream.payload_types.iter().copied().collect()).unwrap_or_default();
    let fixed = |pt: &u8| match pt {
        0 => Some((0, Coding::PCMU)),
        8 => Some((8, Coding::PCMA)),
        9 => Some((9, Coding::G722)),
        18 => Some((18, Coding::G729)),
        _ => None,
    };
    let receive = LegMedia::received(types.iter().filter_map(fixed));
    let dynamic = || types.iter().copied().filter(|pt| *pt >= 96);
    let events = dynamic().find(|pt| *pt == EVENTS).or_else(|| dynamic().next());
    let events = events.filter(|_| receive.iter().any(Option::is_some)).map(|pt| (pt, EVENTS_CLOCK));
    let names: Vec<String> =
        types.iter().filter(|pt| events.is_none_or(|(event, _)| event != **pt)).map(|pt| name(*pt)).collect();
    let media = LegMedia {
        remote: address,
        remote_rtcp: SocketAddr::new(address.ip(), address.port().saturating_add(1)),
        rtcp_mux: true,
        signalling_ip: address.ip(),
        send: (0, Coding::PCMU),
        receive,
        ptime: 20,
        send_events: events,
        receive_events: events,
        info: false,
        sends: true,
        receives: true,
        held: false,
        keys: None,
    };
    (media, names.join(", "))
}

fn name(payload_type: u8) -> String {
    match payload_type {
        0 => "PCMU".to_owned(),
        8 => "PCMA".to_owned(),
        9 => "G722".to_owned(),
        18 => "G729".to_owned(),
        other => format!("payload type {other}"),
    }
}
