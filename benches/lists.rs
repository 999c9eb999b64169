//! A page of calls out of very many, by the rules of access:
//! `cargo bench --bench lists -- [--calls N] [--recordings N]`.
//!
//! One number a line: the median time of a page of 50, for an admin, an agent and a subscriber, each
//! with several filters; then of outside numbers, and of figures of the whole time. The database is
//! made anew in a temporary folder.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench stops where its expectation fails, and it measures time"
)]

use history::recording;
use std::time::{Duration, Instant};
use telegraphone::base::{CallId, CompanyId, Direction, NumberId, Random, Seeded, Span, UserId, Wall};
use telegraphone::directory::Play;
use telegraphone::ledger::{Because, CallRecord, Decision, Outcome, Party};
use telegraphone::store::{CallFilter, FigureKey, Store};
use telegraphone::subscription::{Reason, Scope, Subscribed};

#[path = "support/history.rs"]
mod history;

const COMPANY: CompanyId = CompanyId(1);
const USERS: u32 = 500;
const NUMBERS: u32 = 300;
const ROUNDS: usize = 21;
const PAGE: u32 = 50;
/// Between two calls.
const EVERY: Span = Span::from_secs(30);

fn at(call: u64) -> Wall {
    Wall::from_unix_micros(1_700_000_000_000_000).plus(EVERY.times(call))
}

/// Mostly inbound, a tenth missed; internal calls are few, so that a filter for them finds little.
fn call(n: u64, dice: &mut Seeded) -> CallRecord {
    let user = |dice: &mut Seeded| Some(UserId(i64::from(dice.u32() % USERS) + 1));
    let number = NumberId(i64::from(dice.u32() % NUMBERS) + 1);
    let direction = match dice.u32() % 1_000 {
        0 => Direction::Internal,
        1..=700 => Direction::Inbound,
        _ => Direction::Outbound,
    };
    let missed = direction == Direction::Inbound && dice.u32().is_multiple_of(10);
    let party = |user: Option<UserId>, address: String| Party { user, address, name: String::new() };
    let (own, outside) = (if missed { None } else { user(dice) }, format!("+4930{}", dice.u32() % 1_000_000));
    let started = at(n);
    CallRecord {
        id: CallId::new(started, dice.ten_bytes()),
        company: COMPANY,
        direction,
        caller: party(None, outside),
        callee: party(own, "201".to_owned()),
        number: (direction != Direction::Internal).then_some(number),
        started,
        answered: (!missed).then(|| started.plus(Span::from_secs(5))),
        ended: Some(started.plus(Span::from_secs(90))),
        outcome: if missed { Outcome::NoAnswer } else { Outcome::Completed },
        end_reason: None,
        decision: Decision { record: false, because: Because::Company { direction } },
        changes: Vec::new(),
        joined: Vec::new(),
        ended_paused: false,
    }
}

fn scopes() -> [(&'static str, Scope); 3] {
    let whole = Scope::of_whole(COMPANY);
    let user = Some(UserId(7));
    let numbers = |from: i64, to: i64, reason| (from..=to).map(|number| (NumberId(number), reason)).collect();
    let agent = Scope {
        user,
        all: None,
        numbers: numbers(1, 5, Reason::OwnNumber),
        missed: numbers(6, 12, Reason::MissedOfNumber),
        play: Play::Own,
        ..whole.clone()
    };
    let subscribed =
        (1..=20).map(|number| Subscribed { number: NumberId(number), from: at(1_000), until: None }).collect();
    let subscriber = Scope { user, all: None, subscribed, play: Play::Own, ..whole.clone() };
    [("admin", whole), ("agent", agent), ("subscriber", subscriber)]
}

fn filters(calls: u64) -> Vec<(&'static str, CallFilter)> {
    let none = CallFilter::default;
    vec![
        ("all", none()),
        ("page in the middle", CallFilter { before: Some(CallId::first_of(at(calls / 2))), ..none() }),
        ("one number", CallFilter { numbers: Some(vec![NumberId(3)]), ..none() }),
        ("one user", CallFilter { user: Some(UserId(9)), ..none() }),
        ("missed", CallFilter { missed: Some(true), ..none() }),
        ("internal, which are few", CallFilter { direction: Some(Direction::Internal), ..none() }),
        ("recorded", CallFilter { recorded: Some(true), ..none() }),
        ("recorded and missed: none", CallFilter { recorded: Some(true), missed: Some(true), ..none() }),
        (
            "not recorded, internal",
            CallFilter { recorded: Some(false), direction: Some(Direction::Internal), ..none() },
        ),
        ("outbound and not missed", CallFilter { direction: Some(Direction::Outbound), missed: Some(false), ..none() }),
        ("heard by me", CallFilter { recorded: Some(true), heard: Some((UserId(7), true)), ..none() }),
        ("not heard by me", CallFilter { recorded: Some(true), heard: Some((UserId(7), false)), ..none() }),
        ("a day long ago", CallFilter { from: Some(at(10_000)), until: Some(at(12_880)), ..none() }),
        ("one user over one number", CallFilter { user: Some(UserId(9)), numbers: Some(vec![NumberId(3)]), ..none() }),
        ("a text that many have", CallFilter { text: Some("99".to_owned()), ..none() }),
        ("with one outside number", CallFilter { contact: Some("+4930999999".to_owned()), ..none() }),
        ("a text that none has", CallFilter { text: Some("Smith".to_owned()), ..none() }),
        ("a text that few have", CallFilter { text: Some("+4930999999".to_owned()), ..none() }),
    ]
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let said = args.iter().position(|arg| arg == "--calls").and_then(|at| args.get(at + 1));
    let calls: u64 = said.map_or(1_000_000, |count| count.parse().unwrap());
    let said = args.iter().position(|arg| arg == "--recordings").and_then(|at| args.get(at + 1));
    let recordings: u64 = said.map_or(100_000, |count| count.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(calls, recordings));
}

async fn run(calls: u64, recordings: u64) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("lists.db")).await.unwrap();
    let mut dice = Seeded(1);
    let began = Instant::now();
    let (mut batch, mut recordings_made) = (Vec::new(), 0);
    for n in 0..calls {
        batch.push(call(n, &mut dice));
        if batch.len() == 10_000 || n + 1 == calls {
            store.save_calls(&batch).await.unwrap();
            let every = usize::try_from(calls.checked_div(recordings).unwrap_or(u64::MAX).max(1)).unwrap();
            let recorded: Vec<_> = batch.iter().step_by(every).filter_map(|call| recording(call, &mut dice)).collect();
            store.hand_over_all(&recorded, at(n)).await.unwrap();
            for (recording, _) in recorded.iter().step_by(20) {
                store.mark_heard(recording.id, UserId(7), at(n)).await.unwrap();
            }
            recordings_made += recorded.len();
            batch.clear();
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{calls} calls and {recordings_made} recordings written in {seconds:.0} s");
    for (who, scope) in scopes() {
        for (what, filter) in filters(calls) {
            let looked = async || store.visible_calls(&scope, &filter, PAGE).await.unwrap().len();
            measure(who, what, ROUNDS, looked).await;
        }
        for text in [None, Some("999"), Some("+4930999")] {
            let looked = async || store.contacts(&scope, None, None, text, PAGE).await.unwrap().contacts.len();
            measure(who, &format!("outside numbers, {text:?}"), ROUNDS, looked).await;
        }
        for key in [FigureKey::Day { ahead: 0 }, FigureKey::Number, FigureKey::User] {
            let range = (at(0), at(calls));
            let looked = async || store.figures(&scope, &CallFilter::default(), range, key).await.unwrap().len();
            measure(who, &format!("figures by {key:?}"), 3, looked).await;
        }
    }
}

async fn measure(who: &str, what: &str, rounds: usize, looked: impl AsyncFn() -> usize) {
    let (mut times, mut found): (Vec<Duration>, usize) = (Vec::new(), 0);
    for _ in 0..rounds {
        let began = Instant::now();
        found = looked().await;
        times.push(began.elapsed());
    }
    times.sort();
    let ms = |time: &Duration| time.as_secs_f64() * 1_000.0;
    let (median, most) = (ms(&times[rounds / 2]), ms(&times[rounds - 1]));
    println!("{who:<12} {what:<32} {found:>5} found  median {median:>8.2} ms  most {most:>8.2} ms");
}
