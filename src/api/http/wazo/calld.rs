//! `/api/calld/1.0`: messages, folders and greetings; of oneself, and of every box for admins.

use super::super::{Desks, Shared};
use super::Asked;
use super::error::Style;
use crate::api::Problem;
use crate::api::wazo::{AllMessages, MessageList, Place, WazoAsk};
use crate::audio::prompt::read_wav;
use crate::base::{BoxId, MessageId};
use crate::ledger::GreetingKind;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Bytes of a greeting's WAV file: two minutes at 8 kHz and 16 bit, and its header.
const GREETING: usize = 2 << 20;

pub fn routes() -> OpenApiRouter<Shared> {
    let greetings = OpenApiRouter::new()
        .routes(routes!(add_greeting, check_greeting, greeting, set_greeting, remove_greeting))
        .routes(routes!(add_greeting_of, check_greeting_of, greeting_of, set_greeting_of, remove_greeting_of));
    OpenApiRouter::new()
        .routes(routes!(mine))
        .routes(routes!(list))
        .routes(routes!(show, change, remove))
        .routes(routes!(recording))
        .routes(routes!(folder))
        .routes(routes!(copy_greeting))
        .routes(routes!(list_all))
        .routes(routes!(mailbox))
        .routes(routes!(show_of, change_of, remove_of))
        .routes(routes!(recording_of))
        .routes(routes!(folder_of))
        .routes(routes!(copy_greeting_of))
        .merge(greetings.layer(DefaultBodyLimit::max(GREETING)))
}

fn box_of(text: &str) -> Result<Place, Problem> {
    let wrong = || Problem::Invalid { key: "voicemail_id", value: text.to_owned(), expected: "a number" };
    text.parse().ok().filter(|id| *id >= 0).map(|id| Place::Box(BoxId(id))).ok_or_else(wrong)
}

fn message_of(text: &str) -> Result<MessageId, Problem> {
    let is_id = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match (MessageId::parse(text), is_id) {
        (Some(id), _) => Ok(id),
        (None, true) => Err(Problem::NotFound { what: "voicemail message" }),
        (None, false) => {
            let expected = "letters, digits and hyphens";
            Err(Problem::Invalid { key: "message_id", value: text.to_owned(), expected })
        }
    }
}

fn folder_number(text: &str) -> Result<i64, Problem> {
    let wrong = || Problem::Invalid { key: "folder_id", value: text.to_owned(), expected: "a number" };
    text.parse().ok().filter(|number| *number >= 0).ok_or_else(wrong)
}

fn greeting_kind(text: &str) -> Result<GreetingKind, Problem> {
    GreetingKind::parse(text).ok_or(Problem::NotFound { what: "voicemail greeting" })
}

/// `folder_id` of the body.
fn wanted_folder(asked: &Asked) -> Result<i64, Problem> {
    let body = asked.object()?;
    let said = body.get("folder_id").cloned().unwrap_or(Value::Null);
    let expected = "the number of a folder";
    said.as_i64().ok_or(Problem::Invalid { key: "folder_id", value: said.to_string(), expected })
}

/// `dest_greeting` of the body.
fn wanted_greeting(asked: &Asked) -> Result<GreetingKind, Problem> {
    let body = asked.object()?;
    let said = body.get("dest_greeting").and_then(Value::as_str).unwrap_or_default();
    let expected = "unavailable, busy or name";
    GreetingKind::parse(said).ok_or(Problem::Invalid { key: "dest_greeting", value: said.to_owned(), expected })
}

fn new_greeting(asked: &Asked, place: Place, kind: &str, there: bool) -> Result<WazoAsk, Problem> {
    let kind = greeting_kind(kind)?;
    let wav = asked.body.clone()?;
    let unfit = |error| Problem::Unfit(vec![format!("Invalid voicemail greeting {}: {error}", kind.as_str())]);
    let sound = read_wav(&wav).map_err(unfit)?;
    Ok(WazoAsk::SetGreeting { place, kind, sound, there })
}

fn is_download(asked: &Asked) -> bool {
    asked.params().get("download") == Some("1")
}

/// Messages that the user hears.
#[utoipa::path(get, path = "/api/calld/1.0/users/me/voicemails/messages", tag = "compatible: calld",
    operation_id = "wazo_list_user_messages",
    params(("voicemail_type" = Option<String>, Query, description = "all, personal or global"),
        ("order" = Option<String>, Query, description = "id, caller_id_name, duration or timestamp"),
        ("direction" = Option<String>, Query, description = "asc or desc"), ("limit" = Option<u32>, Query),
        ("offset" = Option<u32>, Query)),
    responses((status = 200, body = Object, description = "`{items, total}`")))]
async fn list(State(shared): Desks, asked: Asked) -> Response {
    let ask = |asked: &Asked| MessageList::read(&asked.params()).map(WazoAsk::Messages).map_err(Problem::Unfit);
    shared.wazo(Style::Calld, asked, ask).await
}

/// All messages of the company: admins.
#[utoipa::path(get, path = "/api/calld/1.0/voicemails/messages", tag = "compatible: calld",
    operation_id = "wazo_list_all_messages",
    params(("user_uuid" = Option<String>, Query), ("voicemail_id" = Option<i64>, Query),
        ("from" = Option<String>, Query), ("until" = Option<String>, Query),
        ("voicemail_type" = Option<String>, Query), ("order" = Option<String>, Query),
        ("direction" = Option<String>, Query), ("limit" = Option<u32>, Query), ("offset" = Option<u32>, Query)),
    responses((status = 200, body = Object, description = "`{items, total, filtered}`")))]
async fn list_all(State(shared): Desks, asked: Asked) -> Response {
    let ask = |asked: &Asked| AllMessages::read(&asked.params()).map(WazoAsk::AllMessages).map_err(Problem::Unfit);
    shared.wazo(Style::Calld, asked, ask).await
}

/// One's own box with all that is in it.
#[utoipa::path(get, path = "/api/calld/1.0/users/me/voicemails", tag = "compatible: calld",
    operation_id = "wazo_user_get_voicemail",
    responses((status = 200, body = Object, description = "The box")))]
async fn mine(State(shared): Desks, asked: Asked) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::Mailbox(Place::Mine))).await
}

/// A folder of one's own box with what is in it.
#[utoipa::path(get, path = "/api/calld/1.0/users/me/voicemails/folders/{folder_id}", tag = "compatible: calld",
    operation_id = "wazo_user_get_folder", params(("folder_id" = i64, Path)),
    responses((status = 200, body = Object, description = "`{id, name, type, messages}`")))]
async fn folder(State(shared): Desks, Path(folder_id): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::Folder(Place::Mine, folder_number(&folder_id)?))).await
}

/// A message.
#[utoipa::path(get, path = "/api/calld/1.0/users/me/voicemails/messages/{message_id}", tag = "compatible: calld",
    operation_id = "wazo_user_get_message", params(("message_id" = String, Path)),
    responses((status = 200, body = Object, description = "The message")))]
async fn show(State(shared): Desks, Path(message_id): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::Message(Place::Mine, message_of(&message_id)?))).await
}

/// Puts a message into a folder: `{"folder_id": 2}` marks it as read.
#[utoipa::path(put, path = "/api/calld/1.0/users/me/voicemails/messages/{message_id}", tag = "compatible: calld",
    operation_id = "wazo_user_update_message", params(("message_id" = String, Path)), request_body = Object,
    responses((status = 204, description = "It stands there")))]
async fn change(State(shared): Desks, Path(message_id): Path<String>, asked: Asked) -> Response {
    shared
        .wazo(Style::Calld, asked, |asked| {
            Ok(WazoAsk::MoveMessage(Place::Mine, message_of(&message_id)?, wanted_folder(asked)?))
        })
        .await
}

/// Throws a message away for oneself.
#[utoipa::path(delete, path = "/api/calld/1.0/users/me/voicemails/messages/{message_id}", tag = "compatible: calld",
    operation_id = "wazo_user_delete_message", params(("message_id" = String, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove(State(shared): Desks, Path(message_id): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::RemoveMessage(Place::Mine, message_of(&message_id)?))).await
}

/// The audio of a message. Fetching it marks nothing as read.
#[utoipa::path(get, path = "/api/calld/1.0/users/me/voicemails/messages/{message_id}/recording", tag = "compatible: calld",
    operation_id = "wazo_user_get_recording", params(("message_id" = String, Path), ("download" = Option<u8>, Query), ("token" = Option<String>, Query)),
    responses((status = 200, content_type = "audio/wav", body = [u8], description = "All of it"), (status = 206, content_type = "audio/wav", body = [u8], description = "The range"), (status = 416, description = "There is no such range")))]
async fn recording(State(shared): Desks, Path(message_id): Path<String>, asked: Asked) -> Response {
    shared
        .wazo(Style::Calld, asked, |asked| {
            Ok(WazoAsk::Recording(Place::Mine, message_of(&message_id)?, is_download(asked)))
        })
        .await
}

/// A greeting where there is none.
#[utoipa::path(post, path = "/api/calld/1.0/users/me/voicemails/greetings/{greeting}", tag = "compatible: calld",
    operation_id = "wazo_user_create_greeting", params(("greeting" = GreetingKind, Path)), request_body(content_type = "audio/wav", content = Vec<u8>),
    responses((status = 204, description = "Callers hear it"), (status = 409, description = "There is one")))]
async fn add_greeting(State(shared): Desks, Path(greeting): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Calld, asked, |asked| new_greeting(asked, Place::Mine, &greeting, false)).await
}

/// Whether there is a greeting.
#[utoipa::path(head, path = "/api/calld/1.0/users/me/voicemails/greetings/{greeting}", tag = "compatible: calld",
    operation_id = "wazo_user_check_greeting", params(("greeting" = GreetingKind, Path)),
    responses((status = 200, description = "There is")))]
async fn check_greeting(State(shared): Desks, Path(greeting): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::Greeting(Place::Mine, greeting_kind(&greeting)?))).await
}

/// A greeting.
#[utoipa::path(get, path = "/api/calld/1.0/users/me/voicemails/greetings/{greeting}", tag = "compatible: calld",
    operation_id = "wazo_user_get_greeting", params(("greeting" = GreetingKind, Path)),
    responses((status = 200, content_type = "audio/wav", body = [u8]), (status = 206, content_type = "audio/wav", body = [u8], description = "The range"), (status = 416, description = "There is no such range")))]
async fn greeting(State(shared): Desks, Path(greeting): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::Greeting(Place::Mine, greeting_kind(&greeting)?))).await
}

/// Another greeting in the place of one.
#[utoipa::path(put, path = "/api/calld/1.0/users/me/voicemails/greetings/{greeting}", tag = "compatible: calld",
    operation_id = "wazo_user_update_greeting", params(("greeting" = GreetingKind, Path)), request_body(content_type = "audio/wav", content = Vec<u8>),
    responses((status = 204, description = "Callers hear it")))]
async fn set_greeting(State(shared): Desks, Path(greeting): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Calld, asked, |asked| new_greeting(asked, Place::Mine, &greeting, true)).await
}

/// Takes a greeting away.
#[utoipa::path(delete, path = "/api/calld/1.0/users/me/voicemails/greetings/{greeting}", tag = "compatible: calld",
    operation_id = "wazo_user_delete_greeting", params(("greeting" = GreetingKind, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove_greeting(State(shared): Desks, Path(greeting): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::RemoveGreeting(Place::Mine, greeting_kind(&greeting)?))).await
}

/// The same greeting for another occasion: `{"dest_greeting": "busy"}`.
#[utoipa::path(post, path = "/api/calld/1.0/users/me/voicemails/greetings/{greeting}/copy", tag = "compatible: calld",
    operation_id = "wazo_user_copy_greeting", params(("greeting" = GreetingKind, Path)), request_body = Object,
    responses((status = 204, description = "Callers hear it")))]
async fn copy_greeting(State(shared): Desks, Path(greeting): Path<String>, asked: Asked) -> Response {
    shared
        .wazo(Style::Calld, asked, |asked| {
            Ok(WazoAsk::CopyGreeting {
                place: Place::Mine,
                kind: greeting_kind(&greeting)?,
                to: wanted_greeting(asked)?,
            })
        })
        .await
}

/// A box with all that is in it: admins.
#[utoipa::path(get, path = "/api/calld/1.0/voicemails/{voicemail_id}", tag = "compatible: calld",
    operation_id = "wazo_get_voicemail", params(("voicemail_id" = i64, Path)),
    responses((status = 200, body = Object, description = "The box")))]
async fn mailbox(State(shared): Desks, Path(voicemail_id): Path<String>, asked: Asked) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::Mailbox(box_of(&voicemail_id)?))).await
}

/// A folder of a box with what is in it: admins.
#[utoipa::path(get, path = "/api/calld/1.0/voicemails/{voicemail_id}/folders/{folder_id}", tag = "compatible: calld",
    operation_id = "wazo_get_folder", params(("voicemail_id" = i64, Path), ("folder_id" = i64, Path)),
    responses((status = 200, body = Object, description = "`{id, name, type, messages}`")))]
async fn folder_of(
    State(shared): Desks,
    Path((voicemail_id, folder_id)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::Folder(box_of(&voicemail_id)?, folder_number(&folder_id)?))).await
}

/// A message: admins.
#[utoipa::path(get, path = "/api/calld/1.0/voicemails/{voicemail_id}/messages/{message_id}", tag = "compatible: calld",
    operation_id = "wazo_get_message", params(("voicemail_id" = i64, Path), ("message_id" = String, Path)),
    responses((status = 200, body = Object, description = "The message")))]
async fn show_of(
    State(shared): Desks,
    Path((voicemail_id, message_id)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::Message(box_of(&voicemail_id)?, message_of(&message_id)?))).await
}

/// Puts a message into a folder: `{"folder_id": 2}` marks it as read: admins.
#[utoipa::path(put, path = "/api/calld/1.0/voicemails/{voicemail_id}/messages/{message_id}", tag = "compatible: calld",
    operation_id = "wazo_update_message", params(("voicemail_id" = i64, Path), ("message_id" = String, Path)), request_body = Object,
    responses((status = 204, description = "It stands there")))]
async fn change_of(
    State(shared): Desks,
    Path((voicemail_id, message_id)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared
        .wazo(Style::Calld, asked, |asked| {
            Ok(WazoAsk::MoveMessage(box_of(&voicemail_id)?, message_of(&message_id)?, wanted_folder(asked)?))
        })
        .await
}

/// Throws a message away for everybody: admins.
#[utoipa::path(delete, path = "/api/calld/1.0/voicemails/{voicemail_id}/messages/{message_id}", tag = "compatible: calld",
    operation_id = "wazo_delete_message", params(("voicemail_id" = i64, Path), ("message_id" = String, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove_of(
    State(shared): Desks,
    Path((voicemail_id, message_id)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared
        .wazo(Style::Calld, asked, |_| Ok(WazoAsk::RemoveMessage(box_of(&voicemail_id)?, message_of(&message_id)?)))
        .await
}

/// The audio of a message. Fetching it marks nothing as read: admins.
#[utoipa::path(get, path = "/api/calld/1.0/voicemails/{voicemail_id}/messages/{message_id}/recording", tag = "compatible: calld",
    operation_id = "wazo_get_recording", params(("voicemail_id" = i64, Path), ("message_id" = String, Path), ("download" = Option<u8>, Query), ("token" = Option<String>, Query)),
    responses((status = 200, content_type = "audio/wav", body = [u8], description = "All of it"), (status = 206, content_type = "audio/wav", body = [u8], description = "The range"), (status = 416, description = "There is no such range")))]
async fn recording_of(
    State(shared): Desks,
    Path((voicemail_id, message_id)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared
        .wazo(Style::Calld, asked, |asked| {
            Ok(WazoAsk::Recording(box_of(&voicemail_id)?, message_of(&message_id)?, is_download(asked)))
        })
        .await
}

/// A greeting where there is none: admins.
#[utoipa::path(post, path = "/api/calld/1.0/voicemails/{voicemail_id}/greetings/{greeting}", tag = "compatible: calld",
    operation_id = "wazo_create_greeting", params(("voicemail_id" = i64, Path), ("greeting" = GreetingKind, Path)), request_body(content_type = "audio/wav", content = Vec<u8>),
    responses((status = 204, description = "Callers hear it"), (status = 409, description = "There is one")))]
async fn add_greeting_of(
    State(shared): Desks,
    Path((voicemail_id, greeting)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared.wazo(Style::Calld, asked, |asked| new_greeting(asked, box_of(&voicemail_id)?, &greeting, false)).await
}

/// Whether there is a greeting: admins.
#[utoipa::path(head, path = "/api/calld/1.0/voicemails/{voicemail_id}/greetings/{greeting}", tag = "compatible: calld",
    operation_id = "wazo_check_greeting", params(("voicemail_id" = i64, Path), ("greeting" = GreetingKind, Path)),
    responses((status = 200, description = "There is")))]
async fn check_greeting_of(
    State(shared): Desks,
    Path((voicemail_id, greeting)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::Greeting(box_of(&voicemail_id)?, greeting_kind(&greeting)?))).await
}

/// A greeting: admins.
#[utoipa::path(get, path = "/api/calld/1.0/voicemails/{voicemail_id}/greetings/{greeting}", tag = "compatible: calld",
    operation_id = "wazo_get_greeting", params(("voicemail_id" = i64, Path), ("greeting" = GreetingKind, Path)),
    responses((status = 200, content_type = "audio/wav", body = [u8]), (status = 206, content_type = "audio/wav", body = [u8], description = "The range"), (status = 416, description = "There is no such range")))]
async fn greeting_of(
    State(shared): Desks,
    Path((voicemail_id, greeting)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared.wazo(Style::Calld, asked, |_| Ok(WazoAsk::Greeting(box_of(&voicemail_id)?, greeting_kind(&greeting)?))).await
}

/// Another greeting in the place of one: admins.
#[utoipa::path(put, path = "/api/calld/1.0/voicemails/{voicemail_id}/greetings/{greeting}", tag = "compatible: calld",
    operation_id = "wazo_update_greeting", params(("voicemail_id" = i64, Path), ("greeting" = GreetingKind, Path)), request_body(content_type = "audio/wav", content = Vec<u8>),
    responses((status = 204, description = "Callers hear it")))]
async fn set_greeting_of(
    State(shared): Desks,
    Path((voicemail_id, greeting)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared.wazo(Style::Calld, asked, |asked| new_greeting(asked, box_of(&voicemail_id)?, &greeting, true)).await
}

/// Takes a greeting away: admins.
#[utoipa::path(delete, path = "/api/calld/1.0/voicemails/{voicemail_id}/greetings/{greeting}", tag = "compatible: calld",
    operation_id = "wazo_delete_greeting", params(("voicemail_id" = i64, Path), ("greeting" = GreetingKind, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove_greeting_of(
    State(shared): Desks,
    Path((voicemail_id, greeting)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared
        .wazo(Style::Calld, asked, |_| Ok(WazoAsk::RemoveGreeting(box_of(&voicemail_id)?, greeting_kind(&greeting)?)))
        .await
}

/// The same greeting for another occasion: `{"dest_greeting": "busy"}`: admins.
#[utoipa::path(post, path = "/api/calld/1.0/voicemails/{voicemail_id}/greetings/{greeting}/copy", tag = "compatible: calld",
    operation_id = "wazo_copy_greeting", params(("voicemail_id" = i64, Path), ("greeting" = GreetingKind, Path)), request_body = Object,
    responses((status = 204, description = "Callers hear it")))]
async fn copy_greeting_of(
    State(shared): Desks,
    Path((voicemail_id, greeting)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    shared
        .wazo(Style::Calld, asked, |asked| {
            Ok(WazoAsk::CopyGreeting {
                place: box_of(&voicemail_id)?,
                kind: greeting_kind(&greeting)?,
                to: wanted_greeting(asked)?,
            })
        })
        .await
}
