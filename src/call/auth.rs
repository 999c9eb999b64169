//! Who is calling: digest over the users and trunks of a company (RFC 7616, RFC 8760).

use super::lockout::{LockOver, Locked, Lockout, Name, Source};
use crate::base::{Random, Span, Time};
use crate::directory::{AuthAlgorithm, Company, Directory, Trunk, User};
use crate::sip::digest::{
    Algorithm, Challenge, Credentials, NonceCounter, NonceState, Nonces, Replay, dummy_ha1, verify,
};
use crate::sip::message::{Request, Response};
use std::net::IpAddr;

/// Nonces that are remembered with their counts.
const NONCES: usize = 50_000;

/// Verifies requests of users.
#[derive(Debug)]
pub struct Authenticator {
    nonces: Nonces,
    counter: NonceCounter,
    pub lockout: Lockout,
    /// Locks that nobody was told of.
    locked: Vec<Locked>,
}

/// Whose password a request proves.
#[derive(Clone, Copy, Debug)]
pub enum Identity<'a> {
    User(&'a User),
    Trunk(&'a Trunk),
}

impl<'a> Identity<'a> {
    /// HA1 with MD5 and with SHA-256.
    fn hashes(&self) -> Option<(&'a str, &'a str)> {
        match self {
            Identity::User(user) => Some((user.ha1_md5.as_str(), user.ha1_sha256.as_str())),
            Identity::Trunk(trunk) => {
                let inbound = trunk.inbound.as_ref()?;
                Some((inbound.ha1_md5.as_str(), inbound.ha1_sha256.as_str()))
            }
        }
    }
}

/// Why a request was not let in.
enum Denied {
    NoCredentials,
    Wrong,
    /// The nonce is old, or another's: nothing is said of the password.
    Stale,
    /// Too many wrong passwords, for so long; nothing is said of this one.
    Locked(Span),
}

impl Authenticator {
    pub fn new(secret: [u8; 32], lifetime: Span) -> Self {
        let (nonces, counter) = (Nonces::new(secret, lifetime), NonceCounter::new(NONCES));
        Authenticator { nonces, counter, lockout: Lockout::new(LockOver::Sip), locked: Vec::new() }
    }

    /// The user whose password the request proves, or the challenge to answer. Unknown users are
    /// challenged and verified like known ones.
    pub fn verify<'a>(
        &mut self,
        request: &Request,
        company: &Company,
        directory: &'a Directory,
        source: IpAddr,
        now: Time,
        random: &mut dyn Random,
    ) -> Result<&'a User, Response> {
        match self.verify_any(request, company, directory, source, now, random)? {
            Identity::User(user) => Ok(user),
            Identity::Trunk(_) => Err(request.response(403).with_reason("This is a trunk's password, not a user's")),
        }
    }

    /// The user or trunk whose password the request proves, or the challenge to answer.
    pub fn verify_any<'a>(
        &mut self,
        request: &Request,
        company: &Company,
        directory: &'a Directory,
        source: IpAddr,
        now: Time,
        random: &mut dyn Random,
    ) -> Result<Identity<'a>, Response> {
        let denied = match self.check(request, company, directory, source, now) {
            Ok(identity) => return Ok(identity),
            Err(denied) => denied,
        };
        if let Denied::Locked(left) = denied {
            return Err(locked_out(request, left));
        }
        let algorithms = algorithms_for(request, company, directory);
        let mut response = request.response(401);
        for asked in algorithms {
            let challenge = Challenge {
                realm: company.realm.clone(),
                nonce: self.nonces.issue(source, now, random),
                algorithm: algorithm(*asked),
                stale: matches!(denied, Denied::Stale),
            };
            response.headers.push("WWW-Authenticate", challenge.value());
        }
        Err(response)
    }

    /// Locks since the last time.
    pub fn take_locked(&mut self) -> Vec<Locked> {
        std::mem::take(&mut self.locked)
    }

    fn check<'a>(
        &mut self,
        request: &Request,
        company: &Company,
        directory: &'a Directory,
        source: IpAddr,
        now: Time,
    ) -> Result<Identity<'a>, Denied> {
        let credentials = credentials_of(request, company).ok_or(Denied::NoCredentials)?;
        let user = directory.user_by_auth(company.id, &credentials.username).map(Identity::User);
        let named = user.or_else(|| directory.trunk_by_login(company.id, &credentials.username).map(Identity::Trunk));
        let (md5, sha256) = match named.as_ref().and_then(Identity::hashes) {
            Some(hashes) => hashes,
            None => (dummy_ha1(Algorithm::Md5), dummy_ha1(Algorithm::Sha256)),
        };
        // Whoever answers with a weaker hash than was asked for may be somebody in between.
        let asked =
            algorithms_for(request, company, directory).iter().any(|asked| algorithm(*asked) == credentials.algorithm);
        let proven = asked & verify(&credentials, request.method.as_str(), Some(md5), Some(sha256), &request.body);
        // A nonce of ours is looked at first: what comes with another says nothing of the password,
        // so that it can neither be guessed with it nor be counted as a guess.
        match self.nonces.check(&credentials.nonce, source, now) {
            NonceState::Fresh => {}
            NonceState::Stale | NonceState::Foreign => return Err(Denied::Stale),
        }
        let (name, place) = (Name::new(company.id, &credentials.username), Source::of(source));
        if let Some(left) = self.lockout.locked(&name, place, now) {
            return Err(Denied::Locked(left));
        }
        let Some(named) = named.filter(|_| proven) else {
            self.locked.extend(self.lockout.failed(&name, place, now));
            return Err(self.lockout.shut(place, now).map_or(Denied::Wrong, Denied::Locked));
        };
        if !credentials.uri_fits(&request.uri) {
            return Err(Denied::Wrong);
        }
        self.lockout.proven(&name, place, now);
        match credentials.nonce_count().map(|count| self.counter.take(&credentials.nonce, count)) {
            Some(Replay::New) | None => Ok(named),
            Some(Replay::Seen) => Err(Denied::Stale),
        }
    }
}

/// The same for every lock, whether the name exists, and whether the password is right.
fn locked_out(request: &Request, left: Span) -> Response {
    let seconds = left.0.div_ceil(1_000_000);
    request
        .response(403)
        .with_reason("Too many wrong passwords, try again later")
        .with_header("Retry-After", seconds.to_string())
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
