//! What threads count while they work, for whoever looks from outside: relaxed atomics, which cost a
//! thread nothing. A media worker writes its own once a second and call, never on the way of a packet.

use crate::base::{Span, Time};
use crate::ledger::RecordingState;
use crate::media::{Bridge, Counters};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// A media worker looks at its sockets once a second at least.
const WORKER_PATIENCE: Span = Span::from_secs(5);
/// A recorder hears of its intake every ten ms; a disk may keep it for a while.
const RECORDER_PATIENCE: Span = Span::from_secs(10);

/// Of the calls of a media worker, all since its start. All but `calls` and `ring_used` only grow.
#[derive(Debug, Default)]
pub struct MediaGauge {
    /// Whose sockets it looks after now.
    pub calls: AtomicU64,
    pub received: AtomicU64,
    pub sent: AtomicU64,
    /// Missing when they were looked at, also where one came late after all.
    pub lost: AtomicU64,
    pub late: AtomicU64,
    pub duplicates: AtomicU64,
    pub strangers: AtomicU64,
    pub malformed: AtomicU64,
    pub unknown_payload: AtomicU64,
    pub unauthentic: AtomicU64,
    /// Frames for which the ring to the recorder had no room.
    pub dropped: AtomicU64,
    /// Bytes that wait in that ring.
    pub ring_used: AtomicU64,
    pub ring_size: AtomicU64,
    seen: AtomicU64,
}

impl MediaGauge {
    pub fn new(now: Time, ring_size: usize) -> Self {
        let size = u64::try_from(ring_size).unwrap_or(0);
        MediaGauge { ring_size: size.into(), seen: now.0.into(), ..MediaGauge::default() }
    }

    /// The worker is at work.
    pub fn tick(&self, now: Time) {
        self.seen.store(now.0, Ordering::Relaxed);
    }

    pub fn is_alive(&self, now: Time) -> bool {
        now.since(Time(self.seen.load(Ordering::Relaxed))) < WORKER_PATIENCE
    }

    /// Adds what was counted on a call since `told`, and says up to where that is.
    pub fn add(&self, bridge: &Bridge, told: Counters) -> Counters {
        let now = sum(bridge);
        let mut told = told;
        for (all, now, told) in [
            (&self.received, now.received, &mut told.received),
            (&self.sent, now.sent, &mut told.sent),
            (&self.lost, now.lost, &mut told.lost),
            (&self.late, now.late, &mut told.late),
            (&self.duplicates, now.duplicates, &mut told.duplicates),
            (&self.strangers, now.strangers, &mut told.strangers),
            (&self.malformed, now.malformed, &mut told.malformed),
            (&self.unknown_payload, now.unknown_payload, &mut told.unknown_payload),
            (&self.unauthentic, now.unauthentic, &mut told.unauthentic),
            (&self.dropped, now.tap_overflow, &mut told.tap_overflow),
        ] {
            // One that was lost and came late is lost no more, but what was told stays told.
            let more = now.saturating_sub(*told);
            if more > 0 {
                all.fetch_add(more, Ordering::Relaxed);
                *told += more;
            }
        }
        told
    }
}

/// Of both legs, and of those who have left.
fn sum(bridge: &Bridge) -> Counters {
    let legs = bridge.stats();
    let left = bridge.left().iter().map(|(_, stats)| stats);
    legs.iter().chain(left).fold(Counters::default(), |all, leg| {
        let Counters {
            received,
            lost,
            late,
            duplicates,
            strangers,
            malformed,
            unknown_payload,
            unauthentic,
            sent,
            tap_overflow,
        } = leg.counters;
        Counters {
            received: all.received + received,
            lost: all.lost + lost,
            late: all.late + late,
            duplicates: all.duplicates + duplicates,
            strangers: all.strangers + strangers,
            malformed: all.malformed + malformed,
            unknown_payload: all.unknown_payload + unknown_payload,
            unauthentic: all.unauthentic + unauthentic,
            sent: all.sent + sent,
            tap_overflow: all.tap_overflow + tap_overflow,
        }
    })
}

/// Of a recorder.
#[derive(Debug, Default)]
pub struct RecorderGauge {
    /// Bytes that were drained from the rings and wait for the recorder.
    pub backlog: Arc<AtomicUsize>,
    /// Calls that it looks after.
    pub calls: AtomicUsize,
    seen: AtomicU64,
}

impl RecorderGauge {
    pub fn new(now: Time) -> Self {
        RecorderGauge { seen: now.0.into(), ..RecorderGauge::default() }
    }

    /// The recorder is at work on `calls` calls.
    pub fn tick(&self, now: Time, calls: usize) {
        self.seen.store(now.0, Ordering::Relaxed);
        self.calls.store(calls, Ordering::Relaxed);
    }

    pub fn is_alive(&self, now: Time) -> bool {
        now.since(Time(self.seen.load(Ordering::Relaxed))) < RECORDER_PATIENCE
    }
}

/// Of the archivist.
#[derive(Debug, Default)]
pub struct ArchiveGauge {
    pub complete: AtomicU64,
    pub incomplete: AtomicU64,
    pub recovered: AtomicU64,
    pub failed: AtomicU64,
    /// Final on disk, and not in the database yet.
    pub waiting: AtomicUsize,
    ended: AtomicBool,
}

impl ArchiveGauge {
    /// A recording in that state was handed over.
    pub fn handed_over(&self, state: RecordingState) {
        let counter = match state {
            RecordingState::Complete => &self.complete,
            RecordingState::Incomplete => &self.incomplete,
            RecordingState::Recovered => &self.recovered,
            RecordingState::Failed => &self.failed,
            // What became of a recording later is no hand-over.
            RecordingState::Deleted | RecordingState::Missing => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn is_alive(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }
}

/// Held by the archivist's thread: however it ends, the gauge knows.
#[derive(Debug)]
pub struct AtWork(pub Arc<ArchiveGauge>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}
