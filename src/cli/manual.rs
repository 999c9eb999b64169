//! What the command line says of itself: completions for shells, and the manual.

use super::Cli;
use anyhow::Context;
use clap::CommandFactory;
use std::io::Write;
use std::path::Path;

const NAME: &str = "telegraphone";

pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    // Made first and written then: a reader that stops early is an error and no panic.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut text);
    Ok(std::io::stdout().write_all(&text)?)
}

/// One page a subcommand into the folder, or the main page to standard output.
pub fn man(out: Option<&Path>) -> anyhow::Result<()> {
    match out {
        None => Ok(clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?),
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("folder {}", folder.display()))?;
            clap_mangen::generate_to(Cli::command(), folder).with_context(|| format!("folder {}", folder.display()))
        }
    }
}
