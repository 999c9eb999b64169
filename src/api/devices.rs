//! Phones that are registered now: whom a call would reach.

use super::{DeviceView, Permission};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request of an admin about the phones of the company's users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicesAsk {
    /// One user's alone, by extension.
    pub user: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Users of a page at most; one has all their devices on one page.
    pub limit: usize,
}

impl DevicesAsk {
    /// What a token must be made for.
    pub const NEEDS: Permission = Permission::ReadDirectory;
    /// Users of a page at most.
    pub const MOST: usize = 1_000;
}

/// Devices by the extensions of their users, each user's newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceList {
    pub devices: Vec<UserDevice>,
    /// For the next page, as `after`; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A device and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserDevice {
    pub extension: String,
    /// The user's.
    pub name: String,
    #[serde(flatten)]
    pub device: DeviceView,
}
