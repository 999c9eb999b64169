//! Phones that are registered now, for admins.

use super::{Desk, Person};
use crate::api::devices::{DeviceList, DevicesAsk, UserDevice};
use crate::api::{Answer, DeviceView, Problem, Registered, Reply, Request};
use crate::base::UserId;
use crate::directory::{Directory, User};

const NO_USER: Problem = Problem::NotFound { what: "user" };

impl Desk {
    /// What one user has registered.
    pub(super) async fn devices_of(&self, user: UserId) -> Result<Vec<DeviceView>, Problem> {
        let devices = self.registered(vec![user]).await?;
        Ok(devices.into_iter().map(|of| of.device).collect())
    }

    /// Of which users of the company which devices are registered.
    pub(super) async fn devices(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: DevicesAsk,
    ) -> Result<Reply, Problem> {
        person.must_be_admin()?;
        let DevicesAsk { user, after, limit } = ask;
        let company = person.company.id;
        let users: Vec<&User> = match user {
            Some(extension) => vec![directory.user_by_extension(company, &extension).ok_or(NO_USER)?],
            None => directory
                .users_of(company)
                .filter(|user| after.as_ref().is_none_or(|at| user.extension > *at))
                .collect(),
        };
        let registered = self.registered(users.iter().map(|user| user.id).collect()).await?;
        let limit = limit.clamp(1, DevicesAsk::MOST);
        let of_each: Vec<&[Registered]> = registered.chunk_by(|one, other| one.user == other.user).collect();
        let view = |Registered { user, device }: &Registered| {
            let user = directory.user(*user)?;
            Some(UserDevice { extension: user.extension.clone(), name: user.name.clone(), device: device.clone() })
        };
        let devices: Vec<UserDevice> = of_each.iter().take(limit).copied().flatten().filter_map(view).collect();
        let next = devices.last().filter(|_| of_each.len() > limit).map(|last| last.extension.clone());
        let list = DeviceList { devices, next };
        Ok(Reply::Devices(list))
    }

    /// In the order of `users`.
    async fn registered(&self, users: Vec<UserId>) -> Result<Vec<Registered>, Problem> {
        match self.operator.ask(Request::DevicesOf { users }).await {
            Answer::Devices { devices } => Ok(devices),
            _ => Err(Problem::Internal),
        }
    }
}
