//! A box is listened to: logging in, piles of messages, greetings and password. Pure.
//!
//! ```text
//! Number ─► Password ─right─► Opening ─► Main ─1, 2─► Shelf ─`#`─► Opening …
//!   ▲          └─wrong, three times─► Leaving    └─0─► Options ─`#`─► Opening …
//!   └─ `*99` alone                               └─`#`─► Leaving ─► (hang-up)
//! ```
//! Only [`State::Password`] with [`Input::Checked`], or a door that asks for none, leads further
//! than to a password. Keys that come while the storage is asked wait for its answer.

mod forward;
mod options;
mod shelf;

use super::digits::Typed;
use super::{Act, AskId, CHOICE, Door, Input, MailboxAnswer, MailboxAsk, Pile, REPEATS, Step, Typing, type_on};
use crate::audio::speech::{Phrase, Say};
use crate::base::{BoxId, CallId, Span, UserId};
use crate::ledger::{MessageDraft, Party};
use options::Options;
use shelf::Shelf;
use std::collections::VecDeque;

/// Keys that wait for an answer of the storage; those beyond are dropped.
const MOST_AHEAD: usize = 16;

/// Who listens.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub call: CallId,
    pub party: Party,
    /// A user of the company, on a device of theirs.
    pub user: Option<UserId>,
}

/// What the company allows.
#[derive(Clone, Copy, Debug)]
pub struct House {
    /// Wrong passwords that end the call.
    pub tries: u8,
    /// Longest introduction and greeting.
    pub most: Span,
    pub minimum: Span,
    pub silence: Span,
}

/// Where the menu begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// The number of the box is asked for.
    Number,
    /// The caller has no box.
    Nowhere,
    Door(Door),
}

#[derive(Clone, Debug)]
enum State {
    Number(Typed),
    Password { mailbox: Option<BoxId>, typed: Typed },
    Opening { mailbox: BoxId, ask: AskId },
    Main { mailbox: BoxId, counts: Counts, repeats: u8 },
    Shelf(Box<Shelf>),
    Options(Box<Options>),
    Leaving,
    Over,
}

/// How much there is to listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    urgent: u32,
    new: u32,
    saved: u32,
}

/// What the parts of the menu know of the box and of who listens.
#[derive(Clone, Debug)]
struct Room {
    mailbox: BoxId,
    visitor: Visitor,
    house: House,
}

impl Room {
    /// A message of the visitor's for another box.
    fn draft(&self, to: BoxId) -> MessageDraft {
        MessageDraft {
            mailbox: to,
            call: self.visitor.call,
            caller: self.visitor.party.clone(),
            number: None,
            urgent: false,
            forwarded: None,
            minimum: self.house.minimum,
        }
    }
}

/// Where a part of the menu leads.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Stays,
    /// Back to the main menu.
    Main,
}

/// One party in the menu.
#[derive(Clone, Debug)]
pub struct Menu {
    visitor: Visitor,
    house: House,
    state: State,
    /// Wrong passwords so far.
    failures: u8,
    ahead: VecDeque<u8>,
    welcomed: bool,
}

impl Menu {
    pub fn begin(visitor: Visitor, house: House, entrance: Entrance, step: &mut Step<'_>) -> Self {
        let (failures, ahead) = (0, VecDeque::new());
        let mut menu = Menu { visitor, house, state: State::Over, failures, ahead, welcomed: false };
        match entrance {
            Entrance::Number => {
                step.phrases(&[Phrase::Welcome, Phrase::EnterBox]);
                menu.state = State::Number(Typed::default());
            }
            Entrance::Nowhere => menu.leave(&[Phrase::NoBox, Phrase::Goodbye], step),
            Entrance::Door(door) => menu.knock(door, step),
        }
        menu
    }

    /// Whether the password was right, or was not to be asked for.
    #[cfg(test)]
    pub fn is_inside(&self) -> bool {
        match &self.state {
            State::Opening { .. } | State::Main { .. } | State::Shelf(_) | State::Options(_) => true,
            State::Number(_) | State::Password { .. } | State::Leaving | State::Over => false,
        }
    }

    pub fn handle(&mut self, input: Input, step: &mut Step<'_>) {
        match input {
            Input::Key(key) if self.waits_for_storage() => {
                if self.ahead.len() < MOST_AHEAD {
                    self.ahead.push_back(key);
                }
            }
            input => self.take(&input, step),
        }
        while !self.waits_for_storage()
            && let Some(key) = self.ahead.pop_front()
        {
            self.take(&Input::Key(key), step);
        }
    }

    /// The call is over, or goes on elsewhere: what was thrown away goes now.
    pub fn finish(&mut self, step: &mut Step<'_>) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Shelf(mut shelf) => shelf.finish(step),
            State::Options(options) => options.finish(step),
            State::Number(_)
            | State::Password { .. }
            | State::Opening { .. }
            | State::Main { .. }
            | State::Leaving
            | State::Over => {}
        }
    }

    fn waits_for_storage(&self) -> bool {
        match &self.state {
            State::Opening { .. } => true,
            State::Shelf(shelf) => shelf.waits_for_storage(),
            State::Options(options) => options.waits_for_storage(),
            State::Number(_) | State::Password { .. } | State::Main { .. } | State::Leaving | State::Over => false,
        }
    }

    fn take(&mut self, input: &Input, step: &mut Step<'_>) {
        match &mut self.state {
            State::Number(_) => self.number(input, step),
            State::Password { .. } => self.password(input, step),
            State::Opening { mailbox, ask } => {
                let (mailbox, ask) = (*mailbox, *ask);
                self.opening(mailbox, ask, input, step);
            }
            State::Main { mailbox, counts, repeats } => {
                let (mailbox, counts, repeats) = (*mailbox, *counts, *repeats);
                self.main(mailbox, counts, repeats, input, step);
            }
            State::Shelf(shelf) => {
                if shelf.handle(input, step) == Part::Main {
                    let mailbox = shelf.mailbox();
                    self.open(mailbox, step);
                }
            }
            State::Options(options) => {
                if options.handle(input, step) == Part::Main {
                    let mailbox = options.mailbox();
                    self.open(mailbox, step);
                }
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

    fn leave(&mut self, phrases: &[Phrase], step: &mut Step<'_>) {
        step.phrases(phrases);
        self.state = State::Leaving;
    }

    fn number(&mut self, input: &Input, step: &mut Step<'_>) {
        if let Input::Door(door) = input {
            return self.knock(*door, step);
        }
        let State::Number(typed) = &mut self.state else { return };
        match type_on(typed, input, step) {
            Typing::More => {}
            Typing::Done if typed.is_empty() => self.leave(&[Phrase::Goodbye], step),
            Typing::Done => step.act(Act::FindDoor(std::mem::take(typed))),
            Typing::Back => self.leave(&[Phrase::Goodbye], step),
        }
    }

    /// At the door of a box: in, or the password first.
    fn knock(&mut self, door: Door, step: &mut Step<'_>) {
        match door {
            Door { mailbox: Some(mailbox), asks: false } => self.open(mailbox, step),
            Door { mailbox, asks: _ } => {
                step.phrases(&[Phrase::EnterPassword]);
                self.state = State::Password { mailbox, typed: Typed::default() };
            }
        }
    }

    fn password(&mut self, input: &Input, step: &mut Step<'_>) {
        let State::Password { mailbox, typed } = &mut self.state else { return };
        let mailbox = *mailbox;
        match (input, mailbox) {
            (Input::Checked(true), Some(mailbox)) => return self.open(mailbox, step),
            (Input::Checked(_), _) => return self.wrong(mailbox, step),
            (_, _) => {}
        }
        match type_on(typed, input, step) {
            Typing::More => {}
            // Nothing, too, is a wrong password.
            Typing::Done | Typing::Back => step.act(Act::Check { mailbox, typed: std::mem::take(typed) }),
        }
    }

    fn wrong(&mut self, mailbox: Option<BoxId>, step: &mut Step<'_>) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.house.tries {
            step.act(Act::ShutOut);
            return self.leave(&[Phrase::TooManyFailures], step);
        }
        step.phrases(&[Phrase::WrongPassword, Phrase::EnterPassword]);
        self.state = State::Password { mailbox, typed: Typed::default() };
    }

    fn room(&self, mailbox: BoxId) -> Room {
        Room { mailbox, visitor: self.visitor.clone(), house: self.house }
    }

    fn open(&mut self, mailbox: BoxId, step: &mut Step<'_>) {
        step.act(Act::Quiet);
        let ask = step.ask(MailboxAsk::Open { mailbox, reader: self.visitor.user });
        self.state = State::Opening { mailbox, ask };
    }

    fn opening(&mut self, mailbox: BoxId, ask: AskId, input: &Input, step: &mut Step<'_>) {
        match input {
            Input::Answer(to, MailboxAnswer::Opened { urgent, new, saved }) if *to == ask => {
                let counts = Counts { urgent: *urgent, new: *new, saved: *saved };
                let welcome = (!self.welcomed).then_some(Say::Phrase(Phrase::Welcome));
                self.welcomed = true;
                let have = Say::YouHave { urgent: counts.urgent, new: counts.new, old: counts.saved };
                step.say(welcome.into_iter().chain([have, Say::Phrase(Phrase::MainMenu)]).collect());
                self.state = State::Main { mailbox, counts, repeats: 0 };
            }
            Input::Answer(to, _) if *to == ask => self.leave(&[Phrase::Failed, Phrase::Goodbye], step),
            Input::TimedOut => self.leave(&[Phrase::Failed, Phrase::Goodbye], step),
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

    fn main(&mut self, mailbox: BoxId, counts: Counts, repeats: u8, input: &Input, step: &mut Step<'_>) {
        let say_again = |this: &mut Self, first: &[Phrase], repeats: u8, step: &mut Step<'_>| {
            step.phrases(&[first, &[Phrase::MainMenu]].concat());
            this.state = State::Main { mailbox, counts, repeats };
        };
        match input {
            Input::Said => step.wait(CHOICE),
            Input::TimedOut if repeats + 1 >= REPEATS => self.leave(&[Phrase::Goodbye], step),
            Input::TimedOut => say_again(self, &[], repeats + 1, step),
            Input::Key(b'1') if counts.urgent + counts.new == 0 => say_again(self, &[Phrase::NoNewMessages], 0, step),
            Input::Key(b'2') if counts.saved == 0 => say_again(self, &[Phrase::NoSavedMessages], 0, step),
            Input::Key(key @ (b'1' | b'2')) => {
                let pile = if *key == b'1' { Pile::New } else { Pile::Saved };
                self.state = State::Shelf(Box::new(Shelf::begin(self.room(mailbox), pile, step)));
            }
            Input::Key(b'0') => self.state = State::Options(Box::new(Options::begin(self.room(mailbox), step))),
            Input::Key(b'*') => {
                let have = Say::YouHave { urgent: counts.urgent, new: counts.new, old: counts.saved };
                step.say(vec![have, Say::Phrase(Phrase::MainMenu)]);
            }
            Input::Key(b'#') => self.leave(&[Phrase::Goodbye], step),
            Input::Key(_) => say_again(self, &[Phrase::WrongKey], repeats, step),
            Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => {}
        }
    }
}

#[cfg(test)]
mod tests;
