//! What the switch asks for is done here: ports, media workers, recorders, storage.

mod takes;

use super::archivist::{ArchiveOrder, CallStats};
use super::clock::OsRandom;
use super::config::{MediaAddress, RtpConfig};
use super::mailbox::Asked;
use super::monitor::Load;
use super::ports::{LegSockets, Ports, is_file_limit};
use super::recorder::{RecorderHandle, RecorderOrder};
use super::texts::{Registered, UnderWay};
use super::worker::{Command, Slot, WorkerHandle};
use crate::base::{CallId, Random, Side, Time, UserId};
use crate::call::{
    AskId, Join, JoinFrom, LegPort, MailboxAsk, MediaOrder, Note, Preparation, Shell, Shortage, TakeOrder, TextDone,
    TextIn,
};
use crate::directory::Directory;
use crate::ledger::{CallRecord, Change, Joined, TakeId};
use crate::media::{Counters, Joining, MovedLeg, TakeSlot};
use crate::recording::JournalLine;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use tokio::sync::mpsc;

/// Set by the monitor, read for each new call.
#[derive(Debug, Default)]
pub struct Limits {
    memory: AtomicBool,
    cpu: AtomicBool,
}

impl Limits {
    pub fn set(&self, load: Load) {
        self.memory.store(load.memory, Ordering::Relaxed);
        self.cpu.store(load.cpu, Ordering::Relaxed);
    }

    /// Whether a new call may be taken.
    fn admit(&self) -> Result<(), Shortage> {
        if self.memory.load(Ordering::Relaxed) {
            return Err(Shortage::Memory);
        }
        match self.cpu.load(Ordering::Relaxed) {
            true => Err(Shortage::Cpu),
            false => Ok(()),
        }
    }
}

/// Where a call's media is.
#[derive(Debug)]
struct Place {
    worker: usize,
    slot: Slot,
    /// Opened, not yet given to the worker.
    sockets: [Option<LegSockets>; 2],
    /// For the target of a transfer that rings.
    target: Option<LegSockets>,
    /// A leg of another call is on its way here: what is told this call until then waits.
    awaited: Option<Awaited>,
    company_name: String,
    prepared: bool,
    /// Of one party alone each, by the slots in the ring.
    takes: Vec<(TakeId, TakeSlot)>,
    /// The record at the end, while the worker's last word is awaited.
    ended: Option<Box<CallRecord>>,
}

/// What waits for a leg that another worker gives up.
#[derive(Debug)]
struct Awaited {
    joining: Box<Joining>,
    orders: Vec<MediaOrder>,
}

/// The shell of the running service.
pub struct ServiceShell {
    pub workers: Vec<WorkerHandle>,
    pub recorders: Vec<RecorderHandle>,
    pub archive: SyncSender<ArchiveOrder>,
    /// Records for the database, in order.
    records: mpsc::Sender<CallRecord>,
    /// What voicemail wants to know.
    mailbox: mpsc::Sender<Asked>,
    /// As it is now.
    directory: Arc<Directory>,
    /// Those for which there was no room yet.
    unsaved: VecDeque<CallRecord>,
    /// Text messages to store.
    texts: mpsc::Sender<TextIn>,
    /// Those for which there was no room.
    refused_texts: Vec<u64>,
    pub texts_under_way: UnderWay,
    registered: Arc<Registered>,
    pub ports: Ports,
    pub addresses: Vec<MediaAddress>,
    pub limits: Arc<Limits>,
    pub names: HashMap<(String, u16), SocketAddr>,
    places: HashMap<CallId, Place>,
    next_slot: u32,
    random: OsRandom,
}

impl ServiceShell {
    #[allow(clippy::too_many_arguments, reason = "called once, by the service's start")]
    pub fn new(
        workers: Vec<WorkerHandle>,
        recorders: Vec<RecorderHandle>,
        archive: SyncSender<ArchiveOrder>,
        (records, texts, registered): (mpsc::Sender<CallRecord>, mpsc::Sender<TextIn>, Arc<Registered>),
        (mailbox, directory): (mpsc::Sender<Asked>, Arc<Directory>),
        rtp: &RtpConfig,
        limits: Arc<Limits>,
    ) -> Self {
        ServiceShell {
            workers,
            recorders,
            archive,
            records,
            mailbox,
            directory,
            unsaved: VecDeque::new(),
            texts,
            refused_texts: Vec::new(),
            texts_under_way: UnderWay::default(),
            registered,
            ports: Ports::new(rtp.port_min, rtp.port_max),
            addresses: rtp.addresses.clone(),
            limits,
            names: HashMap::new(),
            places: HashMap::new(),
            next_slot: 0,
            random: OsRandom,
        }
    }

    /// The directory has changed.
    pub fn set_directory(&mut self, directory: Arc<Directory>) {
        self.to_archive(ArchiveOrder::Directory(Arc::clone(&directory)));
        self.directory = directory;
    }

    /// What the certificate of a trunk at `remote` may be made out to: a name that leads there, or
    /// the address itself.
    pub fn names_of(&self, remote: SocketAddr) -> Vec<String> {
        let named = self.names.iter().filter(|(_, address)| **address == remote).map(|((host, _), _)| host.clone());
        named.chain([remote.ip().to_string()]).collect()
    }

    /// Calls whose media is not over yet.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// The worker has closed the call's sockets.
    pub fn over(&mut self, call: CallId, stats: Box<CallStats>, ports: &[u16], now: Time) {
        for port in ports {
            self.ports.give_back(*port);
        }
        let all = |of: fn(&Counters) -> u64| stats.legs.iter().map(|leg| of(&leg.counters)).sum::<u64>();
        let (received, lost, late) = (all(|leg| leg.received), all(|leg| leg.lost), all(|leg| leg.late));
        tracing::info!(%call, received, lost, late, "the media of a call are over");
        let Some(place) = self.places.remove(&call) else { return };
        self.takes_over(call, &place, now);
        let Some(record) = place.ended.filter(|_| place.prepared) else { return };
        self.to_archive(ArchiveOrder::Ended { record, stats, company_name: place.company_name });
    }

    /// A worker has given up the leg that this call waits for.
    pub fn given(&mut self, call: CallId, moved: Box<MovedLeg>, sockets: LegSockets) {
        let Some(place) = self.places.get_mut(&call) else { return self.ports.give_back(sockets.port) };
        let (worker, slot) = (place.worker, place.slot);
        let Some(Awaited { joining, orders }) = place.awaited.take() else {
            return self.ports.give_back(sockets.port);
        };
        if let Some(worker) = self.workers.get(worker) {
            worker.send(Command::Join { slot, joining, sockets, moved: Some(moved) });
        }
        for order in orders {
            self.media(call, order);
        }
    }

    /// A party takes a place: with the sockets that were opened for it, or with those of the call
    /// that it comes from.
    fn join(&mut self, call: CallId, join: Join) {
        let Join { joining, from } = join;
        let joining = Box::new(joining);
        match from {
            JoinFrom::Target => {
                let Some(place) = self.places.get_mut(&call) else { return };
                let (worker, slot) = (place.worker, place.slot);
                let Some(sockets) = place.target.take() else { return };
                if let Some(worker) = self.workers.get(worker) {
                    worker.send(Command::Join { slot, joining, sockets, moved: None });
                }
            }
            JoinFrom::Call { .. } => {
                if let Some(place) = self.places.get_mut(&call) {
                    place.awaited = Some(Awaited { joining, orders: Vec::new() });
                }
            }
        }
    }

    fn close_target(&mut self, call: CallId) {
        let target = self.places.get_mut(&call).and_then(|place| place.target.take());
        if let Some(sockets) = target {
            self.ports.give_back(sockets.port);
        }
    }

    pub fn to_archive(&self, order: ArchiveOrder) {
        if self.archive.send(order).is_err() {
            tracing::error!("the archivist has stopped");
        }
    }

    /// Hands records on while there is room; the rest waits here, in order.
    pub fn save_what_waits(&mut self) {
        while let Some(record) = self.unsaved.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(record)) = self.records.try_send(record) {
                return self.unsaved.push_front(record);
            }
        }
    }

    /// Texts that nobody has room for now: their senders are told to come again.
    pub fn take_refused_texts(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.refused_texts)
    }

    /// The recorder that drains a worker's ring.
    fn recorder_of(&self, worker: usize) -> Option<&RecorderHandle> {
        self.recorders.get(worker % self.recorders.len().max(1))
    }

    fn place(&mut self, call: CallId) -> &mut Place {
        if !self.places.contains_key(&call) {
            self.next_slot = self.next_slot.wrapping_add(1);
        }
        let slot = Slot(self.next_slot);
        let least =
            (0..self.workers.len()).min_by_key(|at| self.workers.get(*at).map_or(usize::MAX, WorkerHandle::calls));
        self.places.entry(call).or_insert_with(|| Place {
            worker: least.unwrap_or(0),
            slot,
            sockets: [None, None],
            target: None,
            awaited: None,
            company_name: String::new(),
            prepared: false,
            takes: Vec::new(),
            ended: None,
        })
    }

    fn open_bridge(&mut self, call: CallId, config: Box<crate::media::BridgeConfig>) {
        let Some(place) = self.places.get_mut(&call) else { return };
        let [caller, callee] = &mut place.sockets;
        let (Some(caller), Some(callee)) = (caller.take(), callee.take()) else { return };
        let (worker, slot) = (place.worker, place.slot);
        let command = Command::Add { slot, call, sockets: Box::new([caller, callee]), config };
        if let Some(worker) = self.workers.get(worker) {
            worker.send(command);
        }
    }

    fn open_sockets(&mut self, local: IpAddr) -> Result<(LegSockets, LegPort), Shortage> {
        let fits = |address: &&MediaAddress| address.bind.is_ipv4() == local.is_ipv4();
        let address =
            self.addresses.iter().find(fits).or_else(|| self.addresses.first()).copied().ok_or(Shortage::Ports)?;
        let sockets = self.ports.open(address.bind).map_err(|error| match is_file_limit(&error) {
            true => Shortage::Files,
            false => Shortage::Ports,
        })?;
        let port = sockets.port;
        Ok((sockets, LegPort { address: address.advertise, port }))
    }

    /// What the recording's journal has to know.
    fn journal(&self, call: CallId, line: JournalLine) {
        let Some(place) = self.places.get(&call) else { return };
        if let Some(recorder) = self.recorder_of(place.worker) {
            recorder.send(RecorderOrder::Note { slot: place.slot.0, line: Box::new(line) });
        }
    }

    /// A call that ends before its sockets were given to a worker gives them back here.
    fn drop_unused(&mut self, call: CallId) -> bool {
        let Some(place) = self.places.get_mut(&call) else { return true };
        let unused: Vec<LegSockets> = place.sockets.iter_mut().filter_map(Option::take).collect();
        if unused.is_empty() {
            return false;
        }
        for sockets in unused {
            self.ports.give_back(sockets.port);
        }
        self.places.remove(&call);
        true
    }
}

impl Random for ServiceShell {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }
}

impl Shell for ServiceShell {
    fn admit(&mut self) -> Result<(), Shortage> {
        self.limits.admit()?;
        match self.ports.free() < 2 {
            true => Err(Shortage::Ports),
            false => Ok(()),
        }
    }

    fn open_leg(&mut self, call: CallId, side: Side, local: IpAddr) -> Result<LegPort, Shortage> {
        let (sockets, port) = self.open_sockets(local)?;
        if let Some(slot) = self.place(call).sockets.get_mut(side.channel()) {
            *slot = Some(sockets);
        }
        Ok(port)
    }

    fn open_target(&mut self, call: CallId, local: IpAddr) -> Result<LegPort, Shortage> {
        self.close_target(call);
        let (sockets, port) = self.open_sockets(local)?;
        self.place(call).target = Some(sockets);
        Ok(port)
    }

    fn media(&mut self, call: CallId, order: MediaOrder) {
        if let Some(awaited) = self.places.get_mut(&call).and_then(|place| place.awaited.as_mut()) {
            return awaited.orders.push(order);
        }
        if matches!(order, MediaOrder::End | MediaOrder::GiveUp { .. }) {
            self.close_target(call);
        }
        let order = match order {
            MediaOrder::Open(config) => return self.open_bridge(call, config),
            MediaOrder::Join(join) => return self.join(call, *join),
            MediaOrder::CloseTarget => return self.close_target(call),
            MediaOrder::End if self.drop_unused(call) => return,
            MediaOrder::End
            | MediaOrder::GiveUp { .. }
            | MediaOrder::SetMedia { .. }
            | MediaOrder::Connect
            | MediaOrder::SetRules(_)
            | MediaOrder::InfoKey { .. }
            | MediaOrder::Play { .. }
            | MediaOrder::PlayPrompt { .. }
            | MediaOrder::StopPrompt { .. }
            | MediaOrder::Collect { .. }
            | MediaOrder::Watch { .. }
            | MediaOrder::SetNotice(_)
            | MediaOrder::SetHoldMusic(_)
            | MediaOrder::SetCommander { .. }
            | MediaOrder::BeginTake { .. }
            | MediaOrder::EndTake { .. } => order,
        };
        let Some(place) = self.places.get(&call) else { return };
        if let Some(worker) = self.workers.get(place.worker) {
            worker.send(Command::Order { slot: place.slot, order });
        }
    }

    fn prepare(&mut self, preparation: Preparation) {
        tracing::info!(call = %preparation.call, company = %preparation.company, "a call was answered");
        let Some(place) = self.places.get_mut(&preparation.call) else { return };
        place.prepared = true;
        place.company_name.clone_from(&preparation.company_name);
        let (worker, slot) = (place.worker, place.slot);
        if let Some(recorder) = self.recorder_of(worker) {
            recorder.send(RecorderOrder::Prepare { slot: slot.0, preparation: Box::new(preparation) });
        }
    }

    fn spoken(&mut self, call: CallId, side: Side, codec: &str) {
        let Some((worker, slot)) = self.places.get(&call).map(|place| (place.worker, place.slot)) else { return };
        if let Some(recorder) = self.recorder_of(worker) {
            recorder.send(RecorderOrder::Spoken { slot: slot.0, side, codec: codec.to_owned() });
        }
    }

    fn changed(&mut self, call: CallId, change: &Change) {
        tracing::info!(%call, wanted = change.wanted, refused = ?change.refused, record = change.decision.record, "recording commanded");
        self.journal(call, JournalLine::Change { change: change.clone() });
    }

    fn joined(&mut self, call: CallId, joined: &Joined) {
        tracing::info!(%call, side = %joined.side, how = ?joined.how, "another party is on the call");
        self.journal(call, JournalLine::Joined { joined: Box::new(joined.clone()) });
    }

    fn begun(&mut self, record: &CallRecord) {
        tracing::info!(call = %record.id, company = %record.company, direction = ?record.direction, "a call has begun");
        self.unsaved.push_back(record.clone());
        self.save_what_waits();
    }

    fn save(&mut self, record: &CallRecord) {
        if record.ended.is_some() {
            let outcome = record.outcome.as_str();
            tracing::info!(call = %record.id, company = %record.company, outcome, "a call has ended");
        }
        if record.ended.is_some()
            && let Some(place) = self.places.get_mut(&record.id)
        {
            place.ended = Some(Box::new(record.clone()));
        }
        self.unsaved.push_back(record.clone());
        self.save_what_waits();
    }

    fn not_recorded(&mut self, record: &CallRecord, problem: &str) {
        tracing::error!(call = %record.id, problem, "a call is not recorded although it should be");
        let company_name = self.places.get(&record.id).map_or_else(String::new, |place| place.company_name.clone());
        self.to_archive(ArchiveOrder::NotRecorded {
            record: Box::new(record.clone()),
            company_name,
            problem: problem.to_owned(),
        });
    }

    fn mailbox(&mut self, call: CallId, ask: AskId, what: MailboxAsk) {
        if self.mailbox.try_send(Asked { call, ask, what, directory: Arc::clone(&self.directory) }).is_err() {
            tracing::warn!(%call, "the storage has too much to do for voicemail: a caller is told to try again");
        }
    }

    fn take(&mut self, call: CallId, order: TakeOrder) {
        self.take_order(call, order);
    }

    fn note(&mut self, note: &Note) {
        match note.is_warning() {
            true => tracing::warn!(call = note.call().map(tracing::field::display), "{note}"),
            false => tracing::info!(call = note.call().map(tracing::field::display), "{note}"),
        }
    }

    fn text(&mut self, text: TextIn) {
        if let Err(mpsc::error::TrySendError::Full(text) | mpsc::error::TrySendError::Closed(text)) =
            self.texts.try_send(text)
        {
            self.refused_texts.push(text.ticket);
        }
    }

    fn text_done(&mut self, ticket: u64, done: TextDone) {
        self.texts_under_way.done(ticket, done);
    }

    fn registered(&mut self, user: UserId) {
        self.registered.note(user);
    }

    fn resolve(&mut self, host: &str, port: u16) -> Option<SocketAddr> {
        match host.parse::<IpAddr>() {
            Ok(ip) => Some(SocketAddr::new(ip, port)),
            Err(_) => self.names.get(&(host.to_owned(), port)).copied(),
        }
    }
}
