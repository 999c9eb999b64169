//! The main job in one command: the service, three calls over real sockets, and a look at what
//! was recorded.
//!
//! ```text
//! customer ─┐                     ┌─ Anna (101)   inbound, recorded, paused and resumed
//! called   ─┼─ trunk ─ service ───┼─ Ben (102)    outbound, recorded
//!           │                     └─ Clara (103) ─ Dora (104)   internal, not recorded
//! ```
//! With `--stay` the company has more of everything, and is shown in a browser.

mod calls;
mod check;
mod company;
pub mod phone;
mod report;
pub mod speech;
mod stay;

pub use check::Finding;
pub use report::DemoReport;

use crate::base::Wall;
use crate::directory::Transport as ListenTransport;
use crate::directory::file::CompanyFile;
use crate::directory::plan::plan;
use crate::ledger::{CallRecord, OutboxKind, RecordingRecord};
use crate::service::clock::{Clock, OsRandom};
use crate::service::config::{Config, HttpListen, Listen};
use crate::service::{Service, StartError};
use crate::sip::Transport;
use crate::store::{By, Store, StoreError};
use crate::ua::Ending;
use calls::{Inside, Outside, Played, Voices};
use company::People;
use phone::LiveError;
use stay::Office;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::sleep;

/// How long rows and events may take to be there after the calls.
const HANDED_OVER: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const PORT_TRIES: u8 = 20;
/// Another address of the loopback, so that the carrier is no neighbour of the phones.
const CARRIER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How the demo is to run.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// SIP port on loopback; where it is taken, a free one.
    pub sip_port: u16,
    /// With `stay`: HTTP port on loopback; where it is taken, a free one.
    pub http_port: u16,
    /// The data folder, which must be new or empty; `None`: `./telegraphone-demo-<date-time>`.
    pub dir: Option<PathBuf>,
    /// Serve on until Ctrl-C.
    pub stay: bool,
}

impl Default for DemoOptions {
    fn default() -> Self {
        DemoOptions { sip_port: 5_060, http_port: 8_080, dir: None, stay: false }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("folder {}: {error}", path.display())]
    Folder { path: PathBuf, error: io::Error },
    #[error("folder {} is not empty: name a new one", .0.display())]
    NotEmpty(PathBuf),
    #[error("no port of {0} is free for SIP over both UDP and TCP")]
    NoPort(IpAddr),
    #[error("the demo company is wrong: {0}")]
    Company(String),
    #[error("a voice cannot be read: {0}")]
    Speech(#[from] hound::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Phone(#[from] LiveError),
    #[error("{name} was not registered: {status}")]
    NotRegistered { name: &'static str, status: u16 },
    #[error("the call to {target} was not answered: {ending:?}")]
    NotAnswered { target: String, ending: Ending },
    #[error("a call did not end as it should: {0}")]
    Cut(String),
    #[error("no port of {0} is free for HTTP")]
    NoHttpPort(IpAddr),
    #[error("{name} is refused by the API: {problem}")]
    Refused { name: &'static str, problem: String },
    #[error("a text was not taken: {status}")]
    Text { status: u16 },
    #[error("signals: {0}")]
    Signal(io::Error),
}

/// One line a step on standard error, with the time since the start.
pub struct Progress {
    clock: Clock,
    shown: bool,
}

impl Progress {
    fn say(&self, step: &str) {
        if self.shown {
            let ms = self.clock.now().0 / 1_000;
            eprintln!("[{:>3}.{} s] {step}", ms / 1_000, ms % 1_000 / 100);
        }
    }
}

/// Runs the demo and tells of it on standard output. The files are right where the report has no
/// problems.
pub async fn run(options: &DemoOptions) -> Result<DemoReport, DemoError> {
    let clock = Clock::start();
    let folder = match &options.dir {
        Some(dir) => dir.clone(),
        None => PathBuf::from(format!("./telegraphone-demo-{}", date_time(clock.wall()))),
    };
    let progress = Progress { clock, shown: true };
    let stage = match options.stay {
        true => Stage::open(&folder, options.sip_port, options.http_port, &progress).await?,
        false => Stage::set(&folder, options.sip_port, &progress).await?,
    };
    let done = match &stage.office {
        Some(office) => stay::run(&stage, office, &progress).await,
        None => play_once(&stage, &progress).await,
    };
    stage.service.stop().await;
    done
}

async fn play_once(stage: &Stage, progress: &Progress) -> Result<DemoReport, DemoError> {
    let mut cast = Cast::start(stage).await?;
    let report = stage.play(&mut cast, progress).await?;
    tell(&report);
    say(&format!("\n{}", report::softphone_help(stage.server, &stage.people.you, &stage.folder, false)));
    Ok(report)
}

fn tell(report: &DemoReport) {
    say(&report.table().to_string());
    match report.problems.as_slice() {
        [] => say("Every file is what it should be."),
        problems => say(&format!("PROBLEMS:\n  {}", problems.join("\n  "))),
    }
}

/// A line on standard output. Where nobody reads it any more, the demo goes on all the same.
fn say(line: &str) {
    writeln!(io::stdout(), "{line}").ok();
}

/// Who speaks, and with which voice.
struct Cast {
    voices: Voices,
    outside: Outside,
    inside: Inside,
}

impl Cast {
    /// The carrier's phones, then the company that they are a trunk of, then its own phones.
    async fn start(stage: &Stage) -> Result<Self, DemoError> {
        let voices = Voices { agent: speech::agent()?, customer: speech::customer()? };
        let outside = Outside::start(stage.server, carrier_ip(), &voices).await?;
        stage.apply_company(outside.trunk()).await?;
        let inside = Inside::start(stage.server, &stage.people, &voices).await?;
        Ok(Cast { voices, outside, inside })
    }
}

/// The service with its company, before the first call.
struct Stage {
    service: Service,
    /// Its SIP address over UDP; over TCP it is the same.
    server: SocketAddr,
    recordings: PathBuf,
    folder: PathBuf,
    people: People,
    /// What more there is for whoever stays.
    office: Option<Office>,
}

impl Stage {
    /// For three calls, with SIP alone.
    async fn set(folder: &Path, sip_port: u16, progress: &Progress) -> Result<Self, DemoError> {
        Self::start(folder, sip_port, None, progress).await
    }

    /// For whoever stays: with the page.
    async fn open(folder: &Path, sip_port: u16, http_port: u16, progress: &Progress) -> Result<Self, DemoError> {
        Self::start(folder, sip_port, Some(http_port), progress).await
    }

    async fn start(
        folder: &Path,
        sip_port: u16,
        http_port: Option<u16>,
        progress: &Progress,
    ) -> Result<Self, DemoError> {
        make_empty(folder)?;
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let address = SocketAddr::new(loopback, free_port(loopback, sip_port)?);
        let mut config = Config::default_for(folder);
        let listen = |transport| Listen { transport, address, advertise: None };
        config.sip.listen = vec![listen(ListenTransport::Udp), listen(ListenTransport::Tcp)];
        if let Some(port) = http_port {
            let address = SocketAddr::new(loopback, free_http_port(loopback, port)?);
            config.http.listen = vec![HttpListen { address, tls: false }];
            config.shutdown.grace = stay::GRACE;
        }
        let recordings = config.recording.dir.clone();
        let service = Service::start(config).await?;
        let udp = service.sip_addresses().iter().find(|(transport, _)| *transport == Transport::Udp);
        let server = udp.map_or(address, |(_, address)| *address);
        progress.say(&format!("the service listens on {server} (UDP and TCP), data in {}", folder.display()));
        let people = People::new(&mut OsRandom);
        let office = http_port.map(|_| Office::new(&mut OsRandom));
        Ok(Stage { service, server, recordings, folder: folder.to_owned(), people, office })
    }

    async fn play(&self, cast: &mut Cast, progress: &Progress) -> Result<DemoReport, DemoError> {
        progress.say("the demo company is there: inbound and outbound calls are recorded, internal ones are not");
        progress.say("four phones have registered: 101 to 104");
        let Cast { voices, outside, inside } = cast;
        let played = calls::play(outside, inside, voices, progress).await?;
        let stored = self.stored(&played).await?;
        progress.say("the recordings are handed over; comparing them with what was said");
        let checked = check_all(played, stored, self.recordings.clone()).await;
        Ok(DemoReport::new(&self.folder, checked))
    }

    async fn apply_company(&self, trunk: SocketAddr) -> Result<(), DemoError> {
        let mut text = company::file(&self.people, carrier_ip(), trunk);
        text.extend(self.office.as_ref().map(Office::file));
        let path = self.folder.join("company.toml");
        write_private(&path, &text).map_err(|error| DemoError::Folder { path, error })?;
        let store = self.service.store();
        let wrong = |errors: Vec<crate::directory::file::FileError>| {
            DemoError::Company(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        };
        let file = CompanyFile::parse(&text).map_err(wrong)?;
        let plan = plan(&store.load_directory().await?, &file, false).map_err(wrong)?;
        let (at, who, source) = (Clock::start().wall(), "operator".to_owned(), "demo".to_owned());
        let by = By { at, user: None, who, source, keeps: None };
        store.apply_by(&plan, &by, &mut OsRandom).await?;
        self.service.reload().await;
        Ok(())
    }

    /// What is stored of each call, in the order in which they were played. Waits until the calls
    /// have ended and each recording is handed over with its event, for a while.
    async fn stored(&self, played: &[Played]) -> Result<Vec<Option<Stored>>, DemoError> {
        let store = self.service.store();
        let mut waited = Duration::ZERO;
        loop {
            let all = stored_calls(store).await?;
            let complete = all.len() >= played.len() && all.iter().all(Stored::is_complete);
            if complete || waited >= HANDED_OVER {
                let of = |direction| all.iter().find(|stored| stored.record.direction == direction).cloned();
                return Ok(played.iter().map(|played| of(played.direction)).collect());
            }
            sleep(LOOK_AGAIN).await;
            waited += LOOK_AGAIN;
        }
    }
}

/// A call with its recordings, and how many events tell of those.
#[derive(Clone, Debug)]
struct Stored {
    record: CallRecord,
    recordings: Vec<RecordingRecord>,
    events: usize,
}

impl Stored {
    fn is_complete(&self) -> bool {
        let handed_over = !self.recordings.is_empty() && self.events == self.recordings.len();
        self.record.ended.is_some() && (handed_over || !self.record.decision.record)
    }
}

async fn stored_calls(store: &Store) -> Result<Vec<Stored>, DemoError> {
    let feed = store.feed_after(None, 0, 100).await?;
    let mut all = Vec::new();
    for record in store.calls(100, None).await? {
        let finished =
            feed.iter().filter(|event| event.call == Some(record.id) && event.kind == OutboxKind::RecordingFinished);
        let events = finished.count();
        let recordings = store.recordings_of(record.id).await?;
        all.push(Stored { record, recordings, events });
    }
    Ok(all)
}

/// Comparing sound takes a moment of CPU: not on the threads of signalling.
async fn check_all(played: Vec<Played>, stored: Vec<Option<Stored>>, recordings: PathBuf) -> Vec<Finding> {
    let compare = move || {
        let pairs = played.iter().zip(stored);
        pairs.map(|(played, stored)| finding_of(played, stored.as_ref(), &recordings)).collect::<Vec<_>>()
    };
    tokio::task::spawn_blocking(compare).await.unwrap_or_default()
}

fn finding_of(played: &Played, stored: Option<&Stored>, recordings: &Path) -> Finding {
    match stored {
        Some(Stored { record, recordings: rows, events }) => check::check(record, rows, *events, played, recordings),
        None => Finding::lost(played.direction),
    }
}

async fn serve_on(service: &Service) -> Result<(), DemoError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(DemoError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DemoError::Signal)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(DemoError::Signal)?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => service.reload().await,
        }
    }
}

/// Where the carrier's phones stand. Not every system has more than one loopback address.
fn carrier_ip() -> IpAddr {
    match UdpSocket::bind((CARRIER, 0)) {
        Ok(_) => IpAddr::from(CARRIER),
        Err(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
    }
}

/// `wanted`, or any other port that is free over UDP and TCP.
fn free_port(ip: IpAddr, wanted: u16) -> Result<u16, DemoError> {
    let free = |port: u16| {
        let udp = UdpSocket::bind((ip, port)).ok()?;
        let port = udp.local_addr().ok()?.port();
        TcpListener::bind((ip, port)).ok().map(|_| port)
    };
    let others = (0..PORT_TRIES).map(|_| 0);
    std::iter::once(wanted).chain(others).find_map(free).ok_or(DemoError::NoPort(ip))
}

/// The same for HTTP.
fn free_http_port(ip: IpAddr, wanted: u16) -> Result<u16, DemoError> {
    let free = |port: u16| Some(TcpListener::bind((ip, port)).ok()?.local_addr().ok()?.port());
    [wanted, 0].into_iter().find_map(free).ok_or(DemoError::NoHttpPort(ip))
}

fn make_empty(folder: &Path) -> Result<(), DemoError> {
    let failed = |error| DemoError::Folder { path: folder.to_owned(), error };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    match std::fs::read_dir(folder).map_err(failed)?.next() {
        Some(_) => Err(DemoError::NotEmpty(folder.to_owned())),
        None => Ok(()),
    }
}

/// The company file holds passwords.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Local time in the shape of a file name: `20260131-235959`.
fn date_time(now: Wall) -> String {
    match jiff::Timestamp::from_microsecond(now.unix_micros()) {
        Ok(at) => at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y%m%d-%H%M%S").to_string(),
        Err(_) => now.unix_micros().to_string(),
    }
}

#[cfg(test)]
mod tests;
