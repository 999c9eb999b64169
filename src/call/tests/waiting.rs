//! Message waiting: who is told of which messages, and when.

use super::*;
use crate::base::UserId;
use crate::ledger::Waiting;

const ALICE: UserId = UserId(1);
const BOB: UserId = UserId(2);

const fn waiting(new: u64, old: u64) -> Waiting {
    Waiting { new, old, urgent_new: 0, urgent_old: 0 }
}

fn waits(lab: &mut Lab, user: UserId, what: Waiting) {
    lab.operate(|switch, now, wall, desk| switch.set_waiting([(user, what)], now, wall, desk));
    lab.run(ms(100));
}

fn watches(lab: &mut Lab, id: Id, to: &str, headers: &[(&str, &str)]) {
    lab.act(id, |phone, now| phone.subscribe(to, headers, now));
    lab.run(ms(200));
}

/// Counts, and whether each time the subscription went on.
fn told(lab: &Lab, id: Id) -> Vec<(bool, String)> {
    let told = lab.phones[id].told().into_iter();
    told.map(|(state, line)| (state.starts_with("active"), line.trim_start_matches("Voice-Message: ").to_owned()))
        .collect()
}

fn lines(expected: &[(bool, &str)]) -> Vec<(bool, String)> {
    expected.iter().map(|(active, line)| (*active, (*line).to_owned())).collect()
}

#[test]
fn a_phone_that_subscribes_is_told_at_once_at_every_change_and_when_it_is_over() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    watches(&mut lab, alice, "201", &[("Expires", "120")]);
    assert_eq!(lab.phones[alice].last_status(Method::Subscribe), Some(200));
    assert_eq!(lab.phones[alice].last_response(Method::Subscribe).headers.get("Expires"), Some("120"));
    waits(&mut lab, ALICE, waiting(2, 1));
    // The same again is no news, and another's messages are none of theirs.
    waits(&mut lab, ALICE, waiting(2, 1));
    waits(&mut lab, BOB, waiting(7, 7));
    waits(&mut lab, ALICE, Waiting { urgent_new: 1, ..waiting(3, 1) });
    waits(&mut lab, ALICE, waiting(0, 4));
    lab.run(secs(130));
    let expected =
        [(true, "0/0 (0/0)"), (true, "2/1 (0/0)"), (true, "3/1 (1/0)"), (true, "0/4 (0/0)"), (false, "0/4 (0/0)")];
    assert_eq!(told(&lab, alice), lines(&expected));
    let body = String::from_utf8(lab.phones[alice].last_request(Method::Notify).body.to_vec()).unwrap();
    assert_eq!(body, "Messages-Waiting: no\r\nMessage-Account: sip:*98@acme.test\r\nVoice-Message: 0/4 (0/0)\r\n");
    lab.finish();
}

#[test]
fn a_subscription_is_refreshed_ended_and_asked_once() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    watches(&mut lab, alice, "201", &[("Expires", "60")]);
    lab.run(secs(50));
    lab.act(alice, |phone, now| phone.subscribe_again("60", now));
    lab.run(secs(50));
    waits(&mut lab, ALICE, waiting(1, 0));
    assert_eq!(told(&lab, alice), lines(&[(true, "0/0 (0/0)"), (true, "0/0 (0/0)"), (true, "1/0 (0/0)")]));
    lab.act(alice, |phone, now| phone.subscribe_again("0", now));
    lab.run(ms(200));
    assert_eq!(told(&lab, alice).last(), lines(&[(false, "1/0 (0/0)")]).last());
    lab.act(alice, |phone, now| phone.subscribe_again("60", now));
    lab.run(ms(200));
    assert_eq!(lab.phones[alice].last_status(Method::Subscribe), Some(481));
    let before = lab.phones[alice].told().len();
    watches(&mut lab, alice, "*98", &[("Expires", "0")]);
    assert_eq!(told(&lab, alice)[before..], lines(&[(false, "1/0 (0/0)")]));
    lab.finish();
}

#[test]
fn what_cannot_be_watched_is_refused_with_the_way_out() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    type Row = (&'static str, [(&'static str, &'static str); 1], u16, Option<(&'static str, &'static str)>);
    let rows: [Row; 5] = [
        ("201", [("Event", "presence")], 489, Some(("Allow-Events", "message-summary"))),
        ("201", [("Expires", "5")], 423, Some(("Min-Expires", "60"))),
        ("201", [("Accept", "application/pidf+xml")], 406, Some(("Accept", "application/simple-message-summary"))),
        ("202", [("Expires", "60")], 404, None),
        ("299", [("Expires", "60")], 404, None),
    ];
    for (to, headers, status, header) in rows {
        watches(&mut lab, alice, to, &headers);
        let response = lab.phones[alice].last_response(Method::Subscribe);
        assert_eq!(response.status, status, "{to} {headers:?}");
        if let Some((name, value)) = header {
            assert_eq!(response.headers.get(name), Some(value));
        }
    }
    assert_eq!(lab.phones[alice].told(), []);
    lab.finish();
}

#[test]
fn whoever_does_not_prove_a_password_watches_nothing() {
    let mut lab = Lab::new();
    let mallory = lab.new_phone(ACME, "201", Transport::Udp);
    lab.phones[mallory].password = "guess".to_owned();
    watches(&mut lab, mallory, "201", &[]);
    assert_eq!(lab.phones[mallory].statuses(Method::Subscribe), [401, 401]);
    waits(&mut lab, ALICE, waiting(1, 0));
    assert_eq!(lab.phones[mallory].told(), []);
    lab.finish();
}

#[test]
fn a_registered_device_that_did_not_ask_is_told_too() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    waits(&mut lab, ALICE, waiting(1, 0));
    waits(&mut lab, ALICE, waiting(0, 1));
    // One that comes later is told what is so, also where nothing is new: its lamp may still be on.
    let second = lab.phone(ACME, "201");
    let expected = lines(&[(false, "1/0 (0/0)"), (false, "0/1 (0/0)")]);
    assert_eq!(told(&lab, alice), expected);
    assert_eq!(told(&lab, second), expected[1..]);
    // A user without any box hears nothing of all this.
    assert_eq!(lab.phones[bob].told(), []);
    // Registering again is no news.
    lab.act(alice, |phone, now| phone.register(&[], now));
    lab.run(ms(200));
    assert_eq!(told(&lab, alice), expected);
    lab.finish();
}

#[test]
fn a_device_that_subscribed_is_not_told_twice_and_one_that_refuses_is_left_alone() {
    let mut lab = Lab::new();
    let (alice, second) = (lab.phone(ACME, "201"), lab.phone(ACME, "201"));
    watches(&mut lab, alice, "201", &[]);
    lab.phones[second].gate = Some(Gate::new(403));
    waits(&mut lab, ALICE, waiting(1, 0));
    waits(&mut lab, ALICE, waiting(2, 0));
    assert_eq!(told(&lab, alice), lines(&[(true, "0/0 (0/0)"), (true, "1/0 (0/0)"), (true, "2/0 (0/0)")]));
    assert_eq!(lab.phones[second].told().len(), 1);
    lab.finish();
}

#[test]
fn a_subscriber_that_is_gone_is_forgotten_and_changes_meanwhile_are_one() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    watches(&mut lab, alice, "201", &[]);
    lab.phones[alice].deaf_to = Some(Method::Notify);
    waits(&mut lab, ALICE, waiting(1, 0));
    waits(&mut lab, ALICE, waiting(2, 0));
    waits(&mut lab, ALICE, waiting(3, 0));
    lab.run(secs(40));
    let of_subscription = |lab: &Lab| told(lab, alice).into_iter().filter(|(active, _)| *active).count();
    assert_eq!(of_subscription(&lab), 2, "the first answer, and one that nobody answered");
    lab.phones[alice].deaf_to = None;
    waits(&mut lab, ALICE, waiting(4, 0));
    assert_eq!(of_subscription(&lab), 2, "the subscription is over");
    lab.finish();
}

#[test]
fn after_a_restart_devices_are_told_what_is_so_then() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    waits(&mut lab, ALICE, waiting(1, 0));
    lab.restart();
    waits(&mut lab, ALICE, waiting(0, 0));
    assert_eq!(told(&lab, alice), lines(&[(false, "1/0 (0/0)"), (false, "0/0 (0/0)")]));
    lab.finish();
}
