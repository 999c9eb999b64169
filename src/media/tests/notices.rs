//! "This call is recorded": to whom, when, and what stands in the recording.

use super::*;

const LOUD: i16 = 8_031;

/// Ten packets of 20 ms.
fn notice(to: [bool; 2], every: Option<Span>) -> Notice {
    Notice { pcm: vec![LOUD; 1_600].into(), to, every, refuse: None }
}

/// A call that is about to be answered.
fn unanswered(toggle: bool, notice: Notice) -> Lab {
    let mut lab = lab(toggle, Ok(()));
    lab.bridge = Bridge::new(lab_config(toggle, Ok(())), Time::ZERO);
    lab.out = Captured::default();
    lab.bridge.set_media(Side::Caller, media(Side::Caller, Law::Mu), lab.now, &mut lab.out);
    lab.bridge.set_media(Side::Callee, media(Side::Callee, Law::A), lab.now, &mut lab.out);
    lab.bridge.set_notice(Some(notice));
    lab.bridge.connect(lab.now, &mut lab.out);
    lab
}

impl Lab {
    /// Packets of the notice that a party heard.
    fn notices_to(&self, side: Side) -> usize {
        let byte = if side == Side::Caller { Law::Mu.encode(LOUD) } else { Law::A.encode(LOUD) };
        self.out.rtp.iter().filter(|(to, _, packet)| *to == side && packet[HEADER] == byte).count()
    }

    /// What stands on a channel: `N` the notice, `v` the party's own voice.
    fn taped(&self, side: Side) -> String {
        let frames = self.out.taps.iter().filter_map(|tap| match tap {
            Tapped::Frame { side: of, payload, .. } if *of == side => Some(payload[0] == Law::Mu.encode(LOUD)),
            _ => None,
        });
        frames.map(|notice| if notice { 'N' } else { 'v' }).collect()
    }

    fn gates(&self) -> Vec<bool> {
        let gates =
            self.out.taps.iter().filter_map(|tap| if let Tapped::Gate { open, .. } = tap { Some(*open) } else { None });
        gates.collect()
    }
}

#[test]
fn at_the_answer_the_outside_party_hears_the_notice_and_it_stands_on_the_other_channel() {
    let mut lab = unanswered(true, notice([false, true], None));
    lab.run(30);
    assert_eq!((lab.notices_to(Side::Caller), lab.notices_to(Side::Callee)), (0, 10));
    let (caller, callee) = (lab.taped(Side::Caller), lab.taped(Side::Callee));
    assert_eq!((caller.matches('N').count(), callee.as_str()), (10, "v".repeat(30).as_str()), "{caller}");
    assert_eq!(lab.gates(), [true]);
}

#[test]
fn a_call_that_is_not_recorded_has_no_notice() {
    let mut lab = unanswered(false, notice([true, true], Some(Span::from_secs(1))));
    lab.run(100);
    lab.bridge.every_second(lab.now, 0, &mut lab.out);
    lab.run(30);
    assert_eq!((lab.notices_to(Side::Caller), lab.notices_to(Side::Callee)), (0, 0));
    assert!(lab.out.taps.is_empty());
}

#[test]
fn in_mid_call_the_notice_comes_first_and_no_voice_before_its_end() {
    let mut lab = unanswered(false, notice([false, true], None));
    lab.run(10);
    lab.dial(Side::Caller, "#12#");
    lab.run(40);
    assert_eq!(lab.notices_to(Side::Callee), 10);
    let (caller, callee) = (lab.taped(Side::Caller), lab.taped(Side::Callee));
    assert!(caller.starts_with(&"N".repeat(10)) && caller.ends_with("vvvvvvvvvv"), "{caller}");
    assert!(!callee.contains('N') && callee.len() <= caller.len() - 10, "nothing of the other party either: {callee}");
    assert_eq!(lab.gates(), [true], "the recorder runs from the notice on");
    // It was told once: a pause and a resume say nothing again.
    lab.dial(Side::Caller, "#11#");
    lab.dial(Side::Caller, "#12#");
    lab.run(30);
    assert_eq!(lab.notices_to(Side::Callee), 10);
    assert_eq!(lab.gates(), [true, false, true]);
}

#[test]
fn a_recording_that_is_shut_in_its_notice_lets_nobody_through() {
    let mut lab = unanswered(false, notice([true, true], None));
    lab.run(5);
    let mut rules = lab.bridge.rules();
    rules.facts.command = Some(Command::Start);
    lab.bridge.set_rules(rules, lab.now, &mut lab.out);
    lab.run(5);
    rules.facts.command = Some(Command::Pause);
    lab.bridge.set_rules(rules, lab.now, &mut lab.out);
    lab.run(30);
    assert!(!lab.taped(Side::Caller).contains('v') && !lab.taped(Side::Callee).contains('v'));
    assert_eq!(lab.gates(), [true, false]);
}

#[test]
fn who_is_told_again_hears_the_notice_and_the_recording_goes_on() {
    let mut lab = unanswered(true, notice([false, true], None));
    lab.run(30);
    lab.joins(Side::Callee);
    lab.run(30);
    assert_eq!((lab.notices_to(Side::Caller), lab.notices_to(Side::Callee)), (0, 20));
    assert_eq!(lab.gates(), [true]);
}

#[test]
fn a_beep_comes_again_while_the_call_is_recorded_and_not_in_a_pause() {
    let mut lab = unanswered(true, notice([true, true], Some(Span::from_secs(2))));
    let second = |lab: &mut Lab| {
        lab.run(50);
        lab.bridge.every_second(lab.now, 0, &mut lab.out);
    };
    for _ in 0..5 {
        second(&mut lab);
    }
    assert_eq!(lab.notices_to(Side::Caller), 30, "at the answer, after two and after four seconds");
    lab.dial(Side::Caller, "#11#");
    let before = lab.notices_to(Side::Callee);
    for _ in 0..5 {
        second(&mut lab);
    }
    assert_eq!(lab.notices_to(Side::Callee), before);
}

/// Something else that call control has said: 4 packets of it.
fn menu(times: Times) -> Prompt {
    Prompt { id: PlayId(7), pcm: vec![-LOUD; 640].into(), times, recorded: true }
}

impl Lab {
    /// What a party heard: `N` the notice, `M` the menu, `v` the other party.
    fn heard_in_order(&self, side: Side) -> String {
        let law = if side == Side::Caller { Law::Mu } else { Law::A };
        let packets = self.out.rtp.iter().filter(|(to, ..)| *to == side).map(|(.., packet)| packet[HEADER]);
        let letter = |byte| match byte {
            _ if byte == law.encode(LOUD) => 'N',
            _ if byte == law.encode(-LOUD) => 'M',
            _ => 'v',
        };
        packets.map(letter).collect()
    }

    /// Call control wants the call recorded: from here on the notice is said.
    fn records(&mut self) {
        let mut rules = self.bridge.rules();
        rules.facts.command = Some(Command::Start);
        self.bridge.set_rules(rules, self.now, &mut self.out);
        self.out.rtp.clear();
    }

    /// Both parties stand in the recording by now.
    fn assert_both_are_recorded(&mut self) {
        let before = Side::BOTH.map(|side| self.frames(side));
        self.run(10);
        let after = Side::BOTH.map(|side| self.frames(side));
        assert!(
            Side::BOTH.iter().all(|side| after[side.channel()] >= before[side.channel()] + 9),
            "{before:?} {after:?}"
        );
    }
}

#[test]
fn what_is_to_be_said_in_the_notice_is_said_after_it_and_the_recording_begins() {
    let mut lab = unanswered(false, notice([false, true], None));
    lab.run(5);
    lab.records();
    lab.run(3);
    lab.bridge.play_prompt(Side::Callee, menu(Times::Once), lab.now);
    lab.run(20);
    let heard = lab.heard_in_order(Side::Callee);
    assert_eq!((heard.matches('N').count(), heard.matches('M').count()), (10, 4), "{heard}");
    assert!(heard.contains(&["N".repeat(10), "M".repeat(4)].concat()), "{heard}");
    assert!(lab.out.facts.contains(&Fact::Played { side: Side::Callee, id: PlayId(7) }));
    lab.assert_both_are_recorded();
}

#[test]
fn who_is_answered_in_the_notice_hears_it_to_its_end() {
    let mut lab = unanswered(false, notice([false, true], None));
    lab.run(5);
    lab.records();
    lab.run(3);
    lab.bridge.play_prompt(Side::Callee, menu(Times::Forever), lab.now);
    lab.bridge.stop_prompt(Side::Callee);
    lab.run(20);
    let heard = lab.heard_in_order(Side::Callee);
    assert_eq!((heard.matches('N').count(), heard.matches('M').count()), (10, 0), "{heard}");
    lab.assert_both_are_recorded();
}

#[test]
fn what_the_notice_interrupts_goes_on_after_it() {
    let mut lab = unanswered(false, notice([false, true], None));
    lab.bridge.play_prompt(Side::Callee, menu(Times::Once), lab.now);
    lab.run(2);
    let before = lab.heard_in_order(Side::Callee).matches('M').count();
    lab.records();
    lab.run(20);
    let heard = lab.heard_in_order(Side::Callee);
    assert!((1..4).contains(&before));
    assert!(heard.starts_with(&["N".repeat(10), "M".repeat(4 - before), "v".into()].concat()), "{heard}");
    assert!(lab.out.facts.contains(&Fact::Played { side: Side::Callee, id: PlayId(7) }));
}

#[test]
fn nobody_waits_for_the_notice_of_who_has_left() {
    for to in [[false, true], [true, true]] {
        let mut lab = unanswered(false, notice(to, None));
        lab.run(5);
        lab.records();
        lab.run(3);
        let before = lab.notices_to(Side::Callee);
        lab.joins(Side::Callee);
        lab.run(4);
        // Where the other party still hears its own, the newcomer waits for that.
        let voices = lab.taped(Side::Callee).matches('v').count();
        assert_eq!(voices > 0, !to[0], "{to:?}: {voices}");
        lab.run(20);
        assert_eq!(lab.notices_to(Side::Callee), before + 10, "the newcomer hears all of it: {to:?}");
        lab.assert_both_are_recorded();
    }
}

#[test]
fn a_refusal_in_the_notice_lets_what_waited_for_its_end_begin() {
    let refuse = Some(Refuse { key: b'9', by: [false, true] });
    let mut lab = unanswered(false, Notice { refuse, ..notice([false, true], None) });
    lab.run(5);
    lab.records();
    lab.bridge.play_prompt(Side::Callee, menu(Times::Forever), lab.now);
    lab.bridge.on_info_key(Side::Callee, b'9', lab.now, &mut lab.out);
    lab.run(20);
    let heard = lab.heard_in_order(Side::Callee);
    assert_eq!((heard.matches('N').count(), heard.matches('M').count() > 0), (0, true), "{heard}");
    assert!(!lab.taped(Side::Callee).contains('v'));
}
