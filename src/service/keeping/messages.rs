//! Whether messages and greetings are what was said.

use crate::api::{Answer, VerifiedFile};
use crate::archive::{file_digest, shape_of};
use crate::base::MessageId;
use crate::store::{Greeting, MessageFile, Store, StoreError};
use std::io;
use std::path::{Path, PathBuf};

/// Messages that are proven for one answer.
const PAGE: u32 = 50;

/// Compares the files of messages with their rows, a page of those after `after`; with the last page
/// greetings, of which no digest is kept: that each is there, and a sound.
pub async fn verify_messages(store: &Store, dir: &Path, after: Option<MessageId>) -> Answer {
    match read(store, dir.to_owned(), after).await {
        Ok((results, next)) => Answer::VerifiedMessages { results, next },
        Err(error) => super::super::failed(&error),
    }
}

async fn read(
    store: &Store,
    dir: PathBuf,
    after: Option<MessageId>,
) -> Result<(Vec<VerifiedFile>, Option<MessageId>), StoreError> {
    let page = store.all_message_files(after, PAGE).await?;
    let next = page.last().map(|file| file.id).filter(|_| page.len() == PAGE as usize);
    let greetings = match next {
        Some(_) => Vec::new(),
        None => store.all_greetings().await?,
    };
    let checked = tokio::task::spawn_blocking(move || {
        let messages = page.iter().map(|file| message(&dir, file));
        messages.chain(greetings.iter().map(|of| greeting(&dir, of))).collect()
    });
    checked.await.map(|results| (results, next)).map_err(|error| StoreError::Task(error.to_string()))
}

fn message(dir: &Path, file: &MessageFile) -> VerifiedFile {
    let MessageFile { id, company: _, mailbox: _, path, bytes, digest } = file;
    let problem = match file_digest(&dir.join(path)) {
        Ok(found) if found == (digest.clone(), *bytes) => String::new(),
        Ok((_, found)) if found != *bytes => format!("the file has {found} bytes, the row says {bytes}"),
        Ok(_) => "the file is not what was written".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "the file is not there".to_owned(),
        Err(error) => format!("the file cannot be read: {error}"),
    };
    VerifiedFile { what: format!("message {id}"), path: path.clone(), problem }
}

fn greeting(dir: &Path, greeting: &Greeting) -> VerifiedFile {
    let Greeting { mailbox, kind, path, samples: _, changed: _ } = greeting;
    let problem = shape_of(&dir.join(path)).err().map(|error| error.to_string()).unwrap_or_default();
    VerifiedFile { what: format!("greeting {} of box {mailbox}", kind.as_str()), path: path.clone(), problem }
}
