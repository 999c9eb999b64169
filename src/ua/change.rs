//! Changes of a call that is up: hold, unhold, another media address, from either side.

use super::call::{Call, Purpose, SDP, Sent};
use super::phone::Phone;
use super::talk::Talk;
use super::{Ending, PhoneError, PhoneEvent};
use crate::base::{Random, Span, Time};
use crate::sdp::{Flow, Local, Pending};
use crate::sip::endpoint::{ClientTx, ServerTx};
use crate::sip::message::{Method, Request, Response};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What we want of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    pub flow: Flow,
    /// On hold in the manner of RFC 2543, which says 0.0.0.0 instead of a direction.
    pub by_address: bool,
    /// Where we want to receive.
    pub media_at: SocketAddr,
}

impl Wish {
    /// To hear each other.
    pub(super) const fn open(media_at: SocketAddr) -> Self {
        Wish { flow: Flow::SendRecv, by_address: false, media_at }
    }

    /// The far side is to wait.
    pub(super) const fn holds(&self) -> bool {
        !self.flow.receives() || self.by_address
    }
}

/// A re-INVITE of ours. `before` is what holds again when it is refused.
///
/// Settled ─hold, …─► Asked ─2xx─► Settled
///                      └─491─► Waiting ─a moment later─► Asked
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Settled,
    Asked { tx: ClientTx, before: Wish },
    Waiting { at: Time, before: Wish },
}

impl Change {
    pub(super) fn next_timeout(&self) -> Option<Time> {
        match self {
            Change::Waiting { at, .. } => Some(*at),
            Change::Settled | Change::Asked { .. } => None,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Change::Settled)
    }

    /// Whether an open offer of ours belongs to it.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self, Change::Asked { .. })
    }
}

impl Phone {
    /// The far side is to wait; it hears silence. [`PhoneEvent::Changed`] follows.
    pub fn hold(&mut self, now: Time) -> Result<(), PhoneError> {
        self.change(|wish| Wish { flow: Flow::SendOnly, ..wish }, now)
    }

    pub fn unhold(&mut self, now: Time) -> Result<(), PhoneError> {
        self.change(|wish| Wish { flow: Flow::SendRecv, by_address: false, ..wish }, now)
    }

    /// From now on media is wanted at `media_at`, for this call.
    pub fn move_media(&mut self, media_at: SocketAddr, now: Time) -> Result<(), PhoneError> {
        self.change(|wish| Wish { media_at, ..wish }, now)
    }

    /// Any change by re-INVITE, also one that changes nothing. [`PhoneEvent::Changed`] follows.
    pub fn change(&mut self, change: impl FnOnce(Wish) -> Wish, now: Time) -> Result<(), PhoneError> {
        let Call::Talking(talk) = &mut self.call else { return Err(PhoneError::NoCall) };
        if !talk.change.is_settled() || talk.exchange.pending() != Pending::None {
            return Err(PhoneError::ChangePending);
        }
        let before = talk.wish;
        talk.wish = change(before);
        self.ask(before, now)
    }

    fn ask(&mut self, before: Wish, now: Time) -> Result<(), PhoneError> {
        let contact = self.contact().to_string();
        let Call::Talking(talk) = &self.call else { return Err(PhoneError::NoCall) };
        let local = self.local_of(talk);
        let Call::Talking(talk) = &mut self.call else { return Err(PhoneError::NoCall) };
        let offer = talk.exchange.offer(local)?;
        let request = talk.dialog.request(Method::Invite, &contact).with_body(SDP, offer);
        let tx = self.send(Sent::new(request, Purpose::Reinvite), now);
        if let Call::Talking(talk) = &mut self.call {
            talk.change = Change::Asked { tx, before };
        }
        Ok(())
    }

    fn local_of(&self, talk: &Talk) -> Local {
        let Wish { flow, by_address, media_at } = talk.wish;
        let nowhere: IpAddr = match media_at {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let ip = if by_address { nowhere } else { media_at.ip() };
        self.local(SocketAddr::new(ip, media_at.port()), flow)
    }

    pub(super) fn on_reinvite_response(&mut self, tx: ClientTx, sent: Sent, response: &Response, now: Time) {
        if response.is_provisional() {
            return;
        }
        let server = self.config.server;
        let Call::Talking(talk) = &mut self.call else { return };
        if response.is_success() {
            let seq = sent.request.cseq().map_or(0, |cseq| cseq.seq);
            let ack = talk.dialog.ack(seq, "");
            self.endpoint.ack(tx, ack, server, now, self.random.as_mut());
        }
        let Change::Asked { tx: asked, before } = talk.change else { return };
        if asked != tx {
            return;
        }
        match response.status {
            200..300 => self.on_taken(before, response, now),
            401 | 407 => match self.with_credentials(&sent, response) {
                Some(again) => {
                    let tx = self.send_in_dialog(again, now);
                    if let Call::Talking(talk) = &mut self.call {
                        talk.change = Change::Asked { tx, before };
                    }
                }
                None => self.on_change_refused(before, response.status),
            },
            491 => {
                talk.exchange.roll_back();
                let at = now + glare_wait(talk.placed, self.random.as_mut());
                talk.change = Change::Waiting { at, before };
            }
            status @ (408 | 481) => self.give_up(Ending::Refused { status }, now),
            status => self.on_change_refused(before, status),
        }
    }

    fn on_taken(&mut self, before: Wish, response: &Response, now: Time) {
        let Call::Talking(talk) = &mut self.call else { return };
        if let Some(contact) = response.contact() {
            talk.dialog.refresh_target(&contact);
        }
        match talk.exchange.receive_answer(&response.body) {
            Ok(_) => {
                talk.change = Change::Settled;
                self.events.extend(talk.apply());
                self.events.push_back(PhoneEvent::Changed);
            }
            Err(error) => {
                let status = error.status();
                self.on_change_refused(before, status);
                self.give_up(Ending::Refused { status }, now);
            }
        }
    }

    fn on_change_refused(&mut self, before: Wish, status: u16) {
        let Call::Talking(talk) = &mut self.call else { return };
        talk.exchange.roll_back();
        talk.wish = before;
        talk.change = Change::Settled;
        self.events.push_back(PhoneEvent::ChangeFailed { status });
    }

    pub(super) fn talk_timeout(&mut self, now: Time) {
        let Call::Talking(talk) = &self.call else { return };
        if let Change::Waiting { at, before } = talk.change
            && at <= now
            && self.ask(before, now).is_err()
        {
            // Their offer came in between: it is answered at once, so a moment later will do.
            let at = now + Span::from_millis(100);
            if let Call::Talking(talk) = &mut self.call {
                talk.change = Change::Waiting { at, before };
            }
        }
    }

    /// A re-INVITE or UPDATE of the far side. Without an offer a re-INVITE gets ours, and an
    /// UPDATE only refreshes.
    pub(super) fn on_change_request(&mut self, tx: ServerTx, request: &Request, now: Time) {
        let Call::Talking(talk) = &self.call else { return };
        let local = self.local_of(talk);
        let Call::Talking(talk) = &mut self.call else { return };
        let said = match (request.body.is_empty(), &request.method) {
            (true, Method::Invite) => talk.exchange.offer(local).map(Some),
            (true, _) => Ok(None),
            (false, _) => talk.exchange.receive_offer(&request.body).and_then(|_| {
                let answered = talk.exchange.answer(local, None);
                if answered.is_err() {
                    talk.exchange.roll_back();
                }
                answered.map(|(body, _)| Some(body))
            }),
        };
        let body = match said {
            Ok(body) => body,
            Err(error) => {
                let mut response = request.response(error.status());
                if response.status == 500 {
                    response.headers.push("Retry-After", "1");
                }
                return self.reply(tx, response, now);
            }
        };
        if let Some(contact) = request.contact() {
            talk.dialog.refresh_target(&contact);
        }
        let tag = talk.dialog.local_tag.clone();
        let event = talk.exchange.pending().eq(&Pending::None).then(|| talk.apply()).flatten();
        self.events.extend(event);
        let response = self.within(request.response(200), &tag);
        let response = match body {
            Some(body) => response.with_body(SDP, body),
            None => response,
        };
        self.reply(tx, response, now);
    }
}

/// 2.1 to 4 s for the side that placed the call, up to 2 s for the other, in steps of 10 ms
/// (RFC 3261 §14.1).
fn glare_wait(placed: bool, random: &mut dyn Random) -> Span {
    let steps = u64::from(random.u32());
    match placed {
        true => Span::from_millis(2_100 + 10 * (steps % 191)),
        false => Span::from_millis(10 * (steps % 201)),
    }
}
