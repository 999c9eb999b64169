//! What every layer names: ids, the two kinds of time, audio units.
//!
//! Nothing here reads a clock or draws a random number: both are arguments.

mod id;
pub mod leaves;
mod random;
mod time;
mod unit;

pub use id::{CallId, CompanyId, FlowId, GroupId, InboxId, LegId, NumberId, RecordingId, StaffId, TrunkId, UserId};
pub use random::{Random, Seeded};
pub use time::{Span, Time, Wall};
pub use unit::{Direction, Rate, Samples, Side};
