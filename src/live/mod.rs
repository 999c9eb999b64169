//! Captured calls placed against a running service with the captured timing, and what came out.
//!
//! ```text
//! capture ─► Script ─► two phones ─► service ─► recording ─┐ (fetched over the control socket)
//!        └─► replay ─► recording ─────────────────────────┴─► compare ─► report
//! ```
//! The same packets arrive, a moment later each: the network and the machine add their delays. A
//! stream is placed by its fastest packets, so its delay is one offset for all samples, which is
//! found and told; pauses, where the other party is cut at the arrival of a command, have edges.

pub mod compare;
mod fetch;
mod place;
mod report;

pub use compare::{Channel, Marks};
pub use fetch::{Fetched, fetch};
pub use place::{Account, Placed, Target, place};
pub use report::{LiveCall, LiveReport, Recorded, run};

use crate::demo::phone::LiveError;
use crate::replay::{ReplayError, ScriptError};
use crate::ua::Ending;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum PlaceError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Phone(#[from] LiveError),
    #[error("{0:?} is not USER:PASSWORD@DOMAIN")]
    Account(String),
    #[error("{user} was not registered: {status}")]
    NotRegistered { user: String, status: u16 },
    #[error("the call to {user} was not answered: {ending:?}")]
    NotAnswered { user: String, ending: Ending },
    #[error("a change of the call was refused: {status}")]
    ChangeRefused { status: u16 },
    #[error("a recording cannot be read: {0}")]
    Wav(#[from] hound::Error),
    #[error("the control socket {socket}: {error}")]
    Control { socket: String, error: std::io::Error },
    #[error("the service says: {0}")]
    Service(String),
    #[error("the service knows no call from {caller} to {callee} that was just placed")]
    NotFound { caller: String, callee: String },
}
