//! Speech that is put together: what is said to a party, piece by piece, in each language.
//!
//! ```text
//! Say (what is meant) ─► Clip (what is spoken, in order: the grammar of the language) ─► Pcm
//!                                                      Voices: company ─► folder ─► built in
//! ```
//! The clips that come with the service were made with espeak-ng (`make/make.py`); what each says
//! stands in `make/spoken`.

mod clip;
mod number;
mod pack;
mod phrase;
#[cfg(test)]
mod tests;
mod text;
mod voices;
mod when;

pub use clip::{Clip, Gender, Word};
pub use number::{say_digits, say_length, say_messages, say_number};
pub use phrase::{Phrase, Say};
pub use text::{spoken, text};
pub use voices::{Manner, Voices, concat};
pub use when::{say_date, say_received, say_time};
