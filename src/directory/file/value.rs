//! Values of the company file: each is checked where it is read, so that what stands in a
//! [`super::CompanyFile`] is well formed.

use super::super::dialled;
use super::super::flow::ForwardTo;
use super::super::flow::Zone;
use super::super::mailbox::{is_box_number, is_context};
use super::super::{BadDestination, DestinationRule, Network, normal_domain};
use crate::base::Language;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::IpAddr;

/// Longest key of a company, name of a trunk and extension.
const KEY_MAX: usize = 32;
/// Longest name of a company or a person, in characters.
const NAME_MAX: usize = 100;
/// Keys of a command at most.
const COMMAND_MAX: usize = 8;

/// A value that cannot stand where it stands, and what can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    #[error("`{0}` is not a key: write 1 to 32 of a-z, 0-9 and `-`")]
    Key(String),
    #[error("`{0}` is not a name: write 1 to 100 characters without line breaks, quotes or angle brackets")]
    Name(String),
    #[error("`{0}` is not a domain: write a host name or an IP address, without scheme and port")]
    Domain(String),
    #[error("`{0}` is not a realm: write 1 to 100 printable ASCII characters without quotes, colons and backslashes")]
    Realm(String),
    #[error("`{0}` is not an E.164 number: write `+` and 2 to 15 digits, the country code first, no separators")]
    Number(String),
    #[error("`{0}` is not an extension: write 1 to 32 digits")]
    Extension(String),
    #[error("`{0}` is not a digest user name: write 1 to 32 of A-Z, a-z, 0-9 and `-_.~`")]
    AuthName(String),
    #[error("`{0}` is not a command: write 1 to 8 of 0-9, A-D, `*` and `#`")]
    Command(String),
    #[error("`{0}` is not an address of a peer: write an address, or a network such as 192.0.2.0/24, without port")]
    Address(String),
    #[error("`{0}` is not a host: write a host name or an IP address, and the port in `port`")]
    Host(String),
    #[error("port 0 cannot be called: write 1 to 65535")]
    Port,
    #[error(
        "`{0}` is not a route: write \"user:EXTENSION\", \"group:NAME\", \"inbox:NAME\", \"flow:NAME\" or \"unrouted\""
    )]
    Route(String),
    #[error("`{0}` is not a country code: write 1 to 3 digits without `+`, or nothing")]
    CountryCode(String),
    #[error("`{0}` is not a national prefix: write up to 4 digits")]
    NationalPrefix(String),
    #[error("`{0}` is not a short number: write 2 to 15 digits, as they are dialled")]
    DialledCode(String),
    #[error("{0} ms is too long to hold a digit back: write 10000 at most")]
    MaxHold(u32),
    #[error("`{0}` is not a key of a phone: write 0 to 9, `*` or `#`")]
    Digit(String),
    #[error("{0} s cannot ring: write 1 to 600")]
    RingSeconds(u16),
    #[error("{0} is not a cause to refuse a call with: write a SIP status from 400 to 699")]
    Cause(u16),
    #[error(
        "`{0}` is nowhere to go on: write \"user:EXTENSION\", \"group:NAME\", \"number:+NUMBER\", \"voicemail:BOX\" or \"next\""
    )]
    ForwardOrNext(String),
    #[error("the password is {0} characters long: write 8 to 128, without line breaks")]
    Password(usize),
    #[error("the password is {0} characters long: write 1 to 128, without line breaks")]
    LoginPassword(usize),
    #[error("the secret is {0} characters long, or has others than printable ASCII: write 16 to 128 of them")]
    TextsSecret(usize),
    #[error("`{0}` is not an address: write `https://`, a host and a path, without user, password or fragment")]
    Url(String),
    #[error("`{0}` is not a user name at a carrier: write 1 to 128 characters without spaces, quotes and colons")]
    LoginUser(String),
    #[error("{0} s is not a time between OPTIONS: write 5 to 3600, or 0 for none")]
    KeepAlive(u32),
    #[error("{0} s is not a time between two reminders: write 2 to 3600, or 0 for none")]
    PauseReminder(u32),
    #[error("{0} s is not the longest pause: write 5 to 86400, or 0 for no limit")]
    MaxPause(u32),
    #[error("{0} days is not a time to keep recordings: write 1 to 36500, or 0 for ever")]
    RetentionDays(u32),
    #[error("{0} ms is no patience: write 500 to 32000")]
    Patience(u32),
    #[error("{0} s is not a registration: write 60 to 86400")]
    RegisterFor(u32),
    #[error("weight 0 would never be taken: write 1 or more")]
    Weight,
    #[error(transparent)]
    Destination(#[from] BadDestination),
    #[error("`{0}` is not the number of a box: write 1 to 40 digits")]
    BoxNumber(String),
    #[error("`{0}` is not a context: write 1 to 79 of A-Z, a-z, 0-9 and `-_.`")]
    Context(String),
    #[error("`{0}` is not the name of a box: write 1 to 80 characters without line breaks, quotes or angle brackets")]
    BoxName(String),
    #[error("the password is not one of a box: write 1 to 16 digits, or nothing for none")]
    BoxPassword,
    #[error("`{0}` is not an address of mail: write one such as name@example.com, or nothing")]
    Email(String),
    #[error("`{0}` is not spoken here: write en, de, fr or es, or nothing for the company's")]
    Language(String),
    #[error("`{0}` is not a time zone: write an IANA name such as Europe/Berlin, or nothing for the company's")]
    BoxZone(String),
    #[error("{0} s is no limit of a message: write 1 to 3600")]
    MessageSeconds(u32),
    #[error("{0} s is no silence: write 1 to 3600, or 0 for none")]
    SilenceSeconds(u32),
    #[error("{0} messages: write 1 to 1000000")]
    MaxMessages(u32),
    #[error("{0} logins: write 1 to 10")]
    MaxLogins(u32),
    #[error(
        "`{0}` is not a dial prefix: write `*` or `#` and up to 5 of 0-9, `*` and `#`, but not `*9`, which is voicemail's"
    )]
    DialPrefix(String),
}

/// A checked text, kept as it is where `good` takes it, or as `read` makes it.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident, $good:expr, $bad:path) => {
        text_value!($(#[$doc])* $name, |text| keep(text, $good, $bad));
    };
    ($(#[$doc:meta])* $name:ident, $read:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadValue;
            fn try_from(text: String) -> Result<Self, BadValue> {
                let read: fn(String) -> Result<String, BadValue> = $read;
                read(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_value!(
    /// Short name of a company or a trunk: `[a-z0-9-]{1,32}`.
    Key,
    is_key,
    BadValue::Key
);
text_value!(
    /// Name for people.
    Name,
    is_name,
    BadValue::Name
);
text_value!(
    /// A SIP domain in its one spelling.
    Domain,
    |text| match is_domain(&text) {
        true => Ok(normal_domain(&text)),
        false => Err(BadValue::Domain(text)),
    }
);
text_value!(
    /// Digest realm (RFC 7616 §3.4).
    Realm,
    is_realm,
    BadValue::Realm
);
text_value!(
    /// `+` and 2 to 15 digits.
    E164,
    is_e164,
    BadValue::Number
);
text_value!(
    /// Digits that colleagues dial.
    Extension,
    |text| is_digits(text, 1..=KEY_MAX),
    BadValue::Extension
);
text_value!(
    /// User name of digest; no colon, which separates the parts of HA1.
    AuthName,
    is_auth_name,
    BadValue::AuthName
);
text_value!(
    /// Keys that a user dials to command.
    Command,
    is_command,
    BadValue::Command
);
text_value!(
    /// A host that can be called, without a port.
    Host,
    |text| is_domain(text) && !is_nowhere(text),
    BadValue::Host
);
text_value!(
    /// Country calling code; empty for none.
    CountryCode,
    |text| text.is_empty() || is_country_code(text),
    BadValue::CountryCode
);
text_value!(
    /// Digits before a national number; may be empty.
    NationalPrefix,
    |text| text.is_empty() || is_digits(text, 1..=4),
    BadValue::NationalPrefix
);

text_value!(
    /// Number of a voicemail box.
    BoxNumber,
    is_box_number,
    BadValue::BoxNumber
);
text_value!(
    /// Context of a voicemail box.
    Context,
    is_context,
    BadValue::Context
);
text_value!(
    /// Name of a voicemail box, for people.
    BoxName,
    |text| is_name(text) && text.chars().count() <= 80,
    BadValue::BoxName
);
text_value!(
    /// Address of mail, or nothing.
    EmailOrNone,
    |text| text.is_empty() || is_email(text),
    BadValue::Email
);

text_value!(
    /// Digits that leave as they are dialled.
    DialledCode,
    |text| keep(text, |text| is_digits(text, 2..=15), BadValue::DialledCode)
);

/// Addresses that requests of a trunk come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PeerAddress(pub Network);

impl TryFrom<String> for PeerAddress {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        text.parse().map(Self).map_err(|_| BadValue::Address(text))
    }
}

macro_rules! number_value {
    ($(#[$doc:meta])* $name:ident($number:ty), $good:expr, $bad:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(try_from = "u32")]
        pub struct $name(pub $number);

        impl TryFrom<u32> for $name {
            type Error = BadValue;
            fn try_from(said: u32) -> Result<Self, BadValue> {
                let good: fn(u32) -> Option<$number> = $good;
                good(said).map(Self).ok_or_else(|| $bad(said))
            }
        }
    };
}

number_value!(
    /// Seconds between OPTIONS; 0 for none.
    KeepAlive(u32),
    |s| (s == 0 || (5..=3_600).contains(&s)).then_some(s),
    BadValue::KeepAlive
);
number_value!(
    /// Seconds between two reminders of a pause; 0 for none.
    PauseReminder(u16),
    |s| u16::try_from(s).ok().filter(|s| *s == 0 || (2..=3_600).contains(s)),
    BadValue::PauseReminder
);
number_value!(
    /// The longest pause, in s; 0 for no limit.
    MaxPause(u32),
    |s| (s == 0 || (5..=86_400).contains(&s)).then_some(s),
    BadValue::MaxPause
);
number_value!(
    /// How long recordings are kept, in days; 0 for ever.
    RetentionDays(u32),
    |days| (days <= 36_500).then_some(days),
    BadValue::RetentionDays
);
number_value!(
    /// How long a target may say nothing, in ms: at most Timer B (RFC 3261 §17.1.1.2).
    Patience(u32),
    |ms| (500..=32_000).contains(&ms).then_some(ms),
    BadValue::Patience
);
number_value!(
    /// A registration at a carrier, in s.
    RegisterFor(u32),
    |s| (60..=86_400).contains(&s).then_some(s),
    BadValue::RegisterFor
);
number_value!(
    /// A share of calls.
    Weight(u16),
    |weight| u16::try_from(weight).ok().filter(|weight| *weight > 0),
    |_| BadValue::Weight
);

number_value!(
    /// Longest and shortest message, in s.
    MessageSeconds(u32),
    |s| (1..=3_600).contains(&s).then_some(s),
    BadValue::MessageSeconds
);
number_value!(
    /// Silence that ends a message, in s; 0: none.
    SilenceSeconds(u32),
    |s| (s <= 3_600).then_some(s),
    BadValue::SilenceSeconds
);
number_value!(
    /// Messages that a box holds.
    MaxMessages(u32),
    |count| (1..=1_000_000).contains(&count).then_some(count),
    BadValue::MaxMessages
);
number_value!(
    /// Wrong passwords that end a call.
    MaxLogins(u32),
    |count| (1..=10).contains(&count).then_some(count),
    BadValue::MaxLogins
);

/// The password of a box, or `""`: none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct BoxPassword(pub Secret);

impl TryFrom<String> for BoxPassword {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match text.is_empty() || is_digits(&text, 1..=16) {
            true => Ok(Self(Secret(text))),
            false => Err(BadValue::BoxPassword),
        }
    }
}

/// A language, or `""`: the company's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LanguageOrNone(pub Option<Language>);

impl TryFrom<String> for LanguageOrNone {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match Language::parse(&text) {
            None if text.is_empty() => Ok(Self(None)),
            None => Err(BadValue::Language(text)),
            language => Ok(Self(language)),
        }
    }
}

/// A time zone, or `""`: the company's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ZoneOrNone(pub Option<Zone>);

impl TryFrom<String> for ZoneOrNone {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match text.is_empty() {
            true => Ok(Self(None)),
            false => Zone::try_from(text.clone()).map(|zone| Self(Some(zone))).map_err(|_| BadValue::BoxZone(text)),
        }
    }
}

/// A user name at a carrier, or `""`: none any more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LoginUser(pub Option<String>);

impl TryFrom<String> for LoginUser {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | ':' | '<' | '>' | '\\');
        match text.is_empty() {
            true => Ok(Self(None)),
            false if text.len() <= 128 && text.chars().all(allowed) => Ok(Self(Some(text))),
            false => Err(BadValue::LoginUser(text)),
        }
    }
}

/// A password that a carrier chose.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LoginPassword(pub Secret);

impl TryFrom<String> for LoginPassword {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        let length = text.chars().count();
        match (1..=128).contains(&length) && !text.chars().any(char::is_control) {
            true => Ok(Self(Secret(text))),
            false => Err(BadValue::LoginPassword(length)),
        }
    }
}

/// A secret of 16 characters or more, or `""`: none any more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SecretOrNone(pub Option<Secret>);

impl TryFrom<String> for SecretOrNone {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        let length = text.chars().count();
        match (length, text.chars().all(|c| c.is_ascii_graphic())) {
            (0, _) => Ok(Self(None)),
            (16..=128, true) => Ok(Self(Some(Secret(text)))),
            (_, _) => Err(BadValue::TextsSecret(length)),
        }
    }
}

/// An address of a carrier over HTTP, or `""`: none any more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UrlOrNone(pub String);

impl TryFrom<String> for UrlOrNone {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '@' | '\\' | '"' | '<' | '>');
        let good = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) && text.len() <= 2_000;
        match text.is_empty() {
            true => Ok(Self(text)),
            false if good && text.chars().all(allowed) => Ok(Self(text)),
            false => Err(BadValue::Url(text)),
        }
    }
}

/// A domain, or `""`: the default again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DomainOrNone(pub String);

impl TryFrom<String> for DomainOrNone {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match text.is_empty() {
            true => Ok(Self(text)),
            false => Domain::try_from(text).map(|domain| Self(domain.0)),
        }
    }
}

/// Numbers that may be called, or not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DestinationText(pub DestinationRule);

impl TryFrom<String> for DestinationText {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        Ok(Self(text.parse()?))
    }
}

/// What is dialled before a number, or `""`: nothing any more. It begins as no number does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DialPrefix(pub Option<String>);

impl TryFrom<String> for DialPrefix {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        let keys = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#'));
        let good = keys && text.len() <= 6 && text.starts_with(['*', '#']) && !text.starts_with("*9");
        match text.is_empty() {
            true => Ok(Self(None)),
            false if good => Ok(Self(Some(text))),
            false => Err(BadValue::DialPrefix(text)),
        }
    }
}

/// A realm, or `""`: unknown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RealmOrNone(pub Option<String>);

impl TryFrom<String> for RealmOrNone {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match text.is_empty() {
            true => Ok(Self(None)),
            false => Realm::try_from(text).map(|realm| Self(Some(realm.0))),
        }
    }
}

/// A port that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub struct Port(pub u16);

impl TryFrom<u16> for Port {
    type Error = BadValue;
    fn try_from(port: u16) -> Result<Self, BadValue> {
        (port != 0).then_some(Self(port)).ok_or(BadValue::Port)
    }
}

/// How long digits are held back, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct MaxHold(pub u32);

impl TryFrom<u32> for MaxHold {
    type Error = BadValue;
    fn try_from(ms: u32) -> Result<Self, BadValue> {
        (ms <= 10_000).then_some(Self(ms)).ok_or(BadValue::MaxHold(ms))
    }
}

/// Where calls to a number go, by extension or name: `user:201`, `flow:main`, `unrouted`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum RouteTo {
    Unrouted,
    User(String),
    Group(String),
    Inbox(String),
    Flow(String),
}

impl TryFrom<String> for RouteTo {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match text.split_once(':') {
            Some(("user", extension)) if is_digits(extension, 1..=KEY_MAX) => Ok(RouteTo::User(extension.to_owned())),
            Some(("group", name)) if is_key(name) => Ok(RouteTo::Group(name.to_owned())),
            Some(("inbox", name)) if is_key(name) => Ok(RouteTo::Inbox(name.to_owned())),
            Some(("flow", name)) if is_key(name) => Ok(RouteTo::Flow(name.to_owned())),
            None if text == "unrouted" => Ok(RouteTo::Unrouted),
            Some(_) | None => Err(BadValue::Route(text)),
        }
    }
}

impl fmt::Display for RouteTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteTo::Unrouted => f.write_str("unrouted"),
            RouteTo::User(extension) => write!(f, "user:{extension}"),
            RouteTo::Group(name) => write!(f, "group:{name}"),
            RouteTo::Inbox(name) => write!(f, "inbox:{name}"),
            RouteTo::Flow(name) => write!(f, "flow:{name}"),
        }
    }
}

/// A password in clear. It is never shown, not even by `{:?}`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret(String);

impl Secret {
    /// A password that the service made itself.
    pub(in crate::directory) fn generated(text: String) -> Self {
        Secret(text)
    }

    /// A password as it was stored.
    pub(crate) fn stored(text: String) -> Self {
        Secret(text)
    }

    /// The password. For hashing, and for the one time that a generated one is shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Secret {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        let length = text.chars().count();
        match (8..=128).contains(&length) && !text.chars().any(char::is_control) {
            true => Ok(Self(text)),
            false => Err(BadValue::Password(length)),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A user's own setting, or `"inherit"`: the company's again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own<T> {
    Inherit,
    Set(T),
}

impl<T> Own<T> {
    pub fn value(self) -> Option<T> {
        match self {
            Own::Inherit => None,
            Own::Set(value) => Some(value),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Own<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        if value.as_str() == Some("inherit") {
            return Ok(Own::Inherit);
        }
        let error = |error: toml::de::Error| D::Error::custom(format!("{}, or \"inherit\"", error.message().trim()));
        value.try_into().map(Own::Set).map_err(error)
    }
}

/// A key of a phone: `0-9`, `*`, `#`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Digit(pub char);

impl TryFrom<String> for Digit {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match text.as_bytes() {
            [key @ (b'0'..=b'9' | b'*' | b'#')] => Ok(Self(char::from(*key))),
            _ => Err(BadValue::Digit(text)),
        }
    }
}

/// A key of a phone, or `"off"`: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DigitOrOff(pub Option<char>);

impl TryFrom<String> for DigitOrOff {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match text.as_str() {
            "off" => Ok(Self(None)),
            _ => Digit::try_from(text).map(|digit| Self(Some(digit.0))),
        }
    }
}

/// How long devices ring, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub struct RingSeconds(pub u16);

impl TryFrom<u16> for RingSeconds {
    type Error = BadValue;
    fn try_from(seconds: u16) -> Result<Self, BadValue> {
        (1..=600).contains(&seconds).then_some(Self(seconds)).ok_or(BadValue::RingSeconds(seconds))
    }
}

/// The SIP status that a flow ends a call with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub struct Cause(pub u16);

impl TryFrom<u16> for Cause {
    type Error = BadValue;
    fn try_from(cause: u16) -> Result<Self, BadValue> {
        (400..=699).contains(&cause).then_some(Self(cause)).ok_or(BadValue::Cause(cause))
    }
}

/// Where a call goes that a user cannot take, or `"next"`: on in the flow.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ForwardOrNext(pub Option<ForwardTo>);

impl TryFrom<String> for ForwardOrNext {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match text.as_str() {
            "next" => Ok(Self(None)),
            _ => {
                let read = ForwardTo::try_from(text.clone());
                read.map(|to| Self(Some(to))).map_err(|_| BadValue::ForwardOrNext(text))
            }
        }
    }
}

/// A reference to something by its name, or `""`: none any more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyOrNone(pub Option<String>);

impl TryFrom<String> for KeyOrNone {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match text.is_empty() {
            true => Ok(Self(None)),
            false => Key::try_from(text).map(|key| Self(Some(key.0))),
        }
    }
}

/// A reference to a number, or `""`: none any more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NumberOrNone(pub Option<String>);

impl TryFrom<String> for NumberOrNone {
    type Error = BadValue;
    fn try_from(text: String) -> Result<Self, BadValue> {
        match text.is_empty() {
            true => Ok(Self(None)),
            false => E164::try_from(text).map(|number| Self(Some(number.0))),
        }
    }
}

fn keep(text: String, good: fn(&str) -> bool, bad: fn(String) -> BadValue) -> Result<String, BadValue> {
    match good(&text) {
        true => Ok(text),
        false => Err(bad(text)),
    }
}

fn is_key(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Names are printed in SIP display names and in tables.
fn is_name(text: &str) -> bool {
    let allowed = |c: char| !c.is_control() && !matches!(c, '"' | '<' | '>' | '\\');
    !text.trim().is_empty() && text.chars().count() <= NAME_MAX && text.chars().all(allowed)
}

/// Something on both sides of one `@`, without what separates addresses and lines.
fn is_email(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | ',' | ';' | ':' | '\\' | '(' | ')');
    let parts = text.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.contains('@'));
    text.len() <= 254 && text.chars().all(allowed) && parts.is_some_and(|(_, domain)| is_domain(domain))
}

fn is_realm(text: &str) -> bool {
    let allowed = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b':' | b'\\');
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| dialled::e164(digits).is_some())
}

fn is_digits(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_country_code(text: &str) -> bool {
    is_digits(text, 1..=3) && !text.starts_with('0')
}

fn is_auth_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_command(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'D' | b'*' | b'#');
    (1..=COMMAND_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// A host name (RFC 1123 §2.1) or an IP literal, an IPv6 one with or without brackets.
fn is_domain(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().is_ok() || is_host_name(text.strip_suffix('.').unwrap_or(text))
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    // A name of digits and dots only is an address with a mistake in it.
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.len() <= 253 && !numeric && text.split('.').all(label)
}

fn is_nowhere(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified() || ip.is_multicast())
}
