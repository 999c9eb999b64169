//! WWW-Authenticate and Authorization.

use super::Algorithm;
use crate::sip::lex;
use crate::sip::uri::Uri;
use sha2::{Digest as _, Sha256};

/// Why a challenge or credentials cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    #[error("the scheme is not Digest: {0:?}")]
    Scheme(String),
    #[error("malformed parameter {0:?}")]
    Param(String),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("unknown algorithm {0:?}")]
    Algorithm(String),
    #[error("unknown qop {0:?}")]
    Qop(String),
    #[error("bad nonce count {0:?}")]
    NonceCount(String),
    #[error("the realm is {0:?}, which no hash of the password is for")]
    Realm(String),
}

/// A challenge of ours: one header value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub realm: String,
    pub nonce: String,
    pub algorithm: Algorithm,
    /// The credentials were right but their nonce is too old: try again without asking the user.
    pub stale: bool,
}

impl Challenge {
    /// The value of WWW-Authenticate or Proxy-Authenticate.
    pub fn value(&self) -> String {
        let mut value = format!(
            "Digest realm={}, nonce={}, algorithm={}, qop=\"auth\"",
            lex::quote(&self.realm),
            lex::quote(&self.nonce),
            self.algorithm.as_str(),
        );
        if self.stale {
            value.push_str(", stale=true");
        }
        value
    }
}

/// Protection of the credentials of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Qop {
    /// RFC 2069: no qop at all.
    None,
    Auth {
        cnonce: String,
        nc: String,
    },
    AuthInt {
        cnonce: String,
        nc: String,
    },
}

/// An Authorization or Proxy-Authorization value.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub realm: String,
    pub nonce: String,
    /// As the client spells it.
    pub uri: String,
    pub algorithm: Algorithm,
    pub(super) response: String,
    pub(super) qop: Qop,
}

/// Without the response: it is no secret of ours to print.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    pub fn parse(value: &str) -> Result<Self, DigestError> {
        let fields = Fields::parse(value)?;
        let algorithm = match fields.get("algorithm") {
            None => Algorithm::Md5,
            Some(name) => Algorithm::parse(name).ok_or_else(|| DigestError::Algorithm(lex::shown(name)))?,
        };
        Ok(Credentials {
            username: fields.required("username")?,
            realm: fields.required("realm")?,
            nonce: fields.required("nonce")?,
            uri: fields.required("uri")?,
            response: fields.required("response")?,
            algorithm,
            qop: qop(&fields)?,
        })
    }

    /// The nonce count; `None` without qop.
    pub fn nonce_count(&self) -> Option<u32> {
        match &self.qop {
            Qop::None => None,
            Qop::Auth { nc, .. } | Qop::AuthInt { nc, .. } => u32::from_str_radix(nc, 16).ok(),
        }
    }

    /// Whether these credentials are for that Request-URI (RFC 7616 §3.4.6). Clients spell it in
    /// their own way, so that scheme, user and host are compared, not parameters and port.
    pub fn uri_fits(&self, request_uri: &Uri) -> bool {
        let Ok(uri) = Uri::parse(&self.uri) else {
            return false;
        };
        uri.scheme == request_uri.scheme
            && uri.host == request_uri.host
            && uri.user_unescaped() == request_uri.user_unescaped()
    }

    pub(super) fn expected(&self, ha1: &str, method: &str, body: &[u8]) -> String {
        let hash = |text: &str| self.algorithm.hex(text);
        let a2 = match &self.qop {
            Qop::None | Qop::Auth { .. } => format!("{method}:{}", self.uri),
            Qop::AuthInt { .. } => format!("{method}:{}:{}", self.uri, body_hash(self.algorithm, body)),
        };
        let ha2 = hash(&a2);
        let nonce = &self.nonce;
        match &self.qop {
            Qop::None => hash(&format!("{ha1}:{nonce}:{ha2}")),
            Qop::Auth { cnonce, nc } => hash(&format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}")),
            Qop::AuthInt { cnonce, nc } => hash(&format!("{ha1}:{nonce}:{nc}:{cnonce}:auth-int:{ha2}")),
        }
    }
}

fn body_hash(algorithm: Algorithm, body: &[u8]) -> String {
    match algorithm {
        Algorithm::Md5 => hex::encode(md5::Md5::digest(body)),
        Algorithm::Sha256 => hex::encode(Sha256::digest(body)),
    }
}

fn qop(fields: &Fields) -> Result<Qop, DigestError> {
    let Some(name) = fields.get("qop") else {
        return Ok(Qop::None);
    };
    let cnonce = fields.required("cnonce")?;
    let nc = fields.required("nc")?;
    if nc.len() > 8 || u32::from_str_radix(&nc, 16).is_err() {
        return Err(DigestError::NonceCount(lex::shown(&nc)));
    }
    match name.to_ascii_lowercase().as_str() {
        "auth" => Ok(Qop::Auth { cnonce, nc }),
        "auth-int" => Ok(Qop::AuthInt { cnonce, nc }),
        _ => Err(DigestError::Qop(lex::shown(name))),
    }
}

/// The parameters after `Digest`, unquoted.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn parse(value: &str) -> Result<Self, DigestError> {
        let value = value.trim();
        let (scheme, rest) = value.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(DigestError::Scheme(lex::shown(scheme)));
        }
        let parts = lex::split_outside(rest, ',').into_iter().filter(|part| !part.is_empty());
        let fields = parts.map(|part| {
            // The whole part may hold a response: only its name is shown.
            let (name, value) = part.split_once('=').ok_or_else(|| DigestError::Param(String::new()))?;
            let (name, value) = (name.trim(), value.trim());
            if !lex::is_token(name) {
                return Err(DigestError::Param(lex::shown(name)));
            }
            Ok((name.to_ascii_lowercase(), lex::unquote(value)))
        });
        fields.collect::<Result<_, _>>().map(Fields)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &'static str) -> Result<String, DigestError> {
        self.get(name).map(str::to_owned).ok_or(DigestError::Missing(name))
    }
}
