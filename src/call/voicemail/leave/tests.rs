use super::super::{Act, AskId, Input, MailboxAnswer, MailboxAsk, Names, Step};
use super::*;
use crate::base::{BoxId, CallId, MessageId, Time, Wall};
use crate::ledger::Party;
use proptest::prelude::*;

fn draft() -> MessageDraft {
    MessageDraft {
        mailbox: BoxId(7),
        call: CallId::first_of(Wall::from_unix_micros(0)),
        caller: Party { user: None, address: "+49301234".to_owned(), name: String::new() },
        number: None,
        urgent: false,
        forwarded: None,
        minimum: Span::from_secs(2),
    }
}

fn recipient() -> Recipient {
    Recipient {
        number: "8000".to_owned(),
        is_person: false,
        busy: false,
        enabled: true,
        may_log_in: true,
        most: Span::from_secs(180),
        silence: Span::from_secs(10),
        review: true,
    }
}

/// A machine and what it did, step by step.
struct Lab {
    leave: Leave,
    names: Names,
    acts: Vec<Act>,
}

impl Lab {
    fn new(to: Recipient) -> Self {
        let (mut names, mut acts) = (Names::default(), Vec::new());
        let leave = Leave::begin(to, draft(), &mut Step { now: Time(0), acts: &mut acts, names: &mut names });
        Lab { leave, names, acts }
    }

    /// What it does upon that.
    fn on(&mut self, input: Input) -> Vec<Act> {
        let mut acts = Vec::new();
        self.leave.handle(&input, &mut Step { now: Time(0), acts: &mut acts, names: &mut self.names });
        self.acts.extend(acts.clone());
        acts
    }

    fn greeted(mut self) -> Self {
        let answer = MailboxAnswer::Greeting { own: None, name: None, full: false };
        self.on(Input::Answer(AskId(1), answer));
        self
    }

    /// The tone was heard, and something of so many seconds was said.
    fn spoken(mut self, take: u32, seconds: u64) -> Self {
        self.on(Input::Said);
        self.on(Input::Said);
        self.on(Input::Key(b'#'));
        let pcm: Pcm = vec![1; 8].into();
        self.on(Input::Take(TakeId(take), TakeFact::Closed { length: Span::from_secs(seconds), pcm }));
        self
    }
}

fn says(acts: &[Act], phrase: Phrase) -> bool {
    acts.iter().any(|act| matches!(act, Act::Say(say) if say.contains(&Say::Phrase(phrase))))
}

#[test]
fn a_caller_hears_who_is_not_there_speaks_after_the_tone_and_keeps_it() {
    let mut lab = Lab::new(Recipient { is_person: true, busy: true, ..recipient() });
    assert_eq!(lab.acts[0], Act::Ask(AskId(1), MailboxAsk::Greet { mailbox: BoxId(7), busy: true }));
    let greeting = lab.on(Input::Answer(AskId(1), MailboxAnswer::Greeting { own: None, name: None, full: false }));
    assert!(says(&greeting, Phrase::IsBusy) && says(&greeting, Phrase::LeaveYourMessage), "{greeting:?}");
    assert_eq!(lab.on(Input::Said), [Act::Say(vec![Say::Tone])]);
    let begun = lab.on(Input::Said);
    assert_eq!(begun[0], Act::Begin { take: TakeId(1), keep: Keep::Message(draft()) });
    assert_eq!(begun[1], Act::Wait(Span::from_secs(180)));
    assert_eq!(lab.on(Input::Key(b'#'))[0], Act::End { take: TakeId(1), cut: Span::ZERO });
    let closed = TakeFact::Closed { length: Span::from_secs(5), pcm: vec![1; 8].into() };
    assert!(says(&lab.on(Input::Take(TakeId(1), closed)), Phrase::ReviewMessage));
    let urgent = MessageDraft { urgent: true, ..draft() };
    let kept = lab.on(Input::Key(b'4'));
    assert!(kept.contains(&Act::Keep { take: TakeId(1), keep: Keep::Message(urgent) }), "{kept:?}");
    let message = MessageId::first_of(Wall::from_unix_micros(9));
    let kept = TakeFact::Kept { message: Some(message) };
    assert!(says(&lab.on(Input::Take(TakeId(1), kept)), Phrase::MessageSent));
    assert_eq!(lab.on(Input::Said), [Act::HangUp]);
}

#[test]
fn the_greeting_of_the_box_is_all_that_is_said() {
    let own: Pcm = vec![3; 80].into();
    let mut lab = Lab::new(recipient());
    let answer = MailboxAnswer::Greeting { own: Some(own.clone()), name: Some(vec![4; 8].into()), full: false };
    assert_eq!(lab.on(Input::Answer(AskId(1), answer)), [Act::Say(vec![Say::Clip(own)])]);
}

#[test]
fn a_hash_skips_the_greeting_and_other_keys_do_not_touch_it() {
    let mut lab = Lab::new(recipient()).greeted();
    for key in *b"0123456789" {
        assert_eq!(lab.on(Input::Key(key)), [], "{key}");
    }
    assert_eq!(lab.on(Input::Key(b'#')), [Act::Say(vec![Say::Tone])]);
}

#[test]
fn a_star_in_the_greeting_leads_to_the_menu_of_a_box_that_has_a_password() {
    for (may_log_in, acts) in [(true, vec![Act::LogIn]), (false, vec![])] {
        let mut lab = Lab::new(Recipient { may_log_in, ..recipient() }).greeted();
        assert_eq!(lab.on(Input::Key(b'*')), acts);
    }
}

#[test]
fn a_full_or_closed_box_and_one_whose_storage_fails_say_so_and_record_nothing() {
    let mut full = Lab::new(recipient());
    let answer = MailboxAnswer::Greeting { own: None, name: None, full: true };
    assert!(says(&full.on(Input::Answer(AskId(1), answer)), Phrase::BoxIsFull));
    assert_eq!(full.on(Input::Said), [Act::HangUp]);

    let closed = Lab::new(Recipient { enabled: false, ..recipient() });
    assert!(says(&closed.acts, Phrase::BoxIsClosed));

    let failed = Input::Answer(AskId(1), MailboxAnswer::Failed { problem: "gone".to_owned() });
    for input in [failed, Input::TimedOut] {
        let mut lab = Lab::new(recipient());
        assert!(says(&lab.on(input), Phrase::NotKept));
        lab.on(Input::Said);
        assert!(lab.acts.iter().all(|act| !matches!(act, Act::Begin { .. })));
    }
}

#[test]
fn silence_ends_a_message_and_is_taken_off() {
    let mut lab = Lab::new(recipient()).greeted();
    lab.on(Input::Said);
    lab.on(Input::Said);
    let ended = lab.on(Input::Take(TakeId(1), TakeFact::Silent));
    assert_eq!(ended[0], Act::End { take: TakeId(1), cut: Span::from_secs(10) });
}

#[test]
fn a_message_that_is_as_long_as_it_may_be_is_ended_and_the_caller_is_told() {
    let mut lab = Lab::new(recipient()).greeted();
    lab.on(Input::Said);
    lab.on(Input::Said);
    assert_eq!(lab.on(Input::TimedOut)[0], Act::End { take: TakeId(1), cut: Span::ZERO });
    let closed = TakeFact::Closed { length: Span::from_secs(180), pcm: vec![1; 8].into() };
    assert!(says(&lab.on(Input::Take(TakeId(1), closed)), Phrase::TooLong));
}

#[test]
fn a_message_under_the_minimum_is_discarded_and_can_be_left_again() {
    let mut lab = Lab::new(recipient()).greeted().spoken(1, 1);
    assert!(lab.acts.contains(&Act::Discard { take: TakeId(1) }));
    assert!(says(&lab.acts, Phrase::TooShort));
    lab.on(Input::Said);
    assert!(matches!(lab.acts[lab.acts.len() - 2], Act::Begin { take: TakeId(2), .. }), "{:?}", lab.acts);
}

#[test]
fn a_caller_can_listen_and_speak_anew() {
    let mut lab = Lab::new(recipient()).greeted().spoken(1, 5);
    let heard = lab.on(Input::Key(b'1'));
    assert!(matches!(&heard[0], Act::Say(say) if matches!(say[0], Say::Clip(_))), "{heard:?}");
    let again = lab.on(Input::Key(b'2'));
    assert_eq!(again, [Act::Discard { take: TakeId(1) }, Act::Say(vec![Say::Tone])]);
    assert!(matches!(lab.on(Input::Said)[0], Act::Begin { take: TakeId(2), .. }));
}

#[test]
fn without_review_a_message_is_kept_at_once_and_with_it_after_three_times_asking() {
    let lab = Lab::new(Recipient { review: false, ..recipient() }).greeted().spoken(1, 5);
    assert!(lab.acts.contains(&Act::Keep { take: TakeId(1), keep: Keep::Message(draft()) }));

    let mut lab = Lab::new(recipient()).greeted().spoken(1, 5);
    for _ in 0..2 {
        assert!(says(&lab.on(Input::TimedOut), Phrase::ReviewMessage));
        lab.on(Input::Said);
    }
    let kept = lab.on(Input::TimedOut);
    assert!(kept.contains(&Act::Keep { take: TakeId(1), keep: Keep::Message(draft()) }), "{kept:?}");
}

#[test]
fn what_could_not_be_kept_is_not_said_to_be_sent() {
    for fact in [TakeFact::Failed { problem: "disk".to_owned() }, TakeFact::Kept { message: None }] {
        let mut lab = Lab::new(recipient()).greeted().spoken(1, 5);
        lab.on(Input::Key(b'3'));
        lab.on(Input::Take(TakeId(1), fact));
        assert!(!says(&lab.acts, Phrase::MessageSent));
        assert_eq!(lab.on(Input::Said), [Act::HangUp]);
    }
}

/// Anything that may come, in any order.
fn any_input() -> impl Strategy<Value = Input> {
    let key = prop::sample::select(b"0123456789*#".to_vec()).prop_map(Input::Key);
    let pcm: Pcm = vec![1; 8].into();
    let fact = prop::sample::select(vec![
        TakeFact::Silent,
        TakeFact::Closed { length: Span::from_secs(1), pcm: pcm.clone() },
        TakeFact::Closed { length: Span::from_secs(9), pcm: pcm.clone() },
        TakeFact::Kept { message: None },
        TakeFact::Kept { message: Some(MessageId::first_of(Wall::from_unix_micros(9))) },
        TakeFact::Failed { problem: String::new() },
    ]);
    let take = (1u32..4, fact).prop_map(|(take, fact)| Input::Take(TakeId(take), fact));
    let answer = prop::sample::select(vec![
        MailboxAnswer::Greeting { own: None, name: None, full: false },
        MailboxAnswer::Greeting { own: Some(pcm), name: None, full: true },
        MailboxAnswer::Done,
        MailboxAnswer::Failed { problem: String::new() },
    ]);
    let answer = (1u32..4, answer).prop_map(|(ask, answer)| Input::Answer(AskId(ask), answer));
    prop_oneof![6 => key, 3 => Just(Input::Said), 3 => Just(Input::TimedOut), 2 => take, 1 => answer]
}

proptest! {
    /// What comes in whatever order: each take is begun once, ended before it is kept or discarded,
    /// and a call that nobody does anything in any more ends.
    #[test]
    fn every_order_of_what_may_happen_ends_and_leaves_no_take_open(
        inputs in prop::collection::vec(any_input(), 0..60),
    ) {
        let mut lab = Lab::new(recipient());
        for input in inputs {
            lab.on(input);
        }
        for _ in 0..40 {
            lab.on(Input::TimedOut);
        }
        let last = lab.acts.iter().rev().find(|act| matches!(act, Act::HangUp | Act::LogIn));
        prop_assert!(last.is_some(), "{:?}", lab.acts);
        let count = |of: &dyn Fn(&Act) -> Option<TakeId>, id: u32| {
            lab.acts.iter().filter(|act| of(act) == Some(TakeId(id))).count()
        };
        for id in 1..40 {
            let begun = count(&|act| if let Act::Begin { take, .. } = act { Some(*take) } else { None }, id);
            let kept = count(&|act| if let Act::Keep { take, .. } = act { Some(*take) } else { None }, id);
            let gone = count(&|act| if let Act::Discard { take } = act { Some(*take) } else { None }, id);
            prop_assert!(begun <= 1 && kept + gone <= 1, "take {id}: {begun} {kept} {gone}");
        }
    }
}
