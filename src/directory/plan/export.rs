//! What is stored as a company file: applied to an empty database it gives the same companies, and
//! applied to this one it changes nothing.
//!
//! Passwords are kept as hashes only, and those of trunks are secrets: neither is in the file, which
//! says so where they are missing.

use super::super::{Directory, Facility, FacilityKind, Settings, Sound};
use super::facility::FacilityState;
use super::keys::{setting_keys, step_keys};
use super::state::{World, worlds};
use super::trunk::TrunkState;
use super::{CompanyState, Keys, UserState};
use std::fmt::Write;
use toml::Value;

/// A company file, and the sounds that it names: each is to be written as a WAV file beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    pub text: String,
    pub sounds: Vec<(String, Sound)>,
}

/// How the exported file speaks of the company's own prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompts {
    /// Their WAV files are written beside it.
    Written,
    /// They are named in comments: the file can be applied only where they are.
    Named,
}

/// The company with that key, or all; `None` where there is no such company.
pub fn export(directory: &Directory, only: Option<&str>, prompts: Prompts) -> Option<Export> {
    let worlds = worlds(directory);
    let wanted: Vec<&World> = match only {
        Some(key) => vec![worlds.get(key)?],
        None => worlds.values().collect(),
    };
    let mut export = Export { text: HEAD.to_owned(), sounds: Vec::new() };
    for world in wanted {
        world_text(world, prompts, &mut export);
    }
    Some(export)
}

const HEAD: &str = "# A company file, as `telegraphone apply export` wrote it.
# Of passwords only hashes are stored: a user who is new where this is applied gets one that is made
# then and printed once (`generate_password`); a user who is there keeps theirs.
";

fn world_text(world: &World, prompts: Prompts, export: &mut Export) {
    company_text(&world.company, &mut export.text);
    let company = world.company.key.as_str();
    let mut put = |kind: &str, keys: Keys| entry(&mut export.text, kind, company, &keys);
    world.users.values().for_each(|user| put("user", user_keys(user)));
    world.numbers.values().for_each(|number| put("number", number.keys()));
    for trunk in world.trunks.values() {
        entry(&mut export.text, "trunk", company, &trunk.keys());
        secrets(trunk, &mut export.text);
    }
    for state in world.facilities.values() {
        facility_text(company, state, prompts, export);
    }
}

fn company_text(company: &CompanyState, text: &mut String) {
    let _ = writeln!(text, "\n[[company]]");
    pairs(text, &company.keys());
    let usual = setting_keys(&Settings::default());
    let own = setting_keys(&company.settings);
    let own: Keys = own.into_iter().zip(usual).filter(|(own, usual)| own != usual).map(|(own, _)| own).collect();
    if own.is_empty() {
        return;
    }
    let _ = writeln!(text, "[company.settings]");
    pairs(text, &own);
}

fn user_keys(user: &UserState) -> Keys {
    let mut keys = user.keys();
    keys.retain(|(key, _)| *key != "deactivated" || user.deactivated);
    keys.push(("generate_password", Some(Value::Boolean(true))));
    keys
}

fn secrets(trunk: &TrunkState, text: &mut String) {
    for key in trunk.secrets() {
        let _ = writeln!(text, "# {key} is not exported: where the trunk is new, give it here");
    }
}

fn facility_text(company: &str, state: &FacilityState, prompts: Prompts, export: &mut Export) {
    match &state.facility {
        Facility::Group(_) | Facility::Inbox(_) => {
            entry(&mut export.text, state.kind().as_str(), company, &state.keys());
        }
        Facility::Voicemail(text) => {
            let mut keys = state.keys();
            keys.retain(|(key, _)| *key != "has_password");
            entry(&mut export.text, state.kind().as_str(), company, &keys);
            if !text.settings.password.is_empty() {
                let _ = writeln!(export.text, "# password is not exported: where the box is new, give it here");
            }
        }
        Facility::Flow(flow) => {
            let mut keys = state.keys();
            keys.retain(|(key, _)| *key != "step");
            entry(&mut export.text, FacilityKind::Flow.as_str(), company, &keys);
            for (name, step) in &flow.steps {
                let _ = writeln!(export.text, "[[flow.step]]");
                pairs(&mut export.text, &step_keys(name, step));
            }
        }
        Facility::Prompt(sound) => {
            let file = format!("{company}-{}.wav", state.name);
            match prompts {
                Prompts::Written => {
                    let mut keys = state.keys();
                    keys.push(("file", Some(Value::String(file.clone()))));
                    entry(&mut export.text, FacilityKind::Prompt.as_str(), company, &keys);
                    export.sounds.push((file, sound.clone()));
                }
                Prompts::Named => {
                    let _ = writeln!(
                        export.text,
                        "\n# prompt {} of {company}, {sound}: exported with its sound by --prompts DIR only",
                        state.name
                    );
                }
            }
        }
    }
}

fn entry(text: &mut String, kind: &str, company: &str, keys: &Keys) {
    let _ = writeln!(text, "\n[[{kind}]]\ncompany = {}", Value::String(company.to_owned()));
    pairs(text, keys);
}

fn pairs(text: &mut String, keys: &Keys) {
    for (key, value) in keys {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {}", inline(value));
        }
    }
}

/// On one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{} = {}", Value::String(key.clone()), inline(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            value.to_string()
        }
    }
}
