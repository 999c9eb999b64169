//! The directory as calls see it: one immutable snapshot, looked up by what a request names.
//!
//! A change of the directory is a new snapshot; a call that is up keeps the one that it began with.

mod facilities;
mod reach;
mod same;

pub use facilities::FacilityRow;
pub use reach::Reach;

use super::{Company, Inbox, Network, Number, Role, Route, Settings, Trunk, User};
use crate::base::{CompanyId, NumberId, TrunkId, UserId};
use crate::ledger::Refusal;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

/// Every company with its users, numbers and trunks.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Grows with every change of the stored directory; 0 before the first.
    version: i64,
    companies: BTreeMap<CompanyId, Company>,
    users: BTreeMap<UserId, User>,
    /// They can do nothing and be reached by nobody: who asks for users does not find them.
    deactivated: BTreeMap<UserId, User>,
    numbers: BTreeMap<NumberId, Number>,
    trunks: BTreeMap<TrunkId, Trunk>,
    by_key: HashMap<String, CompanyId>,
    by_domain: HashMap<String, CompanyId>,
    by_extension: HashMap<CompanyId, BTreeMap<String, UserId>>,
    by_auth: HashMap<CompanyId, HashMap<String, UserId>>,
    by_e164: HashMap<String, NumberId>,
    /// Numbers of a company, ordered by E.164.
    company_numbers: HashMap<CompanyId, BTreeMap<String, NumberId>>,
    /// Trunks of a company, ordered by name.
    company_trunks: HashMap<CompanyId, BTreeMap<String, TrunkId>>,
    by_address: HashMap<IpAddr, Vec<TrunkId>>,
    facilities: facilities::Facilities,
    /// Trunks of wider networks: few, and looked through.
    by_network: Vec<(Network, TrunkId)>,
    /// Trunks that prove themselves by digest, by their user name.
    by_trunk_login: HashMap<CompanyId, HashMap<String, TrunkId>>,
}

impl Directory {
    pub fn new(
        companies: impl IntoIterator<Item = Company>,
        users: impl IntoIterator<Item = User>,
        numbers: impl IntoIterator<Item = Number>,
        trunks: impl IntoIterator<Item = Trunk>,
    ) -> Self {
        let mut directory = Directory::default();
        companies.into_iter().for_each(|company| directory.add_company(company));
        users.into_iter().for_each(|user| directory.add_user(user));
        numbers.into_iter().for_each(|number| directory.add_number(number));
        trunks.into_iter().for_each(|trunk| directory.add_trunk(trunk));
        directory
    }

    /// The same, as the version of the stored directory that it was read from.
    pub fn with_version(self, version: i64) -> Self {
        Directory { version, ..self }
    }

    /// The same with users who are deactivated.
    pub fn with_deactivated(mut self, users: impl IntoIterator<Item = User>) -> Self {
        self.deactivated = users.into_iter().map(|user| (user.id, user)).collect();
        self
    }

    /// The stored directory's version that this is.
    pub fn version(&self) -> i64 {
        self.version
    }

    fn add_company(&mut self, company: Company) {
        self.by_key.insert(company.key.clone(), company.id);
        for domain in &company.domains {
            self.by_domain.insert(normal_domain(domain), company.id);
        }
        self.companies.insert(company.id, company);
    }

    fn add_user(&mut self, user: User) {
        self.by_extension.entry(user.company).or_default().insert(user.extension.clone(), user.id);
        self.by_auth.entry(user.company).or_default().insert(user.auth_name.clone(), user.id);
        self.users.insert(user.id, user);
    }

    fn add_number(&mut self, number: Number) {
        self.by_e164.insert(number.e164.clone(), number.id);
        self.company_numbers.entry(number.company).or_default().insert(number.e164.clone(), number.id);
        self.numbers.insert(number.id, number);
    }

    fn add_trunk(&mut self, trunk: Trunk) {
        for network in &trunk.addresses {
            match network.sole() {
                Some(address) => self.by_address.entry(address.to_canonical()).or_default().push(trunk.id),
                None => self.by_network.push((*network, trunk.id)),
            }
        }
        if let Some(inbound) = &trunk.inbound {
            self.by_trunk_login.entry(trunk.company).or_default().insert(inbound.user.clone(), trunk.id);
        }
        self.company_trunks.entry(trunk.company).or_default().insert(trunk.name.clone(), trunk.id);
        self.trunks.insert(trunk.id, trunk);
    }

    pub fn company(&self, id: CompanyId) -> Option<&Company> {
        self.companies.get(&id)
    }

    /// The company whose short name is `key`.
    pub fn company_by_key(&self, key: &str) -> Option<&Company> {
        self.company(*self.by_key.get(key)?)
    }

    /// The company that owns `domain`: a host name in any case, with or without its last
    /// dot, or an IP literal, an IPv6 one with or without brackets.
    pub fn company_of_domain(&self, domain: &str) -> Option<&Company> {
        self.company(*self.by_domain.get(&normal_domain(domain))?)
    }

    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    /// The user, also one who is deactivated: for what happened before.
    pub fn user_ever(&self, id: UserId) -> Option<&User> {
        self.user(id).or_else(|| self.deactivated.get(&id))
    }

    /// The user of that extension, also one who is deactivated.
    pub fn user_ever_by_extension(&self, company: CompanyId, extension: &str) -> Option<&User> {
        let deactivated = || self.deactivated_of(company).find(|user| user.extension == extension);
        self.user_by_extension(company, extension).or_else(deactivated)
    }

    /// By id.
    pub fn deactivated_of(&self, company: CompanyId) -> impl Iterator<Item = &User> {
        self.deactivated.values().filter(move |user| user.company == company)
    }

    pub fn is_deactivated(&self, id: UserId) -> bool {
        self.deactivated.contains_key(&id)
    }

    pub fn user_by_extension(&self, company: CompanyId, extension: &str) -> Option<&User> {
        self.user(*self.by_extension.get(&company)?.get(extension)?)
    }

    /// The user whose digest user name is `auth_name`.
    pub fn user_by_auth(&self, company: CompanyId, auth_name: &str) -> Option<&User> {
        self.user(*self.by_auth.get(&company)?.get(auth_name)?)
    }

    pub fn number(&self, id: NumberId) -> Option<&Number> {
        self.numbers.get(&id)
    }

    /// `e164` with its leading `+`.
    pub fn number_by_e164(&self, e164: &str) -> Option<&Number> {
        self.number(*self.by_e164.get(e164)?)
    }

    pub fn trunk(&self, id: TrunkId) -> Option<&Trunk> {
        self.trunks.get(&id)
    }

    /// The trunks in whose networks `ip` is, by company, then name: the same order at every start.
    /// An address may serve several companies: the called number decides between them.
    pub fn trunks_from(&self, ip: IpAddr) -> Vec<&Trunk> {
        let exact = self.by_address.get(&ip.to_canonical()).into_iter().flatten().copied();
        let wide = self.by_network.iter().filter(|(network, _)| network.contains(ip)).map(|(_, id)| *id);
        let mut trunks: Vec<&Trunk> = exact.chain(wide).filter_map(|id| self.trunk(id)).collect();
        trunks.sort_by_key(|trunk| (trunk.company, &trunk.name));
        trunks.dedup_by_key(|trunk| trunk.id);
        trunks
    }

    /// The company's trunk that requests from `ip` came through; the first by name.
    pub fn trunk_from(&self, ip: IpAddr, company: CompanyId) -> Option<&Trunk> {
        self.trunks_from(ip).into_iter().find(|trunk| trunk.company == company)
    }

    /// The company's trunk that proves itself by digest under that user name.
    pub fn trunk_by_login(&self, company: CompanyId, user: &str) -> Option<&Trunk> {
        self.trunk(*self.by_trunk_login.get(&company)?.get(user)?)
    }

    /// By id.
    pub fn trunks(&self) -> impl Iterator<Item = &Trunk> {
        self.trunks.values()
    }

    /// By name: outbound calls take the first that can take them.
    pub fn trunks_of(&self, company: CompanyId) -> impl Iterator<Item = &Trunk> {
        self.company_trunks.get(&company).into_iter().flat_map(BTreeMap::values).filter_map(|id| self.trunk(*id))
    }

    /// By id.
    pub fn companies(&self) -> impl Iterator<Item = &Company> {
        self.companies.values()
    }

    /// By extension, as text.
    pub fn users_of(&self, company: CompanyId) -> impl Iterator<Item = &User> {
        self.by_extension.get(&company).into_iter().flat_map(BTreeMap::values).filter_map(|id| self.user(*id))
    }

    /// By E.164.
    pub fn numbers_of(&self, company: CompanyId) -> impl Iterator<Item = &Number> {
        self.company_numbers.get(&company).into_iter().flat_map(BTreeMap::values).filter_map(|id| self.number(*id))
    }

    /// The company's number whose dial prefix `dialled` begins with, the longest, and what follows.
    pub fn by_dial_prefix<'a>(&self, company: CompanyId, dialled: &'a str) -> Option<(&Number, &'a str)> {
        let stripped = |number: &Number| dialled.strip_prefix(number.dial_prefix.as_deref()?);
        let fitting = self.numbers_of(company).filter_map(|number| Some((number, stripped(number)?)));
        fitting.filter(|(_, rest)| !rest.is_empty()).min_by_key(|(_, rest)| rest.len())
    }

    /// Whether `user` may call as `number`: it is assigned to the user, leads to them, is in an
    /// inbox that the user is in, or is the company's for all.
    pub fn may_call_as(&self, user: &User, number: &Number) -> bool {
        let default = self.company(user.company).and_then(|company| company.default_number);
        let of_inbox = |inbox: &Inbox| inbox.numbers.contains(&number.id) && inbox.members.contains(&user.id);
        number.company == user.company
            && (user.number == Some(number.id)
                || number.route == Route::User(user.id)
                || default == Some(number.id)
                || self.inboxes_of(user.company).any(of_inbox))
    }

    /// What an outbound call of `user` is sent with: the primary number of the user's default
    /// inbox, else the user's own number, else the company's default; `None` refuses the call.
    pub fn caller_id_of(&self, user: &User) -> Option<NumberId> {
        let inbox = self.default_inbox(user).and_then(|inbox| inbox.primary);
        inbox.or(user.number).or_else(|| self.company(user.company).and_then(|company| company.default_number))
    }
}

/// Whether `user` may command the recording of a call with these settings: the effective `agent_pause` is on
/// (the user's own, else the company's), and the role is admin, supervisor or agent; of a call that they are
/// not on (`is_on`), admin or supervisor.
pub fn may_command(settings: &Settings, user: &User, is_on: bool) -> Result<(), Refusal> {
    let is_permitted = match user.role {
        Role::Admin | Role::Supervisor => true,
        Role::Agent => is_on,
        Role::Analyst => false,
    };
    match (is_permitted, user.overrides.agent_pause.unwrap_or(settings.agent_pause)) {
        (true, true) => Ok(()),
        (true, false) => Err(Refusal::AgentPauseOff),
        (false, _) => Err(Refusal::Role),
    }
}

/// One spelling for one domain: lower case, no last dot, IP literals as Rust prints them,
/// IPv4-mapped IPv6 as IPv4.
pub fn normal_domain(domain: &str) -> String {
    let bare = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = bare.and_then(|text| text.parse::<Ipv6Addr>().ok()) {
        return IpAddr::V6(address).to_canonical().to_string();
    }
    match domain.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => domain.strip_suffix('.').unwrap_or(domain).to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests;
