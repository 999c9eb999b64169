//! Nonces that are verified without having been stored, and the counts used with them.

use super::constant_time_eq;
use crate::base::{Random, Span, Time};
use crate::sip::token;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

/// Makes and checks nonces: `time.random.mac`, the mac over both and over whom it was given to, with
/// the secret. One that was given to another address is foreign: what comes with a forged source
/// address cannot have a nonce of that address.
#[derive(Clone)]
pub struct Nonces {
    secret: [u8; 32],
    lifetime: Span,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// What a nonce is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonceState {
    Fresh,
    /// Ours, but too old: challenge with `stale=true`.
    Stale,
    /// Not of this secret, or given to another address.
    Foreign,
}

impl Nonces {
    /// `secret` is drawn anew at each start; `lifetime` is how long a nonce can be used.
    pub fn new(secret: [u8; 32], lifetime: Span) -> Self {
        Nonces { secret, lifetime }
    }

    /// `whom`: the address that it is sent to.
    pub fn issue(&self, whom: IpAddr, now: Time, random: &mut dyn Random) -> String {
        let head = format!("{:016x}.{}", now.0, token(random, 6));
        let mac = self.mac(&head, whom);
        format!("{head}.{mac}")
    }

    /// `whom`: the address that it comes from.
    pub fn check(&self, nonce: &str, whom: IpAddr, now: Time) -> NonceState {
        let Some((head, mac)) = nonce.rsplit_once('.') else {
            return NonceState::Foreign;
        };
        if !constant_time_eq(self.mac(head, whom).as_bytes(), mac.as_bytes()) {
            return NonceState::Foreign;
        }
        match issued_at(nonce) {
            Some(issued) if now.since(Time(issued)) <= self.lifetime => NonceState::Fresh,
            Some(_) => NonceState::Stale,
            None => NonceState::Foreign,
        }
    }

    /// The first half of the HMAC, which is plenty (RFC 2104 §5).
    fn mac(&self, head: &str, whom: IpAddr) -> String {
        let text = format!("{head} {}", whom.to_canonical());
        let mac = hmac_sha256(&self.secret, text.as_bytes());
        hex::encode(mac.get(..16).unwrap_or(&mac))
    }
}

/// HMAC (RFC 2104) with SHA-256, block size 64, for a key no longer than a block.
fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut block = [pad; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

/// Whether a nonce count may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Replay {
    New,
    /// Seen before, or so far behind that it may have been.
    Seen,
}

/// Nonce counts in use: of each nonce the highest and which of the 64 below it were used, since
/// requests of one client overtake each other. Bounded: the nonce that was issued first goes out
/// first, and nothing unknown that is as old as it is taken any more, so that going out does not
/// make a nonce new again.
#[derive(Debug)]
pub struct NonceCounter {
    capacity: usize,
    windows: HashMap<String, Window>,
    /// By the time that the nonce carries.
    by_age: BTreeSet<(u64, String)>,
    /// The youngest that went out.
    floor: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    /// Bit n: `highest - n` was used.
    used: u64,
}

impl NonceCounter {
    pub fn new(capacity: usize) -> Self {
        NonceCounter { capacity: capacity.max(1), windows: HashMap::new(), by_age: BTreeSet::new(), floor: None }
    }

    /// Takes `count` of `nonce`, once; without qop the count is 1, which makes each nonce good
    /// for one request. Call this after the credentials were verified, so that strangers cannot
    /// fill the table. The answer to [`Replay::Seen`] is a challenge with `stale=true`.
    pub fn take(&mut self, nonce: &str, count: u32) -> Replay {
        if let Some(window) = self.windows.get_mut(nonce) {
            return window.take(count);
        }
        let age = issued_at(nonce).unwrap_or(0);
        if count == 0 || self.floor.is_some_and(|floor| age <= floor) {
            return Replay::Seen;
        }
        self.by_age.insert((age, nonce.to_owned()));
        self.windows.insert(nonce.to_owned(), Window { highest: count, used: 1 });
        if self.windows.len() > self.capacity
            && let Some((age, oldest)) = self.by_age.pop_first()
        {
            self.windows.remove(&oldest);
            self.floor = Some(age);
        }
        Replay::New
    }

    pub fn len(&self) -> usize {
        self.windows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }
}

/// The µs that [`Nonces::issue`] wrote into a nonce.
fn issued_at(nonce: &str) -> Option<u64> {
    let (time, _) = nonce.split_once('.')?;
    u64::from_str_radix(time, 16).ok()
}

impl Window {
    fn take(&mut self, count: u32) -> Replay {
        if count == 0 {
            return Replay::Seen;
        }
        if count > self.highest {
            let ahead = count - self.highest;
            self.used = self.used.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return Replay::New;
        }
        let bit = 1u64.checked_shl(self.highest - count).unwrap_or(0);
        if bit == 0 || self.used & bit != 0 {
            return Replay::Seen;
        }
        self.used |= bit;
        Replay::New
    }
}

#[cfg(test)]
mod tests {
    use super::hmac_sha256;

    /// RFC 4231 §4.2; a shorter key is padded with zeros, which ours then is.
    #[test]
    fn the_keyed_hash_is_hmac() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(hex::encode(hmac_sha256(&key, b"Hi There")), expected);
    }
}
