//! Operators and resellers: what is above the companies.

use super::directory::unfit;
use super::session::{Turn, staff_lock};
use super::{Desk, Doer, NO_COMPANY, NO_PAGE};
use crate::api::staff::{
    CompanyItem, CompanyList, MadeCompany, NewCompany, StaffAsk, StaffList, StaffPassword, StaffReply, StaffView,
};
use crate::api::{Ask, Problem, Reply, Request, Viewer};
use crate::base::CompanyId;
use crate::directory::file::{CompanyFile, Kind, Secret};
use crate::directory::plan::{WebPassword, plan};
use crate::directory::{Company, Directory};
use crate::store::{By, StaffKind, StaffRow};
use toml::{Table, Value};

const NOBODY: Problem = Problem::NotFound { what: "operator or reseller" };
/// Lines of the access log that are of no one company.
const SERVICE: CompanyId = CompanyId(0);

impl Desk {
    /// What is asked of no one company.
    pub(super) async fn answer_staff(
        &self,
        directory: &Directory,
        viewer: &Viewer,
        staff: Option<&StaffRow>,
        ask: Ask,
    ) -> Result<Reply, Problem> {
        let staff = staff.ok_or(Problem::NotLoggedIn)?;
        match ask {
            Ask::Me => Ok(Reply::StaffMe(self.staff_view(directory, staff))),
            Ask::LogOut => self.log_out(directory, viewer).await,
            Ask::Tokens(ask) => self.tokens(viewer, &self.staff_doer(viewer, staff), ask).await,
            Ask::Lockouts(ask) => match staff.kind {
                StaffKind::Operator => self.lockouts(&self.staff_doer(viewer, staff), None, ask).await,
                StaffKind::Reseller => Err(Problem::NoCompany),
            },
            Ask::Staff(ask) => self.staff(directory, viewer, staff, ask).await,
            // All others are of a company.
            _ => Err(NO_PAGE),
        }
    }

    async fn staff(
        &self,
        directory: &Directory,
        viewer: &Viewer,
        staff: &StaffRow,
        ask: StaffAsk,
    ) -> Result<Reply, Problem> {
        let is_operator = staff.kind == StaffKind::Operator;
        let own = matches!(&ask, StaffAsk::Companies)
            || matches!(&ask, StaffAsk::Password { name, .. } if *name == staff.name);
        if !is_operator && !own {
            return Err(Problem::Forbidden("only an operator may do that"));
        }
        match ask {
            StaffAsk::Companies => Ok(Reply::Staff(StaffReply::Companies(companies(directory, staff)))),
            StaffAsk::AddCompany(new) => self.add_company(viewer, staff, new).await,
            StaffAsk::List => {
                let staff = self.store.all_staff().await?;
                let staff = staff.iter().map(|one| self.staff_view(directory, one)).collect();
                Ok(Reply::Staff(StaffReply::List(StaffList { staff })))
            }
            StaffAsk::Add { name, kind, password } => {
                let name = good_name(name)?;
                let (hash, shown) = self.hashed(&self.turn().await?, password).await?;
                let added = self.store.add_staff(&name, kind, &hash, self.world.wall()).await?;
                if added.is_none() {
                    return Err(Problem::Conflict(format!("name: `{name}` is taken")));
                }
                self.note_staff(viewer, staff, "staff.add", format!("{} {name}", kind.as_str())).await?;
                Ok(Reply::Staff(StaffReply::Password(StaffPassword { name, password: shown })))
            }
            StaffAsk::Remove { name } => {
                let other = self.store.staff_by_name(&name).await?.ok_or(NOBODY)?;
                if !self.store.remove_staff(other.id).await? {
                    return Err(Problem::Conflict(format!("{name} is the last operator: add another one first")));
                }
                self.operator.ask(Request::Wake).await;
                self.note_staff(viewer, staff, "staff.remove", name).await?;
                Ok(Reply::Done)
            }
            StaffAsk::Password { name, present, password } => {
                let other = self.store.staff_by_name(&name).await?.ok_or(NOBODY)?;
                let turn = self.turn().await?;
                if other.id == staff.id {
                    let present = present.as_deref().unwrap_or_default();
                    self.proves_present(&turn, &staff_lock(&name), viewer, present).await?;
                }
                let (hash, shown) = self.hashed(&turn, password).await?;
                drop(turn);
                self.store.set_staff_password(other.id, &hash).await?;
                // Streams of sessions that are over end now.
                self.operator.ask(Request::Wake).await;
                self.note_staff(viewer, staff, "staff.password", name.clone()).await?;
                Ok(Reply::Staff(StaffReply::Password(StaffPassword { name, password: shown })))
            }
            StaffAsk::Give { name, company } => {
                let (other, id) = self.reseller(directory, &name, &company).await?;
                self.store.give_company(other.id, id).await?;
                self.note_staff(viewer, staff, "staff.give", format!("{company} to {name}")).await?;
                Ok(Reply::Done)
            }
            StaffAsk::Take { name, company } => {
                let (other, id) = self.reseller(directory, &name, &company).await?;
                self.store.take_company(other.id, id).await?;
                self.operator.ask(Request::Wake).await;
                self.note_staff(viewer, staff, "staff.take", format!("{company} from {name}")).await?;
                Ok(Reply::Done)
            }
        }
    }

    async fn add_company(&self, viewer: &Viewer, staff: &StaffRow, new: NewCompany) -> Result<Reply, Problem> {
        let NewCompany { key, name, domains, realm, admin, admin_name } = new;
        let by = self.staff_doer(viewer, staff).by;
        let text = |(key, value): (&str, Option<String>)| Some((key.to_owned(), Value::String(value?)));
        let made = self.change_by(&by, |directory| {
            if directory.company_by_key(&key).is_some() {
                return Err(Problem::Conflict(format!("key: `{key}` is taken")));
            }
            let mut keys: Table =
                [("name", name.clone()), ("realm", realm.clone())].into_iter().filter_map(text).collect();
            keys.insert("domains".to_owned(), Value::Array(domains.iter().cloned().map(Value::String).collect()));
            let mut file = CompanyFile::of_one(Kind::Company, &key, &key, keys).map_err(|errors| unfit(&errors))?;
            let mut keys: Table = [("name", admin_name.clone())].into_iter().filter_map(text).collect();
            keys.insert("role".to_owned(), Value::String("admin".to_owned()));
            keys.insert("generate_password".to_owned(), Value::Boolean(true));
            file.users = CompanyFile::of_one(Kind::User, &key, &admin, keys).map_err(|errors| unfit(&errors))?.users;
            plan(directory, &file, false).map_err(|errors| unfit(&errors))
        });
        let password = made.await?.generated.first().map(|made| made.password.reveal().to_owned());
        let directory = self.directory().await?;
        let company = directory.company_by_key(&key).map(|company| item(&directory, company)).ok_or(NO_COMPANY)?;
        let password = password.ok_or(Problem::Internal)?;
        Ok(Reply::Staff(StaffReply::Company(MadeCompany { company, admin, password })))
    }

    async fn reseller(
        &self,
        directory: &Directory,
        name: &str,
        company: &str,
    ) -> Result<(StaffRow, CompanyId), Problem> {
        let other = self.store.staff_by_name(name).await?.ok_or(NOBODY)?;
        let company = directory.company_by_key(company).ok_or(NO_COMPANY)?;
        match other.kind {
            StaffKind::Reseller => Ok((other, company.id)),
            StaffKind::Operator => Err(Problem::Conflict(format!("{name} is an operator, who has every company"))),
        }
    }

    /// The Argon2 hash of a password, and the password where it was made here.
    async fn hashed(&self, _turn: &Turn<'_>, password: Option<String>) -> Result<(String, Option<String>), Problem> {
        let wrong = |_| Problem::Invalid {
            key: "password",
            value: "…".to_owned(),
            expected: "8 to 128 characters, none of them a control character",
        };
        let given = password.map(Secret::try_from).transpose().map_err(wrong)?;
        let drawn = WebPassword::draw(given, &mut *self.world.random());
        let shown = drawn.generated().map(|secret| secret.reveal().to_owned());
        let hash = tokio::task::spawn_blocking(move || drawn.argon2()).await.map_err(|_| Problem::Internal)?;
        Ok((hash.map_err(|_| Problem::Internal)?, shown))
    }

    pub(super) fn staff_view(&self, directory: &Directory, staff: &StaffRow) -> StaffView {
        let StaffRow { id: _, name, kind, companies } = staff;
        let keys = companies.iter().filter_map(|id| directory.company(*id)).map(|company| company.key.clone());
        StaffView { name: name.clone(), kind: *kind, companies: keys.collect() }
    }

    fn staff_doer(&self, viewer: &Viewer, staff: &StaffRow) -> Doer {
        let who = format!("{} {}", staff.kind.as_str(), staff.name);
        let by = By { at: self.world.wall(), user: None, who, source: viewer.source.to_string(), keeps: None };
        Doer { company: SERVICE, by }
    }

    async fn note_staff(&self, viewer: &Viewer, staff: &StaffRow, action: &str, thing: String) -> Result<(), Problem> {
        self.log(&self.staff_doer(viewer, staff), action, thing).await
    }
}

fn companies(directory: &Directory, staff: &StaffRow) -> CompanyList {
    let given = directory.companies().filter(|company| staff.administers(company.id));
    CompanyList { companies: given.map(|company| item(directory, company)).collect() }
}

fn item(directory: &Directory, company: &Company) -> CompanyItem {
    CompanyItem {
        key: company.key.clone(),
        name: company.name.clone(),
        domains: company.domains.clone(),
        users: directory.users_of(company.id).count(),
        numbers: directory.numbers_of(company.id).count(),
    }
}

fn good_name(name: String) -> Result<String, Problem> {
    match crate::store::is_staff_name(&name) {
        true => Ok(name),
        false => {
            Err(Problem::Invalid { key: "name", value: name, expected: "1 to 40 of a-z, 0-9, `-`, `_`, `.` and `@`" })
        }
    }
}
