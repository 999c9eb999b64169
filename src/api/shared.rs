//! Shared inboxes: what is asked of them, the answers, and the changes of the directory that they are.
//!
//! A shared inbox is an inbox with messaging switched on for a company number. Its calls go where they
//! went before, so that switching it off leaves the number as it was.

use super::directory::said;
use super::{Permission, Problem};
use crate::base::Wall;
use crate::directory::file::{CompanyFile, FileError, Kind};
use crate::directory::plan::{Plan, plan};
use crate::directory::{Company, Directory, FacilityKind, Inbox, Number};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use utoipa::ToSchema;

/// A request about shared inboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedAsk {
    List,
    /// By the number, E.164.
    Show {
        number: String,
    },
    /// Switches it on; where it is on, changes what is said.
    Enable {
        number: String,
        keys: SharedKeys,
    },
    Change {
        number: String,
        keys: SharedKeys,
    },
    Disable {
        number: String,
    },
    Licences,
    /// Operators and resellers.
    Release {
        id: i64,
    },
}

impl SharedAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            SharedAsk::List | SharedAsk::Show { .. } | SharedAsk::Licences => Permission::ReadDirectory,
            SharedAsk::Enable { .. }
            | SharedAsk::Change { .. }
            | SharedAsk::Disable { .. }
            | SharedAsk::Release { .. } => Permission::ManageDirectory,
        }
    }
}

/// What is said of a shared inbox. Of one that is new label and users are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SharedKeys {
    /// For people.
    #[schema(min_length = 1, max_length = 100)]
    pub label: Option<String>,
    /// Extensions of all its users.
    pub users: Option<Vec<String>>,
    /// Users see all conversations; else what came after they joined.
    pub history: Option<bool>,
    /// Name of the inbox that it becomes part of; one is made where none is named.
    pub inbox: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedReply {
    List(SharedList),
    One(SharedView),
    Licences(LicenceList),
}

/// The shared inbox of a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharedView {
    /// E.164.
    pub number: String,
    /// Name of the inbox.
    pub inbox: String,
    pub label: String,
    /// `Shared Inbox [label]`
    pub assigned_to: String,
    /// Extensions.
    pub users: Vec<String>,
    pub history: bool,
}

impl SharedView {
    pub fn of(directory: &Directory, number: &Number, inbox: &Inbox) -> Self {
        let users = inbox.members.iter().filter_map(|user| directory.user(*user));
        SharedView {
            number: number.e164.clone(),
            inbox: inbox.name.clone(),
            label: inbox.label.clone(),
            assigned_to: assigned_to(inbox),
            users: users.map(|user| user.extension.clone()).collect(),
            history: inbox.history,
        }
    }
}

/// How a number with a shared inbox is shown.
pub fn assigned_to(inbox: &Inbox) -> String {
    format!("Shared Inbox [{}]", inbox.label)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharedList {
    pub shared_inboxes: Vec<SharedView>,
}

/// A shared inbox that the company pays for, whether it is on or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LicenceView {
    pub id: i64,
    pub allocated: String,
    /// The number that it is on, or was on last; absent where that has gone.
    pub number: Option<String>,
    pub in_use: bool,
    /// Since when it is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_since: Option<String>,
}

impl LicenceView {
    pub fn of(directory: &Directory, licence: &crate::store::Licence) -> Self {
        LicenceView {
            id: licence.id,
            allocated: licence.allocated.to_string(),
            number: directory.number(licence.number).map(|number| number.e164.clone()),
            in_use: licence.in_use,
            free_since: licence.freed.as_ref().map(Wall::to_string),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LicenceList {
    pub licences: Vec<LicenceView>,
}

/// Every shared inbox of a company, by number.
pub fn all<'d>(directory: &'d Directory, company: &Company) -> impl Iterator<Item = (&'d Number, &'d Inbox)> {
    let numbers = directory.numbers_of(company.id);
    numbers.filter_map(|number| Some((number, directory.shared_inbox(number.id)?)))
}

/// Switches the shared inbox of a number on, or changes it where it is on.
///
/// # Errors
/// Everything that stands in the way.
pub fn switch_on(
    directory: &Directory,
    company: &Company,
    number: &Number,
    keys: &SharedKeys,
) -> Result<Plan, Problem> {
    let there = directory.inbox_of_number(number.id);
    let usual = format!("shared-{}", number.e164.trim_start_matches('+'));
    let name = match (there, &keys.inbox) {
        (Some(inbox), None) => inbox.name.clone(),
        (_, Some(name)) => name.clone(),
        (None, None) => usual,
    };
    let inbox = directory.inbox_by_name(company.id, &name);
    if inbox.is_none() {
        let lacking = [("label", keys.label.is_none()), ("users", keys.users.is_none())];
        let lacking = lacking.into_iter().filter(|(_, lacks)| *lacks);
        let lacking: Vec<String> =
            lacking.map(|(key, _)| format!("{key}: it is missing, and a new shared inbox needs it")).collect();
        if !lacking.is_empty() {
            return Err(Problem::Unfit(lacking));
        }
    }
    let mut messaging = inbox.map_or_else(Vec::new, |inbox| numbers(directory, inbox));
    if !messaging.contains(&number.e164) {
        messaging.push(number.e164.clone());
    }
    lay(directory, company, &name, keys, messaging)
}

/// Changes what is said of a shared inbox that is on.
pub fn change(directory: &Directory, company: &Company, inbox: &Inbox, keys: &SharedKeys) -> Result<Plan, Problem> {
    if keys.inbox.as_ref().is_some_and(|name| *name != inbox.name) {
        let text = format!("inbox: the number is in {}: switch its shared inbox off first", inbox.name);
        return Err(Problem::Unfit(vec![text]));
    }
    lay(directory, company, &inbox.name, keys, numbers(directory, inbox))
}

/// Switches it off: the number is as it was, and its conversations are kept unseen.
pub fn switch_off(directory: &Directory, company: &Company, inbox: &Inbox, number: &Number) -> Result<Plan, Problem> {
    let mut messaging = numbers(directory, inbox);
    messaging.retain(|e164| *e164 != number.e164);
    let mut keys = Table::from_iter([("messaging".to_owned(), list(messaging))]);
    // What its members called with is theirs no more.
    if inbox.primary == Some(number.id) && !inbox.routed.contains(&number.id) {
        keys.insert("primary".to_owned(), Value::String(String::new()));
    }
    planned(directory, company, &inbox.name, keys)
}

fn numbers(directory: &Directory, inbox: &Inbox) -> Vec<String> {
    inbox.messaging.iter().filter_map(|id| directory.number(*id)).map(|number| number.e164.clone()).collect()
}

fn list(texts: Vec<String>) -> Value {
    Value::Array(texts.into_iter().map(Value::String).collect())
}

fn lay(
    directory: &Directory,
    company: &Company,
    name: &str,
    keys: &SharedKeys,
    messaging: Vec<String>,
) -> Result<Plan, Problem> {
    let SharedKeys { label, users, history, inbox: _ } = keys;
    let said = [
        ("label", label.clone().map(Value::String)),
        ("members", users.clone().map(list)),
        ("history", history.map(Value::Boolean)),
        ("messaging", Some(list(messaging))),
    ];
    let table = said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    planned(directory, company, name, table)
}

fn planned(directory: &Directory, company: &Company, name: &str, table: Table) -> Result<Plan, Problem> {
    let unfit = |errors: Vec<FileError>| Problem::Unfit(errors.iter().map(said).collect());
    let kind = Kind::Facility(FacilityKind::Inbox);
    let file = CompanyFile::of_one(kind, &company.key, name, table).map_err(unfit)?;
    plan(directory, &file, false).map_err(unfit)
}
