//! A captured call as a script: who sent which packet how long after the answer.
//!
//! Packets keep their order, sequence numbers and timestamps: loss and reordering are part of it.

use super::calls::{CallKey, Calls, Input, Seen};
use super::capture::{Capture, CaptureError, Datagram};
use super::negotiated::leg;
use crate::audio::{Coding, Law};
use crate::base::{Side, Span, Wall};
use crate::ledger::EndReason;
use crate::media::{Kind, LegMedia};
use crate::rtp::View;
use crate::ua::{RawKind, RawPacket};
use bytes::Bytes;
use std::path::Path;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ScriptError {
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error("the capture holds no answered call whose beginning it shows")]
    NoCall,
    #[error("the parties speak a codec that is not supported")]
    Codec,
}

/// What a party does, and how long after the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cue {
    Packet(RawPacket),
    /// A key as SIP INFO.
    Info(u8),
}

/// What one party brings to the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Laws of G.711 that it sends, the first one first.
    pub laws: Vec<Law>,
    /// In the order of the capture.
    pub cues: Vec<(Span, Cue)>,
}

/// The first answered call of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The SIP Call-ID.
    pub call_id: String,
    /// Caller, callee.
    pub parts: [Part; 2],
    /// From the answer to the BYE.
    pub length: Span,
    pub hangs_up: Side,
    /// What of the capture is not in the script.
    pub notes: Vec<String>,
}

impl Script {
    /// Reads a capture up to the end of its first answered call.
    ///
    /// # Errors
    /// When it cannot be read, or has no such call that we can speak.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let mut capture = Capture::open(path)?;
        let mut reader = Reader::default();
        while let Some(datagram) = capture.next() {
            reader.see(&datagram?);
            // Packets may come a little after the BYE; of an ended call they count for nothing.
            if reader.ended.is_some() {
                break;
            }
        }
        reader.finish()
    }
}

#[derive(Debug, Default)]
struct Reader {
    calls: Calls,
    /// Call-IDs in the order of their keys.
    begun: Vec<(CallKey, String)>,
    /// What was agreed last, of each call.
    agreed: Vec<(CallKey, [Option<LegMedia>; 2])>,
    call: Option<(CallKey, Wall)>,
    ended: Option<Wall>,
    last: Wall,
    parts: [Part; 2],
    unreadable: u64,
    changes: u64,
}

impl Reader {
    fn see(&mut self, datagram: &Datagram<'_>) {
        let Datagram { at, src, dst, payload } = *datagram;
        match self.calls.see(src, dst, payload) {
            Seen::Sip { call: Some(call), inputs } => inputs.into_iter().for_each(|input| self.input(call, input, at)),
            Seen::Rtp { call, side } => self.rtp(call, side, payload, at),
            Seen::Sip { call: None, .. } | Seen::Rtcp { .. } | Seen::BadSip | Seen::Unclaimed => {}
        }
    }

    fn input(&mut self, key: CallKey, input: Input, at: Wall) {
        let is_ours = self.call.is_some_and(|(call, _)| call == key);
        match input {
            Input::Begin { call_id, asked: _, from_the_middle: false } => self.begun.push((key, call_id)),
            Input::Agreed { agreed, signalling: [caller, callee], info: _ } => {
                let media = |side, ip| {
                    // The phones that place the call speak G.711.
                    let leg = leg(&agreed, side, ip, false);
                    Some(leg).filter(|leg| !leg.unknown && matches!(leg.coding, Coding::G711(_)))
                };
                let legs =
                    [(Side::Caller, caller), (Side::Callee, callee)].map(|(side, ip)| Some(media(side, ip)?.media));
                self.agreed.retain(|(call, _)| *call != key);
                self.agreed.push((key, legs));
                self.changes += u64::from(is_ours);
            }
            Input::Answered if self.call.is_none() && self.begun.iter().any(|(call, _)| *call == key) => {
                self.call = Some((key, at));
                self.last = at;
            }
            Input::Key { side, key: digit } if is_ours => self.cue(side, at, Cue::Info(digit)),
            Input::Ended if is_ours => self.ended = Some(at),
            Input::Begin { .. } | Input::Answered | Input::Key { .. } | Input::Ended | Input::Note(_) => {}
        }
    }

    fn rtp(&mut self, key: CallKey, side: Side, payload: &[u8], at: Wall) {
        if self.call.is_none_or(|(call, _)| call != key) {
            return;
        }
        let legs = self.agreed.iter().find(|(call, _)| *call == key).map(|(_, legs)| legs);
        let media = legs.and_then(|legs| legs.get(side.channel())?.as_ref());
        let view = View::parse(payload).ok();
        let Some((view, media)) = view.zip(media) else {
            self.unreadable += 1;
            return;
        };
        let kind = match media.kind(view.payload_type) {
            Kind::Audio(Coding::G711(law)) => RawKind::Audio(law),
            Kind::Events => RawKind::Event,
            Kind::Audio(_) | Kind::Unknown => {
                self.unreadable += 1;
                return;
            }
        };
        let View { marker, payload_type: _, sequence, timestamp, ssrc, payload: place } = view;
        let payload = Bytes::copy_from_slice(payload.get(place).unwrap_or_default());
        self.cue(side, at, Cue::Packet(RawPacket { kind, marker, sequence, timestamp, ssrc, payload }));
    }

    fn cue(&mut self, side: Side, at: Wall, cue: Cue) {
        let Some((_, answered)) = self.call else { return };
        self.last = self.last.max(at);
        let Some(part) = self.parts.get_mut(side.channel()) else { return };
        if let Cue::Packet(RawPacket { kind: RawKind::Audio(law), .. }) = &cue
            && !part.laws.contains(law)
        {
            part.laws.push(*law);
        }
        part.cues.push((between(answered, at), cue));
    }

    fn finish(self) -> Result<Script, ScriptError> {
        let (key, answered) = self.call.ok_or(ScriptError::NoCall)?;
        let legs = self.agreed.iter().find(|(call, _)| *call == key);
        if legs.is_none_or(|(_, legs)| legs.iter().any(Option::is_none)) {
            return Err(ScriptError::Codec);
        }
        let mut notes = Vec::new();
        if self.ended.is_none() {
            notes.push("the capture ends before the call: hung up there".to_owned());
        }
        if self.changes > 0 {
            notes.push(format!("{} changes of media during the call are not placed", self.changes));
        }
        if self.unreadable > 0 {
            notes.push(format!("{} packets that are neither audio nor digits are not placed", self.unreadable));
        }
        let hangs_up = match self.calls.outcome(key).1 {
            Some(EndReason::CalleeHungUp) => Side::Callee,
            Some(_) | None => Side::Caller,
        };
        let call_id = self.begun.into_iter().find(|(call, _)| *call == key).map(|(_, id)| id).unwrap_or_default();
        let length = between(answered, self.ended.unwrap_or(self.last));
        Ok(Script { call_id, parts: self.parts, length, hangs_up, notes })
    }
}

fn between(from: Wall, to: Wall) -> Span {
    Span(u64::try_from(to.unix_micros().saturating_sub(from.unix_micros())).unwrap_or(0))
}
