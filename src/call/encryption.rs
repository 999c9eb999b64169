//! What a leg does about encryption: what its company demands, and how its signalling travels.
//!
//! Keys in SDP are as secret as the signalling that carries them (RFC 4568 §4.1, §7): we offer
//! them over TLS only. A phone that offers them over UDP or TCP is answered as it asks and the
//! log says so, unless its company allows encrypted calls only: then it is refused.

use super::session::Session;
use super::setup::{Way, session_id};
use super::switch::{Cx, Dice};
use super::trunks::OnTrunk;
use crate::directory::Settings;
use crate::sdp::{Encryption, OfferAnswer, Security};
use crate::sip::message::{Request, Response};
use crate::sip::uri::Scheme;
use crate::sip::{Peer, Transport};

const NOT_OVER_TLS: &str = "Only encrypted calls are allowed here, and their keys must come over TLS";

/// Whether a leg has to be encrypted: the company demands it of all, or the trunk of its own.
pub(super) fn demanded(settings: &Settings, line: Option<OnTrunk>) -> bool {
    settings.only_encrypted || line.is_some_and(|line| line.only_encrypted)
}

/// The exchange of a new leg.
pub(super) fn exchange(only_encrypted: bool, peer: &Peer, cx: &mut Cx<'_>) -> OfferAnswer {
    let encryption = match (only_encrypted, peer.transport) {
        (true, _) => Encryption::Required,
        (false, Transport::Tls) => Encryption::Offered,
        (false, Transport::Udp | Transport::Tcp) => Encryption::Accepted,
    };
    let session = session_id(cx.shell);
    OfferAnswer::new(session).secured(Security::new(encryption, &mut Dice(cx.shell)))
}

/// # Errors
/// With 488 where only encrypted calls are allowed and the caller's keys would not be safe; with
/// 403 where `sips:` asks for TLS all the way (RFC 3261 §26.2.2) and the first hop was none.
pub(super) fn admit_caller(only_encrypted: bool, request: &Request, peer: &Peer) -> Result<(), Box<Response>> {
    match (peer.transport == Transport::Tls, only_encrypted, request.uri.scheme == Scheme::Sips) {
        (true, _, _) | (false, false, false) => Ok(()),
        (false, true, _) => Err(Box::new(request.response(488).with_reason(NOT_OVER_TLS))),
        (false, false, true) => Err(Box::new(request.response(403).with_reason("A sips: address is called over TLS"))),
    }
}

/// The ways over which the call may go on: over TLS only where only encrypted calls are allowed,
/// by the company or the trunk, and where `sips:` is called.
///
/// # Errors
/// With 488 or 480 where none is left.
pub(super) fn safe_ways(settings: &Settings, request: &Request, ways: Vec<Way>) -> Result<Vec<Way>, Box<Response>> {
    let sips = request.uri.scheme == Scheme::Sips;
    let safe = |way: &Way| way.peer.transport == Transport::Tls || !(sips || demanded(settings, way.line));
    let by_trunk = ways.iter().any(|way| demanded(settings, way.line));
    let ways: Vec<Way> = ways.into_iter().filter_map(|way| only(way, safe)).collect();
    let (status, reason) = match (ways.is_empty(), settings.only_encrypted || by_trunk, sips) {
        (true, true, _) => (488, "Only encrypted calls are allowed here, and nothing called is reached over TLS"),
        (true, false, true) => (480, "A sips: address was called, and nothing called is reached over TLS"),
        (true, false, false) | (false, _, _) => return Ok(ways),
    };
    Err(Box::new(request.response(status).with_reason(reason)))
}

/// The first way that is `safe`, and behind it the others that are.
fn only(mut way: Way, safe: impl Fn(&Way) -> bool) -> Option<Way> {
    let mut otherwise = std::mem::take(&mut way.otherwise);
    otherwise.push_front(way);
    otherwise.retain(safe);
    let mut first = otherwise.pop_front()?;
    first.otherwise = otherwise;
    Some(first)
}

/// Our Contact where the far side's is `scheme`: a `sips:` dialog has one on both sides
/// (RFC 3261 §12.1.1).
pub(super) fn contact_for(scheme: &Scheme, contact: String) -> String {
    match *scheme == Scheme::Sips {
        true => contact.replace("<sip:", "<sips:").replace(";transport=tls", ""),
        false => contact,
    }
}

/// Says once a call that its keys can be read on the way.
pub(super) fn warn_of_open_keys(session: &Session) {
    let offer = session.caller.exchange.open_offer().and_then(|offer| offer.audio.as_ref());
    let has_keys = offer.is_some_and(|audio| !audio.crypto.is_empty());
    if has_keys && session.caller.peer.transport != Transport::Tls {
        tracing::warn!(
            call = %session.id(),
            transport = %session.caller.peer.transport,
            "a call's keys came over signalling that is not encrypted: have the phone use TLS"
        );
    }
}
