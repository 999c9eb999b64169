//! Message Encryption for Web Push (RFC 8291), in one record of `aes128gcm` (RFC 8188).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// Record size: what every push service takes (RFC 8291 §4).
const RECORD: u32 = 4_096;
/// Bytes of plain text that fit.
pub const MOST: usize = RECORD as usize - 86 - 17;

/// What a subscription is encrypted for.
#[derive(Clone, PartialEq, Eq)]
pub struct PushKeys {
    /// Of the receiver: a point of P-256, uncompressed.
    p256dh: [u8; 65],
    auth: [u8; 16],
}

impl std::fmt::Debug for PushKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PushKeys(…)")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    #[error("`p256dh` is a point of P-256, uncompressed, in base64url")]
    Point,
    #[error("`auth` is 16 bytes in base64url")]
    Auth,
    #[error("more than {MOST} bytes do not fit into a push message")]
    Long,
    #[error("the cryptography of this machine fails")]
    Crypto,
}

impl From<ring::error::Unspecified> for EncryptError {
    fn from(_: ring::error::Unspecified) -> Self {
        EncryptError::Crypto
    }
}

impl PushKeys {
    /// As a browser's subscription has them; padding is taken, too.
    pub fn parse(p256dh: &str, auth: &str) -> Result<Self, EncryptError> {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let p256dh = bytes(p256dh).and_then(|bytes| bytes.try_into().ok()).ok_or(EncryptError::Point)?;
        let auth = bytes(auth).and_then(|bytes| bytes.try_into().ok()).ok_or(EncryptError::Auth)?;
        let keys = PushKeys { p256dh, auth };
        // A point that is none is found out by using it.
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())?;
        agree_ephemeral(own, &UnparsedPublicKey::new(&ECDH_P256, keys.p256dh), |_| ())
            .map_err(|_| EncryptError::Point)?;
        Ok(keys)
    }
}

/// The body of a push message: only the receiver reads it.
pub fn encrypt(keys: &PushKeys, text: &[u8]) -> Result<Vec<u8>, EncryptError> {
    let random = SystemRandom::new();
    let mut salt = [0; 16];
    random.fill(&mut salt)?;
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &random)?;
    let public: [u8; 65] = own.compute_public_key()?.as_ref().try_into().map_err(|_| EncryptError::Crypto)?;
    let receiver = UnparsedPublicKey::new(&ECDH_P256, keys.p256dh);
    agree_ephemeral(own, &receiver, |secret| seal(secret, keys, &public, salt, text))
        .map_err(|_| EncryptError::Point)?
}

/// `secret`: what both keys give; `public`: of ours, which the header tells.
fn seal(
    secret: &[u8],
    keys: &PushKeys,
    public: &[u8; 65],
    salt: [u8; 16],
    text: &[u8],
) -> Result<Vec<u8>, EncryptError> {
    if text.len() > MOST {
        return Err(EncryptError::Long);
    }
    // RFC 8291 §3.4.
    let info: [&[u8]; 3] = [b"WebPush: info\0", &keys.p256dh, public];
    let mut key_material = [0; 32];
    expand(&keys.auth, secret, &info, &mut key_material)?;
    let (mut key, mut nonce) = ([0; 16], [0; 12]);
    expand(&salt, &key_material, &[b"Content-Encoding: aes128gcm\0"], &mut key)?;
    expand(&salt, &key_material, &[b"Content-Encoding: nonce\0"], &mut nonce)?;
    // The last record ends with a 2 (RFC 8188 §2).
    let mut record = [text, &[2]].concat();
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)?;
    let mut body = salt.to_vec();
    body.extend(RECORD.to_be_bytes());
    body.push(65);
    body.extend(public);
    body.extend(record);
    Ok(body)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(salt: &[u8], secret: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), EncryptError> {
    let key = Salt::new(HKDF_SHA256, salt).extract(secret);
    Ok(key.expand(info, Length(out.len()))?.fill(out)?)
}

/// Reads a message as its receiver does.
#[cfg(test)]
mod receiver {
    use super::*;

    /// A browser's subscription that reads one message.
    pub(super) struct Receiver {
        private: EphemeralPrivateKey,
        pub(super) p256dh: String,
        pub(super) auth: String,
    }

    impl Receiver {
        pub(super) fn new() -> Self {
            let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
            let p256dh = URL_SAFE_NO_PAD.encode(private.compute_public_key().unwrap());
            Receiver { private, p256dh, auth: URL_SAFE_NO_PAD.encode([7; 16]) }
        }

        pub(super) fn open(self, body: &[u8]) -> Vec<u8> {
            let keys = PushKeys::parse(&self.p256dh, &self.auth).unwrap();
            let (salt, public, record) = (&body[..16], &body[21..86], &mut body[86..].to_vec());
            assert_eq!(body[16..21], [0, 0, 16, 0, 65]);
            let mut key_material = [0; 32];
            let sender = UnparsedPublicKey::new(&ECDH_P256, public.to_vec());
            let info: [&[u8]; 3] = [b"WebPush: info\0", &keys.p256dh, public];
            agree_ephemeral(self.private, &sender, |secret| expand(&keys.auth, secret, &info, &mut key_material))
                .unwrap()
                .unwrap();
            let (mut key, mut nonce) = ([0; 16], [0; 12]);
            expand(salt, &key_material, &[b"Content-Encoding: aes128gcm\0"], &mut key).unwrap();
            expand(salt, &key_material, &[b"Content-Encoding: nonce\0"], &mut nonce).unwrap();
            let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
            let plain = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), record).unwrap();
            let (text, end) = plain.split_at(plain.len() - 1);
            assert_eq!(end, [2]);
            text.to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::receiver::Receiver;
    use super::*;

    fn decoded<const N: usize>(text: &str) -> [u8; N] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 8291 appendix A and §5.
    #[test]
    fn the_example_of_the_standard_is_encrypted_to_the_byte() {
        let keys = PushKeys::parse(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "BTBZMqHH6r4Tts7J_aSIgg",
        );
        let public = decoded("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let secret: [u8; 32] = decoded("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let salt = decoded("DGv6ra1nlYgDCS1FRnbzlw");
        let text = b"When I grow up, I want to be a watermelon";
        let body = seal(&secret, &keys.unwrap(), &public, salt, text).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml\
                        mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT\
                        pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(body), expected);
    }

    #[test]
    fn the_receiver_reads_what_was_encrypted_and_no_two_messages_are_alike() {
        let receiver = Receiver::new();
        let keys = PushKeys::parse(&receiver.p256dh, &receiver.auth).unwrap();
        let (one, two) = (encrypt(&keys, b"hello").unwrap(), encrypt(&keys, b"hello").unwrap());
        assert_ne!(one, two);
        assert_eq!(receiver.open(&one), b"hello");
        assert!(encrypt(&keys, &[0; MOST]).unwrap().len() <= RECORD as usize);
        assert_eq!(encrypt(&keys, &[0; MOST + 1]), Err(EncryptError::Long));
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let good = Receiver::new();
        let off_the_curve = URL_SAFE_NO_PAD.encode([4; 65]);
        for (p256dh, auth, wrong) in [
            ("", good.auth.as_str(), EncryptError::Point),
            (&off_the_curve, &good.auth, EncryptError::Point),
            ("BP4z9KsN6nGRTbVYI", &good.auth, EncryptError::Point),
            (&good.p256dh, "", EncryptError::Auth),
            (&good.p256dh, "AAAA", EncryptError::Auth),
        ] {
            assert_eq!(PushKeys::parse(p256dh, auth), Err(wrong), "{p256dh} {auth}");
        }
        assert!(PushKeys::parse(&good.p256dh, &format!("{}==", good.auth)).is_ok());
    }
}
