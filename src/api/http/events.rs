//! Events as they come (`text/event-stream`).

use super::who::Who;
use super::{Desks, HttpProblem, Shared};
use crate::api::{Desk, EventStream, News, Problem, Which};
use crate::subscription::Kinds;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use futures_util::stream;
use futures_util::{Stream, StreamExt};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// Where a stream begins, and what is on it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// The `seq` of the last event that was received: the stream goes on after that one. Without it
    /// (and without `Last-Event-ID`) it begins now.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Kinds, with commas between: `recording.*,call.ended`. Without it all that the viewer may know. Or names
    /// of the compatible API, e.g. `events.voicemails.global.messages.#`: messages are told as it does.
    kinds: Option<String>,
    /// By name: only of calls over its numbers.
    inbox: Option<String>,
    /// Also tells (`event: rights`, `data: {}`, without an id) whenever what the viewer may see can have changed, and at
    /// once where the stream goes on after an event: whatever was read is to be read anew.
    rights: bool,
}

impl StreamQuery {
    /// Position, kinds and inbox; `Last-Event-ID`, which a browser sends when it comes back, goes before `after`.
    pub fn read(
        query: Result<Query<StreamQuery>, QueryRejection>,
        headers: &HeaderMap,
    ) -> Result<(Option<i64>, Which), Problem> {
        let expected = "after=SEQ, kinds=KIND,…, inbox=NAME and rights=true";
        let StreamQuery { after, kinds, inbox, rights } =
            super::session::query(query, expected).map_err(|problem| problem.0)?;
        const ID: &str = "the id of the last event that was received";
        let last = match headers.get("last-event-id") {
            Some(value) => {
                let said = String::from_utf8_lossy(value.as_bytes()).into_owned();
                let id = said.parse().ok().filter(|id: &i64| *id >= 0);
                Some(id.ok_or(Problem::Invalid { key: "Last-Event-ID", value: said, expected: ID })?)
            }
            None => None,
        };
        if let Some(after) = after.filter(|after| *after < 0) {
            return Err(Problem::Invalid { key: "after", value: after.to_string(), expected: ID });
        }
        let kinds = match kinds {
            Some(text) => Kinds::parse(&text).map_err(wrong_kind)?,
            None => Kinds::all(),
        };
        Ok((last.or(after), Which { kinds, inbox, rights }))
    }
}

/// A pattern that names no kind there is.
pub fn wrong_kind(value: String) -> Problem {
    let expected = "the name of a kind (call.ended), a family (recording.*), or *; or only names of events.…";
    Problem::Invalid { key: "kinds", value, expected }
}

/// Events as they come. With `Last-Event-ID` or `after` the stream goes on after that one. An id
/// without an event says that there was nothing for the viewer up to there.
#[utoipa::path(get, path = "/events", tag = "events",
    params(("Last-Event-ID" = Option<i64>, Header, minimum = 0), StreamQuery),
    responses((status = 200, content_type = "text/event-stream", body = String, description = "A stream"),
        (status = 410, description = "Events after that one were deleted: begin again")))]
async fn stream(
    State(shared): Desks,
    Who(viewer): Who,
    headers: HeaderMap,
    query: Result<Query<StreamQuery>, QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, HttpProblem> {
    let (after, which) = StreamQuery::read(query, &headers)?;
    let rights = which.rights;
    let stream = shared.desk.open_stream(viewer, after, which).await?;
    let sent = stream.position();
    // Whoever wants to know of rights has a position from the beginning, to come back with and be told.
    let position = rights.then(|| Ok(Event::default().id(sent.to_string())));
    let reading = Reading { desk: shared.desk, stream, sent };
    let events = stream::unfold(reading, async |mut reading| {
        let event = reading.next().await?;
        Some((Ok(event), reading))
    });
    Ok(Sse::new(stream::iter(position).chain(Box::pin(events))))
}

/// Where a stream stands.
struct Reading {
    desk: Arc<Desk>,
    stream: EventStream,
    /// The last id that its reader was sent.
    sent: i64,
}

impl Reading {
    /// The next event that the viewer may know; `None` where they may read no more.
    async fn next(&mut self) -> Option<Event> {
        match self.desk.next_news(&mut self.stream).await {
            News::Event(shown) => {
                self.sent = shown.seq;
                let event = Event::default().id(shown.seq.to_string());
                Some(event.event(shown.name).data(&shown.json))
            }
            News::Rights => Some(Event::default().event("rights").data("{}")),
            // What stands between keeps the connection, and a reader that is gone is noticed.
            News::Position(position) if position > self.sent => {
                self.sent = position;
                Some(Event::default().id(position.to_string()))
            }
            News::Position(_) => Some(Event::default().comment("")),
            News::Over(_) => None,
        }
    }
}
