//! SRTP on one leg or both, offered over TLS, refused where it must not be plain; keys shown nowhere.

use super::*;
use crate::base::Side;
use crate::rtp::srtp::Suite;

const KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
const NEW_KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

fn line(tag: u32, key: &str) -> String {
    format!("{tag} AES_CM_128_HMAC_SHA1_80 inline:{key}")
}

fn encrypts(lab: &mut Lab, id: Id) {
    lab.phones[id].voice.proto = "RTP/SAVP";
    lab.phones[id].voice.crypto = vec![line(1, KEY)];
}

fn lab_with(only_encrypted: bool) -> Lab {
    let mut lab = Lab::new();
    let mut parts = companies();
    parts.companies[0].settings.only_encrypted = only_encrypted;
    lab.operate(|switch, _, _, _| switch.set_directory(Arc::new(super::directory::build(parts))));
    lab
}

fn offer_to(lab: &Lab, id: Id) -> String {
    String::from_utf8(lab.phones[id].last_request(Method::Invite).body.to_vec()).unwrap()
}

fn suites(lab: &Lab) -> [Option<Suite>; 2] {
    Side::BOTH.map(|side| lab.desk.media_of(side).keys.as_ref().map(|keys| keys.receive.suite()))
}

#[test]
fn an_encrypted_caller_reaches_a_plain_phone_and_each_leg_is_as_its_phone_wants() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone_over(ACME, "201", Transport::Tls), lab.phone(ACME, "202"));
    encrypts(&mut lab, alice);
    lab.talk(alice, bob, "202");
    assert_eq!(suites(&lab), [Some(Suite::Aes128Tag80), None]);
    assert!(!offer_to(&lab, bob).contains("crypto"), "no keys over UDP");
    let answer = String::from_utf8(lab.phones[alice].last_response(Method::Invite).body.to_vec()).unwrap();
    assert!(
        answer.contains("RTP/SAVP 0 101\r\n") && answer.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"),
        "{answer}"
    );
    let views = lab.operate(|switch, _, _, _| switch.calls());
    assert_eq!((views[0].caller.encrypted, views[0].callee.encrypted), (true, false));
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_plain_caller_reaches_an_encrypted_phone_over_tls() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone_over(ACME, "202", Transport::Tls));
    encrypts(&mut lab, bob);
    lab.talk(alice, bob, "202");
    assert!(offer_to(&lab, bob).contains("RTP/SAVP"));
    assert_eq!(suites(&lab), [None, Some(Suite::Aes128Tag80)]);
    lab.hangs_up(bob).run(secs(1));
    lab.finish();
}

#[test]
fn a_phone_over_tls_that_does_not_encrypt_gets_a_plain_offer_after_its_refusals() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone_over(ACME, "202", Transport::Tls));
    lab.calls(alice, "202").run(ms(200));
    assert!(offer_to(&lab, bob).contains("RTP/SAVP"));
    lab.refuses(bob, 488).run(ms(200));
    assert!(offer_to(&lab, bob).contains("RTP/SAVP"), "the codecs may have been the reason");
    lab.refuses(bob, 488).run(ms(200));
    let again = offer_to(&lab, bob);
    assert!(again.contains("RTP/AVP") && !again.contains("crypto"), "{again}");
    assert_eq!(lab.phones[alice].statuses(Method::Invite).last(), Some(&100), "the caller knows nothing of it");
    lab.answers(bob).run(secs(1));
    assert_eq!(suites(&lab), [None, None]);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_refusal_of_the_plain_offer_is_the_last_word() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone_over(ACME, "202", Transport::Tls));
    lab.phones[bob].on_call = OnCall::Refuse(488);
    lab.calls(alice, "202").run(secs(2));
    assert_eq!(lab.phones[bob].got(Method::Invite), 3);
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(488));
    lab.finish();
}

#[test]
fn where_only_encrypted_calls_are_allowed_nothing_else_passes() {
    let table = [
        ("plain over TLS", Transport::Tls, false, Transport::Tls, Some(488)),
        ("encrypted over UDP", Transport::Udp, true, Transport::Tls, Some(488)),
        ("encrypted over TCP", Transport::Tcp, true, Transport::Tls, Some(488)),
        ("to a phone over UDP", Transport::Tls, true, Transport::Udp, Some(488)),
        ("both over TLS", Transport::Tls, true, Transport::Tls, None),
    ];
    for (name, hers, encrypted, his, refused) in table {
        let mut lab = lab_with(true);
        let (alice, bob) = (lab.phone_over(ACME, "201", hers), lab.phone_over(ACME, "202", his));
        encrypts(&mut lab, bob);
        if encrypted {
            encrypts(&mut lab, alice);
        }
        lab.calls(alice, "202").run(ms(500));
        match refused {
            Some(status) => {
                let response = lab.phones[alice].last_response(Method::Invite);
                assert_eq!(response.status, status, "{name}");
                assert!(response.reason.to_lowercase().contains("only encrypted calls"), "{name}: {}", response.reason);
                assert_eq!(lab.phones[bob].got(Method::Invite), 0, "{name}");
            }
            None => {
                lab.answers(bob).run(secs(1));
                assert_eq!(suites(&lab), [Some(Suite::Aes128Tag80); 2], "{name}");
                lab.hangs_up(alice).run(secs(1));
            }
        }
        lab.finish();
    }
}

#[test]
fn where_only_encrypted_calls_are_allowed_a_refusal_brings_no_plain_offer() {
    let mut lab = lab_with(true);
    let (alice, bob) = (lab.phone_over(ACME, "201", Transport::Tls), lab.phone_over(ACME, "202", Transport::Tls));
    encrypts(&mut lab, alice);
    lab.phones[bob].on_call = OnCall::Refuse(488);
    lab.calls(alice, "202").run(secs(2));
    assert_eq!(lab.phones[bob].got(Method::Invite), 2, "the other codecs, as safe as the first");
    assert!(offer_to(&lab, bob).contains("RTP/SAVP"));
    assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(488));
    lab.finish();
}

#[test]
fn a_reinvite_with_a_new_key_changes_what_is_expected_and_not_our_own_key() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone_over(ACME, "201", Transport::Tls), lab.phone(ACME, "202"));
    encrypts(&mut lab, alice);
    lab.talk(alice, bob, "202");
    let before = lab.desk.media_of(Side::Caller).keys.clone().unwrap();
    lab.phones[alice].voice.crypto = vec![line(1, NEW_KEY)];
    lab.reinvites(alice, "sendrecv").run(secs(1));
    let after = lab.desk.media_of(Side::Caller).keys.clone().unwrap();
    assert_eq!(before.send, after.send);
    assert_ne!(before.receive, after.receive);
    // A hold of the other party reaches her as an offer with the keys that hold.
    lab.reinvites(bob, "sendonly").run(secs(1));
    let held = String::from_utf8(lab.phones[alice].last_request(Method::Invite).body.to_vec()).unwrap();
    assert!(held.contains("RTP/SAVP") && held.matches("a=crypto:1 AES_CM_128_HMAC_SHA1_80").count() == 1, "{held}");
    assert_eq!(lab.desk.media_of(Side::Caller).keys.as_ref().map(|keys| &keys.receive), Some(&after.receive));
    lab.hangs_up(bob).run(secs(1));
    lab.finish();
}

#[test]
fn a_caller_without_an_offer_is_offered_encryption_over_tls() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone_over(ACME, "201", Transport::Tls), lab.phone(ACME, "202"));
    encrypts(&mut lab, alice);
    lab.phones[alice].late_offer = true;
    lab.talk(alice, bob, "202");
    assert_eq!(suites(&lab), [Some(Suite::Aes128Tag80), None]);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_sips_address_is_called_over_tls_all_the_way_or_not_at_all() {
    let table = [
        (Transport::Udp, Transport::Tls, Some(403)),
        (Transport::Tls, Transport::Udp, Some(480)),
        (Transport::Tls, Transport::Tls, None),
    ];
    for (hers, his, refused) in table {
        let mut lab = Lab::new();
        let (alice, bob) = (lab.phone_over(ACME, "201", hers), lab.phone_over(ACME, "202", his));
        lab.calls(alice, &format!("sips:202@{ACME}")).run(ms(500));
        match refused {
            Some(status) => assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(status), "{hers} {his}"),
            None => {
                lab.refuses(bob, 488).run(ms(200)).refuses(bob, 488).run(ms(200)).answers(bob).run(secs(1));
                let contact = lab.phones[alice].last_response(Method::Invite).contact().unwrap();
                assert_eq!(contact.uri.scheme.as_str(), "sips");
                lab.hangs_up(alice).run(secs(1));
            }
        }
        lab.finish();
    }
}

#[test]
fn no_key_is_in_a_record_a_preparation_a_change_or_what_is_shown_of_a_call() {
    let mut lab = Lab::new();
    let (alice, bob) = (lab.phone_over(ACME, "201", Transport::Tls), lab.phone_over(ACME, "202", Transport::Tls));
    encrypts(&mut lab, alice);
    encrypts(&mut lab, bob);
    lab.talk(alice, bob, "202");
    let views = lab.operate(|switch, _, _, _| switch.calls());
    let switch = lab.operate(|switch, _, _, _| format!("{:?}", switch.calls()));
    lab.hangs_up(alice).run(secs(1));
    let mut keys = vec![KEY.to_owned()];
    for said in lab.desk.said.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()) {
        let lines = said.split("inline:").skip(1);
        keys.extend(lines.filter_map(|rest| rest.split(['\r', '|']).next().map(str::to_owned)));
    }
    assert!(keys.len() >= 5, "ours are among them: {}", keys.len());
    let (records, orders) = (&lab.desk.saved, &lab.desk.orders);
    let shown = format!("{records:?} {orders:?} {:?} {:?} {switch}", lab.desk.prepared, lab.desk.changes)
        + &serde_json::to_string(records).unwrap()
        + &serde_json::to_string(&views).unwrap();
    for key in keys {
        assert!(!shown.contains(&key[..10]), "a key is shown");
    }
    lab.finish();
}

/// Acme's trunk demands encryption, and is reached over TLS or UDP; the carrier, who encrypts.
fn lab_with_a_trunk(transport: Transport) -> (Lab, Id) {
    let over =
        if transport == Transport::Tls { crate::directory::Transport::Tls } else { crate::directory::Transport::Udp };
    let mut lab = Lab::with(|parts| {
        parts.trunks[0].settings.only_encrypted = true;
        parts.trunks[0].targets[0].transport = over;
    });
    let carrier = lab.add_phone(CARRIER, "carrier", transport, &format!("{CARRIER}:5060"));
    encrypts(&mut lab, carrier);
    (lab, carrier)
}

#[test]
fn a_trunk_that_demands_encryption_is_used_for_encrypted_legs_only_and_binds_no_other_leg() {
    for (transport, encrypted, status) in
        [(Transport::Udp, true, 488), (Transport::Tls, false, 488), (Transport::Tls, true, 200)]
    {
        let (mut lab, carrier) = lab_with_a_trunk(transport);
        let bob = lab.phone(ACME, "202");
        lab.phones[bob].on_call = OnCall::Answer;
        if !encrypted {
            (lab.phones[carrier].voice.proto, lab.phones[carrier].voice.crypto) = ("RTP/AVP", Vec::new());
        }
        lab.calls(carrier, "+49301110002").run(secs(1));
        assert_eq!(lab.phones[carrier].last_status(Method::Invite), Some(status), "{transport} {encrypted}");
        if status == 200 {
            assert_eq!(suites(&lab), [Some(Suite::Aes128Tag80), None], "the phone's leg is its own affair");
            lab.hangs_up(bob).run(secs(1));
        }
        lab.finish();
    }
}

#[test]
fn a_call_out_through_a_trunk_that_demands_encryption_is_never_offered_plain() {
    for transport in [Transport::Udp, Transport::Tls] {
        let (mut lab, carrier) = lab_with_a_trunk(transport);
        let alice = lab.phone(ACME, "201");
        lab.phones[carrier].on_call = OnCall::Refuse(488);
        lab.calls(alice, "089555123").run(secs(1));
        assert_eq!(lab.phones[alice].last_status(Method::Invite), Some(488));
        let invites = lab.phones[carrier].requests.iter().filter(|(_, request)| request.method == Method::Invite);
        let said: Vec<bool> =
            invites.map(|(_, invite)| String::from_utf8_lossy(&invite.body).contains("RTP/SAVP")).collect();
        assert_eq!(said, vec![true; if transport == Transport::Tls { 2 } else { 0 }], "{transport}");
        // Help is called all the same.
        if transport == Transport::Udp {
            (lab.phones[carrier].voice.proto, lab.phones[carrier].voice.crypto) = ("RTP/AVP", Vec::new());
        }
        lab.phones[carrier].on_call = OnCall::Answer;
        lab.calls(alice, "112").run(secs(1));
        assert!(lab.phones[alice].is_talking(), "{transport}");
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
}
