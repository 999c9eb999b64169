//! Who may hear it, for the operator: subscriptions, the access log, and why somebody sees a call.
//!
//! It works on the database by itself: the service reads it anew for each request.

use super::args::{AuditCommand, ExplainCommand, SubscriptionCommand};
use super::show;
use crate::base::{CallId, CompanyId, RecordingId};
use crate::directory::{Company, Directory, Number, User};
use crate::service::audit::{Proven, verify};
use crate::service::clock::Clock;
use crate::service::config::Config;
use crate::store::{By, LogFilter, Store, SubscriptionChange};
use crate::subscription::{Reason, Rights, Scope};
use anyhow::{anyhow, bail};
use serde_json::json;

/// The database with what it says of companies.
pub struct Desk {
    pub store: Store,
    pub directory: Directory,
}

impl Desk {
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let path = config.data_dir.join("telegraphone.db");
        if !path.exists() {
            bail!(
                "{} is not there: apply a company file first, or name the data directory with --data",
                path.display()
            );
        }
        let store = Store::open(&path).await?;
        let directory = store.load_directory().await?;
        Ok(Desk { store, directory })
    }

    pub fn number(&self, e164: &str) -> anyhow::Result<&Number> {
        self.directory
            .number_by_e164(e164)
            .ok_or_else(|| anyhow!("no company has the number {e164}: write it as +15550100"))
    }

    pub fn company(&self, number: &Number) -> anyhow::Result<&Company> {
        self.directory.company(number.company).ok_or_else(|| anyhow!("the company of {} is not there", number.e164))
    }

    /// `EXTENSION` of this company.
    fn user_of(&self, company: &Company, extension: &str) -> anyhow::Result<&User> {
        let user = self.directory.user_by_extension(company.id, extension);
        user.ok_or_else(|| anyhow!("company {} has no user {extension}", company.key))
    }

    /// `COMPANY/EXTENSION`.
    pub fn user(&self, text: &str) -> anyhow::Result<(&Company, &User)> {
        let (key, extension) =
            text.split_once('/').ok_or_else(|| anyhow!("{text:?} is no user: write COMPANY/EXTENSION"))?;
        let company = self.directory.company_by_key(key).ok_or_else(|| anyhow!("there is no company {key}"))?;
        Ok((company, self.user_of(company, extension)?))
    }

    pub async fn note(&self, company: &Company, action: &str, thing: String) -> anyhow::Result<()> {
        self.store.log_access(&operator().access(company.id, action, thing)).await?;
        Ok(())
    }

    /// A line on what is of no one company.
    pub async fn note_service(&self, action: &str, thing: String) -> anyhow::Result<()> {
        self.store.log_access(&operator().access(CompanyId(0), action, thing)).await?;
        Ok(())
    }
}

/// Whoever has the command line of the machine, now.
pub fn operator() -> By {
    By {
        at: Clock::start().wall(),
        user: None,
        who: "operator".to_owned(),
        source: "command line".to_owned(),
        keeps: None,
    }
}

pub async fn subscription(config: &Config, command: SubscriptionCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    match command {
        SubscriptionCommand::List { number, json } => {
            let number = desk.number(&number)?;
            let users = desk.store.subscribers_of(number.id).await?;
            let users: Vec<&User> = users.into_iter().filter_map(|user| desk.directory.user(user)).collect();
            match json {
                true => {
                    let extensions: Vec<&str> = users.iter().map(|user| user.extension.as_str()).collect();
                    say!("{}", json!({ "subscribers": extensions }))?;
                }
                false if users.is_empty() => say!("Nobody is subscribed to the recordings of {}.", number.e164)?,
                false => users.iter().try_for_each(|user| say!("{}  {}", user.extension, user.name))?,
            }
        }
        SubscriptionCommand::Add { number, extension } => {
            let e164 = change(&desk, &number, &extension, SubscriptionChange::Add).await?;
            say!("{extension} receives the recordings of {e164} from now on.")?;
        }
        SubscriptionCommand::Remove { number, extension, withdraw } => {
            let (kind, said) = match withdraw {
                true => (SubscriptionChange::Withdraw, "what was received is taken back"),
                false => (SubscriptionChange::End, "what was received stays (--withdraw takes it back)"),
            };
            let e164 = change(&desk, &number, &extension, kind).await?;
            say!("{extension} receives no more recordings of {e164}; {said}.")?;
        }
    }
    desk.store.close().await;
    Ok(())
}

/// Changes who receives the recordings of a number; the number as it is called.
async fn change<'d>(
    desk: &'d Desk,
    number: &str,
    extension: &str,
    change: SubscriptionChange,
) -> anyhow::Result<&'d str> {
    let number = desk.number(number)?;
    let user = desk.user_of(desk.company(number)?, extension)?;
    desk.store.change_subscription(number, user, change, &operator()).await?;
    Ok(&number.e164)
}

pub async fn audit(config: &Config, command: AuditCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    match command {
        AuditCommand::Verify { public_key } => match verify(&desk.store, &config.audit, public_key.as_deref()).await? {
            Ok(proven) => show_proven(&proven)?,
            Err(wrong) => bail!("{}", wrong.join("\n")),
        },
        AuditCommand::List { company, after, before, newest, action, text, limit, json } => {
            let of = desk.directory.company_by_key(&company).ok_or_else(|| anyhow!("there is no company {company}"))?;
            let newest_first = newest || before.is_some();
            let filter = LogFilter { newest_first, after, before, action, text, ..LogFilter::default() };
            let lines = desk.store.access_lines(of.id, &filter, limit).await?;
            match json {
                true => say!("{}", serde_json::to_string_pretty(&lines)?)?,
                false => say!("{}", show::access_log(&lines))?,
            }
        }
    }
    desk.store.close().await;
    Ok(())
}

fn show_proven(proven: &Proven) -> anyhow::Result<()> {
    let Proven { lines, chain, heads, last, public_key } = proven;
    say!("The access log is whole: {lines} lines, the last with chain {chain}.")?;
    match (last, public_key) {
        (Some(last), Some(key)) => {
            say!("{heads} heads outside the database agree, the last of {} with {} lines.", last.at, last.seq)?;
            say!("They are signed by {key}: keep this key elsewhere, and give it with --public-key.")
        }
        (_, Some(_) | None) => {
            say!("No head was written outside the database yet: the service does when it starts.")
        }
    }
}

pub async fn explain(config: &Config, command: ExplainCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    match command {
        ExplainCommand::Call { call, user } => {
            let id = CallId::parse(&call).ok_or_else(|| anyhow!("{call:?} is not the id of a call"))?;
            let (company, user) = desk.user(&user)?;
            let Some((_, facts)) = desk.store.call_with_facts(id).await? else { bail!("not found: call {id}") };
            let subscribed = desk.store.subscriptions_of(user.id).await?;
            let scope = Scope::of(&desk.directory, company, user, subscribed);
            let rights = Rights::of(company, user);
            let name = format!("{} {}", user.extension, user.name);
            match scope.visible(&facts) {
                None => say!("{name} does not see this call: no rule shows it to them.")?,
                Some(reason) => {
                    say!("{name} sees this call: {}.", because(&desk.directory, reason))?;
                    let file = |may: bool| if may { "can" } else { "cannot" };
                    say!("They {} play its recordings (play = {:?}).", file(scope.playable(&facts)), rights.play)?;
                    say!("They {} download them (download = {}).", file(scope.downloadable(&facts)), rights.download)?;
                }
            }
        }
        ExplainCommand::Recording { recording } => {
            let id =
                RecordingId::parse(&recording).ok_or_else(|| anyhow!("{recording:?} is not the id of a recording"))?;
            let Some(recording) = desk.store.recording(id).await? else { bail!("not found: recording {id}") };
            let decision = &recording.sidecar.decision;
            let was = if decision.record { "recorded" } else { "not recorded" };
            say!("At the answer the call was to be {was}: {} said so.", decision.because)?;
            for change in &recording.sidecar.changes {
                say!("{}", show::change(change))?;
            }
        }
    }
    desk.store.close().await;
    Ok(())
}

/// A reason in words.
fn because(directory: &Directory, reason: Reason) -> String {
    let group = |id| directory.group(id).map_or("?", |group| group.name.as_str());
    match reason {
        Reason::Admin => "an admin sees everything of the company".to_owned(),
        Reason::EveryCall => "their level is `all`".to_owned(),
        Reason::Party => "they were a party of it".to_owned(),
        Reason::Inbox { inbox } => {
            let name = directory.inbox(inbox).map_or("?", |inbox| inbox.name.as_str());
            format!("its number is in the inbox {name}, which they are in")
        }
        Reason::Group { group: id } => format!("its number is routed to the group {}, which they are in", group(id)),
        Reason::OwnNumber => "its number is routed to them".to_owned(),
        Reason::MissedOfGroup { group: id } => {
            format!("nobody answered it, and its number is routed to the group {}, which they are in", group(id))
        }
        Reason::MissedOfNumber => "nobody answered it, and its number is routed to them".to_owned(),
        Reason::Subscription => "they were subscribed to its number's recordings when it ended".to_owned(),
    }
}
