//! Codecs, tones, prompts and WAV chunks. Values in, values out.

mod g711;
pub mod prompt;
mod tone;
pub mod wav;

pub use g711::Law;
pub use tone::Tone;
