//! Once more: an INVITE that was refused for what it said, not for whom it called.
//!
//! | refused with | goes out again with |
//! |---|---|
//! | 401, 407 | the trunk's password |
//! | 422 | the interval that the far side asks for (RFC 4028 §7.4) |
//! | 415, 488, 606 | all codecs of the company; where that was said, without encryption if that may be |

use super::codecs::offer_more;
use super::fork::Branch;
use super::session::Session;
use super::switch::{Cx, Purpose, Switch};
use crate::directory::Settings;
use crate::sdp::OfferAnswer;
use crate::sip::endpoint::ClientTx;
use crate::sip::message::{Request, Response};
use crate::sip::session_timer;
use crate::trunk::is_challenge;
use bytes::Bytes;

impl Switch {
    /// The branch that takes the place of one that was refused; `None` where the refusal stands.
    pub(super) fn try_again(
        &mut self,
        session: &Session,
        tx: ClientTx,
        response: &Response,
        cx: &mut Cx<'_>,
    ) -> Option<Branch> {
        let branch = session.branch(tx)?;
        if is_challenge(response.status) {
            return self.prove_branch(session, branch, response, cx);
        }
        let Branch { mut request, mut exchange, mut timer_policy, .. } = branch.clone();
        match response.status {
            422 if timer_policy == self.config.session_timer => {
                timer_policy = session_timer::after_422(response, &timer_policy)?;
                session_timer::offer(&mut request.headers, &timer_policy);
            }
            415 | 488 | 606 => {
                let offer = offer_instead(&mut exchange, &session.settings)?;
                request = request.with_body("application/sdp", offer);
            }
            _ => return None,
        }
        let cseq = request.cseq().ok()?.seq + 1;
        request.headers.set("CSeq", format!("{cseq} INVITE"));
        let mut again = self.send_like(session, branch, request, exchange, cx);
        again.timer_policy = timer_policy;
        self.goes_over(&mut again, branch.line, branch.otherwise.clone(), branch.tries, cx);
        Some(again)
    }

    /// Another INVITE to where a branch leads.
    pub(super) fn send_like(
        &mut self,
        session: &Session,
        branch: &Branch,
        request: Request,
        exchange: OfferAnswer,
        cx: &mut Cx<'_>,
    ) -> Branch {
        let purpose = Purpose::Ring { call: session.id() };
        let (contact, whom) = (branch.contact.clone(), branch.whom.clone());
        self.send_branch(purpose, request, branch.peer, contact, exchange, whom, cx)
    }
}

/// What a device does not take may be the codecs or the encryption; few say which. The codecs
/// come first: no call is to be less safe than it could be.
fn offer_instead(exchange: &mut OfferAnswer, settings: &Settings) -> Option<Bytes> {
    let more = exchange.open_wish().and_then(|said| offer_more(said, settings));
    match more {
        Some(more) => exchange.offer_instead(more),
        None => exchange.offer_plainly(),
    }
}
