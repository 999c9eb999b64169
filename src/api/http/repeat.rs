//! `Idempotency-Key`: a POST that is sent again with the same key is answered as before and not
//! carried out again. Answers are kept for a day. What changed nothing (4xx, 5xx) is forgotten, so that
//! it can be tried again under the same key.
//!
//! An answer that held a secret is not kept: whoever asks again is told that it was made, and that
//! the secret was shown once.

use super::who::Who;
use super::{HttpProblem, Shared};
use crate::api::Problem;
use crate::store::{Answered, Owner, Repeat};
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// Set by a handler on an answer that must not be kept.
#[derive(Clone, Copy, Debug)]
pub struct ShownOnce;

const KEY: &str = "idempotency-key";
/// Characters of a key at most.
const LONGEST: usize = 200;
/// Bytes of an answer that is kept.
const ANSWER: usize = 1 << 20;

pub async fn once(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    match request.method() == Method::POST && request.headers().contains_key(KEY) {
        true => carry_out(shared, request, next).await.unwrap_or_else(IntoResponse::into_response),
        false => next.run(request).await,
    }
}

async fn carry_out(shared: Shared, request: Request, next: Next) -> Result<Response, HttpProblem> {
    let (mut parts, body) = request.into_parts();
    // Whoever is not logged in is told so by the handler, or logs in.
    let Ok(Who(viewer)) = Who::from_request_parts(&mut parts, &shared).await else {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let key = parts.headers.get(KEY).and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    if key.is_empty() || key.len() > LONGEST {
        return Err(Problem::Invalid { key: "Idempotency-Key", value: key, expected: "1 to 200 characters" }.into());
    }
    let too_long = |_| Problem::Invalid { key: "body", value: "…".to_owned(), expected: "64 KiB at most" };
    let body = to_bytes(body, super::BODY).await.map_err(too_long)?;
    let who = match viewer.owner {
        Owner::User(user) => format!("user {user}"),
        Owner::Staff(staff) => format!("staff {}", staff.0),
    };
    let digest = digest_of(&[
        parts.method.as_str().as_bytes(),
        parts.uri.to_string().as_bytes(),
        viewer.company.as_deref().unwrap_or_default().as_bytes(),
        &body,
    ]);
    match shared.desk.begin_request(&who, &key, &digest).await? {
        Repeat::First => {}
        Repeat::UnderWay => {
            return Err(Problem::Conflict("this request is under way: ask again in a moment".to_owned()).into());
        }
        Repeat::Other => {
            let text = "Idempotency-Key: it was used for another request: choose another key".to_owned();
            return Err(Problem::Unfit(vec![text]).into());
        }
        Repeat::Answered(Answered { body: None, .. }) => {
            let text = "it was made already, and its secret was shown once: make a new one under another key";
            return Err(Problem::Conflict(text.to_owned()).into());
        }
        Repeat::Answered(answered) => return Ok(again(answered)),
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !response.status().is_success() {
        shared.desk.forget_request(&who, &key).await?;
        return Ok(response);
    }
    keep(&shared, &who, &key, response).await
}

/// Keeps an answer, and gives it on.
async fn keep(shared: &Shared, who: &str, key: &str, response: Response) -> Result<Response, HttpProblem> {
    let shown_once = response.extensions().get::<ShownOnce>().is_some();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, ANSWER).await.map_err(|_| Problem::Internal)?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let answered = Answered {
        status: parts.status.as_u16(),
        content_type: content_type.unwrap_or_default().to_owned(),
        body: (!shown_once).then(|| body.to_vec()),
    };
    shared.desk.answer_request(who, key, &answered).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn again(answered: Answered) -> Response {
    let Answered { status, content_type, body } = answered;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, body.unwrap_or_default()).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if let Ok(value) = HeaderValue::from_str(&content_type)
        && !content_type.is_empty()
    {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

/// Each part goes in with its length: no two requests are the same bytes.
fn digest_of(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}
