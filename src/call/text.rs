//! Text messages (SIP MESSAGE, RFC 3428): from trunks and devices in, to trunks and devices out.
//!
//! ```text
//! MESSAGE ─► who, which number, can it be read ─► Shell::text ─(stored)─► Switch::answer_text ─► 2xx
//! Switch::send_text ─► target after target, its challenge answered ─► Shell::text_done
//! ```
//! A text is answered for when it is stored, not before: whoever hears nothing sends it again.

use super::Shell;
use super::auth::Identity;
use super::identity::{Wish, outside_party};
use super::route::{called_names, company_of_called, user_part};
use super::setup::claims_to_be_user;
use super::switch::{Cx, Dice, Purpose, Sent, Switch};
use super::trunks::{Heard, host_port, is_the_trunks_fault};
use crate::base::{CompanyId, NumberId, Time, TrunkId, UserId, Wall};
use crate::directory::{Directory, Trunk};
use crate::ledger::Party;
use crate::registrar::Binding;
use crate::sip::endpoint::ServerTx;
use crate::sip::message::{Method, Request, Response};
use crate::sip::uri::{NameAddr, Uri};
use crate::sip::{Peer, token};
use crate::trunk::is_challenge;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Bytes of a text that comes, at most.
const LONGEST: usize = 8 << 10;
/// Texts that wait to be stored; whoever brings another is asked to come back.
const MOST_WAITING: usize = 1_000;
/// Retry-After of that 503, in seconds.
const RETRY_AFTER: &str = "5";

/// A text that has come and waits for [`Switch::answer_text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextIn {
    /// By which it is answered.
    pub ticket: u64,
    pub company: CompanyId,
    pub from: TextFrom,
    pub body: String,
    /// The same where it comes again: sender, Call-ID and CSeq.
    pub origin: String,
}

/// Who brings it, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextFrom {
    Trunk {
        trunk: TrunkId,
        number: NumberId,
        sender: Party,
    },
    /// A device of the user.
    User {
        user: UserId,
        dialled: String,
        /// The number that it wants to write as, as written.
        said: Option<String>,
    },
}

/// A text that is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct TextOut {
    /// By which [`Shell::text_done`] tells what came of it.
    pub ticket: u64,
    pub way: TextWay,
    pub body: String,
    /// The same for each attempt: a far side that has it already may know it by that.
    pub call_id: String,
}

/// Where it goes.
#[derive(Clone, Debug, PartialEq)]
pub enum TextWay {
    /// Out, with numbers in E.164.
    Trunk { trunk: TrunkId, called: String, caller: String },
    Device {
        user: UserId,
        device: Box<Binding>,
        /// Who wrote it: an outside number or an extension.
        from: Party,
        /// The number that it was written to, E.164.
        number: Option<String>,
    },
}

/// What came of a text that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextDone {
    /// 408 where nothing came.
    pub status: u16,
    pub reason: String,
}

/// Texts that are under way.
#[derive(Debug, Default)]
pub(super) struct Texts {
    next: u64,
    /// Came, and wait to be stored.
    waiting: HashMap<u64, (ServerTx, Request)>,
    /// Go out through a trunk: the targets that are left for each.
    going: HashMap<u64, Going>,
}

#[derive(Debug)]
struct Going {
    text: TextOut,
    trunk: TrunkId,
    target: usize,
    left: VecDeque<usize>,
}

impl Texts {
    pub fn len(&self) -> usize {
        self.waiting.len() + self.going.len()
    }
}

impl Switch {
    /// A MESSAGE outside of any dialog.
    pub(super) fn on_text(&mut self, tx: ServerTx, request: &Request, peer: Peer, cx: &mut Cx<'_>) {
        if let Err(response) = self.take_text(tx, request, &peer, cx) {
            self.endpoint.respond(tx, *response, cx.now);
        }
    }

    fn take_text(
        &mut self,
        tx: ServerTx,
        request: &Request,
        peer: &Peer,
        cx: &mut Cx<'_>,
    ) -> Result<(), Box<Response>> {
        if request.max_forwards() == Some(0) {
            return Err(Box::new(request.response(483)));
        }
        let directory = Arc::clone(&self.directory);
        let (company, from) = self.sender_of_text(request, peer, &directory, cx)?;
        let body = body_of(request)?;
        if self.stopping || self.texts.waiting.len() >= MOST_WAITING {
            return Err(Box::new(request.response(503).with_header("Retry-After", RETRY_AFTER)));
        }
        self.texts.next += 1;
        let ticket = self.texts.next;
        let origin = origin_of(request, &from);
        self.texts.waiting.insert(ticket, (tx, request.clone()));
        cx.shell.text(TextIn { ticket, company, from, body, origin });
        Ok(())
    }

    /// A trunk by its address or its password, a user by theirs.
    fn sender_of_text(
        &mut self,
        request: &Request,
        peer: &Peer,
        directory: &Directory,
        cx: &mut Cx<'_>,
    ) -> Result<(CompanyId, TextFrom), Box<Response>> {
        let source = peer.remote.ip();
        let trunks = self.trunks_at(directory, source);
        if !trunks.is_empty() && !claims_to_be_user(directory, request) {
            return from_trunk(directory, &trunks, request);
        }
        let domain = directory.company_of_domain(&request.uri.host.to_string());
        let Some(company) = domain.or_else(|| company_of_called(directory, request)) else {
            return Err(Box::new(request.response(404).with_reason("This domain is not served here")));
        };
        let sender = self.auth.verify_any(request, company, directory, source, cx.now, &mut Dice(cx.shell));
        match sender.map_err(Box::new)? {
            Identity::User(user) => {
                let (dialled, said) = (user_part(&request.uri), Wish::of(request).number);
                Ok((company.id, TextFrom::User { user: user.id, dialled, said }))
            }
            Identity::Trunk(trunk) if !trunk.lets_in(source) => {
                Err(Box::new(request.response(403).with_reason("This trunk is not used from this address")))
            }
            Identity::Trunk(trunk) => from_trunk(directory, &[trunk], request),
        }
    }

    /// A text that came is stored, or is not taken: its sender is told.
    pub fn answer_text(&mut self, ticket: u64, status: u16, reason: &str, now: Time) {
        let Some((tx, request)) = self.texts.waiting.remove(&ticket) else { return };
        let mut response = request.response(status);
        if !(200..300).contains(&status) {
            response = response.with_reason(reason);
        }
        if status == 503 {
            response = response.with_header("Retry-After", RETRY_AFTER);
        }
        self.endpoint.respond(tx, response, now);
    }

    /// Sends a text. What comes of it is told to [`Shell::text_done`], once.
    pub fn send_text(&mut self, text: TextOut, now: Time, wall: Wall, shell: &mut dyn Shell) {
        let mut cx = Cx { now, wall, shell };
        match text.way.clone() {
            TextWay::Trunk { trunk, .. } => self.text_to_trunk(text, trunk, &mut cx),
            TextWay::Device { user, device, from, number } => {
                self.text_to_device(&text, user, &device, &from, number.as_deref(), &mut cx);
            }
        }
        self.drain(&mut cx);
    }

    fn text_to_trunk(&mut self, text: TextOut, trunk: TrunkId, cx: &mut Cx<'_>) {
        self.keep_lines_in_step(cx);
        let mut left = self.targets_of(trunk, cx);
        match left.pop_front() {
            Some(target) => self.text_to_target(Going { text, trunk, target, left }, cx),
            None => {
                let reason = "no target of the trunk can be reached".to_owned();
                cx.shell.text_done(text.ticket, TextDone { status: 503, reason });
            }
        }
    }

    fn text_to_target(&mut self, mut going: Going, cx: &mut Cx<'_>) {
        let directory = Arc::clone(&self.directory);
        let done = |status, reason: &str| TextDone { status, reason: reason.to_owned() };
        let TextWay::Trunk { called, caller, .. } = going.text.way.clone() else { return };
        let ticket = going.text.ticket;
        let Some(row) = directory.trunk(going.trunk) else {
            return cx.shell.text_done(ticket, done(503, "the trunk has gone"));
        };
        let Some(company) = directory.company(row.company) else { return };
        loop {
            if let Some((peer, contact)) = self.way_to_target(row, going.target, cx) {
                let format = row.settings.number_format;
                let domain = Some(row.settings.domain.clone()).filter(|domain| !domain.is_empty());
                let uri = Uri::sip(&format.write(&called, company), &host_port(row, going.target));
                let ours = self.endpoint.advertised(peer.local);
                let from_host = domain.clone().filter(|_| row.login.is_some()).unwrap_or(ours);
                let from = NameAddr::new(Uri::sip(&format.write(&caller, company), &from_host));
                let to =
                    domain.map_or_else(|| uri.clone(), |domain| Uri::sip(&format.write(&called, company), &domain));
                let mut request = message(uri, from.clone(), NameAddr::new(to), &going.text, cx);
                if row.settings.trusted {
                    request.headers.push("P-Asserted-Identity", from.to_string());
                }
                let tx = self.send(request, peer, contact, Purpose::Text { ticket }, cx);
                self.belongs_to(tx, Some(going.trunk), 0);
                self.texts.going.insert(ticket, going);
                return;
            }
            match going.left.pop_front() {
                Some(target) => going.target = target,
                None => return cx.shell.text_done(ticket, done(503, "no target of the trunk is known")),
            }
        }
    }

    fn text_to_device(
        &mut self,
        text: &TextOut,
        user: UserId,
        device: &Binding,
        from: &Party,
        number: Option<&str>,
        cx: &mut Cx<'_>,
    ) {
        let directory = Arc::clone(&self.directory);
        let known = directory.user(user).and_then(|user| Some((user, directory.company(user.company)?)));
        let Some((user, company)) = known else {
            let reason = "the user has gone".to_owned();
            return cx.shell.text_done(text.ticket, TextDone { status: 404, reason });
        };
        let host = company.domains.first().cloned().unwrap_or_default();
        let sender = NameAddr::new(Uri::sip(&from.address, &host)).with_display(&from.name);
        let to = NameAddr::new(Uri::sip(&user.extension, &host)).with_display(&user.name);
        let mut request = message(device.contact.clone(), sender, to, text, cx);
        if let Some(number) = number {
            // Which of the company's numbers it was written to (RFC 7315 §4.2).
            let called = NameAddr::new(Uri::sip(number, &host));
            request.headers.push("P-Called-Party-ID", called.to_string());
        }
        let contact = self.contact_on(&device.flow);
        self.send(request, device.flow, contact, Purpose::Text { ticket: text.ticket }, cx);
    }

    /// A MESSAGE of ours is over; `response` `None`: nothing came.
    pub(super) fn on_text_over(
        &mut self,
        ticket: u64,
        sent: &Sent,
        status: u16,
        response: Option<&Response>,
        cx: &mut Cx<'_>,
    ) {
        if response.is_some_and(Response::is_provisional) {
            return;
        }
        if let (Some(trunk), Some(response)) = (sent.trunk, response.filter(|_| is_challenge(status)))
            && let Some(again) = self.proven(trunk, &sent.request, response, sent.tries, cx)
        {
            let tx = self.send(again, sent.peer, sent.contact.clone(), Purpose::Text { ticket }, cx);
            return self.belongs_to(tx, Some(trunk), sent.tries.saturating_add(1));
        }
        if let Some(mut going) = self.texts.going.remove(&ticket) {
            self.note_target(going.trunk, going.target, response.map_or(Heard::Nothing, Heard::Response), cx);
            if is_the_trunks_fault(status, response)
                && let Some(next) = going.left.pop_front()
            {
                going.target = next;
                return self.text_to_target(going, cx);
            }
        }
        let reason = response.map_or_else(|| "no answer".to_owned(), |response| response.reason.clone());
        cx.shell.text_done(ticket, TextDone { status, reason });
    }
}

/// A MESSAGE as it leaves here.
fn message(uri: Uri, from: NameAddr, to: NameAddr, text: &TextOut, cx: &mut Cx<'_>) -> Request {
    Request::new(Method::Message, uri)
        .with_header("From", from.with_tag(&token(&mut Dice(cx.shell), 8)).to_string())
        .with_header("To", to.to_string())
        .with_header("Call-ID", text.call_id.clone())
        .with_header("CSeq", "1 MESSAGE")
        .with_header("Max-Forwards", "70")
        .with_body("text/plain;charset=UTF-8", text.body.clone())
}

/// The number that a trunk brings a text to: it picks the company, as for calls.
fn from_trunk(
    directory: &Directory,
    trunks: &[&Trunk],
    request: &Request,
) -> Result<(CompanyId, TextFrom), Box<Response>> {
    let dialled = called_names(request);
    for trunk in trunks {
        let Some(company) = directory.company(trunk.company) else { continue };
        let read = |said: &String| trunk.settings.number_format.read(said, company);
        let ours = |called: String| directory.number_by_e164(&called).filter(|number| number.company == company.id);
        let Some(number) = dialled.iter().filter_map(read).find_map(ours) else { continue };
        let sender = outside_party(request, trunk, company);
        return Ok((company.id, TextFrom::Trunk { trunk: trunk.id, number: number.id, sender }));
    }
    Err(Box::new(request.response(404).with_reason("No company here has this number")))
}

/// Plain text in UTF-8, and not too much of it.
fn body_of(request: &Request) -> Result<String, Box<Response>> {
    let refuse = |status: u16, reason: &str| Box::new(request.response(status).with_reason(reason));
    if request.body.len() > LONGEST {
        return Err(refuse(413, "A text has 8 KiB at most"));
    }
    let charset = charset_of(request.headers.get("Content-Type").unwrap_or("text/plain"));
    if !matches!(charset.as_str(), "utf-8" | "us-ascii") {
        let response = refuse(415, "The text must be UTF-8");
        return Err(Box::new(response.with_header("Accept", "text/plain;charset=UTF-8")));
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| refuse(400, "The text is not UTF-8"))?;
    match text.trim().is_empty() || text.contains('\0') {
        true => Err(refuse(400, "There is nothing in it")),
        false => Ok(text.to_owned()),
    }
}

/// The charset parameter in lower case; UTF-8 where there is none.
fn charset_of(content_type: &str) -> String {
    let named = content_type.split(';').skip(1).find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    named.unwrap_or_else(|| "utf-8".to_owned())
}

fn origin_of(request: &Request, from: &TextFrom) -> String {
    let sender = match from {
        TextFrom::Trunk { trunk, number, sender } => format!("trunk {trunk} {number} {}", sender.address),
        TextFrom::User { user, .. } => format!("user {user}"),
    };
    let cseq = request.cseq().map_or(0, |cseq| cseq.seq);
    format!("sip {sender} {} {cseq}", request.call_id().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charset_is_read_whatever_stands_around_it() {
        for (value, charset) in [
            ("text/plain", "utf-8"),
            ("text/plain;charset=UTF-8", "utf-8"),
            ("text/plain; format=flowed; Charset=\"us-ascii\"", "us-ascii"),
            ("text/plain;charset=iso-8859-1", "iso-8859-1"),
        ] {
            assert_eq!(charset_of(value), charset, "{value}");
        }
    }
}
