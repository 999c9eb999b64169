//! Two phones that do what a script says.

use super::PlaceError;
use crate::base::{Samples, Side, Span, Time};
use crate::demo::phone::{LiveError, LivePhone};
use crate::replay::Script;
use crate::replay::script::{Cue, Part};
use crate::service::clock::{Clock, OsRandom};
use crate::sip::{Peer, Transport};
use crate::ua::{PhoneConfig, PhoneEvent, Voice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::time::sleep;

/// For anything that takes milliseconds on a machine that is not overloaded.
const SOON: Duration = Duration::from_secs(10);

/// A user that the service knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub user: String,
    pub password: String,
    pub domain: String,
}

impl std::str::FromStr for Account {
    type Err = PlaceError;

    /// `USER:PASSWORD@DOMAIN`; the password may contain both separators.
    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let parts = text.split_once(':').and_then(|(user, rest)| Some((user, rest.rsplit_once('@')?)));
        match parts {
            Some((user, (password, domain))) if !user.is_empty() && !domain.is_empty() => {
                Ok(Account { user: user.to_owned(), password: password.to_owned(), domain: domain.to_owned() })
            }
            Some(_) | None => Err(PlaceError::Account(text.to_owned())),
        }
    }
}

/// Where a call is placed, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    pub server: SocketAddr,
    pub caller: Account,
    pub callee: Account,
}

/// Places the call of a script and waits for its end. Packets that were not sent, by side.
pub async fn place(script: &Script, target: &Target) -> Result<[u64; 2], PlaceError> {
    let [caller_part, callee_part] = &script.parts;
    let mut callee = registered(target.server, &target.callee, callee_part).await?;
    let mut caller = registered(target.server, &target.caller, caller_part).await?;
    let settled = |event: &PhoneEvent| matches!(event, PhoneEvent::Answered | PhoneEvent::Ended(_));
    caller.call(&target.callee.user).await?;
    callee.wait_for(|event| matches!(event, PhoneEvent::Incoming { .. }), SOON).await?;
    callee.answer().await?;
    if let PhoneEvent::Ended(ending) = caller.wait_for(settled, SOON).await? {
        return Err(PlaceError::NotAnswered { user: target.callee.user.clone(), ending });
    }
    // Both have the answer, the service as well: nothing that is sent from here on comes too early.
    let clock = Clock::start();
    let answered = clock.now();
    let end = async {
        sleep(clock.until(answered + script.length)).await;
        match script.hangs_up {
            Side::Caller => caller.hang_up().await,
            Side::Callee => callee.hang_up().await,
        }
    };
    let [caller_cues, callee_cues] = [before(caller_part, script.length), before(callee_part, script.length)];
    let (one, other, ()) = tokio::try_join!(
        perform(&caller, caller_cues, &clock, answered),
        perform(&callee, callee_cues, &clock, answered),
        end
    )?;
    let over = |event: &PhoneEvent| matches!(event, PhoneEvent::Ended(_));
    tokio::try_join!(caller.wait_for(over, SOON), callee.wait_for(over, SOON))?;
    Ok([one, other])
}

/// What is captured after the BYE is of no call any more.
fn before(part: &Part, length: Span) -> Vec<(Span, Cue)> {
    part.cues.iter().filter(|(at, _)| *at < length).cloned().collect()
}

/// Does everything at its time, in the order of the capture. Returns packets that were not sent.
async fn perform(phone: &LivePhone, cues: Vec<(Span, Cue)>, clock: &Clock, answered: Time) -> Result<u64, LiveError> {
    let unsent = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    for (after, cue) in cues {
        sleep(clock.until(answered + after)).await;
        let unsent = std::sync::Arc::clone(&unsent);
        phone
            .act(move |phone, now| match cue {
                Cue::Packet(packet) => {
                    if !phone.send_packet(&packet) {
                        unsent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                    Ok(())
                }
                Cue::Info(key) => phone.info_digits(&char::from(key).to_string(), now),
            })
            .await?;
    }
    Ok(unsent.load(std::sync::atomic::Ordering::Relaxed))
}

async fn registered(server: SocketAddr, account: &Account, part: &Part) -> Result<LivePhone, PlaceError> {
    let peer = Peer { transport: Transport::Udp, local: server, remote: server, connection: None };
    let ip = own_address(server).map_err(LiveError::from)?;
    let mut config = PhoneConfig::new(&account.user, &account.domain, peer, SocketAddr::new(ip, 0));
    config.password.clone_from(&account.password);
    config.voice = Voice::Nothing;
    config.hear = Samples(0);
    let preferred = |law: &crate::audio::Law| part.laws.iter().position(|own| own == law).unwrap_or(usize::MAX);
    config.laws.sort_by_key(preferred);
    let mut phone = LivePhone::start(config, ip, 0, Box::new(OsRandom)).await?;
    match phone.register(SOON).await? {
        PhoneEvent::RegistrationFailed { status } => {
            Err(PlaceError::NotRegistered { user: account.user.clone(), status })
        }
        _ => Ok(phone),
    }
}

/// The address that leads to the service.
fn own_address(server: SocketAddr) -> std::io::Result<IpAddr> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    Ok(socket.local_addr()?.ip())
}
