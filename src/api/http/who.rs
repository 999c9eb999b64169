//! Who asks: a bearer token, or the session cookie of a page.

use super::{HttpProblem, Peer, Shared};
use crate::api::login::{csrf_of, hash_of};
use crate::api::{Problem, Viewer};
use crate::store::TokenKind;
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

/// Whoever is logged in.
pub struct Who(pub Viewer);

/// The address that a request came from.
pub struct From(pub IpAddr);

impl FromRequestParts<Shared> for From {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, HttpProblem> {
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip().to_canonical());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Ok(From(forwarded(&parts.headers, peer, &shared.proxies)))
    }
}

/// Each proxy adds whom it was asked by at the end: the last one that is no proxy of ours.
fn forwarded(headers: &HeaderMap, peer: IpAddr, proxies: &[IpAddr]) -> IpAddr {
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let said: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut from = peer;
    for text in said.into_iter().rev() {
        if !proxies.contains(&from) {
            return from;
        }
        match text.parse::<IpAddr>() {
            Ok(address) => from = address.to_canonical(),
            Err(_) => return from,
        }
    }
    from
}

impl FromRequestParts<Shared> for Who {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, HttpProblem> {
        let From(source) = From::from_request_parts(parts, shared).await?;
        let company = parts.headers.get(COMPANY).and_then(|key| key.to_str().ok()).map(str::to_owned);
        if let Some(secret) = bearer(&parts.headers) {
            return Ok(Who(shared.desk.viewer(secret, company, source).await?.0));
        }
        let secret = cookie(&parts.headers).ok_or(Problem::NotLoggedIn)?;
        let (viewer, kind) = shared.desk.viewer(secret, company, source).await?;
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

pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value).next()
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
            let found = forwarded(&headers, peer.parse().unwrap(), &proxies);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} says {said:?}");
        }
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
