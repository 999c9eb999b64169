//! The same events over WebSocket (RFC 6455).
//!
//! Each text message is one event, as in the `data` of the stream over HTTP; `{"position": N}` says
//! that there was nothing for the viewer up to there, `{"event": "rights"}` (where asked for) that what they
//! may see can have changed. What the far side sends is not read.
//!
//! | close code | why |
//! |---|---|
//! | 1001 | the service stops: come back |
//! | 4001 | the session or token has ended |
//! | 4008 | the reader was too slow: come back with `after` |
//! | 4010 | events that the stream had not come to were deleted: begin again |

use super::events::StreamQuery;
use super::who::{Who, bearer};
use super::{Desks, HttpProblem, Patience, Peer, Shared};
use crate::api::{Desk, EventStream, News, Over, Problem};
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Bytes of a message of the far side at most: it has nothing to say.
const LONGEST: usize = 4 << 10;
/// Pings that may be without an answer.
pub const PINGS: u32 = 2;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(socket))
}

/// A page that asks with its cookie is one of ours: a browser sends the cookie along whichever page
/// opens the socket, and says which (Origin). A token is sent by nobody but a program.
pub struct OwnPage;

impl FromRequestParts<Shared> for OwnPage {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, HttpProblem> {
        if bearer(&parts.headers).is_some() {
            return Ok(OwnPage);
        }
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip().to_canonical());
        match is_own_page(&parts.headers, peer, &shared.proxies) {
            true => Ok(OwnPage),
            false => Err(Problem::Forbidden("with a session's cookie only a page of this service opens a socket: its Origin has to be this host; programs send a token").into()),
        }
    }
}

fn is_own_page(headers: &HeaderMap, peer: Option<IpAddr>, proxies: &[IpAddr]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some((_, origin)) = text("origin").and_then(|origin| origin.split_once("://")) else { return false };
    let proxied = peer.is_some_and(|peer| proxies.contains(&peer));
    let host = text("x-forwarded-host").filter(|_| proxied).or_else(|| text(header::HOST.as_str()));
    host.is_some_and(|host| host.eq_ignore_ascii_case(origin))
}

/// Events over WebSocket. With `after` it goes on after that one. The close code says why it ends.
#[utoipa::path(get, path = "/events/ws", tag = "events", params(StreamQuery),
    responses((status = 101, description = "A socket"),
        (status = 410, description = "Events after that one were deleted: begin again")))]
async fn socket(
    State(shared): Desks,
    _own: OwnPage,
    Who(viewer): Who,
    headers: HeaderMap,
    query: Result<Query<StreamQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, HttpProblem> {
    let (after, which) = StreamQuery::read(query, &headers)?;
    let upgrade = upgrade.map_err(|error| Problem::Invalid {
        key: "Upgrade",
        value: error.body_text(),
        expected: "the handshake of a WebSocket (RFC 6455)",
    })?;
    let stream = shared.desk.open_stream(viewer, after, which).await?;
    let upgrade = upgrade.max_message_size(LONGEST).max_frame_size(LONGEST);
    Ok(upgrade.on_upgrade(move |socket| serve(socket, shared.desk, stream, shared.patience)))
}

/// Sends until the viewer may read no more, the reader is too slow, or the far side is gone.
async fn serve(mut socket: WebSocket, desk: Arc<Desk>, mut stream: EventStream, patience: Patience) {
    let (mut sent, mut unanswered) = (stream.position(), 0);
    loop {
        let news = tokio::select! {
            news = desk.next_news(&mut stream) => news,
            heard = socket.recv() => match heard {
                Some(Err(_)) | None => return,
                // A close is answered by the next look, which finds the end.
                Some(Ok(_)) => {
                    unanswered = 0;
                    continue;
                }
            },
        };
        let messages = match news {
            News::Event(shown) => {
                sent = shown.seq;
                vec![Message::Text(shown.json.as_str().into())]
            }
            News::Rights => vec![Message::Text(r#"{"event":"rights"}"#.into())],
            News::Position(position) => {
                unanswered += 1;
                if unanswered > PINGS {
                    return;
                }
                let told = (position > sent).then(|| Message::Text(format!("{{\"position\":{position}}}").into()));
                sent = sent.max(position);
                told.into_iter().chain([Message::Ping(Default::default())]).collect()
            }
            News::Over(over) => return close(&mut socket, farewell(&over), patience).await,
        };
        for message in messages {
            match tell(&mut socket, message, patience).await {
                Ok(()) => {}
                Err(Untaken::Gone) => return,
                Err(Untaken::Slow) => {
                    let reason = "too slow: come back with `after`, the seq of the last event".to_owned();
                    return close(&mut socket, (4008, reason), patience).await;
                }
            }
        }
    }
}

fn farewell(over: &Over) -> (u16, String) {
    match over {
        Over::LoggedOut => (4001, "the session or token has ended".to_owned()),
        Over::Gone { purged } => (4010, format!("events up to {purged} were deleted: begin again after {purged}")),
        Over::Unable => (1001, "the service stops: come back with `after`, the seq of the last event".to_owned()),
    }
}

/// Why the far side did not take a message.
pub enum Untaken {
    Gone,
    Slow,
}

/// Sends as long as one has patience.
pub async fn tell(socket: &mut WebSocket, message: Message, patience: Patience) -> Result<(), Untaken> {
    match timeout(patience.slow, socket.send(message)).await {
        Ok(sent) => sent.map_err(|_| Untaken::Gone),
        Err(_) => Err(Untaken::Slow),
    }
}

pub async fn close(socket: &mut WebSocket, (code, reason): (u16, String), patience: Patience) {
    let last = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    let _ = timeout(patience.farewell, socket.send(last)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_site_opens_no_socket_with_the_cookie_that_its_browser_sends() {
        let proxy: IpAddr = "192.0.2.1".parse().unwrap();
        for (origin, forwarded, peer, own) in [
            (Some("https://calls.example"), None, "198.51.100.7", true),
            (Some("https://CALLS.example"), None, "198.51.100.7", true),
            (Some("https://calls.example:8443"), None, "198.51.100.7", false),
            (Some("https://evil.example"), None, "198.51.100.7", false),
            (Some("https://calls.example.evil.example"), None, "198.51.100.7", false),
            (Some("null"), None, "198.51.100.7", false),
            (None, None, "198.51.100.7", false),
            (Some("https://front.example"), Some("front.example"), "192.0.2.1", true),
            (Some("https://front.example"), Some("front.example"), "198.51.100.7", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", "calls.example".parse().unwrap());
            for (name, value) in [("origin", origin), ("x-forwarded-host", forwarded)] {
                headers
                    .extend(value.map(|value| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())));
            }
            let found = is_own_page(&headers, Some(peer.parse().unwrap()), &[proxy]);
            assert_eq!(found, own, "{origin:?} {forwarded:?} {peer}");
        }
    }
}
