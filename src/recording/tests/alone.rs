//! A file with one party alone: its channel of a stereo file of the same call, whatever came late or was blanked.

use super::mono::{key, steps};
use super::*;

#[test]
fn a_party_alone_is_its_channel_of_the_stereo_file() {
    let calls: [(&str, fn() -> Vec<Step>); 3] = [
        ("lost packets", || steps(both(300).into_iter().filter(|packet| packet.number % 11 != 5).collect())),
        ("packets that come after their place was written", || {
            let late = |packet: Packet| match packet.number % 9 {
                4 => Packet { arrival: packet.arrival + Span::from_millis(600), ..packet },
                _ => packet,
            };
            steps(both(300).into_iter().map(late).collect())
        }),
        ("keys, one of them told when it was written already", || {
            let mut steps = steps(both(300));
            steps.extend((50..150).map(|packet| key(packet, (packet as u32 - 49) * 160)));
            steps
        }),
    ];
    for (name, steps) in calls {
        let stereo = record_steps(steps(), time_of(48_100));
        for side in Side::BOTH {
            let alone = TimelineConfig { layout: Layout::Alone(side), ..config() };
            let alone = write_steps(alone, steps(), time_of(48_100));
            assert!(alone.samples == stereo.channel(side), "{name}, {side}");
            assert_eq!(alone.closed.samples, stereo.closed.samples, "{name}");
        }
    }
}

#[test]
fn the_running_digest_is_that_of_the_audio_of_one_party() {
    use sha2::{Digest, Sha256};
    let alone = TimelineConfig { layout: Layout::Alone(Side::Callee), ..config() };
    let written = write_steps(alone, steps(both(100)), time_of(16_100));
    let bytes: Vec<u8> = written.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(written.closed.audio_sha256, Some(hex::encode(Sha256::digest(bytes))));
}
