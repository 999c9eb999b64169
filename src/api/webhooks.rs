//! Hooks of a company: what admins ask, and the answers.

use super::Permission;
use crate::store::{DeliveryRow, DeliveryState, WebhookRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request of an admin about hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookAsk {
    List,
    Show {
        id: i64,
    },
    /// Its secret is made and shown once.
    Add {
        url: String,
        kinds: Vec<String>,
    },
    /// What is said.
    Change {
        id: i64,
        url: Option<String>,
        kinds: Option<Vec<String>>,
        active: Option<bool>,
    },
    Remove {
        id: i64,
    },
    /// A new secret, shown once; the old one signs nothing any more.
    Rotate {
        id: i64,
    },
    /// Queues a delivery that tells of nothing.
    Test {
        id: i64,
    },
    Deliveries {
        id: i64,
        state: Option<DeliveryState>,
        before: Option<i64>,
        limit: u32,
    },
    /// Sends one delivery anew; all dead ones where none is said.
    Replay {
        id: i64,
        delivery: Option<i64>,
    },
}

impl WebhookAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            WebhookAsk::List | WebhookAsk::Show { .. } | WebhookAsk::Deliveries { .. } => Permission::ReadWebhooks,
            WebhookAsk::Add { .. }
            | WebhookAsk::Change { .. }
            | WebhookAsk::Remove { .. }
            | WebhookAsk::Rotate { .. }
            | WebhookAsk::Test { .. }
            | WebhookAsk::Replay { .. } => Permission::ManageWebhooks,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookReply {
    List(WebhookList),
    One(WebhookView),
    /// With its secret, this once.
    Made(WebhookSecret),
    Deliveries(DeliveryList),
    Replayed(Replayed),
}

/// A hook, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    pub id: i64,
    pub url: String,
    pub kinds: Vec<String>,
    /// Told of nothing while it is not.
    pub active: bool,
    /// Extension of the admin who made it; absent where they are gone, or are none of the company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    pub created: String,
    /// Nothing comes through for ten minutes or longer, something is dead, or whoever made it is no admin any more.
    pub failing: bool,
    /// Why, for people; empty where it works.
    pub problem: String,
    pub failing_since: Option<String>,
    pub last_success: Option<String>,
    pub last_failure: Option<String>,
    /// HTTP status of the last answer.
    pub last_status: Option<u16>,
    pub last_error: String,
    pub pending: u64,
    pub dead: u64,
}

impl WebhookView {
    /// `problem`: what is wrong with the hook, beside what its row says.
    pub(super) fn of(hook: &WebhookRow, made_by: Option<String>, problem: String) -> Self {
        let time = |at: Option<crate::base::Wall>| at.map(|at| at.to_string());
        WebhookView {
            id: hook.id,
            url: hook.url.clone(),
            kinds: hook.kinds.patterns().to_vec(),
            active: hook.active,
            made_by,
            created: hook.created.to_string(),
            failing: !problem.is_empty(),
            problem,
            failing_since: time(hook.failing_since),
            last_success: time(hook.last_success),
            last_failure: time(hook.last_failure),
            last_status: hook.last_status,
            last_error: hook.last_error.clone(),
            pending: hook.pending,
            dead: hook.dead,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    pub webhooks: Vec<WebhookView>,
}

/// A hook and its secret, which is shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSecret {
    pub webhook: WebhookView,
    pub secret: String,
}

/// One event for a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    pub id: i64,
    /// Position of the event; 0 of a test.
    pub seq: i64,
    pub event: String,
    pub state: DeliveryState,
    pub attempts: u32,
    pub created: String,
    /// When it is tried next; absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    pub last_attempt: Option<String>,
    pub last_status: Option<u16>,
    pub last_error: String,
}

impl From<&DeliveryRow> for DeliveryView {
    fn from(row: &DeliveryRow) -> Self {
        DeliveryView {
            id: row.id,
            seq: row.seq,
            event: row.kind.clone(),
            state: row.state,
            attempts: row.attempts,
            created: row.created.to_string(),
            next: (row.state == DeliveryState::Pending).then(|| row.next_at.to_string()),
            last_attempt: row.last_at.map(|at| at.to_string()),
            last_status: row.last_status,
            last_error: row.last_error.clone(),
        }
    }
}

/// The newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryList {
    pub deliveries: Vec<DeliveryView>,
    /// For the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// So many are sent anew.
    pub replayed: u64,
}
