//! Bindings of users' devices (RFC 3261 §10): where a user can be reached now.
//!
//! A binding is reached over the flow that it registered from (RFC 5626, RFC 3581): the source
//! address of the datagram, or the connection itself. Bindings over datagrams outlive the process:
//! [`Registrar::take_changed`] says what to keep, [`Registrar::restore`] takes it back. One that
//! lives on a connection ends with it, and so with the process: its flow has failed (RFC 5626
//! §5.3), and the device cannot be reached before it registers anew.

use crate::base::{Span, Time, UserId};
use crate::sip::message::{Request, Response};
use crate::sip::uri::{NameAddr, Uri};
use crate::sip::{ConnectionId, Peer};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Limits of a registration, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    pub least: u32,
    pub usual: u32,
    pub most: u32,
}

/// A device of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    pub contact: Uri,
    /// `+sip.instance` (RFC 5626 §4.1): the same device under a new contact.
    pub instance: Option<String>,
    pub call_id: String,
    pub cseq: u32,
    pub expires: Time,
    pub flow: Peer,
    /// As the device calls itself.
    pub agent: String,
}

impl Binding {
    /// Over datagrams: an address stays, a connection does not.
    const fn outlives_the_process(&self) -> bool {
        self.flow.connection.is_none() && !self.flow.transport.is_reliable()
    }
}

/// Why a REGISTER changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegisterError {
    #[error("an expiry of {asked} s is below the least of {least} s")]
    TooBrief { asked: u32, least: u32 },
    #[error("a Contact of * goes with Expires: 0 and no other contact")]
    BadStar,
    #[error("CSeq {got} is not above the last one of this device, {last}")]
    OutOfOrder { got: u32, last: u32 },
    #[error("a Contact with the scheme {0} cannot be called")]
    Scheme(String),
    #[error("unreadable Contact: {0}")]
    Unreadable(String),
    #[error("a user has at most {0} devices")]
    TooMany(usize),
}

impl RegisterError {
    /// The SIP status that says so.
    pub const fn status(&self) -> u16 {
        match self {
            RegisterError::TooBrief { .. } => 423,
            RegisterError::BadStar | RegisterError::Scheme(_) | RegisterError::Unreadable(_) => 400,
            RegisterError::OutOfOrder { .. } => 500,
            RegisterError::TooMany(_) => 403,
        }
    }
}

/// Devices of a user at most.
const MOST_DEVICES: usize = 16;

/// All bindings.
#[derive(Clone, Debug)]
pub struct Registrar {
    lifetimes: Lifetimes,
    users: BTreeMap<UserId, Vec<Binding>>,
    /// Users whose devices are not what was last taken to be kept.
    changed: BTreeSet<UserId>,
}

impl Registrar {
    pub const fn new(lifetimes: Lifetimes) -> Self {
        Registrar { lifetimes, users: BTreeMap::new(), changed: BTreeSet::new() }
    }

    /// Takes a REGISTER of an authenticated user in, as a whole or not at all, and answers it.
    pub fn register(&mut self, user: UserId, request: &Request, flow: Peer, now: Time) -> Response {
        self.expire(now);
        match self.apply(user, request, flow, now) {
            Ok(()) => self.answer(user, request, now),
            Err(error) => {
                let response = request.response(error.status()).with_reason(&error.to_string());
                match error {
                    RegisterError::TooBrief { least, .. } => response.with_header("Min-Expires", least.to_string()),
                    RegisterError::BadStar
                    | RegisterError::OutOfOrder { .. }
                    | RegisterError::Scheme(_)
                    | RegisterError::Unreadable(_)
                    | RegisterError::TooMany(_) => response,
                }
            }
        }
    }

    fn apply(&mut self, user: UserId, request: &Request, flow: Peer, now: Time) -> Result<(), RegisterError> {
        let unreadable = |error: crate::sip::message::HeaderError| RegisterError::Unreadable(error.to_string());
        let call_id = request.call_id().map_err(unreadable)?.to_owned();
        let cseq = request.cseq().map_err(unreadable)?.seq;
        let mut bindings = self.users.get(&user).cloned().unwrap_or_default();
        if request.contact_is_star() {
            if request.expires() != Some(0) {
                return Err(RegisterError::BadStar);
            }
            bindings.retain(|binding| binding.call_id == call_id && binding.cseq >= cseq);
        } else {
            for contact in request.contacts().map_err(unreadable)? {
                let seconds = self.lifetime(&contact, request)?;
                let agent = request.headers.get("User-Agent").unwrap_or("").to_owned();
                let binding = Binding {
                    instance: contact.params.get("+sip.instance").map(str::to_owned),
                    contact: contact.uri,
                    call_id: call_id.clone(),
                    cseq,
                    expires: now + Span::from_secs(u64::from(seconds)),
                    flow,
                    agent,
                };
                put(&mut bindings, binding, seconds)?;
            }
        }
        if self.users.get(&user).map_or(&[][..], Vec::as_slice) != bindings {
            self.changed.insert(user);
        }
        match bindings.is_empty() {
            true => drop(self.users.remove(&user)),
            false => drop(self.users.insert(user, bindings)),
        }
        Ok(())
    }

    /// Seconds that a contact is to live: what it asks for, within our limits; 0 removes it.
    fn lifetime(&self, contact: &NameAddr, request: &Request) -> Result<u32, RegisterError> {
        if !matches!(contact.uri.scheme, crate::sip::uri::Scheme::Sip | crate::sip::uri::Scheme::Sips) {
            return Err(RegisterError::Scheme(contact.uri.scheme.as_str().to_owned()));
        }
        let own = contact.params.get("expires").and_then(|text| text.parse().ok());
        let asked = own.or_else(|| request.expires()).unwrap_or(self.lifetimes.usual);
        match asked {
            0 => Ok(0),
            asked if asked < self.lifetimes.least => {
                Err(RegisterError::TooBrief { asked, least: self.lifetimes.least })
            }
            asked => Ok(asked.min(self.lifetimes.most)),
        }
    }

    fn answer(&self, user: UserId, request: &Request, now: Time) -> Response {
        let mut response = request.response(200);
        for binding in self.users.get(&user).into_iter().flatten() {
            let mut contact = NameAddr::new(binding.contact.clone());
            let left = binding.expires.since(now).0.div_ceil(1_000_000);
            contact.params.set("expires", Some(&left.to_string()));
            if let Some(instance) = &binding.instance {
                contact.params.set("+sip.instance", Some(instance));
            }
            response.headers.push("Contact", contact.to_string());
        }
        response
    }

    /// The devices of a user, newest first.
    pub fn devices(&self, user: UserId, now: Time) -> Vec<Binding> {
        let mut devices: Vec<Binding> =
            self.users.get(&user).into_iter().flatten().filter(|binding| binding.expires > now).cloned().collect();
        devices.reverse();
        devices
    }

    /// A connection is gone, and with it every device behind it.
    pub fn connection_closed(&mut self, connection: ConnectionId) {
        self.retain(|binding| binding.flow.connection != Some(connection));
    }

    /// Forgets what has expired.
    pub fn expire(&mut self, now: Time) {
        self.retain(|binding| binding.expires > now);
    }

    /// Forgets the devices of users who are no longer there.
    pub fn keep_users(&mut self, mut known: impl FnMut(UserId) -> bool) {
        let gone: Vec<UserId> = self.users.keys().copied().filter(|user| !known(*user)).collect();
        for user in gone {
            self.users.remove(&user);
            self.changed.insert(user);
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(&Binding) -> bool) {
        let changed = &mut self.changed;
        self.users.retain(|user, bindings| {
            let before = bindings.len();
            bindings.retain(&mut keep);
            if bindings.len() != before {
                changed.insert(*user);
            }
            !bindings.is_empty()
        });
    }

    /// Whether there is anything for [`Registrar::take_changed`].
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The users whose devices have changed since this was last asked, each with all devices that
    /// can outlive the process, oldest first.
    pub fn take_changed(&mut self) -> Vec<(UserId, Vec<Binding>)> {
        let lasting = |user: &UserId| {
            let bindings = self.users.get(user).into_iter().flatten();
            bindings.filter(|binding| binding.outlives_the_process()).cloned().collect()
        };
        std::mem::take(&mut self.changed).into_iter().map(|user| (user, lasting(&user))).collect()
    }

    /// Takes back a device of an earlier run, behind those that the user has; `false` where it has
    /// expired, lived on a connection, or is one too many.
    pub fn restore(&mut self, user: UserId, binding: Binding, now: Time) -> bool {
        let devices = self.users.get(&user).map_or(0, Vec::len);
        let good = binding.expires > now && binding.outlives_the_process() && devices < MOST_DEVICES;
        if good {
            self.users.entry(user).or_default().push(binding);
        }
        good
    }

    /// How many devices are registered.
    pub fn count(&self) -> usize {
        self.users.values().map(Vec::len).sum()
    }
}

/// Adds, refreshes or removes (`seconds` 0) a device. It is the same device when the instance is
/// the same, or the contact is.
fn put(bindings: &mut Vec<Binding>, binding: Binding, seconds: u32) -> Result<(), RegisterError> {
    let same = |other: &Binding| match (&other.instance, &binding.instance) {
        (Some(theirs), Some(ours)) => theirs == ours,
        (Some(_), None) | (None, Some(_)) | (None, None) => other.contact.equivalent(&binding.contact),
    };
    if let Some(at) = bindings.iter().position(same) {
        let old = bindings.remove(at);
        if old.call_id == binding.call_id && binding.cseq <= old.cseq {
            return Err(RegisterError::OutOfOrder { got: binding.cseq, last: old.cseq });
        }
    }
    if seconds > 0 {
        if bindings.len() >= MOST_DEVICES {
            return Err(RegisterError::TooMany(MOST_DEVICES));
        }
        bindings.push(binding);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;
    use crate::sip::message::Message;
    use crate::sip::parse::parse_datagram;

    const LIFETIMES: Lifetimes = Lifetimes { least: 60, usual: 600, most: 3_600 };
    const USER: UserId = UserId(1);

    fn flow(port: u16) -> Peer {
        Peer {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: format!("127.0.0.9:{port}").parse().unwrap(),
            connection: None,
        }
    }

    fn register(cseq: u32, call: &str, lines: &str) -> Request {
        let text = format!(
            "REGISTER sip:acme.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bK{cseq}\r\nFrom: <sip:201@acme.test>;tag=a\r\n\
             To: <sip:201@acme.test>\r\nCall-ID: {call}\r\nCSeq: {cseq} REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        match parse_datagram(text.as_bytes()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    #[test]
    fn devices_are_added_refreshed_and_removed() {
        let mut registrar = Registrar::new(LIFETIMES);
        let steps = [
            (1, "a", "Contact: <sip:201@127.0.0.9:5070>\r\n", 200, 1),
            (1, "b", "Contact: <sip:201@127.0.0.9:5080>;expires=120\r\n", 200, 2),
            (2, "a", "Contact: <sip:201@127.0.0.9:5070>\r\nExpires: 300\r\n", 200, 2),
            (2, "a", "Contact: <sip:201@127.0.0.9:5070>\r\nExpires: 300\r\n", 500, 2),
            (3, "a", "Contact: <sip:201@127.0.0.9:5070>\r\nExpires: 5\r\n", 423, 2),
            (4, "a", "Contact: <sip:201@127.0.0.9:5070>\r\nExpires: 0\r\n", 200, 1),
            (5, "a", "Contact: *\r\nExpires: 10\r\n", 400, 1),
            (6, "a", "", 200, 1),
            (7, "a", "Contact: <tel:+1555>\r\n", 400, 1),
            (8, "a", "Contact: *\r\nExpires: 0\r\n", 200, 0),
        ];
        for (cseq, call, lines, status, devices) in steps {
            let response = registrar.register(USER, &register(cseq, call, lines), flow(5070), Time(1));
            assert_eq!((response.status, registrar.count()), (status, devices), "{lines:?}");
            if status == 200 {
                assert_eq!(response.contacts().unwrap().len(), devices);
            }
            if status == 423 {
                assert_eq!(response.headers.get("Min-Expires"), Some("60"));
            }
        }
    }

    #[test]
    fn a_device_with_a_new_contact_replaces_its_old_binding_by_instance() {
        let mut registrar = Registrar::new(LIFETIMES);
        for (cseq, port) in [(1, 5070), (2, 5999)] {
            let line = format!("Contact: <sip:201@127.0.0.9:{port}>;+sip.instance=\"<urn:uuid:1>\"\r\n");
            registrar.register(USER, &register(cseq, "a", &line), flow(port), Time(1));
        }
        let devices = registrar.devices(USER, Time(2));
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0].contact.port, Some(5999));
    }

    #[test]
    fn what_changed_is_told_once_and_as_a_whole() {
        let mut registrar = Registrar::new(LIFETIMES);
        let tcp = Peer { transport: Transport::Tcp, connection: Some(ConnectionId(7)), ..flow(9) };
        let one = "Contact: <sip:201@127.0.0.9:5070>\r\n";
        let told = |registrar: &mut Registrar| -> Vec<Vec<Option<u16>>> {
            let changed = registrar.take_changed();
            let ports = |devices: Vec<Binding>| devices.iter().map(|device| device.contact.port).collect();
            changed.into_iter().map(|(user, devices)| (assert_eq!(user, USER), ports(devices)).1).collect()
        };
        assert!(!registrar.has_changed());
        registrar.register(USER, &register(1, "a", one), flow(5070), Time(1));
        assert_eq!(told(&mut registrar), [[Some(5070)]]);
        assert_eq!(told(&mut registrar), Vec::<Vec<_>>::new(), "told once");
        registrar.register(USER, &register(2, "a", ""), flow(5070), Time(1));
        assert!(!registrar.has_changed(), "a query changes nothing");
        registrar.register(
            USER,
            &register(3, "a", "Contact: <sip:201@127.0.0.9:5070>;expires=5\r\n"),
            flow(5070),
            Time(1),
        );
        assert!(!registrar.has_changed(), "a REGISTER that is refused changes nothing");
        registrar.register(USER, &register(4, "a", one), flow(5070), Time(2));
        assert_eq!(told(&mut registrar), [[Some(5070)]], "a refresh lives longer");
        registrar.register(USER, &register(1, "b", "Contact: <sip:201@127.0.0.9:5090>\r\n"), tcp, Time(3));
        assert_eq!(told(&mut registrar), [[Some(5070)]], "what lives on a connection is not kept");
        registrar.connection_closed(ConnectionId(7));
        assert_eq!(told(&mut registrar), [[Some(5070)]]);
        registrar.expire(Time(700_000_000));
        assert_eq!(told(&mut registrar), [vec![]], "expired");
        registrar.register(USER, &register(9, "c", one), flow(5070), Time(1));
        told(&mut registrar);
        registrar.keep_users(|_| false);
        assert_eq!(told(&mut registrar), [vec![]], "the user has gone");
    }

    #[test]
    fn only_what_can_still_be_reached_is_restored() {
        let mut before = Registrar::new(LIFETIMES);
        before.register(USER, &register(5, "a", "Contact: <sip:201@127.0.0.9:5070>\r\n"), flow(5070), Time(0));
        let kept = before.take_changed().remove(0).1.remove(0);
        let tcp = Peer { transport: Transport::Tcp, connection: Some(ConnectionId(7)), ..flow(9) };
        let lost = Peer { connection: None, ..tcp };
        let mut registrar = Registrar::new(LIFETIMES);
        for (binding, good, why) in [
            (Binding { flow: tcp, ..kept.clone() }, false, "a connection of another process"),
            (Binding { flow: lost, ..kept.clone() }, false, "a stream without its connection"),
            (Binding { expires: Time(50), ..kept.clone() }, false, "expired"),
            (kept.clone(), true, "a datagram's source"),
        ] {
            assert_eq!(registrar.restore(USER, binding, Time(50)), good, "{why}");
        }
        assert_eq!(registrar.devices(USER, Time(51)), [kept]);
        assert!(!registrar.has_changed(), "what was kept need not be kept again");
        let replayed = register(5, "a", "Contact: <sip:201@127.0.0.9:5070>\r\n");
        let response = registrar.register(USER, &replayed, flow(5070), Time(60));
        assert_eq!(response.status, 500, "the CSeq of before the restart still counts");
    }

    #[test]
    fn bindings_end_with_their_time_and_with_their_connection() {
        let mut registrar = Registrar::new(LIFETIMES);
        let tcp = Peer { transport: Transport::Tcp, connection: Some(ConnectionId(7)), ..flow(9) };
        registrar.register(USER, &register(1, "a", "Contact: <sip:201@127.0.0.9:5070>\r\n"), flow(9), Time(0));
        registrar.register(USER, &register(1, "b", "Contact: <sip:201@127.0.0.9:5090>\r\n"), tcp, Time(0));
        registrar.connection_closed(ConnectionId(7));
        assert_eq!(registrar.devices(USER, Time(1)).len(), 1);
        assert!(registrar.devices(USER, Time(601_000_000)).is_empty());
    }
}
