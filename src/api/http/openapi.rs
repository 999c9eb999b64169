//! The description of the API (OpenAPI 3.1), made from the handlers that answer it.

use super::who::{AUTH_TOKEN, COOKIE, CSRF};
use serde::Serialize;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{Schema, SchemaType};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, Content, Info, ObjectBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

/// Why a request is not answered (RFC 9457). Members beside these say more, e.g. `deleted`.
#[derive(Serialize, ToSchema)]
pub struct ProblemBody {
    /// `urn:telegraphone:problem:` and the title.
    r#type: String,
    /// A short name that does not change, e.g. `not-found`.
    title: String,
    /// Of the response.
    status: u16,
    /// What happened and the way out, for people.
    detail: String,
}

const PROBLEM: &str = "Problem";
/// Operations that nobody needs to be logged in for.
const OPEN: [(&str, &str); 3] = [
    ("post", "/api/v1/session"),
    ("post", "/api/v1/carriers/{company}/{trunk}/texts"),
    ("post", "/api/v1/carriers/{company}/{trunk}/receipts"),
];

/// What stands above the paths.
pub fn head() -> OpenApi {
    let info = Info::builder()
        .title("Telegraphone")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Calls, recordings and who may hear them. Times are UTC (RFC 3339). A thing that one may not see is \
             answered as one that does not exist.",
        ))
        .build();
    OpenApiBuilder::new().info(info).components(Some(Components::new())).build()
}

/// The description with what holds for every operation: how to log in, what a problem looks like,
/// and where the paths stand.
pub fn finished(mut api: OpenApi) -> OpenApi {
    let paths = std::mem::take(&mut api.paths.paths);
    api.paths.paths = paths.into_iter().map(|(path, item)| (format!("/api/v1{path}"), item)).collect();
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            let open = OPEN.contains(&(method, path.as_str()));
            describe(operation, open, method != "get");
        }
    }
    let components = api.components.get_or_insert_default();
    super::entities::describe(components);
    components.schemas.insert(PROBLEM.to_owned(), <ProblemBody as PartialSchema>::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token, or a session's secret."));
    components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(COOKIE))));
    let csrf = "With the session's cookie, on every change: `csrf_token` of the log-in.";
    let csrf = ApiKeyValue::with_description(CSRF, csrf);
    components.add_security_scheme("csrf", SecurityScheme::ApiKey(ApiKey::Header(csrf)));
    api
}

/// With the paths of the compatible API, whose errors are its own.
pub fn with_compatible(mut api: OpenApi, compatible: OpenApi) -> OpenApi {
    let nothing: [&str; 0] = [];
    for (path, mut item) in compatible.paths.paths {
        for (_, operation) in operations(&mut item) {
            let any: Schema = ObjectBuilder::new().schema_type(SchemaType::AnyValue).into();
            let any = Content::new(Some(RefOr::T(any)));
            let response =
                ResponseBuilder::new().description("Why there is no answer").content("application/json", any);
            operation.responses.responses.insert("default".to_owned(), RefOr::T(response.build()));
            // A token is named by its secret, or is what is asked for.
            operation.security = match path.starts_with("/api/auth/") {
                true => Some(Vec::new()),
                false => Some(vec![
                    SecurityRequirement::new("auth_token", nothing),
                    SecurityRequirement::new("token", nothing),
                ]),
            };
        }
        api.paths.paths.insert(path, item);
    }
    let components = api.components.get_or_insert_default();
    let told = "A token, as the compatible API sends it.";
    let header = ApiKeyValue::with_description(AUTH_TOKEN, told);
    components.add_security_scheme("auth_token", SecurityScheme::ApiKey(ApiKey::Header(header)));
    api
}

/// With paths that phones ask, with nothing but what they know.
pub fn with_open(mut api: OpenApi, open: OpenApi) -> OpenApi {
    for (path, mut item) in open.paths.paths {
        for (method, operation) in operations(&mut item) {
            describe(operation, true, method != "get");
        }
        api.paths.paths.insert(path, item);
    }
    api
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, head, .. } = item;
    let all = [("get", get), ("put", put), ("post", post), ("delete", delete), ("patch", patch), ("head", head)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn describe(operation: &mut Operation, open: bool, changes: bool) {
    let problem: RefOr<Schema> = RefOr::Ref(Ref::from_schema_name(PROBLEM));
    let response = ResponseBuilder::new()
        .description("Why there is no answer")
        .content("application/problem+json", Content::new(Some(problem)))
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response));
    let nothing: [&str; 0] = [];
    operation.security = match (open, changes) {
        (true, _) => Some(Vec::new()),
        (false, changes) => {
            let session = SecurityRequirement::new("session", nothing);
            let session = if changes { session.add("csrf", nothing) } else { session };
            Some(vec![SecurityRequirement::new("token", nothing), session])
        }
    };
}

#[cfg(test)]
mod tests {
    use super::super::description;

    #[test]
    fn every_operation_says_what_it_does_and_how_to_log_in() {
        let mut api = description();
        let mut seen = 0;
        for (path, item) in &mut api.paths.paths {
            for (method, operation) in super::operations(item) {
                seen += 1;
                assert!(operation.summary.as_ref().is_some_and(|text| !text.is_empty()), "{method} {path}: no summary");
                assert!(operation.security.is_some(), "{method} {path}: no log-in");
                assert!(operation.responses.responses.len() > 1, "{method} {path}: no answer but a problem");
            }
        }
        assert!(seen > 15, "{seen} operations");
    }
}
