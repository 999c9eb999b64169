//! Conversations by text message, for the operator.

use super::access::Desk;
use super::args::ConversationCommand;
use super::directory::company_of;
use crate::api::texts::TextView;
use crate::base::ConversationId;
use crate::directory::Directory;
use crate::service::clock::{Clock, OsRandom};
use crate::service::config::Config;
use crate::store::ConversationRow;
use crate::subscription::Holder;
use crate::texts::Office;
use anyhow::anyhow;
use serde_json::json;

pub async fn run(config: &Config, command: ConversationCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    match command {
        ConversationCommand::List { company, limit, json } => {
            let company = company_of(&desk.directory, company.as_deref())?;
            let found = desk.store.all_conversations(company.id, limit).await?;
            let views = found.iter().map(|(row, last)| {
                json!({
                    "id": row.id,
                    "between": between(&desk.directory, row),
                    "last": last.at.to_string(),
                    "state": last.state,
                })
            });
            let views: Vec<serde_json::Value> = views.collect();
            match json {
                true => say!("{}", json!({ "conversations": views }))?,
                false if views.is_empty() => say!("Company {} has no conversation.", company.key)?,
                false => found.iter().try_for_each(|(row, last)| {
                    let (between, state) = (between(&desk.directory, row), last.state.as_str());
                    say!("{}  {between}  last {} ({state})", row.id, last.at)
                })?,
            }
        }
        ConversationCommand::Show { id, json } => {
            let found = desk.store.whole_conversation(ConversationId(id)).await?;
            let (row, texts) = found.ok_or_else(|| anyhow!("there is no conversation {id}"))?;
            let company = desk.directory.company(row.between.company);
            let company = company.ok_or_else(|| anyhow!("the company of conversation {id} is not there"))?;
            desk.note(company, "conversation.show", format!("conversation {id}")).await?;
            let views: Vec<TextView> = texts.iter().map(|text| TextView::of(&desk.directory, text)).collect();
            match json {
                true => say!("{}", json!({ "between": between(&desk.directory, &row), "messages": views }))?,
                false => {
                    say!("{}", between(&desk.directory, &row))?;
                    views.iter().try_for_each(show)?;
                }
            }
        }
        ConversationCommand::Send { user, to, text, number } => {
            let (company, user) = desk.user(&user)?;
            let office = Office::new(desk.store.clone());
            let to = (to.as_str(), number.as_deref());
            let now = Clock::start().wall();
            let written = office.write(&desk.directory, user, to, (text, None), now, &mut OsRandom).await?;
            let id = written.text.id;
            desk.note(company, "message.send", format!("message {id} as {}", user.extension)).await?;
            say!("Message {id} is {} in conversation {}.", written.text.state.as_str(), written.text.conversation)?;
        }
    }
    Ok(())
}

fn show(message: &TextView) -> anyhow::Result<()> {
    let TextView { at, kind, text, user, state, problem, .. } = message;
    let who = user.as_ref().map_or_else(String::new, |user| format!(" {} {}", user.extension, user.name));
    let problem = if problem.is_empty() { String::new() } else { format!(": {problem}") };
    say!("{at}  {}{who}  {}{problem}  {text:?}", kind.as_str(), state.as_str())
}

/// Between whom, as people say it.
fn between(directory: &Directory, row: &ConversationRow) -> String {
    let between = &row.between;
    let number = between.number.and_then(|number| directory.number(number));
    let number = number.map_or("a number that has gone", |number| number.e164.as_str());
    let name = |user| directory.user_ever(user).map_or("?", |user| user.extension.as_str());
    match between.holder {
        Holder::Inbox(_) => format!("{number} (shared) with {}", between.contact),
        Holder::User(user) => format!("{number} ({}) with {}", name(user), between.contact),
        Holder::Pair(one, other) => format!("{} with {}", name(one), name(other)),
    }
}
