//! What the command line says of itself: completions for shells, and the manual.

use super::{Cli, out};
use anyhow::Context;
use clap::CommandFactory;
use std::path::Path;

const NAME: &str = "telegraphone";

pub fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut text);
    out::bytes(&text)
}

/// One page a subcommand into the folder, or the main page to standard output.
pub fn man(out: Option<&Path>) -> anyhow::Result<()> {
    match out {
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            out::bytes(&text)
        }
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| format!("folder {}", folder.display()))?;
            clap_mangen::generate_to(Cli::command(), folder).with_context(|| format!("folder {}", folder.display()))
        }
    }
}
