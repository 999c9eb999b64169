//! Locks after wrong passwords.

use super::session::query;
use super::who::Who;
use super::{Desks, Handled, Shared};
use crate::api::locks::{LockAsk, LockCleared, LockPage, LockReply};
use crate::api::{Ask, Problem};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Locks of a page where nothing else is said.
const PAGE: u32 = 200;
/// Characters of a name or an address at most.
const ONLY: usize = 200;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list, clear))
}

/// What the desk answered, as JSON.
pub fn said(reply: LockReply) -> Response {
    match reply {
        LockReply::Page(page) => Json(page).into_response(),
        LockReply::Cleared(cleared) => Json(cleared).into_response(),
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 1,000; 200 where it is not said.
    limit: Option<u32>,
}

/// Who is locked out after wrong passwords, over SIP and over HTTP: admins see names of the company,
/// operators who name no company all names and addresses.
#[utoipa::path(get, path = "/lockouts", tag = "lock-outs", params(ListQuery),
    responses((status = 200, body = LockPage)))]
async fn list(State(shared): Desks, who: Who, asked: Result<Query<ListQuery>, QueryRejection>) -> Handled {
    let ListQuery { after, limit } = query(asked, "after=NEXT and limit=N")?;
    shared.json(&who, Ask::Lockouts(LockAsk::List { after, limit: limit.unwrap_or(PAGE) })).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ClearQuery {
    /// A name or an address as the list shows it, a name also without its company; all where it is not
    /// said.
    #[param(max_length = 200)]
    only: Option<String>,
}

/// Lets them try again: forgets the failures of one name or address, or of all that the list shows.
#[utoipa::path(delete, path = "/lockouts", tag = "lock-outs", params(ClearQuery),
    responses((status = 200, body = LockCleared)))]
async fn clear(State(shared): Desks, who: Who, asked: Result<Query<ClearQuery>, QueryRejection>) -> Handled {
    let ClearQuery { only } = query(asked, "only=NAME or only=ADDRESS")?;
    if let Some(only) = only.as_ref().filter(|only| only.is_empty() || only.chars().count() > ONLY) {
        let expected = "a name or an address, as the list shows it";
        return Err(Problem::Invalid { key: "only", value: only.clone(), expected }.into());
    }
    shared.json(&who, Ask::Lockouts(LockAsk::Clear { only })).await
}
