//! What a company consists of: who may see what of it, and every change by the plan that a company
//! file is applied by.
//!
//! An admin sees and changes all. Everybody else sees what they need to call and to be called: the
//! names of colleagues, the groups and inboxes that they are in (supervisors and analysts who see every
//! call: all of them), the numbers that they may call with.

mod own_box;

use super::{Actor, Desk, Person, Request};
use crate::api::directory::{DirectoryAsk, DirectoryReply, Fits, MOST, Only, number_view, plural, said, tag_of, view};
use crate::api::{Problem, Reply, Use};
use crate::audio::prompt::write_wav;
use crate::base::CompanyId;
use crate::call::LockName;
use crate::directory::file::{CompanyFile, FileError, Kind, Place, Problem as FileProblem, Secret, table_of_json};
use crate::directory::plan::{
    Change, Edit, Listed, Plan, Replacement, Thing, UserState, generated, listed, plan, plan_edit,
};
use crate::directory::{BoxAccess, BoxOwner, Company, Directory, FacilityKind, Inbox, MessageRoute, Role, Sound, User};
use crate::store::{Answered, Applied, By, Repeat, StoreError};
use serde_json::{Map, Value};
use toml::Table;

/// How often a change is planned anew because somebody else was faster.
const TRIES: usize = 5;

impl Desk {
    pub(super) async fn of_directory(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: DirectoryAsk,
    ) -> Result<Reply, Problem> {
        let reply = match ask {
            DirectoryAsk::List { kind, only, after, limit } => {
                DirectoryReply::View(list(directory, person, kind, &only, after.as_deref(), limit)?)
            }
            DirectoryAsk::Show { kind, name } => DirectoryReply::View(shown(directory, person, kind, &name)?),
            DirectoryAsk::Add { kind, keys } => self.add(person, kind, keys).await?,
            DirectoryAsk::Change { kind, name, keys, fits } => {
                person.must_be_admin()?;
                self.lay(person, kind, &name, &table_of(kind, &keys)?, &fits).await?;
                self.entity_now(person, kind, &name).await?
            }
            DirectoryAsk::Remove { kind, name, replacement, fits } => {
                person.must_be_admin()?;
                self.remove(person, kind, &name, replacement, &fits).await?;
                return Ok(Reply::Done);
            }
            DirectoryAsk::Deactivate { extension, replacement } => {
                person.must_be_admin()?;
                self.deactivate(person, &extension, replacement).await?;
                self.entity_now(person, Kind::User, &extension).await?
            }
            DirectoryAsk::Activate { extension } => {
                person.must_be_admin()?;
                let keys = Table::from_iter([("deactivated".to_owned(), false.into())]);
                self.lay(person, Kind::User, &extension, &keys, &Fits::default()).await?;
                self.entity_now(person, Kind::User, &extension).await?
            }
            DirectoryAsk::Password { extension, password } => {
                person.must_be_admin()?;
                self.password(person, extension, password).await?
            }
            DirectoryAsk::SetPrompt { name, sound } => {
                person.must_be_admin()?;
                self.set_prompt(person, &name, &sound).await?;
                self.entity_now(person, Kind::Facility(FacilityKind::Prompt), &name).await?
            }
            DirectoryAsk::PromptSound { name } => {
                person.must_be_admin()?;
                let sound = directory.prompt(person.company.id, &name);
                DirectoryReply::Sound(write_wav(&sound.ok_or(Problem::NotFound { what: "prompt" })?.0))
            }
            DirectoryAsk::MyPassword { present, password } => {
                self.my_password(person, &present, password).await?;
                return Ok(Reply::Done);
            }
            DirectoryAsk::OwnBox(ask) => self.own_box(person, ask).await?,
            DirectoryAsk::MyInbox { inbox } => {
                let user = own(person)?;
                let inbox = inbox.unwrap_or_default();
                // One that they are not in is as one that there is not.
                let is_in = |inbox: &Inbox| inbox.members.contains(&user.id);
                let known = directory.inbox_by_name(user.company, &inbox).is_some_and(is_in);
                if !known && !inbox.is_empty() {
                    return Err(Problem::NotFound { what: "inbox" });
                }
                let keys = Table::from_iter([("default_inbox".to_owned(), inbox.into())]);
                self.lay(person, Kind::User, &user.extension.clone(), &keys, &Fits::default()).await?;
                return Ok(Reply::Done);
            }
        };
        Ok(Reply::Directory(reply))
    }

    async fn add(&self, person: &Person<'_>, kind: Kind, keys: Map<String, Value>) -> Result<DirectoryReply, Problem> {
        person.must_be_admin()?;
        let missing = || Problem::Unfit(vec![format!("{}: `{}` is missing", kind.as_str(), kind.name_key())]);
        let name = kind.name_in(&keys).ok_or_else(missing)?;
        let table = table_of(kind, &keys)?;
        let company = person.company;
        let applied = self.change(person, |directory| {
            if listed(directory, company, kind).iter().any(|thing| thing.name == name) {
                return Err(Problem::Conflict(format!("{name} is there already: change that, or choose another")));
            }
            lay(directory, company, kind, &name, &table)
        });
        let password = applied.await?.generated.pop().map(|generated| generated.password);
        let directory = self.directory().await?;
        Ok(DirectoryReply::Added { view: shown(&directory, person, kind, &name)?, name, password })
    }

    /// Lays keys over a thing that is there.
    pub(super) async fn lay(
        &self,
        person: &Person<'_>,
        kind: Kind,
        name: &str,
        table: &Table,
        fits: &Fits,
    ) -> Result<Applied, Problem> {
        let company = person.company;
        let change = self.change(person, |directory| {
            fit(directory, company, kind, name, fits)?;
            lay(directory, company, kind, name, table)
        });
        change.await
    }

    pub(super) async fn remove(
        &self,
        person: &Person<'_>,
        kind: Kind,
        name: &str,
        replacement: Option<Replacement>,
        fits: &Fits,
    ) -> Result<Applied, Problem> {
        let company = person.company;
        let key = company.key.clone();
        let edit = match (thing(kind, name)?, replacement) {
            (Thing::User(extension), Some(to)) => Edit::RemoveUser { company: key, extension, to },
            (thing, None) => Edit::Remove { company: key, thing },
            (Thing::Number(_) | Thing::Trunk(_) | Thing::Facility(..), Some(to)) => {
                let expected = "nothing: only a user is replaced";
                return Err(Problem::Invalid { key: "replacement", value: to.to_string(), expected });
            }
        };
        let change = self.change(person, |directory| {
            fit(directory, company, kind, name, fits)?;
            plan_edit(directory, &edit).map_err(|errors| in_use(&errors))
        });
        change.await
    }

    async fn deactivate(&self, person: &Person<'_>, extension: &str, to: Replacement) -> Result<(), Problem> {
        let company = person.company;
        let (key, extension) = (company.key.clone(), extension.to_owned());
        let edit = Edit::Deactivate { company: key, extension: extension.clone(), to };
        let change = self.change(person, |directory| {
            fit(directory, company, Kind::User, &extension, &Fits::default())?;
            plan_edit(directory, &edit).map_err(|errors| match errors.as_slice() {
                [error] if error.problem == FileProblem::DeactivatedAlready => Problem::Conflict(error.to_string()),
                errors => unfit(errors),
            })
        });
        change.await.map(drop)
    }

    async fn password(
        &self,
        person: &Person<'_>,
        extension: String,
        password: Option<Secret>,
    ) -> Result<DirectoryReply, Problem> {
        let made = password.is_none().then(|| generated(&mut *self.world.random()));
        let secret = password.or_else(|| made.clone()).ok_or(Problem::Internal)?;
        let _turn = self.turn().await?;
        self.lay(person, Kind::User, &extension, &password_keys(&secret), &Fits::default()).await?;
        Ok(DirectoryReply::Password { extension, password: made })
    }

    async fn my_password(&self, person: &Person<'_>, present: &Secret, password: Secret) -> Result<(), Problem> {
        let user = own(person)?;
        let turn = self.turn().await?;
        let name = LockName::new(user.company, &user.extension);
        self.proves_present(&turn, &name, person.viewer, present.reveal()).await?;
        if present.reveal() == password.reveal() {
            let expected = "another password than the present one";
            return Err(Problem::Invalid { key: "password", value: "…".to_owned(), expected });
        }
        let keys = password_keys(&password);
        self.lay(person, Kind::User, &user.extension.clone(), &keys, &Fits::default()).await.map(drop)
    }

    async fn set_prompt(&self, person: &Person<'_>, name: &str, sound: &Sound) -> Result<(), Problem> {
        let company = person.company;
        let change = self.change(person, |directory| {
            let kind = Kind::Facility(FacilityKind::Prompt);
            let mut file = CompanyFile::of_one(kind, &company.key, name, Table::new()).map_err(|e| unfit(&e))?;
            for prompt in &mut file.prompts {
                prompt.keys.sound = Some(sound.clone());
            }
            plan(directory, &file, false).map_err(|errors| unfit(&errors))
        });
        change.await.map(drop)
    }

    /// See [`crate::store::Store::begin_request`].
    pub async fn begin_request(&self, who: &str, key: &str, digest: &str) -> Result<Repeat, Problem> {
        Ok(self.store.begin_request(who, key, digest, self.world.wall()).await?)
    }

    pub async fn answer_request(&self, who: &str, key: &str, answered: &Answered) -> Result<(), Problem> {
        Ok(self.store.answer_request(who, key, answered).await?)
    }

    pub async fn forget_request(&self, who: &str, key: &str) -> Result<(), Problem> {
        Ok(self.store.forget_request(who, key).await?)
    }

    async fn entity_now(&self, person: &Person<'_>, kind: Kind, name: &str) -> Result<DirectoryReply, Problem> {
        let directory = self.directory().await?;
        // A setting that was just changed is in the company as it is now.
        Ok(DirectoryReply::View(shown(&directory, person, kind, name)?))
    }

    /// Plans a change and carries it out; where somebody else was faster, both again.
    pub(super) async fn change(
        &self,
        person: &Person<'_>,
        make: impl Fn(&Directory) -> Result<Plan, Problem>,
    ) -> Result<Applied, Problem> {
        let company = person.company.id;
        self.change_by(&self.by(person), |directory| {
            let plan = make(directory)?;
            match person.actor {
                Actor::User(_) if leaves_no_admin(directory, company, &plan) => Err(Problem::Conflict(
                    "the company would have no admin left, so make somebody else an admin first".to_owned(),
                )),
                Actor::User(_) | Actor::Staff(_) => Ok(plan),
            }
        })
        .await
    }

    pub(super) async fn change_by(
        &self,
        by: &By,
        make: impl Fn(&Directory) -> Result<Plan, Problem>,
    ) -> Result<Applied, Problem> {
        for _ in 0..TRIES {
            let directory = self.directory().await?;
            let plan = make(&directory)?;
            let is_empty = plan.is_empty();
            match self.store.apply_by(&plan, by, &mut *self.world.random()).await {
                Ok(applied) => {
                    if !is_empty {
                        self.operator.ask(Request::Reload).await;
                    }
                    return Ok(applied);
                }
                Err(StoreError::Stale(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::Conflict("others change the directory all the time: try again".to_owned()))
    }
}

/// Whether it takes away the last who could take it back.
fn leaves_no_admin(directory: &Directory, company: CompanyId, plan: &Plan) -> bool {
    let is_admin = |user: &UserState| i64::from(user.role == Role::Admin && !user.deactivated);
    let admins: Vec<&str> = directory
        .users_of(company)
        .filter(|user| user.role == Role::Admin)
        .map(|user| user.extension.as_str())
        .collect();
    let more = |change: &Change| {
        if let Change::ChangeUser { from, to, .. } = change {
            is_admin(to) - is_admin(from)
        } else if let Change::AddUser { to, .. } = change {
            is_admin(to)
        } else if let Change::RemoveUser { extension, .. } = change {
            -i64::from(admins.contains(&extension.as_str()))
        } else {
            0
        }
    };
    let gained: i64 = plan.changes.iter().map(more).sum();
    i64::try_from(admins.len()).is_ok_and(|count| count > 0 && count + gained <= 0)
}

/// The user who asks; whoever stands above the companies is none.
fn own<'p>(person: &'p Person<'_>) -> Result<&'p User, Problem> {
    match person.actor {
        Actor::User(user) => Ok(user),
        Actor::Staff(_) => Err(Problem::Forbidden("only a user of a company has that")),
    }
}

pub(super) fn password_keys(secret: &Secret) -> Table {
    Table::from_iter([("password".to_owned(), secret.reveal().to_owned().into())])
}

fn table_of(kind: Kind, keys: &Map<String, Value>) -> Result<Table, Problem> {
    let wrong = |problems: Vec<FileProblem>| Problem::Unfit(problems.iter().map(ToString::to_string).collect());
    table_of_json(kind, keys).map_err(wrong)
}

fn lay(directory: &Directory, company: &Company, kind: Kind, name: &str, table: &Table) -> Result<Plan, Problem> {
    let file = CompanyFile::of_one(kind, &company.key, name, table.clone()).map_err(|errors| unfit(&errors))?;
    plan(directory, &file, false).map_err(|errors| unfit(&errors))
}

pub(super) fn unfit(errors: &[FileError]) -> Problem {
    Problem::Unfit(errors.iter().map(said).collect())
}

fn in_use(errors: &[FileError]) -> Problem {
    match errors {
        [FileError { problem: FileProblem::NotThere, .. }] => Problem::NotFound { what: "thing to remove" },
        [error] if matches!(error.problem, FileProblem::Replacement(_)) => unfit(errors),
        errors => Problem::InUse(errors.iter().map(use_of).collect()),
    }
}

fn use_of(error: &FileError) -> Use {
    let (kind, name) = match &error.place {
        Place::Company { key } => ("company", key.clone()),
        Place::User { extension, .. } => ("user", extension.clone()),
        Place::Number { e164, .. } => ("number", e164.clone()),
        Place::Trunk { name, .. } => ("trunk", name.clone()),
        Place::Facility { kind, name, .. } => (kind.as_str(), name.clone()),
        // A change of one thing comes from no file.
        Place::File | Place::Item { .. } => ("company", String::new()),
    };
    let (step, key) = match &error.problem {
        FileProblem::Step { step, .. } => (Some(step.to_string()), None),
        FileProblem::UnknownRoute(_) | FileProblem::UnknownFacility(_) => (None, Some("route")),
        FileProblem::UnknownNumber { key, .. }
        | FileProblem::UnknownName { key, .. }
        | FileProblem::UnknownForward { key, .. }
        | FileProblem::DeactivatedUser { key, .. } => (None, Some(*key)),
        FileProblem::NotAMember(_) => (None, Some("default_inbox")),
        FileProblem::PrimaryElsewhere(_) => (None, Some("primary")),
        _ => (None, None),
    };
    Use { kind, name, step, key, text: said(error) }
}

/// What can be removed.
fn thing(kind: Kind, name: &str) -> Result<Thing, Problem> {
    match kind {
        Kind::User => Ok(Thing::User(name.to_owned())),
        Kind::Number => Ok(Thing::Number(name.to_owned())),
        Kind::Trunk => Ok(Thing::Trunk(name.to_owned())),
        Kind::Facility(kind) => Ok(Thing::Facility(kind, name.to_owned())),
        Kind::Company | Kind::Settings => Err(Problem::Forbidden("a company is never removed: its history is its own")),
    }
}

/// The thing must be there, and be the one that the change was meant for.
fn fit(directory: &Directory, company: &Company, kind: Kind, name: &str, fits: &Fits) -> Result<(), Problem> {
    let company = directory.company(company.id).ok_or(Problem::NotLoggedIn)?;
    let thing = found(directory, company, kind, name)?;
    match fits.fit(&tag_of(&Value::Object(view(directory, company, kind, &thing)))) {
        true => Ok(()),
        false => Err(Problem::Changed),
    }
}

fn found(directory: &Directory, company: &Company, kind: Kind, name: &str) -> Result<Listed, Problem> {
    // There is one company and one set of settings, whatever it is called.
    let sole = matches!(kind, Kind::Company | Kind::Settings);
    let mut all = listed(directory, company, kind).into_iter();
    all.find(|thing| sole || thing.name == name).ok_or(Problem::NotFound { what: kind.as_str() })
}

fn shown(directory: &Directory, person: &Person<'_>, kind: Kind, name: &str) -> Result<Value, Problem> {
    let company = directory.company(person.company.id).ok_or(Problem::NotLoggedIn)?;
    let seen = seen(directory, company, person, kind)?;
    let thing = found(directory, company, kind, name)?;
    seen(&thing).map(Value::Object).ok_or(Problem::NotFound { what: kind.as_str() })
}

fn list(
    directory: &Directory,
    person: &Person<'_>,
    kind: Kind,
    only: &Only,
    after: Option<&str>,
    limit: usize,
) -> Result<Value, Problem> {
    let company = directory.company(person.company.id).ok_or(Problem::NotLoggedIn)?;
    let seen = seen(directory, company, person, kind)?;
    let all = listed(directory, company, kind);
    let rest = all.iter().filter(|thing| after.is_none_or(|after| thing.name.as_str() > after));
    let fitting = rest.filter(|thing| fits_filter(directory, person, only, thing));
    let limit = limit.clamp(1, MOST);
    let seen = fitting.filter_map(|thing| Some((thing.name.as_str(), seen(thing)?)));
    let mut items: Vec<(&str, Map<String, Value>)> = seen.take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|(name, _)| (*name).to_owned());
    let mut page = Map::new();
    page.insert(plural(kind).to_owned(), items.into_iter().map(|(_, view)| Value::Object(view)).collect());
    if let Some(next) = next {
        page.insert("next".to_owned(), next.into());
    }
    Ok(Value::Object(page))
}

fn fits_filter(directory: &Directory, person: &Person<'_>, only: &Only, thing: &Listed) -> bool {
    let Only { assigned, inbox, deactivated } = only;
    let number = directory.number_by_e164(&thing.name);
    let is_assigned = || number.is_some_and(|number| directory.message_route(number) != MessageRoute::Nowhere);
    let in_inbox = || {
        let inbox = number.and_then(|number| directory.inbox_of_number(number.id));
        inbox.filter(|inbox| person.knows(&inbox.members)).map(|inbox| inbox.name.as_str())
    };
    let is_deactivated = || thing.keys.iter().any(|(key, value)| *key == "deactivated" && *value == Some(true.into()));
    assigned.is_none_or(|assigned| assigned == is_assigned())
        && inbox.as_ref().is_none_or(|name| in_inbox() == Some(name.as_str()))
        && deactivated.is_none_or(|deactivated| deactivated == is_deactivated())
}

type Seen<'d> = Box<dyn Fn(&Listed) -> Option<Map<String, Value>> + 'd>;

/// What the person sees of a thing of that kind.
fn seen<'d>(
    directory: &'d Directory,
    company: &'d Company,
    person: &'d Person<'_>,
    kind: Kind,
) -> Result<Seen<'d>, Problem> {
    if person.is_admin() {
        return Ok(Box::new(move |thing| Some(view(directory, company, kind, thing))));
    }
    let user = own(person)?;
    let part = move |thing: &Listed, keys: &[&str]| {
        let mut whole = view(directory, company, kind, thing);
        whole.retain(|key, _| key == "id" || keys.contains(&key.as_str()));
        whole
    };
    match kind {
        Kind::Company => Ok(Box::new(move |thing| Some(part(thing, &["key", "name"])))),
        Kind::User => Ok(Box::new(move |thing| {
            directory.user_by_extension(company.id, &thing.name)?;
            Some(part(thing, &["extension", "name"]))
        })),
        Kind::Facility(FacilityKind::Group) => Ok(Box::new(move |thing| {
            let group = directory.group_by_name(company.id, &thing.name)?;
            person.knows(&group.members).then(|| part(thing, &["name", "label", "members"]))
        })),
        Kind::Facility(FacilityKind::Inbox) => Ok(Box::new(move |thing| {
            let inbox = directory.inbox_by_name(company.id, &thing.name)?;
            let keys = ["name", "label", "numbers", "primary", "members", "messaging", "history"];
            person.knows(&inbox.members).then(|| part(thing, &keys))
        })),
        Kind::Number => Ok(Box::new(move |thing| {
            let number = directory.number_by_e164(&thing.name)?;
            let mut view = directory.may_call_as(user, number).then(|| part(thing, &["number"]))?;
            number_view(directory, &thing.name, &mut view);
            // Whose it is besides theirs is nothing that they need.
            view.remove("assigned_to");
            if !directory.inbox_of_number(number.id).is_some_and(|inbox| person.knows(&inbox.members)) {
                view.insert("inbox".to_owned(), Value::Null);
                view.insert("primary".to_owned(), false.into());
            }
            Some(view)
        })),
        // One's own and those that one hears, and of the company's the global ones.
        Kind::Facility(FacilityKind::Voicemail) => Ok(Box::new(move |thing| {
            let mailbox = directory.mailbox_by_name(company.id, &thing.name)?;
            let keys = ["number", "context", "name", "owner", "access", "enabled"];
            let sees = mailbox.owner == BoxOwner::User(user.id) || mailbox.access == BoxAccess::Global;
            sees.then(|| part(thing, &keys))
        })),
        Kind::Settings | Kind::Trunk | Kind::Facility(FacilityKind::Flow | FacilityKind::Prompt) => {
            Err(Problem::Forbidden("only an admin may do that"))
        }
    }
}
