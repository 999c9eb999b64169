//! Tokens of programs.

use super::session::body;
use super::who::Who;
use super::{Desks, Handled, Shared};
use crate::api::{Ask, Grant, NewTokenView, Permission, Problem, TokenAsk, TokenList, TokenView};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Days that a token lasts where nothing else is said.
const DAYS: u32 = 90;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(remove))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    /// What it may be used for.
    #[schema(value_type = Vec<Permission>, inline)]
    scopes: Vec<String>,
    /// 1 to 366; 90 where it is not said.
    #[serde(default = "days")]
    #[schema(minimum = 1, maximum = 366)]
    days: u32,
}

const fn days() -> u32 {
    DAYS
}

/// The one time that the secret is shown.
pub fn made(grant: &Grant) -> Response {
    let token = TokenView::from(&grant.row);
    let made = Json(NewTokenView { token, secret: grant.secret.clone() });
    let mut response = (StatusCode::CREATED, made).into_response();
    response.extensions_mut().insert(super::repeat::ShownOnce);
    response
}

/// The viewer's tokens, without their secrets.
#[utoipa::path(get, path = "/tokens", tag = "tokens", responses((status = 200, body = TokenList)))]
async fn list(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Tokens(TokenAsk::List)).await
}

/// Makes a token for a program. Its secret is shown this once.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = NewTokenView)))]
async fn add(State(shared): Desks, who: Who, token: Result<Json<NewToken>, JsonRejection>) -> Handled {
    let NewToken { name, scopes, days } = body(token)?;
    shared.json(&who, Ask::Tokens(TokenAsk::Add { name, scopes, days })).await
}

/// Ends one of the viewer's tokens.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = i64, Path)),
    responses((status = 204, description = "It is over")))]
async fn remove(State(shared): Desks, who: Who, Path(id): Path<String>) -> Handled {
    let id = id.parse().map_err(|_| Problem::NotFound { what: "token" })?;
    shared.json(&who, Ask::Tokens(TokenAsk::Remove { id })).await
}
