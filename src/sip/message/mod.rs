//! Messages: requests, responses, their headers and the typed views of those (RFC 3261 §7, §20).

mod headers;
mod method;
mod via;

pub use headers::{HeaderError, Headers};
pub use method::{CSeq, Method};
pub use via::{BRANCH_COOKIE, Via};

use super::reason;
use super::uri::{NameAddr, Uri};
use bytes::Bytes;
use std::fmt::Write as _;

/// A request. The URI was read; headers are raw until a typed getter is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Bytes,
}

/// A response, status 100 to 699.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub headers: Headers,
    pub body: Bytes,
}

/// What a datagram or a stream frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Request(Request),
    Response(Response),
}

impl Message {
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    pub fn to_bytes(&self) -> Bytes {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }
}

/// The typed getters of [`Headers`], on the messages themselves.
macro_rules! typed_getters {
    ($message:ty) => {
        impl $message {
            /// The topmost Via.
            pub fn via_top(&self) -> Result<Via, HeaderError> {
                self.headers.via_top()
            }

            /// Every Via, topmost first.
            pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
                self.headers.vias()
            }

            pub fn from(&self) -> Result<NameAddr, HeaderError> {
                self.headers.address("From")
            }

            pub fn to(&self) -> Result<NameAddr, HeaderError> {
                self.headers.address("To")
            }

            pub fn call_id(&self) -> Result<&str, HeaderError> {
                self.headers.required("Call-ID")
            }

            pub fn cseq(&self) -> Result<CSeq, HeaderError> {
                self.headers.cseq()
            }

            /// The first Contact that is an address; `None` when there is no Contact or only `*`.
            pub fn contact(&self) -> Option<NameAddr> {
                self.headers.addresses("Contact").ok()?.into_iter().next()
            }

            /// Every Contact but `*`.
            pub fn contacts(&self) -> Result<Vec<NameAddr>, HeaderError> {
                self.headers.addresses("Contact")
            }

            /// Whether Contact is `*`: remove every binding (RFC 3261 §10.2.2).
            pub fn contact_is_star(&self) -> bool {
                self.headers.list("Contact").contains(&"*")
            }

            pub fn from_tag(&self) -> Option<String> {
                self.headers.tag("From")
            }

            pub fn to_tag(&self) -> Option<String> {
                self.headers.tag("To")
            }

            /// Hops left; a number beyond 255 counts as 255, anything else as absent.
            pub fn max_forwards(&self) -> Option<u8> {
                let hops = self.headers.number("Max-Forwards")?;
                Some(u8::try_from(hops).unwrap_or(u8::MAX))
            }

            /// Seconds of Expires; beyond `u32` the largest, malformed counts as absent
            /// (RFC 3261 §20.19).
            pub fn expires(&self) -> Option<u32> {
                self.headers.number("Expires")
            }

            /// `type/subtype` in lower case, without parameters.
            pub fn content_type(&self) -> Option<String> {
                self.headers.content_type()
            }

            /// The Route values, first hop first.
            pub fn route_set(&self) -> Result<Vec<NameAddr>, HeaderError> {
                self.headers.addresses("Route")
            }

            /// The Record-Route values in the order of the message.
            pub fn record_routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
                self.headers.addresses("Record-Route")
            }

            /// This message with one more header line.
            pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
                self.headers.push(name, value);
                self
            }

            /// This message with a body of that type.
            pub fn with_body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
                self.headers.set("Content-Type", content_type);
                self.body = body.into();
                self
            }
        }
    };
}

typed_getters!(Request);
typed_getters!(Response);

impl Request {
    /// A request without any header.
    pub fn new(method: Method, uri: Uri) -> Self {
        Request { method, uri, headers: Headers::default(), body: Bytes::new() }
    }

    /// A reply to this request (RFC 3261 §8.2.6.2, §12.1.1): Via list, From, To, Call-ID, CSeq,
    /// Timestamp for 100, Record-Route where the reply can make a dialog. What this request
    /// lacks, the reply lacks; of repeated single headers it takes the first.
    pub fn response(&self, status: u16) -> Response {
        let mut headers = Headers::default();
        for value in self.headers.all("Via") {
            headers.push("Via", value);
        }
        for name in ["From", "To", "Call-ID", "CSeq", "Timestamp"] {
            if let Some(value) = self.headers.get(name) {
                headers.push(name, value);
            }
        }
        if self.method.makes_dialog() && (101..300).contains(&status) {
            for value in self.headers.all("Record-Route") {
                headers.push("Record-Route", value);
            }
        }
        Response { status, reason: reason::phrase(status), headers, body: Bytes::new() }
    }

    pub fn to_bytes(&self) -> Bytes {
        let start = format!("{} {} SIP/2.0", self.method, self.uri);
        print(&start, &self.headers, &self.body)
    }
}

impl Response {
    pub fn is_provisional(&self) -> bool {
        self.status < 200
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn is_final(&self) -> bool {
        self.status >= 200
    }

    /// This response with a tag in To, unless it has one (RFC 3261 §8.2.6.2).
    pub fn with_to_tag(mut self, tag: &str) -> Self {
        if self.to_tag().is_none() {
            let tagged = match self.headers.get("To") {
                Some(to) => format!("{to};tag={tag}"),
                None => return self,
            };
            self.headers.set("To", tagged);
        }
        self
    }

    /// This response with another reason phrase.
    pub fn with_reason(mut self, reason: &str) -> Self {
        self.reason = reason.to_owned();
        self
    }

    pub fn to_bytes(&self) -> Bytes {
        let start = format!("SIP/2.0 {} {}", self.status, self.reason);
        print(&start, &self.headers, &self.body)
    }
}

/// One header a line, Content-Length ours, no line break from any value.
fn print(start: &str, headers: &Headers, body: &Bytes) -> Bytes {
    let mut text = String::with_capacity(512 + body.len());
    push_line(&mut text, start);
    for (name, value) in headers.iter() {
        if name != "Content-Length" {
            push_field(&mut text, name, value);
        }
    }
    // Writing to a String cannot fail.
    let _ = write!(text, "Content-Length: {}\r\n\r\n", body.len());
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    Bytes::from(bytes)
}

fn push_field(text: &mut String, name: &str, value: &str) {
    push_clean(text, name);
    text.push_str(": ");
    push_line(text, value);
}

fn push_line(text: &mut String, line: &str) {
    push_clean(text, line);
    text.push_str("\r\n");
}

/// `part` with line breaks as spaces: no value starts a header of its own.
fn push_clean(text: &mut String, part: &str) {
    if part.contains(['\r', '\n']) {
        text.extend(part.chars().map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }));
    } else {
        text.push_str(part);
    }
}

#[cfg(test)]
mod tests;
