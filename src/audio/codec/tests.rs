//! Every codec against itself, and against whatever a network may bring.

use super::*;
use crate::audio::Law;
use opus_rs::{Application, OpusEncoder};
use proptest::prelude::*;

const ALL: [Coding; 5] = [Coding::G711(Law::Mu), Coding::G711(Law::A), Coding::G722, Coding::Opus, Coding::G729];
const RATES: [Rate; 3] = [Rate::NARROW, Rate::WIDE, Rate::FULL];

/// A vowel of a sort: a chord that swells.
fn voice(rate: Rate, at: usize) -> i16 {
    let t = at as f64 / f64::from(rate.0) * std::f64::consts::TAU;
    let swell = 0.6 + 0.4 * (t * 3.0).sin();
    (((t * 150.0).sin() + 0.6 * (t * 450.0).sin() + 0.3 * (t * 1_050.0).sin()) * 5_000.0 * swell) as i16
}

fn power(samples: &[i16], hertz: f64, rate: Rate) -> f64 {
    let step = std::f64::consts::TAU * hertz / f64::from(rate.0);
    let (re, im) = samples.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, sample)| {
        (re + f64::from(*sample) * (n as f64 * step).cos(), im + f64::from(*sample) * (n as f64 * step).sin())
    });
    re.hypot(im) * 2.0 / samples.len() as f64
}

#[test]
fn what_is_encoded_comes_back_with_its_length_and_its_pitches_at_every_rate() {
    for coding in ALL {
        for from in RATES {
            for to in RATES {
                let (mut encoder, mut decoder) = (encoder(coding, from).unwrap(), decoder(coding, to).unwrap());
                let (frame, mut heard) = (from.0 as usize / 50, Vec::new());
                for n in 0..100 {
                    let samples: Vec<i16> = (0..frame).map(|at| voice(from, n * frame + at)).collect();
                    let (mut payload, mut out) = ([0; MOST_PAYLOAD], [0; MOST_SAMPLES]);
                    let bytes = encoder.encode(&samples, &mut payload).unwrap();
                    assert_eq!(coding.ticks(&payload[..bytes]), Some(coding.clock().0 / 50), "{coding:?} at {from:?}");
                    let count = decoder.decode(&payload[..bytes], &mut out).unwrap();
                    assert_eq!(count, to.0 as usize / 50, "{coding:?} from {from:?} to {to:?}");
                    heard.extend_from_slice(&out[..count]);
                }
                let middle = &heard[heard.len() / 4..];
                for (hertz, least) in [(150.0, 2_000.0), (450.0, 1_100.0), (1_050.0, 300.0)] {
                    let found = power(middle, hertz, to);
                    assert!(found > least, "{coding:?} from {from:?} to {to:?}: {hertz} Hz has {found}");
                }
                assert!(power(middle, 2_000.0, to) < 100.0, "{coding:?} from {from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn opus_speaks_every_packet_length_that_it_has() {
    let lengths = [25, 50, 100, 200, 400, 600];
    for (tenths, rate) in lengths.into_iter().flat_map(|tenths| RATES.map(|rate| (tenths, rate))) {
        // Packets below 10 ms are in another mode of Opus; we send none ourselves.
        let from = if tenths < 100 { Rate::FULL } else { rate };
        let frame = from.0 as usize * tenths / 10_000;
        let mut encoder = encoder(Coding::Opus, from).unwrap();
        let mut low_delay = OpusEncoder::new(48_000, 1, Application::RestrictedLowDelay).unwrap();
        let mut decoder = decoder(Coding::Opus, rate).unwrap();
        for n in 0..20 {
            let samples: Vec<i16> = (0..frame).map(|at| voice(from, n * frame + at)).collect();
            let (mut payload, mut out) = ([0; MOST_PAYLOAD], [0; MOST_SAMPLES]);
            let bytes = match tenths < 100 {
                true => low_delay.encode_i16(&samples, frame, &mut payload).unwrap(),
                false => encoder.encode(&samples, &mut payload).unwrap(),
            };
            let expected = rate.0 as usize * tenths / 10_000;
            assert_eq!(decoder.decode(&payload[..bytes], &mut out), Ok(expected), "{tenths}/10 ms at {rate:?}");
        }
    }
}

#[test]
fn a_lost_packet_is_filled_with_something_like_the_voice_and_a_long_loss_with_silence() {
    for coding in ALL {
        let rate = Rate::NARROW;
        let (mut encoder, mut decoder) = (encoder(coding, rate).unwrap(), decoder(coding, rate).unwrap());
        let mut out = [0; MOST_SAMPLES];
        for n in 0..50 {
            let samples: Vec<i16> = (0..160).map(|at| voice(rate, n * 160 + at)).collect();
            let mut payload = [0; MOST_PAYLOAD];
            let bytes = encoder.encode(&samples, &mut payload).unwrap();
            decoder.decode(&payload[..bytes], &mut out).unwrap();
        }
        let loudest = |samples: &[i16]| samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
        let mut lost = [0; 160];
        decoder.conceal(None, &mut lost);
        assert!((1_000..20_000).contains(&loudest(&lost)), "{coding:?}: {}", loudest(&lost));
        (0..50).for_each(|_| decoder.conceal(None, &mut lost));
        assert!(loudest(&lost) < 600, "{coding:?}: {}", loudest(&lost));
    }
}

#[test]
fn a_frame_of_a_wrong_length_is_refused() {
    let rows = [(Coding::G729, 81), (Coding::G729, 0), (Coding::Opus, 161), (Coding::G722, 3)];
    for (coding, samples) in rows {
        let rate = if coding == Coding::G722 { Rate::WIDE } else { Rate::NARROW };
        let mut encoder = encoder(coding, rate).unwrap();
        let found = encoder.encode(&vec![0; samples], &mut [0; MOST_PAYLOAD]);
        assert_eq!(found, Err(CodecError::FrameLength { samples }), "{coding:?} {samples}");
    }
    assert!(decoder(Coding::Noise, Rate::NARROW).is_none());
    assert!(encoder(Coding::Foreign { clock: 8_000 }, Rate::NARROW).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any bytes are an error or as many samples as they said; nothing panics, and the stream
    /// goes on afterwards.
    #[test]
    fn any_bytes_are_an_error_or_their_length_in_samples(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 1..8),
        coding in 2usize..5,
        lose in any::<u8>(),
    ) {
        let coding = ALL[coding];
        let mut decoder = decoder(coding, Rate::NARROW).unwrap();
        let mut out = [0; MOST_SAMPLES];
        for (n, payload) in payloads.iter().enumerate() {
            if lose >> n & 1 == 1 {
                decoder.conceal(Some(payload), &mut out[..160]);
            }
            let expected = coding.ticks(payload).map(|ticks| ticks as usize * 8_000 / coding.clock().0 as usize);
            match decoder.decode(payload, &mut out) {
                Ok(samples) => prop_assert_eq!(Some(samples), expected),
                Err(error) => prop_assert_eq!(error, CodecError::Malformed { bytes: payload.len() }),
            }
        }
    }
}
