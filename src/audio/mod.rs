//! Codecs, resampling, noise, silence, tones, prompts, sounds and WAV chunks. Values in, values out.

pub mod codec;
mod coding;
mod conceal;
mod dtmf;
mod g711;
mod mix;
mod noise;
pub mod prompt;
mod resample;
mod silence;
pub mod sound;
pub mod speech;
mod tone;
pub mod wav;

pub use coding::Coding;
pub use dtmf::{DtmfDetector, ToneKey};
pub use g711::Law;
pub use mix::mix;
pub use noise::ComfortNoise;
pub use resample::Resampler;
pub use silence::Silence;
pub use tone::Tone;
