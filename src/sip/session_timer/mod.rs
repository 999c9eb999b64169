//! Session timers (RFC 4028): what was agreed and when it is due. Pure; the caller sends.

use super::lex;
use super::message::{Headers, Request, Response};
use crate::base::{Span, Time};

/// The smallest interval that RFC 4028 §4 allows, in s.
pub const MIN_SE_FLOOR_S: u32 = 90;

/// What we want of session timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The interval that we ask for, in s (RFC 4028 §4 recommends 1800).
    pub interval_s: u32,
    /// The smallest interval that we take, in s; below [`MIN_SE_FLOOR_S`] counts as that.
    pub min_s: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { interval_s: 1_800, min_s: MIN_SE_FLOOR_S }
    }
}

impl Policy {
    fn min(&self) -> u32 {
        self.min_s.max(MIN_SE_FLOOR_S)
    }

    fn interval(&self) -> u32 {
        self.interval_s.max(self.min())
    }
}

/// The two roles in the transaction that carries a Session-Expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Uac,
    Uas,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Role::Uac => "uac",
            Role::Uas => "uas",
        }
    }
}

/// A Session-Expires value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionExpires {
    pub interval_s: u32,
    pub refresher: Option<Role>,
}

impl SessionExpires {
    /// The header of a message; `None` when absent or malformed.
    pub fn of(headers: &Headers) -> Option<Self> {
        let interval_s = headers.number("Session-Expires")?;
        let params = lex::split_outside(headers.get("Session-Expires")?, ';');
        let refresher = params.into_iter().skip(1).find_map(|param| {
            let (name, value) = param.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("refresher") {
                return None;
            }
            match value.trim().to_ascii_lowercase().as_str() {
                "uac" => Some(Role::Uac),
                "uas" => Some(Role::Uas),
                _ => None,
            }
        });
        Some(SessionExpires { interval_s, refresher })
    }

    /// The value of the header.
    pub fn value(&self) -> String {
        match self.refresher {
            Some(role) => format!("{};refresher={}", self.interval_s, role.as_str()),
            None => self.interval_s.to_string(),
        }
    }
}

/// The Min-SE of a message, in s; without one the floor (RFC 4028 §5).
pub fn min_se(headers: &Headers) -> u32 {
    headers.number("Min-SE").unwrap_or(MIN_SE_FLOOR_S).max(MIN_SE_FLOOR_S)
}

/// Who sends the refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    Us,
    Them,
}

/// A running session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Agreed {
    pub interval_s: u32,
    pub refresher: Refresher,
}

impl Agreed {
    /// When our refresh is due: at half the interval (RFC 4028 §10); `None` when it is theirs.
    pub fn refresh_at(&self, from: Time) -> Option<Time> {
        match self.refresher {
            Refresher::Us => Some(from + Span(u64::from(self.interval_s) * 500_000)),
            Refresher::Them => None,
        }
    }

    /// When a session that was not refreshed is ended: 32 s, or a third of the interval where that
    /// is less, before it expires (RFC 4028 §10).
    pub fn ends_at(&self, from: Time) -> Time {
        let early = (self.interval_s / 3).min(32);
        from + Span::from_secs(u64::from(self.interval_s - early))
    }

    /// Session-Expires of our 2xx.
    pub fn answer_value(&self) -> String {
        let refresher = match self.refresher {
            Refresher::Us => Role::Uas,
            Refresher::Them => Role::Uac,
        };
        SessionExpires { interval_s: self.interval_s, refresher: Some(refresher) }.value()
    }

    /// Session-Expires of our next refresh request: the roles stay as they are (RFC 4028 §7.4).
    pub fn refresh_value(&self) -> String {
        let refresher = match self.refresher {
            Refresher::Us => Role::Uac,
            Refresher::Them => Role::Uas,
        };
        SessionExpires { interval_s: self.interval_s, refresher: Some(refresher) }.value()
    }

    /// Whether our 2xx must say `Require: timer`: it must when they refresh (RFC 4028 §9, table 2).
    pub fn requires_timer(&self) -> bool {
        match self.refresher {
            Refresher::Them => true,
            Refresher::Us => false,
        }
    }
}

/// What comes of the Session-Expires of a request that we answer, INVITE or UPDATE (RFC 4028 §9).
/// A peer without timers gets one that we refresh alone. The error is the 422 to send.
pub fn negotiate_uas(request: &Request, ours: &Policy) -> Result<Agreed, Response> {
    let supports = request.headers.names("Supported", "timer") || request.headers.names("Require", "timer");
    let asked = SessionExpires::of(&request.headers);
    if let Some(asked) = asked
        && supports
        && asked.interval_s < ours.min()
    {
        return Err(request.response(422).with_header("Min-SE", ours.min().to_string()));
    }
    // We may shorten what was asked, but not below what any hop on the way set as its least.
    let least = min_se(&request.headers).max(ours.min());
    let wanted = asked.map_or(ours.interval(), |asked| asked.interval_s.min(ours.interval()));
    let refresher = match (supports, asked.and_then(|asked| asked.refresher)) {
        (false, _) | (true, Some(Role::Uas)) => Refresher::Us,
        (true, Some(Role::Uac) | None) => Refresher::Them,
    };
    Ok(Agreed { interval_s: wanted.max(least), refresher })
}

/// What our request said is settled by the 2xx (RFC 4028 §7.2). Without Session-Expires the peer
/// knows no timers: then we refresh with the interval that we asked for.
pub fn negotiate_uac(response: &Response, ours: &Policy) -> Agreed {
    match SessionExpires::of(&response.headers) {
        Some(SessionExpires { interval_s, refresher }) => Agreed {
            interval_s: interval_s.max(MIN_SE_FLOOR_S),
            refresher: match refresher {
                Some(Role::Uas) => Refresher::Them,
                Some(Role::Uac) | None => Refresher::Us,
            },
        },
        None => Agreed { interval_s: ours.interval(), refresher: Refresher::Us },
    }
}

/// The policy to try again with after a 422 (RFC 4028 §7.4); `None` when the 422 makes no sense.
pub fn after_422(response: &Response, ours: &Policy) -> Option<Policy> {
    let least = response.headers.number("Min-SE")?;
    let plausible = (ours.interval() + 1..=86_400).contains(&least);
    plausible.then_some(Policy { interval_s: least, min_s: least })
}

/// Session-Expires, Min-SE and Supported for a request of ours.
pub fn offer(headers: &mut Headers, ours: &Policy) {
    headers.set("Session-Expires", SessionExpires { interval_s: ours.interval(), refresher: None }.value());
    headers.set("Min-SE", ours.min().to_string());
    if !headers.names("Supported", "timer") {
        headers.push("Supported", "timer");
    }
}

#[cfg(test)]
mod tests;
