//! The configuration: one TOML file, environment variables over it, defaults under it.
//!
//! raw (what was said) ─check─► [`Config`] (what it means), or everything that is wrong.

mod check;
mod raw;
mod source;

pub use check::{ConfigError, Wrong};
pub use raw::{KeyDoc, LogFormat, RawConfig, RawListen, describe};
pub use source::{Origin, Sources};

use super::tls::TlsConfig;
use crate::api::http::Patience;
use crate::base::Span;
use crate::directory::Transport;
use crate::notify::mail::SmtpConfig;
use crate::notify::{Guard, MailSettings, Network};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// What the service runs by. Valid: every address can be used, every limit makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub data_dir: PathBuf,
    /// Speech that replaces the service's own.
    pub prompts: Option<PathBuf>,
    pub sip: SipConfig,
    pub tls: TlsConfig,
    pub http: HttpConfig,
    pub metrics: MetricsConfig,
    pub webhooks: WebhookConfig,
    pub mail: MailConfig,
    pub push: PushConfig,
    pub rtp: RtpConfig,
    pub media: MediaConfig,
    pub recording: RecordingConfig,
    pub log: LogConfig,
    pub shutdown: ShutdownConfig,
    pub control: ControlConfig,
    pub events: EventConfig,
    pub exports: ExportConfig,
    pub audit: AuditConfig,
    pub limits: LimitConfig,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SipConfig {
    /// At least one.
    pub listen: Vec<Listen>,
    /// RFC 3261 §17.1.1.1.
    pub timer_t1: Span,
    pub registration_min_s: u32,
    pub registration_default_s: u32,
    pub registration_max_s: u32,
    pub nonce_ttl: Span,
    /// RFC 4028 §4.
    pub session_expires_s: u32,
    /// RFC 4028 §5.
    pub min_se_s: u32,
    pub ring_timeout: Span,
    pub max_calls: usize,
    pub tcp_idle: Span,
}

/// A SIP listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub transport: Transport,
    /// Port 0: any free one.
    pub address: SocketAddr,
    pub advertise: Option<Advertise>,
}

/// The API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// None: it is off.
    pub listen: Vec<HttpListen>,
    pub proxies: Vec<IpAddr>,
    /// Where people reach it, without a `/` at the end; `None`: wherever a request was sent to.
    pub url: Option<String>,
    /// Not of the file: tests have less of it.
    pub patience: Patience,
}

/// Figures for Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsConfig {
    /// None: they are off. Port 0: any free one.
    pub listen: Vec<SocketAddr>,
    /// Who may ask besides this machine.
    pub allow: Vec<Network>,
}

impl MetricsConfig {
    pub fn admits(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        source.is_loopback() || self.allow.iter().any(|network| network.contains(source))
    }
}

/// Where hooks may lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookConfig {
    pub guard: Guard,
    /// PEM; `None`: the authorities of the system.
    pub authorities: Option<PathBuf>,
}

/// Mails about new voicemail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailConfig {
    /// `None`: none is sent.
    pub smtp: Option<(SmtpConfig, MailSettings)>,
}

/// Web Push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushConfig {
    /// Empty: nobody.
    pub contact: String,
}

/// A listener of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpListen {
    /// Port 0: any free one.
    pub address: SocketAddr,
    pub tls: bool,
}

/// How a listener is named in Via and Contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertise {
    /// A host name or an IP address without brackets.
    pub host: String,
    /// `None`: the listener's.
    pub port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpConfig {
    /// At most one per family, at least one.
    pub addresses: Vec<MediaAddress>,
    pub port_min: u16,
    pub port_max: u16,
    /// `None`: silence ends no call.
    pub silence_timeout: Option<Span>,
    pub rtcp_interval: Span,
    pub strict_source: bool,
}

/// A local address of media, and what the SDP calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaAddress {
    pub bind: IpAddr,
    /// Never unspecified.
    pub advertise: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaConfig {
    /// 0: see [`MediaConfig::worker_count`].
    pub workers: usize,
    pub pin: bool,
    /// Ask for the real-time class.
    pub realtime: bool,
}

impl MediaConfig {
    /// How many workers to start on a machine of `cores` cores.
    pub fn worker_count(&self, cores: usize) -> usize {
        match self.workers {
            0 => cores.saturating_sub(1).max(1),
            workers => workers,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingConfig {
    pub dir: PathBuf,
    pub write_interval: Span,
    pub window: Span,
    /// Bytes.
    pub warn_free: u64,
    /// Bytes; not above `warn_free`.
    pub refuse_free: u64,
    pub max_part_bytes: u64,
    pub recorders: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    pub filter: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownConfig {
    pub grace: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlConfig {
    pub socket: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventConfig {
    /// `None`: events are kept for ever.
    pub retention: Option<Span>,
}

/// Archives of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportConfig {
    /// Of one at most.
    pub max_bytes: u64,
    pub per_user: u32,
    pub keep: Span,
}

/// The access log outside the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    pub key: PathBuf,
    pub heads: PathBuf,
}

/// `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitConfig {
    /// Bytes.
    pub memory: Option<u64>,
    pub cpu_percent: Option<u8>,
}

impl Config {
    /// What `sources` say, or everything that is wrong with it, each with where it was said.
    pub fn read(sources: &Sources) -> Result<Self, Vec<ConfigError>> {
        let (raw, unreadable) = sources.raw()?;
        let checked = check::check(&raw);
        // The default that stands in for an unreadable key was not said: no word about it.
        let said = |error: &&ConfigError| !unreadable.iter().any(|bad| bad.key == error.key);
        let wrong = checked.as_ref().err().into_iter().flatten().filter(said);
        let wrong = wrong.map(|error| ConfigError { origin: sources.origin(&error.key), ..error.clone() });
        let errors: Vec<ConfigError> = unreadable.iter().cloned().chain(wrong).collect();
        match (checked, errors.is_empty()) {
            (Ok(config), true) => Ok(config),
            (Ok(_), false) | (Err(_), _) => Err(errors),
        }
    }

    /// What `raw` means, or everything that is wrong with it.
    pub fn check(raw: &RawConfig) -> Result<Self, Vec<ConfigError>> {
        check::check(raw)
    }

    /// The embedded default, in this data folder.
    pub fn default_for(data_dir: &Path) -> Self {
        let raw = RawConfig::default();
        check::config(&raw, data_dir, check::default_listen(), check::default_media())
    }
}

#[cfg(test)]
mod tests;
