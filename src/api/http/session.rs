//! Logging in and out.

use super::who::{COOKIE, From, Secure, Who};
use super::{Desks, Handled, HttpProblem, Shared};
use crate::api::login::csrf_of;
use crate::api::{Ask, MeView, Problem, StaffView};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(log_in, log_out)).routes(routes!(me))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Key of the company; operators and resellers have none.
    #[serde(default)]
    company: Option<String>,
    /// Extension, or the name that the user's phones log in with.
    user: String,
    password: String,
}

/// A session that was just opened; its cookie comes beside it.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    /// To be sent as `X-CSRF-Token` with every change.
    csrf_token: String,
    expires: String,
}

/// A user of a company, or an operator or reseller.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "the description only: each of them is an answer of its own")]
pub enum MeAnswer {
    User(MeView),
    Staff(StaffView),
}

/// What a body has to be, where it is not.
pub fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, HttpProblem> {
    let wrong = |error: JsonRejection| Problem::Invalid {
        key: "body",
        value: error.body_text(),
        expected: "a JSON object with the fields of this request",
    };
    body.map(|Json(value)| value).map_err(|error| wrong(error).into())
}

/// What a query has to be, where it is not.
pub fn query<T>(query: Result<Query<T>, QueryRejection>, expected: &'static str) -> Result<T, HttpProblem> {
    let wrong = |error: QueryRejection| Problem::Invalid { key: "query", value: error.body_text(), expected };
    query.map(|Query(value)| value).map_err(|error| wrong(error).into())
}

/// Logs in: opens a session, whose cookie comes with the answer.
#[utoipa::path(post, path = "/session", tag = "session", request_body = Credentials,
    responses((status = 200, body = SessionView)))]
async fn log_in(
    State(shared): Desks,
    From(source): From,
    Secure(secure): Secure,
    credentials: Result<Json<Credentials>, JsonRejection>,
) -> Handled {
    let Credentials { company, user, password } = body(credentials)?;
    let logged_in = shared.desk.log_in(company.as_deref(), &user, &password, source).await?;
    let secret = &logged_in.grant.secret;
    let expires = logged_in.grant.row.expires.to_string();
    let mut response = Json(SessionView { csrf_token: csrf_of(secret), expires }).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie(secret, secure)?);
    Ok(response)
}

/// The session's cookie; without a secret the one that takes it away. Over TLS a browser is told to send
/// it over TLS only.
pub fn cookie(secret: &str, secure: bool) -> Result<HeaderValue, Problem> {
    let secure = if secure { "; Secure" } else { "" };
    let over = if secret.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}{over}");
    HeaderValue::from_str(&text).map_err(|_| Problem::Internal)
}

/// Logs out: ends the session or token that this is asked with.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204, description = "It is over")))]
async fn log_out(State(shared): Desks, Secure(secure): Secure, who: Who) -> Handled {
    let mut response = shared.json(&who, Ask::LogOut).await?;
    response.headers_mut().insert(header::SET_COOKIE, cookie("", secure)?);
    Ok(response)
}

/// Who I am and what I may.
#[utoipa::path(get, path = "/me", tag = "session", responses((status = 200, body = MeAnswer)))]
async fn me(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Me).await
}
