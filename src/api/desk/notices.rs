//! Notices of new messages: everybody their own browsers and apps, admins the company's gateway and
//! what became of all of them.

use super::{Desk, Person};
use crate::api::notices::{
    GatewaySecret, GatewayView, NoticeAsk, NoticeList, NoticeReply, NoticeView, PushItem, PushView,
};
use crate::api::{Problem, Replayed, Reply};
use crate::base::UserId;
use crate::directory::{Directory, User};
use crate::notify::push::{PushKeys, VapidError, VapidKey};
use crate::notify::{MAIL_ENDS, Target};
use crate::store::{Channel, NewPushSubscription, NoticeRow, NoticeState, PushGateway};

const NO_SUBSCRIPTION: Problem = Problem::NotFound { what: "push subscription" };
const NO_GATEWAY: Problem = Problem::NotFound { what: "push gateway" };
const NO_NOTICE: Problem = Problem::NotFound { what: "notice" };
/// Browsers and apps of a user at most.
const MOST: usize = 20;
/// Characters of what a user calls one.
const NAME: usize = 80;
/// Notices of a page at most.
const PAGE: u32 = 200;

impl Desk {
    pub(super) async fn notice(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: NoticeAsk,
    ) -> Result<Reply, Problem> {
        let reply = match ask {
            NoticeAsk::Push => {
                let subscriptions = self.store.push_subscriptions(own(person)?.id).await?;
                let key = self.push_key().await?.public();
                NoticeReply::Push(PushView { key, subscriptions: subscriptions.iter().map(PushItem::from).collect() })
            }
            NoticeAsk::Subscribe { endpoint, p256dh, auth, name } => {
                let user = own(person)?.id;
                self.subscribe_push(person, NewPushSubscription { user, endpoint, p256dh, auth, name }).await?
            }
            NoticeAsk::Unsubscribe { id } => {
                if !self.store.remove_push(own(person)?.id, id).await? {
                    return Err(NO_SUBSCRIPTION);
                }
                self.note(person, "push.unsubscribe", format!("push subscription {id}")).await?;
                return Ok(Reply::Done);
            }
            NoticeAsk::Gateway
            | NoticeAsk::SetGateway { .. }
            | NoticeAsk::RemoveGateway
            | NoticeAsk::List { .. }
            | NoticeAsk::Replay { .. } => return self.company_notice(directory, person, ask).await,
        };
        Ok(Reply::Notices(reply))
    }

    async fn company_notice(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: NoticeAsk,
    ) -> Result<Reply, Problem> {
        person.must_be_admin()?;
        let company = person.company.id;
        let reply = match ask {
            NoticeAsk::Gateway => {
                let gateway = self.store.push_gateway(company).await?.ok_or(NO_GATEWAY)?;
                NoticeReply::Gateway(GatewayView::from(&gateway))
            }
            NoticeAsk::SetGateway { url } => {
                self.reachable("url", &url)?;
                let mut bytes = [0; 32];
                self.world.random().fill(&mut bytes);
                let gateway = PushGateway { company, url, secret: hex::encode(bytes), created: self.world.wall() };
                self.note(person, "push.gateway.set", "push gateway".to_owned()).await?;
                self.store.set_push_gateway(&gateway).await?;
                NoticeReply::GatewayMade(GatewaySecret { gateway: GatewayView::from(&gateway), secret: gateway.secret })
            }
            NoticeAsk::RemoveGateway => {
                if !self.store.remove_push_gateway(company).await? {
                    return Err(NO_GATEWAY);
                }
                self.note(person, "push.gateway.remove", "push gateway".to_owned()).await?;
                return Ok(Reply::Done);
            }
            NoticeAsk::List { state, before, limit } => {
                let limit = limit.clamp(1, PAGE);
                let rows = self.store.notices(company, state, before, limit).await?;
                let next = rows.last().filter(|_| rows.len() == limit as usize).map(|row| row.id);
                let mut notices = Vec::with_capacity(rows.len());
                for row in &rows {
                    notices.push(self.notice_view(directory, row).await?);
                }
                NoticeReply::List(NoticeList { notices, next })
            }
            NoticeAsk::Replay { id } => {
                self.note(person, "notice.replay", id.map_or("dead notices".to_owned(), |id| format!("notice {id}")))
                    .await?;
                let now = self.world.wall();
                let replayed = self.store.replay_notices(company, id, (now, now.plus(MAIL_ENDS))).await?;
                if id.is_some() && replayed == 0 {
                    return Err(NO_NOTICE);
                }
                NoticeReply::Replayed(Replayed { replayed })
            }
            NoticeAsk::Push | NoticeAsk::Subscribe { .. } | NoticeAsk::Unsubscribe { .. } => return Err(NO_NOTICE),
        };
        Ok(Reply::Notices(reply))
    }

    async fn subscribe_push(&self, person: &Person<'_>, new: NewPushSubscription) -> Result<NoticeReply, Problem> {
        self.reachable("endpoint", &new.endpoint)?;
        if let Err(error) = PushKeys::parse(&new.p256dh, &new.auth) {
            let expected = "`p256dh` and `auth` of the browser's subscription, in base64url";
            return Err(Problem::Invalid { key: "keys", value: error.to_string(), expected });
        }
        if new.name.chars().count() > NAME || new.name.chars().any(char::is_control) {
            let expected = "80 characters at most, on one line";
            return Err(Problem::Invalid { key: "name", value: new.name, expected });
        }
        let there = self.store.push_subscriptions(new.user).await?;
        if there.len() >= MOST && !there.iter().any(|one| one.endpoint == new.endpoint) {
            return Err(Problem::Forbidden("a user has 20 push subscriptions at most: remove one first"));
        }
        let made = self.store.add_push(&new, self.world.wall()).await?;
        self.note(person, "push.subscribe", format!("push subscription {}", made.id)).await?;
        Ok(NoticeReply::Subscribed(PushItem::from(&made)))
    }

    /// What browsers know the service by; made when it is first asked for.
    async fn push_key(&self) -> Result<VapidKey, Problem> {
        let failed = |error: VapidError| {
            tracing::error!(%error, "there is no key for push messages");
            Problem::Internal
        };
        let stored = self.store.push_key(&VapidKey::generate().map_err(failed)?).await?;
        VapidKey::read(&stored).map_err(failed)
    }

    fn reachable(&self, key: &'static str, url: &str) -> Result<(), Problem> {
        match Target::parse(url, &self.guard) {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::info!(%error, key, "an address that is to be told was refused");
                let expected = "an https:// URL of a host that is reached from everywhere, or that the operator's `webhooks.allow` names";
                Err(Problem::Invalid { key, value: url.to_owned(), expected })
            }
        }
    }

    async fn notice_view(&self, directory: &Directory, row: &NoticeRow) -> Result<NoticeView, Problem> {
        let extension = |user: UserId| directory.user(user).map(|user| user.extension.clone());
        let to = match row.channel {
            Channel::Mail | Channel::Pager => Some(row.target.clone()),
            Channel::Gateway => row.target.parse().ok().and_then(|id| extension(UserId(id))),
            Channel::Push => {
                let subscription = match row.target.parse() {
                    Ok(id) => self.store.push_subscription(id).await?,
                    Err(_) => None,
                };
                subscription.and_then(|subscription| extension(subscription.user))
            }
        };
        Ok(NoticeView {
            id: row.id,
            channel: row.channel,
            message: row.message.to_string(),
            mailbox: directory.mailbox(row.mailbox).map(|mailbox| mailbox.key()).unwrap_or_default(),
            to: to.unwrap_or_default(),
            state: row.state,
            attempts: row.attempts,
            created: row.created.to_string(),
            next: (row.state == NoticeState::Pending).then(|| row.next_at.to_string()),
            last_attempt: row.last_at.map(|at| at.to_string()),
            last_error: row.last_error.clone(),
        })
    }
}

/// Only a user of the company has browsers and apps of their own.
fn own<'p>(person: &'p Person<'_>) -> Result<&'p User, Problem> {
    person.user().ok_or(Problem::Forbidden("only a user of a company is told of messages"))
}
