//! Digits as SIP INFO (`application/dtmf-relay`, `application/dtmf`).

use crate::sip::message::Request;
use thiserror::Error;

/// Why an INFO body is no digit. The body is never named: it may hold one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InfoError {
    #[error("an INFO of this Content-Type carries no digit")]
    Type,
    #[error("no Signal in the body")]
    NoSignal,
}

impl InfoError {
    pub const fn status(self) -> u16 {
        match self {
            InfoError::Type => 415,
            InfoError::NoSignal => 400,
        }
    }
}

/// The key of an INFO request; `None` for an INFO without a body (a keep-alive).
pub fn key_of_info(request: &Request) -> Result<Option<u8>, InfoError> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let body = String::from_utf8_lossy(&request.body);
    match request.content_type().as_deref() {
        Some("application/dtmf-relay") => signal_of(&body).map(Some),
        Some("application/dtmf") => key_of(body.trim()).map(Some).ok_or(InfoError::NoSignal),
        Some(_) | None => Err(InfoError::Type),
    }
}

/// The body that tells a far side of a key, 160 ms long.
pub fn relay_body(key: u8) -> String {
    format!("Signal={}\r\nDuration=160\r\n", char::from(key))
}

fn signal_of(body: &str) -> Result<u8, InfoError> {
    body.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("signal"))
        .and_then(|(_, value)| key_of(value.trim()))
        .ok_or(InfoError::NoSignal)
}

/// A key as text: itself, or the event number that some phones write (10 is `*`, 11 is `#`).
fn key_of(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [key] => crate::rtp::event_of_key(*key).and_then(crate::rtp::key_of_event),
        _ => text.parse::<u8>().ok().and_then(crate::rtp::key_of_event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Method;
    use crate::sip::uri::Uri;

    #[test]
    fn a_digit_is_read_from_both_bodies_in_every_spelling() {
        let rows: [(&str, &str, Result<Option<u8>, InfoError>); 9] = [
            ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Ok(Some(b'5'))),
            ("application/dtmf-relay", "signal = #\nDuration = 100\n", Ok(Some(b'#'))),
            ("application/dtmf-relay", "Signal=11\r\n", Ok(Some(b'#'))),
            ("application/dtmf-relay", "Duration=100\r\n", Err(InfoError::NoSignal)),
            ("application/dtmf", "*", Ok(Some(b'*'))),
            ("application/dtmf", "d\r\n", Ok(Some(b'D'))),
            ("application/dtmf", "hello", Err(InfoError::NoSignal)),
            ("text/plain", "5", Err(InfoError::Type)),
            ("application/dtmf", "", Ok(None)),
        ];
        for (kind, body, expected) in rows {
            let request = Request::new(Method::Info, Uri::sip("a", "b")).with_body(kind, body.to_owned());
            assert_eq!(key_of_info(&request), expected, "{kind} {body:?}");
        }
    }
}
