//! Legal holds, archives, and the erasing of contacts.

use super::calls::{ListQuery, recording_id};
use super::session::{body, query};
use super::who::Who;
use super::{Desks, Handled, HttpProblem, Shared, peaks};
use crate::api::{
    Ask, EraseReport, ExportPage, ExportView, ExportWhat, HoldPage, HoldView, KeepingAsk, KeepingReply, LiftView,
    Problem, Reply,
};
use crate::base::CallId;
use crate::store::Held;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tower::ServiceExt;
use tower_http::services::ServeFile;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Things of a page where nothing else is asked for.
const PAGE: u32 = 50;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(hold_recording, lift_recording))
        .routes(routes!(hold_call, lift_call))
        .routes(routes!(holds))
        .routes(routes!(exports, export))
        .routes(routes!(export_show, export_remove))
        .routes(routes!(export_file))
        .routes(routes!(contact_export))
        .routes(routes!(contact_erase))
}

/// What is JSON of it.
pub fn answer(reply: KeepingReply) -> Response {
    match reply {
        KeepingReply::Hold(hold) => Json(hold).into_response(),
        KeepingReply::LiftAsked(asked) => (StatusCode::ACCEPTED, Json(asked)).into_response(),
        KeepingReply::Lifted | KeepingReply::Removed => StatusCode::NO_CONTENT.into_response(),
        KeepingReply::Holds(page) => Json(page).into_response(),
        KeepingReply::Peaks(view) => peaks::shown(view),
        KeepingReply::Exporting(export) => {
            let place = HeaderValue::from_str(&format!("/api/v1/exports/{}", export.id));
            let mut response = (StatusCode::ACCEPTED, Json(export)).into_response();
            response.headers_mut().extend(place.ok().map(|place| (header::LOCATION, place)));
            response
        }
        KeepingReply::Export(export) => Json(export).into_response(),
        KeepingReply::Exports(page) => Json(page).into_response(),
        KeepingReply::Erased(report) => Json(report).into_response(),
        // A file is no JSON: `export_file` asks for it by itself.
        KeepingReply::File { .. } => HttpProblem(Problem::Internal).into_response(),
    }
}

async fn ask(shared: &Shared, who: &Who, ask: KeepingAsk) -> Handled {
    shared.json(who, Ask::Keeping(ask)).await
}

fn call_id(text: &str) -> Result<CallId, HttpProblem> {
    CallId::parse(text).ok_or(HttpProblem(Problem::NotFound { what: "call" }))
}

fn export_id(text: &str) -> Result<i64, HttpProblem> {
    text.parse().map_err(|_| HttpProblem(Problem::NotFound { what: "export" }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHold {
    /// Why, for whoever wants to delete it: 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Puts a legal hold on a recording: nobody deletes it, and it does not expire: admins.
#[utoipa::path(put, path = "/recordings/{recording}/hold", tag = "keeping", params(("recording" = String, Path)),
    request_body = NewHold, responses((status = 200, body = HoldView)))]
async fn hold_recording(
    State(shared): Desks,
    who: Who,
    Path(recording): Path<String>,
    hold: Result<Json<NewHold>, JsonRejection>,
) -> Handled {
    let thing = Held::Recording(recording_id(&recording)?);
    ask(&shared, &who, KeepingAsk::Hold { thing, reason: body(hold)?.reason }).await
}

/// Puts a legal hold on all of a call: admins.
#[utoipa::path(put, path = "/calls/{call}/hold", tag = "keeping", params(("call" = String, Path)),
    request_body = NewHold, responses((status = 200, body = HoldView)))]
async fn hold_call(
    State(shared): Desks,
    who: Who,
    Path(call): Path<String>,
    hold: Result<Json<NewHold>, JsonRejection>,
) -> Handled {
    let thing = Held::Call(call_id(&call)?);
    ask(&shared, &who, KeepingAsk::Hold { thing, reason: body(hold)?.reason }).await
}

/// Asks to lift a hold, or confirms what another admin asked: it takes two.
#[utoipa::path(delete, path = "/recordings/{recording}/hold", tag = "keeping", params(("recording" = String, Path)),
    responses((status = 202, body = LiftView, description = "It is asked: another one confirms"),
        (status = 204, description = "It is lifted")))]
async fn lift_recording(State(shared): Desks, who: Who, Path(recording): Path<String>) -> Handled {
    let thing = Held::Recording(recording_id(&recording)?);
    ask(&shared, &who, KeepingAsk::Lift { thing }).await
}

/// Asks to lift the hold on a call, or confirms what another admin asked: it takes two.
#[utoipa::path(delete, path = "/calls/{call}/hold", tag = "keeping", params(("call" = String, Path)),
    responses((status = 202, body = LiftView, description = "It is asked: another one confirms"),
        (status = 204, description = "It is lifted")))]
async fn lift_call(State(shared): Desks, who: Who, Path(call): Path<String>) -> Handled {
    let thing = Held::Call(call_id(&call)?);
    ask(&shared, &who, KeepingAsk::Lift { thing }).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HoldsQuery {
    /// `next` of the page before.
    #[param(required = false)]
    after: i64,
    /// 1 to 200; 50 where it is not said.
    limit: Option<u32>,
}

/// Legal holds of the company, the oldest first: admins.
#[utoipa::path(get, path = "/holds", tag = "keeping", params(HoldsQuery), responses((status = 200, body = HoldPage)))]
async fn holds(State(shared): Desks, who: Who, said: Result<Query<HoldsQuery>, QueryRejection>) -> Handled {
    let HoldsQuery { after, limit } = query(said, "after=ID and limit=N")?;
    ask(&shared, &who, KeepingAsk::Holds { after, limit: limit.unwrap_or(PAGE) }).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportsQuery {
    /// `next` of the page before.
    before: Option<i64>,
    /// 1 to 200; 50 where it is not said.
    limit: Option<u32>,
}

/// The viewer's archives, the newest first.
#[utoipa::path(get, path = "/exports", tag = "exports", params(ExportsQuery),
    responses((status = 200, body = ExportPage)))]
async fn exports(State(shared): Desks, who: Who, said: Result<Query<ExportsQuery>, QueryRejection>) -> Handled {
    let ExportsQuery { before, limit } = query(said, "before=ID and limit=N")?;
    ask(&shared, &who, KeepingAsk::Exports { before, limit: limit.unwrap_or(PAGE) }).await
}

/// Makes an archive (ZIP) of what the viewer sees and may fetch, in the background. The fields are those of
/// the list of calls.
#[utoipa::path(post, path = "/exports", tag = "exports", request_body = ListQuery,
    responses((status = 202, body = ExportView, description = "It will be made: see `Location`")))]
async fn export(State(shared): Desks, who: Who, filter: Result<Json<ListQuery>, JsonRejection>) -> Handled {
    let what = ExportWhat::Calls(Box::new(body(filter)?.whole()?));
    ask(&shared, &who, KeepingAsk::Export(what)).await
}

/// One of the viewer's archives.
#[utoipa::path(get, path = "/exports/{id}", tag = "exports", params(("id" = i64, Path)),
    responses((status = 200, body = ExportView)))]
async fn export_show(State(shared): Desks, who: Who, Path(id): Path<String>) -> Handled {
    ask(&shared, &who, KeepingAsk::ExportShow { id: export_id(&id)? }).await
}

/// Removes one of the viewer's archives; one that is being made is not made.
#[utoipa::path(delete, path = "/exports/{id}", tag = "exports", params(("id" = i64, Path)),
    responses((status = 204, description = "It is gone")))]
async fn export_remove(State(shared): Desks, who: Who, Path(id): Path<String>) -> Handled {
    ask(&shared, &who, KeepingAsk::ExportRemove { id: export_id(&id)? }).await
}

/// The archive, by ranges, as long as the viewer may fetch everything in it.
#[utoipa::path(get, path = "/exports/{id}/file", tag = "exports",
    params(("id" = i64, Path), ("Range" = Option<String>, Header, description = "e.g. `bytes=0-65535`")),
    responses(
        (status = 200, content_type = "application/zip", body = [u8], description = "All of it"),
        (status = 206, content_type = "application/zip", body = [u8], description = "The range"),
        (status = 416, description = "There is no such range"),
    ))]
async fn export_file(State(shared): Desks, who: Who, Path(id): Path<String>, request: Request<Body>) -> Handled {
    let reply = shared.ask(&who, Ask::Keeping(KeepingAsk::ExportFile { id: export_id(&id)? })).await?;
    let Reply::Keeping(KeepingReply::File { path, name }) = reply else { return Err(Problem::Internal.into()) };
    if !path.exists() {
        return Err(Problem::NotFound { what: "file of this export" }.into());
    }
    let served = ServeFile::new(path).oneshot(request).await;
    let mut response = served.map_err(|_| HttpProblem(Problem::Internal))?.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    headers.extend(disposition.ok().map(|value| (header::CONTENT_DISPOSITION, value)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// Makes an archive of everything with one number of the outside, in the background: admins.
#[utoipa::path(post, path = "/contacts/{contact}/export", tag = "keeping", params(("contact" = String, Path)),
    responses((status = 202, body = ExportView, description = "It will be made: see `Location`")))]
async fn contact_export(State(shared): Desks, who: Who, Path(contact): Path<String>) -> Handled {
    ask(&shared, &who, KeepingAsk::Export(ExportWhat::Contact(contact))).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// The number once more, where it is for real.
    #[serde(default)]
    confirm: Option<String>,
    /// Only tells what would be erased, and what not; `true` where it is not said.
    #[serde(default = "yes")]
    dry_run: bool,
}

const fn yes() -> bool {
    true
}

/// Deletes every recording with one number of the outside, and blanks it wherever it stands: admins.
#[utoipa::path(post, path = "/contacts/{contact}/erase", tag = "keeping", params(("contact" = String, Path)),
    request_body = Erase, responses((status = 200, body = EraseReport)))]
async fn contact_erase(
    State(shared): Desks,
    who: Who,
    Path(contact): Path<String>,
    erase: Result<Json<Erase>, JsonRejection>,
) -> Handled {
    let Erase { confirm, dry_run } = body(erase)?;
    ask(&shared, &who, KeepingAsk::Erase { contact, confirm, dry_run }).await
}
