//! Reliable provisional responses of a call (RFC 3262), on each leg by itself.
//!
//! A caller that requires them gets its 18x reliably; the 2xx waits while the answer in one of them
//! is not acknowledged. From a called device that sends reliable ones each is acknowledged, in
//! order; an answer in one is its answer.
//!
//! Where a call flow may have to answer the caller at any moment, its 18x have no description, so
//! that the 200 never has to wait.

use super::codecs::offer_unasked;
use super::fork::hop;
use super::session::{Phase, Session};
use super::setup::{ELSEWHERE, OUR_EVENTS};
use super::switch::{Cx, Purpose, Switch};
use crate::base::Side;
use crate::ledger::EndReason;
use crate::sdp::{Flow, Pending};
use crate::sip::Peer;
use crate::sip::endpoint::{ClientTx, ServerTx};
use crate::sip::message::{Method, Request, Response};
use crate::sip::reliable::{Provisionals, RAck, Tick, rseq};
use bytes::Bytes;

impl Switch {
    /// A provisional response to the caller, the way it wants them.
    pub(super) fn say_provisional(&mut self, session: &mut Session, tx: ServerTx, response: Response, cx: &Cx<'_>) {
        let said = match &mut session.caller.provisionals {
            Some(provisionals) => provisionals.say(response, cx.now),
            None => Some(response),
        };
        if let Some(response) = said {
            self.endpoint.respond(tx, response, cx.now);
        }
    }

    /// What our 18x describes: our answer where it was given early, our offer where the caller
    /// left it to us and the 18x is the first that counts (RFC 3261 §13.2.1).
    pub(super) fn described_early(&self, session: &mut Session) -> Option<Bytes> {
        let Phase::Ringing(ringing) = &session.phase else { return None };
        let reliable = session.caller.provisionals.as_ref();
        if reliable.is_some_and(Provisionals::has_described) {
            return None;
        }
        match (ringing.request.body.is_empty(), reliable) {
            (false, _) if ringing.answered_early => return session.caller.exchange.said().cloned(),
            (false, _) | (true, None) => return None,
            (true, Some(_)) => {}
        }
        let local = session.caller.local(offer_unasked(&session.settings), Some(OUR_EVENTS), Flow::SendRecv, None);
        session.caller.exchange.offer(local).ok()
    }

    pub(super) fn on_prack(
        &mut self,
        mut session: Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let Some(rack) = RAck::of(request) else {
            self.endpoint.respond(tx, request.response(400).with_reason("Unreadable RAck"), cx.now);
            return Some(session);
        };
        let acknowledged = session.leg_mut(side).provisionals.as_mut().map(|ours| ours.acknowledged(&rack, cx.now));
        let Some(Ok(next)) = acknowledged else {
            self.endpoint.respond(tx, request.response(481), cx.now);
            return Some(session);
        };
        let status = match session.take_early_answer(side, request) {
            Ok(()) => 200,
            Err(Unwelcome::Offer) => 488,
            Err(Unwelcome::Answer(status)) => {
                self.endpoint.respond(tx, request.response(status), cx.now);
                return self.refuse(session, status, EndReason::Rejected { status }, cx);
            }
        };
        self.endpoint.respond(tx, request.response(status), cx.now);
        let Phase::Ringing(ringing) = &mut session.phase else { return Some(session) };
        if let Some(next) = next {
            self.endpoint.respond(ringing.tx, next, cx.now);
        }
        if session.caller.awaits_prack() {
            return Some(session);
        }
        match ringing.held.take() {
            Some(held) => self.branch_answers(session, held.tx, &held.response, held.peer, cx),
            None => Some(session),
        }
    }

    /// A device has answered while the caller has not acknowledged our early answer: its answer is
    /// kept until then. The others stop ringing.
    pub(super) fn hold_answer(&mut self, session: &mut Session, held: Held, cx: &mut Cx<'_>) {
        let Phase::Ringing(ringing) = &mut session.phase else { return };
        let (mine, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut ringing.branches).into_iter().partition(|branch| branch.tx == held.tx);
        ringing.branches = mine;
        for branch in &mut ringing.branches {
            branch.give_up_at = None;
        }
        ringing.held = Some(Box::new(held));
        self.cancel_branches(&others, Some(ELSEWHERE), cx);
    }

    /// The call ends before the answer that was kept could be passed on.
    pub(super) fn drop_held(&mut self, held: &Held, cx: &mut Cx<'_>) {
        if let Some(sent) = self.sent.get(&held.tx).cloned() {
            self.hang_up_orphan(held.tx, &sent, &held.response, cx);
        }
    }

    /// What is not acknowledged is sent again; what never is ends the call.
    pub(super) fn check_provisionals(&mut self, mut session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        let tick = session.caller.provisionals.as_mut().map_or(Tick::Nothing, |ours| ours.handle_timeout(cx.now));
        match (tick, &session.phase) {
            (Tick::Send(response), Phase::Ringing(ringing)) => self.endpoint.respond(ringing.tx, response, cx.now),
            (Tick::GiveUp, Phase::Ringing(_)) => {
                return self.refuse(session, 504, EndReason::Rejected { status: 504 }, cx);
            }
            (Tick::Nothing, _) | (Tick::Send(_) | Tick::GiveUp, Phase::Talking) => {}
        }
        Some(session)
    }

    /// PRACK for a reliable response of a device. False where the response is to be dropped: it
    /// came before, or before its turn.
    pub(super) fn acknowledge(
        &mut self,
        session: &mut Session,
        tx: ClientTx,
        response: &Response,
        cx: &mut Cx<'_>,
    ) -> bool {
        let Some(rseq) = rseq(response) else { return true };
        let call = session.id();
        let Some(branch) = session.branch_mut(tx) else { return false };
        let (peer, contact, trunk) = (branch.peer, branch.contact.clone(), branch.line.map(|line| line.trunk));
        let Ok(cseq) = branch.request.cseq() else { return false };
        let Some(early) = branch.early_dialog(response) else { return false };
        if !early.received.is_next(rseq) {
            return false;
        }
        if early.answer.is_none() && !response.body.is_empty() {
            early.answer = Some(response.body.clone());
        }
        let prack = early.dialog.request(Method::Prack, "").with_header("RAck", RAck { rseq, cseq }.value());
        let (to, seq) = (hop(&peer, &early.dialog, trunk), early.dialog.local_seq);
        let prack = self.send(prack, to, contact, Purpose::Acknowledge { call }, cx);
        self.belongs_to(prack, trunk, 0);
        // A late 2xx that nobody waits for is ended behind it.
        if let Some(sent) = self.sent.get_mut(&tx) {
            sent.last_seq = sent.last_seq.max(seq);
        }
        true
    }
}

/// Whether an 18x may go out: the first one to a caller who left the offer to us would have to
/// make it, and where a flow leads the call that is for its 200.
pub(super) fn may_ring(session: &Session) -> bool {
    let Phase::Ringing(ringing) = &session.phase else { return false };
    !(session.path.is_some() && session.caller.provisionals.is_some() && ringing.request.body.is_empty())
}

/// The 2xx of a device, while the caller has something to acknowledge first.
#[derive(Debug)]
pub struct Held {
    pub tx: ClientTx,
    pub response: Response,
    pub peer: Peer,
}

/// What a PRACK brings beside its acknowledgement, and should not.
enum Unwelcome {
    /// Another offer: it is refused, the response that it came for is acknowledged.
    Offer,
    /// No answer, or one of no use, where we made the offer: there is no session.
    Answer(u16),
}

impl Session {
    /// The answer to our offer in an 18x comes in the PRACK (RFC 3262 §5).
    fn take_early_answer(&mut self, side: Side, request: &Request) -> Result<(), Unwelcome> {
        let due = matches!(self.phase, Phase::Ringing(_)) && self.leg(side).exchange.pending() == Pending::Ours;
        match (due, request.body.is_empty()) {
            (false, true) => Ok(()),
            (false, false) => Err(Unwelcome::Offer),
            (true, _) => {
                let leg = self.leg_mut(side);
                let answer = leg.exchange.receive_answer(&request.body);
                leg.media = Some(answer.map_err(|error| Unwelcome::Answer(error.status()))?);
                Ok(())
            }
        }
    }
}
