//! A company file as a directory by itself, without a database behind it.

use super::super::file::{CompanyFile, FileError, RouteTo};
use super::super::{Company, Directory, FacilityKind, FacilityRow, Number, Route, Trunk, User};
use super::state::{self, CompanyState, NumberState, UserState, World};
use super::trunk::TrunkState;
use super::{check, target};
use crate::base::{CompanyId, FlowId, GroupId, InboxId, NumberId, TrunkId, UserId};
use std::collections::BTreeMap;

/// The directory that `file` describes, or everything that is wrong with it. Ids count from 1 in
/// the order of keys. Passwords are neither asked for nor kept: nobody can register with it.
pub fn standalone(file: &CompanyFile) -> Result<Directory, Vec<FileError>> {
    let before = BTreeMap::new();
    let mut worlds = before.clone();
    let mut errors = Vec::new();
    target::lay_over(&mut worlds, file, false, &mut errors);
    check::check(&before, &worlds, &mut errors);
    match errors.is_empty() {
        true => Ok(directory(worlds)),
        false => Err(errors),
    }
}

/// `current` as it would be with `file` laid over it, or everything that stands in the way; of the companies
/// that the file names. Ids are its own: what is in `current` is found there by its name.
pub fn trial(current: &Directory, file: &CompanyFile) -> Result<Directory, Vec<FileError>> {
    let before = state::worlds(current);
    let mut after = before.clone();
    let mut errors = Vec::new();
    target::lay_over(&mut after, file, false, &mut errors);
    check::check(&before, &after, &mut errors);
    match errors.is_empty() {
        true => {
            after.retain(|key, _| file.companies().any(|company| company == key));
            Ok(directory(after))
        }
        false => Err(errors),
    }
}

/// Ids by what people call things.
struct Ids {
    companies: BTreeMap<String, CompanyId>,
    users: BTreeMap<(String, String), UserId>,
    numbers: BTreeMap<String, NumberId>,
    facilities: BTreeMap<(String, FacilityKind, String), i64>,
}

impl Ids {
    fn of(worlds: &BTreeMap<String, World>) -> Self {
        let users = worlds.values().flat_map(|world| world.users.values());
        let numbers = worlds.values().flat_map(|world| world.numbers.keys());
        let facilities = worlds
            .iter()
            .flat_map(|(key, world)| world.facilities.keys().map(|(kind, name)| (key.clone(), *kind, name.clone())));
        Ids {
            facilities: facilities.zip(1..).collect(),
            companies: (1..).zip(worlds.keys()).map(|(id, key)| (key.clone(), CompanyId(id))).collect(),
            users: (1..)
                .zip(users)
                .map(|(id, user)| ((user.company.clone(), user.extension.clone()), UserId(id)))
                .collect(),
            numbers: (1..).zip(numbers).map(|(id, e164)| (e164.clone(), NumberId(id))).collect(),
        }
    }

    fn company(&self, key: &str) -> CompanyId {
        self.companies.get(key).copied().unwrap_or(CompanyId(0))
    }

    fn user(&self, company: &str, extension: &str) -> Option<UserId> {
        self.users.get(&(company.to_owned(), extension.to_owned())).copied()
    }

    fn facility(&self, company: &str, kind: FacilityKind, name: &str) -> Option<i64> {
        self.facilities.get(&(company.to_owned(), kind, name.to_owned())).copied()
    }

    fn number(&self, e164: Option<&String>) -> Option<NumberId> {
        self.numbers.get(e164?).copied()
    }
}

pub(super) fn directory(worlds: BTreeMap<String, World>) -> Directory {
    let ids = Ids::of(&worlds);
    let (mut companies, mut users, mut numbers, mut trunks) = (vec![], vec![], vec![], vec![]);
    let mut facilities = Vec::new();
    for world in worlds.into_values() {
        companies.push(company(world.company, &ids));
        users.extend(world.users.into_values().filter(|user| !user.deactivated).filter_map(|state| user(state, &ids)));
        numbers.extend(world.numbers.into_values().filter_map(|state| number(state, &ids)));
        for state in world.facilities.into_values() {
            let (kind, company) = (state.kind(), ids.company(&state.company));
            let id = ids.facility(&state.company, kind, &state.name).unwrap_or(0);
            facilities.push(FacilityRow { id, company, name: state.name, facility: state.facility });
        }
        for state in world.trunks.into_values() {
            let id = TrunkId(i64::try_from(trunks.len()).unwrap_or(i64::MAX).saturating_add(1));
            trunks.push(trunk(state, id, &ids));
        }
    }
    Directory::new(companies, users, numbers, trunks).with_facilities(facilities)
}

fn company(state: CompanyState, ids: &Ids) -> Company {
    let CompanyState { key, name, domains, realm, default_number, settings } = state;
    let (id, default_number) = (ids.company(&key), ids.number(default_number.as_ref()));
    Company { id, key, name, domains, realm, settings, default_number }
}

fn user(state: UserState, ids: &Ids) -> Option<User> {
    let UserState {
        company,
        extension,
        name,
        auth_name,
        role,
        overrides,
        number,
        auth,
        calls,
        destinations,
        deactivated: _,
    } = state;
    Some(User {
        id: ids.user(&company, &extension)?,
        company: ids.company(&company),
        extension,
        name,
        auth_name,
        ha1_md5: String::new(),
        ha1_sha256: String::new(),
        role,
        overrides,
        number: ids.number(number.as_ref()),
        auth,
        calls,
        destinations,
    })
}

fn number(state: NumberState, ids: &Ids) -> Option<Number> {
    let NumberState { company, e164, route, recording, notice, dial_prefix, retention_days } = state;
    let facility = |kind, name: &str| ids.facility(&company, kind, name);
    let route = match route {
        RouteTo::Unrouted => None,
        RouteTo::User(extension) => ids.user(&company, &extension).map(Route::User),
        RouteTo::Group(name) => facility(FacilityKind::Group, &name).map(|id| Route::Group(GroupId(id))),
        RouteTo::Inbox(name) => facility(FacilityKind::Inbox, &name).map(|id| Route::Inbox(InboxId(id))),
        RouteTo::Flow(name) => facility(FacilityKind::Flow, &name).map(|id| Route::Flow(FlowId(id))),
    };
    let route = route.unwrap_or(Route::Unrouted);
    let (id, company) = (ids.number(Some(&e164))?, ids.company(&company));
    Some(Number { id, company, e164, route, recording, notice, dial_prefix, retention_days })
}

fn trunk(state: TrunkState, id: TrunkId, ids: &Ids) -> Trunk {
    let TrunkState { company, name, addresses, targets, settings, login, inbound, texts_secret } = state;
    Trunk { id, company: ids.company(&company), name, addresses, targets, settings, login, inbound, texts_secret }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_file_is_a_directory_whose_names_lead_to_each_other() {
        let file = CompanyFile::parse(include_str!("../../../fixtures/company.example.toml")).unwrap();
        let directory = standalone(&file).unwrap();
        let company = directory.company_of_domain("acme.example").unwrap();
        assert!(company.settings.record_inbound && !company.settings.record_internal);
        let alice = directory.user_by_extension(company.id, "201").unwrap();
        let number = directory.number_by_e164("+15550100").unwrap();
        assert_eq!(
            (number.route, alice.number, company.default_number),
            (Route::User(alice.id), Some(number.id), Some(number.id))
        );
        assert!(directory.trunk_from("127.0.0.2".parse().unwrap(), company.id).is_some());
    }

    #[test]
    fn a_user_needs_no_password_here_but_every_other_mistake_is_said() {
        let text = "[[company]]\nkey='a'\ndomains=['a.example']\n[[user]]\nextension='1'\n";
        assert!(standalone(&CompanyFile::parse(text).unwrap()).is_ok());
        let wrong = format!("{text}[[number]]\nnumber='+15550100'\nroute='user:9'\n");
        assert_eq!(standalone(&CompanyFile::parse(&wrong).unwrap()).map_err(|errors| errors.len()).err(), Some(1));
    }
}
