//! Who is told of new messages: browsers and apps of a user, a company's gateway, and what became of
//! mails and pushes.

use super::Permission;
use crate::store::{Channel, NoticeState, PushGateway, PushSubscription};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request about notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeAsk {
    /// One's own browsers and apps, and the key that they subscribe with.
    Push,
    /// As a browser's `PushSubscription` says it.
    Subscribe {
        endpoint: String,
        p256dh: String,
        auth: String,
        name: String,
    },
    Unsubscribe {
        id: i64,
    },
    /// Of the company: admins.
    Gateway,
    /// Its secret is made and shown once; in place of the one there is.
    SetGateway {
        url: String,
    },
    RemoveGateway,
    /// What became of notices of the company: admins.
    List {
        state: Option<NoticeState>,
        before: Option<i64>,
        limit: u32,
    },
    /// Sends one anew; all dead ones where none is said.
    Replay {
        id: Option<i64>,
    },
}

impl NoticeAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            NoticeAsk::Push | NoticeAsk::Subscribe { .. } | NoticeAsk::Unsubscribe { .. } => Permission::ManagePush,
            NoticeAsk::Gateway | NoticeAsk::List { .. } => Permission::ReadWebhooks,
            NoticeAsk::SetGateway { .. } | NoticeAsk::RemoveGateway | NoticeAsk::Replay { .. } => {
                Permission::ManageWebhooks
            }
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeReply {
    Push(PushView),
    Subscribed(PushItem),
    Gateway(GatewayView),
    /// With its secret, this once.
    GatewayMade(GatewaySecret),
    List(NoticeList),
    Replayed(super::Replayed),
}

/// A user's browsers and apps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PushView {
    /// `applicationServerKey` (RFC 8292), base64url.
    pub key: String,
    pub subscriptions: Vec<PushItem>,
}

/// One browser or app, without its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PushItem {
    pub id: i64,
    pub endpoint: String,
    pub name: String,
    pub created: String,
    pub last_success: Option<String>,
    /// Why the last push was not taken; empty where it was.
    pub last_error: String,
}

impl From<&PushSubscription> for PushItem {
    fn from(row: &PushSubscription) -> Self {
        let PushSubscription { id, user: _, endpoint, p256dh: _, auth: _, name, created, last_success, last_error } =
            row;
        PushItem {
            id: *id,
            endpoint: endpoint.clone(),
            name: name.clone(),
            created: created.to_string(),
            last_success: last_success.map(|at| at.to_string()),
            last_error: last_error.clone(),
        }
    }
}

/// Who wakes the company's mobile apps, without the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GatewayView {
    pub url: String,
    pub created: String,
}

impl From<&PushGateway> for GatewayView {
    fn from(row: &PushGateway) -> Self {
        let PushGateway { company: _, url, secret: _, created } = row;
        GatewayView { url: url.clone(), created: created.to_string() }
    }
}

/// A gateway and its secret, which is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GatewaySecret {
    pub gateway: GatewayView,
    pub secret: String,
}

/// One message, told to one by one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeView {
    pub id: i64,
    pub channel: Channel,
    pub message: String,
    /// `NUMBER`, or `NUMBER@CONTEXT`; empty where the box has gone.
    pub mailbox: String,
    /// The address of a mail, or the extension of whoever is told; empty where they have gone.
    pub to: String,
    pub state: NoticeState,
    pub attempts: u32,
    pub created: String,
    /// When it is tried next; absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    pub last_attempt: Option<String>,
    /// Why it was not taken.
    pub last_error: String,
}

/// The newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeList {
    pub notices: Vec<NoticeView>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}
