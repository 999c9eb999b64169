//! The SIP sockets: datagrams and streams in, bytes out.

use super::tls::Tls;
use crate::sip::message::Message;
use crate::sip::parse::{Frame, Framer, ParseError};
use crate::sip::{ConnectionId, Peer, Transport};
use bytes::Bytes;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;

/// What arrives.
#[derive(Debug)]
pub enum Arrival {
    Datagram {
        bytes: Bytes,
        peer: Peer,
    },
    Message {
        message: Box<Result<Message, ParseError>>,
        peer: Peer,
    },
    Opened {
        connection: ConnectionId,
        peer: Peer,
        sender: mpsc::Sender<Bytes>,
    },
    Closed {
        connection: ConnectionId,
    },
    /// A stream could not be opened, or a datagram was refused.
    Failed {
        peer: Peer,
    },
}

/// Largest SIP message over UDP.
const DATAGRAM: usize = 65_535;
/// Messages that wait to be written to one stream; a peer that does not read is cut off.
const STREAM_QUEUE: usize = 256;
/// A stream must be opened within this.
const CONNECT: Duration = Duration::from_secs(5);
/// Half a message may wait this long for its rest (RFC 4475 §3.1.2.2).
const HALF: Duration = Duration::from_secs(32);

/// A bound listener.
#[derive(Debug)]
pub enum Bound {
    Udp(Arc<UdpSocket>),
    Tcp(TcpListener),
}

/// Binds a listener; IPv6 ones take IPv6 only, so that both families can have the same port.
pub fn bind(transport: Transport, address: SocketAddr) -> io::Result<(Bound, SocketAddr)> {
    let domain = socket2::Domain::for_address(address);
    let kind = if transport.is_reliable() { socket2::Type::STREAM } else { socket2::Type::DGRAM };
    let socket = socket2::Socket::new(domain, kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    if transport.is_reliable() {
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(1_024)?;
        let listener = TcpListener::from_std(socket.into())?;
        let local = listener.local_addr()?;
        return Ok((Bound::Tcp(listener), local));
    }
    // A burst of a thousand INVITEs fits.
    let _ = socket.set_recv_buffer_size(4 << 20);
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    let local = socket.local_addr()?;
    Ok((Bound::Udp(Arc::new(socket)), local))
}

/// Reads datagrams until the service ends.
pub async fn read_datagrams(socket: Arc<UdpSocket>, local: SocketAddr, arrivals: mpsc::Sender<Arrival>) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let (length, remote) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An ICMP error of something that was sent before.
            Err(_) => continue,
        };
        let peer = Peer { transport: Transport::Udp, local, remote, connection: None };
        let bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or(&[]));
        if arrivals.send(Arrival::Datagram { bytes, peer }).await.is_err() {
            return;
        }
    }
}

/// Numbers of streams.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<AtomicU64>);

impl Connections {
    pub fn next(&self) -> ConnectionId {
        ConnectionId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Takes streams until the service ends, secured where `tls` is given. Streams that nothing was
/// heard on for `idle` are closed.
pub async fn accept(
    listener: TcpListener,
    local: SocketAddr,
    connections: Connections,
    idle: Duration,
    tls: Option<Tls>,
    arrivals: mpsc::Sender<Arrival>,
) {
    let transport = if tls.is_some() { Transport::Tls } else { Transport::Tcp };
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                let connection = connections.next();
                let peer = Peer { transport, local, remote, connection: Some(connection) };
                let (tls, arrivals) = (tls.clone(), arrivals.clone());
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    match tls {
                        None => serve(stream, peer, connection, idle, arrivals).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, peer, connection, idle, arrivals).await,
                            // Scanners, and phones that do not trust the certificate.
                            Err(error) => tracing::info!(%remote, %error, "a TLS connection was not agreed on"),
                        },
                    }
                });
            }
            // No descriptor is left: those that are open go on, and some will end.
            Err(error) => {
                tracing::warn!(%error, "a stream could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Opens a stream to where something is to be sent. Over TLS its certificate must be good for one
/// of `names`.
pub fn connect(
    peer: Peer,
    first: Bytes,
    connection: ConnectionId,
    idle: Duration,
    (tls, names): (Tls, Vec<String>),
    arrivals: mpsc::Sender<Arrival>,
) {
    tokio::spawn(async move {
        match peer.transport {
            Transport::Udp | Transport::Tcp => {
                match tokio::time::timeout(CONNECT, TcpStream::connect(peer.remote)).await {
                    Ok(Ok(stream)) => {
                        let _ = stream.set_nodelay(true);
                        begin(stream, peer, first, connection, idle, arrivals).await;
                    }
                    Ok(Err(_)) | Err(_) => drop(arrivals.send(Arrival::Failed { peer }).await),
                }
            }
            Transport::Tls => match tls.connect(peer.remote, &names).await {
                Ok(stream) => begin(stream, peer, first, connection, idle, arrivals).await,
                Err(error) => {
                    tracing::warn!(remote = %peer.remote, %error, "no TLS connection to a trunk");
                    let _ = arrivals.send(Arrival::Failed { peer }).await;
                }
            },
        }
    });
}

/// The first message goes out on a stream of ours, and what comes on it is read.
async fn begin(
    mut stream: impl Stream,
    peer: Peer,
    first: Bytes,
    connection: ConnectionId,
    idle: Duration,
    arrivals: mpsc::Sender<Arrival>,
) {
    let sent = async {
        stream.write_all(&first).await?;
        stream.flush().await
    };
    match sent.await {
        Ok(()) => serve(stream, Peer { connection: Some(connection), ..peer }, connection, idle, arrivals).await,
        Err(_) => drop(arrivals.send(Arrival::Failed { peer }).await),
    }
}

/// TCP, or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

async fn serve(
    stream: impl Stream,
    peer: Peer,
    connection: ConnectionId,
    idle: Duration,
    arrivals: mpsc::Sender<Arrival>,
) {
    let (reader, writer) = tokio::io::split(stream);
    let (sender, queue) = mpsc::channel(STREAM_QUEUE);
    let pongs = sender.clone();
    if arrivals.send(Arrival::Opened { connection, peer, sender }).await.is_err() {
        return;
    }
    let writing = tokio::spawn(write(writer, queue));
    read(reader, peer, idle, &pongs, &arrivals).await;
    drop(pongs);
    let _ = arrivals.send(Arrival::Closed { connection }).await;
    // What is queued, an answer to the message that ended the stream perhaps, still goes out.
    let _ = tokio::time::timeout(CONNECT, writing).await;
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    peer: Peer,
    idle: Duration,
    pongs: &mpsc::Sender<Bytes>,
    arrivals: &mpsc::Sender<Arrival>,
) {
    let mut framer = Framer::new();
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        let patience = if framer.is_partial() { HALF.min(idle) } else { idle };
        let read = tokio::time::timeout(patience, reader.read(&mut buffer)).await;
        let Ok(Ok(length @ 1..)) = read else { return };
        framer.push(buffer.get(..length).unwrap_or(&[]));
        for frame in framer.by_ref() {
            let message = match frame {
                Ok(Frame::Ping) => {
                    let _ = pongs.try_send(Bytes::from_static(b"\r\n"));
                    continue;
                }
                Ok(Frame::Message(message)) => Ok(message),
                Err(error) => Err(error),
            };
            if arrivals.send(Arrival::Message { message: Box::new(message), peer }).await.is_err() {
                return;
            }
        }
        if framer.is_dead() {
            return;
        }
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = queue.recv().await {
        let sent = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        if sent.await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

/// What a message without a connection of its own can take: never TCP for TLS.
type Far = (Transport, SocketAddr);

/// Everything that can be sent on.
#[derive(Debug, Default)]
pub struct Outlets {
    pub datagrams: HashMap<SocketAddr, Arc<UdpSocket>>,
    streams: HashMap<ConnectionId, (Far, mpsc::Sender<Bytes>)>,
    by_remote: HashMap<Far, ConnectionId>,
}

impl Outlets {
    pub fn opened(&mut self, connection: ConnectionId, peer: &Peer, sender: mpsc::Sender<Bytes>) {
        let far = (peer.transport, peer.remote);
        self.streams.insert(connection, (far, sender));
        self.by_remote.insert(far, connection);
    }

    pub fn closed(&mut self, connection: ConnectionId) {
        if let Some((far, _)) = self.streams.remove(&connection)
            && self.by_remote.get(&far) == Some(&connection)
        {
            self.by_remote.remove(&far);
        }
    }

    /// Sends; `Err` gives the bytes back when a stream has to be opened first.
    pub fn send(&mut self, peer: &Peer, bytes: Bytes) -> Result<Sent, Bytes> {
        match peer.transport {
            Transport::Udp => {
                let Some(socket) = self.datagrams.get(&peer.local) else { return Ok(Sent::Failed) };
                match socket.try_send_to(&bytes, peer.remote) {
                    Ok(_) => Ok(Sent::Done),
                    // A full socket buffer is a lost datagram: the transaction sends it again.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Sent::Done),
                    Err(_) => Ok(Sent::Failed),
                }
            }
            Transport::Tcp | Transport::Tls => {
                let far = (peer.transport, peer.remote);
                let connection = peer.connection.or_else(|| self.by_remote.get(&far).copied());
                let Some((_, sender)) = connection.and_then(|id| self.streams.get(&id)) else {
                    return if peer.connection.is_some() { Ok(Sent::Failed) } else { Err(bytes) };
                };
                Ok(if sender.try_send(bytes).is_ok() { Sent::Done } else { Sent::Failed })
            }
        }
    }
}

/// What came of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Done,
    Failed,
}
