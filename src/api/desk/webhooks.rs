//! Hooks: admins only. A hook belongs to the company, and is told everything that its kinds name.

use super::{Desk, Person};
use crate::api::webhooks::{
    DeliveryList, DeliveryView, Replayed, WebhookAsk, WebhookList, WebhookReply, WebhookSecret, WebhookView,
};
use crate::api::{Problem, Reply};
use crate::base::{Random, Span};
use crate::directory::{Directory, Role};
use crate::notify::{GIVE_UP, Target, test_delivery};
use crate::store::{NewWebhook, WEBHOOKS, WebhookRow};
use crate::subscription::Kinds;

const NO_HOOK: Problem = Problem::NotFound { what: "webhook" };
const NO_DELIVERY: Problem = Problem::NotFound { what: "delivery" };
/// Deliveries of a page at most.
const PAGE: u32 = 200;
/// From here on a hook counts as failing.
const LONG: Span = Span::from_secs(600);

impl Desk {
    pub(super) async fn webhook(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: WebhookAsk,
    ) -> Result<Reply, Problem> {
        person.must_be_admin()?;
        let reply = match ask {
            WebhookAsk::List => {
                let hooks = self.store.webhooks(Some(person.company.id)).await?;
                WebhookReply::List(WebhookList {
                    webhooks: hooks.iter().map(|hook| self.view(directory, hook)).collect(),
                })
            }
            WebhookAsk::Show { id } => WebhookReply::One(self.view(directory, &self.hook(person, id).await?)),
            WebhookAsk::Add { url, kinds } => self.add_hook(directory, person, url, &kinds).await?,
            WebhookAsk::Change { id, url, kinds, active } => {
                let mut hook = self.hook(person, id).await?;
                if let Some(url) = url {
                    hook.url = self.checked(url)?;
                }
                if let Some(kinds) = kinds {
                    hook.kinds = kinds_of(&kinds)?;
                }
                hook.active = active.unwrap_or(hook.active);
                self.note(person, "webhook.change", format!("webhook {id}")).await?;
                self.store.save_webhook(&hook).await?;
                WebhookReply::One(self.view(directory, &hook))
            }
            WebhookAsk::Remove { id } => {
                self.hook(person, id).await?;
                self.note(person, "webhook.remove", format!("webhook {id}")).await?;
                self.store.remove_webhook(person.company.id, id).await?;
                return Ok(Reply::Done);
            }
            WebhookAsk::Rotate { id } => {
                let mut hook = self.hook(person, id).await?;
                hook.secret = new_secret(&mut *self.world.random());
                self.note(person, "webhook.rotate", format!("webhook {id}")).await?;
                self.store.save_webhook(&hook).await?;
                WebhookReply::Made(WebhookSecret { webhook: self.view(directory, &hook), secret: hook.secret })
            }
            WebhookAsk::Test { id } => self.test_hook(person, id).await?,
            WebhookAsk::Deliveries { id, state, before, limit } => {
                let hook = self.hook(person, id).await?;
                let limit = limit.clamp(1, PAGE);
                let rows = self.store.deliveries(hook.id, state, before, limit).await?;
                let next = rows.last().filter(|_| rows.len() == limit as usize).map(|row| row.id);
                WebhookReply::Deliveries(DeliveryList {
                    deliveries: rows.iter().map(DeliveryView::from).collect(),
                    next,
                })
            }
            WebhookAsk::Replay { id, delivery } => {
                let hook = self.hook(person, id).await?;
                self.note(person, "webhook.replay", format!("webhook {id}")).await?;
                let now = self.world.wall();
                let replayed = self.store.replay_deliveries(hook.id, delivery, (now, now.plus(GIVE_UP))).await?;
                if delivery.is_some() && replayed == 0 {
                    return Err(NO_DELIVERY);
                }
                WebhookReply::Replayed(Replayed { replayed })
            }
        };
        Ok(Reply::Webhooks(reply))
    }

    async fn add_hook(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        url: String,
        kinds: &[String],
    ) -> Result<WebhookReply, Problem> {
        let (url, kinds) = (self.checked(url)?, kinds_of(kinds)?);
        let made_by = person.user().map(|user| user.id);
        let secret = new_secret(&mut *self.world.random());
        let new = NewWebhook { company: person.company.id, url, kinds, secret, made_by };
        let full = || Problem::Conflict(format!("a company has {WEBHOOKS} webhooks at most: remove one first"));
        let hook = self.store.add_webhook(&new, self.world.wall()).await?.ok_or_else(full)?;
        self.note(person, "webhook.add", format!("webhook {}", hook.id)).await?;
        Ok(WebhookReply::Made(WebhookSecret { webhook: self.view(directory, &hook), secret: hook.secret }))
    }

    async fn test_hook(&self, person: &Person<'_>, id: i64) -> Result<WebhookReply, Problem> {
        let hook = self.hook(person, id).await?;
        if !hook.active {
            return Err(Problem::Forbidden("the webhook is not active: switch it on first"));
        }
        self.note(person, "webhook.test", format!("webhook {id}")).await?;
        let now = self.world.wall();
        let times = (now, now.plus(GIVE_UP));
        let queued = self.store.queue_deliveries(id, &[test_delivery(now)], hook.position, times).await?;
        let before = queued.last().ok_or(NO_HOOK)? + 1;
        let rows = self.store.deliveries(id, None, Some(before), 1).await?;
        Ok(WebhookReply::Deliveries(DeliveryList {
            deliveries: rows.iter().map(DeliveryView::from).collect(),
            next: None,
        }))
    }

    async fn hook(&self, person: &Person<'_>, id: i64) -> Result<WebhookRow, Problem> {
        self.store.webhook(person.company.id, id).await?.ok_or(NO_HOOK)
    }

    fn checked(&self, url: String) -> Result<String, Problem> {
        match Target::parse(&url, &self.guard) {
            Ok(_) => Ok(url),
            Err(error) => {
                tracing::info!(%error, "the address of a webhook was refused");
                let expected = "an https:// URL of a host that is reached from everywhere, or that the operator's `webhooks.allow` names";
                Err(Problem::Invalid { key: "url", value: url, expected })
            }
        }
    }

    fn view(&self, directory: &Directory, hook: &WebhookRow) -> WebhookView {
        let maker = hook.made_by.map(|id| directory.user(id));
        let gone = maker.is_some_and(|user| user.is_none_or(|user| user.role != Role::Admin));
        let now = self.world.wall();
        let long = hook.failing_since.is_some_and(|since| now >= since.plus(LONG));
        let problem = match (gone, long, hook.dead) {
            (true, _, _) => "whoever made it is no admin any more: make it anew, or remove it".to_owned(),
            (false, true, _) => format!("nothing has come through: {}", hook.last_error),
            (false, false, 1..) => format!("{} deliveries are dead: replay them", hook.dead),
            (false, false, 0) => String::new(),
        };
        let made_by = maker.flatten().map(|user| user.extension.clone());
        WebhookView::of(hook, made_by, problem)
    }
}

fn kinds_of(kinds: &[String]) -> Result<Kinds, Problem> {
    let expected = "the name of a kind (call.ended), a family (recording.*), or *";
    let wrong = |value| Problem::Invalid { key: "kinds", value, expected };
    Kinds::of(kinds.iter().map(String::as_str)).map_err(wrong)
}

fn new_secret(random: &mut (dyn Random + Send)) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    hex::encode(bytes)
}
