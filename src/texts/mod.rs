//! Text messages: where each goes, who may write as which number, and how they go out.
//!
//! ```text
//! trunk, device, API ─► Office: for whom, may they ─► store: conversation, event, queue
//! queue ─► Sender: trunk after trunk, by SIP MESSAGE or HTTP, later and later ─► sent, delivered, failed
//! ```
//! A text is answered for once it is stored: whoever brings it and hears nothing brings it again, and
//! it is there once.

mod office;
mod parts;
mod route;
mod sender;

pub use office::{Arrived, NotTaken, Office, Written, origin_of};
pub use parts::{for_datagrams, for_sms, join};
pub use route::{Goes, Refused, destination, may_write_as};
pub use sender::{Outlet, Sender, SipAnswer, SipText};

/// Characters of a text that is written here, at most: ten SMS.
pub const LONGEST: usize = 1_600;
