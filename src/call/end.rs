//! How calls end, and what is written down then.

use super::MediaOrder;
use super::fork::hop;
use super::session::{Phase, Session};
use super::switch::{Cx, Dice, Purpose, Switch};
use crate::base::Side;
use crate::ledger::{Because, EndReason, Outcome};
use crate::policy::decide;
use crate::sip::endpoint::ServerTx;
use crate::sip::message::{Method, Request};

impl Switch {
    pub(super) fn on_bye(
        &mut self,
        mut session: Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        self.endpoint.respond(tx, request.response(200), cx.now);
        if session.transfer.as_ref().is_some_and(|transfer| transfer.side == side) {
            self.transferor_leaves(&mut session, side, true, cx);
            return Some(session);
        }
        let reason = match (side, &session.phase) {
            (Side::Caller, Phase::Ringing(_)) if session.voicemail.is_some() => EndReason::CallerHungUp,
            (Side::Caller, Phase::Ringing(_)) => EndReason::CallerCancelled,
            (Side::Caller, Phase::Talking) => EndReason::CallerHungUp,
            (Side::Callee, Phase::Ringing(_) | Phase::Talking) => EndReason::CalleeHungUp,
        };
        self.end(session, reason, Some(side), cx)
    }

    /// Ends a call: BYE to each leg but that of `by`, who said it first.
    pub(super) fn end(
        &mut self,
        mut session: Session,
        reason: EndReason,
        by: Option<Side>,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        if matches!(session.phase, Phase::Ringing(_)) {
            let status = match &reason {
                EndReason::CallerCancelled => 487,
                EndReason::Rejected { status } => *status,
                EndReason::RingTimeout => 480,
                EndReason::Shutdown => 503,
                EndReason::RecordingFailed => 500,
                EndReason::CallerHungUp
                | EndReason::CalleeHungUp
                | EndReason::MediaSilence { .. }
                | EndReason::SessionExpired
                | EndReason::PeerGone
                | EndReason::Operator
                | EndReason::EndedByUser { .. }
                | EndReason::Transferred { .. }
                | EndReason::TransferFailed { .. }
                | EndReason::Crashed => 480,
            };
            return self.refuse(session, status, reason, cx);
        }
        self.give_up_transfer(&mut session, 487, cx);
        self.answer_what_waits(&mut session, cx);
        for side in Side::BOTH {
            if by != Some(side) {
                self.say_bye_because(&mut session, side, told_in_bye(&reason), cx);
            }
        }
        self.close(session, reason, cx);
        None
    }

    /// A change that is under way will not happen any more. A re-INVITE of ours is cancelled: a
    /// far side that said 100 might never say more.
    fn answer_what_waits(&mut self, session: &mut Session, cx: &mut Cx<'_>) {
        for side in Side::BOTH {
            let Some(change) = session.leg_mut(side).ours.take() else { continue };
            if change.request.method == Method::Invite {
                self.endpoint.cancel(change.tx, cx.now, &mut Dice(cx.shell));
            }
            if let Some((tx, request)) = change.for_other {
                self.endpoint.respond(tx, request.response(487), cx.now);
            }
        }
    }

    pub(super) fn say_bye(&mut self, session: &mut Session, side: Side, cx: &mut Cx<'_>) {
        self.say_bye_because(session, side, None, cx);
    }

    fn say_bye_because(&mut self, session: &mut Session, side: Side, reason: Option<String>, cx: &mut Cx<'_>) {
        let leg = session.leg_mut(side);
        let Some(dialog) = &mut leg.dialog else { return };
        let mut bye = dialog.request(Method::Bye, &leg.contact);
        if let Some(reason) = reason {
            bye.headers.push("Reason", reason);
        }
        let (peer, contact) = (hop(&leg.peer, dialog, leg.trunk), leg.contact.clone());
        let trunk = leg.trunk;
        let tx = self.send(bye, peer, contact, Purpose::Farewell, cx);
        self.belongs_to(tx, trunk, 0);
    }

    pub(super) fn forget_dialog(&mut self, session: &mut Session, side: Side) {
        if let Some(dialog) = session.leg_mut(side).dialog.take() {
            self.dialogs.remove(&dialog.id());
        }
    }

    /// The far side's INVITE needs nothing from the call any more.
    pub(super) fn settle_invite(&mut self, session: &mut Session, side: Side) {
        if let Some(tx) = session.leg_mut(side).inviting.take() {
            self.incoming.remove(&tx);
        }
    }

    /// Nothing of the call is left here; its record and its media end.
    pub(super) fn close(&mut self, session: Session, reason: EndReason, cx: &mut Cx<'_>) {
        self.close_with(session, reason, MediaOrder::End, cx);
    }

    /// The same with another last order for its media.
    pub(super) fn close_with(&mut self, session: Session, reason: EndReason, last: MediaOrder, cx: &mut Cx<'_>) {
        let call = session.id();
        self.close_record(session, reason, cx);
        cx.shell.media(call, last);
    }

    /// Its media goes on for another call.
    pub(super) fn close_record(&mut self, mut session: Session, reason: EndReason, cx: &mut Cx<'_>) {
        for side in Side::BOTH {
            if session.answered.is_some() {
                self.remember_dialog(&session, session.leg(side), cx.now);
            }
            self.forget_dialog(&mut session, side);
            self.settle_invite(&mut session, side);
        }
        if session.answered.is_some() {
            for user in Side::BOTH.into_iter().filter_map(|side| session.leg(side).user) {
                self.idle.insert(user, cx.now);
            }
            session.record.outcome = Outcome::Completed;
        }
        if let Some(outcome) = self.leave_voicemail(&mut session, cx).filter(|_| session.answered.is_none()) {
            session.record.outcome = outcome;
        }
        let last = decide(&session.facts);
        let recorded = session.record.decision.record
            || session.record.changes.iter().any(|change| change.wanted && change.refused.is_none());
        session.record.ended_paused =
            session.answered.is_some() && recorded && !last.record && last.because == Because::AgentCommand;
        session.record.ended = Some(cx.wall);
        session.record.end_reason = Some(reason);
        cx.shell.save(&session.record);
    }
}

/// The Reason of a BYE (RFC 3326) where the party could not know why.
fn told_in_bye(reason: &EndReason) -> Option<String> {
    match reason {
        EndReason::TransferFailed { status } => {
            Some(format!("SIP;cause={status};text=\"The target of the transfer was not reached\""))
        }
        EndReason::CallerHungUp
        | EndReason::CalleeHungUp
        | EndReason::CallerCancelled
        | EndReason::Rejected { .. }
        | EndReason::RingTimeout
        | EndReason::MediaSilence { .. }
        | EndReason::SessionExpired
        | EndReason::PeerGone
        | EndReason::Operator
        | EndReason::EndedByUser { .. }
        | EndReason::RecordingFailed
        | EndReason::Transferred { .. }
        | EndReason::Shutdown
        | EndReason::Crashed => None,
    }
}
