//! Behaviour of the bridge on virtual time.

mod holds;
mod levels;
mod notices;
pub(crate) mod plain;
mod prompts;
mod refusals;
mod takes;

use super::*;
use crate::audio::{Coding, Law, Tone};
use crate::base::{Side, Span, Time};
use crate::ledger::{How, Refusal};
use crate::policy::{Command, Matcher};
use crate::rtp::{EventPayload, HEADER, View, event_of_key, rewrite_header};
use std::net::SocketAddr;

/// A tap event that owns its payload.
#[derive(Clone, Debug, PartialEq)]
enum Tapped {
    Frame { side: Side, timestamp: u32, payload: Vec<u8> },
    Gate { open: bool, edge: Option<(Side, u32)> },
    Key { side: Side, length: u32, first: bool },
    Hold { side: Side, on: bool },
    Joined { side: Side, name: String },
    Refused { since: Option<Time> },
    End,
}

#[derive(Default)]
struct Captured {
    rtp: Vec<(Side, SocketAddr, Vec<u8>)>,
    rtcp: Vec<(Side, SocketAddr, Vec<u8>)>,
    taps: Vec<Tapped>,
    /// Of takes, with the slot of each.
    takes: Vec<(u32, Tapped)>,
    facts: Vec<Fact>,
}

fn tapped(event: &TapEvent<'_>) -> Tapped {
    match *event {
        TapEvent::Frame { side, timestamp, payload, .. } => {
            Tapped::Frame { side, timestamp, payload: payload.to_vec() }
        }
        TapEvent::Gate { open, edge, .. } => Tapped::Gate { open, edge: edge.map(|(side, _, ts)| (side, ts)) },
        TapEvent::Key { side, length, first, .. } => Tapped::Key { side, length, first },
        TapEvent::Hold { side, on, .. } => Tapped::Hold { side, on },
        TapEvent::Joined { side, name, .. } => Tapped::Joined { side, name: String::from_utf8(name.to_vec()).unwrap() },
        TapEvent::Refused { since, .. } => Tapped::Refused { since },
        TapEvent::End { .. } => Tapped::End,
    }
}

impl Out for Captured {
    fn rtp(&mut self, side: Side, to: SocketAddr, packet: &[u8]) {
        self.rtp.push((side, to, packet.to_vec()));
    }
    fn rtcp(&mut self, side: Side, to: SocketAddr, packet: &[u8]) {
        self.rtcp.push((side, to, packet.to_vec()));
    }
    fn tap(&mut self, event: &TapEvent<'_>) -> bool {
        self.taps.push(tapped(event));
        true
    }
    fn tap_take(&mut self, take: TakeSlot, event: &TapEvent<'_>) -> bool {
        self.takes.push((take.0, tapped(event)));
        true
    }
    fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }
}

/// A bridge between two G.711 parties, both user legs, with 20 ms packets on virtual time.
struct Lab {
    bridge: Bridge,
    out: Captured,
    now: Time,
    sequence: [u16; 2],
    timestamp: [u32; 2],
}

fn address(side: Side) -> SocketAddr {
    match side {
        Side::Caller => "127.0.0.2:4000".parse().unwrap(),
        Side::Callee => "127.0.0.3:5000".parse().unwrap(),
    }
}

fn media(side: Side, law: Law) -> LegMedia {
    let pt = |law| match law {
        Law::Mu => 0,
        Law::A => 8,
    };
    LegMedia {
        remote_rtcp: SocketAddr::new(address(side).ip(), address(side).port() + 1),
        rtcp_mux: false,
        send: (pt(law), Coding::G711(law)),
        receive: LegMedia::received([(0, Coding::PCMU), (8, Coding::PCMA)]),
        send_events: Some(if side == Side::Caller { (96, 8_000) } else { (101, 8_000) }),
        receive_events: Some((101, 8_000)),
        ..plain::media(address(side))
    }
}

fn lab_config(toggle: bool, permitted: Result<(), Refusal>) -> BridgeConfig {
    let commander = Commander { matcher: Matcher::new("#11#", "#12#"), permitted, max_hold: Span::from_secs(3) };
    BridgeConfig {
        start: [(0x1111, 65_530, 0xffff_ff00), (0x2222, 10, 77)],
        commanders: [Some(commander), None],
        ..plain::config(toggle)
    }
}

fn lab(toggle: bool, permitted: Result<(), Refusal>) -> Lab {
    let mut lab = unconnected(lab_config(toggle, permitted));
    lab.bridge.connect(lab.now, &mut lab.out);
    lab
}

/// Both legs have media, and nobody has answered.
fn unconnected(config: BridgeConfig) -> Lab {
    let mut lab = Lab {
        bridge: Bridge::new(config, Time::ZERO),
        out: Captured::default(),
        now: Time(1_000_000),
        sequence: [100, 200],
        timestamp: [1_000, 9_000],
    };
    lab.bridge.set_media(Side::Caller, media(Side::Caller, Law::Mu), lab.now, &mut lab.out);
    lab.bridge.set_media(Side::Callee, media(Side::Callee, Law::A), lab.now, &mut lab.out);
    lab
}

impl Lab {
    fn send(&mut self, side: Side, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let sequence = self.sequence[side.channel()];
        self.sequence[side.channel()] = sequence.wrapping_add(1);
        let mut packet = vec![0; HEADER];
        rewrite_header(
            packet.first_chunk_mut().unwrap(),
            marker,
            payload_type,
            sequence,
            timestamp,
            0xa0 + side.channel() as u32,
        );
        packet.extend(payload);
        self.bridge.on_rtp(side, address(side), &mut packet, self.now, &mut self.out);
        packet
    }

    /// 20 ms of audio of one party.
    fn talk(&mut self, side: Side, byte: u8) -> Vec<u8> {
        let timestamp = self.timestamp[side.channel()];
        self.timestamp[side.channel()] = timestamp.wrapping_add(160);
        self.send(side, if side == Side::Caller { 0 } else { 8 }, false, timestamp, &[byte; 160])
    }

    /// Both talk for `frames` times 20 ms.
    fn run(&mut self, frames: usize) {
        for _ in 0..frames {
            self.talk(Side::Caller, 0x10);
            self.talk(Side::Callee, 0x20);
            for _ in 0..10 {
                self.now = self.now + Span::from_millis(2);
                self.bridge.tick(self.now, &mut self.out);
            }
        }
    }

    /// A party presses keys, 100 ms each, sending events instead of audio.
    fn dial(&mut self, side: Side, keys: &str) {
        for key in keys.bytes() {
            let started = self.timestamp[side.channel()];
            for step in 1..=5u16 {
                let payload =
                    EventPayload { event: event_of_key(key).unwrap(), end: false, volume: 10, duration: step * 160 };
                self.send(side, 101, step == 1, started, &payload.to_bytes());
                self.other_talks(side);
            }
            for _ in 0..3 {
                let payload = EventPayload { event: event_of_key(key).unwrap(), end: true, volume: 10, duration: 800 };
                self.send(side, 101, false, started, &payload.to_bytes());
            }
            self.timestamp[side.channel()] = started.wrapping_add(800);
            for _ in 0..4 {
                self.talk(side, 0x10);
                self.other_talks(side);
            }
        }
    }

    /// Another party takes the place of the one on `side`.
    fn joins(&mut self, side: Side) {
        let joining = Joining {
            side,
            start: (0x3333, 1, 1),
            cname: "c".into(),
            media: media(side, if side == Side::Caller { Law::Mu } else { Law::A }),
            commander: None,
            name: "Carol".into(),
            facts: self.bridge.rules().facts,
        };
        self.bridge.join(joining, None, self.now, 0, &mut self.out);
    }

    fn other_talks(&mut self, side: Side) {
        self.talk(side.other(), 0x20);
        for _ in 0..10 {
            self.now = self.now + Span::from_millis(2);
            self.bridge.tick(self.now, &mut self.out);
        }
    }

    fn frames(&self, side: Side) -> usize {
        self.out.taps.iter().filter(|tap| matches!(tap, Tapped::Frame { side: of, .. } if *of == side)).count()
    }

    /// The keys that were sent towards a party as events, by distinct timestamp.
    fn keys_towards(&self, side: Side) -> String {
        let pt = if side == Side::Caller { 96 } else { 101 };
        let mut seen = Vec::new();
        let mut keys = String::new();
        for (_, _, packet) in self.out.rtp.iter().filter(|(to, _, _)| *to == side) {
            let view = View::parse(packet).unwrap();
            if view.payload_type == pt && !seen.contains(&view.timestamp) {
                seen.push(view.timestamp);
                let event = packet[view.payload.start];
                keys.push(char::from(crate::rtp::key_of_event(event).unwrap()));
            }
        }
        keys
    }

    fn sequences_towards(&self, side: Side) -> Vec<u16> {
        self.out
            .rtp
            .iter()
            .filter(|(to, _, _)| *to == side)
            .map(|(_, _, packet)| View::parse(packet).unwrap().sequence)
            .collect()
    }

    fn commands(&self) -> Vec<(Command, Option<Refusal>)> {
        self.out
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Commanded { command, refused, .. } => Some((*command, *refused)),
                Fact::Heard { .. }
                | Fact::SendInfo { .. }
                | Fact::Silent { .. }
                | Fact::Refused { .. }
                | Fact::Played { .. }
                | Fact::Key { .. } => None,
            })
            .collect()
    }
}

#[test]
fn audio_is_relayed_with_our_header_and_the_other_sides_law() {
    let mut lab = lab(true, Ok(()));
    lab.run(3);
    let (side, to, packet) = lab.out.rtp.first().cloned().unwrap();
    let view = View::parse(&packet).unwrap();
    assert_eq!((side, to), (Side::Callee, address(Side::Callee)));
    assert_eq!((view.payload_type, view.ssrc), (8, 0x2222));
    assert_eq!(packet[HEADER], Law::A.encode(Law::Mu.decode(0x10)));
    assert_eq!(lab.frames(Side::Caller), 3);
    assert_eq!(lab.frames(Side::Callee), 3);
}

#[test]
fn a_command_shuts_the_gate_and_is_not_heard_by_the_other_party() {
    let mut lab = lab(true, Ok(()));
    lab.run(10);
    lab.dial(Side::Caller, "#11#");
    let before = (lab.frames(Side::Caller), lab.frames(Side::Callee));
    lab.run(20);
    assert_eq!((lab.frames(Side::Caller), lab.frames(Side::Callee)), before, "nothing passes");
    assert_eq!(lab.keys_towards(Side::Callee), "");
    assert_eq!(lab.commands(), [(Command::Pause, None)]);
    let edge_is_the_last_key =
        lab.out.taps.iter().any(|tap| matches!(tap, Tapped::Gate { open: false, edge: Some((Side::Caller, _)) }));
    assert!(edge_is_the_last_key);
    lab.dial(Side::Caller, "#12#");
    lab.run(5);
    assert!(lab.frames(Side::Callee) > before.1);
    assert_eq!(lab.commands(), [(Command::Pause, None), (Command::Start, None)]);
}

#[test]
fn while_the_gate_is_shut_nothing_of_a_packet_stays_in_its_buffer() {
    let mut lab = lab(false, Ok(()));
    let left = lab.talk(Side::Caller, 0x5a);
    assert!(left.iter().all(|byte| *byte == 0));
    assert_eq!(lab.out.rtp.len(), 1, "it was relayed before");
}

#[test]
fn a_command_without_permission_is_swallowed_refused_and_changes_nothing() {
    let mut lab = lab(true, Err(Refusal::AgentPauseOff));
    lab.run(2);
    lab.dial(Side::Caller, "#11#");
    let before = lab.frames(Side::Callee);
    lab.run(5);
    assert_eq!(lab.frames(Side::Callee), before + 5);
    assert_eq!(lab.commands(), [(Command::Pause, Some(Refusal::AgentPauseOff))]);
    assert_eq!(lab.keys_towards(Side::Callee), "");
}

#[test]
fn other_keys_reach_the_other_party_in_order_with_its_payload_type() {
    let mut lab = lab(true, Ok(()));
    lab.run(2);
    lab.dial(Side::Caller, "19#13#");
    lab.run(200);
    assert_eq!(lab.keys_towards(Side::Callee), "19#13#");
    assert!(lab.commands().is_empty());
    lab.dial(Side::Callee, "#11#");
    lab.run(60);
    assert_eq!(lab.keys_towards(Side::Caller), "#11#", "the outside party's keys are not matched");
    assert!(lab.commands().is_empty());
}

#[test]
fn a_run_that_waits_too_long_is_sent_on() {
    let mut lab = lab(true, Ok(()));
    lab.run(2);
    lab.dial(Side::Caller, "#1");
    assert_eq!(lab.keys_towards(Side::Callee), "");
    lab.run(200);
    assert_eq!(lab.keys_towards(Side::Callee), "#1");
}

#[test]
fn towards_each_leg_the_sequence_has_no_hole_over_digits_and_tones() {
    let mut lab = lab(true, Ok(()));
    lab.run(10);
    lab.dial(Side::Caller, "5#11#7");
    lab.run(30);
    lab.dial(Side::Caller, "#12#");
    lab.run(60);
    for side in Side::BOTH {
        let sequences = lab.sequences_towards(side);
        for pair in sequences.windows(2) {
            assert_eq!(pair[1], pair[0].wrapping_add(1), "towards the {side}");
        }
    }
}

#[test]
fn a_digit_that_comes_as_event_and_as_info_counts_once() {
    let mut lab = lab(true, Ok(()));
    lab.run(2);
    for key in "#11#".chars() {
        lab.dial(Side::Caller, &key.to_string());
        lab.bridge.on_info_key(Side::Caller, key as u8, lab.now, &mut lab.out);
    }
    lab.run(10);
    assert_eq!(lab.commands(), [(Command::Pause, None)]);
    assert_eq!(lab.keys_towards(Side::Callee), "");
}

#[test]
fn info_digits_command_too() {
    let mut lab = lab(true, Ok(()));
    lab.run(2);
    for key in *b"#11#" {
        lab.bridge.on_info_key(Side::Caller, key, lab.now, &mut lab.out);
    }
    let shut = matches!(lab.out.taps.last(), Some(Tapped::Gate { open: false, edge: None }));
    assert!(shut);
    let how = lab.out.facts.iter().any(|fact| matches!(fact, Fact::Commanded { how: How::Info, .. }));
    assert!(how);
}

#[test]
fn a_stranger_is_counted_and_dropped_and_the_latch_holds() {
    let mut lab = lab(true, Ok(()));
    lab.run(1);
    let relayed = lab.out.rtp.len();
    let mut packet = vec![0; HEADER + 160];
    rewrite_header(packet.first_chunk_mut().unwrap(), false, 0, 1, 1, 1);
    lab.bridge.on_rtp(Side::Caller, "127.0.0.99:4000".parse().unwrap(), &mut packet.clone(), lab.now, &mut lab.out);
    lab.bridge.on_rtp(Side::Caller, "127.0.0.2:4001".parse().unwrap(), &mut packet, lab.now, &mut lab.out);
    assert_eq!(lab.out.rtp.len(), relayed);
    assert_eq!(lab.bridge.stats()[0].counters.strangers, 2);
}

#[test]
fn rtp_from_the_signalling_address_latches_where_the_sdp_names_another() {
    let mut lab = lab(true, Ok(()));
    let mut elsewhere = media(Side::Caller, Law::Mu);
    elsewhere.remote = "10.0.0.1:4000".parse().unwrap();
    lab.bridge.set_media(Side::Caller, elsewhere, lab.now, &mut lab.out);
    lab.talk(Side::Caller, 1);
    lab.talk(Side::Callee, 1);
    let (_, to, _) = lab.out.rtp.last().unwrap();
    assert_eq!(*to, address(Side::Caller), "we answer where its packets come from");
}

#[test]
fn a_held_party_is_not_recorded() {
    let mut lab = lab(true, Ok(()));
    lab.run(1);
    let mut held = media(Side::Callee, Law::A);
    held.held = true;
    lab.bridge.set_media(Side::Callee, held, lab.now, &mut lab.out);
    let before = lab.frames(Side::Callee);
    lab.run(4);
    assert_eq!(lab.frames(Side::Callee), before);
    lab.bridge.set_media(Side::Callee, media(Side::Callee, Law::A), lab.now, &mut lab.out);
    lab.run(2);
    assert_eq!(lab.frames(Side::Callee), before + 2);
    let holds: Vec<&Tapped> = lab.out.taps.iter().filter(|tap| matches!(tap, Tapped::Hold { .. })).collect();
    assert_eq!(
        holds,
        [&Tapped::Hold { side: Side::Callee, on: true }, &Tapped::Hold { side: Side::Callee, on: false }]
    );
}

#[test]
fn a_party_that_has_vanished_is_reported_once() {
    let mut lab = lab(true, Ok(()));
    lab.run(1);
    for _ in 0..70 {
        lab.now = lab.now + Span::from_secs(1);
        lab.talk(Side::Callee, 1);
        lab.bridge.every_second(lab.now, 0, &mut lab.out);
    }
    let silent: Vec<&Fact> = lab.out.facts.iter().filter(|fact| matches!(fact, Fact::Silent { .. })).collect();
    assert_eq!(silent, [&Fact::Silent { side: Side::Caller }]);
}

#[test]
fn a_caller_that_was_answered_for_a_prompt_is_missed_before_the_call_is_connected() {
    for watched in [false, true] {
        let mut lab = unconnected(lab_config(true, Ok(())));
        if watched {
            lab.bridge.watch(Side::Caller, lab.now);
        }
        for _ in 0..70 {
            lab.now = lab.now + Span::from_secs(1);
            lab.bridge.every_second(lab.now, 0, &mut lab.out);
        }
        let silent: Vec<&Fact> = lab.out.facts.iter().filter(|fact| matches!(fact, Fact::Silent { .. })).collect();
        let expected = [Fact::Silent { side: Side::Caller }];
        assert_eq!(silent, expected.iter().take(usize::from(watched)).collect::<Vec<_>>());
    }
}

#[test]
fn rtcp_is_made_anew_for_each_leg() {
    let mut lab = lab(true, Ok(()));
    for _ in 0..6 {
        lab.run(50);
        lab.bridge.every_second(lab.now, 1 << 32, &mut lab.out);
    }
    let sides: Vec<Side> = lab.out.rtcp.iter().map(|(side, _, _)| *side).collect();
    assert_eq!(sides, [Side::Caller, Side::Callee]);
    for (_, _, bytes) in &lab.out.rtcp {
        assert!(crate::rtp::rtcp::read(bytes).unwrap().sender_report.is_some());
    }
    let (_, to, _) = lab.out.rtcp[0];
    assert_eq!(to, "127.0.0.2:4001".parse().unwrap());
}

#[test]
fn a_tone_that_is_played_stands_in_no_recording() {
    let mut lab = lab(true, Ok(()));
    lab.run(2);
    lab.bridge.play(Side::Caller, Tone::Refused);
    let before = lab.frames(Side::Callee);
    lab.run(10);
    assert_eq!(lab.frames(Side::Callee), before + 10, "the other party's words are recorded all the same");
    let rows = lab.out.taps.iter().all(|tap| match tap {
        Tapped::Frame { payload, .. } => payload.iter().all(|byte| *byte == 0x10 || *byte == 0x20),
        Tapped::Gate { .. }
        | Tapped::Key { .. }
        | Tapped::Hold { .. }
        | Tapped::Joined { .. }
        | Tapped::Refused { .. }
        | Tapped::End => true,
    });
    assert!(rows);
}

#[test]
fn the_packet_around_the_last_key_passes_only_up_to_the_key() {
    let mut lab = lab(true, Ok(()));
    lab.run(2);
    lab.dial(Side::Caller, "#11");
    let started = lab.timestamp[0];
    let payload = EventPayload { event: 11, end: false, volume: 10, duration: 160 };
    // The key goes down 80 samples into the next audio packet, which comes after the event.
    lab.send(Side::Caller, 101, true, started + 80, &payload.to_bytes());
    let before = lab.frames(Side::Caller);
    lab.talk(Side::Caller, 0x10);
    assert_eq!(lab.frames(Side::Caller), before);
    // Reopened at a key 40 samples into a packet: that packet passes from the key on.
    lab.dial(Side::Caller, "#12");
    let started = lab.timestamp[0];
    lab.send(
        Side::Caller,
        101,
        true,
        started + 40,
        &EventPayload { event: 11, end: true, volume: 10, duration: 160 }.to_bytes(),
    );
    lab.talk(Side::Caller, 0x10);
    match lab.out.taps.last() {
        Some(Tapped::Frame { timestamp, payload, .. }) => assert_eq!((*timestamp, payload.len()), (started + 40, 120)),
        other => panic!("{other:?}"),
    }
}

fn joining(side: Side, at: &str, lab: &Lab) -> Joining {
    let remote: SocketAddr = at.parse().unwrap();
    let rtcp = SocketAddr::new(remote.ip(), remote.port() + 1);
    Joining {
        side,
        start: (0x3333, 7, 70_000),
        cname: "c".into(),
        media: LegMedia { remote, remote_rtcp: rtcp, signalling_ip: remote.ip(), ..media(side, Law::Mu) },
        commander: None,
        name: "Carol <203>".into(),
        facts: lab.bridge.rules().facts,
    }
}

/// Sequence numbers and SSRCs of what went to an address.
fn stream_to(out: &Captured, to: SocketAddr) -> Vec<(u32, u16, u32)> {
    let of = out.rtp.iter().filter(|(_, at, _)| *at == to);
    of.map(|(_, _, packet)| View::parse(packet).unwrap()).map(|v| (v.ssrc, v.sequence, v.timestamp)).collect()
}

#[test]
fn a_party_that_joins_takes_the_channel_of_the_one_before_and_nobody_else_is_heard_there() {
    let mut lab = lab(true, Ok(()));
    lab.run(10);
    let joining = joining(Side::Callee, "127.0.0.4:6000", &lab);
    lab.bridge.join(joining, None, lab.now, 0, &mut lab.out);
    assert!(lab.out.taps.contains(&Tapped::Joined { side: Side::Callee, name: "Carol <203>".into() }));
    assert_eq!(lab.out.rtcp.last().unwrap().1, "127.0.0.3:5001".parse().unwrap(), "the one before hears RTCP BYE");
    let before = lab.frames(Side::Callee);
    lab.run(10);
    assert_eq!(lab.frames(Side::Callee), before, "the one before is a stranger now");
    assert_eq!(
        lab.bridge.left().iter().map(|(side, leg)| (*side, leg.counters.received)).collect::<Vec<_>>(),
        [(Side::Callee, 10)]
    );
    for frame in 0..10u32 {
        let mut packet = vec![0; HEADER];
        let at = 500 + frame * 160;
        rewrite_header(packet.first_chunk_mut().unwrap(), false, 0, 9_000 + frame as u16, at, 0xbeef);
        packet.extend([0x30; 160]);
        let from = "127.0.0.4:6000".parse().unwrap();
        lab.bridge.on_rtp(Side::Callee, from, &mut packet, lab.now, &mut lab.out);
        lab.now = lab.now + Span::from_millis(20);
    }
    assert_eq!(lab.frames(Side::Callee), before + 10);
    let heard = stream_to(&lab.out, address(Side::Caller));
    assert!(heard.windows(2).all(|pair| pair[1].1 == pair[0].1.wrapping_add(1) && pair[1].0 == pair[0].0));
    let to_new = stream_to(&lab.out, "127.0.0.4:6000".parse().unwrap());
    assert_eq!((to_new.len(), to_new[0].0, to_new[0].1), (10, 0x3333, 8), "with an SSRC of its own");
}

#[test]
fn a_leg_that_moves_to_another_call_goes_on_without_a_seam() {
    let mut other = lab(true, Ok(()));
    other.run(10);
    let before = stream_to(&other.out, address(Side::Callee));
    let mut call = lab(true, Ok(()));
    call.run(5);
    let moved = other.bridge.give_up(Side::Callee, "Alice <201>", other.now, &mut other.out);
    assert!(other.out.taps.contains(&Tapped::Joined { side: Side::Caller, name: "Alice <201>".into() }));
    assert_eq!(other.bridge.stats()[1].counters.received, 10, "what was counted stays with its call");
    let joining = Joining { media: media(Side::Callee, Law::A), ..joining(Side::Callee, "127.0.0.9:1", &call) };
    call.now = other.now;
    call.bridge.join(joining, Some(moved), call.now, 0, &mut call.out);
    call.out.rtp.clear();
    call.run(10);
    let after = stream_to(&call.out, address(Side::Callee));
    assert_eq!(after.len(), 10);
    let all: Vec<_> = before.into_iter().chain(after).collect();
    assert!(all.windows(2).all(|pair| pair[1].1 == pair[0].1.wrapping_add(1) && pair[1].0 == pair[0].0));
    assert_eq!(call.bridge.stats()[1].counters.received, 10, "counted anew in the new call");
}

#[test]
fn a_leg_from_a_call_that_a_person_paused_brings_the_pause_along() {
    let mut other = lab(true, Ok(()));
    other.run(5);
    other.dial(Side::Caller, "#11#");
    let mut call = lab(true, Ok(()));
    call.run(5);
    let moved = other.bridge.give_up(Side::Callee, "Alice", other.now, &mut other.out);
    let joining = Joining { media: media(Side::Callee, Law::A), ..joining(Side::Callee, "127.0.0.9:1", &call) };
    call.bridge.join(joining, Some(moved), call.now, 0, &mut call.out);
    assert!(!call.bridge.rules().open());
    let frames = (call.frames(Side::Caller), call.frames(Side::Callee));
    call.run(5);
    assert_eq!((call.frames(Side::Caller), call.frames(Side::Callee)), frames);
}

#[test]
fn a_pause_that_call_control_has_not_heard_of_yet_survives_a_transfer() {
    let mut lab = lab(true, Ok(()));
    lab.run(5);
    let joining = joining(Side::Callee, "127.0.0.4:6000", &lab);
    lab.dial(Side::Caller, "#11#");
    lab.bridge.join(joining, None, lab.now, 0, &mut lab.out);
    assert!(!lab.bridge.rules().open());
}
