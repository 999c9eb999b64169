//! A file with one channel: both parties at half their level, whatever came late or was blanked.

use super::*;
use crate::audio::mix;

fn mono() -> TimelineConfig {
    TimelineConfig { layout: Layout::Mixed, ..config() }
}

/// What a mono file of the same call holds.
fn mixed(recorded: &Recorded) -> Vec<i16> {
    recorded.left.iter().zip(&recorded.right).map(|(left, right)| mix(*left, *right)).collect()
}

pub(super) fn key(packet: u64, length: u32) -> Step {
    let timestamp = 0xffff_0000u32.wrapping_add(50 * 160);
    let at = Time(1_006_000 + packet * 20_000);
    Step::Event(at, TapEvent::Key { side: Side::Caller, ssrc: 0x100, timestamp, length, first: packet == 50 })
}

pub(super) fn steps(packets: Vec<Packet>) -> Vec<Step> {
    packets.into_iter().map(Step::Packet).collect()
}

#[test]
fn a_mono_file_is_the_two_channels_of_the_stereo_one_at_half_their_level() {
    let calls: [(&str, fn() -> Vec<Step>); 4] = [
        ("clean", || steps(both(300))),
        ("lost packets", || steps(both(300).into_iter().filter(|packet| packet.number % 11 != 5).collect())),
        ("packets that come after their place was written", || {
            let late = |packet: Packet| match packet.number % 9 {
                4 => Packet { arrival: packet.arrival + Span::from_millis(600), ..packet },
                _ => packet,
            };
            steps(both(300).into_iter().map(late).collect())
        }),
        ("keys", || {
            let mut steps = steps(both(300));
            steps.extend((50..150).map(|packet| key(packet, (packet as u32 - 49) * 160)));
            steps
        }),
    ];
    for (name, steps) in calls {
        let stereo = record_steps(steps(), time_of(48_100));
        let mono = write_steps(mono(), steps(), time_of(48_100));
        assert!(mono.samples == mixed(&stereo), "{name}");
        assert_eq!(mono.closed.markers, stereo.closed.markers, "{name}");
        assert_eq!(mono.closed.samples, stereo.closed.samples, "{name}");
    }
}

#[test]
fn the_running_digest_is_that_of_the_mono_audio() {
    use sha2::{Digest, Sha256};
    let written = write_steps(mono(), steps(both(100)), time_of(16_100));
    let bytes: Vec<u8> = written.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(written.journal.first(), Some(&JournalLine::Part { part: 0, from: 0 }));
    assert_eq!(written.closed.audio_sha256, Some(hex::encode(Sha256::digest(bytes))));
}

#[test]
fn a_part_of_a_mono_file_holds_twice_as_long() {
    let mut lengths = Vec::new();
    for config in [config(), mono()] {
        let mut disk = Memory::default();
        let mut take = Take::new(config, 40_000);
        take.handle(&TapEvent::Gate { open: true, at: ZERO, edge: None }, &mut disk).unwrap();
        let mut closed = take.advance(time_of(30_000), &mut disk);
        closed.extend(take.handle(&TapEvent::End { at: time_of(30_000) }, &mut disk).unwrap());
        lengths.push(closed.iter().map(|part| part.samples).collect::<Vec<u64>>());
        assert!(disk.parts.iter().all(|part| part.len() <= 44 + 40_000));
    }
    assert_eq!(lengths, [vec![10_000; 3], vec![20_000, 10_000]]);
}
