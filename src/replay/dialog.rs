//! The signalling of one captured call (one Call-ID), as a pure machine: messages in, what they
//! mean for the call out.
//!
//! ```text
//! Ringing ─200─► Talking ─BYE─► Over
//!    │  ▲           (a BYE, INFO or offer of another fork's dialog is left aside)
//!    ▼  └─another INVITE, 18x or 200 (challenge, redirection, another branch)
//! Refused
//! ```
//! Sides are told apart by the From tag, not by address: a message is understood the same at every
//! hop, and its second sight one hop further is a repetition.

use super::policy::Asked;
use crate::base::Side;
use crate::call::key_of_info;
use crate::ledger::{EndReason, Outcome};
use crate::sdp::{self, Audio};
use crate::sip::message::{Message, Method, Request, Response};
use crate::sip::refer::Refer;
use std::net::IpAddr;

/// What a message meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// A party said where it wants its media.
    Listens { side: Side, audio: Box<Audio> },
    /// Offer and answer are complete.
    Agreed(Box<Agreed>),
    /// The callee has answered.
    Answered,
    /// A digit as SIP INFO.
    Key { side: Side, key: u8 },
    /// A session description that cannot be used.
    BadSdp(sdp::SdpError),
    /// REFER: the other side is to call somebody else.
    Refers { side: Side, refer: Box<Refer> },
    /// BYE.
    HungUp,
}

/// What both parties said of the audio.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreed {
    pub offerer: Side,
    /// Caller, callee.
    pub said: [Audio; 2],
}

/// An INVITE or UPDATE that waits for its answer.
#[derive(Clone, Debug)]
struct Exchange {
    by: Side,
    method: Method,
    seq: u32,
    offer: Option<Audio>,
    /// The offer came with the response (late offer): the answer comes with ACK or PRACK.
    late: Option<Audio>,
}

/// Exchanges that are remembered; a call has one or two at a time.
const EXCHANGES: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Ringing { cancelled: bool },
    Refused { status: u16 },
    Talking { callee_tag: Option<String> },
    Over(EndReason),
}

/// One call's signalling.
#[derive(Clone, Debug)]
pub struct Dialog {
    state: State,
    caller_tag: Option<String>,
    exchanges: Vec<Exchange>,
    /// Where each side's messages come from.
    signalling: [Option<IpAddr>; 2],
    /// Whether each side understands INFO.
    info: [bool; 2],
    /// CSeq of the last INFO of each side.
    last_info: [Option<u32>; 2],
    answered: bool,
    /// The INVITE that began the call is not in the capture.
    from_the_middle: bool,
}

impl Dialog {
    /// A call begins with this INVITE, or, when it has a To tag, is first seen at it.
    pub fn new(invite: &Request, source: IpAddr) -> Option<(Self, Asked)> {
        let asked = Asked { from: invite.from().ok()?, to: invite.to().ok()?, source };
        let dialog = Dialog {
            state: State::Ringing { cancelled: false },
            caller_tag: invite.from_tag(),
            exchanges: Vec::new(),
            signalling: [None; 2],
            info: [false; 2],
            last_info: [None; 2],
            answered: false,
            from_the_middle: invite.to_tag().is_some(),
        };
        Some((dialog, asked))
    }

    pub const fn is_from_the_middle(&self) -> bool {
        self.from_the_middle
    }

    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    /// The side that a tag of the dialog belongs to.
    pub fn side_of_tag(&self, tag: &str) -> Side {
        if self.caller_tag.as_deref() == Some(tag) { Side::Caller } else { Side::Callee }
    }

    /// It came to nothing.
    pub const fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused { .. } | State::Over(EndReason::CallerCancelled))
    }

    /// Where the signalling of a side comes from, once a message of it was seen.
    pub const fn signalling(&self, side: Side) -> Option<IpAddr> {
        let [caller, callee] = self.signalling;
        match side {
            Side::Caller => caller,
            Side::Callee => callee,
        }
    }

    pub const fn understands_info(&self, side: Side) -> bool {
        let [caller, callee] = self.info;
        match side {
            Side::Caller => caller,
            Side::Callee => callee,
        }
    }

    /// How the call went, as far as was seen, and why it ended.
    pub fn outcome(&self) -> (Outcome, Option<EndReason>) {
        match &self.state {
            State::Ringing { cancelled: true } => (Outcome::Cancelled, Some(EndReason::CallerCancelled)),
            State::Ringing { cancelled: false } => (Outcome::Ringing, None),
            State::Refused { status } => (refusal(*status), Some(EndReason::Rejected { status: *status })),
            State::Talking { .. } => (Outcome::Answered, None),
            State::Over(EndReason::CallerCancelled) => (Outcome::Cancelled, Some(EndReason::CallerCancelled)),
            State::Over(reason) => (Outcome::Completed, Some(reason.clone())),
        }
    }

    /// Takes a message of this Call-ID.
    pub fn handle(&mut self, message: &Message, source: IpAddr) -> Vec<Signal> {
        let side = self.sender(message);
        self.learn(side, message, source);
        match message {
            Message::Request(request) => self.request(side, request),
            Message::Response(response) => self.response(side, response),
        }
    }

    fn sender(&self, message: &Message) -> Side {
        let (tag, is_request) = match message {
            Message::Request(request) => (request.from_tag(), true),
            Message::Response(response) => (response.from_tag(), false),
        };
        match (tag == self.caller_tag) == is_request {
            true => Side::Caller,
            false => Side::Callee,
        }
    }

    fn learn(&mut self, side: Side, message: &Message, source: IpAddr) {
        let headers = message.headers();
        if let Some(slot) = self.signalling.get_mut(side.channel()) {
            slot.get_or_insert(source);
        }
        if let Some(info) = self.info.get_mut(side.channel()).filter(|_| headers.has("Allow")) {
            *info = headers.names("Allow", "INFO");
        }
    }

    fn request(&mut self, side: Side, request: &Request) -> Vec<Signal> {
        if !self.is_of_this_dialog(side, request) {
            return Vec::new();
        }
        match request.method {
            Method::Invite | Method::Update => self.offered(side, request),
            Method::Ack | Method::Prack => self.answered_late(side, request),
            Method::Bye => self.bye(side),
            Method::Cancel => {
                if let State::Ringing { cancelled } = &mut self.state {
                    *cancelled = true;
                }
                Vec::new()
            }
            Method::Info => self.key(side, request).into_iter().collect(),
            Method::Refer => match Refer::read(request) {
                Ok(refer) if matches!(self.state, State::Talking { .. }) => {
                    vec![Signal::Refers { side, refer: Box::new(refer) }]
                }
                Ok(_) | Err(_) => Vec::new(),
            },
            Method::Register
            | Method::Options
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other(_) => Vec::new(),
        }
    }

    /// A caller has a dialog with each fork that answered: one of them is the call.
    fn is_of_this_dialog(&self, side: Side, request: &Request) -> bool {
        let State::Talking { callee_tag: Some(ours) } = &self.state else { return true };
        let callee_tag = match side {
            Side::Caller => request.to_tag(),
            Side::Callee => request.from_tag(),
        };
        callee_tag.is_none_or(|tag| tag == *ours)
    }

    fn offered(&mut self, side: Side, request: &Request) -> Vec<Signal> {
        let Ok(cseq) = request.cseq() else { return Vec::new() };
        let seen =
            |exchange: &&Exchange| exchange.by == side && exchange.method == request.method && exchange.seq == cseq.seq;
        if self.is_over() || self.exchanges.iter().any(|exchange| seen(&exchange)) {
            return Vec::new();
        }
        if let State::Refused { .. } = self.state {
            self.state = State::Ringing { cancelled: false };
        }
        let (offer, signals) = heard(side, &request.body, is_sdp(&request.headers));
        if self.exchanges.len() >= EXCHANGES {
            self.exchanges.remove(0);
        }
        self.exchanges.push(Exchange { by: side, method: cseq.method, seq: cseq.seq, offer, late: None });
        signals
    }

    fn response(&mut self, side: Side, response: &Response) -> Vec<Signal> {
        let Ok(cseq) = response.cseq() else { return Vec::new() };
        let Some(at) =
            self.exchanges.iter().position(|e| e.by == side.other() && e.method == cseq.method && e.seq == cseq.seq)
        else {
            return Vec::new();
        };
        if response.status >= 300 {
            self.exchanges.remove(at);
            self.refuse(&cseq.method, response.status);
            return Vec::new();
        }
        if let (State::Talking { callee_tag: Some(ours) }, Some(tag)) = (&self.state, response.to_tag())
            && cseq.method == Method::Invite
            && side == Side::Callee
            && tag != *ours
        {
            return Vec::new();
        }
        let mut signals = self.described(at, side, response);
        if response.is_success() && cseq.method == Method::Invite {
            signals.extend(self.accept(response));
        }
        signals
    }

    /// The description in a response: the answer, or a late offer.
    fn described(&mut self, at: usize, side: Side, response: &Response) -> Vec<Signal> {
        if let State::Refused { .. } = self.state {
            self.state = State::Ringing { cancelled: false };
        }
        let (said, mut signals) = heard(side, &response.body, is_sdp(&response.headers));
        let (Some(said), Some(exchange)) = (said, self.exchanges.get_mut(at)) else { return signals };
        match &exchange.offer {
            Some(offer) => signals.push(agreed(exchange.by, offer.clone(), said)),
            None => exchange.late = Some(said),
        }
        signals
    }

    fn accept(&mut self, response: &Response) -> Option<Signal> {
        match self.state {
            State::Ringing { .. } | State::Refused { .. } => {}
            State::Talking { .. } | State::Over(_) => return None,
        }
        // A call seen from its middle has its tags already, and either side may have asked.
        let callee_tag = if self.from_the_middle { None } else { response.to_tag() };
        self.state = State::Talking { callee_tag };
        self.answered = true;
        Some(Signal::Answered)
    }

    fn refuse(&mut self, method: &Method, status: u16) {
        let State::Ringing { cancelled } = self.state else { return };
        if *method == Method::Invite {
            self.state = match cancelled {
                true => State::Over(EndReason::CallerCancelled),
                false => State::Refused { status },
            };
        }
    }

    fn answered_late(&mut self, side: Side, request: &Request) -> Vec<Signal> {
        let Some(at) = self.exchanges.iter().rposition(|e| e.by == side && e.late.is_some()) else { return Vec::new() };
        let (said, mut signals) = heard(side, &request.body, is_sdp(&request.headers));
        if let (Some(answer), Some(exchange)) = (said, self.exchanges.get_mut(at))
            && let Some(offer) = exchange.late.take()
        {
            signals.push(agreed(side.other(), offer, answer));
        }
        signals
    }

    fn bye(&mut self, side: Side) -> Vec<Signal> {
        if !matches!(self.state, State::Talking { .. }) {
            return Vec::new();
        }
        self.state = State::Over(match side {
            Side::Caller => EndReason::CallerHungUp,
            Side::Callee => EndReason::CalleeHungUp,
        });
        vec![Signal::HungUp]
    }

    fn key(&mut self, side: Side, request: &Request) -> Option<Signal> {
        let seq = request.cseq().ok()?.seq;
        let last = self.last_info.get_mut(side.channel())?;
        if last.is_some_and(|last| seq <= last) {
            return None;
        }
        *last = Some(seq);
        let key = key_of_info(request).ok()??;
        Some(Signal::Key { side, key })
    }
}

fn is_sdp(headers: &crate::sip::message::Headers) -> bool {
    headers.content_type().is_none_or(|kind| kind == "application/sdp")
}

/// What a body says of the audio.
fn heard(side: Side, body: &[u8], is_sdp: bool) -> (Option<Audio>, Vec<Signal>) {
    if body.is_empty() || !is_sdp {
        return (None, Vec::new());
    }
    match sdp::parse(body) {
        Ok(description) => {
            let listens = description.audio.clone().map(|audio| Signal::Listens { side, audio: Box::new(audio) });
            (description.audio, listens.into_iter().collect())
        }
        Err(error) => (None, vec![Signal::BadSdp(error)]),
    }
}

fn agreed(offerer: Side, offer: Audio, answer: Audio) -> Signal {
    let said = match offerer {
        Side::Caller => [offer, answer],
        Side::Callee => [answer, offer],
    };
    Signal::Agreed(Box::new(Agreed { offerer, said }))
}

const fn refusal(status: u16) -> Outcome {
    match status {
        486 | 600 => Outcome::Busy,
        408 | 480 => Outcome::NoAnswer,
        487 => Outcome::Cancelled,
        _ => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests;
