//! What every request passes on its way in and out: an id, a log line, a time limit, and careful
//! headers.
//!
//! It stands before the router rather than in its layers, which axum makes anew for each request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_flows::feed::MAX_WAIT;
use countersign_flows::{FlowError, Random};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;

use super::error::{ApiError, ErrorBody};
use super::{Site, credential, cross_site, metrics, oauth2};
use crate::places::Place;
use crate::serve::Arrival;

/// Names a request in the log and in its answer: 96 random bits in the letters of base64url.
#[derive(Debug, Clone, Copy)]
pub struct RequestId([u8; RequestId::LETTERS]);

impl RequestId {
    const LETTERS: usize = 16;

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Where ids of requests come from: a draw is for many, since each draw costs as much as checking a
/// token that is known.
#[derive(Debug, Default)]
pub struct RequestIds(Mutex<Vec<RequestId>>);

impl RequestIds {
    fn next(&self, random: &Random) -> RequestId {
        const DRAWN: usize = 32;
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_empty() {
            let bytes = random.bytes::<{ RequestId::LETTERS * DRAWN }>();
            let letters = bytes.map(|byte| LETTERS[usize::from(byte % 64)]);
            drawn.extend(letters.as_chunks().0.iter().map(|id| RequestId(*id)));
        }
        drawn.pop().unwrap_or(RequestId([b'-'; RequestId::LETTERS]))
    }
}

/// The routes, behind what every request passes.
#[derive(Debug, Clone)]
pub struct Front(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    site: Site,
    routes: Router,
    names: Names,
    cors: Option<CorsLayer>,
}

impl Front {
    pub(super) fn new(site: Site, routes: Router, names: Names) -> Self {
        let cors = cors(&site.cors_origins);
        Self(Arc::new(Inner {
            site,
            routes,
            names,
            cors,
        }))
    }

    /// What listeners serve.
    pub fn service(
        self,
    ) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static {
        service_fn(move |request| answer(Arc::clone(&self.0), request))
    }
}

async fn answer(front: Arc<Inner>, request: Request) -> Result<Response, Infallible> {
    Ok(front.answer(request).await)
}

impl Inner {
    /// Gives the request an id and its answer careful headers, and logs what became of it. The log
    /// holds the route, not the path: a path can hold anything that somebody typed.
    async fn answer(&self, mut request: Request) -> Response {
        let site = &self.site;
        let id = site.request_ids.next(&site.cx.random);
        let arrival = request.extensions_mut().get_mut::<Arrival>();
        let place = arrival.map(|arrival| {
            arrival.request_id = Some(id);
            arrival.place.clone()
        });
        let method = metrics::method(request.method());
        let declared = self.names.of(request.uri().path());
        let route = declared.name();
        let began = site.cx.clock.monotonic();
        let span = site
            .tracer
            .begin(method, route, id.as_str(), request.headers());
        let mut response = match &self.cors {
            None => self.pass(request, place.as_ref(), route).await,
            // Refusals on the way are for other origins to read, too.
            Some(cors) => {
                let pass = |request| async {
                    Ok::<_, Infallible>(self.pass(request, place.as_ref(), route).await)
                };
                let answer = cors.layer(service_fn(pass)).oneshot(request).await;
                answer.unwrap_or_else(|never| match never {})
            }
        };
        careful_headers(site, response.headers_mut());
        let took = site.cx.clock.monotonic().saturating_sub(began);
        let status = response.status().as_u16();
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(target: "countersign", request_id = id.as_str(), method, route, status, micros, "request");
        let refusal = response.extensions().get::<ErrorBody>();
        let code = refusal.map(|refusal| refusal.code);
        span.end(status, code);
        site.metrics.note(method, declared, status, code, took);
        if let Ok(value) = HeaderValue::from_bytes(&id.0) {
            response.headers_mut().insert(X_REQUEST_ID.clone(), value);
        }
        response
    }

    /// What a request passes on the way to its route. As little as can be is held while it is
    /// answered: a question to the feed waits inside all of this, and there are thousands of those.
    async fn pass(&self, request: Request, place: Option<&Place>, route: &str) -> Response {
        let site = &self.site;
        let oauth2 = request.uri().path().strip_prefix(site.path.as_str());
        let oauth2 = oauth2.is_some_and(|path| path.starts_with("/oauth2/"));
        let mut limit = time_limit(site, route);
        let head = head_limit(site, &request);
        if let Some(place) = place
            && head.is_ok()
            && credential::names_a_service(request.headers())
            && !place.is_named()
        {
            let asked = site.cx.clock.monotonic();
            // Whoever could not be looked up in time counts as a stranger.
            let named = Box::pin(name(site, request.headers(), place));
            let _ = tokio::time::timeout(site.request_timeout / 2, named).await;
            limit = limit.saturating_sub(site.cx.clock.monotonic().saturating_sub(asked));
        }
        let served = place.is_none_or(Place::is_served);
        let mut response = match head.and_then(|()| admit(site, &request, route, served)) {
            Ok(()) => {
                let answer = within(limit, self.routes.clone().oneshot(request)).await;
                answer.map_or_else(too_late, |answer| {
                    answer.unwrap_or_else(|never| match never {})
                })
            }
            Err(refusal) => refusal.into_response(),
        };
        if !served {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        if oauth2 {
            oauth2::in_its_shape(response)
        } else {
            response
        }
    }
}

/// What comes of a future in that time; none where it takes longer.
async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // A timer has its price, and most answers are there without one.
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        return Some(done);
    }
    tokio::time::timeout(limit, future).await.ok()
}

/// Which route a path leads to, as it was declared: what log and metrics call it.
#[derive(Debug)]
pub struct Names {
    routes: matchit::Router<Arc<metrics::Route>>,
    none: metrics::Route,
}

impl Names {
    /// Every route, each once, below the path of the public URL.
    pub(super) fn new<'r>(below: &str, declared: impl IntoIterator<Item = &'r str>) -> Self {
        let mut routes = matchit::Router::new();
        for path in declared {
            let full = format!("{below}{path}");
            let route = Arc::new(metrics::Route::new(full.clone()));
            let mut added = routes.insert(full, Arc::clone(&route));
            if path == "/" && !below.is_empty() {
                added = added.and_then(|()| routes.insert(below, route));
            }
            debug_assert!(added.is_ok(), "{path}: {added:?}");
        }
        Self {
            routes,
            none: metrics::Route::new("(none)".to_owned()),
        }
    }

    fn of(&self, path: &str) -> &metrics::Route {
        self.routes.at(path).map_or(&self.none, |found| found.value)
    }
}

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The most headers of a request. Counted here, below the hundred that hyper takes: told another
/// number, it makes room for so many one by one, for every request.
const MAX_HEADERS: usize = 64;

/// When all general places are taken, whoever proves to be a service is served, and has a place of
/// its own from then on; everybody else is told that it is busy. Whether the process runs is answered
/// to all.
fn admit(site: &Site, request: &Request, route: &str, served: bool) -> Result<(), ApiError> {
    if !served && !route.ends_with("/healthz") {
        let retry_after = Duration::from_secs(1);
        return Err(FlowError::Busy { retry_after }.into());
    }
    cross_site::check_change(site, request)
}

/// Gives a service the place that it has a right to.
async fn name(site: &Site, headers: &HeaderMap, place: &Place) {
    if let Ok(Some(_)) = credential::service(site, headers).await {
        place.name();
    }
}

/// Refuses a head above `limits.header_bytes`, or of too many headers. The connection's own buffer
/// stops what is much larger, but takes up to twice as much where it comes in one piece.
fn head_limit(site: &Site, request: &Request) -> Result<(), ApiError> {
    let uri = request.uri().path_and_query();
    let line = uri.map_or(0, |uri| uri.as_str().len());
    let lines = request.headers().iter();
    let head = lines.fold(line, |sum, (name, value)| {
        sum + name.as_str().len() + value.len() + ": \r\n".len()
    });
    if head <= site.header_bytes && request.headers().len() <= MAX_HEADERS {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head_too_large",
        "The head of the request is too large",
    ))
}

/// When a request has taken too long: a body that trickles in, a database that hangs.
fn time_limit(site: &Site, route: &str) -> Duration {
    // A question to the feed waits as long as it said, which has a bound of its own.
    let extra = if route.ends_with("/revocations") {
        MAX_WAIT
    } else {
        Duration::ZERO
    };
    site.request_timeout + extra
}

fn too_late() -> Response {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "timeout",
        "The request took too long",
    )
    .into_response()
}

/// Headers that cost nothing and close doors: no sniffing, no framing, no referrer, and no storing
/// of what may hold a credential.
fn careful_headers(site: &Site, headers: &mut HeaderMap) {
    if site.sts {
        // A year, and only where TLS ends here: a proxy in front has its own (RFC 6797).
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    for (name, value) in &CAREFUL {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}

static CAREFUL: [(HeaderName, HeaderValue); 5] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// Answers for origins that the operator named, and nothing to others (Fetch standard, CORS).
fn cors(origins: &[String]) -> Option<CorsLayer> {
    use tower_http::cors::AllowOrigin;
    if origins.is_empty() {
        return None;
    }
    let origins: Vec<HeaderValue> = origins
        .iter()
        .filter_map(|origin| HeaderValue::try_from(origin.as_str()).ok())
        .collect();
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
            .expose_headers([
                header::RETRY_AFTER,
                header::WWW_AUTHENTICATE,
                X_REQUEST_ID.clone(),
            ])
            .max_age(Duration::from_secs(600)),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_route_is_called_as_it_was_declared_wherever_it_stands() {
        let declared = ["/", "/profile", "/admin/users/{id}"];
        for below in ["", "/auth"] {
            let names = Names::new(below, declared);
            for (path, name) in [
                ("/", "/"),
                ("/profile", "/profile"),
                ("/admin/users/42", "/admin/users/{id}"),
                ("/admin/users/%2e%2e", "/admin/users/{id}"),
            ] {
                let name = format!("{below}{name}");
                assert_eq!(names.of(&format!("{below}{path}")).name(), name, "{path}");
            }
            for unknown in ["", "/admin/users", "/profile/", "/admin/users/4/2", "//"] {
                let unknown = format!("/x{below}{unknown}");
                assert_eq!(names.of(&unknown).name(), "(none)", "{unknown}");
            }
        }
        let names = Names::new("/auth", declared);
        assert_eq!(names.of("/auth").name(), "/auth/");
        assert_eq!(names.of("/profile").name(), "(none)");
    }

    #[test]
    fn no_two_requests_have_the_same_id() {
        let (ids, random) = (RequestIds::default(), Random::seeded(1));
        let mut given = HashSet::new();
        for _ in 0..1_000 {
            let id = ids.next(&random);
            assert_eq!(id.as_str().len(), 16);
            assert!(given.insert(id.as_str().to_owned()));
        }
    }
}
