//! PRACK: callers that require it, called devices that want it.

use super::*;
use crate::base::{CompanyId, GroupId, Side};
use crate::directory::{Facility, FacilityRow, GroupText, Route};
use crate::sip::reliable::rseq;

const OFFER_BY_US: &str = "a=sendrecv";

/// Alice requires reliable responses; Bob is there.
fn requiring() -> (Lab, Id, Id) {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.phones[alice].extra.push(("Require".to_owned(), "100rel".to_owned()));
    (lab, alice, bob)
}

impl Lab {
    fn rings_reliably(&mut self, id: Id, status: u16, early_media: bool) -> &mut Self {
        self.act(id, |phone, now| phone.ring_reliably(status, early_media, now));
        self
    }

    /// Status, RSeq and whether it describes, of what a phone heard of its INVITE after the 100.
    fn heard_reliably(&self, id: Id) -> Vec<(u16, Option<u32>, bool)> {
        let of = self.phones[id].responses.iter().filter(|(_, request, _)| request.method == Method::Invite);
        let of = of.filter(|(_, _, response)| !matches!(response.status, 100 | 401));
        of.map(|(_, _, response)| (response.status, rseq(response), !response.body.is_empty())).collect()
    }

    /// The RAck of each PRACK that a phone got.
    fn racks(&self, id: Id) -> Vec<String> {
        let pracks = self.phones[id].requests.iter().filter(|(_, request)| request.method == Method::Prack);
        pracks.map(|(_, prack)| prack.headers.get("RAck").unwrap().to_owned()).collect()
    }

    fn acknowledges_last(&mut self, id: Id) -> &mut Self {
        let (_, request) = self.phones[id].outgoing.clone().unwrap();
        let response = self.phones[id].last_response(Method::Invite).clone();
        self.act(id, |phone, now| phone.prack(&request, &response, now));
        self.run(ms(100))
    }
}

#[test]
fn a_caller_that_requires_it_hears_ringing_reliably_and_its_answer_once() {
    let (mut lab, alice, bob) = requiring();
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(secs(2)).rings_early(bob, 183).run(secs(2));
    lab.answers(bob).run(secs(1));
    let heard = lab.heard_reliably(alice);
    let first = heard[0].1.expect("an RSeq");
    let expected = [(180, Some(first), false), (183, Some(first + 1), true), (200, None, false)];
    assert_eq!(heard, expected, "in order, each once, the answer in the 183 alone");
    assert_eq!(lab.phones[alice].statuses(Method::Prack), [200, 200]);
    assert!(lab.phones[alice].is_talking() && lab.phones[bob].is_talking());
    lab.reinvites(alice, "sendonly").run(ms(300));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(200), "the dialog counts on");
    lab.hangs_up(bob).run(secs(1));
    lab.finish();
}

#[test]
fn a_caller_that_only_knows_it_is_not_made_to_acknowledge() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.phones[alice].extra.push(("Supported".to_owned(), "100rel".to_owned()));
    lab.talk(alice, bob, "202");
    assert_eq!(lab.heard_reliably(alice), [(180, None, false), (200, None, true)]);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn the_200_waits_for_the_acknowledgement_of_the_answer_and_the_other_devices_stop_ringing() {
    let (mut lab, alice, bob) = requiring();
    let desk = lab.phone(ACME, "202");
    lab.phones[alice].pracks = false;
    lab.calls(alice, "202").run(ms(100)).rings_early(bob, 183).run(ms(100)).answers(bob).run(secs(1));
    assert_eq!(lab.heard(alice).last(), Some(&183));
    assert_eq!((lab.phones[desk].cancelled, lab.phones[bob].acks.len()), (1, 0));
    lab.acknowledges_last(alice);
    assert_eq!(lab.heard(alice).last(), Some(&200));
    assert!(lab.phones[alice].is_talking() && lab.phones[bob].acks.len() == 1);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn the_200_does_not_wait_for_the_acknowledgement_of_mere_ringing() {
    let (mut lab, alice, bob) = requiring();
    lab.phones[alice].pracks = false;
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(ms(100)).answers(bob).run(ms(100));
    assert_eq!(lab.heard(alice), [180, 200]);
    // Its PRACK still has an answer, once.
    let (_, request) = lab.phones[alice].outgoing.clone().unwrap();
    let ringing = lab.phones[alice].responses.iter().find(|(_, _, response)| response.status == 180).unwrap().2.clone();
    for _ in 0..2 {
        let (request, ringing) = (request.clone(), ringing.clone());
        lab.act(alice, |phone, now| phone.prack(&request, &ringing, now));
        lab.run(ms(100));
    }
    assert_eq!(lab.phones[alice].statuses(Method::Prack), [200, 481], "the second one acknowledges nothing");
    lab.run(secs(40));
    assert_eq!(lab.heard(alice), [180, 200], "and is not sent again");
    lab.hangs_up(bob).run(secs(1));
    lab.finish();
}

#[test]
fn what_is_never_acknowledged_ends_the_call() {
    for answered in [false, true] {
        let (mut lab, alice, bob) = requiring();
        lab.phones[alice].pracks = false;
        lab.calls(alice, "202").run(ms(100)).rings_early(bob, 183).run(ms(100));
        if answered {
            lab.answers(bob);
        }
        lab.run(secs(40));
        let heard = lab.heard(alice);
        assert_eq!((heard.len(), heard.last()), (8, Some(&504)), "once, six times again, and the end: {heard:?}");
        assert_eq!(lab.ended().1, EndReason::Rejected { status: 504 });
        let let_go = if answered { lab.phones[bob].got(Method::Bye) } else { lab.phones[bob].cancelled };
        assert_eq!(let_go, 1, "{answered}");
        assert!(!lab.phones[bob].is_talking());
        lab.finish();
    }
}

#[test]
fn a_caller_that_gives_up_while_its_answer_is_kept_leaves_nobody_behind() {
    let (mut lab, alice, bob) = requiring();
    lab.phones[alice].pracks = false;
    lab.calls(alice, "202").run(ms(100)).rings_early(bob, 183).run(ms(100)).answers(bob).run(ms(100));
    lab.cancels(alice).run(secs(1));
    assert_eq!(lab.heard(alice).last(), Some(&487));
    assert_eq!((lab.phones[bob].got(Method::Bye), lab.phones[bob].is_talking()), (1, false));
    lab.finish();
}

#[test]
fn a_late_offer_is_made_in_the_first_reliable_response_and_answered_in_its_prack() {
    for answers in [true, false] {
        let (mut lab, alice, bob) = requiring();
        lab.phones[alice].late_offer = true;
        lab.phones[alice].pracks = answers;
        lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(ms(300));
        let ringing = lab.phones[alice].last_response(Method::Invite);
        assert!(String::from_utf8_lossy(&ringing.body).contains(OFFER_BY_US));
        if !answers {
            let (_, mut request) = lab.phones[alice].outgoing.clone().unwrap();
            request.body = Bytes::from_static(b"x");
            let response = ringing.clone();
            lab.act(alice, |phone, now| phone.prack(&request, &response, now));
            lab.run(secs(1));
            assert!(lab.phones[alice].last_status(Method::Prack).unwrap() >= 400, "there is no session without");
            assert!(lab.heard(alice).last() >= Some(&400));
            lab.finish();
            continue;
        }
        assert_eq!(lab.phones[alice].statuses(Method::Prack), [200]);
        lab.rings(bob, 183).run(ms(300)).answers(bob).run(secs(1));
        assert_eq!(lab.heard_reliably(alice).last(), Some(&(200, None, false)));
        assert!(lab.phones[alice].acks.is_empty() && lab.phones[alice].is_talking());
        for side in Side::BOTH {
            assert!(lab.desk.media_of(side).sends && lab.desk.media_of(side).receives);
        }
        assert_eq!(lab.desk.media_of(Side::Caller).remote.port(), 4_000);
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
}

#[test]
fn a_prack_that_acknowledges_nothing_finds_nothing_and_one_with_another_offer_has_it_refused() {
    let (mut lab, alice, bob) = requiring();
    lab.phones[alice].pracks = false;
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(ms(100));
    let (_, request) = lab.phones[alice].outgoing.clone().unwrap();
    let ringing = lab.phones[alice].last_response(Method::Invite).clone();
    let mut wrong = ringing.clone();
    wrong.headers.set("RSeq", "7");
    lab.act(alice, |phone, now| phone.prack(&request, &wrong, now));
    lab.run(ms(100));
    assert_eq!(lab.phones[alice].last_status(Method::Prack), Some(481));
    let mut late = request.clone();
    late.body = Bytes::new();
    let mut offering = ringing;
    offering.body = Bytes::from_static(b"v=0");
    lab.act(alice, |phone, now| phone.prack(&late, &offering, now));
    lab.run(ms(100));
    assert_eq!(lab.phones[alice].last_status(Method::Prack), Some(488));
    lab.run(secs(40));
    assert_eq!(lab.heard(alice), [180], "it is acknowledged all the same");
    lab.answers(bob).run(ms(100)).hangs_up(bob).run(secs(1));
    lab.finish();
}

#[test]
fn a_caller_in_a_call_flow_hears_ringing_reliably_and_its_answer_in_the_200() {
    let members = vec!["202".to_owned()];
    let group = GroupText { label: "Sales".to_owned(), members, subscribe_members: false };
    let row = FacilityRow { id: 60, company: CompanyId(1), name: "sales".to_owned(), facility: Facility::Group(group) };
    for late_offer in [false, true] {
        let mut parts = companies();
        parts.numbers[0].route = Route::Group(GroupId(60));
        let mut lab = Lab::new();
        lab.switch.set_directory(Arc::new(directory::build(parts).with_facilities(vec![row.clone()])));
        let (carrier, bob) = (lab.carrier(), lab.phone(ACME, "202"));
        lab.phones[carrier].extra.push(("Require".to_owned(), "100rel".to_owned()));
        lab.phones[carrier].late_offer = late_offer;
        lab.calls(carrier, "+49301110001").run(ms(100)).rings_early(bob, 183).run(ms(300)).answers(bob).run(ms(300));
        let said: Vec<(u16, bool)> =
            lab.heard_reliably(carrier).into_iter().map(|(status, _, sdp)| (status, sdp)).collect();
        assert_eq!(said, [&[(183, false)][..], &[(200, true)][..]].concat()[usize::from(late_offer)..], "{late_offer}");
        lab.hangs_up(carrier).run(secs(1));
        lab.finish();
    }
}

#[test]
fn a_devices_reliable_responses_are_acknowledged_in_order_and_their_answer_is_the_answer() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100));
    assert!(lab.phones[bob].last_request(Method::Invite).headers.names("Supported", "100rel"));
    lab.rings_reliably(bob, 180, false).rings_reliably(bob, 183, true).run(ms(200));
    assert_eq!(lab.racks(bob), ["41 1 INVITE", "42 1 INVITE"]);
    assert_eq!(lab.heard(alice), [180, 183]);
    lab.phones[bob].voice.port = 5_000;
    lab.answers(bob).run(secs(1));
    assert_eq!(lab.desk.media_of(Side::Callee).remote.port(), 4_000, "what the 200 says counts no more");
    lab.reinvites(alice, "sendonly").run(ms(300));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(200), "the dialog counts on behind the PRACKs");
    lab.hangs_up(alice).run(secs(1));
    assert!(!lab.phones[bob].is_talking() && lab.phones[bob].failures == 0);
    lab.finish();
}

#[test]
fn what_comes_twice_or_before_its_turn_is_dropped() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100));
    let (tx, request) = lab.phones[bob].incoming.clone().unwrap();
    let tag = format!("phone{bob}");
    for (status, rseq) in [(180, 7), (180, 7), (183, 9), (182, 8), (183, 9)] {
        let response = request.response(status).with_to_tag(&tag).with_header("Require", "100rel");
        let response = response.with_header("RSeq", rseq.to_string());
        lab.act(bob, |phone, now| phone.endpoint.respond(tx, response, now));
        lab.run(ms(50));
    }
    assert_eq!(lab.racks(bob), ["7 1 INVITE", "8 1 INVITE", "9 1 INVITE"]);
    assert_eq!(lab.heard(alice), [180, 182, 183]);
    lab.cancels(alice).run(secs(40));
    lab.finish();
}

#[test]
fn a_late_2xx_that_nobody_waits_for_is_ended_behind_its_pracks() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.calls(alice, "202").run(ms(100)).rings_reliably(bob, 180, false).run(ms(100));
    // The answer crosses the CANCEL.
    lab.cancels(alice).answers(bob).run(secs(1));
    assert_eq!(lab.heard(alice), [180, 487]);
    let bye = lab.phones[bob].last_request(Method::Bye);
    assert!(bye.cseq().unwrap().seq > lab.phones[bob].last_request(Method::Prack).cseq().unwrap().seq);
    assert!(!lab.phones[bob].is_talking());
    lab.finish();
}

#[test]
fn a_carrier_that_challenges_everything_gets_its_prack_with_the_password() {
    let secret = crate::directory::file::Secret::stored("open".to_owned());
    let login =
        crate::directory::Login { user: "acme".to_owned(), secret: crate::directory::LoginSecret::Clear(secret) };
    let mut lab = Lab::with(|parts| parts.trunks[0].login = Some(login));
    let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
    lab.phones[carrier].gate = Some(Gate::new(407));
    lab.calls(alice, "089555123").run(ms(300)).rings_reliably(carrier, 183, true).run(ms(300));
    assert_eq!(lab.phones[carrier].got(Method::Prack), 2);
    lab.answers(carrier).run(ms(300));
    lab.run(secs(40));
    assert_eq!(lab.phones[carrier].failures, 0, "it was acknowledged");
    lab.hangs_up(alice).run(secs(1));
    assert!(!lab.phones[carrier].is_talking());
    lab.finish();
}

#[test]
fn the_target_of_a_transfer_rings_reliably_too() {
    let mut lab = Lab::new();
    let (alice, bob, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    lab.talk(alice, bob, "202");
    lab.act(bob, |phone, now| phone.refer("<sip:203@acme.test>", &[], now));
    lab.run(ms(100)).rings_reliably(carol, 180, false).run(ms(100)).rings_reliably(carol, 183, true).run(ms(100));
    lab.answers(carol).run(ms(300));
    assert_eq!(lab.racks(carol).len(), 2);
    assert_eq!(lab.phones[bob].progress(), [100, 180, 183, 200]);
    lab.hangs_up(alice).run(secs(1));
    assert!(!lab.phones[carol].is_talking());
    lab.finish();
}

#[test]
fn reliable_responses_survive_a_lossy_network_on_both_sides() {
    for seed in 1..=8 {
        let mut lab = Lab::seeded(seed);
        let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
        lab.phones[alice].extra.push(("Require".to_owned(), "100rel".to_owned()));
        (lab.loss_percent, lab.jitter) = (25, ms(30));
        lab.calls(alice, "202").run(secs(10));
        lab.rings_reliably(bob, 180, false).rings_reliably(bob, 183, true).run(secs(12));
        lab.answers(bob).run(secs(12));
        (lab.loss_percent, lab.jitter) = (0, ms(0));
        assert!(lab.phones[alice].is_talking() && lab.phones[bob].is_talking(), "seed {seed}");
        let mut heard = lab.heard_reliably(alice);
        heard.dedup();
        let said: Vec<(u16, bool)> = heard.iter().map(|(status, _, sdp)| (*status, *sdp)).collect();
        assert_eq!(said, [(180, false), (183, true), (200, false)], "seed {seed}");
        lab.hangs_up(alice).run(secs(8));
        lab.finish();
    }
}
