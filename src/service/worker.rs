//! A media worker: its own thread, many sockets, one level-triggered epoll that is asked at most
//! once a millisecond. Both legs of a call live here, with matcher, rules and gates.
//!
//! The way of a packet: `epoll` says that a socket is ready ─► one `recvfrom` into the worker's
//! buffer ─► `Bridge::on_rtp` rewrites it there ─► one `sendto`; the tap's copy goes into the ring.
//! No lock, no allocation and no log line on that way.

use super::archivist::CallStats;
use super::clock::Clock;
use super::gauge::MediaGauge;
use super::meters::{Levels, Metered, WorkerMeter};
use super::ports::LegSockets;
use super::priority::{WorkerClass, raise_worker};
use crate::base::{CallId, Side, Span, Time};
use crate::call::MediaOrder;
use crate::media::{
    Bridge, BridgeConfig, Counters, Fact, Joining, MovedLeg, Out, TAP_HEADER, TakeSlot, TapEvent, encode_tap,
};
use rtrb::Producer;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::fd::OwnedFd;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

/// The number of a call in the ring and on the worker; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// What call control tells a worker.
#[derive(Debug)]
pub enum Command {
    /// The call's sockets and its bridge.
    Add {
        slot: Slot,
        call: CallId,
        sockets: Box<[LegSockets; 2]>,
        config: Box<BridgeConfig>,
    },
    Order {
        slot: Slot,
        order: MediaOrder,
    },
    /// Another party takes a place in the call, with sockets of its own.
    Join {
        slot: Slot,
        joining: Box<Joining>,
        sockets: LegSockets,
        moved: Option<Box<MovedLeg>>,
    },
    Stop,
}

/// What call control learns from a worker.
#[derive(Debug)]
pub enum Report {
    Fact {
        call: CallId,
        fact: Fact,
    },
    /// The call's sockets are closed: its ports are free.
    Over {
        call: CallId,
        stats: Box<CallStats>,
        ports: Vec<u16>,
    },
    /// The sockets of a party that left the call are closed.
    Left {
        port: u16,
    },
    /// A leg for the call `to`. What its far side sends meanwhile waits in the socket.
    Given {
        to: CallId,
        moved: Box<MovedLeg>,
        sockets: LegSockets,
    },
}

/// A worker's end at call control.
#[derive(Debug)]
pub struct WorkerHandle {
    commands: SyncSender<Command>,
    waker: Arc<OwnedFd>,
    calls: Arc<AtomicUsize>,
    gauge: Arc<MediaGauge>,
    class: WorkerClass,
    thread: Option<thread::JoinHandle<()>>,
}

/// Commands that may wait. A call needs about six.
const COMMANDS: usize = 16_384;
/// Events of one look at the sockets.
const EVENTS: usize = 4_096;
/// The loop looks at its sockets at most this often.
const TICK: Span = Span::from_millis(1);
/// Bridges that play something are called this often.
const BUSY_TICK: Span = Span::from_millis(5);
/// A hundredth of the calls is looked after each time.
const CARE: Span = Span::from_millis(10);
const CARE_PARTS: u32 = 100;
/// Largest datagram that is taken; G.711 at 60 ms has 492 bytes.
const DATAGRAM: usize = 2_048;
/// Packets of one party that are taken at its call's end: 2 s of 10 ms.
const MOST_WAITING: usize = 200;
const WAKER: u64 = u64::MAX;
/// Of the time that a look at the sockets took, the part that other threads get at least: a worker
/// that is never done would leave a real-time core to nobody else.
const OTHERS: u64 = 8;

impl WorkerHandle {
    /// Starts a worker whose tap events go into `ring`.
    pub fn start(
        name: String,
        core: Option<usize>,
        realtime: bool,
        clock: Clock,
        ring: Producer<u8>,
        reports: tokio::sync::mpsc::Sender<Report>,
        meter: WorkerMeter,
    ) -> io::Result<Self> {
        let (mut handle, worker) = Self::prepare(clock, ring, reports, meter)?;
        let (raised, class) = sync_channel(1);
        let thread = thread::Builder::new().name(name).spawn(move || {
            if let Some(core) = core {
                pin(core);
            }
            let _ = raised.send(raise_worker(realtime));
            worker.run();
        })?;
        handle.class = class.recv().map_err(io::Error::other)?;
        handle.thread = Some(thread);
        Ok(handle)
    }

    /// A worker that has no thread yet, and its handle.
    fn prepare(
        clock: Clock,
        ring: Producer<u8>,
        reports: tokio::sync::mpsc::Sender<Report>,
        meter: WorkerMeter,
    ) -> io::Result<(Self, Worker)> {
        let (commands, inbox) = sync_channel(COMMANDS);
        let waker = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &*waker, epoll::EventData::new_u64(WAKER), epoll::EventFlags::IN)?;
        let calls = Arc::new(AtomicUsize::new(0));
        let gauge = Arc::new(MediaGauge::new(clock.now(), ring.buffer().capacity()));
        let worker = Worker {
            clock,
            epoll,
            waker: Arc::clone(&waker),
            inbox,
            ring,
            reports,
            unsent: Vec::new(),
            calls: HashMap::default(),
            count: Arc::clone(&calls),
            busy: Vec::new(),
            care_at: Time::ZERO,
            care_part: 0,
            gauge: Arc::clone(&gauge),
            meter,
        };
        let class = WorkerClass::Usual;
        Ok((WorkerHandle { commands, waker, calls, gauge, class, thread: None }, worker))
    }

    /// How the worker's thread runs.
    pub const fn class(&self) -> WorkerClass {
        self.class
    }

    pub fn gauge(&self) -> Arc<MediaGauge> {
        Arc::clone(&self.gauge)
    }

    /// Calls on this worker, to choose the least busy one.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Hands a command over. The queue holds thousands; when it is full the worker has stopped.
    pub fn send(&self, command: Command) -> bool {
        let sent = match self.commands.try_send(command) {
            Ok(()) => true,
            Err(TrySendError::Full(command)) => self.commands.send(command).is_ok(),
            Err(TrySendError::Disconnected(_)) => false,
        };
        let _ = rustix::io::write(&*self.waker, &1u64.to_ne_bytes());
        sent
    }

    /// Ends the thread; calls that are up are ended first.
    pub fn stop(&mut self) {
        self.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
        tracing::warn!(core, %error, "a media worker could not be pinned");
    }
}

/// A call on the worker.
struct Call {
    id: CallId,
    bridge: Bridge,
    sockets: [LegSockets; 2],
    /// Per leg: RTCP shares the RTP port.
    muxed: [bool; 2],
    /// What the gauge has of it.
    told: Counters,
}

impl Metered for Call {
    fn id(&self) -> CallId {
        self.id
    }

    fn take_levels(&mut self) -> Option<Levels> {
        self.bridge.is_metered().then(|| self.bridge.take_levels())
    }

    fn measure(&mut self, on: bool) {
        self.bridge.meter(on);
    }
}

/// Slots are our own running numbers: nobody chooses them, and spreading them is enough.
#[derive(Default)]
struct SlotHasher(u64);

impl Hasher for SlotHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u32(&mut self, slot: u32) {
        self.0 = u64::from(slot).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

struct Worker {
    clock: Clock,
    epoll: OwnedFd,
    waker: Arc<OwnedFd>,
    inbox: Receiver<Command>,
    ring: Producer<u8>,
    reports: tokio::sync::mpsc::Sender<Report>,
    /// Reports for which call control had no room yet.
    unsent: Vec<Report>,
    calls: HashMap<u32, Call, BuildHasherDefault<SlotHasher>>,
    count: Arc<AtomicUsize>,
    /// Calls whose bridge plays something.
    busy: Vec<u32>,
    care_at: Time,
    care_part: u32,
    gauge: Arc<MediaGauge>,
    meter: WorkerMeter,
}

impl Worker {
    fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        let mut buffer = [0u8; DATAGRAM];
        loop {
            events.clear();
            let timeout = self.timeout();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "a media worker cannot wait for its sockets");
                    return;
                }
            }
            let now = self.clock.now();
            // Orders first: what call control said before it answered a party holds for the
            // packets that the party sent upon the answer.
            let told = events.iter().any(|event| event.data.u64() == WAKER);
            if told && !self.obey() {
                return;
            }
            for event in events.iter().filter(|event| event.data.u64() != WAKER) {
                self.receive(event.data.u64(), &mut buffer, now);
            }
            self.gauge.tick(now);
            self.tick(now);
            self.care(now);
            if self.meter.is_due(now) {
                self.meter.turn(now, self.calls.values_mut());
            }
            self.send_reports();
            if !events.is_empty() {
                self.rest(now);
            }
        }
    }

    /// How long to wait for the next event at most.
    fn timeout(&self) -> Timespec {
        let span = match (self.calls.is_empty() && self.unsent.is_empty(), self.busy.is_empty()) {
            (true, _) => Span::from_secs(1),
            (false, true) => CARE,
            (false, false) => BUSY_TICK,
        };
        timespec(span)
    }

    /// Sleeps until a millisecond after `since`, so that the next look finds many packets at once.
    /// A busier worker rests for a part of the time it used.
    fn rest(&self, since: Time) {
        let used = self.clock.now().since(since);
        let left = TICK.0.saturating_sub(used.0).max(used.0 / OTHERS);
        thread::sleep(Duration::from_micros(left));
    }

    /// Takes one packet of a socket; `false` where there is none.
    fn receive(&mut self, token: u64, buffer: &mut [u8; DATAGRAM], now: Time) -> bool {
        let (slot, side, is_rtcp) = read_token(token);
        let Some(call) = self.calls.get_mut(&slot) else { return false };
        let [caller, callee] = &call.sockets;
        let own = match side {
            Side::Caller => caller,
            Side::Callee => callee,
        };
        let socket = if is_rtcp { &own.rtcp } else { &own.rtp };
        let (length, from) = match socket.recv_from(buffer) {
            Ok(received) => received,
            // Nothing there after all, or an ICMP error of an earlier send.
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        };
        let Some(packet) = buffer.get_mut(..length) else { return true };
        let mut out = WorkerOut {
            slot,
            id: call.id,
            sockets: &call.sockets,
            muxed: call.muxed,
            ring: &mut self.ring,
            reports: &mut self.unsent,
        };
        match is_rtcp {
            true => call.bridge.on_rtcp(side, from, packet, now),
            false => call.bridge.on_rtp(side, from, packet, now, &mut out),
        }
        if call.bridge.is_busy() && !self.busy.contains(&slot) {
            self.busy.push(slot);
        }
        true
    }

    /// Takes what a call's parties have sent up to now: before the call or a take in it ends, whatever
    /// waits in the sockets was said in it, and a worker that was late has not seen it yet.
    fn catch_up(&mut self, slot: u32) {
        let (now, mut buffer) = (self.clock.now(), [0u8; DATAGRAM]);
        for side in Side::BOTH {
            // A sender that never pauses does not keep the call from ending.
            for _ in 0..MOST_WAITING {
                if !self.receive(token(slot, side, false), &mut buffer, now) {
                    break;
                }
            }
        }
    }

    /// Bridges that play something, or hold keys back.
    fn tick(&mut self, now: Time) {
        let (calls, ring, unsent) = (&mut self.calls, &mut self.ring, &mut self.unsent);
        self.busy.retain(|slot| {
            let Some(call) = calls.get_mut(slot) else { return false };
            let mut out = WorkerOut {
                slot: *slot,
                id: call.id,
                sockets: &call.sockets,
                muxed: call.muxed,
                ring,
                reports: unsent,
            };
            call.bridge.tick(now, &mut out);
            call.bridge.is_busy()
        });
    }

    /// RTCP and silence, for a hundredth of the calls each time.
    fn care(&mut self, now: Time) {
        if now < self.care_at {
            return;
        }
        self.care_at = now + CARE;
        self.care_part = (self.care_part + 1) % CARE_PARTS;
        let ntp = self.clock.ntp();
        let used = self.ring.buffer().capacity() - self.ring.slots();
        self.gauge.ring_used.store(u64::try_from(used).unwrap_or(0), Ordering::Relaxed);
        for (slot, call) in self.calls.iter_mut().filter(|(slot, _)| *slot % CARE_PARTS == self.care_part) {
            let mut out = WorkerOut {
                slot: *slot,
                id: call.id,
                sockets: &call.sockets,
                muxed: call.muxed,
                ring: &mut self.ring,
                reports: &mut self.unsent,
            };
            call.bridge.every_second(now, ntp, &mut out);
            call.told = self.gauge.add(&call.bridge, call.told);
            if call.bridge.is_busy() && !self.busy.contains(slot) {
                self.busy.push(*slot);
            }
        }
    }

    /// Carries out what call control said; `false` to stop.
    fn obey(&mut self) -> bool {
        let mut count = [0u8; 8];
        let _ = rustix::io::read(&*self.waker, &mut count);
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Add { slot, call, sockets, config }) => self.add(slot, call, *sockets, *config),
                Ok(Command::Order { slot, order }) => self.order(slot, order),
                Ok(Command::Join { slot, joining, sockets, moved }) => self.join(slot, *joining, sockets, moved),
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                    self.end_all();
                    return false;
                }
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn add(&mut self, slot: Slot, id: CallId, sockets: [LegSockets; 2], config: BridgeConfig) {
        for (side, own) in Side::BOTH.into_iter().zip(&sockets) {
            self.watch(slot, id, side, own);
        }
        let bridge = Bridge::new(config, self.clock.now());
        self.calls.insert(slot.0, Call { id, bridge, sockets, muxed: [false; 2], told: Counters::default() });
        self.note_count();
    }

    fn note_count(&self) {
        self.count.store(self.calls.len(), Ordering::Relaxed);
        self.gauge.calls.store(u64::try_from(self.calls.len()).unwrap_or(0), Ordering::Relaxed);
    }

    fn watch(&self, slot: Slot, id: CallId, side: Side, own: &LegSockets) {
        for (socket, is_rtcp) in [(&own.rtp, false), (&own.rtcp, true)] {
            let data = epoll::EventData::new_u64(token(slot.0, side, is_rtcp));
            if let Err(error) = epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN) {
                tracing::error!(call = %id, %error, "a media socket cannot be watched");
            }
        }
    }

    fn join(&mut self, slot: Slot, joining: Joining, sockets: LegSockets, moved: Option<Box<MovedLeg>>) {
        let (now, ntp, side) = (self.clock.now(), self.clock.ntp(), joining.side);
        let Some(id) = self.calls.get(&slot.0).map(|call| call.id) else {
            return self.unsent.push(Report::Left { port: sockets.port });
        };
        if moved.is_none() {
            // What came while the phone still rang is not for this call.
            drain(&sockets.rtp);
        }
        self.watch(slot, id, side, &sockets);
        let Some(call) = self.calls.get_mut(&slot.0) else { return };
        let muxed = joining.media.rtcp_mux;
        let mut out = WorkerOut {
            slot: slot.0,
            id,
            sockets: &call.sockets,
            muxed: call.muxed,
            ring: &mut self.ring,
            reports: &mut self.unsent,
        };
        call.bridge.join(joining, moved.map(|moved| *moved), now, ntp, &mut out);
        if let Some(own) = call.sockets.get_mut(side.channel()) {
            let old = std::mem::replace(own, sockets);
            self.unsent.push(Report::Left { port: old.port });
        }
        if let Some(slot) = call.muxed.get_mut(side.channel()) {
            *slot = muxed;
        }
    }

    /// The call ends, and one of its legs goes on in the call `to`, perhaps on another worker.
    fn give_up(&mut self, slot: Slot, side: Side, to: CallId, name: &str) {
        let now = self.clock.now();
        let Some(call) = self.calls.get_mut(&slot.0) else { return };
        let mut out = WorkerOut {
            slot: slot.0,
            id: call.id,
            sockets: &call.sockets,
            muxed: call.muxed,
            ring: &mut self.ring,
            reports: &mut self.unsent,
        };
        let id = call.id;
        let moved = Box::new(call.bridge.give_up(side, name, now, &mut out));
        let Some(sockets) = self.end_but(slot.0, Some(side)) else { return };
        for socket in [&sockets.rtp, &sockets.rtcp] {
            if let Err(error) = epoll::delete(&self.epoll, socket) {
                tracing::error!(call = %id, %error, "a media socket cannot be let go");
            }
        }
        self.unsent.push(Report::Given { to, moved, sockets });
    }

    fn order(&mut self, slot: Slot, order: MediaOrder) {
        if matches!(order, MediaOrder::End | MediaOrder::GiveUp { .. } | MediaOrder::EndTake { .. }) {
            self.catch_up(slot.0);
        }
        let now = self.clock.now();
        if matches!(order, MediaOrder::End) {
            self.end_but(slot.0, None);
            return;
        }
        if let MediaOrder::GiveUp { side, to, told } = &order {
            return self.give_up(slot, *side, *to, told);
        }
        let Some(call) = self.calls.get_mut(&slot.0) else { return };
        if let MediaOrder::SetMedia { side, media } = &order
            && let Some(muxed) = call.muxed.get_mut(side.channel())
        {
            *muxed = media.rtcp_mux;
        }
        let mut out = WorkerOut {
            slot: slot.0,
            id: call.id,
            sockets: &call.sockets,
            muxed: call.muxed,
            ring: &mut self.ring,
            reports: &mut self.unsent,
        };
        match order {
            MediaOrder::Open(_)
            | MediaOrder::Join(_)
            | MediaOrder::CloseTarget
            | MediaOrder::GiveUp { .. }
            | MediaOrder::End => {}
            MediaOrder::SetMedia { side, media } => call.bridge.set_media(side, *media, now, &mut out),
            MediaOrder::Connect => call.bridge.connect(now, &mut out),
            MediaOrder::SetRules(rules) => call.bridge.set_rules(rules, now, &mut out),
            MediaOrder::InfoKey { side, key } => call.bridge.on_info_key(side, key, now, &mut out),
            MediaOrder::Play { side, tone } => call.bridge.play(side, tone),
            MediaOrder::PlayPrompt { side, prompt } => call.bridge.play_prompt(side, prompt, now),
            MediaOrder::StopPrompt { side } => call.bridge.stop_prompt(side),
            MediaOrder::Collect { side, on } => call.bridge.collect_keys(side, on),
            MediaOrder::Watch { side } => call.bridge.watch(side, now),
            MediaOrder::SetNotice(notice) => call.bridge.set_notice(notice),
            MediaOrder::SetHoldMusic(music) => call.bridge.set_hold_music(music),
            MediaOrder::SetCommander { side, commander } => call.bridge.set_commander(side, commander),
            MediaOrder::BeginTake { side, slot } => call.bridge.begin_take(side, slot, now, &mut out),
            MediaOrder::EndTake { slot } => call.bridge.end_take(slot, now, &mut out),
        }
        if call.bridge.is_busy() && !self.busy.contains(&slot.0) {
            self.busy.push(slot.0);
        }
    }

    /// Ends a call; the sockets of the leg that goes on elsewhere are given back open.
    fn end_but(&mut self, slot: u32, kept: Option<Side>) -> Option<LegSockets> {
        let (now, ntp) = (self.clock.now(), self.clock.ntp());
        let mut call = self.calls.remove(&slot)?;
        self.note_count();
        let mut out = WorkerOut {
            slot,
            id: call.id,
            sockets: &call.sockets,
            muxed: call.muxed,
            ring: &mut self.ring,
            reports: &mut self.unsent,
        };
        call.bridge.end(now, ntp, &mut out);
        self.gauge.add(&call.bridge, call.told);
        let stats = Box::new(CallStats { legs: call.bridge.stats(), left: call.bridge.left().to_vec() });
        let sockets = Side::BOTH.into_iter().zip(call.sockets);
        let (kept, closed): (Vec<_>, Vec<_>) = sockets.partition(|(side, _)| kept == Some(*side));
        let ports = closed.iter().map(|(_, sockets)| sockets.port).collect();
        drop(closed);
        self.unsent.push(Report::Over { call: call.id, stats, ports });
        kept.into_iter().next().map(|(_, sockets)| sockets)
    }

    fn end_all(&mut self) {
        let slots: Vec<u32> = self.calls.keys().copied().collect();
        for slot in slots {
            self.catch_up(slot);
            self.end_but(slot, None);
        }
        for report in self.unsent.drain(..) {
            let _ = self.reports.blocking_send(report);
        }
    }

    /// Nothing is lost when call control is slow: what it has no room for waits here.
    fn send_reports(&mut self) {
        let mut waiting = std::mem::take(&mut self.unsent).into_iter();
        for report in waiting.by_ref() {
            if let Err(tokio::sync::mpsc::error::TrySendError::Full(report)) = self.reports.try_send(report) {
                self.unsent.push(report);
                break;
            }
        }
        self.unsent.extend(waiting);
    }
}

fn timespec(span: Span) -> Timespec {
    let nanos = i64::try_from((span.0 % 1_000_000) * 1_000).unwrap_or(0);
    Timespec { tv_sec: i64::try_from(span.0 / 1_000_000).unwrap_or(0), tv_nsec: nanos }
}

const fn token(slot: u32, side: Side, is_rtcp: bool) -> u64 {
    ((slot as u64) << 2) | ((side.channel() as u64) << 1) | is_rtcp as u64
}

const fn read_token(token: u64) -> (u32, Side, bool) {
    let side = if token & 2 == 0 { Side::Caller } else { Side::Callee };
    ((token >> 2) as u32, side, token & 1 == 1)
}

/// Reads a socket empty.
fn drain(socket: &UdpSocket) {
    let mut buffer = [0u8; 64];
    while socket.recv_from(&mut buffer).is_ok() {}
}

/// Where a bridge's results go: the call's sockets, the ring, the reports.
struct WorkerOut<'a> {
    slot: u32,
    id: CallId,
    sockets: &'a [LegSockets; 2],
    muxed: [bool; 2],
    ring: &'a mut Producer<u8>,
    reports: &'a mut Vec<Report>,
}

impl WorkerOut<'_> {
    fn own(&self, side: Side) -> &LegSockets {
        let [caller, callee] = self.sockets;
        match side {
            Side::Caller => caller,
            Side::Callee => callee,
        }
    }

    /// A send that does not fit is a lost packet, as on any network.
    fn send(socket: &UdpSocket, to: SocketAddr, packet: &[u8]) {
        let _ = socket.send_to(packet, to);
    }
}

impl Out for WorkerOut<'_> {
    fn rtp(&mut self, side: Side, to: SocketAddr, packet: &[u8]) {
        Self::send(&self.own(side).rtp, to, packet);
    }

    fn rtcp(&mut self, side: Side, to: SocketAddr, packet: &[u8]) {
        let own = self.own(side);
        // With rtcp-mux the far side expects it from the RTP port (RFC 5761).
        let muxed = self.muxed.get(side.channel()).copied().unwrap_or(false);
        Self::send(if muxed { &own.rtp } else { &own.rtcp }, to, packet);
    }

    fn tap(&mut self, event: &TapEvent<'_>) -> bool {
        self.push(self.slot, event)
    }

    fn tap_take(&mut self, take: TakeSlot, event: &TapEvent<'_>) -> bool {
        self.push(take.0, event)
    }

    fn fact(&mut self, fact: Fact) {
        self.reports.push(Report::Fact { call: self.id, fact });
    }
}

impl WorkerOut<'_> {
    /// Puts an event into the ring, for the take or the call of that slot.
    fn push(&mut self, slot: u32, event: &TapEvent<'_>) -> bool {
        let header = encode_tap(slot, event);
        let payload = event.payload();
        // Frames leave room for the events that must not be lost.
        let reserve = if event.may_be_lost() { RESERVE } else { 0 };
        if self.ring.slots() < TAP_HEADER + payload.len() + reserve {
            return false;
        }
        // The recorder waits until the payload that a header announces is there as well.
        self.ring.push_entire_slice(&header).is_ok() && self.ring.push_entire_slice(payload).is_ok()
    }
}

/// Bytes of the ring that only events that must not be lost may use: gates, transfers, ends.
const RESERVE: usize = 1 << 20;

#[cfg(test)]
mod tests;
