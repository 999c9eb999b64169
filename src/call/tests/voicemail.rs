//! Calls that end in a voicemail box, and those that listen to one.

use super::*;
use crate::audio::prompt::Pcm;
use crate::base::{BoxId, CallId, CompanyId, FlowId, MessageId, Side, UserId};
use crate::call::{Entry, MailboxAnswer, MailboxAsk, MediaOrder, Note, Pile, TakeFact, TakeOrder};
use crate::directory::flow::{Flow, ForwardTo};
use crate::directory::{BoxOwnerText, BoxSettings, BoxText, Facility, FacilityRow, Route};
use crate::ledger::{Because, Folder, Keep, MessageDraft, Party};

const NUMBER: &str = "+49301110001";
const BOB: BoxId = BoxId(70);
const HOUSE: BoxId = BoxId(71);

/// The storage and the recorder of the lab: they answer at once.
struct House {
    lab: Lab,
    entries: Vec<Entry>,
    full: bool,
    asked: Vec<MailboxAsk>,
    orders: Vec<TakeOrder>,
    /// How long each take is said to be.
    length: Span,
}

fn mailbox(number: &str, owner: &str, password: &str) -> BoxText {
    let settings = BoxSettings { password: password.to_owned(), ..BoxSettings::default() };
    let owner = BoxOwnerText::try_from(owner.to_owned()).unwrap();
    BoxText { owner, name: format!("Box {number}"), settings, ..BoxText::new(number) }
}

/// Acme with Bob's box (202, password 4711) and the standalone box 8000; `steps` as the flow of [`NUMBER`].
fn house_with(steps: &str, change: impl FnOnce(&mut Parts, &mut Vec<BoxText>)) -> House {
    let mut parts = companies();
    let mut boxes = vec![mailbox("202", "user:202", "4711"), mailbox("8000", "", "1234")];
    change(&mut parts, &mut boxes);
    let row = |id, name: &str, facility| FacilityRow { id, company: CompanyId(1), name: name.to_owned(), facility };
    let ids = [BOB.0, HOUSE.0, 72, 73];
    let rows = ids.into_iter().zip(boxes).map(|(id, text)| row(id, &text.number.clone(), Facility::Voicemail(text)));
    let mut rows: Vec<FacilityRow> = rows.collect();
    if !steps.is_empty() {
        parts.numbers[0].route = Route::Flow(FlowId(61));
        let flow: Flow = serde_json::from_str(steps).unwrap();
        rows.push(row(61, "main", Facility::Flow(flow)));
    }
    let mut lab = Lab::new();
    lab.desk.plays = true;
    lab.switch.set_directory(Arc::new(directory::build(parts).with_facilities(rows)));
    let (entries, full, asked, orders) = (vec![entry(1), entry(2)], false, Vec::new(), Vec::new());
    House { lab, entries, full, asked, orders, length: secs(5) }
}

fn house() -> House {
    house_with("", |_, _| {})
}

fn entry(at: i64) -> Entry {
    let left = Wall::from_unix_micros(1_690_000_000_000_000 + at * 1_000_000);
    let caller = Party { user: Some(UserId(3)), address: "203".to_owned(), name: "Carol".to_owned() };
    let (length, folder, urgent) = (secs(2), Folder::Inbox, false);
    Entry { id: MessageId::first_of(left), left, length, caller, folder, urgent, forwarded_by: None }
}

impl House {
    /// Time passes, and everybody answers.
    fn run(&mut self, span: Span) -> &mut Self {
        let until = self.lab.now + span;
        while self.lab.now < until {
            self.lab.run(ms(50));
            self.serve();
        }
        self
    }

    fn serve(&mut self) {
        for (call, id, ask) in std::mem::take(&mut self.lab.desk.asks) {
            let answer = self.answer(&ask);
            self.asked.push(ask);
            self.lab.operate(|switch, now, wall, desk| switch.on_mailbox(call, id, answer, now, wall, desk));
        }
        for (call, order) in std::mem::take(&mut self.lab.desk.takes) {
            let fact = match &order {
                TakeOrder::Begin { .. } | TakeOrder::Discard { .. } => None,
                TakeOrder::End { take, .. } => Some((*take, TakeFact::Closed { length: self.length, pcm: sound() })),
                TakeOrder::Keep { take, .. } => Some((*take, TakeFact::Kept { message: Some(entry(9).id) })),
            };
            self.orders.push(order);
            if let Some((take, fact)) = fact {
                self.lab.operate(|switch, now, wall, desk| switch.on_take(call, take, fact, now, wall, desk));
            }
        }
    }

    fn answer(&self, ask: &MailboxAsk) -> MailboxAnswer {
        match ask {
            MailboxAsk::Greet { .. } => MailboxAnswer::Greeting { own: Some(sound()), name: None, full: self.full },
            MailboxAsk::Open { .. } => MailboxAnswer::Opened { urgent: 0, new: self.entries.len() as u32, saved: 0 },
            MailboxAsk::List { pile, .. } => {
                let entries = if *pile == Pile::New { self.entries.clone() } else { Vec::new() };
                MailboxAnswer::Listed { entries }
            }
            MailboxAsk::Load { .. } => MailboxAnswer::Sound { pcm: sound() },
            MailboxAsk::Move { .. }
            | MailboxAsk::Remove { .. }
            | MailboxAsk::Forward { .. }
            | MailboxAsk::RemoveGreeting { .. }
            | MailboxAsk::SetPassword { .. } => MailboxAnswer::Done,
        }
    }

    fn keys(&mut self, id: Id, keys: &str) -> &mut Self {
        for key in keys.chars() {
            let body = format!("Signal={key}\r\n");
            self.lab.act(id, |phone, now| phone.info("application/dtmf-relay", &body, now));
            self.run(ms(200));
        }
        self
    }

    /// The message that began last.
    fn draft(&self) -> (Side, MessageDraft) {
        let begun = self.orders.iter().rev().find_map(|order| match order {
            TakeOrder::Begin { side, keep, .. } => match &**keep {
                Keep::Message(draft) => Some((*side, draft.clone())),
                Keep::Greeting { .. } | Keep::Introduction { .. } => None,
            },
            TakeOrder::End { .. } | TakeOrder::Keep { .. } | TakeOrder::Discard { .. } => None,
        });
        begun.expect("a message was begun")
    }

    fn begun(&self) -> usize {
        self.orders.iter().filter(|order| matches!(order, TakeOrder::Begin { .. })).count()
    }

    fn has_asked(&self, of: impl Fn(&MailboxAsk) -> bool) -> bool {
        self.asked.iter().any(of)
    }
}

/// A second.
fn sound() -> Pcm {
    (0..8_000).map(|at| (at % 500) as i16).collect()
}

#[test]
fn a_call_that_a_user_with_a_box_does_not_take_leaves_a_message() {
    // (what Bob's phone does, the greeting is the busy one)
    let rows = [(None, false), (Some(OnCall::Refuse(486)), true), (Some(OnCall::Refuse(480)), false)];
    for (on_call, busy) in rows {
        let mut house = house();
        let alice = house.lab.phone(ACME, "201");
        if let Some(on_call) = on_call {
            let bob = house.lab.phone(ACME, "202");
            house.lab.phones[bob].on_call = on_call;
        }
        house.lab.calls(alice, "202");
        house.run(ms(500));
        assert!(house.lab.phones[alice].is_talking(), "{on_call:?}");
        assert!(house.has_asked(|ask| *ask == MailboxAsk::Greet { mailbox: BOB, busy }), "{:?}", house.asked);
        assert_eq!(house.begun(), 0, "the greeting comes first");
        house.run(secs(3));
        let (side, draft) = house.draft();
        assert_eq!((side, draft.mailbox, draft.caller.user), (Side::Caller, BOB, Some(UserId(1))));
        house.lab.hangs_up(alice);
        house.run(secs(1));
        let record = house.lab.record();
        assert_eq!((record.outcome, record.end_reason.clone()), (Outcome::Voicemail, Some(EndReason::CallerHungUp)));
        assert_eq!((record.callee.user, record.callee.name.as_str()), (Some(UserId(2)), "Box 202"));
        assert!(record.is_missed(), "for Bob, who did not take it");
        assert_eq!((record.decision.record, record.decision.because.clone()), (false, Because::Voicemail));
        assert!(house.lab.desk.prepared.is_empty(), "and no recording of it");
        assert_eq!(house.orders.len(), 1, "who records keeps what was said: {:?}", house.orders);
        house.lab.finish();
    }
}

#[test]
fn a_user_who_is_rung_for_their_time_and_answers_is_not_in_voicemail() {
    let mut house = house();
    let (alice, bob) = (house.lab.phone(ACME, "201"), house.lab.phone(ACME, "202"));
    house.lab.calls(alice, "202");
    house.run(secs(1));
    house.lab.answers(bob);
    house.run(secs(1));
    assert!(house.lab.phones[bob].is_talking() && house.asked.is_empty());
    house.lab.hangs_up(bob);
    house.run(secs(1));
    assert_eq!(house.lab.record().outcome, Outcome::Completed);
    house.lab.finish();
}

#[test]
fn what_a_user_has_set_for_a_case_goes_before_their_box_and_a_box_that_is_off_is_none() {
    let mut house = house_with("", |parts, _| {
        parts.users[1].calls.unanswered.busy = Some(ForwardTo::User("203".to_owned()));
    });
    let (alice, bob, carol) =
        (house.lab.phone(ACME, "201"), house.lab.phone(ACME, "202"), house.lab.phone(ACME, "203"));
    house.lab.phones[bob].on_call = OnCall::Refuse(486);
    house.lab.calls(alice, "202");
    house.run(ms(500));
    assert_eq!(house.lab.phones[carol].got(Method::Invite), 1);
    house.lab.cancels(alice);
    house.run(secs(1));

    let mut off = house_with("", |_, boxes| boxes[0].settings.enabled = false);
    let alice = off.lab.phone(ACME, "201");
    off.lab.calls(alice, "202");
    off.run(secs(1));
    assert_eq!((off.lab.heard(alice), off.asked.len()), (vec![480], 0));
    off.lab.finish();
}

#[test]
fn a_step_of_a_flow_and_a_forward_lead_to_a_box() {
    let steps = r#"{"start":"v","steps":{"v":{"do":"voicemail","box":"8000"}}}"#;
    let mut flow = house_with(steps, |_, _| {});
    let carrier = flow.lab.carrier();
    flow.lab.calls(carrier, NUMBER);
    flow.run(secs(3));
    let (_, draft) = flow.draft();
    assert_eq!((draft.mailbox, draft.caller.user, draft.number.is_some()), (HOUSE, None, true));
    flow.keys(carrier, "#");
    flow.run(ms(500));
    assert!(flow.orders.iter().any(|order| matches!(order, TakeOrder::End { .. })));
    flow.keys(carrier, "4");
    let urgent = flow.orders.iter().any(|order| {
        matches!(order, TakeOrder::Keep { keep, .. } if matches!(&**keep, Keep::Message(draft) if draft.urgent))
    });
    assert!(urgent, "{:?}", flow.orders);
    flow.run(secs(6));
    assert_eq!(flow.lab.phones[carrier].got(Method::Bye), 1, "goodbye was said");
    assert_eq!(flow.lab.ended(), (Outcome::Voicemail, EndReason::CalleeHungUp));
    flow.lab.finish();

    let mut forward = house_with("", |parts, _| {
        parts.users[2].calls.unanswered.unregistered = Some(ForwardTo::Voicemail("8000".to_owned()));
    });
    let alice = forward.lab.phone(ACME, "201");
    forward.lab.calls(alice, "203");
    forward.run(secs(3));
    assert_eq!(forward.draft().1.mailbox, HOUSE);
    forward.lab.hangs_up(alice);
    forward.run(secs(1));
    let record = forward.lab.record();
    assert_eq!((record.callee.user, record.callee.address.as_str()), (Some(UserId(3)), "8000"), "Carol missed it");
    forward.lab.finish();
}

#[test]
fn a_full_box_says_so_and_takes_nothing() {
    let mut house = house();
    house.full = true;
    let alice = house.lab.phone(ACME, "201");
    house.lab.calls(alice, "202");
    house.run(secs(12));
    assert_eq!((house.begun(), house.lab.phones[alice].got(Method::Bye)), (0, 1));
    house.lab.finish();
}

#[test]
fn nothing_is_recorded_of_a_call_that_goes_to_a_box_also_where_somebody_commands_it() {
    let mut house = house();
    let alice = house.lab.phone(ACME, "201");
    house.lab.calls(alice, "202");
    house.run(secs(3));
    let call = house.lab.switch.calls()[0].record.id;
    let obeyed = house
        .lab
        .operate(|switch, now, wall, desk| switch.command(call, crate::policy::Command::Start, now, wall, desk));
    assert_eq!(obeyed, Some(Err(crate::ledger::Refusal::Voicemail)));
    assert_eq!(house.lab.switch.calls()[0].record.outcome, Outcome::Voicemail);
    assert!(!house.lab.switch.calls()[0].recording);
    house.keys(alice, "#");
    assert!(
        house.orders.iter().any(|order| matches!(order, TakeOrder::End { .. })),
        "`#` ends the message at once, and is the beginning of no command"
    );
    house.lab.hangs_up(alice);
    house.run(secs(1));
    house.lab.finish();
}

#[test]
fn a_withheld_number_is_not_told_to_the_owner_of_the_box() {
    let mut house = house();
    let alice = house.lab.phone(ACME, "201");
    house.lab.phones[alice].extra.push(("Privacy".to_owned(), "id".to_owned()));
    house.lab.calls(alice, "202");
    house.run(secs(3));
    assert_eq!(house.draft().1.caller, Party::default());
    house.lab.hangs_up(alice);
    house.run(secs(1));
    house.lab.finish();
}

#[test]
fn a_user_listens_to_their_box_with_its_password() {
    let mut house = house();
    let bob = house.lab.phone(ACME, "202");
    house.lab.calls(bob, "*98");
    house.run(ms(500));
    assert!(house.lab.phones[bob].is_talking() && house.asked.is_empty());
    house.keys(bob, "4711#");
    house.run(ms(500));
    assert!(house.has_asked(|ask| *ask == MailboxAsk::Open { mailbox: BOB, reader: Some(UserId(2)) }));
    house.keys(bob, "1");
    house.run(secs(25));
    let first = entry(1).id;
    assert!(
        house
            .has_asked(|ask| matches!(ask, MailboxAsk::Move { message, folder: Folder::Old, .. } if *message == first))
    );
    house.keys(bob, "7");
    house.lab.hangs_up(bob);
    house.run(secs(1));
    assert!(house.has_asked(|ask| matches!(ask, MailboxAsk::Remove { message, .. } if *message == first)));
    let record = house.lab.record();
    assert_eq!((record.outcome, record.is_missed()), (Outcome::Completed, false));
    assert_eq!((record.callee.address.as_str(), record.decision.record), ("202", false));
    house.lab.finish();
}

#[test]
fn a_password_is_not_asked_for_from_inside_where_the_box_says_so() {
    // (dialled, who dials, ask_password, password, in without a word)
    let rows = [
        ("*98", "202", false, "4711", true),
        ("*98", "202", true, "", true),
        ("*99202", "201", false, "4711", true),
        ("*99202", "201", true, "4711", false),
        ("*99299", "201", false, "", false),
    ];
    for (dialled, who, ask_password, password, open) in rows {
        let mut house = house_with("", |_, boxes| {
            boxes[0].settings.ask_password = ask_password;
            password.clone_into(&mut boxes[0].settings.password);
        });
        let phone = house.lab.phone(ACME, who);
        house.lab.calls(phone, dialled);
        house.run(secs(1));
        let opened = house.has_asked(|ask| matches!(ask, MailboxAsk::Open { .. }));
        assert_eq!(opened, open, "{dialled} {who} {ask_password} {password:?}");
        house.lab.hangs_up(phone);
        house.run(secs(1));
        house.lab.finish();
    }
}

#[test]
fn a_user_without_a_box_is_told_so_and_one_of_another_company_finds_none() {
    let mut house = house();
    let (alice, otto) = (house.lab.phone(ACME, "201"), house.lab.phone(BOLT, "201"));
    house.lab.calls(alice, "*98");
    house.run(secs(8));
    assert_eq!(house.lab.phones[alice].got(Method::Bye), 1);
    house.lab.calls(otto, "*99202");
    house.run(ms(500));
    house.keys(otto, "4711#");
    house.run(secs(1));
    assert!(house.asked.is_empty(), "the right password of a box that is not there for them");
    house.lab.hangs_up(otto);
    house.run(secs(1));
    house.lab.finish();
}

#[test]
fn three_wrong_passwords_end_the_call_and_a_caller_who_goes_on_is_locked_out() {
    let mut house = house();
    let alice = house.lab.phone(ACME, "201");
    for round in 0..4 {
        house.lab.calls(alice, "*99202");
        house.run(ms(500));
        house.keys(alice, "0000#0000#0000#");
        house.run(secs(8));
        assert_eq!(house.lab.phones[alice].got(Method::Bye), round + 1);
    }
    let shut_out = house.lab.desk.notes.iter().filter(|note| matches!(note, Note::ShutOut { .. })).count();
    assert_eq!(shut_out, 4);
    assert!(
        house.lab.desk.notes.iter().any(|note| matches!(note, Note::LockedOut { .. })),
        "{:?}",
        house.lab.desk.notes
    );
    let now = house.lab.now;
    assert_eq!(house.lab.switch.lockouts(now, None)[0].over, crate::call::LockOver::Voicemail);
    house.lab.calls(alice, "*99202");
    house.run(ms(500));
    house.keys(alice, "4711#");
    house.run(secs(1));
    assert!(house.asked.is_empty(), "the right one comes too late");
    house.lab.hangs_up(alice);
    house.run(ms(500));
    assert_eq!(house.lab.switch.clear_lockouts(None, None), 1);
    house.lab.calls(alice, "*99202");
    house.run(ms(500));
    house.keys(alice, "4711#");
    house.run(secs(1));
    assert!(!house.asked.is_empty());
    house.lab.hangs_up(alice);
    house.run(secs(1));
    house.lab.finish();
}

#[test]
fn from_outside_no_number_leads_to_a_menu_but_a_star_in_a_greeting_does_by_password() {
    let steps = r#"{"start":"v","steps":{"v":{"do":"voicemail","box":"8000"}}}"#;
    let mut house = house_with(steps, |_, boxes| boxes[1].settings.ask_password = false);
    let carrier = house.lab.carrier();
    house.lab.calls(carrier, "*988000");
    house.run(ms(500));
    assert_eq!(house.lab.heard(carrier), [404]);
    house.lab.calls(carrier, NUMBER);
    house.run(ms(500));
    house.keys(carrier, "*");
    house.run(ms(300));
    assert!(!house.has_asked(|ask| matches!(ask, MailboxAsk::Open { .. })), "`ask_password` is for the inside");
    house.keys(carrier, "1234#");
    house.run(ms(500));
    assert!(house.has_asked(|ask| *ask == MailboxAsk::Open { mailbox: HOUSE, reader: None }), "{:?}", house.asked);
    house.lab.hangs_up(carrier);
    house.run(secs(1));
    house.lab.finish();
}

#[test]
fn a_box_without_a_password_is_never_listened_to_from_outside() {
    let steps = r#"{"start":"v","steps":{"v":{"do":"voicemail","box":"8000"}}}"#;
    let mut house = house_with(steps, |_, boxes| boxes[1].settings.password.clear());
    let carrier = house.lab.carrier();
    house.lab.calls(carrier, NUMBER);
    house.run(ms(500));
    house.keys(carrier, "*#");
    house.run(secs(2));
    assert!(!house.has_asked(|ask| matches!(ask, MailboxAsk::Open { .. })));
    assert_eq!(house.begun(), 1, "it takes a message");
    house.lab.hangs_up(carrier);
    house.run(secs(1));
    house.lab.finish();
}

#[test]
fn a_call_back_becomes_a_call_and_one_that_fails_leads_back_to_the_message() {
    let mut house = house();
    let (bob, carol) = (house.lab.phone(ACME, "202"), house.lab.phone(ACME, "203"));
    house.lab.calls(bob, "*98");
    house.run(ms(500));
    house.keys(bob, "4711#1");
    house.run(secs(1));
    house.keys(bob, "2");
    house.run(ms(500));
    assert_eq!(house.lab.phones[carol].got(Method::Invite), 1);
    house.lab.refuses(carol, 486);
    house.run(ms(500));
    assert!(house.lab.phones[bob].is_talking(), "back at the box");
    house.keys(bob, "2");
    house.run(ms(500));
    house.lab.answers(carol);
    house.run(secs(1));
    assert!(house.lab.phones[carol].is_talking() && house.lab.phones[bob].is_talking());
    let record = house.lab.record().clone();
    assert_eq!((record.outcome, record.callee.user), (Outcome::Answered, Some(UserId(3))));
    assert!(record.decision.record, "a call like any: the company records internal ones");
    assert_eq!(house.lab.desk.prepared.len(), 1);
    house.lab.hangs_up(carol);
    house.run(secs(1));
    assert_eq!(house.lab.record().outcome, Outcome::Completed);
    house.lab.finish();
}

#[test]
fn a_call_back_to_somebody_who_is_away_leaves_a_message_and_what_was_thrown_away_is_gone() {
    let mut house = house_with("", |_, boxes| boxes.push(mailbox("203", "user:203", "")));
    let bob = house.lab.phone(ACME, "202");
    house.lab.calls(bob, "*98");
    house.run(ms(500));
    house.keys(bob, "4711#18203#1");
    house.run(secs(8));
    assert_eq!(house.begun(), 1, "an introduction: {:?}", house.orders);
    house.keys(bob, "#*72");
    house.run(secs(4));
    assert!(house.has_asked(|ask| matches!(ask, MailboxAsk::Remove { message, .. } if *message == entry(1).id)));
    let (_, draft) = house.draft();
    assert_eq!((draft.mailbox, draft.caller.user), (BoxId(72), Some(UserId(2))));
    let takes = house.orders.iter().filter_map(|order| match order {
        TakeOrder::Begin { take, .. } => Some(*take),
        TakeOrder::End { .. } | TakeOrder::Keep { .. } | TakeOrder::Discard { .. } => None,
    });
    let takes = takes.collect::<std::collections::BTreeSet<_>>();
    assert_eq!(takes.len(), 2, "each has a name of its own");
    house.lab.hangs_up(bob);
    house.run(secs(1));
    assert_eq!(house.lab.record().outcome, Outcome::Voicemail);
    house.lab.finish();
}

#[test]
fn a_call_back_outside_goes_through_the_trunk_with_the_callers_number() {
    let mut house = house();
    house.entries[0].caller = Party { user: None, address: "+4989555123".to_owned(), name: String::new() };
    let (bob, carrier) = (house.lab.phone(ACME, "202"), house.lab.carrier());
    house.lab.calls(bob, "*98");
    house.run(ms(500));
    house.keys(bob, "4711#1");
    house.run(secs(1));
    house.keys(bob, "2");
    house.run(ms(500));
    let invite = house.lab.phones[carrier].last_request(Method::Invite);
    assert_eq!(invite.uri.user_unescaped().as_deref(), Some("+4989555123"));
    house.lab.answers(carrier);
    house.run(secs(1));
    let record = house.lab.record();
    assert_eq!(record.direction, crate::base::Direction::Outbound);
    assert!(record.number.is_some());
    house.lab.hangs_up(bob);
    house.run(secs(1));
    house.lab.finish();
}

#[test]
fn a_transfer_to_somebody_who_is_away_leaves_a_message_and_its_recording_stops_there() {
    let mut house = house();
    let (alice, carol) = (house.lab.phone(ACME, "201"), house.lab.phone(ACME, "203"));
    house.lab.talk(carol, alice, "201");
    house.lab.act(alice, |phone, now| phone.refer("<sip:202@acme.test>", &[], now));
    house.run(secs(4));
    assert_eq!(house.lab.phones[alice].got(Method::Bye), 1, "the transferor is let go");
    let (side, draft) = house.draft();
    assert_eq!((side, draft.mailbox, draft.caller.user), (Side::Caller, BOB, Some(UserId(3))));
    assert!(!house.lab.switch.calls()[0].recording);
    house.lab.hangs_up(carol);
    house.run(secs(1));
    let record = house.lab.record();
    assert_eq!((record.outcome, record.joined.len()), (Outcome::Completed, 1));
    assert_eq!(record.joined[0].party.address, "202");
    house.lab.finish();
}

#[test]
fn nobody_is_transferred_into_a_menu() {
    let mut house = house();
    let (alice, carol) = (house.lab.phone(ACME, "201"), house.lab.phone(ACME, "203"));
    house.lab.talk(alice, carol, "203");
    house.lab.act(alice, |phone, now| phone.refer("<sip:*98@acme.test>", &[], now));
    house.run(secs(1));
    assert_eq!(house.lab.phones[alice].last_status(Method::Refer), Some(404));
    house.lab.hangs_up(alice);
    house.run(secs(1));
    house.lab.finish();
}

#[test]
fn a_caller_who_goes_silent_or_whose_session_ends_leaves_what_was_said() {
    let mut house = house();
    let alice = house.lab.phone(ACME, "201");
    house.lab.calls(alice, "202");
    house.run(secs(3));
    let call: CallId = house.lab.switch.calls()[0].record.id;
    let gone = crate::media::Fact::Silent { side: Side::Caller };
    house.lab.operate(|switch, now, wall, desk| switch.fact(call, gone, now, wall, desk));
    house.run(secs(1));
    assert_eq!(house.lab.phones[alice].got(Method::Bye), 1);
    assert_eq!(house.lab.record().outcome, Outcome::Voicemail);
    assert!(!house.orders.iter().any(|order| matches!(order, TakeOrder::Discard { .. })));
    house.lab.finish();
}

#[test]
fn silence_ends_a_message_and_so_does_its_greatest_length() {
    let mut house = house();
    let alice = house.lab.phone(ACME, "201");
    house.lab.calls(alice, "202");
    house.run(secs(3));
    let call = house.lab.switch.calls()[0].record.id;
    let Some(TakeOrder::Begin { take, .. }) = house.orders.first() else { panic!("{:?}", house.orders) };
    let take = *take;
    house.lab.operate(|switch, now, wall, desk| switch.on_take(call, take, TakeFact::Silent, now, wall, desk));
    house.run(ms(200));
    let ended = |order: &TakeOrder, cut: Span| matches!(order, TakeOrder::End { cut: of, .. } if *of == cut);
    assert!(house.orders.iter().any(|order| ended(order, secs(10))), "{:?}", house.orders);
    house.keys(alice, "2");
    house.run(secs(185));
    assert!(house.orders.iter().any(|order| ended(order, Span::ZERO)), "{:?}", house.orders);
    house.lab.hangs_up(alice);
    house.run(secs(1));
    house.lab.finish();
}

#[test]
fn a_digit_that_is_typed_stands_nowhere() {
    let mut house = house();
    let bob = house.lab.phone(ACME, "202");
    house.lab.calls(bob, "*98");
    house.run(ms(500));
    house.keys(bob, "4711#");
    house.run(ms(500));
    let shown = format!("{:?}{:?}{:?}", house.lab.switch.calls(), house.lab.desk.notes, house.asked);
    assert!(!shown.contains("4711"));
    assert!(house.lab.desk.count(|order| matches!(order, MediaOrder::Collect { on: true, .. })) > 0);
    house.lab.hangs_up(bob);
    house.run(secs(1));
    house.lab.finish();
}
