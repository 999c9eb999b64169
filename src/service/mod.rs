//! Sockets, media workers, recorder threads, clocks, configuration, start and stop: the only place
//! where all meet.
//!
//! ```text
//! UDP, TCP, TLS ─► Arrival ─┐                       ┌─► WorkerHandle ─► worker threads ─► ring ─► intake ─► recorders
//! workers  ─► Report  ─┼─► Core (Switch) ──────┼─► RecorderHandle ──────────────────────────────┘   │
//! control  ─► Order   ─┘                       └─► records, bindings, archivist ◄───────────────────┘
//! ```

mod archivist;
pub mod audit;
pub mod backup;
mod bindings;
pub mod clock;
pub mod config;
pub mod control;
mod core;
pub mod doctor;
mod gauge;
mod heap;
mod intake;
pub mod keeping;
mod lamps;
mod mailbox;
mod messages;
mod meters;
mod metrics;
mod monitor;
mod net;
mod ports;
mod priority;
mod ready;
mod recorder;
pub mod recover;
mod refused;
mod shell;
mod texts;
pub mod tls;
pub mod voices;
mod web;
mod worker;

use self::core::{Core, Inbox, Order};
use crate::api::{Answer, Desk, ExportSettings, LogInLocks, ProvisioningSettings, Request, SipServer};
use crate::base::{CallId, CompanyId, NumberId, Random, Span};
use crate::call::{CallView, Listener, Switch, SwitchConfig, TextIn};
use crate::directory::Directory;
use crate::ledger::CallRecord;
use crate::notify::mail::{Smtp, SmtpSetupError};
use crate::notify::push::{VapidError, VapidKey};
use crate::notify::{Carriers, Courier, Herald, Postman, PostmanError};
use crate::registrar::Lifetimes;
use crate::sip::Transport;
use crate::sip::endpoint::EndpointConfig;
use crate::sip::session_timer::Policy;
use crate::sip::transaction::Timers;
use crate::store::{Purged, RecordingFilter, Store, StoreError};
use crate::subscription::FeedEntry;
use crate::texts::Sender;
use archivist::ArchivistHandle;
use clock::{Clock, OsRandom};
use config::{AuditConfig, Config, ExportConfig, Listen};
use meters::Meters;
use net::{Bound, Connections, Outlets};
use priority::WorkerClass;
use ready::Parts;
use recorder::{RecorderConfig, RecorderHandle};
use shell::{Limits, ServiceShell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use texts::Registered;
use tls::Tls;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use worker::WorkerHandle;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("SIP over {transport} on {address}: {error}")]
    Listen { transport: Transport, address: SocketAddr, error: io::Error },
    #[error("HTTP on {address}: {error}")]
    Http { address: SocketAddr, error: io::Error },
    #[error("metrics on {address}: {error}")]
    Metrics { address: SocketAddr, error: io::Error },
    #[error("folder {}: {error}", path.display())]
    Folder { path: PathBuf, error: io::Error },
    #[error("control socket {}: {error}", path.display())]
    Control { path: PathBuf, error: io::Error },
    #[error("a thread could not be started: {0}")]
    Thread(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    #[error(transparent)]
    Webhooks(#[from] PostmanError),
    #[error(transparent)]
    Mail(#[from] SmtpSetupError),
    #[error(transparent)]
    Push(#[from] VapidError),
    #[error(transparent)]
    Voices(#[from] voices::VoicesError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Recover(#[from] recover::RecoverError),
}

/// What others hold of the running service: clones share it.
#[derive(Clone)]
pub struct Handle {
    orders: mpsc::Sender<Order>,
    store: Store,
    recordings: PathBuf,
    clock: Clock,
    tls: Tls,
    /// The newest position of the feed.
    fed: Arc<watch::Sender<i64>>,
    parts: Arc<Parts>,
    /// Guesses at log-ins over HTTP.
    log_ins: LogInLocks,
    /// How loud the parties of calls are.
    meters: Arc<Meters>,
}

/// A running service.
pub struct Service {
    handle: Handle,
    addresses: Vec<(Transport, SocketAddr)>,
    http: Vec<SocketAddr>,
    metrics: Vec<SocketAddr>,
    desk: Option<Arc<Desk>>,
    core: JoinHandle<ServiceShell>,
    tasks: Vec<JoinHandle<()>>,
    records: JoinHandle<()>,
    bindings: JoinHandle<()>,
    archivist: ArchivistHandle,
    control: PathBuf,
    audit: AuditConfig,
    grace: Duration,
}

/// Bytes of the ring between a worker and its recorder: a second of 500 calls.
const RING: usize = 16 << 20;
const QUEUE: usize = 8_192;
/// Text messages that wait to be stored.
const TEXTS: usize = 1_000;

impl Service {
    /// Starts everything: what a crash left is put right before the first call is taken.
    pub async fn start(config: Config) -> Result<Service, StartError> {
        let clock = Clock::start();
        let files = monitor::raise_file_limit();
        for path in [&config.data_dir, &config.recording.dir] {
            make_folder(path)?;
        }
        // Two services on one data directory would repair each other's open files.
        let control_listener = control::bind(&config.control.socket)
            .await
            .map_err(|error| StartError::Control { path: config.control.socket.clone(), error })?;
        let store = Store::open(&config.data_dir.join("telegraphone.db")).await?;
        let recovered = recover::recover(&config.recording.dir, &store, clock.wall()).await?;
        tracing::info!(files, ?recovered, "storage is ready");
        let directory = Arc::new(store.load_directory().await?);

        let (arrivals, arrival_queue) = mpsc::channel(QUEUE);
        let connections = Connections::default();
        let tls = Tls::load(config.tls.clone(), clock.wall())?;
        let listening = listen(&config, &arrivals, &connections, &tls)?;
        let (reports, report_queue) = mpsc::channel(QUEUE);
        let (recorder_reports, recorder_queue) = mpsc::channel(QUEUE);
        let (orders, order_queue) = mpsc::channel(QUEUE);
        let (records, record_queue) = mpsc::channel(QUEUE);
        let (texts, text_queue) = mpsc::channel(TEXTS);
        let registered = Arc::new(Registered::default());

        let reserve = monitor::reserve_path(&config.recording.dir);
        let runtime = tokio::runtime::Handle::current();
        let archivist = ArchivistHandle::start(
            clock,
            store.clone(),
            runtime,
            (config.recording.dir.clone(), reserve),
            recorder_reports.clone(),
        )?;
        let _ = archivist.sender().send(archivist::ArchiveOrder::Directory(Arc::clone(&directory)));
        let meters = Arc::<Meters>::default();
        let (workers, recorders) = start_threads(&config, clock, &archivist, &reports, &recorder_reports, &meters)?;
        let archive = archivist.gauge();
        let repaired = u64::try_from(recovered.repaired + recovered.handed_over).unwrap_or(0);
        archive.recovered.store(repaired, Ordering::Relaxed);
        archive.failed.store(u64::try_from(recovered.failed).unwrap_or(0), Ordering::Relaxed);
        let parts = Arc::new(Parts::new(
            listening.tasks.iter().map(JoinHandle::abort_handle).collect(),
            workers.iter().map(WorkerHandle::gauge).collect(),
            recorders.iter().map(RecorderHandle::gauge).collect(),
            archive,
            config.recording.clone(),
        ));
        let limits = Arc::new(Limits::default());
        let (mailbox, asked) = mailbox::start();
        let shell = ServiceShell::new(
            workers,
            recorders,
            archivist.sender(),
            (records, texts, Arc::clone(&registered)),
            (mailbox, Arc::clone(&directory)),
            &config.rtp,
            Arc::clone(&limits),
        );
        let mut secret = [0; 32];
        OsRandom.fill(&mut secret);
        let mut switch = Switch::new(switch_config(&config, &listening), Arc::clone(&directory), secret);
        switch.set_voices(Arc::new(voices::load(config.prompts.as_deref())?));
        bindings::restore(&store, &mut switch, clock).await?;
        let (changed_bindings, binding_queue) = mpsc::channel(1);
        let listeners =
            listening.addresses.iter().map(|(transport, address)| format!("{transport} {address}")).collect();
        let servers = sip_servers(&config, &listening);
        let core = Core::new(
            clock,
            switch,
            shell,
            listening.outlets,
            connections,
            arrivals,
            tcp_idle(&config),
            tls.clone(),
            listeners,
            recordings_folder(&config)?,
            changed_bindings,
            recorder_reports,
        );
        let inbox =
            Inbox { arrivals: arrival_queue, reports: report_queue, recorders: recorder_queue, orders: order_queue };
        let fed = Arc::new(watch::Sender::new(store.feed_newest().await?));
        let recordings = config.recording.dir.clone();
        let log_ins = LogInLocks::default();
        let settings = (export_settings(&config), provisioning_settings(&config, servers));
        let handle = Handle { orders, store: store.clone(), recordings, clock, tls, fed, parts, log_ins, meters };
        let web = web::start(&config.http, settings, &config.webhooks.guard, &handle)?;
        let watched =
            metrics::Watched { handle: handle.clone(), desk: web.desk.clone(), requests: Arc::clone(&web.requests) };
        let (metrics, metrics_tasks) = metrics::start(&config.metrics, &watched)?;
        let _ = handle.parts.http.set(web.addresses.clone());
        let _ = handle.parts.metrics.set(metrics.clone());
        let mut tasks = listening.tasks;
        tasks.extend(web.tasks);
        tasks.extend(metrics_tasks);
        tasks.push(tokio::spawn(control::serve(control_listener, handle.clone())));
        tasks.push(tokio::spawn(watch_machine(config.clone(), handle.clone(), limits)));
        tasks.push(tokio::spawn(handle.tls.clone().watch(tls::LOOK, move || clock.wall())));
        let postman = Postman::new(config.webhooks.guard.clone(), config.webhooks.authorities.as_deref())?;
        let herald = herald(&config, &store, postman.clone(), clock).await?;
        tasks.push(tokio::spawn(herald.run(handle.fed.subscribe())));
        let courier = Courier::new(store.clone(), postman, Box::new(web::Clocks(clock)));
        tasks.push(tokio::spawn(courier.run(handle.fed.subscribe())));
        tasks.extend(carry_texts(&handle, &config, registered, text_queue)?);
        tasks.push(tokio::spawn(feed(handle.clone(), web.desk.clone())));
        tasks.extend(web.desk.clone().map(|desk| tokio::spawn(look_at_rights(desk))));
        if let Some(retention) = config.events.retention {
            tasks.push(tokio::spawn(purge(handle.clone(), retention)));
        }
        tasks.push(tokio::spawn(mailbox::serve(handle.clone(), asked)));
        tasks.push(tokio::spawn(names(handle.clone(), directory)));
        tasks.push(tokio::spawn(lamps::keep(handle.clone())));
        tasks.push(tokio::spawn(keeping::keep(handle.clone())));
        tasks.push(tokio::spawn(keeping::erase_later(handle.clone())));
        tasks.push(tokio::spawn(audit::keep(handle.store.clone(), config.audit.clone(), clock)));
        let service = Service {
            addresses: listening.addresses,
            http: web.addresses,
            metrics,
            desk: web.desk,
            core: tokio::spawn(core.run(inbox)),
            records: tokio::spawn(save_records(
                store.clone(),
                record_queue,
                monitor::reserve_path(&config.recording.dir),
            )),
            bindings: tokio::spawn(bindings::keep(store, clock, binding_queue)),
            tasks,
            archivist,
            control: config.control.socket.clone(),
            audit: config.audit.clone(),
            grace: config.shutdown.grace.into(),
            handle,
        };
        Ok(service)
    }

    /// As bound: where port 0 was asked for, the one that was given.
    pub fn sip_addresses(&self) -> &[(Transport, SocketAddr)] {
        &self.addresses
    }

    /// Where the API is, as bound.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where metrics are, as bound.
    pub fn metrics_addresses(&self) -> &[SocketAddr] {
        &self.metrics
    }

    /// Who answers what is asked of the API; `None` where it is off.
    pub fn desk(&self) -> Option<Arc<Desk>> {
        self.desk.clone()
    }

    pub fn store(&self) -> &Store {
        &self.handle.store
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The directory has changed in the database.
    pub async fn reload(&self) {
        let _ = self.handle.reload().await;
    }

    pub async fn calls(&self) -> Vec<CallView> {
        match self.handle.answer(Request::CallList).await {
            Answer::Calls { calls } => calls,
            _ => Vec::new(),
        }
    }

    /// No new calls, the grace period, BYE to those that are left; every recording is finished.
    pub async fn stop(self) {
        let Service {
            handle,
            addresses: _,
            http: _,
            metrics: _,
            desk,
            core,
            tasks,
            records,
            bindings,
            mut archivist,
            control,
            audit,
            grace,
        } = self;
        let (done, over) = oneshot::channel();
        let _ = handle.orders.send(Order::Stop { grace, done }).await;
        let _ = over.await;
        if let Ok(mut shell) = core.await {
            // Workers first, then the recorders that read from them, then who finishes their files.
            let joined = tokio::task::spawn_blocking(move || {
                shell.workers.iter_mut().for_each(WorkerHandle::stop);
                shell.recorders.iter_mut().for_each(RecorderHandle::stop);
                drop(shell);
                archivist.stop();
            });
            let _ = joined.await;
        }
        let _ = records.await;
        let _ = bindings.await;
        for task in tasks {
            task.abort();
        }
        if let Some(desk) = desk {
            desk.close_streams();
        }
        let _ = handle.store.pump_feed(handle.clock.wall(), FEED_BATCH).await;
        audit::write(&handle.store, &audit, handle.clock.wall()).await;
        handle.store.close().await;
        let _ = std::fs::remove_file(control);
    }
}

/// Takes text messages, and brings them to devices and carriers.
fn carry_texts(
    handle: &Handle,
    config: &Config,
    registered: Arc<Registered>,
    queue: mpsc::Receiver<TextIn>,
) -> Result<[JoinHandle<()>; 4], StartError> {
    let Handle { orders, store, clock, .. } = handle.clone();
    let postman = Postman::new(config.webhooks.guard.clone(), config.webhooks.authorities.as_deref())?;
    let outlet = Arc::new(texts::SipOutlet(orders.clone()));
    let sender = Sender::new(store.clone(), postman, outlet, Box::new(web::Clocks(clock)));
    let woken = watch::Sender::new(0);
    let (to_send, to_bring) = (woken.subscribe(), woken.subscribe());
    Ok([
        tokio::spawn(texts::wake(store.clone(), woken)),
        tokio::spawn(sender.run(to_send)),
        tokio::spawn(texts::take(store.clone(), clock, orders.clone(), queue)),
        tokio::spawn(texts::bring(store, clock, orders, registered, to_bring)),
    ])
}

/// Who tells of new messages, with what takes that further.
async fn herald(config: &Config, store: &Store, postman: Postman, clock: Clock) -> Result<Herald, StartError> {
    let mail = match &config.mail.smtp {
        Some((smtp, settings)) => Some((Smtp::new(smtp)?, settings.clone())),
        None => None,
    };
    let vapid = VapidKey::read(&store.push_key(&VapidKey::generate()?).await?)?;
    let (contact, recordings) = (config.push.contact.clone(), config.recording.dir.clone());
    let carriers = Carriers { mail, postman, vapid, contact, recordings };
    Ok(Herald::new(store.clone(), carriers, Arc::new(web::Clocks(clock))))
}

/// For people and other programs, who may stand in another folder than the service.
fn recordings_folder(config: &Config) -> Result<String, StartError> {
    let path = &config.recording.dir;
    let failed = |error| StartError::Folder { path: path.clone(), error };
    Ok(std::path::absolute(path).map_err(failed)?.display().to_string())
}

fn export_settings(config: &Config) -> ExportSettings {
    let ExportConfig { max_bytes, per_user, keep } = config.exports;
    let dir = config.data_dir.join("exports");
    ExportSettings { dir, max_bytes, per_user, keep, reserve: config.recording.refuse_free }
}

fn make_folder(path: &Path) -> Result<(), StartError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| StartError::Folder { path: path.to_owned(), error })
}

/// The bound listeners.
struct Listening {
    addresses: Vec<(Transport, SocketAddr)>,
    advertise: Vec<(SocketAddr, String)>,
    outlets: Outlets,
    tasks: Vec<JoinHandle<()>>,
}

fn listen(
    config: &Config,
    arrivals: &mpsc::Sender<net::Arrival>,
    connections: &Connections,
    tls: &Tls,
) -> Result<Listening, StartError> {
    let mut listening =
        Listening { addresses: Vec::new(), advertise: Vec::new(), outlets: Outlets::default(), tasks: Vec::new() };
    for Listen { transport, address, advertise } in &config.sip.listen {
        let transport = match transport {
            crate::directory::Transport::Udp => Transport::Udp,
            crate::directory::Transport::Tcp => Transport::Tcp,
            crate::directory::Transport::Tls => Transport::Tls,
        };
        // Where any port was asked for, TCP takes the one that UDP got. TLS never shares one.
        let mut plain =
            listening.addresses.iter().filter(|(other, _)| transport != Transport::Tls && *other != Transport::Tls);
        let sibling = plain.find(|(_, other)| other.ip() == address.ip()).map(|(_, other)| other.port());
        let wanted = match (address.port(), sibling) {
            (0, Some(port)) => SocketAddr::new(address.ip(), port),
            (0, None) | (_, _) => *address,
        };
        let (bound, local) =
            net::bind(transport, wanted).map_err(|error| StartError::Listen { transport, address: wanted, error })?;
        if let Some(advertise) = advertise {
            let host_port = match advertise.host.parse::<std::net::Ipv6Addr>() {
                Ok(ip) => format!("[{ip}]:{}", advertise.port.unwrap_or(local.port())),
                Err(_) => format!("{}:{}", advertise.host, advertise.port.unwrap_or(local.port())),
            };
            listening.advertise.push((local, host_port));
        }
        listening.addresses.push((transport, local));
        match bound {
            Bound::Udp(socket) => {
                listening.outlets.datagrams.insert(local, Arc::clone(&socket));
                listening.tasks.push(tokio::spawn(net::read_datagrams(socket, local, arrivals.clone())));
            }
            Bound::Tcp(listener) => {
                let idle = tcp_idle(config);
                listening.tasks.push(tokio::spawn(net::accept(
                    listener,
                    local,
                    connections.clone(),
                    idle,
                    (transport == Transport::Tls).then(|| tls.clone()),
                    arrivals.clone(),
                )));
            }
        }
    }
    Ok(listening)
}

/// A connection that a registered phone is reached over may be silent until the phone refreshes.
fn tcp_idle(config: &Config) -> Duration {
    let registration = Duration::from_secs(u64::from(config.sip.registration_max_s) + 60);
    Duration::from(config.sip.tcp_idle).max(registration)
}

fn start_threads(
    config: &Config,
    clock: Clock,
    archivist: &ArchivistHandle,
    reports: &mpsc::Sender<worker::Report>,
    recorder_reports: &mpsc::Sender<recorder::RecorderReport>,
    meters: &Arc<Meters>,
) -> io::Result<(Vec<WorkerHandle>, Vec<RecorderHandle>)> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let recorder_count = config.recording.recorders.max(1);
    let mut rings: Vec<Vec<rtrb::Consumer<u8>>> = (0..recorder_count).map(|_| Vec::new()).collect();
    let mut workers = Vec::new();
    for at in 0..config.media.worker_count(cores) {
        let (producer, consumer) = rtrb::RingBuffer::new(RING);
        let core = config.media.pin.then_some(at % cores);
        let name = format!("media-{at}");
        let (realtime, meter) = (config.media.realtime, meters.worker());
        workers.push(WorkerHandle::start(name, core, realtime, clock, producer, reports.clone(), meter)?);
        if let Some(ring) = rings.get_mut(at % recorder_count) {
            ring.push(consumer);
        }
    }
    let settings = RecorderConfig {
        dir: config.recording.dir.clone(),
        window: config.recording.window,
        write_interval: config.recording.write_interval,
        max_part_bytes: config.recording.max_part_bytes,
    };
    // A recorder keeps its share only where no worker can be delayed by it.
    let class = match workers.iter().all(|worker| worker.class() == WorkerClass::RealTime) {
        true => WorkerClass::RealTime,
        false => WorkerClass::Usual,
    };
    let mut recorders = Vec::new();
    for (at, rings) in rings.into_iter().enumerate() {
        let name = format!("recorder-{at}");
        recorders.push(RecorderHandle::start(
            name,
            class,
            clock,
            settings.clone(),
            rings,
            archivist.sender(),
            recorder_reports.clone(),
        )?);
    }
    Ok((workers, recorders))
}

/// The listeners as phones reach them, in the order of the configuration.
fn sip_servers(config: &Config, listening: &Listening) -> Vec<SipServer> {
    let bound = config.sip.listen.iter().zip(&listening.addresses);
    let server = |(listen, (_, local)): (&Listen, &(Transport, SocketAddr))| {
        let named = listening.advertise.iter().find(|(address, _)| address == local);
        SipServer {
            transport: listen.transport,
            address: named.map_or_else(|| local.to_string(), |(_, name)| name.clone()),
            is_loopback: named.is_none() && local.ip().is_loopback(),
        }
    };
    bound.map(server).collect()
}

fn provisioning_settings(config: &Config, servers: Vec<SipServer>) -> ProvisioningSettings {
    ProvisioningSettings { url: config.http.url.clone(), servers }
}

fn switch_config(config: &Config, listening: &Listening) -> SwitchConfig {
    let sip = &config.sip;
    SwitchConfig {
        endpoint: EndpointConfig {
            timers: Timers { t1: sip.timer_t1, ..Timers::default() },
            server_name: format!("Telegraphone/{}", env!("CARGO_PKG_VERSION")),
            advertise: listening.advertise.clone(),
            ..EndpointConfig::default()
        },
        listeners: listening
            .addresses
            .iter()
            .map(|(transport, local)| Listener { transport: *transport, local: *local })
            .collect(),
        lifetimes: Lifetimes {
            least: sip.registration_min_s,
            usual: sip.registration_default_s,
            most: sip.registration_max_s,
        },
        nonce_lifetime: sip.nonce_ttl,
        session_timer: Policy { interval_s: sip.session_expires_s, min_s: sip.min_se_s },
        ring_timeout: sip.ring_timeout,
        max_calls: sip.max_calls,
        silence_timeout: config.rtp.silence_timeout,
        rtcp_interval: config.rtp.rtcp_interval,
        strict_source: config.rtp.strict_source,
    }
}

/// Between two tries to write call records.
const RECORDS_RETRY: Duration = Duration::from_millis(500);
/// Tries once the service stops: a disk that stays full must not keep it from ending.
const LAST_TRIES: u32 = 20;

/// Writes records in the order in which they came, as many at a time as are there.
async fn save_records(store: Store, mut queue: mpsc::Receiver<CallRecord>, reserve: PathBuf) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, 256).await > 0 {
        let mut last_tries = 0;
        while let Err(error) = store.save_calls(&batch).await {
            // A full disk: the reserve makes room.
            let _ = std::fs::remove_file(&reserve);
            tracing::error!(%error, calls = batch.len(), "call records could not be written; it is tried again");
            last_tries += u32::from(queue.is_closed());
            if last_tries > LAST_TRIES {
                for call in &batch {
                    tracing::error!(call = %call.id, company = %call.company, "the record of this call is lost: the database cannot be written");
                }
                break;
            }
            tokio::time::sleep(RECORDS_RETRY).await;
        }
        batch.clear();
    }
}

/// Seconds between two times that freed memory is given back to the system.
const GIVE_BACK_S: u64 = 15;

/// The disk, the memory and the CPU, once a second.
async fn watch_machine(config: Config, handle: Handle, limits: Arc<Limits>) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let reserve = monitor::reserve_path(&config.recording.dir);
    let (mut last, mut load) = (None, monitor::Load::default());
    let mut before = None;
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    for second in 1u64.. {
        interval.tick().await;
        if second % GIVE_BACK_S == 0 {
            heap::give_back();
        }
        let look = monitor::Look::now(handle.clock);
        let found = monitor::judge_load(last.as_ref(), &look, cores, config.limits);
        limits.set(found);
        monitor::tell(std::mem::replace(&mut load, found), found, &look);
        last = Some(look);
        let Some(free) = monitor::free_bytes(&config.recording.dir) else { continue };
        let disk = monitor::judge(free, &config.recording);
        monitor::keep_reserve(&reserve, free, &config.recording);
        let kind = std::mem::discriminant(&disk);
        if before.replace(kind) == Some(kind) {
            continue;
        }
        let problem = match disk {
            monitor::Disk::Enough => None,
            monitor::Disk::Low(free) => {
                tracing::warn!(free_mib = free >> 20, "the disk of the recordings is nearly full");
                None
            }
            monitor::Disk::Full(free) => {
                tracing::error!(free_mib = free >> 20, "the disk of the recordings is full: no new recordings");
                Some(format!("only {} MiB are free in {}", free >> 20, config.recording.dir.display()))
            }
        };
        let _ = handle.orders.send(Order::Recording(problem)).await;
    }
}

const FEED_BATCH: u32 = 500;

/// The subscription layer's reader: outbox entries become events of the feed, exactly once.
async fn feed(handle: Handle, desk: Option<Arc<Desk>>) {
    loop {
        match handle.store.pump_feed(handle.clock.wall(), FEED_BATCH).await {
            Ok(entries) if entries.is_empty() => {
                // Woken by whatever this process writes; now and then also for what others have written.
                let _ = tokio::time::timeout(Duration::from_secs(5), handle.store.outbox_has_grown()).await;
            }
            Ok(entries) => {
                if let Some(last) = entries.last() {
                    handle.fed.send_replace(last.seq);
                }
                for entry in &entries {
                    let FeedEntry { seq, at: _, kind, company, call, subject, event: _ } = entry;
                    let (kind, call) = (kind.as_str(), call.map(tracing::field::display));
                    match subject.recording() {
                        Some(recording) => tracing::info!(%company, call, %recording, event = kind, seq, "event"),
                        None => tracing::debug!(%company, call, event = kind, seq, "event"),
                    }
                }
                if let Some(desk) = &desk {
                    desk.publish(entries).await;
                }
            }
            Err(error) => {
                tracing::error!(%error, "the outbox could not be read");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Between two looks whether somebody may know less than before, where nothing happens.
const LOOK_AT_RIGHTS: Duration = Duration::from_secs(1);

/// A session that ends, or a right that is taken away, acts on open streams at once.
async fn look_at_rights(desk: Arc<Desk>) {
    loop {
        tokio::time::sleep(LOOK_AT_RIGHTS).await;
        desk.look_at_rights().await;
    }
}

/// Between two looks for events whose time is over.
const PURGE_EVERY: Duration = Duration::from_secs(3_600);
/// Events of a transaction: the writer is not kept from others for long.
const PURGE_BATCH: u32 = 500;

/// Deletes events after their retention.
async fn purge(handle: Handle, retention: Span) {
    let mut interval = tokio::time::interval(PURGE_EVERY);
    loop {
        interval.tick().await;
        let before = handle.clock.wall().minus(retention);
        let mut all = Purged::default();
        loop {
            match handle.store.purge_events(before, PURGE_BATCH).await {
                Ok(purged) if purged.is_nothing() => break,
                Ok(Purged { outbox, feed }) => all = Purged { outbox: all.outbox + outbox, feed: all.feed + feed },
                Err(error) => {
                    tracing::warn!(%error, "old events could not be deleted; it is tried again in an hour");
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if !all.is_nothing() {
            tracing::info!(outbox = all.outbox, feed = all.feed, "old events were deleted");
        }
    }
}

/// Looks the trunks' host names up, now and then.
async fn names(handle: Handle, mut directory: Arc<Directory>) {
    loop {
        let mut found = HashMap::new();
        let targets = directory.trunks().flat_map(|trunk| &trunk.targets);
        for target in targets.filter(|target| target.host.parse::<std::net::IpAddr>().is_err()) {
            match tokio::net::lookup_host((target.host.as_str(), target.port)).await {
                Ok(mut addresses) => {
                    found.extend(addresses.next().map(|address| ((target.host.clone(), target.port), address)))
                }
                Err(error) => tracing::warn!(host = target.host, %error, "the host of a trunk is not known"),
            }
        }
        if !found.is_empty() && handle.orders.send(Order::Names(found)).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        if let Ok(now) = handle.store.load_directory().await {
            directory = Arc::new(now);
        }
    }
}

impl Handle {
    /// Answers a request of an operator.
    pub async fn answer(&self, request: Request) -> Answer {
        match request {
            Request::Status => self.status().await,
            Request::Ready => {
                let status = self.ask_core(Request::Status);
                let readiness = Box::new(self.parts.look(self.clock, &self.store, status).await);
                Answer::Ready { readiness }
            }
            Request::CallList
            | Request::CallHangUp { .. }
            | Request::CallsOf { .. }
            | Request::CallUp { .. }
            | Request::DevicesOf { .. }
            | Request::CallCommand { .. }
            | Request::CallEnd { .. }
            | Request::CallPause { .. }
            | Request::CallResume { .. }
            | Request::TrunkList
            | Request::TrunkShow { .. } => self.ask_core(request).await,
            Request::LockoutList { company } => self.lockouts(company).await,
            Request::LockoutClear { only, company } => self.clear_lockouts(only, company).await,
            Request::CallsOver { numbers } => {
                let mut answer = self.ask_core(Request::CallList).await;
                if let Answer::Calls { calls } = &mut answer {
                    calls.retain(|call| call.record.number.is_some_and(|number| numbers.contains(&number)));
                }
                answer
            }
            Request::CallShow { call } => self.call(call).await,
            Request::Reload => self.reload().await,
            Request::Wake => {
                self.fed.send_modify(|_| {});
                Answer::Done
            }
            Request::RecordingList { limit, numbers } => {
                let found = match numbers {
                    None => self.store.recordings(&RecordingFilter::default(), limit).await,
                    Some(numbers) => self.store.recordings_over(&numbers, limit).await,
                };
                match found {
                    Ok(recordings) => Answer::Recordings { recordings },
                    Err(error) => failed(&error),
                }
            }
            Request::RecordingShow { recording } => match self.store.recording(recording).await {
                Ok(Some(record)) => Answer::Recording { recording: Box::new(record) },
                Ok(None) => Answer::NotFound { what: format!("recording {recording}") },
                Err(error) => failed(&error),
            },
            Request::RecordingVerify { recording, before } => {
                keeping::verify(&self.store, &self.recordings, recording, before).await
            }
            Request::MessageVerify { after } => keeping::verify_messages(&self.store, &self.recordings, after).await,
            Request::RecordingDelete { recording, by } => {
                self.delete(recording, by.as_deref().unwrap_or("the operator")).await
            }
            Request::Events { after, limit, numbers } => self.events(after, limit, numbers.as_deref()).await,
        }
    }

    /// Call control does not know of HTTP.
    async fn status(&self) -> Answer {
        let mut answer = self.ask_core(Request::Status).await;
        if let Answer::Status { status } = &mut answer {
            let bound = [&self.parts.http, &self.parts.metrics].into_iter().filter_map(|bound| bound.get()).flatten();
            status.http = bound.map(ToString::to_string).collect();
        }
        answer
    }

    /// Of both kinds: call control knows of SIP's.
    async fn lockouts(&self, company: Option<CompanyId>) -> Answer {
        let mut answer = self.ask_core(Request::LockoutList { company }).await;
        let now = self.clock.now();
        if let Answer::Lockouts { locks } = &mut answer
            && !self.log_ins.is_idle(now)
        {
            let directory = match self.store.load_directory().await {
                Ok(directory) => directory,
                Err(error) => return failed(&error),
            };
            locks.extend(self.log_ins.list(now, company, |id| key_of(&directory, id)));
        }
        answer
    }

    async fn clear_lockouts(&self, only: Option<String>, company: Option<CompanyId>) -> Answer {
        let directory = match self.store.load_directory().await {
            Ok(directory) => directory,
            Err(error) => return failed(&error),
        };
        let here = self.log_ins.clear(only.as_deref(), company, |id| key_of(&directory, id));
        match self.ask_core(Request::LockoutClear { only, company }).await {
            Answer::Cleared { entries } => Answer::Cleared { entries: entries + here },
            answer => answer,
        }
    }

    async fn events(&self, after: i64, limit: u32, numbers: Option<&[NumberId]>) -> Answer {
        let events = match numbers {
            None => self.store.feed_after(None, after, limit).await,
            Some(numbers) => self.store.feed_over(numbers, after, limit).await,
        };
        match (events, self.store.feed_purged().await) {
            (Ok(events), Ok(purged)) => Answer::Events { events, purged },
            (Err(error), _) | (_, Err(error)) => failed(&error),
        }
    }

    async fn ask_core(&self, request: Request) -> Answer {
        let (answer, answered) = oneshot::channel();
        if self.orders.send(Order::Api { request, answer }).await.is_err() {
            return Answer::Failed { problem: "the service is stopping".to_owned() };
        }
        answered.await.unwrap_or_else(|_| Answer::Failed { problem: "the service is stopping".to_owned() })
    }

    async fn call(&self, call: CallId) -> Answer {
        let up = match self.ask_core(Request::CallShow { call }).await {
            Answer::Call { up, .. } => up,
            _ => None,
        };
        let recordings = self.store.recordings_of(call).await.unwrap_or_default();
        if let Some(view) = &up {
            return Answer::Call { record: Box::new(view.record.clone()), up, recordings };
        }
        match self.store.call(call).await {
            Ok(Some(record)) => Answer::Call { up: None, record: Box::new(record), recordings },
            Ok(None) => Answer::NotFound { what: format!("call {call}") },
            Err(error) => failed(&error),
        }
    }

    async fn reload(&self) -> Answer {
        self.tls.reload(self.clock.wall());
        match self.store.load_directory().await {
            Ok(directory) => {
                let _ = self.orders.send(Order::Directory(Arc::new(directory))).await;
                // Who waits for events looks whether they still may.
                self.fed.send_modify(|_| {});
                Answer::Done
            }
            Err(error) => failed(&error),
        }
    }

    async fn delete(&self, recording: crate::base::RecordingId, by: &str) -> Answer {
        keeping::delete(&self.store, &self.recordings, recording, by, self.clock).await
    }
}

/// Key of a company; empty where there is none.
fn key_of(directory: &Directory, id: CompanyId) -> String {
    directory.company(id).map_or_else(String::new, |company| company.key.clone())
}

fn failed(error: &StoreError) -> Answer {
    Answer::Failed { problem: error.to_string() }
}
