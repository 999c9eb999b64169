//! A user's own voicemail box: by the plan that an admin's changes of it are made by, and no more of it
//! than is theirs.

use super::{Desk, FileProblem, Person, own, said, table_of};
use crate::api::Problem;
use crate::api::directory::{DirectoryReply, Fits, tag_of};
use crate::api::own_box::{OWN_KEYS, OwnBoxAsk, OwnBoxView};
use crate::directory::file::{CompanyFile, FileError, Kind};
use crate::directory::plan::{Plan, plan};
use crate::directory::{Company, Directory, FacilityKind, Mailbox, User};
use serde_json::{Map, Value};
use toml::Table;

const KIND: Kind = Kind::Facility(FacilityKind::Voicemail);
const NO_BOX: Problem = Problem::NotFound { what: "voicemail box of yours" };

impl Desk {
    pub(super) async fn own_box(&self, person: &Person<'_>, ask: OwnBoxAsk) -> Result<DirectoryReply, Problem> {
        let user = own(person)?;
        if let OwnBoxAsk::Change { keys, fits } = ask {
            // Whoever has none is told that first.
            let directory = self.directory().await?;
            box_of(&directory, user)?;
            let table = own_table(&keys)?;
            self.change(person, |directory| lay(directory, person.company, user, &table, &fits)).await?;
        }
        let directory = self.directory().await?;
        Ok(DirectoryReply::View(shown(box_of(&directory, user)?)?))
    }
}

fn box_of<'d>(directory: &'d Directory, user: &User) -> Result<&'d Mailbox, Problem> {
    directory.mailbox_of_user(user.id).ok_or(NO_BOX)
}

fn shown(mailbox: &Mailbox) -> Result<Value, Problem> {
    serde_json::to_value(OwnBoxView::of(mailbox)).map_err(|_| Problem::Internal)
}

/// The keys as the company file has them; those that are not the owner's are named.
fn own_table(keys: &Map<String, Value>) -> Result<Table, Problem> {
    let not_own = keys.keys().filter(|key| !OWN_KEYS.contains(&key.as_str()));
    let problems: Vec<String> = not_own
        .map(|key| format!("`{key}` is not yours to change: of your own box you change {}", OWN_KEYS.join(", ")))
        .collect();
    match problems.is_empty() {
        true => table_of(KIND, keys),
        false => Err(Problem::Unfit(problems)),
    }
}

/// The box is looked up in the directory that the plan is made of: it may have become somebody else's.
fn lay(directory: &Directory, company: &Company, user: &User, table: &Table, fits: &Fits) -> Result<Plan, Problem> {
    let mailbox = box_of(directory, user)?;
    if !fits.fit(&tag_of(&shown(mailbox)?)) {
        return Err(Problem::Changed);
    }
    let file =
        CompanyFile::of_one(KIND, &company.key, &mailbox.key(), table.clone()).map_err(|errors| unfit(&errors))?;
    plan(directory, &file, false).map_err(|errors| unfit(&errors))
}

/// What the way out is for an owner, who cannot switch `delete_messages` off.
fn unfit(errors: &[FileError]) -> Problem {
    let said = |error: &FileError| match error.problem == FileProblem::DeleteUnmailed {
        true => format!(
            "{}: `delete_messages` is on, so it needs `email` and `attach_audio`: messages would be lost unheard; \
             keep both, or ask an admin to switch it off",
            error.place
        ),
        false => said(error),
    };
    Problem::Unfit(errors.iter().map(said).collect())
}
