//! Whether a request can be processed at all (RFC 3261 §8.2), before domain and authentication.

use super::lex;
use super::message::{BRANCH_COOKIE, HeaderError, Method, Request, Response};
use super::uri::Scheme;

/// What this user agent can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Methods that are processed; others that an RFC defines get 405, the rest 501.
    pub methods: Vec<Method>,
    /// Schemes of a Request-URI.
    pub schemes: Vec<Scheme>,
    /// Option tags that a Require may name.
    pub option_tags: Vec<String>,
    /// Body types that are understood, `type/subtype` in lower case.
    pub content_types: Vec<String>,
    /// Body types that a MESSAGE may have.
    pub text_types: Vec<String>,
    /// Body types that the answers to INVITE and UPDATE may have.
    pub answer_types: Vec<String>,
}

impl Default for Capabilities {
    fn default() -> Self {
        let text = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
        Capabilities {
            methods: vec![
                Method::Invite,
                Method::Ack,
                Method::Bye,
                Method::Cancel,
                Method::Register,
                Method::Options,
                Method::Info,
                Method::Update,
                Method::Prack,
                Method::Refer,
                Method::Message,
                Method::Subscribe,
            ],
            schemes: vec![Scheme::Sip, Scheme::Sips, Scheme::Tel],
            option_tags: text(&["timer", "norefersub", "replaces", "100rel"]),
            content_types: text(&["application/sdp", "application/dtmf-relay", "application/dtmf"]),
            text_types: text(&["text/plain"]),
            answer_types: text(&["application/sdp"]),
        }
    }
}

impl Capabilities {
    /// The value of Allow.
    pub fn allow(&self) -> String {
        let names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        names.join(", ")
    }

    /// The value of Accept.
    pub fn accept(&self) -> String {
        self.content_types.join(", ")
    }

    /// The value of Supported.
    pub fn supported(&self) -> String {
        self.option_tags.join(", ")
    }
}

/// The first objection to `request`, as the response to send (without To tag): syntax, method,
/// scheme, Require, bodies. The version was the parser's to judge. Max-Forwards 0 is no
/// objection: we are where the request ends.
pub fn check_request(request: &Request, capabilities: &Capabilities) -> Result<(), Response> {
    syntax(request).map_err(|reason| request.response(400).with_reason(&reason))?;
    method(request, capabilities)?;
    scheme(request, capabilities)?;
    require(request, capabilities)?;
    body(request, capabilities)?;
    accept(request, capabilities)
}

/// Headers that may stand once only (RFC 3261 §20).
const SINGLE: [&str; 8] =
    ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type", "Expires", "Content-Length"];

fn syntax(request: &Request) -> Result<(), String> {
    let text = |error: HeaderError| error.to_string();
    let top = request.vias().map_err(text)?.into_iter().next();
    let branch = top.as_ref().and_then(|via| via.branch());
    if branch.is_some_and(|branch| branch.eq_ignore_ascii_case(BRANCH_COOKIE)) {
        return Err("Bad Via: nothing after the branch cookie".to_owned());
    }
    missing(request)?;
    for name in SINGLE {
        if request.headers.all(name).count() > 1 {
            return Err(format!("Repeated {name}"));
        }
    }
    request.from().map_err(text)?;
    request.to().map_err(text)?;
    let cseq = request.cseq().map_err(text)?;
    // A method that nobody knows gets its 501, whatever its CSeq says.
    let unknown = matches!(request.method, Method::Other(_));
    if cseq.method != request.method && !unknown {
        return Err(format!("CSeq {cseq} does not fit {}", request.method));
    }
    request.contacts().map_err(text)?;
    request.route_set().map_err(text)?;
    request.record_routes().map_err(text)?;
    Ok(())
}

/// Names all that lacks at once.
fn missing(request: &Request) -> Result<(), String> {
    let required = ["From", "To", "Call-ID", "CSeq"];
    let lacking: Vec<&str> = required.into_iter().filter(|name| request.headers.required(name).is_err()).collect();
    if lacking.is_empty() { Ok(()) } else { Err(format!("Missing {}", lacking.join(", "))) }
}

fn method(request: &Request, capabilities: &Capabilities) -> Result<(), Response> {
    if capabilities.methods.contains(&request.method) {
        return Ok(());
    }
    let status = match &request.method {
        Method::Other(_) => 501,
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Register
        | Method::Options
        | Method::Info
        | Method::Update
        | Method::Prack
        | Method::Refer
        | Method::Notify
        | Method::Subscribe
        | Method::Message
        | Method::Publish => 405,
    };
    Err(request.response(status).with_header("Allow", capabilities.allow()))
}

fn scheme(request: &Request, capabilities: &Capabilities) -> Result<(), Response> {
    if capabilities.schemes.contains(&request.uri.scheme) {
        return Ok(());
    }
    Err(request.response(416))
}

/// Require does not count in ACK and CANCEL (RFC 3261 §8.2.2.3).
fn require(request: &Request, capabilities: &Capabilities) -> Result<(), Response> {
    if matches!(request.method, Method::Ack | Method::Cancel) {
        return Ok(());
    }
    let known = |tag: &str| capabilities.option_tags.iter().any(|ours| ours.eq_ignore_ascii_case(tag));
    let unsupported: Vec<&str> = request.headers.list("Require").into_iter().filter(|tag| !known(tag)).collect();
    if unsupported.is_empty() {
        return Ok(());
    }
    Err(request.response(420).with_header("Unsupported", unsupported.join(", ")))
}

/// A body that we cannot read, unless the request stands without it: one that ends something,
/// or whose body is optional (RFC 3261 §8.2.3, §20.11).
fn body(request: &Request, capabilities: &Capabilities) -> Result<(), Response> {
    let ends = matches!(request.method, Method::Ack | Method::Bye | Method::Cancel);
    if request.body.is_empty() || ends || handling_is_optional(request) {
        return Ok(());
    }
    let encoded = request.headers.list("Content-Encoding");
    if encoded.iter().any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(request.response(415).with_header("Accept-Encoding", "identity"));
    }
    let types = if request.method == Method::Message { &capabilities.text_types } else { &capabilities.content_types };
    match request.content_type() {
        None => Err(request.response(400).with_reason("Missing Content-Type")),
        Some(media) if types.contains(&media) => Ok(()),
        Some(_) => Err(request.response(415).with_header("Accept", types.join(", "))),
    }
}

fn handling_is_optional(request: &Request) -> bool {
    let disposition = request.headers.get("Content-Disposition").unwrap_or("");
    let mut params = lex::split_outside(disposition, ';').into_iter().skip(1);
    params.any(|param| {
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        name.trim().eq_ignore_ascii_case("handling") && lex::unquote(value.trim()).eq_ignore_ascii_case("optional")
    })
}

/// Only answers that have a body are to be acceptable.
fn accept(request: &Request, capabilities: &Capabilities) -> Result<(), Response> {
    let answered_with_body = matches!(request.method, Method::Invite | Method::Update);
    let ranges = request.headers.list("Accept");
    if !answered_with_body || ranges.is_empty() {
        return Ok(());
    }
    let any = ranges.iter().any(|range| capabilities.answer_types.iter().any(|media| matches_range(range, media)));
    if any { Ok(()) } else { Err(request.response(406)) }
}

fn matches_range(range: &str, media: &str) -> bool {
    let range: String = range.split(';').next().unwrap_or("").chars().filter(|c| !c.is_whitespace()).collect();
    let range = range.to_ascii_lowercase();
    match range.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => media.split('/').next() == Some(kind),
        None => range == media,
    }
}

#[cfg(test)]
mod tests;
