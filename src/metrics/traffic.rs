//! Requests by operation and status, with what they took.

use std::{
    cell::Cell,
    collections::HashMap,
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use axum::http::{Method, StatusCode};
use utoipa::openapi::{self, path::Operation};
use wharf_storage::{Distribution, Histogram};

use crate::verbs;

/// Bounds of the duration of a request, in microseconds.
const MICROSECONDS: &[u64] = &[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];
/// The statuses that the API answers. Others are counted as the last of their hundred.
const STATUSES: [u16; 22] = [
    200, 201, 202, 204, 299, 304, 399, 400, 401, 403, 404, 405, 409, 410, 413, 415, 429, 499, 500,
    501, 502, 503,
];
/// Beyond them: 504, and what is worse.
const GATEWAY_TIMEOUT: u16 = 504;
const PLACES: usize = STATUSES.len() + 1;

tokio::task_local! {
    /// The place of the current request's operation.
    static PLACE: Cell<usize>;
}

/// Notes which operation the current request is; `route` as the router knows it.
pub(crate) fn route_found(traffic: &Traffic, method: &Method, route: &str) {
    // Outside of a request there is nothing to note.
    let _ = PLACE.try_with(|place| place.set(traffic.place(method, route)));
}

/// Requests by operation. All counts are made beforehand: a request adds to them and makes nothing.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// Places by the route that the router knows.
    routes: HashMap<String, Vec<(Method, usize)>>,
    operations: Vec<Counts>,
}

/// Requests of one operation.
#[derive(Debug)]
struct Counts {
    method: String,
    /// As callers write it; empty for whatever has no route.
    route: String,
    by_status: [AtomicU64; PLACES],
    took: Histogram,
}

/// What was counted of one operation.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    pub(super) method: &'a str,
    pub(super) route: &'a str,
    /// By status, those that there were.
    pub(super) by_status: Vec<(u16, u64)>,
    pub(super) microseconds: Distribution,
}

/// The place of what is no operation of the document.
const ELSEWHERE: usize = 0;

impl Traffic {
    /// Counts for the operations of a document whose paths are the router's.
    pub(crate) fn of(document: &openapi::OpenApi) -> Self {
        let mut traffic =
            Self { routes: HashMap::new(), operations: vec![Counts::new("", String::new())] };
        for (route, item) in &document.paths.paths {
            let methods: [(Method, &Option<Operation>); 5] = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, _) in methods.into_iter().filter(|(_, operation)| operation.is_some()) {
                let counts = Counts::new(method.as_str(), verbs::documented(route).to_owned());
                let place = traffic.operations.len();
                traffic.routes.entry(route.clone()).or_default().push((method, place));
                traffic.operations.push(counts);
            }
        }
        traffic
    }

    fn place(&self, method: &Method, route: &str) -> usize {
        let methods = self.routes.get(route).map_or(&[][..], Vec::as_slice);
        methods.iter().find(|(of, _)| of == method).map_or(ELSEWHERE, |(_, place)| *place)
    }

    /// Runs a request and counts it; gives how long it took.
    pub(crate) async fn count<T>(
        &self,
        request: impl Future<Output = T>,
        status: impl FnOnce(&T) -> StatusCode,
    ) -> (T, Duration) {
        let begun = Instant::now();
        let place = Cell::new(ELSEWHERE);
        let (answer, place) =
            PLACE.scope(place, async { (request.await, PLACE.with(Cell::get)) }).await;
        let took = begun.elapsed();
        let counts = &self.operations[place];
        counts.by_status[place_of(status(&answer).as_u16())].fetch_add(1, Ordering::Relaxed);
        counts.took.add_duration(took);
        (answer, took)
    }

    /// What was counted, of the operations that were asked for.
    pub(super) fn counted(&self) -> impl Iterator<Item = Counted<'_>> {
        self.operations.iter().map(Counts::counted).filter(|counted| !counted.by_status.is_empty())
    }
}

impl Counts {
    fn new(method: &str, route: String) -> Self {
        let by_status = std::array::from_fn(|_| AtomicU64::new(0));
        Self { method: method.to_owned(), route, by_status, took: Histogram::new(MICROSECONDS) }
    }

    fn counted(&self) -> Counted<'_> {
        let statuses = STATUSES.into_iter().chain([GATEWAY_TIMEOUT]);
        let counts = self.by_status.iter().map(|count| count.load(Ordering::Relaxed));
        Counted {
            method: &self.method,
            route: &self.route,
            by_status: statuses.zip(counts).filter(|(_, count)| *count > 0).collect(),
            microseconds: self.took.distribution(),
        }
    }
}

/// Where a status is counted: at its own place, or at that of the next that has one.
fn place_of(status: u16) -> usize {
    STATUSES.partition_point(|known| *known < status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_counted_under_its_operation_and_status() {
        let traffic = Traffic::of(&crate::api::routed_document());
        for (method, route, status) in [
            (Method::GET, "/api/v1/sessions/{session}", StatusCode::OK),
            (Method::GET, "/api/v1/sessions/{session}", StatusCode::NOT_FOUND),
            (Method::POST, "/api/v1/sessions/{session}/~start", StatusCode::OK),
            (Method::PUT, "/api/v1/sessions/{session}", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/nowhere", StatusCode::NOT_FOUND),
        ] {
            let request = async { route_found(&traffic, &method, route) };
            traffic.count(request, |()| status).await;
        }
        let counted: Vec<_> = traffic
            .counted()
            .map(|one| {
                assert_eq!(
                    one.microseconds.count(),
                    one.by_status.iter().map(|(_, count)| count).sum::<u64>()
                );
                (one.method, one.route, one.by_status)
            })
            .collect();
        assert_eq!(
            counted,
            [
                ("", "", vec![(404, 1), (405, 1)]),
                ("GET", "/api/v1/sessions/{session}", vec![(200, 1), (404, 1)]),
                ("POST", "/api/v1/sessions/{session}:start", vec![(200, 1)]),
            ]
        );
    }

    #[test]
    fn every_status_of_an_error_has_a_place_of_its_own() {
        assert!(STATUSES.is_sorted());
        for status in [200, 204, 400, 401, 403, 404, 405, 409, 410, 413, 415, 429, 500, 503] {
            assert_eq!(STATUSES[place_of(status)], status);
        }
        assert_eq!((place_of(504), place_of(599)), (PLACES - 1, PLACES - 1));
        assert_eq!(STATUSES[place_of(418)], 429);
    }
}
