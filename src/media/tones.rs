//! Keys in the audio of a leg that has no telephone events.

use super::receive::{Extended, Place};
use crate::audio::codec::{Decode, MOST_SAMPLES, decoder};
use crate::audio::{Coding, DtmfDetector, ToneKey};
use crate::base::Rate;

/// Samples at 8 kHz that may be lost inside a key: two packets of 20 ms.
const LOSS: i64 = 320;

/// The detector of a leg, with decoders of its own: the leg's audio may pass through unopened.
pub struct Tones {
    detector: DtmfDetector,
    decoders: Vec<(Coding, Box<dyn Decode>)>,
    /// Extended timestamp at the end of what was heard.
    end: Option<i64>,
    began: i64,
    samples: [i16; MOST_SAMPLES],
}

/// A change of a key, in ticks of the stream's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardKey {
    /// Set when the key has gone down.
    pub pressed: Option<u8>,
    /// Extended timestamp at which it went down.
    pub began: i64,
    pub length: u32,
}

impl Tones {
    pub fn new() -> Self {
        let detector = DtmfDetector::default();
        Tones { detector, decoders: Vec::new(), end: None, began: 0, samples: [0; MOST_SAMPLES] }
    }

    /// Listens to a packet; the last change in it counts, as a key takes longer than a packet.
    pub fn hear(&mut self, coding: Coding, extended: Extended, payload: &[u8]) -> Option<HeardKey> {
        match extended.place {
            Place::NewStream | Place::InOrder => {}
            Place::Late | Place::Duplicate => return None,
        }
        let ticks = coding.ticks(payload)?;
        // A short loss inside a key does not make two of it.
        let gap = self.end.map_or(0, |end| extended.timestamp - end);
        let scale = i64::from(coding.clock().0) / i64::from(Rate::NARROW.0);
        if gap != 0 && !(self.detector.is_down() && (0..=LOSS * scale).contains(&gap)) {
            self.detector.restart();
        }
        self.end = Some(extended.timestamp + i64::from(ticks));
        let mut change: Option<(ToneKey, i64)> = None;
        // A key that has gone down is told before that it goes on.
        let found = |key: ToneKey, at: usize| {
            if !matches!(change, Some((ToneKey::Down { .. }, _))) {
                change = Some((key, i64::try_from(at).unwrap_or(0)));
            }
        };
        match coding {
            Coding::G711(law) => self.detector.feed(payload.iter().map(|byte| law.decode(*byte)), found),
            Coding::G722 | Coding::Opus | Coding::G729 | Coding::Noise | Coding::Foreign { .. } => {
                if self.decoders.iter().all(|(own, _)| *own != coding) {
                    self.decoders.push((coding, decoder(coding, Rate::NARROW)?));
                }
                let (_, decoder) = self.decoders.iter_mut().find(|(own, _)| *own == coding)?;
                let count = decoder.decode(payload, &mut self.samples).ok()?;
                self.detector.feed(self.samples.get(..count)?.iter().copied(), found);
            }
        }
        let (key, at) = change?;
        let until = extended.timestamp + at * scale;
        let pressed = match key {
            ToneKey::Down { key, ago } => {
                self.began = until - i64::from(ago) * scale;
                Some(key)
            }
            ToneKey::Going { .. } | ToneKey::Up { .. } => None,
        };
        Some(HeardKey { pressed, began: self.began, length: u32::try_from(until - self.began).unwrap_or(0) })
    }
}

impl std::fmt::Debug for Tones {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tones").field("end", &self.end).finish_non_exhaustive()
    }
}
