//! A message is left: greeting, tone, message, review. Pure.
//!
//! ```text
//! Asking ─Greeting─► Greeting ─Said, `#`─► Dictating ─Choice─► Keeping ─Kept─► Leaving ─Said─► (hang-up)
//!   └─full, closed, failed──────────────────────────────────────────────────────▲
//! ```
//! A caller who hangs up in the middle leaves what was said so far; who records keeps it then.

use super::super::TakeFact;
use super::dictation::{Choice, Dictation, Plan};
use super::{ANSWER, Act, AskId, Input, MailboxAnswer, MailboxAsk, Step};
use crate::audio::prompt::Pcm;
use crate::audio::speech::{Phrase, Say};
use crate::base::{BoxId, Span};
use crate::ledger::{Keep, MessageDraft, TakeId};

/// How often a caller can be too short.
const MOST_SHORT: u8 = 3;

/// The box, as a caller meets it.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// What is said of it.
    pub number: String,
    /// It is a user's.
    pub is_person: bool,
    /// The user is in a call.
    pub busy: bool,
    pub enabled: bool,
    /// `*` leads to its menu: it has a password.
    pub may_log_in: bool,
    pub most: Span,
    pub silence: Span,
    pub review: bool,
}

#[derive(Clone, Debug)]
enum State {
    Asking(AskId),
    Greeting,
    Dictating(Box<Dictation>),
    Keeping(TakeId),
    /// The last words.
    Leaving,
    Over,
}

/// One message being left.
#[derive(Clone, Debug)]
pub struct Leave {
    to: Recipient,
    draft: MessageDraft,
    shorts: u8,
    state: State,
}

impl Leave {
    pub fn begin(to: Recipient, draft: MessageDraft, step: &mut Step<'_>) -> Self {
        let mut leave = Leave { to, draft, shorts: 0, state: State::Over };
        if leave.to.enabled {
            let ask = MailboxAsk::Greet { mailbox: leave.draft.mailbox, busy: leave.to.busy };
            leave.state = State::Asking(step.ask(ask));
        } else {
            leave.last_words(Phrase::BoxIsClosed, step);
        }
        leave
    }

    pub const fn mailbox(&self) -> BoxId {
        self.draft.mailbox
    }

    pub fn handle(&mut self, input: &Input, step: &mut Step<'_>) {
        match &mut self.state {
            State::Asking(id) => {
                let id = *id;
                self.asking(id, input, step);
            }
            State::Greeting => self.greeting(input, step),
            State::Dictating(dictation) => {
                if let Some(choice) = dictation.handle(input, step) {
                    let take = dictation.take();
                    self.chosen(choice, take, step);
                }
            }
            State::Keeping(take) => {
                let take = *take;
                self.keeping(take, input, step);
            }
            State::Leaving => match input {
                Input::Said | Input::TimedOut => {
                    self.state = State::Over;
                    step.act(Act::HangUp);
                }
                Input::Key(_)
                | Input::Take(..)
                | Input::Answer(..)
                | Input::Checked(_)
                | Input::Door(_)
                | Input::Found(_)
                | Input::NotConnected => {}
            },
            State::Over => {}
        }
    }

    fn asking(&mut self, id: AskId, input: &Input, step: &mut Step<'_>) {
        match input {
            Input::Answer(to, MailboxAnswer::Greeting { full: true, .. }) if *to == id => {
                self.last_words(Phrase::BoxIsFull, step);
            }
            Input::Answer(to, MailboxAnswer::Greeting { own, name, full: false }) if *to == id => {
                self.state = State::Greeting;
                step.say(self.words(own.clone(), name.clone()));
            }
            // Without the storage no greeting is known, and a message could not be kept.
            Input::Answer(to, _) if *to == id => self.last_words(Phrase::NotKept, step),
            Input::TimedOut => self.last_words(Phrase::NotKept, step),
            Input::Answer(..)
            | Input::Said
            | Input::Key(_)
            | Input::Take(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => {}
        }
    }

    /// The box's own greeting says all; that of the service says who is not there and what to do.
    fn words(&self, own: Option<Pcm>, name: Option<Pcm>) -> Vec<Say> {
        if let Some(own) = own {
            return vec![Say::Clip(own)];
        }
        let why = if self.to.busy { Phrase::IsBusy } else { Phrase::IsNotAvailable };
        let digits = || Say::Digits(self.to.number.clone());
        let mut words = match (name, self.to.is_person) {
            (Some(name), _) => vec![Say::Clip(name), Say::Phrase(why)],
            (None, true) => vec![Say::Phrase(Phrase::ThePersonAtExtension), digits(), Say::Phrase(why)],
            (None, false) => vec![Say::Phrase(Phrase::YouHaveReachedTheBox), digits()],
        };
        words.extend([Say::Pause(200), Say::Phrase(Phrase::LeaveYourMessage)]);
        words
    }

    fn greeting(&mut self, input: &Input, step: &mut Step<'_>) {
        match input {
            Input::Said | Input::TimedOut | Input::Key(b'#') => self.dictate(Vec::new(), step),
            Input::Key(b'*') if self.to.may_log_in => {
                self.state = State::Over;
                step.act(Act::LogIn);
            }
            // No other key interrupts a greeting: callers press what they like.
            Input::Key(_)
            | Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => {}
        }
    }

    fn dictate(&mut self, first: Vec<Say>, step: &mut Step<'_>) {
        let plan = Plan {
            keep: Keep::Message(self.draft.clone()),
            most: self.to.most,
            minimum: self.draft.minimum,
            silence: self.to.silence,
            review: self.to.review.then_some(Phrase::ReviewMessage),
        };
        self.state = State::Dictating(Box::new(Dictation::begin(plan, first, step)));
    }

    fn chosen(&mut self, choice: Choice, take: TakeId, step: &mut Step<'_>) {
        match choice {
            Choice::Keep | Choice::Nothing => self.keep(take, step),
            Choice::Fourth => {
                self.draft.urgent = true;
                self.keep(take, step);
            }
            Choice::Star => self.last_words(Phrase::Goodbye, step),
            Choice::TooShort => {
                self.shorts += 1;
                match self.shorts < MOST_SHORT {
                    true => {
                        self.dictate(vec![Say::Phrase(Phrase::TooShort), Say::Phrase(Phrase::LeaveYourMessage)], step)
                    }
                    false => self.last_words(Phrase::Goodbye, step),
                }
            }
            Choice::Failed => self.last_words(Phrase::NotKept, step),
        }
    }

    fn keep(&mut self, take: TakeId, step: &mut Step<'_>) {
        step.act(Act::Quiet);
        step.act(Act::Keep { take, keep: Keep::Message(self.draft.clone()) });
        step.wait(ANSWER);
        self.state = State::Keeping(take);
    }

    fn keeping(&mut self, take: TakeId, input: &Input, step: &mut Step<'_>) {
        match input {
            Input::Take(of, TakeFact::Kept { message: Some(_) }) if *of == take => {
                self.last_words(Phrase::MessageSent, step);
            }
            Input::Take(of, TakeFact::Kept { message: None }) if *of == take => self.last_words(Phrase::TooShort, step),
            Input::Take(of, TakeFact::Failed { .. }) if *of == take => self.last_words(Phrase::NotKept, step),
            Input::TimedOut => self.last_words(Phrase::NotKept, step),
            Input::Take(..)
            | Input::Said
            | Input::Key(_)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => {}
        }
    }

    fn last_words(&mut self, phrase: Phrase, step: &mut Step<'_>) {
        step.phrases(&[phrase]);
        self.state = State::Leaving;
    }
}

#[cfg(test)]
mod tests;
