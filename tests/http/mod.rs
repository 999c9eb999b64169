//! A small HTTP/1.1 client for tests: one connection a request, and streams of events.

pub mod service;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);

/// Where the API is.
#[derive(Clone, Copy)]
pub struct Http(pub SocketAddr);

pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {text}", self.status))
    }
}

impl Http {
    fn open(self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.0).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.0);
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        stream.write_all(&[format!("{text}\r\n").as_bytes(), body].concat()).unwrap();
        BufReader::new(stream)
    }

    pub fn ask(self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.ask_with_bytes(method, path, headers, body.as_bytes())
    }

    pub fn ask_with_bytes(self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let mut reader = self.open(method, path, headers, body);
        let (status, headers) = head(&mut reader);
        let mut body = Vec::new();
        reader.read_to_end(&mut body).unwrap();
        Response { status, headers, body }
    }

    /// Opens a stream of events from now on.
    pub fn stream_with(self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut reader = self.open("GET", path, headers, &[]);
        let (status, headers) = head(&mut reader);
        let kind = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
        assert_eq!((status, kind), (200, Some("text/event-stream")), "{path}");
        Stream(reader)
    }

    /// As an operator or a reseller, who say with each request of which company they ask.
    pub fn log_in_as_staff(self, name: &str, password: &str) -> Session {
        let body = serde_json::json!({ "user": name, "password": password }).to_string();
        self.opened(name, &body)
    }

    pub fn log_in(self, company: &str, user: &str, password: &str) -> Session {
        let body = serde_json::json!({ "company": company, "user": user, "password": password }).to_string();
        self.opened(&format!("{company}/{user}"), &body)
    }

    /// A program with a token, which asks of that company where its owner has several.
    pub fn as_program(self, secret: &str, company: Option<&str>) -> Program {
        Program { http: self, bearer: format!("Bearer {secret}"), company: company.map(str::to_owned) }
    }

    fn stream(self, path: &str, after: Option<i64>, headers: Vec<(&str, &str)>) -> Stream {
        let last = after.map(|after| after.to_string());
        let after = last.as_deref().map(|last| ("Last-Event-ID", last));
        let headers: Vec<(&str, &str)> = headers.into_iter().chain(after).collect();
        self.stream_with(path, &headers)
    }

    fn opened(self, who: &str, body: &str) -> Session {
        let answer = self.ask("POST", "/api/v1/session", &[], body);
        assert_eq!(answer.status, 200, "{who}: {}", String::from_utf8_lossy(&answer.body));
        let set = answer.header("set-cookie").unwrap();
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
        let cookie = set.split(';').next().unwrap().to_owned();
        let csrf = answer.json()["csrf_token"].as_str().unwrap().to_owned();
        Session { http: self, cookie, csrf, company: None }
    }
}

fn head(reader: &mut BufReader<TcpStream>) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {line:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { return (status, headers) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// A person who is logged in, as a browser is.
pub struct Session {
    http: Http,
    cookie: String,
    csrf: String,
    company: Option<String>,
}

impl Session {
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The same person, asking of that company.
    pub fn of(&self, company: &str) -> Session {
        Session {
            company: Some(company.to_owned()),
            http: self.http,
            cookie: self.cookie.clone(),
            csrf: self.csrf.clone(),
        }
    }

    pub fn get(&self, path: &str) -> Response {
        self.get_with(path, &[])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let company = self.company.as_deref().map(|company| ("Telegraphone-Company", company));
        let own = [("Cookie", self.cookie.as_str())].into_iter().chain(company);
        let all: Vec<(&str, &str)> = headers.iter().copied().chain(own).collect();
        self.http.ask("GET", path, &all, "")
    }

    pub fn put(&self, path: &str) -> Response {
        self.send("PUT", path, "")
    }

    pub fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, "")
    }

    pub fn send(&self, method: &str, path: &str, body: &str) -> Response {
        self.send_with(method, path, &[], body.as_bytes())
    }

    pub fn send_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let company = self.company.as_deref().map(|company| ("Telegraphone-Company", company));
        let own = [("Cookie", self.cookie.as_str()), ("X-CSRF-Token", &self.csrf)];
        let all: Vec<(&str, &str)> = headers.iter().copied().chain(own).chain(company).collect();
        self.http.ask_with_bytes(method, path, &all, body)
    }

    pub fn without_csrf(&self, method: &str, path: &str, body: &str) -> Response {
        self.http.ask(method, path, &[("Cookie", &self.cookie)], body)
    }

    /// Opens a stream of events, after the event `after`.
    pub fn stream(&self, path: &str, after: Option<i64>) -> Stream {
        let mut headers = vec![("Cookie", self.cookie.as_str())];
        headers.extend(self.company.as_deref().map(|company| ("Telegraphone-Company", company)));
        self.http.stream(path, after, headers)
    }

    /// What a stream says at once, as text.
    pub fn first_events_after(&self, after: i64) -> String {
        let last = after.to_string();
        let headers = [("Cookie", self.cookie.as_str()), ("Last-Event-ID", &last)];
        let mut reader = self.http.open("GET", "/api/v1/events", &headers, &[]);
        reader.get_ref().set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut text = String::new();
        let _ = reader.read_to_string(&mut text);
        text
    }
}

/// A program with a token.
pub struct Program {
    http: Http,
    bearer: String,
    company: Option<String>,
}

impl Program {
    fn headers(&self) -> Vec<(&str, &str)> {
        let company = self.company.as_deref().map(|company| ("Telegraphone-Company", company));
        [("Authorization", self.bearer.as_str())].into_iter().chain(company).collect()
    }

    pub fn get(&self, path: &str) -> Response {
        self.http.ask("GET", path, &self.headers(), "")
    }

    pub fn stream(&self, path: &str, after: Option<i64>) -> Stream {
        self.http.stream(path, after, self.headers())
    }
}

/// A stream of events that is open.
pub struct Stream(BufReader<TcpStream>);

pub struct Event {
    /// 0 of one without.
    pub id: i64,
    pub name: String,
    pub data: serde_json::Value,
}

impl Stream {
    /// Waits until the service ends the stream; `false`: it went on for as long as one waits.
    pub fn ends(mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).is_ok()
    }

    /// Whatever comes until the service ends the stream.
    pub fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }

    /// The next event; chunk sizes and comments between are passed over.
    pub fn next(&mut self) -> Event {
        let (mut id, mut name, mut data) = (None, None, None);
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream has ended");
            if line.trim_end().is_empty() {
                match (id.take(), name.take(), data.take()) {
                    (id, Some(name), Some(data)) => return Event { id: id.unwrap_or_default(), name, data },
                    // An id alone, or what stands between two chunks.
                    _ => continue,
                }
            }
            match line.trim_end().split_once(": ") {
                Some(("id", value)) => id = value.parse().ok(),
                Some(("event", value)) => name = Some(value.to_owned()),
                Some(("data", value)) => data = serde_json::from_str(value).ok(),
                _ => {}
            }
        }
    }
}
