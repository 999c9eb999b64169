//! Calling back whoever left a message: the call goes on like any other, and comes back to the box where
//! nobody is reached.

use super::super::identity::Wish;
use super::super::path::{Event, Path, Start};
use super::super::route::{NoRoute, Target, route_from_user};
use super::super::session::{Phase, Session};
use super::super::switch::{Cx, Switch};
use super::super::{MediaOrder, Note};
use super::Input;
use super::conduct::user_at;
use crate::base::{NumberId, Side, UserId};
use crate::directory::{Directory, NumberRecording};
use crate::policy::Facts;
use std::sync::Arc;

/// Where a call back leads.
struct WayBack {
    user: UserId,
    path: Path,
    /// That it is sent with.
    number: Option<NumberId>,
}

impl Switch {
    /// The call goes on to whoever left a message, as if the user had dialled their number.
    pub(super) fn call_back(&mut self, mut session: Session, address: &str, cx: &mut Cx<'_>) -> Option<Session> {
        let directory = Arc::clone(&self.directory);
        let Some(WayBack { user, path, number }) = self.way_back(&session, &directory, address, cx) else {
            return self.voicemail_input(session, Input::NotConnected, cx);
        };
        session.record.number = number;
        let number = number.and_then(|id| directory.number(id));
        let recording = number.map_or(NumberRecording::Inherit, |number| number.recording);
        let facts = Facts::at_start(session.record.direction, &session.settings, recording, None);
        session.facts = Facts { command: session.facts.command, refused: session.facts.refused, ..facts };
        session.passed = None;
        session.path = Some(Box::new(path));
        if let Some(voicemail) = &mut session.voicemail {
            voicemail.away = true;
        }
        let call = session.id();
        cx.shell.media(call, MediaOrder::SetRules(session.rules()));
        session.caller.user = Some(user);
        let commander = self.commander_of(&session, Side::Caller, &directory);
        cx.shell.media(call, MediaOrder::SetCommander { side: Side::Caller, commander });
        self.flow_event(session, Event::Begin, cx)
    }

    /// Where a call back leads, with the number that it is sent with. Nowhere from a call that was
    /// transferred here, and to no call for help.
    fn way_back(
        &self,
        session: &Session,
        directory: &Arc<Directory>,
        address: &str,
        cx: &mut Cx<'_>,
    ) -> Option<WayBack> {
        let user = user_at(session).and_then(|id| directory.user(id))?;
        if !matches!(session.phase, Phase::Ringing(_)) {
            return None;
        }
        let to = route_from_user(directory, user, address, &Wish::default())
            .inspect_err(|error| note_barred(session, error, cx))
            .ok()
            .filter(|to| !to.emergency)?;
        let (company, all) = (user.company, || Arc::clone(directory));
        let path = match to.target {
            Target::User(id) => Path::new(all(), company, Start::User(id)),
            Target::Path(Start::Menu(_)) => return None,
            Target::Path(start) => Path::new(all(), company, start),
            Target::Trunk { called, .. } if called.starts_with('+') => Path::outside(all(), company, called, user.id),
            Target::Trunk { .. } => return None,
        };
        Some(WayBack { user: user.id, path, number: to.number })
    }

    /// Nobody was reached: the call is at the box again.
    pub(in crate::call) fn not_called_back(&mut self, mut session: Session, cx: &mut Cx<'_>) -> Option<Session> {
        self.arrive(&mut session, cx);
        self.voicemail_input(session, Input::NotConnected, cx)
    }
}

fn note_barred(session: &Session, error: &NoRoute, cx: &mut Cx<'_>) {
    if error.status() == 403 {
        let (company, why) = (session.company_key.clone(), error.for_log());
        cx.shell.note(&Note::NotForwarded { company, call: session.id(), why });
    }
}
