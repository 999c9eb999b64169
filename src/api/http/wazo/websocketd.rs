//! `/api/websocketd`: events of the compatible API over WebSocket, as Wazo's clients ask for them.
//!
//! The far side says `{"op": "subscribe", "data": {"event_name": NAME}}` (`*`: all) as often as it likes, and
//! `{"op": "start"}`; each is answered `{"op": …, "code": 0, "data": null}`. From then on events of those names
//! come, as `{"op": "event", "code": 0, "data": {"name": …}}` in version 2 of the protocol and bare in version 1,
//! the older one, which answers nothing after the start. `ping` is answered by `pong` in version 2, and
//! `token` names another token, which counts from then on.
//!
//! | close code | why |
//! |---|---|
//! | 1001 | the service stops: come back |
//! | 1013 | the reader was too slow: come back |
//! | 4001 | no token was sent |
//! | 4002 | the token does not hold, or does not give `websocketd` and events |
//! | 4003 | the token has ended |
//! | 4004 | what the far side said is not of the protocol |

use super::super::socket::{PINGS, Untaken, close, tell};
use super::super::who::bearer;
use super::super::{Desks, Shared};
use super::Asked;
use super::error::Style;
use crate::api::{EventStream, News, Over, Permission, Problem, Viewer, Which};
use crate::subscription::{Asker, Kinds};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Names that one socket subscribes to at most, and how long they are; there are fewer kinds of events than that.
const NAMES: usize = 1_000;
const NAME: usize = 100;
/// Bytes of a message of the far side at most.
const LONGEST: usize = 4 << 10;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(open)).routes(routes!(open_below))
}

/// Events over WebSocket, as Wazo's clients ask for them: `subscribe` to names, then `start`.
#[utoipa::path(get, path = "/api/websocketd", tag = "compatible: websocketd", operation_id = "wazo_events",
    params(("token" = Option<String>, Query), ("version" = Option<u8>, Query)),
    responses((status = 101, description = "A socket")))]
async fn open(State(shared): Desks, asked: Asked) -> Response {
    upgraded(shared, asked).await
}

/// The same, as Wazo's JavaScript client writes the path.
#[utoipa::path(get, path = "/api/websocketd/", tag = "compatible: websocketd", operation_id = "wazo_events_below",
    params(("token" = Option<String>, Query), ("version" = Option<u8>, Query)),
    responses((status = 101, description = "A socket")))]
async fn open_below(State(shared): Desks, asked: Asked) -> Response {
    upgraded(shared, asked).await
}

/// Whoever may not, is told so by a close code: clients in browsers see no status of a handshake.
async fn upgraded(shared: Shared, mut asked: Asked) -> Response {
    let upgrade = WebSocketUpgrade::from_request_parts(&mut asked.parts, &shared).await;
    asked.takes_token_of_query();
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.max_message_size(LONGEST).max_frame_size(LONGEST),
        Err(error) => {
            let expected = "the handshake of a WebSocket (RFC 6455)";
            let no_handshake = Problem::Invalid { key: "Upgrade", value: error.body_text(), expected };
            let problem = asked.who(&shared).await.err().unwrap_or(no_handshake);
            return Style::Auth.response(&problem);
        }
    };
    let opened = opened(&shared, &mut asked).await;
    upgrade.on_upgrade(async move |mut socket| match opened {
        Ok((version, viewer, stream)) => Session::new(shared, version, viewer).serve(socket, stream).await,
        Err(farewell) => close(&mut socket, farewell, shared.patience).await,
    })
}

/// Why a socket is closed.
type Farewell = (u16, String);

async fn opened(shared: &Shared, asked: &mut Asked) -> Result<(u8, Viewer, EventStream), Farewell> {
    let version = match asked.params().get("version") {
        None | Some("1") => 1,
        Some("2") => 2,
        Some(other) => return Err((4004, format!("version {} is not 1 or 2", short(other)))),
    };
    if bearer(&asked.parts.headers).is_none() {
        return Err((4001, "no token: ?token=TOKEN or X-Auth-Token".to_owned()));
    }
    let viewer = asked.who(shared).await.map_err(|problem| refusal(&problem))?.0;
    let stream = stream_of(shared, viewer.clone(), None).await?;
    Ok((version, viewer, stream))
}

async fn stream_of(shared: &Shared, viewer: Viewer, after: Option<i64>) -> Result<EventStream, Farewell> {
    let asker = Asker { user: "", session: "" };
    if !viewer.scopes.access_any(&["websocketd"], asker) && !viewer.scopes.allow(Permission::ReadEvents) {
        return Err(refusal(&Problem::NoScope("websocketd")));
    }
    let kinds = Kinds::parse("events.#").map_err(|_| refusal(&Problem::Internal))?;
    let which = Which { kinds, inbox: None, rights: false };
    shared.desk.open_stream(viewer, after, which).await.map_err(|problem| refusal(&problem))
}

fn refusal(problem: &Problem) -> Farewell {
    match problem {
        Problem::Internal => (1011, "an error of the service".to_owned()),
        Problem::EventsGone { .. } => (1013, "too slow: come back".to_owned()),
        other => (4002, short(&other.to_string())),
    }
}

/// A reason has 123 bytes at most (RFC 6455 §5.5).
fn short(text: &str) -> String {
    let end = text.char_indices().map(|(at, char)| at + char.len_utf8()).take_while(|end| *end <= 80).last();
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

/// What the far side says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Subscribe(String),
    Start,
    Token(String),
    Ping(String),
}

impl Said {
    /// # Errors
    /// What is wrong with it.
    fn read(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Frame {
            op: String,
            #[serde(default)]
            data: Value,
        }
        let Frame { op, data } = serde_json::from_str(text).map_err(|_| "not an object with an op".to_owned())?;
        let text = |key: &str| match data.get(key).and_then(Value::as_str) {
            Some(text) => Ok(text.to_owned()),
            None => Err(format!("{op} without a text {key} in data")),
        };
        match op.as_str() {
            "subscribe" => text("event_name").map(Said::Subscribe),
            "start" => Ok(Said::Start),
            "token" => text("token").map(Said::Token),
            "ping" => text("payload").map(Said::Ping),
            other => Err(format!("there is no op {}", short(other))),
        }
    }
}

/// One socket.
struct Session {
    shared: Shared,
    version: u8,
    viewer: Viewer,
    started: bool,
    /// Of events that it is told.
    names: BTreeSet<String>,
}

impl Session {
    fn new(shared: Shared, version: u8, viewer: Viewer) -> Self {
        Session { shared, version, viewer, started: false, names: BTreeSet::new() }
    }

    /// Until the token ends, the reader is too slow, says what is not of the protocol, or is gone.
    async fn serve(mut self, mut socket: WebSocket, mut stream: EventStream) {
        let patience = self.shared.patience;
        let mut unanswered = 0;
        let first = frame("init", json!({ "version": self.version }));
        let mut messages = vec![Message::Text(first.into())];
        loop {
            for message in messages.drain(..) {
                match tell(&mut socket, message, patience).await {
                    Ok(()) => {}
                    Err(Untaken::Gone) => return,
                    Err(Untaken::Slow) => {
                        let reason = "too slow: come back".to_owned();
                        return close(&mut socket, (1013, reason), patience).await;
                    }
                }
            }
            let told = tokio::select! {
                news = self.shared.desk.next_news(&mut stream) => match news {
                    News::Event(shown) => Ok(self.event(shown.name, &shown.json)),
                    News::Rights => Ok(None),
                    News::Position(_) => {
                        unanswered += 1;
                        if unanswered > PINGS {
                            return;
                        }
                        messages.push(Message::Ping(Default::default()));
                        Ok(None)
                    }
                    News::Over(Over::LoggedOut) => Err((4003, "the token has ended".to_owned())),
                    News::Over(Over::Gone { .. }) => Err((1013, "too slow: come back".to_owned())),
                    News::Over(Over::Unable) => Err((1001, "the service stops: come back".to_owned())),
                },
                heard = socket.recv() => {
                    unanswered = 0;
                    match heard {
                        Some(Ok(Message::Text(text))) => self.hear(&text, &mut stream).await,
                        Some(Ok(Message::Binary(_))) => Err((4004, "a frame that is no text".to_owned())),
                        // A close is answered by the next look, which finds the end.
                        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => Ok(None),
                        Some(Err(_)) | None => return,
                    }
                }
            };
            match told {
                Ok(told) => messages.extend(told.map(|text| Message::Text(text.into()))),
                Err(farewell) => return close(&mut socket, farewell, patience).await,
            }
        }
    }

    /// What is said to it.
    async fn hear(&mut self, text: &str, stream: &mut EventStream) -> Result<Option<String>, Farewell> {
        let said = Said::read(text).map_err(|error| (4004, error))?;
        if let Said::Token(secret) = &said {
            let company = self.viewer.company.clone();
            let viewer = self.shared.desk.viewer(secret, company, self.viewer.source).await;
            let viewer = viewer.map_err(|problem| refusal(&problem))?.0;
            // Somebody else is told what happens from now on.
            let after = (viewer.owner == self.viewer.owner).then(|| stream.told());
            *stream = stream_of(&self.shared, viewer.clone(), after).await?;
            self.viewer = viewer;
        }
        self.answer(said)
    }

    fn answer(&mut self, said: Said) -> Result<Option<String>, Farewell> {
        let answers = !self.started || self.version == 2;
        let (op, data) = match said {
            Said::Subscribe(name) => {
                if name.len() > NAME {
                    return Err((4004, format!("the name of an event has up to {NAME} bytes")));
                }
                self.names.insert(name);
                if self.names.len() > NAMES {
                    return Err((4004, format!("more than {NAMES} names of events")));
                }
                ("subscribe", Value::Null)
            }
            Said::Start => {
                self.started = true;
                return Ok(Some(frame("start", Value::Null)));
            }
            Said::Token(_) => ("token", Value::Null),
            Said::Ping(_) if self.version == 1 => return Ok(None),
            Said::Ping(payload) => ("pong", json!({ "payload": payload })),
        };
        Ok(answers.then(|| frame(op, data)))
    }

    /// As it is told, if it is.
    fn event(&self, name: &str, json: &str) -> Option<String> {
        let wanted = self.started && ["*", name].into_iter().any(|name| self.names.contains(name));
        wanted.then(|| match self.version {
            1 => json.to_owned(),
            _ => format!(r#"{{"op":"event","code":0,"data":{json}}}"#),
        })
    }
}

fn frame(op: &str, data: Value) -> String {
    json!({ "op": op, "code": 0, "data": data }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_the_protocol_is_named() {
        let read = |text: &str| Said::read(text);
        assert_eq!(read(r#"{"op":"start"}"#), Ok(Said::Start));
        assert_eq!(
            read(r#"{"op":"subscribe","data":{"event_name":"*"},"more":1}"#),
            Ok(Said::Subscribe("*".to_owned()))
        );
        assert_eq!(read(r#"{"op":"ping","data":{"payload":"x"}}"#), Ok(Said::Ping("x".to_owned())));
        for (text, part) in [
            ("", "object"),
            ("[]", "object"),
            (r#"{"op":7}"#, "object"),
            (r#"{"op":"subscribe"}"#, "event_name"),
            (r#"{"op":"subscribe","data":{"event_name":7}}"#, "event_name"),
            (r#"{"op":"token","data":[]}"#, "token"),
            (r#"{"op":"fly"}"#, "fly"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_reason_fits_into_a_close_frame() {
        for text in ["", "short", &"é".repeat(500), &"x".repeat(500)] {
            let short = short(text);
            assert!(short.len() <= 80 && text.starts_with(&short), "{short}");
        }
        assert_eq!(short("ended").len(), 5);
        assert_eq!(short(&"é".repeat(500)).len(), 80);
    }
}
