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
        let (disk, signalling) = (self.disk(), self.signalling(status).await);
        let found =
            judge([("database", database), ("disk", disk), ("signalling", signalling)], self.threads(clock.now()));
        last.found = Some((now, found.clone()));
        found
    }

    /// Threads that have not been at work for a while.
    fn threads(&self, now: Time) -> [(&'static str, String); 3] {
        [
            ("media", silent("media worker", self.workers.iter().map(|worker| worker.is_alive(now)))),
            ("recorder", silent("recorder", self.recorders.iter().map(|recorder| recorder.is_alive(now)))),
            ("archivist", silent("archivist", [self.archive.is_alive()])),
        ]
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

/// Ready is what has no problem in any part.
fn judge(first: [(&str, String); 3], threads: [(&str, String); 3]) -> Readiness {
    let part = |(part, problem): (&str, String)| Part { part: part.to_owned(), ok: problem.is_empty(), problem };
    let parts: Vec<Part> = first.into_iter().chain(threads).map(part).collect();
    Readiness { ready: parts.iter().all(|part| part.ok), parts }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Status;
    use crate::service::config::Config;
    use crate::service::gauge::AtWork;

    fn said(stopping: bool) -> Answer {
        let status = Status {
            version: String::new(),
            started: String::new(),
            listeners: Vec::new(),
            calls: 0,
            devices: 0,
            transactions: 0,
            free_ports: 0,
            leftovers: [0; 5],
            no_recording: None,
            recordings_folder: String::new(),
            http: Vec::new(),
            stopping,
        };
        Answer::Status { status: Box::new(status) }
    }

    /// Parts that all work at the start, two workers among them, and their database.
    async fn parts(folder: &std::path::Path) -> (Parts, Store) {
        let config = Config::default_for(folder);
        std::fs::create_dir_all(&config.recording.dir).unwrap();
        let store = Store::open(&folder.join("telegraphone.db")).await.unwrap();
        let workers = vec![Arc::new(MediaGauge::new(Time(0), 1)), Arc::new(MediaGauge::new(Time(0), 1))];
        let recorders = vec![Arc::new(RecorderGauge::new(Time(0)))];
        let listener = tokio::spawn(std::future::pending::<()>()).abort_handle();
        let recording = RecordingConfig { refuse_free: 0, ..config.recording };
        (Parts::new(vec![listener], workers, recorders, Arc::default(), recording), store)
    }

    /// The parts that do not work, each with why.
    fn wrong(found: &Readiness) -> Vec<(&str, &str)> {
        assert_eq!(found.ready, found.parts.iter().all(|part| part.ok), "{found:?}");
        found.parts.iter().filter(|part| !part.ok).map(|part| (part.part.as_str(), part.problem.as_str())).collect()
    }

    fn after(seconds: u64) -> Clock {
        Clock::started(Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn a_thread_that_is_stuck_is_told_until_it_works_again() {
        let folder = tempfile::tempdir().unwrap();
        let (parts, store) = parts(folder.path()).await;
        let looked = async |at: u64| parts.look(after(at), &store, async { said(false) }).await;
        assert_eq!(wrong(&looked(1).await), []);
        // One of the two goes on, and so does the recorder for a while longer.
        parts.workers[1].tick(after(5).now());
        assert_eq!(wrong(&looked(6).await), [("media", "1 media worker(s) do not work")]);
        parts.workers[1].tick(after(12).now());
        let stuck = [("media", "1 media worker(s) do not work"), ("recorder", "1 recorder(s) do not work")];
        assert_eq!(wrong(&looked(12).await), stuck);
        parts.workers[0].tick(after(13).now());
        parts.recorders[0].tick(after(13).now(), 0);
        assert_eq!(wrong(&looked(14).await), []);
        drop(AtWork(Arc::clone(&parts.archive)));
        parts.workers.iter().for_each(|worker| worker.tick(after(16).now()));
        assert_eq!(wrong(&looked(16).await), [("archivist", "1 archivist(s) do not work")], "its thread has ended");
    }

    #[tokio::test]
    async fn signalling_that_ends_stops_or_says_nothing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        // A look is fresh for a second, and the threads are at work for five.
        let at = |millis: u64| Clock::started(Duration::from_millis(millis));
        let (parts, store) = parts(folder.path()).await;
        let found = parts.look(at(500), &store, async { said(true) }).await;
        assert_eq!(wrong(&found), [("signalling", "the service stops: no new calls")]);
        let gone = async { Answer::Failed { problem: String::new() } };
        let found = parts.look(at(2_000), &store, gone).await;
        assert_eq!(wrong(&found), [("signalling", "call control does not answer")]);
        parts.listeners[0].abort();
        while !parts.listeners[0].is_finished() {
            tokio::task::yield_now().await;
        }
        let found = parts.look(at(3_500), &store, async { said(false) }).await;
        assert_eq!(wrong(&found), [("signalling", "1 of 1 SIP listeners have ended")]);
        let found = parts.look(at(3_500), &store, async { said(true) }).await;
        assert_eq!(wrong(&found).len(), 1, "of the last second");
    }

    #[tokio::test]
    async fn a_disk_without_room_and_a_folder_that_is_gone_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let (mut parts, store) = parts(folder.path()).await;
        parts.recording.refuse_free = u64::MAX / 2;
        let found = parts.look(after(1), &store, async { said(false) }).await;
        assert!(matches!(wrong(&found)[..], [("disk", why)] if why.ends_with("MiB are free: no new recordings")));
        std::fs::remove_dir(&parts.recording.dir).unwrap();
        let found = parts.look(after(3), &store, async { said(false) }).await;
        assert_eq!(wrong(&found), [("disk", "the folder of the recordings cannot be looked at")]);
    }
}
