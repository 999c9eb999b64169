//! Who asks: a bearer token, or the session cookie of a page.

use super::{HttpProblem, Peer, Shared};
use crate::api::login::{csrf_of, hash_of};
use crate::api::{Problem, Viewer};
use crate::store::{Owner, TokenKind};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use std::net::{IpAddr, Ipv4Addr};

/// Name of the session's cookie.
pub const COOKIE: &str = "telegraphone_session";
/// What a page sends along with each change.
pub const CSRF: &str = "x-csrf-token";

/// The company that an operator or a reseller asks of.
pub const COMPANY: &str = "telegraphone-company";
/// Said as the company: of none, whatever a page has chosen.
pub const ABOVE: &str = "*";

/// The same of a page whose requests cannot have headers of their own (audio, streams of events): the
/// company that an operator or a reseller has chosen. It counts for sessions alone.
pub const COMPANY_COOKIE: &str = "telegraphone_company";

/// The same in the compatible API: the company's UUID, or its key.
const TENANT: &str = "wazo-tenant";
/// A token, as the compatible API sends it.
pub const AUTH_TOKEN: &str = "x-auth-token";

/// Whoever is logged in.
pub struct Who(pub Viewer);

/// The address that a request came from.
pub struct From(pub IpAddr);

/// Whether whoever asks came over TLS: here, or at the proxy.
pub struct Secure(pub bool);

impl FromRequestParts<Shared> for From {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, HttpProblem> {
        Ok(From(forwarded(&parts.headers, peer(parts), &shared.proxies).0))
    }
}

impl FromRequestParts<Shared> for Secure {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, HttpProblem> {
        let (_, proxies) = forwarded(&parts.headers, peer(parts), &shared.proxies);
        Ok(Secure(shared.secure || is_forwarded_secure(&parts.headers, proxies)))
    }
}

fn peer(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip().to_canonical());
    peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Each proxy adds whom it was asked by at the end: the last one that is no proxy of ours, and how many
/// of ours it came through.
fn forwarded(headers: &HeaderMap, peer: IpAddr, proxies: &[IpAddr]) -> (IpAddr, usize) {
    let (mut from, mut through) = (peer, 0);
    let mut said = listed(headers, "x-forwarded-for").into_iter().rev();
    while proxies.contains(&from) {
        through += 1;
        match said.next().and_then(|text| text.parse::<IpAddr>().ok()) {
            Some(address) => from = address.to_canonical(),
            None => break,
        }
    }
    (from, through)
}

/// Whether the outermost of `through` proxies of ours was asked over TLS. A proxy adds its word at the
/// end, or puts it in the place of what was there; what others said before the first of ours counts for
/// nothing.
fn is_forwarded_secure(headers: &HeaderMap, through: usize) -> bool {
    let said = listed(headers, "x-forwarded-proto");
    let word = through.checked_sub(1).map(|before| said.len().saturating_sub(before + 1));
    word.and_then(|at| said.get(at)).is_some_and(|word| word.eq_ignore_ascii_case("https"))
}

/// The parts of a header that is a list, over all its lines.
fn listed<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).collect()
}

impl FromRequestParts<Shared> for Who {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, HttpProblem> {
        let From(source) = From::from_request_parts(parts, shared).await?;
        let company = match (header(&parts.headers, COMPANY), header(&parts.headers, TENANT)) {
            (Some(ABOVE), _) => None,
            (Some(key), _) => Some(key.to_owned()),
            (None, Some(tenant)) => Some(shared.desk.company_named(tenant).await?),
            (None, None) => None,
        };
        if let Some(secret) = bearer(&parts.headers) {
            return Ok(Who(shared.desk.viewer(secret, company, source).await?.0));
        }
        let secret = cookie(&parts.headers).ok_or(Problem::NotLoggedIn)?;
        let is_above = header(&parts.headers, COMPANY) == Some(ABOVE);
        let chosen = cookie_named(&parts.headers, COMPANY_COOKIE).filter(|key| !key.is_empty() && !is_above);
        let (mut viewer, kind) = shared.desk.viewer(secret, company, source).await?;
        if matches!(viewer.owner, Owner::Staff(_)) && viewer.company.is_none() {
            viewer.company = chosen.map(str::to_owned);
        }
        // The cookie of a page is sent along by the browser, whoever made it ask.
        if kind != TokenKind::Session {
            return Err(Problem::NotLoggedIn.into());
        }
        let changes = !matches!(parts.method, Method::GET | Method::HEAD);
        let told = parts.headers.get(CSRF).and_then(|value| value.to_str().ok());
        // Hashes are compared: how long it takes tells nothing of the token.
        if changes && told.map(hash_of) != Some(hash_of(&csrf_of(secret))) {
            return Err(Problem::NoCsrf.into());
        }
        Ok(Who(viewer))
    }
}

/// The token of a program, by either header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    if let Some(secret) = header(headers, AUTH_TOKEN) {
        return Some(secret.trim());
    }
    let (scheme, secret) = header(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The session of a page.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    cookie_named(headers, COOKIE)
}

/// The value of a cookie.
pub fn cookie_named<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_named_proxy_says_where_a_request_came_from() {
        let proxies: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        for (peer, said, expected) in [
            ("198.51.100.7", "203.0.113.5", "198.51.100.7"),
            ("192.0.2.1", "203.0.113.5", "203.0.113.5"),
            ("192.0.2.1", "10.0.0.1, 203.0.113.5", "203.0.113.5"),
            ("192.0.2.1", "203.0.113.5, 192.0.2.2", "203.0.113.5"),
            ("192.0.2.1", "nonsense", "192.0.2.1"),
            ("192.0.2.1", "", "192.0.2.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", said.parse().unwrap());
            let (found, _) = forwarded(&headers, peer.parse().unwrap(), &proxies);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} says {said:?}");
        }
    }

    #[test]
    fn only_named_proxies_say_that_a_page_was_asked_for_over_tls() {
        let proxies: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        for (peer, through, protocol, secure) in [
            ("192.0.2.1", "203.0.113.5", "https", true),
            ("192.0.2.1", "203.0.113.5", "HTTPS", true),
            ("192.0.2.1", "203.0.113.5", "http", false),
            ("192.0.2.1", "203.0.113.5", "", false),
            // It says no address: it is a proxy all the same.
            ("192.0.2.1", "", "https", true),
            // Whoever asks may have said something before.
            ("192.0.2.1", "203.0.113.5", "https, http", false),
            ("192.0.2.1", "203.0.113.5", "http, https", true),
            // Through two of ours: the outer one's word, whether the inner one adds its own or not.
            ("192.0.2.1", "203.0.113.5, 192.0.2.2", "https, http", true),
            ("192.0.2.1", "203.0.113.5, 192.0.2.2", "https", true),
            ("192.0.2.1", "203.0.113.5, 192.0.2.2", "https, http, http", false),
            ("192.0.2.1", "192.0.2.1, 203.0.113.5", "https, http", false),
            // Nobody's proxy.
            ("198.51.100.7", "203.0.113.5", "https", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", through.parse().unwrap());
            headers.insert("x-forwarded-proto", protocol.parse().unwrap());
            let (_, proxies) = forwarded(&headers, peer.parse().unwrap(), &proxies);
            let found = is_forwarded_secure(&headers, proxies);
            assert_eq!(found, secure, "{peer} says {through:?} and {protocol:?}");
        }
        assert!(!is_forwarded_secure(&HeaderMap::new(), 1));
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; b=2".parse().unwrap());
        headers.append(header::COOKIE, "c=3; telegraphone_session=abc".parse().unwrap());
        assert_eq!(cookie(&headers), Some("abc"));
        headers.insert(header::AUTHORIZATION, "bearer  xyz".parse().unwrap());
        assert_eq!(bearer(&headers), Some("xyz"));
        headers.insert(header::AUTHORIZATION, "Basic xyz".parse().unwrap());
        assert_eq!(bearer(&headers), None);
    }
}
