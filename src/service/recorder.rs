//! A recorder: its own thread below the media workers, which takes what the intake drained from
//! their rings, lays the samples on their timelines and writes every open file at least every 500 ms.

mod takes;

pub use takes::{ClosedTake, Review, TakeNews, TakeStart};

use super::archivist::{ArchiveOrder, ClosedPart};
use super::clock::Clock;
use super::gauge::RecorderGauge;
use super::intake::{self, Assembly, Intake};
use super::priority::{WorkerClass, lower_recorder};
use super::refused::discard;
use crate::base::{CallId, Random, RecordingId, Side, Span, Time, Wall};
use crate::call::Preparation;
use crate::ledger::TakeId;
use crate::media::TapEvent;
use crate::recording::{Closed, Draft, JournalLine, Layout, PartFile, Take, TakeState, TimelineConfig};
use rtrb::Consumer;
use std::collections::{HashMap, VecDeque};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// What call control tells a recorder.
#[derive(Debug)]
pub enum RecorderOrder {
    /// A call is answered: its gate may open at any moment.
    Prepare { slot: u32, preparation: Box<Preparation> },
    /// The codec of a leg, where the preparation did not know it yet.
    Spoken { slot: u32, side: Side, codec: String },
    /// For the journal of a recording that is under way.
    Note { slot: u32, line: Box<JournalLine> },
    /// What one party alone says comes by this slot from now on.
    BeginTake { slot: u32, start: Box<TakeStart> },
    /// So much is taken off its end, which comes soon.
    CutTake { slot: u32, cut: Span },
    /// Their call was over at this moment.
    TakesOver { slots: Vec<u32>, at: Time },
}

/// What call control learns from a recorder.
#[derive(Clone, Debug, PartialEq)]
pub enum RecorderReport {
    /// No recording of this call can be made, or it was closed before the call's end.
    Failed { call: CallId, problem: String },
    /// Of what one party alone says.
    Take { call: CallId, take: TakeId, news: TakeNews },
}

/// How recordings are written.
#[derive(Clone, Debug)]
pub struct RecorderConfig {
    pub dir: PathBuf,
    pub window: Span,
    pub write_interval: Span,
    pub max_part_bytes: u64,
}

/// A recorder's end at call control.
#[derive(Debug)]
pub struct RecorderHandle {
    orders: SyncSender<RecorderOrder>,
    gauge: Arc<RecorderGauge>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Orders that may wait.
const ORDERS: usize = 65_536;
/// Events between two chances for a media worker on the same core: about 0.1 ms. The scheduler
/// lets a running thread finish its slice of some milliseconds, whatever its priority.
const BREATH: usize = 64;
/// Letters of an id.
const ID: usize = 36;
/// Files between two such chances.
const WRITES: usize = 4;

impl RecorderHandle {
    pub fn start(
        name: String,
        workers: WorkerClass,
        clock: Clock,
        config: RecorderConfig,
        rings: Vec<Consumer<u8>>,
        archive: SyncSender<ArchiveOrder>,
        reports: tokio::sync::mpsc::Sender<RecorderReport>,
    ) -> io::Result<Self> {
        let (orders, inbox) = sync_channel(ORDERS);
        let gauge = Arc::new(RecorderGauge::new(clock.now()));
        let told = Arc::clone(&gauge);
        let intake = intake::start(format!("in-{name}"), workers, clock, rings, Arc::clone(&gauge.backlog))?;
        let thread = thread::Builder::new().name(name).spawn(move || {
            lower_recorder(workers);
            let recorder = Recorder {
                clock,
                config,
                intake,
                inbox,
                archive,
                reports,
                takes: HashMap::new(),
                alone: HashMap::new(),
                unsent: VecDeque::new(),
                seen: 0,
                now: Time::ZERO,
                gauge: told,
            };
            recorder.run();
        })?;
        Ok(RecorderHandle { orders, gauge, thread: Some(thread) })
    }

    pub fn gauge(&self) -> Arc<RecorderGauge> {
        Arc::clone(&self.gauge)
    }

    /// Hands an order over; `false` when the recorder has stopped.
    pub fn send(&self, order: RecorderOrder) -> bool {
        self.orders.send(order).is_ok()
    }

    /// Waits until everything is written and closed. The workers have to be stopped before: the
    /// recorder ends when nobody can give it anything more.
    pub fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A call at the recorder.
struct Entry {
    take: Take,
    files: Files,
    next_write: Time,
    /// Commands and parties that are not in a journal yet: the file that they belong to comes by another way.
    notes: Vec<JournalLine>,
}

impl Entry {
    /// For the sidecar, and for the journal of a part that was begun without it. A codec that was
    /// known stays.
    fn spoken(&mut self, side: Side, codec: String) {
        let Some((_, known)) = self.files.preparation.parties.get_mut(side.channel()) else { return };
        if !known.is_empty() {
            return;
        }
        known.clone_from(&codec);
        if self.take.state() == TakeState::Running {
            let _ = self.files.journal(&JournalLine::Codec { side, codec });
        }
    }

    /// Journals the commands, once there is a file: also the one that began it.
    fn journal_notes(&mut self) {
        if self.take.state() == TakeState::Running {
            for line in self.notes.drain(..) {
                let _ = self.files.journal(&line);
            }
        }
    }
}

struct Recorder {
    clock: Clock,
    config: RecorderConfig,
    intake: Receiver<Intake>,
    inbox: Receiver<RecorderOrder>,
    archive: SyncSender<ArchiveOrder>,
    reports: tokio::sync::mpsc::Sender<RecorderReport>,
    takes: HashMap<u32, Entry>,
    /// Parties of which each is recorded alone.
    alone: HashMap<u32, takes::Alone>,
    /// Reports for which call control had no room yet.
    unsent: VecDeque<RecorderReport>,
    /// Events since the workers last had their chance.
    seen: usize,
    /// Everything that happened before this has been seen.
    now: Time,
    gauge: Arc<RecorderGauge>,
}

impl Recorder {
    fn run(mut self) {
        let mut assembly = Assembly::default();
        while let Ok(intake) = self.intake.recv() {
            self.take_orders();
            match intake {
                Intake::Bytes(chunk) => drop(assembly.take(&chunk, |slot, event| self.take_event(slot, event))),
                Intake::Until(time) => {
                    self.now = time;
                    self.write_what_is_due();
                    self.write_alone();
                    self.send_reports();
                    self.gauge.tick(self.clock.now(), self.takes.len() + self.alone.len());
                }
            }
        }
        self.take_orders();
        let now = self.clock.now();
        let slots: Vec<u32> = self.takes.keys().chain(self.alone.keys()).copied().collect();
        for slot in slots {
            self.handle(slot, &TapEvent::End { at: now });
        }
    }

    fn take_orders(&mut self) {
        while let Ok(order) = self.inbox.try_recv() {
            match order {
                RecorderOrder::Prepare { slot, preparation } => {
                    let Preparation { rate, channels, pause, .. } = *preparation;
                    let layout = Layout::of(channels);
                    let config = TimelineConfig { window: self.config.window, rate, layout, pause };
                    let take = Take::new(config, self.config.max_part_bytes);
                    let files = Files::new(self.config.dir.clone(), *preparation, self.clock);
                    self.takes.insert(slot, Entry { take, files, next_write: Time::ZERO, notes: Vec::new() });
                }
                RecorderOrder::Spoken { slot, side, codec } => {
                    if let Some(entry) = self.takes.get_mut(&slot) {
                        entry.spoken(side, codec);
                    }
                }
                RecorderOrder::Note { slot, line } => {
                    if let Some(entry) = self.takes.get_mut(&slot) {
                        entry.notes.push(*line);
                        entry.journal_notes();
                    }
                }
                RecorderOrder::BeginTake { slot, start } => {
                    let dir = self.config.dir.clone();
                    self.alone.insert(slot, takes::Alone::new(dir, self.clock, self.config.window, *start));
                }
                RecorderOrder::CutTake { slot, cut } => {
                    if let Some(alone) = self.alone.get_mut(&slot) {
                        alone.cut(cut);
                    }
                }
                RecorderOrder::TakesOver { slots, at } => {
                    for slot in slots {
                        if let Some(alone) = self.alone.get_mut(&slot) {
                            alone.gone(at);
                        }
                    }
                }
            }
        }
    }

    fn take_event(&mut self, slot: u32, event: &TapEvent<'_>) {
        self.seen += 1;
        if self.seen.is_multiple_of(BREATH) {
            thread::yield_now();
        }
        if !self.takes.contains_key(&slot) && !self.alone.contains_key(&slot) {
            // The order to prepare was sent before the call's first event.
            self.take_orders();
        }
        self.handle(slot, event);
    }

    fn handle(&mut self, slot: u32, event: &TapEvent<'_>) {
        let Some(entry) = self.takes.get_mut(&slot) else { return self.handle_alone(slot, event) };
        if let TapEvent::Refused { since: None, .. } = event {
            // Parts that are closed already are with the archivist.
            let order = ArchiveOrder::Discard { call: entry.files.call() };
            self.to_archive(order);
        }
        let Some(entry) = self.takes.get_mut(&slot) else { return };
        let was = entry.take.state();
        let outcome = entry.take.handle(event, &mut entry.files);
        if was == TakeState::Dormant && entry.take.state() == TakeState::Running {
            entry.next_write = self.now + self.config.write_interval;
            entry.journal_notes();
            let recording = entry.files.current.as_ref().map(|current| current.written.recording);
            let recording = recording.map(tracing::field::display);
            tracing::info!(call = %entry.files.call(), recording, "a recording was begun");
        }
        let (closed, failed) = match outcome {
            Ok(closed) => (closed, None),
            // What stays is told in the log and goes at the next start: nothing of a refused
            // recording is missed.
            Err(_) if matches!(event, TapEvent::Refused { .. }) => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        self.hand_on(slot, closed, failed);
        if matches!(event, TapEvent::End { .. })
            && let Some(entry) = self.takes.remove(&slot)
        {
            self.to_archive(ArchiveOrder::Over { call: entry.files.call() });
        }
    }

    fn write_what_is_due(&mut self) {
        let now = self.now;
        let due: Vec<u32> = self
            .takes
            .iter()
            .filter(|(_, entry)| entry.take.state() == TakeState::Running && entry.next_write <= now)
            .map(|(slot, _)| *slot)
            .collect();
        for (at, slot) in due.into_iter().enumerate() {
            if at % WRITES == 0 {
                thread::yield_now();
            }
            let Some(entry) = self.takes.get_mut(&slot) else { continue };
            entry.next_write = now + self.config.write_interval;
            let closed = entry.take.advance(now, &mut entry.files);
            self.hand_on(slot, closed, None);
        }
    }

    /// Gives closed parts to the archivist and tells call control of failures.
    fn hand_on(&mut self, slot: u32, closed: Vec<Closed>, failed: Option<String>) {
        if closed.is_empty() && failed.is_none() {
            return;
        }
        let Some(entry) = self.takes.get_mut(&slot) else { return };
        let call = entry.files.call();
        let problem = failed.clone().or_else(|| closed.iter().find_map(|part| part.problem.clone()));
        let finished: Vec<ClosedPart> = closed.into_iter().filter_map(|part| entry.files.finish(part)).collect();
        for finish in finished {
            self.to_archive(ArchiveOrder::Closed(Box::new(finish)));
        }
        if let Some(problem) = failed {
            self.to_archive(ArchiveOrder::NoFile { call, problem });
        }
        if let Some(problem) = problem {
            tracing::error!(%call, problem, "a recording failed");
            let _ = self.reports.try_send(RecorderReport::Failed { call, problem });
        }
    }

    fn to_archive(&self, order: ArchiveOrder) {
        if self.archive.send(order).is_err() {
            tracing::error!("the archivist has stopped; files are handed over at the next start");
        }
    }
}

/// The files of one call's recording.
struct Files {
    dir: PathBuf,
    preparation: Preparation,
    clock: Clock,
    current: Option<Current>,
    /// Parts before the current one that are not finished yet.
    earlier: Vec<Written>,
}

/// A part's place.
#[derive(Clone, Debug)]
struct Written {
    part: u32,
    recording: RecordingId,
    paths: Paths,
}

struct Current {
    written: Written,
    file: File,
    journal: File,
}

/// Where a part stands while it is written and when it is finished.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Below the recordings folder, without an ending.
    pub stem: PathBuf,
    pub dir: PathBuf,
}

impl Paths {
    fn with(&self, ending: &str) -> PathBuf {
        let mut name = self.dir.join(&self.stem).into_os_string();
        name.push(ending);
        PathBuf::from(name)
    }

    /// The call that a file is of, as its name says.
    pub fn call_of(file: &Path) -> Option<CallId> {
        CallId::parse(file.file_name()?.to_str()?.get(..ID)?)
    }

    pub fn part(&self) -> PathBuf {
        self.with(".part")
    }

    pub fn journal(&self) -> PathBuf {
        self.with(".journal")
    }

    pub fn wav(&self) -> PathBuf {
        self.with(".wav")
    }

    pub fn sidecar(&self) -> PathBuf {
        self.with(".json")
    }

    /// What is not whole yet; a start takes it away.
    pub fn tmp(&self) -> PathBuf {
        self.with(".tmp")
    }

    /// The `.wav` below the recordings folder, as the database has it.
    pub fn relative_wav(&self) -> String {
        format!("{}.wav", self.stem.display())
    }
}

impl Files {
    const fn new(dir: PathBuf, preparation: Preparation, clock: Clock) -> Self {
        Files { dir, preparation, clock, current: None, earlier: Vec::new() }
    }

    const fn call(&self) -> CallId {
        self.preparation.call
    }

    /// `<company>/<year>/<month>/<day>/<call>-<recording>`: no names or numbers of people.
    fn paths(&self, recording: RecordingId) -> Paths {
        let folder = Path::new(&self.preparation.company_key).join(day_of(self.clock.wall()));
        let stem = folder.join(format!("{}-{recording}", self.preparation.call));
        Paths { stem, dir: self.dir.clone() }
    }

    fn draft(&self, recording: RecordingId, part: u32) -> Draft {
        let record = &self.preparation.record;
        let started = self.clock.wall();
        let answered = record.answered.unwrap_or(record.started);
        let offset = started.unix_micros().saturating_sub(answered.unix_micros()) / 1_000;
        Draft {
            recording,
            call: self.preparation.call,
            company: self.preparation.company,
            company_name: self.preparation.company_name.clone(),
            direction: record.direction,
            number: record.number,
            parties: self.preparation.parties.clone(),
            answered,
            started,
            offset_ms: u64::try_from(offset).unwrap_or(0),
            part,
            decision: record.decision.clone(),
            channels: self.preparation.channels,
        }
    }

    /// What the archivist needs to finish a part.
    fn finish(&mut self, closed: Closed) -> Option<ClosedPart> {
        let earlier = self.earlier.iter().position(|written| written.part == closed.part);
        let written = match earlier {
            Some(at) => self.earlier.remove(at),
            None => self.current.as_ref().filter(|current| current.written.part == closed.part)?.written.clone(),
        };
        Some(ClosedPart {
            started: self.clock.wall_of(closed.started),
            recording: written.recording,
            preparation: self.preparation.clone(),
            paths: written.paths,
            closed,
        })
    }
}

impl PartFile for Files {
    fn create(&mut self, part: u32) -> io::Result<()> {
        let mut random = super::clock::OsRandom;
        let recording = RecordingId::new(self.clock.wall(), random.ten_bytes());
        let paths = self.paths(recording);
        let draft = Box::new(self.draft(recording, part));
        let (file, journal) = open_part(&paths, &JournalLine::Draft { draft })?;
        let written = Written { part, recording, paths };
        let before = self.current.replace(Current { written, file, journal });
        self.earlier.extend(before.map(|current| current.written));
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.open()?.file.write_all_at(bytes, offset)
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.open()?.file.read_exact_at(bytes, offset)
    }

    fn journal(&mut self, line: &JournalLine) -> io::Result<()> {
        write_line(&mut self.open()?.journal, line)
    }

    fn discard(&mut self) -> io::Result<()> {
        let Some(Current { written, .. }) = self.current.take() else { return Ok(()) };
        let parts = self.earlier.drain(..).chain([written]);
        // Every one of them, also behind one that cannot go.
        let gone: Vec<io::Result<()>> = parts.map(|part| discard(&part.paths)).collect();
        gone.into_iter().collect()
    }
}

impl Files {
    fn open(&mut self) -> io::Result<&mut Current> {
        self.current.as_mut().ok_or_else(|| io::Error::other("no part is open"))
    }
}

/// `<year>/<month>/<day>`.
pub fn day_of(wall: Wall) -> PathBuf {
    wall.to_string().get(..10).unwrap_or("undated").split('-').collect()
}

/// Makes the files of a part: its audio, and its journal with the first line.
fn open_part(paths: &Paths, first: &JournalLine) -> io::Result<(File, File)> {
    if let Some(folder) = paths.part().parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // The journal comes first: a `.part` is never without the knowledge of whose it is.
    let mut journal = private(&paths.journal())?;
    write_line(&mut journal, first)?;
    Ok((private(&paths.part())?, journal))
}

/// A new file that only we can read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn write_line(file: &mut File, line: &JournalLine) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}
