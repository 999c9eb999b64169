//! Errors as Wazo's services tell them.

use crate::api::{Problem, Use};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// The service whose words are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `{reason: […], timestamp: […], status_code}`
    Auth,
    /// `["message", …]`
    Confd,
    /// `{message, error_id, details, timestamp}`
    Calld,
}

impl Style {
    pub fn response(self, problem: &Problem) -> Response {
        // Its clients know of no thing that was there once.
        let was_there = matches!(problem, Problem::Gone { what: "message", .. });
        let problem = if was_there { &Problem::NotFound { what: "Message" } } else { problem };
        let status = status(problem);
        let messages = messages(problem);
        let body = match self {
            Style::Confd => json!(messages),
            Style::Auth => json!({ "reason": messages, "timestamp": [], "status_code": status.as_u16() }),
            Style::Calld => json!({
                "message": messages.join("; "),
                "error_id": error_id(problem),
                "details": details(problem),
            }),
        };
        let mut response = (status, Json(body)).into_response();
        if let Problem::LockedOut { retry_s } = problem {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_s));
        }
        response
    }
}

/// Wazo knows 401 for whatever a token does not give, and 400 for whatever does not fit.
fn status(problem: &Problem) -> StatusCode {
    match problem {
        Problem::NotLoggedIn | Problem::WrongPassword | Problem::NoScope(_) => StatusCode::UNAUTHORIZED,
        // A company that is not the token's, or that there is not.
        Problem::NotFound { what: "company" } | Problem::NoCompany => StatusCode::UNAUTHORIZED,
        Problem::NotFound { .. } => StatusCode::NOT_FOUND,
        Problem::Gone { .. } | Problem::EventsGone { .. } => StatusCode::GONE,
        Problem::Forbidden(_) | Problem::NoCsrf => StatusCode::FORBIDDEN,
        Problem::LockedOut { .. } | Problem::TooMuch(_) => StatusCode::TOO_MANY_REQUESTS,
        Problem::Conflict(text) if text.ends_with("greeting already exists") => StatusCode::CONFLICT,
        Problem::Refused(_)
        | Problem::Conflict(_)
        | Problem::InUse(_)
        | Problem::Held(_)
        | Problem::Unfit(_)
        | Problem::Changed
        | Problem::Invalid { .. } => StatusCode::BAD_REQUEST,
        Problem::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn messages(problem: &Problem) -> Vec<String> {
    match problem {
        Problem::Unfit(errors) => errors.clone(),
        Problem::InUse(uses) => Use::texts(uses),
        Problem::NotFound { what: "company" } | Problem::NoCompany => vec!["Unauthorized".to_owned()],
        Problem::NotFound { what } => vec![format!("Resource Not Found - {what} was not found")],
        Problem::NotLoggedIn => vec!["Unauthorized".to_owned()],
        Problem::WrongPassword => vec!["Authentication Failed".to_owned()],
        Problem::NoScope(access) => vec![format!("Unauthorized: the token does not give {access}")],
        Problem::Invalid { .. }
        | Problem::Forbidden(_)
        | Problem::NoCsrf
        | Problem::LockedOut { .. }
        | Problem::TooMuch(_)
        | Problem::Refused(_)
        | Problem::Conflict(_)
        | Problem::Held(_)
        | Problem::Changed
        | Problem::Gone { .. }
        | Problem::EventsGone { .. }
        | Problem::Internal => vec![problem.to_string()],
    }
}

/// A short name that does not change.
fn error_id(problem: &Problem) -> String {
    match problem {
        Problem::NotFound { what: "company" } | Problem::NoCompany | Problem::NotLoggedIn | Problem::NoScope(_) => {
            "unauthorized".to_owned()
        }
        Problem::NotFound { what } => format!("no-such-{}", what.to_lowercase().replace(' ', "-")),
        Problem::Invalid { key, .. } => format!("invalid-{}", key.replace(['_', ' '], "-")),
        Problem::Unfit(_) => "invalid-data".to_owned(),
        Problem::Conflict(text) if text.ends_with("greeting already exists") => {
            "voicemail-greeting-already-exists".to_owned()
        }
        Problem::WrongPassword
        | Problem::LockedOut { .. }
        | Problem::Forbidden(_)
        | Problem::Refused(_)
        | Problem::Gone { .. }
        | Problem::Held(_)
        | Problem::TooMuch(_)
        | Problem::EventsGone { .. }
        | Problem::Conflict(_)
        | Problem::InUse(_)
        | Problem::Changed
        | Problem::NoCsrf
        | Problem::Internal => problem.title().to_owned(),
    }
}

fn details(problem: &Problem) -> Value {
    match problem {
        Problem::Invalid { key, value, expected } => json!({ *key: value, "expected": expected }),
        Problem::NoScope(access) => json!({ "required_access": access }),
        Problem::NotLoggedIn
        | Problem::WrongPassword
        | Problem::LockedOut { .. }
        | Problem::NotFound { .. }
        | Problem::Forbidden(_)
        | Problem::Refused(_)
        | Problem::Gone { .. }
        | Problem::Held(_)
        | Problem::TooMuch(_)
        | Problem::EventsGone { .. }
        | Problem::NoCompany
        | Problem::Conflict(_)
        | Problem::Unfit(_)
        | Problem::InUse(_)
        | Problem::Changed
        | Problem::NoCsrf
        | Problem::Internal => Value::Object(Map::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_company_that_is_not_ones_own_is_answered_as_one_that_there_is_not_and_both_as_no_log_in() {
        for (problem, expected) in [
            (Problem::NotFound { what: "company" }, 401),
            (Problem::NotLoggedIn, 401),
            (Problem::NoScope("confd.#"), 401),
            (Problem::NotFound { what: "Voicemail" }, 404),
            (Problem::Conflict("x".to_owned()), 400),
            (Problem::Unfit(vec!["x".to_owned()]), 400),
            (Problem::Conflict("Voicemail greeting already exists".to_owned()), 409),
        ] {
            assert_eq!(status(&problem).as_u16(), expected, "{problem:?}");
        }
    }
}
