//! REFER (RFC 3515) and what goes with it: Replaces (RFC 3891), Refer-Sub (RFC 4488), Referred-By
//! (RFC 3892), and the reports on what became of it (RFC 3420).

use super::dialog::DialogId;
use super::lex;
use super::message::{HeaderError, Request};
use super::reason;
use super::uri::{NameAddr, Scheme, Uri, UriError};

/// Content-Type of a report.
pub const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// Why a REFER or a Replaces is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferError {
    #[error("Refer-To must stand once, it stands {0} times")]
    ReferTo(usize),
    #[error("Bad Refer-To: {0}")]
    Address(#[from] UriError),
    #[error("Refer-To asks for {0}, only INVITE is done")]
    Method(String),
    #[error("Refer-To has the scheme {0}")]
    Scheme(String),
    #[error("Bad Replaces: {0:?}")]
    Replaces(String),
    #[error(transparent)]
    Header(#[from] HeaderError),
}

impl ReferError {
    pub const fn status(&self) -> u16 {
        match self {
            ReferError::ReferTo(_) | ReferError::Address(_) | ReferError::Replaces(_) | ReferError::Header(_) => 400,
            ReferError::Method(_) => 403,
            ReferError::Scheme(_) => 416,
        }
    }
}

/// What a REFER asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer {
    /// Whom to call; without headers and method.
    pub to: Uri,
    /// The dialog of the receiver that the new call is to take the place of.
    pub replaces: Option<Replaces>,
    /// Wants to hear of the progress; not with `Refer-Sub: false`.
    pub reports: bool,
    /// The Event of the reports: with the CSeq of the REFER as id (RFC 3515 §2.4.6).
    pub event: String,
}

impl Refer {
    /// # Errors
    /// When Refer-To is not there once, or asks for what is no call.
    pub fn read(request: &Request) -> Result<Self, ReferError> {
        let targets = request.headers.list("Refer-To");
        let [target] = targets.as_slice() else { return Err(ReferError::ReferTo(targets.len())) };
        let mut to = NameAddr::parse(target)?.uri;
        match &to.scheme {
            Scheme::Sip | Scheme::Sips | Scheme::Tel => {}
            Scheme::Other(name) => return Err(ReferError::Scheme(name.clone())),
        }
        if let Some(method) = to.params.get("method").filter(|method| !method.eq_ignore_ascii_case("INVITE")) {
            return Err(ReferError::Method(method.to_owned()));
        }
        to.params.remove("method");
        let replaces = to.header("Replaces").map(|value| Replaces::parse(&value)).transpose()?;
        to.headers = None;
        let silent = request.headers.get("Refer-Sub").is_some_and(|value| {
            value.split(';').next().is_some_and(|value| value.trim().eq_ignore_ascii_case("false"))
        });
        let event = format!("refer;id={}", request.cseq()?.seq);
        Ok(Refer { to, replaces, reports: !silent, event })
    }
}

/// The dialog that an INVITE takes the place of, as its receiver has it (RFC 3891 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    pub call_id: String,
    /// The receiver's own tag.
    pub to_tag: String,
    pub from_tag: String,
    /// Only while it is not answered.
    pub early_only: bool,
}

impl Replaces {
    /// The value of a Replaces header.
    ///
    /// # Errors
    /// When the Call-ID or a tag is missing or stands twice.
    pub fn parse(value: &str) -> Result<Self, ReferError> {
        let bad = || ReferError::Replaces(lex::shown(value));
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| !id.is_empty() && !id.contains(char::is_whitespace)).ok_or_else(bad)?;
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, tag) = part.split_once('=').unwrap_or((part, ""));
            let slot = match name.trim().to_ascii_lowercase().as_str() {
                "to-tag" => &mut to_tag,
                "from-tag" => &mut from_tag,
                "early-only" => {
                    early_only = true;
                    continue;
                }
                _ => continue,
            };
            if tag.trim().is_empty() || slot.replace(tag.trim().to_owned()).is_some() {
                return Err(bad());
            }
        }
        Ok(Replaces {
            call_id: call_id.to_owned(),
            to_tag: to_tag.ok_or_else(bad)?,
            from_tag: from_tag.ok_or_else(bad)?,
            early_only,
        })
    }

    /// Of an INVITE; `None` without Replaces.
    ///
    /// # Errors
    /// When it stands twice or cannot be read.
    pub fn of_request(request: &Request) -> Result<Option<Self>, ReferError> {
        let values: Vec<&str> = request.headers.all("Replaces").collect();
        match values.as_slice() {
            [] => Ok(None),
            [value] => Self::parse(value).map(Some),
            [_, second, ..] => Err(ReferError::Replaces(lex::shown(second))),
        }
    }

    /// The dialog, as the receiver has it. A tag of `0` stands for a peer of RFC 2543, which has
    /// none.
    pub fn dialog(&self) -> DialogId {
        let tag = |tag: &str| if tag == "0" { String::new() } else { tag.to_owned() };
        DialogId { call_id: self.call_id.clone(), local_tag: tag(&self.to_tag), remote_tag: tag(&self.from_tag) }
    }
}

/// What a report says: the status line of what the new call was answered with.
pub fn report(status: u16) -> String {
    format!("SIP/2.0 {status} {}\r\n", reason::phrase(status))
}

/// The Subscription-State of a report: the last one ends the subscription.
pub fn subscription_state(status: u16) -> &'static str {
    if status < 200 { "active;expires=180" } else { "terminated;reason=noresource" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Method;

    fn refer(to: &str) -> Request {
        Request::new(Method::Refer, Uri::sip("201", "acme.test"))
            .with_header("CSeq", "7 REFER")
            .with_header("Refer-To", to)
    }

    #[test]
    fn a_refer_names_whom_to_call_and_what_to_replace() {
        let rows = [
            ("<sip:203@acme.test>", "sip:203@acme.test", None),
            ("sip:203@acme.test", "sip:203@acme.test", None),
            ("\"Carol, C\" <sip:203@acme.test;method=INVITE>", "sip:203@acme.test", None),
            ("<tel:+493011>", "tel:+493011", None),
            (
                "<sip:203@acme.test?Replaces=a%40b%3Bto-tag%3Dt1%3Bfrom-tag%3Df1&Require=replaces>",
                "sip:203@acme.test",
                Some(("a@b", "t1", "f1", false)),
            ),
            (
                "<sip:203@acme.test?replaces=x%3bearly-only%3bfrom-tag%3df%3bto-tag%3dt>",
                "sip:203@acme.test",
                Some(("x", "t", "f", true)),
            ),
        ];
        for (value, to, replaces) in rows {
            let read = Refer::read(&refer(value)).unwrap();
            assert_eq!(read.to.to_string(), to, "{value}");
            let got = read
                .replaces
                .as_ref()
                .map(|r| (r.call_id.as_str(), r.to_tag.as_str(), r.from_tag.as_str(), r.early_only));
            assert_eq!(got, replaces, "{value}");
            assert!(read.reports && read.event == "refer;id=7", "{value}");
        }
    }

    #[test]
    fn what_is_no_call_is_refused_with_its_name() {
        let rows = [
            ("<sip:203@acme.test;method=BYE>", 403),
            ("<mailto:a@b.test>", 416),
            ("<sip:>", 400),
            ("<sip:a@b.test>, <sip:c@b.test>", 400),
            ("<sip:a@b.test?Replaces=x>", 400),
            ("<sip:a@b.test?Replaces=x%3Bto-tag%3Da%3Bto-tag%3Db%3Bfrom-tag%3Dc>", 400),
        ];
        for (value, status) in rows {
            assert_eq!(Refer::read(&refer(value)).unwrap_err().status(), status, "{value}");
        }
        let mut none = refer("<sip:a@b.test>");
        none.headers.remove("Refer-To");
        assert_eq!(Refer::read(&none).unwrap_err(), ReferError::ReferTo(0));
    }

    #[test]
    fn refer_sub_false_asks_for_silence() {
        for (value, reports) in [("false", false), ("False;x=1", false), ("true", true)] {
            let request = refer("<sip:a@b.test>").with_header("Refer-Sub", value);
            assert_eq!(Refer::read(&request).unwrap().reports, reports, "{value}");
        }
    }

    #[test]
    fn a_report_is_a_status_line_and_the_final_one_ends_the_subscription() {
        assert_eq!(report(180), "SIP/2.0 180 Ringing\r\n");
        assert!(subscription_state(180).starts_with("active"));
        assert!(subscription_state(200).starts_with("terminated"));
        assert!(subscription_state(486).starts_with("terminated"));
    }
}
