//! What two parties agreed between themselves, as the two legs of a call through us.
//!
//! In the capture the parties talk to each other; in the media path each talks to us. A packet from
//! A to B is what leg A receives, under the payload types that B's description gave; what leg A is
//! sent, A's description says.

use super::dialog::Agreed;
use crate::audio::Coding;
use crate::base::Side;
use crate::media::{LegMedia, RECEIVED};
use crate::rtp::srtp::Keys;
use crate::sdp::Audio;
use std::net::{IpAddr, SocketAddr};

/// One party's leg.
#[derive(Clone, Debug, PartialEq)]
pub struct Negotiated {
    pub media: LegMedia,
    /// As in SDP, of what this party sends.
    pub codec: String,
    /// What it sends first of all, as far as we have it.
    pub coding: Coding,
    /// We lack the codec: packets are counted, nothing can be recorded.
    pub unknown: bool,
}

/// The leg of `side`, whose signalling comes from `signalling`.
pub fn leg(agreed: &Agreed, side: Side, signalling: Option<IpAddr>, info: bool) -> Negotiated {
    let [caller, callee] = &agreed.said;
    let (own, far) = match side {
        Side::Caller => (caller, callee),
        Side::Callee => (callee, caller),
    };
    let receive = codings(far);
    let flow = own.flow.and(far.flow.reversed());
    let rtcp_mux = own.rtcp_mux && far.rtcp_mux;
    let next = SocketAddr::new(own.addr, own.port.saturating_add(1));
    let unknown = !speaks(&receive) || !speaks(&codings(own));
    let both = own.events.is_some() && far.events.is_some();
    let coding = coding(own, far);
    let clock = coding.clock().0;
    let media = LegMedia {
        remote: own.rtp(),
        remote_rtcp: if rtcp_mux { own.rtp() } else { own.rtcp.unwrap_or(next) },
        rtcp_mux,
        signalling_ip: signalling.unwrap_or(own.addr),
        send: (own_pt(own, coding), coding),
        receive: if unknown { [None; RECEIVED] } else { receive },
        ptime: own.ptime.unwrap_or(20),
        send_events: own.events_beside(clock).filter(|_| both).map(|events| (events.pt, events.clock)),
        receive_events: far.events_beside(clock).filter(|_| both).map(|events| (events.pt, events.clock)),
        info,
        sends: flow.receives(),
        receives: flow.sends(),
        held: holds(far, own, agreed.offerer == side.other()),
        keys: keys(own, far),
    };
    Negotiated { media, codec: codec(own, far), coding, unknown }
}

/// What the party protects its packets with, and its far side those to it (RFC 4568 §5.1): of the
/// lines offered the one whose tag the answer took.
fn keys(own: &Audio, far: &Audio) -> Option<Keys> {
    let pairs = own.crypto.iter().flat_map(|own| far.crypto.iter().map(move |far| (own, far)));
    let (own, far) = pairs.into_iter().find(|(own, far)| own.tag == far.tag && own.suite == far.suite)?;
    Some(Keys { send: far.key.clone(), receive: own.key.clone(), mki_length: own.mki_length })
}

/// Whether `holder` keeps `held` on hold: it does not want to hear it, and not only because its
/// answer had to follow what `held` offered itself.
fn holds(holder: &Audio, held: &Audio, holder_offered: bool) -> bool {
    !holder.flow.receives() && (holder_offered || held.flow.sends())
}

/// Payload types that we can decode, in the party's order.
fn codings(audio: &Audio) -> [Option<(u8, Coding)>; RECEIVED] {
    let named = audio.formats.iter().filter_map(|format| {
        let codec = &format.codec;
        Some((format.pt, Coding::named(codec.name(), codec.clock(), codec.channels())?))
    });
    LegMedia::received(named)
}

/// The first that both have, in the far side's order.
fn coding(own: &Audio, far: &Audio) -> Coding {
    let ours = codings(own);
    let shared = |coding: &Coding| ours.iter().flatten().any(|(_, own)| own == coding);
    let theirs = codings(far).into_iter().flatten().map(|(_, coding)| coding);
    theirs.filter(|coding| coding.has_samples()).find(shared).unwrap_or(Coding::PCMU)
}

/// The payload type that a party gave to a coding.
fn own_pt(own: &Audio, coding: Coding) -> u8 {
    codings(own).iter().flatten().find(|(_, own)| *own == coding).map_or(0, |(pt, _)| *pt)
}

/// Whether there is more than comfort noise.
fn speaks(codings: &[Option<(u8, Coding)>; RECEIVED]) -> bool {
    codings.iter().flatten().any(|(_, coding)| coding.has_samples())
}

/// What `own` sends first of all: the far side's favourite that it has too.
fn codec(own: &Audio, far: &Audio) -> String {
    let common = far.formats.iter().find(|format| own.formats.iter().any(|other| other.codec == format.codec));
    common.or(far.formats.first()).map_or_else(|| "none".to_owned(), |format| format.codec.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::parse;

    fn audio(addr: &str, lines: &str) -> Audio {
        parse(format!("v=0\r\nc=IN IP4 {addr}\r\n{lines}").as_bytes()).unwrap().audio.unwrap()
    }

    fn agreed(caller: &str, callee: &str) -> Agreed {
        Agreed { offerer: Side::Caller, said: [audio("192.0.2.1", caller), audio("192.0.2.2", callee)] }
    }

    #[test]
    fn a_leg_receives_under_the_payload_types_that_the_other_party_gave() {
        let agreed = agreed(
            "m=audio 4000 RTP/AVP 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\n",
            "m=audio 5000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
        );
        let caller = leg(&agreed, Side::Caller, None, true);
        assert_eq!(caller.media.remote, "192.0.2.1:4000".parse().unwrap());
        assert_eq!(caller.media.remote_rtcp, "192.0.2.1:4001".parse().unwrap());
        assert_eq!(caller.media.receive, LegMedia::received([(0, Coding::PCMU)]));
        assert_eq!((caller.media.receive_events, caller.media.send_events), (Some((101, 8_000)), Some((96, 8_000))));
        let callee = leg(&agreed, Side::Callee, None, true);
        assert_eq!(callee.media.receive, LegMedia::received([(8, Coding::PCMA), (0, Coding::PCMU)]));
        assert_eq!((caller.codec.as_str(), callee.codec.as_str()), ("PCMU", "PCMU"));
    }

    #[test]
    fn the_party_that_is_not_listened_to_is_the_held_one() {
        let rows = [
            ("sendrecv", "sendrecv", [false, false]),
            ("sendonly", "recvonly", [false, true]),
            ("recvonly", "sendonly", [false, false]),
            ("inactive", "inactive", [false, true]),
            ("sendrecv", "sendonly", [true, false]),
        ];
        for (offer, answer, held) in rows {
            let line = |flow: &str| format!("m=audio 4000 RTP/AVP 0\r\na={flow}\r\n");
            let agreed = agreed(&line(offer), &line(answer));
            let found = Side::BOTH.map(|side| leg(&agreed, side, None, false).media.held);
            assert_eq!(found, held, "{offer}, answered {answer}");
        }
    }

    #[test]
    fn a_codec_that_we_lack_is_named_and_takes_no_packet() {
        let agreed = agreed("m=audio 4000 RTP/AVP 3\r\n", "m=audio 5000 RTP/AVP 3\r\n");
        let caller = leg(&agreed, Side::Caller, None, false);
        assert!(caller.unknown);
        assert_eq!((caller.codec.as_str(), caller.media.receive), ("GSM", [None; RECEIVED]));
    }
}
