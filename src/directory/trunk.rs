//! Trunks: SIP peers that carry calls to and from the outside.

use super::file::Secret;
use super::{Company, Transport, normalise_number};
use crate::base::{CompanyId, TrunkId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use utoipa::ToSchema;

/// A SIP peer that carries calls to and from the outside. Its requests are recognised by the
/// network that they come from, by digest ([`Trunk::inbound`]), or by both where both are set.
/// One carrier address may serve several companies: each has a trunk row, and the called number
/// decides whose call it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    pub id: TrunkId,
    pub company: CompanyId,
    /// Unique in the company.
    pub name: String,
    /// Networks that requests of this trunk come from. With `inbound`, only from these, or from
    /// anywhere where there are none.
    pub addresses: Vec<Network>,
    /// Where outbound calls go; at least one.
    pub targets: Vec<TrunkTarget>,
    pub settings: TrunkSettings,
    /// What we prove towards it (its 401 and 407, and REGISTER).
    pub login: Option<Login>,
    /// What it proves towards us.
    pub inbound: Option<InboundLogin>,
    /// What text messages over HTTP are signed with, both ways: both sides have to know it.
    pub texts_secret: Option<Secret>,
}

impl Trunk {
    /// Whether its requests may come from `ip`, once it has proven itself.
    pub fn lets_in(&self, ip: IpAddr) -> bool {
        self.addresses.is_empty() || self.addresses.iter().any(|network| network.contains(ip))
    }
}

/// One address of a trunk that calls can be sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkTarget {
    /// An address or a name.
    pub host: String,
    pub port: u16,
    pub transport: Transport,
    /// Lower ones are tried first.
    #[serde(default)]
    pub order: u16,
    /// Among those of one order: the share of calls that try it first (RFC 2782's weight, never 0).
    #[serde(default = "one")]
    pub weight: u16,
}

const fn one() -> u16 {
    1
}

impl fmt::Display for TrunkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.host.parse::<std::net::Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]"),
            Err(_) => self.host.clone(),
        };
        write!(f, "{host}:{}/{}", self.port, self.transport.as_str())
    }
}

/// What an admin sets for a trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrunkSettings {
    /// How numbers are written towards it, and read from it.
    pub number_format: NumberFormat,
    /// It is told and believed who calls (RFC 3325): P-Asserted-Identity also of a number that is
    /// withheld from the called party.
    pub trusted: bool,
    /// Calls at a time, both directions together; `None`: no limit.
    pub max_calls: Option<u32>,
    /// Seconds between OPTIONS to each target; 0: none are sent.
    pub keepalive_s: u32,
    /// A target that has said nothing to an INVITE for so long, in ms, is given up for the next.
    pub patience_ms: u32,
    /// Register there with `login`.
    pub register: bool,
    /// The interval that is asked for, in s.
    pub register_expires_s: u32,
    /// The domain of our address there; empty: the host of the first target.
    pub domain: String,
    /// Its legs are encrypted (SRTP, keys over TLS) or refused, whatever the company demands.
    pub only_encrypted: bool,
    /// Whether the party behind it may transfer; `None`: as the company says.
    pub transfer_from_outside: Option<bool>,
    /// How text messages go out through it.
    pub texts: TextsBy,
    /// Where they are sent to over HTTP.
    pub texts_url: String,
    /// Long ones go out as parts of the size of an SMS (GSM 03.38), each with its place among all.
    pub texts_split: bool,
}

impl Default for TrunkSettings {
    fn default() -> Self {
        TrunkSettings {
            number_format: NumberFormat::Plus,
            trusted: false,
            max_calls: None,
            keepalive_s: 0,
            patience_ms: 5_000,
            register: false,
            register_expires_s: 600,
            domain: String::new(),
            only_encrypted: false,
            transfer_from_outside: None,
            texts: TextsBy::Sip,
            texts_url: String::new(),
            texts_split: false,
        }
    }
}

/// How text messages go out through a trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextsBy {
    /// SIP MESSAGE (RFC 3428) to its targets.
    #[default]
    Sip,
    /// Signed requests to `texts_url`.
    Http,
    /// Not at all.
    None,
}

impl TextsBy {
    pub const fn as_str(self) -> &'static str {
        match self {
            TextsBy::Sip => "sip",
            TextsBy::Http => "http",
            TextsBy::None => "none",
        }
    }
}

/// How an E.164 number is written towards a trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberFormat {
    /// `+4930123456`
    #[default]
    Plus,
    /// `4930123456`
    International,
    /// As dialled in the company's country: `030123456`, `0043123456`.
    National,
}

impl NumberFormat {
    pub const fn as_str(self) -> &'static str {
        match self {
            NumberFormat::Plus => "plus",
            NumberFormat::International => "international",
            NumberFormat::National => "national",
        }
    }

    /// `e164`, with its `+`, as this form has it. What has none (an emergency or service number)
    /// leaves as it stands.
    pub fn write(self, e164: &str, company: &Company) -> String {
        let Some(digits) = e164.strip_prefix('+') else { return e164.to_owned() };
        match self {
            NumberFormat::Plus => format!("+{digits}"),
            NumberFormat::International => digits.to_owned(),
            NumberFormat::National => national(digits, company),
        }
    }

    /// The E.164 number that a trunk which writes this form means by `said`. The other forms are
    /// understood too where they cannot be mistaken for this one.
    pub fn read(self, said: &str, company: &Company) -> Option<String> {
        let as_dialled = || normalise_number(said, company);
        let bare = || normalise_number(&format!("+{}", said.trim_start_matches('+')), company);
        match self {
            NumberFormat::National => as_dialled().or_else(bare),
            NumberFormat::Plus | NumberFormat::International if said.starts_with("00") => as_dialled(),
            NumberFormat::Plus | NumberFormat::International => bare().or_else(as_dialled),
        }
    }
}

fn national(digits: &str, company: &Company) -> String {
    let settings = &company.settings;
    let home = Some(settings.country_code.as_str()).filter(|code| !code.is_empty());
    match home.and_then(|code| digits.strip_prefix(code)) {
        Some(significant) => format!("{}{significant}", settings.effective_national_prefix()),
        None if settings.country_code == "1" => format!("011{digits}"),
        None => format!("00{digits}"),
    }
}

/// What we prove to a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// User name of digest, and of our address there.
    pub user: String,
    pub secret: LoginSecret,
}

/// A password in the form that answers to challenges are made from. Digest needs it again for
/// each challenge, so that a one-way hash will not do: where the realm is known, what is kept is
/// good for that realm only; where it is not, the password itself is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum LoginSecret {
    /// H(user:realm:password) in lower-case hex (RFC 7616 §3.4.2, RFC 8760).
    Hashes { realm: String, md5: String, sha256: String },
    /// The password.
    Clear(Secret),
}

/// Neither hash nor password.
impl fmt::Debug for LoginSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoginSecret::Hashes { realm, .. } => write!(f, "Hashes({realm:?}, …)"),
            LoginSecret::Clear(_) => f.write_str("Clear(…)"),
        }
    }
}

/// What a trunk proves to us: the same hashes as a user's, in the company's realm.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundLogin {
    pub user: String,
    pub ha1_md5: String,
    pub ha1_sha256: String,
}

impl fmt::Debug for InboundLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundLogin").field("user", &self.user).finish_non_exhaustive()
    }
}

/// An IP network: an address and how many of its bits count (RFC 4632 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// A network of one address.
    pub const fn host(address: IpAddr) -> Self {
        let bits = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Network { address, bits }
    }

    /// The address, where the network has no other.
    pub fn sole(&self) -> Option<IpAddr> {
        (*self == Network::host(self.address)).then_some(self.address)
    }

    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => same_bits(u32::from(net).into(), u32::from(ip).into(), self.bits, 32),
            (IpAddr::V6(net), IpAddr::V6(ip)) => same_bits(net.into(), ip.into(), self.bits, 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether so many addresses are in it that standing in it proves nothing.
    pub const fn is_nearly_everybody(&self) -> bool {
        match self.address {
            IpAddr::V4(_) => self.bits < 8,
            IpAddr::V6(_) => self.bits < 16,
        }
    }
}

/// Whether the first `bits` of two addresses of `width` bits are the same.
fn same_bits(one: u128, other: u128, bits: u8, width: u8) -> bool {
    let ignored = u32::from(width.saturating_sub(bits));
    (one ^ other).checked_shr(ignored).unwrap_or(0) == 0
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network: write an address, or one with its prefix length such as 192.0.2.0/24")]
pub struct BadNetwork(pub String);

impl FromStr for Network {
    type Err = BadNetwork;

    /// `192.0.2.1` or `192.0.2.0/24`; bits beyond the prefix must be 0, so that a slip shows.
    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse::<IpAddr>().map_err(|_| bad())?.to_canonical();
        let whole = Network::host(address);
        let bits: u8 = bits.map_or(Ok(whole.bits), str::parse).map_err(|_| bad())?;
        let unusable = address.is_multicast() || (address.is_unspecified() && bits == whole.bits);
        let network = Network { address, bits };
        let spare = u32::from(whole.bits.checked_sub(bits).ok_or_else(bad)?);
        let low = match address {
            IpAddr::V4(ip) => u128::from(u32::from(ip)),
            IpAddr::V6(ip) => ip.into(),
        };
        let clean = spare == 0 || low.checked_shl(128 - spare).unwrap_or(0) == 0;
        if unusable || !clean { Err(bad()) } else { Ok(network) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sole() {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "{}/{}", self.address, self.bits),
        }
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Settings;

    fn company(country_code: &str) -> Company {
        Company {
            id: CompanyId(1),
            key: "a".to_owned(),
            name: "a".to_owned(),
            domains: Vec::new(),
            realm: "a".to_owned(),
            settings: Settings { country_code: country_code.to_owned(), ..Settings::default() },
            default_number: None,
        }
    }

    #[test]
    fn a_network_holds_the_addresses_that_share_its_bits() {
        let rows = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("0.0.0.0/0", "2001:db8::1", false),
        ];
        for (network, ip, inside) in rows {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(ip.parse().unwrap()), inside, "{ip} in {network}");
        }
    }

    #[test]
    fn a_network_is_printed_as_it_is_read_and_a_slip_is_refused() {
        for text in ["192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "2001:db8::1", "10.0.0.0/8"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for text in ["192.0.2.1/24", "192.0.2.0/33", "2001:db8::1/64", "carrier.example", "0.0.0.0", "224.0.0.1", "/8"]
        {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork(text.to_owned())));
        }
    }

    #[test]
    fn numbers_are_written_as_the_trunk_wants_them_and_read_back() {
        let rows = [
            (NumberFormat::Plus, "49", "+4930123456", "+4930123456"),
            (NumberFormat::International, "49", "+4930123456", "4930123456"),
            (NumberFormat::National, "49", "+4930123456", "030123456"),
            (NumberFormat::National, "49", "+43123456", "0043123456"),
            (NumberFormat::National, "1", "+15555550100", "15555550100"),
            (NumberFormat::National, "1", "+4930123456", "0114930123456"),
            (NumberFormat::National, "", "+4930123456", "004930123456"),
        ];
        for (format, country, e164, written) in rows {
            let company = company(country);
            assert_eq!(format.write("112", &company), "112", "{format:?}");
            assert_eq!(format.write(e164, &company), written, "{format:?} in {country:?}");
            assert_eq!(format.read(written, &company).as_deref(), Some(e164), "{written} as {format:?} in {country:?}");
        }
    }

    #[test]
    fn a_carrier_that_writes_another_form_than_it_was_set_to_is_understood() {
        let rows = [
            (NumberFormat::Plus, "4930123456", "+4930123456"),
            (NumberFormat::Plus, "004930123456", "+4930123456"),
            (NumberFormat::Plus, "030123456", "+4930123456"),
            (NumberFormat::National, "+4930123456", "+4930123456"),
            (NumberFormat::National, "30123456", "+4930123456"),
        ];
        for (format, said, e164) in rows {
            assert_eq!(format.read(said, &company("49")).as_deref(), Some(e164), "{said} as {format:?}");
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let secret = Secret::try_from("open-sesame".to_owned()).unwrap();
        let login = Login { user: "u".to_owned(), secret: LoginSecret::Clear(secret) };
        let hashes = LoginSecret::Hashes { realm: "r".to_owned(), md5: "abc".to_owned(), sha256: "abc".to_owned() };
        let inbound = InboundLogin { user: "u".to_owned(), ha1_md5: "abc".to_owned(), ha1_sha256: "abc".to_owned() };
        let shown = format!("{login:?} {hashes:?} {inbound:?}");
        assert!(!shown.contains("sesame") && !shown.contains("abc"), "{shown}");
    }
}
