//! A message goes into another box, with an introduction or without.
//!
//! ```text
//! Number ─Found─► Choosing ─1─► Dictating ─► Keeping ─► (over)
//!                    └─3─► Sending ─► (over)
//! ```

use super::super::dictation::{Choice, Dictation, Plan};
use super::super::digits::Typed;
use super::super::{
    ANSWER, Act, AskId, CHOICE, Entry, Input, MailboxAnswer, MailboxAsk, REPEATS, Step, Typing, type_on,
};
use super::Room;
use crate::audio::speech::{Phrase, Say};
use crate::base::{BoxId, MessageId};
use crate::call::TakeFact;
use crate::ledger::{Forwarded, Keep, MessageDraft, TakeId};

#[derive(Clone, Debug)]
enum On {
    Number(Typed),
    Choosing { to: BoxId, repeats: u8 },
    Dictating(Box<Dictation>),
    Keeping(TakeId),
    Sending(AskId),
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Going,
    /// It is over, and this is said of it.
    Over(Option<Phrase>),
}

/// One message on its way into another box.
#[derive(Clone, Debug)]
pub struct Forward {
    room: Room,
    message: MessageId,
    urgent: bool,
    on: On,
}

impl Forward {
    pub fn begin(room: Room, entry: &Entry, step: &mut Step<'_>) -> Self {
        step.phrases(&[Phrase::EnterForward]);
        Forward { room, message: entry.id, urgent: entry.urgent, on: On::Number(Typed::default()) }
    }

    pub const fn waits_for_storage(&self) -> bool {
        match &self.on {
            On::Keeping(_) | On::Sending(_) => true,
            On::Dictating(dictation) => dictation.is_closing(),
            On::Number(_) | On::Choosing { .. } => false,
        }
    }

    /// The call is over: an introduction that nobody has sent is none.
    pub fn finish(&self, step: &mut Step<'_>) {
        if let On::Dictating(dictation) = &self.on
            && dictation.has_taken()
        {
            step.act(Act::Discard { take: dictation.take() });
        }
    }

    pub fn handle(&mut self, input: &Input, step: &mut Step<'_>) -> Sent {
        match &mut self.on {
            On::Number(typed) => {
                if let Input::Found(found) = input {
                    return self.found(*found, step);
                }
                match type_on(typed, input, step) {
                    Typing::More => Sent::Going,
                    Typing::Back => Sent::Over(None),
                    Typing::Done if typed.is_empty() => Sent::Over(None),
                    Typing::Done => {
                        step.act(Act::FindBox(std::mem::take(typed)));
                        Sent::Going
                    }
                }
            }
            On::Choosing { to, repeats } => {
                let (to, repeats) = (*to, *repeats);
                self.choosing(to, repeats, input, step)
            }
            On::Dictating(dictation) => match dictation.handle(input, step) {
                None => Sent::Going,
                Some(choice) => {
                    let (take, keep) = (dictation.take(), dictation.plan().keep.clone());
                    self.spoken(choice, take, keep, step)
                }
            },
            On::Keeping(take) => match input {
                Input::Take(of, TakeFact::Kept { .. }) if of == take => Sent::Over(Some(Phrase::MessageForwarded)),
                Input::Take(of, TakeFact::Failed { .. }) if of == take => Sent::Over(Some(Phrase::Failed)),
                Input::TimedOut => Sent::Over(Some(Phrase::Failed)),
                Input::Take(..)
                | Input::Said
                | Input::Key(_)
                | Input::Answer(..)
                | Input::Checked(_)
                | Input::Door(_)
                | Input::Found(_)
                | Input::NotConnected => Sent::Going,
            },
            On::Sending(ask) => match input {
                Input::Answer(to, MailboxAnswer::Done) if to == ask => Sent::Over(Some(Phrase::MessageForwarded)),
                Input::Answer(to, _) if to == ask => Sent::Over(Some(Phrase::Failed)),
                Input::TimedOut => Sent::Over(Some(Phrase::Failed)),
                Input::Answer(..)
                | Input::Said
                | Input::Key(_)
                | Input::Take(..)
                | Input::Checked(_)
                | Input::Door(_)
                | Input::Found(_)
                | Input::NotConnected => Sent::Going,
            },
        }
    }

    fn found(&mut self, found: Option<BoxId>, step: &mut Step<'_>) -> Sent {
        let Some(to) = found.filter(|to| *to != self.room.mailbox) else {
            return Sent::Over(Some(Phrase::NoSuchBox));
        };
        step.phrases(&[Phrase::ForwardMenu]);
        self.on = On::Choosing { to, repeats: 0 };
        Sent::Going
    }

    fn choosing(&mut self, to: BoxId, repeats: u8, input: &Input, step: &mut Step<'_>) -> Sent {
        match input {
            Input::Said => step.wait(CHOICE),
            Input::TimedOut if repeats + 1 >= REPEATS => return Sent::Over(None),
            Input::TimedOut => {
                step.phrases(&[Phrase::ForwardMenu]);
                self.on = On::Choosing { to, repeats: repeats + 1 };
            }
            Input::Key(b'1') => {
                let plan = Plan {
                    keep: Keep::Introduction { forward: self.message, draft: self.draft(to) },
                    most: self.room.house.most,
                    minimum: self.room.house.minimum,
                    silence: self.room.house.silence,
                    review: Some(Phrase::ReviewIntroduction),
                };
                let first = vec![Say::Phrase(Phrase::SpeakIntroduction)];
                self.on = On::Dictating(Box::new(Dictation::begin(plan, first, step)));
            }
            Input::Key(b'3' | b'#') => {
                step.act(Act::Quiet);
                let by = self.room.visitor.party.clone();
                self.on = On::Sending(step.ask(MailboxAsk::Forward { message: self.message, to, by }));
            }
            Input::Key(b'*') => return Sent::Over(None),
            Input::Key(_) => step.phrases(&[Phrase::WrongKey, Phrase::ForwardMenu]),
            Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => {}
        }
        Sent::Going
    }

    fn draft(&self, to: BoxId) -> MessageDraft {
        let by = self.room.visitor.party.clone();
        let forwarded = Forwarded { from: self.room.mailbox, message: self.message, by, introduced: true };
        MessageDraft { urgent: self.urgent, forwarded: Some(forwarded), ..self.room.draft(to) }
    }

    fn spoken(&mut self, choice: Choice, take: TakeId, keep: Keep, step: &mut Step<'_>) -> Sent {
        match choice {
            Choice::Keep => {
                step.act(Act::Quiet);
                step.act(Act::Keep { take, keep });
                step.wait(ANSWER);
                self.on = On::Keeping(take);
                Sent::Going
            }
            Choice::Star => Sent::Over(None),
            Choice::Fourth | Choice::Nothing => {
                step.act(Act::Discard { take });
                Sent::Over(None)
            }
            Choice::TooShort => Sent::Over(Some(Phrase::TooShort)),
            Choice::Failed => Sent::Over(Some(Phrase::Failed)),
        }
    }
}
