//! Keys of a phone as telephone events (RFC 4733 §2.5), one packet a tick.

use crate::base::Span;
use crate::rtp::{EventPayload, event_of_key};
use std::collections::VecDeque;

/// How long a key is down, at least.
const DOWN: Span = Span::from_millis(100);
/// Pause between keys, at least.
const UP: Span = Span::from_millis(60);
/// The last packet of a key goes out this often (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;
/// −dBm0.
const VOLUME: u8 = 10;

/// A packet of the event's payload type, instead of voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventPacket {
    pub marker: bool,
    pub timestamp: u32,
    pub payload: EventPayload,
}

/// The keys that are still to be sent and the one that is down.
///
/// Up ─key─► Down ─DOWN is over─► Ending ─three end packets─► Resting ─UP is over─► Up
#[derive(Debug, Default)]
pub(super) struct Keypad {
    queue: VecDeque<u8>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Up,
    Down {
        event: u8,
        started: u32,
        ticks: u16,
    },
    Ending {
        event: u8,
        started: u32,
        duration: u16,
        left: u8,
    },
    Resting {
        ticks: u64,
    },
}

impl Keypad {
    pub(super) fn press(&mut self, keys: &[u8]) {
        self.queue.extend(keys.iter().filter_map(|key| event_of_key(*key)));
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && matches!(self.state, State::Up)
    }

    /// What goes out in the tick at `timestamp`; `None`: voice. A tick has `samples` samples.
    pub(super) fn tick(&mut self, timestamp: u32, samples: u16, ptime: Span) -> Option<EventPacket> {
        let down_ticks = ticks_of(DOWN, ptime);
        let (packet, next) = match std::mem::take(&mut self.state) {
            State::Up => match self.queue.pop_front() {
                None => (None, State::Up),
                Some(event) => {
                    let first = packet(event, timestamp, samples, true, false);
                    (Some(first), State::Down { event, started: timestamp, ticks: 1 })
                }
            },
            State::Down { event, started, ticks } => {
                let ticks = ticks + 1;
                let duration = samples.saturating_mul(ticks);
                let end = u64::from(ticks) >= down_ticks;
                let next = match end {
                    true => State::Ending { event, started, duration, left: ENDS - 1 },
                    false => State::Down { event, started, ticks },
                };
                (Some(packet(event, started, duration, false, end)), next)
            }
            State::Ending { event, started, duration, left } => {
                let next = match left {
                    0 | 1 => State::Resting { ticks: ticks_of(UP, ptime) },
                    2.. => State::Ending { event, started, duration, left: left - 1 },
                };
                (Some(packet(event, started, duration, false, true)), next)
            }
            State::Resting { ticks } => match ticks {
                0 | 1 => (None, State::Up),
                2.. => (None, State::Resting { ticks: ticks - 1 }),
            },
        };
        self.state = next;
        packet
    }
}

fn packet(event: u8, timestamp: u32, duration: u16, marker: bool, end: bool) -> EventPacket {
    EventPacket { marker, timestamp, payload: EventPayload { event, end, volume: VOLUME, duration } }
}

/// At least two, so that a key has a first packet and an end.
fn ticks_of(span: Span, ptime: Span) -> u64 {
    span.0.div_ceil(ptime.0.max(1)).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{KeyDetector, Seen};

    #[test]
    fn a_key_is_100_ms_long_ends_three_times_and_leaves_a_gap() {
        let mut pad = Keypad::default();
        pad.press(b"#");
        let mut rows = Vec::new();
        for tick in 0..12u32 {
            rows.push(pad.tick(1_000 + 160 * tick, 160, Span::from_millis(20)));
        }
        let told: Vec<_> =
            rows.iter().flatten().map(|p| (p.marker, p.timestamp, p.payload.duration, p.payload.end)).collect();
        assert_eq!(
            told,
            [
                (true, 1_000, 160, false),
                (false, 1_000, 320, false),
                (false, 1_000, 480, false),
                (false, 1_000, 640, false),
                (false, 1_000, 800, true),
                (false, 1_000, 800, true),
                (false, 1_000, 800, true),
            ]
        );
        assert!(pad.is_idle());
    }

    #[test]
    fn keys_arrive_in_order_at_every_packet_length() {
        for ptime in [10u16, 20, 30, 40, 60] {
            let mut pad = Keypad::default();
            pad.press(b"#11#");
            let mut detector = KeyDetector::default();
            let mut keys = String::new();
            let samples = ptime * 8;
            for tick in 0..200u32 {
                let timestamp = u32::from(samples) * tick;
                let Some(event) = pad.tick(timestamp, samples, Span::from_millis(u64::from(ptime))) else { continue };
                assert!(event.payload.duration >= samples, "{ptime} ms");
                if let Seen::Press(press) = detector.handle(event.marker, event.timestamp, event.payload) {
                    keys.push(char::from(press.key));
                }
            }
            assert_eq!(keys, "#11#", "{ptime} ms");
            assert!(pad.is_idle(), "{ptime} ms");
        }
    }
}
