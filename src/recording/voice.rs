//! One party's payloads in order, decoded at the rate of the file.
//!
//! Codecs with a memory want every packet once and in order, so what came too early waits for what
//! is missing; a few lost packets are made up for. G.711 at its own rate does not come here.

use super::lane::{Frame, Stamp};
use crate::audio::Coding;
use crate::audio::codec::{Decode, MOST_SAMPLES, decoder};
use crate::base::Rate;

/// Packets that wait for a missing one.
const WAITING: usize = 8;
/// A loss of at most this many packets is made up for.
const CONCEALED: u16 = 3;

/// What waits for its turn.
#[derive(Debug)]
struct Held {
    stamp: Stamp,
    payload: Vec<u8>,
}

/// The decoder of a party.
pub struct Voice {
    rate: Rate,
    decoder: Option<(Coding, Box<dyn Decode>)>,
    /// The stream, its next sequence number, and the timestamp at the end of what was decoded.
    next: Option<(u32, u16, u32)>,
    waiting: Vec<Held>,
    samples: Box<[i16; MOST_SAMPLES]>,
}

impl Voice {
    pub fn new(rate: Rate) -> Self {
        Voice { rate, decoder: None, next: None, waiting: Vec::new(), samples: Box::new([0; MOST_SAMPLES]) }
    }

    /// The gate has moved: what is decoded next begins anew.
    pub fn restart(&mut self) {
        self.decoder = None;
        self.next = None;
        self.waiting.clear();
    }

    /// Takes a packet in; frames come out in order.
    pub fn take(&mut self, stamp: Stamp, payload: &[u8], out: &mut Vec<Frame>) {
        if self.next.is_some_and(|(ssrc, _, _)| ssrc != stamp.ssrc) {
            self.flush(out);
            self.restart();
        }
        let (_, next, _) = *self.next.get_or_insert((stamp.ssrc, stamp.sequence, stamp.timestamp));
        let ahead = stamp.sequence.wrapping_sub(next) as i16;
        match ahead {
            0 => {
                self.decode(stamp, payload, out);
                self.follow(out);
            }
            // Its place was given up.
            ..0 if ahead > -1_000 => {}
            _ => {
                let place = self.waiting.iter().position(|held| before(stamp.sequence, held.stamp.sequence, next));
                let twin = self.waiting.iter().any(|held| held.stamp.sequence == stamp.sequence);
                if !twin {
                    let held = Held { stamp, payload: payload.to_vec() };
                    self.waiting.insert(place.unwrap_or(self.waiting.len()), held);
                }
                if self.waiting.len() > WAITING {
                    self.skip(out);
                }
            }
        }
    }

    /// Nothing more comes in time: what waits is decoded.
    pub fn flush(&mut self, out: &mut Vec<Frame>) {
        while !self.waiting.is_empty() {
            self.skip(out);
        }
    }

    /// Whether something waits since before `moment`.
    pub fn waits_since_before(&self, moment: crate::base::Time) -> bool {
        self.waiting.first().is_some_and(|held| held.stamp.arrival < moment)
    }

    /// Decodes what waits and is next by now.
    fn follow(&mut self, out: &mut Vec<Frame>) {
        while let (Some((_, next, _)), Some(first)) = (self.next, self.waiting.first())
            && first.stamp.sequence == next
        {
            let held = self.waiting.remove(0);
            self.decode(held.stamp, &held.payload, out);
        }
    }

    /// Gives up what is missing before the first that waits.
    fn skip(&mut self, out: &mut Vec<Frame>) {
        let (Some((_, next, end)), Some(first)) = (self.next, self.waiting.first()) else { return };
        let (stamp, lost) = (first.stamp, first.stamp.sequence.wrapping_sub(next));
        let gap = stamp.timestamp.wrapping_sub(end);
        if lost <= CONCEALED && gap == u32::from(lost) * stamp.ticks && stamp.ticks > 0 {
            let payload = first.payload.clone();
            self.conceal(stamp, lost, &payload, out);
        }
        if let Some((_, next, end)) = &mut self.next {
            (*next, *end) = (stamp.sequence, stamp.timestamp);
        }
        self.follow(out);
    }

    /// Makes something up for `lost` packets before `stamp`, whose payload may help.
    fn conceal(&mut self, stamp: Stamp, lost: u16, payload: &[u8], out: &mut Vec<Frame>) {
        let clock = stamp.coding.clock();
        let length = (u64::from(stamp.ticks) * u64::from(self.rate.0) / u64::from(clock.0)) as usize;
        let Some((coding, decoder)) = &mut self.decoder else { return };
        if *coding != stamp.coding {
            return;
        }
        for back in (1..=lost).rev() {
            let Some(samples) = self.samples.get_mut(..length) else { return };
            // Only the packet right behind the loss can carry a second copy of what was lost.
            decoder.conceal((back == 1).then_some(payload), samples);
            let stamp = Stamp {
                sequence: stamp.sequence.wrapping_sub(back),
                timestamp: stamp.timestamp.wrapping_sub(u32::from(back) * stamp.ticks),
                ..stamp
            };
            out.push(Frame { stamp, samples: samples.to_vec() });
        }
    }

    /// Decodes the packet whose turn it is. One that is malformed is a frame without samples.
    fn decode(&mut self, stamp: Stamp, payload: &[u8], out: &mut Vec<Frame>) {
        self.next = Some((stamp.ssrc, stamp.sequence.wrapping_add(1), stamp.timestamp.wrapping_add(stamp.ticks)));
        if self.decoder.as_ref().is_none_or(|(coding, _)| *coding != stamp.coding) && stamp.coding.has_samples() {
            self.decoder = decoder(stamp.coding, self.rate).map(|decoder| (stamp.coding, decoder));
        }
        let decoded = match &mut self.decoder {
            Some((coding, decoder)) if *coding == stamp.coding => {
                decoder.decode(payload, self.samples.as_mut_slice()).unwrap_or(0)
            }
            // Comfort noise is silence until the next speech.
            Some(_) | None => 0,
        };
        let samples = self.samples.get(..decoded).unwrap_or(&[]).to_vec();
        out.push(Frame { stamp, samples });
    }
}

impl std::fmt::Debug for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Voice").field("rate", &self.rate).field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// Whether `one` comes before `other`, both behind `next`.
const fn before(one: u16, other: u16, next: u16) -> bool {
    one.wrapping_sub(next) < other.wrapping_sub(next)
}
