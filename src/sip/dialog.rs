//! Dialogs (RFC 3261 §12): who the two ends are, where requests go, in which order they count.

use super::message::{CSeq, HeaderError, Headers, Method, Request, Response};
use super::uri::{NameAddr, Params, Uri};

/// Why a dialog cannot be made or a request does not fit in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the peer's tag is missing")]
    NoTag,
    #[error("no such dialog: {0}")]
    Unknown(String),
    #[error("CSeq {got} is not after {last}")]
    OutOfOrder { got: u32, last: u32 },
}

impl DialogError {
    /// The status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            DialogError::Header(_) | DialogError::NoTag => 400,
            DialogError::Unknown(_) => 481,
            DialogError::OutOfOrder { .. } => 500,
        }
    }
}

/// What a dialog is found by (RFC 3261 §12).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId {
    pub call_id: String,
    pub local_tag: String,
    /// Empty for a peer of RFC 2543, which has none.
    pub remote_tag: String,
}

impl DialogId {
    /// The dialog that a received request claims to belong to; `None` without a To tag.
    pub fn of_request(request: &Request) -> Option<Self> {
        Some(DialogId {
            call_id: request.call_id().ok()?.to_owned(),
            local_tag: request.to_tag()?,
            remote_tag: request.from_tag().unwrap_or_default(),
        })
    }
}

/// One end of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    pub call_id: String,
    pub local_tag: String,
    /// Empty for a peer of RFC 2543.
    pub remote_tag: String,
    /// Our side of From and To, with the tag.
    pub local: NameAddr,
    /// The peer's side, with its tag if it has one.
    pub remote: NameAddr,
    /// CSeq of our last request; 0 before the first.
    pub local_seq: u32,
    /// CSeq of the peer's last request.
    pub remote_seq: Option<u32>,
    /// Where requests are addressed to: the peer's Contact.
    pub remote_target: Uri,
    /// First hop first.
    pub route_set: Vec<NameAddr>,
}

impl Dialog {
    /// The dialog that our answer to `request` makes (RFC 3261 §12.1.1). A request without
    /// Contact is answered where it says to come from.
    pub fn uas(request: &Request, local_tag: &str) -> Result<Self, DialogError> {
        let remote = request.from()?;
        let remote_target = match request.contacts()?.into_iter().next() {
            Some(contact) => contact.uri,
            None => remote.uri.clone(),
        };
        Ok(Dialog {
            call_id: request.call_id()?.to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: remote.tag().unwrap_or("").to_owned(),
            local: request.to()?.with_tag(local_tag),
            remote,
            local_seq: 0,
            remote_seq: Some(request.cseq()?.seq),
            remote_target,
            route_set: request.record_routes()?,
        })
    }

    /// The dialog that `response` to our `request` makes (RFC 3261 §12.1.2). Provisional answers
    /// need a To tag; a final one of RFC 2543 may lack it.
    pub fn uac(request: &Request, response: &Response) -> Result<Self, DialogError> {
        let local = request.from()?;
        let remote = response.to()?;
        if response.is_provisional() && remote.tag().is_none() {
            return Err(DialogError::NoTag);
        }
        let mut dialog = Dialog {
            call_id: request.call_id()?.to_owned(),
            local_tag: local.tag().unwrap_or("").to_owned(),
            remote_tag: remote.tag().unwrap_or("").to_owned(),
            local,
            remote,
            local_seq: request.cseq()?.seq,
            remote_seq: None,
            remote_target: request.uri.clone(),
            route_set: Vec::new(),
        };
        dialog.confirm(response)?;
        Ok(dialog)
    }

    /// Takes target and route set from the 2xx of the dialog's first request, which may differ
    /// from those of the provisional answer (RFC 3261 §13.2.2.4).
    pub fn confirm(&mut self, response: &Response) -> Result<(), DialogError> {
        let mut routes = response.record_routes()?;
        routes.reverse();
        self.route_set = routes;
        self.refresh_from(response.contacts()?.into_iter().next());
        Ok(())
    }

    pub fn id(&self) -> DialogId {
        DialogId {
            call_id: self.call_id.clone(),
            local_tag: self.local_tag.clone(),
            remote_tag: self.remote_tag.clone(),
        }
    }

    /// The next request in the dialog (RFC 3261 §12.2.1.1). `contact` is our Contact value; it is
    /// put into requests that may refresh the target, unless it is empty. An ACK takes the CSeq of
    /// the INVITE: see [`Dialog::ack`].
    pub fn request(&mut self, method: Method, contact: &str) -> Request {
        self.local_seq = self.local_seq.saturating_add(1);
        self.build(method, self.local_seq, contact)
    }

    /// The ACK of the 2xx to our INVITE `cseq` (RFC 3261 §13.2.2.4).
    pub fn ack(&self, cseq: u32, contact: &str) -> Request {
        self.build(Method::Ack, cseq, contact)
    }

    fn build(&self, method: Method, seq: u32, contact: &str) -> Request {
        let (uri, routes) = self.routing();
        let mut headers = Headers::default();
        for route in routes {
            headers.push("Route", route.to_string());
        }
        headers.push("From", self.local.to_string());
        headers.push("To", self.remote.to_string());
        headers.push("Call-ID", self.call_id.clone());
        headers.push("CSeq", CSeq { seq, method: method.clone() }.to_string());
        headers.push("Max-Forwards", "70");
        if carries_contact(&method) && !contact.is_empty() {
            headers.push("Contact", contact);
        }
        Request { headers, ..Request::new(method, uri) }
    }

    /// Request-URI and Route: loose where the first route says `lr`, strict as in RFC 2543 where
    /// it does not.
    fn routing(&self) -> (Uri, Vec<NameAddr>) {
        match self.route_set.split_first() {
            Some((first, rest)) if !first.uri.params.has("lr") => {
                let mut routes: Vec<NameAddr> = rest.to_vec();
                routes.push(NameAddr::new(self.remote_target.clone()));
                (as_request_uri(&first.uri), routes)
            }
            Some(_) | None => (as_request_uri(&self.remote_target), self.route_set.clone()),
        }
    }

    /// The URI that the next request is sent to: the first route, else the target.
    pub fn next_hop(&self) -> Uri {
        match self.route_set.first() {
            Some(route) => route.uri.clone(),
            None => self.remote_target.clone(),
        }
    }

    /// Takes a request of the peer into the dialog, unless it is another's or comes too late
    /// (RFC 3261 §12.2.2). ACK and CANCEL carry the CSeq of their INVITE and are only compared by
    /// their tags.
    pub fn accept(&mut self, request: &Request) -> Result<(), DialogError> {
        let id = DialogId::of_request(request);
        if id.as_ref() != Some(&self.id()) {
            return Err(DialogError::Unknown(request.call_id().unwrap_or("").to_owned()));
        }
        if matches!(request.method, Method::Ack | Method::Cancel) {
            return Ok(());
        }
        let got = request.cseq()?.seq;
        match self.remote_seq {
            Some(last) if got <= last => Err(DialogError::OutOfOrder { got, last }),
            Some(_) | None => {
                self.remote_seq = Some(got);
                Ok(())
            }
        }
    }

    /// The peer's new Contact, of a re-INVITE, an UPDATE or their 2xx.
    pub fn refresh_target(&mut self, contact: &NameAddr) {
        self.remote_target = contact.uri.clone();
    }

    fn refresh_from(&mut self, contact: Option<NameAddr>) {
        if let Some(contact) = contact {
            self.refresh_target(&contact);
        }
    }
}

fn carries_contact(method: &Method) -> bool {
    match method {
        Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer => true,
        Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Register
        | Method::Options
        | Method::Info
        | Method::Prack
        | Method::Message
        | Method::Publish
        | Method::Other(_) => false,
    }
}

/// Without what a Request-URI may not hold (RFC 3261 §19.1.1, table 1).
fn as_request_uri(uri: &Uri) -> Uri {
    let mut uri = uri.clone();
    uri.headers = None;
    uri.params = Params(uri.params.0.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("method")).collect());
    uri
}

#[cfg(test)]
mod tests;
