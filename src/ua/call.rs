//! From nothing to a call: calling, ringing, answering, giving up.

use super::heard::Heard;
use super::media::Media;
use super::phone::Phone;
use super::talk::{Ack, Talk};
use super::{Ending, PhoneError, PhoneEvent};
use crate::base::Time;
use crate::sdp::{Flow, Negotiated, OfferAnswer, Pending, SdpError};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{ClientTx, ServerTx};
use crate::sip::message::{CSeq, Method, Request, Response};
use crate::sip::token;
use crate::sip::uri::{NameAddr, Uri};
use bytes::Bytes;

pub(super) const SDP: &str = "application/sdp";

/// The one call of a phone.
///
/// ```text
/// Idle ─call──► Calling ─2xx────► Talking ─BYE, failure─► Idle
///   └──INVITE─► Ringing ─answer─► Talking
///               (either ─refusal, CANCEL─► Idle)
/// ```
pub(super) enum Call {
    Idle,
    Calling(Box<Calling>),
    Ringing(Box<Ringing>),
    Talking(Box<Talk>),
}

/// Our INVITE is out.
pub(super) struct Calling {
    tx: ClientTx,
    exchange: OfferAnswer,
    cancelled: bool,
    /// After a provisional answer with a description.
    early: Option<Media>,
}

/// An INVITE waits for us.
pub(super) struct Ringing {
    tx: ServerTx,
    request: Request,
    dialog: Dialog,
    exchange: OfferAnswer,
    answer_at: Option<Time>,
    /// After a provisional answer of ours with a description.
    early: Option<Media>,
}

/// A request of ours.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// Without Via.
    pub request: Request,
    pub purpose: Purpose,
    /// How often it was sent with credentials.
    pub tries: u8,
}

impl Sent {
    pub(super) fn new(request: Request, purpose: Purpose) -> Self {
        Sent { request, purpose, tries: 0 }
    }
}

/// What a request of ours was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Register { removing: bool },
    Invite,
    Reinvite,
    Info,
    Bye,
    Text,
}

impl Call {
    pub(super) fn media_mut(&mut self) -> Option<&mut Media> {
        match self {
            Call::Idle => None,
            Call::Calling(calling) => calling.early.as_mut(),
            Call::Ringing(ringing) => ringing.early.as_mut(),
            Call::Talking(talk) => talk.media.as_mut(),
        }
    }

    pub(super) fn info_keys_are_sent(&self) -> bool {
        match self {
            Call::Idle | Call::Ringing(_) | Call::Calling(_) => true,
            Call::Talking(talk) => talk.info_keys_are_sent(),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        match self {
            Call::Idle => None,
            Call::Calling(calling) => calling.early.as_ref().map(Media::next_timeout),
            Call::Ringing(ringing) => {
                [ringing.answer_at, ringing.early.as_ref().map(Media::next_timeout)].into_iter().flatten().min()
            }
            Call::Talking(talk) => talk.next_timeout(),
        }
    }
}

impl Phone {
    /// Calls an extension or number of our domain, or a whole `sip:` address.
    pub fn call(&mut self, target: &str, now: Time) -> Result<(), PhoneError> {
        self.place(target, false, now)
    }

    /// Calls without an offer: the far side makes one when it answers, and ACK brings our answer
    /// (RFC 3261 §13.2.1).
    pub fn call_without_offer(&mut self, target: &str, now: Time) -> Result<(), PhoneError> {
        self.place(target, true, now)
    }

    fn place(&mut self, target: &str, without_offer: bool, now: Time) -> Result<(), PhoneError> {
        if !self.is_idle() {
            return Err(PhoneError::Busy);
        }
        let uri = match target.contains(':') {
            true => Uri::parse(target)?,
            false => Uri::sip(target, &self.config.domain),
        };
        let mut exchange = self.exchange();
        let offer = match without_offer {
            true => None,
            false => Some(exchange.offer(self.local(self.config.media, Flow::SendRecv))?),
        };
        let random = self.random.as_mut();
        let (call_id, tag) = (token(random, 12), token(random, 8));
        let mut request = Request::new(Method::Invite, uri.clone());
        request.headers.push("From", self.address().with_tag(&tag).to_string());
        request.headers.push("To", NameAddr::new(uri).to_string());
        request.headers.push("Call-ID", call_id);
        request.headers.push("CSeq", CSeq { seq: 1, method: Method::Invite }.to_string());
        request.headers.push("Contact", self.contact().to_string());
        request.headers.push("Allow", self.endpoint.capabilities().allow());
        // What older INVITEs could still bring is of no interest once the next call begins.
        self.sent.retain(|_, sent| sent.purpose != Purpose::Invite);
        self.heard = Heard::new(self.config.hear);
        let request = match offer {
            Some(offer) => request.with_body(SDP, offer),
            None => request,
        };
        let tx = self.send(Sent::new(request, Purpose::Invite), now);
        self.call = Call::Calling(Box::new(Calling { tx, exchange, cancelled: false, early: None }));
        Ok(())
    }

    /// Says 183 with our answer, from which on both may speak, as far as nothing was said before.
    pub fn progress(&mut self, now: Time) -> Result<(), PhoneError> {
        let local = self.local(self.config.media, Flow::SendRecv);
        let Phone { call, random, .. } = self;
        let Call::Ringing(ringing) = call else { return Err(PhoneError::NoCall) };
        let (body, negotiated) = ringing.exchange.answer(local, None)?;
        ringing.early = Some(Media::early(negotiated, now, random.as_mut()));
        let (tx, response, tag) = (ringing.tx, ringing.request.response(183), ringing.dialog.local_tag.clone());
        let response = self.within(response, &tag).with_body(SDP, body);
        self.reply(tx, response, now);
        Ok(())
    }

    /// Answers the call that rings.
    pub fn answer(&mut self, now: Time) -> Result<(), PhoneError> {
        let ringing = match std::mem::replace(&mut self.call, Call::Idle) {
            Call::Ringing(ringing) => ringing,
            other @ (Call::Idle | Call::Calling(_) | Call::Talking(_)) => {
                self.call = other;
                return Err(PhoneError::NoCall);
            }
        };
        let Ringing { tx, request, dialog, mut exchange, answer_at: _, early } = *ringing;
        let media_at = self.config.media;
        let local = self.local(media_at, Flow::SendRecv);
        // A late offer is ours; its answer comes with the ACK (RFC 3264 §4).
        let said = match (exchange.open_offer(), exchange.said().cloned()) {
            (Some(_), _) => exchange.answer(local, None).map(|(body, negotiated)| (body, Some(negotiated))),
            // Said in the 183, and once more, since that may have been lost.
            (None, Some(body)) => Ok((body, exchange.agreed().cloned())),
            (None, None) => exchange.offer(local).map(|body| (body, None)),
        };
        let (body, negotiated) = match said {
            Ok(said) => said,
            Err(error) => {
                self.reply(tx, request.response(error.status()), now);
                self.events.push_back(PhoneEvent::Ended(Ending::Refused { status: error.status() }));
                return Err(error.into());
            }
        };
        let response = self.within(request.response(200), &dialog.local_tag).with_body(SDP, body);
        self.reply(tx, response, now);
        let mut talk = Talk::new(dialog, exchange, media_at, Ack::Awaited { hang_up: false });
        talk.media = negotiated.map(|negotiated| {
            let media = early.unwrap_or_else(|| Media::early(negotiated, now, self.random.as_mut()));
            self.speaking(media, now)
        });
        self.call = Call::Talking(Box::new(talk));
        self.events.push_back(PhoneEvent::Answered);
        Ok(())
    }

    /// Refuses the call that rings with a status of 300 to 699.
    pub fn refuse(&mut self, status: u16, now: Time) -> Result<(), PhoneError> {
        let Call::Ringing(ringing) = &self.call else { return Err(PhoneError::NoCall) };
        let (tx, response) = (ringing.tx, ringing.request.response(status.clamp(300, 699)));
        self.reply(tx, response, now);
        self.finish(Ending::Refused { status }, now);
        Ok(())
    }

    /// Ends the call in whatever state it is.
    pub fn hang_up(&mut self, now: Time) -> Result<(), PhoneError> {
        match &mut self.call {
            Call::Idle => Err(PhoneError::NoCall),
            Call::Calling(calling) => {
                calling.cancelled = true;
                let tx = calling.tx;
                self.endpoint.cancel(tx, now, self.random.as_mut());
                Ok(())
            }
            Call::Ringing(_) => self.refuse(603, now),
            Call::Talking(talk) => {
                // The callee says no BYE before the ACK (RFC 3261 §15).
                if talk.wait_for_ack() {
                    return Ok(());
                }
                self.give_up(Ending::Here, now);
                Ok(())
            }
        }
    }

    pub(super) fn speaking(&mut self, mut media: Media, now: Time) -> Media {
        media.begin(self.config.ptime_ms, now, self.random.as_mut());
        media
    }

    /// A response that makes or keeps a dialog.
    pub(super) fn within(&self, response: Response, local_tag: &str) -> Response {
        response
            .with_to_tag(local_tag)
            .with_header("Contact", self.contact().to_string())
            .with_header("Allow", self.endpoint.capabilities().allow())
    }

    pub(super) fn on_invite(&mut self, tx: ServerTx, request: Request, now: Time) {
        if !self.is_idle() {
            return self.reply(tx, request.response(486), now);
        }
        match self.ring(tx, &request, now) {
            Ok(ringing) => {
                let named = |address: Option<NameAddr>| address.map(|a| shown(&a.uri)).unwrap_or_default();
                let (from, to) = (named(request.from().ok()), shown(&request.uri));
                self.heard = Heard::new(self.config.hear);
                self.call = Call::Ringing(Box::new(ringing));
                self.events.push_back(PhoneEvent::Incoming { from, to });
            }
            Err(status) => self.reply(tx, request.response(status), now),
        }
    }

    fn ring(&mut self, tx: ServerTx, request: &Request, now: Time) -> Result<Ringing, u16> {
        let mut exchange = self.exchange();
        if !request.body.is_empty() {
            exchange.receive_offer(&request.body).map_err(|error| error.status())?;
        }
        let tag = token(self.random.as_mut(), 8);
        let dialog = Dialog::uas(request, &tag).map_err(|error| error.status())?;
        let response = self.within(request.response(180), &tag);
        self.reply(tx, response, now);
        let answer_at = self.config.auto_answer.map(|after| now + after);
        Ok(Ringing { tx, request: request.clone(), dialog, exchange, answer_at, early: None })
    }

    pub(super) fn on_cancelled(&mut self, tx: ServerTx, now: Time) {
        let Call::Ringing(ringing) = &self.call else { return };
        if ringing.tx == tx {
            let response = ringing.request.response(487);
            self.reply(tx, response, now);
            self.finish(Ending::Cancelled, now);
        }
    }

    pub(super) fn on_response(&mut self, tx: ClientTx, response: &Response, now: Time) {
        let Some(sent) = self.sent.get(&tx).cloned() else { return };
        // A 2xx of an INVITE may have siblings.
        let forks = sent.purpose == Purpose::Invite && response.is_success();
        if response.is_final() && !forks {
            self.sent.remove(&tx);
        }
        match sent.purpose {
            Purpose::Register { removing } => self.on_register_response(sent, removing, response, now),
            Purpose::Invite => self.on_invite_response(tx, sent, response, now),
            Purpose::Reinvite => self.on_reinvite_response(tx, sent, response, now),
            Purpose::Info => self.on_info_response(sent, response, now),
            Purpose::Text => self.on_text_response(&sent, response, now),
            Purpose::Bye => {
                if let Some(again) = self.with_credentials(&sent, response) {
                    self.send(again, now);
                }
            }
        }
    }

    pub(super) fn on_failed(&mut self, tx: ClientTx, status: u16, now: Time) {
        let Some(sent) = self.sent.remove(&tx) else { return };
        match sent.purpose {
            Purpose::Register { removing: _ } => self.on_register_failed(status, now),
            Purpose::Invite => self.on_call_refused(tx, status, now),
            // The far side is gone (RFC 3261 §12.2.1.2).
            Purpose::Reinvite | Purpose::Info => self.give_up(Ending::Refused { status }, now),
            Purpose::Text => self.events.push_back(PhoneEvent::TextAnswered { status }),
            Purpose::Bye => {}
        }
    }

    fn on_invite_response(&mut self, tx: ClientTx, sent: Sent, response: &Response, now: Time) {
        if response.is_success() {
            self.on_call_answered(tx, &sent, response, now);
        } else if response.is_provisional() {
            self.on_progress(tx, response, now);
        } else if self.calling(tx).is_some_and(|calling| !calling.cancelled)
            && let Some(again) = self.with_credentials(&sent, response)
        {
            let next = self.send(again, now);
            if let Call::Calling(calling) = &mut self.call {
                calling.tx = next;
            }
        } else {
            self.on_call_refused(tx, response.status, now);
        }
    }

    fn calling(&mut self, tx: ClientTx) -> Option<&mut Calling> {
        match &mut self.call {
            Call::Calling(calling) if calling.tx == tx => Some(calling),
            Call::Calling(_) | Call::Idle | Call::Ringing(_) | Call::Talking(_) => None,
        }
    }

    fn on_progress(&mut self, tx: ClientTx, response: &Response, now: Time) {
        let Phone { call, random, .. } = self;
        let Call::Calling(calling) = call else { return };
        if calling.tx != tx || response.status == 100 {
            return;
        }
        if let Ok(negotiated) = calling.exchange.preview_answer(&response.body) {
            match &mut calling.early {
                Some(media) => media.renegotiate(negotiated),
                None => calling.early = Some(Media::early(negotiated, now, random.as_mut())),
            }
        }
        self.events.push_back(PhoneEvent::Ringing { status: response.status });
    }

    fn on_call_refused(&mut self, tx: ClientTx, status: u16, now: Time) {
        let Some(cancelled) = self.calling(tx).map(|calling| calling.cancelled) else { return };
        self.finish(if cancelled { Ending::Here } else { Ending::Refused { status } }, now);
    }

    /// The first 2xx is our call; another branch's, and one that crossed our CANCEL, is hung up.
    fn on_call_answered(&mut self, tx: ClientTx, sent: &Sent, response: &Response, now: Time) {
        let Ok(dialog) = Dialog::uac(&sent.request, response) else {
            return self.on_call_refused(tx, 500, now);
        };
        let ack = dialog.ack(dialog.local_seq, "");
        let server = self.config.server;
        if self.calling(tx).is_none() {
            self.endpoint.ack(tx, ack, server, now, self.random.as_mut());
            return self.bye(dialog, now);
        }
        let Call::Calling(calling) = std::mem::replace(&mut self.call, Call::Idle) else { return };
        let Calling { tx: _, mut exchange, cancelled, early } = *calling;
        let media_at = self.config.media;
        let (ack, negotiated) = match exchange.pending() {
            Pending::Ours => (ack, exchange.receive_answer(&response.body)),
            Pending::None | Pending::Theirs => match self.answer_late(&mut exchange, &response.body) {
                Ok((body, negotiated)) => (ack.with_body(SDP, body), Ok(negotiated)),
                Err(error) => (ack, Err(error)),
            },
        };
        self.endpoint.ack(tx, ack, server, now, self.random.as_mut());
        let mut talk = Talk::new(dialog, exchange, media_at, Ack::Done);
        talk.placed = true;
        if let Ok(negotiated) = &negotiated {
            let media = match early {
                Some(mut media) => {
                    media.renegotiate(negotiated.clone());
                    media
                }
                None => Media::early(negotiated.clone(), now, self.random.as_mut()),
            };
            talk.media = Some(self.speaking(media, now));
        }
        self.call = Call::Talking(Box::new(talk));
        match (negotiated, cancelled) {
            (Ok(_), false) => self.events.push_back(PhoneEvent::Answered),
            (Ok(_), true) => self.give_up(Ending::Here, now),
            (Err(error), _) => self.give_up(Ending::Refused { status: error.status() }, now),
        }
    }

    fn answer_late(&self, exchange: &mut OfferAnswer, offer: &[u8]) -> Result<(Bytes, Negotiated), SdpError> {
        exchange.receive_offer(offer)?;
        exchange.answer(self.local(self.config.media, Flow::SendRecv), None)
    }

    pub(super) fn call_timeout(&mut self, now: Time) {
        let rings_out = matches!(&self.call, Call::Ringing(ringing) if ringing.answer_at.is_some_and(|at| at <= now));
        if rings_out {
            // Where it fails the caller has its refusal and the event is queued.
            let _ = self.answer(now);
        }
        self.talk_timeout(now);
    }

    /// The call is over, and the far side knows.
    pub(super) fn finish(&mut self, ending: Ending, now: Time) {
        let media = match std::mem::replace(&mut self.call, Call::Idle) {
            Call::Idle => return,
            Call::Ringing(ringing) => ringing.early,
            Call::Calling(calling) => calling.early,
            Call::Talking(talk) => talk.media,
        };
        if let Some(media) = media {
            media.end(now, &mut self.out, &mut self.counters);
        }
        self.events.push_back(PhoneEvent::Ended(ending));
    }
}

/// Who it is, for people: the user part, or the host where there is none.
fn shown(uri: &Uri) -> String {
    uri.user_unescaped().unwrap_or_else(|| uri.host.to_string())
}
