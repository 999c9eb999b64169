//! What the transferor hears of its transfer: NOTIFY with the status line (RFC 3515 §2.4.4).

use super::super::fork::hop;
use super::super::session::Session;
use super::super::switch::{Cx, Purpose, Switch};
use super::Reports;
use crate::base::CallId;
use crate::sip::dialog::{Dialog, DialogId};
use crate::sip::message::{Method, Request};
use crate::sip::refer::{SIPFRAG, report, subscription_state};

impl Switch {
    /// Tells the transferor how far the transfer is. What was said is not said again.
    pub(in crate::call) fn report_progress(&mut self, session: &mut Session, status: u16, cx: &mut Cx<'_>) {
        let call = session.id();
        let Some(transfer) = &mut session.transfer else { return };
        let side = transfer.side;
        let Some(reports) = transfer.reports.as_mut().filter(|reports| status > reports.last) else { return };
        reports.last = status;
        let (id, event) = (reports.dialog.clone(), reports.event.clone());
        let leg = session.leg_mut(side);
        let contact = leg.contact.clone();
        if let Some(dialog) = leg.dialog.as_mut().filter(|dialog| dialog.id() == id) {
            let request = notify(dialog, &contact, &event, status);
            let (peer, trunk) = (hop(&leg.peer, dialog, leg.trunk), leg.trunk);
            let tx = self.send(request, peer, contact, Purpose::Notify { call, dialog: id }, cx);
            self.belongs_to(tx, trunk, 0);
            return;
        }
        // It has said BYE: the subscription outlives the call (RFC 5057 §4.1).
        let reports = Reports { dialog: id, event, last: status };
        self.report_to_leaver(call, &reports, status, cx);
    }

    /// Tells one that is on no call any more; `false` where it is not known.
    pub(super) fn report_to_leaver(&mut self, call: CallId, reports: &Reports, status: u16, cx: &mut Cx<'_>) -> bool {
        let Some(leaver) = self.leavers.get_mut(&reports.dialog) else { return false };
        let request = notify(&mut leaver.dialog, &leaver.contact, &reports.event, status);
        let (peer, contact, trunk) = (leaver.hop(), leaver.contact.clone(), leaver.trunk);
        let tx = self.send(request, peer, contact, Purpose::Notify { call, dialog: reports.dialog.clone() }, cx);
        self.belongs_to(tx, trunk, 0);
        true
    }

    /// What a NOTIFY was answered with; lost ones count as 408. A transferor that does not know
    /// the subscription hears no more of it; one whose place is taken is let go.
    pub(in crate::call) fn on_notify_answered(
        &mut self,
        call: CallId,
        dialog: &DialogId,
        status: u16,
        cx: &mut Cx<'_>,
    ) {
        let ended = matches!(status, 408 | 481 | 489);
        if let Some(transfer) = self.sessions.get_mut(&call).and_then(|session| session.transfer.as_mut()) {
            transfer.reports = transfer.reports.take().filter(|reports| !(ended && reports.dialog == *dialog));
        }
        self.release_leaver(dialog, cx);
    }
}

fn notify(dialog: &mut Dialog, contact: &str, event: &str, status: u16) -> Request {
    dialog
        .request(Method::Notify, contact)
        .with_header("Event", event)
        .with_header("Subscription-State", subscription_state(status))
        .with_body(SIPFRAG, report(status))
}
