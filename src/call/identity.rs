//! Who a caller is to the other side: P-Asserted-Identity and P-Preferred-Identity (RFC 3325),
//! Privacy (RFC 3323), and calls that come back to a number that has forwarded them.

use super::route::user_part;
use crate::directory::{Company, Trunk};
use crate::ledger::Party;
use crate::sip::message::Request;
use crate::sip::uri::{Host, NameAddr, Scheme, Uri};

/// How often a call may have passed through us: one that a carrier leads from company to company
/// bears our Via once or twice.
const MOST_PASSES: usize = 3;

/// What a caller asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// As whom it wants to call (P-Preferred-Identity), as written.
    pub number: Option<String>,
    /// Its number is not to be shown to the called party.
    pub withheld: bool,
}

impl Wish {
    pub fn of(request: &Request) -> Self {
        let preferred = request.headers.addresses("P-Preferred-Identity").unwrap_or_default();
        Wish { number: preferred.first().map(|address| user_part(&address.uri)), withheld: is_withheld(request) }
    }
}

/// Whether the caller's number is withheld: Privacy asks for it (RFC 3323 §4.2, RFC 3325 §9.3), or
/// From hides it (RFC 3323 §4.1).
pub fn is_withheld(request: &Request) -> bool {
    let asks = request
        .headers
        .list("Privacy")
        .iter()
        .flat_map(|value| value.split(';'))
        .any(|value| ["id", "user", "header"].iter().any(|kind| value.trim().eq_ignore_ascii_case(kind)));
    asks || request.from().map_or(true, |from| is_anonymous(&from))
}

fn is_anonymous(address: &NameAddr) -> bool {
    let hidden_host = match &address.uri.host {
        Host::Name(name) => name == "anonymous.invalid",
        Host::Ip(_) => false,
    };
    let user = address.uri.user_unescaped().unwrap_or_default();
    hidden_host || user.is_empty() || user.eq_ignore_ascii_case("anonymous")
}

/// `"Anonymous" <sip:anonymous@anonymous.invalid>` (RFC 3323 §4.1.1.3).
pub fn anonymous() -> NameAddr {
    NameAddr::new(Uri::sip("anonymous", "anonymous.invalid")).with_display("Anonymous")
}

/// The outside party of a call that came through `trunk`. A trusted trunk's P-Asserted-Identity
/// counts for more than From; what is withheld stops here.
pub fn outside_party(request: &Request, trunk: &Trunk, company: &Company) -> Party {
    if is_withheld(request) {
        return Party { address: "anonymous".to_owned(), ..Party::default() };
    }
    let asserted = request.headers.addresses("P-Asserted-Identity").unwrap_or_default();
    let asserted = asserted.into_iter().find(|address| is_callable(&address.uri)).filter(|_| trunk.settings.trusted);
    let Some(said) = asserted.or_else(|| request.from().ok()) else {
        return Party { address: "anonymous".to_owned(), ..Party::default() };
    };
    let user = user_part(&said.uri);
    let address = trunk.settings.number_format.read(&user, company).unwrap_or(user);
    let name = said.display.or_else(|| request.from().ok()?.display);
    Party { user: None, address, name: name.unwrap_or_default() }
}

fn is_callable(uri: &Uri) -> bool {
    match uri.scheme {
        Scheme::Sip | Scheme::Sips | Scheme::Tel => {
            !is_anonymous(&NameAddr::new(uri.clone())) || uri.scheme == Scheme::Tel
        }
        Scheme::Other(_) => false,
    }
}

/// From and the headers that say who calls, towards a trunk. `caller` is our number there. A trunk
/// that is not trusted learns nothing of a number that is withheld.
pub fn towards_trunk(trusted: bool, withheld: bool, caller: NameAddr) -> (NameAddr, Vec<(String, String)>) {
    let mut headers = Vec::new();
    if trusted {
        headers.push(("P-Asserted-Identity".to_owned(), caller.to_string()));
    }
    if withheld {
        headers.push(("Privacy".to_owned(), "id".to_owned()));
        return (anonymous(), headers);
    }
    (caller, headers)
}

/// Headers of ours that [`towards_trunk`] and [`forwarded`] make.
pub const HEADERS: [&str; 3] = ["P-Asserted-Identity", "Privacy", "History-Info"];

/// History-Info (RFC 7044) of a call that `number` forwards outside: what came, and that it was here.
pub fn forwarded(request: &Request, number: &str, ours: &str) -> Vec<(String, String)> {
    let before = request.headers.list("History-Info");
    let index = before.len() + 1;
    let here = NameAddr::new(Uri::sip(number, ours));
    let own = format!("{here};index={index}");
    let all = before.into_iter().map(str::to_owned).chain([own]);
    all.map(|value| ("History-Info".to_owned(), value)).collect()
}

/// Whether a call to `number` has been forwarded away from it before (History-Info, or Diversion of
/// RFC 5806), or has passed through us so often that it goes in circles. `ours`: our hosts and ports.
pub fn is_loop(request: &Request, number: &str, ours: &[String], read: impl Fn(&str) -> Option<String>) -> bool {
    let was_here = |name: &'static str| {
        let entries = request.headers.addresses(name).unwrap_or_default();
        entries.iter().any(|entry| read(&user_part(&entry.uri)).as_deref() == Some(number))
    };
    let vias = request.vias().unwrap_or_default();
    let passes = vias.iter().skip(1).filter(|via| ours.contains(&via_host_port(via))).count();
    was_here("History-Info") || was_here("Diversion") || passes > MOST_PASSES
}

fn via_host_port(via: &crate::sip::message::Via) -> String {
    match via.port {
        Some(port) => format!("{}:{port}", via.host),
        None => format!("{}:5060", via.host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Method;

    fn request(headers: &[(&str, &str)]) -> Request {
        let base = Request::new(Method::Invite, Uri::sip("+4930", "us.test")).with_header("From", "<sip:+4989@x.test>");
        headers.iter().fold(base, |mut request, (name, value)| {
            if *name == "From" {
                request.headers.set(name, *value);
            } else {
                request.headers.push(name, *value);
            }
            request
        })
    }

    #[test]
    fn a_number_is_withheld_by_privacy_or_by_from() {
        let rows: [(&[(&str, &str)], bool); 8] = [
            (&[], false),
            (&[("Privacy", "none")], false),
            (&[("Privacy", "id")], true),
            (&[("Privacy", "header;id;critical")], true),
            (&[("Privacy", "critical")], false),
            (&[("From", "\"Anonymous\" <sip:anonymous@anonymous.invalid>")], true),
            (&[("From", "<sip:ANONYMOUS@x.test>")], true),
            (&[("From", "<sip:x.test>")], true),
        ];
        for (headers, withheld) in rows {
            assert_eq!(is_withheld(&request(headers)), withheld, "{headers:?}");
        }
    }

    #[test]
    fn what_a_trunk_is_told_depends_on_trust_and_on_the_callers_wish() {
        let caller = || NameAddr::new(Uri::sip("+4930", "us.test"));
        let rows = [
            (true, false, "+4930", vec!["P-Asserted-Identity"]),
            (true, true, "anonymous", vec!["P-Asserted-Identity", "Privacy"]),
            (false, false, "+4930", vec![]),
            (false, true, "anonymous", vec!["Privacy"]),
        ];
        for (trusted, withheld, from, names) in rows {
            let (address, headers) = towards_trunk(trusted, withheld, caller());
            assert_eq!(address.uri.user_unescaped().as_deref(), Some(from));
            let said: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(said, names, "trusted {trusted}, withheld {withheld}");
            let leaked = headers.iter().any(|(_, value)| value.contains("4930"));
            assert_eq!(leaked, trusted, "trusted {trusted}, withheld {withheld}");
        }
    }

    #[test]
    fn a_call_that_comes_back_to_the_number_that_forwarded_it_is_a_loop() {
        let read = |said: &str| Some(format!("+{}", said.trim_start_matches('+')));
        let ours = ["us.test:5060".to_owned()];
        let looped = |request: &Request| is_loop(request, "+4930", &ours, read);
        assert!(!looped(&request(&[])));
        let mut back = request(&[]);
        for (name, value) in forwarded(&request(&[("History-Info", "<sip:+1@far.test>;index=1")]), "+4930", "us.test") {
            back.headers.push(&name, value);
        }
        assert_eq!(back.headers.list("History-Info").len(), 2);
        assert!(looped(&back));
        assert!(!is_loop(&back, "+4931", &ours, read), "another number may still be called");
        assert!(looped(&request(&[("Diversion", "<sip:4930@carrier.test>;reason=unconditional")])));
        for (passes, expected) in [(3, false), (4, true)] {
            let mut request = request(&[("Via", "SIP/2.0/UDP carrier.test;branch=z9hG4bK0")]);
            for pass in 0..passes {
                request.headers.push("Via", format!("SIP/2.0/UDP us.test:5060;branch=z9hG4bK{pass}"));
            }
            assert_eq!(looped(&request), expected, "{passes} passes");
        }
    }
}
