//! What a crash left of messages and greetings: what was said for somebody reaches them.
//!
//! | found | done |
//! |---|---|
//! | a message, ended or not | made final and delivered, as it was to be kept |
//! | a second try of one that was not thrown away | thrown away: nobody has confirmed it |
//! | a greeting or an introduction that nobody has confirmed | thrown away |
//! | what was to be thrown away, or is too short, or whose box is gone | thrown away |
//! | a file without a journal and without a row | named in the log |
//! | a row without its file | named in the log |

use super::super::messages::Finishing;
use super::super::refused::discard;
use super::{RecoverError, audio_end, ended, has_ending, paths_of};
use crate::base::{CallId, Rate, Samples, Wall};
use crate::directory::Directory;
use crate::ledger::{Keep, MessageRecord};
use crate::recording::{RepairedTake, Undecided, kept_of, repair_take};
use crate::store::{Greeting, Store, StoreError};
use crate::subscription::Receivers;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What was put right of voicemail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakesRecovered {
    pub delivered: usize,
    /// Calls that had no end.
    pub calls: usize,
}

/// A take of which the journal is left.
struct Left {
    journal: PathBuf,
    take: RepairedTake,
}

impl Left {
    fn length(&self) -> crate::base::Span {
        Rate(self.take.draft.rate).span(Samples(self.take.samples))
    }
}

/// Looks through the files of voicemail below `dir`.
pub(super) async fn recover(
    dir: &Path,
    files: &[PathBuf],
    store: &Store,
    now: Wall,
) -> Result<TakesRecovered, RecoverError> {
    let mut recovered = TakesRecovered::default();
    let left = read_journals(dir, files);
    if !left.is_empty() {
        let directory = store.load_directory().await?;
        for takes in left.into_values() {
            let fates = fates(&takes);
            for (left, keep) in takes.iter().zip(fates) {
                match keep {
                    Some(keep) => keep_left(dir, left, &keep, store, &directory, now, &mut recovered).await?,
                    // What stays is told in the log and goes at the next start.
                    None => drop(discard(&paths_of(dir, &left.journal))),
                }
            }
        }
    }
    name_leftovers(dir, files, store).await?;
    Ok(recovered)
}

/// By call, in the order in which they were begun.
fn read_journals(dir: &Path, files: &[PathBuf]) -> BTreeMap<CallId, Vec<Left>> {
    let mut left: BTreeMap<CallId, Vec<Left>> = BTreeMap::new();
    for journal in files.iter().filter(|path| has_ending(path, "journal")) {
        let paths = paths_of(dir, journal);
        let audio = if paths.part().exists() { paths.part() } else { paths.wav() };
        let end = audio_end(&audio);
        let text = fs::read(journal).unwrap_or_default();
        match repair_take(end, &String::from_utf8_lossy(&text)) {
            Some(take) => left.entry(take.draft.call).or_default().push(Left { journal: journal.clone(), take }),
            // The process died while it was made.
            None if end <= crate::audio::wav::DATA_OFFSET => drop(discard(&paths)),
            None => {
                tracing::error!(file = %journal.display(), "a journal does not say what was recorded; its file stays as it is")
            }
        }
    }
    left.values_mut().for_each(|takes| takes.sort_by_key(|left| left.take.draft.take));
    left
}

/// What each of a call's takes is to be; `None`: nothing.
fn fates(takes: &[Left]) -> Vec<Option<Keep>> {
    let open: Vec<&Left> = takes.iter().filter(|left| !left.take.discarded && left.take.keep.is_none()).collect();
    let undecided: Vec<Undecided<'_>> =
        open.iter().map(|left| Undecided { keep: &left.take.draft.keep, length: left.length() }).collect();
    let mut kept = kept_of(&undecided).into_iter();
    let fate = |left: &Left| match (&left.take.keep, left.take.discarded) {
        (_, true) => None,
        (Some(keep), false) => Some(keep.clone()),
        (None, false) => kept.next().filter(|kept| *kept).map(|_| left.take.draft.keep.clone()),
    };
    takes.iter().map(fate).collect()
}

/// A row that is to be written.
enum Row {
    Message(Box<MessageRecord>, Receivers),
    Greeting(Greeting),
}

async fn keep_left(
    dir: &Path,
    left: &Left,
    keep: &Keep,
    store: &Store,
    directory: &Directory,
    now: Wall,
    recovered: &mut TakesRecovered,
) -> Result<(), StoreError> {
    let (call, file) = (left.take.draft.call, left.journal.display());
    match finish(dir, left, keep, store, directory).await? {
        Ok(Some(Row::Message(record, receivers))) => {
            let open = store.call(call).await?.filter(|call| call.ended.is_none());
            let open = open.map(|open| ended(open, None, now));
            recovered.calls += usize::from(open.is_some());
            let new = store.deliver_all(&[((*record).clone(), receivers)], open.as_slice(), now).await?;
            recovered.delivered += new.iter().filter(|new| **new).count();
            tracing::info!(%call, message = %record.id, "a message was delivered that a crash had interrupted");
        }
        Ok(Some(Row::Greeting(greeting))) => store.set_greeting(&greeting).await?,
        Ok(None) => {
            tracing::warn!(%call, %file, "what was said for a voicemail box is thrown away: the box, or what it was spoken for, is not there any more");
            let _ = discard(&paths_of(dir, &left.journal));
            return Ok(());
        }
        Err(error) => {
            // Its journal stays: it is tried again at the next start.
            tracing::error!(%call, %file, %error, "a message could not be repaired");
            return Ok(());
        }
    }
    let _ = fs::remove_file(&left.journal);
    Ok(())
}

/// Makes it final. `None`: there is nobody for it any more.
async fn finish(
    dir: &Path,
    left: &Left,
    keep: &Keep,
    store: &Store,
    directory: &Directory,
) -> Result<io::Result<Option<Row>>, StoreError> {
    let (paths, draft) = (&paths_of(dir, &left.journal), &left.take.draft);
    let finishing = Finishing {
        paths,
        draft,
        samples: left.take.samples,
        left: draft.started.plus(left.length()),
        recovered: true,
    };
    let mailbox = match keep {
        Keep::Message(draft) | Keep::Introduction { draft, .. } => draft.mailbox,
        Keep::Greeting { mailbox, .. } => *mailbox,
    };
    let Some(receivers) = directory.mailbox(mailbox).map(Receivers::of) else { return Ok(Ok(None)) };
    let message = |record: MessageRecord| Some(Row::Message(Box::new(record), receivers));
    Ok(match keep {
        Keep::Message(draft) => finishing.message(draft).map(message),
        Keep::Greeting { mailbox, kind } => finishing.greeting(*mailbox, *kind).map(Row::Greeting).map(Some),
        Keep::Introduction { forward, draft } => match store.message(*forward).await? {
            Some(old) => finishing.forward(draft, &dir.join(old.path)).map(message),
            None => Ok(None),
        },
    })
}

/// Rows are read in pages; only their paths are kept.
const PAGE: u32 = 1_000;

/// Files that nobody knows, and rows whose file is gone, are named: what they were cannot be told any more.
async fn name_leftovers(dir: &Path, files: &[PathBuf], store: &Store) -> Result<(), StoreError> {
    let mut known = HashSet::new();
    let mut after = None;
    loop {
        let page = store.all_message_files(after, PAGE).await?;
        after = page.last().map(|file| file.id);
        let more = page.len() == PAGE as usize;
        for file in page {
            if !dir.join(&file.path).exists() {
                tracing::warn!(message = %file.id, file = file.path, "the file of a message is missing");
            }
            known.insert(file.path);
        }
        if !more {
            break;
        }
    }
    for greeting in store.all_greetings().await? {
        if !dir.join(&greeting.path).exists() {
            tracing::warn!(mailbox = %greeting.mailbox, file = greeting.path, "the file of a greeting is missing");
        }
        known.insert(greeting.path);
    }
    for path in files.iter().filter(|path| path.exists()) {
        let relative = path.strip_prefix(dir).unwrap_or(path).display().to_string();
        let stray = match path.extension().and_then(|ending| ending.to_str()) {
            Some("wav") => !known.contains(&relative) && !path.with_extension("journal").exists(),
            Some("part") => !path.with_extension("journal").exists(),
            Some(_) | None => false,
        };
        if stray {
            tracing::warn!(
                file = relative,
                "a file of voicemail belongs to no message and to no greeting; it stays as it is"
            );
        }
    }
    Ok(())
}
