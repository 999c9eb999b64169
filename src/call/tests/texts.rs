//! SIP MESSAGE: what is taken, from whom, and how texts go out.

use super::directory::{target, trunk};
use super::*;
use crate::base::{NumberId, TrunkId, UserId};
use crate::call::{TextFrom, TextIn, TextOut, TextWay};
use crate::directory::{Login, LoginSecret};
use crate::ledger::Party;

const OTHER: &str = "192.0.2.98";
const CONTACT: &str = "+12025550147";

/// A text of a phone, with more headers than it has by itself.
fn text(lab: &mut Lab, id: Id, to: &str, body: &str, headers: &[(&str, &str)]) {
    lab.act(id, |phone, now| {
        let host = if phone.domain == CARRIER { SWITCH.to_owned() } else { phone.domain.clone() };
        phone.calls_made += 1;
        let call_id = format!("text-{}-{}", phone.id, phone.calls_made);
        let to = format!("sip:{to}@{host}");
        let mut request = phone.outside(Method::Message, &to, &call_id);
        request = request.with_body("text/plain;charset=UTF-8", body.to_owned());
        for (name, value) in headers {
            request.headers.set(name, *value);
        }
        phone.send(request, now);
    });
    lab.run(ms(500));
}

fn answer(lab: &mut Lab, status: u16, reason: &str) -> TextIn {
    let text = lab.desk.texts.pop().expect("a text has come");
    lab.operate(|switch, now, _, _| switch.answer_text(text.ticket, status, reason, now));
    lab.run(ms(500));
    text
}

fn status(lab: &Lab, id: Id) -> u16 {
    lab.phones[id].last_status(Method::Message).expect("an answer")
}

#[test]
fn a_trunk_brings_a_text_to_a_number_and_hears_of_it_once_it_is_stored() {
    let mut lab = Lab::new();
    let carrier = lab.carrier();
    text(&mut lab, carrier, "+49301110001", "Grüße, 世界 🎉", &[("From", "\"Max\" <sip:+12025550147@c.test>;tag=m")]);
    assert_eq!(lab.phones[carrier].statuses(Method::Message), [0_u16; 0], "it is not stored yet");
    let text = answer(&mut lab, 200, "");
    assert_eq!((text.body.as_str(), text.company.0), ("Grüße, 世界 🎉", 1));
    let sender = Party { user: None, address: CONTACT.to_owned(), name: "Max".to_owned() };
    assert_eq!(text.from, TextFrom::Trunk { trunk: TrunkId(1), number: NumberId(1), sender });
    assert_eq!(status(&lab, carrier), 200);
    lab.finish();
}

#[test]
fn of_two_companies_behind_a_carrier_the_number_picks_the_one() {
    let mut lab = Lab::new();
    let carrier = lab.carrier();
    text(&mut lab, carrier, "+49302220001", "hello", &[]);
    assert_eq!(answer(&mut lab, 200, "").company.0, 2);
    text(&mut lab, carrier, "+49309999999", "hello", &[]);
    assert_eq!((status(&lab, carrier), lab.desk.texts.len()), (404, 0));
    lab.finish();
}

#[test]
fn a_device_proves_its_password_and_says_as_which_number_it_writes() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    text(&mut lab, alice, "+12025550147", "hello", &[("P-Preferred-Identity", "<sip:+49301110002@acme.test>")]);
    assert_eq!(status(&lab, alice), 401);
    let text_in = answer(&mut lab, 202, "");
    let said = Some("+49301110002".to_owned());
    assert_eq!(text_in.from, TextFrom::User { user: UserId(1), dialled: CONTACT.to_owned(), said });
    assert_eq!(status(&lab, alice), 202);
    lab.phones[alice].password = "guess".to_owned();
    text(&mut lab, alice, "202", "hello", &[]);
    assert!(matches!(status(&lab, alice), 401 | 403), "{}", status(&lab, alice));
    assert!(lab.desk.texts.is_empty());
    lab.finish();
}

#[test]
fn what_is_refused_has_a_status_that_fits() {
    let long = "x".repeat(9 << 10);
    let rows: &[(&str, &[(&str, &str)], u16)] = &[
        ("hello", &[("Content-Type", "text/html")], 415),
        ("hello", &[("Content-Type", "text/plain;charset=iso-8859-1")], 415),
        ("hello", &[("Content-Encoding", "gzip")], 415),
        (&long, &[], 413),
        ("  \r\n", &[], 400),
        ("hello", &[("Max-Forwards", "0")], 483),
    ];
    for (body, headers, expected) in rows {
        let mut lab = Lab::new();
        let carrier = lab.add_phone(CARRIER, "carrier", Transport::Tcp, &format!("{CARRIER}:5060"));
        text(&mut lab, carrier, "+49301110001", body, headers);
        assert_eq!(status(&lab, carrier), *expected, "{headers:?}");
        assert!(lab.desk.texts.is_empty());
        lab.finish();
    }
    let mut lab = Lab::new();
    let carrier = lab.carrier();
    text(&mut lab, carrier, "+49301110001", "hello", &[]);
    answer(&mut lab, 404, "The number takes no text messages");
    assert_eq!(lab.phones[carrier].last_response(Method::Message).reason, "The number takes no text messages");
    text(&mut lab, carrier, "+49301110001", "hello", &[]);
    answer(&mut lab, 503, "");
    assert!(lab.phones[carrier].last_response(Method::Message).headers.has("Retry-After"));
    lab.finish();
}

#[test]
fn a_text_that_comes_again_has_the_same_origin_and_another_one_does_not() {
    let mut lab = Lab::new();
    let carrier = lab.carrier();
    let mut origins = Vec::new();
    for (call_id, cseq) in [("one", "1 MESSAGE"), ("one", "1 MESSAGE"), ("one", "2 MESSAGE"), ("two", "1 MESSAGE")] {
        text(&mut lab, carrier, "+49301110001", "hello", &[("Call-ID", call_id), ("CSeq", cseq)]);
        origins.push(answer(&mut lab, 200, "").origin);
    }
    assert_eq!(origins[0], origins[1]);
    origins.remove(0);
    origins.sort();
    origins.dedup();
    assert_eq!(origins.len(), 3);
    lab.finish();
}

#[test]
fn over_a_lossy_network_a_text_is_still_taken_once() {
    let mut lab = Lab::seeded(3);
    lab.loss_percent = 30;
    let carrier = lab.carrier();
    text(&mut lab, carrier, "+49301110001", "hello", &[]);
    lab.run(secs(5));
    assert_eq!(lab.desk.texts.len(), 1, "retransmissions are one text");
    answer(&mut lab, 200, "");
    lab.run(secs(10));
    assert_eq!(status(&lab, carrier), 200);
    lab.loss_percent = 0;
    lab.finish();
}

fn out(ticket: u64) -> TextOut {
    let way = TextWay::Trunk { trunk: TrunkId(1), called: CONTACT.to_owned(), caller: "+49301110001".to_owned() };
    TextOut { ticket, way, body: "Grüße".to_owned(), call_id: format!("out-{ticket}") }
}

fn send(lab: &mut Lab, text: TextOut) {
    lab.operate(|switch, now, wall, desk| switch.send_text(text, now, wall, desk));
}

fn done(lab: &Lab) -> Vec<(u64, u16)> {
    lab.desk.texts_done.iter().map(|(ticket, done)| (*ticket, done.status)).collect()
}

#[test]
fn a_text_goes_out_through_a_trunk_and_answers_its_challenge() {
    for gate in [None, Some(Gate::new(407))] {
        let mut lab = Lab::with(|parts| {
            let secret = crate::directory::file::Secret::stored("open".to_owned());
            parts.trunks[0].login = Some(Login { user: "acme".to_owned(), secret: LoginSecret::Clear(secret) });
        });
        let carrier = lab.carrier();
        lab.phones[carrier].gate = gate;
        send(&mut lab, out(7));
        lab.run(secs(1));
        assert_eq!(done(&lab), [(7, 200)]);
        let request = lab.phones[carrier].last_request(Method::Message);
        assert_eq!(request.body.as_ref(), "Grüße".as_bytes());
        assert_eq!(request.uri.user.as_deref(), Some(CONTACT));
        assert_eq!(request.from().unwrap().uri.user.as_deref(), Some("+49301110001"));
        assert_eq!(request.call_id().unwrap(), "out-7");
        assert_eq!(request.content_type().as_deref(), Some("text/plain"));
        lab.finish();
    }
}

#[test]
fn a_target_that_is_dead_is_left_for_the_next_one_and_of_none_it_is_told() {
    let mut lab = Lab::with(|parts| {
        parts.trunks[0].targets = vec![target(CARRIER, 0), target(OTHER, 1)];
        parts.trunks.push(trunk(3, 1));
        parts.trunks[2].name = "second".to_owned();
    });
    let carrier = lab.carrier();
    let other = lab.add_phone(CARRIER, "carrier", Transport::Udp, &format!("{OTHER}:5060"));
    lab.phones[carrier].is_dead = true;
    send(&mut lab, out(1));
    lab.run(secs(40));
    assert_eq!(done(&lab), [(1, 200)]);
    assert_eq!(lab.phones[other].got(Method::Message), 1);
    lab.phones[other].is_dead = true;
    send(&mut lab, out(2));
    lab.run(secs(80));
    assert_eq!(done(&lab)[1].0, 2);
    assert!(matches!(done(&lab)[1].1, 408 | 503));
    lab.finish();
}

#[test]
fn a_device_is_brought_a_text_with_who_wrote_it_and_to_which_number() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    assert_eq!(lab.desk.registered, [UserId(1)]);
    let device = lab.switch.registrar().devices(UserId(1), lab.now).remove(0);
    let from = Party { user: None, address: CONTACT.to_owned(), name: "Max".to_owned() };
    let number = Some("+49301110001".to_owned());
    let way = TextWay::Device { user: UserId(1), device: Box::new(device), from, number };
    let text = TextOut { ticket: 1, way, body: "hello".to_owned(), call_id: "t-1".to_owned() };
    send(&mut lab, text.clone());
    lab.run(secs(1));
    assert_eq!(done(&lab), [(1, 200)]);
    let request = lab.phones[alice].last_request(Method::Message);
    assert_eq!(request.from().unwrap().uri.user.as_deref(), Some(CONTACT));
    assert_eq!(request.from().unwrap().display.as_deref(), Some("Max"));
    assert!(request.headers.get("P-Called-Party-ID").unwrap().contains("+49301110001"));
    lab.phones[alice].is_dead = true;
    send(&mut lab, TextOut { ticket: 2, ..text });
    lab.run(secs(40));
    assert_eq!(done(&lab)[1], (2, 408));
    lab.finish();
}

#[test]
fn a_text_inside_a_call_is_refused_and_the_call_goes_on() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202");
    lab.act(alice, |phone, now| {
        let request = phone.inside(Method::Message).with_body("text/plain", "hello");
        phone.send(request, now);
    });
    lab.run(secs(1));
    assert_eq!(status(&lab, alice), 403);
    assert!(lab.phones[bob].is_talking() && lab.desk.texts.is_empty());
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}
