//! What leaves the house, with its queue: hooks of companies, told of events over HTTPS; mails and push
//! messages, which tell of voicemail.
//!
//! ```text
//! feed ─► queue (a row per hook and event) ─► courier: in order per call, few at a time per hook ─► post
//!                                               └ not taken: again, later and later, for a day; then dead
//! feed ─► notices (a row per message, receiver and way) ─► herald ─► SMTP · Web Push · gateway
//! ```

mod courier;
mod guard;
mod herald;
pub mod mail;
mod post;
pub mod push;
mod sign;
mod written;

pub use courier::{Courier, GIVE_UP, World, test_delivery};
pub use guard::{Guard, Network, Target, TargetError};
pub use herald::{Carriers, Herald, MAIL_ENDS, MailSettings, PUSH_ENDS};
pub use post::{PostError, Postman, PostmanError};
pub use sign::{signature, timestamp};
