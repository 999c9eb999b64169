//! Two lanes on one axis: tap events in, aligned stereo blocks and late patches out.

use super::cuts::Cuts;
use super::lane::{Action, FURTHEST, Frame, Lane, Stamp, decode};
use super::marker::Markers;
use super::quiet::Quiet;
use super::voice::Voice;
use super::wav::Layout;
use crate::audio::{Coding, Law};
use crate::base::{Rate, Side, Span, Time};
use crate::ledger::{Marker, MarkerKind, PauseInFile};
use crate::media::TapEvent;

/// A stereo sample: left the caller, right the callee.
pub type Stereo = [i16; 2];

/// Where samples go.
pub trait Sink {
    /// The next samples of the file. Blocks follow each other without a hole.
    fn block(&mut self, frames: &[Stereo]);
    /// Samples of one party that came after their place was written. `at` is from the file's start.
    fn patch(&mut self, at: u64, side: Side, samples: &[i16]);
    /// `length` samples of one party that are to be silent after their place was written.
    fn hush(&mut self, at: u64, side: Side, length: usize);
}

/// How the timeline is kept.
#[derive(Clone, Copy, Debug)]
pub struct TimelineConfig {
    /// How long samples wait for late ones before they are written.
    pub window: Span,
    /// Samples per second of the file.
    pub rate: Rate,
    /// The timeline has two lanes all the same: they are brought together where they are written.
    pub layout: Layout,
    pub pause: PauseInFile,
}

/// The axis of the recording: position 0 is the moment at which it began. The file leaves out what
/// [`Cuts`] say.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    zero: Time,
    rate: Rate,
}

impl Axis {
    /// The position of a moment; negative before the file began.
    pub fn position(self, at: Time) -> i64 {
        let samples = |span| i64::try_from(self.rate.samples(span).0).unwrap_or(i64::MAX);
        match at >= self.zero {
            true => samples(at.since(self.zero)),
            false => -samples(self.zero.since(at)),
        }
    }

    pub const fn rate(self) -> Rate {
        self.rate
    }

    /// A length that is given in samples at 8 kHz, in those of the file.
    pub const fn samples(self, narrow: i64) -> i64 {
        narrow * (self.rate.0 / Rate::NARROW.0) as i64
    }
}

/// The time axis of one recording.
#[derive(Debug)]
pub struct Timeline {
    axis: Axis,
    config: TimelineConfig,
    lanes: [Lane; 2],
    /// Decoders, from the first packet on that needs one.
    voices: [Option<Box<Voice>>; 2],
    /// Samples that are not written yet; the first has position `written`.
    ahead: Vec<Stereo>,
    written: i64,
    /// In positions of the file.
    markers: Markers,
    cuts: Cuts,
    paused: bool,
    quiet: Quiet,
    /// Reused between events.
    actions: Vec<Action>,
}

/// What usually waits: the window, the time between two writes, a little more.
const USUAL: usize = 5_120;
/// A pause that is cut out ends this much before it was over (60 ms, in samples at 8 kHz): what is
/// let through again may stand a little before its arrival, by a long packet at most.
const EDGE: i64 = 480;

impl Timeline {
    /// A file that begins at `zero`.
    pub fn new(zero: Time, config: TimelineConfig) -> Self {
        let mut markers = Markers::default();
        markers.add(MarkerKind::Start, 0, 0, None);
        Timeline {
            axis: Axis { zero, rate: config.rate },
            config,
            lanes: Default::default(),
            voices: [None, None],
            ahead: Vec::with_capacity(USUAL),
            written: 0,
            markers,
            cuts: Cuts::default(),
            paused: false,
            quiet: Quiet::new(config.rate),
            actions: Vec::new(),
        }
    }

    fn lane(&mut self, side: Side) -> &mut Lane {
        let [caller, callee] = &mut self.lanes;
        match side {
            Side::Caller => caller,
            Side::Callee => callee,
        }
    }

    pub fn handle(&mut self, event: &TapEvent<'_>, sink: &mut impl Sink) {
        match *event {
            TapEvent::Frame { side, coding, ssrc, sequence, timestamp, arrival, payload } => {
                let Some(ticks) = coding.ticks(payload) else { return };
                let stamp = Stamp { coding, ssrc, sequence, timestamp, arrival, ticks };
                let direct = self.axis.rate == Rate::NARROW && !self.has_voice(side);
                match coding {
                    Coding::G711(law) if direct => self.g711(side, law, stamp, payload, sink),
                    Coding::Noise if direct => self.frame(side, Frame { stamp, samples: Vec::new() }, arrival, sink),
                    Coding::G711(_) | Coding::G722 | Coding::Opus | Coding::G729 | Coding::Noise => {
                        self.voice(side, stamp, payload, sink);
                    }
                    // It cannot be understood; the tap does not send it.
                    Coding::Foreign { .. } => {}
                }
            }
            TapEvent::Gate { open, at, edge } => self.gate(open, at, edge, sink),
            TapEvent::Key { side, ssrc, timestamp, length, first } => {
                let (axis, mut actions) = (self.axis, std::mem::take(&mut self.actions));
                let place = self.lane(side).key(ssrc, timestamp, length, axis, &mut actions);
                match (place, first) {
                    (Some((at, length)), true) => self.mark(MarkerKind::DigitBlanked, at, length, Some(side)),
                    (Some((_, length)), false) => self.markers.lengthen_key(side, length),
                    (None, _) => {}
                }
                if let Some((at, length)) = place {
                    self.quiet.key(side, at, length);
                }
                self.act(side, actions, Time::ZERO, sink);
            }
            TapEvent::Hold { side, on, at } => {
                let kind = if on { MarkerKind::Hold } else { MarkerKind::Unhold };
                self.mark(kind, self.axis.position(at), 0, Some(side));
            }
            TapEvent::Joined { side, at, name } => {
                self.markers.transfer(self.cuts.in_file(self.axis.position(at)), side, &String::from_utf8_lossy(name));
            }
            TapEvent::Refused { since: Some(since), at } => self.blank_since(since, at, sink),
            // The whole recording is taken away.
            TapEvent::Refused { since: None, .. } | TapEvent::End { .. } => {}
        }
    }

    /// Nothing of either party stays from a moment on.
    fn blank_since(&mut self, since: Time, now: Time, sink: &mut impl Sink) {
        self.flush_voices(None, now, sink);
        self.settle_all(now, sink);
        let from = self.axis.position(since);
        for side in Side::BOTH {
            let to = self.lane(side).end();
            self.act(side, vec![Action::Silence { from, to }], now, sink);
        }
    }

    /// A frame that is decoded byte by byte, straight to its place where it is in order.
    fn g711(&mut self, side: Side, law: Law, stamp: Stamp, payload: &[u8], sink: &mut impl Sink) {
        let axis = self.axis;
        if let Some(at) = self.lane(side).next_in_order(stamp, payload.len(), axis) {
            return self.put_next(side, law, at, payload, stamp.arrival, sink);
        }
        self.frame(side, Frame { stamp, samples: decode(law, payload) }, stamp.arrival, sink);
    }

    /// Whether a codec with a memory was heard from a party: from then on all goes the same way.
    fn has_voice(&self, side: Side) -> bool {
        self.voices.get(side.channel()).is_some_and(Option::is_some)
    }

    /// A frame of a codec with a memory.
    fn voice(&mut self, side: Side, stamp: Stamp, payload: &[u8], sink: &mut impl Sink) {
        let mut frames = Vec::new();
        let rate = self.axis.rate;
        if let Some(voice) = self.voices.get_mut(side.channel()) {
            voice.get_or_insert_with(|| Box::new(Voice::new(rate))).take(stamp, payload, &mut frames);
        }
        for frame in frames {
            self.frame(side, frame, stamp.arrival, sink);
        }
    }

    fn frame(&mut self, side: Side, frame: Frame, now: Time, sink: &mut impl Sink) {
        let (axis, mut actions) = (self.axis, std::mem::take(&mut self.actions));
        self.lane(side).frame(frame, axis, &mut actions);
        self.act(side, actions, now, sink);
    }

    /// Decodes what waits for packets that are missing since before `moment`.
    fn flush_voices(&mut self, moment: Option<Time>, now: Time, sink: &mut impl Sink) {
        for side in Side::BOTH {
            let mut frames = Vec::new();
            if let Some(Some(voice)) = self.voices.get_mut(side.channel())
                && moment.is_none_or(|moment| voice.waits_since_before(moment))
            {
                voice.flush(&mut frames);
            }
            for frame in frames {
                self.frame(side, frame, now, sink);
            }
        }
    }

    /// Marks a place on the axis.
    fn mark(&mut self, kind: MarkerKind, at: i64, length: i64, side: Option<Side>) {
        self.markers.add(kind, self.cuts.in_file(at), length, side);
    }

    fn gate(&mut self, open: bool, at: Time, edge: Option<(Side, u32, u32)>, sink: &mut impl Sink) {
        self.paused = !open;
        self.flush_voices(None, at, sink);
        self.voices.iter_mut().flatten().for_each(|voice| voice.restart());
        let arrival = self.axis.position(at);
        let place = edge.and_then(|(side, ssrc, timestamp)| self.lane(side).position_of(ssrc, timestamp));
        let place = place.unwrap_or(arrival);
        let by = edge.map(|(side, _, _)| side);
        match open {
            true => self.quiet.resume(arrival.max(place)),
            false => self.quiet.pause(arrival.min(place)),
        }
        if let (Some((side, ssrc, timestamp)), false) = (edge, open) {
            self.silence_from(side, ssrc, timestamp, at, sink);
        }
        match (self.config.pause, open) {
            (PauseInFile::Silence, true) => self.mark(MarkerKind::Resume, place, 0, by),
            (PauseInFile::Silence, false) => self.mark(MarkerKind::Pause, place, 0, by),
            (PauseInFile::Cut, true) => self.end_cut(arrival.min(place), sink),
            (PauseInFile::Cut, false) => self.begin_cut(arrival, by),
        }
    }

    /// The gate was shut at a timestamp of the party's stream: what came after it is taken back.
    fn silence_from(&mut self, side: Side, ssrc: u32, timestamp: u32, now: Time, sink: &mut impl Sink) {
        let axis = self.axis;
        self.lane(side).drop_waiting_from(ssrc, timestamp, axis);
        if let Some(from) = self.lane(side).position_of(ssrc, timestamp) {
            let to = self.lane(side).end();
            self.act(side, vec![Action::Silence { from, to }], now, sink);
        }
    }

    /// A pause begins that is left out of the file: behind everything that was let through, wherever
    /// that will stand.
    fn begin_cut(&mut self, arrival: i64, by: Option<Side>) {
        let axis = self.axis;
        let reach = |lane: &Lane| lane.end().max(arrival) + lane.waiting_span(axis);
        let at = self.lanes.iter().map(reach).max().unwrap_or(arrival).max(self.written);
        self.mark(MarkerKind::PauseCut, at, 0, by);
        self.cuts.begin(at);
    }

    /// It is over: the cut ends a little before the first sample that may come.
    fn end_cut(&mut self, resumed: i64, sink: &mut impl Sink) {
        let at = resumed - self.axis.samples(EDGE);
        let Some((from, length)) = self.cuts.end(at) else { return };
        self.markers.close_cut(self.cuts.in_file(from), length);
        // Silence that was left out and now is not.
        let missing = self.written - (from + length);
        if let Some(count) = usize::try_from(missing).ok().filter(|count| *count > 0) {
            sink.block(&vec![[0; 2]; count]);
        }
    }

    fn act(&mut self, side: Side, mut actions: Vec<Action>, now: Time, sink: &mut impl Sink) {
        for action in actions.drain(..) {
            match action {
                Action::Place { at, samples } => self.put(side, at, &samples, now, sink),
                Action::Silence { from, to } => self.silence(side, from, to, sink),
                Action::GapFound { from, to } => {
                    for (from, to) in self.quiet.outside(side, from.max(0), to.max(0)) {
                        self.markers.gap(self.cuts.in_file(from), self.cuts.in_file(to), side);
                    }
                }
                Action::Filled { from, to } => {
                    self.markers.fill(self.cuts.in_file(from), self.cuts.in_file(to), side);
                }
                Action::KeyFound { at, length } => {
                    self.mark(MarkerKind::DigitBlanked, at, length, Some(side));
                    self.quiet.key(side, at, length);
                }
                Action::NewSegment { at } => self.mark(MarkerKind::Segment, at, 0, Some(side)),
                Action::Drift { at, samples } => self.mark(MarkerKind::Drift, at, samples, Some(side)),
            }
        }
        self.actions = actions;
    }

    /// Puts samples at a position: ahead of what is written, or as a patch behind it.
    fn put(&mut self, side: Side, at: i64, samples: &[i16], now: Time, sink: &mut impl Sink) {
        let before_start = usize::try_from(-at).unwrap_or(0).min(samples.len());
        let (Some(samples), at) = (samples.get(before_start..), at.max(0)) else { return };
        if samples.is_empty() || at > self.axis.position(now).max(self.written) + self.axis.samples(FURTHEST) {
            return;
        }
        let behind = usize::try_from(self.written - at).unwrap_or(0).min(samples.len());
        let (late, rest) = samples.split_at(behind);
        if !late.is_empty() {
            self.patch(side, at, late, sink);
        }
        let start = usize::try_from((at - self.written).max(0)).unwrap_or(0);
        self.reach(start + rest.len());
        for (place, sample) in self.ahead.iter_mut().skip(start).zip(rest) {
            set(place, side, *sample);
        }
    }

    /// Samples whose place is written; what belongs into a cut is left out like the rest of it.
    fn patch(&self, side: Side, at: i64, samples: &[i16], sink: &mut impl Sink) {
        let until = at + i64::try_from(samples.len()).unwrap_or(0);
        for (from, to) in self.cuts.kept(at, until) {
            let part = |place: i64| usize::try_from(place - at).unwrap_or(0);
            if let Some(samples) = samples.get(part(from)..part(to)) {
                sink.patch(u64::try_from(self.cuts.in_file(from)).unwrap_or(0), side, samples);
            }
        }
    }

    /// A frame in order: decoded straight to its place.
    fn put_next(&mut self, side: Side, law: Law, at: i64, payload: &[u8], now: Time, sink: &mut impl Sink) {
        let furthest = self.axis.position(now).max(self.written) + self.axis.samples(FURTHEST);
        let ahead = at >= self.written.max(0) && at <= furthest;
        let Some(start) = usize::try_from(at - self.written).ok().filter(|_| ahead) else {
            return self.put(side, at, &decode(law, payload), now, sink);
        };
        self.reach(start + payload.len());
        let Some(places) = self.ahead.get_mut(start..start + payload.len()) else { return };
        match side {
            Side::Caller => places.iter_mut().zip(payload).for_each(|([left, _], byte)| *left = law.decode(*byte)),
            Side::Callee => places.iter_mut().zip(payload).for_each(|([_, right], byte)| *right = law.decode(*byte)),
        }
    }

    /// Makes room up to `length` samples ahead, no more than is needed: there are many recordings.
    fn reach(&mut self, length: usize) {
        const STEP: usize = 1_024;
        if self.ahead.len() < length {
            if self.ahead.capacity() < length {
                self.ahead.reserve_exact(length + STEP - self.ahead.len());
            }
            self.ahead.resize(length, [0; 2]);
        }
    }

    fn silence(&mut self, side: Side, from: i64, to: i64, sink: &mut impl Sink) {
        let from = from.max(0);
        if to <= from {
            return;
        }
        let behind_end = to.min(self.written);
        if from < behind_end {
            for (from, to) in self.cuts.kept(from, behind_end) {
                let length = usize::try_from(to - from).unwrap_or(0);
                sink.hush(u64::try_from(self.cuts.in_file(from)).unwrap_or(0), side, length);
            }
        }
        let start = usize::try_from(from - self.written).unwrap_or(0);
        let stop = usize::try_from(to - self.written).unwrap_or(0).min(self.ahead.len());
        for place in self.ahead.iter_mut().take(stop).skip(start) {
            set(place, side, 0);
        }
    }

    /// Writes what is older than the window.
    pub fn advance(&mut self, now: Time, sink: &mut impl Sink) {
        self.flush_voices(Some(now - self.config.window), now, sink);
        self.settle(now, sink);
        let until = self.axis.position(now - self.config.window);
        self.close_gaps(until, sink);
        self.write_until(until, sink);
    }

    fn settle(&mut self, now: Time, sink: &mut impl Sink) {
        let axis = self.axis;
        for side in Side::BOTH {
            let mut actions = std::mem::take(&mut self.actions);
            self.lane(side).settle(now, axis, &mut actions);
            self.act(side, actions, now, sink);
        }
    }

    fn close_gaps(&mut self, until: i64, sink: &mut impl Sink) {
        for side in Side::BOTH {
            let mut actions = std::mem::take(&mut self.actions);
            self.lane(side).close_gaps(until, &mut actions);
            self.act(side, actions, Time::ZERO, sink);
        }
    }

    fn write_until(&mut self, until: i64, sink: &mut impl Sink) {
        let Some(count) = usize::try_from(until - self.written).ok().filter(|count| *count > 0) else {
            return;
        };
        self.reach(count);
        for (from, to) in self.cuts.kept(self.written, until) {
            let part = |at: i64| usize::try_from(at - self.written).unwrap_or(0);
            if let Some(frames) = self.ahead.get(part(from)..part(to)) {
                sink.block(frames);
            }
        }
        self.ahead.drain(..count);
        self.written = until;
    }

    /// Ends the file at `end`: everything that waits is written, and what lies after `end` is cut, but
    /// for words that stand there because others came late.
    pub fn finish(&mut self, end: Time, sink: &mut impl Sink) {
        self.flush_voices(None, end, sink);
        self.settle_all(end, sink);
        let moved = self.lanes.iter().map(Lane::moved_end).max().unwrap_or(0);
        let until = self.axis.position(end).max(self.written).max(moved);
        if let Some((from, length)) = self.cuts.end(until) {
            self.markers.close_cut(self.cuts.in_file(from), length);
        }
        self.close_gaps(until, sink);
        self.write_until(until, sink);
        self.ahead = Vec::new();
        self.mark(MarkerKind::End, until, 0, None);
    }

    /// Everything that waits for its place gets one now.
    fn settle_all(&mut self, now: Time, sink: &mut impl Sink) {
        let axis = self.axis;
        for side in Side::BOTH {
            let mut actions = std::mem::take(&mut self.actions);
            self.lane(side).settle_rest(axis, &mut actions);
            self.act(side, actions, now, sink);
        }
    }

    /// Samples of one channel that were written so far.
    pub fn written(&self) -> u64 {
        u64::try_from(self.cuts.in_file(self.written)).unwrap_or(0)
    }

    /// How far the recording had come when the sample at a place of the file was spoken.
    pub fn moment(&self, in_file: u64) -> u64 {
        u64::try_from(self.cuts.moment(i64::try_from(in_file).unwrap_or(i64::MAX))).unwrap_or(0)
    }

    /// Markers that were changed after they were set, told once.
    pub fn take_amended(&mut self) -> Vec<Marker> {
        self.markers.take_amended()
    }

    pub const fn markers(&self) -> &Markers {
        &self.markers
    }

    pub const fn is_paused(&self) -> bool {
        self.paused
    }
}

fn set(place: &mut Stereo, side: Side, sample: i16) {
    let [left, right] = place;
    match side {
        Side::Caller => *left = sample,
        Side::Callee => *right = sample,
    }
}
