//! How a trunk is now, for the company's admins.

use crate::trunk::{RegistrationView, TargetView, TrunkView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A trunk as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrunkStateView {
    pub name: String,
    /// Calls can go out through it: a target answers, and where it registers, it is registered.
    pub up: bool,
    /// That are up or ring.
    pub calls: usize,
    /// Absent: there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_calls: Option<u32>,
    /// Of the carrier's last challenge; empty before one.
    pub realm: String,
    pub targets: Vec<TargetStateView>,
    /// Absent where we do not register there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<TrunkRegistrationView>,
}

/// One target of a trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetStateView {
    pub target: String,
    /// `up`, `down` (no answer), `resting` (as its Retry-After asked, or for a while after silence).
    pub state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_in_s: Option<u64>,
}

/// Our registration at a carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrunkRegistrationView {
    /// `registered`, `asking`, `failed`, `off`.
    pub state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_in_s: Option<u64>,
    /// Tries in a row that failed.
    pub failures: u32,
    /// Why the last try failed; empty when it did not.
    pub problem: String,
}

impl From<TrunkView> for TrunkStateView {
    fn from(trunk: TrunkView) -> Self {
        let up = trunk.is_up();
        let TrunkView { name, calls, max_calls, realm, targets, registration, .. } = trunk;
        TrunkStateView {
            name,
            up,
            calls,
            max_calls,
            realm,
            targets: targets.into_iter().map(TargetStateView::from).collect(),
            registration: registration.map(TrunkRegistrationView::from),
        }
    }
}

impl From<TargetView> for TargetStateView {
    fn from(TargetView { target, state, again_in_s }: TargetView) -> Self {
        TargetStateView { target, state, again_in_s }
    }
}

impl From<RegistrationView> for TrunkRegistrationView {
    fn from(registration: RegistrationView) -> Self {
        let RegistrationView { state, expires_in_s, next_try_in_s, failures, problem } = registration;
        TrunkRegistrationView { state, expires_in_s, next_try_in_s, failures, problem }
    }
}
