//! What people look up: outside numbers, figures, and what is theirs. Everything by the rules of
//! access, as lists of calls are.

use super::filter::{filter, numbers_of_inbox};
use super::{Actor, Desk, Person};
use crate::api::insight::{
    AnalyticsQuery, AnalyticsView, Bucket, BucketBy, ContactPage, ContactQuery, ContactView, Entry, FigureView,
    InsightAsk, InsightReply, MeMore, RightSource, RightsView, SubscriptionView, write_cursor,
};
use crate::api::texts::TextEntry;
use crate::api::{CallPage, CallQuery, ContactItem, MeView, Permission, Problem, Reply, Viewer};
use crate::base::{CallId, GroupId, NumberId, Span, UserId, Wall};
use crate::directory::flow::Zone;
use crate::directory::{Company, Directory, Role, User};
use crate::store::{CallFilter, FigureKey, Figures};
use crate::subscription::{Rights, Scope, Subscribed, TextScope};
use std::collections::{BTreeMap, BTreeSet};

const NO_CONTACT: Problem = Problem::NotFound { what: "number that a call was with" };
/// Days of a range of figures at most.
const DAYS: u64 = 400;
/// Days of a range that is not said.
const USUAL_DAYS: u64 = 30;
const DAY: Span = Span::from_secs(86_400);

impl Desk {
    pub(super) async fn insight(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        ask: InsightAsk,
    ) -> Result<Reply, Problem> {
        let reply = match ask {
            InsightAsk::Contacts(query) => InsightReply::Contacts(self.contacts(directory, person, &query).await?),
            InsightAsk::Contact { e164, inbox, before, limit } => {
                let over = over(directory, person, inbox.as_deref())?;
                let found = self.contact(directory, person, (e164, over), before, limit).await?;
                InsightReply::Contact(Box::new(found))
            }
            InsightAsk::Analytics(query) => {
                InsightReply::Analytics(Box::new(self.analytics(directory, person, &query).await?))
            }
        };
        Ok(Reply::Insight(reply))
    }

    async fn contacts(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        query: &ContactQuery,
    ) -> Result<ContactPage, Problem> {
        let ContactQuery { after, limit, text, inbox } = query;
        let over = over(directory, person, inbox.as_deref())?;
        let scope = self.scope(directory, person).await?;
        let limit = (*limit).clamp(1, CallQuery::MOST);
        let texts = self.text_scope_over(directory, person, over.as_deref()).await?;
        let (scopes, text) = ((&scope, &texts), text.as_deref());
        let found = self.store.outside_numbers(scopes, over.as_deref(), after, text, limit).await?;
        Ok(ContactPage {
            contacts: found.numbers.into_iter().map(Into::into).collect(),
            next: found.next.as_ref().map(write_cursor),
        })
    }

    /// The texts that count: none for a token that reads no conversations, and over these numbers only.
    async fn text_scope_over(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        over: Option<&[NumberId]>,
    ) -> Result<TextScope, Problem> {
        if !person.viewer.scopes.allow(Permission::ReadConversations) {
            return Ok(TextScope::nothing(person.company.id));
        }
        let scope = self.text_scope(directory, person).await?;
        Ok(match over {
            Some(numbers) => scope.over(numbers),
            None => scope,
        })
    }

    /// Voicemail of the number and text messages with it are entries of their own kinds beside its calls: for
    /// those who may know of them.
    async fn contact(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        (e164, over): (String, Option<Vec<NumberId>>),
        before: Option<CallId>,
        limit: u32,
    ) -> Result<ContactView, Problem> {
        let scope = self.scope(directory, person).await?;
        let contact = self.store.contact(&scope, over.as_deref(), &e164).await?.map(ContactItem::from);
        let limit = limit.clamp(1, CallQuery::MOST);
        let text_scope = self.text_scope_over(directory, person, over.as_deref()).await?;
        let text_before = before.map(|id| id.to_string());
        let texts = self.store.texts_with(&text_scope, &e164, text_before.as_deref(), limit + 1).await?;
        let number = e164.clone();
        let contact = match (contact, texts.first()) {
            (Some(contact), _) => contact,
            (None, Some((text, row))) => {
                let (name, last_text) = (row.between.name.clone(), Some(text.at.to_string()));
                ContactItem { number: e164.clone(), name, calls: 0, last: None, last_text }
            }
            (None, None) => return Err(NO_CONTACT),
        };
        let filter = CallFilter { before, numbers: over, contact: Some(e164), ..CallFilter::default() };
        let records = self.store.visible_calls(&scope, &filter, limit + 1).await?;
        let CallPage { calls, next: _ } = self.page_of(directory, person, &scope, records, limit + 1).await?;
        let mut entries: Vec<Entry> = calls.into_iter().map(|call| Entry::Call(Box::new(call))).collect();
        let text = |(text, row): &(_, _)| Entry::Text(Box::new(TextEntry::of(directory, text, row)));
        entries.extend(texts.iter().map(text));
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.id()));
        let more = entries.len() > limit as usize;
        entries.truncate(limit as usize);
        let next = entries.last().filter(|_| more).and_then(Entry::id);
        let messages = self.messages_of_contact(directory, person, &number, (before, next)).await?;
        entries.extend(messages.into_iter().map(Entry::Voicemail));
        // RFC 3339 in UTC is in the order of time.
        entries.sort_by(|one, other| other.at().cmp(one.at()));
        Ok(ContactView { contact, entries, next })
    }

    async fn analytics(
        &self,
        directory: &Directory,
        person: &Person<'_>,
        query: &AnalyticsQuery,
    ) -> Result<AnalyticsView, Problem> {
        let zone = &person.company.settings.time_zone;
        let (from, until) = range(zone, query, self.world.wall())?;
        let scope = self.scope_of_figures(directory, person).await?;
        let filter = filter(directory, person, &query.which)?;
        let sums = |key| self.store.figures(&scope, &filter, (from, until), key);
        let (buckets, total) = match query.by {
            BucketBy::Day => {
                let mut days: BTreeMap<i64, Figures> = BTreeMap::new();
                let stretches = zone.offsets(from, until);
                let ends = stretches.iter().skip(1).map(|(begins, _)| *begins).chain([until]);
                for ((begins, ahead), ends) in stretches.iter().copied().zip(ends) {
                    let key = FigureKey::Day { ahead };
                    for (day, figures) in self.store.figures(&scope, &filter, (begins, ends), key).await? {
                        *days.entry(day.unwrap_or_default()).or_default() += figures;
                    }
                }
                let total = whole(days.values());
                (day_buckets(zone, from, until, &days), total)
            }
            BucketBy::Number | BucketBy::Inbox => {
                let numbers = sums(FigureKey::Number).await?;
                let total = whole(numbers.iter().map(|(_, figures)| figures));
                (number_buckets(directory, &scope, &numbers, query.by), total)
            }
            BucketBy::Group => {
                let numbers = sums(FigureKey::Number).await?;
                let total = whole(numbers.iter().map(|(_, figures)| figures));
                (group_buckets(directory, &scope, &numbers), total)
            }
            BucketBy::User => {
                let users = sums(FigureKey::User).await?;
                let total = whole(sums(FigureKey::Whole).await?.iter().map(|(_, figures)| figures));
                (user_buckets(directory, person.is_admin(), &users), total)
            }
        };
        Ok(AnalyticsView {
            from: from.to_string(),
            until: until.to_string(),
            time_zone: zone.as_str().to_owned(),
            by: query.by,
            buckets,
            total: total.into(),
        })
    }

    /// In figures the effective settings count for every role, admins included; who is above the
    /// company has none.
    async fn scope_of_figures(&self, directory: &Directory, person: &Person<'_>) -> Result<Scope, Problem> {
        let user = match person.actor {
            Actor::User(user) => user,
            Actor::Staff(_) => return Ok(Scope::of_whole(person.company.id)),
        };
        let subscribed = self.store.subscriptions_of(user.id).await?;
        Ok(Scope::in_analytics(directory, person.company, user, subscribed))
    }

    /// Who a user is, what they may, and what is theirs.
    pub(super) async fn me(
        &self,
        directory: &Directory,
        company: &Company,
        user: &User,
        viewer: &Viewer,
    ) -> Result<Reply, Problem> {
        let subscribed = self.store.subscriptions_of(user.id).await?;
        let devices = self.devices_of(user.id).await?;
        let is_in = |members: &Vec<UserId>| members.contains(&user.id);
        let numbers = directory
            .numbers_of(company.id)
            .filter(|number| user.number == Some(number.id) || directory.reach_of(number).users.contains(&user.id));
        let inboxes = directory.inboxes_of(company.id).filter(|inbox| is_in(&inbox.members));
        let groups = directory.groups_of(company.id).filter(|group| is_in(&group.members));
        let more = MeMore {
            time_zone: company.settings.time_zone.as_str().to_owned(),
            rights: rights(company, user),
            numbers: numbers.map(|number| number.e164.clone()).collect(),
            groups: groups.map(|group| group.name.clone()).collect(),
            inboxes: inboxes.map(|inbox| inbox.name.clone()).collect(),
            default_inbox: directory.default_inbox(user).map(|inbox| inbox.name.clone()),
            subscriptions: subscribed.iter().filter_map(|one| interval(directory, one)).collect(),
            devices,
        };
        Ok(Reply::Me(MeView::of(company, user, viewer, Box::new(more))))
    }
}

fn interval(directory: &Directory, subscribed: &Subscribed) -> Option<SubscriptionView> {
    let Subscribed { number, from, until } = subscribed;
    Some(SubscriptionView {
        number: directory.number(*number)?.e164.clone(),
        since: from.to_string(),
        until: until.map(|until| until.to_string()),
    })
}

/// The numbers of an inbox that is asked for.
fn over(directory: &Directory, person: &Person<'_>, inbox: Option<&str>) -> Result<Option<Vec<NumberId>>, Problem> {
    let numbers = inbox.map(|name| numbers_of_inbox(directory, person, name)).transpose()?;
    Ok(numbers.map(|numbers| numbers.into_iter().collect()))
}

/// What holds for a user, and whether their role, their company or a setting of their own says so.
fn rights(company: &Company, user: &User) -> RightsView {
    let Rights { visibility, play, download } = Rights::of(company, user);
    let word = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let json = |value: Result<serde_json::Value, serde_json::Error>| word(value.unwrap_or_default());
    let by_role = match user.role {
        Role::Admin => Some("role"),
        Role::Supervisor | Role::Analyst | Role::Agent => None,
    };
    let unset = match user.role {
        Role::Admin | Role::Supervisor | Role::Analyst => "role",
        Role::Agent => "company",
    };
    let source = |own: bool| by_role.unwrap_or(if own { "own" } else { unset }).to_owned();
    let own = &user.overrides;
    let may_command = crate::directory::may_command(&company.settings, user, true).is_ok();
    let commands = match (user.role, own.agent_pause) {
        (Role::Analyst, _) => "role",
        (Role::Admin | Role::Supervisor | Role::Agent, Some(_)) => "own",
        (Role::Admin | Role::Supervisor | Role::Agent, None) => "company",
    };
    RightsView {
        call_visibility: RightSource {
            value: json(serde_json::to_value(visibility)),
            from: source(own.call_visibility.is_some()),
        },
        play: RightSource { value: json(serde_json::to_value(play)), from: source(own.play.is_some()) },
        download: RightSource { value: download.to_string(), from: source(own.download.is_some()) },
        agent_pause: RightSource { value: may_command.to_string(), from: commands.to_owned() },
    }
}

/// The range that is meant: in the zone's days where days are said.
fn range(zone: &Zone, query: &AnalyticsQuery, now: Wall) -> Result<(Wall, Wall), Problem> {
    const MOMENT: &str = "a day such as 2026-11-27, or a time such as 2026-11-27T09:00:00Z";
    let read = |key: &'static str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match moment(zone, text) {
            Some(at) => Ok(Some(at)),
            None => Err(Problem::Invalid { key, value: text.clone(), expected: MOMENT }),
        },
    };
    let until = read("until", &query.until)?.unwrap_or(now);
    let from = match read("from", &query.from)? {
        Some(from) => from,
        None => {
            let day = zone.day_of(until.minus(DAY.times(USUAL_DAYS)));
            zone.beginning_of(day).unwrap_or(until)
        }
    };
    if from > until {
        let value = query.from.clone().unwrap_or_default();
        return Err(Problem::Invalid { key: "from", value, expected: "a time before `until`" });
    }
    // One day more: clocks that are put forward or back make days of other lengths.
    if from.plus(DAY.times(DAYS + 1)) < until {
        let value = query.from.clone().unwrap_or_default();
        return Err(Problem::Invalid { key: "from", value, expected: "at most 400 days before `until`" });
    }
    Ok((from, until))
}

fn moment(zone: &Zone, text: &str) -> Option<Wall> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Wall::from_unix_micros(at.as_microsecond()));
    }
    zone.beginning_of(text.parse::<jiff::civil::Date>().ok()?)
}

fn whole<'a>(figures: impl Iterator<Item = &'a Figures>) -> Figures {
    let mut whole = Figures::default();
    figures.for_each(|figures| whole += *figures);
    whole
}

/// Every day of the range, also those without a call.
fn day_buckets(zone: &Zone, from: Wall, until: Wall, days: &BTreeMap<i64, Figures>) -> Vec<Bucket> {
    let epoch = jiff::civil::date(1970, 1, 1);
    let (mut day, last) = (zone.day_of(from), zone.day_of(until.minus(Span(1))));
    let mut buckets = Vec::new();
    while day <= last && from < until {
        let number = epoch.until(day).map_or(0, |span| i64::from(span.get_days()));
        let figures = days.get(&number).copied().unwrap_or_default();
        buckets.push(Bucket { key: day.to_string(), label: String::new(), figures: figures.into() });
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    buckets
}

type OfNumbers = [(Option<i64>, Figures)];

fn number_buckets(directory: &Directory, scope: &Scope, numbers: &OfNumbers, by: BucketBy) -> Vec<Bucket> {
    let mut named: BTreeMap<(String, String), Figures> = BTreeMap::new();
    for (number, figures) in numbers {
        let number = number.and_then(|number| directory.number(NumberId(number)));
        let name = match by {
            BucketBy::Inbox => number
                .and_then(|number| directory.inbox_of_number(number.id))
                .filter(|inbox| scope.knows(&inbox.members))
                .map(|inbox| (inbox.name.clone(), inbox.label.clone())),
            BucketBy::Day | BucketBy::User | BucketBy::Group | BucketBy::Number => {
                number.map(|number| (number.e164.clone(), String::new()))
            }
        };
        *named.entry(name.unwrap_or_default()).or_default() += *figures;
    }
    most_first(named)
}

/// A call counts for each group that its number leads to, and in no bucket where it leads to none; a
/// group that the viewer may not know of is as one that there is not.
fn group_buckets(directory: &Directory, scope: &Scope, numbers: &OfNumbers) -> Vec<Bucket> {
    let mut groups: BTreeMap<GroupId, Figures> = BTreeMap::new();
    for (number, figures) in numbers {
        let number = number.and_then(|number| directory.number(NumberId(number)));
        let reached: BTreeSet<GroupId> = number.map(|number| directory.reach_of(number).groups).unwrap_or_default();
        for group in reached {
            *groups.entry(group).or_default() += *figures;
        }
    }
    let named = groups.into_iter().filter_map(|(group, figures)| {
        let group = directory.group(group).filter(|group| scope.knows(&group.members))?;
        Some(((group.name.clone(), group.label.clone()), figures))
    });
    most_first(named.collect())
}

/// Who has left is named to admins; for others their calls are those of nobody.
fn user_buckets(directory: &Directory, with_left: bool, users: &OfNumbers) -> Vec<Bucket> {
    let mut named: BTreeMap<(String, String), Figures> = BTreeMap::new();
    for (user, figures) in users {
        let user = user.map(UserId).and_then(|user| match with_left {
            true => directory.user_ever(user),
            false => directory.user(user),
        });
        let name = user.map(|user| (user.extension.clone(), user.name.clone()));
        *named.entry(name.unwrap_or_default()).or_default() += *figures;
    }
    most_first(named)
}

fn most_first(named: BTreeMap<(String, String), Figures>) -> Vec<Bucket> {
    let bucket = |((key, label), figures): ((String, String), Figures)| Bucket {
        key,
        label,
        figures: FigureView::from(figures),
    };
    let mut buckets: Vec<Bucket> = named.into_iter().map(bucket).collect();
    buckets.sort_by_key(|bucket| std::cmp::Reverse(bucket.figures.calls));
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        name.to_owned().try_into().unwrap()
    }

    fn ask(from: &str, until: &str) -> AnalyticsQuery {
        AnalyticsQuery { from: Some(from.to_owned()), until: Some(until.to_owned()), ..AnalyticsQuery::default() }
    }

    #[test]
    fn days_are_the_zones_own_also_where_clocks_are_put_back() {
        let berlin = zone("Europe/Berlin");
        let (from, until) = range(&berlin, &ask("2026-10-24", "2026-10-27"), Wall::default()).unwrap();
        assert_eq!(
            (from.to_string().as_str(), until.to_string().as_str()),
            ("2026-10-23T22:00:00.000Z", "2026-10-26T23:00:00.000Z")
        );
        let hours: Vec<i64> = berlin.offsets(from, until).iter().map(|(_, ahead)| ahead / 3_600_000_000).collect();
        assert_eq!(hours, [2, 1]);
        let days = day_buckets(&berlin, from, until, &BTreeMap::new());
        let keys: Vec<&str> = days.iter().map(|day| day.key.as_str()).collect();
        assert_eq!(keys, ["2026-10-24", "2026-10-25", "2026-10-26"]);
    }

    #[test]
    fn a_range_is_400_days_at_most_and_begins_before_it_ends() {
        let utc = zone("UTC");
        assert!(range(&utc, &ask("2025-01-01", "2026-02-05"), Wall::default()).is_ok());
        for (from, until) in [("2025-01-01", "2026-02-07"), ("2026-01-02", "2026-01-01"), ("x", "2026-01-01")] {
            assert!(range(&utc, &ask(from, until), Wall::default()).is_err(), "{from} {until}");
        }
        let now = Wall::from_unix_micros(1_764_237_600_000_000);
        let (from, until) = range(&utc, &AnalyticsQuery::default(), now).unwrap();
        assert_eq!((from.to_string().as_str(), until), ("2025-10-28T00:00:00.000Z", now));
    }
}
