//! Music for a party on hold.

use super::*;
use crate::audio::codec::{MOST_SAMPLES, decoder};

const LOUD: i16 = 8_031;

fn with_music(toggle: bool) -> Lab {
    let mut lab = lab(toggle, Ok(()));
    lab.bridge.set_hold_music(vec![LOUD; 800].into());
    lab
}

impl Lab {
    /// The caller holds the callee, or takes it up again.
    fn holds(&mut self, on: bool) -> &mut Self {
        let held = LegMedia { held: on, receives: !on, ..media(Side::Callee, Law::A) };
        let holder = LegMedia { sends: !on, ..media(Side::Caller, Law::Mu) };
        self.bridge.set_media(Side::Caller, holder, self.now, &mut self.out);
        self.bridge.set_media(Side::Callee, held, self.now, &mut self.out);
        self
    }

    /// What the callee was sent: `M` music, `v` the caller's voice.
    fn heard_held(&self) -> String {
        let packets = self.out.rtp.iter().filter(|(to, _, packet)| *to == Side::Callee && packet.len() == HEADER + 160);
        packets.map(|(_, _, packet)| if packet[HEADER] == Law::A.encode(LOUD) { 'M' } else { 'v' }).collect()
    }

    fn taped_music(&self, of: Side) -> usize {
        let music = |tap: &&Tapped| match tap {
            Tapped::Frame { side, payload, .. } => *side == of && payload[0] == Law::Mu.encode(LOUD),
            _ => false,
        };
        self.out.taps.iter().filter(music).count()
    }
}

#[test]
fn who_is_held_hears_music_until_taken_up_again() {
    let mut lab = with_music(true);
    lab.run(5);
    lab.holds(true).run(50);
    let heard = lab.heard_held();
    assert!(heard.starts_with("vvvvv") && heard.ends_with(&"M".repeat(45)), "longer than the prompt: {heard}");
    lab.holds(false).run(20);
    assert!(lab.heard_held().ends_with(&"v".repeat(18)), "{}", lab.heard_held());
    let sequences = lab.sequences_towards(Side::Callee);
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{sequences:?}");
    assert!(!lab.bridge.is_busy());
}

#[test]
fn the_music_stands_in_the_recording_on_the_holders_channel_while_the_gate_is_open() {
    for (open, least) in [(true, 45), (false, 0)] {
        let mut lab = with_music(open);
        lab.run(5);
        lab.holds(true).run(50);
        assert!((least..=51).contains(&lab.taped_music(Side::Caller)), "{}", lab.taped_music(Side::Caller));
        assert_eq!(lab.taped_music(Side::Callee), 0);
        assert_eq!(open, lab.taped_music(Side::Caller) > 0);
    }
}

#[test]
fn without_music_who_is_held_hears_what_the_holder_sends() {
    let mut lab = lab(true, Ok(()));
    lab.holds(true).run(20);
    assert!(!lab.heard_held().contains('M') && !lab.bridge.is_busy());
}

#[test]
fn a_prompt_and_a_tone_go_before_the_music_and_it_comes_back() {
    let mut lab = with_music(false);
    lab.holds(true).run(10);
    let prompt = Prompt { id: PlayId(7), pcm: vec![-LOUD; 1_600].into(), times: Times::Once, recorded: false };
    lab.bridge.play_prompt(Side::Callee, prompt, lab.now);
    lab.run(30);
    let heard = lab.heard_held();
    assert!(heard.contains("MvvvvvvvvvvM") && heard.ends_with("MMMMMMMM"), "{heard}");
    lab.bridge.play(Side::Callee, Tone::Reminder);
    lab.run(30);
    assert!(lab.heard_held().ends_with("MMMMMMMM"));
    lab.bridge.stop_prompt(Side::Callee);
    lab.bridge.every_second(lab.now, 0, &mut lab.out);
    lab.run(10);
    assert!(lab.heard_held().ends_with("MMMMMMMM"));
}

#[test]
fn a_new_party_on_the_holders_leg_ends_the_music() {
    let mut lab = with_music(true);
    lab.holds(true).run(10);
    lab.joins(Side::Caller);
    lab.bridge.set_media(Side::Callee, media(Side::Callee, Law::A), lab.now, &mut lab.out);
    lab.run(20);
    assert!(lab.heard_held().ends_with(&"v".repeat(18)), "{}", lab.heard_held());
}

#[test]
fn on_a_wideband_leg_the_music_is_in_that_legs_codec_and_clock() {
    for (coding, clock) in [(Coding::Opus, 960), (Coding::G722, 160)] {
        let mut lab = with_music(true);
        let tone: Vec<i16> = (0..8_000).map(|n| ((f64::from(n) * 0.35).sin() * 8_000.0) as i16).collect();
        lab.bridge.set_hold_music(tone.into());
        let wide = |held| LegMedia {
            send: (96, coding),
            receive: LegMedia::received([(96, coding)]),
            held,
            receives: !held,
            ..media(Side::Callee, Law::A)
        };
        lab.bridge.set_media(Side::Callee, wide(false), lab.now, &mut lab.out);
        lab.bridge.set_media(Side::Callee, wide(true), lab.now, &mut lab.out);
        lab.out.rtp.clear();
        lab.run(50);
        let sent: Vec<&Vec<u8>> =
            lab.out.rtp.iter().filter(|(to, _, _)| *to == Side::Callee).map(|(_, _, packet)| packet).collect();
        assert!(sent.len() >= 45, "{coding:?}: {}", sent.len());
        let mut heard = Vec::new();
        let mut ears = decoder(coding, crate::base::Rate::NARROW).unwrap();
        let mut stamps = Vec::new();
        for packet in sent {
            let view = View::parse(packet).unwrap();
            stamps.push(view.timestamp);
            let mut samples = [0; MOST_SAMPLES];
            let count = ears.decode(&packet[view.payload], &mut samples).unwrap();
            heard.extend_from_slice(&samples[..count]);
        }
        assert!(stamps.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == clock), "{coding:?}: {stamps:?}");
        let peak = heard.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!((5_000..=11_000).contains(&peak), "{coding:?} peaks at {peak}");
        assert!(lab.taped_frames(Side::Caller) >= 45, "{coding:?}: and stands in the file");
    }
}

impl Lab {
    fn taped_frames(&self, of: Side) -> usize {
        self.out.taps.iter().filter(|tap| matches!(tap, Tapped::Frame { side, .. } if *side == of)).count()
    }
}
