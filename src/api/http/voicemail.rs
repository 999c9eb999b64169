//! Messages, their boxes' subscribers and greetings.

mod boxes;

use super::audio::serve;
use super::calls::{MOMENT, moment, read, searched};
use super::session::{body, query};
use super::who::Who;
use super::{Desks, Handled, HttpProblem, Shared};
use crate::api::{
    Ask, AudioUse, CountsView, ForwardedView, MessagePage, MessageQuery, MessageView, Problem, Realm, VoicemailAsk,
    VoicemailReply, read_message_cursor,
};
use crate::base::MessageId;
use crate::ledger::Folder;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Messages of a page where nothing else is asked for.
const PAGE: u32 = 50;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(counts))
        .routes(routes!(show, change, remove))
        .routes(routes!(play))
        .routes(routes!(download))
        .routes(routes!(bring_back))
        .routes(routes!(forward))
        .routes(routes!(list_of_box))
        .routes(routes!(counts_of_box))
        .routes(routes!(show_of_box, change_of_box, remove_of_box))
        .routes(routes!(play_of_box))
        .routes(routes!(download_of_box))
        .merge(boxes::routes())
}

/// The answer as JSON.
pub fn answer(reply: VoicemailReply) -> Response {
    match reply {
        VoicemailReply::Messages(page) => Json(page).into_response(),
        VoicemailReply::Message(view) => Json(view).into_response(),
        VoicemailReply::Forwarded(view) => Json(view).into_response(),
        VoicemailReply::Counts(view) => Json(view).into_response(),
        VoicemailReply::Peaks(view) => super::peaks::shown(view),
        VoicemailReply::Subscribers(list) => Json(list).into_response(),
        VoicemailReply::Greetings(list) => Json(list).into_response(),
        VoicemailReply::Removed(view) => Json(view).into_response(),
        // Audio is no JSON: it is asked for by itself.
        VoicemailReply::Audio { .. } => HttpProblem(Problem::Internal).into_response(),
    }
}

/// The query of a list of messages. Unknown keys are refused.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MessagesQuery {
    /// `next` of the page before.
    before: Option<String>,
    /// 1 to 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Only of this box: NUMBER, or NUMBER@CONTEXT.
    r#box: Option<String>,
    /// Only left over numbers of the inbox of that name.
    inbox: Option<String>,
    /// Only in these folders, with commas between: inbox, old, urgent, work, family, friends; `new` is inbox and
    /// urgent.
    folder: Option<String>,
    /// Only from this caller: extension or E.164.
    caller: Option<String>,
    /// Left at this moment or later (RFC 3339).
    #[param(format = DateTime)]
    from: Option<String>,
    /// Left before this moment.
    #[param(format = DateTime)]
    until: Option<String>,
    /// Part of the caller's name or address.
    #[param(max_length = 100)]
    text: Option<String>,
    /// Those that were thrown away and can be brought back.
    removed: Option<bool>,
}

impl MessagesQuery {
    fn meant(self) -> Result<MessageQuery, HttpProblem> {
        let MessagesQuery { before, limit, r#box: mailbox, inbox, folder, caller, from, until, text, removed } = self;
        let limit = limit.unwrap_or(PAGE);
        if !(1..=MessageQuery::MOST).contains(&limit) {
            return Err(Problem::Invalid { key: "limit", value: limit.to_string(), expected: "1 to 200" }.into());
        }
        Ok(MessageQuery {
            before: read("before", before, "`next` of the page before", read_message_cursor)?,
            limit,
            mailbox,
            inbox,
            folders: read("folder", folder, "folders: inbox, old, urgent, work, family, friends, or new", folders)?,
            caller,
            from: read("from", from, MOMENT, moment)?,
            until: read("until", until, MOMENT, moment)?,
            text: read("text", text.filter(|text| !text.is_empty()), "at most 100 characters", searched)?,
            removed: removed.unwrap_or(false),
        })
    }
}

/// What is counted. Unknown keys are refused.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CountQuery {
    /// Only what was left over numbers of the inbox of that name.
    inbox: Option<String>,
}

fn folders(text: &str) -> Option<Vec<Folder>> {
    let mut folders = Vec::new();
    for word in text.split(',').map(str::trim) {
        match word {
            "new" => folders.extend([Folder::Inbox, Folder::Urgent]),
            _ => folders.push(Folder::parse(word)?),
        }
    }
    folders.sort();
    folders.dedup();
    Some(folders)
}

pub(super) fn message_id(text: &str) -> Result<MessageId, HttpProblem> {
    MessageId::parse(text).ok_or(HttpProblem(Problem::NotFound { what: "message" }))
}

async fn ask(shared: &Shared, who: &Who, ask: VoicemailAsk) -> Handled {
    shared.json(who, Ask::Voicemail(ask)).await
}

/// Messages that the viewer hears, the newest first.
#[utoipa::path(get, path = "/messages", tag = "messages", operation_id = "list_messages", params(MessagesQuery),
    responses((status = 200, body = MessagePage)))]
async fn list(State(shared): Desks, who: Who, said: Result<Query<MessagesQuery>, QueryRejection>) -> Handled {
    let said = query(said, "before, limit, box, inbox, folder, caller, from, until, text and removed")?.meant()?;
    ask(&shared, &who, VoicemailAsk::Messages(Realm::Mine, Box::new(said))).await
}

/// What waits for the viewer, in each box and in all.
#[utoipa::path(get, path = "/messages/counts", tag = "messages", operation_id = "count_messages",
    params(CountQuery), responses((status = 200, body = CountsView)))]
async fn counts(State(shared): Desks, who: Who, said: Result<Query<CountQuery>, QueryRejection>) -> Handled {
    let CountQuery { inbox } = query(said, "inbox")?;
    ask(&shared, &who, VoicemailAsk::Counts(Realm::Mine, inbox)).await
}

/// A message that the viewer hears.
#[utoipa::path(get, path = "/messages/{message}", tag = "messages", operation_id = "show_message",
    params(("message" = String, Path)), responses((status = 200, body = MessageView)))]
async fn show(State(shared): Desks, who: Who, Path(message): Path<String>) -> Handled {
    ask(&shared, &who, VoicemailAsk::Message(Realm::Mine, message_id(&message)?)).await
}

/// Where a message shall stand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MessageChange {
    folder: Folder,
}

/// Puts a message into a folder; out of `inbox` and `urgent` it is read. In a box of the whole company that is
/// so for everybody.
#[utoipa::path(patch, path = "/messages/{message}", tag = "messages", operation_id = "change_message",
    params(("message" = String, Path)), request_body = MessageChange, responses((status = 200, body = MessageView)))]
async fn change(
    State(shared): Desks,
    who: Who,
    Path(message): Path<String>,
    said: Result<Json<MessageChange>, JsonRejection>,
) -> Handled {
    let (message, MessageChange { folder }) = (message_id(&message)?, body(said)?);
    ask(&shared, &who, VoicemailAsk::Move(Realm::Mine, message, folder)).await
}

/// Throws a message away: for oneself, and in a box of the whole company for everybody. It can be brought back
/// for seven days.
#[utoipa::path(delete, path = "/messages/{message}", tag = "messages", operation_id = "remove_message",
    params(("message" = String, Path)), responses((status = 204, description = "It is thrown away")))]
async fn remove(State(shared): Desks, who: Who, Path(message): Path<String>) -> Handled {
    ask(&shared, &who, VoicemailAsk::Remove(Realm::Mine, message_id(&message)?)).await
}

/// Brings back what was thrown away.
#[utoipa::path(post, path = "/messages/{message}/undelete", tag = "messages", operation_id = "undelete_message",
    params(("message" = String, Path)), responses((status = 200, body = MessageView)))]
async fn bring_back(State(shared): Desks, who: Who, Path(message): Path<String>) -> Handled {
    ask(&shared, &who, VoicemailAsk::BringBack(Realm::Mine, message_id(&message)?)).await
}

/// Where a message is sent on to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ForwardTo {
    /// 1 to 20 boxes, by NUMBER or NUMBER@CONTEXT.
    #[schema(min_items = 1, max_items = 20)]
    to: Vec<String>,
}

/// A message of its own in each of these boxes.
#[utoipa::path(post, path = "/messages/{message}/forward", tag = "messages", operation_id = "forward_message",
    params(("message" = String, Path)), request_body = ForwardTo, responses((status = 200, body = ForwardedView)))]
async fn forward(
    State(shared): Desks,
    who: Who,
    Path(message): Path<String>,
    said: Result<Json<ForwardTo>, JsonRejection>,
) -> Handled {
    let (message, ForwardTo { to }) = (message_id(&message)?, body(said)?);
    ask(&shared, &who, VoicemailAsk::Forward(Realm::Mine, message, to)).await
}

async fn audio(shared: &Shared, who: &Who, asked: VoicemailAsk, request: Request<Body>) -> Handled {
    serve(shared.ask(who, Ask::Voicemail(asked)).await?, request).await
}

/// The message to be heard, by ranges (RFC 9110 §14). No file is offered, and nothing is marked as read.
#[utoipa::path(get, path = "/messages/{message}/audio", tag = "messages", operation_id = "play_message",
    params(("message" = String, Path), ("Range" = Option<String>, Header, description = "e.g. `bytes=0-65535`")),
    responses(
        (status = 200, content_type = "audio/wav", body = [u8], description = "All of it"),
        (status = 206, content_type = "audio/wav", body = [u8], description = "The range"),
        (status = 416, description = "There is no such range"),
    ))]
async fn play(State(shared): Desks, who: Who, Path(message): Path<String>, request: Request<Body>) -> Handled {
    audio(&shared, &who, VoicemailAsk::Audio(Realm::Mine, message_id(&message)?, AudioUse::Play), request).await
}

/// The `.wav` with its name: needs the right to download.
#[utoipa::path(get, path = "/messages/{message}/file", tag = "messages", operation_id = "download_message",
    params(("message" = String, Path), ("Range" = Option<String>, Header, description = "e.g. `bytes=0-65535`")),
    responses(
        (status = 200, content_type = "audio/wav", body = [u8], description = "All of it"),
        (status = 206, content_type = "audio/wav", body = [u8], description = "The range"),
        (status = 416, description = "There is no such range"),
    ))]
async fn download(State(shared): Desks, who: Who, Path(message): Path<String>, request: Request<Body>) -> Handled {
    audio(&shared, &who, VoicemailAsk::Audio(Realm::Mine, message_id(&message)?, AudioUse::Download), request).await
}

/// All messages of a box, with the state that they have for its owner: admins.
#[utoipa::path(get, path = "/voicemails/{box}/messages", tag = "voicemails", operation_id = "list_messages_of_box",
    params(("box" = String, Path), MessagesQuery), responses((status = 200, body = MessagePage)))]
async fn list_of_box(
    State(shared): Desks,
    who: Who,
    Path(mailbox): Path<String>,
    said: Result<Query<MessagesQuery>, QueryRejection>,
) -> Handled {
    let said = query(said, "before, limit, inbox, folder, caller, from, until, text and removed")?.meant()?;
    ask(&shared, &who, VoicemailAsk::Messages(Realm::Managed(mailbox), Box::new(said))).await
}

/// What waits for the owner of a box: admins.
#[utoipa::path(get, path = "/voicemails/{box}/counts", tag = "voicemails", operation_id = "count_messages_of_box",
    params(("box" = String, Path), CountQuery), responses((status = 200, body = CountsView)))]
async fn counts_of_box(
    State(shared): Desks,
    who: Who,
    Path(mailbox): Path<String>,
    said: Result<Query<CountQuery>, QueryRejection>,
) -> Handled {
    let CountQuery { inbox } = query(said, "inbox")?;
    ask(&shared, &who, VoicemailAsk::Counts(Realm::Managed(mailbox), inbox)).await
}

/// A message of a box: admins.
#[utoipa::path(get, path = "/voicemails/{box}/messages/{message}", tag = "voicemails",
    operation_id = "show_message_of_box", params(("box" = String, Path), ("message" = String, Path)),
    responses((status = 200, body = MessageView)))]
async fn show_of_box(State(shared): Desks, who: Who, Path((mailbox, message)): Path<(String, String)>) -> Handled {
    ask(&shared, &who, VoicemailAsk::Message(Realm::Managed(mailbox), message_id(&message)?)).await
}

/// Puts a message into a folder of the box's owner: admins.
#[utoipa::path(patch, path = "/voicemails/{box}/messages/{message}", tag = "voicemails",
    operation_id = "change_message_of_box", params(("box" = String, Path), ("message" = String, Path)),
    request_body = MessageChange, responses((status = 200, body = MessageView)))]
async fn change_of_box(
    State(shared): Desks,
    who: Who,
    Path((mailbox, message)): Path<(String, String)>,
    said: Result<Json<MessageChange>, JsonRejection>,
) -> Handled {
    let (message, MessageChange { folder }) = (message_id(&message)?, body(said)?);
    ask(&shared, &who, VoicemailAsk::Move(Realm::Managed(mailbox), message, folder)).await
}

/// Deletes a message with its file, for everybody and for good: admins.
#[utoipa::path(delete, path = "/voicemails/{box}/messages/{message}", tag = "voicemails",
    operation_id = "delete_message_of_box", params(("box" = String, Path), ("message" = String, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove_of_box(State(shared): Desks, who: Who, Path((mailbox, message)): Path<(String, String)>) -> Handled {
    ask(&shared, &who, VoicemailAsk::Remove(Realm::Managed(mailbox), message_id(&message)?)).await
}

/// A message of a box to be heard: admins.
#[utoipa::path(get, path = "/voicemails/{box}/messages/{message}/audio", tag = "voicemails",
    operation_id = "play_message_of_box",
    params(("box" = String, Path), ("message" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, content_type = "audio/wav", body = [u8]), (status = 206, description = "The range")))]
async fn play_of_box(
    State(shared): Desks,
    who: Who,
    Path((mailbox, message)): Path<(String, String)>,
    request: Request<Body>,
) -> Handled {
    let asked = VoicemailAsk::Audio(Realm::Managed(mailbox), message_id(&message)?, AudioUse::Play);
    audio(&shared, &who, asked, request).await
}

/// A message of a box as a file: admins.
#[utoipa::path(get, path = "/voicemails/{box}/messages/{message}/file", tag = "voicemails",
    operation_id = "download_message_of_box",
    params(("box" = String, Path), ("message" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, content_type = "audio/wav", body = [u8]), (status = 206, description = "The range")))]
async fn download_of_box(
    State(shared): Desks,
    who: Who,
    Path((mailbox, message)): Path<(String, String)>,
    request: Request<Body>,
) -> Handled {
    let asked = VoicemailAsk::Audio(Realm::Managed(mailbox), message_id(&message)?, AudioUse::Download);
    audio(&shared, &who, asked, request).await
}
