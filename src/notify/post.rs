//! One delivery over HTTP: to an address that was looked at before, and nowhere else.
//!
//! The name is looked up once, the address that was chosen is the one that is connected to, and
//! redirects are answers like any other: nothing that the far side says leads a delivery inside.

use super::guard::{Guard, Target, TargetError};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// From the look-up of the name to the status of the answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("the address of the hook: {0}")]
    Target(#[from] TargetError),
    #[error("the host `{host}` is not found ({error}): check the address")]
    NoHost { host: String, error: io::Error },
    #[error("no connection: {0}")]
    Connection(io::Error),
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("no answer within 10 s")]
    Late,
    #[error("a header cannot be sent: {0}")]
    Header(#[from] hyper::http::Error),
}

/// Why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum PostmanError {
    #[error("webhooks.authorities: {}: {problem}", path.display())]
    Authorities { path: PathBuf, problem: String },
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Sends deliveries.
#[derive(Clone)]
pub struct Postman {
    guard: Guard,
    tls: TlsConnector,
}

impl Postman {
    /// `authorities`: PEM file of those that receivers' certificates are held to; `None`: the system's.
    pub fn new(guard: Guard, authorities: Option<&Path>) -> Result<Self, PostmanError> {
        let mut roots = RootCertStore::empty();
        match authorities {
            Some(path) => {
                let wrong = |problem: String| PostmanError::Authorities { path: path.to_owned(), problem };
                let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                    roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(wrong("no certificate in PEM form is in it".to_owned()));
                }
            }
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Postman { guard, tls: TlsConnector::from(Arc::new(config)) })
    }

    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends JSON, and says the status of the answer.
    pub async fn post(&self, url: &str, headers: &[(&str, &str)], body: &str) -> Result<u16, PostError> {
        self.send(url, headers, "application/json", Bytes::copy_from_slice(body.as_bytes())).await
    }

    /// Sends a body of that type, and says the status of the answer.
    pub async fn send(&self, url: &str, headers: &[(&str, &str)], kind: &str, body: Bytes) -> Result<u16, PostError> {
        let posting = self.send_without_limit(url, headers, kind, body);
        tokio::time::timeout(LIMIT, posting).await.unwrap_or(Err(PostError::Late))
    }

    async fn send_without_limit(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        kind: &str,
        body: Bytes,
    ) -> Result<u16, PostError> {
        let target = Target::parse(url, &self.guard)?;
        let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
        let found = found.map_err(|error| PostError::NoHost { host: target.host.clone(), error })?;
        let found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        let address = SocketAddr::new(target.choose(&found, &self.guard)?, target.port);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&target.path)
            .header(HOST, &target.authority)
            .header(USER_AGENT, concat!("Telegraphone/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, kind);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body))?;
        let stream = TcpStream::connect(address).await.map_err(PostError::Connection)?;
        if !target.https {
            return send(stream, request).await;
        }
        let name = ServerName::try_from(target.host.clone()).map_err(|_| TargetError::Shape)?;
        let stream = self.tls.connect(name, stream).await.map_err(PostError::Connection)?;
        send(stream, request).await
    }
}

/// The head of the answer is enough: nobody reads what else the far side says.
async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<u16, PostError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = AbortOnDrop(tokio::spawn(connection));
    let answer = sender.send_request(request).await?;
    drop(connection);
    Ok(answer.status().as_u16())
}

/// The connection ends with whoever waits for its answer.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
