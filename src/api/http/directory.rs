//! What a company consists of: one set of routes for each kind of thing.
//!
//! Every view has an `ETag` of its content. `If-None-Match` saves an answer that would be the same,
//! `If-Match` a change of something that is not what it was any more.

mod own_box;

use super::repeat::ShownOnce;
use super::session::{body, query};
use super::who::Who;
use super::{Desks, Handled, HttpProblem, Shared};
use crate::api::directory::{DirectoryAsk, DirectoryReply, Fits, Only, tag_of};
use crate::api::{Ask, Problem, Reply};
use crate::audio::prompt::read_wav;
use crate::directory::file::{
    CompanyKeys, FlowKeys, GroupKeys, InboxKeys, Kind, NumberKeys, Secret, SettingKeys, TrunkKeys, UserKeys,
    VoicemailKeys,
};
use crate::directory::plan::Replacement;
use crate::directory::{FacilityKind, Sound};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Things of a page where nothing else is asked for.
const PAGE: usize = 100;
/// Bytes of a prompt's WAV file: two minutes at 8 kHz and 16 bit, and its header.
const PROMPT: usize = 2 << 20;

type Object = Map<String, Value>;

pub fn routes() -> OpenApiRouter<Shared> {
    let prompts = OpenApiRouter::new().routes(routes!(set_prompt, show_prompt, remove_prompt));
    OpenApiRouter::new()
        .routes(routes!(company, change_company))
        .routes(routes!(settings, change_settings))
        .merge(users::routes())
        .merge(groups::routes())
        .merge(numbers::routes())
        .merge(inboxes::routes())
        .merge(flows::routes())
        .merge(trunks::routes())
        .merge(voicemails::routes())
        .routes(routes!(deactivate))
        .routes(routes!(activate))
        .routes(routes!(set_password))
        .routes(routes!(list_prompts))
        .routes(routes!(prompt_sound))
        .merge(prompts.layer(DefaultBodyLimit::max(PROMPT)))
        .routes(routes!(my_password))
        .routes(routes!(change_me))
        .merge(own_box::routes())
}

/// A page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 200; 100 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 200; 100 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// Only users who are deactivated, or only those who are not.
    deactivated: Option<bool>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NumberQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 200; 100 where it is not said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// Only numbers that are assigned to a user, or only company numbers.
    r#type: Option<NumberType>,
    /// Only numbers of the inbox of that name.
    inbox: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberType {
    Assigned,
    Company,
}

/// Which things, and which page of them.
struct Listing {
    only: Only,
    after: Option<String>,
    limit: Option<usize>,
}

impl From<PageQuery> for Listing {
    fn from(PageQuery { after, limit }: PageQuery) -> Self {
        Listing { only: Only::default(), after, limit }
    }
}

impl From<UserQuery> for Listing {
    fn from(UserQuery { after, limit, deactivated }: UserQuery) -> Self {
        Listing { only: Only { deactivated, ..Only::default() }, after, limit }
    }
}

impl From<NumberQuery> for Listing {
    fn from(NumberQuery { after, limit, r#type, inbox }: NumberQuery) -> Self {
        let assigned = r#type.map(|kind| kind == NumberType::Assigned);
        Listing { only: Only { assigned, inbox, deactivated: None }, after, limit }
    }
}

/// Who takes over from a user who goes.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RemoveQuery {
    /// `user:EXTENSION` or `group:NAME`: needed where anything leads to a user who goes.
    replacement: Option<String>,
}

async fn list((shared, who, headers): (Shared, Who, HeaderMap), kind: Kind, listing: Listing) -> Handled {
    let Listing { only, after, limit } = listing;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=crate::api::directory::MOST).contains(&limit) {
        return Err(Problem::Invalid { key: "limit", value: limit.to_string(), expected: "1 to 200" }.into());
    }
    let ask = DirectoryAsk::List { kind, only, after, limit };
    shared.shown(&who, &headers, ask).await
}

async fn remove(
    (shared, who, headers): (Shared, Who, HeaderMap),
    kind: Kind,
    name: String,
    replacement: Option<String>,
) -> Handled {
    let replacement = replacement.as_deref().map(replacement_of).transpose()?;
    let ask = DirectoryAsk::Remove { kind, name, replacement, fits: fits(&headers) };
    shared.json(&who, Ask::Directory(ask)).await
}

fn replacement_of(text: &str) -> Result<Replacement, Problem> {
    let wrong = |_| Problem::Invalid {
        key: "replacement",
        value: text.to_owned(),
        expected: "`user:EXTENSION` or `group:NAME`",
    };
    text.parse().map_err(wrong)
}

/// Routes of which one has that name.
fn named(_: &'static str, routes: OpenApiRouter<Shared>) -> OpenApiRouter<Shared> {
    routes
}

/// The routes of a kind of things that are listed, shown, added, changed and, where that has a name, removed
/// alike.
macro_rules! things {
    ($module:ident, $tag:tt, $all:tt, $one:tt, $name:tt, $kind:expr, $query:ident,
     $keys:ident, $view:tt, $page:tt, [$list:tt, $add:tt, $show:tt, $change:tt $(, $remove:tt)?]) => {
        mod $module {
            use super::*;

            const KIND: Kind = $kind;

            pub fn routes() -> OpenApiRouter<Shared> {
                let routes = OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, change));
                $(let routes = named($remove, routes.routes(routes!(remove)));)?
                routes
            }

            /// Those of the company, by name; whoever is no admin sees those that they need.
            #[utoipa::path(get, path = $all, tag = $tag, operation_id = $list, params($query),
                                                responses((status = 200, body = ref($page))))]
            async fn list(
                State(shared): Desks,
                who: Who,
                headers: HeaderMap,
                query: Result<Query<$query>, QueryRejection>,
            ) -> Handled {
                let query = super::query(query, "the keys of this list, e.g. after and limit")?;
                super::list((shared, who, headers), KIND, query.into()).await
            }

            /// Adds one, with the keys of the company file: admins.
            #[utoipa::path(post, path = $all, tag = $tag, operation_id = $add, request_body = $keys,
                                                responses((status = 201, body = ref($view))))]
            async fn add(State(shared): Desks, who: Who, keys: Result<Json<Object>, JsonRejection>) -> Handled {
                let ask = DirectoryAsk::Add { kind: KIND, keys: body(keys)? };
                shared.added(&who, ask, $all).await
            }

            /// One of them.
            #[utoipa::path(get, path = $one, tag = $tag, operation_id = $show, params(($name = String, Path)),
                                                responses((status = 200, body = ref($view))))]
            async fn show(State(shared): Desks, who: Who, headers: HeaderMap, Path(name): Path<String>) -> Handled {
                shared.shown(&who, &headers, DirectoryAsk::Show { kind: KIND, name }).await
            }

            /// Changes what is said (RFC 7396); `null` is none, or the company's own: admins.
            #[utoipa::path(patch, path = $one, tag = $tag, operation_id = $change, params(($name = String, Path)),
                                                request_body = $keys, responses((status = 200, body = ref($view))))]
            async fn change(
                State(shared): Desks,
                who: Who,
                headers: HeaderMap,
                Path(name): Path<String>,
                keys: Result<Json<Object>, JsonRejection>,
            ) -> Handled {
                let ask = DirectoryAsk::Change { kind: KIND, name, keys: body(keys)?, fits: fits(&headers) };
                shared.shown(&who, &HeaderMap::new(), ask).await
            }

            $(
            /// Removes it, where nothing refers to it any more: admins.
            #[utoipa::path(delete, path = $one, tag = $tag, operation_id = $remove,
                                                params(($name = String, Path), RemoveQuery),
                                                responses((status = 204, description = "It is gone")))]
            async fn remove(
                State(shared): Desks,
                who: Who,
                headers: HeaderMap,
                Path(name): Path<String>,
                query: Result<Query<RemoveQuery>, QueryRejection>,
            ) -> Handled {
                let RemoveQuery { replacement } = super::query(query, "replacement=user:EXTENSION, of a user")?;
                super::remove((shared, who, headers), KIND, name, replacement).await
            }
            )?
        }
    };
}

things!(
    users,
    "users",
    "/users",
    "/users/{extension}",
    "extension",
    Kind::User,
    UserQuery,
    UserKeys,
    "#/components/schemas/User",
    "#/components/schemas/UserPage",
    ["list_users", "add_user", "show_user", "change_user", "remove_user"]
);
things!(
    groups,
    "groups",
    "/groups",
    "/groups/{name}",
    "name",
    Kind::Facility(FacilityKind::Group),
    PageQuery,
    GroupKeys,
    "#/components/schemas/Group",
    "#/components/schemas/GroupPage",
    ["list_groups", "add_group", "show_group", "change_group", "remove_group"]
);
things!(
    numbers,
    "numbers",
    "/numbers",
    "/numbers/{number}",
    "number",
    Kind::Number,
    NumberQuery,
    NumberKeys,
    "#/components/schemas/Number",
    "#/components/schemas/NumberPage",
    ["list_numbers", "add_number", "show_number", "change_number", "remove_number"]
);
things!(
    inboxes,
    "inboxes",
    "/inboxes",
    "/inboxes/{name}",
    "name",
    Kind::Facility(FacilityKind::Inbox),
    PageQuery,
    InboxKeys,
    "#/components/schemas/Inbox",
    "#/components/schemas/InboxPage",
    ["list_inboxes", "add_inbox", "show_inbox", "change_inbox", "remove_inbox"]
);
things!(
    flows,
    "flows",
    "/flows",
    "/flows/{name}",
    "name",
    Kind::Facility(FacilityKind::Flow),
    PageQuery,
    FlowKeys,
    "#/components/schemas/Flow",
    "#/components/schemas/FlowPage",
    ["list_flows", "add_flow", "show_flow", "change_flow", "remove_flow"]
);
things!(
    trunks,
    "trunks",
    "/trunks",
    "/trunks/{name}",
    "name",
    Kind::Trunk,
    PageQuery,
    TrunkKeys,
    "#/components/schemas/Trunk",
    "#/components/schemas/TrunkPage",
    ["list_trunks", "add_trunk", "show_trunk", "change_trunk", "remove_trunk"]
);

things!(
    voicemails,
    "voicemails",
    "/voicemails",
    "/voicemails/{box}",
    "box",
    Kind::Facility(FacilityKind::Voicemail),
    PageQuery,
    VoicemailKeys,
    "#/components/schemas/Voicemail",
    "#/components/schemas/VoicemailPage",
    ["list_voicemails", "add_voicemail", "show_voicemail", "change_voicemail"]
);

/// The company: its key and name for everybody, the rest for admins.
#[utoipa::path(get, path = "/company", tag = "company",
    responses((status = 200, body = ref("#/components/schemas/Company"))))]
async fn company(State(shared): Desks, who: Who, headers: HeaderMap) -> Handled {
    shared.shown(&who, &headers, DirectoryAsk::Show { kind: Kind::Company, name: String::new() }).await
}

/// Changes its name, domains and default number: admins.
#[utoipa::path(patch, path = "/company", tag = "company", request_body = CompanyKeys,
    responses((status = 200, body = ref("#/components/schemas/Company"))))]
async fn change_company(
    State(shared): Desks,
    who: Who,
    headers: HeaderMap,
    keys: Result<Json<Object>, JsonRejection>,
) -> Handled {
    change_sole((shared, who, headers), Kind::Company, body(keys)?).await
}

/// The settings of the company: admins.
#[utoipa::path(get, path = "/settings", tag = "company",
    responses((status = 200, body = ref("#/components/schemas/Settings"))))]
async fn settings(State(shared): Desks, who: Who, headers: HeaderMap) -> Handled {
    shared.shown(&who, &headers, DirectoryAsk::Show { kind: Kind::Settings, name: String::new() }).await
}

/// Changes settings, with the keys of `[company.settings]`: admins.
#[utoipa::path(patch, path = "/settings", tag = "company", request_body = SettingKeys,
    responses((status = 200, body = ref("#/components/schemas/Settings"))))]
async fn change_settings(
    State(shared): Desks,
    who: Who,
    headers: HeaderMap,
    keys: Result<Json<Object>, JsonRejection>,
) -> Handled {
    change_sole((shared, who, headers), Kind::Settings, body(keys)?).await
}

async fn change_sole((shared, who, headers): (Shared, Who, HeaderMap), kind: Kind, keys: Object) -> Handled {
    let ask = DirectoryAsk::Change { kind, name: String::new(), keys, fits: fits(&headers) };
    shared.shown(&who, &HeaderMap::new(), ask).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Leaving {
    /// Who takes over: `user:EXTENSION` or `group:NAME`.
    replacement: String,
}

/// Deactivates a user: admins. The replacement takes over their numbers, their places in call flows
/// and what colleagues forward to them, and their subscriptions (of a group: each of its members).
/// Their phones, sessions and tokens end at once; what they had received stays with the company.
#[utoipa::path(post, path = "/users/{extension}/deactivate", tag = "users", params(("extension" = String, Path)),
    request_body = Leaving, responses((status = 200, body = ref("#/components/schemas/User"))))]
async fn deactivate(
    State(shared): Desks,
    who: Who,
    Path(extension): Path<String>,
    leaving: Result<Json<Leaving>, JsonRejection>,
) -> Handled {
    let Leaving { replacement } = body(leaving)?;
    let ask = DirectoryAsk::Deactivate { extension, replacement: replacement_of(&replacement)? };
    shared.shown(&who, &HeaderMap::new(), ask).await
}

/// Activates a user again: admins. Their password is what it was; what others took over stays theirs.
#[utoipa::path(post, path = "/users/{extension}/activate", tag = "users", params(("extension" = String, Path)),
    responses((status = 200, body = ref("#/components/schemas/User"))))]
async fn activate(State(shared): Desks, who: Who, Path(extension): Path<String>) -> Handled {
    shared.shown(&who, &HeaderMap::new(), DirectoryAsk::Activate { extension }).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPassword {
    /// 8 to 128 characters; without it one is made and shown once.
    #[serde(default)]
    #[schema(min_length = 8, max_length = 128)]
    password: Option<String>,
}

/// A password that was set; shown where it was made.
#[derive(Serialize, ToSchema)]
pub struct PasswordView {
    extension: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// Sets or makes a user's password: admins. All their sessions and tokens end.
#[utoipa::path(post, path = "/users/{extension}/password", tag = "users", params(("extension" = String, Path)),
    request_body = UserPassword, responses((status = 200, body = PasswordView)))]
async fn set_password(
    State(shared): Desks,
    who: Who,
    Path(extension): Path<String>,
    new: Result<Json<UserPassword>, JsonRejection>,
) -> Handled {
    let UserPassword { password } = body(new)?;
    let password = password.map(|text| secret("password", text)).transpose()?;
    shared.json(&who, Ask::Directory(DirectoryAsk::Password { extension, password })).await
}

pub(super) fn secret(key: &'static str, text: String) -> Result<Secret, Problem> {
    let expected = "8 to 128 characters, none of them a control character";
    Secret::try_from(text).map_err(|_| Problem::Invalid { key, value: "…".to_owned(), expected })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPassword {
    /// The present one.
    present: String,
    #[schema(min_length = 8, max_length = 128)]
    password: String,
}

/// One's own password. All other sessions and tokens of one's own end.
#[utoipa::path(put, path = "/me/password", tag = "session", request_body = OwnPassword,
    responses((status = 204, description = "It is set")))]
async fn my_password(State(shared): Desks, who: Who, new: Result<Json<OwnPassword>, JsonRejection>) -> Handled {
    let OwnPassword { present, password } = body(new)?;
    let (present, password) = (secret("present", present)?, secret("password", password)?);
    shared.json(&who, Ask::Directory(DirectoryAsk::MyPassword { present, password })).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnChoice {
    /// Name of an inbox that one is in, whose primary number one calls with; `null` for none.
    #[serde(deserialize_with = "Option::deserialize")]
    default_inbox: Option<String>,
}

/// One's own default inbox.
#[utoipa::path(patch, path = "/me", tag = "session", request_body = OwnChoice,
    responses((status = 204, description = "It is chosen")))]
async fn change_me(State(shared): Desks, who: Who, choice: Result<Json<OwnChoice>, JsonRejection>) -> Handled {
    let OwnChoice { default_inbox: inbox } = body(choice)?;
    shared.json(&who, Ask::Directory(DirectoryAsk::MyInbox { inbox })).await
}

const PROMPTS: Kind = Kind::Facility(FacilityKind::Prompt);

/// The company's own prompts: admins.
#[utoipa::path(get, path = "/prompts", tag = "prompts", params(PageQuery),
    responses((status = 200, body = ref("#/components/schemas/PromptPage"))))]
async fn list_prompts(
    State(shared): Desks,
    who: Who,
    headers: HeaderMap,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Handled {
    list((shared, who, headers), PROMPTS, self::query(query, "after and limit")?.into()).await
}

/// A prompt: how long it is, and the digest of its samples: admins.
#[utoipa::path(get, path = "/prompts/{name}", tag = "prompts", params(("name" = String, Path)),
    responses((status = 200, body = ref("#/components/schemas/Prompt"))))]
async fn show_prompt(State(shared): Desks, who: Who, headers: HeaderMap, Path(name): Path<String>) -> Handled {
    shared.shown(&who, &headers, DirectoryAsk::Show { kind: PROMPTS, name }).await
}

/// Adds or replaces a prompt: a WAV file, mono, 8 kHz, up to two minutes: admins.
#[utoipa::path(put, path = "/prompts/{name}", tag = "prompts", params(("name" = String, Path)),
    request_body(content_type = "audio/wav", content = Vec<u8>),
    responses((status = 200, body = ref("#/components/schemas/Prompt"))))]
async fn set_prompt(State(shared): Desks, who: Who, Path(name): Path<String>, wav: Bytes) -> Handled {
    let pcm = read_wav(&wav).map_err(|error| Problem::Unfit(vec![format!("prompt {name}: {error}")]))?;
    shared.shown(&who, &HeaderMap::new(), DirectoryAsk::SetPrompt { name, sound: Sound(pcm) }).await
}

/// Removes a prompt that no call flow plays any more: admins.
#[utoipa::path(delete, path = "/prompts/{name}", tag = "prompts", params(("name" = String, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove_prompt(State(shared): Desks, who: Who, headers: HeaderMap, Path(name): Path<String>) -> Handled {
    remove((shared, who, headers), PROMPTS, name, None).await
}

/// A prompt as a WAV file: admins.
#[utoipa::path(get, path = "/prompts/{name}/audio", tag = "prompts", params(("name" = String, Path)),
    responses((status = 200, content_type = "audio/wav", body = Vec<u8>)))]
async fn prompt_sound(State(shared): Desks, who: Who, Path(name): Path<String>) -> Handled {
    shared.json(&who, Ask::Directory(DirectoryAsk::PromptSound { name })).await
}

/// The tags of `If-Match`.
fn fits(headers: &HeaderMap) -> Fits {
    Fits(tags(headers, header::IF_MATCH))
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Vec<String>> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    let texts = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    Some(texts.map(|tag| tag.trim().to_owned()).collect())
}

/// A reply of this area as it is.
pub fn response(reply: DirectoryReply) -> Response {
    match reply {
        DirectoryReply::View(view) => tagged(&view),
        DirectoryReply::Added { view, .. } => (StatusCode::CREATED, Json(view)).into_response(),
        DirectoryReply::Password { extension, password } => {
            let shown = password.is_some();
            let password = password.map(|secret| secret.reveal().to_owned());
            let mut response = Json(PasswordView { extension, password }).into_response();
            if shown {
                response.extensions_mut().insert(ShownOnce);
            }
            response
        }
        DirectoryReply::Sound(wav) => ([(header::CONTENT_TYPE, "audio/wav")], wav).into_response(),
    }
}

fn tagged(view: &Value) -> Response {
    let mut response = Json(view).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag_of(view)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

impl Shared {
    /// A view with its tag, or 304 where the asker has it.
    async fn shown(&self, who: &Who, headers: &HeaderMap, ask: DirectoryAsk) -> Handled {
        let Reply::Directory(DirectoryReply::View(view)) = self.ask(who, Ask::Directory(ask)).await? else {
            return Err(HttpProblem(Problem::Internal));
        };
        let tag = tag_of(&view);
        let known = tags(headers, header::IF_NONE_MATCH);
        // Compared weakly (RFC 9110 §13.1.2): a proxy may have weakened it.
        let same = |known: &String| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag;
        if known.is_some_and(|known| known.iter().any(same)) {
            let tag = HeaderValue::from_str(&tag).map_err(|_| Problem::Internal)?;
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
        }
        Ok(tagged(&view))
    }

    /// A thing that was made: where it is, and its password where one was made for it.
    async fn added(&self, who: &Who, ask: DirectoryAsk, all: &str) -> Handled {
        let reply = self.ask(who, Ask::Directory(ask)).await?;
        let Reply::Directory(DirectoryReply::Added { mut view, name, password }) = reply else {
            return Err(HttpProblem(Problem::Internal));
        };
        let place = format!("/api/v1{all}/{}", name.replace('+', "%2B"));
        let place = HeaderValue::from_str(&place).map_err(|_| Problem::Internal)?;
        let tag = HeaderValue::from_str(&tag_of(&view)).map_err(|_| Problem::Internal)?;
        let shown = password.is_some();
        if let (Some(view), Some(password)) = (view.as_object_mut(), password) {
            view.insert("password".to_owned(), password.reveal().into());
        }
        let mut response = (StatusCode::CREATED, Json(view)).into_response();
        response.headers_mut().insert(header::LOCATION, place);
        response.headers_mut().insert(header::ETAG, tag);
        if shown {
            response.extensions_mut().insert(ShownOnce);
        }
        Ok(response)
    }
}
