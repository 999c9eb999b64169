//! A pause that lasts: who is reminded of it, and when it ends by itself.

use super::*;
use crate::audio::Tone;
use crate::base::{CallId, Side, UserId};
use crate::call::MediaOrder;
use crate::directory::NumberRecording;
use crate::ledger::{Because, By, Change, Decision, How};
use crate::policy::Command;

const PAUSE: Command = Command::Pause;
const START: Command = Command::Start;

/// A company that reminds every 10 s and ends a pause after 60 s.
fn lab(change: impl FnOnce(&mut Parts)) -> Lab {
    let mut lab = Lab::with(|parts| {
        let settings = &mut parts.companies[0].settings;
        (settings.pause_reminder_s, settings.max_pause_s) = (10, 60);
        change(parts);
    });
    lab.desk.plays = true;
    lab
}

impl Lab {
    fn only_call(&self) -> CallId {
        self.switch.calls()[0].record.id
    }

    fn commands(&mut self, command: Command) -> &mut Self {
        let call = self.only_call();
        let done = self.operate(|switch, now, wall, desk| switch.command(call, command, now, wall, desk));
        assert_eq!(done, Some(Ok(())));
        self
    }

    /// Who was reminded, in order.
    fn reminded(&self) -> Vec<Side> {
        let tones = self.desk.orders.iter().filter_map(|(_, order)| match order {
            MediaOrder::Play { side, tone: Tone::Reminder } => Some(*side),
            _ => None,
        });
        tones.collect()
    }

    fn is_recording(&self) -> bool {
        self.switch.calls()[0].recording
    }

    /// Gates of all recordings: open or shut.
    fn gates(&self) -> Vec<bool> {
        let gates = self.desk.tape.tapped.iter().filter(|event| event.starts_with("Gate"));
        gates.map(|event| event.contains("open: true")).collect()
    }

    fn over(mut self, by: Id) -> Vec<Change> {
        self.hangs_up(by).run(secs(1));
        let changes = self.record().changes.clone();
        self.finish();
        changes
    }
}

#[test]
fn who_may_resume_is_reminded_and_the_outside_party_is_not() {
    let mut lab = lab(|parts| parts.companies[0].settings.max_pause_s = 0);
    let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
    lab.talk(carrier, alice, "+49301110001").run(secs(30));
    assert_eq!(lab.reminded(), [], "nothing is paused");
    lab.commands(PAUSE).run(secs(35));
    assert_eq!(lab.reminded(), [Side::Callee; 3]);
    lab.commands(START).run(secs(30));
    assert_eq!(lab.reminded(), [Side::Callee; 3], "not after the pause");
    lab.over(alice);
}

#[test]
fn a_user_who_may_not_command_is_not_reminded() {
    let mut lab = lab(|parts| parts.users[1].overrides.agent_pause = Some(false));
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202").commands(PAUSE).run(secs(25));
    assert_eq!(lab.reminded(), [Side::Caller; 2]);
    lab.over(bob);
}

#[test]
fn a_pause_ends_by_itself_and_the_history_says_that_the_service_did_it() {
    let mut lab = lab(|_| {});
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202").commands(PAUSE).run(secs(59));
    assert!(!lab.is_recording());
    lab.run(secs(2));
    assert!(lab.is_recording());
    assert_eq!(lab.gates(), [true, false, true]);
    let reminded = lab.reminded().len();
    lab.run(secs(120));
    assert_eq!(lab.reminded().len(), reminded, "it is over");
    let changes = lab.over(alice);
    let [paused, resumed] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((paused.by.clone(), paused.wanted), (By::Operator, false));
    assert_eq!((resumed.by.clone(), resumed.how, resumed.wanted), (By::Service, How::MaxPause, true));
    assert_eq!(resumed.offset_ms - paused.offset_ms, 60_000);
    let company = Because::Company { direction: crate::base::Direction::Internal };
    assert_eq!(resumed.decision, Decision { record: true, because: company }, "as it was before");
}

#[test]
fn a_pause_of_what_a_user_started_goes_back_to_that() {
    let mut lab = lab(|parts| parts.companies[0].settings.record_internal = false);
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202").commands(START).run(secs(1)).commands(PAUSE).run(secs(61));
    assert!(lab.is_recording());
    let changes = lab.over(alice);
    assert_eq!(changes.last().unwrap().decision, Decision { record: true, because: Because::AgentCommand });
}

#[test]
fn what_was_not_recorded_anyway_is_not_begun_by_the_end_of_a_pause() {
    let off: [fn(&mut Parts); 2] = [
        |parts| parts.companies[0].settings.record_inbound = false,
        |parts| parts.numbers[0].recording = NumberRecording::Off,
    ];
    for change in off {
        let mut lab = lab(change);
        let (carrier, alice) = (lab.carrier(), lab.phone(ACME, "201"));
        lab.talk(carrier, alice, "+49301110001").commands(PAUSE).run(secs(300));
        assert!(!lab.is_recording());
        assert_eq!((lab.gates(), lab.reminded()), (Vec::new(), Vec::new()));
        assert_eq!(lab.over(alice).len(), 1);
    }
}

#[test]
fn a_second_pause_counts_anew_and_a_pause_that_is_said_twice_does_not() {
    let mut lab = lab(|_| {});
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202").commands(PAUSE).run(secs(40)).commands(PAUSE).run(secs(21));
    assert!(lab.is_recording(), "60 s after the first");
    lab.commands(PAUSE).run(secs(30)).commands(START).run(secs(1)).commands(PAUSE).run(secs(59));
    assert!(!lab.is_recording());
    lab.run(secs(2));
    assert!(lab.is_recording());
    assert_eq!(lab.over(bob).iter().filter(|change| change.how == How::MaxPause).count(), 2);
}

#[test]
fn a_transfer_neither_ends_a_pause_nor_begins_its_time_anew_and_reminds_who_is_there() {
    let mut lab = lab(|_| {});
    let (carrier, bob, carol) = (lab.carrier(), lab.phone(ACME, "202"), lab.phone(ACME, "203"));
    lab.talk(carrier, bob, "+49301110002").commands(PAUSE).run(secs(15));
    lab.act(bob, |phone, now| phone.refer("<sip:203@acme.test>", &[], now));
    lab.run(ms(200)).answers(carol).run(secs(40));
    assert_eq!(lab.desk.joining(Side::Callee).facts.command, Some(PAUSE));
    assert_eq!(lab.record().party(Side::Callee).user, Some(UserId(3)));
    assert!(!lab.is_recording());
    assert!(lab.reminded().iter().all(|side| *side == Side::Callee) && lab.reminded().len() == 5);
    lab.run(secs(5));
    assert!(lab.is_recording(), "60 s after the pause");
    let changes = lab.over(carol);
    assert_eq!(changes.last().map(|change| change.how), Some(How::MaxPause));
}

#[test]
fn without_the_settings_a_pause_lasts_and_nobody_is_reminded() {
    let mut lab = Lab::new();
    lab.desk.plays = true;
    let (alice, bob) = (lab.phone(ACME, "201"), lab.phone(ACME, "202"));
    lab.talk(alice, bob, "202").commands(PAUSE).run(secs(1_000));
    assert_eq!((lab.reminded(), lab.is_recording()), (Vec::new(), false));
    lab.hangs_up(alice).run(secs(1));
    assert!(lab.record().ended_paused);
    lab.finish();
}
