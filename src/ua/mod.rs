//! A small softphone as a machine: what the demo, live replay, tests and the load bench call with.
//!
//! ```text
//! commands ─► Phone ─poll_sip──► datagrams or stream bytes for the server
//! SIP in   ─►   │   ─poll_rtp──► packets from the media port
//! RTP in   ─►   │   ─poll_rtcp─► packets from the port above it
//! the time ─►   └───poll_event─► what happened
//! ```
//! One call at a time, and text messages (RFC 3428) beside it. It registers (digest, RFC 7616), offers and answers (RFC 3264), speaks
//! G.711 from a [`Voice`], plain or as SRTP, sends digits as events (RFC 4733) or INFO, and keeps what it hears.
//! Without a password it is the peer at the far end of a trunk: it takes calls to any number.
//! It may call nothing that the service's own calls are made of: it is the other side of the test.

mod call;
mod change;
mod config;
mod digits;
mod heard;
mod media;
mod phone;
mod raw;
mod receiver;
mod registration;
mod secret;
mod sender;
mod talk;
mod text;

pub use change::Wish;
pub use config::{PhoneConfig, Voice};
pub use phone::{Counters, Phone};
pub use raw::{RawKind, RawPacket};

use crate::sdp::SdpError;
use crate::sip::dialog::DialogError;
use crate::sip::uri::UriError;
use thiserror::Error;

/// What happened to a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneEvent {
    Registered,
    Unregistered,
    /// The last word of the server, or what no answer counts as.
    RegistrationFailed {
        status: u16,
    },
    /// The far side of our call said 180 or 183.
    Ringing {
        status: u16,
    },
    /// A call for us, as From and the Request-URI name the two.
    Incoming {
        from: String,
        to: String,
    },
    /// The call is up, whoever placed it.
    Answered,
    /// The far side does not want to hear us any more.
    Held,
    /// It wants to again.
    Unheld,
    /// Our hold, unhold or change of address was taken.
    Changed,
    /// It was refused; what held before holds.
    ChangeFailed {
        status: u16,
    },
    /// A key of the far side: `0-9`, `*`, `#`, `A-D`.
    Digit(u8),
    /// All digits that were asked for are sent.
    DigitsSent,
    /// A text message for us.
    Text {
        from: String,
        text: String,
    },
    /// The last word to a text of ours, or what no answer counts as.
    TextAnswered {
        status: u16,
    },
    Ended(Ending),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// We hung up, or gave up before the answer.
    Here,
    /// The far side hung up. Its Reason (RFC 3326), if it gave one.
    There { reason: Option<String> },
    /// The far side gave up before we answered.
    Cancelled,
    /// A refusal, theirs or ours, or what a failure counts as.
    Refused { status: u16 },
}

/// Why a phone cannot do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PhoneError {
    #[error("the phone is in a call")]
    Busy,
    #[error("the phone is in no call that this fits")]
    NoCall,
    #[error("another change of the call is under way")]
    ChangePending,
    #[error("{:?} is no key of a telephone", char::from(*.0))]
    Key(u8),
    #[error("the far side takes neither events nor was INFO switched on")]
    NoDigits,
    #[error("no such address: {0}")]
    Target(#[from] UriError),
    #[error(transparent)]
    Description(#[from] SdpError),
    #[error(transparent)]
    Dialog(#[from] DialogError),
}

#[cfg(test)]
mod tests;
