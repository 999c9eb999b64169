//! Looks at a deployment before a call does: what is wrong, how bad it is, and the way out.
//!
//! Nothing is changed but for a file that is written, synced and taken away in the recordings folder, and
//! listeners that are bound for a moment.

mod files;
mod machine;
mod network;

use super::clock::Clock;
use super::config::Config;
use super::control;
use crate::api::{Answer, Request, Status};
use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// It works, with a limit that somebody should know of.
    Warn,
    /// Calls or recordings will fail.
    Fail,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked: a word or two.
    pub check: String,
    pub verdict: Verdict,
    pub found: String,
    /// Empty where nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub way_out: String,
}

impl Finding {
    pub fn ok(check: &str, found: impl Into<String>) -> Self {
        Finding { check: check.to_owned(), verdict: Verdict::Ok, found: found.into(), way_out: String::new() }
    }

    pub fn warn(check: &str, found: impl Into<String>, way_out: impl Into<String>) -> Self {
        Finding { check: check.to_owned(), verdict: Verdict::Warn, found: found.into(), way_out: way_out.into() }
    }

    pub fn fail(check: &str, found: impl Into<String>, way_out: impl Into<String>) -> Self {
        Finding { check: check.to_owned(), verdict: Verdict::Fail, found: found.into(), way_out: way_out.into() }
    }
}

/// Everything that can be found out about a deployment whose configuration is right.
pub async fn examine(config: &Config, clock: Clock) -> Vec<Finding> {
    let running = match control::ask(&config.control.socket, &Request::Status).await {
        Ok(Answer::Status { status }) => Some(*status),
        Ok(_) | Err(_) => None,
    };
    let mut found = service(config, running.as_ref()).await;
    found.extend(network::listeners(config, running.as_ref()));
    found.push(network::media_ports(config));
    found.extend(files::folders(config, clock));
    found.extend(files::private(config));
    found.extend(files::database(config).await);
    found.push(files::leftovers(config, running.is_some(), clock));
    found.extend(network::certificates(config, clock.wall()));
    found.push(machine::clock().await);
    found.push(machine::file_limit(config));
    found.extend(machine::real_time(config));
    if running.is_some() {
        found.extend(network::trunks(config).await);
    }
    found
}

/// Whether it runs, and works.
async fn service(config: &Config, running: Option<&Status>) -> Vec<Finding> {
    let Some(status) = running else {
        return vec![Finding::ok("service", "does not run; what it would meet is checked")];
    };
    let mut found = vec![Finding::ok("service", format!("runs since {}, {} call(s)", status.started, status.calls))];
    if let Ok(Answer::Ready { readiness }) = control::ask(&config.control.socket, &Request::Ready).await {
        let bad = readiness.parts.into_iter().filter(|part| !part.ok);
        found.extend(
            bad.map(|part| Finding::fail("service", part.problem, format!("see its log; part `{}`", part.part))),
        );
    }
    found
}

#[cfg(test)]
mod tests;
