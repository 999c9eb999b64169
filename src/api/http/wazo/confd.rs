//! `/api/confd/1.1`: boxes, and what is set for all of them.

use super::super::{Desks, Shared};
use super::Asked;
use super::error::Style;
use crate::api::Problem;
use crate::api::wazo::{BoxList, WazoAsk};
use crate::base::BoxId;
use axum::extract::{Path, State};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(user))
        .routes(routes!(infos))
        .routes(routes!(list, add))
        .routes(routes!(show, change, remove))
        .routes(routes!(list_of_user, add_of_user, detach))
        .routes(routes!(attach))
        .routes(routes!(general, set_general))
        .routes(routes!(zones, set_zones))
}

/// What names no box.
fn box_id(text: &str) -> Result<BoxId, Problem> {
    text.parse().map(BoxId).map_err(|_| Problem::NotFound { what: "Voicemail" })
}

/// A user: oneself, and anybody for admins.
#[utoipa::path(get, path = "/api/confd/1.1/users/{user_uuid}", tag = "compatible: confd",
    operation_id = "wazo_get_user", params(("user_uuid" = String, Path)),
    responses((status = 200, body = Object, description = "The user, with the line and the box")))]
async fn user(State(shared): Desks, Path(user): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |_| Ok(WazoAsk::User(user))).await
}

/// What service this is.
#[utoipa::path(get, path = "/api/confd/1.1/infos", tag = "compatible: confd", operation_id = "wazo_get_infos",
    responses((status = 200, body = Object, description = "`{uuid, wazo_version}`")))]
async fn infos(State(shared): Desks, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |_| Ok(WazoAsk::Infos)).await
}

/// The boxes of a company.
#[utoipa::path(get, path = "/api/confd/1.1/voicemails", tag = "compatible: confd",
    operation_id = "wazo_list_voicemails",
    params(("search" = Option<String>, Query), ("order" = Option<String>, Query),
        ("direction" = Option<String>, Query), ("limit" = Option<u32>, Query), ("offset" = Option<u32>, Query),
        ("recurse" = Option<bool>, Query)),
    responses((status = 200, body = Object, description = "`{items, total}`")))]
async fn list(State(shared): Desks, asked: Asked) -> Response {
    let ask = |asked: &Asked| BoxList::read(&asked.params()).map(WazoAsk::Boxes).map_err(Problem::Unfit);
    shared.wazo(Style::Confd, asked, ask).await
}

/// A new box.
#[utoipa::path(post, path = "/api/confd/1.1/voicemails", tag = "compatible: confd",
    operation_id = "wazo_create_voicemail", request_body = Object,
    responses((status = 201, body = Object, description = "The box")))]
async fn add(State(shared): Desks, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |asked| asked.object().map(WazoAsk::AddBox)).await
}

/// A box.
#[utoipa::path(get, path = "/api/confd/1.1/voicemails/{voicemail_id}", tag = "compatible: confd",
    operation_id = "wazo_get_voicemail", params(("voicemail_id" = i64, Path)),
    responses((status = 200, body = Object, description = "The box")))]
async fn show(State(shared): Desks, Path(id): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |_| box_id(&id).map(WazoAsk::Box)).await
}

/// Changes what the body says.
#[utoipa::path(put, path = "/api/confd/1.1/voicemails/{voicemail_id}", tag = "compatible: confd",
    operation_id = "wazo_update_voicemail", params(("voicemail_id" = i64, Path)), request_body = Object,
    responses((status = 204, description = "It is so")))]
async fn change(State(shared): Desks, Path(id): Path<String>, asked: Asked) -> Response {
    let ask = |asked: &Asked| Ok(WazoAsk::ChangeBox(box_id(&id)?, asked.object()?));
    shared.wazo(Style::Confd, asked, ask).await
}

/// Deletes a box that is no user's, with all its messages.
#[utoipa::path(delete, path = "/api/confd/1.1/voicemails/{voicemail_id}", tag = "compatible: confd",
    operation_id = "wazo_delete_voicemail", params(("voicemail_id" = i64, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove(State(shared): Desks, Path(id): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |_| box_id(&id).map(WazoAsk::RemoveBox)).await
}

/// The box of a user.
#[utoipa::path(get, path = "/api/confd/1.1/users/{user_uuid}/voicemails", tag = "compatible: confd",
    operation_id = "wazo_list_user_voicemails", params(("user_uuid" = String, Path)),
    responses((status = 200, body = Object, description = "`{items, total}`")))]
async fn list_of_user(State(shared): Desks, Path(user): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |_| Ok(WazoAsk::UserBoxes(user))).await
}

/// A new box of a user.
#[utoipa::path(post, path = "/api/confd/1.1/users/{user_uuid}/voicemails", tag = "compatible: confd",
    operation_id = "wazo_create_user_voicemail", params(("user_uuid" = String, Path)), request_body = Object,
    responses((status = 201, body = Object, description = "The box")))]
async fn add_of_user(State(shared): Desks, Path(user): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |asked| Ok(WazoAsk::AddUserBox(user, asked.object()?))).await
}

/// The user's box is nobody's from now on.
#[utoipa::path(delete, path = "/api/confd/1.1/users/{user_uuid}/voicemails", tag = "compatible: confd",
    operation_id = "wazo_dissociate_user_voicemails", params(("user_uuid" = String, Path)),
    responses((status = 204, description = "They have none")))]
async fn detach(State(shared): Desks, Path(user): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |_| Ok(WazoAsk::DetachBoxes(user))).await
}

/// The user gets a box that is nobody's.
#[utoipa::path(put, path = "/api/confd/1.1/users/{user_uuid}/voicemails/{voicemail_id}", tag = "compatible: confd",
    operation_id = "wazo_associate_user_voicemail",
    params(("user_uuid" = String, Path), ("voicemail_id" = i64, Path)),
    responses((status = 204, description = "It is theirs")))]
async fn attach(State(shared): Desks, Path((user, id)): Path<(String, String)>, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |_| Ok(WazoAsk::AttachBox(user, box_id(&id)?))).await
}

/// What is set for all boxes, under Asterisk's names.
#[utoipa::path(get, path = "/api/confd/1.1/asterisk/voicemail/general", tag = "compatible: confd",
    operation_id = "wazo_get_voicemail_general",
    responses((status = 200, body = Object, description = "`{options}`")))]
async fn general(State(shared): Desks, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |_| Ok(WazoAsk::General)).await
}

/// Sets all options.
#[utoipa::path(put, path = "/api/confd/1.1/asterisk/voicemail/general", tag = "compatible: confd",
    operation_id = "wazo_set_voicemail_general", request_body = Object,
    responses((status = 204, description = "It is so")))]
async fn set_general(State(shared): Desks, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |asked| asked.object().map(WazoAsk::SetGeneral)).await
}

/// Time zones under names of the company's own.
#[utoipa::path(get, path = "/api/confd/1.1/asterisk/voicemail/zonemessages", tag = "compatible: confd",
    operation_id = "wazo_get_voicemail_zonemessages",
    responses((status = 200, body = Object, description = "`{items}`")))]
async fn zones(State(shared): Desks, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |_| Ok(WazoAsk::ZoneMessages)).await
}

/// Sets all of them.
#[utoipa::path(put, path = "/api/confd/1.1/asterisk/voicemail/zonemessages", tag = "compatible: confd",
    operation_id = "wazo_set_voicemail_zonemessages", request_body = Object,
    responses((status = 204, description = "It is so")))]
async fn set_zones(State(shared): Desks, asked: Asked) -> Response {
    shared.wazo(Style::Confd, asked, |asked| asked.object().map(WazoAsk::SetZoneMessages)).await
}
