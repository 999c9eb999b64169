//! Between 8, 16 and 48 kHz: a polyphase low-pass filter. Every ratio is a whole number, so a
//! frame comes out with its exact length.

use crate::base::Rate;

/// Taps on each side of the centre, in samples of the lower rate: 1 ms at 8 kHz.
const HALF: usize = 8;
/// The highest ratio: 8 to 48 kHz.
const MOST: usize = 6;
/// Taps at the higher rate.
const TAPS: usize = 2 * HALF * MOST;

/// One direction of one stream. Its delay is `HALF` samples of the lower rate.
#[derive(Clone, Debug)]
pub struct Resampler {
    ratio: usize,
    up: bool,
    taps: [f32; TAPS],
    /// The newest input samples; the oldest first.
    history: [f32; TAPS],
    /// Input samples since the last output, when the rate goes down.
    phase: usize,
}

impl Resampler {
    /// `None` where the ratio of the rates is none of 1, 2, 3, 6.
    pub fn new(from: Rate, to: Rate) -> Option<Self> {
        let (high, low) = (from.0.max(to.0), from.0.min(to.0).max(1));
        let ratio = usize::try_from(high / low).ok().filter(|ratio| high % low == 0 && (1..=MOST).contains(ratio))?;
        Some(Resampler { ratio, up: to.0 >= from.0, taps: low_pass(ratio), history: [0.0; TAPS], phase: 0 })
    }

    /// Converts a frame; returns how many samples were written, `None` where `out` is too short.
    pub fn process(&mut self, samples: &[i16], out: &mut [i16]) -> Option<usize> {
        if self.ratio == 1 {
            out.get_mut(..samples.len())?.copy_from_slice(samples);
            return Some(samples.len());
        }
        match self.up {
            true => self.raise(samples, out),
            false => self.lower(samples, out),
        }
    }

    fn raise(&mut self, samples: &[i16], out: &mut [i16]) -> Option<usize> {
        let length = samples.len() * self.ratio;
        let out = out.get_mut(..length)?;
        for (sample, places) in samples.iter().zip(out.chunks_exact_mut(self.ratio)) {
            self.push(*sample, 2 * HALF);
            let window = self.history.get(..2 * HALF)?;
            for (phase, place) in places.iter_mut().enumerate() {
                // Of the filter only every `ratio`th tap meets a sample; the rest meet zeros.
                let taps = self.taps.iter().skip(phase).step_by(self.ratio);
                let sum: f32 = window.iter().rev().zip(taps).map(|(sample, tap)| sample * tap).sum();
                *place = round(sum * self.ratio as f32);
            }
        }
        Some(length)
    }

    fn lower(&mut self, samples: &[i16], out: &mut [i16]) -> Option<usize> {
        let taps = 2 * HALF * self.ratio;
        let mut written = 0;
        for sample in samples {
            self.push(*sample, taps);
            self.phase += 1;
            if self.phase == self.ratio {
                self.phase = 0;
                let window = self.history.get(..taps)?;
                let sum: f32 = window.iter().rev().zip(&self.taps).map(|(sample, tap)| sample * tap).sum();
                *out.get_mut(written)? = round(sum);
                written += 1;
            }
        }
        Some(written)
    }

    fn push(&mut self, sample: i16, window: usize) {
        if let Some(window) = self.history.get_mut(..window) {
            window.rotate_left(1);
            if let Some(last) = window.last_mut() {
                *last = f32::from(sample);
            }
        }
    }
}

fn round(value: f32) -> i16 {
    value.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
}

/// A windowed sinc (Hann) that passes 90 % of the lower rate's band. Its taps sum to one.
fn low_pass(ratio: usize) -> [f32; TAPS] {
    let count = 2 * HALF * ratio;
    let cutoff = 0.9 / ratio as f64;
    let mut taps = [0.0; TAPS];
    let centre = count as f64 / 2.0;
    for (at, tap) in taps.iter_mut().enumerate().take(count) {
        let x = at as f64 - centre;
        let sinc =
            if x == 0.0 { cutoff } else { (std::f64::consts::PI * cutoff * x).sin() / (std::f64::consts::PI * x) };
        let window = 0.5 - 0.5 * (std::f64::consts::TAU * at as f64 / count as f64).cos();
        *tap = (sinc * window) as f32;
    }
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    taps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: Rate, count: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate.0);
        (0..count).map(|n| ((n as f64 * step).sin() * 10_000.0) as i16).collect()
    }

    /// The level of a frequency in samples, in dB against the tone of the tests.
    fn level(samples: &[i16], hertz: f64, rate: Rate) -> f64 {
        let step = std::f64::consts::TAU * hertz / f64::from(rate.0);
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            re += f64::from(*sample) * (n as f64 * step).cos();
            im += f64::from(*sample) * (n as f64 * step).sin();
        }
        20.0 * ((re.hypot(im) * 2.0 / samples.len() as f64 / 10_000.0).max(1e-9)).log10()
    }

    fn converted(samples: &[i16], from: Rate, to: Rate) -> Vec<i16> {
        let mut resampler = Resampler::new(from, to).unwrap();
        let mut out = Vec::new();
        for frame in samples.chunks(usize::try_from(from.0 / 50).unwrap()) {
            let mut place = [0; 960];
            let count = resampler.process(frame, &mut place).unwrap();
            assert_eq!(count, frame.len() * to.0 as usize / from.0 as usize, "{from:?} to {to:?}");
            out.extend_from_slice(&place[..count]);
        }
        out
    }

    #[test]
    fn a_tone_in_the_band_keeps_its_level_and_leaves_no_image() {
        let rates = [Rate::NARROW, Rate::WIDE, Rate::FULL];
        for from in rates {
            for to in rates {
                let out = converted(&tone(1_000.0, from, from.0 as usize / 2), from, to);
                let middle = &out[out.len() / 4..out.len() / 4 * 3];
                assert!(level(middle, 1_000.0, to).abs() < 0.3, "{from:?} to {to:?}");
                if to.0 > from.0 {
                    let image = f64::from(from.0) - 1_000.0;
                    assert!(level(middle, image, to) < -45.0, "{from:?} to {to:?}: {}", level(middle, image, to));
                }
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_taken_out() {
        let out = converted(&tone(6_000.0, Rate::WIDE, 8_000), Rate::WIDE, Rate::NARROW);
        assert!(level(&out[1_000..3_000], 2_000.0, Rate::NARROW) < -40.0);
        assert!(Resampler::new(Rate(44_100), Rate::NARROW).is_none());
    }
}
