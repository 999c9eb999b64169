//! Digest authentication (RFC 2617, RFC 7616, RFC 8760), both sides, without clock or state but
//! the table of nonce counts.

mod client;
mod header;
mod nonce;

pub use client::{Password, challenges, is_stale, realms, respond, respond_with};
pub use header::{Challenge, Credentials, DigestError};
pub use nonce::{NonceCounter, NonceState, Nonces, Replay};

use md5::Md5;
use sha2::{Digest as _, Sha256};

/// A hash of the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// `None` for algorithms that are not spoken here, the `-sess` ones among them.
    pub fn parse(text: &str) -> Option<Self> {
        [Algorithm::Md5, Algorithm::Sha256].into_iter().find(|a| a.as_str().eq_ignore_ascii_case(text))
    }

    /// Hex of the hash of `text`.
    fn hex(self, text: &str) -> String {
        match self {
            Algorithm::Md5 => hex::encode(Md5::digest(text.as_bytes())),
            Algorithm::Sha256 => hex::encode(Sha256::digest(text.as_bytes())),
        }
    }
}

/// H(user:realm:password) in hex (RFC 7616 §3.4.2): what is stored instead of the password.
pub fn ha1(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> String {
    algorithm.hex(&format!("{user}:{realm}:{password}"))
}

/// Whether `credentials` prove knowledge of the password whose hashes these are, for a request
/// of `method`. The comparison takes the same time wherever it fails. For an unknown user, call
/// it with [`dummy_ha1`] and refuse whatever it says. `None` where no hash of an algorithm is
/// stored: such credentials never verify.
///
/// The URI that the credentials are for is compared by [`Credentials::uri_fits`]; realm, nonce
/// and nonce count are the caller's to check.
pub fn verify(
    credentials: &Credentials,
    method: &str,
    ha1_md5_hex: Option<&str>,
    ha1_sha256_hex: Option<&str>,
    body: &[u8],
) -> bool {
    let stored = match credentials.algorithm {
        Algorithm::Md5 => ha1_md5_hex,
        Algorithm::Sha256 => ha1_sha256_hex,
    };
    let expected = credentials.expected(stored.unwrap_or(""), method, body);
    let same = constant_time_eq(expected.as_bytes(), credentials.response.to_ascii_lowercase().as_bytes());
    same && stored.is_some_and(|stored| !stored.is_empty())
}

/// A hash that no password has, to verify unknown users against in the same time.
pub fn dummy_ha1(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Md5 => "00000000000000000000000000000000",
        Algorithm::Sha256 => "0000000000000000000000000000000000000000000000000000000000000000",
    }
}

/// Looks at every byte, whatever the first ones are.
fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0u8, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0 && a.len() == b.len()
}

#[cfg(test)]
mod tests;
