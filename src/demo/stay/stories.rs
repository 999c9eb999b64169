//! What has happened before one looks: messages that were left, a call that was missed, texts.

use super::office::{NIGHT, Office, SUPPORT};
use super::talk::Talker;
use crate::api::texts::{ConversationQuery, NewText, TextsAsk, TextsReply};
use crate::api::{Ask, CallQuery, Desk, NotesAsk, Problem, Reply, Viewer};
use crate::base::{CallId, ConversationId, Direction};
use crate::demo::calls::{self, SOON, outsider, registered};
use crate::demo::company::{CUSTOMER, NUMBER, Person};
use crate::demo::phone::LivePhone;
use crate::demo::{Cast, DemoError, Progress, Stage, carrier_ip};
use crate::sip::Transport;
use crate::ua::{Ending, PhoneEvent};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Other people outside.
const OTTO: &str = "+12025550163";
const MIRA: &str = "+12025550178";
/// How long a message is.
const MESSAGE: Duration = Duration::from_secs(6);
/// How long somebody lets it ring.
const RINGS: Duration = Duration::from_secs(3);
/// For the store and for what carries texts.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const LOOKS: u32 = 100;

/// Plays all of it; who will talk from then on.
pub async fn play(stage: &Stage, office: &Office, cast: &mut Cast, progress: &Progress) -> Result<Talker, DemoError> {
    let (server, ip) = (stage.server, carrier_ip());
    let voice = || Arc::clone(&cast.voices.customer);
    let (otto, mira) = (outsider(server, ip, OTTO, voice()).await?, outsider(server, ip, MIRA, voice()).await?);
    let mut ben = registered(server, Transport::Udp, &stage.people.ben, Arc::clone(&cast.voices.agent)).await?;
    let mut night = outsider(server, ip, CUSTOMER, voice()).await?;
    subscribe(stage, office).await?;
    progress.say(&format!("callers leave messages: for Grace (107), for the support team, and at {NIGHT}"));
    let (talker, ..) = tokio::try_join!(
        support(stage, office, cast, (otto, mira), progress),
        leave_message(&mut ben, "107"),
        leave_message(&mut night, NIGHT),
        texts(stage, office, progress),
        notes(stage, office),
    )?;
    Ok(talker)
}

/// Emil receives what customers say to sales.
async fn subscribe(stage: &Stage, office: &Office) -> Result<(), DemoError> {
    let ada = Colleague::of(stage, &office.ada).await?;
    ada.ask(Ask::Subscribe { number: NUMBER.to_owned(), extension: office.emil.extension.to_owned() }).await?;
    ada.leave().await
}

/// Nobody is there yet: a message. Then Finn is, and does not hear it ring.
async fn support(
    stage: &Stage,
    office: &Office,
    cast: &Cast,
    (mut otto, mut mira): (LivePhone, LivePhone),
    progress: &Progress,
) -> Result<Talker, DemoError> {
    leave_message(&mut otto, SUPPORT).await?;
    let mut talker = Talker::start(stage, office, &cast.voices).await?;
    progress.say(&format!("a customer calls {SUPPORT}, and nobody answers"));
    mira.call(SUPPORT).await?;
    mira.wait_for(|event| matches!(event, PhoneEvent::Ringing { .. }), SOON).await?;
    sleep(RINGS).await;
    mira.hang_up().await?;
    mira.wait_for(|event| matches!(event, PhoneEvent::Ended(Ending::Here)), SOON).await?;
    talker.rang_out().await?;
    Ok(talker)
}

/// Skips the greeting, speaks and hangs up.
async fn leave_message(caller: &mut LivePhone, target: &str) -> Result<(), DemoError> {
    caller.call(target).await?;
    let settled = |event: &PhoneEvent| matches!(event, PhoneEvent::Answered | PhoneEvent::Ended(_));
    if let PhoneEvent::Ended(ending) = caller.wait_for(settled, SOON).await? {
        return Err(DemoError::NotAnswered { target: target.to_owned(), ending });
    }
    calls::dial(caller, "#").await?;
    sleep(MESSAGE).await;
    caller.hang_up().await?;
    caller.wait_for(|event| matches!(event, PhoneEvent::Ended(_)), SOON).await?;
    Ok(())
}

/// A customer writes to the team, two of which answer, and colleagues write to each other.
async fn texts(stage: &Stage, office: &Office, progress: &Progress) -> Result<(), DemoError> {
    progress.say(&format!("a customer writes to {SUPPORT}, and the team answers"));
    let mut customer = outsider(stage.server, carrier_ip(), MIRA, Arc::from([])).await?;
    write(&mut customer, "Hello, my parcel was to come on Monday. Where is it?").await?;
    let grace = Colleague::of(stage, &office.grace).await?;
    let conversation = grace.conversation().await?;
    grace.ask(note(conversation, "It is the order of 17 November; the carrier lost its label.")).await?;
    grace.ask(answer(conversation, "Hello! It waits at our depot. Shall we send it on tomorrow?")).await?;
    write(&mut customer, "Yes please, before noon if you can.").await?;
    let finn = Colleague::of(stage, &office.finn).await?;
    finn.ask(answer(conversation, "Done: it comes tomorrow between 9 and 11. Finn")).await?;
    write(&mut customer, "Perfect, thank you both!").await?;
    let ben = Colleague::of(stage, &stage.people.ben).await?;
    ben.ask(to("101", "Anna, will you take the call with the new customer at three?")).await?;
    let anna = Colleague::of(stage, &stage.people.anna).await?;
    anna.ask(to("102", "Yes. I have put it down.")).await?;
    for colleague in [grace, finn, ben, anna] {
        colleague.leave().await?;
    }
    Ok(())
}

/// What colleagues tell each other about the call that was paused.
async fn notes(stage: &Stage, office: &Office) -> Result<(), DemoError> {
    let (anna, emil) = (Colleague::of(stage, &stage.people.anna).await?, Colleague::of(stage, &office.emil).await?);
    let query = CallQuery { limit: 1, direction: Some(Direction::Inbound), ..CallQuery::default() };
    let Reply::Calls(page) = anna.ask(Ask::Calls(Box::new(query))).await? else { return Ok(()) };
    if let Some(call) = page.calls.first().map(|call| call.id) {
        anna.ask(on_call(call, "Paused while she read me the number of her card.")).await?;
        emil.ask(on_call(call, "Well done. Please call her back on Friday.")).await?;
    }
    for colleague in [anna, emil] {
        colleague.leave().await?;
    }
    Ok(())
}

fn on_call(call: CallId, text: &str) -> Ask {
    Ask::Notes(NotesAsk::Write { call, text: text.to_owned() })
}

async fn write(customer: &mut LivePhone, text: &'static str) -> Result<(), DemoError> {
    customer.act(move |phone, now| phone.text(SUPPORT, text, now)).await?;
    match customer.wait_for(|event| matches!(event, PhoneEvent::TextAnswered { .. }), SOON).await? {
        PhoneEvent::TextAnswered { status: 200..300 } => Ok(()),
        PhoneEvent::TextAnswered { status } => Err(DemoError::Text { status }),
        other => Err(DemoError::Cut(format!("{other:?}"))),
    }
}

fn to(extension: &str, text: &str) -> Ask {
    let (to, text) = (extension.to_owned(), text.to_owned());
    Ask::Texts(TextsAsk::Write(NewText { to, text, number: None }))
}

fn answer(id: ConversationId, text: &str) -> Ask {
    Ask::Texts(TextsAsk::Answer { id, text: text.to_owned() })
}

fn note(id: ConversationId, text: &str) -> Ask {
    Ask::Texts(TextsAsk::Note { id, text: text.to_owned() })
}

/// Somebody of the company who is logged in.
pub struct Colleague {
    name: &'static str,
    desk: Arc<Desk>,
    viewer: Viewer,
}

impl Colleague {
    pub async fn of(stage: &Stage, person: &Person) -> Result<Self, DemoError> {
        let Person { extension, name, password } = person;
        let refused = |problem: String| DemoError::Refused { name, problem };
        let desk = stage.service.desk().ok_or_else(|| refused("it is off".to_owned()))?;
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let logged_in = desk.log_in(Some(super::office::COMPANY), extension, password, here).await;
        let viewer = logged_in.map_err(|problem| refused(problem.to_string()))?.viewer;
        Ok(Colleague { name, desk, viewer })
    }

    pub async fn ask(&self, ask: Ask) -> Result<Reply, DemoError> {
        let refused = |problem: Problem| DemoError::Refused { name: self.name, problem: problem.to_string() };
        self.desk.answer(&self.viewer, ask).await.map_err(refused)
    }

    /// The only one, once what was written is there.
    async fn conversation(&self) -> Result<ConversationId, DemoError> {
        for _ in 0..LOOKS {
            let query = ConversationQuery { limit: 1, ..ConversationQuery::default() };
            if let Reply::Texts(TextsReply::List(page)) = self.ask(Ask::Texts(TextsAsk::List(Box::new(query)))).await?
                && let Some(conversation) = page.conversations.first()
            {
                return Ok(conversation.id);
            }
            sleep(LOOK_AGAIN).await;
        }
        Err(DemoError::Refused { name: self.name, problem: "there is no conversation".to_owned() })
    }

    pub async fn leave(self) -> Result<(), DemoError> {
        self.ask(Ask::LogOut).await.map(|_| ())
    }
}
