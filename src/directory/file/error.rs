//! What is wrong with a company file: where, what, and the way out.

use super::super::FacilityKind;
use super::super::flow::{Flaw, StepName};
use super::RouteTo;
use std::fmt;

/// Where in the file, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A table that does not say what it is: its kind, and which one, from 1.
    Item {
        kind: &'static str,
        position: usize,
    },
    Company {
        key: String,
    },
    User {
        company: String,
        extension: String,
    },
    Number {
        company: String,
        e164: String,
    },
    Trunk {
        company: String,
        name: String,
    },
    Facility {
        company: String,
        kind: FacilityKind,
        name: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File => f.write_str("file"),
            Place::Item { kind, position } => write!(f, "{kind} {position} of the file"),
            Place::Company { key } => write!(f, "company {key}"),
            Place::User { company, extension } => write!(f, "user {extension} of {company}"),
            Place::Number { company, e164 } => write!(f, "number {e164} of {company}"),
            Place::Facility { company, kind, name } => write!(f, "{kind} {name} of {company}"),
            Place::Trunk { company, name } => write!(f, "trunk {name} of {company}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct FileError {
    pub place: Place,
    pub problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("not TOML: {0}")]
    Syntax(String),
    /// What the reader of the key says; it names the value.
    #[error("{key}: {message}")]
    Value { key: String, message: String },
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`company` is missing: the file has not exactly one [[company]], so say which")]
    WhichCompany,
    #[error("company `{0}` is neither in this file nor in the service: add a [[company]] with this key")]
    UnknownCompany(String),
    #[error("stands twice in this file: leave one out")]
    Twice,
    #[error("`domains` is empty: name a SIP domain, else no phone can register")]
    NoDomain,
    #[error("domain `{domain}` belongs to company {owner}: take it from there first, or choose another")]
    DomainOwned { domain: String, owner: String },
    #[error("domain `{0}` stands twice: leave one out")]
    DomainTwice(String),
    #[error("number {e164} belongs to company {owner}: take it from there first, or choose another")]
    NumberOwned { e164: String, owner: String },
    #[error("number {e164} is assigned to user {other}: a number is one user's at most, so take it from them first")]
    AssignedToTwo { e164: String, other: String },
    #[error("auth_name `{auth_name}` is that of user {other} too: choose another")]
    AuthNameTaken { auth_name: String, other: String },
    #[error("route `user:{0}`: the company has no such user: add one, or route elsewhere")]
    UnknownRoute(String),
    #[error("{key} `{said}`: this is {is}, and what a thing is named by never changes")]
    OtherName { key: &'static str, said: String, is: String },
    #[error("{0}: null means nothing here: leave the key out, or give a value")]
    NotNull(String),
    #[error("is not there")]
    NotThere,
    #[error("is deactivated already")]
    DeactivatedAlready,
    #[error("replacement `{0}` cannot take over: name an active user, or a group that has another active member")]
    Replacement(String),
    #[error("{key} `{to}`: the user is deactivated: name another, or activate them")]
    DeactivatedUser { key: &'static str, to: String },
    #[error("route `{0}`: the company has none of that name: add it, or route elsewhere")]
    UnknownFacility(RouteTo),
    #[error("{key} {e164} is not a number of this company: add it, or choose another")]
    UnknownNumber { key: &'static str, e164: String },
    #[error(
        "realm `{new}`: the realm is `{old}` and never changes, since every stored password depends on it: take the key out"
    )]
    RealmChange { old: String, new: String },
    #[error(
        "commands: pause `{pause}` and start `{start}`: one contains the other, so one of them could never be dialled"
    )]
    Commands { pause: String, start: String },
    #[error("auth names no algorithm: write [\"md5\"], [\"sha-256\"] or both")]
    NoAlgorithm,
    #[error("auth names an algorithm twice: leave one out")]
    AlgorithmTwice,
    #[error("`emergency_numbers` is empty: nobody could call for help; write e.g. [\"112\", \"911\"]")]
    NoEmergencyNumber,
    #[error(
        "{0} is an emergency number of this company, and an emergency call never rings a user: give the user another extension, or set `emergency_numbers`"
    )]
    EmergencyExtension(String),
    #[error("has no password: give `password`, or `generate_password = true`")]
    NoPassword,
    #[error("both `password` and `generate_password`: leave one out")]
    TwoPasswords,
    #[error("auth_name becomes `{0}`: give `password` too, since the stored hash contains the name")]
    AuthNameWithoutPassword(String),
    #[error("step {step}: {flaw}")]
    Step { step: StepName, flaw: Flaw },
    #[error("no step: a flow has at least one")]
    NoSteps,
    #[error("start `{0}` is not a step of this flow")]
    UnknownStart(StepName),
    #[error("{key} `{name}`: the company has none of that name")]
    UnknownName { key: &'static str, name: String },
    #[error("{key} names {name} twice: leave one out")]
    NamedTwice { key: &'static str, name: String },
    #[error("primary `{0}` is not one of the inbox's numbers: add it to `numbers`")]
    PrimaryElsewhere(String),
    #[error(
        "number {e164} is in inbox {owner} too: a number is in one inbox at most, since its messages go to one place"
    )]
    NumberInTwo { e164: String, owner: String },
    #[error(
        "messaging {e164}: the number is assigned to user {user}, and an assigned number can have no shared inbox: take it from them first, or choose a company number"
    )]
    AssignedNumber { e164: String, user: String },
    #[error(
        "number {e164} is that of Shared Inbox [{label}], and its messages go to one place: switch the shared inbox off first, or choose another"
    )]
    SharedNumber { e164: String, label: String },
    #[error("texts = \"http\" without `{0}`: text messages over HTTP need both `texts_url` and `texts_secret`")]
    TextsOverHttp(&'static str),
    #[error("default_inbox `{0}`: the user is not one of its members: add them, or choose another")]
    NotAMember(String),
    #[error("`time_zone`, `hours` and `holidays` belong together: `{0}` is missing")]
    HalfSchedule(&'static str),
    #[error("`file` is missing: which WAV file is it?")]
    NoSound,
    #[error("{file}: {problem}")]
    Sound { file: String, problem: String },
    #[error("{key} `{to}`: the company has none of that name")]
    UnknownForward { key: &'static str, to: String },
    #[error("{key} `{to}` leads back to this user: choose another")]
    ForwardLoop { key: &'static str, to: String },
    #[error("`host` is missing: where do outbound calls go?")]
    NoHost,
    #[error("both `targets` and `{0}`: put all of it into `targets`")]
    TwoTargets(&'static str),
    #[error("`targets` is empty: where do outbound calls go?")]
    NoTarget,
    #[error("target {0} has no `host`: where is it?")]
    TargetHost(usize),
    #[error("`{name}` `{user}` has no password: give `{password}`")]
    NoLoginPassword { name: &'static str, user: String, password: &'static str },
    #[error("`{password}` without `{name}`: whose is it?")]
    NoLoginName { name: &'static str, password: &'static str },
    #[error(
        "{0} changes: give `password` too, since what is stored of the old one is good for the old user name and realm only"
    )]
    LoginWithoutPassword(&'static str),
    #[error("`register = true` without `username`: whom shall it register?")]
    RegisterWithoutLogin,
    #[error("inbound_username `{user}` is that of {other} too: choose another")]
    InboundUserTaken { user: String, other: String },
    #[error(
        "address {0}: nearly everybody is in it, so that standing in it proves nothing: name the carrier's networks, or give `inbound_username` and `inbound_password`"
    )]
    OpenToAll(String),
    #[error(
        "notice_refuse `{0}`: the service's own words say nine: add a prompt `recorded-refuse` that says which key it is"
    )]
    RefusePrompt(char),
    #[error("destinations: {0} stands twice: leave one out")]
    DestinationTwice(String),
    #[error("dial_prefix `{prefix}` is that of number {other} too: choose another")]
    DialPrefixTaken { prefix: String, other: String },
    #[error("There can be only one global voicemail per context.")]
    SecondGlobalBox,
    #[error("owner `{0}`: a global box is everybody's: take the owner out, or make it personal")]
    GlobalOwned(String),
    #[error("owner `{owner}` has box {other} already: a user and a group have one at most")]
    SecondBox { owner: String, other: String },
    #[error(
        "`delete_messages` without `email` and `attach_audio`: messages would be lost unheard: set both, or leave it off"
    )]
    DeleteUnmailed,
    #[error("`min_s` {min} is longer than `max_s` {max}: no message fits")]
    NoMessageFits { min: u32, max: u32 },
    #[error("number_format \"national\": the company has no `country_code`: set one in its settings")]
    NoCountry,
}
