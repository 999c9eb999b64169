//! Calls that a call flow leads, groups, and users who cannot take a call.

use super::*;
use crate::base::{CompanyId, Direction, FlowId, GroupId, Side, UserId};
use crate::call::Note;
use crate::directory::flow::{Flow, ForwardTo};
use crate::directory::{Facility, FacilityRow, GroupText, Route, Sound};
use crate::ledger::{Because, RecordingStep, Refusal};

const NUMBER: &str = "+49301110001";

/// Acme with the group `sales` of 201 and 202, the prompt `hello` of one second, and `steps` (JSON)
/// as the flow of [`NUMBER`]; without any the number rings the group.
fn lab_with(steps: &str, change: impl FnOnce(&mut directory::Parts)) -> Lab {
    let mut parts = companies();
    parts.numbers[0].route = if steps.is_empty() { Route::Group(GroupId(60)) } else { Route::Flow(FlowId(61)) };
    change(&mut parts);
    let row = |id, name: &str, facility| FacilityRow { id, company: CompanyId(1), name: name.to_owned(), facility };
    let members = ["201", "202"].map(str::to_owned).to_vec();
    let group = GroupText { label: "Sales".to_owned(), members, subscribe_members: false };
    let mut rows = vec![
        row(60, "sales", Facility::Group(group)),
        row(62, "hello", Facility::Prompt(Sound(vec![8_031; 8_000].into()))),
    ];
    if !steps.is_empty() {
        let flow: Flow = serde_json::from_str(steps).unwrap();
        rows.push(row(61, "main", Facility::Flow(flow)));
    }
    let mut lab = Lab::new();
    lab.desk.plays = true;
    lab.switch.set_directory(Arc::new(directory::build(parts).with_facilities(rows)));
    lab
}

fn lab(steps: &str) -> Lab {
    lab_with(steps, |_| {})
}

/// A recording step, then an announcement, then the group.
const ANNOUNCE: &str = r#"{"start":"r","steps":{
    "r":{"do":"recording","on":true,"next":"a"},
    "a":{"do":"announce","prompt":"hello","next":"g"},
    "g":{"do":"ring","target":"group:sales","how":"all","seconds":20,"next":null}}}"#;

const MENU: &str = r#"{"start":"m","steps":{
    "m":{"do":"menu","prompt":"hello","digits":{"1":"u","9":"end"},"timeout":"end","invalid":"m","seconds":4},
    "u":{"do":"ring","target":"user:202","how":"all","seconds":10,"next":"end"},
    "end":{"do":"hangup","cause":486}}}"#;

fn said_200(lab: &Lab, id: Id) -> bool {
    lab.phones[id].statuses(Method::Invite).contains(&200)
}

#[test]
fn a_group_rings_every_device_of_every_member_and_the_others_learn_that_it_was_answered() {
    let mut lab = lab("");
    let carrier = lab.carrier();
    let phones = [lab.phone(ACME, "201"), lab.phone(ACME, "201"), lab.phone(ACME, "202")];
    lab.calls(carrier, NUMBER).run(ms(100));
    for phone in phones {
        assert_eq!(lab.phones[phone].got(Method::Invite), 1);
        lab.rings(phone, 180);
    }
    lab.run(secs(1)).answers(phones[2]).run(secs(1));
    assert!(lab.phones[carrier].is_talking() && lab.phones[phones[2]].is_talking());
    for other in [phones[0], phones[1]] {
        assert_eq!(lab.phones[other].cancelled, 1);
    }
    let reasons = lab.desk.said.iter().filter(|bytes| bytes.starts_with(b"CANCEL "));
    let reasons: Vec<bool> = reasons
        .map(|bytes| String::from_utf8_lossy(bytes).contains("Reason: SIP;cause=200;text=\"Call completed elsewhere\""))
        .collect();
    assert_eq!(reasons, [true, true]);
    let record = lab.record();
    assert_eq!((record.callee.user, record.callee.name.as_str()), (Some(UserId(2)), "Bob"));
    assert_eq!(record.direction, Direction::Inbound);
    lab.hangs_up(carrier).run(secs(1));
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::CallerHungUp));
    lab.finish();
}

#[test]
fn a_caller_who_gives_up_is_no_call_that_was_completed_elsewhere() {
    let mut lab = lab("");
    let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
    lab.calls(carrier, NUMBER).run(ms(100)).rings(alice, 180).run(secs(1)).cancels(carrier).run(secs(1));
    assert_eq!(lab.phones[alice].cancelled, 1);
    assert!(!lab.desk.said.iter().any(|bytes| String::from_utf8_lossy(bytes).contains("completed elsewhere")));
    assert_eq!(lab.ended(), (Outcome::Cancelled, EndReason::CallerCancelled));
    lab.finish();
}

#[test]
fn a_member_who_declines_everywhere_does_not_speak_for_the_group() {
    let mut lab = lab("");
    let carrier = lab.carrier();
    let phones = [lab.phone(ACME, "201"), lab.phone(ACME, "201"), lab.phone(ACME, "202")];
    lab.calls(carrier, NUMBER).run(ms(100)).rings(phones[1], 180).rings(phones[2], 180).run(ms(50));
    lab.refuses(phones[0], 603).run(ms(100));
    assert_eq!((lab.phones[phones[1]].cancelled, lab.phones[phones[2]].cancelled), (1, 0));
    lab.answers(phones[2]).run(secs(1));
    assert!(lab.phones[carrier].is_talking());
    lab.hangs_up(carrier).run(secs(1));
    lab.finish();
}

#[test]
fn an_announcement_answers_the_caller_and_the_recording_begins_when_a_person_answers() {
    let mut lab = lab(ANNOUNCE);
    let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
    lab.calls(carrier, NUMBER).run(ms(500));
    assert!(said_200(&lab, carrier), "the prompt needs to be heard");
    assert_eq!(lab.phones[alice].got(Method::Invite), 0, "it is not over yet");
    lab.run(secs(1));
    assert_eq!(lab.phones[alice].got(Method::Invite), 1);
    let heard = lab.desk.tape.rtp.iter().filter(|(side, _, _)| *side == Side::Caller).count();
    assert!(heard >= 50, "a second of prompt and then the tone of ringing: {heard}");
    assert_eq!((lab.desk.prepared.len(), lab.desk.saved.len()), (0, 0), "nobody has answered");
    lab.rings(alice, 180).run(secs(1)).answers(alice).run(secs(1));
    let record = lab.record().clone();
    assert_eq!((record.outcome, record.callee.user), (Outcome::Answered, Some(UserId(1))));
    let passed = Some(RecordingStep { flow: "main".to_owned(), step: "r".to_owned() });
    assert_eq!((record.decision.record, record.decision.because), (true, Because::FlowStep { passed }));
    assert_eq!(lab.desk.prepared.len(), 1);
    assert!(lab.desk.tape.tapped.iter().any(|event| event.starts_with("Gate { open: true")));
    lab.hangs_up(alice).run(secs(1));
    assert_eq!(lab.phones[carrier].got(Method::Bye), 1);
    assert_eq!(lab.ended(), (Outcome::Completed, EndReason::CalleeHungUp));
    lab.finish();
}

#[test]
fn a_recording_step_rules_over_the_agents_command_in_a_call_as_well() {
    let mut lab = lab(ANNOUNCE);
    let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
    lab.calls(carrier, NUMBER).run(secs(2)).answers(alice).run(secs(1));
    for key in "#11#".chars() {
        lab.act(alice, |phone, now| phone.info("application/dtmf-relay", &format!("Signal={key}\r\n"), now));
        lab.run(ms(200));
    }
    let change = lab.desk.changes.last().expect("the command was noted");
    assert_eq!((change.refused, change.wanted), (Some(Refusal::FlowStep), false));
    assert!(change.decision.record, "it goes on");
    lab.hangs_up(carrier).run(secs(1));
    lab.finish();
}

#[test]
fn a_menu_rings_whom_the_digit_names_and_says_bye_where_none_comes() {
    let mut menu = lab(MENU);
    let (carrier, bob) = (menu.carrier(), menu.phone(ACME, "202"));
    menu.calls(carrier, NUMBER).run(ms(300));
    menu.act(carrier, |phone, now| phone.info("application/dtmf-relay", "Signal=1\r\n", now));
    menu.run(ms(300));
    assert_eq!(menu.phones[bob].got(Method::Invite), 1, "the key comes before the prompt is over");
    menu.answers(bob).run(secs(1));
    assert!(menu.phones[bob].is_talking());
    menu.hangs_up(bob).run(secs(1));
    menu.finish();

    let mut silent = lab(MENU);
    let carrier = silent.carrier();
    silent.calls(carrier, NUMBER).run(secs(4));
    assert_eq!(silent.phones[carrier].got(Method::Bye), 0, "one second of prompt, four to choose");
    silent.run(secs(2));
    assert_eq!(silent.phones[carrier].got(Method::Bye), 1);
    assert_eq!(silent.ended(), (Outcome::Busy, EndReason::Rejected { status: 486 }));
    silent.finish();
}

#[test]
fn a_caller_can_hang_up_at_every_moment_of_a_flow() {
    // In ms after the call: in the prompt, while nobody answers, long after the ringing began.
    for wait in [300, 1_500, 9_000] {
        let mut lab = lab(ANNOUNCE);
        let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
        lab.calls(carrier, NUMBER).run(ms(wait));
        lab.hangs_up(carrier).run(secs(1));
        assert_eq!(lab.ended(), (Outcome::Cancelled, EndReason::CallerCancelled), "after {wait} ms");
        assert_eq!(lab.phones[carrier].got(Method::Bye), 0);
        assert_eq!(lab.phones[alice].cancelled, lab.phones[alice].got(Method::Invite));
        lab.finish();
    }
}

#[test]
fn a_flow_that_plays_nothing_rings_early_and_refuses_with_its_cause() {
    let steps = r#"{"start":"u","steps":{
        "u":{"do":"ring","target":"user:201","how":"all","seconds":5,"next":"end"},
        "end":{"do":"hangup","cause":603}}}"#;
    let mut lab = lab(steps);
    let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
    lab.calls(carrier, NUMBER).run(ms(100)).rings(alice, 180).run(secs(4));
    assert_eq!(lab.heard(carrier), [180]);
    lab.run(secs(2));
    assert_eq!(lab.heard(carrier), [180, 603]);
    assert_eq!(lab.phones[alice].cancelled, 1);
    lab.finish();
}

#[test]
fn a_user_who_is_busy_or_away_sends_the_call_on() {
    // (what 202 does, who gets the call then)
    for away in [false, true] {
        let mut lab = lab_with("", |parts| {
            let bob = &mut parts.users[1].calls.unanswered;
            bob.busy = Some(ForwardTo::User("203".to_owned()));
            bob.unregistered = Some(ForwardTo::User("203".to_owned()));
        });
        let (alice, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "203"));
        if !away {
            let bob = lab.phone(ACME, "202");
            lab.phones[bob].on_call = OnCall::Refuse(486);
        }
        lab.calls(alice, "202").run(ms(200));
        assert_eq!(lab.phones[carol].got(Method::Invite), 1, "away: {away}");
        lab.answers(carol).run(secs(1));
        assert_eq!(lab.record().callee.user, Some(UserId(3)));
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
}

#[test]
fn an_internal_call_that_is_sent_outside_counts_as_outbound_from_there_on() {
    let mut lab = lab_with("", |parts| {
        parts.users[1].calls.unanswered.unregistered = Some(ForwardTo::Number("+4989555123".to_owned()));
        parts.companies[0].settings.record_internal = false;
    });
    let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
    lab.calls(alice, "202").run(ms(200));
    let invite = lab.phones[carrier].last_request(Method::Invite);
    assert_eq!(invite.uri.user_unescaped().as_deref(), Some("+4989555123"));
    assert_eq!(invite.from().unwrap().uri.user_unescaped().as_deref(), Some("+49301110002"), "the company's default");
    lab.answers(carrier).run(secs(1));
    let record = lab.record();
    assert_eq!((record.direction, record.decision.record), (Direction::Outbound, true));
    assert_eq!(record.callee.address, "+4989555123");
    lab.hangs_up(carrier).run(secs(1));
    lab.finish();
}

#[test]
fn a_forward_to_the_outside_keeps_to_the_list_of_destinations() {
    let abroad = || vec!["+44".parse().unwrap()];
    // (the user's own list, whether the call goes out)
    for (own, goes) in [(None, false), (Some(abroad()), true)] {
        let mut lab = lab_with("", |parts| {
            parts.users[1].calls.unanswered.unregistered = Some(ForwardTo::Number("+447911123456".to_owned()));
            parts.users[1].destinations = own;
        });
        let (alice, carrier) = (lab.phone(ACME, "201"), lab.carrier());
        lab.calls(alice, "202").run(ms(200));
        assert_eq!(lab.phones[carrier].got(Method::Invite), usize::from(goes));
        let noted = lab.desk.notes.iter().any(|note| matches!(note, Note::NotForwarded { .. }));
        assert_eq!(noted, !goes, "{:?}", lab.desk.notes);
        match goes {
            true => lab.cancels(alice).run(secs(1)),
            false => &mut lab,
        };
        lab.finish();
    }
}

#[test]
fn calls_that_are_up_keep_the_flow_that_they_began_with() {
    let mut lab = lab(ANNOUNCE);
    let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
    lab.calls(carrier, NUMBER).run(ms(300));
    lab.switch.set_directory(Arc::new(directory::build(companies())));
    lab.run(secs(2));
    assert_eq!(lab.phones[alice].got(Method::Invite), 1);
    lab.answers(alice).run(secs(1)).hangs_up(alice).run(secs(1));
    lab.finish();
}

/// An announcement of a second, then the group for five minutes.
const LONG: &str = r#"{"start":"a","steps":{
    "a":{"do":"announce","prompt":"hello","next":"g"},
    "g":{"do":"ring","target":"group:sales","how":"all","seconds":300,"next":null}}}"#;

/// The carrier is in the flow, with sessions of 90 s that we refresh; Bob rings.
fn waiting() -> (Lab, Id, Id) {
    let mut lab = lab(LONG);
    let (carrier, bob) = (lab.carrier(), lab.phone(ACME, "202"));
    lab.phones[carrier].extra.push(("Supported".to_owned(), "timer".to_owned()));
    lab.phones[carrier].extra.push(("Session-Expires".to_owned(), "90;refresher=uas".to_owned()));
    lab.calls(carrier, NUMBER).run(secs(3));
    assert!(said_200(&lab, carrier) && lab.phones[bob].incoming.is_some());
    (lab, carrier, bob)
}

#[test]
fn the_session_of_a_caller_who_waits_in_a_flow_is_refreshed() {
    let (mut lab, carrier, bob) = waiting();
    lab.run(secs(100));
    assert_eq!(lab.phones[carrier].got(Method::Update), 1, "after 45 s; its answer asks for no more");
    lab.updates(carrier, "sendrecv").run(ms(200)).reinvites(carrier, "sendrecv").run(ms(200));
    assert_eq!(lab.phones[carrier].last_status(Method::Update), Some(200), "and may be from the other end");
    assert_eq!(lab.phones[carrier].last_status(Method::Invite), Some(200));
    lab.answers(bob).run(secs(1));
    assert!(lab.phones[carrier].is_talking() && lab.phones[bob].is_talking());
    lab.hangs_up(bob).run(secs(1));
    lab.finish();
}

#[test]
fn a_caller_who_has_gone_while_it_waits_in_a_flow_is_noticed() {
    for by_timer in [true, false] {
        let (mut lab, carrier, bob) = waiting();
        let call = lab.switch.calls()[0].record.id;
        match by_timer {
            true => {
                lab.phones[carrier].deaf_to = Some(Method::Update);
                lab.run(secs(80));
            }
            false => {
                let gone = crate::media::Fact::Silent { side: Side::Caller };
                lab.operate(|switch, now, wall, desk| switch.fact(call, gone, now, wall, desk));
                lab.run(ms(200));
            }
        }
        assert_eq!((lab.phones[bob].cancelled, lab.phones[carrier].got(Method::Bye)), (1, 1), "{by_timer}");
        let expected =
            if by_timer { EndReason::SessionExpired } else { EndReason::MediaSilence { side: Side::Caller } };
        assert_eq!(lab.ended(), (Outcome::Failed, expected));
        lab.finish();
    }
}

#[test]
fn a_caller_who_holds_while_it_waits_in_a_flow_holds_whoever_answers() {
    let (mut lab, carrier, bob) = waiting();
    lab.reinvites(carrier, "sendonly").run(ms(200)).answers(bob).run(secs(1));
    assert_eq!(super::sdp::flow_of(&lab.phones[bob].last_request(Method::Invite).body), "sendonly");
    lab.reinvites(carrier, "sendrecv").run(ms(500));
    let media = lab.desk.media_of(Side::Callee);
    assert!(media.sends && media.receives && !media.held);
    lab.hangs_up(carrier).run(secs(1));
    lab.finish();
}
