//! The access log.

use super::calls::{MOMENT, moment, read, short};
use super::who::Who;
use super::{Desks, Handled, Shared};
use crate::api::{AccessList, Ask};
use crate::store::LogFilter;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Lines of a page.
const LINES: u32 = 200;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(access_log))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// `seq` of the last line that was read: later lines.
    #[param(required = false)]
    after: i64,
    /// `seq` of a line: earlier lines, the newest first.
    before: Option<i64>,
    /// The newest lines first.
    newest: bool,
    /// 1 to 1,000; 200 where it is not said.
    limit: Option<u32>,
    /// Written at this moment or later (RFC 3339).
    #[param(format = DateTime)]
    from: Option<String>,
    /// Written before this moment.
    #[param(format = DateTime)]
    until: Option<String>,
    /// One action, e.g. `recording.play`, or all of a kind, e.g. `recording`.
    #[param(max_length = 100)]
    action: Option<String>,
    /// Part of who, whence, action or thing.
    #[param(max_length = 100)]
    text: Option<String>,
}

/// Who has heard, fetched, deleted and changed what: admins. The oldest line first, where nothing else is said.
#[utoipa::path(get, path = "/access-log", tag = "access log", params(LogQuery),
    responses((status = 200, body = AccessList)))]
async fn access_log(State(shared): Desks, who: Who, query: Result<Query<LogQuery>, QueryRejection>) -> Handled {
    let expected = "after=SEQ, before=SEQ, newest=true, limit=N, from, until, action and text";
    let LogQuery { after, before, newest, limit, from, until, action, text } = super::session::query(query, expected)?;
    let filter = LogFilter {
        newest_first: newest || before.is_some(),
        after,
        before,
        from: read("from", from, MOMENT, moment)?,
        until: read("until", until, MOMENT, moment)?,
        action: read("action", action.filter(|action| !action.is_empty()), "an action of the log", short)?,
        text: read("text", text.filter(|text| !text.is_empty()), "at most 100 characters", short)?,
    };
    shared.json(&who, Ask::AccessLog { filter: Box::new(filter), limit: limit.unwrap_or(LINES) }).await
}
