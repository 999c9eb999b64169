//! Locks after wrong passwords, for admins and operators.

use super::{Desk, Doer};
use crate::api::locks::{LockAsk, LockCleared, LockPage, LockReply};
use crate::api::{Answer, Problem, Reply, Request};
use crate::base::CompanyId;

impl Desk {
    /// `of`: an admin's company; `None`: an operator asks of all.
    pub(super) async fn lockouts(&self, doer: &Doer, of: Option<CompanyId>, ask: LockAsk) -> Result<Reply, Problem> {
        let reply = match ask {
            LockAsk::List { after, limit } => {
                let Answer::Lockouts { locks } = self.operator.ask(Request::LockoutList { company: of }).await else {
                    return Err(Problem::Internal);
                };
                LockReply::Page(LockPage::of(locks, after.as_deref(), limit))
            }
            LockAsk::Clear { only } => {
                let thing = only.clone().unwrap_or_else(|| "all".to_owned());
                self.log(doer, "lockout.clear", thing).await?;
                let request = Request::LockoutClear { only, company: of };
                let Answer::Cleared { entries } = self.operator.ask(request).await else {
                    return Err(Problem::Internal);
                };
                LockReply::Cleared(LockCleared { entries })
            }
        };
        Ok(Reply::Lockouts(reply))
    }
}
