//! From tap events to a `.wav`: aligned samples, markers, bytes. Pure: files are an argument.
//!
//! ```text
//! TapEvent ─► Timeline (two lanes on one axis) ─► blocks and patches ─► Wav (hound) ─► PartFile
//!                     └─► markers ─────────────────────────────────────► trailer, sidecar
//! ```

mod alone;
mod apart;
mod cuts;
mod dress;
mod drift;
mod lane;
mod marker;
mod quiet;
mod repair;
mod take;
mod timeline;
mod voice;
mod wav;

pub use alone::{RepairedTake, TakeDraft, Undecided, end_of, kept_of, repair_take, trimmed};
pub use dress::{Dress, Finish, Info, SIDECAR_VERSION, dress, sidecar};
pub use marker::Markers;
pub use repair::{Draft, JournalLine, Repaired, repair};
pub use take::{Closed, PartFile, Take, TakeState};
pub use timeline::{Sink, Timeline, TimelineConfig};
pub use wav::{Layout, Seal, Wav, offset_of, seal};

#[cfg(test)]
mod tests;
