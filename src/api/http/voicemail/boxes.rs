//! Who receives the messages of a box, what its callers hear, and its end.

use super::super::audio::serve;
use super::super::calls::read;
use super::super::session::query;
use super::super::who::Who;
use super::super::{Desks, Handled, HttpProblem, Shared};
use super::ask;
use crate::api::{Ask, BoxRemoved, BoxSubscriberList, GreetingList, Problem, VoicemailAsk};
use crate::audio::prompt::read_wav;
use crate::ledger::GreetingKind;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::Request;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Bytes of a greeting's WAV file: two minutes at 8 kHz and 16 bit, and its header.
const GREETING: usize = 2 << 20;

pub fn routes() -> OpenApiRouter<Shared> {
    let greetings = OpenApiRouter::new().routes(routes!(greeting, set_greeting, remove_greeting));
    OpenApiRouter::new()
        .routes(routes!(subscribers))
        .routes(routes!(subscribe, unsubscribe))
        .routes(routes!(greetings_of_box))
        .merge(greetings.layer(DefaultBodyLimit::max(GREETING)))
        .routes(routes!(remove_box))
}

/// Who receives the messages of a box, or has received some: its owner, or admins.
#[utoipa::path(get, path = "/voicemails/{box}/subscribers", tag = "voicemails",
    operation_id = "list_subscribers_of_box", params(("box" = String, Path)),
    responses((status = 200, body = BoxSubscriberList)))]
async fn subscribers(State(shared): Desks, who: Who, Path(mailbox): Path<String>) -> Handled {
    ask(&shared, &who, VoicemailAsk::Subscribers { mailbox }).await
}

/// From now on the user receives what is left in the box: its owner, or admins.
#[utoipa::path(put, path = "/voicemails/{box}/subscribers/{extension}", tag = "voicemails",
    operation_id = "subscribe_to_box", params(("box" = String, Path), ("extension" = String, Path)),
    responses((status = 204, description = "They receive it")))]
async fn subscribe(State(shared): Desks, who: Who, Path((mailbox, extension)): Path<(String, String)>) -> Handled {
    ask(&shared, &who, VoicemailAsk::Subscribe { mailbox, extension }).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WithdrawQuery {
    /// What they received is taken back as well.
    withdraw: bool,
}

/// From now on the user receives nothing new from the box: its owner, or admins. What they received stays, unless
/// it is withdrawn.
#[utoipa::path(delete, path = "/voicemails/{box}/subscribers/{extension}", tag = "voicemails",
    operation_id = "unsubscribe_from_box",
    params(("box" = String, Path), ("extension" = String, Path), WithdrawQuery),
    responses((status = 204, description = "They receive nothing new")))]
async fn unsubscribe(
    State(shared): Desks,
    who: Who,
    Path((mailbox, extension)): Path<(String, String)>,
    said: Result<Query<WithdrawQuery>, QueryRejection>,
) -> Handled {
    let WithdrawQuery { withdraw } = query(said, "withdraw=true or withdraw=false")?;
    ask(&shared, &who, VoicemailAsk::Unsubscribe { mailbox, extension, withdraw }).await
}

fn greeting_kind(text: String) -> Result<GreetingKind, HttpProblem> {
    let kind = read("kind", Some(text), "unavailable, busy or name", GreetingKind::parse)?;
    kind.ok_or(HttpProblem(Problem::Internal))
}

/// What callers of the box hear, where that is not what the service says: its owner, or admins.
#[utoipa::path(get, path = "/voicemails/{box}/greetings", tag = "voicemails", operation_id = "list_greetings",
    params(("box" = String, Path)), responses((status = 200, body = GreetingList)))]
async fn greetings_of_box(State(shared): Desks, who: Who, Path(mailbox): Path<String>) -> Handled {
    ask(&shared, &who, VoicemailAsk::Greetings { mailbox }).await
}

/// A greeting as a WAV file: the box's owner, or admins.
#[utoipa::path(get, path = "/voicemails/{box}/greetings/{kind}", tag = "voicemails", operation_id = "play_greeting",
    params(("box" = String, Path), ("kind" = GreetingKind, Path)),
    responses((status = 200, content_type = "audio/wav", body = [u8])))]
async fn greeting(
    State(shared): Desks,
    who: Who,
    Path((mailbox, kind)): Path<(String, String)>,
    request: Request<Body>,
) -> Handled {
    let asked = VoicemailAsk::GreetingAudio { mailbox, kind: greeting_kind(kind)? };
    serve(shared.ask(&who, Ask::Voicemail(asked)).await?, request).await
}

/// A new greeting: a WAV file, mono, 8 kHz, up to two minutes: the box's owner, or admins.
#[utoipa::path(put, path = "/voicemails/{box}/greetings/{kind}", tag = "voicemails", operation_id = "set_greeting",
    params(("box" = String, Path), ("kind" = GreetingKind, Path)),
    request_body(content_type = "audio/wav", content = Vec<u8>),
    responses((status = 204, description = "Callers hear it")))]
async fn set_greeting(
    State(shared): Desks,
    who: Who,
    Path((mailbox, kind)): Path<(String, String)>,
    wav: Bytes,
) -> Handled {
    let kind = greeting_kind(kind)?;
    let unfit = |error| Problem::Unfit(vec![format!("greeting {}: {error}", kind.as_str())]);
    let sound = read_wav(&wav).map_err(unfit)?;
    ask(&shared, &who, VoicemailAsk::SetGreeting { mailbox, kind, sound }).await
}

/// Takes a greeting away: callers hear what the service says. The box's owner, or admins.
#[utoipa::path(delete, path = "/voicemails/{box}/greetings/{kind}", tag = "voicemails",
    operation_id = "remove_greeting", params(("box" = String, Path), ("kind" = GreetingKind, Path)),
    responses((status = 204, description = "It is gone")))]
async fn remove_greeting(State(shared): Desks, who: Who, Path((mailbox, kind)): Path<(String, String)>) -> Handled {
    ask(&shared, &who, VoicemailAsk::RemoveGreeting { mailbox, kind: greeting_kind(kind)? }).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RemoveBoxQuery {
    /// Say what would go, and let it be.
    dry_run: bool,
}

/// Deletes a box with all its messages and their files, and says how many that are: admins. There is no way back.
#[utoipa::path(delete, path = "/voicemails/{box}", tag = "voicemails", operation_id = "remove_voicemail",
    params(("box" = String, Path), RemoveBoxQuery), responses((status = 200, body = BoxRemoved)))]
async fn remove_box(
    State(shared): Desks,
    who: Who,
    Path(mailbox): Path<String>,
    said: Result<Query<RemoveBoxQuery>, QueryRejection>,
) -> Handled {
    let RemoveBoxQuery { dry_run } = query(said, "dry_run=true or dry_run=false")?;
    ask(&shared, &who, VoicemailAsk::RemoveBox { mailbox, dry_run }).await
}
