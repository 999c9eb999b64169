//! All calls of the service: what comes from the network, the clock, the media plane and the
//! operator goes to the session that it concerns.

use super::auth::Authenticator;
use super::lockout::{LockView, Locked};
use super::session::{CallView, Phase, Session};
use super::text::Texts;
use super::transfer::{Ended, Leavers};
use super::trunks::Lines;
use super::voicemail::{AskId, Guesses, Input, MailboxAnswer};
use super::waiting::{Device, Lamps};
use super::{MediaOrder, Note, Shell, TakeFact};
use crate::audio::speech::Voices;
use crate::base::{CallId, CompanyId, Side, Span, Time, TrunkId, UserId, Wall};
use crate::directory::{Directory, Login, OnRecordingFailure, User, may_command};
use crate::ledger::{By, Change, EndReason, How, Refusal, TakeId};
use crate::media::Fact;
use crate::policy::{Command, Facts, Verdict};
use crate::registrar::{Binding, Lifetimes, Registrar};
use crate::sip::dialog::DialogId;
use crate::sip::endpoint::{ClientTx, Endpoint, EndpointConfig, Event, ServerTx, Transmit};
use crate::sip::message::{Message, Method, Request, Response};
use crate::sip::parse::ParseError;
use crate::sip::session_timer::Policy;
use crate::sip::{ConnectionId, Peer, Transport};
use crate::trunk::Registration;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// A SIP listener of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    pub transport: Transport,
    pub local: SocketAddr,
}

/// What the switch is told once.
#[derive(Clone, Debug)]
pub struct SwitchConfig {
    pub endpoint: EndpointConfig,
    pub listeners: Vec<Listener>,
    pub lifetimes: Lifetimes,
    pub nonce_lifetime: Span,
    pub session_timer: Policy,
    pub ring_timeout: Span,
    pub max_calls: usize,
    /// Silence of RTP and RTCP that ends a call; `None`: never.
    pub silence_timeout: Option<Span>,
    pub rtcp_interval: Span,
    /// Media only from the address that the SDP names.
    pub strict_source: bool,
}

/// What a request of ours was for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// The INVITE to a device or trunk, of the called side or of the target of a transfer.
    Ring { call: CallId },
    /// A re-INVITE or UPDATE on a leg.
    Change { call: CallId, side: Side },
    /// NOTIFY: how far a transfer is.
    Notify { call: CallId, dialog: DialogId },
    /// NOTIFY: what waits, to a device that asked.
    Summary { dialog: DialogId },
    /// The same to one that did not.
    Lamp { device: Device },
    /// INFO: only its failure may matter.
    Inform { call: CallId },
    /// PRACK: what it acknowledged is acknowledged.
    Acknowledge { call: CallId },
    /// BYE: whatever comes of it, the dialog is over.
    Farewell,
    /// OPTIONS to a target of a trunk.
    KeepAlive { trunk: TrunkId, target: usize },
    /// REGISTER at a trunk.
    Register { trunk: TrunkId },
    /// MESSAGE.
    Text { ticket: u64 },
    /// REGISTER that takes our address away from a trunk that may be gone from the directory.
    Leave { registration: Box<Registration>, login: Option<Login> },
}

/// An INVITE of ours that may still bring a 2xx nobody waits for.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub purpose: Purpose,
    pub request: Request,
    pub peer: Peer,
    pub contact: String,
    /// To a trunk: later requests follow its Contact, its challenges are answered.
    pub trunk: Option<TrunkId>,
    /// How often a challenge to it was answered.
    pub tries: u8,
    /// The highest CSeq of its early dialogs, where PRACK was sent.
    pub last_seq: u32,
}

impl Sent {
    pub fn new(purpose: Purpose, request: Request, peer: Peer, contact: String) -> Self {
        Sent { purpose, request, peer, contact, trunk: None, tries: 0, last_seq: 0 }
    }
}

/// Everything that is up.
pub struct Switch {
    pub(super) config: SwitchConfig,
    pub(super) endpoint: Endpoint,
    pub(super) directory: Arc<Directory>,
    pub(super) registrar: Registrar,
    pub(super) auth: Authenticator,
    pub(super) lines: Lines,
    pub(super) lamps: Lamps,
    pub(super) sessions: HashMap<CallId, Session>,
    /// INVITEs that are being answered.
    pub(super) incoming: HashMap<ServerTx, CallId>,
    pub(super) dialogs: HashMap<DialogId, (CallId, Side)>,
    pub(super) sent: HashMap<ClientTx, Sent>,
    /// INVITEs of ours with a final response: forked 2xx may follow until then.
    pub(super) settled: VecDeque<(Time, ClientTx)>,
    /// Parties whose place another took.
    pub(super) leavers: Leavers,
    /// Users' dialogs that are over.
    pub(super) ended: Ended,
    /// Text messages that are under way.
    pub(super) texts: Texts,
    wakes: BTreeSet<(Time, CallId)>,
    wake_of: HashMap<CallId, Time>,
    /// When each user's last call ended; the end of time while they talk.
    pub(super) idle: HashMap<UserId, Time>,
    /// Why no recording can be made now.
    pub(super) no_recording: Option<String>,
    pub(super) stopping: bool,
    /// Wrong passwords of voicemail boxes.
    pub(super) guesses: Guesses,
    pub(super) voices: Arc<Voices>,
}

/// Where and when a step happens.
pub(super) struct Cx<'a> {
    pub now: Time,
    pub wall: Wall,
    pub shell: &'a mut dyn Shell,
}

/// Forked 2xx are expected for 64 × T1 of the default T1 (RFC 3261 §13.2.2.4).
const FORKS: Span = Span::from_secs(33);

impl Switch {
    /// `secret`: 32 random bytes for nonces, drawn at each start.
    pub fn new(config: SwitchConfig, directory: Arc<Directory>, secret: [u8; 32]) -> Self {
        Switch {
            endpoint: Endpoint::new(config.endpoint.clone()),
            registrar: Registrar::new(config.lifetimes),
            auth: Authenticator::new(secret, config.nonce_lifetime),
            lines: Lines::outdated(),
            lamps: Lamps::default(),
            config,
            directory,
            sessions: HashMap::new(),
            incoming: HashMap::new(),
            dialogs: HashMap::new(),
            sent: HashMap::new(),
            settled: VecDeque::new(),
            leavers: Leavers::default(),
            ended: Ended::default(),
            texts: Texts::default(),
            wakes: BTreeSet::new(),
            wake_of: HashMap::new(),
            idle: HashMap::new(),
            no_recording: None,
            stopping: false,
            guesses: Guesses::default(),
            voices: Arc::default(),
        }
    }

    /// The directory has changed. Calls that are up keep what they began with.
    pub fn set_directory(&mut self, directory: Arc<Directory>) {
        self.registrar.keep_users(|user| directory.user(user).is_some());
        self.idle.retain(|user, _| directory.user(*user).is_some());
        self.lamps.keep_users(|user| directory.user(user).is_some());
        self.directory = directory;
        self.lines.set_stale();
    }

    /// Recordings can be made again, or cannot and why.
    pub fn set_recording_problem(&mut self, problem: Option<String>) {
        self.no_recording = problem;
    }

    /// A datagram.
    pub fn datagram(&mut self, bytes: &[u8], peer: Peer, now: Time, wall: Wall, shell: &mut dyn Shell) {
        let mut cx = Cx { now, wall, shell };
        self.endpoint.receive(bytes, peer, now, &mut Dice(cx.shell));
        self.drain(&mut cx);
    }

    /// What a framer found on a stream.
    pub fn message(
        &mut self,
        message: Result<Message, ParseError>,
        peer: Peer,
        now: Time,
        wall: Wall,
        shell: &mut dyn Shell,
    ) {
        let mut cx = Cx { now, wall, shell };
        self.endpoint.receive_message(message, peer, now, &mut Dice(cx.shell));
        self.drain(&mut cx);
    }

    pub fn connection_closed(&mut self, connection: ConnectionId, now: Time, wall: Wall, shell: &mut dyn Shell) {
        self.registrar.connection_closed(connection);
        self.lamps.connection_closed(connection);
        self.endpoint.connection_closed(connection, now);
        self.drain(&mut Cx { now, wall, shell });
    }

    pub fn transport_failed(&mut self, peer: Peer, now: Time, wall: Wall, shell: &mut dyn Shell) {
        self.endpoint.transport_failed(peer, now);
        self.drain(&mut Cx { now, wall, shell });
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let session = self.wakes.first().map(|(at, _)| *at);
        let settled = self.settled.front().map(|(at, _)| *at);
        let own = [
            self.leavers.next_timeout(),
            self.ended.next_timeout(),
            self.lines.next_timeout(),
            self.lamps.next_timeout(),
        ];
        [self.endpoint.next_timeout(), session, settled].into_iter().chain(own).flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Time, wall: Wall, shell: &mut dyn Shell) {
        let mut cx = Cx { now, wall, shell };
        self.endpoint.handle_timeout(now);
        while let Some((at, call)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) {
            self.wakes.remove(&(at, call));
            self.wake_of.remove(&call);
            self.with_session(call, &mut cx, Self::session_timeout);
        }
        while let Some((_, tx)) = self.settled.front().copied().filter(|(at, _)| *at <= now) {
            self.settled.pop_front();
            self.sent.remove(&tx);
        }
        self.check_leavers(&mut cx);
        self.ended.forget_old(now);
        self.trunks_timeout(&mut cx);
        self.registrar.expire(now);
        self.end_watchers(&mut cx);
        self.drain(&mut cx);
    }

    /// Something happened in the media path of a call.
    pub fn fact(&mut self, call: CallId, fact: Fact, now: Time, wall: Wall, shell: &mut dyn Shell) {
        let mut cx = Cx { now, wall, shell };
        self.with_session(call, &mut cx, |this, session, cx| this.on_fact(session, fact, cx));
        self.drain(&mut cx);
    }

    /// Something became of what one party alone said.
    pub fn on_take(
        &mut self,
        call: CallId,
        take: TakeId,
        fact: TakeFact,
        now: Time,
        wall: Wall,
        shell: &mut dyn Shell,
    ) {
        let mut cx = Cx { now, wall, shell };
        self.with_session(call, &mut cx, |this, session, cx| {
            this.voicemail_input(session, Input::Take(take, fact), cx)
        });
        self.drain(&mut cx);
    }

    /// What the storage says to what voicemail has asked it by [`Shell::mailbox`].
    pub fn on_mailbox(
        &mut self,
        call: CallId,
        ask: AskId,
        answer: MailboxAnswer,
        now: Time,
        wall: Wall,
        shell: &mut dyn Shell,
    ) {
        let mut cx = Cx { now, wall, shell };
        let input = Input::Answer(ask, answer);
        self.with_session(call, &mut cx, |this, session, cx| this.voicemail_input(session, input, cx));
        self.drain(&mut cx);
    }

    /// Who speaks from now on: the service's own voices, or those of a folder.
    pub fn set_voices(&mut self, voices: Arc<Voices>) {
        self.voices = voices;
    }

    fn on_fact(&mut self, mut session: Session, fact: Fact, cx: &mut Cx<'_>) -> Option<Session> {
        match fact {
            Fact::Heard { .. } => Some(session),
            Fact::Commanded { side, how, command, refused, rules, at: _ } => {
                // Only the command: what else the decision depends on, a transfer may have changed.
                let before = std::mem::replace(&mut session.facts.command, rules.facts.command);
                session.follow_pause(Facts { command: before, ..session.facts }, cx.now);
                let by = self.commander(&session, side);
                self.note_change(&mut session, by, how, command, refused, cx);
                Some(session)
            }
            Fact::Refused { side, how, at: _ } => {
                let before = session.facts;
                session.facts.refused = true;
                session.follow_pause(before, cx.now);
                self.note_change(&mut session, By::Outside { side }, how, Command::Pause, None, cx);
                Some(session)
            }
            Fact::SendInfo { side, key } => {
                self.send_info(&mut session, side, key, cx);
                Some(session)
            }
            Fact::Played { id, .. } => self.flow_played(session, id, cx),
            Fact::Key { side, key } => self.flow_key(session, side, key, cx),
            Fact::Silent { side } => self.end(session, EndReason::MediaSilence { side }, None, cx),
        }
    }

    fn commander(&self, session: &Session, side: Side) -> By {
        let party = session.record.party(side);
        match party.user {
            Some(id) => By::User { id, name: party.name.clone(), side },
            None => By::Operator,
        }
    }

    pub(super) fn note_change(
        &mut self,
        session: &mut Session,
        by: By,
        how: How,
        command: Command,
        refused: Option<Refusal>,
        cx: &mut Cx<'_>,
    ) {
        let offset_ms = session.answered.map_or(0, |answered| cx.now.since(answered).as_millis());
        let change = Change {
            at: cx.wall,
            offset_ms,
            by,
            how,
            wanted: command == Command::Start,
            refused,
            decision: session.decision(),
        };
        cx.shell.changed(session.id(), &change);
        session.record.changes.push(change);
        // Stored at once: a crash must not lose who commanded what.
        cx.shell.save(&session.record);
    }

    /// A command of the operator. The gate moves at its arrival for both legs.
    pub fn command(
        &mut self,
        call: CallId,
        command: Command,
        now: Time,
        wall: Wall,
        shell: &mut dyn Shell,
    ) -> Option<Result<(), Refusal>> {
        let mut cx = Cx { now, wall, shell };
        let session = self.sessions.remove(&call)?;
        Some(self.obey(session, (By::Operator, How::Cli, Ok(())), command, &mut cx))
    }

    /// A command of a user over the API, on the call or not. Whoever is not has to be an admin or a
    /// supervisor; whether they see the call is asked before.
    pub fn command_of_user(
        &mut self,
        call: CallId,
        user: UserId,
        command: Command,
        now: Time,
        wall: Wall,
        shell: &mut dyn Shell,
    ) -> Option<Result<(), Refusal>> {
        let mut cx = Cx { now, wall, shell };
        let directory = Arc::clone(&self.directory);
        let of_company = |session: &Session| directory.user(user).filter(|user| user.company == session.record.company);
        let user = of_company(self.sessions.get(&call)?)?;
        let session = self.sessions.remove(&call)?;
        let side = Side::BOTH.into_iter().find(|side| session.record.party(*side).user == Some(user.id));
        let (id, name) = (user.id, user.name.clone());
        let (by, permitted) = match side {
            Some(side) => {
                let commander = self.commander_of(&session, side, &directory);
                let permitted = commander.map_or(Err(Refusal::Role), |commander| commander.permitted);
                (By::User { id, name, side }, permitted)
            }
            None => (By::Colleague { id, name }, may_command(&session.settings, user, false)),
        };
        Some(self.obey(session, (by, How::Api, permitted), command, &mut cx))
    }

    fn obey(
        &mut self,
        mut session: Session,
        (by, how, permitted): (By, How, Result<(), Refusal>),
        command: Command,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let mut rules = session.rules();
        let refused = match rules.command(command, permitted) {
            Verdict::Obeyed => None,
            Verdict::Refused(refusal) => Some(refusal),
        };
        let before = std::mem::replace(&mut session.facts, rules.facts);
        session.follow_pause(before, cx.now);
        cx.shell.media(session.id(), MediaOrder::SetRules(rules));
        self.note_change(&mut session, by, how, command, refused, cx);
        self.keep(session);
        refused.map_or(Ok(()), Err)
    }

    /// Ends a call; `false` when there is none with that id.
    pub fn hang_up(&mut self, call: CallId, reason: EndReason, now: Time, wall: Wall, shell: &mut dyn Shell) -> bool {
        let mut cx = Cx { now, wall, shell };
        let known = self.sessions.contains_key(&call);
        self.with_session(call, &mut cx, |this, session, cx| this.end(session, reason, None, cx));
        self.drain(&mut cx);
        known
    }

    /// A recording could not be begun or went on failing.
    pub fn recording_failed(&mut self, call: CallId, now: Time, wall: Wall, shell: &mut dyn Shell) {
        let mut cx = Cx { now, wall, shell };
        self.with_session(call, &mut cx, |this, mut session, cx| {
            session.recording_failed = true;
            session.follow_pause(session.facts, cx.now);
            cx.shell.media(call, MediaOrder::SetRules(session.rules()));
            match session.settings.on_recording_failure {
                OnRecordingFailure::Continue | OnRecordingFailure::Refuse => Some(session),
                OnRecordingFailure::Announce => {
                    this.say_not_recorded(&mut session, cx);
                    Some(session)
                }
                OnRecordingFailure::Hangup => this.end(session, EndReason::RecordingFailed, None, cx),
            }
        });
        self.drain(&mut cx);
    }

    /// From now on new calls get 503.
    pub fn stop_taking_calls(&mut self) {
        self.stopping = true;
        self.leave_carriers();
    }

    pub fn calls(&self) -> Vec<CallView> {
        let mut views: Vec<CallView> = self.sessions.values().map(Session::view).collect();
        views.sort_by_key(|view| view.record.id);
        views
    }

    /// Those of one company.
    pub fn calls_of(&self, company: CompanyId) -> Vec<CallView> {
        let own = self.sessions.values().filter(|session| session.record.company == company);
        let mut views: Vec<CallView> = own.map(Session::view).collect();
        views.sort_by_key(|view| view.record.id);
        views
    }

    pub fn call(&self, id: CallId) -> Option<CallView> {
        self.sessions.get(&id).map(Session::view)
    }

    pub fn call_count(&self) -> usize {
        self.sessions.len()
    }

    /// Everything that could leak: calls, transactions, requests, dialogs, timers.
    pub fn leftovers(&self) -> [usize; 5] {
        let requests = self.sent.len() + self.incoming.len() + self.settled.len() + self.texts.len();
        let wakes = self.wakes.len() + self.wake_of.len();
        let dialogs = self.dialogs.len() + self.leavers.len() + self.ended.len();
        [self.sessions.len(), self.endpoint.transactions(), requests, dialogs, wakes]
    }

    /// Whether [`Switch::changed_bindings`] has anything to keep.
    pub fn bindings_have_changed(&self) -> bool {
        self.registrar.has_changed()
    }

    /// Devices to keep for the next start, by user; told once.
    pub fn changed_bindings(&mut self) -> Vec<(UserId, Vec<Binding>)> {
        self.registrar.take_changed()
    }

    /// Takes back a device that an earlier run has kept. It is reached from the listener that it
    /// registered at, else from one that reaches it too; `false` where it cannot be reached, has
    /// expired, or is of a user who has gone.
    pub fn restore_binding(&mut self, user: UserId, mut binding: Binding, now: Time) -> bool {
        let flow = binding.flow;
        let same = Listener { transport: flow.transport, local: flow.local };
        let listener = match self.config.listeners.contains(&same) {
            true => Some(same),
            false => self.listener(flow.transport, flow.remote),
        };
        let Some(listener) = listener.filter(|_| self.directory.user(user).is_some()) else { return false };
        binding.flow.local = listener.local;
        self.registrar.restore(user, binding, now)
    }

    pub const fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Locks of guessers that hold now: all, or those over names of one company.
    pub fn lockouts(&self, now: Time, of: Option<CompanyId>) -> Vec<LockView> {
        let mut locks = self.auth.lockout.list(now, of, |company| self.key_of(company));
        locks.extend(self.guesses.list(now, of, |company| self.key_of(company)));
        locks
    }

    /// Forgets failed passwords: of one address or name, or all; with `of` those over names of that
    /// company alone. How many it forgot.
    pub fn clear_lockouts(&mut self, only: Option<&str>, of: Option<CompanyId>) -> usize {
        let directory = Arc::clone(&self.directory);
        let key = |company| directory.company(company).map_or_else(String::new, |company| company.key.clone());
        self.auth.lockout.clear(only, of, key) + self.guesses.clear(only, of, key)
    }

    fn key_of(&self, company: CompanyId) -> String {
        self.directory.company(company).map_or_else(String::new, |company| company.key.clone())
    }

    pub(super) fn drain(&mut self, cx: &mut Cx<'_>) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Request { tx, request, peer } => self.on_request(tx, request, peer, cx),
                Event::Ack { request, .. } => self.on_ack(&request, cx),
                Event::Cancelled { tx, .. } => self.on_cancelled(tx, cx),
                Event::Response { tx, response, peer } => self.on_response(tx, response, peer, cx),
                Event::Failed { tx, cause } => self.on_failed(tx, cause.status(), cx),
                Event::AckMissing { tx } => self.on_ack_missing(tx, cx),
            }
        }
        for Locked { what, seconds } in self.auth.take_locked() {
            cx.shell.note(&Note::LockedOut { what, seconds });
        }
    }

    fn on_request(&mut self, tx: ServerTx, request: Request, peer: Peer, cx: &mut Cx<'_>) {
        if let Some(id) = DialogId::of_request(&request) {
            return self.on_request_in_dialog(tx, request, peer, &id, cx);
        }
        match request.method {
            Method::Invite => self.on_invite(tx, request, peer, cx),
            Method::Register => self.on_register(tx, &request, peer, cx),
            Method::Message => self.on_text(tx, &request, peer, cx),
            Method::Subscribe => self.on_subscribe(tx, &request, peer, cx),
            Method::Options => {
                let capabilities = self.endpoint.capabilities();
                let response = request
                    .response(200)
                    .with_header("Allow", capabilities.allow())
                    .with_header("Accept", capabilities.accept())
                    .with_header("Supported", capabilities.supported())
                    .with_header("Allow-Events", super::waiting::PACKAGE);
                self.endpoint.respond(tx, response, cx.now);
            }
            Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Refer
            | Method::Notify
            | Method::Publish
            | Method::Other(_) => self.endpoint.respond(tx, request.response(481), cx.now),
        }
    }

    /// The user whose password a request proves, in the company whose domain it names, or its To does.
    pub(super) fn proven_user<'d>(
        &mut self,
        request: &Request,
        peer: Peer,
        directory: &'d Directory,
        cx: &mut Cx<'_>,
    ) -> Result<&'d User, Box<Response>> {
        let company = directory.company_of_domain(&request.uri.host.to_string()).or_else(|| {
            let to = request.to().ok()?;
            directory.company_of_domain(&to.uri.host.to_string())
        });
        let unserved = || Box::new(request.response(404).with_reason("This domain is not served here"));
        let company = company.ok_or_else(unserved)?;
        let source = peer.remote.ip();
        self.auth.verify(request, company, directory, source, cx.now, &mut Dice(cx.shell)).map_err(Box::new)
    }

    fn on_register(&mut self, tx: ServerTx, request: &Request, peer: Peer, cx: &mut Cx<'_>) {
        let directory = Arc::clone(&self.directory);
        let Ok(to) = request.to() else {
            return self.endpoint.respond(tx, request.response(400).with_reason("Unreadable To"), cx.now);
        };
        if !matches!(to.uri.scheme, crate::sip::uri::Scheme::Sip | crate::sip::uri::Scheme::Sips) {
            let response = request.response(400).with_reason("To is not a SIP address of record");
            return self.endpoint.respond(tx, response, cx.now);
        }
        let user = match self.proven_user(request, peer, &directory, cx) {
            Ok(user) => user,
            Err(response) => return self.endpoint.respond(tx, *response, cx.now),
        };
        let address = to.uri.user_unescaped().unwrap_or_default();
        let response = match address == user.extension || address == user.auth_name {
            true => self.registrar.register(user.id, request, peer, cx.now),
            false => request.response(403).with_reason("This address belongs to somebody else"),
        };
        let registered = response.is_success();
        self.endpoint.respond(tx, response, cx.now);
        if registered {
            cx.shell.registered(user.id);
            self.tell_devices(user.id, cx);
        }
    }

    /// Takes a session out, lets `step` work on it, and puts it back unless it is over.
    pub(super) fn with_session(
        &mut self,
        call: CallId,
        cx: &mut Cx<'_>,
        step: impl FnOnce(&mut Self, Session, &mut Cx<'_>) -> Option<Session>,
    ) {
        let Some(session) = self.sessions.remove(&call) else { return };
        if let Some(session) = step(self, session, cx) {
            self.keep(session);
        } else {
            self.forget_wake(call);
        }
    }

    /// Takes a session out for good: it is over, or becomes part of another.
    pub(super) fn take_session(&mut self, call: CallId) -> Option<Session> {
        self.forget_wake(call);
        self.sessions.remove(&call)
    }

    /// Puts a session (back) and sets its timer.
    pub(super) fn keep(&mut self, session: Session) {
        let call = session.id();
        self.forget_wake(call);
        if let Some(at) = session.next_timeout() {
            self.wakes.insert((at, call));
            self.wake_of.insert(call, at);
        }
        self.sessions.insert(call, session);
    }

    fn forget_wake(&mut self, call: CallId) {
        if let Some(at) = self.wake_of.remove(&call) {
            self.wakes.remove(&(at, call));
        }
    }

    fn session_timeout(&mut self, session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        let session = self.check_provisionals(session, cx)?;
        let session = self.check_session_timers(session, cx)?;
        match &session.phase {
            Phase::Ringing(ringing) if cx.now >= ringing.deadline && session.path.is_some() => {
                self.flow_timeout(session, cx)
            }
            Phase::Ringing(ringing) if cx.now >= ringing.deadline => {
                self.refuse(session, 480, EndReason::RingTimeout, cx)
            }
            Phase::Ringing(_) => self.give_up_silent(session, cx),
            Phase::Talking => {
                let session = self.check_transfer(session, cx)?;
                self.check_pause(session, cx)
            }
        }
    }

    pub(super) fn settle_later(&mut self, tx: ClientTx, now: Time) {
        self.settled.push_back((now + FORKS, tx));
    }

    pub(super) fn listener(&self, transport: Transport, towards: SocketAddr) -> Option<Listener> {
        let fits =
            |listener: &&Listener| listener.transport == transport && listener.local.is_ipv4() == towards.is_ipv4();
        // A listener on loopback cannot reach the world, nor the other way round.
        let reaches = |listener: &&Listener| {
            listener.local.ip().is_unspecified() || listener.local.ip().is_loopback() == towards.ip().is_loopback()
        };
        let listeners = || self.config.listeners.iter().filter(fits);
        listeners().find(reaches).or_else(|| listeners().next()).copied()
    }
}

/// [`Shell`]'s randomness for those who ask for randomness only.
pub(super) struct Dice<'a>(pub &'a mut dyn Shell);

impl crate::base::Random for Dice<'_> {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}
