//! Webhooks, for the operator. It works on the database by itself, and tells a service that runs to look.

use super::access::Desk;
use super::args::WebhookCommand;
use super::show;
use crate::api::Request;
use crate::base::{Random, Wall};
use crate::directory::Company;
use crate::notify::{GIVE_UP, Target};
use crate::service::clock::{Clock, OsRandom};
use crate::service::config::Config;
use crate::service::control;
use crate::store::{DeliveryState, NewWebhook, WEBHOOKS, WebhookRow};
use crate::subscription::Kinds;
use anyhow::{anyhow, bail};
use serde_json::json;

pub async fn run(config: &Config, command: WebhookCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    let now = Clock::start().wall();
    match command {
        WebhookCommand::List { company, json } => list(&desk, company.as_deref(), json).await,
        WebhookCommand::Add { company, url, kinds } => {
            let company = named(&desk, &company)?;
            if let Err(error) = Target::parse(&url, &config.webhooks.guard) {
                bail!("{url:?}: {error}");
            }
            let kinds = Kinds::parse(&kinds).map_err(|kind| anyhow!("there is no kind of event {kind:?}"))?;
            let mut bytes = [0; 32];
            OsRandom.fill(&mut bytes);
            let new = NewWebhook { company: company.id, url, kinds, secret: hex::encode(bytes), made_by: None };
            let full = || anyhow!("a company has {WEBHOOKS} webhooks at most: remove one first");
            let hook = desk.store.add_webhook(&new, now).await?.ok_or_else(full)?;
            desk.note(company, "webhook.add", format!("webhook {}", hook.id)).await?;
            say!("webhook {}; its secret (shown this once): {}", hook.id, hook.secret)?;
            wake(config).await;
            Ok(())
        }
        WebhookCommand::Remove { id, dry_run } => {
            let (hook, company) = found(&desk, id).await?;
            if dry_run {
                say!("webhook {id} ({}) would go, with {} pending deliveries.", hook.url, hook.pending)?;
                return Ok(());
            }
            desk.note(company, "webhook.remove", format!("webhook {id}")).await?;
            desk.store.remove_webhook(company.id, id).await?;
            say!("webhook {id} is gone.")?;
            Ok(())
        }
        WebhookCommand::Deliveries { id, state, limit, json } => {
            found(&desk, id).await?;
            let wrong = || anyhow!("state: pending, delivered or dead");
            let state = state.map(|text| DeliveryState::parse(&text).ok_or_else(wrong)).transpose()?;
            deliveries(&desk, id, state, limit, json).await
        }
        WebhookCommand::Replay { id, delivery } => {
            let (hook, company) = found(&desk, id).await?;
            desk.note(company, "webhook.replay", format!("webhook {id}")).await?;
            let times = (now, now.plus(GIVE_UP));
            let replayed = desk.store.replay_deliveries(hook.id, delivery, times).await?;
            match delivery {
                Some(delivery) if replayed == 0 => {
                    bail!("webhook {id} has no delivery {delivery}; `telegraphone webhook deliveries {id}` shows them")
                }
                Some(_) | None => say!("{replayed} deliveries are sent anew.")?,
            }
            wake(config).await;
            Ok(())
        }
    }
}

/// Whoever delivers looks at what there is; where no service runs, the next one does.
async fn wake(config: &Config) {
    let _ = control::ask(&config.control.socket, &Request::Wake).await;
}

fn named<'d>(desk: &'d Desk, key: &str) -> anyhow::Result<&'d Company> {
    desk.directory.company_by_key(key).ok_or_else(|| anyhow!("there is no company {key}"))
}

async fn found(desk: &Desk, id: i64) -> anyhow::Result<(WebhookRow, &Company)> {
    let hook = desk.store.webhooks(None).await?.into_iter().find(|hook| hook.id == id);
    let hook = hook.ok_or_else(|| anyhow!("there is no webhook {id}; `telegraphone webhook list` shows them"))?;
    let company = desk.directory.company(hook.company);
    let company = company.ok_or_else(|| anyhow!("the company of webhook {id} is not there"))?;
    Ok((hook, company))
}

async fn list(desk: &Desk, key: Option<&str>, json: bool) -> anyhow::Result<()> {
    let only = key.map(|key| named(desk, key)).transpose()?.map(|company| company.id);
    let hooks = desk.store.webhooks(only).await?;
    let key = |hook: &WebhookRow| desk.directory.company(hook.company).map_or("", |company| company.key.as_str());
    if json {
        let items: Vec<_> = hooks
            .iter()
            .map(|hook| {
                json!({ "id": hook.id, "company": key(hook), "url": hook.url, "kinds": hook.kinds.patterns(),
                    "active": hook.active, "pending": hook.pending, "dead": hook.dead,
                    "failing_since": hook.failing_since.map(|at| at.to_string()),
                    "last_status": hook.last_status, "last_error": hook.last_error })
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&json!({ "webhooks": items }))?)?;
        return Ok(());
    }
    let mut table = show::table(&["id", "company", "url", "kinds", "state", "pending", "dead", "last error"]);
    for hook in &hooks {
        let state = match (hook.active, hook.failing_since) {
            (false, _) => "off".to_owned(),
            (true, None) => "works".to_owned(),
            (true, Some(since)) => format!("fails since {since}"),
        };
        table.add_row([
            hook.id.to_string(),
            key(hook).to_owned(),
            hook.url.clone(),
            hook.kinds.to_string(),
            state,
            hook.pending.to_string(),
            hook.dead.to_string(),
            hook.last_error.clone(),
        ]);
    }
    say!("{table}")?;
    Ok(())
}

async fn deliveries(desk: &Desk, id: i64, state: Option<DeliveryState>, limit: u32, json: bool) -> anyhow::Result<()> {
    let rows = desk.store.deliveries(id, state, None, limit).await?;
    let time = |at: Option<Wall>| at.map(|at| at.to_string());
    if json {
        let items: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({ "id": row.id, "seq": row.seq, "event": row.kind, "state": row.state, "attempts": row.attempts,
                    "created": row.created.to_string(), "last_attempt": time(row.last_at),
                    "last_status": row.last_status, "last_error": row.last_error })
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&json!({ "deliveries": items }))?)?;
        return Ok(());
    }
    let mut table = show::table(&["id", "event", "state", "attempts", "last attempt", "status", "error"]);
    for row in &rows {
        table.add_row([
            row.id.to_string(),
            row.kind.clone(),
            row.state.as_str().to_owned(),
            row.attempts.to_string(),
            time(row.last_at).unwrap_or_default(),
            row.last_status.map(|status| status.to_string()).unwrap_or_default(),
            row.last_error.clone(),
        ]);
    }
    say!("{table}")?;
    Ok(())
}
