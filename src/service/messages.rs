//! What a party said, made final and handed over: one way for the archivist and for the repair after a crash.
//!
//! ```text
//! message       .part ─ sizes, sync, rename ─► messages/YYYY/MM/DD/<id>.wav ─► row, states, outbox
//! greeting      .part ─ sizes, sync, rename ─► greetings/<box>-<kind>.wav ─► row
//! introduction  .part + the message that is sent on ─► .tmp ─ sizes, sync, rename ─► messages/…
//! ```
//! The journal stays until the row is there: whatever a crash interrupts is done again at the next start.

use super::recorder::Paths;
use crate::archive::{FOLDER_MODE, LoadError, Spoken, finish_sound, join_sounds, shape_of};
use crate::audio::sound::Shape;
use crate::base::{BoxId, MessageId, Rate, Samples, Wall};
use crate::ledger::{GreetingKind, MessageDraft, MessageRecord};
use crate::recording::{Info, TakeDraft};
use crate::store::Greeting;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folder of messages in that of a company.
pub const MESSAGES: &str = "messages";
/// That of greetings.
pub const GREETINGS: &str = "greetings";

/// A take that is to become final.
#[derive(Clone, Copy, Debug)]
pub struct Finishing<'a> {
    pub paths: &'a Paths,
    pub draft: &'a TakeDraft,
    /// What stays of it.
    pub samples: u64,
    /// The end of the recording, or of the forwarding.
    pub left: Wall,
    /// A crash interrupted it.
    pub recovered: bool,
}

impl Finishing<'_> {
    /// Makes it a message of its own.
    ///
    /// # Errors
    /// When the disk does not take it; the take stays as it is then.
    pub fn message(&self, message: &MessageDraft) -> io::Result<MessageRecord> {
        let (bytes, digest) = finish_sound(&self.paths.part(), &self.paths.wav(), self.samples, self.info(message))?;
        Ok(self.record(message, self.draft.rate, self.samples, (bytes, digest)))
    }

    /// Makes it the beginning of a message that is sent on: a new file, and the old one stays.
    ///
    /// # Errors
    /// When the old one cannot be read, or the disk does not take the new one.
    pub fn forward(&self, message: &MessageDraft, old: &Path) -> io::Result<MessageRecord> {
        let (tmp, wav, part) = (self.paths.tmp(), self.paths.wav(), self.paths.part());
        if part.exists() || !wav.exists() {
            let mut sounds = Vec::new();
            if self.samples > 0 && part.exists() {
                let shape = Shape::mono(Rate(self.draft.rate), self.samples);
                sounds.push(Spoken { path: &part, shape });
            }
            sounds.push(Spoken { path: old, shape: shape_of(old).map_err(io_error)? });
            let (_, samples) = join_sounds(&sounds, &tmp)?;
            finish_sound(&tmp, &wav, samples, self.info(message))?;
            remove(&part)?;
        }
        // Also where a crash came right after that.
        let shape = shape_of(&wav).map_err(io_error)?;
        let sealed = finish_sound(&wav, &wav, shape.samples(), self.info(message))?;
        Ok(self.record(message, shape.rate.0, shape.samples(), sealed))
    }

    /// Makes it what callers of a box hear, at once and as a whole.
    ///
    /// # Errors
    /// When the disk does not take it, or nothing is there.
    pub fn greeting(&self, mailbox: BoxId, kind: GreetingKind) -> io::Result<Greeting> {
        let company =
            self.paths.stem.components().next().map(|part| PathBuf::from(part.as_os_str())).unwrap_or_default();
        let relative = greeting_path(&company, mailbox, kind);
        let (part, wav) = (self.paths.part(), self.paths.dir.join(&relative));
        if part.exists() {
            make_folder(&wav)?;
            let info = vec![software(), (*b"INAM", format!("greeting {} of box {}", kind.as_str(), mailbox.0))];
            finish_sound(&part, &wav, self.samples, info)?;
            if let Some(folder) = part.parent() {
                File::open(folder)?.sync_all()?;
            }
        }
        let shape = shape_of(&wav).map_err(io_error)?;
        // A wide one is told by its length on the telephone as well.
        let samples = Rate::NARROW.samples(shape.rate.span(Samples(shape.samples()))).0;
        Ok(Greeting { mailbox, kind, path: relative.display().to_string(), samples, changed: self.left })
    }

    fn record(&self, message: &MessageDraft, rate: u32, samples: u64, (bytes, digest): (u64, String)) -> MessageRecord {
        let MessageDraft { mailbox, call, caller, number, urgent, forwarded, minimum: _ } = message.clone();
        MessageRecord {
            id: self.draft.id,
            company: self.draft.company,
            mailbox,
            call: forwarded.is_none().then_some(call),
            caller,
            number,
            left: self.left,
            samples,
            rate,
            path: self.paths.relative_wav(),
            bytes,
            digest,
            urgent,
            forwarded,
        }
    }

    fn info(&self, message: &MessageDraft) -> Vec<Info> {
        let recovered = if self.recovered { "; recovered after a crash" } else { "" };
        vec![
            software(),
            (*b"INAM", format!("message of {}", message.caller)),
            (*b"IART", message.caller.to_string()),
            (*b"ICRD", self.left.to_string()),
            (*b"ICMT", format!("message {}; call {}{recovered}", self.draft.id, message.call)),
        ]
    }
}

/// A message that is sent on as it is, into a new file. `company` is the company's folder.
///
/// # Errors
/// When the old one cannot be read, or the disk does not take the new one.
pub fn copy(
    dir: &Path,
    company: &str,
    draft: &TakeDraft,
    message: &MessageDraft,
    old: &Path,
    left: Wall,
) -> io::Result<MessageRecord> {
    let stem = message_stem(company, draft.id, left);
    let paths = Paths { stem, dir: dir.to_owned() };
    make_folder(&paths.wav())?;
    Finishing { paths: &paths, draft, samples: 0, left, recovered: false }.forward(message, old)
}

/// `<company>/messages/<year>/<month>/<day>/<id>`, without an ending.
pub fn message_stem(company: &str, id: MessageId, day: Wall) -> PathBuf {
    Path::new(company).join(MESSAGES).join(super::recorder::day_of(day)).join(id.to_string())
}

/// `<company>/greetings/<box>-<kind>.wav`.
pub fn greeting_path(company: &Path, mailbox: BoxId, kind: GreetingKind) -> PathBuf {
    company.join(GREETINGS).join(format!("{}-{}.wav", mailbox.0, kind.as_str()))
}

/// Whether a path below the folder of recordings is of voicemail.
pub fn is_of_voicemail(relative: &Path) -> bool {
    let kind = relative.components().nth(1).map(|part| part.as_os_str().to_owned());
    kind.is_some_and(|kind| kind == MESSAGES || kind == GREETINGS)
}

fn software() -> Info {
    (*b"ISFT", format!("Telegraphone {}", env!("CARGO_PKG_VERSION")))
}

fn make_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) => DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder),
        None => Ok(()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn io_error(error: LoadError) -> io::Error {
    match error {
        LoadError::File(error) => error,
        LoadError::Sound(error) => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests;
