//! What runs out slowly: disk, memory, CPU. Looked at once a second.

use super::clock::Clock;
use super::config::{LimitConfig, RecordingConfig};
use crate::base::Time;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes that are kept back so that recordings can be finished when the disk is full.
const RESERVE: usize = 4 << 20;

/// Where the reserve stands: in the recordings folder, since that may be a file system of its own.
pub fn reserve_path(recordings: &Path) -> PathBuf {
    recordings.join("reserve")
}

/// Free bytes of the file system of `path`, for us.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// How the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    Enough,
    /// Below the warning threshold.
    Low(u64),
    /// Below the refusal threshold: no new recordings.
    Full(u64),
}

pub fn judge(free: u64, config: &RecordingConfig) -> Disk {
    if free < config.refuse_free {
        return Disk::Full(free);
    }
    match free < config.warn_free {
        true => Disk::Low(free),
        false => Disk::Enough,
    }
}

/// Makes the reserve again when there is room for it.
pub fn keep_reserve(path: &Path, free: u64, config: &RecordingConfig) {
    let room = free > config.refuse_free + RESERVE as u64;
    if path.exists() || !room {
        return;
    }
    let made =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).and_then(|mut file: File| {
            let block = vec![0x55u8; 64 * 1_024];
            for _ in 0..RESERVE / block.len() {
                file.write_all(&block)?;
            }
            file.sync_all()
        });
    if let Err(error) = made {
        let _ = std::fs::remove_file(path);
        tracing::warn!(%error, "no reserve for a full disk");
    }
}

/// What one look at this process found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub at: Time,
    /// Resident bytes; `None` where the system does not say.
    pub memory: Option<u64>,
    /// User and system time since the start, in ticks of 10 ms.
    pub cpu_ticks: Option<u64>,
}

impl Look {
    pub fn now(clock: Clock) -> Self {
        Look { at: clock.now(), memory: resident_bytes(), cpu_ticks: cpu_ticks() }
    }
}

/// What is too much, by the limits that are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub memory: bool,
    pub cpu: bool,
    /// Of all cores together.
    pub cpu_percent: u8,
}

/// A tick in µs: the kernel shows times at 100 a second, whatever it counts at itself.
const TICK_US: u64 = 10_000;

/// Judges by two looks, the last one and the one before it. What cannot be known limits nothing.
pub fn judge_load(before: Option<&Look>, now: &Look, cores: usize, config: LimitConfig) -> Load {
    let used = before.and_then(|before| {
        let ticks = now.cpu_ticks?.saturating_sub(before.cpu_ticks?);
        let capacity = now.at.since(before.at).0.saturating_mul(u64::try_from(cores).ok()?);
        ticks.saturating_mul(TICK_US * 100).checked_div(capacity)
    });
    let cpu_percent = used.map_or(0, |percent| u8::try_from(percent.min(100)).unwrap_or(100));
    Load {
        memory: config.memory.zip(now.memory).is_some_and(|(most, used)| used > most),
        cpu: config.cpu_percent.is_some_and(|most| cpu_percent > most),
        cpu_percent,
    }
}

/// Says so once when a limit is reached, and once when it no longer is.
pub fn tell(before: Load, now: Load, look: &Look) {
    let memory_mib = look.memory.unwrap_or(0) >> 20;
    match (before.memory, now.memory) {
        (false, true) => tracing::warn!(memory_mib, "limits.memory_mib is reached: new calls are refused"),
        (true, false) => tracing::info!(memory_mib, "below limits.memory_mib again: new calls are taken"),
        (true, true) | (false, false) => {}
    }
    let cpu_percent = now.cpu_percent;
    match (before.cpu, now.cpu) {
        (false, true) => tracing::warn!(cpu_percent, "limits.cpu_percent is reached: new calls are refused"),
        (true, false) => tracing::info!(cpu_percent, "below limits.cpu_percent again: new calls are taken"),
        (true, true) | (false, false) => {}
    }
}

/// Resident memory of this process, from `/proc/self/statm`.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// File descriptors that are open.
pub fn open_files() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

/// User and system time of this process since its start.
pub fn cpu_seconds() -> Option<f64> {
    let ticks = u32::try_from(cpu_ticks()?).ok()?;
    Some(f64::from(ticks) / 100.0)
}

/// User and system time of this process in ticks (100 a second), from `/proc/self/stat`.
fn cpu_ticks() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = text.rsplit_once(") ")?.1;
    let fields: Vec<&str> = after_name.split(' ').collect();
    let of = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    Some(of(11)? + of(12)?)
}

/// Raises the limit of open files as far as allowed; returns what it is now.
pub fn raise_file_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_judged_by_its_two_thresholds() {
        let mut config = crate::service::config::Config::default_for(Path::new("x")).recording;
        (config.warn_free, config.refuse_free) = (200, 100);
        assert_eq!(judge(300, &config), Disk::Enough);
        assert_eq!(judge(150, &config), Disk::Low(150));
        assert_eq!(judge(99, &config), Disk::Full(99));
    }

    #[test]
    fn new_calls_are_refused_above_a_limit_that_is_set_and_only_there() {
        const MIB: u64 = 1 << 20;
        let look = |second: u64, mib: u64, ticks: u64| Look {
            at: Time(second * 1_000_000),
            memory: Some(mib * MIB),
            cpu_ticks: Some(ticks),
        };
        let blind = |look: Look| Look { memory: None, cpu_ticks: None, ..look };
        let limits =
            |memory: Option<u64>, cpu_percent| LimitConfig { memory: memory.map(|mib| mib * MIB), cpu_percent };
        let load = |memory, cpu, cpu_percent| Load { memory, cpu, cpu_percent };
        let (none, both) = (limits(None, None), limits(Some(100), Some(80)));
        // Name, look before, look now, cores, limits, load.
        let first = look(5, 50, 1_000);
        let rows = [
            ("no limits", Some(first), look(6, 9_000, 1_200), 2, none, load(false, false, 100)),
            ("at the memory limit", Some(first), look(6, 100, 1_000), 2, both, load(false, false, 0)),
            ("above it", Some(first), look(6, 101, 1_000), 2, both, load(true, false, 0)),
            ("the first look sees no CPU", None, look(5, 101, 1_000), 2, both, load(true, false, 0)),
            ("one core of two", Some(first), look(6, 50, 1_100), 2, both, load(false, false, 50)),
            ("one core of one", Some(first), look(6, 50, 1_100), 1, both, load(false, true, 100)),
            ("at the CPU limit", Some(first), look(6, 50, 1_160), 2, both, load(false, false, 80)),
            ("above it", Some(first), look(6, 50, 1_162), 2, both, load(false, true, 81)),
            (
                "a late look counts the time that passed",
                Some(first),
                look(9, 50, 1_400),
                2,
                both,
                load(false, false, 50),
            ),
            ("two looks at once", Some(first), look(5, 50, 1_001), 2, both, load(false, false, 0)),
            ("more than there is", Some(first), look(6, 50, 9_999), 2, both, load(false, true, 100)),
            ("nothing is known", Some(first), blind(look(6, 0, 0)), 2, both, load(false, false, 0)),
            ("nothing was known", Some(blind(first)), look(6, 50, 1_200), 2, both, load(false, false, 0)),
        ];
        for (name, before, now, cores, config, expected) in rows {
            assert_eq!(judge_load(before.as_ref(), &now, cores, config), expected, "{name}");
        }
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
        assert!(cpu_ticks().is_some());
        assert!(free_bytes(Path::new("/")).is_some());
    }
}
