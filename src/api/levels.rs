//! How loud the parties of calls that are up are.

use crate::base::{CallId, Span};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Of the calls that the viewer sees, in a fifth of a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LevelsView {
    pub calls: Vec<CallLevels>,
}

impl LevelsView {
    /// What is measured at once.
    pub const WINDOW: Span = Span::from_millis(200);
}

/// Of one call: RMS in dBFS, from -96.0 (silence) to 0.0, to a tenth; `null` where nothing came from that party,
/// or only in a codec that can be passed on and not decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallLevels {
    pub id: CallId,
    pub caller: Option<f32>,
    pub callee: Option<f32>,
}
