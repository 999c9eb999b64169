//! Which call a datagram of a capture belongs to, and what it means there. Pure.
//!
//! ```text
//! datagram ─ SIP? ─► dialog of its Call-ID ─► inputs for that call, addresses to listen on
//!          └ else ─► by destination, then by source ─► packet of one side of a call
//!                                          └─► unclaimed
//! ```
//! An INVITE that obeys a REFER is no call of its own: `transfers`.

use super::dialog::{Agreed, Dialog, Signal};
use super::policy::Asked;
use super::transfers::{Referrals, Successor};
use crate::base::Side;
use crate::ledger::{EndReason, JoinedBy, Outcome};
use crate::sdp::{Audio, SdpError};
use crate::sip::message::{Message, Method, Request};
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
    /// Media of a dialog that is not part of a call yet, or not any more: a transfer.
    Aside,
    Unclaimed,
}

/// What signalling means for its call.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Begin {
        call_id: String,
        asked: Box<Asked>,
        from_the_middle: bool,
    },
    /// A party described its media.
    Listens {
        side: Side,
    },
    Agreed {
        agreed: Box<Agreed>,
        signalling: [Option<IpAddr>; 2],
        info: [bool; 2],
    },
    Answered,
    Key {
        side: Side,
        key: u8,
    },
    /// A transfer came about.
    Joined(Box<Joins>),
    /// A transfer came to nothing, and the consultation was hung up for it.
    Consulted(CallKey),
    Note(String),
    Ended,
}

/// Somebody takes a party's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Joins {
    /// Whose place: the transferor's.
    pub side: Side,
    pub how: JoinedBy,
    /// The call that the one who stays placed.
    pub asked: Asked,
    pub agreed: Agreed,
    pub signalling: [Option<IpAddr>; 2],
    pub info: [bool; 2],
    /// The consultation that it comes from, and its side there.
    pub from: Option<(CallKey, Side)>,
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
    /// It is no call of its own but goes on with one.
    successor: Option<Successor>,
    /// The dialog that this call goes on with.
    heir: Option<CallKey>,
    /// BYE came while another dialog was about to take the place.
    left: bool,
}

/// The calls whose signalling was seen, and the addresses of their media.
#[derive(Debug, Default)]
pub struct Calls {
    known: BTreeMap<CallKey, Known>,
    by_call_id: HashMap<String, CallKey>,
    by_destination: HashMap<SocketAddr, Claim>,
    by_source: HashMap<SocketAddr, Claim>,
    headless: HashSet<String>,
    referrals: Referrals,
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
        let Some(Claim { call, side, rtcp }) = claim.copied() else { return Seen::Unclaimed };
        let (call, side) = match self.known.get(&call) {
            Some(Known { heir: Some(_), .. }) => return Seen::Aside,
            Some(Known { successor: Some(successor), .. }) => match successor.joined {
                true => (successor.call, successor.side(side)),
                false => return Seen::Aside,
            },
            Some(_) | None => (call, side),
        };
        if rtcp { Seen::Rtcp { call, side } } else { Seen::Rtp { call, side } }
    }

    /// How a call went, as far as its signalling was seen.
    pub fn outcome(&self, call: CallKey) -> (Outcome, Option<EndReason>) {
        let Some(known) = self.known.get(&call) else { return (Outcome::Answered, None) };
        let heir = known.heir.and_then(|heir| self.known.get(&heir));
        let Some((heir, successor)) = heir.and_then(|heir| Some((heir, heir.successor.as_ref()?))) else {
            return known.dialog.outcome();
        };
        let (outcome, reason) = heir.dialog.outcome();
        let hung_up = |side| match successor.side(side) {
            Side::Caller => EndReason::CallerHungUp,
            Side::Callee => EndReason::CalleeHungUp,
        };
        let reason = reason.map(|reason| match reason {
            EndReason::CallerHungUp => hung_up(Side::Caller),
            EndReason::CalleeHungUp => hung_up(Side::Callee),
            other => other,
        });
        (outcome, reason)
    }

    /// The call is reported: its addresses are free again.
    pub fn forget(&mut self, call: CallKey) {
        self.referrals.forget(call);
        let of_call = |known: &Known| known.successor.as_ref().is_some_and(|successor| successor.call == call);
        let parts: Vec<CallKey> = self.known.iter().filter(|(_, known)| of_call(known)).map(|(key, _)| *key).collect();
        for part in parts.into_iter().chain([call]) {
            self.forget_dialog(part);
        }
    }

    fn forget_dialog(&mut self, call: CallKey) {
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
            return self.inputs(call, message, source.ip());
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
        let successor = self.successor(request, &asked);
        let begins = successor.is_none();
        self.by_call_id.insert(call_id.clone(), call);
        let addresses = HashSet::new();
        self.known
            .insert(call, Known { dialog, call_id: call_id.clone(), addresses, successor, heir: None, left: false });
        let seen = self.inputs(call, message, source.ip());
        let Seen::Sip { call, inputs } = seen else { return seen };
        let begin = begins.then(|| Input::Begin { call_id, asked: Box::new(asked), from_the_middle });
        Seen::Sip { call, inputs: begin.into_iter().chain(inputs).collect() }
    }

    /// Whether a new INVITE is what a REFER asked for.
    fn successor(&mut self, invite: &Request, asked: &Asked) -> Option<Successor> {
        let (call, side, how, replaces) = self.referrals.take(invite, asked.source)?;
        let from = replaces.and_then(|replaces| {
            let from = *self.by_call_id.get(&replaces.call_id)?;
            // Its to-tag is that of who gets this INVITE (RFC 3891 §3).
            Some((from, self.known.get(&from)?.dialog.side_of_tag(&replaces.to_tag)))
        });
        let (asked, agreed) = (asked.clone(), None);
        Some(Successor { call, side, how, asked, from, answered: false, agreed, joined: false })
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

    fn inputs(&mut self, key: CallKey, message: &Message, source: IpAddr) -> Seen {
        let nothing = |call| Seen::Sip { call, inputs: Vec::new() };
        let Some(known) = self.known.get_mut(&key) else { return nothing(None) };
        let signals = known.dialog.handle(message, source);
        if known.heir.is_some() {
            return nothing(Some(key));
        }
        if known.successor.is_some() {
            return self.successor_inputs(key, signals);
        }
        let dialog = &known.dialog;
        let signalling = Side::BOTH.map(|side| dialog.signalling(side));
        let info = Side::BOTH.map(|side| dialog.understands_info(side));
        let mut inputs = Vec::new();
        for signal in signals {
            match signal {
                Signal::Listens { side, audio } => {
                    self.listen(key, side, &audio);
                    inputs.push(Input::Listens { side });
                }
                Signal::Agreed(agreed) => inputs.push(Input::Agreed { agreed, signalling, info }),
                Signal::Answered => inputs.push(Input::Answered),
                Signal::Key { side, key } => inputs.push(Input::Key { side, key }),
                Signal::BadSdp(error) => inputs.push(Input::Note(bad_sdp(&error))),
                Signal::Refers { side, refer } => {
                    let [caller, callee] = signalling;
                    let transferee = if side == Side::Caller { callee } else { caller };
                    self.referrals.add(key, side, *refer, transferee);
                }
                Signal::HungUp if self.is_taken_over(key) => {
                    if let Some(known) = self.known.get_mut(&key) {
                        known.left = true;
                    }
                }
                Signal::HungUp => inputs.push(Input::Ended),
            }
        }
        Seen::Sip { call: Some(key), inputs }
    }

    /// Whether a dialog that rings is about to go on with this call, or takes the place of it.
    fn is_taken_over(&self, key: CallKey) -> bool {
        self.known.values().any(|known| {
            let of_it =
                |successor: &Successor| successor.call == key || successor.from.is_some_and(|(from, _)| from == key);
            known.successor.as_ref().is_some_and(|successor| !successor.joined && of_it(successor))
                && !known.dialog.is_over()
                && !known.dialog.is_refused()
        })
    }

    /// What the dialog of a transfer means to the call that it goes on with.
    fn successor_inputs(&mut self, key: CallKey, signals: Vec<Signal>) -> Seen {
        let mut inputs = Vec::new();
        for signal in signals {
            if let Signal::Listens { side, audio } = &signal {
                self.listen(key, *side, audio);
            }
            inputs.extend(self.of_successor(key, signal));
        }
        inputs.extend(self.came_about(key));
        inputs.extend(self.came_to_nothing(key));
        let call = self.known.get(&key).and_then(|known| Some(known.successor.as_ref()?.call));
        Seen::Sip { call, inputs }
    }

    fn of_successor(&mut self, key: CallKey, signal: Signal) -> Option<Input> {
        let known = self.known.get_mut(&key)?;
        let signalling = Side::BOTH.map(|side| known.dialog.signalling(side));
        let info = Side::BOTH.map(|side| known.dialog.understands_info(side));
        let successor = known.successor.as_mut()?;
        match signal {
            Signal::Agreed(agreed) => {
                let agreed = successor.agreement(*agreed);
                successor.agreed = Some(agreed.clone());
                let (signalling, info) = (successor.sides(signalling), successor.sides(info));
                successor.joined.then(|| Input::Agreed { agreed: Box::new(agreed), signalling, info })
            }
            Signal::Answered => {
                successor.answered = true;
                None
            }
            Signal::Key { side, key } => successor.joined.then(|| Input::Key { side: successor.side(side), key }),
            Signal::Refers { side, refer } => {
                let (call, side) = (successor.call, successor.side(side));
                let [caller, callee] = successor.sides(signalling);
                let transferee = if side == Side::Caller { callee } else { caller };
                self.referrals.add(call, side, *refer, transferee);
                None
            }
            Signal::HungUp => {
                let (call, joined) = (successor.call, successor.joined);
                let is_last = self.known.get(&call).is_some_and(|call| call.heir == Some(key));
                (joined && is_last).then_some(Input::Ended)
            }
            Signal::BadSdp(error) => Some(Input::Note(bad_sdp(&error))),
            Signal::Listens { .. } => None,
        }
    }

    /// The transfer, as soon as the target has answered and both have said where they listen.
    fn came_about(&mut self, key: CallKey) -> Option<Input> {
        let known = self.known.get_mut(&key)?;
        let signalling = Side::BOTH.map(|side| known.dialog.signalling(side));
        let info = Side::BOTH.map(|side| known.dialog.understands_info(side));
        let successor = known.successor.as_mut().filter(|successor| successor.answered && !successor.joined)?;
        let agreed = successor.agreed.clone()?;
        successor.joined = true;
        let Successor { call, side, how, ref asked, from, .. } = *successor;
        let (signalling, info) = (successor.sides(signalling), successor.sides(info));
        let joins = Joins { side, how, asked: asked.clone(), agreed, signalling, info, from };
        // What both use from now on is theirs, whoever used it before.
        let Agreed { offerer: _, said } = &joins.agreed;
        let own = successor.sides(said.clone());
        for (side, audio) in Side::BOTH.into_iter().zip(&own) {
            self.claim(key, side, audio);
        }
        self.known.get_mut(&call)?.heir = Some(key);
        Some(Input::Joined(Box::new(joins)))
    }

    /// The target refused: who has hung up for it has ended its call.
    fn came_to_nothing(&mut self, key: CallKey) -> Vec<Input> {
        let known = self.known.get(&key).filter(|known| known.dialog.is_refused());
        let Some((call, from)) = known.and_then(|known| known.successor.as_ref()).map(|s| (s.call, s.from)) else {
            return Vec::new();
        };
        let mut left = |key: CallKey| self.known.get_mut(&key).is_some_and(|known| std::mem::take(&mut known.left));
        let consulted = from.filter(|(from, _)| left(*from)).map(|(from, _)| Input::Consulted(from));
        consulted.into_iter().chain(left(call).then_some(Input::Ended)).collect()
    }

    /// What goes to `side`'s address comes from the other, what comes from there is its own. A
    /// transfer under way takes no address from the call that is still up.
    fn listen(&mut self, call: CallKey, side: Side, audio: &Audio) {
        let waits = |successor: &Successor| !successor.joined && self.by_destination.contains_key(&audio.rtp());
        let known = self.known.get(&call);
        if !known.and_then(|known| known.successor.as_ref()).is_some_and(waits) {
            self.claim(call, side, audio);
        }
    }

    fn claim(&mut self, call: CallKey, side: Side, audio: &Audio) {
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

fn bad_sdp(error: &SdpError) -> String {
    format!("a session description cannot be used: {error}")
}

/// RTP, RTCP, STUN and DTLS never begin with a letter (RFC 7983 §7).
fn looks_like_sip(payload: &[u8]) -> bool {
    let [first, ..] = payload else { return false };
    let line = payload.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    first.is_ascii_alphabetic() && line.windows(8).any(|part| part == b"SIP/2.0\r" || part == b"SIP/2.0 ")
}

#[cfg(test)]
mod tests;
