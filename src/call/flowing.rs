//! A call on its path through a call flow: what the path wants done, and what came of it.
//!
//! The caller's INVITE is answered when a step needs to be heard; ring steps before that ring
//! early. The recording begins when a person answers, as in any call.

use super::encryption::safe_ways;
use super::path::{Action, Event, Moment, Unable};
use super::prompts::prompt;
use super::route::{Destination, NoRoute, Origin, Target, onward};
use super::session::{Phase, Session};
use super::setup::{Ringing, Way, Whom};
use super::switch::{Cx, Switch};
use super::{MediaOrder, Note, status};
use crate::base::{Direction, Side, Span, UserId};
use crate::ledger::{EndReason, Party};
use crate::media::{PlayId, Prompt, Times};
use crate::sdp::{Codec, Flow};
use crate::sip::endpoint::ClientTx;
use std::sync::Arc;

/// So long after its end the end of a prompt is taken as told.
pub(super) const PLAYED_LATEST: Span = Span::from_secs(2);

impl Switch {
    /// Something happened that the path waits for. What it wants is done at once, until it waits.
    pub(super) fn flow_event(&mut self, mut session: Session, event: Event, cx: &mut Cx<'_>) -> Option<Session> {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let Some(path) = &mut session.path else { return Some(session) };
            let moment = Moment { wall: cx.wall, idle: &self.idle };
            let action = path.handle(event, moment);
            let recording = path.recording().cloned();
            if session.pass(recording, cx.now).is_some() {
                cx.shell.media(session.id(), MediaOrder::SetRules(session.rules()));
            }
            match action {
                None => {}
                Some(Action::Voicemail { mailbox, busy }) => return self.leave_message(session, mailbox, busy, cx),
                Some(Action::Menu(chosen)) => return self.open_menu(session, chosen, cx),
                Some(Action::End { .. }) if session.voicemail.is_some() => return self.not_called_back(session, cx),
                Some(Action::End { cause }) => {
                    return self.refuse(session, cause, EndReason::Rejected { status: cause }, cx);
                }
                Some(action) => match self.flow_action(&mut session, action, cx) {
                    Ok(follows) => next = follows,
                    Err(status) => return self.refuse(session, status, EndReason::Rejected { status }, cx),
                },
            }
        }
        Some(session)
    }

    /// Does what the path wants. `Ok(Some)`: that is over already; `Err`: the caller cannot be
    /// answered.
    fn flow_action(&mut self, session: &mut Session, action: Action, cx: &mut Cx<'_>) -> Result<Option<Event>, u16> {
        match action {
            Action::Play { prompt } => self.say(session, &prompt, false, cx).map(|()| None),
            Action::Ask { prompt } => self.say(session, &prompt, true, cx).map(|()| None),
            Action::Wait { seconds } => {
                wait(session, Span::from_secs(u64::from(seconds)), cx);
                Ok(None)
            }
            Action::Ring { users, seconds } => Ok(self.ring_users(session, &users, seconds, cx)),
            Action::Dial { e164, user } => Ok(self.dial(session, &e164, user, cx)),
            Action::End { .. } | Action::Voicemail { .. } | Action::Menu(_) => Ok(None),
        }
    }

    /// Says a prompt to the caller, who is answered for it.
    fn say(&mut self, session: &mut Session, name: &str, asks: bool, cx: &mut Cx<'_>) -> Result<(), u16> {
        self.answer_for_prompt(session, cx)?;
        let pcm = prompt(&self.directory, session.record.company, name);
        let length = Span::from_millis(u64::try_from(pcm.len()).unwrap_or(0) / 8);
        let id = session.next_play();
        let call = session.id();
        cx.shell.media(call, MediaOrder::Collect { side: Side::Caller, on: asks });
        let prompt = Prompt { id, pcm, times: Times::Once, recorded: false };
        cx.shell.media(call, MediaOrder::PlayPrompt { side: Side::Caller, prompt });
        wait(session, length + PLAYED_LATEST, cx);
        if let Phase::Ringing(ringing) = &mut session.phase {
            ringing.playing = Some(id);
        }
        Ok(())
    }

    pub(super) fn answer_for_prompt(&mut self, session: &mut Session, cx: &mut Cx<'_>) -> Result<(), u16> {
        let Phase::Ringing(ringing) = &session.phase else { return Ok(()) };
        if ringing.answered {
            return Ok(());
        }
        let (tx, request, tag) = (ringing.tx, ringing.request.clone(), ringing.local_tag.clone());
        self.answer_caller(session, &Codec::Pcmu, Flow::SendRecv)?;
        self.accept_caller(session, tx, &request, &tag, &Codec::Pcmu, cx);
        self.push_media(session, Side::Caller, cx);
        cx.shell.media(session.id(), MediaOrder::Watch { side: Side::Caller });
        if let Phase::Ringing(ringing) = &mut session.phase {
            ringing.answered = true;
        }
        Ok(())
    }

    /// Rings every device of `users`.
    fn ring_users(
        &mut self,
        session: &mut Session,
        users: &[UserId],
        seconds: Option<u16>,
        cx: &mut Cx<'_>,
    ) -> Option<Event> {
        let directory = session.path.as_ref().map(|path| Arc::clone(path.directory()))?;
        let mut ways = Vec::new();
        for user in users.iter().filter_map(|id| directory.user(*id)) {
            let callee = Party { user: Some(user.id), address: user.extension.clone(), name: user.name.clone() };
            let to = destination(session, callee.clone(), Target::User(user.id));
            let whom = Whom { user: Some(user.id), party: callee };
            let found = self.flow_ways(session, &to, cx);
            ways.extend(found.into_iter().map(|way| (way, whom.clone())));
        }
        if ways.is_empty() {
            return Some(Event::NotAnswered(Unable::Unregistered));
        }
        self.ring_ways(session, ways, seconds, cx);
        None
    }

    /// Out through a trunk, with the called number as caller id. `user`: who wants to be reached there.
    fn dial(&mut self, session: &mut Session, e164: &str, user: Option<UserId>, cx: &mut Cx<'_>) -> Option<Event> {
        let directory = session.path.as_ref().map(|path| Arc::clone(path.directory()))?;
        let target = match onward(&directory, session.record.company, session.record.number, user, e164) {
            Ok(target) => target,
            Err(error) => return Some(not_forwarded(session, &error, cx)),
        };
        let callee = Party { user: None, address: e164.to_owned(), name: String::new() };
        let to = destination(session, callee.clone(), target);
        let whom = Whom { user: None, party: callee };
        let ways: Vec<_> = self.flow_ways(session, &to, cx).into_iter().map(|way| (way, whom.clone())).collect();
        if ways.is_empty() {
            return Some(Event::NotAnswered(Unable::Refused(503)));
        }
        goes_outside(session, cx);
        self.ring_ways(session, ways, None, cx);
        None
    }

    fn flow_ways(&mut self, session: &Session, to: &Destination, cx: &mut Cx<'_>) -> Vec<Way> {
        let (Some(path), Phase::Ringing(ringing)) = (&session.path, &session.phase) else { return Vec::new() };
        let ways = self.ways_to(to, path.directory(), &ringing.request, cx);
        ways.and_then(|ways| safe_ways(&session.settings, &ringing.request, ways)).unwrap_or_default()
    }

    fn ring_ways(&mut self, session: &mut Session, ways: Vec<(Way, Whom)>, seconds: Option<u16>, cx: &mut Cx<'_>) {
        let call = session.id();
        let heard = matches!(&session.phase, Phase::Ringing(ringing) if ringing.answered);
        if heard {
            cx.shell.media(call, MediaOrder::Collect { side: Side::Caller, on: false });
            let pcm = prompt(&self.directory, session.record.company, "ringback");
            let prompt = Prompt { id: session.next_play(), pcm, times: Times::Forever, recorded: false };
            cx.shell.media(call, MediaOrder::PlayPrompt { side: Side::Caller, prompt });
        }
        let branches = self.invite_ways(session, ways, cx);
        let time = seconds.map_or(self.config.ring_timeout, |seconds| Span::from_secs(u64::from(seconds)));
        wait(session, time, cx);
        if let Phase::Ringing(ringing) = &mut session.phase {
            ringing.branches = branches;
            ringing.refused = None;
        }
    }

    /// The time that the path gave is over.
    pub(super) fn flow_timeout(&mut self, mut session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        if session.is_at_voicemail() {
            return self.voicemail_timeout(session, cx);
        }
        let Phase::Ringing(ringing) = &mut session.phase else { return Some(session) };
        let branches = std::mem::take(&mut ringing.branches);
        let event = match (branches.is_empty(), ringing.playing.take()) {
            (false, _) => Event::NotAnswered(Unable::NoAnswer),
            (true, Some(_)) => Event::Played,
            (true, None) => Event::TimedOut,
        };
        self.cancel_branches(&branches, None, cx);
        self.flow_event(session, event, cx)
    }

    /// A prompt was said to its end, or a key was pressed.
    pub(super) fn flow_played(&mut self, mut session: Session, id: PlayId, cx: &mut Cx<'_>) -> Option<Session> {
        if session.is_at_voicemail() {
            return self.voicemail_played(session, id, cx);
        }
        let awaited = match &mut session.phase {
            Phase::Ringing(ringing) => ringing.playing.take_if(|playing| *playing == id).is_some(),
            Phase::Talking => return self.led_played(session, id, cx),
        };
        match awaited {
            true => self.flow_event(session, Event::Played, cx),
            false => Some(session),
        }
    }

    pub(super) fn flow_key(&mut self, mut session: Session, side: Side, key: u8, cx: &mut Cx<'_>) -> Option<Session> {
        if session.is_at_voicemail() {
            return self.voicemail_key(session, side, key, cx);
        }
        match &mut session.phase {
            Phase::Talking => self.led_key(session, side, key, cx),
            Phase::Ringing(ringing) if ringing.branches.is_empty() && side == Side::Caller => {
                ringing.playing = None;
                cx.shell.media(session.id(), MediaOrder::StopPrompt { side: Side::Caller });
                self.flow_event(session, Event::Key(key), cx)
            }
            Phase::Ringing(_) => Some(session),
        }
    }

    /// A device that rang for the path refused. A 6xx speaks for its user and not for the others.
    pub(super) fn flow_refused(
        &mut self,
        mut session: Session,
        tx: ClientTx,
        refused: u16,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let Some((branches, before)) = session.what_rings() else { return Some(session) };
        let user = branches.iter().find(|branch| branch.tx == tx).and_then(|branch| branch.whom.user);
        let (gone, left): (Vec<_>, Vec<_>) = std::mem::take(branches)
            .into_iter()
            .partition(|branch| branch.tx == tx || (refused >= 600 && branch.whom.user == user));
        let over = left.is_empty();
        *branches = left;
        let best = before.map_or(refused, |before| status::better(before, refused));
        *before = Some(best);
        let others: Vec<_> = gone.into_iter().filter(|branch| branch.tx != tx).collect();
        self.cancel_branches(&others, None, cx);
        let event = Event::NotAnswered(Unable::of_status(best));
        match (over, &session.phase) {
            (true, Phase::Ringing(_)) => self.flow_event(session, event, cx),
            (true, Phase::Talking) => self.led_event(session, event, cx),
            (false, Phase::Ringing(_) | Phase::Talking) => Some(session),
        }
    }

    /// A device that rang for the path has answered: who is on the call is known now.
    pub(super) fn flow_answered(&self, session: &mut Session, whom: &Whom, cx: &mut Cx<'_>) {
        let Some(path) = &session.path else { return };
        let directory = Arc::clone(path.directory());
        let call = session.id();
        session.callee.user = whom.user;
        session.record.callee = whom.party.clone();
        let commander = whom.user.and_then(|id| directory.user(id)).map(|user| session.commander(user));
        cx.shell.media(call, MediaOrder::SetCommander { side: Side::Callee, commander });
        cx.shell.media(call, MediaOrder::Collect { side: Side::Caller, on: false });
        cx.shell.media(call, MediaOrder::StopPrompt { side: Side::Caller });
    }
}

fn destination(session: &Session, callee: Party, target: Target) -> Destination {
    let record = &session.record;
    let (company, caller) = (record.company, record.caller.clone());
    let origin = Origin { company, caller, trunk: session.caller.trunk, withheld: session.withheld };
    Destination { direction: record.direction, origin, callee, number: record.number, target, emergency: false }
}

/// An internal call that goes outside counts as outbound from there on.
fn goes_outside(session: &mut Session, cx: &mut Cx<'_>) {
    if session.record.direction != Direction::Internal {
        return;
    }
    session.record.direction = Direction::Outbound;
    session.facts = session.facts.gone_outside(&session.settings);
    cx.shell.media(session.id(), MediaOrder::SetRules(session.rules()));
}

/// A flow may not go on to a number: where that is for a rule, the operator is told.
pub(super) fn not_forwarded(session: &Session, error: &NoRoute, cx: &mut Cx<'_>) -> Event {
    if error.status() == 403 {
        let (company, why) = (session.company_key.clone(), error.for_log());
        cx.shell.note(&Note::NotForwarded { company, call: session.id(), why });
    }
    Event::NotAnswered(Unable::Refused(error.status()))
}

pub(super) fn wait(session: &mut Session, span: Span, cx: &Cx<'_>) {
    if let Phase::Ringing(ringing) = &mut session.phase {
        let Ringing { deadline, .. } = &mut **ringing;
        *deadline = cx.now + span;
    }
}
