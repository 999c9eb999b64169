//! The outside party refuses the recording by a key.

use super::*;

const LOUD: i16 = 8_031;

/// A notice of 200 ms to the callee, who refuses with 9.
fn refusable() -> Notice {
    let refuse = Some(Refuse { key: b'9', by: [false, true] });
    Notice { pcm: vec![LOUD; 1_600].into(), to: [false, true], every: None, refuse }
}

fn answered(toggle: bool, notice: Notice) -> Lab {
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
    fn refused(&self) -> Vec<(Side, How)> {
        let refusals = self.out.facts.iter().filter_map(|fact| match fact {
            Fact::Refused { side, how, .. } => Some((*side, *how)),
            _ => None,
        });
        refusals.collect()
    }

    /// Discards of the recording, or `Some` blanked since then.
    fn discards(&self) -> Vec<Option<Time>> {
        let refused = self.out.taps.iter().filter_map(|tap| match tap {
            Tapped::Refused { since } => Some(*since),
            _ => None,
        });
        refused.collect()
    }

    fn frames_after_refusal(&self) -> usize {
        let after = self.out.taps.iter().skip_while(|tap| !matches!(tap, Tapped::Refused { .. }));
        after.filter(|tap| matches!(tap, Tapped::Frame { .. })).count()
    }
}

#[test]
fn the_key_in_the_notice_shuts_the_gate_for_good_and_reaches_nobody() {
    let mut lab = answered(true, refusable());
    lab.run(5);
    lab.dial(Side::Callee, "9");
    lab.run(50);
    assert_eq!(lab.refused(), [(Side::Callee, How::Rfc4733)]);
    assert_eq!((lab.discards(), lab.frames_after_refusal()), (vec![None], 0));
    assert_eq!(lab.keys_towards(Side::Caller), "");
    assert!(lab.bridge.rules().facts.refused && !lab.bridge.rules().open());
    // A user cannot open it, nor can call control.
    lab.dial(Side::Caller, "#12#");
    assert_eq!(lab.commands(), [(Command::Start, Some(Refusal::OutsideRefused))]);
    lab.run(50);
    assert_eq!(lab.frames_after_refusal(), 0);
}

#[test]
fn the_key_counts_until_five_seconds_after_the_notice_and_then_is_a_key_like_any() {
    for (frames, refused) in [(240, true), (270, false)] {
        let mut lab = answered(true, refusable());
        lab.run(frames);
        lab.dial(Side::Callee, "9");
        lab.run(20);
        assert_eq!(lab.refused().len(), usize::from(refused), "after {frames} packets");
        assert_eq!(lab.keys_towards(Side::Caller), if refused { "" } else { "9" });
        assert_eq!(lab.bridge.rules().open(), !refused);
    }
}

#[test]
fn other_keys_and_the_keys_of_the_other_party_refuse_nothing() {
    let mut lab = answered(true, refusable());
    lab.dial(Side::Callee, "12");
    lab.dial(Side::Caller, "9");
    lab.run(20);
    assert!(lab.refused().is_empty() && lab.discards().is_empty() && lab.bridge.rules().open());
    assert_eq!((lab.keys_towards(Side::Caller).as_str(), lab.keys_towards(Side::Callee).as_str()), ("12", "9"));
}

#[test]
fn without_the_setting_a_key_in_the_notice_is_a_key_like_any() {
    let mut lab = answered(true, Notice { refuse: None, ..refusable() });
    lab.dial(Side::Callee, "9");
    lab.run(20);
    assert!(lab.refused().is_empty() && lab.bridge.rules().open());
    assert_eq!(lab.keys_towards(Side::Caller), "9");
}

#[test]
fn as_info_it_refuses_too_and_its_twin_as_an_event_goes_nowhere() {
    let mut lab = answered(true, refusable());
    lab.run(5);
    lab.bridge.on_info_key(Side::Callee, b'9', lab.now, &mut lab.out);
    lab.dial(Side::Callee, "9");
    lab.run(20);
    assert_eq!(lab.refused(), [(Side::Callee, How::Info)]);
    assert_eq!(lab.keys_towards(Side::Caller), "");
}

#[test]
fn a_recording_that_was_to_begin_in_mid_call_does_not_begin() {
    let mut lab = answered(false, refusable());
    lab.run(10);
    lab.dial(Side::Caller, "#12#");
    lab.run(4);
    lab.dial(Side::Callee, "9");
    lab.run(100);
    assert_eq!((lab.refused().len(), lab.discards(), lab.frames_after_refusal()), (1, vec![None], 0));
}

#[test]
fn who_came_later_takes_back_what_was_recorded_since_and_no_more() {
    let mut lab = answered(true, refusable());
    lab.run(400);
    let joined = lab.now;
    lab.joins(Side::Callee);
    lab.run(5);
    lab.dial(Side::Callee, "9");
    lab.run(20);
    assert_eq!((lab.discards(), lab.frames_after_refusal()), (vec![Some(joined)], 0));
}
