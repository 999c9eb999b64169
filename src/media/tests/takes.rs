//! One party alone on the tap, whatever the gate of the call does.

use super::*;

const ONE: TakeSlot = TakeSlot(71);
const TWO: TakeSlot = TakeSlot(72);

impl Lab {
    /// The events of a take.
    fn of(&self, slot: TakeSlot) -> Vec<&Tapped> {
        self.out.takes.iter().filter(|(of, _)| *of == slot.0).map(|(_, event)| event).collect()
    }

    /// The first timestamp of each frame of a take, and its bytes.
    fn spoken(&self, slot: TakeSlot) -> (Vec<u32>, Vec<u8>) {
        let (mut stamps, mut bytes) = (Vec::new(), Vec::new());
        for event in self.of(slot) {
            if let Tapped::Frame { side, timestamp, payload } = event {
                assert_eq!(*side, Side::Caller);
                stamps.push(*timestamp);
                bytes.extend(payload);
            }
        }
        (stamps, bytes)
    }

    fn keys(&self, slot: TakeSlot) -> usize {
        self.of(slot).iter().filter(|event| matches!(event, Tapped::Key { .. })).count()
    }
}

#[test]
fn a_take_has_one_party_from_its_beginning_to_its_end_while_the_call_is_not_recorded() {
    let mut lab = lab(false, Ok(()));
    lab.run(10);
    let (first, now) = (lab.timestamp[0], lab.now);
    lab.bridge.begin_take(Side::Caller, ONE, now, &mut lab.out);
    lab.run(20);
    let now = lab.now;
    lab.bridge.end_take(ONE, now, &mut lab.out);
    lab.run(10);
    assert_eq!(lab.frames(Side::Caller) + lab.frames(Side::Callee), 0, "the call itself is in no recording");
    let (stamps, bytes) = lab.spoken(ONE);
    assert_eq!(bytes.len(), 20 * 160);
    assert!(stamps.iter().zip(0..).all(|(stamp, at)| *stamp == first + at * 160), "{stamps:?}");
    let events = lab.of(ONE);
    assert_eq!(events.first(), Some(&&Tapped::Gate { open: true, edge: None }));
    assert_eq!(events.last(), Some(&&Tapped::End));
    lab.bridge.end_take(ONE, now, &mut lab.out);
    assert_eq!(lab.of(ONE).len(), 22, "an end is told once");
}

#[test]
fn several_takes_follow_each_other_and_share_no_sample() {
    let mut lab = lab(false, Ok(()));
    lab.run(5);
    for slot in [ONE, TWO] {
        let now = lab.now;
        // The second begins while the first is on.
        lab.bridge.begin_take(Side::Caller, slot, now, &mut lab.out);
        lab.run(5);
    }
    let now = lab.now;
    lab.bridge.end(now, 0, &mut lab.out);
    let ((one, _), (two, _)) = (lab.spoken(ONE), lab.spoken(TWO));
    assert_eq!((one.len(), two.len()), (5, 5));
    assert!(one.last() < two.first());
    for slot in [ONE, TWO] {
        assert_eq!(lab.of(slot).last(), Some(&&Tapped::End), "also where only the call ended");
    }
}

#[test]
fn what_was_spoken_before_the_take_began_is_not_in_it_however_late_it_comes() {
    let mut lab = lab(false, Ok(()));
    lab.run(10);
    let late = lab.timestamp[0] - 3 * 160;
    let now = lab.now;
    lab.bridge.begin_take(Side::Caller, ONE, now, &mut lab.out);
    lab.send(Side::Caller, 0, false, late, &[0x33; 160]);
    lab.run(1);
    let (stamps, bytes) = lab.spoken(ONE);
    assert_eq!(stamps.len(), 1);
    assert!(!bytes.contains(&0x33));
}

#[test]
fn keys_and_what_is_played_to_the_party_are_not_in_a_take() {
    let mut lab = lab(false, Ok(()));
    lab.bridge.collect_keys(Side::Caller, true);
    lab.run(5);
    let now = lab.now;
    lab.bridge.begin_take(Side::Caller, ONE, now, &mut lab.out);
    lab.bridge.play_prompt(
        Side::Caller,
        Prompt { id: PlayId(1), pcm: vec![8_031; 800].into(), times: Times::Once, recorded: true },
        now,
    );
    lab.run(5);
    lab.dial(Side::Caller, "5");
    let (_, bytes) = lab.spoken(ONE);
    assert!(bytes.iter().all(|byte| *byte == 0x10), "the party's own voice alone");
    assert!(lab.keys(ONE) > 0, "the recorder knows where the key was, and blanks it");
    assert!(lab.out.facts.contains(&Fact::Key { side: Side::Caller, key: b'5' }));
}

#[test]
fn a_recorded_call_and_a_take_do_not_disturb_each_other() {
    let mut lab = lab(true, Ok(()));
    lab.run(5);
    let now = lab.now;
    lab.bridge.begin_take(Side::Caller, ONE, now, &mut lab.out);
    lab.run(5);
    lab.dial(Side::Caller, "#11#");
    let both = lab.frames(Side::Caller);
    lab.run(5);
    assert_eq!(lab.frames(Side::Caller), both, "paused by its commander");
    let (stamps, _) = lab.spoken(ONE);
    assert!(stamps.len() >= 10 + 4 * 4, "the take goes on: {}", stamps.len());
}

#[test]
fn a_party_that_leaves_takes_its_take_along_to_its_end() {
    let mut lab = lab(false, Ok(()));
    lab.run(5);
    let now = lab.now;
    lab.bridge.begin_take(Side::Caller, ONE, now, &mut lab.out);
    lab.run(5);
    lab.joins(Side::Caller);
    assert_eq!(lab.of(ONE).last(), Some(&&Tapped::End));
    let before = lab.of(ONE).len();
    lab.run(5);
    assert_eq!(lab.of(ONE).len(), before, "the next party is not in it");
}

#[test]
fn before_the_call_is_connected_a_take_has_the_party_that_was_answered() {
    let mut lab = unconnected(lab_config(false, Ok(())));
    let now = lab.now;
    lab.bridge.watch(Side::Caller, now);
    lab.bridge.begin_take(Side::Caller, ONE, now, &mut lab.out);
    lab.run(5);
    let now = lab.now;
    lab.bridge.end(now, 0, &mut lab.out);
    assert_eq!(lab.spoken(ONE).0.len(), 5);
    assert_eq!(lab.of(ONE).last(), Some(&&Tapped::End));
    assert!(lab.out.taps.is_empty(), "nothing of the call");
}
