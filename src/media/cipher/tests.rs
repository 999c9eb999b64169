#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::base::{Seeded, Side, Span, Time};
use crate::media::tests::plain;
use crate::media::{Bridge, BridgeConfig, Fact, LegMedia, Out, TapEvent};
use crate::rtp::srtp::{Inbound, Keys, MasterKey, OVERHEAD, Outbound, Suite};
use crate::rtp::{HEADER, View, rewrite_header, rtcp};
use std::net::SocketAddr;

#[derive(Default)]
struct Captured {
    rtp: Vec<(Side, Vec<u8>)>,
    rtcp: Vec<(Side, Vec<u8>)>,
    tapped: Vec<(Side, Vec<u8>)>,
    facts: Vec<Fact>,
}

impl Out for Captured {
    fn rtp(&mut self, side: Side, _: SocketAddr, packet: &[u8]) {
        self.rtp.push((side, packet.to_vec()));
    }
    fn rtcp(&mut self, side: Side, _: SocketAddr, packet: &[u8]) {
        self.rtcp.push((side, packet.to_vec()));
    }
    fn tap(&mut self, event: &TapEvent<'_>) -> bool {
        if let TapEvent::Frame { side, payload, .. } = event {
            self.tapped.push((*side, payload.to_vec()));
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

/// The far end of a leg: plain where it has no keys.
struct Far {
    side: Side,
    sequence: u16,
    crypto: Option<(Outbound, Inbound)>,
}

struct Lab {
    bridge: Bridge,
    out: Captured,
    now: Time,
    mux: bool,
}

fn address(side: Side) -> SocketAddr {
    match side {
        Side::Caller => "127.0.0.2:4000".parse().unwrap(),
        Side::Callee => "127.0.0.3:5000".parse().unwrap(),
    }
}

fn keys(suite: Suite, seed: u64) -> Keys {
    let mut random = Seeded(seed);
    let (send, receive) = (MasterKey::random(suite, &mut random), MasterKey::random(suite, &mut random));
    Keys { send, receive, mki_length: 0 }
}

fn seen_from_there(keys: &Keys) -> (Outbound, Inbound) {
    let there = Keys { send: keys.receive.clone(), receive: keys.send.clone(), mki_length: 0 };
    (Outbound::new(&there.send), Inbound::new(&there))
}

impl Lab {
    fn new(mux: bool) -> Self {
        let config =
            BridgeConfig { start: [(0x1111, 65_530, 0xffff_ff00), (0x2222, 65_500, 77)], ..plain::config(true) };
        let now = Time(1_000_000);
        Lab { bridge: Bridge::new(config, now), out: Captured::default(), now, mux }
    }

    fn set(&mut self, side: Side, keys: Option<Keys>) {
        let remote_rtcp = SocketAddr::new(address(side).ip(), address(side).port() + 1);
        let media = LegMedia { remote_rtcp, rtcp_mux: self.mux, keys, ..plain::media(address(side)) };
        self.bridge.set_media(side, media, self.now, &mut self.out);
    }

    /// A call whose legs have those keys.
    fn talking(mux: bool, legs: [Option<Keys>; 2]) -> (Self, [Far; 2]) {
        let mut lab = Lab::new(mux);
        let far = [Side::Caller, Side::Callee].map(|side| {
            let keys = legs[side.channel()].clone();
            let crypto = keys.as_ref().map(seen_from_there);
            lab.set(side, keys);
            Far { side, sequence: 65_000, crypto }
        });
        lab.bridge.connect(lab.now, &mut lab.out);
        (lab, far)
    }

    fn receive(&mut self, side: Side, from: SocketAddr, packet: &[u8]) {
        let mut packet = packet.to_vec();
        self.bridge.on_rtp(side, from, &mut packet, self.now, &mut self.out);
    }

    /// 20 ms of a party; what the other one hears of it.
    fn talk(&mut self, from: &mut Far, to: &mut Far, byte: u8) -> Option<Vec<u8>> {
        self.now = self.now + Span::from_millis(20);
        let packet = from.packet(byte);
        self.receive(from.side, address(from.side), &packet);
        let (side, sent) = self.out.rtp.pop()?;
        assert_eq!(side, to.side);
        Some(to.hear(&sent))
    }
}

impl Far {
    fn packet(&mut self, byte: u8) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut plain = vec![byte; HEADER + 160];
        let timestamp = u32::from(self.sequence) * 160;
        rewrite_header(plain.first_chunk_mut().unwrap(), false, 0, self.sequence, timestamp, 0xa0);
        match &mut self.crypto {
            Some((outbound, _)) => outbound.protect(&plain, &mut [0; 400]).unwrap().to_vec(),
            None => plain,
        }
    }

    /// The payload of a packet from us.
    fn hear(&mut self, sent: &[u8]) -> Vec<u8> {
        let mut packet = sent.to_vec();
        if let Some((_, inbound)) = &mut self.crypto {
            let length = inbound.unprotect(&mut packet).expect("authentic");
            packet.truncate(length);
        }
        let view = View::parse(&packet).unwrap();
        packet[view.payload].to_vec()
    }
}

fn ways() -> Vec<[Option<Keys>; 2]> {
    let mut ways = Vec::new();
    for (at, suite) in (0..).zip(Suite::ALL) {
        ways.push([Some(keys(suite, at)), None]);
        ways.push([None, Some(keys(suite, at))]);
        ways.push([Some(keys(suite, at)), Some(keys(Suite::Aes128Tag80, 50 + at))]);
    }
    ways
}

#[test]
fn whichever_leg_is_encrypted_both_hear_and_the_tap_is_plain() {
    for legs in ways() {
        let name = format!("{legs:?}");
        let (mut lab, [mut alice, mut bob]) = Lab::talking(false, legs);
        for n in 0..700u32 {
            let (hers, his) = (n as u8, (n as u8) ^ 0x80);
            assert_eq!(lab.talk(&mut alice, &mut bob, hers), Some(vec![hers; 160]), "{name}: {n}");
            assert_eq!(lab.talk(&mut bob, &mut alice, his), Some(vec![his; 160]), "{name}: {n}");
            assert_eq!(lab.out.tapped.pop(), Some((Side::Callee, vec![his; 160])), "{name}: {n}");
            assert_eq!(lab.out.tapped.pop(), Some((Side::Caller, vec![hers; 160])), "{name}: {n}");
        }
        let counters = lab.bridge.stats().map(|stats| stats.counters);
        assert!(counters.iter().all(|c| (c.received, c.sent, c.lost, c.unauthentic) == (700, 700, 0, 0)), "{name}");
    }
}

#[test]
fn nothing_goes_out_plain_on_an_encrypted_leg() {
    let (mut lab, [_, mut bob]) = Lab::talking(false, [Some(keys(Suite::Aes128Tag80, 1)), None]);
    let packet = bob.packet(0x33);
    lab.receive(Side::Callee, address(Side::Callee), &packet);
    let (_, sent) = lab.out.rtp.pop().unwrap();
    assert_eq!(sent.len(), HEADER + 160 + 10);
    assert!(!sent.windows(8).any(|window| window == [0x33; 8]));
}

#[test]
fn a_packet_that_is_not_authentic_is_counted_dropped_and_never_latches() {
    let (mut lab, [mut alice, mut bob]) = Lab::talking(false, [Some(keys(Suite::Aes128Tag32, 1)), None]);
    // From the phone's own network, with a payload type that was agreed: plain RTP it would latch.
    let elsewhere: SocketAddr = "127.0.0.2:6666".parse().unwrap();
    let mut forger =
        Far { side: Side::Caller, sequence: 64_999, crypto: Some(seen_from_there(&keys(Suite::Aes128Tag32, 9))) };
    let mut plain = Far { side: Side::Caller, sequence: 64_999, crypto: None };
    for packet in [forger.packet(1), plain.packet(1)] {
        lab.receive(Side::Caller, elsewhere, &packet);
        lab.receive(Side::Caller, address(Side::Caller), &packet);
    }
    assert_eq!(lab.bridge.stats()[0].counters.unauthentic, 4);
    assert!(lab.out.rtp.is_empty() && lab.out.tapped.is_empty() && lab.out.facts.is_empty());
    assert_eq!(lab.talk(&mut alice, &mut bob, 7), Some(vec![7; 160]), "the phone is heard from where it is");
    assert_eq!(lab.out.facts, [Fact::Heard { side: Side::Caller }]);
}

#[test]
fn a_copy_from_elsewhere_does_not_use_up_the_original() {
    let (mut lab, [mut alice, mut bob]) = Lab::talking(false, [Some(keys(Suite::Aes128Tag80, 1)), None]);
    assert!(lab.talk(&mut alice, &mut bob, 1).is_some());
    let packet = alice.packet(2);
    lab.receive(Side::Caller, "127.0.0.9:1".parse().unwrap(), &packet);
    lab.receive(Side::Caller, address(Side::Caller), &packet);
    lab.receive(Side::Caller, address(Side::Caller), &packet);
    let counters = lab.bridge.stats()[0].counters;
    assert_eq!((counters.received, counters.strangers, counters.duplicates), (2, 1, 1));
}

#[test]
fn reports_are_encrypted_and_read_muxed_or_not() {
    for mux in [false, true] {
        let (mut lab, [mut alice, _]) = Lab::talking(mux, [Some(keys(Suite::Aes128Tag32, 1)), None]);
        let (outbound, inbound) = alice.crypto.as_mut().unwrap();
        let report = rtcp::report(0xa0, "alice", None, None, false);
        let mut sent = outbound.protect_rtcp(&report, &mut [0; 300]).unwrap().to_vec();
        let mut forged = report.clone();
        forged.extend([0x80, 0, 0, 9]);
        forged.extend([0; OVERHEAD - 4]);
        let port = address(Side::Caller).port() + u16::from(!mux);
        let from = SocketAddr::new(address(Side::Caller).ip(), port);
        lab.now = lab.now + Span::from_secs(1);
        for packet in [&mut sent, &mut forged] {
            match mux {
                true => lab.bridge.on_rtp(Side::Caller, from, packet, lab.now, &mut lab.out),
                false => lab.bridge.on_rtcp(Side::Caller, from, packet, lab.now),
            }
        }
        let counters = lab.bridge.stats()[0].counters;
        assert_eq!((counters.unauthentic, counters.malformed), (1, 0), "mux {mux}");
        lab.now = lab.now + Span::from_secs(10);
        lab.bridge.every_second(lab.now, 1 << 40, &mut lab.out);
        let (_, mut ours) = lab.out.rtcp.iter().find(|(side, _)| *side == Side::Caller).cloned().unwrap();
        assert_eq!(rtcp::read(&ours[8..]), None, "it cannot be read on the way");
        let length = inbound.unprotect_rtcp(&mut ours).unwrap();
        assert!(rtcp::read(&ours[..length]).is_some(), "mux {mux}");
    }
}

#[test]
fn a_new_key_takes_over_without_a_lost_packet() {
    let (old, mut new) = (keys(Suite::Aes128Tag80, 1), keys(Suite::Aes128Tag80, 2));
    new.send = old.send.clone();
    let (mut lab, [mut alice, mut bob]) = Lab::talking(false, [Some(old), None]);
    assert!(lab.talk(&mut alice, &mut bob, 1).is_some());
    lab.set(Side::Caller, Some(new.clone()));
    assert_eq!(lab.talk(&mut alice, &mut bob, 2), Some(vec![2; 160]), "still under the old key");
    let (outbound, _) = alice.crypto.as_mut().unwrap();
    *outbound = outbound.rekeyed(&new.receive);
    for byte in 3..50 {
        assert_eq!(lab.talk(&mut alice, &mut bob, byte), Some(vec![byte; 160]));
        assert_eq!(
            lab.talk(&mut bob, &mut alice, byte),
            Some(vec![byte; 160]),
            "ours is the same, and goes on counting"
        );
    }
    lab.set(Side::Caller, Some(new));
    assert!(lab.talk(&mut bob, &mut alice, 9).is_some(), "the same again changes nothing");
}

#[test]
fn a_leg_can_become_encrypted_and_plain_again() {
    let (mut lab, [mut alice, mut bob]) = Lab::talking(false, [None, None]);
    assert!(lab.talk(&mut alice, &mut bob, 1).is_some());
    let keys = keys(Suite::Aes256Tag80, 1);
    alice.crypto = Some(seen_from_there(&keys));
    lab.set(Side::Caller, Some(keys));
    assert_eq!(lab.talk(&mut alice, &mut bob, 2), Some(vec![2; 160]));
    assert_eq!(lab.talk(&mut bob, &mut alice, 2), Some(vec![2; 160]));
    alice.crypto = None;
    lab.set(Side::Caller, None);
    assert_eq!(lab.talk(&mut alice, &mut bob, 3), Some(vec![3; 160]));
    assert_eq!(lab.talk(&mut bob, &mut alice, 3), Some(vec![3; 160]));
}
