//! Header lines in order, under their full names.

use super::{CSeq, Via};
use crate::sip::lex;
use crate::sip::uri::{NameAddr, UriError};
use std::borrow::Cow;

/// Why a typed header cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("Missing {0}")]
    Missing(&'static str),
    #[error("Bad {name}: {cause}")]
    Address { name: &'static str, cause: UriError },
    #[error("Bad {name}: {value:?}")]
    Value { name: &'static str, value: String },
}

/// Full names and their compact forms (the IANA registry of SIP header fields).
const KNOWN: [(&str, &str); 73] = [
    ("Via", "v"),
    ("From", "f"),
    ("To", "t"),
    ("Call-ID", "i"),
    ("CSeq", ""),
    ("Contact", "m"),
    ("Max-Forwards", ""),
    ("Content-Length", "l"),
    ("Content-Type", "c"),
    ("Content-Encoding", "e"),
    ("Content-Disposition", ""),
    ("Content-Language", ""),
    ("Supported", "k"),
    ("Subject", "s"),
    ("Session-Expires", "x"),
    ("Min-SE", ""),
    ("Refer-To", "r"),
    ("Referred-By", "b"),
    ("Event", "o"),
    ("Allow-Events", "u"),
    ("Accept-Contact", "a"),
    ("Reject-Contact", "j"),
    ("Request-Disposition", "d"),
    ("Identity", "y"),
    ("Identity-Info", "n"),
    ("Accept", ""),
    ("Accept-Encoding", ""),
    ("Accept-Language", ""),
    ("Alert-Info", ""),
    ("Allow", ""),
    ("Authentication-Info", ""),
    ("Authorization", ""),
    ("Call-Info", ""),
    ("Date", ""),
    ("Error-Info", ""),
    ("Expires", ""),
    ("Geolocation", ""),
    ("History-Info", ""),
    ("In-Reply-To", ""),
    ("Join", ""),
    ("MIME-Version", ""),
    ("Min-Expires", ""),
    ("Organization", ""),
    ("P-Access-Network-Info", ""),
    ("P-Asserted-Identity", ""),
    ("P-Called-Party-ID", ""),
    ("P-Preferred-Identity", ""),
    ("Path", ""),
    ("Priority", ""),
    ("Privacy", ""),
    ("Proxy-Authenticate", ""),
    ("Proxy-Authorization", ""),
    ("Proxy-Require", ""),
    ("RAck", ""),
    ("Reason", ""),
    ("Record-Route", ""),
    ("Remote-Party-ID", ""),
    ("Replaces", ""),
    ("Reply-To", ""),
    ("Require", ""),
    ("Retry-After", ""),
    ("Route", ""),
    ("RSeq", ""),
    ("Server", ""),
    ("Service-Route", ""),
    ("SIP-ETag", ""),
    ("SIP-If-Match", ""),
    ("Subscription-State", ""),
    ("Timestamp", ""),
    ("Unsupported", ""),
    ("User-Agent", ""),
    ("Warning", ""),
    ("WWW-Authenticate", ""),
];

/// The full name; an unknown one as it stands.
fn canonical(name: &str) -> Cow<'static, str> {
    let known = KNOWN.iter().find(|(full, compact)| {
        full.eq_ignore_ascii_case(name) || (name.len() == 1 && compact.eq_ignore_ascii_case(name))
    });
    match known {
        Some((full, _)) => Cow::Borrowed(full),
        None => Cow::Owned(name.to_owned()),
    }
}

/// Header lines. Names are kept in full and compare without case; values are raw, unfolded text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Cow<'static, str>, String)>);

impl Headers {
    /// Every line, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first line of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every line of that name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// Every value of that name: lines split at commas outside quotes and brackets. Empty values
    /// are passed over.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let parts = self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let split = parts.flat_map(|(_, value)| lex::split_outside(value, ','));
        split.filter(|value| !value.is_empty()).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a list header names `token`, without case.
    pub fn names(&self, name: &str, token: &str) -> bool {
        self.list(name).iter().any(|value| value.eq_ignore_ascii_case(token))
    }

    /// Appends a line.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((canonical(name), value.into()));
    }

    /// Puts a line before all others.
    pub fn prepend(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(0, (canonical(name), value.into()));
    }

    /// One line of that name: where the first stood, else at the end.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let name = canonical(name);
        let first = self.0.iter().position(|(n, _)| n.eq_ignore_ascii_case(&name));
        self.remove(&name);
        // What was removed stood at `first` or after it.
        let at = first.map_or(self.0.len(), |first| first.min(self.0.len()));
        self.0.insert(at, (name, value.into()));
    }

    /// Drops every line of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Drops the first value of a list header; the rest of its line stays.
    pub fn remove_first_value(&mut self, name: &str) -> Option<String> {
        self.change_first_value(name, None)
    }

    /// Replaces the first value of a list header; the rest of its line stays.
    pub fn replace_first_value(&mut self, name: &str, value: impl Into<String>) -> Option<String> {
        self.change_first_value(name, Some(value.into()))
    }

    fn change_first_value(&mut self, name: &str, new: Option<String>) -> Option<String> {
        let at = self.0.iter().position(|(n, _)| n.eq_ignore_ascii_case(name))?;
        let line = self.0.get_mut(at).map(|(_, value)| value)?;
        let mut values: Vec<String> = lex::split_outside(line, ',').into_iter().map(str::to_owned).collect();
        let old = if values.is_empty() { None } else { Some(values.remove(0)) };
        if let Some(new) = new {
            values.insert(0, new);
        }
        if values.is_empty() {
            self.0.remove(at);
        } else {
            *line = values.join(", ");
        }
        old
    }

    /// The first line of that name, or an error that says it is missing.
    pub fn required(&self, name: &'static str) -> Result<&str, HeaderError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or(HeaderError::Missing(name))
    }

    /// One address.
    pub fn address(&self, name: &'static str) -> Result<NameAddr, HeaderError> {
        let value = self.required(name)?;
        NameAddr::parse(value).map_err(|cause| HeaderError::Address { name, cause })
    }

    /// Every address of a list header; `*` is passed over.
    pub fn addresses(&self, name: &'static str) -> Result<Vec<NameAddr>, HeaderError> {
        let values = self.list(name).into_iter().filter(|value| *value != "*");
        let parsed = values.map(|value| NameAddr::parse(value).map_err(|cause| HeaderError::Address { name, cause }));
        parsed.collect()
    }

    pub fn via_top(&self) -> Result<Via, HeaderError> {
        let first = self.list("Via").into_iter().next().ok_or(HeaderError::Missing("Via"))?;
        Via::parse(first).map_err(|cause| HeaderError::Address { name: "Via", cause })
    }

    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        let values = self.list("Via");
        if values.is_empty() {
            return Err(HeaderError::Missing("Via"));
        }
        let parse = |value: &str| Via::parse(value).map_err(|cause| HeaderError::Address { name: "Via", cause });
        values.into_iter().map(parse).collect()
    }

    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        let value = self.required("CSeq")?;
        CSeq::parse(value).ok_or_else(|| HeaderError::Value { name: "CSeq", value: lex::shown(value) })
    }

    pub fn tag(&self, name: &'static str) -> Option<String> {
        let address = self.address(name).ok()?;
        address.tag().map(str::to_owned)
    }

    /// A number in decimal digits, parameters after it left aside; beyond `u32` the largest.
    pub fn number(&self, name: &str) -> Option<u32> {
        let value = self.get(name)?;
        let digits = value.split([';', '(']).next().unwrap_or("").trim();
        match lex::number(digits) {
            lex::Number::Value(number) => Some(number),
            lex::Number::Overflow => Some(u32::MAX),
            lex::Number::Malformed => None,
        }
    }

    pub fn content_type(&self) -> Option<String> {
        let value = self.get("Content-Type")?;
        let media = value.split(';').next().unwrap_or("");
        let compact: String = media.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        Some(compact.to_ascii_lowercase())
    }
}
