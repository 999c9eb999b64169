//! Transfers: REFER to users and numbers, two calls joined, what they do to the recording, and
//! everything that can cross them.

use super::sdp::flow_of;
use super::*;
use crate::base::{Direction, Side, UserId};
use crate::call::{MediaOrder, Note};
use crate::ledger::{Because, How, JoinedBy, Refusal};
use crate::policy::Command;

const CAROL: &str = "<sip:203@acme.test>";

/// Alice (201) talks to Bob (202); Carol (203) is there.
fn three() -> (Lab, Id, Id, Id) {
    let mut lab = Lab::new();
    let (alice, bob, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    lab.talk(alice, bob, "202");
    (lab, alice, bob, carol)
}

impl Lab {
    fn refers(&mut self, id: Id, to: &str) -> &mut Self {
        self.act(id, |phone, now| phone.refer(to, &[], now));
        self.run(ms(100))
    }

    fn governed_by(&mut self, parts: directory::Parts) {
        self.switch.set_directory(Arc::new(directory::build(parts)));
    }

    fn refer_status(&self, id: Id) -> u16 {
        self.phones[id].last_status(Method::Refer).expect("the REFER was answered")
    }
}

/// The last call ends by that phone, with nothing left, and was whole until then.
fn end(mut lab: Lab, by: Id, reason: &EndReason) {
    lab.hangs_up(by).run(secs(1));
    assert_eq!(lab.ended(), (Outcome::Completed, reason.clone()));
    lab.finish();
}

#[test]
fn a_blind_transfer_brings_the_target_into_the_call_and_tells_the_transferor() {
    for transferor_calls in [false, true] {
        let (mut lab, alice, bob, carol) = three();
        let (transferor, stays) = if transferor_calls { (alice, bob) } else { (bob, alice) };
        let side = if transferor_calls { Side::Caller } else { Side::Callee };
        lab.refers(transferor, CAROL);
        assert_eq!(lab.refer_status(transferor), 202);
        assert!(lab.phones[carol].incoming.is_some(), "the target rings");
        let invite = lab.phones[carol].last_request(Method::Invite).clone();
        let shown = if transferor_calls { "Bob" } else { "Alice" };
        assert!(invite.headers.get("From").unwrap().contains(shown), "the target sees who is on the line");
        assert!(invite.headers.get("Referred-By").unwrap().contains(if transferor_calls { "201" } else { "202" }));
        lab.rings(carol, 180).run(ms(100)).answers(carol).run(ms(300));
        assert_eq!(lab.phones[transferor].progress(), [100, 180, 200]);
        let last = lab.phones[transferor].last_request(Method::Notify);
        assert_eq!(last.headers.get("Subscription-State"), Some("terminated;reason=noresource"));
        assert!(last.headers.get("Event").unwrap().starts_with("refer"));
        assert_eq!(lab.phones[transferor].got(Method::Bye), 1, "whose place is taken is let go");
        assert!(lab.phones[stays].is_talking() && lab.phones[carol].is_talking());
        let joined = lab.record().joined.last().unwrap().clone();
        assert_eq!((joined.side, joined.how, joined.party.name.as_str()), (side, JoinedBy::BlindTransfer, "Carol"));
        assert_eq!(joined.instead_of.user, Some(UserId(if transferor_calls { 1 } else { 2 })));
        assert_eq!(lab.desk.joining(side).name, "Carol <203>", "the marker has the name");
        assert_eq!(lab.desk.joined, [joined]);
        let reason = if transferor_calls { EndReason::CalleeHungUp } else { EndReason::CallerHungUp };
        end(lab, stays, &reason);
    }
}

#[test]
fn a_held_transferee_is_taken_up_again_by_the_target() {
    for style in ["sendonly", "inactive", "zero"] {
        let (mut lab, alice, bob, carol) = three();
        lab.reinvites(bob, style).run(ms(100));
        assert!(lab.desk.media_of(Side::Caller).held);
        lab.refers(bob, CAROL).answers(carol).run(ms(300));
        assert_eq!(flow_of(&lab.phones[carol].last_request(Method::Invite).body), "sendrecv", "{style}");
        assert_eq!(flow_of(&lab.phones[alice].last_request(Method::Invite).body), "sendrecv", "{style}");
        let media = lab.desk.media_of(Side::Caller);
        assert!(media.sends && media.receives && !media.held, "{style}");
        assert!(!lab.desk.joining(Side::Callee).media.held, "{style}");
        end(lab, carol, &EndReason::CalleeHungUp);
    }
}

#[test]
fn a_transferee_who_holds_goes_on_holding() {
    let (mut lab, alice, bob, carol) = three();
    lab.reinvites(alice, "sendonly").run(ms(100));
    lab.refers(bob, CAROL).answers(carol).run(ms(300));
    assert_eq!(flow_of(&lab.phones[carol].last_request(Method::Invite).body), "sendonly");
    assert!(lab.desk.joining(Side::Callee).media.held);
    lab.reinvites(alice, "sendrecv").run(ms(200));
    assert_eq!(flow_of(&lab.phones[carol].last_request(Method::Invite).body), "sendrecv");
    assert!(!lab.desk.media_of(Side::Callee).held);
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_target_that_cannot_be_had_leaves_the_call_as_it_was() {
    for (refusal, told) in [(486, 486), (603, 603), (480, 480), (404, 404), (503, 500)] {
        let (mut lab, alice, bob, carol) = three();
        lab.refers(bob, CAROL).refuses(carol, refusal).run(ms(200));
        assert_eq!(lab.phones[bob].progress(), [100, told], "{refusal}");
        assert!(lab.phones[bob].is_talking() && lab.phones[alice].is_talking(), "{refusal}");
        assert_eq!(lab.desk.count(|order| matches!(order, MediaOrder::CloseTarget)), 1);
        assert!(lab.record().joined.is_empty());
        // And may be tried again.
        lab.refers(bob, CAROL).answers(carol).run(ms(300));
        assert_eq!(lab.phones[bob].progress(), [100, told, 100, 200]);
        end(lab, alice, &EndReason::CallerHungUp);
    }
}

#[test]
fn a_target_that_never_answers_is_given_up() {
    let (mut lab, alice, bob, carol) = three();
    lab.refers(bob, CAROL).rings(carol, 180).run(secs(59));
    assert_eq!(lab.phones[bob].progress(), [100, 180]);
    lab.run(secs(2));
    assert_eq!(lab.phones[bob].progress(), [100, 180, 480]);
    assert_eq!(lab.phones[carol].cancelled, 1);
    assert!(lab.phones[alice].is_talking() && lab.phones[bob].is_talking());
    end(lab, bob, &EndReason::CalleeHungUp);
}

#[test]
fn a_transferor_may_leave_before_the_target_answers() {
    let (mut lab, alice, bob, carol) = three();
    lab.refers(bob, CAROL).hangs_up(bob).run(ms(200));
    assert_eq!(lab.phones[bob].last_status(Method::Bye), Some(200));
    assert!(lab.phones[alice].is_talking(), "the transferee waits");
    // What the transferee asks for meanwhile is answered.
    lab.reinvites(alice, "sendonly").run(ms(200)).reinvites(alice, "sendrecv").run(ms(200));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(200));
    lab.rings(carol, 180).run(secs(5)).answers(carol).run(ms(300));
    let media = lab.desk.media_of(Side::Caller);
    assert!(media.sends && media.receives && !media.held);
    assert_eq!(lab.record().party(Side::Callee).name, "Carol");
    end(lab, carol, &EndReason::CalleeHungUp);
}

#[test]
fn a_transferee_whom_nobody_takes_is_told_why() {
    let (mut lab, alice, bob, carol) = three();
    lab.refers(bob, CAROL).hangs_up(bob).run(ms(200)).refuses(carol, 486).run(ms(300));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::TransferFailed { status: 486 }));
    assert!(!lab.phones[alice].is_talking());
    let bye = lab.phones[alice].last_request(Method::Bye);
    assert!(bye.headers.get("Reason").unwrap().starts_with("SIP;cause=486;"));
    lab.finish();
}

#[test]
fn refer_sub_false_brings_no_reports() {
    let (mut lab, alice, bob, carol) = three();
    lab.act(bob, |phone, now| phone.refer(CAROL, &[("Refer-Sub", "false"), ("Require", "norefersub")], now));
    lab.run(ms(100)).answers(carol).run(ms(300));
    let accepted = lab.phones[bob].last_response(Method::Refer);
    assert_eq!((accepted.status, accepted.headers.get("Refer-Sub")), (202, Some("false")));
    assert!(lab.phones[bob].progress().is_empty());
    assert_eq!(lab.phones[bob].got(Method::Bye), 1);
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_refer_that_cannot_be_done_is_refused_and_says_why() {
    let rows = [
        ("<sip:999@acme.test>", 404, "999"),
        ("<sip:202@bolt.test>", 404, "bolt.test"),
        ("<sip:201@acme.test>", 403, "201"),
        ("<sip:203@acme.test;method=BYE>", 403, "BYE"),
        ("<sip:203@acme.test?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>", 481, "dialog"),
        ("<mailto:carol@acme.test>", 416, "mailto"),
        ("<sip:+49301110009@acme.test>", 404, "+49301110009"),
    ];
    let (mut lab, alice, bob, carol) = three();
    for (to, status, named) in rows {
        lab.refers(bob, to);
        let response = lab.phones[bob].last_response(Method::Refer);
        assert_eq!(response.status, status, "{to}");
        assert!(response.reason.contains(named), "{to}: {}", response.reason);
    }
    assert!(lab.phones[bob].progress().is_empty() && lab.phones[carol].incoming.is_none());
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn one_transfer_at_a_time() {
    let (mut lab, alice, bob, carol) = three();
    lab.refers(bob, CAROL).refers(bob, CAROL);
    assert_eq!(lab.refer_status(bob), 491);
    lab.refers(alice, CAROL);
    assert_eq!(lab.refer_status(alice), 491);
    lab.answers(carol).run(ms(300));
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_user_transfers_only_where_the_company_lets_them() {
    let mut lab = Lab::new();
    let mut parts = companies();
    parts.companies[0].settings.transfer = false;
    lab.governed_by(parts);
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202").refers(bob, CAROL);
    assert_eq!(lab.refer_status(bob), 403);
    assert!(lab.phones[bob].last_response(Method::Refer).reason.contains("`transfer`"));
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn the_outside_transfers_within_the_company_where_it_may() {
    for allowed in [false, true] {
        let mut lab = Lab::new();
        let mut parts = companies();
        parts.companies[0].settings.transfer_from_outside = allowed;
        lab.governed_by(parts);
        let (carrier, bob, carol) = (lab.carrier(), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
        lab.talk(carrier, bob, "+49301110002");
        if !allowed {
            lab.refers(carrier, "<sip:203@192.0.2.1>");
            assert_eq!(lab.refer_status(carrier), 403);
            end(lab, carrier, &EndReason::CallerHungUp);
            continue;
        }
        lab.refers(carrier, "<sip:+4915155555@192.0.2.1>");
        assert_eq!(lab.refer_status(carrier), 404, "the outside does not call out through us");
        lab.refers(carrier, "<sip:203@192.0.2.1>").answers(carol).run(ms(300));
        assert_eq!(lab.refer_status(carrier), 202);
        assert_eq!(lab.record().direction, Direction::Inbound, "a call keeps the direction that it began with");
        assert_eq!(lab.record().party(Side::Caller).name, "Carol");
        end(lab, bob, &EndReason::CalleeHungUp);
    }
}

#[test]
fn a_trunk_says_for_itself_whether_the_outside_may_transfer() {
    for (company, trunk, expected) in [(true, Some(false), 403), (false, Some(true), 202), (true, None, 202)] {
        let mut lab = Lab::with(|parts| {
            parts.companies[0].settings.transfer_from_outside = company;
            parts.trunks[0].settings.transfer_from_outside = trunk;
        });
        let (carrier, bob, carol) = (lab.carrier(), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
        lab.phones[carol].on_call = OnCall::Answer;
        lab.talk(carrier, bob, "+49301110002").refers(carrier, "<sip:203@192.0.2.1>").run(secs(1));
        assert_eq!(lab.refer_status(carrier), expected, "{company} {trunk:?}");
        assert_eq!(lab.phones[carol].is_talking(), expected == 202);
        end(lab, bob, &EndReason::CalleeHungUp);
    }
}

#[test]
fn an_internal_call_that_goes_outside_counts_as_outbound_from_there_on() {
    for record_outbound in [true, false] {
        let mut lab = Lab::new();
        let mut parts = companies();
        parts.companies[0].settings.record_internal = false;
        parts.companies[0].settings.record_outbound = record_outbound;
        lab.governed_by(parts);
        let (alice, bob, carrier) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.carrier());
        lab.talk(alice, bob, "202");
        assert!(!lab.switch.calls()[0].recording);
        // The settings are those of the call's start.
        let mut later = companies();
        later.companies[0].settings.record_outbound = !record_outbound;
        lab.governed_by(later);
        lab.refers(bob, "<sip:+4915155555@acme.test>").answers(carrier).run(ms(300));
        assert_eq!(lab.refer_status(bob), 202);
        assert_eq!(lab.record().direction, Direction::Outbound);
        assert!(lab.record().number.is_some(), "the caller id");
        assert_eq!(lab.switch.calls()[0].recording, record_outbound);
        if record_outbound {
            let change = lab.record().changes.last().unwrap();
            assert_eq!((change.how, change.wanted), (How::Transfer, true));
            assert_eq!(change.decision.because, Because::Company { direction: Direction::Outbound });
        }
        end(lab, alice, &EndReason::CallerHungUp);
    }
}

#[test]
fn a_transfer_never_opens_a_gate_that_a_person_shut() {
    let mut lab = Lab::new();
    lab.desk.plays = true;
    let mut parts = companies();
    parts.companies[0].settings.record_internal = false;
    lab.governed_by(parts);
    let (alice, bob, carrier) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.carrier());
    lab.talk(alice, bob, "202");
    let call = lab.switch.calls()[0].record.id;
    let paused = lab.operate(|switch, now, wall, desk| switch.command(call, Command::Pause, now, wall, desk));
    assert_eq!(paused, Some(Ok(())));
    lab.refers(bob, "<sip:+4915155555@acme.test>").answers(carrier).run(ms(300));
    assert_eq!(lab.record().direction, Direction::Outbound);
    assert!(!lab.switch.calls()[0].recording);
    assert!(!lab.desk.bridges[&call].rules().open());
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

fn info_command(lab: &mut Lab, id: Id, keys: &str) {
    for key in keys.chars() {
        lab.act(id, |phone, now| phone.info("application/dtmf-relay", &format!("Signal={key}\r\n"), now));
        lab.run(ms(250));
    }
}

#[test]
fn the_permission_that_counts_is_that_of_the_users_on_the_call_now() {
    for (joins_permitted, expected) in [(true, None), (false, Some(Refusal::AgentPauseOff))] {
        let mut lab = Lab::new();
        lab.desk.plays = true;
        let mut parts = companies();
        parts.users[2].overrides.agent_pause = Some(joins_permitted);
        lab.governed_by(parts);
        let (carrier, bob, carol) = (lab.carrier(), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
        lab.talk(carrier, bob, "+49301110002");
        info_command(&mut lab, bob, "#11#");
        info_command(&mut lab, bob, "#12#");
        assert!(lab.switch.calls()[0].recording, "paused and resumed before");
        lab.refers(bob, CAROL).answers(carol).run(secs(2));
        info_command(&mut lab, carol, "#11#");
        let change = lab.record().changes.last().unwrap().clone();
        assert_eq!(change.refused, expected);
        assert!(matches!(&change.by, crate::ledger::By::User { name, .. } if name == "Carol"));
        assert_eq!(lab.switch.calls()[0].recording, !joins_permitted);
        let changes = lab.record().changes.len();
        let left: u64 = lab.desk.bridges.values().map(|bridge| bridge.left().len() as u64).sum();
        assert_eq!(left, 1, "Bob's leg is no part of the call any more");
        assert_eq!(lab.record().changes.len(), changes);
        lab.hangs_up(carol).run(secs(1));
        assert_eq!(lab.record().ended_paused, joins_permitted);
        lab.finish();
    }
}

#[test]
fn pause_and_resume_work_while_the_target_rings() {
    let (mut lab, alice, bob, carol) = three();
    let call = lab.switch.calls()[0].record.id;
    lab.refers(bob, CAROL);
    let paused = lab.operate(|switch, now, wall, desk| switch.command(call, Command::Pause, now, wall, desk));
    assert_eq!(paused, Some(Ok(())));
    lab.answers(carol).run(ms(300));
    assert_eq!(lab.desk.joining(Side::Callee).facts.command, Some(Command::Pause));
    assert!(!lab.switch.calls()[0].recording);
    let resumed = lab.operate(|switch, now, wall, desk| switch.command(call, Command::Start, now, wall, desk));
    assert_eq!(resumed, Some(Ok(())));
    assert!(lab.switch.calls()[0].recording);
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn the_recording_hears_of_every_transfer_and_never_ends_in_between() {
    let mut lab = Lab::new();
    lab.desk.plays = true;
    let (alice, bob, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    let dora = lab.add_phone(ACME, "202", Transport::Udp, "192.0.2.77:5060");
    lab.act(dora, |phone, now| phone.register(&[("Expires", "36000")], now));
    lab.run(ms(500)).talk(alice, bob, "202");
    // Bob to Carol, Carol back to Bob's other phone, Alice to Carol: the call is one.
    lab.refers(bob, CAROL).answers(carol).run(secs(2));
    lab.refers(carol, "<sip:202@acme.test>").answers(dora).run(secs(2));
    lab.refers(alice, CAROL).answers(carol).run(secs(2));
    assert_eq!(lab.switch.call_count(), 1);
    let joined: Vec<_> = lab.record().joined.iter().map(|j| (j.side, j.party.address.as_str())).collect();
    assert_eq!(joined, [(Side::Callee, "203"), (Side::Callee, "202"), (Side::Caller, "203")]);
    let marks = lab.desk.tape.tapped.iter().filter(|event| event.starts_with("Joined")).count();
    let gates = lab.desk.tape.tapped.iter().filter(|event| event.starts_with("Gate")).count();
    let ends = lab.desk.tape.tapped.iter().filter(|event| event.starts_with("End")).count();
    assert_eq!((marks, gates, ends), (3, 1, 0), "three markers; the gate opened once and stayed");
    assert!(lab.desk.bridges.values().all(|bridge| bridge.rules().open()));
    lab.hangs_up(dora).run(secs(1));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::CalleeHungUp));
    lab.finish();
}

#[test]
fn a_bye_of_the_transferee_ends_everything() {
    let (mut lab, alice, bob, carol) = three();
    lab.refers(bob, CAROL).rings(carol, 180).run(ms(100)).hangs_up(alice).run(ms(200));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::CallerHungUp));
    assert_eq!(lab.phones[carol].cancelled, 1);
    assert_eq!(lab.phones[bob].progress(), [100, 180, 487]);
    assert!(!lab.phones[bob].is_talking());
    lab.finish();
}

#[test]
fn an_answer_that_crosses_the_transferees_bye_is_ended() {
    let (mut lab, alice, bob, carol) = three();
    lab.refers(bob, CAROL).rings(carol, 180).run(ms(100));
    lab.answers(carol).hangs_up(alice).run(ms(500));
    assert_eq!(lab.switch.call_count(), 0);
    for phone in [alice, bob, carol] {
        assert!(!lab.phones[phone].is_talking());
    }
    lab.finish();
}

#[test]
fn the_transferors_bye_may_cross_the_answer() {
    let (mut lab, alice, bob, carol) = three();
    lab.refers(bob, CAROL).rings(carol, 180).run(ms(100));
    lab.answers(carol).hangs_up(bob).run(ms(500));
    assert_eq!(lab.phones[bob].last_status(Method::Bye), Some(200));
    assert!(lab.phones[alice].is_talking() && lab.phones[carol].is_talking());
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_change_that_waits_for_one_who_leaves_is_answered() {
    // The transferor's own re-INVITE waits for the transferee while the target answers.
    let (mut lab, alice, bob, carol) = three();
    lab.phones[alice].on_change = OnChange::Wait;
    lab.refers(bob, CAROL).reinvites(bob, "sendonly").run(ms(100)).answers(carol).run(ms(200));
    assert_eq!(lab.phones[bob].last_status(Method::Invite), Some(487));
    let (tx, request) = lab.phones[alice].requests.iter().rfind(|(_, r)| r.method == Method::Invite).unwrap().clone();
    lab.phones[alice].on_change = OnChange::Accept;
    lab.act(alice, |phone, now| phone.accept_change(tx, &request, now));
    lab.run(secs(1));
    assert_eq!(flow_of(&lab.phones[alice].last_request(Method::Invite).body), "sendrecv");
    assert!(!lab.desk.media_of(Side::Caller).held);
    end(lab, carol, &EndReason::CalleeHungUp);

    // The transferee's waits for the transferor.
    let (mut lab, alice, bob, carol) = three();
    lab.phones[bob].on_change = OnChange::Wait;
    lab.refers(bob, CAROL).reinvites(alice, "sendonly").run(ms(100)).answers(carol).run(ms(500));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(200));
    assert_eq!(flow_of(&lab.phones[carol].last_request(Method::Invite).body), "sendonly", "the target is held now");
    assert!(lab.desk.media_of(Side::Callee).held);
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn glare_with_the_transferee_is_waited_out() {
    let (mut lab, alice, bob, carol) = three();
    lab.reinvites(bob, "inactive").run(ms(100));
    lab.phones[alice].on_change = OnChange::Refuse(491);
    lab.refers(bob, CAROL).answers(carol).run(ms(300));
    assert!(!lab.desk.media_of(Side::Caller).receives);
    lab.phones[alice].on_change = OnChange::Accept;
    lab.run(secs(5));
    assert_eq!(flow_of(&lab.phones[alice].last_request(Method::Invite).body), "sendrecv");
    assert!(lab.desk.media_of(Side::Caller).receives);
    end(lab, carol, &EndReason::CalleeHungUp);
}

#[test]
fn lost_notifies_hold_nothing_up() {
    let (mut lab, alice, bob, carol) = three();
    lab.phones[bob].deaf_to = Some(Method::Notify);
    lab.refers(bob, CAROL).answers(carol).run(ms(500));
    assert!(lab.phones[carol].is_talking());
    assert_eq!(lab.phones[bob].got(Method::Bye), 0, "it has a moment to hang up itself");
    lab.run(secs(2));
    assert_eq!(lab.phones[bob].got(Method::Bye), 1);
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_transferor_that_does_not_know_the_subscription_hears_no_more() {
    let (mut lab, alice, bob, carol) = three();
    lab.refers(bob, CAROL);
    let dialog = lab.phones[bob].dialog.take();
    lab.rings(carol, 180).run(ms(100)).rings(carol, 183).run(ms(100));
    assert_eq!(lab.phones[bob].progress(), [100, 180], "481 to the second ends it");
    lab.phones[bob].dialog = dialog;
    lab.answers(carol).run(secs(2));
    assert_eq!(lab.phones[bob].progress(), [100, 180]);
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_refer_in_a_dead_dialog_finds_nothing() {
    let (mut lab, alice, bob, _) = three();
    let mut late = lab.phones[bob].inside(Method::Refer).with_header("Refer-To", CAROL);
    lab.hangs_up(alice).run(secs(1));
    late.headers.set("CSeq", "77 REFER");
    lab.act(bob, |phone, now| phone.send(late, now));
    lab.run(ms(100));
    assert_eq!(lab.refer_status(bob), 481);
    lab.finish();
}

#[test]
fn phones_that_hand_a_call_round_for_ever_are_stopped() {
    let (mut lab, alice, bob, carol) = three();
    lab.phones[carol].on_call = OnCall::Answer;
    lab.phones[bob].on_call = OnCall::Answer;
    let mut hops = 0;
    let (mut from, mut to) = ((bob, "202"), (carol, "203"));
    loop {
        lab.refers(from.0, &format!("<sip:{}@acme.test>", to.1)).run(secs(2));
        if lab.refer_status(from.0) != 202 {
            break;
        }
        hops += 1;
        assert!(hops <= 32, "it ends");
        let invite = lab.phones[to.0].last_request(Method::Invite);
        assert_eq!(invite.max_forwards(), Some(70 - (hops - 1)), "every transfer is a hop");
        std::mem::swap(&mut from, &mut to);
    }
    assert_eq!((hops, lab.refer_status(from.0)), (32, 482));
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_user_may_move_a_call_to_another_phone_of_theirs() {
    let (mut lab, alice, bob, _) = three();
    let desk = lab.add_phone(ACME, "202", Transport::Udp, "192.0.2.78:5060");
    lab.act(desk, |phone, now| phone.register(&[("Expires", "36000")], now));
    lab.run(ms(500)).refers(bob, "<sip:202@acme.test>");
    assert!(lab.phones[bob].incoming.is_some() && lab.phones[desk].incoming.is_some(), "both phones ring");
    lab.answers(desk).run(ms(300));
    assert_eq!(lab.phones[bob].cancelled, 1);
    assert_eq!(lab.phones[bob].got(Method::Bye), 1);
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_transfer_without_a_port_is_refused() {
    let (mut lab, alice, bob, carol) = three();
    lab.desk.free_ports = 0;
    lab.refers(bob, CAROL);
    assert_eq!(lab.refer_status(bob), 503);
    assert!(lab.phones[carol].incoming.is_none());
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn transfers_survive_a_lossy_network() {
    for seed in 1..=6 {
        let mut lab = Lab::seeded(seed);
        let (alice, bob, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
        lab.talk(alice, bob, "202");
        lab.loss_percent = 20;
        lab.jitter = ms(20);
        lab.phones[carol].on_call = OnCall::Answer;
        lab.act(bob, |phone, now| phone.refer(CAROL, &[], now));
        lab.run(secs(40));
        lab.loss_percent = 0;
        assert!(lab.phones[alice].is_talking() && lab.phones[carol].is_talking(), "seed {seed}");
        assert_eq!(lab.record().joined.len(), 1, "seed {seed}");
        end(lab, alice, &EndReason::CallerHungUp);
    }
}

/// Alice talks to Bob, who has put the call aside and talks to Carol. Returns the dialog of Bob's
/// call with Carol as Bob's phone has it.
fn consulting() -> (Lab, Id, Id, Id, Dialog) {
    let mut lab = Lab::new();
    lab.desk.plays = true;
    let (alice, bob, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    lab.talk(alice, bob, "202").reinvites(bob, "sendonly").run(ms(100));
    lab.phones[bob].holding = false;
    lab.phones[bob].park();
    lab.talk(bob, carol, "203");
    let consulted = lab.phones[bob].dialog.clone().unwrap();
    lab.swap(bob);
    (lab, alice, bob, carol, consulted)
}

impl Lab {
    /// The phone goes back to the call that it had put aside.
    fn swap(&mut self, id: Id) {
        let back = self.phones[id].parked.remove(0);
        self.phones[id].park();
        self.phones[id].dialog = Some(back);
    }
}

/// Refer-To of an attended transfer: the dialog as the receiver has it.
fn replacing(dialog: &Dialog, early_only: bool) -> String {
    let early = if early_only { "%3Bearly-only" } else { "" };
    let (id, to, from) = (&dialog.call_id, &dialog.remote_tag, &dialog.local_tag);
    format!("<sip:203@acme.test?Replaces={id}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}{early}>")
}

#[test]
fn an_attended_transfer_joins_two_calls_and_the_first_goes_on() {
    let (mut lab, alice, bob, carol, consulted) = consulting();
    let first = lab.switch.calls()[0].record.id;
    let second = lab.switch.calls()[1].record.id;
    lab.refers(bob, &replacing(&consulted, false)).run(secs(2));
    assert_eq!(lab.refer_status(bob), 202);
    assert_eq!(lab.phones[bob].progress(), [200]);
    assert_eq!(lab.phones[bob].got(Method::Bye), 2, "both calls let go of the transferor");
    assert_eq!(lab.switch.call_count(), 1);
    let record = lab.switch.call(first).unwrap().record;
    let joined = record.joined.last().unwrap();
    assert_eq!((joined.how, joined.side, joined.from_call), (JoinedBy::AttendedTransfer, Side::Callee, Some(second)));
    assert_eq!(joined.party.name, "Carol");
    let ended = lab.desk.saved.iter().rfind(|record| record.id == second).unwrap();
    assert_eq!(ended.end_reason, Some(EndReason::Transferred { into: first }));
    assert_eq!(ended.outcome, Outcome::Completed);
    // The consultation's file ends with a marker that names who is there from then on.
    let gave = lab.desk.orders.iter().find(|(of, order)| *of == second && matches!(order, MediaOrder::GiveUp { .. }));
    let (_, MediaOrder::GiveUp { to, told, .. }) = gave.expect("the leg moves") else { unreachable!() };
    assert_eq!((*to, told.as_str()), (first, "Alice <201>"));
    // Alice was on hold.
    assert_eq!(flow_of(&lab.phones[alice].last_request(Method::Invite).body), "sendrecv");
    assert!(lab.phones[carol].got(Method::Invite) == 1, "Carol's side needs no change");
    assert!(lab.desk.bridges[&first].rules().open());
    end(lab, carol, &EndReason::CalleeHungUp);
}

#[test]
fn a_pause_of_either_call_holds_for_the_joined_one() {
    for paused_call in [0, 1] {
        let (mut lab, _, bob, carol, consulted) = consulting();
        let call = lab.switch.calls()[paused_call].record.id;
        let first = lab.switch.calls()[0].record.id;
        let paused = lab.operate(|switch, now, wall, desk| switch.command(call, Command::Pause, now, wall, desk));
        assert_eq!(paused, Some(Ok(())));
        lab.refers(bob, &replacing(&consulted, false)).run(secs(1));
        assert!(!lab.desk.bridges[&first].rules().open(), "{paused_call}");
        assert!(!lab.switch.calls()[0].recording, "{paused_call}");
        lab.hangs_up(carol).run(secs(1));
        assert!(lab.record().ended_paused);
        lab.finish();
    }
}

#[test]
fn calls_that_are_not_the_transferors_do_not_exist_for_it() {
    let (mut lab, alice, bob, carol, consulted) = consulting();
    let (otto, olga) = (lab.phone(BOLT, "201"), lab.phone(BOLT, "202"));
    lab.talk(otto, olga, "202");
    // Another company's user, and one of the same company who is not in that call.
    lab.refers(otto, &replacing(&consulted, false));
    assert_eq!(lab.refer_status(otto), 481);
    let told = lab.phones[otto].last_response(Method::Refer).reason.clone();
    lab.refers(alice, &replacing(&consulted, false));
    assert_eq!(lab.refer_status(alice), 481);
    lab.refers(alice, "<sip:203@acme.test?Replaces=nothing%3Bto-tag%3Db%3Bfrom-tag%3Dc>");
    assert_eq!(lab.phones[alice].last_response(Method::Refer).reason, told, "exactly as one that does not exist");
    // The call itself, an answered one that should still ring.
    let own = lab.phones[bob].dialog.clone().unwrap();
    lab.refers(bob, &replacing(&own, false));
    assert_eq!(lab.refer_status(bob), 400);
    lab.refers(bob, &replacing(&consulted, true));
    assert_eq!(lab.refer_status(bob), 486);
    assert_eq!(lab.switch.call_count(), 3);
    lab.hangs_up(otto).run(secs(1)).hangs_up(carol).run(secs(1)).hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn an_attended_transfer_of_a_call_with_the_outside_counts_as_outbound() {
    let mut lab = Lab::new();
    let (alice, bob, carrier) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.carrier());
    lab.talk(alice, bob, "202");
    lab.phones[bob].park();
    lab.talk(bob, carrier, "+4915155555");
    let consulted = lab.phones[bob].dialog.clone().unwrap();
    lab.swap(bob);
    lab.refers(bob, &replacing(&consulted, false)).run(secs(1));
    let record = lab.switch.calls()[0].record.clone();
    assert_eq!(record.direction, Direction::Outbound);
    assert_eq!(record.party(Side::Callee).address, "+4915155555");
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_consulted_party_that_still_rings_rings_on_for_the_transferee() {
    for answered in [true, false] {
        let mut lab = Lab::new();
        lab.desk.plays = true;
        let (alice, bob, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
        lab.talk(alice, bob, "202");
        let first = lab.switch.calls()[0].record.id;
        lab.phones[bob].park();
        lab.calls(bob, "203").run(ms(100)).rings(carol, 180).run(ms(100));
        let (_, invite) = lab.phones[bob].outgoing.clone().unwrap();
        let ringing = dialog_of(&invite, lab.phones[bob].last_response(Method::Invite));
        let back = lab.phones[bob].parked.remove(0);
        lab.phones[bob].dialog = Some(back);
        lab.refers(bob, &replacing(&ringing, true)).run(ms(100));
        assert_eq!(lab.refer_status(bob), 202);
        assert_eq!(lab.heard(bob).last(), Some(&487), "the transferor's own call is over");
        assert_eq!(lab.phones[carol].cancelled, 0, "and rings on");
        let second = lab.desk.saved.last().unwrap();
        assert_eq!(second.end_reason, Some(EndReason::Transferred { into: first }));
        if !answered {
            lab.refuses(carol, 486).run(ms(300));
            assert_eq!(lab.phones[bob].progress(), [180, 486]);
            assert!(lab.phones[bob].is_talking());
            end(lab, alice, &EndReason::CallerHungUp);
            continue;
        }
        lab.answers(carol).run(secs(1));
        assert_eq!(lab.phones[bob].progress(), [180, 200]);
        assert_eq!(lab.switch.calls()[0].record.party(Side::Callee).name, "Carol");
        assert!(lab.desk.bridges[&first].rules().open());
        end(lab, carol, &EndReason::CalleeHungUp);
    }
}

#[test]
fn a_transferor_that_cancels_its_ringing_call_after_the_refer_changes_nothing() {
    let mut lab = Lab::new();
    let (alice, bob, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    lab.talk(alice, bob, "202");
    lab.phones[bob].park();
    lab.calls(bob, "203").run(ms(100)).rings(carol, 180).run(ms(100));
    let (_, invite) = lab.phones[bob].outgoing.clone().unwrap();
    let ringing = dialog_of(&invite, lab.phones[bob].last_response(Method::Invite));
    let back = lab.phones[bob].parked.remove(0);
    lab.phones[bob].dialog = Some(back);
    lab.act(bob, |phone, now| phone.refer(&replacing(&ringing, false), &[], now));
    lab.cancels(bob).run(ms(200)).hangs_up(bob).run(ms(200));
    assert_eq!(lab.phones[carol].cancelled, 0);
    lab.answers(carol).run(secs(1));
    assert!(lab.phones[alice].is_talking() && lab.phones[carol].is_talking());
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_hold_of_the_consulted_party_that_crosses_the_transfer_is_answered() {
    let (mut lab, alice, bob, carol, consulted) = consulting();
    lab.phones[bob].on_change = OnChange::Wait;
    lab.reinvites(carol, "sendonly").run(ms(50));
    lab.refers(bob, &replacing(&consulted, false)).run(secs(2));
    assert_eq!(lab.phones[carol].last_status(Method::Invite), Some(200));
    assert_eq!(flow_of(&lab.phones[alice].last_request(Method::Invite).body), "sendonly", "Alice is held by Carol now");
    end(lab, carol, &EndReason::CalleeHungUp);
}

#[test]
fn transfers_after_transfers_keep_one_call() {
    let (mut lab, alice, bob, carol, consulted) = consulting();
    lab.refers(bob, &replacing(&consulted, false)).run(secs(2));
    // Carol consults Bob and transfers Alice on, who comes to Bob again.
    lab.phones[carol].park();
    lab.talk(carol, bob, "202");
    let consulted = lab.phones[carol].dialog.clone().unwrap();
    lab.swap(carol);
    lab.refers(carol, &replacing(&consulted, false)).run(secs(2));
    assert_eq!(lab.switch.call_count(), 1);
    let names: Vec<_> = lab.switch.calls()[0].record.joined.iter().map(|j| j.party.name.clone()).collect();
    assert_eq!(names, ["Carol", "Bob"]);
    assert!(lab.phones[alice].is_talking() && lab.phones[bob].is_talking());
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_transfer_to_the_outside_keeps_to_the_list_of_destinations() {
    let (mut lab, alice, bob, _) = three();
    let carrier = lab.carrier();
    lab.refers(bob, "<sip:+447911123456@acme.test>");
    assert_eq!((lab.refer_status(bob), lab.phones[carrier].got(Method::Invite)), (403, 0));
    assert!(lab.desk.notes.iter().any(|note| matches!(note, Note::Refused { .. })), "{:?}", lab.desk.notes);
    end(lab, alice, &EndReason::CallerHungUp);
}

#[test]
fn a_transfer_to_the_outside_takes_the_next_target_where_the_first_one_cannot_or_says_nothing() {
    const OTHER: &str = "192.0.2.98";
    for silent in [false, true] {
        let mut lab = Lab::with(|parts| {
            parts.trunks[0].targets = vec![directory::target(CARRIER, 0), directory::target(OTHER, 1)];
            parts.trunks[0].addresses.push(OTHER.parse().unwrap());
        });
        let (alice, bob, first) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.carrier());
        let second = lab.add_phone(CARRIER, "carrier", Transport::Udp, &format!("{OTHER}:5060"));
        lab.talk(alice, bob, "202");
        lab.phones[first].is_dead = silent;
        lab.phones[first].on_call = OnCall::Refuse(503);
        lab.refers(bob, "<sip:+4915155555@acme.test>").run(secs(6));
        assert_eq!(lab.phones[second].got(Method::Invite), 1, "silent: {silent}");
        lab.answers(second).run(ms(300));
        assert_eq!(lab.phones[bob].progress(), [100, 200]);
        assert_eq!(lab.record().direction, Direction::Outbound);
        end(lab, alice, &EndReason::CallerHungUp);
    }
}
