//! Suites and master keys, as signalling agrees on them.

use crate::base::Random;
use std::fmt;
use thiserror::Error;
use zeroize::Zeroize;

/// Bytes of a master salt.
const SALT: usize = 14;

/// What packets are encrypted and authenticated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 4568 §6.2.1).
    Aes128Tag80,
    /// `AES_CM_128_HMAC_SHA1_32` (RFC 4568 §6.2.2).
    Aes128Tag32,
    /// `AES_256_CM_HMAC_SHA1_80` (RFC 6188 §4).
    Aes256Tag80,
    /// `AES_256_CM_HMAC_SHA1_32` (RFC 6188 §4).
    Aes256Tag32,
}

impl Suite {
    pub const ALL: [Suite; 4] = [Suite::Aes128Tag80, Suite::Aes128Tag32, Suite::Aes256Tag80, Suite::Aes256Tag32];

    /// As SDP names it (RFC 4568 §6.2, RFC 6188 §6.1).
    pub const fn name(self) -> &'static str {
        match self {
            Suite::Aes128Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::Aes128Tag32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::Aes256Tag80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::Aes256Tag32 => "AES_256_CM_HMAC_SHA1_32",
        }
    }

    /// Bytes of a master key with its salt, as `inline:` carries them.
    pub const fn master_length(self) -> usize {
        match self {
            Suite::Aes128Tag80 | Suite::Aes128Tag32 => 16 + SALT,
            Suite::Aes256Tag80 | Suite::Aes256Tag32 => 32 + SALT,
        }
    }

    /// Bytes of an RTP packet's tag. An RTCP packet always has ten (RFC 4568 §6.2.2).
    pub const fn tag_length(self) -> usize {
        match self {
            Suite::Aes128Tag80 | Suite::Aes256Tag80 => 10,
            Suite::Aes128Tag32 | Suite::Aes256Tag32 => 4,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes are no master key. Their number is named, never they.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a key of {suite} has {wanted} bytes with its salt, not {bytes}")]
pub struct KeyError {
    pub suite: Suite,
    pub bytes: usize,
    pub wanted: usize,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    Aes128([u8; 16]),
    Aes256([u8; 32]),
}

/// A master key with its salt and suite. Overwritten when dropped; `Debug` names the suite only.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    secret: Secret,
    salt: [u8; SALT],
}

impl MasterKey {
    /// Reads key and salt, one after the other as in `inline:`.
    ///
    /// # Errors
    /// When there are not as many bytes as the suite has.
    pub fn from_bytes(suite: Suite, bytes: &[u8]) -> Result<Self, KeyError> {
        let error = KeyError { suite, bytes: bytes.len(), wanted: suite.master_length() };
        let (secret, salt) = match suite {
            Suite::Aes128Tag80 | Suite::Aes128Tag32 => {
                let (key, salt) = bytes.split_first_chunk::<16>().ok_or(error)?;
                (Secret::Aes128(*key), salt)
            }
            Suite::Aes256Tag80 | Suite::Aes256Tag32 => {
                let (key, salt) = bytes.split_first_chunk::<32>().ok_or(error)?;
                (Secret::Aes256(*key), salt)
            }
        };
        let salt = <[u8; SALT]>::try_from(salt).map_err(|_| error)?;
        Ok(MasterKey { suite, secret, salt })
    }

    /// A new key. `random` must be the operating system's wherever the key protects anything.
    pub fn random(suite: Suite, random: &mut dyn Random) -> Self {
        let mut salt = [0; SALT];
        random.fill(&mut salt);
        let secret = match suite {
            Suite::Aes128Tag80 | Suite::Aes128Tag32 => {
                let mut key = [0; 16];
                random.fill(&mut key);
                Secret::Aes128(key)
            }
            Suite::Aes256Tag80 | Suite::Aes256Tag32 => {
                let mut key = [0; 32];
                random.fill(&mut key);
                Secret::Aes256(key)
            }
        };
        MasterKey { suite, secret, salt }
    }

    pub const fn suite(&self) -> Suite {
        self.suite
    }

    pub(super) const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The 112 bits of the master salt.
    pub(super) fn salt(&self) -> u128 {
        self.salt.iter().fold(0, |salt, byte| (salt << 8) | u128::from(*byte))
    }

    /// Gives key and salt to `take`, for the one place that writes them into SDP.
    pub fn expose<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        let key: &[u8] = match &self.secret {
            Secret::Aes128(key) => key,
            Secret::Aes256(key) => key,
        };
        let mut both = [0; 32 + SALT];
        for (place, byte) in both.iter_mut().zip(key.iter().chain(&self.salt)) {
            *place = *byte;
        }
        let taken = take(both.get(..self.suite.master_length()).unwrap_or(&[]));
        both.zeroize();
        taken
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        match &mut self.secret {
            Secret::Aes128(key) => key.zeroize(),
            Secret::Aes256(key) => key.zeroize(),
        }
        self.salt.zeroize();
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, not shown)", self.suite)
    }
}

/// The keys of one leg: each side protects what it sends with its own (RFC 4568 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    pub send: MasterKey,
    pub receive: MasterKey,
    /// Bytes of the master key identifier in every packet from the far side, 0 for none.
    pub mki_length: u8,
}
