//! How trunks are now.

use super::who::Who;
use super::{Desks, Handled, Shared};
use crate::api::{Ask, TrunkStateView};
use axum::extract::{Path, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(state))
}

/// Whether a trunk is registered, which of its targets answer, and how many calls it has: admins.
#[utoipa::path(get, path = "/trunks/{name}/state", tag = "trunks", params(("name" = String, Path)),
    responses((status = 200, body = TrunkStateView)))]
async fn state(State(shared): Desks, who: Who, Path(name): Path<String>) -> Handled {
    shared.json(&who, Ask::TrunkState { name }).await
}
