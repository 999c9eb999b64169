//! The three calls, played by built-in phones over real sockets.

use super::company::{CUSTOMER, DOMAIN, NUMBER, People, Person};
use super::phone::{LiveError, LivePhone};
use super::{DemoError, Progress};
use crate::base::{Direction, Span};
use crate::service::clock::OsRandom;
use crate::sip::{Peer, Transport};
use crate::ua::{Ending, PhoneConfig, PhoneEvent, Voice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// For anything that takes milliseconds on a machine that is not overloaded.
pub(super) const SOON: Duration = Duration::from_secs(5);
/// How long phones ring that answer by themselves.
const ANSWERED_AFTER: Span = Span::from_millis(400);
/// The talk, in its parts.
const BEFORE_PAUSE: Duration = Duration::from_millis(3_500);
const PAUSE: Duration = Duration::from_millis(3_000);
const AFTER_PAUSE: Duration = Duration::from_millis(3_000);

/// The two voices.
#[derive(Clone)]
pub struct Voices {
    pub agent: Arc<[i16]>,
    pub customer: Arc<[i16]>,
}

/// One call as its two ends know it, caller first.
pub struct Played {
    pub direction: Direction,
    pub said: [Arc<[i16]>; 2],
    /// What came to each end through the service.
    pub heard: [Vec<i16>; 2],
    /// How long the recording was to be paused.
    pub paused: Option<Span>,
}

/// The carrier's side: who calls in, and whom calls out reach.
pub struct Outside {
    customer: LivePhone,
    called: LivePhone,
}

impl Outside {
    pub async fn start(server: SocketAddr, ip: IpAddr, voices: &Voices) -> Result<Self, DemoError> {
        let start = || outsider(server, ip, CUSTOMER, Arc::clone(&voices.customer));
        Ok(Outside { customer: start().await?, called: start().await? })
    }

    /// Where the trunk leads to.
    pub fn trunk(&self) -> SocketAddr {
        self.called.sip_address()
    }
}

/// A phone behind the trunk.
pub(super) async fn outsider(
    server: SocketAddr,
    ip: IpAddr,
    number: &str,
    voice: Arc<[i16]>,
) -> Result<LivePhone, DemoError> {
    let mut config =
        PhoneConfig::new(number, &server.to_string(), peer(server, Transport::Udp), SocketAddr::new(ip, 0));
    config.voice = Voice::Loop(voice);
    config.auto_answer = Some(ANSWERED_AFTER);
    Ok(LivePhone::start(config, ip, 0, Box::new(OsRandom)).await?)
}

/// The phones of the company.
pub struct Inside {
    anna: LivePhone,
    ben: LivePhone,
    clara: LivePhone,
    dora: LivePhone,
}

impl Inside {
    /// Starts and registers all four.
    pub async fn start(server: SocketAddr, people: &People, voices: &Voices) -> Result<Self, DemoError> {
        let agent = || Arc::clone(&voices.agent);
        Ok(Inside {
            anna: registered(server, Transport::Udp, &people.anna, agent()).await?,
            ben: registered(server, Transport::Udp, &people.ben, agent()).await?,
            clara: registered(server, Transport::Udp, &people.clara, agent()).await?,
            dora: registered(server, Transport::Udp, &people.dora, Arc::clone(&voices.customer)).await?,
        })
    }
}

fn peer(server: SocketAddr, transport: Transport) -> Peer {
    // The phone fills in its own side.
    Peer { transport, local: server, remote: server, connection: None }
}

/// A phone of a user, registered.
pub(super) async fn registered(
    server: SocketAddr,
    transport: Transport,
    person: &Person,
    voice: Arc<[i16]>,
) -> Result<LivePhone, DemoError> {
    let domain = format!("{DOMAIN}:{}", server.port());
    let ip = server.ip();
    let mut config = PhoneConfig::new(person.extension, &domain, peer(server, transport), SocketAddr::new(ip, 0));
    config.password.clone_from(&person.password);
    config.display = person.name.to_owned();
    config.auto_answer = Some(ANSWERED_AFTER);
    config.voice = Voice::Loop(voice);
    let mut phone = LivePhone::start(config, ip, 0, Box::new(OsRandom)).await?;
    if let PhoneEvent::RegistrationFailed { status } = phone.register(SOON).await? {
        return Err(DemoError::NotRegistered { name: person.name, status });
    }
    Ok(phone)
}

/// Plays all three at the same time.
pub async fn play(
    outside: &mut Outside,
    inside: &mut Inside,
    voices: &Voices,
    progress: &Progress,
) -> Result<Vec<Played>, DemoError> {
    talk(outside, inside, progress).await?;
    let Outside { customer, called } = outside;
    let Inside { anna, ben, clara, dora } = inside;
    let [agent, outsider] = [&voices.agent, &voices.customer];
    let inbound = played(Direction::Inbound, (customer, outsider), (anna, agent), Some(pause())).await?;
    let outbound = played(Direction::Outbound, (ben, agent), (called, outsider), None).await?;
    let internal = played(Direction::Internal, (clara, agent), (dora, outsider), None).await?;
    Ok(vec![inbound, outbound, internal])
}

async fn talk(outside: &mut Outside, inside: &mut Inside, progress: &Progress) -> Result<(), DemoError> {
    let Outside { customer, called } = outside;
    let Inside { anna, ben, clara, dora } = inside;
    progress.say(&format!("a customer calls {NUMBER}, Ben (102) calls {CUSTOMER}, Clara (103) calls Dora (104)"));
    tokio::try_join!(connect(customer, anna, NUMBER), connect(ben, called, CUSTOMER), connect(clara, dora, "104"),)?;
    progress.say("all three calls are answered; everybody talks");
    sleep(BEFORE_PAUSE).await;
    progress.say("Anna dials #11#: her recording is to pause");
    dial(anna, "#11#").await?;
    sleep(PAUSE).await;
    progress.say("Anna dials #12#: her recording is to go on");
    dial(anna, "#12#").await?;
    sleep(AFTER_PAUSE).await;
    tokio::try_join!(disconnect(customer, anna), disconnect(ben, called), disconnect(clara, dora))?;
    progress.say("all three calls are over");
    Ok(())
}

/// From the last key of the one command to the last key of the other.
fn pause() -> Span {
    Span(u64::try_from(PAUSE.as_micros()).unwrap_or(0)) + Span::from_millis(DIAL_MS)
}

async fn played(
    direction: Direction,
    (caller, caller_said): (&LivePhone, &Arc<[i16]>),
    (callee, callee_said): (&LivePhone, &Arc<[i16]>),
    paused: Option<Span>,
) -> Result<Played, DemoError> {
    let said = [Arc::clone(caller_said), Arc::clone(callee_said)];
    Ok(Played { direction, said, heard: [caller.heard().await?, callee.heard().await?], paused })
}

/// How long the phone takes for a command of four keys: three times key, ends and gap, then the
/// last key with its ends.
const DIAL_MS: u64 = 3 * 200 + 140;

pub(super) async fn dial(phone: &mut LivePhone, keys: &str) -> Result<(), LiveError> {
    phone.digits(keys).await?;
    phone.wait_for(|event| *event == PhoneEvent::DigitsSent, SOON).await.map(|_| ())
}

pub(super) async fn connect(caller: &mut LivePhone, callee: &mut LivePhone, target: &str) -> Result<(), DemoError> {
    caller.call(target).await?;
    let settled = |event: &PhoneEvent| matches!(event, PhoneEvent::Answered | PhoneEvent::Ended(_));
    if let PhoneEvent::Ended(ending) = caller.wait_for(settled, SOON).await? {
        return Err(DemoError::NotAnswered { target: target.to_owned(), ending });
    }
    callee.wait_for(|event| *event == PhoneEvent::Answered, SOON).await?;
    Ok(())
}

/// The caller hangs up.
pub(super) async fn disconnect(caller: &mut LivePhone, callee: &mut LivePhone) -> Result<(), DemoError> {
    caller.hang_up().await?;
    let ended = |event: &PhoneEvent| matches!(event, PhoneEvent::Ended(_));
    let (here, there) = tokio::try_join!(caller.wait_for(ended, SOON), callee.wait_for(ended, SOON))?;
    match (here, there) {
        (PhoneEvent::Ended(Ending::Here), PhoneEvent::Ended(Ending::There { .. })) => Ok(()),
        (here, there) => Err(DemoError::Cut(format!("{here:?}, {there:?}"))),
    }
}
