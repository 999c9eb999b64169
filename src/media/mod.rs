//! One call's RTP, as a pure machine: packets in, packets, tap events and facts out.
//!
//! ```text
//! RTP of a leg ─► Cipher (SRTP only: authentic?) ─► Receiver (valid? from whom? seen before?)
//!                 ├─ telephone event ─► Keys ─► command: Rules, both Gates ─► Fact
//!                 │                       └─ released keys ─► Injector of the other leg
//!                 └─ audio ─► Tap (Gate) ─► TapEvent ─► recorder (the call; and a take of one party alone)
//!                          └─ Sender of the other leg (our SSRC, sequence, timestamps) ─► RTP
//!                             or Ear ─► Mouth of the other leg, where it wants another coding
//! ```
//! A prompt ([`Prompt`]) takes the place of the other party's packets while it is played.
//! What goes out to an encrypted leg passes its cipher last, so that bridge, gate and tap see plain
//! packets only. [`Bridge`] composes the two legs. Nothing here allocates, locks or logs per packet.

mod bridge;
mod cipher;
mod inject;
mod leg;
mod level;
mod player;
mod receive;
mod send;
mod tap;
mod tones;
mod transcode;

pub use bridge::{Bridge, BridgeConfig, Fact, Joining, MovedLeg, Notice, Out, Refuse, TakeSlot};
pub use inject::Injection;
pub use leg::{Commander, Kind, LegMedia, LegStats, RECEIVED};
pub use player::{PlayId, Prompt, Times};
pub use receive::Counters;
pub use tap::{TAP_HEADER, TapEvent, decode_tap, encode_tap, payload_length};

#[cfg(test)]
pub(crate) mod tests;
