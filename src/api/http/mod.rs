//! The API over HTTP, under `/api/v1`.
//!
//! ```text
//! request ─► who asks (cookie or bearer) ─► Ask ─► Desk ─► Reply ─► JSON, audio, or a stream
//! ```
//! | | |
//! |---|---|
//! | `POST /session` | log in: `{company, user, password}` |
//! | `DELETE /session` | log out |
//! | `GET /me` | who I am and what I may |
//! | `GET /calls`, `/calls/{id}` | calls that the viewer sees |
//! | `GET /contacts`, `/contacts/{e164}` | outside numbers, and what was with one of them |
//! | `GET /analytics`, `/analytics.csv` | figures by day, user, group, number or inbox |
//! | `GET /calls/live` | calls that are up; `inbox=` narrows each of these lists, and that of messages |
//! | `GET`, `POST /calls/{id}/notes`, `DELETE …/notes/{note}` | what people write on a call |
//! | `GET /calls/live/levels` | how loud their parties are: a stream (`text/event-stream`) |
//! | `POST /calls/{id}/pause`, `/record`, `/hang-up` | as `#11#` and `#12#`; ends the call |
//! | `GET /recordings/{id}` | a recording with its markers |
//! | `GET /recordings/{id}/audio` | to be heard, by ranges |
//! | `GET /recordings/{id}/file` | to be kept: needs the right to download |
//! | `DELETE /recordings/{id}` | admins |
//! | `GET /numbers/{e164}/subscribers`, `PUT`, `DELETE /…/{extension}` | admins |
//! | `GET`, `POST /tokens`, `DELETE /tokens/{id}` | one's own |
//! | `GET /access-log`, `GET /trunks/{name}/state` | admins |
//! | `GET /devices`, `/users/{extension}/devices` | phones that are registered now: admins |
//! | `GET`, `DELETE /lockouts` | who is locked out after wrong passwords: admins, and operators |
//! | `GET /recordings/{id}/peaks`, `/messages/{id}/peaks`, `/voicemails/{box}/messages/{id}/peaks` | the shape of a recording or message; `points=` says how fine |
//! | `PUT`, `DELETE /recordings/{id}/hold`, `/calls/{id}/hold`, `GET /holds` | legal holds: admins |
//! | `GET`, `POST /exports`, `GET`, `DELETE /exports/{id}`, `GET /exports/{id}/file` | archives: one's own |
//! | `POST /contacts/{e164}/export`, `/erase` | everything with one number of the outside: admins |
//! | `GET /messages`, `/messages/counts`, `GET`, `PATCH`, `DELETE /messages/{id}`, `…/audio`, `…/file`, `POST …/undelete`, `…/forward` | what one hears |
//! | `GET /voicemails/{box}/messages`, `…/counts`, `GET`, `PATCH`, `DELETE …/messages/{id}`, `…/audio`, `…/file` | messages of any box: admins |
//! | `GET`, `PATCH /me/voicemail` | everybody, their own box |
//! | `GET /voicemails/{box}/subscribers`, `PUT`, `DELETE …/{extension}`, `GET …/greetings`, `GET`, `PUT`, `DELETE …/greetings/{kind}` | its owner, or admins |
//! | `GET /events` | a stream (`text/event-stream`) that goes on after `Last-Event-ID` |
//! | `GET /events/ws` | the same over WebSocket |
//! | `GET`, `POST /me/push`, `DELETE /me/push/{id}` | everybody, their own browsers and apps |
//! | `GET`, `PUT`, `DELETE /push-gateway`, `GET /notices`, `POST /notices/replay`, `/notices/{id}/replay` | admins |
//! | `POST /users/{extension}/provisioning`, `/me/provisioning`, `GET /provision/{token}` (beside the API) | a softphone set up by a link |
//! | `POST /flows/try` | a call flow with a supposed call: admins |
//! | `GET`, `POST /webhooks`, `GET`, `PATCH`, `DELETE /webhooks/{id}`, `POST …/secret`, `…/test`, `…/replay`, `GET …/deliveries` | admins |
//! | `GET`, `POST /companies` | operators and resellers: the companies that they administer; a new one: operators |
//! | `GET`, `POST /staff`, `DELETE /staff/{name}`, `PUT /staff/{name}/password`, `PUT`, `DELETE /staff/{name}/companies/{key}` | operators |
//! | `GET /shared-inboxes`, `GET`, `PUT`, `PATCH`, `DELETE /numbers/{e164}/shared-inbox`, `GET /licences`, `DELETE /licences/{id}` | shared inboxes: admins; a licence is released by operators and resellers |
//! | `GET`, `POST /conversations`, `GET /conversations/{id}`, `GET`, `POST …/messages`, `POST …/notes`, `POST …/read` | text messages: whoever is in the conversation |
//! | `POST /carriers/{company}/{trunk}/texts`, `…/receipts` | carriers that bring texts over HTTP, with the trunk's secret |
//! | `GET /openapi.json` | all of this as OpenAPI 3.1, made from the handlers |
//!
//! Beside it are `/api/auth/0.1`, `/api/confd/1.1` and `/api/calld/1.0`, which Wazo's clients ask.
//!
//! Operators and resellers name the company that they ask of with each request: `Telegraphone-Company`; `*` says
//! none, also where a page has chosen one.
//! Outside it `GET /health` says that the process answers, and `GET /ready` whether calls can be taken and
//! recorded (200 or 503, part by part). Problems are RFC 9457. A thing that a
//! viewer may not see is answered as one that does not exist.

mod access_log;
mod audio;
mod calls;
mod devices;
mod directory;
mod entities;
mod events;
mod insight;
mod keeping;
mod levels;
mod locks;
mod notes;
mod notices;
mod openapi;
mod peaks;
mod problem;
mod provisioning;
mod repeat;
mod session;
mod shared;
mod socket;
mod staff;
mod texts;
mod timing;
mod tokens;
mod trunks;
mod trying;
mod voicemail;
mod wazo;
mod webhooks;
mod who;

use super::{Answer, Ask, Desk, LiveList, Reply, StaffReply, SubscriberList, TokenList, WebhookReply};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use who::Who;

pub use problem::HttpProblem;
pub use session::cookie as session_cookie;
pub use timing::{BUCKETS_MS, Requests, Route, Seen, count};
pub use who::{ABOVE, COMPANY, COMPANY_COOKIE, From, Secure, cookie, cookie_named};

/// Bytes of a request's body at most.
const BODY: usize = 64 << 10;

/// What every handler has.
#[derive(Clone)]
pub struct Shared {
    pub desk: Arc<Desk>,
    /// Whether it is asked over TLS here.
    pub secure: bool,
    /// Whose word is believed on where a request came from (`X-Forwarded-For`) and whether that was over
    /// TLS (`X-Forwarded-Proto`).
    pub proxies: Arc<[IpAddr]>,
    /// What was asked, for metrics.
    pub requests: Arc<Requests>,
    pub patience: Patience,
}

/// How long one waits for a reader that takes nothing. Each can go on where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The connection is closed after that.
    pub stall: Duration,
    /// Of a WebSocket: it is told so after that, and the connection closed.
    pub slow: Duration,
    /// The last word of a WebSocket is worth that much more.
    pub farewell: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let (stall, slow, farewell) = (Duration::from_secs(30), Duration::from_secs(10), Duration::from_secs(2));
        Patience { stall, slow, farewell }
    }
}

/// The far end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Everything under `/api/v1`, each route with its description.
fn api() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::head())
        .merge(session::routes())
        .merge(calls::routes())
        .merge(notes::routes())
        .merge(audio::routes())
        .merge(tokens::routes())
        .merge(access_log::routes())
        .merge(trunks::routes())
        .merge(devices::routes())
        .merge(locks::routes())
        .merge(events::routes())
        .merge(socket::routes())
        .merge(staff::routes())
        .merge(keeping::routes())
        .merge(peaks::routes())
        .merge(levels::routes())
        .merge(insight::routes())
        .merge(webhooks::routes())
        .merge(notices::routes())
        .merge(directory::routes())
        .merge(trying::routes())
        .merge(provisioning::routes())
        .merge(shared::routes())
        .merge(texts::routes())
        .merge(voicemail::routes())
}

/// The API as it describes itself (OpenAPI 3.1).
pub fn description() -> OpenApi {
    let described = openapi::with_compatible(openapi::finished(api().into_openapi()), wazo::routes().into_openapi());
    openapi::with_open(described, provisioning::open_routes().into_openapi())
}

/// Every route.
pub fn router(shared: Shared) -> Router {
    let (api, description) = api().split_for_parts();
    let (compatible, described) = wazo::routes().split_for_parts();
    let (open, for_phones) = provisioning::open_routes().split_for_parts();
    let description = openapi::with_compatible(openapi::finished(description), described);
    let description = Arc::new(openapi::with_open(description, for_phones));
    let described = get(move || {
        let description = Arc::clone(&description);
        async move { Json(&*description).into_response() }
    });
    Router::new()
        .nest("/api/v1", api.route("/openapi.json", described))
        .merge(compatible)
        .merge(open)
        .route("/health", get(async || Json(serde_json::json!({ "status": "up" }))))
        .route("/ready", get(ready))
        .fallback(async || HttpProblem(super::Problem::NotFound { what: "page" }))
        .layer(middleware::from_fn_with_state(shared.clone(), repeat::once))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(headers))
        .layer(middleware::from_fn_with_state(shared.clone(), timing::count))
        .with_state(shared)
}

/// Whether calls can be taken and recorded; of parts that do not work it says which.
async fn ready(State(shared): Desks) -> Response {
    match shared.desk.ready().await {
        Answer::Ready { readiness } => {
            let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, Json(readiness)).into_response()
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// What every answer says: nothing of it is to be kept by others, framed, or taken for something else.
async fn headers(request: Request<axum::body::Body>, next: Next) -> Response {
    let mut response = problem::told(next.run(request).await);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl Shared {
    /// Asks the desk; what comes back as it is JSON.
    async fn ask(&self, who: &Who, ask: Ask) -> Result<Reply, HttpProblem> {
        self.desk.answer(&who.0, ask).await.map_err(HttpProblem)
    }

    async fn json(&self, who: &Who, ask: Ask) -> Result<Response, HttpProblem> {
        Ok(match self.ask(who, ask).await? {
            Reply::Done => StatusCode::NO_CONTENT.into_response(),
            Reply::Me(view) => Json(view).into_response(),
            Reply::StaffMe(view) => Json(view).into_response(),
            Reply::Webhooks(WebhookReply::List(list)) => Json(list).into_response(),
            Reply::Webhooks(WebhookReply::One(view)) => Json(view).into_response(),
            Reply::Webhooks(WebhookReply::Made(made)) => Json(made).into_response(),
            Reply::Webhooks(WebhookReply::Deliveries(list)) => Json(list).into_response(),
            Reply::Webhooks(WebhookReply::Replayed(replayed)) => Json(replayed).into_response(),
            Reply::Staff(StaffReply::Companies(list)) => Json(list).into_response(),
            Reply::Staff(StaffReply::List(list)) => Json(list).into_response(),
            Reply::Staff(StaffReply::Password(made)) => Json(made).into_response(),
            Reply::Staff(StaffReply::Company(made)) => Json(made).into_response(),
            Reply::Notes(reply) => notes::said(reply),
            Reply::Notices(reply) => notices::response(reply),
            Reply::TryFlow(view) => Json(view).into_response(),
            Reply::Directory(reply) => directory::response(reply),
            Reply::Insight(reply) => insight::said(reply),
            Reply::Calls(page) => Json(page).into_response(),
            Reply::Call(call) => Json(call).into_response(),
            Reply::Live(calls) => Json(LiveList { calls }).into_response(),
            Reply::Recording(recording) => Json(recording).into_response(),
            Reply::Subscribers(extensions) => Json(SubscriberList { subscribers: extensions }).into_response(),
            Reply::Tokens(tokens) => Json(TokenList { tokens }).into_response(),
            Reply::NewToken(grant) => tokens::made(&grant),
            Reply::AccessLog(list) => Json(list).into_response(),
            Reply::TrunkState(state) => Json(state).into_response(),
            Reply::Devices(list) => Json(list).into_response(),
            Reply::Lockouts(reply) => locks::said(reply),
            Reply::Keeping(reply) => keeping::answer(reply),
            Reply::Shared(reply) => shared::said(reply),
            Reply::Texts(reply) => texts::said(reply),
            Reply::Voicemail(reply) => voicemail::answer(reply),
            // Audio is no JSON, and a link is shown once: their handlers ask by themselves.
            Reply::Audio { .. } | Reply::Wazo(_) | Reply::Provision(_) => {
                HttpProblem(super::Problem::Internal).into_response()
            }
        })
    }
}

type Handled = Result<Response, HttpProblem>;
type Desks = State<Shared>;
