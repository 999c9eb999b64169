//! How calls end, and what the operator and the recorder do to them.

use super::*;
use crate::base::Side;
use crate::call::MediaOrder;
use crate::directory::OnRecordingFailure;
use crate::ledger::{By, How, Refusal};
use crate::media::Fact;
use crate::policy::Command;

fn pair() -> (Lab, Id, Id) {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    (lab, alice, bob)
}

fn with_failure_rule(rule: OnRecordingFailure) -> (Lab, Id, Id) {
    let mut lab = Lab::new();
    let mut parts = companies();
    parts.companies[0].settings.on_recording_failure = rule;
    lab.operate(|switch, _, _, _| switch.set_directory(Arc::new(super::directory::build(parts))));
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    (lab, alice, bob)
}

fn call_id(lab: &Lab) -> crate::base::CallId {
    lab.switch.calls().first().expect("a call is up").record.id
}

#[test]
fn byes_that_cross_end_the_call_once() {
    let (mut lab, alice, bob) = pair();
    lab.talk(alice, bob, "202").hangs_up(alice).hangs_up(bob).run(secs(1));
    assert_eq!(lab.desk.count(|order| matches!(order, MediaOrder::End)), 1);
    assert_eq!(lab.ended().0, Outcome::Completed);
    lab.finish();
}

#[test]
fn a_200_that_is_never_acknowledged_ends_the_call() {
    let (mut lab, alice, bob) = pair();
    lab.phones[alice].acks_itself = false;
    lab.calls(alice, "202").run(ms(100)).answers(bob).run(secs(40));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::PeerGone));
    assert_eq!((lab.phones[alice].got(Method::Bye), lab.phones[bob].got(Method::Bye)), (1, 1));
    lab.finish();
}

#[test]
fn silence_in_the_media_ends_the_call_with_byes_and_the_reason() {
    let (mut lab, alice, bob) = pair();
    lab.talk(alice, bob, "202");
    let call = call_id(&lab);
    lab.operate(|switch, now, wall, desk| switch.fact(call, Fact::Silent { side: Side::Callee }, now, wall, desk));
    lab.run(secs(1));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::MediaSilence { side: Side::Callee }));
    assert_eq!((lab.phones[alice].got(Method::Bye), lab.phones[bob].got(Method::Bye)), (1, 1));
    lab.finish();
}

#[test]
fn a_party_that_vanished_with_its_socket_leaves_nothing() {
    let (mut lab, alice, bob) = pair();
    lab.talk(alice, bob, "202");
    lab.phones[bob].is_dead = true;
    lab.hangs_up(alice).run(secs(1));
    assert_eq!(lab.ended().1, EndReason::CallerHungUp);
    lab.finish();
}

#[test]
fn the_operator_hangs_up_calls_that_ring_or_talk() {
    for talking in [false, true] {
        let (mut lab, alice, bob) = pair();
        lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(ms(100));
        if talking {
            lab.answers(bob).run(ms(100));
        }
        let call = call_id(&lab);
        assert!(lab.operate(|switch, now, wall, desk| switch.hang_up(call, EndReason::Operator, now, wall, desk)));
        lab.run(secs(1));
        assert_eq!(lab.ended().1, EndReason::Operator);
        assert_eq!(lab.phones[bob].cancelled + lab.phones[bob].got(Method::Bye), 1);
        assert!(!lab.operate(|switch, now, wall, desk| switch.hang_up(call, EndReason::Operator, now, wall, desk)));
        lab.finish();
    }
}

#[test]
fn a_command_of_the_operator_moves_the_gate_and_is_kept_with_the_call() {
    let (mut lab, alice, bob) = pair();
    lab.talk(alice, bob, "202");
    let call = call_id(&lab);
    let said = lab.operate(|switch, now, wall, desk| switch.command(call, Command::Pause, now, wall, desk));
    assert_eq!(said, Some(Ok(())));
    let rules = lab.desk.orders.iter().rev().find_map(|(_, order)| match order {
        MediaOrder::SetRules(rules) => Some(*rules),
        _ => None,
    });
    assert_eq!(rules.map(|rules| rules.open()), Some(false));
    let change = lab.desk.changes.last().unwrap();
    assert_eq!((&change.by, change.how, change.wanted, change.refused), (&By::Operator, How::Cli, false, None));
    lab.hangs_up(alice).run(secs(1));
    assert!(lab.record().ended_paused);
    assert_eq!(lab.record().changes.len(), 1);
    lab.finish();
}

#[test]
fn a_recording_that_fails_acts_as_the_company_says() {
    let rows = [
        (OnRecordingFailure::Continue, false, 0),
        (OnRecordingFailure::Refuse, false, 0),
        (OnRecordingFailure::Announce, false, 2),
        (OnRecordingFailure::Hangup, true, 0),
    ];
    for (rule, ends, tones) in rows {
        let (mut lab, alice, bob) = with_failure_rule(rule);
        lab.talk(alice, bob, "202");
        let call = call_id(&lab);
        lab.operate(|switch, now, wall, desk| switch.recording_failed(call, now, wall, desk));
        lab.run(secs(1));
        assert_eq!(lab.switch.call_count() == 0, ends, "{rule:?}");
        assert_eq!(lab.desk.count(|order| matches!(order, MediaOrder::PlayPrompt { .. })), tones, "{rule:?}");
        if !ends {
            let said = lab.operate(|switch, now, wall, desk| switch.command(call, Command::Start, now, wall, desk));
            assert_eq!(said, Some(Err(Refusal::RecordingFailed)), "{rule:?}");
            lab.hangs_up(alice).run(secs(1));
        } else {
            assert_eq!(lab.ended().1, EndReason::RecordingFailed);
        }
        lab.finish();
    }
}

#[test]
fn calls_that_cannot_be_recorded_are_refused_or_told_as_the_company_says() {
    let rows = [
        (OnRecordingFailure::Continue, None, 0),
        (OnRecordingFailure::Announce, None, 2),
        (OnRecordingFailure::Refuse, Some(503), 0),
        (OnRecordingFailure::Hangup, Some(503), 0),
    ];
    for (rule, refused, tones) in rows {
        let (mut lab, alice, bob) = with_failure_rule(rule);
        lab.operate(|switch, _, _, _| switch.set_recording_problem(Some("disk full".to_owned())));
        match refused {
            Some(status) => {
                lab.calls(alice, "202").run(secs(1));
                assert_eq!(lab.heard(alice), [status], "{rule:?}");
                assert!(lab.phones[alice].last_response(Method::Invite).headers.has("Retry-After"));
            }
            None => {
                lab.talk(alice, bob, "202");
                assert_eq!(lab.desk.not_recorded, ["disk full"], "{rule:?}");
                assert_eq!(lab.desk.count(|order| matches!(order, MediaOrder::PlayPrompt { .. })), tones);
                lab.hangs_up(alice).run(secs(1));
            }
        }
        lab.finish();
    }
}

#[test]
fn a_disk_that_fills_while_it_rings_hangs_up_at_the_answer_where_the_company_wants_so() {
    let (mut lab, alice, bob) = with_failure_rule(OnRecordingFailure::Hangup);
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(ms(100));
    lab.operate(|switch, _, _, _| switch.set_recording_problem(Some("disk full".to_owned())));
    lab.answers(bob).run(secs(1));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::RecordingFailed));
    assert!(!lab.phones[alice].is_talking() && !lab.phones[bob].is_talking());
    lab.finish();
}
