//! How recordings are kept, for the operator: holds, the proof of files, backup and restore.
//!
//! Holds and backups work on the database by itself: the service reads it anew for each request.

use super::access::Desk;
use super::args::{ContactCommand, RecordingCommand};
use super::show;
use crate::api::{
    Answer, EraseReport, Eraser, HoldView, LiftOutcome, Request, Verified, erased_name, erased_told, lift_hold,
};
use crate::base::{CallId, CompanyId, MessageId, RecordingId};
use crate::directory::Company;
use crate::ledger::RecordingState;
use crate::policy::Lifter;
use crate::service::backup::{self, BackedUp, Restored};
use crate::service::clock::Clock;
use crate::service::config::Config;
use crate::service::{control, keeping};
use crate::store::{Contact, Gone, Held, NewHold, Store};
use anyhow::{anyhow, bail};
use std::io::ErrorKind;
use std::path::Path;

/// Between two lines that tell how far something is.
const TELL: u64 = 1_000;
const OPERATOR: &str = "operator";

/// Those of `recording` that are not for the running service.
pub async fn recording(config: &Config, command: RecordingCommand) -> anyhow::Result<()> {
    match command {
        RecordingCommand::Hold { id, reason } => hold(config, &id, reason).await,
        RecordingCommand::Holds { company, json } => holds(config, company.as_deref(), json).await,
        RecordingCommand::Lift { id } => lift(config, &id).await,
        RecordingCommand::Verify { id, json } => verify(config, id.as_deref(), json).await,
        RecordingCommand::Export { command } => super::exports::run(config, command).await,
        RecordingCommand::List { .. } | RecordingCommand::Show { .. } | RecordingCommand::Delete { .. } => {
            bail!("this is for the running service")
        }
    }
}

/// The recording or the call that `id` names, and whose it is.
async fn thing(desk: &Desk, id: &str) -> anyhow::Result<(Held, CompanyId)> {
    if let Some(recording) = RecordingId::parse(id)
        && let Some(row) = desk.store.recording(recording).await?
    {
        if row.state == RecordingState::Deleted {
            bail!("recording {id} was deleted: there is nothing to hold");
        }
        return Ok((Held::Recording(recording), row.company));
    }
    if let Some(call) = CallId::parse(id)
        && let Some(row) = desk.store.call(call).await?
    {
        return Ok((Held::Call(call), row.company));
    }
    bail!("not found: no recording and no call has the id {id}")
}

fn company(desk: &Desk, id: CompanyId) -> anyhow::Result<&Company> {
    desk.directory.company(id).ok_or_else(|| anyhow!("its company is not there any more"))
}

async fn hold(config: &Config, id: &str, reason: String) -> anyhow::Result<()> {
    if reason.trim().is_empty() {
        bail!("--reason says why, for whoever wants to delete it");
    }
    let desk = Desk::open(config).await?;
    let (thing, of) = thing(&desk, id).await?;
    let company = company(&desk, of)?;
    desk.note(company, "hold.place", format!("{} {}", thing.kind(), thing.id())).await?;
    let placed = Clock::start().wall();
    let reason = reason.trim().to_owned();
    let hold = NewHold { company: of, thing, reason, placed, by: OPERATOR.to_owned() };
    let hold = desk.store.place_hold(&hold).await?;
    say!("{} {} is held since {} by {}: {}", thing.kind(), thing.id(), hold.placed, hold.by, hold.reason)?;
    desk.store.close().await;
    Ok(())
}

async fn holds(config: &Config, company: Option<&str>, json: bool) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    let of = match company {
        Some(key) => Some(desk.directory.company_by_key(key).ok_or_else(|| anyhow!("there is no company {key}"))?.id),
        None => None,
    };
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let page = desk.store.holds(of, after, 500).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        all.extend(page);
    }
    match json {
        true => say!("{}", serde_json::to_string_pretty(&all.iter().map(HoldView::from).collect::<Vec<_>>())?)?,
        false if all.is_empty() => say!("Nothing is held.")?,
        false => {
            let mut table = show::table(&["held", "id", "since", "by", "reason", "lift asked by"]);
            for hold in &all {
                table.add_row(vec![
                    hold.thing.kind().to_owned(),
                    hold.thing.id(),
                    hold.placed.to_string(),
                    hold.by.clone(),
                    hold.reason.clone(),
                    hold.asked.as_ref().map_or_else(String::new, |asked| asked.by.clone()),
                ]);
            }
            say!("{table}")?;
        }
    }
    desk.store.close().await;
    Ok(())
}

async fn lift(config: &Config, id: &str) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    let (thing, of) = thing(&desk, id).await?;
    let company = company(&desk, of)?;
    let Some(hold) = desk.store.hold_on(thing).await? else { bail!("no hold is on {} {id}", thing.kind()) };
    let now = Clock::start().wall();
    let who = (&Lifter::Operator, OPERATOR);
    let outcome = lift_hold(&desk.store, &desk.directory, company, &hold, who, now).await;
    let named = format!("{} {}", thing.kind(), thing.id());
    match outcome.map_err(|problem| anyhow!("{problem}"))? {
        LiftOutcome::Asked(second) => {
            desk.note(company, "hold.lift_asked", named.clone()).await?;
            say!("It is asked to lift the hold on {named}: now {} confirms.", second.as_str())?;
        }
        LiftOutcome::Lifted => {
            desk.note(company, "hold.lift", named.clone()).await?;
            say!("The hold on {named} is lifted.")?;
        }
    }
    desk.store.close().await;
    Ok(())
}

pub async fn contact(config: &Config, command: ContactCommand) -> anyhow::Result<()> {
    let ContactCommand::Erase { company, number, confirm, json } = command;
    let desk = Desk::open(config).await?;
    let of = desk.directory.company_by_key(&company).ok_or_else(|| anyhow!("there is no company {company}"))?;
    let own = desk.directory.number_by_e164(&number).is_some_and(|number| number.company == of.id);
    let Some(contact) = Contact::parse(&number).filter(|_| !own) else {
        bail!("{number} is no number of the outside: write one that is none of the company's as +15550199")
    };
    let dry_run = match confirm {
        Some(confirm) if confirm == number => false,
        Some(confirm) => bail!("--confirm {confirm} is another number than {number}"),
        None => true,
    };
    if !dry_run {
        desk.note(of, "contact.erase", erased_name(&contact)).await?;
    }
    let gone = Gone { at: Clock::start().wall(), because: "erased".to_owned(), by: OPERATOR.to_owned() };
    let eraser = Eraser::new(&desk.store, &config.recording.dir, of.id, &contact, gone, dry_run);
    let report = eraser.run().await?;
    if !dry_run {
        desk.note(of, "contact.erased", erased_told(&contact, &report)).await?;
    }
    match json {
        true => say!("{}", serde_json::to_string_pretty(&report)?)?,
        false => show_erased(&number, &report)?,
    }
    desk.store.close().await;
    Ok(())
}

fn show_erased(number: &str, report: &EraseReport) -> anyhow::Result<()> {
    let EraseReport {
        dry_run,
        calls,
        recordings,
        notes,
        bytes,
        messages,
        texts,
        events,
        exports,
        files_left,
        leftovers,
        leftover_files,
        put_off: _,
        kept,
        kept_calls,
    } = report;
    let would = if *dry_run { "would be " } else { "" };
    say!("{number} {would}blanked in {calls} calls and {events} events.")?;
    say!(
        "{recordings} recordings and {messages} messages ({bytes} bytes) {would}deleted, {exports} exports {would}withdrawn."
    )?;
    say!("{notes} notes on calls and {texts} text messages {would}deleted.")?;
    if *files_left > 0 {
        say!("The files of {files_left} recordings stay for now: the service tries again.")?;
    }
    if *leftovers > 0 {
        say!("{leftovers} recordings that were never finished {would}deleted:")?;
        leftover_files.iter().try_for_each(|file| say!("  {file}"))?;
    }
    kept_calls.iter().try_for_each(|call| say!("call {} is kept: {}", call.call, call.because))?;
    if *kept > kept_calls.len() as u64 {
        say!("{kept} calls are kept in all.")?;
    }
    if *dry_run {
        say!("Nothing was changed: --confirm {number} does it.")?;
    }
    Ok(())
}

/// Asks the running service, page by page; without one the files are read here.
struct Prover<'a> {
    config: &'a Config,
    offline: Option<Store>,
}

impl Prover<'_> {
    async fn page(&self, recording: Option<RecordingId>, before: Option<RecordingId>) -> anyhow::Result<Answer> {
        match &self.offline {
            Some(store) => Ok(keeping::verify(store, &self.config.recording.dir, recording, before).await),
            None => {
                Ok(control::ask(&self.config.control.socket, &Request::RecordingVerify { recording, before }).await?)
            }
        }
    }

    async fn messages(&self, after: Option<MessageId>) -> anyhow::Result<Answer> {
        match &self.offline {
            Some(store) => Ok(keeping::verify_messages(store, &self.config.recording.dir, after).await),
            None => Ok(control::ask(&self.config.control.socket, &Request::MessageVerify { after }).await?),
        }
    }
}

async fn verify(config: &Config, id: Option<&str>, json: bool) -> anyhow::Result<()> {
    let recording = id.map(super::recording_id).transpose()?;
    let offline = match control::ask(&config.control.socket, &Request::Status).await {
        Ok(_) => None,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            Some(Desk::open(config).await?.store)
        }
        Err(error) => bail!("{}: {error}", config.control.socket.display()),
    };
    let prover = Prover { config, offline };
    let (mut all, mut bad, mut before) = (0u64, 0u64, None);
    if json {
        say_on!("{{\"answer\":\"verified\",\"results\":[")?;
    }
    loop {
        let (results, next) = match prover.page(recording, before).await? {
            Answer::Verified { results, next } => (results, next),
            Answer::NotFound { what } => bail!("not found: {what}"),
            Answer::Failed { problem } => bail!("{problem}"),
            other => bail!("an unexpected answer: {other:?}"),
        };
        for result in &results {
            tell(result, json, all)?;
            all += 1;
            bad += u64::from(!result.problem.is_empty());
            if all.is_multiple_of(TELL) {
                eprintln!("{all} recordings read, {bad} of them are not what was recorded");
            }
        }
        before = next;
        if before.is_none() {
            break;
        }
    }
    match json {
        true => say_on!("]")?,
        false => say!("{} of {all} recordings are what was recorded.", all - bad)?,
    }
    let (messages, bad_messages) = match recording {
        Some(_) => (0, 0),
        None => verify_messages(&prover, json).await?,
    };
    if json {
        say!("}}")?;
    }
    match (bad, bad_messages) {
        (0, 0) => Ok(()),
        (0, _) => bail!("{bad_messages} of {messages} messages and greetings are not what was said"),
        (_, 0) => bail!("{bad} of {all} recordings are not what was recorded"),
        (_, _) => bail!(
            "{bad} of {all} recordings and {bad_messages} of {messages} messages and greetings are not what was recorded"
        ),
    }
}

/// The files of voicemail: how many there are, and how many of them are not what they should be.
async fn verify_messages(prover: &Prover<'_>, json: bool) -> anyhow::Result<(u64, u64)> {
    let (mut all, mut bad, mut after) = (0u64, 0u64, None);
    if json {
        say_on!(",\"messages\":[")?;
    }
    loop {
        let (results, next) = match prover.messages(after).await? {
            Answer::VerifiedMessages { results, next } => (results, next),
            Answer::Failed { problem } => bail!("{problem}"),
            other => bail!("an unexpected answer: {other:?}"),
        };
        for result in &results {
            if json {
                say_on!("{}\n{}", if all == 0 { "" } else { "," }, serde_json::to_string(result)?)?;
            } else if !result.problem.is_empty() {
                say!("{} {}: {}", result.what, result.path, result.problem)?;
            }
            all += 1;
            bad += u64::from(!result.problem.is_empty());
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    match json {
        true => say_on!("]")?,
        false if all > 0 => say!("{} of {all} messages and greetings are what was said.", all - bad)?,
        false => {}
    }
    Ok((all, bad))
}

fn tell(result: &Verified, json: bool, before: u64) -> anyhow::Result<()> {
    if json {
        let comma = if before == 0 { "" } else { "," };
        say_on!("{comma}\n{}", serde_json::to_string(result)?)?;
    } else if !result.problem.is_empty() {
        say!("{} {}: {}", result.recording, result.path, result.problem)?;
    }
    Ok(())
}

fn progress(what: &str) -> impl Fn(u64) + '_ {
    let told = std::cell::Cell::new(0);
    move |done| {
        if done / TELL > told.get() {
            told.set(done / TELL);
            eprintln!("{done} recordings {what}");
        }
    }
}

pub async fn backup(config: &Config, folder: &Path, check: bool, json: bool) -> anyhow::Result<()> {
    let now = Clock::start().wall();
    let done = backup::backup(config, folder, check, now, progress("copied")).await?;
    let BackedUp { recordings, messages, copied, bytes, removed, deleted_meanwhile, open_calls, problems } = &done;
    if json {
        say!("{}", serde_json::to_string_pretty(&done)?)?;
    } else {
        say!("{}: {recordings} recordings, {copied} of them copied now ({bytes} bytes).", folder.display())?;
        if *messages > 0 {
            say!("{messages} voicemail messages and greetings are in it.")?;
        }
        if *removed > 0 || *deleted_meanwhile > 0 {
            say!("{removed} files of deleted recordings were taken out; {deleted_meanwhile} were deleted meanwhile.")?;
        }
        open_calls.iter().try_for_each(|call| say!("call {call} was up: its recording is not in the backup"))?;
        problems.iter().try_for_each(|problem| say!("{problem}"))?;
    }
    match problems.len() {
        0 => Ok(()),
        count => bail!("{count} recording(s) or message(s) are not what was recorded"),
    }
}

pub async fn restore(config: &Config, folder: &Path, json: bool) -> anyhow::Result<()> {
    let done = backup::restore(config, folder, progress("proven")).await?;
    let Restored { made, files, bytes, recordings, open_calls, problems } = &done;
    if json {
        say!("{}", serde_json::to_string_pretty(&done)?)?;
    } else {
        let to = config.data_dir.display();
        say!("{to}: the backup of {made} is back: {files} files, {bytes} bytes, {recordings} recordings proven.")?;
        open_calls.iter().try_for_each(|call| say!("call {call} was up: its recording is not in the backup"))?;
        problems.iter().try_for_each(|problem| say!("{problem}"))?;
    }
    match problems.len() {
        0 => Ok(()),
        count => bail!("{count} recording(s) are not what was recorded: the backup said so already"),
    }
}
