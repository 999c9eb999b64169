//! One party's stream on the time axis of the file.
//!
//! ```text
//! (nothing) ─first frame─► Starting ─200 ms─► in a segment ─another SSRC─► Starting …
//!                                              │  ▲ close again within 500 ms
//!                       > 200 ms off its place ▼  │
//!                                            Straying ─500 ms─► a new segment, placed by arrival
//!                                                     ─over───► late words keep their place
//! ```
//! Inside a segment the place of a sample follows the RTP clock alone.

use super::drift::{CORRECT, Envelope, FORCE};
use super::timeline::Axis;
use crate::audio::{Coding, Law};
use crate::base::{Span, Time};
use crate::rtp::{Unwrap16, Unwrap32};
use std::collections::VecDeque;

/// A start is placed by the fastest of the packets of this time.
const SETTLE: Span = Span::from_millis(200);
/// RTP clock and arrival may differ by this much (200 ms), in samples at 8 kHz.
const STRAY: i64 = 1_600;
/// So long may a stream stray before it is a new segment.
const STRAY_FOR: Span = Span::from_millis(500);
/// By this much (1 s, in samples at 8 kHz) a network or a machine may well be late; who is later and
/// does not catch up has a clock that stood still.
const STALL: i64 = 8_000;
/// Samples may lie this far after their arrival: those of a stream that was late and is in time again
/// follow what came late, and a packet may be early.
pub(super) const FURTHEST: i64 = STALL + 2 * STRAY;
/// A packet (20 ms, in samples at 8 kHz): by so little the fastest of a stream differ.
const PACKET: i64 = 160;
/// Frames that wait for their place at most: 2 s of 10 ms packets.
const MOST_WAITING: usize = 200;
/// What waits spans no more than this (1 s, in samples at 8 kHz), unless a timestamp is wrong.
const MOST_SPAN: i64 = 8_000;
/// Keys whose stretch is kept silent when more of it comes.
const MOST_KEYS: usize = 8;
/// Gaps that are still open to late packets.
const MOST_GAPS: usize = 32;
/// In speech a correction is made no more often than this: enough for a clock that is wrong by 5,000
/// ppm, and a stream that is far off its place comes back mostly in its pauses.
const BETWEEN_FORCED: Span = Span::from_secs(1);
/// Below this amplitude a correction is not heard.
const QUIET: u16 = 256;

/// A frame of samples as it came.
#[derive(Clone, Debug)]
pub struct Frame {
    pub stamp: Stamp,
    /// At the rate of the file.
    pub samples: Vec<i16>,
}

/// What a lane wants done. Positions are samples from the start of the file and may be negative.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Place {
        at: i64,
        samples: Vec<i16>,
    },
    /// Silence over `[from, to)`.
    Silence {
        from: i64,
        to: i64,
    },
    GapFound {
        from: i64,
        to: i64,
    },
    Filled {
        from: i64,
        to: i64,
    },
    NewSegment {
        at: i64,
    },
    /// A key that was pressed before its stream had a place.
    KeyFound {
        at: i64,
        length: i64,
    },
    /// Samples were put in (positive) or dropped (negative).
    Drift {
        at: i64,
        samples: i64,
    },
}

#[derive(Clone, Debug)]
struct Segment {
    ssrc: u32,
    scale: Scale,
    sequence: Unwrap16,
    timestamp: Unwrap32,
    /// Position = extended timestamp, scaled to samples of the file, + anchor.
    anchor: i64,
    /// Before this scaled timestamp the older anchor holds (a drift correction in between).
    before: Option<(i64, i64)>,
    /// It stands so much later than its arrival asked for, because what came late reached so far.
    lead: i64,
    /// When it was last corrected where it was not silent.
    forced: Option<Time>,
    highest: i64,
    end: i64,
}

/// From ticks of a stream's clock to samples of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    rate: i64,
    clock: i64,
}

impl Scale {
    fn of(coding: Coding, axis: Axis) -> Self {
        Scale { rate: i64::from(axis.rate().0), clock: i64::from(coding.clock().0.max(1)) }
    }

    const fn samples(self, ticks: i64) -> i64 {
        // G.711 in a file of its own rate: the usual case.
        if self.rate == self.clock { ticks } else { ticks * self.rate / self.clock }
    }
}

impl Segment {
    /// The scaled place of a timestamp, without remembering it.
    fn peek(&self, timestamp: u32) -> i64 {
        self.scale.samples(self.timestamp.peek(timestamp))
    }

    fn extend(&mut self, timestamp: u32) -> i64 {
        self.scale.samples(self.timestamp.extend(timestamp))
    }

    fn is_of(&self, stamp: &Stamp, axis: Axis) -> bool {
        self.ssrc == stamp.ssrc && self.scale == Scale::of(stamp.coding, axis)
    }

    /// Whether a packet of this lateness is too far off its place.
    fn is_astray(&self, lateness: i64, axis: Axis) -> bool {
        let stray = axis.samples(STRAY);
        !(-(stray + self.lead)..=stray).contains(&lateness)
    }

    fn position(&self, timestamp: i64) -> i64 {
        match self.before {
            Some((boundary, anchor)) if timestamp < boundary => timestamp + anchor,
            Some(_) | None => timestamp + self.anchor,
        }
    }
}

#[derive(Clone, Debug, Default)]
enum Waiting {
    #[default]
    Nothing,
    /// A stream that has no place yet.
    Starting { since: Time, frames: Vec<Frame> },
    /// Frames of the current segment that are far off their place.
    Straying { since: Time, frames: Vec<Frame> },
}

/// The lane of one party.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    segment: Option<Segment>,
    /// The segment before, for stragglers, until a time.
    previous: Option<(Segment, Time)>,
    waiting: Waiting,
    envelope: Envelope,
    /// Positions where packets are missing and may still come.
    gaps: VecDeque<(i64, i64)>,
    /// End of all that was placed.
    end: i64,
    /// End of what stands later than it arrived.
    moved_end: i64,
    /// Stretches of keys, by SSRC and scaled timestamp.
    keys: VecDeque<(u32, i64, i64)>,
    started: bool,
}

/// Where and when a frame belongs, without its samples.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub coding: Coding,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub arrival: Time,
    /// How long it lasts, in ticks of its coding's clock.
    pub ticks: u32,
}

impl Lane {
    /// The place of the next frame in order, where there is nothing to decide about it: the usual
    /// case, which needs no copy. `None`: the frame has to go through [`Lane::frame`].
    pub fn next_in_order(&mut self, stamp: Stamp, length: usize, axis: Axis) -> Option<i64> {
        let correct = axis.samples(CORRECT);
        if !matches!(self.waiting, Waiting::Nothing) || !self.keys.is_empty() || self.envelope.error().abs() >= correct
        {
            return None;
        }
        let segment = self.segment.as_mut().filter(|segment| segment.is_of(&stamp, axis))?;
        let at = segment.position(segment.peek(stamp.timestamp));
        let lateness = axis.position(stamp.arrival) - at;
        let follows = stamp.sequence == (segment.highest + 1) as u16 && at >= segment.end;
        if !follows || segment.is_astray(lateness, axis) {
            return None;
        }
        segment.highest = segment.sequence.extend(stamp.sequence);
        segment.timestamp.extend(stamp.timestamp);
        segment.end = at + i64::try_from(length).unwrap_or(0);
        self.end = self.end.max(segment.end);
        if lateness < -axis.samples(PACKET) {
            self.moved_end = self.end;
        }
        self.envelope.observe(lateness, stamp.arrival);
        Some(at)
    }

    /// Takes a frame in. The actions are in the order in which they are to be done.
    pub fn frame(&mut self, frame: Frame, axis: Axis, actions: &mut Vec<Action>) {
        let ours = self.segment.as_ref().is_some_and(|segment| segment.is_of(&frame.stamp, axis));
        if ours {
            return self.frame_of_segment(frame, axis, actions);
        }
        if let Some((previous, until)) = &mut self.previous
            && previous.is_of(&frame.stamp, axis)
            && frame.stamp.arrival <= *until
        {
            let at = previous.position(previous.peek(frame.stamp.timestamp));
            return actions.push(Action::Place { at, samples: frame.samples });
        }
        self.frame_of_new_stream(frame, axis, actions);
    }

    fn frame_of_segment(&mut self, frame: Frame, axis: Axis, actions: &mut Vec<Action>) {
        let Some(segment) = &self.segment else { return };
        let at = segment.position(segment.peek(frame.stamp.timestamp));
        let arrival = frame.stamp.arrival;
        let lateness = axis.position(arrival) - at;
        if segment.is_astray(lateness, axis) {
            return self.stray(frame, axis, actions);
        }
        if matches!(self.waiting, Waiting::Straying { .. }) {
            self.come_together(axis, arrival, actions);
        }
        self.envelope.observe(lateness, arrival);
        self.place(frame, axis, actions);
    }

    fn stray(&mut self, frame: Frame, axis: Axis, actions: &mut Vec<Action>) {
        let now = frame.stamp.arrival;
        match &mut self.waiting {
            Waiting::Straying { frames, .. } => frames.push(frame),
            Waiting::Nothing | Waiting::Starting { .. } => {
                self.waiting = Waiting::Straying { since: now, frames: vec![frame] };
            }
        }
        self.settle(now, axis, actions);
    }

    /// The stream is back at its place: what strayed belongs where its timestamps say,
    /// except what lies in the future (a packet with a wrong timestamp).
    fn come_together(&mut self, axis: Axis, now: Time, actions: &mut Vec<Action>) {
        let Waiting::Straying { frames, .. } = std::mem::take(&mut self.waiting) else { return };
        let latest = axis.position(now) + axis.samples(STRAY);
        for frame in frames {
            let is_future = |s: &Segment| s.position(s.peek(frame.stamp.timestamp)) > latest + s.lead;
            let future = self.segment.as_ref().is_none_or(is_future);
            if !future {
                self.place(frame, axis, actions);
            }
        }
    }

    fn frame_of_new_stream(&mut self, frame: Frame, axis: Axis, actions: &mut Vec<Action>) {
        let now = frame.stamp.arrival;
        let same = |first: &Frame| {
            let (first, next) = (&first.stamp, &frame.stamp);
            first.ssrc == next.ssrc && first.coding.clock() == next.coding.clock()
        };
        match &mut self.waiting {
            Waiting::Starting { frames, .. } if frames.first().is_some_and(same) => {
                frames.push(frame);
            }
            Waiting::Nothing | Waiting::Starting { .. } | Waiting::Straying { .. } => {
                self.settle_rest(axis, actions);
                // Those of an earlier stream of this name.
                self.keys.retain(|(ssrc, ..)| *ssrc != frame.stamp.ssrc);
                self.waiting = Waiting::Starting { since: now, frames: vec![frame] };
            }
        }
        self.settle(now, axis, actions);
    }

    /// Gives waiting frames their place when they have waited long enough.
    pub fn settle(&mut self, now: Time, axis: Axis, actions: &mut Vec<Action>) {
        let due = match &self.waiting {
            Waiting::Nothing => false,
            Waiting::Starting { since, frames } => now.since(*since) >= SETTLE || frames.len() >= MOST_WAITING,
            Waiting::Straying { since, frames } => now.since(*since) >= STRAY_FOR || frames.len() >= MOST_WAITING,
        };
        if due {
            self.settle_now(axis, actions);
        }
    }

    /// Gives what waits its place because nothing follows it: the stream or the recording is over.
    pub fn settle_rest(&mut self, axis: Axis, actions: &mut Vec<Action>) {
        match &self.waiting {
            Waiting::Straying { frames, .. } if self.is_only_late(frames, axis) => {
                let latest = frames.iter().map(|frame| frame.stamp.arrival).max().unwrap_or(Time::ZERO);
                self.come_together(axis, latest, actions);
            }
            Waiting::Nothing | Waiting::Starting { .. } | Waiting::Straying { .. } => self.settle_now(axis, actions),
        }
    }

    /// Whether what strays was held up on its way: each frame goes on from the segment, or comes from
    /// within it, and is behind its time no longer than a stall or came as fast as after one.
    fn is_only_late(&self, frames: &[Frame], axis: Axis) -> bool {
        let (Some(segment), Some(first), Some(last)) = (&self.segment, frames.first(), frames.last()) else {
            return false;
        };
        let at = |stamp: &Stamp| segment.position(segment.peek(stamp.timestamp));
        let lateness = |stamp: &Stamp| axis.position(stamp.arrival) - at(stamp);
        let belongs = |frame: &Frame| {
            let place = at(&frame.stamp);
            let after = segment.sequence.peek(frame.stamp.sequence) - segment.highest;
            match after > 0 {
                true => place >= segment.end,
                false => -after <= MOST_WAITING as i64 && (0..segment.end).contains(&place),
            }
        };
        let spoken = at(&last.stamp) - at(&first.stamp);
        let came = axis.position(last.stamp.arrival) - axis.position(first.stamp.arrival);
        let held_up = lateness(&last.stamp) <= axis.samples(STALL) || 2 * came <= spoken;
        held_up && frames.iter().all(|frame| belongs(frame) && lateness(&frame.stamp) > 0)
    }

    /// Makes a segment of what waits: placed by arrival, of the packet that came fastest.
    fn settle_now(&mut self, axis: Axis, actions: &mut Vec<Action>) {
        let (frames, is_new) = match std::mem::take(&mut self.waiting) {
            Waiting::Nothing => return,
            Waiting::Starting { frames, .. } => (frames, true),
            Waiting::Straying { frames, .. } => (frames, false),
        };
        let Some(first) = frames.first() else { return };
        let first = first.stamp;
        let (mut clock, scale) = (Unwrap32::default(), Scale::of(first.coding, axis));
        let mut place = |stamp: &Stamp| (scale.samples(clock.extend(stamp.timestamp)), axis.position(stamp.arrival));
        let places: Vec<(i64, i64)> = frames.iter().map(|frame| place(&frame.stamp)).collect();
        let anchor = places.iter().map(|(timestamp, arrival)| arrival - timestamp).min().unwrap_or(0);
        let earliest = places.iter().map(|(timestamp, _)| *timestamp).min().unwrap_or(0);
        // A start that would run into the end of what is there begins after it: nothing is written over.
        // Before the first one is the start of the file; only jitter reaches behind that.
        let most = axis.samples(if self.started { STALL } else { STRAY });
        let overlap = self.end - (earliest + anchor);
        let lead = if (0..=most).contains(&overlap) { overlap } else { 0 };
        let anchor = anchor + lead;
        let mut segment = Segment {
            ssrc: first.ssrc,
            scale,
            sequence: Unwrap16::default(),
            timestamp: Unwrap32::default(),
            anchor,
            before: None,
            lead,
            forced: None,
            highest: 0,
            end: earliest + anchor,
        };
        segment.timestamp.extend(first.timestamp);
        segment.highest = segment.sequence.extend(first.sequence) - 1;
        if self.started {
            actions.push(Action::NewSegment { at: earliest + anchor });
        }
        self.started = true;
        let keys = self.keys.iter().filter(|(ssrc, ..)| is_new && *ssrc == first.ssrc);
        actions.extend(keys.map(|(_, from, to)| Action::KeyFound { at: segment.position(*from), length: to - from }));
        let straggle_until = first.arrival + STRAY_FOR + STRAY_FOR;
        self.previous = self.segment.replace(segment).map(|old| (old, straggle_until));
        self.envelope = Envelope::default();
        for frame in frames {
            if let Some(segment) = &self.segment {
                let at = segment.position(segment.peek(frame.stamp.timestamp));
                self.envelope.observe(axis.position(frame.stamp.arrival) - at, frame.stamp.arrival);
            }
            self.place(frame, axis, actions);
        }
    }

    /// Puts a frame of the current segment at its place.
    fn place(&mut self, frame: Frame, axis: Axis, actions: &mut Vec<Action>) {
        let Some(segment) = &mut self.segment else { return };
        let stamp = frame.stamp;
        // A timestamp that is wrong: nothing that follows is to stand behind it.
        let early = segment.position(segment.peek(stamp.timestamp)) - axis.position(stamp.arrival);
        if early > axis.samples(FURTHEST) {
            return;
        }
        let length = i64::try_from(frame.samples.len()).unwrap_or(0);
        let sequence = segment.sequence.extend(stamp.sequence);
        let in_order = sequence > segment.highest;
        let timestamp = match in_order {
            true => segment.extend(stamp.timestamp),
            false => segment.peek(stamp.timestamp),
        };
        if in_order {
            follow_clock(segment, &mut self.envelope, timestamp, &frame, axis, actions);
        }
        let at = segment.position(timestamp);
        let mut found = None;
        if in_order {
            if sequence > segment.highest + 1 && at > segment.end {
                found = Some((segment.end, at));
            }
            segment.highest = sequence;
            segment.end = segment.end.max(at + length);
        }
        self.end = self.end.max(at + length);
        if early > axis.samples(PACKET) {
            self.moved_end = self.moved_end.max(at + length);
        }
        if let Some(gap) = found {
            self.open_gap(gap, actions);
        }
        if !in_order {
            self.fill_gaps(at, at + length);
            actions.push(Action::Filled { from: at, to: at + length });
        }
        actions.push(Action::Place { at, samples: frame.samples });
        let keys = self
            .keys
            .iter()
            .filter(|(ssrc, from, to)| *ssrc == stamp.ssrc && *from < timestamp + length && timestamp < *to);
        for (_, from, to) in keys {
            actions
                .push(Action::Silence { from: at + (from - timestamp).max(0), to: at + (to - timestamp).min(length) });
        }
    }

    fn open_gap(&mut self, gap: (i64, i64), actions: &mut Vec<Action>) {
        if self.gaps.len() >= MOST_GAPS
            && let Some((from, to)) = self.gaps.pop_front()
        {
            actions.push(Action::GapFound { from, to });
        }
        self.gaps.push_back(gap);
    }

    fn fill_gaps(&mut self, from: i64, to: i64) {
        let open = std::mem::take(&mut self.gaps);
        for (start, stop) in open {
            if to <= start || stop <= from {
                self.gaps.push_back((start, stop));
                continue;
            }
            if start < from {
                self.gaps.push_back((start, from));
            }
            if to < stop {
                self.gaps.push_back((to, stop));
            }
        }
    }

    /// Gaps that end before `position` are not filled in time any more.
    pub fn close_gaps(&mut self, position: i64, actions: &mut Vec<Action>) {
        self.gaps.retain(|(from, to)| {
            let closed = *to <= position;
            if closed {
                actions.push(Action::GapFound { from: *from, to: *to });
            }
            !closed
        });
    }

    /// A key is down from `timestamp` for `length` ticks so far. Returns the key's place and length,
    /// which come as an action where its stream has no place yet.
    pub fn key(
        &mut self,
        ssrc: u32,
        timestamp: u32,
        length: u32,
        axis: Axis,
        actions: &mut Vec<Action>,
    ) -> Option<(i64, i64)> {
        if let Some(first) = self.starts(ssrc) {
            let (mut clock, scale) = (Unwrap32::default(), Scale::of(first.coding, axis));
            clock.extend(first.timestamp);
            let from = scale.samples(clock.peek(timestamp));
            self.remember_key(ssrc, from, from + scale.samples(i64::from(length)));
            return None;
        }
        let segment = self.segment.as_ref().filter(|segment| segment.ssrc == ssrc)?;
        let from = segment.peek(timestamp);
        let to = from + segment.scale.samples(i64::from(length));
        self.remember_key(ssrc, from, to);
        let segment = self.segment.as_ref()?;
        actions.push(Action::Silence { from: segment.position(from), to: segment.position(to) });
        Some((segment.position(from), to - from))
    }

    /// The first frame of a stream that waits for its place.
    fn starts(&self, ssrc: u32) -> Option<Stamp> {
        let Waiting::Starting { frames, .. } = &self.waiting else { return None };
        frames.first().map(|frame| frame.stamp).filter(|first| first.ssrc == ssrc)
    }

    fn remember_key(&mut self, ssrc: u32, from: i64, to: i64) {
        match self.keys.iter_mut().find(|key| key.0 == ssrc && key.1 == from) {
            Some(key) => key.2 = key.2.max(to),
            None => {
                if self.keys.len() >= MOST_KEYS {
                    self.keys.pop_front();
                }
                self.keys.push_back((ssrc, from, to));
            }
        }
    }

    /// The place of a timestamp of the current segment.
    pub fn position_of(&self, ssrc: u32, timestamp: u32) -> Option<i64> {
        let segment = self.segment.as_ref().filter(|segment| segment.ssrc == ssrc)?;
        Some(segment.position(segment.peek(timestamp)))
    }

    /// The gate was shut at `timestamp`: what waits and belongs behind it is dropped.
    pub fn drop_waiting_from(&mut self, ssrc: u32, timestamp: u32, axis: Axis) {
        let frames = match &mut self.waiting {
            Waiting::Nothing => return,
            Waiting::Starting { frames, .. } | Waiting::Straying { frames, .. } => frames,
        };
        for frame in frames.iter_mut().filter(|frame| frame.stamp.ssrc == ssrc) {
            let keep = i64::from(timestamp.wrapping_sub(frame.stamp.timestamp) as i32);
            let keep = Scale::of(frame.stamp.coding, axis).samples(keep);
            frame.samples.truncate(usize::try_from(keep).unwrap_or(0));
        }
        frames.retain(|frame| !frame.samples.is_empty());
        if frames.is_empty() {
            self.waiting = Waiting::Nothing;
        }
    }

    /// How far what has no place yet can reach behind its arrival, or behind the end of what has one.
    pub fn waiting_span(&self, axis: Axis) -> i64 {
        let frames = match &self.waiting {
            Waiting::Nothing => return 0,
            Waiting::Starting { frames, .. } | Waiting::Straying { frames, .. } => frames,
        };
        let mut clock = Unwrap32::default();
        let (mut from, mut to) = (i64::MAX, i64::MIN);
        for Frame { stamp, samples } in frames {
            let at = Scale::of(stamp.coding, axis).samples(clock.extend(stamp.timestamp));
            (from, to) = (from.min(at), to.max(at + i64::try_from(samples.len()).unwrap_or(0)));
        }
        to.saturating_sub(from).clamp(0, axis.samples(MOST_SPAN))
    }

    /// Where the words end that stand later than they arrived, behind what came late; 0 where none do.
    pub const fn moved_end(&self) -> i64 {
        self.moved_end
    }

    /// End of all that was placed, in samples.
    pub const fn end(&self) -> i64 {
        self.end
    }
}

/// Moves the segment by at most 5 ms at `timestamp` where the sender's clock asks for it.
fn follow_clock(
    segment: &mut Segment,
    envelope: &mut Envelope,
    timestamp: i64,
    frame: &Frame,
    axis: Axis,
    actions: &mut Vec<Action>,
) {
    let (error, now) = (envelope.error(), frame.stamp.arrival);
    let quiet = frame.samples.iter().all(|sample| sample.unsigned_abs() < QUIET);
    let (correct, force) = (axis.samples(CORRECT), axis.samples(FORCE));
    if error.abs() < correct || (error.abs() < force && !quiet) {
        return;
    }
    if !quiet {
        if segment.forced.is_some_and(|last| now.since(last) < BETWEEN_FORCED) {
            return;
        }
        segment.forced = Some(now);
    }
    let by = correct * error.signum();
    segment.lead = (segment.lead + by.min(0)).max(0);
    let at = segment.position(timestamp);
    segment.before = Some((timestamp, segment.anchor));
    segment.anchor += by;
    envelope.corrected(by);
    actions.push(Action::Drift { at: at.min(at + by), samples: by });
}

/// Decodes a payload into samples.
pub fn decode(law: Law, payload: &[u8]) -> Vec<i16> {
    payload.iter().map(|byte| law.decode(*byte)).collect()
}
