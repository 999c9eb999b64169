//! Operators and resellers, from the command line of the machine: whoever can write the database
//! is above them all.

use super::access::Desk;
use super::args::StaffCommand;
use super::show;
use crate::base::CompanyId;
use crate::directory::file::Secret;
use crate::directory::plan::WebPassword;
use crate::service::clock::{Clock, OsRandom};
use crate::service::config::Config;
use crate::store::{StaffKind, StaffRow, Store, is_staff_name};
use anyhow::{Context, anyhow, bail};
use serde_json::json;

/// Name of the one that the first start makes.
const FIRST: &str = "operator";

pub async fn run(config: &Config, command: StaffCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    match command {
        StaffCommand::List { json } => list(&desk, json).await,
        StaffCommand::Add { name, reseller, password } => {
            let kind = if reseller { StaffKind::Reseller } else { StaffKind::Operator };
            add(&desk, &name, kind, password).await
        }
        StaffCommand::Remove { name, dry_run } => remove(&desk, &name, dry_run).await,
        StaffCommand::Password { name, password } => {
            let one = named(&desk, &name).await?;
            let (hash, shown) = hashed(password)?;
            desk.store.set_staff_password(one.id, &hash).await?;
            desk.note_service("staff.password", name.clone()).await?;
            tell(&name, shown.as_ref())?;
            Ok(())
        }
        StaffCommand::Give { name, company } => {
            let (one, company) = reseller(&desk, &name, &company).await?;
            desk.store.give_company(one.id, company).await?;
            desk.note_service("staff.give", format!("{company} to {name}")).await?;
            say!("{name} has an admin's rights in it.")?;
            Ok(())
        }
        StaffCommand::Take { name, company } => {
            let (one, company) = reseller(&desk, &name, &company).await?;
            desk.store.take_company(one.id, company).await?;
            desk.note_service("staff.take", format!("{company} from {name}")).await?;
            say!("{name} sees nothing of it any more.")?;
            Ok(())
        }
    }
}

/// The first start makes an operator, and shows the password this once.
pub async fn first_operator(store: &Store) -> anyhow::Result<()> {
    if !store.all_staff().await?.is_empty() {
        return Ok(());
    }
    let (hash, shown) = hashed(None)?;
    if store.add_first_operator(FIRST, &hash, Clock::start().wall()).await? {
        say!("This is the first start. Log in to the API as")?;
        tell(FIRST, shown.as_ref())?;
    }
    Ok(())
}

fn tell(name: &str, shown: Option<&Secret>) -> anyhow::Result<()> {
    match shown {
        Some(password) => say!("password of {name}: {}  (shown this once)", password.reveal()),
        None => say!("{name} has the new password."),
    }
}

fn hashed(given: Option<String>) -> anyhow::Result<(String, Option<Secret>)> {
    let given = given.map(Secret::try_from).transpose().context("leave the password out, and one is made")?;
    let drawn = WebPassword::draw(given, &mut OsRandom);
    Ok((drawn.argon2()?, drawn.generated().cloned()))
}

async fn named(desk: &Desk, name: &str) -> anyhow::Result<StaffRow> {
    let found = desk.store.staff_by_name(name).await?;
    found.ok_or_else(|| anyhow!("there is no operator or reseller {name}; `telegraphone staff list` shows them"))
}

async fn reseller(desk: &Desk, name: &str, key: &str) -> anyhow::Result<(StaffRow, CompanyId)> {
    let one = named(desk, name).await?;
    let company = desk.directory.company_by_key(key).ok_or_else(|| anyhow!("there is no company {key}"))?;
    match one.kind {
        StaffKind::Reseller => Ok((one, company.id)),
        StaffKind::Operator => bail!("{name} is an operator, who has every company"),
    }
}

async fn list(desk: &Desk, json: bool) -> anyhow::Result<()> {
    let keys = |one: &StaffRow| -> Vec<String> {
        one.companies.iter().filter_map(|id| desk.directory.company(*id)).map(|company| company.key.clone()).collect()
    };
    let staff = desk.store.all_staff().await?;
    if json {
        let items: Vec<_> =
            staff.iter().map(|one| json!({ "name": one.name, "kind": one.kind, "companies": keys(one) })).collect();
        say!("{}", serde_json::to_string_pretty(&json!({ "staff": items }))?)?;
        return Ok(());
    }
    let mut table = show::table(&["name", "kind", "companies"]);
    for one in &staff {
        let companies = match one.kind {
            StaffKind::Operator => "all".to_owned(),
            StaffKind::Reseller => keys(one).join(", "),
        };
        table.add_row([one.name.clone(), one.kind.as_str().to_owned(), companies]);
    }
    say!("{table}")?;
    Ok(())
}

async fn add(desk: &Desk, name: &str, kind: StaffKind, password: Option<String>) -> anyhow::Result<()> {
    if !is_staff_name(name) {
        bail!("name: `{name}`: 1 to 40 of a-z, 0-9, `-`, `_`, `.` and `@`");
    }
    let (hash, shown) = hashed(password)?;
    if desk.store.add_staff(name, kind, &hash, Clock::start().wall()).await?.is_none() {
        bail!("name: `{name}` is taken; `telegraphone staff list` shows them");
    }
    desk.note_service("staff.add", format!("{} {name}", kind.as_str())).await?;
    tell(name, shown.as_ref())?;
    Ok(())
}

async fn remove(desk: &Desk, name: &str, dry_run: bool) -> anyhow::Result<()> {
    let one = named(desk, name).await?;
    if dry_run {
        say!("{} {name} would be removed, with all sessions and tokens.", one.kind.as_str())?;
        return Ok(());
    }
    if !desk.store.remove_staff(one.id).await? {
        bail!("{name} is the last operator: add another one first");
    }
    desk.note_service("staff.remove", name.to_owned()).await?;
    say!("{name} is removed.")?;
    Ok(())
}
