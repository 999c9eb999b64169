//! Voicemail by telephone: a message is left, a box is listened to. Pure machines, and what leads
//! them through a call.
//!
//! ```text
//! path: Action::Voicemail ─► Leave ─ greeting, tone, take, review ─► (hang-up)
//! `*98`, `*99NUMBER` ─► Menu ─ number, password ─► piles of messages, greetings, password
//!                         ▲ `*` in a greeting           └─ call back ─► the call goes on as any other
//!
//! Key, Said, TimedOut, TakeFact, MailboxAnswer ─► machine ─► Act ─► prompts, TakeOrder, MailboxAsk
//! ```
//! What a party types is never logged and never stored. Nothing here reads a clock or a file.

mod ask;
mod conduct;
mod dictation;
mod digits;
mod leave;
mod lockout;
mod menu;

pub use ask::{AskId, Entry, MailboxAnswer, MailboxAsk, PAGE, Pile};
pub use conduct::{Chosen, Voicemail};
pub(super) use lockout::Guesses;

use super::TakeFact;
use crate::audio::speech::{Phrase, Say};
use crate::base::{BoxId, Span, Time};
use crate::ledger::{Keep, TakeId};
use digits::Typed;

/// So long the storage, or a take, has for an answer.
const ANSWER: Span = Span::from_secs(10);
/// So long a key is waited for after what may be chosen was said.
const CHOICE: Span = Span::from_secs(6);
/// How often what may be chosen is said to who chooses nothing.
const REPEATS: u8 = 3;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// All was said.
    Said,
    Key(u8),
    /// The time of [`Act::Wait`] is over.
    TimedOut,
    Take(TakeId, TakeFact),
    Answer(AskId, MailboxAnswer),
    /// Whether it was the password.
    Checked(bool),
    /// Where a number leads that was typed to listen.
    Door(Door),
    /// The box of a number that was typed to forward to.
    Found(Option<BoxId>),
    /// The call back reached nobody.
    NotConnected,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Said in the place of what is being said; [`Input::Said`] follows at its end.
    Say(Vec<Say>),
    /// Nothing is said any more.
    Quiet,
    /// [`Input::TimedOut`] follows, unless something is said or waited for before.
    Wait(Span),
    /// See [`super::TakeOrder`].
    Begin {
        take: TakeId,
        keep: Keep,
    },
    End {
        take: TakeId,
        cut: Span,
    },
    Keep {
        take: TakeId,
        keep: Keep,
    },
    Discard {
        take: TakeId,
    },
    Ask(AskId, MailboxAsk),
    /// [`Input::Checked`] follows at once.
    Check {
        mailbox: Option<BoxId>,
        typed: Typed,
    },
    /// [`Input::Door`] follows at once.
    FindDoor(Typed),
    /// [`Input::Found`] follows at once.
    FindBox(Typed),
    /// The call goes on to that address as if the party had dialled it; [`Input::NotConnected`]
    /// where nobody is reached.
    Call(String),
    /// Whoever is to leave a message wants to listen to the box instead.
    LogIn,
    /// Too many wrong passwords; the call ends.
    ShutOut,
    HangUp,
}

/// A box that somebody wants to listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// `None`: there is none, which is not told: its password is asked for, and wrong.
    pub mailbox: Option<BoxId>,
    /// Its password is asked for.
    pub asks: bool,
}

/// The names that a call's voicemail has given out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names {
    asks: u32,
    takes: u32,
}

/// One step of a machine: when it is, and what is done in it.
pub struct Step<'a> {
    pub now: Time,
    pub acts: &'a mut Vec<Act>,
    pub names: &'a mut Names,
}

impl Step<'_> {
    fn act(&mut self, act: Act) {
        self.acts.push(act);
    }

    fn say(&mut self, say: Vec<Say>) {
        self.act(Act::Say(say));
    }

    fn phrases(&mut self, phrases: &[Phrase]) {
        self.say(phrases.iter().map(|phrase| Say::Phrase(*phrase)).collect());
    }

    fn wait(&mut self, span: Span) {
        self.act(Act::Wait(span));
    }

    /// Asks for what is waited for.
    fn ask(&mut self, ask: MailboxAsk) -> AskId {
        let id = self.tell(ask);
        self.wait(ANSWER);
        id
    }

    /// Asks for what nobody waits for.
    fn tell(&mut self, ask: MailboxAsk) -> AskId {
        self.names.asks = self.names.asks.wrapping_add(1);
        let id = AskId(self.names.asks);
        self.act(Act::Ask(id, ask));
        id
    }

    fn next_take(&mut self) -> TakeId {
        self.names.takes = self.names.takes.wrapping_add(1);
        TakeId(self.names.takes)
    }
}

/// What a party who types has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Typing {
    /// More may come.
    More,
    /// `#`, or nothing more came.
    Done,
    /// `*` before any digit.
    Back,
}

/// One step of typing a number or a password. The first key ends what is being said.
fn type_on(typed: &mut Typed, input: &Input, step: &mut Step<'_>) -> Typing {
    match input {
        Input::Said => {
            step.wait(digits::FIRST);
            Typing::More
        }
        Input::TimedOut => Typing::Done,
        Input::Key(key) => {
            let was_empty = typed.is_empty();
            step.act(Act::Quiet);
            match typed.key(*key) {
                digits::Stroke::More => step.wait(digits::NEXT),
                digits::Stroke::End => return Typing::Done,
                digits::Stroke::Star if was_empty => return Typing::Back,
                digits::Stroke::Star => {
                    typed.clear();
                    step.wait(digits::FIRST);
                }
            }
            Typing::More
        }
        Input::Take(..)
        | Input::Answer(..)
        | Input::Checked(_)
        | Input::Door(_)
        | Input::Found(_)
        | Input::NotConnected => Typing::More,
    }
}
