//! Problems as HTTP says them (RFC 9457).

use crate::api::{Problem, Use};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A problem on its way out.
#[derive(Debug)]
pub struct HttpProblem(pub Problem);

impl From<Problem> for HttpProblem {
    fn from(problem: Problem) -> Self {
        HttpProblem(problem)
    }
}

impl IntoResponse for HttpProblem {
    fn into_response(self) -> Response {
        let HttpProblem(problem) = self;
        let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = json!({
            "type": format!("urn:telegraphone:problem:{}", problem.title()),
            "title": problem.title(),
            "status": status.as_u16(),
            "detail": problem.to_string(),
        });
        match (&problem, body.as_object_mut()) {
            (Problem::Gone { what: _, at, because }, Some(body)) => {
                body.extend(at.map(|at| ("deleted".to_owned(), at.to_string().into())));
                body.insert("because".to_owned(), because.as_str().into());
            }
            (Problem::Held(hold), Some(body)) => {
                body.insert("hold".to_owned(), json!(hold));
            }
            (_, Some(_) | None) => {}
        }
        match (&problem, body.as_object_mut()) {
            (Problem::Unfit(errors), Some(body)) => {
                body.insert("errors".to_owned(), errors.clone().into());
            }
            (Problem::InUse(uses), Some(body)) => {
                body.insert("errors".to_owned(), Use::texts(uses).into());
                body.insert("uses".to_owned(), json!(uses));
            }
            (_, Some(_) | None) => {}
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match problem {
            Problem::NotLoggedIn => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Problem::LockedOut { retry_s } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_s));
            }
            Problem::WrongPassword
            | Problem::NotFound { .. }
            | Problem::Forbidden(_)
            | Problem::Refused(_)
            | Problem::Unfit(_)
            | Problem::InUse(_)
            | Problem::Changed
            | Problem::NoScope(_)
            | Problem::Invalid { .. }
            | Problem::Gone { .. }
            | Problem::Held(_)
            | Problem::TooMuch(_)
            | Problem::EventsGone { .. }
            | Problem::NoCompany
            | Problem::Conflict(_)
            | Problem::NoCsrf
            | Problem::Internal => {}
        }
        response
    }
}

/// An answer of the router's own that says why there is none (no such method, a body that is too large
/// or no JSON, a path that cannot be read), as a problem like any other; its headers stay.
pub fn told(response: Response) -> Response {
    let status = response.status();
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
    // A range that is not there is told by its headers; what is JSON says why by itself.
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_problem
        || is_json
        || !(status.is_client_error() || status.is_server_error())
        || status == StatusCode::RANGE_NOT_SATISFIABLE
    {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let (title, detail) = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method-not-allowed", "there is no such method here; `Allow` names those that are")
        }
        StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "the body is too large: 64 KiB at most"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("no-json", "the body has to be JSON: say `Content-Type: application/json`")
        }
        StatusCode::BAD_REQUEST => ("invalid", "the path or its query cannot be read"),
        _ => ("not-answered", "the request was not answered"),
    };
    let body = json!({
        "type": format!("urn:telegraphone:problem:{title}"),
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
    });
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    Response::from_parts(parts, body.to_string().into())
}
