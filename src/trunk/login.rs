//! Answers to a carrier's 401 and 407.

use crate::directory::{Login, LoginSecret};
use crate::sip::digest::{DigestError, Password, challenges, is_stale, respond_with};
use crate::sip::message::{Request, Response};

/// Why a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooOften {
    #[error("the trunk asks for a password and has no `username`")]
    NoLogin,
    #[error("the carrier does not take the password of `{0}`")]
    Refused(String),
    #[error("the carrier's challenge cannot be answered: {0}")]
    Challenge(#[from] DigestError),
}

/// Answers to one request: the first, and one more for each nonce that had grown stale.
const MOST_TRIES: u8 = 3;

pub const fn is_challenge(status: u16) -> bool {
    matches!(status, 401 | 407)
}

/// `request` again, with the answer to the challenge in `response` and the next CSeq; its Via is
/// the endpoint's to make. `tries`: how often it was answered before.
pub fn prove(
    login: Option<&Login>,
    request: &Request,
    response: &Response,
    tries: u8,
    cnonce: &str,
) -> Result<Request, TooOften> {
    let login = login.ok_or(TooOften::NoLogin)?;
    let values = challenges(&response.headers);
    let allowed = if is_stale(&values) { MOST_TRIES } else { 1 };
    if tries >= allowed {
        return Err(TooOften::Refused(login.user.clone()));
    }
    let password = match &login.secret {
        LoginSecret::Clear(secret) => Password::Clear(secret.reveal()),
        LoginSecret::Hashes { realm, md5, sha256 } => Password::Hashes { realm, md5, sha256 },
    };
    let (method, uri) = (request.method.as_str(), request.uri.to_string());
    let value = respond_with(&values, &login.user, password, method, &uri, cnonce, 1)?;
    let mut again = request.clone();
    again.headers.remove("Authorization");
    again.headers.remove("Proxy-Authorization");
    let name = if response.status == 401 { "Authorization" } else { "Proxy-Authorization" };
    again.headers.set(name, value);
    if let Ok(cseq) = request.cseq() {
        again.headers.set("CSeq", format!("{} {}", cseq.seq.saturating_add(1), request.method));
    }
    Ok(again)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::file::Secret;
    use crate::sip::digest::{Algorithm, Credentials, ha1, verify};
    use crate::sip::message::Method;
    use crate::sip::uri::Uri;

    fn login(secret: LoginSecret) -> Login {
        Login { user: "acme".to_owned(), secret }
    }

    fn clear() -> Login {
        login(LoginSecret::Clear(Secret::stored("open".to_owned())))
    }

    fn hashes(realm: &str) -> Login {
        let hash = |algorithm| ha1(algorithm, "acme", realm, "open");
        let (md5, sha256) = (hash(Algorithm::Md5), hash(Algorithm::Sha256));
        login(LoginSecret::Hashes { realm: realm.to_owned(), md5, sha256 })
    }

    fn invite() -> Request {
        Request::new(Method::Invite, Uri::sip("+4989", "carrier.test")).with_header("CSeq", "4 INVITE")
    }

    fn challenge(status: u16, values: &[&str]) -> Response {
        let header = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
        values.iter().fold(invite().response(status), |response, value| response.with_header(header, *value))
    }

    #[test]
    fn both_kinds_of_challenge_are_answered_with_what_is_kept_of_the_password() {
        for (status, header) in [(401, "Authorization"), (407, "Proxy-Authorization")] {
            for login in [clear(), hashes("carrier")] {
                for algorithm in ["MD5", "SHA-256"] {
                    let value = format!("Digest realm=\"carrier\", nonce=\"n\", algorithm={algorithm}, qop=\"auth\"");
                    let again = prove(Some(&login), &invite(), &challenge(status, &[&value]), 0, "cn").unwrap();
                    let credentials = Credentials::parse(again.headers.get(header).unwrap()).unwrap();
                    let hash = |algorithm| ha1(algorithm, "acme", "carrier", "open");
                    let (md5, sha256) = (hash(Algorithm::Md5), hash(Algorithm::Sha256));
                    assert!(verify(&credentials, "INVITE", Some(&md5), Some(&sha256), b""), "{status} {algorithm}");
                    assert_eq!(again.headers.get("CSeq"), Some("5 INVITE"));
                }
            }
        }
    }

    #[test]
    fn a_challenge_is_answered_once_and_again_only_where_the_nonce_was_stale() {
        let plain = challenge(407, &["Digest realm=\"carrier\", nonce=\"n\""]);
        let stale = challenge(407, &["Digest realm=\"carrier\", nonce=\"n\", stale=TRUE"]);
        let refused = Err(TooOften::Refused("acme".to_owned()));
        assert!(prove(Some(&clear()), &invite(), &plain, 0, "cn").is_ok());
        assert_eq!(prove(Some(&clear()), &invite(), &plain, 1, "cn"), refused);
        assert!(prove(Some(&clear()), &invite(), &stale, 2, "cn").is_ok());
        assert_eq!(prove(Some(&clear()), &invite(), &stale, 3, "cn"), refused);
        assert_eq!(prove(None, &invite(), &plain, 0, "cn"), Err(TooOften::NoLogin));
    }

    #[test]
    fn hashes_answer_their_own_realm_only_and_the_error_names_the_other() {
        let two = ["Digest realm=\"other\", nonce=\"n\"", "Digest realm=\"carrier\", nonce=\"m\""];
        let again = prove(Some(&hashes("carrier")), &invite(), &challenge(401, &two), 0, "cn").unwrap();
        assert!(again.headers.get("Authorization").unwrap().contains("nonce=\"m\""));
        let error = prove(Some(&hashes("old")), &invite(), &challenge(401, &two[..1]), 0, "cn").unwrap_err();
        assert!(error.to_string().contains("other"), "{error}");
    }
}
