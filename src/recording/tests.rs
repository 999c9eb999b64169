//! The rules of the file, held by an oracle that shares no code with the timeline: every sample
//! carries its own number, so that a decoded file says by itself what stands where.

mod alone;
mod cut;
mod mono;
mod refused;

use super::*;
use crate::audio::{Coding, Law};
use crate::base::{Rate, Side, Span, Time};
use crate::ledger::{MarkerKind, PauseInFile};
use crate::media::TapEvent;
use std::io;

/// A disk in memory.
#[derive(Default)]
struct Memory {
    parts: Vec<Vec<u8>>,
    journal: Vec<JournalLine>,
    room: Option<usize>,
    discarded: bool,
}

impl PartFile for Memory {
    fn create(&mut self, part: u32) -> io::Result<()> {
        assert_eq!(part as usize, self.parts.len());
        self.parts.push(Vec::new());
        Ok(())
    }
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.parts.last_mut().unwrap();
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        if self.room.is_some_and(|room| end > room) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if file.len() < end {
            file.resize(end, 0xee);
        }
        file[start..end].copy_from_slice(bytes);
        Ok(())
    }
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let start = offset as usize;
        bytes.copy_from_slice(&self.parts.last().unwrap()[start..start + bytes.len()]);
        Ok(())
    }
    fn journal(&mut self, line: &JournalLine) -> io::Result<()> {
        self.journal.push(line.clone());
        Ok(())
    }
    fn discard(&mut self) -> io::Result<()> {
        self.discarded = true;
        self.parts.clear();
        Ok(())
    }
}

/// A packet of the oracle: 20 ms of one party, numbered from 0.
#[derive(Clone, Copy, Debug)]
struct Packet {
    side: Side,
    number: u64,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    arrival: Time,
}

impl Packet {
    /// What the tap says of it.
    fn frame<'a>(&self, payload: &'a [u8]) -> TapEvent<'a> {
        let Packet { side, number: _, ssrc, sequence, timestamp, arrival } = *self;
        TapEvent::Frame { side, coding: Coding::PCMU, ssrc, sequence, timestamp, arrival, payload }
    }
}

/// The byte that stands for sample `n` of a party: a sequence in which any 16 bytes name their place.
fn byte(side: Side, n: u64) -> u8 {
    let x =
        (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (side.channel() as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95);
    let code = ((x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8;
    // Loud codes only: silence in the file is then never a sample of a party, and drift is
    // corrected where the test can see it.
    if code & 0x40 != 0 { code ^ 0x40 } else { code }
}

fn payload(side: Side, number: u64) -> Vec<u8> {
    (0..160).map(|n| byte(side, number * 160 + n)).collect()
}

fn sample(side: Side, n: u64) -> i16 {
    Law::Mu.decode(byte(side, n))
}

/// A stream of one party: packet n is spoken at 1 s + 20 ms × n and arrives 5 ms later.
fn stream(side: Side, packets: u64) -> Vec<Packet> {
    (0..packets)
        .map(|number| Packet {
            side,
            number,
            ssrc: 0x100 + side.channel() as u32,
            sequence: 65_500u16.wrapping_add(number as u16),
            timestamp: 0xffff_0000u32.wrapping_add((number * 160) as u32),
            arrival: Time(1_005_000 + number * 20_000),
        })
        .collect()
}

const ZERO: Time = Time(1_000_000);
/// The oracle's packets stand 5 ms (40 samples) behind the start of the file.
const DELAY: u64 = 40;

struct Recorded {
    left: Vec<i16>,
    right: Vec<i16>,
    closed: Closed,
    most_unwritten: u64,
}

impl Recorded {
    fn channel(&self, side: Side) -> &[i16] {
        match side {
            Side::Caller => &self.left,
            Side::Callee => &self.right,
        }
    }

    fn markers(&self, kind: MarkerKind) -> Vec<(u64, i64)> {
        self.closed
            .markers
            .iter()
            .filter(|marker| marker.kind == kind)
            .map(|marker| (marker.at, marker.length))
            .collect()
    }

    /// Packet `number` of `side` stands, every sample of it, at `at`.
    fn stands(&self, side: Side, number: u64, at: u64) -> bool {
        (0..160).all(|n| self.channel(side).get((at + n) as usize).copied() == Some(sample(side, number * 160 + n)))
    }

    fn silent(&self, side: Side, from: u64, to: u64) -> bool {
        self.channel(side)[from as usize..to as usize].iter().all(|sample| *sample == 0)
    }
}

fn config() -> TimelineConfig {
    TimelineConfig {
        window: Span::from_millis(300),
        rate: Rate::NARROW,
        layout: Layout::Stereo,
        pause: PauseInFile::Silence,
    }
}

enum Step {
    Packet(Packet),
    Event(Time, TapEvent<'static>),
}

/// A file as it came out.
struct Written {
    samples: Vec<i16>,
    closed: Closed,
    journal: Vec<JournalLine>,
    most_unwritten: u64,
}

/// Plays steps in order of time, writes every 250 ms, and reads the file back with hound.
fn record_steps(steps: Vec<Step>, end: Time) -> Recorded {
    let Written { samples, closed, most_unwritten, .. } = write_steps(config(), steps, end);
    let channel = |n: usize| samples.iter().skip(n).step_by(2).copied().collect();
    assert_eq!(samples.len() as u64, 2 * closed.samples);
    Recorded { left: channel(0), right: channel(1), closed, most_unwritten }
}

fn write_steps(config: TimelineConfig, mut steps: Vec<Step>, end: Time) -> Written {
    let at = |step: &Step| match step {
        Step::Packet(packet) => packet.arrival,
        Step::Event(at, _) => *at,
    };
    steps.sort_by_key(at);
    let mut disk = Memory::default();
    let mut take = Take::new(config, 1 << 30);
    take.handle(&TapEvent::Gate { open: true, at: ZERO, edge: None }, &mut disk).unwrap();
    let mut next_write = ZERO;
    let mut most_unwritten = 0;
    for step in steps {
        let now = at(&step);
        while next_write <= now {
            take.advance(next_write, &mut disk);
            let on_disk = (disk.parts[0].len() as u64 - 44) / config.layout.channels().frame_bytes();
            most_unwritten = most_unwritten.max((next_write.since(ZERO).0 / 125).saturating_sub(on_disk));
            next_write = next_write + Span::from_millis(250);
        }
        match step {
            Step::Packet(packet) => {
                let payload = payload(packet.side, packet.number);
                take.handle(&packet.frame(&payload), &mut disk).unwrap();
            }
            Step::Event(_, event) => drop(take.handle(&event, &mut disk).unwrap()),
        }
    }
    let closed = take.handle(&TapEvent::End { at: end }, &mut disk).unwrap().remove(0);
    let mut file = disk.parts.remove(0);
    let seal = seal(closed.samples, config.layout.channels(), &[], &[]);
    file.extend(seal.trailer);
    for (offset, bytes) in seal.sizes {
        file[offset as usize..offset as usize + 4].copy_from_slice(&bytes);
    }
    let reader = hound::WavReader::new(&file[..]).unwrap();
    assert_eq!(
        (reader.spec().channels, u64::from(reader.duration())),
        (config.layout.channels().count(), closed.samples)
    );
    let samples = reader.into_samples().map(Result::unwrap).collect();
    Written { samples, closed, journal: disk.journal, most_unwritten }
}

fn record(packets: Vec<Packet>, end: Time) -> Recorded {
    record_steps(packets.into_iter().map(Step::Packet).collect(), end)
}

fn both(packets: u64) -> Vec<Packet> {
    [stream(Side::Caller, packets), stream(Side::Callee, packets)].concat()
}

/// Time of sample position `at` of the file.
fn time_of(at: u64) -> Time {
    ZERO + Span(at * 125)
}

#[test]
fn every_sample_of_a_clean_call_stands_at_its_place() {
    let recorded = record(both(500), time_of(80_100));
    assert_eq!(recorded.closed.samples, 80_100);
    for side in Side::BOTH {
        for number in 0..500 {
            assert!(recorded.stands(side, number, DELAY + number * 160), "{side} packet {number}");
        }
    }
    let kinds: Vec<MarkerKind> = recorded.closed.markers.iter().map(|marker| marker.kind).collect();
    assert_eq!(kinds, [MarkerKind::Start, MarkerKind::End]);
    assert!(recorded.most_unwritten <= 8_000, "at most one second is not on disk: {}", recorded.most_unwritten);
    assert!(recorded.closed.audio_sha256.is_some());
}

#[test]
fn loss_is_silence_of_the_same_length_with_a_marker() {
    let packets = both(200).into_iter().filter(|p| p.side == Side::Callee || !(50..53).contains(&p.number)).collect();
    let recorded = record(packets, time_of(32_000));
    let from = DELAY + 50 * 160;
    assert!(recorded.silent(Side::Caller, from, from + 480));
    assert!(recorded.stands(Side::Caller, 53, from + 480));
    assert_eq!(recorded.markers(MarkerKind::Gap), [(from, 480)]);
}

#[test]
fn reordered_late_and_duplicate_packets_stand_once_in_place() {
    let mut packets = both(300);
    for packet in &mut packets {
        match packet.number % 7 {
            3 => packet.arrival = packet.arrival + Span::from_millis(45),
            5 if packet.number > 100 => packet.arrival = packet.arrival + Span::from_millis(190),
            _ => {}
        }
    }
    let again: Vec<Packet> = packets
        .iter()
        .filter(|p| p.number % 5 == 0)
        .map(|p| Packet { arrival: p.arrival + Span::from_millis(30), ..*p })
        .collect();
    packets.extend(again);
    let recorded = record(packets, time_of(50_000));
    for side in Side::BOTH {
        for number in 0..300 {
            assert!(recorded.stands(side, number, DELAY + number * 160), "{side} packet {number}");
        }
    }
    assert!(recorded.markers(MarkerKind::Gap).is_empty());
}

#[test]
fn a_late_start_and_no_rtp_at_all_are_silence() {
    let late: Vec<Packet> = stream(Side::Caller, 300).into_iter().filter(|packet| packet.number >= 100).collect();
    let recorded = record(late, time_of(48_200));
    assert!(recorded.silent(Side::Caller, 0, DELAY + 16_000));
    assert!(recorded.stands(Side::Caller, 100, DELAY + 16_000));
    assert!(recorded.silent(Side::Callee, 0, 48_200));
}

#[test]
fn silence_suppression_is_silence_without_a_gap() {
    // The clock runs on, the sequence numbers do not.
    let packets = both(400)
        .into_iter()
        .filter(|p| !(100..250).contains(&p.number))
        .map(|p| if p.number >= 250 { Packet { sequence: p.sequence.wrapping_sub(150), ..p } } else { p })
        .collect();
    let recorded = record(packets, time_of(64_100));
    assert!(recorded.silent(Side::Caller, DELAY + 100 * 160, DELAY + 250 * 160));
    assert!(recorded.stands(Side::Caller, 250, DELAY + 250 * 160));
    assert!(recorded.markers(MarkerKind::Gap).is_empty());
    assert!(recorded.markers(MarkerKind::Segment).is_empty());
}

#[test]
fn a_sender_that_stalls_for_three_seconds_and_catches_up_stands_where_it_was_spoken() {
    let mut packets = both(500);
    for packet in packets.iter_mut().filter(|p| p.side == Side::Caller && (100..250).contains(&p.number)) {
        packet.arrival = Time(1_005_000 + 250 * 20_000 + (packet.number - 100) * 100);
    }
    let recorded = record(packets, time_of(80_100));
    for number in 0..500 {
        assert!(recorded.stands(Side::Caller, number, DELAY + number * 160), "packet {number}");
        assert!(recorded.stands(Side::Callee, number, DELAY + number * 160), "the other party, packet {number}");
    }
    assert!(recorded.closed.audio_sha256.is_none(), "written places were patched: the digest is made anew");
    assert!(recorded.markers(MarkerKind::Segment).is_empty());
}

#[test]
fn a_stall_that_the_end_cuts_short_leaves_every_word_at_its_place() {
    // The last packets come together, late by so much, and all is over at once.
    for (held, late_ms) in [(1u64, 270u64), (2, 270), (5, 450), (1, 900), (60, 3_000)] {
        let mut packets = both(300);
        let first = 300 - held;
        for packet in packets.iter_mut().filter(|p| p.side == Side::Caller && p.number >= first) {
            packet.arrival = Time(1_005_000 + first * 20_000 + late_ms * 1_000 + (packet.number - first) * 100);
        }
        let recorded = record(packets, time_of(48_000 + late_ms * 8 + 100));
        for number in 0..300 {
            assert!(recorded.stands(Side::Caller, number, DELAY + number * 160), "{held} by {late_ms}: {number}");
        }
        assert!(recorded.markers(MarkerKind::Segment).is_empty(), "{held} by {late_ms}");
    }
}

#[test]
fn a_stall_that_another_stream_cuts_short_leaves_every_word_at_its_place() {
    let mut packets = both(400);
    for packet in packets.iter_mut().filter(|p| p.side == Side::Caller) {
        match packet.number {
            198..200 => packet.arrival = packet.arrival + Span::from_millis(270),
            200.. => {
                packet.ssrc += 50;
                packet.timestamp = 77_000 + ((packet.number - 200) * 160) as u32;
                packet.arrival = packet.arrival + Span::from_millis(300);
            }
            _ => {}
        }
    }
    let recorded = record(packets, time_of(64_100 + 2_400));
    for number in 0..400 {
        let moved = if number < 200 { 0 } else { 2_400 };
        assert!(recorded.stands(Side::Caller, number, DELAY + number * 160 + moved), "packet {number}");
    }
    assert_eq!(recorded.markers(MarkerKind::Segment), [(DELAY + 200 * 160 + 2_400, 0)]);
}

#[test]
fn what_is_in_time_again_after_a_delay_stands_behind_what_came_late() {
    // The network is slow for two seconds, longer than a stall is waited for, and then as before.
    for late_ms in [150u64, 270, 450, 900] {
        let mut packets = both(900);
        for packet in packets.iter_mut().filter(|p| p.side == Side::Caller && (200..300).contains(&p.number)) {
            let due = packet.arrival + Span::from_millis(late_ms);
            packet.arrival = due.min(Time(1_005_000 + 300 * 20_000 - 2_000 + packet.number));
        }
        let recorded = record(packets, time_of(900 * 160 + 100));
        let places: Vec<u64> = (0..900)
            .map(|number| {
                let near = DELAY + number * 160;
                let at = middle_within(&recorded, Side::Caller, number, near.saturating_sub(400)..near + 9_000);
                at.unwrap_or_else(|| panic!("late by {late_ms}: packet {number} is not there"))
            })
            .collect();
        assert!(places.is_sorted(), "late by {late_ms}: the order is what was spoken");
        assert!(places.iter().zip(0..).all(|(at, number)| *at <= DELAY + number * 160 + late_ms * 8 + 160));
        // Spoken without a pause, it comes back by 5 ms in a second.
        let lead = |number: usize| places[number] as i64 - (DELAY as i64 + number as i64 * 160);
        assert!(lead(199).abs() < 40 && (lead(899) < lead(600) || lead(600) < 48), "late by {late_ms}");
    }
}

#[test]
fn a_straggler_that_the_end_follows_fills_its_gap() {
    let mut packets = both(300);
    for packet in packets.iter_mut().filter(|p| p.side == Side::Caller && p.number == 290) {
        packet.arrival = time_of(48_090);
    }
    let lateness = 48_090 - (DELAY + 290 * 160);
    assert!(lateness > 1_600, "it strays");
    let recorded = record(packets, time_of(48_100));
    for number in 0..300 {
        assert!(recorded.stands(Side::Caller, number, DELAY + number * 160), "packet {number}");
    }
    assert!(recorded.markers(MarkerKind::Gap).is_empty() && recorded.markers(MarkerKind::Segment).is_empty());
}

#[test]
fn a_clock_that_stopped_or_jumped_right_before_the_end_stands_by_arrival() {
    let last = |change: fn(&mut Packet)| {
        let mut packets = both(300);
        packets.iter_mut().filter(|p| p.side == Side::Caller && p.number >= 280).for_each(change);
        record(packets, time_of(48_000 + 24_100))
    };
    let stopped = last(|packet| packet.arrival = packet.arrival + Span::from_secs(3));
    let jumped = last(|packet| packet.timestamp = packet.timestamp.wrapping_add(1_000_000));
    let back = last(|packet| packet.timestamp = packet.timestamp.wrapping_sub(20_000));
    for (recorded, moved) in [(stopped, 24_000), (jumped, 0), (back, 0)] {
        for number in 280..300 {
            assert!(recorded.stands(Side::Caller, number, DELAY + number * 160 + moved), "packet {number}");
        }
        assert!((0..280).all(|number| recorded.stands(Side::Caller, number, DELAY + number * 160)));
        assert_eq!(recorded.markers(MarkerKind::Segment), [(DELAY + 280 * 160 + moved, 0)]);
    }
}

#[test]
fn a_clock_that_stopped_begins_a_new_segment_by_arrival() {
    let mut packets = both(500);
    for packet in packets.iter_mut().filter(|p| p.side == Side::Caller && p.number >= 100) {
        packet.arrival = packet.arrival + Span::from_secs(3);
    }
    let recorded = record(packets, time_of(110_000));
    let from = DELAY + 100 * 160;
    assert!(recorded.silent(Side::Caller, from, from + 24_000));
    for number in 100..500 {
        assert!(recorded.stands(Side::Caller, number, from + 24_000 + (number - 100) * 160), "packet {number}");
    }
    assert_eq!(recorded.markers(MarkerKind::Segment), [(from + 24_000, 0)]);
}

#[test]
fn a_jump_of_the_timestamp_begins_a_new_segment_by_arrival() {
    for jump in [1_000_000u32, 0x8000_1000, 0u32.wrapping_sub(50_000)] {
        let packets = both(400)
            .into_iter()
            .map(|p| if p.number >= 150 { Packet { timestamp: p.timestamp.wrapping_add(jump), ..p } } else { p })
            .collect();
        let recorded = record(packets, time_of(64_100));
        for number in 0..400 {
            assert!(recorded.stands(Side::Caller, number, DELAY + number * 160), "jump {jump}, packet {number}");
        }
        assert_eq!(recorded.markers(MarkerKind::Segment).len(), 2, "one for each party");
    }
}

#[test]
fn a_new_ssrc_begins_a_new_segment_by_arrival() {
    let packets = both(400)
        .into_iter()
        .map(|p| {
            if p.number >= 200 {
                Packet {
                    ssrc: p.ssrc + 50,
                    timestamp: p.timestamp.wrapping_mul(7),
                    sequence: 9u16.wrapping_add(p.number as u16),
                    ..p
                }
            } else {
                p
            }
        })
        .collect::<Vec<_>>();
    let mut packets = packets;
    for packet in packets.iter_mut().filter(|p| p.number >= 200) {
        packet.timestamp = 77_000 + ((packet.number - 200) * 160) as u32;
    }
    let recorded = record(packets, time_of(64_100));
    for side in Side::BOTH {
        for number in 0..400 {
            assert!(recorded.stands(side, number, DELAY + number * 160), "{side} packet {number}");
        }
    }
}

#[test]
fn a_single_packet_from_the_future_is_left_out() {
    let mut packets = stream(Side::Caller, 300);
    packets[100].timestamp = packets[100].timestamp.wrapping_add(8_000_000);
    let recorded = record(packets, time_of(48_100));
    assert_eq!(recorded.closed.samples, 48_100);
    for number in (0..300).filter(|number| *number != 100) {
        assert!(recorded.stands(Side::Caller, number, DELAY + number * 160), "packet {number}");
    }
}

/// Walks one channel and returns, for every packet, the position at which its middle stands.
fn middle_of(recorded: &Recorded, side: Side, number: u64, near: u64) -> Option<u64> {
    let from = near.saturating_sub(400);
    middle_within(recorded, side, number, from..from + 1_200)
}

/// Where in a stretch of the file the packet stands whose middle begins in it.
fn middle_within(recorded: &Recorded, side: Side, number: u64, range: std::ops::Range<u64>) -> Option<u64> {
    let wanted: Vec<i16> = (60..100).map(|n| sample(side, number * 160 + n)).collect();
    let channel = recorded.channel(side).get(range.start as usize..).unwrap_or_default();
    let mut windows = channel.windows(40).take((range.end - range.start) as usize);
    windows.position(|window| window == wanted).map(|at| range.start + at as u64 - 60)
}

#[test]
fn drift_of_either_clock_is_followed_within_10_ms_by_marked_steps_of_5_ms() {
    // 600 ppm: 6 ms in 10 s. The caller's clock is slow, the callee's is fast.
    let mut packets = both(3_000);
    for packet in &mut packets {
        let drift = packet.number * 20_000 * 600 / 1_000_000;
        packet.arrival = match packet.side {
            Side::Caller => packet.arrival + Span(drift),
            Side::Callee => packet.arrival - Span(drift),
        };
    }
    let arrivals: Vec<Packet> = packets.clone();
    let recorded = record(packets, time_of(490_000));
    for side in Side::BOTH {
        for packet in arrivals.iter().filter(|p| p.side == side && p.number % 50 == 7) {
            let wanted = packet.arrival.since(ZERO).0 / 125;
            let at = middle_of(&recorded, side, packet.number, wanted)
                .unwrap_or_else(|| panic!("{side} packet {}", packet.number));
            let apart = at.abs_diff(wanted);
            assert!(apart <= 80, "{side} packet {} stands {apart} samples off", packet.number);
        }
    }
    let steps = recorded.markers(MarkerKind::Drift);
    assert!(steps.len() >= 12, "{steps:?}");
    assert!(steps.iter().all(|(_, length)| length.abs() == 40), "{steps:?}");
    assert!(steps.iter().any(|(_, length)| *length > 0) && steps.iter().any(|(_, length)| *length < 0));
}

#[test]
fn a_pause_is_silence_of_the_same_length_on_both_sides_with_two_markers() {
    let edge = |number: u64| (0xffff_0000u32).wrapping_add((number * 160) as u32);
    let shut = Time(1_005_000 + 100 * 20_000);
    let open = Time(1_005_000 + 200 * 20_000);
    let mut steps: Vec<Step> =
        both(300).into_iter().filter(|p| !(100..200).contains(&p.number)).map(Step::Packet).collect();
    steps.push(Step::Event(
        shut,
        TapEvent::Gate { open: false, at: shut, edge: Some((Side::Caller, 0x100, edge(100))) },
    ));
    steps.push(Step::Event(
        open - Span(1),
        TapEvent::Gate { open: true, at: open, edge: Some((Side::Caller, 0x100, edge(200))) },
    ));
    let recorded = record_steps(steps, time_of(48_100));
    let (from, to) = (DELAY + 16_000, DELAY + 32_000);
    for side in Side::BOTH {
        assert!(recorded.silent(side, from, to));
        assert!(recorded.stands(side, 99, from - 160));
        assert!(recorded.stands(side, 200, to));
    }
    assert_eq!(recorded.markers(MarkerKind::Pause), [(from, 0)]);
    assert_eq!(recorded.markers(MarkerKind::Resume), [(to, 0)]);
}

#[test]
fn what_was_taken_in_before_the_gate_moved_and_lies_behind_its_edge_is_silenced() {
    let shut = Time(1_005_000 + 100 * 20_000);
    let mut steps: Vec<Step> = both(100).into_iter().map(Step::Packet).collect();
    let edge = 0xffff_0000u32.wrapping_add(98 * 160 + 30);
    steps.push(Step::Event(shut, TapEvent::Gate { open: false, at: shut, edge: Some((Side::Caller, 0x100, edge)) }));
    let recorded = record_steps(steps, time_of(20_000));
    let from = DELAY + 98 * 160 + 30;
    assert_eq!(recorded.left[from as usize - 1], sample(Side::Caller, 98 * 160 + 29));
    assert!(recorded.silent(Side::Caller, from, 20_000));
    assert!(recorded.stands(Side::Callee, 99, DELAY + 99 * 160), "the other leg moved at the arrival");
}

#[test]
fn the_stretch_of_a_key_is_blanked_and_marked() {
    let mut steps: Vec<Step> = stream(Side::Caller, 100).into_iter().map(Step::Packet).collect();
    let timestamp = 0xffff_0000u32.wrapping_add(50 * 160);
    for (at, length, first) in [(50, 160, true), (51, 320, false), (52, 480, false)] {
        let now = Time(1_006_000 + at * 20_000);
        steps.push(Step::Event(now, TapEvent::Key { side: Side::Caller, ssrc: 0x100, timestamp, length, first }));
    }
    let recorded = record_steps(steps, time_of(16_100));
    let from = DELAY + 50 * 160;
    assert!(recorded.silent(Side::Caller, from, from + 480));
    assert!(recorded.stands(Side::Caller, 53, from + 480));
    assert_eq!(recorded.markers(MarkerKind::DigitBlanked), [(from, 480)]);
}

#[test]
fn a_key_that_is_pressed_before_its_stream_has_a_place_is_blanked_and_marked() {
    let mut steps: Vec<Step> = stream(Side::Caller, 100).into_iter().map(Step::Packet).collect();
    let timestamp = 0xffff_0000u32.wrapping_add(2 * 160);
    for at in 2..16 {
        let now = Time(1_006_000 + at * 20_000);
        let (length, first) = ((at as u32 - 1) * 160, at == 2);
        steps.push(Step::Event(now, TapEvent::Key { side: Side::Caller, ssrc: 0x100, timestamp, length, first }));
    }
    let recorded = record_steps(steps, time_of(16_100));
    let (from, length) = (DELAY + 2 * 160, 14 * 160);
    assert!(recorded.stands(Side::Caller, 1, from - 160) && recorded.stands(Side::Caller, 16, from + length));
    assert!(recorded.silent(Side::Caller, from, from + length));
    assert_eq!(recorded.markers(MarkerKind::DigitBlanked), [(from, length as i64)]);
}

#[test]
fn a_full_part_is_closed_and_the_next_goes_on_without_a_lost_sample() {
    let mut disk = Memory::default();
    let mut take = Take::new(config(), 4 * 10_000);
    take.handle(&TapEvent::Gate { open: true, at: ZERO, edge: None }, &mut disk).unwrap();
    let mut closed = Vec::new();
    for packet in stream(Side::Caller, 200) {
        let payload = payload(packet.side, packet.number);
        take.handle(&packet.frame(&payload), &mut disk).unwrap();
        closed.extend(take.advance(packet.arrival, &mut disk));
    }
    closed.extend(take.handle(&TapEvent::End { at: time_of(32_100) }, &mut disk).unwrap());
    let lengths: Vec<u64> = closed.iter().map(|part| part.samples).collect();
    assert_eq!(lengths, [10_000, 10_000, 10_000, 2_100]);
    let audio: Vec<u8> = disk.parts.iter().flat_map(|part| part[44..].to_vec()).collect();
    let left: Vec<i16> = audio.chunks(4).map(|frame| i16::from_le_bytes([frame[0], frame[1]])).collect();
    for n in 0..200 * 160 {
        assert_eq!(left[DELAY as usize + n], sample(Side::Caller, n as u64), "sample {n}");
    }
    assert_eq!(closed[1].started, time_of(10_000));
}

#[test]
fn a_full_disk_closes_the_file_as_it_stands_and_says_so() {
    let mut disk = Memory { room: Some(40_000), ..Memory::default() };
    let mut take = Take::new(config(), 1 << 30);
    take.handle(&TapEvent::Gate { open: true, at: ZERO, edge: None }, &mut disk).unwrap();
    let mut closed = Vec::new();
    for packet in stream(Side::Caller, 200) {
        let payload = payload(packet.side, packet.number);
        closed.extend(take.handle(&packet.frame(&payload), &mut disk).unwrap());
        closed.extend(take.advance(packet.arrival, &mut disk));
    }
    assert_eq!(take.state(), TakeState::Failed);
    assert_eq!(closed.len(), 1);
    assert!(closed[0].problem.is_some());
    let on_disk = (disk.parts[0].len() as u64 - 44) / 4;
    assert!(closed[0].samples <= on_disk, "the row never says more than the file holds");
}

#[test]
fn a_call_that_was_never_recorded_leaves_no_file() {
    let mut disk = Memory::default();
    let mut take = Take::new(config(), 1 << 30);
    assert!(take.handle(&TapEvent::End { at: time_of(100) }, &mut disk).unwrap().is_empty());
    assert!(disk.parts.is_empty());
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        /// Any loss, any delay up to 180 ms beyond the fastest, any duplication: the length is
        /// the call's, and what came stands at its place.
        #[test]
        fn under_any_loss_delay_and_duplication_what_came_stands_in_place(
            fates in proptest::collection::vec((0u8..10, 0u64..180, 0u8..8), 250),
            first_sequence in any::<u16>(),
            first_timestamp in any::<u32>(),
        ) {
            let mut packets = Vec::new();
            for (packet, (loss, delay, twice)) in stream(Side::Callee, 250).into_iter().zip(&fates) {
                // The first packet is one of the fastest: it is what a start is placed by.
                let delay = if packet.number % 8 == 0 { 0 } else { *delay };
                if *loss == 0 && packet.number % 8 != 0 { continue; }
                let packet = Packet {
                    sequence: first_sequence.wrapping_add(packet.number as u16),
                    timestamp: first_timestamp.wrapping_add((packet.number * 160) as u32),
                    arrival: packet.arrival + Span::from_millis(delay),
                    ..packet
                };
                packets.push(packet);
                if *twice == 0 {
                    packets.push(Packet { arrival: packet.arrival + Span::from_millis(17), ..packet });
                }
            }
            let came: Vec<u64> = packets.iter().map(|packet| packet.number).collect();
            let recorded = record(packets, time_of(42_000));
            prop_assert_eq!(recorded.closed.samples, 42_000);
            for number in 0..250 {
                let at = DELAY + number * 160;
                if came.contains(&number) {
                    prop_assert!(recorded.stands(Side::Callee, number, at), "packet {}", number);
                } else {
                    prop_assert!(recorded.silent(Side::Callee, at, at + 160), "lost packet {}", number);
                }
            }
            prop_assert!(recorded.silent(Side::Caller, 0, 42_000));
        }

        /// Whatever comes, the file is as long as the call, or as the words that had to be moved, and nothing
        /// panics.
        #[test]
        fn whatever_comes_the_length_is_the_calls(
            rows in proptest::collection::vec((any::<bool>(), 0u32..3, any::<u16>(), any::<u32>(), 0u64..9_000), 0..300),
        ) {
            let packets = rows.into_iter().map(|(caller, ssrc, sequence, timestamp, ms)| Packet {
                side: if caller { Side::Caller } else { Side::Callee },
                number: 0, ssrc, sequence, timestamp,
                arrival: ZERO + Span::from_millis(ms),
            }).collect();
            let recorded = record(packets, time_of(75_000));
            prop_assert!((75_000..=75_000 + 8_000 + 1_600 + 160).contains(&recorded.closed.samples));
        }
    }
}

/// What a party of the wideband tests sends: a tone in 20 ms packets.
struct Talker {
    side: Side,
    coding: Coding,
    encoder: Box<dyn crate::audio::codec::Encode>,
    at: usize,
    hertz: f64,
}

impl Talker {
    fn new(side: Side, coding: Coding, hertz: f64) -> Self {
        Talker { side, coding, encoder: crate::audio::codec::encoder(coding, Rate::WIDE).unwrap(), at: 0, hertz }
    }

    /// The payload of the next 20 ms.
    fn say(&mut self) -> Vec<u8> {
        let step = std::f64::consts::TAU * self.hertz / 16_000.0;
        let samples: Vec<i16> = (self.at..self.at + 320).map(|n| ((n as f64 * step).sin() * 8_000.0) as i16).collect();
        self.at += 320;
        let mut payload = [0; crate::audio::codec::MOST_PAYLOAD];
        let bytes = self.encoder.encode(&samples, &mut payload).unwrap();
        payload[..bytes].to_vec()
    }

    fn hand(&self, take: &mut Take, disk: &mut Memory, number: u64, delay_ms: u64, payload: &[u8]) {
        let event = TapEvent::Frame {
            side: self.side,
            coding: self.coding,
            ssrc: 9,
            sequence: number as u16,
            timestamp: (number * u64::from(self.coding.clock().0) / 50) as u32,
            arrival: Time(1_000_000 + number * 20_000 + delay_ms * 1_000),
            payload,
        };
        take.handle(&event, disk).unwrap();
    }
}

fn channels(disk: &Memory) -> [Vec<i16>; 2] {
    let sample = |frame: &[u8], at: usize| i16::from_le_bytes([frame[at], frame[at + 1]]);
    let audio = &disk.parts[0][44..];
    [0, 2].map(|at| audio.chunks_exact(4).map(|frame| sample(frame, at)).collect())
}

fn level(samples: &[i16], hertz: f64, rate: Rate) -> f64 {
    let step = std::f64::consts::TAU * hertz / f64::from(rate.0);
    let (re, im) = samples.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, sample)| {
        (re + f64::from(*sample) * (n as f64 * step).cos(), im + f64::from(*sample) * (n as f64 * step).sin())
    });
    re.hypot(im) * 2.0 / samples.len().max(1) as f64
}

fn begun(rate: Rate) -> (Take, Memory) {
    let mut take = Take::new(TimelineConfig { rate, ..config() }, 1 << 30);
    let mut disk = Memory::default();
    take.handle(&TapEvent::Gate { open: true, at: ZERO, edge: None }, &mut disk).unwrap();
    (take, disk)
}

#[test]
fn each_party_is_decoded_in_its_own_coding_at_the_rate_of_the_file() {
    for (one, other, rate) in [
        (Coding::G722, Coding::Opus, Rate::WIDE),
        (Coding::Opus, Coding::Opus, Rate::FULL),
        (Coding::PCMA, Coding::Opus, Rate::NARROW),
        (Coding::G729, Coding::G722, Rate::NARROW),
        (Coding::PCMU, Coding::G722, Rate::WIDE),
    ] {
        let (mut take, mut disk) = begun(rate);
        let mut talkers = [Talker::new(Side::Caller, one, 440.0), Talker::new(Side::Callee, other, 620.0)];
        for number in 0..100 {
            for talker in &mut talkers {
                let payload = talker.say();
                // Every tenth packet comes after the one behind it.
                let late = if number % 10 == 3 { 25 } else { 2 };
                talker.hand(&mut take, &mut disk, number, late, &payload);
            }
        }
        let closed = take.handle(&TapEvent::End { at: Time(3_000_000) }, &mut disk).unwrap();
        let name = format!("{one:?} and {other:?} at {rate:?}");
        assert_eq!((closed[0].samples, closed[0].rate), (u64::from(rate.0) * 2, rate), "{name}");
        assert!(
            closed[0].markers.iter().all(|marker| marker.kind != MarkerKind::Gap),
            "{name}: {:?}",
            closed[0].markers
        );
        let [left, right] = channels(&disk);
        for (samples, hertz, foreign) in [(left, 440.0, 620.0), (right, 620.0, 440.0)] {
            let middle = &samples[samples.len() / 4..samples.len() / 4 * 3];
            assert!(level(middle, hertz, rate) > 4_000.0, "{name}: {hertz} Hz has {}", level(middle, hertz, rate));
            assert!(level(middle, foreign, rate) < 400.0, "{name}");
        }
    }
}

#[test]
fn packets_out_of_order_are_decoded_in_order_and_a_lost_one_is_made_up_for() {
    let (mut take, mut disk) = begun(Rate::WIDE);
    let mut talker = Talker::new(Side::Caller, Coding::G722, 440.0);
    let packets: Vec<Vec<u8>> = (0..150).map(|_| talker.say()).collect();
    let mut order: Vec<u64> = (0..150).collect();
    order.swap(40, 42);
    order.swap(80, 81);
    order.retain(|number| *number != 100);
    for number in order {
        talker.hand(&mut take, &mut disk, number, 5, &packets[number as usize]);
    }
    let closed = take.handle(&TapEvent::End { at: Time(4_000_000) }, &mut disk).unwrap();
    assert_eq!(closed[0].samples, 48_000);
    let [left, _] = channels(&disk);
    for place in (12_000..46_000).step_by(320) {
        let found = level(&left[place..place + 1_600], 440.0, Rate::WIDE);
        assert!(found > 6_000.0, "at {place}: {found}");
    }
}

#[test]
fn a_change_of_codec_and_clock_in_mid_call_goes_on_at_its_place() {
    let (mut take, mut disk) = begun(Rate::WIDE);
    let mut wide = Talker::new(Side::Caller, Coding::Opus, 440.0);
    for number in 0..100 {
        let payload = wide.say();
        wide.hand(&mut take, &mut disk, number, 3, &payload);
    }
    let mut narrow = Talker::new(Side::Caller, Coding::PCMU, 440.0);
    for number in 100..200 {
        let payload = narrow.say();
        narrow.hand(&mut take, &mut disk, number, 3, &payload);
    }
    let closed = take.handle(&TapEvent::End { at: Time(5_000_000) }, &mut disk).unwrap();
    assert_eq!(closed[0].samples, 64_000);
    let [left, _] = channels(&disk);
    for place in [8_000, 20_000, 40_000, 55_000] {
        let found = level(&left[place..place + 4_000], 440.0, Rate::WIDE);
        assert!(found > 6_000.0, "at {place}: {found}");
    }
    // Around the change there is no more silence than the placing by arrival takes.
    let silent = left[30_000..34_000].chunks(160).filter(|part| part.iter().all(|sample| *sample == 0)).count();
    assert!(silent <= 3, "{silent} stretches of 10 ms");
}

#[test]
fn comfort_noise_and_a_pause_of_the_sender_are_silence_of_the_right_length_and_no_gap() {
    for coding in [Coding::PCMU, Coding::G722, Coding::Opus] {
        let (mut take, mut disk) = begun(Rate::NARROW);
        let mut talker = Talker::new(Side::Caller, coding, 440.0);
        let mut sequence = 0;
        let mut frame = |take: &mut Take, disk: &mut Memory, coding: Coding, place: u64, payload: &[u8]| {
            let clock = u64::from(if coding == Coding::Noise { 8_000 } else { coding.clock().0 });
            let event = TapEvent::Frame {
                side: Side::Caller,
                coding,
                ssrc: 9,
                sequence,
                timestamp: (place * clock / 50) as u32,
                arrival: Time(1_003_000 + place * 20_000),
                payload,
            };
            sequence += 1;
            take.handle(&event, disk).unwrap();
        };
        for place in (0..50).chain(100..150) {
            if place == 100 && coding != Coding::Opus {
                frame(&mut take, &mut disk, Coding::Noise, 50, &[60]);
            }
            let payload = talker.say();
            frame(&mut take, &mut disk, coding, place, &payload);
        }
        let closed = take.handle(&TapEvent::End { at: Time(4_000_000) }, &mut disk).unwrap();
        assert_eq!(closed[0].samples, 24_000, "{coding:?}");
        assert!(closed[0].markers.iter().all(|m| m.kind != MarkerKind::Gap), "{coding:?}: {:?}", closed[0].markers);
        let [left, _] = channels(&disk);
        assert!(left[8_400..15_900].iter().all(|sample| *sample == 0), "{coding:?}");
        assert!(level(&left[17_000..23_000], 440.0, Rate::NARROW) > 6_000.0, "{coding:?}");
    }
}
