//! Pairs of RTP and RTCP ports from the configured range, given out in turn and taken back.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// The sockets of one leg.
#[derive(Debug)]
pub struct LegSockets {
    /// The even port (RFC 3550 §11).
    pub port: u16,
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
}

/// The free even ports of the range. The one that was free longest is taken first, so that late
/// packets of an old call find nobody.
#[derive(Debug)]
pub struct Ports {
    free: VecDeque<u16>,
}

/// How many ports are tried when others use them.
const TRIES: usize = 64;

impl Ports {
    pub fn new(least: u16, most: u16) -> Self {
        let first = least.next_multiple_of(2);
        Ports { free: (first..most).step_by(2).collect() }
    }

    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Binds a pair on `address`.
    pub fn open(&mut self, address: IpAddr) -> io::Result<LegSockets> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for _ in 0..TRIES.min(self.free.len()) {
            let Some(port) = self.free.pop_front() else { break };
            match bind_pair(address, port) {
                Ok(sockets) => return Ok(sockets),
                Err(error) => {
                    self.free.push_back(port);
                    let stop = is_file_limit(&error);
                    last = error;
                    if stop {
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    pub fn give_back(&mut self, port: u16) {
        self.free.push_back(port);
    }
}

fn bind_pair(address: IpAddr, port: u16) -> io::Result<LegSockets> {
    let bind = |port| {
        let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
        socket.set_nonblocking(true)?;
        Ok::<_, io::Error>(socket)
    };
    Ok(LegSockets { port, rtp: bind(port)?, rtcp: bind(port + 1)? })
}

/// EMFILE or ENFILE: no descriptor is left.
pub fn is_file_limit(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_come_in_even_pairs_in_turn_and_go_back() {
        let mut ports = Ports::new(45_001, 45_010);
        assert_eq!(ports.free(), 4);
        let address = "127.0.0.1".parse().unwrap();
        let first = ports.open(address).unwrap();
        let second = ports.open(address).unwrap();
        assert_eq!(first.port % 2, 0);
        assert_eq!(first.rtcp.local_addr().unwrap().port(), first.port + 1);
        assert_ne!(first.port, second.port);
        let port = first.port;
        drop(first);
        ports.give_back(port);
        assert_eq!(ports.free(), 3);
    }

    #[test]
    fn ports_that_others_use_are_passed_over() {
        let address = "127.0.0.1".parse().unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken = other.local_addr().unwrap().port() & !1;
        let mut ports = Ports::new(taken, taken.saturating_add(40));
        let got = ports.open(address).unwrap();
        assert_ne!(got.port, taken);
    }
}
