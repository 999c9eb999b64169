//! One mail over SMTP (RFC 5321), with TLS from the start (RFC 8314) or by STARTTLS (RFC 3207), and
//! authentication (RFC 4954).

use super::letter::{Letter, LetterError};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of one command of the conversation.
const LIMIT: Duration = Duration::from_secs(30);

/// How the conversation with the server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// From the start.
    Tls,
    /// After STARTTLS; a server that does not offer it gets nothing.
    #[default]
    Starttls,
    /// Not at all: for a server on this machine.
    None,
}

impl Encryption {
    pub const fn port(self) -> u16 {
        match self {
            Encryption::Tls => 465,
            Encryption::Starttls => 587,
            Encryption::None => 25,
        }
    }
}

/// The server that takes mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpConfig {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    /// Empty: nobody logs in.
    pub user: String,
    /// File with the password, on its first line.
    pub password_file: Option<PathBuf>,
    /// What the service calls itself.
    pub hello: String,
    /// PEM; `None`: the authorities of the system.
    pub authorities: Option<PathBuf>,
}

/// Why no mail can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum SmtpSetupError {
    #[error("mail.password_file: {}: {problem}", path.display())]
    Password { path: PathBuf, problem: String },
    #[error("mail.authorities: {}: {problem}", path.display())]
    Authorities { path: PathBuf, problem: String },
    #[error("mail: TLS: {0}")]
    Tls(#[from] lettre::transport::smtp::Error),
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// It never will be.
    #[error("{0}")]
    Never(String),
    /// It may be later.
    #[error("{0}")]
    Later(String),
}

impl From<LetterError> for SmtpError {
    fn from(error: LetterError) -> Self {
        SmtpError::Never(error.to_string())
    }
}

/// Sends mails, a connection each: they are few, and a server that was restarted is none to notice.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Smtp {
    pub fn new(config: &SmtpConfig) -> Result<Self, SmtpSetupError> {
        let SmtpConfig { host, port, encryption, user, password_file, hello, authorities } = config;
        let tls = match encryption {
            Encryption::None => Tls::None,
            Encryption::Tls => Tls::Wrapper(parameters(host, authorities.as_deref())?),
            Encryption::Starttls => Tls::Required(parameters(host, authorities.as_deref())?),
        };
        let hello = match hello.parse() {
            Ok(std::net::IpAddr::V4(address)) => ClientId::Ipv4(address),
            Ok(std::net::IpAddr::V6(address)) => ClientId::Ipv6(address),
            Err(_) => ClientId::Domain(hello.clone()),
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.clone());
        let mut builder = builder.port(*port).tls(tls).hello_name(hello).timeout(Some(LIMIT));
        if !user.is_empty() {
            let password = password_file.as_deref().map(password).transpose()?.unwrap_or_default();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Smtp { transport: builder.build() })
    }

    /// Sends it; when this returns the server has taken it.
    pub async fn send(&self, letter: &Letter) -> Result<(), SmtpError> {
        let message = letter.message()?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) if is_of_the_mail(&error) => Err(SmtpError::Never(whole(&error))),
            Err(error) => Err(SmtpError::Later(whole(&error))),
        }
    }
}

/// A refusal for good that is about this mail, and not about who may send here at all.
fn is_of_the_mail(error: &lettre::transport::smtp::Error) -> bool {
    let code = error.status().map(u16::from);
    // 421, 45x: later. 500 to 504, 521, 53x: the server and the login are to be put right.
    error.is_permanent() && matches!(code, Some(550..=559))
}

/// With what lies beneath it.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(beneath) = source {
        text = format!("{text}: {beneath}");
        source = beneath.source();
    }
    text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(500).collect()
}

fn password(path: &Path) -> Result<String, SmtpSetupError> {
    let wrong = |problem: String| SmtpSetupError::Password { path: path.to_owned(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(wrong("its first line is to be the password".to_owned())),
    }
}

fn parameters(host: &str, authorities: Option<&Path>) -> Result<TlsParameters, SmtpSetupError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = authorities {
        let wrong = |problem: String| SmtpSetupError::Authorities { path: path.to_owned(), problem };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        builder = builder.certificate_store(lettre::transport::smtp::client::CertificateStore::None);
        builder = builder.add_root_certificate(certificate);
    }
    Ok(builder.build()?)
}
