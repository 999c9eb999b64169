//! What one party alone says: the same take, timeline and writer as a call has, into a file of its own
//! below `<company>/messages`. It ends with its event of the tap, and what becomes of it is the
//! archivist's.

use super::super::archivist::{ArchiveOrder, TakeWord};
use super::super::clock::{Clock, OsRandom};
use super::super::messages::message_stem;
use super::{Paths, Recorder, RecorderReport, open_part, write_line};
use crate::audio::Silence;
use crate::audio::wav::DATA_OFFSET;
use crate::base::{CallId, MessageId, Random, Rate, Side, Span, Time, Wall};
use crate::call::{TakeFact, TakeSetting};
use crate::ledger::{Keep, PauseInFile, TakeId};
use crate::media::TapEvent;
use crate::recording::{
    Closed, JournalLine, Layout, PartFile, Take, TakeDraft, TakeState, TimelineConfig, end_of, trimmed,
};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A take is not longer, whoever forgets to end it.
pub const MOST: Span = Span::from_secs(600);
/// Where nobody wants to know of silence it is looked for all the same: its end is cut there.
const NEVER: Span = Span::from_secs(86_400);

/// What a recorder is told before the first event of a take.
#[derive(Clone, Debug)]
pub struct TakeStart {
    pub call: CallId,
    pub take: TakeId,
    pub side: Side,
    pub keep: Keep,
    pub setting: TakeSetting,
}

/// A take whose file is complete but for its end.
#[derive(Clone, Debug)]
pub struct ClosedTake {
    pub start: TakeStart,
    pub id: MessageId,
    pub paths: Paths,
    /// Of the one channel, without what was cut.
    pub samples: u64,
    pub rate: Rate,
    /// When its first sample was spoken.
    pub started: Wall,
    /// It was closed before it ended.
    pub problem: Option<String>,
}

impl ClosedTake {
    pub fn length(&self) -> Span {
        self.rate.span(crate::base::Samples(self.samples))
    }

    /// What its journal knows.
    pub fn draft(&self) -> TakeDraft {
        let TakeStart { call, take, keep, setting, side: _ } = self.start.clone();
        let (id, started, rate, company) = (self.id, self.started, self.rate.0, setting.company);
        TakeDraft { id, call, take, company, started, rate, keep }
    }
}

/// What call control learns of a take from the recorder.
#[derive(Clone, Debug, PartialEq)]
pub enum TakeNews {
    Fact(TakeFact),
    /// It has ended; the samples are read for whoever wants to hear them.
    Closed {
        length: Span,
        review: Option<Review>,
    },
}

/// A file that is to be heard before it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub part: PathBuf,
    pub rate: Rate,
    pub samples: u64,
}

/// A take at the recorder.
pub(super) struct Alone {
    take: Take,
    file: TakeFile,
    cut: Span,
    next_write: Time,
    /// Its call was over at this moment: nothing comes of it that was spoken later.
    gone: Option<Time>,
    /// When its last packet came.
    heard: Option<Time>,
}

impl Alone {
    pub fn new(dir: PathBuf, clock: Clock, window: Span, start: TakeStart) -> Self {
        let rate = Rate(start.setting.rate.0.min(Rate::WIDE.0));
        let layout = Layout::Alone(start.side);
        let config = TimelineConfig { window, rate, layout, pause: PauseInFile::Silence };
        // It has one part, however long.
        let take = Take::new(config, u64::MAX);
        let file = TakeFile::new(dir, clock, rate, start);
        Alone { take, file, cut: Span::ZERO, next_write: Time::ZERO, gone: None, heard: None }
    }

    pub const fn cut(&mut self, cut: Span) {
        self.cut = cut;
    }

    pub const fn gone(&mut self, at: Time) {
        self.gone = Some(at);
    }

    pub const fn is_gone(&self, now: Time) -> bool {
        match self.gone {
            Some(at) => at.0 <= now.0,
            None => false,
        }
    }

    /// The event, with its end where the take ends.
    fn noted<'e>(&mut self, event: &TapEvent<'e>) -> TapEvent<'e> {
        match *event {
            TapEvent::Frame { arrival, .. } => {
                self.heard = Some(arrival);
                *event
            }
            TapEvent::End { at } => TapEvent::End { at: end_of(at, self.heard, self.cut) },
            TapEvent::Gate { .. }
            | TapEvent::Key { .. }
            | TapEvent::Hold { .. }
            | TapEvent::Joined { .. }
            | TapEvent::Refused { .. } => *event,
        }
    }

    fn is_due(&self, now: Time) -> bool {
        self.take.state() == TakeState::Running && self.next_write <= now
    }
}

impl Recorder {
    /// An event of the tap of one party alone.
    pub(super) fn handle_alone(&mut self, slot: u32, event: &TapEvent<'_>) {
        let Some(alone) = self.alone.get_mut(&slot) else { return };
        let was = alone.take.state();
        let event = alone.noted(event);
        let outcome = alone.take.handle(&event, &mut alone.file);
        if was == TakeState::Dormant && alone.take.state() == TakeState::Running {
            alone.next_write = self.now + self.config.write_interval;
        }
        let (call, take) = (alone.file.start.call, alone.file.start.take);
        match outcome {
            Ok(closed) => self.after_alone(slot, closed, matches!(event, TapEvent::End { .. })),
            Err(error) => {
                self.alone.remove(&slot);
                self.lose(call, take, error.to_string());
            }
        }
    }

    /// Writes what is due, and tells of silence.
    pub(super) fn write_alone(&mut self) {
        let now = self.now;
        let due: Vec<u32> = self
            .alone
            .iter()
            .filter(|(_, alone)| alone.is_due(now) || alone.is_gone(now))
            .map(|(slot, _)| *slot)
            .collect();
        for (at, slot) in due.into_iter().enumerate() {
            if at % super::WRITES == 0 {
                std::thread::yield_now();
            }
            let Some(alone) = self.alone.get_mut(&slot) else { continue };
            if alone.is_gone(now) {
                // Its end was on no tap: the order to begin it found its call gone.
                self.handle_alone(slot, &TapEvent::End { at: now });
                continue;
            }
            alone.next_write = now + self.config.write_interval;
            let closed = alone.take.advance(now, &mut alone.file);
            self.after_alone(slot, closed, false);
        }
    }

    fn after_alone(&mut self, slot: u32, closed: Vec<Closed>, over: bool) {
        let Some(alone) = self.alone.get_mut(&slot) else { return };
        let (call, take) = (alone.file.start.call, alone.file.start.take);
        if std::mem::take(&mut alone.file.reached) && closed.is_empty() {
            self.tell(call, take, TakeNews::Fact(TakeFact::Silent));
        }
        let Some(closed) = closed.into_iter().next() else {
            if over {
                self.alone.remove(&slot);
                self.lose(call, take, "nothing of it was recorded".to_owned());
            }
            return;
        };
        let Some(alone) = self.alone.remove(&slot) else { return };
        let closed = alone.close(closed);
        let news = match &closed.problem {
            Some(problem) => TakeNews::Fact(TakeFact::Failed { problem: problem.clone() }),
            None => {
                let (part, rate, samples) = (closed.paths.part(), closed.rate, closed.samples);
                let review = closed.start.setting.review.then_some(Review { part, rate, samples });
                TakeNews::Closed { length: closed.length(), review }
            }
        };
        if let Some(problem) = &closed.problem {
            tracing::error!(%call, message = %closed.id, problem, "what a party said could not be recorded to its end");
        }
        // In this order, that nobody hears of what became of it before it has ended.
        self.tell(call, take, news);
        self.to_archive(ArchiveOrder::Take(TakeWord::Closed(Box::new(closed))));
    }

    fn lose(&mut self, call: CallId, take: TakeId, problem: String) {
        tracing::error!(%call, problem, "what a party says cannot be recorded");
        self.tell(call, take, TakeNews::Fact(TakeFact::Failed { problem }));
        self.to_archive(ArchiveOrder::Take(TakeWord::Lost { call, take }));
    }

    fn tell(&mut self, call: CallId, take: TakeId, news: TakeNews) {
        self.unsent.push_back(RecorderReport::Take { call, take, news });
        self.send_reports();
    }

    /// Nothing is lost when call control is slow: what it has no room for waits here.
    pub(super) fn send_reports(&mut self) {
        while let Some(report) = self.unsent.pop_front() {
            if let Err(tokio::sync::mpsc::error::TrySendError::Full(report)) = self.reports.try_send(report) {
                return self.unsent.push_front(report);
            }
        }
    }
}

impl Alone {
    /// Takes off what is not to stay, and says so in the journal.
    fn close(self, closed: Closed) -> ClosedTake {
        let Alone { mut file, cut, heard, .. } = self;
        let Closed { samples, rate, markers, problem, started, .. } = closed;
        // The file may be written further than that already.
        let ends = end_of(started + rate.span(crate::base::Samples(samples)), heard, cut);
        let samples = samples.min(rate.samples(ends.since(started)).0);
        let samples = trimmed(samples, rate, cut, &markers, Some(file.silence.spoken_until()));
        let samples = samples.min(rate.samples(MOST).0);
        // Where there is no room for the line, a crash would leave what was cut in the file.
        let _ = file.journal(&JournalLine::Ended { samples });
        let started = file.clock.wall_of(started);
        ClosedTake { start: file.start, id: file.id, paths: file.paths, samples, rate, started, problem }
    }
}

/// The file of a take, and who listens to what is written into it.
struct TakeFile {
    clock: Clock,
    start: TakeStart,
    rate: Rate,
    id: MessageId,
    paths: Paths,
    /// Audio and journal.
    open: Option<(File, File)>,
    /// Up to where the file was written, in bytes.
    end: u64,
    silence: Silence,
    /// Nobody has spoken for too long, and nobody was told.
    reached: bool,
}

impl TakeFile {
    fn new(dir: PathBuf, clock: Clock, rate: Rate, start: TakeStart) -> Self {
        let id = MessageId::new(clock.wall(), OsRandom.ten_bytes());
        let stem = message_stem(&start.setting.company_key, id, clock.wall());
        let silence = Silence::new(rate, start.setting.silence.unwrap_or(NEVER));
        TakeFile { clock, start, rate, id, paths: Paths { stem, dir }, open: None, end: 0, silence, reached: false }
    }

    fn files(&mut self) -> io::Result<&mut (File, File)> {
        self.open.as_mut().ok_or_else(|| io::Error::other("no file is open"))
    }

    /// Listens to what is written for the first time.
    fn listen(&mut self, offset: u64, bytes: &[u8]) {
        if offset != self.end {
            return;
        }
        self.end += bytes.len() as u64;
        let head = usize::try_from(DATA_OFFSET.saturating_sub(offset)).unwrap_or(0).min(bytes.len());
        let (samples, _) = bytes.get(head..).unwrap_or(&[]).as_chunks::<2>();
        let reached = self.silence.hear(samples.iter().map(|sample| i16::from_le_bytes(*sample)));
        self.reached |= reached && self.start.setting.silence.is_some();
    }
}

impl PartFile for TakeFile {
    fn create(&mut self, part: u32) -> io::Result<()> {
        if part > 0 {
            return Err(io::Error::other("what one party says has one file"));
        }
        let (call, take, company) = (self.start.call, self.start.take, self.start.setting.company);
        let (id, started, rate, keep) = (self.id, self.clock.wall(), self.rate.0, self.start.keep.clone());
        let draft = Box::new(TakeDraft { id, call, take, company, started, rate, keep });
        self.open = Some(open_part(&self.paths, &JournalLine::Take { draft })?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.files()?.0.write_all_at(bytes, offset)?;
        self.listen(offset, bytes);
        Ok(())
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.files()?.0.read_exact_at(bytes, offset)
    }

    fn journal(&mut self, line: &JournalLine) -> io::Result<()> {
        write_line(&mut self.files()?.1, line)
    }

    fn discard(&mut self) -> io::Result<()> {
        self.open = None;
        super::discard(&self.paths)
    }
}
