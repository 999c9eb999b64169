//! Whether anybody speaks: pure, on the samples of one party in order.
//!
//! ```text
//! samples ─► frames of 20 ms ─► RMS ─► over the threshold in 3 of 4: somebody speaks
//!                                └──► below half of it: nobody does
//! ```
//! The threshold stands 12 dB over what is heard when nobody speaks (the quietest 200 ms of the last
//! 3 s), within limits: idle lines and comfort noise (RFC 3389: -50 dBov and less) are silence by
//! their level alone, and a line louder than -44 dBov, a car, lifts it to -32 dBov at most. A quiet talker has
//! about -36 dBov, so that the limits leave them heard on every line that is not noisy.

use crate::base::{Rate, Samples, Span};
use std::collections::VecDeque;

/// How long a frame is.
const FRAME: Span = Span::from_millis(20);
/// RMS of a sample that is speech on a quiet line: -42.3 dBov.
const LEAST: f32 = 250.0;
/// On the noisiest: -32.2 dBov.
const MOST: f32 = 800.0;
/// Over the noise: 12 dB.
const OVER_NOISE: f32 = 4.0;
/// Once somebody speaks, they do until it is lower by 6 dB.
const HYSTERESIS: f32 = 0.5;
/// Frames in which the noise is looked for, and of how many it is the mean.
const NOISE_OF: usize = 150;
const NOISE_MEAN: usize = 10;

/// Listens to one party.
#[derive(Debug)]
pub struct Silence {
    frame: usize,
    /// Of the frame that is not full.
    sum: f64,
    inside: usize,
    /// Of the last frames: over the threshold. One or two alone are a click.
    over: [bool; 4],
    speaking: bool,
    /// The mean of the last frames, newest at the back.
    means: VecDeque<f32>,
    recent: VecDeque<f32>,
    /// Samples that were heard, and those up to which somebody spoke.
    heard: u64,
    spoken: u64,
    limit: u64,
    told: bool,
}

impl Silence {
    /// `limit`: how long nobody may speak.
    pub fn new(rate: Rate, limit: Span) -> Self {
        Silence {
            frame: usize::try_from(rate.samples(FRAME).0).unwrap_or(1).max(1),
            sum: 0.0,
            inside: 0,
            over: [false; 4],
            speaking: false,
            means: VecDeque::with_capacity(NOISE_OF),
            recent: VecDeque::with_capacity(NOISE_MEAN),
            heard: 0,
            spoken: 0,
            limit: rate.samples(limit).0.max(1),
            told: false,
        }
    }

    /// The next samples. `true` once each time that the silence has become as long as the limit.
    pub fn hear(&mut self, samples: impl IntoIterator<Item = i16>) -> bool {
        let mut reached = false;
        for sample in samples {
            self.sum += f64::from(sample) * f64::from(sample);
            self.inside += 1;
            if self.inside == self.frame {
                reached |= self.close_frame();
            }
        }
        reached
    }

    fn close_frame(&mut self) -> bool {
        let level = (std::mem::take(&mut self.sum) / self.frame as f64).sqrt() as f32;
        self.inside = 0;
        self.heard += self.frame as u64;
        let threshold = (self.noise() * OVER_NOISE).clamp(LEAST, MOST);
        self.note(level);
        self.over.rotate_left(1);
        let [.., last] = &mut self.over;
        *last = level >= threshold;
        let loud = self.over.iter().filter(|over| **over).count() >= 3;
        self.speaking = loud || (self.speaking && level >= threshold * HYSTERESIS);
        if self.speaking {
            self.spoken = self.heard;
            self.told = false;
        }
        let reached = !self.told && self.silent() >= self.limit;
        self.told |= reached;
        reached
    }

    /// What is heard when nobody speaks; nothing is known of it at first.
    fn noise(&self) -> f32 {
        match self.means.len() < NOISE_OF / 3 {
            true => 0.0,
            false => self.means.iter().copied().fold(f32::INFINITY, f32::min),
        }
    }

    fn note(&mut self, level: f32) {
        push(&mut self.recent, level, NOISE_MEAN);
        let mean = self.recent.iter().sum::<f32>() / self.recent.len().max(1) as f32;
        push(&mut self.means, mean, NOISE_OF);
    }

    /// Samples since somebody spoke, or since the start.
    pub const fn silent(&self) -> u64 {
        self.heard - self.spoken
    }

    /// How many samples there were when somebody spoke last; 0 where nobody did.
    pub const fn spoken_until(&self) -> Samples {
        Samples(self.spoken)
    }
}

/// Keeps the newest; the queue was made with room for `most`.
fn push(queue: &mut VecDeque<f32>, level: f32, most: usize) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(level);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Law;
    use crate::base::{Random, Seeded};

    const SECOND: usize = 8_000;

    /// White noise of an RMS.
    fn noise(rms: f32, samples: usize, seed: u64) -> Vec<i16> {
        let mut dice = Seeded(seed);
        // Of an even distribution the RMS is its limit over the root of 3.
        let limit = rms * 3f32.sqrt();
        (0..samples).map(|_| ((f32::from(dice.u16()) / 32_767.5 - 1.0) * limit) as i16).collect()
    }

    /// What a talker sounds like to a level meter: syllables of 200 ms, five in a second, with pauses
    /// between words.
    fn speech(rms: f32, samples: usize, seed: u64) -> Vec<i16> {
        let mut out = noise(rms, samples, seed);
        for (at, sample) in out.iter_mut().enumerate() {
            let syllable = (at * 5) as f32 / SECOND as f32;
            let swell = (std::f32::consts::PI * syllable.fract()).sin();
            let pause = at % (2 * SECOND) > SECOND + SECOND / 2;
            *sample = if pause { 0 } else { (f32::from(*sample) * swell * 1.4) as i16 };
        }
        out
    }

    fn add(one: &mut [i16], other: &[i16]) {
        one.iter_mut().zip(other).for_each(|(one, other)| *one = one.saturating_add(*other));
    }

    /// How many seconds of this were heard when silence was told, one entry a time.
    fn told(samples: &[i16]) -> Vec<f32> {
        let mut silence = Silence::new(Rate::NARROW, Span::from_secs(4));
        let mut times = Vec::new();
        for (at, part) in samples.chunks(80).enumerate() {
            if silence.hear(part.iter().copied()) {
                times.push((at + 1) as f32 / 100.0);
            }
        }
        times
    }

    #[test]
    fn what_a_line_sounds_like_when_nobody_speaks_is_silence() {
        let idle: Vec<i16> = (0..10 * SECOND).map(|at| Law::Mu.decode(if at % 3 == 0 { 0x7e } else { 0xff })).collect();
        let mut clicks = vec![0; 10 * SECOND];
        // A click of 4 ms every second.
        for click in clicks.chunks_mut(SECOND) {
            click[..32].fill(12_000);
        }
        let rows = [
            ("digital silence", vec![0; 10 * SECOND]),
            ("the idle codes of µ-law", idle),
            ("comfort noise of -50 dBov", noise(104.0, 10 * SECOND, 1)),
            ("comfort noise of -60 dBov", noise(33.0, 10 * SECOND, 2)),
            ("an office, -45 dBov", noise(184.0, 10 * SECOND, 3)),
            ("clicks", clicks),
        ];
        for (name, samples) in rows {
            assert_eq!(told(&samples), [4.0], "{name}");
        }
    }

    #[test]
    fn a_noisy_line_is_silent_once_its_noise_is_known() {
        let [told] = told(&noise(200.0 * 1.5, 10 * SECOND, 4))[..] else { panic!("told once") };
        assert!(told < 6.0, "after {told} s");
    }

    #[test]
    fn whoever_speaks_is_heard_however_quiet_and_on_a_noisy_line() {
        for (name, level, line) in
            [("loud", 3_000.0, 0.0), ("usual", 1_640.0, 104.0), ("quiet", 520.0, 33.0), ("in a car", 2_500.0, 300.0)]
        {
            let mut samples = speech(level, 60 * SECOND, 5);
            add(&mut samples, &noise(line, 60 * SECOND, 6));
            assert!(told(&samples).is_empty(), "{name}");
            let mut silence = Silence::new(Rate::NARROW, Span::from_secs(4));
            silence.hear(samples);
            assert!(silence.spoken_until().0 > 58 * SECOND as u64, "{name}");
        }
    }

    #[test]
    fn a_silence_is_told_once_and_again_when_somebody_has_spoken_in_between() {
        let mut samples = vec![0; 9 * SECOND];
        samples.extend(noise(2_000.0, SECOND, 7));
        samples.extend(vec![0; 3 * SECOND]);
        samples.extend(noise(2_000.0, SECOND, 8));
        samples.extend(vec![0; 9 * SECOND]);
        let [first, second] = told(&samples)[..] else { panic!("told twice") };
        assert!(first == 4.0 && (18.0..18.1).contains(&second), "{first} {second}");
    }

    #[test]
    fn the_end_of_speech_is_known_to_a_frame_at_every_rate() {
        for rate in [Rate::NARROW, Rate::WIDE, Rate::FULL] {
            let second = usize::try_from(rate.0).unwrap();
            let mut silence = Silence::new(rate, Span::from_secs(2));
            silence.hear(vec![0; second]);
            silence.hear(noise(2_000.0, second, 9));
            assert!(!silence.hear(vec![0; 2 * second - second / 10]));
            assert!(silence.hear(vec![0; second / 5]));
            let end = silence.spoken_until().0 as f64 / f64::from(rate.0);
            assert!((2.0..2.05).contains(&end), "{end} at {}", rate.0);
        }
    }
}
