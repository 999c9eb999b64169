//! What leaves the house, with its queue: hooks of companies, told of events over HTTPS.
//!
//! ```text
//! feed ─► queue (a row per hook and event) ─► courier: in order per call, few at a time per hook ─► post
//!                                               └ not taken: again, later and later, for a day; then dead
//! ```

mod courier;
mod guard;
mod post;
mod sign;

pub use courier::{Courier, GIVE_UP, World, test_delivery};
pub use guard::{Guard, Network, Target, TargetError};
pub use post::{PostError, Postman, PostmanError};
pub use sign::{signature, timestamp};
