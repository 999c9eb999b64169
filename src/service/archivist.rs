//! Finishes recordings: trailer and sizes, sync, sidecar, rename, then row and outbox entry in one
//! transaction, in that order. A crash between any two of them is repaired at the next start.

mod abreast;
mod postbox;

pub use postbox::TakeWord;

use super::clock::Clock;
use super::gauge::{ArchiveGauge, AtWork};
use super::recorder::{Paths, RecorderReport};
use super::refused::discard;
use crate::archive::{Durability, Places, Sealed, finish};
use crate::base::{CallId, Random, Rate, RecordingId, Side, Wall};
use crate::call::Preparation;
use crate::directory::Directory;
use crate::ledger::{CallRecord, Channels, OutboxKind, Party, RecordingRecord, RecordingState, Sidecar};
use crate::media::LegStats;
use crate::recording::{Closed, Draft, Finish, sidecar};
use crate::store::{Store, StoreError};
use abreast::abreast;
use postbox::Postbox;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A part that the recorder has closed.
#[derive(Clone, Debug)]
pub struct ClosedPart {
    pub recording: RecordingId,
    pub started: Wall,
    pub preparation: Preparation,
    pub paths: Paths,
    pub closed: Closed,
}

/// What the archivist is told.
#[derive(Debug)]
pub enum ArchiveOrder {
    /// A part is closed.
    Closed(Box<ClosedPart>),
    /// A recording was wanted and no file could be made.
    NoFile {
        call: CallId,
        problem: String,
    },
    /// The outside party refused: nothing of the call's recording may remain.
    Discard {
        call: CallId,
    },
    /// The recorder has nothing more of this call.
    Over {
        call: CallId,
    },
    /// The call has ended: what its sidecars say.
    Ended {
        record: Box<CallRecord>,
        stats: Box<CallStats>,
        company_name: String,
    },
    /// Policy said to record and no recording was begun.
    NotRecorded {
        record: Box<CallRecord>,
        company_name: String,
        problem: String,
    },
    /// Of what one party alone said.
    Take(TakeWord),
    /// Whose voicemail box is whose, from now on.
    Directory(Arc<Directory>),
    Stop,
}

/// What is known of a call whose recording is not finished.
#[derive(Default)]
struct Waiting {
    closed: Vec<ClosedPart>,
    no_file: Option<String>,
    over: bool,
    ended: Option<Ended>,
}

struct Ended {
    record: CallRecord,
    stats: CallStats,
    company_name: String,
}

/// What was counted on the legs of a call.
#[derive(Clone, Debug, Default)]
pub struct CallStats {
    /// Caller, callee: those who were on the call at its end.
    pub legs: [LegStats; 2],
    /// Of those who left before, in order.
    pub left: Vec<(Side, LegStats)>,
}

/// The archivist's end.
#[derive(Debug)]
pub struct ArchivistHandle {
    orders: SyncSender<ArchiveOrder>,
    gauge: Arc<ArchiveGauge>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Orders that may wait: three for each call that ends.
const ORDERS: usize = 65_536;
/// Further orders that share one transaction: some thousand calls.
const TOGETHER: usize = 4_096;
/// How long to wait before a hand-over that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

impl ArchivistHandle {
    /// Starts the thread. `dir` is the folder of recordings, `reserve` a file that may be given up when the disk is full, so that
    /// what is open can be finished.
    pub fn start(
        clock: Clock,
        store: Store,
        runtime: tokio::runtime::Handle,
        (dir, reserve): (PathBuf, PathBuf),
        reports: tokio::sync::mpsc::Sender<RecorderReport>,
    ) -> io::Result<Self> {
        let (orders, inbox) = sync_channel(ORDERS);
        let gauge = Arc::new(ArchiveGauge::default());
        let at_work = AtWork(Arc::clone(&gauge));
        let thread = thread::Builder::new().name("archivist".to_owned()).spawn(move || {
            let archivist = Archivist {
                clock,
                store,
                runtime,
                dir,
                reserve,
                last_resort: Mutex::default(),
                reports,
                waiting: HashMap::new(),
                finishing: Vec::new(),
                ready: Vec::new(),
                postbox: Postbox::default(),
                gauge: at_work,
            };
            archivist.run(&inbox);
        })?;
        Ok(ArchivistHandle { orders, gauge, thread: Some(thread) })
    }

    pub fn gauge(&self) -> Arc<ArchiveGauge> {
        Arc::clone(&self.gauge)
    }

    pub fn sender(&self) -> SyncSender<ArchiveOrder> {
        self.orders.clone()
    }

    /// Finishes everything, then ends the thread.
    pub fn stop(&mut self) {
        let _ = self.orders.send(ArchiveOrder::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A recording that is final on disk and has no row yet.
struct Ready {
    record: RecordingRecord,
    kind: OutboxKind,
    journal: Option<PathBuf>,
    /// Its call as it is then: row and call are in one transaction.
    call: CallRecord,
}

struct Archivist {
    clock: Clock,
    store: Store,
    runtime: tokio::runtime::Handle,
    dir: PathBuf,
    reserve: PathBuf,
    /// Held by whoever gives up the reserve and tries again: one after the other, so that each finds the room that
    /// is there then.
    last_resort: Mutex<()>,
    /// What became of takes.
    reports: tokio::sync::mpsc::Sender<RecorderReport>,
    waiting: HashMap<CallId, Waiting>,
    /// Parts of calls that have ended, to be finished at the end of the batch.
    finishing: Vec<(ClosedPart, Arc<Ended>)>,
    ready: Vec<Ready>,
    postbox: Postbox,
    gauge: AtWork,
}

impl Archivist {
    fn run(mut self, inbox: &Receiver<ArchiveOrder>) {
        loop {
            let first = match self.ready.is_empty() && self.postbox.is_idle() {
                true => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => inbox.recv_timeout(RETRY),
            };
            let mut going = !matches!(first, Err(RecvTimeoutError::Disconnected));
            // What came meanwhile shares one transaction; of very much the first is not told after the last.
            for order in first.into_iter().chain(inbox.try_iter().take(TOGETHER)) {
                going &= !matches!(order, ArchiveOrder::Stop);
                self.take(order);
            }
            self.hand_over();
            self.hand_over_takes();
            self.gauge.0.waiting.store(self.ready.len() + self.postbox.waiting(), Ordering::Relaxed);
            if !going {
                return self.finish_all();
            }
        }
    }

    fn take(&mut self, order: ArchiveOrder) {
        let call = match order {
            ArchiveOrder::Closed(finish) => {
                let call = finish.preparation.call;
                self.of(call).closed.push(*finish);
                call
            }
            ArchiveOrder::NoFile { call, problem } => {
                self.of(call).no_file = Some(problem);
                call
            }
            ArchiveOrder::Discard { call } => {
                let waiting = self.of(call);
                waiting.no_file = None;
                for part in waiting.closed.drain(..) {
                    // What stays is told in the log and goes at the next start.
                    let _ = discard(&part.paths);
                }
                call
            }
            ArchiveOrder::Over { call } => {
                self.of(call).over = true;
                call
            }
            ArchiveOrder::Ended { record, stats, company_name } => {
                let call = record.id;
                self.of(call).ended = Some(Ended { record: *record, stats: *stats, company_name });
                call
            }
            ArchiveOrder::NotRecorded { record, company_name, problem } => {
                let ended = Ended { record: *record, stats: Default::default(), company_name };
                let failed = failed(self.new_id(), &ended, problem);
                return self.ready.push(failed);
            }
            ArchiveOrder::Take(word) => return self.take_word(word),
            ArchiveOrder::Directory(directory) => return self.postbox.set_directory(directory),
            ArchiveOrder::Stop => return,
        };
        let complete = self.waiting.get(&call).is_some_and(|waiting| waiting.over && waiting.ended.is_some());
        if complete && let Some(waiting) = self.waiting.remove(&call) {
            self.finish_call(waiting);
        }
    }

    fn of(&mut self, call: CallId) -> &mut Waiting {
        self.waiting.entry(call).or_default()
    }

    fn finish_call(&mut self, waiting: Waiting) {
        let Waiting { closed, no_file, over: _, ended } = waiting;
        let Some(ended) = ended else { return };
        if let Some(problem) = no_file {
            let failed = failed(self.new_id(), &ended, problem);
            self.ready.push(failed);
        }
        let ended = Arc::new(ended);
        self.finishing.extend(closed.into_iter().map(|part| (part, Arc::clone(&ended))));
    }

    /// Makes files final, of all calls that have ended at once.
    fn finish_parts(&mut self) {
        let parts = std::mem::take(&mut self.finishing);
        let finished = abreast(&parts, |(part, ended)| self.finish_part(part, ended));
        self.ready.extend(finished);
    }

    fn finish_part(&self, finish: &ClosedPart, ended: &Ended) -> Ready {
        let sidecar = sidecar_of(finish, ended);
        let finished = finish_file(&finish.paths, &sidecar, finish.closed.audio_sha256.clone()).or_else(|error| {
            tracing::warn!(call = %sidecar.call, %error, "a recording is finished with the reserve");
            self.with_the_reserve(|| finish_file(&finish.paths, &sidecar, None))
        });
        match finished {
            Ok(record) => {
                let kind = OutboxKind::RecordingFinished;
                Ready { record, kind, journal: Some(finish.paths.journal()), call: ended.record.clone() }
            }
            Err(error) => {
                tracing::error!(call = %sidecar.call, %error, "a recording could not be finished; it is repaired at the next start");
                let problem = format!("the file could not be finished: {error}");
                // Under its own id, and its journal stays: the repair takes the failure's place.
                failed(finish.recording, ended, problem)
            }
        }
    }

    /// Again, where the disk was full: the reserve makes room for trailer and sidecar.
    fn with_the_reserve<T>(&self, finish: impl FnOnce() -> T) -> T {
        let _one = self.last_resort.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = fs::remove_file(&self.reserve);
        finish()
    }

    fn new_id(&self) -> RecordingId {
        RecordingId::new(self.clock.wall(), super::clock::OsRandom.ten_bytes())
    }

    /// Row and outbox entry of everything that is ready, in one transaction; tried again later
    /// when the database cannot take it.
    fn hand_over(&mut self) {
        self.finish_parts();
        if self.ready.is_empty() {
            return;
        }
        let rows: Vec<(RecordingRecord, OutboxKind)> =
            self.ready.iter().map(|ready| (ready.record.clone(), ready.kind)).collect();
        let calls: Vec<CallRecord> = self.ready.iter().map(|ready| ready.call.clone()).collect();
        let handing_over = self.store.hand_over_with_calls(&rows, &calls, self.clock.wall());
        let result: Result<Vec<Option<i64>>, StoreError> = self.runtime.block_on(handing_over);
        match result {
            Ok(_) => {
                for ready in self.ready.drain(..) {
                    let RecordingRecord { id, call, state, .. } = &ready.record;
                    self.gauge.0.handed_over(*state);
                    tracing::info!(%call, recording = %id, ?state, "a recording was handed over");
                    if let Some(journal) = ready.journal {
                        let _ = fs::remove_file(journal);
                    }
                }
            }
            Err(error) => {
                let _ = fs::remove_file(&self.reserve);
                tracing::error!(%error, recordings = rows.len(), "recordings could not be handed over; it is tried again");
            }
        }
    }

    /// The end of the service: calls without an end get theirs from what is known.
    fn finish_all(mut self) {
        let waiting: Vec<Waiting> = self.waiting.drain().map(|(_, waiting)| waiting).collect();
        for mut waiting in waiting {
            if waiting.ended.is_none()
                && let Some(first) = waiting.closed.first()
            {
                let (record, company_name) = (first.preparation.record.clone(), first.preparation.company_name.clone());
                waiting.ended = Some(Ended { record, stats: Default::default(), company_name });
            }
            self.finish_call(waiting);
        }
        self.end_takes();
        self.hand_over();
        self.hand_over_takes();
    }
}

/// A failure that is ready to be handed over, under this id.
fn failed(recording: RecordingId, ended: &Ended, problem: String) -> Ready {
    let Ended { record: call, stats, company_name } = ended;
    let record = failed_recording(recording, call, company_name, stats.clone(), problem);
    Ready { record, kind: OutboxKind::RecordingFailed, journal: None, call: call.clone() }
}

/// The visible failure of a recording that policy wanted.
pub fn failed_recording(
    id: RecordingId,
    record: &CallRecord,
    company_name: &str,
    stats: CallStats,
    problem: String,
) -> RecordingRecord {
    let started = record.answered.unwrap_or(record.started);
    let parties = [(record.caller.clone(), String::new()), (record.callee.clone(), String::new())];
    let finish = Finish {
        samples: 0,
        rate: Rate::NARROW,
        state: RecordingState::Failed,
        markers: Vec::new(),
        markers_left_out: 0,
        changes: record.changes.clone(),
        ended_paused: record.ended_paused,
        end_reason: record.end_reason.clone(),
        problem,
        legs: stats.legs,
        joined: record.joined.clone(),
        left: stats.left,
    };
    let sidecar = sidecar(&draft_of(record, company_name, id, started, parties), finish);
    Sealed::default().row(sidecar, String::new())
}

fn sidecar_of(part: &ClosedPart, ended: &Ended) -> Sidecar {
    let ClosedPart { recording, started, preparation, paths: _, closed } = part;
    let draft = draft_of(&ended.record, &preparation.company_name, *recording, *started, preparation.parties.clone());
    let state = if closed.problem.is_some() { RecordingState::Incomplete } else { RecordingState::Complete };
    let finish = Finish {
        samples: closed.samples,
        rate: closed.rate,
        state,
        markers: closed.markers.clone(),
        markers_left_out: closed.markers_left_out,
        changes: ended.record.changes.clone(),
        ended_paused: ended.record.ended_paused,
        end_reason: ended.record.end_reason.clone(),
        problem: closed.problem.clone().unwrap_or_default(),
        legs: ended.stats.legs,
        joined: ended.record.joined.clone(),
        left: ended.stats.left.clone(),
    };
    sidecar(&Draft { part: closed.part, channels: preparation.channels, ..draft }, finish)
}

fn draft_of(
    record: &CallRecord,
    company_name: &str,
    recording: RecordingId,
    started: Wall,
    parties: [(Party, String); 2],
) -> Draft {
    let answered = record.answered.unwrap_or(record.started);
    let offset = started.unix_micros().saturating_sub(answered.unix_micros()) / 1_000;
    Draft {
        recording,
        call: record.id,
        company: record.company,
        company_name: company_name.to_owned(),
        direction: record.direction,
        number: record.number,
        parties,
        answered,
        started,
        offset_ms: u64::try_from(offset).unwrap_or(0),
        part: 0,
        decision: record.decision.clone(),
        channels: Channels::Stereo,
    }
}

/// Makes a `.part` final, as its row will have it. `audio_sha256` is the running digest of the
/// audio, `None` to read it again. Can be done again after any interruption.
pub fn finish_file(paths: &Paths, sidecar: &Sidecar, audio_sha256: Option<String>) -> io::Result<RecordingRecord> {
    let (part, wav, json) = (paths.part(), paths.wav(), paths.sidecar());
    let places = Places { part: &part, wav: &wav, sidecar: &json };
    let sealed = finish(places, sidecar, audio_sha256, Durability::Synced)?;
    Ok(sealed.row(sidecar.clone(), paths.relative_wav()))
}
