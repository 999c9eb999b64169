//! Call flows tried.

use super::session::body;
use super::who::Who;
use super::{Desks, Handled, Shared};
use crate::api::trying::{TryAsk, TryView, WhichFlow};
use crate::api::{Ask, Problem};
use crate::directory::file::FlowKeys;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(try_flow))
}

/// A flow, and the call that is supposed to come to it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Supposition {
    /// The flow as it would be added; or `name`.
    #[serde(default)]
    #[schema(value_type = Option<FlowKeys>)]
    flow: Option<Map<String, Value>>,
    /// A flow as it is; or `flow`.
    #[serde(default)]
    name: Option<String>,
    /// The company's number that is called, E.164: its recording setting counts.
    #[serde(default)]
    number: Option<String>,
    /// An outside number, which is what it is where nothing is said, or the extension of a user.
    #[serde(default)]
    caller: Option<String>,
    /// RFC 3339, or without an offset in the company's time zone; now where it is not said.
    #[serde(default)]
    at: Option<String>,
    /// By the name of a menu: one key each time that the call comes to it.
    #[serde(default)]
    keys: BTreeMap<String, String>,
    /// Whoever rings first answers, unless this is `false`.
    #[serde(default = "yes")]
    #[schema(default = true)]
    answered: bool,
}

const fn yes() -> bool {
    true
}

/// Tries a call flow, one that is there or one that is only meant: which path a call would take, where it
/// would end, and whether it would be recorded and why. Nothing is changed, and nobody rings: admins.
#[utoipa::path(post, path = "/flows/try", tag = "flows", request_body = Supposition,
    responses((status = 200, body = TryView)))]
async fn try_flow(State(shared): Desks, who: Who, supposed: Result<Json<Supposition>, JsonRejection>) -> Handled {
    let Supposition { flow, name, number, caller, at, keys, answered } = body(supposed)?;
    let which = match (flow, name) {
        (Some(flow), None) => WhichFlow::Draft(flow),
        (None, Some(name)) => WhichFlow::Named(name),
        (None, None) | (Some(_), Some(_)) => {
            let expected = "the keys of a flow, or as `name` that of one that is there: one of both";
            return Err(Problem::Invalid { key: "flow", value: String::new(), expected }.into());
        }
    };
    let ask = TryAsk { which, number, caller, at, keys, answered };
    shared.json(&who, Ask::TryFlow(Box::new(ask))).await
}
