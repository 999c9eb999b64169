//! What there is to look at for whoever stays: a company with every role, two inboxes, a call flow and
//! boxes; calls that were missed and messages that were left by telephone; texts with a customer and
//! between colleagues; and a call that is always up.
//!
//! ```text
//! the three calls ─► stories: message ─► missed call ─┐
//!                    stories: messages, texts ────────┴─► Finn (106) talks with one customer after the other
//! ```

mod office;
mod stories;
mod talk;

pub use office::{COMPANY, Office};

use super::report;
use super::{Cast, DemoError, DemoReport, Progress, Stage, say, serve_on, tell};
use crate::base::Span;

/// Whoever says Ctrl-C does not want to wait for the call that is always up.
pub const GRACE: Span = Span::from_secs(1);

/// Plays everything, and serves on until a signal.
pub async fn run(stage: &Stage, office: &Office, progress: &Progress) -> Result<DemoReport, DemoError> {
    let mut cast = Cast::start(stage).await?;
    let help = report::page_help(stage.service.http_addresses(), office, &stage.people);
    say(&format!("{help}\n"));
    let report = stage.play(&mut cast, progress).await?;
    let talker = stories::play(stage, office, &mut cast, progress).await?;
    tell(&report);
    let softphone = report::softphone_help(stage.server, &stage.people.you, &stage.folder, true);
    say(&format!("\n{softphone}\n\n{help}"));
    tokio::select! {
        () = talk::for_ever(talker) => {}
        ended = serve_on(&stage.service) => ended?,
    }
    Ok(report)
}

#[cfg(test)]
mod tests;
