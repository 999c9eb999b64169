//! A plan as lines for people: `+` comes, `~` changes, `-` goes. Never a password or hash.

use super::password::{NewPassword, PasswordWanted};
use super::state::{Field, list};
use super::{Change, Plan};
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, change) in self.changes.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{change}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::HandOver { company, from, to } => {
                write!(f, "~ subscriptions of user {from} of {company}: go to {}", list(to))
            }
            Change::RemoveUser { company, extension, name } => write!(f, "- user {extension} of {company} ({name})"),
            Change::RemoveNumber { company, e164 } => write!(f, "- number {e164} of {company}"),
            Change::RemoveTrunk { company, name } => write!(f, "- trunk {name} of {company}"),
            Change::RemoveFacility { company, kind, name } => write!(f, "- {kind} {name} of {company}"),
            Change::AddFacility { to } => {
                write!(f, "+ {} {} of {}: {}", to.kind(), to.name, to.company, all(to.fields()))
            }
            Change::ChangeFacility { from, to } => {
                let mut fields = differing(from.fields(), to.fields(), None);
                if fields.is_empty() && from.has_other_password(to) {
                    fields = "password as given".to_owned();
                }
                write!(f, "~ {} {} of {}: {fields}", to.kind(), to.name, to.company)
            }
            Change::AddCompany { to } => write!(f, "+ company {}: {}", to.key, all(to.fields())),
            Change::ChangeCompany { from, to } => {
                write!(f, "~ company {}: {}", to.key, differing(from.fields(), to.fields(), None))
            }
            Change::AddUser { to, password } => {
                let fields = to.fields().into_iter().chain([("password", password_text(password).to_owned())]);
                write!(f, "+ user {} of {}: {}", to.extension, to.company, all(fields.collect()))
            }
            Change::ChangeUser { from, to, password } => {
                let fields = differing(from.fields(), to.fields(), password.as_ref());
                write!(f, "~ user {} of {}: {fields}", to.extension, to.company)
            }
            Change::AddNumber { to } => write!(f, "+ number {} of {}: {}", to.e164, to.company, all(to.fields())),
            Change::ChangeNumber { from, to } => {
                write!(f, "~ number {} of {}: {}", to.e164, to.company, differing(from.fields(), to.fields(), None))
            }
            Change::AddTrunk { to } => write!(f, "+ trunk {} of {}: {}", to.name, to.company, all(to.fields())),
            Change::ChangeTrunk { from, to } => {
                let mut fields = differing(from.fields(), to.fields(), None);
                if fields.is_empty() && from.has_other_password(to) {
                    fields = "password as given".to_owned();
                }
                write!(f, "~ trunk {} of {}: {fields}", to.name, to.company)
            }
        }
    }
}

/// What a new thing has, without what it leaves to the company or has none of.
fn all(fields: Vec<Field>) -> String {
    let said = fields.into_iter().filter(|(_, value)| value != "inherit" && value != "none");
    said.map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
}

/// `key old → new` of everything that differs.
fn differing(from: Vec<Field>, to: Vec<Field>, password: Option<&NewPassword>) -> String {
    let pairs = from.into_iter().zip(to).filter(|((_, old), (_, new))| old != new);
    let lines = pairs.map(|((key, old), (_, new))| format!("{key} {old} → {new}"));
    let password = password.map(|password| format!("password {}", password_text(password)));
    lines.chain(password).collect::<Vec<_>>().join(", ")
}

fn password_text(password: &NewPassword) -> &'static str {
    match password.what {
        PasswordWanted::Given(_) => "as given",
        PasswordWanted::Generate => "generated",
    }
}
