//! The listeners of the API: plain on loopback or behind a named proxy, over TLS elsewhere.

use super::clock::{Clock, OsRandom};
use super::config::{HttpConfig, HttpListen};
use super::tls::Tls;
use super::{Handle, StartError};
use crate::api::http::{Peer, Requests, Shared};
use crate::api::{Answer, Desk, ExportSettings, Operator, ProvisioningSettings, Request, World};
use crate::base::{CallId, Random, Time, Wall};
use crate::notify::{self, Guard};
use crate::page;
use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use tokio_rustls::TlsStream;

/// Connections at a time of a listener; further ones wait.
const CONNECTIONS: usize = 4_096;
/// Of them, those of one address; a proxy has as many as it likes.
const OF_ONE: usize = 256;
/// After an accept that failed, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// A request's head has to be there within this time, also the next one on a connection that stays.
const HEAD: Duration = Duration::from_secs(20);
/// Orders to call control that are under way at a time: it has calls to look after.
const ORDERS: usize = 2;

/// The listeners and their addresses, as bound.
pub struct Web {
    pub addresses: Vec<SocketAddr>,
    pub tasks: Vec<JoinHandle<()>>,
    /// Answers for all of them; `None` where nothing listens.
    pub desk: Option<Arc<Desk>>,
    /// What was asked of them.
    pub requests: Arc<Requests>,
}

/// Binds every listener and serves on it.
pub fn start(
    config: &HttpConfig,
    (exports, provisioning): (ExportSettings, ProvisioningSettings),
    guard: &Guard,
    handle: &Handle,
) -> Result<Web, StartError> {
    let mut web = Web { addresses: Vec::new(), tasks: Vec::new(), desk: None, requests: Arc::default() };
    if config.listen.is_empty() {
        return Ok(web);
    }
    let world = Box::new(Clocks(handle.clock));
    let operator = Box::new(Hand { handle: handle.clone(), orders: Semaphore::new(ORDERS) });
    let (store, recordings) = (handle.store.clone(), handle.recordings.clone());
    let locks = handle.log_ins.clone();
    let desk = Arc::new(Desk::new(store, recordings, (exports, provisioning), guard.clone(), locks, world, operator));
    let keeper = Arc::clone(&desk);
    web.tasks.push(tokio::spawn(async move { keeper.keep_exports().await }));
    web.desk = Some(Arc::clone(&desk));
    for HttpListen { address, tls } in &config.listen {
        let listening = |error| StartError::Http { address: *address, error };
        let listener = std::net::TcpListener::bind(address).map_err(listening)?;
        listener.set_nonblocking(true).map_err(listening)?;
        let listener = TcpListener::from_std(listener).map_err(listening)?;
        let local = listener.local_addr().map_err(listening)?;
        let proxies: Arc<[IpAddr]> = config.proxies.clone().into();
        let desk = Arc::clone(&desk);
        let shared = Shared {
            desk,
            secure: *tls,
            proxies: Arc::clone(&proxies),
            requests: Arc::clone(&web.requests),
            patience: config.patience,
        };
        let door = Door {
            tls: tls.then(|| handle.tls.clone()),
            proxied_only: !tls && !local.ip().is_loopback(),
            proxies,
            app: page::router(shared),
            stall: config.patience.stall,
            of_each: Arc::default(),
        };
        web.addresses.push(local);
        web.tasks.push(tokio::spawn(accept(listener, door)));
    }
    Ok(web)
}

/// What every connection of a listener needs.
#[derive(Clone)]
struct Door {
    tls: Option<Tls>,
    /// Without encryption only proxies may come.
    proxied_only: bool,
    proxies: Arc<[IpAddr]>,
    app: Router,
    /// A reader that takes nothing for so long is cut off.
    stall: Duration,
    of_each: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// Takes connections, and lets none wait for another one's handshake.
async fn accept(listener: TcpListener, door: Door) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the API could not be taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let ip = peer.ip().to_canonical();
        let is_proxy = door.proxies.contains(&ip);
        if door.proxied_only && !is_proxy {
            tracing::warn!(source = %ip, "a connection without encryption was refused: it is none of `http.proxies`");
            continue;
        }
        let Some(place) = Place::take(&door.of_each, ip, is_proxy) else {
            tracing::warn!(source = %ip, "a connection to the API was refused: this address has {OF_ONE} already");
            continue;
        };
        let door = door.clone();
        tokio::spawn(async move {
            serve(stream, peer, door, (permit, place)).await;
        });
    }
}

/// One of the connections of an address.
struct Place {
    of_each: Arc<Mutex<HashMap<IpAddr, usize>>>,
    ip: IpAddr,
}

impl Place {
    fn take(of_each: &Arc<Mutex<HashMap<IpAddr, usize>>>, ip: IpAddr, unlimited: bool) -> Option<Self> {
        let mut counts = of_each.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_default();
        if *count >= OF_ONE && !unlimited {
            return None;
        }
        *count += 1;
        Some(Place { of_each: Arc::clone(of_each), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

/// One connection to its end.
async fn serve(stream: TcpStream, peer: SocketAddr, door: Door, held: (OwnedSemaphorePermit, Place)) {
    let _ = stream.set_nodelay(true);
    let kind = match door.tls {
        None => Kind::Plain(stream),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => Kind::Tls(Box::new(stream)),
            Err(error) => return tracing::debug!(%error, source = %peer.ip(), "no TLS with a client of the API"),
        },
    };
    let stream = Stream { kind, stall: door.stall, stalled: None, _held: held };
    let app = door.app.layer(Extension(ConnectInfo(Peer(peer))));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    if let Err(error) = connection.with_upgrades().await {
        tracing::debug!(%error, source = %peer.ip(), "a connection to the API ended early");
    }
}

/// A connection whose reader has to take what it is sent.
struct Stream {
    kind: Kind,
    stall: Duration,
    /// Runs while nothing can be written.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Its place among all connections, also when it has become a WebSocket.
    _held: (OwnedSemaphorePermit, Place),
}

enum Kind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// From the first try that could write nothing the time runs, until something can be written.
    fn timed<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
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
        let written = match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Kind::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.timed(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.timed(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

pub struct Clocks(pub Clock);

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

impl notify::World for Clocks {
    fn wall(&self) -> Wall {
        self.0.wall()
    }

    fn random(&self) -> Box<dyn Random + Send> {
        Box::new(OsRandom)
    }
}

/// Call control has SIP and media to look after first: few orders are under way at a time.
struct Hand {
    handle: Handle,
    orders: Semaphore,
}

impl Operator for Hand {
    fn ask(&self, request: Request) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(async move {
            let _turn = self.orders.acquire().await;
            self.handle.answer(request).await
        })
    }

    fn levels(&self, calls: &[CallId]) -> Vec<[Option<f32>; 2]> {
        self.handle.meters.watch(calls, self.handle.clock.now())
    }
}
