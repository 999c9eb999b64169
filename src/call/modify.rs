//! Inside a dialog: re-INVITE, UPDATE, hold and unhold, INFO, session timers.
//!
//! A new address or codec of one leg is that leg's affair and is answered at once. A change of the
//! direction (hold) is passed on to the other leg first, and answered as that leg answers:
//! ```text
//! re-INVITE (sendonly) ─► re-INVITE (sendonly) to the other leg
//!                     ◄─ 200 (recvonly) ─ both legs change    or  ─ 4xx ─ both roll back
//! ```

use super::MediaOrder;
use super::codecs::{accepted, offer_again};
use super::fork::hop;
use super::info::{key_of_info, relay_body};
use super::session::{Change, Phase, Session, Theirs, Timer};
use super::switch::{Cx, Purpose, Switch};
use crate::base::{Side, Span, Time};
use crate::ledger::EndReason;
use crate::sdp::{Codec, Events, Flow, Pending};
use crate::sip::Peer;
use crate::sip::dialog::DialogId;
use crate::sip::endpoint::{ClientTx, ServerTx};
use crate::sip::message::{Method, Request, Response};
use crate::sip::session_timer;
use bytes::Bytes;

const EVENTS: Events = Events { pt: 101, clock: 8_000 };
/// A refresh that found the leg busy is tried again after this.
const REFRESH_AGAIN: Span = Span::from_secs(5);
/// One that was refused, after this: twice before the shortest session expires.
const REFRESH_REFUSED: Span = Span::from_secs(7);

impl Switch {
    pub(super) fn on_request_in_dialog(
        &mut self,
        tx: ServerTx,
        request: Request,
        peer: Peer,
        id: &DialogId,
        cx: &mut Cx<'_>,
    ) {
        let Some((call, side)) = self.dialogs.get(id).copied() else {
            if !self.on_watchers_request(id, tx, &request, peer, cx) {
                self.on_leavers_request(id, tx, &request, cx);
            }
            return;
        };
        self.with_session(call, cx, |this, mut session, cx| {
            let accepted = session.leg_mut(side).dialog.as_mut().map(|dialog| dialog.accept(&request));
            if let Some(Err(error)) = accepted {
                let response = request.response(error.status()).with_reason(&error.to_string());
                this.endpoint.respond(tx, response, cx.now);
                return Some(session);
            }
            let leg = session.leg_mut(side);
            // A phone behind NAT, or with a new connection, is reached where it speaks from now.
            if leg.trunk.is_none() && peer.transport == leg.peer.transport {
                leg.peer = peer;
            }
            match request.method {
                Method::Bye => this.on_bye(session, side, tx, &request, cx),
                Method::Invite | Method::Update => this.on_change(session, side, tx, request, cx),
                Method::Info => this.on_info(session, side, tx, &request, cx),
                Method::Refer => this.on_refer(session, side, tx, &request, cx),
                Method::Prack => this.on_prack(session, side, tx, &request, cx),
                Method::Options => {
                    this.endpoint.respond(
                        tx,
                        request.response(200).with_header("Allow", this.endpoint.capabilities().allow()),
                        cx.now,
                    );
                    Some(session)
                }
                // A text is for everybody who reads the conversation, not for one call.
                Method::Message => {
                    let response = request.response(403).with_reason("Texts are sent outside of calls");
                    this.endpoint.respond(tx, response, cx.now);
                    Some(session)
                }
                Method::Ack
                | Method::Cancel
                | Method::Register
                | Method::Notify
                | Method::Subscribe
                | Method::Publish
                | Method::Other(_) => {
                    let response = request.response(405).with_header("Allow", this.endpoint.capabilities().allow());
                    this.endpoint.respond(tx, response, cx.now);
                    Some(session)
                }
            }
        });
    }

    fn on_info(
        &mut self,
        session: Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let response = match key_of_info(request) {
            Ok(key) => {
                if let Some(key) = key {
                    cx.shell.media(session.id(), MediaOrder::InfoKey { side, key });
                }
                request.response(200)
            }
            Err(error) => request
                .response(error.status())
                .with_reason(&error.to_string())
                .with_header("Accept", "application/dtmf-relay, application/dtmf"),
        };
        self.endpoint.respond(tx, response, cx.now);
        Some(session)
    }

    /// A re-INVITE or UPDATE.
    fn on_change(
        &mut self,
        mut session: Session,
        side: Side,
        tx: ServerTx,
        request: Request,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        if let Err(response) = self.may_change(&mut session, side, &request, cx.now) {
            self.endpoint.respond(tx, *response, cx.now);
            return Some(session);
        }
        if request.method == Method::Invite {
            self.settle_invite(&mut session, side);
            self.incoming.insert(tx, session.id());
            session.leg_mut(side).inviting = Some(tx);
        }
        let leg = session.leg_mut(side);
        leg.learn_methods(&request.headers);
        if let (Some(contact), Some(dialog)) = (request.contact(), leg.dialog.as_mut()) {
            dialog.refresh_target(&contact);
        }
        match (request.body.is_empty(), &request.method) {
            (true, Method::Invite) => self.offer_in_answer(session, side, tx, &request, cx),
            (true, _) => {
                self.accept_change(&session, side, tx, &request, None, cx);
                Some(session)
            }
            (false, _) => self.on_new_offer(session, side, tx, request, cx),
        }
    }

    /// Glare (RFC 3261 §14.2, RFC 3311 §5.2), a call that still rings, the session timer.
    fn may_change(&self, session: &mut Session, side: Side, request: &Request, now: Time) -> Result<(), Box<Response>> {
        let ringing = session.is_unanswered();
        let leg = session.leg_mut(side);
        if ringing || leg.ours.is_some() || leg.exchange.pending() == Pending::Ours {
            return Err(Box::new(request.response(491)));
        }
        if leg.theirs.is_some() {
            return Err(Box::new(request.response(500).with_header("Retry-After", "3")));
        }
        let agreed = session_timer::negotiate_uas(request, &self.config.session_timer).map_err(Box::new)?;
        leg.timer = Some(Timer::start(agreed, now));
        Ok(())
    }

    /// A re-INVITE without an offer: ours goes out in the 200, the answer comes in the ACK. It
    /// offers all that the other leg lets us: this one may have held and now takes up again.
    fn offer_in_answer(
        &mut self,
        mut session: Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let other = session.leg(side.other());
        let flow =
            other.media.as_ref().filter(|media| media.held).map_or(Flow::SendRecv, |media| media.flow.reversed());
        let codec = other.media.as_ref().map_or(Codec::Pcmu, |media| media.send.codec.clone());
        let formats = offer_again(session.leg(side), &session.settings, &codec);
        let leg = session.leg_mut(side);
        let local = leg.local(formats, Some(EVENTS), flow, None);
        match leg.exchange.offer(local) {
            Ok(body) => {
                leg.theirs = Some(Theirs::OfferedInAnswer);
                self.accept_change(&session, side, tx, request, Some(body), cx);
            }
            Err(error) => self.endpoint.respond(tx, request.response(error.status()), cx.now),
        }
        Some(session)
    }

    fn on_new_offer(
        &mut self,
        mut session: Session,
        side: Side,
        tx: ServerTx,
        request: Request,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let leg = session.leg_mut(side);
        let offered = match leg.exchange.receive_offer(&request.body) {
            Ok(offer) => offer.audio.as_ref().map(|audio| audio.flow),
            Err(error) => {
                self.endpoint.respond(tx, request.response(error.status()).with_reason(&error.to_string()), cx.now);
                return Some(session);
            }
        };
        let wanted = offered.unwrap_or(Flow::Inactive);
        let other = session.leg(side.other());
        // A transferor that has left is not asked.
        if other.dialog.is_none() {
            return self.answer_change(session, side, tx, &request, wanted.reversed(), cx);
        }
        let said = other.exchange.local().map_or(Flow::SendRecv, |local| local.flow);
        let told = session.told_of(wanted);
        if told == said {
            let flow = other.media.as_ref().map_or(Flow::SendRecv, |media| media.flow.reversed());
            return self.answer_change(session, side, tx, &request, flow, cx);
        }
        self.pass_on(session, side, tx, request, told, cx)
    }

    /// Tells the other leg of the new direction. The request waits for what it says.
    fn pass_on(
        &mut self,
        mut session: Session,
        side: Side,
        tx: ServerTx,
        request: Request,
        flow: Flow,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let other = session.leg(side.other());
        let codec = other.media.as_ref().map_or(Codec::Pcmu, |media| media.send.codec.clone());
        let formats = offer_again(other, &session.settings, &codec);
        let other = session.leg_mut(side.other());
        let busy = other.ours.is_some() || other.theirs.is_some();
        let local = other.local(formats, Some(EVENTS), flow, None);
        let offer = if busy { None } else { other.exchange.offer(local).ok() };
        let Some(offer) = offer else {
            session.leg_mut(side).exchange.roll_back();
            self.endpoint.respond(tx, request.response(491), cx.now);
            return Some(session);
        };
        session.leg_mut(side).theirs = Some(Theirs::Waiting);
        self.send_change(&mut session, side.other(), Method::Invite, Some(offer), Some((tx, request)), cx);
        Some(session)
    }

    /// Sends a re-INVITE or UPDATE on a leg.
    fn send_change(
        &mut self,
        session: &mut Session,
        side: Side,
        method: Method,
        body: Option<Bytes>,
        for_other: Option<(ServerTx, Request)>,
        cx: &mut Cx<'_>,
    ) {
        let (call, policy) = (session.id(), self.config.session_timer);
        let allow = self.endpoint.capabilities().allow();
        let leg = session.leg_mut(side);
        let contact = leg.contact.clone();
        let Some(dialog) = &mut leg.dialog else { return };
        let mut request = dialog.request(method, &contact);
        let peer = hop(&leg.peer, dialog, leg.trunk);
        request.headers.set("Allow", allow);
        session_timer::offer(&mut request.headers, &policy);
        if let Some(timer) = leg.timer {
            request.headers.set("Session-Expires", timer.agreed.refresh_value());
        }
        if let Some(body) = body {
            request = request.with_body("application/sdp", body);
        }
        let trunk = leg.trunk;
        let tx = self.send(request.clone(), peer, contact, Purpose::Change { call, side }, cx);
        self.belongs_to(tx, trunk, 0);
        session.leg_mut(side).ours = Some(Change { tx, request, for_other });
    }

    /// The final answer to a change of ours.
    pub(super) fn on_change_response(
        &mut self,
        mut session: Session,
        side: Side,
        tx: ClientTx,
        response: &Response,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        if response.is_provisional() {
            return Some(session);
        }
        let policy = self.config.session_timer;
        let leg = session.leg_mut(side);
        let Some(change) = leg.ours.take_if(|change| change.tx == tx) else { return Some(session) };
        if !response.is_success() {
            let least = session_timer::min_se(&response.headers);
            if let Some(timer) = leg.timer.as_mut().filter(|_| response.status == 422) {
                timer.agreed.interval_s = timer.agreed.interval_s.max(least);
            }
            return self.change_refused(session, side, change, response.status, cx);
        }
        leg.learn_methods(&response.headers);
        leg.timer = Some(Timer::start(session_timer::negotiate_uac(response, &policy), cx.now));
        if let Some(dialog) = &mut leg.dialog {
            if let Some(contact) = response.contact() {
                dialog.refresh_target(&contact);
            }
            if change.request.method == Method::Invite {
                let cseq = change.request.cseq().map_or(1, |cseq| cseq.seq);
                let ack = dialog.ack(cseq, &leg.contact);
                let peer = hop(&leg.peer, dialog, leg.trunk);
                self.endpoint.ack(tx, ack, peer, cx.now, &mut super::switch::Dice(cx.shell));
            }
        }
        if leg.exchange.pending() == Pending::Ours {
            match leg.exchange.receive_answer(&response.body) {
                Ok(negotiated) => leg.media = Some(negotiated),
                Err(error) => return self.change_refused(session, side, change, error.status(), cx),
            }
        }
        let Some((waiting, request)) = change.for_other else {
            for side in Side::BOTH {
                self.push_media(&session, side, cx);
            }
            // The party at the other end may have changed meanwhile.
            self.settle_directions(&mut session, side, cx);
            return Some(session);
        };
        session.leg_mut(side.other()).theirs = None;
        let flow = session.leg(side).media.as_ref().map_or(Flow::SendRecv, |media| media.flow.reversed());
        self.answer_change(session, side.other(), waiting, &request, flow, cx)
    }

    /// The other leg did not agree: both keep what they had. One that is gone ends the call.
    fn change_refused(
        &mut self,
        mut session: Session,
        side: Side,
        change: Change,
        status: u16,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        session.leg_mut(side).exchange.roll_back();
        if let Some((tx, request)) = &change.for_other {
            let waiting = session.leg_mut(side.other());
            waiting.theirs = None;
            waiting.exchange.roll_back();
            let told = if status == 491 { 491 } else { super::status::for_caller(status) };
            self.endpoint.respond(*tx, request.response(told), cx.now);
        }
        if matches!(status, 408 | 481) {
            return self.end(session, EndReason::PeerGone, None, cx);
        }
        let leg = session.leg_mut(side);
        leg.allows_update &= change.request.method != Method::Update || matches!(status, 422 | 491 | 500);
        // What we asked for on our own account is asked for again.
        if let Some(timer) = leg.timer.as_mut().filter(|_| change.for_other.is_none()) {
            timer.refresh_at = Some(cx.now + pause_after_refusal(status, side, cx.shell.u16()));
        }
        Some(session)
    }

    fn answer_change(
        &mut self,
        mut session: Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        flow: Flow,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        self.answer_offer(&mut session, side, tx, request, flow, cx);
        Some(session)
    }

    /// Answers the open offer of a leg with `flow` from our point of view.
    pub(super) fn answer_offer(
        &mut self,
        session: &mut Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        flow: Flow,
        cx: &mut Cx<'_>,
    ) {
        let codec = session.leg(side.other()).media.as_ref().map_or(Codec::Pcmu, |media| media.send.codec.clone());
        let formats = accepted(&session.settings, &codec);
        let leg = session.leg_mut(side);
        let local = leg.local(formats, Some(EVENTS), flow, None);
        match leg.exchange.answer(local, Some(&codec)) {
            Ok((body, negotiated)) => {
                leg.media = Some(negotiated);
                self.accept_change(session, side, tx, request, Some(body), cx);
                for side in Side::BOTH {
                    self.push_media(session, side, cx);
                }
            }
            Err(error) => {
                leg.exchange.roll_back();
                self.endpoint.respond(tx, request.response(error.status()).with_reason(&error.to_string()), cx.now);
            }
        }
    }

    fn accept_change(
        &mut self,
        session: &Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        body: Option<Bytes>,
        cx: &mut Cx<'_>,
    ) {
        let leg = session.leg(side);
        let mut response = request
            .response(200)
            .with_header("Contact", leg.contact.clone())
            .with_header("Allow", self.endpoint.capabilities().allow());
        if let Some(timer) = leg.timer {
            response = timer.announce(response);
        }
        if let Some(body) = body {
            response = response.with_body("application/sdp", body);
        }
        self.endpoint.respond(tx, response, cx.now);
    }

    /// The ACK of a 2xx of ours; it brings the answer where the offer was ours.
    pub(super) fn on_ack(&mut self, request: &Request, cx: &mut Cx<'_>) {
        let Some((call, side)) = DialogId::of_request(request).and_then(|id| self.dialogs.get(&id).copied()) else {
            return;
        };
        self.with_session(call, cx, |this, mut session, cx| {
            this.settle_invite(&mut session, side);
            let leg = session.leg_mut(side);
            let Some(Theirs::OfferedInAnswer) = leg.theirs else {
                let idle = leg.ours.is_none() && leg.theirs.is_none();
                // Answered early, before the other side held.
                if idle && session.out_of_step(side).is_some() {
                    this.refresh(&mut session, side, cx);
                }
                return Some(session);
            };
            leg.theirs = None;
            match leg.exchange.receive_answer(&request.body) {
                Ok(negotiated) => {
                    leg.media = Some(negotiated);
                    cx.shell.spoken(call, side, &session.leg(side).codec_name());
                    for side in Side::BOTH {
                        this.push_media(&session, side, cx);
                    }
                    if session.out_of_step(side.other()).is_some() {
                        this.refresh(&mut session, side.other(), cx);
                    }
                    Some(session)
                }
                // Without an answer there is no session (RFC 3261 §13.2.1); one that was agreed before stays.
                Err(_) if leg.exchange.roll_back().is_some() => Some(session),
                Err(_) => this.end(session, EndReason::PeerGone, None, cx),
            }
        });
    }

    pub(super) fn on_ack_missing(&mut self, tx: ServerTx, cx: &mut Cx<'_>) {
        let Some(call) = self.incoming.remove(&tx) else { return };
        self.with_session(call, cx, |this, session, cx| this.end(session, EndReason::PeerGone, None, cx));
    }

    /// Refreshes that are due, sessions that were not refreshed.
    pub(super) fn check_session_timers(&mut self, mut session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        if session.is_unanswered() {
            return Some(session);
        }
        for side in Side::BOTH {
            let Some(mut timer) = session.leg(side).timer else { continue };
            if cx.now >= timer.ends_at {
                return self.end(session, EndReason::SessionExpired, None, cx);
            }
            if timer.refresh_at.is_none_or(|at| cx.now < at) {
                continue;
            }
            let leg = session.leg_mut(side);
            let busy = leg.ours.is_some() || leg.theirs.is_some();
            timer.refresh_at = busy.then_some(cx.now + REFRESH_AGAIN);
            leg.timer = Some(timer);
            if !busy {
                self.refresh(&mut session, side, cx);
            }
        }
        Some(session)
    }

    /// An UPDATE without an offer where the far side knows it, else a re-INVITE that says the same.
    /// Where the other leg does something else by now, a re-INVITE says so.
    pub(super) fn refresh(&mut self, session: &mut Session, side: Side, cx: &mut Cx<'_>) {
        let flow = session.out_of_step(side);
        let leg = session.leg_mut(side);
        if leg.allows_update && flow.is_none() {
            return self.send_change(session, side, Method::Update, None, None, cx);
        }
        let Some(mut local) = leg.exchange.local().cloned() else { return };
        local.flow = flow.unwrap_or(local.flow);
        if let Ok(offer) = leg.exchange.offer(local) {
            self.send_change(session, side, Method::Invite, Some(offer), None, cx);
        }
    }

    /// A digit for a leg that understands INFO only.
    pub(super) fn send_info(&mut self, session: &mut Session, side: Side, key: u8, cx: &mut Cx<'_>) {
        let call = session.id();
        let leg = session.leg_mut(side);
        let Some(dialog) = &mut leg.dialog else { return };
        let request = dialog.request(Method::Info, &leg.contact).with_body("application/dtmf-relay", relay_body(key));
        let (peer, contact) = (hop(&leg.peer, dialog, leg.trunk), leg.contact.clone());
        let trunk = leg.trunk;
        let tx = self.send(request, peer, contact, Purpose::Inform { call }, cx);
        self.belongs_to(tx, trunk, 0);
    }
}

impl Session {
    /// Nobody was answered yet, not even the caller for a prompt.
    fn is_unanswered(&self) -> bool {
        matches!(&self.phase, Phase::Ringing(ringing) if !ringing.answered)
    }
}

/// Until a change of ours is tried again. After glare (RFC 3261 §14.1): 2.1 to 4 s where the
/// Call-ID is ours (the callee's leg), less than 2 s where it is theirs. After anything else
/// longer, for a far side that never agrees.
fn pause_after_refusal(status: u16, side: Side, random: u16) -> Span {
    match (status, side) {
        (491, Side::Caller) => Span::from_millis(10 * u64::from(random % 200)),
        (491, Side::Callee) => Span::from_millis(2_100 + 10 * u64::from(random % 190)),
        (_, Side::Caller | Side::Callee) => REFRESH_REFUSED,
    }
}
