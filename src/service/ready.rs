//! Whether calls can be taken and recorded now, part by part.

use super::clock::Clock;
use super::config::RecordingConfig;
use super::gauge::{ArchiveGauge, MediaGauge, RecorderGauge};
use super::monitor::{self, Disk};
use crate::api::{Answer, Part, Readiness};
use crate::base::{Span, Time};
use crate::store::Store;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

/// An answer is as good as a new one for so long: whoever asks without end costs nothing.
const FRESH: Span = Span::from_secs(1);
/// The database is written to at most this often.
const WRITE_EVERY: Span = Span::from_secs(5);
/// A part that takes longer to answer does not work.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is looked at.
#[derive(Debug)]
pub struct Parts {
    /// The tasks of the SIP listeners.
    pub listeners: Vec<AbortHandle>,
    pub workers: Vec<Arc<MediaGauge>>,
    pub recorders: Vec<Arc<RecorderGauge>>,
    pub archive: Arc<ArchiveGauge>,
    pub recording: RecordingConfig,
    /// Listeners of the API and of metrics, once they are bound.
    pub http: OnceLock<Vec<SocketAddr>>,
    pub metrics: OnceLock<Vec<SocketAddr>>,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    found: Option<(Time, Readiness)>,
    /// When the database was last written to, and what came of it.
    written: Option<(Time, String)>,
}

impl Parts {
    pub fn new(
        listeners: Vec<AbortHandle>,
        workers: Vec<Arc<MediaGauge>>,
        recorders: Vec<Arc<RecorderGauge>>,
        archive: Arc<ArchiveGauge>,
        recording: RecordingConfig,
    ) -> Self {
        let (http, metrics, last) = Default::default();
        Parts { listeners, workers, recorders, archive, recording, http, metrics, last }
    }

    /// How everything is; of the last second where it was asked then. `status` asks call control.
    pub async fn look(&self, clock: Clock, store: &Store, status: impl Future<Output = Answer>) -> Readiness {
        let mut last = self.last.lock().await;
        let now = clock.now();
        if let Some((at, found)) = &last.found
            && now.since(*at) < FRESH
        {
            return found.clone();
        }
        let due = last.written.as_ref().is_none_or(|(at, _)| now.since(*at) >= WRITE_EVERY);
        if due {
            last.written = Some((now, writes(store).await));
        }
        let database = last.written.as_ref().map_or_else(String::new, |(_, problem)| problem.clone());
        let problems = [
            ("database", database),
            ("disk", self.disk()),
            ("signalling", self.signalling(status).await),
            ("media", silent("media worker", self.workers.iter().map(|worker| worker.is_alive(clock.now())))),
            ("recorder", silent("recorder", self.recorders.iter().map(|recorder| recorder.is_alive(clock.now())))),
            ("archivist", silent("archivist", [self.archive.is_alive()])),
        ];
        let parts = problems.map(|(part, problem)| Part { part: part.to_owned(), ok: problem.is_empty(), problem });
        let found = Readiness { ready: parts.iter().all(|part| part.ok), parts: parts.into() };
        last.found = Some((now, found.clone()));
        found
    }

    fn disk(&self) -> String {
        let Some(free) = monitor::free_bytes(&self.recording.dir) else {
            return "the folder of the recordings cannot be looked at".to_owned();
        };
        match monitor::judge(free, &self.recording) {
            Disk::Enough | Disk::Low(_) => String::new(),
            Disk::Full(free) => format!("{} MiB are free: no new recordings", free >> 20),
        }
    }

    async fn signalling(&self, status: impl Future<Output = Answer>) -> String {
        let ended = self.listeners.iter().filter(|listener| listener.is_finished()).count();
        if ended > 0 {
            return format!("{ended} of {} SIP listeners have ended", self.listeners.len());
        }
        match tokio::time::timeout(PATIENCE, status).await {
            Ok(Answer::Status { status }) if status.stopping => "the service stops: no new calls".to_owned(),
            Ok(Answer::Status { .. }) => String::new(),
            Ok(_) | Err(_) => "call control does not answer".to_owned(),
        }
    }
}

/// Empty, or how many do not work.
fn silent(what: &str, alive: impl IntoIterator<Item = bool>) -> String {
    match alive.into_iter().filter(|alive| !alive).count() {
        0 => String::new(),
        count => format!("{count} {what}(s) do not work"),
    }
}

async fn writes(store: &Store) -> String {
    match tokio::time::timeout(PATIENCE, store.prove_writable()).await {
        Ok(Ok(())) => String::new(),
        Ok(Err(_)) => "the database cannot be written".to_owned(),
        Err(_) => format!("the database was not written within {} s", PATIENCE.as_secs()),
    }
}
