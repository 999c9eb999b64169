//! The directory, read whole.

use super::row::Reading;
use super::{Store, StoreError, facilities};
use crate::base::{CompanyId, FlowId, GroupId, InboxId, NumberId, TrunkId, UserId};
use crate::directory::file::Secret;
use crate::directory::{
    Company, Directory, FacilityKind, FacilityRow, InboundLogin, Login, LoginSecret, NoticeTo, Number, NumberRecording,
    Role, Route, Trunk, User,
};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;

impl Store {
    /// The directory of one moment.
    pub async fn load_directory(&self) -> Result<Directory, StoreError> {
        let mut transaction = self.read().await?;
        let version = version(&mut transaction).await?;
        let mut domains = domains(&mut transaction).await?;
        let companies =
            sqlx::query("SELECT id, key, name, realm, settings, default_number_id FROM companies ORDER BY id")
                .fetch_all(&mut *transaction)
                .await?;
        let users = sqlx::query(
            "SELECT id, company_id, extension, name, auth_name, ha1_md5, ha1_sha256, role, overrides, number_id, auth,
                    calls, destinations, deactivated
             FROM users ORDER BY id",
        )
        .fetch_all(&mut *transaction)
        .await?;
        let numbers = sqlx::query(
            "SELECT id, company_id, e164, route_user_id, route, recording, notice, dial_prefix, retention_days
             FROM numbers ORDER BY id",
        )
        .fetch_all(&mut *transaction)
        .await?;
        let trunks = sqlx::query("SELECT * FROM trunks ORDER BY id").fetch_all(&mut *transaction).await?;
        let companies: Vec<_> = companies.iter().map(|row| company(row, &mut domains)).collect::<Result<_, _>>()?;
        let (mut active, mut deactivated) = (Vec::new(), Vec::new());
        for row in &users {
            let is_active = Reading::new("users", row).wall_or_none("deactivated")?.is_none();
            if is_active { &mut active } else { &mut deactivated }.push(user(row)?);
        }
        let facilities = facilities::read(&mut transaction).await?;
        let names = Names::of(&facilities);
        let numbers: Vec<_> = numbers.iter().map(|row| number(row, &names)).collect::<Result<_, _>>()?;
        let trunks: Vec<_> = trunks.iter().map(trunk).collect::<Result<_, _>>()?;
        let directory = Directory::new(companies, active, numbers, trunks);
        let directory = directory.with_deactivated(deactivated).with_facilities(facilities);
        Ok(directory.with_version(version))
    }

    /// The version that [`Store::load_directory`] would read: a cheap question whether a
    /// snapshot is still true.
    pub async fn directory_version(&self) -> Result<i64, StoreError> {
        let mut transaction = self.read().await?;
        version(&mut transaction).await
    }
}

async fn version(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT version FROM directory_version").fetch_one(connection).await?;
    Reading::new("directory_version", &row).get("version")
}

async fn domains(connection: &mut SqliteConnection) -> Result<HashMap<i64, Vec<String>>, StoreError> {
    let mut domains: HashMap<i64, Vec<String>> = HashMap::new();
    let rows = sqlx::query("SELECT domain, company_id FROM domains ORDER BY company_id, position")
        .fetch_all(connection)
        .await?;
    for row in &rows {
        let row = Reading::new("domains", row);
        domains.entry(row.get("company_id")?).or_default().push(row.text("domain")?);
    }
    Ok(domains)
}

fn company(row: &SqliteRow, domains: &mut HashMap<i64, Vec<String>>) -> Result<Company, StoreError> {
    let row = Reading::new("companies", row);
    let id: i64 = row.get("id")?;
    Ok(Company {
        id: CompanyId(id),
        key: row.text("key")?,
        name: row.text("name")?,
        domains: domains.remove(&id).unwrap_or_default(),
        realm: row.text("realm")?,
        settings: row.json("settings")?,
        default_number: row.get::<Option<i64>>("default_number_id")?.map(NumberId),
    })
}

fn user(row: &SqliteRow) -> Result<User, StoreError> {
    let row = Reading::new("users", row);
    let auth = match row.get::<Option<String>>("auth")? {
        Some(_) => Some(row.json("auth")?),
        None => None,
    };
    let destinations = match row.get::<Option<String>>("destinations")? {
        Some(_) => Some(row.json("destinations")?),
        None => None,
    };
    Ok(User {
        id: UserId(row.get("id")?),
        company: CompanyId(row.get("company_id")?),
        extension: row.text("extension")?,
        name: row.text("name")?,
        auth_name: row.text("auth_name")?,
        ha1_md5: row.text("ha1_md5")?,
        ha1_sha256: row.text("ha1_sha256")?,
        role: row.word("role", Role::parse)?,
        overrides: row.json("overrides")?,
        number: row.get::<Option<i64>>("number_id")?.map(NumberId),
        auth,
        calls: row.json("calls")?,
        destinations,
    })
}

/// Ids of facilities by company, kind and name.
struct Names(HashMap<(CompanyId, FacilityKind, String), i64>);

impl Names {
    fn of(rows: &[FacilityRow]) -> Self {
        Names(rows.iter().map(|row| ((row.company, row.facility.kind(), row.name.clone()), row.id)).collect())
    }

    /// What `group:NAME`, `inbox:NAME` or `flow:NAME` stands for.
    fn route(&self, company: CompanyId, text: &str) -> Option<Route> {
        let (kind, name) = text.split_once(':')?;
        let kind = FacilityKind::parse(kind)?;
        let id = *self.0.get(&(company, kind, name.to_owned()))?;
        match kind {
            FacilityKind::Group => Some(Route::Group(GroupId(id))),
            FacilityKind::Inbox => Some(Route::Inbox(InboxId(id))),
            FacilityKind::Flow => Some(Route::Flow(FlowId(id))),
            FacilityKind::Prompt | FacilityKind::Voicemail => None,
        }
    }
}

fn number(row: &SqliteRow, names: &Names) -> Result<Number, StoreError> {
    let row = Reading::new("numbers", row);
    let company = CompanyId(row.get("company_id")?);
    let user = row.get::<Option<i64>>("route_user_id")?.map(|user| Route::User(UserId(user)));
    let facility = row.get::<Option<String>>("route")?;
    let facility = facility.and_then(|text| names.route(company, &text));
    Ok(Number {
        id: NumberId(row.get("id")?),
        company,
        e164: row.text("e164")?,
        route: user.or(facility).unwrap_or(Route::Unrouted),
        recording: row.word("recording", NumberRecording::parse)?,
        notice: match row.get::<Option<String>>("notice")? {
            Some(_) => Some(row.word("notice", NoticeTo::parse)?),
            None => None,
        },
        dial_prefix: row.get("dial_prefix")?,
        retention_days: row.get::<Option<i64>>("retention_days")?.and_then(|days| u32::try_from(days).ok()),
    })
}

fn trunk(row: &SqliteRow) -> Result<Trunk, StoreError> {
    let row = Reading::new("trunks", row);
    let login = match (row.get::<Option<String>>("login_user")?, row.get::<Option<String>>("login_realm")?) {
        (None, _) => None,
        (Some(user), Some(realm)) => {
            let (md5, sha256) = (row.text("login_ha1_md5")?, row.text("login_ha1_sha256")?);
            Some(Login { user, secret: LoginSecret::Hashes { realm, md5, sha256 } })
        }
        (Some(user), None) => {
            Some(Login { user, secret: LoginSecret::Clear(Secret::stored(row.text("login_password")?)) })
        }
    };
    let inbound = match row.get::<Option<String>>("inbound_user")? {
        Some(user) => Some(InboundLogin {
            user,
            ha1_md5: row.text("inbound_ha1_md5")?,
            ha1_sha256: row.text("inbound_ha1_sha256")?,
        }),
        None => None,
    };
    Ok(Trunk {
        id: TrunkId(row.get("id")?),
        company: CompanyId(row.get("company_id")?),
        name: row.text("name")?,
        addresses: row.json("addresses")?,
        targets: row.json("targets")?,
        settings: row.json("settings")?,
        login,
        inbound,
        texts_secret: Some(row.text("texts_secret")?).filter(|secret| !secret.is_empty()).map(Secret::stored),
    })
}
