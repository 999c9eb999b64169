//! Tokens of programs: what their owners ask.

use super::Permission;

/// A request of somebody about their own tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAsk {
    List,
    /// Its secret is made and shown once.
    Add {
        name: String,
        scopes: Vec<String>,
        days: u32,
    },
    Remove {
        id: i64,
    },
}

impl TokenAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            TokenAsk::List | TokenAsk::Add { .. } | TokenAsk::Remove { .. } => Permission::ManageTokens,
        }
    }
}
