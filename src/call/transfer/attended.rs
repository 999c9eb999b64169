//! Attended transfers: two calls of the transferor become one (REFER with Replaces, RFC 5589 §7).
//!
//! ```text
//! X ── A ── T    REFER (Replaces: B) in A      X ── A ── Y    A's file goes on, Y on T's channel
//! Y ── B ── T   ─────────────────────────►     B has ended: its file ends with a marker
//! ```
//! Where B is not answered yet (early attended), its phones go on ringing, for A.

use super::super::MediaOrder;
use super::super::session::{Leg, Phase, Session};
use super::super::setup::Ringing;
use super::super::switch::{Cx, Purpose, Switch};
use super::join::Newcomer;
use super::{Refusal, Transfer};
use crate::base::{CallId, Side};
use crate::ledger::{EndReason, JoinedBy, Outcome};
use crate::policy::Command;
use crate::sdp::{Flow, OfferAnswer};
use crate::sip::endpoint::ServerTx;
use crate::sip::message::Request;
use crate::sip::refer::{Refer, Replaces};

impl Switch {
    /// The transferor wants its other call joined with this one.
    #[allow(clippy::too_many_arguments, reason = "the request, its transaction and what it asks for")]
    pub(super) fn refer_with_replaces(
        &mut self,
        mut session: Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        refer: &Refer,
        replaces: &Replaces,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let (other, other_side) = match self.call_to_join(&session, side, replaces) {
            Ok(found) => found,
            Err(refusal) => {
                let response = request.response(refusal.status()).with_reason(&refusal.to_string());
                self.endpoint.respond(tx, response, cx.now);
                return Some(session);
            }
        };
        let Some(consulted) = self.take_session(other) else { return Some(session) };
        let mut reports = None;
        self.accept_refer(&session, side, tx, request, refer, &mut reports, cx);
        match consulted.phase {
            Phase::Talking => self.join_calls(&mut session, side, consulted, other_side, reports, cx),
            Phase::Ringing(_) => self.take_over_ringing(&mut session, side, consulted, reports, cx),
        }
        Some(session)
    }

    /// The transferor's other call. One that is not theirs is answered as one that does not exist,
    /// of their own company or of another.
    fn call_to_join(&self, session: &Session, side: Side, replaces: &Replaces) -> Result<(CallId, Side), Refusal> {
        let (call, other_side) = self.dialogs.get(&replaces.dialog()).copied().ok_or(Refusal::NoDialog)?;
        if call == session.id() {
            return Err(Refusal::SameCall);
        }
        let consulted = self.sessions.get(&call).ok_or(Refusal::NoDialog)?;
        if !same_owner(session, side, consulted, other_side) {
            return Err(Refusal::NoDialog);
        }
        match &consulted.phase {
            // Only the one who calls can let it ring for somebody else.
            Phase::Ringing(_) if other_side == Side::Callee => return Err(Refusal::NoDialog),
            // Nobody rings there.
            Phase::Ringing(_) if consulted.is_at_voicemail() => return Err(Refusal::Ringing),
            Phase::Ringing(ringing) if ringing.held.is_some() => return Err(Refusal::UnderWay),
            Phase::Ringing(_) => {}
            Phase::Talking if replaces.early_only => return Err(Refusal::Answered),
            Phase::Talking => {}
        }
        if consulted.transfer.is_some() {
            return Err(Refusal::UnderWay);
        }
        let (one, other) = (session.record.party(side.other()), consulted.record.party(other_side.other()));
        match one.user.is_some() && one.user == other.user {
            true => Err(Refusal::SameParty(other.address.clone())),
            false => Ok((call, other_side)),
        }
    }

    /// Both calls are answered: the leg of the consulted party moves here at once.
    fn join_calls(
        &mut self,
        session: &mut Session,
        side: Side,
        mut consulted: Session,
        transferor: Side,
        reports: Option<super::Reports>,
        cx: &mut Cx<'_>,
    ) {
        let (from, there) = (consulted.id(), transferor.other());
        let told = session.record.party(side.other()).to_string();
        let waits = self.drop_changes(&mut consulted, transferor, cx);
        let blank = self.blank_like(consulted.leg(there));
        let leg = std::mem::replace(consulted.leg_mut(there), blank);
        self.follow(&leg, session.id(), side);
        let newcomer = Newcomer {
            side,
            party: consulted.record.party(there).clone(),
            leg,
            how: JoinedBy::AttendedTransfer,
            from: Some((from, there)),
            number: consulted.record.number,
            paused: consulted.facts.command == Some(Command::Pause),
            refused: consulted.facts.refused,
        };
        self.replace_leg(session, newcomer, reports, cx);
        let into = session.id();
        if let Some(id) = self.let_go(consulted.leg_mut(transferor), false, cx.now) {
            self.release_leaver(&id, cx);
        }
        self.close_with(
            consulted,
            EndReason::Transferred { into },
            MediaOrder::GiveUp { side: there, to: into, told },
            cx,
        );
        if let Some((tx, request)) = waits {
            let flow = session.leg(side.other()).media.as_ref().map_or(Flow::SendRecv, |media| media.flow.reversed());
            self.answer_offer(session, side, tx, &request, flow, cx);
        }
    }

    /// The transferor did not wait for the answer: what rings goes on ringing, for this call.
    fn take_over_ringing(
        &mut self,
        session: &mut Session,
        side: Side,
        mut consulted: Session,
        reports: Option<super::Reports>,
        cx: &mut Cx<'_>,
    ) {
        let Phase::Ringing(ringing) = std::mem::replace(&mut consulted.phase, Phase::Talking) else { return };
        let Ringing { tx, request, local_tag, branches, refused, deadline, .. } = *ringing;
        self.endpoint.respond(tx, request.response(487).with_to_tag(&local_tag), cx.now);
        for branch in &branches {
            if let Some(sent) = self.sent.get_mut(&branch.tx) {
                sent.purpose = Purpose::Ring { call: session.id() };
            }
        }
        let transfer = Transfer {
            side,
            how: JoinedBy::AttendedTransfer,
            party: consulted.record.callee.clone(),
            number: consulted.record.number,
            trunk: consulted.callee.trunk,
            branches,
            port: consulted.callee.port,
            media_of: Some(consulted.id()),
            reports,
            refused,
            deadline,
            led: None,
        };
        session.transfer = Some(Box::new(transfer));
        self.report_progress(session, 180, cx);
        consulted.record.outcome = Outcome::Cancelled;
        self.close_record(consulted, EndReason::Transferred { into: session.id() }, cx);
    }

    /// What is under way on a leg is this call's affair from now on.
    fn follow(&mut self, leg: &Leg, call: CallId, side: Side) {
        if let Some(sent) = leg.ours.as_ref().and_then(|change| self.sent.get_mut(&change.tx)) {
            sent.purpose = Purpose::Change { call, side };
        }
        if let Some(tx) = leg.inviting {
            self.incoming.insert(tx, call);
        }
    }

    /// What stands in for a leg that has gone elsewhere, until its call is closed.
    fn blank_like(&self, leg: &Leg) -> Leg {
        self.leg(leg.peer, OfferAnswer::new(0), leg.port, leg.user, leg.trunk)
    }
}

/// Whether two legs are the same party's: the user's, or the same gateway's.
fn same_owner(one: &Session, side: Side, other: &Session, other_side: Side) -> bool {
    let (leg, other_leg) = (one.leg(side), other.leg(other_side));
    let same_gateway =
        leg.trunk.is_some() && other_leg.trunk.is_some() && leg.peer.remote.ip() == other_leg.peer.remote.ip();
    one.record.company == other.record.company
        && match (leg.user, other_leg.user) {
            (Some(user), Some(other)) => user == other,
            (None, None) => same_gateway,
            (Some(_), None) | (None, Some(_)) => false,
        }
}
