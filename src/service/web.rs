//! The listeners of the API: plain on loopback or behind a named proxy, over TLS elsewhere.

use super::clock::{Clock, OsRandom};
use super::config::{HttpConfig, HttpListen};
use super::tls::Tls;
use super::{Handle, StartError};
use crate::api::http::{Peer, Shared, router};
use crate::api::{Answer, Desk, Operator, Request, World};
use crate::base::{Random, Time, Wall};
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsStream;

/// Connections at a time; further ones wait.
const CONNECTIONS: usize = 4_096;
/// Connections whose handshake is done and that nobody has taken yet.
const READY: usize = 64;
/// After an accept that failed, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The listeners and their addresses, as bound.
pub struct Web {
    pub addresses: Vec<SocketAddr>,
    pub tasks: Vec<JoinHandle<()>>,
}

/// Binds every listener and serves on it.
pub fn start(
    config: &HttpConfig,
    handle: &Handle,
    newest: tokio::sync::watch::Receiver<i64>,
) -> Result<Web, StartError> {
    let mut web = Web { addresses: Vec::new(), tasks: Vec::new() };
    if config.listen.is_empty() {
        return Ok(web);
    }
    let world = Box::new(Clocks(handle.clock));
    let operator = Box::new(Hand(handle.clone()));
    let desk = Arc::new(Desk::new(handle.store.clone(), handle.recordings.clone(), world, operator));
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    for HttpListen { address, tls } in &config.listen {
        let listening = |error| StartError::Http { address: *address, error };
        let listener = std::net::TcpListener::bind(address).map_err(listening)?;
        listener.set_nonblocking(true).map_err(listening)?;
        let listener = TcpListener::from_std(listener).map_err(listening)?;
        let local = listener.local_addr().map_err(listening)?;
        let proxies: Arc<[IpAddr]> = config.proxies.clone().into();
        let shared =
            Shared { desk: Arc::clone(&desk), newest: newest.clone(), secure: *tls, proxies: Arc::clone(&proxies) };
        let (ready, queue) = mpsc::channel(READY);
        let doors = Doors { queue, local };
        // Who may come without encryption.
        let plain_from = (!tls && !local.ip().is_loopback()).then_some(proxies);
        let tls = tls.then(|| handle.tls.clone());
        web.addresses.push(local);
        web.tasks.push(tokio::spawn(accept(listener, tls, plain_from, Arc::clone(&room), ready)));
        web.tasks.push(tokio::spawn(async move {
            let app = router(shared).into_make_service_with_connect_info::<Peer>();
            if let Err(error) = axum::serve(doors, app).await {
                tracing::error!(%error, "the API has stopped");
            }
        }));
    }
    Ok(web)
}

/// Takes connections, and lets none wait for another one's handshake.
async fn accept(
    listener: TcpListener,
    tls: Option<Tls>,
    plain_from: Option<Arc<[IpAddr]>>,
    room: Arc<Semaphore>,
    ready: mpsc::Sender<(Stream, SocketAddr)>,
) {
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the API could not be taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if plain_from.as_ref().is_some_and(|proxies| !proxies.contains(&peer.ip().to_canonical())) {
            tracing::warn!(source = %peer.ip(), "a connection without encryption was refused: it is none of `http.proxies`");
            continue;
        }
        let _ = stream.set_nodelay(true);
        let (tls, ready) = (tls.clone(), ready.clone());
        tokio::spawn(async move {
            let kind = match tls {
                None => Kind::Plain(stream),
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => Kind::Tls(Box::new(stream)),
                    Err(error) => {
                        return tracing::debug!(%error, source = %peer.ip(), "no TLS with a client of the API");
                    }
                },
            };
            let _ = ready.send((Stream { kind, _permit: permit }, peer)).await;
        });
    }
}

/// Connections that are ready, as the server takes them.
struct Doors {
    queue: mpsc::Receiver<(Stream, SocketAddr)>,
    local: SocketAddr,
}

impl Listener for Doors {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        match self.queue.recv().await {
            Some(ready) => ready,
            // Nobody accepts any more: the service is stopping.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

impl Connected<IncomingStream<'_, Doors>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Self {
        Peer(*stream.remote_addr())
    }
}

/// One connection.
struct Stream {
    kind: Kind,
    /// Its place among those that may be open.
    _permit: OwnedSemaphorePermit,
}

enum Kind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Kind::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Kind::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

struct Clocks(Clock);

impl World for Clocks {
    fn now(&self) -> Time {
        self.0.now()
    }

    fn wall(&self) -> Wall {
        self.0.wall()
    }

    fn random(&self) -> Box<dyn Random + Send> {
        Box::new(OsRandom)
    }
}

struct Hand(Handle);

impl Operator for Hand {
    fn ask(&self, request: Request) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(self.0.answer(request))
    }
}
