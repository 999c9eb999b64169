//! A [`Phone`] on real sockets: a task that moves packets, a channel of commands, a stream of events.

use crate::base::{Random, Time};
use crate::service::clock::Clock;
use crate::sip::{ConnectionId, Peer, Transport};
use crate::ua::{Counters, Phone, PhoneConfig, PhoneError, PhoneEvent};
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Events that nobody has taken; beyond them the newest are dropped.
const EVENTS: usize = 256;
const COMMANDS: usize = 16;
/// Longer than any datagram.
const BUFFER: usize = 65_536;
/// Pairs of ports that are tried before there is none.
const PORT_TRIES: u8 = 50;

#[derive(Debug, Error)]
pub enum LiveError {
    #[error("a socket of the built-in phone: {0}")]
    Socket(#[from] io::Error),
    #[error("no free pair of media ports on {0}")]
    NoPorts(IpAddr),
    #[error("the server cannot be reached over TLS from here")]
    Tls,
    #[error(transparent)]
    Phone(#[from] PhoneError),
    #[error("waited {0:?} in vain; the last events were {1:?}")]
    Timeout(Duration, Vec<PhoneEvent>),
    #[error("the built-in phone has stopped")]
    Stopped,
}

type Action = Box<dyn FnOnce(&mut Phone, Time) -> Result<(), PhoneError> + Send>;

/// What a live phone is asked to do, and where the answer goes.
enum Command {
    Act(Action, oneshot::Sender<Result<(), PhoneError>>),
    Look(Box<dyn FnOnce(&Phone) + Send>),
    /// Media goes over these sockets from here on.
    Move(UdpSocket, UdpSocket),
}

/// A handle on a running phone; it stops when this is dropped.
pub struct LivePhone {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<PhoneEvent>,
    /// Taken from `events` already, for the message of a timeout.
    past: Vec<PhoneEvent>,
    task: JoinHandle<()>,
    sip: SocketAddr,
    media: SocketAddr,
    ip: IpAddr,
}

impl LivePhone {
    /// Binds sockets on `ip` (SIP on `sip_port`, 0 for any) and starts the phone. What `config`
    /// says of addresses is set anew, the server's and the transport apart.
    pub async fn start(
        mut config: PhoneConfig,
        ip: IpAddr,
        sip_port: u16,
        random: Box<dyn Random + Send>,
    ) -> Result<Self, LiveError> {
        let (rtp, rtcp) = media_pair(ip).await?;
        let sip = SipSocket::open(config.server, SocketAddr::new(ip, sip_port)).await?;
        config.server.local = sip.local()?;
        config.server.connection = match config.server.transport {
            Transport::Udp => None,
            Transport::Tcp | Transport::Tls => Some(ConnectionId(0)),
        };
        config.media = rtp.local_addr()?;
        let (sip_address, media) = (config.server.local, config.media);
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (event_queue, events) = mpsc::channel(EVENTS);
        let driver = Driver {
            server: config.server.remote,
            phone: Phone::new(config, random),
            sip,
            rtp,
            rtcp,
            commands: command_queue,
            events: event_queue,
            clock: Clock::start(),
        };
        let task = tokio::spawn(driver.run());
        Ok(LivePhone { commands, events, past: Vec::new(), task, sip: sip_address, media, ip })
    }

    /// Its own SIP address.
    pub fn sip_address(&self) -> SocketAddr {
        self.sip
    }

    /// Where it receives RTP.
    pub fn media_address(&self) -> SocketAddr {
        self.media
    }

    /// Registers, and waits for what comes of it.
    pub async fn register(&mut self, within: Duration) -> Result<PhoneEvent, LiveError> {
        self.act(|phone, now| {
            phone.register(now);
            Ok(())
        })
        .await?;
        self.wait_for(|event| matches!(event, PhoneEvent::Registered | PhoneEvent::RegistrationFailed { .. }), within)
            .await
    }

    pub async fn call(&self, target: &str) -> Result<(), LiveError> {
        let target = target.to_owned();
        self.act(move |phone, now| phone.call(&target, now)).await
    }

    pub async fn call_without_offer(&self, target: &str) -> Result<(), LiveError> {
        let target = target.to_owned();
        self.act(move |phone, now| phone.call_without_offer(&target, now)).await
    }

    /// Takes another pair of media ports. The far side has to be told of them.
    pub async fn take_other_ports(&mut self) -> Result<SocketAddr, LiveError> {
        let (rtp, rtcp) = media_pair(self.ip).await?;
        self.media = rtp.local_addr()?;
        self.commands.send(Command::Move(rtp, rtcp)).await.map_err(|_| LiveError::Stopped)?;
        Ok(self.media)
    }

    pub async fn answer(&self) -> Result<(), LiveError> {
        self.act(Phone::answer).await
    }

    pub async fn refuse(&self, status: u16) -> Result<(), LiveError> {
        self.act(move |phone, now| phone.refuse(status, now)).await
    }

    pub async fn digits(&self, keys: &str) -> Result<(), LiveError> {
        let keys = keys.to_owned();
        self.act(move |phone, now| phone.digits(&keys, now)).await
    }

    pub async fn hold(&self) -> Result<(), LiveError> {
        self.act(Phone::hold).await
    }

    pub async fn unhold(&self) -> Result<(), LiveError> {
        self.act(Phone::unhold).await
    }

    pub async fn hang_up(&self) -> Result<(), LiveError> {
        self.act(Phone::hang_up).await
    }

    pub async fn unregister(&self) -> Result<(), LiveError> {
        self.act(|phone, now| {
            phone.unregister(now);
            Ok(())
        })
        .await
    }

    /// Does anything to the phone at its own time.
    pub async fn act(
        &self,
        action: impl FnOnce(&mut Phone, Time) -> Result<(), PhoneError> + Send + 'static,
    ) -> Result<(), LiveError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Act(Box::new(action), answer)).await.map_err(|_| LiveError::Stopped)?;
        Ok(answered.await.map_err(|_| LiveError::Stopped)??)
    }

    /// What was heard in the present or last call.
    pub async fn heard(&self) -> Result<Vec<i16>, LiveError> {
        self.look(|phone| phone.heard().to_vec()).await
    }

    pub async fn counters(&self) -> Result<Counters, LiveError> {
        self.look(Phone::counters).await
    }

    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Phone) -> T + Send + 'static) -> Result<T, LiveError> {
        let (answer, answered) = oneshot::channel();
        let look = Box::new(move |phone: &Phone| {
            // Whoever asked may have gone.
            let _ = answer.send(look(phone));
        });
        self.commands.send(Command::Look(look)).await.map_err(|_| LiveError::Stopped)?;
        answered.await.map_err(|_| LiveError::Stopped)
    }

    /// The next event.
    pub async fn event(&mut self) -> Option<PhoneEvent> {
        let event = self.events.recv().await?;
        self.past.push(event.clone());
        if self.past.len() > 16 {
            self.past.remove(0);
        }
        Some(event)
    }

    /// Drops what has happened so far.
    pub fn forget(&mut self) {
        while self.events.try_recv().is_ok() {}
    }

    /// The first event that fits; those before it are dropped.
    pub async fn wait_for(
        &mut self,
        fits: impl Fn(&PhoneEvent) -> bool,
        within: Duration,
    ) -> Result<PhoneEvent, LiveError> {
        let found = timeout(within, async {
            while let Some(event) = self.event().await {
                if fits(&event) {
                    return Some(event);
                }
            }
            None
        });
        match found.await {
            Ok(Some(event)) => Ok(event),
            Ok(None) => Err(LiveError::Stopped),
            Err(_) => Err(LiveError::Timeout(within, self.past.clone())),
        }
    }
}

impl Drop for LivePhone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// RTP on an even port and RTCP on the next (RFC 3550 §11).
async fn media_pair(ip: IpAddr) -> Result<(UdpSocket, UdpSocket), LiveError> {
    for _ in 0..PORT_TRIES {
        let rtp = UdpSocket::bind((ip, 0)).await?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 1 || port == u16::MAX {
            continue;
        }
        if let Ok(rtcp) = UdpSocket::bind((ip, port + 1)).await {
            return Ok((rtp, rtcp));
        }
    }
    Err(LiveError::NoPorts(ip))
}

enum SipSocket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl SipSocket {
    async fn open(server: Peer, local: SocketAddr) -> Result<Self, LiveError> {
        match server.transport {
            Transport::Udp => Ok(SipSocket::Udp(UdpSocket::bind(local).await?)),
            Transport::Tcp => {
                let stream = TcpStream::connect(server.remote).await?;
                stream.set_nodelay(true)?;
                Ok(SipSocket::Tcp(stream))
            }
            Transport::Tls => Err(LiveError::Tls),
        }
    }

    fn local(&self) -> io::Result<SocketAddr> {
        match self {
            SipSocket::Udp(socket) => socket.local_addr(),
            SipSocket::Tcp(stream) => stream.local_addr(),
        }
    }

    /// A stream that was closed reads as an error.
    async fn receive(&mut self, buffer: &mut [u8], server: SocketAddr) -> io::Result<(usize, SocketAddr)> {
        match self {
            SipSocket::Udp(socket) => socket.recv_from(buffer).await,
            SipSocket::Tcp(stream) => match stream.read(buffer).await? {
                0 => Err(io::ErrorKind::ConnectionAborted.into()),
                length => Ok((length, server)),
            },
        }
    }

    async fn send(&mut self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        match self {
            SipSocket::Udp(socket) => socket.send_to(bytes, to).await.map(|_| ()),
            SipSocket::Tcp(stream) => stream.write_all(bytes).await,
        }
    }

    fn is_stream(&self) -> bool {
        match self {
            SipSocket::Udp(_) => false,
            SipSocket::Tcp(_) => true,
        }
    }
}

struct Driver {
    phone: Phone,
    server: SocketAddr,
    sip: SipSocket,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<PhoneEvent>,
    clock: Clock,
}

impl Driver {
    /// Until the handle is gone or the stream to the server breaks.
    async fn run(mut self) {
        let (mut sip, mut rtp, mut rtcp) = (vec![0; BUFFER], vec![0; BUFFER], vec![0; BUFFER]);
        loop {
            if self.send_all().await.is_err() {
                return self.stop();
            }
            let wake = self.phone.next_timeout().map(|at| self.clock.until(at));
            tokio::select! {
                received = self.sip.receive(&mut sip, self.server) => match received {
                    Ok((length, from)) => self.phone.handle_sip(from, part(&sip, length), self.now()),
                    Err(_) if self.sip.is_stream() => return self.stop(),
                    // ICMP says that a datagram was refused: the transaction finds out by itself.
                    Err(_) => {}
                },
                received = self.rtp.recv_from(&mut rtp) => if let Ok((length, from)) = received {
                    self.phone.handle_rtp(from, part(&rtp, length), self.now());
                },
                received = self.rtcp.recv_from(&mut rtcp) => if let Ok((length, from)) = received {
                    self.phone.handle_rtcp(from, part(&rtcp, length), self.now());
                },
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                () = until(wake) => self.phone.handle_timeout(self.now()),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Act(action, answer) => {
                let now = self.now();
                let _ = answer.send(action(&mut self.phone, now));
            }
            Command::Look(look) => look(&self.phone),
            Command::Move(rtp, rtcp) => (self.rtp, self.rtcp) = (rtp, rtcp),
        }
    }

    /// Fails where the stream to the server is broken.
    async fn send_all(&mut self) -> io::Result<()> {
        while let Some(transmit) = self.phone.poll_sip() {
            let sent = self.sip.send(&transmit.bytes, transmit.peer.remote).await;
            if self.sip.is_stream() {
                sent?;
            }
        }
        while let Some((to, bytes)) = self.phone.poll_rtp() {
            // As with any network: what cannot be sent is lost.
            let _ = self.rtp.send_to(&bytes, to).await;
        }
        while let Some((to, bytes)) = self.phone.poll_rtcp() {
            let _ = self.rtcp.send_to(&bytes, to).await;
        }
        self.tell();
        Ok(())
    }

    fn tell(&mut self) {
        while let Some(event) = self.phone.poll_event() {
            // Full, or nobody listens: the phone goes on.
            let _ = self.events.try_send(event);
        }
    }

    fn stop(mut self) {
        let now = self.now();
        self.phone.transport_failed(now);
        self.tell();
    }

    fn now(&self) -> Time {
        self.clock.now()
    }
}

fn part(buffer: &[u8], length: usize) -> &[u8] {
    buffer.get(..length).unwrap_or(buffer)
}

async fn until(wake: Option<Duration>) {
    match wake {
        Some(left) => sleep(left).await,
        None => pending().await,
    }
}
