//! Where a hook may be: out in the world, and inside only where the operator says so. Otherwise an
//! admin of a company could have the service knock at doors that only the service can reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses with the same first bits, e.g. `10.1.0.0/16`; an address alone is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| ())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most { Err(()) } else { Ok(Network { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                u64::from(own.to_bits()) >> shift == u64::from(other.to_bits()) >> shift
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => match 128 - u32::from(self.bits) {
                128 => true,
                shift => own.to_bits() >> shift == other.to_bits() >> shift,
            },
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Which addresses hooks may be at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Besides public addresses; only there also without encryption.
    pub allow: Vec<Network>,
}

impl Guard {
    /// Whether the operator has named its network.
    pub fn is_named(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allow.iter().any(|network| network.contains(address))
    }

    pub fn may_be_reached(&self, address: IpAddr) -> bool {
        self.is_named(address) || is_public(address.to_canonical())
    }
}

/// Reached from everywhere, and nobody's own network.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        // This network; shared (RFC 6598); IETF protocols; 6to4 relays; benchmarks (RFC 2544); class E.
        (0, _, _) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18 | 19, _) | (240..=255, _, _)
    );
    !(special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

/// Global unicast (2000::/3) without what leads to IPv4 (Teredo, 6to4) and without documentation.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Where a delivery goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub https: bool,
    /// A name, or an address without brackets.
    pub host: String,
    pub port: u16,
    /// Path and query.
    pub path: String,
    /// As the Host header has it.
    pub authority: String,
}

/// What is wrong with the address of a hook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("an absolute https:// URL with a host, without a name, a password or a fragment in it")]
    Shape,
    #[error("https: without encryption only hosts are told that the operator's `webhooks.allow` names")]
    Plain,
    #[error("an address that is reached from everywhere, or one that the operator's `webhooks.allow` names")]
    Inside,
}

/// Bytes of a URL at most.
const LONGEST: usize = 2_000;

impl Target {
    /// Reads a URL. What a name stands for is asked for at each delivery.
    pub fn parse(url: &str, guard: &Guard) -> Result<Self, TargetError> {
        let shape = TargetError::Shape;
        if url.len() > LONGEST || url.contains(['#', '@', '\\']) || url.chars().any(char::is_control) {
            return Err(shape);
        }
        let uri: hyper::Uri = url.parse().map_err(|_| TargetError::Shape)?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(shape),
        };
        let authority = uri.authority().ok_or(TargetError::Shape)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(shape);
        }
        let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
        match host.parse::<IpAddr>() {
            Ok(address) if !guard.may_be_reached(address) => return Err(TargetError::Inside),
            Ok(address) if !https && !guard.is_named(address) => return Err(TargetError::Plain),
            Ok(_) | Err(_) => {}
        }
        if !https && guard.allow.is_empty() {
            return Err(TargetError::Plain);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Target { https, host, port, path, authority: authority.to_string() })
    }

    /// Scheme, host and port (RFC 6454 §6.2).
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority.to_ascii_lowercase())
    }

    /// Of the addresses that its host stands for, the first that a delivery may go to.
    pub fn choose(&self, addresses: &[IpAddr], guard: &Guard) -> Result<IpAddr, TargetError> {
        let reached: Vec<IpAddr> = addresses.iter().copied().filter(|address| guard.may_be_reached(*address)).collect();
        let chosen = reached.iter().copied().find(|address| self.https || guard.is_named(*address));
        chosen.ok_or(if reached.is_empty() { TargetError::Inside } else { TargetError::Plain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(networks: &[&str]) -> Guard {
        Guard { allow: networks.iter().map(|text| text.parse().unwrap()).collect() }
    }

    #[test]
    fn what_only_the_service_can_reach_is_no_place_for_a_hook() {
        for (address, public) in [
            ("93.184.216.34", true),
            ("127.0.0.1", false),
            ("127.1.2.3", false),
            ("0.0.0.0", false),
            ("10.0.0.1", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("192.0.2.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:2800:220:1::1", true),
            ("::1", false),
            ("::", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("::127.0.0.1", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("ff02::1", false),
            ("64:ff9b::a00:1", false),
            ("2002:7f00:1::", false),
            ("2001:0:7f00:1::", false),
            ("2001:db8::1", false),
        ] {
            let found = Guard::default().may_be_reached(address.parse().unwrap());
            assert_eq!(found, public, "{address}");
        }
    }

    #[test]
    fn the_operator_names_networks_inside() {
        let guard = guard(&["10.1.0.0/16", "::1", "0.0.0.0/0"]);
        let [inside, one, all] = [0, 1, 2].map(|at| Guard { allow: vec![guard.allow[at]] });
        for (guard, address, allowed) in [
            (&inside, "10.1.2.3", true),
            (&inside, "10.2.2.3", false),
            (&inside, "::ffff:10.1.2.3", true),
            (&one, "::1", true),
            (&one, "fe80::1", false),
            (&all, "127.0.0.1", true),
            (&all, "::1", false),
        ] {
            assert_eq!(guard.may_be_reached(address.parse().unwrap()), allowed, "{guard:?} {address}");
        }
        for text in ["10.0.0.0/33", "10.0.0", "::/129", "x/8", "10.0.0.0/x"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_of_a_hook_is_read_or_refused() {
        let (nowhere, inside) = (Guard::default(), guard(&["127.0.0.0/8"]));
        for (url, guard, expected) in [
            ("https://hooks.example/a?b=c", &nowhere, Ok(("hooks.example", 443, "/a?b=c"))),
            ("https://HOOKS.example:8443", &nowhere, Ok(("hooks.example", 8443, "/"))),
            ("https://[2606:2800:220:1::1]/x", &nowhere, Ok(("2606:2800:220:1::1", 443, "/x"))),
            ("http://127.0.0.1:8080/x", &inside, Ok(("127.0.0.1", 8080, "/x"))),
            ("http://hooks.example/", &nowhere, Err(TargetError::Plain)),
            ("http://93.184.216.34/", &inside, Err(TargetError::Plain)),
            ("https://127.0.0.1/", &nowhere, Err(TargetError::Inside)),
            ("https://[::ffff:10.0.0.1]/", &nowhere, Err(TargetError::Inside)),
            ("https://user:password@hooks.example/", &nowhere, Err(TargetError::Shape)),
            ("https://hooks.example/#a", &nowhere, Err(TargetError::Shape)),
            ("ftp://hooks.example/", &nowhere, Err(TargetError::Shape)),
            ("/hooks", &nowhere, Err(TargetError::Shape)),
            ("https://", &nowhere, Err(TargetError::Shape)),
            ("hooks.example", &nowhere, Err(TargetError::Shape)),
        ] {
            let read = Target::parse(url, guard);
            let found = read.as_ref().map(|target| (target.host.as_str(), target.port, target.path.as_str()));
            assert_eq!(found, expected.as_ref().map(|found| *found), "{url}");
        }
    }

    #[test]
    fn a_name_that_leads_inside_leads_nowhere() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let (nowhere, inside) = (Guard::default(), guard(&["127.0.0.0/8"]));
        let secure = Target::parse("https://hooks.example", &nowhere).unwrap();
        let plain = Target::parse("http://hooks.example", &inside).unwrap();
        let (outside, loopback) = ("93.184.216.34", "127.0.0.1");
        for (target, guard, found, chosen) in [
            (&secure, &nowhere, vec![outside], Ok(outside)),
            (&secure, &nowhere, vec![loopback], Err(TargetError::Inside)),
            (&secure, &nowhere, vec![loopback, outside], Ok(outside)),
            (&secure, &nowhere, vec![], Err(TargetError::Inside)),
            (&plain, &inside, vec![outside], Err(TargetError::Plain)),
            (&plain, &inside, vec![outside, loopback], Ok(loopback)),
        ] {
            let expected = chosen.map(|text| text.parse().unwrap());
            assert_eq!(target.choose(&addresses(&found), guard), expected, "{found:?}");
        }
    }
}
