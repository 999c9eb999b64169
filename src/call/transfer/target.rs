//! What the target of a transfer answers.

use super::super::MediaOrder;
use super::super::fork::{Branch, hop};
use super::super::session::{Leg, Session, Timer};
use super::super::setup::ELSEWHERE;
use super::super::status;
use super::super::switch::{Cx, Dice, Purpose, Sent, Switch};
use super::Transfer;
use crate::base::{CallId, Side};
use crate::ledger::EndReason;
use crate::sip::Peer;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::ClientTx;
use crate::sip::message::{Method, Response};
use crate::sip::session_timer;
use crate::trunk::is_challenge;

impl Switch {
    pub(in crate::call) fn on_target_response(
        &mut self,
        call: CallId,
        tx: ClientTx,
        sent: &Sent,
        response: Response,
        peer: Peer,
        cx: &mut Cx<'_>,
    ) {
        let rings = self.sessions.get(&call).is_some_and(|session| session.target_at(tx).is_some());
        if !rings {
            if response.is_success() {
                self.hang_up_orphan(tx, sent, &response, cx);
            }
            return;
        }
        self.with_session(call, cx, |this, mut session, cx| {
            if response.is_provisional() {
                session.target_speaks(tx);
                this.report_progress(&mut session, response.status, cx);
                return Some(session);
            }
            if response.is_success() {
                return this.target_answers(session, tx, &response, peer, cx);
            }
            if let Some(again) = this.try_target_again(&session, tx, &response, cx) {
                return Some(with_target_replaced(session, tx, again));
            }
            this.target_failed(session, tx, response.status, Some(&response), cx)
        });
    }

    /// A device of the target has answered. It is the first one: the others are cancelled.
    fn target_answers(
        &mut self,
        mut session: Session,
        tx: ClientTx,
        response: &Response,
        peer: Peer,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let Some(mut transfer) = session.transfer.take() else { return Some(session) };
        let Some(at) = transfer.branches.iter().position(|branch| branch.tx == tx) else {
            session.transfer = Some(transfer);
            return Some(session);
        };
        let branch = transfer.branches.remove(at);
        // Of a group, the one who took the call.
        (transfer.party, transfer.trunk) = (branch.whom.party.clone(), branch.line.map(|line| line.trunk));
        let Some(mut leg) = self.leg_of_target(&transfer, branch, tx, response, peer, cx) else {
            session.transfer = Some(transfer);
            return self.target_refused(session, tx, 502, cx);
        };
        if leg.media.is_none() {
            // It answered with what we cannot use: the dialog stands and must be ended.
            self.bye_to(&mut leg, cx);
            session.transfer = Some(transfer);
            return self.target_refused(session, tx, 488, cx);
        }
        self.cancel_branches(&transfer.branches, Some(ELSEWHERE), cx);
        self.join(session, *transfer, leg, cx)
    }

    /// The leg of the device that answered; without media where its answer was of no use.
    fn leg_of_target(
        &mut self,
        transfer: &Transfer,
        branch: Branch,
        tx: ClientTx,
        response: &Response,
        peer: Peer,
        cx: &mut Cx<'_>,
    ) -> Option<Leg> {
        let dialog = Dialog::uac(&branch.request, response).ok()?;
        let Branch { request, contact, mut exchange, timer_policy, early, .. } = branch;
        let from = Peer { connection: peer.connection, ..branch.peer };
        let body = match &early {
            Some(early) if response.body.is_empty() => early,
            Some(_) | None => &response.body,
        };
        let media = exchange.receive_answer(body).ok();
        let mut leg = self.leg(from, exchange, transfer.port, transfer.party.user, transfer.trunk);
        leg.media = media;
        leg.contact = contact;
        leg.learn_methods(&response.headers);
        leg.timer = Some(Timer::start(session_timer::negotiate_uac(response, &timer_policy), cx.now));
        let cseq = request.cseq().map_or(1, |cseq| cseq.seq);
        let to = hop(&leg.peer, &dialog, leg.trunk);
        self.endpoint.ack(tx, dialog.ack(cseq, &leg.contact), to, cx.now, &mut Dice(cx.shell));
        leg.dialog = Some(dialog);
        Some(leg)
    }

    fn bye_to(&mut self, leg: &mut Leg, cx: &mut Cx<'_>) {
        let Some(dialog) = &mut leg.dialog else { return };
        let bye = dialog.request(Method::Bye, &leg.contact);
        let (peer, contact) = (hop(&leg.peer, dialog, leg.trunk), leg.contact.clone());
        let tx = self.send(bye, peer, contact, Purpose::Farewell, cx);
        self.belongs_to(tx, leg.trunk, 0);
    }

    /// A branch to the target was refused, or nothing came (`response` `None`). Where the fault is
    /// the trunk's own, the call goes out another way, as any call.
    pub(in crate::call) fn target_failed(
        &mut self,
        session: Session,
        tx: ClientTx,
        status: u16,
        response: Option<&Response>,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let Some(branch) = session.target_at(tx).cloned() else { return Some(session) };
        let purpose = Purpose::Target { call: session.id() };
        match self.another_way(&session, &branch, purpose, status, response, cx) {
            Some(next) => Some(with_target_replaced(session, tx, next)),
            None => self.target_refused(session, tx, status, cx),
        }
    }

    /// A device of the target refused, or cannot be reached. When it was the last one, the
    /// transfer has failed.
    pub(in crate::call) fn target_refused(
        &mut self,
        mut session: Session,
        tx: ClientTx,
        refused: u16,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let Some(transfer) = &mut session.transfer else { return Some(session) };
        transfer.branches.retain(|branch| branch.tx != tx);
        let best = transfer.refused.map_or(refused, |before| status::better(before, refused));
        transfer.refused = Some(best);
        match transfer.branches.is_empty() || refused >= 600 {
            true => self.transfer_failed(session, best, cx),
            false => Some(session),
        }
    }

    /// Nobody takes the place. The transferee is with the transferor as before, if that one is
    /// still there.
    pub(in crate::call) fn transfer_failed(
        &mut self,
        mut session: Session,
        failed: u16,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let told = status::for_caller(failed);
        let Some(side) = self.give_up_transfer(&mut session, told, cx) else { return Some(session) };
        match session.leg(side).dialog.is_some() {
            true => Some(session),
            false => self.end(session, EndReason::TransferFailed { status: told }, None, cx),
        }
    }

    /// Cancels what rings and tells the transferor. Returns the transferor's side.
    pub(in crate::call) fn give_up_transfer(
        &mut self,
        session: &mut Session,
        told: u16,
        cx: &mut Cx<'_>,
    ) -> Option<Side> {
        let side = session.transfer.as_ref()?.side;
        self.report_progress(session, told, cx);
        let transfer = session.transfer.take()?;
        self.cancel_branches(&transfer.branches, None, cx);
        match transfer.media_of {
            Some(call) => cx.shell.media(call, MediaOrder::End),
            None => cx.shell.media(session.id(), MediaOrder::CloseTarget),
        }
        Some(side)
    }

    /// The deadline of a transfer that rings.
    pub(in crate::call) fn check_transfer(&mut self, session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        match session.transfer.as_ref().is_some_and(|transfer| cx.now >= transfer.deadline) {
            true => self.transfer_failed(session, 480, cx),
            false => self.give_up_silent_target(session, cx),
        }
    }

    /// Once more, with the interval that the far side asks for (422, RFC 4028 §7.4), or without
    /// encryption where that is allowed and the phone does not encrypt.
    fn try_target_again(
        &mut self,
        session: &Session,
        tx: ClientTx,
        response: &Response,
        cx: &mut Cx<'_>,
    ) -> Option<Branch> {
        let branch = session.target_at(tx)?;
        let purpose = Purpose::Target { call: session.id() };
        if is_challenge(response.status) {
            return self.prove_branch(branch, purpose, response, cx);
        }
        let Branch { mut request, peer, contact, mut exchange, mut timer_policy, whom, .. } = branch.clone();
        match response.status {
            422 if timer_policy == self.config.session_timer => {
                timer_policy = session_timer::after_422(response, &timer_policy)?;
                session_timer::offer(&mut request.headers, &timer_policy);
            }
            415 | 488 | 606 => request = request.with_body("application/sdp", exchange.offer_plainly()?),
            _ => return None,
        }
        let cseq = request.cseq().ok()?.seq + 1;
        request.headers.set("CSeq", format!("{cseq} INVITE"));
        let mut again = self.send_branch(purpose, request, peer, contact, exchange, whom, cx);
        again.timer_policy = timer_policy;
        self.goes_over(&mut again, branch.line, branch.otherwise.clone(), branch.tries, cx);
        Some(again)
    }
}

impl Session {
    /// A branch to the target has said something: its silence is not waited for any more.
    fn target_speaks(&mut self, tx: ClientTx) {
        let branches = self.transfer.iter_mut().flat_map(|transfer| &mut transfer.branches);
        if let Some(branch) = branches.into_iter().find(|branch| branch.tx == tx) {
            branch.give_up_at = None;
        }
    }

    /// The branch to the target that an INVITE of ours belongs to.
    fn target_at(&self, tx: ClientTx) -> Option<&Branch> {
        self.transfer.as_ref()?.branches.iter().find(|branch| branch.tx == tx)
    }
}

fn with_target_replaced(mut session: Session, tx: ClientTx, again: Branch) -> Session {
    let branches = session.transfer.iter_mut().flat_map(|transfer| &mut transfer.branches);
    if let Some(branch) = branches.into_iter().find(|branch| branch.tx == tx) {
        *branch = again;
    }
    session
}
