//! Keys in descriptions: `a=crypto` (RFC 4568), and what a leg offers and accepts of it.

use super::description::{Audio, Profile};
use super::error::SdpError;
use crate::base::Random;
use crate::rtp::srtp::{KeyError, Keys, MasterKey, Suite};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::sync::Arc;
use thiserror::Error;
use zeroize::Zeroize;

/// Phones write the padding of base64 or leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// Names of suites, ours and the older ones that phones write for AES-256.
const NAMES: [(&str, Suite); 6] = [
    (Suite::Aes128Tag80.name(), Suite::Aes128Tag80),
    (Suite::Aes128Tag32.name(), Suite::Aes128Tag32),
    (Suite::Aes256Tag80.name(), Suite::Aes256Tag80),
    (Suite::Aes256Tag32.name(), Suite::Aes256Tag32),
    ("AES_CM_256_HMAC_SHA1_80", Suite::Aes256Tag80),
    ("AES_CM_256_HMAC_SHA1_32", Suite::Aes256Tag32),
];
/// What we offer, in order: every phone knows the first.
const OFFERED: [Suite; 3] = [Suite::Aes128Tag80, Suite::Aes256Tag80, Suite::Aes128Tag32];

/// Why an `a=crypto` line cannot be used. Nothing here can be a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CryptoError {
    #[error("a=crypto is malformed")]
    Malformed,
    #[error("a=crypto {tag}: cipher suite {name} is not supported")]
    Suite { tag: u32, name: String },
    #[error("a=crypto {tag}: key method other than inline")]
    Method { tag: u32 },
    #[error("a=crypto {tag}: the key is not base64")]
    Base64 { tag: u32 },
    #[error("a=crypto {tag}: {error}")]
    Key { tag: u32, error: KeyError },
    #[error("a=crypto {tag}: more than one key")]
    ManyKeys { tag: u32 },
    #[error("a=crypto {tag}: malformed lifetime or key identifier")]
    Lifetime { tag: u32 },
    #[error("a=crypto {tag}: session parameter {name} is not supported")]
    Parameter { tag: u32, name: &'static str },
    #[error("the answer takes a=crypto {tag}, which we did not offer so")]
    NotOffered { tag: u32 },
}

/// A line that can be used (RFC 4568 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    pub tag: u32,
    pub suite: Suite,
    /// The suite as the far side spells it: an answer repeats it.
    pub name: &'static str,
    /// What its sender protects with.
    pub key: MasterKey,
    /// Bytes of the master key identifier in its packets, 0 for none.
    pub mki_length: u8,
}

/// Reads the value of `a=crypto`.
pub(super) fn parse(value: &str) -> Result<Crypto, CryptoError> {
    let mut fields = value.split_whitespace();
    let tag: u32 = fields.next().and_then(|tag| tag.parse().ok()).ok_or(CryptoError::Malformed)?;
    let (Some(spelled), Some(keys)) = (fields.next(), fields.next()) else { return Err(CryptoError::Malformed) };
    let known = NAMES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(spelled));
    let (name, suite) = known.ok_or_else(|| CryptoError::Suite { tag, name: harmless(spelled) })?;
    if let Some(name) = fields.find_map(refused_parameter) {
        return Err(CryptoError::Parameter { tag, name });
    }
    if keys.contains(';') {
        return Err(CryptoError::ManyKeys { tag });
    }
    let (method, inline) = keys.split_once(':').ok_or(CryptoError::Malformed)?;
    if !method.eq_ignore_ascii_case("inline") {
        return Err(CryptoError::Method { tag });
    }
    let mut parts = inline.split('|');
    let key = key(tag, suite, parts.next().unwrap_or_default())?;
    let mki_length = mki_length(parts).ok_or(CryptoError::Lifetime { tag })?;
    Ok(Crypto { tag, suite, name, key, mki_length })
}

/// A suite's name for people: what could be a misplaced key is not shown.
fn harmless(name: &str) -> String {
    let is_name = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if is_name { name.to_owned() } else { "of another spelling".to_owned() }
}

/// The session parameters of RFC 4568 §6.3 that change what packets look like. A window size
/// hint and what is marked as optional (`-name`) change nothing.
fn refused_parameter(parameter: &str) -> Option<&'static str> {
    let name = parameter.split('=').next().unwrap_or(parameter).to_ascii_uppercase();
    let known = ["KDR", "UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "FEC_ORDER", "FEC_KEY"];
    match name.as_str() {
        "WSH" => None,
        _ if name.starts_with('-') => None,
        _ => Some(known.into_iter().find(|known| *known == name).unwrap_or("of another name")),
    }
}

fn key(tag: u32, suite: Suite, text: &str) -> Result<MasterKey, CryptoError> {
    let mut bytes = [0; 96];
    let read = BASE64.decode_slice(text, &mut bytes);
    let key = match read {
        Ok(length) => MasterKey::from_bytes(suite, bytes.get(..length).unwrap_or(&[]))
            .map_err(|error| CryptoError::Key { tag, error }),
        Err(_) => Err(CryptoError::Base64 { tag }),
    };
    bytes.zeroize();
    key
}

/// `2^31`, `1048576`, `1:4`: a lifetime is the sender's affair, an identifier has a length.
fn mki_length<'a>(parts: impl Iterator<Item = &'a str>) -> Option<u8> {
    let mut length = 0;
    for part in parts {
        match part.split_once(':') {
            Some((value, bytes)) => {
                let _: u128 = value.trim().parse().ok()?;
                length = bytes.trim().parse().ok().filter(|bytes| (1..=128).contains(bytes))?;
            }
            None => {
                let count = part.trim();
                let _: u64 = count.strip_prefix("2^").unwrap_or(count).parse().ok()?;
            }
        }
    }
    Some(length)
}

/// What a leg does about encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Our offers are plain; an encrypted offer is answered encrypted.
    #[default]
    Accepted,
    /// Our offers are encrypted; a plain offer is answered plain.
    Offered,
    /// Nothing plain, whoever offers.
    Required,
}

/// A leg's own keys, one for each suite: no key is ever used under two.
#[derive(Debug, PartialEq, Eq)]
struct Secrets([MasterKey; 4]);

/// What a leg offers and accepts, with its own keys. They are the same for the life of the leg.
/// The default has no keys: everything is plain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    encryption: Encryption,
    secrets: Option<Arc<Secrets>>,
    /// Suites of our offer: the first has tag 1. Empty: the offer is plain.
    offered: Vec<Suite>,
}

/// A line of ours.
pub(super) struct Said<'a> {
    tag: u32,
    name: &'static str,
    key: &'a MasterKey,
}

impl Said<'_> {
    pub fn print(&self) -> String {
        let key = self.key.expose(|bytes| BASE64.encode(bytes));
        format!("a=crypto:{} {} inline:{key}\r\n", self.tag, self.name)
    }
}

impl Security {
    pub fn new(encryption: Encryption, random: &mut dyn Random) -> Self {
        let secrets = Suite::ALL.map(|suite| MasterKey::random(suite, random));
        Security { encryption, secrets: Some(Arc::new(Secrets(secrets))), offered: Vec::new() }
    }

    fn key(&self, suite: Suite) -> Option<&MasterKey> {
        self.secrets.as_ref()?.0.iter().find(|key| key.suite() == suite)
    }

    /// For an offer of ours: what was agreed stays; else all that we offer.
    #[must_use]
    pub(super) fn for_offer(&self, agreed: Option<Option<&Keys>>) -> Self {
        let wishes = self.secrets.is_some() && self.encryption != Encryption::Accepted;
        let offered = match agreed {
            Some(Some(keys)) => vec![keys.send.suite()],
            Some(None) => Vec::new(),
            None if wishes => OFFERED.to_vec(),
            None => Vec::new(),
        };
        Security { offered, ..self.clone() }
    }

    pub fn is_required(&self) -> bool {
        self.encryption == Encryption::Required
    }

    pub(super) fn set(&mut self, encryption: Encryption) {
        self.encryption = encryption;
    }

    /// Whether our offer is encrypted.
    pub(super) fn offers(&self) -> bool {
        !self.offered.is_empty()
    }

    /// The lines of our offer.
    pub(super) fn lines(&self) -> Vec<Said<'_>> {
        let tagged = (1..).zip(&self.offered);
        tagged.filter_map(|(tag, suite)| self.key(*suite).map(|key| Said { tag, name: suite.name(), key })).collect()
    }

    /// The line of `far`'s offer that we take, the first that we can; `None` for plain RTP.
    /// Some phones write their lines under `RTP/AVP`: they are answered as they ask.
    ///
    /// # Errors
    /// When the transport is none of ours, or is encrypted and no line can be used, or is plain
    /// and must not be.
    pub(super) fn choose<'a>(&self, far: &'a Audio, proto: &str) -> Result<Option<&'a Crypto>, SdpError> {
        let usable = far.crypto.first().filter(|_| self.secrets.is_some());
        match (far.profile, usable) {
            (Profile::Avp | Profile::Avpf | Profile::Savp | Profile::Savpf, Some(crypto)) => Ok(Some(crypto)),
            (Profile::Avp | Profile::Avpf, None) if self.encryption == Encryption::Required => {
                Err(far.crypto_error.clone().map_or(SdpError::NotEncrypted, SdpError::Crypto))
            }
            (Profile::Avp | Profile::Avpf, None) => Ok(None),
            (Profile::Savp | Profile::Savpf, None) => Err(match &far.crypto_error {
                Some(error) if self.secrets.is_some() => SdpError::Crypto(error.clone()),
                Some(_) | None => SdpError::Transport(proto.to_owned()),
            }),
            (Profile::Other, _) => Err(SdpError::Transport(proto.to_owned())),
        }
    }

    /// What we answer to the line that we took, and the leg's keys.
    pub(super) fn accept(&self, theirs: &Crypto) -> Option<(Said<'_>, Keys)> {
        let key = self.key(theirs.suite)?;
        let keys = Keys { send: key.clone(), receive: theirs.key.clone(), mki_length: theirs.mki_length };
        Some((Said { tag: theirs.tag, name: theirs.name, key }, keys))
    }

    /// What an answer to our offer comes to. A plain one to an encrypted offer is no answer
    /// (RFC 4568 §5.1.3): nobody on the way may talk us out of encryption.
    ///
    /// # Errors
    /// When it is plain and our offer was not, or the other way round, or takes what we did not offer.
    pub(super) fn conclude(&self, far: &Audio, proto: &str) -> Result<Option<Keys>, SdpError> {
        if !self.offers() {
            return if far.profile.is_plain() { Ok(None) } else { Err(SdpError::Transport(proto.to_owned())) };
        }
        if far.profile == Profile::Other {
            return Err(SdpError::Transport(proto.to_owned()));
        }
        let Some(taken) = far.crypto.first() else {
            return Err(far.crypto_error.clone().map_or(SdpError::NotEncrypted, SdpError::Crypto));
        };
        let not_offered = || SdpError::Crypto(CryptoError::NotOffered { tag: taken.tag });
        let at = usize::try_from(taken.tag).ok().and_then(|tag| tag.checked_sub(1)).ok_or_else(not_offered)?;
        let suite = self.offered.get(at).filter(|suite| **suite == taken.suite).ok_or_else(not_offered)?;
        let send = self.key(*suite).ok_or_else(not_offered)?.clone();
        Ok(Some(Keys { send, receive: taken.key.clone(), mki_length: taken.mki_length }))
    }
}

#[cfg(test)]
mod tests;
