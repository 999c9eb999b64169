//! Conversations by text message, and what carriers bring over HTTP.

use super::calls::{read, short};
use super::session::body;
use super::who::{Who, bearer};
use super::{Desks, Handled, HttpProblem, Shared};
use crate::api::texts::{
    CarrierReceipt, CarrierText, ConversationPage, ConversationQuery, ConversationView, NewText, Proof, TextPage,
    TextView, TextsAsk, TextsReply,
};
use crate::api::{Ask, CallQuery, Problem};
use crate::base::{ConversationId, TextId};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Things of a page where nothing else is asked for.
const PAGE: u32 = 50;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, write))
        .routes(routes!(show))
        .routes(routes!(messages, answer))
        .routes(routes!(note))
        .routes(routes!(mark_read))
        .routes(routes!(carrier_text))
        .routes(routes!(carrier_receipt))
}

/// The answer as JSON.
pub fn said(reply: TextsReply) -> Response {
    match reply {
        TextsReply::List(page) => Json(page).into_response(),
        TextsReply::One(view) => Json(view).into_response(),
        TextsReply::Messages(page) => Json(page).into_response(),
        TextsReply::Message(view) => (StatusCode::CREATED, Json(view)).into_response(),
    }
}

fn limit(said: Option<u32>) -> Result<u32, HttpProblem> {
    let limit = said.unwrap_or(PAGE);
    match (1..=CallQuery::MOST).contains(&limit) {
        true => Ok(limit),
        false => Err(Problem::Invalid { key: "limit", value: limit.to_string(), expected: "1 to 200" }.into()),
    }
}

fn conversation(text: &str) -> Result<ConversationId, HttpProblem> {
    let id = text.parse().map(ConversationId);
    id.map_err(|_| HttpProblem(Problem::NotFound { what: "conversation" }))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConversationsQuery {
    /// `next` of the page before.
    before: Option<String>,
    /// 1 to 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// By name: conversations of its numbers.
    inbox: Option<String>,
    /// The company's number, E.164, with its `+`.
    number: Option<String>,
    /// The outside number, E.164.
    contact: Option<String>,
    /// A colleague, by extension.
    user: Option<String>,
    /// With a text that the viewer has not read, or with none.
    unread: Option<bool>,
    /// Part of any of its texts, of the outside number or of its name.
    #[param(max_length = 100)]
    text: Option<String>,
}

/// Conversations that the viewer is in, those with the newest texts first.
#[utoipa::path(get, path = "/conversations", tag = "messages", params(ConversationsQuery),
    responses((status = 200, body = ConversationPage)))]
async fn list(State(shared): Desks, who: Who, query: Result<Query<ConversationsQuery>, QueryRejection>) -> Handled {
    let ConversationsQuery { before, limit: most, inbox, number, contact, user, unread, text } =
        super::session::query(query, "the filters of this list")?;
    let query = ConversationQuery {
        before: read("before", before, "`next` of the page before", |text| text.parse().ok())?,
        limit: limit(most)?,
        inbox,
        number,
        contact,
        user,
        unread,
        text: read("text", text.filter(|text| !text.is_empty()), "at most 100 characters", short)?,
    };
    shared.json(&who, Ask::Texts(TextsAsk::List(Box::new(query)))).await
}

/// Writes to an outside number or a colleague: the conversation is made where there is none yet.
#[utoipa::path(post, path = "/conversations", tag = "messages", request_body = NewText,
    responses((status = 201, body = TextView)))]
async fn write(State(shared): Desks, who: Who, new: Result<Json<NewText>, JsonRejection>) -> Handled {
    shared.json(&who, Ask::Texts(TextsAsk::Write(body(new)?))).await
}

/// One conversation.
#[utoipa::path(get, path = "/conversations/{conversation}", tag = "messages",
    params(("conversation" = i64, Path)), responses((status = 200, body = ConversationView)))]
async fn show(State(shared): Desks, who: Who, Path(id): Path<String>) -> Handled {
    shared.json(&who, Ask::Texts(TextsAsk::Show { id: conversation(&id)? })).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessagesQuery {
    /// `next` of the page before.
    before: Option<String>,
    /// 1 to 200; 50 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Texts and notes of a conversation that the viewer sees, the newest first.
#[utoipa::path(get, path = "/conversations/{conversation}/messages", tag = "messages",
    params(("conversation" = i64, Path), MessagesQuery), responses((status = 200, body = TextPage)))]
async fn messages(
    State(shared): Desks,
    who: Who,
    Path(id): Path<String>,
    query: Result<Query<MessagesQuery>, QueryRejection>,
) -> Handled {
    let MessagesQuery { before, limit: most } = super::session::query(query, "before and limit")?;
    let before = read("before", before, "`next` of the page before", TextId::parse)?;
    let (id, limit) = (conversation(&id)?, limit(most)?);
    shared.json(&who, Ask::Texts(TextsAsk::Messages { id, before, limit })).await
}

/// What is written in a conversation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    #[schema(min_length = 1, max_length = 1600)]
    text: String,
}

/// Answers in a conversation: the text leaves from its number. Send `Idempotency-Key` along.
#[utoipa::path(post, path = "/conversations/{conversation}/messages", tag = "messages",
    params(("conversation" = i64, Path)), request_body = Words, responses((status = 201, body = TextView)))]
async fn answer(
    State(shared): Desks,
    who: Who,
    Path(id): Path<String>,
    words: Result<Json<Words>, JsonRejection>,
) -> Handled {
    let (id, Words { text }) = (conversation(&id)?, body(words)?);
    shared.json(&who, Ask::Texts(TextsAsk::Answer { id, text })).await
}

/// Writes a note for those who see the conversation: it goes nowhere.
#[utoipa::path(post, path = "/conversations/{conversation}/notes", tag = "messages",
    params(("conversation" = i64, Path)), request_body = Words, responses((status = 201, body = TextView)))]
async fn note(
    State(shared): Desks,
    who: Who,
    Path(id): Path<String>,
    words: Result<Json<Words>, JsonRejection>,
) -> Handled {
    let (id, Words { text }) = (conversation(&id)?, body(words)?);
    shared.json(&who, Ask::Texts(TextsAsk::Note { id, text })).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpTo {
    /// The newest message that was read; all of them where none is said.
    #[serde(default)]
    message: Option<TextId>,
}

/// The viewer has read a conversation.
#[utoipa::path(post, path = "/conversations/{conversation}/read", tag = "messages",
    params(("conversation" = i64, Path)), request_body = UpTo,
    responses((status = 204, description = "It is read up to there")))]
async fn mark_read(
    State(shared): Desks,
    who: Who,
    Path(id): Path<String>,
    up_to: Result<Json<UpTo>, JsonRejection>,
) -> Handled {
    let (id, UpTo { message }) = (conversation(&id)?, body(up_to)?);
    shared.json(&who, Ask::Texts(TextsAsk::Read { id, message })).await
}

fn proof(headers: &HeaderMap) -> Proof {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    match (said("telegraphone-timestamp"), said("telegraphone-signature"), bearer(headers)) {
        (Some(timestamp), Some(signature), _) => Proof::Signed { timestamp, signature },
        (_, _, Some(secret)) => Proof::Bearer(secret.to_owned()),
        (_, _, None) => Proof::None,
    }
}

/// A carrier brings a text, or a part of one, for a number of the company. Signed as hooks are, with
/// the trunk's `texts_secret`, or with it as bearer token.
#[utoipa::path(post, path = "/carriers/{company}/{trunk}/texts", tag = "carriers",
    params(("company" = String, Path), ("trunk" = String, Path)), request_body = CarrierText,
    responses((status = 204, description = "It is in its conversation")))]
async fn carrier_text(
    State(shared): Desks,
    Path((company, trunk)): Path<(String, String)>,
    headers: HeaderMap,
    body: String,
) -> Handled {
    shared.desk.carrier_text((&company, &trunk), &proof(&headers), &body).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A carrier tells what became of a text that it took. Signed as texts are.
#[utoipa::path(post, path = "/carriers/{company}/{trunk}/receipts", tag = "carriers",
    params(("company" = String, Path), ("trunk" = String, Path)), request_body = CarrierReceipt,
    responses((status = 204, description = "It is noted")))]
async fn carrier_receipt(
    State(shared): Desks,
    Path((company, trunk)): Path<(String, String)>,
    headers: HeaderMap,
    body: String,
) -> Handled {
    shared.desk.carrier_receipt((&company, &trunk), &proof(&headers), &body).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
