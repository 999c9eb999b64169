use super::stories::Colleague;
use super::*;
use crate::api::texts::{ConversationQuery, TextsAsk, TextsReply};
use crate::api::{Ask, CallItem, CallQuery, LiveItem, Reply};
use crate::api::{MessageQuery, Realm, VoicemailAsk, VoicemailReply};
use crate::ledger::{Outcome, TextKind};
use crate::service::clock::Clock;
use std::time::Duration;

/// How often one looks at what takes some seconds.
const LOOKS: u32 = 300;

async fn calls(colleague: &Colleague) -> Vec<CallItem> {
    let query = CallQuery { limit: 50, ..CallQuery::default() };
    let Reply::Calls(page) = colleague.ask(Ask::Calls(Box::new(query))).await.unwrap() else { panic!("no calls") };
    page.calls
}

/// Calls that nobody took, once there are `count`: a call is stored a moment after its end.
async fn missed(colleague: &Colleague, count: usize) -> Vec<CallItem> {
    for _ in 0..LOOKS {
        let missed: Vec<_> = calls(colleague).await.into_iter().filter(|call| call.missed).collect();
        if missed.len() == count {
            return missed;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not {count} calls were missed: {:#?}", calls(colleague).await)
}

/// The names of the boxes with a message that this person hears, once there are `count`.
async fn boxes(colleague: &Colleague, count: usize) -> Vec<String> {
    for _ in 0..LOOKS {
        let names = boxes_now(colleague).await;
        if names.len() == count {
            return names;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not {count} messages: {:?}", boxes_now(colleague).await)
}

async fn boxes_now(colleague: &Colleague) -> Vec<String> {
    let query = MessageQuery { limit: 50, ..MessageQuery::default() };
    let ask = Ask::Voicemail(VoicemailAsk::Messages(Realm::Mine, Box::new(query)));
    let Reply::Voicemail(VoicemailReply::Messages(page)) = colleague.ask(ask).await.unwrap() else {
        panic!("no messages")
    };
    let mut names: Vec<String> = page.messages.into_iter().map(|message| message.mailbox.name).collect();
    names.sort();
    names
}

async fn live(colleague: &Colleague) -> Option<LiveItem> {
    let Reply::Live(calls) = colleague.ask(Ask::Live { inbox: None }).await.unwrap() else { panic!("no list") };
    calls.into_iter().next()
}

/// The call that is up and is recorded, other than `last`.
async fn talking(colleague: &Colleague, last: Option<&LiveItem>) -> LiveItem {
    for _ in 0..LOOKS {
        match live(colleague).await {
            Some(call) if call.recording && last.is_none_or(|last| last.id != call.id) => return call,
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("nobody talks")
}

/// About 20 s of real time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stays_finds_messages_texts_and_a_call_that_is_always_up() {
    let folder = tempfile::tempdir().unwrap();
    let progress = Progress { clock: Clock::start(), shown: true };
    let stage = Stage::open(folder.path(), 0, 0, &progress).await.unwrap();
    let office = stage.office.clone().unwrap();
    let mut cast = Cast::start(&stage).await.unwrap();
    let talker = stories::play(&stage, &office, &mut cast, &progress).await.unwrap();
    let (ada, grace) =
        (Colleague::of(&stage, &office.ada).await.unwrap(), Colleague::of(&stage, &office.grace).await.unwrap());

    let missed = missed(&ada, 4).await;
    assert_eq!(missed.iter().filter(|call| call.outcome == Outcome::Voicemail).count(), 3, "{missed:#?}");
    assert_eq!(boxes(&grace, 3).await, ["Everybody", "Grace", "Support"]);
    assert_eq!(boxes(&ada, 1).await, ["Everybody"]);

    let query = ConversationQuery { limit: 10, ..ConversationQuery::default() };
    let asked = grace.ask(Ask::Texts(TextsAsk::List(Box::new(query)))).await.unwrap();
    let Reply::Texts(TextsReply::List(page)) = asked else { panic!("no conversations") };
    let id = page.conversations[0].id;
    let asked = grace.ask(Ask::Texts(TextsAsk::Messages { id, before: None, limit: 50 })).await.unwrap();
    let Reply::Texts(TextsReply::Messages(page)) = asked else { panic!("no texts") };
    let of = |kind| page.messages.iter().filter(|text| text.kind == kind).count();
    assert_eq!((of(TextKind::In), of(TextKind::Out), of(TextKind::Note)), (3, 2, 1), "{page:#?}");

    // Somebody hangs up: the next call begins, the other way round.
    let look = async {
        let first = talking(&ada, None).await;
        let hang_up = crate::api::LiveCommand::HangUp;
        ada.ask(Ask::Command { call: first.id, what: hang_up }).await.unwrap();
        let second = talking(&ada, Some(&first)).await;
        (first.direction, second.direction)
    };
    let directions = tokio::select! {
        () = talk::for_ever(talker) => panic!("it talks on"),
        directions = look => directions,
    };
    assert_eq!(directions, (crate::base::Direction::Inbound, crate::base::Direction::Outbound));
    let inbound = |call: &CallItem| call.direction == crate::base::Direction::Inbound;
    let recorded = calls(&ada).await.into_iter().find(|call| inbound(call) && call.record).unwrap();
    assert_eq!((recorded.number.as_deref(), recorded.because.as_str()), (Some(office::SUPPORT), "flow_step"));

    let help = report::page_help(stage.service.http_addresses(), &office, &stage.people);
    for known in [&office.ada, &office.finn, &stage.people.anna] {
        assert!(help.contains(&known.password), "{} can log in", known.name);
    }
    stage.service.stop().await;
}
