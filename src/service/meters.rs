//! Who watches how loud the parties of calls are, and what media workers measured of them.
//!
//! ```text
//! watcher ─► wanted: these calls, for a second and a half ─► worker, at its next window: measures them
//! watcher ◄─ board of each worker: what came in the window before ◄─┘
//! ```
//! All clocks are one, so all windows are the same 200 ms. Where nobody has watched for the time of a lease
//! nothing is measured, and a worker only looks at one number. A worker never waits here: where somebody
//! else is at a board or at what is wanted, it comes again.

use crate::api::LevelsView;
use crate::base::{CallId, Span, Time};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const WINDOW: Span = LevelsView::WINDOW;
/// Calls are measured for so long after somebody watched them last.
const LEASE: Span = Span::from_millis(1_500);

/// How loud the parties of a call were, the caller first: RMS in dBFS; `None`: nothing came.
pub type Levels = [Option<f32>; 2];

/// Shared by whoever watches and the workers.
#[derive(Debug, Default)]
pub struct Meters {
    /// Until when anything is watched, in µs of [`Time`].
    until: AtomicU64,
    /// Until when each call is.
    wanted: Mutex<HashMap<CallId, Time>>,
    /// One of each worker; all are there before the first call.
    boards: Mutex<Vec<Arc<Board>>>,
}

/// What a worker tells.
#[derive(Debug, Default)]
struct Board(Mutex<Arc<Measured>>);

/// Of one window.
#[derive(Debug, Default)]
struct Measured {
    window: u64,
    levels: Vec<(CallId, Levels)>,
}

impl Meters {
    /// The end of a worker that is to be started.
    pub fn worker(self: &Arc<Self>) -> WorkerMeter {
        let board = Arc::<Board>::default();
        self.boards.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&board));
        WorkerMeter { meters: Arc::clone(self), board, window: 0, measures: false, untold: None }
    }

    /// Watches these calls, which are sorted, for the time of a lease from `now` on: how loud each was in the
    /// last window that is over.
    pub fn watch(&self, calls: &[CallId], now: Time) -> Vec<Levels> {
        self.want(calls, now);
        let mut all = vec![Levels::default(); calls.len()];
        let newest = (now.0 / WINDOW.0).saturating_sub(1);
        let boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for board in boards {
            let measured = Arc::clone(&board.0.lock().unwrap_or_else(PoisonError::into_inner));
            // A worker may be late by one; what is older is of nobody's interest.
            if measured.window + 1 < newest {
                continue;
            }
            for (call, levels) in &measured.levels {
                if let Some(own) = calls.binary_search(call).ok().and_then(|at| all.get_mut(at)) {
                    *own = *levels;
                }
            }
        }
        all
    }

    fn want(&self, calls: &[CallId], now: Time) {
        if calls.is_empty() {
            return;
        }
        let until = now + LEASE;
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.retain(|_, until| now < *until);
        wanted.extend(calls.iter().map(|call| (*call, until)));
        self.until.fetch_max(until.0, Ordering::Relaxed);
    }
}

/// A call whose parties can be measured.
pub trait Metered {
    fn id(&self) -> CallId;
    /// Of what came since they were taken last; `None`: it is not measured.
    fn take_levels(&mut self) -> Option<Levels>;
    fn measure(&mut self, on: bool);
}

/// What a worker has of it.
#[derive(Debug)]
pub struct WorkerMeter {
    meters: Arc<Meters>,
    board: Arc<Board>,
    /// The one that goes on.
    window: u64,
    /// Calls of it may be measured.
    measures: bool,
    untold: Option<Arc<Measured>>,
}

impl WorkerMeter {
    /// To be asked at each look: whether a window has ended and somebody watches, or has ceased to.
    pub fn is_due(&mut self, now: Time) -> bool {
        self.tell();
        let watched = now.0 < self.meters.until.load(Ordering::Relaxed);
        (watched || self.measures) && now.0 / WINDOW.0 != self.window
    }

    /// Ends the window: tells what was measured in it, and has those calls of the worker measured in the next
    /// one that somebody watches.
    pub fn turn<'c, C: Metered + 'c>(&mut self, now: Time, calls: impl Iterator<Item = &'c mut C>) {
        self.window = now.0 / WINDOW.0;
        self.measures = now.0 < self.meters.until.load(Ordering::Relaxed);
        let wanted = self.meters.wanted.try_lock().ok();
        let mut levels = Vec::new();
        for call in calls {
            levels.extend(call.take_levels().map(|taken| (call.id(), taken)));
            match (&wanted, self.measures) {
                (_, false) => call.measure(false),
                (Some(wanted), true) => call.measure(wanted.get(&call.id()).is_some_and(|until| now < *until)),
                // Whoever watches is at it: the calls of before are measured on.
                (None, true) => {}
            }
        }
        drop(wanted);
        self.untold = Some(Arc::new(Measured { window: self.window.saturating_sub(1), levels }));
        self.tell();
    }

    fn tell(&mut self) {
        let Some(measured) = self.untold.take() else { return };
        match self.board.0.try_lock() {
            Ok(mut board) => *board = measured,
            Err(_) => self.untold = Some(measured),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Is as loud as it is said to be.
    struct Call {
        id: CallId,
        measured: bool,
        level: f32,
    }

    impl Metered for Call {
        fn id(&self) -> CallId {
            self.id
        }

        fn take_levels(&mut self) -> Option<Levels> {
            self.measured.then_some([Some(self.level), None])
        }

        fn measure(&mut self, on: bool) {
            self.measured = on;
        }
    }

    fn call(at: u8, level: f32) -> Call {
        let id = CallId::parse(&format!("01890a5d-ac96-774b-bcce-b302099a80{at:02x}")).unwrap();
        Call { id, measured: false, level }
    }

    /// The middle of that window, of those since a moment long after the start.
    fn window(at: u64) -> Time {
        Time(1_000_000_000 + at * WINDOW.0 + WINDOW.0 / 2)
    }

    #[test]
    fn calls_are_measured_while_somebody_watches_them_and_no_others() {
        let meters = Arc::<Meters>::default();
        let (mut one, mut other) = (meters.worker(), meters.worker());
        let (mut here, mut there) = ([call(1, -10.0), call(2, -20.0)], [call(3, -30.0)]);
        assert!(!one.is_due(window(0)), "nobody watches");
        let watched = [here[0].id, there[0].id];
        assert_eq!(meters.watch(&watched, window(0)), [[None; 2]; 2], "nothing is known yet");
        for at in 1..4 {
            assert!(one.is_due(window(at)) && other.is_due(window(at)));
            one.turn(window(at), here.iter_mut());
            other.turn(window(at), there.iter_mut());
            assert!(!one.is_due(window(at)), "once a window");
        }
        assert_eq!([here[0].measured, here[1].measured, there[0].measured], [true, false, true]);
        let levels = meters.watch(&watched, window(3));
        assert_eq!(levels, [[Some(-10.0), None], [Some(-30.0), None]], "of both workers");
        assert_eq!(meters.watch(&[here[1].id], window(3)), [[None; 2]], "which was not measured before");
        assert_eq!(meters.watch(&watched, window(4)), levels, "a worker may be late");
        assert_eq!(meters.watch(&watched, window(5)), [[None; 2]; 2], "but what is old is not shown");
    }

    #[test]
    fn measuring_ends_by_itself_when_nobody_watches_any_more() {
        let meters = Arc::<Meters>::default();
        let (mut worker, mut calls) = (meters.worker(), [call(1, -10.0), call(2, -20.0)]);
        meters.watch(&[calls[0].id, calls[1].id], window(0));
        worker.turn(window(1), calls.iter_mut());
        meters.watch(&[calls[1].id], window(5));
        worker.turn(window(6), calls.iter_mut());
        assert_eq!([calls[0].measured, calls[1].measured], [true, true], "each for its lease");
        worker.turn(window(8), calls.iter_mut());
        assert_eq!([calls[0].measured, calls[1].measured], [false, true]);
        assert!(worker.is_due(window(13)), "a last time");
        worker.turn(window(13), calls.iter_mut());
        assert!(calls.iter().all(|call| !call.measured));
        assert!(!worker.is_due(window(14)));
    }

    #[test]
    fn a_worker_waits_for_nobody_and_tells_later_what_it_could_not_tell() {
        let meters = Arc::<Meters>::default();
        let (mut worker, mut calls) = (meters.worker(), [call(1, -10.0)]);
        let watched = [calls[0].id];
        meters.watch(&watched, window(0));
        worker.turn(window(1), calls.iter_mut());
        let (board, held) = (Arc::clone(&worker.board), Arc::clone(&meters));
        let (at_board, at_wanted) = (board.0.lock().unwrap(), held.wanted.lock().unwrap());
        worker.turn(window(2), calls.iter_mut());
        assert!(calls[0].measured, "as it was");
        drop((at_board, at_wanted));
        assert_eq!(meters.watch(&watched, window(2)), [[None; 2]]);
        assert!(!worker.is_due(window(2)), "told at the next look");
        assert_eq!(meters.watch(&watched, window(3)), [[Some(-10.0), None]]);
    }
}
