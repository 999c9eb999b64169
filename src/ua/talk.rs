//! A call that is up: requests inside it, digits, its end.

use super::call::{Call, Purpose, Sent};
use super::change::{Change, Wish};
use super::media::Media;
use super::phone::Phone;
use super::{Ending, PhoneError, PhoneEvent};
use crate::base::Time;
use crate::rtp::{event_of_key, key_of_event};
use crate::sdp::{OfferAnswer, Pending};
use crate::sip::dialog::{Dialog, DialogId};
use crate::sip::endpoint::{ClientTx, ServerTx};
use crate::sip::message::{Method, Request, Response};
use std::collections::VecDeque;
use std::net::SocketAddr;

const DTMF_RELAY: &str = "application/dtmf-relay";

/// A call that was answered.
pub(super) struct Talk {
    pub dialog: Dialog,
    pub exchange: OfferAnswer,
    /// `None` until the answer to a late offer of ours.
    pub media: Option<Media>,
    pub wish: Wish,
    /// The far side holds us.
    held: bool,
    /// It was our INVITE.
    pub placed: bool,
    pub change: Change,
    pub ack: Ack,
    info: InfoKeys,
}

/// The ACK of our 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ack {
    Awaited { hang_up: bool },
    Done,
}

/// Digits that go as INFO, one after the other is answered.
#[derive(Debug, Default)]
struct InfoKeys {
    queue: VecDeque<u8>,
    under_way: Option<ClientTx>,
}

impl Talk {
    pub(super) fn new(dialog: Dialog, exchange: OfferAnswer, media_at: SocketAddr, ack: Ack) -> Self {
        Talk {
            dialog,
            exchange,
            media: None,
            wish: Wish::open(media_at),
            held: false,
            placed: false,
            change: Change::Settled,
            ack,
            info: InfoKeys::default(),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        [self.media.as_ref().map(Media::next_timeout), self.change.next_timeout()].into_iter().flatten().min()
    }

    pub(super) fn info_keys_are_sent(&self) -> bool {
        self.info.queue.is_empty() && self.info.under_way.is_none()
    }

    pub(super) fn queue_info(&mut self, keys: &[u8]) {
        self.info.queue.extend(keys);
    }

    /// Whether hanging up has to wait; it will be done then.
    pub(super) fn wait_for_ack(&mut self) -> bool {
        match &mut self.ack {
            Ack::Awaited { hang_up } => {
                *hang_up = true;
                true
            }
            Ack::Done => false,
        }
    }

    /// What was agreed last holds from now on; says so where the far side holds or lets go.
    pub(super) fn apply(&mut self) -> Option<PhoneEvent> {
        let negotiated = self.exchange.agreed()?.clone();
        let held = negotiated.held;
        if let Some(media) = &mut self.media {
            media.renegotiate(negotiated);
            media.muted = self.wish.holds();
        }
        let before = std::mem::replace(&mut self.held, held);
        match (before, held) {
            (false, true) => Some(PhoneEvent::Held),
            (true, false) => Some(PhoneEvent::Unheld),
            (false, false) | (true, true) => None,
        }
    }
}

impl Phone {
    /// Presses keys, one after another: as events where they were agreed, as INFO where that is
    /// switched on. [`PhoneEvent::DigitsSent`] follows.
    pub fn digits(&mut self, keys: &str, now: Time) -> Result<(), PhoneError> {
        if let Some(bad) = keys.bytes().find(|key| event_of_key(*key).is_none()) {
            return Err(PhoneError::Key(bad));
        }
        let Call::Talking(talk) = &mut self.call else { return Err(PhoneError::NoCall) };
        let Some(media) = &mut talk.media else { return Err(PhoneError::NoCall) };
        let events = media.negotiated().send_events.is_some();
        if !events && !self.config.info_digits {
            return Err(PhoneError::NoDigits);
        }
        if events {
            media.press(keys.as_bytes());
        }
        if self.config.info_digits {
            talk.queue_info(keys.as_bytes());
            self.send_info(now);
        }
        Ok(())
    }

    pub(super) fn send_info(&mut self, now: Time) {
        let Call::Talking(talk) = &mut self.call else { return };
        if talk.info.under_way.is_some() {
            return;
        }
        let Some(key) = talk.info.queue.pop_front() else { return };
        let body = format!("Signal={}\r\nDuration=100\r\n", char::from(key));
        let request = talk.dialog.request(Method::Info, "").with_body(DTMF_RELAY, body);
        let tx = self.send(Sent::new(request, Purpose::Info), now);
        if let Call::Talking(talk) = &mut self.call {
            talk.info.under_way = Some(tx);
        }
    }

    pub(super) fn on_info_response(&mut self, sent: Sent, response: &Response, now: Time) {
        if response.is_provisional() {
            return;
        }
        if let Some(again) = self.with_credentials(&sent, response) {
            let tx = self.send_in_dialog(again, now);
            if let Call::Talking(talk) = &mut self.call {
                talk.info.under_way = Some(tx);
            }
            return;
        }
        if matches!(response.status, 408 | 481) {
            return self.finish(Ending::Refused { status: response.status }, now);
        }
        let Call::Talking(talk) = &mut self.call else { return };
        talk.info.under_way = None;
        let done = talk.info_keys_are_sent() && talk.media.as_ref().is_none_or(Media::keys_are_sent);
        if done {
            self.events.push_back(PhoneEvent::DigitsSent);
        }
        self.send_info(now);
    }

    /// Sends a request again whose CSeq has moved on.
    pub(super) fn send_in_dialog(&mut self, sent: Sent, now: Time) -> ClientTx {
        if let (Call::Talking(talk), Ok(cseq)) = (&mut self.call, sent.request.cseq()) {
            talk.dialog.local_seq = talk.dialog.local_seq.max(cseq.seq);
        }
        self.send(sent, now)
    }

    pub(super) fn on_request_in_dialog(&mut self, tx: ServerTx, request: &Request, now: Time) {
        let accepted = match &mut self.call {
            Call::Talking(talk) => talk.dialog.accept(request).map_err(|error| error.status()),
            Call::Idle | Call::Calling(_) | Call::Ringing(_) => Err(481),
        };
        if let Err(status) = accepted {
            return self.reply(tx, request.response(status), now);
        }
        match &request.method {
            Method::Bye => {
                self.reply(tx, request.response(200), now);
                let reason = request.headers.get("Reason").map(str::to_owned);
                self.finish(Ending::There { reason }, now);
            }
            Method::Invite | Method::Update => self.on_change_request(tx, request, now),
            Method::Info => self.on_info(tx, request, now),
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Options
            | Method::Prack
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other(_) => self.answer_options(tx, request, now),
        }
    }

    fn on_info(&mut self, tx: ServerTx, request: &Request, now: Time) {
        let key = key_of_info(request);
        let known = request.body.is_empty() || key.is_some();
        self.reply(tx, request.response(if known { 200 } else { 415 }), now);
        self.events.extend(key.map(PhoneEvent::Digit));
    }

    /// The ACK of a 2xx of ours, first or later; it may bring the answer to a late offer.
    pub(super) fn on_ack(&mut self, request: &Request, now: Time) {
        let Call::Talking(talk) = &mut self.call else { return };
        if DialogId::of_request(request).as_ref() != Some(&talk.dialog.id()) {
            return;
        }
        let ours_is_open = talk.exchange.pending() == Pending::Ours && !talk.change.is_asked();
        let hang_up = std::mem::replace(&mut talk.ack, Ack::Done) == Ack::Awaited { hang_up: true };
        if ours_is_open {
            match talk.exchange.receive_answer(&request.body) {
                Ok(negotiated) if talk.media.is_none() => {
                    let media = Media::early(negotiated, now, self.random.as_mut());
                    talk.media = Some(media);
                }
                Ok(_) => {}
                Err(_) if talk.media.is_some() => {
                    talk.exchange.roll_back();
                }
                Err(error) => return self.give_up(Ending::Refused { status: error.status() }, now),
            }
            self.events.extend(talk.apply());
            if let Some(media) = &mut talk.media {
                media.begin(self.config.ptime_ms, now, self.random.as_mut());
            }
        }
        if hang_up {
            self.give_up(Ending::Here, now);
        }
    }

    /// Hangs up for a reason of ours.
    pub(super) fn give_up(&mut self, ending: Ending, now: Time) {
        if let Call::Talking(talk) = &self.call {
            let dialog = talk.dialog.clone();
            self.bye(dialog, now);
        }
        self.finish(ending, now);
    }

    pub(super) fn bye(&mut self, mut dialog: Dialog, now: Time) {
        let request = dialog.request(Method::Bye, "");
        self.send(Sent::new(request, Purpose::Bye), now);
    }
}

/// The key of an INFO: `Signal=` of `application/dtmf-relay`, or the body of `application/dtmf`;
/// a number above 9 is an event code.
fn key_of_info(request: &Request) -> Option<u8> {
    let body = std::str::from_utf8(&request.body).ok()?;
    let text = match request.content_type()?.as_str() {
        DTMF_RELAY => {
            let mut fields = body.lines().filter_map(|line| line.split_once('='));
            fields.find(|(name, _)| name.trim().eq_ignore_ascii_case("signal"))?.1.trim()
        }
        "application/dtmf" => body.trim(),
        _ => return None,
    };
    match text.as_bytes() {
        [key] => event_of_key(*key).and_then(key_of_event),
        _ => text.parse().ok().and_then(key_of_event),
    }
}
