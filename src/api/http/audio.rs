//! Audio: streamed by ranges (RFC 9110 §14), or as a file with a name.

use super::calls::recording_id;
use super::who::Who;
use super::{Desks, Handled, HttpProblem, Shared};
use crate::api::{Ask, AudioUse, Problem, Reply, VoicemailReply};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Request, header};
use axum::response::IntoResponse;
use tower::ServiceExt;
use tower_http::services::ServeFile;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(play)).routes(routes!(download))
}

/// The recording to be heard, by ranges (RFC 9110 §14). No file is offered.
#[utoipa::path(get, path = "/recordings/{recording}/audio", tag = "recordings",
    params(("recording" = String, Path), ("Range" = Option<String>, Header, description = "e.g. `bytes=0-65535`")),
    responses(
        (status = 200, content_type = "audio/wav", body = [u8], description = "All of it"),
        (status = 206, content_type = "audio/wav", body = [u8], description = "The range"),
        (status = 416, description = "There is no such range"),
    ))]
async fn play(State(shared): Desks, who: Who, Path(recording): Path<String>, request: Request<Body>) -> Handled {
    let recording = recording_id(&recording)?;
    let reply = shared.ask(&who, Ask::Audio { recording, purpose: AudioUse::Play }).await?;
    serve(reply, request).await
}

/// The `.wav` with its name: needs the right to download.
#[utoipa::path(get, path = "/recordings/{recording}/file", tag = "recordings",
    params(("recording" = String, Path), ("Range" = Option<String>, Header, description = "e.g. `bytes=0-65535`")),
    responses(
        (status = 200, content_type = "audio/wav", body = [u8], description = "All of it"),
        (status = 206, content_type = "audio/wav", body = [u8], description = "The range"),
        (status = 416, description = "There is no such range"),
    ))]
async fn download(State(shared): Desks, who: Who, Path(recording): Path<String>, request: Request<Body>) -> Handled {
    let recording = recording_id(&recording)?;
    let reply = shared.ask(&who, Ask::Audio { recording, purpose: AudioUse::Download }).await?;
    serve(reply, request).await
}

pub(super) async fn serve(reply: Reply, request: Request<Body>) -> Handled {
    let (Reply::Audio { path, name } | Reply::Voicemail(VoicemailReply::Audio { path, name })) = reply else {
        return Err(Problem::Internal.into());
    };
    let missing = !path.exists();
    let served = ServeFile::new(path).oneshot(request).await;
    let mut response = served.map_err(|_| HttpProblem(Problem::Internal))?.into_response();
    if missing {
        return Err(Problem::NotFound { what: "audio of this" }.into());
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    let disposition = match name {
        Some(name) => HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")).ok(),
        None => Some(HeaderValue::from_static("inline")),
    };
    headers.extend(disposition.map(|value| (header::CONTENT_DISPOSITION, value)));
    // A browser may keep what it plays while the page is open, and nobody else.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}
