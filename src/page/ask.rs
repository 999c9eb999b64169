//! What a page asks the API for.

use super::Seen;
use super::day::as_moment;
use super::table::{Asked, Need};
use crate::api::http::{ABOVE, COMPANY, Peer};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tower::ServiceExt;

/// Bytes of an answer at most.
const ANSWER: usize = 32 << 20;
/// Pages of a list that is wanted whole: 1,000 things.
const PAGES: u32 = 5;
/// What goes along with each request: who asks, of which company, and whence.
const PASSED: [HeaderName; 3] =
    [header::COOKIE, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-forwarded-proto")];

/// An answer of the API.
pub struct Answered {
    pub status: StatusCode,
    pub body: Value,
}

/// Asks the API as the browser would, with its session.
pub struct Asker {
    api: Router,
    headers: HeaderMap,
    peer: Option<ConnectInfo<Peer>>,
}

impl Asker {
    /// Where `above`, of no company, whichever was chosen.
    pub fn new(api: Router, seen: &Seen, above: bool) -> Self {
        let mut headers = HeaderMap::new();
        for name in PASSED.into_iter().chain([HeaderName::from_static(COMPANY)]) {
            for value in seen.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        if above {
            headers.insert(COMPANY, HeaderValue::from_static(ABOVE));
        }
        Asker { api, headers, peer: seen.peer }
    }

    /// `path` below `/api/v1`, and its query.
    pub async fn get(&self, path: &str, query: &str) -> Answered {
        let separator = if query.is_empty() { "" } else { "?" };
        let mut request = match Request::get(format!("/api/v1{path}{separator}{query}")).body(Body::empty()) {
            Ok(request) => request,
            // A path or a query that is none names nothing.
            Err(_) => return Answered { status: StatusCode::NOT_FOUND, body: Value::Null },
        };
        *request.headers_mut() = self.headers.clone();
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let response = match self.api.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let bytes = to_bytes(response.into_body(), ANSWER).await.unwrap_or_default();
        let mut body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        // With it a form changes nothing that somebody else has changed meanwhile.
        if let (Value::Object(body), Some(tag)) = (&mut body, tag) {
            body.insert("tag".to_owned(), tag.into());
        }
        Answered { status, body }
    }

    /// The further pages of a list, behind its first one. What is left where there are very many keeps its `next`.
    async fn complete(&self, body: &mut Value, list: &str, path: &str, query: &str) {
        for _ in 1..PAGES {
            let Some(next) = body.get("next").and_then(Value::as_str).map(quoted) else { return };
            let Answered { status, body: mut more } = self.get(path, &format!("{query}&after={next}")).await;
            let found = more.get_mut(list).and_then(Value::as_array_mut).map(std::mem::take);
            let (StatusCode::OK, Some(found)) = (status, found) else { return };
            if let Some(all) = body.get_mut(list).and_then(Value::as_array_mut) {
                all.extend(found);
            }
            if let (Value::Object(body), Value::Object(mut more)) = (&mut *body, more) {
                match more.remove("next") {
                    Some(next) => body.insert("next".to_owned(), next),
                    None => body.remove("next"),
                };
            }
        }
    }

    /// What a page asks for by `asked`; `context` has what was answered before it.
    pub async fn answer(&self, asked: &Asked, said: &Said, context: &Map<String, Value>) -> Result<Value, Answered> {
        let query = said.query_for(asked);
        let had = |(name, pointer)| context.get(name).and_then(|value| value.pointer(pointer));
        if asked.unless.and_then(had).is_some_and(|value| !value.is_null()) {
            return Ok(Value::Null);
        }
        match asked.over {
            None => {
                let about = asked.about.and_then(|name| context.get(name)).unwrap_or(&Value::Null);
                let Some(path) = said.path(asked.path, about) else { return Ok(Value::Null) };
                let mut answered = self.get(&path, &query).await;
                if let Some(list) = asked.whole {
                    self.complete(&mut answered.body, list, &path, &query).await;
                }
                match (answered.status == StatusCode::OK, asked.need) {
                    (true, _) => Ok(answered.body),
                    (false, Need::Must) => Err(answered),
                    (false, Need::May) => Ok(Value::Null),
                }
            }
            Some(pointer) => {
                let mut all = Vec::new();
                for one in context
                    .get(pointer.0)
                    .and_then(|value| value.pointer(pointer.1))
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                {
                    let Some(path) = said.path(asked.path, one) else { continue };
                    let answered = self.get(&path, &query).await;
                    all.push(if answered.status == StatusCode::OK {
                        answered.body
                    } else {
                        json!({ "problem": answered.body })
                    });
                }
                Ok(Value::Array(all))
            }
        }
    }
}

/// What the path and the query of a page say.
pub struct Said {
    params: BTreeMap<String, String>,
    query: Vec<(String, String)>,
    zone: String,
}

impl Said {
    pub fn new<'p>(params: impl IntoIterator<Item = (&'p str, &'p str)>, query: &str, zone: &str) -> Self {
        let params = params.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let query = form_urlencoded::parse(query.as_bytes()).into_owned();
        // What is left empty in a form is not asked for.
        Said { params, query: query.filter(|(_, value)| !value.is_empty()).collect(), zone: zone.to_owned() }
    }

    pub fn query(&self) -> Value {
        Value::Object(self.query.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect())
    }

    pub fn params(&self) -> Value {
        Value::Object(self.params.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect())
    }

    /// The query of one request: what is fixed, and of what the page was asked for the names that the
    /// request has. A day becomes the moment at which it begins in the company's zone.
    fn query_for(&self, asked: &Asked) -> String {
        let taken = self.query.iter().filter(|(name, _)| asked.query.contains(&name.as_str()));
        let moments = taken.map(|(name, value)| {
            let moment = match (asked.days, name.as_str()) {
                (true, "from") => as_moment(value, &self.zone, 0),
                (true, "until") => as_moment(value, &self.zone, 1),
                (_, _) => None,
            };
            format!("{name}={}", quoted(moment.as_deref().unwrap_or(value)))
        });
        let fixed = [asked.fixed.to_owned()].into_iter().filter(|fixed| !fixed.is_empty());
        fixed.chain(moments).collect::<Vec<_>>().join("&")
    }

    /// The path with its names filled in: from the page's own path or query, or from the thing that it is asked
    /// for. `None`: a name has no value, and nothing is asked.
    fn path(&self, template: &str, one: &Value) -> Option<String> {
        let mut parts = Vec::new();
        for part in template.split('/') {
            parts.push(match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                None => part.to_owned(),
                Some(name) => {
                    let own = one.get(name).or_else(|| one.as_str().map(|_| one));
                    let own = own.and_then(|value| {
                        value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|id| id.to_string()))
                    });
                    let param = self.params.get(name).cloned();
                    let asked = || self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
                    quoted(&own.or(param).or_else(asked)?)
                }
            });
        }
        Some(parts.join("/"))
    }
}

/// As it stands in a path or a query (RFC 3986 §2.3).
pub fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => quoted.push(char::from(byte)),
            byte => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(query: &str) -> Said {
        Said::new([("id", "a/b")], query, "Europe/Berlin")
    }

    #[test]
    fn a_query_is_read_as_a_form_wrote_it() {
        for text in ["a b", "+49 30", "100 %", "ä&=/?"] {
            assert_eq!(said(&format!("text={}", quoted(text))).query()["text"], text);
        }
        let rows =
            [("a%20b", "a b"), ("a+b", "a b"), ("%2B1", "+1"), ("100%", "100%"), ("%zz", "%zz"), ("%c3%a9", "é")];
        for (written, meant) in rows {
            assert_eq!(said(&format!("text={written}")).query()["text"], meant);
        }
        assert_eq!(said("text=a+b%2Bc%zz&user=").query(), json!({ "text": "a b+c%zz" }));
    }

    #[test]
    fn only_what_a_request_has_is_passed_on_and_days_are_those_of_the_company() {
        let asked = Asked::must("calls", "/calls").fixed("limit=50").of(&["from", "until", "text"]).days();
        let query = said("from=2026-03-29&until=2026-03-29&text=a%26b&user=9").query_for(&asked);
        // The day on which clocks change there has 23 hours.
        assert_eq!(query, "limit=50&from=2026-03-28T23%3A00%3A00Z&until=2026-03-29T22%3A00%3A00Z&text=a%26b");
    }

    #[test]
    fn a_path_is_filled_in_and_cannot_be_left() {
        assert_eq!(said("").path("/calls/{id}", &Value::Null).as_deref(), Some("/calls/a%2Fb"));
        assert_eq!(said("").path("/recordings/{id}", &json!({ "id": "r?1" })).as_deref(), Some("/recordings/r%3F1"));
        assert_eq!(said("box=8000").path("/voicemails/{box}", &Value::Null).as_deref(), Some("/voicemails/8000"));
        assert_eq!(said("").path("/voicemails/{box}", &Value::Null), None);
    }
}
