//! Who receives the recordings of a number: chosen by admins.

use super::{Desk, NO_USER, Person, number_of};
use crate::api::{Problem, Reply};
use crate::directory::{Directory, Number, User};
use crate::store::SubscriptionChange;

impl Desk {
    pub(super) async fn subscribers(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        e164: &str,
    ) -> Result<Reply, Problem> {
        person.must_be_admin()?;
        let number = number_of(directory, person.company, e164)?;
        let users = self.store.subscribers_of(number.id).await?;
        let extensions = users.into_iter().filter_map(|user| directory.user(user)).map(|user| user.extension.clone());
        Ok(Reply::Subscribers(extensions.collect()))
    }

    pub(super) async fn change_subscription(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        (e164, extension): (&str, &str),
        change: SubscriptionChange,
    ) -> Result<Reply, Problem> {
        let (number, user) = subscription(directory, person, e164, extension)?;
        self.store.change_subscription(number, user, change, &self.by(person)).await?;
        Ok(Reply::Done)
    }
}

/// The number and the user of a subscription that the person may change.
fn subscription<'d>(
    directory: &'d Directory,
    person: &Person<'_>,
    e164: &str,
    extension: &str,
) -> Result<(&'d Number, &'d User), Problem> {
    person.must_be_admin()?;
    let number = number_of(directory, person.company, e164)?;
    let user = directory.user_by_extension(person.company.id, extension).ok_or(NO_USER)?;
    Ok((number, user))
}
