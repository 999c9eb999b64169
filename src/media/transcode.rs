//! From what one leg sends into what the other one wants: decoder, frames, encoder.
//!
//! ```text
//! payload of the near leg ─► Ear (a decoder per coding) ─► samples ─► Mouth (whole packets) ─► payload of the far leg
//! ```
//! Both are made when signalling has agreed on two codings, or when the first packet of another one
//! comes; after that packets allocate nothing.

use super::receive::{Extended, Place};
use crate::audio::Coding;
use crate::audio::codec::{Decode, Encode, MOST_PAYLOAD, MOST_SAMPLES, decoder, encoder};
use crate::base::Rate;

/// A loss of at most this many packets is made up for; a longer one is a pause.
const CONCEALED: i64 = 3;

/// Whether packets of one coding can go out as another without decoding.
pub const fn passes(from: Coding, to: Coding) -> bool {
    match (from, to) {
        (Coding::G711(_), Coding::G711(_))
        | (Coding::G722, Coding::G722)
        | (Coding::Opus, Coding::Opus)
        | (Coding::G729, Coding::G729)
        | (Coding::Noise, Coding::Noise)
        | (Coding::Foreign { .. }, Coding::Foreign { .. }) => true,
        (Coding::G711(_) | Coding::G722 | Coding::Opus | Coding::G729 | Coding::Noise | Coding::Foreign { .. }, _) => {
            false
        }
    }
}

/// Decodes what a leg sends.
pub struct Ear {
    decoders: Vec<(Coding, Box<dyn Decode>)>,
    rate: Rate,
    /// The packet that was decoded last: its sequence number and the timestamp at its end.
    last: Option<(i64, i64)>,
    samples: [i16; MOST_SAMPLES],
}

/// What a packet came to: samples, and how many of them stand for packets that were lost before it.
pub struct HeardSamples<'a> {
    pub samples: &'a [i16],
    /// Extended timestamp of the first sample.
    pub from: i64,
}

impl Ear {
    /// Its decoders, made when the first packet of a coding comes, give samples at `rate`.
    pub fn new(rate: Rate) -> Self {
        Ear { decoders: Vec::new(), rate, last: None, samples: [0; MOST_SAMPLES] }
    }

    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Decodes a packet. `None`: it is malformed, late, or has no samples.
    pub fn hear(&mut self, coding: Coding, extended: Extended, payload: &[u8]) -> Option<HeardSamples<'_>> {
        let ticks = i64::from(coding.ticks(payload)?);
        if self.decoders.iter().all(|(own, _)| *own != coding) {
            self.decoders.push((coding, decoder(coding, self.rate)?));
        }
        let (_, decoder) = self.decoders.iter_mut().find(|(own, _)| *own == coding)?;
        let mut from = extended.timestamp;
        let mut made_up = 0;
        match extended.place {
            Place::NewStream => {}
            Place::Late | Place::Duplicate => return None,
            Place::InOrder => {
                let lost = self.last.map_or(0, |(sequence, _)| extended.sequence - sequence - 1);
                let gap = self.last.map_or(0, |(_, end)| extended.timestamp - end);
                if (1..=CONCEALED).contains(&lost) && gap == lost * ticks {
                    let count = usize::try_from(gap * i64::from(self.rate.0) / i64::from(coding.clock().0)).ok()?;
                    decoder.conceal(Some(payload), self.samples.get_mut(..count)?);
                    made_up = count;
                    from -= gap;
                }
            }
        }
        let count = decoder.decode(payload, self.samples.get_mut(made_up..)?).ok()?;
        self.last = Some((extended.sequence, extended.timestamp + ticks));
        Some(HeardSamples { samples: self.samples.get(..made_up + count)?, from })
    }
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ear").field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// Encodes what a leg is sent, in packets of its length.
pub struct Mouth {
    coding: Coding,
    rate: Rate,
    encoder: Box<dyn Encode>,
    /// Samples of a packet.
    frame: usize,
    ptime_ms: u16,
    waiting: [i16; MOST_SAMPLES],
    filled: usize,
    /// How the near stream's timestamps map onto ours: its SSRC, and a pair of the same moment.
    tie: Option<Tie>,
    payload: [u8; MOST_PAYLOAD],
}

#[derive(Clone, Copy, Debug)]
struct Tie {
    ssrc: u32,
    clock: Rate,
    theirs: i64,
    ours: u32,
    /// Our timestamp of the first sample that waits.
    next: u32,
}

/// A packet of ours.
pub struct Spoken<'a> {
    pub payload: &'a [u8],
    pub timestamp: u32,
    /// Nothing came for a while before it.
    pub marker: bool,
}

impl Mouth {
    /// `ptime_ms`: what the far side wants. `None`: the coding cannot be made.
    pub fn new(coding: Coding, rate: Rate, ptime_ms: u16) -> Option<Self> {
        let frame = usize::try_from(rate.0).ok()? * usize::from(packet_ms(coding, ptime_ms)) / 1_000;
        Some(Mouth {
            coding,
            rate,
            encoder: encoder(coding, rate)?,
            frame,
            ptime_ms,
            waiting: [0; MOST_SAMPLES],
            filled: 0,
            tie: None,
            payload: [0; MOST_PAYLOAD],
        })
    }

    /// Whether it was made for this.
    pub fn is_for(&self, coding: Coding, rate: Rate, ptime_ms: u16) -> bool {
        self.coding == coding && self.rate == rate && self.ptime_ms == ptime_ms
    }

    /// Encodes 20 ms of something else at 8 kHz, where it speaks at that rate: one encoder for all
    /// that a leg hears.
    pub fn encode_narrow(&mut self, samples: &[i16], payload: &mut [u8]) -> Option<usize> {
        (self.rate == Rate::NARROW).then(|| self.encoder.encode(samples, payload).ok()).flatten()
    }

    /// Something else was said meanwhile: the stream goes on where ours is then.
    pub fn untie(&mut self) {
        self.tie = None;
        self.filled = 0;
    }

    /// Our timestamp for a moment of the near stream. A new stream goes on at `now`.
    pub fn place(&mut self, ssrc: u32, clock: Rate, theirs: i64, now: u32) -> u32 {
        let tie = match self.tie {
            Some(tie) if tie.ssrc == ssrc && tie.clock == clock => tie,
            Some(_) | None => {
                self.filled = 0;
                *self.tie.insert(Tie { ssrc, clock, theirs, ours: now, next: now })
            }
        };
        let ahead = (theirs - tie.theirs) * i64::from(self.coding.clock().0) / i64::from(clock.0.max(1));
        tie.ours.wrapping_add(ahead as u32)
    }

    /// Takes samples that belong at our timestamp `at`, and says each packet that is full.
    pub fn say(&mut self, at: u32, samples: &[i16], mut packet: impl FnMut(Spoken<'_>)) {
        let expected = self.ticks(self.filled).wrapping_add(self.tie.map_or(at, |tie| tie.next));
        let behind = at.wrapping_sub(expected) as i32;
        let mut marker = false;
        if behind != 0 {
            // What is half full is filled up with silence; the stream goes on at its own time.
            if self.filled > 0 && behind > 0 {
                self.pad();
                self.flush(false, &mut packet);
            }
            marker = true;
            self.filled = 0;
            if let Some(tie) = &mut self.tie {
                tie.next = at;
            }
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let room = self.frame - self.filled.min(self.frame);
            let (now, later) = rest.split_at(room.min(rest.len()));
            if let Some(places) = self.waiting.get_mut(self.filled..self.filled + now.len()) {
                places.copy_from_slice(now);
            }
            self.filled += now.len();
            rest = later;
            if self.filled >= self.frame {
                self.flush(std::mem::take(&mut marker), &mut packet);
            }
        }
    }

    fn pad(&mut self) {
        if let Some(places) = self.waiting.get_mut(self.filled..self.frame) {
            places.fill(0);
        }
        self.filled = self.frame;
    }

    fn flush(&mut self, marker: bool, packet: &mut impl FnMut(Spoken<'_>)) {
        let timestamp = self.tie.map_or(0, |tie| tie.next);
        let ticks = self.ticks(self.frame);
        if let Some(tie) = &mut self.tie {
            tie.next = tie.next.wrapping_add(ticks);
        }
        self.filled = 0;
        let Some(samples) = self.waiting.get(..self.frame) else { return };
        if let Ok(bytes) = self.encoder.encode(samples, &mut self.payload)
            && let Some(payload) = self.payload.get(..bytes)
        {
            packet(Spoken { payload, timestamp, marker });
        }
    }

    /// Samples in ticks of the coding's clock.
    fn ticks(&self, samples: usize) -> u32 {
        let exact = samples as u64 * u64::from(self.coding.clock().0) / u64::from(self.rate.0.max(1));
        exact as u32
    }
}

impl std::fmt::Debug for Mouth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mouth").field("coding", &self.coding).field("frame", &self.frame).finish_non_exhaustive()
    }
}

/// The packet length that we send: whole frames of 10 ms; Opus has no 30 and no 50 ms.
fn packet_ms(coding: Coding, wanted: u16) -> u16 {
    let tens = (wanted / 10 * 10).clamp(10, 60);
    match (coding, tens) {
        (Coding::Opus, 30 | 50) => tens - 10,
        _ => tens,
    }
}

/// The rate in which two legs meet: what both can carry.
pub fn meeting_rate(near: Coding, far: Coding) -> Rate {
    Coding::rate_of_both(near, far)
}

#[cfg(test)]
mod tests;
