//! Prompts, keys for call control, and another party on a leg.

use super::*;

const LOUD: i16 = 8_031;

fn prompt(id: u32, frames: usize, times: Times, recorded: bool) -> Prompt {
    Prompt { id: PlayId(id), pcm: vec![LOUD; frames * 160].into(), times, recorded }
}

impl Lab {
    /// What was sent to a party: `P` a packet of the prompt, `v` one of the other party's voice.
    fn heard(&self, side: Side) -> String {
        let law = if side == Side::Caller { Law::Mu } else { Law::A };
        let packets = self.out.rtp.iter().filter(|(to, _, _)| *to == side);
        packets.map(|(_, _, packet)| if packet[HEADER] == law.encode(LOUD) { 'P' } else { 'v' }).collect()
    }

    fn assert_no_hole(&self, side: Side) {
        let sequences = self.sequences_towards(side);
        assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{sequences:?}");
    }
}

#[test]
fn a_prompt_takes_the_place_of_the_other_party_and_gives_it_back() {
    let mut lab = lab(false, Ok(()));
    lab.run(5);
    lab.bridge.play_prompt(Side::Callee, prompt(7, 10, Times::Once, false), lab.now);
    lab.run(20);
    let heard = lab.heard(Side::Callee);
    assert_eq!(heard.matches('P').count(), 10, "{heard}");
    assert!(heard.starts_with("vvvvv") && heard.ends_with("vvvvvvvv") && !heard.contains("PvP"), "{heard}");
    assert_eq!(lab.heard(Side::Caller), "v".repeat(25), "the other party hears on");
    lab.assert_no_hole(Side::Callee);
    let played = Fact::Played { side: Side::Callee, id: PlayId(7) };
    assert_eq!(lab.out.facts.iter().filter(|fact| **fact == played).count(), 1);
}

#[test]
fn a_prompt_needs_neither_a_second_party_nor_its_packets() {
    let mut lab = lab(false, Ok(()));
    lab.bridge.play_prompt(Side::Caller, prompt(1, 50, Times::Once, false), lab.now);
    for _ in 0..250 {
        lab.now = lab.now + Span::from_millis(5);
        lab.bridge.tick(lab.now, &mut lab.out);
    }
    assert_eq!(lab.heard(Side::Caller), "P".repeat(50));
    let stamps: Vec<u32> = lab.out.rtp.iter().map(|(_, _, packet)| View::parse(packet).unwrap().timestamp).collect();
    assert!(stamps.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(160)), "{stamps:?}");
    assert!(!lab.bridge.is_busy());
}

#[test]
fn keys_go_before_the_prompt_and_it_goes_on_after_them() {
    let mut lab = lab(false, Ok(()));
    lab.run(5);
    lab.bridge.play_prompt(Side::Callee, prompt(1, 1, Times::Forever, false), lab.now);
    lab.run(5);
    lab.dial(Side::Caller, "5");
    lab.run(10);
    assert_eq!(lab.keys_towards(Side::Callee), "5");
    assert!(lab.heard(Side::Callee).ends_with("PPPPP"));
    lab.assert_no_hole(Side::Callee);
    lab.bridge.stop_prompt(Side::Callee);
    lab.run(5);
    assert!(lab.heard(Side::Callee).ends_with("vvvvv"));
    lab.assert_no_hole(Side::Callee);
}

#[test]
fn what_a_party_hears_stands_on_the_other_channel_only_where_it_is_recorded_and_the_gate_is_open() {
    for (open, recorded, expected) in [(true, true, 10), (true, false, 0), (false, true, 0)] {
        let mut lab = lab(open, Ok(()));
        lab.run(5);
        lab.bridge.play_prompt(Side::Callee, prompt(1, 10, Times::Once, recorded), lab.now);
        lab.run(20);
        let taped = |side, byte| {
            let frames = lab.out.taps.iter();
            frames
                .filter(
                    |tap| matches!(tap, Tapped::Frame { side: of, payload, .. } if *of == side && payload[0] == byte),
                )
                .count()
        };
        assert_eq!(taped(Side::Caller, Law::Mu.encode(LOUD)), expected, "open {open} recorded {recorded}");
        let own = taped(Side::Caller, 0x10);
        let own_expected = if open { 25 - expected } else { 0 };
        assert!(own.abs_diff(own_expected) <= 1, "the microphone gives way: {own} of {own_expected}");
    }
}

#[test]
fn keys_that_call_control_asked_for_reach_nobody_else_and_commands_are_still_found() {
    let mut lab = lab(true, Ok(()));
    lab.run(5);
    lab.bridge.collect_keys(Side::Callee, true);
    lab.dial(Side::Callee, "42");
    lab.bridge.collect_keys(Side::Caller, true);
    lab.dial(Side::Caller, "7#11#");
    lab.run(5);
    let keys: Vec<(Side, u8)> = lab
        .out
        .facts
        .iter()
        .filter_map(|fact| if let Fact::Key { side, key } = fact { Some((*side, *key)) } else { None })
        .collect();
    assert_eq!(keys, [(Side::Callee, b'4'), (Side::Callee, b'2'), (Side::Caller, b'7')]);
    assert_eq!((lab.keys_towards(Side::Caller), lab.keys_towards(Side::Callee)), (String::new(), String::new()));
    assert_eq!(lab.commands(), [(Command::Pause, None)]);
    lab.bridge.collect_keys(Side::Callee, false);
    lab.dial(Side::Callee, "9");
    lab.run(10);
    assert_eq!(lab.keys_towards(Side::Caller), "9");
}

#[test]
fn who_left_the_leg_commands_no_more_and_who_came_does() {
    let mut lab = lab(true, Ok(()));
    let commander =
        |permitted| Commander { matcher: Matcher::new("#11#", "#12#"), permitted, max_hold: Span::from_secs(3) };
    lab.run(5);
    lab.bridge.set_commander(Side::Caller, Some(commander(Err(Refusal::AgentPauseOff))));
    lab.dial(Side::Caller, "#11#");
    lab.bridge.set_commander(Side::Caller, None);
    lab.dial(Side::Caller, "#11#");
    lab.bridge.set_commander(Side::Callee, Some(commander(Ok(()))));
    lab.dial(Side::Callee, "#11#");
    assert_eq!(lab.commands(), [(Command::Pause, Some(Refusal::AgentPauseOff)), (Command::Pause, None)]);
}
