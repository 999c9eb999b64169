//! Via (RFC 3261 §20.42, RFC 3581).

use crate::sip::lex;
use crate::sip::uri::{Host, Params, UriError, parse_host_port};
use std::fmt;
use std::net::IpAddr;

/// What a branch of RFC 3261 begins with; without it the transaction is matched by RFC 2543.
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// One hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// As it stands in the message, `UDP` for example.
    pub transport: String,
    pub host: Host,
    pub port: Option<u16>,
    pub params: Params,
}

impl Via {
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let bad = || UriError::Param(lex::shown(text));
        let mut parts = text.splitn(3, '/').map(str::trim);
        let (Some(name), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        if !name.eq_ignore_ascii_case("SIP") || version != "2.0" {
            return Err(bad());
        }
        let (transport, rest) = rest.split_once(|c: char| c.is_ascii_whitespace()).ok_or_else(bad)?;
        if !lex::is_token(transport) {
            return Err(bad());
        }
        let (sent_by, params) = match rest.split_once(';') {
            Some((sent_by, params)) => (sent_by, Params::parse_header(params)?),
            None => (rest, Params::default()),
        };
        let (host, port) = parse_host_port(sent_by)?;
        // Clients that cannot be reached write port 0; it names no port.
        Ok(Via { transport: transport.to_owned(), host, port: port.filter(|p| *p != 0), params })
    }

    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The address that the request came from. With or without brackets (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        text.parse().ok()
    }

    /// The port that the request came from; `None` when absent or without a value.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// Whether the client asks for replies to the port that it sends from (RFC 3581 §3).
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport")
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}
