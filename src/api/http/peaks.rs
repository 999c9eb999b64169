//! The shapes of recordings and messages, for the eye.

use super::calls::recording_id;
use super::session::query;
use super::voicemail::message_id;
use super::who::Who;
use super::{Desks, Handled, HttpProblem, Shared};
use crate::api::{Ask, KeepingAsk, MessagePeaksView, PeaksView, Points, Realm, VoicemailAsk};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(of_recording)).routes(routes!(of_message)).routes(routes!(of_message_of_box))
}

/// A browser may keep what it shows while the page is open, and nobody else.
pub(super) fn shown(view: impl Serialize) -> Response {
    let mut response = Json(view).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// How fine the shape is.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PointsQuery {
    /// Points of a channel at most: what a page has columns for. Several stretches are one then, as loud as the
    /// loudest of them. 20,000 where it is not said.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 20000)]
    points: Option<String>,
}

impl PointsQuery {
    fn read(said: Result<Query<PointsQuery>, QueryRejection>) -> Result<Points, HttpProblem> {
        let PointsQuery { points } = query(said, "points=N, or nothing")?;
        Ok(points.map_or(Ok(Points::ALL), |points| Points::parse(&points))?)
    }
}

type Said = Result<Query<PointsQuery>, QueryRejection>;

/// The shape of a recording for the eye, for whoever may play it.
#[utoipa::path(get, path = "/recordings/{recording}/peaks", tag = "recordings", operation_id = "peaks",
    params(("recording" = String, Path), PointsQuery),
    responses((status = 200, body = PeaksView), (status = 422, description = "`points` is no number from 1 to 20,000")))]
async fn of_recording(State(shared): Desks, who: Who, Path(recording): Path<String>, said: Said) -> Handled {
    let (recording, points) = (recording_id(&recording)?, PointsQuery::read(said)?);
    shared.json(&who, Ask::Keeping(KeepingAsk::Peaks { recording, points })).await
}

/// The shape of a message for the eye, for whoever hears it. It is no listening, and marks nothing as read.
#[utoipa::path(get, path = "/messages/{message}/peaks", tag = "messages", operation_id = "peaks_of_message",
    params(("message" = String, Path), PointsQuery),
    responses((status = 200, body = MessagePeaksView),
        (status = 422, description = "`points` is no number from 1 to 20,000")))]
async fn of_message(State(shared): Desks, who: Who, Path(message): Path<String>, said: Said) -> Handled {
    let (message, points) = (message_id(&message)?, PointsQuery::read(said)?);
    shared.json(&who, Ask::Voicemail(VoicemailAsk::Peaks(Realm::Mine, message, points))).await
}

/// The shape of a message of a box: admins.
#[utoipa::path(get, path = "/voicemails/{box}/messages/{message}/peaks", tag = "voicemails",
    operation_id = "peaks_of_message_of_box",
    params(("box" = String, Path), ("message" = String, Path), PointsQuery),
    responses((status = 200, body = MessagePeaksView),
        (status = 422, description = "`points` is no number from 1 to 20,000")))]
async fn of_message_of_box(
    State(shared): Desks,
    who: Who,
    Path((mailbox, message)): Path<(String, String)>,
    said: Said,
) -> Handled {
    let (message, points) = (message_id(&message)?, PointsQuery::read(said)?);
    shared.json(&who, Ask::Voicemail(VoicemailAsk::Peaks(Realm::Managed(mailbox), message, points))).await
}
