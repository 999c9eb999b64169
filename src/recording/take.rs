//! One call's recording while it is up: dormant until the gate first opens, then a file.
//!
//! ```text
//! Dormant ─gate opens─► Running ─End─► Closed
//!    │                     ├─refused by a party that was there from its beginning─► Ended, nothing remains
//!    │                     └─a write fails─► Failed (closed as it stands)
//!    └─End─► nothing was recorded
//! ```

use super::apart::Apart;
use super::repair::JournalLine;
use super::timeline::{Sink, Stereo, Timeline, TimelineConfig};
use super::wav::{Layout, Wav, merge, offset_of};
use crate::base::{Rate, Side, Time};
use crate::ledger::{Channels, Marker};
use crate::media::TapEvent;
use std::io;

/// The recorder's disk, for one call.
pub trait PartFile {
    /// Creates the file of a part (from 0) and makes it the current one.
    fn create(&mut self, part: u32) -> io::Result<()>;
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Adds a line to the journal, from which a file is repaired after a crash.
    fn journal(&mut self, line: &JournalLine) -> io::Result<()>;
    /// Takes away everything that was written of the recording.
    fn discard(&mut self) -> io::Result<()>;
}

/// A part of the recording that is complete on disk but for its trailer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub part: u32,
    /// When its first sample was spoken.
    pub started: Time,
    /// Samples of one channel.
    pub samples: u64,
    pub rate: Rate,
    pub markers: Vec<Marker>,
    pub markers_left_out: u64,
    /// SHA-256 of the audio, hex; `None` when the file has to be read again.
    pub audio_sha256: Option<String>,
    /// Set when it was closed before the call ended.
    pub problem: Option<String>,
}

/// Where a take stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeState {
    Dormant,
    Running,
    Ended,
    Failed,
}

/// The recording of one call.
pub struct Take {
    state: State,
    config: TimelineConfig,
    /// Samples of one channel that a part holds at most.
    most: u64,
}

enum State {
    Dormant,
    Running(Box<Running>),
    Ended,
    Failed,
}

struct Running {
    timeline: Timeline,
    wav: Wav,
    /// Of a mono file.
    apart: Option<Apart>,
    zero: Time,
    rate: Rate,
    layout: Layout,
    part: u32,
    /// Position at which the current part begins.
    part_from: u64,
    journaled: usize,
}

impl Take {
    /// `most_bytes`: audio bytes that a part holds at most.
    pub const fn new(config: TimelineConfig, most_bytes: u64) -> Self {
        Take { state: State::Dormant, config, most: most_bytes / config.layout.channels().frame_bytes() }
    }

    /// The rate of a file that is not begun yet.
    pub const fn set_rate(&mut self, rate: Rate) {
        self.config.rate = rate;
    }

    pub const fn state(&self) -> TakeState {
        match self.state {
            State::Dormant => TakeState::Dormant,
            State::Running(_) => TakeState::Running,
            State::Ended => TakeState::Ended,
            State::Failed => TakeState::Failed,
        }
    }

    /// Takes an event of the tap. What is complete is returned; `Err` when no file could be made
    /// at all (what there is of earlier parts was returned before).
    pub fn handle(&mut self, event: &TapEvent<'_>, file: &mut impl PartFile) -> io::Result<Vec<Closed>> {
        match (&mut self.state, event) {
            (State::Dormant, TapEvent::Gate { open: true, at, .. }) => self.start(*at, file).map(|()| Vec::new()),
            (State::Dormant, TapEvent::End { .. }) => {
                self.state = State::Ended;
                Ok(Vec::new())
            }
            (State::Running(_), TapEvent::End { at }) => Ok(self.end(*at, file)),
            (State::Dormant, TapEvent::Refused { .. }) => {
                self.state = State::Ended;
                Ok(Vec::new())
            }
            (State::Running(running), TapEvent::Refused { since, .. }) if since.is_none_or(|at| at <= running.zero) => {
                self.state = State::Ended;
                file.discard().map(|()| Vec::new())
            }
            (State::Running(running), event) => {
                let outcome = running.step(file, |timeline, disk| timeline.handle(event, disk));
                Ok(self.after(outcome, None, file))
            }
            (State::Dormant | State::Ended | State::Failed, _) => Ok(Vec::new()),
        }
    }

    fn start(&mut self, zero: Time, file: &mut impl PartFile) -> io::Result<()> {
        let TimelineConfig { rate, layout, .. } = self.config;
        let begun = file.create(0).and_then(|()| Wav::new(rate.0, layout)).and_then(|mut wav| {
            wav.take_block(|offset, bytes| file.write_at(offset, bytes))?;
            file.journal(&JournalLine::Part { part: 0, from: 0 })?;
            Ok(wav)
        });
        match begun {
            Ok(wav) => {
                let timeline = Timeline::new(zero, self.config);
                let apart = match layout {
                    Layout::Stereo | Layout::Alone(_) => None,
                    Layout::Mixed => Some(Apart::new(rate)),
                };
                let (part, part_from, journaled) = (0, 0, 0);
                let running = Running { timeline, wav, apart, zero, rate, layout, part, part_from, journaled };
                self.state = State::Running(Box::new(running));
                Ok(())
            }
            Err(error) => {
                self.state = State::Failed;
                Err(error)
            }
        }
    }

    /// Writes what is older than the window. To be called at least every 500 ms.
    pub fn advance(&mut self, now: Time, file: &mut impl PartFile) -> Vec<Closed> {
        let State::Running(running) = &mut self.state else { return Vec::new() };
        let outcome = running.step(file, |timeline, disk| timeline.advance(now, disk));
        self.after(outcome, Some(now), file)
    }

    /// Closes the file as it stands, e.g. because the disk is full.
    pub fn fail(&mut self, problem: &str) -> Vec<Closed> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Running(running) => vec![running.close(Some(problem.to_owned()))],
            State::Dormant | State::Ended | State::Failed => Vec::new(),
        }
    }

    fn end(&mut self, at: Time, file: &mut impl PartFile) -> Vec<Closed> {
        let State::Running(running) = &mut self.state else { return Vec::new() };
        let outcome = running.step(file, |timeline, disk| timeline.finish(at, disk));
        let mut closed = self.after(outcome, None, file);
        if let State::Running(running) = std::mem::replace(&mut self.state, State::Ended) {
            closed.push(running.close(None));
        } else {
            self.state = State::Failed;
        }
        closed
    }

    /// Encodes the blocks that came out, starts new parts, keeps the journal.
    fn after(&mut self, outcome: Outcome, now: Option<Time>, file: &mut impl PartFile) -> Vec<Closed> {
        let State::Running(running) = &mut self.state else { return Vec::new() };
        let mut closed = Vec::new();
        match running.absorb(outcome, self.most, now.is_some(), file, &mut closed) {
            Ok(()) => closed,
            Err(error) => {
                closed.extend(self.fail(&error.to_string()));
                closed
            }
        }
    }
}

impl Running {
    /// A step of the timeline, with patches of what is on disk carried out.
    fn step<F: PartFile>(&mut self, file: &mut F, step: impl FnOnce(&mut Timeline, &mut Disk<'_, F>)) -> Outcome {
        let (part_from, layout) = (self.part_from, self.layout);
        let mut disk = Disk { part_from, layout, apart: self.apart.as_mut(), file, outcome: Outcome::default() };
        step(&mut self.timeline, &mut disk);
        disk.outcome
    }

    fn absorb(
        &mut self,
        outcome: Outcome,
        most: u64,
        journal: bool,
        file: &mut impl PartFile,
        closed: &mut Vec<Closed>,
    ) -> io::Result<()> {
        if outcome.patched {
            self.wav.mark_patched();
        }
        if let Some(error) = outcome.error {
            return Err(error);
        }
        let mut frames = outcome.frames.as_slice();
        while !frames.is_empty() {
            let room = usize::try_from(most.saturating_sub(self.wav.frames())).unwrap_or(usize::MAX);
            if room == 0 {
                self.next_part(file, closed)?;
                continue;
            }
            let (now, later) = frames.split_at(room.min(frames.len()));
            self.wav.append(now)?;
            if let Some(apart) = &mut self.apart {
                apart.wrote(now);
            }
            self.wav.take_block(|offset, bytes| file.write_at(offset, bytes))?;
            frames = later;
        }
        if journal {
            self.journal_markers(file)?;
        }
        Ok(())
    }

    fn next_part(&mut self, file: &mut impl PartFile, closed: &mut Vec<Closed>) -> io::Result<()> {
        closed.push(self.summary(None));
        self.part_from += self.wav.frames();
        self.part += 1;
        file.create(self.part)?;
        self.wav = Wav::new(self.rate.0, self.layout)?;
        self.wav.take_block(|offset, bytes| file.write_at(offset, bytes))?;
        file.journal(&JournalLine::Part { part: self.part, from: self.part_from })
    }

    fn journal_markers(&mut self, file: &mut impl PartFile) -> io::Result<()> {
        let amended = self.timeline.take_amended();
        let markers = self.timeline.markers();
        for marker in markers.since(self.journaled).iter().chain(&amended) {
            file.journal(&JournalLine::Marker { marker: marker.clone() })?;
        }
        self.journaled = markers.count();
        Ok(())
    }

    fn summary(&self, problem: Option<String>) -> Closed {
        let frames = self.wav.saved();
        let markers = self.timeline.markers();
        Closed {
            part: self.part,
            started: self.zero + self.rate.span(crate::base::Samples(self.timeline.moment(self.part_from))),
            samples: frames,
            rate: self.rate,
            markers: markers.within(self.part_from, self.part_from + frames),
            markers_left_out: markers.left_out(),
            audio_sha256: self.wav.audio_sha256(),
            problem,
        }
    }

    fn close(self, problem: Option<String>) -> Closed {
        self.summary(problem)
    }
}

/// What a step of the timeline led to.
#[derive(Default)]
struct Outcome {
    frames: Vec<Stereo>,
    patched: bool,
    error: Option<io::Error>,
}

/// Collects blocks and carries out patches of what is on disk already.
struct Disk<'a, F> {
    part_from: u64,
    layout: Layout,
    /// Where the parties are mixed.
    apart: Option<&'a mut Apart>,
    file: &'a mut F,
    outcome: Outcome,
}

impl<F: PartFile> Disk<'_, F> {
    /// Changes samples of both parties from `at` on.
    fn change_mixed(&mut self, at: u64, count: usize, change: impl FnOnce(&mut Apart, &mut [i16])) -> io::Result<()> {
        let Some(apart) = self.apart.as_deref_mut() else { return Ok(()) };
        let offset = offset_of(at - self.part_from, Channels::Mono);
        let mut bytes = vec![0; count * 2];
        self.file.read_at(offset, &mut bytes)?;
        let (samples, _) = bytes.as_chunks::<2>();
        let mut samples: Vec<i16> = samples.iter().map(|sample| i16::from_le_bytes(*sample)).collect();
        change(apart, &mut samples);
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.file.write_at(offset, &bytes)
    }

    /// The one party that there is.
    fn patch_alone(&mut self, at: u64, samples: &[i16]) -> io::Result<()> {
        let offset = offset_of(at - self.part_from, Channels::Mono);
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.file.write_at(offset, &bytes)
    }

    fn patch_channel(&mut self, at: u64, side: Side, samples: &[i16]) -> io::Result<()> {
        let offset = offset_of(at - self.part_from, Channels::Stereo);
        let mut bytes = vec![0; samples.len() * 4];
        self.file.read_at(offset, &mut bytes)?;
        merge(&mut bytes, side, samples);
        self.file.write_at(offset, &bytes)
    }

    /// What lies before the current part is final.
    fn gone(&self, at: u64, length: usize) -> usize {
        usize::try_from(self.part_from.saturating_sub(at)).unwrap_or(usize::MAX).min(length)
    }

    fn patched(&mut self, patched: io::Result<()>) {
        self.outcome.patched = true;
        if let Err(error) = patched {
            self.outcome.error = Some(error);
        }
    }
}

impl<F: PartFile> Sink for Disk<'_, F> {
    fn block(&mut self, frames: &[Stereo]) {
        self.outcome.frames.extend_from_slice(frames);
    }

    /// A patch that reaches into a closed part loses what lies there: that part is final.
    fn patch(&mut self, at: u64, side: Side, samples: &[i16]) {
        let gone = self.gone(at, samples.len());
        let Some(samples) = samples.get(gone..).filter(|samples| !samples.is_empty()) else { return };
        let at = at.max(self.part_from);
        let patched = match self.layout {
            Layout::Stereo => self.patch_channel(at, side, samples),
            Layout::Mixed => self.change_mixed(at, samples.len(), |apart, mixed| apart.patch(at, side, samples, mixed)),
            Layout::Alone(of) if of == side => self.patch_alone(at, samples),
            Layout::Alone(_) => return,
        };
        self.patched(patched);
    }

    fn hush(&mut self, at: u64, side: Side, length: usize) {
        let length = length - self.gone(at, length);
        if length == 0 {
            return;
        }
        let at = at.max(self.part_from);
        let patched = match self.layout {
            Layout::Stereo => self.patch_channel(at, side, &vec![0; length]),
            Layout::Mixed => self.change_mixed(at, length, |apart, mixed| apart.hush(at, side, mixed)),
            Layout::Alone(of) if of == side => self.patch_alone(at, &vec![0; length]),
            Layout::Alone(_) => return,
        };
        self.patched(patched);
    }
}
