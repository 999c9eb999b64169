//! What becomes of what one party alone said: kept or thrown away as call control says, and where it said
//! nothing before the call was over, as the take was begun.
//!
//! ```text
//! Begun ─► Closed ─┬─ Keep ─► file made final ─► row and outbox ─► Kept
//!    │             ├─ Discard ─► gone
//!    │             └─ Over, nothing said ─► the first message is kept, the rest is gone
//!    └─ Lost ─► (gone)
//! ```
//! Words of call control and of the recorder come by different ways, in any order after `Begun`.

use super::super::messages::Finishing;
use super::super::recorder::{ClosedTake, RecorderReport, TakeNews};
use super::super::refused::discard;
use super::Archivist;
use super::abreast::abreast;
use crate::base::{BoxId, CallId, MessageId};
use crate::call::TakeFact;
use crate::directory::Directory;
use crate::ledger::{CallRecord, Keep, MessageRecord, TakeId};
use crate::recording::{JournalLine, TakeDraft, Undecided, kept_of};
use crate::store::{Greeting, StoreError};
use crate::subscription::Receivers;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the archivist is told of a take.
#[derive(Debug)]
pub enum TakeWord {
    Begun {
        call: CallId,
        take: TakeId,
    },
    /// Its file is complete.
    Closed(Box<ClosedTake>),
    /// No file could be made of it.
    Lost {
        call: CallId,
        take: TakeId,
    },
    Keep {
        call: CallId,
        take: TakeId,
        keep: Box<Keep>,
    },
    Discard {
        call: CallId,
        take: TakeId,
    },
    /// Nothing more is said of the takes of this call, which ended like this.
    Over {
        call: CallId,
        record: Option<Box<CallRecord>>,
    },
}

/// What is to be done with a take.
#[derive(Debug)]
enum Verdict {
    /// With its call, where that is over.
    Keep(Box<ClosedTake>, Box<Keep>, Option<Box<CallRecord>>),
    Discard(Box<ClosedTake>),
}

#[derive(Debug)]
enum Said {
    Keep(Box<Keep>),
    Discard,
}

#[derive(Debug, Default)]
struct Pending {
    closed: Option<Box<ClosedTake>>,
    said: Option<Said>,
}

#[derive(Debug, Default)]
struct OfCall {
    takes: BTreeMap<TakeId, Pending>,
    over: bool,
    record: Option<Box<CallRecord>>,
}

/// Takes of which something is still to come.
#[derive(Debug, Default)]
struct Desk {
    calls: HashMap<CallId, OfCall>,
}

impl Desk {
    fn hear(&mut self, word: TakeWord) -> Vec<Verdict> {
        let call = match word {
            TakeWord::Begun { call, take } => {
                self.calls.entry(call).or_default().takes.insert(take, Pending::default());
                return Vec::new();
            }
            TakeWord::Closed(closed) => {
                let call = closed.start.call;
                match self.pending(call, closed.start.take) {
                    Some(pending) => pending.closed = Some(closed),
                    // Nobody began it: its journal tells the next start of it.
                    None => return Vec::new(),
                }
                call
            }
            TakeWord::Lost { call, take } => {
                if let Some(of) = self.calls.get_mut(&call) {
                    of.takes.remove(&take);
                }
                call
            }
            TakeWord::Keep { call, take, keep } => {
                self.say(call, take, Said::Keep(keep));
                call
            }
            TakeWord::Discard { call, take } => {
                self.say(call, take, Said::Discard);
                call
            }
            TakeWord::Over { call, record } => {
                if let Some(of) = self.calls.get_mut(&call) {
                    of.over = true;
                    of.record = record;
                }
                call
            }
        };
        self.settle(call)
    }

    fn pending(&mut self, call: CallId, take: TakeId) -> Option<&mut Pending> {
        self.calls.get_mut(&call)?.takes.get_mut(&take)
    }

    /// The last word counts, until it is carried out.
    fn say(&mut self, call: CallId, take: TakeId, said: Said) {
        if let Some(pending) = self.pending(call, take) {
            pending.said = Some(said);
        }
    }

    fn settle(&mut self, call: CallId) -> Vec<Verdict> {
        let Some(of) = self.calls.get_mut(&call) else { return Vec::new() };
        let mut verdicts = of.decided();
        if of.over && of.takes.values().all(|pending| pending.closed.is_some()) {
            verdicts.extend(of.undecided());
            self.calls.remove(&call);
        }
        verdicts
    }

    /// The service ends: nobody says anything more.
    fn settle_all(&mut self) -> Vec<Verdict> {
        let calls = self.calls.drain().map(|(_, of)| of);
        calls.flat_map(|mut of| of.decided().into_iter().chain(of.undecided()).collect::<Vec<_>>()).collect()
    }
}

impl OfCall {
    fn decided(&mut self) -> Vec<Verdict> {
        let is_decided = |_: &TakeId, pending: &mut Pending| pending.closed.is_some() && pending.said.is_some();
        let decided = self.takes.extract_if(.., is_decided);
        let verdict = |(_, pending): (TakeId, Pending)| match (pending.closed?, pending.said?) {
            (closed, Said::Keep(keep)) => Some(Verdict::Keep(closed, keep, self.record.clone())),
            (closed, Said::Discard) => Some(Verdict::Discard(closed)),
        };
        decided.filter_map(verdict).collect()
    }

    fn undecided(&mut self) -> Vec<Verdict> {
        let closed: Vec<Box<ClosedTake>> =
            std::mem::take(&mut self.takes).into_values().filter_map(|pending| pending.closed).collect();
        let takes: Vec<Undecided<'_>> =
            closed.iter().map(|take| Undecided { keep: &take.start.keep, length: take.length() }).collect();
        let kept = kept_of(&takes);
        let verdict = |(closed, kept): (Box<ClosedTake>, bool)| match kept {
            true => {
                let keep = Box::new(closed.start.keep.clone());
                Verdict::Keep(closed, keep, self.record.clone())
            }
            false => Verdict::Discard(closed),
        };
        closed.into_iter().zip(kept).map(verdict).collect()
    }
}

/// Something final on the disk that has no row yet.
struct Ready {
    call: CallId,
    take: TakeId,
    journal: PathBuf,
    row: Row,
    /// Its call, where that is over: row and call are in one transaction.
    ended: Option<Box<CallRecord>>,
    /// Call control knows of it.
    told: bool,
}

impl Ready {
    fn message(&self) -> Option<MessageId> {
        match &self.row {
            Row::Message(record) => Some(record.id),
            Row::Greeting(_) => None,
        }
    }

    /// Nothing has to be done about it at the next start.
    fn is_handed_over(&self) {
        tracing::info!(call = %self.call, message = self.message().map(tracing::field::display), "what a party said was handed over");
        let _ = fs::remove_file(&self.journal);
    }
}

enum Row {
    Message(Box<MessageRecord>),
    Greeting(Greeting),
}

/// A take that is kept, to be made final at the end of the batch.
struct Keeping {
    closed: Box<ClosedTake>,
    keep: Box<Keep>,
    ended: Option<Box<CallRecord>>,
}

/// What the archivist has of voicemail.
#[derive(Default)]
pub(super) struct Postbox {
    desk: Desk,
    keeping: Vec<Keeping>,
    /// Who owns which box now.
    directory: Option<Arc<Directory>>,
    ready: Vec<Ready>,
    /// Facts for which call control had no room yet.
    unsent: VecDeque<RecorderReport>,
}

impl Postbox {
    /// Nothing has to be tried again.
    pub fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.unsent.is_empty()
    }

    pub fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// The directory has changed.
    pub fn set_directory(&mut self, directory: Arc<Directory>) {
        self.directory = Some(directory);
    }

    /// Whom a new message of the box is for; `None` where the box has gone.
    fn receivers(&self, mailbox: BoxId) -> Option<Receivers> {
        self.directory.as_ref()?.mailbox(mailbox).map(Receivers::of)
    }
}

impl Archivist {
    pub(super) fn take_word(&mut self, word: TakeWord) {
        for verdict in self.postbox.desk.hear(word) {
            self.carry_out(verdict);
        }
    }

    /// The end of the service.
    pub(super) fn end_takes(&mut self) {
        for verdict in self.postbox.desk.settle_all() {
            self.carry_out(verdict);
        }
    }

    fn carry_out(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Keep(closed, keep, ended) => self.keep(Keeping { closed, keep, ended }),
            Verdict::Discard(closed) => {
                // What stays is told in the log and goes at the next start.
                let _ = discard(&closed.paths);
            }
        }
    }

    fn keep(&mut self, keeping: Keeping) {
        let Keeping { closed, keep, ended: _ } = &keeping;
        if let Keep::Message(draft) = &**keep
            && (closed.samples == 0 || closed.length() < draft.minimum)
        {
            let _ = discard(&closed.paths);
            return self.tell_take(closed.start.call, closed.start.take, TakeFact::Kept { message: None });
        }
        self.postbox.keeping.push(keeping);
    }

    /// Makes files final, of all that is kept at once.
    fn keep_all(&mut self) {
        let all = std::mem::take(&mut self.postbox.keeping);
        // Two greetings of a box have one name: the last that was said stays.
        let is_greeting = |keeping: &Keeping| matches!(*keeping.keep, Keep::Greeting { .. });
        let (greetings, messages): (Vec<Keeping>, Vec<Keeping>) = all.into_iter().partition(is_greeting);
        let mut rows = abreast(&messages, |keeping| self.make_final(keeping));
        rows.extend(greetings.iter().map(|keeping| self.make_final(keeping)));
        for (Keeping { closed, keep: _, ended }, row) in messages.into_iter().chain(greetings).zip(rows) {
            let (call, take) = (closed.start.call, closed.start.take);
            match row {
                Ok(row) => {
                    let journal = closed.paths.journal();
                    self.postbox.ready.push(Ready { call, take, journal, row, ended, told: false });
                }
                Err(error) => {
                    tracing::error!(%call, message = %closed.id, %error, "a message could not be finished; it is at the next start");
                    self.tell_take(call, take, TakeFact::Failed { problem: error.to_string() });
                }
            }
        }
    }

    fn make_final(&self, keeping: &Keeping) -> io::Result<Row> {
        let Keeping { closed, keep, ended: _ } = keeping;
        // Where there is no room for the line, a crash would leave it as it was begun.
        let _ = note_keep(&closed.paths.journal(), keep);
        self.finish_take(closed, keep).or_else(|error| {
            let call = closed.start.call;
            tracing::warn!(%call, message = %closed.id, %error, "a message is finished with the reserve");
            self.with_the_reserve(|| self.finish_take(closed, keep))
        })
    }

    fn finish_take(&self, closed: &ClosedTake, keep: &Keep) -> io::Result<Row> {
        let draft: &TakeDraft = &closed.draft();
        let (paths, samples, left) = (&closed.paths, closed.samples, self.clock.wall());
        let finishing = Finishing { paths, draft, samples, left, recovered: false };
        match keep {
            Keep::Message(message) => finishing.message(message).map(Box::new).map(Row::Message),
            Keep::Greeting { mailbox, kind } => finishing.greeting(*mailbox, *kind).map(Row::Greeting),
            Keep::Introduction { forward, draft: message } => {
                let old = self.runtime.block_on(self.store.message(*forward)).map_err(io::Error::other)?;
                let old = old.ok_or_else(|| io::Error::other(format!("message {forward} is not there any more")))?;
                finishing.forward(message, &paths.dir.join(old.path)).map(Box::new).map(Row::Message)
            }
        }
    }

    /// Rows and outbox entries of everything that is ready, in one transaction; tried again later when the
    /// database cannot take it.
    pub(super) fn hand_over_takes(&mut self) {
        self.keep_all();
        let mut ready = std::mem::take(&mut self.postbox.ready);
        ready.retain(|ready| self.has_box(ready));
        if !ready.is_empty() {
            let handed_over = self.runtime.block_on(self.hand_over_rows(&ready));
            if handed_over.is_ok() {
                ready.iter().for_each(Ready::is_handed_over);
            }
            for ready in ready.iter_mut().filter(|ready| !ready.told) {
                // Also where it has no row yet: the file is on the disk with its journal, and the next start
                // would hand it over.
                ready.told = true;
                self.tell_take(ready.call, ready.take, TakeFact::Kept { message: ready.message() });
            }
            match handed_over {
                Ok(()) => ready.clear(),
                Err(error) => {
                    let _ = fs::remove_file(&self.reserve);
                    tracing::error!(%error, messages = ready.len(), "messages could not be handed over; it is tried again");
                }
            }
            self.postbox.ready = ready;
        }
        self.send_facts();
    }

    /// What is for a box that has gone goes too.
    fn has_box(&self, ready: &Ready) -> bool {
        let (mailbox, path) = match &ready.row {
            Row::Message(record) => (record.mailbox, &record.path),
            Row::Greeting(greeting) => (greeting.mailbox, &greeting.path),
        };
        let there = self.postbox.receivers(mailbox).is_some();
        if !there {
            tracing::warn!(call = %ready.call, %mailbox, "what was said for a voicemail box is thrown away: the box is not there any more");
            let _ = fs::remove_file(self.dir.join(path));
            let _ = fs::remove_file(&ready.journal);
        }
        there
    }

    async fn hand_over_rows(&self, ready: &[Ready]) -> Result<(), StoreError> {
        let mut messages: Vec<(MessageRecord, Receivers)> = Vec::new();
        for ready in ready {
            match &ready.row {
                Row::Message(record) => {
                    let receivers = self.postbox.receivers(record.mailbox);
                    messages.extend(receivers.map(|receivers| ((**record).clone(), receivers)));
                }
                Row::Greeting(greeting) => self.store.set_greeting(greeting).await?,
            }
        }
        let ended: Vec<CallRecord> = ready.iter().filter_map(|ready| ready.ended.as_deref().cloned()).collect();
        self.store.deliver_all(&messages, &ended, self.clock.wall()).await.map(drop)
    }

    fn tell_take(&mut self, call: CallId, take: TakeId, fact: TakeFact) {
        let news = TakeNews::Fact(fact);
        self.postbox.unsent.push_back(RecorderReport::Take { call, take, news });
        self.send_facts();
    }

    fn send_facts(&mut self) {
        while let Some(report) = self.postbox.unsent.pop_front() {
            if let Err(tokio::sync::mpsc::error::TrySendError::Full(report)) = self.reports.try_send(report) {
                return self.postbox.unsent.push_front(report);
            }
        }
    }
}

/// A crash from here on leaves what was said, not what was meant at first.
fn note_keep(journal: &Path, keep: &Keep) -> io::Result<()> {
    // The line before it may be torn.
    let mut text = b"\n".to_vec();
    serde_json::to_writer(&mut text, &JournalLine::Keep { keep: Box::new(keep.clone()) })?;
    text.push(b'\n');
    let mut file = OpenOptions::new().append(true).open(journal)?;
    file.write_all(&text)?;
    file.sync_data()
}
