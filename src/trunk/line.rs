//! One trunk while the service runs.

use super::health::{Health, Standing, ordered};
use super::registration::{Registration, RegistrationView};
use crate::base::{Random, Span, Time, TrunkId};
use crate::directory::Trunk;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// First REGISTERs and OPTIONS of all trunks are spread over this, in ms.
const SPREAD_MS: u64 = 2_000;

/// What is kept of a trunk.
#[derive(Debug)]
pub struct Line {
    /// As it was when this was made: another trunk makes another line.
    pub trunk: Trunk,
    targets: Vec<Health>,
    pub registration: Option<Registration>,
    /// Where the last REGISTER that was taken went.
    pub registrar: Option<SocketAddr>,
    /// What the carrier last challenged us with: for an admin who wants only hashes stored.
    pub realm: String,
}

impl Line {
    pub fn new(trunk: &Trunk, now: Time, random: &mut dyn Random) -> Self {
        let soon = |random: &mut dyn Random| now + Span::from_millis(u64::from(random.u32()) % SPREAD_MS);
        let settings = &trunk.settings;
        let targets = trunk.targets.iter().map(|_| Health::new(settings.keepalive_s, soon(random))).collect();
        let registers = settings.register && trunk.login.is_some();
        let registration = registers.then(|| Registration::new(settings.register_expires_s, soon(random), random));
        Line { trunk: trunk.clone(), targets, registration, registrar: None, realm: String::new() }
    }

    /// Whether the stored trunk is still this one.
    pub fn is(&self, trunk: &Trunk) -> bool {
        self.trunk == *trunk
    }

    /// Goes on with the registration of `before`, where nothing that it depends on has changed.
    pub fn take_registration(&mut self, before: &mut Line) -> bool {
        let (old, new) = (&before.trunk, &self.trunk);
        let same = old.login == new.login
            && old.targets == new.targets
            && old.settings.domain == new.settings.domain
            && old.settings.register == new.settings.register
            && old.settings.register_expires_s == new.settings.register_expires_s;
        if same {
            self.registration = before.registration.take();
            self.registrar = before.registrar;
            self.realm.clone_from(&before.realm);
        }
        same
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let registration = self.registration.as_ref().and_then(Registration::next_timeout);
        self.targets.iter().filter_map(Health::next_timeout).chain(registration).min()
    }

    pub fn health(&mut self, target: usize) -> Option<&mut Health> {
        self.targets.get_mut(target)
    }

    /// Targets that an OPTIONS goes to now.
    pub fn asks(&mut self, now: Time) -> Vec<usize> {
        self.targets.iter_mut().enumerate().filter_map(|(at, health)| health.asks(now).then_some(at)).collect()
    }

    /// The targets to try, in order; with `all` also those that are down, last.
    pub fn sequence(&self, all: bool, now: Time, random: &mut dyn Random) -> Vec<usize> {
        let (up, down): (Vec<usize>, Vec<usize>) =
            (0..self.targets.len()).partition(|at| self.targets.get(*at).is_some_and(|health| health.is_usable(now)));
        let mut sequence = ordered(&self.trunk.targets, &up, random);
        if all {
            sequence.extend(ordered(&self.trunk.targets, &down, random));
        }
        sequence
    }

    pub fn view(&self, company: &str, calls: usize, now: Time) -> TrunkView {
        let targets = self.trunk.targets.iter().zip(&self.targets);
        TrunkView {
            id: self.trunk.id,
            company: company.to_owned(),
            name: self.trunk.name.clone(),
            calls,
            max_calls: self.trunk.settings.max_calls,
            addresses: self.trunk.addresses.iter().map(ToString::to_string).collect(),
            inbound_username: self.trunk.inbound.as_ref().map(|inbound| inbound.user.clone()),
            username: self.trunk.login.as_ref().map(|login| login.user.clone()),
            realm: self.realm.clone(),
            targets: targets.map(|(target, health)| target_view(&target.to_string(), health, now)).collect(),
            registration: self.registration.as_ref().map(|registration| registration.view(now)),
        }
    }
}

fn target_view(target: &str, health: &Health, now: Time) -> TargetView {
    let (state, again_in_s) = match health.standing(now) {
        Standing::Up => ("up", None),
        Standing::Down => ("down", health.next_timeout()),
        Standing::Resting { until } => ("resting", Some(until)),
    };
    TargetView {
        target: target.to_owned(),
        state: state.to_owned(),
        again_in_s: again_in_s.map(|at| at.since(now).0 / 1_000_000),
    }
}

/// A trunk, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkView {
    pub id: TrunkId,
    /// Key of the company.
    pub company: String,
    pub name: String,
    /// That are up or ring.
    pub calls: usize,
    pub max_calls: Option<u32>,
    pub addresses: Vec<String>,
    pub inbound_username: Option<String>,
    pub username: Option<String>,
    /// Realm of the carrier's last challenge; empty before one.
    pub realm: String,
    pub targets: Vec<TargetView>,
    pub registration: Option<RegistrationView>,
}

impl TrunkView {
    /// Calls can go out through it: a target answers, and where it registers, it is registered.
    pub fn is_up(&self) -> bool {
        let registered = self.registration.as_ref().is_none_or(|registration| registration.state == "registered");
        registered && (self.targets.is_empty() || self.targets.iter().any(|target| target.state == "up"))
    }
}

/// One target, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetView {
    pub target: String,
    /// `up`, `down` (no answer), `resting` (as its Retry-After asked, or for a while after silence).
    pub state: String,
    pub again_in_s: Option<u64>,
}
