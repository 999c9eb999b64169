//! Everything with one number of the outside is erased.

use super::keeping::who;
use super::{Desk, Person};
use crate::api::Problem;
use crate::api::keeping::{EraseReport, KeepingReply, KeptCall};
use crate::archive::Rest;
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
    let EraseReport { calls, recordings, texts, kept, .. } = report;
    format!("{}: {calls} calls, {recordings} recordings, {texts} texts, {kept} kept", erased_name(contact))
}

/// One run. Interrupted at any place it can be done again: each step finds what is left for it.
pub struct Eraser {
    store: Store,
    recordings: PathBuf,
    company: CompanyId,
    contact: Contact,
    gone: Gone,
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
            report: EraseReport { dry_run, ..EraseReport::default() },
        }
    }

    pub async fn run(mut self) -> Result<EraseReport, StoreError> {
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
            if !seen.contains(&call) {
                self.call(call).await?;
            }
        }
        self.report.texts = self.store.erase_texts(self.company, &self.contact, self.report.dry_run).await?;
        self.report.events = self.store.erase_events(self.company, &self.contact, self.report.dry_run).await?;
        self.report.exports = self.store.erase_exports(self.company, &self.contact, self.report.dry_run).await?;
        Ok(self.report)
    }

    async fn call(&mut self, call: CallId) -> Result<(), StoreError> {
        let recordings = self.store.recordings_of(call).await?;
        let there: Vec<&RecordingRecord> =
            recordings.iter().filter(|recording| recording.state != RecordingState::Deleted).collect();
        let outcome = match self.report.dry_run {
            true => self.would(call, &there).await?,
            false => self.store.erase_call(call, &self.contact, &self.gone).await?,
        };
        let files = match outcome {
            Erased::Held(hold) => {
                self.keep(call, format!("a legal hold by {}: {}", hold.by, hold.reason));
                return Ok(());
            }
            Erased::Open => {
                self.keep(call, "the call is up: erase again when it is over".to_owned());
                return Ok(());
            }
            Erased::Done(files) => files,
        };
        self.report.calls += 1;
        self.report.recordings += files.len() as u64;
        self.report.bytes += there.iter().map(|recording| recording.bytes).sum::<u64>();
        if !self.report.dry_run {
            self.remove(files).await?;
        }
        Ok(())
    }

    async fn would(&self, call: CallId, there: &[&RecordingRecord]) -> Result<Erased, StoreError> {
        if let Some(hold) = self.store.hold_on_any_of(call).await? {
            return Ok(Erased::Held(Box::new(hold)));
        }
        let open = self.store.call(call).await?.is_some_and(|call| call.ended.is_none());
        let file =
            |recording: &&RecordingRecord| RecordingFile { id: recording.id, call, path: recording.path.clone() };
        Ok(if open { Erased::Open } else { Erased::Done(there.iter().map(file).collect()) })
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
