//! `doctor`: what is wrong with a deployment, and the way out.

use super::show;
use crate::service::clock::Clock;
use crate::service::config::{Config, Sources};
use crate::service::doctor::{Finding, Verdict, examine};
use anyhow::bail;

/// Tells of every check; `Err` where one failed.
pub async fn run(sources: &Sources, json: bool) -> anyhow::Result<()> {
    let found = match Config::read(sources) {
        Ok(config) => {
            let mut found = vec![Finding::ok("configuration", "right")];
            found.extend(examine(&config, Clock::start()).await);
            found
        }
        // What it would mean nobody knows: the rest can wait.
        Err(errors) => errors
            .iter()
            .map(|error| Finding::fail("configuration", error.to_string(), "see `telegraphone config show`"))
            .collect(),
    };
    match json {
        true => say!("{}", serde_json::to_string_pretty(&serde_json::json!({ "findings": found }))?)?,
        false => say!("{}", show::findings(&found))?,
    }
    match found.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        count => bail!("{count} check(s) failed"),
    }
}
