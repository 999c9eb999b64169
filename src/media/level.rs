//! How loud a party is, for the eye: measured of what it sends, and only while somebody watches.

use super::receive::Extended;
use super::transcode::Ear;
use crate::audio::Coding;
use crate::base::Rate;

/// Nothing is lower, in dBFS: one step of 16 bits has -90.
const FLOOR: f64 = -96.0;
/// The square of full scale.
const FULL: f64 = (1u64 << 30) as f64;
/// Samples that a packet of comfort noise stands for.
const OF_NOISE: u64 = 160;

/// The mean power of some samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Power {
    squares: f64,
    samples: u64,
}

impl Power {
    fn add(&mut self, samples: impl IntoIterator<Item = i16>) {
        let (mut squares, mut count) = (0u64, 0);
        for sample in samples {
            let amount = u64::from(sample.unsigned_abs());
            squares += amount * amount;
            count += 1;
        }
        self.squares += squares as f64;
        self.samples += count;
    }

    /// RMS in dBFS (0: a square wave of full scale, as dBov in RFC 3389; a sine has -3), to a tenth.
    fn level(self) -> Option<f32> {
        (self.samples > 0).then(|| {
            let decibels = 10.0 * (self.squares / self.samples as f64 / FULL).log10();
            ((decibels.clamp(FLOOR, 0.0) * 10.0).round() / 10.0) as f32
        })
    }
}

/// Measures a leg; made when somebody begins to watch.
#[derive(Debug, Default)]
pub struct Meter {
    power: Power,
    /// For what nobody else decodes; made when the first packet of it comes.
    ear: Option<Box<Ear>>,
}

impl Meter {
    /// A packet. Of a coding that we lack nothing is known.
    pub fn hear(&mut self, coding: Coding, extended: Extended, payload: &[u8]) {
        match coding {
            Coding::G711(law) => self.power.add(payload.iter().map(|byte| law.decode(*byte))),
            Coding::G722 | Coding::Opus | Coding::G729 => {
                let ear = self.ear.get_or_insert_with(|| Box::new(Ear::new(Rate::NARROW)));
                if let Some(heard) = ear.hear(coding, extended, payload) {
                    self.power.add(heard.samples.iter().copied());
                }
            }
            // Its first byte is a level in -dBov (RFC 3389 §3.1).
            Coding::Noise => {
                if let Some(level) = payload.first() {
                    let mean = FULL * 10f64.powf(-f64::from(*level & 0x7f) / 10.0);
                    self.power.squares += mean * OF_NOISE as f64;
                    self.power.samples += OF_NOISE;
                }
            }
            Coding::Foreign { .. } => {}
        }
    }

    /// Samples of a packet that was decoded anyway.
    pub fn decoded(&mut self, coding: Coding, samples: &[i16]) {
        match coding {
            Coding::G722 | Coding::Opus | Coding::G729 => self.power.add(samples.iter().copied()),
            // Was measured as it came.
            Coding::G711(_) | Coding::Noise | Coding::Foreign { .. } => {}
        }
    }

    /// RMS of what came since it was taken last, in dBFS from -96.0 to 0.0; `None`: nothing did.
    pub fn take(&mut self) -> Option<f32> {
        std::mem::take(&mut self.power).level()
    }
}

#[cfg(test)]
mod tests {
    use super::super::receive::Place;
    use super::*;
    use crate::audio::codec::{MOST_PAYLOAD, encoder};

    fn at(packet: i64) -> Extended {
        let place = if packet == 0 { Place::NewStream } else { Place::InOrder };
        Extended { place, sequence: packet, timestamp: packet * 160 }
    }

    fn of(samples: impl IntoIterator<Item = i16>) -> Option<f32> {
        let mut power = Power::default();
        power.add(samples);
        power.level()
    }

    #[test]
    fn a_level_is_the_rms_in_decibels_of_full_scale() {
        let sine = (0..8_000).map(|at| (f64::from(at) * std::f64::consts::TAU / 8.0).sin());
        for (what, level, expected) in [
            ("nothing", of([]), None),
            ("silence", of([0; 160]), Some(-96.0)),
            ("full scale", of([i16::MIN; 160]), Some(0.0)),
            ("a sine of full scale", of(sine.map(|part| (part * 32_767.0) as i16)), Some(-3.0)),
            ("a half of it", of([16_384, -16_384]), Some(-6.0)),
            ("the least", of([1, -1]), Some(-90.3)),
            ("half of the time", of([i16::MIN, 0]), Some(-3.0)),
        ] {
            assert_eq!(level, expected, "{what}");
        }
    }

    #[test]
    fn what_came_since_the_last_time_is_measured_and_nothing_twice() {
        let mut meter = Meter::default();
        meter.hear(Coding::PCMU, at(0), &[0x55; 160]);
        meter.hear(Coding::PCMU, at(1), &[0x55; 160]);
        // 0x55 is -716.
        assert_eq!(meter.take(), Some(-33.2));
        assert_eq!(meter.take(), None);
        meter.hear(Coding::PCMA, at(2), &[0xd5; 160]);
        assert!(meter.take().unwrap() < -70.0, "idle");
    }

    #[test]
    fn comfort_noise_is_as_loud_as_it_says_and_what_we_lack_is_not_known() {
        let mut meter = Meter::default();
        meter.hear(Coding::Noise, at(0), &[50, 1, 2]);
        assert_eq!(meter.take(), Some(-50.0));
        meter.hear(Coding::Noise, at(1), &[]);
        meter.hear(Coding::Foreign { clock: 8_000 }, at(2), &[1; 33]);
        assert_eq!(meter.take(), None);
    }

    #[test]
    fn every_codec_that_we_have_is_measured_as_it_was_said() {
        for coding in [Coding::PCMU, Coding::PCMA, Coding::G722, Coding::Opus, Coding::G729] {
            let (mut encoder, mut meter) = (encoder(coding, Rate::NARROW).unwrap(), Meter::default());
            let mut payload = [0; MOST_PAYLOAD];
            for packet in 0..25 {
                let tone = |sample: i64| (f64::from(sample as i32) * std::f64::consts::TAU / 20.0).sin() * 8_000.0;
                let samples: Vec<i16> = (0..160).map(|sample| tone(packet * 160 + sample) as i16).collect();
                let bytes = encoder.encode(&samples, &mut payload).unwrap();
                let extended = Extended { timestamp: packet * i64::from(coding.clock().0) / 50, ..at(packet) };
                meter.hear(coding, extended, &payload[..bytes]);
                // The first packets are those in which a codec finds its way.
                if packet == 4 {
                    meter.take();
                }
            }
            let level = meter.take().unwrap();
            assert!((-18.3..-12.2).contains(&level), "{coding:?}: {level}, a sine of 8,000 has -15.3");
        }
    }
}
