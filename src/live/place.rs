//! Two phones that do what a script says.

use super::PlaceError;
use crate::base::{Samples, Side, Span, Time};
use crate::demo::phone::{LiveError, LivePhone};
use crate::replay::Script;
use crate::replay::script::{Cue, Cued, Offer, Says};
use crate::sdp::Encryption;
use crate::service::clock::{Clock, OsRandom};
use crate::sip::{Peer, Transport};
use crate::ua::{Phone, PhoneConfig, PhoneEvent, RawPacket, Voice, Wish};
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

/// How a call was placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Packets that were not sent, by side; those that cross the end of the call are none.
    pub unsent: [u64; 2],
    /// How long after its time a step was taken, at most.
    pub late: Span,
}

/// Places the call of a script and waits for its end.
pub async fn place(script: &Script, target: &Target) -> Result<Placed, PlaceError> {
    let [caller_says, callee_says] = &script.says;
    // The service asks a phone for SRTP over TLS only: the callee takes what it is offered.
    let callee = registered(target.server, &target.callee, callee_says, Encryption::Accepted).await?;
    let offers = if caller_says.encrypted { Encryption::Offered } else { Encryption::Accepted };
    let caller = registered(target.server, &target.caller, caller_says, offers).await?;
    let mut stage = Stage {
        caller,
        callee,
        clock: Clock::start(),
        from: (Time::ZERO, Span(0)),
        placed: Placed::default(),
        hung_up: false,
    };
    let played = stage.play(script, &target.callee.user).await;
    stage.leave().await;
    played.map(|()| stage.placed)
}

/// Both phones, and the time of the script.
struct Stage {
    caller: LivePhone,
    callee: LivePhone,
    clock: Clock,
    /// A moment, and what it is in the script.
    from: (Time, Span),
    placed: Placed,
    hung_up: bool,
}

impl Stage {
    /// What follows in the script is counted from now.
    fn go_on_from(&mut self, at: Span) {
        self.from = (self.clock.now(), at);
    }

    fn due(&self, at: Span) -> Time {
        let (moment, from) = self.from;
        moment + Span(at.0.saturating_sub(from.0))
    }

    async fn play(&mut self, script: &Script, called: &str) -> Result<(), PlaceError> {
        match script.without_offer {
            true => self.caller.call_without_offer(called).await?,
            false => self.caller.call(called).await?,
        }
        self.callee.wait_for(|event| matches!(event, PhoneEvent::Incoming { .. }), SOON).await?;
        self.go_on_from(Span(0));
        for Cued { at, side, cue } in &script.cues {
            let due = self.due(*at);
            sleep(self.clock.until(due)).await;
            self.placed.late = self.placed.late.max(self.clock.now().since(due));
            self.act(*at, *side, cue, called).await?;
        }
        let over = |event: &PhoneEvent| matches!(event, PhoneEvent::Ended(_));
        self.caller.wait_for(over, SOON).await?;
        self.callee.wait_for(over, SOON).await?;
        Ok(())
    }

    /// A phone that stays registered would ring, unheard, when the next call is placed.
    async fn leave(&mut self) {
        for phone in [&mut self.caller, &mut self.callee] {
            // Of a service that is gone there is nothing to leave.
            if phone.unregister().await.is_ok() {
                let _ = phone.wait_for(|event| *event == PhoneEvent::Unregistered, SOON).await;
            }
        }
    }

    fn phone(&mut self, side: Side) -> &mut LivePhone {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }

    async fn act(&mut self, at: Span, side: Side, cue: &Cue, called: &str) -> Result<(), PlaceError> {
        match cue {
            Cue::Packet(packet) => self.send(side, packet).await?,
            Cue::Info(key) => {
                let key = char::from(*key).to_string();
                self.phone(side).act(move |phone, now| phone.info_digits(&key, now)).await?;
            }
            Cue::Speak(Says { formats, events, ptime_ms, encrypted: _ }) => {
                let (formats, events, ptime_ms) = (formats.clone(), *events, *ptime_ms);
                let speak = move |phone: &mut Phone, _| {
                    phone.speaks(formats, events, ptime_ms);
                    Ok(())
                };
                self.phone(side).act(speak).await?;
            }
            Cue::Offer(offer) => self.offer(side, offer).await?,
            Cue::Progress => {
                self.callee.act(Phone::progress).await?;
                let told = |event: &PhoneEvent| matches!(event, PhoneEvent::Ringing { status: 183 });
                self.caller.wait_for(told, SOON).await?;
                self.go_on_from(at);
            }
            Cue::Answer => self.answer(at, called).await?,
            Cue::Refuse(status) => self.callee.refuse(*status).await?,
            Cue::HangUp => {
                self.hung_up = true;
                self.phone(side).hang_up().await?;
            }
        }
        Ok(())
    }

    async fn answer(&mut self, at: Span, called: &str) -> Result<(), PlaceError> {
        self.callee.answer().await?;
        let settled = |event: &PhoneEvent| matches!(event, PhoneEvent::Answered | PhoneEvent::Ended(_));
        if let PhoneEvent::Ended(ending) = self.caller.wait_for(settled, SOON).await? {
            return Err(PlaceError::NotAnswered { user: called.to_owned(), ending });
        }
        // Both have the answer, the service as well: nothing that is sent from here on comes too early.
        self.go_on_from(at);
        Ok(())
    }

    async fn send(&mut self, side: Side, packet: &RawPacket) -> Result<(), PlaceError> {
        let packet = packet.clone();
        let (told, sent) = std::sync::mpsc::sync_channel(1);
        let send = move |phone: &mut Phone, _| {
            // The other end waits below.
            let _ = told.send(phone.send_packet(&packet));
            Ok(())
        };
        self.phone(side).act(send).await?;
        // Whoever has heard of the end sends nothing more.
        if let Some(unsent) = self.placed.unsent.get_mut(side.channel()).filter(|_| !self.hung_up) {
            *unsent += u64::from(sent.try_recv() != Ok(true));
        }
        Ok(())
    }

    /// Asks for a change and waits until it holds; a refusal changes nothing, as in the capture.
    async fn offer(&mut self, side: Side, offer: &Offer) -> Result<(), PlaceError> {
        let Offer { flow, by_address, moved } = offer.clone();
        let phone = self.phone(side);
        let other = if moved { Some(phone.take_other_ports().await?) } else { None };
        let change = move |phone: &mut Phone, now| {
            phone.change(|wish| Wish { flow, by_address, media_at: other.unwrap_or(wish.media_at) }, now)
        };
        phone.act(change).await?;
        let done = |event: &PhoneEvent| {
            matches!(event, PhoneEvent::Changed | PhoneEvent::ChangeFailed { .. } | PhoneEvent::Ended(_))
        };
        match phone.wait_for(done, SOON).await? {
            PhoneEvent::ChangeFailed { status } => Err(PlaceError::ChangeRefused { status }),
            _ => Ok(()),
        }
    }
}

async fn registered(
    server: SocketAddr,
    account: &Account,
    says: &Says,
    encryption: Encryption,
) -> Result<LivePhone, PlaceError> {
    let peer = Peer { transport: Transport::Udp, local: server, remote: server, connection: None };
    let ip = own_address(server).map_err(LiveError::from)?;
    let mut config = PhoneConfig::new(&account.user, &account.domain, peer, SocketAddr::new(ip, 0));
    config.password.clone_from(&account.password);
    config.voice = Voice::Nothing;
    config.hear = Samples(0);
    config.encryption = Some(encryption);
    let Says { formats, events, ptime_ms, encrypted: _ } = says;
    (config.formats, config.events, config.ptime_ms) = (formats.clone(), *events, *ptime_ms);
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
