//! The things of companies on the command line: on the database, by the plan that a company file is
//! applied by; the running service takes a change over at once.

mod args;
mod show;

pub use args::{ApplyArgs, ApplyCommand, ChangeCommand, DirectoryCommand, Of, SubscriberCommand};

use super::access::{Desk, operator};
use super::prompts;
use crate::api::directory::{plural, view};
use crate::api::{Answer, Permission, Request, TokenView, secret_token, sweep_files};
use crate::directory::file::{CompanyFile, FileError, Kind};
use crate::directory::plan::{
    Change, Edit, Plan, Prompts, Replacement, Thing, export, generated, listed, plan, plan_edit,
};
use crate::directory::{Company, Directory, FacilityKind, User};
use crate::service::clock::{Clock, OsRandom};
use crate::service::config::Config;
use crate::service::control;
use crate::store::{Applied, Owner, Store};
use anyhow::{Context, anyhow, bail};
use args::{
    CompanyCommand, NumberCommand, Removal, Said, SettingsCommand, ThingCommand, TokenCommand, UserCommand,
    VoicemailCommand,
};
use serde_json::{Map, Value, json};
use std::path::Path;
use toml::Table;

pub async fn run(config: &Config, command: DirectoryCommand) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    let facility = Kind::Facility;
    match command {
        DirectoryCommand::Company { command } => company(config, &desk, command).await,
        DirectoryCommand::Settings { command: SettingsCommand::Show { of } } => {
            let company = company_of(&desk.directory, of.company.as_deref())?;
            one(&desk.directory, company, Kind::Settings, &company.key, of.json)
        }
        DirectoryCommand::Settings { command: SettingsCommand::Change { said } } => {
            let company = company_of(&desk.directory, said.company.as_deref())?;
            lay(config, &desk, Kind::Settings, (&company.key, &company.key), &said).await
        }
        DirectoryCommand::User { command } => user(config, &desk, command).await,
        DirectoryCommand::Group { command } => thing(config, &desk, facility(FacilityKind::Group), command).await,
        DirectoryCommand::Inbox { command } => thing(config, &desk, facility(FacilityKind::Inbox), command).await,
        DirectoryCommand::Flow { command } => thing(config, &desk, facility(FacilityKind::Flow), command).await,
        DirectoryCommand::Prompt { command } => thing(config, &desk, facility(FacilityKind::Prompt), command).await,
        DirectoryCommand::Voicemail { command: VoicemailCommand::Thing(command) } => {
            thing(config, &desk, facility(FacilityKind::Voicemail), command).await
        }
        DirectoryCommand::Voicemail { command: VoicemailCommand::Subscriber { command } } => {
            crate::cli::voicemail::subscriber(&desk, command).await
        }
        DirectoryCommand::Number { command } => match command {
            NumberCommand::List { of, assigned, unassigned } => {
                let wanted = match (assigned, unassigned) {
                    (true, _) => Some("assigned"),
                    (false, true) => Some("company"),
                    (false, false) => None,
                };
                all(&desk.directory, Kind::Number, &of, |view| {
                    wanted.is_none_or(|wanted| view.get("type") == Some(&json!(wanted)))
                })
            }
            NumberCommand::Show { name, of } => {
                let company = company_of(&desk.directory, of.company.as_deref())?;
                one(&desk.directory, company, Kind::Number, &name, of.json)
            }
            NumberCommand::Change(command) => change(config, &desk, Kind::Number, command).await,
        },
        DirectoryCommand::Token { command } => token(config, &desk, command).await,
    }
}

/// `trunk add`, `change` and `remove`; what trunks do now is asked of the running service.
pub async fn trunk(config: &Config, command: ChangeCommand) -> anyhow::Result<()> {
    change(config, &Desk::open(config).await?, Kind::Trunk, command).await
}

async fn company(config: &Config, desk: &Desk, command: CompanyCommand) -> anyhow::Result<()> {
    match command {
        CompanyCommand::List { json } => {
            let companies = desk.directory.companies();
            let views: Vec<Map<String, Value>> = companies
                .filter_map(|company| {
                    let listed = listed(&desk.directory, company, Kind::Company).pop()?;
                    Some(view(&desk.directory, company, Kind::Company, &listed))
                })
                .collect();
            show::list(Kind::Company, views, json)
        }
        CompanyCommand::Show { key, json } => {
            let company = company_of(&desk.directory, Some(&key))?;
            one(&desk.directory, company, Kind::Company, &key, json)
        }
        CompanyCommand::Add { key, pairs, admin, dry_run } => {
            if desk.directory.company_by_key(&key).is_some() {
                bail!("company {key} is there already: `telegraphone company change {key}` changes it");
            }
            let mut file = CompanyFile::of_pairs(Kind::Company, &key, &key, &split(&pairs)?).map_err(wrong)?;
            if let Some(extension) = admin {
                let pairs = [("role", "admin"), ("generate_password", "true")];
                let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
                file.users = CompanyFile::of_pairs(Kind::User, &key, &extension, &pairs).map_err(wrong)?.users;
            }
            carry_out(config, desk, &plan(&desk.directory, &file, false).map_err(wrong)?, dry_run).await
        }
        CompanyCommand::Change { key, pairs, dry_run } => {
            let company = company_of(&desk.directory, Some(&key))?;
            let said = Said { pairs, dry_run, ..Said::default() };
            lay(config, desk, Kind::Company, (&company.key, &company.key), &said).await
        }
    }
}

async fn user(config: &Config, desk: &Desk, command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::List { of } => thing(config, desk, Kind::User, ThingCommand::List { of }).await,
        UserCommand::Show { name, of } => thing(config, desk, Kind::User, ThingCommand::Show { name, of }).await,
        UserCommand::Add { name, mut said } => {
            let has_password = |pair: &String| pair.starts_with("password=") || pair.starts_with("generate_password=");
            if said.file.is_none() && !said.pairs.iter().any(has_password) {
                said.pairs.push("generate_password=true".to_owned());
            }
            change(config, desk, Kind::User, ChangeCommand::Add { name, said }).await
        }
        UserCommand::Change { name, said } => {
            change(config, desk, Kind::User, ChangeCommand::Change { name, said }).await
        }
        UserCommand::Remove { removal, replacement: None } => {
            change(config, desk, Kind::User, ChangeCommand::Remove(removal)).await
        }
        UserCommand::Remove { removal: Removal { name, company, dry_run }, replacement: Some(to) } => {
            let company = company_of(&desk.directory, company.as_deref())?.key.clone();
            let edit = Edit::RemoveUser { company, extension: name, to: to.parse::<Replacement>()? };
            carry_out(config, desk, &plan_edit(&desk.directory, &edit).map_err(wrong)?, dry_run).await
        }
        UserCommand::Deactivate { removal: Removal { name, company, dry_run }, replacement } => {
            let company = company_of(&desk.directory, company.as_deref())?.key.clone();
            let edit = Edit::Deactivate { company, extension: name, to: replacement.parse::<Replacement>()? };
            carry_out(config, desk, &plan_edit(&desk.directory, &edit).map_err(wrong)?, dry_run).await
        }
        UserCommand::Activate { removal: Removal { name, company, dry_run } } => {
            let said = Said { pairs: vec!["deactivated=false".to_owned()], file: None, company, dry_run };
            change(config, desk, Kind::User, ChangeCommand::Change { name, said }).await
        }
        UserCommand::Password { name, stdin, company } => {
            let made = (!stdin).then(|| generated(&mut OsRandom));
            let password = match &made {
                Some(secret) => secret.reveal().to_owned(),
                None => first_line()?,
            };
            let company = company_of(&desk.directory, company.as_deref())?;
            exists(&desk.directory, company, Kind::User, &name)?;
            let keys = Table::from_iter([("password".to_owned(), password.into())]);
            let file = CompanyFile::of_one(Kind::User, &company.key, &name, keys).map_err(wrong)?;
            carry_out(config, desk, &plan(&desk.directory, &file, false).map_err(wrong)?, false).await?;
            if let Some(secret) = made {
                say!("password of user {name}: {}  (shown this once)", secret.reveal())?;
            }
            Ok(())
        }
    }
}

fn first_line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn thing(config: &Config, desk: &Desk, kind: Kind, command: ThingCommand) -> anyhow::Result<()> {
    match command {
        ThingCommand::List { of } => all(&desk.directory, kind, &of, |_| true),
        ThingCommand::Show { name, of } => {
            let company = company_of(&desk.directory, of.company.as_deref())?;
            one(&desk.directory, company, kind, &name, of.json)
        }
        ThingCommand::Change(command) => change(config, desk, kind, command).await,
    }
}

async fn change(config: &Config, desk: &Desk, kind: Kind, command: ChangeCommand) -> anyhow::Result<()> {
    match command {
        ChangeCommand::Add { name, said } => {
            let company = company_of(&desk.directory, said.company.as_deref())?;
            if exists(&desk.directory, company, kind, &name).is_ok() {
                let kind = kind.as_str();
                bail!(
                    "{kind} {name} of {} is there already: `telegraphone {kind} change {name}` changes it",
                    company.key
                );
            }
            lay(config, desk, kind, (&company.key, &name), &said).await
        }
        ChangeCommand::Change { name, said } => {
            let company = company_of(&desk.directory, said.company.as_deref())?;
            exists(&desk.directory, company, kind, &name)?;
            lay(config, desk, kind, (&company.key, &name), &said).await
        }
        ChangeCommand::Remove(Removal { name, company, dry_run }) => {
            let company = company_of(&desk.directory, company.as_deref())?.key.clone();
            let thing = match kind {
                Kind::User => Thing::User(name),
                Kind::Number => Thing::Number(name),
                Kind::Trunk => Thing::Trunk(name),
                Kind::Facility(kind) => Thing::Facility(kind, name),
                Kind::Company | Kind::Settings => bail!("a company is never removed: its history is its own"),
            };
            let plan = plan_edit(&desk.directory, &Edit::Remove { company, thing }).map_err(wrong)?;
            carry_out(config, desk, &plan, dry_run).await
        }
    }
}

fn exists(directory: &Directory, company: &Company, kind: Kind, name: &str) -> anyhow::Result<()> {
    let all = listed(directory, company, kind);
    match all.iter().any(|thing| thing.name == name) {
        true => Ok(()),
        false => bail!("company {} has no {} {name}", company.key, kind.as_str()),
    }
}

/// Lays what was said over a thing.
async fn lay(
    config: &Config,
    desk: &Desk,
    kind: Kind,
    (company, name): (&str, &str),
    said: &Said,
) -> anyhow::Result<()> {
    let pairs = split(&said.pairs)?;
    let mut file = match &said.file {
        None => CompanyFile::of_pairs(kind, company, name, &pairs).map_err(wrong)?,
        Some(_) if !pairs.is_empty() => bail!("say it in the file or by KEY=VALUE, not both"),
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
            let keys: Table = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
            CompanyFile::of_one(kind, company, name, keys).map_err(wrong)?
        }
    };
    let unreadable = prompts::read(&mut file, Path::new(""));
    if !unreadable.is_empty() {
        return Err(wrong(unreadable));
    }
    carry_out(config, desk, &plan(&desk.directory, &file, false).map_err(wrong)?, said.dry_run).await
}

fn split(pairs: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err(anyhow!("{text:?} says nothing: write KEY=VALUE")),
    };
    pairs.iter().map(pair).collect()
}

fn wrong(errors: Vec<FileError>) -> anyhow::Error {
    let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
    anyhow!("this cannot be, for {} reason(s):\n{}", errors.len(), lines.join("\n"))
}

/// Prints what changes, carries it out, and tells the running service.
pub async fn carry_out(config: &Config, desk: &Desk, plan: &Plan, dry_run: bool) -> anyhow::Result<()> {
    if plan.is_empty() {
        say!("Nothing to change.")?;
        return Ok(());
    }
    say!("{plan}")?;
    warn(&desk.store, plan).await?;
    if dry_run {
        say!("Dry run: nothing was changed.")?;
        return Ok(());
    }
    let applied = desk.store.apply_by(plan, &operator(), &mut OsRandom).await?;
    for generated in &applied.generated {
        say!(
            "password of {}: {}  (shown this once)",
            super::show::generated_owner(generated),
            generated.password.reveal()
        )?;
    }
    sweep(config, &desk.store, &applied).await?;
    tell(config).await
}

/// Says what becomes dangerous, and what cannot be brought back.
pub async fn warn(store: &Store, plan: &Plan) -> anyhow::Result<()> {
    plan.warnings.iter().try_for_each(|warning| say!("! {warning}"))?;
    for change in &plan.changes {
        if let Change::RemoveFacility { company, kind: FacilityKind::Voicemail, name } = change {
            let directory = store.load_directory().await?;
            let company = directory.company_by_key(company);
            let mailbox = company.and_then(|company| directory.mailbox_by_name(company.id, name));
            let count = match mailbox {
                Some(mailbox) => store.message_files(mailbox.id).await?.len(),
                None => 0,
            };
            say!("! voicemail {name}: {count} messages go with it, and cannot be brought back")?;
        }
    }
    Ok(())
}

/// Takes away the files of what went.
pub async fn sweep(config: &Config, store: &Store, applied: &Applied) -> anyhow::Result<()> {
    sweep_files(store, &config.recording.dir).await?;
    if applied.messages_gone > 0 {
        say!("{} messages were deleted.", applied.messages_gone)?;
    }
    Ok(())
}

/// Asks the running service to take the change over.
pub async fn tell(config: &Config) -> anyhow::Result<()> {
    match control::ask(&config.control.socket, &Request::Reload).await {
        Ok(Answer::Done) => say!("Applied; the running service has taken it over.")?,
        Ok(Answer::Failed { problem }) => bail!("applied, but the running service could not read it: {problem}"),
        Ok(_) => bail!("applied, but the running service gave an unexpected answer"),
        Err(_) => say!("Applied; the service takes it over when it starts.")?,
    }
    Ok(())
}

/// The company with that key, or the only one.
pub fn company_of<'d>(directory: &'d Directory, key: Option<&str>) -> anyhow::Result<&'d Company> {
    let mut all = directory.companies();
    match (key, all.next(), all.next()) {
        (Some(key), _, _) => directory.company_by_key(key).ok_or_else(|| anyhow!("there is no company {key}")),
        (None, Some(only), None) => Ok(only),
        (None, None, _) => bail!("there is no company yet: `telegraphone company add KEY domains=…` makes one"),
        (None, Some(_), Some(_)) => bail!("there are several companies: say which with --company KEY"),
    }
}

fn all(directory: &Directory, kind: Kind, of: &Of, wanted: impl Fn(&Map<String, Value>) -> bool) -> anyhow::Result<()> {
    let company = company_of(directory, of.company.as_deref())?;
    let things = listed(directory, company, kind);
    let views = things.iter().map(|thing| view(directory, company, kind, thing)).filter(|view| wanted(view));
    show::list(kind, views.collect(), of.json)
}

fn one(directory: &Directory, company: &Company, kind: Kind, name: &str, json: bool) -> anyhow::Result<()> {
    let thing = listed(directory, company, kind).into_iter().find(|thing| thing.name == name);
    let thing = thing.ok_or_else(|| anyhow!("company {} has no {} {name}", company.key, kind.as_str()))?;
    show::one(&view(directory, company, kind, &thing), json)
}

async fn token(config: &Config, desk: &Desk, command: TokenCommand) -> anyhow::Result<()> {
    let now = Clock::start().wall();
    match command {
        TokenCommand::List { user, of } => {
            let (_, user) = user_of(&desk.directory, of.company.as_deref(), &user)?;
            let rows = desk.store.tokens_of(Owner::User(user.id), now).await?;
            let tokens: Vec<TokenView> = rows.iter().map(TokenView::from).collect();
            show::tokens(&tokens, of.json)
        }
        TokenCommand::Add { user, name, scopes, days, of } => {
            let (company, user) = user_of(&desk.directory, of.company.as_deref(), &user)?;
            if let Some(unknown) = scopes.iter().find(|scope| Permission::parse(scope).is_none()) {
                let known = Permission::ALL.map(Permission::as_str).join(", ");
                bail!("there is no scope {unknown}: write one of {known}");
            }
            let grant =
                secret_token(&desk.store, Owner::User(user.id), (&name, scopes, days), now, &mut OsRandom).await;
            let grant = grant.map_err(|problem| anyhow!("{problem}"))?;
            desk.note(company, "token.add", format!("token {} of {}", grant.row.id, user.extension)).await?;
            match of.json {
                true => say!("{}", json!({ "token": TokenView::from(&grant.row), "secret": grant.secret }))?,
                false => say!("token {} of {}: {}  (shown this once)", grant.row.id, user.extension, grant.secret)?,
            }
            Ok(())
        }
        TokenCommand::Remove { user, id, of } => {
            let (company, user) = user_of(&desk.directory, of.company.as_deref(), &user)?;
            if !desk.store.remove_token(Owner::User(user.id), id).await? {
                bail!(
                    "user {} has no token {id}; `telegraphone token list {}` shows them",
                    user.extension,
                    user.extension
                );
            }
            desk.note(company, "token.remove", format!("token {id} of {}", user.extension)).await?;
            say!("Token {id} is over.")?;
            // Open streams look whether they still may.
            let _ = control::ask(&config.control.socket, &Request::Wake).await;
            Ok(())
        }
    }
}

fn user_of<'d>(
    directory: &'d Directory,
    key: Option<&str>,
    extension: &str,
) -> anyhow::Result<(&'d Company, &'d User)> {
    let company = company_of(directory, key)?;
    let user = directory.user_by_extension(company.id, extension);
    Ok((company, user.ok_or_else(|| anyhow!("company {} has no user {extension} who is active", company.key))?))
}

/// `apply export`: the company file on standard output, sounds in a folder.
pub async fn export_file(config: &Config, company: Option<&str>, folder: Option<&Path>) -> anyhow::Result<()> {
    let desk = Desk::open(config).await?;
    let how = if folder.is_some() { Prompts::Written } else { Prompts::Named };
    let exported = export(&desk.directory, company, how);
    let exported = exported.ok_or_else(|| anyhow!("there is no company {}", company.unwrap_or_default()))?;
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).with_context(|| format!("folder {}", folder.display()))?;
        for (name, sound) in &exported.sounds {
            let path = folder.join(name);
            std::fs::write(&path, crate::audio::prompt::write_wav(&sound.0))
                .with_context(|| format!("{}", path.display()))?;
        }
        eprintln!(
            "{} prompt(s) are in {}: the file names them as it lies there.",
            exported.sounds.len(),
            folder.display()
        );
    }
    say_on!("{}", exported.text)?;
    Ok(())
}

/// What the list of a kind is called.
const fn list_name(kind: Kind) -> &'static str {
    plural(kind)
}
