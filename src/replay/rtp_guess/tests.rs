//! Flows made by hand: RTP of several manners, and what only looks like it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::base::{Random, Seeded};
use proptest::prelude::*;

const A: &str = "10.0.0.1:4000";
const B: &str = "10.0.0.2:6000";

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn packet(pt: u8, sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, pt];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xd5; 160]);
    packet
}

struct Scene {
    guess: RtpGuess,
}

impl Scene {
    fn new() -> Self {
        Scene { guess: RtpGuess::new() }
    }

    fn see(&mut self, ms: i64, src: &str, dst: &str, payload: &[u8]) {
        self.guess.see(Wall::from_unix_micros(ms * 1_000), socket(src), socket(dst), payload);
    }

    /// A stream of `count` packets, one every 20 ms.
    fn stream(mut self, from_ms: i64, src: &str, dst: &str, ssrc: u32, count: u16) -> Self {
        for index in 0..count {
            self.see(from_ms + i64::from(index) * 20, src, dst, &packet(0, 65_530_u16.wrapping_add(index), ssrc));
        }
        self
    }

    fn calls(self) -> Vec<(u32, Option<u32>)> {
        let guess = self.guess.finish();
        guess.calls.iter().map(|call| (call.one.ssrc, call.other.as_ref().map(|other| other.ssrc))).collect()
    }
}

#[test]
fn a_flow_and_its_exact_way_back_are_a_call_in_order_of_their_beginning() {
    let guess = Scene::new().stream(20, B, A, 2, 50).stream(0, A, B, 1, 50).guess.finish();
    assert_eq!(guess.calls.len(), 1);
    let GuessedCall { one, other } = &guess.calls[0];
    assert_eq!((one.ssrc, one.packets, one.flow.src), (1, 50, socket(A)));
    assert_eq!(one.payload_types, BTreeSet::from([0]));
    assert_eq!((one.first.unix_micros(), one.last.unix_micros()), (0, 980_000));
    assert_eq!(other.as_ref().unwrap().ssrc, 2);
    assert_eq!(guess.other_flows, 0);
}

#[test]
fn one_side_alone_is_a_call_with_one_side() {
    assert_eq!(Scene::new().stream(0, A, B, 1, 20).calls(), [(1, None)]);
}

#[test]
fn asymmetric_ports_between_two_hosts_are_paired_by_beginning() {
    let calls = Scene::new()
        .stream(0, "10.0.0.1:4000", "10.0.0.2:6000", 1, 50)
        .stream(40_000, "10.0.0.1:4002", "10.0.0.2:6002", 3, 50)
        .stream(60, "10.0.0.2:7000", "10.0.0.1:5000", 2, 50)
        .stream(40_080, "10.0.0.2:7002", "10.0.0.1:5002", 4, 50)
        .calls();
    assert_eq!(calls, [(1, Some(2)), (3, Some(4))]);
}

#[test]
fn a_shared_port_is_worth_more_than_a_near_beginning() {
    let calls = Scene::new()
        .stream(0, "10.0.0.1:4000", "10.0.0.2:6000", 1, 50)
        .stream(20, "10.0.0.2:7000", "10.0.0.1:4400", 9, 50)
        .stream(300, "10.0.0.2:7002", "10.0.0.1:4000", 2, 50)
        .calls();
    assert_eq!(calls, [(1, Some(2)), (9, None)]);
}

#[test]
fn a_side_that_sends_from_another_host_is_found_by_the_port_it_sends_to() {
    let calls = Scene::new()
        .stream(0, "10.0.0.1:4000", "10.0.0.2:6000", 1, 50)
        .stream(30, "10.0.0.99:6000", "10.0.0.1:4000", 2, 50)
        .stream(40, "10.0.0.99:6002", "10.0.0.1:4002", 3, 50)
        .calls();
    assert_eq!(calls, [(1, Some(2)), (3, None)]);
}

#[test]
fn inside_one_host_strangers_are_not_paired() {
    let calls = Scene::new()
        .stream(0, "127.0.0.1:4000", "127.0.0.1:6000", 1, 50)
        .stream(10, "127.0.0.1:4002", "127.0.0.1:6002", 2, 50)
        .stream(20, "127.0.0.1:6000", "127.0.0.1:4000", 3, 50)
        .calls();
    assert_eq!(calls, [(1, Some(3)), (2, None)]);
}

#[test]
fn streams_of_different_hours_are_not_paired() {
    let calls = Scene::new().stream(0, A, B, 1, 50).stream(3_600_000, "10.0.0.2:6004", A, 2, 50).calls();
    assert_eq!(calls, [(1, None), (2, None)]);
}

#[test]
fn the_same_ports_after_a_pause_with_another_ssrc_are_another_call() {
    let calls = Scene::new()
        .stream(0, A, B, 1, 50)
        .stream(0, B, A, 2, 50)
        .stream(60_000, A, B, 3, 50)
        .stream(60_000, B, A, 4, 50)
        .calls();
    assert_eq!(calls, [(1, Some(2)), (3, Some(4))]);
}

#[test]
fn a_new_ssrc_without_a_pause_or_a_pause_without_a_new_ssrc_is_the_same_call() {
    let guess =
        Scene::new().stream(0, A, B, 1, 50).stream(1_000, A, B, 7, 50).stream(60_000, A, B, 7, 50).guess.finish();
    assert_eq!(guess.calls.len(), 1);
    assert_eq!(guess.calls[0].one.packets, 150);
}

#[test]
fn loss_reordering_and_doubles_do_not_hide_rtp() {
    let mut scene = Scene::new();
    for (index, sequence) in [10_u16, 11, 11, 13, 12, 20, 45, 46].into_iter().enumerate() {
        scene.see(index as i64 * 20, A, B, &packet(8, sequence, 5));
    }
    assert_eq!(scene.calls(), [(5, None)]);
}

#[test]
fn companions_on_the_same_port_do_not_disturb() {
    let mut scene = Scene::new();
    for index in 0..10_u16 {
        scene.see(i64::from(index) * 20, A, B, &packet(0, index, 5));
        scene.see(i64::from(index) * 20, A, B, &[0x80, 200, 0, 6, 0, 0, 0, 5, 0, 0, 0, 0]);
        scene.see(i64::from(index) * 20, A, B, &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0]);
    }
    let guess = scene.guess.finish();
    assert_eq!((guess.calls.len(), guess.calls[0].one.packets), (1, 10));
}

#[test]
fn what_is_not_rtp_is_no_call() {
    let sip = b"INVITE sip:bob@example.com SIP/2.0\r\n".to_vec();
    type Make = fn(u16) -> Vec<u8>;
    let rows: [(&str, Make); 5] = [
        ("empty", |_| vec![]),
        ("short", |_| vec![0x80, 0, 0]),
        ("one number for all", |_| packet(0, 9, 9)[..8].to_vec()),
        ("jumping numbers", |index| packet(0, index * 1_000, 9)),
        ("another SSRC each time", |index| packet(0, index, u32::from(index))),
    ];
    for (name, make) in rows {
        let mut scene = Scene::new();
        (0..60).for_each(|index| scene.see(i64::from(index), A, B, &make(index)));
        let guess = scene.guess.finish();
        assert_eq!((guess.calls.len(), guess.other_flows), (0, 1), "{name}");
    }
    let mut scene = Scene::new();
    (0..60).for_each(|index| scene.see(index, A, B, &sip));
    assert!(scene.calls().is_empty());
}

#[test]
fn random_data_is_not_taken_for_rtp() {
    let mut random = Seeded(7);
    let mut scene = Scene::new();
    for index in 0..5_000_i64 {
        let mut payload = [0; 40];
        random.fill(&mut payload);
        payload[0] = 0x80;
        scene.see(index, &format!("10.0.0.1:{}", 4_000 + index % 50), B, &payload);
    }
    let guess = scene.guess.finish();
    assert_eq!((guess.calls.len(), guess.other_flows), (0, 50));
}

#[test]
fn memory_is_bounded_by_a_number_of_flows() {
    let mut guess = RtpGuess::new();
    for index in 0..MAX_FLOWS as u32 + 10 {
        let src = SocketAddr::from((index.to_be_bytes(), 4_000));
        guess.see(Wall::default(), src, socket(B), &packet(0, 1, 1));
    }
    let guess = guess.finish();
    assert_eq!((guess.other_flows, guess.unlooked_packets), (MAX_FLOWS as u64, 10));
}

proptest! {
    #[test]
    fn every_stream_is_in_exactly_one_call(
        flows in prop::collection::vec((0_u8..3, 0_u16..3, 0_u8..3, 0_u16..3, 0_i64..30_000), 0..20)
    ) {
        let mut scene = Scene::new();
        let mut seen = BTreeSet::new();
        for (a, port_a, b, port_b, from) in flows {
            let flow = (format!("10.0.0.{a}:{}", 4_000 + port_a), format!("10.0.0.{b}:{}", 4_000 + port_b));
            if seen.insert(flow.clone()) {
                scene = scene.stream(from, &flow.0, &flow.1, seen.len() as u32, 10);
            }
        }
        let mut ssrcs: Vec<u32> = scene.calls().into_iter().flat_map(|(one, other)| [Some(one), other]).flatten().collect();
        ssrcs.sort_unstable();
        prop_assert_eq!(ssrcs, (1..=seen.len() as u32).collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_make_the_guess_panic(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20)) {
        let mut scene = Scene::new();
        for payload in payloads {
            scene.see(0, A, B, &payload);
        }
        scene.calls();
    }
}
