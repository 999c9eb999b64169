//! Packet-loss concealment for codecs without one of their own: the last pitch period again and
//! again, fading to silence within 60 ms (after the idea of G.711 appendix I).

use crate::base::{Rate, Span};

/// What is remembered: 40 ms at 16 kHz.
const HISTORY: usize = 640;
/// The voice's period lies between 2.5 ms (400 Hz) and 15 ms (66 Hz).
const SHORTEST: Span = Span(2_500);
const LONGEST: Span = Span::from_millis(15);
const FADE: Span = Span::from_millis(60);

/// Remembers what was heard last.
#[derive(Clone, Debug)]
pub struct Concealer {
    history: [i16; HISTORY],
    rate: Rate,
    /// Samples that were made up since something was heard, and their period.
    made: usize,
    period: usize,
}

impl Concealer {
    /// For samples at 8 or 16 kHz.
    pub const fn new(rate: Rate) -> Self {
        Concealer { history: [0; HISTORY], rate, made: 0, period: 1 }
    }

    /// Samples that came.
    pub fn heard(&mut self, samples: &[i16]) {
        self.made = 0;
        self.remember(samples);
    }

    fn remember(&mut self, samples: &[i16]) {
        let newest = samples.get(samples.len().saturating_sub(HISTORY)..).unwrap_or(samples);
        self.history.rotate_left(newest.len());
        let kept = HISTORY - newest.len();
        for (place, sample) in self.history.iter_mut().skip(kept).zip(newest) {
            *place = *sample;
        }
    }

    /// Fills a stretch that was lost.
    pub fn fill(&mut self, out: &mut [i16]) {
        if self.made == 0 {
            self.period = self.pitch();
        }
        let fade = self.rate.samples(FADE).0.max(1) as usize;
        let start = HISTORY.saturating_sub(self.period);
        for (at, sample) in (self.made..).zip(out.iter_mut()) {
            let source = self.history.get(start + at % self.period.max(1)).copied().unwrap_or(0);
            let gain = fade.saturating_sub(at) as i64;
            *sample = (i64::from(source) * gain / fade as i64) as i16;
        }
        self.made += out.len();
    }

    /// The lag at which the last stretch repeats itself best.
    fn pitch(&self) -> usize {
        let (shortest, longest) = (self.lag(SHORTEST), self.lag(LONGEST));
        let compared = longest;
        let newest = self.history.get(HISTORY - compared..).unwrap_or(&[]);
        let likeness = |lag: usize| {
            let earlier = self.history.get(HISTORY - compared - lag..HISTORY - lag).unwrap_or(&[]);
            let (mut both, mut power) = (0i64, 1i64);
            for (one, other) in newest.iter().zip(earlier) {
                both += i64::from(*one) * i64::from(*other);
                power += i64::from(*other) * i64::from(*other);
            }
            both as f64 / (power as f64).sqrt()
        };
        (shortest..=longest).max_by(|one, other| likeness(*one).total_cmp(&likeness(*other))).unwrap_or(longest)
    }

    fn lag(&self, span: Span) -> usize {
        usize::try_from(self.rate.samples(span).0).unwrap_or(1).clamp(1, HISTORY / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(from: usize, count: usize) -> Vec<i16> {
        (from..from + count).map(|n| ((n as f64 * std::f64::consts::TAU / 40.0).sin() * 8_000.0) as i16).collect()
    }

    #[test]
    fn a_tone_goes_on_in_phase_and_fades_to_silence() {
        let mut concealer = Concealer::new(Rate::NARROW);
        concealer.heard(&tone(0, 400));
        let mut out = [0; 640];
        let (first, rest) = out.split_at_mut(160);
        concealer.fill(first);
        concealer.fill(rest);
        let expected = tone(400, 80);
        for (at, (found, expected)) in out.iter().zip(&expected).enumerate() {
            let gain = (480 - at) as f64 / 480.0;
            assert!((f64::from(*found) - f64::from(*expected) * gain).abs() < 200.0, "{at}: {found} {expected}");
        }
        assert!(out[480..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn nothing_heard_is_concealed_by_silence() {
        let mut out = [7; 320];
        Concealer::new(Rate::WIDE).fill(&mut out);
        assert_eq!(out, [0; 320]);
    }
}
