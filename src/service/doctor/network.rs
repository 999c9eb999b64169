//! Listeners, ports of media, certificates, trunks.

use super::Finding;
use crate::api::{Answer, Request, Status};
use crate::base::{Span, Wall};
use crate::directory::Transport;
use crate::service::config::{Config, Listen};
use crate::service::{control, net, tls};
use crate::sip;
use std::io;
use std::net::SocketAddr;

/// A certificate that ends sooner is told.
const SOON: Span = Span::from_secs(21 * 86_400);
/// Of media.
const PORTS_PER_CALL: u32 = 4;

/// Each listener is free, or held by the service that runs on this data directory.
pub fn listeners(config: &Config, running: Option<&Status>) -> Vec<Finding> {
    let sip = config.sip.listen.iter().map(|Listen { transport, address, advertise: _ }| {
        let transport = match transport {
            Transport::Udp => sip::Transport::Udp,
            Transport::Tcp => sip::Transport::Tcp,
            Transport::Tls => sip::Transport::Tls,
        };
        let said = format!("{transport} {address}");
        let ours = running.is_some_and(|status| status.listeners.contains(&said));
        (format!("SIP over {said}"), transport, *address, ours)
    });
    let metrics = config.metrics.listen.iter().map(|address| ("metrics", *address));
    let http =
        config.http.listen.iter().map(|listen| ("HTTP", listen.address)).chain(metrics).map(|(what, address)| {
            let ours = running.is_some_and(|status| status.http.contains(&address.to_string()));
            (format!("{what} on {address}"), sip::Transport::Tcp, address, ours)
        });
    sip.chain(http).map(|(what, transport, address, ours)| listener(&what, transport, address, ours)).collect()
}

fn listener(what: &str, transport: sip::Transport, address: SocketAddr, ours: bool) -> Finding {
    if ours {
        return Finding::ok("port", format!("{what}: the service has it"));
    }
    let port = address.port();
    match net::bind(transport, address) {
        Ok(_) => Finding::ok("port", format!("{what}: free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let kind = if transport.is_reliable() { "-lntp" } else { "-lnup" };
            let way = format!("see who has it with `ss {kind} sport = :{port}`, and end that or listen elsewhere");
            Finding::fail("port", format!("{what}: another program has it"), way)
        }
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            Finding::fail("port", format!("{what}: this machine has no such address"), "see `ip address`")
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let way = "ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or listen above";
            Finding::fail("port", format!("{what}: not permitted"), way)
        }
        Err(error) => Finding::fail("port", format!("{what}: {error}"), "listen elsewhere"),
    }
}

/// Whether the range is enough for the calls that are taken, and nobody else is given ports of it.
pub fn media_ports(config: &Config) -> Finding {
    let (first, last) = (config.rtp.port_min, config.rtp.port_max);
    let calls = (u32::from(last) - u32::from(first) + 1) / PORTS_PER_CALL;
    let range = format!("{first} to {last}, enough for {calls} calls");
    if usize::try_from(calls).unwrap_or(usize::MAX) < config.sip.max_calls {
        let way =
            format!("sip.max_calls is {}: lower it, or widen rtp.port_min and rtp.port_max", config.sip.max_calls);
        return Finding::warn("media ports", range, way);
    }
    let others = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut others = others.split_whitespace().filter_map(|port| port.parse::<u16>().ok());
    match (others.next(), others.next()) {
        (Some(low), Some(high)) if low <= last && first <= high => {
            let way = format!("any program may be given ports from {low} to {high}: move one of the two ranges");
            Finding::warn("media ports", range, way)
        }
        (_, _) => Finding::ok("media ports", range),
    }
}

/// Valid now and for a while, of its key, and good for the names that phones are told.
pub fn certificates(config: &Config, now: Wall) -> Vec<Finding> {
    let problems = tls::problems(&config.tls, now);
    if !problems.is_empty() {
        let way = "replace the files of [tls]; a running service takes them over by itself";
        return problems.iter().map(|problem| Finding::fail("certificate", problem.to_string(), way)).collect();
    }
    let about = match tls::about(&config.tls) {
        Ok(Some(about)) => about,
        Ok(None) => return vec![Finding::ok("certificate", "none is configured")],
        Err(problem) => return vec![Finding::fail("certificate", problem.to_string(), "replace the files of [tls]")],
    };
    let mut found = vec![match about.until < now.plus(SOON) {
        true => Finding::warn("certificate", format!("ends on {}", about.until), "renew it"),
        false => Finding::ok("certificate", format!("valid until {}, its key fits", about.until)),
    }];
    for listen in config.sip.listen.iter().filter(|listen| listen.transport == Transport::Tls) {
        let host = match &listen.advertise {
            Some(advertise) => advertise.host.clone(),
            None => listen.address.ip().to_string(),
        };
        found.push(match about.is_good_for(&host) {
            true => Finding::ok("certificate", format!("good for {host}")),
            false => {
                let names = if about.names.is_empty() { "nothing".to_owned() } else { about.names.join(", ") };
                let way = "phones that check it will refuse: get one with that name, or `advertise` one of its names";
                Finding::warn("certificate", format!("{host} is not in it; it is made out to {names}"), way)
            }
        });
    }
    found
}

/// Of a running service.
pub async fn trunks(config: &Config) -> Vec<Finding> {
    let Ok(Answer::Trunks { trunks }) = control::ask(&config.control.socket, &Request::TrunkList).await else {
        return vec![Finding::warn("trunk", "the service does not tell of its trunks", "see its log")];
    };
    let view = |trunk: &crate::trunk::TrunkView| {
        let name = format!("{}/{}", trunk.company, trunk.name);
        match trunk.is_up() {
            true => Finding::ok("trunk", format!("{name} is up")),
            false => {
                let why = trunk.registration.as_ref().map(|registration| registration.problem.as_str()).unwrap_or("");
                let way = format!("see `telegraphone trunk show {name}`");
                Finding::warn("trunk", format!("{name} is down {why}").trim_end(), way)
            }
        }
    };
    trunks.iter().map(view).collect()
}
