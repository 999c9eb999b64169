//! A change as a line of the access log: what was done with what, and which keys differ. Neither
//! values nor passwords: the log is kept for ever.

use super::Change;
use super::state::Field;

/// What a line of the access log says of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Key of the company.
    pub company: String,
    /// e.g. `user.change`.
    pub action: String,
    /// e.g. `user 201: name, role`.
    pub thing: String,
}

impl Change {
    pub fn note(&self) -> Note {
        let note = |company: &str, kind: &str, what: &str, thing: String| Note {
            company: company.to_owned(),
            action: format!("{kind}.{what}"),
            thing: format!("{kind} {thing}"),
        };
        match self {
            Change::HandOver { company, from, to } => {
                note(company, "user", "hand-over", format!("{from}: to {}", to.join(", ")))
            }
            Change::RemoveUser { company, extension, name: _ } => note(company, "user", "remove", extension.clone()),
            Change::RemoveNumber { company, e164 } => note(company, "number", "remove", e164.clone()),
            Change::RemoveTrunk { company, name } => note(company, "trunk", "remove", name.clone()),
            Change::RemoveFacility { company, kind, name } => note(company, kind.as_str(), "remove", name.clone()),
            Change::AddCompany { to } => note(&to.key, "company", "add", to.key.clone()),
            Change::ChangeCompany { from, to } => {
                note(&to.key, "company", "change", keys(&to.key, from.fields(), to.fields(), None))
            }
            Change::AddUser { to, password: _ } => note(&to.company, "user", "add", to.extension.clone()),
            Change::ChangeUser { from, to, password } => {
                let what = match (from.deactivated, to.deactivated) {
                    (false, true) => "deactivate",
                    (true, false) => "activate",
                    (true, true) | (false, false) => "change",
                };
                let password = password.is_some().then_some("password");
                note(&to.company, "user", what, keys(&to.extension, from.fields(), to.fields(), password))
            }
            Change::AddNumber { to } => note(&to.company, "number", "add", to.e164.clone()),
            Change::ChangeNumber { from, to } => {
                note(&to.company, "number", "change", keys(&to.e164, from.fields(), to.fields(), None))
            }
            Change::AddTrunk { to } => note(&to.company, "trunk", "add", to.name.clone()),
            Change::ChangeTrunk { from, to } => {
                let password = from.has_other_password(to).then_some("password");
                note(&to.company, "trunk", "change", keys(&to.name, from.fields(), to.fields(), password))
            }
            Change::AddFacility { to } => note(&to.company, to.kind().as_str(), "add", to.name.clone()),
            Change::ChangeFacility { from, to } => {
                let password = from.has_other_password(to).then_some("password");
                note(&to.company, to.kind().as_str(), "change", keys(&to.name, from.fields(), to.fields(), password))
            }
        }
    }
}

/// `NAME: key, key` of everything that differs.
fn keys(name: &str, from: Vec<Field>, to: Vec<Field>, password: Option<&'static str>) -> String {
    let differing = from.into_iter().zip(to).filter(|((_, old), (_, new))| old != new).map(|((key, _), _)| key);
    let mut keys: Vec<&str> = differing.collect();
    if let Some(password) = password.filter(|password| !keys.contains(password)) {
        keys.push(password);
    }
    format!("{name}: {}", keys.join(", "))
}
