//! Everything with one number of the outside is erased.

use super::keeping::who;
use super::voicemail::sweep;
use super::{Desk, Person};
use crate::api::Problem;
use crate::api::keeping::{EraseReport, KeepingReply, KeptCall};
use crate::archive::{Left, Rest};
use crate::base::{CallId, CompanyId, RecordingId};
use crate::directory::{Company, Directory};
use crate::ledger::{RecordingRecord, RecordingState};
use crate::store::{Contact, Erased, Gone, RecordingFile, Store, StoreError};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Calls of a page.
const PAGE: u32 = 100;

impl Desk {
    pub(super) async fn erase(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        said: &str,
        confirm: Option<&str>,
        dry_run: bool,
    ) -> Result<KeepingReply, Problem> {
        person.must_be_admin()?;
        let contact = contact(directory, person.company, said)?;
        if !dry_run && confirm != Some(contact.as_str()) {
            let value = confirm.unwrap_or("").to_owned();
            return Err(Problem::Invalid { key: "confirm", value, expected: "the number once more, as in the path" });
        }
        let by = who(person).name;
        let gone = Gone { at: self.world.wall(), because: "erased".to_owned(), by };
        if !dry_run {
            self.note(person, "contact.erase", erased_name(&contact)).await?;
        }
        let eraser = Eraser::new(&self.store, &self.recordings, person.company.id, &contact, gone, dry_run);
        // Whoever asked may go away: what was begun is finished.
        let report = tokio::spawn(eraser.run()).await.map_err(|_| Problem::Internal)??;
        if !dry_run {
            self.note(person, "contact.erased", erased_told(&contact, &report)).await?;
        }
        Ok(KeepingReply::Erased(report))
    }
}

/// The number of the outside that a path names.
pub(super) fn contact(directory: &Directory, company: &Company, said: &str) -> Result<Contact, Problem> {
    const EXPECTED: &str = "a number of the outside, none of the company's, such as +15550100";
    let invalid = || Problem::Invalid { key: "contact", value: said.to_owned(), expected: EXPECTED };
    let contact = Contact::parse(said).ok_or_else(invalid)?;
    // One of another company is one of the outside here.
    match directory.number_by_e164(said).is_some_and(|number| number.company == company.id) {
        true => Err(invalid()),
        false => Ok(contact),
    }
}

/// As the access log names it: the log is kept for ever, so the number is not in it.
pub fn erased_name(contact: &Contact) -> String {
    let digits = contact.as_str();
    format!("a contact that ends in {}", digits.get(digits.len().saturating_sub(2)..).unwrap_or(""))
}

/// What came of it, for the access log.
pub fn erased_told(contact: &Contact, report: &EraseReport) -> String {
    let EraseReport { calls, recordings, notes, messages, texts, leftovers, kept, put_off, .. } = report;
    let left = if *leftovers > 0 { format!(", {leftovers} unfinished") } else { String::new() };
    let later = if *put_off > 0 { format!(" ({put_off} until they are over)") } else { String::new() };
    let notes = if *notes > 0 { format!(", {notes} notes") } else { String::new() };
    let voicemail = if *messages > 0 { format!(", {messages} messages") } else { String::new() };
    let texts = if *texts > 0 { format!(", {texts} texts") } else { String::new() };
    format!(
        "{}: {calls} calls, {recordings} recordings{left}{notes}{voicemail}{texts}, {kept} kept{later}",
        erased_name(contact)
    )
}

/// One run. Interrupted at any place it can be done again: each step finds what is left for it.
pub struct Eraser {
    store: Store,
    recordings: PathBuf,
    company: CompanyId,
    contact: Contact,
    gone: Gone,
    /// Files of recordings that were not finished.
    left: Vec<Left>,
    report: EraseReport,
}

impl Eraser {
    pub fn new(
        store: &Store,
        recordings: &Path,
        company: CompanyId,
        contact: &Contact,
        gone: Gone,
        dry_run: bool,
    ) -> Self {
        Eraser {
            store: store.clone(),
            recordings: recordings.to_owned(),
            company,
            contact: contact.clone(),
            gone,
            left: Vec::new(),
            report: EraseReport { dry_run, ..EraseReport::default() },
        }
    }

    pub async fn run(mut self) -> Result<EraseReport, StoreError> {
        self.look_for_files().await?;
        let mut seen = BTreeSet::new();
        let mut after = None;
        loop {
            let page = self.store.calls_with(self.company, &self.contact, after, PAGE).await?;
            for call in &page {
                after = Some(call.id);
                if self.contact.is_in(call) {
                    seen.insert(call.id);
                    self.call(call.id).await?;
                }
            }
            if page.len() < PAGE as usize {
                break;
            }
        }
        // Of calls whose rows know nothing of it (any more).
        for call in self.store.calls_of_recordings_with(self.company, &self.contact).await? {
            if seen.insert(call) {
                self.call(call).await?;
            }
        }
        // Of which there is nothing but a journal.
        for call in self.calls_of_journals() {
            if seen.insert(call) {
                self.call(call).await?;
            }
        }
        self.report.texts = self.store.erase_texts(self.company, &self.contact, self.report.dry_run).await?;
        // Before the events, so that not even the one of their deletion tells of the contact.
        self.messages().await?;
        self.report.events = self.store.erase_events(self.company, &self.contact, None, self.report.dry_run).await?;
        self.report.exports = self.store.erase_exports(self.company, &self.contact, self.report.dry_run).await?;
        Ok(self.report)
    }

    /// One call that was put off, and its events. How it went is told as by a whole run.
    pub async fn run_one(mut self, call: CallId) -> Result<EraseReport, StoreError> {
        self.look_for_files().await?;
        self.call(call).await?;
        let dry = self.report.dry_run;
        self.report.events = self.store.erase_events(self.company, &self.contact, Some(call), dry).await?;
        Ok(self.report)
    }

    async fn look_for_files(&mut self) -> Result<(), StoreError> {
        let dir = self.recordings.clone();
        // Without the folder nothing was ever recorded.
        let look = move || if dir.exists() { Left::all(&dir) } else { Ok(Vec::new()) };
        let left = tokio::task::spawn_blocking(look).await.map_err(|error| StoreError::Task(error.to_string()))?;
        self.left = left.map_err(|error| StoreError::Task(format!("the folder of the recordings: {error}")))?;
        Ok(())
    }

    fn calls_of_journals(&self) -> Vec<CallId> {
        let of_company = self.left.iter().filter(|left| left.company == Some(self.company));
        of_company
            .filter(|left| left.parties.iter().any(|party| self.contact.is(party)))
            .map(|left| left.call)
            .collect()
    }

    async fn call(&mut self, call: CallId) -> Result<(), StoreError> {
        let recordings = self.store.recordings_of(call).await?;
        let (left, written): (Vec<Left>, Vec<Left>) = self
            .left
            .iter()
            .filter(|left| left.call == call)
            .cloned()
            .partition(|left| recordings.iter().any(|recording| recording.id == left.recording));
        let there: Vec<&RecordingRecord> =
            recordings.iter().filter(|recording| recording.state != RecordingState::Deleted).collect();
        let outcome = match self.report.dry_run {
            // What has no row is handed over when it is finished, or by the next start.
            _ if !written.is_empty() => Erased::Open,
            true => self.would(call, &there).await?,
            false => self.store.erase_call(call, &self.contact, &self.gone).await?,
        };
        let (files, notes) = match outcome {
            Erased::Held(hold) => {
                self.keep(call, format!("a legal hold by {}: {}", hold.by, hold.reason));
                return Ok(());
            }
            Erased::Open => {
                return self.put_off(call).await;
            }
            Erased::Done { files, notes } => (files, notes),
        };
        self.report.calls += 1;
        self.report.recordings += files.len() as u64;
        self.report.notes += notes;
        self.report.bytes += there.iter().map(|recording| recording.bytes).sum::<u64>();
        if !self.report.dry_run {
            self.remove(files).await?;
        }
        self.remove_left(call, left).await
    }

    /// It is up, or being written: nothing of it is touched before that is over.
    async fn put_off(&mut self, call: CallId) -> Result<(), StoreError> {
        if !self.report.dry_run {
            let by = (self.gone.by.as_str(), self.gone.at);
            self.store.put_off_erasure(self.company, call, &self.contact, by).await?;
        }
        self.report.put_off += 1;
        self.keep(call, "the call is up, or its recording is being written: it is erased when that is over".to_owned());
        Ok(())
    }

    /// Files of recordings that failed: their rows know no path.
    async fn remove_left(&mut self, call: CallId, left: Vec<Left>) -> Result<(), StoreError> {
        let names = left.iter().flat_map(|left| &left.files).map(|file| file.display().to_string());
        let room = EraseReport::MOST.saturating_sub(self.report.leftover_files.len());
        self.report.leftover_files.extend(names.take(room));
        self.report.leftovers += left.len() as u64;
        if self.report.dry_run || left.is_empty() {
            return Ok(());
        }
        let dir = self.recordings.clone();
        let stay = tokio::task::spawn_blocking(move || left.iter().filter(|left| !is_removed(&dir, left)).count());
        let stay = stay.await.map_err(|error| StoreError::Task(error.to_string()))?;
        if stay > 0 {
            self.report.files_left += stay as u64;
            let by = (self.gone.by.as_str(), self.gone.at);
            self.store.put_off_erasure(self.company, call, &self.contact, by).await?;
        }
        Ok(())
    }

    /// Messages that the contact has left, and what was forwarded of them.
    async fn messages(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.messages_with(self.company, &self.contact, after, PAGE).await?;
            for message in &page {
                after = Some(message.id);
                if let Some(call) = message.call
                    && let Some(hold) = self.store.hold_on_any_of(call).await?
                {
                    self.keep(call, format!("a legal hold by {}: {}", hold.by, hold.reason));
                    continue;
                }
                self.report.messages += 1;
                self.report.bytes += message.bytes;
                if !self.report.dry_run {
                    self.store.erase_message(message.id, None, &self.gone.because, self.gone.at).await?;
                }
            }
            if page.len() < PAGE as usize {
                break;
            }
        }
        if self.report.messages > 0 && !self.report.dry_run {
            sweep(&self.store, &self.recordings).await?;
        }
        Ok(())
    }

    async fn would(&self, call: CallId, there: &[&RecordingRecord]) -> Result<Erased, StoreError> {
        if let Some(hold) = self.store.hold_on_any_of(call).await? {
            return Ok(Erased::Held(Box::new(hold)));
        }
        if self.store.call(call).await?.is_some_and(|call| call.ended.is_none()) {
            return Ok(Erased::Open);
        }
        let notes = self.store.count_call_notes(&[call]).await?.remove(&call).unwrap_or(0);
        let file =
            |recording: &&RecordingRecord| RecordingFile { id: recording.id, call, path: recording.path.clone() };
        Ok(Erased::Done { files: there.iter().map(file).collect(), notes })
    }

    fn keep(&mut self, call: CallId, because: String) {
        self.report.kept += 1;
        if self.report.kept_calls.len() < EraseReport::MOST {
            self.report.kept_calls.push(KeptCall { call, because });
        }
    }

    /// What stays is taken away by the service's next look, as the rows say.
    async fn remove(&mut self, files: Vec<RecordingFile>) -> Result<(), StoreError> {
        let (count, dir) = (files.len(), self.recordings.clone());
        let gone = tokio::task::spawn_blocking(move || remove(&dir, &files)).await;
        let gone = gone.map_err(|error| StoreError::Task(error.to_string()))?;
        self.report.files_left += (count - gone.len()) as u64;
        self.store.files_are_gone(&gone).await
    }
}

fn is_removed(dir: &Path, left: &Left) -> bool {
    let gone = left.remove(dir);
    gone.inspect_err(|error| tracing::error!(call = %left.call, recording = %left.recording, %error, "a file of an erased contact stays"))
        .is_ok()
}

fn remove(dir: &Path, files: &[RecordingFile]) -> Vec<RecordingId> {
    let gone = |file: &&RecordingFile| {
        file.path.is_empty()
            || Rest::of(dir, &file.path)
                .remove()
                .inspect_err(|error| tracing::error!(call = %file.call, recording = %file.id, %error, "a file of an erased contact stays"))
                .is_ok()
    };
    files.iter().filter(gone).map(|file| file.id).collect()
}
