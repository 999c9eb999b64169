//! Parties whose place another took: they hear that the transfer worked, then BYE, and what they
//! still say is answered.

use super::super::MediaOrder;
use super::super::fork::hop;
use super::super::session::{Leg, Session};
use super::super::switch::{Cx, Purpose, Switch};
use crate::base::{Side, Span, Time, TrunkId};
use crate::sdp::Flow;
use crate::sip::Peer;
use crate::sip::dialog::{Dialog, DialogId};
use crate::sip::endpoint::ServerTx;
use crate::sip::message::{Method, Request};
use std::collections::HashMap;

/// A phone whose transfer worked hangs up by itself; one that does not within this time hears BYE.
const PATIENCE: Span = Span::from_secs(1);
/// 64 × T1 of the default T1, and a little: no request of its old dialog comes after that.
const LINGER: Span = Span::from_secs(33);

/// The dialog of a party that is on no call any more.
#[derive(Debug)]
pub struct Leaver {
    pub dialog: Dialog,
    pub peer: Peer,
    pub contact: String,
    pub trunk: Option<TrunkId>,
    /// When BYE is due; `None` once it was said, by either side.
    bye_at: Option<Time>,
    forget_at: Time,
}

impl Leaver {
    /// Where its requests go.
    pub fn hop(&self) -> Peer {
        hop(&self.peer, &self.dialog, self.trunk)
    }
}

/// All of them. There are as many as there were transfers in the last half minute.
#[derive(Debug, Default)]
pub struct Leavers(HashMap<DialogId, Leaver>);

impl Leavers {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn get_mut(&mut self, id: &DialogId) -> Option<&mut Leaver> {
        self.0.get_mut(id)
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.0.values().map(|leaver| leaver.bye_at.unwrap_or(leaver.forget_at)).min()
    }
}

impl Switch {
    /// Takes the dialog off a leg. `said_bye`: its party has hung up itself.
    pub(in crate::call) fn let_go(&mut self, leg: &mut Leg, said_bye: bool, now: Time) -> Option<DialogId> {
        let dialog = leg.dialog.take()?;
        let id = dialog.id();
        self.dialogs.remove(&id);
        let bye_at = (!said_bye).then_some(now + PATIENCE);
        let (peer, contact, trunk) = (leg.peer, leg.contact.clone(), leg.trunk);
        let leaver = Leaver { dialog, peer, contact, trunk, bye_at, forget_at: now + LINGER };
        self.leavers.0.insert(id.clone(), leaver);
        Some(id)
    }

    /// The transferor is gone before the target has answered: the transferee waits alone.
    /// `said_bye`: it has hung up itself.
    pub(in crate::call) fn transferor_leaves(
        &mut self,
        session: &mut Session,
        side: Side,
        said_bye: bool,
        cx: &mut Cx<'_>,
    ) -> Option<DialogId> {
        let waits = self.drop_changes(session, side, cx);
        // Nobody who has left commands the recording.
        cx.shell.media(session.id(), MediaOrder::SetCommander { side, commander: None });
        let leg = session.leg_mut(side);
        let id = self.let_go(leg, said_bye, cx.now);
        leg.timer = None;
        if let Some(media) = &mut leg.media {
            media.flow = Flow::Inactive;
            media.held = false;
        }
        if let Some((tx, request)) = waits {
            self.answer_offer(session, side.other(), tx, &request, Flow::SendRecv, cx);
        }
        for side in Side::BOTH {
            self.push_media(session, side, cx);
        }
        id
    }

    /// BYE to a leaver that has heard all it wanted to hear.
    pub(in crate::call) fn release_leaver(&mut self, id: &DialogId, cx: &mut Cx<'_>) {
        let Some(leaver) = self.leavers.get_mut(id) else { return };
        if leaver.bye_at.take().is_none() {
            return;
        }
        let bye = leaver.dialog.request(Method::Bye, &leaver.contact);
        let (peer, contact, trunk) = (leaver.hop(), leaver.contact.clone(), leaver.trunk);
        let tx = self.send(bye, peer, contact, Purpose::Farewell, cx);
        self.belongs_to(tx, trunk, 0);
    }

    pub(in crate::call) fn check_leavers(&mut self, cx: &mut Cx<'_>) {
        let due = |leaver: &Leaver| leaver.bye_at.is_some_and(|at| at <= cx.now);
        let late: Vec<DialogId> = self.leavers.0.iter().filter(|(_, l)| due(l)).map(|(id, _)| id.clone()).collect();
        for id in late {
            self.release_leaver(&id, cx);
        }
        self.leavers.0.retain(|_, leaver| leaver.forget_at > cx.now);
    }

    /// A request in the dialog of a leaver. Its BYE crossed ours, or came first; whatever else it
    /// wants, it is on no call any more.
    pub(in crate::call) fn on_leavers_request(
        &mut self,
        id: &DialogId,
        tx: ServerTx,
        request: &Request,
        cx: &mut Cx<'_>,
    ) {
        let bye = request.method == Method::Bye;
        let status = match self.leavers.get_mut(id) {
            Some(leaver) if bye => {
                leaver.bye_at = None;
                200
            }
            Some(_) | None => 481,
        };
        self.endpoint.respond(tx, request.response(status), cx.now);
    }
}
