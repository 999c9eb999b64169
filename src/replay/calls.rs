//! Which call a datagram of a capture belongs to, and what it means there. Pure.
//!
//! ```text
//! datagram ─ SIP? ─► dialog of its Call-ID ─► inputs for that call, addresses to listen on
//!          └ else ─► by destination, then by source ─► packet of one side of a call
//!                                          └─► unclaimed
//! ```

use super::dialog::{Agreed, Dialog, Signal};
use super::policy::Asked;
use crate::base::Side;
use crate::ledger::{EndReason, Outcome};
use crate::sdp::Audio;
use crate::sip::message::{Message, Method};
use crate::sip::parse::parse_datagram;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

/// Call-IDs without INVITE that are told apart; the rest are counted as one.
const MOST_HEADLESS: usize = 10_000;

/// A call of this capture; they count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u64);

/// What a datagram means.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// RTP, or what came in its place, from the party on `side`.
    Rtp {
        call: CallKey,
        side: Side,
    },
    Rtcp {
        call: CallKey,
        side: Side,
    },
    /// Signalling, with what follows from it; of another call than before, `Begin` is the first.
    Sip {
        call: Option<CallKey>,
        inputs: Vec<Input>,
    },
    /// Begins like SIP and cannot be read.
    BadSip,
    Unclaimed,
}

/// What signalling means for its call.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Begin { call_id: String, asked: Box<Asked>, from_the_middle: bool },
    Agreed { agreed: Box<Agreed>, signalling: [Option<IpAddr>; 2], info: [bool; 2] },
    Answered,
    Key { side: Side, key: u8 },
    Note(String),
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    call: CallKey,
    /// Who sends to this destination, or from this source.
    side: Side,
    rtcp: bool,
}

#[derive(Debug)]
struct Known {
    dialog: Dialog,
    call_id: String,
    addresses: HashSet<SocketAddr>,
}

/// The calls whose signalling was seen, and the addresses of their media.
#[derive(Debug, Default)]
pub struct Calls {
    known: BTreeMap<CallKey, Known>,
    by_call_id: HashMap<String, CallKey>,
    by_destination: HashMap<SocketAddr, Claim>,
    by_source: HashMap<SocketAddr, Claim>,
    headless: HashSet<String>,
    last: u64,
}

impl Calls {
    /// Looks at one datagram, in the order of the capture.
    pub fn see(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Seen {
        if looks_like_sip(payload) {
            return match parse_datagram(payload) {
                Ok(message) => self.message(&message, source),
                Err(_) => Seen::BadSip,
            };
        }
        let claim = self.by_destination.get(&destination).or_else(|| self.by_source.get(&source));
        match claim {
            Some(Claim { call, side, rtcp: false }) => Seen::Rtp { call: *call, side: *side },
            Some(Claim { call, side, rtcp: true }) => Seen::Rtcp { call: *call, side: *side },
            None => Seen::Unclaimed,
        }
    }

    /// How a call went, as far as its signalling was seen.
    pub fn outcome(&self, call: CallKey) -> (Outcome, Option<EndReason>) {
        self.known.get(&call).map_or((Outcome::Answered, None), |known| known.dialog.outcome())
    }

    /// The call is reported: its addresses are free again.
    pub fn forget(&mut self, call: CallKey) {
        let Some(known) = self.known.remove(&call) else { return };
        self.by_call_id.remove(&known.call_id);
        for address in known.addresses {
            for claims in [&mut self.by_destination, &mut self.by_source] {
                if claims.get(&address).is_some_and(|claim| claim.call == call) {
                    claims.remove(&address);
                }
            }
        }
    }

    /// Call-IDs of calls whose INVITE is not in the capture.
    pub fn headless(&self) -> usize {
        self.headless.len()
    }

    /// Addresses that are listened on: what grows with calls at a time, and with nothing else.
    pub fn addresses(&self) -> usize {
        self.by_destination.len() + self.by_source.len()
    }

    fn message(&mut self, message: &Message, source: SocketAddr) -> Seen {
        let Some(call_id) = message.headers().get("Call-ID") else { return Seen::BadSip };
        if let Some(call) = self.by_call_id.get(call_id).copied() {
            return Seen::Sip { call: Some(call), inputs: self.inputs(call, message, source.ip()) };
        }
        let Message::Request(request) = message else { return self.unknown(message, call_id) };
        if request.method != Method::Invite {
            return self.unknown(message, call_id);
        }
        let Some((dialog, asked)) = Dialog::new(request, source.ip()) else { return Seen::BadSip };
        self.last += 1;
        let call = CallKey(self.last);
        let from_the_middle = dialog.is_from_the_middle();
        let call_id = call_id.to_owned();
        self.by_call_id.insert(call_id.clone(), call);
        self.known.insert(call, Known { dialog, call_id: call_id.clone(), addresses: HashSet::new() });
        let mut inputs = vec![Input::Begin { call_id, asked: Box::new(asked), from_the_middle }];
        inputs.extend(self.inputs(call, message, source.ip()));
        Seen::Sip { call: Some(call), inputs }
    }

    /// A message of no call that we know: only what belongs to an INVITE dialog is missed.
    fn unknown(&mut self, message: &Message, call_id: &str) -> Seen {
        let method = match message {
            Message::Request(request) => Some(request.method.clone()),
            Message::Response(response) => response.cseq().ok().map(|cseq| cseq.method),
        };
        let of_a_call = matches!(
            method,
            Some(
                Method::Invite
                    | Method::Ack
                    | Method::Bye
                    | Method::Cancel
                    | Method::Prack
                    | Method::Update
                    | Method::Info
            )
        );
        if of_a_call && self.headless.len() < MOST_HEADLESS {
            self.headless.insert(call_id.to_owned());
        }
        Seen::Sip { call: None, inputs: Vec::new() }
    }

    fn inputs(&mut self, call: CallKey, message: &Message, source: IpAddr) -> Vec<Input> {
        let Some(known) = self.known.get_mut(&call) else { return Vec::new() };
        let signals = known.dialog.handle(message, source);
        let dialog = &known.dialog;
        let signalling = Side::BOTH.map(|side| dialog.signalling(side));
        let info = Side::BOTH.map(|side| dialog.understands_info(side));
        let mut inputs = Vec::new();
        for signal in signals {
            match signal {
                Signal::Listens { side, audio } => self.listen(call, side, &audio),
                Signal::Agreed(agreed) => inputs.push(Input::Agreed { agreed, signalling, info }),
                Signal::Answered => inputs.push(Input::Answered),
                Signal::Key { side, key } => inputs.push(Input::Key { side, key }),
                Signal::BadSdp(error) => {
                    inputs.push(Input::Note(format!("a session description cannot be used: {error}")))
                }
                Signal::HungUp => inputs.push(Input::Ended),
            }
        }
        inputs
    }

    /// What goes to `side`'s address comes from the other, what comes from there is its own.
    fn listen(&mut self, call: CallKey, side: Side, audio: &Audio) {
        if audio.held_by_address {
            return;
        }
        let next = SocketAddr::new(audio.addr, audio.port.saturating_add(1));
        let rtcp = audio.rtcp.unwrap_or(next);
        let Some(known) = self.known.get_mut(&call) else { return };
        for (address, rtcp) in [(rtcp, true), (audio.rtp(), false)] {
            known.addresses.insert(address);
            self.by_destination.insert(address, Claim { call, side: side.other(), rtcp });
            self.by_source.insert(address, Claim { call, side, rtcp });
        }
    }
}

/// RTP, RTCP, STUN and DTLS never begin with a letter (RFC 7983 §7).
fn looks_like_sip(payload: &[u8]) -> bool {
    let [first, ..] = payload else { return false };
    let line = payload.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    first.is_ascii_alphabetic() && line.windows(8).any(|part| part == b"SIP/2.0\r" || part == b"SIP/2.0 ")
}

#[cfg(test)]
mod tests;
