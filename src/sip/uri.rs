//! URIs and the addresses that headers carry (RFC 3261 §19.1, §20.10; RFC 3966; RFC 5118).

mod name_addr;

pub use name_addr::NameAddr;

use super::lex;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why a text is no URI or address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("no scheme in {0:?}")]
    Scheme(String),
    #[error("bad character in {0:?}")]
    Character(String),
    #[error("bad host {0:?}")]
    Host(String),
    #[error("bad port {0:?}")]
    Port(String),
    #[error("empty or malformed parameter in {0:?}")]
    Param(String),
    #[error("unbalanced quote or bracket in {0:?}")]
    Unbalanced(String),
    #[error("a URI with headers needs angle brackets: {0:?}")]
    NeedsBrackets(String),
}

/// The scheme of a URI; anything but the first three is opaque.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    /// Lower-cased.
    Other(String),
}

impl Scheme {
    pub fn as_str(&self) -> &str {
        match self {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other(name) => name,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let mut chars = lower.chars();
        let first_is_letter = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
        if !first_is_letter || !chars.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
            return None;
        }
        Some(match lower.as_str() {
            "sip" => Scheme::Sip,
            "sips" => Scheme::Sips,
            "tel" => Scheme::Tel,
            _ => Scheme::Other(lower),
        })
    }
}

/// The host of a URI or Via.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lower-cased; empty for schemes without a host.
    Name(String),
    Ip(IpAddr),
}

impl Host {
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::Ip(ip) => Some(*ip),
        }
    }

    /// A host without port. IPv6 addresses stand in brackets; the three colons that RFC 3261's
    /// grammar could produce are read as two (RFC 5118 §4.10).
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let bad = || UriError::Host(lex::shown(text));
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(bad)?;
            return parse_v6(inner).map(|ip| Host::Ip(IpAddr::V6(ip))).ok_or_else(bad);
        }
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Ok(Host::Ip(IpAddr::V4(ip)));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if text.is_empty() || text.starts_with('.') || !text.chars().all(legal) {
            return Err(bad());
        }
        Ok(Host::Name(text.to_ascii_lowercase()))
    }
}

fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| text.replacen(":::", "::", 1).parse().ok())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// `host[:port]`.
pub(super) fn parse_host_port(text: &str) -> Result<(Host, Option<u16>), UriError> {
    let text = text.trim();
    let end = match text.strip_prefix('[') {
        Some(_) => text.find(']').map_or(text.len(), |at| at + 1),
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let host = Host::parse(host.trim())?;
    let rest = rest.trim();
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').map(str::trim).ok_or_else(|| UriError::Host(lex::shown(text)))?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port) if all_digits => Ok((host, Some(port))),
        _ => Err(UriError::Port(lex::shown(digits))),
    }
}

/// `;name=value` parameters in order. Names compare without case, values are raw (still escaped
/// or quoted).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params(pub Vec<(String, Option<String>)>);

impl Params {
    /// The raw value; `Some("")` for a parameter that has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_deref().unwrap_or(""))
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Replaces the value where the name stands, or appends.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.0.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parameters of a header: what stands after the first `;`, quoted values allowed.
    pub(super) fn parse_header(text: &str) -> Result<Self, UriError> {
        let bad = || UriError::Param(lex::shown(text));
        let mut params = Vec::new();
        for part in lex::split_outside(text, ';') {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (part, None),
            };
            if !lex::is_token(name) || value.is_some_and(|v| !is_param_value(v)) {
                return Err(bad());
            }
            params.push((name.to_owned(), value.map(str::to_owned)));
        }
        Ok(Params(params))
    }

    /// Parameters of a URI; empty ones are passed over.
    fn parse_uri(text: &str) -> Self {
        let parts = text.split(';').filter(|part| !part.is_empty());
        let pair = |part: &str| match part.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (part.to_owned(), None),
        };
        Params(parts.map(pair).collect())
    }
}

fn is_param_value(value: &str) -> bool {
    if value.starts_with('"') {
        return lex::quoted_string(value).is_some_and(|(_, rest)| rest.is_empty());
    }
    !value.contains(['"', '<', '>']) && !value.contains(char::is_whitespace)
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}

/// A URI. `tel:` keeps its number in `user`; other schemes keep all that follows the colon there.
/// Both have an empty host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    pub scheme: Scheme,
    /// Raw, still escaped.
    pub user: Option<String>,
    pub password: Option<String>,
    pub host: Host,
    pub port: Option<u16>,
    pub params: Params,
    /// Raw, what stands after `?`.
    pub headers: Option<String>,
}

impl Uri {
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let text = text.trim();
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"".contains(c)) {
            return Err(UriError::Character(lex::shown(text)));
        }
        let no_scheme = || UriError::Scheme(lex::shown(text));
        let (scheme, rest) = text.split_once(':').ok_or_else(no_scheme)?;
        let scheme = Scheme::parse(scheme).ok_or_else(no_scheme)?;
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::parse_sip(scheme, rest),
            Scheme::Tel => Self::parse_tel(rest),
            Scheme::Other(_) => Ok(Self::opaque(scheme, rest, Params::default())),
        }
    }

    fn parse_sip(scheme: Scheme, rest: &str) -> Result<Self, UriError> {
        // The user part may hold `;` and `?`, but `@` only escaped: the first one ends it.
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) = match userinfo.map(|u| u.split_once(':').unwrap_or((u, ""))) {
            Some((user, password)) => (Some(user.to_owned()), Some(password)),
            None => (None, None),
        };
        if user.as_deref() == Some("") {
            return Err(UriError::Character(lex::shown(rest)));
        }
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers.to_owned())),
            None => (rest, None),
        };
        let (host_port, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = parse_host_port(host_port)?;
        if port == Some(0) {
            return Err(UriError::Port("0".to_owned()));
        }
        let params = Params::parse_uri(params);
        let password = password.filter(|p| !p.is_empty()).map(str::to_owned);
        Ok(Uri { scheme, user, password, host, port, params, headers })
    }

    fn parse_tel(rest: &str) -> Result<Self, UriError> {
        let (number, params) = rest.split_once(';').unwrap_or((rest, ""));
        let legal = |c: char| c.is_ascii_hexdigit() || "+-.()*#".contains(c);
        if number.is_empty() || !number.chars().all(legal) {
            return Err(UriError::Character(lex::shown(rest)));
        }
        Ok(Self::opaque(Scheme::Tel, number, Params::parse_uri(params)))
    }

    fn opaque(scheme: Scheme, rest: &str, params: Params) -> Self {
        Uri {
            scheme,
            user: Some(rest.to_owned()),
            password: None,
            host: Host::Name(String::new()),
            port: None,
            params,
            headers: None,
        }
    }

    /// `sip:user@host_port`; what cannot stand in a user part is escaped. A `host_port` that is
    /// none becomes a name that resolves to nothing.
    pub fn sip(user: &str, host_port: &str) -> Self {
        let (host, port) = parse_host_port(host_port).unwrap_or_else(|_| (Host::Name("invalid".to_owned()), None));
        Uri {
            scheme: Scheme::Sip,
            user: (!user.is_empty()).then(|| escape_user(user)),
            password: None,
            host,
            port,
            params: Params::default(),
            headers: None,
        }
    }

    /// `sip:address`, without user.
    pub fn sip_address(address: SocketAddr) -> Self {
        let mut uri = Self::sip("", "");
        uri.host = Host::Ip(address.ip());
        uri.port = Some(address.port());
        uri
    }

    /// The user part with its escapes resolved once; bytes that are no UTF-8 become U+FFFD.
    pub fn user_unescaped(&self) -> Option<String> {
        let user = self.user.as_deref()?;
        Some(String::from_utf8_lossy(&unescape(user)).into_owned())
    }

    /// A header that the URI asks for, unescaped (RFC 3261 §19.1.1).
    pub fn header(&self, name: &str) -> Option<String> {
        let pairs = self.headers.as_deref()?.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.into_iter().find(|(said, _)| said.eq_ignore_ascii_case(name))?.1;
        Some(String::from_utf8_lossy(&unescape(value)).into_owned())
    }

    /// Equality by RFC 3261 §19.1.4.
    pub fn equivalent(&self, other: &Uri) -> bool {
        self.scheme == other.scheme
            && same_text(self.user.as_deref(), other.user.as_deref())
            && same_text(self.password.as_deref(), other.password.as_deref())
            && self.host == other.host
            && self.port == other.port
            && same_params(&self.params, &other.params)
            && header_set(self.headers.as_deref()) == header_set(other.headers.as_deref())
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.as_str())?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
        }
        match self.scheme {
            Scheme::Tel | Scheme::Other(_) => return write!(f, "{}", self.params),
            Scheme::Sip | Scheme::Sips => {}
        }
        if let Some(password) = &self.password {
            write!(f, ":{password}")?;
        }
        if self.user.is_some() {
            f.write_str("@")?;
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        match &self.headers {
            Some(headers) => write!(f, "?{headers}"),
            None => Ok(()),
        }
    }
}

/// These in only one of two URIs make them differ; any other parameter is then ignored.
const DECISIVE_PARAMS: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];

fn same_params(a: &Params, b: &Params) -> bool {
    let both_agree = a.0.iter().all(|(name, value)| match b.get(name) {
        Some(other) => {
            let ours = normalised(value.as_deref().unwrap_or(""));
            ours.eq_ignore_ascii_case(&normalised(other))
        }
        None => true,
    });
    both_agree && DECISIVE_PARAMS.iter().all(|name| a.has(name) == b.has(name))
}

fn same_text(a: Option<&str>, b: Option<&str>) -> bool {
    a.map(normalised) == b.map(normalised)
}

fn header_set(headers: Option<&str>) -> Vec<(String, String)> {
    let pairs = headers.unwrap_or("").split('&').filter(|pair| !pair.is_empty());
    let mut set: Vec<_> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (normalised(name).to_ascii_lowercase(), normalised(value))
        })
        .collect();
    set.sort();
    set
}

/// Escapes of characters outside the reserved set resolved, the others in upper case. `%25`
/// stays: resolving it would make `%2541` and `%41` alike.
fn normalised(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((unit, tail)) = next_unit(rest) {
        match unit {
            Unit::Plain(byte) => out.push(byte),
            Unit::Escaped(byte) if b";/?:@&=+$,%".contains(&byte) => out.extend(format!("%{byte:02X}").bytes()),
            Unit::Escaped(byte) => out.push(byte),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&out).into_owned()
}

enum Unit {
    Plain(u8),
    Escaped(u8),
}

fn next_unit(bytes: &[u8]) -> Option<(Unit, &[u8])> {
    if let [b'%', high, low, tail @ ..] = bytes
        && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
    {
        return Some((Unit::Escaped(high * 16 + low), tail));
    }
    bytes.split_first().map(|(byte, tail)| (Unit::Plain(*byte), tail))
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((unit, tail)) = next_unit(rest) {
        match unit {
            Unit::Plain(byte) | Unit::Escaped(byte) => out.push(byte),
        }
        rest = tail;
    }
    out
}

/// `user` with everything escaped that the grammar of the user part does not take.
fn escape_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
