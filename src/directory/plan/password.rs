//! Passwords: what is asked for, what is stored, what is shown once.

use super::super::file::Secret;
use super::super::{Company, User};
use crate::base::Random;
use argon2::{Argon2, PasswordHasher};
use md5::Md5;
use sha2::{Digest, Sha256};

/// Characters of a generated password: no pair that looks alike. 32 of them, so that every
/// byte picks one without bias.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// 20 characters of 5 bits: 100 bits.
const GENERATED_LENGTH: usize = 20;
/// Bytes of salt that RFC 9106 §3.1 recommends.
const SALT_LENGTH: usize = 16;

/// A new password of a user, and what its hashes depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPassword {
    pub realm: String,
    pub auth_name: String,
    pub what: PasswordWanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordWanted {
    Given(Secret),
    Generate,
}

/// What is stored of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Hashes {
    /// MD5(auth_name:realm:password), lower-case hex (RFC 7616 §3.4.2).
    pub ha1_md5: String,
    /// SHA-256 of the same (RFC 8760).
    pub ha1_sha256: String,
    /// Argon2id as a PHC string, for logins in clear over TLS.
    pub argon2: String,
}

/// A password that has been drawn but not hashed: hashing is slow on purpose, so it can be
/// done elsewhere.
#[derive(Debug)]
pub struct Drawn {
    realm: String,
    auth_name: String,
    secret: Secret,
    salt: [u8; SALT_LENGTH],
    generated: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("password of `{auth_name}` cannot be hashed: {message}")]
pub struct HashError {
    auth_name: String,
    message: String,
}

impl NewPassword {
    /// Takes the randomness that this password needs.
    pub fn draw(&self, random: &mut dyn Random) -> Drawn {
        let mut salt = [0; SALT_LENGTH];
        random.fill(&mut salt);
        let (secret, generated) = match &self.what {
            PasswordWanted::Given(secret) => (secret.clone(), false),
            PasswordWanted::Generate => (generated(random), true),
        };
        Drawn { realm: self.realm.clone(), auth_name: self.auth_name.clone(), secret, salt, generated }
    }
}

/// A password for the web only, drawn and not yet hashed: of operators and resellers, who have no
/// telephone.
#[derive(Debug)]
pub struct WebPassword(Drawn);

impl WebPassword {
    /// `given`, or one that is made here.
    pub fn draw(given: Option<Secret>, random: &mut dyn Random) -> Self {
        let what = given.map_or(PasswordWanted::Generate, PasswordWanted::Given);
        WebPassword(NewPassword { realm: String::new(), auth_name: String::new(), what }.draw(random))
    }

    /// The password, when it was made here: to be shown once.
    pub fn generated(&self) -> Option<&Secret> {
        self.0.generated()
    }

    /// Its Argon2id hash as a PHC string. Slow on purpose.
    pub fn argon2(&self) -> Result<String, HashError> {
        self.0.hash().map(|hashes| hashes.argon2)
    }
}

impl Drawn {
    /// The password, when it was generated: to be shown once.
    pub fn generated(&self) -> Option<&Secret> {
        self.generated.then_some(&self.secret)
    }

    pub fn hash(&self) -> Result<Hashes, HashError> {
        let (ha1_md5, ha1_sha256) = ha1(&self.auth_name, &self.realm, self.secret.reveal());
        let argon2 = Argon2::default()
            .hash_password_with_salt(self.secret.reveal().as_bytes(), &self.salt)
            .map_err(|error| HashError { auth_name: self.auth_name.clone(), message: error.to_string() })?
            .to_string();
        Ok(Hashes { ha1_md5, ha1_sha256, argon2 })
    }
}

/// HA1 with MD5 and with SHA-256, in lower-case hex (RFC 7616 §3.4.2).
pub fn ha1(auth_name: &str, realm: &str, password: &str) -> (String, String) {
    let text = format!("{auth_name}:{realm}:{password}");
    (hex::encode(Md5::digest(&text)), hex::encode(Sha256::digest(&text)))
}

/// Whether `secret` is the password that `user` has already.
pub(super) fn is_current(company: &Company, user: &User, secret: &Secret) -> bool {
    let (md5, sha256) = ha1(&user.auth_name, &company.realm, secret.reveal());
    user.ha1_md5 == md5 && user.ha1_sha256 == sha256
}

/// A password of the service's own making.
pub fn generated(random: &mut dyn Random) -> Secret {
    let mut bytes = [0; GENERATED_LENGTH];
    random.fill(&mut bytes);
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte % 32)).map(|letter| char::from(*letter));
    Secret::generated(bytes.iter().filter_map(letter).collect())
}
