//! The outside party refuses the recording by a key.

use super::*;
use crate::base::Side;
use crate::call::MediaOrder;
use crate::directory::NoticeTo;
use crate::ledger::{Because, By, Decision, How, Refusal};
use crate::policy::Command;

/// The outside party is told, and refuses with 9.
fn lab(change: impl FnOnce(&mut Parts)) -> Lab {
    let mut lab = Lab::with(|parts| {
        let settings = &mut parts.companies[0].settings;
        (settings.notice, settings.notice_refuse) = (NoticeTo::Outside, Some('9'));
        change(parts);
    });
    lab.desk.plays = true;
    lab
}

fn presses(lab: &mut Lab, id: Id, keys: &str) {
    for key in keys.chars() {
        lab.act(id, |phone, now| phone.info("application/dtmf", &key.to_string(), now));
        lab.run(ms(300));
    }
}

impl Lab {
    /// Tap events of a kind.
    fn taps(&self, kind: &str) -> usize {
        self.desk.tape.tapped.iter().filter(|event| event.starts_with(kind)).count()
    }

    /// Who may refuse (caller, callee), as the media was told last.
    fn may_refuse(&self) -> Option<[bool; 2]> {
        let mut notices = self.desk.orders.iter().filter_map(|(_, order)| match order {
            MediaOrder::SetNotice(Some(notice)) => Some(notice.refuse.map(|refuse| refuse.by)),
            _ => None,
        });
        notices.next_back().flatten()
    }
}

const REFUSED: Decision = Decision { record: false, because: Because::OutsideRefusal };

#[test]
fn a_refusal_ends_the_recording_and_stays_with_the_call() {
    let mut lab = lab(|_| {});
    let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
    lab.talk(carrier, alice, "+49301110001");
    assert!(lab.switch.calls()[0].recording);
    presses(&mut lab, carrier, "9");
    assert_eq!(lab.taps("Refused"), 1);
    let change = lab.record().changes.last().unwrap().clone();
    assert_eq!((change.by, change.how, change.wanted), (By::Outside { side: Side::Caller }, How::Info, false));
    assert_eq!((change.refused, change.decision), (None, REFUSED));
    assert!(!lab.switch.calls()[0].recording);
    assert_eq!(lab.phones[alice].got(Method::Info), 0, "the key goes no further");
    lab.hangs_up(alice).run(secs(1));
    assert!(lab.record().is_refused() && !lab.record().ended_paused);
    lab.finish();
}

#[test]
fn neither_a_user_nor_the_operator_opens_what_was_refused() {
    let mut lab = lab(|_| {});
    let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
    lab.talk(carrier, alice, "+49301110001");
    presses(&mut lab, carrier, "9");
    presses(&mut lab, alice, "#12#");
    let call = lab.switch.calls()[0].record.id;
    let told = lab.operate(|switch, now, wall, desk| switch.command(call, Command::Start, now, wall, desk));
    assert_eq!(told, Some(Err(Refusal::OutsideRefused)));
    let changes = &lab.record().changes;
    assert_eq!(changes.len(), 3);
    assert!(changes.iter().skip(1).all(|change| change.refused == Some(Refusal::OutsideRefused)));
    assert!(changes.iter().all(|change| change.decision == REFUSED));
    assert!(!lab.switch.calls()[0].recording);
    lab.hangs_up(carrier).run(secs(1));
    lab.finish();
}

#[test]
fn a_refusal_outlasts_a_transfer() {
    let mut lab = lab(|_| {});
    let (carrier, bob, carol) = (lab.carrier(), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    lab.talk(carrier, bob, "+49301110002");
    presses(&mut lab, carrier, "9");
    lab.act(bob, |phone, now| phone.refer("<sip:203@acme.test>", &[], now));
    lab.run(ms(200)).answers(carol).run(secs(1));
    assert!(lab.desk.joining(Side::Callee).facts.refused);
    presses(&mut lab, carol, "#12#");
    assert!(!lab.switch.calls()[0].recording);
    assert!(lab.desk.bridges.values().all(|bridge| !bridge.rules().open()));
    lab.hangs_up(carol).run(secs(1));
    assert_eq!(lab.record().changes.last().unwrap().refused, Some(Refusal::OutsideRefused));
    lab.finish();
}

#[test]
fn the_key_is_written_down_nowhere() {
    let mut lab = lab(|parts| parts.companies[0].settings.notice_refuse = Some('*'));
    let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
    lab.talk(carrier, alice, "+49301110001");
    presses(&mut lab, carrier, "*");
    lab.hangs_up(alice).run(secs(1));
    assert!(lab.record().is_refused());
    let written = serde_json::to_string(lab.record()).unwrap();
    assert!(!written.contains('*'), "{written}");
    lab.finish();
}

#[test]
fn only_parties_from_outside_may_refuse_and_only_where_they_are_told_how() {
    let rows: [(NoticeTo, Option<char>, Option<[bool; 2]>); 5] = [
        (NoticeTo::Outside, Some('9'), Some([true, false])),
        (NoticeTo::Both, Some('9'), Some([true, false])),
        (NoticeTo::Outside, None, None),
        (NoticeTo::Beep, Some('9'), None),
        (NoticeTo::Off, Some('9'), None),
    ];
    for (notice, key, expected) in rows {
        let mut lab = lab(|parts| {
            let settings = &mut parts.companies[0].settings;
            (settings.notice, settings.notice_refuse) = (notice, key);
        });
        let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
        lab.talk(carrier, alice, "+49301110001");
        assert_eq!(lab.may_refuse(), expected, "{notice:?} {key:?}");
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
    let mut lab = lab(|parts| parts.companies[0].settings.notice = NoticeTo::Both);
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202");
    assert_eq!(lab.may_refuse(), None, "nobody of an internal call");
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn whom_a_transfer_brings_in_from_outside_is_told_and_may_refuse() {
    let mut lab = lab(|_| {});
    let (alice, bob, carrier) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.carrier());
    lab.talk(alice, bob, "202").run(secs(20));
    assert_eq!(lab.may_refuse(), None);
    lab.act(bob, |phone, now| phone.refer("<sip:089555123@acme.test>", &[], now));
    lab.run(ms(200)).answers(carrier).run(ms(500));
    assert_eq!(lab.may_refuse(), Some([false, true]));
    assert!(lab.switch.calls()[0].recording);
    presses(&mut lab, carrier, "9");
    let refused = lab.desk.tape.tapped.iter().find(|event| event.starts_with("Refused")).expect("refused");
    assert!(refused.contains("since: Some"), "what was said before it came stays: {refused}");
    assert_eq!(lab.record().changes.last().unwrap().decision, REFUSED);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}
