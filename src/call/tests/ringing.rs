//! From the INVITE to the answer.

use super::*;
use crate::base::Side;
use crate::call::tests::sdp::{flow_of, formats_of};

#[test]
fn a_call_rings_is_answered_and_ends_with_the_callers_bye() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202").run(secs(5)).hangs_up(alice).run(secs(1));
    assert_eq!(lab.heard(alice), [180, 200]);
    assert_eq!(lab.phones[bob].got(Method::Bye), 1);
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::CallerHungUp));
    assert_eq!(lab.desk.saved.len(), 2);
    assert_eq!(lab.desk.saved[0].outcome, Outcome::Answered);
    assert_eq!(lab.desk.prepared.len(), 1);
    lab.finish();
}

#[test]
fn early_media_reaches_the_caller_and_flows_both_ways() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).rings_early(bob, 183).run(ms(100));
    let ringing = lab.phones[alice].last_response(Method::Invite).clone();
    assert_eq!((ringing.status, flow_of(&ringing.body)), (183, "sendrecv"));
    for side in Side::BOTH {
        let media = lab.desk.media_of(side);
        assert!(media.sends && media.receives, "{side:?}");
    }
    lab.rings(bob, 180).run(ms(100));
    assert!(!lab.phones[alice].last_response(Method::Invite).body.is_empty(), "the answer stays the same");
    lab.answers(bob).run(ms(100));
    assert_eq!(lab.phones[alice].last_response(Method::Invite).body, ringing.body);
    lab.hangs_up(bob).run(ms(100));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::CalleeHungUp));
    lab.finish();
}

#[test]
fn a_late_offer_is_ours_and_its_answer_comes_in_the_ack() {
    for early in [false, true] {
        let mut lab = Lab::new();
        let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
        lab.phones[alice].late_offer = true;
        lab.phones[bob].voice.formats = vec![8];
        lab.calls(alice, "202").run(ms(100));
        if early {
            lab.rings_early(bob, 183).run(ms(100));
        }
        lab.answers(bob).run(ms(200));
        let offer = lab.phones[alice].last_response(Method::Invite).body.clone();
        assert_eq!(formats_of(&offer), ["8", "0", "101"], "what the callee speaks comes first");
        assert_eq!(lab.desk.media_of(Side::Caller).remote.port(), 4_000);
        lab.reinvites(alice, "sendonly").run(ms(200));
        assert_eq!(flow_of(&lab.phones[bob].last_request(Method::Invite).body), "sendonly");
        lab.hangs_up(alice).run(ms(100));
        lab.finish();
    }
}

#[test]
fn the_codec_of_a_late_offer_is_told_when_the_ack_names_it() {
    for formats in [vec![0], vec![8]] {
        let mut lab = Lab::new();
        let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
        lab.phones[alice].late_offer = true;
        lab.phones[alice].voice.formats.clone_from(&formats);
        lab.talk(alice, bob, "202");
        let expected = if formats == [0] { "PCMU" } else { "PCMA" };
        assert_eq!(lab.desk.prepared[0].parties[0].1, "", "nobody knows it at the answer");
        assert_eq!(lab.desk.spoken, [(Side::Caller, expected.to_owned())]);
        lab.hangs_up(alice).run(ms(100));
        lab.finish();
    }
}

#[test]
fn a_callee_that_answers_holding_holds_the_caller_too() {
    for late_offer in [false, true] {
        let mut lab = Lab::new();
        let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
        lab.phones[alice].late_offer = late_offer;
        lab.phones[bob].holding = true;
        lab.talk(alice, bob, "202");
        let told = lab.phones[alice].last_response(Method::Invite).body.clone();
        assert_eq!(flow_of(&told), "sendonly", "late offer: {late_offer}");
        assert!(lab.desk.media_of(Side::Caller).held, "who is held is not recorded");
        assert!(!lab.desk.media_of(Side::Caller).receives && lab.desk.media_of(Side::Caller).sends);
        assert_eq!(lab.phones[alice].got(Method::Invite), 0, "told once");
        // Bob takes up.
        lab.phones[bob].holding = false;
        lab.reinvites(bob, "sendrecv").run(ms(200));
        assert_eq!(flow_of(&lab.phones[alice].last_request(Method::Invite).body), "sendrecv");
        assert!(!lab.desk.media_of(Side::Caller).held && lab.desk.media_of(Side::Caller).receives);
        lab.hangs_up(alice).run(ms(100));
        lab.finish();
    }
}

#[test]
fn a_callee_that_answers_inactive_silences_the_caller_too() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100));
    lab.act(bob, |phone, now| {
        let body = phone.voice.say("inactive");
        let response = phone.ok("bob").with_body("application/sdp", body);
        phone.answer_with(response, now);
    });
    lab.run(ms(200));
    assert_eq!(flow_of(&lab.phones[alice].last_response(Method::Invite).body), "inactive");
    let media = lab.desk.media_of(Side::Caller);
    assert!(!media.sends && !media.receives);
    lab.hangs_up(alice).run(ms(100));
    lab.finish();
}

#[test]
fn a_callee_that_holds_after_early_media_is_told_to_the_caller_by_a_re_invite() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).rings_early(bob, 183).run(ms(100));
    lab.phones[bob].holding = true;
    lab.answers(bob).run(ms(500));
    let answered = lab.phones[alice].responses.iter().rfind(|(_, _, response)| response.status == 200).unwrap();
    assert_eq!(flow_of(&answered.2.body), "sendrecv", "the answer was given with the 183");
    assert_eq!(lab.phones[alice].got(Method::Invite), 1);
    assert_eq!(flow_of(&lab.phones[alice].last_request(Method::Invite).body), "sendonly");
    assert!(!lab.desk.media_of(Side::Caller).receives);
    lab.hangs_up(alice).run(ms(100));
    lab.finish();
}

#[test]
fn a_late_offer_without_an_answer_in_the_ack_ends_the_call() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.phones[alice].late_offer = true;
    lab.phones[alice].acks_itself = false;
    lab.calls(alice, "202").run(ms(100)).answers(bob).run(ms(100));
    let (tx, _, _) = lab.phones[alice].responses.last().unwrap().clone();
    lab.act(alice, |phone, now| {
        let dialog = phone.dialog.clone().unwrap();
        let peer = phone.peer;
        phone.endpoint.ack(tx, dialog.ack(dialog.local_seq, ""), peer, now, &mut Seeded(3));
    });
    lab.run(ms(100));
    assert_eq!((lab.phones[alice].got(Method::Bye), lab.phones[bob].got(Method::Bye)), (1, 1));
    assert_eq!(lab.ended().1, EndReason::PeerGone);
    lab.finish();
}

#[test]
fn a_cancel_at_any_moment_ends_the_call_at_both_ends() {
    // In ms after the INVITE: before anything, before the callee's 100, while it rings.
    for (wait, rings) in [(0, false), (7, false), (12, false), (100, false), (100, true), (5_000, true)] {
        let mut lab = Lab::new();
        let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
        lab.act(alice, |phone, now| phone.call("202", now));
        // The challenge takes a round trip before the INVITE that counts.
        lab.run(ms(11));
        lab.run(ms(wait));
        if rings {
            lab.rings(bob, 180).run(ms(50));
        }
        lab.cancels(alice).run(secs(5));
        assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(487), "after {wait} ms");
        assert_eq!(lab.phones[bob].cancelled, 1, "after {wait} ms");
        assert_eq!(lab.ended(), (Outcome::Cancelled, EndReason::CallerCancelled));
        lab.finish();
    }
}

#[test]
fn a_200_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(ms(100));
    // The CANCEL reaches the switch after 5 ms; the callee answers before it hears of it.
    lab.cancels(alice).run(ms(6)).answers(bob).run(secs(1));
    assert_eq!(lab.heard(alice), [180, 487]);
    assert_eq!((lab.phones[bob].acks.len(), lab.phones[bob].got(Method::Bye)), (1, 1));
    assert_eq!(lab.ended(), (Outcome::Cancelled, EndReason::CallerCancelled));
    lab.finish();
}

#[test]
fn a_cancel_after_the_200_changes_nothing_and_the_caller_hangs_up() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(ms(100));
    // The 200 passes the switch just before the CANCEL arrives there.
    lab.answers(bob).run(ms(2)).cancels(alice).run(secs(1));
    assert_eq!(lab.heard(alice), [180, 200]);
    assert!(lab.phones[bob].is_talking());
    lab.hangs_up(alice).run(secs(1));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::CallerHungUp));
    lab.finish();
}

#[test]
fn refusals_of_the_callee_are_mapped_for_the_caller() {
    let rows = [
        (302, 480, Outcome::Failed),
        (404, 404, Outcome::Failed),
        (486, 486, Outcome::Busy),
        (480, 480, Outcome::NoAnswer),
        (488, 488, Outcome::Failed),
        (500, 500, Outcome::Failed),
        (503, 500, Outcome::Failed),
        (600, 600, Outcome::Busy),
        (603, 603, Outcome::Failed),
    ];
    for (refused, told, outcome) in rows {
        let mut lab = Lab::new();
        let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
        lab.phones[bob].on_call = OnCall::Refuse(refused);
        lab.calls(alice, "202").run(secs(1));
        assert_eq!(lab.heard(alice), [told], "{refused}");
        assert_eq!(lab.ended(), (outcome, EndReason::Rejected { status: refused }));
        let retry = lab.phones[alice].last_response(Method::Invite).headers.has("Retry-After");
        assert!(!retry, "{refused}: nobody said when");
        lab.finish();
    }
}

#[test]
fn the_first_device_that_answers_wins_and_the_others_are_cancelled() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    let bobs = [lab.phone(ACME, "202"), lab.phone(ACME, "202"), lab.phone(ACME, "202")];
    lab.calls(alice, "202").run(ms(100));
    for bob in bobs {
        lab.rings(bob, 180).run(ms(50));
    }
    lab.answers(bobs[1]).run(secs(1));
    assert_eq!(bobs.map(|bob| lab.phones[bob].cancelled), [1, 0, 1]);
    assert!(lab.phones[bobs[1]].is_talking());
    lab.hangs_up(alice).run(secs(1));
    assert_eq!(bobs.map(|bob| lab.phones[bob].got(Method::Bye)), [0, 1, 0]);
    lab.finish();
}

#[test]
fn a_late_200_of_another_device_is_acknowledged_and_hung_up_and_the_call_stays() {
    let mut lab = Lab::new();
    let (alice, first, late) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).rings(first, 180).rings(late, 180).run(ms(100));
    lab.answers(first).answers(late).run(secs(1));
    let (winner, loser) = if lab.phones[first].is_talking() { (first, late) } else { (late, first) };
    assert_eq!((lab.phones[loser].acks.len(), lab.phones[loser].got(Method::Bye)), (1, 1));
    assert!(lab.phones[winner].is_talking() && lab.phones[alice].is_talking());
    lab.run(secs(60));
    assert!(lab.phones[alice].is_talking());
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_late_200_whose_bye_nobody_answers_does_not_end_the_call() {
    let mut lab = Lab::new();
    let (alice, first, late) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).rings(first, 180).rings(late, 180).run(ms(100));
    lab.answers(first).run(ms(1)).answers(late);
    lab.phones[late].is_dead = true;
    lab.run(secs(50));
    assert!(lab.phones[alice].is_talking() && lab.phones[first].is_talking());
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_forked_200_with_another_tag_is_acknowledged_and_hung_up() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.carrier());
    lab.calls(alice, "+4989555").run(ms(100)).rings(bob, 180).run(ms(100));
    let forked = lab.phones[bob].ok("other-branch").to_bytes();
    lab.answers(bob).run(ms(50));
    lab.desk.said.clear();
    lab.raw(bob, forked).run(ms(100));
    let sent: Vec<(Method, Option<String>)> = lab
        .desk
        .said
        .iter()
        .filter_map(|bytes| match read(bytes) {
            Message::Request(request) => Some((request.method.clone(), request.to_tag())),
            Message::Response(_) => None,
        })
        .collect();
    let other = Some("other-branch".to_owned());
    assert_eq!(sent, [(Method::Ack, other.clone()), (Method::Bye, other)]);
    assert!(lab.phones[alice].is_talking());
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn of_several_devices_the_most_telling_refusal_is_passed_on() {
    let mut lab = Lab::new();
    let (alice, one, two) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).refuses(one, 486).run(ms(100));
    assert_eq!(lab.heard(alice), Vec::<u16>::new(), "the other device may still answer");
    lab.refuses(two, 500).run(ms(100));
    assert_eq!(lab.heard(alice), [486]);
    lab.calls(alice, "202").run(ms(100)).rings(two, 180).refuses(one, 603).run(ms(100));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(603), "a 6xx speaks for the user");
    assert_eq!(lab.phones[two].cancelled, 1);
    lab.finish();
}

#[test]
fn a_call_that_nobody_answers_ends_by_the_ring_timeout() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(secs(59));
    assert_eq!(lab.heard(alice), [180]);
    lab.run(secs(2));
    assert_eq!(lab.heard(alice), [180, 480]);
    assert!(!lab.phones[alice].last_response(Method::Invite).headers.has("Retry-After"));
    assert_eq!(lab.phones[bob].cancelled, 1);
    assert_eq!(lab.ended(), (Outcome::NoAnswer, EndReason::RingTimeout));
    lab.finish();
}

#[test]
fn a_call_to_a_user_without_a_device_is_answered_480() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    lab.calls(alice, "202").run(secs(1));
    assert_eq!(lab.heard(alice), [480]);
    assert_eq!(lab.ended(), (Outcome::NoAnswer, EndReason::Rejected { status: 480 }));
    assert!(lab.record().is_missed(), "who was called sees that they were");
    lab.finish();
}

#[test]
fn a_device_that_has_vanished_is_given_up_after_64_t1() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.phones[bob].is_dead = true;
    lab.calls(alice, "202").run(secs(40));
    assert_eq!(lab.heard(alice), [480]);
    assert_eq!(lab.ended(), (Outcome::NoAnswer, EndReason::Rejected { status: 408 }));
    lab.finish();
}

#[test]
fn an_offer_that_nobody_here_speaks_is_refused_before_anybody_rings() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    // Comfort noise alone: nothing to speak in, and nothing to pass through.
    lab.phones[alice].voice.formats = vec![13];
    lab.calls(alice, "202").run(secs(1));
    assert_eq!(lab.heard(alice), [488]);
    assert_eq!(lab.phones[bob].got(Method::Invite), 0);
    lab.finish();
}

#[test]
fn an_answer_without_a_usable_description_is_hung_up() {
    for body in [
        "",
        "v=0\r\nnonsense",
        "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n",
    ] {
        let mut lab = Lab::new();
        let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
        lab.calls(alice, "202").run(ms(100));
        lab.act(bob, |phone, now| {
            let mut response = phone.ok("x");
            response.body = Bytes::from_static(body.as_bytes());
            phone.answer_with(response, now);
        });
        lab.run(secs(1));
        assert_eq!((lab.phones[bob].acks.len(), lab.phones[bob].got(Method::Bye)), (1, 1), "{body:?}");
        assert!(lab.heard(alice)[0] >= 400, "{:?}", lab.heard(alice));
        lab.finish();
    }
}

#[test]
fn a_caller_may_end_a_ringing_call_with_bye() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(ms(100));
    lab.act(alice, |phone, now| {
        let (_, request, response) = phone.responses.last().unwrap().clone();
        let mut dialog = dialog_of(&request, &response);
        let bye = dialog.request(Method::Bye, "");
        phone.send(bye, now);
    });
    lab.run(secs(1));
    assert_eq!(lab.phones[alice].last_status(Method::Bye), Some(200));
    assert_eq!(lab.heard(alice), [180, 487]);
    assert_eq!(lab.phones[bob].cancelled, 1);
    assert_eq!(lab.ended(), (Outcome::Cancelled, EndReason::CallerCancelled));
    lab.finish();
}

#[test]
fn a_device_answers_in_another_law_and_each_leg_keeps_its_own() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.phones[alice].voice.formats = vec![0];
    lab.phones[bob].voice.formats = vec![8];
    lab.phones[bob].voice.events = Some(96);
    lab.talk(alice, bob, "202");
    assert_eq!(lab.desk.media_of(Side::Caller).send.0, 0);
    assert_eq!(lab.desk.media_of(Side::Callee).send.0, 8);
    assert_eq!(lab.desk.media_of(Side::Caller).send_events, Some((101, 8_000)));
    assert_eq!(lab.desk.media_of(Side::Callee).send_events, Some((96, 8_000)));
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn an_early_description_that_the_200_does_not_repeat_counts() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).rings_early(bob, 183).run(ms(100));
    lab.act(bob, |phone, now| {
        let mut response = phone.ok("phone1");
        response.body = Bytes::new();
        phone.answer_with(response, now);
    });
    lab.run(ms(100));
    assert!(lab.phones[alice].is_talking() && lab.phones[bob].is_talking());
    assert_eq!(lab.desk.media_of(Side::Callee).remote.port(), 4_000);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn the_early_media_of_one_device_does_not_bind_the_one_that_answers() {
    let mut lab = Lab::new();
    let (alice, one, two) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "202"));
    lab.phones[two].voice.formats = vec![8];
    lab.phones[two].voice.port = 9_000;
    lab.calls(alice, "202").run(ms(100)).rings_early(one, 183).rings(two, 180).run(ms(100));
    lab.answers(two).run(secs(1));
    let media = lab.desk.media_of(Side::Callee);
    assert_eq!((media.remote.port(), media.send.0), (9_000, 8));
    assert_eq!(lab.desk.media_of(Side::Caller).send.0, 0, "what the caller was told in the 183 holds");
    assert_eq!(lab.phones[one].cancelled, 1);
    lab.hangs_up(two).run(secs(1));
    lab.finish();
}
