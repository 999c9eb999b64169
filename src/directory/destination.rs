//! Where a user may call outside: toll fraud ends at a list.

use super::{Company, User};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Numbers that begin alike may be called, or may not: `+49`, `!+49900`, `+` for the whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationRule {
    /// `+` and the first digits of the numbers.
    prefix: String,
    allowed: bool,
}

/// Why a number may not be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    #[error("calls to {0}… are not allowed: see `destinations` of the user or the company")]
    Rule(String),
    #[error("no rule of `destinations` of the user or the company allows calls to this number")]
    NoRule,
}

/// Why a text is no destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a destination: write `+` and the first digits of the numbers, `!` before it to forbid them")]
pub struct BadDestination(pub String);

/// Numbers of a country that cost more than a national call or are another country's, and are the
/// usual aim of toll fraud. The list is not complete: it is what a company begins with.
const COSTLY: [(&str, &[&str]); 8] = [
    // Premium rate, and the countries and territories of the Caribbean, Bermuda and Canada's 600
    // that share the country code without sharing the price.
    (
        "1",
        &[
            "900", "976", "242", "246", "264", "268", "284", "345", "441", "473", "600", "649", "658", "664", "721",
            "758", "767", "784", "809", "829", "849", "868", "869", "876",
        ],
    ),
    ("31", &["900", "906", "909"]),
    ("33", &["89"]),
    ("39", &["89", "1"]),
    ("41", &["90"]),
    ("43", &["9"]),
    ("44", &["9", "70", "871", "872", "873"]),
    ("49", &["900", "137", "118"]),
];

impl DestinationRule {
    fn new(allowed: bool, prefix: String) -> Self {
        DestinationRule { prefix, allowed }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What a company begins with: its own country without what is known to be costly there;
    /// without a country, nowhere.
    pub fn home(country_code: &str) -> Vec<DestinationRule> {
        if country_code.is_empty() {
            return Vec::new();
        }
        let costly = COSTLY.iter().filter(|(code, _)| *code == country_code).flat_map(|(_, prefixes)| prefixes.iter());
        let forbidden = costly.map(|prefix| DestinationRule::new(false, format!("+{country_code}{prefix}")));
        [DestinationRule::new(true, format!("+{country_code}"))].into_iter().chain(forbidden).collect()
    }
}

/// Whether `user`, or nobody in particular, may call `e164` outside: the user's own list, else the
/// company's, else the home country. The longest prefix that fits decides; where none does, no.
pub fn may_call(company: &Company, user: Option<&User>, e164: &str) -> Result<(), Barred> {
    let own = user.and_then(|user| user.destinations.as_deref());
    match own.or(company.settings.destinations.as_deref()) {
        Some(rules) => judge(rules, e164),
        None => judge(&DestinationRule::home(&company.settings.country_code), e164),
    }
}

fn judge(rules: &[DestinationRule], e164: &str) -> Result<(), Barred> {
    let fitting = rules.iter().filter(|rule| e164.starts_with(&rule.prefix));
    match fitting.max_by_key(|rule| rule.prefix.len()) {
        Some(rule) if rule.allowed => Ok(()),
        Some(rule) => Err(Barred::Rule(rule.prefix.clone())),
        None => Err(Barred::NoRule),
    }
}

impl FromStr for DestinationRule {
    type Err = BadDestination;

    fn from_str(text: &str) -> Result<Self, BadDestination> {
        let (allowed, prefix) = text.strip_prefix('!').map_or((true, text), |prefix| (false, prefix));
        let digits = prefix.strip_prefix('+').ok_or_else(|| BadDestination(text.to_owned()))?;
        let fits = digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        match fits {
            true => Ok(DestinationRule::new(allowed, prefix.to_owned())),
            false => Err(BadDestination(text.to_owned())),
        }
    }
}

impl fmt::Display for DestinationRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.allowed { "" } else { "!" }, self.prefix)
    }
}

impl Serialize for DestinationRule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DestinationRule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<DestinationRule> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_longest_prefix_decides_and_without_one_nothing_may_be_called() {
        let list = rules(&["+49", "!+49900", "+499001", "!+4916", "+43"]);
        let rows = [
            ("+4930123456", Ok(())),
            ("+49900555", Err(Barred::Rule("+49900".to_owned()))),
            ("+49900155", Ok(())),
            ("+491601", Err(Barred::Rule("+4916".to_owned()))),
            ("+431", Ok(())),
            ("+1555", Err(Barred::NoRule)),
        ];
        for (e164, expected) in rows {
            assert_eq!(judge(&list, e164), expected, "{e164}");
        }
        assert_eq!(judge(&rules(&["+"]), "+881612345"), Ok(()));
        assert_eq!(judge(&[], "+4930123456"), Err(Barred::NoRule));
    }

    #[test]
    fn a_new_company_may_call_its_own_country_without_what_is_costly_there() {
        let rows = [
            ("49", "+4930123456", true),
            ("49", "+49900123456", false),
            ("49", "+4313456", false),
            ("1", "+12125550100", true),
            ("1", "+18765550100", false),
            ("1", "+19005550100", false),
            ("44", "+442079460000", true),
            ("44", "+447012345678", false),
            ("45", "+4533123456", true),
            ("", "+12125550100", false),
        ];
        for (country, e164, allowed) in rows {
            assert_eq!(
                judge(&DestinationRule::home(country), e164).is_ok(),
                allowed,
                "{e164} from country {country:?}"
            );
        }
    }

    #[test]
    fn a_destination_is_printed_as_it_is_read() {
        for text in ["+", "+49", "!+49900"] {
            assert_eq!(text.parse::<DestinationRule>().unwrap().to_string(), text);
        }
        for text in ["", "49", "!49", "+49x", "+0", "+1234567890123456", "! +49"] {
            assert_eq!(text.parse::<DestinationRule>(), Err(BadDestination(text.to_owned())));
        }
    }
}
