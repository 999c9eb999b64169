//! Digits: INFO in and out, commands through real bridges, and that no digit is written down.

use super::*;
use crate::base::Side;
use crate::call::MediaOrder;
use crate::ledger::{By, How, Refusal};
use std::net::SocketAddr;

fn pair() -> (Lab, Id, Id) {
    let mut lab = Lab::new();
    lab.desk.plays = true;
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    (lab, alice, bob)
}

/// Everything that was written down about calls.
fn written(lab: &Lab) -> String {
    let desk = &lab.desk;
    format!("{:?} {:?} {:?} {:?}", desk.saved, desk.changes, desk.prepared, lab.switch.calls())
}

fn send_info(lab: &mut Lab, id: Id, keys: &str) {
    for key in keys.chars() {
        lab.act(id, |phone, now| {
            phone.info("application/dtmf-relay", &format!("Signal={key}\r\nDuration=160\r\n"), now)
        });
        lab.run(ms(250));
    }
}

/// One key as telephone events: three packets while it is held, three at its end.
fn press(lab: &mut Lab, side: Side, from: SocketAddr, key: u8, sequence: u16, timestamp: u32) {
    for at in 0..6u16 {
        let end = if at >= 3 { 0x80 } else { 0 };
        let duration = 160 * (at.min(3) + 1);
        let mut packet = vec![0x80, if at == 0 { 0xe5 } else { 0x65 }];
        packet.extend((sequence + at).to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, 9, key, 10 | end]);
        packet.extend(duration.to_be_bytes());
        lab.desk.now = lab.now;
        lab.desk.rtp(side, from, &mut packet);
        lab.run(ms(20));
    }
}

#[test]
fn info_digits_of_both_forms_reach_the_media() {
    let (mut lab, alice, bob) = pair();
    lab.talk(alice, bob, "202");
    lab.act(alice, |phone, now| phone.info("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", now));
    lab.act(bob, |phone, now| phone.info("application/dtmf", "#", now));
    lab.act(bob, |phone, now| phone.info("application/dtmf", "", now));
    lab.run(ms(100));
    assert_eq!(lab.desk.info_keys(), [(Side::Caller, '5'), (Side::Callee, '#')]);
    assert_eq!(lab.phones[bob].statuses(Method::Info), [200, 200]);
    lab.act(alice, |phone, now| phone.info("application/dtmf-relay", "Duration=160\r\n", now));
    lab.run(ms(100));
    assert_eq!(lab.phones[alice].last_status(Method::Info), Some(400));
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_digit_goes_out_as_info_where_the_far_leg_knows_nothing_else() {
    let (mut lab, alice, bob) = pair();
    lab.phones[bob].voice.events = None;
    lab.talk(alice, bob, "202");
    send_info(&mut lab, alice, "7");
    let info = lab.phones[bob].last_request(Method::Info);
    assert_eq!(info.content_type().as_deref(), Some("application/dtmf-relay"));
    assert!(String::from_utf8_lossy(&info.body).starts_with("Signal=7\r\n"));
    lab.hangs_up(bob).run(secs(1));
    assert!(!written(&lab).contains("Signal"));
    lab.finish();
}

#[test]
fn commands_as_info_pause_and_resume_and_the_other_party_hears_none_of_their_keys() {
    let (mut lab, alice, bob) = pair();
    lab.phones[bob].voice.events = None;
    lab.talk(alice, bob, "202");
    send_info(&mut lab, alice, "#11#");
    let change = lab.desk.changes.last().expect("a command").clone();
    assert_eq!((change.how, change.wanted, change.refused), (How::Info, false, None));
    assert!(matches!(change.by, By::User { side: Side::Caller, .. }));
    assert!(!lab.switch.calls()[0].recording);
    send_info(&mut lab, alice, "#12#");
    assert!(lab.switch.calls()[0].recording);
    assert_eq!(lab.phones[bob].got(Method::Info), 0);
    lab.hangs_up(alice).run(secs(1));
    assert_eq!(lab.record().changes.len(), 2);
    assert!(!lab.record().ended_paused);
    lab.finish();
}

#[test]
fn a_command_as_telephone_events_pauses_and_stays_with_the_record() {
    let (mut lab, alice, bob) = pair();
    lab.talk(alice, bob, "202");
    let from: SocketAddr = "192.0.2.10:4000".parse().unwrap();
    for (at, key) in [11u8, 1, 1, 11].into_iter().enumerate() {
        let at = u16::try_from(at).unwrap();
        press(&mut lab, Side::Caller, from, key, 100 + 10 * at, 8_000 + 1_600 * u32::from(at));
    }
    let change = lab.desk.changes.last().expect("a command");
    assert_eq!((change.how, change.wanted), (How::Rfc4733, false));
    lab.hangs_up(alice).run(secs(1));
    assert!(lab.record().ended_paused);
    lab.finish();
}

#[test]
fn the_outside_party_cannot_command_and_a_forbidden_command_changes_nothing() {
    let mut lab = Lab::new();
    let mut parts = companies();
    parts.companies[0].settings.agent_pause = false;
    lab.operate(|switch, _, _, _| switch.set_directory(Arc::new(super::directory::build(parts))));
    lab.desk.plays = true;
    let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
    lab.talk(carrier, alice, "+49301110001");
    send_info(&mut lab, carrier, "#11#");
    assert!(lab.desk.changes.is_empty());
    send_info(&mut lab, alice, "#11#");
    assert_eq!(lab.desk.changes.last().map(|change| change.refused), Some(Some(Refusal::AgentPauseOff)));
    assert!(lab.switch.calls()[0].recording);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn digits_are_in_no_record() {
    let (mut lab, alice, bob) = pair();
    lab.talk(alice, bob, "202");
    // A run of keys that stands nowhere else.
    send_info(&mut lab, alice, "9753197531");
    lab.run(secs(5)).hangs_up(alice).run(secs(1));
    assert_eq!(lab.desk.count(|order| matches!(order, MediaOrder::InfoKey { .. })), 10);
    let text = written(&lab);
    assert!(!text.contains("97531"), "{text}");
    lab.finish();
}

#[test]
fn voice_is_relayed_between_the_laws_and_held_parties_are_not_heard() {
    let (mut lab, alice, bob) = pair();
    lab.phones[bob].voice.formats = vec![8];
    lab.talk(alice, bob, "202");
    let from: SocketAddr = "192.0.2.10:4000".parse().unwrap();
    let voice = |lab: &mut Lab, sequence: u16| {
        let mut packet = vec![0x80, 0];
        packet.extend(sequence.to_be_bytes());
        packet.extend((160 * u32::from(sequence)).to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend([0xff; 160]);
        lab.desk.now = lab.now;
        lab.desk.rtp(Side::Caller, from, &mut packet);
        lab.run(ms(20));
    };
    voice(&mut lab, 1);
    let (side, to, packet) = lab.desk.tape.rtp.last().expect("relayed").clone();
    assert_eq!((side, to), (Side::Callee, "192.0.2.11:4000".parse().unwrap()));
    assert_eq!((packet[1] & 0x7f, packet[12]), (8, 0xd5));
    let relayed = lab.desk.tape.rtp.len();
    lab.reinvites(bob, "inactive").run(ms(100));
    voice(&mut lab, 2);
    assert_eq!(lab.desk.tape.rtp.len(), relayed);
    lab.reinvites(bob, "sendrecv").run(ms(100));
    voice(&mut lab, 3);
    assert_eq!(lab.desk.tape.rtp.len(), relayed + 1);
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}
