//! What commands say on standard output.

use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Write};

/// Whoever read it has seen enough (`telegraphone user list | head -1`): no fault, and nothing more to say.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
pub struct ReaderGone;

/// A line, or with `end = ""` a part of one.
pub fn write(text: Arguments<'_>, end: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    told(out.write_fmt(text).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush()))
}

/// As `println!`, which would panic where the reader is gone.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::out::write(format_args!($($text)*), "\n") };
}

/// As [`say`], and the line goes on.
macro_rules! say_on {
    ($($text:tt)*) => { $crate::cli::out::write(format_args!($($text)*), "") };
}

/// Bytes as they are.
pub fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    told(out.write_all(bytes).and_then(|()| out.flush()))
}

fn told(outcome: Result<(), Error>) -> anyhow::Result<()> {
    outcome.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => ReaderGone.into(),
        _ => anyhow::Error::new(error).context("standard output"),
    })
}
