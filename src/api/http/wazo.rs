//! The compatible API over HTTP: `/api/auth/0.1`, `/api/confd/1.1`, `/api/calld/1.0`, and
//! `/api/websocketd`.
//!
//! ```text
//! X-Auth-Token, Wazo-Tenant ─► who asks ─► WazoAsk ─► Desk ─► what Wazo answers, with its statuses and errors
//! ```
//! Errors look as those of the service that is asked: `confd` answers a list of messages, `calld` and
//! `auth` an object. What a token does not give is 401, as Wazo says it.

mod auth;
mod calld;
mod confd;
mod error;
mod websocketd;

use super::who::{AUTH_TOKEN, From, Who, bearer};
use super::{HttpProblem, Shared, openapi};
use crate::api::wazo::{Params, WazoAsk, WazoReply};
use crate::api::{Ask, Problem, Reply};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use error::Style;
use serde_json::{Map, Value};
use std::net::IpAddr;
use tower::ServiceExt;
use tower_http::services::ServeFile;
use utoipa_axum::router::OpenApiRouter;

/// Every route, with its whole path.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::head())
        .merge(auth::routes())
        .merge(confd::routes())
        .merge(calld::routes())
        .merge(websocketd::routes())
}

/// A request, read but not yet understood: what is wrong with it is told in the words of its service.
pub struct Asked {
    parts: Parts,
    body: Result<Bytes, Problem>,
}

impl FromRequest<Shared> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let whole = Request::from_parts(parts.clone(), body);
        let body = Bytes::from_request(whole, shared).await;
        let body =
            body.map_err(|error| Problem::Invalid { key: "body", value: error.body_text(), expected: "a shorter one" });
        Ok(Asked { parts, body })
    }
}

impl Asked {
    fn params(&self) -> Params {
        let query = self.parts.uri.query().unwrap_or_default();
        Params(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A JSON object, whatever the request says that it is.
    fn object(&self) -> Result<Map<String, Value>, Problem> {
        let expected = "a JSON object";
        let body = self.body.clone()?;
        serde_json::from_slice(&body).map_err(|error| Problem::Invalid {
            key: "body",
            value: error.to_string(),
            expected,
        })
    }

    async fn who(&mut self, shared: &Shared) -> Result<Who, Problem> {
        // A player of a page sends no headers: for audio the token can stand in the URL.
        if self.parts.uri.path().ends_with("/recording") {
            self.takes_token_of_query();
        }
        Who::from_request_parts(&mut self.parts, shared).await.map_err(|HttpProblem(problem)| problem)
    }

    /// The token can stand in the URL, where no header has one.
    fn takes_token_of_query(&mut self) {
        if bearer(&self.parts.headers).is_none()
            && let Some(token) = self
                .params()
                .get("token")
                .filter(|token| !token.is_empty())
                .and_then(|token| HeaderValue::from_str(token).ok())
        {
            self.parts.headers.insert(AUTH_TOKEN, token);
        }
    }

    async fn source(&mut self, shared: &Shared) -> IpAddr {
        match From::from_request_parts(&mut self.parts, shared).await {
            Ok(From(source)) => source,
            Err(_) => IpAddr::from([0, 0, 0, 0]),
        }
    }
}

impl Shared {
    /// Asks the desk and answers as that service does.
    async fn wazo(
        &self,
        style: Style,
        mut asked: Asked,
        ask: impl FnOnce(&Asked) -> Result<WazoAsk, Problem>,
    ) -> Response {
        let answer = async {
            let who = asked.who(self).await?;
            let ask = ask(&asked)?;
            let download = match &ask {
                WazoAsk::Recording(_, id, true) => Some(format!("vm-msg-{id}.wav")),
                WazoAsk::Greeting(_, kind) => Some(format!("vm-greeting-{}.wav", kind.as_str())),
                _ => None,
            };
            let reply = self.desk.answer(&who.0, Ask::Wazo(ask)).await?;
            match reply {
                Reply::Wazo(WazoReply::Audio(path)) => {
                    let request = Request::from_parts(asked.parts.clone(), Body::empty());
                    audio(&path, download, request).await
                }
                Reply::Wazo(reply) => Ok(said(reply)),
                _ => Err(Problem::Internal),
            }
        };
        match answer.await {
            Ok(response) => response,
            Err(problem) => style.response(&problem),
        }
    }
}

fn said(reply: WazoReply) -> Response {
    match reply {
        WazoReply::Done | WazoReply::Audio(_) => StatusCode::NO_CONTENT.into_response(),
        WazoReply::Json(body) => Json(body).into_response(),
        WazoReply::Made(body, path) => {
            let mut response = (StatusCode::CREATED, Json(body)).into_response();
            let location = HeaderValue::from_str(&path).ok();
            response.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
            response
        }
    }
}

/// A WAV file, by ranges; offered as a file where it has a name.
async fn audio(path: &std::path::Path, name: Option<String>, request: Request<Body>) -> Result<Response, Problem> {
    if !path.exists() {
        return Err(Problem::NotFound { what: "audio of this" });
    }
    let served = ServeFile::new(path).oneshot(request).await.map_err(|_| Problem::Internal)?;
    let mut response = served.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    let name = name.and_then(|name| HeaderValue::from_str(&format!("attachment;filename={name}")).ok());
    headers.extend(name.map(|name| (header::CONTENT_DISPOSITION, name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}
