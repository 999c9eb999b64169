//! The order of the modules, as data: who may use whom, and who may touch the world.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops where its expectation fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first. `effects`: may name sockets, files, clocks, threads or the runtime.
const MODULES: &[(&str, &[&str], bool)] = &[
    ("base", &[], false),
    ("ledger", &["base"], false),
    ("sip", &["base"], false),
    ("rtp", &["base"], false),
    ("sdp", &["base", "rtp"], false),
    ("audio", &["base"], false),
    ("directory", &["base", "ledger"], false),
    ("policy", &["base", "ledger", "directory"], false),
    ("media", &["base", "ledger", "sdp", "rtp", "audio", "policy"], false),
    ("recording", &["base", "ledger", "rtp", "audio", "media", "policy"], false),
    ("registrar", &["base", "ledger", "sip", "directory"], false),
    ("trunk", &["base", "sip", "directory"], false),
    (
        "call",
        &[
            "base",
            "ledger",
            "sip",
            "sdp",
            "rtp",
            "audio",
            "directory",
            "policy",
            "media",
            "recording",
            "registrar",
            "trunk",
        ],
        false,
    ),
    ("ua", &["base", "sip", "sdp", "rtp", "audio", "media"], false),
    ("subscription", &["base", "ledger", "directory"], false),
    ("store", &["base", "ledger", "directory", "subscription"], true),
    ("notify", &["base", "ledger", "directory", "subscription", "store"], true),
    ("texts", &["base", "ledger", "directory", "subscription", "store", "notify"], true),
    ("archive", &["base", "ledger", "audio", "recording"], true),
    (
        "api",
        &[
            "base",
            "ledger",
            "audio",
            "directory",
            "policy",
            "trunk",
            "call",
            "subscription",
            "store",
            "notify",
            "archive",
            "texts",
        ],
        true,
    ),
    ("page", &["base", "api"], true),
    (
        "service",
        &[
            "base",
            "ledger",
            "sip",
            "sdp",
            "rtp",
            "audio",
            "directory",
            "policy",
            "media",
            "recording",
            "registrar",
            "trunk",
            "call",
            "subscription",
            "store",
            "archive",
            "notify",
            "texts",
            "api",
            "page",
        ],
        true,
    ),
    (
        "replay",
        &[
            "base",
            "ledger",
            "sip",
            "sdp",
            "rtp",
            "audio",
            "directory",
            "policy",
            "media",
            "recording",
            "registrar",
            "call",
            "ua",
            "subscription",
            "store",
            "archive",
        ],
        true,
    ),
    (
        "demo",
        &[
            "base",
            "ledger",
            "sip",
            "sdp",
            "rtp",
            "audio",
            "directory",
            "policy",
            "media",
            "recording",
            "call",
            "ua",
            "store",
            "api",
            "service",
        ],
        true,
    ),
    ("live", &["base", "ledger", "sip", "sdp", "ua", "api", "service", "replay", "demo"], true),
    (
        "cli",
        &[
            "base",
            "ledger",
            "audio",
            "directory",
            "policy",
            "trunk",
            "call",
            "subscription",
            "store",
            "notify",
            "archive",
            "texts",
            "api",
            "service",
            "replay",
            "demo",
            "live",
        ],
        true,
    ),
];

/// What a module without effects does not name.
const WORLD: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::process",
    "tokio::",
    "rustix::",
    "socket2::",
    "getrandom::",
    "TcpStream",
    "UdpSocket",
    "Instant::now",
    "SystemTime",
    "Mutex",
    "RwLock",
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file: without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or("").to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.file_name().is_some_and(|name| name == "tests.rs")
}

/// The modules that a file names as `crate::module`, also inside a braced `use crate::{…}`.
fn used(code: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or("").split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        for name in names {
            let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            modules.insert(name);
        }
    }
    modules
}

fn files_by_module() -> BTreeMap<String, Vec<PathBuf>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut modules: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files.into_iter().filter(|file| !is_test_file(file)) {
        let first = file.strip_prefix(&src).unwrap().components().next().unwrap();
        let name = Path::new(first.as_os_str()).file_stem().unwrap().to_string_lossy().into_owned();
        modules.entry(name).or_default().push(file);
    }
    modules
}

#[test]
fn no_module_reaches_upward() {
    let allowed: BTreeMap<&str, &[&str]> = MODULES.iter().map(|(name, may, _)| (*name, *may)).collect();
    let mut wrong = Vec::new();
    for (module, files) in files_by_module() {
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(may) = allowed.get(module.as_str()) else {
            wrong.push(format!("{module} is not in the table"));
            continue;
        };
        for file in files {
            for name in used(&code(&file)) {
                let known = allowed.contains_key(name.as_str());
                if known && name != module && !may.contains(&name.as_str()) {
                    wrong.push(format!("{} uses {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_only_points_downward() {
    for (at, (module, may, _)) in MODULES.iter().enumerate() {
        for name in *may {
            let lower = MODULES[..at].iter().any(|(other, _, _)| other == name);
            assert!(lower, "{module} may use {name}, which does not stand below it");
        }
    }
}

#[test]
fn pure_modules_do_not_touch_the_world() {
    let files = files_by_module();
    let mut wrong = Vec::new();
    for (module, _, _) in MODULES.iter().filter(|(_, _, effects)| !effects) {
        for file in files.get(*module).into_iter().flatten() {
            let code = code(file);
            let named = WORLD.iter().filter(|word| code.contains(**word));
            wrong.extend(named.map(|word| format!("{} names {word}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_clock_reads_the_clock() {
    for (module, files) in files_by_module() {
        for file in files.iter().filter(|file| !file.ends_with("service/clock.rs")) {
            let code = code(file);
            assert!(!code.contains("Instant::now"), "{module}: {}", file.display());
            assert!(!code.contains("SystemTime::now"), "{module}: {}", file.display());
        }
    }
}

/// A leg knows whether it is encrypted: whoever went around it would send plain on an encrypted one.
#[test]
fn what_goes_out_of_the_media_path_goes_through_its_leg() {
    let files = files_by_module();
    for file in files["media"].iter().filter(|file| !file.ends_with("media/leg.rs")) {
        let code = code(file);
        for call in ["out.rtp(", "out.rtcp("] {
            assert!(!code.contains(call), "{}: {call}) instead of Leg::send", file.display());
        }
    }
}
