//! A party takes another's place: legs, dialogs, the record, the media and the recording follow.

use super::super::session::{Leg, Session, Theirs};
use super::super::switch::{Cx, Dice, Switch};
use super::super::{Join, JoinFrom, MediaOrder};
use super::{Reports, Transfer};
use crate::base::{CallId, Direction, NumberId, Side, Span};
use crate::directory::{Directory, NumberRecording};
use crate::ledger::{By, Change, How, Joined, JoinedBy, Party};
use crate::media::{Commander, Joining};
use crate::policy::{Command, decide};
use crate::sdp::Flow;
use crate::sip::endpoint::ServerTx;
use crate::sip::message::{Method, Request};
use crate::sip::token;

/// A leg that was busy is told what changed after this.
const SOON: Span = Span::from_millis(300);

/// Who comes in, and how.
pub(super) struct Newcomer {
    pub side: Side,
    pub party: Party,
    pub leg: Leg,
    pub how: JoinedBy,
    /// The call that it comes from, and its side there.
    pub from: Option<(CallId, Side)>,
    /// The number of a call that goes outside with this: its caller id.
    pub number: Option<NumberId>,
    /// A person shut the gate of the call that it comes from.
    pub paused: bool,
    /// The outside party of that call does not want to be recorded.
    pub refused: bool,
}

impl Switch {
    /// The target has answered: it takes the transferor's place.
    pub(super) fn join(
        &mut self,
        mut session: Session,
        transfer: Transfer,
        leg: Leg,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let Transfer { side, how, party, number, media_of, reports, .. } = transfer;
        // What rang for another call has its port there, as the callee.
        let from = media_of.map(|call| (call, Side::Callee));
        let told = session.record.party(side.other()).to_string();
        let newcomer = Newcomer { side, party, leg, how, from, number, paused: false, refused: false };
        self.replace_leg(&mut session, newcomer, reports, cx);
        if let Some((call, there)) = from {
            cx.shell.media(call, MediaOrder::GiveUp { side: there, to: session.id(), told });
        }
        Some(session)
    }

    /// The newcomer is on the call from here on, and the one before it is let go.
    pub(super) fn replace_leg(
        &mut self,
        session: &mut Session,
        newcomer: Newcomer,
        reports: Option<Reports>,
        cx: &mut Cx<'_>,
    ) {
        let Newcomer { side, party, leg, how, from, number, paused, refused } = newcomer;
        let waits = self.drop_changes(session, side, cx);
        if let Some(dialog) = &leg.dialog {
            self.dialogs.insert(dialog.id(), (session.id(), side));
        }
        let instead_of = session.record.party(side).clone();
        let (facts, before) = (session.facts, decide(&session.facts).record);
        self.count_as_outbound(session, &leg, number);
        if paused {
            session.facts.command = Some(Command::Pause);
        }
        session.facts.refused |= refused;
        session.follow_pause(facts, cx.now);
        if side == Side::Caller {
            // What the one before wanted kept back.
            session.withheld = false;
        }
        let mut old = std::mem::replace(session.leg_mut(side), leg);
        self.remember_dialog(session, &old, cx.now);
        let joined = Joined {
            at: cx.wall,
            offset_ms: session.answered.map_or(0, |answered| cx.now.since(answered).as_millis()),
            side,
            party,
            codec: session.leg(side).codec_name(),
            how,
            instead_of: instead_of.clone(),
            from_call: from.map(|(call, _)| call),
        };
        cx.shell.joined(session.id(), &joined);
        session.record.joined.push(joined);
        self.note_gate_moved(session, before, side, &instead_of, cx);
        self.join_media(session, side, from, cx);
        cx.shell.save(&session.record);
        self.finish_reports(session.id(), &mut old, reports, cx);
        if let Some((tx, request)) = waits {
            let flow = session.leg(side).media.as_ref().map_or(Flow::SendRecv, |media| media.flow.reversed());
            self.answer_offer(session, side.other(), tx, &request, flow, cx);
        }
        self.settle_directions(session, side.other(), cx);
    }

    /// Changes that the one who leaves asked for, or was asked for. Returns the request of the
    /// other party that waits for an answer.
    pub(super) fn drop_changes(
        &mut self,
        session: &mut Session,
        side: Side,
        cx: &mut Cx<'_>,
    ) -> Option<(ServerTx, Request)> {
        self.settle_invite(session, side);
        // What it asked for itself went on to the other party, who answers in its own time.
        let asked = session.leg_mut(side.other()).ours.as_mut().and_then(|change| change.for_other.take());
        if let Some((tx, request)) = asked {
            self.endpoint.respond(tx, request.response(487), cx.now);
        }
        let change = session.leg_mut(side).ours.take()?;
        if change.request.method == Method::Invite {
            self.endpoint.cancel(change.tx, cx.now, &mut Dice(cx.shell));
        }
        session.leg_mut(side.other()).theirs.take_if(|theirs| matches!(theirs, Theirs::Waiting));
        change.for_other
    }

    /// An internal call that goes outside counts as outbound from there on (its number is the
    /// caller id). The settings are those that the call began with.
    fn count_as_outbound(&self, session: &mut Session, leg: &Leg, number: Option<NumberId>) {
        if leg.trunk.is_none() || session.record.direction != Direction::Internal {
            return;
        }
        session.record.direction = Direction::Outbound;
        session.record.number = number;
        session.facts.direction = Direction::Outbound;
        session.facts.toggle = session.settings.record_outbound;
        session.facts.number =
            number.and_then(|id| self.directory.number(id)).map_or(NumberRecording::Inherit, |number| number.recording);
    }

    /// Where the transfer itself changed whether the call is recorded, that is written down.
    pub(super) fn note_gate_moved(&self, session: &mut Session, before: bool, side: Side, by: &Party, cx: &mut Cx<'_>) {
        let decision = session.decision();
        if decision.record == before {
            return;
        }
        let by = match by.user {
            Some(id) => By::User { id, name: by.name.clone(), side },
            None => By::Outside { side },
        };
        let change = Change {
            at: cx.wall,
            offset_ms: session.answered.map_or(0, |answered| cx.now.since(answered).as_millis()),
            by,
            how: How::Transfer,
            wanted: decision.record,
            refused: None,
            decision,
        };
        cx.shell.changed(session.id(), &change);
        session.record.changes.push(change);
    }

    fn join_media(&self, session: &Session, side: Side, from: Option<(CallId, Side)>, cx: &mut Cx<'_>) {
        let held = session.leg(side.other()).media.as_ref().is_some_and(|media| media.held);
        let Some(media) = session.leg(side).media_for_worker(self.config.strict_source, held) else { return };
        let joining = Joining {
            side,
            start: (cx.shell.u32(), cx.shell.u16(), cx.shell.u32()),
            cname: token(&mut Dice(cx.shell), 8),
            media,
            commander: self.commander_of(session, side, &self.directory),
            name: session.record.party(side).to_string(),
            facts: session.facts,
        };
        let from = match from {
            Some((call, side)) => JoinFrom::Call { call, side },
            None => JoinFrom::Target,
        };
        // Whoever comes is told as it is now: who is of the company may have changed.
        cx.shell.media(session.id(), MediaOrder::SetNotice(self.notice_of(session)));
        cx.shell.media(session.id(), MediaOrder::Join(Box::new(Join { joining, from })));
        self.push_media(session, side.other(), cx);
    }

    /// The one who left hears that it worked, where it wants to, and then BYE.
    fn finish_reports(&mut self, call: CallId, old: &mut Leg, reports: Option<Reports>, cx: &mut Cx<'_>) {
        let here = self.let_go(old, false, cx.now);
        let reported = reports.is_some_and(|reports| self.report_to_leaver(call, &reports, 200, cx));
        if let Some(id) = here.filter(|_| !reported) {
            self.release_leaver(&id, cx);
        }
    }

    /// The party that stayed is told what the newcomer does. The newcomer is told what that one
    /// does only where it holds: what was put on hold by the one who left is on hold no more.
    pub(in crate::call) fn settle_directions(&mut self, session: &mut Session, stayed: Side, cx: &mut Cx<'_>) {
        self.bring_in_step(session, stayed, cx);
        if session.leg(stayed).media.as_ref().is_some_and(|media| media.held) {
            self.bring_in_step(session, stayed.other(), cx);
        }
    }

    /// Where a leg was told another direction than the other leg has by now, it is told again.
    fn bring_in_step(&mut self, session: &mut Session, side: Side, cx: &mut Cx<'_>) {
        if session.out_of_step(side).is_none() {
            return;
        }
        let leg = session.leg_mut(side);
        if leg.ours.is_none() && leg.theirs.is_none() {
            return self.refresh(session, side, cx);
        }
        if let Some(timer) = &mut leg.timer {
            timer.refresh_at = Some(cx.now + SOON);
        }
    }

    /// What a user on a side may command; nobody where it is not a user.
    pub(in crate::call) fn commander_of(
        &self,
        session: &Session,
        side: Side,
        directory: &Directory,
    ) -> Option<Commander> {
        Some(session.commander(directory.user(session.leg(side).user?)?))
    }
}
