//! Session descriptions (RFC 8866) and the offer/answer model (RFC 3264) for a
//! service that terminates every leg.
//!
//! ```text
//! bytes ─parse─► Description ─answer(Local)──► our answer + Negotiated
//!                     └────────conclude(Local)────────────► Negotiated
//! Local ─offer─► bytes
//! ```
//!
//! `OfferAnswer` keeps one leg's exchange in order: who offered, what was said last,
//! what was agreed. Reading is liberal, writing strict. Keys (`a=crypto`) are
//! kept in types whose `Debug` does not show them, and no error names what could be one, so that
//! they can reach no log.

mod crypto;
mod description;
mod error;
mod exchange;
mod negotiate;
mod parse;
mod print;
#[cfg(test)]
mod tests;

pub use crypto::{Crypto, CryptoError, Encryption, Security};
pub use description::{Audio, Codec, Description, Events, Flow, Format, MediaLine, Profile};
pub use error::SdpError;
pub use exchange::{OfferAnswer, Pending};
pub use negotiate::{Local, Negotiated, answer, answerable, conclude, offer, offer_formats_from, offer_with_foreign};
pub use parse::parse;
