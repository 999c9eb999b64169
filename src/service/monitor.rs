//! What runs out slowly: disk, memory, CPU. Looked at once a second.

use super::config::{LimitConfig, RecordingConfig};
use super::shell::Limits;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

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

/// Memory and CPU of this process since the last look.
#[derive(Debug, Default)]
pub struct Usage {
    cpu_ticks: Option<u64>,
}

impl Usage {
    /// Sets the limits that are reached. `cores`: how many this machine has; called once a second.
    pub fn look(&mut self, config: LimitConfig, limits: &Limits, cores: usize) {
        let memory = resident_bytes();
        let over = config.memory.zip(memory).is_some_and(|(most, used)| used > most);
        limits.memory.store(over, Ordering::Relaxed);
        let ticks = cpu_ticks();
        let percent = self.cpu_ticks.zip(ticks).map(|(before, now)| now.saturating_sub(before) / cores.max(1) as u64);
        self.cpu_ticks = ticks;
        let percent = u8::try_from(percent.unwrap_or(0).min(100)).unwrap_or(100);
        limits.cpu_percent.store(percent, Ordering::Relaxed);
        limits.cpu.store(config.cpu_percent.is_some_and(|most| percent > most), Ordering::Relaxed);
    }
}

/// Resident memory of this process, from `/proc/self/statm`.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
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
    fn this_process_uses_memory_and_time() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
        assert!(cpu_ticks().is_some());
        assert!(free_bytes(Path::new("/")).is_some());
    }
}
