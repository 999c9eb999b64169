//! Softphones set up by a link.

use super::directory::secret;
use super::repeat::ShownOnce;
use super::session::body;
use super::who::{Secure, Who};
use super::{Desks, Handled, HttpProblem, Shared};
use crate::api::provisioning::{ProvisionAsk, ProvisionView};
use crate::api::{Ask, Problem, Reply};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(for_user)).routes(routes!(for_me))
}

/// Outside the API: phones ask here.
pub fn open_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(fetch, no_look))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Provisioned {
    /// The user's password; where an admin gives none a new one is made, and the old one is over.
    #[serde(default)]
    #[schema(min_length = 8, max_length = 128)]
    password: Option<String>,
}

/// A link and a QR code that set a user's softphone up: admins.
#[utoipa::path(post, path = "/users/{extension}/provisioning", tag = "users", params(("extension" = String, Path)),
    request_body = Provisioned, responses((status = 200, body = ProvisionView)))]
async fn for_user(
    State(shared): Desks,
    who: Who,
    secure: Secure,
    headers: HeaderMap,
    Path(extension): Path<String>,
    of: Result<Json<Provisioned>, JsonRejection>,
) -> Handled {
    link(shared, who, (secure, headers), Some(extension), body(of)?).await
}

/// A link and a QR code that set one's own softphone up.
#[utoipa::path(post, path = "/me/provisioning", tag = "session", request_body = Provisioned,
    responses((status = 200, body = ProvisionView)))]
async fn for_me(
    State(shared): Desks,
    who: Who,
    secure: Secure,
    headers: HeaderMap,
    of: Result<Json<Provisioned>, JsonRejection>,
) -> Handled {
    link(shared, who, (secure, headers), None, body(of)?).await
}

async fn link(
    shared: Shared,
    who: Who,
    (Secure(secure), headers): (Secure, HeaderMap),
    extension: Option<String>,
    Provisioned { password }: Provisioned,
) -> Handled {
    let password = password.map(|text| secret("password", text)).transpose()?;
    let base = base(&headers, secure)?;
    let ask = Ask::Provision(Box::new(ProvisionAsk { extension, password, base }));
    let Reply::Provision(view) = shared.ask(&who, ask).await? else { return Err(Problem::Internal.into()) };
    let mut response = Json(view).into_response();
    response.extensions_mut().insert(ShownOnce);
    Ok(response)
}

/// Where a request was sent to, as its `Host` says.
fn base(headers: &HeaderMap, secure: bool) -> Result<String, Problem> {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    match !host.is_empty() && host.len() <= 255 && host.bytes().all(allowed) {
        true => Ok(format!("{}://{host}", if secure { "https" } else { "http" })),
        false => {
            let expected = "a host, with its port where it has one; or set `http.url`";
            Err(Problem::Invalid { key: "Host", value: host.chars().take(100).collect(), expected })
        }
    }
}

/// What a softphone is set up with: Linphone's remote provisioning. It can be fetched once, within an hour.
#[utoipa::path(get, path = "/provision/{token}", tag = "provisioning", params(("token" = String, Path)),
    responses((status = 200, content_type = "application/xml", body = String)))]
async fn fetch(State(shared): Desks, Path(token): Path<String>) -> Handled {
    let document = shared.desk.fetch_provisioning(&token).await.map_err(HttpProblem)?;
    Ok(([(header::CONTENT_TYPE, "application/xml; charset=utf-8")], document).into_response())
}

/// A look at it takes nothing away, and tells nothing.
#[utoipa::path(head, path = "/provision/{token}", tag = "provisioning", params(("token" = String, Path)),
    responses((status = 404, description = "Whatever the link is")))]
async fn no_look(Path(_): Path<String>) -> Handled {
    Err(Problem::NotFound { what: "link" }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_begins_where_the_request_was_sent_to_if_that_can_be_a_host() {
        for (host, secure, expected) in [
            ("calls.example.org", true, Some("https://calls.example.org")),
            ("[::1]:8080", false, Some("http://[::1]:8080")),
            ("", true, None),
            ("a/b", true, None),
            ("a@b", true, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(base(&headers, secure).ok().as_deref(), expected, "{host}");
        }
        assert!(base(&HeaderMap::new(), true).is_err());
    }
}
