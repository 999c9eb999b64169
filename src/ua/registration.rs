//! Registering and staying registered (RFC 3261 §10), and answers to challenges.

use super::PhoneEvent;
use super::call::{Purpose, Sent};
use super::phone::Phone;
use crate::base::{Span, Time};
use crate::sip::message::{CSeq, Method, Request, Response};
use crate::sip::uri::{NameAddr, Uri};
use crate::sip::{digest, token};

/// How often one request is tried with credentials: a second time where the nonce was stale.
const MOST_TRIES: u8 = 2;
/// After a failure it tries again this much later.
const RETRY: Span = Span::from_secs(30);

/// Off ─register─► Asking ─2xx─► On ─half of the time─► Asking
///                   └─refused─► Off (no answer: Retrying)
#[derive(Debug, Default)]
pub(super) enum Registration {
    #[default]
    Off,
    Asking(Series),
    On {
        series: Series,
        refresh_at: Time,
    },
    Retrying {
        series: Series,
        at: Time,
    },
}

/// What all REGISTERs of a phone share (RFC 3261 §10.2).
#[derive(Clone, Debug)]
pub(super) struct Series {
    call_id: String,
    from_tag: String,
    seq: u32,
    /// The interval that it asks for, in s.
    expires_s: u64,
}

impl Registration {
    pub(super) fn next_timeout(&self) -> Option<Time> {
        match self {
            Registration::Off | Registration::Asking(_) => None,
            Registration::On { refresh_at, .. } => Some(*refresh_at),
            Registration::Retrying { at, .. } => Some(*at),
        }
    }

    fn series(&self) -> Option<&Series> {
        match self {
            Registration::Off => None,
            Registration::Asking(series) | Registration::On { series, .. } | Registration::Retrying { series, .. } => {
                Some(series)
            }
        }
    }
}

impl Phone {
    pub fn register(&mut self, now: Time) {
        let series = self.series();
        self.send_register(series, false, now);
    }

    /// Removes this phone's binding.
    pub fn unregister(&mut self, now: Time) {
        let series = self.series();
        self.send_register(series, true, now);
    }

    fn series(&mut self) -> Series {
        match self.registration.series() {
            Some(series) => series.clone(),
            None => Series {
                call_id: token(self.random.as_mut(), 12),
                from_tag: token(self.random.as_mut(), 8),
                seq: 0,
                expires_s: self.config.register_for.0 / 1_000_000,
            },
        }
    }

    fn send_register(&mut self, mut series: Series, removing: bool, now: Time) {
        series.seq += 1;
        let mut request = Request::new(Method::Register, Uri::sip("", &self.config.domain));
        let address = self.address();
        request.headers.push("From", address.clone().with_tag(&series.from_tag).to_string());
        request.headers.push("To", NameAddr { display: None, ..address }.to_string());
        request.headers.push("Call-ID", series.call_id.clone());
        request.headers.push("CSeq", CSeq { seq: series.seq, method: Method::Register }.to_string());
        request.headers.push("Contact", self.contact().to_string());
        let expires = if removing { 0 } else { series.expires_s };
        request.headers.push("Expires", expires.to_string());
        self.registration = Registration::Asking(series);
        self.send(Sent::new(request, Purpose::Register { removing }), now);
    }

    pub(super) fn on_register_response(&mut self, sent: Sent, removing: bool, response: &Response, now: Time) {
        if response.is_provisional() {
            return;
        }
        if let Some(again) = self.with_credentials(&sent, response) {
            if let Registration::Asking(series) = &mut self.registration {
                series.seq += 1;
            }
            self.send(again, now);
            return;
        }
        match (response.status, response.headers.number("Min-Expires")) {
            (200..300, _) if removing => {
                self.registration = Registration::Off;
                self.events.push_back(PhoneEvent::Unregistered);
            }
            (200..300, _) => self.on_registered(response, now),
            (423, Some(least)) if !removing && self.asks_for_less_than(least) => {
                let mut series = self.series();
                series.expires_s = u64::from(least);
                self.send_register(series, false, now);
            }
            (status, _) => self.on_register_failed(status, now),
        }
    }

    fn asks_for_less_than(&self, seconds: u32) -> bool {
        self.registration.series().is_some_and(|series| series.expires_s < u64::from(seconds))
    }

    fn on_registered(&mut self, response: &Response, now: Time) {
        let series = self.series();
        let ours = self.contact().uri;
        let bindings = response.contacts().unwrap_or_default();
        let binding = bindings.iter().find(|contact| contact.uri.equivalent(&ours));
        let granted = binding
            .and_then(|contact| contact.params.get("expires")?.parse().ok())
            .or(response.expires().map(u64::from))
            .unwrap_or(series.expires_s);
        self.registration = Registration::On { series, refresh_at: now + Span(granted.max(2) * 500_000) };
        self.events.push_back(PhoneEvent::Registered);
    }

    /// A server that does not answer, or cannot now, is asked again later; one that refuses, not.
    pub(super) fn on_register_failed(&mut self, status: u16, now: Time) {
        self.registration = match status {
            408 | 500..600 => Registration::Retrying { series: self.series(), at: now + RETRY },
            _ => Registration::Off,
        };
        self.events.push_back(PhoneEvent::RegistrationFailed { status });
    }

    pub(super) fn registration_timeout(&mut self, now: Time) {
        if self.registration.next_timeout().is_some_and(|at| at <= now) {
            self.register(now);
        }
    }

    /// The same request with an answer to the challenge in `response`; `None` when it is none, or
    /// was answered often enough.
    pub(super) fn with_credentials(&mut self, sent: &Sent, response: &Response) -> Option<Sent> {
        let header = match response.status {
            401 => "Authorization",
            407 => "Proxy-Authorization",
            _ => return None,
        };
        if self.config.password.is_empty() || sent.tries >= MOST_TRIES {
            return None;
        }
        let mut request = sent.request.clone();
        let cseq = request.cseq().ok()?;
        let challenges = digest::challenges(&response.headers);
        let cnonce = token(self.random.as_mut(), 8);
        let (user, password) = (&self.config.auth_name, &self.config.password);
        let uri = request.uri.to_string();
        let value = digest::respond(&challenges, user, password, request.method.as_str(), &uri, &cnonce, 1).ok()?;
        request.headers.set(header, value);
        request.headers.set("CSeq", CSeq { seq: cseq.seq + 1, ..cseq }.to_string());
        Some(Sent { request, purpose: sent.purpose, tries: sent.tries + 1 })
    }
}
