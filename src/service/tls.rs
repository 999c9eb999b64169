//! TLS of the signalling: certificate and key read from files, taken over anew without a restart,
//! and the authorities that a trunk's certificate is held to.
//!
//! A certificate that cannot be used never takes the place of one that can: the log says what is
//! wrong with it, and the old one stays.

use crate::base::Wall;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Where certificate, key and authorities are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Chain of the listeners, own certificate first, as PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, as PEM.
    pub key: Option<PathBuf>,
    /// Authorities of trunks' certificates, as PEM; `None`: those of the system.
    pub authorities: Option<PathBuf>,
}

/// What is wrong with the files, by the key that names them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{key}: {}: {error}", path.display())]
    Unreadable { key: &'static str, path: PathBuf, error: io::Error },
    #[error("{key}: {}: no {what} in PEM form is in it", path.display())]
    Empty { key: &'static str, path: PathBuf, what: &'static str },
    #[error("{key}: {}: {problem}", path.display())]
    Malformed { key: &'static str, path: PathBuf, problem: String },
    #[error("tls.key: {} is not the key of {}: name the key that the certificate was made with", key.display(), certificate.display())]
    WrongKey { certificate: PathBuf, key: PathBuf },
    #[error("tls.certificate: {} expired on {at}: renew it", path.display())]
    Expired { path: PathBuf, at: Wall },
    #[error("tls.certificate: {} is valid from {at} on only: check the clock", path.display())]
    NotYetValid { path: PathBuf, at: Wall },
    #[error("tls.certificate and tls.key: {problem}")]
    Unusable { problem: String },
    #[error("the system has no certificate authorities: install ca-certificates, or name a file in tls.authorities")]
    NoAuthorities,
}

impl TlsError {
    /// Whether the certificate is only out of its time: a phone may refuse it, or not.
    pub const fn is_about_time(&self) -> bool {
        match self {
            TlsError::Expired { .. } | TlsError::NotYetValid { .. } => true,
            TlsError::Unreadable { .. }
            | TlsError::Empty { .. }
            | TlsError::Malformed { .. }
            | TlsError::WrongKey { .. }
            | TlsError::Unusable { .. }
            | TlsError::NoAuthorities => false,
        }
    }
}

/// Why a connection to a trunk could not be secured.
#[derive(Debug, thiserror::Error)]
pub enum SecureError {
    #[error(transparent)]
    Files(#[from] TlsError),
    #[error("no trunk with this address is known: its certificate cannot be checked")]
    NoName,
    #[error("{name}: {error}")]
    Handshake { name: String, error: io::Error },
}

/// What the files said when they were last good.
struct Loaded {
    server: Option<Arc<ServerConfig>>,
    /// `None`: the system's authorities, which are read when the first trunk needs them.
    client: Option<Arc<ClientConfig>>,
}

/// The certificates in use. Clones share them.
#[derive(Clone)]
pub struct Tls {
    config: Arc<TlsConfig>,
    loaded: Arc<RwLock<Loaded>>,
}

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How often the files are looked at.
pub const LOOK: Duration = Duration::from_secs(2);

impl Tls {
    /// # Errors
    /// When the files cannot be used. A certificate that is out of its time can: phones over UDP
    /// must not be down for it. It is logged.
    pub fn load(config: TlsConfig, now: Wall) -> Result<Self, TlsError> {
        let loaded = read(&config)?;
        if let Err(error) = check_time(&config, now) {
            tracing::error!(%error, "phones will refuse the certificate");
        }
        Ok(Tls { config: Arc::new(config), loaded: Arc::new(RwLock::new(loaded)) })
    }

    /// Takes the files over as they are now; what is wrong is logged, and the old ones stay.
    pub fn reload(&self, now: Wall) {
        if self.stamps().is_empty() {
            return;
        }
        let usable = read(&self.config).and_then(|loaded| check_time(&self.config, now).map(|()| loaded));
        match usable {
            Ok(loaded) => {
                *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                tracing::info!("certificates were read anew");
            }
            Err(error) => tracing::error!(%error, "the new certificate is not used; the old one stays"),
        }
    }

    /// Reloads when a file has changed and then stayed the same from one `look` to the next: of
    /// certificate and key one is always written first. Until the service ends.
    pub async fn watch(self, look: Duration, wall: impl Fn() -> Wall + Send) {
        let mut used = self.stamps();
        let mut before = used.clone();
        let mut interval = tokio::time::interval(look);
        loop {
            interval.tick().await;
            let now = self.stamps();
            let settled = now == before;
            before.clone_from(&now);
            if settled && now != used {
                used = now;
                self.reload(wall());
            }
        }
    }

    /// When each file was last written, and how long it is.
    fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        let TlsConfig { certificate, key, authorities } = &*self.config;
        let stamp = |path: &PathBuf| {
            let about = std::fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        [certificate, key, authorities].into_iter().flatten().map(stamp).collect()
    }

    /// Secures a connection that came to a listener.
    ///
    /// # Errors
    /// When the far side does not agree, or takes too long.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let server = self.loaded.read().unwrap_or_else(PoisonError::into_inner).server.clone();
        let server = server.ok_or_else(|| io::Error::other("no certificate is configured"))?;
        let handshake = TlsAcceptor::from(server).accept(stream);
        Ok(TlsStream::Server(tokio::time::timeout(HANDSHAKE, handshake).await??))
    }

    fn client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let known = self.loaded.read().unwrap_or_else(PoisonError::into_inner).client.clone();
        if let Some(client) = known {
            return Ok(client);
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoAuthorities);
        }
        let client = Arc::new(client(roots)?);
        self.loaded.write().unwrap_or_else(PoisonError::into_inner).client = Some(Arc::clone(&client));
        Ok(client)
    }

    /// Opens a connection to `remote`, whose certificate must be good for one of `names`.
    ///
    /// # Errors
    /// When it cannot be reached, or its certificate is not.
    pub async fn connect(&self, remote: SocketAddr, names: &[String]) -> Result<TlsStream<TcpStream>, SecureError> {
        let client = self.client()?;
        let mut last = SecureError::NoName;
        for name in names {
            match handshake(&client, remote, name).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = SecureError::Handshake { name: name.clone(), error },
            }
        }
        Err(last)
    }
}

async fn handshake(client: &Arc<ClientConfig>, remote: SocketAddr, name: &str) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let secured = async {
        let stream = TcpStream::connect(remote).await?;
        TlsConnector::from(Arc::clone(client)).connect(name, stream).await
    };
    Ok(TlsStream::Client(tokio::time::timeout(HANDSHAKE, secured).await??))
}

/// Everything that is wrong with the files, for `config check`.
pub fn problems(config: &TlsConfig, now: Wall) -> Vec<TlsError> {
    let wrong = [read(config).err(), check_time(config, now).err()];
    let mut wrong: Vec<TlsError> = wrong.into_iter().flatten().collect();
    // What cannot be read is said once.
    wrong.truncate(if wrong.first().is_some_and(|error| !error.is_about_time()) { 1 } else { 2 });
    wrong
}

/// What the own certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub from: Wall,
    pub until: Wall,
    /// Host names and addresses that it is made out to.
    pub names: Vec<String>,
}

impl About {
    /// Whether a phone that calls `host` accepts it (RFC 6125 §6.4: an asterisk is one whole label).
    pub fn is_good_for(&self, host: &str) -> bool {
        let below = host.split_once('.').map(|(_, below)| below);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(domain) => below.is_some_and(|below| below.eq_ignore_ascii_case(domain)),
            None => name.eq_ignore_ascii_case(host),
        })
    }
}

/// What the first certificate of the chain says; `None` where none is configured.
///
/// # Errors
/// When it cannot be read.
pub fn about(config: &TlsConfig) -> Result<Option<About>, TlsError> {
    let Some(path) = &config.certificate else { return Ok(None) };
    let chain = certificates("tls.certificate", path)?;
    let malformed = |problem: String| TlsError::Malformed { key: "tls.certificate", path: path.clone(), problem };
    let own = chain.first().map(|own| x509_cert::Certificate::from_der(own)).transpose();
    let Some(own) = own.map_err(|error| malformed(error.to_string()))? else { return Ok(None) };
    let validity = &own.tbs_certificate.validity;
    let wall = |at: x509_cert::time::Time| {
        Wall::from_unix_micros(i64::try_from(at.to_unix_duration().as_micros()).unwrap_or(i64::MAX))
    };
    let names = own.tbs_certificate.get::<SubjectAltName>().map_err(|error| malformed(error.to_string()))?;
    let names = names.map(|(_, SubjectAltName(names))| names).unwrap_or_default();
    let names = names.iter().filter_map(name).collect();
    Ok(Some(About { from: wall(validity.not_before), until: wall(validity.not_after), names }))
}

/// A host name or an address; other kinds of names are none of ours.
fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

fn read(config: &TlsConfig) -> Result<Loaded, TlsError> {
    let server = match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => Some(Arc::new(server(certificate, key)?)),
        (Some(_) | None, None) | (None, Some(_)) => None,
    };
    let roots = config.authorities.as_deref().map(authorities).transpose()?;
    Ok(Loaded { server, client: roots.map(client).transpose()?.map(Arc::new) })
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn server(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let chain = certificates("tls.certificate", certificate)?;
    let file = open("tls.key", key)?;
    let secret = PrivateKeyDer::from_pem_reader(file).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => {
            TlsError::Empty { key: "tls.key", path: key.to_owned(), what: "key" }
        }
        other => TlsError::Malformed { key: "tls.key", path: key.to_owned(), problem: other.to_string() },
    })?;
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, secret))
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::WrongKey { certificate: certificate.to_owned(), key: key.to_owned() }
            }
            other => TlsError::Unusable { problem: other.to_string() },
        })
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls.authorities", path)? {
        roots.add(certificate).map_err(|error| TlsError::Malformed {
            key: "tls.authorities",
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
    }
    Ok(roots)
}

fn client(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
        .map_err(|error| TlsError::Unusable { problem: error.to_string() })
}

fn open(key: &'static str, path: &Path) -> Result<File, TlsError> {
    File::open(path).map_err(|error| TlsError::Unreadable { key, path: path.to_owned(), error })
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_reader_iter(open(key, path)?).collect();
    let chain = read.map_err(|error| TlsError::Malformed { key, path: path.to_owned(), problem: error.to_string() })?;
    match chain.is_empty() {
        true => Err(TlsError::Empty { key, path: path.to_owned(), what: "certificate" }),
        false => Ok(chain),
    }
}

/// Whether the first certificate of the chain is valid at `now`.
fn check_time(config: &TlsConfig, now: Wall) -> Result<(), TlsError> {
    let (Some(path), Some(About { from, until, names: _ })) = (&config.certificate, about(config)?) else {
        return Ok(());
    };
    match (now < from, now > until) {
        (true, _) => Err(TlsError::NotYetValid { path: path.clone(), at: from }),
        (_, true) => Err(TlsError::Expired { path: path.clone(), at: until }),
        (false, false) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
