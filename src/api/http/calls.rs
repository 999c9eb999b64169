//! Calls, recordings, and who receives them.

use super::who::Who;
use super::{Desks, Handled, HttpProblem};
use crate::api::{Ask, CallQuery, LiveCommand, Problem};
use crate::base::{CallId, Direction, RecordingId, Wall};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;

/// Calls of a page where nothing else is asked for.
const PAGE: u32 = 50;

/// The query of a list, as it is written. Unknown keys are refused: a filter that is misspelt must
/// not show more than was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    before: Option<String>,
    limit: Option<u32>,
    from: Option<String>,
    until: Option<String>,
    direction: Option<String>,
    number: Option<String>,
    inbox: Option<String>,
    group: Option<String>,
    user: Option<String>,
    recorded: Option<bool>,
    missed: Option<bool>,
    played: Option<bool>,
    text: Option<String>,
}

/// A key of the query by what it means.
fn read<T>(
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

fn short(text: &str) -> Option<String> {
    (text.chars().count() <= 100).then(|| text.to_owned())
}

fn moment(text: &str) -> Option<Wall> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Wall::from_unix_micros(at.as_microsecond()))
}

impl ListQuery {
    fn meant(self) -> Result<CallQuery, HttpProblem> {
        const MOMENT: &str = "a time such as 2026-11-27T09:00:00Z";
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
            text: read("text", text.filter(|text| !text.is_empty()), "at most 100 characters", short)?,
        })
    }
}

pub async fn list(State(shared): Desks, who: Who, query: Result<Query<ListQuery>, QueryRejection>) -> Handled {
    let query = super::session::query(query, "the filters of this list")?;
    shared.json(&who, Ask::Calls(Box::new(query.meant()?))).await
}

pub async fn show(State(shared): Desks, who: Who, Path(call): Path<String>) -> Handled {
    let call = CallId::parse(&call).ok_or(Problem::NotFound { what: "call" })?;
    shared.json(&who, Ask::Call { call }).await
}

pub async fn live(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Live).await
}

pub async fn command(State(shared): Desks, who: Who, Path((call, what)): Path<(String, String)>) -> Handled {
    let what = match what.as_str() {
        "pause" => LiveCommand::Pause,
        "record" => LiveCommand::Record,
        "hang-up" => LiveCommand::HangUp,
        _ => return Err(Problem::NotFound { what: "page" }.into()),
    };
    let call = CallId::parse(&call).ok_or(Problem::NotFound { what: "call" })?;
    shared.json(&who, Ask::Command { call, what }).await
}

/// The recording that a path names.
pub fn recording_id(text: &str) -> Result<RecordingId, HttpProblem> {
    RecordingId::parse(text).ok_or(HttpProblem(Problem::NotFound { what: "recording" }))
}

pub async fn recording(State(shared): Desks, who: Who, Path(recording): Path<String>) -> Handled {
    shared.json(&who, Ask::Recording { recording: recording_id(&recording)? }).await
}

pub async fn delete(State(shared): Desks, who: Who, Path(recording): Path<String>) -> Handled {
    shared.json(&who, Ask::DeleteRecording { recording: recording_id(&recording)? }).await
}

pub async fn subscribers(State(shared): Desks, who: Who, Path(number): Path<String>) -> Handled {
    shared.json(&who, Ask::Subscribers { number }).await
}

pub async fn subscribe(State(shared): Desks, who: Who, Path((number, extension)): Path<(String, String)>) -> Handled {
    shared.json(&who, Ask::Subscribe { number, extension }).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndQuery {
    /// What was received is taken back as well.
    withdraw: bool,
}

pub async fn unsubscribe(
    State(shared): Desks,
    who: Who,
    Path((number, extension)): Path<(String, String)>,
    query: Result<Query<EndQuery>, QueryRejection>,
) -> Handled {
    let EndQuery { withdraw } = super::session::query(query, "withdraw=true, or nothing")?;
    shared.json(&who, Ask::Unsubscribe { number, extension, withdraw }).await
}
