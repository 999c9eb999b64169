//! As whom a call goes out, what the called party learns, and where a user may call at all.

use super::*;
use crate::base::{NumberId, UserId};
use crate::call::Note;
use crate::directory::{DestinationRule, Route};

fn rules(texts: &[&str]) -> Option<Vec<DestinationRule>> {
    Some(texts.iter().map(|text| text.parse().unwrap()).collect())
}

fn from(lab: &Lab, id: Id) -> String {
    let invite = lab.phones[id].last_request(Method::Invite);
    invite.from().unwrap().uri.user_unescaped().unwrap_or_default()
}

/// Alice's second number, +49301110003, is dialled with `*1`; Bob's has `*2`.
fn prefixes(parts: &mut Parts) {
    let mut second = parts.numbers[0].clone();
    second.id = NumberId(3);
    second.e164 = "+49301110003".to_owned();
    second.dial_prefix = Some("*1".to_owned());
    parts.numbers.push(second);
    let mut bobs = parts.numbers[0].clone();
    bobs.id = NumberId(4);
    bobs.e164 = "+49301110004".to_owned();
    bobs.route = Route::User(UserId(2));
    bobs.dial_prefix = Some("*2".to_owned());
    parts.numbers.push(bobs);
}

#[test]
fn a_dial_prefix_chooses_another_number_of_the_user_for_that_call() {
    let mut lab = Lab::with(prefixes);
    let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
    for (dialled, caller_id) in [("*1089555123", "+49301110003"), ("089555123", "+49301110001")] {
        lab.calls(alice, &dialled.replace('*', "%2A")).run(ms(200));
        assert_eq!(from(&lab, carrier), caller_id, "{dialled}");
        let invite = lab.phones[carrier].last_request(Method::Invite);
        assert_eq!(invite.uri.user_unescaped().as_deref(), Some("+4989555123"));
        lab.cancels(alice).run(secs(1));
    }
    lab.calls(alice, "*2089555123").run(ms(200));
    assert_eq!(lab.heard(alice).last(), Some(&403), "that one is Bob's");
    assert!(lab.phones[alice].last_response(Method::Invite).reason.contains("+49301110004"));
    lab.finish();
}

#[test]
fn a_preferred_identity_is_taken_where_it_is_the_users_and_refused_where_it_is_not() {
    let rows = [
        ("<sip:+49301110003@acme.test>", Some("+49301110003")),
        ("<tel:+49301110003>", Some("+49301110003")),
        ("<sip:0301110002@acme.test>", Some("+49301110002")),
        ("\"Alice\" <sip:201@acme.test>", Some("+49301110001")),
        ("<sip:+49301110004@acme.test>", None),
        ("<sip:+49302220001@bolt.test>", None),
        ("<sip:+49305550000@acme.test>", None),
    ];
    for (preferred, caller_id) in rows {
        let mut lab = Lab::with(prefixes);
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        lab.phones[alice].extra.push(("P-Preferred-Identity".to_owned(), preferred.to_owned()));
        lab.calls(alice, "089555123").run(ms(200));
        match caller_id {
            Some(caller_id) => {
                assert_eq!(from(&lab, carrier), caller_id, "{preferred}");
                lab.cancels(alice).run(secs(1));
            }
            None => {
                assert_eq!(lab.heard(alice), [403], "{preferred}");
                let response = lab.phones[alice].last_response(Method::Invite);
                assert!(response.headers.get("Reason").is_some_and(|reason| reason.contains("Q.850;cause=21")));
                assert_eq!(lab.phones[carrier].got(Method::Invite), 0);
            }
        }
        lab.finish();
    }
}

#[test]
fn a_trunk_is_told_of_a_withheld_number_only_where_it_is_trusted() {
    let hides: [(&str, &str); 2] =
        [("Privacy", "id"), ("From", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a1")];
    for trusted in [true, false] {
        for (name, value) in hides {
            let mut lab = Lab::with(|parts| parts.trunks[0].settings.trusted = trusted);
            let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
            lab.phones[alice].extra.push((name.to_owned(), value.to_owned()));
            lab.talk(alice, carrier, "089555123");
            let invite = lab.phones[carrier].last_request(Method::Invite).clone();
            assert_eq!(from(&lab, carrier), "anonymous", "{name}");
            assert_eq!(invite.headers.get("Privacy"), Some("id"));
            let asserted = invite.headers.get("P-Asserted-Identity").map(|value| value.contains("+49301110001"));
            assert_eq!(asserted, trusted.then_some(true), "{name}, trusted {trusted}");
            lab.reinvites(alice, "sendonly").run(secs(1)).hangs_up(alice).run(secs(1));
            let said = lab.phones[carrier].requests.iter().map(|(_, request)| request.to_bytes());
            let leaks = said.filter(|bytes| String::from_utf8_lossy(bytes).contains("49301110001")).count();
            assert_eq!(leaks, usize::from(trusted), "in the first INVITE to a trusted trunk only");
            lab.finish();
        }
    }
}

#[test]
fn without_a_wish_a_trusted_trunk_is_told_the_number_twice_and_others_once() {
    for trusted in [true, false] {
        let mut lab = Lab::with(|parts| parts.trunks[0].settings.trusted = trusted);
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        lab.calls(alice, "089555123").run(ms(200));
        let invite = lab.phones[carrier].last_request(Method::Invite);
        assert_eq!(invite.headers.has("P-Asserted-Identity"), trusted);
        assert!(!invite.headers.has("Privacy"));
        assert_eq!(from(&lab, carrier), "+49301110001");
        lab.cancels(alice).run(secs(1));
        lab.finish();
    }
}

#[test]
fn a_number_that_is_withheld_outside_reaches_no_phone_and_no_record() {
    for (name, value) in
        [("Privacy", "id"), ("Privacy", "user;id"), ("From", "<sip:anonymous@anonymous.invalid>;tag=a1")]
    {
        let mut lab = Lab::with(|parts| parts.trunks[0].settings.trusted = true);
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        for header in [(name, value), ("P-Asserted-Identity", "\"Zoe\" <sip:+4989777666@carrier.test>")] {
            lab.phones[carrier].extra.push((header.0.to_owned(), header.1.to_owned()));
        }
        lab.talk(carrier, alice, "+49301110001");
        lab.reinvites(carrier, "sendonly").run(secs(1)).hangs_up(carrier).run(secs(1));
        for (_, request) in &lab.phones[alice].requests {
            let text = String::from_utf8_lossy(&request.to_bytes()).into_owned();
            assert!(!text.contains("4989777666") && !text.contains("Zoe"), "{name}: {text}");
        }
        assert_eq!(from(&lab, alice), "anonymous");
        assert_eq!(lab.record().caller.address, "anonymous");
        lab.finish();
    }
}

#[test]
fn only_a_trusted_trunk_is_believed_who_calls() {
    for (trusted, shown) in [(true, "+4989777666"), (false, "+4989111222")] {
        let mut lab = Lab::with(|parts| parts.trunks[0].settings.trusted = trusted);
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        let headers = [("From", "<sip:089111222@x.test>;tag=a1"), ("P-Asserted-Identity", "<tel:+4989777666>")];
        lab.phones[carrier].extra.extend(headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        lab.calls(carrier, "+49301110001").run(ms(200));
        assert_eq!(from(&lab, alice), shown, "trusted {trusted}");
        lab.cancels(carrier).run(secs(1));
        lab.finish();
    }
}

#[test]
fn a_colleague_who_withholds_the_number_is_anonymous_on_the_phone_and_known_to_the_record() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.phones[alice].extra.push(("Privacy".to_owned(), "id".to_owned()));
    lab.talk(alice, bob, "202");
    assert_eq!(from(&lab, bob), "anonymous");
    assert_eq!(lab.record().caller.user, Some(UserId(1)));
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_user_calls_only_where_the_list_allows_and_is_told_why_not() {
    let rows = [
        (None, None, "+4989555123", true),
        (None, None, "+436641234567", false),
        (None, None, "+49900555123", false),
        (rules(&["+49", "+43", "!+43900"]), None, "+436641234567", true),
        (rules(&["+49", "+43", "!+43900"]), None, "+43900123456", false),
        (rules(&["+"]), rules(&["+49"]), "+436641234567", false),
        (rules(&["+49"]), rules(&["+43"]), "+436641234567", true),
        (rules(&[]), None, "+4989555123", false),
    ];
    for (company, own, dialled, allowed) in rows {
        let mut lab = Lab::with(|parts| {
            parts.companies[0].settings.destinations = company.clone();
            parts.users[0].destinations = own.clone();
        });
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        lab.calls(alice, dialled).run(ms(200));
        assert_eq!(lab.phones[carrier].got(Method::Invite), usize::from(allowed), "{dialled} {company:?} {own:?}");
        if allowed {
            lab.cancels(alice).run(secs(1));
        } else {
            assert_eq!(lab.heard(alice), [403]);
            let response = lab.phones[alice].last_response(Method::Invite);
            assert!(response.headers.get("Reason").is_some_and(|reason| reason.contains("destinations")));
            assert!(matches!(lab.desk.notes.last(), Some(Note::Refused { user: UserId(1), .. })));
            assert!(!format!("{}", lab.desk.notes.last().unwrap()).contains("664"), "no number in the log");
        }
        lab.finish();
    }
}

#[test]
fn a_list_of_destinations_does_not_stand_between_colleagues() {
    let mut lab = Lab::with(|parts| parts.companies[0].settings.destinations = rules(&[]));
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    for dialled in ["202", "+49301110002"] {
        lab.talk(alice, bob, dialled).hangs_up(alice).run(secs(1));
    }
    lab.finish();
}

#[test]
fn a_call_that_comes_back_to_the_number_that_forwarded_it_is_ended() {
    let mut lab = Lab::new();
    let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
    for history in ["<sip:+49301110001@192.0.2.1>;index=1", "<sip:+49301110002@192.0.2.1>;index=1"] {
        lab.phones[carrier].extra.retain(|(name, _)| name != "History-Info");
        lab.phones[carrier].extra.push(("History-Info".to_owned(), history.to_owned()));
        lab.calls(carrier, "+49301110001").run(ms(200));
        match history.contains("0001@") {
            true => assert_eq!(lab.heard(carrier), [482]),
            false => {
                assert_eq!(lab.phones[alice].got(Method::Invite), 1, "another number has forwarded it here");
                lab.cancels(carrier).run(secs(1));
            }
        }
    }
    assert!(lab.desk.notes.iter().any(|note| matches!(note, Note::Loop { .. })));
    lab.phones[carrier].extra.push(("Max-Forwards".to_owned(), "0".to_owned()));
    lab.calls(carrier, "+49301110001").run(ms(200));
    assert_eq!(lab.heard(carrier).last(), Some(&483));
    lab.finish();
}
