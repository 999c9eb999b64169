//! Notes on a call.

use super::calls::read;
use super::session::{body, query};
use super::who::Who;
use super::{Desks, Handled, HttpProblem, Shared};
use crate::api::notes::{NotePage, NoteView, NotesAsk, NotesReply};
use crate::api::{Ask, CallQuery, Problem};
use crate::base::CallId;
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Notes of a page where nothing else is asked for.
const PAGE: u32 = 50;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list, write)).routes(routes!(remove))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NotesQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What is written on a call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNote {
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
}

fn call_of(text: &str) -> Result<CallId, HttpProblem> {
    CallId::parse(text).ok_or(HttpProblem(Problem::NotFound { what: "call" }))
}

/// Notes on a call, the oldest first: for whoever sees the call.
#[utoipa::path(get, path = "/calls/{call}/notes", tag = "calls", operation_id = "list_call_notes",
    params(("call" = String, Path), NotesQuery), responses((status = 200, body = NotePage)))]
async fn list(
    State(shared): Desks,
    who: Who,
    Path(call): Path<String>,
    asked: Result<Query<NotesQuery>, QueryRejection>,
) -> Handled {
    let NotesQuery { after, limit } = query(asked, "after and limit")?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=CallQuery::MOST).contains(&limit) {
        return Err(Problem::Invalid { key: "limit", value: limit.to_string(), expected: "1 to 200" }.into());
    }
    let after = read("after", after, "`next` of the page before", |text| text.parse().ok())?;
    shared.json(&who, Ask::Notes(NotesAsk::List { call: call_of(&call)?, after, limit })).await
}

/// Writes a note on a call: whoever sees the call.
#[utoipa::path(post, path = "/calls/{call}/notes", tag = "calls", operation_id = "write_call_note",
    params(("call" = String, Path)), request_body = NewNote, responses((status = 201, body = NoteView)))]
async fn write(
    State(shared): Desks,
    who: Who,
    Path(call): Path<String>,
    new: Result<Json<NewNote>, JsonRejection>,
) -> Handled {
    let (call, NewNote { text }) = (call_of(&call)?, body(new)?);
    shared.json(&who, Ask::Notes(NotesAsk::Write { call, text })).await
}

/// Deletes a note: who wrote it, or an admin.
#[utoipa::path(delete, path = "/calls/{call}/notes/{note}", tag = "calls", operation_id = "delete_call_note",
    params(("call" = String, Path), ("note" = i64, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove(State(shared): Desks, who: Who, Path((call, note)): Path<(String, String)>) -> Handled {
    let call = call_of(&call)?;
    let note = note.parse().map_err(|_| Problem::NotFound { what: "note" })?;
    shared.json(&who, Ask::Notes(NotesAsk::Delete { call, note })).await
}

/// A reply of this area as it is.
pub fn said(reply: NotesReply) -> Response {
    match reply {
        NotesReply::Page(page) => Json(page).into_response(),
        NotesReply::Written(view) => (StatusCode::CREATED, Json(view)).into_response(),
    }
}
