//! Bytes to messages: datagrams and streams (RFC 3261 §7, §18.3; RFC 5626 §3.5.1).
//!
//! The lexer is liberal (folding, space around colons, bare line feeds, compact names), the
//! framing is not: a Content-Length that cannot be trusted is an error, and on a stream the end
//! of the connection.

use super::lex;
use super::message::{Headers, Message, Method, Request, Response};
use super::uri::Uri;
use bytes::{Buf as _, Bytes, BytesMut};

/// The largest message that a stream may carry, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// More header lines than this are refused.
const MAX_HEADERS: usize = 512;

/// What is wrong with a message; the key of the malformed counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    StartLine,
    Version,
    Header,
    ContentLength,
    TooLarge,
    Truncated,
}

/// A message that cannot be read. `reply_to` is what could be read of a request, for a stateless
/// answer with `status`; a malformed response has none and is dropped in silence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {reason}")]
pub struct ParseError {
    pub status: u16,
    /// The reason phrase of the answer; it names the offending value.
    pub reason: String,
    pub defect: Defect,
    /// Its URI is `sip:invalid` where that could not be read, its body is empty.
    pub reply_to: Option<Box<Request>>,
    /// On a stream the place where the next message begins is lost: answer, then close.
    pub fatal: bool,
}

impl ParseError {
    fn new(status: u16, defect: Defect, reason: impl Into<String>) -> Self {
        ParseError { status, reason: reason.into(), defect, reply_to: None, fatal: false }
    }
}

/// One message of a datagram; octets after its Content-Length are ignored (RFC 3261 §18.3).
pub fn parse_datagram(bytes: &[u8]) -> Result<Message, ParseError> {
    let bytes = skip_line_breaks(bytes);
    let Some(head_len) = head_length(bytes) else {
        let mut error = ParseError::new(400, Defect::Truncated, "No end of headers");
        error.reply_to = head_of(bytes).reply_to();
        return Err(error);
    };
    let (head, rest) = bytes.split_at_checked(head_len).unwrap_or((bytes, &[]));
    let head = head_of(head);
    let body = match head.content_length() {
        Ok(None) => rest,
        Ok(Some(length)) => match rest.get(..length) {
            Some(body) => body,
            None => {
                let reason = format!("Content-Length {length} beyond the datagram ({} octets)", rest.len());
                return Err(head.error(ParseError::new(400, Defect::ContentLength, reason)));
            }
        },
        Err(error) => return Err(head.error(error)),
    };
    head.message(body)
}

/// Whether a datagram is no message but a keep-alive (RFC 5626 §3.5.1 and what phones make of it).
pub fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= 8 && bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0 | b' '))
}

/// What a stream holds.
#[expect(clippy::large_enum_variant, reason = "handed over once and matched at once, never stored")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Message(Message),
    /// CRLF CRLF between messages: answer with one CRLF (RFC 5626 §3.5.1).
    Ping,
}

/// Cuts a stream into messages; push bytes, then take frames until there is none.
///
/// Reading ─fatal error─► Dead (nothing more comes; close the connection)
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// No end of headers before this offset.
    scanned: usize,
    /// Length of the message that the buffer begins with, once its headers are there.
    expected: Option<usize>,
    dead: bool,
}

impl Framer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if !self.dead {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether a message has begun and not ended: a peer that leaves it so is to be cut off.
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Octets that are here and no message yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// After a fatal error: the connection is to be closed.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    fn die(&mut self, mut error: ParseError) -> ParseError {
        self.dead = true;
        self.buffer = BytesMut::new();
        error.fatal = true;
        error
    }

    fn consume(&mut self, length: usize) {
        self.buffer.advance(length.min(self.buffer.len()));
        self.scanned = 0;
        self.expected = None;
    }

    /// The length of the message at the start of the buffer; `None` until its headers end.
    fn measure(&mut self) -> Result<Option<usize>, ParseError> {
        if let Some(expected) = self.expected {
            return Ok(Some(expected));
        }
        // The end of headers is at most three octets long: look again at what may be its begin.
        let from = self.scanned.saturating_sub(3);
        let Some(head_len) = head_length_from(&self.buffer, from) else {
            self.scanned = self.buffer.len();
            if self.buffer.len() > MAX_MESSAGE {
                let mut error = ParseError::new(513, Defect::TooLarge, "Headers Too Large");
                error.reply_to = head_of(&self.buffer).reply_to();
                return Err(self.die(error));
            }
            return Ok(None);
        };
        let head = head_of(self.buffer.get(..head_len).unwrap_or(&[]));
        let missing = || ParseError::new(400, Defect::ContentLength, "Missing Content-Length");
        let length = head.content_length().and_then(|length| length.ok_or_else(missing));
        let total = match length {
            Ok(length) => head_len.saturating_add(length),
            Err(error) => {
                let error = head.error(error);
                return Err(self.die(error));
            }
        };
        if total > MAX_MESSAGE {
            let error = ParseError::new(513, Defect::TooLarge, format!("Message Too Large: {total} octets"));
            let error = head.error(error);
            return Err(self.die(error));
        }
        self.expected = Some(total);
        Ok(Some(total))
    }
}

/// A frame by its length, not read yet.
enum Ready {
    Message(Bytes),
    Ping,
}

impl Framer {
    /// The octets of the next message, unread; keep-alives are passed over. `None` until more
    /// bytes come. Errors are fatal.
    pub fn next_bytes(&mut self) -> Option<Result<Bytes, ParseError>> {
        loop {
            match self.ready()? {
                Ok(Ready::Message(bytes)) => return Some(Ok(bytes)),
                Ok(Ready::Ping) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn ready(&mut self) -> Option<Result<Ready, ParseError>> {
        if self.expected.is_none() {
            // One octet at a time, so that the frames do not depend on how the stream is cut.
            while let Some(b'\r' | b'\n') = self.buffer.first() {
                if self.buffer.starts_with(b"\r\n\r\n") {
                    self.consume(4);
                    return Some(Ok(Ready::Ping));
                }
                if b"\r\n\r".starts_with(&self.buffer) {
                    return None;
                }
                self.consume(1);
            }
            if self.buffer.is_empty() {
                return None;
            }
        }
        let total = match self.measure() {
            Ok(Some(total)) => total,
            Ok(None) => return None,
            Err(error) => return Some(Err(error)),
        };
        if self.buffer.len() < total {
            return None;
        }
        let message = self.buffer.split_to(total).freeze();
        self.consume(0);
        Some(Ok(Ready::Message(message)))
    }
}

impl Iterator for Framer {
    type Item = Result<Frame, ParseError>;

    /// The next frame; `None` until more bytes come (or, when dead, for ever).
    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.ready()? {
            Ok(Ready::Message(bytes)) => parse_datagram(&bytes).map(Frame::Message),
            Ok(Ready::Ping) => Ok(Frame::Ping),
            Err(error) => Err(error),
        })
    }
}

fn skip_line_breaks(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or(&[])
}

/// The length of start line and headers, the empty line included.
fn head_length(bytes: &[u8]) -> Option<usize> {
    head_length_from(bytes, 0)
}

fn head_length_from(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|b| *b == b'\n')? + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Start line and headers as far as they can be read.
struct Head {
    start: Result<Start, ParseError>,
    is_response: bool,
    headers: Headers,
    /// The first line that is no header.
    bad_line: Option<String>,
}

enum Start {
    Request { method: Method, uri: Uri },
    Response { status: u16, reason: String },
}

fn head_of(bytes: &[u8]) -> Head {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let start_line = lines.next().unwrap_or("");
    let is_response = start_line.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("SIP/"));
    let start = if is_response { status_line(start_line) } else { request_line(start_line) };
    let mut head = Head { start, is_response, headers: Headers::default(), bad_line: None };
    let mut field: Option<String> = None;
    for line in lines {
        match (&mut field, line.strip_prefix([' ', '\t'])) {
            (Some(field), Some(folded)) => {
                field.push(' ');
                field.push_str(folded.trim());
            }
            (_, _) => head.push(field.replace(line.to_owned())),
        }
    }
    head.push(field);
    head
}

impl Head {
    fn push(&mut self, line: Option<String>) {
        let Some(line) = line.filter(|line| !line.trim().is_empty()) else {
            return;
        };
        let bad = match line.split_once(':') {
            Some((name, value)) if lex::is_token(name.trim_end()) && self.headers.len() < MAX_HEADERS => {
                self.headers.push(name.trim_end(), value.trim());
                return;
            }
            Some(_) | None => lex::shown(&line),
        };
        self.bad_line.get_or_insert(bad);
    }

    /// `None` when there is no Content-Length.
    fn content_length(&self) -> Result<Option<usize>, ParseError> {
        let bad = |value: &str| {
            let reason = format!("Bad Content-Length: {}", lex::shown(value));
            ParseError::new(400, Defect::ContentLength, reason)
        };
        let mut found = None;
        for value in self.headers.all("Content-Length") {
            let length = match lex::number(value) {
                lex::Number::Value(length) => usize::try_from(length).map_err(|_| bad(value))?,
                lex::Number::Overflow | lex::Number::Malformed => return Err(bad(value)),
            };
            if found.is_some_and(|other| other != length) {
                return Err(bad(value));
            }
            found = Some(length);
        }
        Ok(found)
    }

    fn reply_to(&self) -> Option<Box<Request>> {
        if self.is_response {
            return None;
        }
        let (method, uri) = match &self.start {
            Ok(Start::Request { method, uri }) => (method.clone(), uri.clone()),
            Ok(Start::Response { .. }) => return None,
            Err(_) => {
                let method = self.headers.cseq().map_or(Method::Options, |cseq| cseq.method);
                (method, Uri::sip("", "invalid"))
            }
        };
        // Nothing is known of who asks, or an ACK, which is never answered.
        if method == Method::Ack || !self.headers.has("Via") {
            return None;
        }
        Some(Box::new(Request { method, uri, headers: self.headers.clone(), body: Bytes::new() }))
    }

    fn error(&self, mut error: ParseError) -> ParseError {
        // A version that we do not speak explains the rest.
        if let Err(start) = &self.start
            && start.defect == Defect::Version
        {
            error = ParseError { fatal: error.fatal, ..start.clone() };
        }
        error.reply_to = self.reply_to();
        error
    }

    fn message(self, body: &[u8]) -> Result<Message, ParseError> {
        if let Err(error) = &self.start {
            return Err(self.error(error.clone()));
        }
        if let Some(line) = &self.bad_line {
            return Err(self.error(ParseError::new(400, Defect::Header, format!("Bad header line: {line}"))));
        }
        let body = Bytes::copy_from_slice(body);
        let headers = self.headers;
        self.start.map(|start| match start {
            Start::Request { method, uri } => Message::Request(Request { method, uri, headers, body }),
            Start::Response { status, reason } => Message::Response(Response { status, reason, headers, body }),
        })
    }
}

/// Method SP Request-URI SP SIP/2.0; more than one space, and space at the end, is tolerated.
fn request_line(line: &str) -> Result<Start, ParseError> {
    let bad = |reason: &str| ParseError::new(400, Defect::StartLine, format!("Bad request line: {reason}"));
    let line = line.trim_end();
    let shown = lex::shown(line);
    let (method, rest) = line.split_once(' ').ok_or_else(|| bad(&shown))?;
    let method = Method::parse(method).ok_or_else(|| bad(&lex::shown(method)))?;
    let (uri, version) = rest.trim().rsplit_once(' ').ok_or_else(|| bad(&shown))?;
    check_version(version).ok_or_else(|| bad(&shown))??;
    let uri = Uri::parse(uri).map_err(|error| bad(&error.to_string()))?;
    if let Some(headers) = &uri.headers {
        return Err(bad(&format!("headers in the Request-URI: {}", lex::shown(headers))));
    }
    Ok(Start::Request { method, uri })
}

/// `None` when `text` is no SIP version at all.
fn check_version(text: &str) -> Option<Result<(), ParseError>> {
    let (name, version) = text.split_once('/')?;
    if !name.eq_ignore_ascii_case("SIP") {
        return None;
    }
    let reason = || format!("Version Not Supported: {}", lex::shown(text));
    Some(if version == "2.0" { Ok(()) } else { Err(ParseError::new(505, Defect::Version, reason())) })
}

fn status_line(line: &str) -> Result<Start, ParseError> {
    let bad = || ParseError::new(400, Defect::StartLine, format!("Bad status line: {}", lex::shown(line)));
    let (version, rest) = line.split_once(' ').ok_or_else(bad)?;
    check_version(version).ok_or_else(bad)??;
    let (code, reason) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
    let status = match lex::number(code) {
        lex::Number::Value(status) => u16::try_from(status).map_err(|_| bad())?,
        lex::Number::Overflow | lex::Number::Malformed => return Err(bad()),
    };
    if !(100..700).contains(&status) || code.len() != 3 {
        return Err(bad());
    }
    Ok(Start::Response { status, reason: reason.trim().to_owned() })
}

#[cfg(test)]
mod tests;
