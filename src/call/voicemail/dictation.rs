//! Speaking a message, a greeting or an introduction: tone, take, review. Pure.
//!
//! ```text
//! Tone ─Said: Begin─► Speaking ─`#`, silence, limit: End─► Closing ─Closed─► Review ─key─► Choice
//!   ▲                                                         └─too short─► Choice    │
//!   └────────────────────────────────── 2: Discard ──────────────────────────────────┘
//! ```

use super::super::TakeFact;
use super::{ANSWER, Act, CHOICE, Input, REPEATS, Step};
use crate::audio::prompt::Pcm;
use crate::audio::speech::{Phrase, Say};
use crate::base::Span;
use crate::ledger::{Keep, TakeId};

/// What is spoken, and how much of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it becomes if the party does not come back to it.
    pub keep: Keep,
    pub most: Span,
    /// Nothing shorter is kept.
    pub minimum: Span,
    /// So much silence ends it, and is taken off.
    pub silence: Span,
    /// The keys that may be pressed afterwards; `None`: it is kept at once.
    pub review: Option<Phrase>,
}

/// What the party wants to become of it. What is not to be kept for another reason than `*` or its length is
/// discarded by whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// 3, `#`, or no review.
    Keep,
    /// 4.
    Fourth,
    /// `*`: none of it; what was said is discarded already.
    Star,
    /// No key at all.
    Nothing,
    /// Shorter than the minimum; it is discarded already.
    TooShort,
    /// It could not be recorded.
    Failed,
}

#[derive(Clone, Debug)]
enum State {
    /// The tone, and what is said before.
    Tone,
    Speaking,
    Closing {
        /// It had its greatest length.
        full: bool,
    },
    Review {
        pcm: Pcm,
        repeats: u8,
    },
}

/// One thing being spoken.
#[derive(Clone, Debug)]
pub struct Dictation {
    take: TakeId,
    plan: Plan,
    state: State,
}

impl Dictation {
    /// Says `first`, and the tone.
    pub fn begin(plan: Plan, first: Vec<Say>, step: &mut Step<'_>) -> Self {
        say_with_tone(first, step);
        Dictation { take: step.next_take(), plan, state: State::Tone }
    }

    pub const fn take(&self) -> TakeId {
        self.take
    }

    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How it sounds is awaited: keys that come now are for the review.
    pub const fn is_closing(&self) -> bool {
        match self.state {
            State::Closing { .. } => true,
            State::Tone | State::Speaking | State::Review { .. } => false,
        }
    }

    /// Something of it is recorded, or waits for what becomes of it.
    pub const fn has_taken(&self) -> bool {
        match self.state {
            State::Tone => false,
            State::Speaking | State::Closing { .. } | State::Review { .. } => true,
        }
    }

    /// `Some`: it is over.
    pub fn handle(&mut self, input: &Input, step: &mut Step<'_>) -> Option<Choice> {
        if let Input::Take(take, _) = input
            && *take != self.take
        {
            return None;
        }
        match &self.state {
            State::Tone => self.before(input, step),
            State::Speaking => self.speaking(input, step),
            State::Closing { full } => self.closing(*full, input, step),
            State::Review { pcm, repeats } => self.review(pcm.clone(), *repeats, input, step),
        }
    }

    fn before(&mut self, input: &Input, step: &mut Step<'_>) -> Option<Choice> {
        match input {
            // A prompt whose end was lost is over too.
            Input::Said | Input::TimedOut => {
                step.act(Act::Begin { take: self.take, keep: self.plan.keep.clone() });
                step.wait(self.plan.most);
                self.state = State::Speaking;
                None
            }
            Input::Key(b'*') => Some(Choice::Star),
            Input::Key(b'#') => {
                // What is said before the tone is known.
                say_with_tone(Vec::new(), step);
                None
            }
            Input::Key(_)
            | Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => None,
        }
    }

    fn speaking(&mut self, input: &Input, step: &mut Step<'_>) -> Option<Choice> {
        let (cut, full) = match input {
            Input::Key(b'#') => (Span::ZERO, false),
            Input::TimedOut => (Span::ZERO, true),
            Input::Take(_, TakeFact::Silent) => (self.plan.silence, false),
            Input::Take(_, TakeFact::Failed { .. }) => return Some(Choice::Failed),
            Input::Take(_, TakeFact::Closed { .. } | TakeFact::Kept { .. })
            | Input::Key(_)
            | Input::Said
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => return None,
        };
        step.act(Act::End { take: self.take, cut });
        step.wait(ANSWER);
        self.state = State::Closing { full };
        None
    }

    fn closing(&mut self, full: bool, input: &Input, step: &mut Step<'_>) -> Option<Choice> {
        match input {
            Input::Take(_, TakeFact::Closed { length, .. }) if *length < self.plan.minimum => {
                step.act(Act::Discard { take: self.take });
                Some(Choice::TooShort)
            }
            Input::Take(_, TakeFact::Closed { pcm, .. }) => {
                let Some(review) = self.plan.review else { return Some(Choice::Keep) };
                let long = full.then_some(Phrase::TooLong);
                step.say(long.into_iter().chain([review]).map(Say::Phrase).collect());
                self.state = State::Review { pcm: pcm.clone(), repeats: 0 };
                None
            }
            Input::TimedOut | Input::Take(_, TakeFact::Failed { .. }) => Some(Choice::Failed),
            Input::Take(_, TakeFact::Silent | TakeFact::Kept { .. })
            | Input::Key(_)
            | Input::Said
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => None,
        }
    }

    fn review(&mut self, pcm: Pcm, repeats: u8, input: &Input, step: &mut Step<'_>) -> Option<Choice> {
        let phrase = Say::Phrase(self.plan.review.unwrap_or(Phrase::ReviewMessage));
        match input {
            Input::Said => step.wait(CHOICE),
            Input::TimedOut if repeats + 1 >= REPEATS => return Some(Choice::Nothing),
            Input::TimedOut => {
                step.say(vec![phrase]);
                self.state = State::Review { pcm, repeats: repeats + 1 };
            }
            Input::Key(b'1') => step.say(vec![Say::Clip(pcm), Say::Pause(300), phrase]),
            Input::Key(b'2') => {
                step.act(Act::Discard { take: self.take });
                self.take = step.next_take();
                say_with_tone(Vec::new(), step);
                self.state = State::Tone;
            }
            Input::Key(b'3' | b'#') => return Some(Choice::Keep),
            Input::Key(b'4') => return Some(Choice::Fourth),
            Input::Key(b'*') => {
                step.act(Act::Discard { take: self.take });
                return Some(Choice::Star);
            }
            Input::Key(_) => step.say(vec![Say::Phrase(Phrase::WrongKey), phrase]),
            Input::Take(_, TakeFact::Failed { .. }) => return Some(Choice::Failed),
            Input::Take(_, TakeFact::Silent | TakeFact::Closed { .. } | TakeFact::Kept { .. })
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => {}
        }
        None
    }
}

fn say_with_tone(mut first: Vec<Say>, step: &mut Step<'_>) {
    first.push(Say::Tone);
    step.say(first);
}
