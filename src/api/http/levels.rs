//! How loud the parties of calls that are up are, as it comes (`text/event-stream`).

use super::calls::LiveQuery;
use super::who::Who;
use super::{Desks, HttpProblem, Shared};
use crate::api::{LevelsView, Loudness};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use futures_util::{Stream, stream};
use std::convert::Infallible;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(levels))
}

/// How loud the parties of calls are that are up and that the viewer sees, about five times a second.
///
/// Each event is `levels` with `data: {"calls": [{"id": "…", "caller": -23.5, "callee": null}]}` and without an id:
/// RMS of what each party sent since the event before, in dBFS from -96.0 (silence) to 0.0; `null` where nothing
/// came, or only in a codec that can be passed on and not decoded. While there are no calls it is told once. It is
/// measured only while somebody watches, also while a recording is paused, and nothing of it is kept.
#[utoipa::path(get, path = "/calls/live/levels", tag = "calls", operation_id = "levels", params(LiveQuery),
    responses((status = 200, content_type = "text/event-stream", body = LevelsView,
        description = "A stream; the schema is that of the data of each event")))]
async fn levels(
    State(shared): Desks,
    Who(viewer): Who,
    query: Result<Query<LiveQuery>, QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, HttpProblem> {
    let LiveQuery { inbox } = super::session::query(query, "inbox=NAME, or nothing")?;
    let levels = shared.desk.open_levels(viewer, inbox).await?;
    let events = stream::unfold((shared.desk, levels), async |(desk, mut levels)| {
        let event = match desk.next_levels(&mut levels).await {
            Loudness::Levels(view) => told(&view)?,
            Loudness::Nothing => Event::default().comment(""),
            Loudness::Over => return None,
        };
        Some((Ok(event), (desk, levels)))
    });
    Ok(Sse::new(Box::pin(events)))
}

fn told(view: &LevelsView) -> Option<Event> {
    Event::default().event("levels").json_data(view).ok()
}
