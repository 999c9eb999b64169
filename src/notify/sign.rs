//! How a receiver knows that a delivery is ours, and new.

use crate::base::Wall;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The time of an attempt as its header has it: seconds since 1970.
pub fn timestamp(now: Wall) -> String {
    (now.unix_micros() / 1_000_000).to_string()
}

/// `v1=` and HMAC-SHA256, hex, of the timestamp, a dot and the body (RFC 2104): a delivery that was
/// caught cannot be sent again later under another time.
pub fn signature(secret: &str, timestamp: &str, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    for part in [timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_hmac_of_timestamp_and_body() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
        let expected = "v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163";
        let signed = signature("secret", "1700000000", "{}");
        assert_eq!(signed, expected);
        assert_eq!(timestamp(Wall::from_unix_micros(1_700_000_000_999_999)), "1700000000");
        for other in [
            signature("secret2", "1700000000", "{}"),
            signature("secret", "1700000001", "{}"),
            signature("secret", "1700000000", "{ }"),
        ] {
            assert_ne!(signed, other);
        }
    }
}
