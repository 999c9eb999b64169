//! Operators and resellers, and the companies that they administer.

use super::session::body;
use super::who::Who;
use super::{Desks, Handled, Shared};
use crate::api::Ask;
use crate::api::staff::{CompanyList, MadeCompany, NewCompany, StaffAsk, StaffList, StaffPassword};
use crate::store::StaffKind;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(companies, add_company))
        .routes(routes!(list, add))
        .routes(routes!(remove))
        .routes(routes!(password))
        .routes(routes!(give, take))
}

/// The companies that an operator or a reseller administers.
#[utoipa::path(get, path = "/companies", tag = "staff", responses((status = 200, body = CompanyList)))]
async fn companies(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Staff(StaffAsk::Companies)).await
}

/// A new company with its first admin, whose password is made and shown once: operators.
#[utoipa::path(post, path = "/companies", tag = "staff", request_body = NewCompany,
    responses((status = 201, body = MadeCompany)))]
async fn add_company(State(shared): Desks, who: Who, company: Result<Json<NewCompany>, JsonRejection>) -> Handled {
    let company = body(company)?;
    let mut response = shared.json(&who, Ask::Staff(StaffAsk::AddCompany(company))).await?;
    *response.status_mut() = axum::http::StatusCode::CREATED;
    response.extensions_mut().insert(super::repeat::ShownOnce);
    Ok(response)
}

/// Operators and resellers: operators.
#[utoipa::path(get, path = "/staff", tag = "staff", responses((status = 200, body = StaffList)))]
async fn list(State(shared): Desks, who: Who) -> Handled {
    shared.json(&who, Ask::Staff(StaffAsk::List)).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStaff {
    /// What they log in with: 1 to 40 of a-z, 0-9, `-`, `_`, `.` and `@`.
    #[schema(min_length = 1, max_length = 40, pattern = "^[a-z0-9._@-]+$")]
    name: String,
    kind: StaffKind,
    /// 8 to 128 characters; without it one is made and shown once.
    #[serde(default)]
    #[schema(min_length = 8, max_length = 128)]
    password: Option<String>,
}

/// Adds an operator or a reseller: operators.
#[utoipa::path(post, path = "/staff", tag = "staff", request_body = NewStaff,
    responses((status = 201, body = StaffPassword)))]
async fn add(State(shared): Desks, who: Who, staff: Result<Json<NewStaff>, JsonRejection>) -> Handled {
    let NewStaff { name, kind, password } = body(staff)?;
    let mut response = shared.json(&who, Ask::Staff(StaffAsk::Add { name, kind, password })).await?;
    *response.status_mut() = axum::http::StatusCode::CREATED;
    // It may show a password.
    response.extensions_mut().insert(super::repeat::ShownOnce);
    Ok(response)
}

/// Removes one with all sessions and tokens: operators. The last operator stays.
#[utoipa::path(delete, path = "/staff/{name}", tag = "staff", params(("name" = String, Path)),
    responses((status = 204, description = "They are gone")))]
async fn remove(State(shared): Desks, who: Who, Path(name): Path<String>) -> Handled {
    shared.json(&who, Ask::Staff(StaffAsk::Remove { name })).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The one that one has now; needed for oneself, and not looked at for others.
    #[serde(default)]
    #[schema(max_length = 128)]
    present: Option<String>,
    /// 8 to 128 characters; without it one is made and shown once.
    #[serde(default)]
    #[schema(min_length = 8, max_length = 128)]
    password: Option<String>,
}

/// A new password, for oneself with the present one or, by an operator, for others. It ends all their
/// sessions and tokens.
#[utoipa::path(put, path = "/staff/{name}/password", tag = "staff", params(("name" = String, Path)),
    request_body = NewPassword, responses((status = 200, body = StaffPassword)))]
async fn password(
    State(shared): Desks,
    who: Who,
    Path(name): Path<String>,
    new: Result<Json<NewPassword>, JsonRejection>,
) -> Handled {
    let NewPassword { present, password } = body(new)?;
    shared.json(&who, Ask::Staff(StaffAsk::Password { name, present, password })).await
}

/// Gives a company to a reseller: operators.
#[utoipa::path(put, path = "/staff/{name}/companies/{company}", tag = "staff",
    params(("name" = String, Path), ("company" = String, Path, description = "Its key")),
    responses((status = 204, description = "The reseller has an admin's rights in it")))]
async fn give(State(shared): Desks, who: Who, Path((name, company)): Path<(String, String)>) -> Handled {
    shared.json(&who, Ask::Staff(StaffAsk::Give { name, company })).await
}

/// Takes it back: operators. It acts on the next request and on open streams.
#[utoipa::path(delete, path = "/staff/{name}/companies/{company}", tag = "staff",
    params(("name" = String, Path), ("company" = String, Path, description = "Its key")),
    responses((status = 204, description = "The reseller sees nothing of it any more")))]
async fn take(State(shared): Desks, who: Who, Path((name, company)): Path<(String, String)>) -> Handled {
    shared.json(&who, Ask::Staff(StaffAsk::Take { name, company })).await
}
