//! Tones that we play to a party: command answers, notices, DTMF as audio.

use crate::base::{Rate, Samples, Span};

/// A tone of one or two frequencies at −13 dBm0 or so, with 5 ms ramps against clicks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A command was obeyed: one rising pair of beeps.
    Obeyed,
    /// A command was refused: one low buzz.
    Refused,
    /// The recording is still paused: one short high beep.
    Reminder,
    /// A key as its two frequencies (ITU-T Q.23): `0-9`, `A-D`, `*`, `#`.
    Key(u8),
}

const AMPLITUDE: f32 = 5_000.0;
const RAMP: Span = Span::from_millis(5);

impl Tone {
    pub const fn length(self) -> Span {
        match self {
            Tone::Obeyed => Span::from_millis(160),
            Tone::Refused => Span::from_millis(320),
            Tone::Reminder => Span::from_millis(120),
            Tone::Key(_) => Span::from_millis(100),
        }
    }

    /// The sample at position `at` of the tone.
    pub fn sample(self, at: Samples, rate: Rate) -> i16 {
        let total = rate.samples(self.length()).0;
        if at.0 >= total {
            return 0;
        }
        let ramp = rate.samples(RAMP).0.max(1);
        let edge = at.0.min(total - 1 - at.0).min(ramp) as f32 / ramp as f32;
        let seconds = at.0 as f32 / rate.0 as f32;
        let (low, high) = self.frequencies(at, total);
        let wave = |hertz: f32| (std::f32::consts::TAU * hertz * seconds).sin();
        let value = match high {
            Some(high) => wave(low) + wave(high),
            None => wave(low),
        };
        (value * AMPLITUDE * edge) as i16
    }

    /// Hz of the tone at a position; the second one only for keys.
    fn frequencies(self, at: Samples, total: u64) -> (f32, Option<f32>) {
        match self {
            Tone::Obeyed if at.0 < total / 2 => (700.0, None),
            Tone::Obeyed => (1_050.0, None),
            Tone::Refused => (350.0, None),
            Tone::Reminder => (880.0, None),
            Tone::Key(key) => {
                let (row, column) = key_position(key);
                let low = [697.0, 770.0, 852.0, 941.0].get(row).copied().unwrap_or(697.0);
                let high = [1_209.0, 1_336.0, 1_477.0, 1_633.0].get(column).copied().unwrap_or(1_209.0);
                (low, Some(high))
            }
        }
    }
}

fn key_position(key: u8) -> (usize, usize) {
    const PAD: [[u8; 4]; 4] = [*b"123A", *b"456B", *b"789C", *b"*0#D"];
    for (row, keys) in PAD.iter().enumerate() {
        if let Some(column) = keys.iter().position(|k| *k == key) {
            return (row, column);
        }
    }
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_starts_and_ends_in_silence_and_is_loud_between() {
        for tone in [Tone::Obeyed, Tone::Refused, Tone::Reminder, Tone::Key(b'5')] {
            let total = Rate::NARROW.samples(tone.length()).0;
            let at = |n| tone.sample(Samples(n), Rate::NARROW);
            assert_eq!(at(0), 0, "{tone:?}");
            assert_eq!(at(total), 0, "{tone:?}");
            let peak = (0..total).map(|n| at(n).unsigned_abs()).max().unwrap_or(0);
            assert!((3_000..=10_000).contains(&peak), "{tone:?} peaks at {peak}");
        }
    }
}
