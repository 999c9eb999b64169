//! Messages of any box and who receives them, for the operator, on the database by itself.

use super::access::Desk;
use super::directory::{Of, SubscriberCommand, company_of};
use super::show::table;
use crate::api::{BoxSubscriberView, MessageView, read_message_cursor, sweep_files, write_message_cursor};
use crate::archive::file_digest;
use crate::base::MessageId;
use crate::directory::{BoxAccess, BoxOwner, Company, Directory, Mailbox, User};
use crate::ledger::{Folder, MessageRecord};
use crate::service::clock::Clock;
use crate::service::config::Config;
use crate::store::{Held, MessageCursor, MessageFile, MessageFilter, MessageRow};
use crate::subscription::{MessageReason, MessageScope};
use anyhow::{anyhow, bail};
use clap::Subcommand;
use serde_json::json;
use std::path::Path;

/// Files that are read before the next are asked for.
const PAGE: u32 = 100;

#[derive(Debug, Subcommand)]
pub enum MessageCommand {
    /// Messages of a box, the newest first, as they stand for its owner
    List {
        /// NUMBER or NUMBER@CONTEXT
        mailbox: String,
        /// Only those in this folder: inbox, old, urgent, work, family, friends
        #[arg(long)]
        folder: Option<String>,
        /// `next` of the page before
        #[arg(long)]
        before: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        of: Of,
    },
    /// One message
    Show {
        message: String,
        #[arg(long)]
        json: bool,
    },
    /// Read every file against its row: whether it is there, and what was left
    Verify {
        #[arg(long)]
        json: bool,
    },
    /// Delete a message with its file, for everybody and for good
    Delete {
        message: String,
        /// Print what would go, change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

pub async fn run(config: &Config, command: MessageCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    match command {
        MessageCommand::List { mailbox, folder, before, limit, of } => {
            let company = company_of(&desk.directory, of.company.as_deref())?;
            let mailbox = box_of(&desk.directory, company, &mailbox)?;
            let folders = folder.map(|word| Folder::parse(&word).ok_or_else(|| anyhow!("there is no folder {word}")));
            let before = before.map(|text| {
                read_message_cursor(&text).ok_or_else(|| anyhow!("{text:?} is no `next` of a page before"))
            });
            let filter = MessageFilter {
                before: before.transpose()?,
                mailboxes: Some(vec![mailbox.id]),
                folders: folders.transpose()?.map(|folder| vec![folder]),
                ..MessageFilter::default()
            };
            list(&desk, company, &filter, limit.clamp(1, 1_000), of.json).await
        }
        MessageCommand::Show { message, json } => {
            let message = message_of(&desk, &message).await?;
            let scope = MessageScope::of_whole(&desk.directory, message.company);
            let row = desk.store.message_of(message.id, scope.reader(message.mailbox)).await?;
            let view = row.and_then(|row| view(&desk.directory, &row)).ok_or_else(|| anyhow!("its box has gone"))?;
            match json {
                true => say!("{}", serde_json::to_string_pretty(&view)?)?,
                false => show(&[view])?,
            }
            Ok(())
        }
        MessageCommand::Verify { json } => verify(config, &desk, json).await,
        MessageCommand::Delete { message, dry_run } => delete(config, &desk, &message, dry_run).await,
    }
}

async fn list(desk: &Desk, company: &Company, filter: &MessageFilter, limit: u32, json: bool) -> anyhow::Result<()> {
    let scope = MessageScope::of_whole(&desk.directory, company.id);
    let rows = desk.store.messages(&scope, filter, limit).await?;
    let next = rows
        .last()
        .filter(|_| rows.len() == limit as usize)
        .map(|row| write_message_cursor(MessageCursor { left: row.message.left, id: row.message.id }));
    let views: Vec<MessageView> = rows.iter().filter_map(|row| view(&desk.directory, row)).collect();
    match json {
        true => say!("{}", serde_json::to_string_pretty(&json!({ "messages": views, "next": next }))?)?,
        false if views.is_empty() => say!("No messages.")?,
        false => {
            show(&views)?;
            next.iter().try_for_each(|next| say!("More with --before {next}"))?;
        }
    }
    Ok(())
}

fn view(directory: &Directory, row: &MessageRow) -> Option<MessageView> {
    MessageView::of(directory, row, MessageReason::Admin, true)
}

fn show(views: &[MessageView]) -> anyhow::Result<()> {
    let mut table = table(&["message", "box", "left", "seconds", "caller", "folder", "urgent"]);
    for MessageView { id, mailbox, caller, left, length_ms, urgent, folder, .. } in views {
        let caller = format!("{} {}", caller.address, caller.name);
        table.add_row([
            id.to_string(),
            mailbox.key.clone(),
            left.clone(),
            format!("{}.{}", length_ms / 1_000, length_ms % 1_000 / 100),
            caller.trim_end().to_owned(),
            folder.as_str().to_owned(),
            if *urgent { "yes" } else { "no" }.to_owned(),
        ]);
    }
    say!("{table}")
}

async fn verify(config: &Config, desk: &Desk, json: bool) -> anyhow::Result<()> {
    let (mut after, mut all, mut wrong) = (None, 0, Vec::new());
    loop {
        let page = desk.store.all_message_files(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        all += page.len();
        let dir = config.recording.dir.clone();
        let read = tokio::task::spawn_blocking(move || {
            page.iter().filter_map(|file| Some((file.id, problem(&dir, file)?))).collect::<Vec<_>>()
        });
        wrong.extend(read.await?);
    }
    match json {
        true => {
            let wrong: Vec<_> =
                wrong.iter().map(|(id, problem)| json!({ "message": id, "problem": problem })).collect();
            say!("{}", serde_json::to_string_pretty(&json!({ "messages": all, "wrong": wrong }))?)?;
        }
        false => {
            wrong.iter().try_for_each(|(id, problem)| say!("message {id}: {problem}"))?;
            say!("{} of {all} messages are what was left.", all - wrong.len())?;
        }
    }
    match wrong.len() {
        0 => Ok(()),
        count => bail!("{count} of {all} messages are not what was left"),
    }
}

/// What is wrong with the file of a message.
fn problem(dir: &Path, file: &MessageFile) -> Option<String> {
    match file_digest(&dir.join(&file.path)) {
        Err(error) => Some(format!("{}: {error}", file.path)),
        Ok((_, bytes)) if bytes != file.bytes => {
            Some(format!("{}: {bytes} bytes instead of {}", file.path, file.bytes))
        }
        Ok((digest, _)) if digest != file.digest => Some(format!("{}: its SHA-256 is another one", file.path)),
        Ok(_) => None,
    }
}

async fn delete(config: &Config, desk: &Desk, id: &str, dry_run: bool) -> anyhow::Result<()> {
    let message = message_of(desk, id).await?;
    if let Some(call) = message.call
        && let Some(hold) = desk.store.hold_on(Held::Call(call)).await?
    {
        bail!("a legal hold by {} keeps it: {}", hold.by, hold.reason);
    }
    say!("- message {} of {}, left {} by {}", message.id, message.mailbox, message.left, message.caller.address)?;
    if dry_run {
        say!("Dry run: nothing was changed.")?;
        return Ok(());
    }
    let company = desk.directory.company(message.company).ok_or_else(|| anyhow!("its company is not there"))?;
    desk.note(company, "message.delete", format!("message {}", message.id)).await?;
    desk.store.erase_message(message.id, None, "deleted by the operator", Clock::start().wall()).await?;
    sweep_files(&desk.store, &config.recording.dir).await?;
    say!("It is gone.")?;
    Ok(())
}

async fn message_of(desk: &Desk, id: &str) -> anyhow::Result<MessageRecord> {
    let id = MessageId::parse(id).ok_or_else(|| anyhow!("{id:?} is no message: `message list BOX` shows them"))?;
    desk.store.message(id).await?.ok_or_else(|| anyhow!("there is no message {id}"))
}

fn box_of<'d>(directory: &'d Directory, company: &Company, name: &str) -> anyhow::Result<&'d Mailbox> {
    let mailbox = directory.mailbox_by_name(company.id, name);
    mailbox.ok_or_else(|| anyhow!("company {} has no voicemail {name}", company.key))
}

/// `voicemail subscriber …`
pub async fn subscriber(desk: &Desk, command: SubscriberCommand) -> anyhow::Result<()> {
    match command {
        SubscriberCommand::List { mailbox, of } => {
            let company = company_of(&desk.directory, of.company.as_deref())?;
            let mailbox = box_of(&desk.directory, company, &mailbox)?;
            let all = desk.store.box_subscribers(mailbox.id).await?;
            let views: Vec<BoxSubscriberView> =
                all.iter().filter_map(|one| BoxSubscriberView::of(&desk.directory, one)).collect();
            if of.json {
                say!("{}", serde_json::to_string_pretty(&json!({ "subscribers": views }))?)?;
                return Ok(());
            }
            if views.is_empty() {
                say!("Nobody is subscribed to voicemail {}.", mailbox.key())?;
            }
            for BoxSubscriberView { extension, name, from, until } in views {
                say!("{extension}  {name}  {from} to {}", until.as_deref().unwrap_or("now"))?;
            }
            Ok(())
        }
        SubscriberCommand::Add { mailbox, extension, of } => {
            let (company, mailbox, user) = subscription(desk, &of, &mailbox, &extension)?;
            if desk.directory.is_deactivated(user.id) || mailbox.owner == BoxOwner::User(user.id) {
                bail!("{extension} is deactivated, or hears everything in their own box already");
            }
            desk.store.subscribe_to_box(company.id, mailbox.id, user.id, Clock::start().wall()).await?;
            desk.note(company, "voicemail.subscribe", format!("{} {extension}", mailbox.key())).await?;
            say!("{extension} receives the messages of {} from now on.", mailbox.key())?;
            Ok(())
        }
        SubscriberCommand::Remove { mailbox, extension, withdraw, of } => {
            let (company, mailbox, user) = subscription(desk, &of, &mailbox, &extension)?;
            let keeps = mailbox.owner == BoxOwner::User(user.id);
            let (action, said) = match withdraw {
                true => {
                    desk.store.withdraw_box(mailbox.id, user.id, keeps).await?;
                    ("voicemail.withdraw", "what was received is taken back")
                }
                false => {
                    desk.store.unsubscribe_from_box(mailbox.id, user.id, Clock::start().wall()).await?;
                    ("voicemail.unsubscribe", "what was received stays")
                }
            };
            desk.note(company, action, format!("{} {extension}", mailbox.key())).await?;
            say!("{extension} receives nothing new from {}; {said}.", mailbox.key())?;
            Ok(())
        }
    }
}

fn subscription<'d>(
    desk: &'d Desk,
    of: &Of,
    mailbox: &str,
    extension: &str,
) -> anyhow::Result<(&'d Company, &'d Mailbox, &'d User)> {
    let company = company_of(&desk.directory, of.company.as_deref())?;
    let mailbox = box_of(&desk.directory, company, mailbox)?;
    if mailbox.access == BoxAccess::Global {
        bail!("voicemail {} is everybody's: it has no subscribers", mailbox.key());
    }
    let user = desk.directory.user_ever_by_extension(company.id, extension);
    Ok((company, mailbox, user.ok_or_else(|| anyhow!("company {} has no user {extension}", company.key))?))
}
