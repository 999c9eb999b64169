//! Who asks: people with passwords and sessions, programs with tokens.

use super::Problem;
use crate::base::{Random, Span, Wall};
use crate::store::{NewToken, Owner, Store, TokenKind, TokenRow};
use crate::subscription::{Asker, Patterns, is_pattern};
use argon2::{Argon2, PasswordVerifier};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// How long a session lasts.
const SESSION: Span = Span::from_secs(12 * 3_600);
/// Days that a token lasts at most.
const TOKEN_DAYS: u32 = 366;
/// Sessions that somebody has at a time when another program logs in.
const SESSIONS: u32 = 1_000;
/// Tokens that somebody has at a time.
const TOKENS: u32 = 50;
/// A password that nobody has: checking it takes as long as any, so that time does not tell whether
/// a user exists.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlzIQ$CzBVep/E6Q4zWH2ix+wRNluApcrvFDleg6jN8hc8YYY";

/// What a token may be used for. A session may be used for everything that its user may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    ReadCalls,
    CommandCalls,
    NoteCalls,
    ListenRecordings,
    DownloadRecordings,
    DeleteRecordings,
    ReadEvents,
    ManageSubscriptions,
    ManageTokens,
    ReadAccessLog,
    ReadStaff,
    ManageStaff,
    HoldRecordings,
    ExportRecordings,
    EraseContacts,
    ReadWebhooks,
    ManageWebhooks,
    ManagePush,
    ReadDirectory,
    ManageDirectory,
    ReadMessages,
    ListenMessages,
    DownloadMessages,
    ManageMessages,
    ClearLockouts,
    ReadConversations,
    WriteConversations,
}

impl Permission {
    pub const ALL: [Permission; 27] = [
        Permission::ReadCalls,
        Permission::CommandCalls,
        Permission::NoteCalls,
        Permission::ListenRecordings,
        Permission::DownloadRecordings,
        Permission::DeleteRecordings,
        Permission::ReadEvents,
        Permission::ManageSubscriptions,
        Permission::ManageTokens,
        Permission::ReadAccessLog,
        Permission::ReadStaff,
        Permission::ManageStaff,
        Permission::HoldRecordings,
        Permission::ExportRecordings,
        Permission::EraseContacts,
        Permission::ReadWebhooks,
        Permission::ManageWebhooks,
        Permission::ManagePush,
        Permission::ReadDirectory,
        Permission::ManageDirectory,
        Permission::ReadMessages,
        Permission::ListenMessages,
        Permission::DownloadMessages,
        Permission::ManageMessages,
        Permission::ClearLockouts,
        Permission::ReadConversations,
        Permission::WriteConversations,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Permission::ReadCalls => "calls.read",
            Permission::CommandCalls => "calls.command",
            Permission::NoteCalls => "calls.note",
            Permission::ListenRecordings => "recordings.listen",
            Permission::DownloadRecordings => "recordings.download",
            Permission::DeleteRecordings => "recordings.delete",
            Permission::ReadEvents => "events.read",
            Permission::ManageSubscriptions => "subscriptions.write",
            Permission::ManageTokens => "tokens.write",
            Permission::ReadAccessLog => "access.read",
            Permission::ReadStaff => "staff.read",
            Permission::ManageStaff => "staff.write",
            Permission::HoldRecordings => "recordings.hold",
            Permission::ExportRecordings => "recordings.export",
            Permission::EraseContacts => "contacts.erase",
            Permission::ReadWebhooks => "webhooks.read",
            Permission::ManageWebhooks => "webhooks.write",
            Permission::ManagePush => "push.write",
            Permission::ReadDirectory => "directory.read",
            Permission::ManageDirectory => "directory.write",
            Permission::ReadMessages => "messages.read",
            Permission::ListenMessages => "messages.listen",
            Permission::DownloadMessages => "messages.download",
            Permission::ManageMessages => "messages.write",
            Permission::ClearLockouts => "lockouts.write",
            Permission::ReadConversations => "conversations.read",
            Permission::WriteConversations => "conversations.write",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == text)
    }

    /// What it gives in the compatible API.
    pub const fn patterns(self) -> &'static [&'static str] {
        match self {
            Permission::ReadDirectory => &[
                "confd.voicemails.read",
                "confd.voicemails.*.read",
                "confd.users.*.voicemails.read",
                "confd.asterisk.voicemail.*.get",
            ],
            Permission::ManageDirectory => &[
                "confd.voicemails.create",
                "confd.voicemails.*.update",
                "confd.voicemails.*.delete",
                "confd.users.*.voicemails.create",
                "confd.users.*.voicemails.*.update",
                "confd.users.*.voicemails.delete",
                "confd.asterisk.voicemail.*.update",
            ],
            Permission::ReadMessages => &[
                "calld.users.me.voicemails.read",
                "calld.users.me.voicemails.folders.*.read",
                "calld.users.me.voicemails.messages.read",
                "calld.users.me.voicemails.messages.*.read",
                "calld.voicemails.*.read",
                "calld.voicemails.*.folders.*.read",
                "calld.voicemails.*.messages.*.read",
            ],
            Permission::ListenMessages | Permission::DownloadMessages => &[
                "calld.users.me.voicemails.messages.*.recording.read",
                "calld.users.me.voicemails.greetings.*.read",
                "calld.voicemails.*.messages.*.recording.read",
                "calld.voicemails.*.greetings.*.read",
            ],
            Permission::ManageMessages => &[
                "calld.users.me.voicemails.messages.*.update",
                "calld.users.me.voicemails.messages.*.delete",
                "calld.users.me.voicemails.greetings.*.create",
                "calld.users.me.voicemails.greetings.*.update",
                "calld.users.me.voicemails.greetings.*.delete",
                "calld.users.me.voicemails.greetings.*.copy.create",
                "calld.voicemails.*.messages.*.update",
                "calld.voicemails.*.messages.*.delete",
                "calld.voicemails.*.greetings.*.create",
                "calld.voicemails.*.greetings.*.update",
                "calld.voicemails.*.greetings.*.delete",
                "calld.voicemails.*.greetings.*.copy.create",
            ],
            Permission::ReadEvents => &["events.#"],
            Permission::ReadCalls
            | Permission::CommandCalls
            | Permission::NoteCalls
            | Permission::ListenRecordings
            | Permission::DownloadRecordings
            | Permission::DeleteRecordings
            | Permission::ManageSubscriptions
            | Permission::ManageTokens
            | Permission::ReadAccessLog
            | Permission::ClearLockouts
            | Permission::ReadStaff
            | Permission::ManageStaff
            | Permission::HoldRecordings
            | Permission::ExportRecordings
            | Permission::EraseContacts
            | Permission::ReadWebhooks
            | Permission::ManageWebhooks
            | Permission::ManagePush
            | Permission::ReadConversations
            | Permission::WriteConversations => &[],
        }
    }
}

impl PartialSchema for Permission {
    fn schema() -> RefOr<Schema> {
        let names = Permission::ALL.map(Permission::as_str);
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

impl ToSchema for Permission {}

/// Services of the compatible API of which a token can have patterns; `#` and `*` are of all of them.
const SERVICES: [&str; 5] = ["auth", "confd", "calld", "events", "websocketd"];

/// Whether a token can be made for that: a pattern of the compatible API.
pub fn is_access(text: &str) -> bool {
    let first = text.trim_start_matches('!').split('.').next().unwrap_or_default();
    is_pattern(text) && (SERVICES.contains(&first) || ["#", "*"].contains(&first))
}

/// The permissions of whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// A person's session.
    All,
    Only(Granted),
}

/// What a token was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    pub permissions: Vec<Permission>,
    /// Of the compatible API: those that were given, and those that the permissions stand for.
    pub patterns: Patterns,
}

impl Scopes {
    /// What is neither a permission nor a pattern any more gives nothing.
    pub fn of(texts: &[String]) -> Self {
        let permissions: Vec<Permission> = texts.iter().filter_map(|text| Permission::parse(text)).collect();
        let given = texts.iter().filter(|text| Permission::parse(text).is_none()).cloned();
        let meant = permissions.iter().flat_map(|permission| permission.patterns()).map(|text| (*text).to_owned());
        let patterns = Patterns::new(given.chain(meant));
        Scopes::Only(Granted { permissions, patterns })
    }

    pub fn allow(&self, permission: Permission) -> bool {
        match self {
            Scopes::All => true,
            Scopes::Only(granted) => granted.permissions.contains(&permission),
        }
    }

    /// What the compatible API calls by one of these names.
    pub fn access_any(&self, names: &[&str], asker: Asker<'_>) -> bool {
        match self {
            Scopes::All => true,
            Scopes::Only(granted) => granted.patterns.allow_any(names, asker),
        }
    }

    /// Anything of that service of the compatible API.
    pub fn reach(&self, service: &str) -> bool {
        match self {
            Scopes::All => true,
            Scopes::Only(granted) => granted.patterns.reach(service),
        }
    }
}

/// Who asks, as far as the log-in tells it. What they may is looked up for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    pub owner: Owner,
    /// Key of the company that is asked of: operators and resellers say it with each request.
    pub company: Option<String>,
    pub scopes: Scopes,
    /// The session or token, to be ended.
    pub token: i64,
    /// When a token ends; `None`: it is a session.
    pub ends: Option<Wall>,
    pub source: IpAddr,
}

/// A secret that was just made: shown once.
#[derive(Clone, Debug)]
pub struct Grant {
    pub secret: String,
    pub row: TokenRow,
}

/// A person who has logged in.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    pub viewer: Viewer,
    pub grant: Grant,
}

/// The hash under which a secret is kept. Secrets are 256 random bits: no salt is needed.
pub fn hash_of(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// What a page has to send along with each change: only who can read the answer of the log-in knows
/// it, and a form of another site cannot.
pub fn csrf_of(secret: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(b"telegraphone csrf ");
    digest.update(secret.as_bytes());
    hex::encode(digest.finalize())
}

/// Checks a password; takes the same time whether there is such a person or not.
pub async fn check_password(store: &Store, owner: Option<Owner>, password: &str) -> Result<bool, Problem> {
    let stored = match owner {
        Some(Owner::User(user)) => store.password_hash(user).await?,
        Some(Owner::Staff(staff)) => store.staff_password_hash(staff).await?,
        None => None,
    };
    let known = stored.is_some();
    let hash = stored.unwrap_or_else(|| NOBODY.to_owned());
    let password = password.to_owned();
    // Tens of ms on purpose: not on a thread that answers others.
    let fits = tokio::task::spawn_blocking(move || {
        Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_ok()
    });
    Ok(fits.await.unwrap_or(false) && known)
}

/// Opens a session.
pub async fn open_session(
    store: &Store,
    owner: Owner,
    source: IpAddr,
    now: Wall,
    random: &mut (dyn Random + Send),
) -> Result<LoggedIn, Problem> {
    let new =
        New { kind: TokenKind::Session, name: "", scopes: Vec::new(), expires: now.plus(SESSION), most: u32::MAX };
    let grant = grant(store, owner, new, now, random).await?.ok_or(Problem::Internal)?;
    let viewer = Viewer { owner, company: None, scopes: Scopes::All, token: grant.row.id, ends: None, source };
    Ok(LoggedIn { viewer, grant })
}

/// Opens a session of a program that proved a password: it ends when it says, and gives what its patterns say.
pub async fn open_narrow_session(
    store: &Store,
    owner: Owner,
    (patterns, expires): (Vec<String>, Wall),
    source: IpAddr,
    now: Wall,
    random: &mut (dyn Random + Send),
) -> Result<LoggedIn, Problem> {
    let scopes = Scopes::of(&patterns);
    let new = New { kind: TokenKind::Session, name: "", scopes: patterns, expires, most: SESSIONS };
    let full = || Problem::TooMuch(format!("{SESSIONS} log-ins are open, as many as one may have: end some"));
    let grant = grant(store, owner, new, now, random).await?.ok_or_else(full)?;
    let viewer = Viewer { owner, company: None, scopes, token: grant.row.id, ends: None, source };
    Ok(LoggedIn { viewer, grant })
}

/// A session or token that is to be made.
struct New<'a> {
    kind: TokenKind,
    name: &'a str,
    scopes: Vec<String>,
    expires: Wall,
    /// Of that kind, of one owner.
    most: u32,
}

/// Makes a secret and keeps its hash; `None` where the owner has as many as there may be.
async fn grant(
    store: &Store,
    owner: Owner,
    New { kind, name, scopes, expires, most }: New<'_>,
    now: Wall,
    random: &mut (dyn Random + Send),
) -> Result<Option<Grant>, Problem> {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    let secret = hex::encode(bytes);
    let new = NewToken { kind, owner, name: name.to_owned(), hash: hash_of(&secret), scopes, created: now, expires };
    let row = store.add_token(&new, most).await?;
    Ok(row.map(|row| Grant { secret, row }))
}

/// When a token for so many days ends.
pub fn token_ends(now: Wall, days: u32) -> Wall {
    now.plus(Span::from_secs(u64::from(days) * 86_400))
}

/// A token for a name, scopes and a number of days.
pub async fn secret_token(
    store: &Store,
    owner: Owner,
    (name, scopes, days): (&str, Vec<String>, u32),
    now: Wall,
    random: &mut (dyn Random + Send),
) -> Result<Grant, Problem> {
    if !(1..=TOKEN_DAYS).contains(&days) {
        let expected = "a number of days from 1 to 366";
        return Err(Problem::Invalid { key: "days", value: days.to_string(), expected });
    }
    let new = New { kind: TokenKind::Token, name, scopes, expires: token_ends(now, days), most: TOKENS };
    let full = || Problem::Conflict(format!("there are {TOKENS} tokens, as many as one may have: remove one"));
    grant(store, owner, new, now, random).await?.ok_or_else(full)
}

/// Whose secret this is; `None` where nobody's, or nobody's any more.
pub async fn viewer_of(
    store: &Store,
    secret: &str,
    company: Option<String>,
    source: IpAddr,
    now: Wall,
) -> Result<Option<(Viewer, TokenKind)>, Problem> {
    let Some(row) = store.token_by_hash(&hash_of(secret), now).await? else { return Ok(None) };
    let scopes = match row.kind {
        // One that the compatible API has opened has its patterns.
        TokenKind::Session if row.scopes.is_empty() => Scopes::All,
        TokenKind::Session | TokenKind::Token => Scopes::of(&row.scopes),
    };
    let ends = (row.kind == TokenKind::Token).then_some(row.expires);
    Ok(Some((Viewer { owner: row.owner, company, scopes, token: row.id, ends, source }, row.kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_nobody_is_checked_like_any_other() {
        let outcome = Argon2::default().verify_password(b"nobody", NOBODY);
        assert_eq!(outcome, Err(argon2::password_hash::Error::PasswordInvalid), "it can be read, and fits nothing");
    }

    #[test]
    fn a_permission_is_read_as_it_is_written() {
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.as_str()), Some(permission));
        }
        assert_eq!(Permission::parse("*"), None);
    }

    #[test]
    fn a_scope_gives_its_part_of_the_compatible_api_and_a_pattern_itself() {
        let me = Asker { user: "u-1", session: "s-1" };
        let rows: [(&[&str], &str, bool); 9] = [
            (&["messages.read"], "calld.users.me.voicemails.messages.read", true),
            (&["messages.read"], "calld.users.me.voicemails.messages.7.recording.read", false),
            (&["messages.listen"], "calld.users.me.voicemails.messages.7.recording.read", true),
            (&["messages.read"], "calld.users.me.voicemails.messages.7.update", false),
            (&["directory.write"], "confd.voicemails.create", true),
            (&["calls.read"], "confd.voicemails.read", false),
            (&["events.read"], "events.voicemails.global.messages.created", true),
            (&["events.read", "!events.voicemails.#"], "events.voicemails.global.messages.created", false),
            (&["calld.users.me.voicemails.#"], "calld.users.me.voicemails.messages.7.update", true),
        ];
        for (texts, name, given) in rows {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(Scopes::of(&texts).access_any(&[name], me), given, "{texts:?} {name}");
        }
        for permission in Permission::ALL {
            assert!(permission.patterns().iter().all(|pattern| is_access(pattern)), "{permission:?}");
        }
        assert!(is_access("!confd.voicemails.*.delete") && is_access("#"));
        assert!(!is_access("calls.read") && !is_access("telephony.#") && !is_access("confd..x"));
    }
}
