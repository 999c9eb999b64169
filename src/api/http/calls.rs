//! Calls, recordings, and who receives them.

use super::who::Who;
use super::{Desks, Handled, HttpProblem, Shared};
use crate::api::{Ask, CallItem, CallPage, CallQuery, LiveCommand, LiveList, Problem, RecordingView, SubscriberList};
use crate::base::{CallId, Direction, RecordingId, Wall};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Calls of a page where nothing else is asked for.
const PAGE: u32 = 50;

/// The query of a list, as it is written. Unknown keys are refused: a filter that is misspelt must
/// not show more than was asked for.
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `next` of the page before.
    before: Option<String>,
    /// 1 to 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Begun at this moment or later (RFC 3339).
    #[param(format = DateTime)]
    from: Option<String>,
    /// Begun before this moment.
    #[param(format = DateTime)]
    until: Option<String>,
    #[param(value_type = Option<Direction>)]
    direction: Option<String>,
    /// E.164, with its `+`.
    number: Option<String>,
    /// By name.
    inbox: Option<String>,
    /// By name: calls over numbers that are routed to it.
    group: Option<String>,
    /// By extension: a party of the call.
    user: Option<String>,
    recorded: Option<bool>,
    missed: Option<bool>,
    /// Recorded, and the viewer has listened to it, or has not.
    played: Option<bool>,
    /// The outside number that it was with, E.164.
    contact: Option<String>,
    /// Part of a party's name or address.
    #[param(max_length = 100)]
    text: Option<String>,
}

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(live))
        .routes(routes!(show))
        .routes(routes!(pause))
        .routes(routes!(record))
        .routes(routes!(hang_up))
        .routes(routes!(recording, delete))
        .routes(routes!(subscribers))
        .routes(routes!(subscribe, unsubscribe))
}

/// A key of the query by what it means.
pub(super) fn read<T>(
    key: &'static str,
    said: Option<String>,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, HttpProblem> {
    match said {
        None => Ok(None),
        Some(value) => match parse(&value) {
            Some(read) => Ok(Some(read)),
            None => Err(Problem::Invalid { key, value, expected }.into()),
        },
    }
}

/// Digits that are a number, and no extension, date or part of a name.
const FEWEST_DIGITS: usize = 6;

/// As moments are expected.
pub(super) const MOMENT: &str = "a time such as 2026-11-27T09:00:00Z";

pub(super) fn short(text: &str) -> Option<String> {
    (text.chars().count() <= 100).then(|| text.to_owned())
}

/// What is searched for: a part of a name or of a number. A number is found however people write it: `+49 30 5678-9012`,
/// `(030) 5678 9012`, `0049 30 …`.
pub(super) fn searched(text: &str) -> Option<String> {
    let text = short(text)?;
    let text = text.trim();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let is_number = text.chars().all(|c| c.is_ascii_digit() || "+ ()-./\u{a0}\u{202f}".contains(c));
    if !is_number || digits.len() < FEWEST_DIGITS {
        return Some(text.to_owned());
    }
    let bare = digits.strip_prefix("00").or_else(|| digits.strip_prefix('0')).unwrap_or(&digits);
    Some(if text.starts_with('+') { format!("+{digits}") } else { bare.to_owned() })
}

pub(super) fn moment(text: &str) -> Option<Wall> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Wall::from_unix_micros(at.as_microsecond()))
}

impl ListQuery {
    /// All that fits, and no page of it.
    pub fn whole(self) -> Result<CallQuery, HttpProblem> {
        match (&self.before, &self.limit) {
            (None, None) => self.meant(),
            (before, limit) => {
                let value = before.clone().or_else(|| limit.map(|limit| limit.to_string())).unwrap_or_default();
                let (key, expected) = (if before.is_some() { "before" } else { "limit" }, "no page: all that fits");
                Err(Problem::Invalid { key, value, expected }.into())
            }
        }
    }

    fn meant(self) -> Result<CallQuery, HttpProblem> {
        let ListQuery {
            before,
            limit,
            from,
            until,
            direction,
            number,
            inbox,
            group,
            user,
            recorded,
            missed,
            played,
            contact,
            text,
        } = self;
        let limit = limit.unwrap_or(PAGE);
        if !(1..=CallQuery::MOST).contains(&limit) {
            return Err(Problem::Invalid { key: "limit", value: limit.to_string(), expected: "1 to 200" }.into());
        }
        Ok(CallQuery {
            before: read("before", before, "`next` of the page before", CallId::parse)?,
            limit,
            from: read("from", from, MOMENT, moment)?,
            until: read("until", until, MOMENT, moment)?,
            direction: read("direction", direction, "inbound, outbound or internal", Direction::parse)?,
            number,
            inbox,
            group,
            user,
            recorded,
            missed,
            played,
            contact,
            text: read("text", text.filter(|text| !text.is_empty()), "at most 100 characters", searched)?,
        })
    }
}

/// Calls that the viewer sees, the newest first.
#[utoipa::path(get, path = "/calls", tag = "calls", params(ListQuery), responses((status = 200, body = CallPage)))]
async fn list(State(shared): Desks, who: Who, query: Result<Query<ListQuery>, QueryRejection>) -> Handled {
    let query = super::session::query(query, "the filters of this list")?;
    shared.json(&who, Ask::Calls(Box::new(query.meant()?))).await
}

/// One call.
#[utoipa::path(get, path = "/calls/{call}", tag = "calls", params(("call" = String, Path)),
    responses((status = 200, body = CallItem)))]
async fn show(State(shared): Desks, who: Who, Path(call): Path<String>) -> Handled {
    let call = CallId::parse(&call).ok_or(Problem::NotFound { what: "call" })?;
    shared.json(&who, Ask::Call { call }).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LiveQuery {
    /// By name: of calls over its numbers.
    pub(super) inbox: Option<String>,
}

/// Calls that are up.
#[utoipa::path(get, path = "/calls/live", tag = "calls", params(LiveQuery),
    responses((status = 200, body = LiveList)))]
async fn live(State(shared): Desks, who: Who, query: Result<Query<LiveQuery>, QueryRejection>) -> Handled {
    let LiveQuery { inbox } = super::session::query(query, "inbox=NAME, or nothing")?;
    shared.json(&who, Ask::Live { inbox }).await
}

/// Pauses the recording, as `#11#`.
#[utoipa::path(post, path = "/calls/{call}/pause", tag = "calls", params(("call" = String, Path)),
    responses((status = 204, description = "It is paused")))]
async fn pause(State(shared): Desks, who: Who, Path(call): Path<String>) -> Handled {
    command(shared, who, &call, LiveCommand::Pause).await
}

/// Starts a recording that was off, or resumes one that was paused, as `#12#`.
#[utoipa::path(post, path = "/calls/{call}/record", tag = "calls", params(("call" = String, Path)),
    responses((status = 204, description = "It is recorded")))]
async fn record(State(shared): Desks, who: Who, Path(call): Path<String>) -> Handled {
    command(shared, who, &call, LiveCommand::Record).await
}

/// Ends the call: whoever is on it, admins and supervisors.
#[utoipa::path(post, path = "/calls/{call}/hang-up", tag = "calls", params(("call" = String, Path)),
    responses((status = 204, description = "It ends")))]
async fn hang_up(State(shared): Desks, who: Who, Path(call): Path<String>) -> Handled {
    command(shared, who, &call, LiveCommand::HangUp).await
}

async fn command(shared: Shared, who: Who, call: &str, what: LiveCommand) -> Handled {
    let call = CallId::parse(call).ok_or(Problem::NotFound { what: "call" })?;
    shared.json(&who, Ask::Command { call, what }).await
}

/// The recording that a path names.
pub fn recording_id(text: &str) -> Result<RecordingId, HttpProblem> {
    RecordingId::parse(text).ok_or(HttpProblem(Problem::NotFound { what: "recording" }))
}

/// One recording with its markers and who has heard it.
#[utoipa::path(get, path = "/recordings/{recording}", tag = "recordings", params(("recording" = String, Path)),
    responses((status = 200, body = RecordingView)))]
async fn recording(State(shared): Desks, who: Who, Path(recording): Path<String>) -> Handled {
    shared.json(&who, Ask::Recording { recording: recording_id(&recording)? }).await
}

/// Deletes a recording for good: admins.
#[utoipa::path(delete, path = "/recordings/{recording}", tag = "recordings", params(("recording" = String, Path)),
    responses((status = 204, description = "It is gone")))]
async fn delete(State(shared): Desks, who: Who, Path(recording): Path<String>) -> Handled {
    shared.json(&who, Ask::DeleteRecording { recording: recording_id(&recording)? }).await
}

/// Who receives the recordings of a number: admins.
#[utoipa::path(get, path = "/numbers/{number}/subscribers", tag = "subscriptions", params(("number" = String, Path)),
    responses((status = 200, body = SubscriberList)))]
async fn subscribers(State(shared): Desks, who: Who, Path(number): Path<String>) -> Handled {
    shared.json(&who, Ask::Subscribers { number }).await
}

/// From now on the user receives the recordings of the number: admins.
#[utoipa::path(put, path = "/numbers/{number}/subscribers/{extension}", tag = "subscriptions",
    params(("number" = String, Path), ("extension" = String, Path)),
    responses((status = 204, description = "The user is subscribed")))]
async fn subscribe(State(shared): Desks, who: Who, Path((number, extension)): Path<(String, String)>) -> Handled {
    shared.json(&who, Ask::Subscribe { number, extension }).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EndQuery {
    /// What was received is taken back as well.
    withdraw: bool,
}

/// From now on the user receives no more of them; with `withdraw` what was received goes as well: admins.
#[utoipa::path(delete, path = "/numbers/{number}/subscribers/{extension}", tag = "subscriptions",
    params(("number" = String, Path), ("extension" = String, Path), EndQuery),
    responses((status = 204, description = "The user is not subscribed any more")))]
async fn unsubscribe(
    State(shared): Desks,
    who: Who,
    Path((number, extension)): Path<(String, String)>,
    query: Result<Query<EndQuery>, QueryRejection>,
) -> Handled {
    let EndQuery { withdraw } = super::session::query(query, "withdraw=true, or nothing")?;
    shared.json(&who, Ask::Unsubscribe { number, extension, withdraw }).await
}

#[cfg(test)]
mod tests {
    use super::searched;

    #[test]
    fn a_number_is_searched_for_however_it_is_written_and_a_name_as_it_is() {
        for (written, sought) in [
            ("+49 30 5678-9012", "+493056789012"),
            ("(030) 5678 9012", "3056789012"),
            ("0049 30/5678.9012", "493056789012"),
            ("1 202 555 0147", "12025550147"),
            ("56789012", "56789012"),
            (" Jane Doe ", "Jane Doe"),
            ("0815", "0815"),
            ("24-7", "24-7"),
            ("Room 030 567890", "Room 030 567890"),
            ("2026-11-28!", "2026-11-28!"),
        ] {
            assert_eq!(searched(written).as_deref(), Some(sought), "{written}");
        }
        assert_eq!(searched(&"1".repeat(101)), None);
    }
}
