//! What a company consists of, as it is asked for and shown: each thing by its name and in the keys
//! of the company file.

use super::Permission;
use super::own_box::OwnBoxAsk;
use super::shared::assigned_to;
use crate::base::FlowId;
use crate::directory::file::{FileError, Kind, Problem as FileProblem, Secret};
use crate::directory::plan::{Listed, Replacement};
use crate::directory::{Company, Danger, Directory, FacilityKind, Sound};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Things of a page at most.
pub const MOST: usize = 200;

/// A request about the directory of the viewer's company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryAsk {
    List {
        kind: Kind,
        only: Only,
        /// The last one of the page before.
        after: Option<String>,
        /// At most [`MOST`].
        limit: usize,
    },
    Show {
        kind: Kind,
        name: String,
    },
    /// `keys` as the company file has them; the name is one of them.
    Add {
        kind: Kind,
        keys: Map<String, Value>,
    },
    /// What is not said stays; `null` is none, or the company's own.
    Change {
        kind: Kind,
        name: String,
        keys: Map<String, Value>,
        fits: Fits,
    },
    /// A user who leaves is replaced first, where anything leads to them.
    Remove {
        kind: Kind,
        name: String,
        replacement: Option<Replacement>,
        fits: Fits,
    },
    Deactivate {
        extension: String,
        replacement: Replacement,
    },
    Activate {
        extension: String,
    },
    /// Without a password one is made and shown once.
    Password {
        extension: String,
        password: Option<Secret>,
    },
    SetPrompt {
        name: String,
        sound: Sound,
    },
    PromptSound {
        name: String,
    },
    /// One's own password; the other sessions end.
    MyPassword {
        present: Secret,
        password: Secret,
    },
    /// One's own default inbox.
    MyInbox {
        inbox: Option<String>,
    },
    /// One's own voicemail box.
    OwnBox(OwnBoxAsk),
}

/// Which of a list; `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// Numbers: those that are assigned to a user, or company numbers.
    pub assigned: Option<bool>,
    /// Numbers: those of an inbox.
    pub inbox: Option<String>,
    /// Users.
    pub deactivated: Option<bool>,
}

/// The entity tags (RFC 9110 §13.1.1) of which the thing must still have one; `None`: whichever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fits(pub Option<Vec<String>>);

impl Fits {
    /// Whether a change may be made of a thing with that tag.
    pub fn fit(&self, tag: &str) -> bool {
        self.0.as_ref().is_none_or(|tags| tags.iter().any(|fitting| fitting == "*" || fitting == tag))
    }
}

impl DirectoryAsk {
    /// What a token must be made for.
    pub const fn needs(&self) -> Permission {
        match self {
            DirectoryAsk::List { .. } | DirectoryAsk::Show { .. } | DirectoryAsk::PromptSound { .. } => {
                Permission::ReadDirectory
            }
            DirectoryAsk::Add { .. }
            | DirectoryAsk::Change { .. }
            | DirectoryAsk::Remove { .. }
            | DirectoryAsk::Deactivate { .. }
            | DirectoryAsk::Activate { .. }
            | DirectoryAsk::Password { .. }
            | DirectoryAsk::SetPrompt { .. }
            | DirectoryAsk::MyPassword { .. }
            | DirectoryAsk::MyInbox { .. } => Permission::ManageDirectory,
            DirectoryAsk::OwnBox(ask) => ask.needs(),
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub enum DirectoryReply {
    /// A list, or a thing as it is now.
    View(Value),
    /// A thing that was just made.
    Added { view: Value, name: String, password: Option<Secret> },
    /// A password that was set; shown where it was made here.
    Password { extension: String, password: Option<Secret> },
    /// A prompt as a WAV file.
    Sound(Vec<u8>),
}

/// The entity tag of a view: of its content.
pub fn tag_of(view: &Value) -> String {
    let digest = hex::encode(Sha256::digest(view.to_string().as_bytes()));
    format!("\"{}\"", digest.get(..32).unwrap_or(&digest))
}

/// What the API calls the list of a kind.
pub const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Company => "companies",
        Kind::Settings => "settings",
        Kind::User => "users",
        Kind::Number => "numbers",
        Kind::Trunk => "trunks",
        Kind::Facility(FacilityKind::Group) => "groups",
        Kind::Facility(FacilityKind::Inbox) => "inboxes",
        Kind::Facility(FacilityKind::Flow) => "flows",
        Kind::Facility(FacilityKind::Prompt) => "prompts",
        Kind::Facility(FacilityKind::Voicemail) => "voicemails",
    }
}

/// A thing as an admin sees it: the keys of the company file, and what follows from others.
pub fn view(directory: &Directory, company: &Company, kind: Kind, listed: &Listed) -> Map<String, Value> {
    let mut view = Map::new();
    if kind != Kind::Settings {
        view.insert("id".to_owned(), listed.id.into());
    }
    for (key, value) in &listed.keys {
        let value = value.as_ref().and_then(|value| serde_json::to_value(value).ok());
        view.insert((*key).to_owned(), value.unwrap_or(Value::Null));
    }
    match kind {
        Kind::Number => {
            number_view(directory, &listed.name, &mut view);
            let number = directory.number_by_e164(&listed.name);
            warn(&mut view, &number.map(|number| directory.dangers_of_number(number)).unwrap_or_default());
        }
        Kind::Facility(FacilityKind::Voicemail) => {
            let mailbox = directory.mailbox_by_name(company.id, &listed.name);
            let dangers = mailbox.map(|mailbox| directory.dangers_of_box(mailbox)).unwrap_or_default();
            warn(&mut view, &dangers);
        }
        Kind::Facility(FacilityKind::Flow) => {
            let flow = directory.flow(FlowId(listed.id));
            warn(&mut view, &flow.map(|flow| directory.dangers_of_flow(flow)).unwrap_or_default());
        }
        Kind::Facility(FacilityKind::Prompt) => {
            if let Some(sound) = directory.prompt(company.id, &listed.name) {
                let samples = u32::try_from(sound.0.len()).unwrap_or(u32::MAX);
                view.insert("seconds".to_owned(), json!(f64::from(samples) / 8_000.0));
                view.insert("sha256".to_owned(), hex::encode(Sha256::digest(sound.to_bytes())).into());
            }
        }
        Kind::Company
        | Kind::Settings
        | Kind::User
        | Kind::Trunk
        | Kind::Facility(FacilityKind::Group | FacilityKind::Inbox) => {}
    }
    view
}

/// What is dangerous about it, where anything is.
fn warn(view: &mut Map<String, Value>, dangers: &[Danger]) {
    if !dangers.is_empty() {
        let warnings = dangers.iter().map(|danger| Value::String(danger.to_string())).collect();
        view.insert("warnings".to_owned(), Value::Array(warnings));
    }
}

/// Whose a number is, and which inbox it is in.
pub fn number_view(directory: &Directory, e164: &str, view: &mut Map<String, Value>) {
    let Some(number) = directory.number_by_e164(e164) else { return };
    let assigned = directory.assigned_to(number);
    let inbox = directory.inbox_of_number(number.id);
    let user = assigned.map(|user| format!("user:{}", user.extension));
    let whose = directory.shared_inbox(number.id).map(assigned_to).or(user);
    view.insert("type".to_owned(), if whose.is_some() { "assigned" } else { "company" }.into());
    view.insert("assigned_to".to_owned(), json!(whose));
    view.insert("inbox".to_owned(), json!(inbox.map(|inbox| inbox.name.as_str())));
    view.insert("primary".to_owned(), inbox.is_some_and(|inbox| inbox.primary == Some(number.id)).into());
}

/// What is wrong with a change, for an admin of one company: what belongs to another is not named.
pub fn said(error: &FileError) -> String {
    let place = &error.place;
    match &error.problem {
        FileProblem::DomainOwned { domain, owner: _ } => format!("{place}: domain `{domain}` is taken: choose another"),
        FileProblem::NumberOwned { e164, owner: _ } => format!("{place}: number {e164} is taken: choose another"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::file::Place;

    #[test]
    fn a_tag_is_of_the_content_and_fits_itself_and_every_tag() {
        let (one, other) = (tag_of(&json!({ "a": 1 })), tag_of(&json!({ "a": 2 })));
        assert_ne!(one, other);
        for (tags, fit) in [(None, true), (Some(vec![other]), false), (Some(vec!["*".to_owned()]), true)] {
            assert_eq!(Fits(tags).fit(&one), fit);
        }
        assert!(Fits(Some(vec![one.clone()])).fit(&one));
    }

    #[test]
    fn another_company_is_never_named() {
        let place = Place::Number { company: "a".to_owned(), e164: "+100".to_owned() };
        for problem in [
            FileProblem::DomainOwned { domain: "x.example".to_owned(), owner: "rival".to_owned() },
            FileProblem::NumberOwned { e164: "+100".to_owned(), owner: "rival".to_owned() },
        ] {
            let said = said(&FileError { place: place.clone(), problem });
            assert!(!said.contains("rival") && said.contains("is taken"), "{said}");
        }
    }
}
