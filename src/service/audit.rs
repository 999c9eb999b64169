//! The head of the access log outside the database: signed, once a day and at the stop.
//!
//! The log's chain shows a line that was changed or taken out, and not a tail that was cut off. A head says
//! how long the log was at a moment, and what its chain was; each head also has the hash of the one before
//! it. Lines of JSON: `at` (µs), `seq`, `chain`, `previous`, `key`, `signature` (Ed25519, all hex).

use super::clock::Clock;
use super::config::AuditConfig;
use crate::base::{Span, Wall};
use crate::store::{Store, StoreError};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

const MODE: u32 = 0o600;
/// Between two looks whether a day has passed, or writing can be tried again.
const LOOK: Duration = Duration::from_secs(3_600);
const DAY: Span = Span::from_secs(86_400);

/// What the log was at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub at: Wall,
    /// Lines of the log.
    pub seq: i64,
    /// The last line's; empty where there was none.
    pub chain: String,
    /// SHA-256 of the head before this one, as it stands in the file; empty for the first.
    pub previous: String,
    /// Whose signature it is: the public key.
    pub key: String,
    pub signature: String,
}

impl Head {
    /// What is signed.
    fn text(&self) -> String {
        let Head { at, seq, chain, previous, key: _, signature: _ } = self;
        format!("telegraphone access log\n{}\n{seq}\n{chain}\n{previous}\n", at.unix_micros())
    }

    fn is_signed_by(&self, public_key: &[u8]) -> bool {
        let Ok(signature) = hex::decode(&self.signature) else { return false };
        UnparsedPublicKey::new(&ED25519, public_key).verify(self.text().as_bytes(), &signature).is_ok()
    }
}

/// What was found of a log and its heads that agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    pub lines: i64,
    pub chain: String,
    pub heads: usize,
    pub last: Option<Head>,
    /// `None` where nothing was ever signed.
    pub public_key: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("{0}")]
    File(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the key of the access log's heads: {0}")]
    Key(String),
}

/// Writes a head at the start and once a day.
pub(super) async fn keep(store: Store, config: AuditConfig, clock: Clock) {
    let mut interval = tokio::time::interval(LOOK);
    let mut written: Option<Wall> = None;
    loop {
        interval.tick().await;
        let now = clock.wall();
        if written.is_none_or(|written| written.plus(DAY) <= now) && write(&store, &config, now).await {
            written = Some(now);
        }
    }
}

/// Adds a head, where the log has changed since the last one; whether all is as it should be.
pub async fn write(store: &Store, config: &AuditConfig, now: Wall) -> bool {
    let written = match store.access_head().await {
        Ok((seq, chain)) => {
            let config = config.clone();
            let added = tokio::task::spawn_blocking(move || add(&config, seq, chain, now)).await;
            added.map_err(|error| AuditError::File(io::Error::other(error))).flatten()
        }
        Err(error) => Err(error.into()),
    };
    if let Err(error) = &written {
        tracing::error!(%error, "the head of the access log could not be written outside the database; it is tried again");
    }
    written.is_ok()
}

fn add(config: &AuditConfig, seq: i64, chain: String, now: Wall) -> Result<(), AuditError> {
    let key = key(&config.key)?;
    let text = read(&config.heads)?;
    let last = text.lines().rfind(|line| !line.is_empty());
    if let Some(Ok(head)) = last.map(serde_json::from_str::<Head>)
        && (head.seq, &head.chain) == (seq, &chain)
    {
        return Ok(());
    }
    let previous = last.map(hash).unwrap_or_default();
    let public = hex::encode(key.public_key());
    let mut head = Head { at: now, seq, chain, previous, key: public, signature: String::new() };
    head.signature = hex::encode(key.sign(head.text().as_bytes()));
    let torn = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let line = format!("{torn}{}\n", serde_json::to_string(&head).map_err(io::Error::from)?);
    let mut file = OpenOptions::new().append(true).create(true).mode(MODE).open(&config.heads)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

fn hash(line: &str) -> String {
    hex::encode(Sha256::digest(line.as_bytes()))
}

fn read(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

/// The key, made where there is none.
fn key(path: &Path) -> Result<Ed25519KeyPair, AuditError> {
    if let Some(key) = kept_key(path)? {
        return Ok(key);
    }
    let unmade = |_| AuditError::Key("it could not be made".to_owned());
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(unmade)?;
    let draft = path.with_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&draft)?;
    file.write_all(made.as_ref())?;
    file.sync_all()?;
    fs::rename(draft, path)?;
    kept_key(path)?.ok_or_else(|| AuditError::Key("it is gone at once".to_owned()))
}

fn kept_key(path: &Path) -> Result<Option<Ed25519KeyPair>, AuditError> {
    match fs::read(path) {
        Ok(bytes) => {
            let wrong = |error| AuditError::Key(format!("{}: {error}", path.display()));
            Ed25519KeyPair::from_pkcs8(&bytes).map(Some).map_err(wrong)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads the whole log and every head: what agrees, or everything that does not. `public_key` (hex), where
/// it was written down elsewhere, is what the heads have to be signed with; else it is the key that is kept.
pub async fn verify(
    store: &Store,
    config: &AuditConfig,
    public_key: Option<&str>,
) -> Result<Result<Proven, Vec<String>>, AuditError> {
    let mut wrong = Vec::new();
    let (lines, chain) = match store.verify_access_log().await? {
        Ok(found) => found,
        Err(broken) => {
            wrong.push(broken.to_string());
            store.access_head().await?
        }
    };
    let kept = kept_key(&config.key)?.map(|key| hex::encode(key.public_key()));
    let public_key = public_key.map(str::to_owned).or(kept);
    let text = read(&config.heads)?;
    let heads = heads(&text, public_key.as_deref(), &mut wrong);
    for (line, head) in &heads {
        compare(store, *line, head, lines, &mut wrong).await?;
    }
    // The service writes one when it starts, whatever the log says.
    if heads.is_empty() && public_key.is_some() {
        wrong.push(format!("{} has no head of the log: they were taken away", config.heads.display()));
    }
    if !wrong.is_empty() {
        return Ok(Err(wrong));
    }
    let (count, last) = (heads.len(), heads.into_iter().next_back().map(|(_, head)| head));
    Ok(Ok(Proven { lines, chain, heads: count, last, public_key }))
}

/// Every head with its line, as far as it can be read and was signed.
fn heads(text: &str, public_key: Option<&str>, wrong: &mut Vec<String>) -> Vec<(usize, Head)> {
    let key = public_key.and_then(|key| hex::decode(key).ok()).unwrap_or_default();
    let (mut heads, mut previous) = (Vec::new(), String::new());
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.is_empty()) {
        match serde_json::from_str::<Head>(text) {
            Ok(head) if !head.is_signed_by(&key) => {
                wrong
                    .push(format!("head {line}: the signature is not that of the key: it was edited, or is another's"));
            }
            Ok(head) => {
                if head.previous != previous {
                    wrong.push(format!("head {line}: the one before it was changed or taken out"));
                }
                heads.push((line, head));
            }
            Err(error) => wrong.push(format!("head {line}: it cannot be read: {error}")),
        }
        previous = hash(text);
    }
    heads
}

async fn compare(
    store: &Store,
    line: usize,
    head: &Head,
    lines: i64,
    wrong: &mut Vec<String>,
) -> Result<(), StoreError> {
    let Head { at, seq, chain, .. } = head;
    if *seq == 0 {
        return Ok(());
    }
    match store.access_chain_of(*seq).await? {
        Some(found) if found == *chain => {}
        Some(_) => {
            wrong.push(format!("head {line} of {at}: line {seq} of the log, or one before it, was another then"))
        }
        None => {
            wrong.push(format!("head {line} of {at}: the log had {seq} lines and has {lines}: its tail was cut off"))
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
