//! Trunks of the company file: what was there, what shall be, and what must hold.

use super::super::file::{
    Entry, FileError, LoginPassword, LoginUser, Own, Place, Problem, Secret, TargetKeys, TrunkKeys,
};
use super::super::{Company, InboundLogin, Login, LoginSecret, Network, Trunk, TrunkSettings, TrunkTarget};
use super::ha1;
use super::state::{Field, World, list};
use std::collections::BTreeMap;

/// Port of SIP (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// A trunk's values, what is stored of its passwords among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkState {
    pub company: String,
    pub name: String,
    pub addresses: Vec<Network>,
    pub targets: Vec<TrunkTarget>,
    pub settings: TrunkSettings,
    pub login: Option<Login>,
    pub inbound: Option<InboundLogin>,
    pub texts_secret: Option<Secret>,
}

impl TrunkState {
    pub(super) fn of(company: &Company, trunk: &Trunk) -> Self {
        let Trunk { id: _, company: _, name, addresses, targets, settings, login, inbound, texts_secret } = trunk;
        TrunkState {
            company: company.key.clone(),
            name: name.clone(),
            addresses: addresses.clone(),
            targets: targets.clone(),
            settings: settings.clone(),
            login: login.clone(),
            inbound: inbound.clone(),
            texts_secret: texts_secret.clone(),
        }
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        let TrunkState { company: _, name: _, addresses, targets, settings, login, inbound, texts_secret } = self;
        let TrunkSettings {
            number_format,
            trusted,
            max_calls,
            keepalive_s,
            patience_ms,
            register,
            register_expires_s,
            domain,
            only_encrypted,
            transfer_from_outside,
            texts,
            texts_url,
            texts_split,
        } = settings;
        let none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        vec![
            ("addresses", list(addresses)),
            ("targets", targets.iter().map(target_text).collect::<Vec<_>>().join(", ")),
            ("number_format", number_format.as_str().to_owned()),
            ("trusted", none(trusted.then(|| "yes".to_owned()))),
            ("max_calls", none(max_calls.map(|calls| calls.to_string()))),
            ("keepalive_s", none((*keepalive_s > 0).then(|| keepalive_s.to_string()))),
            ("patience_ms", patience_ms.to_string()),
            ("register", none(register.then(|| format!("for {register_expires_s} s")))),
            ("domain", none((!domain.is_empty()).then(|| domain.clone()))),
            ("only_encrypted", none(only_encrypted.then(|| "yes".to_owned()))),
            ("transfer_from_outside", none(transfer_from_outside.map(|may| if may { "yes" } else { "no" }.to_owned()))),
            ("username", none(login.as_ref().map(|login| login.user.clone()))),
            ("password", none(login.as_ref().map(|login| kept(&login.secret)))),
            ("inbound_username", none(inbound.as_ref().map(|inbound| inbound.user.clone()))),
            ("texts", texts.as_str().to_owned()),
            ("texts_url", none((!texts_url.is_empty()).then(|| texts_url.clone()))),
            ("texts_split", none(texts_split.then(|| "yes".to_owned()))),
            ("texts_secret", none(texts_secret.as_ref().map(|_| "as given".to_owned()))),
        ]
    }

    /// Whether a password differs in a way that [`TrunkState::fields`] does not show.
    pub(super) fn has_other_password(&self, other: &Self) -> bool {
        self.login.as_ref().map(|login| &login.secret) != other.login.as_ref().map(|login| &login.secret)
            || self.inbound != other.inbound
            || self.texts_secret != other.texts_secret
    }
}

/// How a password is stored, for people.
fn kept(secret: &LoginSecret) -> String {
    match secret {
        LoginSecret::Hashes { realm, .. } => format!("as hashes for realm {realm}"),
        LoginSecret::Clear(_) => "in clear, since its realm is not named".to_owned(),
    }
}

fn target_text(target: &TrunkTarget) -> String {
    match (target.order, target.weight) {
        (0, 1) => target.to_string(),
        (order, weight) => format!("{target} (order {order}, weight {weight})"),
    }
}

/// Lays what the file says of a trunk over the company's world.
pub(super) fn lay_over(world: &mut World, entry: &Entry<TrunkKeys>, place: &Place, errors: &mut Vec<FileError>) {
    let before = world.trunks.get(&entry.name).cloned();
    let realm = world.company.realm.clone();
    match trunk(before, &realm, entry) {
        Ok(trunk) => drop(world.trunks.insert(entry.name.clone(), trunk)),
        Err(problems) => {
            errors.extend(problems.into_iter().map(|problem| FileError { place: place.clone(), problem }));
        }
    }
}

fn trunk(before: Option<TrunkState>, realm: &str, entry: &Entry<TrunkKeys>) -> Result<TrunkState, Vec<Problem>> {
    let keys = &entry.keys;
    let mut problems = Vec::new();
    let mut take = |result: Result<(), Problem>| problems.extend(result.err());
    let mut trunk = before.unwrap_or_else(|| TrunkState {
        company: entry.company.clone(),
        name: entry.name.clone(),
        addresses: keys.host.as_ref().and_then(|host| address_of(host.as_str())).into_iter().collect(),
        targets: Vec::new(),
        settings: TrunkSettings::default(),
        login: None,
        inbound: None,
        texts_secret: None,
    });
    if let Some(addresses) = &keys.addresses {
        trunk.addresses = addresses.iter().map(|address| address.0).collect();
    }
    take(targets(&mut trunk.targets, keys));
    settings(&mut trunk.settings, keys);
    take(login(&mut trunk.login, keys));
    take(inbound(&mut trunk.inbound, realm, keys));
    if let Some(secret) = &keys.texts_secret {
        trunk.texts_secret = secret.0.clone();
    }
    if problems.is_empty() { Ok(trunk) } else { Err(problems) }
}

fn address_of(host: &str) -> Option<Network> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok().map(Network::host)
}

/// `targets`, or the one target of `host`, `port` and `transport`.
fn targets(targets: &mut Vec<TrunkTarget>, keys: &TrunkKeys) -> Result<(), Problem> {
    let TrunkKeys { host, port, transport, targets: said, .. } = keys;
    let single = [("host", host.is_some()), ("port", port.is_some()), ("transport", transport.is_some())];
    let single = single.into_iter().find(|(_, said)| *said).map(|(key, _)| key);
    if let Some(said) = said {
        if let Some(key) = single {
            return Err(Problem::TwoTargets(key));
        }
        *targets = said.iter().zip(1..).map(|(keys, at)| target(keys, at)).collect::<Result<_, _>>()?;
        return if targets.is_empty() { Err(Problem::NoTarget) } else { Ok(()) };
    }
    if single.is_some() && targets.len() != 1 {
        targets.clear();
    }
    if targets.is_empty() {
        let host = host.as_ref().ok_or(Problem::NoHost)?.to_string();
        targets.push(TrunkTarget { host, port: SIP_PORT, transport: Default::default(), order: 0, weight: 1 });
    }
    for target in targets {
        if let Some(host) = host {
            target.host = host.to_string();
        }
        target.port = port.map_or(target.port, |port| port.0);
        target.transport = transport.unwrap_or(target.transport);
        if single.is_none() {
            break;
        }
    }
    Ok(())
}

fn target(keys: &TargetKeys, at: usize) -> Result<TrunkTarget, Problem> {
    let TargetKeys { host, port, transport, order, weight } = keys;
    Ok(TrunkTarget {
        host: host.as_ref().ok_or(Problem::TargetHost(at))?.to_string(),
        port: port.map_or(SIP_PORT, |port| port.0),
        transport: transport.unwrap_or_default(),
        order: order.unwrap_or(0),
        weight: weight.map_or(1, |weight| weight.0),
    })
}

fn settings(settings: &mut TrunkSettings, keys: &TrunkKeys) {
    fn set<T>(value: &mut T, said: Option<T>) {
        if let Some(said) = said {
            *value = said;
        }
    }
    set(&mut settings.number_format, keys.number_format);
    set(&mut settings.trusted, keys.trusted);
    set(&mut settings.max_calls, keys.max_calls.map(|calls| Some(calls).filter(|calls| *calls > 0)));
    set(&mut settings.keepalive_s, keys.keepalive_s.map(|seconds| seconds.0));
    set(&mut settings.patience_ms, keys.patience_ms.map(|ms| ms.0));
    set(&mut settings.register, keys.register);
    set(&mut settings.register_expires_s, keys.register_expires_s.map(|seconds| seconds.0));
    set(&mut settings.domain, keys.domain.as_ref().map(|domain| domain.0.clone()));
    set(&mut settings.only_encrypted, keys.only_encrypted);
    set(&mut settings.transfer_from_outside, keys.transfer_from_outside.map(Own::value));
    set(&mut settings.texts, keys.texts);
    set(&mut settings.texts_url, keys.texts_url.as_ref().map(|url| url.0.clone()));
    set(&mut settings.texts_split, keys.texts_split);
}

/// What we prove to the carrier. A password that is kept in clear becomes hashes once its realm is
/// named; hashes are good for their user name and realm only.
fn login(login: &mut Option<Login>, keys: &TrunkKeys) -> Result<(), Problem> {
    let TrunkKeys { username, password, realm, .. } = keys;
    let user = match username {
        Some(LoginUser(user)) => user.clone(),
        None => login.as_ref().map(|login| login.user.clone()),
    };
    let Some(user) = user else {
        *login = None;
        return match password {
            Some(_) => Err(Problem::NoLoginName { name: "username", password: "password" }),
            None => Ok(()),
        };
    };
    let old = login.as_ref();
    let old_realm = old.and_then(|login| match &login.secret {
        LoginSecret::Hashes { realm, .. } => Some(realm.clone()),
        LoginSecret::Clear(_) => None,
    });
    let realm = realm.as_ref().map_or_else(|| old_realm.clone(), |realm| realm.0.clone());
    let clear = match (password, old.map(|login| &login.secret)) {
        (Some(LoginPassword(secret)), _) | (None, Some(LoginSecret::Clear(secret))) => Some(secret.clone()),
        (None, Some(LoginSecret::Hashes { .. }) | None) => None,
    };
    let secret = match (clear, old) {
        (Some(clear), _) => stored(&user, realm, clear),
        (None, None) => return Err(Problem::NoLoginPassword { name: "username", user, password: "password" }),
        (None, Some(old)) if old.user != user => return Err(Problem::LoginWithoutPassword("username")),
        (None, Some(_)) if realm != old_realm => return Err(Problem::LoginWithoutPassword("realm")),
        (None, Some(old)) => old.secret.clone(),
    };
    *login = Some(Login { user, secret });
    Ok(())
}

fn stored(user: &str, realm: Option<String>, clear: Secret) -> LoginSecret {
    match realm {
        Some(realm) => {
            let (md5, sha256) = ha1(user, &realm, clear.reveal());
            LoginSecret::Hashes { realm, md5, sha256 }
        }
        None => LoginSecret::Clear(clear),
    }
}

/// What the trunk proves to us, in the company's realm.
fn inbound(inbound: &mut Option<InboundLogin>, realm: &str, keys: &TrunkKeys) -> Result<(), Problem> {
    let (name, password) = ("inbound_username", "inbound_password");
    let user = match &keys.inbound_username {
        Some(LoginUser(user)) => user.clone(),
        None => inbound.as_ref().map(|inbound| inbound.user.clone()),
    };
    *inbound = match (user, &keys.inbound_password, inbound.take()) {
        (None, Some(_), _) => return Err(Problem::NoLoginName { name, password }),
        (None, None, _) => None,
        (Some(user), Some(LoginPassword(secret)), _) => {
            let (ha1_md5, ha1_sha256) = ha1(&user, realm, secret.reveal());
            Some(InboundLogin { user, ha1_md5, ha1_sha256 })
        }
        (Some(user), None, Some(old)) if old.user == user => Some(old),
        (Some(user), None, _) => return Err(Problem::NoLoginPassword { name, user, password }),
    };
    Ok(())
}

/// What must hold of the trunks of a company.
pub(super) fn check(world: &World, errors: &mut Vec<FileError>) {
    let mut users: BTreeMap<&str, String> =
        world.users.values().map(|user| (user.auth_name.as_str(), format!("user {}", user.extension))).collect();
    for trunk in world.trunks.values() {
        let place = Place::Trunk { company: trunk.company.clone(), name: trunk.name.clone() };
        let mut say = |problem| errors.push(FileError { place: place.clone(), problem });
        if trunk.settings.register && trunk.login.is_none() {
            say(Problem::RegisterWithoutLogin);
        }
        if trunk.settings.number_format == super::super::NumberFormat::National
            && world.company.settings.country_code.is_empty()
        {
            say(Problem::NoCountry);
        }
        if trunk.settings.texts == super::super::TextsBy::Http {
            let lacking = trunk.settings.texts_url.is_empty().then_some("texts_url");
            lacking.or(trunk.texts_secret.is_none().then_some("texts_secret")).into_iter().for_each(|key| {
                say(Problem::TextsOverHttp(key));
            });
        }
        let open = trunk.addresses.iter().find(|network| network.is_nearly_everybody());
        if let Some(network) = open.filter(|_| trunk.inbound.is_none()) {
            say(Problem::OpenToAll(network.to_string()));
        }
        let Some(inbound) = &trunk.inbound else { continue };
        if let Some(other) = users.insert(&inbound.user, format!("trunk {}", trunk.name)) {
            say(Problem::InboundUserTaken { user: inbound.user.clone(), other });
        }
    }
}
