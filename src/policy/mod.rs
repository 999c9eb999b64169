//! Whether a call is recorded, who may command it, and the gate on the tap.
//!
//! [`decide`] is a pure function that says why. [`Matcher`] finds commands in a run of digits.
//! [`Gate`] stands in the media path and refuses every sample of a shut stretch. [`retention`] says
//! how long a recording is kept, [`lift`] who may lift a legal hold.

mod command;
mod decide;
mod gate;
mod hold;
mod retention;

pub use command::{Command, Digits, Matched, Matcher, Presses, Source};
pub use decide::{Facts, Rules, Verdict, decide};
pub use gate::{Gate, Passed};
pub use hold::{Lift, Lifter, Second, lift};
pub use retention::{Kept, Retention, retention};
