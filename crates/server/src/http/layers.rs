//! What happens around every request: an id, a log line, a time limit, and careful headers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_flows::feed::MAX_WAIT;
use countersign_flows::{FlowError, Random};
use countersign_token::crypto;

use super::error::{ApiError, ErrorBody};
use super::{Site, credential, cross_site, metrics, oauth2};
use crate::places::Place;

/// Names a request in the log and in its answer.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where ids of requests come from: a draw is for many, since each draw costs as much as checking a
/// token that is known.
#[derive(Debug, Default)]
pub struct RequestIds(Mutex<Vec<[u8; ID_BYTES]>>);

const ID_BYTES: usize = 12;

impl RequestIds {
    fn next(&self, random: &Random) -> String {
        const DRAWN: usize = 32;
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_empty() {
            let bytes = random.bytes::<{ ID_BYTES * DRAWN }>();
            drawn.extend_from_slice(bytes.as_chunks().0);
        }
        let id = drawn.pop().unwrap_or_default();
        drop(drawn);
        crypto::b64(&id)
    }
}

/// [`observe`] and [`pass`] in one layer, where nothing stands between them: a layer has a price, and
/// every request pays it.
pub async fn observe_and_pass(State(site): State<Site>, request: Request, next: Next) -> Response {
    observed(&site, request, |request| passed(&site, request, next)).await
}

/// Gives the request an id and its answer careful headers, and logs what became of it. The log holds
/// the route, not the path: a path can hold anything that somebody typed.
pub async fn observe(State(site): State<Site>, request: Request, next: Next) -> Response {
    observed(&site, request, |request| next.run(request)).await
}

async fn observed<F: Future<Output = Response>>(
    site: &Site,
    mut request: Request,
    inner: impl FnOnce(Request) -> F,
) -> Response {
    let id = site.request_ids.next(&site.cx.random);
    let answered_id = HeaderValue::try_from(&id);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = metrics::method(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let began = site.cx.clock.monotonic();
    let route = path.as_ref().map_or("(none)", MatchedPath::as_str);
    let span = site.tracer.begin(method, route, &id, request.headers());
    let mut response = inner(request).await;
    careful_headers(site, response.headers_mut());
    let took = site.cx.clock.monotonic().saturating_sub(began);
    let status = response.status().as_u16();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(target: "countersign", request_id = id, method, route, status, micros, "request");
    let refusal = response.extensions().get::<ErrorBody>();
    let code = refusal.map(|refusal| refusal.code);
    span.end(status, code);
    site.metrics.note(method, route, status, code, took);
    if let Ok(value) = answered_id {
        response.headers_mut().insert(X_REQUEST_ID.clone(), value);
    }
    response
}

/// What a request passes on the way to its route. One layer rather than one for each: a question to
/// the feed waits inside all of them, and there are thousands of those.
pub async fn pass(State(site): State<Site>, request: Request, next: Next) -> Response {
    passed(&site, request, next).await
}

async fn passed(site: &Site, mut request: Request, next: Next) -> Response {
    let oauth2 = request.uri().path().starts_with("/oauth2/");
    site.body_limit.apply(&mut request);
    let response = match head_limit(site, &request) {
        Ok(()) => time_limit(site, request, next).await,
        Err(refusal) => refusal.into_response(),
    };
    if oauth2 {
        oauth2::in_its_shape(response)
    } else {
        response
    }
}

/// The most headers of a request. Counted here, below the hundred that hyper takes: told another
/// number, it makes room for so many one by one, for every request.
const MAX_HEADERS: usize = 64;

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

/// Ends a request that takes too long: a body that trickles in, a database that hangs.
async fn time_limit(site: &Site, request: Request, next: Next) -> Response {
    // A question to the feed waits as long as it said, which has a bound of its own.
    let extra = if is_route(&request, "/revocations") {
        MAX_WAIT
    } else {
        Duration::ZERO
    };
    match tokio::time::timeout(site.request_timeout + extra, admit(site, request, next)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "The request took too long",
        )
        .into_response(),
    }
}

/// When all general places are taken: serves whoever proves to be a service, which has a place of
/// its own from then on, and tells everybody else that it is busy. Whether the process runs is
/// answered to all.
async fn admit(site: &Site, request: Request, next: Next) -> Response {
    let place = request.extensions().get::<Place>().cloned();
    if let Some(place) = &place
        && !place.is_named()
        && let Ok(Some(_)) = credential::service(site, request.headers()).await
    {
        place.name();
    }
    let served = place.is_none_or(|place| place.is_served());
    let mut response = if !served && !is_route(&request, "/healthz") {
        let retry_after = Duration::from_secs(1);
        ApiError::from(FlowError::Busy { retry_after }).into_response()
    } else if let Err(refusal) = cross_site::check_change(site, &request) {
        refusal.into_response()
    } else {
        next.run(request).await
    };
    if !served {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// Below whatever path the public URL has.
fn is_route(request: &Request, route: &str) -> bool {
    let path = request.extensions().get::<MatchedPath>();
    path.is_some_and(|path| path.as_str().ends_with(route))
}

/// Headers that cost nothing and close doors: no sniffing, no framing, no referrer, and no storing
/// of what may hold a credential.
fn careful_headers(site: &Site, headers: &mut HeaderMap) {
    if site.sts {
        // A year, and only where TLS ends here: a proxy in front has its own (RFC 6797).
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    // Once, and room for what comes after.
    headers.reserve(CAREFUL.len() + 3);
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
pub fn cors(origins: &[String]) -> Option<tower_http::cors::CorsLayer> {
    use tower_http::cors::{AllowOrigin, CorsLayer};
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
    fn no_two_requests_have_the_same_id() {
        let (ids, random) = (RequestIds::default(), Random::seeded(1));
        let given: HashSet<String> = (0..1_000).map(|_| ids.next(&random)).collect();
        assert_eq!(given.len(), 1_000);
        assert!(given.iter().all(|id| id.len() == 16));
    }
}
