//! From the INVITE to the answer: offers, ringing devices, early media.

use super::auth::Identity;
use super::codecs::{accepted, can_answer, offer_again, offer_unasked, offer_upon};
use super::encryption::{admit_caller, contact_for, demanded, exchange, safe_ways, warn_of_open_keys};
use super::fork::Branch;
use super::identity::{Wish, anonymous, is_loop};
use super::path::{Event, Path};
use super::prompts::HOLD_MUSIC;
use super::reliable::Held;
use super::route::{Destination, NoRoute, Target, company_of_called, route_from_trunk, route_from_user, user_part};
use super::session::{Leg, Phase, Session, Timer};
use super::switch::{Cx, Dice, Purpose, Sent, Switch};
use super::trunks::OnTrunk;
use super::{LegPort, MediaOrder, Note, Preparation, Shell, Shortage, status};
use crate::base::{CallId, Side, Time, TrunkId, UserId, Wall};
use crate::directory::{Directory, NumberRecording, OnRecordingFailure, Settings};
use crate::ledger::{CallRecord, EndReason, Outcome, Party};
use crate::media::{BridgeConfig, PlayId};
use crate::policy::{Facts, decide};
use crate::sdp::{Codec, Events, Flow, OfferAnswer};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::ServerTx;
use crate::sip::message::{Method, Request, Response};
use crate::sip::refer::Replaces;
use crate::sip::reliable::{self, Provisionals};
use crate::sip::session_timer;
use crate::sip::uri::{NameAddr, Uri};
use crate::sip::{Peer, Transport, token};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a call is before its answer.
#[derive(Debug)]
pub struct Ringing {
    pub tx: ServerTx,
    /// The caller's INVITE.
    pub request: Request,
    pub local_tag: String,
    pub branches: Vec<Branch>,
    /// The most telling refusal so far.
    pub refused: Option<u16>,
    pub deadline: Time,
    /// The caller has our answer already (in a 183), not yet binding.
    pub answered_early: bool,
    /// The caller was answered so that a prompt can be heard: the 200 has gone out.
    pub answered: bool,
    /// The prompt whose end the path waits for.
    pub playing: Option<PlayId>,
    /// A device has answered; the caller has to acknowledge our early answer first.
    pub held: Option<Box<Held>>,
}

/// Who is behind a device or trunk that rings.
#[derive(Clone, Debug)]
pub struct Whom {
    pub user: Option<UserId>,
    pub party: Party,
}

/// Retry-After of our 503, in seconds.
const RETRY_AFTER: &str = "5";
/// Codec preference where the caller left the offer to us.
/// Why the others stop ringing when one has answered (RFC 3326).
pub(super) const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
pub(super) const OUR_EVENTS: Events = Events { pt: 101, clock: 8_000 };

impl Switch {
    pub(super) fn on_invite(&mut self, tx: ServerTx, request: Request, peer: Peer, cx: &mut Cx<'_>) {
        match Replaces::of_request(&request) {
            Ok(None) => {}
            Ok(Some(replaces)) => return self.on_replacing_invite(tx, &request, peer, &replaces, cx),
            Err(error) => {
                let response = request.response(error.status()).with_reason(&error.to_string());
                return self.endpoint.respond(tx, response, cx.now);
            }
        }
        let directory = Arc::clone(&self.directory);
        let routed = match self.admit_invite(&request, &peer, &directory, cx) {
            Ok(destination) => destination,
            Err(response) => return self.endpoint.respond(tx, *response, cx.now),
        };
        if let Err(shortage) = self.room_for_a_call(routed.emergency, cx.shell) {
            return self.endpoint.respond(tx, unavailable(&request, &shortage), cx.now);
        }
        if let Err(response) = self.begin(tx, &request, peer, routed, &directory, cx) {
            self.endpoint.respond(tx, *response, cx.now);
        }
    }

    /// Max-Forwards, trunk or domain, authentication, route: in this order.
    fn admit_invite(
        &mut self,
        request: &Request,
        peer: &Peer,
        directory: &Directory,
        cx: &mut Cx<'_>,
    ) -> Result<Destination, Box<Response>> {
        if request.max_forwards() == Some(0) {
            return Err(Box::new(request.response(483)));
        }
        let refusal = |error: &NoRoute| {
            let response = request.response(error.status()).with_reason(&error.to_string());
            match error.reason_header() {
                Some(reason) => Box::new(response.with_header("Reason", reason)),
                None => Box::new(response),
            }
        };
        let trunks = self.trunks_at(directory, peer.remote.ip());
        if !trunks.is_empty() && !claims_to_be_user(directory, request) {
            let to = route_from_trunk(directory, &trunks, request).map_err(|error| refusal(&error))?;
            return self.room_on_trunk(to, directory, request, cx);
        }
        let domain = directory.company_of_domain(&request.uri.host.to_string());
        let company = domain.or_else(|| company_of_called(directory, request));
        let Some(company) = company else {
            return Err(Box::new(request.response(404).with_reason("This domain is not served here")));
        };
        let source = peer.remote.ip();
        let caller = self.auth.verify_any(request, company, directory, source, cx.now, &mut Dice(cx.shell));
        match caller.map_err(Box::new)? {
            Identity::User(user) => {
                let routed = route_from_user(directory, user, &user_part(&request.uri), &Wish::of(request));
                routed.map_err(|error| {
                    if error.status() == 403 {
                        let (company, why) = (company.key.clone(), error.for_log());
                        cx.shell.note(&Note::Refused { company, user: user.id, why });
                    }
                    refusal(&error)
                })
            }
            Identity::Trunk(trunk) if !trunk.lets_in(peer.remote.ip()) => {
                Err(Box::new(request.response(403).with_reason("This trunk is not used from this address")))
            }
            Identity::Trunk(trunk) => {
                let to = route_from_trunk(directory, &[trunk], request).map_err(|error| refusal(&error))?;
                self.room_on_trunk(to, directory, request, cx)
            }
        }
    }

    /// A call that comes in over a trunk that carries as many as it may is 503 for the carrier, one
    /// that goes in circles 482.
    fn room_on_trunk(
        &self,
        to: Destination,
        directory: &Directory,
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Result<Destination, Box<Response>> {
        let trunk = to.origin.trunk.and_then(|id| directory.trunk(id));
        let number = to.number.and_then(|id| directory.number(id));
        let company = directory.company(to.origin.company);
        if let (Some(trunk), Some(number), Some(company)) = (trunk, number, company) {
            let ours: Vec<String> =
                self.config.listeners.iter().map(|listener| self.endpoint.advertised(listener.local)).collect();
            let read = |said: &str| trunk.settings.number_format.read(said, company);
            if is_loop(request, &number.e164, &ours, read) {
                cx.shell.note(&Note::Loop { trunk: trunk.name.clone() });
                return Err(Box::new(request.response(482)));
            }
        }
        match trunk.and_then(|trunk| self.full(trunk)) {
            Some(shortage) => Err(Box::new(unavailable(request, &shortage))),
            None => Ok(to),
        }
    }

    /// Limits that people set do not hold for an emergency call. One that is stopping refuses it
    /// too: it would cut it off, and a phone with a second server tries that one at once.
    fn room_for_a_call(&self, emergency: bool, shell: &mut dyn Shell) -> Result<(), Shortage> {
        if self.stopping {
            return Err(Shortage::Stopping);
        }
        if emergency {
            return Ok(());
        }
        if self.sessions.len() >= self.config.max_calls {
            return Err(Shortage::Calls(self.config.max_calls));
        }
        shell.admit()
    }

    fn begin(
        &mut self,
        tx: ServerTx,
        request: &Request,
        peer: Peer,
        to: Destination,
        directory: &Directory,
        cx: &mut Cx<'_>,
    ) -> Result<(), Box<Response>> {
        let refuse = |status: u16, reason: &str| Box::new(request.response(status).with_reason(reason));
        let company = directory.company(to.origin.company).ok_or_else(|| refuse(404, "No such company"))?;
        let recording =
            to.number.and_then(|id| directory.number(id)).map_or(NumberRecording::Inherit, |number| number.recording);
        let facts = Facts::at_start(to.direction, &company.settings, recording, None);
        let mut settings = company.settings.clone();
        if to.emergency {
            // Help first: without its recording, or in clear, the call is better than no call.
            settings.on_recording_failure = OnRecordingFailure::Continue;
            settings.only_encrypted = false;
        }
        self.refuse_unrecordable(request, &settings, &facts)?;
        let trunk = to.origin.trunk.and_then(|id| directory.trunk(id)).filter(|_| !to.emergency);
        let only_encrypted = settings.only_encrypted || trunk.is_some_and(|trunk| trunk.settings.only_encrypted);
        admit_caller(only_encrypted, request, &peer)?;
        let ways = match to.target {
            // The path finds its own.
            Target::Path(_) => Vec::new(),
            Target::User(_) | Target::Trunk { .. } => {
                let ways = self.ways_to(&to, directory, request, cx);
                let ways = ways.inspect_err(|response| rang_nowhere(&to, &facts, response, cx))?;
                safe_ways(&settings, request, ways)?
            }
        };
        let mut caller_exchange = exchange(only_encrypted, &peer, cx);
        if !request.body.is_empty() {
            let offer = caller_exchange
                .receive_offer(&request.body)
                .map_err(|error| refuse(error.status(), &error.to_string()))?;
            can_answer(&offer, &company.settings, &facts, caller_exchange.security())
                .map_err(|error| refuse(error.status(), &error.to_string()))?;
        }
        let timer = session_timer::negotiate_uas(request, &self.config.session_timer).map_err(Box::new)?;
        let local_tag = token(&mut Dice(cx.shell), 8);
        let dialog = Dialog::uas(request, &local_tag).map_err(|error| refuse(error.status(), &error.to_string()))?;
        let call = CallId::new(cx.wall, cx.shell.ten_bytes());
        let first_peer = ways.first().map_or(peer, |way| way.peer);
        let (caller_port, callee_port) = self
            .open_media(call, &peer, &first_peer, cx)
            .map_err(|shortage| Box::new(unavailable(request, &shortage)))?;
        let mut caller = self.leg(peer, caller_exchange, caller_port, to.origin.caller.user, to.origin.trunk);
        caller.contact = contact_for(&request.uri.scheme, caller.contact);
        caller.learn_methods(&request.headers);
        caller.timer = Some(Timer::start(timer, cx.now));
        caller.inviting = Some(tx);
        if Provisionals::are_required(request) {
            let t1 = self.config.endpoint.timers.t1;
            caller.provisionals = Some(Provisionals::new(request, cx.shell.u32(), t1));
        }
        self.dialogs.insert(dialog.id(), (call, Side::Caller));
        caller.dialog = Some(dialog);
        let callee_user = match &to.target {
            Target::User(user) => Some(*user),
            Target::Trunk { .. } | Target::Path(_) => None,
        };
        let path = match &to.target {
            Target::Path(start) => Some(Box::new(Path::new(Arc::clone(&self.directory), company.id, *start))),
            Target::User(_) | Target::Trunk { .. } => None,
        };
        let led = path.is_some();
        let whom = Whom { user: callee_user, party: to.callee.clone() };
        let callee_exchange = OfferAnswer::new(session_id(cx.shell));
        let trunk = ways.first().and_then(|way| way.line).map(|line| line.trunk);
        let callee = self.leg(first_peer, callee_exchange, callee_port, callee_user, trunk);
        let hold_music = self.directory.prompt(company.id, HOLD_MUSIC).map(|sound| sound.0.clone());
        let session = Session {
            record: beginning(call, &to, &facts, cx.wall),
            company_key: company.key.clone(),
            company_name: company.name.clone(),
            settings,
            facts,
            passed: None,
            recording_failed: false,
            paused: None,
            hold_music,
            phase: Phase::Talking,
            caller,
            callee,
            answered: None,
            path,
            plays: 0,
            transfer: None,
            withheld: to.origin.withheld,
            voicemail: None,
        };
        warn_of_open_keys(&session);
        let bridge = self.bridge_config(&session, directory, cx);
        cx.shell.media(call, MediaOrder::Open(Box::new(bridge)));
        self.incoming.insert(tx, call);
        cx.shell.begun(&session.record);
        let ways = ways.into_iter().map(|way| (way, whom.clone())).collect();
        self.ring(session, tx, request, local_tag, ways, cx);
        if led {
            self.with_session(call, cx, |this, session, cx| this.flow_event(session, Event::Begin, cx));
        }
        Ok(())
    }

    /// `on_recording_failure` of calls that begin while no recording can be made.
    fn refuse_unrecordable(&self, request: &Request, settings: &Settings, facts: &Facts) -> Result<(), Box<Response>> {
        let Some(problem) = &self.no_recording else { return Ok(()) };
        match (decide(facts).record, settings.on_recording_failure) {
            (true, OnRecordingFailure::Refuse | OnRecordingFailure::Hangup) => Err(Box::new(
                request
                    .response(503)
                    .with_reason(&format!("Recording is impossible: {problem}"))
                    .with_header("Retry-After", RETRY_AFTER),
            )),
            (true, OnRecordingFailure::Continue | OnRecordingFailure::Announce) | (false, _) => Ok(()),
        }
    }

    fn open_media(
        &mut self,
        call: CallId,
        caller: &Peer,
        callee: &Peer,
        cx: &mut Cx<'_>,
    ) -> Result<(LegPort, LegPort), Shortage> {
        let one = cx.shell.open_leg(call, Side::Caller, caller.local.ip())?;
        match cx.shell.open_leg(call, Side::Callee, callee.local.ip()) {
            Ok(other) => Ok((one, other)),
            Err(shortage) => {
                cx.shell.media(call, MediaOrder::End);
                Err(shortage)
            }
        }
    }

    pub(super) fn leg(
        &self,
        peer: Peer,
        exchange: OfferAnswer,
        port: LegPort,
        user: Option<crate::base::UserId>,
        trunk: Option<TrunkId>,
    ) -> Leg {
        Leg {
            peer,
            dialog: None,
            contact: self.contact_on(&peer),
            exchange,
            port,
            user,
            trunk,
            timer: None,
            allows_info: false,
            allows_update: false,
            ours: None,
            theirs: None,
            media: None,
            inviting: None,
            provisionals: None,
        }
    }

    pub(super) fn contact_on(&self, peer: &Peer) -> String {
        let host = self.endpoint.advertised(peer.local);
        match peer.transport {
            Transport::Udp => format!("<sip:telegraphone@{host}>"),
            Transport::Tcp => format!("<sip:telegraphone@{host};transport=tcp>"),
            Transport::Tls => format!("<sip:telegraphone@{host};transport=tls>"),
        }
    }

    fn bridge_config(&self, session: &Session, directory: &Directory, cx: &mut Cx<'_>) -> BridgeConfig {
        let settings = &session.settings;
        let user = |side| self.commander_of(session, side, directory);
        let mut start = || (cx.shell.u32(), cx.shell.u16(), cx.shell.u32());
        let start = [start(), start()];
        BridgeConfig {
            start,
            rules: session.rules(),
            commanders: [user(Side::Caller), user(Side::Callee)],
            record_while_held: settings.record_while_held,
            silence_timeout: self.config.silence_timeout.unwrap_or(crate::base::Span(u64::MAX)),
            rtcp_interval: self.config.rtcp_interval,
            cnames: [token(&mut Dice(cx.shell), 8), token(&mut Dice(cx.shell), 8)],
        }
    }

    /// The ways to reach the called side: each device of a user, or the trunk.
    pub(super) fn ways_to(
        &mut self,
        to: &Destination,
        directory: &Directory,
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Result<Vec<Way>, Box<Response>> {
        let refuse = |status: u16, reason: &str| Box::new(request.response(status).with_reason(reason));
        match &to.target {
            // Whom to ring is said step by step.
            Target::Path(_) => Ok(Vec::new()),
            Target::User(user) => {
                let domain = directory.company(to.origin.company).and_then(|company| company.domains.first());
                let host = domain.cloned().unwrap_or_default();
                let from = match to.origin.withheld {
                    true => anonymous(),
                    false => {
                        NameAddr::new(Uri::sip(&to.origin.caller.address, &host)).with_display(&to.origin.caller.name)
                    }
                };
                let called = NameAddr::new(Uri::sip(&to.callee.address, &host)).with_display(&to.callee.name);
                let devices = self.registrar.devices(*user, cx.now);
                let ways: Vec<Way> = devices
                    .into_iter()
                    .map(|device| Way {
                        uri: device.contact,
                        peer: device.flow,
                        from: from.clone(),
                        to: called.clone(),
                        headers: Vec::new(),
                        line: None,
                        otherwise: VecDeque::new(),
                    })
                    .collect();
                match ways.is_empty() {
                    true => Err(refuse(480, "No device of the user is registered")),
                    false => Ok(ways),
                }
            }
            Target::Trunk { called, caller_id } => {
                let company = directory.company(to.origin.company).ok_or_else(|| refuse(404, "No such company"))?;
                let way = self.way_out(to, company, directory, (called, caller_id), request, cx);
                way.map(|way| vec![way]).map_err(|shortage| Box::new(unavailable(request, &shortage)))
            }
        }
    }

    /// Sends an INVITE each way.
    fn ring(
        &mut self,
        mut session: Session,
        tx: ServerTx,
        request: &Request,
        local_tag: String,
        ways: Vec<(Way, Whom)>,
        cx: &mut Cx<'_>,
    ) {
        session.phase = Phase::Ringing(Box::new(Ringing {
            tx,
            request: request.clone(),
            local_tag,
            branches: Vec::new(),
            refused: None,
            deadline: cx.now + self.config.ring_timeout,
            answered_early: false,
            answered: false,
            playing: None,
            held: None,
        }));
        let branches = self.invite_ways(&session, ways, cx);
        self.endpoint.respond(tx, request.response(100), cx.now);
        if let Phase::Ringing(ringing) = &mut session.phase {
            ringing.branches = branches;
        }
        self.keep(session);
    }

    /// An INVITE each way, with what the caller offered; with what it speaks where it was answered.
    pub(super) fn invite_ways(&mut self, session: &Session, ways: Vec<(Way, Whom)>, cx: &mut Cx<'_>) -> Vec<Branch> {
        let Phase::Ringing(ringing) = &session.phase else { return Vec::new() };
        let offered = session.caller.exchange.open_offer().and_then(|offer| offer.audio.as_ref());
        let (formats, events, ptime) = match (offered, &session.caller.media) {
            (Some(audio), _) => {
                let (formats, events) = offer_upon(audio, &session.settings, &session.facts);
                (formats, events, audio.ptime)
            }
            (None, Some(media)) => {
                let formats = offer_again(&session.caller, &session.settings, &media.send.codec);
                (formats, Some(OUR_EVENTS), None)
            }
            (None, None) => (offer_unasked(&session.settings), Some(OUR_EVENTS), None),
        };
        let forwards = ringing.request.max_forwards().unwrap_or(70).saturating_sub(1);
        let mut branches = Vec::new();
        for (way, whom) in ways {
            let mut exchange = exchange(demanded(&session.settings, way.line), &way.peer, cx);
            let local = session.callee.local(formats.clone(), events, Flow::SendRecv, ptime);
            let Ok(offer) = exchange.offer(local) else { continue };
            let contact = contact_for(&way.uri.scheme, self.contact_on(&way.peer));
            let mut invite = Request::new(Method::Invite, way.uri);
            let from = way.from.with_tag(&token(&mut Dice(cx.shell), 8));
            invite.headers.push("From", from.to_string());
            invite.headers.push("To", way.to.to_string());
            invite.headers.push("Call-ID", token(&mut Dice(cx.shell), 16));
            invite.headers.push("CSeq", "1 INVITE");
            invite.headers.push("Max-Forwards", forwards.to_string());
            invite.headers.push("Contact", contact.clone());
            invite.headers.push("Allow", self.endpoint.capabilities().allow());
            for (name, value) in &way.headers {
                invite.headers.push(name, value.clone());
            }
            session_timer::offer(&mut invite.headers, &self.config.session_timer);
            invite.headers.push("Supported", reliable::OPTION);
            let invite = invite.with_body("application/sdp", offer);
            let purpose = Purpose::Ring { call: session.id() };
            let mut branch = self.send_branch(purpose, invite, way.peer, contact, exchange, whom, cx);
            self.goes_over(&mut branch, way.line, way.otherwise, 0, cx);
            branches.push(branch);
        }
        branches
    }

    #[allow(clippy::too_many_arguments, reason = "two call sites; each is a part of the branch")]
    pub(super) fn send_branch(
        &mut self,
        purpose: Purpose,
        invite: Request,
        peer: Peer,
        contact: String,
        exchange: OfferAnswer,
        whom: Whom,
        cx: &mut Cx<'_>,
    ) -> Branch {
        let tx = self.endpoint.request(invite.clone(), peer, cx.now, &mut Dice(cx.shell));
        self.sent.insert(tx, Sent::new(purpose, invite.clone(), peer, contact.clone()));
        Branch {
            tx,
            request: invite,
            peer,
            contact,
            exchange,
            whom,
            timer_policy: self.config.session_timer,
            early: None,
            dialogs: Vec::new(),
            line: None,
            otherwise: VecDeque::new(),
            give_up_at: None,
            tries: 0,
        }
    }

    /// Our answer to the caller's offer, made once. `spoken`: what the called side speaks; `flow`:
    /// what it does, seen from the caller's leg.
    pub(super) fn answer_caller(&mut self, session: &mut Session, spoken: &Codec, flow: Flow) -> Result<(), u16> {
        let formats = accepted(&session.settings, spoken);
        let leg = &mut session.caller;
        if leg.exchange.open_offer().is_none() {
            return Ok(());
        }
        let ptime = None;
        let local = leg.local(formats, Some(OUR_EVENTS), flow, ptime);
        match leg.exchange.answer(local, Some(spoken)) {
            Ok((_, negotiated)) => {
                leg.media = Some(negotiated);
                Ok(())
            }
            Err(error) => Err(error.status()),
        }
    }

    /// Tells the worker what holds on a leg.
    pub(super) fn push_media(&self, session: &Session, side: Side, cx: &mut Cx<'_>) {
        let held = session.leg(side.other()).media.as_ref().is_some_and(|media| media.held);
        if let Some(media) = session.leg(side).media_for_worker(self.config.strict_source, held) {
            cx.shell.media(session.id(), MediaOrder::SetMedia { side, media: Box::new(media) });
        }
    }

    /// The called side has answered: the caller is told, media is joined, the gate decides.
    pub(super) fn connect(&mut self, mut session: Session, ringing: Ringing, cx: &mut Cx<'_>) -> Option<Session> {
        let spoken = session.callee.media.as_ref().map_or(Codec::Pcmu, |media| media.send.codec.clone());
        let heard = ringing.answered;
        let flow = flow_of_callee(&session);
        if !heard && let Err(status) = self.answer_caller(&mut session, &spoken, flow) {
            // The called side has answered already.
            self.say_bye(&mut session, Side::Callee, cx);
            session.phase = Phase::Ringing(Box::new(ringing));
            return self.refuse(session, status, EndReason::Rejected { status }, cx);
        }
        if !heard {
            self.accept_caller(&mut session, ringing.tx, &ringing.request, &ringing.local_tag, &spoken, cx);
        }
        self.cancel_branches(&ringing.branches, Some(ELSEWHERE), cx);
        self.leave_voicemail(&mut session, cx);
        session.phase = Phase::Talking;
        session.answered = Some(cx.now);
        session.time_pause(cx.now);
        for user in Side::BOTH.into_iter().filter_map(|side| session.leg(side).user) {
            self.idle.insert(user, Time(u64::MAX));
        }
        session.record.answered = Some(cx.wall);
        session.record.outcome = Outcome::Answered;
        session.record.decision = session.decision();
        for side in Side::BOTH {
            self.push_media(&session, side, cx);
        }
        self.prepare_recording(&mut session, cx);
        if let Some(notice) = self.notice_of(&session) {
            cx.shell.media(session.id(), MediaOrder::SetNotice(Some(notice)));
        }
        if let Some(music) = session.hold_music.clone() {
            cx.shell.media(session.id(), MediaOrder::SetHoldMusic(music));
        }
        cx.shell.media(session.id(), MediaOrder::Connect);
        cx.shell.save(&session.record);
        if heard {
            // It may have held while it waited.
            self.settle_directions(&mut session, Side::Caller, cx);
        }
        match session.recording_failed && session.settings.on_recording_failure == OnRecordingFailure::Hangup {
            true => self.end(session, EndReason::RecordingFailed, None, cx),
            false => Some(session),
        }
    }

    /// The 200 to the caller's INVITE, with our answer to its offer, or with ours where it made none.
    pub(super) fn accept_caller(
        &mut self,
        session: &mut Session,
        tx: ServerTx,
        request: &Request,
        local_tag: &str,
        spoken: &Codec,
        cx: &mut Cx<'_>,
    ) {
        let described = session.caller.provisionals.as_ref().is_some_and(Provisionals::has_described);
        let body = match (described, request.body.is_empty()) {
            // The 18x that the caller acknowledged had it.
            (true, _) => None,
            (false, true) => {
                let formats = offer_again(&session.caller, &session.settings, spoken);
                let local = session.caller.local(formats, Some(OUR_EVENTS), flow_of_callee(session), None);
                session.caller.theirs = Some(super::session::Theirs::OfferedInAnswer);
                session.caller.exchange.offer(local).ok()
            }
            (false, false) => session.caller.exchange.said().cloned(),
        };
        self.accept_on(&mut session.caller, tx, request, local_tag, body, cx);
    }

    /// The 200 to the INVITE that a leg began with.
    pub(super) fn accept_on(
        &mut self,
        leg: &mut Leg,
        tx: ServerTx,
        request: &Request,
        local_tag: &str,
        body: Option<Bytes>,
        cx: &mut Cx<'_>,
    ) {
        let mut response = request
            .response(200)
            .with_to_tag(local_tag)
            .with_header("Contact", leg.contact.clone())
            .with_header("Allow", self.endpoint.capabilities().allow())
            .with_header("Supported", self.endpoint.capabilities().supported());
        if let Some(timer) = &mut leg.timer {
            // It runs from the 2xx (RFC 4028 §9), not from the INVITE.
            *timer = Timer::start(timer.agreed, cx.now);
            response = timer.announce(response);
        }
        if let Some(body) = body {
            response = response.with_body("application/sdp", body);
        }
        if let Some(provisionals) = &mut leg.provisionals {
            provisionals.stop();
        }
        self.endpoint.respond(tx, response, cx.now);
    }

    fn prepare_recording(&self, session: &mut Session, cx: &mut Cx<'_>) {
        let codecs = [session.caller.codec_name(), session.callee.codec_name()];
        let [caller_codec, callee_codec] = codecs;
        cx.shell.prepare(Preparation {
            call: session.id(),
            company: session.record.company,
            company_key: session.company_key.clone(),
            company_name: session.company_name.clone(),
            parties: [(session.record.caller.clone(), caller_codec), (session.record.callee.clone(), callee_codec)],
            rate: session.rate(),
            channels: session.settings.channels,
            pause: session.settings.pause,
            record: session.record.clone(),
        });
        let undecodable = session.undecodable();
        if undecodable.is_some() {
            // Nobody can start a recording later on either.
            session.recording_failed = true;
            cx.shell.media(session.id(), MediaOrder::SetRules(session.rules()));
        }
        let problem = self.no_recording.clone().or(undecodable);
        let Some(problem) = problem.filter(|_| decide(&session.facts).record) else { return };
        session.recording_failed = true;
        cx.shell.media(session.id(), MediaOrder::SetRules(session.rules()));
        cx.shell.not_recorded(&session.record, &problem);
        if session.settings.on_recording_failure == OnRecordingFailure::Announce {
            self.say_not_recorded(session, cx);
        }
    }

    /// Ends a call that was not answered: `status` to the caller, CANCEL to those who ring.
    pub(super) fn refuse(
        &mut self,
        mut session: Session,
        status: u16,
        reason: EndReason,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        if let Phase::Ringing(ringing) = std::mem::replace(&mut session.phase, Phase::Talking) {
            let told = if reason == EndReason::Shutdown { status } else { status::for_caller(status) };
            let mut response = ringing.request.response(told).with_to_tag(&ringing.local_tag);
            if told == 503 {
                response = response.with_header("Retry-After", RETRY_AFTER);
            }
            match (ringing.answered, &reason) {
                (false, _) => self.endpoint.respond(ringing.tx, response, cx.now),
                // The caller has said BYE.
                (true, EndReason::CallerCancelled | EndReason::CallerHungUp) => {}
                (true, _) => self.say_bye(&mut session, Side::Caller, cx),
            }
            self.cancel_branches(&ringing.branches, None, cx);
            if let Some(held) = &ringing.held {
                self.drop_held(held, cx);
            }
        }
        session.record.outcome = match &reason {
            EndReason::CallerCancelled => Outcome::Cancelled,
            EndReason::RingTimeout => Outcome::NoAnswer,
            EndReason::Rejected { status } => status::outcome(*status),
            EndReason::CallerHungUp
            | EndReason::CalleeHungUp
            | EndReason::MediaSilence { .. }
            | EndReason::SessionExpired
            | EndReason::PeerGone
            | EndReason::Operator
            | EndReason::EndedByUser { .. }
            | EndReason::RecordingFailed
            | EndReason::Transferred { .. }
            | EndReason::TransferFailed { .. }
            | EndReason::Shutdown
            | EndReason::Crashed => Outcome::Failed,
        };
        self.close(session, reason, cx);
        None
    }
}

/// What the called side does, seen from the caller's leg: one that answers holding (RFC 3264 §8.4)
/// holds the caller too.
fn flow_of_callee(session: &Session) -> Flow {
    session.callee.media.as_ref().map_or(Flow::SendRecv, |media| media.flow.reversed())
}

/// A way to the called side.
#[derive(Clone, Debug)]
pub struct Way {
    pub uri: Uri,
    pub peer: Peer,
    pub from: NameAddr,
    pub to: NameAddr,
    /// What else the INVITE says of the caller.
    pub headers: Vec<(String, String)>,
    /// Through which trunk, if any.
    pub line: Option<OnTrunk>,
    /// Ways to take instead, one after the other, where this one fails.
    pub otherwise: VecDeque<Way>,
}

/// A phone may share its address with a carrier (one router): its From says so, and the digest
/// proves it.
pub(super) fn claims_to_be_user(directory: &Directory, request: &Request) -> bool {
    let Ok(from) = request.from() else { return false };
    let Some(company) = directory.company_of_domain(&from.uri.host.to_string()) else { return false };
    let name = from.uri.user_unescaped().unwrap_or_default();
    directory.user_by_extension(company.id, &name).or_else(|| directory.user_by_auth(company.id, &name)).is_some()
}

pub(super) fn session_id(shell: &mut dyn Shell) -> u64 {
    u64::from(shell.u32())
}

pub(super) fn unavailable(request: &Request, shortage: &Shortage) -> Response {
    request.response(503).with_reason(&shortage.to_string()).with_header("Retry-After", RETRY_AFTER)
}

/// The record of a call as it begins.
fn beginning(call: CallId, to: &Destination, facts: &Facts, now: Wall) -> CallRecord {
    CallRecord {
        id: call,
        company: to.origin.company,
        direction: to.direction,
        caller: to.origin.caller.clone(),
        callee: to.callee.clone(),
        number: to.number,
        started: now,
        answered: None,
        ended: None,
        outcome: Outcome::Ringing,
        end_reason: None,
        decision: decide(facts),
        changes: Vec::new(),
        joined: Vec::new(),
        ended_paused: false,
    }
}

/// A call to a user who has no device anywhere is one that they missed: it stands in the history like
/// one that rang for long enough.
fn rang_nowhere(to: &Destination, facts: &Facts, response: &Response, cx: &mut Cx<'_>) {
    match to.target {
        Target::User(_) => {}
        Target::Trunk { .. } | Target::Path(_) => return,
    }
    let mut record = beginning(CallId::new(cx.wall, cx.shell.ten_bytes()), to, facts, cx.wall);
    cx.shell.begun(&record);
    record.ended = Some(cx.wall);
    record.outcome = Outcome::NoAnswer;
    record.end_reason = Some(EndReason::Rejected { status: response.status });
    cx.shell.save(&record);
}
