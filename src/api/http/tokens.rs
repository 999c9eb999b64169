//! Tokens of programs, and the access log.

use super::session::body;
use super::who::Who;
use super::{Desks, Handled};
use crate::api::{Ask, Grant, Problem, TokenView};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

/// Days that a token lasts where nothing else is said.
const DAYS: u32 = 90;
/// Lines of a page of the log.
const LINES: u32 = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    name: String,
    scopes: Vec<String>,
    #[serde(default = "days")]
    days: u32,
}

const fn days() -> u32 {
    DAYS
}

/// The one time that the secret is shown.
pub fn made(grant: &Grant) -> Response {
    let token = TokenView::from(&grant.row);
    (StatusCode::CREATED, Json(json!({ "token": token, "secret": grant.secret }))).into_response()
}

pub async fn list(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Tokens).await
}

pub async fn add(State(shared): Desks, who: Who, token: Result<Json<NewToken>, JsonRejection>) -> Handled {
    let NewToken { name, scopes, days } = body(token)?;
    shared.json(&who, Ask::NewToken { name, scopes, days }).await
}

pub async fn remove(State(shared): Desks, who: Who, Path(id): Path<String>) -> Handled {
    let id = id.parse().map_err(|_| Problem::NotFound { what: "token" })?;
    shared.json(&who, Ask::RemoveToken { id }).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogQuery {
    after: i64,
    limit: Option<u32>,
}

pub async fn access_log(State(shared): Desks, who: Who, query: Result<Query<LogQuery>, QueryRejection>) -> Handled {
    let LogQuery { after, limit } = super::session::query(query, "after=SEQ and limit=N")?;
    shared.json(&who, Ask::AccessLog { after, limit: limit.unwrap_or(LINES) }).await
}
