//! Links that set softphones up: made for whoever proves a password or may make one, fetched once.

use super::{Desk, NO_USER, Person};
use crate::api::Problem;
use crate::api::directory::Fits;
use crate::api::provisioning::{Account, MOST_LINKS, OPEN_FOR, ProvisionAsk, ProvisionView, Setup, document, svg};
use crate::call::LockName;
use crate::directory::file::{Kind, Secret};
use crate::directory::plan::generated;
use crate::directory::{Directory, User};
use crate::store::Owner;
use zeroize::Zeroizing;

const NO_LINK: Problem = Problem::NotFound { what: "link" };

impl Desk {
    /// Opens a link, for a user whose password is given, or made anew.
    pub(super) async fn provision(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: ProvisionAsk,
    ) -> Result<ProvisionView, Problem> {
        let ProvisionAsk { extension, password, base } = ask;
        let user = match &extension {
            Some(extension) => {
                person.must_be_admin()?;
                directory.user_by_extension(person.company.id, extension).ok_or(NO_USER)?
            }
            None => person.user().ok_or(Problem::Forbidden("only a user of a company has that"))?,
        };
        if self.provisioning.server().is_none() {
            return Err(Problem::Conflict("the service listens for no phone: set `sip.listen`".to_owned()));
        }
        let (secret, made) = match password {
            Some(password) => (self.proven_password(person, user, password).await?, None),
            None => {
                if !person.is_admin() {
                    let expected = "your password; only an admin may have a new one made";
                    return Err(Problem::Invalid { key: "password", value: String::new(), expected });
                }
                let made = self.new_password(person, user).await?;
                (made.clone(), Some(made))
            }
        };
        let setup = Setup { user: user.id, password: Zeroizing::new(secret.reveal().to_owned()) };
        let full =
            || Problem::TooMuch(format!("{MOST_LINKS} links are open, as many as there may be: try again later"));
        let token = self.links.open(setup, &mut *self.world.random(), self.world.now()).ok_or_else(full)?;
        self.note(person, "user.provision", format!("user {}", user.extension)).await?;
        let url = format!("{}/provision/{token}", self.provisioning.url.as_ref().unwrap_or(&base));
        Ok(ProvisionView {
            extension: user.extension.clone(),
            qr: svg(&url)?,
            url,
            expires: self.world.wall().plus(OPEN_FOR).to_string(),
            password_changed: made.is_some(),
            password: made.map(|made| made.reveal().to_owned()),
        })
    }

    /// What a phone fetches by a link, which is closed by that. One that is over or was used is as one that
    /// there never was.
    pub async fn fetch_provisioning(&self, token: &str) -> Result<String, Problem> {
        let setup = self.links.take(token, self.world.now()).ok_or(NO_LINK)?;
        let directory = self.directory().await?;
        let user = directory.user(setup.user).ok_or(NO_LINK)?;
        let company = directory.company(user.company).ok_or(NO_LINK)?;
        let server = self.provisioning.server().ok_or(NO_LINK)?;
        Ok(document(&Account { company, user, password: &setup.password, server }))
    }

    /// A wrong one counts as at a log-in of the user.
    async fn proven_password(&self, person: &Person<'_>, user: &User, said: Secret) -> Result<Secret, Problem> {
        let turn = self.turn().await?;
        let name = LockName::new(user.company, &user.extension);
        let whose = (&name, person.viewer.source);
        match self.proves(&turn, whose, Some(Owner::User(user.id)), said.reveal()).await? {
            true => Ok(said),
            false => {
                let expected = "the user's password, which phones and log-ins have";
                Err(Problem::Invalid { key: "password", value: "…".to_owned(), expected })
            }
        }
    }

    async fn new_password(&self, person: &Person<'_>, user: &User) -> Result<Secret, Problem> {
        let made = generated(&mut *self.world.random());
        let _turn = self.turn().await?;
        let keys = super::directory::password_keys(&made);
        self.lay(person, Kind::User, &user.extension, &keys, &Fits::default()).await?;
        Ok(made)
    }
}
