//! Who is told of new messages.

use super::session::body;
use super::who::Who;
use super::{Desks, Handled, Shared};
use crate::api::notices::{GatewaySecret, GatewayView, NoticeAsk, NoticeList, NoticeReply, PushItem, PushView};
use crate::api::{Ask, Problem, Replayed};
use crate::store::NoticeState;
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Notices of a page where nothing else is said.
const PAGE: u32 = 50;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(push, subscribe))
        .routes(routes!(unsubscribe))
        .routes(routes!(gateway, set_gateway, remove_gateway))
        .routes(routes!(list))
        .routes(routes!(replay))
        .routes(routes!(replay_dead))
}

pub(super) fn response(reply: NoticeReply) -> Response {
    match reply {
        NoticeReply::Push(view) => Json(view).into_response(),
        NoticeReply::Subscribed(item) => Json(item).into_response(),
        NoticeReply::Gateway(view) => Json(view).into_response(),
        NoticeReply::GatewayMade(made) => Json(made).into_response(),
        NoticeReply::List(list) => Json(list).into_response(),
        NoticeReply::Replayed(replayed) => Json(replayed).into_response(),
    }
}

/// One's own browsers and apps that are told of new messages (Web Push), and the key that they
/// subscribe with.
#[utoipa::path(get, path = "/me/push", tag = "push", responses((status = 200, body = PushView)))]
async fn push(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Notices(NoticeAsk::Push)).await
}

/// What a browser's `PushSubscription.toJSON()` gives, and a name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPush {
    endpoint: String,
    keys: NewPushKeys,
    /// Browsers say it; it is not looked at.
    #[serde(default, rename = "expirationTime")]
    #[schema(value_type = Option<i64>)]
    _expiration_time: Option<serde_json::Value>,
    /// For people, e.g. "Firefox at work".
    #[serde(default)]
    name: String,
}

/// Base64url.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPushKeys {
    p256dh: String,
    auth: String,
}

/// Adds a browser or an app; the same endpoint again has new keys.
#[utoipa::path(post, path = "/me/push", tag = "push", request_body = NewPush, responses((status = 201, body = PushItem)))]
async fn subscribe(State(shared): Desks, who: Who, new: Result<Json<NewPush>, JsonRejection>) -> Handled {
    let NewPush { endpoint, keys: NewPushKeys { p256dh, auth }, _expiration_time: _, name } = body(new)?;
    let ask = NoticeAsk::Subscribe { endpoint, p256dh, auth, name };
    let mut response = shared.json(&who, Ask::Notices(ask)).await?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Removes a browser or an app.
#[utoipa::path(delete, path = "/me/push/{id}", tag = "push", params(("id" = i64, Path)),
    responses((status = 204, description = "It is told nothing any more")))]
async fn unsubscribe(State(shared): Desks, who: Who, Path(text): Path<String>) -> Handled {
    let id = text.parse().map_err(|_| Problem::NotFound { what: "push subscription" })?;
    shared.json(&who, Ask::Notices(NoticeAsk::Unsubscribe { id })).await
}

/// Who wakes the company's mobile apps: admins.
#[utoipa::path(get, path = "/push-gateway", tag = "push", responses((status = 200, body = GatewayView)))]
async fn gateway(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Notices(NoticeAsk::Gateway)).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGateway {
    /// `https://…`.
    url: String,
}

/// Sets the gateway; its secret is made anew and shown this once.
#[utoipa::path(put, path = "/push-gateway", tag = "push", request_body = NewGateway,
    responses((status = 200, body = GatewaySecret)))]
async fn set_gateway(State(shared): Desks, who: Who, new: Result<Json<NewGateway>, JsonRejection>) -> Handled {
    let NewGateway { url } = body(new)?;
    let mut response = shared.json(&who, Ask::Notices(NoticeAsk::SetGateway { url })).await?;
    response.extensions_mut().insert(super::repeat::ShownOnce);
    Ok(response)
}

/// Removes the gateway.
#[utoipa::path(delete, path = "/push-gateway", tag = "push",
    responses((status = 204, description = "It is told nothing any more")))]
async fn remove_gateway(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Notices(NoticeAsk::RemoveGateway)).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NoticeQuery {
    state: Option<NoticeState>,
    /// `next` of the page before.
    before: Option<i64>,
    /// 1 to 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Mails and pushes about new messages, the newest first: pending, sent in the last week, dead.
#[utoipa::path(get, path = "/notices", tag = "push", params(NoticeQuery), responses((status = 200, body = NoticeList)))]
async fn list(State(shared): Desks, who: Who, query: Result<Query<NoticeQuery>, QueryRejection>) -> Handled {
    let expected = "state=pending|sent|dead|dropped, before=ID and limit=N";
    let NoticeQuery { state, before, limit } = super::session::query(query, expected)?;
    let ask = NoticeAsk::List { state, before, limit: limit.unwrap_or(PAGE) };
    shared.json(&who, Ask::Notices(ask)).await
}

/// Sends one notice anew, now, whatever became of it.
#[utoipa::path(post, path = "/notices/{id}/replay", tag = "push", params(("id" = i64, Path)),
    responses((status = 200, body = Replayed)))]
async fn replay(State(shared): Desks, who: Who, Path(text): Path<String>) -> Handled {
    let id = text.parse().map_err(|_| Problem::NotFound { what: "notice" })?;
    shared.json(&who, Ask::Notices(NoticeAsk::Replay { id: Some(id) })).await
}

/// Sends all dead notices anew.
#[utoipa::path(post, path = "/notices/replay", tag = "push", responses((status = 200, body = Replayed)))]
async fn replay_dead(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Notices(NoticeAsk::Replay { id: None })).await
}
