//! Mails and pushes about new messages, for the operator. It works on the database by itself; a
//! service that runs sends what is replayed within a minute.

use super::access::Desk;
use super::args::NoticeCommand;
use super::show;
use crate::base::CompanyId;
use crate::notify::MAIL_ENDS;
use crate::service::clock::Clock;
use crate::service::config::Config;
use crate::store::NoticeState;
use anyhow::{anyhow, bail};
use serde_json::json;

pub async fn run(config: &Config, command: NoticeCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    let company = |key: &str| {
        let found = desk.directory.company_by_key(key).map(|company| (company.id, company));
        found.ok_or_else(|| anyhow!("there is no company {key}"))
    };
    match command {
        NoticeCommand::List { company: key, state, limit, json } => {
            let wrong = || anyhow!("state: pending, sent, dead or dropped");
            let state = state.map(|text| NoticeState::parse(&text).ok_or_else(wrong)).transpose()?;
            list(&desk, company(&key)?.0, state, limit, json).await
        }
        NoticeCommand::Replay { company: key, notice } => {
            let (id, company) = company(&key)?;
            let what = notice.map_or("dead notices".to_owned(), |notice| format!("notice {notice}"));
            desk.note(company, "notice.replay", what).await?;
            let now = Clock::start().wall();
            let replayed = desk.store.replay_notices(id, notice, (now, now.plus(MAIL_ENDS))).await?;
            if notice.is_some() && replayed == 0 {
                bail!("there is no such notice of {key} that is not pending");
            }
            say!("{replayed} notices are sent anew.")?;
            Ok(())
        }
    }
}

async fn list(
    desk: &Desk,
    company: CompanyId,
    state: Option<NoticeState>,
    limit: u32,
    json: bool,
) -> anyhow::Result<()> {
    let rows = desk.store.notices(company, state, None, limit).await?;
    if json {
        let items: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({ "id": row.id, "channel": row.channel, "message": row.message, "to": row.target,
                    "state": row.state, "attempts": row.attempts, "created": row.created.to_string(),
                    "last_attempt": row.last_at.map(|at| at.to_string()), "last_error": row.last_error })
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&json!({ "notices": items }))?)?;
        return Ok(());
    }
    let mut table = show::table(&["id", "channel", "to", "state", "attempts", "last attempt", "error"]);
    for row in &rows {
        table.add_row([
            row.id.to_string(),
            row.channel.as_str().to_owned(),
            row.target.clone(),
            row.state.as_str().to_owned(),
            row.attempts.to_string(),
            row.last_at.map(|at| at.to_string()).unwrap_or_default(),
            row.last_error.clone(),
        ]);
    }
    say!("{table}")?;
    Ok(())
}
