//! Phones that are registered now.

use super::session::query;
use super::who::Who;
use super::{Desks, Handled, Shared};
use crate::api::Ask;
use crate::api::devices::{DeviceList, DevicesAsk};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Users of a page where nothing else is said.
const PAGE: usize = 200;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(of_user))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// Users, 1 to 1,000; 200 where it is not said.
    limit: Option<usize>,
}

/// Phones of the company's users that are registered now, by extension: whom a call reaches. Admins; one's own
/// stand in `GET /me`.
#[utoipa::path(get, path = "/devices", tag = "users", params(ListQuery), responses((status = 200, body = DeviceList)))]
async fn list(State(shared): Desks, who: Who, asked: Result<Query<ListQuery>, QueryRejection>) -> Handled {
    let ListQuery { after, limit } = query(asked, "after=NEXT and limit=N")?;
    shared.json(&who, Ask::Devices(DevicesAsk { user: None, after, limit: limit.unwrap_or(PAGE) })).await
}

/// Phones of a user that are registered now: admins.
#[utoipa::path(get, path = "/users/{extension}/devices", tag = "users", params(("extension" = String, Path)),
    responses((status = 200, body = DeviceList)))]
async fn of_user(State(shared): Desks, who: Who, Path(extension): Path<String>) -> Handled {
    shared.json(&who, Ask::Devices(DevicesAsk { user: Some(extension), after: None, limit: 1 })).await
}
