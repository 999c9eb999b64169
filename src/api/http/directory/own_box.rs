//! A user's own voicemail box.

use super::{Object, fits};
use crate::api::directory::DirectoryAsk;
use crate::api::http::session::body;
use crate::api::http::who::Who;
use crate::api::http::{Desks, Handled, Shared};
use crate::api::own_box::{OwnBoxAsk, OwnBoxKeys, OwnBoxView};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(show, change))
}

/// One's own voicemail box, as far as it is its owner's to set; 404 for whoever has none.
#[utoipa::path(get, path = "/me/voicemail", tag = "voicemails", operation_id = "show_own_voicemail",
    responses((status = 200, body = OwnBoxView)))]
async fn show(State(shared): Desks, who: Who, headers: HeaderMap) -> Handled {
    shared.shown(&who, &headers, DirectoryAsk::OwnBox(OwnBoxAsk::Show)).await
}

/// Changes what is said of one's own box (RFC 7396); `null` is none, or the company's own. A box that deletes what
/// it has mailed keeps `email` and `attach_audio`.
#[utoipa::path(patch, path = "/me/voicemail", tag = "voicemails", operation_id = "change_own_voicemail",
    request_body = OwnBoxKeys, responses((status = 200, body = OwnBoxView)))]
async fn change(
    State(shared): Desks,
    who: Who,
    headers: HeaderMap,
    keys: Result<Json<Object>, JsonRejection>,
) -> Handled {
    let ask = OwnBoxAsk::Change { keys: body(keys)?, fits: fits(&headers) };
    shared.shown(&who, &HeaderMap::new(), DirectoryAsk::OwnBox(ask)).await
}
