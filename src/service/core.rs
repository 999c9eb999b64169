//! The one task in which call control lives: everything that happens comes to it as a message,
//! one after the other.

use super::bindings::Changed;
use super::clock::Clock;
use super::net::{Arrival, Connections, Outlets, Sent, connect};
use super::recorder::{RecorderReport, Review, TakeNews};
use super::shell::ServiceShell;
use super::tls::Tls;
use super::worker::Report;
use crate::api::{Answer, DeviceView, Registered, Request, Status};
use crate::archive::{LoadError, load_part};
use crate::audio::prompt::Pcm;
use crate::base::{CallId, Span, Time, UserId};
use crate::call::{AskId, MailboxAnswer, Switch, TakeFact, TextDone, TextOut};
use crate::directory::Directory;
use crate::ledger::{EndReason, TakeId, Waiting};
use crate::policy::Command;
use crate::registrar::Binding;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What others ask call control.
#[derive(Debug)]
pub enum Order {
    Api {
        request: Request,
        answer: oneshot::Sender<Answer>,
    },
    Directory(Arc<Directory>),
    Names(HashMap<(String, u16), SocketAddr>),
    /// What waits for these users in voicemail boxes now.
    Waiting(Vec<(UserId, Waiting)>),
    /// What voicemail asked the storage for.
    Mailbox {
        call: CallId,
        ask: AskId,
        answer: MailboxAnswer,
    },
    /// Recordings can be made again, or cannot and why.
    Recording(Option<String>),
    /// A text message that came is stored, or is not taken.
    TextTaken {
        ticket: u64,
        status: u16,
        reason: String,
    },
    SendText {
        text: Box<TextOut>,
        done: oneshot::Sender<TextDone>,
    },
    /// Where a user's devices are.
    Bindings {
        user: UserId,
        answer: oneshot::Sender<Vec<Binding>>,
    },
    /// No new calls; those that are up have `grace`. Answered when the last has ended.
    Stop {
        grace: Duration,
        done: oneshot::Sender<()>,
    },
}

/// The queues that call control reads.
pub struct Inbox {
    pub arrivals: mpsc::Receiver<Arrival>,
    pub reports: mpsc::Receiver<Report>,
    pub recorders: mpsc::Receiver<RecorderReport>,
    pub orders: mpsc::Receiver<Order>,
}

/// Call control.
pub struct Core {
    pub clock: Clock,
    pub switch: Switch,
    pub shell: ServiceShell,
    pub outlets: Outlets,
    pub connections: Connections,
    pub arrivals: mpsc::Sender<Arrival>,
    pub tcp_idle: Duration,
    pub tls: Tls,
    pub started: String,
    pub listeners: Vec<String>,
    pub recordings_folder: String,
    pub no_recording: Option<String>,
    /// Devices to keep, for the task that writes them; while it writes, changes wait in the registrar.
    bindings: mpsc::Sender<Changed>,
    /// For what is read elsewhere and comes back here.
    recorder_reports: mpsc::Sender<RecorderReport>,
    stopping: Option<Stopping>,
}

struct Stopping {
    hang_up_at: Time,
    done: Option<oneshot::Sender<()>>,
}

/// Messages taken at once before what has to be sent is sent.
const BATCH: usize = 64;
/// The longest sleep; timers make it shorter.
const IDLE: Duration = Duration::from_secs(3_600);

/// Devices that could not be handed on are tried again after this.
const KEEP_AGAIN: Duration = Duration::from_millis(100);

impl Core {
    #[allow(clippy::too_many_arguments, reason = "called once, by the service's start")]
    pub fn new(
        clock: Clock,
        switch: Switch,
        shell: ServiceShell,
        outlets: Outlets,
        connections: Connections,
        arrivals: mpsc::Sender<Arrival>,
        tcp_idle: Duration,
        tls: Tls,
        listeners: Vec<String>,
        recordings_folder: String,
        bindings: mpsc::Sender<Changed>,
        recorder_reports: mpsc::Sender<RecorderReport>,
    ) -> Self {
        let started = clock.wall().to_string();
        Core {
            clock,
            switch,
            shell,
            outlets,
            connections,
            arrivals,
            tcp_idle,
            tls,
            started,
            listeners,
            recordings_folder,
            no_recording: None,
            bindings,
            recorder_reports,
            stopping: None,
        }
    }

    /// Runs until it was stopped and the last call has ended; gives the shell back to be closed.
    pub async fn run(mut self, mut inbox: Inbox) -> ServiceShell {
        loop {
            let wait = self.wait();
            tokio::select! {
                biased;
                Some(order) = inbox.orders.recv() => self.order(order),
                Some(report) = inbox.reports.recv() => {
                    self.report(report);
                    for _ in 0..BATCH {
                        let Ok(report) = inbox.reports.try_recv() else { break };
                        self.report(report);
                    }
                }
                Some(report) = inbox.recorders.recv() => self.recorder_report(report),
                Some(arrival) = inbox.arrivals.recv() => {
                    self.arrival(arrival);
                    for _ in 0..BATCH {
                        let Ok(arrival) = inbox.arrivals.try_recv() else { break };
                        self.arrival(arrival);
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
            let now = self.clock.now();
            if self.switch.next_timeout().is_some_and(|at| at <= now) {
                self.switch.handle_timeout(now, self.clock.wall(), &mut self.shell);
            }
            self.shell.save_what_waits();
            for ticket in self.shell.take_refused_texts() {
                self.switch.answer_text(ticket, 503, "Too many text messages wait", now);
            }
            self.transmit();
            self.keep_bindings();
            if self.is_over(now) {
                let _ = self.bindings.send(self.switch.changed_bindings()).await;
                return self.shell;
            }
        }
    }

    fn wait(&self) -> Duration {
        let timer = self.switch.next_timeout().map_or(IDLE, |at| self.clock.until(at));
        let timer = if self.switch.bindings_have_changed() { timer.min(KEEP_AGAIN) } else { timer };
        match &self.stopping {
            Some(_) => timer.min(Duration::from_millis(50)),
            None => timer,
        }
    }

    /// Hands changed devices on when the writer has taken the last ones; never waits for it.
    fn keep_bindings(&mut self) {
        if self.switch.bindings_have_changed()
            && let Ok(place) = self.bindings.try_reserve()
        {
            place.send(self.switch.changed_bindings());
        }
    }

    fn arrival(&mut self, arrival: Arrival) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        match arrival {
            Arrival::Datagram { bytes, peer } => self.switch.datagram(&bytes, peer, now, wall, &mut self.shell),
            Arrival::Message { message, peer } => self.switch.message(*message, peer, now, wall, &mut self.shell),
            Arrival::Opened { connection, peer, sender } => self.outlets.opened(connection, &peer, sender),
            Arrival::Closed { connection } => {
                self.transmit();
                self.outlets.closed(connection);
                self.switch.connection_closed(connection, now, wall, &mut self.shell);
            }
            Arrival::Failed { peer } => self.switch.transport_failed(peer, now, wall, &mut self.shell),
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Fact { call, fact } => {
                self.switch.fact(call, fact, self.clock.now(), self.clock.wall(), &mut self.shell)
            }
            Report::Over { call, stats, ports } => self.shell.over(call, stats, &ports, self.clock.now()),
            Report::Left { port } => self.shell.ports.give_back(port),
            Report::Given { to, moved, sockets } => self.shell.given(to, moved, sockets),
        }
    }

    fn recorder_report(&mut self, report: RecorderReport) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        match report {
            RecorderReport::Failed { call, problem } => {
                tracing::warn!(%call, problem, "the call goes on as its company settings say for a failed recording");
                self.switch.recording_failed(call, now, wall, &mut self.shell);
            }
            RecorderReport::Take { call, take, news: TakeNews::Fact(fact) } => {
                self.switch.on_take(call, take, fact, now, wall, &mut self.shell);
            }
            RecorderReport::Take { call, take, news: TakeNews::Closed { length, review } } => {
                self.load_review(call, take, length, review);
            }
        }
    }

    /// The take has ended; where somebody wants to hear it, its samples are read first, elsewhere.
    fn load_review(&mut self, call: CallId, take: TakeId, length: Span, review: Option<Review>) {
        let closed =
            move |pcm| RecorderReport::Take { call, take, news: TakeNews::Fact(TakeFact::Closed { length, pcm }) };
        let Some(Review { part, rate, samples }) = review else {
            return self.recorder_report(closed(Pcm::default()));
        };
        let reports = self.recorder_reports.clone();
        tokio::task::spawn_blocking(move || {
            let pcm = match load_part(&part, rate, samples, length + Span::from_secs(1)) {
                Ok(pcm) => pcm,
                // The party has hung up meanwhile: it is a message already, and nobody hears it first.
                Err(LoadError::File(error)) if error.kind() == io::ErrorKind::NotFound => Pcm::default(),
                Err(error) => {
                    tracing::error!(%call, %error, "what a party said cannot be read");
                    Pcm::default()
                }
            };
            let _ = reports.blocking_send(closed(pcm));
        });
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Api { request, answer } => drop(answer.send(self.answer(&request))),
            Order::Directory(directory) => {
                self.shell.set_directory(Arc::clone(&directory));
                self.switch.set_directory(directory);
            }
            Order::Names(names) => self.shell.names = names,
            Order::Waiting(counts) => {
                self.switch.set_waiting(counts, self.clock.now(), self.clock.wall(), &mut self.shell);
            }
            Order::Mailbox { call, ask, answer } => {
                let (now, wall) = (self.clock.now(), self.clock.wall());
                self.switch.on_mailbox(call, ask, answer, now, wall, &mut self.shell);
            }
            Order::Recording(problem) => {
                self.no_recording.clone_from(&problem);
                self.switch.set_recording_problem(problem);
            }
            Order::TextTaken { ticket, status, reason } => {
                self.switch.answer_text(ticket, status, &reason, self.clock.now());
            }
            Order::SendText { text, done } => {
                let ticket = self.shell.texts_under_way.begin(done);
                let text = TextOut { ticket, ..*text };
                self.switch.send_text(text, self.clock.now(), self.clock.wall(), &mut self.shell);
            }
            Order::Bindings { user, answer } => {
                let _ = answer.send(self.switch.registrar().devices(user, self.clock.now()));
            }
            Order::Stop { grace, done } => {
                self.switch.stop_taking_calls();
                let grace = Span(u64::try_from(grace.as_micros()).unwrap_or(u64::MAX));
                self.stopping = Some(Stopping { hang_up_at: self.clock.now() + grace, done: Some(done) });
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let not_found = |call: &crate::base::CallId| Answer::NotFound { what: format!("call {call} is not up") };
        match request {
            Request::Status => Answer::Status { status: Box::new(self.status()) },
            Request::CallList => Answer::Calls { calls: self.switch.calls() },
            Request::CallsOf { company } => Answer::Calls { calls: self.switch.calls_of(*company) },
            Request::CallShow { call } | Request::CallUp { call } => match self.switch.call(*call) {
                Some(view) => Answer::Call {
                    record: Box::new(view.record.clone()),
                    up: Some(Box::new(view)),
                    recordings: Vec::new(),
                },
                None => not_found(call),
            },
            Request::DevicesOf { users } => {
                Answer::Devices { devices: users.iter().flat_map(|user| self.devices(*user, now)).collect() }
            }
            Request::CallHangUp { call } => {
                match self.switch.hang_up(*call, EndReason::Operator, now, wall, &mut self.shell) {
                    true => Answer::Done,
                    false => not_found(call),
                }
            }
            Request::CallPause { call } | Request::CallResume { call } => {
                let command =
                    if matches!(request, Request::CallPause { .. }) { Command::Pause } else { Command::Start };
                match self.switch.command(*call, command, now, wall, &mut self.shell) {
                    Some(Ok(())) => Answer::Done,
                    Some(Err(refusal)) => Answer::Refused { refusal },
                    None => not_found(call),
                }
            }
            Request::CallCommand { call, user, start } => {
                let command = if *start { Command::Start } else { Command::Pause };
                match self.switch.command_of_user(*call, *user, command, now, wall, &mut self.shell) {
                    Some(Ok(())) => Answer::Done,
                    Some(Err(refusal)) => Answer::Refused { refusal },
                    None => not_found(call),
                }
            }
            Request::CallEnd { call, user } => {
                let reason = EndReason::EndedByUser { user: *user };
                match self.switch.hang_up(*call, reason, now, wall, &mut self.shell) {
                    true => Answer::Done,
                    false => not_found(call),
                }
            }
            Request::TrunkList => Answer::Trunks { trunks: self.switch.trunks(now) },
            Request::LockoutList { company } => Answer::Lockouts { locks: self.switch.lockouts(now, *company) },
            Request::LockoutClear { only, company } => {
                Answer::Cleared { entries: self.switch.clear_lockouts(only.as_deref(), *company) }
            }
            Request::TrunkShow { name } => self.trunk(name, now),
            Request::Reload
            | Request::Ready
            | Request::Wake
            | Request::CallsOver { .. }
            | Request::RecordingList { .. }
            | Request::RecordingShow { .. }
            | Request::RecordingVerify { .. }
            | Request::MessageVerify { .. }
            | Request::RecordingDelete { .. }
            | Request::Events { .. } => Answer::Failed { problem: "not a request for call control".to_owned() },
        }
    }

    fn trunk(&self, name: &str, now: Time) -> Answer {
        let (company, of) = name.split_once('/').map_or((None, name), |(company, name)| (Some(company), name));
        let mut found = self.switch.trunks_named(company, of, now);
        match (found.pop(), found.is_empty()) {
            (Some(trunk), true) => Answer::Trunk { trunk: Box::new(trunk) },
            (Some(_), false) => {
                Answer::Failed { problem: format!("several companies have a trunk {name}: write COMPANY/{name}") }
            }
            (None, _) => Answer::NotFound { what: format!("trunk {name}") },
        }
    }

    fn devices(&self, user: UserId, now: Time) -> Vec<Registered> {
        let view = |device: Binding| {
            let device = DeviceView {
                agent: device.agent,
                transport: device.flow.transport.to_string().to_lowercase(),
                source: device.flow.remote.ip().to_string(),
                expires_in_s: device.expires.since(now).0.div_ceil(1_000_000),
            };
            Registered { user, device }
        };
        self.switch.registrar().devices(user, now).into_iter().map(view).collect()
    }

    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started.clone(),
            listeners: self.listeners.clone(),
            calls: self.switch.call_count(),
            devices: self.switch.registrar().count(),
            transactions: self.switch.endpoint().transactions(),
            free_ports: self.shell.ports.free(),
            leftovers: self.switch.leftovers(),
            no_recording: self.no_recording.clone(),
            recordings_folder: self.recordings_folder.clone(),
            http: Vec::new(),
            stopping: self.stopping.is_some(),
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.switch.poll_transmit() {
            let outcome = match self.outlets.send(&transmit.peer, transmit.bytes) {
                Ok(sent) => sent,
                Err(bytes) => {
                    let connection = self.connections.next();
                    let security = (self.tls.clone(), self.shell.names_of(transmit.peer.remote));
                    connect(transmit.peer, bytes, connection, self.tcp_idle, security, self.arrivals.clone());
                    Sent::Done
                }
            };
            if outcome == Sent::Failed {
                self.switch.transport_failed(transmit.peer, self.clock.now(), self.clock.wall(), &mut self.shell);
            }
        }
    }

    /// Whether the service was stopped and nothing is left of its calls.
    fn is_over(&mut self, now: Time) -> bool {
        let Some(stopping) = &mut self.stopping else { return false };
        if now >= stopping.hang_up_at {
            let calls: Vec<_> = self.switch.calls().into_iter().map(|view| view.record.id).collect();
            for call in calls {
                self.switch.hang_up(call, EndReason::Shutdown, now, self.clock.wall(), &mut self.shell);
            }
            self.transmit();
        }
        let Some(stopping) = &mut self.stopping else { return false };
        // The BYEs have gone out; their answers are waited for, but not for ever.
        let linger = now >= stopping.hang_up_at + Span::from_secs(2);
        let quiet = self.switch.call_count() == 0 && self.shell.places() == 0;
        let leaving = self.switch.is_leaving(now);
        let over =
            quiet && !leaving && (linger || self.switch.endpoint().transactions() == 0 || now < stopping.hang_up_at);
        if over && let Some(done) = stopping.done.take() {
            let _ = done.send(());
        }
        over
    }
}
