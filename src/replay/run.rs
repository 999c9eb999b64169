//! A capture from its first datagram to its report.

use super::call::{Begin, Call};
use super::calls::{CallKey, Calls, Input, Joins, Seen};
use super::capture::{Capture, CaptureError, Datagram};
use super::file::make_folder;
use super::policy::Policy;
use super::report::{CallReport, Report, Unclaimed, skipped_notes};
use super::rtp_guess::{Guess, GuessedCall, RtpGuess};
use super::rtp_only::Guessed;
use super::stage::{Clock, Stage};
use crate::base::{Span, Time};
use crate::ledger::{EndReason, Outcome};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Datagrams from one call of the progress to the next.
const PROGRESS: u64 = 4_096;
/// A call that has ended is kept for stragglers (64 × T1, RFC 3261 §17).
const LINGER: Span = Span::from_secs(32);
/// Nothing of a call that is not answered for this long (timer C, RFC 3261 §16.6): given up.
const RING: Span = Span::from_secs(180);
/// A capture whose clock was turned back by more than this says so.
const BACK: Span = Span::from_millis(1);

/// How captures are replayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the files go; made where it is not there.
    pub folder: PathBuf,
    /// Guess calls from RTP alone.
    pub rtp_only: bool,
    /// An answered call of which nothing is seen for so long is over.
    pub idle: Span,
    /// Audio bytes of a file at most; the next part goes on without a lost sample.
    pub most_bytes: u64,
}

impl Options {
    /// `idle`: 30 min (the interval that RFC 4028 §4 recommends); parts just below 2 GiB.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Options {
            folder: folder.into(),
            rtp_only: false,
            idle: Span::from_secs(1_800),
            most_bytes: (2 << 30) - (1 << 20),
        }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Of the capture, in bytes; 0: not known.
    pub size: u64,
    pub position: u64,
    pub calls_up: usize,
    pub calls_done: usize,
}

#[derive(Debug, Error)]
pub enum ReplayError {
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error("cannot write to {}: {source}", folder.display())]
    Write { folder: PathBuf, source: std::io::Error },
}

/// Replays one capture. File names begin with `stem`.
///
/// # Errors
/// When the capture cannot be opened or is none, or when finished files cannot be written. A
/// capture that is damaged later is replayed up to there and says so.
pub fn replay(
    path: &Path,
    stem: &str,
    policy: &Policy,
    options: &Options,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Report, ReplayError> {
    let mut run = Run::new(path, stem, policy, options)?;
    if options.rtp_only {
        let guess = guess(Capture::open(path)?, progress)?;
        run.guessed = Some(Guessed::new(&guess));
        run.notes.extend(guess_notes(&guess));
    }
    run.read(Capture::open(path)?, progress)
}

/// Replays a capture of `size` bytes (0: not known) from any source, by its signalling.
///
/// # Errors
/// As [`replay`].
pub fn replay_from<R: Read>(
    source: R,
    size: u64,
    stem: &str,
    policy: &Policy,
    options: &Options,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Report, ReplayError> {
    let run = Run::new(Path::new(stem), stem, policy, options)?;
    run.read(Capture::from_reader(source, size)?, progress)
}

/// A name for the files of each capture: its own without ending, numbered where two are the same.
pub fn stems(captures: &[PathBuf]) -> Vec<String> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut stems = Vec::new();
    for capture in captures {
        let stem = capture.file_stem().map_or_else(|| "capture".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let count = seen.entry(stem.clone()).or_default();
        *count += 1;
        stems.push(if *count == 1 { stem } else { format!("{stem}_{count}") });
    }
    stems
}

fn guess<R: Read>(mut capture: Capture<R>, progress: &mut dyn FnMut(&Progress)) -> Result<Guess, CaptureError> {
    let mut guess = RtpGuess::new();
    let mut datagrams = 0u64;
    while let Some(found) = capture.next() {
        // The second pass says where it is damaged.
        let Ok(Datagram { at, src, dst, payload }) = found else { break };
        guess.see(at, src, dst, payload);
        datagrams += 1;
        if datagrams.is_multiple_of(PROGRESS) {
            progress(&Progress { size: capture.size() * 2, position: capture.position(), calls_up: 0, calls_done: 0 });
        }
    }
    Ok(guess.finish())
}

fn guess_notes(guess: &Guess) -> Vec<String> {
    let Guess { calls, other_flows: _, unlooked_packets } = guess;
    let mut notes = Vec::new();
    if calls.is_empty() {
        notes.push("no RTP was found".to_owned());
    }
    if *unlooked_packets > 0 {
        notes.push(format!("{unlooked_packets} packets were not looked at: too many flows"));
    }
    notes
}

/// One replay under way.
struct Run<'a> {
    path: &'a Path,
    stem: &'a str,
    policy: &'a Policy,
    options: &'a Options,
    clock: Clock,
    calls: Calls,
    /// Instead of `calls`, where signalling is left aside.
    guessed: Option<Guessed>,
    stage: Stage,
    unclaimed: RtpGuess,
    datagrams: u64,
    sip: u64,
    bad_sip: u64,
    notes: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(path: &'a Path, stem: &'a str, policy: &'a Policy, options: &'a Options) -> Result<Self, ReplayError> {
        let failed = |source| ReplayError::Write { folder: options.folder.clone(), source };
        make_folder(&options.folder).map_err(failed)?;
        Ok(Run {
            path,
            stem,
            policy,
            options,
            clock: Clock::default(),
            calls: Calls::default(),
            guessed: None,
            stage: Stage::default(),
            unclaimed: RtpGuess::new(),
            datagrams: 0,
            sip: 0,
            bad_sip: 0,
            notes: Vec::new(),
        })
    }

    fn read<R: Read>(
        mut self,
        mut capture: Capture<R>,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Report, ReplayError> {
        loop {
            match capture.next() {
                None => break,
                Some(Ok(datagram)) => self.datagram(&datagram)?,
                Some(Err(error)) => {
                    self.notes.push(format!("replayed up to here: {error}"));
                    break;
                }
            }
            if self.datagrams.is_multiple_of(PROGRESS) {
                progress(&self.progress(&capture));
            }
        }
        progress(&self.progress(&capture));
        self.notes.extend(skipped_notes(capture.skipped()));
        self.finish()
    }

    fn progress<R: Read>(&self, capture: &Capture<R>) -> Progress {
        let first_pass = if self.guessed.is_some() { capture.size() } else { 0 };
        Progress {
            size: capture.size() + first_pass,
            position: capture.position() + first_pass,
            calls_up: self.stage.up(),
            calls_done: self.stage.done(),
        }
    }

    fn datagram(&mut self, datagram: &Datagram<'_>) -> Result<(), ReplayError> {
        let Datagram { at, src, dst, payload } = *datagram;
        self.datagrams += 1;
        let now = self.clock.observe(at);
        while let Some(second) = self.stage.run_until(now) {
            self.close_outdated(second)?;
        }
        if self.guessed.is_some() {
            self.guessed_packet(datagram, now);
            return Ok(());
        }
        match self.calls.see(src, dst, payload) {
            Seen::Rtp { call, side } => {
                if let Some(live) = self.stage.get(call, now) {
                    live.call.rtp(side, src, payload, now);
                }
            }
            Seen::Rtcp { call, side } => {
                if let Some(live) = self.stage.get(call, now) {
                    live.call.rtcp(side, src, payload, now);
                }
            }
            Seen::Sip { call, inputs } => {
                self.sip += 1;
                if let Some(call) = call {
                    self.signalled(call, inputs, now);
                }
            }
            Seen::BadSip => self.bad_sip += 1,
            Seen::Aside => {}
            Seen::Unclaimed => self.unclaimed.see(at, src, dst, payload),
        }
        Ok(())
    }

    fn signalled(&mut self, key: CallKey, inputs: Vec<Input>, now: Time) {
        for input in inputs {
            if let Input::Begin { call_id, asked, from_the_middle } = input {
                let ruling = self.policy.rule(&asked);
                let mut call = self.begin(key, call_id, ruling, now);
                if from_the_middle {
                    call.note("the capture begins in mid-call: replayed from the first change of media on; who placed the call is not known".to_owned());
                }
                self.stage.add(key, call, now, None);
                continue;
            }
            if let Input::Joined(joins) = input {
                self.join(key, *joins, now);
                continue;
            }
            let Some(live) = self.stage.get(key, now) else { return };
            match input {
                Input::Begin { .. } | Input::Listens { .. } | Input::Joined(_) => {}
                Input::Consulted(other) => {
                    if let Some(other) = self.stage.get(other, now) {
                        other.end(now);
                    }
                }
                Input::Agreed { agreed, signalling, info } => live.call.agreed(&agreed, signalling, info, now),
                Input::Answered => live.call.connect(now),
                Input::Key { side, key } => live.call.key(side, key, now),
                Input::Note(note) => live.call.note(note),
                Input::Ended => live.end(now),
            }
        }
    }

    /// A transfer: the file goes on. The consultation's ends, and says whom its party talks to.
    fn join(&mut self, key: CallKey, joins: Joins, now: Time) {
        let Some(live) = self.stage.get(key, now) else { return };
        let stays = live.call.party(joins.side.other()).to_string();
        let moved = joins.from.and_then(|(from, side)| {
            let consultation = self.stage.get(from, now).filter(|live| live.ended.is_none())?;
            let moved = consultation.call.give_up(side, &stays, now);
            consultation.end(now);
            Some(moved)
        });
        let ruling = self.policy.rule(&joins.asked);
        if let Some(live) = self.stage.get(key, now) {
            live.call.join(joins, ruling, moved, now);
        }
    }

    fn begin(&self, key: CallKey, call_id: String, ruling: super::policy::Ruling, now: Time) -> Call {
        Call::new(Begin {
            call_id,
            ruling,
            epoch: self.clock.epoch(),
            now,
            folder: &self.options.folder,
            stem: format!("{}-{:03}", self.stem, key.0),
            most_bytes: self.options.most_bytes,
        })
    }

    fn guessed_packet(&mut self, datagram: &Datagram<'_>, now: Time) {
        let Some(guessed) = &self.guessed else { return };
        let Some((key, side)) = guessed.of(datagram) else { return };
        if !self.stage.has(key) {
            let Some(plan) = guessed.plan(key) else { return };
            let mut call = self.begin(key, String::new(), self.policy.rule_unnamed(plan.parties()), now);
            plan.set_up(&mut call, now);
            let last = self.clock.epoch().time(plan.last());
            self.stage.add(key, call, now, Some(last));
        }
        if let Some(live) = self.stage.get(key, now) {
            live.call.rtp(side, datagram.src, datagram.payload, now);
        }
    }

    /// Calls that are over, or of which nothing has been seen for too long.
    fn close_outdated(&mut self, now: Time) -> Result<(), ReplayError> {
        let (calls, idle) = (&self.calls, self.options.idle);
        let outdated = self.stage.outdated(|key, live| {
            let limit = match (live.ended, calls.outcome(key).0) {
                (Some(_), _) => LINGER,
                (None, Outcome::Answered | Outcome::Completed) => idle,
                (
                    None,
                    Outcome::Ringing
                    | Outcome::NoAnswer
                    | Outcome::Busy
                    | Outcome::Cancelled
                    | Outcome::Failed
                    | Outcome::Voicemail,
                ) => RING,
            };
            now.since(live.last_seen) >= limit
        });
        outdated.into_iter().try_for_each(|key| self.close(key, now, false))
    }

    fn close(&mut self, key: CallKey, now: Time, capture_ends: bool) -> Result<(), ReplayError> {
        let (mut outcome, mut reason) = self.calls.outcome(key);
        let mut at = now;
        if let Some(live) = self.stage.peek(key) {
            let guessed = live.ends_at;
            at = guessed.unwrap_or(if outcome == Outcome::Answered { now } else { live.last_seen });
            match (live.ended, outcome, guessed) {
                (None, Outcome::Answered, None) if capture_ends => {
                    live.call.note("the capture ends before the call".to_owned())
                }
                (None, Outcome::Answered, None) => {
                    live.call.note(format!(
                        "nothing of the call was seen for {} s: taken for ended",
                        self.options.idle.as_millis() / 1_000
                    ));
                    (outcome, reason) = (Outcome::Completed, Some(EndReason::PeerGone));
                }
                (_, Outcome::Ringing, None) if capture_ends => {
                    live.call.note("the capture ends before the call was answered".to_owned())
                }
                (_, Outcome::Ringing, None) => (outcome, reason) = (Outcome::NoAnswer, Some(EndReason::RingTimeout)),
                (_, Outcome::Answered, Some(_)) => outcome = Outcome::Completed,
                (_, _, _) => {}
            }
        }
        let failed = |source| ReplayError::Write { folder: self.options.folder.clone(), source };
        self.stage.close(key, at, outcome, reason).map_err(failed)?;
        self.calls.forget(key);
        Ok(())
    }

    fn finish(mut self) -> Result<Report, ReplayError> {
        let now = self.clock.now();
        for key in self.stage.keys() {
            self.close(key, now, true)?;
        }
        let unclaimed: Vec<Unclaimed> = self.unclaimed.finish().calls.into_iter().map(unclaimed).collect();
        let mut notes = self.notes;
        if self.bad_sip > 0 {
            notes.push(format!("{} SIP messages cannot be read", self.bad_sip));
        }
        if self.calls.headless() > 0 {
            notes.push(format!("{} calls began before the capture: their INVITE is missing", self.calls.headless()));
        }
        if !unclaimed.is_empty() {
            let packets: u64 = unclaimed.iter().flat_map(|pair| pair.packets).sum();
            notes.push(format!(
                "{} RTP conversations ({packets} packets) have no signalling: --rtp-only replays them",
                unclaimed.len()
            ));
        }
        if self.clock.back > BACK {
            notes.push(format!("the capture's clock goes back by up to {} ms", self.clock.back.as_millis()));
        }
        let calls: Vec<CallReport> = self.stage.finish();
        Ok(Report {
            capture: self.path.to_owned(),
            began: self.clock.began(),
            datagrams: self.datagrams,
            sip: self.sip,
            length_s: (self.clock.length().0 as f64) / 1e6,
            calls,
            unclaimed,
            notes,
        })
    }
}

fn unclaimed(call: GuessedCall) -> Unclaimed {
    let GuessedCall { one, other } = call;
    let last = other.as_ref().map_or(one.last, |other| other.last.max(one.last));
    Unclaimed {
        one: one.flow.src.to_string(),
        other: one.flow.dst.to_string(),
        packets: [one.packets, other.map_or(0, |other| other.packets)],
        first: one.first,
        last,
    }
}
