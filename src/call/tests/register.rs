//! Registration: digest, expiry, several devices, connections.

use super::*;
use crate::base::UserId;
use crate::directory::AuthAlgorithm;
use crate::sip::digest::challenges;

/// A request with credentials that the phone made for `challenge`.
fn proven(phone: &mut Phone, challenge: &Response, count: u32) -> Request {
    let aor = format!("sip:{}@{}", phone.extension, phone.domain);
    let mut request = phone.outside(Method::Register, &aor, "register-by-hand");
    request.uri = uri(&format!("sip:{}", phone.domain));
    let value = phone.authorization(&request, challenge, count);
    request.with_header("Authorization", value)
}

fn last(lab: &Lab, id: Id) -> &Response {
    lab.phones[id].last_response(Method::Register)
}

#[test]
fn phones_are_challenged_with_the_algorithms_of_the_company_or_of_the_user() {
    use AuthAlgorithm::{Md5, Sha256};
    let rows = [
        (vec![Md5], None, vec!["MD5"]),
        (vec![Sha256], None, vec!["SHA-256"]),
        (vec![Sha256, Md5], None, vec!["SHA-256", "MD5"]),
        (vec![Sha256], Some(vec![Md5]), vec!["MD5"]),
    ];
    for (company, user, expected) in rows {
        let mut lab = Lab::new();
        let mut parts = companies();
        parts.companies[0].settings.auth = company;
        parts.users[0].auth = user;
        lab.operate(|switch, _, _, _| switch.set_directory(Arc::new(super::directory::build(parts))));
        let alice = lab.phone(ACME, "201");
        let challenge = lab.phones[alice].responses[0].2.clone();
        let named: Vec<&str> = challenges(&challenge.headers)
            .into_iter()
            .map(|value| if value.contains("SHA-256") { "SHA-256" } else { "MD5" })
            .collect();
        assert_eq!(named, expected);
        lab.finish();
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let mut lab = Lab::new();
    let (wrong, unknown) = (lab.new_phone(ACME, "201", Transport::Udp), lab.new_phone(ACME, "299", Transport::Udp));
    lab.phones[wrong].password = "guess".to_owned();
    for id in [wrong, unknown] {
        lab.act(id, |phone, now| phone.register(&[], now));
    }
    lab.run(secs(1));
    let shape = |lab: &Lab, id: Id| {
        let of = |response: &Response| {
            let names: Vec<String> = response.headers.iter().map(|(name, _)| name.to_owned()).collect();
            let stale = challenges(&response.headers).iter().any(|value| value.contains("stale"));
            (response.status, response.reason.clone(), names, stale)
        };
        let all: Vec<_> = lab.phones[id].responses.iter().map(|(_, _, response)| of(response)).collect();
        all
    };
    assert_eq!(shape(&lab, wrong), shape(&lab, unknown));
    assert_eq!(lab.phones[wrong].statuses(Method::Register), [401, 401]);
    assert_eq!(lab.switch.registrar().count(), 0);
    lab.finish();
}

#[test]
fn a_nonce_count_that_comes_twice_is_refused_and_a_higher_one_is_taken() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    let challenge = lab.phones[alice].responses[0].2.clone();
    for (count, expected) in [(1, 401), (2, 200), (2, 401), (3, 200)] {
        lab.act(alice, |phone, now| {
            let request = proven(phone, &challenge, count);
            phone.send(request, now)
        });
        lab.run(ms(100));
        assert_eq!(last(&lab, alice).status, expected, "count {count}");
    }
    lab.finish();
}

#[test]
fn an_old_nonce_is_answered_as_stale_and_the_new_one_works() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    let challenge = lab.phones[alice].responses[0].2.clone();
    lab.run(secs(400));
    lab.act(alice, |phone, now| {
        let request = proven(phone, &challenge, 9);
        phone.send(request, now)
    });
    lab.run(ms(100));
    let fresh = last(&lab, alice).clone();
    assert_eq!(fresh.status, 401);
    assert!(challenges(&fresh.headers)[0].to_lowercase().contains("stale=true"));
    lab.act(alice, |phone, now| {
        let request = proven(phone, &fresh, 1);
        phone.send(request, now)
    });
    lab.run(ms(100));
    assert_eq!(last(&lab, alice).status, 200);
    lab.finish();
}

#[test]
fn an_expiry_that_is_too_brief_is_refused_with_423() {
    let mut lab = Lab::new();
    let alice = lab.new_phone(ACME, "201", Transport::Udp);
    lab.act(alice, |phone, now| phone.register(&[("Expires", "10")], now));
    lab.run(secs(1));
    assert_eq!((last(&lab, alice).status, last(&lab, alice).headers.get("Min-Expires")), (423, Some("60")));
    lab.finish();
}

#[test]
fn a_user_cannot_register_for_somebody_else() {
    let mut lab = Lab::new();
    let alice = lab.new_phone(ACME, "201", Transport::Udp);
    lab.act(alice, |phone, now| phone.register(&[("To", "<sip:202@acme.test>")], now));
    lab.run(secs(1));
    assert_eq!(last(&lab, alice).status, 403);
    assert_eq!(lab.switch.registrar().count(), 0);
    lab.finish();
}

#[test]
fn a_domain_that_is_not_served_is_404() {
    let mut lab = Lab::new();
    let alice = lab.new_phone("elsewhere.test", "201", Transport::Udp);
    lab.act(alice, |phone, now| phone.register(&[], now));
    lab.run(secs(1));
    assert_eq!(last(&lab, alice).status, 404);
    lab.finish();
}

#[test]
fn every_device_of_a_user_rings_until_it_is_removed_or_expires() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    let bobs = [lab.phone(ACME, "202"), lab.phone(ACME, "202"), lab.new_phone(ACME, "202", Transport::Udp)];
    lab.act(bobs[2], |phone, now| phone.register(&[("Expires", "60")], now));
    lab.run(secs(1));
    let rung = |lab: &mut Lab| {
        let before = bobs.map(|bob| lab.phones[bob].got(Method::Invite));
        lab.calls(alice, "202").run(ms(100)).cancels(alice).run(secs(1));
        let after = bobs.map(|bob| lab.phones[bob].got(Method::Invite));
        [0, 1, 2].map(|at| after[at] - before[at])
    };
    assert_eq!(rung(&mut lab), [1, 1, 1]);
    lab.run(secs(60));
    assert_eq!(rung(&mut lab), [1, 1, 0]);
    lab.act(bobs[0], |phone, now| phone.register(&[("Expires", "0")], now));
    lab.run(secs(1));
    assert_eq!(rung(&mut lab), [0, 1, 0]);
    lab.act(bobs[1], |phone, now| phone.register(&[("Contact", "*"), ("Expires", "0")], now));
    lab.run(secs(1));
    assert_eq!(lab.switch.registrar().devices(UserId(2), lab.now).len(), 0);
    lab.finish();
}

#[test]
fn a_tcp_device_is_reached_over_its_own_connection_and_gone_with_it() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone_over(ACME, "202", Transport::Tcp));
    lab.talk(alice, bob, "202").hangs_up(bob).run(secs(1));
    let connection = lab.phones[bob].peer.connection.unwrap();
    lab.operate(|switch, now, wall, desk| switch.connection_closed(connection, now, wall, desk));
    lab.calls(alice, "202").run(secs(1));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(480));
    lab.finish();
}

#[test]
fn a_tcp_device_whose_connection_closes_while_it_rings_is_given_up_at_once() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone_over(ACME, "202", Transport::Tcp));
    lab.calls(alice, "202").run(ms(100)).rings(bob, 180).run(ms(100));
    let connection = lab.phones[bob].peer.connection.unwrap();
    lab.operate(|switch, now, wall, desk| switch.connection_closed(connection, now, wall, desk));
    lab.run(ms(100));
    assert_eq!(lab.heard(alice), [180, 500]);
    lab.finish();
}

#[test]
fn a_phone_that_comes_from_a_new_address_during_a_call_is_reached_there() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202");
    lab.phones[bob].peer.local = "192.0.2.77:6000".parse().unwrap();
    lab.updates(bob, "sendrecv").run(ms(100)).hangs_up(alice).run(secs(1));
    assert_eq!(lab.phones[bob].got(Method::Bye), 1);
    lab.finish();
}

#[test]
fn options_are_answered_without_a_password() {
    let mut lab = Lab::new();
    let alice = lab.new_phone(ACME, "201", Transport::Udp);
    lab.act(alice, |phone, now| {
        let request = phone.outside(Method::Options, "sip:acme.test", "options-1");
        phone.send(request, now)
    });
    lab.run(secs(1));
    let answer = lab.phones[alice].last_response(Method::Options);
    assert_eq!(answer.status, 200);
    assert!(["Allow", "Accept", "Supported"].iter().all(|name| answer.headers.has(name)));
    lab.finish();
}

#[test]
fn after_a_restart_devices_are_called_that_do_not_know_of_it() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    let (desk, mobile) = (lab.phone(ACME, "202"), lab.phone(ACME, "202"));
    let over_tcp = lab.phone_over(ACME, "202", Transport::Tcp);
    let brief = lab.new_phone(ACME, "202", Transport::Udp);
    lab.act(brief, |phone, now| phone.register(&[("Expires", "60")], now));
    lab.run(secs(50));
    lab.restart();
    lab.run(secs(20)).calls(alice, "202").run(ms(100));
    let rung = [desk, mobile, over_tcp, brief].map(|id| lab.phones[id].got(Method::Invite));
    assert_eq!(rung, [1, 1, 0, 0], "those over datagrams, until they expire");
    lab.answers(mobile).run(secs(1));
    assert!(lab.phones[alice].is_talking() && lab.phones[mobile].is_talking());
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn after_a_restart_a_tcp_device_cannot_be_reached_before_it_registers_anew() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone_over(ACME, "202", Transport::Tcp));
    lab.restart();
    lab.calls(alice, "202").run(secs(1));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(480));
    lab.phones[bob].peer.connection = Some(ConnectionId(900));
    lab.act(bob, |phone, now| phone.register(&[], now));
    lab.run(secs(1));
    lab.talk(alice, bob, "202").hangs_up(bob).run(secs(1));
    lab.finish();
}

#[test]
fn a_listener_that_has_gone_is_replaced_by_one_that_reaches_the_device() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    let kept = lab.switch.changed_bindings();
    let restore = |lab: &mut Lab, listeners: Vec<Listener>| {
        lab.switch.config.listeners = listeners;
        let config = lab.switch.config.clone();
        lab.switch = Switch::new(config, Arc::clone(&lab.switch.directory), [9; 32]);
        let restored = kept.iter().flat_map(|(user, bindings)| bindings.iter().map(|binding| (*user, binding.clone())));
        restored.filter(|(user, binding)| lab.switch.restore_binding(*user, binding.clone(), lab.now)).count()
    };
    let moved: SocketAddr = "192.0.2.1:5070".parse().unwrap();
    assert_eq!(restore(&mut lab, vec![Listener { transport: Transport::Tcp, local: moved }]), 0);
    let udp = |local| Listener { transport: Transport::Udp, local };
    assert_eq!(restore(&mut lab, vec![udp(moved)]), 2);
    let flows: Vec<SocketAddr> =
        [1, 2].map(|user| lab.switch.registrar().devices(UserId(user), lab.now)[0].flow.local).to_vec();
    assert_eq!(flows, [moved, moved]);
    assert_eq!(restore(&mut lab, vec![udp(SWITCH.parse().unwrap())]), 2);
    lab.talk(alice, bob, "202").hangs_up(bob).run(secs(1));
    lab.finish();
}

#[test]
fn devices_of_a_user_who_was_removed_meanwhile_are_dropped() {
    let mut lab = Lab::new();
    let (alice, _) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    let kept = lab.switch.changed_bindings();
    let mut parts = companies();
    parts.users.retain(|user| user.id != UserId(2));
    let directory = Arc::new(super::directory::build(parts));
    lab.switch = Switch::new(lab.switch.config.clone(), directory, [9; 32]);
    for (user, bindings) in kept {
        let restored = lab.switch.restore_binding(user, bindings[0].clone(), lab.now);
        assert_eq!(restored, user == UserId(1), "{user:?}");
    }
    lab.calls(alice, "202").run(secs(1));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(404));
    lab.finish();
}

#[test]
fn a_nonce_of_before_a_restart_is_stale_whatever_the_password_and_a_guess_with_a_new_one_is_wrong() {
    let mut lab = Lab::new();
    let alice = lab.phone(ACME, "201");
    let challenge = lab.phones[alice].responses[0].2.clone();
    lab.restart();
    let ask = |lab: &mut Lab, password: &str, challenge: &Response, count: u32| {
        lab.phones[alice].password = password.to_owned();
        lab.act(alice, |phone, now| {
            let request = proven(phone, challenge, count);
            phone.send(request, now)
        });
        lab.run(ms(100));
        let answer = last(lab, alice).clone();
        let stale = challenges(&answer.headers).iter().any(|value| value.to_lowercase().contains("stale=true"));
        (answer.status, stale, answer)
    };
    let good = super::directory::password(ACME);
    // A guess with it is not counted (its source may be forged), so the answer must not tell it from
    // the right password.
    let (status, stale, fresh) = ask(&mut lab, "a guess", &challenge, 2);
    assert_eq!((status, stale), (401, true), "who guesses is not told whether the password was right");
    let (status, stale, _) = ask(&mut lab, "a guess", &fresh, 1);
    assert_eq!((status, stale), (401, false), "with a nonce of ours it is wrong, and counted");
    // The phone need not ask anybody for the password again (RFC 7616 §3.3).
    let (status, stale, fresh) = ask(&mut lab, &good, &challenge, 3);
    assert_eq!((status, stale), (401, true));
    assert_eq!(ask(&mut lab, &good, &fresh, 1).0, 200);
    lab.finish();
}
