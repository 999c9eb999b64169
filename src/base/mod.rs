//! What every layer names: ids, the two kinds of time, audio units, languages.
//!
//! Nothing here reads a clock or draws a random number: both are arguments.

mod id;
mod language;
pub mod leaves;
mod random;
mod time;
mod unit;

pub use id::{
    BoxId, CallId, CompanyId, ConversationId, FlowId, GroupId, InboxId, LegId, MessageId, NumberId, RecordingId,
    StaffId, TextId, TrunkId, UserId,
};
pub use language::Language;
pub use random::{Random, Seeded};
pub use time::{Span, Time, Wall};
pub use unit::{Direction, Rate, Samples, Side};
