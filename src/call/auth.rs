//! Who is calling: digest over the users of a company (RFC 7616, RFC 8760).

use crate::base::{Random, Span, Time};
use crate::directory::{AuthAlgorithm, Company, Directory, User};
use crate::sip::digest::{
    Algorithm, Challenge, Credentials, NonceCounter, NonceState, Nonces, Replay, dummy_ha1, verify,
};
use crate::sip::message::{Request, Response};

/// Nonces that are remembered with their counts.
const NONCES: usize = 50_000;

/// Verifies requests of users.
#[derive(Debug)]
pub struct Authenticator {
    nonces: Nonces,
    counter: NonceCounter,
}

/// Why a request was not let in.
enum Denied {
    NoCredentials,
    Wrong,
    Stale,
}

impl Authenticator {
    pub fn new(secret: [u8; 32], lifetime: Span) -> Self {
        Authenticator { nonces: Nonces::new(secret, lifetime), counter: NonceCounter::new(NONCES) }
    }

    /// The user whose password the request proves, or the challenge to answer. Unknown users are
    /// challenged and verified like known ones.
    pub fn verify<'a>(
        &mut self,
        request: &Request,
        company: &Company,
        directory: &'a Directory,
        now: Time,
        random: &mut dyn Random,
    ) -> Result<&'a User, Response> {
        let denied = match self.check(request, company, directory, now) {
            Ok(user) => return Ok(user),
            Err(denied) => denied,
        };
        let algorithms = algorithms_for(request, company, directory);
        let mut response = request.response(401);
        for asked in algorithms {
            let challenge = Challenge {
                realm: company.realm.clone(),
                nonce: self.nonces.issue(now, random),
                algorithm: algorithm(*asked),
                stale: matches!(denied, Denied::Stale),
            };
            response.headers.push("WWW-Authenticate", challenge.value());
        }
        Err(response)
    }

    fn check<'a>(
        &mut self,
        request: &Request,
        company: &Company,
        directory: &'a Directory,
        now: Time,
    ) -> Result<&'a User, Denied> {
        let credentials = credentials_of(request, company).ok_or(Denied::NoCredentials)?;
        let user = directory.user_by_auth(company.id, &credentials.username);
        let (md5, sha256) = match user {
            Some(user) => (user.ha1_md5.as_str(), user.ha1_sha256.as_str()),
            None => (dummy_ha1(Algorithm::Md5), dummy_ha1(Algorithm::Sha256)),
        };
        // Whoever answers with a weaker hash than was asked for may be somebody in between.
        let asked =
            algorithms_for(request, company, directory).iter().any(|asked| algorithm(*asked) == credentials.algorithm);
        let proven = asked & verify(&credentials, request.method.as_str(), Some(md5), Some(sha256), &request.body);
        let user = user.filter(|_| proven && credentials.uri_fits(&request.uri)).ok_or(Denied::Wrong)?;
        match self.nonces.check(&credentials.nonce, now) {
            NonceState::Fresh => {}
            NonceState::Stale => return Err(Denied::Stale),
            NonceState::Foreign => return Err(Denied::Stale),
        }
        match credentials.nonce_count().map(|count| self.counter.take(&credentials.nonce, count)) {
            Some(Replay::New) | None => Ok(user),
            Some(Replay::Seen) => Err(Denied::Stale),
        }
    }
}

/// The request's credentials for the company's realm.
fn credentials_of(request: &Request, company: &Company) -> Option<Credentials> {
    let headers = request.headers.all("Authorization").chain(request.headers.all("Proxy-Authorization"));
    headers.filter_map(|value| Credentials::parse(value).ok()).find(|credentials| credentials.realm == company.realm)
}

/// What a phone is challenged with: its user's own algorithms, else the company's. Before the first
/// credentials the From says whose phone it is.
fn algorithms_for<'a>(request: &Request, company: &'a Company, directory: &'a Directory) -> &'a [AuthAlgorithm] {
    let by_credentials = credentials_of(request, company).and_then(|c| directory.user_by_auth(company.id, &c.username));
    let user = by_credentials.or_else(|| {
        let name = request.from().ok()?.uri.user_unescaped()?;
        directory.user_by_auth(company.id, &name).or_else(|| directory.user_by_extension(company.id, &name))
    });
    user.and_then(|user| user.auth.as_ref()).unwrap_or(&company.settings.auth)
}

const fn algorithm(asked: AuthAlgorithm) -> Algorithm {
    match asked {
        AuthAlgorithm::Md5 => Algorithm::Md5,
        AuthAlgorithm::Sha256 => Algorithm::Sha256,
    }
}
