//! Message waiting: which device shows that there are messages, and how many (RFC 3842).
//!
//! ```text
//! SUBSCRIBE (message-summary) ─► 200, NOTIFY ─► NOTIFY at every change ─► NOTIFY terminated
//! REGISTER without SUBSCRIBE  ─► NOTIFY of its own, and one at every change
//! ```
//! A user's devices are told of the user's own messages and of nobody else's. What is told is the whole
//! count each time, so a NOTIFY that was lost is made good by the next one. While one is under way to a
//! device the next waits, and tells what is so then.

use super::Shell;
use super::switch::{Cx, Dice, Purpose, Switch};
use crate::base::{CompanyId, Span, Time, UserId, Wall};
use crate::directory::{Directory, User};
use crate::ledger::Waiting;
use crate::registrar::Binding;
use crate::sip::dialog::{Dialog, DialogId};
use crate::sip::endpoint::ServerTx;
use crate::sip::message::{Method, Request, Response};
use crate::sip::uri::{NameAddr, Uri};
use crate::sip::{ConnectionId, Peer, token};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The event package.
pub(super) const PACKAGE: &str = "message-summary";
const SUMMARY: &str = "application/simple-message-summary";
/// What is dialled to listen to one's messages, and may be subscribed to as well.
const MENU: &str = "*98";

/// Lifetimes of a subscription, in seconds (RFC 3842 §3.4 leaves them open).
const LEAST: u32 = 60;
const USUAL: u32 = 3_600;
const MOST: u32 = 86_400;
/// Subscriptions of one user at most: a phone that loses its own makes new ones.
const MOST_OF_USER: usize = 32;

/// A device that asked to be told.
#[derive(Debug)]
struct Watcher {
    user: UserId,
    dialog: Dialog,
    peer: Peer,
    contact: String,
    /// Event, with the id that the subscriber gave it.
    event: String,
    account: String,
    until: Time,
    /// A NOTIFY is under way.
    telling: bool,
    /// What is so has changed since then.
    stale: bool,
}

/// A device that is told without having asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Device {
    user: UserId,
    /// Its Contact.
    uri: String,
}

#[derive(Debug, Default)]
struct Told {
    /// What it took last.
    last: Option<Waiting>,
    telling: bool,
    /// It does not want to be told like this, until it registers from elsewhere.
    refused: bool,
}

/// Who is told, and what there is to tell.
#[derive(Debug, Default)]
pub(super) struct Lamps {
    /// Of users who have messages or may get some: others' devices are told nothing.
    waiting: HashMap<UserId, Waiting>,
    watchers: HashMap<UserId, HashMap<DialogId, Watcher>>,
    user_of: HashMap<DialogId, UserId>,
    /// No subscription ends before.
    first_end: Option<Time>,
    told: HashMap<Device, Told>,
}

impl Lamps {
    pub const fn next_timeout(&self) -> Option<Time> {
        self.first_end
    }

    fn waiting(&self, user: UserId) -> Waiting {
        self.waiting.get(&user).copied().unwrap_or_default()
    }

    fn of_user(&self, user: UserId) -> impl Iterator<Item = (&DialogId, &Watcher)> {
        self.watchers.get(&user).into_iter().flatten()
    }

    fn get_mut(&mut self, id: &DialogId) -> Option<&mut Watcher> {
        self.watchers.get_mut(self.user_of.get(id)?)?.get_mut(id)
    }

    fn insert(&mut self, id: DialogId, watcher: Watcher) {
        self.ends_at(watcher.until);
        self.user_of.insert(id.clone(), watcher.user);
        self.watchers.entry(watcher.user).or_default().insert(id, watcher);
    }

    fn remove(&mut self, id: &DialogId) {
        let Some(user) = self.user_of.remove(id) else { return };
        if let Some(own) = self.watchers.get_mut(&user) {
            own.remove(id);
            if own.is_empty() {
                self.watchers.remove(&user);
            }
        }
    }

    fn ends_at(&mut self, until: Time) {
        self.first_end = Some(self.first_end.map_or(until, |first| first.min(until)));
    }

    fn retain(&mut self, keep: impl Fn(&Watcher) -> bool) {
        let gone = self.watchers.values().flatten().filter(|(_, watcher)| !keep(watcher));
        let gone: Vec<DialogId> = gone.map(|(id, _)| id.clone()).collect();
        for id in gone {
            self.remove(&id);
        }
    }

    /// The subscriptions whose time is over.
    fn take_due(&mut self, now: Time) -> Vec<DialogId> {
        if self.first_end.is_none_or(|first| first > now) {
            return Vec::new();
        }
        let all = || self.watchers.values().flatten();
        let due = all().filter(|(_, watcher)| watcher.until <= now).map(|(id, _)| id.clone()).collect();
        self.first_end = all().map(|(_, watcher)| watcher.until).filter(|until| *until > now).min();
        due
    }

    /// Devices whose connection has gone hear no more of their subscriptions.
    pub fn connection_closed(&mut self, connection: ConnectionId) {
        self.retain(|watcher| watcher.peer.connection != Some(connection));
    }

    pub fn keep_users(&mut self, known: impl Fn(UserId) -> bool) {
        self.waiting.retain(|user, _| known(*user));
        self.retain(|watcher| known(watcher.user));
        self.told.retain(|device, _| known(device.user));
    }
}

/// What a NOTIFY says of the subscription.
enum State {
    /// It goes on until then.
    Active(Time),
    /// It is over.
    Over,
}

impl State {
    fn value(&self, now: Time) -> String {
        match self {
            State::Active(until) => format!("active;expires={}", until.since(now).0.div_ceil(1_000_000)),
            State::Over => "terminated;reason=timeout".to_owned(),
        }
    }
}

/// The body of a NOTIFY (RFC 3842 §5.2).
fn summary(waiting: Waiting, account: &str) -> String {
    let Waiting { new, old, urgent_new, urgent_old } = waiting;
    let waits = if new > 0 { "yes" } else { "no" };
    format!(
        "Messages-Waiting: {waits}\r\nMessage-Account: {account}\r\n\
         Voice-Message: {new}/{old} ({urgent_new}/{urgent_old})\r\n"
    )
}

impl Switch {
    /// What waits for these users now. Their devices are told where it is something else than before.
    pub fn set_waiting(
        &mut self,
        counts: impl IntoIterator<Item = (UserId, Waiting)>,
        now: Time,
        wall: Wall,
        shell: &mut dyn Shell,
    ) {
        let mut cx = Cx { now, wall, shell };
        for (user, waiting) in counts {
            if self.lamps.waiting.get(&user) == Some(&waiting) {
                continue;
            }
            self.lamps.waiting.insert(user, waiting);
            self.tell_watchers(user, &mut cx);
            self.tell_devices(user, &mut cx);
        }
        self.drain(&mut cx);
    }

    fn tell_watchers(&mut self, user: UserId, cx: &mut Cx<'_>) {
        let watchers: Vec<DialogId> = self.lamps.of_user(user).map(|(id, _)| id.clone()).collect();
        for id in watchers {
            self.tell_watcher(&id, cx);
        }
    }

    /// A SUBSCRIBE outside a dialog.
    pub(super) fn on_subscribe(&mut self, tx: ServerTx, request: &Request, peer: Peer, cx: &mut Cx<'_>) {
        let directory = Arc::clone(&self.directory);
        if let Err(response) = asks_for_summary(request) {
            return self.endpoint.respond(tx, *response, cx.now);
        }
        let user = match self.proven_user(request, peer, &directory, cx) {
            Ok(user) => user,
            Err(response) => return self.endpoint.respond(tx, *response, cx.now),
        };
        let asked = request.uri.user_unescaped().unwrap_or_default();
        if ![user.extension.as_str(), &user.auth_name, MENU].contains(&asked.as_str()) {
            // Whether there is such a user is not said: their messages are nobody else's affair.
            let response = request.response(404).with_reason("Only one's own messages can be watched");
            return self.endpoint.respond(tx, response, cx.now);
        }
        let seconds = match lifetime(request) {
            Ok(seconds) => seconds,
            Err(response) => return self.endpoint.respond(tx, *response, cx.now),
        };
        let tag = token(&mut Dice(cx.shell), 8);
        let dialog = match Dialog::uas(request, &tag) {
            Ok(dialog) => dialog,
            Err(error) => {
                let response = request.response(error.status()).with_reason(&error.to_string());
                return self.endpoint.respond(tx, response, cx.now);
            }
        };
        self.make_room(user.id);
        let contact = self.contact_on(&peer);
        let response = request.response(200).with_to_tag(&tag).with_header("Contact", contact.clone());
        self.endpoint.respond(tx, response.with_header("Expires", seconds.to_string()), cx.now);
        let account = account_of(user, &directory);
        let event = request.headers.get("Event").unwrap_or(PACKAGE).to_owned();
        let until = cx.now + Span::from_secs(u64::from(seconds));
        let (user, id) = (user.id, dialog.id());
        let watcher = Watcher { user, dialog, peer, contact, event, account, until, telling: false, stale: false };
        self.lamps.insert(id.clone(), watcher);
        self.tell_watcher(&id, cx);
    }

    /// A user with very many subscriptions loses the one that ends first.
    fn make_room(&mut self, user: UserId) {
        if self.lamps.of_user(user).count() < MOST_OF_USER {
            return;
        }
        let first = self.lamps.of_user(user).min_by_key(|(_, watcher)| watcher.until).map(|(id, _)| id.clone());
        if let Some(first) = first {
            self.lamps.remove(&first);
        }
    }

    /// A request in the dialog of a subscription; `false` where there is none.
    pub(super) fn on_watchers_request(
        &mut self,
        id: &DialogId,
        tx: ServerTx,
        request: &Request,
        peer: Peer,
        cx: &mut Cx<'_>,
    ) -> bool {
        let Some(watcher) = self.lamps.get_mut(id) else { return false };
        if request.method != Method::Subscribe {
            let response = request.response(405).with_header("Allow", "SUBSCRIBE");
            self.endpoint.respond(tx, response, cx.now);
            return true;
        }
        if let Err(error) = watcher.dialog.accept(request) {
            let response = request.response(error.status()).with_reason(&error.to_string());
            self.endpoint.respond(tx, response, cx.now);
            return true;
        }
        let seconds = match asks_for_summary(request).and_then(|()| lifetime(request)) {
            Ok(seconds) => seconds,
            Err(response) => {
                self.endpoint.respond(tx, *response, cx.now);
                return true;
            }
        };
        let until = cx.now + Span::from_secs(u64::from(seconds));
        (watcher.until, watcher.peer) = (until, peer);
        if let Some(contact) = request.contact() {
            watcher.dialog.refresh_target(&contact);
        }
        let response = request.response(200).with_header("Contact", watcher.contact.clone());
        self.lamps.ends_at(until);
        self.endpoint.respond(tx, response.with_header("Expires", seconds.to_string()), cx.now);
        self.tell_watcher(id, cx);
        true
    }

    /// Tells a subscriber what is so, or that the subscription is over.
    fn tell_watcher(&mut self, id: &DialogId, cx: &mut Cx<'_>) {
        let Some(watcher) = self.lamps.get_mut(id) else { return };
        if watcher.telling {
            watcher.stale = true;
            return;
        }
        let state = if watcher.until > cx.now { State::Active(watcher.until) } else { State::Over };
        (watcher.telling, watcher.stale) = (true, false);
        let request = watcher.dialog.request(Method::Notify, &watcher.contact);
        let (event, account, user) = (watcher.event.clone(), watcher.account.clone(), watcher.user);
        let (peer, contact) = (watcher.peer, watcher.contact.clone());
        let body = summary(self.lamps.waiting(user), &account);
        let request = request
            .with_header("Event", event)
            .with_header("Subscription-State", state.value(cx.now))
            .with_body(SUMMARY, body);
        if matches!(state, State::Over) {
            self.lamps.remove(id);
        }
        self.send(request, peer, contact, Purpose::Summary { dialog: id.clone() }, cx);
    }

    /// What a NOTIFY to a subscriber was answered with; one that was lost counts as 408.
    pub(super) fn on_summary_answered(&mut self, id: &DialogId, status: u16, cx: &mut Cx<'_>) {
        if status < 200 {
            return;
        }
        let Some(watcher) = self.lamps.get_mut(id) else { return };
        watcher.telling = false;
        let stale = watcher.stale;
        // Whoever does not know the subscription, or is not there, hears no more of it (RFC 6665 §4.2.2).
        match status {
            200..300 if stale => self.tell_watcher(id, cx),
            200..300 => {}
            _ => self.lamps.remove(id),
        }
    }

    /// The time of subscriptions is over.
    pub(super) fn end_watchers(&mut self, cx: &mut Cx<'_>) {
        for id in self.lamps.take_due(cx.now) {
            if let Some(watcher) = self.lamps.get_mut(&id) {
                watcher.telling = false;
            }
            self.tell_watcher(&id, cx);
        }
    }

    /// Tells the registered devices of a user who have not asked, each what it does not know yet.
    pub(super) fn tell_devices(&mut self, user: UserId, cx: &mut Cx<'_>) {
        let Some(waiting) = self.lamps.waiting.get(&user).copied() else { return };
        let bindings = self.registrar.devices(user, cx.now);
        let known: BTreeSet<String> = bindings.iter().map(|binding| binding.contact.to_string()).collect();
        self.lamps.told.retain(|device, _| device.user != user || known.contains(&device.uri));
        for binding in bindings {
            let asked = self.lamps.of_user(user).any(|(_, watcher)| watches(watcher, &binding));
            let device = Device { user, uri: binding.contact.to_string() };
            let told = self.lamps.told.entry(device.clone()).or_default();
            if asked || told.last == Some(waiting) || told.telling || told.refused {
                continue;
            }
            told.telling = true;
            told.last = Some(waiting);
            self.tell_device(&binding, device, waiting, cx);
        }
    }

    fn tell_device(&mut self, binding: &Binding, device: Device, waiting: Waiting, cx: &mut Cx<'_>) {
        let directory = Arc::clone(&self.directory);
        let Some(user) = directory.user(device.user) else { return };
        let account = account_of(user, &directory);
        let own = NameAddr::new(Uri::sip(&user.extension, &host_of(user.company, &directory)));
        let contact = self.contact_on(&binding.flow);
        let request = Request::new(Method::Notify, binding.contact.clone())
            .with_header("From", own.clone().with_tag(&token(&mut Dice(cx.shell), 8)).to_string())
            .with_header("To", own.to_string())
            .with_header("Call-ID", token(&mut Dice(cx.shell), 16))
            .with_header("CSeq", "1 NOTIFY")
            .with_header("Contact", contact.clone())
            .with_header("Event", PACKAGE)
            .with_header("Subscription-State", "terminated;reason=noresource")
            .with_body(SUMMARY, summary(waiting, &account));
        self.send(request, binding.flow, contact, Purpose::Lamp { device }, cx);
    }

    pub(super) fn on_lamp_answered(&mut self, device: &Device, status: u16, cx: &mut Cx<'_>) {
        if status < 200 {
            return;
        }
        let Some(told) = self.lamps.told.get_mut(device) else { return };
        told.telling = false;
        match status {
            200..300 => {}
            // It was not there, or busy with something else: told when it registers again.
            408 | 480 | 500..600 => {
                told.last = None;
                return;
            }
            _ => {
                told.refused = true;
                return;
            }
        }
        // What has changed meanwhile.
        self.tell_devices(device.user, cx);
    }
}

/// Whether this device has a subscription.
fn watches(watcher: &Watcher, binding: &Binding) -> bool {
    watcher.peer.remote == binding.flow.remote || watcher.dialog.remote_target.equivalent(&binding.contact)
}

/// Where the user listens to what waits.
fn account_of(user: &User, directory: &Directory) -> String {
    Uri::sip(MENU, &host_of(user.company, directory)).to_string()
}

fn host_of(company: CompanyId, directory: &Directory) -> String {
    directory.company(company).and_then(|company| company.domains.first()).cloned().unwrap_or_default()
}

/// The package, and a body that we can write.
fn asks_for_summary(request: &Request) -> Result<(), Box<Response>> {
    let event = request.headers.get("Event").unwrap_or("");
    let package = event.split(';').next().unwrap_or("").trim();
    if !package.eq_ignore_ascii_case(PACKAGE) {
        return Err(Box::new(request.response(489).with_header("Allow-Events", PACKAGE)));
    }
    let accepted = request.headers.list("Accept");
    let fits = |range: &&str| {
        let range = range.split(';').next().unwrap_or("").trim();
        [SUMMARY, "application/*", "*/*"].iter().any(|known| known.eq_ignore_ascii_case(range))
    };
    match accepted.is_empty() || accepted.iter().any(fits) {
        true => Ok(()),
        false => Err(Box::new(request.response(406).with_header("Accept", SUMMARY))),
    }
}

/// Seconds that the subscription is to live; 0: what is so now, once.
fn lifetime(request: &Request) -> Result<u32, Box<Response>> {
    match request.expires().unwrap_or(USUAL) {
        0 => Ok(0),
        brief if brief < LEAST => Err(Box::new(request.response(423).with_header("Min-Expires", LEAST.to_string()))),
        seconds => Ok(seconds.min(MOST)),
    }
}
