//! Whole calls over a network that loses every fifth datagram in both directions.

use super::*;

const SEEDS: u64 = 40;

/// Two registered phones on a network that has become bad.
fn bad(seed: u64) -> (Lab, Id, Id) {
    let mut lab = Lab::seeded(seed);
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    (lab.loss_percent, lab.jitter) = (20, ms(30));
    (lab, alice, bob)
}

/// What the caller was finally told, if it is still there to be told.
fn final_status(lab: &Lab, id: Id) -> Option<u16> {
    lab.phones[id].last_status(Method::Invite).filter(|status| *status >= 200)
}

#[test]
fn registrations_get_through() {
    for seed in 0..SEEDS {
        let mut lab = Lab::seeded(seed);
        (lab.loss_percent, lab.jitter) = (20, ms(30));
        let alice = lab.new_phone(ACME, "201", Transport::Udp);
        lab.act(alice, |phone, now| phone.register(&[], now));
        lab.run(secs(64));
        assert_eq!(lab.phones[alice].last_status(Method::Register), Some(200), "seed {seed}");
        lab.finish();
    }
}

#[test]
fn calls_are_answered_talked_and_hung_up_from_either_side() {
    for seed in 0..SEEDS {
        let (mut lab, alice, bob) = bad(seed);
        lab.phones[bob].on_call = OnCall::Answer;
        lab.calls(alice, "202").run(secs(64));
        assert_eq!(final_status(&lab, alice), Some(200), "seed {seed}");
        assert!(lab.phones[alice].is_talking() && lab.phones[bob].is_talking(), "seed {seed}");
        let (by, other, reason) = match seed % 2 {
            0 => (alice, bob, EndReason::CallerHungUp),
            _ => (bob, alice, EndReason::CalleeHungUp),
        };
        lab.hangs_up(by).run(secs(40));
        assert!(!lab.phones[other].is_talking(), "seed {seed}");
        assert_eq!(lab.ended(), (Outcome::Completed, reason), "seed {seed}");
        lab.finish();
    }
}

#[test]
fn calls_are_cancelled_at_any_moment() {
    for seed in 0..SEEDS {
        let (mut lab, alice, bob) = bad(seed);
        lab.calls(alice, "202").run(ms(97 * seed));
        lab.cancels(alice).run(secs(64));
        if lab.phones[alice].is_talking() {
            lab.hangs_up(alice).run(secs(40));
        }
        assert!(final_status(&lab, alice).is_some(), "seed {seed}: {:?}", lab.phones[alice].statuses(Method::Invite));
        assert!(!lab.phones[bob].is_talking(), "seed {seed}");
        assert!(lab.phones[bob].incoming.is_none(), "seed {seed}: nobody rings any more");
        lab.finish();
    }
}

#[test]
fn refusals_reach_the_caller() {
    for seed in 0..SEEDS {
        let (mut lab, alice, bob) = bad(seed);
        lab.phones[bob].on_call = OnCall::Refuse(486);
        lab.calls(alice, "202").run(secs(64));
        assert_eq!(final_status(&lab, alice), Some(486), "seed {seed}");
        assert_eq!(lab.ended().0, Outcome::Busy, "seed {seed}");
        lab.finish();
    }
}

#[test]
fn of_two_devices_that_answer_one_talks_and_the_other_is_let_go() {
    for seed in 0..SEEDS {
        let (mut lab, alice, bob) = bad(seed);
        lab.loss_percent = 0;
        let other = lab.phone(ACME, "202");
        lab.loss_percent = 20;
        for id in [bob, other] {
            lab.phones[id].on_call = OnCall::Answer;
        }
        lab.calls(alice, "202").run(secs(100));
        assert_eq!(final_status(&lab, alice), Some(200), "seed {seed}");
        let talking = [bob, other].map(|id| lab.phones[id].is_talking());
        assert_eq!(talking.into_iter().filter(|talks| *talks).count(), 1, "seed {seed}");
        lab.hangs_up(alice).run(secs(40));
        lab.finish();
    }
}

#[test]
fn hold_and_unhold_get_through_or_the_call_ends_for_both() {
    for seed in 0..SEEDS {
        let (mut lab, alice, bob) = bad(seed);
        lab.phones[bob].on_call = OnCall::Answer;
        lab.calls(alice, "202").run(secs(40));
        for flow in ["sendonly", "sendrecv"] {
            if lab.phones[alice].is_talking() {
                lab.reinvites(alice, flow).run(secs(40));
            }
        }
        assert_eq!(lab.phones[alice].is_talking(), lab.phones[bob].is_talking(), "seed {seed}");
        if lab.phones[alice].is_talking() {
            assert_eq!(final_status(&lab, alice), Some(200), "seed {seed}");
            lab.hangs_up(alice).run(secs(40));
        }
        lab.finish();
    }
}

#[test]
fn calls_through_the_carrier_complete_both_ways() {
    for seed in 0..SEEDS {
        let mut lab = Lab::seeded(seed);
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        (lab.loss_percent, lab.jitter) = (20, ms(30));
        for id in [alice, carrier] {
            lab.phones[id].on_call = OnCall::Answer;
        }
        for (caller, callee, number) in [(carrier, alice, "+49301110001"), (alice, carrier, "+4989555123")] {
            lab.calls(caller, number).run(secs(64));
            assert_eq!(final_status(&lab, caller), Some(200), "seed {seed}");
            lab.hangs_up(callee).run(secs(64));
            assert!(!lab.phones[caller].is_talking(), "seed {seed}");
        }
        lab.finish();
    }
}
