//! Problems as HTTP says them (RFC 9457).

use crate::api::Problem;
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
        if let (Problem::Gone { at: Some(at), .. }, Some(body)) = (&problem, body.as_object_mut()) {
            body.insert("deleted".to_owned(), at.to_string().into());
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
            | Problem::NoScope(_)
            | Problem::Invalid { .. }
            | Problem::Gone { .. }
            | Problem::EventsGone { .. }
            | Problem::NoCompany
            | Problem::Conflict(_)
            | Problem::NoCsrf
            | Problem::Internal => {}
        }
        response
    }
}
