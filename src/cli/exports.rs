//! Archives of recordings, for the operator: asked for here, made by the running service.
//!
//! They are the operator's own, as those of people are theirs: nobody sees them over HTTP.

use super::access::Desk;
use super::show;
use crate::api::{CallQuery, ExportView, ExportWhat, OPERATORS, check_names};
use crate::archive::file_digest;
use crate::base::{Direction, Wall};
use crate::directory::Company;
use crate::service::clock::Clock;
use crate::service::config::Config;
use crate::store::{Contact, ExportRow, ExportState, NewExport};
use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Archives of a page of the database.
const PAGE: u32 = 200;

#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Ask for one: the calls that fit, with their recordings; the running service makes it
    Make(Box<MakeArgs>),
    /// The operator's archives, the newest first
    List {
        /// Of this company only
        #[arg(long, value_name = "KEY")]
        company: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Copy one that is ready to a file, and prove it
    Fetch {
        id: i64,
        /// New; nothing is overwritten
        file: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Remove one; one that is being made is not made
    Remove {
        id: i64,
        /// Only tell what would go
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        json: bool,
    },
}

/// Which calls, as in the list of calls; without any, all of the company.
#[derive(Debug, Args)]
pub struct MakeArgs {
    /// Key of the company
    company: String,
    /// Begun at this moment or later, e.g. 2026-11-27T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Wall>,
    /// Begun before this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Wall>,
    /// inbound, outbound or internal
    #[arg(long, value_parser = direction)]
    direction: Option<Direction>,
    /// Of the company, as +15550100
    #[arg(long)]
    number: Option<String>,
    /// By name
    #[arg(long)]
    inbox: Option<String>,
    /// By name: calls over numbers that are routed to it
    #[arg(long)]
    group: Option<String>,
    /// By extension: a party of the call
    #[arg(long)]
    user: Option<String>,
    /// The outside number that it was with
    #[arg(long)]
    contact: Option<String>,
    /// Part of a party's name or address
    #[arg(long)]
    text: Option<String>,
    /// Everything with this outside number, whoever was on the call, and nothing else
    #[arg(long, value_name = "NUMBER", conflicts_with_all = [
        "from", "until", "direction", "number", "inbox", "group", "user", "contact", "text"
    ])]
    everything_with: Option<String>,
    #[arg(long)]
    json: bool,
}

fn moment(text: &str) -> Result<Wall, String> {
    let at = text.parse::<jiff::Timestamp>().map_err(|_| "write a time such as 2026-11-27T09:00:00Z".to_owned())?;
    Ok(Wall::from_unix_micros(at.as_microsecond()))
}

fn direction(text: &str) -> Result<Direction, String> {
    Direction::parse(text).ok_or_else(|| "inbound, outbound or internal".to_owned())
}

pub async fn run(config: &Config, command: ExportCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    match command {
        ExportCommand::Make(args) => make(config, &desk, *args).await?,
        ExportCommand::List { company, json } => list(&desk, company.as_deref(), json).await?,
        ExportCommand::Fetch { id, file, json } => fetch(config, &desk, id, &file, json).await?,
        ExportCommand::Remove { id, dry_run, json } => remove(&desk, id, dry_run, json).await?,
    }
    desk.store.close().await;
    Ok(())
}

fn company_of<'d>(desk: &'d Desk, key: &str) -> anyhow::Result<&'d Company> {
    desk.directory.company_by_key(key).ok_or_else(|| anyhow!("there is no company {key}"))
}

async fn make(config: &Config, desk: &Desk, args: MakeArgs) -> anyhow::Result<()> {
    let MakeArgs { company, from, until, direction, number, inbox, group, user, contact, text, everything_with, json } =
        args;
    let company = company_of(desk, &company)?;
    let what = match everything_with {
        Some(said) => {
            let own = desk.directory.number_by_e164(&said).is_some_and(|number| number.company == company.id);
            if own || Contact::parse(&said).is_none() {
                bail!("{said} is no number of the outside: write one that is none of the company's as +15550199");
            }
            ExportWhat::Contact(said)
        }
        None => {
            let query =
                CallQuery { from, until, direction, number, inbox, group, user, contact, text, ..Default::default() };
            check_names(&desk.directory, company, &query).map_err(|problem| anyhow!("{problem}"))?;
            ExportWhat::Calls(Box::new(query))
        }
    };
    let new = NewExport {
        company: company.id,
        owner: OPERATORS.to_owned(),
        who: "operator".to_owned(),
        what: serde_json::to_string(&what)?,
        created: Clock::start().wall(),
    };
    let most = config.exports.per_user;
    let Some(row) = desk.store.add_export(&new, most).await? else {
        bail!("there are {most} exports of this company: remove one with `telegraphone recording export remove ID`");
    };
    desk.note(company, "export.make", format!("export {}", row.id)).await?;
    match json {
        true => say!("{}", serde_json::to_string_pretty(&ExportView::from(&row))?)?,
        false => say!(
            "Export {} is asked for. The running service makes it; `telegraphone recording export list` says how far it is.",
            row.id
        )?,
    }
    Ok(())
}

async fn list(desk: &Desk, key: Option<&str>, json: bool) -> anyhow::Result<()> {
    let companies: Vec<&Company> = match key {
        Some(key) => vec![company_of(desk, key)?],
        None => desk.directory.companies().collect(),
    };
    let mut rows: Vec<ExportRow> = Vec::new();
    for company in companies {
        let mut before = None;
        loop {
            let page = desk.store.exports_of(company.id, OPERATORS, before, PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            rows.extend(page);
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    if json {
        let views: Vec<ExportView> = rows.iter().map(ExportView::from).collect();
        say!("{}", serde_json::to_string_pretty(&views)?)?;
        return Ok(());
    }
    if rows.is_empty() {
        say!("There are no exports.")?;
        return Ok(());
    }
    let mut table = show::table(&["id", "company", "state", "asked", "calls", "recordings", "bytes", "goes"]);
    for row in &rows {
        let state = match row.problem.as_str() {
            "" => row.state.as_str().to_owned(),
            problem => format!("{}: {problem}", row.state.as_str()),
        };
        table.add_row(vec![
            row.id.to_string(),
            desk.directory.company(row.company).map_or_else(String::new, |company| company.key.clone()),
            state,
            row.created.to_string(),
            row.calls.to_string(),
            row.recordings.to_string(),
            row.bytes.to_string(),
            row.expires.map_or_else(String::new, |at| at.to_string()),
        ]);
    }
    say!("{table}")?;
    Ok(())
}

/// One of the operator's own; one of somebody else is none.
async fn own(desk: &Desk, id: i64) -> anyhow::Result<(ExportRow, &Company)> {
    let row = desk.store.export(id).await?.filter(|row| row.owner == OPERATORS);
    let row = row.ok_or_else(|| anyhow!("there is no export {id}; `telegraphone recording export list` shows them"))?;
    let company = desk.directory.company(row.company).ok_or_else(|| anyhow!("its company is not there any more"))?;
    Ok((row, company))
}

async fn fetch(config: &Config, desk: &Desk, id: i64, file: &Path, json: bool) -> anyhow::Result<()> {
    let (row, company) = own(desk, id).await?;
    match row.state {
        ExportState::Ready => {}
        ExportState::Waiting | ExportState::Making => {
            bail!("export {id} is still being made by the running service: ask for it again later")
        }
        ExportState::Expired => bail!("the time of export {id} is over: make it anew"),
        ExportState::Failed | ExportState::Withdrawn => bail!("export {id} is {}: {}", row.state.as_str(), row.problem),
    }
    let from = config.data_dir.join("exports").join(format!("{id}.zip"));
    desk.note(company, "export.fetch", format!("export {id}")).await?;
    let to = file.to_owned();
    let copied = tokio::task::spawn_blocking(move || copy(&from, &to)).await?;
    let (digest, bytes) = copied.with_context(|| format!("{}", file.display()))?;
    if digest != row.sha256 {
        fs::remove_file(file)?;
        bail!("the file of export {id} is not what was made: remove it and make it anew");
    }
    match json {
        true => say!("{}", serde_json::to_string_pretty(&ExportView::from(&row))?)?,
        false => say!("{}: {bytes} bytes, {} recordings, SHA-256 {digest}.", file.display(), row.recordings)?,
    }
    Ok(())
}

/// Copies to a new file that is nobody else's business; its digest and size.
fn copy(from: &Path, to: &Path) -> io::Result<(String, u64)> {
    let mut source = fs::File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(crate::archive::FILE_MODE).open(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()?;
    file_digest(to)
}

async fn remove(desk: &Desk, id: i64, dry_run: bool, json: bool) -> anyhow::Result<()> {
    let (row, company) = own(desk, id).await?;
    if !dry_run {
        desk.note(company, "export.remove", format!("export {id}")).await?;
        desk.store.remove_export(id).await?;
    }
    if json {
        say!("{}", serde_json::json!({ "dry_run": dry_run, "removed": ExportView::from(&row) }))?;
        return Ok(());
    }
    let what = format!("export {id} ({}, {} recordings, {} bytes)", row.state.as_str(), row.recordings, row.bytes);
    match dry_run {
        true => say!("Would remove {what}. Dry run: nothing was changed.")?,
        false => say!("Removed {what}; the running service takes its file away.")?,
    }
    Ok(())
}
