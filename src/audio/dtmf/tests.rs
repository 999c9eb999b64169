//! The bars of Q.24 as the product promises them, on tones with noise through G.711.

use super::*;
use crate::audio::Law;
use crate::base::{Random, Seeded};

/// Amplitude of a sinusoid of this level: 3.17 dBm0 is full scale (G.711 table 1a).
fn amplitude(dbm0: f32) -> f32 {
    32_124.0 * 10f32.powf((dbm0 - 3.17) / 20.0)
}

struct Press {
    key: u8,
    ms: f32,
    /// Of row and column, in dBm0.
    levels: (f32, f32),
    /// Of row and column, 0.015 is +1.5 %.
    off: (f32, f32),
    /// Signal to noise, dB.
    noise: Option<f32>,
    /// Samples of silence before it.
    lead: usize,
}

const PLAIN: Press = Press { key: b'5', ms: 40.0, levels: (-10.0, -10.0), off: (0.0, 0.0), noise: None, lead: 400 };

fn position(key: u8) -> (usize, usize) {
    (0..16).map(|n| (n / 4, n % 4)).find(|(row, column)| KEYS[*row][*column] == key).unwrap()
}

/// The samples of a press, after µ-law and back.
fn heard(press: &Press, seed: u64) -> Vec<i16> {
    let mut random = Seeded(seed);
    let (row, column) = position(press.key);
    let (low, high) = (amplitude(press.levels.0), amplitude(press.levels.1));
    let power = (low * low + high * high) / 2.0;
    let noise = press.noise.map_or(0.0, |db| (power * 10f32.powf(-db / 10.0)).sqrt());
    let tone = (press.ms * 8.0) as usize;
    let phase = (random.u16() as f32 / 10_000.0, random.u16() as f32 / 10_000.0);
    (0..press.lead + tone + 800)
        .map(|n| {
            let t = n as f32 * std::f32::consts::TAU / RATE;
            let on = (press.lead..press.lead + tone).contains(&n);
            let wave = |hertz: f32, off: f32, phase: f32| (t * hertz * (1.0 + off) + phase).sin();
            let tones =
                low * wave(ROWS[row], press.off.0, phase.0) + high * wave(COLUMNS[column], press.off.1, phase.1);
            // Twelve uniform values make a normal one.
            let normal: f32 = (0..12).map(|_| f32::from(random.u16()) / 65_536.0).sum::<f32>() - 6.0;
            let value = if on { tones } else { 0.0 } + noise * normal;
            Law::Mu.decode(Law::Mu.encode(value.clamp(-32_768.0, 32_767.0) as i16))
        })
        .collect()
}

fn keys(samples: &[i16]) -> String {
    let mut found = String::new();
    let mut detector = DtmfDetector::default();
    for frame in samples.chunks(160) {
        detector.feed(frame.iter().copied(), |change, _| {
            if let ToneKey::Down { key, .. } = change {
                found.push(char::from(key));
            }
        });
    }
    found
}

/// How many of 16 keys at eight offsets are found, exactly once and right.
fn share(press: &Press) -> f32 {
    let (mut right, mut all) = (0, 0);
    for key in KEYS.iter().flatten() {
        for offset in 0..8 {
            let press = Press { key: *key, lead: 400 + offset * 11, ..*press };
            all += 1;
            right +=
                usize::from(keys(&heard(&press, u64::from(*key) * 31 + offset as u64)) == char::from(*key).to_string());
        }
    }
    right as f32 / all as f32
}

#[test]
fn every_key_of_40_ms_is_found_once_from_0_to_minus_25_dbm0() {
    for level in [0.0, -3.0, -10.0, -20.0, -25.0] {
        assert_eq!(share(&Press { levels: (level, level), ..PLAIN }), 1.0, "{level} dBm0");
    }
}

#[test]
fn fifteen_decibel_of_noise_hide_no_key() {
    for level in [-3.0, -25.0] {
        assert_eq!(share(&Press { levels: (level, level), noise: Some(15.0), ..PLAIN }), 1.0, "{level} dBm0");
    }
}

#[test]
fn frequencies_are_accepted_to_one_and_a_half_percent_and_refused_from_three_and_a_half() {
    for off in [(0.015, 0.015), (-0.015, -0.015), (0.015, -0.015), (-0.015, 0.015)] {
        assert_eq!(share(&Press { off, ..PLAIN }), 1.0, "{off:?}");
        assert_eq!(share(&Press { off, noise: Some(15.0), ms: 50.0, ..PLAIN }), 1.0, "{off:?} in noise");
    }
    for off in [(0.035, 0.0), (-0.035, 0.0), (0.0, 0.035), (0.0, -0.035), (0.05, 0.0), (0.0, -0.05), (0.035, 0.035)] {
        for ms in [40.0, 100.0] {
            assert_eq!(share(&Press { off, ms, ..PLAIN }), 0.0, "{off:?} for {ms} ms");
        }
    }
}

#[test]
fn the_column_may_be_4_db_louder_and_the_row_8_db() {
    for levels in [(-12.0, -8.0), (-8.0, -16.0), (-25.0, -21.0), (-17.0, -25.0)] {
        assert_eq!(share(&Press { levels, ..PLAIN }), 1.0, "{levels:?}");
        assert_eq!(share(&Press { levels, noise: Some(15.0), ..PLAIN }), 1.0, "{levels:?} in noise");
    }
    assert_eq!(share(&Press { levels: (-20.0, -8.0), ..PLAIN }), 0.0);
    assert_eq!(share(&Press { levels: (-4.0, -20.0), ..PLAIN }), 0.0);
}

#[test]
fn a_long_press_is_one_key_and_two_presses_are_two() {
    let long = heard(&Press { ms: 2_000.0, noise: Some(15.0), ..PLAIN }, 3);
    assert_eq!(keys(&long), "5");
    let mut twice = heard(&Press { ms: 50.0, ..PLAIN }, 4);
    twice.truncate(400 + 400 + 320);
    twice.extend(heard(&Press { ms: 50.0, lead: 0, ..PLAIN }, 5));
    assert_eq!(keys(&twice), "55");
}

#[test]
fn the_beginning_is_known_to_a_block_and_never_too_late() {
    for offset in 0..16 {
        let lead = 400 + offset * 13;
        let samples = heard(&Press { lead, ms: 100.0, ..PLAIN }, offset as u64);
        let (mut began, mut ended) = (None, None);
        DtmfDetector::default().feed(samples, |change, at| match change {
            ToneKey::Down { ago, .. } => began = Some(at - ago as usize),
            ToneKey::Up { length } => ended = began.map(|began| began + length as usize),
            ToneKey::Going { .. } => {}
        });
        let (began, ended) = (began.unwrap(), ended.unwrap());
        assert!((lead - 160..=lead).contains(&began), "{lead}: {began}");
        assert!((lead + 800..lead + 1_000).contains(&ended), "{lead}: {ended}");
    }
}

#[test]
fn noise_music_and_single_tones_are_no_keys() {
    let mut random = Seeded(9);
    let noise: Vec<i16> = (0..80_000).map(|_| random.u16() as i16 / 4).collect();
    assert_eq!(keys(&noise), "");
    for hertz in [440.0f32, 697.0, 941.0, 1_209.0, 1_477.0] {
        let tone: Vec<i16> =
            (0..8_000).map(|n| ((n as f32 * std::f32::consts::TAU * hertz / RATE).sin() * 9_000.0) as i16).collect();
        assert_eq!(keys(&tone), "", "{hertz} Hz");
    }
    // Dial, ringing and busy tones (ITU-T E.180, North America): 350+440, 440+480, 480+620 Hz.
    for (one, other) in [(350.0f32, 440.0f32), (440.0, 480.0), (480.0, 620.0), (700.0, 1_050.0)] {
        let wave = |n: u32, hertz: f32| (n as f32 * std::f32::consts::TAU * hertz / RATE).sin() * 8_000.0;
        let tones: Vec<i16> = (0..8_000).map(|n| (wave(n, one) + wave(n, other)) as i16).collect();
        assert_eq!(keys(&tones), "", "{one} and {other} Hz");
    }
}
