//! The outside party does not want to be recorded.

use super::*;

/// A call of 4 s that is refused after `refused` ms, by who came at `since`, if not at its beginning.
fn refused_after(refused: u64, since: Option<u64>) -> (Take, Memory, Vec<Closed>) {
    let moment = |ms: u64| ZERO + Span::from_millis(ms);
    let mut disk = Memory::default();
    let mut take = Take::new(config(), 1 << 30);
    let mut closed = Vec::new();
    take.handle(&TapEvent::Gate { open: true, at: ZERO, edge: None }, &mut disk).unwrap();
    for packet in both(200).into_iter().filter(|packet| packet.arrival <= moment(refused)) {
        let payload = payload(packet.side, packet.number);
        closed.extend(take.handle(&packet.frame(&payload), &mut disk).unwrap());
    }
    take.advance(moment(refused), &mut disk);
    let at = moment(refused);
    for event in [
        TapEvent::Refused { since: since.map(moment), at },
        TapEvent::Gate { open: false, at, edge: None },
        TapEvent::End { at: moment(4_000) },
    ] {
        closed.extend(take.handle(&event, &mut disk).unwrap());
        closed.extend(take.advance(at, &mut disk));
    }
    (take, disk, closed)
}

#[test]
fn nothing_remains_where_the_party_was_there_from_the_beginning() {
    for since in [None, Some(0)] {
        let (take, disk, closed) = refused_after(3_000, since);
        assert!(closed.is_empty() && disk.discarded && disk.parts.is_empty());
        assert_eq!(take.state(), TakeState::Ended);
    }
}

#[test]
fn where_nothing_was_recorded_yet_nothing_is_begun() {
    let mut disk = Memory::default();
    let mut take = Take::new(config(), 1 << 30);
    for event in [
        TapEvent::Refused { since: None, at: ZERO },
        TapEvent::Gate { open: true, at: ZERO, edge: None },
        TapEvent::End { at: time_of(100) },
    ] {
        assert!(take.handle(&event, &mut disk).unwrap().is_empty());
    }
    assert!(disk.parts.is_empty() && !disk.discarded);
}

#[test]
fn of_a_party_that_came_later_nothing_is_in_the_file_and_what_was_before_stays() {
    let (_, disk, closed) = refused_after(3_000, Some(1_500));
    let [part] = &closed[..] else { panic!("{closed:?}") };
    assert!(!disk.discarded);
    assert_eq!(part.samples, 32_000);
    let frames: Vec<[i16; 2]> = disk.parts[0][44..]
        .chunks_exact(4)
        .map(|frame| [i16::from_le_bytes([frame[0], frame[1]]), i16::from_le_bytes([frame[2], frame[3]])])
        .collect();
    for side in Side::BOTH {
        let channel: Vec<i16> = frames.iter().map(|frame| frame[side.channel()]).collect();
        assert!((0..70 * 160).all(|n| channel[DELAY as usize + n] == sample(side, n as u64)), "{side}: before");
        assert!(channel[12_000..].iter().all(|sample| *sample == 0), "{side}: since then");
    }
    assert_eq!(part.audio_sha256, None, "what was on disk has changed");
}

#[test]
fn the_journal_of_a_discarded_recording_says_so() {
    let line = serde_json::to_string(&JournalLine::Refused).unwrap();
    assert!(repair(44 + 400, &line).refused && !repair(44 + 400, "").refused);
}
