//! From datagrams to scripts.

use super::{Cue, Cued, Offer, Says, Script, Unplaceable};
use crate::base::{Side, Span, Wall};
use crate::ledger::{EndReason, Outcome};
use crate::replay::calls::{CallKey, Calls, Input, Seen};
use crate::replay::capture::Datagram;
use crate::replay::dialog::Agreed;
use crate::replay::negotiated::leg;
use crate::rtp::View;
use crate::rtp::srtp::{Inbound, Keys};
use crate::sdp::{Audio, Flow};
use crate::ua::{RawKind, RawPacket};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// All calls of a capture, side by side.
#[derive(Default)]
pub(super) struct Reader {
    calls: Calls,
    known: BTreeMap<CallKey, Call>,
}

/// One call, as far as it was read.
struct Call {
    call_id: String,
    begun: Wall,
    from_the_middle: bool,
    /// When each side was last heard to describe its media.
    described: [Option<Wall>; 2],
    agreed: Option<Agreed>,
    /// What opens each side's packets, where they are SRTP.
    ciphers: [Option<(Keys, Inbound)>; 2],
    signalling: [Option<IpAddr>; 2],
    first_says: Option<[Says; 2]>,
    without_offer: bool,
    progress: bool,
    answered: bool,
    transferred: bool,
    /// Of the end, or of the refusal or CANCEL seen last.
    ended: Option<Wall>,
    outcome: Outcome,
    cues: Vec<Cued>,
    /// Packets from addresses that neither SDP nor SIP names.
    strangers: [u64; 2],
    /// Before anything was agreed, and what is no RTP of an agreed type.
    unreadable: u64,
}

impl Reader {
    pub(super) fn see(&mut self, datagram: &Datagram<'_>) {
        let Datagram { at, src, dst, payload } = *datagram;
        match self.calls.see(src, dst, payload) {
            Seen::Sip { call: Some(key), inputs } => self.signalled(key, inputs, at),
            Seen::Rtp { call, side } => {
                if let Some(call) = self.known.get_mut(&call) {
                    call.rtp(side, src, payload, at);
                }
            }
            Seen::Sip { call: None, .. } | Seen::Rtcp { .. } | Seen::BadSip | Seen::Aside | Seen::Unclaimed => {}
        }
    }

    fn signalled(&mut self, key: CallKey, inputs: Vec<Input>, at: Wall) {
        let answers = inputs.contains(&Input::Answered);
        for input in inputs {
            if let Input::Begin { call_id, asked: _, from_the_middle } = input {
                self.known.insert(key, Call::new(call_id, from_the_middle, at));
            } else if let Some(call) = self.known.get_mut(&key) {
                call.input(input, answers, at);
            }
        }
        if let Some(call) = self.known.get_mut(&key) {
            call.progressed(self.calls.outcome(key).0, at);
        }
    }

    pub(super) fn finish(self) -> Vec<(String, Result<Script, Unplaceable>)> {
        let Reader { calls, known } = self;
        let script = |(key, call): (CallKey, Call)| (call.call_id.clone(), call.finish(calls.outcome(key)));
        known.into_iter().map(script).collect()
    }
}

impl Call {
    fn new(call_id: String, from_the_middle: bool, begun: Wall) -> Self {
        Call {
            call_id,
            begun,
            from_the_middle,
            described: [None; 2],
            agreed: None,
            ciphers: [None, None],
            signalling: [None; 2],
            first_says: None,
            without_offer: true,
            progress: false,
            answered: false,
            transferred: false,
            ended: None,
            outcome: Outcome::Ringing,
            cues: Vec::new(),
            strangers: [0; 2],
            unreadable: 0,
        }
    }

    /// `answers`: the message that it comes from is the answer to the call.
    fn input(&mut self, input: Input, answers: bool, at: Wall) {
        match input {
            Input::Listens { side } => {
                self.without_offer &= side != Side::Caller || at != self.begun;
                if let Some(described) = self.described.get_mut(side.channel()) {
                    *described = Some(at);
                }
            }
            Input::Agreed { agreed, signalling, info: _ } => {
                self.agree(*agreed, answers, at);
                self.signalling = signalling;
            }
            Input::Answered if !self.answered => {
                self.answered = true;
                self.cue(Side::Callee, at, Cue::Answer);
            }
            Input::Key { side, key } => self.cue(side, at, Cue::Info(key)),
            Input::Joined(_) => self.transferred = true,
            Input::Begin { .. } | Input::Answered | Input::Consulted(_) | Input::Note(_) | Input::Ended => {}
        }
    }

    fn agree(&mut self, agreed: Agreed, answers: bool, at: Wall) {
        let said = agreed.said.each_ref().map(Says::of);
        let offered = self.described.get(agreed.offerer.channel()).copied().flatten().unwrap_or(at);
        for (side, cipher) in Side::BOTH.into_iter().zip(&mut self.ciphers) {
            let keys = leg(&agreed, side, None, false).media.keys;
            *cipher = keys.map(|keys| match cipher.take() {
                Some((old, inbound)) if old == keys => (old, inbound),
                Some((_, inbound)) => (keys.clone(), inbound.rekeyed(&keys)),
                None => (keys.clone(), Inbound::new(&keys)),
            });
        }
        let before = self.agreed.replace(agreed);
        let (Some(Agreed { offerer, said: [caller, callee] }), Some(_)) = (&self.agreed, &self.first_says) else {
            self.first_says = Some(said);
            if !self.answered && !answers && !self.without_offer {
                self.progress = true;
                self.cue(Side::Callee, at, Cue::Progress);
            }
            return;
        };
        // Until the answer it is only said again.
        if !self.answered || answers {
            return;
        }
        let offerer = *offerer;
        let own = if offerer == Side::Caller { caller } else { callee };
        let old = before.as_ref().and_then(|before| before.said.get(offerer.channel()));
        let offer = offer(own, old);
        for (side, says) in Side::BOTH.into_iter().zip(said) {
            self.cue(side, offered, Cue::Speak(says));
        }
        self.cue(offerer, offered, Cue::Offer(offer));
    }

    /// A refusal or CANCEL may be the end; a challenge is none, and another INVITE follows it.
    fn progressed(&mut self, outcome: Outcome, at: Wall) {
        let before = std::mem::replace(&mut self.outcome, outcome);
        match outcome {
            Outcome::Ringing | Outcome::Answered => self.ended = None,
            Outcome::Completed
            | Outcome::NoAnswer
            | Outcome::Busy
            | Outcome::Cancelled
            | Outcome::Failed
            | Outcome::Voicemail => {
                if before != outcome {
                    self.ended = Some(at);
                }
            }
        }
    }

    fn rtp(&mut self, side: Side, from: SocketAddr, payload: &[u8], at: Wall) {
        // What is captured after the end is of no call any more.
        if self.ended.is_some() {
            return;
        }
        let Some(Agreed { offerer: _, said }) = &self.agreed else {
            self.unreadable += 1;
            return;
        };
        let [caller, callee] = said;
        let (own, far) = match side {
            Side::Caller => (caller, callee),
            Side::Callee => (callee, caller),
        };
        let signalling = self.signalling.get(side.channel()).copied().flatten();
        if from.ip() != own.addr && signalling != Some(from.ip()) && !own.held_by_address {
            if let Some(strangers) = self.strangers.get_mut(side.channel()) {
                *strangers += 1;
            }
            return;
        }
        let cipher = self.ciphers.get_mut(side.channel()).and_then(Option::as_mut);
        let mut opened = payload.to_vec();
        let length = cipher.map_or(Some(payload.len()), |(_, inbound)| inbound.unprotect(&mut opened).ok());
        let payload = length.and_then(|length| opened.get(..length)).unwrap_or_default();
        let kind = |view: &View| kind(far, view.payload_type);
        let read = View::parse(payload).ok().and_then(|view| Some((kind(&view)?, view)));
        let Some((kind, view)) = read.filter(|_| self.answered || self.progress) else {
            self.unreadable += 1;
            return;
        };
        let View { marker, payload_type: _, sequence, timestamp, ssrc, payload: place } = view;
        let payload = Bytes::copy_from_slice(payload.get(place).unwrap_or_default());
        self.cue(side, at, Cue::Packet(RawPacket { kind, marker, sequence, timestamp, ssrc, payload }));
    }

    fn cue(&mut self, side: Side, at: Wall, cue: Cue) {
        self.cues.push(Cued { at: between(self.begun, at), side, cue });
    }

    fn finish(mut self, (outcome, reason): (Outcome, Option<EndReason>)) -> Result<Script, Unplaceable> {
        if self.from_the_middle {
            return Err(Unplaceable::MidCall);
        }
        let encrypted = |agreed: &Agreed| agreed.said.iter().any(|audio| audio.profile.is_encrypted());
        if self.agreed.as_ref().is_some_and(encrypted) && self.ciphers.iter().any(Option::is_none) {
            return Err(Unplaceable::Encrypted);
        }
        if self.transferred {
            return Err(Unplaceable::Transfer);
        }
        let last = self.cues.last().map_or(Span(0), |cued| cued.at);
        let end = self.ended.map_or(last, |at| between(self.begun, at));
        let (side, cue) = match (outcome, reason) {
            (Outcome::Answered | Outcome::Completed, Some(EndReason::CalleeHungUp)) => (Side::Callee, Cue::HangUp),
            (Outcome::Answered | Outcome::Completed | Outcome::Cancelled, _) => (Side::Caller, Cue::HangUp),
            (_, Some(EndReason::Rejected { status })) => (Side::Callee, Cue::Refuse(status)),
            (Outcome::Ringing | Outcome::NoAnswer | Outcome::Busy | Outcome::Failed | Outcome::Voicemail, _) => {
                return Err(Unplaceable::Ringing);
            }
        };
        // A call that was never answered says only what its caller offered.
        let says = match (self.first_says.take(), outcome) {
            (Some(says), _) => says,
            (None, Outcome::Answered | Outcome::Completed) => return Err(Unplaceable::NoAudio),
            (None, _) => std::array::from_fn(|_| Says::default()),
        };
        let notes = self.notes(outcome);
        // Descriptions were told when their answer was there.
        self.cues.sort_by_key(|cued| cued.at);
        self.cues.push(Cued { at: end, side, cue });
        let mut script = Script { says, without_offer: self.without_offer, cues: self.cues, notes };
        script.prefer_what_is_spoken();
        Ok(script)
    }

    fn notes(&self, outcome: Outcome) -> Vec<String> {
        let mut notes = Vec::new();
        if outcome == Outcome::Answered {
            notes.push("the capture ends before the call: hung up there".to_owned());
        }
        for (side, count) in Side::BOTH.into_iter().zip(self.strangers) {
            if count > 0 {
                notes.push(format!(
                    "{count} packets of the {side} came from an address that neither its SDP nor its SIP names: not placed"
                ));
            }
        }
        if self.unreadable > 0 {
            notes.push(format!("{} packets that are neither audio nor digits are not placed", self.unreadable));
        }
        notes
    }
}

fn offer(own: &Audio, old: Option<&Audio>) -> Offer {
    // Nothing is said of where a party is that holds by address.
    let moved = old.is_some_and(|old| !own.held_by_address && !old.held_by_address && old.rtp() != own.rtp());
    let flow = if own.held_by_address { Flow::of(own.flow.sends(), true) } else { own.flow };
    Offer { flow, by_address: own.held_by_address, moved }
}

/// What a payload type means to the party that gave it.
fn kind(far: &Audio, payload_type: u8) -> Option<RawKind> {
    if far.all_events.iter().any(|events| events.pt == payload_type) {
        return Some(RawKind::Event);
    }
    let format = far.formats.iter().find(|format| format.pt == payload_type)?;
    Some(RawKind::Audio(format.codec.clone()))
}

fn between(from: Wall, to: Wall) -> Span {
    Span(u64::try_from(to.unix_micros().saturating_sub(from.unix_micros())).unwrap_or(0))
}
