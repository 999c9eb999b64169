//! Events as they come (`text/event-stream`).
//!
//! A stream holds no queue: it waits for the feed to grow, and reads on from where it stands when
//! its reader has taken what was sent. So a slow reader costs nobody anything, and one that comes
//! back with `Last-Event-ID` misses nothing and gets nothing twice. The rules are asked anew for
//! every event.

use super::who::Who;
use super::{Desks, HttpProblem, Shared};
use crate::api::{Ask, EventItem, Problem, Reply, Viewer};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// A comment after so long without an event: what stands between keeps the connection, and a
/// reader that is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Entries of the feed that are read at once.
const BATCH: u32 = 100;

/// Where a stream stands.
struct Reading {
    shared: Shared,
    viewer: Viewer,
    /// Looked at up to here.
    position: i64,
    ready: VecDeque<EventItem>,
}

/// Events as they come. With `Last-Event-ID` the stream goes on after that one.
#[utoipa::path(get, path = "/events", tag = "events",
    params(("Last-Event-ID" = Option<i64>, Header, minimum = 0)),
    responses((status = 200, content_type = "text/event-stream", body = String, description = "A stream"),
        (status = 410, description = "Events after that one were deleted: begin again")))]
async fn stream(
    State(shared): Desks,
    Who(viewer): Who,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, HttpProblem> {
    let position = match headers.get("last-event-id") {
        Some(value) => {
            value.to_str().ok().and_then(|text| text.parse().ok()).filter(|id| *id >= 0).ok_or(Problem::Invalid {
                key: "Last-Event-ID",
                value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
                expected: "the id of the last event that was received",
            })?
        }
        None => shared.desk.newest_event().await?,
    };
    // From the very beginning: whatever there still is.
    if position > 0 {
        shared.desk.can_go_on_after(position).await?;
    }
    // Asked once before the answer begins: whoever may not read events is told with a status.
    shared.desk.answer(&viewer, Ask::Events { after: position, limit: 1 }).await?;
    let reading = Reading { shared, viewer, position, ready: VecDeque::new() };
    let events = stream::unfold(reading, async |mut reading| {
        let event = reading.next().await?;
        Some((Ok(event), reading))
    });
    Ok(Sse::new(Box::pin(events)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Reading {
    /// The next event that the viewer may know; `None` where they may read no more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Event::default().id(item.seq.to_string()).event(item.event).data(item.data.to_string()));
            }
            // Marked before it is read: what comes after this is waited for by the next turn.
            self.shared.newest.borrow_and_update();
            let ask = Ask::Events { after: self.position, limit: BATCH };
            let Ok(Reply::Events { events, position }) = self.shared.desk.answer(&self.viewer, ask).await else {
                return None;
            };
            let more = position > self.position;
            self.position = position;
            self.ready.extend(events);
            if !more {
                // Now and then also without one: a session that is over ends its streams.
                if let Ok(changed) = tokio::time::timeout(KEEP_ALIVE, self.shared.newest.changed()).await {
                    changed.ok()?;
                }
            }
        }
    }
}
