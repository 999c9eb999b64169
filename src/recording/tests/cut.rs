//! `pause = "cut"`: the pause is not in the file, and everything else is.

use super::*;

fn cut() -> TimelineConfig {
    TimelineConfig { pause: PauseInFile::Cut, ..config() }
}

/// The gate moves at this arrival, by a key at packet `number` of the caller where there is one.
fn gate(open: bool, at: Time, key: Option<u64>) -> Step {
    let timestamp = |number: u64| 0xffff_0000u32.wrapping_add((number * 160) as u32);
    let edge = key.map(|number| (Side::Caller, 0x100, timestamp(number)));
    Step::Event(at, TapEvent::Gate { open, at, edge })
}

/// What arrives while the gate is open: before `from` and from `to` on.
fn spoken(packets: u64, pauses: &[(Time, Time)]) -> Vec<Step> {
    let open = |packet: &Packet| pauses.iter().all(|(from, to)| packet.arrival < *from || packet.arrival > *to);
    both(packets).into_iter().filter(open).map(Step::Packet).collect()
}

fn written(config: TimelineConfig, steps: Vec<Step>, end: Time) -> (Recorded, Vec<JournalLine>) {
    let Written { samples, closed, journal, most_unwritten } = write_steps(config, steps, end);
    let channel = |n: usize| samples.iter().skip(n).step_by(2).copied().collect();
    (Recorded { left: channel(0), right: channel(1), closed, most_unwritten }, journal)
}

/// Pauses of a call of 10 s: from, to, in ms from its beginning.
fn paused(pauses: &[(u64, u64)]) -> (Recorded, Vec<JournalLine>) {
    let moment = |ms: u64| ZERO + Span::from_millis(ms);
    let moments: Vec<(Time, Time)> = pauses.iter().map(|(from, to)| (moment(*from), moment(*to))).collect();
    let mut steps = spoken(500, &moments);
    for (from, to) in moments {
        steps.push(gate(false, from, None));
        if to < moment(10_000) {
            steps.push(gate(true, to, None));
        }
    }
    written(cut(), steps, moment(10_000))
}

#[test]
fn a_pause_is_left_out_and_one_marker_says_how_long_it_was() {
    let (recorded, _) = paused(&[(2_000, 5_000)]);
    let [(at, length)] = recorded.markers(MarkerKind::PauseCut)[..] else { panic!("one marker") };
    assert_eq!(recorded.closed.samples + length as u64, 80_000, "file and cut are the call");
    assert!((23_360..=24_000).contains(&length), "60 ms before the resume and a packet are left: {length}");
    assert!(recorded.markers(MarkerKind::Pause).is_empty() && recorded.markers(MarkerKind::Resume).is_empty());
    for side in Side::BOTH {
        assert!(recorded.stands(side, 98, DELAY + 98 * 160), "{side} before");
        for number in 250..490 {
            assert!(recorded.stands(side, number, DELAY + number * 160 - length as u64), "{side} packet {number}");
        }
        assert!(recorded.silent(side, at, at + 480), "{side}: what is left of the pause is silent");
    }
    assert!(recorded.markers(MarkerKind::Gap).is_empty() && recorded.markers(MarkerKind::Segment).is_empty());
    assert_eq!(recorded.markers(MarkerKind::End), [(recorded.closed.samples, 0)]);
    assert!(recorded.closed.audio_sha256.is_some(), "nothing was written twice");
}

#[test]
fn several_pauses_add_up_and_each_has_its_marker() {
    let (recorded, _) = paused(&[(1_000, 2_000), (3_000, 3_500), (6_000, 9_000)]);
    let cuts = recorded.markers(MarkerKind::PauseCut);
    assert_eq!(cuts.len(), 3);
    let left_out: i64 = cuts.iter().map(|(_, length)| length).sum();
    assert_eq!(recorded.closed.samples + left_out as u64, 80_000);
    for (number, before) in [(40, 0), (120, 1), (250, 2), (480, 3)] {
        let shift: i64 = cuts.iter().take(before).map(|(_, length)| length).sum();
        for side in Side::BOTH {
            assert!(recorded.stands(side, number, DELAY + number * 160 - shift as u64), "{side} packet {number}");
        }
    }
}

/// The first is over before what was let through is written, the second begins meanwhile.
#[test]
fn a_pause_of_a_moment_does_not_hide_the_next_one() {
    let (recorded, _) = paused(&[(106, 107), (206, 286)]);
    let left_out: i64 = recorded.markers(MarkerKind::PauseCut).iter().map(|(_, length)| length).sum();
    assert!(left_out > 0);
    assert_eq!(recorded.closed.samples + left_out as u64, 80_000);
}

#[test]
fn a_pause_that_is_still_on_at_the_end_ends_the_file_and_says_how_long_it_was() {
    let (recorded, _) = paused(&[(4_000, 10_000)]);
    let [(at, length)] = recorded.markers(MarkerKind::PauseCut)[..] else { panic!("one marker") };
    assert_eq!((at, at + length as u64), (recorded.closed.samples, 80_000));
    assert!(recorded.closed.samples < 32_400, "{}", recorded.closed.samples);
    assert!(recorded.stands(Side::Caller, 198, DELAY + 198 * 160));
}

#[test]
fn a_pause_shorter_than_its_edges_loses_nothing() {
    let (recorded, _) = paused(&[(2_000, 2_030)]);
    assert_eq!(recorded.closed.samples, 80_000);
    for side in Side::BOTH {
        assert!(recorded.stands(side, 98, DELAY + 98 * 160) && recorded.stands(side, 300, DELAY + 300 * 160), "{side}");
    }
}

#[test]
fn the_commanding_party_is_silent_from_its_key_on_and_the_other_until_the_packet_came() {
    let (from, to) = (time_of(16_200), time_of(40_000));
    let mut steps = spoken(400, &[(from, to)]);
    // The key went down two packets before it was seen.
    steps.extend([gate(false, from, Some(98)), gate(true, to, Some(249))]);
    let (recorded, _) = written(cut(), steps, time_of(64_000));
    let [(at, length)] = recorded.markers(MarkerKind::PauseCut)[..] else { panic!("one marker") };
    assert!(recorded.silent(Side::Caller, DELAY + 98 * 160, at), "from the key on");
    assert!(recorded.stands(Side::Callee, 99, DELAY + 99 * 160), "until the packet came");
    for side in Side::BOTH {
        assert!(recorded.stands(side, 260, DELAY + 260 * 160 - length as u64), "{side}");
    }
    assert_eq!(recorded.closed.samples + length as u64, 64_000);
}

#[test]
fn what_comes_late_from_before_a_pause_still_stands_in_its_place() {
    let (from, to) = (ZERO + Span::from_millis(2_000), ZERO + Span::from_millis(4_000));
    let mut steps = spoken(300, &[(from, to)]);
    let late = |step: &mut Step| match step {
        Step::Packet(packet) if packet.number == 90 => packet.arrival = to + Span::from_millis(50),
        Step::Packet(_) | Step::Event(..) => {}
    };
    steps.iter_mut().for_each(late);
    steps.extend([gate(false, from, None), gate(true, to, None)]);
    let (recorded, _) = written(cut(), steps, time_of(48_000));
    for side in Side::BOTH {
        assert!(recorded.stands(side, 90, DELAY + 90 * 160), "{side}: late");
    }
}

#[test]
fn a_hold_and_a_transfer_in_the_pause_are_marked_where_it_was_cut() {
    let moment = |ms: u64| ZERO + Span::from_millis(ms);
    let (from, to) = (moment(2_000), moment(8_000));
    let mut steps = spoken(500, &[(from, to)]);
    steps.extend([
        gate(false, from, None),
        Step::Event(moment(3_000), TapEvent::Hold { side: Side::Callee, on: true, at: moment(3_000) }),
        Step::Event(moment(5_000), TapEvent::Joined { side: Side::Callee, at: moment(5_000), name: b"Carol <203>" }),
        gate(true, to, None),
    ]);
    let (recorded, _) = written(cut(), steps, moment(10_000));
    let [(at, _)] = recorded.markers(MarkerKind::PauseCut)[..] else { panic!("one marker") };
    assert_eq!(recorded.markers(MarkerKind::Hold), [(at, 0)]);
    assert_eq!(recorded.markers(MarkerKind::Transfer), [(at, 0)]);
}

#[test]
fn what_a_crash_leaves_of_a_cut_pause_is_told_once() {
    let (recorded, journal) = paused(&[(2_000, 5_000)]);
    let text = |lines: &[JournalLine]| -> String {
        lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
    };
    let [(at, length)] = recorded.markers(MarkerKind::PauseCut)[..] else { panic!("one marker") };
    let cuts = |lines: &[JournalLine]| -> Vec<(u64, i64)> {
        let markers = repair(44 + 4 * recorded.closed.samples, &text(lines)).markers;
        let cuts = markers.iter().filter(|marker| marker.kind == MarkerKind::PauseCut);
        cuts.map(|marker| (marker.at, marker.length)).collect()
    };
    assert_eq!(cuts(&journal), [(at, length)]);
    let while_it_lasts = journal
        .iter()
        .position(|line| matches!(line, JournalLine::Marker { marker } if marker.kind == MarkerKind::PauseCut));
    assert_eq!(cuts(&journal[..=while_it_lasts.unwrap()]), [(at, 0)], "killed in the pause");
}

#[test]
fn a_part_that_begins_after_a_cut_says_when_it_was_spoken() {
    let mut disk = Memory::default();
    let mut take = Take::new(cut(), 4 * 10_000);
    let mut step = |event: TapEvent<'_>, now: Time, closed: &mut Vec<Closed>| {
        closed.extend(take.handle(&event, &mut disk).unwrap());
        closed.extend(take.advance(now, &mut disk));
    };
    let mut closed = Vec::new();
    step(TapEvent::Gate { open: true, at: ZERO, edge: None }, ZERO, &mut closed);
    step(TapEvent::Gate { open: false, at: time_of(8_000), edge: None }, time_of(8_000), &mut closed);
    step(TapEvent::Gate { open: true, at: time_of(48_480), edge: None }, time_of(48_480), &mut closed);
    step(TapEvent::End { at: time_of(60_000) }, time_of(60_000), &mut closed);
    let parts: Vec<(u64, Time)> = closed.iter().map(|part| (part.samples, part.started)).collect();
    assert_eq!(parts, [(10_000, ZERO), (10_000, time_of(50_000))]);
}

#[test]
fn a_mono_file_is_cut_like_a_stereo_one() {
    let moment = |ms: u64| ZERO + Span::from_millis(ms);
    let steps = || {
        let mut steps = spoken(300, &[(moment(2_000), moment(4_000))]);
        steps.extend([gate(false, moment(2_000), None), gate(true, moment(4_000), None)]);
        steps
    };
    let (stereo, _) = written(cut(), steps(), moment(6_000));
    let mono = write_steps(TimelineConfig { layout: Layout::Mixed, ..cut() }, steps(), moment(6_000));
    let mixed = stereo.left.iter().zip(&stereo.right).map(|(left, right)| crate::audio::mix(*left, *right));
    assert!(mono.samples.iter().copied().eq(mixed));
    assert_eq!(mono.closed.markers, stereo.closed.markers);
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Wherever pauses begin and end: the file and what was cut are as long as the call, and
        /// no sample of a party stands anywhere but where it was spoken, less what was cut before.
        #[test]
        fn file_and_cuts_are_as_long_as_the_call(edges in proptest::collection::btree_set(0u64..9_900, 2..12)) {
            let edges: Vec<u64> = edges.into_iter().collect();
            let pauses: Vec<(u64, u64)> = edges.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            let (recorded, _) = paused(&pauses);
            let cuts = recorded.markers(MarkerKind::PauseCut);
            let left_out: i64 = cuts.iter().map(|(_, length)| length).sum();
            prop_assert_eq!(recorded.closed.samples + left_out as u64, 80_000);
            for packet in both(490) {
                let at = packet.arrival.since(ZERO).as_millis();
                let open = pauses.iter().all(|(from, to)| at + 25 < *from || at > *to + 25);
                if !open { continue; }
                let place = DELAY + packet.number * 160;
                let mut moved = 0;
                for (cut, length) in &cuts {
                    if *cut + moved <= place { moved += *length as u64; }
                }
                prop_assert!(recorded.stands(packet.side, packet.number, place - moved), "packet {}", packet.number);
            }
        }

        /// Whatever is lost, late or doubled: what is cut out is silence in the other file, and the
        /// rest of it is the same, sample by sample and marker by marker.
        #[test]
        fn a_cut_file_is_the_silent_one_without_its_pauses(
            fates in proptest::collection::vec((0u8..12, 0u64..180, 0u8..8), 500),
            edges in proptest::collection::btree_set(300u64..9_900, 2..9),
        ) {
            let moment = |ms: u64| ZERO + Span::from_millis(ms);
            let edges: Vec<u64> = edges.into_iter().collect();
            let pauses: Vec<(u64, u64)> = edges.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            // What came in a pause the gate refuses, and of what came after it what was spoken in it.
            let passes = |spoken: Time, came: Time| {
                pauses.iter().all(|(from, to)| {
                    let (from, to) = (moment(*from), moment(to + 25));
                    came < from || (came > to && (spoken > to || spoken + Span::from_millis(25) < from))
                })
            };
            let mut packets = Vec::new();
            for packet in both(490) {
                let (loss, delay, twice) = fates[packet.number as usize];
                let delay = if packet.number % 8 == 0 { 0 } else { delay };
                let late = Packet { arrival: packet.arrival + Span::from_millis(delay), ..packet };
                let again = Packet { arrival: late.arrival + Span::from_millis(30), ..late };
                let comes = loss != 0 || packet.number % 8 == 0;
                let both = [(comes, late), (comes && twice == 0, again)].into_iter();
                packets.extend(both.filter(|(comes, of)| *comes && passes(packet.arrival, of.arrival)).map(|(_, of)| of));
            }
            let steps = || {
                let mut steps: Vec<Step> = packets.iter().copied().map(Step::Packet).collect();
                for (from, to) in &pauses {
                    steps.extend([gate(false, moment(*from), None), gate(true, moment(*to), None)]);
                }
                steps
            };
            let (silent, _) = written(config(), steps(), moment(10_000));
            let (recorded, _) = written(cut(), steps(), moment(10_000));
            let mut moved = 0;
            let mut cuts = Vec::new();
            for (at, length) in recorded.markers(MarkerKind::PauseCut) {
                cuts.push((at + moved, at + moved + length as u64));
                moved += length as u64;
            }
            for side in Side::BOTH {
                let mut left = Vec::new();
                for (at, sample) in (0..).zip(silent.channel(side)) {
                    match cuts.iter().any(|(from, to)| (*from..*to).contains(&at)) {
                        true => prop_assert_eq!(*sample, 0, "{} sample {} was cut", side, at),
                        false => left.push(*sample),
                    }
                }
                prop_assert!(left == recorded.channel(side), "{}", side);
            }
            let in_file = |at: u64| at - cuts.iter().map(|(from, to)| (*to).min(at).saturating_sub(*from)).sum::<u64>();
            let rest = |recorded: &Recorded, place: &dyn Fn(u64) -> u64| -> Vec<(u64, MarkerKind, Option<Side>)> {
                let pause = [MarkerKind::Pause, MarkerKind::Resume, MarkerKind::PauseCut];
                let markers = recorded.closed.markers.iter().filter(|marker| !pause.contains(&marker.kind));
                let mut markers: Vec<_> = markers.map(|marker| (place(marker.at), marker.kind, marker.side)).collect();
                markers.sort_by_key(|(at, kind, side)| (*at, kind.as_str(), side.map(Side::channel)));
                markers
            };
            prop_assert_eq!(rest(&recorded, &|at| at), rest(&silent, &in_file));
        }
    }
}
