//! `/api/auth/0.1`: tokens.

use super::super::{Desks, Shared};
use super::Asked;
use super::error::Style;
use crate::api::Problem;
use crate::api::wazo::{TokenAsk, TokenBody};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(log_in)).routes(routes!(show, head, end))
}

/// Opens a session of the compatible API: basic authentication as EXTENSION@COMPANY.
#[utoipa::path(post, path = "/api/auth/0.1/token", tag = "compatible: auth", operation_id = "wazo_create_token",
    request_body = Object, responses((status = 200, body = Object, description = "`{data: {token, …}}`")))]
async fn log_in(State(shared): Desks, mut asked: Asked) -> Response {
    let answer = async {
        let (name, password) = basic(&asked).ok_or(Problem::WrongPassword)?;
        let is_empty = asked.body.as_ref().is_ok_and(|body| body.is_empty());
        let body = if is_empty { serde_json::Map::new() } else { asked.object()? };
        let ask = TokenAsk::read(&body).map_err(Problem::Unfit)?;
        let source = asked.source(&shared).await;
        shared.desk.wazo_log_in(&name, &password, &ask, source).await
    };
    match answer.await {
        Ok(token) => {
            let mut response = told(&token);
            response.extensions_mut().insert(crate::api::http::repeat::ShownOnce);
            response
        }
        Err(problem) => Style::Auth.response(&problem),
    }
}

/// A token by its secret: what it gives and until when.
#[utoipa::path(get, path = "/api/auth/0.1/token/{token}", tag = "compatible: auth", operation_id = "wazo_get_token",
    params(("token" = String, Path), ("scope" = Option<String>, Query), ("tenant" = Option<String>, Query)),
    responses((status = 200, body = Object, description = "`{data: {token, …}}`"),
        (status = 403, description = "It does not give `scope`, or is not of `tenant`")))]
async fn show(State(shared): Desks, Path(token): Path<String>, asked: Asked) -> Response {
    match look(&shared, &token, asked).await {
        Ok(token) => told(&token),
        Err(problem) => Style::Auth.response(&problem),
    }
}

/// Whether a token holds, and gives `scope`.
#[utoipa::path(head, path = "/api/auth/0.1/token/{token}", tag = "compatible: auth",
    operation_id = "wazo_check_token",
    params(("token" = String, Path), ("scope" = Option<String>, Query), ("tenant" = Option<String>, Query)),
    responses((status = 204, description = "It does"),
        (status = 403, description = "It does not give `scope`, or is not of `tenant`")))]
async fn head(State(shared): Desks, Path(token): Path<String>, asked: Asked) -> Response {
    match look(&shared, &token, asked).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => Style::Auth.response(&problem),
    }
}

/// Ends a token.
#[utoipa::path(delete, path = "/api/auth/0.1/token/{token}", tag = "compatible: auth",
    operation_id = "wazo_delete_token", params(("token" = String, Path)),
    responses((status = 200, body = Object, description = "It is over")))]
async fn end(State(shared): Desks, Path(token): Path<String>, mut asked: Asked) -> Response {
    let source = asked.source(&shared).await;
    match shared.desk.wazo_log_out(&token, source).await {
        Ok(()) => Json(json!({ "data": { "message": "success" } })).into_response(),
        Err(problem) => Style::Auth.response(&problem),
    }
}

async fn look(shared: &Shared, token: &str, mut asked: Asked) -> Result<TokenBody, Problem> {
    let source = asked.source(shared).await;
    let params = asked.params();
    shared.desk.wazo_token(token, (params.get("scope"), params.get("tenant")), source).await
}

fn told(token: &TokenBody) -> Response {
    Json(json!({ "data": token.json() })).into_response()
}

/// Name and password (RFC 7617); as Latin-1 where it is no UTF-8.
fn basic(asked: &Asked) -> Option<(String, String)> {
    let value = asked.parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, said) = value.split_once(' ')?;
    let bytes = STANDARD.decode(said.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text =
        String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    let (name, password) = text.split_once(':')?;
    (!name.is_empty() && !password.is_empty()).then(|| (name.to_owned(), password.to_owned()))
}
