//! A pause by a person while it is on: who may end it is reminded of it, and it ends by itself.
//!
//! What a step of the call flow, a number or the company keeps shut is no pause, and nothing here
//! opens it.

use super::MediaOrder;
use super::session::Session;
use super::switch::{Cx, Switch};
use crate::audio::Tone;
use crate::base::{Side, Span, Time};
use crate::ledger::{Because, By, Decision, How};
use crate::policy::{Command, Facts, decide};

/// A pause that is on.
#[derive(Clone, Copy, Debug)]
pub struct Paused {
    /// The command that stood before, and stands again when the pause ends by itself.
    before: Option<Command>,
    remind_at: Option<Time>,
    resume_at: Option<Time>,
}

impl Paused {
    pub fn next_timeout(&self) -> Option<Time> {
        self.remind_at.into_iter().chain(self.resume_at).min()
    }
}

impl Session {
    /// To be called after what the decision depends on has changed: a pause may have begun or be
    /// over. `before`: the facts as they stood. One that goes on keeps its times.
    pub fn follow_pause(&mut self, before: Facts, now: Time) {
        let commanded = Decision { record: false, because: Because::AgentCommand };
        if decide(&self.facts) != commanded || self.recording_failed {
            self.paused = None;
            return;
        }
        let paused_what = decide(&Facts { command: before.command, ..self.facts }).record;
        if self.paused.is_none() && paused_what {
            self.paused = Some(Paused { before: before.command, remind_at: None, resume_at: None });
            self.time_pause(now);
        }
    }

    /// The times of a pause count from now on.
    pub fn time_pause(&mut self, now: Time) {
        let after = |seconds: u32| (seconds > 0).then(|| now + Span::from_secs(u64::from(seconds)));
        let (remind_at, resume_at) = (after(self.settings.pause_reminder_s.into()), after(self.settings.max_pause_s));
        if let Some(paused) = &mut self.paused {
            (paused.remind_at, paused.resume_at) = (remind_at, resume_at);
        }
    }
}

impl Switch {
    /// The reminder that is due, and the end of a pause that was long enough.
    pub(super) fn check_pause(&mut self, mut session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        let Some(paused) = session.paused else { return Some(session) };
        if paused.resume_at.is_some_and(|at| at <= cx.now) {
            session.paused = None;
            session.facts.command = paused.before;
            cx.shell.media(session.id(), MediaOrder::SetRules(session.rules()));
            self.note_change(&mut session, By::Service, How::MaxPause, Command::Start, None, cx);
        } else if paused.remind_at.is_some_and(|at| at <= cx.now) {
            let next = cx.now + Span::from_secs(u64::from(session.settings.pause_reminder_s));
            session.paused = Some(Paused { remind_at: Some(next), ..paused });
            self.remind_of_pause(&session, cx);
        }
        Some(session)
    }

    /// A tone to every user who may resume; the outside party hears nothing of it.
    fn remind_of_pause(&self, session: &Session, cx: &mut Cx<'_>) {
        for side in Side::BOTH {
            let commander = self.commander_of(session, side, &self.directory);
            if commander.is_some_and(|commander| commander.permitted.is_ok()) {
                cx.shell.media(session.id(), MediaOrder::Play { side, tone: Tone::Reminder });
            }
        }
    }
}
