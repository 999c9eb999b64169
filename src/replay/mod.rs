//! Captures in, recordings out: what would have been recorded, had these calls gone through us.
//!
//! ```text
//! capture ─► calls (dialogs, addresses) ─► policy (company file) ─► media::Bridge ─► recording::Take ─► .wav, .json
//!        └─► rtp_guess (without signalling) ──────────────┘
//! ```
//! Bridge, tap, gate, timeline and writer are those of the service, fed with the capture's own
//! arrival times. A packet that A sent to B is what A's leg receives; what the bridge sends is
//! counted and goes nowhere.

mod call;
pub mod calls;
pub mod capture;
pub mod dialog;
mod file;
mod fragments;
mod frames;
mod negotiated;
mod packet;
mod pcap;
mod pcapng;
pub mod policy;
mod report;
pub mod rtp_guess;
mod rtp_only;
mod run;
pub mod script;
mod stage;
mod streams;
mod transfers;
mod window;
mod writer;

pub use policy::Policy;
pub use report::{CallReport, CallSide, FileReport, Report, Unclaimed};
pub use run::{Options, Progress, ReplayError, replay, replay_from, stems};
pub use script::{Script, ScriptError, Unplaceable};
