//! The addresses that headers carry: a URI, perhaps with a name, and the header's parameters.

use super::{Params, Uri, UriError};
use crate::sip::lex;
use std::fmt;

/// An address of From, To, Contact, Route and the like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// Without quotes and backslashes.
    pub display: Option<String>,
    pub uri: Uri,
    /// The header's parameters, outside the brackets.
    pub params: Params,
}

impl NameAddr {
    pub fn new(uri: Uri) -> Self {
        NameAddr { display: None, uri, params: Params::default() }
    }

    /// One address. Without brackets everything from the first `;` belongs to the header, and a
    /// `?` is an error (RFC 3261 §20.10).
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let text = text.trim();
        let unbalanced = || UriError::Unbalanced(lex::shown(text));
        let (display, rest) = if text.starts_with('"') {
            let (display, rest) = lex::quoted_string(text).ok_or_else(unbalanced)?;
            let rest = rest.trim_start();
            if !rest.starts_with('<') {
                return Err(unbalanced());
            }
            (Some(display), rest)
        } else {
            let open = text.find('<').filter(|at| !text.get(..*at).unwrap_or("").contains(';'));
            match open.and_then(|at| text.split_at_checked(at)) {
                Some((display, rest)) => (Some(display.trim().to_owned()), rest),
                None => (None, text),
            }
        };
        if display.as_deref().is_some_and(|d| !text.starts_with('"') && d.contains('"')) {
            return Err(unbalanced());
        }
        let display = display.filter(|display| !display.is_empty());
        match rest.strip_prefix('<') {
            Some(inner) => Self::parse_bracketed(display, inner).map_err(|e| e.unwrap_or_else(unbalanced)),
            None => Self::parse_bare(text),
        }
    }

    fn parse_bracketed(display: Option<String>, inner: &str) -> Result<Self, Option<UriError>> {
        let (uri, rest) = inner.split_once('>').ok_or(None)?;
        let uri = Uri::parse(uri).map_err(Some)?;
        let rest = rest.trim();
        let params = match rest.strip_prefix(';') {
            Some(params) => Params::parse_header(params).map_err(Some)?,
            None if rest.is_empty() => Params::default(),
            None => return Err(None),
        };
        Ok(NameAddr { display, uri, params })
    }

    fn parse_bare(text: &str) -> Result<Self, UriError> {
        let (uri, params) = match text.split_once(';') {
            Some((uri, params)) => (uri.trim(), Params::parse_header(params)?),
            None => (text, Params::default()),
        };
        if uri.contains('?') {
            return Err(UriError::NeedsBrackets(lex::shown(uri)));
        }
        Ok(NameAddr { display: None, uri: Uri::parse(uri)?, params })
    }

    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    pub fn with_display(mut self, display: &str) -> Self {
        self.display = (!display.is_empty()).then(|| display.to_owned());
        self
    }
}

impl fmt::Display for NameAddr {
    /// Always with brackets, so that a reader cannot take one kind of parameter for the other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", lex::quote(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}
