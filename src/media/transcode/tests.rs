//! Two legs that speak differently, and keys in the audio, through the whole bridge.

use super::*;
use crate::audio::{Law, Tone};
use crate::base::{Samples, Side, Span, Time};
use crate::directory::NumberRecording;
use crate::ledger::How;
use crate::media::tests::plain;
use crate::media::{Bridge, BridgeConfig, Commander, Fact, LegMedia, Out, TapEvent};
use crate::policy::{Command, Matcher};
use crate::rtp::{HEADER, View, rewrite_header};
use std::net::SocketAddr;

#[derive(Default)]
struct Captured {
    rtp: Vec<(Side, Vec<u8>)>,
    gates: Vec<(bool, Option<u32>)>,
    keys: Vec<(u32, u32, bool)>,
    frames: usize,
    facts: Vec<Fact>,
}

impl Out for Captured {
    fn rtp(&mut self, side: Side, _: SocketAddr, packet: &[u8]) {
        self.rtp.push((side, packet.to_vec()));
    }
    fn rtcp(&mut self, _: Side, _: SocketAddr, _: &[u8]) {}
    fn tap(&mut self, event: &TapEvent<'_>) -> bool {
        match *event {
            TapEvent::Gate { open, edge, .. } => self.gates.push((open, edge.map(|(_, _, at)| at))),
            TapEvent::Key { timestamp, length, first, .. } => self.keys.push((timestamp, length, first)),
            TapEvent::Frame { .. } => self.frames += 1,
            _ => {}
        }
        true
    }
    fn tap_take(&mut self, _: crate::media::TakeSlot, event: &TapEvent<'_>) -> bool {
        self.tap(event)
    }
    fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }
}

/// A party that speaks a tone in a coding and packet length of its own.
struct Party {
    coding: Coding,
    ms: u16,
    encoder: Box<dyn Encode>,
    hertz: f64,
    said: usize,
    sequence: u16,
    timestamp: u32,
}

impl Party {
    fn new(coding: Coding, ms: u16, hertz: f64) -> Self {
        let encoder = encoder(coding, Rate::NARROW).unwrap();
        Party { coding, ms, encoder, hertz, said: 0, sequence: 100, timestamp: 5_000 }
    }

    fn samples(&mut self) -> Vec<i16> {
        let count = usize::from(self.ms) * 8;
        let from = self.said;
        self.said += count;
        let step = std::f64::consts::TAU * self.hertz / 8_000.0;
        (from..from + count).map(|n| ((n as f64 * step).sin() * 8_000.0) as i16).collect()
    }

    fn packet(&mut self, samples: &[i16], ssrc: u32) -> Vec<u8> {
        let mut payload = [0; MOST_PAYLOAD];
        let bytes = self.encoder.encode(samples, &mut payload).unwrap();
        let mut packet = vec![0; HEADER];
        rewrite_header(packet.first_chunk_mut().unwrap(), false, pt(self.coding), self.sequence, self.timestamp, ssrc);
        packet.extend(&payload[..bytes]);
        self.pass();
        packet
    }

    /// A packet's time goes by.
    fn pass(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.coding.clock().0 / 1_000 * u32::from(self.ms));
    }
}

fn pt(coding: Coding) -> u8 {
    match coding {
        Coding::Opus => 96,
        Coding::Noise => 13,
        Coding::Foreign { .. } => 99,
        Coding::G711(Law::Mu) => 0,
        Coding::G711(Law::A) => 8,
        Coding::G722 => 9,
        Coding::G729 => 18,
    }
}

struct Lab {
    bridge: Bridge,
    out: Captured,
    parties: [Party; 2],
    now: Time,
}

fn address(side: Side) -> SocketAddr {
    format!("192.0.2.{}:4000", 1 + side.channel()).parse().unwrap()
}

fn lab(caller: Party, callee: Party) -> Lab {
    let commander =
        Commander { matcher: Matcher::new("#11#", "#12#"), permitted: Ok(()), max_hold: Span::from_secs(3) };
    let mut config = BridgeConfig { commanders: [Some(commander), None], ..plain::config(true) };
    config.rules.facts.number = NumberRecording::On;
    let now = Time(1_000_000);
    let mut lab = Lab { bridge: Bridge::new(config, now), out: Captured::default(), parties: [caller, callee], now };
    for side in Side::BOTH {
        let party = &lab.parties[side.channel()];
        let (coding, remote) = (party.coding, address(side));
        let media = LegMedia {
            send: (pt(coding), coding),
            receive: LegMedia::received([(pt(coding), coding), (13, Coding::Noise)]),
            ptime: party.ms,
            ..plain::media(remote)
        };
        lab.bridge.set_media(side, media, now, &mut lab.out);
    }
    lab.bridge.connect(now, &mut lab.out);
    lab
}

impl Lab {
    fn send(&mut self, side: Side, samples: &[i16]) {
        let mut packet = self.parties[side.channel()].packet(samples, 0xa0 + side.channel() as u32);
        self.bridge.on_rtp(side, address(side), &mut packet, self.now, &mut self.out);
    }

    /// Time in which both talk, in packets of their own length.
    fn run(&mut self, millis: u64) {
        for _ in 0..millis / 10 {
            for side in Side::BOTH {
                let party = &mut self.parties[side.channel()];
                if (self.now.0 / 1_000).is_multiple_of(u64::from(party.ms)) {
                    let samples = party.samples();
                    self.send(side, &samples);
                }
            }
            self.now = self.now + Span::from_millis(10);
            self.bridge.tick(self.now, &mut self.out);
        }
    }

    /// Headers and payloads of what a party was sent.
    fn heard(&self, side: Side) -> Vec<(View, Vec<u8>)> {
        let own = self.out.rtp.iter().filter(|(to, _)| *to == side);
        own.map(|(_, packet)| {
            let view = View::parse(packet).unwrap();
            let payload = packet[view.payload.clone()].to_vec();
            (view, payload)
        })
        .collect()
    }

    /// What a party was sent, decoded at 8 kHz in order.
    fn samples(&self, side: Side) -> Vec<i16> {
        let mut decoder = decoder(self.parties[side.channel()].coding, Rate::NARROW).unwrap();
        let mut samples = Vec::new();
        for (_, payload) in self.heard(side) {
            let mut out = [0; MOST_SAMPLES];
            let count = decoder.decode(&payload, &mut out).unwrap();
            samples.extend_from_slice(&out[..count]);
        }
        samples
    }
}

/// Amplitude of a frequency.
fn level(samples: &[i16], hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / 8_000.0;
    let (re, im) = samples.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, sample)| {
        (re + f64::from(*sample) * (n as f64 * step).cos(), im + f64::from(*sample) * (n as f64 * step).sin())
    });
    re.hypot(im) * 2.0 / samples.len().max(1) as f64
}

const ALL: [Coding; 5] = [Coding::PCMU, Coding::PCMA, Coding::G722, Coding::Opus, Coding::G729];

#[test]
fn every_pair_of_codings_and_packet_lengths_hears_the_other_partys_tone_without_a_hole() {
    for (n, one) in ALL.into_iter().enumerate() {
        for (m, other) in ALL.into_iter().enumerate() {
            let lengths = [20, 10, 40, 60, 20];
            let (caller, callee) = (lengths[n], lengths[(n + m) % 5]);
            let name = format!("{one:?} in {caller} ms and {other:?} in {callee} ms");
            let mut lab = lab(Party::new(one, caller, 440.0), Party::new(other, callee, 620.0));
            lab.run(1_800);
            for (side, hertz) in [(Side::Caller, 620.0), (Side::Callee, 440.0)] {
                let samples = lab.samples(side);
                assert!(samples.len() >= 8 * 1_660, "{name}: the {side} heard {} samples", samples.len());
                let middle = &samples[3_200..12_800];
                assert!(level(middle, hertz) > 4_000.0, "{name}: {side} {}", level(middle, hertz));
                let own = &lab.parties[side.channel()];
                for pair in lab.heard(side).windows(2) {
                    let [(before, payload), (after, _)] = pair else { continue };
                    let ticks = own.coding.ticks(payload).unwrap();
                    assert_eq!(after.sequence, before.sequence.wrapping_add(1), "{name}");
                    assert_eq!(after.timestamp, before.timestamp.wrapping_add(ticks), "{name}");
                    assert_eq!(after.payload_type, pt(own.coding), "{name}");
                }
            }
        }
    }
}

#[test]
fn a_lost_packet_is_made_up_for_and_a_pause_is_a_step_of_the_timestamp() {
    let mut lab = lab(Party::new(Coding::PCMU, 20, 440.0), Party::new(Coding::Opus, 20, 620.0));
    lab.run(400);
    let before = lab.heard(Side::Callee).len();
    lab.parties[0].samples();
    lab.parties[0].pass();
    lab.now = lab.now + Span::from_millis(20);
    lab.run(200);
    let heard = lab.heard(Side::Callee);
    assert_eq!(heard.len(), before + 11, "ten packets and the lost one");
    assert!(heard.windows(2).all(|pair| pair[1].0.timestamp == pair[0].0.timestamp.wrapping_add(960)));
    // Half a second in which the party sends nothing: silence suppression.
    lab.parties[0].timestamp = lab.parties[0].timestamp.wrapping_add(4_000);
    lab.now = lab.now + Span::from_millis(500);
    lab.run(100);
    let after = &lab.heard(Side::Callee)[heard.len()..];
    let (last, first) = (&heard.last().unwrap().0, &after[0].0);
    assert_eq!(first.timestamp, last.timestamp.wrapping_add(960 + 24_000));
    assert_eq!((first.sequence, first.marker), (last.sequence.wrapping_add(1), true));
}

#[test]
fn a_tone_is_played_in_the_coding_of_the_leg_whether_the_rest_is_transcoded_or_not() {
    for (own, other) in [(Coding::Opus, Coding::PCMU), (Coding::Opus, Coding::Opus), (Coding::G722, Coding::G722)] {
        let mut lab = lab(Party::new(own, 20, 440.0), Party::new(other, 20, 620.0));
        lab.run(400);
        let before = lab.samples(Side::Caller).len();
        lab.bridge.play(Side::Caller, Tone::Refused);
        lab.run(400);
        let samples = lab.samples(Side::Caller);
        let tone = &samples[before + 400..before + 2_000];
        let (played, voice) = (level(tone, 350.0), level(tone, 620.0));
        assert!(played > 1_200.0 && voice < played / 3.0, "{own:?} and {other:?}: {played}, the other party {voice}");
        let heard = lab.heard(Side::Caller);
        assert!(heard.windows(2).all(|pair| pair[1].0.sequence == pair[0].0.sequence.wrapping_add(1)));
    }
}

#[test]
fn what_we_lack_passes_through_untouched_and_reaches_no_recording() {
    let coding = Coding::Foreign { clock: 8_000 };
    let party = |hertz| Party { coding, ..Party::new(Coding::PCMU, 20, hertz) };
    let mut lab = lab(party(440.0), party(620.0));
    lab.run(200);
    assert_eq!((lab.heard(Side::Callee).len(), lab.out.frames), (10, 0));
    let mut expected = Party::new(Coding::PCMU, 20, 440.0);
    let samples = expected.samples();
    assert_eq!(lab.heard(Side::Callee)[0].1, expected.packet(&samples, 1)[HEADER..]);
}

/// 100 ms of a key and 60 ms of silence.
fn key(key: u8) -> Vec<i16> {
    (0..1_280).map(|at| Tone::Key(key).sample(Samples(at), Rate::NARROW)).collect()
}

#[test]
fn tones_of_a_leg_without_events_command_at_once_and_are_blanked_and_not_held_back() {
    for coding in [Coding::PCMA, Coding::G722] {
        let mut lab = lab(Party::new(coding, 20, 440.0), Party::new(Coding::PCMU, 20, 620.0));
        lab.run(200);
        let sent = lab.heard(Side::Callee).len();
        let mut began = 0;
        for digit in *b"#11#" {
            began = lab.parties[0].timestamp;
            for frame in key(digit).chunks(160) {
                lab.send(Side::Caller, frame);
                lab.now = lab.now + Span::from_millis(20);
            }
        }
        assert_eq!(lab.heard(Side::Callee).len(), sent + 32, "{coding:?}: the tones are the audio itself");
        let commanded = lab.out.facts.iter().find_map(|fact| match fact {
            Fact::Commanded { how, command, refused, .. } => Some((*how, *command, *refused)),
            _ => None,
        });
        assert_eq!(commanded, Some((How::InBand, Command::Pause, None)), "{coding:?}");
        let (open, edge) = *lab.out.gates.last().unwrap();
        let scale = coding.clock().0 / 8_000;
        let early = began.wrapping_sub(edge.unwrap()) as i32 / scale as i32;
        assert!(!open && (-130..=160).contains(&early), "{coding:?}: shut {early} samples before the key");
        let pressed = lab.out.keys.iter().filter(|(_, _, first)| *first).count();
        assert_eq!(pressed, 4, "{coding:?}: every key is blanked, also the last, which stands before the gate");
        let longest = lab.out.keys.iter().map(|(_, length, _)| length / scale).max().unwrap();
        assert!((800..1_300).contains(&longest), "{coding:?}: {longest}");
    }
}
