use super::*;
use crate::base::{Direction, NumberId, Span, UserId};
use crate::directory::Directory;
use crate::ledger::CallRecord;
use crate::store::access::tests::{Dice, at, generated, some_call, some_subscriptions, store};
use crate::store::facts;
use std::collections::BTreeMap;

fn count(sums: &mut Figures, scope: &Scope, call: &CallRecord, recorded: bool, by_its_caller: bool) {
    let facts = facts(call, recorded);
    let talk = call.answered.zip(call.ended).map_or(0, |(from, to)| to.unix_micros() - from.unix_micros());
    let playable = call.answered.is_some() && call.ended.is_some() && scope.playable(&facts);
    *sums += Figures {
        calls: 1,
        answered: u64::from(call.answered.is_some()),
        missed: u64::from(call.is_missed() && !by_its_caller),
        talk: u64::try_from(talk).unwrap(),
        playable: u64::from(playable),
        recorded: u64::from(playable && recorded),
    };
}

fn some_filter(directory: &Directory, scope: &Scope, dice: &mut Dice) -> CallFilter {
    let users: Vec<UserId> = directory.users_of(scope.company).map(|user| user.id).collect();
    let numbers: Vec<NumberId> = directory.numbers_of(scope.company).map(|number| number.id).collect();
    CallFilter {
        direction: dice.some(|dice| dice.pick(&[Direction::Inbound, Direction::Outbound, Direction::Internal])),
        numbers: dice.some(|dice| vec![dice.pick(&numbers), dice.pick(&numbers)]),
        user: dice.some(|dice| dice.pick(&users)),
        ..CallFilter::default()
    }
}

#[tokio::test]
async fn figures_are_sums_over_the_calls_that_are_seen() {
    for seed in 0..6 {
        let mut dice = Dice(crate::base::Seeded(200 + seed));
        let directory = generated(&mut dice);
        let (_folder, store) = store().await;
        let calls: Vec<CallRecord> = (0..120).map(|_| some_call(&directory, &mut dice)).collect();
        store.save_calls(&calls).await.unwrap();
        let recorded = |call: &CallRecord| call.answered.is_some() && (call.started.unix_micros() / 1_000_000) % 3 > 0;
        sqlx::raw_sql(
            "UPDATE calls SET recorded = answered IS NOT NULL AND (CAST(started / 1000000 AS INTEGER) % 3 > 0)",
        )
        .execute(&store.writer)
        .await
        .unwrap();
        let (from, until) = (at(100), at(900));
        for company in directory.companies() {
            for user in directory.users_of(company.id) {
                let subscribed = some_subscriptions(&directory, user, &mut dice);
                let scope = Scope::in_analytics(&directory, company, user, subscribed);
                let filters = [CallFilter::default(), some_filter(&directory, &scope, &mut dice)];
                for filter in filters {
                    let lets = |call: &&CallRecord| {
                        (from..until).contains(&call.started)
                            && filter.direction.is_none_or(|direction| call.direction == direction)
                            && filter
                                .numbers
                                .as_ref()
                                .is_none_or(|all| call.number.is_some_and(|one| all.contains(&one)))
                            && filter.user.is_none_or(|user| call.users().contains(&user))
                            && scope.visible(&facts(call, recorded(call))).is_some()
                    };
                    let hour = 3_600_000_000;
                    let keys =
                        [FigureKey::Whole, FigureKey::User, FigureKey::Number, FigureKey::Day { ahead: 2 * hour }];
                    for key in keys {
                        let mut expected: BTreeMap<Option<i64>, Figures> = BTreeMap::new();
                        for call in calls.iter().filter(lets) {
                            let buckets: Vec<Option<i64>> = match key {
                                FigureKey::Whole => vec![Some(0)],
                                FigureKey::User => call.users().iter().map(|user| Some(user.0)).collect(),
                                FigureKey::Number => vec![call.number.map(|number| number.0)],
                                FigureKey::Day { ahead } => {
                                    vec![Some((call.started.unix_micros() + ahead) / (24 * hour))]
                                }
                            };
                            for bucket in buckets {
                                let whose =
                                    if key == FigureKey::User { bucket } else { filter.user.map(|user| user.0) };
                                let by_its_caller = whose.is_some() && call.caller.user.map(|user| user.0) == whose;
                                let sums = expected.entry(bucket).or_default();
                                count(sums, &scope, call, recorded(call), by_its_caller);
                            }
                        }
                        let found = store.figures(&scope, &filter, (from, until), key).await.unwrap();
                        let found: BTreeMap<Option<i64>, Figures> = found.into_iter().collect();
                        assert_eq!(found, expected, "seed {seed}, user {}, {key:?}, {filter:?}", user.id);
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_range_has_its_beginning_in_it_and_not_its_end() {
    let mut dice = Dice(crate::base::Seeded(3));
    let directory = generated(&mut dice);
    let (_folder, store) = store().await;
    let mut call = some_call(&directory, &mut dice);
    (call.started, call.answered, call.ended) = (at(10), Some(at(12)), Some(at(12).plus(Span::from_secs(30))));
    store.save_call(&call).await.unwrap();
    let scope = Scope::of_whole(call.company);
    for (from, until, calls) in [(at(10), at(11), 1), (at(9), at(10), 0), (at(11), at(20), 0)] {
        let found = store.figures(&scope, &CallFilter::default(), (from, until), FigureKey::Whole).await.unwrap();
        assert_eq!(found.iter().map(|(_, sums)| sums.calls).sum::<u64>(), calls);
    }
}
