//! Shared inboxes: admins switch them on and off, members see theirs.

use super::{Desk, Person, number_of};
use crate::api::shared::{
    LicenceList, LicenceView, SharedAsk, SharedList, SharedReply, SharedView, all, change, switch_off, switch_on,
};
use crate::api::{Problem, Reply};
use crate::directory::{Directory, Inbox, Number};
use crate::store::Release;

const NO_SHARED: Problem = Problem::NotFound { what: "shared inbox" };

impl Desk {
    pub(super) async fn shared(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: SharedAsk,
    ) -> Result<Reply, Problem> {
        let company = person.company;
        let reply = match ask {
            SharedAsk::List => {
                let seen = all(directory, company).filter(|(_, inbox)| may_see(person, inbox));
                let shared_inboxes = seen.map(|(number, inbox)| SharedView::of(directory, number, inbox)).collect();
                SharedReply::List(SharedList { shared_inboxes })
            }
            SharedAsk::Show { number } => {
                let (number, inbox) = found(directory, person, &number)?;
                SharedReply::One(SharedView::of(directory, number, inbox))
            }
            SharedAsk::Enable { number, keys } => {
                person.must_be_admin()?;
                number_of(directory, company, &number)?;
                let made = self.change(person, |directory| {
                    switch_on(directory, company, number_of(directory, company, &number)?, &keys)
                });
                made.await?;
                self.shared_now(person, &number).await?
            }
            SharedAsk::Change { number, keys } => {
                person.must_be_admin()?;
                let made = self.change(person, |directory| {
                    let (_, inbox) = found(directory, person, &number)?;
                    change(directory, company, inbox, &keys)
                });
                made.await?;
                self.shared_now(person, &number).await?
            }
            SharedAsk::Disable { number } => {
                person.must_be_admin()?;
                let made = self.change(person, |directory| {
                    let (number, inbox) = found(directory, person, &number)?;
                    switch_off(directory, company, inbox, number)
                });
                made.await?;
                return Ok(Reply::Done);
            }
            SharedAsk::Licences => {
                person.must_be_admin()?;
                let licences = self.store.licences(company.id).await?;
                let licences = licences.iter().map(|licence| LicenceView::of(directory, licence)).collect();
                SharedReply::Licences(LicenceList { licences })
            }
            SharedAsk::Release { id } => {
                person.must_be_admin()?;
                if person.user().is_some() {
                    return Err(Problem::Forbidden("only an operator or a reseller releases a licence"));
                }
                match self.store.release_licence(company.id, id, &person.who(), self.world.wall()).await? {
                    Release::Done => self.note(person, "licence.release", format!("licence {id}")).await?,
                    Release::InUse => {
                        let text = format!("licence {id} is in use: switch its shared inbox off first");
                        return Err(Problem::Conflict(text));
                    }
                    Release::NotThere => return Err(Problem::NotFound { what: "licence" }),
                }
                return Ok(Reply::Done);
            }
        };
        Ok(Reply::Shared(reply))
    }

    async fn shared_now(&self, person: &Person<'_>, number: &str) -> Result<SharedReply, Problem> {
        let directory = self.directory().await?;
        let (number, inbox) = found(&directory, person, number)?;
        Ok(SharedReply::One(SharedView::of(&directory, number, inbox)))
    }
}

fn may_see(person: &Person<'_>, inbox: &Inbox) -> bool {
    person.is_admin() || person.user().is_some_and(|user| inbox.members.contains(&user.id))
}

/// The shared inbox of a number, for whoever may know of it.
fn found<'d>(directory: &'d Directory, person: &Person<'_>, e164: &str) -> Result<(&'d Number, &'d Inbox), Problem> {
    let number = number_of(directory, person.company, e164).map_err(|_| NO_SHARED)?;
    let inbox = directory.shared_inbox(number.id).filter(|inbox| may_see(person, inbox));
    inbox.map(|inbox| (number, inbox)).ok_or(NO_SHARED)
}
