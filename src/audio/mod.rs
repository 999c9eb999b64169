//! Codecs, tones and WAV chunks. Values in, values out.

mod g711;
mod tone;
pub mod wav;

pub use g711::Law;
pub use tone::Tone;
