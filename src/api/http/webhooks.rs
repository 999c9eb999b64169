//! Hooks of a company: admins.

use super::session::body;
use super::who::Who;
use super::{Desks, Handled, Shared};
use crate::api::webhooks::{DeliveryList, Replayed, WebhookAsk, WebhookList, WebhookSecret, WebhookView};
use crate::api::{Ask, Problem};
use crate::store::DeliveryState;
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Deliveries of a page where nothing else is said.
const PAGE: u32 = 50;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, change, remove))
        .routes(routes!(rotate))
        .routes(routes!(test))
        .routes(routes!(deliveries))
        .routes(routes!(replay))
        .routes(routes!(replay_dead))
}

fn id(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Problem::NotFound { what: "webhook" })
}

/// Whom the company tells of its events: admins.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", responses((status = 200, body = WebhookList)))]
async fn list(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Webhooks(WebhookAsk::List)).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHook {
    /// `https://…`.
    url: String,
    /// Kinds (`call.ended`), families (`recording.*`), or `*`.
    kinds: Vec<String>,
}

/// Makes a webhook, which is told of what happens from now on. Its secret is shown this once.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", request_body = NewHook,
    responses((status = 201, body = WebhookSecret)))]
async fn add(State(shared): Desks, who: Who, hook: Result<Json<NewHook>, JsonRejection>) -> Handled {
    let NewHook { url, kinds } = body(hook)?;
    let mut response = shared.json(&who, Ask::Webhooks(WebhookAsk::Add { url, kinds })).await?;
    *response.status_mut() = StatusCode::CREATED;
    response.extensions_mut().insert(super::repeat::ShownOnce);
    Ok(response)
}

/// One webhook and how it is.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path)),
    responses((status = 200, body = WebhookView)))]
async fn show(State(shared): Desks, who: Who, Path(text): Path<String>) -> Handled {
    shared.json(&who, Ask::Webhooks(WebhookAsk::Show { id: id(&text)? })).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HookChange {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    kinds: Option<Vec<String>>,
    /// Switched on again it is told of what happens from then on.
    #[serde(default)]
    active: Option<bool>,
}

/// Changes what is said of a webhook.
#[utoipa::path(patch, path = "/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path)),
    request_body = HookChange, responses((status = 200, body = WebhookView)))]
async fn change(
    State(shared): Desks,
    who: Who,
    Path(text): Path<String>,
    change: Result<Json<HookChange>, JsonRejection>,
) -> Handled {
    let HookChange { url, kinds, active } = body(change)?;
    shared.json(&who, Ask::Webhooks(WebhookAsk::Change { id: id(&text)?, url, kinds, active })).await
}

/// Removes a webhook with all that was to be told to it.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove(State(shared): Desks, who: Who, Path(text): Path<String>) -> Handled {
    shared.json(&who, Ask::Webhooks(WebhookAsk::Remove { id: id(&text)? })).await
}

/// A new secret, shown this once: the old one signs nothing any more.
#[utoipa::path(post, path = "/webhooks/{id}/secret", tag = "webhooks", params(("id" = i64, Path)),
    responses((status = 200, body = WebhookSecret)))]
async fn rotate(State(shared): Desks, who: Who, Path(text): Path<String>) -> Handled {
    let mut response = shared.json(&who, Ask::Webhooks(WebhookAsk::Rotate { id: id(&text)? })).await?;
    response.extensions_mut().insert(super::repeat::ShownOnce);
    Ok(response)
}

/// Sends a delivery that tells of nothing (`webhook.test`); what came of it is among the deliveries.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "webhooks", params(("id" = i64, Path)),
    responses((status = 202, body = DeliveryList)))]
async fn test(State(shared): Desks, who: Who, Path(text): Path<String>) -> Handled {
    let mut response = shared.json(&who, Ask::Webhooks(WebhookAsk::Test { id: id(&text)? })).await?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    state: Option<DeliveryState>,
    /// `next` of the page before.
    before: Option<i64>,
    /// 1 to 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What was to be told to a webhook, the newest first: pending, delivered in the last day, dead.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = i64, Path), DeliveryQuery), responses((status = 200, body = DeliveryList)))]
async fn deliveries(
    State(shared): Desks,
    who: Who,
    Path(text): Path<String>,
    query: Result<Query<DeliveryQuery>, QueryRejection>,
) -> Handled {
    let expected = "state=pending|delivered|dead, before=ID and limit=N";
    let DeliveryQuery { state, before, limit } = super::session::query(query, expected)?;
    let ask = WebhookAsk::Deliveries { id: id(&text)?, state, before, limit: limit.unwrap_or(PAGE) };
    shared.json(&who, Ask::Webhooks(ask)).await
}

/// Sends one delivery anew, now, whatever became of it.
#[utoipa::path(post, path = "/webhooks/{id}/deliveries/{delivery}/replay", tag = "webhooks",
    params(("id" = i64, Path), ("delivery" = i64, Path)), responses((status = 200, body = Replayed)))]
async fn replay(State(shared): Desks, who: Who, Path((text, delivery)): Path<(String, String)>) -> Handled {
    let delivery = delivery.parse().map_err(|_| Problem::NotFound { what: "delivery" })?;
    shared.json(&who, Ask::Webhooks(WebhookAsk::Replay { id: id(&text)?, delivery: Some(delivery) })).await
}

/// Sends all dead deliveries of a webhook anew.
#[utoipa::path(post, path = "/webhooks/{id}/replay", tag = "webhooks", params(("id" = i64, Path)),
    responses((status = 200, body = Replayed)))]
async fn replay_dead(State(shared): Desks, who: Who, Path(text): Path<String>) -> Handled {
    shared.json(&who, Ask::Webhooks(WebhookAsk::Replay { id: id(&text)?, delivery: None })).await
}
