//! How often what was asked, what came of it, and how long it took: by route, never by what a path
//! or its query says.

use super::Shared;
use crate::base::Span;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{Method, Request};
use axum::middleware::Next;
use axum::response::Response;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Upper ends of the buckets in ms; what takes longer is in the last one, which has none.
pub const BUCKETS_MS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/// A method and a route's template, e.g. `/api/v1/calls/{id}`; what fits no route is `none`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub method: &'static str,
    pub template: String,
}

/// What was seen of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers by how long they took until their head was there, as [`BUCKETS_MS`], each for itself.
    pub buckets: [u64; BUCKETS_MS.len()],
    pub count: u64,
    /// Of all of them.
    pub took: Span,
}

/// All routes that were asked for. There are as many entries as routes and methods.
#[derive(Debug, Default)]
pub struct Requests(Mutex<BTreeMap<Route, Seen>>);

impl Requests {
    fn note(&self, route: Route, status: u16, took: Span) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = all.entry(route).or_default();
        *seen.statuses.entry(status).or_default() += 1;
        let at = BUCKETS_MS.partition_point(|end| Span::from_millis(*end) < took);
        if let Some(bucket) = seen.buckets.get_mut(at) {
            *bucket += 1;
        }
        seen.count += 1;
        seen.took = Span(seen.took.0.saturating_add(took.0));
    }

    pub fn all(&self) -> BTreeMap<Route, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts the request when it is answered.
pub async fn count(State(shared): State<Shared>, request: Request<Body>, next: Next) -> Response {
    let template = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let route = Route { method: method(request.method()), template };
    let began = shared.desk.now();
    let response = next.run(request).await;
    shared.requests.note(route, response.status().as_u16(), shared.desk.now().since(began));
    response
}

/// Anybody can make up methods.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_the_bucket_that_it_fits_in() {
        let requests = Requests::default();
        let route = Route { method: "GET", template: "/x".to_owned() };
        for (ms, status) in [(0, 200), (5, 200), (6, 404), (10_001, 200)] {
            requests.note(route.clone(), status, Span::from_millis(ms));
        }
        let all = requests.all();
        let seen = &all[&route];
        assert_eq!(seen.statuses, BTreeMap::from([(200, 3), (404, 1)]));
        assert_eq!((seen.buckets[0], seen.buckets[1], seen.buckets[10], seen.count), (2, 1, 0, 4));
        assert_eq!(seen.took, Span::from_millis(10_012));
    }
}
