//! What the kernel alone asks for the same traffic: every packet of the generator received and
//! sent on, by the loop of a media worker, with nothing read, changed or recorded.

use rustix::event::{Timespec, epoll};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A relay on core 0 with two sockets a call.
pub struct Bare {
    /// Per call, where each side sends to.
    pub addresses: Vec<[SocketAddr; 2]>,
    thread: Option<JoinHandle<()>>,
    task: u32,
    stop: Arc<AtomicBool>,
}

impl Bare {
    /// `parties`: per call, the two addresses that packets are relayed between.
    pub fn start(parties: &[[SocketAddr; 2]]) -> Bare {
        let sockets: Vec<UdpSocket> = parties
            .iter()
            .flatten()
            .map(|_| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.set_nonblocking(true).unwrap();
                socket
            })
            .collect();
        let addresses =
            sockets.chunks(2).map(|pair| [pair[0].local_addr().unwrap(), pair[1].local_addr().unwrap()]).collect();
        let to: Vec<SocketAddr> = parties.iter().flatten().copied().collect();
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            super::pin(0);
            tell.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).unwrap();
            relay(&sockets, &to, &flag);
        });
        Bare { addresses, thread: Some(thread), task: told.recv().unwrap(), stop }
    }

    /// User and system time of the relay's thread, in µs.
    pub fn cpu(&self) -> u64 {
        super::cpu_of(&format!("/proc/self/task/{}/stat", self.task))
    }

    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn relay(sockets: &[UdpSocket], to: &[SocketAddr], stop: &AtomicBool) {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    for (at, socket) in sockets.iter().enumerate() {
        epoll::add(&epoll, socket, epoll::EventData::new_u64(at as u64), epoll::EventFlags::IN).unwrap();
    }
    let mut events = Vec::with_capacity(4_096);
    let mut buffer = [0; 2_048];
    let wait = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    while !stop.load(Ordering::Relaxed) {
        events.clear();
        let _ = epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait));
        let since = Instant::now();
        for event in &events {
            let at = event.data.u64() as usize;
            if let Ok((length, _)) = sockets[at].recv_from(&mut buffer) {
                // The other leg's socket sends to the other leg's party.
                let _ = sockets[at ^ 1].send_to(&buffer[..length], to[at ^ 1]);
            }
        }
        std::thread::sleep(Duration::from_millis(1).saturating_sub(since.elapsed()));
    }
}
