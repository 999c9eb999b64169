//! What can be wrong with a description, and the SIP status that says so.

use super::crypto::CryptoError;
use thiserror::Error;

/// Why a description was not read, not accepted, or came at the wrong time.
///
/// Values named here are addresses, numbers and codec names, never keys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SdpError {
    #[error("no session description: neither v= nor m= in {bytes} bytes")]
    NotSdp { bytes: usize },
    #[error("a session description of {bytes} bytes, the limit is {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("more than {limit} media lines")]
    TooManyMedia { limit: usize },
    #[error("SDP version {0:?}, only 0 exists")]
    Version(String),
    #[error("malformed media line {0:?}")]
    MediaLine(String),
    #[error("no address for the audio")]
    NoAddress,
    #[error("{0:?} is not an address that audio can be sent to")]
    Address(String),
    #[error("no audio stream")]
    NoAudio,
    #[error("the audio stream was refused")]
    Refused,
    #[error("transport {0:?} is not supported")]
    Transport(String),
    #[error("{0}")]
    Crypto(CryptoError),
    #[error("only encrypted calls: there is no usable a=crypto")]
    NotEncrypted,
    #[error("no common codec: the far side has {0}")]
    NoCommonCodec(String),
    #[error("our own offer is still unanswered")]
    OurOfferPending,
    #[error("the far side's offer is still unanswered")]
    TheirOfferPending,
    #[error("an answer, but no offer is open")]
    UnexpectedAnswer,
}

impl SdpError {
    /// The SIP response status for a request whose description failed so.
    pub fn status(&self) -> u16 {
        match self {
            SdpError::NotSdp { .. }
            | SdpError::TooManyMedia { .. }
            | SdpError::Version(_)
            | SdpError::MediaLine(_)
            | SdpError::NoAddress
            | SdpError::UnexpectedAnswer => 400,
            SdpError::TooLarge { .. } => 413,
            SdpError::Address(_)
            | SdpError::NoAudio
            | SdpError::Refused
            | SdpError::Transport(_)
            | SdpError::Crypto(_)
            | SdpError::NotEncrypted
            | SdpError::NoCommonCodec(_) => 488,
            // RFC 3261 §14.2: ours is pending: 491; theirs is: 500 with Retry-After.
            SdpError::OurOfferPending => 491,
            SdpError::TheirOfferPending => 500,
        }
    }
}
