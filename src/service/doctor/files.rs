//! Folders, what may be read by whom, the database, and what is left over.

use super::Finding;
use crate::base::Random;
use crate::base::Span;
use crate::service::clock::{Clock, OsRandom};
use crate::service::config::Config;
use crate::service::monitor::{self, Disk};
use crate::store::{Examined, Store};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What is written and synced, to see how long it takes.
const SAMPLE: usize = 1 << 20;
/// A sync that takes longer delays what is handed over.
const SLOW: Span = Span::from_millis(500);
/// A file of a call that is up is written to every 250 ms.
const ABANDONED_S: i64 = 60;

/// Room, and whether it can be written to.
pub fn folders(config: &Config, clock: Clock) -> Vec<Finding> {
    let dir = &config.recording.dir;
    if !config.data_dir.exists() {
        let found = format!("{} is not there yet", config.data_dir.display());
        return vec![Finding::warn(
            "disk",
            found,
            "`telegraphone apply` or `serve` makes it; or name another with --data",
        )];
    }
    if !dir.exists() {
        let found = format!("the recordings folder {} is not there", dir.display());
        // One below the data directory is made by the first start, which makes the key of the audit too;
        // any other is a disk that is not mounted.
        return vec![match dir.starts_with(&config.data_dir) && !config.audit.key.exists() {
            true => Finding::ok("disk", format!("{found} yet")),
            false => Finding::fail("disk", found, "mount it or make it, owned by the service, mode 0700"),
        }];
    }
    vec![room(config), writing(dir, clock)]
}

fn room(config: &Config) -> Finding {
    let dir = &config.recording.dir;
    let Some(free) = monitor::free_bytes(dir) else {
        return Finding::fail("disk", format!("{} cannot be looked at", dir.display()), "see `df`");
    };
    let recording = &config.recording;
    let (mib, hours) = (free >> 20, free / (32_000 * 3_600));
    let found = format!("{mib} MiB are free in {}, {hours} hours of recordings", dir.display());
    match monitor::judge(free, recording) {
        Disk::Enough => Finding::ok("disk", found),
        Disk::Low(_) => {
            let way = format!("below {} MiB new recordings are refused: make room", recording.refuse_free >> 20);
            Finding::warn("disk", found, way)
        }
        Disk::Full(_) => {
            let way =
                format!("recordings need {} MiB (recording.refuse_free_mib): make room", recording.refuse_free >> 20);
            Finding::fail("disk", found, way)
        }
    }
}

fn writing(dir: &Path, clock: Clock) -> Finding {
    let path = dir.join(format!(".doctor-{}", hex::encode(OsRandom.ten_bytes())));
    let began = clock.now();
    let written = write_sample(&path);
    let took = clock.now().since(began);
    let _ = fs::remove_file(&path);
    match written {
        Ok(()) if took > SLOW => {
            let found = format!("writing and syncing 1 MiB took {} ms", took.as_millis());
            Finding::warn(
                "disk",
                found,
                "recordings are handed over late: use a faster disk, or find out who keeps it busy",
            )
        }
        Ok(()) => Finding::ok("disk", format!("1 MiB was written and synced in {} ms", took.as_millis())),
        Err(error) => {
            let way = "the service has to own the folder, and its file system must have room and not be read-only";
            Finding::fail("disk", format!("{} cannot be written: {error}", dir.display()), way)
        }
    }
}

fn write_sample(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&vec![0x55; SAMPLE])?;
    file.sync_all()
}

fn database_path(config: &Config) -> PathBuf {
    config.data_dir.join("telegraphone.db")
}

/// What holds passwords, keys and calls is for the service alone.
pub fn private(config: &Config) -> Vec<Finding> {
    let paths = [&config.data_dir, &config.recording.dir, &config.audit.key, &database_path(config)];
    let key = config.tls.key.as_ref();
    let mut found: Vec<Finding> = paths.into_iter().chain(key).filter_map(|path| of_path(path)).collect();
    if found.is_empty() && config.data_dir.exists() {
        found.push(Finding::ok("permissions", "data, recordings and keys are the service's alone"));
    }
    found
}

fn of_path(path: &Path) -> Option<Finding> {
    let about = fs::metadata(path).ok()?;
    let (mode, shown) = (about.mode() & 0o777, path.display());
    if mode & 0o007 != 0 {
        return Some(Finding::fail(
            "permissions",
            format!("{shown} has mode {mode:o}: everybody here gets at it"),
            format!("chmod o= {shown}"),
        ));
    }
    if mode & 0o070 != 0 {
        return Some(Finding::warn(
            "permissions",
            format!("{shown} has mode {mode:o}: its group gets at it"),
            format!("chmod g= {shown}"),
        ));
    }
    let us = rustix::process::geteuid().as_raw();
    if us != 0 && about.uid() != us {
        let found = format!("{shown} belongs to user {}, this is user {us}", about.uid());
        return Some(Finding::fail("permissions", found, "run the service and its commands as the same user"));
    }
    None
}

pub async fn database(config: &Config) -> Vec<Finding> {
    let path = database_path(config);
    if !path.exists() {
        let found = format!("{} is not there yet", path.display());
        return vec![Finding::warn("database", found, "`telegraphone apply company.toml` makes it")];
    }
    match Store::examine(&path).await {
        Err(error) => vec![Finding::fail("database", error.to_string(), "restore a backup (`telegraphone restore`)")],
        Ok(Examined { schema, known, problems }) => {
            let way = "stop the service, keep a copy of the file, restore a backup (`telegraphone restore`)";
            let mut found: Vec<Finding> =
                problems.into_iter().map(|problem| Finding::fail("database", problem, way)).collect();
            if found.is_empty() {
                found.push(Finding::ok("database", "quick_check finds nothing wrong"));
            }
            found.push(match schema.cmp(&known) {
                std::cmp::Ordering::Equal => Finding::ok("database", format!("schema {schema}")),
                std::cmp::Ordering::Less => {
                    let way = "the next start brings it up to date: make a backup before";
                    Finding::warn("database", format!("schema {schema}, this version has {known}"), way)
                }
                std::cmp::Ordering::Greater => {
                    let found = format!("schema {schema}, this version knows {known}");
                    Finding::fail("database", found, "a newer version has been here: start that one")
                }
            });
            found
        }
    }
}

/// Files of calls that nobody finishes.
pub fn leftovers(config: &Config, running: bool, clock: Clock) -> Finding {
    let now = clock.wall().unix_micros() / 1_000_000;
    let mut folders = vec![config.recording.dir.clone()];
    let mut parts = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "part") {
                let written = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let written = written.map_or(now, |since| i64::try_from(since.as_secs()).unwrap_or(now));
                // A running service has open ones.
                parts += usize::from(!running || now - written > ABANDONED_S);
            }
        }
    }
    match (parts, running) {
        (0, _) => Finding::ok("leftovers", "no unfinished recordings"),
        (parts, false) => {
            Finding::warn("leftovers", format!("{parts} unfinished recording(s)"), "the next start finishes them")
        }
        (parts, true) => {
            let way = "restart the service, which finishes them, and look at its log";
            Finding::warn("leftovers", format!("nobody writes {parts} unfinished recording(s)"), way)
        }
    }
}
