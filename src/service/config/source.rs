//! Where configuration comes from: the defaults, the file, the environment; the later wins.

use super::check::{ConfigError, Wrong};
use super::raw::RawConfig;
use crate::base::leaves::{self, Dotted};
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};
use std::fmt;
use std::path::{Path, PathBuf};

/// What a variable begins with. `TELEGRAPHONE_SIP__TIMER_T1_MS` is `sip.timer_t1_ms`.
const PREFIX: &str = "TELEGRAPHONE_";
/// A variable with that prefix that is no key: it says where the file is.
const FILE_VARIABLE: &str = "TELEGRAPHONE_CONFIG";

/// The texts that a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Name and text of the TOML file.
    pub file: Option<(String, String)>,
    /// The environment; what does not begin with `TELEGRAPHONE_` is left alone.
    pub variables: Vec<(String, String)>,
    /// `--data DIR`, which rules over both.
    pub data_dir: Option<String>,
}

/// Where a value was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the default.
    Default,
    File(String),
    Variable(String),
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(name) => f.write_str(name),
            Origin::Variable(name) => f.write_str(name),
            Origin::CommandLine => f.write_str("command line"),
        }
    }
}

impl Sources {
    /// The file at `path`, else the one that `TELEGRAPHONE_CONFIG` names, else none; and the
    /// environment of this process.
    pub fn gather(path: Option<&Path>, data_dir: Option<String>) -> Result<Self, Vec<ConfigError>> {
        // A variable that is not UTF-8 is none of ours.
        let variables: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()))
            .collect();
        let named = variables.iter().find(|(name, _)| name == FILE_VARIABLE).map(|(_, value)| PathBuf::from(value));
        let file = match path.map(Path::to_owned).or(named) {
            Some(path) => Some((path.display().to_string(), read_file(&path)?)),
            None => None,
        };
        Ok(Sources { file, variables, data_dir })
    }

    /// The raw configuration without the keys that cannot be read, and those; or what is
    /// wrong with the file as a whole.
    pub(super) fn raw(&self) -> Result<(RawConfig, Vec<ConfigError>), Vec<ConfigError>> {
        let table: toml::Table = self.figment().extract().map_err(|error| self.not_toml(&error))?;
        let (raw, bad) = leaves::read::<RawConfig>(&table);
        let errors = bad.into_iter().map(|leaf| {
            let key = Dotted(&leaf.path).to_string();
            ConfigError {
                origin: self.origin(&key),
                key,
                wrong: Wrong::Value { value: leaf.value, message: leaf.message },
            }
        });
        Ok((raw, errors.collect()))
    }

    /// Defaults are not merged in here: the raw shape fills them in, and an unknown key
    /// stays what it is.
    fn figment(&self) -> Figment {
        let mut figment = Figment::new();
        if let Some((_, text)) = &self.file {
            figment = figment.merge(Toml::string(text));
        }
        figment = figment.merge(Variables(&self.variables));
        match &self.data_dir {
            Some(dir) => figment.merge(Serialized::default("data_dir", dir)),
            None => figment,
        }
    }

    fn not_toml(&self, error: &Error) -> Vec<ConfigError> {
        let origin = self.file.as_ref().map_or(Origin::Default, |(name, _)| Origin::File(name.clone()));
        let message = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        vec![ConfigError { origin, key: String::new(), wrong: Wrong::Syntax(message) }]
    }

    /// Where the value of `key` (dotted, list positions left out) was said.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let whole = key.split('[').next().unwrap_or(key);
        if whole == "data_dir" && self.data_dir.is_some() {
            return Origin::CommandLine;
        }
        let variable = variable_of(whole);
        if self.variables.iter().any(|(name, _)| name.eq_ignore_ascii_case(&variable)) {
            return Origin::Variable(variable);
        }
        match &self.file {
            Some((name, _)) if self.figment().find_metadata(whole).is_some() => Origin::File(name.clone()),
            Some(_) | None => Origin::Default,
        }
    }
}

fn read_file(path: &Path) -> Result<String, Vec<ConfigError>> {
    std::fs::read_to_string(path).map_err(|error| {
        let origin = Origin::File(path.display().to_string());
        vec![ConfigError { origin, key: String::new(), wrong: Wrong::Unreadable(error.to_string()) }]
    })
}

/// The variable that sets `key`.
fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// The environment as a provider that takes it as an argument.
struct Variables<'a>(&'a [(String, String)]);

impl Provider for Variables<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut figment = Figment::new();
        for (name, text) in self.0 {
            let upper = name.to_ascii_uppercase();
            let Some(rest) = upper.strip_prefix(PREFIX).filter(|rest| !rest.is_empty()) else { continue };
            if upper == FILE_VARIABLE {
                continue;
            }
            let key = rest.to_ascii_lowercase().replace("__", ".");
            figment = figment.merge(Serialized::default(&key, value(text)));
        }
        figment.data()
    }
}

/// Numbers, booleans, lists and tables as TOML writes them; anything else is text.
fn value(text: &str) -> Value {
    match text.parse::<Value>() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
