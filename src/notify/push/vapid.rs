//! Voluntary Application Server Identification (RFC 8292): a push service knows who sends, and a
//! browser that nobody else does.

use crate::base::Wall;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

/// A token is good for so long; 24 hours at most (RFC 8292 §2).
const GOOD_S: i64 = 12 * 3_600;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VapidError {
    #[error("the key that push messages are signed with cannot be read")]
    Key,
    #[error("the cryptography of this machine fails")]
    Crypto,
}

/// The service's key for Web Push: every subscription is bound to it.
pub struct VapidKey {
    pair: EcdsaKeyPair,
}

impl VapidKey {
    /// A new one, as it is kept (PKCS #8).
    pub fn generate() -> Result<Vec<u8>, VapidError> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(made.map_err(|_| VapidError::Crypto)?.as_ref().to_vec())
    }

    pub fn read(pkcs8: &[u8]) -> Result<Self, VapidError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new());
        Ok(VapidKey { pair: pair.map_err(|_| VapidError::Key)? })
    }

    /// What a browser subscribes with (`applicationServerKey`): base64url.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key())
    }

    /// The header `Authorization` for a push service. `origin`: of the subscription's address;
    /// `contact`: whom its operators can reach, as `mailto:` or `https:`; empty: nobody.
    pub fn authorization(&self, origin: &str, contact: &str, now: Wall) -> Result<String, VapidError> {
        let mut claims = json!({ "aud": origin, "exp": now.unix_micros() / 1_000_000 + GOOD_S });
        if let Some(claims) = claims.as_object_mut().filter(|_| !contact.is_empty()) {
            claims.insert("sub".to_owned(), contact.into());
        }
        let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| VapidError::Crypto)?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(format!("vapid t={signed}.{signature}, k={}", self.public()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::Value;

    const EXPECTED_KEY: usize = 65;

    #[test]
    fn a_push_service_can_check_who_sends_and_for_whom() {
        let key = VapidKey::read(&VapidKey::generate().unwrap()).unwrap();
        let now = Wall::from_unix_micros(1_453_341_205_000_000);
        for contact in ["", "mailto:voice@example.org"] {
            let header = key.authorization("https://push.example.net", contact, now).unwrap();
            let (token, public) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
            let public = URL_SAFE_NO_PAD.decode(public).unwrap();
            assert_eq!((public.len(), public[0]), (EXPECTED_KEY, 4));
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let check = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
            check.verify(signed.as_bytes(), &signature).unwrap();
            assert!(check.verify(b"other", &signature).is_err());
            let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
            let claims: Value = serde_json::from_slice(&claims).unwrap();
            assert_eq!(claims["aud"], "https://push.example.net");
            assert_eq!(claims["exp"], 1_453_341_205 + GOOD_S);
            assert_eq!(claims["sub"].as_str().unwrap_or_default(), contact);
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        assert!(matches!(VapidKey::read(b"x"), Err(VapidError::Key)));
    }
}
