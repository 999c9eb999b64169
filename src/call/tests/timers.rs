//! Session timers (RFC 4028), Max-Forwards, loops, merged requests.

use super::*;

fn pair() -> (Lab, Id, Id) {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.switch.config.session_timer = Policy { interval_s: 120, min_s: 90 };
    (lab, alice, bob)
}

#[test]
fn a_leg_without_timers_is_refreshed_by_us_at_half_the_interval() {
    for update in [true, false] {
        let (mut lab, alice, bob) = pair();
        if !update {
            lab.phones[bob].extra = vec![("Allow".to_owned(), "INVITE, ACK, BYE, CANCEL".to_owned())];
        }
        lab.talk(alice, bob, "202").run(secs(64));
        let refreshes = |lab: &Lab, method| lab.phones[bob].got(method);
        let (method, before) = if update { (Method::Update, 0) } else { (Method::Invite, 1) };
        assert_eq!(refreshes(&lab, method.clone()), before + 1, "{method}");
        lab.run(secs(200));
        assert!(refreshes(&lab, method.clone()) >= before + 4, "{method}");
        assert!(lab.phones[alice].is_talking() && lab.phones[bob].is_talking());
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
}

#[test]
fn a_caller_that_refreshes_keeps_the_call_and_one_that_stops_ends_it() {
    let (mut lab, alice, bob) = pair();
    let timer = [("Supported", "timer"), ("Session-Expires", "120;refresher=uac")];
    lab.phones[alice].extra.extend(timer.map(|(name, value)| (name.to_owned(), value.to_owned())));
    lab.talk(alice, bob, "202");
    let answer = lab.phones[alice].last_response(Method::Invite).clone();
    assert_eq!(answer.headers.get("Session-Expires"), Some("120;refresher=uac"));
    assert!(answer.headers.names("Require", "timer"));
    for _ in 0..3 {
        lab.run(secs(60)).act(alice, |phone, now| {
            let mut update = phone.inside(Method::Update);
            for (name, value) in timer {
                update.headers.set(name, value);
            }
            phone.send(update, now);
        });
    }
    lab.run(secs(60));
    assert!(lab.phones[alice].is_talking());
    lab.run(secs(60));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::SessionExpired));
    assert_eq!((lab.phones[alice].got(Method::Bye), lab.phones[bob].got(Method::Bye)), (1, 1));
    lab.finish();
}

#[test]
fn a_refresh_that_nobody_answers_ends_the_call() {
    // A short session expires before the refresh is given up.
    for (interval_s, reason) in [(120, EndReason::SessionExpired), (600, EndReason::PeerGone)] {
        let (mut lab, alice, bob) = pair();
        lab.switch.config.session_timer.interval_s = interval_s;
        lab.talk(alice, bob, "202");
        lab.phones[bob].is_dead = true;
        lab.run(secs(u64::from(interval_s)));
        assert_eq!(lab.ended(), (Outcome::Completed, reason));
        assert_eq!(lab.phones[alice].got(Method::Bye), 1);
        lab.finish();
    }
}

#[test]
fn a_refresh_that_meets_glare_is_tried_again() {
    let (mut lab, alice, bob) = pair();
    lab.talk(alice, bob, "202");
    lab.phones[bob].on_change = OnChange::Refuse(491);
    lab.run(secs(62));
    lab.phones[bob].on_change = OnChange::Accept;
    let refused = lab.phones[bob].got(Method::Update);
    assert!(refused >= 1);
    lab.run(secs(100));
    assert!(lab.phones[bob].got(Method::Update) > refused);
    assert!(lab.phones[bob].is_talking());
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_call_that_rings_longer_than_half_a_session_still_rings() {
    let (mut lab, alice, bob) = pair();
    lab.switch.config.ring_timeout = secs(300);
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(secs(200)).answers(bob).run(secs(30));
    assert!(lab.phones[alice].is_talking());
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn an_interval_that_is_too_small_is_refused_with_422() {
    let (mut lab, alice, _) = pair();
    lab.phones[alice]
        .extra
        .extend([("Supported", "timer"), ("Session-Expires", "60")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    lab.calls(alice, "202").run(secs(1));
    assert_eq!(lab.heard(alice), [422]);
    assert_eq!(lab.phones[alice].last_response(Method::Invite).headers.get("Min-SE"), Some("90"));
    lab.finish();
}

#[test]
fn a_422_of_the_callee_is_obeyed_once() {
    let (mut lab, alice, bob) = pair();
    for least in ["300", "600"] {
        lab.calls(alice, "202").run(ms(100));
        lab.act(bob, |phone, now| {
            let (tx, request) = phone.incoming.take().unwrap();
            phone.endpoint.respond(tx, request.response(422).with_header("Min-SE", "300"), now);
        });
        lab.run(ms(100));
        let again = lab.phones[bob].last_request(Method::Invite).clone();
        assert_eq!(again.headers.get("Session-Expires"), Some("300"));
        assert_eq!(again.cseq().unwrap().seq, 2);
        if least == "300" {
            lab.answers(bob).run(ms(100));
            assert!(lab.phones[alice].is_talking());
            lab.hangs_up(alice).run(ms(100));
            continue;
        }
        lab.act(bob, |phone, now| {
            let (tx, request) = phone.incoming.take().unwrap();
            phone.endpoint.respond(tx, request.response(422).with_header("Min-SE", least), now);
        });
        lab.run(ms(100));
        assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(500));
    }
    lab.finish();
}

#[test]
fn max_forwards_is_counted_down_and_ends_at_zero() {
    let (mut lab, alice, bob) = pair();
    for (hops, expected) in [("0", Some(483)), ("1", None), ("17", None)] {
        lab.phones[alice].extra.push(("Max-Forwards".to_owned(), hops.to_owned()));
        lab.calls(alice, "202").run(ms(100));
        match expected {
            Some(status) => assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(status)),
            None => {
                let left = lab.phones[bob].last_request(Method::Invite).max_forwards();
                assert_eq!(left, hops.parse::<u8>().ok().map(|hops| hops - 1));
                lab.cancels(alice).run(ms(100));
            }
        }
    }
    lab.finish();
}

#[test]
fn a_loop_through_the_carrier_back_to_us_ends_by_max_forwards() {
    let mut lab = Lab::new();
    let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
    // Bob's phone is the carrier's exchange: it forwards every call to Bob's number again.
    let bob = lab.phone(ACME, "202");
    lab.phones[alice].extra.push(("Max-Forwards".to_owned(), "6".to_owned()));
    lab.calls(alice, "202");
    let mut passes = 0;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        lab.run(ms(50));
        let Some((tx, request)) = lab.phones[bob].incoming.take() else { break };
        waiting.push((tx, request.clone()));
        passes += 1;
        let left = request.max_forwards().unwrap();
        lab.phones[carrier].extra = vec![("Max-Forwards".to_owned(), left.to_string())];
        lab.calls(carrier, "+49301110002");
    }
    assert_eq!(passes, 6);
    assert_eq!(lab.phones[carrier].last_status(Method::Invite), Some(483));
    for (tx, request) in waiting {
        lab.act(bob, |phone, now| phone.endpoint.respond(tx, request.response(483), now));
    }
    lab.run(secs(1));
    assert_eq!(lab.heard(alice), [483]);
    lab.finish();
}

#[test]
fn a_request_that_comes_twice_over_two_ways_is_merged() {
    let mut lab = Lab::new();
    let (bob, carrier) = (lab.phone(ACME, "202"), lab.carrier());
    lab.act(carrier, |phone, now| {
        let invite = phone.invite("+49301110002");
        phone.outgoing = Some((phone.send(invite.clone(), now), invite.clone()));
        phone.send(invite, now);
    });
    lab.run(ms(200));
    assert_eq!(lab.heard(carrier), [482]);
    assert_eq!(lab.phones[bob].got(Method::Invite), 1);
    lab.cancels(carrier).run(secs(1));
    lab.finish();
}

#[test]
fn a_refresh_that_is_refused_as_update_goes_on_as_reinvite() {
    for status in [405, 422, 500] {
        let (mut lab, alice, bob) = pair();
        lab.talk(alice, bob, "202");
        lab.phones[bob].on_change = OnChange::Refuse(status);
        lab.run(secs(61));
        lab.phones[bob].on_change = OnChange::Accept;
        lab.run(secs(300));
        assert!(lab.phones[bob].is_talking(), "{status}");
        assert_eq!(lab.phones[bob].got(Method::Invite) > 1, status == 405, "{status}");
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
}
