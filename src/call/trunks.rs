//! Trunks while calls go over them: which target is next, challenges, keep-alive, registration.

use super::encryption::{demanded, exchange};
use super::fork::Branch;
use super::identity::{self, forwarded, towards_trunk};
use super::route::Destination;
use super::session::{Phase, Session};
use super::setup::Way;
use super::switch::{Cx, Dice, Purpose, Sent, Switch};
use super::{Note, Shortage};
use crate::base::{CallId, Side, Span, Time, TrunkId};
use crate::directory::{Company, Directory, Login, Trunk, TrunkTarget};
use crate::sip::dialog::Dialog;
use crate::sip::digest::{challenges, realms};
use crate::sip::endpoint::ClientTx;
use crate::sip::message::{Method, Request, Response};
use crate::sip::uri::{NameAddr, Uri};
use crate::sip::{Peer, Transport, token};
use crate::trunk::{Account, Line, Registration, Step, TrunkView, is_challenge, prove};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

/// How long a service that stops waits for carriers to take its addresses away.
const FAREWELL: Span = Span::from_secs(2);

/// The trunk and target that a branch goes out through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnTrunk {
    pub trunk: TrunkId,
    pub target: usize,
    /// How long it may say nothing at all.
    pub patience: Span,
    /// A call for help: neither a limit nor a silence keeps it off a trunk.
    pub urgent: bool,
    /// The trunk demands encryption.
    pub only_encrypted: bool,
}

/// The lines of all trunks.
#[derive(Debug, Default)]
pub(super) struct Lines {
    by_id: BTreeMap<TrunkId, Line>,
    /// The earliest of their timers.
    wake: Option<Time>,
    /// The directory has changed since they were made.
    stale: bool,
    /// Un-REGISTERs without an answer.
    leaving: usize,
    /// The service stops: nothing new is begun, and un-REGISTERs are waited for until then.
    stopped: Option<Time>,
}

impl Lines {
    /// To be compared with the directory at the next opportunity.
    pub fn outdated() -> Self {
        Lines { stale: true, ..Lines::default() }
    }

    pub fn set_stale(&mut self) {
        self.stale = true;
    }

    pub fn next_timeout(&self) -> Option<Time> {
        if self.stale { Some(Time::ZERO) } else { self.wake }
    }

    fn set_wake(&mut self) {
        self.wake = self.by_id.values().filter_map(Line::next_timeout).min();
    }
}

impl Switch {
    /// Timers of trunks that are due.
    pub(super) fn trunks_timeout(&mut self, cx: &mut Cx<'_>) {
        self.keep_lines_in_step(cx);
        if self.lines.wake.is_none_or(|at| cx.now < at) {
            return;
        }
        let due = |line: &&mut Line| line.next_timeout().is_some_and(|at| at <= cx.now);
        let due: Vec<TrunkId> = self.lines.by_id.values_mut().filter(due).map(|line| line.trunk.id).collect();
        for trunk in due {
            self.ask_targets(trunk, cx);
            let registers = self.line(trunk).and_then(|line| line.registration.as_ref()?.next_timeout());
            if registers.is_some_and(|at| at <= cx.now) {
                self.register_at_next(trunk, None, "no target of the trunk can be reached", None, cx);
            }
        }
        self.lines.set_wake();
    }

    /// Makes lines of new trunks, and leaves those that are gone or others now.
    pub(super) fn keep_lines_in_step(&mut self, cx: &mut Cx<'_>) {
        if !std::mem::take(&mut self.lines.stale) {
            return;
        }
        let directory = Arc::clone(&self.directory);
        let mut old = std::mem::take(&mut self.lines.by_id);
        for trunk in directory.trunks().filter(|_| self.lines.stopped.is_none()) {
            let line = match old.remove(&trunk.id) {
                Some(line) if line.is(trunk) => line,
                Some(mut before) => {
                    let mut line = Line::new(trunk, cx.now, &mut Dice(cx.shell));
                    if !line.take_registration(&mut before) {
                        old.insert(trunk.id, before);
                    }
                    line
                }
                None => Line::new(trunk, cx.now, &mut Dice(cx.shell)),
            };
            self.lines.by_id.insert(trunk.id, line);
        }
        for line in old.into_values() {
            self.leave(line, cx);
        }
        self.lines.set_wake();
    }

    /// The service stops: carriers are told that we are not here any more.
    pub(super) fn leave_carriers(&mut self) {
        self.lines.stale = true;
        self.lines.stopped = Some(Time::ZERO);
    }

    /// Whether a carrier may still say that it has taken our address away.
    pub fn is_leaving(&mut self, now: Time) -> bool {
        let until = match self.lines.stopped {
            Some(Time::ZERO) => *self.lines.stopped.insert(now + FAREWELL),
            Some(until) => until,
            None => return false,
        };
        (self.lines.stale || self.lines.leaving > 0) && now < until
    }

    fn leave(&mut self, mut line: Line, cx: &mut Cx<'_>) {
        let Some(mut registration) = line.registration.take() else { return };
        let Some(target) = registration.registered_at(cx.now) else { return };
        let Some((peer, contact)) = self.way_to_target(&line.trunk, target, cx) else { return };
        let domain = domain_of(&line.trunk);
        let account = account(&line.trunk, &domain, &contact);
        if let Some(request) = account.and_then(|account| registration.leave(&account, cx.now)) {
            self.lines.leaving += 1;
            let purpose = Purpose::Leave { registration: Box::new(registration), login: line.trunk.login.clone() };
            self.send(request, peer, contact, purpose, cx);
        }
    }

    pub(super) fn line(&mut self, trunk: TrunkId) -> Option<&mut Line> {
        self.lines.by_id.get_mut(&trunk)
    }

    /// The targets of a trunk in the order in which they are to be tried; those that are down are not.
    pub(super) fn targets_of(&self, trunk: TrunkId, cx: &mut Cx<'_>) -> VecDeque<usize> {
        let line = self.lines.by_id.get(&trunk);
        line.map_or_else(VecDeque::new, |line| line.sequence(false, cx.now, &mut Dice(cx.shell)).into())
    }

    /// Where a target is, and our Contact value there.
    pub(super) fn way_to_target(&self, trunk: &Trunk, target: usize, cx: &mut Cx<'_>) -> Option<(Peer, String)> {
        let peer = self.peer_of(trunk.targets.get(target)?, cx)?;
        let user = trunk.login.as_ref().map_or("telegraphone", |login| &login.user);
        let mut uri = Uri::sip(user, &self.endpoint.advertised(peer.local));
        let transport = match peer.transport {
            Transport::Udp => None,
            Transport::Tcp => Some("tcp"),
            Transport::Tls => Some("tls"),
        };
        if transport.is_some() {
            uri.params.set("transport", transport);
        }
        Some((peer, NameAddr::new(uri).to_string()))
    }

    fn peer_of(&self, target: &TrunkTarget, cx: &mut Cx<'_>) -> Option<Peer> {
        let remote = cx.shell.resolve(&target.host, target.port)?;
        let transport = match target.transport {
            crate::directory::Transport::Udp => Transport::Udp,
            crate::directory::Transport::Tcp => Transport::Tcp,
            crate::directory::Transport::Tls => Transport::Tls,
        };
        let listener = self.listener(transport, remote)?;
        Some(Peer { transport, local: listener.local, remote, connection: None })
    }

    /// Sends OPTIONS to the targets that are due.
    fn ask_targets(&mut self, trunk: TrunkId, cx: &mut Cx<'_>) {
        let Some(line) = self.line(trunk) else { return };
        let (asked, row) = (line.asks(cx.now), line.trunk.clone());
        for target in asked {
            let Some((peer, contact)) = self.way_to_target(&row, target, cx) else {
                self.note_target(trunk, target, Heard::Nothing, cx);
                if let Some(health) = self.line(trunk).and_then(|line| line.health(target)) {
                    health.ask_again(cx.now);
                }
                continue;
            };
            let ours = NameAddr::new(Uri::sip("telegraphone", &self.endpoint.advertised(peer.local)));
            let uri = Uri::sip("", &host_port(&row, target));
            let request = Request::new(Method::Options, uri.clone())
                .with_header("From", ours.with_tag(&token(&mut Dice(cx.shell), 8)).to_string())
                .with_header("To", NameAddr::new(uri).to_string())
                .with_header("Call-ID", token(&mut Dice(cx.shell), 16))
                .with_header("CSeq", "1 OPTIONS")
                .with_header("Contact", contact.clone());
            self.send(request, peer, contact, Purpose::KeepAlive { trunk, target }, cx);
        }
    }

    /// An OPTIONS is over. `response`: `None` when nothing came.
    pub(super) fn on_keep_alive(
        &mut self,
        trunk: TrunkId,
        target: usize,
        response: Option<&Response>,
        cx: &mut Cx<'_>,
    ) {
        if response.is_some_and(Response::is_provisional) {
            return;
        }
        self.note_target(trunk, target, response.map_or(Heard::Nothing, Heard::Response), cx);
        if let Some(health) = self.line(trunk).and_then(|line| line.health(target)) {
            health.ask_again(cx.now);
        }
        self.lines.set_wake();
    }

    /// What was heard of a target, and a line in the log where that changes something.
    pub(super) fn note_target(&mut self, trunk: TrunkId, target: usize, heard: Heard<'_>, cx: &mut Cx<'_>) {
        let Some(line) = self.line(trunk) else { return };
        let (name, place) = (line.trunk.name.clone(), host_port(&line.trunk, target));
        let Some(health) = line.health(target) else { return };
        let before = health.is_usable(cx.now);
        match heard {
            Heard::Nothing => health.note_silence(cx.now),
            Heard::Response(response) => {
                health.note_answer(response.status, response.headers.number("Retry-After"), cx.now);
            }
        }
        let after = health.is_usable(cx.now);
        if before != after {
            self.lines.set_wake();
            cx.shell.note(&Note::Target { trunk: name, target: place, usable: after });
        }
    }

    /// Sends the REGISTER to the next target after `failed`, or waits where there is none.
    fn register_at_next(
        &mut self,
        trunk: TrunkId,
        failed: Option<usize>,
        problem: &str,
        retry_after_s: Option<u32>,
        cx: &mut Cx<'_>,
    ) {
        let Some(line) = self.lines.by_id.get_mut(&trunk) else { return };
        // In the file's order, so that a refresh finds the registrar that has our address.
        let usable: Vec<usize> = {
            let mut sequence = line.sequence(true, cx.now, &mut Dice(cx.shell));
            sequence.sort_by_key(|at| line.trunk.targets.get(*at).map(|target| (target.order, *at)));
            sequence
        };
        let stays = line.registration.as_ref().and_then(|registration| registration.registered_at(cx.now));
        let next = match failed {
            None => stays.or_else(|| usable.first().copied()),
            Some(failed) => usable.iter().skip_while(|at| **at != failed).nth(1).copied(),
        };
        let row = line.trunk.clone();
        let way = next.and_then(|target| Some((target, self.way_to_target(&row, target, cx)?)));
        let Some(line) = self.lines.by_id.get_mut(&trunk) else { return };
        let Some(registration) = &mut line.registration else { return };
        let domain = domain_of(&row);
        let asked = way.and_then(|(target, (peer, contact))| {
            let request = registration.ask(&account(&row, &domain, &contact)?, target);
            Some((request, peer, contact))
        });
        match asked {
            Some((request, peer, contact)) => {
                let tx = self.send(request, peer, contact, Purpose::Register { trunk }, cx);
                self.belongs_to(tx, Some(trunk), 0);
            }
            None => {
                registration.fail(problem.to_owned(), retry_after_s, cx.now, &mut Dice(cx.shell));
                cx.shell.note(&Note::NotRegistered { trunk: row.name, problem: problem.to_owned() });
            }
        }
    }

    /// A REGISTER of ours has an answer, or none will come (`None`).
    pub(super) fn on_registration(
        &mut self,
        trunk: TrunkId,
        sent: &Sent,
        response: Option<&Response>,
        cx: &mut Cx<'_>,
    ) {
        if let Some(response) = response {
            self.learn_realm(trunk, response);
        }
        let Some(line) = self.lines.by_id.get_mut(&trunk) else { return };
        let (name, login) = (line.trunk.name.clone(), line.trunk.login.clone());
        let Some(registration) = &mut line.registration else { return };
        let before = registration.registered_at(cx.now);
        let target = registration.asked_at();
        let step = match response {
            Some(response) => {
                registration.on_response(&sent.request, response, login.as_ref(), cx.now, &mut Dice(cx.shell))
            }
            None => registration.on_silence("no answer"),
        };
        let view = registration.view(cx.now);
        let after = registration.registered_at(cx.now);
        match step {
            Step::Ask(request) => {
                self.send(*request, sent.peer, sent.contact.clone(), Purpose::Register { trunk }, cx);
            }
            Step::NextTarget { problem, retry_after_s } => {
                let Some(target) = target else { return };
                self.note_target(trunk, target, response.map_or(Heard::Nothing, Heard::Response), cx);
                self.register_at_next(trunk, Some(target), &problem, retry_after_s, cx);
            }
            Step::Settled if response.is_some_and(Response::is_success) => {
                line.registrar = Some(sent.peer.remote);
                if before.is_none() && after.is_some() {
                    cx.shell.note(&Note::Registered { trunk: name, expires_s: view.expires_in_s.unwrap_or(0) });
                }
            }
            Step::Settled if response.is_none_or(Response::is_final) => {
                cx.shell.note(&Note::NotRegistered { trunk: name, problem: view.problem });
            }
            Step::Settled => {}
        }
        self.lines.set_wake();
    }

    /// An un-REGISTER has an answer, or none will come.
    pub(super) fn on_leave(
        &mut self,
        mut registration: Registration,
        login: Option<Login>,
        sent: &Sent,
        response: Option<&Response>,
        cx: &mut Cx<'_>,
    ) {
        let step = match response {
            Some(response) if response.is_provisional() => return,
            Some(response) => {
                registration.on_response(&sent.request, response, login.as_ref(), cx.now, &mut Dice(cx.shell))
            }
            None => registration.on_silence("no answer"),
        };
        match step {
            Step::Ask(request) => {
                let purpose = Purpose::Leave { registration: Box::new(registration), login };
                self.send(*request, sent.peer, sent.contact.clone(), purpose, cx);
            }
            Step::NextTarget { .. } | Step::Settled => self.lines.leaving = self.lines.leaving.saturating_sub(1),
        }
    }

    fn learn_realm(&mut self, trunk: TrunkId, response: &Response) {
        if !is_challenge(response.status) {
            return;
        }
        let realm = realms(&challenges(&response.headers)).into_iter().next();
        if let (Some(line), Some(realm)) = (self.line(trunk), realm) {
            line.realm = realm;
        }
    }

    /// The trunks whose requests come from `ip`: those of the directory that need no password, and
    /// those whose registrar it is.
    pub(super) fn trunks_at<'a>(&self, directory: &'a Directory, ip: IpAddr) -> Vec<&'a Trunk> {
        let mut trunks = directory.trunks_from(ip);
        let registrars =
            self.lines.by_id.values().filter(|line| {
                line.registrar.is_some_and(|registrar| registrar.ip().to_canonical() == ip.to_canonical())
            });
        trunks.extend(registrars.filter_map(|line| directory.trunk(line.trunk.id)));
        trunks.retain(|trunk| trunk.inbound.is_none());
        trunks.sort_by_key(|trunk| (trunk.company, &trunk.name));
        trunks.dedup_by_key(|trunk| trunk.id);
        trunks
    }

    /// Calls on a trunk that are up or ring.
    pub(super) fn calls_on(&self, trunk: TrunkId) -> usize {
        let over_it = |branch: &Branch| branch.line.is_some_and(|line| line.trunk == trunk);
        let on_it = |session: &&Session| {
            let called = matches!(session.phase, Phase::Talking) && session.callee.trunk == Some(trunk);
            called || session.branches().iter().any(over_it) || session.caller.trunk == Some(trunk)
        };
        self.sessions.values().filter(on_it).count()
    }

    /// The limit of a trunk that carries as many calls as it may.
    pub(super) fn full(&self, trunk: &Trunk) -> Option<Shortage> {
        let limit = trunk.settings.max_calls?;
        let calls = self.calls_on(trunk.id);
        (calls >= usize::try_from(limit).unwrap_or(usize::MAX))
            .then(|| Shortage::Trunk { trunk: trunk.name.clone(), limit })
    }

    /// The way out through the company's trunks: the first target that can take the call, and
    /// behind it all others that may. No limit and no silence keeps a target out of a call for help.
    pub(super) fn way_out(
        &mut self,
        to: &Destination,
        company: &Company,
        directory: &Directory,
        numbers: (&str, &str),
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Result<Way, Shortage> {
        self.keep_lines_in_step(cx);
        let mut shortage = Shortage::NoTrunk;
        let mut ways: VecDeque<Way> = VecDeque::new();
        for trunk in directory.trunks_of(to.origin.company) {
            if let Some(full) = self.full(trunk).filter(|_| !to.emergency) {
                shortage = full;
                continue;
            }
            let Some(line) = self.lines.by_id.get(&trunk.id) else { continue };
            for target in line.sequence(to.emergency, cx.now, &mut Dice(cx.shell)) {
                let Some(peer) = trunk.targets.get(target).and_then(|target| self.peer_of(target, cx)) else {
                    shortage = Shortage::Unresolved(host_port(trunk, target));
                    continue;
                };
                // The media port is opened once, for one family.
                if ways.front().is_none_or(|first| first.peer.local.is_ipv4() == peer.local.is_ipv4()) {
                    let mut way = self.trunk_way(trunk, target, peer, company, numbers, to);
                    if to.origin.trunk.is_some()
                        && let Some(number) = to.number.and_then(|id| directory.number(id))
                    {
                        way.headers.extend(forwarded(request, &number.e164, &self.endpoint.advertised(peer.local)));
                    }
                    ways.push_back(way);
                }
            }
        }
        let mut first = ways.pop_front().ok_or(shortage)?;
        first.otherwise = ways;
        Ok(first)
    }

    fn trunk_way(
        &self,
        trunk: &Trunk,
        target: usize,
        peer: Peer,
        company: &Company,
        (called, caller_id): (&str, &str),
        to: &Destination,
    ) -> Way {
        let format = trunk.settings.number_format;
        let domain = Some(trunk.settings.domain.clone()).filter(|domain| !domain.is_empty());
        let ours = self.endpoint.advertised(peer.local);
        let uri = Uri::sip(&format.write(called, company), &host_port(trunk, target));
        // Who logs in at a carrier speaks as one of its own.
        let from_host = domain.clone().filter(|_| trunk.login.is_some()).unwrap_or(ours);
        let address = domain.map_or_else(|| uri.clone(), |domain| Uri::sip(&format.write(called, company), &domain));
        let patience = Span::from_millis(u64::from(trunk.settings.patience_ms));
        let caller = NameAddr::new(Uri::sip(&format.write(caller_id, company), &from_host));
        let (from, headers) = towards_trunk(trunk.settings.trusted, to.origin.withheld && !to.emergency, caller);
        Way {
            uri,
            peer,
            from,
            to: NameAddr::new(address),
            headers,
            line: Some(OnTrunk {
                trunk: trunk.id,
                target,
                patience,
                urgent: to.emergency,
                only_encrypted: trunk.settings.only_encrypted && !to.emergency,
            }),
            otherwise: VecDeque::new(),
        }
    }

    /// A branch was refused, or nothing came (`response` `None`). Where the fault is the trunk's
    /// own, the call goes out another way; else this is its answer.
    pub(super) fn branch_failed(
        &mut self,
        session: Session,
        tx: ClientTx,
        status: u16,
        response: Option<&Response>,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let Some(branch) = session.branch(tx).cloned() else { return Some(session) };
        match self.another_way(&session, &branch, status, response, cx) {
            Some(next) => Some(session.with_branch_replaced(tx, next)),
            None => self.branch_refused(session, tx, status, cx),
        }
    }

    /// What came of a branch is noted of its target. Where the fault is the trunk's own, the INVITE
    /// goes out the next way; `None`: there is none, or this is the called party's answer.
    fn another_way(
        &mut self,
        session: &Session,
        branch: &Branch,
        status: u16,
        response: Option<&Response>,
        cx: &mut Cx<'_>,
    ) -> Option<Branch> {
        let line = branch.line?;
        self.note_target(line.trunk, line.target, response.map_or(Heard::Nothing, Heard::Response), cx);
        if !is_the_trunks_fault(status, response) {
            return None;
        }
        let way = self.next_usable(branch.otherwise.clone(), cx)?;
        cx.shell.note(&Note::NextTarget { call: session.id(), status });
        // Each way has its own encryption: what was offered over TLS is not offered over UDP.
        let mut exchange = exchange(demanded(&session.settings, way.line), &way.peer, cx);
        let offer = exchange.offer(branch.exchange.open_wish()?.clone()).ok()?;
        let invite = self.along(&way, &branch.request, cx).with_body("application/sdp", offer);
        let contact = self.contact_on(&way.peer);
        let purpose = Purpose::Ring { call: session.id() };
        let mut next = self.send_branch(purpose, invite, way.peer, contact, exchange, branch.whom.clone(), cx);
        self.goes_over(&mut next, way.line, way.otherwise, 0, cx);
        Some(next)
    }

    /// The first of the ways whose trunk has room and whose target is not known to be silent; the
    /// last one is taken in any case but a full trunk.
    fn next_usable(&mut self, mut ways: VecDeque<Way>, cx: &mut Cx<'_>) -> Option<Way> {
        let directory = Arc::clone(&self.directory);
        while let Some(mut way) = ways.pop_front() {
            let Some(line) = way.line else { continue };
            let full = directory.trunk(line.trunk).is_none_or(|trunk| self.full(trunk).is_some());
            let health = self.line(line.trunk).and_then(|kept| kept.health(line.target));
            let usable = health.is_some_and(|health| health.is_usable(cx.now));
            if line.urgent || (!full && (usable || ways.is_empty())) {
                way.otherwise = ways;
                return Some(way);
            }
        }
        None
    }

    /// The INVITE of a branch again, as a new one along another way.
    fn along(&self, way: &Way, request: &Request, cx: &mut Cx<'_>) -> Request {
        let mut invite = request.clone();
        invite.uri = way.uri.clone();
        invite.headers.remove("Authorization");
        invite.headers.remove("Proxy-Authorization");
        invite.headers.set("From", way.from.clone().with_tag(&token(&mut Dice(cx.shell), 8)).to_string());
        invite.headers.set("To", way.to.to_string());
        invite.headers.set("Call-ID", token(&mut Dice(cx.shell), 16));
        invite.headers.set("CSeq", "1 INVITE");
        invite.headers.set("Contact", self.contact_on(&way.peer));
        for name in identity::HEADERS {
            invite.headers.remove(name);
        }
        for (name, value) in &way.headers {
            invite.headers.push(name, value.clone());
        }
        invite
    }

    /// 401 and 407 to an INVITE: the same again with the trunk's login; `None` where that is of no use.
    pub(super) fn prove_branch(
        &mut self,
        session: &Session,
        branch: &Branch,
        response: &Response,
        cx: &mut Cx<'_>,
    ) -> Option<Branch> {
        let line = branch.line?;
        self.learn_realm(line.trunk, response);
        let again = self.proven(line.trunk, &branch.request, response, branch.tries, cx)?;
        let mut next = self.send_like(session, branch, again, branch.exchange.clone(), cx);
        next.timer_policy = branch.timer_policy;
        self.goes_over(&mut next, Some(line), branch.otherwise.clone(), branch.tries.saturating_add(1), cx);
        Some(next)
    }

    pub(super) fn proven(
        &mut self,
        trunk: TrunkId,
        request: &Request,
        response: &Response,
        tries: u8,
        cx: &mut Cx<'_>,
    ) -> Option<Request> {
        let directory = Arc::clone(&self.directory);
        let row = directory.trunk(trunk)?;
        let cnonce = token(&mut Dice(cx.shell), 8);
        match prove(row.login.as_ref(), request, response, tries, &cnonce) {
            Ok(again) => Some(again),
            Err(error) => {
                cx.shell.note(&Note::NotProven { trunk: row.name.clone(), problem: error.to_string() });
                None
            }
        }
    }

    /// 401 and 407 inside a dialog with a trunk: the same request again, with the login and the
    /// dialog's next CSeq. Whether it was sent.
    pub(super) fn prove_in_dialog(&mut self, tx: ClientTx, sent: &Sent, response: &Response, cx: &mut Cx<'_>) -> bool {
        let Some(trunk) = sent.trunk.filter(|_| is_challenge(response.status)) else { return false };
        let place = match &sent.purpose {
            Purpose::Change { call, side } => Some((*call, Some(*side))),
            Purpose::Inform { call } | Purpose::Notify { call, .. } | Purpose::Acknowledge { call } => {
                Some((*call, None))
            }
            Purpose::Farewell => None,
            Purpose::Ring { .. }
            | Purpose::Summary { .. }
            | Purpose::Lamp { .. }
            | Purpose::KeepAlive { .. }
            | Purpose::Register { .. }
            | Purpose::Text { .. }
            | Purpose::Leave { .. } => return false,
        };
        self.learn_realm(trunk, response);
        let Some(mut again) = self.proven(trunk, &sent.request, response, sent.tries, cx) else { return false };
        if let Some((call, _)) = place {
            self.take_cseq(call, &mut again);
        }
        let next = self.send(again.clone(), sent.peer, sent.contact.clone(), sent.purpose.clone(), cx);
        self.belongs_to(next, Some(trunk), sent.tries.saturating_add(1));
        if let Some((call, Some(side))) = place
            && let Some(session) = self.sessions.get_mut(&call)
            && let Some(change) = session.leg_mut(side).ours.as_mut().filter(|change| change.tx == tx)
        {
            change.tx = next;
            change.request = again;
        }
        true
    }

    /// The request takes the next number of the dialog that it is in: others may have gone out since.
    fn take_cseq(&mut self, call: CallId, request: &mut Request) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        let (call_id, tag) = (request.call_id().unwrap_or_default().to_owned(), request.to_tag().unwrap_or_default());
        let early = session.branches_mut().iter_mut().flat_map(|branch| &mut branch.dialogs);
        let early = early.map(|early| &mut early.dialog).find(|it| it.call_id == call_id && it.remote_tag == tag);
        let mut take = |dialog: &mut Dialog| {
            dialog.local_seq = dialog.local_seq.saturating_add(1);
            request.headers.set("CSeq", format!("{} {}", dialog.local_seq, request.method));
        };
        if let Some(dialog) = early {
            return take(dialog);
        }
        for side in Side::BOTH {
            let dialog = session.leg_mut(side).dialog.as_mut().filter(|dialog| dialog.call_id == call_id);
            if let Some(dialog) = dialog {
                take(dialog);
            }
        }
    }

    /// Branches whose target has said nothing for as long as it may.
    pub(super) fn give_up_silent(&mut self, mut session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        loop {
            let silent = |branch: &&mut Branch| branch.give_up_at.is_some_and(|at| at <= cx.now);
            let Some(branch) = session.branches_mut().iter_mut().find(silent) else { return Some(session) };
            branch.give_up_at = None;
            // Where there is no other way, the one that there is has all the time of the transaction.
            if branch.otherwise.is_empty() {
                continue;
            }
            let tx = branch.tx;
            self.endpoint.cancel(tx, cx.now, &mut Dice(cx.shell));
            session = self.branch_failed(session, tx, 408, None, cx)?;
        }
    }

    /// Remembers whose challenges a request of ours may meet, and how often it met them.
    pub(super) fn belongs_to(&mut self, tx: ClientTx, trunk: Option<TrunkId>, tries: u8) {
        if let Some(sent) = self.sent.get_mut(&tx) {
            sent.trunk = trunk;
            sent.tries = tries;
        }
    }

    /// All trunks, by company and name.
    pub fn trunks(&self, now: Time) -> Vec<TrunkView> {
        self.trunks_that(|_, _| true, now)
    }

    /// Trunks of that name, of the company with that key or of all.
    pub fn trunks_named(&self, company: Option<&str>, name: &str, now: Time) -> Vec<TrunkView> {
        self.trunks_that(|key, trunk| trunk == name && company.is_none_or(|company| company == key), now)
    }

    /// By company and name; `fits` is asked with both.
    fn trunks_that(&self, fits: impl Fn(&str, &str) -> bool, now: Time) -> Vec<TrunkView> {
        let view = |line: &Line| {
            let company = self.directory.company(line.trunk.company).map_or("", |company| &company.key);
            // Its calls are counted only where it is asked for.
            fits(company, &line.trunk.name).then(|| line.view(company, self.calls_on(line.trunk.id), now))
        };
        let mut views: Vec<TrunkView> = self.lines.by_id.values().filter_map(view).collect();
        views.sort_by(|one, other| (&one.company, &one.name).cmp(&(&other.company, &other.name)));
        views
    }
}

/// What came of a target.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard<'a> {
    Response(&'a Response),
    Nothing,
}

/// Whether another target or trunk may do better: where nothing came, where it says that it cannot
/// now (RFC 3263 §4.3), and where it does not take our password. What the called party says is
/// final.
pub(super) fn is_the_trunks_fault(status: u16, response: Option<&Response>) -> bool {
    response.is_none() || status == 503 || is_challenge(status)
}

pub(super) fn host_port(trunk: &Trunk, target: usize) -> String {
    let Some(target) = trunk.targets.get(target) else { return String::new() };
    match target.host.parse::<std::net::Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]:{}", target.port),
        Err(_) => format!("{}:{}", target.host, target.port),
    }
}

/// The domain of our address at a carrier.
fn domain_of(trunk: &Trunk) -> String {
    match trunk.settings.domain.as_str() {
        "" => host_port(trunk, 0).trim_end_matches(":5060").to_owned(),
        domain => domain.to_owned(),
    }
}

fn account<'a>(trunk: &'a Trunk, domain: &'a str, contact: &'a str) -> Option<Account<'a>> {
    Some(Account { user: &trunk.login.as_ref()?.user, domain, contact })
}
