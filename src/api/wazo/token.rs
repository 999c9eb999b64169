//! Tokens as `auth` gives them.

use crate::api::login::is_access;
use crate::base::Wall;
use crate::directory::Role;
use crate::subscription::MOST_PATTERNS;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Seconds that a token lasts where nothing else is said.
const EXPIRATION: u64 = 7_200;
/// Days that it lasts at most.
const DAYS: u64 = 366;

/// What a log-in asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAsk {
    /// Seconds.
    pub expiration: u64,
    /// Of which company, where the name that is logged in with does not say it: UUID or key.
    pub tenant: Option<String>,
    /// The same by a SIP domain.
    pub domain: Option<String>,
    /// Patterns that it shall have instead of all that its user may.
    pub acl: Option<Vec<String>>,
}

impl TokenAsk {
    /// # Errors
    /// Everything that is wrong with the body.
    pub fn read(body: &Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let expiration = match body.get("expiration") {
            None => EXPIRATION,
            Some(said) => match said.as_u64().filter(|seconds| (1..=DAYS * 86_400).contains(seconds)) {
                Some(seconds) => seconds,
                None => {
                    errors.push(format!("expiration: `{said}` is not a number of seconds from 1 to {}", DAYS * 86_400));
                    EXPIRATION
                }
            },
        };
        let mut text = |key: &str| match body.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                errors.push(format!("{key}: Not a valid string."));
                None
            }
        };
        let (tenant, domain, client, access) =
            (text("tenant_id"), text("domain_name"), text("client_id"), text("access_type"));
        let refresh = text("refresh_token");
        if tenant.is_some() && domain.is_some() {
            errors.push("\"tenant_id\" and \"domain_name\" must be mutually exclusive".to_owned());
        }
        if access.as_ref().is_some_and(|access| !["online", "offline"].contains(&access.as_str())) {
            errors.push("access_type: Must be one of: online, offline.".to_owned());
        }
        if access.as_deref() == Some("offline") && client.is_none() {
            errors.push("\"client_id\" must be specified when using \"access_type\" is \"offline\"".to_owned());
        }
        if refresh.is_some() {
            errors.push("refresh_token: none are given here: log in with a password".to_owned());
        }
        let acl = match body.get("acl") {
            None | Some(Value::Null) => None,
            Some(said) => {
                let acl = patterns(said);
                if acl.is_none() {
                    errors.push(format!("acl: a list of up to {MOST_PATTERNS} patterns such as calld.users.me.#"));
                }
                acl
            }
        };
        let ask = TokenAsk { expiration, tenant, domain, acl };
        if errors.is_empty() { Ok(ask) } else { Err(errors) }
    }
}

fn patterns(said: &Value) -> Option<Vec<String>> {
    let said = said.as_array().filter(|said| (1..=MOST_PATTERNS).contains(&said.len()))?;
    said.iter().map(|pattern| pattern.as_str().filter(|pattern| is_access(pattern)).map(str::to_owned)).collect()
}

/// What somebody may where nothing narrower is asked for; `None`: whoever stands above the companies.
pub fn grants_of(role: Option<Role>) -> Vec<String> {
    const EVERYBODY: [&str; 9] = [
        "auth.users.me.#",
        "calld.users.me.#",
        "confd.infos.read",
        "confd.users.me.read",
        "confd.users.me.voicemails.read",
        "events.users.me.#",
        "events.users.me.voicemails",
        "events.voicemails.global.messages.#",
        "websocketd",
    ];
    const ADMINS: [&str; 4] = ["auth.#", "calld.#", "confd.#", "events.#"];
    let more: &[&str] = match role {
        Some(Role::Admin) | None => &ADMINS,
        Some(Role::Supervisor | Role::Analyst | Role::Agent) => &[],
    };
    EVERYBODY.iter().chain(more).map(|pattern| (*pattern).to_owned()).collect()
}

/// A token as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBody {
    pub token: String,
    /// Of its row.
    pub id: i64,
    /// Of the user, or of whoever stands above the companies.
    pub uuid: String,
    /// A user of the company.
    pub is_user: bool,
    pub company_uuid: Option<String>,
    pub name: String,
    pub is_admin: bool,
    pub acl: Vec<String>,
    pub created: Wall,
    pub expires: Wall,
    pub source: String,
}

impl TokenBody {
    pub fn json(&self) -> Value {
        let TokenBody { token, id, uuid, is_user, company_uuid, name, is_admin, acl, created, expires, source } = self;
        let user = is_user.then_some(uuid);
        json!({
            "token": token,
            "auth_id": uuid,
            "xivo_user_uuid": user,
            "xivo_uuid": company_uuid,
            "issued_at": moment(*created),
            "expires_at": moment(*expires),
            "utc_issued_at": moment(*created),
            "utc_expires_at": moment(*expires),
            "acl": acl,
            "metadata": {
                "uuid": uuid,
                "auth_id": uuid,
                "pbx_user_uuid": user,
                "tenant_uuid": company_uuid,
                "xivo_uuid": company_uuid,
                "username": name,
                "admin": is_admin,
                "purpose": if *is_user { "user" } else { "external_api" },
            },
            "session_uuid": session_uuid(*id),
            "remote_addr": source,
            "user_agent": "",
        })
    }
}

/// As Wazo writes times: ISO 8601 in UTC with microseconds and without a zone.
fn moment(at: Wall) -> String {
    let at = jiff::Timestamp::from_microsecond(at.unix_micros()).unwrap_or_default();
    format!("{at:.6}").trim_end_matches('Z').to_owned()
}

/// The UUID of a session, by its row.
pub fn session_uuid(id: i64) -> String {
    uuid_named("session", id)
}

/// A UUID for a thing that has none by itself: the same for ever.
pub fn uuid_named(kind: &str, id: i64) -> String {
    let digest = Sha256::digest(format!("telegraphone {kind} {id}").as_bytes());
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(digest.iter()) {
        *byte = *from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::{Asker, Patterns};

    fn read(body: Value) -> Result<TokenAsk, Vec<String>> {
        TokenAsk::read(body.as_object().unwrap())
    }

    #[test]
    fn a_token_lasts_two_hours_where_nothing_is_said_and_unknown_fields_are_passed_over() {
        let ask = read(json!({ "backend": "wazo_user", "something": 1 })).unwrap();
        assert_eq!(ask, TokenAsk { expiration: 7_200, tenant: None, domain: None, acl: None });
    }

    #[test]
    fn what_is_wrong_with_a_log_in_is_said() {
        for (body, part) in [
            (json!({ "expiration": 0 }), "expiration"),
            (json!({ "expiration": "x" }), "expiration"),
            (json!({ "expiration": true }), "expiration"),
            (json!({ "expiration": 366 * 86_400 + 1 }), "expiration"),
            (json!({ "tenant_id": "a", "domain_name": "b" }), "exclusive"),
            (json!({ "access_type": "offline" }), "client_id"),
            (json!({ "refresh_token": "x", "client_id": "y" }), "refresh_token"),
            (json!({ "acl": ["a b"] }), "acl"),
            (json!({ "acl": [] }), "acl"),
        ] {
            let errors = read(body.clone()).unwrap_err();
            assert!(errors.len() == 1 && errors[0].contains(part), "{body}: {errors:?}");
        }
    }

    #[test]
    fn an_agent_reaches_their_own_and_what_is_shared_and_an_admin_everything() {
        let me = Asker { user: "u-1", session: "" };
        for (role, name, given) in [
            (Some(Role::Agent), "calld.users.me.voicemails.messages.read", true),
            (Some(Role::Agent), "events.voicemails.global.messages.created", true),
            (Some(Role::Agent), "events.users.u-1.voicemails", true),
            (Some(Role::Agent), "events.users.u-2.voicemails", false),
            (Some(Role::Agent), "confd.voicemails.create", false),
            (Some(Role::Agent), "calld.voicemails.7.read", false),
            (Some(Role::Admin), "confd.voicemails.create", true),
            (None, "calld.voicemails.7.read", true),
        ] {
            assert_eq!(Patterns::new(grants_of(role)).allow(name, me), given, "{role:?} {name}");
        }
        for pattern in grants_of(None) {
            assert!(is_access(&pattern), "{pattern}");
        }
    }

    #[test]
    fn times_are_told_as_wazo_tells_them() {
        assert_eq!(moment(Wall::from_unix_micros(1_700_000_000_123_456)), "2023-11-14T22:13:20.123456");
        assert_eq!(session_uuid(1), session_uuid(1));
        assert_ne!(session_uuid(1), session_uuid(2));
    }
}
