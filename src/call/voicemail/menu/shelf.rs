//! The messages of one pile, one after the other.
//!
//! ```text
//! Listing ─► Loading ─► Preamble ─► Playing ⇄ Paused
//!    ▲          ▲                      └─► Told ─6, 4, 5─► Loading
//!    └─ the page is over, and there are more   ├─8─► Forward    ├─2─► Calling
//!                                              └─7, 9─► the next one
//! ```
//! What is thrown away goes when the pile is left: until then 7 brings it back.

use super::super::{Act, AskId, CHOICE, Entry, Input, MailboxAnswer, MailboxAsk, PAGE, Pile, REPEATS, Step};
use super::forward::{Forward, Sent};
use super::{Part, Room};
use crate::audio::prompt::Pcm;
use crate::audio::speech::{Phrase, Say};
use crate::base::{BoxId, MessageId, Rate, Time};
use crate::ledger::Folder;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// A message that goes on after a pause is heard again from a little earlier, in samples.
const REWIND: usize = 8_000;

#[derive(Clone, Debug)]
enum On {
    Listing(AskId),
    Loading(AskId),
    /// What is said before the message.
    Preamble(Pcm),
    /// Since `since`, from sample `from` on.
    Playing {
        pcm: Pcm,
        from: usize,
        since: Time,
    },
    Paused {
        pcm: Pcm,
        from: usize,
    },
    /// What may be done with it was said.
    Told {
        pcm: Pcm,
        repeats: u8,
    },
    Forward {
        pcm: Pcm,
        forward: Box<Forward>,
    },
    Calling(Pcm),
    /// There are no more.
    Ended,
}

/// What a pile is listened to with.
#[derive(Clone, Debug)]
pub struct Shelf {
    room: Room,
    pile: Pile,
    entries: Vec<Entry>,
    /// The one that is heard.
    at: usize,
    /// The storage may have more.
    more: bool,
    thrown: BTreeSet<MessageId>,
    /// What is said before the next message.
    first: Vec<Say>,
    on: On,
}

impl Shelf {
    pub fn begin(room: Room, pile: Pile, step: &mut Step<'_>) -> Self {
        step.act(Act::Quiet);
        let ask = step.ask(MailboxAsk::List { mailbox: room.mailbox, reader: room.visitor.user, pile, after: None });
        let (entries, thrown, first) = (Vec::new(), BTreeSet::new(), Vec::new());
        Shelf { room, pile, entries, at: 0, more: true, thrown, first, on: On::Listing(ask) }
    }

    pub const fn mailbox(&self) -> BoxId {
        self.room.mailbox
    }

    pub fn waits_for_storage(&self) -> bool {
        match &self.on {
            On::Listing(_) | On::Loading(_) => true,
            On::Forward { forward, .. } => forward.waits_for_storage(),
            On::Preamble(_) | On::Playing { .. } | On::Paused { .. } | On::Told { .. } | On::Calling(_) | On::Ended => {
                false
            }
        }
    }

    /// Nobody listens any more: what was thrown away goes.
    pub fn finish(&mut self, step: &mut Step<'_>) {
        if let On::Forward { forward, .. } = &self.on {
            forward.finish(step);
        }
        let (mailbox, reader) = (self.room.mailbox, self.room.visitor.user);
        for message in std::mem::take(&mut self.thrown) {
            step.tell(MailboxAsk::Remove { mailbox, reader, message });
        }
    }

    pub fn handle(&mut self, input: &Input, step: &mut Step<'_>) -> Part {
        let on = std::mem::replace(&mut self.on, On::Ended);
        let next = match on {
            On::Listing(ask) => self.listing(ask, input, step),
            On::Loading(ask) => self.loading(ask, input, step),
            On::Preamble(pcm) => self.preamble(pcm, input, step),
            On::Playing { pcm, from, since } => self.playing(pcm, from, since, input, step),
            On::Paused { pcm, from } => self.paused(pcm, from, input, step),
            On::Told { pcm, repeats } => self.told(pcm, repeats, input, step),
            On::Forward { pcm, forward } => self.forward(pcm, forward, input, step),
            On::Calling(pcm) => self.calling(pcm, input, step),
            On::Ended => self.ended(input),
        };
        match next {
            ControlFlow::Continue(on) => {
                self.on = on;
                Part::Stays
            }
            ControlFlow::Break(()) => {
                self.finish(step);
                Part::Main
            }
        }
    }

    fn listing(&mut self, ask: AskId, input: &Input, step: &mut Step<'_>) -> ControlFlow<(), On> {
        match input {
            Input::Answer(to, MailboxAnswer::Listed { entries }) if *to == ask => {
                self.more = entries.len() >= PAGE;
                self.entries.extend(entries.iter().cloned());
                ControlFlow::Continue(self.load(step))
            }
            Input::Answer(to, _) if *to == ask => self.fail(step),
            Input::TimedOut => self.fail(step),
            Input::Answer(..)
            | Input::Said
            | Input::Key(_)
            | Input::Take(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => ControlFlow::Continue(On::Listing(ask)),
        }
    }

    fn fail(&self, step: &mut Step<'_>) -> ControlFlow<(), On> {
        step.phrases(&[Phrase::Failed]);
        ControlFlow::Continue(On::Ended)
    }

    /// The message at `at`, or the next page, or the end.
    fn load(&mut self, step: &mut Step<'_>) -> On {
        step.act(Act::Quiet);
        let (mailbox, reader, pile) = (self.room.mailbox, self.room.visitor.user, self.pile);
        match (self.entries.get(self.at), self.more) {
            (Some(entry), _) => On::Loading(step.ask(MailboxAsk::Load { mailbox, reader, message: entry.id })),
            (None, true) => {
                let after = self.entries.last().map(|entry| entry.id);
                On::Listing(step.ask(MailboxAsk::List { mailbox, reader, pile, after }))
            }
            (None, false) => {
                let mut say = std::mem::take(&mut self.first);
                let none = match (self.entries.is_empty(), pile) {
                    (true, Pile::New) => Phrase::NoNewMessages,
                    (true, Pile::Saved) => Phrase::NoSavedMessages,
                    (false, _) => Phrase::NoMoreMessages,
                };
                say.push(Say::Phrase(none));
                step.say(say);
                On::Ended
            }
        }
    }

    fn loading(&mut self, ask: AskId, input: &Input, step: &mut Step<'_>) -> ControlFlow<(), On> {
        match input {
            Input::Answer(to, MailboxAnswer::Sound { pcm }) if *to == ask => {
                step.say(self.words());
                ControlFlow::Continue(On::Preamble(pcm.clone()))
            }
            // Its file has gone, or somebody else has thrown it away.
            Input::Answer(to, _) if *to == ask => {
                self.first = vec![Say::Phrase(Phrase::Failed)];
                self.at += 1;
                ControlFlow::Continue(self.load(step))
            }
            Input::TimedOut => self.fail(step),
            Input::Answer(..)
            | Input::Said
            | Input::Key(_)
            | Input::Take(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => ControlFlow::Continue(On::Loading(ask)),
        }
    }

    /// "Message two. Urgent. Received yesterday at three. From extension two zero one."
    fn words(&mut self) -> Vec<Say> {
        let mut say = std::mem::take(&mut self.first);
        let Some(entry) = self.entries.get(self.at) else { return say };
        if self.thrown.contains(&entry.id) {
            say.push(Say::Phrase(Phrase::MessageDeleted));
        }
        say.push(Say::Message(u32::try_from(self.at + 1).unwrap_or(u32::MAX)));
        if entry.urgent {
            say.push(Say::Phrase(Phrase::Urgent));
        }
        say.push(Say::Received(entry.left));
        let digits = |address: &str| Say::Digits(address.to_owned());
        match (&entry.caller.user, &entry.caller.address) {
            (Some(_), extension) => say.extend([Say::Phrase(Phrase::FromExtension), digits(extension)]),
            (None, address) if is_callable(address) => say.extend([Say::Phrase(Phrase::From), digits(address)]),
            (None, _) => say.push(Say::Phrase(Phrase::FromUnknown)),
        }
        if let Some(by) = &entry.forwarded_by {
            say.extend([Say::Phrase(Phrase::ForwardedBy), digits(&by.address)]);
        }
        say.push(Say::Pause(300));
        say
    }

    fn play(&self, pcm: Pcm, from: usize, step: &mut Step<'_>) -> On {
        let rest = match from {
            0 => pcm.clone(),
            from => pcm.get(from..).unwrap_or_default().into(),
        };
        step.say(vec![Say::Clip(rest)]);
        On::Playing { pcm, from, since: step.now }
    }

    fn preamble(&mut self, pcm: Pcm, input: &Input, step: &mut Step<'_>) -> ControlFlow<(), On> {
        match input {
            Input::Said | Input::TimedOut => ControlFlow::Continue(self.play(pcm, 0, step)),
            // Straight to the message.
            Input::Key(b'1') => ControlFlow::Continue(self.play(pcm, 0, step)),
            Input::Key(key) => self.key(*key, pcm, step),
            Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => ControlFlow::Continue(On::Preamble(pcm)),
        }
    }

    fn playing(
        &mut self,
        pcm: Pcm,
        from: usize,
        since: Time,
        input: &Input,
        step: &mut Step<'_>,
    ) -> ControlFlow<(), On> {
        match input {
            Input::Said | Input::TimedOut => {
                self.heard(step);
                step.say(vec![Say::Pause(300), Say::Phrase(Phrase::MessageMenu)]);
                ControlFlow::Continue(On::Told { pcm, repeats: 0 })
            }
            Input::Key(b'0') => {
                let heard = usize::try_from(Rate::NARROW.samples(step.now.since(since)).0).unwrap_or(usize::MAX);
                let from = from.saturating_add(heard).min(pcm.len());
                step.phrases(&[Phrase::Paused]);
                ControlFlow::Continue(On::Paused { pcm, from })
            }
            Input::Key(key) => self.key(*key, pcm, step),
            Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => ControlFlow::Continue(On::Playing { pcm, from, since }),
        }
    }

    fn paused(&mut self, pcm: Pcm, from: usize, input: &Input, step: &mut Step<'_>) -> ControlFlow<(), On> {
        match input {
            // As long as the party stays on the line; then it is told what it may do.
            Input::Said => {
                step.wait(PAUSE);
                ControlFlow::Continue(On::Paused { pcm, from })
            }
            Input::TimedOut => {
                step.phrases(&[Phrase::MessageMenu]);
                ControlFlow::Continue(On::Told { pcm, repeats: 0 })
            }
            Input::Key(b'0') => ControlFlow::Continue(self.play(pcm, from.saturating_sub(REWIND), step)),
            Input::Key(key) => self.key(*key, pcm, step),
            Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => ControlFlow::Continue(On::Paused { pcm, from }),
        }
    }

    fn told(&mut self, pcm: Pcm, repeats: u8, input: &Input, step: &mut Step<'_>) -> ControlFlow<(), On> {
        match input {
            Input::Said => {
                step.wait(CHOICE);
                ControlFlow::Continue(On::Told { pcm, repeats })
            }
            Input::TimedOut if repeats + 1 >= REPEATS => ControlFlow::Break(()),
            Input::TimedOut => {
                step.phrases(&[Phrase::MessageMenu]);
                ControlFlow::Continue(On::Told { pcm, repeats: repeats + 1 })
            }
            Input::Key(key) => self.key(*key, pcm, step),
            Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => ControlFlow::Continue(On::Told { pcm, repeats }),
        }
    }

    /// A key that means the same wherever in a message it comes.
    fn key(&mut self, key: u8, pcm: Pcm, step: &mut Step<'_>) -> ControlFlow<(), On> {
        let tell = |phrase: Phrase, pcm: Pcm, step: &mut Step<'_>| {
            step.phrases(&[phrase, Phrase::MessageMenu]);
            ControlFlow::Continue(On::Told { pcm, repeats: 0 })
        };
        match key {
            b'2' => self.call_back(pcm, step),
            b'4' => {
                match self.at.checked_sub(1) {
                    Some(before) => self.at = before,
                    None => self.first = vec![Say::Phrase(Phrase::FirstMessage)],
                }
                ControlFlow::Continue(self.load(step))
            }
            b'1' | b'5' => {
                step.say(self.words());
                ControlFlow::Continue(On::Preamble(pcm))
            }
            b'6' => {
                self.at += 1;
                ControlFlow::Continue(self.load(step))
            }
            b'7' => self.throw(pcm, step),
            b'8' => {
                let forward = self.entries.get(self.at).map(|entry| Forward::begin(self.room.clone(), entry, step));
                match forward {
                    Some(forward) => ControlFlow::Continue(On::Forward { pcm, forward: Box::new(forward) }),
                    None => ControlFlow::Continue(On::Told { pcm, repeats: 0 }),
                }
            }
            b'9' => {
                self.save(step);
                self.first = vec![Say::Phrase(Phrase::MessageSaved)];
                self.at += 1;
                ControlFlow::Continue(self.load(step))
            }
            b'*' => {
                step.phrases(&[Phrase::MessageMenu]);
                ControlFlow::Continue(On::Told { pcm, repeats: 0 })
            }
            b'#' => ControlFlow::Break(()),
            _ => tell(Phrase::WrongKey, pcm, step),
        }
    }

    /// Throws the message away and goes on, or brings it back and stays.
    fn throw(&mut self, pcm: Pcm, step: &mut Step<'_>) -> ControlFlow<(), On> {
        let Some(id) = self.entries.get(self.at).map(|entry| entry.id) else {
            return ControlFlow::Continue(self.load(step));
        };
        if self.thrown.remove(&id) {
            step.phrases(&[Phrase::MessageUndeleted, Phrase::MessageMenu]);
            return ControlFlow::Continue(On::Told { pcm, repeats: 0 });
        }
        self.thrown.insert(id);
        self.first = vec![Say::Phrase(Phrase::MessageDeleted)];
        self.at += 1;
        ControlFlow::Continue(self.load(step))
    }

    /// It was played to its end: it is not new any more.
    fn heard(&mut self, step: &mut Step<'_>) {
        if self.entries.get(self.at).is_some_and(|entry| entry.folder.is_new()) {
            self.save(step);
        }
    }

    fn save(&mut self, step: &mut Step<'_>) {
        let (mailbox, reader) = (self.room.mailbox, self.room.visitor.user);
        let Some(entry) = self.entries.get_mut(self.at) else { return };
        self.thrown.remove(&entry.id);
        if entry.folder.is_new() {
            entry.folder = Folder::Old;
            step.tell(MailboxAsk::Move { mailbox, reader, message: entry.id, folder: Folder::Old });
        }
    }

    /// Only a user of the company calls at the company's expense.
    fn call_back(&mut self, pcm: Pcm, step: &mut Step<'_>) -> ControlFlow<(), On> {
        let caller = self.entries.get(self.at).map(|entry| &entry.caller);
        let address = caller.map(|caller| caller.address.clone()).filter(|address| is_callable(address));
        match address.filter(|_| self.room.visitor.user.is_some()) {
            Some(address) => {
                step.act(Act::Quiet);
                step.act(Act::Call(address));
                ControlFlow::Continue(On::Calling(pcm))
            }
            None => {
                step.phrases(&[Phrase::NoCallBack, Phrase::MessageMenu]);
                ControlFlow::Continue(On::Told { pcm, repeats: 0 })
            }
        }
    }

    fn calling(&mut self, pcm: Pcm, input: &Input, step: &mut Step<'_>) -> ControlFlow<(), On> {
        match input {
            Input::NotConnected => {
                step.phrases(&[Phrase::NotConnected, Phrase::MessageMenu]);
                ControlFlow::Continue(On::Told { pcm, repeats: 0 })
            }
            Input::Said
            | Input::TimedOut
            | Input::Key(_)
            | Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_) => ControlFlow::Continue(On::Calling(pcm)),
        }
    }

    fn forward(
        &mut self,
        pcm: Pcm,
        mut forward: Box<Forward>,
        input: &Input,
        step: &mut Step<'_>,
    ) -> ControlFlow<(), On> {
        let said = match forward.handle(input, step) {
            Sent::Going => return ControlFlow::Continue(On::Forward { pcm, forward }),
            Sent::Over(said) => said,
        };
        step.say(said.into_iter().chain([Phrase::MessageMenu]).map(Say::Phrase).collect());
        ControlFlow::Continue(On::Told { pcm, repeats: 0 })
    }

    fn ended(&self, input: &Input) -> ControlFlow<(), On> {
        match input {
            Input::Said | Input::TimedOut | Input::Key(_) => ControlFlow::Break(()),
            Input::Take(..)
            | Input::Answer(..)
            | Input::Checked(_)
            | Input::Door(_)
            | Input::Found(_)
            | Input::NotConnected => ControlFlow::Continue(On::Ended),
        }
    }
}

/// So long a pause may be.
const PAUSE: crate::base::Span = crate::base::Span::from_secs(120);

/// A telephone number or an extension.
fn is_callable(address: &str) -> bool {
    let digits = address.strip_prefix('+').unwrap_or(address);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
