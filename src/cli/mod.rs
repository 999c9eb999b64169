//! The command line: subcommand → request → table or JSON.

#[macro_use]
mod out;

mod access;
mod args;
mod directory;
mod doctor;
mod exports;
mod keeping;
mod manual;
mod notes;
mod notices;
mod prompts;
mod shared;
mod show;
mod speech;
mod staff;
mod texts;
mod voicemail;
mod webhooks;

pub use args::{Cli, Command};
pub use out::ReaderGone;

use crate::api::{Answer, Request};
use crate::base::{CallId, NumberId, RecordingId};
use crate::demo::DemoOptions;
use crate::directory::file::CompanyFile;
use crate::directory::plan::plan;
use crate::live::Target;
use crate::replay::{Options, Policy, Progress, stems};
use crate::service::clock::{Clock, OsRandom};
use crate::service::config::{Config, ConfigError, Sources, describe};
use crate::service::{Service, control};
use crate::store::Store;
use anyhow::{Context, anyhow, bail};
use args::{CallCommand, ConfigCommand, EventCommand, LockoutCommand, RecordingCommand, TrunkCommand};
use directory::{ApplyArgs, ApplyCommand};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Runs a subcommand. `Err` is told on standard error; the process then ends with status 1.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    // What these say does not depend on a configuration, which may be wrong.
    match &cli.command {
        Command::Completions { shell } => return manual::completions(*shell),
        Command::Man { out } => return manual::man(out.as_deref()),
        _ => {}
    }
    let sources = Sources::gather(cli.config.as_deref(), cli.data.as_ref().map(|path| path.display().to_string()))
        .map_err(|errors| wrong_config(&errors))?;
    match cli.command {
        Command::Completions { .. } | Command::Man { .. } => Ok(()),
        Command::Serve => serve(&sources).await,
        Command::Demo { sip_port, http_port, dir, stay } => demo(DemoOptions { sip_port, http_port, dir, stay }).await,
        Command::Replay { captures, company, out, rtp_only: _, live: Some(server), caller, callee, json } => {
            let placed = Placed { captures: &captures, company: company.as_deref(), out: &out, json };
            place(&sources, &placed, &server, [&caller, &callee]).await
        }
        Command::Replay { captures, company, out, rtp_only, live: None, caller: _, callee: _, json } => {
            // Files are read and written here for a long time: not on a thread of the runtime.
            tokio::task::spawn_blocking(move || replay(&captures, company.as_deref(), &out, rtp_only, json)).await?
        }
        Command::Config { command: ConfigCommand::Check } => check_config(&sources),
        Command::Config { command: ConfigCommand::Show } => {
            say!("{}", show::config_keys(&describe()))?;
            Ok(())
        }
        Command::Apply(ApplyArgs { command: Some(ApplyCommand::Export { company, prompts }), .. }) => {
            directory::export_file(&read_config(&sources)?, company.as_deref(), prompts.as_deref()).await
        }
        Command::Apply(ApplyArgs { file, dry_run, prune, command: None }) => {
            let file = file.ok_or_else(|| anyhow!("which company file? write `telegraphone apply FILE`"))?;
            apply(&read_config(&sources)?, &file, dry_run, prune).await
        }
        Command::Directory(command) => directory::run(&read_config(&sources)?, command).await,
        Command::Doctor { json } => doctor::run(&sources, json).await,
        Command::Status { json } => answer(&sources, Request::Status, json).await,
        Command::Call { command } => call(&sources, command).await,
        Command::Recording { command } => recording(&sources, command).await,
        Command::Trunk { command: TrunkCommand::List { json } } => answer(&sources, Request::TrunkList, json).await,
        Command::Trunk { command: TrunkCommand::Show { name, json } } => {
            answer(&sources, Request::TrunkShow { name }, json).await
        }
        Command::Trunk { command: TrunkCommand::Change(command) } => {
            directory::trunk(&read_config(&sources)?, command).await
        }
        Command::Lockout { command: LockoutCommand::List { json } } => {
            answer(&sources, Request::LockoutList { company: None }, json).await
        }
        Command::Lockout { command: LockoutCommand::Clear { only, json } } => {
            let desk = access::Desk::open(&read_config(&sources)?).await?;
            desk.note_service("lockout.clear", only.clone().unwrap_or_else(|| "all".to_owned())).await?;
            desk.store.close().await;
            answer(&sources, Request::LockoutClear { only, company: None }, json).await
        }
        Command::SharedInbox { command } => shared::run(&read_config(&sources)?, command).await,
        Command::Licence { command } => shared::licence(&read_config(&sources)?, command).await,
        Command::Conversation { command } => texts::run(&read_config(&sources)?, command).await,
        Command::Staff { command } => staff::run(&read_config(&sources)?, command).await,
        Command::Notice { command } => notices::run(&read_config(&sources)?, command).await,
        Command::Speech { command } => speech::run(command),
        Command::Webhook { command } => webhooks::run(&read_config(&sources)?, command).await,
        Command::Subscription { command } => access::subscription(&read_config(&sources)?, command).await,
        Command::Contact { command } => keeping::contact(&read_config(&sources)?, command).await,
        Command::Message { command } => voicemail::run(&read_config(&sources)?, command).await,
        Command::Backup { folder, check, json } => keeping::backup(&read_config(&sources)?, &folder, check, json).await,
        Command::Restore { folder, json } => keeping::restore(&read_config(&sources)?, &folder, json).await,
        Command::Audit { command } => access::audit(&read_config(&sources)?, command).await,
        Command::Explain { command } => access::explain(&read_config(&sources)?, command).await,
        Command::Event { command: EventCommand::List { after, limit, inbox, json } } => {
            let numbers = numbers_of(&sources, inbox.as_deref()).await?;
            answer(&sources, Request::Events { after, limit, numbers }, json).await
        }
    }
}

fn read_config(sources: &Sources) -> anyhow::Result<Config> {
    Config::read(sources).map_err(|errors| wrong_config(&errors))
}

fn wrong_config(errors: &[ConfigError]) -> anyhow::Error {
    let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
    anyhow!("the configuration is wrong in {} place(s):\n{}", errors.len(), lines.join("\n"))
}

fn check_config(sources: &Sources) -> anyhow::Result<()> {
    let config = read_config(sources)?;
    let problems = crate::service::tls::problems(&config.tls, Clock::start().wall());
    let webhooks = &config.webhooks;
    let hooks = crate::notify::Postman::new(webhooks.guard.clone(), webhooks.authorities.as_deref()).err();
    let mail = config.mail.smtp.as_ref().and_then(|(smtp, _)| crate::notify::mail::Smtp::new(smtp).err());
    let voices = crate::service::voices::load(config.prompts.as_deref()).err();
    let problems = problems.iter().map(ToString::to_string).chain(hooks.map(|problem| problem.to_string()));
    let problems = problems.chain(mail.map(|problem| problem.to_string()));
    let problems: Vec<String> = problems.chain(voices.map(|problem| problem.to_string())).collect();
    if !problems.is_empty() {
        let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
        bail!("the configuration is wrong in {} place(s):\n{}", problems.len(), lines.join("\n"));
    }
    say!("The configuration is right. Data in {}.", config.data_dir.display())?;
    Ok(())
}

async fn serve(sources: &Sources) -> anyhow::Result<()> {
    let config = read_config(sources)?;
    start_log(&config);
    let data_dir = config.data_dir.clone();
    let service = Service::start(config).await?;
    staff::first_operator(service.store()).await?;
    for (transport, address) in service.sip_addresses() {
        tracing::info!(%transport, %address, "listening");
    }
    // For scripts that wait for it; the log may be JSON or filtered.
    for address in service.http_addresses() {
        tracing::info!(%address, "the API is listening");
    }
    for address in service.metrics_addresses() {
        tracing::info!(%address, "metrics are listening");
    }
    say!("Telegraphone serves on {}. Data in {}.", addresses(&service), data_dir.display())?;
    wait_for_signals(&service).await?;
    tracing::info!("stopping: no new calls");
    service.stop().await;
    tracing::info!("stopped");
    Ok(())
}

fn addresses(service: &Service) -> String {
    let listed: Vec<String> =
        service.sip_addresses().iter().map(|(transport, address)| format!("{transport} {address}")).collect();
    let http = service.http_addresses().iter().map(|address| format!("HTTP {address}"));
    listed.into_iter().chain(http).collect::<Vec<_>>().join(", ")
}

/// SIGTERM and SIGINT stop; SIGHUP reads the directory again.
async fn wait_for_signals(service: &Service) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => service.reload().await,
        }
    }
}

/// Sends the log to standard error, in the configured form.
pub fn start_log(config: &Config) {
    use crate::service::config::LogFormat;
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = match config.log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        eprintln!("the log is already open: {error}");
    }
}

async fn apply(config: &Config, file: &Path, dry_run: bool, prune: bool) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("company file {}", file.display()))?;
    let wrong = |errors: Vec<crate::directory::file::FileError>| {
        let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
        anyhow!("{} is wrong in {} place(s):\n{}", file.display(), errors.len(), lines.join("\n"))
    };
    let mut company_file = CompanyFile::parse(&text).map_err(wrong)?;
    let unreadable = prompts::read(&mut company_file, file.parent().unwrap_or(Path::new("")));
    if !unreadable.is_empty() {
        return Err(wrong(unreadable));
    }
    make_folder(&config.data_dir)?;
    let store = Store::open(&config.data_dir.join("telegraphone.db")).await?;
    let current = store.load_directory().await?;
    let plan = plan(&current, &company_file, prune).map_err(wrong)?;
    if plan.is_empty() {
        say!("Nothing to change.")?;
        return Ok(());
    }
    say!("{plan}")?;
    directory::warn(&store, &plan).await?;
    if dry_run {
        say!("Dry run: nothing was changed.")?;
        return Ok(());
    }
    let applied = store.apply_by(&plan, &access::operator(), &mut OsRandom).await?;
    for generated in &applied.generated {
        say!("password of {}: {}  (shown this once)", show::generated_owner(generated), generated.password.reveal())?;
    }
    directory::sweep(config, &store, &applied).await?;
    store.close().await;
    directory::tell(config).await
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("folder {}", path.display()))
}

async fn demo(options: DemoOptions) -> anyhow::Result<()> {
    let report = crate::demo::run(&options).await?;
    match report.problems.len() {
        0 => Ok(()),
        count => bail!("{count} thing(s) are not what they should be"),
    }
}

fn read_policy(company: Option<&Path>) -> anyhow::Result<Policy> {
    let Some(file) = company else { return Ok(Policy::default()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("company file {}", file.display()))?;
    Policy::from_company_file(&text).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
        anyhow!("{} is wrong in {} place(s):\n{}", file.display(), errors.len(), lines.join("\n"))
    })
}

/// What `replay --live` was asked for.
struct Placed<'a> {
    captures: &'a [PathBuf],
    company: Option<&'a Path>,
    out: &'a Path,
    json: bool,
}

/// One call after the other, since they have the same two parties.
async fn place(sources: &Sources, placed: &Placed<'_>, server: &str, parties: [&str; 2]) -> anyhow::Result<()> {
    let [caller, callee] = parties;
    let server = tokio::net::lookup_host(server).await?.next().ok_or_else(|| anyhow!("{server} has no address"))?;
    let target = Target { server, caller: caller.parse()?, callee: callee.parse()? };
    let socket = read_config(sources)?.control.socket;
    let socket = control::ask(&socket, &Request::Status).await.is_ok().then_some(socket);
    let policy = read_policy(placed.company)?;
    let options = Options::new(placed.out);
    let mut reports = Vec::new();
    for (capture, stem) in placed.captures.iter().zip(stems(placed.captures)) {
        let report = crate::live::run(capture, &stem, &target, socket.as_deref(), &policy, &options).await;
        reports.push(report.with_context(|| format!("{}", capture.display()))?);
    }
    match placed.json {
        true => say!("{}", serde_json::to_string_pretty(&reports)?)?,
        false => say!("{}", show::placed(&reports))?,
    }
    Ok(())
}

fn replay(captures: &[PathBuf], company: Option<&Path>, out: &Path, rtp_only: bool, json: bool) -> anyhow::Result<()> {
    let policy = read_policy(company)?;
    let options = Options { rtp_only, ..Options::new(out) };
    let mut reports = Vec::new();
    for (capture, stem) in captures.iter().zip(stems(captures)) {
        let mut shown = 0;
        let mut tell = |progress: &Progress| {
            // Short captures are done before anybody could read it.
            let percent = (progress.position * 100).checked_div(progress.size).unwrap_or(0);
            if progress.size > (16 << 20) && percent >= shown + 5 {
                shown = percent;
                eprintln!(
                    "{}: {percent} %, {} calls up, {} done",
                    capture.display(),
                    progress.calls_up,
                    progress.calls_done
                );
            }
        };
        let report = crate::replay::replay(capture, &stem, &policy, &options, &mut tell);
        reports.push(report.with_context(|| format!("{}", capture.display()))?);
    }
    match json {
        true => say!("{}", serde_json::to_string_pretty(&reports)?)?,
        false => say!("{}", show::replayed(&reports))?,
    }
    Ok(())
}

async fn call(sources: &Sources, command: CallCommand) -> anyhow::Result<()> {
    let (request, json) = match command {
        CallCommand::List { inbox, json } => {
            let numbers = numbers_of(sources, inbox.as_deref()).await?;
            (numbers.map_or(Request::CallList, |numbers| Request::CallsOver { numbers }), json)
        }
        CallCommand::Show { id, json } => (Request::CallShow { call: call_id(&id)? }, json),
        CallCommand::Hangup { id, json } => (Request::CallHangUp { call: call_id(&id)? }, json),
        CallCommand::Pause { id, json } => (Request::CallPause { call: call_id(&id)? }, json),
        CallCommand::Resume { id, json } => (Request::CallResume { call: call_id(&id)? }, json),
        CallCommand::Note { id, text } => return notes::add(&read_config(sources)?, call_id(&id)?, &text).await,
    };
    answer(sources, request, json).await
}

async fn recording(sources: &Sources, command: RecordingCommand) -> anyhow::Result<()> {
    let (request, json) = match command {
        RecordingCommand::List { limit, inbox, json } => {
            let numbers = numbers_of(sources, inbox.as_deref()).await?;
            (Request::RecordingList { limit, numbers }, json)
        }
        RecordingCommand::Export { command } => return exports::run(&read_config(sources)?, command).await,
        RecordingCommand::Show { id, json } => (Request::RecordingShow { recording: recording_id(&id)? }, json),
        RecordingCommand::Delete { id, json } => {
            (Request::RecordingDelete { recording: recording_id(&id)?, by: None }, json)
        }
        command @ (RecordingCommand::Hold { .. }
        | RecordingCommand::Holds { .. }
        | RecordingCommand::Lift { .. }
        | RecordingCommand::Verify { .. }) => return keeping::recording(&read_config(sources)?, command).await,
    };
    answer(sources, request, json).await
}

/// The numbers of an inbox that is written `COMPANY/NAME`.
async fn numbers_of(sources: &Sources, inbox: Option<&str>) -> anyhow::Result<Option<Vec<NumberId>>> {
    let Some(text) = inbox else { return Ok(None) };
    let (key, name) = text.split_once('/').ok_or_else(|| anyhow!("{text:?} is no inbox: write COMPANY/NAME"))?;
    let desk = access::Desk::open(&read_config(sources)?).await?;
    let company = desk.directory.company_by_key(key).ok_or_else(|| anyhow!("there is no company {key}"))?;
    let inbox = desk.directory.inbox_by_name(company.id, name);
    let numbers = inbox.ok_or_else(|| anyhow!("company {key} has no inbox {name}"))?.numbers.clone();
    desk.store.close().await;
    Ok(Some(numbers))
}

fn call_id(text: &str) -> anyhow::Result<CallId> {
    CallId::parse(text).ok_or_else(|| anyhow!("{text:?} is not the id of a call; `telegraphone call list` shows them"))
}

fn recording_id(text: &str) -> anyhow::Result<RecordingId> {
    RecordingId::parse(text)
        .ok_or_else(|| anyhow!("{text:?} is not the id of a recording; `telegraphone recording list` shows them"))
}

/// Asks the running service and prints what it says.
async fn answer(sources: &Sources, request: Request, json: bool) -> anyhow::Result<()> {
    let config = read_config(sources)?;
    let socket: PathBuf = config.control.socket;
    let answer = match control::ask(&socket, &request).await {
        Ok(answer) => answer,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => bail!(
            "the service is not running: nothing answers on {}. Start it with `telegraphone serve`, or name its data directory with --data",
            socket.display()
        ),
        Err(error) => bail!("{}: {error}", socket.display()),
    };
    if json {
        say!("{}", serde_json::to_string_pretty(&answer)?)?;
    }
    match answer {
        Answer::NotFound { what } => bail!("not found: {what}"),
        Answer::Failed { problem } => bail!("{problem}"),
        Answer::Refused { refusal } => bail!("refused: {}", show::refusal(refusal)),
        Answer::Held { hold } => {
            bail!("a legal hold of {} by {} keeps it: {}", hold.placed, hold.by, hold.reason)
        }
        Answer::Status { .. }
        | Answer::Ready { .. }
        | Answer::Done
        | Answer::Calls { .. }
        | Answer::Call { .. }
        | Answer::Recordings { .. }
        | Answer::Recording { .. }
        | Answer::Verified { .. }
        | Answer::VerifiedMessages { .. }
        | Answer::Events { .. }
        | Answer::Lockouts { .. }
        | Answer::Cleared { .. }
        | Answer::Trunks { .. }
        | Answer::Trunk { .. }
            if json =>
        {
            Ok(())
        }
        answer => {
            say!("{}", show::answer(&answer))?;
            Ok(())
        }
    }
}
