//! Speech that is put together: what is said to a party, piece by piece.

mod phrase;

pub use phrase::{Phrase, Say};
