//! Whether a call is recorded, who may command it, and the gate on the tap.
//!
//! [`decide`] is a pure function that says why. [`Matcher`] finds commands in a run of digits.
//! [`Gate`] stands in the media path and refuses every sample of a shut stretch.

mod command;
mod decide;
mod gate;

pub use command::{Command, Digits, Matched, Matcher, Presses, Source};
pub use decide::{Facts, Rules, Verdict, decide};
pub use gate::{Gate, Passed};
