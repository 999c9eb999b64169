//! Parses the command line and runs what it says.

use clap::Parser;
use std::process::ExitCode;
use telegraphone::cli::{Cli, ReaderGone, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Signalling is light: two threads keep it apart from the database and the control socket.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("signalling").enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // As the shell tells it of a program that SIGPIPE ended.
        Err(error) if error.is::<ReaderGone>() => ExitCode::from(141),
        Err(error) => {
            eprintln!("telegraphone: {error:#}");
            ExitCode::FAILURE
        }
    }
}
