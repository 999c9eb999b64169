//! RTP and RTCP as bytes: a packet view of our own, clocks that wrap, telephone events,
//! reports, and the encryption of both.

mod clock;
mod event;
mod packet;
pub mod rtcp;
pub mod srtp;

pub use clock::{RtpClock, Unwrap16, Unwrap32};
pub use event::{EventPayload, KeyDetector, KeyPress, Seen, event_of_key, key_of_event};
pub use packet::{HEADER, PacketError, View, rewrite_header};
