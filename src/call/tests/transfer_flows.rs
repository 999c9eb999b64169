//! Transfers into a call flow: it leads the party that stays to whoever takes the place.

use super::*;
use crate::audio::prompt::BuiltIn;
use crate::base::{CompanyId, FlowId, GroupId, Side};
use crate::call::MediaOrder;
use crate::directory::flow::Flow;
use crate::directory::{Directory, Facility, FacilityRow, GroupText, NoticeTo, Route, Sound};
use crate::ledger::{How, JoinedBy};
use crate::policy::Command;

const TO_THE_FLOW: &str = "<sip:+49301110009@acme.test>";

const MENU: &str = r#"{"start":"m","steps":{
    "m":{"do":"menu","prompt":"hello","digits":{"1":"g"},"timeout":"end","invalid":"m","seconds":4},
    "g":{"do":"ring","target":"group:sales","how":"all","seconds":10,"next":"end"},
    "end":{"do":"hangup","cause":486}}}"#;

/// Alice (201) talks to Bob (202). Carol (203) is the group `sales`; a number of Acme has `steps`.
fn lab_with(steps: &str, record: bool) -> (Lab, Id, Id, Id) {
    lab_of(steps, |parts| parts.companies[0].settings.record_internal = record)
}

fn lab_of(steps: &str, change: impl FnOnce(&mut Parts)) -> (Lab, Id, Id, Id) {
    let mut lab = Lab::new();
    lab.desk.plays = true;
    lab.switch.set_directory(directory_of(steps, change));
    let (alice, bob, carol) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    lab.talk(alice, bob, "202");
    (lab, alice, bob, carol)
}

fn directory_of(steps: &str, change: impl FnOnce(&mut Parts)) -> Arc<Directory> {
    let mut parts = companies();
    change(&mut parts);
    parts.numbers[2].route = Route::Flow(FlowId(61));
    let row = |id, name: &str, facility| FacilityRow { id, company: CompanyId(1), name: name.to_owned(), facility };
    let members = vec!["203".to_owned()];
    let group = GroupText { label: "Sales".to_owned(), members, subscribe_members: false };
    let flow: Flow = serde_json::from_str(steps).unwrap();
    let rows = vec![
        row(GroupId(60).0, "sales", Facility::Group(group)),
        row(61, "main", Facility::Flow(flow)),
        row(62, "hello", Facility::Prompt(Sound(vec![8_031; 8_000].into()))),
    ];
    Arc::new(directory::build(parts).with_facilities(rows))
}

impl Lab {
    fn goes_to_the_flow(&mut self, id: Id) -> &mut Self {
        self.act(id, |phone, now| phone.refer(TO_THE_FLOW, &[], now));
        self.run(ms(300))
    }

    fn presses(&mut self, id: Id, key: char) -> &mut Self {
        self.act(id, |phone, now| phone.info("application/dtmf-relay", &format!("Signal={key}\r\n"), now));
        self.run(ms(400))
    }

    fn heard_a_prompt(&self, of: Side) -> usize {
        self.desk.count(|order| matches!(order, MediaOrder::PlayPrompt { side, .. } if *side == of))
    }
}

#[test]
fn a_menu_leads_the_transferee_and_the_transferor_is_let_go_when_it_is_heard() {
    for transferor_calls in [false, true] {
        let (mut lab, alice, bob, carol) = lab_with(MENU, true);
        let (transferor, stays) = if transferor_calls { (alice, bob) } else { (bob, alice) };
        let side = if transferor_calls { Side::Callee } else { Side::Caller };
        let call = lab.switch.calls()[0].record.id;
        lab.goes_to_the_flow(transferor);
        assert_eq!(lab.phones[transferor].progress(), [100, 200]);
        assert_eq!((lab.phones[transferor].got(Method::Bye), lab.phones[stays].got(Method::Bye)), (1, 0));
        let unled = |order: &MediaOrder| matches!(order, MediaOrder::SetCommander { side: of, commander: None } if *of == side.other());
        assert_eq!(lab.desk.count(unled), 1, "who has left commands no more");
        assert_eq!(lab.heard_a_prompt(side), 1);
        // A wrong key, and the prompt once more.
        lab.presses(stays, '7');
        assert_eq!(lab.heard_a_prompt(side), 2);
        lab.presses(stays, '1');
        assert!(lab.phones[carol].incoming.is_some(), "{transferor_calls}");
        lab.rings(carol, 180).run(secs(3)).answers(carol).run(ms(300));
        assert!(lab.phones[stays].is_talking() && lab.phones[carol].is_talking());
        let joined = lab.record().joined.last().unwrap().clone();
        assert_eq!((joined.how, joined.party.name.as_str()), (JoinedBy::BlindTransfer, "Carol"));
        assert_eq!((lab.record().id, lab.switch.call_count()), (call, 1), "one call, one file");
        let media = lab.desk.media_of(side);
        assert!(media.sends && media.receives && !media.held);
        assert!(lab.desk.bridges[&call].rules().open());
        lab.hangs_up(carol).run(secs(1));
        assert_eq!(lab.ended().0, Outcome::Completed);
        lab.finish();
    }
}

#[test]
fn a_path_that_ends_with_nobody_ends_the_call_of_who_waited() {
    for busy in [true, false] {
        let (mut lab, alice, bob, carol) = lab_with(MENU, true);
        lab.phones[carol].on_call = OnCall::Refuse(486);
        lab.goes_to_the_flow(bob);
        if busy {
            lab.presses(alice, '1');
        }
        lab.run(secs(7));
        assert_eq!(lab.ended(), (Outcome::Completed, EndReason::TransferFailed { status: 486 }), "{busy}");
        let bye = lab.phones[alice].last_request(Method::Bye);
        assert!(bye.headers.get("Reason").unwrap().starts_with("SIP;cause=486;"));
        lab.finish();
    }
}

#[test]
fn where_nothing_is_heard_the_transferor_stays_until_somebody_answers() {
    let steps =
        r#"{"start":"g","steps":{"g":{"do":"ring","target":"group:sales","how":"all","seconds":5,"next":null}}}"#;
    for answered in [true, false] {
        let (mut lab, alice, bob, carol) = lab_with(steps, true);
        lab.goes_to_the_flow(bob).rings(carol, 180).run(ms(300));
        assert_eq!(lab.phones[bob].progress(), [100, 180]);
        if answered {
            lab.answers(carol).run(ms(300));
            assert_eq!(lab.phones[bob].progress(), [100, 180, 200]);
            lab.hangs_up(alice).run(secs(1));
        } else {
            lab.run(secs(6));
            assert_eq!(lab.phones[bob].progress(), [100, 180, 480]);
            assert!(lab.phones[bob].is_talking() && lab.phones[carol].cancelled == 1, "the call is as before");
            lab.hangs_up(bob).run(secs(1));
        }
        assert_eq!(lab.ended().0, Outcome::Completed);
        lab.finish();
    }
}

/// Records, or not, and rings the group.
fn step(on: bool) -> String {
    format!(
        r#"{{"start":"r","steps":{{"r":{{"do":"recording","on":{on},"next":"g"}},
        "g":{{"do":"ring","target":"group:sales","how":"all","seconds":5,"next":null}}}}}}"#
    )
}

#[test]
fn a_step_that_was_changed_since_the_call_passed_it_is_passed_anew() {
    let (mut lab, alice, bob, carol) = lab_with(&step(true), false);
    lab.goes_to_the_flow(bob).answers(carol).run(ms(500));
    assert!(lab.switch.calls()[0].recording);
    lab.switch.set_directory(directory_of(&step(false), |_| {}));
    lab.goes_to_the_flow(carol);
    assert!(!lab.switch.calls()[0].recording, "of the same name, and says something else now");
    lab.hangs_up(alice).run(secs(1));
    lab.finish();
}

#[test]
fn a_recording_step_of_the_flow_decides_from_there_on_over_a_persons_pause_too() {
    for (on, record, paused) in [(true, false, false), (true, true, true), (false, true, false)] {
        let (mut lab, alice, bob, carol) = lab_with(&step(on), record);
        let call = lab.switch.calls()[0].record.id;
        if paused {
            lab.operate(|switch, now, wall, desk| switch.command(call, Command::Pause, now, wall, desk));
        }
        lab.goes_to_the_flow(bob).answers(carol).run(ms(500));
        assert_eq!(lab.switch.calls()[0].recording, on, "{on} {record} {paused}");
        let change = lab.record().changes.last().unwrap();
        assert_eq!((change.how, change.wanted), (How::Transfer, on));
        let because = change.decision.because.to_string();
        assert_eq!(because, "the recording step `r` of the call flow `main`");
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
}

/// A packet of the caller's voice, and whether the recorder had it.
fn is_recorded(lab: &mut Lab, sequence: u16) -> bool {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((160 * u32::from(sequence)).to_be_bytes());
    packet.extend([0, 0, 0, 7]);
    packet.extend([0xff; 160]);
    lab.desk.now = lab.now;
    lab.desk.tape.tapped.clear();
    lab.desk.rtp(Side::Caller, "192.0.2.10:4000".parse().unwrap(), &mut packet);
    lab.desk.tape.tapped.iter().any(|event| event.starts_with("Frame { side: Caller"))
}

#[test]
fn a_recording_that_a_step_begins_is_told_first_and_then_the_flow_goes_on() {
    let said = r#""say":{"do":"announce","prompt":"hello","next":"g"}"#;
    for (next, menu) in [("say", true), ("g", false)] {
        let steps = format!(
            r#"{{"start":"r","steps":{{"r":{{"do":"recording","on":true,"next":"{next}"}},{said},
            "g":{{"do":"ring","target":"group:sales","how":"all","seconds":20,"next":null}}}}}}"#
        );
        let (mut lab, alice, bob, carol) = lab_of(&steps, |parts| {
            let settings = &mut parts.companies[0].settings;
            (settings.notice, settings.record_internal) = (NoticeTo::Both, false);
        });
        lab.goes_to_the_flow(bob);
        assert!(!is_recorded(&mut lab, 1), "not before the notice is over");
        if menu {
            // The notice, then a second of the announcement.
            let notice = BuiltIn::named("recorded").unwrap().pcm().len();
            lab.run(ms(notice as u64 / 8 + 500));
            assert!(lab.phones[carol].incoming.is_none(), "the announcement is not over");
        }
        lab.run(ms(600)).rings(carol, 180).answers(carol).run(secs(12));
        assert!(lab.phones[carol].is_talking() && lab.phones[alice].is_talking());
        assert!(lab.switch.calls()[0].recording && is_recorded(&mut lab, 700), "{next}");
        lab.hangs_up(alice).run(secs(1));
        lab.finish();
    }
}

#[test]
fn who_stays_may_go_and_the_transferor_may_have_gone_before() {
    let (mut lab, alice, bob, carol) = lab_with(MENU, true);
    lab.act(bob, |phone, now| phone.refer(TO_THE_FLOW, &[], now));
    lab.hangs_up(bob).run(secs(1)).presses(alice, '1').rings(carol, 180).run(ms(200));
    lab.hangs_up(alice).run(secs(1));
    assert_eq!((lab.ended().0, lab.phones[carol].cancelled), (Outcome::Completed, 1));
    lab.finish();
}
