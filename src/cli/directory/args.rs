//! What can be said of the things of a company.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum DirectoryCommand {
    /// Companies
    Company {
        #[command(subcommand)]
        command: CompanyCommand,
    },
    /// Settings of a company
    Settings {
        #[command(subcommand)]
        command: SettingsCommand,
    },
    /// Users: who calls, and who logs in
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Groups of users that ring together
    Group {
        #[command(subcommand)]
        command: ThingCommand,
    },
    /// Numbers: company numbers, and those that are assigned to a user
    Number {
        #[command(subcommand)]
        command: NumberCommand,
    },
    /// Inboxes: numbers and users that belong together
    Inbox {
        #[command(subcommand)]
        command: ThingCommand,
    },
    /// Call flows
    Flow {
        #[command(subcommand)]
        command: ThingCommand,
    },
    /// A company's own prompts
    Prompt {
        #[command(subcommand)]
        command: ThingCommand,
    },
    /// Voicemail boxes, by NUMBER or NUMBER@CONTEXT
    Voicemail {
        #[command(subcommand)]
        command: VoicemailCommand,
    },
    /// Tokens of programs
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
}

/// Which company, and how the answer is written.
#[derive(Clone, Debug, Default, Args)]
pub struct Of {
    /// Key of the company; not needed where there is one
    #[arg(long, value_name = "KEY")]
    pub company: Option<String>,
    #[arg(long)]
    pub json: bool,
}

/// What is said of a thing: `key=value`, and a file for what is longer.
#[derive(Clone, Debug, Default, Args)]
pub struct Said {
    /// Keys of the company file, e.g. `role=supervisor` or `members=201,202`
    #[arg(value_name = "KEY=VALUE")]
    pub pairs: Vec<String>,
    /// The keys of its table as TOML, e.g. the steps of a flow as [[step]]
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Key of the company; not needed where there is one
    #[arg(long, value_name = "KEY")]
    pub company: Option<String>,
    /// Print what would change, change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Default, Args)]
pub struct Removal {
    pub name: String,
    /// Key of the company; not needed where there is one
    #[arg(long, value_name = "KEY")]
    pub company: Option<String>,
    /// Print what would change, change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub enum ThingCommand {
    /// All of them, one a line
    List {
        #[command(flatten)]
        of: Of,
    },
    /// One of them
    Show {
        name: String,
        #[command(flatten)]
        of: Of,
    },
    #[command(flatten)]
    Change(ChangeCommand),
}

#[derive(Debug, Subcommand)]
pub enum ChangeCommand {
    /// A new one
    Add {
        name: String,
        #[command(flatten)]
        said: Said,
    },
    /// What is not said stays
    Change {
        name: String,
        #[command(flatten)]
        said: Said,
    },
    /// It goes, where nothing refers to it any more
    Remove(Removal),
}

#[derive(Debug, Subcommand)]
pub enum CompanyCommand {
    /// All companies
    List {
        #[arg(long)]
        json: bool,
    },
    /// One company with its settings
    Show {
        key: String,
        #[arg(long)]
        json: bool,
    },
    /// A new company
    Add {
        key: String,
        /// e.g. `domains=acme.example name=Acme`
        #[arg(value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        /// Its first admin's extension; the password is made and shown once
        #[arg(long, value_name = "EXTENSION")]
        admin: Option<String>,
        /// Print what would change, change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// What is not said stays
    Change {
        key: String,
        #[arg(value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        /// Print what would change, change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// All settings as they are
    Show {
        #[command(flatten)]
        of: Of,
    },
    /// e.g. `record_inbound=true commands.pause=*1`
    Change {
        #[command(flatten)]
        said: Said,
    },
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// All of them, one a line
    List {
        #[command(flatten)]
        of: Of,
    },
    /// One of them
    Show {
        name: String,
        #[command(flatten)]
        of: Of,
    },
    /// A new one; without a password one is made and shown once
    Add {
        name: String,
        #[command(flatten)]
        said: Said,
    },
    /// What is not said stays
    Change {
        name: String,
        #[command(flatten)]
        said: Said,
    },
    /// It goes; whoever is led to needs a replacement
    Remove {
        #[command(flatten)]
        removal: Removal,
        /// `user:EXTENSION` or `group:NAME`
        #[arg(long)]
        replacement: Option<String>,
    },
    /// They can do nothing any more, and somebody takes over
    Deactivate {
        #[command(flatten)]
        removal: Removal,
        /// `user:EXTENSION` or `group:NAME`
        #[arg(long)]
        replacement: String,
    },
    /// They can do again what they could
    Activate {
        #[command(flatten)]
        removal: Removal,
    },
    /// A new password: made and shown once, or read from standard input
    Password {
        name: String,
        /// Read it from the first line of standard input
        #[arg(long)]
        stdin: bool,
        /// Key of the company; not needed where there is one
        #[arg(long, value_name = "KEY")]
        company: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum VoicemailCommand {
    #[command(flatten)]
    Thing(ThingCommand),
    /// Who receives the messages of a box
    Subscriber {
        #[command(subcommand)]
        command: SubscriberCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum SubscriberCommand {
    /// Who receives them now, and who has received some
    List {
        /// NUMBER or NUMBER@CONTEXT
        mailbox: String,
        #[command(flatten)]
        of: Of,
    },
    /// From now on a user receives what is left there
    Add {
        mailbox: String,
        extension: String,
        #[command(flatten)]
        of: Of,
    },
    /// From now on a user receives nothing new; what they received stays
    Remove {
        mailbox: String,
        extension: String,
        /// Take back what they received, too
        #[arg(long)]
        withdraw: bool,
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Subcommand)]
pub enum NumberCommand {
    /// All of them, one a line
    List {
        #[command(flatten)]
        of: Of,
        /// Only numbers that are assigned to a user
        #[arg(long, conflicts_with = "unassigned")]
        assigned: bool,
        /// Only company numbers
        #[arg(long)]
        unassigned: bool,
    },
    /// One of them
    Show {
        name: String,
        #[command(flatten)]
        of: Of,
    },
    #[command(flatten)]
    Change(ChangeCommand),
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// A user's tokens, without their secrets
    List {
        user: String,
        #[command(flatten)]
        of: Of,
    },
    /// A token for a program; its secret is shown this once
    Add {
        user: String,
        /// For people, to tell tokens apart
        name: String,
        /// e.g. `calls.read`; several times
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        #[arg(long, default_value_t = 90)]
        days: u32,
        #[command(flatten)]
        of: Of,
    },
    /// End a token
    Remove {
        user: String,
        id: i64,
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ApplyArgs {
    #[arg(required = true)]
    pub file: Option<PathBuf>,
    /// Print the difference, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what the file does not name, in the companies that it names
    #[arg(long)]
    pub prune: bool,
    #[command(subcommand)]
    pub command: Option<ApplyCommand>,
}

#[derive(Debug, Subcommand)]
pub enum ApplyCommand {
    /// Print a company file that says what is there
    Export {
        /// Only this company
        #[arg(long, value_name = "KEY")]
        company: Option<String>,
        /// Write the prompts' WAV files here, and name them in the file
        #[arg(long, value_name = "DIR")]
        prompts: Option<PathBuf>,
    },
}
