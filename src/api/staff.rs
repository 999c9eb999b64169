//! What operators and resellers ask above the companies, and the answers.

use super::Permission;
use crate::store::StaffKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request of an operator or a reseller that is of no one company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaffAsk {
    /// The companies that they administer.
    Companies,
    /// Makes a company with its first admin, whose password is made and shown once: operators.
    AddCompany(NewCompany),
    /// Everybody of the staff: operators.
    List,
    /// Operators. Without a password one is made and shown once.
    Add { name: String, kind: StaffKind, password: Option<String> },
    /// Operators. The last operator stays.
    Remove { name: String },
    /// Operators, and everybody for themselves, who prove the `present` one. Ends their sessions and tokens.
    Password { name: String, present: Option<String>, password: Option<String> },
    /// Gives a company to a reseller: operators.
    Give { name: String, company: String },
    /// Takes it back: operators.
    Take { name: String, company: String },
}

impl StaffAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            StaffAsk::Companies | StaffAsk::List => Permission::ReadStaff,
            StaffAsk::AddCompany(_)
            | StaffAsk::Add { .. }
            | StaffAsk::Remove { .. }
            | StaffAsk::Password { .. }
            | StaffAsk::Give { .. }
            | StaffAsk::Take { .. } => Permission::ManageStaff,
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaffReply {
    Companies(CompanyList),
    List(StaffList),
    Password(StaffPassword),
    Company(MadeCompany),
}

/// A company that shall be, with its first admin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCompany {
    /// Short name: a-z, 0-9 and `-`.
    pub key: String,
    /// For people; the key where it is not said.
    #[serde(default)]
    pub name: Option<String>,
    /// SIP domains, each once in the service.
    pub domains: Vec<String>,
    /// Digest realm; the first domain where it is not said. It never changes.
    #[serde(default)]
    pub realm: Option<String>,
    /// Extension of the first admin.
    pub admin: String,
    #[serde(default)]
    pub admin_name: Option<String>,
}

/// A company that was just made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeCompany {
    pub company: CompanyItem,
    /// Extension of the first admin.
    pub admin: String,
    /// Shown this once.
    pub password: String,
}

/// One of the staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StaffView {
    pub name: String,
    pub kind: StaffKind,
    /// Keys of the companies given to a reseller; an operator has all, and none is listed.
    pub companies: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StaffList {
    pub staff: Vec<StaffView>,
}

/// A password, where one was made: shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StaffPassword {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// A company, as whoever administers several sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompanyItem {
    /// To be sent as `Telegraphone-Company`.
    pub key: String,
    pub name: String,
    pub domains: Vec<String>,
    pub users: usize,
    pub numbers: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompanyList {
    pub companies: Vec<CompanyItem>,
}
