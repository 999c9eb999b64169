//! Web Push (RFC 8030): messages for browsers and apps, which only they can read (RFC 8291), from a
//! service that they know (RFC 8292).

mod encrypt;
mod vapid;

pub use encrypt::{EncryptError, PushKeys, encrypt};
pub use vapid::{VapidError, VapidKey};
