//! What applying a company file changes: a list that can be shown, and then carried out.
//!
//! Worlds as they are ─file laid over─► worlds as they shall be ─checked─► difference

mod check;
mod edit;
mod export;
mod facility;
mod keys;
mod listed;
mod mailbox;
mod note;
mod password;
mod show;
mod standalone;
mod state;
mod target;
mod trunk;

pub use edit::{BadReplacement, Edit, Replacement, Thing};
pub use export::{Export, Prompts, export};
pub use facility::FacilityState;
pub use keys::{Keys, setting_keys};
pub use listed::{Listed, listed};
pub use note::Note;
pub use password::{Drawn, HashError, Hashes, NewPassword, PasswordWanted, WebPassword, generated, ha1};
pub use standalone::{standalone, trial};
pub use state::{CompanyState, NumberState, UserState};
pub use trunk::TrunkState;

use super::dangers::new_dangers;
use super::file::{CompanyFile, Entry, FileError, Problem, UserKeys};
use super::{Company, Directory, FacilityKind, User};
use state::World;
use std::collections::BTreeMap;

/// What applying a file changes, in the order in which it can be carried out: what goes,
/// then companies, users, numbers, trunks, facilities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The directory's version that the plan was made for: it fits no other.
    pub version: i64,
    pub changes: Vec<Change>,
    /// What becomes dangerous by it, for people. It can be carried out all the same.
    pub warnings: Vec<String>,
}

/// One change. `from` and `to` are whole values: what differs is shown, all of `to` is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// From now on others are subscribed to what the user was, and the user is not. Carried out
    /// before anything goes.
    HandOver {
        company: String,
        from: String,
        to: Vec<String>,
    },
    RemoveUser {
        company: String,
        extension: String,
        name: String,
    },
    RemoveNumber {
        company: String,
        e164: String,
    },
    RemoveTrunk {
        company: String,
        name: String,
    },
    RemoveFacility {
        company: String,
        kind: FacilityKind,
        name: String,
    },
    AddCompany {
        to: CompanyState,
    },
    ChangeCompany {
        from: Box<CompanyState>,
        to: CompanyState,
    },
    AddUser {
        to: UserState,
        password: NewPassword,
    },
    ChangeUser {
        from: UserState,
        to: UserState,
        password: Option<NewPassword>,
    },
    AddNumber {
        to: NumberState,
    },
    ChangeNumber {
        from: NumberState,
        to: NumberState,
    },
    AddTrunk {
        to: TrunkState,
    },
    ChangeTrunk {
        from: TrunkState,
        to: TrunkState,
    },
    AddFacility {
        to: FacilityState,
    },
    ChangeFacility {
        from: FacilityState,
        to: FacilityState,
    },
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Compares `current` with what `file` says, or says everything that stands in the way.
/// With `prune`, what the file does not name is removed from the companies that it has a
/// `[[company]]` for; companies are never removed.
pub fn plan(current: &Directory, file: &CompanyFile, prune: bool) -> Result<Plan, Vec<FileError>> {
    let before = state::worlds(current);
    let mut after = before.clone();
    let mut errors = Vec::new();
    target::lay_over(&mut after, file, prune, &mut errors);
    check::check(&before, &after, &mut errors);
    let passwords = Passwords::of(current, file, &after, &mut errors);
    match errors.is_empty() {
        true => Ok(made(current, difference(&before, &after, &passwords), after)),
        false => Err(errors),
    }
}

/// Plans one change of a single thing, or says everything that stands in its way: what still refers
/// to a thing that shall go is named there.
pub fn plan_edit(current: &Directory, edit: &Edit) -> Result<Plan, Vec<FileError>> {
    let before = state::worlds(current);
    let mut after = before.clone();
    let mut changes = edit::carry_out(&mut after, edit)?;
    let mut errors = Vec::new();
    check::check(&before, &after, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    changes.extend(difference(&before, &after, &Passwords::default()));
    Ok(made(current, changes, after))
}

/// The plan with what it makes dangerous, in the companies that have a box.
fn made(current: &Directory, changes: Vec<Change>, mut after: BTreeMap<String, World>) -> Plan {
    after.retain(|_, world| mailbox::boxes(world).next().is_some());
    let warnings = match changes.is_empty() || after.is_empty() {
        true => Vec::new(),
        false => {
            let after = standalone::directory(after);
            after.companies().flat_map(|company| new_dangers(current, &after, company)).collect()
        }
    };
    Plan { version: current.version(), changes, warnings }
}

fn difference(before: &BTreeMap<String, World>, after: &BTreeMap<String, World>, passwords: &Passwords) -> Vec<Change> {
    let mut changes = Vec::new();
    after.iter().for_each(|(key, world)| removals(before.get(key), world, &mut changes));
    after.iter().for_each(|(key, world)| company(before.get(key), world, &mut changes));
    after.iter().for_each(|(key, world)| users(before.get(key), world, passwords, &mut changes));
    after.iter().for_each(|(key, world)| numbers(before.get(key), world, &mut changes));
    after.iter().for_each(|(key, world)| trunks(before.get(key), world, &mut changes));
    after.iter().for_each(|(key, world)| facilities(before.get(key), world, &mut changes));
    changes
}

fn removals(before: Option<&World>, after: &World, changes: &mut Vec<Change>) {
    let Some(before) = before else { return };
    let company = &before.company.key;
    for user in before.users.values().filter(|user| !after.users.contains_key(&user.extension)) {
        let (extension, name) = (user.extension.clone(), user.name.clone());
        changes.push(Change::RemoveUser { company: company.clone(), extension, name });
    }
    for e164 in before.numbers.keys().filter(|e164| !after.numbers.contains_key(*e164)) {
        changes.push(Change::RemoveNumber { company: company.clone(), e164: e164.clone() });
    }
    for name in before.trunks.keys().filter(|name| !after.trunks.contains_key(*name)) {
        changes.push(Change::RemoveTrunk { company: company.clone(), name: name.clone() });
    }
    for (kind, name) in before.facilities.keys().filter(|key| !after.facilities.contains_key(*key)) {
        changes.push(Change::RemoveFacility { company: company.clone(), kind: *kind, name: name.clone() });
    }
}

fn company(before: Option<&World>, after: &World, changes: &mut Vec<Change>) {
    let to = after.company.clone();
    match before.map(|world| &world.company) {
        None => changes.push(Change::AddCompany { to }),
        Some(from) if *from != to => changes.push(Change::ChangeCompany { from: Box::new(from.clone()), to }),
        Some(_) => {}
    }
}

fn users(before: Option<&World>, after: &World, passwords: &Passwords, changes: &mut Vec<Change>) {
    for to in after.users.values().cloned() {
        let password = passwords.new.get(&(to.company.clone(), to.extension.clone())).cloned();
        match (before.and_then(|world| world.users.get(&to.extension)).cloned(), password) {
            (None, Some(password)) => changes.push(Change::AddUser { to, password }),
            (Some(from), password) if from != to || password.is_some() => {
                changes.push(Change::ChangeUser { from, to, password });
            }
            // A new user without a password has been refused.
            (None, None) | (Some(_), _) => {}
        }
    }
}

fn numbers(before: Option<&World>, after: &World, changes: &mut Vec<Change>) {
    for to in after.numbers.values().cloned() {
        match before.and_then(|world| world.numbers.get(&to.e164)).cloned() {
            None => changes.push(Change::AddNumber { to }),
            Some(from) if from != to => changes.push(Change::ChangeNumber { from, to }),
            Some(_) => {}
        }
    }
}

fn trunks(before: Option<&World>, after: &World, changes: &mut Vec<Change>) {
    for to in after.trunks.values().cloned() {
        match before.and_then(|world| world.trunks.get(&to.name)).cloned() {
            None => changes.push(Change::AddTrunk { to }),
            Some(from) if from != to => changes.push(Change::ChangeTrunk { from, to }),
            Some(_) => {}
        }
    }
}

fn facilities(before: Option<&World>, after: &World, changes: &mut Vec<Change>) {
    for (key, to) in after.facilities.clone() {
        match before.and_then(|world| world.facilities.get(&key)).cloned() {
            None => changes.push(Change::AddFacility { to }),
            Some(from) if from != to => changes.push(Change::ChangeFacility { from, to }),
            Some(_) => {}
        }
    }
}

/// The passwords that are to change, by company key and extension.
#[derive(Default)]
struct Passwords {
    new: BTreeMap<(String, String), NewPassword>,
}

impl Passwords {
    fn of(
        current: &Directory,
        file: &CompanyFile,
        after: &BTreeMap<String, World>,
        errors: &mut Vec<FileError>,
    ) -> Self {
        let mut new = BTreeMap::new();
        for entry in &file.users {
            let Some(world) = after.get(&entry.company) else { continue };
            let Some(to) = world.users.get(&entry.name) else { continue };
            let company = current.company_by_key(&entry.company);
            let user =
                company.and_then(|company| Some((company, current.user_ever_by_extension(company.id, &entry.name)?)));
            match wanted(user, to, entry) {
                Ok(Some(what)) => {
                    let (realm, auth_name) = (world.company.realm.clone(), to.auth_name.clone());
                    new.insert((entry.company.clone(), entry.name.clone()), NewPassword { realm, auth_name, what });
                }
                Ok(None) => {}
                Err(problem) => errors.push(FileError { place: check::place_of_user(to), problem }),
            }
        }
        Passwords { new }
    }
}

/// The password that the user gets, `None` when it stays.
fn wanted(
    current: Option<(&Company, &User)>,
    to: &UserState,
    entry: &Entry<UserKeys>,
) -> Result<Option<PasswordWanted>, Problem> {
    let given = entry.keys.password.as_ref();
    let generate = entry.keys.generate_password == Some(true);
    let renamed = current.is_some_and(|(_, user)| user.auth_name != to.auth_name);
    let has_one = current.is_some_and(|(_, user)| !user.ha1_md5.is_empty());
    match given {
        Some(_) if generate => Err(Problem::TwoPasswords),
        Some(secret) => {
            let same = current.is_some_and(|(company, user)| !renamed && password::is_current(company, user, secret));
            Ok((!same).then(|| PasswordWanted::Given(secret.clone())))
        }
        None if has_one && renamed => Err(Problem::AuthNameWithoutPassword(to.auth_name.clone())),
        None if has_one => Ok(None),
        None if generate => Ok(Some(PasswordWanted::Generate)),
        None => Err(Problem::NoPassword),
    }
}

#[cfg(test)]
mod tests;
