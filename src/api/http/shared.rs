//! Shared inboxes of company numbers.

use super::session::body;
use super::who::Who;
use super::{Desks, Handled, Shared};
use crate::api::shared::{LicenceList, SharedAsk, SharedKeys, SharedList, SharedReply, SharedView};
use crate::api::{Ask, Problem};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, enable, change, disable))
        .routes(routes!(licences))
        .routes(routes!(release))
}

/// The answer as JSON.
pub fn said(reply: SharedReply) -> Response {
    match reply {
        SharedReply::List(list) => Json(list).into_response(),
        SharedReply::One(view) => Json(view).into_response(),
        SharedReply::Licences(list) => Json(list).into_response(),
    }
}

/// Shared inboxes: those that one is in; admins see all.
#[utoipa::path(get, path = "/shared-inboxes", tag = "messages", responses((status = 200, body = SharedList)))]
async fn list(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Shared(SharedAsk::List)).await
}

/// The shared inbox of a number.
#[utoipa::path(get, path = "/numbers/{number}/shared-inbox", tag = "messages", params(("number" = String, Path)),
    responses((status = 200, body = SharedView)))]
async fn show(State(shared): Desks, who: Who, Path(number): Path<String>) -> Handled {
    shared.json(&who, Ask::Shared(SharedAsk::Show { number })).await
}

/// Switches the shared inbox of a company number on; where it is on, changes what is said: admins.
#[utoipa::path(put, path = "/numbers/{number}/shared-inbox", tag = "messages", params(("number" = String, Path)),
    request_body = SharedKeys, responses((status = 200, body = SharedView)))]
async fn enable(
    State(shared): Desks,
    who: Who,
    Path(number): Path<String>,
    keys: Result<Json<SharedKeys>, JsonRejection>,
) -> Handled {
    let keys = body(keys)?;
    shared.json(&who, Ask::Shared(SharedAsk::Enable { number, keys })).await
}

/// Changes label, users or history of a shared inbox that is on: admins. What is not said stays.
#[utoipa::path(patch, path = "/numbers/{number}/shared-inbox", tag = "messages", params(("number" = String, Path)),
    request_body = SharedKeys, responses((status = 200, body = SharedView)))]
async fn change(
    State(shared): Desks,
    who: Who,
    Path(number): Path<String>,
    keys: Result<Json<SharedKeys>, JsonRejection>,
) -> Handled {
    let keys = body(keys)?;
    shared.json(&who, Ask::Shared(SharedAsk::Change { number, keys })).await
}

/// Switches it off: the number is as it was, its conversations are kept unseen, its licence stays: admins.
#[utoipa::path(delete, path = "/numbers/{number}/shared-inbox", tag = "messages", params(("number" = String, Path)),
    responses((status = 204, description = "It is off")))]
async fn disable(State(shared): Desks, who: Who, Path(number): Path<String>) -> Handled {
    shared.json(&who, Ask::Shared(SharedAsk::Disable { number })).await
}

/// Shared inboxes that the company pays for, on or not: admins.
#[utoipa::path(get, path = "/licences", tag = "messages", responses((status = 200, body = LicenceList)))]
async fn licences(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Shared(SharedAsk::Licences)).await
}

/// Releases a licence that is free: operators and resellers.
#[utoipa::path(delete, path = "/licences/{id}", tag = "messages", params(("id" = i64, Path)),
    responses((status = 204, description = "The company pays for one less")))]
async fn release(State(shared): Desks, who: Who, Path(id): Path<String>) -> Handled {
    let id = id.parse().map_err(|_| Problem::NotFound { what: "licence" })?;
    shared.json(&who, Ask::Shared(SharedAsk::Release { id })).await
}
