//! What the target of a transfer answers.

use super::super::MediaOrder;
use super::super::fork::hop;
use super::super::session::{Leg, Session};
use super::super::setup::ELSEWHERE;
use super::super::status;
use super::super::switch::{Cx, Purpose, Switch};
use crate::base::Side;
use crate::ledger::EndReason;
use crate::sdp::OfferAnswer;
use crate::sip::Peer;
use crate::sip::endpoint::ClientTx;
use crate::sip::message::{Method, Response};

impl Switch {
    /// A device of the target has answered. It is the first one: the others are cancelled.
    pub(in crate::call) fn target_answers(
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
        let mut branch = transfer.branches.remove(at);
        // Of a group, the one who took the call.
        (transfer.party, transfer.trunk) = (branch.whom.party.clone(), branch.line.map(|line| line.trunk));
        let Ok(dialog) = branch.dialog_of(response) else {
            session.transfer = Some(transfer);
            return self.branch_refused(session, tx, 502, cx);
        };
        let mut leg = self.leg(branch.peer, OfferAnswer::new(0), transfer.port, transfer.party.user, transfer.trunk);
        if self.settle_branch(&mut leg, branch, tx, dialog, response, peer, cx).is_err() {
            // It answered with what we cannot use: the dialog stands and must be ended.
            self.bye_to(&mut leg, cx);
            session.transfer = Some(transfer);
            return self.branch_refused(session, tx, 488, cx);
        }
        self.cancel_branches(&transfer.branches, Some(ELSEWHERE), cx);
        if transfer.led.is_some() {
            let side = transfer.side.other();
            cx.shell.media(session.id(), MediaOrder::Collect { side, on: false });
            cx.shell.media(session.id(), MediaOrder::StopPrompt { side });
        }
        self.join(session, *transfer, leg, cx)
    }

    fn bye_to(&mut self, leg: &mut Leg, cx: &mut Cx<'_>) {
        let Some(dialog) = &mut leg.dialog else { return };
        let bye = dialog.request(Method::Bye, &leg.contact);
        let (peer, contact) = (hop(&leg.peer, dialog, leg.trunk), leg.contact.clone());
        let tx = self.send(bye, peer, contact, Purpose::Farewell, cx);
        self.belongs_to(tx, leg.trunk, 0);
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
        match &session.transfer {
            Some(transfer) if cx.now >= transfer.deadline && transfer.led.is_some() => self.led_timeout(session, cx),
            Some(transfer) if cx.now >= transfer.deadline => self.transfer_failed(session, 480, cx),
            Some(_) | None => self.give_up_silent(session, cx),
        }
    }
}
