//! Trunks: several targets, passwords in both directions, keep-alive, registration, limits.

use super::directory::{target, trunk};
use super::*;
use crate::base::{CompanyId, Direction, TrunkId};
use crate::call::Note;
use crate::directory::{InboundLogin, Login, LoginSecret, NumberFormat, Trunk, TrunkTarget};
use crate::sip::digest::{Algorithm, ha1};
use crate::trunk::TrunkView;

/// Where a second carrier, or the first one's second address, is.
const OTHER: &str = "192.0.2.98";

/// Carrier phones at both addresses; the first trunk of Acme leads to them in this order.
fn two_targets() -> (Lab, Id, Id, Id) {
    let mut lab = Lab::with(|parts| {
        parts.trunks[0].targets = vec![target(CARRIER, 0), target(OTHER, 1)];
        parts.trunks[0].addresses.push(OTHER.parse().unwrap());
    });
    let (alice, first, second) = (lab.phone(ACME, "201"), lab.carrier(), other_carrier(&mut lab));
    (lab, alice, first, second)
}

fn other_carrier(lab: &mut Lab) -> Id {
    lab.add_phone(CARRIER, "carrier", Transport::Udp, &format!("{OTHER}:5060"))
}

fn clear(password: &str) -> Option<Login> {
    let secret = crate::directory::file::Secret::stored(password.to_owned());
    Some(Login { user: "acme".to_owned(), secret: LoginSecret::Clear(secret) })
}

fn hashes() -> Option<Login> {
    let hash = |algorithm| ha1(algorithm, "acme", "carrier", "open");
    let (md5, sha256) = (hash(Algorithm::Md5), hash(Algorithm::Sha256));
    Some(Login { user: "acme".to_owned(), secret: LoginSecret::Hashes { realm: "carrier".to_owned(), md5, sha256 } })
}

/// A trunk of Acme to the other carrier, after the first one by name.
fn second_trunk() -> Trunk {
    let mut second = trunk(3, 1);
    second.name = "second".to_owned();
    second.addresses = vec![OTHER.parse().unwrap()];
    second.targets = vec![target(OTHER, 0)];
    second
}

fn view(lab: &Lab, name: &str) -> TrunkView {
    let views = lab.switch.trunks(lab.now);
    views.into_iter().find(|trunk| trunk.company == "acme" && trunk.name == name).expect("a trunk")
}

#[test]
fn a_carriers_challenge_is_answered_outside_and_inside_the_dialog() {
    for status in [401, 407] {
        for login in [clear("open"), hashes()] {
            let mut lab = Lab::with(|parts| parts.trunks[0].login = login);
            let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
            lab.phones[carrier].gate = Some(Gate::new(status));
            lab.talk(alice, carrier, "089555123");
            assert_eq!(lab.heard(alice), [180, 200], "the caller hears nothing of it");
            lab.reinvites(alice, "sendonly").run(secs(1));
            assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(200));
            assert_eq!(lab.phones[carrier].got(Method::Invite), 4, "each INVITE twice");
            lab.reinvites(alice, "sendrecv").run(secs(1));
            lab.hangs_up(alice).run(secs(1));
            assert_eq!((lab.phones[carrier].got(Method::Bye), lab.phones[carrier].is_talking()), (2, false));
            assert_eq!(view(&lab, "carrier").realm, "carrier");
            lab.finish();
        }
    }
}

#[test]
fn a_stale_nonce_is_answered_again_but_a_wrong_password_only_once() {
    let mut lab = Lab::with(|parts| parts.trunks[0].login = clear("open"));
    let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
    lab.phones[carrier].gate = Some(Gate { first_is_stale: true, ..Gate::new(407) });
    lab.talk(alice, carrier, "089555123");
    assert_eq!(lab.phones[carrier].got(Method::Invite), 3);
    lab.hangs_up(carrier).run(secs(1));
    lab.finish();
    for login in [clear("wrong"), None] {
        let tries = if login.is_some() { 2 } else { 1 };
        let mut lab = Lab::with(|parts| parts.trunks[0].login = login);
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        lab.phones[carrier].gate = Some(Gate::new(407));
        lab.calls(alice, "089555123").run(secs(1));
        assert_eq!((lab.heard(alice), lab.phones[carrier].got(Method::Invite)), (vec![502], tries));
        assert!(lab.desk.notes.iter().any(|note| matches!(note, Note::NotProven { .. })), "{:?}", lab.desk.notes);
        lab.finish();
    }
}

#[test]
fn a_target_that_says_nothing_is_given_up_for_the_next() {
    let (mut lab, alice, first, second) = two_targets();
    lab.phones[first].is_dead = true;
    lab.calls(alice, "089555123").run(ms(4_500));
    assert_eq!(lab.phones[second].got(Method::Invite), 0, "it has five seconds");
    lab.run(secs(1)).rings(second, 180).run(secs(1)).answers(second).run(secs(1));
    assert_eq!(lab.heard(alice), [180, 200]);
    assert_eq!(view(&lab, "carrier").targets[0].state, "resting");
    lab.hangs_up(alice).run(secs(1));
    // The next call does not lose the time again; the one after the rest tries it first.
    lab.calls(alice, "089555123").run(ms(100));
    assert_eq!(lab.phones[second].got(Method::Invite), 2);
    lab.cancels(alice).run(secs(40));
    lab.phones[first].is_dead = false;
    lab.calls(alice, "089555123").run(ms(100));
    assert_eq!((lab.phones[first].got(Method::Invite), lab.phones[second].got(Method::Invite)), (1, 2));
    lab.cancels(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_target_that_answers_after_it_was_given_up_is_hung_up() {
    let (mut lab, alice, first, second) = two_targets();
    lab.phones[first].is_mute = true;
    lab.calls(alice, "089555123").run(ms(5_500));
    assert_eq!(lab.phones[second].got(Method::Invite), 1);
    lab.rings(second, 180).run(ms(100));
    lab.phones[first].is_mute = false;
    lab.answers(first).run(secs(2));
    assert_eq!((lab.phones[first].acks.len(), lab.phones[first].got(Method::Bye)), (1, 1));
    lab.answers(second).run(secs(1));
    assert_eq!(lab.heard(alice), [180, 200]);
    lab.hangs_up(alice).run(secs(2));
    lab.finish();
}

#[test]
fn a_503_sends_the_call_to_the_next_target_and_what_the_called_party_says_does_not() {
    for (status, tried, told) in [(503, 1, vec![180]), (486, 0, vec![486]), (603, 0, vec![603]), (404, 0, vec![404])] {
        let (mut lab, alice, first, second) = two_targets();
        lab.phones[first].on_call = OnCall::Refuse(status);
        lab.calls(alice, "089555123").run(ms(200));
        assert_eq!(lab.phones[second].got(Method::Invite), tried, "{status}");
        if tried > 0 {
            lab.rings(second, 180).run(ms(200));
        }
        assert_eq!(lab.heard(alice), told, "{status}");
        if tried > 0 {
            lab.answers(second).run(secs(1)).hangs_up(second).run(secs(1));
        }
        lab.finish();
    }
}

#[test]
fn a_busy_that_comes_after_ringing_at_the_second_target_is_the_answer() {
    let (mut lab, alice, first, second) = two_targets();
    lab.phones[first].on_call = OnCall::Refuse(503);
    lab.calls(alice, "089555123").run(ms(200)).rings(second, 180).run(ms(200)).refuses(second, 486).run(secs(1));
    assert_eq!(lab.heard(alice), [180, 486]);
    assert_eq!(lab.phones[first].got(Method::Invite), 1);
    lab.finish();
}

#[test]
fn a_transport_that_fails_sends_the_call_to_the_next_target() {
    let (mut lab, alice, first, second) = two_targets();
    lab.phones[first].is_dead = true;
    lab.calls(alice, "089555123").run(ms(100));
    let peer = Peer {
        transport: Transport::Udp,
        local: SWITCH.parse().unwrap(),
        remote: format!("{CARRIER}:5060").parse().unwrap(),
        connection: None,
    };
    lab.operate(|switch, now, wall, desk| switch.transport_failed(peer, now, wall, desk));
    lab.run(ms(100));
    assert_eq!(lab.phones[second].got(Method::Invite), 1);
    lab.cancels(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_target_that_asks_to_be_left_alone_is() {
    let (mut lab, alice, first, second) = two_targets();
    lab.phones[first].on_call = OnCall::Refuse(503);
    lab.phones[first].retry_after = Some(60);
    for (wait, asked) in [(0, 1), (50, 1), (20, 2)] {
        lab.run(secs(wait)).calls(alice, "089555123").run(ms(200)).cancels(alice).run(ms(200));
        assert_eq!(lab.phones[first].got(Method::Invite), asked, "{wait} s later");
    }
    assert_eq!(lab.phones[second].got(Method::Invite), 3);
    lab.finish();
}

#[test]
fn with_keep_alive_a_silent_target_is_skipped_until_it_answers() {
    let mut lab = Lab::with(|parts| {
        parts.trunks[0].targets = vec![target(CARRIER, 0), target(OTHER, 1)];
        parts.trunks[0].settings.keepalive_s = 30;
    });
    let (alice, first, second) = (lab.phone(ACME, "201"), lab.carrier(), other_carrier(&mut lab));
    lab.run(secs(100));
    assert!(lab.phones[first].got(Method::Options) >= 3);
    lab.phones[first].is_dead = true;
    lab.run(secs(70));
    assert_eq!(view(&lab, "carrier").targets[0].state, "down");
    lab.calls(alice, "089555123").run(ms(200));
    assert_eq!((lab.phones[first].got(Method::Invite), lab.phones[second].got(Method::Invite)), (0, 1));
    lab.cancels(alice).run(secs(1));
    lab.phones[first].is_dead = false;
    lab.run(secs(50));
    assert_eq!(view(&lab, "carrier").targets[0].state, "up");
    lab.calls(alice, "089555123").run(ms(200));
    assert_eq!(lab.phones[first].got(Method::Invite), 1);
    lab.cancels(alice).run(secs(1));
    lab.set_directory(|_| {});
    lab.finish();
}

#[test]
fn when_every_target_is_down_the_caller_is_told_at_once() {
    let mut lab = Lab::with(|parts| parts.trunks[0].settings.keepalive_s = 30);
    let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
    lab.phones[carrier].is_dead = true;
    lab.run(secs(120)).calls(alice, "089555123").run(ms(200));
    assert_eq!(lab.heard(alice), [503]);
    let response = lab.phones[alice].last_response(Method::Invite);
    assert!(response.reason.contains("no trunk") && response.headers.has("Retry-After"), "{}", response.reason);
    lab.set_directory(|_| {});
    lab.finish();
}

#[test]
fn a_full_trunk_is_503_outside_and_a_users_call_takes_the_next_one() {
    let mut lab = Lab::with(|parts| {
        parts.trunks[0].settings.max_calls = Some(1);
        parts.trunks.push(second_trunk());
    });
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    let (carrier, second) = (lab.carrier(), other_carrier(&mut lab));
    lab.talk(alice, carrier, "089555123");
    assert_eq!((view(&lab, "carrier").calls, view(&lab, "second").calls), (1, 0));
    lab.calls(bob, "089555124").run(ms(200));
    assert_eq!((lab.phones[carrier].got(Method::Invite), lab.phones[second].got(Method::Invite)), (1, 1));
    lab.cancels(bob).run(secs(1));
    let outside = lab.add_phone(CARRIER, "carrier", Transport::Udp, &format!("{CARRIER}:5070"));
    lab.calls(outside, "+49301110002").run(ms(200));
    assert_eq!(lab.heard(outside), [503]);
    let response = lab.phones[outside].last_response(Method::Invite);
    assert!(response.reason.contains("limit") && response.headers.has("Retry-After"), "{}", response.reason);
    lab.hangs_up(alice).run(secs(1));
    lab.calls(outside, "+49301110002").run(ms(200));
    assert_eq!(lab.phones[bob].got(Method::Invite), 1, "there is room again");
    lab.cancels(outside).run(secs(1));
    lab.finish();
}

#[test]
fn when_all_trunks_are_full_the_caller_is_told_which_limit_it_was() {
    let mut lab = Lab::with(|parts| parts.trunks[0].settings.max_calls = Some(1));
    let (alice, bob, carrier) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.carrier());
    lab.talk(alice, carrier, "089555123");
    lab.calls(bob, "089555124").run(ms(200));
    assert_eq!(lab.heard(bob), [503]);
    assert!(lab.phones[bob].last_response(Method::Invite).reason.contains("carrier carries 1 calls"));
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

/// Acme's trunk is known by its password only, or also by its network.
fn pbx(lab: &mut Lab, address: &str) -> Id {
    let id = lab.add_phone(ACME, "pbx", Transport::Udp, address);
    lab.phones[id].password = "pbx-secret".to_owned();
    id
}

fn with_inbound(networks: &[&str]) -> Lab {
    Lab::with(|parts| {
        let hash = |algorithm| ha1(algorithm, "pbx", "acme", "pbx-secret");
        let (ha1_md5, ha1_sha256) = (hash(Algorithm::Md5), hash(Algorithm::Sha256));
        parts.trunks[0].inbound = Some(InboundLogin { user: "pbx".to_owned(), ha1_md5, ha1_sha256 });
        parts.trunks[0].addresses = networks.iter().map(|network| network.parse().unwrap()).collect();
    })
}

#[test]
fn a_trunk_is_recognised_by_its_password_wherever_it_comes_from() {
    for to in ["sip:+49301110001@acme.test", "sip:+49301110001@192.0.2.1"] {
        let mut lab = with_inbound(&[]);
        let alice = lab.phone(ACME, "201");
        let pbx = pbx(&mut lab, "203.0.113.7:5060");
        lab.talk(pbx, alice, to);
        assert!(lab.phones[pbx].statuses(Method::Invite).contains(&401));
        let record = lab.record();
        assert_eq!((record.company, record.direction), (CompanyId(1), Direction::Inbound));
        lab.reinvites(pbx, "sendonly").run(secs(1)).hangs_up(pbx).run(secs(1));
        lab.finish();
    }
}

#[test]
fn a_trunk_with_a_password_needs_it_also_in_its_own_network() {
    let mut lab = with_inbound(&["203.0.113.0/24"]);
    let alice = lab.phone(ACME, "201");
    let (inside, outside) = (pbx(&mut lab, "203.0.113.7:5060"), pbx(&mut lab, "198.51.100.7:5060"));
    lab.phones[inside].password = "guess".to_owned();
    lab.calls(inside, "+49301110001").run(secs(1));
    assert_eq!(lab.phones[inside].last_status(Method::Invite), Some(401));
    lab.calls(outside, "+49301110001").run(secs(1));
    assert_eq!(lab.heard(outside), [403]);
    assert_eq!(lab.phones[alice].got(Method::Invite), 0);
    lab.finish();
}

#[test]
fn a_trunks_password_registers_no_phone_and_calls_no_extension() {
    let mut lab = with_inbound(&[]);
    let bob = lab.phone(ACME, "202");
    let pbx = pbx(&mut lab, "203.0.113.7:5060");
    lab.act(pbx, |phone, now| phone.register(&[], now));
    lab.run(secs(1));
    assert_eq!(lab.phones[pbx].last_status(Method::Register), Some(403));
    lab.calls(pbx, "202").run(secs(1)).calls(pbx, "089555123").run(secs(1));
    assert_eq!(lab.heard(pbx), [404, 404]);
    assert_eq!(lab.phones[bob].got(Method::Invite), 0);
    lab.finish();
}

#[test]
fn a_carrier_is_recognised_by_its_network() {
    let mut lab = Lab::with(|parts| parts.trunks[0].addresses = vec!["203.0.113.0/28".parse().unwrap()]);
    let alice = lab.phone(ACME, "201");
    let inside = lab.add_phone(CARRIER, "carrier", Transport::Udp, "203.0.113.14:5060");
    let outside = lab.add_phone(CARRIER, "carrier", Transport::Udp, "203.0.113.16:5060");
    lab.calls(outside, "+49301110001").run(secs(1));
    assert_eq!(lab.heard(outside), [404], "nobody that is served");
    lab.talk(inside, alice, "+49301110001").hangs_up(alice).run(secs(1));
    lab.finish();
}

fn registering() -> Lab {
    Lab::with(|parts| {
        let trunk = &mut parts.trunks[0];
        trunk.login = clear("open");
        trunk.settings.register = true;
        trunk.settings.register_expires_s = 120;
        trunk.settings.domain = "carrier.test".to_owned();
        trunk.targets = vec![target(OTHER, 0)];
        trunk.addresses = Vec::new();
    })
}

#[test]
fn a_trunk_registers_answers_the_challenge_and_refreshes() {
    let mut lab = registering();
    let carrier = other_carrier(&mut lab);
    lab.phones[carrier].gate = Some(Gate::new(401));
    lab.run(secs(5));
    assert_eq!(lab.phones[carrier].got(Method::Register), 2);
    let request = lab.phones[carrier].last_request(Method::Register);
    assert_eq!(request.uri.to_string(), "sip:carrier.test");
    assert_eq!(request.to().unwrap().uri.to_string(), "sip:acme@carrier.test");
    assert_eq!(request.contact().unwrap().uri.to_string(), "sip:acme@192.0.2.1:5060");
    assert_eq!(view(&lab, "carrier").registration.unwrap().state, "registered");
    lab.run(secs(60));
    assert_eq!(lab.phones[carrier].got(Method::Register), 4, "before the 120 s are over");
    assert_eq!(lab.desk.notes.iter().filter(|note| matches!(note, Note::Registered { .. })).count(), 1);
    lab.set_directory(|_| {});
    lab.finish();
    assert_eq!(lab.phones[carrier].last_request(Method::Register).expires(), Some(0), "it is left");
}

#[test]
fn calls_from_the_registrar_come_in_also_where_they_name_our_user_there() {
    let mut lab = registering();
    let (alice, carrier) = (lab.phone(ACME, "201"), other_carrier(&mut lab));
    lab.run(secs(5));
    lab.phones[carrier].extra.push(("P-Called-Party-ID".to_owned(), "<sip:+49301110001@carrier.test>".to_owned()));
    lab.talk(carrier, alice, "sip:acme@192.0.2.1:5060");
    assert_eq!(lab.record().direction, Direction::Inbound);
    lab.hangs_up(carrier).run(secs(1));
    let stranger = lab.add_phone(CARRIER, "carrier", Transport::Udp, "203.0.113.77:5060");
    lab.calls(stranger, "+49301110001").run(secs(1));
    assert_eq!(lab.heard(stranger), [404]);
    lab.set_directory(|_| {});
    lab.finish();
}

#[test]
fn a_carrier_that_does_not_take_the_password_is_not_asked_all_the_time() {
    let mut lab = registering();
    let carrier = other_carrier(&mut lab);
    lab.phones[carrier].gate = Some(Gate { password: "other".to_owned(), ..Gate::new(401) });
    lab.run(secs(200));
    assert_eq!(lab.phones[carrier].got(Method::Register), 2);
    let registration = view(&lab, "carrier").registration.unwrap();
    assert_eq!(registration.state, "failed");
    assert!(registration.problem.contains("password of `acme`"), "{}", registration.problem);
    lab.phones[carrier].gate = Some(Gate::new(401));
    lab.run(secs(150));
    assert_eq!(view(&lab, "carrier").registration.unwrap().state, "registered");
    lab.set_directory(|_| {});
    lab.finish();
}

#[test]
fn a_registrar_that_is_dead_is_left_for_the_next_target() {
    let mut lab = registering();
    let carrier = lab.carrier();
    lab.set_directory(|parts| {
        let trunk = &mut parts.trunks[0];
        trunk.login = clear("open");
        trunk.settings.register = true;
        trunk.targets = vec![target(OTHER, 0), target(CARRIER, 1)];
    });
    lab.run(secs(40));
    assert_eq!(lab.phones[carrier].got(Method::Register), 1);
    assert_eq!(view(&lab, "carrier").registration.unwrap().state, "registered");
    lab.set_directory(|_| {});
    lab.finish();
}

#[test]
fn a_service_that_stops_tells_the_carrier_and_waits_for_its_answer_but_not_for_long() {
    for dead in [false, true] {
        let mut lab = registering();
        let carrier = other_carrier(&mut lab);
        lab.phones[carrier].gate = Some(Gate::new(401));
        lab.run(secs(5));
        lab.phones[carrier].is_dead = dead;
        lab.operate(|switch, _, _, _| switch.stop_taking_calls());
        let now = lab.now;
        assert!(lab.operate(|switch, _, _, _| switch.is_leaving(now)));
        lab.run(secs(1));
        let now = lab.now;
        assert_eq!(lab.operate(|switch, _, _, _| switch.is_leaving(now)), dead);
        lab.run(secs(2));
        let now = lab.now;
        assert!(!lab.operate(|switch, _, _, _| switch.is_leaving(now)));
        if !dead {
            assert_eq!(lab.phones[carrier].last_request(Method::Register).expires(), Some(0));
        }
        lab.finish();
    }
}

#[test]
fn numbers_are_written_and_read_as_the_trunk_has_them() {
    let rows = [
        (NumberFormat::Plus, "+4989555123", "+49301110001"),
        (NumberFormat::International, "4989555123", "49301110001"),
        (NumberFormat::National, "089555123", "0301110001"),
    ];
    for (format, called, caller) in rows {
        let mut lab = Lab::with(|parts| parts.trunks[0].settings.number_format = format);
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        lab.calls(alice, "089555123").run(ms(200));
        let invite = lab.phones[carrier].last_request(Method::Invite);
        let user = |uri: &Uri| uri.user_unescaped().unwrap();
        assert_eq!((user(&invite.uri).as_str(), user(&invite.from().unwrap().uri).as_str()), (called, caller));
        lab.cancels(alice).run(secs(1));
        lab.talk(carrier, alice, caller);
        assert_eq!(lab.record().direction, Direction::Inbound);
        lab.hangs_up(carrier).run(secs(1));
        lab.finish();
    }
}

#[test]
fn a_change_of_a_trunk_does_not_touch_what_stays_as_it_was() {
    let mut lab = registering();
    let carrier = other_carrier(&mut lab);
    lab.run(secs(5));
    let asked = lab.phones[carrier].got(Method::Register);
    let again = |parts: &mut Parts| {
        let trunk = &mut parts.trunks[0];
        trunk.login = clear("open");
        trunk.settings.register = true;
        trunk.settings.register_expires_s = 120;
        trunk.settings.domain = "carrier.test".to_owned();
        trunk.settings.max_calls = Some(9);
        trunk.targets = vec![target(OTHER, 0)];
        trunk.addresses = Vec::new();
    };
    lab.set_directory(again);
    lab.run(secs(5));
    assert_eq!(lab.phones[carrier].got(Method::Register), asked);
    let view = view(&lab, "carrier");
    assert_eq!(
        (view.id, view.max_calls, view.registration.unwrap().state.as_str()),
        (TrunkId(1), Some(9), "registered")
    );
    lab.set_directory(|_| {});
    lab.finish();
}

#[test]
fn a_call_for_help_is_kept_off_a_trunk_by_no_limit_list_silence_or_wish() {
    let mut lab = Lab::with(|parts| {
        parts.trunks[0].settings.max_calls = Some(1);
        parts.trunks[0].settings.keepalive_s = 30;
        parts.companies[0].settings.destinations = Some(Vec::new());
    });
    let (alice, bob, carrier) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.carrier());
    lab.talk(carrier, bob, "+49301110002");
    lab.phones[carrier].is_dead = true;
    lab.run(secs(70));
    assert_eq!(view(&lab, "carrier").targets[0].state, "down");
    lab.phones[carrier].is_dead = false;
    lab.phones[alice].extra.push(("Privacy".to_owned(), "id".to_owned()));
    lab.calls(alice, "112").run(ms(200));
    let invite = lab.phones[carrier].last_request(Method::Invite);
    let user = |uri: &Uri| uri.user_unescaped().unwrap();
    assert_eq!((user(&invite.uri).as_str(), user(&invite.from().unwrap().uri).as_str()), ("112", "+49301110001"));
    lab.cancels(alice).run(secs(1)).hangs_up(bob).run(secs(1));
    lab.set_directory(|_| {});
    lab.finish();
}

/// Acme's trunk leads to a carrier over TLS, and behind it to one over UDP.
fn secure_then_plain(parts: &mut Parts) {
    let tls = crate::directory::Transport::Tls;
    parts.trunks[0].targets = vec![TrunkTarget { transport: tls, ..target(CARRIER, 0) }, target(OTHER, 1)];
}

#[test]
fn keys_that_one_target_was_offered_over_tls_are_not_offered_to_the_next_over_udp() {
    let mut lab = Lab::with(secure_then_plain);
    let alice = lab.phone(ACME, "201");
    let first = lab.add_phone(CARRIER, "carrier", Transport::Tls, &format!("{CARRIER}:5060"));
    let second = other_carrier(&mut lab);
    lab.phones[first].on_call = OnCall::Refuse(503);
    lab.calls(alice, "089555123").run(ms(200));
    let offers = [first, second].map(|id| lab.phones[id].last_request(Method::Invite).body.clone());
    let has_keys = offers.map(|offer| String::from_utf8_lossy(&offer).contains("a=crypto"));
    assert_eq!(has_keys, [true, false]);
    lab.rings(second, 180).run(ms(100)).answers(second).run(secs(1));
    assert_eq!(lab.heard(alice), [180, 200]);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn where_only_encrypted_calls_are_allowed_no_target_without_tls_is_tried() {
    let mut lab = Lab::with(|parts| {
        secure_then_plain(parts);
        parts.companies[0].settings.only_encrypted = true;
    });
    let alice = lab.phone_over(ACME, "201", Transport::Tls);
    lab.phones[alice].voice.proto = "RTP/SAVP";
    let key = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
    lab.phones[alice].voice.crypto = vec![format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}")];
    let first = lab.add_phone(CARRIER, "carrier", Transport::Tls, &format!("{CARRIER}:5060"));
    let second = other_carrier(&mut lab);
    lab.phones[first].on_call = OnCall::Refuse(503);
    lab.calls(alice, "089555123").run(ms(500));
    assert_eq!((lab.phones[first].got(Method::Invite), lab.phones[second].got(Method::Invite)), (1, 0));
    assert_eq!(lab.heard(alice), [500]);
    lab.finish();
}
