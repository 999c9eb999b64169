//! A captured call as a script: who did what how long after the INVITE.
//!
//! Packets keep their order, sequence numbers and timestamps: loss and reordering are part of it.
//! What the parties said of their media they say again, with addresses of their own.

mod reader;

use super::capture::{Capture, CaptureError};
use crate::base::{Side, Span};
use crate::sdp::{Audio, Flow, Format};
use crate::ua::{RawKind, RawPacket};
use reader::Reader;
use std::path::Path;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum ScriptError {
    #[error(transparent)]
    Capture(#[from] CaptureError),
}

/// Why a call of a capture cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unplaceable {
    #[error("not placed: the capture begins in mid-call, so what the parties offered is not known")]
    MidCall,
    #[error("not placed: the capture ends before the call was answered or refused")]
    Ringing,
    #[error("not placed: the parties agreed on no audio")]
    NoAudio,
    #[error("not placed: its media is encrypted, and its keys are not in the session descriptions")]
    Encrypted,
    #[error("not placed: a transfer puts a third in, and there are two phones")]
    Transfer,
}

/// What a party says of itself in its descriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Says {
    /// In order of preference.
    pub formats: Vec<Format>,
    /// Payload type of telephone events.
    pub events: Option<u8>,
    /// Packet length in ms.
    pub ptime_ms: u16,
    /// As SRTP with keys in the descriptions.
    pub encrypted: bool,
}

impl Default for Says {
    /// What a phone of ours says where nothing else is known.
    fn default() -> Self {
        Says { formats: vec![Format::PCMU, Format::PCMA], events: Some(101), ptime_ms: 20, encrypted: false }
    }
}

impl Says {
    fn of(audio: &Audio) -> Self {
        Says {
            formats: audio.formats.clone(),
            events: audio.events.map(|events| events.pt),
            ptime_ms: audio.ptime.unwrap_or(20),
            encrypted: !audio.crypto.is_empty(),
        }
    }
}

/// A change of the call that a party asked for and got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub flow: Flow,
    /// Hold in the manner of RFC 2543.
    pub by_address: bool,
    /// It receives at another address or port from here on.
    pub moved: bool,
}

/// What a party does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cue {
    Packet(RawPacket),
    /// A key as SIP INFO.
    Info(u8),
    /// 183 with a description.
    Progress,
    Answer,
    Refuse(u16),
    /// BYE; before the answer CANCEL.
    HangUp,
    /// From its next description on.
    Speak(Says),
    Offer(Offer),
}

/// Something that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cued {
    /// After the INVITE.
    pub at: Span,
    pub side: Side,
    pub cue: Cue,
}

/// One call of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What caller and callee say first.
    pub says: [Says; 2],
    /// The INVITE has no description: the callee makes the offer.
    pub without_offer: bool,
    /// In the order of the capture; the end is the last.
    pub cues: Vec<Cued>,
    /// What of the capture is not in the script.
    pub notes: Vec<String>,
}

impl Script {
    /// The calls of a capture by their SIP Call-IDs, in the order of their beginnings.
    ///
    /// # Errors
    /// When the capture cannot be opened or is none. One that is damaged later is read up to there.
    pub fn read(path: &Path) -> Result<Vec<(String, Result<Script, Unplaceable>)>, ScriptError> {
        let mut capture = Capture::open(path)?;
        let mut reader = Reader::default();
        while let Some(Ok(datagram)) = capture.next() {
            reader.see(&datagram);
        }
        Ok(reader.finish())
    }

    /// RTP packets of caller and callee.
    pub fn packets(&self) -> [usize; 2] {
        Side::BOTH.map(|side| {
            let own = self.cues.iter().filter(|cued| cued.side == side);
            own.filter(|cued| matches!(cued.cue, Cue::Packet(_))).count()
        })
    }

    /// What a side sends first is what it likes best, and the callee answers with nothing that it
    /// does not send. What it changes to later it says from the start, in the last place: when one
    /// side changes, the service does not ask the other to follow.
    fn prefer_what_is_spoken(&mut self) {
        for (side, says) in Side::BOTH.into_iter().zip(&mut self.says) {
            let own = || self.cues.iter().filter(|cued| cued.side == side);
            let spoken: Vec<_> = own().filter_map(codec_of).collect();
            for format in own().flat_map(|cued| formats_of(&cued.cue)) {
                let is_new = says.formats.iter().all(|known| known.codec != format.codec && known.pt != format.pt);
                if is_new && spoken.contains(&&format.codec) && says.events != Some(format.pt) {
                    says.formats.push(format.clone());
                }
            }
            let place = |format: &Format| spoken.iter().position(|codec| **codec == format.codec);
            if side == Side::Callee && says.formats.iter().any(|format| place(format).is_some()) {
                says.formats.retain(|format| place(format).is_some());
            }
            says.formats.sort_by_key(|format| place(format).unwrap_or(usize::MAX));
        }
    }
}

fn formats_of(cue: &Cue) -> &[Format] {
    match cue {
        Cue::Speak(says) => &says.formats,
        Cue::Packet(_) | Cue::Info(_) | Cue::Progress | Cue::Answer | Cue::Refuse(_) | Cue::HangUp | Cue::Offer(_) => {
            &[]
        }
    }
}

fn codec_of(cued: &Cued) -> Option<&crate::sdp::Codec> {
    match &cued.cue {
        Cue::Packet(RawPacket { kind: RawKind::Audio(codec), .. }) => Some(codec),
        Cue::Packet(_)
        | Cue::Info(_)
        | Cue::Progress
        | Cue::Answer
        | Cue::Refuse(_)
        | Cue::HangUp
        | Cue::Speak(_)
        | Cue::Offer(_) => None,
    }
}
