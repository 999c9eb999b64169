//! Session keys (RFC 3711 §4.3) and what is done with them: keystream and tag.

use super::key::{MasterKey, Secret};
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, StreamCipher, StreamCipherCoreWrapper};
use aes::{Aes128, Aes256};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroize;

/// Bytes of a tag at most: HMAC-SHA1 cut to 80 bits.
pub const TAG: usize = 10;

/// What a session key is for (RFC 3711 §4.3.2): encryption, authentication, salt.
#[derive(Clone, Copy)]
pub enum Use {
    Rtp,
    Rtcp,
}

impl Use {
    const fn labels(self) -> [u8; 3] {
        match self {
            Use::Rtp => [0, 1, 2],
            Use::Rtcp => [3, 4, 5],
        }
    }
}

/// AES with its round keys; they are overwritten when dropped.
#[allow(clippy::large_enum_variant, reason = "it lives in the box of a leg's cipher, one of either kind")]
enum Cipher {
    Aes128(Aes128),
    Aes256(Aes256),
}

impl Cipher {
    fn new(secret: &Secret) -> Self {
        match secret {
            Secret::Aes128(key) => Cipher::Aes128(Aes128::new(&(*key).into())),
            Secret::Aes256(key) => Cipher::Aes256(Aes256::new(&(*key).into())),
        }
    }

    /// XORs the keystream that begins at the counter `iv` into `bytes` (RFC 3711 §4.1.1).
    fn apply(&self, iv: u128, bytes: &mut [u8]) {
        match self {
            Cipher::Aes128(aes) => counter_mode(aes, iv, bytes),
            Cipher::Aes256(aes) => counter_mode(aes, iv, bytes),
        }
    }
}

fn counter_mode<C>(aes: &C, iv: u128, bytes: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let core = CtrCore::<&C, Ctr128BE>::inner_iv_init(aes, &iv.to_be_bytes().into());
    // 128 bits of counter do not run out.
    let _ = StreamCipherCoreWrapper::from_core(core).try_apply_keystream(bytes);
}

/// The session keys of RTP or of RTCP under one master key.
pub struct Session {
    cipher: Cipher,
    /// 112 bits.
    salt: u128,
    mac: Hmac<Sha1>,
}

impl Session {
    /// Derives them once: a key derivation rate other than 0 is never agreed.
    pub fn derive(master: &MasterKey, what: Use) -> Self {
        let deriving = Cipher::new(master.secret());
        let [encryption, authentication, salting] = what.labels();
        let fill =
            |label: u8, bytes: &mut [u8]| deriving.apply((master.salt() ^ (u128::from(label) << 48)) << 16, bytes);
        let secret = match master.secret() {
            Secret::Aes128(_) => {
                let mut key = [0; 16];
                fill(encryption, &mut key);
                Secret::Aes128(key)
            }
            Secret::Aes256(_) => {
                let mut key = [0; 32];
                fill(encryption, &mut key);
                Secret::Aes256(key)
            }
        };
        // A key of HMAC is filled up with zeros to a block (RFC 2104 §2): 20 bytes of it are ours.
        let mut block = [0; 64];
        if let Some(key) = block.first_chunk_mut::<20>() {
            fill(authentication, key);
        }
        let mut salt = [0; 16];
        if let Some(bytes) = salt.first_chunk_mut::<14>() {
            fill(salting, bytes);
        }
        let session = Session {
            cipher: Cipher::new(&secret),
            salt: u128::from_be_bytes(salt) >> 16,
            mac: Hmac::<Sha1>::new(&block.into()),
        };
        block.zeroize();
        salt.zeroize();
        let mut secret = secret;
        match &mut secret {
            Secret::Aes128(key) => key.zeroize(),
            Secret::Aes256(key) => key.zeroize(),
        }
        session
    }

    /// Encrypts or decrypts; `index` has 48 bits for RTP, 31 for RTCP.
    pub fn crypt(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let iv = (self.salt << 16) ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
        self.cipher.apply(iv, bytes);
    }

    /// The tag over `packet`; for RTP followed by the rollover counter (RFC 3711 §4.2).
    pub fn tag(&self, packet: &[u8], rollover: Option<u32>) -> [u8; TAG] {
        let whole = self.authenticate(packet, rollover).finalize().into_bytes();
        let mut tag = [0; TAG];
        for (place, byte) in tag.iter_mut().zip(whole) {
            *place = byte;
        }
        tag
    }

    /// Whether `tag` is the beginning of the right one, in constant time.
    pub fn is_authentic(&self, packet: &[u8], rollover: Option<u32>, tag: &[u8]) -> bool {
        self.authenticate(packet, rollover).verify_truncated_left(tag).is_ok()
    }

    fn authenticate(&self, packet: &[u8], rollover: Option<u32>) -> Hmac<Sha1> {
        let mut mac = self.mac.clone();
        mac.update(packet);
        if let Some(rollover) = rollover {
            mac.update(&rollover.to_be_bytes());
        }
        mac
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Round keys and the state of HMAC overwrite themselves.
        self.salt.zeroize();
    }
}

#[cfg(test)]
impl Session {
    /// The session salt, for the vectors of the RFCs.
    pub(super) const fn salt(&self) -> u128 {
        self.salt
    }

    /// A session whose keys are given, for the vectors of the RFCs.
    pub(super) fn from_parts(encryption: &[u8], authentication: &[u8], salt: u128) -> Self {
        let secret = match encryption.len() {
            16 => Secret::Aes128(encryption.try_into().unwrap()),
            _ => Secret::Aes256(encryption.try_into().unwrap()),
        };
        let mac = Hmac::<Sha1>::new_from_slice(authentication).unwrap();
        Session { cipher: Cipher::new(&secret), salt, mac }
    }
}
