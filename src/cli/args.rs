//! What can be said on the command line.

use super::directory::{ApplyArgs, ChangeCommand, DirectoryCommand};
use super::exports::ExportCommand;
use super::voicemail::MessageCommand;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// A SIP-aware call-recording media service.
#[derive(Debug, Parser)]
#[command(name = "telegraphone", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// Configuration file (TOML); TELEGRAPHONE_CONFIG names one too
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory, instead of the configured one (./telegraphone-data)
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve,
    /// Play three calls on loopback, record them, check the files
    Demo {
        /// SIP port; a free one where it is taken
        #[arg(long, default_value_t = 5060)]
        sip_port: u16,
        /// HTTP port with --stay; a free one where it is taken
        #[arg(long, default_value_t = 8080)]
        http_port: u16,
        /// Folder of the demo, new or empty (`./telegraphone-demo-DATE-TIME`)
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Open a page in the browser with more to look at, and serve on until Ctrl-C
        #[arg(long)]
        stay: bool,
    },
    /// Record the calls of captures (pcap, pcapng) as the service would have
    Replay {
        #[arg(required = true, value_name = "FILE")]
        captures: Vec<PathBuf>,
        /// Company file that says who is inside and what is recorded; without one, everything is
        #[arg(long, value_name = "FILE")]
        company: Option<PathBuf>,
        /// Where the files go
        #[arg(long, value_name = "DIR", default_value = "telegraphone-replay")]
        out: PathBuf,
        /// The captures have no signalling: guess calls from RTP alone
        #[arg(long)]
        rtp_only: bool,
        /// Place the calls of each capture against this running service, with the captured
        /// timing, and compare its recordings (control socket as of --data) with the replay's
        #[arg(long, value_name = "HOST:PORT", conflicts_with = "rtp_only")]
        live: Option<String>,
        /// With --live: who calls
        #[arg(long, value_name = "USER:PASSWORD@DOMAIN", default_value = "201:alice-secret@acme.example")]
        caller: String,
        /// With --live: who is called
        #[arg(long, value_name = "USER:PASSWORD@DOMAIN", default_value = "202:bob-secret@acme.example")]
        callee: String,
        #[arg(long)]
        json: bool,
    },
    /// The configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Apply a company file: companies, users, numbers, trunks, settings; or export one
    Apply(ApplyArgs),
    #[command(flatten)]
    Directory(DirectoryCommand),
    /// How the running service is
    Status {
        /// JSON for scripts
        #[arg(long)]
        json: bool,
    },
    /// Check a deployment: ports, disk, certificates, clock, limits, database, trunks
    Doctor {
        /// JSON for scripts
        #[arg(long)]
        json: bool,
    },
    /// Calls that are up
    Call {
        #[command(subcommand)]
        command: CallCommand,
    },
    /// Recordings
    Recording {
        #[command(subcommand)]
        command: RecordingCommand,
    },
    /// Trunks: registration, targets, calls
    Trunk {
        #[command(subcommand)]
        command: TrunkCommand,
    },
    /// Who is locked out after too many wrong passwords
    Lockout {
        #[command(subcommand)]
        command: LockoutCommand,
    },
    /// Operators, who run the service, and resellers, who administer companies given to them
    Staff {
        #[command(subcommand)]
        command: StaffCommand,
    },
    /// Shared inboxes: text messages to a company number, for several users
    SharedInbox {
        #[command(subcommand)]
        command: SharedInboxCommand,
    },
    /// Shared inboxes that companies pay for
    Licence {
        #[command(subcommand)]
        command: LicenceCommand,
    },
    /// Conversations by text message
    Conversation {
        #[command(subcommand)]
        command: ConversationCommand,
    },
    /// Mails and pushes about new messages, and what became of them
    Notice {
        #[command(subcommand)]
        command: NoticeCommand,
    },
    /// What the service says to callers, in each language
    Speech {
        #[command(subcommand)]
        command: SpeechCommand,
    },
    /// Whom companies tell of their events
    Webhook {
        #[command(subcommand)]
        command: WebhookCommand,
    },
    /// Who receives the recordings of a number
    Subscription {
        #[command(subcommand)]
        command: SubscriptionCommand,
    },
    /// Everything with one number of the outside
    Contact {
        #[command(subcommand)]
        command: ContactCommand,
    },
    /// Voicemail messages of any box
    Message {
        #[command(subcommand)]
        command: MessageCommand,
    },
    /// Copy the database and every recording to a folder, running or not
    Backup {
        /// New, or one of a backup: only what is new is copied
        folder: PathBuf,
        /// Read the files that are there already, too
        #[arg(long)]
        check: bool,
        #[arg(long)]
        json: bool,
    },
    /// Bring a backup back into a new data directory (--data DIR), and prove it
    Restore {
        folder: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Who played, fetched, deleted and changed what
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Why a user sees a call, and why a recording exists
    Explain {
        #[command(subcommand)]
        command: ExplainCommand,
    },
    /// Completions for a shell: bash, zsh, fish, elvish or powershell
    Completions { shell: clap_complete::Shell },
    /// The manual
    Man {
        /// Folder for one page a subcommand; without it the main page goes to standard output
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Events of the feed
    Event {
        #[command(subcommand)]
        command: EventCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Name everything that is wrong, at once
    Check,
    /// Every key with its default, unit and meaning
    Show,
}

#[derive(Debug, Subcommand)]
pub enum CallCommand {
    /// Calls that are up
    List {
        /// Of an inbox only
        #[arg(long, value_name = "COMPANY/NAME")]
        inbox: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// One call, up or over
    Show {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// End a call
    Hangup {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Pause its recording
    Pause {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Start or resume its recording
    Resume {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Write a note on it, up or over, for whoever sees it
    Note { id: String, text: String },
}

#[derive(Debug, Subcommand)]
pub enum RecordingCommand {
    /// The newest recordings
    List {
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Of calls of an inbox only
        #[arg(long, value_name = "COMPANY/NAME")]
        inbox: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// One recording with its markers and why it exists
    Show {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Prove files by their rows (audio, header, sidecar, peaks): one recording, or all
    Verify {
        id: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Put a legal hold on a recording, or on all of a call: nobody deletes it
    Hold {
        /// Of a recording or a call
        id: String,
        /// Why, for whoever wants to delete it
        #[arg(long)]
        reason: String,
    },
    /// What is held, and who asked to lift it
    Holds {
        /// Of this company only
        #[arg(long, value_name = "KEY")]
        company: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Confirm that a hold is lifted, where the company has one admin; or ask for it
    Lift {
        /// Of a recording or a call
        id: String,
    },
    /// Archives (ZIP) of many recordings
    Export {
        #[command(subcommand)]
        command: ExportCommand,
    },
    /// Delete a recording's files; its row stays and says so
    Delete {
        id: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum TrunkCommand {
    /// All trunks, one a line
    List {
        #[arg(long)]
        json: bool,
    },
    /// One trunk with its targets and its registration
    Show {
        /// `COMPANY/NAME`, or the name where only one company has it
        name: String,
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Change(ChangeCommand),
}

#[derive(Debug, Subcommand)]
pub enum LockoutCommand {
    /// Addresses and names that are locked now
    List {
        #[arg(long)]
        json: bool,
    },
    /// Let them try again: one address or name as `list` shows it, or all
    Clear {
        only: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum NoticeCommand {
    /// The newest first: pending, sent in the last week, dead
    List {
        /// By its key
        company: String,
        /// pending, sent, dead or dropped
        #[arg(long)]
        state: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[arg(long)]
        json: bool,
    },
    /// Send one anew, or all dead ones of a company; a service that runs does it within a minute
    Replay {
        /// By its key
        company: String,
        #[arg(long)]
        notice: Option<i64>,
    },
}

#[derive(Debug, Subcommand)]
pub enum SpeechCommand {
    /// Every clip with its words
    List {
        /// en, de, fr or es
        #[arg(long, default_value = "en")]
        language: String,
        #[arg(long)]
        json: bool,
    },
    /// Write every clip as a WAV file, for a folder that `prompts` names
    Export {
        /// New, or without files of these names
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// en, de, fr or es; all of them where it is not said
        #[arg(long)]
        language: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Webhooks, and how they are
    List {
        /// Key of a company
        #[arg(long)]
        company: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Make one, which is told of what happens from now on; its secret is shown once
    Add {
        /// Key of the company
        company: String,
        url: String,
        /// Kinds with commas between, e.g. recording.*,call.ended
        #[arg(long, default_value = "*")]
        kinds: String,
    },
    /// Remove one, with all that was to be told to it
    Remove {
        id: i64,
        /// Only tell what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// What was to be told to one, the newest first
    Deliveries {
        id: i64,
        /// pending, delivered or dead
        #[arg(long)]
        state: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[arg(long)]
        json: bool,
    },
    /// Send a delivery anew; without one, all that are dead
    Replay { id: i64, delivery: Option<i64> },
}

#[derive(Debug, Subcommand)]
pub enum StaffCommand {
    /// Operators and resellers, and their companies
    List {
        #[arg(long)]
        json: bool,
    },
    /// Add an operator, or with --reseller a reseller; a password that is not given is made and shown once
    Add {
        name: String,
        #[arg(long)]
        reseller: bool,
        #[arg(long)]
        password: Option<String>,
    },
    /// Remove one, with all sessions and tokens
    Remove {
        name: String,
        /// Only tell what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Set a new password; one that is not given is made and shown once
    Password {
        name: String,
        #[arg(long)]
        password: Option<String>,
    },
    /// Give a reseller an admin's rights in a company
    Give { name: String, company: String },
    /// Take them back
    Take { name: String, company: String },
}

#[derive(Debug, Subcommand)]
pub enum SharedInboxCommand {
    /// All of a company
    List {
        /// Key of the company; not needed where there is one
        #[arg(long, value_name = "KEY")]
        company: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Switch one on for a company number
    Enable {
        /// As +15550100
        number: String,
        #[arg(long)]
        label: Option<String>,
        /// Extensions with commas between
        #[arg(long)]
        users: Option<String>,
        /// Users see what came before they joined
        #[arg(long, value_name = "true|false")]
        history: Option<bool>,
        /// Name of the inbox that it becomes part of
        #[arg(long)]
        inbox: Option<String>,
        /// Print what would change, change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Change one that is on; what is not said stays
    Change {
        number: String,
        #[arg(long)]
        label: Option<String>,
        /// Extensions of all its users, with commas between
        #[arg(long)]
        users: Option<String>,
        #[arg(long, value_name = "true|false")]
        history: Option<bool>,
        /// Print what would change, change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Switch it off: the number is as it was, conversations are kept unseen, the licence stays
    Disable {
        number: String,
        /// Print what would change, change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum ConversationCommand {
    /// Those of a company, the newest first; what was written is not shown
    List {
        /// Key of the company; not needed where there is one
        #[arg(long, value_name = "KEY")]
        company: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[arg(long)]
        json: bool,
    },
    /// All of one: the access log has a line of it
    Show {
        id: i64,
        #[arg(long)]
        json: bool,
    },
    /// Write a text as a user
    Send {
        /// COMPANY/EXTENSION
        user: String,
        /// As they would dial it
        to: String,
        text: String,
        /// The number that it leaves from, as +15550100; by the rule where none is said
        #[arg(long)]
        number: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum LicenceCommand {
    /// Those of a company, in use or free
    List {
        /// Key of the company; not needed where there is one
        #[arg(long, value_name = "KEY")]
        company: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// The company pays for one less
    Release {
        id: i64,
        /// Key of the company; not needed where there is one
        #[arg(long, value_name = "KEY")]
        company: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum SubscriptionCommand {
    /// Who is subscribed now
    List {
        number: String,
        #[arg(long)]
        json: bool,
    },
    /// From now on the user receives them
    Add { number: String, extension: String },
    /// From now on nothing new comes; what was received stays
    Remove {
        number: String,
        extension: String,
        /// Take back what was received
        #[arg(long)]
        withdraw: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum ContactCommand {
    /// Delete every recording with it and blank it everywhere; without --confirm only told
    Erase {
        /// Key of the company
        company: String,
        /// As +15550199
        number: String,
        /// The number once more: for real
        #[arg(long, value_name = "NUMBER")]
        confirm: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Whether a line was changed, taken out or cut off: the chain, and the signed heads outside
    Verify {
        /// The public key as it was written down elsewhere; the one that is kept where it is not said
        #[arg(long, value_name = "HEX")]
        public_key: Option<String>,
    },
    /// Lines of a company, oldest first
    List {
        company: String,
        /// Later lines than that number
        #[arg(long, default_value_t = 0)]
        after: i64,
        /// Earlier lines than that number, newest first
        #[arg(long)]
        before: Option<i64>,
        /// Newest first
        #[arg(long)]
        newest: bool,
        /// One action (recording.play), or all of a kind (recording)
        #[arg(long)]
        action: Option<String>,
        /// Part of who, whence, action or thing
        #[arg(long)]
        text: Option<String>,
        #[arg(long, default_value_t = 200)]
        limit: u32,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum ExplainCommand {
    /// Why a user sees a call, and may play it, or not
    Call {
        call: String,
        /// COMPANY/EXTENSION
        user: String,
    },
    /// Why a recording was made, and who changed it
    Recording { recording: String },
}

#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// Events after a position, oldest first
    List {
        #[arg(long, default_value_t = 0)]
        after: i64,
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Of calls of an inbox only
        #[arg(long, value_name = "COMPANY/NAME")]
        inbox: Option<String>,
        #[arg(long)]
        json: bool,
    },
}
