//! Softphones set up by a link: the links that are open, and what a phone fetches by one.

mod qr;
mod xml;

pub(super) use qr::svg;
pub(super) use xml::{Account, document};

use super::Permission;
use super::login::hash_of;
use crate::base::{Random, Span, Time, UserId};
use crate::directory::Transport;
use crate::directory::file::Secret;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// How long a link can be fetched.
pub const OPEN_FOR: Span = Span::from_secs(3_600);
/// Links that are open at a time.
pub const MOST_LINKS: usize = 1_000;

/// What the configuration says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvisioningSettings {
    /// What links begin with, without a `/` at the end; `None`: as the request that makes one was sent.
    pub url: Option<String>,
    pub servers: Vec<SipServer>,
}

/// A SIP listener as phones reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipServer {
    pub transport: Transport,
    /// `host:port`; an IPv6 address in brackets.
    pub address: String,
    /// Only phones of this machine reach it.
    pub is_loopback: bool,
}

impl ProvisioningSettings {
    /// Where a phone is sent: to a listener that others reach rather than to one of this machine, then to
    /// the safest.
    pub fn server(&self) -> Option<&SipServer> {
        let safety = |transport| match transport {
            Transport::Tls => 0,
            Transport::Tcp => 1,
            Transport::Udp => 2,
        };
        self.servers.iter().min_by_key(|server| (server.is_loopback, safety(server.transport)))
    }
}

/// A request for a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisionAsk {
    /// `None`: one's own phone.
    pub extension: Option<String>,
    /// The user's password; `None`: a new one is made, for which an admin's right is needed.
    pub password: Option<Secret>,
    /// Where the request was sent to, with its scheme, e.g. `https://calls.example.org`.
    pub base: String,
}

impl ProvisionAsk {
    /// What a token must be made for: a password may be changed.
    pub const NEEDS: Permission = Permission::ManageDirectory;
}

/// A link that sets a softphone up. It can be fetched once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProvisionView {
    pub extension: String,
    pub url: String,
    pub expires: String,
    /// The link as a QR code: an SVG image.
    pub qr: String,
    /// A new password was made: phones that have the old one, sessions and tokens of the user are out.
    pub password_changed: bool,
    /// The new password, where one was made: it is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// Whom a link sets up.
#[derive(Debug)]
pub(super) struct Setup {
    pub user: UserId,
    pub password: Zeroizing<String>,
}

#[derive(Debug)]
struct Link {
    setup: Setup,
    until: Time,
}

/// The links that are open, by the hash of their token. They are kept in memory only.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<HashMap<String, Link>>);

impl Links {
    /// Opens a link, and closes the one that the user had; `None`: there are [`MOST_LINKS`] already.
    pub fn open(&self, setup: Setup, random: &mut (dyn Random + Send), now: Time) -> Option<String> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| now < link.until && link.setup.user != setup.user);
        if links.len() >= MOST_LINKS {
            return None;
        }
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        let token = hex::encode(bytes);
        links.insert(hash_of(&token), Link { setup, until: now + OPEN_FOR });
        Some(token)
    }

    /// What is behind a token, which is closed by that.
    pub fn take(&self, token: &str, now: Time) -> Option<Setup> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| now < link.until);
        links.remove(&hash_of(token)).map(|link| link.setup)
    }
}

#[cfg(test)]
mod tests;
