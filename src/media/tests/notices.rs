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
