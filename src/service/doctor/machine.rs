//! The clock and what a process may have.

use super::Finding;
use crate::service::config::Config;
use rustix::process::{Resource, getrlimit};
use std::path::Path;
use std::time::Duration;

/// Sockets of a call, and two files of its recording.
const FILES_PER_CALL: u64 = 6;
/// Database, listeners, connections.
const OTHER_FILES: u64 = 512;
/// What `media.realtime` asks for.
const PRIORITY: u64 = 10;
/// Bit of CAP_SYS_NICE in a set of capabilities.
const SYS_NICE: u32 = 23;
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the system's clock follows others. The kernel's own word needs a system call that no safe
/// interface offers here, so whoever keeps the clock is asked.
pub async fn clock() -> Finding {
    let by = |who: &str| Finding::ok("clock", format!("synchronised ({who})"));
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return by("systemd-timesyncd");
    }
    let asked =
        [("timedatectl", &["show", "--property=NTPSynchronized", "--value"][..]), ("chronyc", &["-c", "tracking"])];
    for (program, words) in asked {
        let output = tokio::process::Command::new(program).args(words).kill_on_drop(true).output();
        let Ok(Ok(output)) = tokio::time::timeout(PATIENCE, output).await else { continue };
        let said = String::from_utf8_lossy(&output.stdout);
        let said = said.trim();
        match (output.status.success(), program, said) {
            (true, "timedatectl", "yes") => return by("timedatectl"),
            (true, "chronyc", said) if !said.is_empty() && !said.contains("Not synchronised") => return by("chrony"),
            (true, "timedatectl", "no") => {
                let way = "times of calls drift and certificates are misjudged: install chrony or systemd-timesyncd";
                return Finding::warn("clock", "not synchronised", way);
            }
            (_, _, _) => {}
        }
    }
    let way = "`timedatectl` or `chronyc tracking` tells; in a container the host keeps the clock";
    Finding::warn("clock", "nobody here says whether it is synchronised", way)
}

pub fn file_limit(config: &Config) -> Finding {
    let calls = u64::try_from(config.sip.max_calls).unwrap_or(u64::MAX);
    let needed = calls.saturating_mul(FILES_PER_CALL).saturating_add(OTHER_FILES);
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < needed => {
            let enough = most.saturating_sub(OTHER_FILES) / FILES_PER_CALL;
            let way = format!("sip.max_calls ({calls}) needs {needed}: raise `ulimit -Hn` (LimitNOFILE), or lower it");
            let found = format!("{most} may be open, enough for {enough} calls");
            match enough < 50 {
                true => Finding::fail("file limit", found, way),
                false => Finding::warn("file limit", found, way),
            }
        }
        Some(most) => Finding::ok("file limit", format!("{most} may be open, {needed} are needed at most")),
        None => Finding::ok("file limit", "none"),
    }
}

/// Of whoever runs this; the service may run as somebody else.
pub fn real_time(config: &Config) -> Option<Finding> {
    if !config.media.realtime {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    let allowed = getrlimit(Resource::Rtprio).current.is_none_or(|most| most >= PRIORITY);
    Some(match allowed || set >> SYS_NICE & 1 == 1 {
        true => Finding::ok("real time", "this user may run media workers in the real-time class"),
        false => {
            let way =
                "give the service CAP_SYS_NICE or an RLIMIT_RTPRIO of 10 (LimitRTPRIO), or set media.realtime = false";
            Finding::warn("real time", "this user may not: a busy machine delays packets", way)
        }
    })
}
