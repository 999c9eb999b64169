//! What a user dials, as an E.164 number.

use super::{Company, Settings};

/// Digits of an E.164 number at most (ITU-T E.164 §6).
const E164_DIGITS: std::ops::RangeInclusive<usize> = 2..=15;

/// A national number is dialled with this many digits at least: shorter ones are service
/// codes, which mean something else in every network (see [`short_number`]).
const NATIONAL_DIGITS: usize = 5;

/// A number that leaves as it was dialled, since it is no E.164 number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShortNumber {
    /// For help: it must be reached whatever stands against other calls.
    Emergency(String),
    Service(String),
}

/// The emergency or service number that `dialled` is in this company; the visual separators of
/// tel URIs do not count.
pub fn short_number(dialled: &str, company: &Company) -> Option<ShortNumber> {
    let bare = without_separators(dialled);
    let settings = &company.settings;
    if settings.emergency_numbers.contains(&bare) {
        return Some(ShortNumber::Emergency(bare));
    }
    settings.service_numbers.contains(&bare).then_some(ShortNumber::Service(bare))
}

/// The E.164 number, with its `+`, that `dialled` means in this company; `None` when it
/// means none.
///
/// Accepted: `+…`, `00…` (`011…` too in country 1), and, where the company has a
/// `country_code`, national numbers with or without the national prefix. The visual
/// separators of tel URIs (RFC 3966 §3: `-`, `.`, `(`, `)`) and spaces are left out.
pub fn normalise_number(dialled: &str, company: &Company) -> Option<String> {
    let bare = without_separators(dialled);
    if let Some(international) = bare.strip_prefix('+') {
        return e164(international);
    }
    if !is_digits(&bare) {
        return None;
    }
    let settings = &company.settings;
    if let Some(international) = bare.strip_prefix(international_prefix(settings, &bare)) {
        return e164(international);
    }
    national(&bare, settings)
}

fn without_separators(dialled: &str) -> String {
    dialled.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect()
}

/// `00` everywhere; North America dials `011`.
fn international_prefix(settings: &Settings, bare: &str) -> &'static str {
    match settings.country_code == "1" && bare.starts_with("011") {
        true => "011",
        false => "00",
    }
}

fn national(bare: &str, settings: &Settings) -> Option<String> {
    if settings.country_code.is_empty() || bare.len() < NATIONAL_DIGITS {
        return None;
    }
    let significant = bare.strip_prefix(settings.effective_national_prefix()).unwrap_or(bare);
    e164(&format!("{}{significant}", settings.country_code))
}

/// `digits` with a `+`, when they are an E.164 number. No country code begins with 0.
pub(super) fn e164(digits: &str) -> Option<String> {
    let fits = is_digits(digits) && E164_DIGITS.contains(&digits.len()) && !digits.starts_with('0');
    fits.then(|| format!("+{digits}"))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Settings {
    /// What stands before a number dialled inside the country: as set, else `1` in country
    /// 1 and `0` elsewhere.
    pub fn effective_national_prefix(&self) -> &str {
        match (&self.national_prefix, self.country_code.as_str()) {
            (Some(prefix), _) => prefix,
            (None, "1") => "1",
            (None, _) => "0",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::CompanyId;

    fn company(country_code: &str, national_prefix: Option<&str>) -> Company {
        let settings = Settings {
            country_code: country_code.to_owned(),
            national_prefix: national_prefix.map(str::to_owned),
            ..Settings::default()
        };
        Company {
            id: CompanyId(1),
            key: "acme".to_owned(),
            name: "Acme".to_owned(),
            domains: Vec::new(),
            realm: "acme".to_owned(),
            settings,
            default_number: None,
        }
    }

    #[test]
    fn emergency_and_service_numbers_are_known_as_dialled_and_an_emergency_wins() {
        let mut company = company("49", None);
        let emergency = |text: &str| Some(ShortNumber::Emergency(text.to_owned()));
        for (dialled, expected) in [
            ("112", emergency("112")),
            ("911", emergency("911")),
            ("9-1-1", emergency("911")),
            ("110", None),
            ("+112", None),
            ("0112", None),
            ("1120", None),
            ("", None),
        ] {
            assert_eq!(short_number(dialled, &company), expected, "{dialled} by default");
        }
        company.settings.emergency_numbers = vec!["110".to_owned(), "112".to_owned()];
        company.settings.service_numbers = vec!["11833".to_owned(), "110".to_owned()];
        for (dialled, expected) in [
            ("110", emergency("110")),
            ("911", None),
            ("11833", Some(ShortNumber::Service("11833".to_owned()))),
            ("11834", None),
        ] {
            assert_eq!(short_number(dialled, &company), expected, "{dialled} in a company with lists of its own");
        }
    }

    #[test]
    fn what_is_dialled_becomes_e164() {
        let table = [
            ("", None, "+15550100", Some("+15550100")),
            ("", None, "+1 (555) 010-0.1", Some("+155501001")),
            ("", None, "0015550100", Some("+15550100")),
            ("", None, "5550100", None),
            ("", None, "+1555x0100", None),
            ("", None, "+0155", None),
            ("", None, "+1", None),
            ("", None, "+1234567890123456", None),
            ("", None, "#11#", None),
            ("", None, "", None),
            ("", None, "٣٤٥٦٧", None),
            ("49", None, "030 123456", Some("+4930123456")),
            ("49", None, "0043 1 2345", Some("+4312345")),
            ("49", None, "112", None),
            ("1", None, "1 555 555 0100", Some("+15555550100")),
            ("1", None, "(555) 555-0100", Some("+15555550100")),
            ("1", None, "011 44 20 7946 0000", Some("+442079460000")),
            ("1", None, "911", None),
            ("39", Some(""), "06 123456", Some("+3906123456")),
        ];
        for (code, prefix, dialled, expected) in table {
            let got = normalise_number(dialled, &company(code, prefix));
            assert_eq!(got.as_deref(), expected, "{dialled} in country {code:?}");
        }
    }
}
