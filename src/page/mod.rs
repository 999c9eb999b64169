//! The page: what people see in a browser.
//!
//! ```text
//! browser ─► page ─► API requests, in the process, with the browser's own session ─► JSON ─► template ─► HTML
//!     └─ changes, audio and events: the API itself, with the session's cookie and its CSRF token
//! ```
//! A page has no way to anything that the API does not give to its viewer: it is a template over
//! answers of the API ([`PAGES`] says which). What is changed on it is sent to the API by the page's
//! script, as a program would. Parts that show what changes are read anew when an event tells of it.
//!
//! Scripts and styles come from this host alone, and none stands in a page: the content security policy
//! forbids both. Without a session every page leads to the log-in and back.

mod ask;
mod assets;
mod day;
mod enter;
mod render;
mod table;
mod words;

use crate::api::csrf_of;
use crate::api::http::{COMPANY_COOKIE, Peer, Shared, cookie, cookie_named, count, router as api_router};
use ask::{Answered, Asker};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, RawPathParams, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use render::Templates;
use serde_json::{Map, Value, json};
use std::sync::Arc;
pub use table::{Area, PAGES, Page};
use tower::ServiceExt;

/// Bytes of a form at most: the log-in is the only one.
const FORM: usize = 16 << 10;

/// What every page has.
#[derive(Clone)]
struct Pages {
    shared: Shared,
    api: Router,
    templates: Arc<Templates>,
}

/// Every page, and the API below `/api`.
pub fn router(shared: Shared) -> Router {
    let api = api_router(shared.clone());
    let pages = Pages { shared: shared.clone(), api, templates: Arc::default() };
    let mut routes = Router::new();
    for page in PAGES {
        let show = async |State(pages): State<Pages>, params, query, request| {
            shown(&pages, page, params, query, request).await
        };
        routes = routes.route(page.path, get(show));
    }
    routes
        .route("/", get(enter::home))
        .route("/login", get(enter::ask))
        .route("/login", post(enter::log_in))
        .route("/assets/{version}/{*path}", get(assets::asset))
        .route("/sw.js", get(assets::service_worker))
        .route("/manifest.webmanifest", get(assets::manifest))
        .layer(DefaultBodyLimit::max(FORM))
        .layer(middleware::from_fn(headers))
        .layer(middleware::from_fn_with_state(shared, count))
        .fallback(other)
        .with_state(pages)
}

/// What is no page: the API, or nothing, which a person is told in words.
async fn other(State(pages): State<Pages>, request: Request) -> Response {
    let wants_page = request.headers().get(header::ACCEPT).is_some_and(|kinds| contains(kinds, "text/html"));
    let seen = Seen::of(&request);
    // A person, or a program that makes a picture of what is behind a link: a softphone asks for no page.
    if wants_page && request.method() == Method::GET && request.uri().path().starts_with("/provision/") {
        let mut response = pages.page("phone.html", StatusCode::OK, context(&seen, None));
        guard(response.headers_mut());
        return response;
    }
    let is_api =
        ["/api/", "/health", "/ready", "/provision/"].iter().any(|path| request.uri().path().starts_with(path));
    if is_api || !wants_page {
        let is_page = cookie(&seen.headers).is_some() && !seen.headers.contains_key(header::AUTHORIZATION);
        let language = if is_page { words::language(&seen.headers) } else { words::Language::default() };
        let of_done: &[&str] = match (request.method(), request.uri().path()) {
            (&Method::GET, _) => &[],
            (_, "/api/v1/flows/try") => &["errors", "expected", "sentences", "text", "why", "warnings"],
            (_, _) => &["confirm", "warnings"],
        };
        let response = pages.api.clone().oneshot(request).await.into_response();
        return told(response, language, of_done).await;
    }
    let mut response = problem_page(&pages, &seen, None, StatusCode::NOT_FOUND, &Value::Null);
    guard(response.headers_mut());
    response
}

/// An answer of the API to a page in another language: what is said in it for people is said in that one. `of_done`:
/// what is said for them where it was done.
async fn told(response: Response, language: words::Language, of_done: &[&str]) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let keys = match kind.and_then(|kind| kind.to_str().ok()) {
        Some("application/problem+json") => &["detail", "because", "errors"],
        Some("application/json") => of_done,
        Some(_) | None => &[],
    };
    if language == words::Language::English || keys.is_empty() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(mut answer) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    words::tell(language, &mut answer, keys);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.as_str()));
    Response::from_parts(parts, Body::from(answer.to_string()))
}

fn contains(value: &HeaderValue, part: &str) -> bool {
    value.to_str().is_ok_and(|text| text.contains(part))
}

/// What a page takes from the request itself.
struct Seen {
    headers: HeaderMap,
    peer: Option<ConnectInfo<Peer>>,
    path: String,
    /// Of what is asked for by htmx only a part is shown.
    partial: bool,
}

impl Seen {
    fn of(request: &Request) -> Self {
        Seen {
            headers: request.headers().clone(),
            peer: request.extensions().get::<ConnectInfo<Peer>>().copied(),
            path: request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            partial: request.headers().contains_key("hx-request"),
        }
    }
}

/// One page, with what the API answers to its viewer.
async fn shown(
    pages: &Pages,
    page: &'static Page,
    params: RawPathParams,
    query: RawQuery,
    request: Request,
) -> Response {
    let seen = Seen::of(&request);
    let asker = Asker::new(pages.api.clone(), &seen, page.area == Area::Staff);
    let viewer = asker.get("/me", "").await;
    if viewer.status != StatusCode::OK {
        return to_log_in(&seen);
    }
    let is_staff = is_staff(&viewer.body);
    let (mut companies, mut of_staff) = (Value::Null, Value::Null);
    if is_staff {
        companies = asker.get("/companies", "").await.body;
        if page.area != Area::Staff {
            // The company that was chosen may be none of theirs any more.
            let settings = asker.get("/settings", "").await;
            if settings.status != StatusCode::OK {
                return redirect(&match seen.path.as_str() {
                    "/calls" => "/companies".to_owned(),
                    wanted => format!("/companies?next={}", ask::quoted(wanted)),
                });
            }
            of_staff = settings.body;
        }
    }
    let admin = is_staff || is_admin(&viewer.body);
    if (page.area == Area::Admin && !admin) || (page.area == Area::Staff && !is_staff) {
        return problem_page(pages, &seen, Some(&viewer.body), StatusCode::NOT_FOUND, &Value::Null);
    }
    let zone = [&viewer.body, &of_staff].iter().find_map(|view| view.get("time_zone").and_then(Value::as_str));
    let zone = zone.unwrap_or("UTC").to_owned();
    let said = ask::Said::new(&params, query.0.as_deref().unwrap_or_default(), &zone);
    let mut context = context(&seen, Some(&viewer.body));
    context.insert("zone".to_owned(), zone.as_str().into());
    for asked in page.asks.iter().filter(|asked| !(seen.partial && asked.around)) {
        let answers = asker.answer(asked, &said, &context).await;
        match answers {
            Ok(value) => {
                context.insert(asked.name.to_owned(), value);
            }
            Err(Answered { status, .. }) if status == StatusCode::UNAUTHORIZED => return to_log_in(&seen),
            Err(Answered { status, body }) => {
                return problem_page(pages, &seen, Some(&viewer.body), status, &body);
            }
        }
    }
    context.insert("area".to_owned(), page.name.into());
    context.insert("query".to_owned(), said.query());
    context.insert("params".to_owned(), said.params());
    context.insert("companies".to_owned(), companies);
    context.insert("is_staff".to_owned(), is_staff.into());
    context.insert("above".to_owned(), (page.area == Area::Staff).into());
    context.insert("admin".to_owned(), admin.into());
    pages.page(page.template, StatusCode::OK, context)
}

/// Of an operator or a reseller, who are of no company.
fn is_staff(me: &Value) -> bool {
    me.get("kind").is_some()
}

fn is_admin(me: &Value) -> bool {
    me.get("role").and_then(Value::as_str) == Some("admin")
}

/// What every template has.
fn context(seen: &Seen, me: Option<&Value>) -> Map<String, Value> {
    let lang = words::language(&seen.headers);
    // A cookie alone is no session: of one that is over nothing can be asked.
    let csrf = me.and_then(|_| cookie(&seen.headers)).map(csrf_of).unwrap_or_default();
    let theme = cookie_named(&seen.headers, "telegraphone_theme").filter(|theme| ["dark", "light"].contains(theme));
    let Value::Object(context) = json!({
        "me": me,
        "lang": lang.as_str(),
        "zone": "UTC",
        "csrf": csrf,
        "theme": theme,
        "company": seen_company(seen),
        "path": seen.path,
        "partial": seen.partial,
    }) else {
        return Map::new();
    };
    context
}

/// The company that an operator or a reseller looks at.
fn seen_company(seen: &Seen) -> Option<String> {
    let said = seen.headers.get(crate::api::http::COMPANY).and_then(|value| value.to_str().ok());
    let chosen = || cookie_named(&seen.headers, COMPANY_COOKIE).filter(|key| !key.is_empty());
    said.or_else(chosen).map(str::to_owned)
}

impl Pages {
    /// A template as an answer, with the policy that goes with it.
    fn page(&self, template: &str, status: StatusCode, mut context: Map<String, Value>) -> Response {
        let nonce = nonce();
        context.insert("nonce".to_owned(), nonce.clone().into());
        match self.templates.render(template, &Value::Object(context)) {
            Ok(text) => {
                let mut response = (status, text).into_response();
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
                headers.extend(
                    HeaderValue::from_str(&policy(&nonce)).ok().map(|value| (header::CONTENT_SECURITY_POLICY, value)),
                );
                response
            }
            Err(error) => {
                tracing::error!(template, error = ?error, "a page could not be made");
                (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here; the log says what").into_response()
            }
        }
    }
}

/// What a page may load: from this host alone, and nothing that stands in it. The nonce is for the style
/// that the waveform makes in its own shadow tree.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; \
         media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    )
}

fn nonce() -> String {
    let mut bytes = [0; 16];
    // Without randomness the page has no nonce: its waveform is plainer, and nothing else.
    match getrandom::fill(&mut bytes) {
        Ok(()) => hex::encode(bytes),
        Err(_) => "none".to_owned(),
    }
}

/// A page that says why there is none.
fn problem_page(pages: &Pages, seen: &Seen, me: Option<&Value>, status: StatusCode, problem: &Value) -> Response {
    let mut context = context(seen, me);
    let is_staff = me.is_some_and(is_staff);
    let admin = is_staff || me.is_some_and(is_admin);
    context.insert("status".to_owned(), status.as_u16().into());
    context.insert("problem".to_owned(), problem.clone());
    context.insert("admin".to_owned(), admin.into());
    context.insert("is_staff".to_owned(), is_staff.into());
    pages.page("problem.html", status, context)
}

/// Where one logs in, and what is shown then.
fn to_log_in(seen: &Seen) -> Response {
    let place = format!("/login?next={}", ask::quoted(&seen.path));
    match seen.partial {
        true => (StatusCode::UNAUTHORIZED, [(HeaderName::from_static("hx-redirect"), place)]).into_response(),
        false => redirect(&place),
    }
}

fn redirect(place: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, place.to_owned())]).into_response()
}

/// What every answer of the page says.
async fn headers(request: axum::http::Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    guard(response.headers_mut());
    response
}

fn guard(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
