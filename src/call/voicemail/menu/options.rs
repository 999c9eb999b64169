//! Greetings and the password of a box.
//!
//! ```text
//! Choosing ─1, 2, 3─► Dictating ─► Keeping, Removing ─► Choosing
//!    ├─4─► New ─► Again ─the same─► Setting ─► Choosing
//!    └─`#`─► (back)
//! ```

use super::super::dictation::{Choice, Dictation, Plan};
use super::super::digits::Typed;
use super::super::{ANSWER, Act, AskId, CHOICE, Input, MailboxAnswer, MailboxAsk, REPEATS, Step, Typing, type_on};
use super::{Part, Room};
use crate::audio::speech::{Phrase, Say};
use crate::base::{BoxId, Span};
use crate::call::TakeFact;
use crate::ledger::{GreetingKind, Keep, TakeId};

/// A password of fewer digits is guessed too soon.
const FEWEST_DIGITS: usize = 4;
const LONGEST_NAME: Span = Span::from_secs(10);
/// A name is short.
const SHORTEST: Span = Span::from_millis(300);

#[derive(Clone, Debug)]
enum On {
    Choosing { repeats: u8 },
    Dictating { kind: GreetingKind, dictation: Box<Dictation> },
    Keeping(TakeId),
    Removing(AskId),
    New(Typed),
    Again { new: Typed, typed: Typed },
    Setting(AskId),
}

/// The part of the menu where a box is changed.
#[derive(Clone, Debug)]
pub struct Options {
    room: Room,
    on: On,
}

impl Options {
    pub fn begin(room: Room, step: &mut Step<'_>) -> Self {
        step.phrases(&[Phrase::OptionsMenu]);
        Options { room, on: On::Choosing { repeats: 0 } }
    }

    pub const fn mailbox(&self) -> BoxId {
        self.room.mailbox
    }

    pub const fn waits_for_storage(&self) -> bool {
        match &self.on {
            On::Keeping(_) | On::Removing(_) | On::Setting(_) => true,
            On::Dictating { dictation, .. } => dictation.is_closing(),
            On::Choosing { .. } | On::New(_) | On::Again { .. } => false,
        }
    }

    /// The call is over: a greeting that nobody wanted to keep is none.
    pub fn finish(&self, step: &mut Step<'_>) {
        if let On::Dictating { dictation, .. } = &self.on
            && dictation.has_taken()
        {
            step.act(Act::Discard { take: dictation.take() });
        }
    }

    pub fn handle(&mut self, input: &Input, step: &mut Step<'_>) -> Part {
        match &mut self.on {
            On::Choosing { repeats } => {
                let repeats = *repeats;
                return self.choosing(repeats, input, step);
            }
            On::Dictating { kind, dictation } => {
                if let Some(choice) = dictation.handle(input, step) {
                    let (kind, take, keep) = (*kind, dictation.take(), dictation.plan().keep.clone());
                    self.spoken(choice, kind, take, keep, step);
                }
            }
            On::Keeping(take) => match input {
                Input::Take(of, TakeFact::Kept { .. }) if of == take => self.back(Some(Phrase::GreetingSaved), step),
                Input::Take(of, TakeFact::Failed { .. }) if of == take => self.back(Some(Phrase::Failed), step),
                Input::TimedOut => self.back(Some(Phrase::Failed), step),
                Input::Take(..)
                | Input::Said
                | Input::Key(_)
                | Input::Answer(..)
                | Input::Checked(_)
                | Input::Door(_)
                | Input::Found(_)
                | Input::NotConnected => {}
            },
            On::Removing(ask) => {
                let ask = *ask;
                self.answered(ask, Phrase::GreetingRemoved, input, step);
            }
            On::Setting(ask) => {
                let ask = *ask;
                self.answered(ask, Phrase::PasswordChanged, input, step);
            }
            On::New(_) | On::Again { .. } => self.password(input, step),
        }
        Part::Stays
    }

    fn back(&mut self, said: Option<Phrase>, step: &mut Step<'_>) {
        step.say(said.into_iter().chain([Phrase::OptionsMenu]).map(Say::Phrase).collect());
        self.on = On::Choosing { repeats: 0 };
    }

    fn choosing(&mut self, repeats: u8, input: &Input, step: &mut Step<'_>) -> Part {
        match input {
            Input::Said => step.wait(CHOICE),
            Input::TimedOut if repeats + 1 >= REPEATS => return Part::Main,
            Input::TimedOut => {
                step.phrases(&[Phrase::OptionsMenu]);
                self.on = On::Choosing { repeats: repeats + 1 };
            }
            Input::Key(b'1') => self.dictate(GreetingKind::Unavailable, step),
            Input::Key(b'2') => self.dictate(GreetingKind::Busy, step),
            Input::Key(b'3') => self.dictate(GreetingKind::Name, step),
            Input::Key(b'4') => {
                step.phrases(&[Phrase::NewPassword]);
                self.on = On::New(Typed::default());
            }
            Input::Key(b'#' | b'*') => return Part::Main,
            Input::Key(_) => step.phrases(&[Phrase::WrongKey, Phrase::OptionsMenu]),
            Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => {}
        }
        Part::Stays
    }

    fn dictate(&mut self, kind: GreetingKind, step: &mut Step<'_>) {
        let (most, first) = match kind {
            GreetingKind::Unavailable | GreetingKind::Busy => (self.room.house.most, Phrase::SpeakGreeting),
            GreetingKind::Name => (LONGEST_NAME, Phrase::SpeakName),
        };
        let plan = Plan {
            keep: Keep::Greeting { mailbox: self.room.mailbox, kind },
            most,
            minimum: SHORTEST,
            silence: self.room.house.silence,
            review: Some(Phrase::ReviewGreeting),
        };
        let dictation = Box::new(Dictation::begin(plan, vec![Say::Phrase(first)], step));
        self.on = On::Dictating { kind, dictation };
    }

    fn spoken(&mut self, choice: Choice, kind: GreetingKind, take: TakeId, keep: Keep, step: &mut Step<'_>) {
        match choice {
            Choice::Keep => {
                step.act(Act::Quiet);
                step.act(Act::Keep { take, keep });
                step.wait(ANSWER);
                self.on = On::Keeping(take);
            }
            Choice::Fourth => {
                step.act(Act::Quiet);
                step.act(Act::Discard { take });
                let ask =
                    MailboxAsk::RemoveGreeting { mailbox: self.room.mailbox, reader: self.room.visitor.user, kind };
                self.on = On::Removing(step.ask(ask));
            }
            Choice::Star => self.back(None, step),
            Choice::Nothing => {
                step.act(Act::Discard { take });
                self.back(None, step);
            }
            Choice::TooShort => self.back(Some(Phrase::TooShort), step),
            Choice::Failed => self.back(Some(Phrase::Failed), step),
        }
    }

    fn answered(&mut self, ask: AskId, done: Phrase, input: &Input, step: &mut Step<'_>) {
        match input {
            Input::Answer(to, MailboxAnswer::Done) if *to == ask => self.back(Some(done), step),
            Input::Answer(to, _) if *to == ask => self.back(Some(Phrase::Failed), step),
            Input::TimedOut => self.back(Some(Phrase::Failed), step),
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

    fn password(&mut self, input: &Input, step: &mut Step<'_>) {
        match &mut self.on {
            On::New(typed) => match type_on(typed, input, step) {
                Typing::More => {}
                Typing::Back => self.back(None, step),
                Typing::Done if typed.as_str().len() < FEWEST_DIGITS => self.back(Some(Phrase::PasswordTooShort), step),
                Typing::Done => {
                    let new = std::mem::take(typed);
                    step.phrases(&[Phrase::PasswordAgain]);
                    self.on = On::Again { new, typed: Typed::default() };
                }
            },
            On::Again { new, typed } => match type_on(typed, input, step) {
                Typing::More => {}
                Typing::Back => self.back(None, step),
                Typing::Done if new != typed => self.back(Some(Phrase::PasswordsDiffer), step),
                Typing::Done => {
                    let ask = MailboxAsk::SetPassword {
                        mailbox: self.room.mailbox,
                        reader: self.room.visitor.user,
                        password: new.as_str().to_owned(),
                    };
                    self.on = On::Setting(step.ask(ask));
                }
            },
            On::Choosing { .. } | On::Dictating { .. } | On::Keeping(_) | On::Removing(_) | On::Setting(_) => {}
        }
    }
}
