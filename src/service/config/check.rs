//! From what was said to what it means. Nothing here stops at the first mistake.

use super::super::tls::TlsConfig;
use super::raw::{
    RawAudit, RawConfig, RawControl, RawEvents, RawExports, RawHttp, RawLimits, RawListen, RawLog, RawMail, RawMedia,
    RawMetrics, RawPush, RawRecording, RawRtp, RawShutdown, RawSip, RawTls, RawWebhooks,
};
use super::source::Origin;
use super::{
    Advertise, AuditConfig, Config, ControlConfig, EventConfig, ExportConfig, HttpConfig, HttpListen, LimitConfig,
    Listen, LogConfig, MailConfig, MediaAddress, MediaConfig, MetricsConfig, PushConfig, RecordingConfig, RtpConfig,
    ShutdownConfig, SipConfig, WebhookConfig,
};
use crate::base::Span;
use crate::directory::Transport;
use crate::notify::mail::{self, Encryption, SmtpConfig};
use crate::notify::{Guard, MailSettings};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;
/// Where signed 32-bit sizes end; a WAV file has to stay below.
/// The least is small enough for tests to see several parts within seconds.
const PART_BYTES: RangeInclusive<u64> = 65_536..=2_147_483_647;

/// A key that cannot mean what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {key}{}{wrong}", if key.is_empty() { "" } else { ": " })]
pub struct ConfigError {
    pub origin: Origin,
    /// Dotted path; empty where the file as a whole is meant.
    pub key: String,
    pub wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("not readable as TOML: {0}")]
    Syntax(String),
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    #[error("{value}: {message}")]
    Value { value: String, message: String },
    #[error("is missing: {0}")]
    Missing(&'static str),
    #[error("{value} is out of range: write {low} to {high}{}{unit}", if unit.is_empty() { "" } else { " " })]
    Range { value: u64, low: u64, high: u64, unit: &'static str },
    #[error("{value} is above {other} ({limit}): lower it, or raise {other}")]
    Above { value: u64, other: &'static str, limit: u64 },
    #[error("`{0}` is not an address with port: write e.g. 192.0.2.1:5060 or [2001:db8::1]:5060")]
    SocketAddress(String),
    #[error("{0} is reached from other machines: set `http.tls = true`, or name the reverse proxy in `http.proxies`")]
    PlainHttp(SocketAddr),
    #[error("{0} is reached from other machines, without encryption: name those that may ask in `metrics.allow`")]
    PlainMetrics(SocketAddr),
    #[error("`{0}` is no address of a page: write e.g. https://calls.example.org")]
    Url(String),
    #[error("`{0}` is not an IP address: write e.g. 192.0.2.1 or 2001:db8::1")]
    Ip(String),
    #[error("`{0}` is no network: write e.g. 10.1.0.0/16, fd00::/8 or 192.0.2.1")]
    Network(String),
    #[error("`{0}` is not host or host:port")]
    Advertise(String),
    #[error("{0} is no address that phones can be told: listen on one that is, or set `advertise` beside it")]
    ListenNeedsAdvertise(SocketAddr),
    #[error("{0} is no address that phones can be told: set `rtp.advertise` to the one that reaches this machine")]
    MediaNeedsAdvertise(IpAddr),
    #[error("{transport} {address} stands twice: leave one out", transport = .0.as_str(), address = .1)]
    ListenTwice(Transport, SocketAddr),
    #[error("{0}: one address per family: leave one out")]
    FamilyTwice(IpAddr),
    #[error("{0} is of a family that media has no local address of: add one to `rtp.address`")]
    NoSuchFamily(IpAddr),
    #[error("port {0} is one of the media ports: listen elsewhere, or move `rtp.port_min` and `rtp.port_max`")]
    PortTaken(u16),
    #[error("is empty: {0}")]
    Empty(&'static str),
    #[error("`{0}` is not a log filter: {1}")]
    Filter(String, String),
}

/// The keys of one check, and what is wrong with them so far.
#[derive(Default)]
struct Findings(Vec<ConfigError>);

impl Findings {
    fn say(&mut self, key: &str, wrong: Wrong) {
        self.0.push(ConfigError { origin: Origin::Default, key: key.to_owned(), wrong });
    }

    fn within(&mut self, key: &str, value: impl Into<u64>, range: RangeInclusive<u64>, unit: &'static str) {
        let value = value.into();
        if !range.contains(&value) {
            self.say(key, Wrong::Range { value, low: *range.start(), high: *range.end(), unit });
        }
    }

    fn not_above(&mut self, key: &str, value: impl Into<u64>, (other, limit): (&'static str, impl Into<u64>)) {
        let (value, limit) = (value.into(), limit.into());
        if value > limit {
            self.say(key, Wrong::Above { value, other, limit });
        }
    }
}

/// What `raw` means, or everything that is wrong with it. Origins are filled in by the caller.
pub(super) fn check(raw: &RawConfig) -> Result<Config, Vec<ConfigError>> {
    let mut findings = Findings::default();
    if raw.data_dir.0.is_empty() {
        findings.say("data_dir", Wrong::Empty("name a folder"));
    }
    sip_ranges(&raw.sip, &mut findings);
    rtp_ranges(&raw.rtp, &mut findings);
    rest(raw, &mut findings);
    let listen = listeners(&raw.sip.listen, &mut findings);
    tls_files(&raw.tls, raw.http.tls, &listen, &mut findings);
    let http = http(&raw.http, &mut findings);
    let metrics = metrics(&raw.metrics, &mut findings);
    let webhooks = webhooks(&raw.webhooks, &mut findings);
    let mail = mails(&raw.mail, http.url.as_deref(), &mut findings);
    let push = push(&raw.push, &mut findings);
    media_ports(&raw.rtp, &listen, &mut findings);
    let media = media_addresses(&raw.rtp, &listen, &mut findings);
    match findings.0.is_empty() {
        true => {
            Ok(Config { http, metrics, webhooks, mail, push, ..config(raw, Path::new(&raw.data_dir.0), listen, media) })
        }
        false => Err(findings.0),
    }
}

fn sip_ranges(sip: &RawSip, findings: &mut Findings) {
    findings.within("sip.timer_t1_ms", sip.timer_t1_ms, 10..=4000, "ms");
    findings.within("sip.registration_min_s", sip.registration_min_s, 1..=86_400, "s");
    findings.within("sip.registration_max_s", sip.registration_max_s, 1..=604_800, "s");
    let max = ("sip.registration_max_s", sip.registration_max_s);
    findings.not_above("sip.registration_default_s", sip.registration_default_s, max);
    let default = ("sip.registration_default_s", sip.registration_default_s);
    findings.not_above("sip.registration_min_s", sip.registration_min_s, default);
    findings.within("sip.nonce_ttl_s", sip.nonce_ttl_s, 5..=86_400, "s");
    findings.within("sip.session_expires_s", sip.session_expires_s, 90..=86_400, "s");
    findings.within("sip.min_se_s", sip.min_se_s, 90..=86_400, "s");
    findings.not_above("sip.min_se_s", sip.min_se_s, ("sip.session_expires_s", sip.session_expires_s));
    findings.within("sip.ring_timeout_s", sip.ring_timeout_s, 1..=3600, "s");
    findings.within("sip.max_calls", sip.max_calls, 1..=100_000, "calls");
    findings.within("sip.tcp_idle_s", sip.tcp_idle_s, 10..=86_400, "s");
}

fn rtp_ranges(rtp: &RawRtp, findings: &mut Findings) {
    findings.within("rtp.port_min", rtp.port_min, 1024..=65_532, "");
    // Four ports hold one call.
    findings.within("rtp.port_max", rtp.port_max, u64::from(rtp.port_min).saturating_add(3)..=65_535, "");
    findings.within("rtp.silence_timeout_s", rtp.silence_timeout_s, 0..=86_400, "s");
    findings.within("rtp.rtcp_interval_ms", rtp.rtcp_interval_ms, 500..=60_000, "ms");
}

fn rest(raw: &RawConfig, findings: &mut Findings) {
    let RawConfig { media, recording, log, shutdown, events, exports, limits, .. } = raw;
    findings.within("media.workers", media.workers, 0..=256, "threads");
    findings.within("recording.write_interval_ms", recording.write_interval_ms, 20..=500, "ms");
    findings.within("recording.window_ms", recording.window_ms, 20..=500, "ms");
    let warn = ("recording.warn_free_mib", recording.warn_free_mib);
    findings.not_above("recording.refuse_free_mib", recording.refuse_free_mib, warn);
    findings.within("recording.max_part_bytes", recording.max_part_bytes, PART_BYTES, "bytes");
    findings.within("recording.recorders", recording.recorders, 1..=64, "threads");
    findings.within("shutdown.grace_s", shutdown.grace_s, 0..=3600, "s");
    findings.within("events.retention_days", events.retention_days, 0..=36_500, "days");
    findings.within("exports.max_mib", exports.max_mib, 1..=16 * MIB, "MiB");
    findings.within("exports.per_user", exports.per_user, 1..=1_000, "exports");
    findings.within("exports.keep_days", exports.keep_days, 1..=366, "days");
    findings.within("limits.memory_mib", limits.memory_mib, 0..=16 * MIB, "MiB");
    findings.within("limits.cpu_percent", limits.cpu_percent, 0..=100, "%");
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&log.filter) {
        findings.say("log.filter", Wrong::Filter(log.filter.clone(), error.to_string()));
    }
}

fn listeners(raw: &[RawListen], findings: &mut Findings) -> Vec<Listen> {
    if raw.is_empty() {
        findings.say("sip.listen", Wrong::Empty("name at least one listener"));
    }
    let mut listeners: Vec<Listen> = Vec::new();
    for (index, item) in raw.iter().enumerate() {
        let key = format!("sip.listen[{}]", index + 1);
        let Some(listen) = listener(item, &key, findings) else { continue };
        let same = |other: &Listen| (other.transport, other.address) == (listen.transport, listen.address);
        if listen.address.port() != 0 && listeners.iter().any(same) {
            findings.say(&key, Wrong::ListenTwice(listen.transport, listen.address));
        }
        listeners.push(listen);
    }
    listeners
}

fn listener(raw: &RawListen, key: &str, findings: &mut Findings) -> Option<Listen> {
    let advertise = raw.advertise.as_ref().map(|text| (text, advertise(text)));
    if let Some((text, None)) = &advertise {
        findings.say(&format!("{key}.advertise"), Wrong::Advertise((*text).clone()));
    }
    if raw.transport.is_none() {
        findings.say(&format!("{key}.transport"), Wrong::Missing("write \"udp\", \"tcp\" or \"tls\""));
    }
    let address = match raw.address.as_ref().map(|text| (text, text.parse::<SocketAddr>())) {
        Some((_, Ok(address))) => Some(address),
        Some((text, Err(_))) => {
            findings.say(&format!("{key}.address"), Wrong::SocketAddress(text.clone()));
            None
        }
        None => {
            findings.say(&format!("{key}.address"), Wrong::Missing("write IP:port"));
            None
        }
    };
    if let Some(address) = address.filter(|address| address.ip().is_unspecified() && advertise.is_none()) {
        findings.say(&format!("{key}.address"), Wrong::ListenNeedsAdvertise(address));
    }
    Some(Listen { transport: raw.transport?, address: address?, advertise: advertise.and_then(|(_, read)| read) })
}

/// `host`, `host:port`, `IPv6`, `[IPv6]`, `[IPv6]:port`.
pub(super) fn advertise(text: &str) -> Option<Advertise> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return usable(ip).then(|| Advertise { host: ip.to_string(), port: None });
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        let good = usable(address.ip()) && address.port() != 0;
        return good.then(|| Advertise { host: address.ip().to_string(), port: Some(address.port()) });
    }
    if let Some(ip) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let ip: IpAddr = ip.parse().ok()?;
        return usable(ip).then(|| Advertise { host: ip.to_string(), port: None });
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port: &u16| *port != 0)?)),
        None => (text, None),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let named = host.bytes().any(|byte| byte.is_ascii_alphabetic()) && host.bytes().all(allowed);
    named.then(|| Advertise { host: host.to_ascii_lowercase(), port })
}

fn usable(ip: IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast()
}

fn http(raw: &RawHttp, findings: &mut Findings) -> HttpConfig {
    let RawHttp { listen, tls, proxies, url } = raw;
    let mut config = HttpConfig::default();
    for (index, text) in proxies.iter().enumerate() {
        match text.parse::<IpAddr>() {
            Ok(ip) => config.proxies.push(ip.to_canonical()),
            Err(_) => findings.say(&format!("http.proxies[{}]", index + 1), Wrong::Ip(text.clone())),
        }
    }
    for (index, text) in listen.iter().enumerate() {
        let key = format!("http.listen[{}]", index + 1);
        match text.parse::<SocketAddr>() {
            Ok(address) if !tls && !address.ip().is_loopback() && proxies.is_empty() => {
                findings.say(&key, Wrong::PlainHttp(address));
            }
            Ok(address) => config.listen.push(HttpListen { address, tls: *tls }),
            Err(_) => findings.say(&key, Wrong::SocketAddress(text.clone())),
        }
    }
    if !url.is_empty() {
        config.url = base_url(url);
        if config.url.is_none() {
            findings.say("http.url", Wrong::Url(url.clone()));
        }
    }
    config
}

/// Scheme and host, with a port and a path where they are said, without a `/` at the end.
fn base_url(text: &str) -> Option<String> {
    let uri: axum::http::Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("https" | "http"));
    let bare = uri.query().is_none() && !text.contains(['@', '#']);
    (known && bare && uri.host().is_some_and(|host| !host.is_empty())).then(|| text.trim_end_matches('/').to_owned())
}

fn metrics(raw: &RawMetrics, findings: &mut Findings) -> MetricsConfig {
    let RawMetrics { listen, allow } = raw;
    let mut config = MetricsConfig::default();
    for (index, text) in allow.iter().enumerate() {
        match text.parse() {
            Ok(network) => config.allow.push(network),
            Err(()) => findings.say(&format!("metrics.allow[{}]", index + 1), Wrong::Network(text.clone())),
        }
    }
    for (index, text) in listen.iter().enumerate() {
        let key = format!("metrics.listen[{}]", index + 1);
        match text.parse::<SocketAddr>() {
            Ok(address) if !address.ip().is_loopback() && allow.is_empty() => {
                findings.say(&key, Wrong::PlainMetrics(address));
            }
            Ok(address) => config.listen.push(address),
            Err(_) => findings.say(&key, Wrong::SocketAddress(text.clone())),
        }
    }
    config
}

fn webhooks(raw: &RawWebhooks, findings: &mut Findings) -> WebhookConfig {
    let RawWebhooks { allow, authorities } = raw;
    let mut guard = Guard::default();
    for (index, text) in allow.iter().enumerate() {
        match text.parse() {
            Ok(network) => guard.allow.push(network),
            Err(()) => findings.say(&format!("webhooks.allow[{}]", index + 1), Wrong::Network(text.clone())),
        }
    }
    WebhookConfig { guard, authorities: (!authorities.is_empty()).then(|| authorities.into()) }
}

/// `page`: where people reach the page, which has every message.
fn mails(raw: &RawMail, page: Option<&str>, findings: &mut Findings) -> MailConfig {
    let RawMail { server, port, encryption, user, password_file, from, hello, authorities, link, attach_max_mib } = raw;
    findings.within("mail.attach_max_mib", *attach_max_mib, 0..=200, "MiB");
    let file = |path: &str| (!path.is_empty()).then(|| PathBuf::from(path));
    if server.is_empty() {
        return MailConfig::default();
    }
    if user.is_empty() != password_file.is_empty() {
        let (key, missing) = match user.is_empty() {
            true => ("mail.user", "name who logs in, or leave `mail.password_file` out"),
            false => ("mail.password_file", "name the file whose first line is the password"),
        };
        findings.say(key, Wrong::Missing(missing));
    }
    let here = server == "localhost" || server.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if *encryption == Encryption::None && !here {
        let message =
            "mails would go out readable: write \"starttls\" or \"tls\"; \"none\" is for a server on this machine";
        findings.say("mail.encryption", Wrong::Value { value: "none".to_owned(), message: message.to_owned() });
    }
    if !link.is_empty() && (!link.starts_with("https://") || !link.contains("{id}")) {
        let message = "write a https:// URL with {id} where the message's id is to stand".to_owned();
        findings.say("mail.link", Wrong::Value { value: link.clone(), message });
    }
    let sender = match mail::sender(from) {
        Ok(sender) => sender,
        Err(error) => {
            findings.say("mail.from", Wrong::Value { value: format!("{from:?}"), message: error.to_string() });
            return MailConfig::default();
        }
    };
    let domain = sender.address.rsplit('@').next().unwrap_or_default().to_owned();
    let smtp = SmtpConfig {
        host: server.clone(),
        port: if *port == 0 { encryption.port() } else { *port },
        encryption: *encryption,
        user: user.clone(),
        password_file: file(password_file),
        hello: if hello.is_empty() { domain } else { hello.clone() },
        authorities: file(authorities),
    };
    let most_attached = u64::from(*attach_max_mib).saturating_mul(MIB);
    let link = match (link.as_str(), page.filter(|page| page.starts_with("https://"))) {
        ("", Some(page)) => format!("{page}/voicemail/{{id}}"),
        (link, _) => link.to_owned(),
    };
    MailConfig { smtp: Some((smtp, MailSettings { from: sender, link, most_attached })) }
}

fn push(raw: &RawPush, findings: &mut Findings) -> PushConfig {
    let RawPush { contact } = raw;
    if !contact.is_empty() && !contact.starts_with("mailto:") && !contact.starts_with("https://") {
        let message = "write mailto:NAME@HOST or a https:// URL".to_owned();
        findings.say("push.contact", Wrong::Value { value: contact.clone(), message });
    }
    PushConfig { contact: contact.clone() }
}

fn tls_files(tls: &RawTls, http: bool, listen: &[Listen], findings: &mut Findings) {
    let needed = http || listen.iter().any(|listen| listen.transport == Transport::Tls);
    let RawTls { certificate, key, authorities: _ } = tls;
    if certificate.is_empty() && (needed || !key.is_empty()) {
        findings.say("tls.certificate", Wrong::Missing("name the PEM file of the certificate and its chain"));
    }
    if key.is_empty() && (needed || !certificate.is_empty()) {
        findings.say("tls.key", Wrong::Missing("name the PEM file of the certificate's key"));
    }
}

fn tls_config(raw: &RawTls) -> TlsConfig {
    let RawTls { certificate, key, authorities } = raw;
    let file = |path: &str| (!path.is_empty()).then(|| PathBuf::from(path));
    TlsConfig { certificate: file(certificate), key: file(key), authorities: file(authorities) }
}

fn media_ports(rtp: &RawRtp, listen: &[Listen], findings: &mut Findings) {
    if findings.0.iter().any(|error| error.key.starts_with("rtp.port_")) {
        // The range is not what was meant.
        return;
    }
    for (index, listen) in listen.iter().enumerate() {
        let port = listen.address.port();
        if listen.transport == Transport::Udp && (rtp.port_min..=rtp.port_max).contains(&port) {
            findings.say(&format!("sip.listen[{}].address", index + 1), Wrong::PortTaken(port));
        }
    }
}

fn media_addresses(rtp: &RawRtp, listen: &[Listen], findings: &mut Findings) -> Vec<MediaAddress> {
    let mut bind = addresses("rtp.address", &rtp.address, findings);
    let advertise = addresses("rtp.advertise", &rtp.advertise, findings);
    if rtp.address.is_empty() {
        for ip in listen.iter().map(|listen| listen.address.ip()) {
            if of_family(&bind, ip).is_none() {
                bind.push(ip);
            }
        }
    }
    for ip in advertise.iter().filter(|ip| of_family(&bind, **ip).is_none()) {
        findings.say("rtp.advertise", Wrong::NoSuchFamily(*ip));
    }
    let mut media = Vec::new();
    for bind in bind {
        let told = of_family(&advertise, bind).or_else(|| usable(bind).then_some(bind));
        match told.or_else(|| listener_advertise(listen, bind)) {
            Some(advertise) => media.push(MediaAddress { bind, advertise }),
            None => findings.say("rtp.address", Wrong::MediaNeedsAdvertise(bind)),
        }
    }
    media
}

/// What a listener of the same family is called, where that is an address.
fn listener_advertise(listen: &[Listen], bind: IpAddr) -> Option<IpAddr> {
    let hosts = listen.iter().filter_map(|listen| listen.advertise.as_ref());
    let ips: Vec<IpAddr> = hosts.filter_map(|advertise| advertise.host.parse().ok()).collect();
    of_family(&ips, bind)
}

fn of_family(ips: &[IpAddr], like: IpAddr) -> Option<IpAddr> {
    ips.iter().copied().find(|ip| ip.is_ipv4() == like.is_ipv4())
}

fn addresses(key: &str, texts: &[String], findings: &mut Findings) -> Vec<IpAddr> {
    let mut ips = Vec::new();
    for text in texts {
        match text.parse::<IpAddr>() {
            Ok(ip) if of_family(&ips, ip).is_some() => findings.say(key, Wrong::FamilyTwice(ip)),
            Ok(ip) if key == "rtp.advertise" && !usable(ip) => findings.say(key, Wrong::Ip(text.clone())),
            Ok(ip) => ips.push(ip),
            Err(_) => findings.say(key, Wrong::Ip(text.clone())),
        }
    }
    ips
}

/// [`RawListen`]'s default, as it means.
pub(super) fn default_listen() -> Vec<Listen> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
    let one = |transport| Listen { transport, address, advertise: None };
    vec![one(Transport::Udp), one(Transport::Tcp)]
}

pub(super) fn default_media() -> Vec<MediaAddress> {
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    vec![MediaAddress { bind: loopback, advertise: loopback }]
}

/// The values of a `raw` that nothing is wrong with, and no API.
pub(super) fn config(raw: &RawConfig, data_dir: &Path, listen: Vec<Listen>, media: Vec<MediaAddress>) -> Config {
    let RawConfig {
        data_dir: _,
        sip,
        tls,
        http: _,
        metrics: _,
        webhooks: _,
        mail: _,
        push: _,
        prompts,
        rtp,
        media: workers,
        recording,
        log,
        shutdown,
        control,
        events,
        exports,
        audit,
        limits,
    } = raw;
    let RawMedia { workers, pin, realtime } = workers;
    let RawLog { format, filter } = log;
    let RawShutdown { grace_s } = shutdown;
    let RawControl { socket } = control;
    let RawEvents { retention_days } = events;
    let RawExports { max_mib, per_user, keep_days } = exports;
    let RawAudit { key, heads } = audit;
    let RawLimits { memory_mib, cpu_percent } = limits;
    Config {
        data_dir: data_dir.to_owned(),
        sip: sip_config(sip, listen),
        tls: tls_config(tls),
        http: HttpConfig::default(),
        metrics: MetricsConfig::default(),
        webhooks: WebhookConfig::default(),
        mail: MailConfig::default(),
        push: PushConfig::default(),
        prompts: (!prompts.is_empty()).then(|| PathBuf::from(prompts)),
        rtp: rtp_config(rtp, media),
        media: MediaConfig { workers: usize::from(*workers), pin: *pin, realtime: *realtime },
        recording: recording_config(recording, data_dir),
        log: LogConfig { format: *format, filter: filter.clone() },
        shutdown: ShutdownConfig { grace: seconds(*grace_s) },
        control: ControlConfig { socket: below(data_dir, socket, "control.sock") },
        events: EventConfig {
            retention: (*retention_days != 0).then(|| Span::from_secs(u64::from(*retention_days) * 86_400)),
        },
        exports: ExportConfig {
            max_bytes: max_mib.saturating_mul(MIB),
            per_user: *per_user,
            keep: Span::from_secs(u64::from(*keep_days) * 86_400),
        },
        audit: AuditConfig {
            key: below(data_dir, key, "audit-key.p8"),
            heads: below(data_dir, heads, "audit-heads.jsonl"),
        },
        limits: LimitConfig {
            memory: (*memory_mib != 0).then(|| memory_mib.saturating_mul(MIB)),
            cpu_percent: (*cpu_percent != 0).then_some(*cpu_percent),
        },
    }
}

fn sip_config(raw: &RawSip, listen: Vec<Listen>) -> SipConfig {
    let RawSip {
        listen: _,
        timer_t1_ms,
        registration_min_s,
        registration_default_s,
        registration_max_s,
        nonce_ttl_s,
        session_expires_s,
        min_se_s,
        ring_timeout_s,
        max_calls,
        tcp_idle_s,
    } = raw;
    SipConfig {
        listen,
        timer_t1: millis(*timer_t1_ms),
        registration_min_s: *registration_min_s,
        registration_default_s: *registration_default_s,
        registration_max_s: *registration_max_s,
        nonce_ttl: seconds(*nonce_ttl_s),
        session_expires_s: *session_expires_s,
        min_se_s: *min_se_s,
        ring_timeout: seconds(*ring_timeout_s),
        max_calls: usize::try_from(*max_calls).unwrap_or(usize::MAX),
        tcp_idle: seconds(*tcp_idle_s),
    }
}

fn rtp_config(raw: &RawRtp, addresses: Vec<MediaAddress>) -> RtpConfig {
    let RawRtp { address: _, advertise: _, port_min, port_max, silence_timeout_s, rtcp_interval_ms, strict_source } =
        raw;
    RtpConfig {
        addresses,
        port_min: *port_min,
        port_max: *port_max,
        silence_timeout: (*silence_timeout_s != 0).then(|| seconds(*silence_timeout_s)),
        rtcp_interval: millis(*rtcp_interval_ms),
        strict_source: *strict_source,
    }
}

fn recording_config(raw: &RawRecording, data_dir: &Path) -> RecordingConfig {
    let RawRecording { dir, write_interval_ms, window_ms, warn_free_mib, refuse_free_mib, max_part_bytes, recorders } =
        raw;
    RecordingConfig {
        dir: below(data_dir, dir, "recordings"),
        write_interval: millis(*write_interval_ms),
        window: millis(*window_ms),
        warn_free: warn_free_mib.saturating_mul(MIB),
        refuse_free: refuse_free_mib.saturating_mul(MIB),
        max_part_bytes: *max_part_bytes,
        recorders: usize::from(*recorders),
    }
}

fn below(data_dir: &Path, said: &str, default: &str) -> PathBuf {
    match said.is_empty() {
        true => data_dir.join(default),
        false => PathBuf::from(said),
    }
}

fn seconds(value: u32) -> Span {
    Span::from_secs(u64::from(value))
}

fn millis(value: u32) -> Span {
    Span::from_millis(u64::from(value))
}
