//! What we put into the stream towards a leg: digits sent anew, and tones.
//!
//! While something is played it takes the place of the other party's packets, so that sequence
//! and timestamps go on without a seam; where none come, it paces itself.

use crate::audio::Tone;
use crate::base::{Rate, Samples};
use crate::rtp::{EventPayload, event_of_key};
use std::collections::VecDeque;

/// What can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injection {
    Tone(Tone),
    /// A key as telephone event. `live` keys go on as long as the person presses them.
    Key {
        key: u8,
        live: bool,
    },
}

/// Samples of a tone in a packet of ours: 20 ms at 8 kHz.
pub const FRAME: usize = 160;
/// A key lasts this many packets at least (100 ms).
const KEY_FRAMES: u16 = 5;
/// RFC 4733 §2.5.1.4: the end is sent three times. At 20 ms each they are also the pause of at
/// least 40 ms before the next key.
const ENDS: u8 = 3;
/// Volume of a key in −dBm0.
const VOLUME: u8 = 10;
/// Keys that wait at most; a person does not type faster than 20 keys ahead.
const QUEUE: usize = 32;

#[derive(Clone, Copy, Debug)]
enum Playing {
    Tone { tone: Tone, at: u64 },
    Key { event: u8, started: Option<u32>, frames: u16, ends: u8, live: bool },
}

/// The queue of a leg and what is played now.
#[derive(Clone, Debug, Default)]
pub struct Injector {
    waiting: VecDeque<Injection>,
    playing: Option<Playing>,
}

/// One packet to send instead of the other party's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Audio: the samples were written.
    Audio,
    /// A telephone event at `timestamp` with the marker on its first packet.
    Event { payload: EventPayload, timestamp: u32, marker: bool },
}

impl Injector {
    /// Queues something; `false` when too much waits already.
    pub fn push(&mut self, injection: Injection) -> bool {
        if self.waiting.len() >= QUEUE {
            return false;
        }
        self.waiting.push_back(injection);
        true
    }

    pub fn is_busy(&self) -> bool {
        self.playing.is_some() || !self.waiting.is_empty()
    }

    /// The next 20 ms at the stream's `timestamp`. Audio is written into `samples`, at 8 kHz.
    /// `ticks`: what 20 ms are in the clock of the events. `pressed`: the key is still held down.
    pub fn next(&mut self, timestamp: u32, ticks: u32, samples: &mut [i16; FRAME], pressed: bool) -> Option<Slot> {
        if self.playing.is_none() {
            self.playing = self.waiting.pop_front().map(start);
        }
        let mut playing = self.playing?;
        let (slot, over) = match &mut playing {
            Playing::Tone { tone, at } => {
                tone_frame(*tone, *at, samples);
                *at += FRAME as u64;
                (Slot::Audio, *at >= Rate::NARROW.samples(tone.length()).0)
            }
            Playing::Key { event, started, frames, ends, live } => {
                let marker = started.is_none();
                let began = *started.get_or_insert(timestamp);
                let goes_on = *frames < KEY_FRAMES || (*live && pressed);
                if *ends == 0 && goes_on {
                    *frames = frames.saturating_add(1);
                } else {
                    *ends += 1;
                }
                let duration = u16::try_from(u32::from(*frames) * ticks).unwrap_or(u16::MAX);
                let full = duration == u16::MAX;
                let payload = EventPayload { event: *event, end: *ends > 0 || full, volume: VOLUME, duration };
                (Slot::Event { payload, timestamp: began, marker }, *ends >= ENDS || full)
            }
        };
        self.playing = if over { None } else { Some(playing) };
        Some(slot)
    }
}

fn start(injection: Injection) -> Playing {
    match injection {
        Injection::Tone(tone) => Playing::Tone { tone, at: 0 },
        Injection::Key { key, live } => match event_of_key(key) {
            Some(event) => Playing::Key { event, started: None, frames: 0, ends: 0, live },
            None => Playing::Tone { tone: Tone::Key(key), at: 0 },
        },
    }
}

fn tone_frame(tone: Tone, at: u64, samples: &mut [i16; FRAME]) {
    for (n, sample) in (0u64..).zip(samples) {
        *sample = tone.sample(Samples(at + n), Rate::NARROW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_five_updates_and_three_ends_with_one_marker() {
        let mut injector = Injector::default();
        injector.push(Injection::Key { key: b'#', live: false });
        let mut rows = Vec::new();
        let mut timestamp = 1_000;
        while let Some(slot) = injector.next(timestamp, 160, &mut [0; FRAME], false) {
            let Slot::Event { payload, timestamp: ts, marker } = slot else { panic!("{slot:?}") };
            assert_eq!((payload.event, ts), (11, 1_000));
            rows.push((marker, payload.end, payload.duration));
            timestamp += 160;
        }
        let expected = [
            (true, false, 160),
            (false, false, 320),
            (false, false, 480),
            (false, false, 640),
            (false, false, 800),
            (false, true, 800),
            (false, true, 800),
            (false, true, 800),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_live_key_lasts_as_long_as_it_is_pressed() {
        let mut injector = Injector::default();
        injector.push(Injection::Key { key: b'1', live: true });
        let mut frames = 0;
        while let Some(Slot::Event { payload, .. }) = injector.next(0, 160, &mut [0; FRAME], frames < 20) {
            frames += 1;
            if payload.end {
                assert_eq!(payload.duration, 20 * 160);
            }
        }
        assert_eq!(frames, 23);
    }

    #[test]
    fn a_full_queue_says_so() {
        let mut injector = Injector::default();
        let taken = (0..40).filter(|_| injector.push(Injection::Tone(Tone::Obeyed))).count();
        assert_eq!(taken, QUEUE);
    }
}
