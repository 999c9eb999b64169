//! Shared inboxes and their licences, for the operator.

use super::access::Desk;
use super::args::{LicenceCommand, SharedInboxCommand};
use super::directory::{carry_out, company_of};
use crate::api::shared::{LicenceView, SharedKeys, SharedView, all, change, switch_off, switch_on};
use crate::directory::{Company, Inbox, Number};
use crate::service::clock::Clock;
use crate::service::config::Config;
use crate::store::Release;
use anyhow::{anyhow, bail};
use serde_json::json;

pub async fn run(config: &Config, command: SharedInboxCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    match command {
        SharedInboxCommand::List { company, json } => {
            let company = company_of(&desk.directory, company.as_deref())?;
            let views: Vec<SharedView> = all(&desk.directory, company)
                .map(|(number, inbox)| SharedView::of(&desk.directory, number, inbox))
                .collect();
            list(company, &views, json)
        }
        SharedInboxCommand::Enable { number, label, users, history, inbox, dry_run } => {
            let number = desk.number(&number)?;
            let company = desk.company(number)?;
            let keys = SharedKeys { label, users: users.map(split), history, inbox };
            let plan = switch_on(&desk.directory, company, number, &keys).map_err(|problem| anyhow!("{problem}"))?;
            carry_out(config, &desk, &plan, dry_run).await
        }
        SharedInboxCommand::Change { number, label, users, history, dry_run } => {
            let (number, inbox) = found(&desk, &number)?;
            let company = desk.company(number)?;
            let keys = SharedKeys { label, users: users.map(split), history, inbox: None };
            let plan = change(&desk.directory, company, inbox, &keys).map_err(|problem| anyhow!("{problem}"))?;
            carry_out(config, &desk, &plan, dry_run).await
        }
        SharedInboxCommand::Disable { number, dry_run } => {
            let (number, inbox) = found(&desk, &number)?;
            let company = desk.company(number)?;
            let plan = switch_off(&desk.directory, company, inbox, number).map_err(|problem| anyhow!("{problem}"))?;
            carry_out(config, &desk, &plan, dry_run).await
        }
    }
}

fn split(text: String) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn found<'d>(desk: &'d Desk, e164: &str) -> anyhow::Result<(&'d Number, &'d Inbox)> {
    let number = desk.number(e164)?;
    let inbox = desk.directory.shared_inbox(number.id);
    let inbox = inbox.ok_or_else(|| anyhow!("{e164} has no shared inbox: `shared-inbox enable {e164}` makes one"))?;
    Ok((number, inbox))
}

fn list(company: &Company, views: &[SharedView], json: bool) -> anyhow::Result<()> {
    match json {
        true => say!("{}", serde_json::to_string_pretty(views)?)?,
        false if views.is_empty() => say!("Company {} has no shared inbox.", company.key)?,
        false => views.iter().try_for_each(|view| {
            let history = if view.history { "with history" } else { "without history" };
            say!("{}  {}  {history}  users {}", view.number, view.assigned_to, view.users.join(", "))
        })?,
    }
    Ok(())
}

pub async fn licence(config: &Config, command: LicenceCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    match command {
        LicenceCommand::List { company, json } => {
            let company = company_of(&desk.directory, company.as_deref())?;
            let licences = desk.store.licences(company.id).await?;
            let views: Vec<LicenceView> =
                licences.iter().map(|licence| LicenceView::of(&desk.directory, licence)).collect();
            match json {
                true => say!("{}", json!({ "licences": views }))?,
                false if views.is_empty() => say!("Company {} has no licence of a shared inbox.", company.key)?,
                false => views.iter().try_for_each(|view| {
                    let number = view.number.as_deref().unwrap_or("a number that has gone");
                    let state = if view.in_use { "on" } else { "free, last on" };
                    say!("{}  {state} {number}  since {}", view.id, view.allocated)
                })?,
            }
        }
        LicenceCommand::Release { id, company } => {
            let company = company_of(&desk.directory, company.as_deref())?;
            let now = Clock::start().wall();
            match desk.store.release_licence(company.id, id, "operator", now).await? {
                Release::Done => desk.note(company, "licence.release", format!("licence {id}")).await?,
                Release::InUse => bail!("licence {id} is in use: switch its shared inbox off first"),
                Release::NotThere => bail!("company {} has no licence {id}", company.key),
            }
            say!("Licence {id} is released.")?;
        }
    }
    Ok(())
}
