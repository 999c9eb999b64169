//! Call flows tried: by the code that walks them for calls.

use super::{Desk, NO_NUMBER, Person, number_of};
use crate::api::Problem;
use crate::api::trying::{TryAsk, TryError, TryView, WhichFlow};
use crate::base::{Direction, FlowId, Wall};
use crate::call::{Supposed, try_flow};
use crate::directory::file::{CompanyFile, Kind, table_of_json};
use crate::directory::plan::trial;
use crate::directory::{Company, Directory, FacilityKind};
use jiff::civil::DateTime;
use serde_json::{Map, Value};
use std::sync::Arc;

const FLOW: Kind = Kind::Facility(FacilityKind::Flow);
/// The name of a draft that says none.
const DRAFT: &str = "draft";
/// Keys that are pressed in one menu.
const MOST_KEYS: usize = 32;
const MOST_MENUS: usize = 200;

/// A directory with the flow in it.
struct Stage {
    directory: Arc<Directory>,
    flow: FlowId,
}

impl Desk {
    pub(super) async fn try_call_flow(&self, person: &Person<'_>, ask: TryAsk) -> Result<TryView, Problem> {
        person.must_be_admin()?;
        let TryAsk { which, number, caller, at, keys, answered } = ask;
        let now = self.directory().await?;
        let company = now.company(person.company.id).ok_or(Problem::NotLoggedIn)?;
        let at = at.map(|text| moment(company, text)).transpose()?.unwrap_or_else(|| self.world.wall());
        let direction = direction(&now, company, caller)?;
        if let Some(e164) = &number {
            number_of(&now, company, e164)?;
        }
        pressed(&keys)?;
        let stage = match which {
            WhichFlow::Named(name) => {
                let flow = now.facility_id(company.id, FacilityKind::Flow, &name);
                let flow = flow.ok_or(Problem::NotFound { what: "flow" })?;
                Stage { directory: Arc::clone(&now), flow: FlowId(flow) }
            }
            WhichFlow::Draft(keys) => match draft(&now, company, &keys) {
                Ok(stage) => stage,
                Err(errors) => return Ok(TryView::invalid(errors)),
            },
        };
        let Stage { directory, flow } = stage;
        let company = directory.company_by_key(&company.key).ok_or(Problem::Internal)?;
        // Ids of a draft's directory are its own.
        let number = number.map(|e164| directory.number_by_e164(&e164).map(|number| number.id).ok_or(NO_NUMBER));
        let supposed = Supposed { at, direction, number: number.transpose()?, keys, answered };
        let tried = try_flow(&directory, company.id, flow, &supposed);
        let dangers = directory.flow(flow).map(|flow| directory.dangers_of_flow(flow)).unwrap_or_default();
        Ok(TryView::of(&directory, &tried, dangers.iter().map(ToString::to_string).collect()))
    }
}

/// The directory as it would be with the draft, or all that is wrong with it.
fn draft(now: &Directory, company: &Company, keys: &Map<String, Value>) -> Result<Stage, Vec<TryError>> {
    let name = FLOW.name_in(keys).unwrap_or_else(|| DRAFT.to_owned());
    let of_values = |problems: Vec<_>| -> Vec<TryError> {
        problems.iter().map(|problem| TryError::of(problem, ToString::to_string(problem), keys)).collect()
    };
    let of_file =
        |errors: Vec<_>| -> Vec<TryError> { errors.iter().map(|error| TryError::of_file(error, keys)).collect() };
    let table = table_of_json(FLOW, keys).map_err(of_values)?;
    let file = CompanyFile::of_one(FLOW, &company.key, &name, table).map_err(of_file)?;
    let directory = trial(now, &file).map_err(of_file)?;
    let of = directory.company_by_key(&company.key);
    let flow = of.and_then(|company| directory.facility_id(company.id, FacilityKind::Flow, &name));
    Ok(Stage { flow: FlowId(flow.unwrap_or_default()), directory: Arc::new(directory) })
}

/// With an offset, or a time of the company's own zone.
fn moment(company: &Company, value: String) -> Result<Wall, Problem> {
    let local = || {
        let there = value.parse::<DateTime>().ok()?;
        Some(there.to_zoned(company.settings.time_zone.time_zone()).ok()?.timestamp())
    };
    let at = value.parse::<jiff::Timestamp>().ok().or_else(local);
    let expected = "a time such as 2026-11-27T09:00:00Z, or 2026-11-27T09:00 in the company's time zone";
    let at = at.ok_or(Problem::Invalid { key: "at", value, expected })?;
    Ok(Wall::from_unix_micros(at.as_microsecond()))
}

/// A user calls inside; everybody else comes from outside.
fn direction(directory: &Directory, company: &Company, caller: Option<String>) -> Result<Direction, Problem> {
    let Some(value) = caller else { return Ok(Direction::Inbound) };
    if directory.user_by_extension(company.id, &value).is_some() {
        return Ok(Direction::Internal);
    }
    match crate::store::Contact::parse(&value) {
        Some(_) => Ok(Direction::Inbound),
        None => {
            let expected = "an outside number such as +4930555, or the extension of a user";
            Err(Problem::Invalid { key: "caller", value, expected })
        }
    }
}

fn pressed(keys: &std::collections::BTreeMap<String, String>) -> Result<(), Problem> {
    let is_key = |key: char| key.is_ascii_digit() || matches!(key, '*' | '#');
    let good = |keys: &String| keys.len() <= MOST_KEYS && keys.chars().all(is_key);
    let bad = keys.iter().find(|(_, keys)| !good(keys)).map(|(menu, _)| menu.clone());
    let many = (keys.len() > MOST_MENUS).then(|| format!("{} menus", keys.len()));
    match bad.or(many) {
        None => Ok(()),
        Some(value) => {
            let expected = "for the name of a menu the keys that are pressed in it: 0-9, * and #, 32 at most";
            Err(Problem::Invalid { key: "keys", value, expected })
        }
    }
}
