//! Text messages (RFC 3428): outside any dialog, one answer each.

use super::call::{Purpose, Sent};
use super::phone::Phone;
use super::{PhoneError, PhoneEvent};
use crate::base::Time;
use crate::sip::endpoint::ServerTx;
use crate::sip::message::{CSeq, Method, Request, Response};
use crate::sip::token;
use crate::sip::uri::{NameAddr, Uri};

const PLAIN: &str = "text/plain;charset=UTF-8";

impl Phone {
    /// Writes to an extension or number of our domain, or a whole `sip:` address.
    /// [`PhoneEvent::TextAnswered`] follows.
    pub fn text(&mut self, target: &str, text: &str, now: Time) -> Result<(), PhoneError> {
        let uri = match target.contains(':') {
            true => Uri::parse(target)?,
            false => Uri::sip(target, &self.config.domain),
        };
        let (call_id, tag) = (token(self.random.as_mut(), 12), token(self.random.as_mut(), 8));
        let mut request = Request::new(Method::Message, uri.clone());
        request.headers.push("From", self.address().with_tag(&tag).to_string());
        request.headers.push("To", NameAddr::new(uri).to_string());
        request.headers.push("Call-ID", call_id);
        request.headers.push("CSeq", CSeq { seq: 1, method: Method::Message }.to_string());
        let request = request.with_body(PLAIN, text.as_bytes().to_vec());
        self.send(Sent::new(request, Purpose::Text), now);
        Ok(())
    }

    /// Takes any text.
    pub(super) fn on_text(&mut self, tx: ServerTx, request: &Request, now: Time) {
        let from = request.from().map(|from| from.uri.user_unescaped().unwrap_or_default().to_string());
        let text = String::from_utf8_lossy(&request.body).into_owned();
        self.events.push_back(PhoneEvent::Text { from: from.unwrap_or_default(), text });
        self.reply(tx, request.response(200), now);
    }

    pub(super) fn on_text_response(&mut self, sent: &Sent, response: &Response, now: Time) {
        if response.is_provisional() {
            return;
        }
        match self.with_credentials(sent, response) {
            Some(again) => drop(self.send(again, now)),
            None => self.events.push_back(PhoneEvent::TextAnswered { status: response.status }),
        }
    }
}
