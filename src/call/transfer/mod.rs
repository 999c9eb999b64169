//! Transfers: another party takes a place in a call that is up.
//!
//! The transferor's REFER ends here; it is never passed on. We call the target ourselves, and when
//! it answers its leg takes the transferor's place, on the same channel of the recording:
//! ```text
//! Talking ─REFER: 202, NOTIFY 100─► Talking with a Transfer ─2xx of the target─► Talking (with the target)
//!              target refuses, or does not answer ├─ transferor still there ─► Talking as before
//!                                                 └─ transferor has left ─► (gone) TransferFailed
//! ```
//! The file goes on through all of it. An attended transfer joins two calls: the one in which the
//! REFER came goes on with its file; the other, in which the transferor consulted, ends with its own
//! true length and a marker that names who its party talks to from there on. An INVITE with Replaces
//! brings a phone into the place that it names.

mod attended;
mod flow;
mod join;
mod leaver;
mod place;
mod replace;
mod report;
mod target;

pub(super) use leaver::Leavers;
pub(super) use replace::Ended;

use super::LegPort;
use super::fork::Branch;
use super::path::Event;
use super::session::{Phase, Session};
use super::switch::{Cx, Switch};
use crate::base::{CallId, NumberId, Side, Time, TrunkId};
use crate::ledger::{JoinedBy, Party};
use crate::sip::dialog::DialogId;
use crate::sip::endpoint::ServerTx;
use crate::sip::message::Request;
use crate::sip::refer::Refer;
use flow::{Led, flow_at};
use std::sync::Arc;

/// A transfer under way: the target is called, the transferee still has the transferor.
#[derive(Debug)]
pub struct Transfer {
    /// The transferor's side: the target takes its place.
    pub side: Side,
    pub how: JoinedBy,
    /// Who is called.
    pub party: Party,
    /// The caller id, where it goes outside.
    pub number: Option<NumberId>,
    pub trunk: Option<TrunkId>,
    /// The INVITEs to the target, one to each of its devices.
    pub branches: Vec<Branch>,
    pub port: LegPort,
    /// The call whose port that is, where another began to ring for this one.
    pub media_of: Option<CallId>,
    /// Where the transferor wants to hear of it; nothing with `Refer-Sub: false`.
    pub reports: Option<Reports>,
    /// The most telling refusal so far.
    pub refused: Option<u16>,
    pub deadline: Time,
    /// The call flow that leads to whoever takes the place.
    pub led: Option<Box<Led>>,
}

impl Transfer {
    /// When it next wants to be called.
    pub fn next_timeout(&self) -> Option<Time> {
        let patience = self.branches.iter().filter_map(|branch| branch.give_up_at);
        patience.chain([self.deadline]).min()
    }
}

/// The implicit subscription of a REFER (RFC 3515 §2.4.4).
#[derive(Clone, Debug)]
pub struct Reports {
    pub dialog: DialogId,
    /// Value of Event.
    pub event: String,
    /// What was said last: nothing is said twice.
    pub last: u16,
}

/// Parties that may come into one call after each other. Phones that transfer by rule could hand
/// a call round for ever.
const MOST: usize = 32;

/// Why a REFER, or an INVITE with Replaces, is not taken, beyond what is wrong with the request itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("The call is not answered yet")]
    Ringing,
    #[error("A transfer is under way already")]
    UnderWay,
    #[error("The company's setting `transfer` is off")]
    Users,
    #[error("The setting `transfer_from_outside` of the trunk or the company is off")]
    Outside,
    #[error("The call was transferred {MOST} times")]
    Loop,
    #[error("The other party is {0} already")]
    SameParty(String),
    #[error("The domain {0} is not served here")]
    Domain(String),
    #[error("The dialog to replace does not exist")]
    NoDialog,
    #[error("The dialog to replace is answered already")]
    Answered,
    #[error("The dialog to replace has ended")]
    Over,
    #[error("Both dialogs belong to the same call")]
    SameCall,
}

impl Refusal {
    const fn status(&self) -> u16 {
        match self {
            Refusal::Ringing | Refusal::UnderWay => 491,
            Refusal::Users | Refusal::Outside | Refusal::SameParty(_) => 403,
            Refusal::Loop => 482,
            Refusal::Domain(_) => 404,
            Refusal::NoDialog => 481,
            Refusal::Answered => 486,
            Refusal::Over => 603,
            Refusal::SameCall => 400,
        }
    }
}

impl Switch {
    /// A REFER inside a call: the party on `side` wants its place to be taken.
    pub(super) fn on_refer(
        &mut self,
        session: Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let refuse = |this: &mut Self, status: u16, reason: &str, now: Time| {
            this.endpoint.respond(tx, request.response(status).with_reason(reason), now);
        };
        let refer = match Refer::read(request) {
            Ok(refer) => refer,
            Err(error) => {
                refuse(self, error.status(), &error.to_string(), cx.now);
                return Some(session);
            }
        };
        if let Err(refusal) = self.may_transfer(&session, side) {
            refuse(self, refusal.status(), &refusal.to_string(), cx.now);
            return Some(session);
        }
        match &refer.replaces {
            Some(replaces) => {
                let replaces = replaces.clone();
                self.refer_with_replaces(session, side, tx, request, &refer, &replaces, cx)
            }
            None => self.blind(session, side, tx, request, &refer, cx),
        }
    }

    fn blind(
        &mut self,
        mut session: Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        refer: &Refer,
        cx: &mut Cx<'_>,
    ) -> Option<Session> {
        let directory = Arc::clone(&self.directory);
        let placed =
            self.transfer_destination(&session, side, &refer.to, request, &directory, cx).and_then(|to| match flow_at(
                &directory, &to,
            ) {
                Some(start) => self.place_in_flow(&session, side, to, start, request, cx),
                None => self.place(&session, side, to, request, &directory, cx),
            });
        match placed {
            Ok(mut transfer) => {
                self.accept_refer(&session, side, tx, request, refer, &mut transfer.reports, cx);
                session.transfer = Some(Box::new(transfer));
                self.report_progress(&mut session, 100, cx);
                self.led_event(session, Event::Begin, cx)
            }
            Err(response) => {
                self.endpoint.respond(tx, *response, cx.now);
                Some(session)
            }
        }
    }

    /// 202, and the subscription that it begins unless nobody wants it.
    #[allow(clippy::too_many_arguments, reason = "the request, its transaction and what it is about")]
    fn accept_refer(
        &mut self,
        session: &Session,
        side: Side,
        tx: ServerTx,
        request: &Request,
        refer: &Refer,
        reports: &mut Option<Reports>,
        cx: &mut Cx<'_>,
    ) {
        let leg = session.leg(side);
        let mut response = request.response(202).with_header("Contact", leg.contact.clone());
        if !refer.reports {
            response = response.with_header("Refer-Sub", "false");
        }
        self.endpoint.respond(tx, response, cx.now);
        *reports = leg.dialog.as_ref().filter(|_| refer.reports).map(|dialog| Reports {
            dialog: dialog.id(),
            event: refer.event.clone(),
            last: 0,
        });
    }

    /// Whether the party on `side` may transfer this call now. Of the outside its trunk says, else
    /// the company.
    fn may_transfer(&self, session: &Session, side: Side) -> Result<(), Refusal> {
        match &session.phase {
            Phase::Ringing(_) => return Err(Refusal::Ringing),
            Phase::Talking => {}
        }
        let settings = &session.settings;
        match session.leg(side).trunk {
            Some(trunk) => {
                let own = self.directory.trunk(trunk).and_then(|trunk| trunk.settings.transfer_from_outside);
                if !own.unwrap_or(settings.transfer_from_outside) {
                    return Err(Refusal::Outside);
                }
            }
            None if !settings.transfer => return Err(Refusal::Users),
            None => {}
        }
        if session.transfer.is_some() {
            return Err(Refusal::UnderWay);
        }
        match session.record.joined.len() >= MOST {
            true => Err(Refusal::Loop),
            false => Ok(()),
        }
    }
}
