use super::super::super::TakeFact;
use super::super::{Entry, Names, PAGE};
use super::*;
use crate::audio::prompt::Pcm;
use crate::base::{MessageId, Time, Wall};
use crate::ledger::{Folder, GreetingKind, Keep, TakeId};
use proptest::prelude::*;

const BOX: BoxId = BoxId(7);
const OTHER: BoxId = BoxId(8);
const PASSWORD: &str = "4711";

/// A menu with a storage that answers at once, and a house that knows one password.
struct Lab {
    menu: Menu,
    names: Names,
    now: Time,
    /// All that was done.
    acts: Vec<Act>,
    new: Vec<Entry>,
    saved: Vec<Entry>,
    /// The storage has answers.
    works: bool,
    right: u32,
}

fn entry(at: u8, folder: Folder) -> Entry {
    Entry {
        id: MessageId::first_of(Wall::from_unix_micros(i64::from(at) * 1_000)),
        left: Wall::from_unix_micros(i64::from(at) * 1_000),
        length: Span::from_secs(4),
        caller: Party { user: Some(UserId(2)), address: "202".to_owned(), name: "Bob".to_owned() },
        folder,
        urgent: folder == Folder::Urgent,
        forwarded_by: None,
    }
}

fn visitor() -> Visitor {
    let party = Party { user: Some(UserId(1)), address: "201".to_owned(), name: "Alice".to_owned() };
    Visitor { call: CallId::first_of(Wall::from_unix_micros(0)), party, user: Some(UserId(1)) }
}

const HOUSE: House =
    House { tries: 3, most: Span::from_secs(120), minimum: Span::from_secs(1), silence: Span::from_secs(10) };

impl Lab {
    fn at(entrance: Entrance) -> Self {
        let (mut names, mut acts) = (Names::default(), Vec::new());
        let menu =
            Menu::begin(visitor(), HOUSE, entrance, &mut Step { now: Time(0), acts: &mut acts, names: &mut names });
        let new = vec![entry(1, Folder::Urgent), entry(2, Folder::Inbox)];
        let saved = vec![entry(3, Folder::Old)];
        let mut lab = Lab { menu, names, now: Time(0), acts: Vec::new(), new, saved, works: true, right: 0 };
        lab.serve(acts);
        lab
    }

    fn locked() -> Self {
        Self::at(Entrance::Door(Door { mailbox: Some(BOX), asks: true }))
    }

    fn open() -> Self {
        Self::at(Entrance::Door(Door { mailbox: Some(BOX), asks: false }))
    }

    fn on(&mut self, input: Input) -> Vec<Act> {
        let before = self.acts.len();
        let mut acts = Vec::new();
        self.menu.handle(input, &mut Step { now: self.now, acts: &mut acts, names: &mut self.names });
        self.serve(acts);
        self.acts.split_at(before).1.to_vec()
    }

    fn keys(&mut self, keys: &str) -> Vec<Act> {
        keys.bytes().flat_map(|key| self.on(Input::Key(key))).collect()
    }

    /// Does what can be done at once, until nothing is left.
    fn serve(&mut self, acts: Vec<Act>) {
        let mut acts = VecDeque::from(acts);
        while let Some(act) = acts.pop_front() {
            self.acts.push(act.clone());
            let input = match act {
                Act::Check { mailbox, typed } => {
                    let right = mailbox == Some(BOX) && typed.as_str() == PASSWORD;
                    self.right += u32::from(right);
                    Input::Checked(right)
                }
                Act::FindDoor(typed) => {
                    let mailbox = (typed.as_str() == "201").then_some(BOX);
                    Input::Door(Door { mailbox, asks: true })
                }
                Act::FindBox(typed) => Input::Found((typed.as_str() == "8000").then_some(OTHER)),
                Act::Ask(id, ask) if self.works => Input::Answer(id, self.answer(&ask)),
                _ => continue,
            };
            let mut more = Vec::new();
            self.menu.handle(input, &mut Step { now: self.now, acts: &mut more, names: &mut self.names });
            for act in more.into_iter().rev() {
                acts.push_front(act);
            }
        }
    }

    fn answer(&self, ask: &MailboxAsk) -> MailboxAnswer {
        match ask {
            MailboxAsk::Open { .. } => MailboxAnswer::Opened {
                urgent: self.new.iter().filter(|entry| entry.urgent).count() as u32,
                new: self.new.iter().filter(|entry| !entry.urgent).count() as u32,
                saved: self.saved.len() as u32,
            },
            MailboxAsk::List { pile, after, .. } => {
                let all = if *pile == Pile::New { &self.new } else { &self.saved };
                let from = after.map_or(0, |after| all.iter().position(|entry| entry.id == after).unwrap() + 1);
                MailboxAnswer::Listed { entries: all.iter().skip(from).take(PAGE).cloned().collect() }
            }
            MailboxAsk::Load { .. } => MailboxAnswer::Sound { pcm: sound() },
            MailboxAsk::Greet { .. }
            | MailboxAsk::Move { .. }
            | MailboxAsk::Remove { .. }
            | MailboxAsk::Forward { .. }
            | MailboxAsk::RemoveGreeting { .. }
            | MailboxAsk::SetPassword { .. } => MailboxAnswer::Done,
        }
    }

    fn finish(&mut self) -> Vec<Act> {
        let mut acts = Vec::new();
        self.menu.finish(&mut Step { now: self.now, acts: &mut acts, names: &mut self.names });
        self.acts.extend(acts.clone());
        acts
    }

    fn asks(&self) -> Vec<&MailboxAsk> {
        self.acts.iter().filter_map(|act| if let Act::Ask(_, ask) = act { Some(ask) } else { None }).collect()
    }
}

/// Four seconds.
fn sound() -> Pcm {
    (0..32_000).map(|at| (at % 1_000) as i16).collect()
}

fn says(acts: &[Act], phrase: Phrase) -> bool {
    acts.iter().any(|act| matches!(act, Act::Say(say) if say.contains(&Say::Phrase(phrase))))
}

fn tells(acts: &[Act], what: &Say) -> bool {
    acts.iter().any(|act| matches!(act, Act::Say(say) if say.contains(what)))
}

#[test]
fn a_box_opens_with_its_password_and_says_what_is_in_it() {
    let mut lab = Lab::locked();
    assert!(says(&lab.acts, Phrase::EnterPassword));
    let opened = lab.keys("4711#");
    assert!(tells(&opened, &Say::YouHave { urgent: 1, new: 1, old: 1 }), "{opened:?}");
    assert!(says(&opened, Phrase::Welcome) && says(&opened, Phrase::MainMenu));
}

#[test]
fn a_password_needs_no_hash_where_the_caller_waits() {
    let mut lab = Lab::locked();
    lab.keys("4711");
    assert!(!lab.menu.is_inside());
    lab.on(Input::TimedOut);
    assert!(lab.menu.is_inside());
}

#[test]
fn a_star_begins_the_password_anew() {
    let mut lab = Lab::locked();
    lab.keys("99*4711#");
    assert!(lab.menu.is_inside());
}

#[test]
fn three_wrong_passwords_end_the_call_and_are_noted() {
    let mut lab = Lab::locked();
    for _ in 0..2 {
        assert!(says(&lab.keys("1111#"), Phrase::WrongPassword));
    }
    let third = lab.keys("1111#");
    assert!(third.contains(&Act::ShutOut) && says(&third, Phrase::TooManyFailures), "{third:?}");
    lab.keys("4711#");
    assert!(!lab.menu.is_inside(), "the right one comes too late");
    assert_eq!(lab.on(Input::Said), [Act::HangUp]);
}

#[test]
fn a_box_that_does_not_exist_asks_for_a_password_like_one_that_does() {
    let mut there = Lab::at(Entrance::Number);
    let mut nowhere = Lab::at(Entrance::Number);
    let (one, other) = (there.keys("201#"), nowhere.keys("999#"));
    let said = |acts: &[Act]| acts.iter().filter(|act| matches!(act, Act::Say(_))).cloned().collect::<Vec<_>>();
    assert_eq!(said(&one), said(&other));
    assert_eq!(said(&there.keys("0000#")), said(&nowhere.keys("0000#")));
    nowhere.keys("4711#");
    assert!(!nowhere.menu.is_inside());
}

#[test]
fn who_has_no_box_is_told_so() {
    let mut lab = Lab::at(Entrance::Nowhere);
    assert!(says(&lab.acts, Phrase::NoBox));
    assert_eq!(lab.on(Input::Said), [Act::HangUp]);
}

#[test]
fn keys_interrupt_what_is_said_and_those_typed_ahead_wait_for_the_storage() {
    let mut lab = Lab::at(Entrance::Nowhere);
    lab.works = false;
    let mut lab = Lab { works: false, ..Lab::locked() };
    lab.keys("4711#1");
    assert!(lab.asks().iter().all(|ask| matches!(ask, MailboxAsk::Open { .. })));
    lab.on(Input::Answer(AskId(1), MailboxAnswer::Opened { urgent: 0, new: 1, saved: 0 }));
    assert!(matches!(lab.asks().last(), Some(MailboxAsk::List { pile: Pile::New, .. })));
}

#[test]
fn a_message_is_told_of_by_number_date_and_caller_and_then_heard() {
    let mut lab = Lab::open();
    let first = lab.keys("1");
    for what in [
        Say::Message(1),
        Say::Phrase(Phrase::Urgent),
        Say::Received(Wall::from_unix_micros(1_000)),
        Say::Phrase(Phrase::FromExtension),
        Say::Digits("202".to_owned()),
    ] {
        assert!(tells(&first, &what), "{what:?}");
    }
    assert_eq!(lab.on(Input::Said), [Act::Say(vec![Say::Clip(sound())])]);
    let heard = lab.on(Input::Said);
    let moved = MailboxAsk::Move {
        mailbox: BOX,
        reader: Some(UserId(1)),
        message: entry(1, Folder::Inbox).id,
        folder: Folder::Old,
    };
    assert!(heard.iter().any(|act| matches!(act, Act::Ask(_, ask) if *ask == moved)), "{heard:?}");
    assert!(says(&heard, Phrase::MessageMenu));
}

#[test]
fn a_message_that_was_skipped_stays_new() {
    let mut lab = Lab::open();
    lab.keys("1");
    lab.on(Input::Said);
    assert!(tells(&lab.keys("6"), &Say::Message(2)));
    assert!(lab.asks().iter().all(|ask| !matches!(ask, MailboxAsk::Move { .. })));
}

#[test]
fn a_pause_holds_the_place_and_goes_on_a_second_earlier() {
    let mut lab = Lab::open();
    lab.keys("1");
    lab.on(Input::Said);
    lab.now = Time(3_000_000);
    assert!(says(&lab.keys("0"), Phrase::Paused));
    lab.now = Time(60_000_000);
    let rest: Pcm = sound()[16_000..].into();
    assert_eq!(lab.keys("0"), [Act::Say(vec![Say::Clip(rest)])]);
    lab.now = Time(61_500_000);
    lab.keys("0");
    let rest: Pcm = sound()[20_000..].into();
    assert_eq!(lab.keys("0"), [Act::Say(vec![Say::Clip(rest)])], "from where it was paused the second time");
}

#[test]
fn what_is_thrown_away_can_be_brought_back_until_the_pile_is_left() {
    let mut lab = Lab::open();
    lab.keys("1");
    let second = lab.keys("7");
    assert!(says(&second, Phrase::MessageDeleted) && tells(&second, &Say::Message(2)), "{second:?}");
    assert!(says(&lab.keys("4"), Phrase::MessageDeleted), "it is told of as what it is");
    assert!(says(&lab.keys("7"), Phrase::MessageUndeleted));
    lab.keys("6");
    assert!(lab.asks().iter().all(|ask| !matches!(ask, MailboxAsk::Remove { .. })));
    lab.keys("7");
    lab.on(Input::Said);
    let gone: Vec<_> = lab.asks().into_iter().filter(|ask| matches!(ask, MailboxAsk::Remove { .. })).cloned().collect();
    let message = entry(2, Folder::Inbox).id;
    assert_eq!(gone, [MailboxAsk::Remove { mailbox: BOX, reader: Some(UserId(1)), message }]);
}

#[test]
fn what_is_thrown_away_goes_when_the_caller_hangs_up() {
    let mut lab = Lab::open();
    lab.keys("17");
    assert!(matches!(lab.finish()[..], [Act::Ask(_, MailboxAsk::Remove { .. })]));
    assert_eq!(lab.finish(), [], "once");
}

#[test]
fn a_saved_message_is_old_and_the_next_one_follows() {
    let mut lab = Lab::open();
    lab.keys("1");
    let next = lab.keys("9");
    assert!(says(&next, Phrase::MessageSaved) && tells(&next, &Say::Message(2)), "{next:?}");
    assert!(lab.asks().iter().any(|ask| matches!(ask, MailboxAsk::Move { folder: Folder::Old, .. })));
    assert!(says(&lab.keys("6"), Phrase::NoMoreMessages));
    assert!(says(&lab.on(Input::Said), Phrase::MainMenu));
}

#[test]
fn a_pile_of_many_pages_is_heard_to_its_end() {
    let mut lab = Lab::open();
    lab.new = (0..120).map(|at| entry(at, Folder::Inbox)).collect();
    lab.keys("1");
    for at in 2..=120 {
        assert!(tells(&lab.keys("6"), &Say::Message(at)), "message {at}");
    }
    assert!(says(&lab.keys("6"), Phrase::NoMoreMessages));
}

#[test]
fn a_message_is_forwarded_with_an_introduction_or_without() {
    let mut lab = Lab::open();
    lab.keys("18");
    assert!(says(&lab.keys("999#"), Phrase::NoSuchBox));
    assert!(says(&lab.keys("88000#"), Phrase::ForwardMenu));
    let sent = lab.keys("3");
    let message = entry(1, Folder::Urgent).id;
    let ask = MailboxAsk::Forward { message, to: OTHER, by: visitor().party };
    assert!(sent.iter().any(|act| matches!(act, Act::Ask(_, asked) if *asked == ask)), "{sent:?}");
    assert!(says(&sent, Phrase::MessageForwarded));

    assert!(says(&lab.keys("88000#1"), Phrase::SpeakIntroduction));
    let begun = lab.on(Input::Said);
    let Act::Begin { take, keep: Keep::Introduction { forward, draft } } = &begun[0] else { panic!("{begun:?}") };
    assert_eq!((*forward, draft.mailbox, draft.urgent), (message, OTHER, true));
    assert!(draft.forwarded.as_ref().is_some_and(|from| from.from == BOX && from.introduced));
    let take = *take;
    lab.keys("#");
    lab.on(Input::Take(take, TakeFact::Closed { length: Span::from_secs(3), pcm: sound() }));
    assert!(lab.keys("3").iter().any(|act| matches!(act, Act::Keep { .. })));
    let kept = lab.on(Input::Take(take, TakeFact::Kept { message: Some(message) }));
    assert!(says(&kept, Phrase::MessageForwarded));
}

#[test]
fn an_introduction_or_greeting_that_nobody_keeps_is_gone_when_the_caller_hangs_up() {
    for keys in ["188000#1", "01"] {
        let mut lab = Lab::open();
        lab.keys(keys);
        assert_eq!(lab.finish(), [], "nothing was recorded yet");
        let mut lab = Lab::open();
        lab.keys(keys);
        lab.on(Input::Said);
        assert_eq!(lab.finish(), [Act::Discard { take: TakeId(1) }], "{keys}");
    }
}

#[test]
fn a_caller_is_called_back_and_one_who_is_not_reached_leads_back() {
    let mut lab = Lab::open();
    assert!(lab.keys("12").contains(&Act::Call("202".to_owned())));
    assert!(says(&lab.on(Input::NotConnected), Phrase::NotConnected));
    assert!(tells(&lab.keys("6"), &Say::Message(2)), "the menu goes on");
    for address in ["", "anonymous", "+49 30", "+"] {
        let mut lab = Lab::open();
        lab.new[0].caller = Party { user: None, address: address.to_owned(), name: String::new() };
        assert!(says(&lab.keys("12"), Phrase::NoCallBack), "{address:?}");
    }
    let mut outside = Lab::open();
    outside.menu.visitor.user = None;
    assert!(says(&outside.keys("12"), Phrase::NoCallBack), "not at the company's expense");
}

#[test]
fn greetings_are_recorded_heard_kept_and_taken_back() {
    for (key, kind) in [("1", GreetingKind::Unavailable), ("2", GreetingKind::Busy), ("3", GreetingKind::Name)] {
        let mut lab = Lab::open();
        lab.keys("0");
        lab.keys(key);
        let begun = lab.on(Input::Said);
        let keep = Keep::Greeting { mailbox: BOX, kind };
        assert_eq!(begun[0], Act::Begin { take: TakeId(1), keep: keep.clone() });
        lab.keys("#");
        let closed = TakeFact::Closed { length: Span::from_secs(1), pcm: sound() };
        assert!(says(&lab.on(Input::Take(TakeId(1), closed)), Phrase::ReviewGreeting));
        assert!(tells(&lab.keys("1"), &Say::Clip(sound())));
        assert!(lab.keys("3").contains(&Act::Keep { take: TakeId(1), keep }));
        assert!(says(&lab.on(Input::Take(TakeId(1), TakeFact::Kept { message: None })), Phrase::GreetingSaved));
    }
    let mut lab = Lab::open();
    lab.keys("01");
    lab.on(Input::Said);
    lab.keys("#");
    lab.on(Input::Take(TakeId(1), TakeFact::Closed { length: Span::from_secs(1), pcm: sound() }));
    assert!(says(&lab.keys("4"), Phrase::GreetingRemoved));
    assert!(lab.acts.contains(&Act::Discard { take: TakeId(1) }));
}

#[test]
fn a_password_is_changed_when_it_was_typed_twice_the_same_and_is_long_enough() {
    let mut lab = Lab::open();
    assert!(says(&lab.keys("04123#"), Phrase::PasswordTooShort));
    assert!(says(&lab.keys("41234#4321#"), Phrase::PasswordsDiffer));
    assert!(lab.asks().iter().all(|ask| !matches!(ask, MailboxAsk::SetPassword { .. })));
    assert!(says(&lab.keys("41234#1234#"), Phrase::PasswordChanged));
    let set = MailboxAsk::SetPassword { mailbox: BOX, reader: Some(UserId(1)), password: "1234".to_owned() };
    assert!(lab.asks().contains(&&set));
    assert!(!format!("{:?}{:?}", lab.menu, lab.acts).contains("1234"), "it is printed nowhere");
}

#[test]
fn a_storage_that_does_not_answer_ends_the_call_politely() {
    let mut lab = Lab { works: false, ..Lab::locked() };
    lab.keys("4711#");
    assert!(says(&lab.on(Input::TimedOut), Phrase::Failed));
    assert_eq!(lab.on(Input::Said), [Act::HangUp]);
}

/// Anything that may come, in any order; keys above all.
fn any_input() -> impl Strategy<Value = Input> {
    let key = prop::sample::select(b"0123456789*#".to_vec()).prop_map(Input::Key);
    let fact = prop::sample::select(vec![
        TakeFact::Silent,
        TakeFact::Closed { length: Span::from_millis(100), pcm: sound() },
        TakeFact::Closed { length: Span::from_secs(9), pcm: sound() },
        TakeFact::Kept { message: None },
        TakeFact::Failed { problem: String::new() },
    ]);
    let take = (1u32..6, fact).prop_map(|(take, fact)| Input::Take(TakeId(take), fact));
    let answer = (1u32..9).prop_map(|ask| Input::Answer(AskId(ask), MailboxAnswer::Done));
    prop_oneof![
        12 => key,
        4 => Just(Input::Said),
        3 => Just(Input::TimedOut),
        2 => take,
        1 => answer,
        1 => Just(Input::NotConnected),
    ]
}

proptest! {
    /// Whatever is pressed: nobody is inside, and nothing is asked of the storage, before the very
    /// password was typed.
    #[test]
    fn no_sequence_of_keys_gets_into_a_box_without_its_password(
        inputs in prop::collection::vec(any_input(), 0..120),
        ask_number in any::<bool>(),
    ) {
        let mut lab = if ask_number { Lab::at(Entrance::Number) } else { Lab::locked() };
        for input in inputs {
            lab.on(input);
            if lab.right == 0 {
                prop_assert!(!lab.menu.is_inside());
                prop_assert!(lab.asks().is_empty(), "{:?}", lab.acts);
                let acted = lab.acts.iter().any(|act| matches!(act, Act::Begin { .. } | Act::Call(_)));
                prop_assert!(!acted);
            }
        }
    }

    /// Inside too: nothing panics, and who does nothing any more is let go.
    #[test]
    fn every_sequence_ends_once_nothing_more_comes(
        inputs in prop::collection::vec(any_input(), 0..120),
        works in any::<bool>(),
    ) {
        let mut lab = Lab::open();
        lab.works = works;
        for input in inputs {
            lab.on(input);
        }
        // A call back that is never answered is ended by the call, not by the menu.
        lab.on(Input::NotConnected);
        for _ in 0..200 {
            if lab.acts.contains(&Act::HangUp) {
                break;
            }
            lab.on(Input::Said);
            lab.on(Input::TimedOut);
        }
        prop_assert!(lab.acts.contains(&Act::HangUp), "{:?}", lab.menu);
        lab.finish();
        let begun = lab.acts.iter().filter(|act| matches!(act, Act::Begin { .. })).count();
        let over = lab.acts.iter().filter(|act| matches!(act, Act::Keep { .. } | Act::Discard { .. })).count();
        let failed = lab.acts.iter().filter(|act| says(std::slice::from_ref(act), Phrase::Failed)).count();
        prop_assert!(over <= begun && begun <= over + failed, "{begun} begun, {over} over, {failed} failed");
    }
}
