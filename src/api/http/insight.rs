//! Outside numbers, and figures.

use super::calls::{read, searched};
use super::who::Who;
use super::{Desks, Handled, HttpProblem, Shared};
use crate::api::insight::{
    AnalyticsQuery, AnalyticsView, BucketBy, ContactPage, ContactQuery, ContactView, InsightAsk, InsightReply,
    read_cursor,
};
use crate::api::{Ask, CallQuery, Problem, Reply};
use crate::base::{CallId, Direction};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Entries of a page where nothing else is asked for.
const PAGE: u32 = 50;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(contacts))
        .routes(routes!(contact))
        .routes(routes!(analytics))
        .routes(routes!(analytics_csv))
}

/// The answer as JSON.
pub fn said(reply: InsightReply) -> Response {
    match reply {
        InsightReply::Contacts(page) => Json(page).into_response(),
        InsightReply::Contact(view) => Json(view).into_response(),
        InsightReply::Analytics(view) => Json(view).into_response(),
    }
}

fn limit(said: Option<u32>) -> Result<u32, HttpProblem> {
    let limit = said.unwrap_or(PAGE);
    match (1..=CallQuery::MOST).contains(&limit) {
        true => Ok(limit),
        false => Err(Problem::Invalid { key: "limit", value: limit.to_string(), expected: "1 to 200" }.into()),
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ContactsQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Part of the number or of its name.
    #[param(max_length = 100)]
    text: Option<String>,
    /// By name: of calls over its numbers.
    inbox: Option<String>,
}

/// Outside numbers that the viewer sees calls or texts with, the newest first: a number with calls stands at
/// its newest call, another at its newest text.
#[utoipa::path(get, path = "/contacts", tag = "calls", params(ContactsQuery),
    responses((status = 200, body = ContactPage)))]
async fn contacts(State(shared): Desks, who: Who, query: Result<Query<ContactsQuery>, QueryRejection>) -> Handled {
    let ContactsQuery { after, limit: most, text, inbox } =
        super::session::query(query, "after, limit, text and inbox")?;
    let query = ContactQuery {
        after: read("after", after, "`next` of the page before", read_cursor)?.unwrap_or_default(),
        limit: limit(most)?,
        text: read("text", text.filter(|text| !text.is_empty()), "at most 100 characters", searched)?,
        inbox,
    };
    shared.json(&who, Ask::Insight(InsightAsk::Contacts(query))).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntriesQuery {
    /// `next` of the page before.
    before: Option<String>,
    /// 1 to 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// By name: of calls over its numbers.
    inbox: Option<String>,
}

/// Everything with one outside number that the viewer sees, the newest first.
#[utoipa::path(get, path = "/contacts/{number}", tag = "calls",
    params(("number" = String, Path, description = "E.164, with its `+`"), EntriesQuery),
    responses((status = 200, body = ContactView)))]
async fn contact(
    State(shared): Desks,
    who: Who,
    Path(number): Path<String>,
    query: Result<Query<EntriesQuery>, QueryRejection>,
) -> Handled {
    let EntriesQuery { before, limit: most, inbox } = super::session::query(query, "before, limit and inbox")?;
    let before = read("before", before, "`next` of the page before", CallId::parse)?;
    let ask = InsightAsk::Contact { e164: number, inbox, before, limit: limit(most)? };
    shared.json(&who, Ask::Insight(ask)).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FigureQuery {
    /// Begun at this moment or later: RFC 3339, or a day of the company's time zone (`2026-11-27`). 30
    /// days before `until` where it is not said, and 400 at most.
    from: Option<String>,
    /// Begun before this moment, or before that day; now where it is not said.
    until: Option<String>,
    /// What is counted by; `day` where it is not said.
    #[param(value_type = Option<BucketBy>)]
    by: Option<String>,
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
}

impl FigureQuery {
    fn meant(self) -> Result<AnalyticsQuery, HttpProblem> {
        let FigureQuery { from, until, by, direction, number, inbox, group, user } = self;
        let direction = read("direction", direction, "inbound, outbound or internal", Direction::parse)?;
        let which = CallQuery { direction, number, inbox, group, user, ..CallQuery::default() };
        Ok(AnalyticsQuery {
            from: from.filter(|text| !text.is_empty()),
            until: until.filter(|text| !text.is_empty()),
            by: read("by", by, "day, user, group, number or inbox", BucketBy::parse)?.unwrap_or_default(),
            which,
        })
    }
}

type Asked = Result<Query<FigureQuery>, QueryRejection>;

async fn figures(shared: &Shared, who: &Who, query: Asked) -> Result<AnalyticsView, HttpProblem> {
    let query = super::session::query(query, "from, until, by, direction, number, inbox, group and user")?.meant()?;
    match shared.ask(who, Ask::Insight(InsightAsk::Analytics(Box::new(query)))).await? {
        Reply::Insight(InsightReply::Analytics(view)) => Ok(*view),
        _ => Err(Problem::Internal.into()),
    }
}

/// Figures by day, user, group, number or inbox. With `Accept: text/csv` as a table.
#[utoipa::path(get, path = "/analytics", tag = "calls", params(FigureQuery), responses((status = 200, content(
    (AnalyticsView = "application/json"), (String = "text/csv")))))]
async fn analytics(State(shared): Desks, who: Who, headers: HeaderMap, query: Asked) -> Handled {
    let view = figures(&shared, &who, query).await?;
    let wanted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    match wanted.split(',').any(|kind| kind.trim().starts_with("text/csv")) {
        true => Ok(table(&view)),
        false => Ok(Json(view).into_response()),
    }
}

/// The same as a table, to be kept.
#[utoipa::path(get, path = "/analytics.csv", tag = "calls", params(FigureQuery),
    responses((status = 200, content_type = "text/csv", body = String)))]
async fn analytics_csv(State(shared): Desks, who: Who, query: Asked) -> Handled {
    let mut response = table(&figures(&shared, &who, query).await?);
    let name = HeaderValue::from_static("attachment; filename=\"analytics.csv\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

fn table(view: &AnalyticsView) -> Response {
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], view.csv()).into_response()
}
