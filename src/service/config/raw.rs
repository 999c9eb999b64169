//! The configuration as it is written: every key with its default, its unit and its reason.
//!
//! One table per section makes the shape, the defaults and the documentation, so that none
//! of them can be without the others.

use crate::directory::Transport;
use crate::notify::mail::Encryption;
use serde::{Deserialize, Serialize};

/// A documented key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// Dotted path, e.g. `sip.timer_t1_ms`.
    pub key: String,
    /// As TOML writes it.
    pub default: String,
    /// `ms`, `s`, `MiB`…; empty where there is none.
    pub unit: &'static str,
    pub doc: &'static str,
}

macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($key:ident: $kind:ty = $default:expr, $unit:literal, $doc:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(#[doc = $doc] pub $key: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($key: $default,)* }
            }
        }

        impl $name {
            fn describe(section: &str, docs: &mut Vec<KeyDoc>) {
                let defaults = $name::default();
                let prefix = if section.is_empty() { String::new() } else { format!("{section}.") };
                $(docs.push(KeyDoc {
                    key: format!("{prefix}{}", stringify!($key)),
                    default: toml_text(&defaults.$key),
                    unit: $unit,
                    doc: $doc,
                });)*
            }
        }
    };
}

section!(
    /// Keys that stand before any section.
    RawRoot {
        data_dir: String = "./telegraphone-data".to_owned(), "",
            "Folder of the database, the recordings and the control socket; made if it is not there.";
        prompts: String = String::new(), "",
            "Folder of WAV files that the service says instead of its own speech: `LANGUAGE/NAME.wav` (mono, 8000 Hz), e.g. `de/welcome.wav`; empty: none.";
    }
);

section!(
    /// `[sip]`
    RawSip {
        listen: Vec<RawListen> = RawListen::loopback(), "",
            "Where SIP is listened for: `transport` (`udp`, `tcp`, `tls`), `address` (IP:port), and `advertise` (host or host:port) where phones reach that listener under another name.";
        timer_t1_ms: u32 = 500, "ms",
            "T1, the estimate of a round trip that every retransmission is timed by (RFC 3261 §17.1.1.1).";
        registration_min_s: u32 = 60, "s",
            "Shortest registration; shorter ones are answered 423 with this as Min-Expires.";
        registration_default_s: u32 = 600, "s",
            "Registration of a phone that asks for no particular time.";
        registration_max_s: u32 = 3600, "s",
            "Longest registration; longer ones are shortened.";
        nonce_ttl_s: u32 = 300, "s",
            "Life of a digest nonce; after it the phone is challenged anew with `stale=true`.";
        session_expires_s: u32 = 1800, "s",
            "Session interval that is asked for (RFC 4028 §4); a call whose peer does not refresh it is ended.";
        min_se_s: u32 = 90, "s",
            "Shortest session interval accepted; shorter ones are answered 422 (RFC 4028 §5: 90 at least).";
        ring_timeout_s: u32 = 60, "s",
            "A call that nobody answers for so long is ended with 408 or 480.";
        max_calls: u32 = 4000, "calls",
            "Calls at a time; further ones are answered 503 with Retry-After.";
        tcp_idle_s: u32 = 900, "s",
            "A TCP or TLS connection on which nothing came for so long is closed; never sooner than the longest registration, which phones are reached over.";
    }
);

section!(
    /// `[tls]`
    RawTls {
        certificate: String = String::new(), "",
            "PEM file of the certificate that `tls` listeners show, with its chain. Read anew when it changes and on SIGHUP; one that cannot be used leaves the old one in use.";
        key: String = String::new(), "",
            "PEM file of the certificate's key.";
        authorities: String = String::new(), "",
            "PEM file of the authorities that certificates of trunks over TLS are held to; empty: those of the system.";
    }
);

section!(
    /// `[http]`
    RawHttp {
        listen: Vec<String> = Vec::new(), "",
            "Where the API is listened for, as IP:port, e.g. `[\"127.0.0.1:8080\"]`; empty: it is off.";
        tls: bool = false, "",
            "HTTPS with the certificate of `[tls]`. Without it only loopback addresses are listened on, or those behind `http.proxies`.";
        proxies: Vec<String> = Vec::new(), "",
            "IP addresses of reverse proxies: they may come without TLS, and are believed where a request came from (`X-Forwarded-For`) and whether it came over TLS (`X-Forwarded-Proto`).";
        url: String = String::new(), "",
            "Where people and phones reach the API, e.g. `https://calls.example.org`: links begin with it; empty: as the request says that was sent (`Host`).";
    }
);

section!(
    /// `[metrics]`
    RawMetrics {
        listen: Vec<String> = Vec::new(), "",
            "Where figures for Prometheus are listened for (`/metrics`, plain HTTP), as IP:port, e.g. `[\"127.0.0.1:9090\"]`; empty: it is off.";
        allow: Vec<String> = Vec::new(), "",
            "Networks that may ask for them besides this machine, as IP or IP/bits; without any only loopback addresses are listened on.";
    }
);

section!(
    /// `[webhooks]`
    RawWebhooks {
        allow: Vec<String> = Vec::new(), "",
            "Networks inside that webhooks may lead to, as IP or IP/bits, e.g. `[\"10.1.0.0/16\"]`; there also without encryption. Others lead to public addresses over HTTPS only.";
        authorities: String = String::new(), "",
            "PEM file of the authorities that certificates of webhooks are held to; empty: those of the system.";
    }
);

section!(
    /// `[mail]`
    RawMail {
        server: String = String::new(), "",
            "Host of the server that takes mails about new voicemail; empty: none is sent.";
        port: u16 = 0, "port",
            "Its port; 0: 465 with `tls`, 587 with `starttls`, 25 with `none`.";
        encryption: Encryption = Encryption::Starttls, "",
            "`tls` from the start, `starttls` (a server that does not offer it gets nothing), or `none`, for a server on this machine.";
        user: String = String::new(), "",
            "Name that is logged in with; empty: nobody logs in.";
        password_file: String = String::new(), "",
            "File whose first line is the password.";
        from: String = String::new(), "",
            "Sender of mails, e.g. `Voicemail <voicemail@example.org>`; a company or a box can set another.";
        hello: String = String::new(), "",
            "What the service calls itself (EHLO); empty: the domain of `from`.";
        authorities: String = String::new(), "",
            "PEM file of the authority that the server's certificate is held to; empty: those of the system.";
        link: String = String::new(), "",
            "Where people listen to a message, `{id}` standing for it, e.g. `https://voice.example.org/voicemail/{id}`; empty: on the page at `http.url`, and without a link where that is not said either.";
        attach_max_mib: u32 = 20, "MiB",
            "A longer message is mailed without its audio, and not deleted.";
    }
);

section!(
    /// `[push]`
    RawPush {
        contact: String = String::new(), "",
            "Whom the operators of push services can reach about messages of this service, as `mailto:` or `https:`; empty: nobody.";
    }
);

section!(
    /// `[rtp]`
    RawRtp {
        address: Vec<String> = Vec::new(), "",
            "Local addresses of media, one per family; empty: those of the SIP listeners.";
        advertise: Vec<String> = Vec::new(), "",
            "IP addresses that the SDP names instead, one per family, for NAT and containers.";
        port_min: u16 = 10_000, "port",
            "First port of media; RTP takes even ports, RTCP the odd ones above them.";
        port_max: u16 = 29_999, "port",
            "Last port of media. A call takes four ports.";
        silence_timeout_s: u32 = 60, "s",
            "A call with a party from which neither RTP nor RTCP has come for so long is ended; 0 never.";
        rtcp_interval_ms: u32 = 5000, "ms",
            "Mean time between RTCP reports of a leg (RFC 3550 §6.2).";
        strict_source: bool = false, "",
            "Take media only from the address in the SDP, and not from the signalling source's IP, which phones behind NAT need.";
    }
);

section!(
    /// `[media]`
    RawMedia {
        workers: u16 = 0, "threads",
            "Threads that move media; 0: one less than the machine has cores, at least one.";
        pin: bool = true, "",
            "Bind each worker to a core of its own.";
        realtime: bool = true, "",
            "Ask for the real-time class for the workers, so that no other thread delays packets; needs CAP_SYS_NICE or RLIMIT_RTPRIO of 10, and runs at the usual class without it.";
    }
);

section!(
    /// `[recording]`
    RawRecording {
        dir: String = String::new(), "",
            "Folder of the recordings; empty: `recordings` below `data_dir`.";
        write_interval_ms: u32 = 250, "ms",
            "Every open file is written at least this often: what the death of the process can cost.";
        window_ms: u32 = 300, "ms",
            "How long a packet is waited for before its place becomes silence.";
        warn_free_mib: u64 = 2048, "MiB",
            "Below this much free space a warning is logged.";
        refuse_free_mib: u64 = 512, "MiB",
            "Below this much free space no new recording is begun, so that the open ones can be finished; `on_recording_failure` acts.";
        max_part_bytes: u64 = 2_147_418_112, "bytes",
            "A file is closed at this size and the next part goes on; just below 2 GiB, where readers with signed sizes stop. From 64 KiB, which is two seconds: for tests.";
        recorders: u16 = 1, "threads",
            "Threads that write recordings; one is enough for some thousand calls.";
    }
);

section!(
    /// `[log]`
    RawLog {
        format: LogFormat = LogFormat::Text, "",
            "`text` for people, `json` for machines.";
        filter: String = "info".to_owned(), "",
            "What is logged, as `level` or `target=level,…`. Names and numbers of people appear at `debug` only.";
    }
);

section!(
    /// `[shutdown]`
    RawShutdown {
        grace_s: u32 = 20, "s",
            "After SIGTERM calls may go on for so long; then they are ended and their recordings finished.";
    }
);

section!(
    /// `[control]`
    RawControl {
        socket: String = String::new(), "",
            "Local socket of the command line, mode 0600; empty: `control.sock` below `data_dir`.";
    }
);

section!(
    /// `[events]`
    RawEvents {
        retention_days: u32 = 90, "days",
            "Events are deleted when they could be read for so long; what a reader inside the service has not taken stays, however old it is. 0: never.";
    }
);

section!(
    /// `[exports]`
    RawExports {
        max_mib: u64 = 20_480, "MiB",
            "An archive of recordings (`POST /exports`) is not made larger than this.";
        per_user: u32 = 5, "exports",
            "Archives that one person has at a time, made or waiting.";
        keep_days: u32 = 7, "days",
            "An archive is deleted so long after it was made.";
    }
);

section!(
    /// `[audit]`
    RawAudit {
        key: String = String::new(), "",
            "File of the key (Ed25519, PKCS #8) that heads of the access log are signed with; made, mode 0600, where it is not there; empty: `audit-key.p8` below `data_dir`.";
        heads: String = String::new(), "",
            "File that a signed head of the access log is added to once a day and when the service stops; best on another machine's disk, or one that can only be added to. Empty: `audit-heads.jsonl` below `data_dir`.";
    }
);

section!(
    /// `[limits]`
    RawLimits {
        memory_mib: u64 = 0, "MiB",
            "New calls are answered 503 while the process uses more memory; 0: no limit.";
        cpu_percent: u8 = 0, "%",
            "New calls are answered 503 while the process keeps the machine's cores busier than this, all taken together; 0: no limit.";
    }
);

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// See `RawRoot`, which documents it.
    pub data_dir: DataDir,
    /// See `RawRoot`.
    pub prompts: String,
    pub sip: RawSip,
    pub tls: RawTls,
    pub http: RawHttp,
    pub metrics: RawMetrics,
    pub webhooks: RawWebhooks,
    pub mail: RawMail,
    pub push: RawPush,
    pub rtp: RawRtp,
    pub media: RawMedia,
    pub recording: RawRecording,
    pub log: RawLog,
    pub shutdown: RawShutdown,
    pub control: RawControl,
    pub events: RawEvents,
    pub exports: RawExports,
    pub audit: RawAudit,
    pub limits: RawLimits,
}

/// `data_dir`, with the default that [`RawRoot`] documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataDir(pub String);

impl Default for DataDir {
    fn default() -> Self {
        DataDir(RawRoot::default().data_dir)
    }
}

/// `text` or `json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

/// One listener, as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawListen {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
}

impl RawListen {
    /// UDP and TCP on 127.0.0.1:5060: nobody outside reaches a service that nobody configured.
    fn loopback() -> Vec<Self> {
        let address = Some("127.0.0.1:5060".to_owned());
        let one = |transport| RawListen { transport: Some(transport), address: address.clone(), advertise: None };
        vec![one(Transport::Udp), one(Transport::Tcp)]
    }
}

/// Every key, in the order of the file.
pub fn describe() -> Vec<KeyDoc> {
    let mut docs = Vec::new();
    RawRoot::describe("", &mut docs);
    RawSip::describe("sip", &mut docs);
    RawTls::describe("tls", &mut docs);
    RawHttp::describe("http", &mut docs);
    RawMetrics::describe("metrics", &mut docs);
    RawWebhooks::describe("webhooks", &mut docs);
    RawMail::describe("mail", &mut docs);
    RawPush::describe("push", &mut docs);
    RawRtp::describe("rtp", &mut docs);
    RawMedia::describe("media", &mut docs);
    RawRecording::describe("recording", &mut docs);
    RawLog::describe("log", &mut docs);
    RawShutdown::describe("shutdown", &mut docs);
    RawControl::describe("control", &mut docs);
    RawEvents::describe("events", &mut docs);
    RawExports::describe("exports", &mut docs);
    RawAudit::describe("audit", &mut docs);
    RawLimits::describe("limits", &mut docs);
    docs
}

/// A value as TOML writes it on one line.
fn toml_text<T: Serialize>(value: &T) -> String {
    toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default()
}
