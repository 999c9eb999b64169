//! The local control socket (mode 0600): one JSON request a line, one JSON answer a line.

use super::Handle;
use crate::api::{Answer, Request};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// Binds the socket. One that a dead process left is taken over; one that answers is not.
pub async fn bind(path: &Path) -> io::Result<UnixListener> {
    if path.exists() {
        if UnixStream::connect(path).await.is_ok() {
            let text = format!("{} answers: another service runs on this data directory", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        std::fs::remove_file(path)?;
    }
    // Nobody else may look in between binding and chmod: the folder is 0700.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until the service ends.
pub async fn serve(listener: UnixListener, handle: Handle) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(converse(stream, handle.clone()))),
            Err(error) => {
                tracing::warn!(%error, "a control connection could not be taken");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// Longest request line; ids and numbers need far less.
const LINE: usize = 64 * 1_024;

async fn converse(stream: UnixStream, handle: Handle) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::with_capacity(LINE, reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match serde_json::from_str::<Request>(&line) {
            Ok(request) => handle.answer(request).await,
            Err(error) => Answer::Failed { problem: format!("unreadable request: {error}") },
        };
        let mut text = serde_json::to_vec(&answer)
            .unwrap_or_else(|error| format!("{{\"answer\":\"failed\",\"problem\":\"{error}\"}}").into_bytes());
        text.push(b'\n');
        if writer.write_all(&text).await.is_err() {
            return;
        }
    }
}

/// Asks a running service. `Err` with `NotFound` or `ConnectionRefused` when none runs.
pub async fn ask(path: &Path, request: &Request) -> io::Result<Answer> {
    let stream = UnixStream::connect(path).await?;
    let (reader, mut writer) = stream.into_split();
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    writer.write_all(&text).await?;
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).await?;
    serde_json::from_str(&line).map_err(io::Error::other)
}
