//! Who is told that a call is recorded.

use super::*;
use crate::call::MediaOrder;
use crate::directory::NoticeTo;
use crate::media::Bridge;
use crate::policy::Command;

/// Whom the notice of the only call was for (caller, callee), and every how many seconds.
fn notice(lab: &Lab) -> Option<([bool; 2], Option<Span>)> {
    let mut notices = lab.desk.orders.iter().filter_map(|(_, order)| match order {
        MediaOrder::SetNotice(notice) => Some(notice.as_ref().map(|notice| (notice.to, notice.every))),
        _ => None,
    });
    notices.next_back().flatten()
}

fn lab_with(company: NoticeTo, number: Option<NoticeTo>) -> Lab {
    let mut parts = companies();
    parts.companies[0].settings.notice = company;
    parts.companies[0].settings.notice_beep_s = 10;
    parts.numbers[0].notice = number;
    let mut lab = Lab::new();
    lab.switch.set_directory(Arc::new(directory::build(parts)));
    lab
}

#[test]
fn the_number_says_who_is_told_else_the_company() {
    let rows = [
        (NoticeTo::Off, None, None),
        (NoticeTo::Outside, None, Some(([true, false], None))),
        (NoticeTo::Both, None, Some(([true, true], None))),
        (NoticeTo::Beep, None, Some(([true, true], Some(secs(10))))),
        (NoticeTo::Both, Some(NoticeTo::Off), None),
        (NoticeTo::Off, Some(NoticeTo::Outside), Some(([true, false], None))),
    ];
    for (company, number, expected) in rows {
        let mut lab = lab_with(company, number);
        let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
        lab.talk(carrier, alice, "+49301110001");
        assert_eq!(notice(&lab), expected, "{company:?} {number:?}");
        lab.hangs_up(carrier).run(secs(1));
        lab.finish();
    }
}

#[test]
fn who_comes_by_a_transfer_is_told_where_the_notice_is_for_them() {
    for (company, told) in [(NoticeTo::Outside, false), (NoticeTo::Both, true)] {
        let mut lab = lab_with(company, None);
        lab.desk.plays = true;
        let (carrier, bob, carol) = (lab.carrier(), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
        lab.talk(carrier, bob, "+49301110002").run(secs(5));
        let to_callee = |lab: &mut Lab| {
            let sent = std::mem::take(&mut lab.desk.tape.rtp);
            sent.iter().filter(|(side, ..)| *side == crate::base::Side::Callee).count()
        };
        to_callee(&mut lab);
        lab.act(bob, |phone, now| phone.refer("<sip:203@acme.test>", &[], now));
        lab.run(ms(200)).answers(carol).run(secs(5));
        // Nobody speaks: what is sent is the notice.
        assert_eq!(to_callee(&mut lab) > 50, told, "{company:?}");
        let gates = lab.desk.tape.tapped.iter().filter(|event| event.starts_with("Gate")).count();
        assert_eq!(gates, 1, "the recording goes on: {company:?}");
        lab.hangs_up(carol).run(secs(1));
        lab.finish();
    }
}

#[test]
fn the_outside_party_of_an_outbound_call_is_told_and_nobody_of_a_call_for_help() {
    for (dialled, expected) in [("089555123", Some(([false, true], None))), ("112", None)] {
        let mut lab = lab_with(NoticeTo::Outside, None);
        let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
        lab.talk(alice, carrier, dialled);
        assert_eq!(notice(&lab), expected, "{dialled}");
        lab.hangs_up(carrier).run(secs(1));
        lab.finish();
    }
}

/// Whether a notice is being said in the only call.
fn is_told(lab: &Lab) -> bool {
    lab.desk.bridges.values().any(Bridge::is_busy)
}

#[test]
fn who_joins_by_transfer_is_told_where_the_call_is_recorded() {
    for paused in [false, true] {
        let mut lab = lab_with(NoticeTo::Both, None);
        lab.desk.plays = true;
        let (carrier, alice, bob) = (lab.carrier(), lab.phone(ACME, "201"), lab.phone(ACME, "202"));
        lab.talk(carrier, alice, "+49301110001").run(secs(10));
        assert!(!is_told(&lab), "those who were there have heard it");
        let call = lab.switch.calls()[0].record.id;
        if paused {
            lab.operate(|switch, now, wall, desk| switch.command(call, Command::Pause, now, wall, desk));
        }
        lab.act(alice, |phone, now| phone.refer("<sip:202@acme.test>", &[], now));
        lab.run(ms(100)).answers(bob).run(ms(100));
        assert_eq!(is_told(&lab), !paused, "paused: {paused}");
        lab.hangs_up(carrier).run(secs(1));
        lab.finish();
    }
}

#[test]
fn an_outside_party_that_joins_an_internal_call_is_told_and_a_user_who_joins_is_not() {
    let mut lab = lab_with(NoticeTo::Outside, None);
    lab.desk.plays = true;
    let (alice, bob, carol, carrier) =
        (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"), lab.carrier());
    lab.talk(alice, bob, "202");
    assert_eq!(notice(&lab), Some(([false; 2], None)), "nobody of an internal call");
    lab.act(bob, |phone, now| phone.refer("<sip:203@acme.test>", &[], now));
    lab.run(ms(100)).answers(carol).run(ms(100));
    assert_eq!(notice(&lab), Some(([false; 2], None)));
    assert!(!is_told(&lab));
    lab.act(carol, |phone, now| phone.refer("<sip:+4915155555@acme.test>", &[], now));
    lab.run(ms(100)).answers(carrier).run(ms(100));
    assert_eq!(notice(&lab), Some(([false, true], None)));
    assert!(is_told(&lab));
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}
