//! Answers to challenges: for trunks and the built-in client.

use super::header::{Fields, Qop};
use super::{Algorithm, Credentials, DigestError, ha1};
use crate::sip::lex;
use crate::sip::message::Headers;

/// The Authorization value for one of the challenges in `values` (each a whole WWW-Authenticate
/// or Proxy-Authenticate line): the strongest algorithm known here, `auth` where it is offered.
/// `nc` counts the uses of that nonce, from 1.
pub fn respond(
    values: &[&str],
    user: &str,
    password: &str,
    method: &str,
    uri: &str,
    cnonce: &str,
    nc: u32,
) -> Result<String, DigestError> {
    respond_with(values, user, Password::Clear(password), method, uri, cnonce, nc)
}

/// What is known of a password.
#[derive(Clone, Copy)]
pub enum Password<'a> {
    Clear(&'a str),
    /// [`ha1`] for one realm.
    Hashes {
        realm: &'a str,
        md5: &'a str,
        sha256: &'a str,
    },
}

/// Whether one of the challenges says that the credentials were right but their nonce too old.
pub fn is_stale(values: &[&str]) -> bool {
    let says = |value: &&str| {
        Fields::parse(value)
            .is_ok_and(|fields| fields.get("stale").is_some_and(|said| said.eq_ignore_ascii_case("true")))
    };
    values.iter().any(says)
}

/// The realms that the challenges are for.
pub fn realms(values: &[&str]) -> Vec<String> {
    values.iter().filter_map(|value| Fields::parse(value).ok()?.required("realm").ok()).collect()
}

/// As [`respond`], with what is known of the password. Hashes answer the challenges of their own
/// realm; where there are others only, the error names one.
pub fn respond_with(
    values: &[&str],
    user: &str,
    password: Password<'_>,
    method: &str,
    uri: &str,
    cnonce: &str,
    nc: u32,
) -> Result<String, DigestError> {
    let challenge = strongest(values, password)?;
    let qop = match &challenge.qops {
        None => Qop::None,
        Some(_) => Qop::Auth { cnonce: cnonce.to_owned(), nc: format!("{nc:08x}") },
    };
    let mut credentials = Credentials {
        username: user.to_owned(),
        realm: challenge.realm,
        nonce: challenge.nonce,
        uri: uri.to_owned(),
        algorithm: challenge.algorithm,
        response: String::new(),
        qop,
    };
    let ha1 = match (password, credentials.algorithm) {
        (Password::Clear(password), algorithm) => ha1(algorithm, user, &credentials.realm, password),
        (Password::Hashes { md5, .. }, Algorithm::Md5) => md5.to_owned(),
        (Password::Hashes { sha256, .. }, Algorithm::Sha256) => sha256.to_owned(),
    };
    credentials.response = credentials.expected(&ha1, method, b"");
    Ok(value(&credentials, challenge.algorithm_named, challenge.opaque.as_deref()))
}

/// The challenge lines of a 401 or 407, for [`respond`].
pub fn challenges(headers: &Headers) -> Vec<&str> {
    headers.all("WWW-Authenticate").chain(headers.all("Proxy-Authenticate")).collect()
}

struct Offered {
    realm: String,
    nonce: String,
    algorithm: Algorithm,
    /// Whether the challenge names it; where not, the answer does not either.
    algorithm_named: bool,
    qops: Option<Vec<String>>,
    opaque: Option<String>,
}

fn strongest(values: &[&str], password: Password<'_>) -> Result<Offered, DigestError> {
    let mut best: Option<Offered> = None;
    let mut failure = DigestError::Missing("challenge");
    for value in values {
        match offered(value) {
            Ok(new) if !password.fits(&new.realm) => failure = DigestError::Realm(new.realm),
            Ok(new) if best.as_ref().is_none_or(|best| best.algorithm < new.algorithm) => best = Some(new),
            Ok(_) => {}
            Err(error) => failure = error,
        }
    }
    best.ok_or(failure)
}

impl Password<'_> {
    fn fits(&self, challenged: &str) -> bool {
        match self {
            Password::Clear(_) => true,
            Password::Hashes { realm, .. } => *realm == challenged,
        }
    }
}

fn offered(value: &str) -> Result<Offered, DigestError> {
    let fields = Fields::parse(value)?;
    let named = fields.get("algorithm");
    let algorithm = match named {
        None => Algorithm::Md5,
        Some(name) => Algorithm::parse(name).ok_or_else(|| DigestError::Algorithm(lex::shown(name)))?,
    };
    let qops: Option<Vec<String>> = fields.get("qop").map(|qop| {
        let names = qop.split(',').map(|name| name.trim().to_ascii_lowercase());
        names.filter(|name| !name.is_empty()).collect()
    });
    if let Some(qops) = &qops
        && !qops.iter().any(|qop| qop == "auth")
    {
        return Err(DigestError::Qop(lex::shown(&qops.join(","))));
    }
    Ok(Offered {
        realm: fields.required("realm")?,
        nonce: fields.required("nonce")?,
        algorithm,
        algorithm_named: named.is_some(),
        qops,
        opaque: fields.get("opaque").map(str::to_owned),
    })
}

fn value(credentials: &Credentials, algorithm_named: bool, opaque: Option<&str>) -> String {
    let Credentials { username, realm, nonce, uri, algorithm, response, qop } = credentials;
    let mut value = format!(
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
        lex::quote(username),
        lex::quote(realm),
        lex::quote(nonce),
        lex::quote(uri),
    );
    if algorithm_named {
        value.push_str(&format!(", algorithm={}", algorithm.as_str()));
    }
    match qop {
        Qop::None => {}
        Qop::Auth { cnonce, nc } => value.push_str(&format!(", qop=auth, nc={nc}, cnonce={}", lex::quote(cnonce))),
        Qop::AuthInt { cnonce, nc } => {
            value.push_str(&format!(", qop=auth-int, nc={nc}, cnonce={}", lex::quote(cnonce)));
        }
    }
    if let Some(opaque) = opaque {
        value.push_str(&format!(", opaque={}", lex::quote(opaque)));
    }
    value
}
