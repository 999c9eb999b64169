//! Which thread goes first where several share a core: media workers before signalling, signalling
//! before the recorder. The packets of a call must not wait for the bytes of a file.

use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// `SCHED_FIFO` priority of a media worker, of 1 to 99: above every usual thread, below what the
/// kernel itself runs at 50.
const FIFO: u8 = 10;
/// Of a worker that may not be real-time.
const WORKER_NICE: i32 = -10;
/// Of a recorder on whose core workers may run at the usual class: the scheduler lets a running
/// thread finish its slice of some milliseconds, and a nicer one has a shorter say.
const RECORDER_NICE: i32 = 19;

/// How the media workers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerClass {
    /// `SCHED_FIFO`: a packet waits for no other thread.
    RealTime,
    /// The usual class; above the others where the service may ask for that.
    Usual,
}

/// Raises the calling thread, a media worker, as far as it is allowed to.
pub fn raise_worker(realtime: bool) -> WorkerClass {
    if realtime {
        match real_time() {
            Ok(()) => return WorkerClass::RealTime,
            Err(error) => tracing::info!(
                %error,
                "media workers run at the usual class; CAP_SYS_NICE or an RLIMIT_RTPRIO of {FIFO} makes them real-time"
            ),
        }
    }
    if let Err(error) = rustix::process::nice(WORKER_NICE) {
        tracing::debug!(%error, "media workers run at the usual priority");
    }
    WorkerClass::Usual
}

fn real_time() -> Result<(), thread_priority::Error> {
    let value = ThreadPriorityValue::try_from(FIFO).map_err(|_| thread_priority::Error::PriorityNotInRange(1..=99))?;
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(value),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
    )
}

/// Puts the calling thread, a recorder, below the workers. Beside real-time workers it keeps its
/// usual share, so that a busy machine does not starve the recordings.
pub fn lower_recorder(workers: WorkerClass) {
    let asked = match workers {
        WorkerClass::RealTime => Ok(0),
        WorkerClass::Usual => rustix::process::nice(RECORDER_NICE),
    };
    if let Err(error) = asked {
        tracing::warn!(%error, "the recorder runs at the priority of the media workers");
    }
}
