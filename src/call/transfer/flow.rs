//! A transfer into a call flow: the flow leads the party that stays to whoever takes the place, as
//! it leads a caller.
//!
//! ```text
//! ringing for the transferor, as any transfer ─a step is to be heard─► the transferor has its 200 and BYE,
//!      the flow is at the other end ─somebody answers─► Talking (with whoever it is)
//!                                   └─the path ends─► (gone) TransferFailed
//! ```

use super::super::MediaOrder;
use super::super::encryption::safe_ways;
use super::super::flowing::not_forwarded;
use super::super::path::{Action, Event, Moment, Path, Start, Unable};
use super::super::prompts::prompt;
use super::super::route::{Destination, Target, onward};
use super::super::session::{Phase, Session};
use super::super::setup::{Way, Whom, unavailable};
use super::super::switch::{Cx, Switch};
use super::Transfer;
use crate::audio::prompt::Pcm;
use crate::base::{Rate, Samples, Side, Span, UserId};
use crate::directory::{Directory, Mailbox};
use crate::ledger::{JoinedBy, Party, RecordingStep};
use crate::media::{PlayId, Prompt, Times};
use crate::sip::message::{Request, Response};
use std::sync::Arc;

/// So long after its end the end of a prompt is taken as told.
const PLAYED_LATEST: Span = Span::from_secs(2);

/// What leads the party that stays.
#[derive(Debug)]
pub struct Led {
    path: Path,
    /// Where the transfer leads; the calls of its steps are made of it.
    to: Destination,
    /// The REFER.
    request: Request,
    /// The prompt whose end the path waits for.
    playing: Option<PlayId>,
}

/// Where a flow begins, if one does.
pub(super) fn flow_at(directory: &Directory, to: &Destination) -> Option<Start> {
    match to.target {
        Target::Path(start @ Start::Flow(_)) => Some(start),
        Target::Path(start @ Start::Inbox(id)) => directory.inbox(id)?.flow.map(|_| start),
        // Whoever does not answer has a box where a message can be left.
        Target::Path(start @ Start::User(id)) => takes_messages(directory.mailbox_of_user(id)).then_some(start),
        Target::Path(start @ Start::Group(id)) => takes_messages(directory.mailbox_of_group(id)).then_some(start),
        Target::Path(Start::Menu(_)) | Target::User(_) | Target::Trunk { .. } => None,
    }
}

fn takes_messages(mailbox: Option<&Mailbox>) -> bool {
    mailbox.is_some_and(|mailbox| mailbox.settings.enabled)
}

impl Switch {
    /// A transfer that a flow leads from `start` on; nobody is called yet.
    pub(super) fn place_in_flow(
        &mut self,
        session: &Session,
        side: Side,
        to: Destination,
        start: Start,
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Result<Transfer, Box<Response>> {
        let local = session.leg(side).peer.local.ip();
        let port =
            cx.shell.open_target(session.id(), local).map_err(|shortage| Box::new(unavailable(request, &shortage)))?;
        let path = Path::new(Arc::clone(&self.directory), session.record.company, start);
        Ok(Transfer {
            side,
            how: JoinedBy::BlindTransfer,
            party: to.callee.clone(),
            number: to.number,
            trunk: None,
            branches: Vec::new(),
            port,
            media_of: None,
            reports: None,
            refused: None,
            deadline: cx.now + self.config.ring_timeout,
            led: Some(Box::new(Led { path, to, request: request.clone(), playing: None })),
        })
    }

    /// Something happened that the path waits for.
    pub(in crate::call) fn led_event(
        &mut self,
        mut session: Session,
        event: Event,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let Some(led) = session.led() else { return Some(session) };
            let action = led.path.handle(event, Moment { wall: cx.wall, idle: &self.idle });
            let recording = led.path.recording().cloned();
            self.pass_recording_step(&mut session, recording, cx);
            match action {
                None => {}
                Some(Action::End { cause }) => return self.transfer_failed(session, cause, cx),
                Some(Action::Play { prompt }) => self.say_to_who_stays(&mut session, &prompt, false, cx),
                Some(Action::Ask { prompt }) => self.say_to_who_stays(&mut session, &prompt, true, cx),
                Some(Action::Wait { seconds }) => session.led_waits(Span::from_secs(u64::from(seconds)), cx),
                Some(Action::Ring { users, seconds }) => next = self.ring_for_flow(&mut session, &users, seconds, cx),
                Some(Action::Dial { e164, user }) => next = self.dial_for_flow(&mut session, &e164, user, cx),
                Some(Action::Voicemail { mailbox, busy }) => {
                    self.release_transferor(&mut session, cx);
                    return self.leave_message(session, mailbox, busy, cx);
                }
                // No transfer leads there.
                Some(Action::Menu(_)) => return self.transfer_failed(session, 404, cx),
            }
        }
        Some(session)
    }

    /// A recording step holds from where it stands; one that was passed before, until then.
    fn pass_recording_step(&mut self, session: &mut Session, passed: Option<(bool, RecordingStep)>, cx: &mut Cx<'_>) {
        let Some(side) = session.transfer.as_ref().map(|transfer| transfer.side) else { return };
        let Some(before) = session.pass(passed, cx.now) else { return };
        let by = session.record.party(side).clone();
        self.note_gate_moved(session, before, side, &by, cx);
        cx.shell.media(session.id(), MediaOrder::SetRules(session.rules()));
        cx.shell.save(&session.record);
    }

    /// Says a prompt to the party that stays. From here on the flow is at the other end.
    fn say_to_who_stays(&mut self, session: &mut Session, name: &str, asks: bool, cx: &mut Cx<'_>) {
        self.release_transferor(session, cx);
        let length = self.play_to_who_stays(session, name, Times::Once, asks, cx);
        // A notice goes before it.
        let notice = self.notice_of(session).map_or(Span::ZERO, |notice| length_of(&notice.pcm));
        session.led_waits(notice + length + PLAYED_LATEST, cx);
    }

    fn play_to_who_stays(
        &mut self,
        session: &mut Session,
        name: &str,
        times: Times,
        asks: bool,
        cx: &mut Cx<'_>,
    ) -> Span {
        let Some(side) = session.transfer.as_ref().map(|transfer| transfer.side.other()) else { return Span::ZERO };
        let pcm = prompt(&self.directory, session.record.company, name);
        let length = length_of(&pcm);
        let (call, id) = (session.id(), session.next_play());
        cx.shell.media(call, MediaOrder::Collect { side, on: asks });
        // What is played to a party of a recorded call stands in its file.
        cx.shell.media(call, MediaOrder::PlayPrompt { side, prompt: Prompt { id, pcm, times, recorded: true } });
        if let Some(led) = session.led() {
            led.playing = (times == Times::Once).then_some(id);
        }
        length
    }

    /// Its transfer has worked as far as it is concerned.
    fn release_transferor(&mut self, session: &mut Session, cx: &mut Cx<'_>) {
        let call = session.id();
        let Some(transfer) = &mut session.transfer else { return };
        let (side, reports) = (transfer.side, transfer.reports.take());
        let here = match session.leg(side).dialog.is_some() {
            true => self.transferor_leaves(session, side, false, cx),
            false => None,
        };
        let reported = reports.is_some_and(|reports| self.report_to_leaver(call, &reports, 200, cx));
        if let Some(id) = here.filter(|_| !reported) {
            self.release_leaver(&id, cx);
        }
    }

    /// Rings every device of `users`.
    fn ring_for_flow(
        &mut self,
        session: &mut Session,
        users: &[UserId],
        seconds: Option<u16>,
        cx: &mut Cx<'_>,
    ) -> Option<Event> {
        let directory = Arc::clone(session.led()?.path.directory());
        let mut ways = Vec::new();
        for user in users.iter().filter_map(|id| directory.user(*id)) {
            let callee = Party { user: Some(user.id), address: user.extension.clone(), name: user.name.clone() };
            ways.extend(self.ways_for_flow(session, callee, Target::User(user.id), &directory, cx));
        }
        if ways.is_empty() {
            return Some(Event::NotAnswered(Unable::Unregistered));
        }
        self.call_for_flow(session, ways, seconds, cx);
        None
    }

    /// Out through a trunk.
    fn dial_for_flow(
        &mut self,
        session: &mut Session,
        e164: &str,
        user: Option<UserId>,
        cx: &mut Cx<'_>,
    ) -> Option<Event> {
        let led = session.led()?;
        let (directory, number) = (Arc::clone(led.path.directory()), led.to.number);
        let target = match onward(&directory, session.record.company, number, user, e164) {
            Ok(target) => target,
            Err(error) => return Some(not_forwarded(session, &error, cx)),
        };
        let callee = Party { user: None, address: e164.to_owned(), name: String::new() };
        let ways = self.ways_for_flow(session, callee, target, &directory, cx);
        if ways.is_empty() {
            return Some(Event::NotAnswered(Unable::Refused(503)));
        }
        self.call_for_flow(session, ways, None, cx);
        None
    }

    fn ways_for_flow(
        &mut self,
        session: &mut Session,
        callee: Party,
        target: Target,
        directory: &Directory,
        cx: &mut Cx<'_>,
    ) -> Vec<(Way, Whom)> {
        let Some(led) = session.led() else { return Vec::new() };
        let whom = Whom { user: callee.user, party: callee.clone() };
        let (to, request) = (Destination { callee, target, ..led.to.clone() }, led.request.clone());
        let ways = self.ways_to(&to, directory, &request, cx);
        let ways = ways.and_then(|ways| safe_ways(&session.settings, &request, ways)).unwrap_or_default();
        ways.into_iter().map(|way| (way, whom.clone())).collect()
    }

    fn call_for_flow(&mut self, session: &mut Session, ways: Vec<(Way, Whom)>, seconds: Option<u16>, cx: &mut Cx<'_>) {
        let Some((side, port)) = session.transfer.as_ref().map(|transfer| (transfer.side, transfer.port)) else {
            return;
        };
        if session.leg(side).dialog.is_none() {
            self.play_to_who_stays(session, "ringback", Times::Forever, false, cx);
        }
        let branches = self.call_ways(session, side, port, ways, cx);
        let time = seconds.map_or(self.config.ring_timeout, |seconds| Span::from_secs(u64::from(seconds)));
        session.led_waits(time, cx);
        if let Some(transfer) = &mut session.transfer {
            (transfer.branches, transfer.refused) = (branches, None);
        }
    }

    /// The time that the path gave is over.
    pub(super) fn led_timeout(&mut self, mut session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        if session.voicemail.is_some() {
            return self.voicemail_timeout(session, cx);
        }
        let Some(transfer) = &mut session.transfer else { return Some(session) };
        let branches = std::mem::take(&mut transfer.branches);
        let playing = transfer.led.as_mut().and_then(|led| led.playing.take());
        let event = match (branches.is_empty(), playing) {
            (false, _) => Event::NotAnswered(Unable::NoAnswer),
            (true, Some(_)) => Event::Played,
            (true, None) => Event::TimedOut,
        };
        self.cancel_branches(&branches, None, cx);
        self.led_event(session, event, cx)
    }

    /// A prompt was said to its end.
    pub(in crate::call) fn led_played(&mut self, mut session: Session, id: PlayId, cx: &mut Cx<'_>) -> Option<Session> {
        match session.led().is_some_and(|led| led.playing.take_if(|playing| *playing == id).is_some()) {
            true => self.led_event(session, Event::Played, cx),
            false => Some(session),
        }
    }

    /// The party that stays pressed a key.
    pub(in crate::call) fn led_key(
        &mut self,
        mut session: Session,
        side: Side,
        key: u8,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let waits = session.transfer.as_ref().is_some_and(|it| it.side == side.other() && it.branches.is_empty());
        let Some(led) = session.led().filter(|_| waits) else { return Some(session) };
        led.playing = None;
        cx.shell.media(session.id(), MediaOrder::StopPrompt { side });
        self.led_event(session, Event::Key(key), cx)
    }
}

fn length_of(pcm: &Pcm) -> Span {
    Rate::NARROW.span(Samples(u64::try_from(pcm.len()).unwrap_or(0)))
}

impl Session {
    /// The flow that leads the party that stays, if one does.
    pub(in crate::call) fn led(&mut self) -> Option<&mut Led> {
        match (&self.phase, &mut self.transfer) {
            (Phase::Talking, Some(transfer)) => transfer.led.as_deref_mut(),
            (Phase::Talking | Phase::Ringing(_), _) => None,
        }
    }

    pub(in crate::call) fn led_waits(&mut self, span: Span, cx: &Cx<'_>) {
        if let Some(transfer) = &mut self.transfer {
            transfer.deadline = cx.now + span;
        }
    }
}
