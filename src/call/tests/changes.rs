//! re-INVITE and UPDATE: hold, new addresses and codecs, glare, rollback.

use super::sdp::flow_of;
use super::*;
use crate::base::Side;

fn pair() -> (Lab, Id, Id) {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202");
    (lab, alice, bob)
}

fn end(mut lab: Lab, by: Id) {
    lab.hangs_up(by).run(secs(1));
    assert_eq!(lab.ended().0, Outcome::Completed);
    lab.finish();
}

#[test]
fn hold_and_unhold_reach_the_other_leg_in_every_style() {
    let rows =
        [("sendonly", "sendonly", "recvonly"), ("inactive", "inactive", "inactive"), ("zero", "sendonly", "recvonly")];
    for method in [Method::Invite, Method::Update] {
        for (style, passed_on, answered) in rows {
            for holder_calls in [true, false] {
                let (mut lab, alice, bob) = pair();
                let (holder, held) = if holder_calls { (alice, bob) } else { (bob, alice) };
                let held_side = if holder_calls { Side::Callee } else { Side::Caller };
                let row = format!("{method} {style} {holder_calls}");
                lab.act(holder, |phone, now| phone.change(method.clone(), Some(style), now));
                lab.run(ms(100));
                assert_eq!(flow_of(&lab.phones[held].last_request(Method::Invite).body), passed_on, "{row}");
                assert_eq!(flow_of(&lab.phones[holder].last_response(method.clone()).body), answered, "{row}");
                assert!(lab.desk.media_of(held_side).held, "{row}");
                assert!(!lab.desk.media_of(held_side.other()).held, "{row}");
                lab.act(holder, |phone, now| phone.change(method.clone(), Some("sendrecv"), now));
                lab.run(ms(100));
                assert_eq!(flow_of(&lab.phones[held].last_request(Method::Invite).body), "sendrecv", "{row}");
                assert_eq!(flow_of(&lab.phones[holder].last_response(method.clone()).body), "sendrecv", "{row}");
                for side in Side::BOTH {
                    let media = lab.desk.media_of(side);
                    assert!(media.sends && media.receives && !media.held, "{row} {side:?}");
                }
                end(lab, alice);
            }
        }
    }
}

#[test]
fn both_may_hold_and_the_call_comes_back_when_both_take_up_again() {
    let (mut lab, alice, bob) = pair();
    lab.reinvites(alice, "sendonly").run(ms(100)).reinvites(bob, "sendonly").run(ms(100));
    assert_eq!(flow_of(&lab.phones[bob].last_response(Method::Invite).body), "inactive");
    assert!(Side::BOTH.into_iter().all(|side| lab.desk.media_of(side).held));
    lab.reinvites(alice, "sendrecv").run(ms(100));
    assert_eq!(flow_of(&lab.phones[alice].last_response(Method::Invite).body), "sendonly");
    assert!(lab.desk.media_of(Side::Caller).held && !lab.desk.media_of(Side::Callee).held);
    lab.reinvites(bob, "sendrecv").run(ms(100));
    for side in Side::BOTH {
        let media = lab.desk.media_of(side);
        assert!(media.sends && media.receives && !media.held, "{side:?}");
    }
    end(lab, bob);
}

#[test]
fn a_new_address_or_codec_of_one_leg_is_that_legs_affair() {
    let (mut lab, alice, bob) = pair();
    let before = lab.phones[bob].got(Method::Invite);
    lab.phones[alice].voice.port = 7_000;
    lab.phones[alice].voice.formats = vec![8];
    lab.reinvites(alice, "sendrecv").run(ms(100));
    assert_eq!(lab.phones[bob].got(Method::Invite), before);
    let media = lab.desk.media_of(Side::Caller);
    assert_eq!((media.remote.port(), media.send.0), (7_000, 8));
    assert_eq!(lab.desk.media_of(Side::Callee).send.0, 0);
    end(lab, alice);
}

#[test]
fn a_reinvite_without_offer_gets_ours_and_can_take_a_call_up_again() {
    let (mut lab, alice, bob) = pair();
    lab.reinvites(alice, "sendonly").run(ms(100));
    assert!(lab.desk.media_of(Side::Callee).held);
    lab.act(alice, |phone, now| phone.change(Method::Invite, None, now));
    lab.run(ms(200));
    assert_eq!(flow_of(&lab.phones[alice].last_response(Method::Invite).body), "sendrecv");
    assert_eq!(flow_of(&lab.phones[bob].last_request(Method::Invite).body), "sendrecv");
    for side in Side::BOTH {
        let media = lab.desk.media_of(side);
        assert!(media.sends && media.receives && !media.held, "{side:?}");
    }
    end(lab, bob);
}

#[test]
fn changes_that_cross_are_refused_with_491_and_the_call_stays() {
    let (mut lab, alice, bob) = pair();
    lab.reinvites(alice, "sendonly").run(ms(6)).reinvites(bob, "sendonly").run(secs(1));
    // Bob's reached the switch while ours was under way to him; he accepted ours.
    assert_eq!(lab.phones[bob].last_status(Method::Invite), Some(491));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(200));
    end(lab, alice);
}

#[test]
fn a_491_of_the_other_leg_is_passed_back_and_both_keep_what_they_had() {
    for status in [491, 488, 500] {
        let (mut lab, alice, bob) = pair();
        lab.phones[bob].on_change = OnChange::Refuse(status);
        let set = lab.desk.medias(Side::Callee).len();
        lab.reinvites(alice, "sendonly").run(secs(1));
        assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(status));
        assert_eq!(lab.desk.medias(Side::Callee).len(), set, "nothing changes in the media");
        lab.phones[bob].on_change = OnChange::Accept;
        lab.reinvites(alice, "inactive").run(secs(1));
        assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(200), "the next change works");
        end(lab, alice);
    }
}

#[test]
fn an_unusable_offer_is_refused_and_what_was_agreed_holds() {
    let (mut lab, alice, _) = pair();
    let set = lab.desk.medias(Side::Caller).len();
    lab.phones[alice].voice.formats = vec![4];
    lab.reinvites(alice, "sendrecv").run(secs(1));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(488));
    assert_eq!(lab.desk.medias(Side::Caller).len(), set);
    end(lab, alice);
}

#[test]
fn a_second_change_before_the_first_is_answered_is_refused() {
    let (mut lab, alice, bob) = pair();
    lab.phones[bob].on_change = OnChange::Wait;
    lab.reinvites(alice, "sendonly").run(ms(100)).updates(alice, "inactive").run(ms(100));
    assert_eq!(lab.phones[alice].last_status(Method::Update), Some(500));
    assert!(lab.phones[alice].last_response(Method::Update).headers.has("Retry-After"));
    let (tx, request) = lab.phones[bob].requests.last().cloned().unwrap();
    lab.act(bob, |phone, now| phone.accept_change(tx, &request, now));
    lab.run(ms(100));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(200));
    end(lab, alice);
}

#[test]
fn a_call_that_ends_while_a_change_waits_leaves_nothing_open() {
    for by_holder in [true, false] {
        let (mut lab, alice, bob) = pair();
        lab.phones[bob].on_change = OnChange::Wait;
        lab.reinvites(alice, "sendonly").run(ms(100));
        let (tx, request) = lab.phones[bob].requests.last().cloned().unwrap();
        lab.hangs_up(if by_holder { alice } else { bob });
        lab.act(bob, |phone, now| phone.accept_change(tx, &request, now));
        lab.run(secs(1));
        assert!(lab.phones[alice].last_status(Method::Invite).is_some_and(|status| status >= 200));
        let acks = lab.phones[bob].acks.len();
        assert_eq!(acks, 2, "the 200 of a call that is over is acknowledged");
        lab.finish();
    }
}

#[test]
fn a_leg_that_does_not_know_the_call_any_more_ends_it() {
    let (mut lab, alice, bob) = pair();
    lab.phones[bob].dialog = None;
    lab.reinvites(alice, "sendonly").run(secs(1));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::PeerGone));
    assert!(!lab.phones[alice].is_talking());
    lab.finish();
}

#[test]
fn a_cancel_of_a_reinvite_does_not_end_the_call() {
    let (mut lab, alice, bob) = pair();
    lab.phones[bob].on_change = OnChange::Wait;
    lab.reinvites(alice, "sendonly").run(ms(100));
    lab.act(alice, |phone, now| {
        let (tx, _) = phone.changes.last().cloned().unwrap();
        phone.endpoint.cancel(tx, now, &mut Seeded(9));
    });
    lab.run(ms(100));
    let (tx, request) = lab.phones[bob].requests.last().cloned().unwrap();
    lab.act(bob, |phone, now| phone.accept_change(tx, &request, now));
    lab.run(secs(1));
    assert!(lab.phones[alice].is_talking() && lab.phones[bob].is_talking());
    end(lab, alice);
}

#[test]
fn a_request_out_of_order_is_refused_and_the_call_stays() {
    let (mut lab, alice, bob) = pair();
    lab.act(alice, |phone, now| {
        let mut info = phone.inside(Method::Info);
        info.headers.set("CSeq", "1 INFO");
        phone.send(info, now);
    });
    lab.run(ms(100));
    assert_eq!(lab.phones[alice].last_status(Method::Info), Some(500));
    assert!(lab.phones[bob].is_talking());
    end(lab, alice);
}

#[test]
fn a_change_that_the_far_side_never_answers_leaves_nothing_when_the_call_ends() {
    let (mut lab, alice, bob) = pair();
    lab.phones[bob].on_change = OnChange::Wait;
    lab.reinvites(alice, "sendonly").run(secs(5)).hangs_up(alice).run(secs(1));
    assert!(!lab.phones[bob].is_talking());
    lab.finish();
}

#[test]
fn holding_survives_the_refresh_of_the_session() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.switch.config.session_timer = Policy { interval_s: 120, min_s: 90 };
    for id in [alice, bob] {
        lab.phones[id].extra = vec![("Allow".to_owned(), "INVITE, ACK, BYE, CANCEL".to_owned())];
    }
    lab.talk(alice, bob, "202").reinvites(alice, "sendonly").run(secs(200));
    assert!(lab.phones[alice].got(Method::Invite) > 0, "refreshed by re-INVITE");
    assert!(lab.desk.media_of(Side::Callee).held);
    assert!(!lab.desk.media_of(Side::Caller).held);
    lab.reinvites(alice, "sendrecv").run(ms(100));
    assert!(!lab.desk.media_of(Side::Callee).held);
    end(lab, bob);
}
