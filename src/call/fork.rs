//! Answers of the devices that ring, for a call or for a transfer: early media, the first 2xx wins,
//! refusals are weighed.

use super::reliable::{Held, may_ring};
use super::session::{Leg, Phase, Session, Timer};
use super::setup::{Way, Whom};
use super::status;
use super::switch::{Cx, Dice, Purpose, Sent, Switch};
use super::trunks::OnTrunk;
use crate::base::{CallId, Side, Time, TrunkId};
use crate::ledger::EndReason;
use crate::sdp::{Flow, OfferAnswer, SdpError};
use crate::sip::dialog::{Dialog, DialogError, DialogId};
use crate::sip::endpoint::ClientTx;
use crate::sip::message::{Method, Request, Response};
use crate::sip::reliable::Received;
use crate::sip::session_timer::{self, Policy};
use crate::sip::{Peer, uri::Host};
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Early dialogs of one INVITE beyond which further ones are not remembered.
const MOST_FORKS: usize = 16;

/// An INVITE to one device (or trunk) of the called side, or of the target of a transfer.
#[derive(Clone, Debug)]
pub struct Branch {
    pub tx: ClientTx,
    pub request: Request,
    pub peer: Peer,
    pub contact: String,
    pub exchange: OfferAnswer,
    pub whom: Whom,
    pub timer_policy: Policy,
    /// The last description of a provisional answer: some gateways do not repeat it in the 200.
    pub early: Option<Bytes>,
    /// Early dialogs: one, or several where a proxy has forked (RFC 3261 §12.1).
    pub dialogs: Vec<Early>,
    /// Through which trunk, if any.
    pub line: Option<OnTrunk>,
    /// The ways that are left where this one fails through no fault of the called party.
    pub otherwise: VecDeque<Way>,
    /// Nothing has come yet, and is waited for until then.
    pub give_up_at: Option<Time>,
    /// How often a challenge was answered.
    pub tries: u8,
}

/// A device that has said something, with a tag of its own.
#[derive(Clone, Debug)]
pub struct Early {
    pub dialog: Dialog,
    pub received: Received,
    /// The answer that came reliably: what the 200 says does not count any more (RFC 3262 §5).
    pub answer: Option<Bytes>,
}

impl Branch {
    /// A provisional answer with a tag makes a dialog; 100 has none.
    fn learn_dialog(&mut self, response: &Response) {
        let Ok(dialog) = Dialog::uac(&self.request, response) else { return };
        if self.dialogs.len() < MOST_FORKS && !self.has_dialog(&dialog.id()) {
            self.dialogs.push(Early { dialog, received: Received::default(), answer: None });
        }
    }

    pub fn has_dialog(&self, id: &DialogId) -> bool {
        self.dialogs.iter().any(|early| early.dialog.id() == *id)
    }

    /// The early dialog that a response belongs to.
    pub fn early_dialog(&mut self, response: &Response) -> Option<&mut Early> {
        let tag = response.to_tag()?;
        self.dialogs.iter_mut().find(|early| early.dialog.remote_tag == tag)
    }

    /// The dialog that a 2xx confirms: its requests count on from those of the early one.
    pub fn dialog_of(&mut self, response: &Response) -> Result<Dialog, DialogError> {
        match self.early_dialog(response) {
            Some(early) => {
                let mut dialog = early.dialog.clone();
                dialog.confirm(response).map(|()| dialog)
            }
            None => Dialog::uac(&self.request, response),
        }
    }
}

impl Switch {
    /// Where a branch goes out, what is left where that fails, and how often it was proven.
    pub(super) fn goes_over(
        &mut self,
        branch: &mut Branch,
        line: Option<OnTrunk>,
        otherwise: VecDeque<Way>,
        tries: u8,
        cx: &Cx<'_>,
    ) {
        branch.give_up_at = line.map(|line| cx.now + line.patience);
        (branch.line, branch.otherwise, branch.tries) = (line, otherwise, tries);
        self.belongs_to(branch.tx, line.map(|line| line.trunk), tries);
    }

    pub(super) fn on_response(&mut self, tx: ClientTx, response: Response, peer: Peer, cx: &mut Cx<'_>) {
        let Some(sent) = self.sent.get(&tx).cloned() else { return };
        if response.is_final() {
            match sent.request.method == Method::Invite && response.is_success() {
                true => self.settle_later(tx, cx.now),
                false => drop(self.sent.remove(&tx)),
            }
        }
        if self.prove_in_dialog(tx, &sent, &response, cx) {
            return;
        }
        match sent.purpose {
            Purpose::Ring { call } => self.on_ring_response(call, tx, &sent, response, peer, cx),
            Purpose::Change { call, .. } if !self.sessions.contains_key(&call) => {
                self.ack_orphan(tx, &sent, &response, cx)
            }
            Purpose::Change { call, side } => {
                self.with_session(call, cx, |this, session, cx| {
                    this.on_change_response(session, side, tx, &response, cx)
                });
            }
            Purpose::Notify { call, dialog } => {
                self.on_notify_answered(call, &dialog, response.status, cx);
            }
            Purpose::Summary { dialog } => self.on_summary_answered(&dialog, response.status, cx),
            Purpose::Lamp { device } => self.on_lamp_answered(&device, response.status, cx),
            Purpose::Inform { call } => self.on_inform_response(call, response.status, cx),
            Purpose::KeepAlive { trunk, target } => self.on_keep_alive(trunk, target, Some(&response), cx),
            Purpose::Register { trunk } => self.on_registration(trunk, &sent, Some(&response), cx),
            Purpose::Leave { ref registration, ref login } => {
                self.on_leave(registration.as_ref().clone(), login.clone(), &sent, Some(&response), cx);
            }
            Purpose::Text { ticket } => self.on_text_over(ticket, &sent, response.status, Some(&response), cx),
            Purpose::Acknowledge { .. } | Purpose::Farewell => {}
        }
    }

    pub(super) fn on_failed(&mut self, tx: ClientTx, status: u16, cx: &mut Cx<'_>) {
        let Some(sent) = self.sent.remove(&tx) else { return };
        match sent.purpose {
            Purpose::Ring { call } => {
                self.with_session(call, cx, |this, session, cx| this.branch_failed(session, tx, status, None, cx));
            }
            Purpose::Change { call, side } => {
                let failure = sent.request.response(status);
                self.with_session(call, cx, |this, session, cx| {
                    this.on_change_response(session, side, tx, &failure, cx)
                });
            }
            Purpose::Notify { call, dialog } => self.on_notify_answered(call, &dialog, status, cx),
            Purpose::Summary { dialog } => self.on_summary_answered(&dialog, status, cx),
            Purpose::Lamp { device } => self.on_lamp_answered(&device, status, cx),
            Purpose::Inform { call } => self.on_inform_response(call, status, cx),
            Purpose::KeepAlive { trunk, target } => self.on_keep_alive(trunk, target, None, cx),
            Purpose::Register { trunk } => self.on_registration(trunk, &sent, None, cx),
            Purpose::Leave { ref registration, ref login } => {
                self.on_leave(registration.as_ref().clone(), login.clone(), &sent, None, cx);
            }
            Purpose::Text { ticket } => self.on_text_over(ticket, &sent, status, None, cx),
            Purpose::Acknowledge { .. } | Purpose::Farewell => {}
        }
    }

    /// A re-INVITE of ours was accepted after the call had ended: the BYE is under way.
    fn ack_orphan(&mut self, tx: ClientTx, sent: &Sent, response: &Response, cx: &mut Cx<'_>) {
        if sent.request.method != Method::Invite || !response.is_success() {
            return;
        }
        let Ok(dialog) = Dialog::uac(&sent.request, response) else { return };
        let cseq = sent.request.cseq().map_or(1, |cseq| cseq.seq);
        self.endpoint.ack(tx, dialog.ack(cseq, &sent.contact), sent.peer, cx.now, &mut Dice(cx.shell));
    }

    /// A dialog that the far side does not know any more, or that does not answer, is over.
    fn on_inform_response(&mut self, call: CallId, status: u16, cx: &mut Cx<'_>) {
        if matches!(status, 408 | 481) {
            self.with_session(call, cx, |this, session, cx| this.end(session, EndReason::PeerGone, None, cx));
        }
    }

    /// Whom it rings for, the session knows: a call that is up rings for a transfer.
    fn on_ring_response(
        &mut self,
        call: CallId,
        tx: ClientTx,
        sent: &Sent,
        response: Response,
        peer: Peer,
        cx: &mut Cx<'_>,
    ) {
        let rings = self.sessions.get(&call).is_some_and(|session| session.branch(tx).is_some());
        if !rings {
            if response.is_success() {
                self.hang_up_orphan(tx, sent, &response, cx);
            }
            return;
        }
        self.with_session(call, cx, |this, session, cx| {
            if response.is_provisional() {
                return this.branch_speaks(session, tx, &response, cx);
            }
            if response.is_success() {
                return match &session.phase {
                    Phase::Ringing(ringing) if ringing.held.is_some() => {
                        this.hang_up_orphan(tx, sent, &response, cx);
                        Some(session)
                    }
                    Phase::Ringing(_) => this.branch_answers(session, tx, &response, peer, cx),
                    Phase::Talking => this.target_answers(session, tx, &response, peer, cx),
                };
            }
            match this.try_again(&session, tx, &response, cx) {
                Some(again) => Some(session.with_branch_replaced(tx, again)),
                None => this.branch_failed(session, tx, response.status, Some(&response), cx),
            }
        });
    }

    /// A 2xx that nobody waits for (forked, or too late for the CANCEL): acknowledged and ended.
    pub(super) fn hang_up_orphan(&mut self, tx: ClientTx, sent: &Sent, response: &Response, cx: &mut Cx<'_>) {
        let Ok(mut dialog) = Dialog::uac(&sent.request, response) else { return };
        dialog.local_seq = dialog.local_seq.max(sent.last_seq);
        let peer = hop(&sent.peer, &dialog, sent.trunk);
        let cseq = sent.request.cseq().map_or(1, |cseq| cseq.seq);
        self.endpoint.ack(tx, dialog.ack(cseq, &sent.contact), peer, cx.now, &mut Dice(cx.shell));
        let bye = dialog.request(Method::Bye, &sent.contact);
        let bye = self.send(bye, peer, sent.contact.clone(), Purpose::Farewell, cx);
        self.belongs_to(bye, sent.trunk, 0);
    }

    /// A provisional answer: the branch's silence is not waited for any more.
    fn branch_speaks(
        &mut self,
        mut session: Session,
        tx: ClientTx,
        response: &Response,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        if let Some(branch) = session.branch_mut(tx) {
            branch.give_up_at = None;
            branch.learn_dialog(response);
        }
        if !self.acknowledge(&mut session, tx, response, cx) {
            return Some(session);
        }
        match &session.phase {
            Phase::Ringing(_) if response.status == 100 => Some(session),
            Phase::Ringing(_) => self.branch_rings(session, tx, response, cx),
            Phase::Talking => {
                self.report_progress(&mut session, response.status, cx);
                Some(session)
            }
        }
    }

    /// Ringing, or early media, is passed on to the caller.
    fn branch_rings(
        &mut self,
        mut session: Session,
        tx: ClientTx,
        response: &Response,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        session.callee.learn_methods(&response.headers);
        // Who was answered for a prompt hears our ringing.
        if matches!(&session.phase, Phase::Ringing(ringing) if ringing.answered) {
            return Some(session);
        }
        let silent = response.body.is_empty() || (session.path.is_some() && session.caller.provisionals.is_some());
        let early = session.branch_mut(tx).filter(|_| !silent).and_then(|branch| {
            let negotiated = branch.exchange.preview_answer(&response.body).ok()?;
            branch.early = Some(response.body.clone());
            Some(negotiated)
        });
        if let Some(negotiated) = early {
            let spoken = negotiated.send.codec.clone();
            session.callee.media = Some(negotiated);
            // What it does for good, it says in its 2xx: the caller is told then where it differs.
            if self.answer_caller(&mut session, &spoken, Flow::SendRecv).is_ok() {
                for side in Side::BOTH {
                    self.push_media(&session, side, cx);
                }
                if let Phase::Ringing(ringing) = &mut session.phase {
                    ringing.answered_early = true;
                }
            }
        }
        self.tell_caller_ringing(&mut session, response.status, cx);
        Some(session)
    }

    fn tell_caller_ringing(&mut self, session: &mut Session, status: u16, cx: &mut Cx<'_>) {
        if !may_ring(session) {
            return;
        }
        let described = self.described_early(session);
        let Phase::Ringing(ringing) = &session.phase else { return };
        let status = if matches!(status, 180..=183) { status } else { 183 };
        let mut response = ringing
            .request
            .response(status)
            .with_to_tag(&ringing.local_tag)
            .with_header("Contact", session.caller.contact.clone());
        if let Some(body) = described {
            response = response.with_body("application/sdp", body);
        }
        let tx = ringing.tx;
        self.say_provisional(session, tx, response, cx);
    }

    /// A device has answered. It is the first one: the others are cancelled.
    pub(super) fn branch_answers(
        &mut self,
        mut session: Session,
        tx: ClientTx,
        response: &Response,
        peer: Peer,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        if session.caller.awaits_prack() {
            self.hold_answer(&mut session, Held { tx, response: response.clone(), peer }, cx);
            return Some(session);
        }
        let Phase::Ringing(mut ringing) = std::mem::replace(&mut session.phase, Phase::Talking) else {
            return Some(session);
        };
        let Some(at) = ringing.branches.iter().position(|branch| branch.tx == tx) else { return Some(session) };
        let mut branch = ringing.branches.remove(at);
        let Ok(dialog) = branch.dialog_of(response) else {
            session.phase = Phase::Ringing(ringing);
            return self.branch_refused(session, tx, 502, cx);
        };
        let call = session.id();
        self.flow_answered(&mut session, &branch.whom, cx);
        self.dialogs.insert(dialog.id(), (call, Side::Callee));
        match self.settle_branch(&mut session.callee, branch, tx, dialog, response, peer, cx) {
            Ok(()) => self.connect(session, *ringing, cx),
            Err(error) => {
                // It answered without a usable description: the dialog stands and must be ended.
                self.say_bye(&mut session, Side::Callee, cx);
                self.forget_dialog(&mut session, Side::Callee);
                session.phase = Phase::Ringing(ringing);
                let status = error.status();
                self.refuse(session, status, EndReason::Rejected { status }, cx)
            }
        }
    }

    /// The leg of a device that has answered, and the ACK. Its dialog stands also where its answer
    /// is of no use.
    #[allow(clippy::too_many_arguments, reason = "two call sites; each is a part of the answer")]
    pub(super) fn settle_branch(
        &mut self,
        leg: &mut Leg,
        mut branch: Branch,
        tx: ClientTx,
        dialog: Dialog,
        response: &Response,
        peer: Peer,
        cx: &mut Cx<'_>,
    ) -> Result<(), SdpError> {
        let certain = branch.early_dialog(response).and_then(|early| early.answer.clone());
        let Branch { request, contact, mut exchange, timer_policy, early, line, .. } = branch;
        leg.peer = Peer { connection: peer.connection, ..branch.peer };
        leg.contact = contact;
        leg.trunk = line.map(|line| line.trunk);
        leg.learn_methods(&response.headers);
        leg.timer = Some(Timer::start(session_timer::negotiate_uac(response, &timer_policy), cx.now));
        let cseq = request.cseq().map_or(1, |cseq| cseq.seq);
        let to = hop(&leg.peer, &dialog, leg.trunk);
        self.endpoint.ack(tx, dialog.ack(cseq, &leg.contact), to, cx.now, &mut Dice(cx.shell));
        leg.dialog = Some(dialog);
        let body = match (&certain, &early) {
            (Some(certain), _) => certain,
            (None, Some(early)) if response.body.is_empty() => early,
            (None, Some(_) | None) => &response.body,
        };
        let answered = exchange.receive_answer(body);
        leg.exchange = exchange;
        leg.media = Some(answered?);
        Ok(())
    }

    /// A device refused or cannot be reached. When it was the last one, the caller is told, or the
    /// transfer has failed.
    pub(super) fn branch_refused(
        &mut self,
        mut session: Session,
        tx: ClientTx,
        refused: u16,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        if session.is_led() {
            return self.flow_refused(session, tx, refused, cx);
        }
        let Some((branches, before)) = session.what_rings() else { return Some(session) };
        branches.retain(|branch| branch.tx != tx);
        let best = before.map_or(refused, |before| status::better(before, refused));
        *before = Some(best);
        // A 6xx speaks for the user, not for the device (RFC 3261 §21.6).
        match (branches.is_empty() || refused >= 600, &session.phase) {
            (true, Phase::Ringing(_)) => self.refuse(session, best, EndReason::Rejected { status: best }, cx),
            (true, Phase::Talking) => self.transfer_failed(session, best, cx),
            (false, Phase::Ringing(_) | Phase::Talking) => Some(session),
        }
    }

    /// `reason`: the value of the Reason header (RFC 3326).
    pub(super) fn cancel_branches(&mut self, branches: &[Branch], reason: Option<&'static str>, cx: &mut Cx<'_>) {
        for branch in branches {
            self.endpoint.cancel_because(branch.tx, reason, cx.now);
        }
    }

    /// Sends a request of ours and remembers what it was for.
    pub(super) fn send(
        &mut self,
        request: Request,
        peer: Peer,
        contact: String,
        purpose: Purpose,
        cx: &mut Cx<'_>,
    ) -> ClientTx {
        let tx = self.endpoint.request(request.clone(), peer, cx.now, &mut Dice(cx.shell));
        self.sent.insert(tx, Sent::new(purpose, request, peer, contact));
        tx
    }

    pub(super) fn on_cancelled(&mut self, tx: crate::sip::endpoint::ServerTx, cx: &mut Cx<'_>) {
        let Some(call) = self.incoming.get(&tx).copied() else { return };
        self.with_session(call, cx, |this, session, cx| match &session.phase {
            // Answered for a prompt: too late for a CANCEL.
            Phase::Ringing(ringing) if ringing.answered => Some(session),
            Phase::Ringing(_) => this.refuse(session, 487, EndReason::CallerCancelled, cx),
            Phase::Talking => Some(session),
        });
    }
}

impl Session {
    /// What rings: for the caller, or for a transfer.
    pub(super) fn branches(&self) -> &[Branch] {
        match (&self.phase, &self.transfer) {
            (Phase::Ringing(ringing), _) => &ringing.branches,
            (Phase::Talking, Some(transfer)) => &transfer.branches,
            (Phase::Talking, None) => &[],
        }
    }

    pub(super) fn branches_mut(&mut self) -> &mut [Branch] {
        match (&mut self.phase, &mut self.transfer) {
            (Phase::Ringing(ringing), _) => &mut ringing.branches,
            (Phase::Talking, Some(transfer)) => &mut transfer.branches,
            (Phase::Talking, None) => &mut [],
        }
    }

    /// The branches, and the most telling refusal of those that are gone.
    pub(super) fn what_rings(&mut self) -> Option<(&mut Vec<Branch>, &mut Option<u16>)> {
        match (&mut self.phase, &mut self.transfer) {
            (Phase::Ringing(ringing), _) => Some((&mut ringing.branches, &mut ringing.refused)),
            (Phase::Talking, Some(transfer)) => Some((&mut transfer.branches, &mut transfer.refused)),
            (Phase::Talking, None) => None,
        }
    }

    /// A path says what comes after what rings now.
    fn is_led(&mut self) -> bool {
        match &self.phase {
            Phase::Ringing(_) => self.path.is_some(),
            Phase::Talking => self.led().is_some(),
        }
    }

    /// The branch that an INVITE of ours belongs to.
    pub(super) fn branch(&self, tx: ClientTx) -> Option<&Branch> {
        self.branches().iter().find(|branch| branch.tx == tx)
    }

    pub(super) fn branch_mut(&mut self, tx: ClientTx) -> Option<&mut Branch> {
        self.branches_mut().iter_mut().find(|branch| branch.tx == tx)
    }

    pub(super) fn with_branch_replaced(mut self, tx: ClientTx, again: Branch) -> Self {
        if let Some(branch) = self.branch_mut(tx) {
            *branch = again;
        }
        self
    }
}

/// Where in-dialog requests go: users over the flow that they came by (they are behind NAT more
/// often than not), trunks to the first route or the contact where that is an address.
pub(super) fn hop(peer: &Peer, dialog: &Dialog, trunk: Option<TrunkId>) -> Peer {
    let next = dialog.next_hop();
    match (trunk.is_some(), next.host) {
        // A socket of one family cannot reach the other.
        (true, Host::Ip(ip)) if !peer.transport.is_reliable() && ip.is_ipv4() == peer.local.is_ipv4() => {
            Peer { remote: SocketAddr::new(ip, next.port.unwrap_or(5060)), ..*peer }
        }
        (true | false, Host::Ip(_) | Host::Name(_)) => *peer,
    }
}
