//! Guessing of passwords over SIP.

use super::*;
use crate::call::Note;

/// A phone at an address, with that password.
fn phone_at(lab: &mut Lab, extension: &str, address: &str, password: &str) -> Id {
    let id = lab.add_phone(ACME, extension, Transport::Udp, address);
    lab.phones[id].password = password.to_owned();
    id
}

fn registers(lab: &mut Lab, id: Id) -> u16 {
    lab.act(id, |phone, now| phone.register(&[("Expires", "36000")], now));
    lab.run(ms(500));
    lab.phones[id].last_status(Method::Register).unwrap()
}

fn answer(lab: &Lab, id: Id) -> (u16, String, Option<String>) {
    let response = lab.phones[id].last_response(Method::Register);
    (response.status, response.reason.clone(), response.headers.get("Retry-After").map(str::to_owned))
}

#[test]
fn a_guesser_is_locked_out_and_learns_neither_names_nor_passwords_from_it() {
    let mut lab = Lab::new();
    let evil = phone_at(&mut lab, "201", "203.0.113.66:5060", "guess");
    for tries in 1..=10 {
        let expected = if tries < 10 { 401 } else { 403 };
        assert_eq!(registers(&mut lab, evil), expected, "try {tries}");
    }
    assert!(lab.desk.notes.iter().any(|note| matches!(note, Note::LockedOut { .. })));
    let wrong = phone_at(&mut lab, "202", "203.0.113.66:5061", "guess");
    let nobody = phone_at(&mut lab, "nobody", "203.0.113.66:5062", "guess");
    let right = phone_at(&mut lab, "203", "203.0.113.66:5063", "secret of acme.test");
    let answers: Vec<_> = [wrong, nobody, right]
        .into_iter()
        .map(|id| {
            registers(&mut lab, id);
            let (status, reason, retry) = answer(&lab, id);
            (status, reason, retry.is_some())
        })
        .collect();
    assert_eq!(answers[0].0, 403);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    lab.run(secs(31));
    assert_eq!(registers(&mut lab, right), 200, "it ends");
    lab.finish();
}

#[test]
fn a_guesser_locks_nobody_out_of_a_known_address() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    for host in 0..30 {
        let evil = phone_at(&mut lab, "201", &format!("203.0.113.{host}:5060"), "guess");
        registers(&mut lab, evil);
    }
    let elsewhere = phone_at(&mut lab, "201", "198.51.100.9:5060", "secret of acme.test");
    assert_eq!(registers(&mut lab, elsewhere), 403, "from a new address the name is locked");
    assert_eq!(registers(&mut lab, alice), 200, "from the known one it is not");
    let view = lab.switch.lockouts(lab.now, None);
    assert_eq!((view.len(), view[0].name.as_str()), (1, "acme/201"));
    assert!(lab.operate(|switch, _, _, _| switch.clear_lockouts(Some("acme/201"), None)) > 0);
    assert_eq!(registers(&mut lab, elsewhere), 200);
    lab.finish();
}

#[test]
fn forged_addresses_make_no_failures_for_others() {
    let mut lab = Lab::new();
    let (alice, evil) = (lab.phone(ACME, "201"), phone_at(&mut lab, "201", "203.0.113.66:5060", "guess"));
    registers(&mut lab, evil);
    // The nonce that the guesser was given, in datagrams that say to come from Alice's address.
    let (_, request, challenge) = lab.phones[evil].responses[0].clone();
    for count in 0..50 {
        let mut forged = request.clone();
        let value = lab.phones[evil].authorization(&forged, &challenge, count + 1);
        forged.headers.set("Authorization", value);
        forged.headers.set("Call-ID", format!("forged-{count}"));
        forged.headers.set("Via", format!("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKf{count}"));
        let bytes = forged.to_bytes();
        lab.raw(alice, bytes);
    }
    lab.run(secs(1));
    assert_eq!(lab.switch.lockouts(lab.now, None), []);
    assert_eq!(registers(&mut lab, alice), 200);
    lab.finish();
}

#[test]
fn a_nonce_of_somebody_else_tells_nothing_of_the_password() {
    let mut lab = Lab::new();
    let evil = phone_at(&mut lab, "201", "203.0.113.66:5060", "guess");
    registers(&mut lab, evil);
    let (_, request, challenge) = lab.phones[evil].responses[0].clone();
    let mut answers = Vec::new();
    for (port, password) in [(5061, "guess"), (5062, "secret of acme.test")] {
        let other = phone_at(&mut lab, "201", &format!("203.0.113.67:{port}"), password);
        let mut request = request.clone();
        let value = lab.phones[other].authorization(&request, &challenge, 1);
        request.headers.set("Authorization", value);
        request.headers.set("Call-ID", format!("other-{port}"));
        lab.act(other, |phone, now| phone.send(request, now));
        lab.run(ms(200));
        let response = &lab.phones[other].responses[0].2;
        let challenges = crate::sip::digest::challenges(&response.headers);
        answers.push((response.status, crate::sip::digest::is_stale(&challenges)));
    }
    assert_eq!(answers, [(401, true), (401, true)]);
    lab.finish();
}

#[test]
fn calls_are_guesses_too() {
    let mut lab = Lab::new();
    let (bob, evil) = (lab.phone(ACME, "202"), phone_at(&mut lab, "201", "203.0.113.66:5060", "guess"));
    for _ in 0..10 {
        lab.calls(evil, "202").run(ms(200));
    }
    assert_eq!(lab.phones[evil].last_status(Method::Invite), Some(403));
    assert_eq!(lab.phones[bob].got(Method::Invite), 0);
    lab.finish();
}
