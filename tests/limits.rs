//! The memory limit of a real service: new calls get 503 with Retry-After, the running one goes on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where its expectation fails, and it measures time"
)]
#![allow(dead_code, reason = "the scene serves other tests too")]

#[path = "scene/mod.rs"]
mod scene;

use scene::{Scene, answer, call_at_device, description};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use telegraphone::directory::Transport as Listens;
use telegraphone::directory::file::CompanyFile;
use telegraphone::directory::plan::plan;
use telegraphone::service::Service;
use telegraphone::service::clock::OsRandom;
use telegraphone::service::config::{Config, Listen};
use telegraphone::sip::message::{Message, Method, Request, Response};
use telegraphone::sip::parse::parse_datagram;

const SCENE: Scene = Scene("limits");
const DEADLINE: Duration = Duration::from_secs(20);
const MIB: u64 = 1 << 20;
/// Between what the process uses at first and the limit.
const ROOM: u64 = 150 * MIB;
/// What it uses more, later: so much that it is over the limit, whatever else there is.
const BALLAST: u64 = 2 * ROOM;

/// Resident memory of this process, in which the service runs.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * rustix::param::page_size() as u64
}

async fn service(config: Config) -> (Service, SocketAddr) {
    let service = Service::start(config).await.unwrap();
    let file = CompanyFile::parse(&SCENE.company()).unwrap();
    let plan = plan(&service.store().load_directory().await.unwrap(), &file, false).unwrap();
    service.store().apply(&plan, &mut OsRandom).await.unwrap();
    service.reload().await;
    let address = service.sip_addresses()[0].1;
    (service, address)
}

/// The carrier and the device; each waits for what it asked for.
struct Phones {
    service: SocketAddr,
    carrier: UdpSocket,
    device: UdpSocket,
}

impl Phones {
    fn new(service: SocketAddr) -> Self {
        let bind = |ip: &str| {
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket
        };
        Phones { service, carrier: bind("127.0.0.2"), device: bind("127.0.0.3") }
    }

    fn register(&self) {
        let asked = SCENE.register(self.device.local_addr().unwrap(), "1", |request| {
            self.device.send_to(request.as_bytes(), self.service).unwrap();
            Ok(response(&self.device))
        });
        asked.unwrap();
    }

    /// The final answer to the caller of `call`; the device answers when it rings.
    fn call(&self, call: usize) -> Response {
        let local = self.carrier.local_addr().unwrap();
        let invite = SCENE.invite(call, local, self.service, &description(call, local));
        self.carrier.send_to(invite.as_bytes(), self.service).unwrap();
        let mut first = self.response_to(call);
        if first.status == 100 {
            let invite = self.invite_of(call);
            let contact = self.device.local_addr().unwrap();
            let ok = answer(&invite, call, contact, description(call, contact));
            self.device.send_to(&ok.to_bytes(), self.service).unwrap();
            while first.status < 200 {
                first = self.response_to(call);
            }
        }
        let to = first.to().unwrap().to_string();
        let (target, branch) = match first.status {
            200 => (first.contact().unwrap().uri.to_string(), format!("z9hG4bKACK{call}")),
            // Of the INVITE's own transaction (RFC 3261 §17.1.1.3), or the refusal comes again and again.
            _ => (format!("sip:+15550100@{}", self.service), format!("z9hG4bKi{call}")),
        };
        let ack = SCENE.request(("ACK", 1), call, local, &target, &to);
        let ack = ack.replace(&format!("z9hG4bKACK{call}"), &branch);
        self.carrier.send_to(ack.as_bytes(), self.service).unwrap();
        first
    }

    /// The next response of `call`: one that was sent again for an earlier call is none of it.
    fn response_to(&self, call: usize) -> Response {
        loop {
            let response = response(&self.carrier);
            if SCENE.call_of(&response) == call {
                return response;
            }
        }
    }

    fn invite_of(&self, call: usize) -> Request {
        loop {
            if let Message::Request(request) = message(&self.device)
                && request.method == Method::Invite
                && call_at_device(&request) == call
            {
                return request;
            }
        }
    }

    fn hang_up(&self, call: usize, answered: &Response) -> Response {
        let target = answered.contact().unwrap().uri.to_string();
        self.send("BYE", 2, call, &target, &answered.to().unwrap().to_string());
        loop {
            let response = self.response_to(call);
            if response.cseq().unwrap().method == Method::Bye {
                return response;
            }
        }
    }

    fn send(&self, method: &str, cseq: u32, call: usize, target: &str, to: &str) {
        let request = SCENE.request((method, cseq), call, self.carrier.local_addr().unwrap(), target, to);
        self.carrier.send_to(request.as_bytes(), self.service).unwrap();
    }
}

fn message(socket: &UdpSocket) -> Message {
    let mut buffer = [0; 4_096];
    let (length, _) = socket.recv_from(&mut buffer).expect("an answer in time");
    parse_datagram(&buffer[..length]).unwrap()
}

fn response(socket: &UdpSocket) -> Response {
    loop {
        if let Message::Response(response) = message(socket) {
            return response;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_the_memory_limit_new_calls_wait_and_the_running_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default_for(folder.path());
    let address = "127.0.0.1:0".parse().unwrap();
    config.sip.listen = vec![Listen { transport: Listens::Udp, address, advertise: None }];
    config.limits.memory = Some(resident() + ROOM);
    let (service, address) = service(config).await;
    let phones = Phones::new(address);
    phones.register();
    let running = phones.call(0);
    assert_eq!(running.status, 200, "below the limit: {}", running.reason);

    let ballast = vec![1_u8; usize::try_from(BALLAST).unwrap()];
    let (mut call, deadline) = (1, Instant::now() + DEADLINE);
    let refused = loop {
        let answer = phones.call(call);
        if answer.status != 200 {
            break answer;
        }
        // The look at the memory is still to come.
        assert_eq!(phones.hang_up(call, &answer).status, 200);
        assert!(Instant::now() < deadline, "{} MiB, and calls are still taken", resident() / MIB);
        call += 1;
    };
    assert_eq!((refused.status, refused.headers.has("Retry-After")), (503, true), "{}", refused.reason);
    assert!(refused.reason.contains("memory"), "{}", refused.reason);
    assert_eq!(service.calls().await.len(), 1, "the running call is still up");

    assert_eq!(ballast.iter().map(|byte| u64::from(*byte)).sum::<u64>(), BALLAST);
    drop(ballast);
    let again = loop {
        call += 1;
        let answer = phones.call(call);
        if answer.status == 200 {
            break answer;
        }
        assert!(Instant::now() < deadline + DEADLINE, "{} MiB, and no call is taken", resident() / MIB);
    };
    assert_eq!(phones.hang_up(call, &again).status, 200);
    assert_eq!(phones.hang_up(0, &running).status, 200, "the call of before ends as calls do");
    service.stop().await;
}
